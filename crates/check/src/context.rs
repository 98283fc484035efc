//! What all rules share: the inspected configuration, what has been found, and answers about places and names.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use stockade_config::{Content, Files, InspectedJail, Inspection, Merged, Span, Text, Written};

use crate::{Code, Diagnostic, Place, Related, Report, Severity};

/// How many mistakes are shown; whoever has more begins with these.
const SHOWN: usize = 1000;
/// How many mistakes are looked for; past it the rules end early.
const FOUND: usize = 10_000;

/// The work of one check.
pub(crate) struct Context<'a> {
    pub(crate) files: &'a dyn Files,
    pub(crate) inspection: &'a Inspection,
    found: Vec<Diagnostic>,
    /// How many there were beyond those that are kept.
    further: usize,
    seen: BTreeSet<(Code, Place, String)>,
    /// What is known about each line.
    on_line: BTreeSet<(Code, String, u32)>,
    /// The first of its kind and words in a file.
    in_file: BTreeMap<(Code, String, String), usize>,
    /// The section of every option that is written, by the place of its value.
    sections: BTreeMap<Span, String>,
    lines: RefCell<BTreeMap<String, Rc<Vec<String>>>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(files: &'a dyn Files, inspection: &'a Inspection) -> Self {
        let mut sections = BTreeMap::new();
        for section in inspection.files.iter().flat_map(|file| &file.sections) {
            for option in &section.options {
                sections.insert(option.at().clone(), section.name.clone());
            }
        }
        Self {
            files,
            inspection,
            found: Vec::new(),
            further: 0,
            seen: BTreeSet::new(),
            on_line: BTreeSet::new(),
            in_file: BTreeMap::new(),
            sections,
            lines: RefCell::default(),
        }
    }

    /// Takes a mistake, unless it has been reported before.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        let key = (
            diagnostic.code,
            diagnostic.place.clone(),
            diagnostic.message.clone(),
        );
        if self.is_full() {
            self.further += 1;
        } else if self.seen.insert(key) {
            let (code, file) = (diagnostic.code, diagnostic.place.file.clone());
            self.on_line.insert((code, file.clone(), diagnostic.place.line));
            let words = diagnostic.message.clone();
            self.in_file
                .entry((code, file, words))
                .or_insert(self.found.len());
            self.found.push(diagnostic);
        }
    }

    /// Whether so much is wrong that nobody wants to know more.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= FOUND
    }

    /// Takes a mistake; one of the same kind and words in the same file becomes a further place of the first.
    pub(crate) fn report_once_in_file(&mut self, diagnostic: Diagnostic) {
        /// As many places as one report should name.
        const PLACES: usize = 8;
        let key = (
            diagnostic.code,
            diagnostic.place.file.clone(),
            diagnostic.message.clone(),
        );
        let first = self.in_file.get(&key).and_then(|at| self.found.get_mut(*at));
        let Some(first) = first else {
            self.report(diagnostic);
            return;
        };
        let place = diagnostic.place;
        let is_known = first.place == place || first.related.iter().any(|related| related.place == place);
        if !is_known && first.related.len() < PLACES {
            let text = "here, too".to_owned();
            first.related.push(Related { place, text });
        }
    }

    /// Whether anything of this kind has been reported on the line of a place.
    pub(crate) fn has(&self, code: Code, place: &Place) -> bool {
        self.on_line.contains(&(code, place.file.clone(), place.line))
    }

    /// Whether anything of this kind has been reported in the file of a place.
    pub(crate) fn has_in_file(&self, code: Code, place: &Place) -> bool {
        let mut after = self.in_file.range((code, place.file.clone(), String::new())..);
        after
            .next()
            .is_some_and(|((known, file, _), _)| *known == code && *file == place.file)
    }

    /// The jails that are enabled.
    pub(crate) fn enabled(&self) -> impl Iterator<Item = &'a InspectedJail> + use<'a> {
        self.inspection.jails.iter().filter(|jail| jail.is_enabled)
    }

    /// All layers of a name.
    pub(crate) fn merged(&self, name: &str) -> Option<&'a Merged> {
        self.inspection.merged.iter().find(|merged| merged.name == name)
    }

    /// Whether any of some sections has an option with a value, whether or not that can be read.
    pub(crate) fn is_written(&self, merged: &str, sections: &[&str], option: &str) -> bool {
        let Some(merged) = self.merged(merged) else {
            return false;
        };
        merged
            .sections
            .iter()
            .filter(|(name, _)| sections.contains(&name.as_str()))
            .flat_map(|(_, options)| options.iter().filter_map(|layers| layers.last()))
            .any(|written| written.name() == option && !written.text().trim().is_empty())
    }

    /// Makes what has been reported on the line of a place as bad as can be.
    pub(crate) fn escalate(&mut self, code: Code, place: &Place) {
        for known in &mut self.found {
            if known.code == code && known.place.file == place.file && known.place.line == place.line {
                known.severity = Severity::Error;
            }
        }
    }

    /// The section that an option is written in.
    pub(crate) fn section_of(&self, option: &Written) -> &str {
        self.sections.get(option.at()).map_or("", String::as_str)
    }

    /// `` `maxretry` in [sshd] ``: an option as messages name it.
    pub(crate) fn shown(&self, text: &Text, name: &str) -> String {
        match text.written().map(|option| self.section_of(option)) {
            None | Some("") => format!("`{name}`"),
            Some(section) => format!("`{name}` in [{section}]"),
        }
    }

    /// The lines of a file, decoded as well as can be.
    pub(crate) fn lines(&self, path: &str) -> Rc<Vec<String>> {
        if let Some(lines) = self.lines.borrow().get(path) {
            return Rc::clone(lines);
        }
        let text = match self.files.read(path) {
            Content::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Content::Missing | Content::Unreadable(_) => String::new(),
        };
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines = Rc::new(text.split('\n').map(str::to_owned).collect());
        self.lines.borrow_mut().insert(path.to_owned(), Rc::clone(&lines));
        lines
    }

    /// The line that a place is on.
    pub(crate) fn line(&self, at: &Span) -> String {
        let index = usize::try_from(at.line).unwrap_or(0).wrapping_sub(1);
        self.lines(&at.file).get(index).cloned().unwrap_or_default()
    }

    /// The names of the files in a directory of the configuration that have one of the extensions of layers, without it.
    pub(crate) fn names_in(&self, directory: &str) -> Vec<String> {
        let path = format!("{}/{directory}", self.inspection.base);
        let mut names: Vec<String> = self
            .files
            .names(&path)
            .iter()
            .filter_map(|name| name.strip_suffix(".conf").or_else(|| name.strip_suffix(".local")))
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What has been found, in the order of files and lines.
    pub(crate) fn into_report(mut self) -> Report {
        let mut found = std::mem::take(&mut self.found);
        found.sort_by(|one, other| {
            (&one.place, one.severity, one.code, &one.message).cmp(&(
                &other.place,
                other.severity,
                other.code,
                &other.message,
            ))
        });
        let mut report = Report {
            files: self.inspection.files.len(),
            jails: self.enabled().count(),
            ..Report::default()
        };
        for diagnostic in &found {
            report.count(diagnostic.severity);
        }
        report.hidden = found.len().saturating_sub(SHOWN) + self.further + self.inspection.further_mistakes;
        found.truncate(SHOWN);
        for diagnostic in &found {
            let related = diagnostic.related.iter().map(|related| &related.place);
            for place in related.chain([&diagnostic.place]) {
                if place.line > 0 && !report.lines.contains_key(&place.file) {
                    let lines = self.lines(&place.file).to_vec();
                    report.lines.insert(place.file.clone(), lines);
                }
            }
        }
        report.diagnostics = found;
        report
    }
}
