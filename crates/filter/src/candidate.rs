//! A line that matched and is not yet known to count.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use smol_str::SmolStr;
use stockade_datetime::Timestamp;

use crate::named::Named;
use crate::times::CutLine;
use crate::{Id, Texts};

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

/// The lines that a match took.
#[derive(Debug)]
pub(crate) enum Taken<'a> {
    /// The one that was searched, which is only copied where it is kept.
    Line(&'a CutLine<'a>),
    /// Some of those before.
    Lines(Vec<MatchedLine>),
}

impl Taken<'_> {
    /// Puts them behind others.
    pub(crate) fn append_to(self, lines: &mut Vec<MatchedLine>) {
        match self {
            Self::Line(line) => lines.push(line.to_matched()),
            Self::Lines(more) => lines.extend(more),
        }
    }

    /// The lines as they are kept.
    pub(crate) fn into_lines(self) -> Vec<MatchedLine> {
        match self {
            Self::Line(line) => vec![line.to_matched()],
            Self::Lines(lines) => lines,
        }
    }
}

/// A line each.
impl fmt::Display for Taken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => line.fmt(f),
            Self::Lines(lines) => {
                for (at, line) in lines.iter().enumerate() {
                    let gap = if at == 0 { "" } else { "\n" };
                    write!(f, "{gap}{line}")?;
                }
                Ok(())
            }
        }
    }
}

/// The captured groups by name, in the order in which they were first captured. Copies share them until one changes.
///
/// Where [`Mode::explain`](crate::Mode) is set, groups that took no part have their place as well.
#[derive(Debug, Clone, Default)]
pub struct Captured(Option<Arc<Named>>);

/// What one group captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// The text of the group.
    Text(SmolStr),
    /// The users of a session.
    Set(Texts),
    /// The parts of a tuple group.
    Tuple(Vec<Option<String>>),
}

impl Data {
    /// The text, where it is one.
    pub(crate) const fn text(&self) -> Option<&SmolStr> {
        match self {
            Self::Text(text) => Some(text),
            Self::Set(_) | Self::Tuple(_) => None,
        }
    }
}

impl PartialEq for Captured {
    fn eq(&self, other: &Self) -> bool {
        self.named() == other.named()
    }
}

impl Eq for Captured {}

impl From<Named> for Captured {
    fn from(named: Named) -> Self {
        Self(Some(Arc::new(named)))
    }
}

impl Captured {
    /// Nothing captured.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// What was captured under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Data> {
        self.named().find(name)
    }

    /// The text captured under `name`, where it is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Data::text).map(SmolStr::as_str)
    }

    /// Puts `data` under `name`; a name that is known keeps its place.
    pub fn insert(&mut self, name: &str, data: Data) {
        self.named_mut().insert(name.into(), data);
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
        let all = self.named().iter();
        all.map(|(name, data)| (name.as_str(), data.as_ref()))
    }

    /// What was captured, to be changed.
    pub(crate) fn named_mut(&mut self) -> &mut Named {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    /// Takes over what `named` has, and leaves there what room it has itself; it must have no more than that.
    pub(crate) fn take_over(&mut self, named: &mut Named) {
        match self.0.as_mut().and_then(Arc::get_mut) {
            Some(place) => std::mem::swap(place, named),
            None => self.0 = Some(Arc::new(std::mem::take(named))),
        }
    }

    /// Forgets everything but what room there is, unless that is shared.
    pub(crate) fn clear(&mut self) {
        match self.0.as_mut().and_then(Arc::get_mut) {
            Some(named) => named.clear(),
            None => self.0 = None,
        }
    }

    /// What was captured, to be asked by known names.
    pub(crate) fn named(&self) -> &Named {
        static NONE: Named = Named::NONE;
        self.0.as_deref().unwrap_or(&NONE)
    }
}
