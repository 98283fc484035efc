//! An expression, ready to search texts.
//!
//! In: an expression with its tags expanded. Out: a [`Pattern`] that finds in any text the same match,
//! with the same groups at the same places, as Python's `re.search`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex_automata::util::pool::Pool;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Input, meta};

use crate::ast::{Ast, Group};
use crate::automaton::{self, Groups, Needs, Texts};
use crate::backtrack::{self, NOWHERE, Scratch};
use crate::begin;
use crate::error::{PatternError, StepLimit};
use crate::limits;
use crate::literals::Literals;
use crate::parse::parse;
use crate::program::{self, Program};
use crate::simplify::simplify;

/// How an expression is compiled, apart from what it says itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `^` and `$` hold at every line, as for the failregexes of a filter with `maxlines` above 1.
    pub multiline: bool,
    /// Case does not matter, as for date patterns with names of months.
    pub ignore_case: bool,
}

/// A compiled expression.
///
/// ```
/// use stockade_pattern::{Options, Pattern, TagOptions, expand_tags};
///
/// let expanded = expand_tags("^Failed .* from <HOST>$", &TagOptions { dns: true });
/// let pattern = Pattern::compile(&expanded, Options::default())?;
/// let text = "Failed password from 192.0.2.1\n";
/// let captures = pattern.captures(text)?.expect("it matches");
/// assert_eq!(captures.name("ip4").map(|span| &text[span]), Some("192.0.2.1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pattern {
    source: String,
    options: Options,
    names: Arc<Names>,
    ast: Ast,
    needs: Needs,
    /// Made when they are first needed; `None` inside if they would be too large.
    ascii: OnceLock<Option<meta::Regex>>,
    any: OnceLock<Option<meta::Regex>>,
    program: OnceLock<Option<Program>>,
    literals: OnceLock<Option<Literals>>,
    scratch: Pool<Scratch, fn() -> Scratch>,
}

impl Pattern {
    /// Compiles an expression in Python's dialect.
    ///
    /// # Errors
    ///
    /// What Python's `re.compile` would report, in its words; and expressions past the limits of size.
    pub fn compile(expanded: &str, options: Options) -> Result<Self, PatternError> {
        let mut ast = parse(expanded, options.multiline, options.ignore_case)?;
        simplify(&mut ast.root);
        program::check_size(&ast)?;
        Ok(Self {
            source: expanded.to_owned(),
            options,
            names: Arc::new(Names::new(&ast)),
            needs: Needs::of(&ast.root),
            ast,
            ascii: OnceLock::new(),
            any: OnceLock::new(),
            program: OnceLock::new(),
            literals: OnceLock::new(),
            scratch: Pool::new(Scratch::default),
        })
    }

    /// The expression as it was compiled.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it was compiled with.
    #[must_use]
    pub fn options(&self) -> Options {
        self.options
    }

    /// The named groups in order of their numbers.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.names.ordered.iter().map(|(name, _)| name.as_str())
    }

    /// Whether there is a group of this name.
    #[must_use]
    pub fn has_group(&self, name: &str) -> bool {
        self.names.numbers.contains_key(name)
    }

    /// The number of a named group; the first group is number 1.
    #[must_use]
    pub fn group_number(&self, name: &str) -> Option<usize> {
        self.names.numbers.get(name).copied()
    }

    /// How many capturing groups there are, named or not.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.names.count
    }

    /// Whether the expression is regular, so that every text is matched in linear time.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        !self.needs.backtracking
    }

    /// Texts one of which stands in every text that the expression matches, for a [`Gate`](crate::Gate).
    #[must_use]
    pub fn literals(&self) -> Option<&Literals> {
        self.literals
            .get_or_init(|| Literals::of(&self.ast.root))
            .as_ref()
    }

    /// For each byte whether a text with a match can begin with it; nothing where a match can begin anywhere, or be
    /// empty.
    #[must_use]
    pub fn first_bytes(&self) -> Option<[bool; 256]> {
        let heads = begin::heads_of(&self.ast.root).filter(|_| self.is_anchored())?;
        let mut bytes = [false; 256];
        for (byte, place) in (0..=u8::MAX).zip(&mut bytes) {
            *place = heads.contains(byte);
        }
        Some(bytes)
    }

    /// Whether every match begins where the text does.
    #[must_use]
    pub fn is_anchored(&self) -> bool {
        program::is_anchored(&self.ast.root)
    }

    /// Whether the expression matches somewhere in `text`.
    ///
    /// # Errors
    ///
    /// [`StepLimit`] when that cannot be told with bounded effort.
    pub fn is_match(&self, text: &str) -> Result<bool, StepLimit> {
        self.search(text, 0, |_| ()).map(|found| found.is_some())
    }

    /// How many steps the search of [`Self::is_match`] took, where it got that far: what it costs, whatever the
    /// machine. What an automaton does is linear in the text and not counted.
    ///
    /// # Errors
    ///
    /// [`StepLimit`] when the steps did not suffice.
    pub fn steps(&self, text: &str) -> Result<u64, StepLimit> {
        self.search(text, 0, |_| ())?;
        Ok(self.scratch.get().steps())
    }

    /// Where the leftmost match from the byte offset `start` on is. See [`Self::captures_at`].
    ///
    /// # Errors
    ///
    /// [`StepLimit`] when that cannot be told with bounded effort.
    pub fn find_at(&self, text: &str, start: usize) -> Result<Option<Range<usize>>, StepLimit> {
        let found = self.search(text, start, |slots| span_of(slots, 0))?;
        Ok(found.flatten())
    }

    /// The groups of the leftmost match in `text`.
    ///
    /// # Errors
    ///
    /// [`StepLimit`] when that cannot be told with bounded effort.
    pub fn captures(&self, text: &str) -> Result<Option<Captures>, StepLimit> {
        self.captures_at(text, 0)
    }

    /// The groups of the leftmost match that begins at the byte offset `start` or later.
    ///
    /// What stands before `start` is context: `^` does not hold at `start` (unless after a line feed in
    /// multi-line mode), `\b` and look-behinds see the character before it. The end of `text` is its end
    /// for `$`, `\Z` and look-aheads; to search up to an earlier end, pass a shorter `text`.
    ///
    /// # Errors
    ///
    /// [`StepLimit`] when that cannot be told with bounded effort.
    pub fn captures_at(&self, text: &str, start: usize) -> Result<Option<Captures>, StepLimit> {
        self.search(text, start, |slots| Captures {
            slots: slots.to_vec(),
            names: Some(Arc::clone(&self.names)),
        })
    }

    /// As [`Self::captures`], into `captures`, whose room is used again; whether there is a match.
    ///
    /// The groups can be asked for by their numbers alone then: this is what every line of a log comes by.
    ///
    /// # Errors
    ///
    /// [`StepLimit`] when that cannot be told with bounded effort.
    pub fn captures_into(&self, text: &str, captures: &mut Captures) -> Result<bool, StepLimit> {
        let slots = captures.slots_mut();
        let program = self.program()?;
        if program.excludes(text.as_bytes()) {
            return Ok(false);
        }
        let mut scratch = self.scratch.get();
        if program.tagged
            && let Some(matched) = scratch.search_tagged(program, text.as_bytes(), slots)
        {
            return Ok(matched);
        }
        let found = self.search_by_steps(program, &mut scratch, text, 0, |found| {
            slots.clear();
            slots.extend_from_slice(found);
        })?;
        Ok(found.is_some())
    }

    fn search<T>(
        &self,
        text: &str,
        start: usize,
        found: impl FnOnce(&[usize]) -> T,
    ) -> Result<Option<T>, StepLimit> {
        if !text.is_char_boundary(start) {
            return Ok(None);
        }
        let program = self.program()?;
        if program.excludes(text.as_bytes()) {
            return Ok(None);
        }
        let mut scratch = self.scratch.get();
        let mut slots = Vec::new();
        if program.tagged
            && start == 0
            && let Some(matched) = scratch.search_tagged(program, text.as_bytes(), &mut slots)
        {
            return Ok(matched.then(|| found(&slots)));
        }
        self.search_by_steps(program, &mut scratch, text, start, found)
    }

    pub(crate) fn program(&self) -> Result<&Program, StepLimit> {
        let program = self.program.get_or_init(|| program::compile(&self.ast).ok());
        // Its size was checked, so there is one.
        program.as_ref().ok_or(StepLimit)
    }

    /// As [`Self::search`], where no automaton with groups can tell.
    fn search_by_steps<T>(
        &self,
        program: &Program,
        scratch: &mut Scratch,
        text: &str,
        start: usize,
        found: impl FnOnce(&[usize]) -> T,
    ) -> Result<Option<T>, StepLimit> {
        if program.anchored {
            // Where there is only one place to begin, few steps tell nearly always.
            let first_look = backtrack::search(program, scratch, text, start, limits::FIRST_LOOK);
            if let Ok(matched) = first_look {
                return Ok(matched.then(|| found(scratch.slots())));
            }
        }
        let (automaton, exact) = self.automaton_for(text);
        let input = Input::new(text).range(start..);
        let near = match automaton {
            None => start,
            Some(automaton) if program.anchored => {
                if !automaton.is_match(input.clone()) {
                    return Ok(None);
                }
                start
            }
            // No match of the expression begins before one of its approximation.
            Some(automaton) => match automaton.search(&input) {
                Some(near) => near.start(),
                None => return Ok(None),
            },
        };
        match backtrack::search(program, scratch, text, near, limits::STEPS) {
            Ok(matched) => Ok(matched.then(|| found(scratch.slots()))),
            Err(StepLimit) if exact => Ok(self.without_backtracking(&input).map(|slots| found(&slots))),
            Err(StepLimit) => Err(StepLimit),
        }
    }

    /// The groups of an exactly regular expression in a text that is too much for a backtracking search.
    ///
    /// This is slower by an order of magnitude, but linear in the text without any memory of it.
    fn without_backtracking(&self, input: &Input<'_>) -> Option<Vec<usize>> {
        let texts = if input.haystack().is_ascii() {
            Texts::Ascii
        } else {
            Texts::Any
        };
        let automaton = automaton::build(&self.ast.root, texts, Groups::Captured)?;
        let mut slots: Vec<Option<NonMaxUsize>> = vec![None; 2 * (self.names.count + 1)];
        automaton.search_slots(input, &mut slots)?;
        Some(
            slots
                .into_iter()
                .map(|slot| slot.map_or(NOWHERE, NonMaxUsize::get))
                .collect(),
        )
    }

    /// The automaton for a text, if there is one, and whether it is exact for this text.
    fn automaton_for(&self, text: &str) -> (Option<&meta::Regex>, bool) {
        let is_ascii = text.is_ascii();
        let (made, texts) = if is_ascii {
            (&self.ascii, Texts::Ascii)
        } else {
            (&self.any, Texts::Any)
        };
        let automaton = made.get_or_init(|| automaton::build(&self.ast.root, texts, Groups::Plain));
        let exact = self.is_regular()
            && (is_ascii || !self.needs.ascii)
            && (!self.needs.single_line || is_single_line(text.as_bytes()))
            // Python finds neither `\b` nor `\B` in an empty text.
            && !(self.needs.ascii && text.is_empty());
        (automaton.as_ref(), exact)
    }
}

/// Whether only the last byte is a line feed, if any is.
fn is_single_line(text: &[u8]) -> bool {
    memchr::memchr(b'\n', text).is_none_or(|at| at + 1 == text.len())
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pattern")
            .field("source", &self.source)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Where the groups of a match are, as byte offsets into its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures {
    /// Two positions a group.
    slots: Vec<usize>,
    /// Nothing before the first match.
    names: Option<Arc<Names>>,
}

impl Captures {
    /// Where a search writes where the groups are, which can be asked for by their numbers alone then.
    pub(crate) fn slots_mut(&mut self) -> &mut Vec<usize> {
        self.names = None;
        &mut self.slots
    }

    /// Where the whole match is.
    #[must_use]
    pub fn whole(&self) -> Range<usize> {
        self.span(0).unwrap_or(0..0)
    }

    /// Where group `number` is, if it took part; group 0 is the whole match.
    #[must_use]
    pub fn span(&self, number: usize) -> Option<Range<usize>> {
        span_of(&self.slots, number)
    }

    /// Where a named group is, if there is one and it took part.
    #[must_use]
    pub fn name(&self, name: &str) -> Option<Range<usize>> {
        self.span(*self.names.as_ref()?.numbers.get(name)?)
    }

    /// The named groups in order of their numbers, those that took no part included.
    pub fn named(&self) -> impl Iterator<Item = (&str, Option<Range<usize>>)> {
        let names = self.names.iter().flat_map(|names| names.ordered.iter());
        names.map(|(name, number)| (name.as_str(), self.span(*number)))
    }
}

fn span_of(slots: &[usize], group: usize) -> Option<Range<usize>> {
    let slot = group.checked_mul(2)?;
    let (start, end) = (*slots.get(slot)?, *slots.get(slot + 1)?);
    (start != NOWHERE && end != NOWHERE).then_some(start..end)
}

/// The names of the groups of an expression.
#[derive(Debug, PartialEq, Eq)]
struct Names {
    ordered: Vec<(String, usize)>,
    numbers: BTreeMap<String, usize>,
    count: usize,
}

impl Names {
    fn new(ast: &Ast) -> Self {
        let named = |(at, group): (usize, &Group)| Some((group.name.clone()?, at + 1));
        let ordered: Vec<(String, usize)> = ast.groups.iter().enumerate().filter_map(named).collect();
        Self {
            numbers: ordered.iter().cloned().collect(),
            ordered,
            count: ast.groups.len(),
        }
    }
}
