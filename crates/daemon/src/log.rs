//! The daemon's own log: records in the reference's format, to a file, a stream, syslog or the journal.

mod level;

pub use level::{Level, UnknownLevel};
