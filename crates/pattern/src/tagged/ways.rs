//! Where the ways of a search stand, and a step of all of them.
//!
//! In: the ways that a backtracking search could have come by, what it tries first first, and what comes next in a
//! text. Out: the ways behind it, in that order, and whether a match ended there.
//!
//! Invariant: of two ways that stand at the same place the later one is dropped, for it would end as the first does.

use std::collections::BTreeSet;

use crate::ast::{Assertion, RepeatKind};
use crate::charset::CharSet;
use crate::limits;
use crate::program::{Address, Instruction, Program};

/// What comes next in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    Byte(u8),
    /// The LF that the text ends with.
    LastLineFeed,
    End,
}

/// A way that a search could have come by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Way {
    pub(super) address: Address,
    /// How many bytes of a literal, or characters of a run, it has taken already.
    pub(super) taken: u32,
    /// For each slot, where its position is.
    pub(super) slots: Box<[Place]>,
    /// The look-aheads that are not decided yet, by their addresses, and how many bytes of their literals were there.
    pub(super) ahead: Vec<(Address, u32)>,
    /// It stands where its text begins.
    pub(super) begins: bool,
}

/// Where a position is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Nowhere,
    /// It is where the search stands.
    Here,
    Register(u8),
}

/// All ways that a search could have come by, what it tries first first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) ways: Vec<Way>,
    /// A match was found on the way here. It counts unless a better one is found.
    pub(super) is_matched: bool,
}

/// The shortest literal that is compared at once; looking up so few bytes one by one takes no longer.
const SHORTEST_LITERAL: usize = 4;

/// One step of all ways at once.
pub(super) struct Step<'a> {
    program: &'a Program,
    symbol: Symbol,
    /// The places before the symbol that were looked at.
    seen: BTreeSet<Standing>,
    /// The places behind it that were come to.
    reached: BTreeSet<Standing>,
    /// The ways behind it.
    pub(super) ways: Vec<Way>,
    /// A way went past a cut.
    pub(super) cuts: bool,
    pub(super) matched: Option<(Box<[Place]>, Address)>,
}

/// A way that is still to be followed.
enum Open {
    /// It stands before the symbol.
    Before(Way),
    /// It has taken the symbol already.
    Behind(Way),
}

/// Where a way stands: its address, what it has taken there, which of the groups took part that conditionals ask for,
/// and what was seen of look-aheads. What it will come to depends on nothing else.
type Standing = (Address, u32, u32, Vec<(Address, u32)>);

impl<'a> Step<'a> {
    pub(super) const fn new(program: &'a Program, symbol: Symbol) -> Self {
        Self {
            program,
            symbol,
            seen: BTreeSet::new(),
            reached: BTreeSet::new(),
            ways: Vec::new(),
            cuts: false,
            matched: None,
        }
    }

    /// Takes the ways in their order; `None` where that is too much.
    pub(super) fn take(&mut self, ways: &[Way]) -> Option<()> {
        let mut open: Vec<Open> = Vec::new();
        for way in ways.iter().rev() {
            open.extend(self.look_ahead(way.clone())?.map(Open::Before));
        }
        while let Some(way) = open.pop() {
            let way = match way {
                Open::Before(way) => way,
                Open::Behind(way) => {
                    self.reach(way);
                    continue;
                }
            };
            if !self.seen.insert(self.standing(&way)) {
                continue;
            }
            if matches!(self.program.instructions.get(way.address)?, Instruction::Match) {
                // It has to be known whether it is one; the last line feed has nothing behind it.
                if !way.ahead.is_empty() && self.symbol != Symbol::LastLineFeed {
                    return None;
                }
                if way.ahead.iter().any(|(address, _)| !self.is_negative(*address)) {
                    continue;
                }
                // What would be tried after it does not count any more.
                let mut slots = way.slots;
                if let Some(end) = slots.get_mut(self.program.whole + 1) {
                    *end = Place::Here;
                }
                self.matched = Some((slots, way.address));
                break;
            }
            self.go(way, &mut open)?;
            if self.ways.len() > limits::TAGGED_WAYS_A_STATE {
                return None;
            }
        }
        Some(())
    }

    /// Goes on with one way: to a place behind the symbol, or to others before it, what is tried last pushed first.
    fn go(&mut self, mut way: Way, open: &mut Vec<Open>) -> Option<()> {
        let next = way.address + 1;
        match self.program.instructions.get(way.address)? {
            Instruction::Byte(byte) => {
                if self.symbol.is(*byte) {
                    self.reach(way.at(next));
                }
            }
            Instruction::Literal(literal) => {
                let taken = usize::try_from(way.taken).ok()?;
                if self.symbol.is(*literal.get(taken)?) {
                    if taken + 1 == literal.len() {
                        self.reach(way.at(next));
                    } else {
                        way.taken += 1;
                        self.reach(way);
                    }
                }
            }
            Instruction::Set(set) => {
                if self.symbol.is_of(set) {
                    self.reach(way.at(next));
                }
            }
            Instruction::Run(run) => {
                let leaves = (way.taken >= run.min).then(|| way.clone().at(next));
                let may_stay = run.max.is_none_or(|max| way.taken < max) && self.symbol.is_of(&run.set);
                let stays = may_stay.then(|| {
                    // Without an upper limit it does not matter how many there are past the lower one.
                    let most = run.max.unwrap_or(run.min);
                    way.taken = (way.taken + 1).min(most);
                    way
                });
                match stays {
                    // It comes after everything that leaving leads to.
                    Some(stays) if run.kind == RepeatKind::Lazy => open.push(Open::Behind(stays)),
                    Some(stays) => self.reach(stays),
                    None => {}
                }
                open.extend(leaves.map(Open::Before));
            }
            Instruction::Split { first, second, .. } => {
                open.push(Open::Before(way.clone().at(*second)));
                open.push(Open::Before(way.at(*first)));
            }
            Instruction::Jump(target) => open.push(Open::Before(way.at(*target))),
            Instruction::Save(slot) => {
                if self.is_begun_again(&way, *slot) {
                    return None;
                }
                *way.slots.get_mut(*slot)? = Place::Here;
                open.push(Open::Before(way.at(next)));
            }
            Instruction::Assert(place) => {
                let holds = match place {
                    Assertion::TextStart => way.begins,
                    Assertion::TextEnd => self.symbol == Symbol::End,
                    Assertion::LastLineEnd => matches!(self.symbol, Symbol::LastLineFeed | Symbol::End),
                    Assertion::LineStart
                    | Assertion::LineEnd
                    | Assertion::WordBoundary { .. }
                    | Assertion::NotWordBoundary { .. } => return None,
                };
                if holds {
                    open.push(Open::Before(way.at(next)));
                }
            }
            Instruction::Conditional { group, no } => {
                let address = if took_part(&way, *group) { next } else { *no };
                open.push(Open::Before(way.at(address)));
            }
            Instruction::AheadLiteral { .. } => {
                way.ahead.push((way.address, 0));
                if way.ahead.len() > limits::TAGGED_AHEAD {
                    return None;
                }
                open.extend(self.look_at_last(way.at(next))?.map(Open::Before));
            }
            Instruction::NextTo { set, negative, .. } => {
                if self.symbol.is_of(set) != *negative {
                    open.push(Open::Before(way.at(next)));
                }
            }
            Instruction::BackReference(..)
            | Instruction::LoopStart(_)
            | Instruction::Loop(_)
            | Instruction::LoopAgain(_)
            | Instruction::PossessiveLoop(_)
            | Instruction::PossessiveEnd { .. }
            | Instruction::AtomicStart(_)
            | Instruction::AtomicEnd(_)
            | Instruction::LookStart { .. }
            | Instruction::LookEnd(_)
            | Instruction::NotLookStart { .. }
            | Instruction::NotLookEnd(_)
            | Instruction::Match => return None,
            Instruction::Cut(slot) => {
                // Where the line ends here nothing is left to search in.
                let is_rest = self.symbol.byte().is_some_and(|byte| byte != b'\n');
                if is_rest {
                    // Whether this way is one at all has to be known.
                    if !way.ahead.is_empty() {
                        return None;
                    }
                    *way.slots.get_mut(*slot)? = Place::Here;
                    way.begins = true;
                    self.cuts = true;
                    open.clear();
                    open.push(Open::Before(way.at(next)));
                }
            }
        }
        Some(())
    }

    /// A way with its look-aheads taken past the symbol: none where one of them refuses it.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether that could be told"
    )]
    fn look_ahead(&self, mut way: Way) -> Option<Option<Way>> {
        let ahead = std::mem::take(&mut way.ahead);
        for (address, there) in ahead {
            way.ahead.push((address, there));
            match self.look_at_last(way)? {
                Some(seen) => way = seen,
                None => return Some(None),
            }
        }
        Some(Some(way))
    }

    /// As [`Self::look_ahead`], for the last of its look-aheads alone.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether that could be told"
    )]
    fn look_at_last(&self, mut way: Way) -> Option<Option<Way>> {
        let (address, there) = way.ahead.pop()?;
        let Some(Instruction::AheadLiteral { bytes, negative }) = self.program.instructions.get(address)
        else {
            return None;
        };
        let is_there = bytes
            .get(usize::try_from(there).ok()?)
            .is_some_and(|byte| self.symbol.is(*byte));
        let there = there + 1;
        if is_there && usize::try_from(there).ok()? < bytes.len() {
            way.ahead.push((address, there));
            return Some(Some(way));
        }
        Some((is_there != *negative).then_some(way))
    }

    fn is_negative(&self, address: Address) -> bool {
        let instruction = self.program.instructions.get(address);
        matches!(
            instruction,
            Some(Instruction::AheadLiteral { negative: true, .. })
        )
    }

    fn reach(&mut self, mut way: Way) {
        way.begins = false;
        if self.reached.insert(self.standing(&way)) {
            self.ways.push(way);
        }
    }

    fn standing(&self, way: &Way) -> Standing {
        let conditions = self.program.memory.as_deref().unwrap_or_default();
        let flags = conditions
            .iter()
            .fold(0, |flags, group| flags << 1 | u32::from(took_part(way, *group)));
        (way.address, way.taken, flags, way.ahead.clone())
    }

    /// Whether a group that a conditional asks for begins once more, so that where it ended says nothing any more.
    fn is_begun_again(&self, way: &Way, slot: usize) -> bool {
        let conditions = self.program.memory.as_deref().unwrap_or_default();
        conditions.iter().any(|group| {
            usize::try_from(*group).is_ok_and(|group| slot == 2 * group) && took_part(way, *group)
        })
    }
}

impl Way {
    fn at(mut self, address: Address) -> Self {
        self.address = address;
        self.taken = 0;
        self
    }
}

impl Symbol {
    fn byte(self) -> Option<u8> {
        match self {
            Self::Byte(byte) => Some(byte),
            Self::LastLineFeed => Some(b'\n'),
            Self::End => None,
        }
    }

    fn is(self, byte: u8) -> bool {
        self.byte() == Some(byte)
    }

    fn is_of(self, set: &CharSet) -> bool {
        self.byte().is_some_and(|byte| set.contains_ascii(byte))
    }
}

/// Whether a group began and ended.
fn took_part(way: &Way, group: u32) -> bool {
    let Some(slot) = usize::try_from(group).ok().and_then(|group| group.checked_mul(2)) else {
        return false;
    };
    let is_set = |slot: usize| way.slots.get(slot).is_some_and(|place| *place != Place::Nowhere);
    is_set(slot) && is_set(slot + 1)
}

/// What comes next in every text that goes on from a state, and the state behind it.
pub(super) fn literal_ahead(program: &Program, state: &State) -> Option<(Box<[u8]>, State)> {
    let (mut literal, mut ways) = (Vec::new(), state.ways.clone());
    while let Some(byte) = only_byte(program, &ways) {
        let mut step = Step::new(program, Symbol::Byte(byte));
        step.take(&ways)?;
        // They go on without taking a position.
        ways = step.ways;
        literal.push(byte);
    }
    let behind = State {
        ways,
        is_matched: state.is_matched,
    };
    (literal.len() >= SHORTEST_LITERAL).then(|| (literal.into(), behind))
}

/// The byte that all ways take next, where they do so without more ado.
fn only_byte(program: &Program, ways: &[Way]) -> Option<u8> {
    let mut bytes = ways.iter().map(|way| {
        let instruction = program.instructions.get(way.address)?;
        let byte = if let Instruction::Literal(literal) = instruction {
            *literal.get(usize::try_from(way.taken).ok()?)?
        } else if let Instruction::Byte(byte) = instruction {
            *byte
        } else {
            return None;
        };
        // A LF may be the last one of the text, which is told apart from others.
        (byte.is_ascii() && byte != b'\n' && way.ahead.is_empty()).then_some(byte)
    });
    let first = bytes.next()??;
    bytes.all(|byte| byte == Some(first)).then_some(first)
}
