//! Whatever an automaton finds, a backtracking search finds as well.

use proptest::prelude::*;

use super::Tagged;
use crate::backtrack::{self, Scratch};
use crate::parse::parse;
use crate::{Captures, Options, Pattern, Several, Told, limits, program};

/// Expressions in which ways meet, part, and come back.
fn expression() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "a", "b", "ab", "abc", ":", " ", "\\n", ".", "\\S", "\\d", "[ab]", "[^b]", "[^:]", "\\w", "$", "\\Z", "(?=a)", "(?!b)", "(?!ab)", "(?=ba)", "(?:(?!ab).)*", "(?:(?!aba).)*?",
            "abab", "b:abab", "aabb1", "a\\nabab",
        ]).prop_map(str::to_owned),
        2 => (
            prop::sample::select(vec!["a", "\\S", "\\d", "[^:]", ".", "\\w", "[ab]"]),
            prop::sample::select(vec!["*", "+", "?", "*?", "+?", "??", "{1,3}", "{2}", "{0,2}?", "{2,}"]),
        ).prop_map(|(set, rounds)| format!("{set}{rounds}")),
    ];
    let nested = piece.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            inner.clone().prop_map(|part| format!("({part})")),
            (
                inner.clone(),
                prop::sample::select(vec!["*", "+", "?", "*?", "??", "{1,2}"])
            )
                .prop_map(|(part, rounds)| format!("(?:{part}){rounds}")),
            (inner.clone(), prop::sample::select(vec!["*", "?", "+?"]))
                .prop_map(|(part, rounds)| format!("({part}){rounds}")),
        ]
    });
    (
        prop::sample::select(vec!["(a)?", "ab(a)?", "(a)b", "a:(b)?", "a\n(a)?"]),
        nested.clone(),
        prop::option::of((nested.clone(), nested.clone())),
        prop::option::of(nested),
    )
        .prop_map(|(begin, first, conditional, last)| {
            let conditional = conditional.map(|(yes, no)| format!("(?(1){yes}|{no})"));
            format!(
                "^{begin}{first}{}{}",
                conditional.unwrap_or_default(),
                last.unwrap_or_default()
            )
        })
}

#[test]
fn what_becomes_too_large_is_made_anew_after_a_while() {
    // Which of the last twelve were an `a` is to be known.
    let ast = parse("^[ab]*a[ab]{12}c$", false, false).expect("an expression");
    let program = program::compile(&ast).expect("it is small");
    let mut tagged = Tagged::default();
    let mut bits = 1_u32;
    let long: String = (0..2_000)
        .map(|_| {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if bits >> 31 == 0 { 'a' } else { 'b' }
        })
        .collect();
    assert_eq!(tagged.search(&program, long.as_bytes()), None);
    for _ in 0..limits::TAGGED_REST {
        assert_eq!(tagged.search(&program, b"ac"), None);
    }
    assert_eq!(tagged.search(&program, b"abbbbbbbbbbbbc"), Some(true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn several_find_what_one_after_the_other_finds(
        sources in prop::collection::vec(expression(), 2..6),
        texts in prop::collection::vec("(ab|a:|a\n|)(abab|b:abab|aabb1|)[ab1: ]{0,9}(abab|)\n{0,2}[ab:]{0,3}é?[ab]?\n?", 1..12),
    ) {
        let patterns: Result<Vec<Pattern>, _> =
            sources.iter().map(|source| Pattern::compile(source, Options::default())).collect();
        let Ok(patterns) = patterns else { return Ok(()) };
        let Some(mut several) = Several::new(None, &patterns) else { return Ok(()) };
        let (mut captures, mut expected) = (Captures::default(), Captures::default());
        for text in texts {
            let told = several.search(text.as_bytes(), &mut Captures::default(), &mut captures);
            let first = patterns
                .iter()
                .position(|pattern| pattern.captures_into(&text, &mut expected) == Ok(true));
            match told {
                Told::Unknown => {}
                Told::Nothing => prop_assert_eq!(None, first, "{:?} in {:?}", sources, text),
                Told::First(found) => {
                    prop_assert_eq!(Some(found), first, "{:?} in {:?}", sources, text);
                    prop_assert_eq!(&captures, &expected, "{:?} in {:?}", sources, text);
                }
            }
        }
    }

    #[test]
    fn several_find_what_they_find_in_what_a_prefix_leaves(
        prefix in expression(),
        sources in prop::collection::vec(expression(), 1..4),
        lines in prop::collection::vec("(ab|a:|a |)(abab|b:abab|aabb1|)[ab1: ]{0,12}(abab|) {0,2}[ab:]{0,3}é?[ab]?\n", 1..12),
    ) {
        let compile = |source: &String| Pattern::compile(source, Options::default());
        let Ok(prefix) = compile(&format!("{prefix}(?P<content>.+)$")) else { return Ok(()) };
        let Ok(patterns) = sources.iter().map(compile).collect::<Result<Vec<_>, _>>() else { return Ok(()) };
        let group = prefix.group_number("content").unwrap();
        let Some(mut several) = Several::new(Some((&prefix, group)), &patterns) else { return Ok(()) };
        let mut found = (Captures::default(), Captures::default());
        let mut expected = (Captures::default(), Captures::default());
        for line in lines {
            let told = several.search(line.as_bytes(), &mut found.0, &mut found.1);
            let first = if prefix.captures_into(&line, &mut expected.0) == Ok(true) {
                let content = format!("{}\n", &line[expected.0.span(group).unwrap()]);
                patterns.iter().position(|pattern| pattern.captures_into(&content, &mut expected.1) == Ok(true))
            } else {
                None
            };
            match told {
                Told::Unknown => {}
                Told::Nothing => prop_assert_eq!(None, first, "{:?} {:?} in {:?}", prefix, sources, line),
                Told::First(number) => {
                    prop_assert_eq!(Some(number), first, "{:?} {:?} in {:?}", prefix, sources, line);
                    prop_assert_eq!(&found, &expected, "{:?} {:?} in {:?}", prefix, sources, line);
                }
            }
        }
    }

    #[test]
    fn it_finds_what_a_backtracking_search_finds(
        source in expression(),
        texts in prop::collection::vec("(ab|a:|a\n|)(abab|b:abab|aabb1|)[ab1: ]{0,9}(abab|)\n{0,2}[ab:]{0,3}é?[ab]?\n?", 1..12),
    ) {
        let Ok(ast) = parse(&source, false, false) else { return Ok(()) };
        let Ok(program) = program::compile(&ast) else { return Ok(()) };
        if !program.tagged {
            return Ok(());
        }
        let (mut tagged, mut scratch) = (Tagged::default(), Scratch::default());
        for text in texts {
            let Ok(expected) = backtrack::search(&program, &mut scratch, &text, 0, 1_000_000) else { continue };
            if program.excludes(text.as_bytes()) {
                prop_assert!(!expected, "{} in {:?}", source, text);
                continue;
            }
            let Some(found) = tagged.search(&program, text.as_bytes()) else { continue };
            prop_assert_eq!(found, expected, "{} in {:?}", source, text);
            if found {
                let mut slots = Vec::new();
                tagged.read_onto(&mut slots, 0..tagged.slot_count(), 0);
                prop_assert_eq!(slots.as_slice(), scratch.slots(), "{} in {:?}", source, text);
            }
        }
    }
}
