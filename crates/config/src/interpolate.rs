//! `%(name)s`: expanded when an option is read, in the section that reads it.
//!
//! In: the raw text of an option. Out: its text with every reference replaced, or the reference's error.
//!
//! Invariant: expansion ends, at ten levels and within the budget, whatever refers to whatever.

use std::{borrow::Cow, cell::RefCell, collections::BTreeSet};

use memchr::memchr;
use stockade_protocol::Value;

use crate::{
    Error, Span,
    layers::Sources,
    model::{Model, Options, Traced},
    ordered::Ordered,
    origin::Rope,
    steps::Steps,
    text::{head, is_word, lower, tail},
};

/// What stands in a text for a reference that leads nowhere, where an inspection goes on behind it.
pub const HOLE: char = '\u{fffc}';

/// The value itself is the first level.
const LEVELS: usize = 10;

/// Values that win over those of the files, by lower-case name.
pub(crate) struct Variables {
    values: Ordered<Traced>,
    /// The names that have been asked for, if somebody wants to know.
    asked: Option<RefCell<BTreeSet<String>>>,
}

impl Variables {
    /// The options of a jail as `%(name)s` sees them: as text under lower-case names.
    pub(crate) fn of(options: &Ordered<Traced>) -> Self {
        let is_lower = |name| matches!(lower(name), Cow::Borrowed(_));
        let mut values = if options.names().all(is_lower) {
            options.clone()
        } else {
            let mut values = Ordered::default();
            for (name, option) in options.iter() {
                values.insert(&*lower(name), option.clone());
            }
            values
        };
        for option in values.iter_mut() {
            if !matches!(option.value, Value::None | Value::Str(_)) {
                *option = option.with(option.value.text());
            }
        }
        Self { values, asked: None }
    }

    /// From now on remembers which names are asked for.
    pub(crate) fn listen(&mut self) {
        self.asked = Some(RefCell::default());
    }

    /// Notes that a decision depends on whether there is a value of this name, and on the value.
    pub(crate) fn note(&self, name: &str) {
        if let Some(asked) = &self.asked
            && !asked.borrow().contains(name)
        {
            asked.borrow_mut().insert(name.to_owned());
        }
    }

    /// The names that have been asked for, found or not.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.asked.iter();
        asked.flat_map(|asked| asked.borrow().clone()).collect()
    }

    fn get(&self, name: &str) -> Option<&Traced> {
        self.note(name);
        self.values.get(name)
    }
}

/// Where an option is read.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) model: &'a Model,
    pub(crate) section: &'a str,
    pub(crate) variables: Option<&'a Variables>,
    sources: &'a Sources<'a>,
    own: Own<'a>,
}

/// The options of the section itself.
#[derive(Clone, Copy)]
enum Own<'a> {
    /// The section is `[DEFAULT]`, or does not exist.
    Nothing,
    Current(&'a Options),
    /// What the section said one layer ago.
    Known(&'a Options),
}

impl<'a> Scope<'a> {
    /// The scope of a section, where it exists.
    pub(crate) fn new(
        model: &'a Model,
        section: &'a str,
        variables: Option<&'a Variables>,
        sources: &'a Sources<'a>,
    ) -> Option<Self> {
        let own = Own::Current(&model.section(section)?.options);
        Some(Self {
            model,
            section,
            variables,
            sources,
            own,
        })
    }

    /// The scope of `[DEFAULT]` alone.
    pub(crate) fn defaults(model: &'a Model, sources: &'a Sources<'a>) -> Self {
        Self {
            model,
            section: crate::parse::DEFAULT,
            variables: None,
            sources,
            own: Own::Nothing,
        }
    }

    /// What `[Definition]` said one layer ago, as a section of its own, where it has been opened again.
    pub(crate) fn known_definition(model: &'a Model, sources: &'a Sources<'a>) -> Option<Self> {
        const DEFINITION: &str = "Definition";
        if !model.has_known(DEFINITION) {
            return None;
        }
        let own = Own::Known(&model.section(DEFINITION)?.options);
        Some(Self {
            model,
            section: "KNOWN/Definition",
            variables: None,
            sources,
            own,
        })
    }

    /// Reads an option and expands it; `None` where there is no such option.
    pub(crate) fn read(&self, option: &str) -> Result<Option<Traced>, Error> {
        let option = lower(option);
        let Some(raw) = self.direct(&option) else {
            return Ok(None);
        };
        raw.mark_used();
        self.expanded(&option, raw).map(Some)
    }

    /// Reads an option for somebody who takes whatever there is; the option does not count as used.
    pub(crate) fn evaluate(&self, option: &str) -> Result<Option<Traced>, Error> {
        let option = lower(option);
        let raw = self.direct(&option);
        raw.map(|raw| self.expanded(&option, raw)).transpose()
    }

    fn expanded(&self, option: &str, raw: &'a Traced) -> Result<Traced, Error> {
        self.sources.budget.spend(0)?;
        if raw.value == Value::None {
            return Ok(raw.clone());
        }
        let Some(text) = raw.as_text() else {
            return Err(not_text(&raw.value, raw.at.as_ref(), None));
        };
        if memchr(b'%', text.as_bytes()).is_none() {
            self.sources.budget.value(text.len())?;
            return Ok(raw.clone());
        }
        let mut expansion = Expansion {
            scope: *self,
            option,
            raw: text,
            at: raw.at.as_ref(),
            levels: Vec::new(),
            out: Rope::empty(self.sources.is_inspecting()),
            via: raw.via.clone(),
        };
        expansion.expand(raw, text)?;
        let via = expansion.via;
        Ok(raw.with_text(expansion.out, via))
    }

    /// The raw value under exactly this name: variables, then the section, then `[DEFAULT]`.
    fn direct(&self, name: &str) -> Option<&'a Traced> {
        self.variables
            .and_then(|variables| variables.get(name))
            .or_else(|| self.own(name))
            .or_else(|| self.default(name))
    }

    fn own(&self, name: &str) -> Option<&'a Traced> {
        match self.own {
            Own::Nothing => None,
            Own::Current(options) => options.get(name).map(|entry| &entry.current),
            Own::Known(options) => options.get(name).and_then(|entry| entry.earlier.last()),
        }
    }

    fn default(&self, name: &str) -> Option<&'a Traced> {
        self.model.defaults.get(name).map(|entry| &entry.current)
    }

    /// The raw value of an option of another section, of `[DEFAULT]`, or of the layer before.
    fn elsewhere(&self, key: &str) -> Option<&'a Traced> {
        let (section, option) = qualified(key)?;
        match section {
            "default" => self.default(option),
            "known" => self.known(option).or_else(|| self.default(option)),
            _ => None,
        }
        .or_else(|| {
            let options = &self.model.section(section)?.options;
            options
                .get(option)
                .map(|entry| &entry.current)
                .or_else(|| self.default(option))
        })
    }

    fn known(&self, option: &str) -> Option<&'a Traced> {
        match self.own {
            Own::Current(_) => self.model.known(self.section, option),
            Own::Nothing | Own::Known(_) => None,
        }
    }
}

/// `section/option`, where the section is made of word characters and `-`.
pub(crate) fn qualified(name: &str) -> Option<(&str, &str)> {
    let (section, option) = name.split_once('/')?;
    let named = !section.is_empty() && section.chars().all(|c| is_word(c) || c == '-');
    (named && !option.is_empty()).then_some((section, option))
}

struct Expansion<'a> {
    scope: Scope<'a>,
    option: &'a str,
    raw: &'a str,
    at: Option<&'a Span>,
    /// The texts that are being expanded, the value itself first.
    levels: Vec<&'a str>,
    out: Rope,
    via: Steps,
}

impl<'a> Expansion<'a> {
    fn expand(&mut self, source: &'a Traced, text: &'a str) -> Result<(), Error> {
        self.levels.push(text);
        if self.levels.len() > LEVELS {
            return Err(Error::TooDeep {
                at: self.at.cloned(),
                exactly: self.place(source, 0),
                section: self.scope.section.to_owned(),
                option: self.option.to_owned(),
                raw: self.raw.to_owned(),
            });
        }
        let mut from = 0;
        while let Some(length) = memchr(b'%', tail(text, from).as_bytes()) {
            let percent = from + length;
            self.push(head(tail(text, from), length), source, from)?;
            let reference = tail(text, percent);
            let after = tail(reference, 1);
            if after.starts_with('%') {
                self.push("%", source, percent)?;
                from = percent + 2;
            } else if let Some(inside) = after.strip_prefix('(') {
                let closed = inside
                    .split_once(')')
                    .and_then(|(key, after)| Some((key, after.strip_prefix('s')?)));
                let Some((key, after)) = closed.filter(|(key, _)| !key.is_empty()) else {
                    self.hole(Error::BadReference {
                        at: self.at.cloned(),
                        exactly: self.place(source, percent),
                        found: reference.to_owned(),
                    })?;
                    from = percent + 2;
                    continue;
                };
                self.reference(&lower(key), source, percent)?;
                from = text.len() - after.len();
            } else {
                self.hole(Error::StrayPercent {
                    at: self.at.cloned(),
                    exactly: self.place(source, percent),
                    found: reference.to_owned(),
                })?;
                // Most often all of them on a line are meant to be characters, which is one mistake.
                from = reference.find('\n').map_or(text.len(), |end| percent + end);
            }
        }
        self.levels.pop();
        self.push(tail(text, from), source, from)
    }

    /// Expands a reference that stands at a byte of `source`.
    fn reference(&mut self, key: &str, source: &Traced, percent: usize) -> Result<(), Error> {
        let scope = self.scope;
        if key == "__name__" {
            self.spend(scope.section.len())?;
            self.out.push_unwritten(scope.section);
            return self.limit();
        }
        // Other sections are found only under a name that is written in lower case, here or on the way here.
        let written = || format!("%({key})s");
        let elsewhere = || {
            let written = written();
            self.levels
                .iter()
                .any(|text| text.contains(&written))
                .then(|| scope.elsewhere(key))?
        };
        let Some(found) = scope.direct(key).or_else(elsewhere) else {
            return self.hole(Error::UnknownKey {
                at: self.at.cloned(),
                exactly: self.place(source, percent),
                section: scope.section.to_owned(),
                option: self.option.to_owned(),
                key: key.to_owned(),
                raw: self.raw.into(),
            });
        };
        let depth = self.levels.len().saturating_sub(1);
        if scope.sources.is_tracing() {
            self.via.add(written(), found.at.as_ref(), depth, &found.via);
        }
        found.mark_used();
        match found.as_text() {
            Some(text) if text.contains('%') => self.expand(found, text),
            Some(text) => self.push(text, found, 0),
            None => self.hole(not_text(&found.value, self.at, self.place(source, percent))),
        }
    }

    /// In an inspection notes a mistake and leaves a hole; otherwise there is no value.
    fn hole(&mut self, error: Error) -> Result<(), Error> {
        if self.scope.sources.go_on::<()>(Err(error))?.is_none() {
            self.out.push_unwritten(&HOLE.to_string());
        }
        self.limit()
    }

    /// Where a byte of a text stands, for whoever inspects.
    fn place(&self, source: &Traced, byte: usize) -> Option<Box<Span>> {
        self.scope
            .sources
            .is_inspecting()
            .then(|| source.place(byte))
            .flatten()
            .map(Box::new)
    }

    fn push(&mut self, text: &str, source: &Traced, offset: usize) -> Result<(), Error> {
        self.spend(text.len())?;
        self.out.push(text, source, offset);
        self.limit()
    }

    fn spend(&self, bytes: usize) -> Result<(), Error> {
        self.scope.sources.budget.spend(bytes)
    }

    fn limit(&self) -> Result<(), Error> {
        if self.out.text.len() > crate::budget::VALUE_BYTES {
            self.scope.sources.budget.value(self.out.text.len())?;
        }
        Ok(())
    }
}

fn not_text(value: &Value, at: Option<&Span>, exactly: Option<Box<Span>>) -> Error {
    Error::NotText {
        at: at.cloned(),
        exactly,
        class: value.type_name().to_owned(),
    }
}
