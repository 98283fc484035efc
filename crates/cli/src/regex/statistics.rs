//! What was found so far: the hits of each expression, and what became of the lines.
//!
//! In: what the filter says about each line. Out: numbers and lists for the report.
//!
//! Invariant: lines that will not be listed are not kept.

use std::collections::{BTreeSet, VecDeque};

use stockade_filter::MatchedLine;

use super::options::Listing;

/// How many lines of a kind are listed, unless `-L` says so.
const LISTED: usize = 20;

/// What was found.
#[derive(Debug)]
pub(super) struct Statistics {
    /// Whether hits are listed one by one.
    lists_hits: bool,
    /// Whether lines are listed as addresses, for which those of a match stand together without their dates.
    joins_lines: bool,
    pub(super) prefregex: Hits,
    pub(super) failregex: Vec<Hits>,
    pub(super) ignoreregex: Vec<Hits>,
    /// Lines that were looked at.
    pub(super) tested: usize,
    pub(super) matched: Lines,
    pub(super) ignored: Lines,
    pub(super) missed: Lines,
    /// Missed lines that a later one can still make part of its match.
    undecided: VecDeque<String>,
    undecided_limit: usize,
    /// The lines of the match that is being counted, where they stand together.
    earlier: Vec<String>,
    /// How many lines that were counted as missed are part of a match.
    moved: usize,
    /// How many hits of the prefregex are listed.
    limit: usize,
}

/// The hits of one expression.
#[derive(Debug, Clone, Default)]
pub(super) struct Hits {
    pub(super) count: usize,
    /// What is shown of each.
    pub(super) shown: Vec<String>,
}

/// Lines of one kind.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) count: usize,
    /// Those that may be listed.
    pub(super) kept: Vec<String>,
    listing: Listing,
    /// Below this many they are listed.
    limit: usize,
}

impl Lines {
    fn new(listing: Listing, limit: usize) -> Self {
        Self {
            count: 0,
            kept: Vec::new(),
            listing,
            limit,
        }
    }

    /// Takes a line.
    fn add(&mut self, line: &str) {
        self.count += 1;
        let keeps = match self.listing {
            Listing::Never => false,
            Listing::Few => self.kept.len() < self.limit,
            Listing::All => true,
        };
        if keeps {
            self.kept.push(line.to_owned());
        }
    }

    /// Whether they are listed, or it is said that they are too many.
    pub(super) fn is_mentioned(&self) -> bool {
        self.count > 0 && self.listing != Listing::Never
    }

    /// Whether they are too many to be listed.
    pub(super) fn are_too_many(&self) -> bool {
        self.listing == Listing::Few && self.count >= self.limit
    }
}

impl Statistics {
    /// Nothing found yet, by so many expressions.
    pub(super) fn new(
        (failregexes, ignoreregexes): (usize, usize),
        maxlines: usize,
        limit: Option<usize>,
        (lists_hits, joins_lines): (bool, bool),
        [matched, ignored, missed]: [Listing; 3],
    ) -> Self {
        let limit = limit.unwrap_or(LISTED);
        Self {
            lists_hits,
            joins_lines: joins_lines && maxlines > 1,
            prefregex: Hits::default(),
            failregex: vec![Hits::default(); failregexes],
            ignoreregex: vec![Hits::default(); ignoreregexes],
            tested: 0,
            matched: Lines::new(matched, limit),
            ignored: Lines::new(ignored, limit),
            missed: Lines::new(missed, limit),
            undecided: VecDeque::new(),
            undecided_limit: if maxlines > 1 { maxlines } else { 0 },
            earlier: Vec::new(),
            moved: 0,
            limit,
        }
    }

    /// Counts a hit of the prefregex.
    pub(super) fn hit_prefregex(&mut self, show: impl FnOnce() -> String) {
        let listed = self.prefregex.count;
        if listed == self.limit {
            self.prefregex.add(self.lists_hits, || "...".to_owned());
        } else {
            self.prefregex.add(self.lists_hits && listed < self.limit, show);
        }
    }

    /// Counts a hit of a failregex.
    pub(super) fn hit_failregex(&mut self, index: usize, show: impl FnOnce() -> String) {
        if let Some(hits) = self.failregex.get_mut(index) {
            hits.add(self.lists_hits, show);
        }
    }

    /// Counts a hit of an ignoreregex.
    pub(super) fn hit_ignoreregex(&mut self, index: usize) {
        if let Some(hits) = self.ignoreregex.get_mut(index) {
            hits.count += 1;
        }
    }

    /// Counts a line that matches.
    pub(super) fn match_line(&mut self, line: &str) {
        let joined = std::mem::take(&mut self.earlier);
        if joined.is_empty() {
            self.matched.add(line);
        } else {
            for joined in joined {
                self.matched.add(&joined);
                self.matched.count -= 1;
            }
            self.matched.count += 1;
        }
    }

    /// Counts a line that is ignored.
    pub(super) fn ignore_line(&mut self, line: &str) {
        self.ignored.add(line);
    }

    /// Counts a line that nothing matches so far.
    pub(super) fn miss_line(&mut self, line: &str) {
        self.undecided.push_back(line.to_owned());
        while self.undecided.len() > self.undecided_limit {
            if let Some(line) = self.undecided.pop_front() {
                self.missed.add(&line);
            }
        }
    }

    /// Lines that were missed before are part of a match, as far as they are `gone` from those that are kept.
    pub(super) fn match_earlier_lines(&mut self, lines: &[MatchedLine], gone: &BTreeSet<String>) {
        let texts = lines.iter().map(MatchedLine::text);
        for text in texts.filter(|text| gone.contains(*text)) {
            let Some(at) = self.undecided.iter().position(|missed| missed == text) else {
                continue;
            };
            // The first of several that read the same is the one that goes.
            let settled = self.missed.kept.iter().position(|missed| missed == text);
            if let Some(at) = settled.filter(|_| !self.joins_lines) {
                self.missed.kept.remove(at);
                self.missed.count -= 1;
                self.matched.add(text);
            } else if self.joins_lines {
                // It stays in the list of those that are missed, but not in their number.
                self.matched.count += 1;
                self.moved += 1;
            } else {
                self.undecided.remove(at);
                self.matched.add(text);
            }
        }
        if self.joins_lines {
            let texts = lines
                .iter()
                .map(|line| format!("{}{}", line.before(), line.after()));
            self.earlier.push(texts.collect::<Vec<_>>().join("\n"));
        }
    }

    /// No more lines come.
    pub(super) fn finish(&mut self) {
        for line in std::mem::take(&mut self.undecided) {
            self.missed.add(&line);
        }
        self.missed.count = self.missed.count.saturating_sub(std::mem::take(&mut self.moved));
    }
}

impl Hits {
    fn add(&mut self, lists: bool, show: impl FnOnce() -> String) {
        self.count += 1;
        if lists {
            self.shown.push(show());
        }
    }
}
