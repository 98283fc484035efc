//! The rules of Python for white space, words, numbers and truth, which the configuration inherits.

use std::borrow::Cow;

use stockade_protocol::Value;

/// White space as Python's `str.strip` has it: Unicode's, and the four separators from U+001C.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

pub(crate) fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

pub(crate) fn strip_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

/// A character of a word, as in `\w`.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// In lower case; most names are.
pub(crate) fn lower(name: &str) -> Cow<'_, str> {
    if name
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
    {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.to_lowercase())
    }
}

/// What stands from byte `at` on; empty past the end.
pub(crate) fn tail(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

/// What stands before byte `at`; everything past the end.
pub(crate) fn head(text: &str, at: usize) -> &str {
    text.get(..at).unwrap_or(text)
}

/// Text as a Python literal.
pub(crate) fn quote(text: &str) -> String {
    Value::from(text).repr()
}

/// Any text but these words is false.
pub(crate) fn truth(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "1" | "on" | "true" | "yes")
}

/// A whole number as `int()` reads it.
pub(crate) fn integer(text: &str) -> Option<Value> {
    /// Python refuses longer numbers, to keep the conversion from taking quadratic time.
    const LONGEST: usize = 4300;
    let text = strip(text);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let digits: String = digits.chars().map(western).collect();
    let groups_are_digits = digits
        .split('_')
        .all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    let digits = digits.replace('_', "");
    if !groups_are_digits || digits.len() > LONGEST {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let number = format!("{sign}{}", if significant.is_empty() { "0" } else { significant });
    Some(number.parse().map_or_else(|_| Value::BigInt(number), Value::Int))
}

/// A decimal digit of any script as one of ours; everything else as it is.
fn western(c: char) -> char {
    /// The zeros of the other scripts; nine digits follow each.
    const ZEROS: [char; 65] = [
        '\u{660}',
        '\u{6f0}',
        '\u{7c0}',
        '\u{966}',
        '\u{9e6}',
        '\u{a66}',
        '\u{ae6}',
        '\u{b66}',
        '\u{be6}',
        '\u{c66}',
        '\u{ce6}',
        '\u{d66}',
        '\u{de6}',
        '\u{e50}',
        '\u{ed0}',
        '\u{f20}',
        '\u{1040}',
        '\u{1090}',
        '\u{17e0}',
        '\u{1810}',
        '\u{1946}',
        '\u{19d0}',
        '\u{1a80}',
        '\u{1a90}',
        '\u{1b50}',
        '\u{1bb0}',
        '\u{1c40}',
        '\u{1c50}',
        '\u{a620}',
        '\u{a8d0}',
        '\u{a900}',
        '\u{a9d0}',
        '\u{a9f0}',
        '\u{aa50}',
        '\u{abf0}',
        '\u{ff10}',
        '\u{104a0}',
        '\u{10d30}',
        '\u{11066}',
        '\u{110f0}',
        '\u{11136}',
        '\u{111d0}',
        '\u{112f0}',
        '\u{11450}',
        '\u{114d0}',
        '\u{11650}',
        '\u{116c0}',
        '\u{11730}',
        '\u{118e0}',
        '\u{11950}',
        '\u{11c50}',
        '\u{11d50}',
        '\u{11da0}',
        '\u{16a60}',
        '\u{16ac0}',
        '\u{16b50}',
        '\u{1d7ce}',
        '\u{1d7d8}',
        '\u{1d7e2}',
        '\u{1d7ec}',
        '\u{1d7f6}',
        '\u{1e140}',
        '\u{1e2f0}',
        '\u{1e950}',
        '\u{1fbf0}',
    ];
    if c.is_ascii() {
        return c;
    }
    let digit = ZEROS
        .iter()
        .rfind(|zero| **zero <= c)
        .and_then(|zero| char::from_digit(u32::from(c) - u32::from(*zero), 10));
    digit.unwrap_or(c)
}

/// Words separated by white space and commas.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| is_space(c) || c == ',')
        .filter(|word| !word.is_empty())
}

/// The path of `name` seen from `directory`, as `os.path.join` has it.
pub(crate) fn join(directory: &str, name: &str) -> String {
    if name.starts_with('/') || directory.is_empty() {
        name.to_owned()
    } else if directory.ends_with('/') {
        format!("{directory}{name}")
    } else {
        format!("{directory}/{name}")
    }
}

/// The directory of a path, as `os.path.dirname` has it.
pub(crate) fn dirname(path: &str) -> &str {
    let Some(slash) = path.rfind('/') else { return "" };
    let directory = head(path, slash + 1);
    let trimmed = directory.trim_end_matches('/');
    if trimmed.is_empty() { directory } else { trimmed }
}

/// The last part of a path, as `os.path.basename` has it.
pub(crate) fn basename(path: &str) -> &str {
    tail(path, path.rfind('/').map_or(0, |slash| slash + 1))
}

/// A path without its extension, as `os.path.splitext` has it.
pub(crate) fn without_extension(path: &str) -> &str {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let leading_dots = tail(path, name).bytes().take_while(|byte| *byte == b'.').count();
    match path.rfind('.') {
        Some(dot) if dot >= name + leading_dots => head(path, dot),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::{dirname, integer, join, truth, without_extension, words};

    #[test]
    fn reads_integers_as_python_does() {
        let cases: [(&str, Option<&str>); 17] = [
            ("5", Some("5")),
            ("+1_000", Some("1000")),
            (" 07 ", Some("7")),
            ("-5", Some("-5")),
            ("-0", Some("0")),
            ("\u{1f}5\u{a0}", Some("5")),
            ("99999999999999999999", Some("99999999999999999999")),
            ("-099999999999999999999", Some("-99999999999999999999")),
            ("", None),
            ("-", None),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("1.0", None),
            ("0x1", None),
            ("- 1", None),
            ("five", None),
        ];
        for (text, expected) in cases {
            assert_eq!(
                integer(text).map(|number| number.repr()).as_deref(),
                expected,
                "{text:?}"
            );
        }
        assert_eq!(integer(&"1".repeat(4301)), None, "longer than Python converts");
    }

    #[test]
    fn knows_four_words_for_yes() {
        for (text, expected) in [
            ("1", true),
            ("On", true),
            ("TRUE", true),
            ("yes", true),
            ("y", false),
            ("", false),
            ("2", false),
            ("true # comment", false),
        ] {
            assert_eq!(truth(text), expected, "{text:?}");
        }
    }

    #[test]
    fn splits_and_joins_paths_as_python_does() {
        for (path, expected) in [
            ("a/b.conf", "a/b"),
            ("a.d/b", "a.d/b"),
            ("a/.b", "a/.b"),
            ("a/..b", "a/..b"),
            ("a/.b.c", "a/.b"),
            ("x.y.z", "x.y"),
            ("a/", "a/"),
        ] {
            assert_eq!(without_extension(path), expected, "{path}");
        }
        for (path, expected) in [
            ("a/b", "a"),
            ("b", ""),
            ("/b", "/"),
            ("a//b", "a"),
            ("a/b/", "a/b"),
        ] {
            assert_eq!(dirname(path), expected, "{path}");
        }
        for (directory, name, expected) in [
            ("a", "b", "a/b"),
            ("a/", "b", "a/b"),
            ("", "b", "b"),
            ("a", "/b", "/b"),
            ("a", "", "a/"),
        ] {
            assert_eq!(join(directory, name), expected, "{directory} {name}");
        }
    }

    #[test]
    fn splits_words_at_white_space_and_commas() {
        assert_eq!(
            words(" a, b ,c\n\td,, e\u{a0}f ").collect::<Vec<_>>(),
            ["a", "b", "c", "d", "e", "f"]
        );
    }
}
