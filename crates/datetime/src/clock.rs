//! What time it is where the log is read: the moment, and the local time zone.
//!
//! In: the moment and the zone, from the daemon. Out: local time now, and the moment of a local time.
//!
//! Invariant: in the span of local times kept as calm, the zone's offset is one and the same, so the
//! common conversion is an addition; any other asks the zone.

use crate::Timestamp;
use crate::civil::{self, Civil};
use jiff::tz::{AmbiguousOffset, TimeZone};
use std::ops::Range;

/// The present, as far as dates depend on it.
///
/// Making one costs a look into the zone's rules; keep one and [`Clock::set`] it.
#[derive(Debug, Clone)]
pub struct Clock {
    now: Timestamp,
    zone: TimeZone,
    /// Local time now, in seconds as if it were UTC.
    local_now: i64,
    /// The local date.
    today: Civil,
    today_number: i64,
    /// Seconds that local time is ahead of UTC in the calm span.
    offset: i64,
    /// Moments, in seconds, between two changes of the offset.
    calm: Range<i64>,
    /// Local times that only one offset gives.
    calm_local: Range<i64>,
}

impl Clock {
    /// The present moment in this local zone.
    #[must_use]
    pub fn new(now: Timestamp, zone: TimeZone) -> Self {
        let mut clock = Self {
            now,
            zone,
            local_now: 0,
            today: Civil::of_day(0),
            today_number: 0,
            offset: 0,
            calm: 0..0,
            calm_local: 0..0,
        };
        clock.set(now);
        clock
    }

    /// Moves to another moment.
    pub fn set(&mut self, now: Timestamp) {
        self.now = now;
        let seconds = now.seconds();
        if !self.calm.contains(&seconds) {
            self.look_around(seconds);
        }
        self.local_now = seconds.saturating_add(self.offset);
        let number = self.local_now.div_euclid(civil::DAY);
        if number != self.today_number {
            self.today_number = number;
            self.today = Civil::of_day(number);
        }
    }

    /// The present moment.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The local time zone.
    #[must_use]
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Local time now, in seconds as if it were UTC.
    pub(crate) const fn local_now(&self) -> i64 {
        self.local_now
    }

    /// The date of today, local.
    pub(crate) const fn today(&self) -> Civil {
        self.today
    }

    /// The moment of a local time that is given in seconds as if it were UTC.
    ///
    /// A time that a change of the clocks left out counts by the offset before; of two moments with the
    /// same local time the one closer to now is meant.
    pub(crate) fn moment_of_local(&self, local: i64) -> i64 {
        if self.calm_local.contains(&local) {
            return local.saturating_sub(self.offset);
        }
        let day = Civil::of_day(local.div_euclid(civil::DAY));
        let second = local.rem_euclid(civil::DAY);
        let Some(datetime) = day.at(second) else {
            return local.saturating_sub(self.offset);
        };
        let by = |offset: jiff::tz::Offset| local.saturating_sub(i64::from(offset.seconds()));
        match self.zone.to_ambiguous_timestamp(datetime).offset() {
            AmbiguousOffset::Unambiguous { offset } => by(offset),
            AmbiguousOffset::Gap { before, .. } => by(before),
            AmbiguousOffset::Fold { before, after } => {
                let (earlier, later) = (by(before), by(after));
                let distance = |moment: i64| moment.abs_diff(self.now.seconds());
                if distance(earlier) <= distance(later) {
                    earlier
                } else {
                    later
                }
            }
        }
    }

    /// Finds the offset at `seconds` and how far around it holds.
    fn look_around(&mut self, seconds: i64) {
        let (first, last) = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        let at = |seconds: i64| jiff::Timestamp::from_second(seconds.clamp(first, last)).unwrap_or_default();
        let offset_at = |seconds: i64| i64::from(self.zone.to_offset(at(seconds)).seconds());
        let offset = offset_at(seconds);
        // A change at this very second counts as one before it.
        let before = self.zone.preceding(at(seconds.saturating_add(1))).next();
        let after = self.zone.following(at(seconds)).next();
        let start = before.map(|change| change.timestamp().as_second());
        let end = after.map(|change| change.timestamp().as_second());
        let start_local =
            start.map(|start| start.saturating_add(offset.max(offset_at(start.saturating_sub(1)))));
        let end_local = end.map(|end| end.saturating_add(offset.min(offset_at(end))));
        self.offset = offset;
        self.calm = start.unwrap_or(i64::MIN)..end.unwrap_or(i64::MAX);
        self.calm_local = start_local.unwrap_or(i64::MIN)..end_local.unwrap_or(i64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use crate::Timestamp;
    use jiff::tz::TimeZone;

    #[test]
    fn local_times_around_a_change_of_the_clocks() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        // Local times as seconds; the changes are on 2005-03-27 01:00 and 2005-10-30 01:00 UTC.
        let cases = [
            ("before the gap", 1_111_885_199, 1_111_888_799, 1_111_885_199),
            ("in the gap", 1_111_887_000, 1_111_890_600, 1_111_887_000),
            ("behind the gap", 1_111_885_200, 1_111_892_400, 1_111_885_200),
            ("far from now", 1_700_000_000, 1_111_888_799, 1_111_885_199),
        ];
        for (name, now, local, moment) in cases {
            let mut clock = Clock::new(Timestamp::from_seconds(now), zone.clone());
            assert_eq!(clock.moment_of_local(local), moment, "{name}");
            clock.set(Timestamp::from_seconds(0));
            clock.set(Timestamp::from_seconds(now));
            assert_eq!(clock.moment_of_local(local), moment, "{name}, after a journey");
        }
    }

    #[test]
    fn of_an_hour_that_comes_twice_the_one_closer_to_now_is_meant() {
        let (berlin, new_york) = ("CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0");
        // 02:00:00 on 2005-10-30 in Berlin and 01:30:00 on 2009-11-01 in New York, each with its two moments.
        let of_berlin = (1_130_637_600, 1_130_630_400, 1_130_634_000);
        let of_new_york = (1_257_039_000, 1_257_053_400, 1_257_057_000);
        for (name, zone, now, (local, first, second), is_first) in [
            ("years before", berlin, 1_000_000_000, of_berlin, true),
            ("in the summer before", berlin, 1_120_000_000, of_berlin, true),
            ("at the first", berlin, 1_130_630_400, of_berlin, true),
            (
                "a second behind the first",
                berlin,
                1_130_630_401,
                of_berlin,
                true,
            ),
            ("as far from both", berlin, 1_130_632_200, of_berlin, true),
            ("closer to the second", berlin, 1_130_632_201, of_berlin, false),
            (
                "a second behind the second",
                berlin,
                1_130_634_001,
                of_berlin,
                false,
            ),
            ("in the summer after", berlin, 1_150_000_000, of_berlin, false),
            ("years after", berlin, 1_795_348_800, of_berlin, false),
            ("at the first", new_york, 1_257_053_400, of_new_york, true),
            ("at the second", new_york, 1_257_057_000, of_new_york, false),
            ("years after", new_york, 1_795_348_800, of_new_york, false),
        ] {
            let zone = TimeZone::posix(zone).expect("a zone");
            let clock = Clock::new(Timestamp::from_seconds(now), zone);
            let moment = if is_first { first } else { second };
            // What was asked before makes no difference.
            for before in [1_108_468_800, 1_121_428_800, local] {
                let _ = clock.moment_of_local(before);
                assert_eq!(clock.moment_of_local(local), moment, "{name} after {before}");
            }
        }
    }

    #[test]
    fn no_moment_is_too_far() {
        for now in [i64::MIN, -1, 0, i64::MAX] {
            let clock = Clock::new(Timestamp::from_micros(now), TimeZone::UTC);
            let _ = clock.today();
            let _ = clock.moment_of_local(i64::MAX / 2);
        }
    }
}
