//! One jail at work, with its filter and its actions: what it decides is carried out.
//!
//! In: lines, entries, answers and wishes, each with `now`. Out: calls of the [`World`].
//!
//! Invariant: the firewall is changed first, then the database, then the log is told; a ban is announced once.

mod employing;
mod firewall;

use std::collections::BTreeSet;
use std::mem;

use jiff::tz::TimeZone;
use stockade_action::facts::{BanFacts, JailFacts, NoBan};
use stockade_action::plan::NativeFirewall;
use stockade_datetime::{Clock, Timestamp, duration};
use stockade_filter::{
    self as filter, Address, Candidate, Captured, Data, Filter, Found, MatchedLine, Output, UseDns, Who,
};
use stockade_jail::{BanTime, Effect, Id, Input, Jail, ListFile, Question, Setting, Ticket, Why};
use stockade_protocol::{Failure, Happening, Value, What};

use self::employing::too_far_behind;
pub(crate) use self::employing::{adjusted, call_of_draft};
use crate::announcements::ACTIONS;
use crate::blueprint::{self, ActionBlueprint, Blueprint};
use crate::cutting::Kill;
use crate::growth::{Grown, Growth};
use crate::ledger::{Ledger, Verdict};
use crate::log::Level;
use crate::places::Behind;
use crate::resolver;
use crate::runner::{Acted, Job, QUEUE, Work};
use crate::source::{Report, Reported, rendered};
use crate::status::local_time;
use crate::store::{self, RestoreLimits};
use crate::told::Told;
use crate::world::World;

/// The logger of what jails decide.
/// The logger of what follows from earlier bans.
const OBSERVER: &str = "fail2ban.observer";
/// The logger of what filters find.
const FILTER: &str = "fail2ban.filter";
/// The logger of how jails come and go.
const JAIL: &str = "fail2ban.jail";

/// How long after the begin of a ban a further failure makes one doubt that the ban is in force.
const CHECK_AFTER_MICROS: i64 = 3_000_000;
/// How often in a second that is looked into, in a jail.
const MOST_CHECKS: u32 = 20;

/// How often it is looked whether a set of ipset has lost elements, in seconds: the kernel tells nobody of it.
const COUNT_PAUSE: i64 = 60;

/// Up to how many bans end one after the other in all actions, in their order, where all end at once. Of more each
/// action is told on its own.
const ENDING_IN_TURN: usize = 100;

/// How many matches of a jail wait for the addresses of a host name at a time; more are dropped.
pub(crate) const WAITING: usize = 1000;

/// One jail with all that belongs to it.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) blueprint: Blueprint,
    pub(crate) jail: Jail,
    pub(crate) filter: Filter,
    /// The jail whose filter works for this one too. What the own filter remembers is out of date then.
    pub(crate) leader: Option<String>,
    /// Whether it is still to be seen if the filter of another jail can work for this one too.
    pub(crate) is_new: bool,
    actions: Vec<Action>,
    /// Matches that wait for the addresses of a host name.
    pub(crate) waiting: Vec<(String, Found)>,
    /// How many could not wait since too many did, or too many names were being looked up.
    pub(crate) names_dropped: u64,
    /// How many lines were too long and cut.
    pub(crate) lines_cut: u64,
    /// How many reports were of failures from before `findtime`.
    pub(crate) reports_old: u64,
    /// Names in `ignoreip` that have no address, which the log knows.
    unresolved: BTreeSet<String>,
    /// Bans that grew, whose actions are to be told so later, and when; in the order of their growing.
    prolongs: Vec<(Timestamp, Id)>,
    /// The second in which it was looked last whether bans are in force, and how often.
    looked: (i64, u32),
    /// How many bans the actions are still to be told of.
    untold: usize,
    /// The number of the ban that was handed to an action last. No two are alike, whatever jails come and go.
    number: u64,
    /// When the firewall is tried again that has refused a change, and how long after that once more.
    retry: Option<(Timestamp, i64)>,
    zone: TimeZone,
    /// The second that the log was last told of, as it was told; failures come many in a second.
    told_time: Option<(i64, String)>,
}

#[derive(Debug)]
struct Action {
    name: String,
    kind: Kind,
    /// Whether the firewall has refused what it should hold.
    is_behind: bool,
    /// When it was looked last whether its set has lost elements, where the kernel would not tell.
    counted: Option<Timestamp>,
    /// What of their connections ends with a ban.
    kill: Kill,
    /// Whether what it has in the firewall stays there when the daemon ends, until the kernel ends each ban.
    stays: bool,
}

impl Action {
    /// When it is to be looked again whether its set has lost elements.
    fn next_count(&self) -> Option<Timestamp> {
        let counted = self.counted?;
        match &self.kind {
            Kind::Native(native) if native.stands() => Some(counted.plus_seconds(COUNT_PAUSE)),
            Kind::Native(_) | Kind::Commands { .. } => None,
        }
    }
}

#[derive(Debug)]
enum Kind {
    /// The daemon changes the firewall itself.
    Native(NativeFirewall),
    /// Commands are run.
    Commands {
        /// Whether there is one that lifts all bans.
        flushes: bool,
        /// Whether there is one that tells whether what was set up is there.
        checks: bool,
        /// What it has made of the bans.
        ledger: Box<Ledger>,
    },
}

impl Cell {
    /// Starts a jail, the `generation`th: the bans of before are in force when the first line is read.
    ///
    /// # Errors
    /// Where its expressions or its sources cannot be used; nothing of the jail is left then.
    pub(crate) fn start(
        world: &mut impl World,
        clock: &Clock,
        blueprint: Blueprint,
        zone: TimeZone,
        generation: u32,
    ) -> Result<Self, Failure> {
        let (now, name) = (clock.now(), blueprint.name.clone());
        let filter = blueprint.filter()?;
        let mut jail = Jail::new(name.clone(), blueprint.counting.clone());
        blueprint.fill_ignore_list(jail.ignore_mut())?;
        jail.ignore_mut().set_own_addresses(world.own_addresses());
        world.log(Level::INFO, JAIL, format_args!("Creating new jail '{name}'"));
        world.keep_jail(&name, true);
        world.note_places(&name, &blueprint.places);
        let (actions, waiting) = (Vec::new(), Vec::new());
        let mut cell = Self {
            blueprint,
            jail,
            filter,
            leader: None,
            is_new: true,
            actions,
            waiting,
            names_dropped: 0,
            lines_cut: 0,
            reports_old: 0,
            unresolved: BTreeSet::new(),
            prolongs: Vec::new(),
            looked: (0, 0),
            untold: 0,
            number: u64::from(generation) << 32,
            retry: None,
            zone,
            told_time: None,
        };
        cell.check_memory(world);
        let restored = cell.restore(world, now);
        let is_ban = |effect: &&Effect| matches!(effect, Effect::Ban(_));
        cell.untold = restored.iter().filter(is_ban).count();
        for action in cell.blueprint.actions.clone() {
            cell.start_action(world, now, &action);
        }
        cell.tell(world, now, restored);
        if let Err(failure) = cell.follow(world, clock) {
            cell.stop(world, now, Ending::Jail);
            return Err(failure);
        }
        cell.blueprint.told = Told::default();
        world.log(Level::INFO, JAIL, format_args!("Jail '{name}' started"));
        Ok(cell)
    }
}

impl Cell {
    /// Lets the jail do something, and carries out what comes of it.
    pub(crate) fn with_effects<T>(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        act: impl FnOnce(&mut Jail, &mut Vec<Effect>) -> T,
    ) -> T {
        let mut effects = Vec::new();
        let result = act(&mut self.jail, &mut effects);
        self.carry_out(world, now, effects);
        result
    }

    pub(crate) fn step(&mut self, world: &mut impl World, now: Timestamp, input: Input) {
        self.with_effects(world, now, |jail, effects| jail.step(now, input, effects));
    }

    /// Bans grow only where they are remembered.
    fn check_memory(&mut self, world: &mut impl World) {
        if self.jail.settings().increment.is_some() && !world.has_memory() {
            world.log(
                Level::WARNING,
                JAIL,
                format_args!("ban time increment is not available as long jail database is not set"),
            );
            self.jail.set(Setting::Increment(None));
        }
    }

    /// When the jail next has to run.
    pub(crate) fn next_wakeup(&self) -> Option<Timestamp> {
        let prolong = self.prolongs.iter().map(|(due, _)| *due);
        let retry = self.retry.map(|(due, _)| due);
        let again = self.actions.iter().filter_map(|action| match &action.kind {
            Kind::Commands { ledger, .. } => ledger.next_wakeup(),
            Kind::Native(_) => None,
        });
        self.jail
            .next_wakeup()
            .into_iter()
            .chain(prolong)
            .chain(retry)
            .chain(again)
            .chain(self.actions.iter().filter_map(Action::next_count))
            .min()
    }

    /// Its time has come.
    pub(crate) fn wake(&mut self, world: &mut impl World, now: Timestamp) {
        self.step(world, now, Input::Wakeup);
        self.catch_up(world, now);
        self.try_again(world, now);
        self.look_for_losses(world, now, COUNT_PAUSE);
        let (due, later) = mem::take(&mut self.prolongs)
            .into_iter()
            .partition(|(due, _)| *due <= now);
        self.prolongs = later;
        let due: Vec<(Timestamp, Id)> = due;
        for (_, id) in due {
            // Who is banned no more has nothing to be prolonged.
            if let Some(ticket) = self.jail.ticket(&id) {
                self.prolong(world, now, ticket);
            }
        }
    }

    /// Hands those bans to the actions again that have failed there, or that could not be handed over before.
    fn try_again(&mut self, world: &mut impl World, now: Timestamp) {
        let facts = self.facts(now);
        let Self {
            blueprint,
            jail,
            actions,
            number,
            ..
        } = self;
        for action in actions {
            let Kind::Commands { ledger, .. } = &mut action.kind else {
                continue;
            };
            for due in ledger.due(now) {
                let Some(ticket) = jail.ticket(&due.id) else {
                    ledger.ended(&due.id);
                    continue;
                };
                let ticket = Ticket {
                    restored: due.restored,
                    ..ticket
                };
                *number += 1;
                let facts = BanFacts::new(ticket, facts.clone());
                let job = Job::Ban(Box::new(facts), *number, due.tries);
                if world.order(&blueprint.name, &action.name, job) {
                    ledger.told_again(&due.id, *number);
                } else {
                    ledger.refused(now, &due.id, due.restored, QUEUE);
                    break;
                }
            }
        }
    }

    /// Takes note of what an action has made of a ban.
    pub(crate) fn acted(&mut self, world: &mut impl World, now: Timestamp, acted: Acted) {
        let (name, id) = (&self.blueprint.name, &acted.id);
        let is_banned = self.jail.is_banned(id);
        let action = self.actions.iter_mut().find(|action| action.name == acted.action);
        let Some(Action {
            name: action,
            kind: Kind::Commands { ledger, .. },
            ..
        }) = action
        else {
            return;
        };
        match ledger.acted(now, (id, acted.number), acted.result, is_banned) {
            Verdict::Silence => {}
            Verdict::Recovered(tries) => world.log(
                Level::NOTICE,
                ACTIONS,
                format_args!("[{name}] action '{action}' has banned {id} after {tries} failures"),
            ),
            Verdict::GivenUp(tries) => world.log(
                Level::ERROR,
                ACTIONS,
                format_args!(
                    "[{name}] action '{action}' has not banned {id}, and does not try again after {tries} failures"
                ),
            ),
        }
    }

    /// Someone set the clock.
    pub(crate) fn clock_set(&mut self, world: &mut impl World, now: Timestamp) {
        for action in &mut self.actions {
            if let Kind::Commands { ledger, .. } = &mut action.kind {
                ledger.clock_set(now);
            }
        }
        self.wake(world, now);
        self.renew(world, now);
    }

    /// What the actions have made of the bans, as far as they are not simply in force: of each action its name, how
    /// many have failed and of how many it is not known yet, and those.
    pub(crate) fn standings(&self) -> Value {
        let actions = self.actions.iter().map(|action| {
            let (failed, pending, bans) = match &action.kind {
                Kind::Native(_) if action.is_behind => {
                    // The firewall as a whole was refused a change, and is brought in line as a whole.
                    let due = self.retry.map(|(due, _)| due);
                    let bans: Vec<Value> = self
                        .jail
                        .bans()
                        .map(|ban| {
                            standing(
                                &ban.id.to_string(),
                                1,
                                Some(("the firewall has refused it", "", None)),
                                due,
                            )
                        })
                        .collect();
                    (bans.len(), 0, bans)
                }
                Kind::Native(_) => (0, 0, Vec::new()),
                Kind::Commands { ledger, .. } => {
                    let bans = ledger.standings().map(|it| {
                        let why = it
                            .why
                            .map(|why| (why.text.as_str(), why.stderr.as_str(), why.cause.status()));
                        standing(&it.id.to_string(), it.tries, why, it.due)
                    });
                    let (failed, pending) = ledger.counts();
                    (failed, pending, bans.collect())
                }
            };
            let pairs = vec![
                ("action".into(), Value::from(action.name.as_str())),
                ("failed".into(), Value::from(failed)),
                ("pending".into(), Value::from(pending)),
                ("bans".into(), Value::List(bans)),
            ];
            Value::Dict(pairs)
        });
        Value::List(actions.collect())
    }

    /// Whether no ban waits for an action, or is to be tried again.
    pub(crate) fn is_settled(&self) -> bool {
        self.actions.iter().all(|action| match &action.kind {
            Kind::Native(_) => true,
            Kind::Commands { ledger, .. } => ledger.is_settled(),
        })
    }

    /// A ban turned out to be one of an id that was banned before: it lasts longer, and the log says why.
    pub(crate) fn grow(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        id: &Id,
        time: Timestamp,
        grown: &Grown,
    ) {
        let name = self.blueprint.name.clone();
        let Some(ban) = self.jail.ban_of(id).filter(|ban| ban.time == time) else {
            return;
        };
        let (old, earlier) = (ban.bantime, grown.earlier);
        let bancount = ban.bancount.max(earlier.bans.saturating_add(1));
        let new = match &grown.bantime {
            Ok(new) => *new,
            Err(error) => {
                // It is one more ban all the same.
                self.jail.prolong(id, old, bancount);
                world.log(
                    Level::ERROR,
                    OBSERVER,
                    format_args!("[{name}] `bantime.formula` gives no ban time for {id}, which stays banned as long as any: {error}"),
                );
                return;
            }
        };
        if time > earlier.last {
            world.log(
                Level::INFO,
                OBSERVER,
                format_args!(
                    "[{name}] IP {id} is bad: {} # last {} - incr {} to {}",
                    earlier.bans,
                    local_time(&self.zone, earlier.last),
                    duration::to_text(old.seconds()),
                    duration::to_text(new.seconds())
                ),
            );
        }
        let end = new.end(time);
        self.jail.prolong(id, new, bancount);
        if new == old {
            return;
        }
        self.enforce(world, now, &[Effect::Prolonged { id: id.clone(), end }]);
        world.log(
            Level::NOTICE,
            OBSERVER,
            format_args!(
                "[{name}] Increase Ban {id} ({bancount} # {} -> {})",
                duration::to_text(new.seconds()),
                local_time(&self.zone, end)
            ),
        );
        if world.has_listeners() {
            world.tell(&Happening {
                jail: name,
                id: id.to_string(),
                time_micros: now.micros(),
                what: prolonged(end),
            });
        }
        let delay = (new.seconds() - old.seconds() - 5).clamp(0, 10);
        self.prolongs.push((now.plus_seconds(delay), id.clone()));
    }

    /// Carries out what the jail decided: the firewall first, then the database, the log and the commands.
    fn carry_out(&mut self, world: &mut impl World, now: Timestamp, effects: Vec<Effect>) {
        if !effects.is_empty() {
            self.enforce(world, now, &effects);
            let is_new = |effect: &&Effect| matches!(effect, Effect::Ban(ticket) if !ticket.restored);
            self.untold += effects.iter().filter(is_new).count();
            self.tell(world, now, effects);
        }
    }

    /// Tells the log, the database and the commands what the jail decided.
    fn tell(&mut self, world: &mut impl World, now: Timestamp, effects: Vec<Effect>) {
        let name = self.blueprint.name.clone();
        for effect in effects {
            if world.has_listeners() {
                self.tell_listeners(world, now, &effect);
            }
            match effect {
                Effect::Found { id, time } => {
                    world.log(
                        Level::INFO,
                        FILTER,
                        format_args!("[{name}] Found {} - {}", id, self.time_text(time)),
                    );
                }
                Effect::Attempt { id, time } => {
                    world.log(
                        Level::INFO,
                        FILTER,
                        format_args!("[{name}] Attempt {} - {}", id, self.time_text(time)),
                    );
                }
                Effect::KnownOffender {
                    id,
                    time,
                    bans,
                    weight,
                    is_limited,
                    bans_now,
                } => {
                    // As the reference has it, a number of its own counting is a fraction.
                    let fraction = if is_limited { "" } else { ".0" };
                    let ban = if bans_now { ", Ban" } else { "" };
                    world.log(
                        Level::INFO,
                        OBSERVER,
                        format_args!(
                            "[{name}] Found {id}, bad - {}, {bans} # -> {weight}{fraction}{ban}",
                            local_time(&self.zone, time)
                        ),
                    );
                }
                Effect::Ignored { id, source } => {
                    world.log(
                        Level::INFO,
                        FILTER,
                        format_args!("[{name}] Ignore {} by {source}", id),
                    );
                }
                Effect::Ban(ticket) => self.announce_ban(world, now, *ticket),
                Effect::AlreadyBanned {
                    id, behind_micros, ..
                } => {
                    let level = match behind_micros {
                        ..3_000_000 => Level::DEBUG,
                        3_000_000..60_000_000 => Level::NOTICE,
                        _ => Level::WARNING,
                    };
                    world.log(level, ACTIONS, format_args!("[{name}] {} already banned", id));
                    if behind_micros > CHECK_AFTER_MICROS {
                        self.look_again(world, now, &id);
                    }
                }
                Effect::Prolonged { .. } => {}
                Effect::AskedAnew(ticket) => self.keep_anew(world, &ticket),
                Effect::ExpiredBan(id) => {
                    world.log(
                        Level::INFO,
                        ACTIONS,
                        format_args!("[{name}] Ignore {}, expired bantime", id),
                    );
                }
                Effect::Unban(ticket, why) => {
                    let verb = verb(world, why);
                    world.log(
                        Level::NOTICE,
                        ACTIONS,
                        format_args!("[{name}] {verb} {}", ticket.id),
                    );
                    let ban = BanFacts::new(*ticket, self.facts(now));
                    self.end(world, &[ban], false);
                }
                Effect::Flush(tickets, why) => self.flush(world, now, tickets, why),
                Effect::Forget(id) => world.forget_ban(Some(&name), Some(&id.to_string())),
                Effect::NotBanned(id) => world.log(Level::MSG, ACTIONS, format_args!("{} is not banned", id)),
                Effect::Ask(question) => self.ask(world, now, question),
            }
        }
    }

    /// Tells those who listen what was decided.
    fn tell_listeners(&self, world: &mut impl World, now: Timestamp, effect: &Effect) {
        let enforced = !world.observes();
        let mut tell = |id: &Id, time: Timestamp, what: What| {
            world.tell(&Happening {
                jail: self.blueprint.name.clone(),
                id: id.to_string(),
                time_micros: time.micros(),
                what,
            });
        };
        let cause = |why: Why| match why {
            Why::Repealed => "stop",
            Why::Expired => "expired",
            Why::Asked => "asked",
            Why::Displaced => "displaced",
        };
        match effect {
            Effect::Found { id, time } => tell(id, *time, What::Found),
            Effect::Attempt { id, time } => tell(id, *time, What::Attempt),
            Effect::Ban(ticket) => {
                let bantime = ticket.bantime_in(self.jail.settings().bantime);
                let what = What::Ban {
                    bantime: bantime.seconds(),
                    restored: ticket.restored,
                    enforced,
                };
                tell(&ticket.id, now, what);
            }
            Effect::Prolonged { id, end } => tell(id, now, prolonged(*end)),
            Effect::Unban(ticket, why) => tell(&ticket.id, now, What::Unban { cause: cause(*why) }),
            Effect::Flush(tickets, why) => {
                for ticket in tickets {
                    tell(&ticket.id, now, What::Unban { cause: cause(*why) });
                }
            }
            Effect::KnownOffender { .. }
            | Effect::Ignored { .. }
            | Effect::AlreadyBanned { .. }
            | Effect::AskedAnew(_)
            | Effect::ExpiredBan(_)
            | Effect::Forget(_)
            | Effect::NotBanned(_)
            | Effect::Ask(_) => {}
        }
    }

    /// A time as the log has it.
    fn time_text(&mut self, time: Timestamp) -> &str {
        let seconds = time.seconds();
        if self.told_time.as_ref().is_none_or(|(told, _)| *told != seconds) {
            self.told_time = None;
        }
        let (_, text) = self
            .told_time
            .get_or_insert_with(|| (seconds, local_time(&self.zone, time)));
        text
    }

    fn announce_ban(&mut self, world: &mut impl World, now: Timestamp, ticket: Ticket) {
        self.untold = self.untold.saturating_sub(1);
        let name = &self.blueprint.name;
        let id = &ticket.id;
        if world.observes() {
            world.log(Level::NOTICE, ACTIONS, format_args!("[{name}] would ban {id}"));
            return;
        }
        if ticket.restored {
            world.log(Level::NOTICE, ACTIONS, format_args!("[{name}] Restore Ban {id}"));
        } else {
            let settings = self.jail.settings();
            let grows = ticket.bantime.is_none() && settings.bantime != BanTime::Forever;
            let growth = settings.increment.clone().filter(|_| grows);
            world.keep_ban(
                name,
                &ticket,
                settings.bantime,
                growth.map(|increment| Growth::new(increment, settings.bantime)),
                format!("[{name}] Ban {id}"),
            );
        }
        let mut actions = mem::take(&mut self.actions);
        for action in &mut actions {
            self.hand(world, now, action, ticket.clone());
        }
        self.actions = actions;
    }

    /// Hands a ban to an action of commands; one that has too much to do is told later.
    fn hand(&mut self, world: &mut impl World, now: Timestamp, action: &mut Action, ticket: Ticket) {
        let Kind::Commands { ledger, .. } = &mut action.kind else {
            return;
        };
        self.number += 1;
        let (id, restored) = (ticket.id.clone(), ticket.restored);
        let facts = BanFacts::new(ticket, self.facts(now));
        let job = Job::Ban(Box::new(facts), self.number, 0);
        let (jail, name) = (&self.blueprint.name, &action.name);
        if world.order(jail, name, job) {
            ledger.told(&id, self.number, restored);
        } else if ledger.refused(now, &id, restored, QUEUE) {
            world.log(
                Level::ERROR,
                ACTIONS,
                format_args!(
                    "[{jail}] {QUEUE} commands of action '{name}' wait already; {id} and others are handed to it \
                     as soon as it has caught up"
                ),
            );
        }
    }

    /// Keeps a ban that was asked for anew in the database, so that it outlasts a restart on the terms asked for.
    fn keep_anew(&self, world: &mut impl World, ticket: &Ticket) {
        if world.observes() {
            return;
        }
        let of_jail = self.jail.settings().bantime;
        let bantime = ticket.bantime_in(of_jail);
        let text = format!(
            "[{}] Increase Ban {} ({} # {} -> {})",
            self.blueprint.name,
            ticket.id,
            ticket.bancount,
            duration::to_text(bantime.seconds()),
            local_time(&self.zone, bantime.end(ticket.time))
        );
        world.keep_ban(&self.blueprint.name, ticket, of_jail, None, text);
    }

    /// Somebody who is banned fails all the same: whoever can tells whether what its commands have set up is there.
    fn look_again(&mut self, world: &mut impl World, now: Timestamp, id: &Id) {
        let Some(ticket) = self.jail.ticket(id) else {
            return;
        };
        let (second, times) = &mut self.looked;
        if *second != now.seconds() {
            (*second, *times) = (now.seconds(), 0);
        }
        *times += 1;
        if *times > MOST_CHECKS {
            return;
        }
        let jail = self.facts(now);
        let mut actions = mem::take(&mut self.actions);
        for action in &mut actions {
            if let Kind::Commands {
                checks: true, ledger, ..
            } = &action.kind
                && ledger.holds(id)
            {
                let facts = BanFacts::new(ticket.clone(), jail.clone());
                self.number += 1;
                let job = Job::Again(Box::new(facts), self.number);
                self.order(world, action, job);
            }
        }
        self.actions = actions;
    }

    /// Lifts all bans of the jail: at once where an action can, one by one where not.
    fn flush(&mut self, world: &mut impl World, now: Timestamp, tickets: Vec<Ticket>, why: Why) {
        let name = self.blueprint.name.clone();
        if why == Why::Asked {
            world.forget_ban(Some(&name), None);
        }
        let facts = self.facts(now);
        let mut actions = mem::take(&mut self.actions);
        for action in &mut actions {
            match &mut action.kind {
                Kind::Native(_) if world.observes() => {}
                Kind::Native(_) => {
                    world.log(
                        Level::NOTICE,
                        ACTIONS,
                        format_args!("[{name}] Flush ticket(s) with {}", action.name),
                    );
                }
                Kind::Commands {
                    flushes: true,
                    ledger,
                    ..
                } => {
                    ledger.clear();
                    self.order(
                        world,
                        action,
                        Job::Flush {
                            facts: no_ban(facts.clone()),
                            ends: why == Why::Repealed,
                        },
                    );
                }
                Kind::Commands { flushes: false, .. } => {}
            }
        }
        self.actions = actions;
        let verb = verb(world, why);
        let in_turn = tickets.len() <= ENDING_IN_TURN;
        let mut rest = Vec::new();
        for ticket in tickets {
            world.log(
                Level::NOTICE,
                ACTIONS,
                format_args!("[{name}] {verb} {}", ticket.id),
            );
            let ban = BanFacts::new(ticket, facts.clone());
            if in_turn {
                self.end(world, &[ban], true);
            } else {
                rest.push(ban);
            }
        }
        self.end(world, &rest, true);
    }

    /// Tells the actions that bans are over, as far as they know of them; not those that can lift all at once, where
    /// they were `flushed`.
    fn end(&mut self, world: &mut impl World, bans: &[BanFacts], flushed: bool) {
        if bans.is_empty() {
            return;
        }
        let mut actions = mem::take(&mut self.actions);
        for action in &mut actions {
            let Kind::Commands { flushes, ledger, .. } = &mut action.kind else {
                continue;
            };
            if *flushes && flushed {
                continue;
            }
            let known = bans.iter().filter(|ban| ledger.ended(&ban.ticket.id));
            let known: Vec<BanFacts> = known.cloned().collect();
            if !known.is_empty() {
                self.order(world, action, Job::Unban(known));
            }
        }
        self.actions = actions;
    }

    /// Tells the actions that hold a ban that it lasts longer.
    fn prolong(&mut self, world: &mut impl World, now: Timestamp, ticket: Ticket) {
        let jail = self.facts(now);
        let facts = BanFacts::new(ticket, jail);
        let mut actions = mem::take(&mut self.actions);
        for action in &mut actions {
            if let Kind::Commands { ledger, .. } = &action.kind
                && ledger.holds(&facts.ticket.id)
            {
                self.order(world, action, Job::Prolong(Box::new(facts.clone())));
            }
        }
        self.actions = actions;
    }

    /// Asks an action for something; whether it will come to it. The log is told once of an action that has too much to
    /// do, until it takes a ban again.
    fn order(&self, world: &mut impl World, action: &mut Action, job: Job) -> bool {
        let name = &self.blueprint.name;
        let taken = world.order(name, &action.name, job);
        if !taken
            && let Kind::Commands { ledger, .. } = &mut action.kind
            && ledger.note_overrun()
        {
            world.log(
                Level::ERROR,
                ACTIONS,
                format_args!(
                    "Failed to execute action '{}' of jail '{name}': {QUEUE} of its commands wait already",
                    action.name
                ),
            );
        }
        taken
    }

    /// Has an action do something on the word of a client; the answer where there is one at once. What the daemon
    /// keeps in the firewall by itself is what the ban list says, and no call changes that.
    ///
    /// # Errors
    /// Where there is no such action, or it has too much to do already.
    pub(crate) fn call(
        &self,
        world: &mut impl World,
        now: Timestamp,
        name: &str,
        work: Work,
        number: u64,
    ) -> Result<Option<Value>, Failure> {
        let answer = work.answer();
        if world.observes() {
            return Ok(Some(answer));
        }
        let action = self.actions.iter().find(|action| action.name == name);
        let action = action.ok_or_else(|| Failure::invalid_action(name))?;
        if !matches!(action.kind, Kind::Commands { .. }) {
            return Ok(Some(answer));
        }
        let job = Job::Call(Box::new(work), no_ban(self.facts(now)), number);
        if world.order(&self.blueprint.name, name, job) {
            Ok(None)
        } else {
            Err(too_far_behind(name))
        }
    }

    fn facts(&self, now: Timestamp) -> JailFacts {
        let counts = self.jail.status();
        JailFacts {
            name: self.blueprint.name.clone(),
            bantime: self.jail.settings().bantime,
            banned: counts.currently_banned.saturating_sub(self.untold),
            banned_total: counts
                .total_banned
                .saturating_sub(u64::try_from(self.untold).unwrap_or(u64::MAX)),
            found: counts.currently_failed,
            found_total: counts.total_failed,
            now,
        }
    }
}

impl Cell {
    /// Takes what the filter made of lines or entries. What the jail decides on the way is carried out together, as long
    /// as nothing else is to be said or asked in between.
    pub(crate) fn take(&mut self, world: &mut impl World, now: Timestamp, outputs: Vec<Output>) {
        let mut effects = Vec::new();
        for Output { notes, found, .. } in outputs {
            if !notes.is_empty() {
                self.carry_out(world, now, mem::take(&mut effects));
                self.note(world, notes);
            }
            for found in found {
                if let Who::Host(host) = &found.who {
                    self.carry_out(world, now, mem::take(&mut effects));
                    match world.resolve(now, host) {
                        Some(answer) => {
                            self.names_dropped += u64::from(answer.is_refused());
                            self.fail(world, now, found, &answer);
                        }
                        None if self.waiting.len() < WAITING => self.waiting.push((host.clone(), found)),
                        None => self.names_dropped += 1,
                    }
                    continue;
                }
                for candidate in found.into_candidates(&[]) {
                    self.jail.step(now, Input::Failure(candidate), &mut effects);
                    if let Some(Effect::Ask(_)) = effects.last() {
                        self.carry_out(world, now, mem::take(&mut effects));
                    }
                }
            }
        }
        self.carry_out(world, now, effects);
    }

    /// Counts what a service has reported, as a line that matched is counted.
    pub(crate) fn report(&mut self, world: &mut impl World, now: Timestamp, report: Report) {
        let id = Id::Address(Address::single(report.address));
        let Reported::Failure { weight, matches } = report.what else {
            if self.blueprint.reports_forgive {
                let count = self.jail.forgive(&id, report.user.as_deref());
                if count > 0 {
                    let name = &self.blueprint.name;
                    let text = format_args!("[{name}] Success of {id}, failures taken back: {count}");
                    world.log(Level::INFO, FILTER, text);
                }
            }
            return;
        };
        if report.time < now.plus_micros(self.blueprint.counting.findtime_micros.saturating_neg()) {
            self.reports_old += 1;
            return;
        }
        let mut captured = Captured::new();
        if let Some(user) = &report.user {
            captured.insert("user", Data::Text(user.as_str().into()));
        }
        let matches = if matches.is_empty() {
            let user = report.user.as_ref().map(|user| format!(" of '{user}'"));
            let (sender, process) = report.sender;
            let text = format!(
                " failure{} from {} reported by user {sender}, process {process}",
                user.unwrap_or_default(),
                report.address
            );
            let date = rendered(report.time, &self.zone);
            vec![MatchedLine::new("", &date, &text)]
        } else {
            matches
                .iter()
                .map(|line| MatchedLine::new("", "", line))
                .collect()
        };
        let candidate = Candidate {
            id,
            address: None,
            time: report.time,
            time_is_whole: false,
            matches,
            captured,
        };
        self.step(world, now, Input::Report(candidate, weight));
    }

    /// Says what the filter has to say, and where in the configuration that comes from.
    fn note(&self, world: &mut impl World, notes: Vec<filter::Note>) {
        for note in notes {
            let level = match note.level {
                filter::Level::Error => Level::ERROR,
                filter::Level::Warning => Level::WARNING,
            };
            let place = note.expression.as_deref();
            let place = place.and_then(|expression| self.blueprint.place_of_expression(expression));
            for record in note.records {
                if let Some(place) = place {
                    let name = &self.blueprint.name;
                    world.log(level, FILTER, format_args!("[{name}] {record} ({place})"));
                } else if note.of_jail {
                    world.log(level, FILTER, format_args!("[{}] {record}", self.blueprint.name));
                } else {
                    world.log(level, FILTER, format_args!("{record}"));
                }
            }
        }
    }

    /// A name that matches wait for, or the jail's ignore list asks about, was looked up.
    pub(crate) fn resolved(&mut self, world: &mut impl World, now: Timestamp, answer: &resolver::Answer) {
        let (ready, waiting) = mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(host, _)| *host == answer.name);
        self.waiting = waiting;
        let ready: Vec<(String, Found)> = ready;
        for (_, found) in ready {
            self.fail(world, now, found, answer);
        }
        self.answer_name(world, now, answer);
    }

    /// Counts a match for each address of its host name.
    fn fail(&mut self, world: &mut impl World, now: Timestamp, found: Found, answer: &resolver::Answer) {
        let resolver::Answer {
            name,
            addresses,
            error,
        } = answer;
        let addresses: Vec<Address> = addresses.iter().map(|&ip| Address::single(ip)).collect();
        match error {
            Some(error) if addresses.is_empty() => world.log(
                Level::WARNING,
                "fail2ban.ipdns",
                format_args!("Unable to find a corresponding IP address for {name}: {error}"),
            ),
            _ => {}
        }
        if self.blueprint.usedns == UseDns::Warn && !addresses.is_empty() {
            let shown: Vec<String> = addresses.iter().map(|address| format!("'{address}'")).collect();
            world.log(
                Level::WARNING,
                FILTER,
                format_args!(
                    "Determined IP using DNS Lookup: {name} = {{{}}}",
                    shown.join(", ")
                ),
            );
        }
        self.count(world, now, found, &addresses);
    }

    fn count(&mut self, world: &mut impl World, now: Timestamp, found: Found, addresses: &[Address]) {
        for candidate in found.into_candidates(addresses) {
            self.step(world, now, Input::Failure(candidate));
        }
    }

    /// Something has to be known before the jail can go on.
    fn ask(&mut self, world: &mut impl World, now: Timestamp, question: Question) {
        match question {
            Question::Resolve(name) => {
                if let Some(answer) = world.resolve(now, &name) {
                    self.answer_name(world, now, &answer);
                }
            }
            Question::Read(path) => {
                let file = match world.read_list(&path) {
                    Ok(text) => ListFile::Content(text),
                    Err(error) => {
                        world.log(
                            Level::WARNING,
                            FILTER,
                            format_args!("Retrieving IPs set from '{path}' failed: {error}"),
                        );
                        ListFile::Unreadable
                    }
                };
                self.step(world, now, Input::Answer(stockade_jail::Answer::Read(path, file)));
            }
            Question::History { number, id } => world.ask_history(&self.blueprint.name, number, &id),
            Question::Command { number, ticket } => {
                let facts = BanFacts::new(*ticket, self.facts(now));
                let command = self.jail.settings().ignorecommand.clone().unwrap_or_default();
                world.ask_command(&self.blueprint.name, number, &command, facts);
            }
        }
    }

    fn answer_name(&mut self, world: &mut impl World, now: Timestamp, answer: &resolver::Answer) {
        self.check_spared(world, answer);
        let addresses = answer.addresses.iter().map(|&ip| Address::single(ip)).collect();
        self.step(
            world,
            now,
            Input::Answer(stockade_jail::Answer::Resolved(answer.name.clone(), addresses)),
        );
    }

    /// Says once of a name in `ignoreip` that it has no address, until it has one.
    fn check_spared(&mut self, world: &mut impl World, answer: &resolver::Answer) {
        let resolver::Answer {
            name,
            addresses,
            error,
        } = answer;
        if !self.blueprint.ignoreip.contains(name) {
            return;
        }
        let Some(error) = error.as_ref().filter(|_| addresses.is_empty()) else {
            self.unresolved.remove(name);
            return;
        };
        if self.unresolved.insert(name.clone()) {
            let (jail, place) = (&self.blueprint.name, self.blueprint.places.get("ignoreip", name));
            world.log(
                Level::WARNING,
                "fail2ban.ipdns",
                format_args!(
                    "[{jail}] Unable to find a corresponding IP address for {name}: {error}; \
                     `ignoreip` spares nobody by this name{}",
                    Behind(place)
                ),
            );
        }
    }

    fn follow(&mut self, world: &mut impl World, clock: &Clock) -> Result<(), Failure> {
        let Self {
            blueprint, filter, ..
        } = self;
        world.follow(clock.now(), blueprint, &mut |line| filter.date_of(line, clock))
    }

    /// Takes the shape that the configuration gives it now, and tells the actions that stay of it.
    pub(crate) fn reload(
        &mut self,
        world: &mut impl World,
        clock: &Clock,
        mut new: Blueprint,
    ) -> Result<(), Failure> {
        const COMMAND: &str = "actionreload";
        let is_told = |action: &&ActionBlueprint| {
            let has_command = |(name, value): &(String, Value)| {
                name.split('?').next() == Some(COMMAND)
                    && value.as_str().is_some_and(|command| !command.trim().is_empty())
            };
            self.blueprint.actions.contains(action) && action.properties.iter().any(has_command)
        };
        let told: Vec<String> = new
            .actions
            .iter()
            .filter(is_told)
            .map(|action| action.name.clone())
            .collect();
        let settings = mem::take(&mut new.told).records(&new);
        self.reshape(world, clock, new, false)?;
        for (logger, text) in settings {
            world.log(Level::INFO, logger, format_args!("{text}"));
        }
        let mut actions = mem::take(&mut self.actions);
        for action in &mut actions {
            if matches!(action.kind, Kind::Commands { .. }) && told.contains(&action.name) {
                self.order(world, action, Job::Reload(no_ban(self.facts(clock.now()))));
            }
        }
        self.actions = actions;
        Ok(())
    }

    /// Takes another shape; only what differs is touched. On the word of a client an action of commands that has
    /// other properties now goes on with those; by the configuration it is started anew.
    pub(crate) fn reshape(
        &mut self,
        world: &mut impl World,
        clock: &Clock,
        new: Blueprint,
        by_client: bool,
    ) -> Result<(), Failure> {
        let now = clock.now();
        if new == self.blueprint {
            // The same jail; it may be written elsewhere now.
            self.blueprint.places = new.places;
            world.note_places(&self.blueprint.name, &self.blueprint.places);
            return Ok(());
        }
        if !new.filters_like(&self.blueprint) {
            let filter = new.filter()?;
            self.filter = filter;
        }
        self.is_new = true;
        if new.ignoreip != self.blueprint.ignoreip || new.ignoreself != self.blueprint.ignoreself {
            new.fill_ignore_list(self.jail.ignore_mut())?;
            self.jail.ignore_mut().set_own_addresses(world.own_addresses());
        }
        let counting = &new.counting;
        self.jail.set(Setting::MaxRetry(counting.maxretry));
        self.jail.set(Setting::FindTime(counting.findtime_micros));
        self.jail.set(Setting::MaxMatches(counting.maxmatches));
        self.jail.set(Setting::Idle(counting.idle));
        self.jail
            .set(Setting::IgnoreCommand(counting.ignorecommand.clone()));
        if counting.ignorecache != self.blueprint.counting.ignorecache {
            self.jail.set(Setting::IgnoreCache(counting.ignorecache.clone()));
        }
        if counting.increment != self.blueprint.counting.increment {
            self.jail.set(Setting::Increment(counting.increment.clone()));
            self.check_memory(world);
        }
        if counting.bantime != self.blueprint.counting.bantime {
            self.jail.set(Setting::BanTime(counting.bantime));
            // Bans without a ban time of their own follow it, and so must the kernel.
            self.renew(world, now);
        }
        let old = mem::replace(&mut self.blueprint, new);
        world.note_places(&self.blueprint.name, &self.blueprint.places);
        self.unresolved
            .retain(|name| self.blueprint.ignoreip.contains(name));
        if by_client {
            self.adjust_actions(world, &old);
        }
        self.reshape_actions(world, now, &old, by_client);
        if !self.blueprint.follows_like(&old) {
            self.follow(world, clock)?;
        }
        Ok(())
    }

    /// Takes the bans of before up; what comes of it is still to be told.
    fn restore(&mut self, world: &mut impl World, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        if world.observes() {
            return effects;
        }
        let settings = self.jail.settings();
        let limits = RestoreLimits {
            bantime: store::bantime_seconds(settings.bantime),
            increment: self
                .blueprint
                .increment("increment")
                .is_some_and(blueprint::boolean),
            maxtime: self
                .blueprint
                .increment("maxtime")
                .and_then(|value| value.float().ok()),
            max_matches: settings.maxmatches,
        };
        let tickets = world.kept_bans(&self.blueprint.name, now, limits);
        self.jail.step(now, Input::Restore(tickets), &mut effects);
        effects
    }

    /// Stops the jail, by itself or because the daemon ends.
    pub(crate) fn stop(&mut self, world: &mut impl World, now: Timestamp, cause: Ending) {
        let name = self.blueprint.name.clone();
        world.unfollow(&name);
        // The firewall lets go of all bans at once with the action.
        let mut effects = Vec::new();
        self.jail.unban_all(Why::Repealed, &mut effects);
        self.tell(world, now, effects);
        for action in mem::take(&mut self.actions).into_iter().rev() {
            if action.stays && cause == Ending::Daemon {
                world.log(
                    Level::INFO,
                    ACTIONS,
                    format_args!(
                        "[{name}] action '{}' leaves its bans in the firewall, each until its end",
                        action.name
                    ),
                );
            } else {
                self.stop_action(world, now, action);
            }
        }
    }
}

/// Why a jail stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was told to.
    Jail,
    /// The daemon was, and may be back soon.
    Daemon,
}

/// What those who listen are told of a ban that came to last longer.
fn prolonged(end: Timestamp) -> What {
    What::Prolonged {
        until_micros: end.micros(),
    }
}

/// The address that the firewall is to refuse: the attacker's where it is known, else the id where it is one.
fn target(ticket: &Ticket) -> Option<Address> {
    ticket.address.as_ref().unwrap_or(&ticket.id).address().copied()
}

const fn no_ban(jail: JailFacts) -> NoBan {
    NoBan { jail, family: None }
}

/// What the log calls the end of a ban.
fn verb(world: &impl World, why: Why) -> &'static str {
    match (world.observes(), why) {
        (true, _) => "would unban",
        (false, Why::Repealed) => "Repeal Ban",
        (false, Why::Expired | Why::Asked | Why::Displaced) => "Unban",
    }
}

/// What has become of a ban in an action, for whoever asks: whose, `failed` or `pending`, how often it has failed, how,
/// with which status, what the command said, and when it is tried again.
fn standing(id: &str, tries: u32, why: Option<(&str, &str, Option<i32>)>, due: Option<Timestamp>) -> Value {
    let mut pairs = vec![
        ("id".into(), Value::from(id)),
        (
            "state".into(),
            Value::from(if why.is_some() { "failed" } else { "pending" }),
        ),
        ("failures".into(), Value::Int(i64::from(tries))),
    ];
    if let Some((how, stderr, status)) = why {
        pairs.push(("how".into(), how.into()));
        pairs.push((
            "status".into(),
            status.map_or(Value::None, |status| Value::Int(i64::from(status))),
        ));
        pairs.push(("stderr".into(), stderr.into()));
        pairs.push((
            "again".into(),
            due.map_or(Value::None, |due| Value::Int(due.seconds())),
        ));
    }
    Value::Dict(pairs)
}
