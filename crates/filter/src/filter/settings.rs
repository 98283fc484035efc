//! What is set of a filter, and setting it.
//!
//! In: properties of a jail as they are written. Out: the same, and expressions that are compiled as they are added.
//!
//! Invariant: whatever was made of the expressions together is made anew when they change.

use std::sync::{Arc, OnceLock};

use stockade_datetime::{Clock, DatePatternError, Detector, Report, Timestamp, ZoneError};

use super::Filter;
use crate::choice::UseDns;
use crate::regex::RegexError;
use crate::structured::Moment;
use crate::together::Together;
use crate::{Encoding, Losses, MatchedLine, Regex};

/// The most lines that are kept; more would make every line a search of megabytes.
pub const MAX_MAXLINES: usize = 1000;

/// `maxlines` below 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("maxlines must be integer greater than zero")]
pub struct BadMaxLines;

impl Filter {
    /// `usedns`.
    #[must_use]
    pub const fn usedns(&self) -> UseDns {
        self.usedns
    }

    /// Sets `usedns`; expressions that are there keep the `<HOST>` they were added with.
    pub const fn set_usedns(&mut self, usedns: UseDns) {
        self.usedns = usedns;
    }

    /// `maxlines`.
    #[must_use]
    pub const fn maxlines(&self) -> usize {
        self.maxlines
    }

    /// Sets `maxlines`; expressions that are there keep the mode they were added with.
    ///
    /// # Errors
    ///
    /// It is below 1.
    pub fn set_maxlines(&mut self, maxlines: i64) -> Result<(), BadMaxLines> {
        match usize::try_from(maxlines) {
            Ok(maxlines @ 1..) => {
                self.maxlines = maxlines.min(MAX_MAXLINES);
                Ok(())
            }
            Ok(0) | Err(_) => Err(BadMaxLines),
        }
    }

    /// Sets whether each step is told.
    pub const fn set_explain(&mut self, explain: bool) {
        self.mode.explain = explain;
    }

    /// Sets `findtime`, in microseconds.
    pub const fn set_findtime(&mut self, micros: i64) {
        self.findtime_micros = micros;
    }

    /// Sets whether literals are looked for before expressions are tried. What comes of a line is the same with
    /// and without, so that this is only good for showing just that.
    pub const fn set_gated(&mut self, is_gated: bool) {
        self.is_gated = is_gated;
    }

    /// The lines that a later one can still make part of a match, where `maxlines` says that there are any.
    pub fn buffered(&self) -> impl Iterator<Item = &MatchedLine> {
        self.buffer.lines()
    }

    /// How many sessions are remembered.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// How often a limit was reached.
    #[must_use]
    pub const fn losses(&self) -> Losses {
        self.sessions.losses().plus(Losses {
            sessions: 0,
            lines: self.buffer.dropped(),
            users: 0,
            searches: self.notes.searches_given_up(),
            unread: self.unread,
        })
    }

    /// Whether the other filter would make the same of everything from now on.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.mode == other.mode
            && self.usedns == other.usedns
            && self.maxlines == other.maxlines
            && self.findtime_micros == other.findtime_micros
            && self.encoding == other.encoding
            && self.encoding_name == other.encoding_name
            && self.prefregex == other.prefregex
            && self.failregex == other.failregex
            && self.ignoreregex == other.ignoreregex
            && self.times == other.times
            && self.buffer == other.buffer
            && self.sessions == other.sessions
            && self.notes == other.notes
            && self.structure == other.structure
            && self.unfinished == other.unfinished
            && self.dates.agree_with(&other.dates)
    }

    /// The name of the encoding as it was given.
    #[must_use]
    pub fn encoding_name(&self) -> &str {
        &self.encoding_name
    }

    /// The encoding of the log.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Sets `logencoding` to the encoding of this name.
    ///
    /// # Errors
    ///
    /// No encoding is called so.
    pub fn set_encoding(&mut self, name: &str) -> Result<(), crate::UnknownEncoding> {
        self.encoding = Encoding::named(name)?;
        name.clone_into(&mut self.encoding_name);
        Ok(())
    }

    /// Sets `datepattern`; several patterns stand on lines of their own.
    ///
    /// # Errors
    ///
    /// One of them is no date pattern.
    pub fn set_datepattern(&mut self, pattern: &str) -> Result<(), DatePatternError> {
        self.dates.set_pattern(pattern)
    }

    /// What `get datepattern` answers.
    #[must_use]
    pub fn datepattern(&self) -> Report {
        self.dates.report()
    }

    /// How dates are found, where one was looked for or a `datepattern` was set.
    #[must_use]
    pub const fn detector(&self) -> Option<&Detector> {
        self.dates.detector()
    }

    /// `logtimezone` as it was set.
    #[must_use]
    pub fn logtimezone(&self) -> Option<&str> {
        self.dates.zone_text()
    }

    /// Sets `logtimezone`, the zone of dates that name none.
    ///
    /// # Errors
    ///
    /// The text names no zone.
    pub fn set_logtimezone(&mut self, text: &str) -> Result<(), ZoneError> {
        self.dates.set_zone(text)
    }

    /// Puts expressions in place that were compiled before, all at once.
    pub fn set_expressions(
        &mut self,
        prefregex: Option<Arc<Regex>>,
        failregex: Vec<Arc<Regex>>,
        ignoreregex: Vec<Arc<Regex>>,
    ) {
        self.prefregex = prefregex;
        self.failregex = failregex;
        self.ignoreregex = ignoreregex;
        self.forget_gates();
    }

    /// When a line was written, where it says so; for whoever looks for the place from which to read a log.
    pub fn date_of(&mut self, line: &[u8], clock: &Clock) -> Option<Timestamp> {
        self.steady = None;
        let (line, _) = self.encoding.decode(line);
        let moment = self.structure.as_ref().map(|structure| structure.moment(&line));
        match moment {
            Some(Moment::At(time, _)) => Some(time),
            Some(Moment::Written(text)) => self.dates.time_of(&text, clock),
            Some(Moment::InLine) | None => self.dates.time_of(&line, clock),
        }
    }

    /// The prefregex.
    #[must_use]
    pub fn prefregex(&self) -> Option<&Regex> {
        self.prefregex.as_deref()
    }

    /// Sets the prefregex; an empty one takes it away.
    ///
    /// # Errors
    ///
    /// It is no expression.
    pub fn set_prefregex(&mut self, source: &str) -> Result<(), RegexError> {
        self.prefregex = if source.is_empty() {
            None
        } else {
            Some(Arc::new(Regex::compile(source, self.names_count(), false)?))
        };
        self.forget_gates();
        Ok(())
    }

    /// The failregexes in their order.
    #[must_use]
    pub fn failregex(&self) -> &[Arc<Regex>] {
        &self.failregex
    }

    /// Adds a failregex behind the others.
    ///
    /// # Errors
    ///
    /// It is no expression, or neither it nor the prefregex captures anything that could be counted.
    pub fn add_failregex(&mut self, source: &str) -> Result<(), RegexError> {
        let regex = Regex::compile(source, self.names_count(), self.maxlines > 1)?;
        if !regex.has_id()
            && !self
                .prefregex
                .as_ref()
                .is_some_and(|prefregex| prefregex.has_id())
        {
            return Err(RegexError::NoId {
                expanded: regex.expanded().to_owned(),
            });
        }
        self.failregex.push(Arc::new(regex));
        self.forget_gates();
        Ok(())
    }

    /// Removes a failregex; `false` where there is none of this number.
    pub fn remove_failregex(&mut self, index: usize) -> bool {
        self.forget_gates();
        remove(&mut self.failregex, index)
    }

    /// The ignoreregexes in their order.
    #[must_use]
    pub fn ignoreregex(&self) -> &[Arc<Regex>] {
        &self.ignoreregex
    }

    /// Adds an ignoreregex behind the others.
    ///
    /// # Errors
    ///
    /// It is no expression.
    pub fn add_ignoreregex(&mut self, source: &str) -> Result<(), RegexError> {
        let regex = Regex::compile(source, self.names_count(), false)?;
        self.ignoreregex.push(Arc::new(regex));
        Ok(())
    }

    /// Removes an ignoreregex; `false` where there is none of this number.
    pub fn remove_ignoreregex(&mut self, index: usize) -> bool {
        remove(&mut self.ignoreregex, index)
    }

    /// Removes all failregexes and ignoreregexes, as a reload does.
    pub fn clear(&mut self) {
        self.forget_gates();
        self.failregex.clear();
        self.ignoreregex.clear();
    }

    /// The expressions are others from now on.
    fn forget_gates(&mut self) {
        self.gates = OnceLock::new();
        self.together = Together::default();
    }

    const fn names_count(&self) -> bool {
        !matches!(self.usedns, UseDns::No)
    }
}

fn remove(list: &mut Vec<Arc<Regex>>, index: usize) -> bool {
    let known = index < list.len();
    if known {
        list.remove(index);
    }
    known
}
