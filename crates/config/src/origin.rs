//! Where each part of a value is written, through interpolation and tags.
//!
//! In: the values that a text is put together from. Out: for a byte of the text the place in the file where that byte
//! stands.
//!
//! Only an inspection asks for this; the reader of a daemon does not pay for it.

use std::{ops::Range, rc::Rc};

use crate::{Span, model::Traced, parse::Written};

/// A part of a text, and the written value it has come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    /// Where the part begins in the text.
    start: usize,
    length: usize,
    written: Rc<Written>,
    /// Where the part begins in the written value.
    offset: usize,
}

impl Piece {
    fn end(&self) -> usize {
        self.start + self.length
    }
}

/// The parts of one text, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Pieces(Vec<Piece>);

impl Pieces {
    /// Adds what `source` knows about a range of its text, which now stands at byte `at` of this one.
    pub(crate) fn add(&mut self, at: usize, source: &Traced, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        match (&source.pieces, &source.written) {
            (Some(pieces), _) => self.add_part(at, pieces, range),
            (None, Some(written)) => self.0.push(Piece {
                start: at,
                length: range.len(),
                written: Rc::clone(written),
                offset: range.start,
            }),
            (None, None) => {}
        }
    }

    /// Adds a range of another text's parts.
    pub(crate) fn add_part(&mut self, at: usize, source: &Self, range: Range<usize>) {
        for piece in &source.0 {
            let (start, end) = (piece.start.max(range.start), piece.end().min(range.end));
            if start < end {
                self.0.push(Piece {
                    start: at + (start - range.start),
                    length: end - start,
                    written: Rc::clone(&piece.written),
                    offset: piece.offset + (start - piece.start),
                });
            }
        }
    }

    /// Where a byte of the text stands in a file; the end of the text counts as part of what is before it.
    pub(crate) fn place(&self, byte: usize) -> Option<Span> {
        let here = |piece: &&Piece| (piece.start..piece.end()).contains(&byte);
        let piece = self
            .0
            .iter()
            .find(here)
            .or_else(|| self.0.iter().rev().find(|piece| piece.end() <= byte))?;
        Some(
            piece
                .written
                .place(piece.offset + byte.min(piece.end()) - piece.start),
        )
    }

    /// The written values that have a part in a range of the text.
    pub(crate) fn written(&self, range: Range<usize>) -> impl Iterator<Item = &Rc<Written>> {
        self.0
            .iter()
            .filter(move |piece| piece.start < range.end && piece.end() > range.start)
            .map(|piece| &piece.written)
    }
}

/// A text under construction, with its parts where somebody wants to know them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rope {
    pub(crate) text: String,
    pub(crate) pieces: Option<Pieces>,
}

impl Rope {
    pub(crate) fn empty(traces: bool) -> Self {
        Self {
            text: String::new(),
            pieces: traces.then(Pieces::default),
        }
    }

    pub(crate) fn of(source: &Traced, text: &str, traces: bool) -> Self {
        let mut rope = Self::empty(traces);
        rope.push(text, source, 0);
        rope
    }

    /// Adds a part of `source`, which begins at byte `offset` there.
    pub(crate) fn push(&mut self, text: &str, source: &Traced, offset: usize) {
        if let Some(pieces) = &mut self.pieces {
            pieces.add(self.text.len(), source, offset..offset + text.len());
        }
        self.text.push_str(text);
    }

    /// Adds what comes from no file.
    pub(crate) fn push_unwritten(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Replaces what stands at these places, which all have one length.
    pub(crate) fn replace(&mut self, places: &[usize], length: usize, value: &Traced, by: &str) {
        if let Some(old) = &self.pieces {
            let mut pieces = Pieces::default();
            let (mut from, mut at) = (0, 0);
            for found in places {
                pieces.add_part(at, old, from..*found);
                at += found - from;
                pieces.add(at, value, 0..by.len());
                at += by.len();
                from = found + length;
            }
            pieces.add_part(at, old, from..self.text.len());
            self.pieces = Some(pieces);
        }
        let mut text = String::with_capacity(self.text.len() + by.len() * places.len());
        let mut from = 0;
        for found in places {
            text.push_str(self.text.get(from..*found).unwrap_or_default());
            text.push_str(by);
            from = found + length;
        }
        text.push_str(self.text.get(from..).unwrap_or_default());
        self.text = text;
    }

    /// Where a byte stands in a file.
    pub(crate) fn place(&self, byte: usize) -> Option<Span> {
        self.pieces.as_ref()?.place(byte)
    }
}
