//! The journal, for all jails that read it: read by a `journalctl` of ours, matched here.
//!
//! In: which journal, which entries, from when on; the current time. Out: [`JournalEvent`]s.
//!
//! For each set of [`JournalOptions`] there is one child. First it reads what is there and ends; then another
//! one follows from the last entry on. One that dies is started again at the last entry, after a pause
//! that grows, and what was had is passed over; so no entry is lost or comes twice. The same where a journal
//! appears in a place that there was not when the child began. When a reader joins or goes on, reading begins
//! again at the oldest time that matters to anyone, and those who are further on pass over what they have had.
//!
//! A child is never told to begin behind an entry but at it: where that entry is gone by then, `journalctl` begins
//! with the next one, and takes that for the one it was to leave out.
//!
//! Invariant: a child of ours never outlives its reader, and what it writes is never waited for.

mod options;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stockade_datetime::Timestamp;
use stockade_sys::{Interest, Poller};

use super::cursor::Cursor;
use super::disk::Disk as _;
use super::entry::Parser;
use super::{
    Entry, LINE_LIMIT, Lag, Matches, Meter, ReaderId, SourceKind, SourcePosition, SourceState, SourceStatus,
};
use crate::helper::{Child, Command, Process};
use crate::limits::Fill;
use crate::log::Level;
use options::{Found, JOURNALCTL, Watching, find_journalctl};
pub use options::{JournalOptionError, JournalOptions, available};

const LOGGER: &str = "fail2ban.filtersystemd";

/// How much is read in one call of [`Journal::ready`], so that commands and expiries get their turn.
const READ_BUDGET: usize = 4 * 1024 * 1024;

/// How much is read at a time: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// The first and the longest pause before a child is started again.
const PAUSE_FIRST_SECONDS: i64 = 1;
const PAUSE_LONGEST_SECONDS: i64 = 60;

/// How many words `journalctl` is given to choose by. With more it gives everything, and we choose.
const ARGUMENT_LIMIT: usize = 200;

/// How much of what a child complains of is kept.
const COMPLAINT_LIMIT: usize = 500;

/// How long a child may take to end once its output is closed, and how often that is looked at.
const END_MICROS: i64 = 2_000_000;
const END_LOOK_MICROS: i64 = 10_000;

/// An entry this young means that reading has caught up with what is being written.
const FRESH_MICROS: i64 = 1_000_000;

/// Something for the loop to know.
#[derive(Debug)]
pub enum JournalEvent<'a> {
    /// An entry was read.
    Entry {
        /// For whom.
        readers: &'a [ReaderId],
        /// The entry.
        entry: &'a Entry,
    },
    /// The reader has caught up: what it gets now is being written now.
    InOperation {
        /// Who.
        reader: ReaderId,
    },
    /// Something for the log.
    Message {
        /// How important it is.
        level: Level,
        /// Who says it.
        logger: &'static str,
        /// What.
        text: String,
    },
}

/// How long a child has to be at work to be taken for well.
const WELL_MICROS: i64 = 2_000_000;

/// Where a reader begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalStart {
    /// The time of the last entry it has had before, which does not come again.
    pub after: Option<Timestamp>,
    /// The last entry that was looked at for it before, where that is known.
    pub cursor: Option<String>,
    /// The oldest time that matters.
    pub since: Timestamp,
}

/// All journals that are read.
pub struct Journal {
    program: PathBuf,
    poller: Option<Poller>,
    streams: BTreeMap<JournalOptions, Stream>,
    watching: Watching,
    /// Children that were told to end and have not yet been seen to.
    ending: Vec<Process>,
    chunk: Vec<u8>,
}

/// One journal with its child.
struct Stream {
    readers: BTreeMap<ReaderId, Reader>,
    child: Option<Running>,
    /// Who reads what has changed, so reading begins anew.
    stale: bool,
    /// What there was of it when the child was started.
    found: Found,
    /// The last entry that has come, and when it was received.
    last: Option<(Arc<Cursor>, Timestamp)>,
    /// The child has begun at that entry, and has not come to the next one yet.
    resuming: bool,
    /// Everything that was there has been read.
    caught_up: bool,
    /// When the next child is started.
    start_at: Option<Timestamp>,
    pause_seconds: i64,
    /// Why there is no child, or the last one has ended.
    trouble: Option<String>,
    /// It was said that there is no program to run.
    told_of_program: bool,
    meter: Meter,
}

struct Reader {
    matches: Matches,
    /// Entries received before do not matter.
    since: Timestamp,
    /// Entries written up to then it has had, from before we began; known until the first that it has not.
    after: Option<Timestamp>,
    /// The last entry that was looked at for it, and when that was received.
    last: Option<(Arc<Cursor>, Timestamp)>,
    /// That entry has not yet come again since reading began anew.
    passing: bool,
    /// The time of the last entry that it was given.
    position: Option<Timestamp>,
    in_operation: bool,
    idle: bool,
}

struct Running {
    child: Process,
    output: File,
    complaints: File,
    complaint: Vec<u8>,
    parser: Parser,
    follows: bool,
    started: Timestamp,
    /// Since when its output is closed.
    closed: Option<Timestamp>,
}

impl Journal {
    /// Reads nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_program(find_journalctl().unwrap_or_else(|| PathBuf::from(JOURNALCTL)))
    }

    fn with_program(program: PathBuf) -> Self {
        let (poller, watching) = (Poller::new().ok(), Watching::new());
        if let (Some(poller), Some(fd)) = (&poller, watching.disk().fd()) {
            // Without it a journal that appears later is found with the next child.
            drop(poller.add(fd, 0, Interest::Read));
        }
        Self {
            program,
            poller,
            streams: BTreeMap::new(),
            watching,
            ending: Vec::new(),
            chunk: Vec::new(),
        }
    }

    /// Begins to read a journal for `reader`.
    pub fn add(&mut self, reader: ReaderId, options: JournalOptions, matches: Matches, start: JournalStart) {
        self.remove(reader);
        let stream = self.streams.entry(options).or_insert_with(|| Stream {
            readers: BTreeMap::new(),
            child: None,
            stale: true,
            found: Found::default(),
            last: None,
            resuming: false,
            caught_up: false,
            start_at: None,
            pause_seconds: PAUSE_FIRST_SECONDS,
            trouble: None,
            told_of_program: false,
            meter: Meter::default(),
        });
        stream.stale = true;
        let cursor = start.cursor.as_deref().map(Cursor::read);
        let last = cursor.and_then(|cursor| Some((cursor.received()?, cursor)));
        let last = last.map(|(received, cursor)| (Arc::new(cursor), received));
        // A cursor says more exactly than a time what it has had.
        let after = start.after.filter(|_| last.is_none());
        stream.readers.insert(
            reader,
            Reader {
                matches,
                since: start.since.max(after.unwrap_or(start.since)),
                after,
                last,
                passing: false,
                position: start.after,
                in_operation: false,
                idle: false,
            },
        );
    }

    /// Changes which entries `reader` wants from now on.
    pub fn set_matches(&mut self, reader: ReaderId, matches: Matches) {
        for stream in self.streams.values_mut() {
            if let Some(known) = stream.readers.get_mut(&reader) {
                known.matches.clone_from(&matches);
                stream.stale = true;
            }
        }
    }

    /// Stops reading for `reader`.
    pub fn remove(&mut self, reader: ReaderId) {
        for stream in self.streams.values_mut() {
            if stream.readers.remove(&reader).is_some() && stream.readers.is_empty() {
                end_child(&mut self.ending, self.poller.as_ref(), &mut stream.child);
            }
        }
        self.streams.retain(|_, stream| !stream.readers.is_empty());
        self.reap();
    }

    /// Has `reader` read nothing more, or go on where it was.
    pub fn set_idle(&mut self, reader: ReaderId, idle: bool) {
        for stream in self.streams.values_mut() {
            if let Some(known) = stream.readers.get_mut(&reader)
                && known.idle != idle
            {
                known.idle = idle;
                stream.stale |= !idle;
            }
        }
    }

    /// The time of the last entry that `reader` was given.
    #[must_use]
    pub fn position(&self, reader: ReaderId) -> Option<Timestamp> {
        self.streams
            .values()
            .find_map(|stream| stream.readers.get(&reader))?
            .position
    }

    /// How each journal is doing.
    #[must_use]
    pub fn statuses(&self, now: Timestamp) -> Vec<SourceStatus> {
        self.streams
            .iter()
            .map(|(options, stream)| stream.status(options, now))
            .collect()
    }

    /// How often an entry was too long, of each journal that is read.
    #[must_use]
    pub(crate) fn fills(&self) -> Vec<Fill> {
        let fills = self.streams.values().map(|stream| {
            Fill::of_source(
                "journal",
                "an entry of the journal, in bytes",
                (None, LINE_LIMIT),
                stream.meter.dropped(),
                "the rest is passed over",
            )
        });
        fills.collect()
    }

    /// The last entry that was looked at for `reader`.
    #[must_use]
    pub fn cursor(&self, reader: ReaderId) -> Option<&str> {
        let mut streams = self.streams.values();
        let reader = streams.find_map(|stream| stream.readers.get(&reader))?;
        reader.last.as_ref().map(|(cursor, _)| cursor.as_str())
    }

    /// What to wait for; it stays the same whatever children come and go.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.poller.as_ref().map(AsFd::as_fd)
    }

    /// When [`Journal::ready`] has something to do although the descriptor is silent.
    #[must_use]
    pub fn next_wakeup(&self, now: Timestamp) -> Option<Timestamp> {
        self.streams
            .values()
            .filter_map(|stream| {
                let closed = stream
                    .child
                    .as_ref()
                    .is_some_and(|running| running.closed.is_some());
                if stream.stale {
                    Some(now)
                } else if closed {
                    Some(now.plus_micros(END_LOOK_MICROS))
                } else {
                    stream.start_at
                }
            })
            .min()
    }

    /// Starts what is to be started and reads what has come, up to a limit.
    pub fn ready(&mut self, now: Timestamp, deliver: &mut impl FnMut(JournalEvent<'_>)) {
        self.reap();
        self.chunk.resize(CHUNK, 0);
        let mut budget = READ_BUDGET;
        self.look(now);
        for (options, stream) in &mut self.streams {
            if stream.stale {
                end_child(&mut self.ending, self.poller.as_ref(), &mut stream.child);
                stream.begin_anew(now);
            }
            stream.start_if_due(&self.program, options, self.poller.as_ref(), now, deliver);
            while budget > 0 {
                let Some(running) = &mut stream.child else { break };
                if running.closed.is_some() {
                    if !stream.has_ended(self.poller.as_ref(), now, deliver) {
                        break;
                    }
                    stream.start_if_due(&self.program, options, self.poller.as_ref(), now, deliver);
                    continue;
                }
                match running.output.read(&mut self.chunk) {
                    Ok(0) => running.closed = Some(now),
                    Ok(count) => {
                        budget = budget.saturating_sub(count);
                        let bytes = self.chunk.get(..count).unwrap_or_default();
                        if let Err(error) = stream.take(bytes, now, deliver) {
                            stream.give_up(&error.to_string(), now);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        running.listen_to_complaints();
                        break;
                    }
                    Err(error) => stream.give_up(&error.to_string(), now),
                }
            }
        }
        self.reap();
    }

    /// Has it looked again for journals, whatever is told of their directories.
    pub(crate) fn look_again(&mut self) {
        self.watching.doubt();
    }

    /// Looks for journals that were not there when their children began; a child does not look for them.
    fn look(&mut self, now: Timestamp) {
        let has_news = self.watching.has_news();
        if !has_news && !self.streams.values().any(|stream| stream.stale) {
            return;
        }
        let look = |watching: &Watching, options: &JournalOptions| options.look(watching.disk());
        let found: Vec<Found> = self
            .streams
            .keys()
            .map(|options| look(&self.watching, options))
            .collect();
        // What comes to be after the second look is told by a watch.
        self.watching
            .watch(found.iter().flat_map(|found| &found.directories));
        for (options, stream) in &mut self.streams {
            let found = look(&self.watching, options);
            if !stream.stale && !stream.found.is_like(&found) {
                end_child(&mut self.ending, self.poller.as_ref(), &mut stream.child);
                stream.caught_up = false;
                stream.start_at = Some(now);
            }
            stream.found = found;
        }
    }

    /// Takes leave of children that have ended.
    fn reap(&mut self) {
        self.ending
            .retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        for stream in self.streams.values_mut() {
            end_child(&mut self.ending, self.poller.as_ref(), &mut stream.child);
        }
        for child in &mut self.ending {
            // It was killed, so this is over at once.
            drop(child.wait());
        }
    }
}

impl Stream {
    /// How it is doing.
    fn status(&self, options: &JournalOptions, now: Timestamp) -> SourceStatus {
        let state = if self.readers.values().all(|reader| reader.idle) {
            SourceState::Waiting("its jails are idle".to_owned())
        } else if available(options).is_none() && !self.told_of_program {
            SourceState::Waiting("there is no journal yet".to_owned())
        } else if let Some(trouble) = self.trouble.as_ref().filter(|_| !self.is_well(now)) {
            SourceState::Failing(trouble.clone())
        } else {
            SourceState::Following
        };
        let mut status = SourceStatus::new(SourceKind::Journal, options.to_string(), state);
        status.readers = self.readers.keys().copied().collect();
        if let Some((cursor, received)) = &self.last {
            status.position = Some(SourcePosition::Cursor(cursor.as_str().to_owned()));
            status.lag = Some(Lag::Micros(now.micros_since(*received).max(0)));
        }
        status.counts = self.meter.counts(now);
        status
    }

    /// Whether its child has been at work for a while.
    fn is_well(&self, now: Timestamp) -> bool {
        let child = self.child.as_ref();
        child.is_some_and(|child| now.micros_since(child.started) > WELL_MICROS)
    }

    /// Reading begins again at the oldest time that matters.
    fn begin_anew(&mut self, now: Timestamp) {
        self.stale = false;
        self.caught_up = false;
        self.last = None;
        self.start_at = Some(Timestamp::from_seconds(0));
        for reader in self.readers.values_mut() {
            // A position in the future is from a clock that was wrong; to keep to it would be to read nothing.
            reader.after = reader.after.filter(|after| *after <= now);
            reader.last = match reader.last.take() {
                Some((_, received)) if received > now && !reader.in_operation => None,
                // The clock was set back meanwhile.
                Some((cursor, received)) => Some((cursor, received.min(now))),
                None => None,
            };
            reader.passing = reader.last.is_some();
            reader.since = reader.since.min(now);
        }
    }

    /// The time from which on entries matter to anyone.
    fn since(&self) -> Timestamp {
        self.readers
            .values()
            .filter(|reader| !reader.idle)
            .map(|reader| match &reader.last {
                Some((_, received)) => reader.since.max(*received),
                None => reader.since,
            })
            .min()
            .unwrap_or(Timestamp::MAX)
    }

    fn start_if_due(
        &mut self,
        program: &Path,
        options: &JournalOptions,
        poller: Option<&Poller>,
        now: Timestamp,
        deliver: &mut impl FnMut(JournalEvent<'_>),
    ) {
        if self.child.is_some()
            // Also where the clock was set back.
            || self
                .start_at
                .is_none_or(|at| at > now && at <= now.plus_seconds(PAUSE_LONGEST_SECONDS))
            || self.readers.values().all(|reader| reader.idle)
        {
            return;
        }
        if options.is_nowhere(&self.found) {
            // `journalctl` would complain of it and end; that something is there is told by a watch.
            self.start_at = Some(now.plus_seconds(PAUSE_LONGEST_SECONDS));
            self.begin_operation(deliver);
            return;
        }
        self.start_at = None;
        match self.start(program, options, poller, now) {
            Ok(running) => {
                self.told_of_program = false;
                self.resuming = self.last.is_some();
                self.child = Some(running);
            }
            Err(error) => {
                self.pause(now);
                let program = program.display();
                let trouble = format!("{program} cannot be run: {error}; it comes with systemd");
                // It is tried again each minute, and said once.
                if !std::mem::replace(&mut self.told_of_program, true) {
                    let text = format!("The journal is not read: {trouble}. It is tried again and again");
                    say(deliver, Level::ERROR, text);
                }
                self.trouble = Some(trouble);
            }
        }
    }

    fn start(
        &self,
        program: &Path,
        options: &JournalOptions,
        poller: Option<&Poller>,
        now: Timestamp,
    ) -> io::Result<Running> {
        let mut arguments = options.arguments(&self.found);
        arguments.extend(["--output=export", "--no-pager", "--quiet"].map(str::to_owned));
        match &self.last {
            Some((cursor, _)) => arguments.push(format!("--cursor={}", cursor.as_str())),
            None => {
                let since = self.since();
                arguments.push(format!(
                    "--since=@{}.{:06}",
                    since.seconds(),
                    since.subsec_micros()
                ));
            }
        }
        if self.caught_up {
            arguments.extend(["--follow", "--no-tail"].map(str::to_owned));
        }
        arguments.extend(self.chosen());
        let Child {
            stdout: output,
            stderr: complaints,
            process,
        } = spawn(program, &arguments)?;
        for fd in [&output, &complaints] {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        if let Some(poller) = poller {
            poller.add(&output, 0, Interest::Read)?;
        }
        let fields: BTreeSet<&str> = self
            .readers
            .values()
            .flat_map(|reader| reader.matches.fields())
            .collect();
        Ok(Running {
            child: process,
            output,
            complaints,
            complaint: Vec::new(),
            parser: Parser::new(fields),
            follows: self.caught_up,
            started: now,
            closed: None,
        })
    }

    /// The words that spare us entries nobody wants; none where somebody wants all.
    fn chosen(&self) -> Vec<String> {
        if self.readers.values().any(|reader| reader.matches.is_empty()) {
            return Vec::new();
        }
        let groups: BTreeSet<Vec<String>> = self
            .readers
            .values()
            .flat_map(|reader| reader.matches.arguments())
            .collect();
        let words: Vec<String> = groups.into_iter().collect::<Vec<_>>().join(&"+".to_owned());
        // No argument can hold a byte 0.
        if words.len() > ARGUMENT_LIMIT || words.iter().any(|word| word.contains('\0')) {
            return Vec::new();
        }
        words
    }

    /// Hands the entries in `bytes` to those who want them.
    fn take(
        &mut self,
        bytes: &[u8],
        now: Timestamp,
        deliver: &mut impl FnMut(JournalEvent<'_>),
    ) -> Result<(), super::entry::Malformed> {
        let Some(running) = &mut self.child else {
            return Ok(());
        };
        let mut entries = Vec::new();
        let outcome = running.parser.feed(bytes, &mut |entry| entries.push(entry));
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.meter.count(now, number(entries.len()));
        let cut = entries.iter().filter(|entry| entry.is_cut());
        self.meter.count_dropped(number(cut.count()));
        for entry in entries {
            self.hand_out(&entry, now, deliver);
        }
        outcome
    }

    fn hand_out(&mut self, entry: &Entry, now: Timestamp, deliver: &mut impl FnMut(JournalEvent<'_>)) {
        let Some(cursor) = entry.cursor() else { return };
        self.trouble = None;
        let here = (Arc::new(Cursor::read(cursor)), entry.received());
        self.pause_seconds = PAUSE_FIRST_SECONDS;
        if self.has_had(&here.0) {
            return;
        }
        let is_fresh = entry.received() > now.plus_micros(-FRESH_MICROS);
        let mut readers = Vec::new();
        for (id, reader) in &mut self.readers {
            if reader.idle || reader.passes_over(&here.0) {
                continue;
            }
            reader.last = Some(here.clone());
            // What comes later is new whatever its time, for it was written later or its clock was set back.
            let is_old = !reader.in_operation
                && (entry.received() < reader.since
                    || reader.after.is_some_and(|after| entry.time() <= after));
            if is_old {
                continue;
            }
            reader.after = None;
            if !reader.matches.accept(entry) {
                continue;
            }
            if is_fresh && !reader.in_operation {
                reader.in_operation = true;
                deliver(JournalEvent::InOperation { reader: *id });
            }
            reader.position = Some(entry.time());
            readers.push(*id);
        }
        if !readers.is_empty() {
            deliver(JournalEvent::Entry {
                readers: &readers,
                entry,
            });
        }
        self.last = Some(here);
    }

    /// Whether the child, which began at the last entry, has not come to the next one yet.
    fn has_had(&mut self, here: &Cursor) -> bool {
        let follows = self.child.as_ref().is_some_and(|running| running.follows);
        self.resuming = self.resuming
            && self.last.as_ref().is_some_and(|(last, _)| match follows {
                // It is not to pass over without end: there is no end at which that would be over.
                true => here.is_same(last),
                false => !here.is_after(last),
            });
        self.resuming
    }

    /// The output of the child is of no use any more.
    fn give_up(&mut self, why: &str, now: Timestamp) {
        if let Some(running) = &mut self.child {
            running.complaint = why.as_bytes().to_vec();
            running.child.kill();
            running.closed = Some(now);
        }
    }

    /// Whether the child, whose output is closed, has ended: it had read everything, or something is wrong.
    fn has_ended(
        &mut self,
        poller: Option<&Poller>,
        now: Timestamp,
        deliver: &mut impl FnMut(JournalEvent<'_>),
    ) -> bool {
        let Some(running) = &mut self.child else {
            return true;
        };
        // Otherwise the descriptor would be reported as ready for as long as the end takes.
        if let Some(poller) = poller {
            drop(poller.remove(&running.output));
        }
        let status = match running.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => {
                if running
                    .closed
                    .is_none_or(|at| now.micros_since(at).abs() > END_MICROS)
                {
                    running.child.kill();
                }
                return false;
            }
            Err(error) => Err(error),
        };
        running.listen_to_complaints();
        let complaint = String::from_utf8_lossy(&running.complaint).trim().to_owned();
        let lasted = now.micros_since(running.started);
        let had_all = !running.follows && status.as_ref().is_ok_and(std::process::ExitStatus::success);
        self.child = None;
        self.trouble = None;
        if had_all {
            self.caught_up = true;
            self.start_at = Some(now);
            self.begin_operation(deliver);
            if !complaint.is_empty() {
                say(deliver, Level::DEBUG, format!("{JOURNALCTL}: {complaint}"));
            }
            return true;
        }
        if lasted > PAUSE_LONGEST_SECONDS * 1_000_000 {
            self.pause_seconds = PAUSE_FIRST_SECONDS;
        }
        let how = match (complaint.is_empty(), status) {
            (false, _) => complaint,
            (true, Ok(status)) => status.to_string(),
            (true, Err(error)) => error.to_string(),
        };
        self.trouble = Some(format!("{JOURNALCTL} has ended ({how}); it is started again"));
        say(
            deliver,
            Level::ERROR,
            format!(
                "Error reading line from systemd journal: {JOURNALCTL} has ended ({how}), next try in {} s",
                self.pause_seconds
            ),
        );
        // What has come since it was last well is read to its end first.
        self.caught_up = false;
        self.pause(now);
        true
    }

    /// All there was has been read, so what comes now is new.
    fn begin_operation(&mut self, deliver: &mut impl FnMut(JournalEvent<'_>)) {
        for (id, reader) in &mut self.readers {
            reader.passing = false;
            if !reader.in_operation && !reader.idle {
                reader.in_operation = true;
                deliver(JournalEvent::InOperation { reader: *id });
            }
        }
    }

    fn pause(&mut self, now: Timestamp) {
        self.start_at = Some(now.plus_seconds(self.pause_seconds));
        self.pause_seconds = (self.pause_seconds * 2).min(PAUSE_LONGEST_SECONDS);
    }
}

impl Reader {
    /// Whether this entry is one that the reader has had before reading began anew.
    fn passes_over(&mut self, here: &Cursor) -> bool {
        self.passing = self.passing && self.last.as_ref().is_some_and(|(last, _)| !here.is_after(last));
        self.passing
    }
}

impl Running {
    /// Keeps the beginning of what the child complains of.
    fn listen_to_complaints(&mut self) {
        let mut buffer = [0; 512];
        for _ in 0..16 {
            match self.complaints.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => {
                    let room = COMPLAINT_LIMIT.saturating_sub(self.complaint.len());
                    let bytes = buffer.get(..count.min(room)).unwrap_or_default();
                    self.complaint.extend_from_slice(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

/// Starts a child.
fn spawn(program: &Path, arguments: &[String]) -> io::Result<Child> {
    Command::new(program)
        .args(arguments)
        .env_remove("SYSTEMD_LOG_LEVEL")
        .env("LC_ALL", "C")
        .ends_with_us()
        .spawn()
}

/// Ends a child, if there is one; it is taken leave of later.
fn end_child(ending: &mut Vec<Process>, poller: Option<&Poller>, child: &mut Option<Running>) {
    if let Some(mut running) = child.take() {
        if let Some(poller) = poller {
            drop(poller.remove(&running.output));
        }
        running.child.kill();
        ending.push(running.child);
    }
}

fn say(deliver: &mut impl FnMut(JournalEvent<'_>), level: Level, text: String) {
    deliver(JournalEvent::Message {
        level,
        logger: LOGGER,
        text,
    });
}

#[cfg(test)]
mod tests;
