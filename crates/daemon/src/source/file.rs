//! Log files: which are followed, how their changes are noticed, what happens when they are rotated.
//!
//! In: paths and patterns, events of the kernel, the current time. Out: [`Event`]s.
//!
//! A change of a file that is open is told by a watch of its own; everything that happens to its name by
//! watches of the directories on the way to it, down to the nearest one that exists. What an event says is
//! only which names to look at again, so an event that comes twice, late or together with others does no harm.
//! Files that the kernel tells nothing about are looked at every half second.
//!
//! Invariant: whatever is watched is needed by a file or a pattern, and is let go with it.

mod name;
mod patterns;
mod succession;
mod telling;
mod watching;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use stockade_datetime::Timestamp;
use stockade_sys::{Watch, inotify};

use self::name::Follower;
use self::patterns::Pattern;
use self::succession::Left;
pub(crate) use self::telling::trouble;
use self::watching::{POLL_MICROS, Watched};
use super::disk::{Disk, Identity, System};
use super::follower::{LogFile, Pass, Reader};
use super::pipe::Named;
use super::status::Meter;
use super::{
    Event, LINE_LIMIT, LineBreak, ReaderId, SourceKind, SourceState, SourceStatus, first_line_since, glob,
};
use crate::store::LogPosition;

/// How much one file may take before the others have theirs, but for a line that is longer. What was read is dealt with
/// while the processor has it at hand.
const FILE_SHARE: usize = 256 * 1024;

/// How much is read in one call of [`Files::ready`], so that commands and expiries get their turn.
const READ_BUDGET: usize = 16 * FILE_SHARE;

/// Everything that is followed.
pub struct Files<D: Disk = System> {
    disk: D,
    followers: BTreeMap<FileKey, Follower<D>>,
    patterns: Vec<Pattern>,
    watches: BTreeMap<Watch, Watched>,
    /// Names to look at again, and files to read.
    suspects: BTreeSet<FileKey>,
    /// Files that a rename has taken the name from, and where they are now.
    moved: Vec<(FileKey, PathBuf)>,
    changed: BTreeSet<FileKey>,
    stale_patterns: bool,
    /// Files that are read no longer, in case that one comes back.
    left: VecDeque<Left>,
    poll_at: Option<Timestamp>,
    buffer: Vec<u8>,
    events: Vec<inotify::Event>,
    /// Which file had its share last, where not all could have theirs.
    served: Option<FileKey>,
    told_no_watches: bool,
    long_lines: u64,
    /// Names that stand for a pipe, which others read, and whether that has changed.
    fifos: BTreeMap<FileKey, Identity>,
    fifos_changed: bool,
    unread_files: u64,
}

/// A file is followed once for all readers that split it the same way.
type FileKey = (PathBuf, LineBreak);

/// Where a reader begins.
#[derive(Debug, Clone)]
pub enum Start {
    /// At the position of before, if the file still begins with the same line, or at the beginning; and there
    /// with the first line written at or after `since`.
    Head {
        /// The position of before.
        stored: Option<LogPosition>,
        /// The oldest time that matters.
        since: Timestamp,
    },
    /// At the end.
    Tail,
}

/// How a file is followed.
#[derive(Debug, Clone, Copy, Default)]
pub struct FollowOptions {
    /// What ends a line.
    pub line_break: LineBreak,
    /// Looks at the file every half second, whatever the kernel tells.
    pub polling: bool,
}

/// A file was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Which.
    pub path: PathBuf,
    /// The hash of its first line, and the position before the search for the first line that matters.
    pub position: LogPosition,
    /// It does not exist yet, and is waited for.
    pub absent: bool,
}

impl Files {
    /// Follows nothing yet.
    ///
    /// Where the kernel has no inotify to give, files are looked at every half second.
    #[must_use]
    pub fn new() -> Self {
        Self::on(System::new())
    }
}

impl<D: Disk> Files<D> {
    /// Follows nothing on `disk` yet.
    #[must_use]
    pub const fn on(disk: D) -> Self {
        Self {
            disk,
            followers: BTreeMap::new(),
            patterns: Vec::new(),
            watches: BTreeMap::new(),
            suspects: BTreeSet::new(),
            moved: Vec::new(),
            changed: BTreeSet::new(),
            stale_patterns: false,
            left: VecDeque::new(),
            poll_at: None,
            buffer: Vec::new(),
            events: Vec::new(),
            served: None,
            told_no_watches: false,
            long_lines: 0,
            fifos: BTreeMap::new(),
            fifos_changed: false,
            unread_files: 0,
        }
    }

    /// Begins to follow the file at `path`, or the files that the pattern `path` matches now and later.
    ///
    /// What is there to read comes with the next [`Files::ready`]. `start` says for each file where to begin,
    /// `date` when a line was written. A file that does not exist is waited for; it will then be read from its beginning, as something new.
    ///
    /// # Errors
    ///
    /// Where a file exists and cannot be read.
    pub fn add(
        &mut self,
        now: Timestamp,
        reader: ReaderId,
        path: &Path,
        options: FollowOptions,
        start: &mut dyn FnMut(&Path) -> Start,
        date: &mut dyn FnMut(&[u8]) -> Option<Timestamp>,
    ) -> io::Result<Vec<Added>> {
        if !glob::is_pattern(path) || self.disk.is_file(path) {
            let start = start(path);
            return Ok(vec![self.add_file(now, reader, path, options, &start, date)?]);
        }
        let expansion = glob::expand(&self.disk, path);
        let mut added = Vec::new();
        for file in expansion.files {
            let key = (file, options.line_break);
            let known = self.followers.get(&key);
            if known.is_some_and(|follower| follower.has(reader)) {
                continue;
            }
            let start = start(&key.0);
            added.push(self.add_file(now, reader, &key.0, options, &start, date)?);
            self.mark_found(reader, &key);
        }
        self.patterns.push(Pattern {
            path: path.to_owned(),
            reader,
            options,
            directories: Vec::new(),
            places: Vec::new(),
            polled: options.polling,
            cut_told: false,
        });
        self.stale_patterns = true;
        Ok(added)
    }

    /// Like [`Files::add`] for one file, whose name may have the characters of patterns in it.
    ///
    /// # Errors
    ///
    /// Where it exists and cannot be read.
    pub fn add_file(
        &mut self,
        now: Timestamp,
        reader: ReaderId,
        path: &Path,
        options: FollowOptions,
        start: &Start,
        date: &mut dyn FnMut(&[u8]) -> Option<Timestamp>,
    ) -> io::Result<Added> {
        let key = (path.to_owned(), options.line_break);
        let open = if self.note_fifo(&key) {
            None
        } else {
            match LogFile::at(&self.disk, path, options.line_break) {
                Ok(open) => Some(open),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            }
        };
        // Others may follow what had the name before and not have noticed; then the name is theirs to look at first,
        // or this reader would be given what they read.
        let known = self.followers.get(&key);
        let known = known.and_then(|follower| follower.current.as_ref());
        let identity = open.as_ref().map(|open| open.identity);
        if known.is_some_and(|known| Some(known.identity) != identity) {
            self.look_again(&key, now, &mut |_| {});
            self.changed.insert(key.clone());
        }
        let mut added = Added {
            path: path.to_owned(),
            position: LogPosition {
                hash: String::new(),
                offset: 0,
            },
            absent: open.is_none() && !self.disk.is_null(path),
        };
        let mut at = Reader::new(reader, 0, true);
        if let Some(open) = &open {
            added.position.hash.clone_from(&open.hash);
            at = match start {
                // What has no lines has none to begin with.
                _ if open.refused().is_some() => Reader::new(reader, 0, true),
                Start::Tail => Reader::new(reader, open.unfinished_line()?, true),
                Start::Head { stored, since } => {
                    let end = open.size()?;
                    let from = stored
                        .as_ref()
                        .filter(|stored| stored.hash == open.hash && stored.offset <= end)
                        .map_or(0, |stored| options.line_break.align(stored.offset));
                    added.position.offset = from;
                    let first = first_line_since(&open.file, from, end, options.line_break, *since, date)?;
                    // What comes after the end is being written now.
                    Reader::new(reader, first, first >= end)
                }
            };
            if matches!(start, Start::Tail) {
                added.position.offset = at.offset;
            }
        }
        let follower = self.followers.entry(key.clone()).or_insert_with(|| Follower {
            current: None,
            readers: Vec::new(),
            retired: Vec::new(),
            places: Vec::new(),
            polling: false,
            unwatched: false,
            remote_told: false,
            absence_told: true,
            open_error_told: false,
            meter: Meter::default(),
        });
        follower.polling |= options.polling;
        match follower.readers.iter_mut().find(|known| known.id == reader) {
            // It goes on where it is, and what a pattern has found is now there by its name.
            Some(known) => known.named = true,
            None => follower.readers.push(at),
        }
        self.fifos_changed |= self.fifos.contains_key(&key);
        if follower.current.is_none() {
            follower.absence_told = open.is_none();
            follower.current = open;
        }
        self.suspects.insert(key);
        Ok(added)
    }

    /// Stops following `path` for `reader`; whether it did.
    pub fn remove_file(&mut self, reader: ReaderId, path: &Path) -> bool {
        let gone: Vec<Pattern> = self
            .patterns
            .extract_if(.., |pattern| pattern.reader == reader && pattern.path == path)
            .collect();
        for watch in gone.iter().flat_map(Pattern::watches) {
            self.release(watch);
        }
        let found_by =
            |pattern: &Pattern, file: &Path| pattern.reader == reader && glob::covers(&pattern.path, file);
        let keys: Vec<FileKey> = self
            .followers
            .iter()
            .filter(|((known, _), follower)| {
                let is_named = follower.reader(reader).map(|known| known.named);
                match is_named {
                    Some(true) => known == path,
                    // It was found by a pattern, and goes with the last one that finds it.
                    Some(false) => {
                        gone.iter().any(|pattern| found_by(pattern, known))
                            && !self.patterns.iter().any(|pattern| found_by(pattern, known))
                    }
                    None => false,
                }
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in &keys {
            self.remove_reader_from(reader, key);
        }
        !keys.is_empty() || !gone.is_empty()
    }

    /// Stops following everything for `reader`.
    pub fn remove_reader(&mut self, reader: ReaderId) {
        let gone: Vec<Pattern> = self
            .patterns
            .extract_if(.., |pattern| pattern.reader == reader)
            .collect();
        self.forget_reader(reader);
        for watch in gone.iter().flat_map(Pattern::watches) {
            self.release(watch);
        }
        let keys: Vec<FileKey> = self
            .followers
            .iter()
            .filter(|(_, follower)| follower.has(reader))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &keys {
            self.remove_reader_from(reader, key);
        }
    }

    /// Has `reader` read nothing more, or go on where it was.
    pub fn set_idle(&mut self, reader: ReaderId, idle: bool) {
        for (key, follower) in &mut self.followers {
            let retired = follower
                .retired
                .iter_mut()
                .flat_map(|retired| &mut retired.readers);
            for known in follower.readers.iter_mut().chain(retired) {
                if known.id == reader {
                    self.fifos_changed |= known.idle != idle;
                    known.idle = idle;
                    self.changed.insert(key.clone());
                }
            }
        }
    }

    /// The files that `reader` follows, in the order of their names.
    #[must_use]
    pub fn paths(&self, reader: ReaderId) -> Vec<&Path> {
        self.followers
            .iter()
            .filter(|(_, follower)| follower.has(reader))
            .map(|((path, _), _)| path.as_path())
            .collect()
    }

    /// How far `reader` has read each of its files that exist.
    #[must_use]
    pub fn positions(&self, reader: ReaderId) -> Vec<(&Path, LogPosition)> {
        self.followers
            .iter()
            .filter_map(|((path, _), follower)| {
                let known = follower.readers.iter().find(|known| known.id == reader)?;
                let position = LogPosition {
                    hash: follower.current.as_ref()?.hash.clone(),
                    offset: known.position(),
                };
                Some((path.as_path(), position))
            })
            .collect()
    }

    /// Counts lines of a file that were delivered, and those of them that were cut.
    pub fn count(&mut self, now: Timestamp, path: &Path, line_break: LineBreak, lines: u64, cut: u64) {
        if let Some(follower) = self.followers.get_mut(&(path.to_owned(), line_break)) {
            follower.meter.count(now, lines);
            follower.meter.count_dropped(cut);
        }
    }

    /// How all that is followed is doing, the patterns last.
    #[must_use]
    pub fn statuses(&self, now: Timestamp) -> Vec<SourceStatus> {
        // A pipe must not be opened to be looked at; whoever reads it says how it is doing.
        let files = self
            .followers
            .iter()
            .filter(|(key, _)| !self.fifos.contains_key(*key));
        let mut statuses: Vec<SourceStatus> = files
            .map(|((path, line_break), follower)| follower.status(&self.disk, path, *line_break, now))
            .collect();
        let mut patterns: BTreeMap<&Path, Vec<ReaderId>> = BTreeMap::new();
        for pattern in &self.patterns {
            patterns.entry(&pattern.path).or_default().push(pattern.reader);
        }
        for (path, readers) in patterns {
            let expansion = glob::expand(&self.disk, path);
            let is_followed = |file: &&PathBuf| self.followers.keys().any(|(followed, _)| followed == *file);
            let unreadable = expansion.files.iter().filter(|file| !is_followed(file));
            let mut unreadable = unreadable.filter_map(|file| {
                let error = LogFile::at(&self.disk, file, LineBreak::Byte).err()?;
                Some(format!("{}: {}", file.display(), trouble(&error)))
            });
            let state = if expansion.files.is_empty() {
                SourceState::Waiting("no file matches it yet".to_owned())
            } else if let Some(reason) = unreadable.next() {
                SourceState::Failing(reason)
            } else if expansion.cut {
                let limit = glob::MATCH_LIMIT;
                SourceState::Failing(format!(
                    "it matches more than {limit} files, and the others are not followed; name fewer"
                ))
            } else {
                SourceState::Following
            };
            let mut status = SourceStatus::new(SourceKind::Pattern, path.display().to_string(), state);
            status.readers = readers;
            status.matches = expansion
                .files
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            statuses.push(status);
        }
        statuses
    }

    /// How many lines were longer than [`LINE_LIMIT`] and cut.
    #[must_use]
    pub const fn long_lines(&self) -> u64 {
        self.long_lines
    }

    /// How many files lost their names, one after the other, before they could be read to their ends.
    #[must_use]
    pub const fn unread_files(&self) -> u64 {
        self.unread_files
    }

    /// What to wait for; none where the kernel has no inotify to give.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.disk.fd()
    }

    /// Whether the kernel has inotify to give; otherwise all files are looked at every half second.
    #[must_use]
    pub fn are_told_of(&self) -> bool {
        self.disk.tells()
    }

    /// When [`Files::ready`] has something to do although the descriptor is silent.
    #[must_use]
    pub fn next_wakeup(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.changed.is_empty() || !self.suspects.is_empty() || self.stale_patterns {
            return Some(now);
        }
        let retired = self
            .followers
            .values()
            .flat_map(|follower| &follower.retired)
            .map(|retired| retired.until);
        self.poll_at.into_iter().chain(retired).min()
    }

    /// Notices what has changed and reads it, up to a limit; what is left over comes with the next call.
    pub fn ready(&mut self, now: Timestamp, deliver: &mut impl FnMut(Event<'_>)) {
        self.ready_where(&|_| true, now, deliver);
    }

    /// The same, reading only those files of which that is said; what is in the others comes with a later call.
    pub(crate) fn ready_where(
        &mut self,
        may_read: &dyn Fn(&Path) -> bool,
        now: Timestamp,
        deliver: &mut impl FnMut(Event<'_>),
    ) {
        self.take_events(deliver);
        self.poll(now);
        if self.stale_patterns {
            self.look_for_new_files(now, deliver);
        }
        // Looking at one name may tell something of another one. What comes after that waits for the next call.
        for _ in 0..2 {
            for key in std::mem::take(&mut self.suspects) {
                self.look_again(&key, now, deliver);
                self.changed.insert(key);
            }
        }
        self.find_moved(now, deliver);
        self.read(may_read, now, deliver);
        self.drop_retired(now, deliver);
        self.drop_vanished(deliver);
        let soonest = now.plus_micros(POLL_MICROS);
        self.poll_at = self.needs_polling().then(|| self.poll_at.unwrap_or(soonest));
    }

    /// Reads the files that have changed, each its share, until the budget is spent.
    fn read(
        &mut self,
        may_read: &dyn Fn(&Path) -> bool,
        now: Timestamp,
        deliver: &mut impl FnMut(Event<'_>),
    ) {
        if self.changed.is_empty() {
            return;
        }
        if self.buffer.is_empty() {
            // Fresh memory from the kernel: of this megabyte only what is read into takes any.
            self.buffer = vec![0; LINE_LIMIT];
        }
        let mut budget = READ_BUDGET;
        let mut more = BTreeSet::new();
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut long_lines = 0;
        // Whoever comes after the one that was served last comes first, or the first names would have it all.
        let mut keys: Vec<FileKey> = std::mem::take(&mut self.changed).into_iter().collect();
        if let Some(served) = self.served.take() {
            let next = keys.partition_point(|key| *key <= served);
            keys.rotate_left(next);
        }
        let mut served = None;
        for key in keys {
            if budget == 0 || !may_read(&key.0) {
                more.insert(key);
                continue;
            }
            let Some(follower) = self.followers.get_mut(&key) else {
                continue;
            };
            let mut share = FILE_SHARE.min(budget);
            let given = share;
            let pass = follower.read(&key.0, now, &mut buffer, &mut share, &mut |event| {
                if let Event::Lines(block) = &event
                    && block.truncated
                {
                    long_lines += 1;
                }
                deliver(event);
            });
            budget -= given - share;
            served = Some(key.clone());
            if pass == Pass::More {
                more.insert(key);
            }
        }
        self.long_lines += long_lines;
        if !more.is_empty() {
            self.served = served;
        }
        self.changed.append(&mut more);
        self.buffer = buffer;
    }

    /// Takes note of whether a name stands for a pipe now.
    fn note_fifo(&mut self, key: &FileKey) -> bool {
        let fifo = self.disk.fifo(&key.0);
        let known = match fifo {
            Some(identity) => self.fifos.insert(key.clone(), identity),
            None => self.fifos.remove(key),
        };
        self.fifos_changed |= known != fifo;
        fifo.is_some()
    }

    /// Whether a name that is followed stands for a pipe.
    #[must_use]
    pub fn is_fifo(&self, path: &Path) -> bool {
        self.fifos.keys().any(|(known, _)| known == path)
    }

    /// The names that stand for a pipe, with what is to be known to read it; nothing where that is as it was.
    pub fn changed_fifos(&mut self) -> Option<Vec<Named<'_>>> {
        if !std::mem::take(&mut self.fifos_changed) {
            return None;
        }
        let named = self.fifos.iter().filter_map(|(key, identity)| {
            let readers = &self.followers.get(key)?.readers;
            Some(Named {
                path: &key.0,
                line_break: key.1,
                identity: *identity,
                readers: readers.iter().map(|reader| (reader.id, !reader.idle)).collect(),
            })
        });
        Some(named.collect())
    }

    fn remove_reader_from(&mut self, reader: ReaderId, key: &FileKey) {
        self.fifos_changed |= self.fifos.contains_key(key);
        let Some(follower) = self.followers.get_mut(key) else {
            return;
        };
        follower.readers.retain(|known| known.id != reader);
        for retired in &mut follower.retired {
            retired.readers.retain(|known| known.id != reader);
        }
        if !follower.readers.is_empty() {
            return;
        }
        if let Some(follower) = self.followers.remove(key) {
            let places = follower.places.iter().map(|(watch, _)| *watch);
            for watch in follower.watches().chain(places) {
                self.release(watch);
            }
        }
        self.suspects.remove(key);
        self.changed.remove(key);
        self.fifos.remove(key);
    }

    /// How much is watched, for tests of the invariant.
    #[cfg(test)]
    fn watched(&self) -> usize {
        self.watches.len()
    }
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
