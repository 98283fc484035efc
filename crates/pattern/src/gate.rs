//! Which of several expressions could match in a text, told by literals alone.
//!
//! In: the [`Literals`] of the expressions; whole blocks of lines. Out: where the next literal of any of them
//! stands, and which of them a line could be of.
//!
//! Invariant: the gate may only say "maybe" too often. Where it says no, no expression matches.

use aho_corasick::packed;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind, Span};
use memchr::memmem;

use crate::limits;
use crate::literals::{self, Literals};

/// Which of several expressions could match in a text.
#[derive(Debug)]
pub struct Gate {
    /// Finds the next literal. Where there are few, many bytes are looked at together.
    next: Next,
    /// Finds all literals, also those within others.
    each: AhoCorasick,
    /// The expressions that ask for a literal, by its number.
    owners: Vec<Candidates>,
    longest: usize,
}

#[derive(Debug)]
enum Next {
    One(memmem::Finder<'static>),
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
}

/// Some of the expressions of a filter, by their numbers. Those past the 63rd are together or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidates(u64);

impl Candidates {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self(u64::MAX);

    /// Whether expression `number` is among them.
    #[must_use]
    #[inline]
    pub fn contains(self, number: usize) -> bool {
        self.0 & Self::one(number).0 != 0
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first of them whose number is `from` or higher. Those past the 63rd are all or none, however many there are.
    #[must_use]
    #[inline]
    pub fn next(self, from: usize) -> Option<usize> {
        let left = u32::try_from(from).ok().and_then(|from| self.0.checked_shr(from));
        match left {
            None => (self.0 >> 63 == 1).then_some(from),
            Some(0) => None,
            Some(left) => usize::try_from(left.trailing_zeros())
                .ok()
                .map(|ahead| from + ahead),
        }
    }

    /// These and those.
    #[must_use]
    #[inline]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are also among `other`.
    #[must_use]
    #[inline]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Expression `number` alone.
    #[must_use]
    #[inline]
    pub fn one(number: usize) -> Self {
        Self(1 << number.min(63))
    }
}

impl Gate {
    /// A gate for expressions and their numbers; nothing where there are too many literals, or none.
    #[must_use]
    pub fn new<'a>(expressions: impl IntoIterator<Item = (usize, &'a Literals)>) -> Option<Self> {
        let mut texts: Vec<&[u8]> = Vec::new();
        let mut owners: Vec<Candidates> = Vec::new();
        for (number, literals) in expressions {
            for text in literals.iter() {
                let owner = Candidates::one(number);
                match texts.iter().position(|known| *known == text) {
                    Some(at) => {
                        if let Some(known) = owners.get_mut(at) {
                            *known = known.union(owner);
                        }
                    }
                    None => {
                        texts.push(text);
                        owners.push(owner);
                    }
                }
            }
        }
        if texts.is_empty() || texts.len() > limits::GATE_LITERALS {
            return None;
        }
        let longest = texts.iter().map(|text| text.len()).max()?;
        let each = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind((texts.len() <= 100).then_some(AhoCorasickKind::DFA))
            .build(&texts)
            .ok()?;
        // A text that has a literal within another one has both, so the inner one is enough.
        // Nor is anything lost where the beginning of a text is left away; to tell texts from lines quickly they have
        // to begin with what is rare.
        let mut tails: Vec<&[u8]> = texts.iter().map(|text| literals::rare_tail(text)).collect();
        tails.sort_unstable();
        tails.dedup();
        let mut least = tails.clone();
        least.retain(|text| {
            !tails
                .iter()
                .any(|other| other.len() < text.len() && memmem::find(text, other).is_some())
        });
        let packed = packed::Config::new()
            .match_kind(packed::MatchKind::LeftmostFirst)
            .builder()
            .extend(&least)
            .build();
        let next = match (least.as_slice(), packed) {
            ([text], _) => Next::One(memmem::Finder::new(text).into_owned()),
            (_, Some(searcher)) => Next::Packed(searcher),
            (_, None) => Next::Automaton(AhoCorasick::builder().build(&least).ok()?),
        };
        Some(Self {
            next,
            each,
            owners,
            longest,
        })
    }

    /// Where the first literal that begins at `from` or later ends.
    #[must_use]
    #[inline]
    pub fn next(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let span = Span {
            start: from,
            end: bytes.len(),
        };
        if span.start > span.end {
            return None;
        }
        match &self.next {
            Next::One(finder) => {
                let found = finder.find(bytes.get(from..)?)?;
                Some(from + found + finder.needle().len())
            }
            Next::Packed(searcher) => searcher.find_in(bytes, span).map(|found| found.end()),
            Next::Automaton(automaton) => automaton
                .find(Input::new(bytes).span(span))
                .map(|found| found.end()),
        }
    }

    /// The expressions whose literals stand in `bytes`.
    #[must_use]
    pub fn candidates(&self, bytes: &[u8]) -> Candidates {
        let mut found = Candidates::NONE;
        for literal in self.each.find_overlapping_iter(bytes) {
            if let Some(owners) = self.owners.get(literal.pattern().as_usize()) {
                found = found.union(*owners);
            }
        }
        found
    }

    /// Whether a literal stands across the seam of two texts of which neither has one.
    #[must_use]
    pub fn finds_across(&self, before: &[u8], after: &[u8]) -> bool {
        let end = before.get(before.len().saturating_sub(self.longest)..);
        let begin = after.get(..self.longest.min(after.len()));
        let seam = [end.unwrap_or_default(), begin.unwrap_or_default()].concat();
        self.next(&seam, 0).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidates, Gate};
    use crate::{Options, Pattern};

    #[test]
    fn tells_where_the_next_literal_is_and_whose_all_are() {
        let patterns: Vec<Pattern> = ["Failed \\w+ for", "Failed", "invalid user", "\\w+"]
            .iter()
            .map(|source| Pattern::compile(source, Options::default()).unwrap())
            .collect();
        let literals = patterns.iter().map(Pattern::literals).enumerate();
        let gate = Gate::new(literals.filter_map(|(number, literals)| Some((number, literals?)))).unwrap();
        let text = b"x Failed none for invalid user y";
        let first = gate.next(text, 0).unwrap();
        assert_eq!(&text[..first], b"x Failed");
        assert_eq!(gate.next(text, 33), None);
        let candidates = gate.candidates(text);
        let numbers: Vec<usize> = (0..4).filter(|number| candidates.contains(*number)).collect();
        assert_eq!(numbers, [0, 1, 2]);
        assert!(gate.candidates(b"nothing of all that").is_empty());
        let all = candidates.union(Candidates::one(63));
        for (from, next) in [
            (0, Some(0)),
            (1, Some(1)),
            (3, Some(63)),
            (63, Some(63)),
            (64, Some(64)),
            (99, Some(99)),
        ] {
            assert_eq!(all.next(from), next, "{from}");
        }
        assert_eq!((candidates.next(3), candidates.next(70)), (None, None));
    }
}
