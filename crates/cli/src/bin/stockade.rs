//! `stockade`, and by their names the others.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use stockade_sys::Arena;

#[global_allocator]
static MEMORY: Arena = Arena;

fn main() -> ExitCode {
    stockade_cli::called::main(std::env::args_os())
}
