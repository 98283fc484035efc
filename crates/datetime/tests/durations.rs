//! Time expressions against the recorded answers of the reference.

use serde_json::Value;
use stockade_datetime::{Offset, duration};

const EXPRESSIONS: &str = include_str!("../../../conformance/examples/config/tables/str2seconds.jsonl");
const DURATIONS: &str = include_str!("../../../conformance/examples/matching/16-durations.json");
const ZONES: &str = include_str!("../../../conformance/examples/matching/12-time-zones.json");

#[test]
fn expressions_have_the_recorded_value() {
    let mut rows = 0;
    for line in EXPRESSIONS.lines() {
        let row: Value = serde_json::from_str(line).expect("one object a line");
        let text = row["in"].as_str().expect("a text");
        let answer = duration::seconds(text).ok().map(|number| number.to_string());
        let expected = row.get("out").map(ToString::to_string);
        assert_eq!(answer, expected, "{text:?}");
        rows += 1;
    }
    assert_eq!(rows, 107);
}

#[test]
fn durations_read_and_print_as_recorded() {
    let file: Value = serde_json::from_str(DURATIONS).expect("the examples are JSON");
    for example in file["examples"].as_array().expect("a list") {
        match example["kind"].as_str().expect("a kind") {
            "duration" => {
                for row in example["rows"].as_array().expect("rows") {
                    let text = row["text"].as_str().expect("a text");
                    let answer = duration::seconds(text).map(stockade_datetime::Number::to_f64);
                    assert_eq!(answer.ok(), row["seconds"].as_f64(), "{text:?}");
                }
            }
            "duration_error" => {
                for text in example["inputs"].as_array().expect("inputs") {
                    let text = text.as_str().expect("a text");
                    assert!(duration::seconds(text).is_err(), "{text:?}");
                }
            }
            "humanize" => {
                for row in example["rows"].as_array().expect("rows") {
                    let seconds = row["seconds"].as_i64().expect("whole seconds");
                    assert_eq!(
                        Some(duration::to_text(seconds).as_str()),
                        row["text"].as_str(),
                        "{seconds}"
                    );
                }
            }
            kind => panic!("an unknown kind of example: {kind}"),
        }
    }
}

#[test]
fn zones_that_are_none_are_rejected() {
    let file: Value = serde_json::from_str(ZONES).expect("the examples are JSON");
    let mut rejected = 0;
    let examples = file["examples"].as_array().expect("a list");
    for example in examples.iter().filter(|example| example["kind"] == "timezone") {
        let text = example["logtimezone"].as_str().expect("a text");
        assert!(text.parse::<Offset>().is_err(), "{text:?}");
        rejected += 1;
    }
    assert!(rejected > 0, "the examples name some");
}
