//! One jail: its options, its filter, its log files, its actions.
//!
//! In: a section of the jail files. Out: the commands that make the jail, or why it is skipped.

use stockade_protocol::definition;
use stockade_protocol::{Command, Value};

use crate::{
    Error, Kind, Level, Located, Mode, Span, Switch,
    action::Action,
    available::{self, Evidence},
    filter,
    filter::Filter,
    glob,
    layers::Sources,
    log::JAIL,
    model::{Model, Traced},
    options::{self, AUTO},
    ordered::Ordered,
    text::{join, quote, words},
    vocabulary::{BACKEND, ENABLED, Entry, FILTER, FILTERS, Group, JAIL as OPTIONS, Vocabulary},
};

/// What is read of every section, jail or not.
pub(crate) const FIRST: [Entry; 3] = [ENABLED, BACKEND, FILTER];

/// The options that are sent one by one, in this order.
const SENT: [&str; 20] = [
    "maxretry",
    "maxmatches",
    "findtime",
    "bantime",
    "bantime.increment",
    "bantime.factor",
    "bantime.formula",
    "bantime.multipliers",
    "bantime.maxtime",
    "bantime.rndtime",
    "bantime.overalljails",
    "ignorecommand",
    "ignoreself",
    "ignoreip",
    "ignorecache",
    "logtimezone",
    "logencoding",
    "reports",
    "reports.from",
    "reports.forgive",
];

/// What `fail2ban-regex` lays over a jail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overlay {
    pub(crate) options: Vec<(String, String)>,
    pub(crate) backend: Option<String>,
}

/// A jail that has been read.
pub(crate) struct Jail {
    pub(crate) name: String,
    pub(crate) at: Option<Span>,
    pub(crate) options: Ordered<Traced>,
    pub(crate) filter: Option<Filter>,
    pub(crate) actions: Vec<Action>,
    /// What it is on for, where it is on by itself.
    pub(crate) because: Option<String>,
}

/// Whether the reader knows an option of this name; any other is a variable.
pub(crate) fn is_option(name: &str) -> bool {
    Vocabulary::Jail.has(Group::Read, name)
}

/// What the first options of a jail say about whether it is to be at work.
pub(crate) fn switch_of(first: &Ordered<Traced>) -> Switch {
    match first.get(ENABLED.name).map(|enabled| &enabled.value) {
        Some(Value::Bool(true)) => Switch::On,
        Some(value) if value.as_str() == Some(AUTO) => Switch::Auto,
        Some(_) | None => Switch::Off,
    }
}

/// What a section turns out to be.
pub(crate) enum Section {
    /// Not an enabled jail.
    Off,
    Jail(Box<Jail>),
    /// A jail that cannot be used, and why.
    Bad(String),
}

/// A mistake while reading a jail.
enum Failure {
    /// Nothing can be used any more.
    Fatal(Box<Error>),
    /// The jail is skipped.
    Jail(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Fatal(Box::new(error))
    }
}

/// Reads a section; with an overlay it counts as enabled.
pub(crate) fn read(
    sources: &Sources<'_>,
    model: &mut Model,
    name: &str,
    overlay: Option<&Overlay>,
) -> Result<Section, Error> {
    match read_enabled(sources, model, name, overlay) {
        Ok(None) => Ok(Section::Off),
        Ok(Some(jail)) => Ok(Section::Jail(Box::new(jail))),
        Err(Failure::Fatal(error)) => Err(*error),
        Err(Failure::Jail(reason)) => {
            sources.log.add(Level::Error, JAIL, reason.as_str());
            Ok(Section::Bad(reason))
        }
    }
}

fn read_enabled(
    sources: &Sources<'_>,
    model: &mut Model,
    name: &str,
    overlay: Option<&Overlay>,
) -> Result<Option<Jail>, Failure> {
    let mut first = options::read(sources, model, name, &FIRST)?;
    lay_over(&mut first, overlay);
    let mut because = None;
    let mut asks_filter = false;
    let switch = match overlay {
        Some(_) => Switch::On,
        None => switch_of(&first),
    };
    match switch {
        Switch::On => {}
        Switch::Off => return Ok(None),
        Switch::Auto => match available::evidence(sources, model, name, &first)? {
            Evidence::Found(thing) => because = Some(thing),
            Evidence::Nothing => return Ok(None),
            Evidence::AskFilter => asks_filter = true,
        },
    }
    let text = |options: &Ordered<Traced>, name: &str| {
        options
            .get(name)
            .map(|option| option.value.text())
            .unwrap_or_default()
    };
    let definition = text(&first, FILTER.name);
    let mut filter = None;
    if definition.is_empty() {
        sources
            .log
            .add(Level::Warning, JAIL, format!("No filter set for jail {name}"));
    } else {
        let mut prepared = prepare_filter(sources, &definition, &first, overlay)?;
        for (option, value) in prepared.first_pass(sources, &first)?.iter() {
            if !option.starts_with("known/") {
                model.set(name, &format!("known/{option}"), value.clone());
            }
        }
        filter = Some(prepared);
    }
    let mut options = options::read(sources, model, name, &OPTIONS)?;
    lay_over(&mut options, overlay);
    if let Some(filter) = &mut filter {
        filter.second_pass(sources, &options)?;
    }
    if asks_filter {
        because = available::of_filter(sources, filter.as_ref())?;
        if because.is_none() {
            return Ok(None);
        }
    }
    let actions = read_actions(sources, name, &options)?;
    let at = model.section(name).and_then(|section| section.at.clone());
    Ok(Some(Jail {
        name: name.to_owned(),
        at,
        options,
        filter,
        actions,
        because,
    }))
}

fn lay_over(options: &mut Ordered<Traced>, overlay: Option<&Overlay>) {
    let Some(overlay) = overlay else { return };
    let backend = overlay.backend.iter().map(|backend| (BACKEND.name, backend));
    for (name, value) in overlay
        .options
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .chain(backend)
    {
        options.insert(name, Traced::new(value.as_str(), None));
    }
}

fn prepare_filter(
    sources: &Sources<'_>,
    text: &str,
    jail: &Ordered<Traced>,
    overlay: Option<&Overlay>,
) -> Result<Filter, Failure> {
    let mut definition = definition::parse(text)
        .map_err(|error| Failure::Jail(format!("Invalid filter definition {}: {error}", quote(text))))?;
    for (name, value) in overlay.iter().flat_map(|overlay| &overlay.options) {
        definition.set(name, value.clone());
    }
    let unreadable = || Failure::Jail(format!("Unable to read the filter {}", quote(&definition.name)));
    let model = sources
        .model(&file_name(sources, "filter.d", &definition.name))?
        .ok_or_else(unreadable)?;
    let backend = jail
        .get(BACKEND.name)
        .map(|backend| backend.value.text())
        .unwrap_or_default();
    Ok(Filter::new(
        sources,
        model,
        &definition,
        text,
        &backend,
        jail.get(FILTER.name),
    ))
}

/// The name under which a filter or an action is read: within its directory, unless it is absolute or begins
/// with `./`, which means the working directory.
pub(crate) fn file_name(sources: &Sources<'_>, directory: &str, name: &str) -> String {
    if name.starts_with("./") {
        sources.files.absolute(name)
    } else {
        join(directory, name)
    }
}

fn read_actions(
    sources: &Sources<'_>,
    jail: &str,
    options: &Ordered<Traced>,
) -> Result<Vec<Action>, Failure> {
    let written = options.get("action");
    let text = written.and_then(Traced::as_text).unwrap_or_default();
    let mut actions = Vec::new();
    for item in definition::split_actions(text) {
        let definition = definition::parse(item)
            .map_err(|error| Failure::Jail(format!("Invalid action definition {}: {error}", quote(item))))?;
        if definition.name.ends_with(".py") {
            let at = written.and_then(|written| written.place_of(item));
            actions.push(Action::python(&sources.base, &definition, at));
            continue;
        }
        let in_action = |source| Error::InAction {
            definition: item.to_owned(),
            source: Box::new(source),
        };
        let model = sources
            .model(&file_name(sources, "action.d", &definition.name))
            .map_err(in_action)?;
        let model = model
            .ok_or_else(|| Failure::Jail(format!("Unable to read action {}", quote(&definition.name))))?;
        actions.push(
            Action::files(sources, model, &definition, item, written, jail, options).map_err(in_action)?,
        );
    }
    if actions.is_empty() {
        sources.log.add(
            Level::Warning,
            JAIL,
            format!("No actions were defined for {jail}"),
        );
    }
    Ok(actions)
}

/// What to do where a jail has no log file.
enum NoLogs {
    /// It goes on without.
    Continue,
    /// It is left out.
    Skip,
}

impl Jail {
    /// The commands that make the jail; `None` where it is skipped because it has no log files.
    pub(crate) fn commands(
        &self,
        sources: &Sources<'_>,
        mode: Mode,
    ) -> Result<Option<Vec<Located<Command>>>, Error> {
        let mut commands = self.filter_commands(sources)?;
        for name in SENT {
            let Some(option) = self.options.get(name) else {
                continue;
            };
            let (property, arguments) = if name == "ignoreip" {
                (
                    "addignoreip",
                    words(option.as_text().unwrap_or_default())
                        .map(Value::from)
                        .collect(),
                )
            } else {
                (name, vec![option.value.clone()])
            };
            let parts = match (name, option.as_text()) {
                ("ignoreip", Some(text)) => option.places_of(words(text)),
                _ => Vec::new(),
            };
            let command = self.set(property, arguments, option.at.as_ref());
            commands.push(command.with_parts(parts));
        }
        let written = self.options.get(BACKEND.name);
        let mut backend = written.map(|backend| backend.value.text()).unwrap_or_default();
        if let Some(logpath) = self.options.get("logpath")
            && !backend.starts_with("systemd")
            && !backend.starts_with("syslog")
        {
            let logs = self.log_commands(sources, logpath)?;
            if logs.is_empty() {
                if backend.starts_with("auto")
                    && self.is("systemd_if_nologs")
                    && self.options.contains("journalmatch")
                {
                    let name = &self.name;
                    let text = format!(
                        "Have not found any log file for '{name}' jail. Jail will monitor systemd journal."
                    );
                    sources.log.add(Level::Warning, JAIL, text);
                    "systemd".clone_into(&mut backend);
                } else if let NoLogs::Skip = self.without_logs(sources, mode, logpath)? {
                    return Ok(None);
                } else if mode == Mode::Start {
                    commands.extend(self.awaited_logs(logpath));
                }
            }
            commands.extend(logs);
        }
        for action in &self.actions {
            action.commands(sources, &self.name, &mut commands)?;
        }
        let add = Command::Add {
            jail: self.name.clone(),
            backend,
        };
        let at = written
            .and_then(|backend| backend.at.clone())
            .or_else(|| self.at.clone());
        commands.insert(0, Located::new(add, at));
        Ok(Some(commands))
    }

    /// The commands of the filter, and those of the jail's own options of the same names.
    pub(crate) fn filter_commands(&self, sources: &Sources<'_>) -> Result<Vec<Located<Command>>, Error> {
        let mut commands = Vec::new();
        if let Some(filter) = &self.filter {
            filter.commands(sources, &self.name, &mut commands)?;
        }
        let own = FILTERS
            .iter()
            .filter_map(|option| Some((option.name, self.options.get(option.name)?)));
        // A number that is none is sent for every option but this one.
        let own = own.filter(|(name, option)| *name != "maxlines" || option.value != Value::None);
        filter::add_commands(&self.name, own, &mut commands)?;
        Ok(commands)
    }

    pub(crate) const fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// What the filter is evaluated with, as `fail2ban-regex` shows it.
    pub(crate) fn filter_options(&self) -> Vec<(String, Value)> {
        let datepattern = self.options.get("datepattern");
        let filter = self.filter.as_ref();
        filter
            .map(|filter| filter.shown_options(datepattern))
            .unwrap_or_default()
    }

    fn is(&self, option: &str) -> bool {
        self.options
            .get(option)
            .is_some_and(|option| option.value == Value::Bool(true))
    }

    fn set(&self, property: &str, arguments: Vec<Value>, at: Option<&Span>) -> Located<Command> {
        let (jail, property) = (self.name.clone(), property.to_owned());
        Located::new(
            Command::SetJail {
                jail,
                property,
                arguments,
                multi: false,
            },
            at.cloned(),
        )
    }

    fn log_command(&self, path: &str, position: &str, at: Option<&Span>) -> Located<Command> {
        self.set("addlogpath", vec![path.into(), position.into()], at)
    }

    /// A command for every log file that is there.
    fn log_commands(&self, sources: &Sources<'_>, logpath: &Traced) -> Result<Vec<Located<Command>>, Error> {
        let mut commands = Vec::new();
        for (pattern, position) in log_patterns(logpath) {
            if is_command(pattern) {
                commands.push(self.log_command(pattern, position, logpath.place_of(pattern).as_ref()));
                continue;
            }
            let paths = glob::expand(sources.files, pattern)?;
            if paths.is_empty() {
                sources.log.add(
                    Level::Notice,
                    JAIL,
                    format!("No file(s) found for glob {pattern}"),
                );
            }
            for path in paths {
                if sources.files.kind(&path) == Kind::DanglingLink {
                    let text = format!("File {path} is a dangling link, thus cannot be monitored");
                    sources.log.add(Level::Warning, JAIL, text);
                } else {
                    commands.push(self.log_command(&path, position, logpath.place_of(pattern).as_ref()));
                }
            }
        }
        Ok(commands)
    }

    fn without_logs(&self, sources: &Sources<'_>, mode: Mode, logpath: &Traced) -> Result<NoLogs, Error> {
        let name = &self.name;
        let missing = format!("Have not found any log file for '{name}' jail.");
        let warn = |text: String| sources.log.add(Level::Warning, JAIL, text);
        if self.is("skip_if_nologs") {
            warn(missing);
            warn(skipped(name));
            return Ok(NoLogs::Skip);
        }
        match mode {
            Mode::Start | Mode::Dump | Mode::DumpAndTest => {
                warn(missing);
                Ok(NoLogs::Continue)
            }
            Mode::Test => Err(Error::NoLogFile {
                at: logpath.at.clone(),
                jail: name.clone(),
            }),
        }
    }

    /// A jail that is started waits for its log files: it is told the patterns themselves.
    fn awaited_logs(&self, logpath: &Traced) -> Vec<Located<Command>> {
        log_patterns(logpath)
            .filter(|(pattern, _)| !pattern.is_empty())
            .map(|(pattern, position)| {
                self.log_command(pattern, position, logpath.place_of(pattern).as_ref())
            })
            .collect()
    }
}

/// Why a jail without log files is left out.
pub(crate) fn skipped(jail: &str) -> String {
    format!("Jail '{jail}' skipped, because of missing log files.")
}

/// The lines of a `logpath`: the pattern, and where to begin, which stands behind the last blank.
fn log_patterns(logpath: &Traced) -> impl Iterator<Item = (&str, &str)> {
    let lines = logpath.as_text().unwrap_or_default().split('\n');
    lines.map(log_pattern)
}

/// A line of a `logpath`. All of one that is a command belongs to the command.
pub(crate) fn log_pattern(line: &str) -> (&str, &str) {
    if is_command(line) {
        return (line, "head");
    }
    line.rsplit_once(' ').unwrap_or((line, "head"))
}

/// Whether a line of a `logpath` is a command whose output is the log.
pub(crate) fn is_command(line: &str) -> bool {
    line.starts_with('|')
}
