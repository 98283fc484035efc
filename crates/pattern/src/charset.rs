//! A set of characters, as one position of an expression accepts them.
//!
//! Ranges are of code points without surrogates (a text never holds one), sorted, apart by at least one
//! character; the ASCII part is kept as bits as well, since nearly every character asked for is ASCII.

/// The last code point.
const LAST: u32 = 0x10_FFFF;
/// The surrogates, which are code points but no characters.
const SURROGATES: (u32, u32) = (0xD800, 0xDFFF);

/// A set of characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CharSet {
    ranges: Vec<(u32, u32)>,
    /// The ASCII part, a bit a character, the low half first.
    bits: [u64; 2],
}

impl CharSet {
    /// The characters of `ranges`, in whatever order and overlap.
    pub(crate) fn new(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut sorted: Vec<(u32, u32)> = ranges.into_iter().flat_map(without_surrogates).collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match merged.last_mut() {
                // Across the surrogates too: nothing lies between U+D7FF and U+E000.
                Some(before) if first <= after(before.1) => before.1 = before.1.max(last),
                Some(_) | None => merged.push((first, last)),
            }
        }
        Self::from_sorted(merged)
    }

    fn from_sorted(ranges: Vec<(u32, u32)>) -> Self {
        let mut bits = [0, 0];
        for &(first, last) in &ranges {
            for code in first..=last.min(0x7F) {
                let [low, high] = &mut bits;
                *(if code < 64 { low } else { high }) |= 1u64 << (code % 64);
            }
        }
        Self { ranges, bits }
    }

    /// The set of one character; empty for a surrogate.
    pub(crate) fn single(code: u32) -> Self {
        Self::new([(code, code)])
    }

    pub(crate) fn negated(&self) -> Self {
        let mut ranges = Vec::with_capacity(self.ranges.len() + 1);
        let mut next = 0;
        for &(first, last) in &self.ranges {
            if next < first {
                ranges.extend(without_surrogates((next, first - 1)));
            }
            next = last + 1;
        }
        if next <= LAST {
            ranges.extend(without_surrogates((next, LAST)));
        }
        Self::new(ranges)
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        Self::new(self.ranges.iter().chain(&other.ranges).copied())
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        self.negated().union(other).negated()
    }

    pub(crate) fn contains(&self, c: char) -> bool {
        let code = u32::from(c);
        if code < 0x80 {
            self.ascii() >> code & 1 == 1
        } else {
            self.contains_wide(code)
        }
    }

    /// Whether an ASCII character is in the set.
    #[inline]
    pub(crate) fn contains_ascii(&self, byte: u8) -> bool {
        let [low, high] = self.bits;
        let half = if byte & 0x40 == 0 { low } else { high };
        half >> (byte & 0x3F) & 1 == 1
    }

    /// If the set is everything but one ASCII character, that character.
    pub(crate) fn all_but(&self) -> Option<u8> {
        let missing = !self.ascii();
        let byte = u8::try_from(missing.trailing_zeros()).ok()?;
        (missing.count_ones() == 1 && self.has_all_wide()).then_some(byte)
    }

    /// Whether the set is everything.
    pub(crate) fn is_all(&self) -> bool {
        self.ascii() == u128::MAX && self.has_all_wide()
    }

    fn contains_wide(&self, code: u32) -> bool {
        let at = self.ranges.partition_point(|range| range.1 < code);
        self.ranges.get(at).is_some_and(|range| range.0 <= code)
    }

    /// The one character of this set, if it is one.
    pub(crate) fn only(&self) -> Option<char> {
        match self.ranges.as_slice() {
            [(first, last)] if first == last => char::from_u32(*first),
            _ => None,
        }
    }

    /// Whether a character that is not ASCII is in the set.
    pub(crate) fn has_wide(&self) -> bool {
        self.ranges.last().is_some_and(|range| range.1 >= 0x80)
    }

    /// Whether every character that is not ASCII is in the set.
    pub(crate) fn has_all_wide(&self) -> bool {
        self.ranges
            .last()
            .is_some_and(|range| range.0 <= 0x80 && range.1 == LAST)
    }

    pub(crate) fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    /// The ASCII part, a bit a character.
    pub(crate) fn ascii(&self) -> u128 {
        let [low, high] = self.bits;
        u128::from(high) << 64 | u128::from(low)
    }
}

/// The next character after `code`, for telling whether two ranges touch.
fn after(code: u32) -> u32 {
    if code + 1 == SURROGATES.0 {
        SURROGATES.1 + 1
    } else {
        code + 1
    }
}

fn without_surrogates((first, last): (u32, u32)) -> impl Iterator<Item = (u32, u32)> {
    let below = (first, last.min(SURROGATES.0 - 1));
    let above = (first.max(SURROGATES.1 + 1), last.min(LAST));
    [below, above].into_iter().filter(|range| range.0 <= range.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_what_their_ranges_say() {
        let set = CharSet::new([(0x61, 0x63), (0x63, 0x70), (0xD000, 0xE000), (0x30, 0x30)]);
        assert_eq!(set.ranges(), [(0x30, 0x30), (0x61, 0x70), (0xD000, 0xE000)]);
        let not = set.negated();
        for c in ['0', 'a', 'p', '\u{D7FF}', '\u{E000}', '\u{D000}'] {
            assert!(set.contains(c) && !not.contains(c), "{c:?}");
        }
        for c in ['/', '1', '`', 'q', '\u{CFFF}', '\u{E001}', '\u{10FFFF}', '\0'] {
            assert!(!set.contains(c) && not.contains(c), "{c:?}");
        }
        assert_eq!(not.negated(), set);
        assert!(CharSet::single(0xD800).negated().has_all_wide());
        assert_eq!(CharSet::new([(0x61, 0x61)]).only(), Some('a'));
    }
}
