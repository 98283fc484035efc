//! `stockade check`: every mistake of a configuration at once.
//!
//! In: a directory, or the usual place. Out: a report as text or as JSON, and the exit status: 0, or 1 for warnings
//! where they count, or 2 for errors.

use serde_json::{Value as Json, json};
use stockade_check::{Diagnostic, Place, Report};

use crate::files::{ConfigurationFiles, variables};
use crate::options::{CONFIGURATION, VERSION};

/// Checks the configuration in a directory, or the one that the daemon would be run with.
pub(crate) fn check(directory: Option<&str>) -> Report {
    let files = ConfigurationFiles::new(directory);
    stockade_check::check(&files, directory.unwrap_or(CONFIGURATION), VERSION, &variables())
}

/// A report as JSON, over several lines.
pub(crate) fn as_json(report: &Report) -> String {
    let value = json!({
        "errors": report.errors,
        "warnings": report.warnings,
        "notes": report.notes,
        "hidden": report.hidden,
        "files": report.files,
        "jails": report.jails,
        "diagnostics": report.diagnostics.iter().map(diagnostic).collect::<Vec<_>>(),
    });
    format!("{value:#}")
}

fn diagnostic(diagnostic: &Diagnostic) -> Json {
    let mut object = place(&diagnostic.place);
    let related: Vec<Json> = diagnostic
        .related
        .iter()
        .map(|related| {
            let mut object = place(&related.place);
            object.insert("message".to_owned(), json!(related.text));
            Json::Object(object)
        })
        .collect();
    for (name, value) in [
        ("severity", json!(diagnostic.severity.name())),
        ("code", json!(diagnostic.code.name())),
        ("message", json!(diagnostic.message)),
        ("help", json!(diagnostic.help)),
        ("related", Json::Array(related)),
    ] {
        object.insert(name.to_owned(), value);
    }
    Json::Object(object)
}

/// A place; without a line where a file as a whole is meant.
fn place(place: &Place) -> serde_json::Map<String, Json> {
    let number = |number: u32| {
        if place.line == 0 {
            Json::Null
        } else {
            json!(number)
        }
    };
    [
        ("file", json!(place.file)),
        ("line", number(place.line)),
        ("column", number(place.column)),
        ("end", number(place.end)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
