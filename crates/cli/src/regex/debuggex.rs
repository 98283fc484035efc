//! Lines as addresses at debuggex.com, which shows how an expression matches.
//!
//! In: lines and expressions. Out: a text for each pair of them.

use std::fmt::Write as _;
use std::sync::Arc;

use stockade_filter::Regex;

/// A text for each line and each expression.
pub(super) fn lines(lines: &[String], regexes: &[Arc<Regex>], multiline: bool) -> Vec<String> {
    lines
        .iter()
        .flat_map(|line| regexes.iter().map(move |regex| pair(line, regex, multiline)))
        .collect()
}

fn pair(line: &str, regex: &Regex, multiline: bool) -> String {
    let flags = if multiline { "&flags=m" } else { "" };
    format!(
        "{line} | {} |  https://www.debuggex.com/?re={}&str={}&flavor=python{flags}",
        regex.source(),
        quoted(regex.expanded()),
        quoted(line),
    )
}

/// A text as a form of the web sends it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => write!(out, "%{byte:02X}").expect("a text takes everything"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn texts_are_quoted_as_forms_are() {
        assert_eq!(quoted("a b+c/é~_.-\n"), "a+b%2Bc%2F%C3%A9~_.-%0A");
    }
}
