//! A report as an administrator reads it.
//!
//! In: diagnostics and the lines they are about. Out: `FILE:LINE:COLUMN: …`, the line with the place underlined, and
//! what would be right.

use std::fmt::Write as _;

use crate::{Diagnostic, Place, Report, Severity};

/// How much of a line is shown around a place.
const WIDTH: usize = 120;

/// The escape sequences of a terminal, or nothing.
struct Colours {
    bold: &'static str,
    dim: &'static str,
    error: &'static str,
    warning: &'static str,
    note: &'static str,
    help: &'static str,
    end: &'static str,
}

const COLOURFUL: Colours = Colours {
    bold: "\x1b[1m",
    dim: "\x1b[34m",
    error: "\x1b[1;31m",
    warning: "\x1b[1;33m",
    note: "\x1b[1;36m",
    help: "\x1b[32m",
    end: "\x1b[0m",
};

const PLAIN: Colours = Colours {
    bold: "",
    dim: "",
    error: "",
    warning: "",
    note: "",
    help: "",
    end: "",
};

impl Report {
    /// The report as text, with its summary as the last line; in colours for a terminal.
    #[must_use]
    pub fn render(&self, colourful: bool) -> String {
        let colours = if colourful { COLOURFUL } else { PLAIN };
        let mut out = String::new();
        for diagnostic in &self.diagnostics {
            self.render_one(diagnostic, &colours, &mut out);
            out.push('\n');
        }
        out.push_str(&self.summary());
        out.push('\n');
        out
    }

    fn render_one(&self, diagnostic: &Diagnostic, colours: &Colours, out: &mut String) {
        let Colours {
            bold, dim, end, help, ..
        } = colours;
        let colour = match diagnostic.severity {
            Severity::Error => colours.error,
            Severity::Warning => colours.warning,
            Severity::Note => colours.note,
        };
        let _ = writeln!(
            out,
            "{bold}{}: {colour}{}{end}{bold}: {}{end} [{}]",
            located(&diagnostic.place),
            diagnostic.severity.name(),
            visible(&diagnostic.message),
            diagnostic.code.name(),
        );
        self.excerpt(&diagnostic.place, colour, colours, out);
        for related in &diagnostic.related {
            let _ = writeln!(
                out,
                "{dim}  {}:{end} {}",
                located(&related.place),
                visible(&related.text)
            );
            self.excerpt(&related.place, dim, colours, out);
        }
        if let Some(text) = &diagnostic.help {
            let _ = writeln!(out, "  {help}help:{end} {}", visible(text));
        }
    }

    /// The line of a place, and what is meant of it.
    fn excerpt(&self, place: &Place, colour: &str, colours: &Colours, out: &mut String) {
        let Some(line) = self.line(place) else { return };
        let Colours { dim, end, .. } = colours;
        let number = place.line.to_string();
        let first = usize::try_from(place.column).unwrap_or(1).saturating_sub(1);
        let wanted = usize::try_from(place.end.saturating_sub(place.column)).unwrap_or(1);
        let length = line.chars().count();
        // A long line is shown around the place.
        let from = if length <= WIDTH || first < WIDTH / 2 {
            0
        } else {
            first.saturating_sub(WIDTH / 3)
        };
        let shown: String = line.chars().skip(from).take(WIDTH).map(printable).collect();
        let shown = shown.trim_end();
        let (before, after) = (
            if from > 0 { "…" } else { "" },
            if from + WIDTH < length { "…" } else { "" },
        );
        let columns = |characters: usize, skipped: usize| -> usize {
            shown.chars().skip(skipped).take(characters).map(columns_of).sum()
        };
        let indent = before.chars().count() + columns(first - from, 0);
        let width = columns(wanted, first - from).max(1);
        let _ = writeln!(out, "{dim}{number:>5} |{end} {before}{shown}{after}");
        let _ = writeln!(
            out,
            "{dim}      |{end} {}{colour}{}{end}",
            " ".repeat(indent),
            "^".repeat(width)
        );
    }
}

/// `FILE:LINE:COLUMN`, or the file alone.
fn located(place: &Place) -> String {
    let file = visible(&place.file);
    match place.line {
        0 => file,
        line => format!("{file}:{line}:{}", place.column),
    }
}

/// A text that does nothing to the terminal and stays on its line.
fn visible(text: &str) -> String {
    text.chars().map(printable).collect()
}

/// A character of which the terminal makes exactly one.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
            '\u{fffd}'
        }
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// How many columns of a terminal a character takes.
fn columns_of(c: char) -> usize {
    let is_wide = matches!(c,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}');
    if is_wide { 2 } else { 1 }
}
