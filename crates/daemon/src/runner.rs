//! The command actions of a jail, each in a thread of its own with a bounded queue.
//!
//! In: what is to be done for a jail, in its order. Out: commands that ran, and what the log says of them.
//!
//! Invariant: the commands of one action run one after another in the order in which they were asked for, those of
//! several actions in turn as long as all are quick, and a slow action delays nobody but itself; see [`crate::turns`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use stockade_action::command::{ActionError, CommandAction, Shell, Trouble};
use stockade_action::facts::{BanFacts, Bans, NoBan, Past};
use stockade_action::message::{Malformed, Message};
use stockade_action::tags::{Facts, Properties, Script};
use stockade_datetime::Timestamp;
use stockade_jail::{Family, Id};
use stockade_protocol::{Failure, Reply, Value};

use crate::limits::Fill;
use crate::log::{Level, Log, Records};
pub use crate::methods::{Told, Work};
use crate::places::Registry;
use crate::post::Post;
use crate::reverse;
use crate::shell;
pub use crate::shell::Run;
use crate::turns::{Kind, Turn, Turns};

/// How many bans and calls may wait for one action. Past it a ban is handed over later, and a client is told so. What
/// ends something and what is about the action as a whole always has room: there is no more of it than of bans that
/// were taken, and of words of an administrator.
pub const QUEUE: usize = 10_000;

/// How much may wait for an action that is told to end and does it all; of one that is further behind the bans are
/// left out, with their ends, for nobody waits for hours.
const DONE_AT_THE_END: usize = 100;

/// How long an action waits for what the database knows of earlier bans.
const DATABASE_WAIT: Duration = Duration::from_secs(1);
/// How long after it was looked whether an action's environment is there it is looked again, in seconds.
const CHECK_PAUSE: i64 = 3;

/// What an action is to do.
#[derive(Debug, Clone)]
pub enum Job {
    /// The jail starts.
    Start(NoBan),
    /// A ban, under a number by which it is told what became of it; it has failed so often before.
    Ban(Box<BanFacts>, u64, u32),
    /// A ban came to last longer; told to actions that have a command for that.
    Prolong(Box<BanFacts>),
    /// One who is banned has failed again: whether what was set up is still there, and the ban with it. The number is
    /// for what became of that, where there was something to do.
    Again(Box<BanFacts>, u64),
    /// Bans end, one after the other.
    Unban(Vec<BanFacts>),
    /// All bans end at once; for actions that have a command for that.
    Flush {
        /// The jail.
        facts: NoBan,
        /// Whether the action is to be stopped next.
        ends: bool,
    },
    /// The configuration was read again.
    Reload(NoBan),
    /// The jail stops.
    Stop(NoBan),
    /// The action has other properties from here on, and what it has started stays.
    Adjust(Properties, Duration),
    /// Something that a client has asked for, who is told by this number what became of it.
    Call(Box<Work>, NoBan, u64),
}

impl Job {
    /// The bans that it is about.
    fn bans(&mut self) -> &mut [BanFacts] {
        match self {
            Self::Ban(facts, ..) | Self::Prolong(facts) | Self::Again(facts, _) => slice::from_mut(facts),
            Self::Unban(bans) => bans,
            Self::Start(_)
            | Self::Flush { .. }
            | Self::Reload(_)
            | Self::Stop(_)
            | Self::Adjust(..)
            | Self::Call(..) => &mut [],
        }
    }

    /// Whether it can wait for another time, where too much waits already.
    #[must_use]
    pub const fn can_be_refused(&self) -> bool {
        match self {
            Self::Ban(..) | Self::Prolong(_) | Self::Again(..) | Self::Call(..) => true,
            Self::Start(_)
            | Self::Unban(_)
            | Self::Flush { .. }
            | Self::Reload(_)
            | Self::Stop(_)
            | Self::Adjust(..) => false,
        }
    }
}

/// Notes that an id was banned after so many repairs; those before the first need no note.
fn note_repairs(repaired: &mut BTreeMap<Id, u64>, id: &Id, repairs: u64) {
    if repairs > 0 {
        repaired.insert(id.clone(), repairs);
    }
}

/// Why an action did not ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// What kind of failure it is.
    pub cause: Cause,
    /// What happened: `returned 3`.
    pub text: String,
    /// The last that the command wrote to its standard error.
    pub stderr: String,
    /// In how many seconds at the earliest it may be tried again, where somebody has said so.
    pub after: u32,
}

/// What kind of failure it is, which says whether it may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A command ended by itself with this status.
    Status(i32),
    /// A server has refused it for good, with this status.
    Refused(i32),
    /// The server was not reached.
    Unreached,
    /// A command was not begun, ended by a signal, or took too long: what it did is not known.
    Broken,
    /// The action has no commands that could be run.
    Definition,
    /// So much waits for the action that it was not told.
    Behind,
}

impl Cause {
    /// The exit status of the command.
    #[must_use]
    pub const fn status(self) -> Option<i32> {
        match self {
            Self::Status(status) | Self::Refused(status) => Some(status),
            Self::Unreached | Self::Broken | Self::Definition | Self::Behind => None,
        }
    }
}

impl Failing {
    pub(crate) fn new(run: &Run) -> Self {
        // The shell has a status of its own for a signal.
        let cause = run.code.filter(|code| (1..=128).contains(code));
        Self {
            cause: cause.map_or(Cause::Broken, Cause::Status),
            text: run.ending.clone(),
            stderr: run.reason.clone(),
            after: 0,
        }
    }
}

/// What an action tells.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// What became of a call.
    Called(Called),
    /// What became of a ban.
    Acted(Acted),
}

/// What became of a ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    /// The jail.
    pub jail: String,
    /// The action.
    pub action: String,
    /// Who is banned.
    pub id: Id,
    /// The number under which the ban was handed over.
    pub number: u64,
    /// Whether it is in force.
    pub result: Result<(), Failing>,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// The number of the call.
    pub number: u64,
    /// What the client is told.
    pub reply: Reply,
}

/// What is kept of the bans of an id, as soon as the database says so.
#[derive(Debug)]
pub struct PastAnswers {
    /// In all jails.
    pub(crate) everywhere: Receiver<Option<Bans>>,
    /// In one.
    pub(crate) here: Receiver<Option<Bans>>,
}

impl PastAnswers {
    fn wait(self) -> Past {
        // A database that has no time now leaves the ban alone to be told of.
        let answer = |answer: Receiver<Option<Bans>>| answer.recv_timeout(DATABASE_WAIT).ok().flatten();
        Past {
            everywhere: answer(self.everywhere),
            here: answer(self.here),
        }
    }
}

/// What a runner is started with.
pub struct Employment {
    /// The action.
    pub action: CommandAction,
    /// How long each of its commands may take.
    pub timeout: Duration,
    /// Where an action of that name was told to end, its thread; this one begins when it has ended: what the one
    /// takes down and what the other sets up often have the same name.
    pub predecessor: Option<JoinHandle<()>>,
    /// The order between the actions of the jail.
    pub(crate) turns: Turns,
    /// Takes what the action tells.
    pub(crate) tell: Box<dyn FnMut(News) + Send>,
}

/// What an action is asked for, its place in the order, and what the database will say.
type Asked = (Job, Turn, Option<PastAnswers>);

/// What an action and whoever asks it know of each other.
#[derive(Debug, Default)]
struct Backlog {
    /// How much waits.
    waiting: AtomicUsize,
    /// How often there was no room.
    refused: AtomicU64,
    /// Whether bans that wait are left out, since the action ends.
    hurries: AtomicBool,
}

/// One action of one jail at work.
#[derive(Debug)]
pub struct Runner {
    name: String,
    jobs: Sender<Asked>,
    backlog: Arc<Backlog>,
    wants_past: bool,
    turns: Turns,
    /// What a ban of this one is to others.
    kind: Kind,
    thread: JoinHandle<()>,
}

impl Runner {
    /// Starts the thread of an action, which is called `name` in the jail `jail`.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub(crate) fn start(
        jail: &str,
        name: &str,
        employment: Employment,
        log: Arc<Log>,
        places: Registry,
    ) -> io::Result<Self> {
        let Employment {
            action,
            timeout,
            predecessor,
            turns,
            mut tell,
        } = employment;
        let (jobs, waiting) = channel();
        let backlog: Arc<Backlog> = Arc::default();
        let wants_past = action.wants_past();
        let kind = if action.undoes() { Kind::Rule } else { Kind::Report };
        let mut calls = 0;
        let records = Records::from(log);
        let run = move |script: &Script, timeout: Duration| {
            calls += 1;
            shell::run(script, timeout, calls)
        };
        let seen = Arc::clone(&backlog);
        let mut worker = Worker::new(jail, name, action, timeout, records, places, run);
        let thread = thread::Builder::new()
            .name(format!("f2b/a.{jail}"))
            .spawn(move || {
                if let Some(predecessor) = predecessor {
                    // However it ended, it does nothing any more.
                    drop(predecessor.join());
                }
                worker.take_all(&waiting, &seen, &mut tell);
            })?;
        Ok(Self {
            name: name.to_owned(),
            jobs,
            backlog,
            wants_past,
            turns,
            kind,
            thread,
        })
    }

    /// Asks for `job`; `false` where the action is too far behind to be asked for more.
    #[must_use]
    pub fn ask(&self, job: Job, ask_past: impl FnOnce(&Id) -> PastAnswers) -> bool {
        if job.can_be_refused() && self.backlog.waiting.load(Ordering::Relaxed) >= QUEUE {
            self.backlog.refused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let past = match &job {
            Job::Ban(facts, ..) | Job::Prolong(facts) | Job::Again(facts, _) => Some(facts.as_ref()),
            Job::Unban(bans) => bans.first().filter(|_| bans.len() == 1),
            Job::Start(_)
            | Job::Flush { .. }
            | Job::Reload(_)
            | Job::Stop(_)
            | Job::Adjust(..)
            | Job::Call(..) => None,
        };
        let past = past
            .filter(|_| self.wants_past)
            .map(|facts| ask_past(&facts.ticket.id));
        self.send(job, past)
    }

    /// How much waits for it, beside how much can.
    #[must_use]
    pub(crate) fn fill(&self, jail: &str) -> Fill {
        Fill {
            of: format!("action {} of {jail}", self.name),
            ..Fill::single(
                "what waits for an action",
                (Some(self.backlog.waiting.load(Ordering::Relaxed)), QUEUE),
                self.backlog.refused.load(Ordering::Relaxed),
                "bans are handed over when there is room",
            )
        }
    }

    /// Asks for `job` as the last one; the thread ends when all is done.
    pub fn finish(self, job: Job) -> JoinHandle<()> {
        if self.backlog.waiting.load(Ordering::Relaxed) > DONE_AT_THE_END {
            self.backlog.hurries.store(true, Ordering::Relaxed);
        }
        self.send(job, None);
        self.thread
    }

    /// Hands a job to the thread; `false` where that has ended before its time.
    fn send(&self, job: Job, past: Option<PastAnswers>) -> bool {
        let turn = self.turn(&job);
        self.backlog.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.send((job, turn, past)).is_ok()
    }

    fn turn(&self, job: &Job) -> Turn {
        let kind = match job {
            Job::Ban(..) | Job::Prolong(_) | Job::Again(..) | Job::Unban(_) => self.kind,
            Job::Start(_) | Job::Reload(_) | Job::Adjust(..) | Job::Call(..) => Kind::Order,
            Job::Flush { .. } | Job::Stop(_) => Kind::End,
        };
        self.turns.next(&self.name, kind)
    }
}

/// Does what an action is asked for, one thing after another.
#[derive(Debug)]
pub struct Worker<R> {
    action: CommandAction,
    hands: Hands<R>,
    /// After how many repairs an id was banned, where it was after some.
    repaired: BTreeMap<Id, u64>,
    /// When it was looked last whether what was set up is there.
    checked: Option<Timestamp>,
}

/// Runs scripts, and says what came of it.
#[derive(Debug)]
struct Hands<R> {
    jail: String,
    name: String,
    log: Records,
    places: Registry,
    timeout: Duration,
    /// The last command that failed in what is being done.
    failed: Option<Failing>,
    /// Whether what goes wrong was told before and is for the curious only.
    is_quiet: bool,
    /// Whether it may wait until a message may be sent; a ban comes again by itself.
    is_patient: bool,
    run: R,
    /// Sends messages, where the action is one that does.
    post: Post,
}

impl<R: FnMut(&Script, Duration) -> Run> Worker<R> {
    /// Whoever does what `action` says, which is called `name` in the jail `jail`; `run` runs a script for so long at
    /// most, and says how it ended.
    pub fn new(
        jail: &str,
        name: &str,
        action: CommandAction,
        timeout: Duration,
        log: Records,
        places: Registry,
        run: R,
    ) -> Self {
        let hands = Hands {
            jail: jail.to_owned(),
            name: name.to_owned(),
            log,
            places,
            timeout,
            failed: None,
            is_quiet: false,
            is_patient: true,
            run,
            post: Post::new(&action),
        };
        Self {
            action,
            hands,
            repaired: BTreeMap::new(),
            checked: None,
        }
    }

    fn take_all(&mut self, waiting: &Receiver<Asked>, backlog: &Backlog, tell: &mut dyn FnMut(News)) {
        let mut left_out = LeftOut::default();
        while let Some((mut job, mut turn, past)) = self.next(waiting) {
            backlog.waiting.fetch_sub(1, Ordering::Relaxed);
            if backlog.hurries.load(Ordering::Relaxed) && left_out.takes(&mut job) {
                continue;
            }
            turn.wait();
            let bans = job.bans();
            if let ([facts], Some(past)) = (&mut *bans, past) {
                facts.past = past.wait();
            }
            if self.action.texts().any(reverse::asks) {
                bans.iter_mut().for_each(reverse::find);
            }
            if let Some(news) = self.take(job) {
                tell(news);
            }
        }
        self.hands.deliver(true);
        if left_out.count > 0 {
            self.hands.report_left_out(left_out.count);
        }
    }

    /// What is to be done next; until then what is held back is sent when its time has come.
    fn next(&mut self, waiting: &Receiver<Asked>) -> Option<Asked> {
        loop {
            let Some(due) = self.hands.post.due() else {
                return waiting.recv().ok();
            };
            let wait = due.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                self.hands.deliver(false);
                continue;
            }
            match waiting.recv_timeout(wait) {
                Ok(asked) => return Some(asked),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Does one thing; what became of it, where somebody is to know.
    pub fn take(&mut self, job: Job) -> Option<News> {
        let Self {
            action,
            hands,
            repaired,
            checked,
        } = self;
        (hands.failed, hands.is_quiet) = (None, false);
        hands.is_patient = !matches!(job, Job::Ban(..));
        match job {
            Job::Start(facts) => {
                let started = action.start(&facts, hands);
                hands.check(started, |jail, name, error| {
                        format!("Failed to start jail '{jail}' action '{name}': Error starting action Jail('{jail}')/{name}: '{error}'")
                    });
            }
            Job::Ban(facts, number, tries) => {
                let mut result = Ok(());
                if !(facts.ticket.restored && action.skips_restored()) {
                    hands.is_quiet = tries > 0;
                    let done = if tries > 0 {
                        action.ban_after_failure(facts.family(), &*facts, hands)
                    } else {
                        action.ban(facts.family(), &*facts, hands)
                    };
                    result = hands.check_ban(done, "ban", &facts);
                    note_repairs(repaired, &facts.ticket.id, action.repairs());
                }
                return Some(hands.acted(facts.ticket.id, number, result));
            }
            Job::Again(facts, number) => {
                let (id, now) = (&facts.ticket.id, facts.jail.now);
                let before = repaired.get(id).copied().unwrap_or_default();
                if before == action.repairs() && checked.is_none_or(|at| now >= at.plus_seconds(CHECK_PAUSE))
                {
                    *checked = Some(now);
                    action.look_after(false, &facts.without_ban(None), hands);
                }
                if before < action.repairs() && !(facts.ticket.restored && action.skips_restored()) {
                    let text = format!("[{}] Reban {id}, action '{}'", hands.jail, hands.name);
                    hands.log.write(Level::NOTICE, "fail2ban.actions", &text);
                    let done = action.reban(facts.family(), &*facts, hands);
                    let result = hands.check_ban(done, "reban", &facts);
                    note_repairs(repaired, id, action.repairs());
                    return Some(hands.acted(facts.ticket.id, number, result));
                }
            }
            Job::Prolong(facts) => {
                let done = action.prolong(facts.family(), &*facts, hands);
                hands.check_ticket(done, "prolong", "prolonging", &facts);
            }
            Job::Unban(bans) => {
                for facts in bans {
                    repaired.remove(&facts.ticket.id);
                    let done = action.unban(facts.family(), &facts, hands);
                    hands.check_ticket(done, "unban", "unbanning", &facts);
                }
            }
            Job::Flush { facts, ends } => {
                let text = format!("[{}] Flush ticket(s) with {}", hands.jail, hands.name);
                hands.log.write(Level::NOTICE, "fail2ban.actions", &text);
                let done = action.flush(&facts, hands);
                let failed = done.is_err();
                hands.check(done, |jail, name, error| {
                    format!("Failed to flush bans in jail '{jail}' action '{name}': Error flushing action Jail('{jail}')/{name}: '{error}'")
                });
                if failed {
                    let text = "No flush occurred, do consistency check";
                    hands.log.write(Level::INFO, "fail2ban.actions", text);
                    action.look_after(ends, &facts, hands);
                }
            }
            Job::Reload(facts) => {
                let done = action.reload(&facts, hands);
                hands.check(done, |jail, name, error| {
                    format!("Failed to reload jail '{jail}' action '{name}': {error}")
                });
            }
            Job::Stop(facts) => {
                let done = action.stop(&facts, hands);
                hands.check(done, |jail, name, error| {
                        format!("Failed to stop jail '{jail}' action '{name}': Error stopping action Jail('{jail}')/{name}: '{error}'")
                    });
            }
            Job::Adjust(properties, timeout) => {
                action.set_properties(properties);
                hands.timeout = timeout;
                hands.post.adjust(action);
            }
            Job::Call(work, facts, number) => {
                let reply = hands.call(action, &work, &facts);
                return Some(News::Called(Called { number, reply }));
            }
        }
        None
    }
}

/// What is left out where an action ends that is far behind.
#[derive(Debug, Default)]
struct LeftOut {
    /// Whose bans were, and whose ends are therefore left out as well.
    ids: BTreeSet<Id>,
    count: usize,
}

impl LeftOut {
    /// Whether there is nothing left to do of `job`.
    fn takes(&mut self, job: &mut Job) -> bool {
        let before = self.count;
        match job {
            Job::Ban(facts, ..) => {
                self.ids.insert(facts.ticket.id.clone());
                self.count += 1;
            }
            Job::Prolong(_) | Job::Again(..) => self.count += 1,
            Job::Unban(bans) => {
                bans.retain(|facts| !self.ids.remove(&facts.ticket.id));
                return bans.is_empty();
            }
            Job::Start(_)
            | Job::Flush { .. }
            | Job::Reload(_)
            | Job::Stop(_)
            | Job::Adjust(..)
            | Job::Call(..) => {}
        }
        self.count > before
    }
}

impl<R: FnMut(&Script, Duration) -> Run> Hands<R> {
    /// Runs a command, and writes down what it did.
    fn execute(&mut self, script: &Script, timeout: Duration) -> bool {
        let run = (self.run)(script, timeout);
        if !run.ok {
            self.failed = Some(Failing::new(&run));
        }
        for (level, text) in run.records {
            self.write(level, "fail2ban.utils", &text);
        }
        run.ok
    }

    /// Sends what was held back and is due, or all of it at the end.
    fn deliver(&mut self, is_end: bool) {
        self.is_quiet = false;
        for (level, text) in self.post.deliver(self.timeout, is_end) {
            self.write_own(level, &text);
        }
    }

    /// Writes to the log what concerns this action.
    fn write_own(&self, level: Level, text: &str) {
        let text = format!("[{}] action '{}': {text}", self.jail, self.name);
        self.write(level, "fail2ban.actions", &text);
    }

    /// Writes to the log, at the level at which it is new.
    fn write(&self, level: Level, logger: &'static str, text: &str) {
        let level = if self.is_quiet { Level::DEBUG } else { level };
        self.log.write(level, logger, text);
    }

    /// What became of a ban, in the log and for the loop.
    fn check_ban(
        &mut self,
        result: Result<(), ActionError>,
        verb: &str,
        facts: &BanFacts,
    ) -> Result<(), Failing> {
        let failed = match &result {
            Ok(()) => return Ok(()),
            Err(error @ ActionError::Properties(_)) => Failing {
                cause: Cause::Definition,
                text: error.to_string(),
                stderr: String::new(),
                after: 0,
            },
            Err(ActionError::Failed) => self.failed.take().unwrap_or(Failing {
                cause: Cause::Broken,
                text: "failed".to_owned(),
                stderr: String::new(),
                after: 0,
            }),
        };
        // What only has to wait for its turn has not failed.
        if failed.cause != Cause::Behind {
            self.check_ticket(result, verb, "banning", facts);
        }
        Err(failed)
    }

    fn acted(&self, id: Id, number: u64, result: Result<(), Failing>) -> News {
        News::Acted(Acted {
            jail: self.jail.clone(),
            action: self.name.clone(),
            id,
            number,
            result,
        })
    }

    fn report_left_out(&self, count: usize) {
        let (jail, name) = (&self.jail, &self.name);
        let text = format!(
            "[{jail}] action '{name}' has ended and was so far behind that {count} of its commands were left out"
        );
        self.log.write(Level::WARNING, "fail2ban.actions", &text);
    }

    /// Does what a client has asked for, and says of it what the reference would.
    fn call(&mut self, action: &mut CommandAction, work: &Work, facts: &NoBan) -> Reply {
        let of = |told| Of { told, jail: facts };
        let (done, doing, told) = match work {
            Work::Start => (action.start(facts, self), "starting", None),
            Work::Stop => (action.stop(facts, self), "stopping", None),
            Work::Flush => (action.flush(facts, self), "flushing", None),
            Work::Reload => (action.reload(facts, self), "reloading", None),
            Work::Ban(told) => (action.ban(told.family(), &of(told), self), "banning", Some(told)),
            Work::Reban(told) => (
                action.reban(told.family(), &of(told), self),
                "banning",
                Some(told),
            ),
            Work::Unban(told) => (
                action.unban(told.family(), &of(told), self),
                "unbanning",
                Some(told),
            ),
            // The reference has no such command unless somebody has given it one, and fails without it.
            Work::Prolong(told) if !action.can_prolong() => {
                (Err(ActionError::Failed), "prolonging", Some(told))
            }
            Work::Prolong(told) => (
                action.prolong(told.family(), &of(told), self),
                "prolonging",
                Some(told),
            ),
            Work::Check => {
                return action
                    .check(self)
                    .map(Value::Bool)
                    .map_err(|error| failure(&error));
            }
            Work::Execute { script, timeout } => return Ok(Value::Bool(self.execute(script, *timeout))),
        };
        match (done, told) {
            (Ok(()), _) => Ok(work.answer()),
            (Err(ActionError::Failed), Some(told)) => {
                let ip = told.ip().ok_or_else(|| Failure::key_error("ip"))?;
                Err(Failure::runtime_error(format!("Error {doing} {ip}")))
            }
            (Err(error @ ActionError::Properties(_)), Some(_)) => Err(failure(&error)),
            (Err(error), None) => {
                let shown = match &error {
                    ActionError::Failed => format!("'{error}'"),
                    ActionError::Properties(_) => Value::from(failure(&error)).repr(),
                };
                let (jail, name) = (&self.jail, &self.name);
                Err(Failure::runtime_error(format!(
                    "Error {doing} action Jail('{jail}')/{name}: {shown}"
                )))
            }
        }
    }

    fn check(&self, result: Result<(), ActionError>, text: impl Fn(&str, &str, &ActionError) -> String) {
        if let Err(error) = result {
            let text = text(&self.jail, &self.name, &error);
            self.write(Level::ERROR, "fail2ban.actions", &text);
            // A record of its own: others look for the wording of the one above.
            if let Some(place) = self.places.get(&self.jail, "action", &self.name) {
                let text = format!("[{}] action '{}' is written at {place}", self.jail, self.name);
                self.write(Level::ERROR, "fail2ban.actions", &text);
            }
        }
    }

    fn check_ticket(&self, result: Result<(), ActionError>, verb: &str, doing: &str, facts: &BanFacts) {
        let id = &facts.ticket.id;
        self.check(result, |jail, name, _| {
            format!("Failed to execute {verb} jail '{jail}' action '{name}' info 'ActionInfo({{'ip': '{id}'}})': Error {doing} {id}")
        });
    }
}

/// What Python says of such an error.
fn failure(error: &ActionError) -> Failure {
    match error {
        ActionError::Failed => Failure::runtime_error(error.to_string()),
        ActionError::Properties(_) => Failure::value_error(error.to_string()),
    }
}

/// What a client says of a ban, in a jail.
#[derive(Debug, Clone, Copy)]
struct Of<'a> {
    told: &'a Told,
    jail: &'a NoBan,
}

impl Facts for Of<'_> {
    fn value(&self, name: &str) -> Option<String> {
        self.told.value(name)
    }

    fn without_ban(&self, family: Option<Family>) -> NoBan {
        self.jail.without_ban(family)
    }
}

impl<R: FnMut(&Script, Duration) -> Run> Shell for Hands<R> {
    fn run(&mut self, script: &Script) -> bool {
        self.execute(script, self.timeout)
    }

    fn send(&mut self, message: Message) -> bool {
        let sent = self.post.send(message, self.timeout, self.is_patient);
        for (level, text) in sent.records {
            self.write_own(level, &text);
        }
        match sent.result {
            Ok(()) => true,
            Err(failing) => {
                self.failed = Some(failing);
                false
            }
        }
    }

    fn answer(&self, place: &str) -> Option<String> {
        self.post.answer(place)
    }

    fn refuse(&mut self, malformed: &Malformed) {
        self.failed = Some(Failing {
            cause: Cause::Definition,
            text: malformed.to_string(),
            stderr: String::new(),
            after: 0,
        });
        self.write_own(Level::ERROR, &malformed.to_string());
    }

    fn report(&mut self, trouble: Trouble) {
        let (level, text) = match trouble {
            Trouble::Repairing => (
                Level::ERROR,
                "Invariant check failed. Trying to restore a sane environment",
            ),
            Trouble::UnbanImpossible => (Level::ERROR, "Invariant check failed. Unban is impossible."),
            Trouble::FlushImpossible => (Level::ERROR, "Invariant check failed. Flush is impossible."),
            Trouble::BeyondRepair => (Level::CRITICAL, "Unable to restore environment"),
        };
        self.write(level, "fail2ban.CommandAction", text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use stockade_action::facts::JailFacts;
    use stockade_action::tags::HostNames;
    use stockade_jail::{BanTime, Ticket};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn jail() -> JailFacts {
        JailFacts {
            name: "sshd".to_owned(),
            bantime: BanTime::from_seconds(600),
            banned: 0,
            banned_total: 0,
            found: 0,
            found_total: 0,
            now: NOW,
        }
    }

    fn no_ban() -> NoBan {
        NoBan {
            jail: jail(),
            family: None,
        }
    }

    fn facts(number: u32) -> BanFacts {
        BanFacts::new(Ticket::new(Id::parse(&format!("id{number}")), NOW), jail())
    }

    fn ban(number: u32) -> Job {
        Job::Ban(Box::new(facts(number)), u64::from(number), 0)
    }

    fn action(properties: &[(&str, &str)]) -> CommandAction {
        let mut all = Properties::default();
        for (name, value) in properties {
            all.set(name, (*value).to_owned());
        }
        CommandAction::new(all, HostNames::default(), true)
    }

    type Logged = Arc<Mutex<Vec<(Level, String)>>>;

    /// A worker whose commands end with these statuses, and what is logged.
    fn worker(
        properties: &[(&str, &str)],
        statuses: &'static [i32],
    ) -> (Worker<impl FnMut(&Script, Duration) -> Run>, Logged) {
        let logged: Logged = Arc::default();
        let log = {
            let logged = Arc::clone(&logged);
            Records::to(move |level, _, text| logged.lock().unwrap().push((level, text.to_owned())))
        };
        let mut statuses = statuses.iter();
        let run = move |_: &Script, _: Duration| {
            let mut run = Run::ended(*statuses.next().expect("as many commands as statuses"));
            run.records.push((Level::ERROR, run.ending.clone()));
            run
        };
        let worker = Worker::new(
            "sshd",
            "wall",
            action(properties),
            Duration::from_secs(1),
            log,
            Registry::default(),
            run,
        );
        (worker, logged)
    }

    #[test]
    fn what_became_of_a_ban_is_told_with_the_last_reason_and_logged_loudly_once() {
        let (mut worker, logged) = worker(&[("actionban", "ban <ip>")], &[3, 4, 5, 6, 0]);
        let mut result = |tries| match worker.take(Job::Ban(Box::new(facts(1)), 7, tries)) {
            Some(News::Acted(acted)) => {
                assert_eq!((acted.number, acted.id), (7, Id::parse("id1")));
                acted.result.map_err(|failing| (failing.cause, failing.text))
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(result(0), Err((Cause::Status(4), "returned 4".to_owned())));
        let errors = |logged: &[(Level, String)]| {
            let errors = logged.iter().filter(|(level, _)| *level == Level::ERROR);
            errors.count()
        };
        assert_eq!(
            errors(&logged.lock().unwrap()),
            3,
            "two commands, and what it means"
        );
        assert_eq!(result(1), Err((Cause::Status(6), "returned 6".to_owned())));
        assert_eq!(errors(&logged.lock().unwrap()), 3, "and no more");
        assert_eq!(result(2), Ok(()));
    }

    #[test]
    fn what_was_never_started_is_started_before_a_ban_is_tried_again() {
        let pairs = [("actionstart", "start"), ("actionban", "ban <ip>")];
        let (mut worker, _) = worker(&pairs, &[1, 1, 1, 0, 0, 0]);
        assert_eq!(worker.take(Job::Start(no_ban())), None);
        assert!(worker.take(ban(1)).is_some(), "two attempts");
        let Some(News::Acted(acted)) = worker.take(Job::Ban(Box::new(facts(1)), 1, 1)) else {
            panic!("it is told");
        };
        assert_eq!(acted.result, Ok(()), "a start and a ban");
        assert!(
            worker.take(Job::Ban(Box::new(facts(1)), 1, 2)).is_some(),
            "a ban alone"
        );
    }

    #[test]
    fn words_about_the_action_as_a_whole_have_room_where_bans_have_none() {
        let (release, held) = channel::<()>();
        let (told, news) = channel();
        // The predecessor holds the thread up.
        let employment = Employment {
            action: action(&[("actionban", ""), ("actionunban", ""), ("actionstop", "")]),
            timeout: Duration::from_secs(1),
            predecessor: Some(thread::spawn(move || {
                let _released = held.recv();
            })),
            turns: Turns::default(),
            tell: Box::new(move |news| drop(told.send(news))),
        };
        let log = Arc::new(Log::new("test", NOW));
        let runner = Runner::start("sshd", "wall", employment, log, Registry::default()).expect("a thread");
        let ask = |job| runner.ask(job, |_| unreachable!("nobody asks for the past"));
        let bans = u32::try_from(QUEUE).unwrap();
        assert!((0..bans).all(|number| ask(ban(number))));
        for (job, taken) in [
            (ban(bans), false),
            (Job::Prolong(Box::new(facts(1))), false),
            (Job::Again(Box::new(facts(1)), 1), false),
            (Job::Unban(vec![facts(1)]), true),
            (Job::Reload(no_ban()), true),
            (
                Job::Flush {
                    facts: no_ban(),
                    ends: true,
                },
                true,
            ),
        ] {
            let shown = format!("{job:?}");
            assert_eq!(ask(job), taken, "{}", shown.get(..10).unwrap_or_default());
        }
        // It ends, and does not do ten thousand things first.
        let thread = runner.finish(Job::Stop(no_ban()));
        release.send(()).expect("it waits");
        thread.join().expect("an orderly end");
        assert_eq!(news.try_iter().count(), 0, "no ban was carried out");
    }

    #[test]
    fn who_ends_far_behind_leaves_bans_out_with_their_ends() {
        let mut left_out = LeftOut::default();
        let mut ends = Job::Unban(vec![facts(1), facts(2)]);
        assert!(left_out.takes(&mut ban(1)));
        assert!(!left_out.takes(&mut ends), "the other one was carried out before");
        let Job::Unban(bans) = ends else { unreachable!() };
        assert_eq!(bans, [facts(2)]);
        assert!(left_out.takes(&mut ban(3)));
        assert!(left_out.takes(&mut Job::Unban(vec![facts(3)])));
        assert!(!left_out.takes(&mut Job::Stop(no_ban())));
        assert_eq!(left_out.count, 2);
    }
}
