//! A map that remembers the order in which its names first appeared.
//!
//! Invariant: replacing a value keeps the position of its name; that order is visible in the list of commands.

use std::collections::HashMap;

#[derive(Debug, Clone)]
pub(crate) struct Ordered<V> {
    entries: Vec<(String, V)>,
    index: HashMap<String, usize>,
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
        let at = *self.index.get(name)?;
        self.entries.get(at).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let at = *self.index.get(name)?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// Sets a value; a name that is there keeps its position.
    pub(crate) fn insert(&mut self, name: impl Into<String>, value: V) {
        let name = name.into();
        match self.get_mut(&name) {
            Some(old) => *old = value,
            None => {
                self.index.insert(name.clone(), self.entries.len());
                self.entries.push((name, value));
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
        self.entries.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry at a position.
    pub(crate) fn at(&self, position: usize) -> Option<(&str, &V)> {
        self.entries
            .get(position)
            .map(|(name, value)| (name.as_str(), value))
    }
}
