//! What the kernel tells of files and directories, and which are looked at because it tells nothing.
//!
//! In: events of inotify, the current time. Out: names to look at again, and files to read.
//!
//! Invariant: a watch has as many users as there are files, ways to them and patterns that need it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use stockade_datetime::Timestamp;
use stockade_sys::{ReadFlags, Watch, WatchFlags, inotify};

use super::super::Event;
use super::super::disk::Disk;
use super::super::way::way_to;
use super::name::Follower;
use super::telling::{FILTER, WATCHER, of_others, say};
use super::{FileKey, Files};
use crate::log::Level;

/// How often files are looked at that the kernel tells nothing about. The reference takes up to 0.8 seconds.
const POLL_SECONDS: i64 = 1;
pub(super) const POLL_MICROS: i64 = POLL_SECONDS * 1_000_000 / 2;

pub(super) struct Watched {
    /// Which directory it is, where it is one.
    directory: Option<PathBuf>,
    users: usize,
}

impl<D: Disk> Files<D> {
    pub(super) fn take_events(&mut self, deliver: &mut impl FnMut(Event<'_>)) {
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
        let mut moves = Moves::default();
        for event in events.drain(..) {
            if let (Some(watch), Some(name)) = (event.watch, &event.name) {
                moves.note(watch, name, &event, &self.followers);
            }
            match event.watch {
                Some(watch) if event.flags == ReadFlags::MODIFY => drop(written.insert(watch)),
                Some(_) | None => self.note(&event),
            }
        }
        self.events = events;
        self.moved = moves.moved(&self.watches);
        if !written.is_empty() {
            for (key, follower) in &self.followers {
                if follower.watches().any(|watch| written.contains(&watch)) {
                    self.changed.insert(key.clone());
                }
            }
        }
    }

    /// Has every name and pattern looked at again.
    pub(crate) fn suspect_all(&mut self) {
        self.suspects.extend(self.followers.keys().cloned());
        self.stale_patterns = true;
    }

    /// Marks what one event concerns.
    fn note(&mut self, event: &inotify::Event) {
        let Some(watch) = event
            .watch
            .filter(|_| !event.flags.contains(ReadFlags::QUEUE_OVERFLOW))
        else {
            // Events were lost, so anything may have happened.
            self.suspect_all();
            return;
        };
        let Some(watched) = self.watches.get(&watch) else {
            return;
        };
        let is_directory = watched.directory.is_some();
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
                .any(|pattern| pattern.is_concerned(watch, gone, event.name.as_ref()))
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
            pattern.places.retain(|(known, _)| *known != watch);
        }
    }

    pub(super) fn poll(&mut self, now: Timestamp) {
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
        self.stale_patterns |= self.has_polled_patterns();
    }

    fn has_polled_patterns(&self) -> bool {
        self.patterns
            .iter()
            .any(|pattern| pattern.polled || !self.disk.tells())
    }

    pub(super) fn needs_polling(&self) -> bool {
        let without = !self.disk.tells() && !self.followers.is_empty();
        without || self.has_polled_patterns() || self.followers.values().any(Follower::is_polled)
    }

    /// Watches the directories in which something can happen to the name of a file.
    pub(super) fn watch_the_way(&mut self, key: &FileKey, deliver: &mut impl FnMut(Event<'_>)) {
        if !self.disk.tells() || self.followers.get(key).is_some_and(|follower| follower.polling) {
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
                match self.watch_directory(directory, deliver) {
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
        let remote = self.remote(&key.0);
        match self.followers.get_mut(key) {
            Some(follower) => {
                follower.places = places;
                follower.unwatched = failed || remote.is_some();
                if let Some(kind) = remote
                    && !follower.remote_told
                {
                    say(deliver, Level::INFO, FILTER, of_others(&key.0, kind));
                }
                follower.remote_told = remote.is_some();
            }
            None => {
                for (watch, _) in places {
                    self.release(watch);
                }
            }
        }
    }

    /// The kind of the file system that a name is or will be on, where it is one of others.
    pub(super) fn remote(&self, path: &Path) -> Option<&'static str> {
        let there = path.ancestors().find(|part| self.disk.exists(part))?;
        self.disk.remote(there)
    }

    /// Watches the files themselves that are open.
    pub(super) fn watch_files(&mut self, key: &FileKey, deliver: &mut impl FnMut(Event<'_>)) {
        if !self.disk.tells() {
            return;
        }
        let Self {
            disk,
            followers,
            watches,
            told_no_watches,
            ..
        } = self;
        let Some(follower) = followers.get_mut(key).filter(|follower| !follower.polling) else {
            return;
        };
        let retired = follower.retired.iter_mut().map(|retired| &mut retired.open);
        for open in follower.current.iter_mut().chain(retired) {
            if open.watch.is_none() {
                let flags = WatchFlags::MODIFY | WatchFlags::MOVE_SELF;
                let outcome = disk.watch_file(&open.file, &key.0, flags);
                open.watch = entered(watches, told_no_watches, outcome, &key.0, None, deliver);
                follower.unwatched |= open.watch.is_none();
            }
        }
    }

    pub(super) fn watch_directory(
        &mut self,
        path: &Path,
        deliver: &mut impl FnMut(Event<'_>),
    ) -> Option<Watch> {
        if !self.disk.tells() {
            return None;
        }
        let flags = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        let outcome = self.disk.watch(path, flags);
        let directory = Some(path.to_owned());
        entered(
            &mut self.watches,
            &mut self.told_no_watches,
            outcome,
            path,
            directory,
            deliver,
        )
    }

    pub(super) fn release(&mut self, watch: Watch) {
        let Some(watched) = self.watches.get_mut(&watch) else {
            return;
        };
        watched.users = watched.users.saturating_sub(1);
        if watched.users == 0 {
            self.watches.remove(&watch);
            self.disk.unwatch(watch);
        }
    }
}

/// Follows renames through the events of one call, so that a file is found that had a name between two looks.
#[derive(Default)]
struct Moves {
    /// Where the files are that had the names of others, by the events so far.
    at: BTreeMap<(Watch, OsString), BTreeSet<FileKey>>,
    /// The ones on their way, by the cookie that ties both halves of a rename together.
    on_the_way: BTreeMap<u32, BTreeSet<FileKey>>,
}

impl Moves {
    fn note<D: Disk>(
        &mut self,
        watch: Watch,
        name: &OsString,
        event: &inotify::Event,
        followers: &BTreeMap<FileKey, Follower<D>>,
    ) {
        let place = (watch, name.clone());
        // Whatever was there is there no longer.
        let mut taken = self.at.remove(&place).unwrap_or_default();
        if event.flags.contains(ReadFlags::MOVED_FROM) {
            let named = followers
                .iter()
                .filter(|(_, follower)| follower.places.last() == Some(&place));
            taken.extend(named.map(|(key, _)| key.clone()));
            self.on_the_way.insert(event.cookie, taken);
        } else if event.flags.contains(ReadFlags::MOVED_TO) {
            if let Some(keys) = self.on_the_way.remove(&event.cookie) {
                self.at.insert(place, keys);
            }
        } else if event.flags.contains(ReadFlags::ATTRIB) && !taken.is_empty() {
            self.at.insert(place, taken);
        }
    }

    fn moved(self, watches: &BTreeMap<Watch, Watched>) -> Vec<(FileKey, PathBuf)> {
        let mut moved = Vec::new();
        for ((watch, name), keys) in self.at {
            if let Some(directory) = watches.get(&watch).and_then(|watched| watched.directory.as_ref()) {
                moved.extend(keys.into_iter().map(|key| (key, directory.join(&name))));
            }
        }
        moved
    }
}

/// Counts the use of a watch, or says why there is none.
fn entered(
    watches: &mut BTreeMap<Watch, Watched>,
    told_no_watches: &mut bool,
    outcome: io::Result<Watch>,
    path: &Path,
    directory: Option<PathBuf>,
    deliver: &mut impl FnMut(Event<'_>),
) -> Option<Watch> {
    let error = match outcome {
        Ok(watch) => {
            let unused = Watched { directory, users: 0 };
            watches.entry(watch).or_insert(unused).users += 1;
            return Some(watch);
        }
        Err(error) => error,
    };
    let out_of_watches = error.raw_os_error() == Some(rustix::io::Errno::NOSPC.raw_os_error());
    if out_of_watches && !std::mem::replace(told_no_watches, true) {
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
