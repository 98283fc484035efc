//! One date format: finds itself in a line and converts what it found.
//!
//! In: a line, and the part of it to search. Out: where the match is, and the moment it means.
//!
//! A format is matched by its own program where there is one, else by the general engine; the answer is
//! the same.

use crate::Offset;
use crate::clock::Clock;
use crate::clocks::Clocks;
use crate::fields::{Days, Fields, Moment};
use crate::layout::{DatePatternError, Layout, Piece};
use crate::quick::{Numbers, Quick};
use crate::swift::{Outcome, Program, Scratch, UNSET};
use crate::token::{Decades, Field, Token};
use std::ops::Range;
use std::sync::OnceLock;
use stockade_pattern::{Options, Pattern, PatternError};

/// A format, ready to be searched for. Knows nothing of the lines it has seen.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) layout: Layout,
    pub(crate) weight: f64,
    years: Decades,
    pub(crate) quick: Option<Quick>,
    program: Option<Program>,
    /// The general engine: from the start where there is no program, else from the first line on which
    /// the program gives up.
    general: OnceLock<Option<General>>,
}

/// A format in the general engine.
#[derive(Debug)]
pub(crate) struct General {
    pattern: Pattern,
    /// The field that each group gives.
    fields: Vec<Option<Field>>,
}

/// Where a match is, in bytes of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) whole: Range<usize>,
    pub(crate) cut: Range<usize>,
    /// The date, if it has been read already; else its fields are in the captures.
    pub(crate) numbers: Option<Numbers>,
}

impl Template {
    pub(crate) fn new(layout: Layout, weight: f64, years: Decades) -> Result<Self, DatePatternError> {
        let quick = Quick::of(&layout, years);
        let program = Program::compile(&layout, years);
        let general = OnceLock::new();
        if program.is_none() {
            match General::compile(&layout, years) {
                Ok(compiled) => drop(general.set(Some(compiled))),
                Err(error) => {
                    let pattern = layout.source.as_deref().unwrap_or(&layout.name);
                    return Err(DatePatternError::format(pattern, error.to_string()));
                }
            }
        }
        Ok(Self {
            layout,
            weight,
            years,
            quick,
            program,
            general,
        })
    }

    /// Whether every match has a time of day, as far as we know.
    #[inline]
    pub(crate) fn needs_clock(&self) -> bool {
        self.program.as_ref().is_some_and(Program::needs_clock)
    }

    /// The format as a regular expression.
    pub(crate) fn regex(&self) -> String {
        self.layout.regex(self.years)
    }

    /// Searches `line` up to the end of `within` for a match that begins at its start or later; the
    /// captures are in the scratch then. `clocks`, where known, are the times of day of the line.
    pub(crate) fn find(
        &self,
        line: &str,
        within: Range<usize>,
        clocks: Option<&Clocks>,
        scratch: &mut Scratch,
    ) -> Option<Place> {
        if let (Some(program), Some(clocks)) = (&self.program, clocks)
            && program.is_ruled_out(clocks)
        {
            return None;
        }
        let text = line.get(..within.end)?;
        if let Some(date) = self.quick.and_then(|quick| quick.read(text, within.start)) {
            return Some(Place {
                whole: within.start..date.end,
                cut: date.start..date.end,
                numbers: Some(date.numbers),
            });
        }
        let found = self.program.as_ref().map_or(Outcome::TooHard, |program| {
            program.find(text, within.start, clocks, scratch)
        });
        let whole = match found {
            Outcome::Match { start, end } => start..end,
            Outcome::Nothing => return None,
            Outcome::TooHard => self.general()?.find(text, within.start, scratch)?,
        };
        let cut = scratch.captures.first().copied().filter(|cut| *cut != UNSET);
        // A group that took no part leaves the line whole, like an empty one.
        let (from, to) = cut.unwrap_or((whole.start, whole.start));
        Some(Place {
            whole,
            cut: from..to,
            numbers: None,
        })
    }

    /// The moment that a match in `line` with these captures means.
    pub(crate) fn moment(
        &self,
        line: &str,
        place: &Place,
        captures: &[(usize, usize)],
        default_zone: Option<Offset>,
        clock: &Clock,
        days: &mut Days,
    ) -> Option<Moment> {
        if let Some(numbers) = place.numbers {
            return numbers.moment(default_zone, clock, days);
        }
        let fields = match &self.program {
            Some(program) => program.fields(),
            None => &self.general()?.fields,
        };
        let mut read = Fields::default();
        for (field, (from, to)) in fields.iter().zip(captures) {
            match field {
                Some(field) if (*from, *to) == UNSET => read.miss(*field),
                Some(field) => read.add(*field, line.get(*from..*to)?),
                None => {}
            }
        }
        read.moment(default_zone, clock, days)
    }

    fn general(&self) -> Option<&General> {
        self.general
            .get_or_init(|| General::compile(&self.layout, self.years).ok())
            .as_ref()
    }
}

impl General {
    pub(crate) fn compile(layout: &Layout, years: Decades) -> Result<Self, PatternError> {
        let pattern = Pattern::compile(&layout.regex(years), Options::default())?;
        let mut fields = vec![None; pattern.group_count()];
        for name in pattern.group_names() {
            let token = layout.body.iter().find_map(|piece| match piece {
                Piece::Token(token) if token.group() == name => Some(*token),
                Piece::Token(_) | Piece::Char(_) => None,
            });
            let place = pattern
                .group_number(name)
                .and_then(|number| fields.get_mut(number.checked_sub(1)?));
            if let Some(place) = place {
                *place = token.map_or_else(|| Field::named(name), Token::field);
            }
        }
        Ok(Self { pattern, fields })
    }

    /// Where the match is; past the limits of the engine there is none.
    pub(crate) fn find(&self, text: &str, from: usize, scratch: &mut Scratch) -> Option<Range<usize>> {
        let captures = self.pattern.captures_at(text, from).ok()??;
        scratch.captures.clear();
        scratch.captures.extend(
            (1..=self.fields.len())
                .map(|group| captures.span(group).map_or(UNSET, |span| (span.start, span.end))),
        );
        Some(captures.whole())
    }
}
