//! The fields of a date text → when that was.
//!
//! In: the fields that took part in a match, as text, in the order of their groups. Out: a
//! [`Moment`], or nothing where the text is no date after all.
//!
//! What is missing is taken from the present: the year, or the day. Years are never guessed forward.
//!
//! Invariant: the present matters only for what the text leaves out.

use crate::chars;
use crate::civil::{self, Civil};
use crate::clock::Clock;
use crate::quick::Numbers;
use crate::token::{self, Field};
use crate::{Offset, Timestamp};
use std::borrow::Cow;

/// A converted date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) time: Timestamp,
    /// Whether the reference has it as a whole number, which prints without `.0`.
    pub(crate) whole: bool,
}

/// What is known of a date so far.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    week: Option<Week>,
    /// 0 for Monday to 6.
    weekday: Option<i64>,
    hour: i64,
    half_day_hour: Option<i64>,
    /// An hour of half a day was read, whether another one replaced it or not.
    needs_half_day: bool,
    half_day: HalfDay,
    minute: i64,
    second: i64,
    zone: Option<Offset>,
    epoch: Option<Timestamp>,
    epoch_is_whole: bool,
    /// A text that its field does not allow.
    broken: bool,
}

#[derive(Debug, Clone, Copy)]
struct Week {
    number: i64,
    from_monday: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum HalfDay {
    /// The format does not ask for it.
    #[default]
    Absent,
    /// The format has it, and it took no part.
    Missing,
    Am,
    Pm,
    Other,
}

/// A date of which everything is known or assumed.
#[derive(Debug)]
struct Written {
    year: i64,
    year_is_assumed: bool,
    month: i64,
    day: i64,
    day_is_assumed: bool,
    /// Seconds since midnight.
    second: i64,
    zone: Option<Offset>,
}

/// The last date that was looked up; the next line mostly has the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Days {
    last: (i64, i64, i64),
    number: i64,
}

impl Days {
    /// The number of a day, if there is such a day.
    #[inline]
    fn number(&mut self, year: i64, month: i64, day: i64) -> Option<i64> {
        // No day has the number zero in its month, so the cache begins as a miss.
        if self.last != (year, month, day) || day == 0 {
            self.number = Civil::new(year, month, day)?.day_number();
            self.last = (year, month, day);
        }
        Some(self.number)
    }
}

impl Written {
    #[inline]
    fn moment(&self, clock: &Clock, days: &mut Days) -> Option<Moment> {
        let shift = self.zone.map_or(0, Offset::seconds);
        let day = days.number(self.year, self.month, self.day)?;
        let mut time = day * civil::DAY + self.second - shift;
        in_calendar(time)?;
        if self.day_is_assumed && time > clock.local_now() {
            time -= civil::DAY;
            in_calendar(time)?;
        }
        if self.year_is_assumed && time > clock.local_now().saturating_add(civil::DAY) {
            // The reference puts month and day of the text back into the shifted time, which loses the
            // day where the shift went past midnight.
            let second = time.rem_euclid(civil::DAY);
            time = days.number(self.year - 1, self.month, self.day)? * civil::DAY + second;
        }
        let seconds = if self.zone.is_some() {
            time
        } else {
            clock.moment_of_local(time)
        };
        Some(Moment {
            time: Timestamp::from_seconds(seconds),
            whole: self.zone.is_some(),
        })
    }
}

impl Numbers {
    /// The moment that a date read by hand means; `default_zone` is the zone of texts without one.
    #[inline]
    pub(crate) fn moment(
        &self,
        default_zone: Option<Offset>,
        clock: &Clock,
        days: &mut Days,
    ) -> Option<Moment> {
        Written {
            year: self.year.unwrap_or_else(|| clock.today().year),
            year_is_assumed: self.year.is_none(),
            month: self.month,
            day: self.day,
            day_is_assumed: false,
            second: (self.hour * 60 + self.minute) * 60 + self.second,
            zone: self.zone.or(default_zone),
        }
        .moment(clock, days)
    }
}

impl Fields {
    /// Notes a field that the format has and the text has not. The reference fails where it knows an hour of half a
    /// day then, and expects to be told of which half.
    pub(crate) fn miss(&mut self, field: Field) {
        if field == Field::HalfDay && self.half_day == HalfDay::Absent {
            self.half_day = HalfDay::Missing;
        }
    }

    /// Adds a field; of two for the same thing the later one counts.
    pub(crate) fn add(&mut self, field: Field, text: &str) {
        self.broken |= self.take(field, text).is_none();
    }

    fn take(&mut self, field: Field, text: &str) -> Option<()> {
        match field {
            Field::Year => self.year = Some(number(text)?),
            Field::ShortYear => self.year = Some(number(text)?.checked_add(2000)?),
            Field::Month => self.month = Some(number(text)?),
            Field::MonthName => self.month = Some(token::month_number(text, false)?),
            Field::LongMonthName => self.month = Some(token::month_number(text, true)?),
            Field::Day => self.day = Some(number(text)?),
            Field::YearDay => self.year_day = Some(number(text)?),
            Field::WeekdayName => self.weekday = Some(token::weekday_number(text, false)? - 1),
            Field::LongWeekdayName => self.weekday = Some(token::weekday_number(text, true)? - 1),
            Field::Weekday => self.weekday = Some((number(text)? + 6).rem_euclid(7)),
            Field::WeekFromSunday | Field::WeekFromMonday => {
                self.week = Some(Week {
                    number: number(text)?,
                    from_monday: field == Field::WeekFromMonday,
                });
            }
            Field::Hour => {
                self.hour = number(text)?;
                self.half_day_hour = None;
            }
            Field::HalfDayHour => {
                self.half_day_hour = Some(number(text)?);
                self.needs_half_day = true;
            }
            Field::HalfDay => {
                self.half_day = if text.eq_ignore_ascii_case("am") {
                    HalfDay::Am
                } else if text.eq_ignore_ascii_case("pm") {
                    HalfDay::Pm
                } else {
                    HalfDay::Other
                }
            }
            Field::Minute => self.minute = number(text)?,
            Field::Second => self.second = number(text)?,
            Field::Zone => self.zone = Some(Offset::of(&with_ascii_digits(text))?),
            Field::Epoch => self.epoch = Some(Timestamp::from_micros(decimal(text, 6)?)),
            Field::LongEpoch => self.epoch = Some(long_epoch(text)?),
            Field::Tai64n => {
                self.epoch = Some(tai64n(text)?);
                self.epoch_is_whole = true;
            }
        }
        Some(())
    }

    /// The moment that the fields mean; `default_zone` is the zone of texts without one.
    pub(crate) fn moment(
        &self,
        default_zone: Option<Offset>,
        clock: &Clock,
        days: &mut Days,
    ) -> Option<Moment> {
        if let Some(time) = self.epoch {
            return Some(Moment {
                time,
                whole: self.epoch_is_whole,
            });
        }
        if self.broken {
            return None;
        }
        let hour = self.hour()?;
        let in_range = |value: i64, most: i64| (0..=most).contains(&value);
        if !(in_range(hour, 23) && in_range(self.minute, 59) && in_range(self.second, 59)) {
            return None;
        }
        let today = clock.today();
        let mut year = self.year.unwrap_or(today.year);
        let (mut month, mut day) = (self.month, self.day);
        if (month.is_none() || day.is_none())
            && let Some(date) = self.date_of_year_day(year)?
        {
            (year, month, day) = (date.year, Some(date.month), Some(date.day));
        }
        let day_is_assumed = month.is_none() && day.is_none();
        let (month, day) = if day_is_assumed {
            (today.month, today.day)
        } else {
            (month?, day?)
        };
        Written {
            year,
            year_is_assumed: self.year.is_none(),
            month,
            day,
            day_is_assumed,
            second: (hour * 60 + self.minute) * 60 + self.second,
            zone: self.zone.or(default_zone),
        }
        .moment(clock, days)
    }

    /// The hour of the 24-hour clock.
    fn hour(&self) -> Option<i64> {
        if self.needs_half_day && self.half_day == HalfDay::Missing {
            return None;
        }
        let Some(hour) = self.half_day_hour else {
            return Some(self.hour);
        };
        match self.half_day {
            HalfDay::Absent | HalfDay::Missing | HalfDay::Am if hour == 12 => Some(0),
            HalfDay::Pm if hour != 12 => hour.checked_add(12),
            HalfDay::Absent | HalfDay::Missing | HalfDay::Am | HalfDay::Pm | HalfDay::Other => Some(hour),
        }
    }

    /// The date by day of the year, or by week and weekday, if these are known; the outer `None` is for
    /// one outside of the calendar.
    #[expect(clippy::option_option, reason = "absent and impossible are different answers")]
    fn date_of_year_day(&self, year: i64) -> Option<Option<Civil>> {
        let year_day = match (self.year_day, self.week, self.weekday) {
            (Some(year_day), _, _) => year_day,
            (None, Some(week), Some(weekday)) => week.day_of_year(year, weekday)?,
            (None, _, _) => return Some(None),
        };
        let number = Civil::new(year, 1, 1)?
            .day_number()
            .checked_add(year_day.checked_sub(1)?)?;
        in_calendar(number.checked_mul(civil::DAY)?)?;
        Some(Some(Civil::of_day(number)))
    }
}

impl Week {
    /// The day of the year, from 1, of a weekday of this week; not above zero in the year before.
    fn day_of_year(self, year: i64, weekday: i64) -> Option<i64> {
        let mut first = Civil::new(year, 1, 1)?.weekday();
        let mut weekday = weekday;
        if !self.from_monday {
            first = (first + 1) % 7;
            weekday = (weekday + 1) % 7;
        }
        let days = if self.number == 0 {
            -first
        } else {
            (7 - first) % 7 + self.number.checked_sub(1)?.checked_mul(7)?
        };
        days.checked_add(1 + weekday)
    }
}

/// Whether a local time, in seconds, is in the years 1 to 9999.
fn in_calendar(seconds: i64) -> Option<()> {
    (-62_135_596_800..=253_402_300_799)
        .contains(&seconds)
        .then_some(())
}

/// A whole number, with blanks around it, in digits of any script.
#[inline]
fn number(text: &str) -> Option<i64> {
    let ascii = |value: i64, byte: &u8| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'));
    if let 1..=4 = text.len()
        && let Some(value) = text.as_bytes().iter().try_fold(0, ascii)
    {
        return Some(value);
    }
    any_number(text)
}

/// The same for numbers that are not a few ASCII digits.
#[cold]
fn any_number(text: &str) -> Option<i64> {
    let digits = text.trim_matches(chars::is_space);
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0_i64, |value, c| {
        value.checked_mul(10)?.checked_add(chars::digit(c)?.into())
    })
}

/// A decimal number with `places` places, of which missing ones are zero and further ones are rounded.
fn decimal(text: &str, places: usize) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut value = number(whole)?;
    let mut digits = fraction.chars();
    for _ in 0..places {
        let digit = digits.next().map_or(Some(0), chars::digit)?;
        value = value.checked_mul(10)?.checked_add(digit.into())?;
    }
    let next = digits.next().map_or(Some(0), chars::digit)?;
    Some(value + i64::from(next >= 5))
}

/// Seconds, milliseconds or microseconds since the epoch, told apart by the length of the text.
fn long_epoch(text: &str) -> Option<Timestamp> {
    let length = text.chars().count();
    let micros = if length < 13 {
        decimal(text, 6)
    } else if length >= 16 && !text.contains('.') {
        decimal(text, 0)
    } else {
        decimal(text, 3)
    };
    micros.map(Timestamp::from_micros)
}

/// The seconds of a TAI64N label; leap seconds and the nanoseconds are left out.
fn tai64n(text: &str) -> Option<Timestamp> {
    let seconds = text.get(2..17)?;
    i64::from_str_radix(seconds, 16).ok().map(Timestamp::from_seconds)
}

/// A text whose digits of other scripts are those of ASCII: the formats let both pass.
fn with_ascii_digits(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let ascii = |c: char| chars::digit(c).map_or(c, |digit| char::from(b'0' + digit));
    Cow::Owned(text.chars().map(ascii).collect())
}
