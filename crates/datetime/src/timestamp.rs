//! A moment of wall time, as logs, bans and the database count it.

use std::fmt;
use std::time::Duration;

/// A moment of wall time: microseconds since 1970-01-01T00:00:00Z.
///
/// Log dates are whole seconds but for `EPOCH` forms; the journal and the clock bring microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    micros: i64,
}

impl Timestamp {
    /// The latest moment that can be represented.
    pub const MAX: Self = Self { micros: i64::MAX };

    /// The moment `seconds` whole seconds after the epoch; saturates some 292 000 years from it.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self {
            micros: seconds.saturating_mul(1_000_000),
        }
    }

    /// The moment `micros` microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self { micros }
    }

    /// Whole seconds since the epoch, rounded towards the past.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.micros.div_euclid(1_000_000)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.micros
    }

    /// The microseconds past the whole second, 0 to 999 999.
    #[must_use]
    pub const fn subsec_micros(self) -> i64 {
        self.micros.rem_euclid(1_000_000)
    }

    /// The nearest whole second; a half goes to the even one, as the database has it.
    #[must_use]
    pub const fn rounded_seconds(self) -> i64 {
        let (whole, rest) = (self.seconds(), self.subsec_micros());
        if rest > 500_000 || (rest == 500_000 && whole % 2 != 0) {
            whole + 1
        } else {
            whole
        }
    }

    /// The moment `seconds` later, or earlier where negative; saturates.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_micros(seconds.saturating_mul(1_000_000))
    }

    /// The moment `micros` microseconds later, or earlier where negative; saturates.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self {
            micros: self.micros.saturating_add(micros),
        }
    }

    /// Microseconds from `earlier` to this moment, negative where it is the later one; saturates.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.micros.saturating_sub(earlier.micros)
    }

    /// How long it is from `earlier` to this moment; zero where `earlier` is the later one.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.micros_since(earlier).max(0).unsigned_abs())
    }
}

/// Seconds since the epoch as a decimal number, such as `1700000000.25`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.micros < 0 { "-" } else { "" };
        let micros = self.micros.unsigned_abs();
        write!(f, "{sign}{}", micros / 1_000_000)?;
        let rest = micros % 1_000_000;
        if rest == 0 {
            return f.write_str(".0");
        }
        let digits = format!("{rest:06}");
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn a_moment_prints_as_seconds_with_their_fraction() {
        for (micros, text) in [
            (0, "0.0"),
            (1_500_000, "1.5"),
            (-250_000, "-0.25"),
            (1_000_001, "1.000001"),
        ] {
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
        }
    }

    #[test]
    fn a_half_second_rounds_to_the_even_one() {
        for (micros, seconds) in [
            (500_000, 0),
            (1_500_000, 2),
            (2_500_000, 2),
            (2_500_001, 3),
            (-500_000, 0),
        ] {
            assert_eq!(
                Timestamp::from_micros(micros).rounded_seconds(),
                seconds,
                "{micros}"
            );
        }
    }
}
