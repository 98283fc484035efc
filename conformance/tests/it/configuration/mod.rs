//! The configuration language: what `fail2ban-client` makes of a directory, ours and the reference's.
//!
//! The directories are the reference's own package, the worked examples, and random ones.

#[path = "../../../../crates/config/tests/support/client.rs"]
mod client;
mod examples;
mod generated;
mod stock;
mod trees;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use stockade_conformance::{Ran, Subject, Warm, run};

use crate::stage::PATIENCE;

/// Both clients, in a directory.
struct Clients {
    theirs: Warm,
}

impl Clients {
    fn start() -> Self {
        Self {
            theirs: Warm::client(),
        }
    }

    /// The reference's answer to `words`, and ours.
    fn both(&mut self, directory: &Path, words: &[&str]) -> [Ran; 2] {
        [plain(self.theirs.call(directory, words)), ours(directory, words)]
    }
}

/// The answer of the client under test.
fn ours(directory: &Path, words: &[&str]) -> Ran {
    let mut client = Subject::under_test().client(None);
    plain(run(client.args(words).current_dir(directory), PATIENCE))
}

/// Records of the log without time, process and padding.
fn plain(ran: Ran) -> Ran {
    let lines = ran.stderr.split_inclusive('\n');
    Ran {
        stderr: lines.map(without_process).collect(),
        ..ran
    }
}

/// `2026-11-21 23:29:28,260 name   [123]: LEVEL   text` as `name LEVEL text`.
fn without_process(line: &str) -> String {
    let record = || {
        let stamp = line.get(..24)?;
        let shape = stamp
            .bytes()
            .map(|byte| if byte.is_ascii_digit() { b'd' } else { byte });
        if !shape.eq(*b"dddd-dd-dd dd:dd:dd,ddd ") {
            return None;
        }
        let (logger, rest) = line.get(24..)?.split_once('[')?;
        let (_, rest) = rest.split_once("]: ")?;
        let (level, text) = rest.split_once(' ')?;
        Some(format!(
            "{} {level} {}",
            logger.trim_end(),
            text.trim_start_matches(' ')
        ))
    };
    record().unwrap_or_else(|| line.to_owned())
}

/// What differs between two answers, a line each; empty if nothing does.
fn difference(theirs: &Ran, ours: &Ran) -> Vec<String> {
    let mut found = Vec::new();
    if theirs.status != ours.status {
        found.push(format!("status {} instead of {}", ours.status, theirs.status));
    }
    for (theirs, ours) in [(&theirs.stdout, &ours.stdout), (&theirs.stderr, &ours.stderr)] {
        if theirs == ours {
            continue;
        }
        let before = found.len();
        let lines = theirs.lines().count().max(ours.lines().count());
        let (mut theirs, mut ours) = (theirs.lines(), ours.lines());
        for number in 1..=lines {
            let (theirs, ours) = (theirs.next(), ours.next());
            if theirs != ours {
                found.extend(theirs.map(|line| format!("{number:4} - {line}")));
                found.extend(ours.map(|line| format!("{number:4} + {line}")));
            }
        }
        if found.len() == before {
            found.push("the ends of lines".to_owned());
        }
    }
    found
}

/// Copies a directory with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory of our own");
    for entry in fs::read_dir(from).expect("it is a directory") {
        let entry = entry.expect("it can be listed");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().expect("its kind is known");
        if kind.is_dir() {
            copy(&from, &to);
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from).expect("it is a link"), &to).expect("a directory of our own");
        } else {
            fs::copy(&from, &to).expect("a directory of our own");
        }
    }
}
