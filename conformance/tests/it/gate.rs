//! The gate is not seen with the reference's own filters either: each on the lines of all samples.

use std::fs;
use std::ops::Range;

use jiff::tz::TimeZone;
use stockade_conformance::{Subject, has_reference};
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Entry, Filter, Lines, Mode, Output};

use crate::filters::{apply, commands_of};

/// When the lines are read.
const NOW: i64 = 1_124_013_600;

#[test]
fn the_gate_lets_through_what_the_filters_of_the_reference_find() {
    if !has_reference() {
        return;
    }
    let (bytes, places) = all_samples();
    let clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
    let names = files(&Subject::package_configuration().join("filter.d"));
    let names = names.iter().filter_map(|name| name.strip_suffix(".conf"));
    let (mut filters, mut found, mut wrong) = (0, 0, Vec::new());
    for name in names.filter(|name| !name.ends_with("-common") && *name != "common") {
        let mode = Mode {
            any_time: true,
            ..Mode::default()
        };
        let mut gated = Filter::new(mode, 2026);
        for command in commands_of(name) {
            apply(&mut gated, &command);
        }
        if gated.failregex().is_empty() {
            continue;
        }
        let mut open = gated.clone();
        open.set_gated(false);
        let mut expected: Vec<(usize, Output)> = Vec::new();
        for (number, place) in places.iter().enumerate() {
            let line = bytes.get(place.clone()).unwrap_or_default();
            let mut out = Output::default();
            open.process(Entry::Bytes(line, "log"), &clock, true, &mut out);
            if out != Output::default() {
                expected.push((number, out));
            }
        }
        let (lines, mut outputs) = (
            Lines {
                bytes: &bytes,
                places: &places,
                file: "log",
            },
            Vec::new(),
        );
        gated.process_lines(lines, &clock, true, &mut outputs);
        filters += 1;
        found += expected.iter().map(|(_, out)| out.found.len()).sum::<usize>();
        if outputs != expected || !gated.agrees_with(&open) {
            let differs = expected.iter().zip(&outputs).find(|(one, other)| one != other);
            wrong.push(format!("{name}: {differs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        filters > 80 && found > 500,
        "{found} matches of {filters} filters"
    );
}

/// The lines of all samples in one block.
fn all_samples() -> (Vec<u8>, Vec<Range<usize>>) {
    let logs = Subject::package_tests().join("files/logs");
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    for name in files(&logs) {
        let text = fs::read(logs.join(name)).unwrap_or_default();
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.starts_with(b"#")) {
            let start = bytes.len();
            bytes.extend_from_slice(line);
            places.push(start..bytes.len());
        }
    }
    (bytes, places)
}

fn files(directory: &std::path::Path) -> Vec<String> {
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
