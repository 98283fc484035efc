//! What the commands of actions have built: a firewall that is changed by running programs.
//!
//! In: scripts. Out: whether each ended well, and who is refused by which action.

use std::collections::{BTreeMap, BTreeSet};

use stockade_action::tags::Script;

use crate::chance::Chance;

/// What the commands have built, by jail and action.
#[derive(Debug)]
pub(crate) struct Wall {
    sets: BTreeMap<(String, String), BTreeSet<String>>,
    /// Actions whose commands have failed since they were started: nobody can rely on what they hold.
    impaired: BTreeSet<(String, String)>,
    /// Actions that were asked for more than they could take since they were employed.
    overtaxed: BTreeSet<(String, String)>,
    /// Whether commands fail now and then.
    pub(crate) is_failing: bool,
    chance: Chance,
}

impl Wall {
    pub(crate) const fn new(chance: Chance) -> Self {
        Self {
            sets: BTreeMap::new(),
            impaired: BTreeSet::new(),
            overtaxed: BTreeSet::new(),
            is_failing: false,
            chance,
        }
    }

    /// Runs a command.
    pub(crate) fn run(&mut self, jail: &str, name: &str, script: &Script) -> bool {
        let key = (jail.to_owned(), name.to_owned());
        if self.is_failing && self.chance.one_in(2) {
            self.impaired.insert(key);
            return false;
        }
        let mut words = script.text.split_whitespace();
        let command = words.next().unwrap_or_default();
        let id = words.next().unwrap_or_default().to_owned();
        match command {
            "begin" => {
                self.impaired.remove(&key);
                self.sets.insert(key, BTreeSet::new());
                true
            }
            "end" => self.sets.remove(&key).is_some(),
            "flush" => self.sets.get_mut(&key).map(BTreeSet::clear).is_some(),
            "ban" => self.sets.get_mut(&key).map(|set| set.insert(id)).is_some(),
            "unban" => self.sets.get_mut(&key).map(|set| set.remove(&id)).is_some(),
            "prolong" => self.sets.get(&key).is_some_and(|set| set.contains(&id)),
            _ => false,
        }
    }

    /// A command was given up before it ran.
    pub(crate) fn overtax(&mut self, jail: &str, name: &str) {
        self.overtaxed.insert((jail.to_owned(), name.to_owned()));
    }

    /// An action is employed, and will begin anew.
    pub(crate) fn employ(&mut self, jail: &str, name: &str) {
        self.overtaxed.remove(&(jail.to_owned(), name.to_owned()));
    }

    /// Who is refused by each action that can be relied upon.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&(String, String), &BTreeSet<String>)> {
        let relied_on =
            |key: &(String, String)| !self.impaired.contains(key) && !self.overtaxed.contains(key);
        self.sets.iter().filter(move |(key, _)| relied_on(key))
    }
}
