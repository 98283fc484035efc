//! `stockade`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    stockade_cli::stockade::main(std::env::args_os())
}
