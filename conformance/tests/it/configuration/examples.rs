//! The worked examples of the configuration language, through the programs that an administrator runs.
//!
//! `crates/config` replays the same examples through its library.

use std::fs;
use std::path::{Path, PathBuf};

use stockade_conformance::{Ran, Subject, has_reference};
use tempfile::TempDir;

use super::{copy, difference, ours, plain};

/// Runs in which we differ on purpose.
const DIFFERENT: [&str; 1] = [
    // A jail without a log file waits for it.
    "073-missing-logs run4",
];

#[test]
fn every_example_gives_what_is_recorded() {
    if Subject::under_test() == Subject::Reference && !has_reference() {
        return;
    }
    let directory = TempDir::with_prefix("stockade-examples-").expect("a directory can be made");
    let (mut cases, mut runs, mut wrong) = (0, 0, Vec::new());
    for example in examples() {
        let name = example.file_name().expect("it has a name").to_string_lossy();
        let here = directory.path().join(&*name);
        copy(&example, &here);
        complete(&here);
        cases += 1;
        for number in 1.. {
            let text = |what: &str| fs::read_to_string(example.join(format!("run{number}.{what}")));
            let Ok(words) = text("args") else { break };
            let words: Vec<&str> = words.split_whitespace().collect();
            let run = format!("{name} run{number}");
            if Subject::under_test() == Subject::Ours && DIFFERENT.contains(&run.as_str()) {
                continue;
            }
            runs += 1;
            let mut expected = Ran {
                status: text("rc").expect("recorded").trim().parse().expect("a number"),
                stdout: text("stdout").expect("recorded"),
                stderr: text("stderr").expect("recorded"),
            };
            let mut found = plain(ours(&here, &words));
            if example.join("unordered").exists() {
                found.stdout = sorted(&found.stdout);
                expected.stdout = sorted(&expected.stdout);
            }
            let difference = difference(&expected, &found);
            if !difference.is_empty() {
                wrong.push(format!("{run}: {words:?}\n{}", difference.join("\n")));
            }
        }
    }
    assert!(cases >= 97 && runs > 120, "only {cases} cases, {runs} runs");
    assert!(
        wrong.is_empty(),
        "{} of {runs} runs\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

fn examples() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/config");
    let entries = fs::read_dir(directory).expect("the examples are there");
    let mut examples: Vec<PathBuf> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.join("run1.args").exists())
        .collect();
    examples.sort();
    examples
}

/// A link to nowhere does not survive every archive; only its name is in the example.
fn complete(example: &Path) {
    let link = example.join("logs/dangling");
    if fs::symlink_metadata(&link).is_ok() {
        fs::remove_file(&link).expect("a directory of our own");
        std::os::unix::fs::symlink("nowhere", &link).expect("a directory of our own");
    }
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}
