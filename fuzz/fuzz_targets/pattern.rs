//! An expression and a text: whatever they are, compiling and matching end, and the literals that the expression
//! is said to need stand in every text that it matches.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stockade_pattern::{Options, Pattern, TagOptions, expand_tags};

fuzz_target!(|input: (&str, &str, u8)| {
    let (source, text, flags) = input;
    // Longer ones take longer and show nothing else.
    if source.len() > 200 || text.len() > 400 {
        return;
    }
    let expanded = expand_tags(source, &TagOptions { dns: flags & 1 != 0 });
    let options = Options {
        multiline: flags & 2 != 0,
        ignore_case: flags & 4 != 0,
    };
    let Ok(pattern) = Pattern::compile(&expanded, options) else {
        return;
    };
    let Ok(Some(captures)) = pattern.captures(text) else {
        return;
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
});
