//! The commands: `stockade`, and `fail2ban-server`, `fail2ban-client`, `fail2ban-regex`.
#![forbid(unsafe_code)]
