//! The worked examples of filters: lines in, failures out.

#![expect(clippy::indexing_slicing, reason = "a wrong example may panic")]
#![expect(clippy::unwrap_used, reason = "a wrong example may panic")]

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{
    Address, Data, Entry, Filter, Found, Id, Level, Mode, Output, RegexError, UseDns, Who,
};

const FILES: [&str; 8] = [
    "01-host-tags",
    "02-ids",
    "03-usedns",
    "04-prefregex",
    "05-sessions",
    "06-multiline",
    "07-ignoreregex",
    "13-processing-time",
];

fn load(file: &str) -> Vec<Value> {
    let path = format!(
        "{}/../../conformance/examples/matching/{file}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).expect("the examples are in the repository");
    let file: Value = serde_json::from_str(&text).expect("the examples are JSON");
    let examples: Vec<Value> = file["examples"].as_array().unwrap().clone();
    examples
        .into_iter()
        .filter(|example| example["kind"] == "filter")
        .collect()
}

fn is_set(value: &Value) -> bool {
    value.as_bool().unwrap_or(false)
}

fn texts(value: &Value) -> Vec<&str> {
    let list = value.as_array().into_iter().flatten();
    list.map(|text| text.as_str().unwrap()).collect()
}

fn timestamp(value: &Value) -> Timestamp {
    let micros = value.as_f64().unwrap() * 1e6;
    #[expect(clippy::cast_possible_truncation, reason = "a time of this century")]
    Timestamp::from_micros(micros.round() as i64)
}

fn filter(config: &Value) -> Result<Filter, RegexError> {
    let mode = Mode {
        check_all: is_set(&config["check_all_regex"]),
        tell_pending: is_set(&config["report_pending"]),
        raw: is_set(&config["raw"]),
        any_time: config["check_findtime"] == false,
        explain: false,
    };
    let mut filter = Filter::new(mode, 2026);
    filter.set_usedns(match config["usedns"].as_str() {
        Some(value) => UseDns::parse(value).unwrap_or(UseDns::No),
        None => UseDns::default(),
    });
    filter
        .set_maxlines(config["maxlines"].as_i64().unwrap_or(1))
        .unwrap();
    filter.set_findtime(config["findtime"].as_i64().unwrap_or(600) * 1_000_000);
    if let Some(pattern) = config["datepattern"].as_str() {
        filter.set_datepattern(pattern).unwrap();
    }
    if let Some(zone) = config["logtimezone"].as_str() {
        filter.set_logtimezone(zone).unwrap();
    }
    if let Some(source) = config["prefregex"].as_str() {
        filter.set_prefregex(source)?;
    }
    for source in texts(&config["failregex"]) {
        filter.add_failregex(source)?;
    }
    for source in texts(&config["ignoreregex"]) {
        filter.add_ignoreregex(source)?;
    }
    Ok(filter)
}

fn data(data: &Data) -> Value {
    match data {
        Data::Text(text) => json!(text.as_str()),
        Data::Set(texts) => json!(texts.iter().collect::<Vec<_>>()),
        Data::Tuple(parts) => json!(parts),
    }
}

fn id_text(id: &Id) -> Value {
    match id {
        Id::Tuple(parts) => json!(parts),
        Id::Address(_) | Id::Text(_) => json!(id.to_string()),
    }
}

fn number(time: Timestamp) -> Value {
    if time.subsec_micros() == 0 {
        json!(time.seconds())
    } else {
        json!(time.to_string().parse::<f64>().unwrap())
    }
}

/// A match as the examples have it, once for each address of a host.
fn rows(found: &Found, hosts: &BTreeMap<String, Vec<Id>>) -> Vec<Value> {
    let mut groups: Map<String, Value> = found
        .captured
        .iter()
        .map(|(name, value)| (name.to_owned(), data(value)))
        .collect();
    let ids: Vec<(Option<&Id>, Option<&Id>)> = match &found.who {
        Who::Id(id, address) => vec![(Some(id), address.as_ref())],
        Who::Host(host) => hosts[host].iter().map(|id| (Some(id), None)).collect(),
        Who::Pending => {
            groups.insert("mlfpending".to_owned(), json!(1));
            vec![(None, None)]
        }
    };
    let row = |(id, address): (Option<&Id>, Option<&Id>)| {
        let family = id
            .and_then(Id::address)
            .map(|address| address.family().to_string());
        let mut row = json!({
            "regex": found.regex,
            "id": id.map_or(Value::Null, id_text),
            "family": family,
            "time": found.time.map_or(Value::Null, number),
            "groups": groups,
            "matches": found.matches.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
        if let Some(address) = address {
            row["ip"] = id_text(address);
        }
        row
    };
    ids.into_iter().map(row).collect()
}

fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(|row| (row["regex"].as_u64(), row["id"].to_string()));
    rows.into_iter().map(in_order).collect()
}

/// The same value with the names of objects in order, for they compare in order.
fn in_order(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(name, value)| (name, in_order(value)))
                    .collect(),
            )
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => value,
    }
}

fn check(example: &Value) -> Result<(), String> {
    let mut filter = match filter(&example["config"]) {
        Ok(filter) => filter,
        Err(error) => {
            let expected = example["expect_config_error"].as_str();
            return match expected {
                Some(begin) if error.to_string().starts_with(begin) => Ok(()),
                Some(_) | None => Err(format!("{error}")),
            };
        }
    };
    if let Some(error) = example["expect_config_error"].as_str() {
        return Err(format!("no error, expected {error}"));
    }
    let mut hosts: BTreeMap<String, Vec<Id>> = BTreeMap::new();
    for (host, addresses) in example["hosts"].as_object().into_iter().flatten() {
        let addresses = texts(addresses).into_iter().map(Id::parse).collect();
        hosts.insert(host.clone(), addresses);
    }
    let in_operation = example["config"]["in_operation"] != false;
    let zone = TimeZone::posix(example["tz"].as_str().unwrap_or("UTC0")).unwrap_or(TimeZone::UTC);
    let mut clock = Clock::new(Timestamp::from_seconds(0), zone);
    for (number, step) in example["steps"].as_array().unwrap().iter().enumerate() {
        let mut out = Output::default();
        clock.set(timestamp(&step["now"]));
        let entry = match step["line"].as_str() {
            Some(line) => Entry::Text(line),
            None => Entry::Journal {
                time: timestamp(&step["journal"]["time"]),
                iso: step["journal"]["iso"].as_str().unwrap(),
                text: step["journal"]["text"].as_str().unwrap(),
            },
        };
        filter.process(entry, &clock, in_operation, &mut out);
        let got = sorted(out.found.iter().flat_map(|found| rows(found, &hosts)).collect());
        let expected = sorted(step["expect"].as_array().unwrap().clone());
        let raises = step["reference_raises"].is_string();
        if got != expected && !raises {
            return Err(format!(
                "step {number}: {step}\n   got {got:?}\n   for {expected:?}"
            ));
        }
        if let Some(logs) = step["logs"].as_array() {
            let mut records = Vec::new();
            for note in &out.notes {
                let level = match note.level {
                    Level::Error => "ERROR",
                    Level::Warning => "WARNING",
                };
                let jail = if note.of_jail { "[test] " } else { "" };
                records.extend(
                    note.records
                        .iter()
                        .map(|record| format!("{level}: {jail}{record}")),
                );
            }
            // Names are resolved elsewhere, a wrong usedns is told elsewhere, and some texts are left out.
            let told_here = |text: &&str| {
                !text.starts_with('(')
                    && !text.contains("Determined IP using DNS Lookup")
                    && !text.contains("specified for usedns")
            };
            let expected: Vec<&str> = logs.iter().filter_map(Value::as_str).filter(told_here).collect();
            if !expected.is_empty() && records != expected {
                return Err(format!("step {number}: logs {records:?}\n   for {expected:?}"));
            }
        }
    }
    Ok(())
}

#[test]
fn the_examples_of_filters() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in FILES {
        for example in load(file) {
            count += 1;
            if let Err(what) = check(&example) {
                wrong.push(format!("{file}: {}: {what}", example["name"]));
            }
        }
    }
    assert!(count > 100, "only {count} examples");
    assert!(
        wrong.is_empty(),
        "{} of {count} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_host_name_is_a_candidate_for_each_of_its_addresses() {
    let config = json!({"failregex": ["^ x <DNS>$"], "datepattern": "{^LN-BEG}EPOCH"});
    let mut filter = filter(&config).unwrap();
    let clock = Clock::new(Timestamp::from_seconds(1_700_000_000), TimeZone::UTC);
    let mut out = Output::default();
    filter.process(Entry::Text("1700000000 x host.example"), &clock, true, &mut out);
    let found = out.found.pop().unwrap();
    assert_eq!(found.who, Who::Host("host.example".to_owned()));
    let addresses: Vec<Address> = ["192.0.2.1", "2001:db8::1"]
        .iter()
        .filter_map(|text| Id::parse(text).address().copied())
        .collect();
    assert!(found.clone().into_candidates(&[]).next().is_none());
    let ids: Vec<String> = found
        .into_candidates(&addresses)
        .map(|candidate| candidate.id.to_string())
        .collect();
    assert_eq!(ids, ["192.0.2.1", "2001:db8::1"]);
}
