//! A whole configuration, read before anything of it is applied.
//!
//! In: the commands of a reload. Out: a [`Plan`], or the first thing that is wrong with it.
//!
//! Invariant: a configuration with a mistake changes nothing.

use stockade_protocol::{Command, Failure, Value};

use crate::blueprint::Blueprint;

/// What a configuration asks for.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Settings of the server, in their order.
    pub(crate) settings: Vec<(String, Value)>,
    /// What the reader of the configuration wants in the log.
    pub(crate) errors: Vec<String>,
    /// The jails that are to run, in their order.
    pub(crate) jails: Vec<Blueprint>,
}

impl Plan {
    /// Reads the commands of a configuration.
    ///
    /// # Errors
    /// As the command would fail.
    pub(crate) fn read(stream: Vec<Command>, start_year: i16) -> Result<Self, Failure> {
        let mut plan = Self::default();
        let mut drafts: Vec<Blueprint> = Vec::new();
        for command in stream {
            if let Some(option) = option_without_number(&command) {
                plan.errors.push(no_number(command.jail(), option));
                continue;
            }
            match command {
                Command::Set { option, value } => plan.settings.push((option, value)),
                Command::ConfigError(message) => plan.errors.push(message),
                Command::Add { jail, backend } => {
                    Blueprint::check_backend(&backend)?;
                    drafts.push(Blueprint::new(&jail, &backend, start_year));
                }
                Command::SetJail {
                    jail,
                    property,
                    arguments,
                    multi,
                } => {
                    let draft = drafts.iter_mut().find(|draft| draft.name == jail);
                    let draft = draft.ok_or_else(|| Failure::unknown_jail(jail.as_str()))?;
                    draft.set(&property, &arguments, multi)?;
                }
                Command::Start(jail) => {
                    let index = drafts.iter().position(|draft| draft.name == jail);
                    let index = index.ok_or_else(|| Failure::unknown_jail(jail.as_str()))?;
                    plan.jails.push(drafts.remove(index));
                }
                Command::Ping
                | Command::Version
                | Command::Echo(_)
                | Command::Sleep(_)
                | Command::ServerStatus
                | Command::ServerStream(_)
                | Command::FlushLogs
                | Command::Status { .. }
                | Command::JailStatus { .. }
                | Command::Statistics
                | Command::Banned(_)
                | Command::UnbanAll
                | Command::Unban(_)
                | Command::Stop
                | Command::StopJails
                | Command::StopJail(_)
                | Command::Reload { .. }
                | Command::Get(_)
                | Command::GetJail { .. } => {
                    return Err(Failure::exception(
                        "a configuration has `set`, `add` and `start` commands only",
                    ));
                }
            }
        }
        Ok(plan)
    }
}

/// The option whose number the reader of the configuration could not read, where the command sets one.
///
/// Such a command has no value. Earlier versions took the default then, and so do we: a comment behind a number
/// must not be the end of a jail.
pub(crate) fn option_without_number(command: &Command) -> Option<&str> {
    let (option, value) = match command {
        Command::SetJail {
            property, arguments, ..
        } => (property, arguments.first()?),
        Command::Set { option, value } => (option, value),
        Command::Ping
        | Command::Version
        | Command::Echo(_)
        | Command::Sleep(_)
        | Command::ServerStatus
        | Command::ServerStream(_)
        | Command::ConfigError(_)
        | Command::FlushLogs
        | Command::Status { .. }
        | Command::JailStatus { .. }
        | Command::Statistics
        | Command::Banned(_)
        | Command::UnbanAll
        | Command::Unban(_)
        | Command::Stop
        | Command::StopJails
        | Command::StopJail(_)
        | Command::Reload { .. }
        | Command::Add { .. }
        | Command::Start(_)
        | Command::Get(_)
        | Command::GetJail { .. } => return None,
    };
    let is_number = ["maxretry", "maxmatches", "dbmaxmatches"].contains(&option.as_str());
    (is_number && *value == Value::None).then_some(option)
}

/// What the log says of such an option.
pub(crate) fn no_number(jail: Option<&str>, option: &str) -> String {
    let jail = jail.map_or_else(String::new, |jail| format!("[{jail}] "));
    format!(
        "{jail}`{option}` is no number, so its default holds. A comment in the same line begins with ` ;`"
    )
}
