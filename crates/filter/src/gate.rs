//! The gate of a filter: which lines could matter to it at all, and which of its expressions.
//!
//! In: the expressions of a filter; a block of lines, or the text of one. Out: no, or maybe.
//!
//! Invariant: a line that the gate refuses would have given nothing but its date.

use std::ops::Range;
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

    /// The gates that a line has to pass, each by itself. The prefregex comes first: mostly it asks for the name of a
    /// service, which is found fast and in few lines.
    fn stages(&self) -> [Option<&Gate>; 2] {
        let failregex = self.failregex.as_ref().filter(|_| self.always.is_empty());
        match &self.prefregex {
            Some(prefregex) => [Some(prefregex), failregex],
            None => [failregex, None],
        }
    }

    /// The gate that a text does not pass; nothing where it could match.
    pub(crate) fn refusing(&self, text: &str) -> Option<&Gate> {
        let mut stages = self.stages().into_iter().flatten();
        stages.find(|gate| gate.next(text.as_bytes(), 0).is_none())
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

/// The lines of a block, asked one after the other whether they pass the gate.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    bytes: &'a [u8],
    stages: [Option<&'a Gate>; 2],
    /// Where the next literal of the first stage ends, as far as it was looked for.
    literal: usize,
}

impl<'a> Scan<'a> {
    /// Without gates every line passes.
    pub(crate) fn new(gates: Option<&'a Gates>, bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            stages: gates.map_or([None, None], Gates::stages),
            literal: 0,
        }
    }

    /// How many lines from the first on do not pass, as far as that is known without looking at each.
    #[inline]
    pub(crate) fn refused(&mut self, lines: &[Range<usize>]) -> usize {
        let (Some(gate), Some(first)) = (self.stages[0], lines.first()) else {
            return 0;
        };
        if self.literal <= first.start {
            self.literal = gate.next(self.bytes, first.start).unwrap_or(usize::MAX);
        }
        lines.iter().take_while(|line| line.end < self.literal).count()
    }

    /// The gate that a line does not pass; nothing where it could match.
    #[inline]
    pub(crate) fn refusing(&mut self, line: &Range<usize>) -> Option<&'a Gate> {
        if self.refused(std::slice::from_ref(line)) > 0 {
            return self.stages[0];
        }
        let line = self.bytes.get(line.clone()).unwrap_or_default();
        self.stages[1].filter(|gate| gate.next(line, 0).is_none())
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
