//! An expression and texts: whatever they are, compiling and matching end, groups are parts of the text, and the
//! literals that an expression is said to need stand in every text that it matches.
//!
//! The first byte has flags; the first line behind it is the expression, and the others are texts. Automata take a
//! thousand times as long to make as to use, so that few expressions are tried on their texts; those of [`READY`] are
//! tried on all.

use std::cell::RefCell;

use stockade_pattern::{Options, Pattern, TagOptions, expand_tags};

/// More texts take longer and show nothing else.
const TEXTS: usize = 4;
/// One input of so many has its own expression tried.
const RARELY: u32 = 64;

/// Expressions of each kind: regular ones, and those that need a search which goes back.
const READY: [&str; 12] = [
    "^ (?P<word>\\w+): <HOST>(?: port \\d+)?\\s*$",
    "<ADDR>/(?:<CIDR>|x)",
    "^(?P<a>\\d)?(?(a)x+|y*?)z\\b",
    "(\\w+?) (?P<same>\\S*)-\\1(?P=same)",
    "(?<!a)b(?=c|$)(?!cd)",
    "(?i)(?:stra\u{df}e|\u{130}k|s+)\\b.*?(\\W)\\1",
    "(?>a+|ab)c|d*+e|[^]x-]{2,3}+f",
    "(?:(a)|(b)|c)*\\Z",
    "(?m)^a$|^(?P<id>\\S+)\\n^\\1$",
    "(?s)x.{0,4}?(?:y|$).\\Z",
    "((?:a|aa)+)+b",
    "[\\d\\s]+(?P<user>[^\"'<>]*)[\"'>]",
];

thread_local! {
    static PATTERNS: RefCell<Vec<Pattern>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn look(bytes: &[u8]) {
    let Some((flags, rest)) = bytes.split_first() else {
        return;
    };
    let input = String::from_utf8_lossy(rest);
    let (source, texts) = input.split_once('\n').unwrap_or((&input, ""));
    let texts: Vec<String> = texts
        .split('\n')
        .take(TEXTS)
        .map(|text| format!("{text}\n"))
        .collect();
    let options = Options {
        multiline: flags & 2 != 0,
        ignore_case: flags & 4 != 0,
    };
    if let Ok(pattern) = Pattern::compile(&expanded(source, flags & 1 != 0), options) {
        let number = bytes.iter().fold(0_u32, |number, byte| {
            (number ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        });
        if (number >> 8).is_multiple_of(RARELY) {
            texts.iter().for_each(|text| search(&pattern, text));
        }
    }
    PATTERNS.with_borrow_mut(|patterns| {
        if patterns.is_empty() {
            let compile = |source| Pattern::compile(&expanded(source, true), Options::default());
            patterns.extend(
                READY
                    .into_iter()
                    .map(compile)
                    .map(|made| made.expect("an expression")),
            );
        }
        let ready = patterns.get(usize::from(flags >> 3) % READY.len());
        let ready = ready.expect("it is one of them");
        texts.iter().for_each(|text| search(ready, text));
    });
}

fn expanded(source: &str, dns: bool) -> String {
    expand_tags(source, &TagOptions { dns })
}

fn search(pattern: &Pattern, text: &str) {
    let captures = pattern.captures(text);
    if let (Ok(matches), Ok(found)) = (pattern.is_match(text), &captures) {
        assert_eq!(found.is_some(), matches, "both say whether there is a match");
    }
    let Ok(Some(captures)) = captures else {
        return;
    };
    for group in 0..=pattern.group_count() {
        if let Some(span) = captures.span(group) {
            assert!(text.get(span).is_some(), "a group is a part of the text");
        }
    }
    if let Some(literals) = pattern.literals() {
        let has = |literal: &[u8]| {
            text.as_bytes()
                .windows(literal.len())
                .any(|window| window == literal)
        };
        assert!(literals.iter().any(has), "the gate lets through what matches");
    }
}
