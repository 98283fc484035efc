//! The loop and its edges: sources, runners, store, control socket, log.
#![forbid(unsafe_code)]

pub mod control;
pub mod firewall;
pub mod instance;
pub mod log;
pub mod resolver;
pub mod runner;
mod shell;
pub mod source;
pub mod store;
