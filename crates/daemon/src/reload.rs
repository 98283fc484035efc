//! A whole configuration, read before anything of it is applied.
//!
//! In: the commands of a reload. Out: a [`Plan`], or the first thing that is wrong with it.
//!
//! Invariant: a configuration with a mistake changes nothing.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use stockade_protocol::{Command, Failure, Value};

use crate::blueprint::Blueprint;
use crate::patterns::Patterns;
use crate::server::Placed;
use crate::source;

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

/// What is wrong with a configuration.
#[derive(Debug)]
pub(crate) struct Mistake {
    /// Where it is written, as far as that is known.
    pub(crate) place: Option<String>,
    /// As the command would fail.
    pub(crate) failure: Failure,
}

/// The jails as far as they have been read.
#[derive(Default)]
struct Drafts {
    /// In the order in which they are added; `None` once they are to be started.
    jails: Vec<Option<Blueprint>>,
    index: HashMap<String, usize>,
}

impl Drafts {
    fn add(&mut self, blueprint: Blueprint) -> Result<(), Failure> {
        let name = blueprint.name.clone();
        match self.index.entry(name) {
            Entry::Occupied(known) => Err(Failure::duplicate_jail(known.key().as_str())),
            Entry::Vacant(vacant) => {
                vacant.insert(self.jails.len());
                self.jails.push(Some(blueprint));
                Ok(())
            }
        }
    }

    fn slot(&mut self, name: &str) -> Result<&mut Option<Blueprint>, Failure> {
        let index = self.index.get(name).copied();
        index
            .and_then(|index| self.jails.get_mut(index))
            .ok_or_else(|| Failure::unknown_jail(name))
    }

    fn draft(&mut self, name: &str) -> Result<&mut Blueprint, Failure> {
        self.slot(name)?
            .as_mut()
            .ok_or_else(|| Failure::unknown_jail(name))
    }

    fn take(&mut self, name: &str) -> Result<Blueprint, Failure> {
        self.slot(name)?.take().ok_or_else(|| Failure::unknown_jail(name))
    }
}

impl Plan {
    /// Reads the commands of a configuration. Expressions that a jail has already come from `patterns`.
    ///
    /// # Errors
    /// Every mistake, of each jail the first.
    pub(crate) fn read(
        stream: Vec<Placed>,
        start_year: i16,
        patterns: &mut Patterns,
    ) -> Result<Self, Vec<Mistake>> {
        let mut plan = Self::default();
        let mut drafts = Drafts::default();
        let mut mistakes = Vec::new();
        let mut broken: BTreeSet<String> = BTreeSet::new();
        for placed in stream {
            let place = placed.place().map(str::to_owned);
            let jail = placed.command.jail().map(str::to_owned);
            if jail.as_ref().is_some_and(|jail| broken.contains(jail)) {
                continue;
            }
            if let Err(failure) = plan.take(placed, start_year, patterns, &mut drafts) {
                broken.extend(jail);
                mistakes.push(Mistake { place, failure });
            }
        }
        if mistakes.is_empty() {
            Ok(plan)
        } else {
            Err(mistakes)
        }
    }

    fn take(
        &mut self,
        placed: Placed,
        start_year: i16,
        patterns: &mut Patterns,
        drafts: &mut Drafts,
    ) -> Result<(), Failure> {
        let Placed { command, places } = placed;
        if let Some(option) = option_without_number(&command) {
            self.errors.push(no_number(command.jail(), option));
            return Ok(());
        }
        match command {
            Command::Set { option, value } => {
                source::check_setting(&option, &value.text()).map_err(Failure::value_error)?;
                self.settings.push((option, value));
            }
            Command::ConfigError(message) => self.errors.push(message),
            Command::Add { jail, backend } => {
                Blueprint::check_backend(&backend)?;
                drafts.add(Blueprint::new(&jail, &backend, start_year))?;
            }
            Command::SetJail {
                jail,
                property,
                arguments,
                multi,
            } => {
                let draft = drafts.draft(&jail)?;
                draft.set_with(patterns, &property, &arguments, multi)?;
                draft.place(&property, &arguments, &places);
            }
            Command::Start(jail) => self.jails.push(drafts.take(&jail)?),
            Command::Ping
            | Command::Version
            | Command::Echo(_)
            | Command::Sleep(_)
            | Command::ServerStatus
            | Command::ServerStream(_)
            | Command::FlushLogs
            | Command::Status { .. }
            | Command::JailStatus { .. }
            | Command::Sources
            | Command::Limits
            | Command::Statistics
            | Command::Banned(_)
            | Command::UnbanAll
            | Command::Unban(_)
            | Command::Stop
            | Command::StopJails
            | Command::StopJail(_)
            | Command::Reload { .. }
            | Command::Tail(_)
            | Command::Get(_)
            | Command::GetJail { .. } => {
                return Err(Failure::exception(
                    "a configuration has `set`, `add` and `start` commands only",
                ));
            }
        }
        Ok(())
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
        | Command::Sources
        | Command::Limits
        | Command::Statistics
        | Command::Banned(_)
        | Command::UnbanAll
        | Command::Unban(_)
        | Command::Stop
        | Command::StopJails
        | Command::StopJail(_)
        | Command::Reload { .. }
        | Command::Tail(_)
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
