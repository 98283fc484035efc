//! What a filter did with an entry, step by step, for whoever asks why.
//!
//! In: what the stages found. Out: [`Step`]s in the order they were taken.
//! Invariant: telling changes nothing about what is found.

use std::ops::Range;

use stockade_datetime::Timestamp;

use crate::Captured;
use crate::structured::Unread;
use crate::times::Date;

/// One step on the way of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A date was found in the line.
    Date {
        /// Its place in the line, in bytes; empty where such lines need no date.
        place: Range<usize>,
        /// When that is; none where it looks like a date and is none, such as February 30.
        time: Option<Timestamp>,
        /// Its format, for [`Detector::name`](stockade_datetime::Detector::name).
        template: usize,
    },
    /// The line has no date.
    NoDate,
    /// The entry is of the journal, which knows its time.
    JournalTime(Timestamp),
    /// The line is older than `findtime`; nothing more was done with it.
    TooOld,
    /// The line is taken to be of this time.
    Time {
        /// The time; it may be that of the line before, or now.
        time: Option<Timestamp>,
        /// It should have had a date and has none.
        no_date: bool,
    },
    /// The prefregex was searched: what it captured, or that it does not match.
    Prefregex(Option<Captured>),
    /// The failregex of this number matched.
    Failregex(usize),
    /// The ignoreregex of this number matched: before any failregex the whole line, after one its match.
    Ignoreregex(usize),
    /// The match was dropped, for the line has no time.
    NoTime,
    /// The match is no failure by itself; its session remembers it.
    Helper,
    /// The match has a host name, and `usedns` says that names do not count.
    NameDoesNotCount,
    /// The match captured nothing that could be counted.
    NoId,
    /// The match is a failure of a session whose address is not known yet.
    Pending,
    /// The line is structured, and this text of it is what is looked at.
    Text(String),
    /// The line is not structured as it should be; nothing more was done with it.
    Unread(Unread),
    /// No alternative of `failwhen` is met.
    Unmet,
    /// This alternative of `failwhen` is met.
    Failwhen(usize),
    /// This alternative of `ignorewhen` is met.
    Ignorewhen(usize),
    /// `failwhen` is met, and `field.host` is no address.
    NoAddress,
}

impl Date {
    pub(crate) fn step(&self) -> Step {
        match self {
            Self::At {
                span, time, template, ..
            } => Step::Date {
                place: span.clone(),
                time: Some(*time),
                template: *template,
            },
            Self::Empty(_, template) => Step::Date {
                place: 0..0,
                time: None,
                template: *template,
            },
            Self::Bad(span, template) => Step::Date {
                place: span.clone(),
                time: None,
                template: *template,
            },
            Self::None => Step::NoDate,
        }
    }
}
