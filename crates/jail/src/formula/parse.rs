//! From the text of a formula to its parts, by the grammar of Python's expressions.

use super::{Comparison, Expression, Formula, FormulaError, Number, Operator, Sign, functions};

/// How deep parts may be nested; each level takes some of the stack.
const DEEPEST: usize = 100;
/// How many words and signs a formula may have.
const LONGEST: usize = 2000;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(Number),
    /// A name, with all its dots.
    Name(String),
    Sign(&'static str),
    End,
}

/// The signs of the language; of two that begin alike the longer stands first.
const SIGNS: [&str; 25] = [
    "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "+", "-", "*", "/", "%", "<", ">", "&", "|", "^", "~",
    "(", ")", "[", "]", ",", ".",
];

/// The words that are no names.
const WORDS: [&str; 5] = ["if", "else", "and", "or", "not"];

pub(super) fn expression(source: &str) -> Result<Expression, FormulaError> {
    let mut parser = Parser {
        source,
        tokens: tokens(source)?,
        at: 0,
        depth: 0,
    };
    let expression = parser.choice()?;
    if *parser.peek() == Token::End {
        Ok(expression)
    } else {
        Err(parser.unexpected())
    }
}

fn error(source: &str, byte: usize, what: impl Into<String>) -> FormulaError {
    FormulaError {
        what: what.into(),
        at: source.get(..byte).map_or(0, |before| before.chars().count()) + 1,
        source_text: source.to_owned(),
        is_name: false,
    }
}

fn tokens(source: &str) -> Result<Vec<(Token, usize)>, FormulaError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = source.get(at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        if tokens.len() > LONGEST {
            return Err(error(source, at, "the formula is too long"));
        }
        let Some(first) = trimmed.chars().next() else {
            break;
        };
        let (token, length) = if first.is_ascii_digit() || decimal_point(trimmed) {
            number(source, at, trimmed)?
        } else if first.is_alphabetic() || first == '_' {
            let end = trimmed
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
                .unwrap_or(trimmed.len());
            let name = trimmed.get(..end).unwrap_or_default().to_owned();
            (Token::Name(name), end)
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| trimmed.starts_with(sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            return Err(error(
                source,
                at,
                format!("`{first}` has no meaning in a formula"),
            ));
        };
        tokens.push((token, at));
        at += length;
    }
    tokens.push((Token::End, source.len()));
    Ok(tokens)
}

fn decimal_point(text: &str) -> bool {
    text.strip_prefix('.')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// A number as Python writes it: `20`, `1_000`, `0x10`, `0.5`, `2.`, `1e3`.
fn number(source: &str, at: usize, text: &str) -> Result<(Token, usize), FormulaError> {
    let wrong = |what: &str| error(source, at, what);
    let word = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
        .unwrap_or(text.len());
    let mut end = word;
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    // The sign of an exponent belongs to the number.
    if !is_hex
        && text.get(..word).is_some_and(|word| word.ends_with(['e', 'E']))
        && text.get(word..).is_some_and(|rest| rest.starts_with(['+', '-']))
    {
        let digits = text.get(word + 1..).unwrap_or_default();
        let length = digits
            .find(|c: char| !(c.is_ascii_digit() || c == '_'))
            .unwrap_or(digits.len());
        end = word + 1 + length;
    }
    let word = text.get(..end).unwrap_or_default();
    if word.ends_with('_') || word.contains("__") || word.contains("_.") || word.contains("._") {
        return Err(wrong("invalid number"));
    }
    let plain = word.replace('_', "").to_lowercase();
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| Some((plain.strip_prefix(prefix)?, radix)));
    let value = if let Some((digits, radix)) = radix {
        i128::from_str_radix(digits, radix).ok().map(Number::Int)
    } else if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        if plain.len() > 1 && plain.starts_with('0') && plain.bytes().any(|byte| byte != b'0') {
            return Err(wrong("leading zeros in a number are not permitted"));
        }
        // What does not fit is the largest number.
        Some(Number::Int(plain.parse().unwrap_or(i128::MAX)))
    } else {
        let is_float = plain
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".e+-".contains(&byte));
        plain.parse().ok().filter(|_| is_float).map(Number::Float)
    };
    value
        .map(|value| (Token::Number(value), end))
        .ok_or_else(|| wrong("invalid number"))
}

struct Parser<'s> {
    source: &'s str,
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
}

type Parsed = Result<Expression, FormulaError>;

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn unexpected(&self) -> FormulaError {
        let byte = self
            .tokens
            .get(self.at)
            .map_or(self.source.len(), |(_, byte)| *byte);
        let what = match self.peek() {
            Token::End => "something is missing at the end".to_owned(),
            Token::Sign(sign) => format!("`{sign}` is out of place"),
            Token::Name(name) => format!("`{name}` is out of place"),
            Token::Number(_) => "a number is out of place".to_owned(),
        };
        error(self.source, byte, what)
    }

    fn take(&mut self, wanted: &'static str) -> bool {
        let found = match self.peek() {
            Token::Sign(sign) => *sign == wanted,
            Token::Name(name) => name == wanted && WORDS.contains(&wanted),
            Token::Number(_) | Token::End => false,
        };
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: &'static str) -> Result<(), FormulaError> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Goes one level deeper.
    fn nested(&mut self, parse: fn(&mut Self) -> Parsed) -> Parsed {
        self.depth += 1;
        if self.depth > DEEPEST {
            let byte = self.tokens.get(self.at).map_or(0, |(_, byte)| *byte);
            return Err(error(self.source, byte, "too many nested parts"));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn choice(&mut self) -> Parsed {
        let then = self.or()?;
        if !self.take("if") {
            return Ok(then);
        }
        let condition = self.or()?;
        self.expect("else")?;
        let otherwise = self.nested(Self::choice)?;
        Ok(Expression::Choice(Box::new([condition, then, otherwise])))
    }

    fn or(&mut self) -> Parsed {
        let left = self.and()?;
        if self.take("or") {
            let right = self.nested(Self::or)?;
            return Ok(Expression::Or(Box::new(left), Box::new(right)));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let left = self.not()?;
        if self.take("and") {
            let right = self.nested(Self::and)?;
            return Ok(Expression::And(Box::new(left), Box::new(right)));
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed {
        if self.take("not") {
            return Ok(Expression::Not(Box::new(self.nested(Self::not)?)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parsed {
        const COMPARISONS: [(&str, Comparison); 6] = [
            ("<=", Comparison::LessOrEqual),
            ("<", Comparison::Less),
            (">=", Comparison::GreaterOrEqual),
            (">", Comparison::Greater),
            ("==", Comparison::Equal),
            ("!=", Comparison::Unequal),
        ];
        let first = self.bits(0)?;
        let mut rest = Vec::new();
        while let Some((_, comparison)) = COMPARISONS.into_iter().find(|(sign, _)| self.take(sign)) {
            rest.push((comparison, self.bits(0)?));
        }
        Ok(if rest.is_empty() {
            first
        } else {
            Expression::Comparison(Box::new(first), rest)
        })
    }

    /// Chains of operators from left to right, by rank: `|`, `^`, `&`, shifts, sums, products.
    fn bits(&mut self, rank: usize) -> Parsed {
        const RANKS: [&[(&str, Operator)]; 6] = [
            &[("|", Operator::Or)],
            &[("^", Operator::Xor)],
            &[("&", Operator::And)],
            &[("<<", Operator::ShiftLeft), (">>", Operator::ShiftRight)],
            &[("+", Operator::Add), ("-", Operator::Subtract)],
            &[
                ("*", Operator::Multiply),
                ("/", Operator::Divide),
                ("//", Operator::FloorDivide),
                ("%", Operator::Modulo),
            ],
        ];
        let Some(operators) = RANKS.get(rank) else {
            return self.signed();
        };
        let mut left = self.bits(rank + 1)?;
        // Each operator nests the tree, which is walked and freed recursively, by one.
        let mut length = 0;
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.take(sign)) {
            length += 1;
            if length > DEEPEST {
                return Err(self.unexpected());
            }
            let right = self.bits(rank + 1)?;
            left = Expression::Arithmetic(*operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn signed(&mut self) -> Parsed {
        for (sign, meaning) in [("-", Sign::Minus), ("+", Sign::Plus), ("~", Sign::Invert)] {
            if self.take(sign) {
                return Ok(Expression::Sign(meaning, Box::new(self.nested(Self::signed)?)));
            }
        }
        let base = self.indexed()?;
        if self.take("**") {
            let exponent = self.nested(Self::signed)?;
            return Ok(Expression::Arithmetic(
                Operator::Power,
                Box::new(base),
                Box::new(exponent),
            ));
        }
        Ok(base)
    }

    fn indexed(&mut self) -> Parsed {
        let mut inner = self.atom()?;
        while self.take("[") {
            let index = self.nested(Self::choice)?;
            self.expect("]")?;
            inner = Expression::Index(Box::new(inner), Box::new(index));
        }
        Ok(inner)
    }

    fn atom(&mut self) -> Parsed {
        if self.take("(") {
            let (mut items, has_comma) = self.items(")")?;
            return match items.pop() {
                Some(only) if items.is_empty() && !has_comma => Ok(only),
                last => {
                    items.extend(last);
                    Ok(Expression::List(items))
                }
            };
        }
        if self.take("[") {
            return Ok(Expression::List(self.items("]")?.0));
        }
        match self.peek().clone() {
            Token::Number(number) => {
                self.at += 1;
                Ok(Expression::Number(number))
            }
            Token::Name(name) if !WORDS.contains(&name.as_str()) => self.name(&name),
            Token::Name(_) | Token::Sign(_) | Token::End => Err(self.unexpected()),
        }
    }

    /// What stands up to the closing sign, and whether there was a comma in it.
    fn items(&mut self, close: &'static str) -> Result<(Vec<Expression>, bool), FormulaError> {
        let (mut items, mut has_comma) = (Vec::new(), false);
        while !self.take(close) {
            items.push(self.nested(Self::choice)?);
            if self.take(",") {
                has_comma = true;
            } else {
                self.expect(close)?;
                break;
            }
        }
        Ok((items, has_comma))
    }

    fn name(&mut self, name: &str) -> Parsed {
        let byte = self.tokens.get(self.at).map_or(0, |(_, byte)| *byte);
        let value = match name {
            "ban.Time" => Some(Expression::Time),
            "ban.Count" => Some(Expression::Count),
            "banFactor" => Some(Expression::Factor),
            "True" => Some(Expression::Truth(true)),
            "False" => Some(Expression::Truth(false)),
            "math.pi" => Some(Expression::Number(Number::Float(std::f64::consts::PI))),
            "math.e" => Some(Expression::Number(Number::Float(std::f64::consts::E))),
            "math.tau" => Some(Expression::Number(Number::Float(std::f64::consts::TAU))),
            "math.inf" => Some(Expression::Number(Number::Float(f64::INFINITY))),
            _ => None,
        };
        self.at += 1;
        if let Some(value) = value {
            return Ok(value);
        }
        let Some((function, arity)) = functions::find(name) else {
            return Err(FormulaError {
                is_name: true,
                ..error(self.source, byte, format!("name '{name}' is not defined"))
            });
        };
        self.expect("(")?;
        let (arguments, _) = self.items(")")?;
        if !arity.contains(&arguments.len()) {
            let (least, most) = arity.into_inner();
            let count = if least == most {
                least.to_string()
            } else {
                format!("{least} to {most}")
            };
            let what = format!("{name}() takes {count} arguments, not {}", arguments.len());
            return Err(error(self.source, byte, what));
        }
        Ok(Expression::Call(function, arguments))
    }
}

impl Formula {
    /// The names of all functions that a formula may call.
    pub fn functions() -> impl Iterator<Item = &'static str> {
        functions::names()
    }
}
