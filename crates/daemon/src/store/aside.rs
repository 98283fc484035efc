//! What the database says while it cannot be written: its tables as they would be, in memory.
//!
//! In: the changes that wait, in their order. Out: answers that know of them.
//!
//! While the disk is full or another process holds the file, bans go on and jails are reloaded; a question that
//! waited for the disk would hold up the loop, and one that did not know of what waits would forget bans. The
//! tables are temporary ones of the connection, which go before those of the file under the same names, and which
//! SQLite keeps in memory.
//!
//! Invariant: the file is not touched, and what waits still waits; it is written later as if nothing had been asked.

use rusqlite::Connection;

use super::schema::{CREATE_BANS, CREATE_BIPS, CREATE_JAILS, CREATE_LOGS, TABLES};
use super::writer::{Task, apply};

/// The tables in memory, where they are needed.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// How many of the changes that wait they know; none where there are no tables.
    known: Option<usize>,
}

impl Aside {
    /// Answers the questions among `waiting`, which are the changes that the file does not have, oldest first.
    ///
    /// # Errors
    /// Where not even what the file has can be read.
    pub(super) fn answer<'t>(
        &mut self,
        connection: &Connection,
        waiting: impl ExactSizeIterator<Item = &'t Task> + Clone,
    ) -> rusqlite::Result<()> {
        let known = self.known.unwrap_or(0);
        if !waiting.clone().skip(known).any(Task::is_unanswered) {
            return Ok(());
        }
        if self.known.is_none() {
            let made = make(connection);
            if made.is_err() {
                clear(connection);
            }
            made?;
        }
        let count = waiting.len();
        for task in waiting.skip(known) {
            // What the file will refuse is refused here as well, and told then.
            let _applied = apply(task, connection);
        }
        self.known = Some(count);
        Ok(())
    }

    /// So many of the changes have been written, or given up: the file knows better from now on.
    pub(super) fn forget(&mut self, connection: &Connection) {
        if self.known.take().is_some() {
            clear(connection);
        }
    }
}

fn make(connection: &Connection) -> rusqlite::Result<()> {
    for sql in [CREATE_JAILS, CREATE_LOGS, CREATE_BANS, CREATE_BIPS] {
        let sql = sql
            .replace("CREATE TABLE ", "CREATE TEMP TABLE ")
            .replace("CREATE INDEX ", "CREATE INDEX temp.");
        connection.execute_batch(&sql)?;
    }
    for (table, columns, _) in TABLES {
        connection.execute_batch(&format!(
            "INSERT INTO temp.{table}({columns}) SELECT {columns} FROM main.{table}"
        ))?;
    }
    Ok(())
}

fn clear(connection: &Connection) {
    for (table, ..) in TABLES.iter().rev() {
        let cleared = connection.execute_batch(&format!("DROP TABLE IF EXISTS temp.{table}"));
        debug_assert!(cleared.is_ok(), "a table in memory can be dropped: {cleared:?}");
    }
}
