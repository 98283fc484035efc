//! `fail2ban-regex`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    stockade_cli::regex::main(std::env::args_os())
}
