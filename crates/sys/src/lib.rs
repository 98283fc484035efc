//! The few system interfaces that the standard library lacks, behind a safe face.
//!
//! In: file descriptors, paths and plain values. Out: owned structures and [`std::io::Error`]s.
//!
//! Invariant: nothing here decides anything; it says what the kernel said.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod arena;
pub mod children;
pub mod confinement;
pub mod credentials;
pub mod established;
pub mod inherited;
pub mod inotify;
pub mod ipset;
pub mod libraries;
mod line_feeds;
pub mod mounts;
mod netlink;
pub mod nftables;
pub mod peer;
pub mod poller;
pub mod signals;
pub mod sockets;
pub mod spare;
pub mod timer;
pub mod waker;

pub use arena::Arena;
pub use children::end_with_us;
pub use confinement::{Access, Bounds, Capabilities, Capability, Confinement, confine};
pub use credentials::{Received, Sender, receive_with_sender};
pub use established::Established;
pub use inotify::{Inotify, ReadFlags, Watch, WatchFlags};
pub use line_feeds::line_feeds;
pub use mounts::Mounts;
pub use poller::{Interest, Poller, Ready, Token};
pub use signals::{Signal, Signals};
pub use sockets::dropped_datagrams;
pub use spare::Spare;
pub use timer::{Fired, Timer};
pub use waker::Waker;
