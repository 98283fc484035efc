//! The log that something is tried on: a file, the journal, or the text of the argument itself.
//!
//! In: the argument `<LOG>`. Out: its lines, one after the other, never more than one of them in memory.
//!
//! Invariant: as for the daemon, a last line without its end is not there yet, and a line has a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stockade_daemon::log::Level;
use stockade_daemon::source::{
    Journal, JournalEvent, JournalOptions, JournalStart, LINE_LIMIT, Matches, ReaderId, rendered,
};
use stockade_datetime::Timestamp;
use stockade_filter::{Encoding, Entry};

use super::clock;

/// How much is read at a time.
const CHUNK: usize = 256 * 1024;

/// How long the journal may be silent before we look whether it has ended.
const LOOK: Duration = Duration::from_millis(100);

/// Calls `each` with the lines of a file, decoded or, where they are no text in `encoding`, as they are.
///
/// # Errors
///
/// Where the file cannot be read, or `each` fails.
pub(crate) fn each_line<E: From<io::Error>>(
    source: impl Read,
    name: &str,
    encoding: Encoding,
    take_last: bool,
    each: &mut impl FnMut(Entry<'_>, &str) -> Result<(), E>,
) -> Result<(), E> {
    let mut lines = Lines::new(source, encoding);
    while let Some(bytes) = lines.next(take_last)? {
        let (text, is_clean) = encoding.decode(bytes);
        let entry = if is_clean {
            Entry::Text(&text)
        } else {
            Entry::Bytes(bytes, name)
        };
        each(entry, &text)?;
    }
    Ok(())
}

/// Opens a log file.
///
/// # Errors
///
/// Where that cannot be done.
pub(crate) fn open(path: &str) -> io::Result<File> {
    File::open(Path::new(path))
}

/// The lines of something that is read.
struct Lines<R> {
    source: R,
    encoding: Encoding,
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where there is no line end.
    searched: usize,
    /// The end is reached.
    ended: bool,
    /// The line that was begun is over its limit; its rest is passed over.
    passing: bool,
}

impl<R: Read> Lines<R> {
    const fn new(source: R, encoding: Encoding) -> Self {
        Self {
            source,
            encoding,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            ended: false,
            passing: false,
        }
    }

    /// The next line with its end; with `take_last` also one that has none.
    fn next(&mut self, take_last: bool) -> io::Result<Option<&[u8]>> {
        loop {
            let rest = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(length) = self.encoding.line_length(rest) {
                let (start, end) = (self.start, self.searched + length);
                (self.start, self.searched) = (end, end);
                if std::mem::take(&mut self.passing) {
                    continue;
                }
                let limit = start + LINE_LIMIT;
                let end = if end > limit + 1 { limit } else { end };
                return Ok(self.buffer.get(start..end));
            }
            // Characters have up to four bytes; what is left of one is looked at again.
            self.searched = self.start + (self.buffer.len() - self.start) / 4 * 4;
            if self.ended {
                let start = std::mem::replace(&mut self.start, self.buffer.len());
                let last = self.buffer.get(start..).filter(|last| !last.is_empty());
                return Ok(last.filter(|_| take_last && !self.passing));
            }
            if !self.passing && self.buffer.len() - self.start > LINE_LIMIT {
                self.passing = true;
                let start = std::mem::replace(&mut self.start, self.searched);
                return Ok(self.buffer.get(start..start + LINE_LIMIT));
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.passing {
            self.start = self.searched;
        }
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let filled = self.buffer.len();
        self.buffer.resize(filled + CHUNK, 0);
        let room = self.buffer.get_mut(filled..).unwrap_or_default();
        let count = loop {
            match self.source.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.buffer.truncate(filled + count);
        self.ended = count == 0;
        Ok(())
    }
}

/// Calls `each` with the entries of the journal that are there.
///
/// # Errors
///
/// Where the journal cannot be read, or `each` fails.
pub(crate) fn each_entry<E: From<io::Error>>(
    options: JournalOptions,
    matches: Matches,
    encoding: Encoding,
    each: &mut impl FnMut(Entry<'_>, &str) -> Result<(), E>,
) -> Result<(), E> {
    let zone = clock::zone();
    // Nothing is so fresh that the end would be taken to have come with it.
    let now = clock::now().plus_seconds(86_400);
    let start = JournalStart {
        after: None,
        cursor: None,
        since: Timestamp::from_seconds(0),
    };
    let mut journal = Journal::new();
    journal.add(ReaderId(0), options, matches, start);
    let mut ended = false;
    let mut result = Ok(());
    while !ended {
        journal.ready(now, &mut |event| match event {
            JournalEvent::Entry { entry, .. } if result.is_ok() && !ended => {
                let (text, iso) = (entry.text(encoding), rendered(entry.time(), &zone));
                let time = entry.time();
                let entry = Entry::Journal {
                    time,
                    iso: &iso,
                    text: &text,
                };
                result = each(entry, &format!("{iso} {text}"));
            }
            JournalEvent::Entry { .. } => {}
            JournalEvent::InOperation { .. } => ended = true,
            JournalEvent::Message { level, text, .. } => {
                if level.number() >= Level::WARNING.number() && result.is_ok() {
                    // One that tries again later is for those who wait.
                    let text = text.split(", next try").next().unwrap_or_default();
                    result = Err(io::Error::other(text.to_owned()).into());
                }
            }
        });
        ended |= result.is_err();
        if let Some(fd) = journal.fd().filter(|_| !ended) {
            let timeout = Timespec::try_from(LOOK).ok();
            // Whether there is something or not, the next round will see.
            let _ready = poll(&mut [PollFd::new(&fd, PollFlags::IN)], timeout.as_ref());
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use std::io;

    use stockade_filter::Encoding;

    use super::{CHUNK, LINE_LIMIT, each_line};

    fn lines(bytes: &[u8], encoding: Encoding, take_last: bool) -> Vec<String> {
        let mut found = Vec::new();
        each_line(bytes, "x", encoding, take_last, &mut |_, text| {
            found.push(text.to_owned());
            Ok::<_, io::Error>(())
        })
        .unwrap();
        found
    }

    #[test]
    fn lines_are_cut_at_their_ends_however_they_are_read() {
        let utf16 = Encoding::named("utf-16le").unwrap();
        for (name, bytes, encoding, take_last, expected) in [
            ("nothing", &b""[..], Encoding::UTF_8, false, vec![]),
            ("no end", b"a\nb", Encoding::UTF_8, false, vec!["a"]),
            ("no end needed", b"a\nb", Encoding::UTF_8, true, vec!["a", "b"]),
            ("empty", b"\n\r\n", Encoding::UTF_8, false, vec!["", ""]),
            (
                "wide",
                b"1\0\x0a\x02\n\x002\0\n\0",
                utf16,
                false,
                vec!["1\u{20a}", "2"],
            ),
        ] {
            assert_eq!(lines(bytes, encoding, take_last), expected, "{name}");
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_cut_and_the_next_is_whole() {
        for length in [CHUNK - 1, CHUNK, LINE_LIMIT, LINE_LIMIT + 1, 3 * LINE_LIMIT + 5] {
            let mut bytes = b"first\n".to_vec();
            bytes.extend(vec![b'x'; length]);
            bytes.extend(b"\nlast\n");
            let found: Vec<usize> = lines(&bytes, Encoding::UTF_8, false)
                .iter()
                .map(String::len)
                .collect();
            assert_eq!(found, [5, length.min(LINE_LIMIT), 4], "{length}");
        }
    }
}
