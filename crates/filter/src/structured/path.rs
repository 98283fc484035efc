//! Where a value stands in a structured line.
//!
//! In: `request.headers."User-Agent"[0]`. Out: the steps that lead there from the outermost object.

use std::fmt;

/// A step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Into an object.
    Key(String),
    /// Into an array.
    Index(usize),
}

/// The steps to a value; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Step>);

/// The most steps of a path.
const MAX_STEPS: usize = 16;

/// The highest index; nobody counts further by hand.
const MAX_INDEX: usize = 9999;

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is empty, or a key is.
    #[error("a name is missing{}; write a path such as request.remote_ip", behind(.before))]
    NoKey {
        /// What stands before it.
        before: String,
    },
    /// A quote is not closed.
    #[error("the quote of {0} is not closed")]
    OpenQuote(
        /// The rest from the quote on.
        String,
    ),
    /// What is in brackets is no index.
    #[error(
        "[{0}] is no place in a list; write a number from 0 to {MAX_INDEX}, such as headers.Cookie[0], and names without brackets"
    )]
    BadIndex(
        /// What is in the brackets.
        String,
    ),
    /// A list cannot be the outermost.
    #[error("a line is no list; begin with a name, such as request.remote_ip")]
    IndexFirst,
    /// Something stands behind a step that is none.
    #[error(
        "`{0}` cannot stand in a path; put a name with anything but letters, digits, _, -, @, / and : in quotes"
    )]
    Unexpected(
        /// The rest.
        String,
    ),
    /// It is too long.
    #[error("the path has more than {MAX_STEPS} steps")]
    TooLong,
}

fn behind(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(" behind `{text}`")
    }
}

impl Path {
    /// Reads a text that is a path as a whole.
    pub(super) fn parse(text: &str) -> Result<Self, PathError> {
        let text = text.trim();
        let (path, rest) = Self::parse_front(text)?;
        if rest.is_empty() {
            Ok(path)
        } else {
            Err(PathError::Unexpected(rest.to_owned()))
        }
    }

    /// Reads the path that `text` begins with; and what is behind it.
    pub(super) fn parse_front(text: &str) -> Result<(Self, &str), PathError> {
        let mut steps = Vec::new();
        let mut rest = text;
        if rest.starts_with('[') {
            return Err(PathError::IndexFirst);
        }
        loop {
            let (step, behind) = match rest.strip_prefix('[') {
                Some(inside) if !steps.is_empty() => {
                    let (index, behind) = inside
                        .split_once(']')
                        .ok_or_else(|| PathError::BadIndex(inside.to_owned()))?;
                    let is_number = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
                    let number = index
                        .parse()
                        .ok()
                        .filter(|&index| is_number && index <= MAX_INDEX);
                    let number = number.ok_or_else(|| PathError::BadIndex(index.to_owned()))?;
                    (Step::Index(number), behind)
                }
                Some(_) | None => {
                    let (key, behind) = key(rest)?;
                    if key.is_empty() {
                        let done = text.len() - rest.len();
                        let before = text.get(..done).unwrap_or_default();
                        return Err(PathError::NoKey {
                            before: before.to_owned(),
                        });
                    }
                    (Step::Key(key.to_owned()), behind)
                }
            };
            steps.push(step);
            if steps.len() > MAX_STEPS {
                return Err(PathError::TooLong);
            }
            rest = match behind.strip_prefix('.') {
                Some(behind) => behind,
                None if behind.starts_with('[') => behind,
                None => return Ok((Self(steps), behind)),
            };
            if behind.starts_with('.') && rest.starts_with('[') {
                return Err(PathError::NoKey {
                    before: text.to_owned(),
                });
            }
        }
    }
}

/// The name at the front, quoted or not; and what is behind it.
fn key(text: &str) -> Result<(&str, &str), PathError> {
    let quote = text.chars().next().filter(|first| ['"', '\''].contains(first));
    if let Some(quote) = quote {
        let inside = text.get(1..).unwrap_or_default();
        return inside
            .split_once(quote)
            .ok_or_else(|| PathError::OpenQuote(text.to_owned()));
    }
    let is_bare = |c: char| c.is_alphanumeric() || "_-@/:$".contains(c);
    let end = text.find(|c| !is_bare(c)).unwrap_or(text.len());
    Ok(text.split_at(end))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if number == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn paths() {
        let cases = [
            ("ts", "Ok(\"ts\")"),
            (" request.remote_ip ", "Ok(\"request.remote_ip\")"),
            (
                "request.headers.\"User-Agent\"[0]",
                "Ok(\"request.headers.User-Agent[0]\")",
            ),
            ("'log.level'.x", "Ok(\"log.level.x\")"),
            ("a[1][2].b", "Ok(\"a[1][2].b\")"),
            ("@timestamp", "Ok(\"@timestamp\")"),
            ("", "Err(NoKey { before: \"\" })"),
            ("a..b", "Err(NoKey { before: \"a.\" })"),
            ("a.", "Err(NoKey { before: \"a.\" })"),
            ("\"\"", "Err(NoKey { before: \"\" })"),
            ("a.[0]", "Err(NoKey { before: \"a.[0]\" })"),
            ("[0]", "Err(IndexFirst)"),
            ("a[-1]", "Err(BadIndex(\"-1\"))"),
            ("a[+1]", "Err(BadIndex(\"+1\"))"),
            ("a[x]", "Err(BadIndex(\"x\"))"),
            ("a[10000]", "Err(BadIndex(\"10000\"))"),
            ("a[0", "Err(BadIndex(\"0\"))"),
            ("a b", "Err(Unexpected(\" b\"))"),
            ("a.\"b", "Err(OpenQuote(\"\\\"b\"))"),
        ];
        for (text, expected) in cases {
            let path = Path::parse(text).map(|path| path.to_string());
            assert_eq!(format!("{path:?}"), expected, "{text}");
        }
        assert!(Path::parse(&["a"; 17].join(".")).is_err(), "too long");
    }
}
