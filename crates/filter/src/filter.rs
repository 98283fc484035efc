//! A filter: from the lines of a log to what could count.

mod settings;
mod structured;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use smol_str::SmolStr;
use stockade_datetime::{Clock, Timestamp};
use stockade_pattern::{Candidates, Gate, StepLimit, Told};

pub use self::settings::{BadMaxLines, MAX_MAXLINES};
use crate::buffer::Buffer;
use crate::candidate::Taken;
use crate::choice::{Choice, UseDns, choose, count_host};
use crate::dates::Dates;
use crate::gate::{Gates, Scan};
use crate::named::{Known, Named};
use crate::note::{Note, Notes};
use crate::regex::{InSession, Regex};
use crate::sessions::{Merged, Sessions};
use crate::structured::{Structure, Unfinished};
use crate::times::{Check, CutLine, Date, RawLine, Steady, Timed, Times};
use crate::together::{Matches, Together};
use crate::{Address, Candidate, Captured, Data, Encoding, Id, MatchedLine, Step};

/// One thing that was logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A line of a file, perhaps with its end, and the file it is from. LF stands nowhere else in it; see
    /// [`Encoding::line_length`].
    Bytes(&'a [u8], &'a str),
    /// The text of a line, without LF.
    Text(&'a str),
    /// An entry of the journal.
    Journal {
        /// When it was logged.
        time: Timestamp,
        /// The same for people to read.
        iso: &'a str,
        /// Its text.
        text: &'a str,
    },
}

/// Lines of a file that stand one after the other in a block of bytes.
#[derive(Debug, Clone, Copy)]
pub struct Lines<'a> {
    /// The block.
    pub bytes: &'a [u8],
    /// Where the lines stand in it, in their order, perhaps with their ends.
    pub places: &'a [Range<usize>],
    /// The file they are from.
    pub file: &'a str,
}

/// A match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which failregex it is of, from 0.
    pub regex: usize,
    /// What it is to be counted for.
    pub who: Who,
    /// When the line was written, where that can be told.
    pub time: Option<Timestamp>,
    /// The reference has the time as a whole number, which prints without `.0`.
    pub time_is_whole: bool,
    /// The lines that belong to it, oldest first.
    pub matches: Vec<MatchedLine>,
    /// What was captured, that of the prefregex and of the session included.
    pub captured: Captured,
    /// It is no failure, but something that a session remembers.
    ///
    /// A `nofail` that was captured without a session has no effect, so such a match is a failure all the same.
    pub nofail: bool,
    /// Something was captured that is not of this failregex.
    pub merged: bool,
}

/// What a match is to be counted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// An id; and the attacker's address where it is another.
    Id(Id, Option<Id>),
    /// Every address of this host name.
    Host(String),
    /// Nothing yet; a later line of the session may tell.
    Pending,
}

/// What came of an entry; emptied by whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// The matches.
    pub found: Vec<Found>,
    /// What the log is to say.
    pub notes: Vec<Note>,
    /// What was done, step by step, where [`Mode::explain`] is set.
    pub steps: Vec<Step>,
}

impl Found {
    /// The candidates that this is: none where there is nothing to count or no time to count it at, and for a host
    /// name one for each of `addresses`.
    pub fn into_candidates(self, addresses: &[Address]) -> impl Iterator<Item = Candidate> + use<> {
        // Nearly always it is a single one, for which no list is made.
        let (mut one, mut several) = (None, Vec::new());
        if let Some(time) = self.time.filter(|_| !self.nofail) {
            let candidate = |id, address, matches, captured| Candidate {
                id,
                address,
                time,
                time_is_whole: self.time_is_whole,
                matches,
                captured,
            };
            match self.who {
                Who::Id(id, address) => one = Some(candidate(id, address, self.matches, self.captured)),
                Who::Host(_) => several.extend(addresses.iter().map(|&address| {
                    let (matches, captured) = (self.matches.clone(), self.captured.clone());
                    candidate(Id::Address(address), None, matches, captured)
                })),
                Who::Pending => {}
            }
        }
        one.into_iter().chain(several)
    }
}

/// What a filter is to do beside finding failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mode {
    /// Every failregex is tried on every line, and matches that are no failures are told.
    pub check_all: bool,
    /// Matches that lack an id are told.
    pub tell_pending: bool,
    /// Names are not resolved, and ids not read as addresses.
    pub raw: bool,
    /// Times are taken as they are.
    pub any_time: bool,
    /// Each step is told, and so are the names of groups that took no part.
    pub explain: bool,
}

/// A filter: its expressions, and what it remembers of earlier lines.
#[derive(Debug, Clone)]
pub struct Filter {
    mode: Mode,
    usedns: UseDns,
    maxlines: usize,
    findtime_micros: i64,
    encoding: Encoding,
    encoding_name: String,
    prefregex: Option<Arc<Regex>>,
    failregex: Vec<Arc<Regex>>,
    ignoreregex: Vec<Arc<Regex>>,
    /// Made for the first line after the expressions have changed.
    gates: OnceLock<Option<Arc<Gates>>>,
    is_gated: bool,
    /// Made anew with the gates.
    together: Together,
    dates: Dates,
    times: Times,
    /// What came of the date of the line before, where the same date changes nothing any more.
    steady: Option<Steady>,
    buffer: Buffer,
    sessions: Sessions,
    notes: Notes,
    /// How structured lines are read, the streams of them whose last line goes on, and how many were not read.
    structure: Option<Arc<Structure>>,
    unfinished: Unfinished,
    unread: u64,
    /// The text that expressions are searched in, and where the last matches were; kept for their room.
    text: String,
    matches: Matches,
    /// What was captured last; kept for its room.
    named: Named,
}

impl Filter {
    /// A filter without expressions.
    ///
    /// Expressions are compiled as they are added, with the `usedns`, `maxlines` and `prefregex` valid then.
    /// `start_year` is the year in which the program was started; it decides which years dates may have.
    #[must_use]
    pub fn new(mode: Mode, start_year: i16) -> Self {
        Self {
            mode,
            usedns: UseDns::default(),
            maxlines: 1,
            findtime_micros: 600_000_000,
            encoding: Encoding::UTF_8,
            encoding_name: "UTF-8".to_owned(),
            prefregex: None,
            failregex: Vec::new(),
            ignoreregex: Vec::new(),
            gates: OnceLock::new(),
            is_gated: true,
            together: Together::default(),
            dates: Dates::new(start_year),
            times: Times::default(),
            steady: None,
            buffer: Buffer::default(),
            sessions: Sessions::default(),
            notes: Notes::default(),
            structure: None,
            unfinished: Unfinished::default(),
            unread: 0,
            text: String::new(),
            matches: Matches::default(),
            named: Named::default(),
        }
    }

    /// Looks at one entry, and appends what came of it to `out`.
    ///
    /// `in_operation` says whether the log is read as it is written, and no longer from where it was left.
    pub fn process(&mut self, entry: Entry<'_>, clock: &Clock, in_operation: bool, out: &mut Output) {
        let check = self.check(clock, in_operation);
        let gates = self.gates();
        let gates = gates.as_deref();
        if let Some(structure) = self.structure.clone() {
            let decoded;
            let read = match entry {
                Entry::Journal { time, iso, text } => {
                    self.read_entry(&structure, (time, iso, text), check, out)
                }
                Entry::Text(line) => self.read(&structure, line, "", check, out),
                Entry::Bytes(bytes, file) => {
                    let (line, clean) = self.encoding.decode(bytes);
                    if !clean {
                        let name = &self.encoding_name;
                        out.notes
                            .extend(self.notes.undecodable(check.now, file, name, bytes));
                    }
                    decoded = line;
                    self.read(&structure, &decoded, file, check, out)
                }
            };
            self.take(read, gates, clock, check, out);
            return;
        }
        match entry {
            Entry::Journal { time, iso, text } => {
                self.steady = None;
                let entry = (time, iso, text);
                let timed = self.times.of_entry(check, entry, &mut self.notes, &mut out.notes);
                self.tell(|| Step::JournalTime(time), out);
                if self.refusing(text, gates).is_none() {
                    self.search_unless_old(timed.as_ref(), None, check.now, gates, out);
                }
            }
            Entry::Text(line) => {
                let refusing = self.refusing(line, gates);
                self.line(RawLine::of_text(line), (gates, refusing), clock, check, out);
            }
            Entry::Bytes(bytes, file) => {
                let (line, clean) = self.encoding.decode(bytes);
                if !clean {
                    let name = &self.encoding_name;
                    out.notes
                        .extend(self.notes.undecodable(check.now, file, name, bytes));
                }
                let refusing = self.refusing(&line, gates);
                self.line(RawLine::of_text(&line), (gates, refusing), clock, check, out);
            }
        }
    }

    /// The gate that a text does not pass; whoever asks why wants to know of every text.
    fn refusing<'a>(&mut self, text: &str, gates: Option<&'a Gates>) -> Option<&'a Gate> {
        if self.mode.explain || self.is_together() {
            return None;
        }
        gates?.refusing(text)
    }

    /// Looks at lines of a file, and appends what came of each to `out`, the number of the line with it. Lines of
    /// which nothing came are left out.
    ///
    /// The outcome is that of [`Self::process`] for each line; but what no expression could match is told by one
    /// look at all of the bytes.
    pub fn process_lines(
        &mut self,
        lines: Lines<'_>,
        clock: &Clock,
        in_operation: bool,
        out: &mut Vec<(usize, Output)>,
    ) {
        let check = self.check(clock, in_operation);
        let (Some(first), Some(last)) = (lines.places.first(), lines.places.last()) else {
            return;
        };
        if let Some(structure) = self.structure.clone() {
            self.process_structured(lines, &structure, (clock, check), out);
            return;
        }
        let gates = self.gates();
        let gates = gates.as_deref();
        let keeps_ascii = self.encoding.keeps_ascii();
        let is_together = keeps_ascii && self.is_together();
        let first_gates = gates.filter(|_| keeps_ascii && !is_together);
        // One look at the block tells whether all of it is text.
        let all = lines.bytes.get(first.start..last.end).unwrap_or_default();
        let text = simdutf8::basic::from_utf8(all)
            .ok()
            .filter(|text| self.encoding == Encoding::UTF_8 || keeps_ascii && text.is_ascii());
        let text_of = |place: &Range<usize>| {
            text?.get(place.start.wrapping_sub(first.start)..place.end.wrapping_sub(first.start))
        };
        let mut scan = Scan::new(first_gates, lines.bytes);
        let mut output = Output::default();
        let mut number = 0;
        while let Some(rest) = lines.places.get(number..) {
            // Most lines match nothing and are of the same second as those before, which is all there is to them.
            let is_steady = self.steady.as_ref().is_some_and(|steady| steady.check == check);
            let mut first_match = None;
            if is_steady && text.is_some() {
                let scan = (!is_together).then_some(&mut scan);
                let (passed_over, found) = self.pass_over(rest, scan, lines.bytes, clock);
                number += passed_over;
                first_match = found;
            }
            let Some(place) = lines.places.get(number) else {
                return;
            };
            match (text_of(place), first_match) {
                (Some(line), Some(first)) => {
                    self.steady_line(RawLine::new(line), Some(first), check.now, gates, &mut output);
                }
                (Some(line), None) => {
                    let known = (gates, scan.refusing(place));
                    self.line(RawLine::new(line), known, clock, check, &mut output);
                }
                (None, _) => {
                    let bytes = lines.bytes.get(place.clone()).unwrap_or_default();
                    let (line, clean) = self.encoding.decode(bytes);
                    if !clean {
                        let name = &self.encoding_name;
                        output
                            .notes
                            .extend(self.notes.undecodable(check.now, lines.file, name, bytes));
                    }
                    let known = (gates, scan.refusing(place));
                    self.line(RawLine::of_text(&line), known, clock, check, &mut output);
                }
            }
            if !output.found.is_empty() || !output.notes.is_empty() {
                out.push((number, std::mem::take(&mut output)));
            }
            number += 1;
        }
    }

    /// How many lines from the first on have the date of the line before, and nothing else is to be said of them; and
    /// which failregex is the first that matches in the next one, where that was told. Its date is the same too then, and
    /// that is done with.
    ///
    /// Without a `scan` all expressions are searched as one.
    #[inline]
    fn pass_over(
        &mut self,
        places: &[Range<usize>],
        scan: Option<&mut Scan<'_>>,
        bytes: &[u8],
        clock: &Clock,
    ) -> (usize, Option<usize>) {
        let Self {
            together,
            prefregex,
            failregex,
            ignoreregex,
            dates,
            steady,
            sessions,
            matches,
            ..
        } = self;
        let Some(steady) = steady else {
            return (0, None);
        };
        let lines = places.iter().filter_map(|place| bytes.get(place.clone()));
        if steady.is_too_old() {
            return (dates.count_same(lines, clock), None);
        }
        if let Some(scan) = scan {
            return (dates.count_same(lines.take(scan.refused(places)), clock), None);
        }
        let Some(all) = together.all(prefregex.as_ref(), failregex) else {
            return (0, None);
        };
        let (mut looked_at, mut first_match) = (0, None);
        let looks = lines.map_while(|line| {
            if first_match.is_some() {
                return None;
            }
            let text = steady.searched(line)?;
            match all.tell(text) {
                Told::Nothing => {}
                Told::First(first) => {
                    let captured = |number| text.get(all.span(number)?);
                    let before = |number| text.get(all.span_of_prefix(number)?);
                    let is_over = ignoreregex.is_empty()
                        && failregex.get(first).is_some_and(|regex| {
                            is_farewell((regex, captured), (prefregex.as_deref(), before), sessions)
                        });
                    if !is_over {
                        all.read(&mut matches.prefix, &mut matches.captures);
                        first_match = Some(first);
                    }
                }
                Told::Unknown => return None,
            }
            looked_at += 1;
            Some(line)
        });
        let count = dates.count_same(looks, clock);
        match first_match.filter(|_| count == looked_at) {
            Some(first) => (count - 1, Some(first)),
            None => (count, None),
        }
    }

    /// Whether all expressions are searched as one. Whoever asks for more than the first that matches wants to know what
    /// each says.
    fn is_together(&mut self) -> bool {
        self.is_gated
            && self.maxlines == 1
            && !self.mode.check_all
            && !self.mode.explain
            && self
                .together
                .all(self.prefregex.as_ref(), &self.failregex)
                .is_some()
    }

    fn check(&self, clock: &Clock, in_operation: bool) -> Check {
        Check {
            now: clock.now(),
            in_operation,
            findtime_micros: (!self.mode.any_time).then_some(self.findtime_micros),
        }
    }

    /// The gate; nothing where every line could match.
    fn gates(&self) -> Option<Arc<Gates>> {
        if !self.is_gated || self.maxlines > 1 {
            return None;
        }
        self.gates
            .get_or_init(|| Gates::of(self.prefregex.as_deref(), &self.failregex).map(Arc::new))
            .clone()
    }

    /// Looks at the text of a line. Where the line does not pass the gate, its date is all there is to it.
    fn line(
        &mut self,
        line: RawLine<'_>,
        (gates, refusing): (Option<&Gates>, Option<&Gate>),
        clock: &Clock,
        check: Check,
        out: &mut Output,
    ) {
        if self.steady.as_ref().is_some_and(|steady| steady.check == check)
            && self
                .dates
                .count_same(std::iter::once(line.text.as_bytes()), clock)
                > 0
        {
            if refusing.is_none() {
                self.steady_line(line, None, check.now, gates, out);
            }
            return;
        }
        let date = self.dates.find(line.text, clock);
        let passes = passes(refusing, &date, line.text);
        let timed = self
            .times
            .of_line(check, line, &date, &mut self.notes, &mut out.notes);
        let can_be_steady = !self.mode.explain && self.dates.can_be_same();
        self.steady = Steady::of(check, &date, timed.as_ref()).filter(|_| can_be_steady);
        self.tell(|| date.step(), out);
        if passes {
            self.search_unless_old(timed.as_ref(), None, check.now, gates, out);
        }
    }

    /// Looks at the text of a line whose date is that of the line before. Which failregex is the `first` that matches may
    /// be known.
    fn steady_line(
        &mut self,
        line: RawLine<'_>,
        first: Option<usize>,
        now: Timestamp,
        gates: Option<&Gates>,
        out: &mut Output,
    ) {
        let timed = self.steady.as_ref().and_then(|steady| steady.timed(line));
        self.search_unless_old(timed.as_ref(), first, now, gates, out);
    }

    /// Appends a step, where somebody wants to know.
    fn tell(&self, step: impl FnOnce() -> Step, out: &mut Output) {
        if self.mode.explain {
            out.steps.push(step());
        }
    }

    fn search_unless_old(
        &mut self,
        timed: Option<&Timed<'_>>,
        first: Option<usize>,
        now: Timestamp,
        gates: Option<&Gates>,
        out: &mut Output,
    ) {
        let Some(timed) = timed else {
            self.tell(|| Step::TooOld, out);
            return;
        };
        self.tell(
            || Step::Time {
                time: timed.time,
                no_date: timed.no_date,
            },
            out,
        );
        self.search(timed, first, now, gates, out);
    }

    /// Searches the text of a line, and of those before where `maxlines` says so. Which failregex is the `first` that
    /// matches may be known.
    fn search(
        &mut self,
        timed: &Timed<'_>,
        first: Option<usize>,
        now: Timestamp,
        gates: Option<&Gates>,
        out: &mut Output,
    ) {
        let line = &timed.line;
        let mut room = std::mem::take(&mut self.text);
        let mut matches = std::mem::take(&mut self.matches);
        let text = if self.maxlines > 1 {
            self.buffer.push(line.to_matched(), self.maxlines);
            self.buffer.write(&mut room);
            &room
        } else if let Some(text) = line.searched {
            text
        } else {
            room.clear();
            room.extend([line.before, line.after, "\n"]);
            &room
        };
        let line = Line {
            cut: line,
            time: timed.time,
            is_whole: timed.is_whole,
            no_date: timed.no_date,
            now,
        };
        let told = first.map_or_else(|| self.search_together(text, &mut matches), Told::First);
        let candidates = match told {
            Told::Nothing => Candidates::NONE,
            Told::First(_) => Candidates::ALL,
            Told::Unknown => gates.map_or(Candidates::ALL, |gates| gates.candidates(text)),
        };
        // Whoever asks why wants to know what the prefregex says even where no failregex can match.
        let is_over = candidates.is_empty() && !self.mode.explain;
        let few = self.ignoreregex.len() + 2 < self.failregex.len();
        if !(is_over || few && self.is_ignored(text, now, out)) {
            let content = match told {
                Told::First(_) => Some(self.content(text, &matches)),
                Told::Nothing | Told::Unknown => self.prefix(text, &mut matches, now, out),
            };
            if let Some(content) = content {
                self.match_all(
                    &line,
                    &content,
                    (gates, candidates, told),
                    text,
                    &mut matches,
                    out,
                );
            }
        }
        self.matches = matches;
        self.text = room;
    }

    /// Searches all expressions as one, where that can be done.
    fn search_together(&mut self, text: &str, matches: &mut Matches) -> Told {
        // Journals have texts of several lines.
        let is_line = memchr::memchr(b'\n', text.as_bytes()).is_some_and(|at| at + 1 == text.len());
        if !(is_line && self.is_together()) {
            return Told::Unknown;
        }
        let Matches { prefix, captures } = matches;
        let all = self.together.all(self.prefregex.as_ref(), &self.failregex);
        all.map_or(Told::Unknown, |all| all.search(text.as_bytes(), prefix, captures))
    }

    /// Searches the prefregex, and says what it leaves; `None` where there is one and it does not match.
    fn prefix(
        &mut self,
        text: &str,
        matches: &mut Matches,
        now: Timestamp,
        out: &mut Output,
    ) -> Option<Content> {
        let Some(prefregex) = &self.prefregex else {
            return Some(Content::All);
        };
        let captures = &mut matches.prefix;
        let searched = prefregex.captures_into(text, captures);
        let found = settle(searched, prefregex, now, &mut self.notes, out).unwrap_or(false);
        let explain = self.mode.explain;
        self.tell(
            || Step::Prefregex(found.then(|| prefregex.read(text, captures, explain).into())),
            out,
        );
        found.then(|| self.content(text, matches))
    }

    /// What a match of the prefregex leaves.
    fn content(&self, text: &str, matches: &Matches) -> Content {
        let Some(prefregex) = &self.prefregex else {
            return Content::All;
        };
        let captures = &matches.prefix;
        match prefregex.content(captures) {
            // The content and one LF is what the text ends with, as a rule.
            Some(span) if !span.is_empty() && text.get(span.end..) == Some("\n") => Content::From(span.start),
            Some(span) if !span.is_empty() => {
                Content::Text(text.get(span).unwrap_or_default().to_owned() + "\n")
            }
            Some(_) | None => match prefregex
                .read(text, captures, false)
                .find("content")
                .and_then(Data::text)
            {
                Some(content) if !content.is_empty() => Content::Text(content.to_string() + "\n"),
                Some(_) | None => Content::All,
            },
        }
    }

    /// Tries the failregexes in their order, on the content where there is one. Which is the first that matches may have
    /// been told.
    fn match_all(
        &mut self,
        line: &Line<'_>,
        content: &Content,
        (gates, mut candidates, mut told): (Option<&Gates>, Candidates, Told),
        text: &str,
        matches: &mut Matches,
        out: &mut Output,
    ) {
        // The places of lines are those in the text of the buffer, which the content is not.
        let several = self.maxlines > 1 && *content == Content::All;
        // What of several lines is left where an expression took some.
        let mut left: Option<String> = None;
        let mut next = 0;
        if told == Told::Unknown {
            let subject = content.of(text);
            candidates = candidates.and(gates.map_or(Candidates::ALL, |gates| gates.candidates_at(subject)));
            // As a rule one look at the text tells which is the first that matches.
            if gates.is_some() && !self.mode.check_all && !self.mode.explain {
                let together = &mut self.together;
                told = together.search(candidates, &self.failregex, subject, matches);
            }
        }
        match told {
            Told::First(first) => next = first,
            Told::Nothing => candidates = Candidates::NONE,
            Told::Unknown => {}
        }
        while let Some(index) = candidates.next(next) {
            next = index + 1;
            let Some(regex) = self.failregex.get(index) else {
                break;
            };
            let subject = content.of(left.as_deref().unwrap_or(text));
            let is_told = told == Told::First(index);
            let searched = if is_told {
                Ok(true)
            } else {
                regex.captures_into(subject, &mut matches.captures)
            };
            if settle(searched, regex, line.now, &mut self.notes, out) != Some(true) {
                continue;
            }
            let evidence = several.then(|| {
                let found = &matches.captures;
                let skipped = regex.skipped(subject, found);
                let places = self.buffer.taken(subject, found.whole(), &skipped);
                self.buffer.take(&places)
            });
            if self.maxlines > 1 && !several {
                self.buffer.clear();
            }
            self.tell(|| Step::Failregex(index), out);
            let go_on = self.matched(line, (text, subject), (index, matches, evidence), out);
            if !go_on && !self.mode.check_all {
                break;
            }
            // What one expression took is not there for the next.
            if several {
                self.buffer.write(left.get_or_insert_default());
            }
        }
    }

    /// Judges one match, of which the prefregex matched in `text` and the failregex in `subject`; returns whether the
    /// line can still be another's.
    fn matched(
        &mut self,
        line: &Line<'_>,
        (text, subject): (&str, &str),
        (index, matches, evidence): (usize, &Matches, Option<Vec<MatchedLine>>),
        out: &mut Output,
    ) -> bool {
        let taken = evidence.map_or(Taken::Line(line.cut), Taken::Lines);
        if let Some(go_on) = self.refuse(line, subject, &taken, out) {
            return go_on;
        }
        let Some(regex) = self.failregex.get(index).map(Arc::as_ref) else {
            return false;
        };
        let absent = self.mode.explain;
        let tells_all = self.mode.check_all || absent;
        let Matches { prefix, captures } = matches;
        let captured = |number| subject.as_bytes().get(captures.span(number)?);
        let before = |number| text.as_bytes().get(prefix.span(number)?);
        let prefregex = self.prefregex.as_deref();
        if !tells_all && is_farewell((regex, captured), (prefregex, before), &self.sessions) {
            return false;
        }
        // Most lines match no failregex, or are done with by now, so that what was captured is not read before.
        let mut data = std::mem::take(&mut self.named);
        data.clear();
        data.make_room_for(USUAL_GROUPS);
        if let Some(prefregex) = &self.prefregex {
            prefregex.read_prefix_onto(&mut data, text, prefix, absent);
        }
        let is_merged = !data.is_empty();
        regex.read_onto(&mut data, subject, captures, absent);
        if regex.counts_host() || self.prefregex.as_deref().is_some_and(Regex::counts_host) {
            count_host(&mut data);
        }
        self.judge(line, (data, is_merged), (index, subject), taken, out);
        false
    }

    /// Whether a match does not count whatever it captured, and then whether the line can still be another's.
    fn refuse(
        &mut self,
        line: &Line<'_>,
        subject: &str,
        taken: &Taken<'_>,
        out: &mut Output,
    ) -> Option<bool> {
        let ignored = match taken {
            Taken::Line(_) => self.is_ignored(subject, line.now, out),
            Taken::Lines(lines) => {
                let mut text = String::new();
                for line in lines {
                    text.extend([line.before(), line.after(), "\n"]);
                }
                self.is_ignored(&text, line.now, out)
            }
        };
        if ignored {
            return Some(false);
        }
        if line.no_date {
            let text = taken.to_string();
            out.notes
                .extend(self.notes.no_date(line.now, &line.cut.date, &text));
        }
        if line.time.is_none() && !self.mode.any_time {
            self.tell(|| Step::NoTime, out);
            return Some(true);
        }
        None
    }

    /// Judges what a match in `subject` captured; something in it may be of others.
    fn judge(
        &mut self,
        line: &Line<'_>,
        (mut data, mut merged): (Named, bool),
        (index, subject): (usize, &str),
        taken: Taken<'_>,
        out: &mut Output,
    ) {
        let session = data.get(Known::Session).map(session_id);
        let (captured, matches, nofail) = match &session {
            None => (data.into(), taken.into_lines(), false),
            Some(session) => {
                merged = true;
                let sessions = &mut self.sessions;
                let told = sessions.merge(line.now, session, &mut data, taken, self.mode.check_all);
                self.named = data;
                match told {
                    Merged::Told {
                        data,
                        matches,
                        nofail,
                    } => (data, matches, nofail),
                    Merged::Helper => {
                        self.tell(|| Step::Helper, out);
                        return;
                    }
                }
            }
        };
        let who = match choose(captured.named(), self.usedns, self.mode.raw) {
            Choice::Id(id, address) => Who::Id(id, address),
            Choice::Resolve(host) => Who::Host(host),
            Choice::Unresolved => {
                self.tell(|| Step::NameDoesNotCount, out);
                return;
            }
            Choice::Nothing => {
                let Some(session) = session else {
                    self.tell(|| Step::NoId, out);
                    if let Some(regex) = self.failregex.get(index) {
                        let note = self.notes.no_group(line.now, subject, regex.expanded());
                        out.notes.extend(note);
                    }
                    return;
                };
                self.sessions.set_pending(&session);
                self.tell(|| Step::Pending, out);
                if !self.mode.tell_pending {
                    return;
                }
                Who::Pending
            }
        };
        // Hardly ever a line has more than one.
        if out.found.is_empty() {
            out.found.reserve_exact(1);
        }
        out.found.push(Found {
            regex: index,
            who,
            time: line.time,
            time_is_whole: line.is_whole,
            matches,
            captured,
            nofail,
            merged,
        });
    }

    /// Whether an ignoreregex matches `text`.
    fn is_ignored(&mut self, text: &str, now: Timestamp, out: &mut Output) -> bool {
        let mut ignored = false;
        for (index, regex) in self.ignoreregex.iter().enumerate() {
            if settle(regex.is_match(text), regex, now, &mut self.notes, out).unwrap_or(false) {
                if self.mode.explain {
                    out.steps.push(Step::Ignoreregex(index));
                }
                ignored = true;
                if !self.mode.check_all {
                    break;
                }
            }
        }
        ignored
    }
}

/// Whether a match is no failure and ends a session of which nothing is known, so that nothing is left of it:
/// whoever logs in and out again writes such lines.
///
/// In: the failregex and what its groups captured, by their numbers; the same of the prefregex.
fn is_farewell<'t>(
    (regex, captured): (&Regex, impl Fn(usize) -> Option<&'t [u8]>),
    (prefregex, before): (Option<&Regex>, impl Fn(usize) -> Option<&'t [u8]>),
    sessions: &Sessions,
) -> bool {
    let Some(end) = regex.session(captured) else {
        return false;
    };
    let begin = match prefregex {
        None => Some(InSession::default()),
        Some(prefregex) => prefregex.session(before),
    };
    let Some(all) = begin.map(|begin| end.or(begin)) else {
        return false;
    };
    all.is_farewell() && all.id.is_some_and(|id| !sessions.knows(id))
}

/// Whether a line passes the gate that may refuse it: what no expression finds in the line may come about where its
/// date is cut out.
fn passes(refusing: Option<&Gate>, date: &Date, text: &str) -> bool {
    refusing.is_none_or(|gate| match date {
        Date::At { span, .. } | Date::Bad(span, _) if span.start > 0 && !span.is_empty() => {
            let before = text.get(..span.start).unwrap_or_default();
            let after = text.get(span.end..).unwrap_or_default();
            gate.finds_across(before.as_bytes(), after.as_bytes())
        }
        Date::At { .. } | Date::Bad(..) | Date::Empty(..) | Date::None => false,
    })
}

/// What the failregexes are searched in.
#[derive(PartialEq, Eq)]
enum Content {
    /// The whole text.
    All,
    /// The text from here on.
    From(usize),
    /// Another text.
    Text(String),
}

impl Content {
    /// What the failregexes are searched in, where `text` is what the prefregex was searched in.
    fn of<'a>(&'a self, text: &'a str) -> &'a str {
        match self {
            Self::All => text,
            Self::From(start) => text.get(*start..).unwrap_or_default(),
            Self::Text(content) => content,
        }
    }
}

/// What is known about the line that is searched.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    cut: &'a CutLine<'a>,
    time: Option<Timestamp>,
    is_whole: bool,
    no_date: bool,
    now: Timestamp,
}

/// A search that was given up is no match, and is told.
fn settle<T>(
    result: Result<T, StepLimit>,
    regex: &Regex,
    now: Timestamp,
    notes: &mut Notes,
    out: &mut Output,
) -> Option<T> {
    match result {
        Ok(found) => Some(found),
        Err(StepLimit) => {
            out.notes.extend(notes.gave_up(now, regex.expanded()));
            None
        }
    }
}

/// The text by which a session is known.
fn session_id(data: &Data) -> SmolStr {
    match data {
        Data::Text(text) => text.clone(),
        Data::Set(texts) => Vec::from_iter(texts.iter()).join("\n").into(),
        Data::Tuple(parts) => Id::Tuple(parts.clone()).to_string().into(),
    }
}

/// How many groups are captured as a rule, those that sessions add included.
const USUAL_GROUPS: usize = 8;
