//! Runs the simulation for a range of seeds: `cargo run --release -p stockade-sim --example seeds -- 0 100000 1000`.
//!
//! In: the first seed, the seed to end before, and how many events each has. Out: each finding, and the count at last.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::process::ExitCode;

use stockade_sim::run;

/// How many findings are told before the rest is not looked for.
const FINDINGS: usize = 5;

fn main() -> ExitCode {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    let [first, end, events] = numbers.as_slice() else {
        println!("seeds FIRST END EVENTS");
        return ExitCode::FAILURE;
    };
    let events = usize::try_from(*events).unwrap_or(usize::MAX);
    let (mut ran, mut findings) = (0_u64, 0);
    for seed in *first..*end {
        ran += 1;
        let Err(finding) = run(seed, events) else {
            continue;
        };
        println!("seed {seed}, event {}: {}", finding.event, finding.what);
        if std::env::var_os("LOG").is_some() {
            println!("    {}", finding.log.join("\n    "));
        }
        findings += 1;
        if findings >= FINDINGS {
            break;
        }
    }
    println!("{ran} seeds of {events} events each, {findings} findings");
    if findings == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
