//! Dates of lines against the recorded answers of the reference.

use jiff::tz::TimeZone;
use serde_json::Value;
use stockade_datetime::{Clock, Detector, Timestamp};

const FILES: [(&str, &str); 4] = [
    (
        "09",
        include_str!("../../../conformance/examples/matching/09-dates-default.json"),
    ),
    (
        "10",
        include_str!("../../../conformance/examples/matching/10-dates-custom.json"),
    ),
    (
        "11",
        include_str!("../../../conformance/examples/matching/11-date-sequences.json"),
    ),
    (
        "12",
        include_str!("../../../conformance/examples/matching/12-time-zones.json"),
    ),
];

/// When the answers were recorded.
const START_YEAR: i16 = 2026;

fn zone(name: &str) -> TimeZone {
    match name {
        "UTC" => TimeZone::UTC,
        // The one named zone of the examples, by its rules.
        "America/New_York" => TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").expect("a zone"),
        rules => TimeZone::posix(rules).unwrap_or_else(|error| panic!("{rules}: {error}")),
    }
}

/// A time of the examples, whose fractions are at most microseconds.
fn micros(value: &Value) -> Option<i64> {
    let text = value.as_number()?.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let micros = format!("{whole}{fraction:0<6}");
    Some(micros.parse().expect("a number"))
}

#[test]
fn dates_are_found_as_recorded() {
    let mut lines = 0;
    for (file, text) in FILES {
        let file_of: Value = serde_json::from_str(text).expect("the examples are JSON");
        let examples = file_of["examples"].as_array().expect("a list");
        for example in examples.iter().filter(|example| example["kind"] == "date") {
            let name = format!("{file} {}", example["name"]);
            let pattern = example["datepattern"].as_array().map(|list| {
                let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                list.join("\n")
            });
            let mut detector = match Detector::new(pattern.as_deref(), START_YEAR) {
                Ok(detector) => detector,
                Err(error) => panic!("{name}: {error}"),
            };
            let zone_text = example["logtimezone"].as_str();
            detector.set_zone(zone_text.map(|text| text.parse().expect("a zone")));
            let now = example["now"].as_i64().expect("a time");
            let tz = zone(example["tz"].as_str().expect("a zone"));
            let clock = Clock::new(Timestamp::from_seconds(now), tz);
            for row in example["lines"].as_array().expect("lines") {
                let line = row["line"].as_str().expect("a line");
                let found = detector.find(line, &clock);
                let in_characters = |at: usize| line[..at].chars().count();
                let answer = found.as_ref().map(|found| {
                    (
                        &line[found.cut.clone()],
                        in_characters(found.cut.start),
                        in_characters(found.cut.end),
                        detector.name(found.template),
                        found
                            .time
                            .map(Timestamp::micros)
                            .filter(|_| !found.cut.is_empty()),
                    )
                });
                let expected = row["matched"].as_str().map(|matched| {
                    let at = |index: usize| row["span"][index].as_u64().and_then(|at| at.try_into().ok());
                    (
                        matched,
                        at(0).expect("a start"),
                        at(1).expect("an end"),
                        row["template"].as_str().expect("a name"),
                        micros(&row["time"]),
                    )
                });
                assert_eq!(answer, expected, "{name}: {line:?}");
                lines += 1;
            }
        }
    }
    assert!(lines > 400, "{lines} lines were checked");
}
