//! `name[option=value, …]`: how a jail names its filter and its actions.
//!
//! In: the value of `filter`, or of `action`. Out: the name with its parameters in order, or what is wrong.

use std::fmt;

use crate::{
    ordered::Ordered,
    text::{after, head, is_space, is_word, strip, strip_end, strip_start, tail},
};

/// A name with its parameters.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) parameters: Ordered<String>,
}

/// What is wrong with a definition, in the words of the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// The brackets do not fit.
    Brackets,
    /// An item is not `NAME=VALUE`.
    Expected { at: usize, rest: String },
    /// Something follows a value that is not a separator.
    Unexpected { at: usize, option: String, rest: String },
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
pub(crate) fn parse(text: &str) -> Result<Definition, Syntax> {
    let open = text.find('[').unwrap_or(text.len());
    let name = head(text, open);
    if name.is_empty() {
        return Err(Syntax::Brackets);
    }
    let mut parameters = Ordered::default();
    if let Some(inside) = tail(text, open).strip_prefix('[') {
        let inside = strip_end(inside).strip_suffix(']').ok_or(Syntax::Brackets)?;
        read_parameters(inside, &mut parameters)?;
    }
    Ok(Definition {
        name: name.to_owned(),
        parameters,
    })
}

fn read_parameters(inside: &str, parameters: &mut Ordered<String>) -> Result<(), Syntax> {
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
        parameters.insert(name, strip(value).to_owned());
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
pub(crate) fn split_actions(text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let mut rest = strip_start(text);
    while !rest.is_empty() {
        let plain = rest.find(is_space).unwrap_or(rest.len());
        let end = with_groups(rest).unwrap_or(plain);
        items.push(strip(head(rest, end)));
        rest = strip_start(tail(rest, end.max(after(rest, 0))));
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
