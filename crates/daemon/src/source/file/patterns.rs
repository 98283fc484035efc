//! Patterns of log files: what they match is followed when it appears, and let go when it is gone.
//!
//! In: patterns, and that something has happened in one of their directories. Out: files followed and let go.
//!
//! Invariant: a file that a pattern has found is followed once by a reader, whatever names it has.

use std::ffi::OsString;
use std::path::PathBuf;

use stockade_datetime::Timestamp;
use stockade_sys::Watch;

use super::super::disk::{Disk, Identity};
use super::super::follower::LogFile;
use super::super::way::way_to;
use super::super::{Event, ReaderId, glob};
use super::name::Follower;
use super::telling::{FILTER, of_others, say};
use super::{FileKey, Files, FollowOptions, Start};
use crate::log::Level;

pub(super) struct Pattern {
    pub(super) path: PathBuf,
    pub(super) reader: ReaderId,
    pub(super) options: FollowOptions,
    /// The directories in which anything may matter.
    pub(super) directories: Vec<Watch>,
    /// The ones on the way there, with the names that matter.
    pub(super) places: Vec<(Watch, OsString)>,
    /// The kernel does not tell of all of them.
    pub(super) polled: bool,
    pub(super) cut_told: bool,
}

impl Pattern {
    pub(super) fn watches(&self) -> impl Iterator<Item = Watch> {
        let places = self.places.iter().map(|(watch, _)| *watch);
        self.directories.iter().copied().chain(places)
    }

    pub(super) fn is_concerned(&self, watch: Watch, gone: bool, name: Option<&OsString>) -> bool {
        let on_the_way =
            |(place, wanted): &(Watch, OsString)| *place == watch && (gone || name == Some(wanted));
        self.directories.contains(&watch) || self.places.iter().any(on_the_way)
    }
}

impl<D: Disk> Files<D> {
    pub(super) fn look_for_new_files(&mut self, now: Timestamp, deliver: &mut impl FnMut(Event<'_>)) {
        self.stale_patterns = false;
        for index in 0..self.patterns.len() {
            let Some(pattern) = self.patterns.get(index) else {
                break;
            };
            let (path, reader, options) = (pattern.path.clone(), pattern.reader, pattern.options);
            let pattern_is_polled = pattern.polled;
            // The watches come first: what appears after the look is told by them.
            let before = glob::expand(&self.disk, &path).directories;
            let mut polled = options.polling;
            let mut watched = Vec::new();
            let mut places = Vec::new();
            for directory in &before {
                if let Some(kind) = self.remote(directory) {
                    if !pattern_is_polled {
                        say(deliver, Level::INFO, FILTER, of_others(&path, kind));
                    }
                    polled = true;
                }
                match self.watch_directory(directory, deliver) {
                    Some(watch) => watched.push(watch),
                    None => polled = true,
                }
                for (directory, name) in way_to(&self.disk, directory) {
                    match self.watch_directory(&directory, deliver) {
                        Some(watch) => places.push((watch, name)),
                        None => polled = true,
                    }
                }
            }
            let expansion = glob::expand(&self.disk, &path);
            self.stale_patterns |= expansion.directories != before;
            let mut old = Vec::new();
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
                old.extend(pattern.watches());
                pattern.directories = watched;
                pattern.places = places;
                pattern.polled = polled;
            }
            for watch in old {
                self.release(watch);
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
        let Ok(open) = LogFile::at(&self.disk, &key.0, key.1) else {
            return;
        };
        if self.has_under_another_name(key, reader, open.identity) {
            return;
        }
        let known = self
            .take_over(key, &open, &[reader], now, deliver)
            .into_iter()
            .find(|known| known.id == reader);
        let start = Start::Head {
            stored: None,
            since: Timestamp::MAX,
        };
        // Nothing has a date here, so nothing is searched for and reading begins at the beginning.
        let added = self.add_file(now, reader, &key.0, options, &start, &mut |_| None);
        let Ok(added) = added else { return };
        self.mark_found(reader, key);
        if added.absent {
            return;
        }
        if let Some(follower) = self.followers.get_mut(key)
            && let Some(at) = follower.readers.iter_mut().find(|at| at.id == reader)
            && let Some(known) = known
        {
            at.offset = known.offset;
            at.passing = known.passing;
            at.in_operation = true;
        }
        deliver(Event::Appeared { reader, path: &key.0 });
    }

    /// Whether `reader` follows the same file under another name that it still has: a second one, as links give it,
    /// is no second log where only a pattern asks for it.
    fn has_under_another_name(&self, key: &FileKey, reader: ReaderId, identity: Identity) -> bool {
        self.followers.iter().any(|(other, follower)| {
            let is_the_same = |open: &LogFile<D::File>| open.identity == identity;
            other != key
                && other.1 == key.1
                && follower.has(reader)
                && follower.current.as_ref().is_some_and(is_the_same)
                && self.disk.identity(&other.0).is_ok_and(|known| known == identity)
        })
    }

    /// Notes that `reader` has the file from a pattern.
    pub(super) fn mark_found(&mut self, reader: ReaderId, key: &FileKey) {
        let follower = self.followers.get_mut(key);
        let known =
            follower.and_then(|follower| follower.readers.iter_mut().find(|known| known.id == reader));
        if let Some(known) = known {
            known.named = false;
        }
    }

    /// Lets go of files that a pattern has found and that are gone: should one come back, it is found again.
    pub(super) fn drop_vanished(&mut self, deliver: &mut impl FnMut(Event<'_>)) {
        let is_gone = |follower: &Follower<D>| follower.current.is_none() && follower.retired.is_empty();
        let vanished: Vec<(FileKey, ReaderId)> = self
            .followers
            .iter()
            .filter(|(_, follower)| is_gone(follower))
            .flat_map(|(key, follower)| {
                let found = follower.readers.iter().filter(|reader| !reader.named);
                found.map(|reader| (key.clone(), reader.id))
            })
            .collect();
        for (key, reader) in vanished {
            // A name that cannot be looked at, or not be opened, is not gone.
            if !self.disk.exists(&key.0) {
                self.remove_reader_from(reader, &key);
                deliver(Event::Vanished { reader, path: &key.0 });
            }
        }
    }
}
