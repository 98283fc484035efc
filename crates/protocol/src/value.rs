//! The plain data that travels over the control socket, in Python's terms.
//!
//! In: what a pickle held, or what the daemon answers. Out: the same as Python would print it
//! ([`Value::repr`], [`Value::text`]) and as numbers where Python would take it for one.
//!
//! Invariant: a value that came from a pickle is at most [`crate::pickle::MAX_DEPTH`] deep, so that the
//! functions here may recurse.

use crate::Failure;

/// A value as Python would hold it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int` that fits 64 bits.
    Int(i64),
    /// An `int` that does not, in decimal digits with a `-` where negative.
    BigInt(String),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Str(String),
    /// A `bytes`.
    Bytes(Vec<u8>),
    /// A `list`.
    List(Vec<Self>),
    /// A `tuple`.
    Tuple(Vec<Self>),
    /// A `dict`, in insertion order.
    Dict(Vec<(Self, Self)>),
    /// A `set` or `frozenset`.
    Set(Vec<Self>),
    /// An exception.
    Exception(Box<Failure>),
}

impl Value {
    /// A `tuple` of two.
    #[must_use]
    pub fn pair(first: impl Into<Self>, second: impl Into<Self>) -> Self {
        Self::Tuple(vec![first.into(), second.into()])
    }

    /// A `list` of what `items` yields.
    #[must_use]
    pub fn list<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }

    /// The text of a `str`.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Str(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The elements of a `list` or `tuple`.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        if let Self::List(items) | Self::Tuple(items) = self {
            Some(items)
        } else {
            None
        }
    }

    /// What a `dict` holds under a `str`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(pairs) = self else {
            return None;
        };
        pairs
            .iter()
            .find(|(k, _)| k.as_str() == Some(key))
            .map(|(_, value)| value)
    }

    /// The name of its Python type, such as `str` or `NoneType`.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::BigInt(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::Set(_) => "set",
            Self::Exception(failure) => &failure.class,
        }
    }

    /// What Python's `int(…)` makes of it; the failure is the one that Python raises.
    ///
    /// # Errors
    ///
    /// `ValueError` or `TypeError` with Python's text; `OverflowError` for what does not fit 64 bits.
    pub fn int(&self) -> Result<i64, Failure> {
        match self {
            Self::Bool(value) => Ok(i64::from(*value)),
            Self::Int(value) => Ok(*value),
            Self::BigInt(_) => Err(too_large()),
            Self::Float(value) if value.is_nan() => {
                Err(Failure::value_error("cannot convert float NaN to integer"))
            }
            Self::Float(value) if value.is_infinite() => Err(Failure::new(
                "builtins",
                "OverflowError",
                ["cannot convert float infinity to integer"],
            )),
            Self::Float(value) => format!("{:.0}", value.trunc()).parse().map_err(|_| too_large()),
            Self::Str(text) => int_of(text).unwrap_or_else(|| {
                Err(Failure::value_error(format!(
                    "invalid literal for int() with base 10: {}",
                    self.repr()
                )))
            }),
            Self::None
            | Self::Bytes(_)
            | Self::List(_)
            | Self::Tuple(_)
            | Self::Dict(_)
            | Self::Set(_)
            | Self::Exception(_) => Err(Failure::type_error(format!(
                "int() argument must be a string, a bytes-like object or a real number, not '{}'",
                self.type_name()
            ))),
        }
    }

    /// What Python's `float(…)` makes of it; the failure is the one that Python raises.
    ///
    /// # Errors
    ///
    /// `ValueError` or `TypeError` with Python's text.
    pub fn float(&self) -> Result<f64, Failure> {
        match self {
            Self::Bool(value) => Ok(if *value { 1.0 } else { 0.0 }),
            // The decimal form is the one conversion that rounds as Python does.
            Self::Int(value) => Ok(value.to_string().parse().unwrap_or(f64::NAN)),
            Self::BigInt(digits) => Ok(digits.parse().unwrap_or(f64::NAN)),
            Self::Float(value) => Ok(*value),
            Self::Str(text) => without_underscores(text.trim())
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(|| {
                    Failure::value_error(format!("could not convert string to float: {}", self.repr()))
                }),
            Self::None
            | Self::Bytes(_)
            | Self::List(_)
            | Self::Tuple(_)
            | Self::Dict(_)
            | Self::Set(_)
            | Self::Exception(_) => Err(Failure::type_error(format!(
                "float() argument must be a string or a real number, not '{}'",
                self.type_name()
            ))),
        }
    }

    /// The text of a `str`; for anything else what Python's `re` says that gets it in place of one.
    ///
    /// # Errors
    ///
    /// `TypeError` with Python's text.
    pub fn searchable(&self) -> Result<&str, Failure> {
        self.as_str().ok_or_else(|| {
            if let Self::Bytes(_) = self {
                Failure::type_error("cannot use a string pattern on a bytes-like object")
            } else {
                Failure::type_error(format!(
                    "expected string or bytes-like object, got '{}'",
                    self.type_name()
                ))
            }
        })
    }

    /// The text of a `str`; for anything else what Python says where it has not the method of one.
    ///
    /// # Errors
    ///
    /// `AttributeError` with Python's text.
    pub fn text_with(&self, method: &str) -> Result<&str, Failure> {
        self.as_str().ok_or_else(|| {
            Failure::attribute_error(format!(
                "'{}' object has no attribute '{method}'",
                self.type_name()
            ))
        })
    }

    /// Refuses what Python cannot find in a `dict` or `set`.
    ///
    /// # Errors
    ///
    /// `TypeError` with Python's text.
    pub fn hashable(&self) -> Result<&Self, Failure> {
        match self {
            Self::List(_) | Self::Dict(_) | Self::Set(_) => Err(Failure::type_error(format!(
                "unhashable type: '{}'",
                self.type_name()
            ))),
            Self::None
            | Self::Bool(_)
            | Self::Int(_)
            | Self::BigInt(_)
            | Self::Float(_)
            | Self::Str(_)
            | Self::Bytes(_)
            | Self::Tuple(_)
            | Self::Exception(_) => Ok(self),
        }
    }

    /// Whether Python takes it for true where it asks for no more.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(items) | Self::Tuple(items) | Self::Set(items) => !items.is_empty(),
            Self::Dict(pairs) => !pairs.is_empty(),
            Self::BigInt(_) | Self::Exception(_) => true,
        }
    }

    /// What Python's `repr` writes for it.
    #[must_use]
    pub fn repr(&self) -> String {
        let mut literal = Vec::new();
        self.write_repr(&mut literal);
        String::from_utf8(literal).expect("what is not ASCII is written whole")
    }

    /// What Python's `str` writes for it: a text as it is, everything else as [`Value::repr`], and an
    /// exception as its message.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Str(text) => text.clone(),
            Self::Exception(failure) => failure.text(),
            Self::None
            | Self::Bool(_)
            | Self::Int(_)
            | Self::BigInt(_)
            | Self::Float(_)
            | Self::Bytes(_)
            | Self::List(_)
            | Self::Tuple(_)
            | Self::Dict(_)
            | Self::Set(_) => self.repr(),
        }
    }
}

/// An integer as Python reads one, or nothing where it is not one; the inner failure is for one too large.
fn int_of(text: &str) -> Option<Result<i64, Failure>> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = without_underscores(digits)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    Some(format!("{sign}{digits}").parse().map_err(|_| too_large()))
}

/// The text without the single underscores that Python allows between two digits; nothing where one stands
/// elsewhere.
fn without_underscores(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut after_digit = false;
    while let Some(character) = characters.next() {
        if character == '_' {
            if !after_digit || !characters.peek().is_some_and(char::is_ascii_digit) {
                return None;
            }
        } else {
            out.push(character);
        }
        after_digit = character.is_ascii_digit();
    }
    Some(out)
}

fn too_large() -> Failure {
    Failure::new(
        "builtins",
        "OverflowError",
        ["Python int too large to convert to C long"],
    )
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Str(text.clone())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or_else(|_| Self::BigInt(value.to_string()), Self::Int)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        i64::try_from(value).map_or_else(|_| Self::BigInt(value.to_string()), Self::Int)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::list(items)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

impl From<Failure> for Value {
    fn from(failure: Failure) -> Self {
        Self::Exception(Box::new(failure))
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Value};

    #[test]
    fn a_value_prints_as_python_prints_it() {
        let cases: [(Value, &str); 47] = [
            (Value::None, "None"),
            (true.into(), "True"),
            (false.into(), "False"),
            (0.into(), "0"),
            ((-7_i64).into(), "-7"),
            (
                Value::BigInt("100000000000000000000".into()),
                "100000000000000000000",
            ),
            (0.1.into(), "0.1"),
            (600.0.into(), "600.0"),
            (1e-4.into(), "0.0001"),
            (1e-5.into(), "1e-05"),
            (1.25e-5.into(), "1.25e-05"),
            (1e15.into(), "1000000000000000.0"),
            (1e16.into(), "1e+16"),
            (1.5e16.into(), "1.5e+16"),
            (123_456_789_012_345_680.0.into(), "1.2345678901234568e+17"),
            ((-0.0).into(), "-0.0"),
            (5e-324.into(), "5e-324"),
            (140_142_757_740_198.13.into(), "140142757740198.12"),
            (1_910_399_627_080_190.3.into(), "1910399627080190.2"),
            (123_456.789.into(), "123456.789"),
            ((-12.5).into(), "-12.5"),
            (9_007_199_254_740_993.0.into(), "9007199254740992.0"),
            (1e100.into(), "1e+100"),
            (f64::INFINITY.into(), "inf"),
            (f64::NEG_INFINITY.into(), "-inf"),
            (f64::NAN.into(), "nan"),
            ("".into(), "''"),
            ("it's".into(), "\"it's\""),
            ("\"only\"".into(), "'\"only\"'"),
            ("both ' and \"".into(), "'both \\' and \"'"),
            ("a\\b\tc\r\n".into(), "'a\\\\b\\tc\\r\\n'"),
            ("café € 🔒".into(), "'café € 🔒'"),
            (
                "\u{1}\u{7f}\u{a0}\u{200b}\u{ad}".into(),
                "'\\x01\\x7f\\xa0\\u200b\\xad'",
            ),
            ("\u{2028}\u{e0001}".into(), "'\\u2028\\U000e0001'"),
            (Value::Bytes(b"\x00\n\xffa'".into()), "b\"\\x00\\n\\xffa'\""),
            (Value::List(vec![]), "[]"),
            (Value::list(["a", "b"]), "['a', 'b']"),
            (Value::Tuple(vec![]), "()"),
            (Value::Tuple(vec![1.into()]), "(1,)"),
            (Value::pair(1, 2), "(1, 2)"),
            (Value::Dict(vec![]), "{}"),
            (
                Value::Dict(vec![("a".into(), 1.into()), (2.into(), Value::None)]),
                "{'a': 1, 2: None}",
            ),
            (Value::Set(vec![]), "set()"),
            (Value::Set(vec![3.into()]), "{3}"),
            (Failure::value_error("x").into(), "ValueError('x')"),
            (
                Failure::unknown_jail("nojail").into(),
                "UnknownJailException('nojail')",
            ),
            (Value::list([Value::pair("k", Value::None)]), "[('k', None)]"),
        ];
        for (value, expected) in cases {
            assert_eq!(value.repr(), expected, "{value:?}");
        }
    }

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        let cases: [(Value, Result<i64, &str>); 20] = [
            (" 12 ".into(), Ok(12)),
            ("1_000".into(), Ok(1000)),
            ("+5".into(), Ok(5)),
            ("-5\n".into(), Ok(-5)),
            (1.9.into(), Ok(1)),
            ((-1.9).into(), Ok(-1)),
            (true.into(), Ok(1)),
            ("".into(), Err("invalid literal for int() with base 10: ''")),
            ("x".into(), Err("invalid literal for int() with base 10: 'x'")),
            (
                "a'b".into(),
                Err("invalid literal for int() with base 10: \"a'b\""),
            ),
            ("_1".into(), Err("invalid literal for int() with base 10: '_1'")),
            ("1_".into(), Err("invalid literal for int() with base 10: '1_'")),
            (
                "1__0".into(),
                Err("invalid literal for int() with base 10: '1__0'"),
            ),
            ("1.5".into(), Err("invalid literal for int() with base 10: '1.5'")),
            ("- 5".into(), Err("invalid literal for int() with base 10: '- 5'")),
            ("+-5".into(), Err("invalid literal for int() with base 10: '+-5'")),
            (f64::NAN.into(), Err("cannot convert float NaN to integer")),
            (
                f64::INFINITY.into(),
                Err("cannot convert float infinity to integer"),
            ),
            (
                Value::None,
                Err("int() argument must be a string, a bytes-like object or a real number, not 'NoneType'"),
            ),
            (
                "99999999999999999999".into(),
                Err("Python int too large to convert to C long"),
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(
                value.int().map_err(|failure| failure.text()),
                expected.map_err(str::to_owned),
                "{value:?}"
            );
        }
        let cases: [(Value, Result<f64, &str>); 9] = [
            ("1_0.5".into(), Ok(10.5)),
            (" 1. ".into(), Ok(1.0)),
            (".5".into(), Ok(0.5)),
            ("1e5".into(), Ok(1e5)),
            ("-Infinity".into(), Ok(f64::NEG_INFINITY)),
            (3.into(), Ok(3.0)),
            ("0x1".into(), Err("could not convert string to float: '0x1'")),
            ("".into(), Err("could not convert string to float: ''")),
            (
                Value::List(vec![]),
                Err("float() argument must be a string or a real number, not 'list'"),
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(
                value.float().map_err(|failure| failure.text()),
                expected.map_err(str::to_owned),
                "{value:?}"
            );
        }
    }
}
