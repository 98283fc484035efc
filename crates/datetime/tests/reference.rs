//! Random patterns and logs, read by us and by the reference's `fail2ban-regex`.
//!
//! Needs the reference in `target/reference`. Without it the test says so and passes, but fails where the
//! environment has `CI`. `STOCKADE_CASES` sets how many logs are compared, `STOCKADE_SEED` where to start.
#![expect(clippy::disallowed_methods, reason = "the reference is a program")]
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

mod generate;

use generate::{Made, Rng};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use stockade_datetime::{Clock, Detector, Timestamp};

/// Some ten milliseconds each.
const CASES: usize = 600;

/// Lines of a log.
const LINES: usize = 20;

/// Zones by the rules that both sides understand.
const ZONES: [&str; 4] = [
    "UTC0",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "EST5EDT,M3.2.0,M11.1.0",
    "<+0530>-5:30",
];

/// How much a time that is the present may differ between the two, in microseconds.
const PATIENCE_MICROS: i64 = 120 * 1_000_000;

#[test]
fn the_reference_finds_the_same_dates() {
    let reference = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/reference");
    if !reference.join("usr/bin/fail2ban-regex").exists() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI lacks target/reference: cargo xtask setup"
        );
        eprintln!("skipped: there is no target/reference; `cargo xtask setup` makes it");
        return;
    }
    let number = |name: &str, default: usize| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (cases, seed) = (number("STOCKADE_CASES", CASES), number("STOCKADE_SEED", 0));
    let mut compared = Compared::default();
    let mut differences = String::new();
    let mut reference = Reference::start(&reference);
    for case in seed..seed + cases {
        let mut rng = Rng::new(u64::try_from(case).expect("a small number"));
        let log = Log::new(&mut rng);
        log.compare(&mut reference, case, &mut compared, &mut differences);
    }
    eprintln!("{compared:?}");
    assert!(differences.is_empty(), "{differences}");
    assert!(compared.dates > cases, "{compared:?}");
}

/// How much was compared.
#[derive(Debug, Default)]
struct Compared {
    lines: usize,
    dates: usize,
    /// Logs on which the reference ended with an exception.
    aborted: usize,
    /// Patterns that we refuse.
    refused: usize,
    /// Logs after which the order of the formats was compared.
    orders: usize,
}

/// A log and how it is to be read.
struct Log {
    patterns: Vec<String>,
    lines: Vec<String>,
    zone: &'static str,
    default_zone: Option<&'static str>,
}

impl Log {
    fn new(rng: &mut Rng) -> Self {
        let made: Vec<Made> = match rng.below(5) {
            0 | 1 => Vec::new(),
            2 | 3 => vec![Made::new(rng)],
            _ => (0..2 + rng.below(2)).map(|_| Made::new(rng)).collect(),
        };
        let mut patterns: Vec<String> = made.iter().map(Made::pattern).collect();
        for pattern in &mut patterns {
            // The reference cannot compile a pattern that has flags before names, nor one that begins
            // with an optional blank.
            if ["%a", "%A", "%b", "%B", "%p"]
                .iter()
                .any(|token| pattern.contains(token))
            {
                *pattern = pattern.replace("(?i)", "");
            }
            let start = pattern
                .trim_start_matches("{UNB}")
                .trim_start_matches("{^LN-BEG}");
            if ["%k", "%l", "%Exk", "%Exl"]
                .iter()
                .any(|token| start.starts_with(token))
            {
                "%ExH".clone_into(pattern);
            }
        }
        if !patterns.is_empty() && rng.one_in(5) {
            patterns.push(
                rng.pick(&[
                    "EPOCH",
                    "{^LN-BEG}LEPOCH",
                    "TAI64N",
                    "{^LN-BEG}",
                    "{DATE}",
                    r"^\S+ ({DATE})",
                    "{NONE}",
                    "^abc()**",
                    "x{EPOCH}",
                ])
                .to_owned(),
            );
        }
        // Most lines of a log look alike.
        let mut lines: Vec<String> = Vec::new();
        while lines.len() < LINES {
            let line = if made.is_empty() && rng.one_in(3) {
                generate::usual_line(rng)
            } else if made.is_empty() || rng.one_in(8) {
                generate::default_line(rng)
            } else {
                made[rng.below(made.len())].line(rng)
            };
            for _ in 0..=[0, 0, 1, 3][rng.below(4)] {
                lines.push(line.clone());
            }
        }
        lines.retain(|line| !line.starts_with('#') && !line.trim().is_empty());
        Self {
            patterns,
            lines,
            zone: rng.pick(&ZONES.map(|zone| zone)),
            default_zone: rng
                .one_in(4)
                .then(|| rng.pick(&["UTC", "CET", "EST-0130", "+0430"])),
        }
    }

    fn compare(
        &self,
        reference: &mut Reference,
        case: usize,
        compared: &mut Compared,
        differences: &mut String,
    ) {
        let now = Timestamp::from_micros(i64::try_from(now_micros()).expect("not that late"));
        let rows = self.ask(reference, &["-o", "row"]);
        let answers: Vec<Answer> = rows.lines().filter_map(read_row).collect();
        let pattern = self.patterns.join("\n");
        let zone = TimeZone::posix(self.zone).expect("a zone");
        let clock = Clock::new(now, zone);
        let year = i16::try_from(1970 + now.seconds() / 31_556_952).expect("a year");
        let mut detector = match Detector::new(Some(&pattern), year) {
            Ok(detector) => detector,
            Err(error) => {
                compared.refused += 1;
                if !answers.is_empty() {
                    writeln!(differences, "{case}: we refuse {pattern:?}: {error}").expect("a string");
                }
                return;
            }
        };
        detector.set_zone(self.default_zone.map(|zone| zone.parse().expect("a zone")));
        let mut last: Option<(Timestamp, bool)> = None;
        for (at, line) in self.lines.iter().enumerate() {
            let found = detector.find(line, &clock);
            let (text, time) = match &found {
                Some(found) if !found.cut.is_empty() && found.time.is_some() => {
                    last = found.time.map(|time| (time, found.time_is_whole));
                    let cut = format!("{}{}", &line[..found.cut.start], &line[found.cut.end..]);
                    (cut, last)
                }
                found => {
                    let recent = last.filter(|(last, _)| *last > now.plus_seconds(-60));
                    let empty = found.as_ref().is_some_and(|found| found.cut.is_empty());
                    let time = recent.or(empty.then_some((now, false)));
                    // What is no date after all is cut, unless the date of another line takes its place.
                    let text = match found {
                        Some(found) if recent.is_none() => {
                            format!("{}{}", &line[..found.cut.start], &line[found.cut.end..])
                        }
                        _ => line.clone(),
                    };
                    (text, time)
                }
            };
            compared.lines += 1;
            compared.dates += usize::from(found.as_ref().is_some_and(|found| found.time.is_some()));
            let Some(answer) = answers.get(at) else {
                // Exceptions of the reference are dates that do not convert.
                compared.aborted += 1;
                if found.as_ref().is_none_or(|found| found.time.is_some()) {
                    writeln!(
                        differences,
                        "{case}: the reference gave up at {line:?}, we find {found:?} by {pattern:?}"
                    )
                    .expect("a string");
                }
                return;
            };
            let same_time = match (time, &answer.1) {
                (None, None) => true,
                (Some((time, whole)), Some((theirs, theirs_whole))) => {
                    let off = time.micros_since(*theirs).abs();
                    let present = time.micros_since(now).abs() < PATIENCE_MICROS;
                    off <= 1 && whole == *theirs_whole || present && off < PATIENCE_MICROS
                }
                _ => false,
            };
            if format!("{text}\n") != answer.0 || !same_time {
                writeln!(
                    differences,
                    "{case}: line {at} {line:?} of {:?} by {pattern:?} in {} {:?}: ours {text:?} {time:?} {:?}, theirs {answer:?}",
                    self.lines.get(..at),
                    self.zone,
                    self.default_zone,
                    found.map(|found| detector.name(found.template).to_owned()),
                )
                .expect("a string");
                return;
            }
        }
        if case.is_multiple_of(4) {
            let printed = self.ask(reference, &["-v"]);
            let list = printed
                .split_once("Date template hits:\n")
                .map_or("", |(_, list)| list);
            // How the reference prints `%Exk` and `%Exl` is not the same on every run.
            let theirs: Vec<String> = list
                .lines()
                .skip(1)
                .map_while(|line| line.strip_prefix("|  "))
                .map(|line| line.replace("Ex%", "%Ex"))
                .collect();
            let ours: Vec<String> = detector
                .templates()
                .map(|template| format!("[{}] {}", template.hits, template.name))
                .collect();
            if ours != theirs {
                writeln!(
                    differences,
                    "{case}: ours {ours:#?}, theirs {theirs:#?} by {pattern:?} on {:#?}",
                    self.lines
                )
                .expect("a string");
            }
            compared.orders += 1;
        }
    }

    /// Has the reference read the log, and answers what it prints.
    fn ask(&self, reference: &mut Reference, options: &[&str]) -> String {
        let mut arguments = vec!["--raw".to_owned()];
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        if !self.patterns.is_empty() {
            arguments.extend(["-d".to_owned(), self.patterns.join("\n")]);
        }
        if let Some(zone) = self.default_zone {
            arguments.extend(["--TZ".to_owned(), zone.to_owned()]);
        }
        let request = json!({ "zone": self.zone, "arguments": arguments, "lines": self.lines });
        reference.ask(&request)
    }
}

/// The reference, in an interpreter that is started once.
struct Reference {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Reference {
    fn start(directory: &std::path::Path) -> Self {
        let mut process = Command::new("/usr/bin/python3")
            .env("PYTHONPATH", directory.join("usr/lib/python3/dist-packages"))
            .env("LANG", "C.UTF-8")
            .env("PYTHONIOENCODING", "utf-8")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference.py"))
            .arg(directory.join("usr/bin/fail2ban-regex"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the reference runs");
        Self {
            requests: process.stdin.take().expect("it was asked for"),
            answers: BufReader::new(process.stdout.take().expect("it was asked for")),
            process,
        }
    }

    fn ask(&mut self, request: &Value) -> String {
        writeln!(self.requests, "{request}").expect("it listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        serde_json::from_str(&answer).expect("the answer is JSON")
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn now_micros() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("it is later than 1970")
        .as_micros()
}

/// The text without its date, and the time with whether it is a whole number.
type Answer = (String, Option<(Timestamp, bool)>);

/// Reads `['text', <tab>time, <tab>{…}],`.
fn read_row(row: &str) -> Option<Answer> {
    let (text, rest) = read_literal(row.strip_prefix('[')?)?;
    let time = rest.strip_prefix(",\t")?.split_once(',')?.0;
    if time == "None" {
        return Some((text, None));
    }
    let micros = if let Ok(whole) = time.parse::<i64>() {
        whole.saturating_mul(1_000_000)
    } else {
        let (whole, fraction) = time.split_once('.')?;
        let fraction: String = format!("{fraction:0<6}").chars().take(6).collect();
        let whole: i64 = whole.parse().ok()?;
        whole * 1_000_000 + fraction.parse::<i64>().ok()? * if time.starts_with('-') { -1 } else { 1 }
    };
    Some((text, Some((Timestamp::from_micros(micros), !time.contains('.')))))
}

/// Reads a string as Python prints it; answers what follows, too.
fn read_literal(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next()?;
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((out, &text[at + 1..]));
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        let mut code = |count: usize| {
            let digits: String = chars.by_ref().take(count).map(|(_, c)| c).collect();
            u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
        };
        match text[at + 1..].chars().next()? {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'x' => {
                code(1);
                out.push(code(2)?);
                continue;
            }
            'u' => {
                code(1);
                out.push(code(4)?);
                continue;
            }
            other => out.push(other),
        }
        chars.next();
    }
    None
}
