//! `fail2ban-regex`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    stockade_cli::terminal::complain("fail2ban-regex: this build cannot try patterns on a log");
    ExitCode::from(255)
}
