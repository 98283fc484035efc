//! A `datepattern` and the lines of a log: whatever they are, the place of a date is a part of its line; and
//! durations are read or refused.
#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use stockade_datetime::{Clock, Detector, Timestamp, duration};

fuzz_target!(|input: (&str, &str)| {
    let (pattern, lines) = input;
    if pattern.len() > 200 {
        return;
    }
    let _ = duration::seconds(pattern);
    let pattern = Some(pattern).filter(|pattern| !pattern.is_empty());
    let Ok(mut detector) = Detector::new(pattern, 2026) else {
        return;
    };
    let mut clock = Clock::new(Timestamp::from_seconds(1_795_300_000), TimeZone::UTC);
    for (second, line) in (0..).zip(lines.lines().take(20)) {
        clock.set(Timestamp::from_seconds(1_795_300_000 + second));
        if let Some(found) = detector.find(line, &clock) {
            assert!(line.get(found.whole).is_some(), "the date is a part of the line");
            assert!(line.get(found.cut).is_some(), "what is cut is a part of the line");
        }
    }
});
