//! Names that nobody knows: options, sections, and where they would be known.

use std::collections::BTreeSet;
use std::rc::Rc;

use stockade_action::message::Medium;
use stockade_config::{
    Group, INCLUDES, Merged, Mistake, SourceFile, SourceSection, Vocabulary, Written, nearest,
};

use super::actions::tags;
use crate::context::Context;
use crate::{Code, Diagnostic, Place};

/// Sections that mean something in every file.
const EVERYWHERE: [&str; 2] = ["DEFAULT", "INCLUDES"];

pub(crate) fn apply(context: &mut Context<'_>) {
    let references = References::of(context.inspection.files.iter());
    let inspection = context.inspection;
    for file in &inspection.files {
        let Some((merged, is_layer)) = owner(&inspection.merged, file) else {
            continue;
        };
        let vocabulary = match merged.name.as_str() {
            "fail2ban" => Vocabulary::Daemon,
            "jail" => Vocabulary::Jail,
            name if name.contains("filter.d/") => Vocabulary::Filter,
            _ => Vocabulary::Action,
        };
        if !is_running(context, merged, vocabulary) {
            continue;
        }
        for section in &file.sections {
            if !one_section(context, section, vocabulary, &references) {
                continue;
            }
            // What is only included is a library, of which not everything is used.
            if !is_layer && vocabulary != Vocabulary::Jail {
                continue;
            }
            for option in &section.options {
                one_option(context, section, option, vocabulary, &references);
            }
        }
    }
}

/// What a file is read for, and whether it is a layer of that or only included.
fn owner<'m>(merged: &'m [Merged], file: &SourceFile) -> Option<(&'m Merged, bool)> {
    let mut found = None;
    for merged in merged {
        for (path, is_layer) in &merged.files {
            if *path == file.path && (found.is_none() || *is_layer) {
                found = Some((merged, *is_layer));
            }
        }
    }
    found
}

/// Whether the daemon or a jail that is enabled reads it.
fn is_running(context: &Context<'_>, merged: &Merged, vocabulary: Vocabulary) -> bool {
    match vocabulary {
        Vocabulary::Daemon | Vocabulary::Jail => true,
        Vocabulary::Filter => context
            .enabled()
            .filter_map(|jail| jail.filter.as_ref())
            .any(|filter| filter.merged == merged.name),
        Vocabulary::Action => context
            .enabled()
            .flat_map(|jail| &jail.actions)
            .any(|action| action.merged.as_ref() == Some(&merged.name)),
    }
}

/// Whether the options of a section are worth a look; a section that nobody reads is reported as such.
fn one_section(
    context: &mut Context<'_>,
    section: &SourceSection,
    vocabulary: Vocabulary,
    references: &References,
) -> bool {
    let Some(header) = &section.at else { return true };
    let name = section.name.as_str();
    let known: &[&str] = match vocabulary {
        Vocabulary::Daemon => &["Definition", "Thread"],
        Vocabulary::Filter | Vocabulary::Action => &["Definition", "Init"],
        Vocabulary::Jail => &[],
    };
    let base = name.split('?').next().unwrap_or(name);
    if name == "INCLUDES" {
        includes(context, section, references);
    }
    if EVERYWHERE.contains(&name) {
        return name == "DEFAULT";
    }
    if known.contains(&base) {
        return true;
    }
    let place = Place::at(header, name.chars().count() + 2);
    let spelt = EVERYWHERE
        .iter()
        .chain(known)
        .find(|known| known.eq_ignore_ascii_case(name.trim()));
    if let Some(spelt) = spelt {
        context.report(
            Diagnostic::new(
                Code::UnknownSection,
                place,
                format!("[{name}] is a section like any other"),
            )
            .help(format!("write `[{spelt}]`: case and blanks count")),
        );
        return false;
    }
    if vocabulary == Vocabulary::Jail {
        return jail_section(context, section, place, references);
    }
    if references.sections.contains(&name.to_lowercase()) || references.has_pattern_for_section(name) {
        return false;
    }
    let meant = nearest(name, EVERYWHERE.into_iter().chain(known.iter().copied()));
    let help = match (meant, vocabulary) {
        (Some(meant), _) => format!("did you mean `[{meant}]`?"),
        (None, Vocabulary::Daemon) => {
            "the options of the daemon belong below [Definition] or [DEFAULT]".to_owned()
        }
        (None, _) => {
            "options belong below [Definition], and the defaults of parameters below [Init]".to_owned()
        }
    };
    context.report(
        Diagnostic::new(
            Code::UnknownSection,
            place,
            format!("nobody reads the section [{name}]"),
        )
        .help(help),
    );
    false
}

/// `[INCLUDES]` has two options, and variables for them.
fn includes(context: &mut Context<'_>, section: &SourceSection, references: &References) {
    for option in &section.options {
        let name = option.name();
        if INCLUDES.iter().any(|known| known.name == name) || references.has(name) || option.is_used() {
            continue;
        }
        let message = format!("nobody reads the option `{name}` in [INCLUDES]");
        let help = nearest(name, INCLUDES.iter().map(|known| known.name)).map_or_else(
            || "the options are `before` and `after`".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        context.report(Diagnostic::new(Code::UnknownOption, Place::name(option), message).help(help));
    }
}

/// A section of the jail files: nearly always a jail.
fn jail_section(
    context: &mut Context<'_>,
    section: &SourceSection,
    place: Place,
    references: &References,
) -> bool {
    let name = section.name.as_str();
    if ["Definition", "Init", "Thread"].contains(&name) {
        context.report(
            Diagnostic::new(
                Code::UnknownSection,
                place,
                format!("[{name}] in a jail file is a jail of that name"),
            )
            .help("settings for all jails belong below [DEFAULT], those of a jail below its own name, such as [sshd]"),
        );
        return false;
    }
    if name != name.trim() {
        context.report(
            Diagnostic::new(
                Code::UnknownSection,
                place,
                format!("the blanks are part of the jail's name `{name}`"),
            )
            .help(format!("write `[{}]`", name.trim())),
        );
        return true;
    }
    // A few lines for a jail that is not defined elsewhere are often meant for one with a similar name.
    let jails = &context.inspection.jails;
    let is_enabled = jails.iter().any(|jail| jail.name == name && jail.is_enabled);
    let has_jail_options = section
        .options
        .iter()
        .any(|option| ["enabled", "filter", "logpath", "port", "action"].contains(&option.name()));
    let others = jails
        .iter()
        .map(|jail| jail.name.as_str())
        .filter(|other| *other != name && other.len() > 3);
    let is_alone = context
        .inspection
        .files
        .iter()
        .flat_map(|file| &file.sections)
        .filter(|other| other.name == name)
        .count()
        == 1;
    let is_variable = references.sections.contains(&name.to_lowercase());
    if !is_enabled
        && is_alone
        && !has_jail_options
        && !is_variable
        && !section.options.is_empty()
        && let Some(meant) = nearest(name, others)
    {
        context.report(
            Diagnostic::new(
                Code::UnknownSection,
                place,
                format!("there is no jail [{name}] that these options would be for"),
            )
            .help(format!("did you mean `[{meant}]`?")),
        );
        return false;
    }
    true
}

/// Everything that any text refers to.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// In lower case, without sections.
    names: BTreeSet<String>,
    /// In lower case.
    sections: BTreeSet<String>,
    /// Beginnings and ends of names that are put together, as in `<mdre-<mode>>`.
    patterns: Vec<(String, String)>,
}

impl References {
    fn of<'f>(files: impl Iterator<Item = &'f SourceFile>) -> Self {
        let mut references = Self::default();
        for file in files {
            for section in &file.sections {
                for option in &section.options {
                    references.add(option.text());
                }
            }
        }
        references
    }

    fn add(&mut self, text: &str) {
        for part in text.split("%(").skip(1) {
            if let Some((key, _)) = part.split_once(")s") {
                self.add_name(key);
            }
        }
        for (_, tag) in tags(text) {
            self.add_name(tag);
        }
        self.add_composed(text);
    }

    fn add_name(&mut self, name: &str) {
        let name = name.to_lowercase();
        if let Some((section, option)) = name.split_once('/') {
            self.sections.insert(section.to_owned());
            self.names.insert(option.to_owned());
        }
        self.names.insert(name);
    }

    /// `<a<b>c>`: any name that begins with `a` and ends with `c`.
    fn add_composed(&mut self, text: &str) {
        /// More patterns than any filter has; each is tried for each name.
        const MOST: usize = 10_000;
        for (at, _) in text.match_indices('<') {
            let inside = text.get(at + 1..).unwrap_or_default();
            let Some(inner) = inside.find(['<', '>', ' ', '\n']) else {
                continue;
            };
            if !inside.get(inner..).is_some_and(|rest| rest.starts_with('<')) {
                continue;
            }
            let start = inside.get(..inner).unwrap_or_default();
            let mut depth = 0_usize;
            let mut last_close = inner;
            for (byte, c) in inside.char_indices().skip_while(|(byte, _)| *byte < inner) {
                match c {
                    '<' => depth += 1,
                    '>' if depth == 0 => {
                        let end = inside.get(last_close..byte).unwrap_or_default();
                        if self.patterns.len() < MOST {
                            self.patterns.push((start.to_lowercase(), end.to_lowercase()));
                        }
                        break;
                    }
                    '>' => {
                        depth -= 1;
                        last_close = byte + 1;
                    }
                    ' ' | '\n' => break,
                    _ => {}
                }
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        let fits = |(start, end): &(String, String)| {
            let end = end.rsplit('/').next().unwrap_or(end);
            if start.contains('/') || start.is_empty() && end.is_empty() {
                false
            } else {
                name.len() > start.len() + end.len()
                    && name.starts_with(start.as_str())
                    && name.ends_with(end)
            }
        };
        self.names.contains(name)
            || self.patterns.iter().any(fits)
            || self
                .patterns
                .iter()
                .any(|(_, end)| end.rsplit_once('/').is_some_and(|(_, option)| option == name))
    }

    fn has_pattern_for_section(&self, section: &str) -> bool {
        let section = section.to_lowercase();
        self.patterns.iter().any(|(start, end)| {
            let end = end.split('/').next().unwrap_or(end);
            section.starts_with(start.as_str()) && section.ends_with(end)
        })
    }
}

/// The names that the texts of a filter or an action refer to.
pub(crate) fn references_of(merged: &Merged) -> Vec<String> {
    let mut references = References::default();
    for (_, options) in &merged.sections {
        for option in options.iter().filter_map(|layers| layers.last()) {
            references.add(option.text());
        }
    }
    references.names.into_iter().collect()
}

/// Whether an action sends messages, by options that its commands do not name.
fn sends(section: &SourceSection) -> bool {
    section
        .options
        .iter()
        .any(|option| option.name() == "type" && Medium::named(Some(option.text())) != Medium::Shell)
}

fn one_option(
    context: &mut Context<'_>,
    section: &SourceSection,
    option: &Rc<Written>,
    vocabulary: Vocabulary,
    references: &References,
) {
    let name = option.name();
    let base = name.split('?').next().unwrap_or(name);
    let is_known = vocabulary.has(Group::Read, base);
    if is_known || option.is_used() || references.has(base) || name == "__name__" {
        return;
    }
    match vocabulary {
        Vocabulary::Jail if Vocabulary::Jail.has(Group::Variable, name) || is_conventional(name) => return,
        // The daemon takes these without anybody's asking.
        Vocabulary::Action if Vocabulary::Action.has(Group::Setting, base) => return,
        Vocabulary::Action if sends(section) && Vocabulary::Action.has(Group::Message, base) => return,
        Vocabulary::Filter | Vocabulary::Action if Vocabulary::Filter.has(Group::Variable, base) => return,
        Vocabulary::Daemon | Vocabulary::Jail | Vocabulary::Filter | Vocabulary::Action => {}
    }
    // Where somebody refers to a name like this one, that has been reported.
    let wanted = context
        .inspection
        .mistakes
        .iter()
        .filter_map(|mistake| match mistake {
            Mistake::Error(error) => error.unknown_key(),
            Mistake::Unreadable { .. }
            | Mistake::NotUtf8 { .. }
            | Mistake::MissingInclude { .. }
            | Mistake::Definition { .. }
            | Mistake::NoFile { .. }
            | Mistake::NoDefinition { .. } => None,
        });
    if nearest(name, wanted).is_some() {
        return;
    }
    let place = Place::name(option);
    let known = vocabulary.options();
    let variables = Vocabulary::Jail
        .entries(Group::Variable)
        .map(|variable| variable.name);
    let here = known
        .iter()
        .copied()
        .chain(variables.filter(|_| vocabulary == Vocabulary::Jail));
    let near = nearest(name, here).or_else(|| {
        let used = references.names.iter().map(String::as_str);
        nearest(name, used.filter(|used| used.len() > 4 && !used.contains('/')))
    });
    if let Some(help) = elsewhere(context, section, name, vocabulary) {
        let message = format!("nobody reads `{name}` in [{}]", section.name);
        context.report(Diagnostic::new(Code::MisplacedOption, place, message).help(help));
        return;
    }
    let mut diagnostic = Diagnostic::new(
        Code::UnknownOption,
        place,
        format!("nobody reads the option `{name}` in [{}]", section.name),
    );
    diagnostic.help = near.map(|near| format!("did you mean `{near}`?"));
    if name.chars().any(|c| !c.is_ascii() || c.is_control()) {
        diagnostic.help = Some(
            "its name has a character that is not ASCII; it may look like a blank or a letter".to_owned(),
        );
    }
    context.report(diagnostic);
}

/// Names by which the stock files call the logs and backends of programs.
fn is_conventional(name: &str) -> bool {
    name.ends_with("_log")
        || name.ends_with("_logs")
        || name.ends_with("_backend")
        || name.starts_with("syslog_")
        || name.starts_with("action_")
        || name.starts_with("banaction_")
}

/// Where an option would be read, if not here.
fn elsewhere(
    context: &Context<'_>,
    section: &SourceSection,
    name: &str,
    vocabulary: Vocabulary,
) -> Option<String> {
    let is = |other: Vocabulary| other != vocabulary && other.has(Group::Read, name);
    match vocabulary {
        Vocabulary::Jail => {
            let of_action = context
                .enabled()
                .filter(|jail| section.name == "DEFAULT" || jail.name == section.name)
                .flat_map(|jail| &jail.actions)
                .find(|action| action.properties.iter().any(|(property, _)| property == name));
            if is(Vocabulary::Daemon) {
                Some(
                    "it is an option of the daemon: write it into fail2ban.local, below [Definition]"
                        .to_owned(),
                )
            } else if is(Vocabulary::Action) {
                Some(
                    "it is an option of actions: write it into action.d/NAME.local, below [Definition]"
                        .to_owned(),
                )
            } else {
                of_action.map(|action| {
                    format!(
                        "an action is told by its parameters: `action = %(action_)s[{name}=…]`, or `{}[{name}=…]`",
                        action.definition.name
                    )
                })
            }
        }
        Vocabulary::Filter if is(Vocabulary::Jail) => {
            Some("it is an option of jails: write it into jail.local, below the name of the jail".to_owned())
        }
        Vocabulary::Action if is(Vocabulary::Filter) => {
            Some("it is an option of filters: write it into filter.d/NAME.local".to_owned())
        }
        Vocabulary::Filter if is(Vocabulary::Action) => {
            Some("it is an option of actions: write it into action.d/NAME.local".to_owned())
        }
        Vocabulary::Daemon if is(Vocabulary::Jail) => Some(
            "it is an option of jails: write it into jail.local, below [DEFAULT] or the name of the jail"
                .to_owned(),
        ),
        Vocabulary::Daemon | Vocabulary::Filter | Vocabulary::Action => None,
    }
}
