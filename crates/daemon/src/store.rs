//! What survives a restart: bans, and how far each log was read, in the reference's SQLite file.
//!
//! In: rows, from the loop, which does not wait for them. Out: the rows of before, at the start of a jail.
//!
//! The database has a thread of its own and a queue of limited length. Everything takes effect in the order
//! it was handed over, and questions are answered in that same order. When [`Store::commit_pending`] has said
//! yes, what was handed over before is in the file and outlives the death of the process at any later
//! instant; so a ban is handed over, then committed, then announced. The death of the machine may cost what
//! was committed in its last second or so.
//!
//! Invariant: a file closed by us is one the reference opens as its own, and the other way round.

mod aside;
mod ban;
mod foreign;
mod hand;
mod schema;
mod writer;

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};
use stockade_datetime::Timestamp;
use stockade_jail::{ASKED_BANTIME, Earlier};
use stockade_protocol::{Failure, Value};

pub use ban::{BanData, BanRow, PERMANENT, bantime_seconds};
pub use foreign::Foreign;
pub use hand::{Hand, KeptBan};
use writer::{QUEUE_BYTES, QUEUE_LIMIT, Queue, Task};

use crate::announcements::Announcements;
use crate::growth::{Grown, Growth};
use crate::limits::Fill;
use crate::log::Level;

/// Where the store says what the reference logs as `fail2ban.database`. It is called from two threads.
pub type Report = Arc<dyn Fn(Level, &str) + Send + Sync>;

/// How many bytes the lines and captured groups have of bans that are restored in a jail; further bans go without.
const RESTORED_BYTES: usize = 64 << 20;

/// The name of a journal in the table of logs, in place of a path.
const JOURNAL: &str = "systemd-journal";
/// The path that our own row for it has.
const CURSOR: &str = "systemd-journal:cursor";

/// How long a question may take. The longest is a jail's start with all its bans on a slow disk.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// How long the end of the daemon waits for what is still to be written.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// The database, or none where `dbfile` is `none`: then nothing is kept and nothing is known.
pub struct Store {
    open: Option<Open>,
}

struct Open {
    path: String,
    engine: Engine,
}

/// Who writes.
enum Engine {
    Thread(Arc<Queue>, Option<JoinHandle<()>>),
    Hand(Hand),
}

impl Engine {
    fn push(&self, task: Task) {
        match self {
            Self::Thread(queue, _) => queue.push(task),
            Self::Hand(hand) => hand.push(task),
        }
    }
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory of the file cannot be made.
    #[error("[Errno {}] {}: '{}'", .error.raw_os_error().unwrap_or(0), os_text(.error), .directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A later version of the program wrote the file.
    #[error("Attempt to travel to future version of database ...how did you get here??")]
    FutureVersion,
    /// There is no room for a copy of the file, without which it is not touched.
    #[error("Cannot copy the database before it is changed: {0}")]
    Backup(#[source] io::Error),
    /// The thread of the database cannot be started.
    #[error("Cannot start a thread for the database: {0}")]
    Thread(#[source] io::Error),
    /// Whatever SQLite says.
    #[error("{}", schema::reason(.0))]
    Sqlite(#[from] rusqlite::Error),
    /// No answer within the time a question may take.
    #[error("the database does not answer")]
    NoAnswer,
}

impl StoreError {
    /// The exception that the reference answers with on the control socket.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let class = match self {
            Self::Directory { error, .. } => {
                let class = if error.kind() == io::ErrorKind::NotFound {
                    "FileNotFoundError"
                } else if error.kind() == io::ErrorKind::PermissionDenied {
                    "PermissionError"
                } else {
                    "OSError"
                };
                let number = Value::Int(error.raw_os_error().unwrap_or(0).into());
                return Failure::new("builtins", class, [number, Value::Str(os_text(error))]);
            }
            Self::FutureVersion => "NotImplementedError",
            Self::Backup(_) | Self::Thread(_) => "OSError",
            Self::Sqlite(_) | Self::NoAnswer => {
                return Failure::new("sqlite3", "OperationalError", [self.to_string()]);
            }
        };
        Failure::new("builtins", class, [self.to_string()])
    }
}

/// The system's text for an error, without the number that the standard library puts behind it.
pub(crate) fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

/// How far the journal was read when the daemon last ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalPosition {
    /// The time of the last entry that a jail was given.
    pub time: Timestamp,
    /// The last entry that was looked at, unless the reference has read on from there.
    pub cursor: Option<String>,
}

/// How far a log was read when the daemon last ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPosition {
    /// The hash of the log's first line; empty where that was not complete.
    pub hash: String,
    /// The offset behind the last complete line.
    pub offset: u64,
}

/// What a jail's settings say about the bans of before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RestoreLimits {
    /// The jail's bantime, [`PERMANENT`] for ever.
    pub bantime: f64,
    /// Whether `bantime.increment` is on.
    pub increment: bool,
    /// `bantime.maxtime`.
    pub maxtime: Option<f64>,
    /// `maxmatches`.
    pub max_matches: usize,
}

/// What is known of the earlier bans of an id.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct History {
    /// How often it was banned.
    pub bancount: i64,
    /// When it was banned last.
    pub timeofban: Timestamp,
    /// How long that ban lasts.
    pub bantime: f64,
}

impl History {
    /// What counts of it for the next ban.
    #[must_use]
    pub fn earlier(&self) -> Earlier {
        Earlier {
            bans: u32::try_from(self.bancount).unwrap_or(0),
            last: self.timeofban,
        }
    }
}

impl Store {
    /// Opens the database at `dbfile`, a path, `:memory:`, or `none` in any case.
    ///
    /// The file is created, brought up to date or, where it is damaged, moved aside; `report` is told in the
    /// words of the reference. Every jail is then marked as not enabled, until it is added.
    ///
    /// # Errors
    ///
    /// Where the file cannot be used; the start of the daemon fails then.
    pub fn open(dbfile: &str, now: Timestamp, report: &Report) -> Result<Self, StoreError> {
        if dbfile.eq_ignore_ascii_case("none") {
            return Ok(Self { open: None });
        }
        let connection = schema::open(dbfile, now, report)?;
        let queue = Arc::new(Queue::default());
        let thread = {
            let (queue, report) = (Arc::clone(&queue), Arc::clone(report));
            std::thread::Builder::new()
                .name("database".to_owned())
                .spawn(move || writer::run(&queue, connection, &report))
                .map_err(StoreError::Thread)?
        };
        Ok(Self {
            open: Some(Open {
                path: dbfile.to_owned(),
                engine: Engine::Thread(queue, Some(thread)),
            }),
        })
    }

    /// The database of a daemon that begins, where `hand` decides when something is written.
    #[must_use]
    pub fn by_hand(hand: Hand) -> Self {
        hand.begin();
        Self {
            open: Some(Open {
                path: ":memory:".to_owned(),
                engine: Engine::Hand(hand),
            }),
        }
    }

    /// No database: nothing is kept.
    #[must_use]
    pub const fn none() -> Self {
        Self { open: None }
    }

    /// Where the database is; `None` where there is none.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.open.as_ref().map(|open| open.path.as_str())
    }

    /// A jail was added, or added again on reload.
    pub fn add_jail(&self, jail: &str) {
        self.push(|| Task::AddJail(jail.to_owned()));
    }

    /// A jail was stopped; what it has in the database stays.
    pub fn disable_jail(&self, jail: &str) {
        self.push(|| Task::DisableJail(jail.to_owned()));
    }

    /// An id was banned, for the first time or again; not for bans that were restored.
    pub fn record_ban(&self, jail: &str, row: &BanRow) {
        self.push(|| Task::Ban {
            jail: jail.to_owned(),
            row: row.clone(),
        });
    }

    /// An id was banned whose bans grow: the row has the ban time and the count that its history gives it.
    ///
    /// `reply` is called in the thread of the database with what the ban has become, if the id was banned before. A
    /// ban that began no later than the one before was read twice, and is not recorded again.
    pub fn record_growing_ban(
        &self,
        jail: &str,
        row: &BanRow,
        growth: Growth,
        reply: impl FnOnce(Grown) + Send + 'static,
    ) {
        self.push(|| Task::GrowingBan {
            jail: jail.to_owned(),
            row: row.clone(),
            growth: Box::new(growth),
            reply: Cell::new(Some(Box::new(reply))),
        });
    }

    /// Removes every row of `id`, or of every id, in `jail`, or in every jail: its history is forgotten.
    pub fn forget(&self, jail: Option<&str>, id: Option<&str>) {
        self.push(|| Task::Forget {
            jail: jail.map(str::to_owned),
            id: id.map(str::to_owned),
        });
    }

    /// A log was added to a jail: takes it in where it is not yet known.
    pub fn add_log(&self, jail: &str, path: &str, position: &LogPosition) {
        self.push(|| Task::AddLog {
            jail: jail.to_owned(),
            path: path.to_owned(),
            hash: position.hash.clone(),
            position: offset_to_sql(position.offset),
        });
    }

    /// Keeps how far a log was read.
    pub fn save_position(&self, jail: &str, path: &str, position: &LogPosition) {
        self.push(|| Task::SavePosition {
            jail: jail.to_owned(),
            path: path.to_owned(),
            hash: position.hash.clone(),
            position: offset_to_sql(position.offset),
        });
    }

    /// Keeps the time of the last entry a jail has read from the journal, that time as the line shows it, and the
    /// cursor of the last entry that was looked at.
    ///
    /// The reference knows a time alone. The cursor is in a row of its own, with the same time, so that it does not
    /// count where the reference has read on in between.
    pub fn save_journal_position(&self, jail: &str, time: Timestamp, text: &str, cursor: Option<&str>) {
        for (path, text) in [(JOURNAL, Some(text)), (CURSOR, cursor)] {
            let Some(text) = text else { continue };
            self.push(|| Task::SavePosition {
                jail: jail.to_owned(),
                path: path.to_owned(),
                hash: text.to_owned(),
                position: Sql::Real(seconds(time)),
            });
        }
    }

    /// How far `jail` has read the log at `path`.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub fn log_position(&self, jail: &str, path: &str) -> Result<Option<LogPosition>, StoreError> {
        let (jail, path) = (jail.to_owned(), path.to_owned());
        self.ask(None, move |connection| {
            connection
                .prepare_cached("SELECT firstlinemd5, lastfilepos FROM logs WHERE jail=?1 AND path=?2")?
                .query_row([&jail, &path], |row| {
                    Ok(LogPosition {
                        hash: text(row, 0)?,
                        offset: number(row, 1)?
                            .micros()
                            .div_euclid(1_000_000)
                            .try_into()
                            .unwrap_or(0),
                    })
                })
                .optional()
        })
    }

    /// How far `jail` has read the journal.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub fn journal_position(&self, jail: &str) -> Result<Option<JournalPosition>, StoreError> {
        let jail = jail.to_owned();
        self.ask(None, move |connection| {
            let mut query = connection
                .prepare_cached("SELECT firstlinemd5, lastfilepos FROM logs WHERE jail=?1 AND path=?2")?;
            let mut row = |path: &str| {
                query
                    .query_row([jail.as_str(), path], |row| Ok((text(row, 0)?, number(row, 1)?)))
                    .optional()
            };
            let Some((_, time)) = row(JOURNAL)? else {
                return Ok(None);
            };
            let cursor = row(CURSOR)?
                .filter(|(_, of)| *of == time)
                .map(|(cursor, _)| cursor);
            Ok(Some(JournalPosition { time, cursor }))
        })
    }

    /// The bans of `jail` that are to be in force again, in the order of their ids' texts.
    ///
    /// Each has its full bantime, counted from its `timeofban`, and at most as many lines as the jail keeps.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub fn restore(
        &self,
        jail: &str,
        now: Timestamp,
        limits: RestoreLimits,
    ) -> Result<Vec<BanRow>, StoreError> {
        let jail = jail.to_owned();
        self.ask(Vec::new(), move |connection| {
            restore(connection, &jail, now, limits)
        })
    }

    /// The earlier bans of `id` in `jail`, or in all jails together.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub fn history(&self, id: &str, jail: Option<&str>) -> Result<Option<History>, StoreError> {
        let (id, jail) = (id.to_owned(), jail.map(str::to_owned));
        self.ask(None, move |connection| history(connection, &id, jail.as_deref()))
    }

    /// Like [`Store::history`], without the wait: `reply` is called in the thread of the database.
    ///
    /// It is called with `None` at once where there is no database.
    pub fn ask_history(
        &self,
        id: &str,
        jail: Option<&str>,
        reply: impl FnOnce(Option<History>) + Send + 'static,
    ) {
        let Some(open) = &self.open else {
            return reply(None);
        };
        let (id, jail) = (id.to_owned(), jail.map(str::to_owned));
        open.engine
            .push(Task::Ask(Cell::new(Some(Box::new(move |connection| {
                reply(history(connection, &id, jail.as_deref()).unwrap_or(None));
            })))));
    }

    /// All bans of `id` in `jail`, or in all jails, put together for the tags `<ipmatches>` and its kin.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub fn merged(
        &self,
        id: &str,
        jail: Option<&str>,
        max_matches: usize,
    ) -> Result<Option<BanData>, StoreError> {
        let (id, jail) = (id.to_owned(), jail.map(str::to_owned));
        self.ask(None, move |connection| {
            merged(connection, &id, jail.as_deref(), max_matches)
        })
    }

    /// Like [`Store::merged`], without the wait: `reply` is called in the thread of the database.
    ///
    /// It is called with `None` at once where there is no database.
    pub fn ask_merged(
        &self,
        id: &str,
        jail: Option<&str>,
        max_matches: usize,
        reply: impl FnOnce(Option<BanData>) + Send + 'static,
    ) {
        let Some(open) = &self.open else {
            return reply(None);
        };
        let (id, jail) = (id.to_owned(), jail.map(str::to_owned));
        open.engine
            .push(Task::Ask(Cell::new(Some(Box::new(move |connection| {
                reply(merged(connection, &id, jail.as_deref(), max_matches).unwrap_or(None));
            })))));
    }

    /// Removes what ended more than `age_seconds` ago.
    pub fn purge(&self, now: Timestamp, age_seconds: i64) {
        self.push(|| Task::Purge {
            before: writer::purge_limit(now, age_seconds),
        });
    }

    /// Has the first so many announcements made once what was handed over so far is in the file, or given up.
    pub(crate) fn announce(&self, announcements: &Arc<Announcements>, first: u64) {
        if self.open.is_none() {
            announcements.announce(first);
        }
        self.push(|| Task::Announce(Arc::clone(announcements), first));
    }

    /// Waits until everything handed over so far is in the file, at most for `limit`; whether it is.
    ///
    /// To be called between handing bans over and announcing them. On a healthy disk this takes the time of
    /// one write, some tens of microseconds, for all the bans of a round together.
    #[must_use]
    pub fn commit_pending(&self, limit: Duration) -> bool {
        match self.open.as_ref().map(|open| &open.engine) {
            None => true,
            Some(Engine::Thread(queue, _)) => queue.wait_for_commit(limit),
            Some(Engine::Hand(hand)) => hand.write_all(),
        }
    }

    /// How many changes are not yet in the file.
    #[must_use]
    pub fn pending(&self) -> u64 {
        match self.open.as_ref().map(|open| &open.engine) {
            None => 0,
            Some(Engine::Thread(queue, _)) => queue.pending(),
            Some(Engine::Hand(hand)) => hand.pending(),
        }
    }

    /// How many changes wait for the file, and how long the lines of their bans are, beside how many and how long can.
    #[must_use]
    pub(crate) fn fills(&self) -> [Fill; 2] {
        let (given_up, (bytes, leaned)) = match self.open.as_ref().map(|open| &open.engine) {
            Some(Engine::Thread(queue, _)) => (queue.given_up(), queue.lines()),
            Some(Engine::Hand(_)) | None => (0, (0, 0)),
        };
        let pending = usize::try_from(self.pending()).unwrap_or(usize::MAX);
        [
            Fill::single(
                "changes that wait for the database",
                (Some(pending), QUEUE_LIMIT),
                given_up,
                "they are not recorded",
            ),
            Fill::single(
                "lines of bans that wait for the database, in bytes",
                (Some(bytes), QUEUE_BYTES),
                leaned,
                "lines are not kept",
            ),
        ]
    }

    /// Writes what is left and closes the file, so that nothing but it remains.
    pub fn close(mut self) {
        if let Some(Engine::Hand(hand)) = self.open.as_ref().map(|open| &open.engine) {
            hand.end();
        }
        self.shut();
    }

    fn shut(&mut self) {
        // Who holds the other end of a database by hand decides what becomes of what was not written.
        let Some(Engine::Thread(queue, thread)) = self.open.take().map(|open| open.engine) else {
            return;
        };
        let ended = queue.close(CLOSE_LIMIT);
        if let Some(thread) = thread
            && ended
        {
            drop(thread.join());
        }
    }

    fn push(&self, task: impl FnOnce() -> Task) {
        if let Some(open) = &self.open {
            open.engine.push(task());
        }
    }

    fn ask<T: Send + 'static>(
        &self,
        without: T,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(open) = &self.open else {
            return Ok(without);
        };
        let (sender, receiver) = mpsc::sync_channel(1);
        open.engine
            .push(Task::Ask(Cell::new(Some(Box::new(move |connection| {
                // A caller that has stopped waiting is none of the database's concern.
                drop(sender.send(question(connection)));
            })))));
        if let Engine::Hand(hand) = &open.engine {
            if !hand.write_all() {
                hand.answer();
            }
            return Ok(receiver.try_recv().map_err(|_| StoreError::NoAnswer)??);
        }
        match receiver.recv_timeout(ANSWER_LIMIT) {
            Ok(answer) => Ok(answer?),
            Err(mpsc::RecvTimeoutError::Timeout | mpsc::RecvTimeoutError::Disconnected) => {
                Err(StoreError::NoAnswer)
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shut();
    }
}

fn restore(
    connection: &Connection,
    jail: &str,
    now: Timestamp,
    limits: RestoreLimits,
) -> rusqlite::Result<Vec<BanRow>> {
    let forever = limits.bantime <= PERMANENT;
    let longest = match (limits.increment, limits.maxtime) {
        (true, maxtime) => maxtime,
        (false, _) if forever => None,
        (false, _) => Some(limits.bantime),
    };
    let since = if limits.increment || forever {
        f64::NEG_INFINITY
    } else {
        seconds(now) - limits.bantime
    };
    let mut statement = connection.prepare_cached(
        "SELECT ip, timeofban, bantime, bancount, data FROM bips \
         WHERE jail=?1 AND (timeofban + bantime > ?2 OR bantime <= -1) ORDER BY ip",
    )?;
    let mut rows = statement.query(params![jail, seconds(now)])?;
    let (mut bans, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let mut ban: BanRow = ban_row(row)?;
        let mut data = BanData::from_json(&ban.data);
        // What somebody has asked for holds whatever the jail's time is now.
        let is_asked = data.captured.iter().any(|(name, _)| name == ASKED_BANTIME);
        if !is_asked && seconds(ban.timeofban) <= since {
            continue;
        }
        if !is_asked {
            ban.bantime = match longest {
                _ if ban.bantime < PERMANENT => limits.bantime,
                Some(longest) if ban.bantime < 0.0 || ban.bantime > longest => longest,
                Some(_) | None => ban.bantime,
            };
        }
        if ban.bantime >= 0.0 && seconds(ban.timeofban) + ban.bantime <= seconds(now) {
            continue;
        }
        if data.matches.len() > limits.max_matches {
            data.limit_matches(limits.max_matches);
            ban.data = data.to_json(limits.max_matches);
        }
        if bytes + ban.data.len() > RESTORED_BYTES {
            ban.make_lean();
        }
        bytes += ban.data.len();
        bans.push(ban);
    }
    Ok(bans)
}

fn history(connection: &Connection, id: &str, jail: Option<&str>) -> rusqlite::Result<Option<History>> {
    let read = |row: &Row<'_>| {
        Ok(History {
            bancount: row.get(0)?,
            timeofban: number(row, 1)?,
            bantime: row.get(2)?,
        })
    };
    match jail {
        Some(jail) => connection
            .prepare_cached("SELECT bancount, timeofban, bantime FROM bips WHERE ip=?1 AND jail=?2")?
            .query_row([id, jail], read)
            .optional(),
        None => connection
            .prepare_cached(
                "SELECT sum(bancount), max(timeofban), bantime FROM bips WHERE ip=?1 HAVING count(*) > 0",
            )?
            .query_row([id], read)
            .optional(),
    }
}

fn merged(
    connection: &Connection,
    id: &str,
    jail: Option<&str>,
    max_matches: usize,
) -> rusqlite::Result<Option<BanData>> {
    let mut statement = connection.prepare_cached(
        "SELECT data FROM bans WHERE ip=?1 AND (?2 IS NULL OR jail=?2) ORDER BY timeofban DESC, rowid DESC",
    )?;
    let mut rows = statement.query(params![id, jail])?;
    let mut merged: Option<BanData> = None;
    while let Some(row) = rows.next()? {
        let mut data = BanData::from_json(&bytes(row, 0)?);
        match &mut merged {
            None => {
                data.limit_matches(max_matches);
                merged = Some(data);
            }
            Some(merged) => merged.add_older(data, max_matches),
        }
    }
    Ok(merged)
}

fn ban_row(row: &Row<'_>) -> rusqlite::Result<BanRow> {
    Ok(BanRow {
        ip: text(row, 0)?,
        timeofban: number(row, 1)?,
        bantime: seconds(number(row, 2)?),
        bancount: row.get(3)?,
        data: bytes(row, 4)?,
    })
}

/// A text or the bytes of one; other programs may have written either.
fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Vec::new(),
    })
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(&bytes(row, column)?).into_owned())
}

/// A number of seconds; columns of whole numbers may hold others, for that is how SQLite is.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(seconds) => Timestamp::from_seconds(seconds),
        ValueRef::Real(seconds) => from_seconds(seconds),
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => Timestamp::from_seconds(0),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, and no time of a log is that far away"
)]
fn from_seconds(seconds: f64) -> Timestamp {
    Timestamp::from_micros((seconds * 1e6).round() as i64)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds fit a float exactly for centuries, and the column holds one"
)]
fn seconds(time: Timestamp) -> f64 {
    time.micros() as f64 / 1e6
}

/// Offsets beyond the range of the column do not occur; should one, the log is read again from its beginning.
fn offset_to_sql(offset: u64) -> Sql {
    Sql::Integer(i64::try_from(offset).unwrap_or(0))
}

#[cfg(test)]
mod tests;
