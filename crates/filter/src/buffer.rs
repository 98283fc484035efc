//! The last lines of a log, for expressions that span several.
//!
//! In: lines, each cut at its date. Out: the text of all of them, and which lines a match took.
//! Invariant: no more than `maxlines` lines and [`MAX_BUFFER_BYTES`] are kept; a matched line is gone, what was skipped
//! stays.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

use crate::MatchedLine;

/// How many bytes the lines have together, but for the newest. All of them are searched for every line that comes.
pub const MAX_BUFFER_BYTES: usize = 1024 * 1024;

/// The last lines of a log.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Buffer {
    lines: VecDeque<MatchedLine>,
    bytes: usize,
    /// How many lines were dropped for their bytes alone.
    dropped: u64,
}

impl Buffer {
    /// Adds a line; surplus ones fall off at the front.
    pub(crate) fn push(&mut self, line: MatchedLine, maxlines: usize) {
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > maxlines {
            self.drop_first();
        }
        while self.bytes > MAX_BUFFER_BYTES && self.lines.len() > 1 {
            self.drop_first();
            self.dropped += 1;
        }
    }

    fn drop_first(&mut self) {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.len();
        }
    }

    /// How many lines were dropped to make room for longer ones.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Puts the text of all lines into `text`, without their dates, each with LF behind it.
    pub(crate) fn write(&self, text: &mut String) {
        text.clear();
        for line in &self.lines {
            text.push_str(line.before());
            text.push_str(line.after());
            text.push('\n');
        }
    }

    /// The places of the lines that a match at `span` of `text` took, where `skipped` is what `<SKIPLINES>` took.
    pub(crate) fn taken(&self, text: &str, span: Range<usize>, skipped: &str) -> Vec<usize> {
        let breaks = |text: Option<&str>| text.unwrap_or_default().matches('\n').count();
        let matched = text.get(span.clone()).unwrap_or_default();
        let first = breaks(text.get(..span.start)) + usize::from(matched.starts_with('\n'));
        let last = breaks(text.get(..span.end)) - usize::from(matched.ends_with('\n'));
        let texts: Vec<(String, usize)> = (first..=last)
            .filter_map(|index| {
                let line = self.lines.get(index)?;
                Some((format!("{}{}", line.before(), line.after()), index))
            })
            .collect();
        let places: BTreeSet<(&str, usize)> = texts.iter().map(|(text, index)| (&**text, *index)).collect();
        let mut taken: BTreeSet<usize> = texts.iter().map(|(_, index)| *index).collect();
        let mut from = first;
        for skipped in skipped.split_terminator(is_line_end) {
            let next = places.range((skipped, from)..).next();
            if let Some((_, index)) = next.filter(|(text, _)| *text == skipped) {
                taken.remove(index);
                from = index + 1;
            }
        }
        taken.into_iter().collect()
    }

    /// All lines, oldest first.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &MatchedLine> {
        self.lines.iter()
    }

    /// Forgets all lines.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.bytes = 0;
    }

    /// Takes the lines at these places out, which are in order.
    pub(crate) fn take(&mut self, places: &[usize]) -> Vec<MatchedLine> {
        let mut taken: Vec<MatchedLine> = places
            .iter()
            .rev()
            .filter_map(|&place| self.lines.remove(place))
            .collect();
        taken.reverse();
        self.bytes -= taken.iter().map(MatchedLine::len).sum::<usize>();
        taken
    }
}

/// Whether a line ends here for the reference where it looks for those that were skipped; a line that has one of these
/// inside is in pieces then, and not found again.
const fn is_line_end(char: char) -> bool {
    matches!(
        char,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}
