//! What `-d` and `--dp` print of a command: Python's literals, on one line or broken at a thousand characters.

use stockade_protocol::{Command, Value};

use crate::text::{is_space, tail};

/// How wide a line of the pretty form may become.
const WIDTH: usize = 1000;
/// How far the elements of a list are indented.
const INDENT: usize = 2;

/// Writes a command as one Python literal; the pretty form is broken over several lines where it is longer than a
/// thousand characters.
pub(crate) fn dump(command: &Command, is_pretty: bool, out: &mut Vec<u8>) {
    if is_pretty {
        let mut text = String::new();
        pretty(&command.to_value(), 0, 0, &mut text);
        out.extend_from_slice(text.as_bytes());
    } else {
        command.write_repr(out);
    }
}

/// Writes a value at a column; `trailing` characters follow it on its last line.
fn pretty(value: &Value, column: usize, trailing: usize, out: &mut String) {
    let literal = value.repr();
    let fits = length(&literal) <= WIDTH.saturating_sub(column + trailing);
    if let (Value::List(items), false) = (value, fits) {
        let column = column + INDENT;
        out.push('[');
        out.push_str(&" ".repeat(INDENT - 1));
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                new_line(",", column, out);
            }
            let last = position + 1 == items.len();
            pretty(item, column, if last { trailing + 1 } else { 1 }, out);
        }
        out.push(']');
    } else if let (Value::Str(text), false) = (value, fits) {
        for (position, chunk) in chunks(text, WIDTH.saturating_sub(column), trailing)
            .iter()
            .enumerate()
        {
            if position > 0 {
                new_line("", column, out);
            }
            out.push_str(&chunk.repr());
        }
    } else {
        out.push_str(&literal);
    }
}

fn new_line(end: &str, column: usize, out: &mut String) {
    out.push_str(end);
    out.push('\n');
    out.push_str(&" ".repeat(column));
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A long text in pieces: at line ends, and within a line that is too long at words.
fn chunks(text: &str, width: usize, trailing: usize) -> Vec<Value> {
    let fits = |piece: &str, last: bool| {
        length(&Value::from(piece).repr()) <= width.saturating_sub(if last { trailing } else { 0 })
    };
    let mut chunks = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line = first_line(rest);
        rest = tail(rest, line.len());
        if fits(line, rest.is_empty()) {
            chunks.push(line.into());
            continue;
        }
        let mut chunk = String::new();
        let mut words = line;
        while !words.is_empty() {
            let word = first_word(words);
            words = tail(words, word.len());
            let candidate = format!("{chunk}{word}");
            if fits(&candidate, rest.is_empty() && words.is_empty()) {
                chunk = candidate;
            } else {
                if !chunk.is_empty() {
                    chunks.push(chunk.as_str().into());
                }
                word.clone_into(&mut chunk);
            }
        }
        if !chunk.is_empty() {
            chunks.push(chunk.into());
        }
    }
    chunks
}

/// A line with its end, as `str.splitlines` finds it.
fn first_line(text: &str) -> &str {
    let ends = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let Some(end) = text.find(ends) else { return text };
    let ending = tail(text, end);
    let length = if ending.starts_with("\r\n") {
        2
    } else {
        ending.chars().next().map_or(0, char::len_utf8)
    };
    text.get(..end + length).unwrap_or(text)
}

/// A word with the white space behind it.
fn first_word(text: &str) -> &str {
    let word = text.find(is_space).unwrap_or(text.len());
    let behind = tail(text, word);
    let end = word + behind.find(|c| !is_space(c)).unwrap_or(behind.len());
    text.get(..end).unwrap_or(text)
}
