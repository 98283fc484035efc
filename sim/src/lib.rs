//! The daemon's loop on a simulated clock, disk and firewall.
#![forbid(unsafe_code)]
