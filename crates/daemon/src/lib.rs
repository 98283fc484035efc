//! The loop and its edges: sources, runners, store, control socket, log.
#![forbid(unsafe_code)]
