//! Where in a line a time of day could be: `12:34:56`.
//!
//! In: a line. Out: the places of the first colon of each such time, or the answer that it cannot be told.
//!
//! Most formats hold a time of day, and most lines without a date hold none; this spares those lines
//! the search. Invariant: no time of day that a format could match is left out.

use crate::token::Text;

/// How many times a line may have before we stop counting; a line of more is searched throughout.
const MOST: usize = 8;

/// The times of day of a line.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    /// The places of their first colons, in order.
    colons: [usize; MOST],
    count: usize,
    /// Whether there may be others.
    uncertain: bool,
}

impl Clocks {
    /// Looks for the times of day of `line`.
    pub(crate) fn of(line: &str) -> Self {
        let mut clocks = Self::default();
        if !line.is_ascii() {
            // Digits of other scripts count as well.
            clocks.uncertain = true;
            return clocks;
        }
        let text = Text::new(line, false);
        let digit = |at: usize| text.byte(at).is_ascii_digit();
        for colon in memchr::memchr_iter(b':', line.as_bytes()) {
            if colon == 0 || !digit(colon - 1) || !digit(colon + 1) {
                continue;
            }
            let second = if digit(colon + 2) { colon + 3 } else { colon + 2 };
            if text.byte(second) != b':' || !digit(second + 1) {
                continue;
            }
            match clocks.colons.get_mut(clocks.count) {
                Some(place) => *place = colon,
                None => {
                    clocks.uncertain = true;
                    return clocks;
                }
            }
            clocks.count += 1;
        }
        clocks
    }

    /// Whether there are none for certain.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0 && !self.uncertain
    }

    /// The first place, from `at` on, at which a match can begin whose time of day is at most `reach`
    /// characters behind its start.
    pub(crate) fn next_start(&self, at: usize, reach: usize) -> Option<usize> {
        if self.uncertain {
            return Some(at);
        }
        let colons = self.colons.get(..self.count).unwrap_or(&[]);
        let colon = colons.iter().find(|colon| **colon > at)?;
        Some(at.max(colon.saturating_sub(reach)))
    }
}

#[cfg(test)]
mod tests {
    use super::Clocks;

    #[test]
    fn starts_are_near_a_time_of_day() {
        for (line, at, reach, start) in [
            ("no time here: 12:34", 0, 10, None),
            ("a 12:34:56 b", 0, 2, Some(2)),
            ("a 12:34:56 b", 0, 10, Some(0)),
            ("a 12:34:56 b", 3, 10, Some(3)),
            ("a 12:34:56 b", 4, 10, None),
            ("1:2:3 and 12:34:5", 2, 2, Some(10)),
            ("1:234:5 x", 0, 9, None),
            ("é 12:34", 0, 1, Some(0)),
            ("1:1:1:1:1:1:1:1:1:1:1:1:1", 3, 1, Some(3)),
        ] {
            assert_eq!(
                Clocks::of(line).next_start(at, reach),
                start,
                "{line:?} {at} {reach}"
            );
        }
    }
}
