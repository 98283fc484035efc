//! Saying that a test cannot run here: it prints `skipped: ` and the reason, and returns. `cargo xtask test` counts
//! that, in the tests of every crate; under `CI=true` it is a failure.

use std::process::Command;
use std::time::Duration;

use crate::run::run;
use crate::subject::Subject;

/// Says that the current test is skipped, and why. The caller returns after this.
///
/// # Panics
///
/// Where nothing may be skipped.
#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "what a test prints is how `cargo xtask test` learns of it"
)]
pub fn skip(why: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let strict = std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1");
    assert!(!strict, "{name} cannot be skipped with CI=true: {why}");
    println!("skipped: {why}");
}

/// Whether the reference can be run; if not, the current test has been skipped.
#[must_use]
#[track_caller]
pub fn has_reference() -> bool {
    let there = Subject::Reference.is_there();
    if !there {
        skip("there is no target/reference; `cargo xtask setup` makes it");
    }
    there
}

/// Whether machines can be made here with all of `programs`; if not, the current test has been skipped.
#[must_use]
#[track_caller]
pub fn can_make_machines(programs: &[&str]) -> bool {
    let mut probe = Command::new("unshare");
    probe.args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "true"]);
    if !run(&mut probe, Duration::from_secs(20)).succeeded() {
        skip("no right to make namespaces");
        return false;
    }
    programs.iter().all(|program| has_program(program))
}

/// Whether there is a program of this name; if not, the current test has been skipped.
#[must_use]
#[track_caller]
pub fn has_program(program: &str) -> bool {
    let mut which = Command::new("sh");
    which.args(["-c", "PATH=$PATH:/usr/sbin:/sbin command -v \"$0\"", program]);
    let is_there = run(&mut which, Duration::from_secs(20)).succeeded();
    if !is_there {
        skip(&format!("there is no {program}"));
    }
    is_there
}
