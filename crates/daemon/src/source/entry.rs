//! Entries of the journal: read from the export format, rendered as the line that is matched.
//!
//! In: the bytes that `journalctl -o export` writes. Out: [`Entry`]s; their time; their text.
//!
//! Only the fields that someone needs are kept, and of those no more than [`LINE_LIMIT`] bytes an entry;
//! what is longer is cut, whatever length a field claims to have.
//!
//! Invariant: an entry ends where the format says so; nothing in the value of a field can end it.

use std::collections::BTreeSet;

use stockade_datetime::Timestamp;
use stockade_filter::{Encoding, journal_text};

use super::{LINE_LIMIT, len};

/// The fields that text and time are made of.
const NEEDED: [&str; 12] = [
    "__CURSOR",
    "__REALTIME_TIMESTAMP",
    "__MONOTONIC_TIMESTAMP",
    "_SOURCE_REALTIME_TIMESTAMP",
    "_SOURCE_MONOTONIC_TIMESTAMP",
    "_HOSTNAME",
    "SYSLOG_IDENTIFIER",
    "_COMM",
    "SYSLOG_PID",
    "_PID",
    "MESSAGE",
    "_TRANSPORT",
];

/// How many fields of an entry are kept; the journal itself takes no more than a thousand.
const FIELD_LIMIT: usize = 1024;

/// The longest value the journal stores; a longer one means that we have lost the thread.
const VALUE_LIMIT: u64 = 1 << 30;

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    fields: Vec<(String, Vec<u8>)>,
    size: usize,
    /// Something of it was too long.
    cut: bool,
}

impl Entry {
    /// Appends a value of a field, cut to what there is room for.
    pub fn push(&mut self, field: &str, value: &[u8]) {
        if self.fields.len() >= FIELD_LIMIT {
            return;
        }
        let room = LINE_LIMIT.saturating_sub(self.size);
        self.cut |= value.len() > room;
        let value = value.get(..room).unwrap_or(value);
        self.size += value.len();
        self.fields.push((field.to_owned(), value.to_vec()));
    }

    /// Whether something of it was too long and is not there.
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// The first value of a field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&[u8]> {
        let known = self.fields.iter().find(|(known, _)| known == field);
        known.map(|(_, value)| value.as_slice())
    }

    /// All values of a field.
    pub fn all<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |(known, _)| known == field)
            .map(|(_, value)| value.as_slice())
    }

    /// When its writer says it was written, or else when the journal received it.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.micros("_SOURCE_REALTIME_TIMESTAMP")
            .map_or_else(|| self.received(), Timestamp::from_micros)
    }

    /// When the journal received it.
    #[must_use]
    pub fn received(&self) -> Timestamp {
        Timestamp::from_micros(self.micros("__REALTIME_TIMESTAMP").unwrap_or(0))
    }

    /// Its place in the journal.
    pub(super) fn cursor(&self) -> Option<&str> {
        std::str::from_utf8(self.get("__CURSOR")?).ok()
    }

    /// The line that is matched: `host identifier[pid]: message`, with what there is of these.
    ///
    /// A line feed becomes the two characters `\n`, wherever it stands, so it is one line whatever was written.
    #[must_use]
    pub fn text(&self, encoding: Encoding) -> String {
        let fields: Vec<(&str, &[u8])> = self
            .fields
            .iter()
            .map(|(field, value)| (field.as_str(), value.as_slice()))
            .collect();
        journal_text(&fields, encoding).replace('\n', "\\n")
    }

    fn micros(&self, field: &str) -> Option<i64> {
        std::str::from_utf8(self.get(field)?).ok()?.trim().parse().ok()
    }
}

/// A time as the evidence of a match begins: `2026-11-21T23:59:04.715624+00:00`, in local time.
#[must_use]
pub fn rendered(time: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    let at = jiff::Timestamp::from_microsecond(time.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let form = if time.subsec_micros() == 0 {
        "%Y-%m-%dT%H:%M:%S%:z"
    } else {
        "%Y-%m-%dT%H:%M:%S.%6f%:z"
    };
    at.to_zoned(zone.clone()).strftime(form).to_string()
}

/// Reads the export format, however it is cut into pieces.
#[derive(Debug)]
pub(super) struct Parser {
    wanted: BTreeSet<String>,
    state: State,
    entry: Entry,
}

#[derive(Debug)]
enum State {
    /// In a line: the name of a field and its value, or a name alone, or the empty line that ends an entry.
    Line(Vec<u8>),
    /// In the eight bytes that say how long a value is.
    Length { name: Vec<u8>, bytes: Vec<u8> },
    /// In a value, of which `left` bytes are to come, and then a line feed.
    Value {
        name: Vec<u8>,
        value: Vec<u8>,
        left: u64,
    },
}

/// What came is not in the export format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not in the export format of the journal")]
pub(super) struct Malformed;

impl Parser {
    /// Keeps what text and time are made of, and `fields`.
    pub(super) fn new<'a>(fields: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            wanted: NEEDED.into_iter().chain(fields).map(str::to_owned).collect(),
            state: State::Line(Vec::new()),
            entry: Entry::default(),
        }
    }

    /// Takes the next piece and hands out the entries that are complete with it.
    pub(super) fn feed(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(Entry)) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            let used = match &mut self.state {
                State::Line(line) => {
                    let end = memchr::memchr(b'\n', bytes);
                    let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
                    self.entry.cut |= append(line, part);
                    if end.is_some() {
                        let line = std::mem::take(line);
                        self.line(&line, take);
                    }
                    part.len() + usize::from(end.is_some())
                }
                State::Length { name, bytes: length } => {
                    let part = bytes.get(..8 - length.len()).unwrap_or(bytes);
                    length.extend_from_slice(part);
                    if let Ok(length) = <[u8; 8]>::try_from(length.as_slice()) {
                        let left = u64::from_le_bytes(length);
                        if left > VALUE_LIMIT {
                            return Err(Malformed);
                        }
                        self.state = State::Value {
                            name: std::mem::take(name),
                            value: Vec::new(),
                            left,
                        };
                    }
                    part.len()
                }
                State::Value { name, value, left } => {
                    if *left == 0 {
                        if bytes.first() != Some(&b'\n') {
                            return Err(Malformed);
                        }
                        let (name, value) = (std::mem::take(name), std::mem::take(value));
                        self.state = State::Line(Vec::new());
                        self.field(&name, &value);
                        1
                    } else {
                        let part = usize::try_from(*left)
                            .ok()
                            .and_then(|left| bytes.get(..left))
                            .unwrap_or(bytes);
                        self.entry.cut |= append(value, part);
                        *left -= len(part);
                        part.len()
                    }
                }
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], take: &mut dyn FnMut(Entry)) {
        if line.is_empty() {
            let entry = std::mem::take(&mut self.entry);
            if !entry.fields.is_empty() {
                take(entry);
            }
            return;
        }
        match memchr::memchr(b'=', line) {
            Some(at) => {
                let (name, value) = line.split_at(at);
                self.field(name, value.get(1..).unwrap_or_default());
            }
            None => {
                self.state = State::Length {
                    name: line.to_vec(),
                    bytes: Vec::with_capacity(8),
                };
            }
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        if let Ok(name) = std::str::from_utf8(name)
            && self.wanted.contains(name)
        {
            self.entry.push(name, value);
        }
    }
}

/// Appends as much of `part` as an entry may have; whether that was not all of it.
fn append(to: &mut Vec<u8>, part: &[u8]) -> bool {
    let room = LINE_LIMIT.saturating_sub(to.len());
    to.extend_from_slice(part.get(..room).unwrap_or(part));
    part.len() > room
}

#[cfg(test)]
mod tests {
    use jiff::tz::{self, TimeZone};
    use stockade_datetime::Timestamp;

    use super::{Encoding, Entry, LINE_LIMIT, Malformed, Parser, rendered};

    fn entry(fields: &[(&str, &str)]) -> Entry {
        let mut entry = Entry::default();
        for (field, value) in fields {
            entry.push(field, value.as_bytes());
        }
        entry
    }

    #[test]
    fn an_entry_is_one_line_whatever_was_written() {
        let entry = entry(&[
            ("SYSLOG_IDENTIFIER", "a\nsshd"),
            ("_HOSTNAME", "vm"),
            ("SYSLOG_PID", "7"),
            ("MESSAGE", "x\ny"),
            ("MESSAGE", "z"),
        ]);
        assert_eq!(entry.text(Encoding::UTF_8), "vm a\\nsshd[7]: x\\ny z");
    }

    #[test]
    fn the_time_is_that_of_the_writer() {
        let both = entry(&[
            ("__REALTIME_TIMESTAMP", "1795305545000001"),
            ("_SOURCE_REALTIME_TIMESTAMP", "1795305544715624"),
        ]);
        assert_eq!(both.time().micros(), 1_795_305_544_715_624);
        assert_eq!(both.received().micros(), 1_795_305_545_000_001);
        let one = entry(&[("__REALTIME_TIMESTAMP", "5")]);
        assert_eq!((one.time().micros(), one.received().micros()), (5, 5));
        for (micros, hours, text) in [
            (1_795_305_544_715_624, 0, "2026-11-21T23:59:04.715624+00:00"),
            (1_795_305_544_000_000, 0, "2026-11-21T23:59:04+00:00"),
            (1_795_305_544_000_100, -5, "2026-11-21T18:59:04.000100-05:00"),
        ] {
            let zone = TimeZone::fixed(tz::offset(hours));
            assert_eq!(rendered(Timestamp::from_micros(micros), &zone), text);
        }
    }

    #[test]
    fn the_export_format_is_read_however_it_is_cut() {
        let mut bytes = b"__CURSOR=c1\nMESSAGE=a=b\nUNKNOWN=x\nX=1\n\n".to_vec();
        // What looks like the end of an entry and another field is within the value.
        let value = b"two\n\nMESSAGE=forged\n\xff";
        bytes.extend_from_slice(b"__CURSOR=c2\nMESSAGE\n");
        bytes.extend_from_slice(&u64::try_from(value.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\nX\n\0\0\0\0\0\0\0\0\n\n\n__CURSOR=c3\nMESSAGE=unfinished\n");
        for size in [1, 2, 3, 7, 16, 1000] {
            let mut parser = Parser::new(["X"]);
            let mut found = Vec::new();
            for piece in bytes.chunks(size) {
                parser
                    .feed(piece, &mut |entry| found.push(entry))
                    .expect("well formed");
            }
            let mut second = entry(&[("__CURSOR", "c2")]);
            second.push("MESSAGE", value);
            second.push("X", b"");
            assert_eq!(
                found,
                [
                    entry(&[("__CURSOR", "c1"), ("MESSAGE", "a=b"), ("X", "1")]),
                    second
                ],
                "pieces of {size}"
            );
            assert_eq!(found[0].cursor(), Some("c1"));
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_what_is_no_length_refused() {
        let mut parser = Parser::new([]);
        let mut found = Vec::new();
        let mut feed = |bytes: &[u8]| parser.feed(bytes, &mut |entry| found.push(entry));
        feed(b"MESSAGE\n").expect("a name");
        feed(&(3 * 1_000_000_u64).to_le_bytes()).expect("a length");
        for _ in 0..3 {
            feed(&vec![b'x'; 1_000_000]).expect("a value");
        }
        feed(b"\n_COMM=a\n\n").expect("its end");
        feed(b"MESSAGE\n").expect("a name");
        assert_eq!(feed(&u64::MAX.to_le_bytes()), Err(Malformed));
        let message = found[0].get("MESSAGE").expect("a message");
        assert_eq!(message.len(), LINE_LIMIT);
        assert_eq!(found[0].get("_COMM"), Some(&b""[..]));
        assert!(found[0].is_cut());
    }
}
