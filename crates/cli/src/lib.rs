//! The commands: `stockade`, and `fail2ban-server`, `fail2ban-client`, `fail2ban-regex`.
//!
//! In: a command line. Out: what is printed, and an exit status. What a command does is elsewhere: here it is
//! understood, handed on, and its result shown.
#![forbid(unsafe_code)]

pub mod called;
mod check;
pub mod compatible;
pub mod connection;
mod explain;
pub mod files;
mod interactive;
mod json;
pub mod options;
pub mod reference;
pub mod regex;
pub mod run;
mod session;
mod signals;
mod start;
pub mod stockade;
pub mod terminal;
mod test;
pub mod usage;
pub mod words;
