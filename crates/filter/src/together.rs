//! The expressions of a filter, searched as one.
//!
//! In: the text of a line. Out: whether one of the failregexes matches in what the prefregex leaves of it, and which is
//! the first that does, where that can be told at once.
//!
//! Invariant: what was put together is of the expressions that are set; whoever changes them makes all this anew.

use std::sync::Arc;

use stockade_pattern::{Candidates, Captures, Several, Told};

use crate::Regex;

/// How many failregexes that could match in a text are put together at most: the more there are, the sooner their
/// automaton becomes too large.
const MOST_EXPRESSIONS: usize = 16;
/// How many choices of them are kept. Which could match is told by the first byte of a text, of which few are usual.
const MOST_CHOICES: usize = 32;

/// The expressions of a filter, put together when they are first asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Together {
    /// The prefregex and all failregexes, where they can be put together.
    all: Option<Option<Several>>,
    /// Choices of the failregexes.
    choices: Vec<(Candidates, Option<Several>)>,
}

/// Where the groups of the last matches are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matches {
    /// Those of the prefregex, in the text.
    pub(crate) prefix: Captures,
    /// Those of the failregex, in what the prefregex has left of the text.
    pub(crate) captures: Captures,
}

impl Together {
    /// All expressions as one; nothing where they cannot be put together.
    #[inline]
    pub(crate) fn all(
        &mut self,
        prefregex: Option<&Arc<Regex>>,
        failregexes: &[Arc<Regex>],
    ) -> Option<&mut Several> {
        let all = self.all.get_or_insert_with(|| {
            let prefix = match prefregex {
                None => None,
                Some(regex) => Some((regex.pattern(), regex.content_group()?)),
            };
            Several::new(prefix, failregexes.iter().map(|regex| regex.pattern()))
        });
        all.as_mut()
    }

    /// Which of the candidates among `failregexes` is the first that matches in `text`, and where its groups are.
    pub(crate) fn search(
        &mut self,
        candidates: Candidates,
        failregexes: &[Arc<Regex>],
        text: &str,
        matches: &mut Matches,
    ) -> Told {
        let known = self.choices.iter().position(|(known, _)| *known == candidates);
        let at = match known {
            Some(at) => at,
            None if self.choices.len() < MOST_CHOICES => {
                self.choices.push((candidates, of(candidates, failregexes)));
                self.choices.len() - 1
            }
            None => return Told::Unknown,
        };
        let Some((_, Some(several))) = self.choices.get_mut(at) else {
            return Told::Unknown;
        };
        let Matches { prefix, captures } = matches;
        match several.search(text.as_bytes(), prefix, captures) {
            Told::First(found) => numbers(candidates, failregexes)
                .nth(found)
                .map_or(Told::Unknown, Told::First),
            told @ (Told::Nothing | Told::Unknown) => told,
        }
    }
}

/// The candidates put together, where there are several and that can be done.
fn of(candidates: Candidates, failregexes: &[Arc<Regex>]) -> Option<Several> {
    let count = numbers(candidates, failregexes).count();
    let patterns = numbers(candidates, failregexes).filter_map(|number| failregexes.get(number));
    (2..=MOST_EXPRESSIONS)
        .contains(&count)
        .then(|| Several::new(None, patterns.map(|regex| regex.pattern())))?
}

/// The numbers of the candidates.
fn numbers(candidates: Candidates, failregexes: &[Arc<Regex>]) -> impl Iterator<Item = usize> {
    let first = candidates.next(0);
    let numbers = std::iter::successors(first, move |number| candidates.next(number + 1));
    let count = failregexes.len();
    numbers.take_while(move |number| *number < count)
}
