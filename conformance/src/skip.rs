//! Saying that a test cannot run here. `cargo xtask test` counts it; under `CI=true` it is a failure.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use crate::run::run;
use crate::subject::Subject;

/// The file that collects what was skipped, one line a test; `cargo xtask test` names it.
const COLLECTED_IN: &str = "STOCKADE_SKIPPED";

/// Says that the current test is skipped, and why. The caller returns after this.
///
/// # Panics
///
/// Where nothing may be skipped.
#[track_caller]
pub fn skip(why: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let strict = std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1");
    assert!(!strict, "{name} cannot be skipped with CI=true: {why}");
    if let Some(path) = std::env::var_os(COLLECTED_IN) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        // One write a line, so that lines of tests that run at the same time stay whole.
        let written = file.and_then(|mut file| file.write_all(format!("{name}: {why}\n").as_bytes()));
        written.expect("the list of skipped tests can be written");
    }
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
    for program in programs {
        let mut which = Command::new("sh");
        which.args(["-c", "PATH=$PATH:/usr/sbin:/sbin command -v \"$0\"", program]);
        if !run(&mut which, Duration::from_secs(20)).succeeded() {
            skip(&format!("there is no {program}"));
            return false;
        }
    }
    true
}
