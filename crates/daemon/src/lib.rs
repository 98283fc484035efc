//! The loop and its edges: sources, runners, store, control socket, log.
#![forbid(unsafe_code)]

pub mod log;
pub mod store;
