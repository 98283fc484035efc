//! Bans that grow with each offence: `bantime.increment` and its kin.
//!
//! In: how often an id was banned before. Out: how long it is banned now, and for how many failures each of its
//! failures counts.

use crate::formula::{Formula, FormulaError, NoValue, Number, Variables};
use crate::{BanTime, Timestamp};

/// Past this many earlier bans neither a ban nor a failure grows any more.
const MOST: u32 = 20;

/// How bans grow; `None` in the settings where they do not.
#[derive(Debug, Clone, PartialEq)]
pub struct Increment {
    /// `bantime.factor`, which the formula knows as `banFactor`.
    pub factor: Number,
    /// `bantime.formula`; the ban time doubles with each ban where there is none.
    pub formula: Option<Formula>,
    /// `bantime.multipliers`, which are used instead of the formula; the last one serves for all further bans.
    pub multipliers: Vec<i64>,
    /// `bantime.maxtime`: no ban is longer, in seconds, but for what `rndtime` adds.
    pub maxtime: Option<f64>,
    /// `bantime.rndtime`: up to this many seconds are added by chance.
    pub rndtime: Option<f64>,
    /// `bantime.overalljails`: bans of all jails count.
    pub overalljails: bool,
}

impl Default for Increment {
    fn default() -> Self {
        Self {
            factor: Number::Int(1),
            formula: None,
            multipliers: Vec::new(),
            maxtime: None,
            rndtime: None,
            overalljails: false,
        }
    }
}

/// What is known of the earlier bans of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// How many there were.
    pub bans: u32,
    /// When the last one began.
    pub last: Timestamp,
}

impl Increment {
    /// The number that a `bantime.factor` stands for.
    ///
    /// # Errors
    /// Where it is no arithmetic expression, or has no value.
    pub fn factor(text: &str) -> Result<Number, FactorError> {
        let formula = Formula::parse(text)?;
        let nothing = Variables {
            time: Number::Int(0),
            count: 0,
            factor: Number::Int(1),
        };
        Ok(formula.value(&nothing, &mut || 0.0)?)
    }

    /// How long the next ban of an id lasts, in a jail whose bans last `of_jail`.
    ///
    /// # Errors
    /// Where the formula has no value.
    pub fn bantime(
        &self,
        of_jail: BanTime,
        earlier_bans: u32,
        random: &mut dyn FnMut() -> f64,
    ) -> Result<BanTime, NoValue> {
        let time = Number::Int(of_jail.seconds().into());
        let grown = match self.multiplier(earlier_bans) {
            Some(multiplier) => time * self.factor * Number::Int(multiplier.into()),
            None => {
                let value = match &self.formula {
                    Some(formula) => {
                        let count = earlier_bans.into();
                        formula.value(
                            &Variables {
                                time,
                                count,
                                factor: self.factor,
                            },
                            random,
                        )?
                    }
                    None => time * Number::Int(1 << earlier_bans.min(MOST)) * self.factor,
                };
                if value.compare(time).is_some_and(std::cmp::Ordering::is_gt) {
                    value
                } else {
                    time
                }
            }
        };
        let limited = self.maxtime.map_or(grown, |most| {
            let most = Number::Float(most);
            if grown.compare(most).is_some_and(std::cmp::Ordering::is_gt) {
                most
            } else {
                grown
            }
        });
        Ok(micros(match self.rndtime {
            Some(span) => Number::Float(random().mul_add(span, limited.float())),
            None => limited,
        }))
    }

    /// No ban is longer than this, but for what chance adds.
    #[must_use]
    pub fn longest(&self) -> BanTime {
        self.maxtime
            .map_or(BanTime::Forever, |most| micros(Number::Float(most)))
    }

    fn multiplier(&self, earlier_bans: u32) -> Option<i64> {
        let last = self.multipliers.len().checked_sub(1)?;
        let place = usize::try_from(earlier_bans).unwrap_or(usize::MAX).min(last);
        self.multipliers.get(place).copied()
    }

    /// For how many failures one of an id that was banned before counts: half of two to the power of its bans, and
    /// one.
    #[must_use]
    pub fn weight(earlier_bans: u32) -> i64 {
        (1_i64 << earlier_bans.min(MOST)) / 2 + 1
    }
}

/// Seconds as a ban time; the longest there is where they are more than that.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast saturates, which is what is meant"
)]
fn micros(seconds: Number) -> BanTime {
    BanTime::Micros(match seconds {
        Number::Int(seconds) => i64::try_from(seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX),
        Number::Float(seconds) => (seconds * 1e6).round() as i64,
    })
}

/// Why a `bantime.factor` is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactorError {
    /// It is no expression.
    #[error(transparent)]
    Formula(#[from] FormulaError),
    /// It has no value.
    #[error(transparent)]
    NoValue(#[from] NoValue),
}

#[cfg(test)]
mod tests {
    use super::{BanTime, Formula, Increment, Number};

    const EXP: &str = "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)";

    fn increment(factor: &str, multipliers: &[i64]) -> Increment {
        Increment {
            factor: Increment::factor(factor).expect("a factor"),
            multipliers: multipliers.to_vec(),
            ..Increment::default()
        }
    }

    fn with_formula(formula: &str, factor: &str) -> Increment {
        Increment {
            formula: Some(Formula::parse(formula).expect("a formula")),
            ..increment(factor, &[])
        }
    }

    #[test]
    fn bans_grow_as_in_the_reference() {
        let maxtime = |seconds| Increment {
            maxtime: Some(seconds),
            ..Increment::default()
        };
        let table: [(&str, i64, Increment, &[f64]); 12] = [
            (
                "doubling",
                600,
                Increment::default(),
                &[600., 1200., 2400., 4800., 9600., 19200., 38400.],
            ),
            (
                "factor 2",
                600,
                increment("2", &[]),
                &[1200., 2400., 4800., 9600.],
            ),
            ("factor 1.5", 600, increment("1.5", &[]), &[900., 1800., 3600.]),
            (
                "factor 0.5",
                600,
                increment("0.5", &[]),
                &[600., 600., 1200., 2400.],
            ),
            (
                "factor 24*60",
                600,
                increment("24*60", &[]),
                &[864_000., 1_728_000., 3_456_000.],
            ),
            ("maxtime", 600, maxtime(1500.0), &[600., 1200., 1500., 1500.]),
            ("maxtime below bantime", 900, maxtime(600.0), &[600., 600.]),
            (
                "multipliers",
                60,
                increment("1", &[1, 5, 30, 60, 300]),
                &[60., 300., 1800., 3600., 18000., 18000.],
            ),
            (
                "factor and multipliers",
                600,
                increment("2", &[1, 2, 4]),
                &[1200., 2400., 4800., 4800.],
            ),
            (
                "exponential",
                600,
                with_formula(EXP, "1"),
                &[600., 1630.969097, 4433.433659, 12051.322154],
            ),
            (
                "slowly exponential",
                600,
                with_formula(EXP, "2.0/10"),
                &[600., 732.841655, 895.094819, 1093.27128],
            ),
            ("formula 1", 600, with_formula("1", "1"), &[600., 600.]),
        ];
        for (name, bantime, increment, expected) in table {
            let found: Vec<BanTime> = (0..)
                .zip(expected)
                .map(|(count, _)| {
                    increment
                        .bantime(BanTime::from_seconds(bantime), count, &mut || 0.0)
                        .expect("a value")
                })
                .collect();
            let expected: Vec<BanTime> = expected
                .iter()
                .map(|&seconds| super::micros(Number::Float(seconds)))
                .collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn what_grows_past_any_number_is_the_longest_ban() {
        let bantime = |formula: &str, count| {
            with_formula(formula, "1").bantime(BanTime::from_seconds(600), count, &mut || 0.0)
        };
        assert_eq!(
            bantime("ban.Time * (1 << ban.Count)", 5000),
            Ok(BanTime::Micros(i64::MAX))
        );
        assert_eq!(bantime("ban.Time * 10 ** 400", 1), Ok(BanTime::Micros(i64::MAX)));
        assert!(
            bantime("ban.Time / (ban.Count - 1)", 1).is_err(),
            "a division by zero"
        );
        assert!(bantime("math.exp(ban.Count)", 5000).is_err(), "out of range");
    }

    #[test]
    fn a_known_offender_needs_fewer_lines() {
        for (bans, weight) in [(1, 2), (2, 3), (3, 5), (4, 9), (20, 524_289), (21, 524_289)] {
            assert_eq!(Increment::weight(bans), weight, "{bans} bans");
        }
    }
}
