//! What the log is to say about lines, in the reference's words.
//!
//! In: what went wrong, and `now`. Out: [`Note`]s, each kind at most once a day where the reference says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use stockade_datetime::{Timestamp, duration};

use crate::times::CutLine;

/// How long a warning is not repeated.
const DAY_SECONDS: i64 = 86_400;

/// How many files the warning about their encoding is remembered for; the oldest makes room.
const MAX_FILES: usize = 1000;

/// How many errors about single lines are told in [`ERROR_SECONDS`]: whoever can write lines could fill the log.
const MAX_ERRORS: u32 = 10;
const ERROR_SECONDS: i64 = 60;

/// How grave a [`Note`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// ERROR.
    Error,
    /// WARNING.
    Warning,
}

/// Something that the log is to say; every text is a record of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How grave it is.
    pub level: Level,
    /// Whether the records begin with the name of the jail in brackets.
    pub of_jail: bool,
    /// The records.
    pub records: Vec<String>,
    /// The expression that they are about, with its tags expanded, where they are about one.
    pub expression: Option<String>,
}

/// The notes of one filter, and when each kind was last made.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Notes {
    no_date: Daily,
    odd_time: Daily,
    too_old: Daily,
    undecodable: BTreeMap<String, Timestamp>,
    gave_up: BTreeMap<String, Daily>,
    errors_since: Option<Timestamp>,
    errors: u32,
    searches_given_up: u64,
}

/// When a kind of note was last made.
#[derive(Debug, Clone, PartialEq, Default)]
struct Daily(Option<Timestamp>);

impl Daily {
    /// Whether it may be made now; if so, it was.
    fn is_due(&mut self, now: Timestamp) -> bool {
        if self
            .0
            .is_some_and(|last| now <= last.plus_seconds(DAY_SECONDS) && now >= last)
        {
            return false;
        }
        self.0 = Some(now);
        true
    }
}

impl Notes {
    /// A line is not text in the encoding of its log.
    pub(crate) fn undecodable(
        &mut self,
        now: Timestamp,
        file: &str,
        encoding: &str,
        line: &[u8],
    ) -> Option<Note> {
        let known = self.undecodable.get(file);
        if known.is_some_and(|&last| now <= last.plus_seconds(DAY_SECONDS) && now >= last) {
            return None;
        }
        if self.undecodable.len() >= MAX_FILES {
            let oldest = self.undecodable.iter().min_by_key(|&(_, last)| last);
            if let Some(oldest) = oldest.map(|(file, _)| file.clone()) {
                self.undecodable.remove(&oldest);
            }
        }
        self.undecodable.insert(file.to_owned(), now);
        Some(Note {
            level: Level::Warning,
            expression: None,
            of_jail: false,
            records: vec![
                format!("Error decoding line from '{file}' with '{encoding}'."),
                format!(
                    "Consider setting logencoding to appropriate encoding for this jail. Continuing to process line \
                     ignoring invalid characters: {}",
                    quoted_bytes(line)
                ),
            ],
        })
    }

    /// A match has no time of its own.
    pub(crate) fn no_date(&mut self, now: Timestamp, last: &str, lines: &str) -> Option<Note> {
        self.no_date.is_due(now).then(|| Note {
            level: Level::Warning,
            expression: None,
            of_jail: true,
            records: vec![
                format!("Found a match but no valid date/time found for '{last}'."),
                format!("Match without a timestamp: {lines}"),
                "Please try setting a custom date pattern (see man page jail.conf(5)).".to_owned(),
            ],
        })
    }

    /// A line that is read as it is written has a time that is far from now.
    pub(crate) fn odd_time(
        &mut self,
        now: Timestamp,
        delta_seconds: i64,
        line: &CutLine<'_>,
    ) -> Option<Note> {
        self.odd_time.is_due(now).then(|| {
            let problem = if (-3300..0).contains(&delta_seconds) { "latency" } else { "timezone" };
            let side = if delta_seconds < 0 { "before" } else { "after" };
            let delta = duration::to_text(delta_seconds.saturating_abs());
            Note {
                level: Level::Warning,
                expression: None,
                of_jail: true,
                records: vec![
                    format!(
                        "Detected a log entry {delta} {side} the current time in operation mode. This looks like a \
                         {problem} problem. Treating such entries as if they just happened."
                    ),
                    odd_timestamp(line),
                ],
            }
        })
    }

    /// A line from before the start is too old to count.
    pub(crate) fn too_old(
        &mut self,
        now: Timestamp,
        findtime_micros: i64,
        line: &CutLine<'_>,
    ) -> Option<Note> {
        self.too_old.is_due(now).then(|| Note {
            level: Level::Warning,
            expression: None,
            of_jail: true,
            records: vec![
                format!(
                    "Ignoring all log entries older than {}s; these are probably messages generated while fail2ban \
                     was not running.",
                    seconds_text(findtime_micros)
                ),
                odd_timestamp(line),
            ],
        })
    }

    /// What looks like a date is none.
    pub(crate) fn bad_date(&mut self, now: Timestamp, date: &str) -> Option<Note> {
        self.error(now, || format!("findFailure failed to parse timeText: {date}"))
    }

    /// A match captured nothing that could be counted.
    pub(crate) fn no_group(&mut self, now: Timestamp, text: &str, regex: &str) -> Option<Note> {
        self.error(now, || format!("No group found in '{text}' using '{regex}'"))
    }

    /// How often a search was given up.
    pub(crate) const fn searches_given_up(&self) -> u64 {
        self.searches_given_up
    }

    /// An expression was given up on a line.
    pub(crate) fn gave_up(&mut self, now: Timestamp, regex: &str) -> Option<Note> {
        self.searches_given_up += 1;
        if !self.gave_up.contains_key(regex) {
            if self.gave_up.len() >= MAX_FILES {
                self.gave_up.clear();
            }
            self.gave_up.insert(regex.to_owned(), Daily::default());
        }
        let is_due = self.gave_up.get_mut(regex).is_some_and(|daily| daily.is_due(now));
        is_due.then(|| Note {
            level: Level::Warning,
            of_jail: false,
            records: vec![format!(
                "Gave up matching a line, it takes too many steps, using '{regex}'"
            )],
            expression: Some(regex.to_owned()),
        })
    }

    fn error(&mut self, now: Timestamp, text: impl FnOnce() -> String) -> Option<Note> {
        let same = |since: Timestamp| now >= since && now < since.plus_seconds(ERROR_SECONDS);
        if !self.errors_since.is_some_and(same) {
            self.errors_since = Some(now);
            self.errors = 0;
        }
        self.errors = self.errors.saturating_add(1);
        (self.errors <= MAX_ERRORS).then(|| Note {
            level: Level::Error,
            of_jail: false,
            records: vec![text()],
            expression: None,
        })
    }
}

fn odd_timestamp(line: &CutLine<'_>) -> String {
    format!("Please check a jail for a timing issue. Line with odd timestamp: {line}")
}

/// Seconds as the reference prints a number: without a fraction where there is none.
fn seconds_text(micros: i64) -> String {
    let text = Timestamp::from_micros(micros).to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Bytes as Python prints them: `b'caf\\xe9'`.
fn quoted_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        '"'
    } else {
        '\''
    };
    let mut text = format!("b{quote}");
    for &byte in bytes {
        match char::from(byte) {
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\\' => text.push_str("\\\\"),
            char if char == quote => {
                text.push('\\');
                text.push(char);
            }
            char @ ' '..='~' => text.push(char),
            _ => write!(text, "\\x{byte:02x}").expect("a string takes everything"),
        }
    }
    text.push(quote);
    text
}

#[cfg(test)]
mod tests {
    use super::quoted_bytes;

    #[test]
    fn bytes_print_as_python_prints_them() {
        for (bytes, text) in [
            (b"caf\xe9 x".as_slice(), r"b'caf\xe9 x'"),
            (b"it's", r#"b"it's""#),
            (b"it's \"so\"", r#"b'it\'s "so"'"#),
            (b"a\\b\t\r\n\x00\x7f", r"b'a\\b\t\r\n\x00\x7f'"),
        ] {
            assert_eq!(quoted_bytes(bytes), text);
        }
    }
}
