//! A map by failure-id that remembers the order of its entries.
//!
//! In: entries that carry their own id. Out: them, by id, by place, or in the order they were put in.
//! Invariant: an id stands for at most one entry; a place stays its entry's until that is removed.
//!
//! A list threaded through a vector, with a hash table of places: an entry costs its own size and some fourteen
//! bytes. The ids are the attackers' to choose, so the hash is keyed.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;

use hashbrown::HashTable;
use stockade_filter::Id;

/// Where an entry lives until it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(NonZeroU32);

impl Place {
    /// The place of the slot at `index`; counted from one, so that no place takes no room.
    fn of(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("far fewer entries than the limits of their tables allow"))
    }

    fn index(self) -> usize {
        usize::try_from(self.0.get() - 1).expect("made from a usize")
    }
}

/// An entry of an [`Ordered`] map.
pub(crate) trait Entry {
    /// Its key.
    fn id(&self) -> &Id;
}

/// A map by failure-id that remembers the order of its entries.
#[derive(Debug)]
pub(crate) struct Ordered<T> {
    slots: Vec<Slot<T>>,
    /// The first of the empty slots, which are linked by `after`.
    free: Option<Place>,
    first: Option<Place>,
    last: Option<Place>,
    index: HashTable<Place>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Slot<T> {
    before: Option<Place>,
    after: Option<Place>,
    entry: Option<T>,
}

impl<T: Entry> Ordered<T> {
    /// A map without entries.
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: None,
            first: None,
            last: None,
            index: HashTable::new(),
            hasher: RandomState::new(),
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// The place of the entry of `id`.
    pub(crate) fn find(&self, id: &Id) -> Option<Place> {
        self.index
            .find(self.hasher.hash_one(id), |&place| self.at(place).id() == id)
            .copied()
    }

    /// The entry at `place`.
    pub(crate) fn at(&self, place: Place) -> &T {
        self.slot(place).entry.as_ref().expect(OCCUPIED)
    }

    /// The entry at `place`, whose id must not change.
    pub(crate) fn at_mut(&mut self, place: Place) -> &mut T {
        self.slot_mut(place).entry.as_mut().expect(OCCUPIED)
    }

    /// Puts `entry` behind all others; its id must not be known.
    pub(crate) fn push(&mut self, entry: T) -> Place {
        let hash = self.hasher.hash_one(entry.id());
        let slot = Slot {
            before: self.last,
            after: None,
            entry: Some(entry),
        };
        let place = if let Some(place) = self.free {
            self.free = self.slot(place).after;
            *self.slot_mut(place) = slot;
            place
        } else {
            self.slots.push(slot);
            Place::of(self.slots.len() - 1)
        };
        match self.last.replace(place) {
            Some(last) => self.slot_mut(last).after = Some(place),
            None => self.first = Some(place),
        }
        let Self {
            index, slots, hasher, ..
        } = self;
        index.insert_unique(hash, place, |place| {
            let slot = slots.get(place.index()).and_then(|slot| slot.entry.as_ref());
            hasher.hash_one(slot.expect(OCCUPIED).id())
        });
        place
    }

    /// The place of the entry behind the one at `place`.
    pub(crate) fn after(&self, place: Place) -> Option<Place> {
        self.slot(place).after
    }

    /// Takes the entry at `place` out.
    pub(crate) fn remove(&mut self, place: Place) -> T {
        let hash = self.hasher.hash_one(self.at(place).id());
        if let Ok(found) = self.index.find_entry(hash, |&other| other == place) {
            found.remove();
        }
        let free = self.free.replace(place);
        let slot = self.slot_mut(place);
        let (before, after) = (slot.before, slot.after);
        slot.after = free;
        let entry = slot.entry.take().expect(OCCUPIED);
        match before {
            Some(before) => self.slot_mut(before).after = after,
            None => self.first = after,
        }
        match after {
            Some(after) => self.slot_mut(after).before = before,
            None => self.last = before,
        }
        entry
    }

    /// The place of the entry that was put in first.
    pub(crate) const fn first(&self) -> Option<Place> {
        self.first
    }

    /// All entries with their places, the one that was put in first first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &T)> {
        std::iter::successors(self.first, |&place| self.slot(place).after)
            .map(|place| (place, self.at(place)))
    }

    /// Takes all entries out, in their order, and gives the room back.
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        let mut taken = Vec::with_capacity(self.len());
        while let Some(place) = self.first {
            taken.push(self.remove(place));
        }
        *self = Self::new();
        taken
    }

    fn slot(&self, place: Place) -> &Slot<T> {
        self.slots.get(place.index()).expect(OCCUPIED)
    }

    fn slot_mut(&mut self, place: Place) -> &mut Slot<T> {
        self.slots.get_mut(place.index()).expect(OCCUPIED)
    }
}

const OCCUPIED: &str = "a place is an entry's until that is removed";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stockade_filter::Id;

    use super::{Entry, Ordered};

    impl Entry for Id {
        fn id(&self) -> &Id {
            self
        }
    }

    fn id(number: u8) -> Id {
        Id::Text(number.to_string())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn it_is_a_list_without_duplicates(steps in prop::collection::vec((any::<bool>(), 0..20_u8), 0..80)) {
            let (mut map, mut list) = (Ordered::new(), Vec::new());
            for (add, number) in steps {
                let known = map.find(&id(number));
                prop_assert_eq!(known.is_some(), list.contains(&number));
                match known {
                    None if add => {
                        map.push(id(number));
                        list.push(number);
                    }
                    Some(place) if !add => {
                        prop_assert_eq!(map.remove(place), id(number));
                        list.retain(|&other| other != number);
                    }
                    None | Some(_) => {}
                }
                let order: Vec<Id> = map.iter().map(|(_, id)| id.clone()).collect();
                prop_assert_eq!(order, list.iter().copied().map(id).collect::<Vec<_>>());
                prop_assert_eq!(map.len(), list.len());
            }
        }
    }
}
