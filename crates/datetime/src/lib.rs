//! Dates of log lines → when they were written; durations as administrators write them → seconds.
//!
//! In: a line and the state of its log's [`Detector`]; the current time and zone come from the caller.
//! Out: a [`Timestamp`] and the part of the line that is its date.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

#[cfg(test)]
mod agreement;
mod chars;
mod civil;
mod clock;
mod clocks;
mod defaults;
mod detector;
pub mod duration;
mod fields;
mod layout;
mod number;
mod quick;
mod rfc3339;
mod shared;
mod swift;
mod template;
mod timestamp;
mod token;
mod zone;

pub use clock::Clock;
pub use detector::{Detector, Found, Report, TemplateUse};
pub use layout::DatePatternError;
pub use number::Number;
pub use rfc3339::rfc3339;
pub use timestamp::Timestamp;
pub use zone::{Offset, ZoneError};
