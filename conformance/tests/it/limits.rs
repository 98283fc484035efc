//! What an attacker overfills is counted, an administrator sees it in the status, and one warning has the place of the
//! expression at fault.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use stockade_conformance::{Subject, run, until};

use crate::stage::{PATIENCE, Stage};

const FILTER: &str = r"[Definition]
datepattern = {NONE}
failregex = ^(?P<mlfid>\d+) <F-NOFAIL>connect</F-NOFAIL> from <ADDR>$
            ^(a*)(a*)(a*)(a*)\1\2\3\4! <HOST>$
";

#[test]
fn limits_that_were_reached_are_in_the_status() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let jail = "[app]\nenabled = true\nfilter = app\nbackend = polling\nlogpath = DIR/app.log\naction =\n";
    let stage = Stage::new(&[
        ("jail.conf", jail),
        ("filter.d/app.conf", FILTER),
        ("app.log", ""),
    ]);
    let server = stage.start(Subject::Ours, &["app"]);
    let status = || stage.say(Subject::Ours, &["status", "app"]).stdout;
    assert!(!status().contains("Limits"), "nothing has happened yet");

    let mut lines: String = (0..150)
        .map(|number| format!("{number} connect from 192.0.2.1\n"))
        .collect();
    for _ in 0..3 {
        lines.push_str(&format!("{}b! x\n", "a".repeat(600)));
    }
    stage.append("app.log", &lines);
    let expected = "   |- File list:\tDIR/app.log\n   `- Limits reached:\tsessions forgotten: 50, searches given up: 3\n";
    let expected = expected.replace("   ", "|  ");
    until(
        "the status to tell",
        PATIENCE,
        || status() + &stage.state(),
        || status().contains(&expected).then_some(()),
    );
    let mut command = Subject::stockade();
    command
        .args(["status", "--limits", "--json", "app", "-c"])
        .arg(stage.path());
    let told = run(&mut command, PATIENCE).expect("an answer");
    let told: Vec<Value> = serde_json::from_str(&told).expect("it is JSON");
    for (what, fill, reached) in [
        ("sessions", Some(100), 50),
        ("steps of a search", None, 3),
        ("ids that have failed", Some(0), 0),
    ] {
        let limit = told.iter().find(|limit| limit["what"] == what);
        let limit = limit.unwrap_or_else(|| panic!("{what} is not among {told:?}"));
        assert_eq!(limit["fill"], json!(fill), "{what}");
        assert_eq!(limit["reached"], reached, "{what}");
    }

    let log = stage.read("log");
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("app.conf:4")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    let _said = stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

/// What is told of limits and what is written of them are the same limits.
#[test]
fn every_limit_that_is_told_stands_in_the_documentation() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/threat-model.md");
    let page = fs::read_to_string(page).expect("it is part of the sources");
    let jail = "[app]\nenabled = true\nfilter = app\nbackend = polling\nlogpath = DIR/app.log\n\x20 | sleep 1000\n\
        action = note\nreports = true\nreports.from = root\n[sent]\nenabled = true\nfilter = app\nbackend = syslog\naction =\n\
        [journal]\nenabled = true\nfilter = app\nbackend = systemd\njournalmatch = A=B\naction =\n";
    let stage = Stage::new(&[
        ("jail.conf", jail),
        ("filter.d/app.conf", FILTER),
        ("action.d/note.conf", "[Definition]\nactionban = true\n"),
        (
            "fail2ban.local",
            "[Definition]\nreportsocket = DIR/report\nsysloglisten = unix:DIR/syslog\n",
        ),
        ("app.log", ""),
    ]);
    let server = stage.start(Subject::Ours, &["app", "sent", "journal"]);
    let mut command = Subject::stockade();
    command
        .args(["status", "--limits", "--json", "-c"])
        .arg(stage.path());
    let told = run(&mut command, PATIENCE).expect("an answer");
    let told: Vec<Value> = serde_json::from_str(&told).expect("it is JSON");
    let names: Vec<&str> = told.iter().filter_map(|limit| limit["what"].as_str()).collect();
    // And what is in the table is told.
    let table = page.split("\n## Limits\n").nth(1).expect("it has the section");
    let rows = table.lines().skip_while(|line| !line.starts_with("|---"));
    for row in rows.skip(1).take_while(|line| line.starts_with('|')) {
        let name = row
            .trim_start_matches("| ")
            .split(" |")
            .next()
            .expect("a row has cells");
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    for (name, limit) in names.iter().zip(&told) {
        let row = page.lines().find(|line| line.starts_with(&format!("| {name} |")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in the table"));
        let policy = limit["policy"].as_str().expect("it is told");
        assert!(row.contains(policy), "{row} says something else than {policy}");
    }
    let _said = stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}
