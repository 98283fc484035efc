//! How a filter takes structured lines: those of envelopes go the way of any line, with a time that is known; those
//! whose fields make a failure are judged at once.

use std::sync::Arc;

use stockade_datetime::{Clock, Timestamp};

use super::{Filter, Line, Lines, Output};
use crate::candidate::Taken;
use crate::gate::Gates;
use crate::named::{Known, Named};
use crate::structured::{Failure, Moment, Read, Structure};
use crate::times::{Check, Date, RawLine, Timed};
use crate::{Data, Family, Regex, Step, Unread};

impl Filter {
    /// How structured lines are read, where that was set.
    #[must_use]
    pub fn structure(&self) -> Option<&Structure> {
        self.structure.as_deref()
    }

    /// Sets how structured lines are read.
    pub fn set_structure(&mut self, structure: Option<Arc<Structure>>) {
        self.structure = structure;
        self.steady = None;
    }

    /// Looks at lines of a file that are structured; see [`Self::process_lines`].
    pub(super) fn process_structured(
        &mut self,
        lines: Lines<'_>,
        structure: &Structure,
        (clock, check): (&Clock, Check),
        out: &mut Vec<(usize, Output)>,
    ) {
        let gates = self.gates();
        let mut output = Output::default();
        for (number, place) in lines.places.iter().enumerate() {
            let bytes = lines.bytes.get(place.clone()).unwrap_or_default();
            let (line, clean) = self.encoding.decode(bytes);
            if !clean {
                let name = &self.encoding_name;
                let note = self.notes.undecodable(check.now, lines.file, name, bytes);
                output.notes.extend(note);
            }
            let read = self.read(structure, &line, lines.file, check, &mut output);
            self.take(read, gates.as_deref(), clock, check, &mut output);
            if !output.found.is_empty() || !output.notes.is_empty() {
                out.push((number, std::mem::take(&mut output)));
            }
        }
    }

    /// Reads a line of a file.
    pub(super) fn read<'a>(
        &mut self,
        structure: &Structure,
        line: &'a str,
        file: &str,
        check: Check,
        out: &mut Output,
    ) -> Read<'a> {
        let notes = &mut self.notes;
        let mut gave_up = |regex: &Regex| out.notes.extend(notes.gave_up(check.now, regex.expanded()));
        structure.read(line, file, &mut self.unfinished, &mut gave_up)
    }

    /// Reads the text of an entry of the journal.
    pub(super) fn read_entry<'a>(
        &mut self,
        structure: &Structure,
        (time, iso, text): (Timestamp, &str, &'a str),
        check: Check,
        out: &mut Output,
    ) -> Read<'a> {
        let notes = &mut self.notes;
        let mut gave_up = |regex: &Regex| out.notes.extend(notes.gave_up(check.now, regex.expanded()));
        structure.read_entry(text, (time, iso), &mut gave_up)
    }

    /// Looks at what a structured line is read as.
    pub(super) fn take(
        &mut self,
        read: Read<'_>,
        gates: Option<&Gates>,
        clock: &Clock,
        check: Check,
        out: &mut Output,
    ) {
        self.steady = None;
        if let Read::Line(text, _) = &read {
            self.tell(|| Step::Text(text.clone().into_owned()), out);
        }
        match read {
            Read::Line(text, Moment::At(time, shown)) => {
                self.line_at((time, &shown, &text), gates, clock, check, out);
            }
            Read::Line(text, Moment::Written(shown)) => match self.dates.find(&shown, clock) {
                Date::At { time, .. } => self.line_at((time, &shown, &text), gates, clock, check, out),
                Date::Empty(..) | Date::Bad(..) | Date::None => self.line_of(&text, gates, clock, check, out),
            },
            Read::Line(text, Moment::InLine) => self.line_of(&text, gates, clock, check, out),
            Read::Failure(failure) => self.failure(*failure, clock, check, out),
            Read::Unmet => self.tell(|| Step::Unmet, out),
            Read::Ignored(index) => self.tell(|| Step::Ignorewhen(index), out),
            Read::NoAddress => self.tell(|| Step::NoAddress, out),
            Read::Unread(why) => {
                self.unread = self.unread.saturating_add(u64::from(why != Unread::GoesOn));
                self.tell(|| Step::Unread(why), out);
            }
        }
    }

    /// Looks at a text that has its date, if any, in itself.
    fn line_of(&mut self, text: &str, gates: Option<&Gates>, clock: &Clock, check: Check, out: &mut Output) {
        let refusing = self.refusing(text, gates);
        self.line(RawLine::of_text(text), (gates, refusing), clock, check, out);
        self.steady = None;
    }

    /// Looks at a text of which somebody else knows when it was written. A date in it is cut out, as expressions want
    /// it; but it does not count, for a client may have written it, or a clock in another zone.
    fn line_at(
        &mut self,
        (time, shown, text): (Timestamp, &str, &str),
        gates: Option<&Gates>,
        clock: &Clock,
        check: Check,
        out: &mut Output,
    ) {
        let refusing = self.refusing(text, gates);
        let date = self.dates.find(text, clock);
        let passes = super::passes(refusing, &date, text);
        let (notes, said) = (&mut self.notes, &mut out.notes);
        let timed = match date {
            Date::At { span, template, .. } | Date::Bad(span, template) => {
                let date = Date::At {
                    span,
                    time,
                    is_whole: false,
                    template,
                };
                self.times
                    .of_line(check, RawLine::of_text(text), &date, notes, said)
            }
            Date::Empty(..) | Date::None => self.times.of_entry(check, (time, shown, text), notes, said),
        };
        self.tell(|| Step::JournalTime(time), out);
        if passes {
            self.search_unless_old(timed.as_ref(), None, check.now, gates, out);
        }
    }

    /// Judges a failure that fields make.
    fn failure(&mut self, failure: Failure, clock: &Clock, check: Check, out: &mut Output) {
        let Failure {
            text,
            moment,
            address,
            user,
            condition,
        } = failure;
        self.tell(|| Step::Text(text.clone()), out);
        let known = match moment {
            Moment::At(time, shown) => Some((time, shown)),
            Moment::Written(shown) => match self.dates.find(&shown, clock) {
                Date::At { time, .. } => Some((time, shown)),
                Date::Empty(..) | Date::Bad(..) | Date::None => None,
            },
            Moment::InLine => None,
        };
        let timed = match &known {
            Some((time, shown)) => {
                let (notes, said) = (&mut self.notes, &mut out.notes);
                let timed = self.times.of_entry(check, (*time, shown, &text), notes, said);
                self.tell(|| Step::JournalTime(*time), out);
                timed
            }
            None => {
                let date = self.dates.find(&text, clock);
                self.tell(|| date.step(), out);
                let (notes, said) = (&mut self.notes, &mut out.notes);
                self.times
                    .of_line(check, RawLine::of_text(&text), &date, notes, said)
            }
        };
        let Some(timed) = timed else {
            self.tell(|| Step::TooOld, out);
            return;
        };
        let Timed {
            line,
            time,
            is_whole,
            no_date,
        } = timed;
        self.tell(|| Step::Time { time, no_date }, out);
        self.tell(|| Step::Failwhen(condition), out);
        let mut data = Named::default();
        let family = match address.family() {
            Family::Inet4 => Known::Ip4,
            Family::Inet6 => Known::Ip6,
        };
        data.insert(family.into(), Data::Text(address.ip().to_string().into()));
        if let Some(user) = user {
            data.insert(Known::User.into(), Data::Text(user.into()));
        }
        let line = Line {
            cut: &line,
            time,
            is_whole,
            no_date,
            now: check.now,
        };
        // Behind all expressions, so that none is asked for what it captured.
        let index = self.failregex.len().saturating_add(condition);
        let taken = Taken::Line(line.cut);
        if self.refuse(&line, &text, &taken, out).is_none() {
            self.judge(&line, (data, false), (index, &text), taken, out);
        }
    }
}
