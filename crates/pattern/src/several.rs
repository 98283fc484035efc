//! Several expressions searched as one: the first of them that matches, and where its groups are.
//!
//! In: expressions that begin where the text does, in their order, and perhaps one that says in what part of a line they
//! are searched; a line, of which ASCII is read. Out: what trying one after the other would find, in one look at each
//! byte; or nothing, and then they are tried one after the other.
//!
//! Invariant: the outcome is that of the first expression of which [`Pattern::captures_into`] finds a match.

use std::ops::Range;
use std::sync::Arc;

use crate::backtrack::NOWHERE;
use crate::pattern::{Captures, Pattern};
use crate::program::Program;
use crate::tagged::Tagged;

/// Several expressions searched as one.
#[derive(Clone, Debug)]
pub struct Several {
    program: Arc<Program>,
    /// How many slots each expression has, in their order.
    slots: Vec<usize>,
    /// The group of the expression before them that they are searched in, where there is one.
    part: Option<usize>,
    tagged: Tagged,
    /// The last match.
    found: Found,
}

/// A match of one of several expressions.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// How many slots its expression has.
    slots: usize,
    /// Where the line ends that it is in, without its LF.
    end: usize,
}

/// What a search for several expressions tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// None of them matches.
    Nothing,
    /// The first that matches is that of this number, from 0.
    First(usize),
    /// It cannot be told this way.
    Unknown,
}

impl Several {
    /// Puts expressions together; nothing where one of them is not for an automaton.
    ///
    /// Where `prefix` has an expression and the number of a group, the others are searched in what that group takes of
    /// a line, with a LF behind it. It has to take at least one character, and all that is left.
    #[must_use]
    pub fn new<'a>(
        prefix: Option<(&Pattern, usize)>,
        patterns: impl IntoIterator<Item = &'a Pattern>,
    ) -> Option<Self> {
        let programs: Option<Vec<&Program>> = patterns
            .into_iter()
            .map(|pattern| pattern.program().ok())
            .collect();
        let programs = programs?;
        let mut program = Program::alternatives(&programs)?;
        if let Some((prefix, group)) = prefix {
            program = program.behind(prefix.program().ok()?, group)?;
        }
        Some(Self {
            slots: programs.iter().map(|program| program.slots).collect(),
            program: Arc::new(program),
            part: prefix.map(|(_, group)| group),
            tagged: Tagged::default(),
            found: Found::default(),
        })
    }

    /// Which expression is the first that matches in a line, which has a LF at its end and nowhere else. Then `captures` has where
    /// its groups are in what it was searched in, and `prefix` where those of the expression before them are in the line.
    ///
    /// Nothing is said of bytes that were not looked at: what is not ASCII may stand behind what tells.
    pub fn search(&mut self, line: &[u8], prefix: &mut Captures, captures: &mut Captures) -> Told {
        let told = self.tell(line);
        if let Told::First(_) = told {
            self.read(prefix, captures);
        }
        told
    }

    /// As [`Self::search`], for whom it may be enough to know which expression it is. Its groups can be asked for until
    /// the next search.
    #[inline]
    pub fn tell(&mut self, line: &[u8]) -> Told {
        match self.tagged.search(&self.program, line) {
            None => Told::Unknown,
            Some(false) => Told::Nothing,
            Some(true) => self.told(line.len()),
        }
    }

    fn told(&mut self, length: usize) -> Told {
        let number = self.tagged.end();
        let (Some(slots), Some(end)) = (self.slots.get(number), length.checked_sub(1)) else {
            return Told::Unknown;
        };
        self.found = Found { slots: *slots, end };
        Told::First(number)
    }

    /// Writes down where the groups of the last match are; see [`Self::search`].
    pub fn read(&self, prefix: &mut Captures, captures: &mut Captures) {
        let whole = self.program.whole;
        let slots = whole..whole + self.found.slots;
        let captured = captures.slots_mut();
        captured.clear();
        let Some(group) = self.part else {
            self.tagged.read_onto(captured, slots, 0);
            return;
        };
        let begin = self.begin_of_part();
        self.tagged.read_onto(captured, slots, begin);
        let of_prefix = prefix.slots_mut();
        of_prefix.clear();
        self.tagged.read_onto(of_prefix, 0..whole, 0);
        let end = self.found.end;
        for (slot, place) in [(0, 0), (1, end), (2 * group, begin), (2 * group + 1, end)] {
            if let Some(known) = of_prefix.get_mut(slot) {
                *known = place;
            }
        }
    }

    /// Where a group of the last match is in the line, if it took part.
    #[inline]
    #[must_use]
    pub fn span(&self, group: usize) -> Option<Range<usize>> {
        self.span_at(self.program.whole.checked_add(group.checked_mul(2)?)?)
    }

    /// Where a group of the expression before is in the line, if it took part.
    #[inline]
    #[must_use]
    pub fn span_of_prefix(&self, group: usize) -> Option<Range<usize>> {
        // The expression takes the line to its end, and so does the part.
        if group == 0 || Some(group) == self.part {
            let begin = if group == 0 { 0 } else { self.begin_of_part() };
            return Some(begin..self.found.end);
        }
        self.span_at(group.checked_mul(2)?)
    }

    fn span_at(&self, slot: usize) -> Option<Range<usize>> {
        let (start, end) = (self.tagged.place(slot), self.tagged.place(slot.checked_add(1)?));
        (start != NOWHERE && end != NOWHERE).then_some(start..end)
    }

    /// Where the part of the line begins that the expressions are searched in: the first slot behind those of the
    /// expression before has it.
    fn begin_of_part(&self) -> usize {
        self.tagged.place(self.program.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::Told;
    use crate::{Captures, Options, Pattern, Several};

    #[test]
    fn the_first_that_matches_is_told() {
        let sources = ["^ab(a)?c$", "^ab(.*)d$", "^ab(?P<x>y)?(?(x)f|e)$", "^ab(b|c)d$"];
        let patterns = sources.map(|source| Pattern::compile(source, Options::default()).unwrap());
        let mut several = Several::new(None, &patterns).expect("they are for an automaton");
        let mut captures = Captures::default();
        for _ in 0..3 {
            for (text, expected, group) in [
                ("abac\n", Told::First(0), Some(2..3)),
                ("abc", Told::First(0), None),
                ("abcd", Told::First(1), Some(2..3)),
                ("abd\n", Told::First(1), Some(2..2)),
                ("abe", Told::First(2), None),
                ("abyf\n", Told::First(2), Some(2..3)),
                ("abye", Told::Nothing, None),
                ("xxac\n", Told::Nothing, None),
                ("", Told::Nothing, None),
            ] {
                let found = several.search(text.as_bytes(), &mut Captures::default(), &mut captures);
                assert_eq!(found, expected, "{text:?}");
                if expected != Told::Nothing {
                    assert_eq!(captures.span(1), group, "{text:?}");
                    assert_eq!(several.span(1), group, "{text:?}");
                }
            }
        }
        let told = several.search("abé".as_bytes(), &mut Captures::default(), &mut captures);
        assert_eq!(told, Told::Unknown);
    }

    #[test]
    fn what_is_left_of_a_line_is_a_text_of_its_own() {
        let compile = |source| Pattern::compile(source, Options::default()).unwrap();
        let prefix = compile(r"^ (?:(\w+) )?(?:s\[(\d+)\]: )?(.+)$");
        let patterns = ["^a(\\S+)$", "^b|^$", "^c (?:(x)|y)"].map(compile);
        let mut several = Several::new(Some((&prefix, 3)), &patterns).expect("they are for an automaton");
        let (mut before, mut captures) = (Captures::default(), Captures::default());
        for _ in 0..3 {
            for (text, expected, content, group) in [
                (" host s[12]: axy\n", Told::First(0), 13, Some(1..3)),
                (" host axy\n", Told::First(0), 6, Some(1..3)),
                (" axy\n", Told::First(0), 1, Some(1..3)),
                // What would match in a part that comes later in their order does not count.
                (" b s[1]: x\n", Told::Nothing, 0, None),
                (" b s[1]: \n", Told::Nothing, 0, None),
                (" s[1]: b\n", Told::First(1), 7, None),
                (" host s[1]: c xé\n", Told::Unknown, 0, None),
                (" host s[1]: c y\n", Told::First(2), 12, None),
                (" host d\n", Told::Nothing, 0, None),
                (" \n", Told::Nothing, 0, None),
                ("\n", Told::Nothing, 0, None),
            ] {
                let told = several.search(text.as_bytes(), &mut before, &mut captures);
                assert_eq!(told, expected, "{text:?}");
                if let Told::First(_) = expected {
                    assert_eq!(before.span(3), Some(content..text.trim_end().len()), "{text:?}");
                    assert_eq!(captures.span(1), group, "{text:?}");
                    let in_line = group.map(|group| content + group.start..content + group.end);
                    assert_eq!(several.span(1), in_line, "{text:?}");
                    for group in 0..4 {
                        assert_eq!(
                            several.span_of_prefix(group),
                            before.span(group),
                            "{group} in {text:?}"
                        );
                    }
                }
            }
        }
        for other in [
            "^ (.*)$",
            "^ (.+)",
            "^ (?:(.+))?$",
            "^ (\\S+)$",
            "^ (.+?)$",
            " (.+)$",
            "^ (.+)\\Z",
        ] {
            assert!(
                Several::new(Some((&compile(other), 1)), &patterns).is_none(),
                "{other}"
            );
        }
    }
}
