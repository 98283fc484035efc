//! Whether what a jail watches is there on this machine, which is what `enabled = auto` asks.
//!
//! In: a jail and the file system as the caller shows it. Out: what was found, for the administrator to read.
//!
//! A jail that reads files has something to read where one of them is there. One that reads the journal has where a
//! unit is installed whose messages it asks for. Where the log is one that every machine has, `auto_if_exists` says
//! what else must be there: units, or paths; one of them is enough.

use crate::{
    Content, Error, Files, Kind,
    filter::Filter,
    glob,
    jail::{is_command, log_pattern},
    layers::Sources,
    model::{Model, Traced},
    options,
    ordered::Ordered,
    text::words,
    vocabulary::{AUTO_IF_EXISTS, BACKEND, Entry, JOURNALMATCH, LOGPATH},
};

/// How the journal is told to show the messages of a unit.
const UNIT: &str = "_SYSTEMD_UNIT=";

/// Where units are, those first that win over the others.
const UNITS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// What is there where systemd runs. Elsewhere the scripts count that start services; under systemd they may be
/// left over from packages that were removed.
const RUNNING: &str = "/run/systemd/system";
const SCRIPTS: [&str; 3] = ["/etc/init.d", "/etc/rc.d", "/usr/local/etc/rc.d"];

/// Whether a jail is to be at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It is not.
    Off,
    /// It is.
    On,
    /// It is where there is something to watch.
    Auto,
}

/// A jail that the configuration knows, at work or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Available {
    /// Its name.
    pub jail: String,
    /// What the configuration says.
    pub switch: Switch,
    /// What there is for it on this machine: the path of a log, or a unit.
    pub found: Option<String>,
}

impl Available {
    /// Whether the daemon would have it at work.
    #[must_use]
    pub fn is_on(&self) -> bool {
        match self.switch {
            Switch::Off => false,
            Switch::On => true,
            Switch::Auto => self.found.is_some(),
        }
    }
}

/// What could be said of a jail before its filter is read.
pub(crate) enum Evidence {
    Found(String),
    Nothing,
    /// The filter says whose messages it reads.
    AskFilter,
}

/// What there is for a jail of which the first options are known.
pub(crate) fn evidence(
    sources: &Sources<'_>,
    model: &Model,
    name: &str,
    first: &Ordered<Traced>,
) -> Result<Evidence, Error> {
    let options = options::read(sources, model, name, &[AUTO_IF_EXISTS, LOGPATH, JOURNALMATCH])?;
    let text = |option: &Entry| {
        options
            .get(option.name)
            .and_then(Traced::as_text)
            .unwrap_or_default()
    };
    let wanted = text(&AUTO_IF_EXISTS);
    let mut found = None;
    if words(wanted).next().is_some() {
        for thing in words(wanted) {
            if exists(sources.files, thing)? {
                found = Some(thing.to_owned());
                break;
            }
        }
        if found.is_none() {
            return Ok(Evidence::Nothing);
        }
    }
    let backend = first.get(BACKEND.name).map(|backend| backend.value.text());
    if backend.is_some_and(|backend| backend.starts_with("systemd")) {
        return Ok(match found {
            Some(thing) => Evidence::Found(thing),
            None if options.contains(JOURNALMATCH.name) => by_units(sources.files, text(&JOURNALMATCH)),
            None => Evidence::AskFilter,
        });
    }
    for line in text(&LOGPATH).split('\n') {
        let (pattern, _) = log_pattern(line);
        if is_command(pattern) {
            // Whether it has anything to say shows only when it runs.
            continue;
        }
        let paths = glob::expand(sources.files, pattern)?;
        let mut files = paths
            .into_iter()
            .filter(|path| sources.files.kind(path) == Kind::File);
        if let Some(path) = files.next() {
            return Ok(Evidence::Found(path));
        }
    }
    Ok(Evidence::Nothing)
}

/// What there is for a jail whose filter has been read.
pub(crate) fn of_filter(sources: &Sources<'_>, filter: Option<&Filter>) -> Result<Option<String>, Error> {
    let Some(filter) = filter else { return Ok(None) };
    let resolved = filter.resolved(sources)?;
    let matches = resolved.get(JOURNALMATCH.name).and_then(Traced::as_text);
    Ok(match by_units(sources.files, matches.unwrap_or_default()) {
        Evidence::Found(unit) => Some(unit),
        Evidence::Nothing | Evidence::AskFilter => None,
    })
}

/// The first unit of a `journalmatch` that is installed.
fn by_units(files: &dyn Files, matches: &str) -> Evidence {
    let units = words(matches).filter_map(|word| word.strip_prefix(UNIT));
    let mut installed = units.filter(|unit| is_installed(files, unit));
    match installed.next() {
        Some(unit) => Evidence::Found(unit.to_owned()),
        None => Evidence::Nothing,
    }
}

fn exists(files: &dyn Files, thing: &str) -> Result<bool, Error> {
    if thing.starts_with('/') {
        Ok(!glob::expand(files, thing)?.is_empty())
    } else {
        Ok(is_installed(files, thing))
    }
}

/// Whether there is a unit of this name that is not masked, or a script where systemd does not run.
fn is_installed(files: &dyn Files, unit: &str) -> bool {
    let name = if unit.contains('.') {
        unit.to_owned()
    } else {
        format!("{unit}.service")
    };
    for directory in UNITS {
        let path = format!("{directory}/{name}");
        match files.kind(&path) {
            Kind::Missing => {}
            Kind::DanglingLink | Kind::Directory => return false,
            // What is masked leads to nothing.
            Kind::File => return !matches!(files.read(&path), Content::Bytes(bytes) if bytes.is_empty()),
        }
    }
    let Some(script) = name.strip_suffix(".service") else {
        return false;
    };
    let is_there = |directory: &str| files.kind(&format!("{directory}/{script}")) == Kind::File;
    files.kind(RUNNING) != Kind::Directory && SCRIPTS.into_iter().any(is_there)
}
