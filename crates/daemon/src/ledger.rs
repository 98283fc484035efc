//! What has become of each ban in one action of commands, and when those that failed are tried again.
//!
//! In: bans that are handed to the action, what became of them, and time. Out: which are to be tried again now, and
//! what there is to tell.
//!
//! Invariant: a ban that is not in the ledger is in force as far as the action goes, or over; so the ledger is empty
//! where all goes well. No more than [`AT_ONCE`] bans are tried again at a time, one after the other in the thread of
//! the action, so new bans do not wait behind old ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stockade_datetime::Timestamp;
use stockade_jail::Id;

use crate::runner::{Cause, Failing};

/// How often a ban that has failed is tried again, unless the option `retries` of the action says otherwise: for
/// about an hour, which is longer than a package manager holds a lock or a provider is away.
pub(crate) const RETRIES: u32 = 20;
/// How long after a failure at most it is tried again, in seconds. It begins with one second and doubles.
const LONGEST_PAUSE: i64 = 300;
/// How long at most a server may ask for, in seconds.
const LONGEST_WAIT: i64 = 3600;
/// How long after it could not be handed over a ban is handed over again, in seconds.
const BEHIND_PAUSE: i64 = 5;
/// How many bans of an action are tried again at a time.
const AT_ONCE: usize = 16;

/// What has become of the bans of an action, as far as they are not simply in force.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// How often a ban that has failed is tried again.
    retries: u32,
    /// Whether the action undoes at the end of a ban what it did; where not, it reports, and what it has done may be
    /// done twice.
    undoes: bool,
    entries: BTreeMap<Id, Entry>,
    /// When which bans are tried again.
    due: BTreeSet<(Timestamp, Id)>,
    /// The numbers of those that are being tried again.
    again: BTreeSet<u64>,
    /// The last reason, which is the reason of the next failure, too, as a rule.
    last: Option<Arc<Failing>>,
    /// Whether the log was told that the action is asked for more than it can do.
    is_overrun: bool,
}

#[derive(Debug)]
struct Entry {
    /// The number under which it was handed over last.
    number: u64,
    /// How often it has failed.
    tries: u32,
    /// Whether it is one of an earlier run, for the action is told so.
    restored: bool,
    /// Whether the action has ever been told of it.
    was_told: bool,
    /// Whether the action is to tell what has become of it.
    is_pending: bool,
    /// Why it has failed, where it has.
    why: Option<Arc<Failing>>,
    /// When it is tried again.
    due: Option<Timestamp>,
}

/// What has become of a ban, for whoever asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'a> {
    pub(crate) id: &'a Id,
    /// How often it has failed.
    pub(crate) tries: u32,
    /// Why; `None` where it has not failed yet.
    pub(crate) why: Option<&'a Failing>,
    /// When it is tried again.
    pub(crate) due: Option<Timestamp>,
}

/// What is to be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) id: Id,
    /// How often it has failed.
    pub(crate) tries: u32,
    /// Whether it is one of an earlier run.
    pub(crate) restored: bool,
}

/// What the log is told beside what the action says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Silence,
    /// A ban that had failed so often is in force.
    Recovered(u32),
    /// A ban that has failed so often is not tried again.
    GivenUp(u32),
}

impl Ledger {
    pub(crate) const fn new(retries: u32, undoes: bool) -> Self {
        Self {
            retries,
            undoes,
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            again: BTreeSet::new(),
            last: None,
            is_overrun: false,
        }
    }

    /// The action is another one from here on.
    pub(crate) const fn adjust(&mut self, retries: u32, undoes: bool) {
        (self.retries, self.undoes) = (retries, undoes);
    }

    /// A ban was handed over, under a number that no other has.
    pub(crate) fn told(&mut self, id: &Id, number: u64, restored: bool) {
        self.is_overrun = false;
        let entry = Entry {
            number,
            tries: 0,
            restored,
            was_told: true,
            is_pending: true,
            why: None,
            due: None,
        };
        self.put(id, entry);
    }

    /// A ban that had failed was handed over again.
    pub(crate) fn told_again(&mut self, id: &Id, number: u64) {
        self.is_overrun = false;
        if let Some(entry) = self.entries.get_mut(id) {
            entry.number = number;
            entry.was_told = true;
            entry.is_pending = true;
            if let Some(due) = entry.due.take() {
                self.due.remove(&(due, id.clone()));
            }
            self.again.insert(number);
        }
    }

    /// A ban could not be handed over, since too much waits; it will be, later. Whether that is worth a word.
    pub(crate) fn refused(&mut self, now: Timestamp, id: &Id, restored: bool, waiting: usize) -> bool {
        let due = now.plus_seconds(BEHIND_PAUSE);
        let known = self.entries.remove(id);
        if let Some(due) = known.as_ref().and_then(|known| known.due) {
            self.due.remove(&(due, id.clone()));
        }
        let entry = Entry {
            number: 0,
            tries: known.as_ref().map_or(0, |known| known.tries),
            restored,
            was_told: known.is_some_and(|known| known.was_told),
            is_pending: false,
            why: Some(self.shared(Failing {
                cause: Cause::Behind,
                text: format!("{waiting} of its commands wait already"),
                stderr: String::new(),
                after: 0,
            })),
            due: Some(due),
        };
        self.put(id, entry);
        self.note_overrun()
    }

    /// The action is asked for more than it can do. Whether that is worth a word.
    pub(crate) const fn note_overrun(&mut self) -> bool {
        !std::mem::replace(&mut self.is_overrun, true)
    }

    /// What became of a ban that was handed over under this number; `is_banned` says whether it is still to be in force.
    pub(crate) fn acted(
        &mut self,
        now: Timestamp,
        (id, number): (&Id, u64),
        result: Result<(), Failing>,
        is_banned: bool,
    ) -> Verdict {
        self.again.remove(&number);
        let known = self.entries.get(id);
        if !is_banned || known.is_some_and(|known| known.number != number) {
            // It is over, or was handed over once more, and that will tell.
            return Verdict::Silence;
        }
        let (before, restored) = known.map_or((0, false), |known| (known.tries, known.restored));
        let why = match result {
            Ok(()) => {
                self.ended(id);
                return match before {
                    0 => Verdict::Silence,
                    _ => Verdict::Recovered(before),
                };
            }
            Err(why) => why,
        };
        // What had to wait for its turn has not failed.
        let waits = why.cause == Cause::Behind;
        let tries = if waits { before } else { before.saturating_add(1) };
        let repeats = match why.cause {
            Cause::Status(_) | Cause::Unreached | Cause::Behind => true,
            // What was broken off may be half done: a rule is set once more and taken away whole, a report is sent twice.
            Cause::Broken => self.undoes,
            Cause::Refused(_) | Cause::Definition => false,
        };
        let pause = pause(tries).max(i64::from(why.after).min(LONGEST_WAIT));
        let due = (repeats && (waits || tries <= self.retries)).then(|| now.plus_seconds(pause));
        let entry = Entry {
            number,
            tries,
            restored,
            was_told: true,
            is_pending: false,
            why: Some(self.shared(why)),
            due,
        };
        self.put(id, entry);
        match due {
            None if tries > 1 => Verdict::GivenUp(tries),
            Some(_) | None => Verdict::Silence,
        }
    }

    /// A ban is over. Whether the action knows of it and is to be told.
    pub(crate) fn ended(&mut self, id: &Id) -> bool {
        let Some(entry) = self.entries.remove(id) else {
            return true;
        };
        if let Some(due) = entry.due {
            self.due.remove(&(due, id.clone()));
        }
        entry.was_told
    }

    /// All bans are over.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.due.clear();
    }

    /// When something is to be tried again.
    pub(crate) fn next_wakeup(&self) -> Option<Timestamp> {
        // Where as many as may be are under way, the end of one of them wakes the loop.
        let (due, _) = self.due.first().filter(|_| self.again.len() < AT_ONCE)?;
        Some(*due)
    }

    /// What is to be tried again now, as many as may be at a time.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<Due> {
        let due = self.due.iter().take_while(|(due, _)| *due <= now);
        due.take(AT_ONCE.saturating_sub(self.again.len()))
            .filter_map(|(_, id)| {
                let entry = self.entries.get(id)?;
                Some(Due {
                    id: id.clone(),
                    tries: entry.tries,
                    restored: entry.restored,
                })
            })
            .collect()
    }

    /// Someone set the clock: nothing waits longer than it would had it failed now.
    pub(crate) fn clock_set(&mut self, now: Timestamp) {
        let latest = now.plus_seconds(LONGEST_WAIT);
        let late: Vec<(Timestamp, Id)> = self
            .due
            .iter()
            .filter(|(due, _)| *due > latest)
            .cloned()
            .collect();
        for (due, id) in late {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.due = Some(now);
                self.due.insert((now, id.clone()));
            }
            self.due.remove(&(due, id));
        }
    }

    /// Whether the action is to be told when a ban changes: it holds it, or will.
    pub(crate) fn holds(&self, id: &Id) -> bool {
        self.entries.get(id).is_none_or(|entry| entry.why.is_none())
    }

    /// How many bans have failed, and of how many it is not known yet.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let failed = self.entries.values().filter(|entry| entry.why.is_some()).count();
        (failed, self.entries.len().saturating_sub(failed))
    }

    /// Whether nothing will change by itself: no ban is under way or tried again.
    pub(crate) fn is_settled(&self) -> bool {
        self.entries
            .values()
            .all(|entry| !entry.is_pending && entry.due.is_none())
    }

    /// Those bans that are not simply in force.
    pub(crate) fn standings(&self) -> impl Iterator<Item = Standing<'_>> {
        self.entries.iter().map(|(id, entry)| Standing {
            id,
            tries: entry.tries,
            why: entry.why.as_deref(),
            due: entry.due,
        })
    }

    fn put(&mut self, id: &Id, entry: Entry) {
        if let Some(due) = entry.due {
            self.due.insert((due, id.clone()));
        }
        if let Some(due) = self.entries.insert(id.clone(), entry).and_then(|old| old.due) {
            let is_same = self.entries.get(id).is_some_and(|entry| entry.due == Some(due));
            if !is_same {
                self.due.remove(&(due, id.clone()));
            }
        }
    }

    /// The same reason is kept once, however many bans have it.
    fn shared(&mut self, why: Failing) -> Arc<Failing> {
        if let Some(last) = self.last.as_ref().filter(|last| ***last == why) {
            return Arc::clone(last);
        }
        let why = Arc::new(why);
        self.last = Some(Arc::clone(&why));
        why
    }
}

/// How long after it has failed so often a ban is tried again, in seconds.
fn pause(tries: u32) -> i64 {
    let doublings = tries.saturating_sub(1).min(30);
    (1_i64 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_000_000);

    fn id(number: u64) -> Id {
        Id::parse(&format!("192.0.2.{number}"))
    }

    fn failing(cause: Cause) -> Failing {
        Failing {
            cause,
            text: "returned 3".to_owned(),
            stderr: "no".to_owned(),
            after: 0,
        }
    }

    #[test]
    fn a_ban_that_fails_is_tried_again_after_longer_and_longer_pauses() {
        let mut ledger = Ledger::new(RETRIES, true);
        ledger.told(&id(1), 1, false);
        assert!(!ledger.is_settled());
        let (mut now, mut number, mut pauses) = (START, 1, Vec::new());
        loop {
            let verdict = ledger.acted(now, (&id(1), number), Err(failing(Cause::Status(3))), true);
            let Some(due) = ledger.next_wakeup() else {
                assert_eq!(verdict, Verdict::GivenUp(21));
                break;
            };
            assert_eq!(verdict, Verdict::Silence);
            assert!(ledger.due(now).is_empty(), "it is not time yet");
            pauses.push(due.seconds() - now.seconds());
            now = due;
            number += 1;
            assert_eq!(ledger.due(now).len(), 1);
            ledger.told_again(&id(1), number);
            assert!(ledger.due(now).is_empty(), "it is under way");
        }
        assert_eq!(pauses.get(..10).unwrap(), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!((pauses.len(), pauses.last()), (20, Some(&300)));
        assert!(ledger.is_settled());
        assert_eq!(ledger.counts(), (1, 0), "and is not forgotten");
        assert!(ledger.ended(&id(1)), "the action has been told of it");
        assert_eq!(ledger.counts(), (0, 0));
    }

    #[test]
    fn what_may_be_half_done_is_done_again_where_it_is_undone_later_and_what_cannot_succeed_never_is() {
        for (cause, undoes, repeats) in [
            (Cause::Status(3), true, true),
            (Cause::Status(3), false, true),
            (Cause::Broken, true, true),
            (Cause::Broken, false, false),
            (Cause::Unreached, false, true),
            (Cause::Refused(403), true, false),
            (Cause::Definition, true, false),
            (Cause::Definition, false, false),
        ] {
            let mut ledger = Ledger::new(1, undoes);
            ledger.told(&id(1), 1, false);
            let verdict = ledger.acted(START, (&id(1), 1), Err(failing(cause)), true);
            assert_eq!(verdict, Verdict::Silence, "the failure was told by the action");
            assert_eq!(
                ledger.next_wakeup().is_some(),
                repeats,
                "{cause:?}, undoes: {undoes}"
            );
        }
        let mut ledger = Ledger::new(0, true);
        ledger.told(&id(1), 1, false);
        ledger.acted(START, (&id(1), 1), Err(failing(Cause::Status(3))), true);
        assert_eq!(ledger.next_wakeup(), None, "retries = 0");
    }

    #[test]
    fn a_server_says_when_it_is_to_be_asked_again() {
        let asks = |cause, after| {
            let mut ledger = Ledger::new(0, true);
            ledger.told(&id(1), 1, false);
            let why = Failing {
                after,
                ..failing(cause)
            };
            ledger.acted(START, (&id(1), 1), Err(why), true);
            (
                ledger.next_wakeup().map(|due| due.seconds() - START.seconds()),
                ledger.counts(),
            )
        };
        assert_eq!(
            asks(Cause::Behind, 90),
            (Some(90), (1, 0)),
            "without an end to that"
        );
        assert_eq!(asks(Cause::Behind, 1_000_000), (Some(LONGEST_WAIT), (1, 0)));
        assert_eq!(asks(Cause::Status(429), 90), (None, (1, 0)), "which counts");
    }

    #[test]
    fn only_what_became_of_the_ban_in_force_counts() {
        let mut ledger = Ledger::new(RETRIES, true);
        ledger.told(&id(1), 1, false);
        assert!(ledger.ended(&id(1)));
        ledger.told(&id(1), 2, false);
        ledger.acted(START, (&id(1), 1), Err(failing(Cause::Status(3))), true);
        assert_eq!(ledger.counts(), (0, 1), "that was the one before");
        ledger.acted(START, (&id(1), 2), Ok(()), true);
        assert_eq!(ledger.counts(), (0, 0));
        ledger.acted(START, (&id(1), 3), Err(failing(Cause::Status(3))), false);
        assert_eq!(ledger.counts(), (0, 0), "it is over");
        // A ban that was in force, and fails when it is set up again.
        ledger.acted(START, (&id(1), 4), Err(failing(Cause::Status(3))), true);
        assert_eq!(ledger.counts(), (1, 0));
        assert!(!ledger.holds(&id(1)));
        ledger.told_again(&id(1), 5);
        assert_eq!(
            ledger.counts(),
            (1, 0),
            "it counts as failed until it is in force"
        );
        assert_eq!(
            ledger.acted(START, (&id(1), 5), Ok(()), true),
            Verdict::Recovered(1)
        );
        assert!(ledger.is_settled() && ledger.holds(&id(1)));
    }

    #[test]
    fn what_could_not_be_handed_over_is_kept_and_told_once() {
        let mut ledger = Ledger::new(RETRIES, true);
        assert!(ledger.refused(START, &id(1), true, 7));
        assert!(!ledger.refused(START, &id(2), false, 7), "it was said");
        assert!(!ledger.ended(&id(2)), "nobody was told that it began");
        let later = START.plus_seconds(BEHIND_PAUSE);
        let due = ledger.due(later);
        let expected = Due {
            id: id(1),
            tries: 0,
            restored: true,
        };
        assert_eq!(due, [expected]);
        assert!(!ledger.refused(later, &id(1), true, 7));
        assert!(ledger.due(later).is_empty());
        ledger.told_again(&id(1), 1);
        assert_eq!(ledger.acted(later, (&id(1), 1), Ok(()), true), Verdict::Silence);
        assert!(ledger.refused(START, &id(3), false, 7), "anew");
    }

    #[test]
    fn few_are_tried_again_at_a_time_and_a_clock_that_is_set_back_keeps_none() {
        let mut ledger = Ledger::new(RETRIES, true);
        for number in 1..100 {
            ledger.told(&id(number), number, false);
            ledger.acted(START, (&id(number), number), Err(failing(Cause::Status(3))), true);
        }
        let later = START.plus_seconds(10);
        for (number, due) in (200..).zip(ledger.due(later)) {
            ledger.told_again(&due.id, number);
        }
        assert_eq!(ledger.again.len(), AT_ONCE);
        assert_eq!(ledger.next_wakeup(), None, "the end of one wakes the loop");
        let past = START.plus_seconds(-1_000_000);
        ledger.clock_set(past);
        ledger.acted(past, (&id(1), 200), Ok(()), true);
        assert!(ledger.next_wakeup().is_some_and(|due| due <= past));
        ledger.clear();
        assert!(ledger.is_settled());
    }
}
