//! What happens when a name comes to stand for another file: rotation, and files that change their names.
//!
//! In: names to look at again. Out: for each name the file that has it, read from where its readers knew it.
//!
//! Invariant: a file is read once by a reader, under whichever of its names, and to its end.

use std::io;

use stockade_datetime::Timestamp;

use super::super::disk::{Disk, Identity};
use super::super::follower::{LogFile, Reader};
use super::super::{Event, LineBreak, ReaderId};
use super::name::{Follower, RETIRED_SECONDS, Retired};
use super::telling::{FILTER, say, say_unreadable};
use super::{FileKey, Files};
use crate::log::Level;

/// How much later than then it may be, and the clock be right: past that it was set, or the machine slept.
const LATE_SECONDS: i64 = 10;

/// How many such files one name may have; of those that are more the oldest are left that have been read to their
/// ends.
const RETIRED_LIMIT: usize = 8;

/// How many, read or not. It takes a rotation every few seconds and jails that do not get to read.
const UNREAD_LIMIT: usize = 64;

/// Of how many files that are read no longer it is remembered how far they were.
const LEFT_LIMIT: usize = 256;

/// A file that was read and lost its name so long ago that nobody writes to it any more.
pub(super) struct Left {
    identity: Identity,
    line_break: LineBreak,
    /// How it began; another one may have its number by now.
    head: Vec<u8>,
    readers: Vec<Reader>,
}

impl<D: Disk> Files<D> {
    /// Looks at which file has a name, and watches the way to it.
    pub(super) fn look_again(&mut self, key: &FileKey, now: Timestamp, deliver: &mut impl FnMut(Event<'_>)) {
        self.watch_the_way(key, deliver);
        let (path, line_break) = key;
        let was_fifo = self.fifos.contains_key(key);
        let is_fifo = self.note_fifo(key);
        let follower = self.followers.get_mut(key);
        let is_remote = follower.as_ref().is_some_and(|follower| follower.remote_told);
        let known = follower.and_then(|follower| {
            if is_fifo != was_fifo {
                // The name is there; only a file is not.
                follower.absence_told = is_fifo;
            }
            follower.current.as_mut()
        });
        let is_broken = known.as_ref().is_some_and(|open| open.broken);
        let known = known.map(LogFile::identity_now);
        let opened = self.disk.identity(path).and_then(|identity| {
            if is_fifo {
                return Err(io::ErrorKind::NotFound.into());
            }
            // What is known of a file on another machine may be old; it is asked for anew when the file is opened.
            if known == Some(identity) && !is_remote && !is_broken {
                return Ok(None);
            }
            LogFile::at(&self.disk, path, *line_break).map(|open| match known {
                Some(known) if known == open.identity && !is_broken => None,
                Some(_) | None => Some(open),
            })
        });
        let elsewhere = match &opened {
            Ok(Some(open)) => {
                let readers = self.followers.get(key);
                let readers = readers.map(Follower::ids).unwrap_or_default();
                self.take_over(key, open, &readers, now, deliver)
            }
            Ok(None) | Err(_) => Vec::new(),
        };
        let Some(follower) = self.followers.get_mut(key) else {
            return;
        };
        match opened {
            Ok(None) => follower.open_error_told = false,
            Ok(Some(open)) if known == Some(open.identity) => follower.mend(open),
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
        self.watch_files(key, deliver);
    }

    /// Reads the files that have had a name and lost it again before it was looked at, where a rename has told where
    /// they are now.
    pub(super) fn find_moved(&mut self, now: Timestamp, deliver: &mut impl FnMut(Event<'_>)) {
        for (key, path) in std::mem::take(&mut self.moved) {
            let Ok(open) = LogFile::at(&self.disk, &path, key.1) else {
                continue;
            };
            let is_it = |known: &LogFile<D::File>| known.identity == open.identity;
            let holders: Vec<ReaderId> = self
                .followers
                .values()
                .flat_map(|follower| {
                    let current = follower.current.iter().map(|known| (known, &follower.readers));
                    let retired = follower.retired.iter();
                    let retired = retired.map(|retired| (&retired.open, &retired.readers));
                    current.chain(retired)
                })
                .filter(|(known, _)| is_it(known))
                .flat_map(|(_, readers)| readers.iter().map(|reader| reader.id))
                .collect();
            let Some(follower) = self.followers.get(&key) else {
                continue;
            };
            let retired = follower.retired.iter().map(|retired| &retired.open);
            if follower.current.iter().chain(retired).any(is_it) {
                continue;
            }
            let mut unread = follower.readers.clone();
            unread.retain(|reader| !holders.contains(&reader.id));
            if unread.is_empty() {
                continue;
            }
            let ids: Vec<ReaderId> = unread.iter().map(|reader| reader.id).collect();
            let known = self.take_over(&key, &open, &ids, now, deliver);
            for reader in &mut unread {
                let known = known.iter().find(|known| known.id == reader.id);
                let (offset, passing) = known.map_or((0, None), |known| (known.offset, known.passing));
                *reader = Reader {
                    offset,
                    passing,
                    ..reader.anew(true)
                };
            }
            if let Some(follower) = self.followers.get_mut(&key) {
                follower.retired.push(Retired::new(open, unread, now));
                self.suspects.insert(key.clone());
                self.changed.insert(key);
            }
        }
    }

    /// Takes the file from other names that have lost it, with how far it was read there: a renamed log that
    /// another name or a pattern covers is not read again, and its last lines not twice.
    pub(super) fn take_over(
        &mut self,
        key: &FileKey,
        open: &LogFile<D::File>,
        readers: &[ReaderId],
        now: Timestamp,
        deliver: &mut impl FnMut(Event<'_>),
    ) -> Vec<Reader> {
        let identity = open.identity;
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
        let size = open.size().unwrap_or(0);
        // It may have been emptied in the meantime; then it is begun anew.
        let still = |reader: Reader, head: &[u8]| {
            if open.head().starts_with(head) && reader.offset <= size {
                reader
            } else {
                reader.anew(true)
            }
        };
        for ((path, line_break), follower) in &mut self.followers {
            for retired in &mut follower.retired {
                if *line_break == key.1 && path != &key.0 && retired.open.identity == identity {
                    // Who does not follow the other name reads on under this one.
                    let theirs = |reader: &mut Reader| readers.contains(&reader.id);
                    let moved = retired.readers.extract_if(.., theirs);
                    taken.extend(moved.map(|reader| still(reader, retired.open.head())));
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
        // It may have been left long ago.
        for left in &mut self.left {
            if left.identity == identity && left.line_break == key.1 {
                let theirs = |reader: &mut Reader| readers.contains(&reader.id);
                let back: Vec<Reader> = left.readers.extract_if(.., theirs).collect();
                // Where it begins otherwise it is another file, which has the number of one that is gone.
                if open.head().starts_with(&left.head) {
                    taken.extend(back.into_iter().map(|reader| still(reader, &left.head)));
                }
            }
        }
        self.left.retain(|left| !left.readers.is_empty());
        taken
    }

    pub(super) fn drop_retired(&mut self, now: Timestamp, deliver: &mut impl FnMut(Event<'_>)) {
        let mut gone = Vec::new();
        for ((path, line_break), follower) in &mut self.followers {
            let over = |retired: &mut Retired<D>| {
                // Where the clock was set back, it is read no longer than it would be had it just lost its name;
                // and where it was set forward, its writer has had no time yet to notice.
                let is_late = retired.until.plus_seconds(LATE_SECONDS) < now;
                let soonest = now.plus_seconds(RETIRED_SECONDS);
                retired.until = if is_late {
                    soonest
                } else {
                    retired.until.min(soonest)
                };
                retired.until <= now && retired.at_end
            };
            let mut left: Vec<Retired<D>> =
                follower.retired.extract_if(.., |retired| over(retired)).collect();
            let mut surplus = follower.retired.len().saturating_sub(RETIRED_LIMIT);
            left.extend(follower.retired.extract_if(.., |retired| {
                let goes = surplus > 0 && retired.at_end;
                surplus -= usize::from(goes);
                goes
            }));
            let unread = follower.retired.len().saturating_sub(UNREAD_LIMIT);
            if unread > 0 {
                self.unread_files += u64::try_from(unread).unwrap_or(0);
                let text = format!(
                    "{} is rotated faster than it is read; {unread} of its files were not read to the end",
                    path.display()
                );
                say(deliver, Level::WARNING, FILTER, text);
            }
            left.extend(follower.retired.drain(..unread));
            gone.extend(left.into_iter().map(|retired| (*line_break, retired)));
        }
        for (line_break, retired) in gone {
            self.leave(line_break, retired);
        }
    }

    /// Remembers how far files were read that are read no longer.
    fn leave(&mut self, line_break: LineBreak, retired: Retired<D>) {
        if !retired.open.head().is_empty() && !retired.readers.is_empty() {
            self.left.push_back(Left {
                identity: retired.open.identity,
                line_break,
                head: retired.open.head().to_vec(),
                readers: retired.readers,
            });
            let surplus = self.left.len().saturating_sub(LEFT_LIMIT);
            self.left.drain(..surplus);
        }
        if let Some(watch) = retired.open.watch {
            self.release(watch);
        }
    }

    /// What is remembered for a reader goes with it.
    pub(super) fn forget_reader(&mut self, reader: ReaderId) {
        for left in &mut self.left {
            left.readers.retain(|known| known.id != reader);
        }
        self.left.retain(|left| !left.readers.is_empty());
    }
}
