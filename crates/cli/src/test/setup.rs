//! What `stockade test` tries: a jail, a filter, or expressions, as the daemon would have them.
//!
//! In: the options and the configuration. Out: a [`Blueprint`], the same that the daemon makes jails of.

use stockade_config::{Error, Located, Reader, TrialError, nearest};
use stockade_daemon::blueprint::Blueprint;
use stockade_protocol::{Command, Failure, Value, definition};

use super::Options;
use crate::files::{ConfigurationFiles, variables};
use crate::options::{CONFIGURATION, VERSION};

/// Why there is nothing to try.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("there is no jail `{name}`{}\n  {REMEDY}", hint(.nearest.as_deref()))]
    NoJail { name: String, nearest: Option<String> },
    #[error(
        "the filter `{0}` cannot be read\n  Name one of filter.d, or a file with its path, as in ./sshd.conf."
    )]
    NoFilter(String),
    #[error("the jail `{0}` cannot be used\n  `stockade check` says why.")]
    Unusable(String),
    #[error("`{text}` is no filter with options: {error}\n  Write it as in 'sshd[mode=aggressive]'.")]
    Definition { text: String, error: definition::Syntax },
    #[error("{}\n  `stockade check` names every mistake with its place.", placed(.0))]
    Configuration(Box<Error>),
    #[error("`{option}` cannot be `{value}`: {}", .failure.text())]
    Value {
        option: String,
        value: String,
        failure: Failure,
    },
    #[error("{}", .0.text())]
    Command(Failure),
    #[error("`{0}` is no option with a value\n  Write it as in maxretry=3.")]
    NoValue(String),
}

/// What to do where no jail is meant.
const REMEDY: &str = "`stockade test --filter NAME` tries a filter without a jail.";

/// What is wrong, behind where that is written.
fn placed(error: &Error) -> String {
    let text = error.to_string();
    match error.span() {
        Some(at) => format!("{at}: {}", text.trim_end()),
        None => text.trim_end().to_owned(),
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest
        .map(|nearest| format!("; is `{nearest}` meant?"))
        .unwrap_or_default()
}

/// Reads what is to be tried. `jail` is its name where it is a jail; `is_journal` where entries of the journal come.
pub(crate) fn blueprint(
    options: &Options,
    jail: Option<&str>,
    is_journal: bool,
    start_year: i16,
) -> Result<Blueprint, SetupError> {
    let files = ConfigurationFiles::new(options.directory.as_deref());
    let base = options.directory.as_deref().unwrap_or(CONFIGURATION);
    let reader = Reader::new(&files, base, VERSION, &variables());
    let mut set = Vec::new();
    for text in &options.set {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| SetupError::NoValue(text.clone()))?;
        set.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let backend = if is_journal { "systemd" } else { "auto" };
    let mut blueprint = Blueprint::new(jail.unwrap_or("test"), backend, start_year);
    if let Some(name) = jail {
        let commands = of_jail(&reader, name, &set, is_journal.then_some(backend))?;
        apply(&mut blueprint, &commands)?;
    } else {
        if let Some(text) = &options.filter {
            let commands = of_filter(&reader, text, backend)?;
            apply(&mut blueprint, &commands)?;
        }
        for (name, value) in &set {
            give(&mut blueprint, name, value)?;
        }
    }
    let own = [
        ("datepattern", options.datepattern.as_slice()),
        ("addfailregex", options.failregex.as_slice()),
        ("addignoreregex", options.ignoreregex.as_slice()),
    ];
    for (property, values) in own {
        for value in values {
            let option = property.trim_start_matches("add");
            set_property(&mut blueprint, property, option, value)?;
        }
    }
    Ok(blueprint)
}

fn of_jail(
    reader: &Reader<'_>,
    name: &str,
    set: &[(String, String)],
    backend: Option<&str>,
) -> Result<Vec<Located<Command>>, SetupError> {
    let configuration = |error| SetupError::Configuration(Box::new(error));
    if !reader.has_jail(name).map_err(configuration)? {
        let names = reader.jail_names().map_err(configuration)?;
        let nearest = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
        return Err(SetupError::NoJail {
            name: name.to_owned(),
            nearest,
        });
    }
    reader
        .try_whole_jail(name, set, backend)
        .map_err(|error| match error {
            TrialError::File(error) | TrialError::Value(error) => SetupError::Configuration(error),
            TrialError::Unusable => SetupError::Unusable(name.to_owned()),
        })
}

fn of_filter(reader: &Reader<'_>, text: &str, backend: &str) -> Result<Vec<Located<Command>>, SetupError> {
    let filter = definition::parse(text).map_err(|error| SetupError::Definition {
        text: text.to_owned(),
        error,
    })?;
    let trial = if filter.name.contains('/') {
        reader.try_filter_file(&filter, backend)
    } else {
        reader.try_filter(&filter, backend)
    };
    let trial = trial.map_err(|error| match error {
        TrialError::File(error) | TrialError::Value(error) => SetupError::Configuration(error),
        TrialError::Unusable => SetupError::NoFilter(filter.name.clone()),
    })?;
    Ok(trial.commands)
}

/// Gives the blueprint what the commands say; actions are not tried.
fn apply(blueprint: &mut Blueprint, commands: &[Located<Command>]) -> Result<(), SetupError> {
    for command in commands {
        if let Command::Add { backend, .. } = &command.value {
            blueprint.backend.clone_from(backend);
        }
        let Command::SetJail {
            property,
            arguments,
            multi,
            ..
        } = &command.value
        else {
            continue;
        };
        if ["addaction", "action"].contains(&property.as_str()) {
            continue;
        }
        blueprint
            .set(property, arguments, *multi)
            .map_err(SetupError::Command)?;
    }
    Ok(())
}

/// Gives the blueprint an option of a jail, where there is no jail that it could be laid over.
fn give(blueprint: &mut Blueprint, name: &str, value: &str) -> Result<(), SetupError> {
    match name {
        "ignoreip" => value
            .split([' ', ',', '\n'])
            .filter(|word| !word.is_empty())
            .try_for_each(|word| set_property(blueprint, "addignoreip", name, word)),
        "failregex" | "ignoreregex" => set_property(blueprint, &format!("add{name}"), name, value),
        _ => set_property(blueprint, name, name, value),
    }
}

fn set_property(
    blueprint: &mut Blueprint,
    property: &str,
    option: &str,
    value: &str,
) -> Result<(), SetupError> {
    let arguments = [Value::from(value)];
    let answer = blueprint.set(property, &arguments, false);
    answer.map(drop).map_err(|failure| SetupError::Value {
        option: option.to_owned(),
        value: value.to_owned(),
        failure,
    })
}
