//! Conditions on the fields of a structured line.
//!
//! In: `status in 401 403 and request.uri ~ ^/login`, one alternative a line. Out: whether a line meets one.
//!
//! Invariant: what compares a field that is not there, or is a list, an object or null, is not met; `missing` alone is.

use std::sync::Arc;

use memchr::memmem::Finder;
use stockade_pattern::StepLimit;

use super::json::{Places, Value};
use super::path::{Path, PathError};
use crate::regex::{Regex, RegexError};

/// The most alternatives, and the most conditions of each.
const MAX_CONDITIONS: usize = 64;

/// The alternatives in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct When {
    alternatives: Vec<Alternative>,
}

/// Conditions that must all be met.
#[derive(Debug, Clone)]
struct Alternative {
    conditions: Vec<Condition>,
    /// What a line without a backslash must have in it.
    literal: Option<Finder<'static>>,
}

impl PartialEq for Alternative {
    fn eq(&self, other: &Self) -> bool {
        self.conditions == other.conditions
    }
}

impl Eq for Alternative {}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    /// The number of the field's place.
    place: usize,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    /// One of these, as a text or as a number.
    Is(Vec<String>),
    IsNot(String),
    Matches(Arc<Regex>),
    MatchesNot(Arc<Regex>),
    Number(Comparison, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// Why a condition cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhenError {
    /// The field is none.
    #[error("{0}")]
    Path(#[from] PathError),
    /// There is no operator, or none that is known.
    #[error("`{found}` compares nothing; write one of = != in ~ !~ < <= > >= exists missing{}", meant(.found))]
    Operator {
        /// What stands there.
        found: String,
    },
    /// There is nothing to compare with.
    #[error("`{0}` has nothing to compare with; write it as in `status = 401`")]
    NoValue(
        /// The operator.
        String,
    ),
    /// A quote is not closed.
    #[error("the quote of {0} is not closed")]
    OpenQuote(
        /// The rest from the quote on.
        String,
    ),
    /// What is to be compared as a number is none.
    #[error("`{0}` is no number; texts are compared by = and !=")]
    NoNumber(
        /// What stands there.
        String,
    ),
    /// The expression cannot be compiled.
    #[error("the expression cannot be compiled: {}", .0.problem())]
    Regex(RegexError),
    /// Something stands where only `and` can.
    #[error(
        "`{0}` stands where only `and` can; put a value with blanks in quotes, and alternatives on lines of their own"
    )]
    Unexpected(
        /// What stands there.
        String,
    ),
    /// There are too many.
    #[error("there are more than {MAX_CONDITIONS} conditions")]
    TooMany,
}

fn meant(operator: &str) -> &'static str {
    match operator {
        "==" => "; `=` is meant, it seems",
        "=~" => "; `~` is meant, it seems",
        "" => ", as in `status = 401`",
        _ => "",
    }
}

impl When {
    /// Reads conditions; their fields get places among `places`. With an error comes the line that it is in.
    pub(super) fn parse(text: &str, places: &mut Places) -> Result<Self, (String, WhenError)> {
        let mut alternatives = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let alternative = Alternative::parse(line, places).map_err(|error| (line.to_owned(), error))?;
            alternatives.push(alternative);
            if alternatives.len() > MAX_CONDITIONS {
                return Err((line.to_owned(), WhenError::TooMany));
            }
        }
        Ok(Self { alternatives })
    }

    /// Whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.alternatives.is_empty()
    }

    /// Whether a line could meet one, by the look of its bytes.
    ///
    /// A text that a field must be equal to stands in the line as it is, unless there are escapes; and those have a
    /// backslash.
    pub(super) fn could_hold(&self, line: &str) -> bool {
        let could = |alternative: &Alternative| {
            let literal = alternative.literal.as_ref();
            literal.is_none_or(|literal| literal.find(line.as_bytes()).is_some())
        };
        self.alternatives.is_empty()
            || self.alternatives.iter().any(could)
            || memchr::memchr(b'\\', line.as_bytes()).is_some()
    }

    /// The number of the first alternative that the fields meet. Searches that are given up are told to `gave_up`,
    /// and count for what is not banned: as not met, and where something is to be ignored as met.
    pub(super) fn first(
        &self,
        fields: &[Option<Value<'_>>],
        if_given_up: bool,
        mut gave_up: impl FnMut(&Regex),
    ) -> Option<usize> {
        self.alternatives.iter().position(|alternative| {
            alternative.conditions.iter().all(|condition| {
                let value = fields.get(condition.place).and_then(Option::as_ref);
                condition.test.holds(value).unwrap_or_else(|regex| {
                    gave_up(regex);
                    if_given_up
                })
            })
        })
    }
}

impl Alternative {
    fn parse(line: &str, places: &mut Places) -> Result<Self, WhenError> {
        let mut conditions = Vec::new();
        let mut literal = "";
        let mut rest = line;
        loop {
            let (path, behind) = Path::parse_front(rest.trim_start())?;
            let (operator, behind) = operator(behind.trim_start());
            let (values, behind) = match operator {
                "exists" | "missing" => (Vec::new(), behind),
                "in" => several(behind)?,
                _ => {
                    let (value, behind) = value(behind)?;
                    (value.into_iter().collect(), behind)
                }
            };
            let test = Test::new(operator, &values)?;
            if let (Test::Is(_), [only]) = (&test, values.as_slice())
                && number(only).is_none()
                && only.len() > literal.len()
                // What JSON has words for stands in the line as a word.
                && !only.contains(['"', '/'])
            {
                literal = only;
            }
            let place = places.add(&path).ok_or(WhenError::TooMany)?;
            conditions.push(Condition { place, test });
            if conditions.len() > MAX_CONDITIONS {
                return Err(WhenError::TooMany);
            }
            rest = behind.trim_start();
            if rest.is_empty() {
                break;
            }
            let (word, behind) = word(rest);
            if word != "and" {
                return Err(WhenError::Unexpected(word.to_owned()));
            }
            rest = behind;
        }
        let literal = (!literal.is_empty()).then(|| Finder::new(literal).into_owned());
        Ok(Self { conditions, literal })
    }
}

impl Test {
    fn new(operator: &str, values: &[&str]) -> Result<Self, WhenError> {
        let comparison = |comparison| {
            let text = only(operator, values)?;
            match number(text) {
                Some(_) => Ok(Self::Number(comparison, text.to_owned())),
                None => Err(WhenError::NoNumber(text.to_owned())),
            }
        };
        let regex = || {
            let regex = Regex::compile(only(operator, values)?, false, false).map_err(WhenError::Regex)?;
            Ok::<_, WhenError>(Arc::new(regex))
        };
        Ok(match operator {
            "exists" => Self::Exists,
            "missing" => Self::Missing,
            "=" | "in" => {
                only(operator, values)?;
                Self::Is(values.iter().map(|&value| value.to_owned()).collect())
            }
            "!=" => Self::IsNot(only(operator, values)?.to_owned()),
            "~" => Self::Matches(regex()?),
            "!~" => Self::MatchesNot(regex()?),
            "<" => comparison(Comparison::Below)?,
            "<=" => comparison(Comparison::AtMost)?,
            ">" => comparison(Comparison::Above)?,
            ">=" => comparison(Comparison::AtLeast)?,
            _ => {
                return Err(WhenError::Operator {
                    found: operator.to_owned(),
                });
            }
        })
    }

    /// Whether it is met; the expression whose search was given up.
    fn holds(&self, value: Option<&Value<'_>>) -> Result<bool, &Regex> {
        let text = value.and_then(Value::text);
        Ok(match self {
            Self::Exists => value.is_some_and(|value| *value != Value::Null),
            Self::Missing => value.is_none_or(|value| *value == Value::Null),
            Self::Is(wanted) => value.is_some_and(|value| wanted.iter().any(|wanted| is(value, wanted))),
            Self::IsNot(unwanted) => text.is_some() && value.is_some_and(|value| !is(value, unwanted)),
            Self::Matches(regex) => match text {
                Some(text) => regex.is_match(text).map_err(|StepLimit| &**regex)?,
                None => false,
            },
            Self::MatchesNot(regex) => match text {
                Some(text) => !regex.is_match(text).map_err(|StepLimit| &**regex)?,
                None => false,
            },
            Self::Number(comparison, bound) => match (text.and_then(number), number(bound)) {
                (Some(number), Some(bound)) => match comparison {
                    Comparison::Below => number < bound,
                    Comparison::AtMost => number <= bound,
                    Comparison::Above => number > bound,
                    Comparison::AtLeast => number >= bound,
                },
                _ => false,
            },
        })
    }
}

/// Whether a value is what is written in a condition: the same text, or where the line has a number the same number.
fn is(value: &Value<'_>, wanted: &str) -> bool {
    let same_number = || match (value, number(wanted)) {
        (Value::Number(text), Some(wanted)) => number(text) == Some(wanted),
        _ => false,
    };
    value.text() == Some(wanted) || same_number()
}

/// The number that a text is.
fn number(text: &str) -> Option<f64> {
    // `inf` and `nan` would be numbers, too.
    let is_number = text.starts_with(|first: char| first.is_ascii_digit() || first == '-' || first == '.')
        && text.ends_with(|last: char| last.is_ascii_digit() || last == '.');
    text.parse()
        .ok()
        .filter(|number: &f64| is_number && number.is_finite())
}

/// The first value, where one must be there.
fn only<'a>(operator: &str, values: &[&'a str]) -> Result<&'a str, WhenError> {
    values
        .first()
        .copied()
        .ok_or_else(|| WhenError::NoValue(operator.to_owned()))
}

/// The operator at the front; and what is behind it.
fn operator(text: &str) -> (&str, &str) {
    let is_sign = |c: char| "=!~<>".contains(c);
    if !text.starts_with(is_sign) {
        return word(text);
    }
    let end = text.find(|c| !is_sign(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// The word at the front; and what is behind it.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at(end)
}

/// The values at the front, up to `and` or the end; and what is behind them.
fn several(text: &str) -> Result<(Vec<&str>, &str), WhenError> {
    let mut values = Vec::new();
    let mut rest = text;
    while word(rest.trim_start()).0 != "and" {
        let (Some(next), behind) = value(rest)? else {
            break;
        };
        values.push(next);
        rest = behind;
    }
    Ok((values, rest))
}

/// The value at the front, quoted or not; and what is behind it. Within quotes every character is itself.
fn value(text: &str) -> Result<(Option<&str>, &str), WhenError> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|first| ['"', '\''].contains(first));
    if let Some(quote) = quote {
        let inside = text.get(1..).unwrap_or_default();
        let (value, behind) = inside
            .split_once(quote)
            .ok_or_else(|| WhenError::OpenQuote(text.to_owned()))?;
        if let Some(next) = behind.chars().next().filter(|next| !next.is_whitespace()) {
            return Err(WhenError::Unexpected(next.to_string()));
        }
        return Ok((Some(value), behind));
    }
    let (value, behind) = word(text);
    Ok(((!value.is_empty()).then_some(value), behind))
}

#[cfg(test)]
mod tests {
    use super::When;
    use crate::structured::json::Places;

    const LINE: &str = r#"{"status":401,"size":1.0,"uri":"/log in?a=\"b","user":"","ok":false,"none":null,"list":["x"],"n":"7","logger":"http.log.access"}"#;

    fn holds(text: &str, line: &str) -> Result<Option<usize>, String> {
        let mut places = Places::default();
        let when = When::parse(text, &mut places).map_err(|(_, error)| error.to_string())?;
        let fields = places.read(line).expect("valid");
        let found = when.first(&fields, false, |_| {});
        assert!(
            found.is_none() || when.could_hold(line),
            "{text}: the gate keeps nothing away that holds"
        );
        Ok(found)
    }

    #[test]
    fn conditions() {
        let cases = [
            ("status = 401", true),
            ("status=401", true),
            ("status = 401.0", true),
            ("status = 40", false),
            ("status != 401", false),
            ("status != 200", true),
            ("status in 403 401 and size = 1", true),
            ("status in 403 404", false),
            ("status >= 400 and status < 500", true),
            ("status > 401", false),
            ("status <= 401.5", true),
            ("n = 7", true),
            ("n = 7.0", false),
            ("n > 6", true),
            ("uri ~ ^/log", true),
            ("uri ~ '^/log in\\?a=\"b$'", true),
            ("uri !~ ^/admin", true),
            ("uri !~ ^/log", false),
            ("uri = '/log in?a=\"b'", true),
            ("logger = http.log.access", true),
            ("logger = http.log.other", false),
            ("user = ''", true),
            ("user exists", true),
            ("ok = false", true),
            ("none exists", false),
            ("none missing", true),
            ("none != 1", false),
            ("list exists", true),
            ("list = x", false),
            ("list[0] = x", true),
            ("list[1] missing", true),
            ("gone != 1", false),
            ("gone !~ x", false),
            ("gone missing and status = 401", true),
            ("gone = 1\nstatus = 401", true),
            ("in in 1\nlist in a b", false),
        ];
        for (text, expected) in cases {
            assert_eq!(
                holds(text, LINE).map(|found| found.is_some()),
                Ok(expected),
                "{text}"
            );
        }
        assert_eq!(
            holds("gone = 1\n\n status = 401\nuri exists", LINE),
            Ok(Some(1)),
            "the first"
        );
    }

    #[test]
    fn mistakes() {
        let cases = [
            ("status", "`` compares nothing"),
            ("status == 401", "`=` is meant"),
            ("uri =~ x", "`~` is meant"),
            ("status is 401", "`is` compares nothing"),
            ("status =", "`=` has nothing to compare with"),
            ("status in", "`in` has nothing to compare with"),
            ("status in and a = 1", "`in` has nothing to compare with"),
            ("status > x", "`x` is no number"),
            ("status > nan", "`nan` is no number"),
            ("uri ~ (", "the expression cannot be compiled: missing )"),
            ("uri = 'x", "the quote of 'x is not closed"),
            ("uri = 'x'y", "`y` stands where only `and` can"),
            ("a = 1 or b = 2", "`or` stands where only `and` can"),
            ("a = 1 and", "a name is missing"),
            ("a. = 1", "a name is missing behind `a.`"),
            ("a[b] = 1", "[b] is no place in a list"),
            ("= 1", "a name is missing"),
        ];
        for (text, expected) in cases {
            let error = holds(text, LINE).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_literal_may_be_hidden_by_escapes_only() {
        let mut places = Places::default();
        let when = When::parse("msg = refused", &mut places).expect("a condition");
        for (line, expected) in [
            (r#"{"msg":"refused"}"#, true),
            (r#"{"msg":"other"}"#, false),
            (r#"{"msg":"re\u0066used"}"#, true),
        ] {
            assert_eq!(when.could_hold(line), expected, "{line}");
        }
    }
}
