//! Files → sections with positions → options with provenance → the commands that make the daemon so.
//!
//! Nothing here opens a file: the caller passes a [`Files`] to read from.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
