//! Where lines come from: files that are followed, pipes, syslog, and the journal; and reports, which are none.
//!
//! In: what to follow, for which [`ReaderId`], and from where. Out: [`Event`]s, lines in their order.
//! Time: the `now` that the caller passes; nothing here reads a clock, starts a thread or waits.
//!
//! The loop waits for the descriptors of [`Files`], [`Pipes`] and [`Journal`] and for their `next_wakeup`, and then
//! calls their `ready`, which does a limited amount of work.
//!
//! Invariant: a complete line reaches each of its readers once, whatever is renamed, cut or put back.

mod content;
mod cursor;
mod disk;
mod entry;
mod file;
mod follower;
mod glob;
mod journal;
mod local;
mod matches;
mod message;
mod pipe;
mod report;
mod seek;
mod status;
mod syslog;
mod way;

use std::ops::Range;
use std::path::Path;

pub use disk::{Disk, Identity, Readable, Status, System};
pub use entry::{Entry, rendered};
pub(crate) use file::trouble;
pub use file::{Added, Files, FollowOptions, Start};
pub use journal::{Journal, JournalEvent, JournalOptionError, JournalOptions, JournalStart, available};
pub use local::{LocalAddress, LocalSocket};
pub use matches::{InvalidMatch, JournalMatch, Matches};
pub use pipe::{Named, Pipes, piped_command};
pub use report::{
    MATCH_LIMIT, MATCHES_LIMIT, MOST_WEIGHT, REPORT_LIMIT, Report, Reported, Reports, Senders, USER_LIMIT,
    VERSION as REPORT_VERSION,
};
pub use seek::first_line_since;
pub use status::{Counts, Lag, Meter, SourceKind, SourcePosition, SourceState, SourceStatus};
pub use syslog::{CONNECTIONS, CONNECTIONS_EACH, MESSAGE_LIMIT, NAME as SYSLOG, Selector, Syslog};

use crate::log::Level;

/// Who reads: one for each jail, numbered by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderId(pub u32);

/// How long a line may be. The reference has no limit; past this one the rest of the line is passed over, for
/// nothing a service logs is as long, and what is read at a time fits the cache of the processor.
pub const LINE_LIMIT: usize = 1024 * 1024;

/// Something for the loop to know.
#[derive(Debug)]
pub enum Event<'a> {
    /// Lines were read.
    Lines(Block<'a>),
    /// The reader has come to the end of the file for the first time, or begins with a file that is new or at
    /// its end: what it gets from now on is being written now. Told once for each file.
    InOperation {
        /// Who.
        reader: ReaderId,
        /// Which file.
        path: &'a Path,
    },
    /// A file that a pattern matches has appeared.
    Appeared {
        /// For whom.
        reader: ReaderId,
        /// Which file.
        path: &'a Path,
    },
    /// A file that only a pattern has found is gone, and is read no longer under any name.
    Vanished {
        /// For whom.
        reader: ReaderId,
        /// Which file.
        path: &'a Path,
    },
    /// Something for the log.
    Message {
        /// How important it is.
        level: Level,
        /// Who says it.
        logger: &'static str,
        /// What.
        text: String,
        /// The log that it is about, where that cannot be read as it is.
        unreadable: Option<&'a Path>,
    },
}

/// Complete lines that stand one after the other in a file.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// The file they are from, by the name it is followed under.
    pub path: &'a Path,
    /// For whom they are.
    pub readers: &'a [ReaderId],
    /// Where in the file they begin.
    pub offset: u64,
    /// The lines with their ends; where `truncated`, the beginning of one line without its end.
    pub bytes: &'a [u8],
    /// The line is longer than [`LINE_LIMIT`] and its rest will not come.
    pub truncated: bool,
    /// What ends a line.
    pub line_break: LineBreak,
}

/// One line of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Where in the file it begins.
    pub offset: u64,
    /// Its bytes with its end, as they stand in the file.
    pub bytes: &'a [u8],
}

impl<'a> Block<'a> {
    /// The lines one by one.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        let Self {
            line_break,
            mut offset,
            bytes: mut rest,
            ..
        } = *self;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let end = line_break.first(rest, offset).unwrap_or(rest.len());
            let (bytes, after) = rest.split_at(end);
            let line = Line { offset, bytes };
            rest = after;
            offset += len(bytes);
            Some(line)
        })
    }
}

impl Block<'_> {
    /// Where in its bytes the lines stand, with their ends.
    #[must_use]
    pub fn places(&self) -> Vec<Range<usize>> {
        if self.line_break == LineBreak::Byte {
            return line_places(self.bytes);
        }
        let mut at = 0;
        let lines = self.lines().map(|line| {
            let start = at;
            at += line.bytes.len();
            start..at
        });
        lines.collect()
    }
}

/// Where the lines of `bytes` stand, with their ends; the last one may have none.
#[must_use]
pub fn line_places(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut places = Vec::with_capacity(bytes.len() / USUAL_LINE + 1);
    let mut start = 0;
    stockade_sys::line_feeds(bytes, |at| {
        places.push(start..at + 1);
        start = at + 1;
    });
    if start < bytes.len() {
        places.push(start..bytes.len());
    }
    places
}

/// How long a line is, of those that are short.
const USUAL_LINE: usize = 64;

/// What ends a line: a line feed, in the width the encoding has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LineBreak {
    /// The byte 10: ASCII and all that extends it.
    #[default]
    Byte,
    /// Two bytes, the lower one first.
    Utf16Le,
    /// Two bytes, the higher one first.
    Utf16Be,
    /// Four bytes, the lowest one first.
    Utf32Le,
    /// Four bytes, the highest one first.
    Utf32Be,
}

impl LineBreak {
    /// The line break of `logencoding`, by any of its names.
    #[must_use]
    pub fn of_encoding(name: &str) -> Self {
        let plain: String = name
            .to_lowercase()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        match plain.as_str() {
            "utf16" | "u16" | "utf16le" | "unicodelittleunmarked" => Self::Utf16Le,
            "utf16be" | "unicodebigunmarked" => Self::Utf16Be,
            "utf32" | "u32" | "utf32le" => Self::Utf32Le,
            "utf32be" => Self::Utf32Be,
            _ => Self::Byte,
        }
    }

    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Byte => b"\n",
            Self::Utf16Le => b"\n\0",
            Self::Utf16Be => b"\0\n",
            Self::Utf32Le => b"\n\0\0\0",
            Self::Utf32Be => b"\0\0\0\n",
        }
    }

    /// How many bytes a character has at least.
    pub(crate) const fn width(self) -> u64 {
        match self {
            Self::Byte => 1,
            Self::Utf16Le | Self::Utf16Be => 2,
            Self::Utf32Le | Self::Utf32Be => 4,
        }
    }

    /// The beginning of the character that `offset` falls in.
    pub(crate) const fn align(self, offset: u64) -> u64 {
        offset - offset % self.width()
    }

    /// The end of the first complete line in `bytes`, which stand at `offset` in their file.
    pub(crate) fn first(self, bytes: &[u8], offset: u64) -> Option<usize> {
        if self == Self::Byte {
            return memchr::memchr(b'\n', bytes).map(|at| at + 1);
        }
        self.breaks(bytes, offset).next()
    }

    /// The end of the last complete line in `bytes`.
    pub(crate) fn last(self, bytes: &[u8], offset: u64) -> Option<usize> {
        if self == Self::Byte {
            return memchr::memrchr(b'\n', bytes).map(|at| at + 1);
        }
        self.breaks(bytes, offset).last()
    }

    /// The ends of all lines: breaks that begin where a character does.
    fn breaks(self, bytes: &[u8], offset: u64) -> impl Iterator<Item = usize> {
        let wanted = self.bytes();
        bytes
            .windows(wanted.len())
            .enumerate()
            .filter(move |(at, window)| {
                *window == wanted && (offset + u64::try_from(*at).unwrap_or(0)).is_multiple_of(self.width())
            })
            .map(move |(at, _)| at + wanted.len())
    }
}

/// Checks a setting of the server that is about sources, without doing anything; others are in order.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_setting(option: &str, value: &str) -> Result<(), String> {
    let outcome = match option {
        "reportsocket" => Reports::check_socket(value),
        "sysloglisten" => Syslog::check_places(value),
        "syslogallow" => Syslog::check_allowed(value),
        _ => Ok(()),
    };
    outcome.map_err(|error| format!("`{option}` cannot be used: {error}"))
}

/// The length of `bytes`, as offsets are counted.
fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Block, LineBreak};

    #[test]
    fn blocks_are_cut_at_the_line_ends_of_their_encoding() {
        // The bytes 0a 02 are a letter in UTF-16LE, 02 0a one in UTF-16BE, and 0a 00 another one there.
        let le = b"1\0\x0a\x02\n\x002\0\n\0";
        let be = b"\x001\x02\x0a\x00\n\x0a\x00\0y\0\n";
        for (name, line_break, offset, bytes, lines) in [
            (
                "bytes",
                LineBreak::Byte,
                7,
                &b"a\nb\r\n\n"[..],
                vec![(7, 2), (9, 3), (12, 1)],
            ),
            ("cut off", LineBreak::Byte, 0, b"abc", vec![(0, 3)]),
            ("little", LineBreak::Utf16Le, 4, le, vec![(4, 6), (10, 4)]),
            ("big", LineBreak::Utf16Be, 0, be, vec![(0, 6), (6, 6)]),
            (
                "wide",
                LineBreak::Utf32Le,
                8,
                b"a\0\0\0\n\0\0\0\n\0\0\0",
                vec![(8, 8), (16, 4)],
            ),
        ] {
            let block = Block {
                path: Path::new("x"),
                readers: &[],
                offset,
                bytes,
                truncated: false,
                line_break,
            };
            let found: Vec<(u64, usize)> = block
                .lines()
                .map(|line| (line.offset, line.bytes.len()))
                .collect();
            assert_eq!(found, lines, "{name}");
        }
    }

    #[test]
    fn encodings_are_known_by_their_names() {
        for (name, expected) in [
            ("auto", LineBreak::Byte),
            ("UTF-8", LineBreak::Byte),
            ("utf_16_le", LineBreak::Utf16Le),
            ("UTF-16", LineBreak::Utf16Le),
            ("utf-16be", LineBreak::Utf16Be),
            ("utf-32", LineBreak::Utf32Le),
        ] {
            assert_eq!(LineBreak::of_encoding(name), expected, "{name}");
        }
    }
}
