//! The merged sections of all files of one name.
//!
//! In: parsed files, in reading order. Out: for each section and option what the last file says, and what the
//! files before it said.
//!
//! Invariant: sections and options keep the order in which they first appeared, and nothing is ever removed.

use std::{
    ops::{Deref, Range},
    rc::Rc,
};

use stockade_protocol::Value;

use crate::{
    Span,
    ordered::Ordered,
    origin::{Pieces, Rope},
    parse::{Parsed, Written},
    steps::Steps,
    text::{is_word, strip_start},
};

/// A value and where it comes from; shared, for one value is handed from map to map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Traced(Rc<Told>);

/// What is known of a value; text unless the reader itself has put it there.
#[derive(Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) value: Value,
    /// Where it is written.
    pub(crate) at: Option<Span>,
    /// What was put in for the references in it, in their order, if somebody wants to know.
    pub(crate) via: Steps,
    /// The option that was read for this value.
    pub(crate) written: Option<Rc<Written>>,
    /// Where the parts of the text come from, if it has been put together and somebody wants to know.
    pub(crate) pieces: Option<Rc<Pieces>>,
}

impl Deref for Traced {
    type Target = Told;

    fn deref(&self) -> &Told {
        &self.0
    }
}

impl Traced {
    pub(crate) fn new(value: impl Into<Value>, at: Option<Span>) -> Self {
        Self::of(value.into(), at, None, None)
    }

    /// The value of an option as it is written.
    pub(crate) fn written(written: Written) -> Self {
        let value = written.text.as_str().into();
        Self::of(value, Some(written.at.clone()), Some(Rc::new(written)), None)
    }

    /// A value that stands at a place, or whose parts stand at several.
    pub(crate) fn of(
        value: Value,
        at: Option<Span>,
        written: Option<Rc<Written>>,
        pieces: Option<Rc<Pieces>>,
    ) -> Self {
        let via = Steps::default();
        Self(Rc::new(Told {
            value,
            at,
            via,
            written,
            pieces,
        }))
    }

    /// The same origin with another value.
    pub(crate) fn with(&self, value: impl Into<Value>) -> Self {
        Self(Rc::new(Told {
            value: value.into(),
            at: self.at.clone(),
            via: self.via.clone(),
            written: self.written.clone(),
            pieces: self.pieces.clone(),
        }))
    }

    /// The same option with its text expanded.
    pub(crate) fn with_text(&self, rope: Rope, via: Steps) -> Self {
        Self(Rc::new(Told {
            value: rope.text.into(),
            at: self.at.clone(),
            via,
            written: self.written.clone(),
            pieces: rope.pieces.map(Rc::new),
        }))
    }

    /// A part of the text, as a text of its own.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let text = self
            .as_text()
            .and_then(|text| text.get(range.clone()))
            .unwrap_or_default();
        let mut rope = Rope::empty(true);
        rope.push(text, self, range.start);
        Self(Rc::new(Told {
            value: rope.text.into(),
            at: self.place(range.start),
            via: self.via.clone(),
            written: self.written.clone(),
            pieces: rope.pieces.map(Rc::new),
        }))
    }

    /// Where a byte of the text stands in a file.
    pub(crate) fn place(&self, byte: usize) -> Option<Span> {
        match (&self.pieces, &self.written) {
            (Some(pieces), _) => pieces.place(byte).or_else(|| self.at.clone()),
            (None, Some(written)) => Some(written.place(byte)),
            (None, None) => self.at.clone(),
        }
    }

    /// Where a part of the text stands in a file; the place of the whole where it is no part.
    pub(crate) fn place_of(&self, part: &str) -> Option<Span> {
        let found = self.as_text().and_then(|text| {
            // Most often it is all of it.
            let begins = text.starts_with(part);
            begins.then_some(0).or_else(|| text.find(part))
        });
        match found {
            Some(byte) => self.place(byte),
            None => self.at.clone(),
        }
    }

    /// Where each of several parts stands, which follow each other in the text.
    pub(crate) fn places_of<'p>(&self, parts: impl IntoIterator<Item = &'p str>) -> Vec<Option<Span>> {
        let text = self.as_text().unwrap_or_default();
        let mut from = 0;
        let mut place = |part: &str| {
            let rest = text.get(from..)?;
            // Most often there are only blanks before it.
            let blanks = rest.len() - strip_start(rest).len();
            let found = match rest.get(blanks..)?.starts_with(part) {
                true => blanks,
                false => rest.find(part)?,
            };
            let byte = from + found;
            from = byte + part.len();
            self.place(byte)
        };
        parts.into_iter().map(&mut place).collect()
    }

    /// Notes that somebody has asked for the value.
    pub(crate) fn mark_used(&self) {
        if let Some(written) = &self.written {
            written.mark_used();
        }
    }

    /// The text, where it is text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        self.value.as_str()
    }
}

/// An option through all layers.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// What counts.
    pub(crate) current: Traced,
    /// What it has replaced, oldest first; the last is what `known/…` means.
    pub(crate) earlier: Vec<Traced>,
}

impl Entry {
    fn of(current: Traced) -> Self {
        let earlier = Vec::new();
        Self { current, earlier }
    }
}

/// The options of a section.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Those of the files; shared, for whoever sets further ones needs a model of its own.
    written: Rc<Ordered<Entry>>,
    /// Those that the reader has set and no file has.
    set: Ordered<Entry>,
}

impl Options {
    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.written.get(name).or_else(|| self.set.get(name))
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.written.iter().chain(self.set.iter())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// Lays what a file says over what the files before it have said.
    fn add_layer(&mut self, name: Rc<str>, value: &Traced) {
        let written = Rc::make_mut(&mut self.written);
        match written.get_mut(&name) {
            Some(entry) => {
                let earlier = std::mem::replace(&mut entry.current, value.clone());
                entry.earlier.push(earlier);
            }
            None => written.insert(name, Entry::of(value.clone())),
        }
    }

    /// Sets an option, as the reader itself does; that is not a layer.
    fn set(&mut self, name: &str, value: Traced) {
        if self.written.contains(name) {
            let entry = Rc::make_mut(&mut self.written).get_mut(name);
            entry.expect("it contains it").current = value;
        } else {
            self.set.insert(name, Entry::of(value));
        }
    }
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Model {
    pub(crate) defaults: Options,
    pub(crate) sections: Ordered<Section>,
    /// The files that are read because others include them, and by which option, in the order of reading.
    pub(crate) includes: Vec<(String, Span)>,
    /// What it has been merged from, in reading order, and whether each is a layer of its own or only included.
    pub(crate) files: Vec<(String, bool)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// The header that opened it first.
    pub(crate) at: Option<Span>,
    pub(crate) options: Options,
    /// Whether it has been opened more than once, by another file or under a condition.
    is_known: bool,
}

impl Model {
    /// Lays a file over what has been read before it.
    pub(crate) fn merge(&mut self, file: &Parsed) {
        for (name, value) in file.defaults.shared() {
            self.defaults.add_layer(Rc::clone(name), value);
        }
        for (name, section) in file.sections.shared() {
            let (name, condition) = match conditional(name) {
                Some((name, condition)) => (Rc::from(name), Some(condition)),
                None => (Rc::clone(name), None),
            };
            let is_known = self.sections.contains(&name);
            let merged = self.sections.entry(&name, || Section {
                at: Some(section.at.clone()),
                options: Options::default(),
                is_known,
            });
            merged.is_known = is_known;
            for (option, value) in section.options.shared() {
                let option = match condition {
                    Some(condition) => format!("{option}?{condition}").into(),
                    None => Rc::clone(option),
                };
                merged.options.add_layer(option, value);
            }
        }
    }

    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.get(name)
    }

    pub(crate) fn has_section(&self, name: &str) -> bool {
        self.sections.contains(name)
    }

    pub(crate) fn section_names(&self) -> impl Iterator<Item = &str> {
        self.sections.names()
    }

    /// The names of a section's own options; `__name__` is not one.
    pub(crate) fn own_options(&self, section: &str) -> impl Iterator<Item = &str> {
        self.sections
            .get(section)
            .into_iter()
            .flat_map(|section| section.options.names())
            .filter(|name| *name != "__name__")
    }

    /// What the option said before the last file that sets it.
    pub(crate) fn known(&self, section: &str, option: &str) -> Option<&Traced> {
        self.sections.get(section)?.options.get(option)?.earlier.last()
    }

    /// Whether the section has an earlier state, be there anything in it or not.
    pub(crate) fn has_known(&self, section: &str) -> bool {
        self.sections.get(section).is_some_and(|section| section.is_known)
    }

    /// Sets an option of a section that exists.
    pub(crate) fn set(&mut self, section: &str, option: &str, value: Traced) {
        if let Some(section) = self.sections.get_mut(section) {
            section.options.set(option, value);
        }
    }

    /// Sets a default.
    pub(crate) fn set_default(&mut self, option: &str, value: Traced) {
        self.defaults.set(option, value);
    }
}

/// `NAME?condition`: of a section, whose options go to NAME under names with the condition, or of such an option.
pub(crate) fn conditional(name: &str) -> Option<(&str, &str)> {
    let (name, condition) = name.split_once('?')?;
    (!name.is_empty() && !condition.is_empty() && name.chars().all(is_word)).then_some((name, condition))
}
