//! The fields of a date: how a `%` token is called, what it accepts, and which field it gives.
//!
//! In: the letter of a token. Out: a [`Token`], its regular expression for the general engine, and its
//! [`Ends`] for our own matcher: where it may end, in the order in which a backtracking engine tries.
//!
//! Invariant: [`Token::regex`] and [`Token::ends`] accept the same texts in the same order.

use crate::chars;

/// A field that takes part in the conversion to a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Year,
    /// Two digits of this century.
    ShortYear,
    Month,
    MonthName,
    /// The full name of a month.
    LongMonthName,
    Day,
    YearDay,
    WeekdayName,
    /// The full name of a weekday.
    LongWeekdayName,
    Weekday,
    /// A week of the year, where weeks start on Sunday.
    WeekFromSunday,
    /// A week of the year, where weeks start on Monday.
    WeekFromMonday,
    Hour,
    /// An hour of the 12-hour clock.
    HalfDayHour,
    /// `am` or `pm`.
    HalfDay,
    Minute,
    Second,
    Zone,
    Epoch,
    LongEpoch,
    Tai64n,
}

impl Field {
    /// The field that a named group gives.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Y" => Self::Year,
            "y" => Self::ShortYear,
            "m" => Self::Month,
            "b" => Self::MonthName,
            "B" => Self::LongMonthName,
            "d" => Self::Day,
            "j" => Self::YearDay,
            "a" => Self::WeekdayName,
            "A" => Self::LongWeekdayName,
            "w" => Self::Weekday,
            "U" => Self::WeekFromSunday,
            "W" => Self::WeekFromMonday,
            "H" => Self::Hour,
            "I" => Self::HalfDayHour,
            "p" => Self::HalfDay,
            "M" => Self::Minute,
            "S" => Self::Second,
            "z" | "Z" => Self::Zone,
            _ => return None,
        })
    }
}

/// What one `%` token matches; those with a part outside of their group (`%k`) are split before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Year,
    /// A year of the accepted decades.
    ExYear,
    ShortYear,
    Month,
    ExMonth,
    MonthName,
    LongMonthName,
    Day,
    ExDay,
    YearDay,
    WeekdayName,
    LongWeekdayName,
    Weekday,
    WeekFromSunday,
    WeekFromMonday,
    Hour,
    ExHour,
    /// Any hour up to 29, of which those past 23 do not convert.
    LooseHour,
    HalfDayHour,
    /// Any hour up to 19.
    LooseHalfDayHour,
    ExHalfDayHour,
    HalfDay,
    Minute,
    ExMinute,
    Second,
    ExSecond,
    Fraction,
    Zone,
    ZoneName,
    ExZone,
    ExZoneName,
    IsoYear,
    IsoWeek,
    IsoWeekday,
    Epoch,
    LongEpoch,
    Tai64n,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// The number of a month, 1 to 12, from the first three letters of its name; their case does not matter.
#[inline]
pub(crate) fn month_of(letters: [u8; 3]) -> Option<i64> {
    Some(match &letters.map(|byte| byte | 0x20) {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    })
}

/// The number of a weekday, 1 for Monday to 7, from the first three letters of its name.
#[inline]
fn weekday_of(letters: [u8; 3]) -> Option<i64> {
    Some(match &letters.map(|byte| byte | 0x20) {
        b"mon" => 1,
        b"tue" => 2,
        b"wed" => 3,
        b"thu" => 4,
        b"fri" => 5,
        b"sat" => 6,
        b"sun" => 7,
        _ => return None,
    })
}

/// The number of a month, 1 to 12, from its name: full or its first three letters.
pub(crate) fn month_number(name: &str, full: bool) -> Option<i64> {
    let number = month_of(*name.as_bytes().first_chunk()?)?;
    is_name(&MONTHS, number, name, full).then_some(number)
}

/// The number of a weekday, 1 for Monday to 7, from its name: full or its first three letters.
pub(crate) fn weekday_number(name: &str, full: bool) -> Option<i64> {
    let number = weekday_of(*name.as_bytes().first_chunk()?)?;
    is_name(&WEEKDAYS, number, name, full).then_some(number)
}

fn is_name(names: &[&str], number: i64, name: &str, full: bool) -> bool {
    if !full {
        return name.len() == 3 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    }
    let known = usize::try_from(number - 1).ok().and_then(|at| names.get(at));
    known.is_some_and(|known| known.eq_ignore_ascii_case(name))
}

impl Token {
    /// The name of its group, which is its letter.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::Year | Self::ExYear => "Y",
            Self::ShortYear => "y",
            Self::Month | Self::ExMonth => "m",
            Self::MonthName => "b",
            Self::LongMonthName => "B",
            Self::Day | Self::ExDay => "d",
            Self::YearDay => "j",
            Self::WeekdayName => "a",
            Self::LongWeekdayName => "A",
            Self::Weekday => "w",
            Self::WeekFromSunday => "U",
            Self::WeekFromMonday => "W",
            Self::Hour | Self::ExHour | Self::LooseHour => "H",
            Self::HalfDayHour | Self::LooseHalfDayHour | Self::ExHalfDayHour => "I",
            Self::HalfDay => "p",
            Self::Minute | Self::ExMinute => "M",
            Self::Second | Self::ExSecond => "S",
            Self::Fraction => "f",
            Self::Zone | Self::ExZone => "z",
            Self::ZoneName | Self::ExZoneName => "Z",
            Self::IsoYear => "G",
            Self::IsoWeek => "V",
            Self::IsoWeekday => "u",
            Self::Epoch => "epoch",
            Self::LongEpoch => "lepoch",
            Self::Tai64n => "tai64n",
        }
    }

    /// The field that it gives, if it takes part in the conversion.
    pub(crate) fn field(self) -> Option<Field> {
        if self == Self::Epoch {
            Some(Field::Epoch)
        } else if self == Self::LongEpoch {
            Some(Field::LongEpoch)
        } else if self == Self::Tai64n {
            Some(Field::Tai64n)
        } else {
            Field::named(self.group())
        }
    }

    /// What it matches, in the language of the general engine, without its group.
    pub(crate) fn regex(self, years: Decades) -> String {
        match self {
            Self::Year | Self::IsoYear => r"\d{4}".to_owned(),
            Self::ExYear => format!(r"(?:{})\d", years.alternatives()),
            Self::ShortYear => r"\d\d".to_owned(),
            Self::Month => "0?[1-9]|1[012]".to_owned(),
            Self::ExMonth => "0[1-9]|1[012]".to_owned(),
            Self::MonthName => alternatives(&MONTHS, false),
            Self::LongMonthName => alternatives(&MONTHS, true),
            Self::Day => r"[12]\d|[ 0]?[1-9]|3[01]".to_owned(),
            Self::ExDay => r"[12]\d|0[1-9]|3[01]".to_owned(),
            Self::YearDay => r"36[0-6]|3[0-5]\d|[12]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9]".to_owned(),
            Self::WeekdayName => alternatives(&WEEKDAYS, false),
            Self::LongWeekdayName => alternatives(&WEEKDAYS, true),
            Self::Weekday => "[0-6]".to_owned(),
            Self::WeekFromSunday | Self::WeekFromMonday => r"5[0-3]|[0-4]\d|\d".to_owned(),
            Self::Hour => r"[01]?\d|2[0-3]".to_owned(),
            Self::ExHour => r"[01]\d|2[0-3]".to_owned(),
            Self::LooseHour => r"[012]?\d".to_owned(),
            Self::HalfDayHour => "1[012]|0[1-9]|[1-9]".to_owned(),
            Self::LooseHalfDayHour => r"1?\d".to_owned(),
            Self::ExHalfDayHour => r"1[012]|\d".to_owned(),
            Self::HalfDay => "am|pm".to_owned(),
            Self::Minute => r"[0-5]?\d".to_owned(),
            Self::ExMinute => r"[0-5]\d".to_owned(),
            Self::Second => r"[0-5]?\d|6[01]".to_owned(),
            Self::ExSecond => r"[0-5]\d|6[01]".to_owned(),
            Self::Fraction => "[0-9]{1,6}".to_owned(),
            Self::Zone => format!("Z|UTC|GMT|{OFFSET}"),
            Self::ZoneName => "Z|[A-Z]{3,5}".to_owned(),
            Self::ExZone => format!("(?:{ABBREVIATION})?{OFFSET}|{ABBREVIATION}"),
            Self::ExZoneName => ABBREVIATION.to_owned(),
            Self::IsoWeek => r"5[0-3]|0[1-9]|[1-4]\d|\d".to_owned(),
            Self::IsoWeekday => "[1-7]".to_owned(),
            Self::Epoch => r"\d{10,11}\b(?:\.\d{3,6})?".to_owned(),
            Self::LongEpoch => r"\d{10,11}(?:\d{3}(?:\.\d{1,6}|\d{3})?)?".to_owned(),
            Self::Tai64n => "@[0-9a-f]{24}".to_owned(),
        }
    }

    /// The most characters that it takes.
    pub(crate) fn longest(self) -> usize {
        match self {
            Self::Weekday | Self::IsoWeekday => 1,
            Self::YearDay | Self::MonthName | Self::WeekdayName => 3,
            Self::Year | Self::ExYear | Self::IsoYear => 4,
            Self::ZoneName | Self::ExZoneName => 5,
            Self::Fraction | Self::Zone => 6,
            Self::LongMonthName | Self::LongWeekdayName => 9,
            Self::ExZone => 11,
            Self::Epoch => 18,
            Self::LongEpoch => 21,
            Self::Tai64n => 25,
            Self::ShortYear
            | Self::Month
            | Self::ExMonth
            | Self::Day
            | Self::ExDay
            | Self::WeekFromSunday
            | Self::WeekFromMonday
            | Self::Hour
            | Self::ExHour
            | Self::LooseHour
            | Self::HalfDayHour
            | Self::LooseHalfDayHour
            | Self::ExHalfDayHour
            | Self::HalfDay
            | Self::Minute
            | Self::ExMinute
            | Self::Second
            | Self::ExSecond
            | Self::IsoWeek => 2,
        }
    }

    /// Whether a match may begin with this byte; a byte past ASCII stands for any such character.
    pub(crate) fn may_start_with(self, byte: u8, ignore_case: bool) -> bool {
        if self == Self::ExYear {
            return matches!(byte, b'2'..=b'9');
        }
        if !byte.is_ascii() {
            // Digits of other scripts, and the foreign letters that equal `i`, `k` and `s`.
            return true;
        }
        let digit = byte.is_ascii_digit();
        match self {
            Self::MonthName | Self::LongMonthName => {
                byte.is_ascii_alphabetic() && b"jfmasond".contains(&byte.to_ascii_lowercase())
            }
            Self::WeekdayName | Self::LongWeekdayName => {
                byte.is_ascii_alphabetic() && b"mtwfs".contains(&byte.to_ascii_lowercase())
            }
            Self::HalfDay => matches!(byte, b'a' | b'A' | b'p' | b'P'),
            Self::Day => digit || byte == b' ',
            Self::Zone => {
                let letter = if ignore_case {
                    byte.to_ascii_uppercase()
                } else {
                    byte
                };
                matches!(letter, b'Z' | b'U' | b'G' | b'+' | b'-')
            }
            Self::ZoneName | Self::ExZoneName => upper(byte, ignore_case),
            Self::ExZone => upper(byte, ignore_case) || matches!(byte, b'+' | b'-'),
            Self::Tai64n => byte == b'@',
            Self::Year
            | Self::ExYear
            | Self::ShortYear
            | Self::Month
            | Self::ExMonth
            | Self::ExDay
            | Self::YearDay
            | Self::Weekday
            | Self::WeekFromSunday
            | Self::WeekFromMonday
            | Self::Hour
            | Self::ExHour
            | Self::LooseHour
            | Self::HalfDayHour
            | Self::LooseHalfDayHour
            | Self::ExHalfDayHour
            | Self::Minute
            | Self::ExMinute
            | Self::Second
            | Self::ExSecond
            | Self::Fraction
            | Self::IsoYear
            | Self::IsoWeek
            | Self::IsoWeekday
            | Self::Epoch
            | Self::LongEpoch => digit,
        }
    }

    /// Where it can end when it starts at `at`, in the order of preference.
    #[inline]
    pub(crate) fn ends(self, text: &Text<'_>, at: usize, years: Decades, ends: &mut Ends) {
        ends.clear();
        let t = text;
        let first = t.byte(at);
        match self {
            Self::Year | Self::IsoYear => {
                ends.some(t.digits(at, 4));
            }
            Self::ExYear => {
                if years.accept(t, at) {
                    ends.some(t.digit(at + 3));
                }
            }
            Self::ShortYear => ends.some(t.digits(at, 2)),
            Self::Month => {
                match first {
                    b'0' => ends.when(matches!(t.byte(at + 1), b'1'..=b'9'), at + 2),
                    b'1'..=b'9' => ends.push(at + 1),
                    _ => {}
                }
                ends.when(first == b'1' && matches!(t.byte(at + 1), b'0'..=b'2'), at + 2);
            }
            Self::ExMonth => {
                ends.when(first == b'0' && matches!(t.byte(at + 1), b'1'..=b'9'), at + 2);
                ends.when(first == b'1' && matches!(t.byte(at + 1), b'0'..=b'2'), at + 2);
            }
            Self::MonthName => ends.some(t.name(at, &MONTHS, month_of, false)),
            Self::LongMonthName => ends.some(t.name(at, &MONTHS, month_of, true)),
            Self::WeekdayName => ends.some(t.name(at, &WEEKDAYS, weekday_of, false)),
            Self::LongWeekdayName => ends.some(t.name(at, &WEEKDAYS, weekday_of, true)),
            Self::Day => match first {
                b'1' | b'2' => {
                    ends.some(t.digit(at + 1));
                    ends.push(at + 1);
                }
                b'0' | b' ' => ends.when(matches!(t.byte(at + 1), b'1'..=b'9'), at + 2),
                b'3'..=b'9' => {
                    ends.push(at + 1);
                    ends.when(first == b'3' && matches!(t.byte(at + 1), b'0' | b'1'), at + 2);
                }
                _ => {}
            },
            Self::ExDay => match first {
                b'1' | b'2' => ends.some(t.digit(at + 1)),
                b'0' => ends.when(matches!(t.byte(at + 1), b'1'..=b'9'), at + 2),
                b'3' => ends.when(matches!(t.byte(at + 1), b'0' | b'1'), at + 2),
                _ => {}
            },
            Self::YearDay => {
                let second = t.byte(at + 1);
                if first == b'3' && second == b'6' {
                    ends.when(matches!(t.byte(at + 2), b'0'..=b'6'), at + 3);
                }
                if first == b'3' && matches!(second, b'0'..=b'5') {
                    ends.some(t.digit(at + 2));
                }
                if matches!(first, b'1' | b'2') {
                    ends.some(t.digits(at + 1, 2));
                }
                if first == b'0' && matches!(second, b'1'..=b'9') {
                    ends.some(t.digit(at + 2));
                }
                if first == b'0' && second == b'0' {
                    ends.when(matches!(t.byte(at + 2), b'1'..=b'9'), at + 3);
                }
                if matches!(first, b'1'..=b'9') {
                    ends.some(t.digit(at + 1));
                }
                ends.when(first == b'0' && matches!(second, b'1'..=b'9'), at + 2);
                ends.when(matches!(first, b'1'..=b'9'), at + 1);
            }
            Self::Weekday => ends.when(matches!(first, b'0'..=b'6'), at + 1),
            Self::WeekFromSunday | Self::WeekFromMonday => {
                ends.when(first == b'5' && matches!(t.byte(at + 1), b'0'..=b'3'), at + 2);
                if matches!(first, b'0'..=b'4') {
                    ends.some(t.digit(at + 1));
                }
                ends.some(t.digit(at));
            }
            Self::IsoWeek => {
                let second = t.byte(at + 1);
                ends.when(first == b'5' && matches!(second, b'0'..=b'3'), at + 2);
                ends.when(first == b'0' && matches!(second, b'1'..=b'9'), at + 2);
                if matches!(first, b'1'..=b'4') {
                    ends.some(t.digit(at + 1));
                }
                ends.some(t.digit(at));
            }
            Self::IsoWeekday => ends.when(matches!(first, b'1'..=b'7'), at + 1),
            Self::Hour => {
                if matches!(first, b'0' | b'1') {
                    ends.some(t.digit(at + 1));
                }
                ends.some(t.digit(at));
                ends.when(first == b'2' && matches!(t.byte(at + 1), b'0'..=b'3'), at + 2);
            }
            Self::ExHour => {
                if matches!(first, b'0' | b'1') {
                    ends.some(t.digit(at + 1));
                }
                ends.when(first == b'2' && matches!(t.byte(at + 1), b'0'..=b'3'), at + 2);
            }
            Self::LooseHour => {
                if matches!(first, b'0'..=b'2') {
                    ends.some(t.digit(at + 1));
                }
                ends.some(t.digit(at));
            }
            Self::HalfDayHour => {
                ends.when(first == b'1' && matches!(t.byte(at + 1), b'0'..=b'2'), at + 2);
                ends.when(first == b'0' && matches!(t.byte(at + 1), b'1'..=b'9'), at + 2);
                ends.when(matches!(first, b'1'..=b'9'), at + 1);
            }
            Self::LooseHalfDayHour => {
                if first == b'1' {
                    ends.some(t.digit(at + 1));
                }
                ends.some(t.digit(at));
            }
            Self::ExHalfDayHour => {
                ends.when(first == b'1' && matches!(t.byte(at + 1), b'0'..=b'2'), at + 2);
                ends.some(t.digit(at));
            }
            Self::HalfDay => {
                ends.when(
                    matches!(first, b'a' | b'A' | b'p' | b'P') && matches!(t.byte(at + 1), b'm' | b'M'),
                    at + 2,
                );
            }
            Self::Minute => {
                if matches!(first, b'0'..=b'5') {
                    ends.some(t.digit(at + 1));
                }
                ends.some(t.digit(at));
            }
            Self::ExMinute => {
                if matches!(first, b'0'..=b'5') {
                    ends.some(t.digit(at + 1));
                }
            }
            Self::Second => {
                if matches!(first, b'0'..=b'5') {
                    ends.some(t.digit(at + 1));
                }
                ends.some(t.digit(at));
                ends.when(first == b'6' && matches!(t.byte(at + 1), b'0' | b'1'), at + 2);
            }
            Self::ExSecond => {
                if matches!(first, b'0'..=b'5') {
                    ends.some(t.digit(at + 1));
                }
                ends.when(first == b'6' && matches!(t.byte(at + 1), b'0' | b'1'), at + 2);
            }
            Self::Fraction => {
                let count = (0..6).take_while(|n| t.byte(at + n).is_ascii_digit()).count();
                for length in (1..=count).rev() {
                    ends.push(at + length);
                }
            }
            Self::Zone => {
                ends.some(t.literal(at, "Z"));
                ends.some(t.literal(at, "UTC"));
                ends.some(t.literal(at, "GMT"));
                t.offset(at, ends);
            }
            Self::ZoneName => {
                ends.some(t.literal(at, "Z"));
                for count in (3..=5).rev() {
                    ends.some(t.uppers(at, count));
                }
            }
            Self::ExZone => {
                for count in [5, 4, 3, 1] {
                    if let Some(end) = t.uppers(at, count) {
                        t.offset(end, ends);
                    }
                }
                t.offset(at, ends);
                for count in [5, 4, 3, 1] {
                    ends.some(t.uppers(at, count));
                }
            }
            Self::ExZoneName => {
                for count in [5, 4, 3, 1] {
                    ends.some(t.uppers(at, count));
                }
            }
            Self::Epoch => {
                for count in [11, 10] {
                    if let Some(whole) = t.digits(at, count).filter(|end| t.at_word_boundary(*end)) {
                        if t.byte(whole) == b'.' {
                            for fraction in (3..=6).rev() {
                                ends.some(t.digits(whole + 1, fraction));
                            }
                        }
                        ends.push(whole);
                    }
                }
            }
            Self::LongEpoch => {
                for count in [11, 10] {
                    let Some(whole) = t.digits(at, count) else {
                        continue;
                    };
                    if let Some(millis) = t.digits(whole, 3) {
                        if t.byte(millis) == b'.' {
                            for fraction in (1..=6).rev() {
                                ends.some(t.digits(millis + 1, fraction));
                            }
                        }
                        ends.some(t.digits(millis, 3));
                        ends.push(millis);
                    }
                    ends.push(whole);
                }
            }
            Self::Tai64n => {
                let hex = |n: &usize| matches!(t.byte(at + n), b'0'..=b'9' | b'a'..=b'f');
                ends.when(first == b'@' && (1..=24).all(|n| hex(&n)), at + 25);
            }
        }
    }
}

/// A sign, an hour to 19, and optionally minutes.
const OFFSET: &str = r"[+-][01]\d(?::?\d\d)?";

/// One letter, or three to five.
const ABBREVIATION: &str = "[A-Z](?:[A-Z]{2,4})?";

fn alternatives(names: &[&str], full: bool) -> String {
    let names: Vec<&str> = names
        .iter()
        .map(|name| if full { name } else { name.get(..3).unwrap_or(name) })
        .collect();
    names.join("|")
}

fn upper(byte: u8, ignore_case: bool) -> bool {
    byte.is_ascii_uppercase() || (ignore_case && byte.is_ascii_lowercase())
}

/// The decades whose years `%ExY` accepts: from 2000 to that of three years ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decades {
    /// The last decade, as its first three digits: 202 for the 2020s.
    last: u16,
}

impl Decades {
    /// The decades of a program that started in `year`.
    pub(crate) fn since(year: i16) -> Self {
        let last = (year.saturating_add(3) / 10).clamp(200, 999);
        Self {
            last: u16::try_from(last).unwrap_or(200),
        }
    }

    fn alternatives(self) -> String {
        let decades: Vec<String> = (200..=self.last).map(|decade| decade.to_string()).collect();
        decades.join("|")
    }

    /// Whether the three characters at `at` are such a decade.
    fn accept(self, text: &Text<'_>, at: usize) -> bool {
        let digits = [text.byte(at), text.byte(at + 1), text.byte(at + 2)];
        let value = digits.iter().try_fold(0_u16, |value, byte| {
            byte.is_ascii_digit().then(|| value * 10 + u16::from(byte - b'0'))
        });
        value.is_some_and(|decade| (200..=self.last).contains(&decade))
    }

    /// Whether `year` is of these decades.
    pub(crate) fn have(self, year: i64) -> bool {
        (2000..i64::from(self.last + 1) * 10).contains(&year)
    }
}

/// Where a token may end; no token has more ways than there is room for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ends {
    list: [usize; 24],
    count: usize,
}

impl Ends {
    fn clear(&mut self) {
        self.count = 0;
    }

    #[inline]
    fn push(&mut self, end: usize) {
        if let Some(place) = self.list.get_mut(self.count) {
            *place = end;
            self.count += 1;
        }
    }

    #[inline]
    fn when(&mut self, condition: bool, end: usize) {
        if condition {
            self.push(end);
        }
    }

    #[inline]
    fn some(&mut self, end: Option<usize>) {
        if let Some(end) = end {
            self.push(end);
        }
    }

    /// Keeps the ends behind which this byte stands.
    #[inline]
    pub(crate) fn retain_before(&mut self, text: &Text<'_>, byte: u8) {
        let mut kept = 0;
        for at in 0..self.count {
            let Some(end) = self.list.get(at).copied() else {
                break;
            };
            if text.byte(end) == byte
                && let Some(place) = self.list.get_mut(kept)
            {
                *place = end;
                kept += 1;
            }
        }
        self.count = kept;
    }

    /// The ends, the preferred one first.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[usize] {
        self.list.get(..self.count).unwrap_or(&[])
    }
}

/// A line as the tokens look at it; past its end there is only a byte that nothing accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    text: &'a str,
    ignore_case: bool,
}

impl<'a> Text<'a> {
    pub(crate) fn new(text: &'a str, ignore_case: bool) -> Self {
        Self { text, ignore_case }
    }

    /// The byte at `at`, or NUL past the end; no token accepts a NUL.
    #[inline]
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// The character at `at`.
    #[inline]
    pub(crate) fn char(&self, at: usize) -> Option<char> {
        let byte = *self.text.as_bytes().get(at)?;
        if byte.is_ascii() {
            return Some(char::from(byte));
        }
        self.text.get(at..)?.chars().next()
    }

    /// The character that ends at `at`.
    #[inline]
    pub(crate) fn char_before(&self, at: usize) -> Option<char> {
        let byte = *self.text.as_bytes().get(at.checked_sub(1)?)?;
        if byte.is_ascii() {
            return Some(char::from(byte));
        }
        self.text.get(..at)?.chars().next_back()
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether the character at `at` is of a word.
    #[inline]
    pub(crate) fn is_word(&self, at: usize) -> bool {
        let byte = self.byte(at);
        if byte.is_ascii() {
            return byte.is_ascii_alphanumeric() || byte == b'_';
        }
        self.char(at).is_some_and(chars::is_word)
    }

    /// Whether the character that ends at `at` is of a word.
    #[inline]
    pub(crate) fn is_word_before(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else {
            return false;
        };
        let byte = self.byte(before);
        if byte.is_ascii() {
            return byte.is_ascii_alphanumeric() || byte == b'_';
        }
        self.char_before(at).is_some_and(chars::is_word)
    }

    /// Whether one side of `at` is a word character and the other is none.
    #[inline]
    pub(crate) fn at_word_boundary(&self, at: usize) -> bool {
        self.is_word(at) != self.is_word_before(at)
    }

    /// The end of the digit at `at`.
    #[inline]
    fn digit(&self, at: usize) -> Option<usize> {
        let byte = self.byte(at);
        if byte.is_ascii() {
            return byte.is_ascii_digit().then_some(at + 1);
        }
        let c = self.char(at).filter(|c| chars::is_digit(*c))?;
        Some(at + c.len_utf8())
    }

    /// The end of `count` digits.
    #[inline]
    fn digits(&self, at: usize, count: usize) -> Option<usize> {
        (0..count).try_fold(at, |at, _| self.digit(at))
    }

    /// The end of an upper-case letter, or of any where case does not matter.
    fn upper(&self, at: usize) -> Option<usize> {
        let c = self.char(at)?;
        let is = c.is_ascii_uppercase() || (self.ignore_case && ascii_fold(c).is_some());
        is.then(|| at + c.len_utf8())
    }

    fn uppers(&self, at: usize, count: usize) -> Option<usize> {
        (0..count).try_fold(at, |at, _| self.upper(at))
    }

    /// The end of `literal`, an ASCII word.
    fn literal(&self, at: usize, literal: &str) -> Option<usize> {
        literal
            .chars()
            .try_fold(at, |at, expected| self.same(at, expected))
    }

    /// The end of the character at `at` if it is `expected`.
    pub(crate) fn same(&self, at: usize, expected: char) -> Option<usize> {
        let c = self.char(at)?;
        let is = c == expected
            || (self.ignore_case && ascii_fold(c).is_some_and(|c| c == expected.to_ascii_lowercase()));
        is.then(|| at + c.len_utf8())
    }

    /// The ends of an offset: with its minutes, then without.
    fn offset(&self, at: usize, ends: &mut Ends) {
        if !matches!(self.byte(at), b'+' | b'-') || !matches!(self.byte(at + 1), b'0' | b'1') {
            return;
        }
        let Some(hours) = self.digit(at + 2) else { return };
        if self.byte(hours) == b':' {
            ends.some(self.digits(hours + 1, 2));
        } else {
            ends.some(self.digits(hours, 2));
        }
        ends.push(hours);
    }

    /// The end of the name that stands here: full, or its first three letters. Names ignore case always.
    #[inline]
    fn name(
        &self,
        at: usize,
        names: &[&str],
        number_of: fn([u8; 3]) -> Option<i64>,
        full: bool,
    ) -> Option<usize> {
        let mut end = at;
        let mut letters = [self.byte(at), self.byte(at + 1), self.byte(at + 2)];
        if letters.iter().all(u8::is_ascii_alphabetic) {
            end += 3;
        } else {
            for place in &mut letters {
                let c = self.char(end)?;
                *place = u8::try_from(ascii_fold(c)?).ok()?;
                end += c.len_utf8();
            }
        }
        let number = number_of(letters)?;
        if !full {
            return Some(end);
        }
        let name = names.get(usize::try_from(number - 1).ok()?)?;
        name.chars().skip(3).try_fold(end, |end, expected| {
            let c = self.char(end)?;
            (ascii_fold(c) == Some(expected)).then(|| end + c.len_utf8())
        })
    }
}

/// The lower-case ASCII letter that `c` equals where case does not matter; four are foreign.
pub(crate) fn ascii_fold(c: char) -> Option<char> {
    match c {
        'A'..='Z' | 'a'..='z' => Some(c.to_ascii_lowercase()),
        '\u{130}' | '\u{131}' => Some('i'),
        '\u{17f}' => Some('s'),
        '\u{212a}' => Some('k'),
        _ => None,
    }
}
