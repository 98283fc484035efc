//! Which failregex comes nearest to a line that none matches, and what it wants where it stops.
//!
//! In: the failregexes, and the text that they were searched in. Out: the number of one, with the part of it that
//! matches and the part behind that.
//!
//! An expression is taken as the sequence of its parts; the longest beginning that matches says how far it comes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use stockade_filter::Regex;

/// For so many lines it is looked for; every look is some searches with each failregex.
const LINES: usize = 200;

/// What is only blanks, anchors and wildcards is near to every line: so many letters must have matched.
const LETTERS: usize = 3;

/// How much of an expression is shown on either side.
const SHOWN: usize = 40;

/// The failregex that comes nearest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nearest {
    /// Which one, from 1.
    pub(super) number: usize,
    /// The end of the part that matches.
    pub(super) matched: String,
    /// The beginning of the part that does not.
    pub(super) wanted: String,
}

/// Knows the beginnings of failregexes.
#[derive(Debug, Default)]
pub(super) struct Search {
    lines: usize,
    /// By failregex and number of parts; nothing where that is no expression.
    beginnings: BTreeMap<(usize, usize), Option<Regex>>,
}

impl Search {
    /// The nearest of `failregexes` to `text`.
    pub(super) fn nearest(&mut self, failregexes: &[Arc<Regex>], text: &str, dns: bool) -> Option<Nearest> {
        self.lines += 1;
        if self.lines > LINES {
            return None;
        }
        let mut best: Option<(usize, Nearest)> = None;
        for (index, regex) in failregexes.iter().enumerate() {
            let source = regex.source();
            let Some(parts) = parts(source) else {
                continue;
            };
            // Whatever matches, a shorter beginning does, too.
            let (mut matching, mut failing) = (0, parts.len());
            while matching + 1 < failing {
                let half = matching.midpoint(failing);
                let end = parts.get(half - 1).map_or(0, |part| part.end);
                let beginning = self.beginnings.entry((index, half)).or_insert_with(|| {
                    let beginning = source.get(..end).unwrap_or_default();
                    Regex::compile(beginning, dns, false).ok()
                });
                let found = beginning.as_ref().map(|regex| regex.pattern().is_match(text));
                if matches!(found, Some(Ok(true))) {
                    matching = half;
                } else {
                    failing = half;
                }
            }
            let end = matching
                .checked_sub(1)
                .and_then(|last| parts.get(last))
                .map_or(0, |part| part.end);
            let letters = letters(source, parts.get(..matching).unwrap_or_default());
            let share = 1000 * matching / parts.len().max(1);
            if letters >= LETTERS && best.as_ref().is_none_or(|(most, _)| share > *most) {
                let (matched, wanted) = source.split_at(end);
                let nearest = Nearest {
                    number: index + 1,
                    matched: ending(matched),
                    wanted: beginning(wanted),
                };
                best = Some((share, nearest));
            }
        }
        best.map(|(_, nearest)| nearest)
    }
}

/// How many letters and digits parts of an expression want that stand for themselves.
fn letters(source: &str, parts: &[Range<usize>]) -> usize {
    let texts = parts.iter().filter_map(|part| source.get(part.clone()));
    texts
        .filter(|text| text.chars().all(char::is_alphanumeric))
        .count()
}

fn ending(text: &str) -> String {
    let count = text.chars().count();
    match count.checked_sub(SHOWN) {
        None | Some(0) => text.to_owned(),
        Some(surplus) => format!("…{}", text.chars().skip(surplus).collect::<String>()),
    }
}

fn beginning(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// The parts of an expression, each with how often it may stand; nothing where it has alternatives as a whole, or does
/// not close what it opens.
fn parts(source: &str) -> Option<Vec<Range<usize>>> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(char) = source.get(at..)?.chars().next() {
        if char == '|' {
            return None;
        }
        let start = at;
        at = after_one(source, at)?;
        while let Some(length) = repeat(source.get(at..)?) {
            at += length;
        }
        parts.push(start..at);
    }
    Some(parts)
}

/// Where what begins at `at` ends.
fn after_one(source: &str, at: usize) -> Option<usize> {
    let rest = source.get(at..)?;
    let first = rest.chars().next()?;
    match first {
        '\\' => Some(at + 1 + rest.chars().nth(1)?.len_utf8()),
        '[' => {
            let mut inside = at + 1;
            if source.get(inside..)?.starts_with('^') {
                inside += 1;
            }
            // A bracket that stands first closes nothing.
            if source.get(inside..)?.starts_with(']') {
                inside += 1;
            }
            loop {
                match source.get(inside..)?.chars().next()? {
                    ']' => return Some(inside + 1),
                    '\\' => inside = after_one(source, inside)?,
                    other => inside += other.len_utf8(),
                }
            }
        }
        '(' => {
            let mut inside = at + 1;
            loop {
                match source.get(inside..)?.chars().next()? {
                    ')' => return Some(inside + 1),
                    _ => inside = after_one(source, inside)?,
                }
            }
        }
        '<' => {
            let tag = rest.get(1..)?.split_once('>').map(|(tag, _)| tag);
            let is_tag = |tag: &&str| {
                let name = tag.strip_suffix('/').unwrap_or(tag);
                !name.is_empty()
                    && name
                        .chars()
                        .all(|char| char.is_alphanumeric() || "-_".contains(char))
            };
            let Some(tag) = tag.filter(is_tag) else {
                return Some(at + 1);
            };
            let end = at + tag.len() + 2;
            let closing = format!("</{tag}>");
            match source.get(end..)?.find(&closing) {
                Some(inside) if tag.starts_with("F-") => Some(end + inside + closing.len()),
                Some(_) | None => Some(end),
            }
        }
        other => Some(at + other.len_utf8()),
    }
}

/// The length of what says how often something may stand, at the beginning of `text`.
fn repeat(text: &str) -> Option<usize> {
    if text.starts_with(['*', '+', '?']) {
        return Some(1);
    }
    let inside = text.strip_prefix('{')?.split_once('}')?.0;
    let counts = !inside.is_empty() && inside.chars().all(|char| char.is_ascii_digit() || char == ',');
    counts.then_some(inside.len() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_taken_apart() {
        #[rustfmt::skip]
        let rows: [(&str, Option<&[&str]>); 9] = [
            ("^ab+?c$", Some(&["^", "a", "b+?", "c", "$"])),
            (r"\S+\[\d{1,3}\]", Some(&[r"\S+", r"\[", r"\d{1,3}", r"\]"])),
            ("[]x[]*(?:a|b(c))?d", Some(&["[]x[]*", "(?:a|b(c))?", "d"])),
            ("for <F-USER>.*</F-USER> <HOST>", Some(&["f", "o", "r", " ", "<F-USER>.*</F-USER>", " ", "<HOST>"])),
            ("<F-ID/>< b>", Some(&["<F-ID/>", "<", " ", "b", ">"])),
            ("a{x}", Some(&["a", "{", "x", "}"])),
            ("a|b", None),
            ("(a", None),
            ("", Some(&[])),
        ];
        for (source, expected) in rows {
            let found = parts(source);
            let texts = found
                .as_ref()
                .map(|parts| parts.iter().map(|part| &source[part.clone()]).collect::<Vec<_>>());
            assert_eq!(texts.as_deref(), expected, "{source}");
        }
    }

    #[test]
    fn the_one_that_comes_farthest_is_the_nearest() {
        let regexes: Vec<Arc<Regex>> = [
            "^ app: fail of \\S+ from <HOST>$",
            "^ app: worse from <ADDR>$",
            "x|y",
        ]
        .into_iter()
        .map(|source| Arc::new(Regex::compile(source, true, false).expect("an expression")))
        .collect();
        for (text, expected) in [
            (
                " app: fail of joe at 192.0.2.1\n",
                Some((1, "^ app: fail of \\S+ ", "from <HOST>$")),
            ),
            (
                " app: worse from joe\n",
                Some((2, "^ app: worse from ", "<ADDR>$")),
            ),
            (" other\n", None),
        ] {
            let found = Search::default().nearest(&regexes, text, true);
            let found = found
                .as_ref()
                .map(|near| (near.number, &*near.matched, &*near.wanted));
            assert_eq!(found, expected, "{text}");
        }
    }
}
