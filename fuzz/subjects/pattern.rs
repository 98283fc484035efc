//! An expression and texts: whatever they are, compiling and matching end, groups are parts of the text, and the
//! literals that the expression is said to need stand in every text that it matches.
//!
//! The first byte has flags; the first line behind it is the expression, and the others are texts.

use stockade_pattern::{Options, Pattern, TagOptions, expand_tags};

/// More texts take longer and show nothing else.
const TEXTS: usize = 4;

pub(crate) fn look(bytes: &[u8]) {
    let Some((flags, rest)) = bytes.split_first() else {
        return;
    };
    let input = String::from_utf8_lossy(rest);
    let (source, texts) = input.split_once('\n').unwrap_or((&input, ""));
    let dns = flags & 1 != 0;
    let expanded = expand_tags(source, &TagOptions { dns });
    let options = Options {
        multiline: flags & 2 != 0,
        ignore_case: flags & 4 != 0,
    };
    let Ok(pattern) = Pattern::compile(&expanded, options) else {
        return;
    };
    for text in texts.split('\n').take(TEXTS) {
        let text = format!("{text}\n");
        let captures = pattern.captures(&text);
        if let Ok(matches) = pattern.is_match(&text) {
            // One of the two may be given up and not the other.
            let found = captures.as_ref().map(Option::is_some);
            assert!(found.is_err() || found == Ok(matches), "both say whether there is a match");
        }
        let Ok(Some(captures)) = captures else {
            continue;
        };
        for group in 0..=pattern.group_count() {
            if let Some(span) = captures.span(group) {
                assert!(text.get(span).is_some(), "a group is a part of the text");
            }
        }
        if let Some(literals) = pattern.literals() {
            let bytes = text.as_bytes();
            let has = |literal: &[u8]| bytes.windows(literal.len()).any(|window| window == literal);
            assert!(literals.iter().any(has), "the gate lets through what matches");
        }
    }
}
