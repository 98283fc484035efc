//! The command actions of a jail, each in a thread of its own with a bounded queue.
//!
//! In: what is to be done for a jail, in its order. Out: commands that ran, and what the log says of them.
//!
//! Invariant: the commands of one action run one after another in the order in which they were asked for, those of
//! several actions in turn as long as all are quick, and a slow action delays nobody but itself; see [`crate::turns`].

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use stockade_action::command::{ActionError, CommandAction, Shell, Trouble};
use stockade_action::facts::{BanFacts, Bans, NoBan, Past};
use stockade_action::tags::{Facts, Properties, Script};
use stockade_datetime::Timestamp;
use stockade_jail::{Family, Id};
use stockade_protocol::{Failure, Reply, Value};

use crate::log::{Level, Log, Records};
pub use crate::methods::{Told, Work};
use crate::places::Registry;
use crate::shell;
use crate::turns::{PATIENCE, PATIENCE_FOR_ENDS, PATIENCE_FOR_REPORTS, Turn, Turns};

/// What may wait for one action. Past it a ban is given up and logged as failed: an action that falls so far
/// behind will not catch up.
pub const QUEUE: usize = 10_000;

/// How long an action waits for what the database knows of earlier bans.
const DATABASE_WAIT: Duration = Duration::from_secs(1);
/// How long after it was looked whether an action's environment is there it is looked again, in seconds.
const CHECK_PAUSE: i64 = 3;

/// What an action is to do.
#[derive(Debug, Clone)]
pub enum Job {
    /// The jail starts.
    Start(NoBan),
    /// A ban.
    Ban(Box<BanFacts>),
    /// A ban came to last longer; told to actions that have a command for that.
    Prolong(Box<BanFacts>),
    /// One who is banned has failed again: whether what was set up is still there, and the ban with it.
    Again(Box<BanFacts>),
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
    /// The ban that it is about, where it is about one.
    fn ban(&mut self) -> Option<&mut BanFacts> {
        match self {
            Self::Ban(facts) | Self::Prolong(facts) | Self::Again(facts) => Some(facts),
            Self::Unban(bans) => bans.first_mut(),
            Self::Start(_)
            | Self::Flush { .. }
            | Self::Reload(_)
            | Self::Stop(_)
            | Self::Adjust(..)
            | Self::Call(..) => None,
        }
    }
}

/// Notes that an id was banned after so many repairs; those before the first need no note.
fn note_repairs(repaired: &mut BTreeMap<Id, u64>, id: &Id, repairs: u64) {
    if repairs > 0 {
        repaired.insert(id.clone(), repairs);
    }
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
    /// Takes what became of calls.
    pub called: Box<dyn FnMut(Called) + Send>,
}

/// One action of one jail at work.
#[derive(Debug)]
pub struct Runner {
    name: String,
    jobs: SyncSender<(Job, Turn, Option<PastAnswers>)>,
    wants_past: bool,
    turns: Turns,
    /// How long other actions wait for a ban of this one.
    patience: Duration,
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
            mut called,
        } = employment;
        let (jobs, waiting) = sync_channel(QUEUE);
        let wants_past = action.wants_past();
        let patience = if action.undoes() {
            PATIENCE
        } else {
            PATIENCE_FOR_REPORTS
        };
        let mut calls = 0;
        let records = Records::from(Arc::clone(&log));
        let run = move |script: &Script, timeout: Duration| {
            calls += 1;
            let run = shell::run(script, timeout, calls);
            for (level, text) in run.records {
                log.write(level, "fail2ban.utils", &text);
            }
            run.ok
        };
        let mut worker = Worker::new(jail, name, action, timeout, records, places, run);
        let thread = thread::Builder::new()
            .name(format!("f2b/a.{jail}"))
            .spawn(move || {
                if let Some(predecessor) = predecessor {
                    // However it ended, it does nothing any more.
                    drop(predecessor.join());
                }
                worker.take_all(&waiting, &mut called);
            })?;
        Ok(Self {
            name: name.to_owned(),
            jobs,
            wants_past,
            turns,
            patience,
            thread,
        })
    }

    /// Asks for `job`; `false` where the action is too far behind to be asked for more.
    #[must_use]
    pub fn ask(&self, job: Job, ask_past: impl FnOnce(&Id) -> PastAnswers) -> bool {
        let turn = self.turn(&job);
        let past = match &job {
            Job::Ban(facts) | Job::Prolong(facts) | Job::Again(facts) => Some(facts.as_ref()),
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
        match self.jobs.try_send((job, turn, past)) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// Asks for `job` as the last one; the thread ends when all is done.
    pub fn finish(self, job: Job) -> JoinHandle<()> {
        // A full queue drains at the pace of the commands' time limits; waiting for it would hold up the rest.
        let turn = self.turn(&job);
        let _ = self.jobs.try_send((job, turn, None));
        self.thread
    }

    fn turn(&self, job: &Job) -> Turn {
        let patience = match job {
            Job::Ban(_) | Job::Prolong(_) | Job::Again(_) | Job::Unban(_) => self.patience,
            Job::Start(_) | Job::Reload(_) | Job::Adjust(..) | Job::Call(..) => PATIENCE,
            Job::Flush { .. } | Job::Stop(_) => PATIENCE_FOR_ENDS,
        };
        self.turns.next(&self.name, patience)
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
    run: R,
}

impl<R: FnMut(&Script, Duration) -> bool> Worker<R> {
    /// Whoever does what `action` says, which is called `name` in the jail `jail`; `run` runs a script for so long at
    /// most, and says whether it ended well.
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
            run,
        };
        Self {
            action,
            hands,
            repaired: BTreeMap::new(),
            checked: None,
        }
    }

    fn take_all(
        &mut self,
        waiting: &Receiver<(Job, Turn, Option<PastAnswers>)>,
        called: &mut dyn FnMut(Called),
    ) {
        while let Ok((mut job, mut turn, past)) = waiting.recv() {
            turn.wait();
            if let Some(facts) = job.ban()
                && let Some(past) = past
            {
                facts.past = past.wait();
            }
            if let Some(done) = self.take(job) {
                called(done);
            }
        }
    }

    /// Does one thing; what became of it, where a client has asked for it.
    pub fn take(&mut self, job: Job) -> Option<Called> {
        let Self {
            action,
            hands,
            repaired,
            checked,
        } = self;
        match job {
            Job::Start(facts) => {
                let started = action.start(&facts, hands);
                hands.check(started, |jail, name, error| {
                        format!("Failed to start jail '{jail}' action '{name}': Error starting action Jail('{jail}')/{name}: '{error}'")
                    });
            }
            Job::Ban(facts) => {
                if !(facts.ticket.restored && action.skips_restored()) {
                    let done = action.ban(facts.family(), &*facts, hands);
                    hands.check_ticket(done, "ban", "banning", &facts);
                    note_repairs(repaired, &facts.ticket.id, action.repairs());
                }
            }
            Job::Again(facts) => {
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
                    hands.check_ticket(done, "reban", "banning", &facts);
                    note_repairs(repaired, id, action.repairs());
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
            }
            Job::Call(work, facts, number) => {
                let reply = hands.call(action, &work, &facts);
                return Some(Called { number, reply });
            }
        }
        None
    }
}

impl<R: FnMut(&Script, Duration) -> bool> Hands<R> {
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
            Work::Execute { script, timeout } => return Ok(Value::Bool((self.run)(script, *timeout))),
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
            self.log.write(Level::ERROR, "fail2ban.actions", &text);
            // A record of its own: others look for the wording of the one above.
            if let Some(place) = self.places.get(&self.jail, "action", &self.name) {
                let text = format!("[{}] action '{}' is written at {place}", self.jail, self.name);
                self.log.write(Level::ERROR, "fail2ban.actions", &text);
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

impl<R: FnMut(&Script, Duration) -> bool> Shell for Hands<R> {
    fn run(&mut self, script: &Script) -> bool {
        (self.run)(script, self.timeout)
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
        self.log.write(level, "fail2ban.CommandAction", text);
    }
}
