//! Time expressions: `1d 12h30m`, `(1h+1m)*2` → seconds; seconds → `1d 12h 30m` for log records.
//!
//! In: the text of an option, of any length and content. Out: a [`Number`] or what is wrong with it.
//!
//! The reference rewrites the text (unit words become factors, blanks between numbers a plus) and has
//! its interpreter evaluate the rest. We do the same rewriting and evaluate arithmetic alone: numbers,
//! `+ - * / // % ** <<`, signs, parentheses, a `#` comment. Other expressions are errors here.
//!
//! Invariant: evaluation ends in a time proportional to the text, whatever the text.

use crate::Number;
use crate::chars;

/// The longest text that is evaluated. The longest sensible one has some fifty characters.
const LONGEST: usize = 4096;

/// How deep parentheses, signs and powers may nest; keeps the recursion off the end of the stack.
const DEEPEST: usize = 100;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
const YEAR: i64 = 365 * DAY;

/// Why a text is no number of seconds. Displays in the words of the reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is not an expression.
    #[error("{message} (<string>, line {line})")]
    Syntax {
        /// What is wrong with it.
        message: String,
        /// The line of the text, from 1; 0 where there is no text at all.
        line: usize,
    },
    /// A word that is no unit, such as `forever`.
    #[error("name '{name}' is not defined")]
    Name {
        /// The word.
        name: String,
    },
    /// The expression has no value, such as `1/0`.
    #[error("{0}")]
    Arithmetic(String),
    /// The text is longer than anyone would write.
    #[error("time expression too long: {length} characters, at most {LONGEST} are evaluated")]
    TooLong {
        /// Its length.
        length: usize,
    },
}

/// The number of seconds that `text` stands for.
///
/// Whole results beyond 64 bits become the nearest number that fits, which is longer than any ban.
pub fn seconds(text: &str) -> Result<Number, DurationError> {
    // Nearly every value is a plain number.
    if let (1..=18, Ok(value)) = (text.len(), text.parse::<i64>())
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| byte.is_ascii_digit() && (at > 0 || byte != b'0'))
    {
        return Ok(Number::Int(value));
    }
    if text.len() > LONGEST {
        return Err(DurationError::TooLong {
            length: text.chars().count(),
        });
    }
    let rewritten = join_numbers(&replace_units(&separate(text)));
    let tokens = Tokens::read(&rewritten)?;
    let value = Parser {
        tokens: &tokens,
        at: 0,
        depth: 0,
    }
    .whole()?;
    value.evaluate().map(Value::number)
}

/// Seconds as the log shows them: `1y 3w 4d`, `1h 30m`, `1m 40s`, `0`; at most three parts.
#[must_use]
pub fn to_text(seconds: i64) -> String {
    let magnitude = i64::try_from(seconds.unsigned_abs()).unwrap_or(i64::MAX);
    let (precision, parts): (i64, &[(i64, char)]) = if magnitude >= YEAR {
        (DAY, &[(YEAR, 'y'), (WEEK, 'w'), (DAY, 'd')])
    } else if magnitude >= WEEK {
        (HOUR, &[(WEEK, 'w'), (DAY, 'd'), (HOUR, 'h')])
    } else if magnitude >= DAY {
        (MINUTE, &[(DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm')])
    } else if magnitude >= HOUR - 5 {
        (10, &[(HOUR, 'h'), (MINUTE, 'm')])
    } else {
        (1, &[(MINUTE, 'm'), (1, 's')])
    };
    let mut rest = round_half_even(magnitude, precision);
    let mut words = Vec::new();
    for (unit, letter) in parts {
        let count = rest / unit;
        rest %= unit;
        if count > 0 {
            words.push(format!("{count}{letter}"));
        }
    }
    let text = if words.is_empty() {
        "0".to_owned()
    } else {
        words.join(" ")
    };
    if seconds < 0 { format!("-{text}") } else { text }
}

/// The multiple of `unit` that is nearest to `value`; of two, the even one.
fn round_half_even(value: i64, unit: i64) -> i64 {
    let (whole, rest) = (value / unit, value % unit);
    let up = rest * 2 > unit || (rest * 2 == unit && whole % 2 == 1);
    (whole + i64::from(up)).saturating_mul(unit)
}

/// Puts a blank between a letter and a digit that follows it: `1d12h` → `1d 12h`.
fn separate(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut after_letter = false;
    for c in text.chars() {
        if after_letter && chars::is_digit(c) {
            out.push(' ');
        }
        after_letter = c.is_ascii_alphabetic();
        out.push(c);
    }
    out
}

/// Replaces unit words after a digit or a blank by their factor: `12h` → `12*3600`.
fn replace_units(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    let mut may_be_unit = false;
    while let Some(c) = rest.chars().next() {
        let word = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (name, after) = rest.split_at_checked(word).unwrap_or(("", rest));
        if may_be_unit
            && let Some(factor) = unit(name)
            && !after.chars().next().is_some_and(chars::is_word)
        {
            out.push('*');
            out.push_str(factor);
            rest = after;
            may_be_unit = false;
            continue;
        }
        out.push(c);
        may_be_unit = chars::is_digit(c) || chars::is_space(c);
        rest = rest.get(c.len_utf8()..).unwrap_or("");
    }
    out
}

/// The factor of a unit; months and years are not whole days and come as fractions.
fn unit(word: &str) -> Option<&'static str> {
    if word.len() > 7 {
        return None;
    }
    Some(match word.to_ascii_lowercase().as_str() {
        "s" | "ss" | "se" | "sec" | "second" | "seconds" => "1",
        "m" | "mm" | "mi" | "min" | "minute" | "minutes" => "60",
        "h" | "hh" | "ho" | "hou" | "hour" | "hours" => "3600",
        "d" | "dd" | "da" | "day" | "days" => "86400",
        "w" | "ww" | "we" | "wee" | "week" | "weeks" => "604800",
        "mo" | "mon" | "month" | "months" => "2629800.0",
        "y" | "yy" | "ye" | "yea" | "year" | "years" => "31557600.0",
        _ => return None,
    })
}

/// Turns the blanks between two digits into a plus, from left to right and without overlap: of
/// `1 2 3` only the first, since the `2` is used up by then.
fn join_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        out.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or("");
        let next = rest.trim_start_matches(chars::is_space);
        if chars::is_digit(c)
            && next.len() < rest.len()
            && let Some(digit) = next.chars().next().filter(|c| chars::is_digit(*c))
        {
            out.push('+');
            out.push(digit);
            rest = next.get(digit.len_utf8()..).unwrap_or("");
        }
    }
    out
}

/// One word of the rewritten expression.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    Value(Value),
    Name(String),
    Plus,
    Minus,
    Times,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    Shift,
    Open,
    Close,
    /// Something that no expression of ours holds.
    Alien,
    End,
}

struct Tokens {
    /// Each with its line.
    list: Vec<(Token, usize)>,
}

impl Tokens {
    /// Splits `text` into words; the last is always [`Token::End`].
    fn read(text: &str) -> Result<Self, DurationError> {
        let mut list = Vec::new();
        let mut open: Vec<char> = Vec::new();
        let mut line = 1;
        let mut started = false;
        let mut ended = false;
        let mut rest = text.trim_start_matches([' ', '\t']);
        while let Some(c) = rest.chars().next() {
            let after = rest.get(c.len_utf8()..).unwrap_or("");
            if c == '\n' || c == '\r' {
                line += usize::from(c == '\n');
                // A line end outside of parentheses ends the expression; what follows is too much.
                ended |= started && open.is_empty();
                rest = after;
                continue;
            }
            if matches!(c, ' ' | '\t' | '\x0c') {
                rest = after;
                continue;
            }
            if c == '#' {
                rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or("");
                continue;
            }
            if ended {
                return Err(syntax("invalid syntax", line));
            }
            started = true;
            let (token, length) = match c {
                '0'..='9' | '.' => number(rest, line)?,
                _ if c == '_' || c.is_alphabetic() => {
                    let length: usize = rest
                        .chars()
                        .take_while(|c| *c == '_' || c.is_alphanumeric())
                        .map(char::len_utf8)
                        .sum();
                    (Token::Name(rest.get(..length).unwrap_or(rest).to_owned()), length)
                }
                _ => symbol(rest, c, line, &mut open)?,
            };
            list.push((token, line));
            rest = rest.get(length..).unwrap_or("");
        }
        if let Some(bracket) = open.last() {
            return Err(syntax(&format!("'{bracket}' was never closed"), line));
        }
        list.push((Token::End, if text.trim().is_empty() { 0 } else { line }));
        Ok(Self { list })
    }
}

fn syntax(message: &str, line: usize) -> DurationError {
    DurationError::Syntax {
        message: message.to_owned(),
        line,
    }
}

/// The operator or bracket that `rest` begins with, and its length.
fn symbol(
    rest: &str,
    first: char,
    line: usize,
    open: &mut Vec<char>,
) -> Result<(Token, usize), DurationError> {
    for (text, token) in [
        ("**", Token::Power),
        ("//", Token::FloorDivide),
        ("<<", Token::Shift),
        ("+", Token::Plus),
        ("-", Token::Minus),
        ("*", Token::Times),
        ("/", Token::Divide),
        ("%", Token::Modulo),
    ] {
        if rest.starts_with(text) {
            return Ok((token, text.len()));
        }
    }
    match first {
        '(' | '[' | '{' => {
            open.push(first);
            Ok((if first == '(' { Token::Open } else { Token::Alien }, 1))
        }
        ')' | ']' | '}' => {
            let expected = match first {
                ')' => '(',
                ']' => '[',
                _ => '{',
            };
            match open.pop() {
                Some(bracket) if bracket == expected => {
                    Ok((if first == ')' { Token::Close } else { Token::Alien }, 1))
                }
                Some(bracket) => Err(syntax(
                    &format!("closing parenthesis '{first}' does not match opening parenthesis '{bracket}'"),
                    line,
                )),
                None => Err(syntax(&format!("unmatched '{first}'"), line)),
            }
        }
        '"' | '\'' => Err(syntax(
            &format!("unterminated string literal (detected at line {line})"),
            line,
        )),
        '\\' => Err(syntax(
            "unexpected character after line continuation character",
            line,
        )),
        _ if first.is_ascii() => Ok((Token::Alien, 1)),
        _ => Err(syntax(
            &format!("invalid character '{first}' (U+{:04X})", u32::from(first)),
            line,
        )),
    }
}

/// The number that `rest` begins with, and its length.
fn number(rest: &str, line: usize) -> Result<(Token, usize), DurationError> {
    let bytes = rest.as_bytes();
    if let [b'0', kind @ (b'x' | b'X' | b'b' | b'B' | b'o' | b'O'), ..] = bytes {
        return radix(rest, *kind, line);
    }
    let whole = digits(bytes, 0).ok_or_else(|| bad_number(line))?;
    let mut end = whole;
    let mut float = false;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(bytes, end + 1).ok_or_else(|| bad_number(line))?;
        if whole == 0 && fraction == end + 1 {
            return Ok((Token::Alien, 1));
        }
        end = fraction;
        float = true;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) && matches!(bytes.get(end + 1), Some(b'+' | b'-')) {
        let exponent = digits(bytes, end + 2).ok_or_else(|| bad_number(line))?;
        if exponent == end + 2 {
            return Err(bad_number(line));
        }
        end = exponent;
        float = true;
    }
    let follows = rest.get(end..).and_then(|rest| rest.chars().next());
    let text: String = rest.chars().take(end).filter(|c| *c != '_').collect();
    // Leading zeros are seen before what follows the digits, unless that can make another kind of number of them.
    let whole_digits = !float && !matches!(follows, Some('e' | 'E' | 'j' | 'J'));
    if whole_digits && text.len() > 1 && text.starts_with('0') && text.bytes().any(|byte| byte != b'0') {
        return Err(syntax(
            "leading zeros in decimal integer literals are not permitted; \
             use an 0o prefix for octal integers",
            line,
        ));
    }
    if follows.is_some_and(|c| c == '_' || c.is_alphanumeric()) {
        return Err(bad_number(line));
    }
    let value = if float {
        Value::Float(text.parse().map_err(|_| bad_number(line))?)
    } else {
        Value::Int(text.parse().unwrap_or(i128::MAX))
    };
    Ok((Token::Value(value), end))
}

fn bad_number(line: usize) -> DurationError {
    syntax("invalid decimal literal", line)
}

/// The end of the digits from `at`, which single underscores may part; `None` where one is misplaced.
fn digits(bytes: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    loop {
        match bytes.get(end) {
            Some(b'0'..=b'9') => end += 1,
            Some(b'_') => {
                if end == at || !matches!(bytes.get(end + 1), Some(b'0'..=b'9')) {
                    return None;
                }
                end += 1;
            }
            _ => return Some(end),
        }
    }
}

/// `0xff` and its like. No digit can follow the letter, for a blank was put between them.
fn radix(rest: &str, kind: u8, line: usize) -> Result<(Token, usize), DurationError> {
    let (name, base) = match kind.to_ascii_lowercase() {
        b'x' => ("hexadecimal", 16),
        b'b' => ("binary", 2),
        _ => ("octal", 8),
    };
    let length = rest
        .bytes()
        .skip(2)
        .take_while(|byte| char::from(*byte).is_digit(base))
        .count();
    let follows = rest.get(length + 2..).and_then(|rest| rest.chars().next());
    let value = rest
        .get(2..length + 2)
        .and_then(|digits| i128::from_str_radix(digits, base).ok());
    match value {
        Some(value) if !follows.is_some_and(|c| c == '_' || c.is_alphanumeric()) => {
            Ok((Token::Value(Value::Int(value)), length + 2))
        }
        _ => Err(syntax(&format!("invalid {name} literal"), line)),
    }
}

/// An expression; evaluated only once the whole text is known to be one.
enum Expression {
    Value(Value),
    Name(String),
    Negative(Box<Self>),
    Positive(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
}

#[derive(Clone, Copy)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    Shift,
}

/// Reads an expression by the precedence of the reference's language: shift, sum, product, sign, power.
struct Parser<'a> {
    tokens: &'a Tokens,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn whole(mut self) -> Result<Expression, DurationError> {
        let expression = self.shift()?;
        if *self.peek() == Token::End {
            Ok(expression)
        } else {
            Err(self.unexpected())
        }
    }

    fn peek(&self) -> &Token {
        self.tokens
            .list
            .get(self.at)
            .map_or(&Token::End, |(token, _)| token)
    }

    fn unexpected(&self) -> DurationError {
        let line = self.tokens.list.get(self.at).map_or(1, |(_, line)| *line);
        syntax("invalid syntax", line)
    }

    /// A chain of operators of one rank, from left to right.
    fn chain(
        &mut self,
        operators: &[(Token, Operator)],
        operand: fn(&mut Self) -> Result<Expression, DurationError>,
    ) -> Result<Expression, DurationError> {
        let mut left = operand(self)?;
        // Each operator nests the tree, which is freed recursively, by one.
        let mut length = 0;
        while let Some((_, operator)) = operators.iter().find(|(token, _)| token == self.peek()) {
            self.at += 1;
            length += 1;
            if length > 10 * DEEPEST {
                return Err(syntax("too many operators", 1));
            }
            left = Expression::Binary(*operator, Box::new(left), Box::new(operand(self)?));
        }
        Ok(left)
    }

    fn shift(&mut self) -> Result<Expression, DurationError> {
        self.chain(&[(Token::Shift, Operator::Shift)], Self::sum)
    }

    fn sum(&mut self) -> Result<Expression, DurationError> {
        self.chain(
            &[(Token::Plus, Operator::Add), (Token::Minus, Operator::Subtract)],
            Self::product,
        )
    }

    fn product(&mut self) -> Result<Expression, DurationError> {
        self.chain(
            &[
                (Token::Times, Operator::Multiply),
                (Token::Divide, Operator::Divide),
                (Token::FloorDivide, Operator::FloorDivide),
                (Token::Modulo, Operator::Modulo),
            ],
            Self::signed,
        )
    }

    fn signed(&mut self) -> Result<Expression, DurationError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(syntax("too many nested parentheses", 1));
        }
        let expression = if *self.peek() == Token::Minus {
            self.at += 1;
            Expression::Negative(Box::new(self.signed()?))
        } else if *self.peek() == Token::Plus {
            self.at += 1;
            Expression::Positive(Box::new(self.signed()?))
        } else {
            self.power()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn power(&mut self) -> Result<Expression, DurationError> {
        let base = self.atom()?;
        if *self.peek() != Token::Power {
            return Ok(base);
        }
        self.at += 1;
        let exponent = self.signed()?;
        Ok(Expression::Binary(
            Operator::Power,
            Box::new(base),
            Box::new(exponent),
        ))
    }

    fn atom(&mut self) -> Result<Expression, DurationError> {
        let expression = if let Token::Value(value) = self.peek() {
            Expression::Value(*value)
        } else if let Token::Name(name) = self.peek() {
            Expression::Name(name.clone())
        } else if *self.peek() == Token::Open {
            self.at += 1;
            let inner = self.shift()?;
            if *self.peek() != Token::Close {
                return Err(self.unexpected());
            }
            inner
        } else {
            return Err(self.unexpected());
        };
        self.at += 1;
        Ok(expression)
    }
}

impl Expression {
    fn evaluate(&self) -> Result<Value, DurationError> {
        match self {
            Self::Value(value) => Ok(*value),
            Self::Name(name) => Err(DurationError::Name { name: name.clone() }),
            Self::Positive(inner) => inner.evaluate(),
            Self::Negative(inner) => Ok(match inner.evaluate()? {
                Value::Int(value) => Value::Int(value.saturating_neg()),
                Value::Float(value) => Value::Float(-value),
            }),
            Self::Binary(operator, left, right) => {
                let (left, right) = (left.evaluate()?, right.evaluate()?);
                match (left, right) {
                    (Value::Int(left), Value::Int(right)) => whole(*operator, left, right),
                    _ => fraction(*operator, left, right),
                }
            }
        }
    }
}

/// A number while it is computed; wide enough that only absurd values saturate.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Int(i128),
    Float(f64),
}

impl Value {
    fn number(self) -> Number {
        match self {
            Self::Int(value) => {
                Number::Int(i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX }))
            }
            Self::Float(value) => Number::Float(value),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a float is asked for")]
    fn float(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

fn arithmetic(message: &str) -> DurationError {
    DurationError::Arithmetic(message.to_owned())
}

/// Arithmetic on whole numbers: division rounds down, a remainder has the sign of the divisor.
fn whole(operator: Operator, left: i128, right: i128) -> Result<Value, DurationError> {
    let value = match operator {
        Operator::Add => left.saturating_add(right),
        Operator::Subtract => left.saturating_sub(right),
        Operator::Multiply => left.saturating_mul(right),
        Operator::Divide if right == 0 => return Err(arithmetic("division by zero")),
        Operator::Divide => {
            return Ok(Value::Float(Value::Int(left).float() / Value::Int(right).float()));
        }
        Operator::FloorDivide if right == 0 => {
            return Err(arithmetic("integer division or modulo by zero"));
        }
        Operator::FloorDivide => {
            let quotient = left.saturating_div(right);
            if left % right != 0 && (left < 0) != (right < 0) {
                quotient - 1
            } else {
                quotient
            }
        }
        Operator::Modulo if right == 0 => return Err(arithmetic("integer modulo by zero")),
        Operator::Modulo => {
            let rest = left.checked_rem(right).unwrap_or(0);
            if rest != 0 && (rest < 0) != (right < 0) {
                rest + right
            } else {
                rest
            }
        }
        Operator::Power if right < 0 => {
            return fraction(operator, Value::Int(left), Value::Int(right));
        }
        Operator::Power => left.saturating_pow(u32::try_from(right).unwrap_or(u32::MAX)),
        Operator::Shift if right < 0 => return Err(arithmetic("negative shift count")),
        Operator::Shift => {
            let factor = u32::try_from(right).ok().and_then(|by| 1_i128.checked_shl(by));
            left.saturating_mul(factor.filter(|factor| *factor > 0).unwrap_or(i128::MAX))
        }
    };
    Ok(Value::Int(value))
}

/// Arithmetic with at least one fraction in it.
fn fraction(operator: Operator, left: Value, right: Value) -> Result<Value, DurationError> {
    let (a, b) = (left.float(), right.float());
    let value = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide if b == 0.0 => return Err(arithmetic("float division by zero")),
        Operator::Divide => a / b,
        Operator::FloorDivide if b == 0.0 => return Err(arithmetic("float floor division by zero")),
        Operator::FloorDivide => ((a - float_modulo(a, b)) / b).round(),
        Operator::Modulo if b == 0.0 => return Err(arithmetic("float modulo")),
        Operator::Modulo => float_modulo(a, b),
        Operator::Power if a == 0.0 && b < 0.0 => {
            return Err(arithmetic("0.0 cannot be raised to a negative power"));
        }
        Operator::Power => {
            let value = a.powf(b);
            if value.is_nan() {
                return Err(arithmetic(
                    "the power of a negative number is not a number of seconds",
                ));
            }
            if value.is_infinite() && a.is_finite() && b.is_finite() {
                return Err(arithmetic("(34, 'Numerical result out of range')"));
            }
            value
        }
        Operator::Shift => {
            let kind = |value: Value| match value {
                Value::Int(_) => "int",
                Value::Float(_) => "float",
            };
            return Err(arithmetic(&format!(
                "unsupported operand type(s) for <<: '{}' and '{}'",
                kind(left),
                kind(right)
            )));
        }
    };
    Ok(Value::Float(value))
}

fn float_modulo(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
        rest + b
    } else {
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::{seconds, to_text};

    #[test]
    fn an_expression_has_the_value_or_the_error_of_the_reference() {
        let invalid = "invalid syntax (<string>, line 1)";
        let literal = "invalid decimal literal (<string>, line 1)";
        let zeros = "leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers (<string>, line 1)";
        let cases = [
            ("600 # ten", "600"),
            ("07x", zeros),
            ("0_7x", zeros),
            ("1d 07x", zeros),
            ("09y", zeros),
            ("00x", literal),
            ("07.5x", literal),
            ("07e1x", literal),
            ("600 # 10m", "600"),
            ("# x", invalid),
            ("600\n", "600"),
            ("\n600", "600"),
            ("1h\n+30m", "invalid syntax (<string>, line 2)"),
            ("(1h\n+30m)", "5400"),
            ("1  2", "3"),
            (" m", invalid),
            ("5 ms", invalid),
            ("abc 5", invalid),
            ("abc", "name 'abc' is not defined"),
            ("abc+1/0", "name 'abc' is not defined"),
            ("1/0+abc", "division by zero"),
            ("", "invalid syntax (<string>, line 0)"),
            ("0b1", "invalid binary literal (<string>, line 1)"),
            ("0o7", "invalid octal literal (<string>, line 1)"),
            ("0x10", "invalid hexadecimal literal (<string>, line 1)"),
            ("0xff", "255"),
            ("1e-3", "0.001"),
            ("1e+3h", "3600000.0"),
            ("1.0e+20", "1e+20"),
            ("2**-1", "0.5"),
            ("2.5//0", "float floor division by zero"),
            ("2.5%0", "float modulo"),
            ("2.5/0", "float division by zero"),
            ("7//0", "integer division or modulo by zero"),
            ("7%0", "integer modulo by zero"),
            ("0**-1", "0.0 cannot be raised to a negative power"),
            ("1.5**1e+5", "(34, 'Numerical result out of range')"),
            ("-7//2", "-4"),
            ("-7%3", "2"),
            ("7%-3", "-2"),
            ("-7.5%2", "0.5"),
            ("7.5//-2", "-4.0"),
            ("2**3**2", "512"),
            ("-2**2", "-4"),
            ("2**-1h", "1800.0"),
            ("1<<-1", "negative shift count"),
            ("1.5<<2", "unsupported operand type(s) for <<: 'float' and 'int'"),
            ("1<<2+1", "8"),
            ("1h/3", "1200.0"),
            ("1y/7", "4508228.571428572"),
            (".00001", "1e-05"),
            ("5. ", "5.0"),
            ("5.h", literal),
            ("5 .", invalid),
            (".", invalid),
            ("-", invalid),
            ("()", invalid),
            ("(1", "'(' was never closed (<string>, line 1)"),
            ("1)", "unmatched ')' (<string>, line 1)"),
            (
                "(1]",
                "closing parenthesis ']' does not match opening parenthesis '(' (<string>, line 1)",
            ),
            ("1_000h", "3600000"),
            ("1h_", literal),
            ("h1", invalid),
            ("--1", "1"),
            (
                "1\"",
                "unterminated string literal (detected at line 1) (<string>, line 1)",
            ),
            (
                "0_1",
                "leading zeros in decimal integer literals are not permitted; \
                 use an 0o prefix for octal integers (<string>, line 1)",
            ),
            ("00.5", "0.5"),
            ("1._5", literal),
            ("é1", "name 'é1' is not defined"),
            ("1é", literal),
            (
                "\u{ff11}",
                "invalid character '\u{ff11}' (U+FF11) (<string>, line 1)",
            ),
            ("12:30", invalid),
            ("5min.", "300.0"),
            ("1hforever", literal),
        ];
        for (text, expected) in cases {
            let answer = match seconds(text) {
                Ok(number) => number.to_string(),
                Err(error) => error.to_string(),
            };
            assert_eq!(answer, expected, "{text:?}");
        }
    }

    #[test]
    fn no_text_takes_long_or_deep() {
        for (name, text) in [
            ("parentheses", "(".repeat(4000)),
            ("pairs", "(".repeat(2000) + "1" + &")".repeat(2000)),
            ("signs", "-".repeat(4000) + "1"),
            ("powers", "9**".repeat(1300) + "9"),
            ("sums", "1+".repeat(2000) + "1"),
            ("length", "1".repeat(100_000)),
        ] {
            assert!(seconds(&text).is_err(), "{name}");
        }
        for (text, value) in [
            ("9**9**9**9", i64::MAX),
            ("1<<9999999999", i64::MAX),
            ("-9**99", i64::MIN),
            ("99999999999999999999", i64::MAX),
        ] {
            assert_eq!(seconds(text).map(super::Number::to_i64), Ok(value), "{text}");
        }
    }

    #[test]
    fn seconds_read_well() {
        for (seconds, text) in [
            (0, "0"),
            (100, "1m 40s"),
            (3594, "59m 54s"),
            (3595, "1h"),
            (3605, "1h"),
            (3660, "1h 1m"),
            (7190, "1h 59m"),
            (86_399, "24h"),
            (604_799, "7d"),
            (34_646_400, "1y 5w 1d"),
            (i64::MIN, "-292471208677y 27w 6d"),
        ] {
            assert_eq!(to_text(seconds), text, "{seconds}");
        }
    }
}
