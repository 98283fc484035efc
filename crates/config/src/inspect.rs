//! Everything that a configuration says, with every mistake in it: for whoever checks it rather than runs it.
//!
//! In: the files below a base directory. Out: each section as a jail, enabled or not, with its filter and its actions,
//! every value with the places it is written at; the files as they are written, and which of their options anybody
//! has asked for; and the mistakes at which a daemon would have stopped, or which it would have passed over.
//!
//! Invariant: what an enabled jail is told here is what the daemon would be told, as long as there is no mistake.

use std::{
    cell::{Cell, RefCell},
    ops::Range,
    rc::Rc,
};

use stockade_protocol::{
    Value,
    definition::{self, Definition, Syntax},
};

use crate::{
    Error, Files, Span, Switch,
    action::{self, Action},
    available::{self, Evidence},
    filter::Filter,
    glob,
    interpolate::HOLE,
    jail::{self, file_name},
    layers::Sources,
    model::{Model, Options, Traced},
    options,
    ordered::Ordered,
    parse::{DEFAULT, Parsed, Written},
    reader, server,
    vocabulary::{BACKEND, FILTER, JAIL},
    words,
};

/// How many mistakes are kept; who has more has the same one again and again.
const MISTAKES: usize = 10_000;

/// A configuration and all that is wrong with it as far as reading goes.
#[derive(Debug, Default)]
pub struct Inspection {
    /// The base directory as it was given, without trailing slashes.
    pub base: String,
    /// The files that have been read, by path.
    pub files: Vec<SourceFile>,
    /// What the daemon itself is told, by the names of `fail2ban.conf`.
    pub general: Vec<(String, Text)>,
    /// The sections of the jail files, in the order of the jails.
    pub jails: Vec<InspectedJail>,
    /// What has been merged, by name: `fail2ban`, `filter.d/sshd`, `jail`.
    pub merged: Vec<Merged>,
    /// What is wrong, in the order in which it was met.
    pub mistakes: Vec<Mistake>,
    /// How many mistakes there are beyond those.
    pub further_mistakes: usize,
}

/// A file as it is written.
#[derive(Debug)]
pub struct SourceFile {
    /// Its path, as the reader has it.
    pub path: String,
    /// Its sections in order, `[DEFAULT]` first.
    pub sections: Vec<SourceSection>,
}

/// A section as it is written.
#[derive(Debug)]
pub struct SourceSection {
    /// The name between the brackets.
    pub name: String,
    /// The header; `None` for `[DEFAULT]`, which may have several.
    pub at: Option<Span>,
    /// The options, in order.
    pub options: Vec<Rc<Written>>,
}

/// All layers of one name, merged.
#[derive(Debug)]
pub struct Merged {
    /// `fail2ban`, `jail`, `filter.d/NAME`, `action.d/NAME`.
    pub name: String,
    /// The files in reading order, and whether each is a layer of its own or only included.
    pub files: Vec<(String, bool)>,
    /// The sections in order, `[DEFAULT]` first: of each option what the files say, oldest first; the last counts.
    pub sections: Vec<(String, Vec<Vec<Rc<Written>>>)>,
}

/// A section of the jail files.
#[derive(Debug)]
pub struct InspectedJail {
    /// The name of the section.
    pub name: String,
    /// Its first header.
    pub at: Option<Span>,
    /// Whether it is a jail that would be started. The others are read only to see what they make use of.
    pub is_enabled: bool,
    /// The options of the jail that the daemon knows.
    pub options: Vec<(String, Text)>,
    /// Its filter, where that could be read.
    pub filter: Option<InspectedFilter>,
    /// Its actions, as far as they could be read.
    pub actions: Vec<InspectedAction>,
    /// The lines of its `logpath`.
    pub logs: Vec<InspectedLog>,
}

/// A line of `logpath`.
#[derive(Debug)]
pub struct InspectedLog {
    /// The path, or the pattern of paths.
    pub pattern: String,
    /// Where reading begins, as it is written: `head` or `tail`.
    pub position: String,
    /// Where the line begins in the text of the option.
    pub byte: usize,
    /// Whether there is such a file.
    pub exists: bool,
}

impl InspectedJail {
    /// An option of the jail.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&Text> {
        find(&self.options, name)
    }
}

/// A filter in a jail.
#[derive(Debug)]
pub struct InspectedFilter {
    /// Its name and parameters.
    pub definition: Definition,
    /// Where the definition is written.
    pub at: Option<Span>,
    /// The name of what was merged: `filter.d/sshd`.
    pub merged: String,
    /// The parameters as they are written.
    pub parameters: Vec<Rc<Written>>,
    /// All options with their tags replaced.
    pub options: Vec<(String, Text)>,
}

impl InspectedFilter {
    /// An option of the filter.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&Text> {
        find(&self.options, name)
    }
}

/// An action in a jail.
#[derive(Debug)]
pub struct InspectedAction {
    /// The name under which the jail knows it.
    pub name: String,
    /// Its own name and parameters.
    pub definition: Definition,
    /// Where the definition is written.
    pub at: Option<Span>,
    /// The name of what was merged: `action.d/nftables`; `None` for an action in Python.
    pub merged: Option<String>,
    /// The parameters as they are written.
    pub parameters: Vec<Rc<Written>>,
    /// What the daemon is told: the commands and switches with their tags replaced, everything else as it is.
    pub properties: Vec<(String, Text)>,
}

impl InspectedAction {
    /// A property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Text> {
        find(&self.properties, name)
    }

    /// Whether a property is one of the commands and switches.
    #[must_use]
    pub fn is_standard(name: &str) -> bool {
        action::is_standard(name)
    }
}

fn find<'t>(options: &'t [(String, Text)], name: &str) -> Option<&'t Text> {
    options
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, text)| text)
}

/// A value with the places it has been put together from.
#[derive(Debug, Clone)]
pub struct Text(Traced);

impl Text {
    /// The value with its type.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0.value
    }

    /// The text, where it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_text()
    }

    /// Where the value begins that was read; `None` where it comes from no file.
    #[must_use]
    pub fn at(&self) -> Option<&Span> {
        self.0.at.as_ref()
    }

    /// Where a byte of the text stands, through interpolation and tags.
    #[must_use]
    pub fn place(&self, byte: usize) -> Option<Span> {
        self.0.place(byte)
    }

    /// The option that was read for this value.
    #[must_use]
    pub fn written(&self) -> Option<&Rc<Written>> {
        self.0.written.as_ref()
    }

    /// The options from which a range of the text has come.
    pub fn sources(&self, range: Range<usize>) -> impl Iterator<Item = &Rc<Written>> {
        let pieces = self.0.pieces.as_deref();
        let whole = self.0.written.as_ref().filter(|_| pieces.is_none());
        pieces
            .into_iter()
            .flat_map(move |pieces| pieces.written(range.clone()))
            .chain(whole)
    }
}

/// Whether a mistake concerns a filter or an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A filter.
    Filter,
    /// An action.
    Action,
}

/// What is wrong with a configuration as far as reading it goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Mistake {
    /// What makes the whole configuration unusable.
    Error(Error),
    /// A file that is there and cannot be read, and why.
    Unreadable {
        /// The file.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// A file with bytes that are no text.
    NotUtf8 {
        /// The first of them.
        at: Span,
        /// The byte.
        byte: u8,
    },
    /// A file that another one includes and that does not exist.
    MissingInclude {
        /// Where it is named.
        at: Option<Span>,
        /// The path that was looked for.
        path: String,
    },
    /// A definition that cannot be read.
    Definition {
        /// Of what.
        part: Part,
        /// Where it begins.
        at: Option<Span>,
        /// Where in it the mistake is.
        exactly: Option<Span>,
        /// The definition.
        text: String,
        /// What is wrong.
        error: Syntax,
    },
    /// A filter or an action without a readable file.
    NoFile {
        /// Which of them.
        part: Part,
        /// Where it is named.
        at: Option<Span>,
        /// The jail that names it.
        jail: String,
        /// The name, without parameters.
        name: String,
    },
    /// A filter or an action whose files have no `[Definition]`.
    NoDefinition {
        /// Which of them.
        part: Part,
        /// Where it is named.
        at: Option<Span>,
        /// The file that should have it.
        path: String,
    },
}

/// The mistakes that have been noted so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    mistakes: RefCell<Vec<Mistake>>,
    further: Cell<usize>,
    /// Whether what is read now is of no consequence.
    muted: Cell<bool>,
}

impl Findings {
    pub(crate) fn note(&self, mistake: Mistake) {
        let mut mistakes = self.mistakes.borrow_mut();
        if self.muted.get() || mistakes.contains(&mistake) {
            return;
        }
        if mistakes.len() < MISTAKES {
            mistakes.push(mistake);
        } else {
            self.further.set(self.further.get().saturating_add(1));
        }
    }
}

/// Reads a configuration with all its mistakes.
///
/// The arguments are those of [`crate::Reader::new`].
#[must_use]
pub fn inspect(files: &dyn Files, base: &str, version: &str, variables: &[(String, String)]) -> Inspection {
    let sources = Sources::inspecting(files, base);
    let mut inspection = Inspection::default();
    let result = fill(&sources, version, variables, &mut inspection);
    inspection.base.clone_from(&sources.base);
    inspection.files = sources
        .files_read()
        .into_iter()
        .map(|(path, parsed)| source_file(path, &parsed))
        .collect();
    inspection.merged = sources
        .models_read()
        .into_iter()
        .map(|(name, model)| merged(name, &model))
        .collect();
    if let Some(findings) = sources.findings() {
        inspection.mistakes = findings.mistakes.take();
        inspection.further_mistakes = findings.further.get();
    }
    inspection.mistakes.extend(result.err().map(Mistake::Error));
    inspection
}

fn fill(
    sources: &Sources<'_>,
    version: &str,
    variables: &[(String, String)],
    inspection: &mut Inspection,
) -> Result<(), Error> {
    let general = sources.model("fail2ban")?;
    match &general {
        Some(model) => inspection.general = texts(&server::everything(sources, model)?),
        None => {
            sources.go_on::<()>(Err(Error::Unreadable { what: "fail2ban" }))?;
        }
    }
    let Some(mut model) = sources.go_on(reader::jails(sources, version, variables))? else {
        return Ok(());
    };
    let names: Vec<String> = model
        .section_names()
        .filter(|name| *name != "INCLUDES")
        .map(str::to_owned)
        .collect();
    let mut firsts = Vec::new();
    for name in names {
        let first = options::read(sources, &model, &name, &jail::FIRST)?;
        let is_enabled = match jail::switch_of(&first) {
            Switch::On => true,
            Switch::Off => false,
            Switch::Auto => match available::evidence(sources, &model, &name, &first)? {
                // Where only the filter knows, it is looked at as if it were.
                Evidence::Found(_) | Evidence::AskFilter => true,
                Evidence::Nothing => false,
            },
        };
        let at = model.section(&name).and_then(|section| section.at.clone());
        inspection.jails.push(InspectedJail {
            name,
            at,
            is_enabled,
            options: texts(&first),
            filter: None,
            actions: Vec::new(),
            logs: Vec::new(),
        });
        firsts.push(first);
    }
    // What was read to see which jails are enabled has been asked for by none of them.
    for (_, parsed) in sources.files_read() {
        parsed.options().for_each(|option| option.forget_use());
    }
    if let Some(general) = &general {
        server::everything(sources, general)?;
    }
    for (jail, first) in inspection.jails.iter_mut().zip(&firsts) {
        if jail.is_enabled {
            read_jail(sources, &mut model, first, jail)?;
        }
    }
    for (_, parsed) in sources.files_read() {
        parsed.options().for_each(|option| option.settle());
    }
    if let Some(findings) = sources.findings() {
        findings.muted.set(true);
    }
    for (jail, first) in inspection.jails.iter_mut().zip(&firsts) {
        if !jail.is_enabled {
            read_jail(sources, &mut model, first, jail)?;
        }
    }
    Ok(())
}

/// Reads a jail as if it were enabled, whatever is wrong with its parts.
fn read_jail(
    sources: &Sources<'_>,
    model: &mut Model,
    first: &Ordered<Traced>,
    jail: &mut InspectedJail,
) -> Result<(), Error> {
    let mut prepared = prepare_filter(sources, first, &jail.name)?;
    if let Some((filter, _)) = &mut prepared {
        for (option, value) in filter.first_pass(sources, first)?.iter() {
            if !option.starts_with("known/") {
                model.set(&jail.name, &format!("known/{option}"), value.clone());
            }
        }
    }
    let options = options::read(sources, model, &jail.name, &JAIL)?;
    jail.options = texts(&options);
    if let Some((mut filter, mut inspected)) = prepared {
        filter.second_pass(sources, &options)?;
        inspected.options = texts(&filter.resolved(sources)?);
        jail.filter = Some(inspected);
    }
    let journalmatches = jail.option("journalmatch").into_iter().chain(
        jail.filter
            .iter()
            .filter_map(|filter| filter.option("journalmatch")),
    );
    for text in journalmatches {
        for (from, line) in lines(text).filter(|(_, line)| !line.contains(HOLE)) {
            let at = text.place(from);
            sources.go_on(words::split(line, at.as_ref()))?;
        }
    }
    if let Some(logpath) = options.get("logpath") {
        jail.logs = read_logs(sources, logpath)?;
    }
    if let Some(written) = options.get("action") {
        read_actions(sources, &options, written, jail)?;
    }
    Ok(())
}

fn read_logs(sources: &Sources<'_>, logpath: &Traced) -> Result<Vec<InspectedLog>, Error> {
    let mut logs = Vec::new();
    let mut byte = 0;
    for line in logpath.as_text().unwrap_or_default().split('\n') {
        let (pattern, position) = jail::log_pattern(line);
        if !line.is_empty() {
            logs.push(InspectedLog {
                pattern: pattern.to_owned(),
                position: position.to_owned(),
                byte,
                exists: jail::is_command(pattern) || !glob::expand(sources.files, pattern)?.is_empty(),
            });
        }
        byte += line.len() + 1;
    }
    Ok(logs)
}

/// The lines of a text, each with the byte at which it begins.
fn lines(text: &Text) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    text.as_str().unwrap_or_default().split('\n').map(move |line| {
        let begins = from;
        from += line.len() + 1;
        (begins, line)
    })
}

fn prepare_filter(
    sources: &Sources<'_>,
    first: &Ordered<Traced>,
    jail: &str,
) -> Result<Option<(Filter, InspectedFilter)>, Error> {
    let Some(source) = first.get(FILTER.name) else {
        return Ok(None);
    };
    let text = source.value.text();
    if text.is_empty() {
        return Ok(None);
    }
    let at = source.place(0);
    let definition = match definition::parse(&text) {
        Ok(definition) => definition,
        Err(error) => {
            note_definition(sources, Part::Filter, source, 0, &text, error);
            return Ok(None);
        }
    };
    let name = file_name(sources, "filter.d", &definition.name);
    let Some(model) = read_part(sources, Part::Filter, &name, &definition.name, jail, at.as_ref())? else {
        return Ok(None);
    };
    let backend = first
        .get(BACKEND.name)
        .map(|backend| backend.value.text())
        .unwrap_or_default();
    let filter = Filter::new(sources, model, &definition, &text, &backend, Some(source));
    let inspected = InspectedFilter {
        definition,
        at,
        merged: name,
        parameters: filter.parameters(),
        options: Vec::new(),
    };
    Ok(Some((filter, inspected)))
}

fn read_actions(
    sources: &Sources<'_>,
    options: &Ordered<Traced>,
    source: &Traced,
    jail: &mut InspectedJail,
) -> Result<(), Error> {
    let text = source.as_text().unwrap_or_default();
    let mut from = 0;
    for item in definition::split_actions(text) {
        // Two items may be the same, so each is looked for behind the one before.
        let begins = from + text.get(from..).and_then(|rest| rest.find(item)).unwrap_or(0);
        from = begins + item.len();
        let at = source.place(begins);
        let definition = match definition::parse(item) {
            Ok(definition) => definition,
            Err(error) => {
                note_definition(sources, Part::Action, source, begins, item, error);
                continue;
            }
        };
        if definition.name.ends_with(".py") {
            let action = Action::python(&sources.base, &definition, at.clone());
            jail.actions.push(InspectedAction {
                name: action.name().to_owned(),
                definition,
                at,
                merged: None,
                parameters: Vec::new(),
                properties: Vec::new(),
            });
            continue;
        }
        let name = file_name(sources, "action.d", &definition.name);
        let Some(model) = read_part(
            sources,
            Part::Action,
            &name,
            &definition.name,
            &jail.name,
            at.as_ref(),
        )?
        else {
            continue;
        };
        let item_source = source.part(begins..begins + item.len());
        let action = Action::files(
            sources,
            model,
            &definition,
            item,
            Some(&item_source),
            &jail.name,
            options,
        )?;
        jail.actions.push(InspectedAction {
            name: action.name().to_owned(),
            definition,
            at,
            merged: Some(name),
            parameters: action.parameters(),
            properties: texts_of(action.properties(sources)?),
        });
    }
    Ok(())
}

/// Reads the files of a filter or of an action.
fn read_part(
    sources: &Sources<'_>,
    part: Part,
    name: &str,
    shown: &str,
    jail: &str,
    at: Option<&Span>,
) -> Result<Option<Rc<Model>>, Error> {
    let model = sources.model(name)?;
    match &model {
        // The name itself could not be read.
        None if shown.contains(HOLE) => {}
        None => sources.note(|| Mistake::NoFile {
            part,
            at: at.cloned(),
            jail: jail.to_owned(),
            name: shown.to_owned(),
        }),
        Some(model) if !model.has_section("Definition") => sources.note(|| Mistake::NoDefinition {
            part,
            at: at.cloned(),
            path: model
                .files
                .iter()
                .find(|(_, is_layer)| *is_layer)
                .map_or_else(|| name.to_owned(), |(path, _)| path.clone()),
        }),
        Some(_) => {}
    }
    Ok(model)
}

fn note_definition(
    sources: &Sources<'_>,
    part: Part,
    source: &Traced,
    begins: usize,
    text: &str,
    error: Syntax,
) {
    if text.contains(HOLE) {
        return;
    }
    let inside = text.find('[').map_or(text.len(), |open| open + 1);
    let byte = match &error {
        Syntax::Brackets => text.find('[').unwrap_or(0),
        Syntax::Expected { at, .. } | Syntax::Unexpected { at, .. } => {
            let behind = text.get(inside..).unwrap_or_default();
            inside
                + behind
                    .char_indices()
                    .nth(*at)
                    .map_or(behind.len(), |(byte, _)| byte)
        }
    };
    sources.note(|| Mistake::Definition {
        part,
        at: source.place(begins),
        exactly: source.place(begins + byte),
        text: text.to_owned(),
        error,
    });
}

fn texts(options: &Ordered<Traced>) -> Vec<(String, Text)> {
    options
        .iter()
        .map(|(name, value)| (name.to_owned(), Text(value.clone())))
        .collect()
}

fn texts_of(options: Vec<(String, Traced)>) -> Vec<(String, Text)> {
    options
        .into_iter()
        .map(|(name, value)| (name, Text(value)))
        .collect()
}

fn source_file(path: String, parsed: &Parsed) -> SourceFile {
    let of = |options: &Ordered<Traced>| {
        let written = options.iter().filter_map(|(_, value)| value.written.clone());
        written.collect()
    };
    let defaults = SourceSection {
        name: DEFAULT.to_owned(),
        at: None,
        options: of(&parsed.defaults),
    };
    let sections = parsed.sections.iter().map(|(name, section)| SourceSection {
        name: name.to_owned(),
        at: Some(section.at.clone()),
        options: of(&section.options),
    });
    SourceFile {
        path,
        sections: std::iter::once(defaults).chain(sections).collect(),
    }
}

fn merged(name: String, model: &Model) -> Merged {
    let of = |options: &Options| -> Vec<Vec<Rc<Written>>> {
        options
            .iter()
            .map(|(_, entry)| {
                entry
                    .earlier
                    .iter()
                    .chain([&entry.current])
                    .filter_map(|value| value.written.clone())
                    .collect()
            })
            .collect()
    };
    let sections = model
        .sections
        .iter()
        .map(|(name, section)| (name.to_owned(), of(&section.options)));
    Merged {
        name,
        files: model.files.clone(),
        sections: std::iter::once((DEFAULT.to_owned(), of(&model.defaults)))
            .chain(sections)
            .collect(),
    }
}
