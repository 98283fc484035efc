//! Which lines belong to a match, and how they are cut; what is expected is what the reference prints.

use jiff::tz::TimeZone;
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Entry, Filter, Mode, Output};

const NOW: i64 = 1_795_348_800;

/// The lines of a match, each cut at its date.
type Cut<'a> = &'a [(&'a str, &'a str, &'a str)];

#[test]
fn the_lines_of_a_match_are_those_of_the_reference() {
    const SKIPPING: &str = "^a$<SKIPLINES>^b <HOST>$";
    const LAST: (&str, &str, &str) = ("", "", "b 192.0.2.1");
    #[rustfmt::skip]
    let rows: &[(&str, &str, &[&str], Cut<'_>)] = &[
        ("skipped lines", SKIPPING, &["a", "s", "", "s", "b 192.0.2.1"], &[("", "", "a"), LAST]),
        ("one that reads as the first", SKIPPING, &["a", "s", "a", "b 192.0.2.1"], &[("", "", "a"), LAST]),
        ("one with a line end of Python's", SKIPPING, &["a", "s\u{85}1", "s", "b 192.0.2.1"],
         &[("", "", "a"), ("", "", "s\u{85}1"), LAST]),
        ("CR is one too", SKIPPING, &["a", "s\r1", "s", "b 192.0.2.1"], &[("", "", "a"), ("", "", "s\r1"), LAST]),
        ("a piece reads as a later line", SKIPPING, &["a", "2\u{85}3", "3", "2", "b 192.0.2.1"],
         &[("", "", "a"), ("", "", "2\u{85}3"), ("", "", "3"), LAST]),
        ("pieces read as later lines", SKIPPING, &["a", "2\u{85}3", "2", "3", "b 192.0.2.1"],
         &[("", "", "a"), ("", "", "2\u{85}3"), LAST]),
        ("a piece reads as the first line", SKIPPING, &["a", "x\u{85}a", "y", "b 192.0.2.1"],
         &[("", "", "x\u{85}a"), LAST]),
        ("a piece reads as the last line", SKIPPING, &["a", "x\u{85}b 192.0.2.1", "y", "b 192.0.2.1"],
         &[("", "", "a"), ("", "", "x\u{85}b 192.0.2.1"), ("", "", "y")]),
        ("an empty date at the beginning", "^a <HOST>$", &["a 192.0.2.1"], &[("", "", "a 192.0.2.1")]),
        ("an empty date within the line", "^!: <HOST>$", &["!: 192.0.2.1"], &[("!:", "", " 192.0.2.1")]),
    ];
    for (name, regex, lines, expected) in rows {
        let mode = Mode {
            any_time: true,
            ..Mode::default()
        };
        let mut filter = Filter::new(mode, 2026);
        filter.set_maxlines(10).expect("it is above zero");
        filter.set_datepattern("^!:()**\n{NONE}").expect("a pattern");
        filter.add_failregex(regex).expect("an expression");
        let clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
        let mut out = Output::default();
        for line in *lines {
            filter.process(Entry::Text(line), &clock, true, &mut out);
        }
        let found: Vec<_> = out.found.iter().flat_map(|found| &found.matches).collect();
        let found: Vec<_> = found
            .iter()
            .map(|line| (line.before(), line.date(), line.after()))
            .collect();
        assert_eq!(found, *expected, "{name}");
    }
}
