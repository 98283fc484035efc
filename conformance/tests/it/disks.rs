//! Disks that take nothing: the database on one that is full, and on one that may only be read.
//!
//! The servers run in a namespace of their own, where the disk is mounted.

use std::fmt::Write as _;
use std::process::Command;

use stockade_conformance::{Subject, can_make_machines, run, spawn, until, within};

use crate::stage::{FILTER, PATIENCE, Stage};

const JAILS: &str = "\
[DEFAULT]
backend = polling
usedns = no
enabled = true
filter = simple
bantime = 600

[some]
logpath = DIR/some.log

[other]
logpath = DIR/other.log
";

/// How many are banned; their rows take far more than the disk has.
const BANS: usize = 4000;

fn stage() -> Stage {
    let stage = Stage::new(&[
        ("jail.conf", JAILS),
        ("filter.d/simple.conf", FILTER),
        ("some.log", ""),
        ("other.log", ""),
    ]);
    let settings = stage.read("fail2ban.conf");
    stage.write("fail2ban.conf", &settings.replace("/db\n", "/disk/db\n"));
    std::fs::create_dir(stage.path().join("disk")).expect("a directory of our own");
    stage
}

/// The server in a namespace where `mount` was run first.
fn server(stage: &Stage, mount: &str) -> Command {
    let server = Subject::Ours.server(Some(stage.path()));
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "sh",
            "-c",
            &format!("{} && exec \"$@\"", stage.here(mount)),
            "sh",
        ])
        .arg(server.get_program())
        .args(server.get_args());
    command
}

#[test]
fn with_a_full_disk_bans_go_on_and_nothing_waits_for_it() {
    if !can_make_machines(&["mount"]) {
        return;
    }
    let stage = stage();
    let mount = "mount -t tmpfs -o size=256k none DIR/disk";
    let mut server = spawn(&mut server(&stage, mount), &stage.path().join("said"));
    let wait_for = |text: &str, times: usize| {
        until(
            &format!("{times} of `{text}` in the log"),
            PATIENCE,
            || stage.state(),
            || (stage.read("log").matches(text).count() >= times).then_some(()),
        );
    };
    wait_for("Jail 'other' started", 1);
    let mut words = vec!["set".to_owned(), "some".to_owned(), "banip".to_owned()];
    words.extend((0..BANS).map(|number| format!("198.18.{}.{}", number / 250, number % 250)));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(stage.say(Subject::Ours, &words).status, 0, "banned");
    wait_for("[some] Ban ", BANS);
    wait_for("Database is not writable: database or disk is full", 1);
    // A jail that begins again has its bans, although the database cannot be asked for all of them.
    let said = stage.say(Subject::Ours, &["restart", "some"]);
    assert_eq!(said.status, 0, "{said:?}");
    let mut banned = String::new();
    let found = within(PATIENCE, || {
        banned = stage.say(Subject::Ours, &["get", "some", "banned"]).stdout;
        (banned.matches("198.18.").count() == BANS).then_some(())
    });
    let count = banned.matches("198.18.").count();
    assert!(found.is_some(), "{count} are banned of {BANS}");
    stage.say(Subject::Ours, &["stop"]);
    assert_eq!(server.wait(PATIENCE), Some(0), "it ends well\n{}", tail(&stage));
}

#[test]
fn a_database_that_may_only_be_read_or_is_of_the_future_is_told_and_left_alone() {
    if !can_make_machines(&["mount"]) {
        return;
    }
    let stage = stage();
    // Once it is there it can be read.
    let mut server_before = spawn(
        &mut Subject::Ours.server(Some(stage.path())),
        &stage.path().join("said"),
    );
    until(
        "the server to be ready",
        PATIENCE,
        || stage.state(),
        || stage.read("log").contains("Jail 'other' started").then_some(()),
    );
    stage.say(Subject::Ours, &["stop"]);
    assert_eq!(server_before.wait(PATIENCE), Some(0), "{}", tail(&stage));
    let before = std::fs::read(stage.path().join("disk/db")).expect("the database");
    let mount = "mount --bind DIR/disk DIR/disk && mount -o remount,bind,ro DIR/disk";
    let ran = run(&mut server(&stage, mount), PATIENCE);
    assert_eq!(ran.status, 255, "{ran:?}\n{}", tail(&stage));
    let log = stage.read("log");
    assert!(
        log.contains("readonly database") || log.contains("unable to open database"),
        "{}",
        tail(&stage)
    );
    assert!(log.contains("put it right, move it away"), "{}", tail(&stage));
    let after = std::fs::read(stage.path().join("disk/db")).expect("the database");
    assert_eq!(before, after, "it was left alone");

    let travel = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('update fail2banDb set version = 9'); c.commit()";
    let mut python = Command::new("/usr/bin/python3");
    let travelled = run(
        python.args(["-c", travel]).arg(stage.path().join("disk/db")),
        PATIENCE,
    );
    assert_eq!(travelled.status, 0, "{travelled:?}");
    let ran = run(&mut Subject::Ours.server(Some(stage.path())), PATIENCE);
    assert_eq!(ran.status, 255, "{ran:?}\n{}", tail(&stage));
    let log = stage.read("log");
    assert!(
        log.contains("Attempt to travel to future version"),
        "{}",
        tail(&stage)
    );
}

#[test]
fn a_file_system_over_the_directory_of_a_log_is_noticed() {
    if !can_make_machines(&["mount", "umount", "nsenter"]) {
        return;
    }
    let stage = Stage::new(&[
        (
            "jail.conf",
            "[some]\nenabled = true\nbackend = auto\nusedns = no\nfilter = simple\nlogpath = DIR/logs/some.log\n",
        ),
        ("filter.d/simple.conf", FILTER),
    ]);
    std::fs::create_dir(stage.path().join("logs")).expect("a directory of our own");
    stage.write("logs/some.log", "");
    let mut server = spawn(
        &mut server(&stage, "mount --make-rprivate /"),
        &stage.path().join("said"),
    );
    let wait_for = |text: &str| {
        until(
            &format!("`{text}` in the log"),
            PATIENCE,
            || stage.state(),
            || stage.read("log").contains(text).then_some(()),
        );
    };
    wait_for("Jail 'some' started");
    let inside = |script: &str| {
        let mut command = Command::new("nsenter");
        let place = ["--mount", "-t", stage.read("pid").trim(), "sh", "-c"].map(str::to_owned);
        let ran = run(command.args(place).arg(stage.here(script)), PATIENCE);
        assert_eq!(ran.status, 0, "{script}: {ran:?}");
    };
    let failure =
        |number: u8| format!("date '+%s login from 203.0.113.{number} failed' >> DIR/logs/some.log");
    inside(&failure(1));
    wait_for("Found 203.0.113.1");
    // In one go, so that nothing happens later that would tell of it.
    inside(&format!("mount -t tmpfs none DIR/logs && {}", failure(2)));
    wait_for("Found 203.0.113.2");
    inside(&failure(3));
    wait_for("Found 203.0.113.3");
    // The log is still open, as whoever follows one has it.
    inside("umount --lazy DIR/logs");
    inside(&failure(4));
    wait_for("Found 203.0.113.4");
    let log = stage.read("log");
    assert_eq!(log.matches("Found 203.0.113.1 ").count(), 1, "{}", tail(&stage));
    stage.say(Subject::Ours, &["stop"]);
    assert_eq!(server.wait(PATIENCE), Some(0), "it ends well\n{}", tail(&stage));
}

/// The end of the log.
fn tail(stage: &Stage) -> String {
    let log = stage.state();
    let lines: Vec<&str> = log.lines().collect();
    let mut text = String::new();
    for line in lines.iter().skip(lines.len().saturating_sub(30)) {
        let _infallible = writeln!(text, "{line}");
    }
    text
}
