//! The distribution's logrotate at work on a log that a program writes twenty thousand lines a second to, and the whole
//! daemon reading it.
//!
//! Each failure has an address of its own, and the daemon's log names each that it has found; so which lines were
//! counted, and how often, is known one by one. `STOCKADE_SECONDS` says for how long it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use stockade_conformance::{Subject, has_program, run, until};

use crate::stage::{FILTER, PATIENCE, Stage};

const JAILS: &str = "\
[door]
enabled = true
backend = auto
filter = simple
logpath = DIR/logs/door.log
usedns = no
maxretry = 3
findtime = 1h
bantime = 1h
";

const LINES_A_SECOND: u64 = 20_000;

/// One line in so many is a failure.
const FAILS: u64 = 20;

/// The first of so many failures has an address that fails three times, and is banned.
const BANNED: u64 = 1000;

/// How often the program writes.
const TICK: Duration = Duration::from_millis(5);

/// How often the log is rotated.
const ROTATION: Duration = Duration::from_secs(2);

/// How long the program goes on with the old file, as programs do that are told a little later.
const NOTICES_AFTER: Duration = Duration::from_millis(150);

/// How long it is written where nothing else is said.
const SECONDS: u64 = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Rename,
    CopyTruncate,
}

#[test]
fn a_log_that_is_renamed_every_two_seconds_is_counted_to_the_line() {
    rotates(Mode::Rename);
}

#[test]
fn a_log_that_is_copied_and_emptied_loses_what_was_destroyed_and_nothing_else() {
    rotates(Mode::CopyTruncate);
}

#[expect(
    clippy::print_stdout,
    reason = "the figures are for whoever runs it for a minute"
)]
fn rotates(mode: Mode) {
    if !has_program("logrotate") {
        return;
    }
    let seconds = std::env::var("STOCKADE_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let stage = Stage::new(&[("jail.conf", JAILS), ("filter.d/simple.conf", FILTER)]);
    fs::create_dir(stage.path().join("logs")).expect("a directory of our own");
    let way = match mode {
        Mode::Rename => "create 0640 root root",
        Mode::CopyTruncate => "copytruncate",
    };
    stage.write(
        "rotate",
        &format!("DIR/logs/door.log {{\n rotate 1000\n nocompress\n missingok\n {way}\n}}\n"),
    );
    stage.write("logs/door.log", "");
    let server = stage.start(Subject::Ours, &["door"]);

    let log = stage.path().join("logs/door.log");
    let (told, notices) = mpsc::channel();
    let writer = std::thread::spawn(move || write(&log, seconds, &notices));
    let mut rotations = 0;
    while !writer.is_finished() {
        std::thread::sleep(ROTATION);
        let rotated = run(
            Command::new("logrotate")
                .args(["--force", "--state"])
                .arg(stage.path().join("state"))
                .arg(stage.path().join("rotate")),
            PATIENCE,
        );
        assert!(rotated.succeeded(), "{rotated:?}");
        rotations += 1;
        if mode == Mode::Rename {
            std::thread::sleep(NOTICES_AFTER);
            // It may have come to its end.
            let _ended = told.send(());
        }
    }
    let written = writer.join().expect("all is written");
    // What comes last ends the wait: all that was written before it has been read.
    let last = format!("{} login from 203.0.113.9 failed\n", now());
    stage.append("logs/door.log", &last);
    until(
        "the last line to be read",
        PATIENCE * 4,
        || {
            stage
                .read("log")
                .lines()
                .rev()
                .take(5)
                .collect::<Vec<_>>()
                .join("\n")
        },
        || {
            stage
                .read("log")
                .contains("[door] Found 203.0.113.9 ")
                .then_some(())
        },
    );
    let status = stage.say(Subject::Ours, &["status", "door"]).stdout;
    stage.say(Subject::Ours, &["stop"]);
    server.ends_well();

    let mut found: BTreeMap<Ipv4Addr, u64> = BTreeMap::new();
    let mut banned = BTreeSet::new();
    let records = stage.read("log");
    for line in records.lines() {
        let of = |words: &str| line.split_once(words)?.1.split(' ').next()?.parse().ok();
        if let Some(address) = of("[door] Found ") {
            *found.entry(address).or_insert(0) += 1;
        } else if let Some(address) = of("[door] Ban ") {
            assert!(banned.insert(address), "{address} was banned twice");
        }
    }
    let last = Ipv4Addr::new(203, 0, 113, 9);
    assert_eq!(found.remove(&last), Some(1), "it is counted as any other");
    let counted: u64 = found.values().sum();
    let total = format!("Total failed:\t{}", counted + 1);
    assert!(status.contains(&total), "{total} in {status}");

    let mut expected: BTreeMap<Ipv4Addr, u64> = BTreeMap::new();
    for failure in 0..written {
        *expected.entry(address(failure)).or_insert(0) += 1;
    }
    for (address, times) in &found {
        let most = expected.get(address).copied().unwrap_or(0);
        assert!(*times <= most, "{address} was counted {times} times of {most}");
    }
    let expected_bans: BTreeSet<Ipv4Addr> = expected
        .iter()
        .filter(|(_, times)| **times >= 3)
        .map(|(address, _)| *address)
        .collect();
    let destroyed = match mode {
        Mode::Rename => {
            assert_eq!(counted, written, "every failure is counted");
            assert!(found == expected, "and each as often as it happened");
            assert_eq!(banned, expected_bans, "and whoever is to be banned is");
            0
        }
        Mode::CopyTruncate => {
            assert!(banned.is_subset(&expected_bans));
            lost_to_the_rotator(&stage, rotations, &found)
        }
    };
    let lost = written - counted;
    assert!(lost <= destroyed, "{lost} were lost, and {destroyed} destroyed");
    println!(
        "{rotations} rotations in {seconds} s: {} lines, {written} failures, {counted} counted, {lost} lost, {destroyed} destroyed unread, {} banned of {}",
        written * FAILS,
        banned.len(),
        expected_bans.len()
    );
}

/// How many failures were destroyed before anybody could read them: they stood at the end of what a rotation has
/// copied, or came between its copying and its emptying. Within one such generation nothing may be missing before
/// something that was counted.
fn lost_to_the_rotator(stage: &Stage, rotations: usize, found: &BTreeMap<Ipv4Addr, u64>) -> u64 {
    let mut beginnings: Vec<u64> = (0..=rotations)
        .filter_map(|number| {
            let name = match number {
                0 => "logs/door.log".to_owned(),
                number => format!("logs/door.log.{number}"),
            };
            let copy = stage.read(&name);
            let mut words = copy
                .lines()
                .filter_map(|line| line.rsplit_once(" no ")?.1.parse::<u64>().ok());
            words.next()
        })
        .collect();
    beginnings.sort_unstable();
    let mut destroyed = 0;
    for pair in beginnings.windows(2) {
        let &[first, next] = pair else { continue };
        // The failures of this generation, by the numbers of their lines. Who fails more than once cannot be told
        // apart, so only the others are looked at one by one.
        let failures = first.div_ceil(FAILS)..next.div_ceil(FAILS);
        let alone = failures.clone().filter(|failure| !is_repeated(*failure));
        let counted: Vec<bool> = alone
            .map(|failure| found.contains_key(&address(failure)))
            .collect();
        let read = counted.iter().take_while(|counted| **counted).count();
        assert!(
            counted.iter().skip(read).all(|counted| !counted),
            "of the lines {first} to {next} some are missing before others that were counted"
        );
        let missing = u64::try_from(counted.len() - read).expect("few");
        // Of those that fail more than once any may be among them.
        let repeated = failures.filter(|failure| is_repeated(*failure)).count();
        destroyed += missing
            + if missing > 0 {
                u64::try_from(repeated).expect("few")
            } else {
                0
            };
    }
    destroyed
}

/// Writes for so many seconds; how many failures there were.
fn write(log: &PathBuf, seconds: u64, notices: &mpsc::Receiver<()>) -> u64 {
    let open = || -> File {
        let file = OpenOptions::new().append(true).create(true).open(log);
        file.expect("a log of our own")
    };
    let mut file = open();
    let began = Instant::now();
    let mut lines = 0;
    let mut text = String::new();
    while lines < seconds * LINES_A_SECOND {
        std::thread::sleep(TICK);
        if notices.try_recv().is_ok() {
            file = open();
        }
        let micros = u64::try_from(began.elapsed().as_micros()).expect("a minute");
        let due = (micros * LINES_A_SECOND / 1_000_000).min(seconds * LINES_A_SECOND);
        let now = now();
        text.clear();
        for line in lines..due {
            let (address, outcome) = if line.is_multiple_of(FAILS) {
                (address(line / FAILS), "failed")
            } else {
                (Ipv4Addr::new(192, 0, 2, 1), "succeeded")
            };
            let end = if outcome == "failed" { "" } else { " at once" };
            text.push_str(&format!("{now} login from {address} {outcome}{end}"));
            text.push_str(if outcome == "failed" { "\n" } else { "" });
            if outcome != "failed" {
                text.push_str(&format!(" no {line}\n"));
            }
        }
        file.write_all(text.as_bytes()).expect("a log that takes lines");
        lines = due;
    }
    lines.div_ceil(FAILS)
}

/// Whether it is one of three failures from the same address.
fn is_repeated(failure: u64) -> bool {
    failure % BANNED < 3
}

/// Who fails.
fn address(failure: u64) -> Ipv4Addr {
    let (thousand, rest) = (failure / BANNED, failure % BANNED);
    let number = if is_repeated(failure) {
        thousand
    } else {
        1000 + thousand * BANNED + rest
    };
    let number = u32::try_from(number).expect("some ten thousand");
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + number)
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("a clock that is set").as_secs()
}
