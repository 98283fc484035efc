//! A line that matched and is not yet known to count.

use std::collections::BTreeSet;
use std::fmt;

use stockade_datetime::Timestamp;

use crate::Id;

/// A line that matched and is not yet known to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What is to be counted.
    pub id: Id,
    /// The attacker's address where it is known and is not the id itself.
    ///
    /// It is a text where names are kept raw, and where what the expression took for an address is none.
    pub address: Option<Id>,
    /// When the line was written; the clocks of others may be ahead of ours.
    pub time: Timestamp,
    /// The reference has the time as a whole number, which prints without `.0`.
    pub time_is_whole: bool,
    /// The lines that belong to the failure, oldest first.
    pub matches: Vec<MatchedLine>,
    /// What the groups of the expressions captured.
    pub captured: Captured,
}

/// One line kept as evidence, cut where its date stands; the three parts together are the whole line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MatchedLine {
    /// What stands before the date.
    pub before: String,
    /// The text of the date, as the line has it.
    pub date: String,
    /// What stands after the date.
    pub after: String,
}

impl fmt::Display for MatchedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.before, self.date, self.after)
    }
}

/// The captured groups by name, in the order in which they were first captured.
///
/// Where [`Mode::explain`](crate::Mode) is set, groups that took no part have their place as well.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured(Vec<(String, Option<Data>)>);

/// What one group captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// The text of the group.
    Text(String),
    /// The users of a session.
    Set(BTreeSet<String>),
    /// The parts of a tuple group.
    Tuple(Vec<Option<String>>),
}

impl Captured {
    /// Nothing captured.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// What was captured under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Data> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .and_then(|(_, data)| data.as_ref())
    }

    /// The text captured under `name`, where it is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Data::Text(text)) => Some(text),
            Some(Data::Set(_) | Data::Tuple(_)) | None => None,
        }
    }

    /// Puts `data` under `name`; a name that is known keeps its place.
    pub fn insert(&mut self, name: &str, data: Data) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = Some(data),
            None => self.0.push((name.to_owned(), Some(data))),
        }
    }

    /// Gives `name` its place without data, unless it has one.
    pub(crate) fn insert_absent(&mut self, name: &str) {
        if !self.0.iter().any(|(known, _)| known == name) {
            self.0.push((name.to_owned(), None));
        }
    }

    /// Takes what is under `name` away, and its place.
    pub fn remove(&mut self, name: &str) -> Option<Data> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        self.0.remove(index).1
    }

    /// Whether nothing was captured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Whether there is no name at all, not even one without data.
    pub(crate) const fn has_no_names(&self) -> bool {
        self.0.is_empty()
    }

    /// All names with their data.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Data)> {
        self.iter_all().filter_map(|(name, data)| Some((name, data?)))
    }

    /// All names, those without data included.
    pub fn iter_all(&self) -> impl Iterator<Item = (&str, Option<&Data>)> {
        self.0.iter().map(|(name, data)| (name.as_str(), data.as_ref()))
    }
}
