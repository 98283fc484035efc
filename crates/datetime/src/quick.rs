//! The three formats that most logs have, read by hand.
//!
//! In: a place in a line where the format is expected. Out: where the date ends and its numbers, if
//! it is written in the usual way: two digits each, names of three letters.
//!
//! Invariant: what is read here is what the format's program would match at this place, with the same
//! end. Anything unusual, even a character beyond ASCII nearby, is left to the program.

use crate::layout::{Layout, Left};
use crate::token::{self, Decades};
use crate::{Offset, defaults};

/// A format that is read by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `2026-01-31 12:34:56.789 +01:00`
    Iso,
    /// `Jan 31 12:34:56`
    Syslog,
    /// `31/Jan/2026:12:34:56 +0100`
    Apache,
}

/// A format that is read by hand, and where it may stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quick {
    form: Form,
    left: Left,
    years: Decades,
}

/// The numbers of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// Absent from a syslog date.
    pub(crate) year: Option<i64>,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) zone: Option<Offset>,
}

/// A date that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    /// Where the date begins, behind what the left bound has taken.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) numbers: Numbers,
}

impl Quick {
    /// The hand-written form of a layout, if it is one of the three.
    pub(crate) fn of(layout: &Layout, years: Decades) -> Option<Self> {
        let source = layout.source.as_deref()?;
        let form = match source.strip_prefix("{^LN-BEG}").unwrap_or(source) {
            defaults::ISO => Form::Iso,
            defaults::SYSLOG => Form::Syslog,
            defaults::APACHE => Form::Apache,
            _ => return None,
        };
        Some(Self {
            form,
            left: layout.left,
            years,
        })
    }

    /// Reads a date that begins at `from`.
    pub(crate) fn read(self, text: &str, from: usize) -> Option<Date> {
        let bytes = text.as_bytes();
        let start = match self.left {
            Left::LineBegin if from == 0 => skip_marks(bytes)?,
            Left::Word if from == 0 || !is_word(*bytes.get(from - 1)?) => from,
            Left::LineBegin | Left::Word | Left::Free | Left::EpochPlace => return None,
        };
        let rest = bytes.get(start..)?;
        let (length, numbers) = match self.form {
            Form::Iso => self.iso(rest)?,
            Form::Syslog => syslog(rest)?,
            Form::Apache => self.apache(rest)?,
        };
        Some(Date {
            start,
            end: start + length,
            numbers,
        })
    }

    fn iso(self, b: &[u8]) -> Option<(usize, Numbers)> {
        let [y1, y2, y3, y4, s1, m1, m2, s2, d1, d2, gap, clock @ ..] = b.first_chunk::<19>()?;
        if !matches!(s1, b'-' | b'/' | b'.') || s1 != s2 || !matches!(gap, b'T' | b' ') {
            return None;
        }
        let (hour, minute, second) = time_of_day(clock)?;
        let mut end = 19;
        if let Some(b'.' | b',') = b.get(end) {
            let digits = b
                .iter()
                .skip(end + 1)
                .take(7)
                .take_while(|b| b.is_ascii_digit())
                .count();
            if !(1..=6).contains(&digits) {
                return None;
            }
            end += 1 + digits;
        }
        let (end, zone) = match b.get(end) {
            Some(b'Z') => (end + 1, Some(Offset::UTC)),
            Some(b'+' | b'-') => offset(b, end)?,
            Some(b' ') => match b.get(end + 1) {
                Some(b'+' | b'-') => offset(b, end + 1)?,
                Some(b'Z' | b'U' | b'G' | b' ' | b'\t'..=b'\r' | b'\x1c'..=b'\x1f' | 0x80..) => return None,
                _ => (end, None),
            },
            Some(b'U' | b'G' | b'\t'..=b'\r' | b'\x1c'..=b'\x1f') => return None,
            _ => (end, None),
        };
        bounded(b, end)?;
        let numbers = Numbers {
            year: Some(self.year([*y1, *y2, *y3, *y4])?),
            month: two(*m1, *m2).filter(|month| (1..=12).contains(month))?,
            day: two(*d1, *d2).filter(|day| (1..=31).contains(day))?,
            hour,
            minute,
            second,
            zone,
        };
        Some((end, numbers))
    }

    fn apache(self, b: &[u8]) -> Option<(usize, Numbers)> {
        let [d1, d2, s1, n1, n2, n3, s2, y1, y2, y3, y4, gap, clock @ ..] = b.first_chunk::<20>()?;
        if !matches!(s1, b'-' | b'/') || s1 != s2 || !matches!(gap, b':' | b' ') {
            return None;
        }
        let (hour, minute, second) = time_of_day(clock)?;
        let (end, zone) = match (b.get(20), b.get(21)) {
            (Some(b' '), Some(b'+' | b'-')) => offset(b, 21)?,
            (Some(b' '), Some(b'Z' | b'U' | b'G' | b'z' | b'u' | b'g' | 0x80..)) | (Some(b'.'), _) => {
                return None;
            }
            _ => (20, None),
        };
        bounded(b, end)?;
        let numbers = Numbers {
            year: Some(self.year([*y1, *y2, *y3, *y4])?),
            month: token::month_of([*n1, *n2, *n3])?,
            day: two(*d1, *d2).filter(|day| (1..=31).contains(day))?,
            hour,
            minute,
            second,
            zone,
        };
        Some((end, numbers))
    }

    fn year(self, [a, b, c, d]: [u8; 4]) -> Option<i64> {
        let year = two(a, b)? * 100 + two(c, d)?;
        self.years.have(year).then_some(year)
    }
}

fn syslog(b: &[u8]) -> Option<(usize, Numbers)> {
    let [n1, n2, n3, b' ', d1, d2, b' ', clock @ ..] = b.first_chunk::<15>()? else {
        return None;
    };
    let (hour, minute, second) = time_of_day(clock)?;
    match (b.get(15), b.get(16)) {
        // A fraction, or a year.
        (Some(b'.'), _) | (Some(b' '), Some(b'2')) => return None,
        _ => bounded(b, 15)?,
    }
    let tens = if *d1 == b' ' { b'0' } else { *d1 };
    let numbers = Numbers {
        year: None,
        month: token::month_of([*n1, *n2, *n3])?,
        day: two(tens, *d2).filter(|day| (1..=31).contains(day))?,
        hour,
        minute,
        second,
        zone: None,
    };
    Some((15, numbers))
}

/// Skips up to two ASCII characters of no word.
fn skip_marks(b: &[u8]) -> Option<usize> {
    for at in 0..2 {
        let byte = *b.get(at)?;
        if is_word(byte) {
            return Some(at);
        }
    }
    Some(2)
}

/// Whether a byte is of a word, or of a character that may be.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Whether no word goes on at `end`.
fn bounded(b: &[u8], end: usize) -> Option<()> {
    b.get(end).is_none_or(|byte| !is_word(*byte)).then_some(())
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

/// `12:34:56`.
fn time_of_day(b: &[u8]) -> Option<(i64, i64, i64)> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = b else {
        return None;
    };
    let (hour, minute, second) = (two(*h1, *h2)?, two(*m1, *m2)?, two(*s1, *s2)?);
    (hour < 24 && minute < 60 && second < 60).then_some((hour, minute, second))
}

/// `+0100`, `+01:00` at `at`; where it ends.
fn offset(b: &[u8], at: usize) -> Option<(usize, Option<Offset>)> {
    let (minutes, length) = match b.get(at + 1..)? {
        [h1 @ b'0'..=b'1', h2, b':', m1, m2, ..] => (two(*h1, *h2)? * 60 + two(*m1, *m2)?, 6),
        [h1 @ b'0'..=b'1', h2, m1, m2, ..] => (two(*h1, *h2)? * 60 + two(*m1, *m2)?, 5),
        _ => return None,
    };
    let minutes = i32::try_from(minutes).ok()?;
    let minutes = if b.get(at) == Some(&b'-') {
        -minutes
    } else {
        minutes
    };
    Some((at + length, Some(Offset::from_minutes(minutes))))
}
