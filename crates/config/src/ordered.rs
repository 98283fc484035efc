//! A map that remembers the order in which its names first appeared.
//!
//! Invariant: replacing a value keeps the position of its name; that order is visible in the list of commands.

use std::rc::Rc;

use foldhash::fast::FixedState;
use indexmap::IndexMap;

/// Names are shared, for whole maps are copied again and again. They come from the administrator's own files, so
/// that their hashes need no secret.
#[derive(Debug, Clone)]
pub(crate) struct Ordered<V>(IndexMap<Rc<str>, V, FixedState>);

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self(IndexMap::default())
    }
}

impl<V> Ordered<V> {
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.0.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.0.get_mut(name)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Sets a value; a name that is there keeps its position.
    pub(crate) fn insert(&mut self, name: impl AsRef<str> + Into<Rc<str>>, value: V) {
        match self.0.get_mut(name.as_ref()) {
            Some(old) => *old = value,
            None => {
                self.0.insert(name.into(), value);
            }
        }
    }

    /// The value of a name, made first where it is missing.
    pub(crate) fn entry(&mut self, name: &Rc<str>, make: impl FnOnce() -> V) -> &mut V {
        self.0.entry(Rc::clone(name)).or_insert_with(make)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.values_mut()
    }

    /// The entries, with their names to be shared.
    pub(crate) fn shared(&self) -> impl Iterator<Item = (&Rc<str>, &V)> {
        self.0.iter()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(AsRef::as_ref)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The entry at a position.
    pub(crate) fn at(&self, position: usize) -> Option<(&str, &V)> {
        self.0
            .get_index(position)
            .map(|(name, value)| (name.as_ref(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::Ordered;

    #[test]
    fn names_are_found_however_many_there_are() {
        let mut map = Ordered::default();
        for number in 0..48 {
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
