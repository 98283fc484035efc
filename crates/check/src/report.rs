//! What a check has found.

use std::collections::BTreeMap;

use crate::{Diagnostic, Place, Severity};

/// What a check has found, in the order of files and lines.
#[derive(Debug, Default)]
pub struct Report {
    /// The mistakes that are shown.
    pub diagnostics: Vec<Diagnostic>,
    /// How many mistakes there are beyond those.
    pub hidden: usize,
    /// How many errors there are, shown or not.
    pub errors: usize,
    /// How many warnings there are, shown or not.
    pub warnings: usize,
    /// How many notes there are, shown or not.
    pub notes: usize,
    /// How many files have been read.
    pub files: usize,
    /// How many jails are enabled.
    pub jails: usize,
    /// The lines of the files that anything is said about.
    pub(crate) lines: BTreeMap<String, Vec<String>>,
}

impl Report {
    /// The exit status: 2 with errors, 1 with warnings where they count, else 0.
    #[must_use]
    pub fn status(&self, strict: bool) -> u8 {
        match (self.errors, self.warnings) {
            (1.., _) => 2,
            (0, 1..) if strict => 1,
            (0, _) => 0,
        }
    }

    /// The last line: what there is in all.
    #[must_use]
    pub fn summary(&self) -> String {
        let files = counted(self.files, "file");
        let mut text = if self.errors + self.warnings == 0 {
            let jails = counted(self.jails, "jail");
            format!("No mistakes in {files}, {jails} enabled")
        } else {
            let (errors, warnings) = (counted(self.errors, "error"), counted(self.warnings, "warning"));
            format!("{errors}, {warnings} in {files}")
        };
        if self.notes > 0 {
            text.push_str(&format!(", {} besides", counted(self.notes, "note")));
        }
        if self.hidden > 0 {
            text.push_str(&format!("; {} not shown", self.hidden));
        }
        text.push('.');
        text
    }

    pub(crate) fn count(&mut self, severity: Severity) {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Note => self.notes += 1,
        }
    }

    /// The line of a place.
    pub(crate) fn line(&self, place: &Place) -> Option<&str> {
        let index = usize::try_from(place.line).ok()?.checked_sub(1)?;
        self.lines.get(&place.file)?.get(index).map(String::as_str)
    }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}
