//! Every filter of the reference in every mode that it has.
//!
//! In: the names of the files, and the options that the samples are annotated with. Out: definitions such as
//! `sshd.conf[mode=ddos]`, one of those that come to the same.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use stockade_filter::{Filter, Mode};
use stockade_protocol::Command;

use crate::filters::{apply, commands_of};

/// Modes that filters are documented to have, beside those of the samples.
const MODES: [&str; 11] = [
    "normal",
    "ddos",
    "extra",
    "aggressive",
    "rbl",
    "auth",
    "more",
    "errors",
    "reject",
    "fallback",
    "noauth",
];

/// What two variants must differ in.
const EXPRESSIONS: [&str; 5] = [
    "prefregex",
    "addfailregex",
    "addignoreregex",
    "datepattern",
    "maxlines",
];

/// All of them, in a fixed order.
pub(super) fn variants(filters: &[String], samples: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut options: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    options.insert(
        "mode".to_owned(),
        MODES.iter().map(|mode| (*mode).to_owned()).collect(),
    );
    let mut sets: BTreeMap<&str, Vec<BTreeMap<String, String>>> = BTreeMap::new();
    for (name, text) in samples {
        for set in sets_of(text) {
            for (key, value) in &set {
                options.entry(key.clone()).or_default().insert(value.clone());
            }
            sets.entry(name).or_default().push(set);
        }
    }
    // That a filter has no such mode is found by trying, and nothing to be told.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut all = Vec::new();
    for filter in filters {
        let mut wanted: Vec<BTreeMap<String, String>> = vec![BTreeMap::new()];
        for (key, values) in &options {
            wanted.extend(
                values
                    .iter()
                    .map(|value| BTreeMap::from([(key.clone(), value.clone())])),
            );
        }
        wanted.extend(sets.get(filter.as_str()).into_iter().flatten().cloned());
        for mode in options.get("mode").into_iter().flatten() {
            for kind in options.get("logtype").into_iter().flatten() {
                let set = [("logtype", kind), ("mode", mode)];
                wanted.push(set.map(|(key, value)| (key.to_owned(), value.clone())).into());
            }
        }
        let mut seen = BTreeSet::new();
        for set in wanted {
            let Some(expressions) = expressions(filter, &set) else {
                continue;
            };
            // A mode that is none leaves a tag of its name.
            let is_none = |value: &String| expressions.contains(&format!("-{value}>"));
            if !set.values().any(is_none) && seen.insert(expressions) {
                all.push(definition(&format!("{filter}.conf"), &set));
            }
        }
    }
    std::panic::set_hook(hook);
    all
}

/// The options of a sample's annotations that are the filter's.
fn sets_of(text: &[u8]) -> Vec<BTreeMap<String, String>> {
    let text = String::from_utf8_lossy(text);
    let annotations = text.lines().filter_map(|line| {
        let line = line.trim_start_matches('#').trim_start();
        let options = line
            .strip_prefix("filterOptions:")
            .or_else(|| line.strip_prefix("fileOptions:"))?;
        serde_json::from_str::<Value>(options.trim()).ok()
    });
    let objects = annotations.flat_map(|value| match value.as_array() {
        Some(values) => values.clone(),
        None => vec![value],
    });
    let sets = objects.filter_map(|value| {
        let pairs = value
            .as_object()?
            .iter()
            .filter(|(key, _)| !key.starts_with("test."));
        Some(
            pairs
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect(),
        )
    });
    sets.collect()
}

fn definition(filter: &str, set: &BTreeMap<String, String>) -> String {
    if set.is_empty() {
        return filter.to_owned();
    }
    let options: Vec<String> = set.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{filter}[{}]", options.join(","))
}

/// What the filter comes to with these options, if it can be read and finds anything.
fn expressions(filter: &str, set: &BTreeMap<String, String>) -> Option<String> {
    let mut made = Filter::new(Mode::default(), super::YEAR);
    let read = catch_unwind(AssertUnwindSafe(|| {
        let commands = commands_of(&definition(filter, set));
        for command in &commands {
            apply(&mut made, command);
        }
        commands
    }));
    let mut text = String::new();
    for command in read.ok()? {
        let Command::SetJail {
            property, arguments, ..
        } = command
        else {
            continue;
        };
        if EXPRESSIONS.contains(&property.as_str()) {
            text.push_str(&format!("{property} {arguments:?}\n"));
        }
    }
    (!made.failregex().is_empty()).then_some(text)
}
