//! Our own matcher for date patterns: a small backtracking machine whose words are the `%` tokens.
//!
//! In: a [`Layout`] whose pattern is made of tokens, characters, classes, groups, alternatives and
//! simple repeats, which nearly all date patterns are. Out: a [`Program`] that finds what the general
//! engine would find, some ten times as fast. For any other pattern there is no program.
//!
//! Invariant: a program and `Layout::regex` on the general engine give the same answer on every line,
//! or the program gives up ([`Outcome::TooHard`]) and the general engine is asked.

mod class;
mod compile;

use crate::clocks::Clocks;
use crate::layout::{Layout, Left};
use crate::token::{Decades, Ends, Field, Text, Token, ascii_fold};
use class::Class;
use compile::Compiled;

/// How many choices a search may take back: some per byte, and a floor for short lines. Patterns of
/// dates hardly ever take back one; past this something is repeating itself, and is better left to the
/// general engine, which knows its own limits.
const CHOICES_PER_BYTE: usize = 64;
const CHOICES: usize = 10_000;

/// What stands before the number, in parentheses, in the records of the kernel's audit.
const AUDIT: &[u8] = b"audit";

/// The most bytes that the two characters before a date at the line's start can have.
const MARKS_BYTES: usize = 8;

/// One step of a program. Steps follow each other unless they say otherwise.
#[derive(Debug)]
enum Node {
    /// An ASCII character that has no case, or whose case matters.
    Byte(u8),
    /// One character.
    Char(char),
    /// One character of a class.
    Class(Box<Class>),
    /// One character of a class, `min` to `max` times; as many as possible where `greedy`.
    Repeat {
        class: Box<Class>,
        min: usize,
        max: usize,
        greedy: bool,
    },
    /// A field, captured in a slot; `next` is what must follow, where that is one certain byte.
    Token {
        token: Token,
        slot: usize,
        next: Option<u8>,
    },
    /// The start and the end of a group.
    Open(usize),
    Close(usize),
    /// What a group has captured, once more.
    Same(usize),
    /// `first` is tried before `second`, unless the next byte rules it out.
    Split {
        first: usize,
        second: usize,
        peek: Option<Box<Bytes>>,
    },
    Jump(usize),
    LineStart,
    LineEnd,
    WordBoundary(bool),
    /// The right bound: no word goes on here.
    Right,
    Found,
}

impl Node {
    /// The byte that it is, if it is one.
    fn certain_byte(&self) -> Option<u8> {
        if let Self::Byte(byte) = self {
            Some(*byte)
        } else {
            None
        }
    }
}

/// A set of bytes.
type Bytes = [bool; 256];

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Program {
    nodes: Vec<Node>,
    /// The field that each group gives; the first group is what is cut.
    slots: Vec<Option<Field>>,
    left: Left,
    /// Whether a match can only begin at the line's start.
    at_start: bool,
    /// The bytes a match can begin with; all, where it can be empty.
    first: Box<Bytes>,
    /// A byte without which there is no match.
    needs: Option<u8>,
    /// How far, in characters, the time of day that every match has is from the match's start.
    reach: Option<usize>,
    ignore_case: bool,
    years: Decades,
}

/// What a search found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Match {
        start: usize,
        end: usize,
    },
    Nothing,
    /// Too many choices were taken back.
    TooHard,
}

/// Where the groups of a match are, and the memory that a search needs; kept from line to line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scratch {
    /// Where the groups of the last match are; [`UNSET`] those that took no part.
    pub(crate) captures: Vec<(usize, usize)>,
    /// What captures were before they were set, to be undone.
    trail: Vec<(usize, (usize, usize))>,
    choices: Vec<Choice>,
    ends: Ends,
    /// Whether a run may have set captures since they were cleared.
    dirty: bool,
}

/// A way not taken yet.
#[derive(Debug, Clone, Copy)]
struct Choice {
    /// How long the trail was.
    trail: usize,
    kind: ChoiceKind,
}

#[derive(Debug, Clone, Copy)]
enum ChoiceKind {
    /// Go on here.
    Goto { node: usize, at: usize },
    /// The token of this node, which starts at `from`, ends at `end`.
    TokenEnd { node: usize, from: usize, end: usize },
    /// The repeat of this node, which ends at `end`, takes one character less, but keeps `least`.
    Less { node: usize, least: usize, end: usize },
    /// The repeat of this node, which ends at `end`, takes one character more, if it may.
    More { node: usize, end: usize, count: usize },
}

/// A group that took no part.
pub(crate) const UNSET: (usize, usize) = (usize::MAX, usize::MAX);

impl Program {
    /// Compiles a layout, if it is simple enough.
    pub(crate) fn compile(layout: &Layout, years: Decades) -> Option<Self> {
        let Compiled {
            nodes,
            fields: slots,
            needs,
            reach,
        } = compile::compile(layout)?;
        let ignore_case = layout.ignore_case();
        let first = first_bytes(&nodes, 0, ignore_case).unwrap_or_else(|| Box::new([true; 256]));
        let leading = nodes.iter().find(|node| !matches!(node, Node::Open(_)));
        Some(Self {
            at_start: layout.left == Left::LineBegin || matches!(leading, Some(Node::LineStart)),
            nodes,
            slots,
            left: layout.left,
            first,
            needs,
            reach,
            ignore_case,
            years,
        })
    }

    /// Searches `text` for the first match that begins at `from` or later. The text ends where the
    /// search is to end; characters before `from` are seen by the bounds. `clocks`, where known, are the
    /// times of day of the line.
    pub(crate) fn find(
        &self,
        text: &str,
        from: usize,
        clocks: Option<&Clocks>,
        scratch: &mut Scratch,
    ) -> Outcome {
        if self.at_start && from > 0 {
            return Outcome::Nothing;
        }
        let clocks = clocks.zip(self.reach);
        let next_start = |at: usize| clocks.map_or(Some(at), |(clocks, reach)| clocks.next_start(at, reach));
        let Some(mut at) = next_start(from) else {
            return Outcome::Nothing;
        };
        let text = Text::new(text, self.ignore_case);
        scratch.captures.clear();
        scratch.captures.resize(self.slots.len(), UNSET);
        scratch.dirty = false;
        let mut choices = CHOICES + CHOICES_PER_BYTE * text.len();
        if self.left == Left::LineBegin {
            return self.find_at_line_begin(&text, &mut choices, scratch);
        }
        if self.at_start && at > 0 {
            return Outcome::Nothing;
        }
        if self.left == Left::EpochPlace {
            return self.find_epoch(&text, from, &mut choices, scratch);
        }
        if let Some(byte) = self.needs.filter(|_| !self.at_start)
            && memchr::memchr(byte, text.as_str().as_bytes().get(from..).unwrap_or(&[])).is_none()
        {
            return Outcome::Nothing;
        }
        loop {
            if self.may_start(&text, at) && self.bound_on_the_left(&text, at) {
                match self.run(&text, at, &mut choices, scratch) {
                    Run::Match(end) => return Outcome::Match { start: at, end },
                    Run::TooHard => return Outcome::TooHard,
                    Run::Nothing => {}
                }
            }
            if self.at_start {
                return Outcome::Nothing;
            }
            // Where a match cannot be empty, the next byte that it can begin with.
            at += 1;
            let may = |byte: &u8| self.first.get(usize::from(*byte)) == Some(&true);
            let Some(skip) = text
                .as_str()
                .as_bytes()
                .get(at..)
                .and_then(|rest| rest.iter().position(may))
            else {
                // Only an empty match is left, at the very end.
                if at > text.len() || self.first.first() == Some(&false) {
                    return Outcome::Nothing;
                }
                at = text.len();
                continue;
            };
            let Some(start) = next_start(at + skip) else {
                return Outcome::Nothing;
            };
            at = start;
            while at < text.len() && !text.as_str().is_char_boundary(at) {
                at += 1;
            }
        }
    }

    /// Whether every match has a time of day.
    pub(crate) fn needs_clock(&self) -> bool {
        self.reach.is_some()
    }

    /// Whether there is no match in a line with these times of day, whatever else it holds.
    #[inline]
    pub(crate) fn is_ruled_out(&self, clocks: &Clocks) -> bool {
        let Some(reach) = self.reach else {
            return false;
        };
        match clocks.next_start(0, reach) {
            Some(start) => self.at_start && start > MARKS_BYTES,
            None => true,
        }
    }

    /// The three places where a number alone is taken for a time.
    fn find_epoch(
        &self,
        text: &Text<'_>,
        from: usize,
        choices: &mut usize,
        scratch: &mut Scratch,
    ) -> Outcome {
        let line = text.as_str();
        let behind_audit = memchr::memchr_iter(b'(', line.as_bytes()).filter_map(|at| {
            let word = at.checked_sub(AUDIT.len())?;
            let is = line.as_bytes().get(word..at) == Some(AUDIT) && text.at_word_boundary(word);
            is.then_some(at + 1)
        });
        let bracket = (text.byte(0) == b'[').then_some(1);
        for at in std::iter::once(0).chain(bracket).chain(behind_audit) {
            if at < from {
                continue;
            }
            match self.run(text, at, choices, scratch) {
                Run::Match(end) => return Outcome::Match { start: at, end },
                Run::TooHard => return Outcome::TooHard,
                Run::Nothing => {}
            }
        }
        Outcome::Nothing
    }

    /// Up to two characters of no word may precede the date; the more the better.
    fn find_at_line_begin(&self, text: &Text<'_>, choices: &mut usize, scratch: &mut Scratch) -> Outcome {
        let mut starts = [0; 3];
        let mut count = 0;
        while let Some(at) = starts.get(count).copied()
            && at < text.len()
            && !text.is_word(at)
            && let Some(next) = starts.get_mut(count + 1)
        {
            *next = at + text.char(at).map_or(1, char::len_utf8);
            count += 1;
        }
        for at in starts.iter().take(count + 1).rev() {
            if !self.may_start(text, *at) {
                continue;
            }
            match self.run(text, *at, choices, scratch) {
                Run::Match(end) => return Outcome::Match { start: 0, end },
                Run::TooHard => return Outcome::TooHard,
                Run::Nothing => {}
            }
        }
        Outcome::Nothing
    }

    #[inline]
    fn may_start(&self, text: &Text<'_>, at: usize) -> bool {
        // Past the end stands a NUL, which is in the set where a match can be empty.
        self.first
            .get(usize::from(text.byte(at)))
            .copied()
            .unwrap_or(true)
    }

    fn bound_on_the_left(&self, text: &Text<'_>, at: usize) -> bool {
        match self.left {
            Left::Free | Left::LineBegin | Left::EpochPlace => true,
            // A word does not begin here, and nothing at all does not stand behind a character of no word.
            Left::Word => {
                at == 0
                    || if at < text.len() {
                        !(text.is_word(at) && text.is_word_before(at))
                    } else {
                        text.is_word_before(at)
                    }
            }
        }
    }

    /// The field that each capture of a match gives.
    pub(crate) fn fields(&self) -> &[Option<Field>] {
        &self.slots
    }

    /// Runs the program from `start`.
    fn run(&self, text: &Text<'_>, start: usize, budget: &mut usize, scratch: &mut Scratch) -> Run {
        let Scratch {
            captures,
            trail,
            choices,
            ends,
            dirty,
        } = scratch;
        choices.clear();
        trail.clear();
        if std::mem::replace(dirty, true) {
            captures.fill(UNSET);
        }
        let mut node = 0;
        let mut at = start;
        loop {
            let matched = match self.nodes.get(node) {
                Some(Node::Byte(byte)) => {
                    let same = text.byte(at) == *byte && at < text.len();
                    at += usize::from(same);
                    same
                }
                Some(Node::Token { token, slot, next }) => {
                    token.ends(text, at, self.years, ends);
                    if let Some(next) = next {
                        ends.retain_before(text, *next);
                    }
                    let mut list = ends.as_slice().iter();
                    if let Some(end) = list.next() {
                        for other in list.rev() {
                            choices.push(Choice {
                                trail: trail.len(),
                                kind: ChoiceKind::TokenEnd {
                                    node,
                                    from: at,
                                    end: *other,
                                },
                            });
                        }
                        set(captures, trail, choices.is_empty(), *slot, (at, *end));
                        at = *end;
                        true
                    } else {
                        false
                    }
                }
                Some(Node::Split { first, second, peek }) => {
                    let ruled_out = peek
                        .as_ref()
                        .is_some_and(|bytes| bytes.get(usize::from(text.byte(at))) == Some(&false));
                    if ruled_out {
                        node = *second;
                    } else {
                        choices.push(Choice {
                            trail: trail.len(),
                            kind: ChoiceKind::Goto { node: *second, at },
                        });
                        node = *first;
                    }
                    continue;
                }
                Some(Node::Jump(target)) => {
                    node = *target;
                    continue;
                }
                Some(Node::Open(slot)) => {
                    // The end is set on closing; until then the group has not taken part.
                    set(captures, trail, choices.is_empty(), *slot, (at, usize::MAX));
                    true
                }
                Some(Node::Close(slot)) => {
                    let from = captures.get(*slot).map_or(at, |(from, _)| *from);
                    set(captures, trail, choices.is_empty(), *slot, (from, at));
                    true
                }
                Some(Node::Same(slot)) => match self.again(text, captures.get(*slot), at) {
                    Some(end) => {
                        at = end;
                        true
                    }
                    None => false,
                },
                Some(Node::Char(expected)) => match text.same(at, *expected) {
                    Some(end) => {
                        at = end;
                        true
                    }
                    None => false,
                },
                Some(Node::Class(class)) => match class.one(text, at) {
                    Some(end) => {
                        at = end;
                        true
                    }
                    None => false,
                },
                Some(Node::Repeat {
                    class,
                    min,
                    max,
                    greedy,
                }) => {
                    let least = (0..*min).try_fold(at, |at, _| class.one(text, at));
                    if let Some(least) = least {
                        at = least;
                        if *greedy {
                            let mut count = *min;
                            while count < *max
                                && let Some(end) = class.one(text, at)
                            {
                                at = end;
                                count += 1;
                            }
                            if at > least {
                                choices.push(Choice {
                                    trail: trail.len(),
                                    kind: ChoiceKind::Less { node, least, end: at },
                                });
                            }
                        } else if min < max {
                            choices.push(Choice {
                                trail: trail.len(),
                                kind: ChoiceKind::More {
                                    node,
                                    end: at,
                                    count: *min,
                                },
                            });
                        }
                        true
                    } else {
                        false
                    }
                }
                Some(Node::LineStart) => at == 0,
                Some(Node::LineEnd) => at == text.len() || (at + 1 == text.len() && text.byte(at) == b'\n'),
                Some(Node::WordBoundary(wanted)) => text.at_word_boundary(at) == *wanted,
                Some(Node::Right) => !(text.is_word(at) && text.is_word_before(at)),
                Some(Node::Found) => return Run::Match(at),
                None => return Run::Nothing,
            };
            if matched {
                node += 1;
                continue;
            }
            // Back to the last choice that leads on.
            loop {
                let Some(choice) = choices.pop() else {
                    return Run::Nothing;
                };
                let Some(left) = budget.checked_sub(1) else {
                    return Run::TooHard;
                };
                *budget = left;
                while trail.len() > choice.trail {
                    if let Some((slot, before)) = trail.pop()
                        && let Some(capture) = captures.get_mut(slot)
                    {
                        *capture = before;
                    }
                }
                match choice.kind {
                    ChoiceKind::Goto {
                        node: other,
                        at: back,
                    } => {
                        (node, at) = (other, back);
                    }
                    ChoiceKind::TokenEnd {
                        node: token,
                        from,
                        end,
                    } => {
                        if let Some(Node::Token { slot, .. }) = self.nodes.get(token) {
                            set(captures, trail, choices.is_empty(), *slot, (from, end));
                        }
                        (node, at) = (token + 1, end);
                    }
                    ChoiceKind::Less {
                        node: repeat,
                        least,
                        end,
                    } => {
                        at = end - text.char_before(end).map_or(1, char::len_utf8);
                        if at > least {
                            choices.push(Choice {
                                trail: trail.len(),
                                kind: ChoiceKind::Less {
                                    node: repeat,
                                    least,
                                    end: at,
                                },
                            });
                        }
                        node = repeat + 1;
                    }
                    ChoiceKind::More {
                        node: repeat,
                        end,
                        count,
                    } => {
                        let Some(Node::Repeat { class, max, .. }) = self.nodes.get(repeat) else {
                            continue;
                        };
                        let Some(end) = class.one(text, end) else {
                            continue;
                        };
                        if count + 1 < *max {
                            choices.push(Choice {
                                trail: trail.len(),
                                kind: ChoiceKind::More {
                                    node: repeat,
                                    end,
                                    count: count + 1,
                                },
                            });
                        }
                        (node, at) = (repeat + 1, end);
                    }
                }
                break;
            }
        }
    }

    /// The end of what a group has captured, found once more at `at`.
    fn again(&self, text: &Text<'_>, capture: Option<&(usize, usize)>, at: usize) -> Option<usize> {
        let (from, to) = *capture?;
        if to == usize::MAX {
            return None;
        }
        let captured = text.as_str().get(from..to)?;
        if !self.ignore_case {
            return text
                .as_str()
                .get(at..)?
                .starts_with(captured)
                .then_some(at + captured.len());
        }
        captured.chars().try_fold(at, |at, expected| {
            let c = text.char(at)?;
            let same = match ascii_fold(expected) {
                Some(letter) => ascii_fold(c) == Some(letter),
                None => c.to_lowercase().eq(expected.to_lowercase()),
            };
            same.then(|| at + c.len_utf8())
        })
    }
}

/// What a run from one start found out.
enum Run {
    /// The match ends here.
    Match(usize),
    Nothing,
    TooHard,
}

/// Sets a capture; what it was is only remembered where a choice may bring it back.
#[inline]
fn set(
    captures: &mut [(usize, usize)],
    trail: &mut Vec<(usize, (usize, usize))>,
    for_good: bool,
    slot: usize,
    value: (usize, usize),
) {
    if let Some(capture) = captures.get_mut(slot) {
        if !for_good {
            trail.push((slot, *capture));
        }
        *capture = value;
    }
}

/// The bytes that a match from this node can begin with; `None` where it can be empty or is not known.
fn first_bytes(nodes: &[Node], start: usize, ignore_case: bool) -> Option<Box<Bytes>> {
    let mut bytes = Box::new([false; 256]);
    let mut seen = vec![false; nodes.len()];
    let mut todo = vec![start];
    while let Some(at) = todo.pop() {
        match seen.get_mut(at) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        match nodes.get(at)? {
            Node::Byte(byte) => add(&mut bytes, |b| b == *byte),
            Node::Char(c) => add(&mut bytes, |b| {
                !b.is_ascii() || (c.is_ascii() && char::from(b).eq_ignore_ascii_case(c))
            }),
            Node::Class(class) => add(&mut bytes, |b| class.may_start_with(b)),
            Node::Repeat { class, min, .. } => {
                add(&mut bytes, |b| class.may_start_with(b));
                if *min == 0 {
                    todo.push(at + 1);
                }
            }
            Node::Token { token, .. } => add(&mut bytes, |b| token.may_start_with(b, ignore_case)),
            Node::Split { first, second, .. } => todo.extend([*first, *second]),
            Node::Jump(target) => todo.push(*target),
            Node::Open(_)
            | Node::Close(_)
            | Node::LineStart
            | Node::LineEnd
            | Node::WordBoundary(_)
            | Node::Right => todo.push(at + 1),
            Node::Same(_) | Node::Found => return None,
        }
    }
    Some(bytes)
}

fn add(bytes: &mut Bytes, condition: impl Fn(u8) -> bool) {
    for (byte, is) in (0..=u8::MAX).zip(bytes) {
        *is |= condition(byte);
    }
}
