//! What makes a configuration unusable, in the words of the reference.

use crate::{Span, text::quote};

/// An error after which nothing of a configuration can be used.
///
/// `Display` is the text of the reference, which administrators and tools know; [`Error::span`] adds where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An option stands twice in a section of one file.
    #[error(
        "While reading from {} [line {:>2}]: option {} in section {} already exists",
        quote(&at.file), at.line, quote(option), quote(section)
    )]
    DuplicateOption {
        /// The second one.
        at: Span,
        /// The first one.
        first: Span,
        /// The section.
        section: String,
        /// The option.
        option: String,
    },
    /// A section stands twice in one file.
    #[error("While reading from {} [line {:>2}]: section {} already exists", quote(&at.file), at.line, quote(section))]
    DuplicateSection {
        /// The second one.
        at: Span,
        /// The first one.
        first: Span,
        /// The section.
        section: String,
    },
    /// Something stands before the first section.
    #[error("File contains no section headers.\nfile: {}, line: {}\n{}", quote(&at.file), at.line, quote(text))]
    NoSectionHeader {
        /// The line.
        at: Span,
        /// What it says.
        text: String,
    },
    /// Lines that are neither a section nor an option.
    #[error(
        "Source contains parsing errors: {}{}",
        quote(&at.file),
        lines.iter().map(|(number, text)| format!("\n\t[line {number:>2}]: {}", quote(text))).collect::<String>()
    )]
    BadLines {
        /// The first of them.
        at: Span,
        /// All of them: their numbers and what they say.
        lines: Vec<(u32, String)>,
    },
    /// `%(name)s` names nothing.
    #[error(
        "Bad value substitution: option {} in section {} contains an interpolation key {} which is not a valid option \
         name. Raw value: {}",
        quote(option),
        quote(section),
        quote(key),
        quote(raw)
    )]
    UnknownKey {
        /// The value that was read.
        at: Option<Span>,
        /// The reference itself, where the reader traces it.
        exactly: Option<Box<Span>>,
        /// The section it was read for.
        section: String,
        /// The option.
        option: String,
        /// The name.
        key: String,
        /// What is written.
        raw: Box<str>,
    },
    /// `%(name)s` leads to itself, or too deep.
    #[error(
        "Recursion limit exceeded in value substitution: option {} in section {} contains an interpolation key which \
         cannot be substituted in 10 steps. Raw value: {}",
        quote(option),
        quote(section),
        quote(raw)
    )]
    TooDeep {
        /// The value that was read.
        at: Option<Span>,
        /// The reference itself, where the reader traces it.
        exactly: Option<Box<Span>>,
        /// The section it was read for.
        section: String,
        /// The option.
        option: String,
        /// What is written.
        raw: String,
    },
    /// A `%` that begins nothing.
    #[error("'%' must be followed by '%' or '(', found: {}", quote(found))]
    StrayPercent {
        /// The value that was read.
        at: Option<Span>,
        /// The reference itself, where the reader traces it.
        exactly: Option<Box<Span>>,
        /// The value from there on.
        found: String,
    },
    /// A `%(` that is not closed by `)s`.
    #[error("bad interpolation variable reference {}", quote(found))]
    BadReference {
        /// The value that was read.
        at: Option<Span>,
        /// The reference itself, where the reader traces it.
        exactly: Option<Box<Span>>,
        /// The value from there on.
        found: String,
    },
    /// `%(name)s` names a value that is not text.
    #[error("argument of type '{class}' is not iterable")]
    NotText {
        /// The value that was read.
        at: Option<Span>,
        /// The reference itself, where the reader traces it.
        exactly: Option<Box<Span>>,
        /// What it is in the reference: `int`, `NoneType`.
        class: String,
    },
    /// A tag leads to itself.
    #[error(
        "properties contain self referencing definitions and cannot be resolved, fail tag: {option}, found: {tag} in \
         {{{}}}, value: {value}",
        counts.iter().map(|(tag, count)| format!("{}: {count}", quote(tag))).collect::<Vec<_>>().join(", ")
    )]
    SelfReference {
        /// Where the option is written.
        at: Option<Span>,
        /// The tag itself, where the reader traces it.
        exactly: Option<Box<Span>>,
        /// The option that was being resolved.
        option: String,
        /// The tag.
        tag: String,
        /// How often each tag has been replaced in it.
        counts: Vec<(String, u32)>,
        /// What it had come to.
        value: Box<str>,
    },
    /// An option that stands in a section cannot be read.
    #[error("No option {} in section: {}", quote(option), quote(section))]
    NoOption {
        /// Where it is written.
        at: Option<Span>,
        /// The section.
        section: String,
        /// The option.
        option: String,
    },
    /// The jail that was asked for does not exist.
    #[error("No section: {}", quote(section))]
    NoSection {
        /// The section.
        section: String,
    },
    /// A jail whose filter or action cannot be used.
    #[error("Jail {}: {reason}", quote(jail))]
    Jail {
        /// Its section.
        at: Option<Span>,
        /// Its name.
        jail: String,
        /// What is wrong.
        reason: String,
    },
    /// A quote that is not closed in a `journalmatch`.
    #[error("No closing quotation")]
    NoClosingQuotation {
        /// Where the option is written.
        at: Option<Span>,
    },
    /// A backslash at the end of a `journalmatch`.
    #[error("No escaped character")]
    NoEscapedCharacter {
        /// Where the option is written.
        at: Option<Span>,
    },
    /// A jail has no log file.
    #[error("Have not found any log file for '{jail}' jail.")]
    NoLogFile {
        /// Where its `logpath` is written.
        at: Option<Span>,
        /// The jail.
        jail: String,
    },
    /// There is no base directory.
    #[error("Base configuration directory {base} does not exist ")]
    NoBase {
        /// Its path as it was given.
        base: String,
    },
    /// The files of the server or of the jails cannot be read.
    #[error("Read {what} configuration failed.")]
    Unreadable {
        /// `fail2ban` or `jails`.
        what: &'static str,
    },
    /// The level of the log is none.
    #[error("Invalid log level {}", quote(found))]
    LogLevel {
        /// Where it is written.
        at: Option<Span>,
        /// The level.
        found: String,
    },
    /// A limit of the reader is reached.
    #[error("{what}: more than {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// An error while an action was prepared.
    #[error("Error in action definition {}: {}", quote(definition), source.in_action())]
    InAction {
        /// The definition, as the jail writes it.
        definition: String,
        /// What is wrong.
        source: Box<Self>,
    },
}

impl Error {
    /// Where the mistake is written, as far as it is in a file.
    #[must_use]
    pub fn span(&self) -> Option<&Span> {
        match self {
            Self::DuplicateOption { at, .. }
            | Self::DuplicateSection { at, .. }
            | Self::NoSectionHeader { at, .. }
            | Self::BadLines { at, .. } => Some(at),
            Self::UnknownKey { at, .. }
            | Self::TooDeep { at, .. }
            | Self::StrayPercent { at, .. }
            | Self::BadReference { at, .. }
            | Self::NotText { at, .. }
            | Self::SelfReference { at, .. }
            | Self::NoOption { at, .. }
            | Self::NoClosingQuotation { at }
            | Self::NoEscapedCharacter { at }
            | Self::Jail { at, .. }
            | Self::NoLogFile { at, .. }
            | Self::LogLevel { at, .. } => at.as_ref(),
            Self::NoSection { .. } | Self::NoBase { .. } | Self::Unreadable { .. } | Self::Limit { .. } => {
                None
            }
            Self::InAction { source, .. } => source.span(),
        }
    }

    /// The name that `%(name)s` does not find.
    #[must_use]
    pub fn unknown_key(&self) -> Option<&str> {
        if let Self::UnknownKey { key, .. } = self {
            return Some(key);
        }
        None
    }

    /// Where tags lead to themselves: the file, and the options that are part of the circle.
    #[must_use]
    pub fn circle(&self) -> Option<(&str, Vec<&str>)> {
        if let Self::InAction { source, .. } = self {
            return source.circle();
        }
        if let Self::SelfReference {
            at,
            option,
            tag,
            counts,
            ..
        } = self
        {
            let names = counts.iter().map(|(tag, _)| tag).chain([option, tag]);
            let file = at.as_ref().map_or("", |at| &*at.file);
            return Some((file, names.map(String::as_str).collect()));
        }
        None
    }

    /// The very place of the mistake within the value, as far as it is known.
    #[must_use]
    pub fn exact_span(&self) -> Option<&Span> {
        match self {
            Self::UnknownKey { exactly, .. }
            | Self::TooDeep { exactly, .. }
            | Self::StrayPercent { exactly, .. }
            | Self::BadReference { exactly, .. }
            | Self::NotText { exactly, .. }
            | Self::SelfReference { exactly, .. } => exactly.as_deref().or_else(|| self.span()),
            Self::InAction { source, .. } => source.exact_span(),
            Self::DuplicateOption { .. }
            | Self::DuplicateSection { .. }
            | Self::NoSectionHeader { .. }
            | Self::BadLines { .. }
            | Self::NoOption { .. }
            | Self::NoSection { .. }
            | Self::NoClosingQuotation { .. }
            | Self::NoEscapedCharacter { .. }
            | Self::NoLogFile { .. }
            | Self::NoBase { .. }
            | Self::Unreadable { .. }
            | Self::LogLevel { .. }
            | Self::Jail { .. }
            | Self::Limit { .. } => self.span(),
        }
    }

    /// Within an action the reference shows errors of types by their class.
    fn in_action(&self) -> String {
        let text = self.to_string();
        if matches!(self, Self::NotText { .. }) {
            format!("TypeError({})", quote(&text))
        } else {
            text
        }
    }
}
