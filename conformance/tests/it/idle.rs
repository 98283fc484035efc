//! The daemon at rest: fifty jails over forty files and the journal, and nothing that happens.
//!
//! How often its threads have waited is counted by the kernel; whatever wakes one ends in another wait.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use stockade_conformance::{Machine, Subject, can_make_machines, spawn, until};

use crate::stage::{FILTER, PATIENCE, Stage};

const FILES: usize = 40;
const OF_THE_JOURNAL: usize = 5;
const JAILS: usize = 50;

/// For how long nothing may wake it.
const REST: Duration = Duration::from_secs(10);

/// In how many such times one has to be without, the first of them being taken up by what the start has left to do.
const RESTS: usize = 6;

#[test]
fn nothing_wakes_it_where_nothing_happens() {
    if !can_make_machines(&["journalctl", "grep"]) {
        return;
    }
    let mut jails = String::from("[DEFAULT]\nenabled = true\nfilter = simple\nusedns = no\nbackend = auto\n");
    for number in 0..JAILS {
        writeln!(jails, "[jail{number}]").expect("a text grows");
        if number < OF_THE_JOURNAL {
            jails.push_str("backend = systemd\njournalmatch = SYSLOG_IDENTIFIER=door\n");
        } else {
            writeln!(jails, "logpath = /var/log/door/{}.log", number % FILES).expect("a text grows");
        }
    }
    let stage = Stage::new(&[("jail.conf", &jails), ("filter.d/simple.conf", FILTER)]);
    let machine = Machine::start("idle");
    // Not in the directory for what is temporary, where the tests beside this one make files: a directory that leads to a
    // log is watched.
    let made = format!(
        "mkdir -p /run/systemd/journal /run/log/journal /var/log/door\n\
         for number in $(seq 0 {}); do echo 1700000000 nothing happens > /var/log/door/$number.log; done",
        FILES - 1
    );
    let _said = machine.sh(&made).expect("making logs");
    let journald = Command::new("/usr/lib/systemd/systemd-journald");
    let _journald = spawn(
        &mut machine.inside(&journald),
        &machine.directory().join("journald"),
    );
    wait_for(&machine, "test -S /run/systemd/journal/socket");
    let _said = machine
        .sh("logger --journald <<END\nMESSAGE=nothing happens\nSYSLOG_IDENTIFIER=door\nEND\n")
        .expect("an entry");
    let mut server = Subject::Ours.server(Some(stage.path()));
    let _server = spawn(
        &mut machine.inside(server.current_dir("/")),
        &stage.path().join("said"),
    );
    until(
        "all jails to be there",
        PATIENCE,
        || stage.state(),
        || {
            let log = stage.read("log");
            (0..JAILS)
                .all(|number| log.contains(&format!("Jail 'jail{number}' started")))
                .then_some(())
        },
    );
    let pid = stage.here("$(cat DIR/pid)");
    let waits = |process: &str| -> u64 {
        let line = format!("grep -h '^voluntary_ctxt_switches' /proc/{process}/task/*/status");
        let said = machine.sh(&line).expect("what the kernel counts");
        let numbers = said
            .split_whitespace()
            .filter_map(|word| word.parse::<u64>().ok());
        numbers.sum()
    };
    let child = machine.sh(&format!("cat /proc/{pid}/task/*/children")).stdout;
    let child = child
        .split_whitespace()
        .next()
        .expect("journalctl runs")
        .to_owned();
    let mut counts = Vec::new();
    let is_at_rest = (0..RESTS).any(|_| {
        let (before, theirs) = (waits(&pid), waits(&child));
        std::thread::sleep(REST);
        let count = waits(&pid) - before;
        counts.push((count, waits(&child) - theirs));
        count == 0
    });
    println!("waits in {REST:?} of ours and of journalctl: {counts:?}");
    let memory = machine.sh(&format!("grep -E '^(VmRSS|RssAnon)' /proc/{pid}/status"));
    println!("{}", memory.expect("what the kernel counts"));
    assert!(
        is_at_rest,
        "it was woken each time: {counts:?}\n{}",
        stage.state()
    );
    // It is at rest and not asleep for good.
    let line = "echo $(date +%s) login from 192.0.2.7 failed >> /var/log/door/7.log";
    let _said = machine.sh(line).expect("a line");
    until(
        "the line to be read",
        PATIENCE,
        || stage.state(),
        || {
            stage
                .read("log")
                .contains("[jail7] Found 192.0.2.7 ")
                .then_some(())
        },
    );
    let said = machine.sh(&stage.here(&format!("kill -TERM {pid}")));
    assert!(said.succeeded(), "{said:?}");
}

fn wait_for(machine: &Machine, condition: &str) {
    until(condition, PATIENCE, String::new, || {
        machine.sh(condition).succeeded().then_some(())
    });
}
