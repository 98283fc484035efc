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
