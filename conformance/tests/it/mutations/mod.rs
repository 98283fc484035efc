//! Filters of the reference on lines that are almost those of its samples: what it found is recorded, and anything can
//! be asked anew.
//!
//! A line of `recorded.txt` is the digest of the lines of a log and that of what was found in it, how many failures that
//! are, which lines were left out because the reference ends at them, the seed, and the filter. `STOCKADE_SEEDS=N..M`
//! asks the reference about further seeds for every filter, those from 2 on of 1000 lines each, and shows what differs;
//! `STOCKADE_FILTERS=sshd` has it do so for one. `STOCKADE_RECORD=1` records anew. All need the reference's files.

mod case;
mod lines;
mod order;
mod reference;
mod variants;

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::Path;

use stockade_conformance::{Subject, has_reference};

use crate::random::{digest, seeds};
use case::Case;
use lines::Samples;
use reference::Reference;

const RECORDED: &str = "tests/it/mutations/recorded.txt";
/// The seeds that are recorded.
const SEEDS: Range<u64> = 0..2;
/// 2026-11-22 12:00:00, which is now for every line.
const NOW: i64 = 1_795_348_800;
/// The year of that.
const YEAR: i16 = 2026;
/// The local time: one that the clock is not put forward in.
const ZONE: &str = "<+0530>-5:30";

#[test]
fn recorded_mutations_are_found_alike() {
    if !has_reference() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDED);
    let bench = Bench::new();
    if std::env::var_os("STOCKADE_RECORD").is_some() {
        fs::write(&path, record(&bench)).expect("it can be recorded");
        return;
    }
    let recorded = fs::read_to_string(&path).expect("it is recorded");
    let (mut wrong, mut stale, mut failures, mut number) = (Vec::new(), Vec::new(), 0, 0);
    for line in recorded.lines() {
        let fields: Vec<&str> = line.splitn(6, ' ').collect();
        let &[_, _, _, left_out, seed, filter] = fields.as_slice() else {
            panic!("a line of {RECORDED}: {line}");
        };
        let mut case = bench.case(filter, seed.parse().expect("a seed"));
        case.left_out = left_out
            .split(',')
            .filter_map(|number| number.parse().ok())
            .collect();
        let found = case.ours();
        let ours = case.to_line(&found);
        number += 1;
        failures += found.len();
        if line.split(' ').next() != ours.split(' ').next() {
            stale.push(filter);
        } else if line != ours {
            wrong.push(format!("- {line}\n+ {ours}"));
        }
    }
    assert!(
        stale.is_empty(),
        "other lines than were recorded of {stale:?}; STOCKADE_RECORD=1 asks the reference anew"
    );
    assert!(
        wrong.is_empty(),
        "{} of {number}; STOCKADE_SEEDS=SEED shows what differs\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        number > 300 && failures > 10_000,
        "{failures} failures in {number} logs"
    );
}

#[test]
fn mutations_are_found_alike() {
    let Ok(asked) = std::env::var("STOCKADE_SEEDS") else {
        return;
    };
    if !has_reference() {
        return;
    }
    let bench = Bench::new();
    let mut reference = Reference::start();
    let (mut lines, mut failures, mut left_out, mut wrong) = (0, 0, 0, Vec::new());
    for filter in bench.variants() {
        for seed in seeds(&asked) {
            let mut case = bench.case(&filter, seed);
            let theirs = reference.answers(&mut case);
            let ours = case.ours();
            lines += case.lines.len();
            failures += theirs.len();
            left_out += case.left_out.len();
            let same = ours
                .iter()
                .zip(&theirs)
                .take_while(|((_, ours), theirs)| ours == *theirs);
            let same = same.count();
            if same < ours.len().max(theirs.len()) {
                let ours = ours.get(same);
                let at = ours.map_or(0, |(line, _)| *line);
                let around = case
                    .lines
                    .get(at.saturating_sub(2)..(at + 1).min(case.lines.len()));
                let around = around
                    .unwrap_or_default()
                    .iter()
                    .map(|line| String::from_utf8_lossy(line).into_owned());
                wrong.push(format!(
                    "{filter} {seed}: line {at}\n  theirs: {:?}\n  ours:   {:?}\n  {:#?}",
                    theirs.get(same),
                    ours.map(|(_, text)| text),
                    around.collect::<Vec<_>>()
                ));
            }
        }
    }
    let counts = format!("{lines} lines, {left_out} left out, {failures} failures");
    assert!(
        wrong.is_empty(),
        "{counts}, {} logs differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    eprintln!("{counts}\n{}", reference.ends.join("\n"));
}

fn record(bench: &Bench) -> String {
    let mut reference = Reference::start();
    let mut recorded = String::new();
    for filter in bench.variants() {
        for seed in SEEDS {
            let mut case = bench.case(&filter, seed);
            let answers: Vec<_> = reference
                .answers(&mut case)
                .into_iter()
                .map(|text| (0, text))
                .collect();
            writeln!(recorded, "{}", case.to_line(&answers)).expect("it is text");
        }
    }
    recorded
}

/// What cases are made of.
struct Bench {
    texts: Vec<(String, Vec<u8>)>,
    samples: Samples,
}

impl Bench {
    fn new() -> Self {
        let logs = Subject::package_tests().join("files/logs");
        let names = files(&logs).into_iter();
        let texts: Vec<_> = names
            .map(|name| {
                (
                    name.clone(),
                    fs::read(logs.join(name)).expect("a sample can be read"),
                )
            })
            .collect();
        let samples = Samples::new(&texts);
        Self { texts, samples }
    }

    /// The filters, or those that are asked for.
    fn variants(&self) -> Vec<String> {
        let asked = std::env::var("STOCKADE_FILTERS").unwrap_or_default();
        let asked: Vec<&str> = asked.split_whitespace().collect();
        let files = files(&Subject::package_configuration().join("filter.d"));
        let names = files.iter().filter_map(|name| name.strip_suffix(".conf"));
        let names = names.filter(|name| !name.ends_with("-common") && *name != "common");
        let names = names.filter(|name| asked.is_empty() || asked.contains(name));
        variants::variants(&names.map(str::to_owned).collect::<Vec<_>>(), &self.texts)
    }

    fn case(&self, filter: &str, seed: u64) -> Case {
        let count = if SEEDS.contains(&seed) { 250 } else { 1000 };
        let name = filter.split(".conf").next().unwrap_or(filter);
        Case {
            filter: filter.to_owned(),
            seed,
            lines: self.samples.log(name, seed ^ digest(filter.as_bytes()), count),
            left_out: Vec::new(),
        }
    }
}

/// The names of the files in a directory.
fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the reference has it");
    let files = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_file());
    let mut names: Vec<String> = files
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}
