//! The functions that a formula may call.

use super::{NoValue, Number, Operator, Value, arithmetic, no_value};

/// A function, by what it is made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Function {
    /// Of one fraction.
    Real(fn(f64) -> f64),
    /// Of two fractions.
    Reals(fn(f64, f64) -> f64),
    Log,
    Abs,
    Bool,
    Ceil,
    Choice,
    Float,
    Floor,
    Int,
    Len,
    Max,
    Min,
    Pow,
    RandInt,
    Random,
    Round,
    Sum,
    Uniform,
}

/// Every function by its name, and how many arguments it takes at least and at most.
const FUNCTIONS: [(&str, Function, usize, usize); 43] = [
    ("abs", Function::Abs, 1, 1),
    ("bool", Function::Bool, 1, 1),
    ("float", Function::Float, 1, 1),
    ("int", Function::Int, 1, 1),
    ("len", Function::Len, 1, 1),
    ("max", Function::Max, 1, 100),
    ("min", Function::Min, 1, 100),
    ("pow", Function::Pow, 2, 2),
    ("round", Function::Round, 1, 2),
    ("sum", Function::Sum, 1, 1),
    ("math.acos", Function::Real(f64::acos), 1, 1),
    ("math.asin", Function::Real(f64::asin), 1, 1),
    ("math.atan", Function::Real(f64::atan), 1, 1),
    ("math.atan2", Function::Reals(f64::atan2), 2, 2),
    ("math.cbrt", Function::Real(f64::cbrt), 1, 1),
    ("math.ceil", Function::Ceil, 1, 1),
    ("math.cos", Function::Real(f64::cos), 1, 1),
    ("math.cosh", Function::Real(f64::cosh), 1, 1),
    ("math.degrees", Function::Real(f64::to_degrees), 1, 1),
    ("math.exp", Function::Real(f64::exp), 1, 1),
    ("math.exp2", Function::Real(f64::exp2), 1, 1),
    ("math.expm1", Function::Real(f64::exp_m1), 1, 1),
    ("math.fabs", Function::Real(f64::abs), 1, 1),
    ("math.floor", Function::Floor, 1, 1),
    ("math.fmod", Function::Reals(remainder), 2, 2),
    ("math.hypot", Function::Reals(f64::hypot), 2, 2),
    ("math.log", Function::Log, 1, 2),
    ("math.log10", Function::Real(f64::log10), 1, 1),
    ("math.log1p", Function::Real(f64::ln_1p), 1, 1),
    ("math.log2", Function::Real(f64::log2), 1, 1),
    ("math.pow", Function::Reals(f64::powf), 2, 2),
    ("math.radians", Function::Real(f64::to_radians), 1, 1),
    ("math.sin", Function::Real(f64::sin), 1, 1),
    ("math.sinh", Function::Real(f64::sinh), 1, 1),
    ("math.sqrt", Function::Real(f64::sqrt), 1, 1),
    ("math.tan", Function::Real(f64::tan), 1, 1),
    ("math.tanh", Function::Real(f64::tanh), 1, 1),
    ("math.trunc", Function::Int, 1, 1),
    ("random.choice", Function::Choice, 1, 1),
    ("random.randint", Function::RandInt, 2, 2),
    ("random.random", Function::Random, 0, 0),
    ("random.uniform", Function::Uniform, 2, 2),
    ("math.copysign", Function::Reals(f64::copysign), 2, 2),
];

fn remainder(left: f64, right: f64) -> f64 {
    left % right
}

/// A function by its name, and how many arguments it takes.
pub(super) fn find(name: &str) -> Option<(Function, std::ops::RangeInclusive<usize>)> {
    FUNCTIONS
        .iter()
        .find(|(known, ..)| *known == name)
        .map(|(_, function, least, most)| (*function, *least..=*most))
}

/// The names of all functions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name)
}

/// A result that is a number where all arguments are, or Python's exception.
pub(super) fn in_range(result: f64, arguments: &[f64]) -> Result<f64, NoValue> {
    if result.is_nan() && !arguments.iter().any(|argument| argument.is_nan()) {
        return Err(no_value("math domain error"));
    }
    if result.is_infinite() && arguments.iter().all(|argument| argument.is_finite()) {
        return Err(no_value("math range error"));
    }
    Ok(result)
}

/// A fraction as the whole number that it is.
fn whole(value: f64) -> Result<Number, NoValue> {
    if value.is_finite() {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is whole; what is too large is the largest"
        )]
        let value = value as i128;
        Ok(Number::Int(value))
    } else {
        Err(no_value("cannot convert float infinity or NaN to integer"))
    }
}

/// The items of the only list, or the arguments themselves.
fn items(arguments: &[Value]) -> &[Value] {
    match arguments {
        [Value::List(items)] => items,
        _ => arguments,
    }
}

impl Function {
    /// Calls it; how many arguments there are has been seen to.
    pub(super) fn call(self, arguments: &[Value], random: &mut dyn FnMut() -> f64) -> Result<Value, NoValue> {
        let argument = |position: usize| {
            arguments
                .get(position)
                .ok_or_else(|| no_value("an argument is missing"))
        };
        let number = |position: usize| argument(position)?.number();
        Ok(match self {
            Self::Real(function) => {
                let x = number(0)?.float();
                Number::Float(in_range(function(x), &[x])?).into()
            }
            Self::Reals(function) => {
                let (x, y) = (number(0)?.float(), number(1)?.float());
                Number::Float(in_range(function(x, y), &[x, y])?).into()
            }
            Self::Log => {
                let x = number(0)?.float();
                if x <= 0.0 {
                    return Err(no_value("math domain error"));
                }
                let value = match arguments.get(1) {
                    None => x.ln(),
                    Some(base) => {
                        let base = base.number()?.float();
                        if base <= 0.0 {
                            return Err(no_value("math domain error"));
                        }
                        if base.ln() == 0.0 {
                            return Err(no_value("float division by zero"));
                        }
                        x.ln() / base.ln()
                    }
                };
                Number::Float(value).into()
            }
            Self::Abs => match number(0)? {
                Number::Int(value) => Number::Int(value.saturating_abs()).into(),
                Number::Float(value) => Number::Float(value.abs()).into(),
            },
            Self::Bool => Value::Truth(argument(0)?.is_true()),
            Self::Float => Number::Float(number(0)?.float()).into(),
            Self::Int => rounded(number(0)?, f64::trunc)?.into(),
            Self::Floor => rounded(number(0)?, f64::floor)?.into(),
            Self::Ceil => rounded(number(0)?, f64::ceil)?.into(),
            Self::Round => match arguments.get(1) {
                None => rounded(number(0)?, f64::round_ties_even)?.into(),
                Some(digits) => to_digits(number(0)?, digits.whole()?).into(),
            },
            Self::Len => match argument(0)? {
                Value::List(items) => Number::Int(i128::try_from(items.len()).unwrap_or(i128::MAX)).into(),
                Value::Number(_) | Value::Truth(_) => return Err(no_value("only a list has a length")),
            },
            Self::Max => extreme(items(arguments), std::cmp::Ordering::Greater)?,
            Self::Min => extreme(items(arguments), std::cmp::Ordering::Less)?,
            Self::Sum => {
                let mut sum = Number::Int(0);
                for item in items(arguments) {
                    sum = arithmetic(Operator::Add, sum, item.number()?)?;
                }
                sum.into()
            }
            Self::Pow => arithmetic(Operator::Power, number(0)?, number(1)?)?.into(),
            Self::Random => Number::Float(random()).into(),
            Self::Uniform => {
                let (low, high) = (number(0)?.float(), number(1)?.float());
                Number::Float((high - low).mul_add(random(), low)).into()
            }
            Self::RandInt => {
                let (low, high) = (argument(0)?.whole()?, argument(1)?.whole()?);
                if low > high {
                    return Err(no_value("empty range for randint()"));
                }
                let span = Number::Int(high.saturating_sub(low).saturating_add(1)).float();
                let Number::Int(above) = whole((span * random()).floor())? else {
                    return Err(no_value("empty range for randint()"));
                };
                Number::Int(low.saturating_add(above).min(high)).into()
            }
            Self::Choice => {
                let items = items(arguments);
                let last = items.len().saturating_sub(1);
                let length = Number::Int(i128::try_from(items.len()).unwrap_or(i128::MAX)).float();
                let place = match whole((length * random()).floor())? {
                    Number::Int(place) => usize::try_from(place).unwrap_or(last).min(last),
                    Number::Float(_) => last,
                };
                items
                    .get(place)
                    .cloned()
                    .ok_or_else(|| no_value("Cannot choose from an empty sequence"))?
            }
        })
    }
}

fn rounded(number: Number, round: fn(f64) -> f64) -> Result<Number, NoValue> {
    match number {
        Number::Int(_) => Ok(number),
        Number::Float(value) => whole(round(value)),
    }
}

/// `round(x, digits)`: half to even, as far as a decimal fraction can be a half.
fn to_digits(number: Number, digits: i128) -> Number {
    match number {
        Number::Int(value) if digits >= 0 => Number::Int(value),
        Number::Int(value) => {
            let unit = 10_i128.saturating_pow(u32::try_from(-digits).unwrap_or(u32::MAX));
            let down = value.div_euclid(unit).saturating_mul(unit);
            let rest = value.rem_euclid(unit);
            let is_odd = value.div_euclid(unit) % 2 != 0;
            let up = rest > unit - rest || (rest == unit - rest && is_odd);
            Number::Int(if up { down.saturating_add(unit) } else { down })
        }
        Number::Float(value) => {
            let text = match usize::try_from(digits) {
                Ok(digits) => format!("{value:.0$}", digits.min(320)),
                Err(_) => {
                    let unit = 10_f64.powi(i32::try_from(-digits).unwrap_or(i32::MAX));
                    return Number::Float((value / unit).round_ties_even() * unit);
                }
            };
            Number::Float(text.parse().unwrap_or(value))
        }
    }
}

fn extreme(items: &[Value], wanted: std::cmp::Ordering) -> Result<Value, NoValue> {
    let mut best: Option<&Value> = None;
    for item in items {
        let beats = match best {
            None => true,
            Some(best) => item.number()?.compare(best.number()?) == Some(wanted),
        };
        if beats {
            best = Some(item);
        }
    }
    best.cloned()
        .ok_or_else(|| no_value("min() and max() want something to choose from"))
}
