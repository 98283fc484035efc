//! How verdicts look: a line or an object for each, and a summary at the end.
//!
//! Invariant: nothing that stands in a log can move the cursor or begin a line of its own.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};
use stockade_daemon::source::rendered;
use stockade_datetime::Timestamp;

use super::verdict::{ENDS, End, Failure, Verdict};

/// How wide the word for the end of a line is.
const WORD: usize = 14;

/// Writes verdicts and counts them.
pub(super) struct Report<W> {
    out: W,
    is_json: bool,
    is_quiet: bool,
    zone: TimeZone,
    lines: u64,
    undated: u64,
    ends: BTreeMap<End, u64>,
}

impl<W: Write> Report<W> {
    pub(super) const fn new(out: W, is_json: bool, is_quiet: bool, zone: TimeZone) -> Self {
        Self {
            out,
            is_json,
            is_quiet,
            zone,
            lines: 0,
            undated: 0,
            ends: BTreeMap::new(),
        }
    }

    /// Takes the verdict on the next line.
    pub(super) fn add(&mut self, line: &str, verdict: &Verdict) -> io::Result<()> {
        self.lines += 1;
        *self.ends.entry(verdict.end).or_default() += 1;
        if verdict.is_undated {
            self.undated += 1;
        }
        if self.is_quiet {
            return Ok(());
        }
        if self.is_json {
            let object = self.object(line, verdict);
            return writeln!(self.out, "{object}");
        }
        let (number, word) = (self.lines, verdict.end.word());
        writeln!(self.out, "{number:>5} {word:<WORD$} {}", tame(&verdict.why))?;
        writeln!(self.out, "{:>5} {:<WORD$} | {}", "", "", tame(line))
    }

    fn object(&self, line: &str, verdict: &Verdict) -> Json {
        let time = |time: Timestamp| json!(rendered(time, &self.zone));
        let failure = |failure: &Failure| {
            json!({
                "id": failure.id,
                "end": failure.end.word(),
                "why": failure.why,
                "count": failure.count,
                "ignored_by": failure.ignored_by,
                "banned_until": failure.until.map(time),
            })
        };
        let date = verdict.date.as_ref();
        json!({
            "line": self.lines,
            "text": line,
            "end": verdict.end.word(),
            "why": verdict.why,
            "date": date.map(|(text, format)| json!({"text": text, "format": format})),
            "time": verdict.time.map(time),
            "prefregex": verdict.prefregex,
            "failregex": verdict.failregex,
            "ignoreregex": verdict.ignoreregex,
            "nearest": verdict.nearest.as_ref().map(|nearest| json!({
                "failregex": nearest.number,
                "matched": nearest.matched,
                "wanted": nearest.wanted,
            })),
            "failures": verdict.failures.iter().map(failure).collect::<Vec<_>>(),
        })
    }

    /// Writes the summary; whether any line matched.
    pub(super) fn finish(mut self, bans: usize) -> io::Result<bool> {
        let is_match = self.ends.keys().any(|end| end.is_match());
        let reached: Vec<(End, u64)> = ENDS
            .into_iter()
            .filter_map(|end| Some((end, *self.ends.get(&end)?)))
            .collect();
        if self.is_json {
            let ends: serde_json::Map<String, Json> = reached
                .iter()
                .map(|(end, count)| (end.word().to_owned(), json!(count)))
                .collect();
            let summary = json!({"summary": {
                "lines": self.lines,
                "undated": self.undated,
                "ends": ends,
                "banned": bans,
                "matched": is_match,
            }});
            writeln!(self.out, "{summary}")?;
        } else {
            if !self.is_quiet && self.lines > 0 {
                writeln!(self.out)?;
            }
            let undated = match self.undated {
                0 => String::new(),
                undated => format!(", {undated} without a date"),
            };
            let lines = if self.lines == 1 { "line" } else { "lines" };
            writeln!(self.out, "{} {lines}{undated}; {bans} banned", self.lines)?;
            for (end, count) in reached {
                writeln!(self.out, "{count:>5} {:<WORD$} {}", end.word(), end.meaning())?;
            }
        }
        self.out.flush()?;
        Ok(is_match)
    }
}

/// A text whose control characters are written out.
fn tame(text: &str) -> String {
    text.chars()
        .flat_map(|char| {
            let (plain, escaped) = if char.is_control() && char != '\t' {
                (None, Some(char.escape_default()))
            } else {
                (Some(char), None)
            };
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}
