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

use super::disk::{Disk, Identity, Readable};
use super::{Block, Event, LINE_LIMIT, LineBreak, ReaderId, len};

/// How much of the first line is compared at each read, to see whether the file is still the same.
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
    line_break: LineBreak,
    /// The beginning of the first line, once that is complete.
    head: Vec<u8>,
    /// There is no end of a line between a reader's offset and here.
    searched: u64,
}

/// How a pass over a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// At the end of the file.
    End,
    /// There is more; the share of this file is used up.
    More,
}

impl<F: Readable> LogFile<F> {
    /// Opens a regular file; it waits for nothing.
    pub(super) fn at(disk: &impl Disk<File = F>, path: &Path, line_break: LineBreak) -> io::Result<Self> {
        let file = disk.open(path)?;
        let status = file.status()?;
        if !status.is_file {
            return Err(io::Error::other("not a regular file"));
        }
        let mut open = Self {
            identity: status.identity,
            file,
            hash: String::new(),
            watch: None,
            line_break,
            head: Vec::new(),
            searched: 0,
        };
        open.look_at_first_line()?;
        Ok(open)
    }

    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(self.file.status()?.size)
    }

    /// Hashes the first line, if it is complete.
    pub(super) fn look_at_first_line(&mut self) -> io::Result<()> {
        let line = self.first_line()?;
        self.hash = line.as_deref().map(hash).unwrap_or_default();
        self.head = line.unwrap_or_default();
        self.head.truncate(HEAD);
        Ok(())
    }

    /// Whether the file begins as it did when its first line was looked at.
    pub(super) fn begins_as_before(&self) -> io::Result<bool> {
        let mut head = [0; HEAD];
        let head = head.get_mut(..self.head.len()).unwrap_or_default();
        let count = self.file.read_at(head, 0)?;
        Ok(head.get(..count) == Some(self.head.as_slice()))
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
    pub(super) fn start_over(&mut self) {
        self.searched = 0;
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
        loop {
            let Some(from) = active(readers).map(|reader| reader.offset).min() else {
                return Ok(Pass::End);
            };
            if *share == 0 {
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
            let room = next.map_or(buffer.len(), |next| {
                usize::try_from(next - from).map_or(buffer.len(), |room| room.min(buffer.len()))
            });
            let count = self
                .file
                .read_at(buffer.get_mut(..room).unwrap_or_default(), from)?;
            let bytes = buffer.get(..count).unwrap_or_default();
            *share = share.saturating_sub(count.max(1));
            let passing = active(readers).any(|reader| reader.offset == from && reader.passing.is_some());
            if passing {
                self.pass_over(readers, from, bytes);
                if count == 0 {
                    return Ok(Pass::End);
                }
                continue;
            }
            let (end, truncated) = match self.line_break.last(bytes, from) {
                Some(end) => (end, false),
                None if count >= LINE_LIMIT => (count, true),
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
        }
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
        for reader in readers
            .iter_mut()
            .filter(|reader| !reader.idle && reader.offset == from)
        {
            reader.offset += u64::try_from(end.unwrap_or(bytes.len())).unwrap_or(0);
            if end.is_some() {
                reader.passing = None;
            }
        }
    }

    fn first_line(&self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut chunk = [0; 4096];
        while line.len() < LINE_LIMIT {
            let count = self.file.read_at(&mut chunk, len(&line))?;
            let bytes = chunk.get(..count).unwrap_or_default();
            // The reference looks for the byte here, whatever the encoding.
            if let Some(end) = LineBreak::Byte.first(bytes, 0) {
                line.extend_from_slice(bytes.get(..end).unwrap_or_default());
                return Ok(Some(line));
            }
            if count == 0 {
                break;
            }
            line.extend_from_slice(bytes);
        }
        Ok(None)
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

/// The hash of a line as the reference keeps it: SHA-1 in hexadecimal digits.
fn hash(line: &[u8]) -> String {
    Sha1::digest(line)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
