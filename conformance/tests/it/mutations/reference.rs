//! The reference, asked about cases.
//!
//! In: a case. Out: what it prints, and the case without the lines at which it ends.

use std::fs;
use std::path::PathBuf;

use stockade_conformance::{Ran, Subject, Warm};
use stockade_filter::UseDns;
use tempfile::TempDir;

use super::case::{Case, Form};
use super::order::in_order;
use super::{NOW, ZONE};

/// The reference, which is asked about cases.
pub(super) struct Reference {
    regex: Warm,
    directory: TempDir,
    /// Where it ended, and with which status.
    pub(super) ends: Vec<String>,
}

impl Reference {
    pub(super) fn start() -> Self {
        Self {
            regex: Warm::regex_at(NOW, ZONE),
            directory: TempDir::with_prefix("stockade-mutations-").expect("a directory can be made"),
            ends: Vec::new(),
        }
    }

    /// What it finds. The lines at which it ends are taken out of the case.
    pub(super) fn answers(&mut self, case: &mut Case) -> Vec<String> {
        loop {
            let ran = self.ask(case, case.lines.len());
            if ran.succeeded() {
                let lines = ran.stdout.split_terminator('\n');
                return lines.map(|line| in_order(line, case.form())).collect();
            }
            // The longest beginning of the log that it reads to its end.
            let (mut good, mut bad) = (0, case.lines.len());
            while good + 1 < bad {
                let half = good.midpoint(bad);
                if self.ask(case, half).succeeded() {
                    good = half
                } else {
                    bad = half
                }
            }
            assert!(
                case.left_out.last() != Some(&good),
                "{} {}: {}",
                case.filter,
                case.seed,
                ran.stderr
            );
            case.left_out.push(good);
            let line = case.lines.get(good).map(|line| String::from_utf8_lossy(line));
            self.ends.push(format!(
                "{} {}: {} at {line:?}",
                case.filter, case.seed, ran.status
            ));
        }
    }

    /// Has it read the first lines.
    fn ask(&mut self, case: &Case, lines: usize) -> Ran {
        let part = Case {
            filter: case.filter.clone(),
            seed: case.seed,
            lines: case.lines.iter().take(lines).cloned().collect(),
            left_out: case.left_out.clone(),
        };
        fs::write(self.directory.path().join("log"), part.log()).expect("a directory of our own");
        let configuration = configuration();
        let mut words = vec!["-c", configuration.to_str().expect("a path that is text")];
        match case.usedns() {
            UseDns::Raw => words.push("--raw"),
            UseDns::Warn => {}
            usedns @ (UseDns::Yes | UseDns::No) => words.extend(["--usedns", usedns.as_str()]),
        }
        words.extend(match case.form() {
            Form::Row => ["-o", "row"],
            Form::Facts => ["-o", "<ip>|<fid>|<family>|<time>|<F-*>"],
        });
        words.extend(["log", &case.filter]);
        self.regex.call(self.directory.path(), &words)
    }
}

fn configuration() -> PathBuf {
    fs::canonicalize(Subject::package_configuration()).expect("the reference has it")
}
