//! What an attacker can make a filter remember, and how it says that there was no room.

use jiff::tz::TimeZone;
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{
    Entry, Filter, Found, Losses, MAX_BUFFER_BYTES, MAX_LINES, MAX_SESSION_BYTES, MAX_SESSIONS, MAX_USERS,
    Mode, Output,
};

const NOW: i64 = 1_700_000_000;

fn filter(maxlines: i64, failregex: &[&str]) -> Filter {
    let mode = Mode {
        any_time: true,
        ..Mode::default()
    };
    let mut filter = Filter::new(mode, 2026);
    filter.set_datepattern("{NONE}").expect("a pattern");
    filter.set_maxlines(maxlines).expect("above zero");
    for source in failregex {
        filter.add_failregex(source).expect("a failregex");
    }
    filter
}

/// Reads a line; what was found.
fn read(filter: &mut Filter, line: &[u8]) -> Vec<Found> {
    let clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
    let mut out = Output::default();
    filter.process(Entry::Bytes(line, "log"), &clock, true, &mut out);
    out.found
}

/// Sessions that a `connect` opens and a `fail` of anybody is a failure of.
fn sessions() -> Filter {
    filter(
        1,
        &[
            r"^(?P<mlfid>\d+) <F-NOFAIL>connect</F-NOFAIL> from <ADDR>",
            r"^(?P<mlfid>\d+) fail of <F-USER>\S+</F-USER>",
        ],
    )
}

#[test]
fn of_many_sessions_the_last_are_remembered() {
    const SESSIONS: usize = 100_000;
    let mut filter = sessions();
    for number in 0..SESSIONS {
        let line = format!("{number} connect from 192.0.2.1");
        assert_eq!(read(&mut filter, line.as_bytes()), []);
    }
    let dropped = u64::try_from(SESSIONS - MAX_SESSIONS).expect("a number");
    assert_eq!(filter.losses().sessions, dropped);
    let forgotten = format!("{} fail of joe", SESSIONS - MAX_SESSIONS - 1);
    assert_eq!(
        read(&mut filter, forgotten.as_bytes()),
        [],
        "its address is not known any more"
    );
    let known = format!("{} fail of joe", SESSIONS - MAX_SESSIONS + 1);
    assert_eq!(read(&mut filter, known.as_bytes()).len(), 1);
}

#[test]
fn of_a_long_session_the_newest_lines_are_kept() {
    for (name, length, kept) in [
        ("short lines", 40, MAX_LINES),
        ("long lines", 10_000, MAX_SESSION_BYTES / 10_000),
        ("one too long", MAX_SESSION_BYTES + 1, 1),
    ] {
        let mut filter = sessions();
        for number in 0..MAX_LINES {
            let line = format!("1 connect from 192.0.2.1 {number:03}");
            let line = format!("{line}{}", "x".repeat(length - line.len()));
            assert_eq!(read(&mut filter, line.as_bytes()), [], "{name}");
        }
        let found = read(&mut filter, b"1 fail of joe");
        let lines = found.first().map_or(0, |found| found.matches.len());
        assert!((kept..=kept + 1).contains(&lines), "{name}: {lines} lines");
        let total = u64::try_from(MAX_LINES + 1 - lines).expect("a number");
        assert_eq!(filter.losses().lines, total, "{name}");
    }
}

#[test]
fn of_many_users_some_are_remembered() {
    for (name, length, expected) in [("short names", 8, MAX_USERS), ("long names", 100_000, 2)] {
        let mut filter = sessions();
        read(&mut filter, b"1 connect from 192.0.2.1");
        let mut users = 0;
        for number in 0..150 {
            let line = format!("1 fail of {number:03}{}", "x".repeat(length));
            let found = read(&mut filter, line.as_bytes());
            let found = found
                .first()
                .and_then(|found| found.captured.get("users").cloned());
            let Some(stockade_filter::Data::Set(known)) = found else {
                panic!("{name}: {number} has no users");
            };
            users = known.len();
        }
        assert_eq!(users, expected, "{name}");
        let lost = u64::try_from(150 - expected).expect("a number");
        assert_eq!(filter.losses().users, lost, "{name}");
    }
}

#[test]
fn of_long_lines_few_are_searched_together() {
    let mut filter = filter(1000, &["^a$<SKIPLINES>^b <HOST>$"]);
    assert_eq!(read(&mut filter, b"a"), []);
    for _ in 0..5 {
        assert_eq!(read(&mut filter, &vec![b'x'; MAX_BUFFER_BYTES / 4]), []);
    }
    assert_eq!(
        read(&mut filter, b"b 192.0.2.1"),
        [],
        "its beginning was forgotten"
    );
    assert_eq!(filter.losses().lines, 3);
    read(&mut filter, b"a");
    assert_eq!(read(&mut filter, b"b 192.0.2.1").len(), 1);
}

#[test]
fn lines_of_any_bytes_are_answered() {
    let long = |byte: u8| vec![byte; 1024 * 1024];
    let around = |bytes: &[u8]| [b"fail \xff\x00 of ", bytes, b" from 192.0.2.1"].concat();
    let mut filter = filter(
        1,
        &[
            r"fail \S+ of .*? from <HOST>$",
            r"^(?P<dns>\w+)(?!\w)!$",
            r"(\w+)-\1 <HOST>$",
        ],
    );
    for (name, line, found) in [
        ("nothing", Vec::new(), 0),
        ("NUL", around(b"\x00\x00"), 1),
        ("no text", around(b"\xc3\x28\xed\xa0\x80\xf5"), 1),
        ("CR within", around(b"a\rb"), 1),
        ("a megabyte of NUL", long(0), 0),
        ("a megabyte of letters", long(b'a'), 0),
        ("a megabyte of blanks", long(b' '), 0),
        ("a megabyte that is no text", long(0xff), 0),
        ("a megabyte within", around(&long(b'a')), 1),
        (
            "a megabyte of addresses",
            around(&b"192.0.2.1 from ".repeat(70_000)),
            1,
        ),
    ] {
        assert_eq!(read(&mut filter, &line).len(), found, "{name}");
    }
}

#[test]
fn what_takes_too_many_steps_is_counted() {
    let mut filter = filter(1, &[r"^(a*)(a*)(a*)(a*)\1\2\3\4! <HOST>$"]);
    let line = format!("{}b! x", "a".repeat(600));
    for _ in 0..3 {
        assert_eq!(read(&mut filter, line.as_bytes()), []);
    }
    let expected = Losses {
        searches: 3,
        ..Losses::default()
    };
    assert_eq!(filter.losses(), expected);
}
