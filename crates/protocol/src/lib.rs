//! Commands and replies, and how they look on the control socket and on the terminal.
//!
//! In: bytes from the socket, or commands from the configuration. Out: typed [`Command`]s, and bytes again;
//! a [`Reply`], and the text that the client prints for it.
//!
//! Invariant: decoding builds plain data and nothing else, whatever the bytes say.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod backend;
pub mod command;
pub mod definition;
mod failure;
pub mod framing;
mod happening;
pub mod pickle;
pub mod places;
mod printable;
mod reply;
mod repr;
mod right;
pub mod text;
mod value;

pub use command::Command;
pub use failure::Failure;
pub use framing::{Frame, Framer};
pub use happening::{Happening, What};
pub use reply::{Answer, Reply, message};
pub use right::Right;
pub use value::Value;
