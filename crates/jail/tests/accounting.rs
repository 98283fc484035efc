//! The worked examples of counting: lines through a filter into a jail.

#![expect(clippy::unwrap_used, reason = "a wrong example may panic")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at some effects only")]

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use stockade_datetime::{Clock, Timestamp, duration};
use stockade_filter::{Entry, Filter, Mode, Output};
use stockade_jail::{Effect, Input, Jail, Settings};

fn micros(findtime: &Value) -> i64 {
    let seconds = match findtime {
        Value::String(text) => duration::seconds(text).unwrap().to_string().parse().unwrap(),
        other => other.as_i64().unwrap_or(600),
    };
    seconds * 1_000_000
}

fn settings(config: &Value) -> Settings {
    Settings {
        maxretry: config["maxretry"].as_i64().unwrap_or(3),
        findtime_micros: micros(&config["findtime"]),
        maxmatches: config["maxmatches"]
            .as_u64()
            .map_or(5, |count| usize::try_from(count).unwrap()),
        ..Settings::default()
    }
}

fn filter(config: &Value) -> Filter {
    let mut filter = Filter::new(Mode::default(), 2026);
    filter.set_findtime(micros(&config["findtime"]));
    filter
        .set_datepattern(config["datepattern"].as_str().unwrap())
        .unwrap();
    for source in config["failregex"].as_array().unwrap() {
        filter.add_failregex(source.as_str().unwrap()).unwrap();
    }
    filter
}

/// The failures of a jail as the examples have them.
fn failures(jail: &Jail) -> Value {
    let entry = |pending: stockade_jail::Pending| {
        let row = json!({
            "retry": pending.retry,
            "attempts": pending.failures,
            "first": pending.first.seconds(),
            "last": pending.last.seconds(),
            "matches": pending.matches.len(),
        });
        (pending.id.to_string(), row)
    };
    Value::Object(jail.pending().map(entry).collect::<Map<String, Value>>())
}

fn bans(effects: &[Effect]) -> Value {
    let tickets = effects.iter().filter_map(|effect| match effect {
        Effect::Ban(ticket) => Some(json!({
            "id": ticket.id.to_string(),
            "retry": ticket.retry,
            "attempts": ticket.failures,
            "time": ticket.time.seconds(),
            "matches": ticket.matches.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })),
        _ => None,
    });
    tickets.collect()
}

#[test]
fn the_examples_of_counting() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../conformance/examples/matching/14-accounting.json"
    );
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let examples = file["examples"].as_array().unwrap();
    assert!(examples.len() > 10);
    for example in examples {
        let config = &example["config"];
        let (mut filter, mut jail) = (filter(config), Jail::new("test", settings(config)));
        let mut clock = Clock::new(Timestamp::from_seconds(0), TimeZone::UTC);
        for step in example["steps"].as_array().unwrap() {
            let at = format!("{}: {}", example["name"], step["line"]);
            clock.set(Timestamp::from_seconds(step["now"].as_i64().unwrap()));
            let (mut out, mut effects) = (Output::default(), Vec::new());
            let entry = Entry::Text(step["line"].as_str().unwrap());
            filter.process(entry, &clock, config["in_operation"] != false, &mut out);
            // Bans are looked at as they are made; an example that bans twice has them lifted in between.
            for found in out.found {
                for candidate in found.into_candidates(&[]) {
                    jail.step(clock.now(), Input::Failure(candidate), &mut effects);
                }
            }
            assert_eq!(failures(&jail), step["failures"], "{at}: failures");
            assert_eq!(bans(&effects), step["bans"], "{at}: bans");
            assert_eq!(
                Some(jail.status().total_failed),
                step["total"].as_u64(),
                "{at}: total"
            );
            for effect in effects {
                if let Effect::Ban(ticket) = effect {
                    jail.unban(&ticket.id, &mut Vec::new());
                }
            }
        }
    }
}
