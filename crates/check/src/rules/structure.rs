//! Structured lines: formats that do not exist, fields that cannot be, conditions that compare nothing.

use stockade_config::{HOLE, InspectedJail, Text};
use stockade_filter::{STRUCTURE_OPTIONS, StructureOptions};

use super::patterns::{both, lines};
use crate::context::Context;
use crate::{Code, Diagnostic, Place};

/// Where all of it is explained.
const EXPLAINED: &str = "docs/structured-logs.md has examples";

pub(crate) fn apply(context: &mut Context<'_>) {
    for jail in context.enabled() {
        let mut last: Option<&Text> = None;
        for name in STRUCTURE_OPTIONS {
            for text in both(jail, name) {
                option(context, name, text);
                if name == "field.host" {
                    last = Some(text);
                }
            }
        }
        if let Some(host) = last.filter(|host| is_set(host)) {
            no_condition(context, jail, host);
        }
    }
}

/// Whether fields alone make failures in this jail, so that it needs no failregex.
pub(super) fn has_host(jail: &InspectedJail) -> bool {
    both(jail, "field.host").last().is_some_and(|text| is_set(text))
}

fn is_set(text: &Text) -> bool {
    text.as_str().is_some_and(|text| !text.trim().is_empty())
}

/// One option, line by line: each line of a condition is one by itself, and of the others there is but one.
fn option(context: &mut Context<'_>, name: &'static str, text: &Text) {
    if text.as_str().is_some_and(|text| text.contains(HOLE)) {
        return;
    }
    let is_condition = ["failwhen", "ignorewhen"].contains(&name);
    let whole = text.as_str().unwrap_or_default();
    let pieces: Vec<(usize, &str)> = if is_condition {
        lines(text).collect()
    } else {
        vec![(0, whole)]
    };
    for (from, piece) in pieces {
        let mut options = StructureOptions::default();
        options.set(name, piece);
        let (Err(error), Some(place)) = (options.compile(), Place::of(text, from, piece.len())) else {
            continue;
        };
        let message = error.to_string();
        // The line is underlined; it need not be said again.
        let message = match error.line() {
            Some(line) => message.replacen(&format!(", in `{line}`"), "", 1),
            None => message,
        };
        let (what, remedy) = message.split_once("; ").unwrap_or((&message, EXPLAINED));
        context.report(Diagnostic::new(Code::BadStructure, place, what).help(remedy));
    }
}

/// A host without a condition: nothing would be a failure.
fn no_condition(context: &mut Context<'_>, jail: &InspectedJail, host: &Text) {
    if both(jail, "failwhen").last().is_some_and(|text| is_set(text)) {
        return;
    }
    let Some(place) = host.written().map(|option| Place::value(option)) else {
        return;
    };
    context.report(
        Diagnostic::new(
            Code::BadStructure,
            place,
            "`field.host` says who is counted, and no `failwhen` says which lines count",
        )
        .help("write a condition, such as `failwhen = status in 401 403`"),
    );
}
