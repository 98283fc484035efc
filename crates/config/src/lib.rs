//! Files → sections with positions → options with provenance → the commands that make the daemon so.
//!
//! Nothing here opens a file: the caller passes [`Files`] to read from.
//!
//! In: a base directory, the files below it, and what the command line overrides. Out: the list of commands that
//! `-d` prints and the daemon executes, each with the place it comes from, and what there is to log about it.
//!
//! Invariant: the list, the records and the errors are those of the reference; whatever the files say, reading ends
//! within the limits of `budget`.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod action;
mod available;
mod budget;
mod decode;
mod dump;
mod error;
mod evaluate;
mod explain;
mod files;
mod filter;
mod glob;
mod inspect;
mod interpolate;
mod jail;
mod layers;
mod log;
mod model;
mod options;
mod ordered;
mod origin;
mod parse;
mod reader;
mod server;
mod span;
mod stencil;
mod steps;
mod suggest;
mod tags;
mod text;
mod trial;
mod vocabulary;
mod words;

pub use available::{Available, Switch};
pub use error::Error;
pub use explain::{Explained, Explanation, Owner, Passage, Replaced};
pub use files::{Content, Files, Kind};
pub use inspect::{
    InspectedAction, InspectedFilter, InspectedJail, InspectedLog, Inspection, Merged, Mistake, Part,
    SourceFile, SourceSection, Text, inspect,
};
pub use interpolate::HOLE;
pub(crate) use log::Log;
pub use log::{Level, Record};
pub use parse::Written;
pub use reader::{Mode, Outcome, Reader, Stream};
pub use server::{EarlySettings, Overrides, is_level};
pub use span::{Located, Span};
pub use steps::Step;
pub use suggest::nearest;
pub use trial::{NO_JAIL, Trial, TrialError};
pub use vocabulary::{
    CACHE_PARAMETERS, Entry, FALSE, Fallback, Group, INCLUDES, LEVELS, TARGETS, TRUE, ValueKind, Vocabulary,
};
