//! The gate of a filter: which lines could matter to it at all, and which of its expressions.
//!
//! In: the expressions of a filter; a block of lines, or the text of one. Out: no, or maybe.
//!
//! Invariant: a line that the gate refuses would have given nothing but its date.

use std::sync::Arc;

use stockade_pattern::{Candidates, Gate, Literals};

use crate::Regex;

/// The gate of a filter.
#[derive(Debug)]
pub(crate) struct Gates {
    /// The prefregex, if it asks for literals.
    prefregex: Option<Gate>,
    /// The failregexes that ask for literals.
    failregex: Option<Gate>,
    /// The failregexes that do not.
    always: Candidates,
    /// Where all failregexes begin where the text does: those that may match a text that begins with a byte.
    by_first_byte: Option<Box<[Candidates; 256]>>,
}

impl Gates {
    /// The gate for these expressions; nothing where every line could match.
    pub(crate) fn of(prefregex: Option<&Regex>, expressions: &[Arc<Regex>]) -> Option<Self> {
        let gate_of = |regexes: &mut dyn Iterator<Item = (usize, &'_ Literals)>| Gate::new(regexes);
        let prefix = prefregex.and_then(|regex| regex.pattern().literals());
        let prefregex = prefix.and_then(|literals| gate_of(&mut std::iter::once((0, literals))));
        let mut always = Candidates::NONE;
        let mut asking = Vec::new();
        for (number, regex) in expressions.iter().enumerate() {
            match regex.pattern().literals() {
                Some(literals) => asking.push((number, literals)),
                None => always = always.union(Candidates::one(number)),
            }
        }
        let failregex = gate_of(&mut asking.into_iter());
        if failregex.is_none() {
            always = Candidates::ALL;
        }
        (prefregex.is_some() || failregex.is_some()).then_some(Self {
            prefregex,
            failregex,
            always,
            by_first_byte: by_first_byte(expressions),
        })
    }

    /// The gate that tells most about a block of lines; nothing where it would let every line through.
    fn first(&self) -> Option<&Gate> {
        match &self.failregex {
            Some(gate) if self.always.is_empty() => Some(gate),
            Some(_) | None => self.prefregex.as_ref(),
        }
    }

    /// Where in a block the first literal that begins at `from` or later ends. `None` where there is none, and
    /// where the gate cannot tell, `from`.
    #[inline]
    pub(crate) fn next(&self, block: &[u8], from: usize) -> Option<usize> {
        match self.first() {
            Some(gate) => gate.next(block, from),
            None => Some(from),
        }
    }

    /// Whether a text could match although the line it was made of by cutting out what stood between `before`
    /// and `after` did not look so.
    pub(crate) fn may_match_across(&self, before: &str, after: &str) -> bool {
        let Some(gate) = self.first() else {
            return true;
        };
        let reach = gate.longest();
        let (before, after) = (before.as_bytes(), after.as_bytes());
        let end = before.get(before.len().saturating_sub(reach)..);
        let begin = after.get(..reach.min(after.len()));
        let seam = [end.unwrap_or_default(), begin.unwrap_or_default()].concat();
        gate.next(&seam, 0).is_some()
    }

    /// Whether a text could match at all.
    pub(crate) fn may_match(&self, text: &str) -> bool {
        self.next(text.as_bytes(), 0).is_some()
    }

    /// The failregexes that could match in what the prefregex leaves of a text, told by the text.
    pub(crate) fn candidates(&self, text: &str) -> Candidates {
        if self.by_first_byte.is_some() {
            return Candidates::ALL;
        }
        let text = text.as_bytes();
        let found = match &self.failregex {
            Some(gate) => gate.candidates(text).union(self.always),
            None => Candidates::ALL,
        };
        match &self.prefregex {
            Some(gate) if !found.is_empty() && gate.next(text, 0).is_none() => Candidates::NONE,
            Some(_) | None => found,
        }
    }

    /// The failregexes that could match in what the prefregex has left of a text.
    pub(crate) fn candidates_at(&self, subject: &str) -> Candidates {
        let first = subject.as_bytes().first();
        let known = self.by_first_byte.as_ref().zip(first);
        let known = known.and_then(|(table, first)| table.get(usize::from(*first)));
        known.copied().unwrap_or(Candidates::ALL)
    }
}

/// The expressions by the byte that a text begins with; nothing where one of them may match anywhere.
fn by_first_byte(expressions: &[Arc<Regex>]) -> Option<Box<[Candidates; 256]>> {
    let mut table = Box::new([Candidates::NONE; 256]);
    for (number, regex) in expressions.iter().enumerate() {
        let bytes = regex.pattern().first_bytes()?;
        for (place, _) in table.iter_mut().zip(bytes).filter(|(_, may)| *may) {
            *place = place.union(Candidates::one(number));
        }
    }
    Some(table)
}
