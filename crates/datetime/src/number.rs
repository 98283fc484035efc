//! A number of seconds as the configuration can give it: whole, or with a fraction.
//!
//! The two kinds stay apart because they print differently (`5400` and `5400.0`), and what an
//! administrator reads back must be what the reference prints.

use std::fmt;

/// A whole number or a fraction; arithmetic between the two gives a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// A number with a fraction, even where that is zero.
    Float(f64),
}

impl Number {
    /// The number as a fraction; whole numbers past 2^53 lose their last digits.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "documented; no duration is that exact")]
    pub const fn to_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// The whole part, cut towards zero; saturates, and is zero for what is no number.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float cast truncates, saturates and maps NaN to zero, which is what is promised"
    )]
    pub const fn to_i64(self) -> i64 {
        match self {
            Self::Int(value) => value,
            Self::Float(value) => value as i64,
        }
    }

    /// The number in microseconds, rounded to the nearest; saturates.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float cast saturates, which is what is promised"
    )]
    pub fn to_micros(self) -> i64 {
        match self {
            Self::Int(value) => value.saturating_mul(1_000_000),
            Self::Float(value) => (value * 1e6).round_ties_even() as i64,
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// As the reference prints numbers: `600`, `5400.0`, `0.3333333333333333`, `1e+20`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => f.write_str(&float_text(value)),
        }
    }
}

/// The shortest decimal text that reads back as `value`, with an exponent only outside 1e-4 to 1e16.
fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent
            .strip_prefix('-')
            .map_or(('+', exponent), |digits| ('-', digits));
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    let text = value.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn numbers_print_as_the_reference_prints_them() {
        for (number, text) in [
            (Number::Int(600), "600"),
            (Number::Int(-1), "-1"),
            (Number::Float(5400.0), "5400.0"),
            (Number::Float(1.0 / 3.0), "0.3333333333333333"),
            (Number::Float(1e16), "1e+16"),
            (Number::Float(123_456_789_012_345_680.0), "1.2345678901234568e+17"),
            (Number::Float(1e-5), "1e-05"),
            (Number::Float(0.0001), "0.0001"),
            (Number::Float(0.0), "0.0"),
            (Number::Float(9_007_199_254_740_993.0), "9007199254740992.0"),
        ] {
            assert_eq!(number.to_string(), text);
        }
    }

    #[test]
    fn the_whole_part_saturates() {
        assert_eq!(Number::Float(-1.9).to_i64(), -1);
        assert_eq!(Number::Float(1e300).to_i64(), i64::MAX);
        assert_eq!(Number::Float(f64::NAN).to_i64(), 0);
        assert_eq!(Number::Float(0.000_000_5).to_micros(), 0);
    }
}
