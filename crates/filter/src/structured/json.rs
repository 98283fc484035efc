//! The values of a line of JSON at the places that are asked for, in one pass and without recursion.
//!
//! In: a line, and paths. Out: what stands there, or why the line cannot be trusted.
//!
//! Invariant: a line gives values only where all of it is valid JSON (RFC 8259), is nested no deeper than
//! [`MAX_DEPTH`], and has none of the names on the way to a value twice. Which of two equal names counts, readers
//! disagree about; whoever could add the second one to a line could otherwise choose who is banned.

use std::borrow::Cow;

use super::path::{Path, Step};

/// How deep a line may be nested; loggers need five levels.
pub(super) const MAX_DEPTH: usize = 64;

/// The most places that can be asked for.
pub(super) const MAX_PATHS: usize = 64;

/// What stands at a place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// A text, its escapes read.
    Text(Cow<'a, str>),
    /// A number, as it is written.
    Number(&'a str),
    Bool(bool),
    Null,
    /// A list or an object.
    Compound,
}

impl Value<'_> {
    /// It as a text, where it is more than a list, an object, or nothing.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(text) => Some(text),
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Null | Self::Compound => None,
        }
    }
}

/// Why a line is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is no JSON.
    Syntax,
    /// It is nested too deep.
    Depth,
    /// It has a name twice that leads to a field.
    Twice,
    /// It is not in the envelope that it should be in.
    Envelope,
    /// It goes on in the next envelope.
    GoesOn,
    /// Its pieces are too long together.
    TooLong,
}

/// The places that are asked for, as a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    nodes: Vec<Node>,
    count: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    children: Vec<(Step, usize)>,
    /// The number of the place that this is.
    place: Option<usize>,
}

impl Places {
    /// The number of a path; the same one for the same path. `None` where there are too many.
    pub(super) fn add(&mut self, path: &Path) -> Option<usize> {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        for step in &path.0 {
            let known = self.nodes.get(at)?.children.iter();
            let known = known
                .clone()
                .find(|(known, _)| known == step)
                .map(|(_, node)| *node);
            at = match known {
                Some(node) => node,
                None => {
                    let new = self.nodes.len();
                    self.nodes.push(Node::default());
                    self.nodes.get_mut(at)?.children.push((step.clone(), new));
                    new
                }
            };
        }
        if let Some(place) = self.nodes.get(at)?.place {
            return Some(place);
        }
        let place = self.count;
        self.nodes.get_mut(at)?.place = Some(place);
        self.count += 1;
        (self.count <= MAX_PATHS).then_some(place)
    }

    /// The values of a line, by the numbers of their places.
    pub(super) fn read<'a>(&self, line: &'a str) -> Result<Vec<Option<Value<'a>>>, Unread> {
        let mut reader = Reader {
            places: self,
            text: line,
            at: 0,
            found: Vec::new(),
        };
        reader.found.resize_with(self.count, || None);
        reader.document()?;
        Ok(reader.found)
    }

    fn child(&self, node: Option<usize>, is_it: impl Fn(&Step) -> bool) -> Option<(usize, usize)> {
        let children = &self.nodes.get(node?)?.children;
        let (number, (_, child)) = children.iter().enumerate().find(|(_, (step, _))| is_it(step))?;
        Some((number, *child))
    }
}

/// An object or a list that is open.
enum Open {
    Object {
        node: Option<usize>,
        /// Which of the children have been there; there are no more than paths.
        seen: u64,
    },
    List {
        node: Option<usize>,
        index: usize,
    },
}

struct Reader<'p, 'a> {
    places: &'p Places,
    text: &'a str,
    at: usize,
    found: Vec<Option<Value<'a>>>,
}

impl<'a> Reader<'_, 'a> {
    fn document(&mut self) -> Result<(), Unread> {
        let mut open: Vec<Open> = Vec::new();
        self.blanks();
        if self.peek() != Some(b'{') {
            return Err(Unread::Syntax);
        }
        let mut node = (!self.places.nodes.is_empty()).then_some(0);
        loop {
            // Here a value begins.
            self.blanks();
            if let Some(mut opened) = self.value(node)? {
                if open.len() >= MAX_DEPTH {
                    return Err(Unread::Depth);
                }
                self.blanks();
                let end = match opened {
                    Open::Object { .. } => b'}',
                    Open::List { .. } => b']',
                };
                if !self.eat(end) {
                    node = self.next_in(&mut opened)?;
                    open.push(opened);
                    continue;
                }
            }
            // Here one has ended, and whatever ends with it.
            loop {
                self.blanks();
                let Some(last) = open.last_mut() else {
                    return if self.at == self.text.len() {
                        Ok(())
                    } else {
                        Err(Unread::Syntax)
                    };
                };
                let (byte, end) = (
                    self.peek(),
                    match last {
                        Open::Object { .. } => b'}',
                        Open::List { .. } => b']',
                    },
                );
                match byte {
                    Some(b',') => {
                        self.at += 1;
                        if let Open::List { index, .. } = last {
                            *index = index.saturating_add(1);
                        }
                        let mut frame = open.pop().ok_or(Unread::Syntax)?;
                        node = self.next_in(&mut frame)?;
                        open.push(frame);
                        break;
                    }
                    Some(byte) if byte == end => {
                        self.at += 1;
                        open.pop();
                    }
                    Some(_) | None => return Err(Unread::Syntax),
                }
            }
        }
    }

    /// Reads what stands before the next value of what is open; where that value is in the tree.
    fn next_in(&mut self, open: &mut Open) -> Result<Option<usize>, Unread> {
        match open {
            Open::List { node, index } => {
                let is_it = |step: &Step| matches!(step, Step::Index(wanted) if wanted == index);
                Ok(self.places.child(*node, is_it).map(|(_, child)| child))
            }
            Open::Object { node, seen } => {
                self.blanks();
                let key = self.string(node.is_some())?;
                self.blanks();
                if !self.eat(b':') {
                    return Err(Unread::Syntax);
                }
                let is_it = |step: &Step| matches!(step, Step::Key(wanted) if *wanted == key);
                let Some((number, child)) = self.places.child(*node, is_it) else {
                    return Ok(None);
                };
                let bit = u32::try_from(number)
                    .ok()
                    .and_then(|number| 1_u64.checked_shl(number));
                let bit = bit.ok_or(Unread::Twice)?;
                if *seen & bit != 0 {
                    return Err(Unread::Twice);
                }
                *seen |= bit;
                Ok(Some(child))
            }
        }
    }

    /// Reads a value, or its beginning where it is compound.
    fn value(&mut self, node: Option<usize>) -> Result<Option<Open>, Unread> {
        let place = node.and_then(|node| self.places.nodes.get(node)?.place);
        let (value, open) = match self.peek() {
            Some(b'{') => {
                self.at += 1;
                (Value::Compound, Some(Open::Object { node, seen: 0 }))
            }
            Some(b'[') => {
                self.at += 1;
                (Value::Compound, Some(Open::List { node, index: 0 }))
            }
            Some(b'"') => (Value::Text(self.string(place.is_some())?), None),
            Some(b'-' | b'0'..=b'9') => (Value::Number(self.number()?), None),
            Some(b't') => (self.word("true", Value::Bool(true))?, None),
            Some(b'f') => (self.word("false", Value::Bool(false))?, None),
            Some(b'n') => (self.word("null", Value::Null)?, None),
            Some(_) | None => return Err(Unread::Syntax),
        };
        if let Some(found) = place.and_then(|place| self.found.get_mut(place)) {
            *found = Some(value);
        }
        Ok(open)
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, Unread> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(Unread::Syntax);
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<&'a str, Unread> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        self.text.get(start..self.at).ok_or(Unread::Syntax)
    }

    fn digits(&mut self) -> Result<(), Unread> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            Err(Unread::Syntax)
        } else {
            Ok(())
        }
    }

    /// Reads a text; its escapes are checked, and read where it `is_wanted`.
    fn string(&mut self, is_wanted: bool) -> Result<Cow<'a, str>, Unread> {
        if !self.eat(b'"') {
            return Err(Unread::Syntax);
        }
        let mut start = self.at;
        let mut read: Option<String> = None;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let piece = self.text.get(start..self.at).ok_or(Unread::Syntax)?;
                    self.at += 1;
                    return Ok(match read {
                        None => Cow::Borrowed(piece),
                        Some(read) if is_wanted => Cow::Owned(read + piece),
                        Some(read) => Cow::Owned(read),
                    });
                }
                Some(b'\\') => {
                    let piece = self.text.get(start..self.at).ok_or(Unread::Syntax)?;
                    self.at += 1;
                    let char = self.escape()?;
                    let read = read.get_or_insert_default();
                    if is_wanted {
                        read.push_str(piece);
                        read.push(char);
                    }
                    start = self.at;
                }
                Some(0..=0x1f) | None => return Err(Unread::Syntax),
                Some(_) => self.at += 1,
            }
        }
    }

    /// Reads an escape behind its backslash.
    fn escape(&mut self) -> Result<char, Unread> {
        let byte = self.peek().ok_or(Unread::Syntax)?;
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex()?;
                if let 0xd800..=0xdbff = unit
                    && self
                        .text
                        .get(self.at..)
                        .is_some_and(|rest| rest.starts_with("\\u"))
                {
                    let before = self.at;
                    self.at += 2;
                    let low = self.hex()?;
                    if let 0xdc00..=0xdfff = low {
                        let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.at = before;
                }
                // Half a pair alone is no character.
                char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(Unread::Syntax),
        })
    }

    fn hex(&mut self) -> Result<u32, Unread> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit * 16 + digit.ok_or(Unread::Syntax)?;
            self.at += 1;
        }
        Ok(unit)
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_it = self.peek() == Some(byte);
        self.at += usize::from(is_it);
        is_it
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MAX_DEPTH, Places, Unread};
    use crate::structured::path::Path;

    fn read(paths: &[&str], line: &str) -> Result<Vec<Option<String>>, Unread> {
        let mut places = Places::default();
        for path in paths {
            places
                .add(&Path::parse(path).expect("a path"))
                .expect("few paths");
        }
        let found = places.read(line)?;
        let show = |value: Option<super::Value<'_>>| value.map(|value| format!("{value:?}"));
        Ok(found.into_iter().map(show).collect())
    }

    #[test]
    fn values() {
        let paths = ["a", "b.c", "b.d[1].e", "b"];
        let cases: [(&str, [&str; 4]); 5] = [
            (
                r#"{"a":"x","b":{"c":401,"d":[1,{"e":null}]}}"#,
                [r#"Text("x")"#, r#"Number("401")"#, "Null", "Compound"],
            ),
            (
                "{\"z\":[{}],\"a\":\"\\u00e9\\ud83d\\ude00\\ud800\\n\", \"b\" : true }\r\n",
                [r#"Text("é😀�\n")"#, "-", "-", "Bool(true)"],
            ),
            (r#"{"\u0061":-1.5e+3}"#, [r#"Number("-1.5e+3")"#, "-", "-", "-"]),
            (r#"{"x":{"a":1,"b":2}}"#, ["-"; 4]),
            (
                r#"{"x":1,"x":2,"b":{"y":1,"y":2,"d":[[],{"e":{}}]}}"#,
                ["-", "-", "Compound", "Compound"],
            ),
        ];
        for (line, expected) in cases {
            let found = read(&paths, line).expect(line);
            let found: Vec<&str> = found
                .iter()
                .map(|value| value.as_deref().unwrap_or("-"))
                .collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn lines_that_are_not_read() {
        let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        let cases = [
            (r#"{"a":1,"a":2}"#.to_owned(), Err(Unread::Twice)),
            (r#"{"a":1,"\u0061":2}"#.to_owned(), Err(Unread::Twice)),
            (r#"{"b":{"c":1},"b":{}}"#.to_owned(), Err(Unread::Twice)),
            (deep(MAX_DEPTH - 1), Ok(())),
            (deep(MAX_DEPTH), Err(Unread::Depth)),
            (deep(100_000), Err(Unread::Depth)),
        ];
        let broken = [
            "",
            " ",
            "x",
            "[]",
            "\"a\"",
            "1",
            "{",
            "{]",
            "{}}",
            "{} {}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":[1,]}",
            "{\"a\":[1 2]}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":+1}",
            "{\"a\":1e}",
            "{\"a\":tru}",
            "{\"a\":truex}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"x",
            "{\"a\":\"x\\\"}",
            "{a:1}",
            "{'a':1}",
            "{\"a\":\"\t\"}",
            "{\"a\":\"\\",
            "{\"a\":\"\\u",
            "{\"a\":NaN}",
        ];
        let broken = broken.map(|line| (line.to_owned(), Err(Unread::Syntax)));
        for (line, expected) in cases.into_iter().chain(broken) {
            assert_eq!(read(&["a", "b.c"], &line).map(drop), expected, "{line:.60}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line in "[\\{\\}\\[\\]:,\"\\\\a-c0-9u.eE+ -]{0,40}|\\PC{0,40}") {
            let read = read(&["a", "b.c", "c[0]"], &line).is_ok();
            // Another reader agrees, but for names that are there twice.
            if read {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&line.replace("\\ud", "\\u0")).is_ok(), "{line}");
            }
        }

        #[test]
        fn agrees_with_another_reader(value in value(), unknown in any::<String>()) {
            let line = serde_json::json!({"a": value, "z": unknown, "b": {"c": unknown}}).to_string();
            let found = read(&["a", "b.c"], &line);
            let found = found.expect("it is valid");
            prop_assert_eq!(found.last(), Some(&Some(format!("Text({unknown:?})"))));
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
            ]
        })
    }
}
