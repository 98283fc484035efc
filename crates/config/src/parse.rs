//! One physical file: text → sections → options, with the place of each.
//!
//! In: the text of a file. Out: its `[DEFAULT]` options and its sections, in the order of the file, and every mistake
//! in it. Duplicates are mistakes within one file only; merging files comes later.
//!
//! Invariant: the place of an option is that of its value, and each line of the value remembers its own. Parsing goes
//! on after a mistake; what is found behind it is only good for finding more of them.

use std::{cell::Cell, rc::Rc, sync::Arc};

use memchr::{memchr, memchr2};

use crate::{
    Error, Span,
    model::Traced,
    ordered::Ordered,
    text::{head, is_space, lower, strip, strip_end, strip_start, tail},
};

/// The section whose options every other section falls back on.
pub(crate) const DEFAULT: &str = "DEFAULT";

/// What one file says.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) defaults: Ordered<Traced>,
    pub(crate) sections: Ordered<Section>,
    /// In the order in which the reference would report them, were it to go on.
    pub(crate) mistakes: Vec<Error>,
}

impl Parsed {
    /// Every option of the file.
    pub(crate) fn options(&self) -> impl Iterator<Item = &Rc<Written>> {
        let sections = self.sections.iter().map(|(_, section)| &section.options);
        std::iter::once(&self.defaults)
            .chain(sections)
            .flat_map(|options| options.iter().filter_map(|(_, value)| value.written.as_ref()))
    }
}

/// A section of one file.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) at: Span,
    pub(crate) options: Ordered<Traced>,
}

/// An option as it is written, the lines of its value joined.
#[derive(Debug, PartialEq)]
pub struct Written {
    /// The name, in lower case.
    pub(crate) name: Rc<str>,
    pub(crate) text: String,
    /// Where the value begins.
    pub(crate) at: Span,
    /// Where the name begins.
    pub(crate) name_at: Span,
    /// Where each line of the value begins: in the file its line and column, and the byte in the value.
    lines: Vec<Start>,
    /// Whether anything has asked for this very value.
    used: Cell<bool>,
    /// Whether what is to run has.
    counts: Cell<bool>,
}

/// Where a line of a value begins.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Start {
    line: u32,
    column: u32,
    byte: usize,
}

impl Written {
    /// A value that is written within another one, such as a parameter.
    pub(crate) fn within(name: impl Into<Rc<str>>, text: &str, name_at: Span, at: Span) -> Self {
        Self {
            name: name.into(),
            text: text.to_owned(),
            name_at,
            lines: Vec::new(),
            at,
            used: Cell::new(false),
            counts: Cell::new(false),
        }
    }

    /// The name, in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, without interpolation.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the value begins.
    #[must_use]
    pub fn at(&self) -> &Span {
        &self.at
    }

    /// Where the name begins.
    #[must_use]
    pub fn name_at(&self) -> &Span {
        &self.name_at
    }

    /// Where a byte of the value stands in the file.
    #[must_use]
    pub fn place(&self, byte: usize) -> Span {
        let following = self.lines.partition_point(|start| start.byte <= byte);
        let start = following.checked_sub(1).and_then(|line| self.lines.get(line));
        let Start {
            line,
            column,
            byte: begins,
        } = start.copied().unwrap_or(Start {
            line: self.at.line,
            column: self.at.column,
            byte: 0,
        });
        let characters = tail(head(&self.text, byte), begins).chars().count();
        Span {
            file: Arc::clone(&self.at.file),
            line,
            column: column.saturating_add(u32::try_from(characters).unwrap_or(u32::MAX)),
        }
    }

    /// Whether the daemon or a jail that is enabled has asked for this very value.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.counts.get()
    }

    /// Takes what has been asked for so far as asked for by what is to run.
    pub(crate) fn settle(&self) {
        self.counts.set(self.used.get());
    }

    /// Forgets that anything has asked.
    pub(crate) fn forget_use(&self) {
        self.used.set(false);
    }

    pub(crate) fn mark_used(&self) {
        self.used.set(true);
    }

    /// What the line of a place says from there on, as far as it is part of the value.
    #[must_use]
    pub fn rest_of_line(&self, from: &Span) -> Option<&str> {
        let following = self.lines.partition_point(|start| start.line <= from.line);
        let start = following.checked_sub(1).and_then(|line| self.lines.get(line))?;
        if (&self.at.file, start.line) != (&from.file, from.line) {
            return None;
        }
        let skipped = usize::try_from(from.column.checked_sub(start.column)?).ok()?;
        let line = tail(&self.text, start.byte).split('\n').next()?;
        let (byte, _) = line.char_indices().nth(skipped)?;
        Some(tail(line, byte))
    }

    /// Whether anything has asked for this very value: the reader itself, a `%(…)s`, or a tag.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.used.get()
    }
}

/// Reads the text of a file; where it is not complete, bad lines are not reported.
pub(crate) fn parse(path: &Arc<str>, text: &str, complete: bool) -> Parsed {
    let mut parser = Parser {
        path,
        parsed: Parsed::default(),
        section: Place::Nowhere,
        open: None,
        indentation: usize::MAX,
        bad: Vec::new(),
        headless: false,
    };
    for (number, line) in (1..).zip(lines(text)) {
        parser.line(number, line);
    }
    if !complete {
        parser.bad.clear();
    }
    parser.finish()
}

/// The lines of a text, each with its end as one line feed if it has one.
///
/// LF, CR LF and CR all end a line.
fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr2(b'\n', b'\r', rest.as_bytes());
        let (text, terminated) = (head(rest, end.unwrap_or(rest.len())), end.is_some());
        let ending = tail(rest, text.len());
        rest = ending.strip_prefix("\r\n").unwrap_or_else(|| tail(ending, 1));
        Some(Line { text, terminated })
    })
}

#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a str,
    terminated: bool,
}

impl Line<'_> {
    fn raw(self) -> String {
        format!("{}{}", self.text, if self.terminated { "\n" } else { "" })
    }

    /// Where an inline comment begins: at a `;` in the first column or after white space.
    fn comment(self) -> Option<usize> {
        memchr(b';', self.text.as_bytes())?;
        let mut before = ' ';
        self.text.char_indices().find_map(|(at, c)| {
            let begins = c == ';' && is_space(before);
            before = c;
            begins.then_some(at)
        })
    }
}

/// Where options go.
enum Place {
    Nowhere,
    Default,
    Section(String),
}

/// An option to which further lines may belong.
struct Open {
    name: Rc<str>,
    text: String,
    lines: Vec<Start>,
    at: Span,
    name_at: Span,
}

impl Open {
    /// Adds a line to the value.
    fn go_on(&mut self, text: &str, line: u32, column: u32) {
        self.text.push('\n');
        let byte = self.text.len();
        self.lines.push(Start { line, column, byte });
        self.text.push_str(text);
    }
}

struct Parser<'a> {
    path: &'a Arc<str>,
    parsed: Parsed,
    section: Place,
    open: Option<Open>,
    /// The indentation of the line that opened the option; a deeper one continues it.
    indentation: usize,
    bad: Vec<(u32, String)>,
    /// Whether it has been reported that something stands before the first section.
    headless: bool,
}

impl Parser<'_> {
    fn line(&mut self, number: u32, line: Line<'_>) {
        let full_line_comment = strip_start(line.text).starts_with(['#', ';']);
        let comment = if full_line_comment {
            Some(0)
        } else {
            line.comment()
        };
        let value = strip(head(line.text, comment.unwrap_or(line.text.len())));
        if value.is_empty() {
            if let (None, Some(open)) = (comment, &mut self.open) {
                open.go_on("", number, 1);
            }
            return;
        }
        let indentation = line.text.chars().take_while(|c| is_space(*c)).count();
        let at = self.span(number, indentation);
        if let Some(open) = &mut self.open
            && indentation > self.indentation
        {
            open.go_on(value, number, at.column);
            return;
        }
        self.indentation = indentation;
        if let Some(name) = header(value) {
            self.close();
            self.header(name, at);
            return;
        }
        if matches!(self.section, Place::Nowhere) {
            if !std::mem::replace(&mut self.headless, true) {
                let text = line.raw();
                self.parsed
                    .mistakes
                    .push(Error::NoSectionHeader { at: at.clone(), text });
            }
            // Behind a byte order mark the section is meant.
            if let Some(name) = value.strip_prefix('\u{feff}').and_then(header) {
                self.header(name, at);
            }
            return;
        }
        let Some(delimiter) = memchr2(b'=', b':', value.as_bytes()) else {
            self.bad.push((number, line.raw()));
            return;
        };
        let name = lower(strip_end(head(value, delimiter)));
        let rest = tail(value, delimiter + 1);
        let text = strip_start(rest);
        if name.is_empty() {
            self.bad.push((number, line.raw()));
        }
        let skipped = head(value, value.len() - text.len()).chars().count();
        self.close();
        self.option(
            name.into(),
            text,
            at,
            self.span(number, indentation.saturating_add(skipped)),
        );
    }

    fn header(&mut self, name: &str, at: Span) {
        if name == DEFAULT {
            self.section = Place::Default;
            return;
        }
        self.section = Place::Section(name.to_owned());
        if let Some(first) = self.parsed.sections.get(name) {
            let mistake = Error::DuplicateSection {
                at,
                first: first.at.clone(),
                section: name.to_owned(),
            };
            self.parsed.mistakes.push(mistake);
            return;
        }
        self.parsed.sections.insert(
            name,
            Section {
                at,
                options: Ordered::default(),
            },
        );
    }

    fn option(&mut self, name: Rc<str>, text: &str, name_at: Span, at: Span) {
        let first = self.options().get(&name).and_then(|first| first.written.as_ref());
        let first = first.map(|first| first.name_at.clone());
        self.parsed
            .mistakes
            .extend(first.map(|first| Error::DuplicateOption {
                at: name_at.clone(),
                first,
                section: match &self.section {
                    Place::Section(section) => section.clone(),
                    Place::Default | Place::Nowhere => DEFAULT.to_owned(),
                },
                option: name.to_string(),
            }));
        if name.is_empty() {
            // That is a mistake, and nothing continues it.
            let nothing = Written::within(Rc::clone(&name), "", name_at, at);
            self.options().insert(name, Traced::written(nothing));
            return;
        }
        self.open = Some(Open {
            name,
            text: text.to_owned(),
            lines: vec![Start {
                line: at.line,
                column: at.column,
                byte: 0,
            }],
            at,
            name_at,
        });
    }

    /// The options of the section that is open.
    fn options(&mut self) -> &mut Ordered<Traced> {
        let section = match &self.section {
            Place::Section(section) => self.parsed.sections.get_mut(section),
            Place::Default | Place::Nowhere => None,
        };
        section.map_or(&mut self.parsed.defaults, |section| &mut section.options)
    }

    /// The option that was open has all its lines now.
    fn close(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        open.text.truncate(strip_end(&open.text).len());
        let name = Rc::clone(&open.name);
        let written = Written {
            text: open.text,
            at: open.at,
            name_at: open.name_at,
            lines: open.lines,
            used: Cell::new(false),
            counts: Cell::new(false),
            name: open.name,
        };
        self.options().insert(name, Traced::written(written));
    }

    fn finish(mut self) -> Parsed {
        self.close();
        if let Some((line, _)) = self.bad.first() {
            let at = self.span(*line, 0);
            self.parsed.mistakes.push(Error::BadLines { at, lines: self.bad });
        }
        self.parsed
    }

    fn span(&self, line: u32, characters_before: usize) -> Span {
        let column = u32::try_from(characters_before)
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        Span {
            file: Arc::clone(self.path),
            line,
            column,
        }
    }
}

/// The name in a section header: everything up to the last `]`.
fn header(value: &str) -> Option<&str> {
    let name = value.strip_prefix('[')?;
    let name = head(name, name.rfind(']')?);
    (!name.is_empty()).then_some(name)
}
