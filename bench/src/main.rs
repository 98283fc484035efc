//! What it costs, measured side by side with the reference.
//!
//! In: the name of a measurement. Out: its figures on standard output.
#![forbid(unsafe_code)]

mod clients;
mod config;
mod daemon;
mod filter;
mod firewall;
mod latency;
mod memory;
mod network;
mod reload;
mod rest;
mod restore;
mod soak;

use std::num::ParseIntError;
use std::process::ExitCode;

/// Why a measurement ended early.
type Trouble = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let more: Vec<String> = std::env::args().skip(2).collect();
    let done = match std::env::args().nth(1).as_deref() {
        Some("clients") => clients::run(),
        Some("config") => config::run(),
        Some("filter") => {
            let has = |option: &str| more.iter().any(|word| word == option);
            let only = more.iter().find(|word| !word.starts_with("--"));
            let effort = if has("--once") {
                filter::Effort::Once
            } else {
                filter::Effort::Full
            };
            filter::run(effort, has("--alone"), only.map(String::as_str))
        }
        Some("firewall") => firewall::run(),
        Some("latency") => latency::run(),
        Some("memory") => memory::run(),
        Some("reload") => reload::run(),
        Some("rest") => rest::run(),
        Some("restore") => restore::run(),
        Some("soak") => match soak_length(&more) {
            Ok((minutes, megabytes)) => soak::run(minutes, megabytes),
            Err(_) => Err("how many minutes, and megabytes a second? soak [MINUTES [MEGABYTES]]".into()),
        },
        Some(_) | None => Err(
            "usage: stockade-bench clients|config|firewall|latency|memory|reload|rest|restore|soak [MINUTES [MEGABYTES]]|filter [--alone] [--once] [SCENE]"
                .into(),
        ),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            complain(trouble.as_ref());
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the terminal is where figures go, and troubles too"
)]
fn complain(trouble: &dyn std::error::Error) {
    eprintln!("stockade-bench: {trouble}");
}

/// How many minutes, and megabytes a second where they are given.
fn soak_length(more: &[String]) -> Result<(u64, Option<usize>), ParseIntError> {
    let minutes = more.first().map_or(Ok(10), |minutes| minutes.parse())?;
    let megabytes = more.get(1).map(|megabytes| megabytes.parse()).transpose()?;
    Ok((minutes, megabytes))
}
