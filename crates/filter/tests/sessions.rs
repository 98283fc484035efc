//! Sessions: what comes of a line is the same whether all of it is read or only what is needed of it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use jiff::tz::TimeZone;
use proptest::prelude::*;
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Entry, Filter, Found, Lines, Mode, Output};

const NOW: i64 = 1_795_348_800;

const PREFIX: &str = "^<F-MLFID>s\\d+</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$";

/// Lines that begin, go on with and end sessions, in one way and another.
const EXPRESSIONS: [&str; 8] = [
    "^<F-NOFAIL>accepted</F-NOFAIL> <F-USER>\\S+</F-USER>$",
    "^failed <F-USER>\\S+</F-USER> from <HOST>$",
    "^<F-MLFFORGET><F-NOFAIL>bye</F-NOFAIL></F-MLFFORGET> <HOST>$",
    "^<F-MLFFORGET><F-MLFGAINED>opened</F-MLFGAINED></F-MLFFORGET> <F-USER>\\S+</F-USER>$",
    "^<F-MLFFORGET>gone</F-MLFFORGET> <HOST>$",
    "^<F-MLFFORGET>lost</F-MLFFORGET> <F-NOFAIL>(?:on purpose)?</F-NOFAIL>$",
    "^of <F-MLFID>s\\d+</F-MLFID>: <F-NOFAIL><F-MLFFORGET>bye</F-MLFFORGET></F-NOFAIL>$",
    "^<F-NOFAIL>left</F-NOFAIL> <F-ALT_MLFFORGET>early</F-ALT_MLFFORGET>$",
];

fn filter(mode: Mode, has_prefix: bool) -> Filter {
    let mut filter = Filter::new(mode, 2026);
    if has_prefix {
        filter.set_prefregex(PREFIX).unwrap();
    }
    for expression in EXPRESSIONS {
        let expression = if has_prefix {
            expression.to_owned()
        } else {
            let rest = expression.trim_start_matches('^');
            if rest.contains("MLFID") {
                format!("^s\\d+: {rest}")
            } else {
                format!("^<F-MLFID>s\\d+</F-MLFID>: {rest}")
            }
        };
        filter.add_failregex(&expression).unwrap();
    }
    filter
}

/// Everything that is told of a match, but the names of groups that took no part, and their places.
fn told(found: &Found) -> impl PartialEq + std::fmt::Debug + use<> {
    let captured = found.captured.iter();
    let mut captured: Vec<_> = captured
        .map(|(name, data)| (name.to_owned(), data.clone()))
        .collect();
    captured.sort_by(|(one, _), (other, _)| one.cmp(other));
    let texts = found.matches.iter().map(ToString::to_string);
    (
        (found.regex, found.who.clone(), found.nofail, found.merged),
        (captured, texts.collect::<Vec<_>>()),
    )
}

fn line() -> impl Strategy<Value = String> {
    let user = prop::sample::select(vec!["root", "alice"]);
    let address = prop::sample::select(vec!["192.0.2.1", "2001:db8::1"]);
    let what = prop_oneof![
        user.clone().prop_map(|user| format!("accepted {user}")),
        (user.clone(), address.clone()).prop_map(|(user, address)| format!("failed {user} from {address}")),
        address.clone().prop_map(|address| format!("bye {address}")),
        user.prop_map(|user| format!("opened {user}")),
        address.prop_map(|address| format!("gone {address}")),
        prop::sample::select(vec!["lost on purpose", "lost ", "left early"]).prop_map(str::to_owned),
        (0..3_u32).prop_map(|session| format!("of s{session}: bye")),
    ];
    (0..3_u32, what).prop_map(|(session, what)| format!("s{session}: {what}"))
}

proptest! {
    #[test]
    fn what_is_not_read_changes_nothing(
        has_prefix in any::<bool>(),
        lines in prop::collection::vec((line(), 0..200_i64), 1..40),
    ) {
        let mut quick = filter(Mode { any_time: true, ..Mode::default() }, has_prefix);
        let mut whole = filter(Mode { any_time: true, explain: true, ..Mode::default() }, has_prefix);
        let mut clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
        let mut seconds = NOW;
        for (line, pause) in &lines {
            // Some sessions are too old when their next line comes.
            seconds += pause;
            clock.set(Timestamp::from_seconds(seconds));
            let (mut out, mut expected) = (Output::default(), Output::default());
            quick.process(Entry::Text(line), &clock, true, &mut out);
            whole.process(Entry::Text(line), &clock, true, &mut expected);
            let found: Vec<_> = out.found.iter().map(told).collect();
            prop_assert_eq!(found, expected.found.iter().map(told).collect::<Vec<_>>(), "{}", line);
            prop_assert_eq!(quick.session_count(), whole.session_count(), "{}", line);
        }
    }

    #[test]
    fn what_is_not_read_of_a_block_changes_nothing(
        has_prefix in any::<bool>(),
        has_ignoreregex in any::<bool>(),
        blocks in prop::collection::vec((prop::collection::vec((line(), 0..8_u32), 1..12), 0..200_i64), 1..8),
    ) {
        let mut quick = filter(Mode { any_time: true, ..Mode::default() }, has_prefix);
        let mut whole = filter(Mode { any_time: true, explain: true, ..Mode::default() }, has_prefix);
        if has_ignoreregex {
            quick.add_ignoreregex("alice|::1").unwrap();
            whole.add_ignoreregex("alice|::1").unwrap();
        }
        let mut clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
        let mut seconds = NOW;
        for (lines, pause) in &blocks {
            seconds += pause;
            clock.set(Timestamp::from_seconds(seconds));
            let (mut bytes, mut places, mut expected) = (Vec::new(), Vec::new(), Vec::new());
            for (number, (line, second)) in lines.iter().enumerate() {
                // Most lines are of the same second as the one before.
                let line = format!("2026-11-22 12:00:{:02} {line}", second / 7);
                let mut out = Output::default();
                whole.process(Entry::Text(&line), &clock, true, &mut out);
                expected.extend(out.found.iter().map(|found| (number, told(found))));
                let begin = bytes.len();
                bytes.extend_from_slice(format!("{line}\n").as_bytes());
                places.push(begin..bytes.len());
            }
            let mut found = Vec::new();
            let lines = Lines { bytes: &bytes, places: &places, file: "log" };
            quick.process_lines(lines, &clock, true, &mut found);
            let found: Vec<_> = found
                .iter()
                .flat_map(|(number, out)| out.found.iter().map(|found| (*number, told(found))))
                .collect();
            prop_assert_eq!(found, expected, "{}", String::from_utf8_lossy(&bytes));
            prop_assert_eq!(quick.session_count(), whole.session_count());
        }
    }
}
