//! Whether what was printed is what a page shows.
//!
//! In a page `…` stands for anything within a line, and alone in a line for any lines. Dates with times, and the numbers
//! of processes in brackets, are always others; the blanks at the end of a line, and those in which columns are set, are
//! of no consequence.

/// Whether the text is what is shown.
pub(crate) fn is_as_shown(shown: &str, printed: &str) -> bool {
    let shown: Vec<String> = plain(shown);
    let printed: Vec<String> = plain(printed);
    fits(&shown, &printed, &|shown, printed| line_fits(shown, printed), "…")
}

/// Lines without what is always another; empty ones at the end are left out.
fn plain(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(|line| words(&without_numbers(line))).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// The words of a line with one blank between them; how far it is indented stays.
fn words(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let words: Vec<&str> = line.split_whitespace().collect();
    format!("{}{}", " ".repeat(indent), words.join(" "))
}

/// `2026-11-21 23:29:28,123` as `WHEN`, `[123]` as `[N]`.
fn without_numbers(line: &str) -> String {
    const SHAPES: [(&str, &str); 4] = [
        ("dddd-dd-dd dd:dd:dd,ddd", "WHEN"),
        ("dddd-dd-dd dd:dd:dd", "WHEN"),
        ("dddd-dd-ddTdd:dd:dd", "WHEN"),
        ("dd/LLL/dddd:dd:dd:dd +dddd", "WHEN"),
    ];
    let mut plain = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if let Some((shape, name)) = SHAPES.iter().find(|(shape, _)| has_shape(rest, shape)) {
            plain.push_str(name);
            rest = rest.get(shape.len()..).unwrap_or_default();
        } else if let Some((number, after)) = rest
            .strip_prefix('[')
            .and_then(|inside| inside.split_once(']'))
            .filter(|(number, _)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        {
            let _any = number;
            plain.push_str("[N]");
            rest = after;
        } else {
            plain.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    plain
}

fn has_shape(text: &str, shape: &str) -> bool {
    let head = text.as_bytes().get(..shape.len());
    head.is_some_and(|head| {
        head.iter().zip(shape.bytes()).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            b'L' => byte.is_ascii_alphabetic(),
            _ => *byte == shape,
        })
    })
}

/// Within a line.
fn line_fits(shown: &str, printed: &str) -> bool {
    let letters = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
    fits(&letters(shown), &letters(printed), &|a, b| a == b, "…")
}

/// Whether parts fit, where `any` among those that are shown stands for any number of them.
fn fits(shown: &[String], printed: &[String], same: &dyn Fn(&str, &str) -> bool, any: &str) -> bool {
    // The place behind the last `any`, and how much of what was printed that has taken: to go back to.
    let (mut at, mut taken, mut back) = (0, 0, None);
    while let Some(part_printed) = printed.get(taken) {
        match shown.get(at) {
            Some(part) if part == any => {
                back = Some((at, taken));
                at += 1;
            }
            Some(part) if same(part, part_printed) => {
                at += 1;
                taken += 1;
            }
            Some(_) | None => match &mut back {
                Some((star, from)) => {
                    *from += 1;
                    (at, taken) = (*star + 1, *from);
                }
                None => return false,
            },
        }
    }
    shown.iter().skip(at).all(|part| part == any)
}

#[test]
fn what_is_shown_is_compared() {
    let cases = [
        ("the same", "a\nb\n", "a\nb\n", true),
        ("another line", "a\n", "a\nb\n", false),
        ("a line less", "a\nb\n", "a\n", false),
        ("another word", "a b\n", "a c\n", false),
        ("columns", "a   b\n", "a b\n", true),
        ("indentation", "  a\n", "a\n", false),
        ("within a line", "a … c\n", "a b b c\n", true),
        ("within a line, and more", "a … c\n", "a b c d\n", false),
        ("any lines", "a\n…\nd\n", "a\nb\nc\nd\n", true),
        ("any lines, but not the end", "a\n…\nd\n", "a\nb\nc\n", false),
        (
            "another time",
            "2026-01-01 00:00:00 a\n",
            "2027-02-03 04:05:06 a\n",
            true,
        ),
        (
            "a time and a word",
            "2026-01-01 00:00:00 a\n",
            "yesterday a\n",
            false,
        ),
        ("another process", "x [1]: y\n", "x [4711]: y\n", true),
        ("nothing", "", "", true),
        ("something for nothing", "", "a\n", false),
    ];
    for (name, shown, printed, expected) in cases {
        assert_eq!(is_as_shown(shown, printed), expected, "{name}");
    }
}
