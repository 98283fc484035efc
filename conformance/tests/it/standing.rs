//! What stands in the firewall stands while a configuration is read again: the kernel itself tells of every element
//! that comes and goes, and of no ban it tells that it was gone, be it for an instant. Of lines that are written
//! meanwhile each counts once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use stockade_conformance::{Machine, Subject, can_make_machines, run, spawn, until};

/// How long anything may take that should take less than a second, on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// Jails; the measurement `reload` has five hundred.
const JAILS: usize = 50;
/// The jail that is changed.
const CHANGED: usize = 7;
/// Lines that are written for each reload.
const LINES: usize = 40;

/// What is written of the changed jail, one after another, and whether its bans get other timeouts by that.
const CHANGES: [(&str, bool); 5] = [
    ("", false),
    ("maxretry = 1", false),
    ("maxretry = 1\nfindtime = 700\nignoreip = 203.0.113.7", false),
    (
        "maxretry = 1\nlogpath = /var/log/j7.log\n    /var/log/more.log",
        false,
    ),
    ("maxretry = 1\nbantime = 2h", true),
];

#[test]
fn no_ban_leaves_the_firewall_while_the_configuration_is_read_again() {
    if Subject::under_test() == Subject::Reference || !can_make_machines(&["nft"]) {
        return;
    }
    let machine = Machine::start("host");
    fs::create_dir(machine.etc().join("fail2ban")).expect("the machine's own /etc");
    configure(&machine, "");
    let said = machine.directory().join("said");
    let mut server = spawn(&mut machine.inside(&Subject::Ours.server(None)), &said);
    let log = || machine.read("/var/log/fail2ban.log");
    let state = || log() + &fs::read_to_string(&said).unwrap_or_default();
    until("the jails", PATIENCE, state, || {
        (log().matches("' started").count() >= JAILS
            && client(&machine, &["ping"]) == "Server replied: pong\n")
            .then_some(())
    });
    for number in 0..JAILS {
        let (jail, address) = (format!("j{number}"), format!("192.0.2.{number}"));
        let said = client(&machine, &["set", &jail, "banip", &address, "2001:db8::1"]);
        assert_eq!(said, "2\n", "{jail}");
    }
    let events = machine.directory().join("events");
    let mut monitor = Command::new("nft");
    let _monitor = spawn(&mut machine.inside(monitor.args(["-n", "monitor"])), &events);
    let told = || fs::read_to_string(&events).unwrap_or_default();
    // It listens when it tells of something.
    until("the monitor", PATIENCE, told, || {
        let _one = client(&machine, &["set", "j0", "banip", "198.51.100.1"]);
        let _none = client(&machine, &["set", "j0", "unbanip", "198.51.100.1"]);
        told().contains("delete element").then_some(())
    });
    let mut expected = Vec::new();
    for (round, (change, renews)) in CHANGES.iter().enumerate() {
        settle(&machine, &told);
        let before = told().len();
        configure(&machine, change);
        let mut lines = String::new();
        for number in 0..LINES {
            let address = format!("198.18.{round}.{number}");
            let _never_fails = writeln!(lines, "login from {address} failed");
            expected.push(address);
        }
        let path = machine.directory().join("lines");
        fs::write(&path, lines).expect("a file of our own");
        let write = format!(
            "while read -r line; do echo \"$line\" >> /var/log/j7.log; done < {}",
            path.display()
        );
        let mut writing = Command::new("sh");
        let mut writing = spawn(&mut machine.inside(writing.args(["-c", &write])), &said);
        assert_eq!(client(&machine, &["reload"]), "OK\n", "{change}");
        assert_eq!(writing.wait(PATIENCE), Some(0));
        settle(&machine, &told);
        let told = told();
        let (renewed, gone) = deleted(told.get(before..).unwrap_or_default());
        assert_eq!(gone, Vec::<String>::new(), "{change}\n{}", state());
        assert_eq!(!renewed.is_empty(), *renews, "{change}: {renewed:?}");
    }
    until("all lines", PATIENCE, state, || {
        let log = log();
        expected
            .last()
            .is_some_and(|last| log.contains(&format!("Found {last} ")))
            .then_some(())
    });
    let log = log();
    for address in expected {
        let count = log.matches(&format!("[j7] Found {address} ")).count();
        assert_eq!(count, 1, "{address}\n{log}");
    }
    assert_eq!(client(&machine, &["stop"]), "Shutdown successful\n");
    assert_eq!(server.wait(PATIENCE), Some(0));
}

/// Waits until the kernel has told of everything so far: that somebody was banned last, and is not any more.
fn settle(machine: &Machine, told: &dyn Fn() -> String) {
    let count = || told().matches("delete element").count();
    let before = count();
    assert_eq!(client(machine, &["set", "j1", "banip", "198.51.100.2"]), "1\n");
    assert_eq!(client(machine, &["set", "j1", "unbanip", "198.51.100.2"]), "1\n");
    until("the kernel's word", PATIENCE, told, || {
        let last = told()
            .lines()
            .last()
            .is_some_and(|line| line.contains("generation"));
        (last && count() > before).then_some(())
    });
}

fn client(machine: &Machine, words: &[&str]) -> String {
    let mut command = Subject::Ours.client(None);
    run(&mut machine.inside(command.args(words)), PATIENCE).stdout
}

/// Elements that were deleted and added again in one transaction, and those that were gone when it was over; without
/// those that were deleted on the word of this test.
fn deleted(events: &str) -> (Vec<String>, Vec<String>) {
    let (mut renewed, mut gone) = (Vec::new(), Vec::new());
    let mut current: BTreeMap<String, bool> = BTreeMap::new();
    let mut rules = 0;
    for line in events.lines() {
        if line.starts_with("# new generation") {
            // A rule is known by a number that its successor has not.
            assert!(rules <= 0, "{rules} rules are gone: {events}");
            rules = 0;
            for (element, there) in std::mem::take(&mut current) {
                if there { &mut renewed } else { &mut gone }.push(element);
            }
            continue;
        }
        // `delete element inet f2b-table addr-set-j7 { 192.0.2.7 timeout 3600s expires 3599s }`
        let words: Vec<&str> = line.split_whitespace().collect();
        let [verb, "element", element @ ..] = words.as_slice() else {
            match words.get(..2) {
                Some(["delete", "rule"]) => rules += 1,
                Some(["add" | "insert", "rule"]) => rules -= 1,
                Some(["delete", _]) => panic!("more than an element is deleted: {line}"),
                Some(_) | None => {}
            }
            continue;
        };
        let element = element.get(..5).unwrap_or(element).join(" ");
        if *verb == "delete" && !element.contains("198.51.100.") {
            current.insert(element, false);
        } else if let Some(there) = current.get_mut(&element) {
            *there = true;
        }
    }
    (renewed, gone)
}

/// Many jails on our own configuration, with something more about one of them.
fn configure(machine: &Machine, change: &str) {
    let mut text = "[DEFAULT]\nbantime = 1h\nbackend = polling\nfilter = simple\nport = 22\nmaxretry = 1\n\
        [sshd]\nenabled = false\n"
        .to_owned();
    for number in 0..JAILS {
        let more = if number == CHANGED { change } else { "" };
        let log = if more.contains("logpath") {
            String::new()
        } else {
            format!("logpath = /var/log/j{number}.log\n")
        };
        let _never_fails = write!(text, "[j{number}]\nenabled = true\n{log}{more}\n");
    }
    let directory = machine.etc().join("fail2ban");
    for (name, text) in [
        ("jail.local", text.as_str()),
        (
            "fail2ban.local",
            "[Definition]\nlogtarget = /var/log/fail2ban.log\n",
        ),
        (
            "filter.d/simple.conf",
            "[Definition]\nfailregex = ^login from <HOST> failed$\n",
        ),
    ] {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().expect("it is below the directory"))
            .expect("the machine's own /etc");
        fs::write(path, text).expect("the machine's own /etc");
    }
    let line = format!(
        "touch /var/log/more.log; for n in $(seq 0 {}); do touch /var/log/j$n.log; done",
        JAILS - 1
    );
    let _said = machine.sh(&line).expect("making logs");
}
