//! Where the properties of a jail are written.
//!
//! In: the places that came along with the commands of a configuration. Out: the place of one property, for a
//! message about it.
//!
//! Invariant: places say nothing about what a jail does. Two jails that differ in them alone are equal.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file, a line and a column, as `FILE:LINE:COLUMN`.
pub type Place = Arc<str>;

/// Where the properties of a jail are written, as far as that is known.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Of each failregex, in their order.
    pub failregex: Vec<Option<Place>>,
    /// Of each ignoreregex, in their order.
    pub ignoreregex: Vec<Option<Place>>,
    /// Of everything else: the property, and which one of several it is.
    others: BTreeMap<(&'static str, String), Place>,
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Places {
    /// Notes where a property is written, or that one of several is.
    pub fn set(&mut self, property: &'static str, which: &str, place: Option<Place>) {
        let key = (property, which.to_owned());
        match place {
            Some(place) => self.others.insert(key, place),
            None => self.others.remove(&key),
        };
    }

    /// Where a property is written, or one of several.
    #[must_use]
    pub fn get(&self, property: &'static str, which: &str) -> Option<&Place> {
        self.others.get(&(property, which.to_owned()))
    }
}

/// The places of all jails, for whoever does something for one beside the loop.
#[derive(Debug, Clone, Default)]
pub struct Registry(Arc<Mutex<BTreeMap<String, Places>>>);

impl Registry {
    /// Notes the places of a jail; `None` where it is gone.
    pub fn set(&self, jail: &str, places: Option<&Places>) {
        let mut known = self.lock();
        match places {
            Some(places) => known.insert(jail.to_owned(), places.clone()),
            None => known.remove(jail),
        };
    }

    /// Where a property of a jail is written, or one of several.
    #[must_use]
    pub fn get(&self, jail: &str, property: &'static str, which: &str) -> Option<Place> {
        self.lock().get(jail)?.get(property, which).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Places>> {
        // Whoever panicked left a map of texts behind, which is as good as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place behind a message, as ` (FILE:LINE:COLUMN)`; nothing where it is not known.
pub struct Behind<'a>(pub Option<&'a Place>);

impl fmt::Display for Behind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}
