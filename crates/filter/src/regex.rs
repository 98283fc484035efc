//! One expression of a filter, compiled.
//!
//! In: a failregex, ignoreregex or prefregex as an administrator writes it. Out: the data of its matches.

use std::ops::Range;

use stockade_pattern::{Captures, Options, Pattern, PatternError, StepLimit, TagOptions, expand_tags};

use crate::groups::Groups;
use crate::named::{Known, Name, Named};

/// The groups one of which an expression must have, or the prefregex before it.
const ID_GROUPS: [&str; 5] = ["fid", "ip4", "ip6", "dns", "mlfid"];

/// The group that earlier versions counted by, and that patterns of their time have written out.
const HOST_GROUP: &str = "host";

/// Why an expression cannot be used; displays as the reference says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegexError {
    /// It is empty or blank.
    #[error("Cannot add empty regex")]
    Empty,
    /// It is no expression.
    #[error("Unable to compile regular expression '{expanded}':\n{error}")]
    Syntax {
        /// The expression with its tags expanded.
        expanded: String,
        /// What is wrong with it.
        error: PatternError,
    },
    /// It captures nothing that could be counted.
    #[error("No failure-id group in '{expanded}'")]
    NoId {
        /// The expression with its tags expanded.
        expanded: String,
    },
}

impl RegexError {
    /// What is wrong, without the expression.
    pub(crate) fn problem(&self) -> String {
        match self {
            Self::Syntax { error, .. } => error.to_string(),
            Self::Empty => "it is empty".to_owned(),
            Self::NoId { .. } => self.to_string(),
        }
    }
}

/// One expression, compiled.
#[derive(Debug)]
pub struct Regex {
    source: String,
    pattern: Pattern,
    groups: Groups,
    /// There are neither alternates nor tuples among them.
    is_plain: bool,
    /// The named groups with their numbers.
    names: Vec<(Name, usize)>,
    /// The number of the group that the failregexes are searched in.
    content: Option<usize>,
    /// The numbers of the groups that a session goes by.
    in_session: InSession<usize>,
    counts_host: bool,
}

/// What a session goes by: the numbers of the groups, or what they captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct InSession<T> {
    pub(crate) id: Option<T>,
    pub(crate) forget: Option<T>,
    pub(crate) nofail: Option<T>,
    pub(crate) gained: Option<T>,
}

impl<T> InSession<T> {
    /// The same of something else.
    fn map<U>(self, of: impl Fn(T) -> Option<U>) -> InSession<U> {
        InSession {
            id: self.id.and_then(&of),
            forget: self.forget.and_then(&of),
            nofail: self.nofail.and_then(&of),
            gained: self.gained.and_then(&of),
        }
    }

    /// The same, with what is missing from `other`.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            id: self.id.or(other.id),
            forget: self.forget.or(other.forget),
            nofail: self.nofail.or(other.nofail),
            gained: self.gained.or(other.gained),
        }
    }
}

impl InSession<&[u8]> {
    /// Whether a line is no failure, and the session is to be forgotten.
    pub(crate) fn is_farewell(&self) -> bool {
        let has = |text: Option<&[u8]>| text.is_some_and(|text| !text.is_empty());
        has(self.forget) && (has(self.nofail) || has(self.gained))
    }
}

/// Written the same, expanded the same, and compiled for as many lines.
impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
            && self.pattern.source() == other.pattern.source()
            && self.pattern.options() == other.pattern.options()
    }
}

impl Eq for Regex {}

impl Regex {
    /// Compiles `source`; `<HOST>` includes names where `dns`.
    ///
    /// # Errors
    ///
    /// It is no expression.
    pub fn compile(source: &str, dns: bool, multiline: bool) -> Result<Self, RegexError> {
        if source.trim().is_empty() {
            return Err(RegexError::Empty);
        }
        let expanded = expand_tags(source, &TagOptions { dns });
        let options = Options {
            multiline,
            ..Options::default()
        };
        match Pattern::compile(&expanded, options) {
            Ok(pattern) => Ok(Self {
                source: source.to_owned(),
                is_plain: Groups::of(pattern.group_names()) == Groups::default(),
                groups: Groups::of(pattern.group_names()),
                names: pattern
                    .group_names()
                    .filter_map(|name| Some((name.into(), pattern.group_number(name)?)))
                    .collect(),
                content: pattern.group_number("content"),
                in_session: InSession {
                    id: pattern.group_number(Known::Session.text()),
                    forget: pattern.group_number(Known::Forget.text()),
                    nofail: pattern.group_number(Known::NoFail.text()),
                    gained: pattern.group_number(Known::Gained.text()),
                },
                counts_host: !has_id_group(&pattern) && pattern.has_group(HOST_GROUP),
                pattern,
            }),
            Err(error) => Err(RegexError::Syntax { expanded, error }),
        }
    }

    /// The expression as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The expression with its tags expanded, as clients see it.
    #[must_use]
    pub fn expanded(&self) -> &str {
        self.pattern.source()
    }

    /// The compiled expression.
    #[must_use]
    pub const fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Whether it captures something that can be counted.
    #[must_use]
    pub fn has_id(&self) -> bool {
        has_id_group(&self.pattern)
    }

    /// Whether the one thing that could be counted is the group that earlier versions counted by.
    ///
    /// Whoever adds an expression decides whether that will do; then its matches are counted by it.
    #[must_use]
    pub const fn counts_host(&self) -> bool {
        self.counts_host
    }

    /// Whether it matches somewhere in `text`.
    pub(crate) fn is_match(&self, text: &str) -> Result<bool, StepLimit> {
        self.pattern.is_match(text)
    }

    /// Whether it matches somewhere in `text`, and where its leftmost match is.
    pub(crate) fn captures_into(&self, text: &str, captures: &mut Captures) -> Result<bool, StepLimit> {
        self.pattern.captures_into(text, captures)
    }

    /// The number of the group that the failregexes are searched in, if there is one.
    pub(crate) const fn content_group(&self) -> Option<usize> {
        self.content
    }

    /// Where the group is that the failregexes are searched in, if there is one and it took part.
    pub(crate) fn content(&self, captures: &Captures) -> Option<Range<usize>> {
        captures.span(self.content?)
    }

    /// What a match captured of what a session goes by, of which `captured` has the groups by their numbers; nothing
    /// where other groups can stand in for these.
    pub(crate) fn session<'t>(
        &self,
        captured: impl Fn(usize) -> Option<&'t [u8]>,
    ) -> Option<InSession<&'t [u8]>> {
        self.is_plain.then(|| self.in_session.map(captured))
    }

    /// What `<SKIPLINES>` took in a match.
    pub(crate) fn skipped(&self, text: &str, captures: &Captures) -> String {
        let names = self.names.iter().filter(|(name, _)| is_skiplines(name.as_str()));
        names
            .filter_map(|(_, number)| text.get(captures.span(*number)?))
            .collect()
    }

    /// What a match in `text` captured; where `absent`, with the names of the groups that took no part.
    pub(crate) fn read(&self, text: &str, captures: &Captures, absent: bool) -> Named {
        let mut data = Named::default();
        data.make_room_for(self.names.len());
        for (name, number) in &self.names {
            match captures.span(*number).and_then(|span| text.get(span)) {
                Some(found) => data.insert_text(name, found),
                None if absent => data.insert_absent(name),
                None => {}
            }
        }
        self.groups.finish(&mut data);
        data
    }

    /// Adds what a match of a prefregex in `text` captured to what is known, but not what the failregexes are
    /// searched in.
    pub(crate) fn read_prefix_onto(&self, data: &mut Named, text: &str, captures: &Captures, absent: bool) {
        self.read_all_onto(data, text, captures, (absent, self.content));
        if absent || !self.is_plain {
            data.remove_named(&"content".into());
        }
    }

    /// Adds what a match in `text` captured to what is known; see [`Self::read`].
    pub(crate) fn read_onto(&self, data: &mut Named, text: &str, captures: &Captures, absent: bool) {
        self.read_all_onto(data, text, captures, (absent, None));
    }

    fn read_all_onto(
        &self,
        data: &mut Named,
        text: &str,
        captures: &Captures,
        (absent, left_out): (bool, Option<usize>),
    ) {
        // What is of no interest by itself may be so to an alternate or a tuple.
        if absent || !self.is_plain {
            data.append(&mut self.read(text, captures, absent));
            return;
        }
        for (name, number) in &self.names {
            if left_out == Some(*number) {
                continue;
            }
            if let Some(found) = captures.span(*number).and_then(|span| text.get(span)) {
                data.insert_text(name, found);
            }
        }
    }
}

fn has_id_group(pattern: &Pattern) -> bool {
    ID_GROUPS.iter().any(|name| pattern.has_group(name))
}

/// Whether a group is one of those that `<SKIPLINES>` makes.
fn is_skiplines(name: &str) -> bool {
    name.strip_prefix("skiplines")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
