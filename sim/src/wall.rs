//! What the commands of actions have built: a firewall that is changed by running programs.
//!
//! In: scripts. Out: whether each ended well, and who is refused by which action.

use std::collections::{BTreeMap, BTreeSet};

use stockade_action::tags::Script;
use stockade_daemon::runner::Run;

use crate::chance::Chance;

/// What the commands have built, by jail and action.
#[derive(Debug)]
pub(crate) struct Wall {
    sets: BTreeMap<(String, String), BTreeSet<String>>,
    /// Actions that have failed to lift bans since they were started: nobody can rely on what they hold.
    impaired: BTreeSet<(String, String)>,
    /// Whether commands fail now and then.
    pub(crate) is_failing: bool,
    /// Whether one has failed since this was last looked at.
    pub(crate) has_failed: bool,
    chance: Chance,
}

impl Wall {
    pub(crate) const fn new(chance: Chance) -> Self {
        Self {
            sets: BTreeMap::new(),
            impaired: BTreeSet::new(),
            is_failing: false,
            has_failed: false,
            chance,
        }
    }

    /// Runs a command.
    pub(crate) fn run(&mut self, jail: &str, name: &str, script: &Script) -> Run {
        let key = (jail.to_owned(), name.to_owned());
        let mut words = script.text.split_whitespace();
        let command = words.next().unwrap_or_default();
        let id = words.next().unwrap_or_default().to_owned();
        if self.is_failing && self.chance.one_in(2) {
            // A ban that fails is tried again, and with it a start that failed, which leaves what was there before.
            if matches!(command, "begin" | "unban" | "flush" | "end") {
                self.impaired.insert(key);
            }
            self.has_failed = true;
            return Run::ended(1);
        }
        let done = match command {
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
        };
        Run::ended(i32::from(!done))
    }

    /// Who is refused by each action that can be relied upon.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&(String, String), &BTreeSet<String>)> {
        self.sets.iter().filter(|(key, _)| !self.impaired.contains(key))
    }
}
