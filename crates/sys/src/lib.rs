//! The few system interfaces that the standard library lacks, behind a safe face.
//!
//! In: file descriptors, paths and plain values. Out: owned structures and [`std::io::Error`]s.
//!
//! Invariant: nothing here decides anything; it says what the kernel said.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod arena;
pub mod established;
pub mod inherited;
pub mod inotify;
pub mod ipset;
mod line_feeds;
mod netlink;
pub mod nftables;
pub mod poller;
pub mod signals;
pub mod timer;
pub mod waker;

pub use arena::Arena;
pub use established::Established;
pub use inotify::{Inotify, ReadFlags, Watch, WatchFlags};
pub use line_feeds::line_feeds;
pub use poller::{Interest, Poller, Ready, Token};
pub use signals::{Signal, Signals};
pub use timer::{Fired, Timer};
pub use waker::Waker;
