//! `stockade status --rights`: what the daemon can still do, tried by the daemon itself just now.
//!
//! In: what it says of that. Out: tables, or JSON for programs; and whether everything was refused that must be.

use serde_json::{Map, Value as Json, json};
use stockade_protocol::{Command, Value};

use super::client::{Client, Place, Trouble};
use super::table::Table;
use crate::json;
use crate::terminal::print;

/// Shows the rights; whether the daemon has given up what it should have.
pub(super) fn rights(place: &Place, as_json: bool) -> Result<bool, Trouble> {
    let mut client = Client::connect(place)?;
    let told = client.ask(&Command::Get("rights".to_owned()))?;
    let attempts = rows(&told, "attempts");
    let all_refused = !attempts.is_empty() && attempts.iter().all(|attempt| is_refused(attempt));
    if as_json {
        print(&format!("{:#}", in_json(&told, &attempts)));
        return Ok(all_refused);
    }
    print(&format!("Rights: {}", text(&told, "rights")));
    let mut mechanisms = Table::new(["MECHANISM", "STATE"]);
    for row in rows(&told, "mechanisms") {
        mechanisms.add([word(row, 0), word(row, 1)]);
    }
    mechanisms.print();
    print("");
    let mut tried = Table::new(["TRIED", "OUTCOME", "BY"]);
    for attempt in &attempts {
        let (outcome, by) = if is_refused(attempt) {
            (format!("refused: {}", word(attempt, 2)), word(attempt, 3))
        } else {
            ("NOT REFUSED".to_owned(), String::new())
        };
        tried.add([word(attempt, 0), outcome, by]);
    }
    tried.print();
    print("");
    print(&format!("Writes below: {}", text(&told, "writes")));
    print(&format!("Helper: process {}, which may", text(&told, "helper")));
    for may in told.get("helper_may").and_then(Value::items).unwrap_or_default() {
        print(&format!("  - {}", may.text()));
    }
    Ok(all_refused)
}

/// The same with names for the columns.
fn in_json(told: &Value, attempts: &[&[Value]]) -> Json {
    let of_pairs = |name: &str| {
        let pairs = rows(told, name)
            .into_iter()
            .map(|row| (word(row, 0), json!(word(row, 1))));
        Json::Object(pairs.collect::<Map<_, _>>())
    };
    let attempts: Vec<Json> = attempts
        .iter()
        .map(|row| {
            json!({ "tried": word(row, 0), "refused": is_refused(row), "outcome": word(row, 2), "by": word(row, 3) })
        })
        .collect();
    let part = |name: &str| told.get(name).map_or(Json::Null, json::convert);
    json!({
        "rights": part("rights"),
        "mechanisms": of_pairs("mechanisms"),
        "threads": of_pairs("threads"),
        "attempts": attempts,
        "writes": part("writes"),
        "helper": { "process": part("helper"), "may": part("helper_may") },
    })
}

/// Whether what was tried was refused.
fn is_refused(attempt: &[Value]) -> bool {
    attempt.get(1) == Some(&Value::Bool(true))
}

fn rows<'a>(told: &'a Value, name: &str) -> Vec<&'a [Value]> {
    let rows = told.get(name).and_then(Value::items).unwrap_or_default();
    rows.iter().filter_map(Value::items).collect()
}

fn word(row: &[Value], at: usize) -> String {
    row.get(at).map(Value::text).unwrap_or_default()
}

fn text(told: &Value, name: &str) -> String {
    match told.get(name) {
        None | Some(Value::None) => "nothing".to_owned(),
        Some(value) => value.text(),
    }
}
