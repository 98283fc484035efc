//! What becomes of a daemon in a flood: a log with little in it does not wait for one with much, and what attackers
//! write does not stay in memory past a limit, whatever it is and however many jails read it.
#![expect(
    clippy::disallowed_methods,
    reason = "a test looks at files, and stops at the first surprise"
)]

use std::fmt::{self, Write as _};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use jiff::tz::TimeZone;
use stockade_action::services::Services;
use stockade_daemon::blueprint::Blueprint;
use stockade_daemon::jails::Jails;
use stockade_daemon::keeping::Keeping;
use stockade_daemon::limits::Fill;
use stockade_daemon::log::{Level, Records};
use stockade_daemon::places::Registry;
use stockade_daemon::source::System;
use stockade_daemon::world::{Event, Lines, Progress, World};
use stockade_datetime::Timestamp;
use stockade_protocol::Value;
use tempfile::TempDir;

const NOW: i64 = 1_790_000_000;

const JAILS: usize = 24;

/// A world with a log, in which each turn is over after one piece of work.
#[derive(Default)]
struct Bare {
    bans: Vec<String>,
    services: Services,
}

impl World for Bare {
    fn wait(&mut self, _: Option<Timestamp>) -> (Timestamp, Event) {
        (Timestamp::from_seconds(NOW), Event::Wakeup)
    }

    fn has_time(&mut self) -> bool {
        false
    }

    fn log(&mut self, _: Level, _: &'static str, text: fmt::Arguments<'_>) {
        let text = text.to_string();
        if text.contains("] Found ") {
            self.bans.push(text);
        }
    }

    fn keep_ban(
        &mut self,
        _: &str,
        _: &stockade_jail::Ticket,
        _: stockade_jail::BanTime,
        _: Option<stockade_daemon::growth::Growth>,
        announcement: String,
    ) {
        self.bans.push(announcement);
    }

    fn services(&self) -> &Services {
        &self.services
    }
}

fn blueprint(name: &str, log: Option<&Path>, maxretry: i64) -> Blueprint {
    let mut blueprint = Blueprint::new(name, "polling", 2026);
    let mut set = |property: &str, values: &[Value]| {
        blueprint.set(property, values, false).expect("it is a property");
    };
    set(
        "addfailregex",
        &["^ fail of <F-USER>\\S+</F-USER> from <ADDR>".into()],
    );
    set("maxretry", &[maxretry.into()]);
    if let Some(log) = log {
        set("addlogpath", &[log.display().to_string().into()]);
    }
    blueprint
}

fn line(text: &mut String, user: &str, number: u32) {
    let (high, low) = (number >> 8 & 0xff, number & 0xff);
    let written = writeln!(text, "{NOW} fail of {user} from 198.18.{high}.{low}");
    written.expect("a text takes everything");
}

#[test]
fn a_line_of_a_quiet_log_does_not_wait_for_a_flood() {
    let directory = TempDir::with_prefix("stockade-flood-").unwrap();
    let now = Timestamp::from_seconds(NOW);
    let (hostile, quiet) = (
        directory.path().join("a-hostile"),
        directory.path().join("b-quiet"),
    );
    let mut flood = String::new();
    for number in 0..200_000 {
        line(&mut flood, "a-name-of-nobody", number);
    }
    fs::write(&hostile, "").unwrap();
    fs::write(&quiet, "").unwrap();
    let records = Records::to(|_, _, _| {});
    let mut keeping = Keeping::new(
        System::new(),
        records,
        TimeZone::UTC,
        Registry::default(),
        now,
        || {},
    );
    let mut jails = Jails::new(TimeZone::UTC);
    let mut world = Bare::default();
    for (name, log) in [("hostile", &hostile), ("quiet", &quiet)] {
        let blueprint = blueprint(name, Some(log), 1_000_000);
        keeping.follow(now, &blueprint, &mut |_| None).unwrap();
        jails.start(&mut world, now, blueprint).unwrap();
    }
    keeping.read(now);
    fs::write(&hostile, &flood).unwrap();

    let (mut later, mut turns, mut written, mut heard) = (now, 0, 0, Vec::new());
    while turns < 120 {
        later = later.plus_seconds(1);
        keeping.read(later);
        let Some(event) = keeping.agenda().take_next() else {
            continue;
        };
        let Event::Lines(lines) = event else {
            panic!("lines are all there is: {event:?}");
        };
        turns += 1;
        if let Some(rest) = jails.lines_in_turn(&mut world, later, lines) {
            keeping.agenda().put_back(Event::Lines(rest));
        }
        let found = world
            .bans
            .iter()
            .filter(|text| text.starts_with("[quiet]"))
            .count();
        if found == written {
            if written > 0 {
                heard.push(turns);
            }
            let mut log = OpenOptions::new().append(true).open(&quiet).unwrap();
            let mut text = String::new();
            line(&mut text, "somebody", 1);
            log.write_all(text.as_bytes()).unwrap();
            written += 1;
        }
    }
    // Each line is found a turn or two after it was written, long before the other log is at its end.
    let gaps: Vec<i32> = heard.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() > 20, "{heard:?}");
    assert!(gaps.iter().all(|gap| *gap <= 4), "{gaps:?}");
    let found = world
        .bans
        .iter()
        .filter(|text| text.starts_with("[hostile]"))
        .count();
    assert!((5_000..100_000).contains(&found), "{found}");
}

#[test]
fn lines_of_all_jails_have_one_limit_and_decide_nothing() {
    let now = Timestamp::from_seconds(NOW);
    let limit_of = |jails: &Jails| -> Fill {
        let mut fills = jails.fills().into_iter();
        fills
            .find(|fill| fill.what.starts_with("lines of failures and bans"))
            .unwrap()
    };
    // Once with long names, so that lines have to go, and once with short ones.
    let decisions = [8_000, 10].map(|length| {
        let (mut jails, mut world) = (Jails::new(TimeZone::UTC), Bare::default());
        for number in 0..JAILS {
            jails
                .start(&mut world, now, blueprint(&format!("jail{number}"), None, 3))
                .unwrap();
        }
        let mut most = 0;
        for round in 0..4 {
            for number in 0..300 {
                let mut bytes = String::new();
                // Some come once, some twice, and some are banned.
                if number % 4 >= round {
                    line(&mut bytes, &"x".repeat(length), number);
                }
                let places = if bytes.is_empty() {
                    Vec::new()
                } else {
                    std::iter::once(0..bytes.len()).collect()
                };
                let lines = Lines {
                    jails: (0..JAILS).map(|number| (format!("jail{number}"), true)).collect(),
                    log: "log".to_owned(),
                    bytes: bytes.into_bytes(),
                    lines: places,
                    is_cut: false,
                    progress: Progress::default(),
                };
                jails.lines(&mut world, now, &lines);
                let limit = limit_of(&jails);
                assert!(limit.fill <= Some(limit.limit), "{limit:?}");
                most = most.max(limit.fill.unwrap_or(0));
            }
        }
        let limit = limit_of(&jails);
        assert_eq!(limit.reached > 0, length > 10, "{limit:?}, {most}");
        let counts: Vec<_> = (0..JAILS)
            .map(|number| jails.jail(&format!("jail{number}")).unwrap().status())
            .collect();
        (world.bans, counts)
    });
    let [flooded, ordinary] = decisions;
    assert_eq!(flooded, ordinary, "who is banned, and what is counted");
    assert!(
        flooded.1.iter().all(|counts| counts.currently_banned == 150),
        "{:?}",
        flooded.1
    );
}
