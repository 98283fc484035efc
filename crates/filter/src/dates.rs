//! The dates of one log: how they are looked for, and what they are when they name no zone.
//!
//! In: `datepattern` and `logtimezone`; lines. Out: where the date of a line is and when that was.
//! Invariant: what is set has been understood, so that looking for a date never fails.

use stockade_datetime::{Clock, DatePatternError, Detector, Offset, Report, Timestamp, ZoneError};

use crate::times::Date;

/// How the dates of one log are found.
#[derive(Debug, Clone)]
pub(crate) struct Dates {
    start_year: i16,
    /// Made for the first line where nothing is set: the journal needs none, and the default formats are many.
    detector: Option<Detector>,
    zone: Option<Offset>,
    zone_text: Option<String>,
}

impl Dates {
    pub(crate) const fn new(start_year: i16) -> Self {
        Self {
            start_year,
            detector: None,
            zone: None,
            zone_text: None,
        }
    }

    /// Finds the date of a line.
    pub(crate) fn find(&mut self, line: &str, clock: &Clock) -> Date {
        let detector = self.detector.get_or_insert_with(|| {
            let mut detector =
                Detector::new(None, self.start_year).expect("the default formats are supported");
            detector.set_zone(self.zone);
            detector
        });
        match detector.find(line, clock) {
            None => Date::None,
            Some(found) if found.cut.is_empty() => Date::Empty(found.cut.start, found.template),
            Some(found) => match found.time {
                Some(time) => Date::At {
                    span: found.cut,
                    time,
                    is_whole: found.time_is_whole,
                    template: found.template,
                },
                None => Date::Bad(found.cut, found.template),
            },
        }
    }

    /// How many of `lines`, from the first on, have nothing but the date of the line before, which stood at its
    /// beginning; then that is done with.
    #[inline]
    pub(crate) fn count_same<'a>(&mut self, lines: impl Iterator<Item = &'a [u8]>, clock: &Clock) -> usize {
        let detector = self.detector.as_mut();
        detector.map_or(0, |detector| detector.count_same(lines, clock))
    }

    /// Whether the line before had a date for [`Self::count_same`].
    pub(crate) fn can_be_same(&self) -> bool {
        self.detector.as_ref().is_some_and(Detector::reads_by_hand)
    }

    /// Whether the other one would find the same in every line from now on.
    pub(crate) fn agree_with(&self, other: &Self) -> bool {
        let detectors = match (&self.detector, &other.detector) {
            (Some(one), Some(other)) => one.agrees_with(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        detectors
            && self.start_year == other.start_year
            && self.zone == other.zone
            && self.zone_text == other.zone_text
    }

    /// The time of a line.
    pub(crate) fn time_of(&mut self, line: &str, clock: &Clock) -> Option<Timestamp> {
        match self.find(line, clock) {
            Date::At { time, .. } => Some(time),
            Date::Empty(..) | Date::Bad(..) | Date::None => None,
        }
    }

    /// Sets `datepattern`, and forgets how the formats have done so far.
    pub(crate) fn set_pattern(&mut self, pattern: &str) -> Result<(), DatePatternError> {
        let mut detector = Detector::new(Some(pattern), self.start_year)?;
        detector.set_zone(self.zone);
        self.detector = Some(detector);
        Ok(())
    }

    /// What `get datepattern` answers.
    pub(crate) fn report(&self) -> Report {
        match &self.detector {
            Some(detector) => detector.report(),
            None => Report {
                pattern: None,
                name: "Default Detectors".to_owned(),
            },
        }
    }

    pub(crate) const fn detector(&self) -> Option<&Detector> {
        self.detector.as_ref()
    }

    /// Sets `logtimezone`.
    pub(crate) fn set_zone(&mut self, text: &str) -> Result<(), ZoneError> {
        let zone = text.parse()?;
        self.zone = Some(zone);
        self.zone_text = Some(text.to_owned());
        if let Some(detector) = &mut self.detector {
            detector.set_zone(Some(zone));
        }
        Ok(())
    }

    pub(crate) fn zone_text(&self) -> Option<&str> {
        self.zone_text.as_deref()
    }
}
