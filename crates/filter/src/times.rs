//! Which time a line has, and whether that can be.
//!
//! In: a line, the date found in it, `now`. Out: the time to count with, and the line in its three parts.
//! Invariant: in operation no time is more than a minute away from `now`.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use stockade_datetime::Timestamp;

use crate::MatchedLine;
use crate::note::{Note, Notes};

/// How long a line without a date belongs to the one before, and how far a time may be from now.
const NEAR_SECONDS: i64 = 60;

/// What the time of a line is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Check {
    /// The wall clock.
    pub(crate) now: Timestamp,
    /// Whether the log is read as it is written, and no longer from where it was left.
    pub(crate) in_operation: bool,
    /// How old a line may be; none where times are not checked.
    pub(crate) findtime_micros: Option<i64>,
}

/// What the detector says about a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Date {
    /// There is a date.
    At {
        /// Its place.
        span: Range<usize>,
        /// The moment it names.
        time: Timestamp,
        /// The reference has it as a whole number.
        is_whole: bool,
        /// The format, for the detector's name of it.
        template: usize,
    },
    /// The date is empty, for such lines may have none. Its place, and the format.
    Empty(usize, usize),
    /// What stands at this place looks like a date and is none. With the format.
    Bad(Range<usize>, usize),
    /// There is none.
    None,
}

/// The time of the last line that had one.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Times {
    last: Option<Last>,
}

#[derive(Debug, Clone, PartialEq)]
struct Last {
    time: Timestamp,
    is_whole: bool,
    text: String,
}

/// A line of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawLine<'a> {
    /// Its text, without its end.
    pub(crate) text: &'a str,
    /// The same with LF, where that is its end.
    with_end: Option<&'a str>,
}

impl<'a> RawLine<'a> {
    /// A line that came without its end.
    pub(crate) const fn of_text(text: &'a str) -> Self {
        Self { text, with_end: None }
    }

    /// A line, perhaps with its end.
    #[inline]
    pub(crate) fn new(line: &'a str) -> Self {
        let mut text = line;
        while let Some((b'\n' | b'\r', rest)) = text.as_bytes().split_last() {
            text = text.get(..rest.len()).unwrap_or_default();
        }
        let is_ended = text.len() + 1 == line.len() && line.as_bytes().last() == Some(&b'\n');
        Self {
            text,
            with_end: is_ended.then_some(line),
        }
    }
}

/// A line cut at its date; most lines match nothing and are never copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CutLine<'a> {
    pub(crate) before: &'a str,
    pub(crate) date: Cow<'a, str>,
    pub(crate) after: &'a str,
    /// All three, where they stand so in one piece.
    whole: Option<&'a str>,
    /// The line without its date and with LF, where it stands so in one piece.
    pub(crate) searched: Option<&'a str>,
}

impl CutLine<'_> {
    /// The line as it is kept.
    pub(crate) fn to_matched(&self) -> MatchedLine {
        match self.whole {
            Some(line) => {
                let begin = self.before.len();
                MatchedLine::of(line, begin..begin + self.date.len())
            }
            None => MatchedLine::new(self.before, &self.date, self.after),
        }
    }
}

impl fmt::Display for CutLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.before, self.date, self.after)
    }
}

/// A line with its time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Timed<'a> {
    /// The line; its date is that of an earlier line where it has none and is not much later.
    pub(crate) line: CutLine<'a>,
    /// When it was written, where that can be told.
    pub(crate) time: Option<Timestamp>,
    /// The reference has the time as a whole number.
    pub(crate) is_whole: bool,
    /// It should have had a date and has none.
    pub(crate) no_date: bool,
}

/// What came of a date at the beginning of a line: the same comes of it in the next line, as long as that is checked
/// against the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Steady {
    pub(crate) check: Check,
    /// Where the date ends.
    end: usize,
    /// The time, and whether the reference has it as a whole number; none where it is too old to look at.
    time: Option<(Timestamp, bool)>,
}

impl Steady {
    /// What came of this date; nothing where it is none, or does not stand at the beginning.
    pub(crate) fn of(check: Check, date: &Date, timed: Option<&Timed<'_>>) -> Option<Self> {
        match date {
            Date::At { span, .. } if span.start == 0 => Some(Self {
                check,
                end: span.end,
                time: timed.and_then(|timed| Some((timed.time?, timed.is_whole))),
            }),
            Date::At { .. } | Date::Empty(..) | Date::Bad(..) | Date::None => None,
        }
    }

    /// Whether lines with this date are too old to look at.
    pub(crate) const fn is_too_old(&self) -> bool {
        self.time.is_none()
    }

    /// What is searched of a line with this date, where that stands so in one piece.
    #[inline]
    pub(crate) fn searched<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        match line {
            [.., b'\r', b'\n'] => None,
            [.., b'\n'] => line.get(self.end..),
            _ => None,
        }
    }

    /// Gives a line with the same date its time; `None` where it is too old to look at.
    pub(crate) fn timed<'a>(&self, line: RawLine<'a>) -> Option<Timed<'a>> {
        self.time.map(|(time, is_whole)| Timed {
            line: cut(line, &(0..self.end)),
            time: Some(time),
            is_whole,
            no_date: false,
        })
    }
}

impl Times {
    /// Gives a line its time; `None` where it is too old to look at.
    pub(crate) fn of_line<'a>(
        &mut self,
        check: Check,
        line: RawLine<'a>,
        date: &Date,
        notes: &mut Notes,
        out: &mut Vec<Note>,
    ) -> Option<Timed<'a>> {
        let assumed = check
            .findtime_micros
            .filter(|_| check.in_operation)
            .map(|_| check.now);
        let (span, time, no_date) = match date {
            Date::At {
                span, time, is_whole, ..
            } => {
                let line = cut(line, span);
                let text = line.date.clone();
                return self.checked(check, line, (*time, *is_whole), &text, notes, out);
            }
            Date::Empty(at, _) => (*at..*at, Some(check.now), false),
            Date::Bad(span, _) => {
                out.extend(notes.bad_date(check.now, line.text.get(span.clone()).unwrap_or_default()));
                (span.clone(), assumed, true)
            }
            Date::None => (0..0, assumed, true),
        };
        let near = check.now.plus_seconds(-NEAR_SECONDS);
        if let Some(last) = self.last.clone().filter(|last| last.time > near) {
            let line = CutLine {
                before: "",
                date: Cow::Owned(last.text.clone()),
                after: line.text,
                whole: None,
                searched: line.with_end,
            };
            let timed = self.checked(check, line, (last.time, last.is_whole), &last.text, notes, out)?;
            return Some(Timed { no_date, ..timed });
        }
        Some(Timed {
            line: cut(line, &span),
            time,
            is_whole: false,
            no_date,
        })
    }

    /// Gives an entry of the journal its time; `None` where it is too old to look at.
    pub(crate) fn of_entry<'a>(
        &mut self,
        check: Check,
        (time, iso, text): (Timestamp, &str, &'a str),
        notes: &mut Notes,
        out: &mut Vec<Note>,
    ) -> Option<Timed<'a>> {
        let line = CutLine {
            before: "",
            date: Cow::Owned(format!("{iso} ")),
            after: text,
            whole: None,
            searched: None,
        };
        self.checked(check, line, (time, false), iso, notes, out)
    }

    fn checked<'a>(
        &mut self,
        check: Check,
        line: CutLine<'a>,
        (mut time, mut is_whole): (Timestamp, bool),
        text: &str,
        notes: &mut Notes,
        out: &mut Vec<Note>,
    ) -> Option<Timed<'a>> {
        let mut too_old = false;
        if let Some(findtime_micros) = check.findtime_micros {
            if check.in_operation {
                // Cut towards zero, so that 60.9 seconds are near.
                let delta_seconds = time.micros_since(check.now) / 1_000_000;
                if delta_seconds.abs() > NEAR_SECONDS {
                    out.extend(notes.odd_time(check.now, delta_seconds, &line));
                    (time, is_whole) = (check.now, false);
                }
            } else if time < check.now.plus_micros(findtime_micros.saturating_neg()) {
                out.extend(notes.too_old(check.now, findtime_micros, &line));
                too_old = true;
            }
        }
        let last = self.last.get_or_insert_with(|| Last {
            time,
            is_whole,
            text: String::new(),
        });
        (last.time, last.is_whole) = (time, is_whole);
        text.clone_into(&mut last.text);
        (!too_old).then_some(Timed {
            line,
            time: Some(time),
            is_whole,
            no_date: false,
        })
    }
}

fn cut<'a>(line: RawLine<'a>, span: &Range<usize>) -> CutLine<'a> {
    let RawLine { text, with_end } = line;
    let part = |range: Range<usize>| text.get(range).unwrap_or_default();
    CutLine {
        before: part(0..span.start),
        date: Cow::Borrowed(part(span.clone())),
        after: part(span.end..text.len()),
        whole: Some(text),
        searched: with_end
            .filter(|_| span.start == 0)
            .and_then(|line| line.get(span.end..)),
    }
}
