//! `fail2ban-client`.
#![forbid(unsafe_code)]

fn main() {}
