//! The loop and its edges: sources, runners, store, control socket, log.
//!
//! In: the commands of a configuration, and whatever happens on the machine. Out: bans.
//!
//! Invariant: one thread owns all jails and decides everything, one thing after another.
#![forbid(unsafe_code)]

pub mod accounts;
mod activation;
pub mod admission;
pub mod agenda;
mod announcements;
mod backend;
pub mod blueprint;
mod cell;
pub mod control;
pub mod cutting;
pub mod firewall;
mod following;
pub mod growth;
pub mod helper;
mod http;
pub mod instance;
pub mod jails;
pub mod judge;
pub mod keeping;
mod ledger;
mod leisure;
mod letter;
pub mod limits;
pub mod log;
pub mod machine;
pub mod manager;
mod methods;
mod origins;
mod outside;
pub mod patterns;
pub mod places;
mod post;
mod reload;
pub mod resolver;
pub mod reverse;
mod rights;
pub mod runner;
pub mod server;
mod shell;
mod smtp;
pub mod source;
pub mod start;
mod status;
pub mod store;
mod told;
pub mod turns;
mod wire;
pub mod world;
mod xtables;
pub mod zone;

pub use start::{Start, StartError, run};

/// The version of the reference whose behaviour, commands and files these are.
pub const VERSION: &str = "1.1.1";
/// What the log calls the daemon; log watchers look for it.
pub const PRODUCT: &str = "Fail2ban v1.1.1";
