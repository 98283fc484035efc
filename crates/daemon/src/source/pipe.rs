//! Logs that are pipes: named ones, and the standard output of commands.
//!
//! In: which pipes, for which readers. Out: [`Event`]s, complete lines in their order.
//! Time: the `now` that the caller passes; nothing here reads a clock or waits, but for the end, which is bounded.
//!
//! What was read from a pipe is gone from it, so there is no position to come back to: a reader gets what is
//! written while it is there. The pipe itself is the queue; a writer that is faster than the loop waits, as it
//! would for any reader.
//!
//! A line is complete with its line break. What a command has written behind the last one when it ends is no line;
//! in a named pipe the next writer may complete it, as in a file.
//!
//! Invariant: a command runs only while somebody reads it, and never longer than the daemon.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use stockade_datetime::Timestamp;
use stockade_sys::{Interest, Poller, Ready, Token};

use super::disk::Identity;
use super::status::Meter;
use super::{Block, Event, LINE_LIMIT, LineBreak, ReaderId, SourceKind, SourceState, SourceStatus, len};
use crate::helper::{self, Child, Command, Process};
use crate::limits::Fill;
use crate::log::Level;

const FILTER: &str = "fail2ban.filter";

/// How much is read of a pipe at a time: what a pipe of the kernel holds.
const CHUNK: usize = 64 * 1024;

/// How much is read of one pipe in one call of [`Pipes::ready`], so that others get their turn.
const PIPE_SHARE: usize = 4 * CHUNK;

/// How long it takes to try again after a command has ended, at first and at most, in seconds.
const PAUSE_FIRST: i64 = 1;
const PAUSE_LONGEST: i64 = 60;

/// How much of the last line that a command writes to its standard error is kept.
const COMPLAINT_LIMIT: usize = 400;

/// How long a command has between being told to end and being killed, and to end once its output is closed.
const GRACE_MICROS: i64 = 2_000_000;

/// The same when the daemon ends and waits for it.
const LAST_GRACE: Duration = Duration::from_millis(200);

/// How often it is looked whether a command that was killed has ended.
const LOOK_MICROS: i64 = 10_000;

/// The command of a line of `logpath`, where it is one: what stands behind `|`.
#[must_use]
pub fn piped_command(path: &str) -> Option<&str> {
    path.strip_prefix('|').map(str::trim)
}

/// A pipe is read once for all readers that split it the same way.
type Key = (PathBuf, LineBreak);

/// All pipes that are read.
#[derive(Debug)]
pub struct Pipes {
    poller: Option<Poller>,
    streams: BTreeMap<Key, Stream>,
    next_token: Token,
    ending: Vec<Ending>,
    chunk: Vec<u8>,
    ready: Vec<Ready>,
}

/// A named pipe that somebody follows.
#[derive(Debug)]
pub struct Named<'a> {
    /// Its name.
    pub path: &'a Path,
    /// What ends a line.
    pub line_break: LineBreak,
    /// Which pipe it is.
    pub identity: Identity,
    /// Who reads it, and whether each wants to now.
    pub readers: Vec<(ReaderId, bool)>,
}

#[derive(Debug)]
struct Stream {
    spring: Spring,
    readers: BTreeMap<ReaderId, bool>,
    /// Of its output; the one that follows is of its complaints and its end.
    token: Token,
    /// What has come behind the last complete line.
    rest: Vec<u8>,
    /// How much of it has no end of a line.
    searched: usize,
    /// Where that begins, counted from the begin of the stream.
    offset: u64,
    /// The line was too long, and its rest is passed over.
    passing: bool,
    meter: Meter,
}

#[derive(Debug)]
enum Spring {
    Named {
        identity: Identity,
        pipe: Option<File>,
        /// It could not be opened for writing too, so it ends with its last writer and has to be opened anew.
        ends: bool,
    },
    Command {
        running: Option<Running>,
        start_at: Option<Timestamp>,
        pause: i64,
        ends: u64,
        last_end: String,
    },
}

/// A command at work.
#[derive(Debug)]
struct Running {
    /// The shell.
    process: Process,
    output: Option<File>,
    complaints: Option<File>,
    complaint: Complaint,
    started: Timestamp,
    /// When it is ended, for its output is closed.
    end_at: Option<Timestamp>,
}

/// A command that was told to end.
#[derive(Debug)]
struct Ending {
    process: Process,
    /// When the group is killed; none until it was first seen to. Before, the number is not given back, for the group
    /// may have others in it.
    kill_at: Option<Timestamp>,
    is_killed: bool,
}

/// The last line that was written, as far as it is kept.
#[derive(Debug, Default)]
struct Complaint {
    line: Vec<u8>,
    is_complete: bool,
}

impl Pipes {
    /// Reads nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            poller: Poller::new().ok(),
            streams: BTreeMap::new(),
            next_token: 0,
            ending: Vec::new(),
            chunk: Vec::new(),
            ready: Vec::new(),
        }
    }

    /// What to wait for.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.poller.as_ref().map(AsFd::as_fd)
    }

    /// Reads the output of the command in `path`, which is `| …`; it is started with the next [`Pipes::ready`].
    pub fn add_command(&mut self, reader: ReaderId, path: &Path, line_break: LineBreak) {
        let spring = || Spring::Command {
            running: None,
            start_at: Some(Timestamp::from_seconds(0)),
            pause: PAUSE_FIRST,
            ends: 0,
            last_end: String::new(),
        };
        self.stream(path, line_break, spring).readers.insert(reader, true);
    }

    fn stream(&mut self, path: &Path, line_break: LineBreak, spring: impl FnOnce() -> Spring) -> &mut Stream {
        let Self {
            streams, next_token, ..
        } = self;
        streams.entry((path.to_owned(), line_break)).or_insert_with(|| {
            let token = *next_token;
            *next_token += 2;
            Stream {
                spring: spring(),
                readers: BTreeMap::new(),
                token,
                rest: Vec::new(),
                searched: 0,
                offset: 0,
                passing: false,
                meter: Meter::default(),
            }
        })
    }

    /// Reads these named pipes and no others. Who has them open gets what is written to them from now on.
    pub fn set_named<'a>(
        &mut self,
        named: impl IntoIterator<Item = Named<'a>>,
        deliver: &mut dyn FnMut(Event<'_>),
    ) {
        let mut gone: Vec<Key> = self
            .streams
            .iter()
            .filter(|(_, stream)| matches!(stream.spring, Spring::Named { .. }))
            .map(|(key, _)| key.clone())
            .collect();
        for Named {
            path,
            line_break,
            identity: wanted,
            readers,
        } in named
        {
            let key = (path.to_owned(), line_break);
            let is_same = |stream: &Stream| matches!(stream.spring, Spring::Named { identity, .. } if identity == wanted);
            if self.streams.get(&key).is_some_and(is_same) {
                gone.retain(|known| *known != key);
            } else {
                self.drop_stream(&key);
                gone.retain(|known| *known != key);
            }
            let stream = self.stream(path, line_break, || Spring::Named {
                identity: wanted,
                pipe: None,
                ends: false,
            });
            for reader in readers.iter().map(|(id, _)| *id) {
                if !stream.readers.contains_key(&reader) {
                    deliver(Event::InOperation { reader, path });
                }
            }
            stream.readers = readers.into_iter().collect();
            let token = stream.token;
            if let Some(stream) = self.streams.get_mut(&key) {
                stream.open_named(path, token, self.poller.as_ref(), deliver);
            }
        }
        for key in gone {
            self.drop_stream(&key);
        }
    }

    /// Reads the output of the command in `path` no more for `reader`.
    pub fn remove(&mut self, reader: ReaderId, path: &Path) {
        let keys: Vec<Key> = self
            .streams
            .keys()
            .filter(|(known, _)| known == path)
            .cloned()
            .collect();
        for key in keys {
            let Some(stream) = self.streams.get_mut(&key) else {
                continue;
            };
            stream.readers.remove(&reader);
            if stream.readers.is_empty() {
                self.drop_stream(&key);
            }
        }
    }

    /// Reads nothing more for `reader`.
    pub fn remove_reader(&mut self, reader: ReaderId) {
        let paths: Vec<PathBuf> = self.commands(reader).map(Path::to_owned).collect();
        for path in paths {
            self.remove(reader, &path);
        }
    }

    /// Has `reader` get nothing for a while. What is written meanwhile is read, so that the writer need not wait, and lost.
    pub fn set_idle(&mut self, reader: ReaderId, idle: bool) {
        for wants in self
            .streams
            .values_mut()
            .filter_map(|stream| stream.readers.get_mut(&reader))
        {
            *wants = !idle;
        }
    }

    /// The commands whose output `reader` gets, as `| …`.
    pub fn commands(&self, reader: ReaderId) -> impl Iterator<Item = &Path> {
        self.streams
            .iter()
            .filter(move |(_, stream)| {
                matches!(stream.spring, Spring::Command { .. }) && stream.readers.contains_key(&reader)
            })
            .map(|((path, _), _)| path.as_path())
    }

    /// Counts lines of a pipe that were delivered, and those of them that were cut.
    pub fn count(&mut self, now: Timestamp, path: &Path, line_break: LineBreak, lines: u64, cut: u64) {
        if let Some(stream) = self.streams.get_mut(&(path.to_owned(), line_break)) {
            stream.meter.count(now, lines);
            stream.meter.count_dropped(cut);
        }
    }

    /// How long what each pipe has behind its last line is, beside how long a line can be.
    #[must_use]
    pub(crate) fn fills(&self) -> Vec<Fill> {
        let fills = self.streams.iter().map(|((path, _), stream)| {
            Fill::of_source(
                &path.display().to_string(),
                "a line of a pipe or a command, in bytes",
                (Some(stream.rest.len()), LINE_LIMIT),
                stream.meter.dropped(),
                "the rest is passed over",
            )
        });
        fills.collect()
    }

    /// How all pipes are doing.
    #[must_use]
    pub fn statuses(&self, now: Timestamp) -> Vec<SourceStatus> {
        let statuses = self.streams.iter().map(|((path, _), stream)| {
            let (kind, state) = stream.state();
            let is_idle = stream.readers.values().all(|wants| !wants);
            let state = if is_idle && state == SourceState::Following {
                SourceState::Waiting("its jails are idle".to_owned())
            } else {
                state
            };
            let mut status = SourceStatus::new(kind, path.display().to_string(), state);
            status.readers = stream.readers.keys().copied().collect();
            status.counts = stream.meter.counts(now);
            status
        });
        statuses.collect()
    }

    /// When [`Pipes::ready`] has something to do although the descriptor is silent.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let due = self.streams.values().filter_map(Stream::due);
        let at_once = Timestamp::from_seconds(0);
        let kills = self.ending.iter().map(|ending| ending.kill_at.unwrap_or(at_once));
        due.chain(kills).min()
    }

    /// Starts what is to be started and reads what has come, up to a limit.
    pub fn ready(&mut self, now: Timestamp, deliver: &mut dyn FnMut(Event<'_>)) {
        self.ready_where(&|_| true, now, deliver);
    }

    /// The same, reading only those pipes of which that is said; the others can be read later.
    pub(crate) fn ready_where(
        &mut self,
        may_read: &dyn Fn(&Path) -> bool,
        now: Timestamp,
        deliver: &mut dyn FnMut(Event<'_>),
    ) {
        let Some(poller) = &self.poller else { return };
        if self.streams.is_empty() && self.ending.is_empty() {
            return;
        }
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        if let Err(error) = poller.wait(Some(Duration::ZERO), &mut ready) {
            let text = format!("Pipes cannot be waited for: {error}");
            deliver(message(Level::ERROR, text, None));
        }
        self.chunk.resize(CHUNK, 0);
        for (key, stream) in &mut self.streams {
            stream.start_if_due(key, poller, now, deliver);
            let is_ready = ready
                .iter()
                .any(|ready| ready.token == stream.token || ready.token == stream.token + 1);
            if (is_ready || stream.is_over_due(now)) && may_read(&key.0) {
                let is_drained = stream.read(key, poller, &mut self.chunk, now, deliver);
                if let Some(ending) = stream.finish(key, is_drained, poller, now, deliver) {
                    self.ending.push(ending);
                }
            }
        }
        self.ready = ready;
        self.reap(now);
    }

    /// Lets a stream go; its command is told to end.
    fn drop_stream(&mut self, key: &Key) {
        let Some(mut stream) = self.streams.remove(key) else {
            return;
        };
        let Some(poller) = &self.poller else { return };
        match &mut stream.spring {
            Spring::Named { pipe, .. } => {
                if let Some(pipe) = pipe.take() {
                    drop(poller.remove(&pipe));
                }
            }
            Spring::Command { running, .. } => {
                if let Some(running) = running.take() {
                    self.ending.push(running.end(poller));
                }
            }
        }
    }

    /// Takes leave of commands that have ended, and kills those that do not.
    fn reap(&mut self, now: Timestamp) {
        self.ending.retain_mut(|ending| {
            // Where the clock was set back, it has no more time than it would have had.
            let latest = now.plus_micros(GRACE_MICROS);
            let kill_at = ending.kill_at.map_or(latest, |at| at.min(latest));
            ending.kill_at = Some(kill_at);
            if kill_at > now {
                return true;
            }
            if !ending.is_killed {
                ending.process.kill();
                ending.is_killed = true;
            }
            ending.kill_at = Some(now.plus_micros(LOOK_MICROS));
            matches!(ending.process.try_wait(), Ok(None))
        });
    }
}

impl Default for Pipes {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        let Some(poller) = &self.poller else { return };
        for stream in self.streams.values_mut() {
            if let Spring::Command { running, .. } = &mut stream.spring
                && let Some(running) = running.take()
            {
                self.ending.push(running.end(poller));
            }
        }
        let deadline = Instant::now() + LAST_GRACE;
        for ending in &mut self.ending {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut fds = [PollFd::from_borrowed_fd(ending.process.ended(), PollFlags::IN)];
            // Whether it has ended or its time has: it is killed now.
            let _ended = poll(&mut fds, Some(&timeout));
            // Whatever of the group is left has had its time.
            ending.process.kill();
            drop(ending.process.wait());
        }
    }
}

impl Stream {
    /// What it is, and whether lines come from it.
    fn state(&self) -> (SourceKind, SourceState) {
        match &self.spring {
            Spring::Named { pipe: Some(_), .. } => (SourceKind::Pipe, SourceState::Following),
            Spring::Named { pipe: None, .. } => {
                let why = "the pipe could not be opened; let the user that the daemon runs as read it";
                (SourceKind::Pipe, SourceState::Failing(why.to_owned()))
            }
            Spring::Command {
                running: Some(running),
                ..
            } if running.end_at.is_none() => (SourceKind::Command, SourceState::Following),
            Spring::Command {
                last_end, ends: 0, ..
            } if last_end.is_empty() => {
                let why = "it is about to be started";
                (SourceKind::Command, SourceState::Waiting(why.to_owned()))
            }
            Spring::Command { last_end, ends, .. } => {
                let times = if *ends == 1 { "once" } else { "again and again" };
                let why = format!("it has ended {times} ({last_end}) and will be started again");
                (SourceKind::Command, SourceState::Failing(why))
            }
        }
    }

    /// When there is something to do although nothing comes.
    fn due(&self) -> Option<Timestamp> {
        match &self.spring {
            Spring::Named { .. } => None,
            Spring::Command {
                running: Some(running),
                ..
            } => running.end_at,
            Spring::Command {
                running: None,
                start_at,
                ..
            } => *start_at,
        }
    }

    /// Whether the time is over that a command has to end.
    fn is_over_due(&self, now: Timestamp) -> bool {
        match &self.spring {
            Spring::Named { .. } => false,
            Spring::Command { running, .. } => running
                .as_ref()
                .and_then(|running| running.end_at)
                .is_some_and(|at| at <= now || at > now.plus_micros(GRACE_MICROS)),
        }
    }

    /// Opens a named pipe so that nothing is waited for, now or later.
    fn open_named(
        &mut self,
        path: &Path,
        token: Token,
        poller: Option<&Poller>,
        deliver: &mut dyn FnMut(Event<'_>),
    ) {
        let Spring::Named { identity, pipe, ends } = &mut self.spring else {
            return;
        };
        if pipe.is_some() {
            return;
        }
        match open_pipe(path, *identity) {
            Ok((opened, is_ending)) => {
                if poller.is_some_and(|poller| poller.add(&opened, token, Interest::Read).is_ok()) {
                    *pipe = Some(opened);
                    *ends = is_ending;
                }
            }
            Err(error) => {
                let text = format!("Unable to open {}: {error}", path.display());
                deliver(message(Level::ERROR, text, Some(path)));
            }
        }
    }

    fn start_if_due(
        &mut self,
        key: &Key,
        poller: &Poller,
        now: Timestamp,
        deliver: &mut dyn FnMut(Event<'_>),
    ) {
        let Spring::Command {
            running: running @ None,
            start_at,
            pause,
            ends,
            last_end,
        } = &mut self.spring
        else {
            return;
        };
        // It is due as well where the clock was set back.
        if start_at.is_none_or(|at| at > now && at <= now.plus_seconds(PAUSE_LONGEST)) {
            return;
        }
        *start_at = None;
        self.rest.clear();
        (self.searched, self.offset, self.passing) = (0, 0, false);
        let text = key.0.to_string_lossy();
        let command = piped_command(&text).unwrap_or_default();
        match Running::start(command, self.token, poller, now) {
            Ok(started) => {
                let level = if *ends == 0 { Level::INFO } else { Level::DEBUG };
                deliver(message(level, format!("'{text}' was started"), None));
                *running = Some(started);
            }
            Err(error) => {
                *last_end = format!("it cannot be started: {error}");
                let told = format!("'{text}' cannot be started: {error}; next try in {pause} s");
                deliver(message(Level::ERROR, told, Some(&key.0)));
                *start_at = Some(now.plus_seconds(*pause));
                *pause = (*pause * 2).min(PAUSE_LONGEST);
            }
        }
    }

    /// Reads what is there, up to its share; whether that was all.
    fn read(
        &mut self,
        key: &Key,
        poller: &Poller,
        chunk: &mut [u8],
        now: Timestamp,
        deliver: &mut dyn FnMut(Event<'_>),
    ) -> bool {
        let (mut share, mut is_drained) = (PIPE_SHARE, false);
        while share > 0 && !is_drained {
            let source = match &mut self.spring {
                Spring::Named { pipe, .. } => pipe.as_mut(),
                Spring::Command { running, .. } => {
                    running.as_mut().and_then(|running| running.output.as_mut())
                }
            };
            let Some(source) = source else {
                is_drained = true;
                continue;
            };
            match source.read(chunk) {
                Ok(count @ 1..) => {
                    share = share.saturating_sub(count);
                    self.take(key, chunk.get(..count).unwrap_or_default(), deliver);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => is_drained = true,
                Ok(_) | Err(_) => {
                    self.at_end(key, poller, now, deliver);
                    is_drained = true;
                }
            }
        }
        if let Spring::Command {
            running: Some(running),
            ..
        } = &mut self.spring
        {
            running.listen(poller);
        }
        is_drained
    }

    /// Nothing more comes from what is open.
    fn at_end(&mut self, key: &Key, poller: &Poller, now: Timestamp, deliver: &mut dyn FnMut(Event<'_>)) {
        let token = self.token;
        match &mut self.spring {
            Spring::Named { pipe, .. } => {
                // The last writer is gone. Opened anew, it is silent until there is another one.
                let before = pipe.take();
                if let Some(before) = &before {
                    drop(poller.remove(before));
                }
                // What a new writer has written by now is in the pipe as long as one of the two is open.
                self.open_named(&key.0, token, Some(poller), deliver);
                drop(before);
            }
            Spring::Command { running, .. } => {
                if let Some(running) = running {
                    if let Some(output) = running.output.take() {
                        drop(poller.remove(&output));
                    }
                    running.end_at = Some(now.plus_micros(GRACE_MICROS));
                }
            }
        }
    }

    /// Deals with a command that has ended, or that has closed its output and does not end.
    fn finish(
        &mut self,
        key: &Key,
        is_drained: bool,
        poller: &Poller,
        now: Timestamp,
        deliver: &mut dyn FnMut(Event<'_>),
    ) -> Option<Ending> {
        let is_over_due = self.is_over_due(now);
        let Spring::Command {
            running: slot,
            start_at,
            pause,
            ends,
            last_end,
        } = &mut self.spring
        else {
            return None;
        };
        let running = slot.as_mut()?;
        let how = how_it_ended(&mut running.process);
        let has_ended = how.is_some();
        if !(is_over_due || has_ended && is_drained) {
            if has_ended && running.end_at.is_none() {
                // What it has left behind may write for ever.
                running.end_at = Some(now.plus_micros(GRACE_MICROS));
            }
            return None;
        }
        let running = slot.take()?;
        if now.micros_since(running.started) > PAUSE_LONGEST * 1_000_000 {
            *pause = PAUSE_FIRST;
        }
        let how = how.unwrap_or_else(|| "it has closed its output".to_owned());
        let complaint = running.complaint.text();
        let ending = running.end(poller);
        *last_end = match complaint.is_empty() {
            true => how,
            false => format!("{how}: {complaint}"),
        };
        *ends += 1;
        let text = key.0.display();
        let told = format!("'{text}' has ended ({last_end}); it is started again in {pause} s");
        deliver(message(Level::WARNING, told, Some(&key.0)));
        *start_at = Some(now.plus_seconds(*pause));
        *pause = (*pause * 2).min(PAUSE_LONGEST);
        Some(ending)
    }

    /// Hands on the complete lines among what was kept and `bytes`.
    fn take(&mut self, key: &Key, bytes: &[u8], deliver: &mut dyn FnMut(Event<'_>)) {
        let (path, line_break) = key;
        self.rest.extend_from_slice(bytes);
        if self.passing {
            let Some(end) = line_break.first(&self.rest, self.offset) else {
                // A line break may be cut in two.
                self.forget(usize::try_from(line_break.align(len(&self.rest))).unwrap_or(0));
                return;
            };
            self.forget(end);
            self.passing = false;
        }
        let from = usize::try_from(line_break.align(u64::try_from(self.searched).unwrap_or(0))).unwrap_or(0);
        let unsearched = self.rest.get(from..).unwrap_or_default();
        let offset = self.offset + u64::try_from(from).unwrap_or(0);
        let (end, truncated) = match line_break.last(unsearched, offset) {
            Some(end) => (from + end, false),
            None if self.rest.len() >= LINE_LIMIT => (LINE_LIMIT, true),
            None => {
                self.searched = self.rest.len();
                return;
            }
        };
        let readers: Vec<ReaderId> = self
            .readers
            .iter()
            .filter(|(_, wants)| **wants)
            .map(|(id, _)| *id)
            .collect();
        if !readers.is_empty() {
            deliver(Event::Lines(Block {
                path,
                readers: &readers,
                offset: self.offset,
                bytes: self.rest.get(..end).unwrap_or_default(),
                truncated,
                line_break: *line_break,
            }));
        }
        self.forget(end);
        self.passing = truncated;
        self.searched = self.rest.len();
    }

    fn forget(&mut self, count: usize) {
        let count = count.min(self.rest.len());
        self.rest.drain(..count);
        self.offset += u64::try_from(count).unwrap_or(0);
        self.searched = 0;
        // A line as long as the limit must not keep its memory for ever.
        self.rest.shrink_to(CHUNK);
    }
}

impl Running {
    fn start(command: &str, token: Token, poller: &Poller, now: Timestamp) -> io::Result<Self> {
        let Child {
            stdout: output,
            stderr: complaints,
            mut process,
        } = spawn(command)?;
        match Self::prepare(&process, [&output, &complaints], token, poller) {
            Ok(()) => Ok(Self {
                process,
                output: Some(output),
                complaints: Some(complaints),
                complaint: Complaint::default(),
                started: now,
                end_at: None,
            }),
            Err(error) => {
                process.kill();
                drop(process.wait());
                Err(error)
            }
        }
    }

    fn prepare(
        process: &Process,
        [output, complaints]: [&File; 2],
        token: Token,
        poller: &Poller,
    ) -> io::Result<()> {
        for fd in [output, complaints] {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        poller.add(output, token, Interest::Read)?;
        poller.add(complaints, token + 1, Interest::Read)?;
        poller.add(process.ended(), token + 1, Interest::Read)
    }

    /// Keeps the last line of what the command complains of.
    fn listen(&mut self, poller: &Poller) {
        let mut buffer = [0; 1024];
        for _ in 0..64 {
            let Some(complaints) = &mut self.complaints else {
                return;
            };
            match complaints.read(&mut buffer) {
                Ok(count @ 1..) => self.complaint.take(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {
                    drop(poller.remove(&*complaints));
                    self.complaints = None;
                }
            }
        }
    }

    /// Tells the whole group to end and reads it no more.
    fn end(mut self, poller: &Poller) -> Ending {
        for fd in [self.output.take(), self.complaints.take()].into_iter().flatten() {
            drop(poller.remove(&fd));
        }
        self.process.terminate();
        drop(poller.remove(self.process.ended()));
        Ending {
            process: self.process,
            kill_at: None,
            is_killed: false,
        }
    }
}

impl Complaint {
    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.is_complete = true;
                continue;
            }
            if std::mem::take(&mut self.is_complete) {
                self.line.clear();
            }
            if self.line.len() < COMPLAINT_LIMIT {
                self.line.push(byte);
            }
        }
    }

    fn text(&self) -> String {
        crate::shell::plain(&String::from_utf8_lossy(&self.line))
    }
}

/// Starts the command of a log: a group of its own, which is killed if the daemon ends untimely.
fn spawn(command: &str) -> io::Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", command])
        .ends_with_us()
        .spawn()
}

/// Opens the pipe of this name, if it is still that one. With a writer of our own it never ends; whether it does.
fn open_pipe(path: &Path, wanted: Identity) -> io::Result<(File, bool)> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or(0);
    let both = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path);
    let (pipe, ends) = match both {
        Ok(pipe) => (pipe, false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
        // Also where the daemon may write in its own directory alone.
        Err(_) => (helper::open(path)?, true),
    };
    let metadata = pipe.metadata()?;
    match super::disk::fifo_of(&metadata) {
        Some(identity) if identity == wanted => Ok((pipe, ends)),
        Some(_) | None => Err(io::Error::other("it is another file by now")),
    }
}

/// How a child has ended, in the words of the standard library; nothing where it has not.
fn how_it_ended(process: &mut Process) -> Option<String> {
    match process.try_wait() {
        Ok(None) => None,
        Ok(Some(status)) => Some(match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status: {code}"),
            (None, Some(signal)) => format!("signal: {signal}"),
            (None, None) => "it is gone".to_owned(),
        }),
        Err(_) => Some("it is gone".to_owned()),
    }
}

const fn message(level: Level, text: String, unreadable: Option<&Path>) -> Event<'_> {
    Event::Message {
        level,
        logger: FILTER,
        text,
        unreadable,
    }
}

#[cfg(test)]
mod tests;
