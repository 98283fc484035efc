//! Dates of log lines → when they were written; durations as administrators write them → seconds.
//!
//! In: a line and the state of its log's [`Detector`]; the current time and zone come from the caller.
//! Out: a [`Timestamp`] and the part of the line that is its date.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod chars;
pub mod duration;
mod number;
mod timestamp;
mod zone;

pub use number::Number;
pub use timestamp::Timestamp;
pub use zone::{Offset, ZoneError};
