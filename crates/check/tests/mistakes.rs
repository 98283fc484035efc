//! Seeded mistakes, each in a small tree of files, with the report that an administrator reads.
//!
//! A case is a file of `tests/cases`: the files of the tree, each behind a line `=== PATH`, then the report behind
//! `=== REPORT`. The tree lies over that of `base.txt`. `UPDATE_SNAPSHOTS=1` writes the reports anew.
#![expect(clippy::disallowed_methods, reason = "the cases are read from the disk")]

mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use stockade_check::{Code, Severity, check};
use tree::Tree;

const REPORT: &str = "=== REPORT\n";

fn cases() -> Vec<(String, PathBuf, String)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
    let mut cases: Vec<(String, PathBuf, String)> = fs::read_dir(directory)
        .expect("the cases are there")
        .map(|entry| {
            let path = entry.expect("a case").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("a case is text");
            (name, path, text)
        })
        .filter(|(name, _, _)| name != "base")
        .collect();
    cases.sort();
    cases
}

fn base() -> Tree {
    Tree::parse(
        &fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/base.txt")).expect("the base"),
    )
}

fn input(text: &str) -> &str {
    text.split_once(REPORT).map_or(text, |(input, _)| input)
}

#[test]
fn reports_each_seeded_mistake_at_its_place() {
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
    let cases = cases();
    let mut differing = Vec::new();
    for (name, path, text) in &cases {
        let tree = base().overlaid(Tree::parse(input(text)));
        let report = check(&tree, "conf", "1.1.1", &[]).render(false);
        let expected = text
            .split_once(REPORT)
            .map(|(_, report)| report)
            .unwrap_or_default();
        if update {
            let text = format!("{}{REPORT}{report}", input(text));
            fs::write(path, text).expect("the case can be written");
        } else if report != expected {
            differing.push(format!("{name}\n--- expected\n{expected}+++ found\n{report}"));
        }
    }
    assert!(cases.len() >= 75, "only {} cases", cases.len());
    assert!(
        differing.is_empty(),
        "{} of {} cases differ\n{}",
        differing.len(),
        cases.len(),
        differing.join("\n")
    );
}

#[test]
fn nothing_is_wrong_with_the_base() {
    assert_eq!(
        check(&base(), "conf", "1.1.1", &[]).render(false),
        "No mistakes in 5 files, 1 jail enabled.\n"
    );
}

#[test]
fn every_kind_of_mistake_has_a_case() {
    let reports: Vec<String> = cases().into_iter().map(|(_, _, text)| text).collect();
    let missing: BTreeSet<&str> = Code::ALL
        .iter()
        .map(|code| code.name())
        // Reaching a limit takes more text than a case should have.
        .filter(|name| *name != Code::TooMuch.name())
        .filter(|name| {
            !reports
                .iter()
                .any(|report| report.contains(&format!("[{name}]\n")))
        })
        .collect();
    assert_eq!(missing, BTreeSet::new());
}

#[test]
fn the_manual_lists_every_kind_of_mistake() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/check.md");
    let manual = fs::read_to_string(path).expect("the manual is there");
    let rows: Vec<String> = Code::ALL
        .iter()
        .map(|code| {
            let severity = match code.severity() {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            format!("| `{}` | {severity} | {} |", code.name(), code.about())
        })
        .collect();
    let written: Vec<&str> = manual.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(written, rows, "in docs/check.md");
}

#[test]
fn our_own_configuration_has_no_mistake() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config"));
    let mut tree = Tree::default();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path
                    .strip_prefix(&root)
                    .expect("below the root")
                    .display()
                    .to_string();
                tree.insert(&format!("conf/{name}"), &fs::read(&path).expect("a file"));
            }
        }
    }
    let jails = fs::read_to_string(root.join("jail.conf")).expect("it is part of the configuration");
    let sections = jails.lines().filter(|line| line.starts_with('['));
    let every: String = sections
        .filter(|line| !["[INCLUDES]", "[DEFAULT]"].contains(line))
        .map(|line| format!("{line}\nenabled = true\nlogpath = /var/log/auth.log\n"))
        .collect();
    let mut actions: Vec<String> = fs::read_dir(root.join("action.d"))
        .expect("our actions")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".conf").map(str::to_owned))
        .filter(|name| !name.ends_with("common"))
        .collect();
    actions.sort();
    assert!(actions.len() > 50, "{actions:?}");
    actions.extend(["_", "_mw", "_mwl", "_xarf", "_apprise"].map(|end| format!("%(action{end})s")));
    // Names of sets and chains may not be long.
    let every = actions.iter().enumerate().fold(every, |every, (number, action)| {
        let what = "enabled = true\nfilter = sshd\nlogpath = /var/log/auth.log";
        format!("{every}[action-{number}]\n{what}\naction = {action}\n")
    });
    for (backend, local) in [
        ("auto", "[DEFAULT]\n"),
        ("systemd", "[DEFAULT]\n"),
        ("auto", every.as_str()),
    ] {
        tree.insert("conf/jail.local", local.as_bytes());
        tree.insert("/var/log/auth.log", b"");
        let variables = [("stockade_log_backend".to_owned(), backend.to_owned())];
        let report = check(&tree, "conf", "1.1.1", &variables);
        let shown = report.render(false);
        assert_eq!((report.errors, report.warnings), (0, 0), "{backend}\n{shown}");
        assert!(
            report
                .diagnostics
                .iter()
                .all(|found| found.code == Code::Backtracking),
            "{shown}"
        );
    }
}

/// However much is wrong, a report says only so much, and counts the rest.
#[test]
fn reports_no_more_than_anyone_reads() {
    let entries = (0..40_000)
        .map(|n| format!("192.0.2.{} ", 256 + n))
        .collect::<String>();
    let lines = (0..40_000).map(|n| format!("word{n}\n")).collect::<String>();
    for (name, text) in [
        ("addresses", format!("[door]\nignoreip = {entries}\n")),
        (
            "addresses on lines",
            format!("[door]\nignoreip = {}\n", entries.replace(' ', "\n  ")),
        ),
        ("lines", format!("[door]\n{lines}")),
    ] {
        let mut tree = base();
        tree.insert("conf/jail.local", text.as_bytes());
        let report = check(&tree, "conf", "1.1.1", &[]);
        assert_eq!(report.diagnostics.len(), 1000, "{name}");
        assert!(report.hidden >= 9000, "{name}: {}", report.hidden);
        assert!(report.render(false).ends_with("not shown.\n"), "{name}");
    }
}

/// What reading stumbles over; the other kinds are the daemon's to refuse.
fn is_of_reading(code: Code) -> bool {
    let kinds = [
        Code::MissingConfiguration,
        Code::UnreadableFile,
        Code::NotUtf8,
        Code::ByteOrderMark,
        Code::NoSectionHeader,
        Code::NotAnOption,
        Code::DuplicateOption,
        Code::DuplicateSection,
        Code::BadInterpolation,
        Code::UnknownVariable,
        Code::Recursion,
        Code::BadDefinition,
        Code::UnknownFilter,
        Code::UnknownAction,
        Code::BadLoglevel,
        Code::TooMuch,
    ];
    // A word that `journalmatch` cannot be split at is met while reading, another one is not.
    kinds.contains(&code) || code == Code::BadJournalMatch
}

/// Some three hundred generated configurations, each with what the reference makes of it.
#[test]
fn agrees_with_the_reference_on_what_can_be_read() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../conformance/examples/config/random.jsonl"
    );
    let text = fs::read_to_string(path).expect("the examples are there");
    let (mut good, mut bad, mut differing) = (0, 0, Vec::new());
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
        let field = |name: &str| case.get(name).cloned().unwrap_or_default();
        let mut tree = Tree::default();
        for (path, content) in field("files").as_object().expect("files by path") {
            tree.insert(path, content.as_str().unwrap_or_default().as_bytes());
        }
        let stdout = field("stdout");
        let stdout = stdout.as_str().unwrap_or_default();
        let refuses = field("rc") != 0 || stdout.contains("wrong configuration");
        let report = check(&tree, "conf", "1.1.1", &[]);
        let finds = report
            .diagnostics
            .iter()
            // A module in Python is the server's to look for.
            .any(|found| {
                found.severity == Severity::Error
                    && is_of_reading(found.code)
                    && !found.message.contains(".py`")
            });
        let counter = if refuses { &mut bad } else { &mut good };
        *counter += 1;
        if refuses != finds {
            let why = field("fatal");
            differing.push(format!(
                "{}: {why}\n{stdout}{}",
                field("id"),
                report.render(false)
            ));
        }
    }
    assert!(good > 50 && bad > 50, "{good} good and {bad} bad ones");
    assert!(
        differing.is_empty(),
        "{}\n{}",
        differing.len(),
        differing.join("\n")
    );
}

/// Whatever the files say, a check ends with a report, and every place in it is a place.
#[test]
fn survives_whatever_the_files_say() {
    let cases = cases();
    let mut seed = 0x5eed_u64;
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % u64::try_from(below.max(1)).unwrap_or(1)).unwrap_or(0)
    };
    const PIECES: [&str; 24] = [
        "[",
        "]",
        "%(",
        ")s",
        "%",
        "<",
        ">",
        "=",
        "\n",
        " ",
        "\"",
        "'",
        ";",
        "#",
        "\u{feff}",
        "é",
        "<HOST>",
        "(?",
        "*",
        "%(known/failregex)s",
        "<known/x>",
        "\0",
        "[DEFAULT]\n",
        "\u{10ffff}",
    ];
    for round in 0..600 {
        let (name, _, text) = cases.get(next(cases.len())).expect("a case");
        let mut tree = base().overlaid(Tree::parse(input(text)));
        let log = format!("round {round} from {name}");
        for _ in 0..=next(6) {
            tree.mutate(&mut next, &PIECES);
        }
        let report = check(&tree, "conf", "1.1.1", &[]);
        assert!(report.render(true).ends_with(".\n"), "{log}");
        for diagnostic in &report.diagnostics {
            assert!(!diagnostic.message.is_empty(), "{log}");
            assert!(
                diagnostic.place.line == 0 || diagnostic.place.end > diagnostic.place.column,
                "{log}"
            );
        }
    }
}
