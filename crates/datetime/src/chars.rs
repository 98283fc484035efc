//! What counts as a digit, a word character, a blank: for the reference these are classes of Unicode.
//!
//! Nearly all characters of logs are ASCII and decided by a comparison; the tables are for the rest.

use std::sync::LazyLock;

/// Whether `\w` matches: a letter or a number of any script, or `_`. Combining marks are not.
pub(crate) fn is_word(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || c == '_'
    } else {
        c.is_numeric() || within(&LETTERS, c).is_some()
    }
}

/// Whether `\s` matches: white space, and the four ASCII separators.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// Whether `\d` matches: a decimal digit of any script.
pub(crate) fn is_digit(c: char) -> bool {
    digit(c).is_some()
}

/// The value of a decimal digit of any script.
pub(crate) fn digit(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.to_digit(10).and_then(|value| u8::try_from(value).ok());
    }
    // Each script's digits stand together, zero first, so a run's place tells the value.
    let first = within(&DIGITS, c)?;
    u8::try_from((u32::from(c) - u32::from(first)) % 10).ok()
}

/// The first character of the range of `table` that `c` is in.
fn within(table: &[(char, char)], c: char) -> Option<char> {
    let at = table.partition_point(|(_, last)| *last < c);
    table
        .get(at)
        .filter(|(first, _)| *first <= c)
        .map(|(first, _)| *first)
}

static LETTERS: LazyLock<Vec<(char, char)>> = LazyLock::new(|| ranges(r"\p{L}"));
static DIGITS: LazyLock<Vec<(char, char)>> = LazyLock::new(|| ranges(r"\p{Nd}"));

/// The ranges of a class of Unicode, in order.
fn ranges(class: &str) -> Vec<(char, char)> {
    let hir = regex_syntax::parse(class).expect("a class that the tables have");
    let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) = hir.kind() else {
        return Vec::new();
    };
    class
        .ranges()
        .iter()
        .map(|range| (range.start(), range.end()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{digit, is_digit, is_space, is_word};

    #[test]
    fn classes_are_those_of_unicode() {
        for (c, word, space, value) in [
            ('7', true, false, Some(7)),
            ('_', true, false, None),
            ('-', false, false, None),
            ('é', true, false, None),
            ('\u{0663}', true, false, Some(3)),
            ('\u{1d7d9}', true, false, Some(1)),
            ('\u{00bd}', true, false, None),
            ('\u{0301}', false, false, None),
            ('\u{093e}', false, false, None),
            ('\u{24b6}', false, false, None),
            ('\u{fffd}', false, false, None),
            ('\u{a0}', false, true, None),
            ('\u{1c}', false, true, None),
            ('\u{85}', false, true, None),
        ] {
            assert_eq!(
                (is_word(c), is_space(c), is_digit(c), digit(c)),
                (word, space, value.is_some(), value),
                "{c:?}"
            );
        }
    }
}
