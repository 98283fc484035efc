//! Bans on a clock that someone sets, and bans as long as numbers get: each begins once and ends once.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use jiff::tz::TimeZone;
use stockade_daemon::server::Server;
use stockade_daemon::world::Event;
use stockade_datetime::Timestamp;
use stockade_protocol::{Command, Value};
use stockade_sim::QuietWorld;

const NOW: i64 = 1_795_300_000;
const BANNED: &str = "192.0.2.7";

fn server(bantime: &str) -> Server<QuietWorld> {
    let mut world = QuietWorld::default();
    world.now = Timestamp::from_seconds(NOW);
    let mut server = Server::new(world, TimeZone::UTC, 2026);
    for words in [
        &["add", "one", "polling"][..],
        &["set", "one", "bantime", bantime],
        &["start", "one"],
        &["set", "one", "banip", BANNED],
    ] {
        let command = Command::from_value(&Value::list(words.iter().copied())).unwrap();
        server.execute(Timestamp::from_seconds(NOW), command).unwrap();
    }
    server
}

/// It is `now`, in seconds after the beginning, and somebody may have set the clock.
fn at(server: &mut Server<QuietWorld>, now: i64, is_set: bool) {
    let world = server.world();
    world.now = Timestamp::from_seconds(NOW.saturating_add(now));
    if is_set {
        world.events.push_back(Event::ClockSet);
    }
    server.turn();
}

fn is_banned(server: &Server<QuietWorld>) -> bool {
    server.jails().jail("one").unwrap().bans().count() == 1
}

fn said(server: &mut Server<QuietWorld>, text: &str) -> usize {
    server.world().log.matches(text).count()
}

#[test]
fn a_ban_ends_by_the_clock_however_that_is_set() {
    let years = 2 * 365 * 24 * 3600;
    for (name, jump, is_over) in [
        ("an hour back", -3600, false),
        ("two years back", -years, false),
        ("1970", 100 - NOW, false),
        ("before 1970", -100 - NOW, false),
        ("an hour forth", 3600, true),
        ("two years forth", years, true),
    ] {
        let mut server = server("60");
        at(&mut server, 10, false);
        at(&mut server, 10 + jump, true);
        assert_eq!(is_banned(&server), !is_over, "{name}");
        at(&mut server, 30 + jump, false);
        assert_eq!(is_banned(&server), !is_over, "{name}, a while later");
        // Set right again, it ends when it was to.
        at(&mut server, 59, true);
        assert_eq!(is_banned(&server), !is_over, "{name}, and right again");
        at(&mut server, 61, false);
        at(&mut server, 62, false);
        assert!(!is_banned(&server), "{name}, at its end");
        assert_eq!(said(&mut server, "] Ban "), 1, "{name}");
        assert_eq!(said(&mut server, "] Unban "), 1, "{name}");
    }
}

#[test]
fn ban_times_may_be_any_number() {
    for (bantime, banned, at_end) in [
        ("-1", true, true),
        ("0", true, false),
        ("-2", false, false),
        ("99999999999", true, true),
        ("9223372036854775807", true, true),
        ("60", true, false),
    ] {
        let mut server = server(bantime);
        assert_eq!(is_banned(&server), banned, "{bantime}");
        at(&mut server, 100 * 365 * 24 * 3600, false);
        assert_eq!(is_banned(&server), at_end, "{bantime}, a century later");
    }
}
