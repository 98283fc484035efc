//! Random patterns and logs, read by us and by the reference's `fail2ban-regex`.
//!
//! What the reference finds in [`RECORDED_CASES`] logs is recorded, as digests of a hundred each. Some more are asked
//! about in every run, for which `target/reference` is needed; without it that test says so and passes, but fails where
//! the environment has `CI`. `STOCKADE_CASES` sets how many logs are compared, `STOCKADE_SEED` where to start, and
//! `STOCKADE_RECORD=all` records anew, with a number the hundred that begins with it.
#![expect(clippy::disallowed_methods, reason = "the reference is a program")]
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

mod generate;

use generate::{Made, Rng};
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use stockade_datetime::{Clock, Detector, Timestamp};

/// Some ten milliseconds each.
const CASES: usize = 300;

/// The first of them; those before are recorded.
const FIRST: usize = 1_000_000;

/// So many logs are recorded.
const RECORDED_CASES: usize = 10_000;

/// So many in a line.
const HUNDRED: usize = 100;

/// Lines of a log.
const LINES: usize = 20;

/// 2026-11-22 12:00:00, which is now for every line.
const NOW: i64 = 1_795_348_800;

/// The year of that.
const YEAR: i16 = 2026;

/// Zones by the rules that both sides understand.
const ZONES: [&str; 4] = [
    "UTC0",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "EST5EDT,M3.2.0,M11.1.0",
    "<+0530>-5:30",
];

#[test]
fn the_reference_finds_the_same_dates() {
    let Some(mut reference) = Reference::start() else {
        return;
    };
    let number = |name: &str, default: usize| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (cases, seed) = (number("STOCKADE_CASES", CASES), number("STOCKADE_SEED", FIRST));
    let mut compared = Compared::default();
    let mut differences = String::new();
    for case in seed..seed + cases {
        Log::of(case).compare(&mut reference, case, &mut compared, &mut differences);
    }
    eprintln!("{compared:?}");
    assert!(differences.is_empty(), "{compared:?}\n{differences}");
    assert!(compared.dates > cases, "{compared:?}");
}

#[test]
fn recorded_logs_have_the_same_dates() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded.txt");
    if let Ok(wanted) = std::env::var("STOCKADE_RECORD") {
        if let Some(mut reference) = Reference::start() {
            let old = std::fs::read_to_string(&path).unwrap_or_default();
            let recorded = record(&mut reference, &wanted, &old);
            std::fs::write(&path, recorded).expect("it can be recorded");
        }
        return;
    }
    let recorded = std::fs::read_to_string(&path).expect("it is recorded");
    let (mut stale, mut wrong, mut number) = (Vec::new(), Vec::new(), 0);
    for line in recorded.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let &[first, lines, answers, ends] = fields.as_slice() else {
            panic!("a line of the record: {line}");
        };
        let first: usize = first.parse().expect("a case");
        let ends: BTreeMap<usize, usize> = ends
            .split(',')
            .filter_map(|end| end.split_once(':'))
            .map(|(case, lines)| (case.parse().expect("a case"), lines.parse().expect("a number")))
            .collect();
        let mut digests = Digests::default();
        for case in first..first + HUNDRED {
            let log = Log::of(case);
            let ours = log.ours();
            let count = ends.get(&case).copied();
            let answers = ours
                .answers
                .get(..count.unwrap_or(log.lines.len()))
                .unwrap_or_default();
            digests.add(
                &log,
                answers,
                (count.is_none() && has_formats(case)).then_some(&ours.formats),
            );
        }
        number += HUNDRED;
        if format!("{:016x}", digests.lines) != lines {
            stale.push(first);
        } else if format!("{:016x}", digests.answers) != answers {
            wrong.push(first);
        }
    }
    assert!(
        stale.is_empty(),
        "other logs than were recorded from {stale:?} on; STOCKADE_RECORD=all asks anew"
    );
    assert!(
        wrong.is_empty(),
        "STOCKADE_CASES={HUNDRED} STOCKADE_SEED=N shows what differs for N of {wrong:?}"
    );
    assert_eq!(number, RECORDED_CASES);
}

#[test]
fn an_hour_that_comes_twice_does_not_depend_on_the_line_before() {
    let mut reference = Reference::start();
    // Clocks are put back at 01:00 UTC on 2009-10-25, and at 06:00 UTC on 2009-11-01. Now is later than all of
    // these, so that ours is the second one.
    let cases = [
        (ZONES[1], "2009-10-25T02:09:39 x", 1_256_432_979, 1_256_429_379),
        (ZONES[1], "2009-10-25T02:00:00 x", 1_256_432_400, 1_256_428_800),
        (ZONES[2], "2009-11-01T01:09:39 x", 1_257_055_779, 1_257_052_179),
    ];
    for (zone, line, second, first) in cases {
        for (before, their_seconds) in [
            ("2009-02-15T12:00:00 in winter", second),
            ("2009-07-15T12:00:00 in summer", first),
        ] {
            let log = Log {
                patterns: Vec::new(),
                lines: vec![before.to_owned(), line.to_owned()],
                zone,
                default_zone: None,
            };
            let name = format!("{zone}: {line:?} after {before:?}");
            let seconds = |answers: &[Answer]| answers[1].1.map(|(time, _)| time.seconds());
            assert_eq!(seconds(&log.ours().answers), Some(second), "{name}, ours");
            if let Some(reference) = &mut reference {
                let theirs = log.theirs(reference);
                assert_eq!(seconds(&theirs), Some(their_seconds), "{name}, theirs");
                assert_eq!(
                    log.of_the_first(&log.ours().answers),
                    log.of_the_first(&theirs),
                    "{name}, compared"
                );
            }
        }
    }
}

fn record(reference: &mut Reference, wanted: &str, old: &str) -> String {
    let mut recorded = String::new();
    let mut old = old.lines();
    for first in (0..RECORDED_CASES).step_by(HUNDRED) {
        if let Some(line) = old
            .next()
            .filter(|_| wanted != "all" && wanted != first.to_string())
        {
            writeln!(recorded, "{line}").expect("a string");
            continue;
        }
        let (mut digests, mut ends) = (Digests::default(), Vec::new());
        for case in first..first + HUNDRED {
            let log = Log::of(case);
            let answers = log.theirs(reference);
            let is_whole = answers.len() == log.lines.len();
            if !is_whole {
                ends.push(format!("{case}:{}", answers.len()));
            }
            let formats = (is_whole && has_formats(case)).then(|| log.their_formats(reference));
            digests.add(&log, &answers, formats.as_ref());
        }
        let ends = if ends.is_empty() {
            "-".to_owned()
        } else {
            ends.join(",")
        };
        let Digests { lines, answers } = digests;
        writeln!(recorded, "{first} {lines:016x} {answers:016x} {ends}").expect("a string");
    }
    recorded
}

/// What is recorded of a hundred logs.
#[derive(Default)]
struct Digests {
    lines: u64,
    answers: u64,
}

impl Digests {
    fn add(&mut self, log: &Log, answers: &[Answer], formats: Option<&Vec<String>>) {
        let lines = format!(
            "{:?} {:?} {} {:?}",
            log.patterns, log.lines, log.zone, log.default_zone
        );
        self.lines = digest(self.lines, &lines);
        let answers = log.of_the_first(answers);
        self.answers = digest(self.answers, &format!("{answers:?} {formats:?}"));
    }
}

/// FNV-1a, which goes on from what was before.
fn digest(before: u64, text: &str) -> u64 {
    let start = before ^ 0xcbf2_9ce4_8422_2325;
    text.bytes().fold(start, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Whether the order of the formats is compared, for which the reference is asked once more.
const fn has_formats(case: usize) -> bool {
    case.is_multiple_of(4)
}

/// Whether two answers are the same. Times are floating-point numbers in Python, which have no single microseconds left
/// where they are late.
fn is_same(ours: &Answer, theirs: &Answer) -> bool {
    const LATE_SECONDS: i64 = 1 << 33;
    const CLOSE_MICROS: i64 = 4;
    let is_close = |(one, is_whole): (Timestamp, bool), (other, other_is_whole): (Timestamp, bool)| {
        one.seconds() >= LATE_SECONDS
            && one.micros_since(other).abs() <= CLOSE_MICROS
            && is_whole == other_is_whole
    };
    let times = ours.1.zip(theirs.1);
    ours == theirs || ours.0 == theirs.0 && times.is_some_and(|(one, other)| is_close(one, other))
}

/// A format and its hits; how the reference prints `%Exk` and `%Exl` is not the same on every run.
fn alike(format: &str) -> String {
    format.replace("Ex%", "%Ex")
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

/// What we find in a log.
#[derive(Default)]
struct Ours {
    answers: Vec<Answer>,
    /// Whether each line has a date that cannot be converted.
    is_bad: Vec<bool>,
    /// The formats in their order, with how often each was found.
    formats: Vec<String>,
    /// Why the patterns are refused.
    refused: Option<String>,
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

    /// The log of a number.
    fn of(case: usize) -> Self {
        Self::new(&mut Rng::new(u64::try_from(case).expect("a small number")))
    }

    fn ours(&self) -> Ours {
        let mut ours = Ours::default();
        let now = Timestamp::from_seconds(NOW);
        let clock = Clock::new(now, TimeZone::posix(self.zone).expect("a zone"));
        let mut detector = match Detector::new(Some(&self.patterns.join("\n")), YEAR) {
            Ok(detector) => detector,
            Err(error) => {
                ours.refused = Some(error.to_string());
                return ours;
            }
        };
        detector.set_zone(self.default_zone.map(|zone| zone.parse().expect("a zone")));
        let mut last: Option<(Timestamp, bool)> = None;
        for line in &self.lines {
            let found = detector.find(line, &clock);
            let cut = |found: &stockade_datetime::Found| {
                format!("{}{}\n", &line[..found.cut.start], &line[found.cut.end..])
            };
            ours.is_bad
                .push(found.as_ref().is_some_and(|found| found.time.is_none()));
            ours.answers.push(match &found {
                Some(found) if !found.cut.is_empty() && found.time.is_some() => {
                    last = found.time.map(|time| (time, found.time_is_whole));
                    (cut(found), last)
                }
                found => {
                    let recent = last.filter(|(last, _)| *last > now.plus_seconds(-60));
                    let empty = found.as_ref().is_some_and(|found| found.cut.is_empty());
                    // What is no date after all is cut, unless the date of another line takes its place.
                    let text = match found {
                        Some(found) if recent.is_none() => cut(found),
                        _ => format!("{line}\n"),
                    };
                    (text, recent.or(empty.then_some((now, false))))
                }
            });
        }
        let templates = detector.templates();
        ours.formats = templates
            .map(|template| alike(&format!("[{}] {}", template.hits, template.name)))
            .collect();
        ours
    }

    /// The answers with the first of two moments for each local time that comes twice, for that is all that can be
    /// compared. Which of them the reference means depends on what was converted before in its process: the system's
    /// library tries the offset of the last conversion first.
    fn of_the_first(&self, answers: &[Answer]) -> Vec<Answer> {
        let zone = TimeZone::posix(self.zone).expect("a zone");
        let first = |(time, is_whole): (Timestamp, bool)| {
            // A text that gives its zone means one moment only, and its time is a whole number.
            let twice = (!is_whole)
                .then(|| jiff::Timestamp::from_microsecond(time.micros()).ok())
                .flatten()
                .map(|moment| zone.to_ambiguous_timestamp(zone.to_datetime(moment)))
                .filter(|moments| matches!(moments.offset(), AmbiguousOffset::Fold { .. }))
                .and_then(|moments| moments.earlier().ok());
            (
                twice.map_or(time, |moment| Timestamp::from_micros(moment.as_microsecond())),
                is_whole,
            )
        };
        answers
            .iter()
            .map(|(text, time)| (text.clone(), time.map(first)))
            .collect()
    }

    fn theirs(&self, reference: &mut Reference) -> Vec<Answer> {
        let rows = self.ask(reference, &["-o", "row"]);
        let answers = rows.lines().filter_map(read_row);
        // In a zone by rules the system's library knows no summer time before 1970, and we do.
        let is_known = |answer: &Answer| answer.1.is_none_or(|(time, _)| time.seconds() >= 0);
        answers.take_while(is_known).collect()
    }

    fn their_formats(&self, reference: &mut Reference) -> Vec<String> {
        let printed = self.ask(reference, &["-v"]);
        let list = printed
            .split_once("Date template hits:\n")
            .map_or("", |(_, list)| list);
        let lines = list.lines().skip(1);
        lines
            .map_while(|line| line.strip_prefix("|  "))
            .map(alike)
            .collect()
    }

    fn compare(
        &self,
        reference: &mut Reference,
        case: usize,
        compared: &mut Compared,
        differences: &mut String,
    ) {
        let (mut ours, theirs) = (self.ours(), self.theirs(reference));
        let theirs = self.of_the_first(&theirs);
        ours.answers = self.of_the_first(&ours.answers);
        let pattern = self.patterns.join("\n");
        if let Some(error) = &ours.refused {
            compared.refused += 1;
            if !theirs.is_empty() {
                writeln!(differences, "{case}: we refuse {pattern:?}: {error}").expect("a string");
            }
            return;
        }
        for (at, (line, answer)) in self.lines.iter().zip(&ours.answers).enumerate() {
            compared.lines += 1;
            compared.dates += usize::from(answer.1.is_some());
            let Some(their_answer) = theirs.get(at) else {
                // Exceptions of the reference are dates that do not convert.
                compared.aborted += 1;
                if !ours.is_bad[at] && answer.1.is_none_or(|(time, _)| time.seconds() >= 0) {
                    writeln!(
                        differences,
                        "{case}: the reference gave up at {line:?}, we find {answer:?} by {pattern:?}"
                    )
                    .expect("a string");
                }
                return;
            };
            if !is_same(answer, their_answer) {
                writeln!(
                    differences,
                    "{case}: line {at} {line:?} of {:?} by {pattern:?} in {} {:?}: ours {answer:?}, theirs {their_answer:?}",
                    self.lines.get(..at),
                    self.zone,
                    self.default_zone,
                )
                .expect("a string");
                return;
            }
        }
        if has_formats(case) {
            let formats = self.their_formats(reference);
            if ours.formats != formats {
                writeln!(
                    differences,
                    "{case}: ours {:#?}, theirs {formats:#?} by {pattern:?} on {:#?}",
                    ours.formats, self.lines
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
        // The formats that come with the reference remember whether any log of the process had them.
        let has_defaults =
            |pattern: &String| ["{", "EPOCH", "TAI64N"].iter().any(|name| pattern.contains(name));
        let alone = self.patterns.is_empty() || self.patterns.iter().any(has_defaults);
        let request =
            json!({ "zone": self.zone, "arguments": arguments, "lines": self.lines, "alone": alone });
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
    /// Starts it, unless it is not there.
    #[expect(
        clippy::print_stdout,
        reason = "what a test prints is how `cargo xtask test` learns of it"
    )]
    fn start() -> Option<Self> {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/reference");
        if !directory.join("usr/bin/fail2ban-regex").exists() {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI lacks target/reference: cargo xtask setup"
            );
            println!("skipped: there is no target/reference; `cargo xtask setup` makes it");
            return None;
        }
        let driver = [
            include_str!("../../../conformance/src/still.py"),
            include_str!("reference.py"),
        ];
        let mut process = Command::new("/usr/bin/python3")
            .env("PYTHONPATH", directory.join("usr/lib/python3/dist-packages"))
            .env("LANG", "C.UTF-8")
            .env("PYTHONIOENCODING", "utf-8")
            .env("STOCKADE_CLOCK", NOW.to_string())
            .args(["-c", &driver.concat()])
            .arg(directory.join("usr/bin/fail2ban-regex"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the reference runs");
        Some(Self {
            requests: process.stdin.take().expect("it was asked for"),
            answers: BufReader::new(process.stdout.take().expect("it was asked for")),
            process,
        })
    }

    fn ask(&mut self, request: &Value) -> String {
        let line = format!("{request}\n");
        self.requests.write_all(line.as_bytes()).expect("it listens");
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
