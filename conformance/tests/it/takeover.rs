//! One program takes the database over from the other, and back: the bans, their times, and how far logs were read.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use stockade_conformance::{Subject, has_reference, run, until};

use crate::stage::{PATIENCE, Stage};

const FILTER: &str = "[Definition]\nfailregex = ^ login from <HOST> failed$\ndatepattern = EPOCH\n";

const JAILS: &str = "\
[DEFAULT]
backend = polling
findtime = 600
maxretry = 2
usedns = no
enabled = true
filter = simple

[some]
bantime = 600
logpath = DIR/some.log
bantime.increment = true

[ever]
bantime = -1
logpath = DIR/ever.log
";

/// Bans by hand begin within a second, which the database rounds: of them only the id is certain.
const BY_HAND: [&str; 2] = ["198.51.100.0/24", "192.0.2.7"];

/// What the database has of bans and positions.
const ROWS: &str = "import sqlite3, sys\n\
    for query in ('select jail, ip, timeofban, bantime, bancount, data from bips order by jail, ip',\n\
    \x20             'select jail, ip, timeofban, bantime, bancount, data from bans order by jail, ip, timeofban',\n\
    \x20             'select jail, path, firstlinemd5, lastfilepos from logs order by jail, path'):\n\
    \x20   for row in sqlite3.connect(sys.argv[1]).execute(query):\n\
    \x20       print([x.decode() if isinstance(x, bytes) else x for x in row])\n";

struct Scene {
    stage: Stage,
    /// What the log said when the present server was started.
    said_before: usize,
}

impl Scene {
    fn log(&self) -> String {
        self.stage
            .read("log")
            .get(self.said_before..)
            .unwrap_or_default()
            .to_owned()
    }

    fn wait_for(&self, text: &str, times: usize) {
        until(
            &format!("{times} of `{text}` in the log"),
            PATIENCE,
            || self.stage.state(),
            || (self.log().matches(text).count() >= times).then_some(()),
        );
    }

    fn fail(&self, jail: &str, address: &str, times: usize) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock")
            .as_secs();
        let log = format!("{jail}.log");
        let line = format!("{now} login from {address} failed\n");
        self.stage
            .write(&log, &(self.stage.read(&log) + &line.repeat(times)));
    }

    fn rows(&self) -> String {
        let mut python = Command::new("/usr/bin/python3");
        let rows = run(
            python.args(["-c", ROWS]).arg(self.stage.path().join("db")),
            PATIENCE,
        );
        assert_eq!(
            (rows.status, rows.stderr.as_str()),
            (0, ""),
            "the database can be read"
        );
        rows.stdout
    }

    /// Starts a server, does something while it runs, and stops it; the bans at its end, with their times.
    fn with(&mut self, subject: Subject, act: impl FnOnce(&Self)) -> String {
        self.said_before = self.stage.read("log").len();
        let server = self.stage.start(subject, &["some", "ever"]);
        act(self);
        let bans = ["some", "ever"].map(|jail| {
            let words = ["get", jail, "banip", "--with-time"];
            let said = run(subject.client(Some(self.stage.path())).args(words), PATIENCE).stdout;
            let mut bans: Vec<String> = said.lines().map(certain).collect();
            bans.sort_unstable();
            bans.concat()
        });
        self.stage.say(subject, &["stop"]);
        server.ends_well();
        bans.concat()
    }
}

/// A line of `banip --with-time`, without what may differ by a second.
fn certain(line: &str) -> String {
    match line.split_once(' ') {
        Some((id, _)) if BY_HAND.contains(&id) => format!("{id}\n"),
        Some(_) | None => format!("{line}\n"),
    }
}

#[test]
fn either_program_takes_over_from_the_other() {
    if !has_reference() {
        return;
    }
    for (first, second) in [
        (Subject::Reference, Subject::under_test()),
        (Subject::under_test(), Subject::Reference),
    ] {
        let mut scene = Scene {
            stage: Stage::new(&[
                ("jail.conf", JAILS),
                ("filter.d/simple.conf", FILTER),
                ("some.log", ""),
                ("ever.log", ""),
            ]),
            said_before: 0,
        };
        let bans = scene.with(first, |scene| {
            scene.fail("some", "192.0.2.5", 2);
            scene.fail("some", "2001:db8::5", 2);
            scene.fail("ever", "192.0.2.6", 2);
            scene.wait_for("[some] Ban ", 2);
            scene.wait_for("[ever] Ban ", 1);
            for (jail, id) in ["some", "ever"].into_iter().zip(BY_HAND) {
                scene.stage.say(first, &["set", jail, "banip", id]);
                scene.wait_for(&format!("[{jail}] Ban {id}"), 1);
            }
        });
        let rows = scene.rows();
        // One failure while nobody watches.
        scene.fail("some", "192.0.2.8", 1);
        let taken = scene.with(second, |scene| {
            scene.wait_for("[some] Restore Ban ", 3);
            scene.wait_for("[ever] Restore Ban ", 2);
            scene.wait_for("[some] Found 192.0.2.8", 1);
        });
        assert_eq!(taken, bans, "{second:?} has the bans of {first:?}");
        let log = scene.log();
        assert_eq!(
            log.matches("Found ").count(),
            1,
            "{second:?} counts no line again\n{log}"
        );
        let bans_of = |rows: &str| rows.lines().filter(|row| !row.contains(".log'")).count();
        assert_eq!(
            bans_of(&scene.rows()),
            bans_of(&rows),
            "{second:?} records no ban again"
        );
        // And back.
        let back = scene.with(first, |scene| scene.wait_for("Restore Ban ", 5));
        assert_eq!(back, taken, "{first:?} has the bans of {second:?}");
        let log = scene.log();
        assert!(!log.contains("Found "), "{first:?} counts no line again\n{log}");
    }
}
