//! A line → a candidate: prefregex, failregex, ignoreregex, and the memory of earlier lines.
//!
//! In: the lines of a log in their order, and `now`.
//! Out: [`Found`] matches, which become [`Candidate`]s; whether one counts is the jail's to say.
//!
//! Invariant: a line gives what it gives by itself, its session and its buffer; nothing else is remembered but when
//! lines were written and which warnings were given.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod address;
mod buffer;
mod candidate;
mod choice;
mod dates;
mod encoding;
mod explain;
mod filter;
mod gate;
mod groups;
mod journal;
mod losses;
mod named;
mod note;
mod regex;
mod sessions;
mod structured;
mod texts;
mod times;
mod together;

pub use address::{Address, BadMask, Family, Id};
pub use buffer::MAX_BUFFER_BYTES;
pub use candidate::{Candidate, Captured, Data, MatchedLine};
pub use choice::UseDns;
pub use encoding::{Encoding, UnknownEncoding};
pub use explain::Step;
pub use filter::{BadMaxLines, Entry, Filter, Found, Lines, MAX_MAXLINES, Mode, Output, Who};
pub use journal::journal_text;
pub use losses::Losses;
pub use note::{Level, Note};
pub use regex::{Regex, RegexError};
pub use sessions::{MAX_LINES, MAX_SESSION_BYTES, MAX_SESSIONS, MAX_USER_BYTES, MAX_USERS, SESSION_SECONDS};
pub use structured::{
    PathError, STRUCTURE_OPTIONS, Structure, StructureError, StructureOptions, Unread, WhenError,
};
pub use texts::Texts;
