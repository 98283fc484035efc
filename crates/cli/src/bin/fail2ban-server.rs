//! `fail2ban-server`.
#![forbid(unsafe_code)]

fn main() {}
