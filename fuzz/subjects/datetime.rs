//! A `datepattern` and the lines of a log: whatever they are, the place of a date is a part of its line, the same log
//! has the same dates twice, and durations are read or refused.
//!
//! The first byte chooses a pattern. Compiling one takes a thousand times as long as looking for dates, so that few
//! inputs have their first line tried as one.

use std::cell::RefCell;

use jiff::tz::TimeZone;
use stockade_datetime::{Clock, Detector, Timestamp, duration};

const PATTERNS: [&str; 7] = [
    "",
    "{^LN-BEG}",
    "%Y-%m-%d[T ]%H:%M:%S(?:\\.%f)?(?:\\s*%z)?",
    "^\\S+ %b %d %ExY %k:%M:%S %Exz",
    "{^LN-BEG}EPOCH\nTAI64N\n^LEPOCH",
    "^%d/%B/%y %I:%M %p$\n%a %W %j",
    "^x ({DATE})\n{NONE}",
];
const LINES: usize = 8;
/// One input of so many has its own pattern.
const RARELY: u32 = 128;
const NOW: i64 = 1_795_300_000;

thread_local! {
    /// Compiling takes longer than looking for dates.
    static DETECTORS: RefCell<[Option<Detector>; PATTERNS.len()]> = const { RefCell::new([const { None }; PATTERNS.len()]) };
}

pub(crate) fn look(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    let input = String::from_utf8_lossy(rest);
    let pattern = input.split('\n').next().unwrap_or_default();
    drop(duration::seconds(pattern));
    let number = bytes.iter().fold(0_u32, |number, byte| {
        (number ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    // Those in braces stand for many, and are in the list.
    let detector = if (number >> 8).is_multiple_of(RARELY) && !pattern.contains('{') {
        Detector::new(Some(&pattern.replace('\r', "\n")), 2026).ok()
    } else {
        let choice = usize::from(*choice) % PATTERNS.len();
        DETECTORS.with_borrow_mut(|detectors| {
            let place = detectors.get_mut(choice).expect("it is one of them");
            let make = || {
                let pattern = PATTERNS.get(choice).expect("it is one of them");
                Detector::new(Some(pattern), 2026).expect("it is a pattern")
            };
            Some(place.get_or_insert_with(make).clone())
        })
    };
    let Some(mut first) = detector else {
        return;
    };
    let mut second = first.clone();
    let mut clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
    for (seconds, line) in (0..).zip(input.split('\n').take(LINES)) {
        clock.set(Timestamp::from_seconds(NOW + seconds));
        let found = first.find(line, &clock);
        assert_eq!(
            found,
            second.find(line, &clock),
            "the same log has the same dates"
        );
        if let Some(found) = found {
            assert!(line.get(found.whole).is_some(), "the date is a part of the line");
            assert!(line.get(found.cut).is_some(), "what is cut is a part of the line");
        }
    }
}
