//! Gives memory back to the machine a moment after work that is done once in a while: the start, and a reload.
//!
//! Reading a configuration takes code and memory that no line of a log will ever take again, and so does what follows
//! it: opening logs, restoring bans.
//!
//! In: that there was such work. Out: when to look again, and then less memory in use.

use stockade_datetime::Timestamp;
use stockade_sys::Spare;

/// How long after the work everything is given back: it may have left some to other threads.
const MOMENT_MICROS: i64 = 1_000_000;

/// What is to be given back, and when.
#[derive(Debug, Default)]
pub(crate) struct Leisure {
    spare: Spare,
    due: Option<Timestamp>,
}

impl Leisure {
    /// Gives back what the process has now, as often as asked for. It must have no other thread yet.
    pub(crate) fn new() -> Self {
        Self {
            spare: Spare::find(),
            due: None,
        }
    }

    /// Something has just been done that is not done every day.
    pub(crate) fn follow(&mut self, now: Timestamp) {
        self.due = Some(now.plus_micros(MOMENT_MICROS));
    }

    /// When there is something to give back.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.due
    }

    /// Whether it is time to give it back; says so once.
    pub(crate) fn take(&mut self, now: Timestamp) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// Gives it back.
    pub(crate) fn give_back(&self) {
        self.spare.give_back();
    }
}

#[cfg(test)]
mod tests {
    use stockade_datetime::Timestamp;

    use super::Leisure;

    #[test]
    fn memory_is_given_back_once_after_each_work() {
        let at = Timestamp::from_seconds;
        let mut leisure = Leisure::new();
        assert_eq!(leisure.next(), None, "before any work");
        for start in [100, 200] {
            leisure.follow(at(start));
            assert_eq!(leisure.next(), Some(at(start + 1)), "after the work of {start}");
            assert!(!leisure.take(at(start)), "too early");
            assert!(leisure.take(at(start + 1)), "after the work of {start}");
            assert!(!leisure.take(at(start + 2)), "once is enough");
            assert_eq!(leisure.next(), None, "until there is work again");
        }
    }
}
