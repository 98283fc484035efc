//! One physical file: text → sections → options, with the place of each.
//!
//! In: the text of a file. Out: its `[DEFAULT]` options and its sections, in the order of the file.
//! Duplicates are mistakes within one file only; merging files comes later.
//!
//! Invariant: the place of an option is that of its value, and each line of the value remembers its own.

use std::sync::Arc;

use crate::{
    Error, Span,
    ordered::Ordered,
    text::{head, is_space, strip, strip_end, strip_start, tail},
};

/// The section whose options every other section falls back on.
pub(crate) const DEFAULT: &str = "DEFAULT";

/// What one file says.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) defaults: Ordered<Written>,
    pub(crate) sections: Ordered<Section>,
}

/// A section of one file.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) at: Span,
    pub(crate) options: Ordered<Written>,
}

/// The value of an option as it is written, its lines joined.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) at: Span,
}

/// Reads the text of a file; where it is not complete, bad lines are not reported.
pub(crate) fn parse(path: &Arc<str>, text: &str, complete: bool) -> Result<Parsed, Error> {
    let mut parser = Parser {
        path,
        parsed: Parsed::default(),
        section: Place::Nowhere,
        open: None,
        indentation: usize::MAX,
        bad: Vec::new(),
    };
    for (number, line) in (1..).zip(lines(text)) {
        parser.line(number, line)?;
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
        let end = rest.find(['\n', '\r']);
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
    name: String,
    lines: Vec<String>,
    at: Span,
}

struct Parser<'a> {
    path: &'a Arc<str>,
    parsed: Parsed,
    section: Place,
    open: Option<Open>,
    /// The indentation of the line that opened the option; a deeper one continues it.
    indentation: usize,
    bad: Vec<(u32, String)>,
}

impl Parser<'_> {
    fn line(&mut self, number: u32, line: Line<'_>) -> Result<(), Error> {
        let full_line_comment = strip_start(line.text).starts_with(['#', ';']);
        let comment = if full_line_comment {
            Some(0)
        } else {
            line.comment()
        };
        let value = strip(head(line.text, comment.unwrap_or(line.text.len())));
        if value.is_empty() {
            if let (None, Some(open)) = (comment, &mut self.open) {
                open.lines.push(String::new());
            }
            return Ok(());
        }
        let indentation = line.text.chars().take_while(|c| is_space(*c)).count();
        if let Some(open) = &mut self.open
            && indentation > self.indentation
        {
            open.lines.push(value.to_owned());
            return Ok(());
        }
        self.indentation = indentation;
        let at = self.span(number, indentation);
        if let Some(name) = header(value) {
            self.close();
            return self.header(name, at);
        }
        if matches!(self.section, Place::Nowhere) {
            return Err(Error::NoSectionHeader { at, text: line.raw() });
        }
        let Some(delimiter) = value.find(['=', ':']) else {
            self.bad.push((number, line.raw()));
            return Ok(());
        };
        let name = strip_end(head(value, delimiter)).to_lowercase();
        let rest = tail(value, delimiter + 1);
        let text = strip_start(rest);
        if name.is_empty() {
            self.bad.push((number, line.raw()));
        }
        let skipped = head(value, value.len() - text.len()).chars().count();
        self.close();
        self.option(
            name,
            text,
            at,
            self.span(number, indentation.saturating_add(skipped)),
        )
    }

    fn header(&mut self, name: &str, at: Span) -> Result<(), Error> {
        if name == DEFAULT {
            self.section = Place::Default;
            return Ok(());
        }
        if self.parsed.sections.contains(name) {
            return Err(Error::DuplicateSection {
                at,
                section: name.to_owned(),
            });
        }
        self.parsed.sections.insert(
            name,
            Section {
                at,
                options: Ordered::default(),
            },
        );
        self.section = Place::Section(name.to_owned());
        Ok(())
    }

    fn option(&mut self, name: String, text: &str, at_name: Span, at: Span) -> Result<(), Error> {
        let (section, options) = match &self.section {
            Place::Section(section) => (
                section.as_str(),
                self.parsed.sections.get_mut(section).map(|it| &mut it.options),
            ),
            Place::Default | Place::Nowhere => (DEFAULT, None),
        };
        let options = options.unwrap_or(&mut self.parsed.defaults);
        if options.contains(&name) {
            return Err(Error::DuplicateOption {
                at: at_name,
                section: section.to_owned(),
                option: name,
            });
        }
        // The place is taken now, so that options keep their order and a second one is seen.
        options.insert(
            name.as_str(),
            Written {
                text: String::new(),
                at: at.clone(),
            },
        );
        // An option without a name is a mistake, and nothing continues it.
        self.open = (!name.is_empty()).then(|| Open {
            name,
            lines: vec![text.to_owned()],
            at,
        });
        Ok(())
    }

    /// The option that was open has all its lines now.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let options = match &self.section {
            Place::Section(section) => self.parsed.sections.get_mut(section).map(|it| &mut it.options),
            Place::Default | Place::Nowhere => None,
        };
        let options = options.unwrap_or(&mut self.parsed.defaults);
        let text = strip_end(&open.lines.join("\n")).to_owned();
        options.insert(open.name, Written { text, at: open.at });
    }

    fn finish(mut self) -> Result<Parsed, Error> {
        self.close();
        match self.bad.first() {
            None => Ok(self.parsed),
            Some((line, _)) => Err(Error::BadLines {
                at: self.span(*line, 0),
                lines: self.bad,
            }),
        }
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
