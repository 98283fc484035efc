//! What goes wrong while our daemon runs is said with the place where it is configured, also after a reload in which
//! the jail has only moved within its file.

use std::fs::File;
use std::io::Write as _;

use stockade_conformance::{Subject, until};

use crate::stage::{PATIENCE, Stage};

const JAILS: &str = "[DEFAULT]
backend = polling
usedns = no
maxretry = 1
filter = simple
enabled = true

[one]
logpath = DIR/one.log
action = good
         bad[name=other]
ignoreip = 127.0.0.1 nowhere.invalid
ignorecommand = exit 3

[two]
logpath = DIR/absent.log
";

const FILTER: &str = "[Definition]
failregex = ^login from <HOST> failed$
            ^(a|aa)+\\1c <HOST>$
datepattern = {NONE}
";

/// What the log says, where it is written at first, and where once three lines more stand before it.
const SAID: [(&str, &str, &str); 5] = [
    (
        "Unable to find a corresponding IP address for nowhere.invalid",
        "(DIR/jail.local:12:22)",
        "",
    ),
    (
        "[one] the ignorecommand that failed is written at ",
        "DIR/jail.local:13:17",
        "DIR/jail.local:16:17",
    ),
    (
        "[one] action 'bad-other' is written at ",
        "DIR/jail.local:11:10",
        "DIR/jail.local:14:10",
    ),
    (
        "[one] Gave up matching a line",
        "(DIR/filter.d/simple.conf:3:13)",
        // It is told once a day.
        "",
    ),
    ("absent.log' is not there yet", "(DIR/jail.local:16:11)", ""),
];

#[test]
fn a_message_names_the_place_it_is_about() {
    let stage = Stage::new(&[
        ("jail.local", JAILS),
        ("filter.d/simple.conf", FILTER),
        ("action.d/good.conf", "[Definition]\nactionban = true\n"),
        ("action.d/bad.conf", "[Definition]\nactionban = exit 9\n"),
        ("one.log", ""),
    ]);
    let server = stage.start(Subject::Ours, &["one", "two"]);
    fail(&stage, "203.0.113.1");
    for (text, place, _) in SAID {
        heard(&stage, text, place);
    }
    let moved = |text: &str| format!("# one\n# two\n# three\n{text}");
    stage.write("jail.local", &moved(JAILS));
    stage.write("filter.d/simple.conf", &moved(FILTER));
    assert_eq!(stage.say(Subject::Ours, &["reload"]).stdout, "OK\n");
    fail(&stage, "203.0.113.2");
    for (text, _, place) in SAID.iter().filter(|(_, _, place)| !place.is_empty()) {
        heard(&stage, text, place);
    }
    let log = stage.read("log");
    assert_eq!(
        log.matches("for nowhere.invalid").count(),
        1,
        "it is said once\n{log}"
    );
    assert_eq!(
        log.matches("' started").count(),
        2,
        "nothing was started anew\n{log}"
    );
    let _said = stage.say(Subject::Ours, &["stop"]).expect("a server that stops");
    server.ends_well();
}

/// A failure of this address, behind a line that takes an expression too long.
fn fail(stage: &Stage, address: &str) {
    let file = File::options().append(true).open(stage.path().join("one.log"));
    let long = "a".repeat(4000);
    let lines = format!("{long}Xc {address}\nlogin from {address} failed\n");
    let written = file.and_then(|mut file| file.write_all(lines.as_bytes()));
    written.expect("a log of our own");
}

fn heard(stage: &Stage, text: &str, place: &str) {
    let place = stage.here(place);
    until(
        &format!("`{text}` with `{place}`"),
        PATIENCE,
        || stage.state(),
        || {
            let log = stage.read("log");
            log.lines()
                .any(|line| line.contains(text) && line.contains(&place))
                .then_some(())
        },
    );
}
