//! One file that is followed under one name, for one or more readers.
//!
//! In: the file as it is now. Out: blocks of complete lines, each read once for all readers that are there.
//!
//! A reader is at an offset of its own only until it has caught up with the others. The descriptor stays open,
//! so what is written to the file after it was renamed is still read, for a while.
//!
//! Invariant: a reader's offset is the beginning of a line, or within one whose rest it passes over.

use std::io;
use std::path::Path;

use sha1::{Digest, Sha1};
use stockade_sys::Watch;

use super::content::Content;
use super::disk::{Disk, Identity, Readable};
use super::{Block, Event, LINE_LIMIT, LineBreak, ReaderId, len};

/// How much of its beginning is compared at each read, to see whether the file is still the same.
const HEAD: usize = 256;

/// Where one reader is.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) id: ReaderId,
    pub(super) offset: u64,
    /// The beginning of a line that was too long, while its rest is passed over.
    pub(super) passing: Option<u64>,
    /// It has been at the end once, or began with something new.
    pub(super) in_operation: bool,
    /// It was told so.
    pub(super) told: bool,
    /// It does not want to read now.
    pub(super) idle: bool,
    /// The file was asked for by its own name; otherwise a pattern has found it.
    pub(super) named: bool,
}

impl Reader {
    pub(super) fn new(id: ReaderId, offset: u64, in_operation: bool) -> Self {
        Self {
            id,
            offset,
            passing: None,
            in_operation,
            told: false,
            idle: false,
            named: true,
        }
    }

    /// The same one at the beginning of another content.
    pub(super) fn anew(&self, in_operation: bool) -> Self {
        Self {
            offset: 0,
            passing: None,
            in_operation,
            ..self.clone()
        }
    }

    /// The offset to come back to after a restart.
    pub(super) fn position(&self) -> u64 {
        self.passing.unwrap_or(self.offset)
    }
}

/// A file that is open.
#[derive(Debug)]
pub(super) struct LogFile<F> {
    pub(super) file: F,
    pub(super) identity: Identity,
    /// The hash of the first line with its end; empty while that is not complete.
    pub(super) hash: String,
    pub(super) watch: Option<Watch>,
    /// It could not be read, and may have to be opened again.
    pub(super) broken: bool,
    /// It was told that there are no lines in it.
    pub(super) refusal_told: bool,
    line_break: LineBreak,
    content: Content,
    /// How the file begins, as far as that was there.
    head: Vec<u8>,
    /// The first line does not end before here.
    first_searched: u64,
    /// There is no end of a line between a reader's offset and here.
    searched: u64,
}

/// How much is read at least, where so much is there: a few lines.
const ROOM: usize = 16 * 1024;

/// How a pass over a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// At the end of the file.
    End,
    /// There is more; the share of this file is used up.
    More,
    /// The content has become another one while it was read.
    Changed,
}

impl<F: Readable> LogFile<F> {
    /// Opens a regular file; it waits for nothing.
    pub(super) fn at(disk: &impl Disk<File = F>, path: &Path, line_break: LineBreak) -> io::Result<Self> {
        // What nothing is ever written to is as good as not there.
        if disk.is_null(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        // To open something else may already do something: a writer to a pipe would take this for a reader.
        if disk.exists(path) && !disk.is_file(path) {
            return Err(not_a_file());
        }
        let file = disk.open(path)?;
        let status = file.status()?;
        if !status.is_file {
            return Err(not_a_file());
        }
        let mut open = Self {
            identity: status.identity,
            file,
            hash: String::new(),
            watch: None,
            broken: false,
            refusal_told: false,
            line_break,
            content: Content::Unknown,
            head: Vec::new(),
            first_searched: 0,
            searched: 0,
        };
        // Where it becomes another one at this moment, that is noticed when it is read.
        open.begins_as_before()?;
        Ok(open)
    }

    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(self.file.status()?.size)
    }

    /// How it begins, where that is known.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Which file it is now: a few file systems give a file another number when it is first written to.
    pub(super) fn identity_now(&mut self) -> Identity {
        if let Ok(status) = self.file.status() {
            self.identity = status.identity;
        }
        self.identity
    }

    /// What it is instead, where there are no lines in it.
    pub(super) const fn refused(&self) -> Option<&'static str> {
        match self.content {
            Content::Other(kind) => Some(kind),
            Content::Unknown | Content::Lines => None,
        }
    }

    /// Whether the file begins as it did when it was looked at last; more of the beginning is then known than before.
    pub(super) fn begins_as_before(&mut self) -> io::Result<bool> {
        let mut head = [0; HEAD];
        let count = self.file.read_at(&mut head, 0)?;
        let head = head.get(..count).unwrap_or_default();
        if !head.starts_with(&self.head) {
            return Ok(false);
        }
        if head.len() > self.head.len() {
            self.head = head.to_vec();
        }
        if self.content == Content::Unknown {
            self.content = Content::of(&self.head);
        }
        self.look_for_first_line()
    }

    /// Hashes the first line once it is complete; whether it begins as the file does.
    fn look_for_first_line(&mut self) -> io::Result<bool> {
        let limit = u64::try_from(LINE_LIMIT).unwrap_or(u64::MAX);
        let mut chunk = [0; 4096];
        while self.hash.is_empty() && self.first_searched < limit {
            let count = self.file.read_at(&mut chunk, self.first_searched)?;
            let bytes = chunk.get(..count).unwrap_or_default();
            // The reference looks for the byte here, whatever the encoding.
            if let Some(end) = LineBreak::Byte.first(bytes, 0) {
                let end = usize::try_from(self.first_searched).unwrap_or(0) + end;
                let mut line = vec![0; end];
                let count = self.file.read_at(&mut line, 0)?;
                let known = self.head.len().min(end);
                if count < end || line.get(..known) != self.head.get(..known) {
                    return Ok(false);
                }
                self.hash = hash(&line);
            } else if count == 0 {
                break;
            }
            self.first_searched += len(bytes);
        }
        Ok(true)
    }

    /// The beginning of the last, unfinished line; the end of the file where there is none.
    pub(super) fn unfinished_line(&self) -> io::Result<u64> {
        let end = self.size()?;
        let limit = u64::try_from(LINE_LIMIT).unwrap_or(u64::MAX);
        let from = self.line_break.align(end.saturating_sub(limit));
        let mut bytes = vec![0; usize::try_from(end - from).unwrap_or(0)];
        let count = self.file.read_at(&mut bytes, from)?;
        bytes.truncate(count);
        Ok(match self.line_break.last(&bytes, from) {
            Some(after) => from + u64::try_from(after).unwrap_or(0),
            None if from == 0 => 0,
            None => end,
        })
    }

    /// Begins again at the beginning, for the content is another one.
    pub(super) fn start_over(&mut self) -> io::Result<()> {
        self.searched = 0;
        self.first_searched = 0;
        self.hash.clear();
        self.head.clear();
        self.content = Content::Unknown;
        self.refusal_told = false;
        self.begins_as_before().map(|_| ())
    }

    /// Reads what is there for those of `readers` that are not idle, up to about `share` bytes.
    pub(super) fn read(
        &mut self,
        path: &Path,
        readers: &mut [Reader],
        buffer: &mut [u8],
        share: &mut usize,
        deliver: &mut dyn FnMut(Event<'_>),
    ) -> io::Result<Pass> {
        // As a rule no more is read than is wanted; only a line that is longer is.
        let mut is_long = false;
        loop {
            let Some(from) = active(readers).map(|reader| reader.offset).min() else {
                return Ok(Pass::End);
            };
            if *share == 0 && !is_long {
                return Ok(Pass::More);
            }
            // Readers that are further on are met there.
            let next = active(readers)
                .map(|reader| reader.offset)
                .filter(|offset| *offset > from)
                .min();
            if self.searched > from && next.is_none() && !self.has_line_end(buffer)? {
                return Ok(Pass::End);
            }
            let passing = active(readers).any(|reader| reader.offset == from && reader.passing.is_some());
            let most = if is_long || passing {
                buffer.len()
            } else {
                buffer.len().min((*share).max(ROOM))
            };
            let room = next.map_or(most, |next| {
                usize::try_from(next - from).map_or(most, |room| room.min(most))
            });
            let count = self
                .file
                .read_at(buffer.get_mut(..room).unwrap_or_default(), from)?;
            let bytes = buffer.get(..count).unwrap_or_default();
            *share = share.saturating_sub(count.max(1));
            // The file may have been emptied and written to anew since it was looked at: then these bytes may begin
            // anywhere in a line, or come again from the beginning on.
            if count > 0 && !self.is_what_was_read(from, bytes)? {
                return Ok(Pass::Changed);
            }
            if passing {
                self.pass_over(readers, from, bytes);
                if count == 0 {
                    return Ok(Pass::End);
                }
                continue;
            }
            let (end, truncated) = match self.line_break.last(bytes, from) {
                Some(end) => (end, false),
                None if count >= LINE_LIMIT => match self.gap(bytes, from) {
                    0 => (count, true),
                    gap => {
                        let to = next.map_or(from + gap, |next| next.min(from + gap));
                        skip(readers, from, to);
                        continue;
                    }
                },
                None if count == most && most < buffer.len() => {
                    is_long = true;
                    continue;
                }
                // Another reader is in the middle of this line; this one goes on from there.
                None if next.is_some() && count == room && count > 0 => {
                    advance(readers, from, count, Some(from));
                    continue;
                }
                None => {
                    self.searched = from + len(bytes);
                    return Ok(Pass::End);
                }
            };
            let ids: Vec<ReaderId> = active(readers)
                .filter(|reader| reader.offset == from)
                .map(|reader| reader.id)
                .collect();
            deliver(Event::Lines(Block {
                path,
                readers: &ids,
                offset: from,
                bytes: bytes.get(..end).unwrap_or_default(),
                truncated,
                line_break: self.line_break,
            }));
            advance(readers, from, end, truncated.then_some(from));
            is_long = false;
        }
    }

    /// Whether `bytes` are what stands at `from` in the content that was looked at.
    fn is_what_was_read(&mut self, from: u64, bytes: &[u8]) -> io::Result<bool> {
        if !self.begins_as_before()? || self.size()? < from + len(bytes) {
            return Ok(false);
        }
        let both = bytes.len().min(self.head.len());
        Ok(from > 0 || bytes.get(..both) == self.head.get(..both))
    }

    /// How much nobody has written at `from`, where as much as a line may have is read and none ends.
    ///
    /// A program that goes on where it was after its log was emptied leaves a gap that is as long as that log was,
    /// and the next line stands behind it. Shorter gaps belong to their lines, as with the reference.
    fn gap(&self, bytes: &[u8], from: u64) -> u64 {
        let empty = bytes.iter().position(|byte| *byte != 0);
        let end = from + empty.map_or(len(bytes), |at| u64::try_from(at).unwrap_or(0));
        let end = match empty {
            Some(_) => end,
            None => self.file.next_written(end).max(end),
        };
        self.line_break.align(end) - from
    }

    /// Whether a line has ended since there was none.
    fn has_line_end(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let from = self.line_break.align(self.searched);
        let count = self.file.read_at(buffer, from)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if self.line_break.first(bytes, from).is_some() || count == buffer.len() {
            self.searched = 0;
            return Ok(true);
        }
        self.searched = from + len(bytes);
        Ok(false)
    }

    /// Goes on within a line that was too long, to its end if that is here.
    fn pass_over(&self, readers: &mut [Reader], from: u64, bytes: &[u8]) {
        let end = self.line_break.first(bytes, from);
        let gap = if end.is_none() && bytes.len() >= LINE_LIMIT {
            self.gap(bytes, from)
        } else {
            0
        };
        for reader in readers
            .iter_mut()
            .filter(|reader| !reader.idle && reader.offset == from)
        {
            let passed = u64::try_from(end.unwrap_or(bytes.len())).unwrap_or(0);
            reader.offset += passed.max(gap);
            if end.is_some() {
                reader.passing = None;
            }
        }
    }
}

fn active(readers: &[Reader]) -> impl Iterator<Item = &Reader> {
    readers.iter().filter(|reader| !reader.idle)
}

fn advance(readers: &mut [Reader], from: u64, count: usize, passing: Option<u64>) {
    for reader in readers
        .iter_mut()
        .filter(|reader| !reader.idle && reader.offset == from)
    {
        reader.offset += u64::try_from(count).unwrap_or(0);
        reader.passing = passing;
    }
}

/// Goes on behind what has no lines.
fn skip(readers: &mut [Reader], from: u64, to: u64) {
    for reader in readers
        .iter_mut()
        .filter(|reader| !reader.idle && reader.offset == from)
    {
        reader.offset = to;
    }
}

fn not_a_file() -> io::Error {
    io::Error::other("not a regular file")
}

/// The hash of a line as the reference keeps it: SHA-1 in hexadecimal digits.
fn hash(line: &[u8]) -> String {
    Sha1::digest(line)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
