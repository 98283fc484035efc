//! What an attacker overfills is counted, an administrator sees it in the status, and one warning has the place of the
//! expression at fault.

use stockade_conformance::{Subject, until};

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
    let log = stage.read("log");
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("app.conf:4")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    let _said = stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}
