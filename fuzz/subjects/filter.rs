//! Lines of a log: whatever they are, a filter looks at them without harm, what it finds is whole, and it is the same
//! where literals are looked for first.
//!
//! The first byte chooses the filter.

use std::cell::RefCell;
use std::ops::Range;

use jiff::tz::TimeZone;
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Entry, Filter, Lines, Mode, Output};
use stockade_jail::{Input, Jail, Settings};

const NOW: i64 = 1_700_000_000;
const LINES: usize = 12;

/// `maxlines`, prefregex, failregexes, ignoreregexes, datepattern.
type Row<'a> = (i64, &'a str, &'a [&'a str], &'a [&'a str], &'a str);

const FILTERS: [Row<'_>; 4] = [
    (
        1,
        "^ svc\\[<F-MLFID>\\w*</F-MLFID>\\]: <F-CONTENT>.+</F-CONTENT>$",
        &[
            "^fail for <F-USER>\\S*</F-USER>(?: from <ADDR>)?",
            "^<F-NOFAIL>open</F-NOFAIL>",
            "^<F-MLFFORGET>end</F-MLFFORGET>",
            "^<F-NOFAIL><F-MLFGAINED>in</F-MLFGAINED></F-NOFAIL> of <F-ALT_USER>\\w+</F-ALT_USER>",
            "^id <F-ID/>$",
            "^from <F-TUPLE_ID>\\S+</F-TUPLE_ID> <HOST>$",
        ],
        &["spared"],
        "",
    ),
    (
        1,
        "",
        &[
            "^ id <F-ID/> <HOST>?",
            "^ <F-TUPLE_ID_1>\\S+</F-TUPLE_ID_1> <SUBNET>",
            "(?!x)(\\w+) \\1 <DNS>!$",
            "<IP6>|net <IP4>/<CIDR>",
        ],
        &["^ i"],
        "{^LN-BEG}EPOCH\n^()**",
    ),
    (
        4,
        "",
        &[
            "^ a <HOST>$<SKIPLINES>^ b$",
            "^ c\\n d <F-ID/>$",
            "\\n? e <ADDR>\\n",
        ],
        &["^ a x"],
        "{^LN-BEG}EPOCH\n{NONE}",
    ),
    (
        1,
        "",
        &["bad (?P<user>\\S+) from <HOST>$", "(?i)Worse.*? <ADDR>\\b"],
        &[],
        "%Y-%m-%d %H:%M:%S",
    ),
];

thread_local! {
    /// Compiling takes longer than matching.
    static PAIRS: RefCell<Vec<(Filter, Filter)>> = RefCell::new(FILTERS.iter().map(pair).collect());
}

/// A filter with its gate, and without.
fn pair((maxlines, prefregex, failregex, ignoreregex, datepattern): &Row<'_>) -> (Filter, Filter) {
    let mut filter = Filter::new(Mode::default(), 2026);
    filter.set_maxlines(*maxlines).expect("above zero");
    filter.set_prefregex(prefregex).expect("a prefregex");
    if !datepattern.is_empty() {
        filter.set_datepattern(datepattern).expect("a datepattern");
    }
    for source in *failregex {
        filter.add_failregex(source).expect("a failregex");
    }
    for source in *ignoreregex {
        filter.add_ignoreregex(source).expect("an ignoreregex");
    }
    // What is made for the first line is made once.
    let clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
    filter.process(Entry::Text(""), &clock, true, &mut Output::default());
    let mut open = filter.clone();
    open.set_gated(false);
    (filter, open)
}

pub(crate) fn look(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let choice = usize::from(*choice) % FILTERS.len();
    let pair = PAIRS.with_borrow(|pairs| pairs.get(choice).cloned());
    let (mut gated, mut open) = pair.expect("it is one of them");
    let clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
    let mut places: Vec<Range<usize>> = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n').take(LINES) {
        let start = places.last().map_or(0, |place| place.end);
        places.push(start..start + line.len());
    }
    let lines = Lines {
        bytes,
        places: &places,
        file: "log",
    };
    let mut outputs = Vec::new();
    gated.process_lines(lines, &clock, true, &mut outputs);
    let mut found = outputs.iter();
    let (mut jail, mut effects) = (Jail::new("fuzz", Settings::default()), Vec::new());
    for (number, place) in places.iter().enumerate() {
        let line = bytes.get(place.clone()).unwrap_or_default();
        let mut out = Output::default();
        open.process(Entry::Bytes(line, "log"), &clock, true, &mut out);
        if out != Output::default() {
            assert_eq!(found.next(), Some(&(number, out.clone())), "the gate is not seen");
        }
        assert!(out.found.len() <= 1, "one expression wins");
        for candidate in out.found.into_iter().flat_map(|found| found.into_candidates(&[])) {
            assert!(!candidate.matches.is_empty(), "there is evidence");
            jail.step(clock.now(), Input::Failure(candidate), &mut effects);
        }
    }
    assert_eq!(found.next(), None, "the gate finds nothing of its own");
    assert!(gated.agrees_with(&open), "the gate leaves no trace");
}
