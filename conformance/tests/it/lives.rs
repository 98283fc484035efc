//! Random lives of jails: failures, bans by hand, unbans, attempts, hours that pass, restarts. Both servers live through
//! the same, and have the same bans, ban times, counts and rows in their databases after each step.
//!
//! Both run on a clock that stands still and is set on between the steps, so that times are compared to the second: ours
//! by libfaketime, the interpreter of the reference by a module that replaces its function. A scenario is a jail, with settings and a life of its own; the jails of one seed share the servers and
//! the clock. `STOCKADE_LIVES=N..M` has these seeds lived through in place of the fixed ones, each with more jails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use stockade_conformance::{Subject, has_reference, run, skip, within};

use crate::random::{Random, seeds};
use crate::stage::{FILTER, PATIENCE, Server, Stage};

/// The seeds that are lived through unless others are asked for, and how many jails and steps each has.
const SEEDS: Range<u64> = 0..1;
const SIZE: (usize, usize) = (8, 6);
/// The same where seeds are asked for.
const ASKED: (usize, usize) = (15, 8);

const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// How long both may take until they agree.
const SETTLED: Duration = Duration::from_secs(60);

const DEFAULT: &str = "\
[DEFAULT]
backend = auto
usedns = no
enabled = true
filter = simple
";

/// What the interpreter reads as it starts: its time is what the file says.
const CLOCK: &str = "import os, time, calendar\n\
    def now(path=os.environ['CLOCK']):\n\
    \x20   with open(path) as file:\n\
    \x20       return float(calendar.timegm(time.strptime(file.read().strip(), '%Y-%m-%d %H:%M:%S')))\n\
    time.time = now\n";

/// Who fails and is banned.
const IDS: [&str; 5] = [
    "192.0.2.5",
    "192.0.2.6",
    "198.51.100.7",
    "2001:db8::5",
    "2001:db8:1::9",
];

/// What the database keeps; ours has ban times to the microsecond.
const ROWS: &str = "import sqlite3, sys\n\
    for query in ('select jail, ip, timeofban, round(bantime, 5), bancount, data from bips order by jail, ip',\n\
    \x20             'select jail, ip, timeofban, round(bantime, 5), bancount, data from bans order by jail, ip, timeofban, rowid'):\n\
    \x20   for row in sqlite3.connect(sys.argv[1]).execute(query):\n\
    \x20       print([x.decode() if isinstance(x, bytes) else x for x in row])\n";

/// When the clock begins: on a full second, and so that no day changes for the shorter lives.
const BEGIN: i64 = 1_795_305_600;

/// One jail and what has happened to it.
struct Life {
    name: String,
    settings: String,
    findtime: i64,
    grows: bool,
    /// When each id failed last.
    failed: BTreeMap<usize, i64>,
    /// How many failures and attempts were counted since the servers were started.
    counted: usize,
    /// What was done, for whoever reads of a difference.
    told: Vec<String>,
    is_different: bool,
}

impl Life {
    fn new(random: &mut Random, number: usize) -> Self {
        let name = format!("life{number}");
        let one = |random: &mut Random, words: &[&str]| random.pick(words).to_owned();
        let bantime = one(
            random,
            &[
                "30",
                "600",
                "600",
                "1h",
                "10m",
                "1d",
                "-1",
                "45",
                "0",
                "-5",
                "99999999999",
            ],
        );
        let (findtime, seconds) = random.pick(&[("600", 600), ("1h", 3600), ("1d", 86_400), ("90", 90)]);
        let maxretry = 1 + random.below(4);
        let mut settings = format!("bantime = {bantime}\nfindtime = {findtime}\nmaxretry = {maxretry}\n");
        let grows = random.below(2) == 0;
        if grows {
            settings += "bantime.increment = true\n";
            for line in [
                one(
                    random,
                    &[
                        "",
                        "",
                        "bantime.factor = 2",
                        "bantime.factor = 1.5",
                        "bantime.factor = 0.5",
                    ],
                ),
                one(
                    random,
                    &[
                        "",
                        "",
                        "bantime.maxtime = 1h",
                        "bantime.maxtime = 3d",
                        "bantime.maxtime = 1d 2h",
                    ],
                ),
                one(
                    random,
                    &[
                        "",
                        "",
                        "bantime.multipliers = 1 2 4 8 16 32 64",
                        "bantime.multipliers = 3 1",
                        "bantime.formula = ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)",
                        "bantime.formula = ban.Time + 7 * ban.Count ** 2",
                        "bantime.formula = 1",
                        "bantime.formula = ban.Time / (ban.Count - 1)",
                    ],
                ),
            ] {
                settings = settings + &line + "\n";
            }
            if bantime == "0" {
                // Whether a ban of no time counts where the formula fails depends on which thread of the reference is first.
                settings = settings.replace("(ban.Count - 1)", "(ban.Count + 1)");
            }
        }
        if random.below(4) == 0 {
            settings += "maxmatches = 1\n";
        }
        Self {
            settings: format!("[{name}]\nlogpath = DIR/{name}.log\n{settings}\n"),
            name,
            findtime: seconds,
            grows,
            failed: BTreeMap::new(),
            counted: 0,
            told: Vec::new(),
            is_different: false,
        }
    }

    /// Whether it is certain what a further failure counts for: the reference forgets failures that are older than
    /// `findtime` at moments of its own.
    fn may_fail(&self, id: usize, now: i64) -> bool {
        self.failed
            .get(&id)
            .is_none_or(|last| now - last < self.findtime - 5)
    }
}

/// A server on a stage of its own, whose clock is ours.
struct Side {
    subject: Subject,
    stage: Stage,
    /// What its log had said when it was started last.
    said_before: usize,
}

impl Side {
    fn new(subject: Subject, jails: &str, lives: &[Life]) -> Self {
        let mut files = vec![("jail.conf", jails), ("filter.d/simple.conf", FILTER)];
        let logs: Vec<String> = lives.iter().map(|life| format!("{}.log", life.name)).collect();
        files.extend(logs.iter().map(|log| (log.as_str(), "")));
        let stage = Stage::new(&files);
        stage.write("sitecustomize.py", CLOCK);
        let server = stage
            .read("fail2ban.conf")
            .replace("dbpurgeage = 1d", "dbpurgeage = 300d");
        stage.write("fail2ban.conf", &server);
        Self {
            subject,
            stage,
            said_before: 0,
        }
    }

    fn set_clock(&self, now: i64) {
        let moment = jiff::Timestamp::from_second(now).expect("a moment");
        let text = moment.strftime("%Y-%m-%d %H:%M:%S\n").to_string();
        // It is read at any moment, so it is replaced as a whole.
        self.stage.write("clock.new", &text);
        std::fs::rename(
            self.stage.path().join("clock.new"),
            self.stage.path().join("clock"),
        )
        .expect("a rename");
    }

    fn start(&self, lives: &[Life]) -> Server<'_> {
        let jails: Vec<&str> = lives.iter().map(|life| life.name.as_str()).collect();
        let clock = self.stage.path().join("clock");
        self.stage.start_with(self.subject, &jails, |command| {
            command.env("TZ", "UTC");
            match self.subject {
                Subject::Ours => {
                    command
                        .env("LD_PRELOAD", LIBRARY)
                        .env("FAKETIME_TIMESTAMP_FILE", &clock)
                        .env("FAKETIME_NO_CACHE", "1")
                        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                        .env("NO_FAKE_STAT", "1");
                }
                Subject::Reference => {
                    let known = command.get_envs().find(|(name, _)| *name == "PYTHONPATH");
                    let known = known.and_then(|(_, path)| path).unwrap_or_default();
                    let mut path = self.stage.path().as_os_str().to_owned();
                    path.push(":");
                    path.push(known);
                    command.env("PYTHONPATH", path).env("CLOCK", &clock);
                }
            }
        })
    }

    /// Asks our client, which either server understands.
    fn ask(&self, words: &[&str]) -> String {
        let mut client = Subject::Ours.client(Some(self.stage.path()));
        // The reference ends its jails one after the other, each with a wait.
        let ran = run(client.args(words), 5 * PATIENCE);
        ran.stdout + &ran.stderr
    }

    fn counted(&self, name: &str) -> usize {
        let log = self.stage.read("log");
        let log = log.get(self.said_before..).unwrap_or_default();
        let counts = |line: &&str| {
            let text = line.split_once(&format!("[{name}] ")).map(|(_, text)| text);
            text.is_some_and(|text| {
                (text.starts_with("Found ") && text.contains(" - ") && !text.contains(", bad - "))
                    || text.starts_with("Attempt ")
            })
        };
        log.lines().filter(counts).count()
    }

    /// The bans of a jail with their times, and its counts; but for that of ids with failures, which the reference forgets
    /// at moments of its own.
    fn bans(&self, name: &str) -> String {
        let bans = self.ask(&["get", name, "banip", "--with-time"]);
        let mut bans: Vec<&str> = bans.lines().collect();
        bans.sort_unstable();
        let status = self.ask(&["status", name]);
        let counts = status
            .lines()
            .filter(|line| line.contains("Currently banned") || line.contains("Total"));
        let counts: Vec<&str> = counts.collect();
        format!("{}\n{}\n", bans.join("\n"), counts.join("\n"))
    }

    /// What the database has of each jail.
    fn rows(&self, path: &Path) -> BTreeMap<String, String> {
        let mut python = Command::new("/usr/bin/python3");
        let rows = run(python.args(["-c", ROWS]).arg(path), PATIENCE).stdout;
        let mut of_jails: BTreeMap<String, String> = BTreeMap::new();
        for row in rows.lines() {
            let jail = row.split('\'').nth(1).unwrap_or_default();
            let text = of_jails.entry(jail.to_owned()).or_default();
            let _infallible = writeln!(text, "{row}");
        }
        of_jails
    }
}

/// Waits until both agree about all jails that have agreed so far; those that do not are told.
fn settle(sides: &[Side; 2], lives: &mut [Life], when: &str) {
    for life in lives.iter().filter(|life| !life.is_different) {
        for side in sides {
            // Where it is fewer, the counts will tell.
            let _all = within(SETTLED, || {
                (side.counted(&life.name) >= life.counted).then_some(())
            });
        }
    }
    let [ours, theirs] = sides;
    for life in lives.iter_mut().filter(|life| !life.is_different) {
        let mut last = (String::new(), String::new());
        let agree = within(SETTLED, || {
            last = (ours.bans(&life.name), theirs.bans(&life.name));
            (last.0 == last.1).then_some(())
        });
        if agree.is_none() {
            life.is_different = true;
            life.told
                .push(format!("{when}: ours\n{}theirs\n{}", last.0, last.1));
        }
    }
    let mut last = (BTreeMap::new(), BTreeMap::new());
    let agree = within(SETTLED, || {
        last = (
            ours.rows(&ours.stage.path().join("db")),
            theirs.rows(&theirs.stage.path().join("db")),
        );
        let of_interest = |rows: &BTreeMap<String, String>| -> Vec<Option<String>> {
            let lives = lives.iter().filter(|life| !life.is_different);
            lives.map(|life| rows.get(&life.name).cloned()).collect()
        };
        (of_interest(&last.0) == of_interest(&last.1)).then_some(())
    });
    if agree.is_none() {
        for life in lives.iter_mut().filter(|life| !life.is_different) {
            let (ours, theirs) = (last.0.get(&life.name), last.1.get(&life.name));
            if ours != theirs {
                life.is_different = true;
                life.told
                    .push(format!("{when}: rows, ours\n{ours:?}\ntheirs\n{theirs:?}"));
            }
        }
    }
}

/// An id by its number.
fn id_at(number: usize) -> &'static str {
    IDS.get(number).copied().unwrap_or("192.0.2.1")
}

/// Lets something happen to a jail on both sides.
fn happen(random: &mut Random, sides: &[Side; 2], life: &mut Life, now: i64) {
    let id = random.below(IDS.len());
    let ip = id_at(id);
    let name = life.name.clone();
    let both = |words: &[&str]| {
        for side in sides {
            side.ask(words);
        }
    };
    match random.below(12) {
        0..6 if life.may_fail(id, now) => {
            // Known offenders count for more, and when that is weighed is the reference's own affair.
            let times = if life.grows { 1 } else { 1 + random.below(4) };
            let lag = random.pick(&[0, 0, 0, 3]);
            let line = format!("{} login from {} failed\n", now - lag, ip);
            for side in sides {
                side.stage.append(&format!("{name}.log"), &line.repeat(times));
            }
            life.counted += times;
            life.failed.insert(id, now);
            life.told
                .push(format!("{now}: {times} failures of {}, {lag} s ago", ip));
        }
        6 => {
            both(&["set", &name, "banip", ip]);
            life.told.push(format!("{now}: banip {}", ip));
        }
        7 => {
            both(&["set", &name, "banip", "203.0.113.0/24", ip]);
            life.told.push(format!("{now}: banip 203.0.113.0/24 {}", ip));
        }
        8 => {
            both(&["set", &name, "unbanip", ip]);
            life.told.push(format!("{now}: unbanip {}", ip));
        }
        9 if life.may_fail(id, now) => {
            let lines: &[&str] = random.pick(&[&["one"][..], &["one", "two"], &[]]);
            let words = [&["set", &name, "attempt", ip], lines].concat();
            both(&words);
            life.counted += 1;
            life.failed.insert(id, now);
            life.told.push(format!("{now}: attempt {} {lines:?}", ip));
        }
        // Where it is made shorter, the reference goes on by the ends that it has worked out before.
        10 if random.below(2) == 0 => {
            let bantime = random.pick(&["2d", "3d"]);
            both(&["set", &name, "bantime", bantime]);
            life.told.push(format!("{now}: bantime {bantime}"));
        }
        _ => {}
    }
}

/// Lives through a seed; what differed.
fn live(seed: u64, (jails, steps): (usize, usize)) -> Vec<String> {
    let mut random = Random(seed);
    let mut lives: Vec<Life> = (0..jails).map(|number| Life::new(&mut random, number)).collect();
    let configuration = lives
        .iter()
        .fold(DEFAULT.to_owned(), |text, life| text + &life.settings);
    let mut sides =
        [Subject::under_test(), Subject::Reference].map(|subject| Side::new(subject, &configuration, &lives));
    let mut now = BEGIN;
    let mut step = 0;
    while step < steps {
        for side in &sides {
            side.set_clock(now);
        }
        let servers = sides.each_ref().map(|side| side.start(&lives));
        settle(&sides, &mut lives, "after the start");
        let end = steps.min(step + 2 + random.below(5));
        while step < end {
            step += 1;
            for life in &mut lives {
                happen(&mut random, &sides, life, now);
            }
            settle(&sides, &mut lives, &format!("at {now}"));
            now += match random.below(6) {
                0..3 => 3 + i64::try_from(random.below(60)).expect("a small number"),
                3 | 4 => 60 + i64::try_from(random.below(900)).expect("a small number"),
                _ => 1000 + i64::try_from(random.below(9000)).expect("a small number"),
            };
            for side in &sides {
                side.set_clock(now);
            }
            settle(&sides, &mut lives, &format!("once it is {now}"));
        }
        for side in &sides {
            side.ask(&["stop"]);
        }
        for server in servers {
            server.ends_well();
        }
        for side in &mut sides {
            side.said_before = side.stage.read("log").len();
        }
        for life in &mut lives {
            life.counted = 0;
            // What was counted and did not lead to a ban is forgotten with the server.
            life.failed.clear();
        }
        now += i64::try_from(random.below(400)).expect("a small number");
    }
    let different = lives.iter().filter(|life| life.is_different);
    different
        .map(|life| format!("seed {seed}\n{}{}", life.settings, life.told.join("\n")))
        .collect()
}

#[test]
fn jails_live_alike() {
    if !has_reference() {
        return;
    }
    if !Path::new(LIBRARY).exists() {
        skip("there is no libfaketime");
        return;
    }
    let asked = std::env::var("STOCKADE_LIVES").ok();
    let range = asked.as_ref().map_or(SEEDS, |text| seeds(text));
    let size = if asked.is_some() { ASKED } else { SIZE };
    let mut different = Vec::new();
    let mut lived = 0;
    for seed in range {
        let found = live(seed, size);
        println!("seed {seed}: {} of {} lives differ", found.len(), size.0);
        different.extend(found);
        lived += size.0;
    }
    assert!(
        different.is_empty(),
        "{} of {lived} lives differ\n{}",
        different.len(),
        different.join("\n\n")
    );
}
