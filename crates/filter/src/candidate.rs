//! A line that matched and is not yet known to count.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

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

/// One line kept as evidence, cut where its date stands; the three parts together are the whole line. Copies share it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MatchedLine {
    text: Arc<str>,
    /// Where the date begins and where it ends.
    date: (usize, usize),
}

impl MatchedLine {
    /// The line of these parts.
    #[must_use]
    pub fn new(before: &str, date: &str, after: &str) -> Self {
        Self {
            text: [before, date, after].concat().into(),
            date: (before.len(), before.len() + date.len()),
        }
    }

    /// A line whose date stands at these places.
    pub(crate) fn of(line: &str, date: Range<usize>) -> Self {
        Self {
            text: line.into(),
            date: (date.start, date.end),
        }
    }

    /// What stands before the date.
    #[must_use]
    pub fn before(&self) -> &str {
        self.text.get(..self.date.0).unwrap_or_default()
    }

    /// The text of the date, as the line has it.
    #[must_use]
    pub fn date(&self) -> &str {
        self.text.get(self.date.0..self.date.1).unwrap_or_default()
    }

    /// What stands after the date.
    #[must_use]
    pub fn after(&self) -> &str {
        self.text.get(self.date.1..).unwrap_or_default()
    }

    /// How many bytes the line has.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The whole line.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for MatchedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The captured groups by name, in the order in which they were first captured. Copies share them until one changes.
///
/// Where [`Mode::explain`](crate::Mode) is set, groups that took no part have their place as well.
#[derive(Debug, Clone, Default)]
pub struct Captured(Option<Arc<Named>>);

type Named = Vec<(Arc<str>, Option<Data>)>;

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

impl PartialEq for Captured {
    fn eq(&self, other: &Self) -> bool {
        self.list() == other.list()
    }
}

impl Eq for Captured {}

impl Captured {
    /// Nothing captured.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Nothing captured, with room for so many groups.
    pub(crate) fn with_room_for(groups: usize) -> Self {
        let mut captured = Self::new();
        captured.make_room_for(groups);
        captured
    }

    /// Makes room for so many groups more.
    pub(crate) fn make_room_for(&mut self, groups: usize) {
        if groups > 0 {
            self.list_mut().reserve(groups);
        }
    }

    /// What was captured under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Data> {
        self.list()
            .iter()
            .find(|(known, _)| **known == *name)
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
        let list = self.list_mut();
        match list.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, old)) => *old = Some(data),
            None => list.push((name.into(), Some(data))),
        }
    }

    /// As [`Self::insert`], without making the name anew.
    pub(crate) fn insert_shared(&mut self, name: &Arc<str>, data: Data) {
        let list = self.list_mut();
        let is_same = |known: &Arc<str>| Arc::ptr_eq(known, name) || *known == *name;
        match list.iter_mut().find(|(known, _)| is_same(known)) {
            Some((_, old)) => *old = Some(data),
            None => list.push((Arc::clone(name), Some(data))),
        }
    }

    /// Gives `name` its place without data, unless it has one.
    pub(crate) fn insert_absent(&mut self, name: &Arc<str>) {
        if !self.list().iter().any(|(known, _)| *known == *name) {
            self.list_mut().push((Arc::clone(name), None));
        }
    }

    /// Puts what `other` has in place, under the names that it has there.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (name, data) in other.list() {
            if let Some(data) = data {
                self.insert_shared(name, data.clone());
            }
        }
    }

    /// Takes what `other` has over; a name that is known keeps its place.
    pub(crate) fn take_over(&mut self, other: Self) {
        if self.list().is_empty() {
            *self = other;
            return;
        }
        match other.0.map(Arc::try_unwrap) {
            None => {}
            Some(Ok(list)) => {
                for (name, data) in list {
                    if let Some(data) = data {
                        self.insert_shared(&name, data);
                    }
                }
            }
            Some(Err(shared)) => self.merge(&Self(Some(shared))),
        }
    }

    /// Takes what is under `name` away, and its place.
    pub fn remove(&mut self, name: &str) -> Option<Data> {
        let index = self.list().iter().position(|(known, _)| **known == *name)?;
        self.list_mut().remove(index).1
    }

    /// Whether nothing was captured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// All names with their data.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Data)> {
        self.iter_all().filter_map(|(name, data)| Some((name, data?)))
    }

    /// All names, those without data included.
    pub fn iter_all(&self) -> impl Iterator<Item = (&str, Option<&Data>)> {
        self.list().iter().map(|(name, data)| (&**name, data.as_ref()))
    }

    fn list(&self) -> &[(Arc<str>, Option<Data>)] {
        self.0.as_ref().map_or(&[], |list| list.as_slice())
    }

    fn list_mut(&mut self) -> &mut Named {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}
