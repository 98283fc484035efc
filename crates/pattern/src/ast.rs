//! An expression as a tree, with everything that flags change already resolved.
//!
//! A position that accepts one character is a set, whether it was written as a letter, a class or a dot
//! and whether case is ignored; so nothing past the parser knows about flags.

use std::sync::Arc;

use crate::charset::CharSet;
use crate::unicode::Fold;

/// A parsed expression.
#[derive(Debug)]
pub(crate) struct Ast {
    pub(crate) root: Node,
    /// The capturing groups in order of number; the first is number 1.
    pub(crate) groups: Vec<Group>,
}

/// What is known about a capturing group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: Option<String>,
}

/// A part of an expression.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Nothing, which always matches.
    Empty,
    /// One character.
    Char(char),
    /// One character of a set; of the empty set, never.
    Set(Arc<CharSet>),
    /// One after the other.
    Concat(Vec<Self>),
    /// The first that leads to a match.
    Alternate(Vec<Self>),
    /// A capturing group.
    Capture(u32, Box<Self>),
    /// As many rounds as `kind` prefers, at least `min` and at most `max`.
    Repeat {
        node: Box<Self>,
        min: u32,
        max: Option<u32>,
        kind: RepeatKind,
    },
    /// The first way to match only.
    Atomic(Box<Self>),
    /// What stands before or behind must match, or must not.
    Look {
        node: Box<Self>,
        behind: Option<usize>,
        negative: bool,
    },
    /// A place between characters.
    Assert(Assertion),
    /// The text of a group again.
    BackReference(u32, Fold),
    /// One of two, by whether a group took part.
    Conditional {
        group: u32,
        yes: Box<Self>,
        no: Box<Self>,
    },
}

/// How many rounds a repeat prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepeatKind {
    /// As many as possible.
    Greedy,
    /// As few as possible.
    Lazy,
    /// As many as possible, and never fewer again.
    Possessive,
}

/// A place between characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assertion {
    /// `\A`, and `^` without the flag `m`.
    TextStart,
    /// `\Z`.
    TextEnd,
    /// `$` without the flag `m`: at the end, or before the line feed that ends the text.
    LastLineEnd,
    /// `^` under the flag `m`.
    LineStart,
    /// `$` under the flag `m`.
    LineEnd,
    /// `\b`.
    WordBoundary { ascii: bool },
    /// `\B`.
    NotWordBoundary { ascii: bool },
}

impl Node {
    /// Whether this can match without consuming a character.
    pub(crate) fn is_nullable(&self) -> bool {
        match self {
            Self::Empty | Self::Look { .. } | Self::Assert(_) | Self::BackReference(..) => true,
            Self::Char(_) | Self::Set(_) => false,
            Self::Concat(nodes) => nodes.iter().all(Self::is_nullable),
            Self::Alternate(nodes) => nodes.iter().any(Self::is_nullable),
            Self::Capture(_, node) | Self::Atomic(node) => node.is_nullable(),
            Self::Repeat { node, min, .. } => *min == 0 || node.is_nullable(),
            Self::Conditional { yes, no, .. } => yes.is_nullable() || no.is_nullable(),
        }
    }

    /// The set of characters of which this matches exactly one, if it is such a node.
    pub(crate) fn as_set(&self) -> Option<Arc<CharSet>> {
        match self {
            Self::Char(c) => Some(Arc::new(CharSet::single(u32::from(*c)))),
            Self::Set(set) => Some(Arc::clone(set)),
            Self::Empty
            | Self::Concat(_)
            | Self::Alternate(_)
            | Self::Capture(..)
            | Self::Repeat { .. }
            | Self::Atomic(_)
            | Self::Look { .. }
            | Self::Assert(_)
            | Self::BackReference(..)
            | Self::Conditional { .. } => None,
        }
    }
}
