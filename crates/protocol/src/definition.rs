//! `name[option=value, …]`: how filters, actions, backends and log targets are named with their parameters.
//!
//! In: such a text, or a list of them. Out: the name with its parameters in order, or what is wrong.

use std::collections::HashMap;
use std::fmt;

/// A name with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The name, as it stands before the brackets.
    pub name: String,
    /// The parameters in the order in which they first stand there; the last value counts.
    pub parameters: Vec<(String, String)>,
}

impl Definition {
    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Sets a parameter; one that is there keeps its place.
    pub fn set(&mut self, name: &str, value: String) {
        match self.parameters.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.parameters.push((name.to_owned(), value)),
        }
    }
}

/// What is wrong with a definition, in the words of the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Syntax {
    /// The brackets do not fit.
    Brackets,
    /// An item is not `NAME=VALUE`.
    Expected {
        /// Where, in characters from the opening bracket.
        at: usize,
        /// What stands there.
        rest: String,
    },
    /// Something follows a value that is not a separator.
    Unexpected {
        /// Where, in characters from the opening bracket.
        at: usize,
        /// The name of the value's option.
        option: String,
        /// What stands there.
        rest: String,
    },
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brackets => write!(f, "unexpected option syntax"),
            Self::Expected { at, rest } => write!(f, "expected option, wrong syntax at {at}: {rest}"),
            Self::Unexpected { at, option, rest } => {
                write!(f, "unexpected syntax at {at} after option '{option}': {rest}")
            }
        }
    }
}

/// How much of what is wrong is shown.
const SHOWN: usize = 25;

/// Reads one definition.
///
/// # Errors
///
/// Where the brackets or what is in them cannot be read.
pub fn parse(text: &str) -> Result<Definition, Syntax> {
    let open = text.find('[').unwrap_or(text.len());
    let name = head(text, open);
    if name.is_empty() {
        return Err(Syntax::Brackets);
    }
    let mut definition = Definition {
        name: name.to_owned(),
        parameters: Vec::new(),
    };
    if let Some(inside) = tail(text, open).strip_prefix('[') {
        let inside = strip_end(inside).strip_suffix(']').ok_or(Syntax::Brackets)?;
        definition.read_parameters(inside)?;
    }
    Ok(definition)
}

/// Reads what stands between brackets, without a name before them.
///
/// # Errors
///
/// Where it is no list of parameters.
pub fn parameters(inside: &str) -> Result<Definition, Syntax> {
    let mut definition = Definition {
        name: String::new(),
        parameters: Vec::new(),
    };
    definition.read_parameters(inside)?;
    Ok(definition)
}

impl Definition {
    fn read_parameters(&mut self, inside: &str) -> Result<(), Syntax> {
        // Positions are counted in characters, as the administrator would.
        let position = |rest: &str| head(inside, inside.len() - rest.len()).chars().count();
        let shown = |rest: &str| rest.chars().take(SHOWN).collect();
        // Where each parameter is, for there may be very many.
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut rest = inside;
        while !rest.is_empty() {
            let Some((name, value)) = option_name(strip_start(rest)) else {
                return if strip_start(rest.strip_prefix(',').unwrap_or(rest)).is_empty() {
                    Ok(())
                } else {
                    Err(Syntax::Expected {
                        at: position(rest),
                        rest: shown(rest),
                    })
                };
            };
            let (value, behind) = option_value(value);
            let value = strip(value).to_owned();
            let place = *places.entry(name).or_insert(self.parameters.len());
            match self.parameters.get_mut(place) {
                Some((_, old)) => *old = value,
                None => self.parameters.push((name.to_owned(), value)),
            }
            rest = match separator(behind) {
                Some(next) => next,
                None if behind.is_empty() || behind == "\n" => return Ok(()),
                None => {
                    return Err(Syntax::Unexpected {
                        at: position(behind),
                        option: name.to_owned(),
                        rest: shown(behind),
                    });
                }
            };
        }
        Ok(())
    }
}

/// `NAME=` or `NAME?key=value=`: the name and what follows the last of these `=`.
fn option_name(text: &str) -> Option<(&str, &str)> {
    let name = word(text)?;
    let behind = tail(text, name.len());
    if let Some(condition) = behind.strip_prefix('?') {
        let key = word(condition)?;
        let value = word(tail(condition, key.len()).strip_prefix('=')?)?;
        let length = name.len() + 1 + key.len() + 1 + value.len();
        return Some((head(text, length), tail(text, length).strip_prefix('=')?));
    }
    Some((name, behind.strip_prefix('=')?))
}

/// The characters of a name at the beginning of a text.
fn word(text: &str) -> Option<&str> {
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    (end > 0).then(|| head(text, end))
}

/// A value and what follows it: quoted if the quote is closed, else bare up to `,` or `]`.
fn option_value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = text
            .strip_prefix(quote)
            .and_then(|inside| inside.split_once(quote))
        {
            return quoted;
        }
    }
    let end = text.find([',', ']']).unwrap_or(text.len());
    (head(text, end), tail(text, end))
}

/// What follows a `,` or the brackets between two groups.
fn separator(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix(',') {
        return Some(rest);
    }
    strip_start(text.strip_prefix(']')?).strip_prefix('[')
}

/// The definitions in the value of `action`.
#[must_use]
pub fn split_actions(text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let mut groups = Groups::new(text);
    let mut at = skip_spaces(text, 0);
    while at < text.len() {
        let rest = tail(text, at);
        let plain = || at + rest.find(is_space).unwrap_or(rest.len());
        let end = groups.end_of_item(at).unwrap_or_else(plain);
        items.push(strip(head(rest, end - at)));
        at = skip_spaces(text, end);
    }
    items
}

fn skip_spaces(text: &str, from: usize) -> usize {
    text.len() - strip_start(tail(text, from)).len()
}

/// Finds where a name with bracket groups ends, if what is in the brackets looks like parameters.
///
/// What looks like a quoted value may as well be a bare one, and a bare one may end anywhere, where only so the
/// brackets are closed in the end: the reference tries one after the other. So do we, but no place twice, for whether
/// the rest of the text fits from there on does not depend on what stands before it.
struct Groups<'a> {
    text: &'a str,
    /// For each byte where what begins there ends.
    ends: Option<Vec<Ends>>,
    /// Where a further parameter, or the end, has been looked for in vain.
    failed: Vec<bool>,
    /// For each end of a value the next one before it that has not yet failed, if it has failed itself.
    before: Vec<usize>,
}

/// Where what begins at a place ends: white space, the name of a parameter, a bare value.
#[derive(Clone, Copy)]
struct Ends {
    spaces: usize,
    word: usize,
    bare: usize,
}

/// What is tried next.
enum Try {
    /// A parameter.
    Parameter(usize),
    /// What follows a value that ends here.
    Behind(usize),
    /// The last bracket.
    Close(usize),
    /// A bare value that begins at the first place and ends at the second, or before it.
    Bare(usize, usize),
}

impl<'a> Groups<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            ends: None,
            failed: Vec::new(),
            before: Vec::new(),
        }
    }

    /// The end of the item that begins at a place.
    fn end_of_item(&mut self, start: usize) -> Option<usize> {
        let rest = tail(self.text, start);
        let name = rest.find(|c| is_space(c) || c == '[')?;
        if name == 0 {
            return None;
        }
        let open = skip_spaces(self.text, start + name);
        if !tail(self.text, open).starts_with('[') {
            return None;
        }
        self.prepare();
        let mut tries = vec![Try::Parameter(open + 1)];
        while let Some(next) = tries.pop() {
            match next {
                Try::Parameter(at) => {
                    if std::mem::replace(self.failed.get_mut(at)?, true) {
                        continue;
                    }
                    tries.push(Try::Close(at));
                    let Some(value) = self.value(self.after_spaces(at)) else {
                        continue;
                    };
                    let bare = self.ends(value)?.bare;
                    tries.push(Try::Bare(value, bare));
                    let text = tail(self.text, value);
                    let mut quotes = ['"', '\''].into_iter();
                    if let Some((quoted, _)) =
                        quotes.find_map(|quote| text.strip_prefix(quote)?.split_once(quote))
                    {
                        tries.push(Try::Behind(value + 1 + quoted.len() + 1));
                    }
                }
                Try::Behind(end) => {
                    tries.push(Try::Parameter(end));
                    let rest = tail(self.text, self.after_spaces(end));
                    if let Some(next) = separator(rest) {
                        tries.push(Try::Parameter(self.text.len() - next.len()));
                    }
                }
                Try::Close(at) => {
                    let rest = tail(self.text, self.after_spaces(at));
                    if let Some(behind) = rest.strip_prefix(']')
                        && (behind.is_empty() || behind.starts_with(is_space))
                    {
                        return Some(self.text.len() - behind.len());
                    }
                }
                Try::Bare(start, end) => {
                    let Some(end) = self.open_before(end).filter(|end| *end >= start) else {
                        continue;
                    };
                    *self.before.get_mut(end)? = end.checked_sub(1).unwrap_or(usize::MAX);
                    tries.push(Try::Bare(start, end));
                    tries.push(Try::Behind(end));
                }
            }
        }
        None
    }

    /// Looks at every place once, so that nothing has to be looked for again and again.
    fn prepare(&mut self) {
        if self.ends.is_some() {
            return;
        }
        let length = self.text.len();
        let mut here = Ends {
            spaces: length,
            word: length,
            bare: length,
        };
        let mut ends = vec![here; length + 1];
        self.before = (0..=length).collect();
        for (at, c) in self.text.char_indices().rev() {
            if !is_space(c) {
                here.spaces = at;
            }
            if !is_name(c) {
                here.word = at;
            }
            if c == ',' || c == ']' {
                here.bare = at;
            }
            for (inside, place) in (at..at + c.len_utf8()).enumerate() {
                if let Some(ends) = ends.get_mut(place) {
                    *ends = here;
                }
                // A value cannot end within a character.
                if let (1.., Some(before)) = (inside, self.before.get_mut(place)) {
                    *before = place - 1;
                }
            }
        }
        self.failed = vec![false; length + 1];
        self.ends = Some(ends);
    }

    fn ends(&self, at: usize) -> Option<&Ends> {
        self.ends.as_ref()?.get(at)
    }

    fn after_spaces(&self, at: usize) -> usize {
        self.ends(at).map_or(at, |ends| ends.spaces)
    }

    fn after_word(&self, at: usize) -> Option<usize> {
        Some(self.ends(at)?.word).filter(|end| *end > at)
    }

    /// Where the value of the parameter begins whose name begins here.
    fn value(&self, at: usize) -> Option<usize> {
        let mut end = self.after_word(at)?;
        if tail(self.text, end).starts_with('?') {
            let key = self.after_word(end + 1)?;
            if !tail(self.text, key).starts_with('=') {
                return None;
            }
            end = self.after_word(key + 1)?;
        }
        tail(self.text, end).starts_with('=').then_some(end + 1)
    }

    /// The last end of a value, not behind `end`, that has not failed.
    fn open_before(&mut self, end: usize) -> Option<usize> {
        let mut found = end;
        while let Some(before) = self.before.get(found).filter(|before| **before != found) {
            found = *before;
        }
        // The next search from here takes the short way.
        let mut place = end;
        while place != found {
            let Some(before) = self.before.get_mut(place) else {
                break;
            };
            place = std::mem::replace(before, found);
        }
        (found != usize::MAX).then_some(found)
    }
}

/// White space as Python's `str.strip` has it: Unicode's, and the four separators from U+001C.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// A character of a word, as in `\w`.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A character of the name of a parameter.
fn is_name(c: char) -> bool {
    is_word(c) || c == '-' || c == '.'
}

fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

fn strip_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

fn head(text: &str, at: usize) -> &str {
    text.get(..at).unwrap_or(text)
}

fn tail(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::split_actions;

    #[test]
    fn actions_are_split_where_the_reference_splits_them() {
        let cases: [(&str, &[&str]); 16] = [
            ("_[ ] z", &["_[ ]", "z"]),
            ("_[, ] z", &["_[,", "]", "z"]),
            ("_[ ,] z", &["_[", ",]", "z"]),
            ("_[x=1, ] z", &["_[x=1, ]", "z"]),
            ("_[, x=1] z", &["_[,", "x=1]", "z"]),
            ("_[ ][x=1] z", &["_[", "][x=1]", "z"]),
            ("_[x=1] [y=2] z", &["_[x=1] [y=2]", "z"]),
            ("_[x=1] [y=2]a z", &["_[x=1]", "[y=2]a", "z"]),
            ("_[x=1] [] z", &["_[x=1] []", "z"]),
            ("_[x=\"q\" y=2] z", &["_[x=\"q\" y=2]", "z"]),
            ("_[x=\"q\" , , y=2] z", &["_[x=\"q\"", ",", ",", "y=2]", "z"]),
            ("_[x=\"a]b\" ] z", &["_[x=\"a]b\" ]", "z"]),
            ("_[x=\"a] b] z", &["_[x=\"a]", "b]", "z"]),
            // What looks quoted is bare where only so the brackets are closed.
            (
                "a [b='<c>' d.py[e=\"f \" , g=\"<h>\"] i",
                &["a [b='<c>' d.py[e=\"f \" , g=\"<h>\"]", "i"],
            ),
            (
                "n[a=b,\nc='x it's y', d=<e>] z",
                &["n[a=b,\nc='x it's y', d=<e>]", "z"],
            ),
            ("é[ü=ß\u{a0}] z", &["é[ü=ß\u{a0}]", "z"]),
        ];
        for (text, items) in cases {
            assert_eq!(split_actions(text), items, "{text:?}");
        }
    }

    #[test]
    fn what_never_fits_is_given_up_in_a_short_time() {
        for piece in [
            "a=",
            "x=\"",
            "x=1 ",
            "  ",
            "ab",
            "[x=1] ",
            "x='\"' y=\"'\" ",
            "é=é ",
        ] {
            let text = format!("a[x={}", piece.repeat(100_000));
            let items = split_actions(&text);
            let length: usize = items.iter().map(|item| item.len()).sum();
            assert!(length <= text.len(), "{piece:?}");
        }
    }
}
