//! `name[option=value, …]`: how filters, actions, backends and log targets are named with their parameters.
//!
//! In: such a text, or a list of them. Out: the name with its parameters in order, or what is wrong.

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
            self.set(name, strip(value).to_owned());
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
    let end = text
        .find(|c| !(is_word(c) || c == '-' || c == '.'))
        .unwrap_or(text.len());
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
    let mut rest = strip_start(text);
    while !rest.is_empty() {
        let plain = rest.find(is_space).unwrap_or(rest.len());
        let end = with_groups(rest).unwrap_or(plain);
        items.push(strip(head(rest, end)));
        let first = rest.chars().next().map_or(0, char::len_utf8);
        rest = strip_start(tail(rest, end.max(first)));
    }
    items
}

/// The end of a name with bracket groups, where they look like parameters.
fn with_groups(text: &str) -> Option<usize> {
    let name = text.find(|c| is_space(c) || c == '[').unwrap_or(text.len());
    if name == 0 {
        return None;
    }
    let mut rest = strip_start(tail(text, name)).strip_prefix('[')?;
    let mut end = None;
    loop {
        // Separators may stand anywhere between parameters, or be missing.
        rest = rest.trim_start_matches(|c| is_space(c) || c == ',');
        if let Some((_, value)) = option_name(rest) {
            rest = option_value(value).1;
        } else if let Some(behind) = rest.strip_prefix(']') {
            if behind.is_empty() || behind.starts_with(is_space) {
                end = Some(text.len() - behind.len());
            }
            match strip_start(behind).strip_prefix('[') {
                Some(next) => rest = next,
                None => return end,
            }
        } else {
            return end;
        }
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
