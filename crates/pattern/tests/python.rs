//! Random expressions and texts, given to this crate and to Python's `re`: the answers must be equal.
//!
//! The generator is driven by a seed. `STOCKADE_PAIRS` (how many pairs of an expression and a text) and
//! `STOCKADE_SEED` ask for a longer or another run than the fixed one.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(
    clippy::print_stdout,
    reason = "the count of comparisons is part of the result"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use stockade_pattern::{Options, Pattern, StepLimit};

/// How many pairs are compared when nothing else is asked for.
const PAIRS: u64 = 10_000;
/// How many texts an expression is tried on.
const TEXTS: u64 = 6;

#[test]
fn random_expressions_match_as_in_python() {
    compare(0x5EED_0001, |random| {
        let mut generator = Generator::new(random);
        let pattern = generator.expression();
        let texts = (0..TEXTS).map(|_| generator.text()).collect();
        (pattern, texts)
    });
}

#[test]
fn random_regular_expressions_match_as_in_python() {
    compare(0x5EED_0003, |random| {
        let mut generator = Generator {
            regular: true,
            ..Generator::new(random)
        };
        let pattern = generator.expression();
        let texts = (0..TEXTS).map(|_| generator.text()).collect();
        (pattern, texts)
    });
}

/// Where a class begins an expression, Python searches for it by the flags of the whole expression.
#[test]
fn classes_under_flags_of_their_own_match_as_in_python() {
    const ITEMS: [&str; 14] = [
        r"\w", r"\W", r"\s", r"\S", r"\d", r"\D", r"[\W_]", r"[^\w]", r"[\sk]", r"[^\S!]", "[xy]", "x",
        "[^x]", ".",
    ];
    const SHAPES: [&str; 18] = [
        "(?a:@)",
        "(?a:@@)",
        "(?a:@|@)",
        "(?a:@|@|@)",
        "(?a:@@|@@)",
        "(?a:@)|@",
        "@|(?a:@)",
        "(?a:@)+",
        "((?a:@))@",
        "(?a:(?:)(@))",
        "(?a:(?:@))?",
        "(?a)(?u:@)",
        "(?a)(?u:@|@)",
        "(?i)(?a:@|@)",
        "(?ai:@|@)",
        "(?i:@|(?a:@))",
        "(?a:(?i:@)|@)",
        "(?a:(?u:@)@)",
    ];
    const CHARS: [&str; 9] = ["ς", "_", "x", "K", "\u{212a}", "\u{2003}", "٣", "k", "!"];
    compare(5_000_000, |random| {
        let shape = random.pick(&SHAPES);
        let source = shape
            .split_inclusive('@')
            .map(|part| match part.strip_suffix('@') {
                Some(before) => format!("{before}{}", random.pick(&ITEMS)),
                None => part.to_owned(),
            });
        let source = source.collect();
        let text = |random: &mut Random| (0..=random.below(4)).map(|_| *random.pick(&CHARS)).collect();
        (source, (0..6).map(|_| text(random)).collect())
    });
}

/// Python makes a class of alternatives of one character each, and of such letters a class ignores no case. Once it finds
/// them, too, the row of the ledger is out of date.
#[test]
fn a_capital_letter_of_a_rare_script_is_found_among_others() {
    let Some(mut python) = Python::start() else { return };
    let ignoring = Options {
        ignore_case: true,
        ..Options::default()
    };
    for (source, finds) in [("a|𐐀", false), (r"[\W_]|𐐀", false), ("𐐀", true), ("a|𐐀|bc", true)] {
        let request = json!({
            "pattern": source, "multiline": false, "ignore_case": true, "texts": [["𐐀", 0]],
        });
        let found = python.ask(&request)["found"][0] != Value::Null;
        assert_eq!(found, finds, "{source}: Python");
        let pattern = Pattern::compile(source, ignoring).unwrap();
        assert!(pattern.is_match("𐐀").unwrap(), "{source}");
    }
}

#[test]
fn random_token_soup_is_refused_as_in_python() {
    compare(0x5EED_0002, |random| {
        let pattern = soup(random);
        let texts = (0..TEXTS).map(|_| Generator::new(random).text()).collect();
        (pattern, texts)
    });
}

#[test]
fn classes_are_those_of_python() {
    let Some(mut python) = Python::start() else { return };
    let answer = python.ask(&json!({ "classes": true }));
    for class in [r"\w", r"\d", r"\s"] {
        let expected: Vec<u64> = answer[class]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_u64)
            .collect();
        let pattern = Pattern::compile(class, Options::default()).unwrap();
        let found: Vec<u64> = (0..=0x10_FFFF)
            .filter_map(char::from_u32)
            .filter(|c| pattern.is_match(&c.to_string()).unwrap())
            .map(|c| u64::from(u32::from(c)))
            .collect();
        assert!(found == expected, "the characters of {class}");
    }
}

/// Compares as many pairs as asked for and reports every expression that differs.
fn compare(seed: u64, mut next: impl FnMut(&mut Random) -> (String, Vec<String>)) {
    let Some(mut python) = Python::start() else { return };
    let pairs = number("STOCKADE_PAIRS").unwrap_or(PAIRS);
    let mut random = Random(number("STOCKADE_SEED").unwrap_or(seed));
    let (mut done, mut matches, mut errors, mut skipped, mut gave_up, mut regular) = (0, 0, 0, 0, 0, 0);
    let mut known = 0;
    let mut differences = Vec::new();
    while done < pairs && differences.len() < 20 {
        let (source, texts) = next(&mut random);
        done += texts.len() as u64;
        let options = Options {
            multiline: random.below(6) == 0,
            ignore_case: random.below(6) == 0,
        };
        let texts: Vec<(String, usize)> = texts
            .into_iter()
            .map(|text| {
                let start = if random.below(4) == 0 {
                    random.boundary(&text)
                } else {
                    0
                };
                (text, start)
            })
            .collect();
        let answer = python.ask(&json!({
            "pattern": source, "multiline": options.multiline, "ignore_case": options.ignore_case, "texts": texts,
        }));
        if answer.get("skip").is_some() {
            skipped += 1;
            continue;
        }
        // See `a_capital_letter_of_a_rare_script_is_found_among_others`.
        let may_differ = source.contains('|')
            && (options.ignore_case || source.contains("(?"))
            && source.chars().any(|c| c > '\u{ffff}' && c.is_uppercase());
        let pattern = match (
            Pattern::compile(&source, options),
            answer.get("error").and_then(Value::as_str),
        ) {
            (Ok(pattern), None) => pattern,
            (Err(error), Some(expected)) if error.to_string() == expected => {
                errors += 1;
                continue;
            }
            (result, expected) => {
                let found = result
                    .map(|_| "compiles".to_owned())
                    .unwrap_or_else(|error| error.to_string());
                let expected = expected.unwrap_or("compiles");
                differences.push(format!(
                    "{source:?} {options:?}: Python: {expected}; here: {found}"
                ));
                continue;
            }
        };
        regular += if pattern.is_regular() { texts.len() } else { 0 };
        for ((text, start), expected) in texts.iter().zip(answer["found"].as_array().unwrap()) {
            let found = match pattern.captures_at(text, *start) {
                // Exponential, and Python was lucky or faster.
                Err(StepLimit) => {
                    gave_up += 1;
                    break;
                }
                Ok(None) => Value::Null,
                Ok(Some(captures)) => {
                    matches += 1;
                    (0..=pattern.group_count())
                        .map(|group| {
                            captures
                                .span(group)
                                .map_or(json!([-1, -1]), |span| json!([span.start, span.end]))
                        })
                        .collect()
                }
            };
            if found != *expected && may_differ {
                known += 1;
                break;
            }
            if found != *expected {
                differences.push(format!(
                    "{source:?} {options:?} on {text:?} from {start}: Python: {expected}; here: {found}"
                ));
                break;
            }
            let rest = text.get(*start..).unwrap();
            match (pattern.is_match(rest), pattern.captures(rest)) {
                (Ok(is_match), Ok(captures)) => assert_eq!(
                    is_match,
                    captures.is_some(),
                    "{source:?} {options:?} on {text:?}: is_match and captures disagree"
                ),
                (Err(StepLimit), _) | (_, Err(StepLimit)) => gave_up += 1,
            }
        }
    }
    println!(
        "{done} pairs, {regular} of them regular: {matches} matches, {errors} equal errors, {known} known differences, {skipped} too much for Python, {gave_up} for us"
    );
    assert!(
        known <= 1 + done / 10_000,
        "{known} differences are more than those of rare scripts"
    );
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A Python that answers.
struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    /// `None`, with a word about it, where there is no Python 3.11; in CI there must be one.
    fn start() -> Option<Self> {
        let version = Command::new("python3")
            .args(["-c", "import sys; print(sys.version_info[:2])"])
            .output();
        let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        if !matches!(version.as_deref(), Ok("(3, 11)")) {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI needs python3 to be Python 3.11, not {version:?}"
            );
            println!("skipped: python3 is not Python 3.11 but {version:?}");
            return None;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python.py");
        let mut child = Command::new("python3")
            .args(["-S", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 was there just now");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Some(Self { child, input, output })
    }

    fn ask(&mut self, request: &Value) -> Value {
        let line = format!("{request}\n");
        self.input.write_all(line.as_bytes()).expect("python reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("python answers");
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error} in the answer to {request}: {line}"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ended_anyway = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }

    fn boundary(&mut self, text: &str) -> usize {
        let starts: Vec<usize> = text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .collect();
        *self.pick(&starts)
    }
}

/// An expression of random pieces, hardly ever a good one.
fn soup(random: &mut Random) -> String {
    const PIECES: [&str; 104] = [
        "a",
        "b",
        "é",
        "k",
        "1",
        "0",
        "8",
        " ",
        "#",
        "\n",
        "(",
        ")",
        "(",
        ")",
        "(?:",
        "(?P<n>",
        "(?P<m>",
        "(?P<",
        ">",
        "(?P=n)",
        "(?P=",
        "(?(n)",
        "(?(1)",
        "(?(2)",
        "(?(",
        "(?=",
        "(?!",
        "(?<=",
        "(?<!",
        "(?<",
        "(?>",
        "(?#",
        "(?i)",
        "(?i:",
        "(?-i:",
        "(?x)",
        "(?m-s:",
        "(?a)",
        "(?u)",
        "(?au:",
        "(?L)",
        "(?t)",
        "(?",
        "(?i-",
        "(?-",
        "?",
        "*",
        "+",
        "{",
        "}",
        "{,3}",
        "{2}",
        "{1,2}",
        "{3,1}",
        "{,}",
        "{2,",
        "??",
        "*+",
        "|",
        "[",
        "]",
        "[^",
        "-",
        "[]",
        "[a-z]",
        "[z-a]",
        "[\\w-a]",
        "^",
        "$",
        ".",
        "\\",
        "\\b",
        "\\B",
        "\\A",
        "\\Z",
        "\\d",
        "\\W",
        "\\s",
        "\\1",
        "\\2",
        "\\10",
        "\\0",
        "\\07",
        "\\377",
        "\\400",
        "\\x4",
        "\\x41",
        "\\u00e9",
        "\\U0001F600",
        "\\U00110000",
        "\\N{DIGIT ONE}",
        "\\N{",
        "\\q",
        "\\-",
        "\\/",
        "&&",
        "--",
        "[[",
        "\\8",
        ",",
        ":",
        "=",
        "<",
        "!",
    ];
    let count = 1 + random.below(9);
    (0..count).map(|_| *random.pick(&PIECES)).collect()
}

/// Makes expressions that compile, nearly always, and texts that they may match.
struct Generator<'a> {
    random: &'a mut Random,
    /// The groups so far, and whether each is closed.
    groups: Vec<bool>,
    /// What the expression was made of, to make texts from.
    pieces: Vec<String>,
    /// Whether to leave out what an automaton cannot express.
    regular: bool,
}

impl<'a> Generator<'a> {
    fn new(random: &'a mut Random) -> Self {
        Self {
            random,
            groups: Vec::new(),
            pieces: Vec::new(),
            regular: false,
        }
    }

    fn expression(&mut self) -> String {
        let flags = *self
            .random
            .pick(&["", "", "", "", "(?i)", "(?s)", "(?m)", "(?a)", "(?ia)"]);
        let body = self.alternatives(3);
        format!("{flags}{body}")
    }

    fn alternatives(&mut self, depth: u64) -> String {
        let count = *self.random.pick(&[1, 1, 1, 2, 2, 3]);
        let branches: Vec<String> = (0..count).map(|_| self.sequence(depth)).collect();
        branches.join("|")
    }

    fn sequence(&mut self, depth: u64) -> String {
        let count = *self.random.pick(&[0, 1, 1, 2, 2, 3, 4]);
        (0..count).map(|_| self.item(depth)).collect()
    }

    fn item(&mut self, depth: u64) -> String {
        if self.random.below(9) == 0 {
            return (*self.random.pick(&["^", "$", "\\b", "\\B", "\\A", "\\Z"])).to_owned();
        }
        let groups_before = self.groups.len();
        let atom = if depth > 0 && self.random.below(3) > 0 {
            self.group(depth)
        } else {
            self.single()
        };
        if self.random.below(5) < 2 {
            let greedy_or_lazy = [
                "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{,2}", "{2,}", "{0,3}?", "{2,3}?", "{0}",
                "{1}",
            ];
            let possessive = ["*+", "++", "?+", "{2}+", "{1,3}+"];
            // Python 3.11 forgets to put groups back that a possessive repeat set on a way that failed.
            let may_be_possessive =
                !self.regular && self.groups.len() == groups_before && self.random.below(4) == 0;
            let quantifier = if may_be_possessive {
                *self.random.pick(&possessive)
            } else {
                *self.random.pick(&greedy_or_lazy)
            };
            return format!("{atom}{quantifier}");
        }
        atom
    }

    fn single(&mut self) -> String {
        let piece = *self.random.pick(&[
            "a",
            "a",
            "b",
            "b",
            "ab",
            "c",
            ".",
            "\\w",
            "\\d",
            "\\s",
            "\\W",
            "\\D",
            "\\S",
            "[ab]",
            "[^a]",
            "[^\\s]",
            "[a-c\\d]",
            "\\n",
            "é",
            "[é-ü]",
            "k",
            "K",
            "S",
            "[k-s]",
            "[^K]",
            "1",
            "-",
            "[-_]",
            "[\\W_]",
            "ß",
            "İ",
            "\\.",
            "[^\\W\\d]",
            "\u{212A}",
            "ſ",
            "ς",
            "[\\n ]",
            "[]a]",
            "\\x61",
            "\u{10400}",
            "[\u{10400}-\u{10427}]",
            "[ß-\u{10410}]",
        ]);
        self.pieces.push(piece.to_owned());
        piece.to_owned()
    }

    fn group(&mut self, depth: u64) -> String {
        let kind = if self.regular {
            *self.random.pick(&[0, 5, 12])
        } else {
            self.random.below(16)
        };
        match kind {
            0..=4 => {
                let number = self.groups.len();
                self.groups.push(false);
                let name = if self.random.below(2) == 0 {
                    format!("?P<g{}>", number + 1)
                } else {
                    String::new()
                };
                let inside = self.alternatives(depth - 1);
                self.groups[number] = true;
                format!("({name}{inside})")
            }
            5..=7 => format!("(?:{})", self.alternatives(depth - 1)),
            8 => format!("(?={})", self.alternatives(depth - 1)),
            9 => format!("(?!{})", self.alternatives(depth - 1)),
            10 => {
                let kind = *self.random.pick(&["<=", "<!"]);
                let inside = *self.random.pick(&[
                    "a", "b", "[ab]", "ab", "\\w", "\\W", "é", "^", "\\n", "a|b", "(?=a).",
                ]);
                format!("(?{kind}{inside})")
            }
            11 => format!("(?>{})", self.alternatives(depth - 1)),
            12 => {
                let flags = *self.random.pick(&["i", "-i", "s", "m", "a", "u", "ms-i", "x"]);
                format!("(?{flags}:{})", self.alternatives(depth - 1))
            }
            13 | 14 => {
                let closed: Vec<usize> = (0..self.groups.len())
                    .filter(|group| self.groups[*group])
                    .collect();
                match closed.as_slice() {
                    [] => self.single(),
                    closed => format!("(?:\\{})", self.random.pick(closed) + 1),
                }
            }
            _ if self.groups.is_empty() => self.single(),
            _ => {
                // A group never asks for itself while it is open: there Python may see where it ended on an
                // earlier way that failed.
                let closed: Vec<usize> = (0..self.groups.len())
                    .filter(|group| self.groups[*group])
                    .collect();
                let group = if closed.is_empty() {
                    return self.single();
                } else {
                    self.random.pick(&closed) + 1
                };
                let yes = self.sequence(depth - 1);
                let no = self.sequence(depth - 1);
                format!("(?({group}){yes}|{no})")
            }
        }
    }

    fn text(&mut self) -> String {
        const CHARACTERS: [&str; 40] = [
            "a",
            "a",
            "a",
            "a",
            "b",
            "b",
            "b",
            "b",
            "ab",
            "ba",
            "c",
            "A",
            "B",
            "k",
            "K",
            "s",
            "S",
            "1",
            "_",
            "-",
            " ",
            "\n",
            ".",
            "é",
            "É",
            "ü",
            "\u{212A}",
            "ſ",
            "ß",
            "ẞ",
            "i",
            "İ",
            "ı",
            "σ",
            "\u{10428}",
            "\u{10400}",
            "٣",
            "\u{301}",
            "\r",
            "\u{1c}",
        ];
        let ascii = self.random.below(3) > 0;
        let length = self.random.below(11);
        let mut text = String::new();
        for _ in 0..length {
            let piece = match self.pieces.len() {
                0 => *self.random.pick(&CHARACTERS),
                _ if self.random.below(2) == 0 => *self.random.pick(&CHARACTERS),
                _ => self.random.pick(&self.pieces),
            };
            if !ascii || piece.is_ascii() {
                text.push_str(piece.trim_start_matches('\\'));
            }
        }
        if self.random.below(2) == 0 {
            text.push('\n');
        }
        text
    }
}
