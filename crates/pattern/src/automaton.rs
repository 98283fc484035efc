//! A tree → an automaton that matches in linear time, where it is regular, and an approximation where not.
//!
//! In: a [`Node`]. Out: a `regex_automata` matcher, whose leftmost-first rule is the order in which
//! Python's engine tries its choices, so matches and groups are the same.
//!
//! There are two automata for an expression. Nearly every text is ASCII, and the one for ASCII knows that:
//! its classes are a few states instead of hundreds, and `\b` is exact. The one for any text is made when
//! the first such text comes; it cannot say what Python means by `\b` (which has a `\w` of its own).
//!
//! Invariant: an automaton that is not exact finds a match wherever there is one, beginning no later.

use regex_automata::meta;
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::hir::{Capture, Class, ClassUnicode, ClassUnicodeRange, Hir, Look, Repetition};

use crate::ast::{Assertion, Node, RepeatKind};
use crate::charset::CharSet;
use crate::limits;

/// What an expression needs beyond what an automaton can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Look-around, back-references, conditionals, atomic groups, repeats of what may be empty.
    pub(crate) backtracking: bool,
    /// `$` outside multi-line mode: an automaton takes it for the end of any line.
    pub(crate) single_line: bool,
    /// `\b` or `\B`, which an automaton only knows in ASCII text.
    pub(crate) ascii: bool,
}

impl Needs {
    /// What `node` needs.
    pub(crate) fn of(node: &Node) -> Self {
        let mut needs = Self::default();
        needs.add(node);
        needs
    }

    fn add(&mut self, node: &Node) {
        match node {
            Node::Empty | Node::Char(_) | Node::Set(_) => {}
            Node::Concat(nodes) | Node::Alternate(nodes) => nodes.iter().for_each(|node| self.add(node)),
            Node::Capture(_, node) => self.add(node),
            Node::Repeat { node, min, max, kind } => {
                self.add(node);
                // Python ends a repeat at an empty round; an automaton has no rounds. It is the same where
                // no optional round can follow another.
                let rounds_matter = max.is_none_or(|max| max > *min) && *max != Some(1);
                self.backtracking |= *kind == RepeatKind::Possessive || rounds_matter && node.is_nullable();
            }
            Node::Atomic(_) | Node::Look { .. } | Node::BackReference(..) | Node::Conditional { .. } => {
                self.backtracking = true;
            }
            Node::Assert(place) => match place {
                Assertion::LastLineEnd => self.single_line = true,
                Assertion::WordBoundary { .. } | Assertion::NotWordBoundary { .. } => self.ascii = true,
                Assertion::TextStart | Assertion::TextEnd | Assertion::LineStart | Assertion::LineEnd => {}
            },
        }
    }
}

/// Which texts an automaton is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    Ascii,
    Any,
}

/// Whether an automaton knows of groups, which makes it larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Groups {
    Plain,
    /// Only for an expression that does not need backtracking.
    Captured,
}

/// Makes the automaton of `node`, or its approximation. `None` if it would be too large.
pub(crate) fn build(node: &Node, texts: Texts, groups: Groups) -> Option<meta::Regex> {
    let mut translation = Translation {
        texts,
        groups,
        size: 0,
    };
    let hir = translation.node(node)?;
    let (captures, searches_captures) = match groups {
        Groups::Plain => (WhichCaptures::Implicit, false),
        Groups::Captured => (WhichCaptures::All, true),
    };
    let config = meta::Config::new()
        .which_captures(captures)
        .onepass(searches_captures)
        .backtrack(searches_captures)
        .nfa_size_limit(Some(limits::AUTOMATON_BYTES))
        .hybrid_cache_capacity(limits::AUTOMATON_CACHE_BYTES);
    meta::Builder::new().configure(config).build_from_hir(&hir).ok()
}

struct Translation {
    texts: Texts,
    groups: Groups,
    /// How many characters and sets the unrolled expression has, to stop before it is too large to make.
    size: u64,
}

impl Translation {
    fn node(&mut self, node: &Node) -> Option<Hir> {
        Some(match node {
            Node::Empty => Hir::empty(),
            Node::Char(c) => {
                self.size += 1;
                if self.texts == Texts::Ascii && !c.is_ascii() {
                    return Some(Hir::fail());
                }
                Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes())
            }
            Node::Set(set) => {
                self.size += 1 + u64::try_from(set.ranges().len() / 8).unwrap_or(0);
                self.set(set)
            }
            Node::Concat(nodes) => Hir::concat(self.nodes(nodes)?),
            Node::Alternate(nodes) => Hir::alternation(self.nodes(nodes)?),
            Node::Capture(index, node) => {
                let sub = Box::new(self.node(node)?);
                if self.groups == Groups::Plain {
                    return Some(*sub);
                }
                Hir::capture(Capture {
                    index: *index,
                    name: None,
                    sub,
                })
            }
            Node::Repeat { max: Some(0), .. } => Hir::empty(),
            Node::Repeat { node, min, max, kind } => {
                let before = self.size;
                let sub = Box::new(self.node(node)?);
                let copies = u64::from(max.unwrap_or(*min).max(1));
                self.size = before.saturating_add((self.size - before).saturating_mul(copies));
                if usize::try_from(self.size).is_ok_and(|size| size > limits::PROGRAM) {
                    return None;
                }
                Hir::repetition(Repetition {
                    min: *min,
                    max: *max,
                    greedy: *kind != RepeatKind::Lazy,
                    sub,
                })
            }
            // From here on only in an approximation.
            Node::Atomic(node) => self.node(node)?,
            Node::Look { .. } => Hir::empty(),
            Node::BackReference(..) => {
                let any = Box::new(self.set(&crate::unicode::ALL));
                Hir::repetition(Repetition {
                    min: 0,
                    max: None,
                    greedy: true,
                    sub: any,
                })
            }
            Node::Conditional { yes, no, .. } => Hir::alternation(vec![self.node(yes)?, self.node(no)?]),
            Node::Assert(place) => Hir::look(match place {
                Assertion::TextStart => Look::Start,
                Assertion::TextEnd => Look::End,
                Assertion::LineStart => Look::StartLF,
                Assertion::LineEnd | Assertion::LastLineEnd => Look::EndLF,
                Assertion::WordBoundary { .. } if self.texts == Texts::Ascii => Look::WordAscii,
                Assertion::NotWordBoundary { .. } if self.texts == Texts::Ascii => Look::WordAsciiNegate,
                Assertion::WordBoundary { .. } | Assertion::NotWordBoundary { .. } => {
                    return Some(Hir::empty());
                }
            }),
        })
    }

    fn nodes(&mut self, nodes: &[Node]) -> Option<Vec<Hir>> {
        nodes.iter().map(|node| self.node(node)).collect()
    }

    fn set(&self, set: &CharSet) -> Hir {
        let end = match self.texts {
            Texts::Ascii => 0x7F,
            Texts::Any => 0x10_FFFF,
        };
        let ranges = set
            .ranges()
            .iter()
            .filter(|range| range.0 <= end)
            .filter_map(|range| {
                let (first, last) = (char::from_u32(range.0)?, char::from_u32(range.1.min(end))?);
                Some(ClassUnicodeRange::new(first, last))
            });
        Hir::class(Class::Unicode(ClassUnicode::new(ranges)))
    }
}
