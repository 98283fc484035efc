//! The journal, for all jails that read it: read by a `journalctl` of ours, matched here.
//!
//! In: which journal, which entries, from when on; the current time. Out: [`JournalEvent`]s.
//!
//! For each set of [`JournalOptions`] there is one child. First it reads what is there and ends; then another
//! one follows from the last entry on. One that dies is started again behind the last entry, after a pause
//! that grows; so no entry is lost or comes twice. When a reader joins or goes on, reading begins again at the
//! oldest time that matters to anyone, and those who are further on pass over what they have had.
//!
//! Invariant: a child of ours never outlives its reader, and what it writes is never waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use stockade_datetime::Timestamp;
use stockade_sys::{Interest, Poller};

use super::entry::Parser;
use super::{Entry, Matches, ReaderId};
use crate::log::Level;

const JOURNALCTL: &str = "journalctl";
const LOGGER: &str = "fail2ban.filtersystemd";

/// Where the journal is, in memory and on disk.
const DIRECTORIES: [&str; 2] = ["/run/log/journal", "/var/log/journal"];

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

/// Which journal is read: the options in `backend = systemd[…]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct JournalOptions {
    /// `journalpath`: a directory in place of the system's.
    pub path: Option<PathBuf>,
    /// `journalfiles`: patterns of files.
    pub files: Vec<String>,
    /// `journalflags`: local 1, volatile 2, system 4, user 8.
    pub flags: Option<u32>,
    /// `namespace`.
    pub namespace: Option<String>,
    /// `rotated`: the system's journal alone unless flags say otherwise. Archived files are read in any case.
    pub rotated: bool,
}

/// An option in `systemd[…]` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalOptionError {
    /// There is none of that name.
    #[error("unexpected keyword argument '{0}'")]
    Unknown(
        /// The name.
        String,
    ),
    /// `journalflags` is no number.
    #[error("invalid literal for int() with base 10: '{0}'")]
    Flags(
        /// The value.
        String,
    ),
    /// `journalpath` does not exist.
    #[error("journal path {0} does not exist")]
    Path(
        /// The path.
        String,
    ),
}

impl JournalOptions {
    /// Reads the options as they stand in the brackets.
    ///
    /// # Errors
    ///
    /// Where one is unknown or cannot be used.
    pub fn parse<'a>(
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, JournalOptionError> {
        let mut parsed = Self::default();
        for (name, value) in options {
            match name {
                "journalpath" => {
                    if !Path::new(value).exists() {
                        return Err(JournalOptionError::Path(value.to_owned()));
                    }
                    parsed.path = Some(PathBuf::from(value));
                }
                "journalfiles" => {
                    parsed.files = value
                        .split(|c: char| c == ',' || c.is_whitespace())
                        .filter(|word| !word.is_empty())
                        .map(str::to_owned)
                        .collect();
                }
                "journalflags" => {
                    let flags = value.trim().parse();
                    parsed.flags = Some(flags.map_err(|_| JournalOptionError::Flags(value.to_owned()))?);
                }
                "namespace" => parsed.namespace = Some(value.to_owned()),
                "rotated" => {
                    parsed.rotated = ["1", "on", "true", "yes"].contains(&value.to_lowercase().as_str());
                }
                _ => return Err(JournalOptionError::Unknown(name.to_owned())),
            }
        }
        Ok(parsed)
    }

    /// The arguments by which `journalctl` opens this journal.
    fn arguments(&self) -> Vec<String> {
        const RUNTIME: u32 = 2;
        const SYSTEM: u32 = 4;
        const USER: u32 = 8;
        let mut arguments: Vec<String> = self.files.iter().map(|file| format!("--file={file}")).collect();
        let flags = self.flags.unwrap_or(if self.rotated { SYSTEM } else { 0 });
        if let Some(path) = &self.path {
            arguments.push(format!("--directory={}", path.display()));
        } else if self.files.is_empty() && flags & RUNTIME != 0 {
            arguments.push(format!("--directory={}", DIRECTORIES[0]));
        }
        if let Some(namespace) = &self.namespace {
            arguments.push(format!("--namespace={namespace}"));
        }
        if flags & SYSTEM != 0 {
            arguments.push("--system".to_owned());
        }
        if flags & USER != 0 {
            arguments.push("--user".to_owned());
        }
        arguments
    }
}

/// Where a journal can be read, or nothing: whether there is a `journalctl`, and a directory that holds
/// files of the journal.
#[must_use]
pub fn available(options: &JournalOptions) -> Option<PathBuf> {
    find_journalctl()?;
    if let Some(file) = options.files.first() {
        return Some(PathBuf::from(file));
    }
    let places: Vec<&Path> = match &options.path {
        Some(path) => vec![path],
        None => DIRECTORIES.iter().map(Path::new).collect(),
    };
    places
        .into_iter()
        .find(|place| holds_journals(place, 1))
        .map(Path::to_owned)
}

/// Whether there is a file of the journal here or so many levels below.
fn holds_journals(directory: &Path, levels: u32) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return false;
    };
    entries.filter_map(Result::ok).any(|entry| {
        let path = entry.path();
        path.extension().is_some_and(|ending| ending == "journal")
            || (levels > 0 && path.is_dir() && holds_journals(&path, levels - 1))
    })
}

fn find_journalctl() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/bin", "/bin"].map(PathBuf::from))
        .map(|directory| directory.join(JOURNALCTL))
        .find(|program| program.is_file())
}

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

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalStart {
    /// The time of the last entry it has had before, which does not come again.
    pub after: Option<Timestamp>,
    /// The oldest time that matters.
    pub since: Timestamp,
}

/// All journals that are read.
pub struct Journal {
    program: PathBuf,
    poller: Option<Poller>,
    streams: BTreeMap<JournalOptions, Stream>,
    /// Children that were told to end and have not yet been seen to.
    ending: Vec<Child>,
    chunk: Vec<u8>,
}

/// One journal with its child.
struct Stream {
    readers: BTreeMap<ReaderId, Reader>,
    child: Option<Running>,
    /// Who reads what has changed, so reading begins anew.
    stale: bool,
    /// The last entry that has come, and when it was received.
    last: Option<(String, Timestamp)>,
    /// Everything that was there has been read.
    caught_up: bool,
    /// When the next child is started.
    start_at: Option<Timestamp>,
    pause_seconds: i64,
}

struct Reader {
    matches: Matches,
    /// Entries received before do not matter.
    since: Timestamp,
    /// Entries written up to then it has had, from before we began.
    after: Option<Timestamp>,
    /// The last entry that was looked at for it, and when that was received.
    last: Option<(String, Timestamp)>,
    /// That entry has not yet come again since reading began anew.
    passing: bool,
    /// The time of the last entry that it was given.
    position: Option<Timestamp>,
    in_operation: bool,
    idle: bool,
}

struct Running {
    child: Child,
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
        Self {
            program,
            poller: Poller::new().ok(),
            streams: BTreeMap::new(),
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
            last: None,
            caught_up: false,
            start_at: None,
            pause_seconds: PAUSE_FIRST_SECONDS,
        });
        stream.stale = true;
        stream.readers.insert(
            reader,
            Reader {
                matches,
                since: start.since.max(start.after.unwrap_or(start.since)),
                after: start.after,
                last: None,
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
    /// Reading begins again at the oldest time that matters.
    fn begin_anew(&mut self, now: Timestamp) {
        self.stale = false;
        self.caught_up = false;
        self.last = None;
        self.start_at = Some(Timestamp::from_seconds(0));
        for reader in self.readers.values_mut() {
            reader.passing = reader.last.is_some();
            // A position in the future is from a clock that was wrong; to keep to it would be to read nothing.
            if reader.after.is_some_and(|after| after > now) {
                reader.after = None;
            }
            reader.since = reader.since.min(now);
        }
    }

    /// The time from which on entries matter to anyone.
    fn since(&self) -> Timestamp {
        self.readers
            .values()
            .filter(|reader| !reader.idle)
            .map(|reader| match &reader.last {
                Some((_, received)) => *received,
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
        self.start_at = None;
        match self.start(program, options, poller, now) {
            Ok(running) => self.child = Some(running),
            Err(error) => {
                self.pause(now);
                say(
                    deliver,
                    Level::ERROR,
                    format!("Cannot run {}: {error}", program.display()),
                );
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
        let mut arguments = options.arguments();
        arguments.extend(["--output=export", "--no-pager", "--quiet"].map(str::to_owned));
        match &self.last {
            Some((cursor, _)) => arguments.push(format!("--after-cursor={cursor}")),
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
        let mut child = Command::new(program)
            .args(arguments)
            .env_remove("SYSTEMD_LOG_LEVEL")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (Some(output), Some(complaints)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("it has no output"));
        };
        let (output, complaints) = (OwnedFd::from(output), OwnedFd::from(complaints));
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
            child,
            output: File::from(output),
            complaints: File::from(complaints),
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
        if words.len() > ARGUMENT_LIMIT {
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
        for entry in entries {
            self.hand_out(&entry, now, deliver);
        }
        outcome
    }

    fn hand_out(&mut self, entry: &Entry, now: Timestamp, deliver: &mut impl FnMut(JournalEvent<'_>)) {
        let Some(cursor) = entry.cursor() else { return };
        let here = (cursor.to_owned(), entry.received());
        self.pause_seconds = PAUSE_FIRST_SECONDS;
        let is_fresh = entry.received() > now.plus_micros(-FRESH_MICROS);
        let mut readers = Vec::new();
        for (id, reader) in &mut self.readers {
            if reader.idle || reader.passes_over(&here) {
                continue;
            }
            reader.last = Some(here.clone());
            let is_old =
                entry.received() < reader.since || reader.after.is_some_and(|after| entry.time() <= after);
            if is_old || !reader.matches.accept(entry) {
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

    /// The output of the child is of no use any more.
    fn give_up(&mut self, why: &str, now: Timestamp) {
        if let Some(running) = &mut self.child {
            running.complaint = why.as_bytes().to_vec();
            drop(running.child.kill());
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
                    drop(running.child.kill());
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
        if had_all {
            self.caught_up = true;
            self.start_at = Some(now);
            for (id, reader) in &mut self.readers {
                reader.passing = false;
                if !reader.in_operation && !reader.idle {
                    reader.in_operation = true;
                    deliver(JournalEvent::InOperation { reader: *id });
                }
            }
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
        say(
            deliver,
            Level::ERROR,
            format!(
                "Error reading line from systemd journal: {JOURNALCTL} has ended ({how}), next try in {} s",
                self.pause_seconds
            ),
        );
        self.pause(now);
        true
    }

    fn pause(&mut self, now: Timestamp) {
        self.start_at = Some(now.plus_seconds(self.pause_seconds));
        self.pause_seconds = (self.pause_seconds * 2).min(PAUSE_LONGEST_SECONDS);
    }
}

impl Reader {
    /// Whether this entry is one that the reader has had before reading began anew.
    fn passes_over(&mut self, here: &(String, Timestamp)) -> bool {
        if !self.passing {
            return false;
        }
        match &self.last {
            // It has come to the last one it had: the next is new.
            Some((cursor, _)) if *cursor == here.0 => {
                self.passing = false;
                true
            }
            // That one may be gone from the journal by now; what was received later is new in any case.
            Some((_, received)) if here.1 > *received => {
                self.passing = false;
                false
            }
            Some(_) | None => true,
        }
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

/// Ends a child, if there is one; it is taken leave of later.
fn end_child(ending: &mut Vec<Child>, poller: Option<&Poller>, child: &mut Option<Running>) {
    if let Some(mut running) = child.take() {
        if let Some(poller) = poller {
            drop(poller.remove(&running.output));
        }
        drop(running.child.kill());
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
