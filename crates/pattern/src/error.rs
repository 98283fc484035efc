//! What can be wrong with an expression, in the words of Python's `re.error`, and with a search.

use std::fmt;

/// An expression that is not one.
///
/// Displays as Python's `re.error` does, which is what the reference logs:
/// `missing ), unterminated subpattern at position 3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    message: String,
    place: Option<Place>,
}

/// Where in an expression an error is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    byte: usize,
    character: usize,
    /// Line and column from 1, for an expression of several lines.
    line_and_column: Option<(usize, usize)>,
}

impl PatternError {
    /// An error at the byte offset `at` of `source`.
    pub(crate) fn at(message: impl Into<String>, source: &str, at: usize) -> Self {
        let before = source.get(..at).unwrap_or(source);
        let character = before.chars().count();
        let line_and_column = source.contains('\n').then(|| {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            (line, column)
        });
        Self {
            message: message.into(),
            place: Some(Place {
                byte: before.len(),
                character,
                line_and_column,
            }),
        }
    }

    /// An error of the expression as a whole.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
        }
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The byte offset of the error in the expression, if it has one place.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.byte)
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let Some(place) = &self.place else { return Ok(()) };
        write!(f, " at position {}", place.character)?;
        match place.line_and_column {
            Some((line, column)) => write!(f, " (line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PatternError {}

/// A search that was given up because it would have taken too many steps.
///
/// Only an expression that no automaton can express (look-around, back-references, conditionals) on a
/// text made to exploit it gets here. The line counts as not matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gave up: matching takes too many steps")]
pub struct StepLimit;
