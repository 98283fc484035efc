//! What must hold for lines that an attacker writes.

use jiff::tz::TimeZone;
use proptest::prelude::*;
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Entry, Filter, MAX_LINES, Mode, Output, Who};

const NOW: i64 = 1_700_000_000;

/// maxlines, prefregex, failregexes, ignoreregexes, datepattern.
type Row<'a> = (
    i64,
    Option<&'a str>,
    &'a [&'a str],
    &'a [&'a str],
    Option<&'a str>,
);

/// Filters that use all there is: a session in the prefregex, ids and tuples, several lines.
fn filters(mode: Mode) -> Vec<Filter> {
    let rows: [Row<'_>; 4] = [
        (
            1,
            Some("^ svc\\[<F-MLFID>\\w*</F-MLFID>\\]: <F-CONTENT>.+</F-CONTENT>$"),
            &[
                "^fail for <F-USER>\\S*</F-USER>(?: from <ADDR>)?",
                "^<F-NOFAIL>open</F-NOFAIL>",
                "^<F-MLFFORGET>end</F-MLFFORGET>",
            ],
            &["ignored"],
            Some("{^LN-BEG}EPOCH"),
        ),
        (
            1,
            None,
            &[
                "^ id <F-ID/> <HOST>?",
                "^ <F-TUPLE_ID_1>\\S+</F-TUPLE_ID_1> <SUBNET>",
                "<DNS>!$",
            ],
            &[],
            None,
        ),
        (
            4,
            None,
            &[
                "^ a <HOST>$<SKIPLINES>^ b$",
                "^ c\\n d <F-ID/>$",
                "\\n? e <ADDR>\\n",
            ],
            &["^ a x"],
            Some("{^LN-BEG}EPOCH\n{NONE}"),
        ),
        (
            3,
            Some("svc <F-CONTENT>.*</F-CONTENT>"),
            &["<HOST>"],
            &[],
            Some("%Y-%m-%d"),
        ),
    ];
    let make = |(maxlines, prefregex, failregex, ignoreregex, datepattern): Row<'_>| {
        let mut filter = Filter::new(mode, 2026);
        filter.set_maxlines(maxlines).expect("above zero");
        filter
            .set_prefregex(prefregex.unwrap_or_default())
            .expect("a prefregex");
        for source in failregex {
            filter.add_failregex(source).expect("a failregex");
        }
        for source in ignoreregex {
            filter.add_ignoreregex(source).expect("an ignoreregex");
        }
        if let Some(pattern) = datepattern {
            filter.set_datepattern(pattern).expect("a datepattern");
        }
        filter
    };
    rows.into_iter().map(make).collect()
}

/// Lines that come near to what the filters look for.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("1700000000".to_owned()),
        Just("2023-11-14 22:13:20".to_owned()),
        Just(" svc[1]: ".to_owned()),
        Just(" svc[".to_owned()),
        Just("fail for ".to_owned()),
        Just("open".to_owned()),
        Just("end".to_owned()),
        Just(" from 192.0.2.1".to_owned()),
        Just(" id 192.0.2.0/24 ".to_owned()),
        Just("[2001:db8::1]".to_owned()),
        Just(" a host.example".to_owned()),
        Just(" b".to_owned()),
        Just(" c".to_owned()),
        Just(" d x".to_owned()),
        Just(" e ::ffff:192.0.2.1".to_owned()),
        "[ -~]{0,6}",
        ".{0,4}",
    ];
    prop_oneof![
        8 => prop::collection::vec(word, 0..6).prop_map(|words| words.concat().into_bytes()),
        // Whoever reads the log sees to it that LF only ends a line.
        1 => prop::collection::vec(any::<u8>().prop_map(|byte| if byte == b'\n' { 0 } else { byte }), 0..60),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_line_breaks_a_filter_and_what_is_found_is_whole(
        lines in prop::collection::vec((line(), 0..400_i64), 1..40),
        check_all in any::<bool>(),
        any_time in any::<bool>(),
        in_operation in any::<bool>(),
    ) {
        let mode = Mode { check_all, tell_pending: check_all, raw: false, any_time, explain: false };
        for mut filter in filters(mode) {
            let mut clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
            let mut now = NOW;
            let failregexes = filter.failregex().len();
            for (line, pause) in &lines {
                now += pause / 10;
                clock.set(Timestamp::from_seconds(now));
                let mut out = Output::default();
                filter.process(Entry::Bytes(line, "log"), &clock, in_operation, &mut out);
                prop_assert!(check_all || out.found.len() <= 1, "one expression wins");
                for found in out.found {
                    prop_assert!(found.regex < failregexes);
                    prop_assert!(found.nofail || !found.matches.is_empty());
                    prop_assert!(found.matches.len() <= MAX_LINES);
                    prop_assert!(any_time || found.time.is_some(), "a failure has a time");
                    if let (false, true, Some(time)) = (any_time, in_operation, found.time) {
                        let distance = time.micros_since(clock.now()).abs();
                        prop_assert!(distance < 61_000_000, "a time is near now");
                    }
                    prop_assert!(check_all || (found.who != Who::Pending && !found.nofail));
                    let counted = found.into_candidates(&[]);
                    prop_assert!(counted.count() <= 1);
                }
            }
        }
    }
}

#[test]
fn an_expression_that_is_given_up_is_told_once_and_by_its_number() {
    let mut filter = Filter::new(Mode::default(), 2026);
    filter.add_failregex("^ other <HOST>$").expect("a failregex");
    // What a group captured decides how it goes on, so that failures cannot be remembered.
    filter
        .add_failregex(r"^ (a*)(a*)(a*)(a*)\1\2\3\4! <HOST>$")
        .expect("a failregex");
    let clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
    let line = format!("{NOW} {}b! x", "a".repeat(600));
    let mut told = Vec::new();
    for _ in 0..3 {
        let mut out = Output::default();
        filter.process(Entry::Bytes(line.as_bytes(), "log"), &clock, true, &mut out);
        assert_eq!(out.found, []);
        told.extend(out.notes);
    }
    let expressions: Vec<_> = told.iter().map(|note| note.expression.as_deref()).collect();
    let second = filter.failregex().get(1).map(|regex| regex.expanded());
    assert_eq!(expressions, [second], "{told:?}");
}
