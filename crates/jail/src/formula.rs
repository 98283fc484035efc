//! The language of `bantime.formula` and `bantime.factor`: Python's expressions about numbers, and nothing else.
//!
//! In: the text of an expression, and what `ban.Time`, `ban.Count` and `banFactor` are. Out: a number.
//!
//! There are numbers, `True` and `False`, lists and tuples with an index, arithmetic, shifts, bits, comparisons,
//! `and`, `or`, `not`, `A if B else C`, the functions of numbers that Python has at hand, and those of `math` and
//! `random`. Nothing can be reached that is not listed in this file, so that a formula cannot do any harm.
//!
//! Invariant: evaluating takes no more steps than the expression has parts, and no number outgrows 128 bits: what
//! would is the largest one, which any ban time comes to long before.

mod functions;
mod parse;

use functions::Function;

/// An expression that was read.
#[derive(Debug, Clone)]
pub struct Formula {
    source: String,
    expression: Expression,
}

/// What a formula is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variables {
    /// `ban.Time`: how long bans of the jail last, in seconds.
    pub time: Number,
    /// `ban.Count`: how often the id was banned before.
    pub count: i64,
    /// `banFactor`: `bantime.factor`.
    pub factor: Number,
}

/// A number of Python: whole, or with a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i128),
    /// A fraction.
    Float(f64),
}

/// Why a formula is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at character {at} of `{source_text}`")]
pub struct FormulaError {
    /// What is wrong.
    pub what: String,
    /// At which character of the formula, counted from 1.
    pub at: usize,
    /// The formula.
    pub source_text: String,
    /// Whether it is a name that is not known; else the text is no expression at all.
    pub is_name: bool,
}

/// Why a formula has no value, in Python's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoValue(String);

impl PartialEq for Formula {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Formula {
    /// Reads a formula.
    ///
    /// # Errors
    /// Where it is no expression of the language, or names something that is not in it.
    pub fn parse(source: &str) -> Result<Self, FormulaError> {
        Ok(Self {
            source: source.to_owned(),
            expression: parse::expression(source)?,
        })
    }

    /// Its text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its value; `random` is asked for numbers from 0 up to, but without, 1.
    ///
    /// # Errors
    /// Where Python would raise an exception: a division by zero, a number out of range, a list where a number is due.
    pub fn value(&self, variables: &Variables, random: &mut dyn FnMut() -> f64) -> Result<Number, NoValue> {
        match (Evaluation { variables, random }).value(&self.expression)? {
            Value::Number(number) => Ok(number),
            Value::Truth(truth) => Ok(Number::Int(i128::from(truth))),
            Value::List(_) => Err(no_value("a list is no number of seconds")),
        }
    }
}

impl Number {
    /// As a fraction.
    #[expect(clippy::cast_precision_loss, reason = "a float is asked for")]
    #[must_use]
    pub const fn float(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// Compares as Python does; not at all where one is not a number.
    pub(crate) fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.float().partial_cmp(&b.float()),
        }
    }
}

impl std::ops::Mul for Number {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Self::Int(a.saturating_mul(b)),
            (a, b) => Self::Float(a.float() * b.float()),
        }
    }
}

/// A part of a formula.
#[derive(Debug, Clone)]
enum Expression {
    Number(Number),
    Truth(bool),
    Time,
    Count,
    Factor,
    List(Vec<Self>),
    Index(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Sign(Sign, Box<Self>),
    Arithmetic(Operator, Box<Self>, Box<Self>),
    /// `a < b <= c`: each neighbour is compared with the next.
    Comparison(Box<Self>, Vec<(Comparison, Self)>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    /// The condition, what holds if it does, and what if not.
    Choice(Box<[Self; 3]>),
    Call(Function, Vec<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
    Invert,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    ShiftLeft,
    ShiftRight,
    And,
    Or,
    Xor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Unequal,
}

/// What a part of a formula comes to.
#[derive(Debug, Clone)]
enum Value {
    Number(Number),
    Truth(bool),
    List(Vec<Self>),
}

fn no_value(why: impl Into<String>) -> NoValue {
    NoValue(why.into())
}

impl Value {
    /// A truth counts as 0 or 1.
    fn number(&self) -> Result<Number, NoValue> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Truth(truth) => Ok(Number::Int(i128::from(*truth))),
            Self::List(_) => Err(no_value("a list stands where a number is due")),
        }
    }

    fn whole(&self) -> Result<i128, NoValue> {
        match self.number()? {
            Number::Int(value) => Ok(value),
            Number::Float(_) => Err(no_value("a whole number is due, not a fraction")),
        }
    }

    fn is_true(&self) -> bool {
        match self {
            Self::Number(Number::Int(value)) => *value != 0,
            Self::Number(Number::Float(value)) => *value != 0.0,
            Self::Truth(truth) => *truth,
            Self::List(items) => !items.is_empty(),
        }
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

/// One evaluation.
struct Evaluation<'a> {
    variables: &'a Variables,
    random: &'a mut dyn FnMut() -> f64,
}

impl Evaluation<'_> {
    fn value(&mut self, expression: &Expression) -> Result<Value, NoValue> {
        Ok(match expression {
            Expression::Number(number) => Value::Number(*number),
            Expression::Truth(truth) => Value::Truth(*truth),
            Expression::Time => Value::Number(self.variables.time),
            Expression::Count => Value::Number(Number::Int(self.variables.count.into())),
            Expression::Factor => Value::Number(self.variables.factor),
            Expression::List(items) => Value::List(self.values(items)?),
            Expression::Index(list, index) => {
                let (list, index) = (self.value(list)?, self.value(index)?.whole()?);
                let Value::List(items) = list else {
                    return Err(no_value("only a list has an index"));
                };
                let length = i128::try_from(items.len()).unwrap_or(i128::MAX);
                let place = if index < 0 {
                    index.saturating_add(length)
                } else {
                    index
                };
                let item = usize::try_from(place).ok().and_then(|place| items.get(place));
                item.cloned().ok_or_else(|| no_value("list index out of range"))?
            }
            Expression::Not(inner) => Value::Truth(!self.value(inner)?.is_true()),
            Expression::Sign(sign, inner) => signed(*sign, self.value(inner)?.number()?)?.into(),
            Expression::Arithmetic(operator, left, right) => {
                let (left, right) = (self.value(left)?.number()?, self.value(right)?.number()?);
                arithmetic(*operator, left, right)?.into()
            }
            Expression::Comparison(first, rest) => {
                let mut left = self.value(first)?.number()?;
                for (comparison, right) in rest {
                    let right = self.value(right)?.number()?;
                    if !comparison.holds(left, right) {
                        return Ok(Value::Truth(false));
                    }
                    left = right;
                }
                Value::Truth(true)
            }
            Expression::And(left, right) => {
                let left = self.value(left)?;
                if left.is_true() { self.value(right)? } else { left }
            }
            Expression::Or(left, right) => {
                let left = self.value(left)?;
                if left.is_true() { left } else { self.value(right)? }
            }
            Expression::Choice(parts) => {
                let [condition, then, otherwise] = parts.as_ref();
                let holds = self.value(condition)?.is_true();
                self.value(if holds { then } else { otherwise })?
            }
            Expression::Call(function, arguments) => {
                let arguments = self.values(arguments)?;
                function.call(&arguments, self.random)?
            }
        })
    }

    fn values(&mut self, expressions: &[Expression]) -> Result<Vec<Value>, NoValue> {
        expressions
            .iter()
            .map(|expression| self.value(expression))
            .collect()
    }
}

impl Comparison {
    fn holds(self, left: Number, right: Number) -> bool {
        let order = left.compare(right);
        match self {
            Self::Less => order.is_some_and(std::cmp::Ordering::is_lt),
            Self::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
            Self::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
            Self::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
            Self::Equal => order.is_some_and(std::cmp::Ordering::is_eq),
            Self::Unequal => !order.is_some_and(std::cmp::Ordering::is_eq),
        }
    }
}

fn signed(sign: Sign, number: Number) -> Result<Number, NoValue> {
    Ok(match (sign, number) {
        (Sign::Plus, number) => number,
        (Sign::Minus, Number::Int(value)) => Number::Int(value.saturating_neg()),
        (Sign::Minus, Number::Float(value)) => Number::Float(-value),
        (Sign::Invert, Number::Int(value)) => Number::Int(!value),
        (Sign::Invert, Number::Float(_)) => {
            return Err(no_value("bad operand type for unary ~: 'float'"));
        }
    })
}

fn arithmetic(operator: Operator, left: Number, right: Number) -> Result<Number, NoValue> {
    match (left, right) {
        (Number::Int(left), Number::Int(right)) => whole(operator, left, right),
        (left, right) => fraction(operator, left.float(), right.float()).map(Number::Float),
    }
}

/// Arithmetic on whole numbers: division rounds down, a remainder has the sign of the divisor.
fn whole(operator: Operator, left: i128, right: i128) -> Result<Number, NoValue> {
    let float = |value| Number::Int(value).float();
    let value = match operator {
        Operator::Add => left.saturating_add(right),
        Operator::Subtract => left.saturating_sub(right),
        Operator::Multiply => left.saturating_mul(right),
        Operator::Divide if right == 0 => return Err(no_value("division by zero")),
        Operator::Divide => return Ok(Number::Float(float(left) / float(right))),
        Operator::FloorDivide | Operator::Modulo if right == 0 => {
            return Err(no_value("integer division or modulo by zero"));
        }
        Operator::FloorDivide => {
            let quotient = left.saturating_div(right);
            let rest = left.checked_rem(right).unwrap_or(0);
            if rest != 0 && (rest < 0) != (right < 0) {
                quotient - 1
            } else {
                quotient
            }
        }
        Operator::Modulo => {
            let rest = left.checked_rem(right).unwrap_or(0);
            if rest != 0 && (rest < 0) != (right < 0) {
                rest + right
            } else {
                rest
            }
        }
        Operator::Power if right < 0 => {
            return fraction(operator, float(left), float(right)).map(Number::Float);
        }
        Operator::Power => left.saturating_pow(u32::try_from(right).unwrap_or(u32::MAX)),
        Operator::ShiftLeft | Operator::ShiftRight if right < 0 => {
            return Err(no_value("negative shift count"));
        }
        Operator::ShiftLeft if left == 0 => 0,
        Operator::ShiftLeft => {
            let factor = u32::try_from(right).ok().and_then(|by| 1_i128.checked_shl(by));
            left.saturating_mul(factor.filter(|factor| *factor > 0).unwrap_or(i128::MAX))
        }
        Operator::ShiftRight => left >> right.min(127),
        Operator::And => left & right,
        Operator::Or => left | right,
        Operator::Xor => left ^ right,
    };
    Ok(Number::Int(value))
}

/// Arithmetic with at least one fraction in it.
fn fraction(operator: Operator, left: f64, right: f64) -> Result<f64, NoValue> {
    Ok(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide | Operator::FloorDivide | Operator::Modulo if right == 0.0 => {
            return Err(no_value("float division by zero"));
        }
        Operator::Divide => left / right,
        Operator::FloorDivide => ((left - modulo(left, right)) / right).round(),
        Operator::Modulo => modulo(left, right),
        Operator::Power if left == 0.0 && right < 0.0 => {
            return Err(no_value("0.0 cannot be raised to a negative power"));
        }
        Operator::Power => functions::in_range(left.powf(right), &[left, right])?,
        Operator::ShiftLeft | Operator::ShiftRight | Operator::And | Operator::Or | Operator::Xor => {
            return Err(no_value("shifts and bits are for whole numbers"));
        }
    })
}

fn modulo(left: f64, right: f64) -> f64 {
    let rest = left % right;
    if rest != 0.0 && (rest < 0.0) != (right < 0.0) {
        rest + right
    } else {
        rest
    }
}
