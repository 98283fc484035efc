//! The proleptic Gregorian calendar, in whole days and seconds.
//!
//! In: year, month, day. Out: days since 1970-01-01, and back. Years outside of 1 to 9999 have no dates.

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// A date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

impl Civil {
    /// The date with these numbers, if there is one.
    pub(crate) fn new(year: i64, month: i64, day: i64) -> Option<Self> {
        let exists = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_of_month(year, month)).contains(&day);
        exists.then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01.
    pub(crate) fn day_number(self) -> i64 {
        // Years that begin in March have the leap day last, so the months before it are regular.
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// The date of a day since 1970-01-01.
    pub(crate) fn of_day(number: i64) -> Self {
        let number = number.clamp(-4_000_000, 4_000_000) + 719_468;
        let era = number.div_euclid(146_097);
        let day_of_era = number.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day,
        }
    }

    /// The weekday, 0 for Monday to 6.
    pub(crate) fn weekday(self) -> i64 {
        (self.day_number() + 3).rem_euclid(7)
    }

    /// A second of this day, in the zone library's type.
    pub(crate) fn at(self, second: i64) -> Option<jiff::civil::DateTime> {
        let small = |value: i64| i8::try_from(value).ok();
        jiff::civil::DateTime::new(
            i16::try_from(self.year).ok()?,
            small(self.month)?,
            small(self.day)?,
            small(second / 3600)?,
            small(second / 60 % 60)?,
            small(second % 60)?,
            0,
        )
        .ok()
    }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::Civil;

    #[test]
    fn days_and_dates_agree() {
        for (year, month, day, number, weekday) in [
            (1970, 1, 1, 0, 3),
            (2000, 2, 29, 11_016, 1),
            (2026, 11, 22, 20_779, 6),
            (1, 1, 1, -719_162, 0),
            (9999, 12, 31, 2_932_896, 4),
        ] {
            let date = Civil::new(year, month, day).expect("a date");
            assert_eq!((date.day_number(), date.weekday()), (number, weekday), "{date:?}");
            assert_eq!(Civil::of_day(number), date);
        }
        let mut day = Civil::new(1896, 1, 1).expect("a date").day_number();
        let end = Civil::new(2105, 1, 1).expect("a date").day_number();
        while day < end {
            let date = Civil::of_day(day);
            assert_eq!(
                Civil::new(date.year, date.month, date.day).map(Civil::day_number),
                Some(day)
            );
            day += 1;
        }
        for (year, month, day) in [
            (0, 1, 1),
            (2005, 2, 29),
            (1900, 2, 29),
            (2005, 4, 31),
            (2005, 13, 1),
        ] {
            assert_eq!(Civil::new(year, month, day), None);
        }
    }
}
