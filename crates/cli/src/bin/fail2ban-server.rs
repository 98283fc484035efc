//! `fail2ban-server`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use stockade_cli::compatible::{self, Program};

fn main() -> ExitCode {
    compatible::main(Program::Server, std::env::args_os())
}
