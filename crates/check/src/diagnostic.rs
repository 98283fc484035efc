//! One mistake: what is wrong, where, and what would be right.

use stockade_config::{Span, Text, Written};

use crate::{Code, Severity};

/// How many characters are underlined at most; more would not fit a line anyway.
const WIDEST: u32 = 200;

/// A part of a line in a file, or a file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, counted from 1; 0 where the file as a whole is meant.
    pub line: u32,
    /// The first character within the line, counted from 1.
    pub column: u32,
    /// The character behind the last one.
    pub end: u32,
}

impl Place {
    /// A file as a whole.
    #[must_use]
    pub fn whole(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            end: 0,
        }
    }

    /// So many characters from a place on.
    #[must_use]
    pub fn at(span: &Span, width: usize) -> Self {
        let width = u32::try_from(width).unwrap_or(WIDEST).clamp(1, WIDEST);
        Self {
            file: span.file.to_string(),
            line: span.line,
            column: span.column,
            end: span.column.saturating_add(width),
        }
    }

    /// The name of an option.
    pub(crate) fn name(option: &Written) -> Self {
        Self::at(option.name_at(), option.name().chars().count())
    }

    /// The first line of an option's value that says anything.
    pub(crate) fn value(option: &Written) -> Self {
        let mut byte = 0;
        for line in option.text().split('\n') {
            if !line.is_empty() {
                return Self::at(&option.place(byte), line.chars().count());
            }
            byte += line.len() + 1;
        }
        Self::name(option)
    }

    /// A part of a text, as far as it is written in one piece; `None` where it comes from no file.
    pub(crate) fn of(text: &Text, from: usize, length: usize) -> Option<Self> {
        let start = text.place(from)?;
        let mut width = 0;
        let part = text
            .as_str()
            .and_then(|text| text.get(from..))
            .unwrap_or_default();
        // Mostly the last character stands where it should, and so do those before it.
        if let Some((last, whole)) = part
            .get(..length)
            .and_then(|part| Some((part.char_indices().next_back()?.0, part.chars().count())))
            && let Some(end) = text.place(from + last)
            && (&end.file, end.line) == (&start.file, start.line)
            && usize::try_from(end.column.saturating_sub(start.column)) == Ok(whole.saturating_sub(1))
        {
            return Some(Self::at(&start, whole));
        }
        for (byte, _) in part.char_indices().take_while(|(byte, _)| *byte < length) {
            let expected = start.column.saturating_add(width);
            let here = text.place(from + byte).filter(|here| {
                // A `%%` is one character of the text and two of the line.
                let follows = (expected..=expected.saturating_add(1)).contains(&here.column);
                here.line == start.line && here.file == start.file && follows
            });
            let Some(here) = here.filter(|_| width < WIDEST) else {
                break;
            };
            width = here.column.saturating_sub(start.column).saturating_add(1);
        }
        let width = usize::try_from(width).unwrap_or(1);
        // A whole line with references in it is underlined as it is written.
        let is_whole = part
            .get(length..)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('\n'));
        let written = text.written().filter(|_| is_whole);
        let rest = written.and_then(|option| option.rest_of_line(&start));
        let width = rest.map_or(width, |rest| width.max(rest.chars().count()));
        Some(Self::at(&start, width))
    }
}

/// Another place that has to do with a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is there.
    pub text: String,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of mistake it is.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// What is wrong, as a sentence without its full stop.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// What else has to do with it.
    pub related: Vec<Related>,
}

impl Diagnostic {
    /// A mistake that is as bad as its kind usually is.
    pub(crate) fn new(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            place,
            message: message.into(),
            help: None,
            related: Vec::new(),
        }
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    pub(crate) fn maybe_help(mut self, text: Option<String>) -> Self {
        self.help = text.or(self.help);
        self
    }

    pub(crate) fn related(mut self, place: Place, text: impl Into<String>) -> Self {
        if place != self.place {
            let text = text.into();
            self.related.push(Related { place, text });
        }
        self
    }
}
