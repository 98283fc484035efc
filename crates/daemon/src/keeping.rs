//! What is read and what is kept: the logs that are followed, the database, and the order between the two.
//!
//! In: what the loop asks for, and what it has dealt with. Out: [`Event`]s for the loop; rows; records of bans.
//!
//! It waits for nothing but the database, and takes the time as an argument, so that a simulation can hold the
//! clock, the disk and the database.
//!
//! Invariant: a position is kept only once the lines before it have been dealt with, and a ban is announced only
//! once it is kept, or the database had its time for it.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use jiff::tz::TimeZone;
use stockade_action::facts::Bans;
use stockade_datetime::Timestamp;
use stockade_jail::{BanTime, Id, Ticket};
use stockade_protocol::{Failure, Reply, Value};

use crate::agenda::{Agenda, Place, UNDEALT};
use crate::announcements::{ACTIONS, Announcements};
use crate::blueprint::{self, Blueprint};
use crate::control::Request;
use crate::following::Following;
use crate::growth::{Growth, Memory, Remembered};
use crate::limits::Fill;
use crate::log::{Level, Records};
use crate::places::Registry;
use crate::runner::PastAnswers;
use crate::source::Disk;
use crate::store::{BanRow, RestoreLimits, Store};
use crate::world::{Event, Sources};

/// How long a ban waits to be kept before it is announced all the same: a database on a full or slow disk
/// must not hold up the log.
const ANNOUNCEMENT_WAIT: Duration = Duration::from_millis(100);
const ANNOUNCEMENT_WAIT_MICROS: i64 = 100_000;
/// How often positions in logs are kept while they move.
const POSITIONS_SECONDS: i64 = 10;
/// The database is cleaned an hour after the start, and each hour from then on.
const PURGE_SECONDS: i64 = 3600;
/// How many ended bans' lines are kept unless `dbmaxmatches` says otherwise.
const DBMAXMATCHES: i64 = 10;
/// The age at which ended bans are forgotten unless `dbpurgeage` says otherwise: a day.
const DBPURGEAGE: i64 = 86_400;

/// What is read and what is kept.
pub struct Keeping<D: Disk> {
    following: Following<D>,
    store: Store,
    memory: Memory,
    log: Records,
    /// What the loop has still to deal with.
    agenda: Agenda,
    /// Bans that are to be announced, and how many of them the database was told of.
    announcements: Arc<Announcements>,
    told: u64,
    /// When they are announced although the database has not kept them.
    next_announcement: Option<Timestamp>,
    /// When positions are to be kept; none while they stand still.
    next_positions: Option<Timestamp>,
    /// Where positions are to be kept as soon as all that was read there has been dealt with.
    unsaved: Vec<Place>,
    next_purge: Timestamp,
    dbmaxmatches: Value,
    dbpurgeage: Value,
}

impl<D: Disk> Keeping<D> {
    /// Follows nothing on `disk` yet and keeps nothing; `wake` is called when the database has answered.
    pub fn new(
        disk: D,
        log: Records,
        zone: TimeZone,
        places: Registry,
        now: Timestamp,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            announcements: Arc::new(Announcements::new(log.clone())),
            told: 0,
            next_announcement: None,
            following: Following::new(disk, log.clone(), zone, places),
            store: Store::none(),
            memory: Memory::new(wake),
            log,
            agenda: Agenda::default(),
            next_positions: None,
            unsaved: Vec::new(),
            next_purge: now.plus_seconds(PURGE_SECONDS),
            dbmaxmatches: Value::Int(DBMAXMATCHES),
            dbpurgeage: Value::Int(DBPURGEAGE),
        }
    }

    /// What to wait for where files are concerned.
    #[must_use]
    pub fn files_fd(&self) -> Option<BorrowedFd<'_>> {
        self.following.files_fd()
    }

    /// A file system was mounted or unmounted: every name is looked at again.
    pub fn mounted(&mut self) {
        self.following.mounted();
    }

    /// What to wait for where the journal is concerned.
    #[must_use]
    pub fn journal_fd(&self) -> Option<BorrowedFd<'_>> {
        self.following.journal_fd()
    }

    /// What to wait for where pipes are concerned.
    #[must_use]
    pub fn pipes_fd(&self) -> Option<BorrowedFd<'_>> {
        self.following.pipes_fd()
    }

    /// What to wait for where reports are concerned.
    #[must_use]
    pub fn reports_fd(&self) -> Option<BorrowedFd<'_>> {
        self.following.reports_fd()
    }

    /// What to wait for where syslog is concerned.
    #[must_use]
    pub fn syslog_fd(&self) -> Option<BorrowedFd<'_>> {
        self.following.syslog_fd()
    }

    /// When there is something to do although nothing has happened.
    #[must_use]
    pub fn next_wakeup(&self, now: Timestamp) -> Option<Timestamp> {
        [
            self.following.next_wakeup(now),
            self.next_positions,
            self.next_announcement,
            Some(self.next_purge),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// What the loop has still to deal with.
    pub const fn agenda(&mut self) -> &mut Agenda {
        &mut self.agenda
    }

    /// Reads what has been written to the logs, as long as there is room for it.
    pub fn read(&mut self, now: Timestamp) {
        self.following.ready(now, &mut self.agenda);
        if self.agenda.has_read() && self.next_positions.is_none() {
            self.next_positions = Some(now.plus_seconds(POSITIONS_SECONDS));
        }
    }

    /// Takes what the database has answered.
    pub fn hear(&mut self) {
        for remembered in self.memory.take() {
            self.agenda.add(Event::Remembered(remembered));
        }
    }

    /// Whether nothing waits for the loop, or for the database to be announced.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.agenda.is_empty() && self.announcements.is_empty()
    }

    /// Lines that were read and that the loop has not dealt with. What came of those before is kept and announced.
    pub fn unread(&mut self, now: Timestamp) -> Option<Event> {
        self.keep(now);
        self.announce();
        self.agenda.next_read()
    }

    /// Has bans announced once they are kept, and keeps positions when it is time and all lines were dealt with.
    pub fn keep(&mut self, now: Timestamp) {
        self.mind_the_clock(now);
        let added = self.announcements.added();
        let has_bans = added > self.told;
        let is_due = self.next_positions.is_some_and(|due| due <= now);
        // With a ban goes how far its log was read, so that after a crash its lines are not counted again. Where much is
        // to be read, that is known between two turns of a log alone.
        let waiting = self.agenda.waiting();
        if self.next_positions.is_some() && (has_bans || is_due) {
            self.following
                .save_where(&self.store, &|place| !waiting.contains(&place));
            self.next_positions = None;
            self.unsaved = waiting;
        } else if !self.unsaved.is_empty() {
            let dealt_with = self.unsaved.extract_if(.., |place| !waiting.contains(place));
            let dealt_with: Vec<Place> = dealt_with.collect();
            if !dealt_with.is_empty() {
                self.following
                    .save_where(&self.store, &|place| dealt_with.contains(&place));
            }
        }
        if has_bans {
            self.told = added;
            self.store.announce(&self.announcements, added);
            self.next_announcement = Some(now.plus_micros(ANNOUNCEMENT_WAIT_MICROS));
        } else if self.next_announcement.is_some_and(|due| due <= now) {
            // The database had its time; the loop does not wait for it as well.
            self.announce_within(Duration::ZERO);
        }
        if self.next_purge <= now {
            self.next_purge = now.plus_seconds(PURGE_SECONDS);
            let age = blueprint::seconds(std::slice::from_ref(&self.dbpurgeage), 0).map(blueprint::micros);
            self.store
                .purge(now, age.map_or(DBPURGEAGE, |micros| micros / 1_000_000));
        }
    }

    /// Writes a record; one of bans after those that are still to be announced.
    pub fn log(&self, level: Level, logger: &'static str, text: &str) {
        if logger == ACTIONS {
            self.announcements.follow(level, text);
        } else {
            self.log.write(level, logger, text);
        }
    }

    /// Has all bans of before announced, so that what is logged next comes after them.
    pub fn announce(&mut self) {
        self.announce_within(ANNOUNCEMENT_WAIT);
    }

    fn announce_within(&mut self, wait: Duration) {
        if self.next_announcement.take().is_some() {
            // Where it takes longer, the database says what is wrong with it; the bans are in force in any case.
            let _kept = self.store.commit_pending(wait);
            self.announcements.announce(self.told);
        }
    }

    /// To be called before the loop deals with `event`. Where something is changed or ends, the bans of before are
    /// announced first; lines and questions need not wait for that.
    pub fn prepare(&mut self, event: &Event) {
        match event {
            Event::Request(_, Request::Value(value)) if asks_only(value) => {}
            Event::Request(..)
            | Event::Removed(_)
            | Event::ClockSet
            | Event::Terminate
            | Event::FlushLogs => self.announce(),
            Event::Wakeup
            | Event::Lines(_)
            | Event::Entries(_)
            | Event::Reports(_)
            | Event::Resolved(_)
            | Event::Judged(_)
            | Event::Acted(_)
            | Event::Called(_)
            | Event::Remembered(_) => {}
        }
    }

    /// Where the clock was set back, what is due is so no later than it would be had it just been planned.
    fn mind_the_clock(&mut self, now: Timestamp) {
        self.next_positions = self
            .next_positions
            .map(|due| due.min(now.plus_seconds(POSITIONS_SECONDS)));
        self.next_purge = self.next_purge.min(now.plus_seconds(PURGE_SECONDS));
        self.next_announcement = self
            .next_announcement
            .map(|due| due.min(now.plus_micros(ANNOUNCEMENT_WAIT_MICROS)));
    }

    /// Has the database in another place from now on.
    pub fn set_store(&mut self, store: Store) {
        std::mem::replace(&mut self.store, store).close();
        // What was said of the one before is not true of this one.
        self.dbmaxmatches = Value::Int(DBMAXMATCHES);
        self.dbpurgeage = Value::Int(DBPURGEAGE);
    }

    /// The database.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Changes `dbmaxmatches` or `dbpurgeage`; whether it is one of them.
    ///
    /// # Errors
    /// Where the value is none.
    pub fn set(&mut self, option: &str, value: &Value) -> Result<bool, Failure> {
        match option {
            "dbmaxmatches" => self.dbmaxmatches = Value::Int(value.int()?),
            "dbpurgeage" => {
                self.dbpurgeage = blueprint::number(blueprint::seconds(std::slice::from_ref(value), 0)?);
            }
            _ => return self.following.set(option, value),
        }
        Ok(true)
    }

    /// `dbfile`, `dbmaxmatches` or `dbpurgeage`, where it is one of them.
    pub fn get(&self, option: &str) -> Option<Reply> {
        let path = self.store.path();
        let kept = |value: &Value| path.map_or(Value::None, |_| value.clone());
        Some(Ok(match option {
            "dbfile" => path.map_or(Value::None, Value::from),
            "dbmaxmatches" => kept(&self.dbmaxmatches),
            "dbpurgeage" => kept(&self.dbpurgeage),
            _ => return self.following.get(option).map(Ok),
        }))
    }

    /// Follows the logs of a jail as its blueprint says; `date` says when a line was written.
    ///
    /// # Errors
    /// Where a log is there and cannot be read.
    pub fn follow(
        &mut self,
        now: Timestamp,
        blueprint: &Blueprint,
        date: &mut dyn FnMut(&[u8]) -> Option<Timestamp>,
    ) -> Result<(), Failure> {
        self.following.follow(now, blueprint, &self.store, date)
    }

    /// Lets the logs of a jail go, and keeps how far they were read.
    pub fn unfollow(&mut self, jail: &str) {
        self.following.unfollow(jail, &self.store);
    }

    /// What a jail follows.
    #[must_use]
    pub fn sources(&self, jail: &str) -> Sources {
        self.following
            .sources(jail)
            .unwrap_or_else(|| Sources::Files("auto", Vec::new()))
    }

    /// How all sources are doing, each a dictionary.
    #[must_use]
    pub fn source_statuses(&self, now: Timestamp) -> Vec<Value> {
        self.following.source_statuses(now)
    }

    /// How full everything is that has a limit.
    pub fn fills(&self) -> Vec<Fill> {
        let (bytes, full) = self.agenda.fill();
        let undealt = Fill::single(
            "what was read and not dealt with, in bytes",
            (Some(bytes), UNDEALT),
            full,
            "nothing more is read for a while",
        );
        let mut fills = self.following.fills();
        fills.push(undealt);
        fills.extend(self.store.fills());
        fills
    }

    /// Forgets which sources could not be followed: the configuration is read anew.
    pub fn forget_refused(&mut self) {
        self.following.forget_refused();
    }

    /// Notes that a jail exists, or does no more.
    pub fn keep_jail(&self, jail: &str, enabled: bool) {
        if enabled {
            self.store.add_jail(jail);
        } else {
            self.store.disable_jail(jail);
        }
    }

    /// Keeps a ban, and announces it once it is kept.
    pub fn keep_ban(
        &mut self,
        jail: &str,
        ticket: &Ticket,
        of_jail: BanTime,
        growth: Option<Growth>,
        announcement: String,
    ) {
        let max_matches = self.dbmaxmatches.int().ok();
        let max_matches = max_matches.and_then(|max| usize::try_from(max).ok()).unwrap_or(0);
        let row = BanRow::of(ticket, of_jail, max_matches);
        match growth {
            None => self.store.record_ban(jail, &row),
            Some(growth) => {
                let (id, time, jail) = (ticket.id.clone(), ticket.time, jail.to_owned());
                let tell = self.memory.teller();
                let name = jail.clone();
                self.store.record_growing_ban(&name, &row, growth, move |grown| {
                    tell(Remembered::Ban {
                        jail,
                        id,
                        time,
                        grown,
                    });
                });
            }
        }
        self.announcements.add(announcement);
    }

    /// Whether bans are kept.
    #[must_use]
    pub fn has_memory(&self) -> bool {
        self.store.path().is_some()
    }

    /// Asks what is known of the earlier bans of an id in a jail.
    pub fn ask_history(&self, jail: &str, number: u64, id: &Id) {
        let (name, tell) = (jail.to_owned(), self.memory.teller());
        self.store
            .ask_history(&id.to_string(), Some(jail), move |earlier| {
                tell(Remembered::Failure {
                    jail: name,
                    number,
                    earlier: earlier.map(|known| known.earlier()),
                });
            });
    }

    /// Asks what is kept of all bans of an id; the answers come once the database has time.
    #[must_use]
    pub fn ask_past(&self, jail: &str, id: &Id) -> PastAnswers {
        let max_matches = self.dbmaxmatches.int().ok();
        let max_matches = max_matches.and_then(|max| usize::try_from(max).ok()).unwrap_or(0);
        let ask = |jail: Option<&str>| {
            let (teller, answer) = sync_channel(1);
            self.store
                .ask_merged(&id.to_string(), jail, max_matches, move |data| {
                    let bans = data.map(|data| Bans {
                        failures: data.failures,
                        lines: data.matches.iter().map(ToString::to_string).collect(),
                    });
                    // Whoever has waited long enough is gone.
                    drop(teller.send(bans));
                });
            answer
        };
        PastAnswers {
            everywhere: ask(None),
            here: ask(Some(jail)),
        }
    }

    /// Forgets what is kept of an id, in one jail or in all of them; of all ids where none is given.
    pub fn forget_ban(&self, jail: Option<&str>, id: Option<&str>) {
        self.store.forget(jail, id);
    }

    /// The bans of a jail that are kept and not over.
    pub fn kept_bans(&self, jail: &str, now: Timestamp, limits: RestoreLimits) -> Vec<Ticket> {
        let rows = self.store.restore(jail, now, limits).unwrap_or_else(|error| {
            let text = format!("The bans of jail '{jail}' cannot be restored: {error}");
            self.log.write(Level::ERROR, "fail2ban.database", &text);
            Vec::new()
        });
        rows.iter().map(BanRow::ticket).collect()
    }

    /// Writes what is left and closes the database.
    pub fn close(&mut self) {
        self.set_store(Store::none());
    }
}

/// Whether a request changes nothing.
fn asks_only(request: &Value) -> bool {
    let word = request.items().and_then(<[Value]>::first).and_then(Value::as_str);
    [
        "ping",
        "status",
        "sources",
        "get",
        "stats",
        "statistics",
        "banned",
        "version",
    ]
    .map(Some)
    .contains(&word)
}
