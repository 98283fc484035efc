//! A moment as machines write it: RFC 3339, which is the strict half of ISO 8601.
//!
//! In: `2026-11-22T18:05:06.123456789Z`, or with an offset. Out: the moment, cut to microseconds.

use crate::Timestamp;
use crate::civil::{Civil, DAY};

/// The most digits of a fraction; clocks have nine.
const MAX_FRACTION: usize = 18;

/// The moment that `text` names as a whole; `None` where it is written in any other way, or has no zone.
#[must_use]
pub fn rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (date, rest) = bytes.split_at_checked(10)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else {
        return None;
    };
    let (clock, rest) = rest.split_at_checked(9)?;
    let [b'T' | b't' | b' ', h1, h2, b':', n1, n2, b':', s1, s2] = *clock else {
        return None;
    };
    let civil = Civil::new(number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?)?;
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?);
    // A leap second is the one before.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (micros, rest) = fraction(rest)?;
    let offset = offset(rest)?;
    let seconds = civil.day_number() * DAY + hour * 3600 + minute * 60 + second.min(59) - offset;
    Some(Timestamp::from_seconds(seconds).plus_micros(micros))
}

/// The microseconds of a fraction, and what is behind it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.' | b',', digits)) = rest.split_first() else {
        return Some((0, rest));
    };
    let end = digits
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(digits.len());
    if end == 0 || end > MAX_FRACTION {
        return None;
    }
    let (digits, rest) = digits.split_at_checked(end)?;
    let micros = (0..6).fold(0, |sum, at| {
        sum * 10 + digits.get(at).map_or(0, |digit| i64::from(digit - b'0'))
    });
    Some((micros, rest))
}

/// The seconds by which a zone is ahead.
fn offset(rest: &[u8]) -> Option<i64> {
    match *rest {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
            let seconds = (hours <= 23 && minutes <= 59).then_some(hours * 3600 + minutes * 60)?;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// The number that these digits are.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn moments() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2005-08-14T12:34:56.5Z", Some(1_124_022_896_500_000)),
            ("2005-08-14T14:34:56.500000999+02:00", Some(1_124_022_896_500_000)),
            ("2005-08-14t07:04:56-0530", Some(1_124_022_896_000_000)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_799_000_000)),
            ("2005-02-29T00:00:00Z", None),
            ("2005-08-14T12:34:56", None),
            ("2005-08-14T12:34:56.Z", None),
            ("2005-08-14T24:00:00Z", None),
            ("2005-08-14T12:34:56+24:00", None),
            ("2005-08-14T12:34:56Z ", None),
            ("", None),
        ];
        for (text, micros) in cases {
            assert_eq!(rfc3339(text).map(crate::Timestamp::micros), micros, "{text}");
        }
    }
}
