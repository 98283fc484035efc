//! Jails for which one filter works decide what each would decide by itself.
//!
//! The same lines go to all jails at once, and to each in a daemon of its own; what both wrote to their logs
//! about each jail must be the same.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use jiff::tz::TimeZone;
use stockade_daemon::blueprint::Blueprint;
use stockade_daemon::jails::Jails;
use stockade_daemon::world::{Lines, Progress};
use stockade_datetime::Timestamp;
use stockade_protocol::Value;
use stockade_sim::QuietWorld;

const NOW: i64 = 1_795_300_000;
const JAILS: usize = 5;

#[test]
fn jails_that_share_a_filter_decide_as_each_would_by_itself() {
    let mut records = 0;
    for seed in 0..60_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut blueprints: Vec<Blueprint> =
            (0..JAILS).map(|number| blueprint(&mut random, number)).collect();
        let mut together = (Jails::new(TimeZone::UTC), QuietWorld::default());
        let mut alone: Vec<(Jails, QuietWorld)> = (0..JAILS)
            .map(|_| (Jails::new(TimeZone::UTC), QuietWorld::default()))
            .collect();
        let mut running = [false; JAILS];
        for second in 0..30 {
            let now = Timestamp::from_seconds(NOW + second);
            let number = random.below(JAILS);
            let name = format!("jail{number}");
            // Most start before the first line; later ones come, go and change.
            let event = if second < 4 { 0 } else { random.below(8) };
            for (jails, world) in [&mut together, &mut alone[number]] {
                match event {
                    0 if !running[number] => {
                        jails.start(world, now, blueprints[number].clone()).unwrap();
                    }
                    1 if running[number] => jails.stop(world, now, &name).unwrap(),
                    2 if running[number] => {
                        let mut changed = blueprints[number].clone();
                        changed.counting.idle = !changed.counting.idle;
                        jails.reshape(world, now, changed).unwrap();
                    }
                    3 if running[number] => {
                        let mut changed = blueprints[number].clone();
                        let regex = ["^ other from <ADDR>$".into()];
                        changed.set("addfailregex", &regex, false).unwrap();
                        jails.reshape(world, now, changed).unwrap();
                    }
                    _ => {}
                }
            }
            match event {
                0 => running[number] = true,
                1 => running[number] = false,
                2 if running[number] => {
                    let idle = &mut blueprints[number].counting.idle;
                    *idle = !*idle;
                }
                3 if running[number] => {
                    let regex = ["^ other from <ADDR>$".into()];
                    blueprints[number].set("addfailregex", &regex, false).unwrap();
                }
                _ => {}
            }
            let everyone = !random.one_in(4);
            let mut receivers: Vec<(String, bool)> = Vec::new();
            for number in 0..JAILS {
                if everyone || random.one_in(2) {
                    receivers.push((format!("jail{number}"), !random.one_in(12)));
                }
            }
            let lines = lines(&mut random, receivers.clone());
            // However often they are left and taken up again, nothing else comes of them.
            together.1.is_hasty = random.one_in(2);
            let mut rest = Some(lines.clone());
            for _turn in 0..=lines.lines.len() * JAILS {
                let Some(left) = rest.take() else { break };
                rest = together.0.lines_in_turn(&mut together.1, now, left);
            }
            assert!(rest.is_none(), "seed {seed}: each turn does something");
            for (number, (jails, world)) in alone.iter_mut().enumerate() {
                let name = format!("jail{number}");
                let own = receivers.iter().filter(|(receiver, _)| *receiver == name);
                let lines = Lines {
                    is_cut: false,
                    jails: own.cloned().collect(),
                    log: lines.log.clone(),
                    bytes: lines.bytes.clone(),
                    lines: lines.lines.clone(),
                    progress: Progress::default(),
                };
                jails.lines(world, now, &lines);
            }
        }
        for (number, (_, world)) in alone.iter().enumerate() {
            let mark = format!("[jail{number}]");
            let of_jail = |log: &str| {
                let records = log.lines().filter(|record| record.contains(&mark));
                records.map(str::to_owned).collect::<Vec<_>>()
            };
            let (shared, own) = (of_jail(&together.1.log), of_jail(&world.log));
            assert_eq!(shared, own, "seed {seed}, jail {number}");
            records += own.len();
        }
    }
    assert!(records > 3_000, "{records} records");
}

#[test]
fn a_line_that_was_cut_is_counted_for_each_jail_that_read_it() {
    let mut random = Random(0x5EED);
    let (mut jails, mut world) = (Jails::new(TimeZone::UTC), QuietWorld::default());
    let now = Timestamp::from_seconds(NOW);
    for number in 0..JAILS {
        let blueprint = blueprint(&mut random, number);
        jails.start(&mut world, now, blueprint).unwrap();
    }
    for (is_cut, number) in [(true, 0), (true, 1), (false, 1)] {
        let receivers = (number..JAILS).map(|number| (format!("jail{number}"), true));
        let mut lines = lines(&mut random, receivers.collect());
        lines.is_cut = is_cut;
        jails.lines(&mut world, now, &lines);
    }
    for number in 0..JAILS {
        let expected = if number == 0 { 1 } else { 2 };
        let reached = jails.limits_reached(&format!("jail{number}"));
        assert!(
            reached.contains(&("lines cut", expected)),
            "jail{number}: {reached:?}"
        );
    }
}

fn blueprint(random: &mut Random, number: usize) -> Blueprint {
    let mut blueprint = Blueprint::new(&format!("jail{number}"), "polling", 2026);
    let mut set = |property: &str, value: Value| blueprint.set(property, &[value], false).unwrap();
    if random.one_in(4) {
        set("usedns", "no".into());
    }
    if random.one_in(6) {
        set("findtime", "30".into());
    }
    set(
        "prefregex",
        "^ host app\\[<F-MLFID>\\d+</F-MLFID>\\]: <F-CONTENT>.+</F-CONTENT>$".into(),
    );
    for regex in [
        "^<F-NOFAIL>open</F-NOFAIL> from <HOST>$",
        "^fail of <F-USER>\\w+</F-USER>(?: from <HOST>)?$",
        "^<F-MLFFORGET>close</F-MLFFORGET>",
    ] {
        set("addfailregex", regex.into());
    }
    if random.one_in(5) {
        set("addfailregex", "^guess from <HOST>$".into());
    }
    set("maxretry", ["3", "4"][random.below(2)].into());
    blueprint
}

fn lines(random: &mut Random, jails: Vec<(String, bool)>) -> Lines {
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    for _ in 0..random.below(20) {
        let start = bytes.len();
        let (second, session, host) = (random.below(60), random.below(4), random.below(5));
        let text = match random.below(9) {
            0 => format!("open from 192.0.2.{host}"),
            1 => format!("open from name{host}"),
            2 => "fail of root".to_owned(),
            3 => format!("fail of user{host} from 192.0.2.{host}"),
            4 => "close".to_owned(),
            5 => format!("guess from 192.0.2.{host}"),
            6 => format!("other from 192.0.2.{host}"),
            _ => "nothing that matters".to_owned(),
        };
        let date = ["Nov 21 21:26:", "2026-11-21 21:26:"][usize::from(random.one_in(9))];
        bytes.extend_from_slice(format!("{date}{second:02} host app[{session}]: {text}\n").as_bytes());
        places.push(start..bytes.len());
    }
    Lines {
        jails,
        log: "log".to_owned(),
        bytes,
        lines: places,
        is_cut: false,
        progress: Progress::default(),
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 33) % limit as u64).unwrap()
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}
