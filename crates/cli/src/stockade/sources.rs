//! `stockade status --sources`: how each source of lines is doing.
//!
//! In: what the daemon says of its sources. Out: a row of a table for each, or JSON for programs.

use serde_json::{Value as Json, json};
use stockade_protocol::Command;

use super::client::{Place, Trouble, list};
use super::table::Table;
use crate::terminal::print;

/// Shows all sources, or those of one jail.
pub(super) fn sources(place: &Place, jail: Option<&str>, as_json: bool) -> Result<(), Trouble> {
    let mut sources = list(place, jail, &Command::Sources)?;
    sources.retain(|source| jail.is_none_or(|jail| names(source, "jails").any(|known| known == jail)));
    if as_json {
        print(&format!("{:#}", json!(sources)));
        return Ok(());
    }
    if sources.is_empty() {
        print("Nothing is read.");
        return Ok(());
    }
    let mut table = Table::new([
        "SOURCE", "JAILS", "STATE", "LAG", "LINES", "A SECOND", "DROPPED", "WHY",
    ]);
    for source in &sources {
        table.add(row(source));
    }
    table.print();
    Ok(())
}

/// What one source is, in the columns of the table.
fn row(source: &Json) -> [String; 8] {
    let number = |key: &str| source.get(key).and_then(Json::as_u64).unwrap_or(0).to_string();
    let jails: Vec<&str> = names(source, "jails").collect();
    let name = match (text(source, "kind"), names(source, "matches").count()) {
        ("pattern", count) => format!("{} ({count} files)", text(source, "name")),
        _ => text(source, "name").to_owned(),
    };
    [
        plain(&name.replace("(1 files)", "(1 file)")),
        jails.join(", "),
        text(source, "state").to_owned(),
        lag(source),
        number("lines"),
        per_second(source),
        number("dropped"),
        plain(text(source, "reason")),
    ]
}

/// How far the daemon is behind, in a few characters.
fn lag(source: &Json) -> String {
    if let Some(bytes) = source.get("lag_bytes").and_then(Json::as_u64) {
        return size(bytes);
    }
    match source.get("lag_seconds").and_then(Json::as_f64) {
        Some(seconds) => format!("{seconds:.0}s ago"),
        None => "-".to_owned(),
    }
}

/// So many bytes, as one says it.
fn size(bytes: u64) -> String {
    let mut whole = bytes;
    let mut tenths = 0;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if whole < 1024 {
            return match (tenths, unit) {
                (0, _) | (_, "B") => format!("{whole} {unit}"),
                _ => format!("{whole}.{tenths} {unit}"),
            };
        }
        tenths = (whole % 1024) * 10 / 1024;
        whole /= 1024;
    }
    format!("{whole} TiB")
}

fn per_second(source: &Json) -> String {
    let rate = source
        .get("lines_per_second")
        .and_then(Json::as_f64)
        .unwrap_or(0.0);
    match rate {
        0.0 => "0".to_owned(),
        ..10.0 => format!("{rate:.1}"),
        _ => format!("{rate:.0}"),
    }
}

fn text<'a>(source: &'a Json, key: &str) -> &'a str {
    source.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn names<'a>(source: &'a Json, key: &str) -> impl Iterator<Item = &'a str> {
    let list = source.get(key).and_then(Json::as_array);
    list.into_iter().flatten().filter_map(Json::as_str)
}

/// Fit for a terminal: names of files may hold anything.
fn plain(text: &str) -> String {
    let shown = |char: char| if char.is_control() { '\u{fffd}' } else { char };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::row;

    #[test]
    fn each_source_is_a_row() {
        let file = |more: Json| {
            let mut source = json!({
                "kind": "file", "name": "/var/log/auth.log", "state": "following", "reason": null,
                "jails": ["sshd", "recidive"], "matches": [], "position": 70, "lag_bytes": 0, "lag_seconds": null,
                "lines": 7, "lines_per_second": 0.125, "dropped": 0,
            });
            for (key, value) in more.as_object().expect("an object") {
                source[key] = value.clone();
            }
            source
        };
        let name = "/var/log/auth.log";
        let jails = "sshd, recidive";
        let cases: [(&str, Json, [&str; 8]); 7] = [
            (
                "all is well",
                json!({}),
                [name, jails, "following", "0 B", "7", "0.1", "0", ""],
            ),
            (
                "much to do",
                json!({ "lag_bytes": 1_572_864, "lines_per_second": 12345.6, "dropped": 3 }),
                [name, jails, "following", "1.5 MiB", "7", "12346", "3", ""],
            ),
            (
                "less than a kibibyte and exactly one",
                json!({ "lag_bytes": 1023, "lines_per_second": 0.0 }),
                [name, jails, "following", "1023 B", "7", "0", "0", ""],
            ),
            (
                "something is wrong",
                json!({ "state": "failing", "reason": "Permission denied; do this", "position": null, "lag_bytes": null }),
                [
                    name,
                    jails,
                    "failing",
                    "-",
                    "7",
                    "0.1",
                    "0",
                    "Permission denied; do this",
                ],
            ),
            (
                "a pattern",
                json!({ "kind": "pattern", "name": "/var/log/*.log", "matches": ["/var/log/a.log"], "lag_bytes": null }),
                [
                    "/var/log/*.log (1 file)",
                    jails,
                    "following",
                    "-",
                    "7",
                    "0.1",
                    "0",
                    "",
                ],
            ),
            (
                "the journal",
                json!({ "kind": "journal", "name": "systemd", "position": "s=1", "lag_bytes": null, "lag_seconds": 2.6 }),
                ["systemd", jails, "following", "3s ago", "7", "0.1", "0", ""],
            ),
            (
                "a name that would do something to the terminal",
                json!({ "name": "/x\u{1b}[2J\n" }),
                [
                    "/x\u{fffd}[2J\u{fffd}",
                    jails,
                    "following",
                    "0 B",
                    "7",
                    "0.1",
                    "0",
                    "",
                ],
            ),
        ];
        for (name, more, expected) in cases {
            assert_eq!(row(&file(more)), expected, "{name}");
        }
    }
}
