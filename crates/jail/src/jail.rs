//! One jail: admits, counts and bans.

use std::collections::{BTreeSet, VecDeque};

use stockade_datetime::Timestamp;
use stockade_filter::{Address, Candidate, Id};

use crate::answers::Answers;
use crate::bans::{Added, Ban, Bans};
use crate::failures::{Failures, Pending};
use crate::ignore::{IgnoreList, ListFile, Source, Verdict};
use crate::{BanTime, Earlier, Increment, Match, Setting, Settings, Terms, Ticket};

/// How many candidates wait for answers at a time; further ones are dropped and counted.
///
/// Only names, list files and commands that the administrator configured are asked about, and answers about the
/// first two serve everyone who waits, so this many pile up only behind a resolver or a command that hangs.
pub const MAX_WAITING: usize = 10_000;

/// How many bans end in one step; of the others that are over, as many in the next one.
pub const ENDS_AT_ONCE: usize = 200;

/// Something that happened, or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A line matched.
    Failure(Candidate),
    /// A line matched, and the jail has an `ignorecache` whose key is this for it.
    KeyedFailure(Candidate, String),
    /// A service has reported a failure, which counts for so many.
    Report(Candidate, u32),
    /// Bans that the database has, with their ban time and count as stored.
    Restore(Vec<Ticket>),
    /// What was asked for.
    Answer(Answer),
    /// The time that [`Jail::next_wakeup`] named has come.
    Wakeup,
}

/// What a jail must know before it can go on; the answer is an [`Input::Answer`], and there must be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Which addresses a host name of `ignoreip` has.
    Resolve(String),
    /// What is in the list file at this path, or whether it changed since it was asked for last.
    Read(String),
    /// How often this id was banned in this jail before; only where bans grow.
    History {
        /// By which the answer names it.
        number: u64,
        /// The id.
        id: Id,
    },
    /// Whether the `ignorecommand` exits with 0 for this ticket.
    Command {
        /// By which the answer names it.
        number: u64,
        /// What the command is asked about.
        ticket: Box<Ticket>,
    },
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The addresses of a host name; none where it has none or the question failed.
    Resolved(String, Vec<Address>),
    /// What was found at a path.
    Read(String, ListFile),
    /// Whether the command of this number says that its id is to be ignored.
    Command(u64, bool),
    /// What is known of the earlier bans of the id that this number asked about.
    History(u64, Option<Earlier>),
}

/// What the daemon has to do or to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A failure was counted.
    Found {
        /// What failed.
        id: Id,
        /// When.
        time: Timestamp,
    },
    /// An `attempt` of a client was counted.
    Attempt {
        /// What failed.
        id: Id,
        /// When.
        time: Timestamp,
    },
    /// A failure of an id that was banned before counts for more than one.
    KnownOffender {
        /// What failed.
        id: Id,
        /// When.
        time: Timestamp,
        /// How often it was banned before.
        bans: u32,
        /// For how many failures this one counts.
        weight: i64,
        /// Whether it would count for more if `maxretry` were higher.
        is_limited: bool,
        /// Whether it alone is enough for a ban.
        bans_now: bool,
    },
    /// A candidate was ignored.
    Ignored {
        /// What is ignored.
        id: Id,
        /// Why.
        source: Source,
    },
    /// An id is banned from now on.
    Ban(Box<Ticket>),
    /// An id that is banned failed again.
    AlreadyBanned {
        /// What is banned.
        id: Id,
        /// How long after the begin of the ban, in microseconds; the log level and the check depend on it.
        behind_micros: i64,
        /// The epoch that the ban belongs to.
        epoch: u32,
    },
    /// A ban that is there was asked for anew, and lasts longer on those terms: it is to be remembered with them.
    AskedAnew(Box<Ticket>),
    /// A ban now ends later, for it was renewed; only the ban list knows.
    Prolonged {
        /// What is banned.
        id: Id,
        /// The new end; [`Timestamp::MAX`] where there is none.
        end: Timestamp,
    },
    /// A ban would have been over already.
    ExpiredBan(Id),
    /// An id is banned no more.
    Unban(Box<Ticket>, Why),
    /// The whole ban list was emptied; these tickets were in it, in their order.
    Flush(Vec<Ticket>, Why),
    /// Everything that the database has about this id in this jail is to be deleted.
    Forget(Id),
    /// An id that a client wants unbanned is not banned.
    NotBanned(Id),
    /// Something has to be known before a candidate can be judged.
    Ask(Question),
}

/// Why a ban ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its time is over.
    Expired,
    /// A client asked for it; the database forgets it.
    Asked,
    /// The jail stops; the database keeps it.
    Repealed,
    /// The list is full, and it would have ended first.
    Displaced,
}

/// The numbers of `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Ids with failures and without a ban.
    pub currently_failed: usize,
    /// Failures ever counted.
    pub total_failed: u64,
    /// Ids in the ban list.
    pub currently_banned: usize,
    /// Bans ever added, restored ones included.
    pub total_banned: u64,
}

/// How often a limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Ids whose failures were forgotten to make room.
    pub failures_evicted: u64,
    /// Bans that ended early to make room.
    pub bans_displaced: u64,
    /// Ids that went without their lines and captured groups.
    pub evidence_dropped: u64,
    /// Candidates that were dropped since too many waited for answers.
    pub candidates_dropped: u64,
}

/// One jail.
#[derive(Debug)]
pub struct Jail {
    name: String,
    settings: Settings,
    ignore: IgnoreList,
    answers: Answers,
    failures: Failures,
    bans: Bans,
    waiting: VecDeque<Waiting>,
    /// Failures that were counted once, and may count for more when their id turns out to be known.
    remembered: VecDeque<(u64, Ticket)>,
    asked: BTreeSet<String>,
    next_number: u64,
    epoch: u32,
    candidates_dropped: u64,
}

/// Someone who knocks, and what is still unknown about whether to let them in.
#[derive(Debug)]
struct Waiting {
    admission: Admission,
    cache_key: Option<String>,
    wait: Wait,
}

#[derive(Debug, PartialEq, Eq)]
enum Wait {
    Resolve(String),
    Read(String),
    Command(u64),
}

#[derive(Debug)]
enum Admission {
    /// A line matched, or a service has reported it; this much towards `maxretry`.
    Failure(Ticket, u32),
    /// A client said so; this much towards `maxretry`.
    Attempt(Ticket, u32),
    /// The database says so.
    Restored(Ticket),
}

impl Jail {
    /// A jail that has seen nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>, settings: Settings) -> Self {
        Self {
            name: name.into(),
            settings,
            ignore: IgnoreList::new(),
            answers: Answers::default(),
            failures: Failures::new(),
            bans: Bans::new(),
            waiting: VecDeque::new(),
            remembered: VecDeque::new(),
            asked: BTreeSet::new(),
            next_number: 0,
            epoch: 0,
            candidates_dropped: 0,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is set.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes what is set.
    pub fn set(&mut self, setting: Setting) {
        if matches!(setting, Setting::IgnoreCache(_)) {
            self.answers.clear();
        }
        self.settings.set(setting);
    }

    /// The ids that are never banned.
    #[must_use]
    pub const fn ignore(&self) -> &IgnoreList {
        &self.ignore
    }

    /// The ids that are never banned, to be changed.
    pub const fn ignore_mut(&mut self) -> &mut IgnoreList {
        &mut self.ignore
    }

    /// Takes one input at `now` and appends what must be done about it to `effects`.
    pub fn step(&mut self, now: Timestamp, input: Input, effects: &mut Vec<Effect>) {
        // Failures come many at a time, and the next step is not far.
        if !matches!(
            input,
            Input::Failure(_) | Input::KeyedFailure(..) | Input::Report(..)
        ) {
            self.expire(now, effects);
        }
        let mut is_wakeup = false;
        match input {
            Input::Failure(candidate) => {
                self.admit(now, Admission::Failure(candidate.into(), 1), None, effects);
            }
            Input::KeyedFailure(candidate, key) => {
                self.admit(now, Admission::Failure(candidate.into(), 1), Some(key), effects);
            }
            Input::Report(candidate, weight) => {
                let ticket = Ticket {
                    failures: weight,
                    ..candidate.into()
                };
                self.admit(now, Admission::Failure(ticket, weight), None, effects);
            }
            Input::Restore(tickets) => self.restore(now, tickets, effects),
            Input::Answer(answer) => self.answer(now, answer, effects),
            Input::Wakeup => is_wakeup = true,
        }
        self.failures
            .clean_if_due(now, self.settings.findtime_micros, is_wakeup);
    }

    /// When [`Input::Wakeup`] is next due.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        // A ban is over when its end lies in the past, which is so the smallest step later.
        let end = self
            .bans
            .next_end(self.settings.bantime)
            .filter(|_| !self.settings.idle);
        let end = end
            .filter(|&end| end < Timestamp::MAX)
            .map(|end| end.plus_micros(1));
        [end, self.failures.next_clean()].into_iter().flatten().min()
    }

    /// Bans `ids` on the word of a client, whatever the ignore list says; returns how many were not banned yet.
    pub fn ban(&mut self, now: Timestamp, ids: &[Id], effects: &mut Vec<Effect>) -> usize {
        self.ban_on(now, ids, &Terms::default(), effects)
    }

    /// The same on terms of the client's own, which hold over a restart and do not grow.
    pub fn ban_on(&mut self, now: Timestamp, ids: &[Id], terms: &Terms, effects: &mut Vec<Effect>) -> usize {
        ids.iter()
            .filter(|&id| self.decide(now, Ticket::new(id.clone(), now).on(terms), effects))
            .count()
    }

    /// Unbans what `id` stands for and has its history deleted; returns how many bans ended.
    ///
    /// That is the id itself; where it is not banned and is a network, whatever the list has inside.
    pub fn unban(&mut self, id: &Id, effects: &mut Vec<Effect>) -> usize {
        effects.push(Effect::Forget(id.clone()));
        if let Some(ticket) = self.bans.remove(id) {
            effects.push(Effect::Unban(Box::new(ticket), Why::Asked));
            return 1;
        }
        let network = id.address().filter(|address| !address.is_single());
        let inside: Vec<Id> = match network {
            None => Vec::new(),
            Some(network) => self
                .bans()
                .filter(|ban| ban.id.address().is_some_and(|address| network.contains(address)))
                .map(|ban| ban.id.clone())
                .collect(),
        };
        if inside.is_empty() {
            effects.push(Effect::NotBanned(id.clone()));
        }
        inside.iter().map(|id| self.unban(id, effects)).sum()
    }

    /// Unbans those of `addresses` that are banned, which a host name was found to have; returns how many.
    pub fn unban_addresses(&mut self, addresses: &[Address], effects: &mut Vec<Effect>) -> usize {
        let ids = addresses.iter().map(|&address| Id::Address(address));
        let banned: Vec<Id> = ids.filter(|id| self.bans.contains(id)).collect();
        banned.iter().map(|id| self.unban(id, effects)).sum()
    }

    /// Empties the ban list; returns how many bans ended.
    pub fn unban_all(&mut self, why: Why, effects: &mut Vec<Effect>) -> usize {
        let tickets = self.bans.take_all();
        let count = tickets.len();
        effects.push(Effect::Flush(tickets, why));
        count
    }

    /// Counts a failure of `id` on the word of a client; returns whether it was not ignored.
    pub fn attempt(&mut self, now: Timestamp, id: Id, lines: Vec<String>, effects: &mut Vec<Effect>) -> bool {
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX).max(1);
        let ticket = Ticket {
            failures: 1,
            matches: lines.into_iter().map(Match::Text).collect(),
            ..Ticket::new(id, now)
        };
        self.admit(now, Admission::Attempt(ticket, count), None, effects)
    }

    /// Takes back the failures of `id` that are no ban yet, for `user` has turned out to be who they say; returns how many
    /// there were. Failures that began under another name stay.
    pub fn forgive(&mut self, id: &Id, user: Option<&str>) -> u32 {
        self.failures.forgive(id, user)
    }

    /// The numbers of `status`.
    #[must_use]
    pub fn status(&self) -> Counts {
        Counts {
            currently_failed: self.failures.len(),
            total_failed: self.failures.total(),
            currently_banned: self.bans.len(),
            total_banned: self.bans.total(),
        }
    }

    /// How often a limit was reached.
    #[must_use]
    pub const fn losses(&self) -> Losses {
        let (failures_evicted, of_failures) = self.failures.lost();
        let (bans_displaced, of_bans) = self.bans.lost();
        Losses {
            failures_evicted,
            bans_displaced,
            evidence_dropped: of_failures + of_bans,
            candidates_dropped: self.candidates_dropped,
        }
    }

    /// How many bytes the lines of failures take, and those of bans.
    #[must_use]
    pub const fn evidence_bytes(&self) -> (usize, usize) {
        (self.failures.evidence_bytes(), self.bans.evidence_bytes())
    }

    /// Goes without lines, until so many of their bytes are free or there are none left. Those of bans go first, for
    /// whoever keeps bans has them; nothing is decided otherwise for want of them.
    pub fn shed_evidence(&mut self, bytes: usize) {
        let freed = self.bans.shed(bytes);
        self.failures.shed(bytes.saturating_sub(freed));
    }

    /// How many failures wait for an answer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The ban list, in the order in which it was filled.
    pub fn bans(&self) -> impl Iterator<Item = Ban<'_>> {
        self.bans.iter(self.settings.bantime)
    }

    /// The ban list, what ends first first.
    #[must_use]
    pub fn bans_by_end(&self) -> Vec<Ban<'_>> {
        let mut bans: Vec<Ban<'_>> = self.bans().collect();
        bans.sort_by_key(|ban| ban.end);
        bans
    }

    /// Whether `id` is banned.
    #[must_use]
    pub fn is_banned(&self, id: &Id) -> bool {
        self.bans.contains(id)
    }

    /// The ban of `id`, where it is banned.
    #[must_use]
    pub fn ban_of(&self, id: &Id) -> Option<Ban<'_>> {
        self.bans.get(id, self.settings.bantime)
    }

    /// The ticket by which `id` is banned.
    #[must_use]
    pub fn ticket(&self, id: &Id) -> Option<Ticket> {
        self.bans.ticket(id)
    }

    /// All ids that have failures and no ban, in the order in which they were first seen.
    pub fn pending(&self) -> impl Iterator<Item = Pending> {
        self.failures.iter()
    }

    /// Whether `id` has failures and no ban.
    #[must_use]
    pub fn is_pending(&self, id: &Id) -> bool {
        self.failures.contains(id)
    }

    /// How far the count of `id` is towards `maxretry`, where it has failures and no ban.
    #[must_use]
    pub fn count_of(&self, id: &Id) -> Option<u32> {
        self.failures.count_of(id)
    }

    /// Gives the ban of `id` this ban time and count; `false` where it is not banned.
    pub fn prolong(&mut self, id: &Id, bantime: BanTime, bancount: u32) -> bool {
        self.bans.set_bantime(id, bantime, bancount)
    }

    /// The number of repairs of this jail's actions, to which bans refer.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Counts an attempt to repair an action: bans from before may be missing in the firewall.
    pub const fn begin_epoch(&mut self) -> u32 {
        self.epoch = self.epoch.saturating_add(1);
        self.epoch
    }

    /// Notes that the actions have `id` banned as of now.
    pub fn is_in_force(&mut self, id: &Id) {
        self.bans.set_epoch(id, self.epoch);
    }

    /// Ends bans whose time is over; the first of them, so that many that end together hold up nothing else.
    fn expire(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.settings.idle {
            return;
        }
        for _ in 0..ENDS_AT_ONCE {
            let Some(ticket) = self.bans.take_expired(now, self.settings.bantime) else {
                return;
            };
            effects.push(Effect::Unban(Box::new(ticket), Why::Expired));
        }
    }

    /// Ends the ban of `id`, if its time is over: it does not count any more, though others that are over still wait.
    fn expire_one(&mut self, now: Timestamp, id: &Id, effects: &mut Vec<Effect>) {
        let is_over = |ban: &Ban<'_>| ban.end < now;
        if !self.settings.idle && self.ban_of(id).as_ref().is_some_and(is_over) {
            let ticket = self.bans.remove(id);
            effects.extend(ticket.map(|ticket| Effect::Unban(Box::new(ticket), Why::Expired)));
        }
    }

    /// Lets someone in, sends them away, or has them wait; returns whether they were not sent away.
    fn admit(
        &mut self,
        now: Timestamp,
        admission: Admission,
        cache_key: Option<String>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let cached = cache_key.as_deref().and_then(|key| self.answers.get(now, key));
        match cached {
            Some(true) => return false,
            Some(false) => {
                self.enter(now, admission, effects);
                return true;
            }
            None => {}
        }
        let wait = match self.ignore.check(now, &admission.ticket().id) {
            Verdict::Listed => {
                // Quick to find again, so the reference does not keep it.
                effects.push(Effect::Ignored {
                    id: admission.into_ticket().id,
                    source: Source::Address,
                });
                return false;
            }
            Verdict::Ignored(source) => {
                self.keep(now, cache_key, true);
                let id = admission.into_ticket().id;
                effects.push(Effect::Ignored { id, source });
                return false;
            }
            Verdict::Resolve(name) => Wait::Resolve(name),
            Verdict::Read(path) => Wait::Read(path),
            Verdict::Counts if self.settings.ignorecommand.is_some() => {
                self.next_number += 1;
                Wait::Command(self.next_number)
            }
            Verdict::Counts => {
                self.keep(now, cache_key, false);
                self.enter(now, admission, effects);
                return true;
            }
        };
        self.wait(wait, admission, cache_key, effects);
        true
    }

    /// Has someone wait until an answer comes.
    fn wait(
        &mut self,
        wait: Wait,
        admission: Admission,
        cache_key: Option<String>,
        effects: &mut Vec<Effect>,
    ) {
        if self.waiting.len() >= MAX_WAITING {
            self.candidates_dropped += 1;
            return;
        }
        match &wait {
            Wait::Resolve(name) if self.asked.insert(format!("resolve {name}")) => {
                effects.push(Effect::Ask(Question::Resolve(name.clone())));
            }
            Wait::Read(path) if self.asked.insert(format!("read {path}")) => {
                effects.push(Effect::Ask(Question::Read(path.clone())));
            }
            Wait::Resolve(_) | Wait::Read(_) => {}
            Wait::Command(number) => effects.push(Effect::Ask(Question::Command {
                number: *number,
                ticket: Box::new(admission.ticket().clone()),
            })),
        }
        self.waiting.push_back(Waiting {
            admission,
            cache_key,
            wait,
        });
    }

    /// Takes an answer, and judges again whoever waited for it.
    fn answer(&mut self, now: Timestamp, answer: Answer, effects: &mut Vec<Effect>) {
        let wait = match answer {
            Answer::Resolved(name, addresses) => {
                self.asked.remove(&format!("resolve {name}"));
                self.ignore.resolved(now, &name, addresses);
                Wait::Resolve(name)
            }
            Answer::Read(path, found) => {
                self.asked.remove(&format!("read {path}"));
                self.ignore.read(now, &path, found);
                Wait::Read(path)
            }
            Answer::Command(number, ignored) => {
                self.command_answered(now, number, ignored, effects);
                return;
            }
            Answer::History(number, earlier) => {
                self.remember(now, number, earlier, effects);
                return;
            }
        };
        let (served, others) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(|waiting| waiting.wait == wait);
        self.waiting = others;
        for waiting in served {
            self.admit(now, waiting.admission, waiting.cache_key, effects);
        }
    }

    fn command_answered(&mut self, now: Timestamp, number: u64, ignored: bool, effects: &mut Vec<Effect>) {
        let at = self
            .waiting
            .iter()
            .position(|waiting| waiting.wait == Wait::Command(number));
        let Some(waiting) = at.and_then(|at| self.waiting.remove(at)) else {
            return;
        };
        self.keep(now, waiting.cache_key, ignored);
        if ignored {
            effects.push(Effect::Ignored {
                id: waiting.admission.into_ticket().id,
                source: Source::Command,
            });
        } else {
            self.enter(now, waiting.admission, effects);
        }
    }

    fn keep(&mut self, now: Timestamp, key: Option<String>, ignored: bool) {
        if let (Some(key), Some(cache)) = (key, &self.settings.ignorecache) {
            self.answers.put(now, cache, key, ignored);
        }
    }

    /// Counts or bans someone who is not ignored.
    fn enter(&mut self, now: Timestamp, admission: Admission, effects: &mut Vec<Effect>) {
        let (mut ticket, count) = match admission {
            Admission::Restored(ticket) => {
                self.decide(now, ticket, effects);
                return;
            }
            Admission::Failure(ticket, count) => {
                let (id, time) = (ticket.id.clone(), ticket.time.min(now));
                effects.push(Effect::Found { id, time });
                (ticket, count)
            }
            Admission::Attempt(ticket, count) => {
                let (id, time) = (ticket.id.clone(), ticket.time);
                effects.push(Effect::Attempt { id, time });
                (ticket, count)
            }
        };
        if ticket.time > now {
            (ticket.time, ticket.time_is_whole) = (now, false);
        }
        if self.settings.increment.is_some() {
            self.ask_history(&ticket, effects);
        }
        self.add_failure(now, ticket, count, effects);
    }

    fn add_failure(&mut self, now: Timestamp, ticket: Ticket, count: u32, effects: &mut Vec<Effect>) {
        if let Some(ticket) = self.failures.add(&self.settings, ticket, count) {
            self.decide(now, ticket, effects);
            self.failures.clean(now, self.settings.findtime_micros);
        }
    }

    /// Asks whether the id of a failure was banned before, unless too many wait for that answer.
    fn ask_history(&mut self, ticket: &Ticket, effects: &mut Vec<Effect>) {
        if self.remembered.len() >= MAX_WAITING {
            return;
        }
        self.next_number += 1;
        let number = self.next_number;
        let mut asked = ticket.clone();
        if !self.failures.contains(&ticket.id) {
            // It is what the id's entry begins with, lines and all; later ones bring their lines again, as they do in the
            // reference.
            asked.matches.clear();
        }
        self.remembered.push_back((number, asked));
        let id = ticket.id.clone();
        effects.push(Effect::Ask(Question::History { number, id }));
    }

    /// Counts a failure once more, as often as the earlier bans of its id ask for.
    fn remember(&mut self, now: Timestamp, number: u64, earlier: Option<Earlier>, effects: &mut Vec<Effect>) {
        let at = self.remembered.iter().position(|(known, _)| *known == number);
        let Some((_, ticket)) = at.and_then(|at| self.remembered.remove(at)) else {
            return;
        };
        // A failure from before the last ban was read twice, over a restart.
        let Some(earlier) = earlier.filter(|earlier| ticket.time > earlier.last) else {
            return;
        };
        let full = Increment::weight(earlier.bans);
        let is_limited = full > self.settings.maxretry;
        let weight = full.min(self.settings.maxretry);
        effects.push(Effect::KnownOffender {
            id: ticket.id.clone(),
            time: ticket.time,
            bans: earlier.bans,
            weight,
            is_limited,
            bans_now: full >= self.settings.maxretry,
        });
        let more = u32::try_from(weight.saturating_sub(1)).unwrap_or(0);
        if more > 0 && self.failures.contains(&ticket.id) {
            self.add_failure(now, ticket, more, effects);
        }
    }

    /// Bans; returns whether the id was not banned yet and is now.
    fn decide(&mut self, now: Timestamp, ticket: Ticket, effects: &mut Vec<Effect>) -> bool {
        let id = ticket.id.clone();
        self.expire_one(now, &id, effects);
        let asked = ticket.is_asked().then(|| ticket.clone());
        match self.bans.add(now, ticket, self.settings.bantime, self.epoch) {
            Added::New(ticket, displaced) => {
                effects.extend(displaced.map(|ticket| Effect::Unban(ticket, Why::Displaced)));
                effects.push(Effect::Ban(ticket));
                true
            }
            Added::Expired => {
                effects.push(Effect::ExpiredBan(id));
                false
            }
            Added::Present {
                behind_micros,
                epoch,
                end,
            } => {
                if let Some(end) = end {
                    effects.push(Effect::Prolonged { id: id.clone(), end });
                    let anew = asked.zip(self.ban_of(&id)).map(|(asked, ban)| asked.anew(ban));
                    effects.extend(anew.map(|ticket| Effect::AskedAnew(Box::new(ticket))));
                }
                effects.push(Effect::AlreadyBanned {
                    id,
                    behind_micros,
                    epoch,
                });
                false
            }
        }
    }

    /// Takes over those bans of the database that are not over and not ignored, in the order of their ids' text.
    fn restore(&mut self, now: Timestamp, tickets: Vec<Ticket>, effects: &mut Vec<Effect>) {
        let mut tickets: Vec<(String, Ticket)> = tickets
            .into_iter()
            .filter_map(|ticket| self.restorable(now, ticket))
            .map(|ticket| (ticket.id.to_string(), ticket))
            .collect();
        tickets.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (_, ticket) in tickets {
            self.admit(now, Admission::Restored(ticket), None, effects);
        }
    }

    /// The ban as it is to be restored, where it is not over: no longer than the jail's bans can be now.
    fn restorable(&self, now: Timestamp, mut ticket: Ticket) -> Option<Ticket> {
        let of_jail = self.settings.bantime;
        let own = ticket.bantime_in(of_jail);
        // Where bans grow they are longer than the jail's, and only `bantime.maxtime` limits them.
        let longest = match &self.settings.increment {
            None => of_jail,
            Some(increment) => increment.longest(),
        };
        let cut = match (own, longest) {
            (own, _) if ticket.is_asked() => own,
            (own, BanTime::Forever) => own,
            (BanTime::Forever, most @ BanTime::Micros(_)) => most,
            (BanTime::Micros(own), BanTime::Micros(most)) => BanTime::Micros(own.min(most)),
        };
        if cut.end(ticket.time) <= now {
            return None;
        }
        let surplus = ticket.matches.len().saturating_sub(self.settings.maxmatches);
        ticket.matches.drain(..surplus);
        Some(Ticket {
            bantime: Some(cut),
            restored: true,
            time_is_whole: true,
            ..ticket
        })
    }
}

impl Admission {
    const fn ticket(&self) -> &Ticket {
        match self {
            Self::Failure(ticket, _) | Self::Attempt(ticket, _) | Self::Restored(ticket) => ticket,
        }
    }

    fn into_ticket(self) -> Ticket {
        match self {
            Self::Failure(ticket, _) | Self::Attempt(ticket, _) | Self::Restored(ticket) => ticket,
        }
    }
}
