//! A database that another program has open: read and copied, never written to.
//!
//! In: the path. Out: whether either program can use the file, which bans are in it, and a copy of it.
//!
//! Invariant: the file stays as it is, and so do its contents for whoever writes to it meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::StoreError;
use super::schema::{BUSY_LIMIT, VERSION};

/// The database, open for reading.
#[derive(Debug)]
pub struct Foreign(Connection);

impl Foreign {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Where there is none, it is no such database, or a later version of the program wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_LIMIT)?;
        let version: Option<i64> = connection
            .query_row("SELECT max(version) FROM fail2banDb", [], |row| row.get(0))
            .optional()?
            .flatten();
        if version.is_some_and(|version| version > VERSION) {
            return Err(StoreError::FutureVersion);
        }
        Ok(Self(connection))
    }

    /// Writes all of it, as it is at this moment, to `copy`, in whose place nothing else is left.
    ///
    /// # Errors
    /// Where there is no room for it, or no right.
    pub fn copy(&self, copy: &Path) -> Result<(), StoreError> {
        let fresh = copy.with_extension("new");
        // SQLite writes to no file that is there already.
        drop(fs::remove_file(&fresh));
        self.0.execute("VACUUM INTO ?1", [fresh.to_string_lossy()])?;
        fs::rename(&fresh, copy).map_err(StoreError::Backup)
    }

    /// The bans that are kept, as jail and id.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn kept(&self) -> Result<BTreeSet<(String, String)>, StoreError> {
        let mut statement = self.0.prepare("SELECT jail, ip FROM bips")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(directory: &Path, version: i64) -> std::path::PathBuf {
        let path = directory.join("db");
        let connection = Connection::open(&path).unwrap();
        let ban = "INSERT INTO bips(ip, jail, timeofban, bantime) VALUES('192.0.2.1', 'sshd', 1, 600)";
        let create = super::super::schema::CREATE_BIPS;
        connection
            .execute_batch(&format!(
                "CREATE TABLE fail2banDb(version INTEGER); INSERT INTO fail2banDb VALUES({version});
                 CREATE TABLE jails(name TEXT NOT NULL UNIQUE); INSERT INTO jails VALUES('sshd');
                 {create} {ban}"
            ))
            .unwrap();
        path
    }

    #[test]
    fn a_database_in_use_is_read_and_copied() {
        let dir = tempfile::tempdir().unwrap();
        let path = database(dir.path(), VERSION);
        let _user = Connection::open(&path).unwrap();
        let before = fs::read(&path).unwrap();
        let foreign = Foreign::open(&path).unwrap();
        let expected = BTreeSet::from([("sshd".to_owned(), "192.0.2.1".to_owned())]);
        assert_eq!(foreign.kept().unwrap(), expected);
        let copy = dir.path().join("copy");
        for time in ["once", "again"] {
            foreign.copy(&copy).unwrap();
            assert_eq!(
                Foreign::open(&copy).unwrap().kept().unwrap(),
                expected,
                "copied {time}"
            );
        }
        assert_eq!(fs::read(&path).unwrap(), before, "it stays as it is");
    }

    #[test]
    fn what_is_no_database_of_ours_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Foreign::open(&dir.path().join("none")).is_err());
        let text = dir.path().join("text");
        fs::write(&text, "this is no database, however long it may be").unwrap();
        assert!(Foreign::open(&text).is_err());
        let later = database(dir.path(), VERSION + 1);
        assert!(matches!(Foreign::open(&later), Err(StoreError::FutureVersion)));
    }
}
