//! Lines that attackers write: what they cost is counted in steps, and grows no faster than they do.

use stockade_pattern::{Options, Pattern, TagOptions, expand_tags};

/// Expressions that take the reference minutes or for ever on some line, and what such a line is made of.
const EXPLODING: [(&str, &str, &str, &str); 14] = [
    ("nested repeats", "^(?:a+)+$", "a", "!"),
    ("nested repeats of sets", "^(?:\\w+\\s?)+:$", "word ", "!"),
    ("alternatives that overlap", "^(?:a|aa|aaa)+$", "a", "!"),
    ("repeats one after the other", "^a*a*a*a*a*b$", "a", "!"),
    ("blanks", "^\\s*x?\\s*y?\\s*z?\\s*$", " ", "!"),
    ("blanks, unanchored", "\\s+$", " ", "!"),
    ("lazy repeats", "^.*?a.*?a.*?a.*?b$", "a", "!"),
    (
        "a host in the middle",
        "^.*from <ADDR>.* to <DNS>: x$",
        "from 192.0.2.1 to ",
        "!",
    ),
    ("many hosts", "<ADDR>\\S* <DNS>\\S* gone", "192.0.2.1 ", "!"),
    ("colons", "^(?:[0-9a-f]{0,4}:)+ <ADDR> x$", "a:", "!"),
    ("look-ahead", "^(?:(?!x)\\w)+ from <HOST>$", "a", "!"),
    ("a look-ahead at every place", "(?=\\w+y)\\w+z", "a", "!"),
    ("a conditional", "^(?:(\\[)|x)?.*?(?(1)\\]|z) <HOST>$", "[]", "!"),
    ("optional parts", "^(?:a?){20}a{20}$", "a", "!"),
];

#[test]
fn steps_grow_no_faster_than_the_line() {
    for (name, source, piece, end) in EXPLODING {
        let expanded = expand_tags(source, &TagOptions { dns: true });
        let pattern = Pattern::compile(&expanded, Options::default()).unwrap();
        let mut costs = Vec::new();
        for length in [4 * 1024, 64 * 1024] {
            let text = piece.repeat(length / piece.len()) + end + "\n";
            let steps = pattern.steps(&text);
            // What could not be told is told so, after a number of steps that has nothing to do with the line.
            costs.push(steps.unwrap_or(5_000_000));
        }
        let (Some(short), Some(long)) = (costs.first(), costs.last()) else {
            panic!("{name}")
        };
        let bound = (short.max(&4_096) * 20).min(5_001_024);
        assert!(
            *long <= bound,
            "{name}: {short} steps for 4 KiB, {long} for 64 KiB"
        );
    }
}

#[test]
fn lines_of_a_megabyte_are_answered() {
    let strange = [
        "\0".repeat(1 << 20),
        "\u{FFFD}".repeat(1 << 18),
        "\u{10FFFF}e\u{301}".repeat(1 << 17),
        "a".repeat(1 << 20),
        " ".repeat(1 << 20),
    ];
    for (name, source, _, _) in EXPLODING {
        let expanded = expand_tags(source, &TagOptions { dns: true });
        let pattern = Pattern::compile(&expanded, Options::default()).unwrap();
        for text in &strange {
            let steps = pattern.steps(&format!("{text}\n")).unwrap_or(5_000_000);
            assert!(steps <= 5_001_024, "{name}: {steps} steps");
        }
    }
}
