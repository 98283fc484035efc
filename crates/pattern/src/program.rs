//! The instructions of a backtracking search, and what is known of them before it begins.
//!
//! In: the instructions that `compile` has made of a tree. Out: what a match can begin with, and several programs as the
//! alternatives of one.

mod compile;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ast::{Assertion, RepeatKind};
use crate::charset::CharSet;
use crate::limits;
use crate::unicode::Fold;

pub(crate) use compile::{check_size, compile, is_anchored};

/// An address in a program.
pub(crate) type Address = usize;
/// The number of a register: what a loop or a look-around has to keep.
pub(crate) type Register = usize;
/// The number of an instruction that can be remembered to have failed somewhere.
pub(crate) type Key = usize;
/// What may come next at a place: bytes, or the end of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Heads {
    bytes: [u64; 4],
    end: bool,
}

impl Heads {
    /// Everything.
    pub(crate) const ALL: Self = Self {
        bytes: [u64::MAX; 4],
        end: true,
    };

    /// The end of the text alone.
    const END: Self = Self {
        bytes: [0; 4],
        end: true,
    };

    #[inline]
    pub(crate) fn contains(&self, byte: u8) -> bool {
        let [a, b, c, d] = self.bytes;
        let quarter = match byte >> 6 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        };
        quarter >> (byte & 0x3F) & 1 == 1
    }

    /// Whether what comes next in a text may come next here.
    #[inline]
    pub(crate) fn allow(&self, next: Option<u8>) -> bool {
        next.map_or(self.end, |byte| self.contains(byte))
    }

    fn add(&mut self, byte: u8) {
        if let Some(quarter) = self.bytes.get_mut(usize::from(byte >> 6)) {
            *quarter |= 1 << (byte & 0x3F);
        }
    }

    pub(crate) fn union(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.bytes, other.bytes);
        Self {
            bytes: [a | e, b | f, c | g, d | h],
            end: self.end || other.end,
        }
    }

    fn is_disjoint(self, other: Self) -> bool {
        let bytes = self.bytes.iter().zip(other.bytes);
        !(self.end && other.end) && bytes.into_iter().all(|(one, other)| one & other == 0)
    }

    /// The byte that a character begins with.
    pub(crate) fn of_char(c: char) -> Self {
        let mut heads = Self::default();
        if let Some(first) = c.encode_utf8(&mut [0; 4]).as_bytes().first() {
            heads.add(*first);
        }
        heads
    }

    /// The bytes that a character of the set begins with.
    pub(crate) fn of(set: &CharSet) -> Self {
        let mut heads = Self::default();
        (0..0x80)
            .filter(|byte| set.contains_ascii(*byte))
            .for_each(|byte| heads.add(byte));
        if set.has_wide() {
            (0x80..=0xFF).for_each(|byte| heads.add(byte));
        }
        heads
    }

    fn only(self) -> Option<u8> {
        let mut all = (0..=0xFF).filter(|byte| self.contains(*byte));
        all.next().filter(|_| all.next().is_none() && !self.end)
    }
}

/// What is to be known of the next byte, a few bits for each, in one look.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Peek {
    of_byte: [u8; 256],
    at_end: u8,
}

impl Peek {
    /// A choice can go on with its first way.
    pub(crate) const FIRST: u8 = 1;
    /// A choice can go on with its second way.
    pub(crate) const SECOND: u8 = 2;
    /// Every character that begins so is of the set of a run.
    pub(crate) const OF_SET: u8 = 1;
    /// What follows a run may begin so.
    pub(crate) const FOLLOWS: u8 = 2;

    fn new(bits: impl Fn(Option<u8>) -> u8) -> Self {
        let mut of_byte = [0; 256];
        for (byte, place) in (0..=0xFF).zip(&mut of_byte) {
            *place = bits(Some(byte));
        }
        Self {
            of_byte,
            at_end: bits(None),
        }
    }

    /// The bits of a byte.
    #[inline]
    pub(crate) fn of(&self, byte: u8) -> u8 {
        self.of_byte.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// The bits of what stands at `position`.
    #[inline]
    pub(crate) fn at(&self, bytes: &[u8], position: usize) -> u8 {
        match bytes.get(position) {
            Some(byte) => self.of(*byte),
            None => self.at_end,
        }
    }
}

/// The instructions of a backtracking search.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) registers: usize,
    /// Two a group, group 0 being the whole match.
    pub(crate) slots: usize,
    pub(crate) keys: usize,
    /// The groups that conditionals ask for, if failures can be remembered at all.
    pub(crate) memory: Option<Vec<u32>>,
    /// What a match can begin with; nothing where that may be anything.
    pub(crate) first: Option<Heads>,
    /// Whether a match can only begin where the text does.
    pub(crate) anchored: bool,
    /// Whether an automaton can do what it does.
    pub(crate) tagged: bool,
    /// What a match begins with, as far as that is always the same.
    pub(crate) prefix: Box<[u8]>,
    /// The first slot of the whole match.
    pub(crate) whole: usize,
}

impl Program {
    /// Whether a look at what a text begins with shows that there is no match in it.
    #[inline]
    pub(crate) fn excludes(&self, text: &[u8]) -> bool {
        self.anchored
            && (self
                .first
                .is_some_and(|heads| !heads.allow(text.first().copied()))
                // Comparing nothing takes long, for what has no bytes stands where there is no memory.
                || !self.prefix.is_empty() && !text.starts_with(&self.prefix))
    }
}

impl Program {
    /// Programs as alternatives, in their order, which is that of their ends; nothing where one of them is not for an
    /// automaton.
    ///
    /// They share their slots, for a way that a search takes is of one of them alone.
    pub(crate) fn alternatives(programs: &[&Self]) -> Option<Self> {
        let choices = programs.len().checked_sub(1)?;
        let mut instructions = Vec::new();
        let mut start = choices;
        for program in programs.iter().take(choices) {
            instructions.push(Instruction::Split {
                first: start,
                second: instructions.len() + 1,
                // An automaton does not look at it, and nothing else runs these instructions.
                key: 0,
                peek: Arc::new(Peek::new(|_| Peek::FIRST | Peek::SECOND)),
            });
            start += program.instructions.len();
        }
        // The last choice leads to the last program instead of to one more choice.
        if let Some(Instruction::Split { second, .. }) = instructions.last_mut() {
            *second = start;
        }
        let mut conditions = BTreeSet::new();
        for program in programs.iter().filter(|program| program.tagged) {
            let start = instructions.len();
            for instruction in &program.instructions {
                instructions.push(instruction.moved(start, 0)?);
            }
            conditions.extend(program.memory.iter().flatten().copied());
        }
        let program = Self {
            registers: 0,
            slots: programs.iter().map(|program| program.slots).max().unwrap_or(0),
            keys: 0,
            memory: Some(conditions.into_iter().collect()),
            first: None,
            anchored: true,
            tagged: true,
            prefix: common_prefix(programs),
            whole: 0,
            instructions,
        };
        // Each ends in one place.
        (program.ends_before(program.instructions.len()) == programs.len()).then_some(program)
    }

    /// How many ends there are before an address.
    pub(crate) fn ends_before(&self, address: Address) -> usize {
        let before = self.instructions.iter().take(address);
        before
            .filter(|instruction| matches!(instruction, Instruction::Match))
            .count()
    }

    /// This program in what a group of another one has of a line, which is all that is left of it. Nothing where that
    /// group takes something else, or not everything is for an automaton.
    ///
    /// Its slots stand behind those of the other one, whose group ends where the line does and has no slots set.
    pub(crate) fn behind(&self, prefix: &Self, group: usize) -> Option<Self> {
        let (head, tail) = prefix
            .instructions
            .split_at(prefix.instructions.len().checked_sub(5)?);
        let [
            Instruction::Save(begin),
            Instruction::Run(run),
            Instruction::Save(_),
            Instruction::Assert(Assertion::LastLineEnd),
            Instruction::Match,
        ] = tail
        else {
            return None;
        };
        let is_rest = *begin == 2 * group
            && (run.min, run.max, run.kind) == (1, None, RepeatKind::Greedy)
            && run.set.all_but() == Some(b'\n');
        let is_whole = head
            .iter()
            .flat_map(Instruction::targets)
            .all(|target| target <= head.len());
        if !(is_rest && is_whole && prefix.tagged && self.tagged) {
            return None;
        }
        let moved = |instructions: &[Instruction], by, slots| -> Option<Vec<Instruction>> {
            let instructions = instructions.iter();
            instructions
                .map(|instruction| instruction.moved(by, slots))
                .collect()
        };
        let mut instructions = moved(head, 0, 0)?;
        instructions.push(Instruction::Cut(prefix.slots));
        let by = instructions.len();
        instructions.extend(moved(&self.instructions, by, prefix.slots)?);
        let groups = u32::try_from(prefix.slots / 2).ok()?;
        let mut conditions = prefix.memory.clone().unwrap_or_default();
        conditions.extend(self.memory.iter().flatten().map(|group| group + groups));
        let program = Self {
            registers: 0,
            slots: prefix.slots + self.slots,
            keys: 0,
            memory: Some(conditions),
            first: prefix.first,
            anchored: true,
            tagged: true,
            prefix: prefix.prefix.clone(),
            whole: prefix.slots,
            instructions,
        };
        (program.slots <= limits::TAGGED_SLOTS).then_some(program)
    }
}

/// The bytes that all programs begin with.
fn common_prefix(programs: &[&Program]) -> Box<[u8]> {
    let prefixes = programs.iter().map(|program| &*program.prefix);
    let common = prefixes.reduce(|one, other| {
        let length = one
            .iter()
            .zip(other)
            .take_while(|(one, other)| one == other)
            .count();
        one.get(..length).unwrap_or_default()
    });
    common.unwrap_or_default().into()
}

/// The bytes that a program begins with whatever way it takes.
fn prefix_of(instructions: &[Instruction]) -> Box<[u8]> {
    let mut prefix = Vec::new();
    for instruction in instructions {
        match instruction {
            Instruction::Byte(byte) => prefix.push(*byte),
            Instruction::Literal(bytes) => prefix.extend_from_slice(bytes),
            Instruction::Save(_) | Instruction::Assert(_) => {}
            Instruction::Set(_)
            | Instruction::Run(_)
            | Instruction::Split { .. }
            | Instruction::Jump(_)
            | Instruction::BackReference(..)
            | Instruction::Conditional { .. }
            | Instruction::LoopStart(_)
            | Instruction::Loop(_)
            | Instruction::LoopAgain(_)
            | Instruction::PossessiveLoop(_)
            | Instruction::PossessiveEnd { .. }
            | Instruction::AtomicStart(_)
            | Instruction::AtomicEnd(_)
            | Instruction::AheadLiteral { .. }
            | Instruction::NextTo { .. }
            | Instruction::LookStart { .. }
            | Instruction::LookEnd(_)
            | Instruction::NotLookStart { .. }
            | Instruction::NotLookEnd(_)
            | Instruction::Cut(_)
            | Instruction::Match => break,
        }
    }
    prefix.into()
}

/// One instruction. Where nothing else is said, the next one follows.
#[derive(Debug)]
pub(crate) enum Instruction {
    /// This byte.
    Byte(u8),
    /// These bytes.
    Literal(Box<[u8]>),
    /// One character of the set.
    Set(Arc<CharSet>),
    /// Characters of the set, one after the other.
    Run(Run),
    /// Goes on at `first`; if that fails, at `second`.
    Split {
        first: Address,
        second: Address,
        key: Key,
        /// Which of the two the next byte leaves.
        peek: Arc<Peek>,
    },
    Jump(Address),
    /// Stores the position.
    Save(usize),
    Assert(Assertion),
    BackReference(u32, Fold),
    /// Goes on at `no` if the group did not take part.
    Conditional {
        group: u32,
        no: Address,
    },
    /// Begins a counted loop.
    LoopStart(Register),
    /// Begins a round of a counted loop or leaves it.
    Loop(Loop),
    /// Begins a round of a lazy loop, when leaving it did not lead to a match.
    LoopAgain(Loop),
    /// Begins a round of a possessive loop or leaves it.
    PossessiveLoop(Loop),
    /// Ends a round of a possessive loop and jumps to its beginning.
    PossessiveEnd {
        register: Register,
        start: Address,
    },
    AtomicStart(Register),
    AtomicEnd(Register),
    /// These bytes must come next, or must not; nothing is consumed.
    AheadLiteral {
        bytes: Box<[u8]>,
        negative: bool,
    },
    /// A character of the set must come next or stand before, or must not.
    NextTo {
        set: Arc<CharSet>,
        behind: bool,
        negative: bool,
    },
    /// Begins a look-around, so many characters back.
    LookStart {
        register: Register,
        back: usize,
    },
    LookEnd(Register),
    /// Begins a negative look-around; `after` is where it goes on when what it looks for is not there.
    NotLookStart {
        register: Register,
        back: usize,
        after: Address,
    },
    NotLookEnd(Register),
    /// Of all ways that lead here with more of the line to come the first alone counts. What is left of the line is a
    /// text of its own from here on; where it begins is stored. Only an automaton has this.
    Cut(usize),
    Match,
}

impl Instruction {
    /// Where it may go on other than at the next one.
    fn targets(&self) -> impl Iterator<Item = Address> + use<> {
        let targets = match self {
            Self::Split { first, second, .. } => [Some(*first), Some(*second)],
            Self::Jump(target) | Self::Conditional { no: target, .. } => [Some(*target), None],
            // The others are not moved.
            Self::Byte(_)
            | Self::Literal(_)
            | Self::Set(_)
            | Self::Run(_)
            | Self::Save(_)
            | Self::Assert(_)
            | Self::BackReference(..)
            | Self::LoopStart(_)
            | Self::Loop(_)
            | Self::LoopAgain(_)
            | Self::PossessiveLoop(_)
            | Self::PossessiveEnd { .. }
            | Self::AtomicStart(_)
            | Self::AtomicEnd(_)
            | Self::AheadLiteral { .. }
            | Self::NextTo { .. }
            | Self::LookStart { .. }
            | Self::LookEnd(_)
            | Self::NotLookStart { .. }
            | Self::NotLookEnd(_)
            | Self::Cut(_)
            | Self::Match => [None, None],
        };
        targets.into_iter().flatten()
    }

    /// The same so many addresses and slots on; nothing where it is not for an automaton.
    fn moved(&self, by: Address, slots: usize) -> Option<Self> {
        Some(match self {
            Self::Byte(byte) => Self::Byte(*byte),
            Self::Literal(bytes) => Self::Literal(bytes.clone()),
            Self::Set(set) => Self::Set(Arc::clone(set)),
            Self::Run(run) => Self::Run(run.clone()),
            Self::Split {
                first,
                second,
                key,
                peek,
            } => Self::Split {
                first: first + by,
                second: second + by,
                key: *key,
                peek: Arc::clone(peek),
            },
            Self::Jump(target) => Self::Jump(target + by),
            Self::Save(slot) => Self::Save(slot + slots),
            Self::Assert(place) => Self::Assert(*place),
            Self::Conditional { group, no } => Self::Conditional {
                group: group + u32::try_from(slots / 2).ok()?,
                no: no + by,
            },
            Self::AheadLiteral { bytes, negative } => Self::AheadLiteral {
                bytes: bytes.clone(),
                negative: *negative,
            },
            Self::NextTo {
                set,
                behind,
                negative,
            } => Self::NextTo {
                set: Arc::clone(set),
                behind: *behind,
                negative: *negative,
            },
            Self::Match => Self::Match,
            Self::BackReference(..)
            | Self::LoopStart(_)
            | Self::Loop(_)
            | Self::LoopAgain(_)
            | Self::PossessiveLoop(_)
            | Self::PossessiveEnd { .. }
            | Self::AtomicStart(_)
            | Self::AtomicEnd(_)
            | Self::LookStart { .. }
            | Self::LookEnd(_)
            | Self::NotLookStart { .. }
            | Self::NotLookEnd(_)
            | Self::Cut(_) => return None,
        })
    }
}

/// A repeat of one character of a set.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) set: Arc<CharSet>,
    pub(crate) min: u32,
    pub(crate) max: Option<u32>,
    pub(crate) kind: RepeatKind,
    pub(crate) key: Key,
    /// Which bytes are of the set, and which may follow.
    pub(crate) peek: Arc<Peek>,
    pub(crate) then: Then,
    pub(crate) scan: Scan,
}

/// What may follow a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Only this byte.
    Byte(u8),
    /// Something that no character of the run begins with, so that the run takes all it can or there is no match.
    Other,
    /// Something else, or nothing is known about it.
    Anything,
}

/// How the end of a run without an upper limit is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// It is the end of the text.
    All,
    /// It is where this byte stands, or the end of the text.
    Until(u8),
    /// Each byte tells by itself whether it is of the set.
    Bytes,
    /// Characters beyond ASCII have to be looked at as a whole.
    Chars,
}

impl Scan {
    fn of(set: &CharSet) -> Self {
        match set.all_but() {
            _ if set.is_all() => Self::All,
            Some(byte) => Self::Until(byte),
            None if set.has_all_wide() || !set.has_wide() => Self::Bytes,
            None => Self::Chars,
        }
    }
}

/// A counted loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loop {
    pub(crate) register: Register,
    pub(crate) min: u32,
    pub(crate) max: Option<u32>,
    pub(crate) lazy: bool,
    pub(crate) body: Address,
    pub(crate) exit: Address,
    /// For a lazy loop, its [`Instruction::LoopAgain`].
    pub(crate) again: Address,
}
