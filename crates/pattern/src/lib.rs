//! A failregex in the Python dialect with tags → a matcher.
//!
//! In: an expression as an administrator writes it, `<HOST>` and its kin included.
//! Out: a compiled matcher that finds the same groups at the same places as Python's `re` would.
//!
//! Invariant: the time that matching takes is bounded, whatever the text.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod ast;
mod automaton;
mod backtrack;
mod begin;
mod charset;
mod error;
mod gate;
mod limits;
mod literals;
mod names;
mod parse;
mod pattern;
mod program;
mod several;
mod simplify;
mod tagged;
mod tags;
mod tokens;
mod unicode;
mod unicode_tables;

pub use error::{PatternError, StepLimit};
pub use gate::{Candidates, Gate};
pub use limits::STEPS;
pub use literals::Literals;
pub use pattern::{Captures, Options, Pattern};
pub use several::{Several, Told};
pub use tags::{TagOptions, expand_tags};
