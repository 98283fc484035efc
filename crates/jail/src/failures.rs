//! The failures of a jail by id, until they become a ban or are too old.
//!
//! In: failures, and the settings in force when they are added. Out: a ticket once there are enough.
//! Invariant: no more than [`MAX_PENDING`] ids are kept, and how many bytes of evidence there are is known.

use stockade_datetime::Timestamp;
use stockade_filter::Id;

use crate::evidence::{Evidence, shed};
use crate::ordered::{Entry, Ordered};
use crate::{Match, Settings, Ticket};

/// How many failure-ids are counted at a time; the one that was seen first makes room.
///
/// With one failure each they take about a quarter of a gigabyte. An attacker who commands more addresses than
/// this within one findtime is beyond what counting by address can stop.
pub const MAX_PENDING: usize = 1 << 20;

/// Cleaning is not repeated within this time, as in the reference.
const CLEAN_PAUSE_SECONDS: i64 = 5;

/// How long a failure may outlive its findtime before a cleaning is due.
///
/// The reference looks every ten rounds of its loop, which idle take two seconds each; this is their mean.
const CLEAN_DELAY_SECONDS: i64 = 10;

/// The failures of a jail by id.
#[derive(Debug)]
pub(crate) struct Failures {
    list: Ordered<Failure>,
    evidence_bytes: usize,
    total: u64,
    last_clean: Option<Timestamp>,
    next_clean: Option<Timestamp>,
    evicted: u64,
    evidence_dropped: u64,
    /// Room to pack evidence in.
    room: Vec<u8>,
}

/// The failures of one id.
#[derive(Debug)]
struct Failure {
    id: Id,
    first: Timestamp,
    last: Timestamp,
    retry: u32,
    failures: u32,
    evidence: Evidence,
}

impl Entry for Failure {
    fn id(&self) -> &Id {
        &self.id
    }
}

/// What is known of an id that has failures and no ban yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The failure-id.
    pub id: Id,
    /// The begin of the span that the count refers to.
    pub first: Timestamp,
    /// The last failure.
    pub last: Timestamp,
    /// The count that is compared with `maxretry`.
    pub retry: u32,
    /// The number of failures.
    pub failures: u32,
    /// The lines kept.
    pub matches: Vec<Match>,
}

impl Failures {
    pub(crate) fn new() -> Self {
        Self {
            list: Ordered::new(),
            evidence_bytes: 0,
            total: 0,
            last_clean: None,
            next_clean: None,
            evicted: 0,
            evidence_dropped: 0,
            room: Vec::new(),
        }
    }

    /// Adds the failure that `ticket` tells of, `count` towards `maxretry`; a ticket comes back once that is
    /// reached, and the id is unknown again.
    pub(crate) fn add(&mut self, settings: &Settings, ticket: Ticket, count: u32) -> Option<Ticket> {
        self.total += 1;
        let reached = |retry: u32| i64::from(retry) >= settings.maxretry;
        let Some(place) = self.list.find(&ticket.id) else {
            let retry = count.max(1);
            if reached(retry) {
                return Some(Ticket { retry, ..ticket });
            }
            self.insert(settings, Ticket { retry, ..ticket });
            return None;
        };
        let failure = self.list.at_mut(place);
        let is_last = failure.shift(ticket.time, settings.findtime_micros);
        failure.retry = failure.retry.saturating_add(count);
        failure.failures = failure.failures.saturating_add(ticket.failures.max(1));
        let is_reached = reached(failure.retry);
        let growth = failure.evidence.growth(&ticket.matches, settings.maxmatches);
        if let Some(growth) = growth.filter(|_| !is_reached) {
            let before = failure.evidence.weight();
            let time_is_whole = is_last.then_some(ticket.time_is_whole);
            failure.evidence.append(&ticket.matches, growth, time_is_whole);
            self.evidence_bytes += failure.evidence.weight() - before;
            return None;
        }
        let mut known = failure.ticket();
        if is_last {
            known.time_is_whole = ticket.time_is_whole;
        }
        append(&mut known.matches, ticket.matches, settings.maxmatches);
        if is_reached {
            self.evidence_bytes -= self.list.remove(place).evidence.weight();
            return Some(known);
        }
        let evidence = Evidence::packed(&known, &mut self.room);
        self.evidence_bytes = self.evidence_bytes - failure.evidence.weight() + evidence.weight();
        failure.evidence = evidence;
        None
    }

    /// Has failures go without their lines, those with many bytes first and then the oldest, until so many bytes are
    /// free; how many there were.
    pub(crate) fn shed(&mut self, bytes: usize) -> usize {
        let sizes = (self.evidence_bytes, bytes);
        let (freed, count) = shed(&mut self.list, |one| &mut one.evidence, &mut self.room, sizes);
        self.evidence_dropped += count;
        self.evidence_bytes -= freed;
        freed
    }

    /// Forgets what was last seen a findtime ago or longer, unless that was done just now.
    pub(crate) fn clean(&mut self, now: Timestamp, findtime_micros: i64) {
        if let Some(last) = self.last_clean {
            let again = last.plus_seconds(CLEAN_PAUSE_SECONDS);
            if (last..again).contains(&now) {
                self.next_clean = self.next_clean.map(|due| due.max(again));
                return;
            }
        }
        self.last_clean = Some(now);
        let limit = now.plus_micros(findtime_micros.saturating_neg());
        let (mut old, mut oldest) = (Vec::new(), None);
        for (place, failure) in self.list.iter() {
            if failure.last <= limit {
                old.push(place);
            } else {
                oldest = Some(oldest.map_or(failure.last, |oldest: Timestamp| oldest.min(failure.last)));
            }
        }
        for place in old {
            self.evidence_bytes -= self.list.remove(place).evidence.weight();
        }
        self.next_clean = oldest.map(|last| {
            let due = last
                .plus_micros(findtime_micros)
                .plus_seconds(CLEAN_DELAY_SECONDS);
            due.max(now.plus_seconds(CLEAN_PAUSE_SECONDS))
        });
    }

    /// Forgets what is too old, where that is due at a wakeup, or long due since wakeups do not get through.
    pub(crate) fn clean_if_due(&mut self, now: Timestamp, findtime_micros: i64, is_wakeup: bool) {
        let patience = if is_wakeup { 0 } else { CLEAN_DELAY_SECONDS };
        if self
            .next_clean
            .is_some_and(|due| due.plus_seconds(patience) <= now)
        {
            self.clean(now, findtime_micros);
        }
    }

    /// When [`Failures::clean`] is due.
    pub(crate) const fn next_clean(&self) -> Option<Timestamp> {
        self.next_clean
    }

    /// How many ids have failures.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// How many failures were ever added.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// How many ids had to make room, and how many went without their lines.
    pub(crate) const fn lost(&self) -> (u64, u64) {
        (self.evicted, self.evidence_dropped)
    }

    /// How many bytes the lines take.
    pub(crate) const fn evidence_bytes(&self) -> usize {
        self.evidence_bytes
    }

    /// Whether `id` has failures.
    pub(crate) fn contains(&self, id: &Id) -> bool {
        self.list.find(id).is_some()
    }

    /// The count of `id`, where it has failures.
    pub(crate) fn count_of(&self, id: &Id) -> Option<u32> {
        Some(self.list.at(self.list.find(id)?).retry)
    }

    /// Forgets the failures of `id` that began under the name of `user`; how many there were.
    pub(crate) fn forgive(&mut self, id: &Id, user: Option<&str>) -> u32 {
        let Some(place) = self.list.find(id) else {
            return 0;
        };
        if !self.list.at(place).evidence.is_of(user) {
            return 0;
        }
        let failure = self.list.remove(place);
        self.evidence_bytes -= failure.evidence.weight();
        failure.failures
    }

    /// All ids that have failures, in the order in which they were first seen.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Pending> {
        self.list.iter().map(|(_, failure)| Pending {
            id: failure.id.clone(),
            first: failure.first,
            last: failure.last,
            retry: failure.retry,
            failures: failure.failures,
            matches: failure.ticket().matches,
        })
    }

    fn insert(&mut self, settings: &Settings, ticket: Ticket) {
        if self.list.len() >= MAX_PENDING
            && let Some(first) = self.list.first()
        {
            self.evidence_bytes -= self.list.remove(first).evidence.weight();
            self.evicted += 1;
        }
        let evidence = Evidence::packed(&ticket, &mut self.room);
        self.evidence_bytes += evidence.weight();
        if self.next_clean.is_none() {
            let end = ticket.time.plus_micros(settings.findtime_micros);
            self.next_clean = Some(end.plus_seconds(CLEAN_DELAY_SECONDS));
        }
        self.list.push(Failure {
            id: ticket.id,
            first: ticket.time,
            last: ticket.time,
            retry: ticket.retry,
            failures: ticket.failures.max(1),
            evidence,
        });
    }
}

impl Failure {
    /// What is known, as a ticket of the last failure.
    fn ticket(&self) -> Ticket {
        let mut ticket = Ticket {
            retry: self.retry,
            failures: self.failures,
            ..Ticket::new(self.id.clone(), self.last)
        };
        self.evidence.unpack(&mut ticket);
        ticket
    }

    /// Moves the span on to a failure at `time`; returns whether that is the last one now.
    ///
    /// Not a sliding window. Past `findtime` the reference estimates the count from the rate so far, so a burst
    /// is remembered a little longer. We round half to even, as it does.
    fn shift(&mut self, time: Timestamp, findtime_micros: i64) -> bool {
        if time <= self.last {
            return false;
        }
        let begin = time.plus_micros(findtime_micros.saturating_neg());
        if self.first < begin {
            let span = seconds(time.micros_since(self.first));
            let scaled = f64::from(self.retry) / span * seconds(findtime_micros);
            self.retry = whole(scaled.round_ties_even());
            self.first = begin;
        }
        self.last = time;
        true
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the reference counts in floating point as well"
)]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded and within the range, for such a conversion saturates"
)]
const fn whole(number: f64) -> u32 {
    number as u32
}

/// Adds the lines of a later failure; those that stay when the oldest are cut become whole.
fn append(matches: &mut Vec<Match>, more: Vec<Match>, maxmatches: usize) {
    matches.extend(more.into_iter().map(Match::whole));
    if let Some(surplus) = matches
        .len()
        .checked_sub(maxmatches)
        .filter(|&surplus| surplus > 0)
    {
        matches.drain(..surplus);
        for line in matches {
            let text = std::mem::replace(line, Match::Text(String::new())).whole();
            *line = text;
        }
    }
}
