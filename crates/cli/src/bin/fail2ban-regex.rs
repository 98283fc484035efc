//! `fail2ban-regex`.
#![forbid(unsafe_code)]

fn main() {}
