//! A filter: from the lines of a log to what could count.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use smol_str::SmolStr;
use stockade_datetime::{Clock, DatePatternError, Detector, Report, Timestamp, ZoneError};
use stockade_pattern::{Candidates, Captures, Gate, StepLimit};

use crate::buffer::Buffer;
use crate::candidate::Taken;
use crate::choice::{Choice, UseDns, choose, count_host};
use crate::dates::Dates;
use crate::gate::{Gates, Scan};
use crate::named::{Known, Named};
use crate::note::{Note, Notes};
use crate::regex::{Regex, RegexError};
use crate::sessions::{Merged, Sessions};
use crate::times::{Check, CutLine, Date, RawLine, Steady, Timed, Times};
use crate::together::Together;
use crate::{Address, Candidate, Captured, Data, Encoding, Id, Losses, MatchedLine, Step};

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
    /// The text that expressions are searched in, and where the last matches were; kept for their room.
    text: String,
    prefix_captures: Captures,
    captures: Captures,
    /// What was captured last; kept for its room.
    named: Named,
}

/// `maxlines` below 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("maxlines must be integer greater than zero")]
pub struct BadMaxLines;

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
            text: String::new(),
            prefix_captures: Captures::default(),
            captures: Captures::default(),
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
        match entry {
            Entry::Journal { time, iso, text } => {
                self.steady = None;
                let entry = (time, iso, text);
                let timed = self.times.of_entry(check, entry, &mut self.notes, &mut out.notes);
                self.tell(|| Step::JournalTime(time), out);
                if self.refusing(text, gates).is_none() {
                    self.search_unless_old(timed, check.now, gates, out);
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
    fn refusing<'a>(&self, text: &str, gates: Option<&'a Gates>) -> Option<&'a Gate> {
        gates.filter(|_| !self.mode.explain)?.refusing(text)
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
        let gates = self.gates();
        let gates = gates.as_deref();
        let first_gates = gates.filter(|_| self.encoding.keeps_ascii());
        // One look at the block tells whether all of it is text; as a rule it is.
        let all = lines.bytes.get(first.start..last.end).unwrap_or_default();
        let text = (self.encoding == Encoding::UTF_8)
            .then(|| std::str::from_utf8(all).ok())
            .flatten();
        let mut scan = Scan::new(first_gates, lines.bytes);
        let mut output = Output::default();
        let mut number = 0;
        while let Some(rest) = lines.places.get(number..) {
            // Most lines do not pass and are of the same second as those before, which is all there is to them.
            let is_steady = self.steady.as_ref().is_some_and(|steady| steady.check == check);
            if is_steady && text.is_some() {
                let refused = rest.get(..scan.refused(rest)).unwrap_or_default();
                let refused = refused.iter().filter_map(|place| lines.bytes.get(place.clone()));
                number += self.dates.count_same(refused, clock);
            }
            let Some(place) = lines.places.get(number) else {
                return;
            };
            let refusing = scan.refusing(place);
            let place_in_text = place.start.wrapping_sub(first.start)..place.end.wrapping_sub(first.start);
            match text.and_then(|text| text.get(place_in_text)) {
                Some(line) => {
                    self.line(RawLine::new(line), (gates, refusing), clock, check, &mut output);
                }
                None => {
                    let bytes = lines.bytes.get(place.clone()).unwrap_or_default();
                    let (line, clean) = self.encoding.decode(bytes);
                    if !clean {
                        let name = &self.encoding_name;
                        output
                            .notes
                            .extend(self.notes.undecodable(check.now, lines.file, name, bytes));
                    }
                    self.line(
                        RawLine::of_text(&line),
                        (gates, refusing),
                        clock,
                        check,
                        &mut output,
                    );
                }
            }
            if !output.found.is_empty() || !output.notes.is_empty() {
                out.push((number, std::mem::take(&mut output)));
            }
            number += 1;
        }
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
        if let Some(steady) = self.steady.as_ref().filter(|steady| steady.check == check)
            && self
                .dates
                .count_same(std::iter::once(line.text.as_bytes()), clock)
                > 0
        {
            if refusing.is_none() {
                let timed = steady.timed(line);
                self.search_unless_old(timed, check.now, gates, out);
            }
            return;
        }
        let date = self.dates.find(line.text, clock);
        // What no expression finds in the line may come about where its date is cut out.
        let passes = refusing.is_none_or(|gate| match &date {
            Date::At { span, .. } | Date::Bad(span, _) if span.start > 0 && !span.is_empty() => {
                let before = line.text.get(..span.start).unwrap_or_default();
                let after = line.text.get(span.end..).unwrap_or_default();
                gate.finds_across(before.as_bytes(), after.as_bytes())
            }
            Date::At { .. } | Date::Bad(..) | Date::Empty(..) | Date::None => false,
        });
        let timed = self
            .times
            .of_line(check, line, &date, &mut self.notes, &mut out.notes);
        let can_be_steady = !self.mode.explain && self.dates.can_be_same();
        self.steady = Steady::of(check, &date, timed.as_ref()).filter(|_| can_be_steady);
        self.tell(|| date.step(), out);
        if passes {
            self.search_unless_old(timed, check.now, gates, out);
        }
    }

    /// Appends a step, where somebody wants to know.
    fn tell(&self, step: impl FnOnce() -> Step, out: &mut Output) {
        if self.mode.explain {
            out.steps.push(step());
        }
    }

    fn search_unless_old(
        &mut self,
        timed: Option<Timed<'_>>,
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
        self.search(timed, now, gates, out);
    }

    /// Searches the text of a line, and of those before where `maxlines` says so.
    fn search(&mut self, timed: Timed<'_>, now: Timestamp, gates: Option<&Gates>, out: &mut Output) {
        let Timed {
            line,
            time,
            is_whole,
            no_date,
        } = timed;
        let mut room = std::mem::take(&mut self.text);
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
        let candidates = gates.map_or(Candidates::ALL, |gates| gates.candidates(text));
        let few = self.ignoreregex.len() + 2 < self.failregex.len();
        // Whoever asks why wants to know what the prefregex says even where no failregex can match.
        let is_over = candidates.is_empty() && !self.mode.explain;
        if !(is_over || few && self.is_ignored(text, now, out)) {
            let line = Line {
                cut: &line,
                time,
                is_whole,
                no_date,
                now,
            };
            if let Some(prefix) = self.prefix(text, now, out) {
                self.match_all(&line, prefix, (gates, candidates), text, out);
            }
        }
        self.text = room;
    }

    /// Searches the prefregex; `None` where there is one and it does not match.
    fn prefix(&mut self, text: &str, now: Timestamp, out: &mut Output) -> Option<Prefix> {
        let Some(prefregex) = &self.prefregex else {
            return Some(Prefix {
                captures: None,
                content: Content::All,
            });
        };
        let mut captures = std::mem::take(&mut self.prefix_captures);
        let searched = prefregex.captures_into(text, &mut captures);
        let found = settle(searched, prefregex, now, &mut self.notes, out).unwrap_or(false);
        let explain = self.mode.explain;
        self.tell(
            || Step::Prefregex(found.then(|| prefregex.read(text, &captures, explain).into())),
            out,
        );
        if !found {
            self.prefix_captures = captures;
            return None;
        }
        let content = match prefregex.content(&captures) {
            // The content and one LF is what the text ends with, as a rule.
            Some(span) if !span.is_empty() && text.get(span.end..) == Some("\n") => Content::From(span.start),
            Some(span) if !span.is_empty() => {
                Content::Text(text.get(span).unwrap_or_default().to_owned() + "\n")
            }
            Some(_) | None => match prefregex
                .read(text, &captures, false)
                .find("content")
                .and_then(Data::text)
            {
                Some(content) if !content.is_empty() => Content::Text(content.to_string() + "\n"),
                Some(_) | None => Content::All,
            },
        };
        Some(Prefix {
            captures: Some(captures),
            content,
        })
    }

    /// Tries the failregexes in their order, on the content where there is one.
    fn match_all(
        &mut self,
        line: &Line<'_>,
        prefix: Prefix,
        (gates, candidates): (Option<&Gates>, Candidates),
        text: &str,
        out: &mut Output,
    ) {
        let Prefix { captures, content } = prefix;
        let mut candidates =
            candidates.and(gates.map_or(Candidates::ALL, |gates| gates.candidates_at(content.of(text))));
        // The places of lines are those in the text of the buffer, which the content is not.
        let several = self.maxlines > 1 && content == Content::All;
        // What of several lines is left where an expression took some.
        let mut left: Option<String> = None;
        // What the prefregex captured. Most lines pass it and match no failregex, so it is not read before.
        let mut base: Option<Named> = None;
        let mut found = std::mem::take(&mut self.captures);
        let mut next = 0;
        // As a rule one look at the text tells which is the first that matches.
        let at_once = gates.is_some() && !self.mode.check_all && !self.mode.explain;
        let mut known = at_once
            .then(|| {
                let together = &mut self.together;
                together.search(candidates, &self.failregex, content.of(text), &mut found)
            })
            .flatten();
        match known {
            Some(Some(first)) => next = first,
            Some(None) => candidates = Candidates::NONE,
            None => {}
        }
        while let Some(index) = candidates.next(next) {
            next = index + 1;
            let Some(regex) = self.failregex.get(index) else {
                break;
            };
            let subject = content.of(left.as_deref().unwrap_or(text));
            let absent = self.mode.explain;
            let searched = match known.take() {
                Some(first) => Ok(first == Some(index)),
                None => regex.captures_into(subject, &mut found),
            };
            if settle(searched, regex, line.now, &mut self.notes, out) != Some(true) {
                continue;
            }
            let mut data = base.take().unwrap_or_else(|| {
                let mut data = std::mem::take(&mut self.named);
                data.clear();
                data.make_room_for(USUAL_GROUPS);
                if let (Some(prefregex), Some(captures)) = (&self.prefregex, &captures) {
                    prefregex.read_prefix_onto(&mut data, text, captures, absent);
                }
                data
            });
            if self.mode.check_all {
                base = Some(data.clone());
            }
            let evidence = several.then(|| {
                let skipped = regex.skipped(subject, &found);
                let places = self.buffer.taken(subject, found.whole(), &skipped);
                self.buffer.take(&places)
            });
            if self.maxlines > 1 && !several {
                self.buffer.clear();
            }
            self.tell(|| Step::Failregex(index), out);
            let go_on = self.matched(line, &mut data, subject, (index, &found, evidence), out);
            self.named = data;
            if !go_on && !self.mode.check_all {
                break;
            }
            // What one expression took is not there for the next.
            if several {
                self.buffer.write(left.get_or_insert_default());
            }
        }
        self.captures = found;
        self.prefix_captures = captures.unwrap_or_default();
    }

    /// Judges one match; returns whether the line can still be another's. `data` is what the prefregex captured, and
    /// is left with whatever nobody needs.
    fn matched(
        &mut self,
        line: &Line<'_>,
        data: &mut Named,
        subject: &str,
        (index, found, evidence): (usize, &Captures, Option<Vec<MatchedLine>>),
        out: &mut Output,
    ) -> bool {
        let ignored = match &evidence {
            None => self.is_ignored(subject, line.now, out),
            Some(lines) => {
                let mut text = String::new();
                for line in lines {
                    text.extend([line.before(), line.after(), "\n"]);
                }
                self.is_ignored(&text, line.now, out)
            }
        };
        if ignored {
            return false;
        }
        let taken = evidence.map_or(Taken::Line(line.cut), Taken::Lines);
        if line.no_date {
            let text = taken.to_string();
            out.notes
                .extend(self.notes.no_date(line.now, &line.cut.date, &text));
        }
        if line.time.is_none() && !self.mode.any_time {
            self.tell(|| Step::NoTime, out);
            return true;
        }

        let regex = self.failregex.get(index).map(Arc::as_ref);
        let mut merged = !data.is_empty();
        if let Some(regex) = regex {
            regex.read_onto(data, subject, found, self.mode.explain);
        }
        let both = [regex, self.prefregex.as_deref()];
        if both.into_iter().flatten().any(Regex::counts_host) {
            count_host(data);
        }
        let session = data.get(Known::Session).map(session_id);
        let (captured, matches, nofail) = match &session {
            None => (std::mem::take(data).into(), taken.into_lines(), false),
            Some(session) => {
                merged = true;
                let sessions = &mut self.sessions;
                match sessions.merge(line.now, session, data, taken, self.mode.check_all) {
                    Merged::Told {
                        data,
                        matches,
                        nofail,
                    } => (data, matches, nofail),
                    Merged::Helper => {
                        self.tell(|| Step::Helper, out);
                        return false;
                    }
                }
            }
        };
        let who = match choose(captured.named(), self.usedns, self.mode.raw) {
            Choice::Id(id, address) => Who::Id(id, address),
            Choice::Resolve(host) => Who::Host(host),
            Choice::Unresolved => {
                self.tell(|| Step::NameDoesNotCount, out);
                return false;
            }
            Choice::Nothing => {
                let Some(session) = session else {
                    self.tell(|| Step::NoId, out);
                    if let Some(regex) = self.failregex.get(index) {
                        let note = self.notes.no_group(line.now, subject, regex.expanded());
                        out.notes.extend(note);
                    }
                    return false;
                };
                self.sessions.set_pending(&session);
                self.tell(|| Step::Pending, out);
                if !self.mode.tell_pending {
                    return false;
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
        false
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

/// What the prefregex says about a line.
struct Prefix {
    /// What it captured, where there is one.
    captures: Option<Captures>,
    content: Content,
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

/// What is set, and setting it.
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

    /// How often a limit was reached.
    #[must_use]
    pub const fn losses(&self) -> Losses {
        self.sessions.losses().plus(Losses {
            sessions: 0,
            lines: self.buffer.dropped(),
            users: 0,
            searches: self.notes.searches_given_up(),
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
        self.dates.time_of(&line, clock)
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

/// How many groups are captured as a rule, those that sessions add included.
const USUAL_GROUPS: usize = 8;

/// The most lines that are kept; more would make every line a search of megabytes.
pub const MAX_MAXLINES: usize = 1000;

fn remove(list: &mut Vec<Arc<Regex>>, index: usize) -> bool {
    let known = index < list.len();
    if known {
        list.remove(index);
    }
    known
}
