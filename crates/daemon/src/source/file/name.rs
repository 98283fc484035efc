//! One name that is followed: the file that has it, and those that had it before.
//!
//! In: the files as they are opened and lose their name. Out: their lines, what is left of the older ones first.
//!
//! Invariant: a reader of the name is at one place in each of its files, and what it has read of one it is not given
//! again when that comes back.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use stockade_datetime::Timestamp;
use stockade_sys::Watch;

use super::super::disk::{Disk, Readable};
use super::super::follower::{LogFile, Pass, Reader};
use super::super::status::Meter;
use super::super::{Event, Lag, LineBreak, ReaderId, SourceKind, SourcePosition, SourceState, SourceStatus};
use super::telling::{FILTER, WATCHER, rotation, say, say_unreadable, trouble};
use crate::log::Level;

/// How long a file is still read after it was renamed or removed: until its writer has noticed, which
/// `logrotate` and friends tell it within seconds.
pub(super) const RETIRED_SECONDS: i64 = 60;

/// How often one file may become another while it is read, in one pass.
const CHANGES_AT_ONCE: usize = 3;

pub(super) struct Follower<D: Disk> {
    pub(super) current: Option<LogFile<D::File>>,
    pub(super) readers: Vec<Reader>,
    /// Files that had the name before and may still be written to.
    pub(super) retired: Vec<Retired<D>>,
    /// The directories in which something may happen to the name, with the names to look for.
    pub(super) places: Vec<(Watch, OsString)>,
    pub(super) polling: bool,
    /// The kernel tells nothing about the file system, or has no watch left.
    pub(super) unwatched: bool,
    pub(super) remote_told: bool,
    pub(super) absence_told: bool,
    pub(super) open_error_told: bool,
    pub(super) meter: Meter,
}

pub(super) struct Retired<D: Disk> {
    pub(super) open: LogFile<D::File>,
    pub(super) readers: Vec<Reader>,
    pub(super) until: Timestamp,
    /// How long it was when it was looked at last.
    pub(super) size: u64,
    /// It was read to its end when it was looked at last.
    pub(super) at_end: bool,
}

impl<D: Disk> Follower<D> {
    pub(super) fn has(&self, reader: ReaderId) -> bool {
        self.reader(reader).is_some()
    }

    pub(super) fn reader(&self, reader: ReaderId) -> Option<&Reader> {
        self.readers.iter().find(|known| known.id == reader)
    }

    pub(super) fn ids(&self) -> Vec<ReaderId> {
        self.readers.iter().map(|reader| reader.id).collect()
    }

    /// Whether the kernel does not tell of all that happens to it.
    pub(super) fn is_polled(&self) -> bool {
        // A file that lost its name before it was watched has none to be watched by.
        let is_untold = |retired: &Retired<D>| retired.open.watch.is_none();
        self.polling || self.unwatched || self.retired.iter().any(is_untold)
    }

    /// How it is doing.
    pub(super) fn status(
        &self,
        disk: &D,
        path: &Path,
        line_break: LineBreak,
        now: Timestamp,
    ) -> SourceStatus {
        let position = self.readers.iter().map(Reader::position).min();
        let mut lag = None;
        let state = match &self.current {
            Some(open) => {
                let size = open.size();
                let position = position.unwrap_or(0);
                let readable = open.file.read_at(&mut [0], position);
                lag = size.as_ref().ok().map(|size| size.saturating_sub(position));
                match size.and(readable) {
                    Ok(_) if open.refused().is_some() => {
                        let kind = open.refused().unwrap_or_default();
                        SourceState::Failing(format!("it has no lines but is {kind}; name the log itself"))
                    }
                    Ok(_) if self.readers.iter().all(|reader| reader.idle) => {
                        SourceState::Waiting("its jails are idle".to_owned())
                    }
                    Ok(_) => SourceState::Following,
                    Err(error) => SourceState::Failing(trouble(&error)),
                }
            }
            None if disk.is_null(path) => SourceState::Following,
            None => match LogFile::at(disk, path, line_break) {
                // It is opened within half a second.
                Ok(_) => SourceState::Waiting("it is there again and will be opened".to_owned()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    SourceState::Waiting("there is no such file yet".to_owned())
                }
                Err(error) => SourceState::Failing(trouble(&error)),
            },
        };
        let mut status = SourceStatus::new(SourceKind::File, path.display().to_string(), state);
        status.readers = self.readers.iter().map(|reader| reader.id).collect();
        status.position = position
            .filter(|_| self.current.is_some())
            .map(SourcePosition::Bytes);
        // What is left of files that had the name before comes first.
        let left = self.retired.iter().filter_map(|retired| {
            let position = retired.readers.iter().map(Reader::position).min()?;
            Some(retired.open.size().ok()?.saturating_sub(position))
        });
        let left = left.fold(0, u64::saturating_add);
        status.lag = lag
            .map(|lag| lag.saturating_add(left))
            .or((left > 0).then_some(left))
            .map(Lag::Bytes);
        status.counts = self.meter.counts(now);
        status
    }

    pub(super) fn open_files(&mut self) -> impl Iterator<Item = &mut LogFile<D::File>> {
        self.current
            .iter_mut()
            .chain(self.retired.iter_mut().map(|retired| &mut retired.open))
    }

    /// The watches of its files.
    pub(super) fn watches(&self) -> impl Iterator<Item = Watch> {
        self.current
            .iter()
            .chain(self.retired.iter().map(|retired| &retired.open))
            .filter_map(|open| open.watch)
    }

    /// The name stands for another file now: what is left of the old one is read first.
    pub(super) fn replace(
        &mut self,
        path: &Path,
        open: LogFile<D::File>,
        elsewhere: &[Reader],
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
                    let (idle, named) = (reader.idle, reader.named);
                    *reader = Reader { idle, named, ..known };
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
            let known = elsewhere.iter().find(|known| known.id == reader.id);
            let (offset, passing) = known.map_or((0, None), |known| (known.offset, known.passing));
            *reader = Reader {
                offset,
                passing,
                ..reader.anew(true)
            };
        }
        self.current = Some(open);
    }

    /// Goes on with the file opened anew, which could not be read as it was.
    pub(super) fn mend(&mut self, open: LogFile<D::File>) {
        if let Some(current) = &mut self.current {
            current.file = open.file;
            current.broken = false;
        }
    }

    pub(super) fn note_absence(&mut self, path: &Path, deliver: &mut impl FnMut(Event<'_>)) {
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
    pub(super) fn retire(&mut self, now: Timestamp) {
        if let Some(open) = self.current.take() {
            let readers = self.readers.clone();
            self.retired.push(Retired::new(open, readers, now));
            for reader in &mut self.readers {
                *reader = reader.anew(true);
            }
        }
    }

    /// Reads what there is: first of the files that had the name before.
    pub(super) fn read(
        &mut self,
        path: &Path,
        now: Timestamp,
        buffer: &mut [u8],
        share: &mut usize,
        deliver: &mut dyn FnMut(Event<'_>),
    ) -> Pass {
        for retired in &mut self.retired {
            // Half a line is a sign of its writer as well.
            let size = retired.open.size().unwrap_or(retired.size);
            if size != std::mem::replace(&mut retired.size, size) {
                retired.until = now.plus_seconds(RETIRED_SECONDS);
            }
            retired.at_end = false;
            // It may have been emptied just before it lost its name.
            match read_file(
                path,
                &mut retired.open,
                &mut retired.readers,
                buffer,
                share,
                deliver,
            ) {
                Ok(Pass::More | Pass::Changed) => return Pass::More,
                Ok(Pass::End) => {}
                // Its name is gone already; so is what cannot be read any more.
                Err(_) => retired.until = now,
            }
            retired.at_end = true;
        }
        tell_of_operation(path, &mut self.readers, deliver);
        let Some(open) = &mut self.current else {
            return Pass::End;
        };
        let pass = match read_file(path, open, &mut self.readers, buffer, share, deliver) {
            Ok(pass) => pass,
            Err(error) => {
                open.broken = true;
                // Nothing would tell when that has changed.
                self.unwatched = true;
                if !self.open_error_told {
                    self.open_error_told = true;
                    let text = format!("Unable to read {}: {error}", path.display());
                    say_unreadable(deliver, path, text);
                }
                return Pass::End;
            }
        };
        self.open_error_told = false;
        if pass == Pass::End {
            begin_operation(path, &mut self.readers, deliver);
        }
        pass
    }
}

impl<D: Disk> Retired<D> {
    pub(super) fn new(open: LogFile<D::File>, mut readers: Vec<Reader>, now: Timestamp) -> Self {
        // That the end is reached is told once, when what has the name now is read.
        readers.iter_mut().for_each(|reader| reader.told = true);
        Self {
            open,
            readers,
            until: now.plus_seconds(RETIRED_SECONDS),
            size: 0,
            at_end: false,
        }
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

/// Reads a file as it is now.
fn read_file(
    path: &Path,
    open: &mut LogFile<impl Readable>,
    readers: &mut [Reader],
    buffer: &mut [u8],
    share: &mut usize,
    deliver: &mut dyn FnMut(Event<'_>),
) -> io::Result<Pass> {
    for _ in 0..CHANGES_AT_ONCE {
        notice_rotation(path, open, readers, deliver)?;
        if let Some(kind) = open.refused() {
            tell_of_refusal(path, kind, open, readers, deliver);
            return Ok(Pass::End);
        }
        match open.read(path, readers, buffer, share, deliver)? {
            Pass::Changed => {}
            pass @ (Pass::End | Pass::More) => return Ok(pass),
        }
    }
    Ok(Pass::More)
}

/// Says once that there are no lines in a file; where only a pattern has found it, that is no mistake.
fn tell_of_refusal(
    path: &Path,
    kind: &str,
    open: &mut LogFile<impl Readable>,
    readers: &[Reader],
    deliver: &mut dyn FnMut(Event<'_>),
) {
    if std::mem::replace(&mut open.refusal_told, true) {
        return;
    }
    let is_named = readers.iter().any(|reader| reader.named);
    let text = format!(
        "{} is not read, for it has no lines but is {kind}; a log that takes its place will be",
        path.display()
    );
    deliver(Event::Message {
        level: if is_named { Level::ERROR } else { Level::INFO },
        logger: FILTER,
        text,
        unreadable: is_named.then_some(path),
    });
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
        return Ok(());
    }
    let old_hash = open.hash.clone();
    open.start_over()?;
    // Where nothing of it was read yet, nobody has known it as it was.
    if position > 0 {
        let text = rotation(path, open, position, open.identity.inode, &old_hash);
        say(deliver, Level::MSG, FILTER, text);
    }
    for reader in readers {
        *reader = reader.anew(reader.in_operation);
    }
    Ok(())
}
