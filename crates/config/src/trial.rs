//! A filter or a jail as somebody tries it on a log, apart from the configuration that runs.
//!
//! In: the name of a jail, or the name or the file of a filter, with parameters. Out: its commands, and what the
//! filter was evaluated with.
//!
//! Invariant: a jail counts as enabled here and needs no log files; apart from that what is read is what runs.

use std::rc::Rc;

use stockade_protocol::definition::Definition;
use stockade_protocol::{Command, Value};

use crate::{
    Error, Located, Mode, Reader,
    filter::{self, Filter},
    jail::{self, Overlay, Section},
    model::Model,
    ordered::Ordered,
};

/// The name that a filter's commands carry where there is no jail.
pub const NO_JAIL: &str = "~jailless~";

/// What is tried.
#[derive(Debug)]
pub struct Trial {
    /// The commands, in order.
    pub commands: Vec<Located<Command>>,
    /// What the filter was evaluated with, as `fail2ban-regex` shows it.
    pub options: Vec<(String, Value)>,
}

/// Why something cannot be tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    /// A file is not written as it must be.
    #[error("{0}")]
    File(Box<Error>),
    /// A value cannot be expanded.
    #[error("{0}")]
    Value(Box<Error>),
    /// The log of the reader says why.
    #[error("it cannot be read")]
    Unusable,
}

impl Reader<'_> {
    /// Whether the jail files have a jail of this name.
    ///
    /// # Errors
    ///
    /// Where they cannot be read.
    pub fn has_jail(&self, name: &str) -> Result<bool, Error> {
        let model = self.sources().model("jail")?;
        Ok(name != "INCLUDES" && model.is_some_and(|model| model.has_section(name)))
    }

    /// What the jail's filter is, with `options` laid over both; `backend` is `auto` or `systemd`.
    ///
    /// # Errors
    ///
    /// Where the jail cannot be used.
    pub fn try_jail(
        &self,
        name: &str,
        options: &[(String, String)],
        backend: &str,
    ) -> Result<Trial, TrialError> {
        let overlay = Overlay {
            options: options.to_vec(),
            backend: Some(backend.to_owned()),
        };
        let jail = self.jail(name, &overlay)?;
        // What there is to say about its logs is said, and is no hindrance.
        drop(jail.commands(self.sources(), Mode::Start));
        // Without a filter there is nothing to try, whatever the jail says itself.
        let commands = if jail.has_filter() {
            jail.filter_commands(self.sources()).map_err(value_error)?
        } else {
            Vec::new()
        };
        let mut shown = jail.filter_options();
        shown.extend(
            options
                .iter()
                .map(|(name, value)| (name.clone(), filter::typed(name, &value.as_str().into()))),
        );
        shown.push(("backend".to_owned(), backend.into()));
        Ok(Trial {
            commands,
            options: deduplicated(shown),
        })
    }

    /// All commands of a jail, enabled or not, with `options` laid over it.
    ///
    /// # Errors
    ///
    /// Where the jail cannot be used.
    pub fn try_whole_jail(
        &self,
        name: &str,
        options: &[(String, String)],
        backend: Option<&str>,
    ) -> Result<Vec<Located<Command>>, TrialError> {
        let overlay = Overlay {
            options: options.to_vec(),
            backend: backend.map(str::to_owned),
        };
        let jail = self.jail(name, &overlay)?;
        let commands = jail.commands(self.sources(), Mode::Start);
        commands.map_err(value_error)?.ok_or(TrialError::Unusable)
    }

    /// What the filter of this name in `filter.d` is.
    ///
    /// # Errors
    ///
    /// Where it cannot be used.
    pub fn try_filter(&self, filter: &Definition, backend: &str) -> Result<Trial, TrialError> {
        let file = jail::file_name(self.sources(), "filter.d", &filter.name);
        let model = self.sources().model(&file);
        self.try_model(model, filter, backend)
    }

    /// What the filter in the file that `filter` names is; its includes are beside it.
    ///
    /// # Errors
    ///
    /// Where it cannot be used.
    pub fn try_filter_file(&self, filter: &Definition, backend: &str) -> Result<Trial, TrialError> {
        let sources = self.sources();
        let model = sources.model_of_file(&sources.files.absolute(&filter.name));
        self.try_model(model, filter, backend)
    }

    fn try_model(
        &self,
        model: Result<Option<Rc<Model>>, Error>,
        filter: &Definition,
        backend: &str,
    ) -> Result<Trial, TrialError> {
        let model = model.map_err(file_error)?.ok_or(TrialError::Unusable)?;
        let mut filter = Filter::new(self.sources(), model, filter, &filter.name, backend, None);
        let mut commands = Vec::new();
        filter
            .alone(self.sources(), NO_JAIL, &mut commands)
            .map_err(value_error)?;
        let mut options = filter.shown_options(None);
        options.extend(filter.typed_parameters());
        Ok(Trial {
            commands,
            options: deduplicated(options),
        })
    }

    fn jail(&self, name: &str, overlay: &Overlay) -> Result<jail::Jail, TrialError> {
        let mut model = self.jails().map_err(file_error)?;
        match jail::read(self.sources(), &mut model, name, Some(overlay)) {
            Ok(Section::Jail(jail)) => Ok(*jail),
            Ok(Section::Off | Section::Bad(_)) => Err(TrialError::Unusable),
            Err(error) => Err(value_error(error)),
        }
    }
}

fn file_error(error: Error) -> TrialError {
    TrialError::File(Box::new(error))
}

fn value_error(error: Error) -> TrialError {
    TrialError::Value(Box::new(error))
}

/// Each name once, at its first place and with its last value.
fn deduplicated(options: Vec<(String, Value)>) -> Vec<(String, Value)> {
    let mut once = Ordered::default();
    for (name, value) in options {
        once.insert(name, value);
    }
    once.iter()
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}
