//! A line of interactive mode → its words, as a shell splits them.
//!
//! In: a line. Out: words without their quotes; or what is missing at its end.

/// Why a line cannot be split; the texts are Python's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A quote is open at the end.
    #[error("No closing quotation")]
    OpenQuote,
    /// A backslash stands at the end.
    #[error("No escaped character")]
    OpenEscape,
}

/// Splits a line at blanks; quotes and backslashes keep blanks within a word. Nothing is a comment.
///
/// # Errors
///
/// Where a quote or an escape is open at the end.
pub fn split(line: &str) -> Result<Vec<String>, SplitError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => {
                let next = characters.next().ok_or(SplitError::OpenEscape)?;
                word.get_or_insert_default().push(next);
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or(SplitError::OpenQuote)? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or(SplitError::OpenQuote)? {
                        '"' => break,
                        // Between double quotes a backslash escapes only these two.
                        '\\' => match characters.next().ok_or(SplitError::OpenEscape)? {
                            escaped @ ('"' | '\\') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::{SplitError, split};

    #[test]
    fn a_line_is_split_as_python_splits_it() {
        let cases: [(&str, &[&str]); 12] = [
            ("", &[]),
            ("  \t ", &[]),
            ("set j maxretry 5", &["set", "j", "maxretry", "5"]),
            ("echo \"a b\" c", &["echo", "a b", "c"]),
            ("a'b c'd", &["ab cd"]),
            ("''", &[""]),
            ("\"\"x", &["x"]),
            ("a\\ b", &["a b"]),
            (r#""\d \" \\ \n""#, &[r#"\d " \ \n"#]),
            (r"'\d'", &[r"\d"]),
            ("a #b", &["a", "#b"]),
            ("a\u{a0}b", &["a\u{a0}b"]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for (line, error) in [
            ("set x 'y", SplitError::OpenQuote),
            ("\"", SplitError::OpenQuote),
            ("a\\", SplitError::OpenEscape),
            ("\"a\\", SplitError::OpenEscape),
        ] {
            assert_eq!(split(line), Err(error), "{line}");
        }
    }
}
