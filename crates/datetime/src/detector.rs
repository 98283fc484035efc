//! Finds the date of a line among the known formats, and learns which format a log has.
//!
//! In: the lines of one log, in order. Out: for each where its date is, and when that was.
//!
//! The format used so far keeps winning as long as its surroundings stay the same; a date far to the
//! right, which is mostly text that users supply, never beats one further left; formats that win move to
//! the front. What wins depends on all lines before, exactly as in the reference.
//!
//! Invariant: the order of the formats is a permutation of that at the start, and the used ones among
//! them are counted with every line they won.

use crate::clock::Clock;
use crate::clocks::Clocks;
use crate::defaults;
use crate::fields::Days;
use crate::layout::DatePatternError;
use crate::shared;
use crate::swift::Scratch;
use crate::template::{Place, Template};
use crate::token::Decades;
use crate::{Offset, Timestamp, chars};
use std::ops::Range;
use std::sync::Arc;

/// How long a format keeps its place against one that is used now, in microseconds.
const FRESH_MICROS: i64 = 300 * 1_000_000;

/// The date of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What matched, in bytes of the line.
    pub whole: Range<usize>,
    /// What is cut out of the line; may be empty, which means that the line needs no date.
    pub cut: Range<usize>,
    /// When it was; nothing where the text is no date after all, such as February 30.
    pub time: Option<Timestamp>,
    /// Whether the reference has the time as a whole number, which prints without `.0`.
    pub time_is_whole: bool,
    /// The format, for [`Detector::name`].
    pub template: usize,
}

/// What `get datepattern` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The pattern as written, if it is one and it has a text.
    pub pattern: Option<String>,
    /// Its printed name, or `Default Detectors`.
    pub name: String,
}

/// How much a format was used, as `fail2ban-regex` lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateUse {
    /// The printed name.
    pub name: String,
    /// How many lines it won.
    pub hits: u64,
    /// Its weight now.
    pub weight: f64,
    /// Its weight for one hit at the line's start.
    pub own_weight: f64,
    /// The pattern, for the formats that have one.
    pub pattern: Option<String>,
    /// The pattern as a regular expression.
    pub regex: String,
}

/// The formats of one log and how they have done so far.
#[derive(Debug, Clone)]
pub struct Detector {
    /// The formats, in the order in which they were given.
    templates: Arc<[Template]>,
    /// Their use, in the order in which they are tried.
    order: Vec<Use>,
    /// How many from the front of the order have been used.
    first_unused: usize,
    last: Option<Last>,
    /// Where the last winner began, in characters.
    last_distance: usize,
    years: Decades,
    zone: Option<Offset>,
    days: Days,
    scratch: Scratch,
    /// The captures of the candidate, while others are tried.
    candidate_captures: Vec<(usize, usize)>,
    /// The date of the line before, for the next one mostly has the same.
    same: Option<Same>,
    /// Whether the date of the line before is that one.
    is_by_hand: bool,
}

/// A date that was read by hand, and all that was looked at for it.
#[derive(Debug, Clone)]
struct Same {
    /// The beginning of the line, as far as it was looked at.
    begin: [u8; SAME_BYTES],
    length: usize,
    template: usize,
    zone: Option<Offset>,
    now: Timestamp,
    found: Found,
}

/// How long a date and the two characters behind it may be to be compared with those of the next line.
const SAME_BYTES: usize = 40;

/// How many bytes behind a date are looked at to see where it ends.
const BYTES_BEHIND: usize = 2;

/// How a format has done.
#[derive(Debug, Clone, PartialEq)]
struct Use {
    template: usize,
    hits: u64,
    /// Whether it ever matched, even without winning.
    matched: bool,
    last_used: Option<Timestamp>,
    /// Where it last won, in characters; nothing before the first time.
    distance: Option<usize>,
}

/// The last winner.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Last {
    /// Its place in the order.
    index: usize,
    /// What was around its match; nothing where it is tied to an end of the line.
    surroundings: Option<Surroundings>,
}

/// Where a match was, in characters, and the characters on both sides of its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Surroundings {
    start: usize,
    end: usize,
    before: Option<char>,
    first: Option<char>,
    inside_last: Option<char>,
    after: Option<char>,
}

/// As `starts_with`, which is asked of every line and takes longest to find out that it has so few bytes to compare.
#[inline]
fn begins_with(line: &[u8], begin: &[u8]) -> bool {
    match (begin.first_chunk::<16>(), begin.last_chunk::<16>()) {
        (Some(first), Some(last)) if begin.len() <= 32 => line
            .get(..begin.len())
            .is_some_and(|line| line.first_chunk() == Some(first) && line.last_chunk() == Some(last)),
        _ => line.starts_with(begin),
    }
}

/// A match on the current line.
#[derive(Debug, Clone)]
struct Hit {
    index: usize,
    place: Place,
    /// Where it begins, in characters.
    start: usize,
}

impl Detector {
    /// A detector for this `datepattern`, or for the default formats.
    ///
    /// `start_year` is the year in which the program was started; it decides how far in the future the
    /// years of `%ExY` may be.
    pub fn new(datepattern: Option<&str>, start_year: i16) -> Result<Self, DatePatternError> {
        let mut detector = Self {
            templates: Arc::default(),
            order: Vec::new(),
            first_unused: 0,
            last: None,
            last_distance: 1,
            years: Decades::since(start_year),
            zone: None,
            days: Days::default(),
            scratch: Scratch::default(),
            candidate_captures: Vec::new(),
            same: None,
            is_by_hand: false,
        };
        let written = datepattern.unwrap_or_default();
        detector.set_templates(Some(written), || defaults::layouts(written))?;
        Ok(detector)
    }

    /// Sets the zone of dates that name none (`logtimezone`); without one they are local.
    pub fn set_zone(&mut self, zone: Option<Offset>) {
        self.zone = zone;
    }

    /// The zone of dates that name none.
    #[must_use]
    pub fn zone(&self) -> Option<Offset> {
        self.zone
    }

    /// Whether the other one would find the same in every line from now on.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        let written = |detector: &Self| {
            let templates = detector.templates.iter();
            templates
                .map(|template| (template.layout.source.clone(), template.layout.name.clone()))
                .collect::<Vec<_>>()
        };
        self.order == other.order
            && self.first_unused == other.first_unused
            && self.last == other.last
            && self.last_distance == other.last_distance
            && self.years == other.years
            && self.zone == other.zone
            && (Arc::ptr_eq(&self.templates, &other.templates) || written(self) == written(other))
    }

    /// The printed name of a format that was [`Found`].
    #[must_use]
    pub fn name(&self, template: usize) -> &str {
        self.templates
            .get(template)
            .map_or("", |template| &template.layout.name)
    }

    /// What `get datepattern` answers.
    #[must_use]
    pub fn report(&self) -> Report {
        match self.order.first() {
            Some(first) if self.order.len() <= 2 => Report {
                pattern: self
                    .templates
                    .get(first.template)
                    .and_then(|template| template.layout.source.clone()),
                name: self.name(first.template).to_owned(),
            },
            _ => Report {
                pattern: None,
                name: "Default Detectors".to_owned(),
            },
        }
    }

    /// The formats in the order in which they are tried now, and their use.
    pub fn templates(&self) -> impl Iterator<Item = TemplateUse> + '_ {
        self.order.iter().filter_map(|used| {
            let template = self.templates.get(used.template)?;
            Some(TemplateUse {
                name: template.layout.name.clone(),
                hits: used.hits,
                weight: self.weight(used),
                own_weight: template.weight,
                pattern: template.layout.source.clone(),
                regex: template.regex(),
            })
        })
    }

    /// Finds the date of `line`, which has no line end, and remembers what that tells of the log.
    pub fn find(&mut self, line: &str, clock: &Clock) -> Option<Found> {
        if self.templates.is_empty() {
            self.set_templates(None, defaults::default_layouts)
                .expect("the default formats are patterns, and supported");
        }
        let by_hand = self.find_by_hand(line, clock);
        self.is_by_hand = by_hand.is_some() && self.same.is_some();
        if by_hand.is_some() {
            return by_hand;
        }
        let hit = self.choose(line)?;
        let template = self.order.get(hit.index)?.template;
        let moment = self.templates.get(template).and_then(|template| {
            let captures = &self.scratch.captures;
            template.moment(line, &hit.place, captures, self.zone, clock, &mut self.days)
        });
        // The reference fails on a line with nothing at the place of its date.
        let is_beyond = hit.place.whole.start == line.len() && !line.is_empty();
        let moment = moment.filter(|_| !is_beyond);
        self.remember(line, &hit, clock.now());
        Some(Found {
            whole: hit.place.whole,
            cut: hit.place.cut,
            time: moment.map(|moment| moment.time),
            time_is_whole: moment.is_some_and(|moment| moment.whole),
            template,
        })
    }

    /// How many of `lines`, from the first on, have their date where the last line that was read by hand had the same
    /// date, and that is all there is to be found in them; what they tell of the log is remembered, as by
    /// [`Self::find`].
    ///
    /// The lines may have their ends.
    #[inline]
    pub fn count_same<'a>(&mut self, lines: impl Iterator<Item = &'a [u8]>, clock: &Clock) -> usize {
        let Some(same) = self.same_now(clock) else {
            return 0;
        };
        let begin = same.begin.get(..same.length).unwrap_or_default();
        let count = lines.take_while(|line| begins_with(line, begin)).count();
        if let Some(lines) = u64::try_from(count).ok().filter(|lines| *lines > 0) {
            self.remember_same(lines, clock);
        }
        count
    }

    /// Whether the line before was read by hand, or had the date of one that was.
    #[must_use]
    pub fn reads_by_hand(&self) -> bool {
        self.is_by_hand
    }

    /// The date of the line before, where it can be that of the next.
    #[inline]
    fn same_now(&self, clock: &Clock) -> Option<&Same> {
        let last = self.last.filter(|last| last.surroundings.is_none())?;
        let used = self.order.get(last.index)?;
        let same = self.same.as_ref()?;
        let is_known = same.template == used.template && same.now == clock.now() && same.zone == self.zone;
        is_known.then_some(same)
    }

    /// Remembers that so many lines had the date of the line before.
    #[inline]
    fn remember_same(&mut self, lines: u64, clock: &Clock) {
        if let Some(used) = self.last.and_then(|last| self.order.get_mut(last.index)) {
            used.hits += lines;
            used.last_used = Some(clock.now());
            used.distance = Some(0);
            self.last_distance = 0;
        }
    }

    /// The common case in short: the format of the line before once more, where it is one that is tied to
    /// the line's start and read by hand.
    fn find_by_hand(&mut self, line: &str, clock: &Clock) -> Option<Found> {
        if self.count_same(std::iter::once(line.as_bytes()), clock) > 0 {
            return self.same.as_ref().map(|same| same.found.clone());
        }
        let last = self.last.filter(|last| last.surroundings.is_none())?;
        let used = self.order.get_mut(last.index)?;
        let date = self.templates.get(used.template)?.quick?.read(line, 0)?;
        let moment = date.numbers.moment(self.zone, clock, &mut self.days);
        used.hits += 1;
        used.last_used = Some(clock.now());
        used.distance = Some(0);
        self.last_distance = 0;
        let found = Found {
            whole: 0..date.end,
            cut: date.start..date.end,
            time: moment.map(|moment| moment.time),
            time_is_whole: moment.is_some_and(|moment| moment.whole),
            template: used.template,
        };
        let length = date.end + BYTES_BEHIND;
        let mut begin = [0; SAME_BYTES];
        self.same = match (begin.get_mut(..length), line.as_bytes().get(..length)) {
            (Some(begin_of_line), Some(bytes)) => {
                begin_of_line.copy_from_slice(bytes);
                Some(Same {
                    begin,
                    length,
                    template: used.template,
                    zone: self.zone,
                    now: clock.now(),
                    found: found.clone(),
                })
            }
            (Some(_) | None, _) => None,
        };
        Some(found)
    }

    /// Takes the formats of what is written, in the order in which they are given.
    fn set_templates(
        &mut self,
        written: Option<&str>,
        layouts: impl FnOnce() -> Result<Vec<defaults::Weighted>, DatePatternError>,
    ) -> Result<(), DatePatternError> {
        let years = self.years;
        self.templates = shared::templates(written, years, || {
            let layouts = layouts()?.into_iter();
            layouts
                .map(|(layout, weight)| Template::new(layout, weight, years))
                .collect()
        })?;
        let order = (0..self.templates.len()).map(|template| Use {
            template,
            hits: 0,
            matched: false,
            last_used: None,
            distance: None,
        });
        self.order.extend(order);
        Ok(())
    }

    /// Which format wins on `line`; its captures are in the scratch then.
    fn choose(&mut self, line: &str) -> Option<Hit> {
        let mut candidate: Option<Hit> = None;
        let mut tried = None;
        if let Some(last) = self.last {
            let part = last.surroundings.and_then(|around| around.same_in(line));
            if part.is_none() {
                tried = Some(last.index);
            }
            let within = part.unwrap_or(0..line.len());
            if let Some(hit) = self.try_template(line, last.index, within, None) {
                let Some(around) = last.surroundings.filter(|_| self.order.len() > 1) else {
                    return Some(hit);
                };
                if (hit.start, hit.end(line)) == (around.start, around.end) {
                    return Some(hit);
                }
                self.keep_candidate(&mut candidate, hit);
            }
        }
        let clocks = Clocks::of(line);
        let no_clock = clocks.is_empty();
        for index in 0..self.order.len() {
            if tried == Some(index) || (no_clock && self.needs_clock(index)) {
                continue;
            }
            let Some(hit) = self.try_template(line, index, 0..line.len(), Some(&clocks)) else {
                continue;
            };
            if self.wins_at_once(&hit) {
                return Some(hit);
            }
            if candidate
                .as_ref()
                .is_none_or(|candidate| hit.start < candidate.start)
            {
                self.keep_candidate(&mut candidate, hit);
            }
        }
        if candidate.is_some() {
            std::mem::swap(&mut self.scratch.captures, &mut self.candidate_captures);
        }
        candidate
    }

    fn keep_candidate(&mut self, candidate: &mut Option<Hit>, hit: Hit) {
        self.candidate_captures.clone_from(&self.scratch.captures);
        *candidate = Some(hit);
    }

    fn try_template(
        &mut self,
        line: &str,
        index: usize,
        within: Range<usize>,
        clocks: Option<&Clocks>,
    ) -> Option<Hit> {
        let used = self.order.get_mut(index)?;
        let template = self.templates.get(used.template)?;
        let place = template.find(line, within, clocks, &mut self.scratch)?;
        used.matched = true;
        Some(Hit {
            index,
            start: characters(line, place.whole.start),
            place,
        })
    }

    /// Whether a match ends the search although better ones could follow.
    fn wins_at_once(&self, hit: &Hit) -> bool {
        let Some(used) = self.order.get(hit.index) else {
            return false;
        };
        let Some(next) = self.order.get(hit.index + 1) else {
            return true;
        };
        if self.is_anchored(hit.index) || (hit.start == 0 && used.hits > 0 && !next.matched) {
            return true;
        }
        let further = used.distance.is_some_and(|distance| hit.start > distance);
        !(further || hit.start > self.last_distance)
    }

    fn needs_clock(&self, index: usize) -> bool {
        self.order
            .get(index)
            .and_then(|used| self.templates.get(used.template))
            .is_some_and(Template::needs_clock)
    }

    fn is_anchored(&self, index: usize) -> bool {
        self.order
            .get(index)
            .and_then(|used| self.templates.get(used.template))
            .is_some_and(|template| template.layout.anchored)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "weights are only compared; such counts do not occur"
    )]
    fn weight(&self, used: &Use) -> f64 {
        let own = self
            .templates
            .get(used.template)
            .map_or(1.0, |template| template.weight);
        let distance = used.distance.unwrap_or(0).max(1);
        used.hits as f64 * own / distance as f64
    }

    /// Notes the winner, and moves it up where it has become the better one.
    fn remember(&mut self, line: &str, hit: &Hit, now: Timestamp) {
        if let Some(used) = self.order.get_mut(hit.index) {
            used.hits += 1;
            used.last_used = Some(now);
            used.distance = Some(hit.start);
        }
        self.last_distance = hit.start;
        let before = self.last.map(|last| last.index);
        let mut index = hit.index;
        if index > 0 && before != Some(index) {
            index = self.move_up(index, now);
        }
        while self
            .order
            .get(self.first_unused)
            .is_some_and(|used| used.hits > 0)
        {
            self.first_unused += 1;
        }
        // Where an anchored format was does not matter for the next line.
        let surroundings = (!self.is_anchored(index)).then(|| Surroundings::of(line, hit));
        self.last = Some(Last { index, surroundings });
    }

    /// Moves a format towards the front if it deserves it; answers its new place.
    fn move_up(&mut self, index: usize, now: Timestamp) -> usize {
        let target = if self.first_unused < index {
            self.first_unused
        } else {
            index / 2
        };
        for place in [target, index - 1] {
            if self.is_better(index, place, now) {
                let used = self.order.remove(index);
                self.order.insert(place, used);
                return place;
            }
        }
        index
    }

    /// Whether the format at `index` may take the place of the one at `other`.
    fn is_better(&self, index: usize, other: usize, now: Timestamp) -> bool {
        let (Some(mine), Some(other)) = (self.order.get(index), self.order.get(other)) else {
            return false;
        };
        self.weight(mine) > self.weight(other)
            || other
                .last_used
                .is_none_or(|used| now.micros_since(used) > FRESH_MICROS)
    }
}

impl Hit {
    /// Where it ends, in characters.
    fn end(&self, line: &str) -> usize {
        characters(line, self.place.whole.end)
    }
}

impl Surroundings {
    fn of(line: &str, hit: &Hit) -> Self {
        let (start, end) = (hit.place.whole.start, hit.place.whole.end);
        Self {
            start: hit.start,
            end: hit.end(line),
            before: char_before(line, start),
            first: char_at(line, start),
            inside_last: char_before(line, end),
            after: char_at(line, end),
        }
    }

    /// The part of another line, in bytes, where that match would be, if what is around it looks the same.
    fn same_in(self, line: &str) -> Option<Range<usize>> {
        let (start, end) = (bytes(line, self.start), bytes(line, self.end));
        // Past the end of a shorter line there are no characters, not its last ones.
        let (mut before, mut first, mut inside_last, mut after) = (None, None, None, None);
        let is_reached = end < line.len();
        if is_reached || characters(line, start) == self.start {
            (before, first) = (char_before(line, start), char_at(line, start));
        }
        if is_reached || characters(line, end) == self.end {
            (inside_last, after) = (char_before(line, end), char_at(line, end));
        }
        let is_mark = |c: Option<char>| !c.is_some_and(|c| c != '_' && chars::is_word(c));
        let left = before == self.before || (first == self.first && is_mark(first));
        // A match of nothing at the beginning of the line has no last character.
        let right = after == self.after
            || (inside_last.is_some() && inside_last == self.inside_last && is_mark(inside_last));
        (left && right).then_some(start..end)
    }
}

/// The character at a place in bytes.
fn char_at(line: &str, at: usize) -> Option<char> {
    let byte = *line.as_bytes().get(at)?;
    if byte.is_ascii() {
        Some(char::from(byte))
    } else {
        line.get(at..)?.chars().next()
    }
}

/// The character that ends at a place in bytes.
fn char_before(line: &str, at: usize) -> Option<char> {
    let byte = *line.as_bytes().get(at.checked_sub(1)?)?;
    if byte.is_ascii() {
        Some(char::from(byte))
    } else {
        line.get(..at)?.chars().next_back()
    }
}

/// How many characters the first `bytes` bytes of the line are.
fn characters(line: &str, bytes: usize) -> usize {
    let Some(start) = line.get(..bytes) else {
        return bytes;
    };
    if start.is_ascii() {
        bytes
    } else {
        start.chars().count()
    }
}

/// How many bytes the first `characters` characters of the line are; all of a shorter line.
fn bytes(line: &str, characters: usize) -> usize {
    if line.as_bytes().get(..characters).is_some_and(<[u8]>::is_ascii) {
        return characters;
    }
    line.char_indices()
        .nth(characters)
        .map_or(line.len(), |(at, _)| at)
}
