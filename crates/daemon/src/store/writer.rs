//! The thread that owns the database: takes what is queued, writes it in one transaction, says so.
//!
//! In: [`Task`]s in the order they were handed over. Out: rows, answers, and the number of tasks committed.
//!
//! It commits as soon as there is nothing more to take, so a lonely ban is in the file within the time of one
//! write; under load up to [`BATCH`] tasks share a commit. A commit hands the rows to the kernel, where they
//! outlive the process; the wait for the disk comes later, when the queue is empty (or the log has grown).
//!
//! Invariant: tasks take effect in their order, each at most once, all or none of a transaction.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, params};
use stockade_datetime::Timestamp;

use super::aside::Aside;
use super::schema::reason;
use super::{BanRow, Report, bantime_seconds, history};
use crate::announcements::Announcements;
use crate::growth::{Grown, Growth};
use crate::log::Level;

/// How many tasks share a transaction at most: enough to make its cost vanish, few enough that a waiting
/// caller waits some milliseconds.
pub(super) const BATCH: usize = 1000;

/// How many tasks may wait. At about a kilobyte each this is what we are ready to hold in memory while a
/// disk does not answer.
pub(super) const QUEUE_LIMIT: usize = 65_536;

/// How many bytes the lines and captured groups of bans have that wait. What is more is left out of its ban: lines are
/// the attackers' to choose, and as long as they like.
pub(super) const QUEUE_BYTES: usize = 32 << 20;

/// How long a full queue makes its caller wait, once until the writer moves again.
const ROOM_LIMIT: Duration = Duration::from_secs(1);

/// How many tasks may be in the log beside the file before they are brought over although the queue is not
/// empty; their pages are some megabytes then.
const CHECKPOINT_TASKS: usize = 5_000;

/// How long nothing must happen before the log is brought over.
const CHECKPOINT_IDLE: Duration = Duration::from_secs(1);

/// The first and the longest pause before a transaction that failed is tried again.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// How often the same trouble is reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// How often a transaction is tried again when the daemon is about to end.
pub(super) const LAST_TRIES: usize = 3;

/// A question to the database, with the way its answer goes back.
pub(super) type Question = Box<dyn FnOnce(&Connection) + Send>;

/// The way back of what a ban has become.
pub(super) type Reply = Box<dyn FnOnce(Grown) + Send>;

/// One thing to do to the database.
pub(super) enum Task {
    AddJail(String),
    DisableJail(String),
    Ban {
        jail: String,
        row: BanRow,
    },
    /// A ban whose ban time depends on the history of its id.
    GrowingBan {
        jail: String,
        row: BanRow,
        growth: Box<Growth>,
        reply: Cell<Option<Reply>>,
    },
    Forget {
        jail: Option<String>,
        id: Option<String>,
    },
    AddLog {
        jail: String,
        path: String,
        hash: String,
        position: rusqlite::types::Value,
    },
    SavePosition {
        jail: String,
        path: String,
        hash: String,
        position: rusqlite::types::Value,
    },
    Purge {
        before: i64,
    },
    /// The first so many are to be announced; after the transaction, not in it.
    Announce(Arc<Announcements>, u64),
    Ask(Cell<Option<Question>>),
}

impl Task {
    /// How many bytes it has of what attackers choose.
    fn bytes(&self) -> usize {
        self.row().map_or(0, |row| row.data.len())
    }

    const fn row(&self) -> Option<&BanRow> {
        match self {
            Self::Ban { row, .. } | Self::GrowingBan { row, .. } => Some(row),
            Self::AddJail(_)
            | Self::DisableJail(_)
            | Self::Forget { .. }
            | Self::AddLog { .. }
            | Self::SavePosition { .. }
            | Self::Purge { .. }
            | Self::Announce(..)
            | Self::Ask(_) => None,
        }
    }

    /// The same without the lines of its ban.
    fn make_lean(&mut self) {
        match self {
            Self::Ban { row, .. } | Self::GrowingBan { row, .. } => row.make_lean(),
            Self::AddJail(_)
            | Self::DisableJail(_)
            | Self::Forget { .. }
            | Self::AddLog { .. }
            | Self::SavePosition { .. }
            | Self::Purge { .. }
            | Self::Announce(..)
            | Self::Ask(_) => {}
        }
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_unanswered(&self) -> bool {
        let waits = |cell: &Cell<Option<Question>>| {
            let question = cell.take();
            let waits = question.is_some();
            cell.set(question);
            waits
        };
        match self {
            Self::Ask(question) => waits(question),
            Self::AddJail(_)
            | Self::DisableJail(_)
            | Self::Ban { .. }
            | Self::GrowingBan { .. }
            | Self::Forget { .. }
            | Self::AddLog { .. }
            | Self::SavePosition { .. }
            | Self::Purge { .. }
            | Self::Announce(..) => false,
        }
    }
}

/// What the loop and the writer share.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    /// How many the writer has in hand.
    held: usize,
    /// How many bytes all of these have of what attackers choose, and how often there were too many.
    bytes: usize,
    leaned: u64,
    /// Tasks taken in, and tasks done with, since the beginning.
    handed: u64,
    done: u64,
    /// Tasks that found no room, as yet not reported.
    dropped: u64,
    /// How often tasks were given up, for want of room or because the file refused them.
    given_up: u64,
    stalled: bool,
    closing: bool,
    finished: bool,
}

impl State {
    /// How many tasks are not written yet.
    fn waiting(&self) -> usize {
        self.tasks.len() + self.held
    }
}

impl Queue {
    /// Puts a task in; waits a little where there is no room, and then gives it up.
    pub(super) fn push(&self, mut task: Task) {
        let mut state = self.lock();
        if state.bytes + task.bytes() > QUEUE_BYTES {
            task.make_lean();
            state.leaned += 1;
        }
        if state.waiting() >= QUEUE_LIMIT && !state.stalled {
            state = self
                .moved
                .wait_timeout_while(state, ROOM_LIMIT, |state| state.waiting() >= QUEUE_LIMIT)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if state.waiting() >= QUEUE_LIMIT {
            state.stalled = true;
            state.dropped += 1;
            state.given_up += 1;
            return;
        }
        state.bytes += task.bytes();
        state.tasks.push_back(task);
        state.handed += 1;
        drop(state);
        self.arrived.notify_one();
    }

    /// Waits until everything put in so far is committed; whether it is, and nothing has been given up.
    pub(super) fn wait_for_commit(&self, limit: Duration) -> bool {
        let mut state = self.lock();
        let target = state.handed;
        let given_up = std::mem::take(&mut state.given_up);
        let (state, _) = self
            .moved
            .wait_timeout_while(state, limit, |state| state.done < target && !state.finished)
            .unwrap_or_else(PoisonError::into_inner);
        state.done >= target && given_up == 0 && state.given_up == 0
    }

    /// How many tasks are not yet committed.
    pub(super) fn pending(&self) -> u64 {
        let state = self.lock();
        state.handed - state.done
    }

    /// How many bytes the lines of bans have that are not yet committed, and how many bans went without.
    pub(super) fn lines(&self) -> (usize, u64) {
        let state = self.lock();
        (state.bytes, state.leaned)
    }

    /// How often tasks were given up.
    pub(super) fn given_up(&self) -> u64 {
        self.lock().given_up
    }

    /// Tells the writer to end once the queue is empty, and waits for that; whether it has ended.
    pub(super) fn close(&self, limit: Duration) -> bool {
        let mut state = self.lock();
        state.closing = true;
        self.arrived.notify_one();
        let (state, _) = self
            .moved
            .wait_timeout_while(state, limit, |state| !state.finished)
            .unwrap_or_else(PoisonError::into_inner);
        state.finished
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until the queue is closed and empty.
pub(super) fn run(queue: &Queue, mut connection: Connection, report: &Report) {
    let mut writer = Writer::new(report);
    let mut in_log = 0;
    loop {
        let mut state = queue.lock();
        if state.tasks.is_empty() && !state.closing {
            let (next, timeout) = if in_log > 0 {
                let (next, timeout) = queue
                    .arrived
                    .wait_timeout_while(state, CHECKPOINT_IDLE, |state| {
                        state.tasks.is_empty() && !state.closing
                    })
                    .unwrap_or_else(PoisonError::into_inner);
                (next, timeout.timed_out())
            } else {
                let next = queue
                    .arrived
                    .wait_while(state, |state| state.tasks.is_empty() && !state.closing)
                    .unwrap_or_else(PoisonError::into_inner);
                (next, false)
            };
            state = next;
            if timeout && state.tasks.is_empty() {
                drop(state);
                writer.checkpoint(&connection);
                in_log = 0;
                continue;
            }
        }
        if state.tasks.is_empty() {
            break;
        }
        let count = state.tasks.len().min(BATCH);
        let mut batch: Vec<Task> = state.tasks.drain(..count).collect();
        state.held = count;
        let dropped = std::mem::take(&mut state.dropped);
        state.stalled = false;
        drop(state);
        queue.moved.notify_all();
        if dropped > 0 {
            writer.say(
                Level::ERROR,
                &format!("Database is too slow: {dropped} changes were not recorded"),
            );
        }
        writer.write(queue, &mut connection, &mut batch);
        announce(&batch);
        in_log += batch.len();
        let mut state = queue.lock();
        state.done += u64::try_from(batch.len()).unwrap_or(u64::MAX);
        state.held = 0;
        let bytes: usize = batch.iter().map(Task::bytes).sum();
        state.bytes = state.bytes.saturating_sub(bytes);
        drop(state);
        queue.moved.notify_all();
        if in_log >= CHECKPOINT_TASKS {
            writer.checkpoint(&connection);
            in_log = 0;
        }
    }
    // Back to the mode the reference uses: one file, nothing beside it.
    connection.flush_prepared_statement_cache();
    let outcome = connection.query_row("PRAGMA journal_mode=DELETE", [], |_| Ok(()));
    if let Err(error) = outcome {
        writer.say(
            Level::DEBUG,
            &format!("Database keeps its write-ahead log: {}", reason(&error)),
        );
    }
    drop(connection);
    report(Level::INFO, "Connection to database closed.");
    queue.lock().finished = true;
    queue.moved.notify_all();
}

pub(super) struct Writer<'a> {
    report: &'a Report,
    /// The trouble that was reported last, and when.
    trouble: Option<(String, Instant)>,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(report: &'a Report) -> Self {
        Self {
            report,
            trouble: None,
        }
    }

    /// Writes a batch, again and again where the file is locked or the disk is full. What comes meanwhile becomes part
    /// of it, and questions are answered as if all that waits had been written.
    fn write(&mut self, queue: &Queue, connection: &mut Connection, batch: &mut Vec<Task>) {
        let mut aside = Aside::default();
        let mut pause = RETRY_FIRST;
        let mut last_tries = LAST_TRIES;
        loop {
            let error = match self.try_write(connection, batch) {
                Ok(()) => return aside.forget(connection),
                Err(error) => error,
            };
            self.report_trouble(&format!("Database is not writable: {}", reason(&error)));
            if queue.lock().closing {
                last_tries -= 1;
            }
            if !can_pass(&error) || last_tries == 0 {
                queue.lock().given_up += 1;
                self.say(
                    Level::ERROR,
                    &format!("Database: {} changes were not recorded", batch.len()),
                );
                return aside.forget(connection);
            }
            self.answer_meanwhile(queue, connection, batch, &mut aside, pause);
            aside.forget(connection);
            pause = (pause * 2).min(RETRY_LONGEST);
        }
    }

    /// Takes in what comes during `pause`, and answers what is asked.
    fn answer_meanwhile(
        &mut self,
        queue: &Queue,
        connection: &Connection,
        batch: &mut Vec<Task>,
        aside: &mut Aside,
        pause: Duration,
    ) {
        let end = Instant::now().checked_add(pause);
        loop {
            if let Err(error) = aside.answer(connection, batch.iter()) {
                self.report_trouble(&format!("Database cannot be read: {}", reason(&error)));
            }
            let left = end.map_or(Duration::ZERO, |end| {
                end.saturating_duration_since(Instant::now())
            });
            let state = queue.lock();
            let (mut state, _) = queue
                .arrived
                .wait_timeout_while(state, left, |state| state.tasks.is_empty() && !state.closing)
                .unwrap_or_else(PoisonError::into_inner);
            batch.extend(state.tasks.drain(..));
            state.held = batch.len();
            if state.closing {
                drop(state);
                std::thread::sleep(left);
                return;
            }
            if left.is_zero() {
                return;
            }
        }
    }

    pub(super) fn try_write(&mut self, connection: &mut Connection, batch: &[Task]) -> rusqlite::Result<()> {
        // A question alone needs no lock on the file.
        if let [Task::Ask(question)] = batch {
            answer(question, connection);
            return Ok(());
        }
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for task in batch {
            match apply(task, &transaction) {
                Ok(()) => {}
                // One row that does not fit must not keep the others out.
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    self.report_trouble(&format!("Database refuses a row: {}", reason(&error)));
                }
                Err(error) => return Err(error),
            }
        }
        transaction.commit()
    }

    fn checkpoint(&mut self, connection: &Connection) {
        let outcome = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = outcome {
            self.report_trouble(&format!(
                "Database cannot be brought up to date: {}",
                reason(&error)
            ));
        }
    }

    /// Reports an error, unless the same was reported a short while ago.
    fn report_trouble(&mut self, text: &str) {
        let now = Instant::now();
        if let Some((known, at)) = &self.trouble
            && known == text
            && now.duration_since(*at) < REPORT_INTERVAL
        {
            return;
        }
        self.trouble = Some((text.to_owned(), now));
        self.say(Level::ERROR, text);
    }

    fn say(&self, level: Level, text: &str) {
        (self.report)(level, text);
    }
}

/// Whether the same may succeed later: the file is locked, the disk is full or away.
pub(super) fn can_pass(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
        )
    )
}

fn answer(question: &Cell<Option<Question>>, connection: &Connection) {
    if let Some(question) = question.take() {
        question(connection);
    }
}

/// Announces what was to be announced after what has just been written, or given up.
pub(super) fn announce(batch: &[Task]) {
    for task in batch {
        if let Task::Announce(announcements, first) = task {
            announcements.announce(*first);
        }
    }
}

pub(super) fn apply(task: &Task, connection: &Connection) -> rusqlite::Result<()> {
    match task {
        Task::AddJail(jail) => add_jail(connection, jail),
        Task::DisableJail(jail) => connection
            .prepare_cached("UPDATE jails SET enabled=0 WHERE name=?1")?
            .execute([jail.as_str()])
            .map(drop),
        Task::Ban { jail, row } => {
            with_jail(connection, jail, |connection| record_ban(connection, jail, row))
        }
        Task::GrowingBan {
            jail,
            row,
            growth,
            reply,
        } => record_growing_ban(connection, jail, row, growth, reply),
        Task::Forget { jail, id } => {
            for table in ["bans", "bips"] {
                connection
                    .prepare_cached(&format!(
                        "DELETE FROM {table} WHERE (?1 IS NULL OR jail=?1) AND (?2 IS NULL OR ip=?2)"
                    ))?
                    .execute(params![jail, id])?;
            }
            Ok(())
        }
        Task::AddLog {
            jail,
            path,
            hash,
            position,
        } => with_jail(connection, jail, |connection| {
            connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO logs(jail, path, firstlinemd5, lastfilepos) VALUES(?1, ?2, ?3, ?4)",
                )?
                .execute(params![jail, path, hash, position])
                .map(drop)
        }),
        Task::SavePosition {
            jail,
            path,
            hash,
            position,
        } => with_jail(connection, jail, |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO logs(jail, path, firstlinemd5, lastfilepos) VALUES(?1, ?2, ?3, ?4) \
                     ON CONFLICT(jail, path) DO UPDATE SET firstlinemd5=?3, lastfilepos=?4",
                )?
                .execute(params![jail, path, hash, position])
                .map(drop)
        }),
        Task::Purge { before } => purge(connection, *before),
        Task::Announce(..) => Ok(()),
        Task::Ask(question) => {
            answer(question, connection);
            Ok(())
        }
    }
}

/// Lets a ban grow by the history of its id, and writes it.
fn record_growing_ban(
    connection: &Connection,
    jail: &str,
    row: &BanRow,
    growth: &Growth,
    reply: &Cell<Option<Reply>>,
) -> rusqlite::Result<()> {
    let of = (!growth.increment.overalljails).then_some(jail);
    let Some(history) = history(connection, &row.ip, of)? else {
        return with_jail(connection, jail, |connection| record_ban(connection, jail, row));
    };
    let grown = growth.grow(history.earlier());
    let mut row = row.clone();
    row.bancount = row.bancount.max(history.bancount.saturating_add(1));
    if let Ok(bantime) = grown.bantime {
        row.bantime = bantime_seconds(bantime);
    }
    if row.timeofban > history.timeofban {
        with_jail(connection, jail, |connection| record_ban(connection, jail, &row))?;
    }
    // Where the transaction is tried again, this was said before.
    if let Some(reply) = reply.take() {
        reply(grown);
    }
    Ok(())
}

fn add_jail(connection: &Connection, jail: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO jails(name, enabled) VALUES(?1, 1) ON CONFLICT(name) DO UPDATE SET enabled=1",
        )?
        .execute([jail])
        .map(drop)
}

/// Rows refer to their jail; where that is gone, purged while the jail was running, it is put back.
fn with_jail(
    connection: &Connection,
    jail: &str,
    write: impl Fn(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    match write(connection) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            add_jail(connection, jail)?;
            write(connection)
        }
        outcome => outcome,
    }
}

fn record_ban(connection: &Connection, jail: &str, row: &BanRow) -> rusqlite::Result<()> {
    let values = params![
        jail,
        row.ip,
        row.timeofban.rounded_seconds(),
        row.bantime,
        row.bancount,
        row.data
    ];
    connection
        .prepare_cached(
            "INSERT INTO bans(jail, ip, timeofban, bantime, bancount, data) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(values)?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO bips(jail, ip, timeofban, bantime, bancount, data) \
             VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(values)
        .map(drop)
}

fn purge(connection: &Connection, before: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM bans WHERE timeofban < ?1", [before])?;
    connection.execute(
        "DELETE FROM bips WHERE timeofban < ?1 AND bantime != -1 AND timeofban + 3*bantime < ?1",
        [before],
    )?;
    connection.execute(
        "DELETE FROM jails WHERE enabled=0 \
         AND NOT EXISTS(SELECT 1 FROM bans WHERE bans.jail=jails.name) \
         AND NOT EXISTS(SELECT 1 FROM bips WHERE bips.jail=jails.name)",
        [],
    )?;
    Ok(())
}

/// The moment before which [`Task::Purge`] removes what is over.
pub(super) fn purge_limit(now: Timestamp, age_seconds: i64) -> i64 {
    now.seconds().saturating_sub(age_seconds)
}
