//! Captured groups by name, while they are gathered.
//!
//! In: what expressions and sessions put under names. Out: the same, by name, in the order in which it first came.
//! Invariant: a name stands once.

use smol_str::SmolStr;

use crate::Data;

/// The name of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// Tells at once of most names that they are others.
    known: Option<Known>,
    text: SmolStr,
}

/// The names that a filter itself asks for, with every match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Cidr,
    Dns,
    Fid,
    Host,
    Ip4,
    Ip6,
    Forget,
    Gained,
    Session,
    NoFail,
    User,
    Users,
}

impl Known {
    const ALL: [Self; 12] = [
        Self::Cidr,
        Self::Dns,
        Self::Fid,
        Self::Host,
        Self::Ip4,
        Self::Ip6,
        Self::Forget,
        Self::Gained,
        Self::Session,
        Self::NoFail,
        Self::User,
        Self::Users,
    ];

    const fn text(self) -> &'static str {
        match self {
            Self::Cidr => "cidr",
            Self::Dns => "dns",
            Self::Fid => "fid",
            // What earlier versions counted by, and patterns of their time have written out.
            Self::Host => "host",
            Self::Ip4 => "ip4",
            Self::Ip6 => "ip6",
            Self::Forget => "mlfforget",
            Self::Gained => "mlfgained",
            Self::Session => "mlfid",
            Self::NoFail => "nofail",
            Self::User => "user",
            Self::Users => "users",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl Name {
    /// The name as it is written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    fn bit(&self) -> u16 {
        self.known.map_or(0, Known::bit)
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self {
            known: Known::ALL.into_iter().find(|known| known.text() == text),
            text: text.into(),
        }
    }
}

impl From<Known> for Name {
    fn from(known: Known) -> Self {
        Self {
            known: Some(known),
            text: SmolStr::new_static(known.text()),
        }
    }
}

/// Captured groups by name, in the order in which they were first captured. What took no part may have its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named {
    groups: Vec<(Name, Option<Data>)>,
    /// A bit for each of the known names that is among them.
    known: u16,
}

impl Named {
    /// Nothing captured.
    pub(crate) const NONE: Self = Self {
        groups: Vec::new(),
        known: 0,
    };

    /// Makes room for so many groups more.
    pub(crate) fn make_room_for(&mut self, groups: usize) {
        self.groups.reserve(groups);
    }

    /// All of them in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Name, Option<Data>)> {
        self.groups.iter()
    }

    /// What was captured under `name`.
    pub(crate) fn find(&self, name: &str) -> Option<&Data> {
        let (_, data) = self.groups.iter().find(|(known, _)| known.text == name)?;
        data.as_ref()
    }

    /// What was captured under a name that is known.
    #[inline]
    pub(crate) fn get(&self, name: Known) -> Option<&Data> {
        let at = self.place_of_known(name)?;
        self.groups.get(at)?.1.as_ref()
    }

    /// The text captured under a name that is known, where it is a text.
    pub(crate) fn text(&self, name: Known) -> Option<&SmolStr> {
        self.get(name).and_then(Data::text)
    }

    /// Whether something was captured under a name that is known, and not an empty text.
    pub(crate) fn has(&self, name: Known) -> bool {
        match self.get(name) {
            None => false,
            Some(Data::Text(text)) => !text.is_empty(),
            Some(Data::Set(_) | Data::Tuple(_)) => true,
        }
    }

    /// What is under `name`, to be changed; where that is nothing, `data` is put there.
    pub(crate) fn get_or_insert(&mut self, name: Known, data: Data) -> &mut Data {
        let at = self.place_of_known(name);
        let at = at.unwrap_or_else(|| self.push(name.into(), None));
        let (_, place) = self
            .groups
            .get_mut(at)
            .expect("it is there or was just put there");
        place.get_or_insert(data)
    }

    /// Puts `data` under `name`; a name that is there keeps its place.
    pub(crate) fn insert(&mut self, name: Name, data: Data) {
        match self.place_of(&name).and_then(|at| self.groups.get_mut(at)) {
            Some((_, old)) => *old = Some(data),
            None => {
                self.push(name, Some(data));
            }
        }
    }

    /// Gives `name` its place without data, unless it has one.
    pub(crate) fn insert_absent(&mut self, name: &Name) {
        if self.place_of(name).is_none() {
            self.push(name.clone(), None);
        }
    }

    /// Takes over what `other` has, under the names that it has there; nothing is left there.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.groups.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        for (name, data) in other.groups.drain(..) {
            if let Some(data) = data {
                self.insert(name, data);
            }
        }
        other.known = 0;
    }

    /// Takes away what is under a name that is known, and its place.
    pub(crate) fn remove(&mut self, name: Known) {
        if let Some(at) = self.place_of_known(name) {
            self.groups.remove(at);
            self.known &= !name.bit();
        }
    }

    /// Takes away what is under `name`, and its place.
    pub(crate) fn remove_named(&mut self, name: &Name) {
        if let Some(at) = self.place_of(name) {
            self.groups.remove(at);
            self.known &= !name.bit();
        }
    }

    /// Takes everything away.
    pub(crate) fn clear(&mut self) {
        self.groups.clear();
        self.known = 0;
    }

    /// Whether nothing was captured.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.iter().all(|(_, data)| data.is_none())
    }

    #[inline]
    fn place_of_known(&self, name: Known) -> Option<usize> {
        if self.known & name.bit() == 0 {
            return None;
        }
        self.groups
            .iter()
            .position(|(known, _)| known.known == Some(name))
    }

    #[inline]
    fn place_of(&self, name: &Name) -> Option<usize> {
        match name.known {
            Some(known) => self.place_of_known(known),
            None => self.groups.iter().position(|(known, _)| known == name),
        }
    }

    fn push(&mut self, name: Name, data: Option<Data>) -> usize {
        self.known |= name.bit();
        self.groups.push((name, data));
        self.groups.len() - 1
    }
}
