//! Bans that grow: what the log says, what actions are told, and what the database keeps.
//!
//! Both servers see the same attackers come back; the times of the log are real, so that times themselves are masked,
//! and what several threads of the reference write at once is compared without its order.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stockade_conformance::{Subject, has_reference, run, until};

use crate::stage::{PATIENCE, Stage};

const FILTER: &str = "[Definition]\nfailregex = ^ login from <HOST> failed$\ndatepattern = EPOCH\n";

const JAILS: &str = "\
[DEFAULT]
backend = polling
bantime = 2
findtime = 600
maxretry = 3
usedns = no
enabled = true
filter = simple
bantime.increment = true
action = note[file=%(__name__)s.notes]

[one]
logpath = DIR/one.log

[all]
logpath = DIR/all.log
bantime.overalljails = true
bantime.factor = 3

[formula]
logpath = DIR/formula.log
bantime.formula = ban.Time * (2 if ban.Count < 2 else math.floor(math.exp(ban.Count)))
bantime.maxtime = 7

[steps]
logpath = DIR/steps.log
bantime.multipliers = 1 3 4
";

const ACTION: &str = "[Definition]\n\
    actionban = echo \"ban <ip> failures=<failures> restored=<restored>\" >> DIR/<file>\n\
    actionprolong = echo \"prolong <ip> bantime=<bantime> bancount=<bancount>\" >> DIR/<file>\n\
    actionunban = echo \"unban <ip> bantime=<bantime>\" >> DIR/<file>\n\
    [Init]\nfile = none\n";

/// What the database keeps, but for the times.
const ROWS: &str = "import sqlite3, sys\n\
    for query in ('select jail, ip, round(bantime, 3), bancount from bips order by jail, ip',\n\
    \x20             'select jail, ip, round(bantime, 3), bancount, data from bans order by jail, ip, bancount'):\n\
    \x20   for row in sqlite3.connect(sys.argv[1]).execute(query):\n\
    \x20       print([x.decode() if isinstance(x, bytes) else x for x in row])\n";

#[test]
fn bans_grow_alike() {
    if has_reference() {
        // Most of the time both wait for bans to end.
        let (found, expected) = std::thread::scope(|threads| {
            let reference = threads.spawn(|| story(Subject::Reference));
            (
                story(Subject::under_test()),
                reference.join().expect("the reference's story"),
            )
        });
        assert_eq!(found, expected, "ours, and then the reference's");
    }
}

struct Story<'a> {
    stage: &'a Stage,
    subject: Subject,
}

impl Story<'_> {
    fn count(&self, text: &str) -> usize {
        self.stage.read("log").matches(text).count()
    }

    fn wait_for(&self, text: &str, times: usize) {
        until(
            &format!("{times} of `{text}` in the log"),
            PATIENCE,
            || self.stage.state(),
            || (self.count(text) >= times).then_some(()),
        );
    }

    fn fail(&self, jail: &str, address: &str, times: usize) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock")
            .as_secs();
        let line = format!("{now} login from {address} failed\n");
        self.stage.append(&format!("{jail}.log"), &line.repeat(times));
    }

    /// Until the next second, so that a failure is later than the ban before it.
    fn a_second_later(&self) {
        std::thread::sleep(Duration::from_millis(1100));
    }

    fn banip(&self, jail: &str, address: &str) {
        let said = self.stage.say(self.subject, &["set", jail, "banip", address]);
        assert_eq!(said.status, 0, "banned by hand");
    }
}

fn story(subject: Subject) -> String {
    let stage = Stage::new(&[
        ("jail.conf", JAILS),
        ("filter.d/simple.conf", FILTER),
        ("action.d/note.conf", ACTION),
        ("one.log", ""),
        ("all.log", ""),
        ("formula.log", ""),
        ("steps.log", ""),
    ]);
    let server = stage.start(subject, &["one", "all", "formula", "steps"]);
    let story = Story {
        stage: &stage,
        subject,
    };
    let known = "192.0.2.5";
    // The first ban, a second one for fewer lines, a third one for a single line.
    let (mut seen, mut weighed) = (0, 0);
    for (round, lines) in [(1, 3), (2, 2), (3, 1)] {
        // One after the other, for the reference weighs a failure some time after it has counted it.
        for _ in 0..lines {
            story.fail("one", known, 1);
            seen += 1;
            story.wait_for(&format!("[one] Found {known} - "), seen);
            if round > 1 {
                weighed += 1;
                story.wait_for(&format!("[one] Found {known}, bad - "), weighed);
            }
        }
        story.wait_for(&format!("[one] Ban {known}"), round);
        story.wait_for("[one] Increase Ban", round - 1);
        for jail in ["formula", "steps"] {
            story.banip(jail, known);
            story.wait_for(&format!("[{jail}] Increase Ban"), round - 1);
        }
        story.wait_for(&format!("[one] Unban {known}"), round);
        story.wait_for(&format!("[formula] Unban {known}"), round);
        story.wait_for(&format!("[steps] Unban {known}"), round);
        story.a_second_later();
    }
    // The bans of all jails together.
    story.fail("all", known, 3);
    story.wait_for("[all] Increase Ban", 1);
    let _said = stage.say(subject, &["stop"]);
    server.ends_well();
    let mut told: Vec<String> = stage
        .anywhere(&stage.read("log"))
        .lines()
        .filter(|line| {
            ["Found", "Ban ", "Unban ", "bad"]
                .iter()
                .any(|word| line.contains(word))
        })
        .map(|line| line.split_once('[').map_or(line, |(_, rest)| rest).to_owned())
        .map(|line| {
            line.split_once("]: ")
                .map_or(line.clone(), |(_, rest)| rest.to_owned())
        })
        .collect();
    told.sort_unstable();
    let notes = ["one", "formula", "steps", "all"].map(|jail| {
        let notes = stage.read(&format!("{jail}.notes"));
        format!("== {jail}\n{notes}")
    });
    let mut rows = Command::new("/usr/bin/python3");
    let rows = run(rows.args(["-c", ROWS]).arg(stage.path().join("db")), PATIENCE);
    let data = without_times(&(rows.stdout + &rows.stderr));
    format!("{}\n{}{data}", told.join("\n"), notes.concat())
}

/// Numbers of ten digits are times.
fn without_times(text: &str) -> String {
    let mut plain = String::new();
    let mut digits = String::new();
    for character in text.chars().chain(['\n']) {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        plain.push_str(if digits.len() == 10 { "TIME" } else { &digits });
        digits.clear();
        plain.push(character);
    }
    plain
}
