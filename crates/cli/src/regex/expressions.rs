//! What the argument `<REGEX>` means: a jail, a filter, a filter file, or an expression.
//!
//! In: the argument and the configuration. Out: the filter is set accordingly, and the header says so.

use std::sync::Arc;

use stockade_config::{Error, Files as _, Kind, Located, Reader, Trial, TrialError};
use stockade_daemon::log::Level;
use stockade_filter::{Filter, StructureOptions, UseDns};
use stockade_protocol::definition::{self, Definition};
use stockade_protocol::{Command, Value};

use super::options::Options;
use super::printer::{Printer, Trouble};
use super::records::Records;
use crate::files::{ConfigurationFiles, variables};
use crate::options::{CONFIGURATION, VERSION};

/// The logger of filters.
const FILTER: &str = "fail2ban.filter";

/// How much of an expression or a line the header shows.
const SHOWN: usize = 53;

/// Where expressions are read from and to.
pub(super) struct Expressions<'a> {
    pub(super) options: &'a Options,
    pub(super) printer: &'a mut Printer,
    pub(super) records: &'a Records,
    pub(super) filter: &'a mut Filter,
    /// Which entries of the journal, as the filter says it.
    pub(super) journalmatch: &'a mut Vec<Vec<String>>,
    /// `auto` or `systemd`, as the log is.
    pub(super) backend: &'static str,
}

/// A text as the header shows it.
pub(super) fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let begin: String = text.chars().take(SHOWN - 3).collect();
    format!("{begin}...")
}

impl Expressions<'_> {
    /// Reads the argument.
    pub(super) fn read(&mut self, argument: &str) -> Result<(), Trouble> {
        let is_read = match name(argument) {
            None => false,
            Some(_) => self.configured(argument)?,
        };
        if is_read {
            return Ok(());
        }
        self.printer
            .note(&format!("Use   failregex line : {}", shortened(argument)))?;
        self.filter.add_failregex(argument).map_err(Trouble::error)
    }

    /// Reads a jail or a filter; `false` where there is none of that name.
    fn configured(&mut self, argument: &str) -> Result<bool, Trouble> {
        let wrong = |detail: String| {
            Trouble::Told(format!(
                "ERROR: Wrong filter name or options: {detail}\n       while parsing: {argument}"
            ))
        };
        let definition = definition::parse(argument).map_err(|error| wrong(error.to_string()))?;
        let directory = self.options.directory.as_deref();
        let files = ConfigurationFiles::new(directory);
        let directory = directory.unwrap_or(CONFIGURATION);
        let base = base(directory).to_owned();
        let reader = |base: &str| Reader::new(&files, base, VERSION, &variables());
        let is_bare = !definition.name.contains('/') && !has_extension(&definition.name);
        if is_bare {
            let reader = reader(directory);
            let has_jail = reader.has_jail(&definition.name);
            self.records.of_reader(self.printer, &reader)?;
            if has_jail.map_err(|error| wrong(error.to_string()))? {
                return self.jail(&reader, &definition).map(|()| true);
            }
        }
        let Some(place) = find(&files, &base, &definition.name) else {
            return Ok(false);
        };
        let trial = match place {
            Place::Named { base, name } => {
                self.printer
                    .note(&format!("Use      filter file : {name}, basedir: {base}"))?;
                self.say_options("Use   filter options", &definition)?;
                let reader = reader(&base);
                let definition = Definition {
                    name,
                    ..definition.clone()
                };
                let trial = reader.try_filter(&definition, self.backend);
                self.records.of_reader(self.printer, &reader)?;
                trial
            }
            Place::File => {
                self.printer
                    .note(&format!("Use      filter file : {}", definition.name))?;
                self.say_options("Use   filter options", &definition)?;
                let reader = reader(&base);
                let trial = reader.try_filter_file(&definition, self.backend);
                self.records.of_reader(self.printer, &reader)?;
                trial
            }
        };
        let trial = trial.map_err(|error| match error {
            TrialError::File(error) => Trouble::Told(format!(
                "Wrong config file: {error}\nERROR: failed to load filter {}",
                definition.name
            )),
            TrialError::Value(error) => unexpected(&error),
            TrialError::Unusable => Trouble::error(format!("failed to load filter {}", definition.name)),
        })?;
        // A file that says nothing is as good as none.
        if trial.commands.is_empty() {
            return Ok(false);
        }
        self.apply(&trial, argument)?;
        Ok(true)
    }

    fn jail(&mut self, reader: &Reader<'_>, definition: &Definition) -> Result<(), Trouble> {
        let name = &definition.name;
        self.printer.note(&format!("Use             jail : {name}"))?;
        self.say_options("Use jail/flt options", definition)?;
        let trial = reader.try_jail(name, &definition.parameters, self.backend);
        self.records.of_reader(self.printer, reader)?;
        let trial = trial.map_err(|error| match error {
            TrialError::Unusable => Trouble::error(format!("Failed to get jail for '{name}'")),
            TrialError::File(error) | TrialError::Value(error) => unexpected(&error),
        })?;
        self.apply(&trial, name)
    }

    fn say_options(&mut self, title: &str, definition: &Definition) -> Result<(), Trouble> {
        if definition.parameters.is_empty() {
            return Ok(());
        }
        let options = definition.parameters.iter();
        let options = options.map(|(name, value)| (Value::from(name.as_str()), Value::from(value.as_str())));
        let shown = Value::Dict(options.collect()).repr();
        Ok(self.printer.note(&format!("{title} : {shown}"))?)
    }

    /// Gives the filter what the commands say, in their order.
    fn apply(&mut self, trial: &Trial, argument: &str) -> Result<(), Trouble> {
        if self.options.verbosity > 1 || self.records.takes(Level::DEBUG) {
            let options = trial.options.iter();
            let options = options.map(|(name, value)| (Value::from(name.as_str()), value.clone()));
            let shown = Value::Dict(options.collect()).repr();
            self.printer.note(&format!("Real  filter options : {shown}"))?;
        }
        let set = |command: &Located<Command>| {
            let Command::SetJail {
                property, arguments, ..
            } = &command.value
            else {
                return None;
            };
            Some((property.clone(), arguments.clone()))
        };
        let commands: Vec<(String, Vec<Value>)> = trial.commands.iter().filter_map(set).collect();
        let mut structure = StructureOptions::default();
        for (number, (property, arguments)) in commands.iter().enumerate() {
            // What a jail says itself comes behind what its filter says.
            let later = commands.get(number + 1..).unwrap_or_default();
            let is_once = ["maxlines", "datepattern"].contains(&property.as_str());
            if is_once && later.iter().any(|(name, _)| name == property) {
                continue;
            }
            let first = arguments.first();
            let text = first.and_then(Value::as_str).unwrap_or_default();
            // Where several are given they stand in a list.
            let texts = || {
                first
                    .and_then(Value::items)
                    .unwrap_or(arguments)
                    .iter()
                    .filter_map(Value::as_str)
            };
            match property.as_str() {
                "maxlines" if self.options.maxlines.is_none() => {
                    let lines = first.and_then(|lines| lines.int().ok()).unwrap_or(0);
                    self.set_maxlines(lines).map_err(|error| {
                        Trouble::error(format!(
                            "Invalid value for maxlines ({lines}) read from {argument}: {error}"
                        ))
                    })?;
                }
                "datepattern" if self.options.datepattern.is_none() => self.set_datepattern(text)?,
                "prefregex" => self.filter.set_prefregex(text).map_err(Trouble::error)?,
                "addfailregex" => {
                    for regex in texts() {
                        self.filter.add_failregex(regex).map_err(Trouble::error)?;
                    }
                }
                "addignoreregex" => {
                    for regex in texts() {
                        self.filter.add_ignoreregex(regex).map_err(Trouble::error)?;
                    }
                }
                "addjournalmatch" if self.options.journalmatch.is_none() => {
                    self.journalmatch.push(texts().map(str::to_owned).collect());
                }
                _ if structure.set(property, text) => {}
                _ => {}
            }
        }
        let structure = structure.compile().map_err(Trouble::error)?;
        self.filter.set_structure(structure.map(Arc::new));
        Ok(())
    }

    /// Sets `maxlines` and says so.
    pub(super) fn set_maxlines(&mut self, lines: i64) -> Result<(), MaxLinesError> {
        self.filter.set_maxlines(lines)?;
        let text = format!("  maxLines: {lines}");
        self.records.show(self.printer, Level::INFO, FILTER, &text)?;
        Ok(self.printer.note(&format!("Use         maxlines : {lines}"))?)
    }

    /// Sets `datepattern` and says so.
    pub(super) fn set_datepattern(&mut self, pattern: &str) -> Result<(), Trouble> {
        self.filter.set_datepattern(pattern).map_err(Trouble::error)?;
        let name = self.filter.datepattern().name;
        if self
            .filter
            .detector()
            .is_some_and(|detector| detector.templates().count() == 1)
        {
            let text = format!("  date pattern `{pattern}`: `{name}`");
            self.records
                .show(self.printer, Level::INFO, "fail2ban.datedetector", &text)?;
        }
        Ok(self
            .printer
            .note(&format!("Use      datepattern : {pattern} : {name}"))?)
    }

    /// Sets `usedns`; what is no value is the safe one.
    pub(super) fn set_usedns(&mut self, value: &str) -> Result<(), Trouble> {
        let usedns = UseDns::parse(value);
        if usedns.is_none() {
            let text = format!("Incorrect value '{value}' specified for usedns. Using safe 'no'");
            self.records.show(self.printer, Level::ERROR, FILTER, &text)?;
        }
        self.filter.set_usedns(usedns.unwrap_or(UseDns::No));
        Ok(())
    }
}

/// The directory of the configuration; its directory of filters may be given in its place.
fn base(directory: &str) -> &str {
    match directory.trim_end_matches('/').rsplit_once('/') {
        Some((parent, FILTERS)) => parent,
        Some(_) | None => directory,
    }
}

/// Why `maxlines` cannot be set.
#[derive(Debug, thiserror::Error)]
pub(super) enum MaxLinesError {
    #[error("{0}")]
    Bad(#[from] stockade_filter::BadMaxLines),
    #[error("{0}")]
    Output(#[from] std::io::Error),
}

/// The directory of filters.
const FILTERS: &str = "filter.d";

/// Where a filter is.
enum Place {
    /// Below a directory of configuration, with its layers.
    Named { base: String, name: String },
    /// In a file of its own.
    File,
}

/// What the reference answers with a call chain.
fn unexpected(error: &Error) -> Trouble {
    let text = error.to_string();
    Trouble::Unexpected(match error.span() {
        Some(at) => format!("{at}: {}", text.trim_end()),
        None => text.trim_end().to_owned(),
    })
}

/// The line of an argument that can be the name of a jail or a filter, options in brackets included.
fn name(argument: &str) -> Option<&str> {
    argument.split('\n').find(|line| {
        let end = line.find(|c: char| !(c.is_alphanumeric() || "/_-.".contains(c)));
        let (name, rest) = line.split_at(end.unwrap_or(line.len()));
        !name.is_empty() && (rest.is_empty() || (rest.starts_with('[') && rest.ends_with(']')))
    })
}

fn has_extension(name: &str) -> bool {
    name.ends_with(".conf") || name.ends_with(".local")
}

/// Finds the files of a filter.
fn find(files: &ConfigurationFiles, base: &str, name: &str) -> Option<Place> {
    let is_file = |path: &str| files.kind(path) == Kind::File;
    let (directory, file) = match name.rsplit_once('/') {
        Some((directory, file)) => (Some(directory), file),
        None => (None, name),
    };
    let inside = match directory {
        None | Some(FILTERS) => format!("{}/{FILTERS}/{file}", base.trim_end_matches('/')),
        Some(_) => name.to_owned(),
    };
    let last: String = name
        .chars()
        .skip(name.chars().count().saturating_sub(6))
        .collect();
    let extensions: &[&str] = if last.contains('.') {
        &[""]
    } else {
        &["", ".conf", ".local"]
    };
    if !extensions
        .iter()
        .any(|extension| is_file(&format!("{inside}{extension}")))
    {
        return None;
    }
    let plain = || match file.rsplit_once('.') {
        Some((plain, _)) if !plain.is_empty() => plain.to_owned(),
        Some(_) | None => file.to_owned(),
    };
    match directory {
        None | Some(FILTERS) => Some(Place::Named {
            base: base.to_owned(),
            name: plain(),
        }),
        // Where the directory of the configuration itself is named, the file is taken to be of its `filter.d`.
        Some(directory) if directory == base.trim_end_matches('/') => Some(Place::Named {
            base: base.to_owned(),
            name: plain(),
        }),
        Some(directory) => match directory.rsplit_once('/') {
            Some((parent, FILTERS)) => Some(Place::Named {
                base: parent.to_owned(),
                name: plain(),
            }),
            Some(_) | None => Some(Place::File),
        },
    }
}
