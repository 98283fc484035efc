//! One jail: counts failures, decides bans, says when it next needs to run.
//!
//! In: a candidate per matching line, in the order the lines were read; answers; commands.
//! Out: effects, in the order the daemon is to carry them out.
//! Time: the `now` that the caller passes; nothing in this crate reads a clock.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
