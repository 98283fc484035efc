//! A database without a thread: whoever holds its [`Hand`] decides when something is written, and when that fails.
//!
//! In: tasks, in the order they were handed over. Out: rows of an SQLite database in memory, which outlives the
//! daemons that have it one after the other.
//!
//! Invariant: as with the real one, tasks take effect in their order, all or none of a transaction; what was not
//! committed when a daemon dies is gone.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use stockade_datetime::Timestamp;

use super::aside::Aside;
use super::writer::{BATCH, LAST_TRIES, QUEUE_LIMIT, Task, Writer, announce, apply, can_pass};
use super::{Report, StoreError, schema};

/// The other end of a database by hand.
#[derive(Clone)]
pub struct Hand(Arc<Mutex<Desk>>);

struct Desk {
    connection: Connection,
    tasks: VecDeque<Task>,
    report: Report,
    /// How many of the tasks to come a transaction still does before the disk fails it.
    fails_after: Option<usize>,
    /// Whether the last daemon could not write all that it had when it ended.
    has_lost: bool,
}

/// The last ban that is kept of an id in a jail.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptBan {
    /// The jail.
    pub jail: String,
    /// The id.
    pub id: String,
    /// When it began.
    pub begin: f64,
    /// How long it lasts; negative for ever.
    pub bantime: f64,
}

impl Hand {
    /// A new database.
    ///
    /// # Errors
    /// Where SQLite has no memory for it.
    pub fn new(report: Report) -> Result<Self, StoreError> {
        let quiet: Report = Arc::new(|_, _| {});
        Ok(Self(Arc::new(Mutex::new(Desk {
            connection: schema::open(":memory:", Timestamp::from_seconds(0), &quiet)?,
            tasks: VecDeque::new(),
            report,
            fails_after: None,
            has_lost: false,
        }))))
    }

    /// Whether the disk is full: what would make the database grow fails.
    pub fn set_full(&self, is_full: bool) {
        let desk = self.lock();
        let pages = if is_full {
            desk.connection
                .query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0))
                .unwrap_or(1)
        } else {
            i64::from(u32::MAX) / 2
        };
        let set = desk
            .connection
            .query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(()));
        debug_assert!(set.is_ok(), "the limit of a database in memory can be set");
    }

    /// Has the next transaction fail after so many tasks, once.
    pub fn fail_after(&self, tasks: usize) {
        self.lock().fails_after = Some(tasks);
    }

    /// Whether the last daemon could not write all that it had when it ended.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.lock().has_lost
    }

    /// How many tasks are not written yet.
    #[must_use]
    pub fn pending(&self) -> u64 {
        u64::try_from(self.lock().tasks.len()).unwrap_or(u64::MAX)
    }

    /// The writer's turn: writes one transaction; whether nothing stood in its way.
    #[must_use]
    pub fn write(&self) -> bool {
        self.lock().write()
    }

    /// Writes everything; whether that was possible.
    #[must_use]
    pub fn write_all(&self) -> bool {
        let mut desk = self.lock();
        while !desk.tasks.is_empty() {
            if !desk.write() {
                return false;
            }
        }
        true
    }

    /// The daemon dies: what was not committed is gone.
    pub fn crash(&self) {
        let mut desk = self.lock();
        desk.tasks.clear();
        desk.fails_after = None;
    }

    /// The last bans that are kept, by jail and id.
    #[must_use]
    pub fn kept(&self) -> Vec<KeptBan> {
        let desk = self.lock();
        let statement = desk
            .connection
            .prepare_cached("SELECT jail, ip, timeofban, bantime FROM bips ORDER BY jail, ip");
        let rows = statement.and_then(|mut statement| {
            let row = |row: &rusqlite::Row<'_>| {
                Ok(KeptBan {
                    jail: row.get(0)?,
                    id: row.get(1)?,
                    begin: row.get(2)?,
                    bantime: row.get(3)?,
                })
            };
            statement.query_map([], row)?.collect::<Result<Vec<_>, _>>()
        });
        rows.unwrap_or_default()
    }

    /// Answers what is asked although the disk takes nothing.
    pub(super) fn answer(&self) {
        let desk = self.lock();
        let mut aside = Aside::default();
        let answered = aside.answer(&desk.connection, desk.tasks.iter());
        debug_assert!(answered.is_ok(), "{answered:?}");
        aside.forget(&desk.connection);
    }

    pub(super) fn push(&self, task: Task) {
        let mut desk = self.lock();
        if desk.tasks.len() < QUEUE_LIMIT {
            desk.tasks.push_back(task);
        }
    }

    /// A daemon opens the database.
    pub(super) fn begin(&self) {
        let desk = self.lock();
        let begun = desk.connection.execute("UPDATE jails SET enabled=0", []);
        debug_assert!(begun.is_ok(), "{begun:?}");
    }

    /// A daemon closes the database; what cannot be written after some tries is lost.
    pub(super) fn end(&self) {
        let is_written = (0..LAST_TRIES).any(|_| self.write_all());
        self.crash();
        self.lock().has_lost = !is_written;
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn write(&mut self) -> bool {
        let count = self.tasks.len().min(BATCH);
        if let Some(good) = self.fails_after.take() {
            // The disk fails in the middle of it: the transaction is rolled back and tried again later.
            if let Ok(transaction) = self.connection.transaction() {
                for task in self.tasks.iter().take(good.min(count)) {
                    let _applied = apply(task, &transaction);
                }
            }
            return false;
        }
        let batch: Vec<Task> = self.tasks.drain(..count).collect();
        match Writer::new(&self.report).try_write(&mut self.connection, &batch) {
            Err(error) if can_pass(&error) => {
                for task in batch.into_iter().rev() {
                    self.tasks.push_front(task);
                }
                false
            }
            Ok(()) | Err(_) => {
                announce(&batch);
                true
            }
        }
    }
}

impl fmt::Debug for Hand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hand")
    }
}
