//! A set of characters, such as `[-/.]`, `\s`, `.`: which characters it has.
//!
//! Invariant: the bitmap and the items agree on ASCII; beyond it the items alone decide.

use crate::chars;
use crate::token::{Text, ascii_fold};

/// A part of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Range(char, char),
    /// `\w`, or `\W` where false.
    Word(bool),
    /// `\d`, or `\D` where false.
    Digit(bool),
    /// `\s`, or `\S` where false.
    Space(bool),
}

impl Item {
    fn has(self, c: char) -> bool {
        match self {
            Self::Range(first, last) => (first..=last).contains(&c),
            Self::Word(wanted) => chars::is_word(c) == wanted,
            Self::Digit(wanted) => chars::is_digit(c) == wanted,
            Self::Space(wanted) => chars::is_space(c) == wanted,
        }
    }
}

/// A set of characters.
#[derive(Debug)]
pub(super) struct Class {
    ascii: u128,
    items: Vec<Item>,
    negated: bool,
    ignore_case: bool,
}

impl Class {
    /// The set of these items. Where case does not matter, ranges beyond ASCII are not supported.
    pub(super) fn new(items: Vec<Item>, negated: bool, ignore_case: bool) -> Option<Self> {
        let foreign = |item: &Item| matches!(item, Item::Range(_, last) if !last.is_ascii());
        if ignore_case && items.iter().any(foreign) {
            return None;
        }
        let mut class = Self {
            ascii: 0,
            items,
            negated,
            ignore_case,
        };
        for byte in 0..128_u8 {
            if class.decide(char::from(byte)) {
                class.ascii |= 1 << byte;
            }
        }
        Some(class)
    }

    fn decide(&self, c: char) -> bool {
        let has = |c: char| self.items.iter().any(|item| item.has(c));
        let fold = ascii_fold(c).filter(|_| self.ignore_case);
        let found = has(c) || fold.is_some_and(|c| has(c) || has(c.to_ascii_uppercase()));
        found != self.negated
    }

    /// The end of the character at `at` if it is in the set.
    #[inline]
    pub(super) fn one(&self, text: &Text<'_>, at: usize) -> Option<usize> {
        let c = text.char(at)?;
        let is = if c.is_ascii() {
            self.ascii >> u32::from(c) & 1 == 1
        } else {
            self.decide(c)
        };
        is.then(|| at + c.len_utf8())
    }

    /// Whether a character of the set can begin with this byte.
    pub(super) fn may_start_with(&self, byte: u8) -> bool {
        !byte.is_ascii() || self.ascii >> byte & 1 == 1
    }
}
