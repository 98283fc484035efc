//! Options with a type, as the reference reads them.
//!
//! In: a section, the names and types of options. Out: their values, in the order of reading, which is the order
//! in which their mistakes are reported.

use stockade_protocol::Value;

use crate::{
    Error, Level,
    interpolate::Scope,
    layers::Sources,
    log::READER,
    model::{Model, Traced},
    ordered::Ordered,
    text::{integer, truth},
};

/// The type of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    /// Anything but a word for yes is false.
    Truth,
    /// The same, but for [`AUTO`].
    Switch,
    /// Anything but a number is a warning and `None`.
    Number,
}

/// Neither yes nor no: as it turns out. To the reference it is one more word for no.
pub(crate) const AUTO: &str = "auto";

/// An option that the reader knows.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) kind: Type,
    /// What counts where the option is not written.
    pub(crate) default: Option<&'static str>,
}

pub(crate) const fn text(name: &'static str) -> Known {
    Known {
        name,
        kind: Type::Text,
        default: None,
    }
}

pub(crate) const fn truth_of(name: &'static str) -> Known {
    Known {
        name,
        kind: Type::Truth,
        default: None,
    }
}

pub(crate) const fn switch(name: &'static str) -> Known {
    Known {
        name,
        kind: Type::Switch,
        default: None,
    }
}

pub(crate) const fn number(name: &'static str) -> Known {
    Known {
        name,
        kind: Type::Number,
        default: None,
    }
}

impl Known {
    pub(crate) const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// The default with its type.
    pub(crate) fn default_value(&self) -> Option<Value> {
        let default = self.default?;
        Some(match self.kind {
            Type::Truth | Type::Switch => Value::Bool(truth(default)),
            Type::Text | Type::Number => default.into(),
        })
    }
}

/// Reads the options that `[section]` or `[DEFAULT]` has, with the defaults for the others.
///
/// Where there is no such section, that is logged for every option.
pub(crate) fn read<'k>(
    sources: &Sources<'_>,
    model: &Model,
    section: &str,
    options: impl IntoIterator<Item = &'k Known>,
) -> Result<Ordered<Traced>, Error> {
    let scope = Scope::new(model, section, None, sources);
    let mut values = Ordered::default();
    for option in options {
        let value = match &scope {
            None => {
                no_section(sources, section);
                // Without the section a number without a default is sent as `None`, oddly.
                let missing = (option.kind == Type::Number).then_some(Value::None);
                option
                    .default_value()
                    .or(missing)
                    .map(|value| Traced::new(value, None))
            }
            Some(scope) => match sources.go_on(scope.read(option.name))?.flatten() {
                Some(found) if option.kind == Type::Text => Some(found),
                Some(found) => Some(found.with(typed(sources, section, option, &found))),
                None => option.default_value().map(|value| Traced::new(value, None)),
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

fn typed(sources: &Sources<'_>, section: &str, option: &Known, found: &Traced) -> Value {
    let text = found.as_text().unwrap_or_default();
    match option.kind {
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
