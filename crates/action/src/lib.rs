//! A ticket and an action → what must be done for it, in order: commands, or one nftables batch.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
