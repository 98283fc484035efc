//! What a reload changes, and what it leaves alone: the same steps with our server and with the reference's.
//!
//! What is compared is what an administrator reads afterwards. Only steps are here in which the reference does what
//! its manual says; where it does not, the ledger has a row.

use stockade_conformance::{Subject, has_reference, until};

use crate::stage::{PATIENCE, Stage};

/// One thing that an administrator or an attacker does.
enum Step {
    /// A file of the configuration, or a log that is not there yet.
    Write(&'static str, &'static str),
    /// A line in a log; it is waited for what the server then logs.
    Line(&'static str, &'static str, &'static str),
    /// A command, whose answer is compared.
    Say(&'static [&'static str]),
    /// It is waited until the server has logged this so often: the reference restores bans some time after it answers.
    Wait(&'static str, usize),
}

use Step::{Line, Say, Wait, Write};

const DEFAULTS: &str = "[DEFAULT]\nbackend = polling\nbantime = 600\nfindtime = 600\nmaxretry = 3\nusedns = no\n\
    enabled = true\nfilter = simple\n";
const JAILS: &str = "[one]\nlogpath = DIR/one.log\n[two]\nlogpath = DIR/two.log\n";

/// Each is a story of its own, under its name.
#[rustfmt::skip]
const STORIES: [(&str, &[Step]); 7] = [
    ("counts, bans and positions survive", &[
        Line("one.log", "203.0.113.1", "Found 203.0.113.1"),
        Line("one.log", "203.0.113.1", "Found 203.0.113.1"),
        Say(&["set", "one", "banip", "203.0.113.9"]),
        Say(&["reload"]),
        Say(&["status", "one"]),
        Say(&["reload", "one"]),
        Say(&["status", "one"]),
        // The third failure makes the ban, and no line is read twice.
        Line("one.log", "203.0.113.1", "[one] Ban 203.0.113.1"),
        Say(&["status", "one"]),
        Say(&["status", "two"]),
    ]),
    ("changed options take effect", &[
        Line("one.log", "203.0.113.1", "Found 203.0.113.1"),
        Write("jail.local", "[one]\nmaxretry = 2\nbantime = 1h\nfindtime = 5m\nmaxmatches = 7\n\
            ignoreip = 203.0.113.77 198.51.100.0/24\nignorecommand = false <ip>\n"),
        Say(&["reload"]),
        Say(&["get", "one", "maxretry"]),
        Say(&["get", "one", "bantime"]),
        Say(&["get", "one", "findtime"]),
        Say(&["get", "one", "maxmatches"]),
        Say(&["get", "one", "ignoreip"]),
        Say(&["get", "one", "ignorecommand"]),
        Say(&["get", "two", "maxretry"]),
        Line("one.log", "203.0.113.77", "Ignore 203.0.113.77 by ip"),
        Line("one.log", "203.0.113.1", "[one] Ban 203.0.113.1"),
        Say(&["status", "one"]),
    ]),
    ("changed patterns take effect", &[
        Line("one.log", "203.0.113.1", "Found 203.0.113.1"),
        Write("filter.d/simple.conf", "[Definition]\nfailregex = ^login from <HOST> denied$\n\
            ignoreregex = 203\\.0\\.113\\.50\ndatepattern = {NONE}\n"),
        Say(&["reload"]),
        Say(&["get", "one", "failregex"]),
        Say(&["get", "one", "ignoreregex"]),
        Line("one.log", "denied 203.0.113.2", "Found 203.0.113.2"),
        Line("one.log", "203.0.113.1", ""),
        Line("one.log", "denied 203.0.113.50", ""),
        Line("one.log", "denied 203.0.113.3", "Found 203.0.113.3"),
        Say(&["status", "one"]),
    ]),
    ("jails come and go", &[
        Say(&["set", "two", "banip", "203.0.113.9"]),
        Write("three.log", ""),
        Write("jail.local", "[two]\nenabled = false\n[three]\nlogpath = DIR/three.log\n"),
        Say(&["reload"]),
        Say(&["status"]),
        Say(&["status", "two"]),
        Line("three.log", "203.0.113.1", "[three] Found 203.0.113.1"),
        Say(&["status", "three"]),
        Say(&["status", "one"]),
    ]),
    ("logs come and go", &[
        Line("one.log", "203.0.113.1", "Found 203.0.113.1"),
        Write("three.log", ""),
        Write("jail.local", "[one]\nlogpath = DIR/one.log\n          DIR/three.log\n"),
        Say(&["reload", "one"]),
        Say(&["get", "one", "logpath"]),
        Write("jail.local", "[one]\nlogpath = DIR/three.log\n"),
        Say(&["reload"]),
        Say(&["get", "one", "logpath"]),
        // What follows is not counted: the reference now and then reads a log again that comes back.
        Say(&["status", "one"]),
        Write("jail.local", ""),
        Say(&["reload"]),
        Say(&["get", "one", "logpath"]),
    ]),
    ("--unban", &[
        Say(&["set", "one", "banip", "203.0.113.1", "203.0.113.2"]),
        Say(&["set", "two", "banip", "203.0.113.1"]),
        Say(&["reload", "--unban", "one"]),
        Say(&["status", "one"]),
        Say(&["status", "two"]),
        Say(&["reload", "--unban"]),
        Say(&["status", "two"]),
        Say(&["reload", "--restart"]),
        Say(&["status", "one"]),
    ]),
    ("--restart and --if-exists", &[
        Line("one.log", "203.0.113.1", "Found 203.0.113.1"),
        Say(&["set", "one", "banip", "203.0.113.9"]),
        Say(&["reload", "--restart", "one"]),
        Wait("[one] Restore Ban 203.0.113.9", 1),
        // Bans are in the database; what was counted is gone.
        Say(&["status", "one"]),
        Line("one.log", "203.0.113.1", "Found 203.0.113.1"),
        Say(&["status", "one"]),
        Write("jail.local", "[one]\nbackend = auto\n"),
        Say(&["reload"]),
        Wait("[one] Restore Ban 203.0.113.9", 2),
        Say(&["status", "one"]),
        Say(&["stop", "two"]),
        Say(&["reload", "two"]),
        Say(&["reload", "--if-exists", "two"]),
        Say(&["status"]),
    ]),
];

#[test]
fn a_reload_leaves_what_the_reference_leaves() {
    if !has_reference() {
        return;
    }
    for (name, steps) in &STORIES {
        let expected = told(Subject::Reference, steps);
        let found = told(Subject::under_test(), steps);
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(expected, found, "{name}");
        }
    }
}

/// Of ours alone: the reference reads such a log from its beginning now and then.
#[test]
fn a_log_that_comes_back_is_read_on() {
    let answers = told(
        Subject::Ours,
        &[
            Line("one.log", "203.0.113.1", "Found 203.0.113.1"),
            Write("jail.local", "[one]\nlogpath = DIR/two.log\n"),
            Say(&["reload"]),
            Write("jail.local", ""),
            Say(&["reload"]),
            Line("one.log", "203.0.113.2", "[one] Found 203.0.113.2"),
            Say(&["status", "one"]),
        ],
    );
    let status = answers.last().expect("the answer to `status`");
    assert!(status.contains("Total failed:\t2"), "{status}");
}

/// What the commands of a story answer, each under its words.
fn told(subject: Subject, steps: &[Step]) -> Vec<String> {
    let stage = Stage::new(&[
        ("jail.conf", &format!("{DEFAULTS}{JAILS}")),
        (
            "filter.d/simple.conf",
            "[Definition]\nfailregex = ^login from <HOST> failed$\nignoreregex =\ndatepattern = {NONE}\n",
        ),
        ("one.log", ""),
        ("two.log", ""),
    ]);
    let server = stage.start(subject, &["one", "two"]);
    let mut answers = Vec::new();
    for step in steps {
        match step {
            Write(name, text) => stage.write(name, text),
            Line(log, who, heard) => line(&stage, log, who, heard),
            Wait(heard, times) => until(
                heard,
                PATIENCE,
                || stage.state(),
                || (stage.read("log").matches(heard).count() >= *times).then_some(()),
            ),
            Say(words) => {
                let ran = stage.say(subject, words);
                answers.push(format!("{words:?}: {} {}", ran.status, ran.stdout));
            }
        }
    }
    let _said = stage.say(subject, &["stop"]).expect("a server that stops");
    server.ends_well();
    answers
}

/// Writes the line of a failure, and waits until the server has logged `heard` once more than before.
fn line(stage: &Stage, log: &str, who: &str, heard: &str) {
    let (what, address) = who.split_once(' ').unwrap_or(("failed", who));
    let count = || stage.read("log").matches(heard).count();
    let before = count();
    stage.append(log, &format!("login from {address} {what}\n"));
    if !heard.is_empty() {
        until(
            heard,
            PATIENCE,
            || stage.state(),
            || (count() > before).then_some(()),
        );
    }
}
