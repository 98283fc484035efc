//! Bans that are decided and in force, and that the log is told of once they are kept; and what else is to be said of
//! bans after that.
//!
//! In: records, in their order. Out: the same in the log, each once; by the thread of the database when it has kept
//! the bans, or by the loop when the database has had its time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::log::{Level, Records};

/// The logger of all that is said of bans.
pub(crate) const ACTIONS: &str = "fail2ban.actions";

/// The announcements that wait.
#[derive(Debug)]
pub(crate) struct Announcements {
    log: Records,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// How many have been added.
    added: u64,
    records: VecDeque<(Level, String)>,
}

impl Announcements {
    /// None yet; they go to `log`.
    pub(crate) const fn new(log: Records) -> Self {
        Self {
            log,
            waiting: Mutex::new(Waiting {
                added: 0,
                records: VecDeque::new(),
            }),
        }
    }

    /// Adds the announcement of a ban.
    pub(crate) fn add(&self, text: String) {
        self.lock().add(Level::NOTICE, text);
    }

    /// Writes a record after those that wait.
    pub(crate) fn follow(&self, level: Level, text: &str) {
        let mut waiting = self.lock();
        if waiting.records.is_empty() {
            self.log.write(level, ACTIONS, text);
        } else {
            waiting.add(level, text.to_owned());
        }
    }

    /// How many have been added so far.
    pub(crate) fn added(&self) -> u64 {
        self.lock().added
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().records.is_empty()
    }

    /// Announces those among the first so many that have been added which still wait.
    pub(crate) fn announce(&self, first: u64) {
        let mut waiting = self.lock();
        while waiting.announced() < first
            && let Some((level, text)) = waiting.records.pop_front()
        {
            // Nobody else may come in between, or the order would be another one.
            self.log.write(level, ACTIONS, &text);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, level: Level, text: String) {
        self.added += 1;
        self.records.push_back((level, text));
    }

    fn announced(&self) -> u64 {
        self.added - u64::try_from(self.records.len()).unwrap_or(self.added)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::Announcements;
    use crate::log::{Level, Records};

    #[test]
    fn each_is_announced_once_and_in_order() {
        let told = Arc::new(Mutex::new(String::new()));
        let log = Arc::clone(&told);
        let announcements =
            Announcements::new(Records::to(move |_, _, text| log.lock().unwrap().push_str(text)));
        let steps: [(&str, u64, &str); 5] = [
            ("abc", 2, "ab"),
            ("", 1, "ab"),
            ("", 2, "ab"),
            ("d", 9, "abcd"),
            ("e", 5, "abcde"),
        ];
        for (added, first, expected) in steps {
            for text in added.chars() {
                announcements.add(text.to_string());
            }
            announcements.announce(first);
            assert_eq!(*told.lock().unwrap(), expected, "after {added:?} and {first}");
        }
        assert_eq!(announcements.added(), 5);
        announcements.follow(Level::INFO, "f");
        announcements.add("g".to_owned());
        announcements.follow(Level::INFO, "h");
        assert_eq!(*told.lock().unwrap(), "abcdef");
        announcements.announce(announcements.added());
        assert_eq!(*told.lock().unwrap(), "abcdefgh");
        assert!(announcements.is_empty());
    }
}
