//! The gate is not seen: what comes of lines is the same with and without it, and one by one or together.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::ops::Range;

use jiff::tz::TimeZone;
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Entry, Filter, Lines, Mode, Output};

const NOW: i64 = 1_795_300_000;

/// What expressions and lines are made of, so that they meet.
const WORDS: [&str; 18] = [
    "Failed",
    "password",
    "invalid",
    "user",
    "root",
    "from",
    "sshd",
    "for",
    "closed",
    "Connection",
    "by",
    "[preauth]",
    "error",
    "auth",
    "x",
    "é",
    "ſ",
    "K",
];

#[test]
fn what_comes_of_lines_is_the_same_with_and_without_the_gate() {
    let (mut found, mut gated) = (0, 0);
    for seed in 0..100_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let Some(mut open) = filter(&mut random) else {
            continue;
        };
        open.set_gated(false);
        let mut one_by_one = open.clone();
        one_by_one.set_gated(true);
        let mut together = one_by_one.clone();
        let clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
        for block in 0..4 {
            let lines: Vec<Vec<u8>> = (0..12).map(|_| line(&mut random)).collect();
            let mut expected: Vec<(usize, Output)> = Vec::new();
            for (number, line) in lines.iter().enumerate() {
                let (mut out, mut out_gated) = (Output::default(), Output::default());
                let in_operation = block > 0;
                open.process(Entry::Bytes(line, "log"), &clock, in_operation, &mut out);
                one_by_one.process(Entry::Bytes(line, "log"), &clock, in_operation, &mut out_gated);
                assert_eq!(out, out_gated, "seed {seed}: {}", String::from_utf8_lossy(line));
                found += out.found.len();
                if !out.found.is_empty() || !out.notes.is_empty() {
                    expected.push((number, out));
                }
            }
            let (bytes, places) = joined(&lines);
            let mut out = Vec::new();
            let block_of_lines = Lines {
                bytes: &bytes,
                places: &places,
                file: "log",
            };
            together.process_lines(block_of_lines, &clock, block > 0, &mut out);
            assert_eq!(out, expected, "seed {seed}: {}", String::from_utf8_lossy(&bytes));
            assert!(
                open.agrees_with(&one_by_one) && open.agrees_with(&together),
                "seed {seed}: what is remembered"
            );
            gated += 1;
        }
    }
    assert!(found > 100 && gated > 200, "{found} matches in {gated} blocks");
}

fn joined(lines: &[Vec<u8>]) -> (Vec<u8>, Vec<Range<usize>>) {
    let (mut bytes, mut places) = (b"before\n".to_vec(), Vec::new());
    for line in lines {
        let start = bytes.len();
        bytes.extend_from_slice(line);
        places.push(start..bytes.len());
    }
    bytes.extend_from_slice(b"Failed behind");
    (bytes, places)
}

fn filter(random: &mut Random) -> Option<Filter> {
    let mut filter = Filter::new(Mode::default(), 2026);
    if random.one_in(3) {
        let id = if random.one_in(2) {
            "<F-MLFID>\\w*</F-MLFID>"
        } else {
            "\\w*"
        };
        let words = expression(random, 2);
        let source = format!("^{id}.*?{words}.*?<F-CONTENT>.*</F-CONTENT>$");
        filter.set_prefregex(&source).ok()?;
    }
    if random.one_in(6) {
        filter
            .set_encoding(["latin-1", "ascii", "utf-16"][random.below(3)])
            .unwrap();
    }
    if random.one_in(6) {
        filter.set_maxlines(2).unwrap();
    }
    for _ in 0..1 + random.below(5) {
        let mut source = expression(random, 4);
        if random.one_in(4) {
            source = format!("<F-NOFAIL>{source}</F-NOFAIL>");
        }
        if random.one_in(3) {
            source = format!("^ ?{source}");
        }
        let id = ["<HOST>", "<ADDR>", "<F-ID>\\S+</F-ID>"][random.below(3)];
        let source = format!("{source}.*? {id}(?:\\s|$)");
        filter.add_failregex(&source).ok()?;
    }
    if random.one_in(4) {
        filter.add_ignoreregex(&expression(random, 2)).ok()?;
    }
    Some(filter)
}

fn expression(random: &mut Random, size: usize) -> String {
    let mut source = String::new();
    for _ in 0..1 + random.below(size) {
        let part = match random.below(9) {
            0 if size > 1 => format!(
                "(?:{}|{})",
                expression(random, size / 2),
                expression(random, size / 2)
            ),
            1 if size > 1 => format!("(?:{})?", expression(random, size / 2)),
            2 if size > 1 => format!("(?:{}){{1,3}}", expression(random, size / 2)),
            3 if size > 1 => format!("(?i:{})", expression(random, size / 2)),
            4 => format!("(?!{})", expression(random, 1)),
            5 => "[^x]*".to_owned(),
            _ => {
                let word = random.word().replace('[', "\\[").replace(']', "\\]");
                // Half a word may join with what stands before.
                let from = word.char_indices().nth(random.below(3)).map_or(0, |(at, _)| at);
                let from = if word.starts_with('\\') { 0 } else { from };
                word[from..].to_owned()
            }
        };
        let gap = ["", " ", "\\s*", ".*", " ?"][random.below(5)];
        source.push_str(&part);
        source.push_str(gap);
    }
    source
}

fn line(random: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    let date = [
        "Nov 21 21:46:40",
        "2026-11-21 21:46:40",
        "21/Nov/2026:21:46:40 +0000",
        "1795300000",
    ][random.below(4)];
    let words = 1 + random.below(8);
    let at = [0, random.below(words), usize::MAX][random.below(3)];
    for number in 0..words {
        if number == at {
            match random.below(3) {
                0 => text.push_str(date),
                1 => text.push_str(&format!("[{date}]")),
                // A word that is one only where the date is cut out.
                _ => {
                    let word = random.word();
                    let middle = word.char_indices().nth(2).map_or(word.len(), |(at, _)| at);
                    text.push_str(&format!("{} {date} {}", &word[..middle], &word[middle..]));
                }
            }
        }
        text.push_str(["", " ", " "][random.below(3)]);
        text.push_str(random.word());
    }
    if random.one_in(2) {
        text.push_str(&format!(" 192.0.2.{}", random.below(9)));
    }
    let mut bytes = text.into_bytes();
    if random.one_in(12) {
        let at = random.below(bytes.len());
        bytes[at] = 0xFF;
    }
    if random.one_in(12) {
        bytes.push(b'\r');
    }
    bytes.push(b'\n');
    bytes
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 33) % limit as u64).unwrap()
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }
}
