//! A line → a candidate: prefregex, failregex, ignoreregex, and the memory of earlier lines.
//!
//! In: the lines of a log in their order, and `now`.
//! Out: [`Candidate`]s; whether one counts is the jail's to say.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod address;
mod candidate;

pub use address::{Address, BadMask, Family, Id};
pub use candidate::{Candidate, Captured, Data, MatchedLine};
