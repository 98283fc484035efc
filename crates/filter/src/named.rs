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
    /// One bit: that of the known name alone, or one that several others have.
    bit: u64,
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
    /// The name that is known and written so.
    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "cidr" => Self::Cidr,
            "dns" => Self::Dns,
            "fid" => Self::Fid,
            "host" => Self::Host,
            "ip4" => Self::Ip4,
            "ip6" => Self::Ip6,
            "mlfforget" => Self::Forget,
            "mlfgained" => Self::Gained,
            "mlfid" => Self::Session,
            "nofail" => Self::NoFail,
            "user" => Self::User,
            "users" => Self::Users,
            _ => return None,
        })
    }

    pub(crate) const fn text(self) -> &'static str {
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

    const fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// The bit of a name that is not known.
fn bit_of_other(text: &str) -> u64 {
    let sum = text.bytes().fold(0_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    1 << (OTHERS + sum % (64 - OTHERS))
}

/// The first of the bits that names have that are not known.
const OTHERS: u64 = 16;

impl Name {
    /// The name as it is written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        let known = Known::of(text);
        Self {
            known,
            bit: known.map_or_else(|| bit_of_other(text), Known::bit),
            text: text.into(),
        }
    }
}

impl From<Known> for Name {
    fn from(known: Known) -> Self {
        Self {
            known: Some(known),
            bit: known.bit(),
            text: SmolStr::new_static(known.text()),
        }
    }
}

/// Captured groups by name, in the order in which they were first captured. What took no part may have its place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    groups: Vec<(Name, Option<Data>)>,
    /// The bits of all names that are among them, and perhaps of some that were.
    bits: u64,
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.groups == other.groups
    }
}

impl Eq for Named {}

impl Named {
    /// Nothing captured.
    pub(crate) const NONE: Self = Self {
        groups: Vec::new(),
        bits: 0,
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

    /// Puts a text under `name`; a name that is there keeps its place.
    pub(crate) fn insert_text(&mut self, name: &Name, text: &str) {
        let data = Some(Data::Text(text.into()));
        match self.place_of(name).and_then(|at| self.groups.get_mut(at)) {
            Some((_, old)) => *old = data,
            None => {
                self.bits |= name.bit;
                self.groups.push((name.clone(), data));
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
        other.bits = 0;
    }

    /// Takes away what is under a name that is known, and its place.
    pub(crate) fn remove(&mut self, name: Known) {
        if let Some(at) = self.place_of_known(name) {
            self.groups.remove(at);
            self.bits &= !name.bit();
        }
    }

    /// Takes away what is under `name`, and its place.
    pub(crate) fn remove_named(&mut self, name: &Name) {
        if let Some(at) = self.place_of(name) {
            self.groups.remove(at);
        }
    }

    /// Takes everything away.
    pub(crate) fn clear(&mut self) {
        self.groups.clear();
        self.bits = 0;
    }

    /// Whether nothing was captured.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.iter().all(|(_, data)| data.is_none())
    }

    #[inline]
    fn place_of_known(&self, name: Known) -> Option<usize> {
        if self.bits & name.bit() == 0 {
            return None;
        }
        self.groups
            .iter()
            .position(|(known, _)| known.known == Some(name))
    }

    #[inline]
    fn place_of(&self, name: &Name) -> Option<usize> {
        match name.known {
            _ if self.bits & name.bit == 0 => None,
            Some(known) => self.place_of_known(known),
            None => self.groups.iter().position(|(known, _)| known == name),
        }
    }

    fn push(&mut self, name: Name, data: Option<Data>) -> usize {
        self.bits |= name.bit;
        self.groups.push((name, data));
        self.groups.len() - 1
    }
}
