//! The reader of logs beside a model of what it owes: random programs of what writers, rotators and administrators do
//! to files, on a real file system, with the kernel's own inotify.
//!
//! In: seeds. Out: nothing, or the shortest program found for which a line was lost or read twice.
//!
//! `STOCKADE_PROGRAMS` says how many programs are run, `STOCKADE_SEED` from which seed on.

mod machine;
mod program;

use std::sync::atomic::{AtomicU64, Ordering};

use machine::{Figures, Machine};
use program::Program;

/// How many programs are run where nothing else is said: what takes some ten seconds.
const PROGRAMS: u64 = 1000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

#[test]
fn no_line_is_lost_and_none_read_twice() {
    let first = number("STOCKADE_SEED", 1);
    let end = first + number("STOCKADE_PROGRAMS", PROGRAMS);
    let next = AtomicU64::new(first);
    let figures = std::thread::scope(|scope| {
        let work = || {
            let mut figures = Figures::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    return figures;
                }
                let program = Program::of(seed);
                match Machine::run(&program) {
                    Ok(found) => figures.add(&found),
                    Err(wrong) => {
                        next.store(end, Ordering::Relaxed);
                        let (program, wrong) = shrunk(program, wrong);
                        panic!("seed {seed}: {wrong}\n{program:#?}");
                    }
                }
            }
        };
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        let mut all = Figures::default();
        for worker in workers {
            match worker.join() {
                Ok(figures) => all.add(&figures),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    assert_eq!(figures.programs, end - first);
    // The model would be content if nothing ever happened.
    assert!(figures.read > figures.programs * 5, "{figures:?}");
    assert!(figures.destroyed * 20 < figures.read, "{figures:?}");
    println!("{figures:?}");
}

/// Leaves out what it takes not, one step after the other.
fn shrunk(mut program: Program, mut wrong: String) -> (Program, String) {
    let mut is_smaller = true;
    while is_smaller {
        is_smaller = false;
        for at in (0..program.steps.len()).rev() {
            let mut less = program.clone();
            less.steps.remove(at);
            if let Err(still) = Machine::run(&less) {
                (program, wrong, is_smaller) = (less, still, true);
            }
        }
    }
    (program, wrong)
}
