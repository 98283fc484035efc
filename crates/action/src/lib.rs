//! A ticket and an action → what must be done for it, in order: commands, or one batch for the firewall.
//!
//! In: the properties of an action and the facts of a ban. Out: scripts for a shell, or plain data for the
//! firewall.
//!
//! Invariant: nothing that came from a log is ever part of a command's text.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod bygone;
pub mod command;
pub mod facts;
mod fingerprints;
pub mod iptables;
pub mod message;
pub mod native;
pub mod nftables;
pub mod plan;
pub mod services;
pub mod smtp_py;
pub mod tags;
