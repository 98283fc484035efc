//! A map that remembers the order in which its names first appeared.
//!
//! Invariant: replacing a value keeps the position of its name; that order is visible in the list of commands.

use std::{collections::HashMap, rc::Rc};

/// Up to how many names are looked through one by one, which is quicker than hashing them. Most maps stay below.
const SMALL: usize = 16;

#[derive(Debug, Clone)]
pub(crate) struct Ordered<V> {
    /// Names are shared, for whole maps are copied again and again.
    entries: Vec<(Rc<str>, V)>,
    /// Where each name stands, once there are more than [`SMALL`].
    index: HashMap<Rc<str>, usize>,
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            index: HashMap::new(),
        }
    }
}

impl<V> Ordered<V> {
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        let at = self.position(name)?;
        self.entries.get(at).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let at = self.position(name)?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.entries.len() > SMALL {
            return self.index.get(name).copied();
        }
        self.entries.iter().position(|(known, _)| **known == *name)
    }

    /// Sets a value; a name that is there keeps its position.
    pub(crate) fn insert(&mut self, name: impl AsRef<str> + Into<Rc<str>>, value: V) {
        match self.get_mut(name.as_ref()) {
            Some(old) => *old = value,
            None => {
                self.entries.push((name.into(), value));
                // The one that is too many brings all others along.
                let from = match self.entries.len() {
                    count if count <= SMALL => count,
                    count if count == SMALL + 1 => 0,
                    count => count - 1,
                };
                for (at, (name, _)) in self.entries.iter().enumerate().skip(from) {
                    self.index.insert(Rc::clone(name), at);
                }
            }
        }
    }

    /// The value of a name, made first where it is missing.
    pub(crate) fn entry(&mut self, name: &str, make: impl FnOnce() -> V) -> &mut V {
        if !self.contains(name) {
            self.insert(name, make());
        }
        self.get_mut(name).expect("it was there or has just been added")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.entries.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// The entries, with their names to be shared.
    pub(crate) fn shared(&self) -> impl Iterator<Item = (&Rc<str>, &V)> {
        self.entries.iter().map(|(name, value)| (name, value))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_ref())
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry at a position.
    pub(crate) fn at(&self, position: usize) -> Option<(&str, &V)> {
        self.entries
            .get(position)
            .map(|(name, value)| (name.as_ref(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Ordered, SMALL};

    #[test]
    fn names_are_found_however_many_there_are() {
        let mut map = Ordered::default();
        for number in 0..3 * SMALL {
            let name = format!("name{number}");
            assert_eq!(map.get(&name), None, "before {number}");
            map.insert(name.as_str(), number);
            map.insert("name0", number);
            for known in 1..=number {
                assert_eq!(map.get(&format!("name{known}")), Some(&known), "after {number}");
            }
            assert_eq!(map.get("name0"), Some(&number));
            assert_eq!(map.len(), number + 1);
        }
        let names: Vec<&str> = map.names().collect();
        assert_eq!(names.first(), Some(&"name0"), "it keeps its position");
    }
}
