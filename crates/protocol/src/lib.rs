//! Commands and replies, and how they look on the control socket.
//!
//! In: bytes from the socket, or commands from the configuration. Out: typed [`Command`]s, and bytes again.
//!
//! Invariant: decoding builds plain data and nothing else, whatever the bytes say.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod command;
mod value;

pub use command::Command;
pub use value::Value;
