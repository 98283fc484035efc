//! Answers about ignoring, kept by key: the `ignorecache`.
//!
//! In: keys with the answers they got. Out: an answer, while it is fresh.
//! Invariant: no more answers are kept than the administrator allows.

use std::collections::{HashMap, VecDeque};

use stockade_datetime::Timestamp;

use crate::IgnoreCache;

/// Answers about ignoring, kept by key.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    known: HashMap<String, (bool, Timestamp)>,
    /// The keys in the order in which they were answered.
    order: VecDeque<String>,
}

impl Answers {
    /// Whether what has this key is ignored, where a fresh answer says so.
    pub(crate) fn get(&self, now: Timestamp, key: &str) -> Option<bool> {
        let &(ignored, until) = self.known.get(key)?;
        (now < until).then_some(ignored)
    }

    /// Keeps an answer.
    pub(crate) fn put(&mut self, now: Timestamp, cache: &IgnoreCache, key: String, ignored: bool) {
        let until = now.plus_micros(cache.max_time_micros);
        if self.known.insert(key.clone(), (ignored, until)).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > cache.max_count {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    /// Forgets all answers.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.order.clear();
    }
}
