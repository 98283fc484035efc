//! Lines of a log: whatever they are, a filter looks at them without harm, and what it finds is whole.
#![no_main]

use std::cell::RefCell;

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Entry, Filter, Mode, Output};
use stockade_jail::{Input, Jail, Settings};

const PREFREGEX: &str = "^ svc\\[<F-MLFID>\\w*</F-MLFID>\\]: <F-CONTENT>.+</F-CONTENT>$";
const FAILREGEX: [&str; 5] = [
    "^fail for <F-USER>\\S*</F-USER>(?: from <ADDR>)?",
    "^<F-NOFAIL>open</F-NOFAIL>",
    "^<F-MLFFORGET>end</F-MLFFORGET>",
    "^id <F-ID/>$",
    "^from <F-TUPLE_ID>\\S+</F-TUPLE_ID> <HOST>$",
];

thread_local! {
    // Compiling takes longer than matching; what is remembered of earlier inputs is part of what is tried.
    static SUBJECT: RefCell<(Filter, Jail)> = RefCell::new(subject());
}

fn subject() -> (Filter, Jail) {
    let mut filter = Filter::new(Mode::default(), 2026);
    filter.set_prefregex(PREFREGEX).expect("a prefregex");
    for source in FAILREGEX {
        filter.add_failregex(source).expect("a failregex");
    }
    (filter, Jail::new("fuzz", Settings::default()))
}

fuzz_target!(|bytes: &[u8]| {
    let mut clock = Clock::new(Timestamp::from_seconds(1_700_000_000), TimeZone::UTC);
    SUBJECT.with_borrow_mut(|(filter, jail)| {
        for (seconds, line) in (0..).zip(bytes.split(|&byte| byte == b'\n')) {
            clock.set(Timestamp::from_seconds(1_700_000_000 + seconds));
            let (mut out, mut effects) = (Output::default(), Vec::new());
            filter.process(Entry::Bytes(line, "log"), &clock, true, &mut out);
            assert!(out.found.len() <= 1, "one expression wins");
            for candidate in out.found.into_iter().flat_map(|found| found.into_candidates(&[])) {
                assert!(!candidate.matches.is_empty(), "there is evidence");
                jail.step(clock.now(), Input::Failure(candidate), &mut effects);
            }
        }
    });
});
