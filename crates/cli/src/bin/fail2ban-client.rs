//! `fail2ban-client`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use stockade_cli::compatible::{self, Program};
use stockade_sys::Arena;

#[global_allocator]
static MEMORY: Arena = Arena;

fn main() -> ExitCode {
    compatible::main(Program::Client, std::env::args_os())
}
