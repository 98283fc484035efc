//! A server that is killed in the middle of a burst of bans: whoever was announced as banned is so after its restart.
//!
//! `STOCKADE_KILLS` asks for another number of kills than the few of every run.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use stockade_conformance::{Subject, run, until};

use crate::stage::{PATIENCE, Server, Stage};

/// How many addresses fail, a hundred at a time.
const BURST: usize = 5000;
/// How often a server is killed when nothing else is asked for.
const KILLS: u64 = 4;

const JAIL: &str = "[burst]\nenabled = true\nbackend = auto\nbantime = 1h\nfindtime = 600\nmaxretry = 1\nusedns = no\n\
    filter = simple\nlogpath = DIR/burst.log\n";
const FILTER: &str = "[Definition]\nfailregex = ^ login from <HOST> failed$\ndatepattern = EPOCH\n";

#[test]
fn no_announced_ban_is_lost() {
    let asked = std::env::var("STOCKADE_KILLS").ok();
    let kills = asked.map_or(KILLS, |kills| kills.parse().expect("STOCKADE_KILLS is a number"));
    let whole = {
        let scene = Scene::new();
        let server = scene.start();
        let begin = Instant::now();
        scene.burst();
        scene.wait_for_announcements();
        drop(server);
        begin.elapsed()
    };
    let mut announced = 0;
    for seed in 1..=kills {
        // Some kills come after the last ban.
        let thousandths =
            u16::try_from(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 1100).expect("it is small");
        announced += Scene::new().killed_after(whole.mul_f64(f64::from(thousandths) / 1000.0), seed);
    }
    println!("{kills} kills within {whole:?}, {announced} bans announced before them, none lost");
    assert!(announced > 0, "some kills came after the first ban");
}

struct Scene(Stage);

impl Scene {
    fn new() -> Self {
        Self(Stage::new(&[
            ("jail.conf", JAIL),
            ("filter.d/simple.conf", FILTER),
            ("burst.log", ""),
        ]))
    }

    fn start(&self) -> Server<'_> {
        self.0.start(Subject::under_test(), &["burst"])
    }

    fn burst(&self) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock")
            .as_secs();
        let log = self.0.path().join("burst.log");
        let mut log = OpenOptions::new().append(true).open(log).expect("a log");
        for high in 0..BURST / 100 {
            let mut lines = String::new();
            for low in 1..=100 {
                writeln!(lines, "{now} login from 198.18.{high}.{low} failed").expect("a text takes it");
            }
            log.write_all(lines.as_bytes()).expect("a log takes it");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn wait_for_announcements(&self) {
        let state = || self.0.state();
        until("the whole burst to be banned", PATIENCE, state, || {
            (banned(&self.0.read("log")).len() >= BURST).then_some(())
        });
    }

    /// How many bans had been announced when the server was killed.
    fn killed_after(&self, delay: Duration, seed: u64) -> usize {
        let server = self.start();
        std::thread::scope(|threads| {
            threads.spawn(|| self.burst());
            std::thread::sleep(delay);
            drop(server);
        });
        let announced = banned(&self.0.read("log"));
        let restarted = self.start();
        let in_force = || -> BTreeSet<String> {
            let mut client = Subject::under_test().client(Some(self.0.path()));
            let said = run(client.args(["get", "burst", "banip"]), PATIENCE);
            said.stdout.split_whitespace().map(str::to_owned).collect()
        };
        let missing = || format!("missing: {:?}", announced.difference(&in_force()));
        let what = format!("every announced ban to be in force, with seed {seed}");
        until(&what, PATIENCE, missing, || {
            announced.is_subset(&in_force()).then_some(())
        });
        drop(restarted);
        announced.len()
    }
}

/// The addresses whose ban the log announces.
fn banned(log: &str) -> BTreeSet<String> {
    log.split_inclusive('\n')
        .filter_map(|line| line.split_once("[burst] Ban "))
        // The kill may have come in the middle of a line.
        .filter_map(|(_, id)| id.strip_suffix('\n'))
        .map(str::to_owned)
        .collect()
}
