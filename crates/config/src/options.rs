//! Options with a type, as the reference reads them.
//!
//! In: a section, the names and types of options. Out: their values, in the order of reading, which is the order
//! in which their mistakes are reported.

use stockade_protocol::Value;
use stockade_protocol::command::STRUCTURE;

use crate::{
    Error, Level,
    interpolate::Scope,
    layers::Sources,
    log::READER,
    model::{Model, Traced},
    ordered::Ordered,
    text::{integer, truth},
    vocabulary::{Entry, Fallback, ValueKind},
};

/// Neither yes nor no: as it turns out. To the reference it is one more word for no.
pub(crate) const AUTO: &str = "auto";

/// What the reader makes of the text of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    /// Anything but a word for yes is false.
    Truth,
    /// The same, but for [`AUTO`].
    Switch,
    /// Anything but a number is a warning and `None`.
    Number,
}

impl Type {
    /// The type for a kind of value; most are looked at by the daemon alone.
    const fn of(kind: ValueKind) -> Self {
        match kind {
            ValueKind::Truth => Self::Truth,
            ValueKind::Switch => Self::Switch,
            ValueKind::Number => Self::Number,
            ValueKind::TruthOrAuto
            | ValueKind::Time
            | ValueKind::Words(_)
            | ValueKind::Level
            | ValueKind::LogTarget
            | ValueKind::SyslogSocket
            | ValueKind::LocalSocket
            | ValueKind::Listeners
            | ValueKind::Networks
            | ValueKind::Users
            | ValueKind::Path
            | ValueKind::Backend
            | ValueKind::Encoding
            | ValueKind::Zone
            | ValueKind::Formula
            | ValueKind::Factor
            | ValueKind::Multipliers
            | ValueKind::Cache
            | ValueKind::Addresses
            | ValueKind::Command
            | ValueKind::Script
            | ValueKind::Logs
            | ValueKind::Filter
            | ValueKind::Actions
            | ValueKind::Pattern
            | ValueKind::Patterns
            | ValueKind::DatePatterns
            | ValueKind::JournalMatch
            | ValueKind::Things
            | ValueKind::Files
            | ValueKind::Rate
            | ValueKind::Word
            | ValueKind::Text => Self::Text,
        }
    }
}

/// The value that the reader takes for written, with its type.
fn unwritten(option: &Entry) -> Option<Value> {
    let value = match option.fallback {
        Fallback::Read(value) => value,
        Fallback::Daemon(_) | Fallback::Nothing => return None,
    };
    Some(match Type::of(option.kind) {
        Type::Truth | Type::Switch => Value::Bool(truth(value)),
        Type::Text | Type::Number => value.into(),
    })
}

/// Reads the options that `[section]` or `[DEFAULT]` has, with the defaults for the others.
///
/// Where there is no such section, that is logged for every option.
pub(crate) fn read<'k>(
    sources: &Sources<'_>,
    model: &Model,
    section: &str,
    options: impl IntoIterator<Item = &'k Entry>,
) -> Result<Ordered<Traced>, Error> {
    let scope = Scope::new(model, section, None, sources);
    let mut values = Ordered::default();
    for option in options {
        let value = match &scope {
            // The reference complains once for each option, and knows none of these.
            None if STRUCTURE.contains(&option.name) => None,
            None => {
                no_section(sources, section);
                // Without the section a number without a default is sent as `None`, oddly.
                let missing = (Type::of(option.kind) == Type::Number).then_some(Value::None);
                unwritten(option)
                    .or(missing)
                    .map(|value| Traced::new(value, None))
            }
            Some(scope) => match sources.go_on(scope.read(option.name))?.flatten() {
                Some(found) if Type::of(option.kind) == Type::Text => Some(found),
                Some(found) => Some(found.with(typed(sources, section, option, &found))),
                None => unwritten(option).map(|value| Traced::new(value, None)),
            },
        };
        if let Some(value) = value {
            values.insert(option.name, value);
        }
    }
    Ok(values)
}

/// Logs that a section is missing.
pub(crate) fn no_section(sources: &Sources<'_>, section: &str) {
    sources.log.add(
        Level::Error,
        READER,
        format!("No section: {}", crate::text::quote(section)),
    );
}

fn typed(sources: &Sources<'_>, section: &str, option: &Entry, found: &Traced) -> Value {
    let text = found.as_text().unwrap_or_default();
    match Type::of(option.kind) {
        Type::Text => found.value.clone(),
        Type::Switch if text.trim().eq_ignore_ascii_case(AUTO) => AUTO.into(),
        Type::Truth | Type::Switch => Value::Bool(truth(text)),
        Type::Number => match integer(text) {
            Some(number) => number,
            None => {
                let text = format!(
                    "Wrong value for '{}' in '{section}'. Using default one: 'None'",
                    option.name
                );
                sources.log.add(Level::Warning, READER, text);
                Value::None
            }
        },
    }
}
