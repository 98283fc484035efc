//! The database file: opened, created, brought up to version 4, or put aside where it is damaged.
//!
//! In: the path. Out: a connection to a database of version 4, and the records the reference logs for it.
//!
//! Invariant: no row is ever lost without a copy of the file beside it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params_from_iter};
use stockade_datetime::Timestamp;

use super::{Report, StoreError};
use crate::log::Level;

/// The version of the layout below.
pub(super) const VERSION: i64 = 4;

/// How long another program may hold the file before a statement gives up. The reference waits as long.
pub(super) const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// The layout, letter by letter that of the reference, so that either program can take the file over.
const CREATE_VERSION: &str = "CREATE TABLE fail2banDb(version INTEGER)";
pub(super) const CREATE_JAILS: &str = "\
CREATE TABLE jails(name TEXT NOT NULL UNIQUE, enabled INTEGER NOT NULL DEFAULT 1);
CREATE INDEX jails_name ON jails(name);";
pub(super) const CREATE_LOGS: &str = "\
CREATE TABLE logs(jail TEXT NOT NULL, path TEXT, firstlinemd5 TEXT, lastfilepos INTEGER DEFAULT 0, \
FOREIGN KEY(jail) REFERENCES jails(name) ON DELETE CASCADE, \
UNIQUE(jail, path),UNIQUE(jail, path, firstlinemd5));
CREATE INDEX logs_path ON logs(path);
CREATE INDEX logs_jail_path ON logs(jail, path);";
pub(super) const CREATE_BANS: &str = "\
CREATE TABLE bans(jail TEXT NOT NULL, ip TEXT, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL, \
bancount INTEGER NOT NULL default 1, data JSON, FOREIGN KEY(jail) REFERENCES jails(name) );
CREATE INDEX bans_jail_timeofban_ip ON bans(jail, timeofban);
CREATE INDEX bans_jail_ip ON bans(jail, ip);
CREATE INDEX bans_ip ON bans(ip);";
pub(super) const CREATE_BIPS: &str = "\
CREATE TABLE bips(ip TEXT NOT NULL, jail TEXT NOT NULL, timeofban INTEGER NOT NULL, \
bantime INTEGER NOT NULL, bancount INTEGER NOT NULL default 1, data JSON, PRIMARY KEY(ip, jail), \
FOREIGN KEY(jail) REFERENCES jails(name) );
CREATE INDEX bips_timeofban ON bips(timeofban);
CREATE INDEX bips_ip ON bips(ip);";

/// The tables with their columns, referenced ones first, for what can be saved out of a damaged file.
pub(super) const TABLES: [(&str, &str, usize); 4] = [
    ("jails", "name, enabled", 2),
    ("logs", "jail, path, firstlinemd5, lastfilepos", 4),
    ("bans", "jail, ip, timeofban, bantime, bancount, data", 6),
    ("bips", "ip, jail, timeofban, bantime, bancount, data", 6),
];

/// How many copies of former files are kept; older ones are removed when there is a new one.
const KEPT_COPIES: usize = 10;

/// Opens the database at `path`, or one in memory, with every jail marked as not enabled.
pub(super) fn open(path: &str, now: Timestamp, report: &Report) -> Result<Connection, StoreError> {
    if path == ":memory:" {
        let connection = Connection::open_in_memory()?;
        return prepare(connection, path, now, report);
    }
    let file = Path::new(path);
    create_directory(file)?;
    match try_open(path, now, report) {
        Err(StoreError::Sqlite(error)) if is_damaged(&error) => {
            report(
                Level::ERROR,
                &format!(
                    "Error opening fail2ban persistent database '{path}': {}",
                    reason(&error)
                ),
            );
            repair(path, now, report)
        }
        Err(StoreError::Sqlite(error)) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => {
            report(
                Level::ERROR,
                &format!(
                    "Error connecting to fail2ban persistent database '{path}': {}",
                    reason(&error)
                ),
            );
            Err(StoreError::Sqlite(error))
        }
        outcome => outcome,
    }
}

/// What SQLite says of an error, without the path that the library puts behind it.
pub(super) fn reason(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => "unable to open database file".to_owned(),
        Some(ErrorCode::NotADatabase) => "file is not a database".to_owned(),
        Some(ErrorCode::DatabaseCorrupt) => "database disk image is malformed".to_owned(),
        Some(_) | None => error.to_string(),
    }
}

/// Creates the directory of the file, but not that one's parent.
fn create_directory(file: &Path) -> Result<(), StoreError> {
    let Some(directory) = file
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty())
    else {
        return Ok(());
    };
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => Ok(()),
        Err(_) if directory.is_dir() => Ok(()),
        Err(error) => Err(StoreError::Directory {
            directory: directory.to_owned(),
            error,
        }),
    }
}

fn try_open(path: &str, now: Timestamp, report: &Report) -> Result<Connection, StoreError> {
    // SQLite would create the file with the rights the umask leaves. Where this fails, so does SQLite,
    // and says it in the words administrators know.
    drop(
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path),
    );
    prepare(Connection::open(path)?, path, now, report)
}

fn prepare(
    mut connection: Connection,
    path: &str,
    now: Timestamp,
    report: &Report,
) -> Result<Connection, StoreError> {
    connection.busy_timeout(BUSY_LIMIT)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch("PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;")?;
    // What else is opened with a wrong file fails here, at the first look into it.
    connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
    report(
        Level::INFO,
        &format!("Connected to fail2ban persistent database '{path}'"),
    );
    let has_version: bool = connection.query_row(
        "SELECT count(*) FROM sqlite_master WHERE type='table' AND name='fail2banDb'",
        [],
        |row| row.get(0),
    )?;
    if has_version {
        let version: i64 = connection
            .query_row("SELECT version FROM fail2banDb LIMIT 1", [], |row| row.get(0))
            .optional()?
            .unwrap_or(1);
        if version > VERSION {
            return Err(StoreError::FutureVersion);
        }
        if version < VERSION {
            upgrade(&mut connection, path, version, now, report)?;
        }
    } else {
        create(&mut connection)?;
        report(
            Level::WARNING,
            &format!("New database created. Version '{VERSION}'"),
        );
    }
    // With the log beside the file a commit is one write without a wait for the disk, and what is
    // committed outlives the death of the process. Where the file system has no shared memory the answer
    // is another mode, which is slower and keeps the same promise. The checkpoint, which does wait for the
    // disk, is the writer's to time.
    connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
    // With 16 MiB of pages the indexes of a hundred thousand bans stay in memory while they are written.
    connection
        .execute_batch("PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-16384;")?;
    connection.execute("UPDATE jails SET enabled=0", [])?;
    Ok(connection)
}

fn create(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    transaction.execute(CREATE_VERSION, [])?;
    transaction.execute("INSERT INTO fail2banDb(version) VALUES(?1)", [VERSION])?;
    for sql in [CREATE_JAILS, CREATE_LOGS, CREATE_BANS, CREATE_BIPS] {
        transaction.execute_batch(sql)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Brings a database of version 1 to 3 up to date, after a copy of it has been made.
fn upgrade(
    connection: &mut Connection,
    path: &str,
    from: i64,
    now: Timestamp,
    report: &Report,
) -> Result<(), StoreError> {
    if path != ":memory:" {
        let (backup, mut target) = create_backup(path, now)?;
        report(
            Level::INFO,
            &format!("Upgrade database: {} from version '{from}'", backup.display()),
        );
        io::copy(&mut File::open(path).map_err(StoreError::Backup)?, &mut target)
            .map_err(StoreError::Backup)?;
        report(
            Level::INFO,
            &format!("  Database backup created: {}", backup.display()),
        );
    }
    let transaction = connection.transaction()?;
    if from < 2 {
        transaction.execute_batch("CREATE TEMP TABLE logs_temp AS SELECT * FROM logs; DROP TABLE logs;")?;
        transaction.execute_batch(CREATE_LOGS)?;
        transaction.execute_batch(
            "INSERT OR REPLACE INTO logs SELECT jail, path, firstlinemd5, lastfilepos FROM logs_temp; \
             DROP TABLE logs_temp;",
        )?;
    }
    if from < 3 {
        transaction.execute_batch("CREATE TEMP TABLE bans_temp AS SELECT * FROM bans; DROP TABLE bans;")?;
        transaction.execute_batch(CREATE_BANS)?;
        transaction.execute_batch(
            "INSERT INTO bans SELECT jail, ip, timeofban, -2, 1, data FROM bans_temp ORDER BY timeofban; \
             DROP TABLE bans_temp;",
        )?;
    }
    if from < 4 {
        transaction.execute_batch(CREATE_BIPS)?;
        transaction.execute_batch(
            "INSERT OR REPLACE INTO bips SELECT ip, jail, timeofban, bantime, bancount, data FROM bans \
             WHERE ip IS NOT NULL ORDER BY timeofban, rowid",
        )?;
    }
    transaction.execute("UPDATE fail2banDb SET version=?1", [VERSION])?;
    transaction.commit()?;
    report(
        Level::WARNING,
        &format!("Database updated from '{from}' to '{VERSION}'"),
    );
    Ok(())
}

/// Moves the damaged file aside and makes a new one with what can still be read of the old one.
///
/// The reference has the program `sqlite3` dump it; we read the rows ourselves up to the first that fails.
fn repair(path: &str, now: Timestamp, report: &Report) -> Result<Connection, StoreError> {
    report(Level::INFO, &format!("Trying to repair database {path}"));
    let (backup, target) = create_backup(path, now)?;
    drop(target);
    fs::rename(path, &backup).map_err(StoreError::Backup)?;
    // What is left of an unfinished write belongs to the old file; beside the new one it would spoil that.
    for ending in ["-wal", "-journal"] {
        drop(fs::rename(
            with_ending(Path::new(path), ending),
            with_ending(&backup, ending),
        ));
    }
    drop(fs::remove_file(with_ending(Path::new(path), "-shm")));
    report(
        Level::INFO,
        &format!("  Database backup created: {}", backup.display()),
    );
    let fresh = || -> Result<(Connection, usize), StoreError> {
        drop(
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(path),
        );
        let mut connection = Connection::open(path)?;
        create(&mut connection)?;
        connection.execute_batch("PRAGMA foreign_keys=OFF")?;
        let saved = save_rows(&backup, &connection);
        for table in ["logs", "bans", "bips"] {
            connection.execute(
                &format!("INSERT OR IGNORE INTO jails(name, enabled) SELECT DISTINCT jail, 0 FROM {table}"),
                [],
            )?;
        }
        Ok((connection, saved))
    };
    match fresh() {
        Ok((connection, saved)) if saved > 0 => {
            drop(connection);
            report(
                Level::WARNING,
                &format!(
                    "  {saved} row(s) could be read; what else was there is lost, but for the copy '{}'",
                    backup.display()
                ),
            );
            let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
            report(
                Level::INFO,
                &format!("  Repair seems to be successful, restored {size} byte(s)."),
            );
        }
        Ok(_) | Err(_) => {
            drop(fs::remove_file(path));
            report(
                Level::WARNING,
                &format!(
                    "  nothing could be read; the bans and the positions in logs are lost, but for the copy '{}'",
                    backup.display()
                ),
            );
            report(Level::INFO, "  Repair seems to be failed, restored 0 byte(s).");
            report(
                Level::ERROR,
                &format!("  Error repairing of fail2ban database '{path}': Recreate ..."),
            );
        }
    }
    try_open(path, now, report)
}

/// Copies the rows of `damaged` that can be read; how many those were.
fn save_rows(damaged: &Path, into: &Connection) -> usize {
    let Ok(from) = Connection::open(damaged) else {
        return 0;
    };
    let mut saved = 0;
    for (table, columns, count) in TABLES {
        let marks = vec!["?"; count].join(",");
        let Ok(mut insert) = into.prepare(&format!(
            "INSERT OR IGNORE INTO {table}({columns}) VALUES({marks})"
        )) else {
            continue;
        };
        let Ok(mut select) = from.prepare(&format!("SELECT {columns} FROM {table}")) else {
            continue;
        };
        let Ok(mut rows) = select.query([]) else {
            continue;
        };
        while let Ok(Some(row)) = rows.next() {
            let values: Result<Vec<rusqlite::types::Value>, _> =
                (0..count).map(|column| row.get(column)).collect();
            saved += values
                .and_then(|values| insert.execute(params_from_iter(values)))
                .unwrap_or(0);
        }
    }
    saved
}

/// A new empty file named after the time, for a copy of the database.
fn create_backup(path: &str, now: Timestamp) -> Result<(PathBuf, File), StoreError> {
    let stamp = jiff::Timestamp::from_microsecond(now.micros())
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y%m%d-%H%M%S")
        .to_string();
    let first = with_ending(Path::new(path), &format!(".{stamp}"));
    remove_old_copies(Path::new(path));
    // A daemon that is restarted several times a second must not write over the first copy.
    let names = std::iter::once(first.clone())
        .chain((1..100).map(|number| with_ending(&first, &format!("-{number}"))));
    let mut last_error = io::Error::from(io::ErrorKind::AlreadyExists);
    for name in names {
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&name);
        match created {
            Ok(file) => return Ok((name, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last_error = error,
            Err(error) => return Err(StoreError::Backup(error)),
        }
    }
    Err(StoreError::Backup(last_error))
}

/// Makes room for another copy: files that are damaged again and again must not fill the disk.
fn remove_old_copies(path: &Path) {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return;
    };
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let prefix = format!("{}.", name.to_string_lossy());
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // `20261122-101500`, and what stands behind it: a number, or what belongs to a file.
    let stamp = |name: &str| Some(name.strip_prefix(&prefix)?.get(..15)?.to_owned());
    let is_stamp = |stamp: &String| {
        let digits = stamp.bytes().filter(u8::is_ascii_digit).count();
        digits == 14 && stamp.as_bytes().get(8) == Some(&b'-')
    };
    let mut copies: Vec<(String, String)> = names
        .filter_map(|name| Some((stamp(&name).filter(is_stamp)?, name)))
        .collect();
    copies.sort();
    let is_file = |name: &str| !name.ends_with("-wal") && !name.ends_with("-journal");
    while copies.iter().filter(|(_, name)| is_file(name)).count() >= KEPT_COPIES {
        let Some((oldest, _)) = copies.first().cloned() else {
            return;
        };
        for (_, name) in copies.extract_if(.., |(stamp, _)| *stamp == oldest) {
            // What cannot be removed stays; it is not looked at again now.
            drop(fs::remove_file(directory.join(name)));
        }
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}
