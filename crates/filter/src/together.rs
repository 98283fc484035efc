//! The failregexes that could match in a text, searched as one.
//!
//! In: which could, and the text. Out: the first that does, where that can be told at once.
//!
//! Invariant: what was put together is of the expressions that are set; whoever changes them makes all this anew.

use std::sync::Arc;

use stockade_pattern::{Candidates, Captures, Several};

use crate::Regex;

/// How many expressions are put together at most: the more there are, the sooner their automaton becomes too large.
const MOST_EXPRESSIONS: usize = 16;
/// How many choices of them are kept. Which could match is told by the first byte of a text, of which few are usual.
const MOST_CHOICES: usize = 32;

/// Choices of the failregexes of a filter, each put together when it is first asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Together(Vec<(Candidates, Option<Several>)>);

impl Together {
    /// Which of the candidates among `expressions` is the first that matches in `text`, and where its groups are; `None`
    /// inside where none does, and outside where they have to be tried one after the other.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether that could be told"
    )]
    pub(crate) fn search(
        &mut self,
        candidates: Candidates,
        expressions: &[Arc<Regex>],
        text: &str,
        captures: &mut Captures,
    ) -> Option<Option<usize>> {
        let at = match self.0.iter().position(|(known, _)| *known == candidates) {
            Some(at) => at,
            None if self.0.len() < MOST_CHOICES => {
                self.0.push((candidates, of(candidates, expressions)));
                self.0.len() - 1
            }
            None => return None,
        };
        let (_, several) = self.0.get_mut(at)?;
        match several.as_mut()?.captures_into(text, captures)? {
            Some(found) => numbers(candidates, expressions).nth(found).map(Some),
            None => Some(None),
        }
    }
}

/// The candidates put together, where there are several and that can be done.
fn of(candidates: Candidates, expressions: &[Arc<Regex>]) -> Option<Several> {
    let count = numbers(candidates, expressions).count();
    let patterns = numbers(candidates, expressions).filter_map(|number| expressions.get(number));
    (2..=MOST_EXPRESSIONS)
        .contains(&count)
        .then(|| Several::new(patterns.map(|regex| regex.pattern())))?
}

/// The numbers of the candidates.
fn numbers(candidates: Candidates, expressions: &[Arc<Regex>]) -> impl Iterator<Item = usize> {
    let first = candidates.next(0);
    let numbers = std::iter::successors(first, move |number| candidates.next(number + 1));
    let count = expressions.len();
    numbers.take_while(move |number| *number < count)
}
