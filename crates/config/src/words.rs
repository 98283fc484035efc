//! Splitting a line the way a POSIX shell does, for `journalmatch`.
//!
//! Quotes and backslashes as in the shell, no comments, no expansion.

use crate::{Error, Span};

/// The words of a line.
pub(crate) fn split(line: &str, at: Option<&Span>) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => {
                let escaped = characters
                    .next()
                    .ok_or_else(|| Error::NoEscapedCharacter { at: at.cloned() })?;
                word.get_or_insert_default().push(escaped);
            }
            '\'' | '"' => quoted(c, &mut characters, word.get_or_insert_default(), at)?,
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Takes characters up to the closing quote.
fn quoted(
    quote: char,
    characters: &mut impl Iterator<Item = char>,
    word: &mut String,
    at: Option<&Span>,
) -> Result<(), Error> {
    let open = || Error::NoClosingQuotation { at: at.cloned() };
    loop {
        let c = characters.next().ok_or_else(open)?;
        if c == quote {
            return Ok(());
        }
        if c == '\\' && quote == '"' {
            let escaped = characters
                .next()
                .ok_or_else(|| Error::NoEscapedCharacter { at: at.cloned() })?;
            // Within double quotes a backslash stays, unless it protects itself or the quote.
            if escaped != '\\' && escaped != quote {
                word.push('\\');
            }
            word.push(escaped);
        } else {
            word.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;
    use crate::Error;

    #[test]
    fn splits_as_a_shell_does() {
        let cases: [(&str, &[&str]); 10] = [
            ("", &[]),
            ("  _COMM=a\t+  b ", &["_COMM=a", "+", "b"]),
            ("'a b'c \"d e\"", &["a bc", "d e"]),
            ("a\\ b \\'", &["a b", "'"]),
            ("'' \"\"", &["", ""]),
            ("\"a\\\"b\\\\c\\d\"", &["a\"b\\c\\d"]),
            ("'a\\'", &["a\\"]),
            ("a#b # c", &["a#b", "#", "c"]),
            ("a'b'\"c\"", &["abc"]),
            ("a\u{a0}b", &["a\u{a0}b"]),
        ];
        for (line, expected) in cases {
            assert_eq!(
                split(line, None).expect("it is well formed"),
                expected,
                "{line:?}"
            );
        }
    }

    #[test]
    fn refuses_what_is_not_closed() {
        for (line, expected) in [
            ("'a", Error::NoClosingQuotation { at: None }),
            ("\"a", Error::NoClosingQuotation { at: None }),
            ("a\\", Error::NoEscapedCharacter { at: None }),
            ("\"a\\", Error::NoEscapedCharacter { at: None }),
        ] {
            assert_eq!(split(line, None), Err(expected), "{line:?}");
        }
    }
}
