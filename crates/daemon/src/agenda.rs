//! What the loop has still to deal with, and in which order.
//!
//! In: what has happened, what was read, and what is left of it when its turn is over. Out: the next thing to deal with.
//!
//! Whatever is no lines comes first: it is the outcome of lines of before, and there is no more of it than of these.
//! Of the sources each has its turn; one that has just been read and has little comes before, and alternates with,
//! those that have much or whose turn was too short for what they had. So a log into which one line is written waits for
//! a turn or two, however much there is to be read elsewhere.
//!
//! Invariant: what was read from one source comes in its order.

use std::collections::{BTreeMap, VecDeque};

use crate::world::{Entry, Event, Lines};

/// How many bytes may have been read and wait for the loop. Past it nothing more is read: a log, the journal and the
/// kernel's buffers are queues of their own.
pub(crate) const UNDEALT: usize = 16 << 20;

/// What is more than this, in bytes, is much: some milliseconds of work where all of it is hard.
const FEW: usize = 64 * 1024;

/// How many entries of the journal the loop is given at a time.
const ENTRIES_AT_ONCE: usize = 1000;

/// What the loop has still to deal with.
#[derive(Debug, Default)]
pub struct Agenda {
    others: VecDeque<Event>,
    sources: BTreeMap<Place, Waiting>,
    /// Sources that were read and have few bytes, and those that have more or had a turn; each is in one of the two.
    fresh: VecDeque<Place>,
    late: VecDeque<Place>,
    /// Whether the last turn was that of a fresh one.
    was_fresh: bool,
    bytes: usize,
    /// How often nothing was read since too much waits.
    full: u64,
}

/// Where something was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A log, by its name.
    Log(String),
    Journal,
    Reports,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// Whether it stands in line.
    is_in_line: bool,
}

impl Agenda {
    /// Whether there is nothing to deal with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.others.is_empty() && self.sources.is_empty()
    }

    /// Adds something that has happened or was read.
    pub fn add(&mut self, event: Event) {
        let Some(place) = Place::of(&event) else {
            self.others.push_back(event);
            return;
        };
        let size = size(&event);
        self.bytes += size;
        let waiting = self.sources.entry(place.clone()).or_default();
        waiting.events.push_back(event);
        if !std::mem::replace(&mut waiting.is_in_line, true) {
            let line = if size <= FEW {
                &mut self.fresh
            } else {
                &mut self.late
            };
            line.push_back(place);
        }
    }

    /// Adds something that is to be dealt with before everything else.
    pub fn add_first(&mut self, event: Event) {
        self.others.push_front(event);
    }

    /// Takes back what is left of something that was read, since its turn is over.
    pub fn put_back(&mut self, rest: Event) {
        let Some(place) = Place::of(&rest) else {
            self.others.push_front(rest);
            return;
        };
        self.bytes += size(&rest);
        let waiting = self.sources.entry(place.clone()).or_default();
        waiting.events.push_front(rest);
        if !std::mem::replace(&mut waiting.is_in_line, true) {
            self.late.push_back(place);
        }
    }

    /// Adds entries of the journal to those that wait, or behind them.
    pub(crate) fn add_entries(&mut self, entries: impl Iterator<Item = Entry>) {
        let waiting = self.sources.get_mut(&Place::Journal);
        match waiting.and_then(|waiting| waiting.events.back_mut()) {
            Some(Event::Entries(waiting)) if waiting.len() < ENTRIES_AT_ONCE => {
                let before = waiting.len();
                waiting.extend(entries);
                let added = waiting.get(before..).unwrap_or_default();
                self.bytes += added.iter().map(|entry| entry.text.len()).sum::<usize>();
            }
            Some(_) | None => self.add(Event::Entries(entries.collect())),
        }
    }

    /// The next thing to deal with.
    pub fn take_next(&mut self) -> Option<Event> {
        self.others.pop_front().or_else(|| self.next_read())
    }

    /// The next of what was read.
    pub(crate) fn next_read(&mut self) -> Option<Event> {
        let is_turn_of_fresh = !self.was_fresh || self.late.is_empty();
        let fresh = if is_turn_of_fresh {
            self.fresh.pop_front()
        } else {
            None
        };
        self.was_fresh = fresh.is_some();
        let place = fresh.or_else(|| self.late.pop_front())?;
        let waiting = self.sources.get_mut(&place)?;
        let event = waiting.events.pop_front()?;
        self.bytes = self.bytes.saturating_sub(size(&event));
        if waiting.events.is_empty() {
            self.sources.remove(&place);
        } else {
            self.late.push_back(place);
        }
        Some(event)
    }

    /// Whether something that was read waits.
    pub(crate) fn has_read(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Whether there is room for more; that there is none is counted.
    pub(crate) fn has_room(&mut self) -> bool {
        let has_room = self.bytes < UNDEALT;
        self.full += u64::from(!has_room);
        has_room
    }

    /// Where something was read that waits.
    pub(crate) fn waiting(&self) -> Vec<Place> {
        self.sources.keys().cloned().collect()
    }

    /// How many bytes wait, and how often there was no room for more.
    pub(crate) const fn fill(&self) -> (usize, u64) {
        (self.bytes, self.full)
    }
}

impl Place {
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Lines(Lines { log, .. }) => Some(Self::Log(log.clone())),
            Event::Entries(_) => Some(Self::Journal),
            Event::Reports(_) => Some(Self::Reports),
            Event::Wakeup
            | Event::Request(..)
            | Event::Judged(_)
            | Event::Remembered(_)
            | Event::Called(_)
            | Event::Acted(_)
            | Event::Resolved(_)
            | Event::Removed(_)
            | Event::ClockSet
            | Event::Terminate
            | Event::FlushLogs => None,
        }
    }
}

/// How much of what was read an event holds, in bytes.
fn size(event: &Event) -> usize {
    match event {
        Event::Lines(lines) => lines.bytes.len(),
        Event::Entries(entries) => entries.iter().map(|entry| entry.text.len()).sum(),
        // A few hundred at a time, of a few kilobytes each.
        Event::Reports(_)
        | Event::Wakeup
        | Event::Request(..)
        | Event::Judged(_)
        | Event::Remembered(_)
        | Event::Called(_)
        | Event::Acted(_)
        | Event::Resolved(_)
        | Event::Removed(_)
        | Event::ClockSet
        | Event::Terminate
        | Event::FlushLogs => 0,
    }
}

#[cfg(test)]
mod tests {
    use stockade_datetime::Timestamp;

    use super::*;
    use crate::world::Progress;

    /// Lines of a log, told by their number.
    fn lines(log: &str, number: usize) -> Event {
        Event::Lines(Lines {
            jails: Vec::new(),
            log: log.to_owned(),
            bytes: vec![0; number],
            lines: Vec::new(),
            is_cut: false,
            progress: Progress::default(),
        })
    }

    /// What comes next, where each log named in `floods` never gets done in one turn.
    fn turns(agenda: &mut Agenda, floods: &[&str], count: usize) -> Vec<String> {
        let mut turns = Vec::new();
        for _ in 0..count {
            let Some(event) = agenda.take_next() else { break };
            let Event::Lines(lines) = &event else {
                turns.push("another".to_owned());
                continue;
            };
            turns.push(format!("{}{}", lines.log, lines.bytes.len()));
            if floods.contains(&lines.log.as_str()) {
                agenda.put_back(event);
            }
        }
        turns
    }

    #[test]
    fn a_line_of_a_quiet_log_waits_for_a_turn_or_two() {
        let mut agenda = Agenda::default();
        let floods: Vec<String> = (0..50).map(|number| format!("flood{number}-")).collect();
        let floods: Vec<&str> = floods.iter().map(String::as_str).collect();
        for flood in &floods {
            agenda.add(lines(flood, 1));
        }
        assert_eq!(turns(&mut agenda, &floods, 120).len(), 120);
        for round in 0..200 {
            agenda.add(lines("quiet", round));
            let next = turns(&mut agenda, &floods, 2);
            assert!(next.contains(&format!("quiet{round}")), "round {round}: {next:?}");
        }
    }

    #[test]
    fn a_flood_goes_on_however_many_quiet_logs_there_are() {
        let mut agenda = Agenda::default();
        agenda.add(lines("flood", 1));
        assert_eq!(turns(&mut agenda, &["flood"], 1), ["flood1"]);
        for round in 0..20 {
            for quiet in 0..5 {
                agenda.add(lines(&format!("quiet{round}-{quiet}-"), 1));
            }
            let next = turns(&mut agenda, &["flood"], 2);
            assert!(next.contains(&"flood1".to_owned()), "round {round}: {next:?}");
        }
    }

    #[test]
    fn what_was_read_from_a_log_comes_in_its_order() {
        let mut agenda = Agenda::default();
        for (log, number) in [("a", 1), ("b", 1), ("a", 2), ("a", 3), ("b", 2)] {
            agenda.add(lines(log, number));
        }
        assert_eq!(agenda.waiting(), ["a", "b"].map(|log| Place::Log(log.to_owned())));
        assert_eq!(turns(&mut agenda, &["a"], 3), ["a1", "a1", "b1"]);
        agenda.add(lines("a", 4));
        let rest = turns(&mut agenda, &[], 9);
        let of = |log: &str| -> Vec<String> {
            let of = rest.iter().filter(|turn| turn.starts_with(log));
            of.cloned().collect()
        };
        assert_eq!(of("a"), ["a1", "a2", "a3", "a4"]);
        assert_eq!(of("b"), ["b2"]);
        assert!(agenda.is_empty() && agenda.waiting().is_empty());
        assert_eq!(agenda.fill(), (0, 0));
    }

    #[test]
    fn what_is_no_lines_comes_first() {
        let mut agenda = Agenda::default();
        agenda.add(lines("a", 1));
        agenda.add(Event::ClockSet);
        agenda.add_first(Event::Terminate);
        assert!(matches!(agenda.take_next(), Some(Event::Terminate)));
        assert!(matches!(agenda.next_read(), Some(Event::Lines(_))));
        assert!(matches!(agenda.take_next(), Some(Event::ClockSet)));
        assert!(agenda.take_next().is_none());
    }

    #[test]
    fn past_the_limit_there_is_no_room() {
        let mut agenda = Agenda::default();
        let entry = |length: usize| Entry {
            jails: Vec::new(),
            time: Timestamp::from_seconds(0),
            iso: String::new(),
            text: "x".repeat(length),
        };
        assert!(agenda.has_room());
        agenda.add(lines("a", UNDEALT - 10));
        agenda.add_entries([entry(5)].into_iter());
        agenda.add_entries([entry(4)].into_iter());
        assert!(agenda.has_room());
        agenda.add_entries([entry(1)].into_iter());
        assert!(!agenda.has_room() && agenda.waiting() == [Place::Log("a".to_owned()), Place::Journal]);
        assert_eq!(agenda.fill(), (UNDEALT, 1));
        // What is little comes first.
        assert!(matches!(agenda.take_next(), Some(Event::Entries(entries)) if entries.len() == 3));
        assert_eq!(agenda.fill().0, UNDEALT - 10);
        let _lines = agenda.take_next();
        assert!(agenda.has_room() && agenda.is_empty());
    }
}
