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

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use stockade_datetime::Timestamp;
use stockade_sys::{ReadFlags, Watch, WatchFlags, inotify};

use super::disk::{Disk, Identity, Readable, System};
use super::follower::{LogFile, Pass, Reader};
use super::{Event, LINE_LIMIT, LineBreak, ReaderId, first_line_since, glob};
use crate::log::Level;
use crate::store::LogPosition;

/// How much is read in one call of [`Files::ready`], so that commands and expiries get their turn.
const READ_BUDGET: usize = 16 * LINE_LIMIT;

/// How much of that one file may take before the others have theirs.
const FILE_SHARE: usize = 4 * LINE_LIMIT;

/// How often files are looked at that the kernel tells nothing about. The reference takes up to 0.8 seconds.
const POLL_SECONDS: i64 = 1;
const POLL_MICROS: i64 = POLL_SECONDS * 1_000_000 / 2;

/// How long a file is still read after it was renamed or removed: until its writer has noticed, which
/// `logrotate` and friends tell it within seconds.
const RETIRED_SECONDS: i64 = 60;

/// How many such files one name may have.
const RETIRED_LIMIT: usize = 4;

const FILTER: &str = "fail2ban.filter";
const WATCHER: &str = "fail2ban.filterpyinotify";

/// Everything that is followed.
pub struct Files<D: Disk = System> {
    disk: D,
    followers: BTreeMap<FileKey, Follower<D>>,
    patterns: Vec<Pattern>,
    watches: BTreeMap<Watch, Watched>,
    /// Names to look at again, and files to read.
    suspects: BTreeSet<FileKey>,
    changed: BTreeSet<FileKey>,
    stale_patterns: bool,
    poll_at: Option<Timestamp>,
    buffer: Vec<u8>,
    events: Vec<inotify::Event>,
    told_no_watches: bool,
    long_lines: u64,
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

struct Follower<D: Disk> {
    current: Option<LogFile<D::File>>,
    readers: Vec<Reader>,
    /// Files that had the name before and may still be written to.
    retired: Vec<Retired<D>>,
    /// The directories in which something may happen to the name, with the names to look for.
    places: Vec<(Watch, OsString)>,
    polling: bool,
    /// The kernel tells nothing about the file system, or has no watch left.
    unwatched: bool,
    absence_told: bool,
    open_error_told: bool,
}

struct Retired<D: Disk> {
    open: LogFile<D::File>,
    readers: Vec<Reader>,
    until: Timestamp,
}

struct Pattern {
    path: PathBuf,
    reader: ReaderId,
    options: FollowOptions,
    directories: Vec<Watch>,
    cut_told: bool,
}

struct Watched {
    is_directory: bool,
    users: usize,
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
            changed: BTreeSet::new(),
            stale_patterns: false,
            poll_at: None,
            buffer: Vec::new(),
            events: Vec::new(),
            told_no_watches: false,
            long_lines: 0,
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
            let start = start(&file);
            added.push(self.add_file(now, reader, &file, options, &start, date)?);
        }
        self.patterns.push(Pattern {
            path: path.to_owned(),
            reader,
            options,
            directories: Vec::new(),
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
        let open = match LogFile::at(&self.disk, path, options.line_break) {
            Ok(open) => Some(open),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let key = (path.to_owned(), options.line_break);
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
            absent: open.is_none(),
        };
        let mut at = Reader::new(reader, 0, true);
        if let Some(open) = &open {
            added.position.hash.clone_from(&open.hash);
            at = match start {
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
            absence_told: true,
            open_error_told: false,
        });
        follower.polling |= options.polling;
        follower.readers.retain(|known| known.id != reader);
        follower.readers.push(at);
        if follower.current.is_none() {
            follower.absence_told = open.is_none();
            follower.current = open;
        }
        self.suspects.insert(key);
        Ok(added)
    }

    /// Stops following `path` for `reader`; whether it did.
    pub fn remove_file(&mut self, reader: ReaderId, path: &Path) -> bool {
        let patterns = self.patterns.len();
        let gone: Vec<Pattern> = self
            .patterns
            .extract_if(.., |pattern| pattern.reader == reader && pattern.path == path)
            .collect();
        for watch in gone.iter().flat_map(|pattern| &pattern.directories) {
            self.release(*watch);
        }
        let keys: Vec<FileKey> = self
            .followers
            .iter()
            .filter(|((known, _), follower)| known == path && follower.has(reader))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &keys {
            self.remove_reader_from(reader, key);
        }
        !keys.is_empty() || patterns != self.patterns.len()
    }

    /// Stops following everything for `reader`.
    pub fn remove_reader(&mut self, reader: ReaderId) {
        let paths: BTreeSet<PathBuf> = self
            .followers
            .iter()
            .filter(|(_, follower)| follower.has(reader))
            .map(|((path, _), _)| path.clone())
            .chain(
                self.patterns
                    .iter()
                    .filter(|pattern| pattern.reader == reader)
                    .map(|pattern| pattern.path.clone()),
            )
            .collect();
        for path in paths {
            self.remove_file(reader, &path);
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

    /// How many lines were longer than [`LINE_LIMIT`] and cut.
    #[must_use]
    pub const fn long_lines(&self) -> u64 {
        self.long_lines
    }

    /// What to wait for; none where the kernel has no inotify to give.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.disk.fd()
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
        self.read(now, deliver);
        self.drop_retired(now);
        let soonest = now.plus_micros(POLL_MICROS);
        self.poll_at = self.needs_polling().then(|| self.poll_at.unwrap_or(soonest));
    }

    /// Reads the files that have changed, each its share, until the budget is spent.
    fn read(&mut self, now: Timestamp, deliver: &mut impl FnMut(Event<'_>)) {
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
        for key in std::mem::take(&mut self.changed) {
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
            if pass == Pass::More {
                more.insert(key);
            }
        }
        self.long_lines += long_lines;
        self.changed.append(&mut more);
        self.buffer = buffer;
    }

    fn take_events(&mut self, deliver: &mut impl FnMut(Event<'_>)) {
        let mut events = std::mem::take(&mut self.events);
        if let Err(error) = self.disk.changes(&mut events) {
            say(
                deliver,
                Level::ERROR,
                WATCHER,
                format!("Error reading the events of log files: {error}"),
            );
        }
        let mut written = BTreeSet::new();
        for event in events.drain(..) {
            match event.watch {
                Some(watch) if event.flags == ReadFlags::MODIFY => drop(written.insert(watch)),
                Some(_) | None => self.note(&event),
            }
        }
        self.events = events;
        if !written.is_empty() {
            for (key, follower) in &self.followers {
                if follower.watches().any(|watch| written.contains(&watch)) {
                    self.changed.insert(key.clone());
                }
            }
        }
    }

    /// Marks what one event concerns.
    fn note(&mut self, event: &inotify::Event) {
        let Some(watch) = event
            .watch
            .filter(|_| !event.flags.contains(ReadFlags::QUEUE_OVERFLOW))
        else {
            // Events were lost, so anything may have happened.
            self.suspects.extend(self.followers.keys().cloned());
            self.stale_patterns = true;
            return;
        };
        let Some(watched) = self.watches.get(&watch) else {
            return;
        };
        let is_directory = watched.is_directory;
        let gone = event.flags.intersects(
            ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT,
        );
        for (key, follower) in &self.followers {
            if is_directory {
                let concerned = follower
                    .places
                    .iter()
                    .any(|(place, name)| *place == watch && (gone || event.name.as_ref() == Some(name)));
                if concerned {
                    self.suspects.insert(key.clone());
                }
            } else if follower.watches().any(|known| known == watch) {
                self.changed.insert(key.clone());
                if gone {
                    self.suspects.insert(key.clone());
                }
            }
        }
        if is_directory
            && self
                .patterns
                .iter()
                .any(|pattern| pattern.directories.contains(&watch))
        {
            self.stale_patterns = true;
        }
        if event.flags.contains(ReadFlags::IGNORED) {
            self.forget_watch(watch);
        } else if is_directory && event.flags.contains(ReadFlags::MOVE_SELF) {
            // The watch goes with the directory; its name is another one now.
            self.disk.unwatch(watch);
            self.forget_watch(watch);
        }
    }

    /// A watch is gone in the kernel; whoever had it gets another one when its name is looked at.
    fn forget_watch(&mut self, watch: Watch) {
        self.watches.remove(&watch);
        for follower in self.followers.values_mut() {
            follower.places.retain(|(place, _)| *place != watch);
            for open in follower.open_files() {
                if open.watch == Some(watch) {
                    open.watch = None;
                }
            }
        }
        for pattern in &mut self.patterns {
            pattern.directories.retain(|known| *known != watch);
        }
    }

    fn poll(&mut self, now: Timestamp) {
        let soonest = now.plus_micros(POLL_MICROS);
        // It is due as well where the clock was set back: that must not leave the files alone for long.
        if self.poll_at.is_none_or(|at| at > now && at <= soonest) {
            return;
        }
        self.poll_at = None;
        for (key, follower) in &self.followers {
            if follower.is_polled() || !self.disk.tells() {
                self.suspects.insert(key.clone());
            }
        }
        self.stale_patterns |= !self.disk.tells() && !self.patterns.is_empty();
    }

    fn needs_polling(&self) -> bool {
        let follows = !self.followers.is_empty() || !self.patterns.is_empty();
        let without = !self.disk.tells() && follows;
        without || self.followers.values().any(Follower::is_polled)
    }

    /// Looks at what a name stands for now, and watches the way to it.
    fn look_again(&mut self, key: &FileKey, now: Timestamp, deliver: &mut impl FnMut(Event<'_>)) {
        self.watch_the_way(key, deliver);
        let (path, line_break) = key;
        let opened = self.disk.identity(path).and_then(|identity| {
            let known = self
                .followers
                .get(key)
                .and_then(|follower| follower.current.as_ref());
            if known.is_some_and(|open| open.identity == identity) {
                return Ok(None);
            }
            LogFile::at(&self.disk, path, *line_break).map(Some)
        });
        let elsewhere = match &opened {
            Ok(Some(open)) => self.take_over(key, open.identity, now, deliver),
            Ok(None) | Err(_) => Vec::new(),
        };
        let Some(follower) = self.followers.get_mut(key) else {
            return;
        };
        match opened {
            Ok(None) => follower.open_error_told = false,
            Ok(Some(open)) => {
                follower.open_error_told = false;
                follower.replace(path, open, &elsewhere, now, deliver);
            }
            Err(error) => {
                follower.retire(now);
                // Where it is there and only cannot be opened, nothing would tell when that has changed.
                follower.unwatched |= error.kind() != io::ErrorKind::NotFound;
                if error.kind() != io::ErrorKind::NotFound && !follower.open_error_told {
                    follower.open_error_told = true;
                    let text = format!("Unable to open {}", path.display());
                    say_unreadable(deliver, path, text);
                }
                follower.note_absence(path, deliver);
            }
        }
        self.watch_file(key, deliver);
    }

    /// Takes the file from other names that have lost it, with how far it was read there: a renamed log that
    /// another name or a pattern covers is not read again, and its last lines not twice.
    fn take_over(
        &mut self,
        key: &FileKey,
        identity: Identity,
        now: Timestamp,
        deliver: &mut impl FnMut(Event<'_>),
    ) -> Vec<(ReaderId, u64)> {
        let others: Vec<FileKey> = self
            .followers
            .iter()
            .filter(|(other, follower)| {
                *other != key
                    && other.1 == key.1
                    && follower
                        .current
                        .as_ref()
                        .is_some_and(|open| open.identity == identity)
            })
            .map(|(other, _)| other.clone())
            .collect();
        for other in others {
            // What the other name stands for may not have been noticed yet.
            let known = self.followers.get_mut(&other);
            let is_same = self.disk.identity(&other.0).is_ok_and(|known| known == identity);
            if let Some(follower) = known
                && !is_same
            {
                follower.note_absence(&other.0, deliver);
                follower.retire(now);
                self.suspects.insert(other);
            }
        }
        let mut taken = Vec::new();
        let mut unused = Vec::new();
        for ((path, line_break), follower) in &mut self.followers {
            for retired in &mut follower.retired {
                if *line_break == key.1 && path != &key.0 && retired.open.identity == identity {
                    taken.extend(
                        retired
                            .readers
                            .iter()
                            .map(|reader| (reader.id, reader.position())),
                    );
                    retired.readers.clear();
                }
            }
            unused.extend(
                follower
                    .retired
                    .extract_if(.., |retired| retired.readers.is_empty())
                    .filter_map(|retired| retired.open.watch),
            );
        }
        for watch in unused {
            self.release(watch);
        }
        taken
    }

    /// Watches the directories in which something can happen to the name of a file.
    fn watch_the_way(&mut self, key: &FileKey, deliver: &mut impl FnMut(Event<'_>)) {
        if !self.disk.tells() {
            return;
        }
        let old: Vec<Watch> = self
            .followers
            .get(key)
            .map(|follower| follower.places.iter().map(|(watch, _)| *watch).collect())
            .unwrap_or_default();
        let mut places: Vec<(Watch, OsString)> = Vec::new();
        let mut failed = false;
        // A directory can appear or go between the look and the watch; a second look finds the same then.
        for _ in 0..3 {
            let wanted = way_to(&self.disk, &key.0);
            let mut watched: Vec<(Watch, OsString)> = Vec::new();
            failed = false;
            for (directory, name) in &wanted {
                match self.watch(directory, true, deliver) {
                    Some(watch) => watched.push((watch, name.clone())),
                    None => failed = true,
                }
            }
            for (watch, _) in std::mem::replace(&mut places, watched) {
                self.release(watch);
            }
            if way_to(&self.disk, &key.0) == wanted {
                break;
            }
        }
        for watch in old {
            self.release(watch);
        }
        match self.followers.get_mut(key) {
            Some(follower) => {
                follower.places = places;
                follower.unwatched = failed || self.disk.is_remote(&key.0);
            }
            None => {
                for (watch, _) in places {
                    self.release(watch);
                }
            }
        }
    }

    /// Watches the file itself, once it is open.
    fn watch_file(&mut self, key: &FileKey, deliver: &mut impl FnMut(Event<'_>)) {
        let needed = self
            .followers
            .get(key)
            .and_then(|follower| follower.current.as_ref())
            .is_some_and(|open| open.watch.is_none());
        if !needed || !self.disk.tells() {
            return;
        }
        let watch = self.watch(&key.0, false, deliver);
        if let Some(follower) = self.followers.get_mut(key) {
            follower.unwatched |= watch.is_none();
            if let Some(open) = &mut follower.current {
                open.watch = watch;
            }
        }
    }

    fn watch(
        &mut self,
        path: &Path,
        is_directory: bool,
        deliver: &mut impl FnMut(Event<'_>),
    ) -> Option<Watch> {
        let flags = if is_directory {
            WatchFlags::CREATE
                | WatchFlags::MOVED_TO
                | WatchFlags::MOVED_FROM
                | WatchFlags::DELETE
                | WatchFlags::ATTRIB
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR
        } else {
            WatchFlags::MODIFY | WatchFlags::MOVE_SELF
        };
        if !self.disk.tells() {
            return None;
        }
        match self.disk.watch(path, flags) {
            Ok(watch) => {
                let watched = self.watches.entry(watch).or_insert_with(|| Watched {
                    is_directory,
                    users: 0,
                });
                watched.users += 1;
                Some(watch)
            }
            Err(error) => {
                let out_of_watches = error.raw_os_error() == Some(rustix::io::Errno::NOSPC.raw_os_error());
                if out_of_watches && !self.told_no_watches {
                    self.told_no_watches = true;
                    say(
                        deliver,
                        Level::WARNING,
                        WATCHER,
                        format!(
                            "No watch left for {}: raise fs.inotify.max_user_watches; until then it is polled",
                            path.display()
                        ),
                    );
                }
                None
            }
        }
    }

    fn release(&mut self, watch: Watch) {
        let Some(watched) = self.watches.get_mut(&watch) else {
            return;
        };
        watched.users = watched.users.saturating_sub(1);
        if watched.users == 0 {
            self.watches.remove(&watch);
            self.disk.unwatch(watch);
        }
    }

    fn look_for_new_files(&mut self, now: Timestamp, deliver: &mut impl FnMut(Event<'_>)) {
        self.stale_patterns = false;
        for index in 0..self.patterns.len() {
            let Some(pattern) = self.patterns.get(index) else {
                break;
            };
            let (path, reader, options) = (pattern.path.clone(), pattern.reader, pattern.options);
            // The watches come first: what appears after the look is told by them.
            let before = glob::expand(&self.disk, &path).directories;
            let watched: Vec<Watch> = before
                .iter()
                .filter_map(|directory| self.watch(directory, true, deliver))
                .collect();
            let expansion = glob::expand(&self.disk, &path);
            self.stale_patterns |= expansion.directories != before;
            if let Some(pattern) = self.patterns.get_mut(index) {
                if expansion.cut && !pattern.cut_told {
                    pattern.cut_told = true;
                    say(
                        deliver,
                        Level::WARNING,
                        FILTER,
                        format!(
                            "{} matches more than {} files; the others are not followed",
                            path.display(),
                            glob::MATCH_LIMIT
                        ),
                    );
                }
                for watch in std::mem::replace(&mut pattern.directories, watched) {
                    self.release(watch);
                }
            }
            for file in expansion.files {
                let key = (file, options.line_break);
                if self
                    .followers
                    .get(&key)
                    .is_some_and(|follower| follower.has(reader))
                {
                    continue;
                }
                self.adopt(&key, reader, options, now, deliver);
            }
        }
    }

    /// Follows a file that a pattern has newly matched, from where its reader knows it.
    fn adopt(
        &mut self,
        key: &FileKey,
        reader: ReaderId,
        options: FollowOptions,
        now: Timestamp,
        deliver: &mut impl FnMut(Event<'_>),
    ) {
        let Ok(identity) = self.disk.identity(&key.0) else {
            return;
        };
        let offset = self
            .take_over(key, identity, now, deliver)
            .iter()
            .find(|(known, _)| *known == reader)
            .map_or(0, |(_, offset)| *offset);
        let start = Start::Head {
            stored: None,
            since: Timestamp::MAX,
        };
        // Nothing has a date here, so nothing is searched for and reading begins at the beginning.
        if self
            .add_file(now, reader, &key.0, options, &start, &mut |_| None)
            .is_err()
        {
            return;
        }
        if let Some(known) = self
            .followers
            .get_mut(key)
            .and_then(|follower| follower.readers.iter_mut().find(|known| known.id == reader))
        {
            known.offset = offset;
            known.in_operation = true;
        }
        deliver(Event::Appeared { reader, path: &key.0 });
    }

    fn drop_retired(&mut self, now: Timestamp) {
        let mut gone = Vec::new();
        for follower in self.followers.values_mut() {
            let over = |retired: &mut Retired<D>| {
                // Where the clock was set back, it is read no longer than it would be had it just lost its name.
                retired.until = retired.until.min(now.plus_seconds(RETIRED_SECONDS));
                retired.until <= now
            };
            gone.extend(
                follower
                    .retired
                    .extract_if(.., |retired| over(retired))
                    .filter_map(|retired| retired.open.watch),
            );
            let surplus = follower.retired.len().saturating_sub(RETIRED_LIMIT);
            gone.extend(
                follower
                    .retired
                    .drain(..surplus)
                    .filter_map(|retired| retired.open.watch),
            );
        }
        for watch in gone {
            self.release(watch);
        }
    }

    fn remove_reader_from(&mut self, reader: ReaderId, key: &FileKey) {
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

impl<D: Disk> Follower<D> {
    fn has(&self, reader: ReaderId) -> bool {
        self.readers.iter().any(|known| known.id == reader)
    }

    /// Whether the kernel does not tell of all that happens to it.
    fn is_polled(&self) -> bool {
        // A file that lost its name before it was watched has none to be watched by.
        let is_untold = |retired: &Retired<D>| retired.open.watch.is_none();
        self.polling || self.unwatched || self.retired.iter().any(is_untold)
    }

    fn open_files(&mut self) -> impl Iterator<Item = &mut LogFile<D::File>> {
        self.current
            .iter_mut()
            .chain(self.retired.iter_mut().map(|retired| &mut retired.open))
    }

    /// The watches of its files.
    fn watches(&self) -> impl Iterator<Item = Watch> {
        self.current
            .iter()
            .chain(self.retired.iter().map(|retired| &retired.open))
            .filter_map(|open| open.watch)
    }

    /// The name stands for another file now: what is left of the old one is read first.
    fn replace(
        &mut self,
        path: &Path,
        open: LogFile<D::File>,
        elsewhere: &[(ReaderId, u64)],
        now: Timestamp,
        deliver: &mut impl FnMut(Event<'_>),
    ) {
        if self.absence_told {
            self.absence_told = false;
            say(
                deliver,
                Level::MSG,
                WATCHER,
                format!("Log presence detected for file {}", path.display()),
            );
        }
        // A file that was moved away and back again is the one it was.
        if let Some(index) = self
            .retired
            .iter()
            .position(|retired| retired.open.identity == open.identity)
        {
            let back = self.retired.remove(index);
            self.retire(now);
            for known in back.readers {
                if let Some(reader) = self.readers.iter_mut().find(|reader| reader.id == known.id) {
                    *reader = known;
                }
            }
            self.current = Some(back.open);
            return;
        }
        if let Some(old) = &self.current {
            let position = self.readers.iter().map(Reader::position).max().unwrap_or(0);
            say(
                deliver,
                Level::MSG,
                FILTER,
                rotation(path, &open, position, old.identity.inode, &old.hash),
            );
        }
        self.retire(now);
        for reader in &mut self.readers {
            let known = elsewhere.iter().find(|(id, _)| *id == reader.id);
            *reader = Reader {
                idle: reader.idle,
                told: reader.told,
                ..Reader::new(reader.id, known.map_or(0, |(_, offset)| *offset), true)
            };
        }
        self.current = Some(open);
    }

    fn note_absence(&mut self, path: &Path, deliver: &mut impl FnMut(Event<'_>)) {
        if !self.absence_told {
            self.absence_told = true;
            let path = path.display();
            say(
                deliver,
                Level::MSG,
                WATCHER,
                format!("Log absence detected (possibly rotation) for {path}, reason: IN_IGNORED of {path}"),
            );
        }
    }

    /// The file has lost its name; it is read a while longer.
    fn retire(&mut self, now: Timestamp) {
        if let Some(open) = self.current.take() {
            let mut readers = self.readers.clone();
            // That the end is reached is told once, when what has the name now is read.
            readers.iter_mut().for_each(|reader| reader.told = true);
            self.retired.push(Retired {
                open,
                readers,
                until: now.plus_seconds(RETIRED_SECONDS),
            });
            for reader in &mut self.readers {
                reader.offset = 0;
                reader.passing = None;
                reader.in_operation = true;
            }
        }
    }

    /// Reads what there is: first of the files that had the name before.
    fn read(
        &mut self,
        path: &Path,
        now: Timestamp,
        buffer: &mut [u8],
        share: &mut usize,
        deliver: &mut dyn FnMut(Event<'_>),
    ) -> Pass {
        for retired in &mut self.retired {
            let was = retired.readers.iter().map(|reader| reader.offset).max();
            // It may have been emptied just before it lost its name.
            let outcome =
                notice_rotation(path, &mut retired.open, &mut retired.readers, deliver).and_then(|()| {
                    retired
                        .open
                        .read(path, &mut retired.readers, buffer, share, deliver)
                });
            match outcome {
                Ok(Pass::More) => return Pass::More,
                Ok(Pass::End) => {}
                // Its name is gone already; so is what cannot be read any more.
                Err(_) => retired.until = now,
            }
            if retired.readers.iter().map(|reader| reader.offset).max() != was {
                retired.until = now.plus_seconds(RETIRED_SECONDS);
            }
        }
        tell_of_operation(path, &mut self.readers, deliver);
        let Some(open) = &mut self.current else {
            return Pass::End;
        };
        let outcome = notice_rotation(path, open, &mut self.readers, deliver)
            .and_then(|()| open.read(path, &mut self.readers, buffer, share, deliver));
        let pass = match outcome {
            Ok(pass) => pass,
            Err(error) => {
                if !self.open_error_told {
                    self.open_error_told = true;
                    let text = format!("Unable to read {}: {error}", path.display());
                    say_unreadable(deliver, path, text);
                }
                return Pass::End;
            }
        };
        if pass == Pass::End {
            begin_operation(path, &mut self.readers, deliver);
        }
        pass
    }
}

/// The end has been reached, so what comes now is new.
fn begin_operation(path: &Path, readers: &mut [Reader], deliver: &mut dyn FnMut(Event<'_>)) {
    for reader in readers.iter_mut().filter(|reader| !reader.idle) {
        reader.in_operation = true;
    }
    tell_of_operation(path, readers, deliver);
}

fn tell_of_operation(path: &Path, readers: &mut [Reader], deliver: &mut dyn FnMut(Event<'_>)) {
    for reader in readers
        .iter_mut()
        .filter(|reader| reader.in_operation && !reader.told)
    {
        reader.told = true;
        deliver(Event::InOperation {
            reader: reader.id,
            path,
        });
    }
}

/// Starts over where the content of the file has become another one without the file doing so.
fn notice_rotation(
    path: &Path,
    open: &mut LogFile<impl Readable>,
    readers: &mut [Reader],
    deliver: &mut dyn FnMut(Event<'_>),
) -> io::Result<()> {
    let position = readers.iter().map(|reader| reader.offset).max().unwrap_or(0);
    let is_shorter = open.size()? < position;
    if !is_shorter && open.begins_as_before()? {
        if open.hash.is_empty() {
            open.look_at_first_line()?;
        }
        return Ok(());
    }
    let old_hash = open.hash.clone();
    open.look_at_first_line()?;
    let text = rotation(path, open, position, open.identity.inode, &old_hash);
    say(deliver, Level::MSG, FILTER, text);
    open.start_over();
    for reader in readers {
        *reader = Reader {
            idle: reader.idle,
            told: reader.told,
            ..Reader::new(reader.id, 0, reader.in_operation)
        };
    }
    Ok(())
}

fn rotation(
    path: &Path,
    new: &LogFile<impl Readable>,
    position: u64,
    old_inode: u64,
    old_hash: &str,
) -> String {
    format!(
        "Log rotation detected for {}, reason: ({}, {position}, {}, {old_inode}, '{}', '{old_hash}')",
        path.display(),
        new.size().unwrap_or(0),
        new.identity.inode,
        new.hash,
    )
}

/// The directories in which something may happen to the name of a file, each with the entry that matters:
/// every one on the way that exists, and the one that the file really stands in where there are links.
///
/// The root is left out where what it holds is there: nobody renames `/var`, and much else happens in it.
fn way_to(disk: &impl Disk, path: &Path) -> Vec<(PathBuf, OsString)> {
    let mut way: Vec<(PathBuf, OsString)> = Vec::new();
    let real = disk.real(path);
    let real = real.as_deref().filter(|real| *real != path);
    for part in path.ancestors().chain(real) {
        let Some(parent) = part.parent() else { continue };
        let directory = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        let place = (directory.to_owned(), glob::name(part).to_owned());
        let is_quiet = parent.parent().is_none() && parent.has_root() && disk.exists(part);
        if disk.is_directory(directory) && !is_quiet && !way.contains(&place) {
            way.push(place);
        }
    }
    way
}

fn say(deliver: &mut (impl FnMut(Event<'_>) + ?Sized), level: Level, logger: &'static str, text: String) {
    deliver(Event::Message {
        level,
        logger,
        text,
        unreadable: None,
    });
}

/// Says that a log cannot be read.
fn say_unreadable(deliver: &mut (impl FnMut(Event<'_>) + ?Sized), path: &Path, text: String) {
    deliver(Event::Message {
        level: Level::ERROR,
        logger: FILTER,
        text,
        unreadable: Some(path),
    });
}

#[cfg(test)]
mod tests;
