//! A value over several lines, as `--dump-pretty` prints a long command.
//!
//! In: a value. Out: its literal; one that fits [`WIDTH`] characters is as [`Value::repr`] writes it.

use crate::Value;

/// The length of a line above which a list is printed over several.
const WIDTH: usize = 1000;

/// How much further to the right the elements of a list begin.
const INDENT: usize = 2;

impl Value {
    /// Its literal over as many lines as it needs.
    #[must_use]
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        write(self, 0, 0, &mut out);
        out
    }
}

/// Writes a value that begins at `column` and is followed by `trailing` brackets and commas.
fn write(value: &Value, column: usize, trailing: usize, out: &mut String) {
    let literal = value.repr();
    if literal.chars().count() <= WIDTH.saturating_sub(column + trailing) {
        out.push_str(&literal);
        return;
    }
    match value {
        Value::List(items) => {
            out.push_str("[ ");
            for (index, item) in items.iter().enumerate() {
                let last = index + 1 == items.len();
                write(item, column + INDENT, if last { trailing + 1 } else { 1 }, out);
                if !last {
                    out.push(',');
                    new_line(column + INDENT, out);
                }
            }
            out.push(']');
        }
        Value::Str(text) => {
            for (index, chunk) in chunks(text, column, trailing).iter().enumerate() {
                if index > 0 {
                    new_line(column, out);
                }
                out.push_str(chunk);
            }
        }
        // No command holds a long one of these.
        Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Bytes(_)
        | Value::Tuple(_)
        | Value::Dict(_)
        | Value::Set(_)
        | Value::Exception(_) => out.push_str(&literal),
    }
}

fn new_line(column: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', column));
}

/// The literals of the pieces that a long text is cut into: its lines, and where these are too long, words.
fn chunks(text: &str, column: usize, trailing: usize) -> Vec<String> {
    let mut chunks = Vec::new();
    let lines = lines(text);
    for (index, line) in lines.iter().enumerate() {
        let room = WIDTH.saturating_sub(column);
        let last_line = index + 1 == lines.len();
        let literal = literal(line);
        if length(&literal)
            <= if last_line {
                room.saturating_sub(trailing)
            } else {
                room
            }
        {
            chunks.push(literal);
            continue;
        }
        let words = words(line);
        let mut current = String::new();
        for (index, word) in words.iter().enumerate() {
            let last_word = last_line && index + 1 == words.len();
            let candidate = format!("{current}{word}");
            if length(&self::literal(&candidate))
                <= if last_word {
                    room.saturating_sub(trailing)
                } else {
                    room
                }
            {
                current = candidate;
                continue;
            }
            if !current.is_empty() {
                chunks.push(self::literal(&current));
            }
            current = (*word).to_owned();
        }
        if !current.is_empty() {
            chunks.push(self::literal(&current));
        }
    }
    chunks
}

fn literal(text: &str) -> String {
    Value::from(text).repr()
}

fn length(literal: &str) -> usize {
    literal.chars().count()
}

/// The lines of a text with their ends, where Python sees these.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let ends = matches!(
            character,
            '\n' | '\r'
                | '\u{b}'
                | '\u{c}'
                | '\u{1c}'
                | '\u{1d}'
                | '\u{1e}'
                | '\u{85}'
                | '\u{2028}'
                | '\u{2029}'
        );
        if ends && !(character == '\r' && characters.peek().is_some_and(|(_, next)| *next == '\n')) {
            let end = at + character.len_utf8();
            lines.extend(text.get(start..end));
            start = end;
        }
    }
    lines.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    lines
}

/// The words of a line, each with the blanks that follow it.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut after_blank = false;
    for (at, character) in line.char_indices() {
        let blank = character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character);
        if after_blank && !blank {
            words.extend(line.get(start..at));
            start = at;
        }
        after_blank = blank;
    }
    words.extend(line.get(start..).filter(|rest| !rest.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn a_short_command_stays_on_its_line() {
        let value = Value::list(["set", "j", "x", &"y".repeat(980)]);
        assert_eq!(value.repr().len(), 1001);
        assert!(value.pretty().contains('\n'));
        let value = Value::list(["set", "j", "x", &"y".repeat(979)]);
        assert_eq!(value.pretty(), value.repr());
    }

    #[test]
    fn a_long_command_is_broken_at_elements_lines_and_words() {
        let value = Value::List(vec![
            "multi-set".into(),
            Value::list([format!(
                "{}\n{} {}  {}",
                "a".repeat(10),
                "b".repeat(500),
                "c".repeat(494),
                "d'"
            )]),
        ]);
        let expected = format!(
            "[ 'multi-set',\n  [ '{}\\n'\n    '{} '\n    \"{}  d'\"]]",
            "a".repeat(10),
            "b".repeat(500),
            "c".repeat(494)
        );
        assert_eq!(value.pretty(), expected);
    }
}
