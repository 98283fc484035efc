//! Several expressions searched as one: the first of them that matches, and where its groups are.
//!
//! In: expressions that begin where the text does, in their order; a text, of which ASCII is read. Out: what trying one
//! after the other would find, in one look at each byte; or nothing, and then they are tried one after the other.
//!
//! Invariant: the outcome is that of the first expression of which [`Pattern::captures_into`] finds a match.

use std::sync::Arc;

use crate::pattern::{Captures, Pattern};
use crate::program::{Address, Program};
use crate::tagged::Tagged;

/// Several expressions searched as one.
#[derive(Clone, Debug)]
pub struct Several {
    program: Arc<Program>,
    /// Where the matches of each expression end, and how many slots it has.
    ends: Vec<(Address, usize)>,
    tagged: Tagged,
}

impl Several {
    /// Puts expressions together; nothing where one of them is not for an automaton.
    #[must_use]
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a Pattern>) -> Option<Self> {
        let programs: Option<Vec<&Program>> = patterns
            .into_iter()
            .map(|pattern| pattern.program().ok())
            .collect();
        let programs = programs?;
        let (program, ends) = Program::alternatives(&programs)?;
        let slots = programs.iter().map(|program| program.slots);
        Some(Self {
            program: Arc::new(program),
            ends: ends.into_iter().zip(slots).collect(),
            tagged: Tagged::default(),
        })
    }

    /// Which expression is the first that matches in `text`, from 0, and where its groups are; `None` inside where none
    /// does, and outside where that cannot be told this way.
    pub fn captures_into(&mut self, text: &str, captures: &mut Captures) -> Option<Option<usize>> {
        if self.program.excludes(text.as_bytes()) {
            return Some(None);
        }
        let slots = captures.slots_mut();
        if !self.tagged.search(&self.program, text.as_bytes(), slots)? {
            return Some(None);
        }
        let end = self.tagged.end();
        let found = self.ends.iter().position(|(known, _)| *known == end)?;
        let (_, count) = self.ends.get(found)?;
        slots.truncate(*count);
        Some(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Captures, Options, Pattern, Several};

    #[test]
    fn the_first_that_matches_is_told() {
        let sources = ["^ab(a)?c$", "^ab(.*)d$", "^ab(?P<x>y)?(?(x)f|e)$", "^ab(b|c)d$"];
        let patterns = sources.map(|source| Pattern::compile(source, Options::default()).unwrap());
        let mut several = Several::new(&patterns).expect("they are for an automaton");
        let mut captures = Captures::default();
        for _ in 0..3 {
            for (text, expected, group) in [
                ("abac\n", Some(0), Some(2..3)),
                ("abc", Some(0), None),
                ("abcd", Some(1), Some(2..3)),
                ("abd\n", Some(1), Some(2..2)),
                ("abe", Some(2), None),
                ("abyf\n", Some(2), Some(2..3)),
                ("abye", None, None),
                ("xxac\n", None, None),
                ("", None, None),
            ] {
                let found = several.captures_into(text, &mut captures);
                assert_eq!(found, Some(expected), "{text:?}");
                if expected.is_some() {
                    assert_eq!(captures.span(1), group, "{text:?}");
                }
            }
        }
        assert_eq!(several.captures_into("abé", &mut captures), None);
    }
}
