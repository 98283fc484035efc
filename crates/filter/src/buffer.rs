//! The last lines of a log, for expressions that span several.
//!
//! In: lines, each cut at its date. Out: the text of all of them, and which lines a match took.
//! Invariant: no more than `maxlines` lines are kept; a matched line is gone, what was skipped stays.

use std::collections::VecDeque;
use std::ops::Range;

use crate::MatchedLine;

/// The last lines of a log.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Buffer {
    lines: VecDeque<MatchedLine>,
}

impl Buffer {
    /// Adds a line; surplus ones fall off at the front.
    pub(crate) fn push(&mut self, line: MatchedLine, maxlines: usize) {
        self.lines.push_back(line);
        while self.lines.len() > maxlines {
            self.lines.pop_front();
        }
    }

    /// Puts the text of all lines into `text`, without their dates, each with LF behind it.
    pub(crate) fn write(&self, text: &mut String) {
        text.clear();
        for line in &self.lines {
            text.push_str(&line.before);
            text.push_str(&line.after);
            text.push('\n');
        }
    }

    /// The places of the lines that a match at `span` of `text` took, where `skipped` is what `<SKIPLINES>` took.
    pub(crate) fn taken(&self, text: &str, span: Range<usize>, skipped: &str) -> Vec<usize> {
        let breaks = |text: Option<&str>| text.unwrap_or_default().matches('\n').count();
        let matched = text.get(span.clone()).unwrap_or_default();
        let first = breaks(text.get(..span.start)) + usize::from(matched.starts_with('\n'));
        let last = breaks(text.get(..span.end)) - usize::from(matched.ends_with('\n'));
        let mut skipped = skipped.split_terminator('\n').peekable();
        (first..=last)
            .filter(|&index| {
                let Some(line) = self.lines.get(index) else {
                    return false;
                };
                let is_next = |text: &&str| text.strip_prefix(&*line.before) == Some(&line.after);
                skipped.next_if(is_next).is_none()
            })
            .collect()
    }

    /// Forgets all lines.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
    }

    /// Takes the lines at these places out, which are in order.
    pub(crate) fn take(&mut self, places: &[usize]) -> Vec<MatchedLine> {
        let mut taken: Vec<MatchedLine> = places
            .iter()
            .rev()
            .filter_map(|&place| self.lines.remove(place))
            .collect();
        taken.reverse();
        taken
    }
}
