//! What the log says while jails are started, set, reloaded and stopped: the records of both servers are the same, but
//! for what either says of itself.

use stockade_conformance::{Ran, Subject, has_reference, until};

use crate::stage::{PATIENCE, Stage};

const FILTER: &str = "[Definition]\nfailregex = ^login from <HOST> failed$\ndatepattern = {NONE}\n";

const JAILS: &str = "\
[DEFAULT]
backend = polling
usedns = no
enabled = true
filter = simple
maxretry = 1
bantime = 1h
action =
[door]
logpath = DIR/door.log
[gate]
logpath = DIR/gate.log
maxlines = 3
logencoding = latin1
bantime.increment = true
bantime.factor = 2
";

/// What is said to both, one after the other.
const COMMANDS: &[&[&str]] = &[
    &["set", "gate", "maxretry", "3"],
    &["set", "gate", "findtime", "1h"],
    &["set", "gate", "findtime", "100.5"],
    &["set", "gate", "bantime", "200"],
    &["set", "gate", "maxlines", "2"],
    &["set", "gate", "logencoding", "ascii"],
    &["set", "gate", "datepattern", "%Y\n{^LN-BEG}\n{DATE} x"],
    &["set", "gate", "bantime.factor", "4"],
    &["set", "gate", "maxretry", "many"],
    &["set", "door", "addlogpath", "DIR/more.log"],
    &["set", "door", "dellogpath", "DIR/more.log"],
    &["set", "door", "banip", "192.0.2.7"],
    &["set", "door", "unbanip", "192.0.2.7"],
    &["reload", "gate"],
    &["stop", "gate"],
    &["reload"],
];

/// What one of the servers says of itself.
const ITS_OWN: [&str; 3] = [
    "fail2ban.observer",
    "This is Stockade ",
    // Where the kernel has the mechanisms for it.
    "Rights given up",
];

#[test]
fn settings_and_what_becomes_of_jails_are_told_as_the_reference_tells_them() {
    if !has_reference() {
        return;
    }
    assert_eq!(records(Subject::under_test()), records(Subject::Reference));
}

/// The records of a short life, in the order of their texts: which jail is first with something is nobody's concern.
fn records(subject: Subject) -> Vec<String> {
    let stage = Stage::new(&[
        ("jail.conf", JAILS),
        ("filter.d/simple.conf", FILTER),
        ("door.log", ""),
        ("gate.log", ""),
        ("more.log", ""),
    ]);
    let server = stage.start(subject, &["door", "gate"]);
    stage.append("door.log", "login from 192.0.2.1 failed\n");
    let banned = || stage.read("log").contains("Ban 192.0.2.1").then_some(());
    until("the ban", PATIENCE, || stage.state(), banned);
    for words in COMMANDS {
        let words: Vec<String> = words.iter().map(|word| stage.here(word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        stage.say(subject, &words);
    }
    stage.say(subject, &["stop"]);
    server.ends_well();
    let log = stage.tidy(&Ran {
        status: 0,
        stdout: stage.read("log"),
        stderr: String::new(),
    });
    let lines = log.stdout.lines().map(str::to_owned);
    let mut records: Vec<String> = lines
        .filter(|line| !ITS_OWN.iter().any(|own| line.contains(own)))
        .collect();
    records.sort();
    records
}
