//! A tree → the instructions of a backtracking search.
//!
//! In: an [`Ast`]. Out: a [`Program`] whose search finds what Python's `re` finds, group by group.
//!
//! Repeats whose body cannot match the empty text are unrolled: then where a search stands is all there is
//! to know about it, and it can remember where it has failed. The others count their rounds, because the
//! reference ends such a repeat at a round that matched nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ast::{Assertion, Ast, Node, RepeatKind};
use crate::charset::CharSet;
use crate::error::PatternError;
use crate::limits;
use crate::tagged;
use crate::unicode::Fold;

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

/// Whether the program of a tree will not be too large.
pub(crate) fn check_size(ast: &Ast) -> Result<(), PatternError> {
    if usize::try_from(size(&ast.root)).is_ok_and(|size| size < limits::PROGRAM) {
        return Ok(());
    }
    Err(too_large())
}

fn too_large() -> PatternError {
    PatternError::whole(format!(
        "expression is too large: more than {} instructions",
        limits::PROGRAM
    ))
}

/// Translates a tree.
pub(crate) fn compile(ast: &Ast) -> Result<Program, PatternError> {
    let mut compiler = Compiler::default();
    compiler.emit(&ast.root)?;
    compiler.push(Instruction::Match)?;
    compiler.note_heads();
    let first = compiler.heads_at(0);
    let conditions = compiler.conditions;
    let memory = (compiler.memory && conditions.len() <= 3).then_some(conditions);
    let mut program = Program {
        prefix: prefix_of(&compiler.instructions),
        whole: 0,
        instructions: compiler.instructions,
        registers: compiler.registers,
        slots: 2 * (ast.groups.len() + 1),
        keys: compiler.keys,
        memory,
        first,
        anchored: is_anchored(&ast.root),
        tagged: false,
    };
    program.tagged = tagged::is_possible(&program);
    Ok(program)
}

struct Compiler {
    instructions: Vec<Instruction>,
    registers: usize,
    keys: usize,
    memory: bool,
    conditions: Vec<u32>,
    /// What stands in the place of a look at the next byte until it is known what that tells.
    unknown: Arc<Peek>,
}

impl Default for Compiler {
    fn default() -> Self {
        Self {
            instructions: Vec::new(),
            registers: 0,
            keys: 0,
            memory: true,
            conditions: Vec::new(),
            unknown: Arc::new(Peek::new(|_| Peek::FIRST | Peek::SECOND)),
        }
    }
}

impl Compiler {
    fn push(&mut self, instruction: Instruction) -> Result<Address, PatternError> {
        let at = self.instructions.len();
        if at >= limits::PROGRAM {
            return Err(too_large());
        }
        self.instructions.push(instruction);
        Ok(at)
    }

    fn here(&self) -> Address {
        self.instructions.len()
    }

    fn register(&mut self) -> Register {
        self.registers += 1;
        self.registers - 1
    }

    fn key(&mut self) -> Key {
        self.keys += 1;
        self.keys - 1
    }

    /// Sets the address that the instruction at `at` goes on at, which was not known when it was pushed.
    fn patch(&mut self, at: Address, target: Address) {
        match self.instructions.get_mut(at) {
            Some(Instruction::Split { first, second, .. }) => {
                *(if *first == PENDING { first } else { second }) = target;
            }
            Some(Instruction::Jump(address)) => *address = target,
            Some(Instruction::Conditional { no, .. }) => *no = target,
            Some(Instruction::NotLookStart { after, .. }) => *after = target,
            Some(
                Instruction::Loop(rounds)
                | Instruction::LoopAgain(rounds)
                | Instruction::PossessiveLoop(rounds),
            ) => {
                rounds.exit = target;
            }
            Some(
                Instruction::Byte(_)
                | Instruction::Literal(_)
                | Instruction::Set(_)
                | Instruction::Run(_)
                | Instruction::Save(_)
                | Instruction::Assert(_)
                | Instruction::BackReference(..)
                | Instruction::LoopStart(_)
                | Instruction::PossessiveEnd { .. }
                | Instruction::AtomicStart(_)
                | Instruction::AtomicEnd(_)
                | Instruction::AheadLiteral { .. }
                | Instruction::NextTo { .. }
                | Instruction::LookStart { .. }
                | Instruction::LookEnd(_)
                | Instruction::NotLookEnd(_)
                | Instruction::Cut(_)
                | Instruction::Match,
            )
            | None => {}
        }
    }

    fn emit(&mut self, node: &Node) -> Result<(), PatternError> {
        match node {
            Node::Empty => {}
            Node::Char(c) => {
                self.emit_literal(c.encode_utf8(&mut [0; 4]))?;
            }
            Node::Set(set) => {
                self.push(Instruction::Set(Arc::clone(set)))?;
            }
            Node::Concat(nodes) => self.emit_sequence(nodes)?,
            Node::Alternate(nodes) => self.emit_alternatives(nodes)?,
            Node::Capture(group, node) => {
                let slot = 2 * usize::try_from(*group).unwrap_or(0);
                self.push(Instruction::Save(slot))?;
                self.emit(node)?;
                self.push(Instruction::Save(slot + 1))?;
            }
            Node::Repeat { node, min, max, kind } => self.emit_repeat(node, *min, *max, *kind)?,
            Node::Atomic(node) => {
                let register = self.register();
                self.push(Instruction::AtomicStart(register))?;
                self.emit(node)?;
                self.push(Instruction::AtomicEnd(register))?;
            }
            Node::Look {
                node,
                behind,
                negative,
            } => {
                if let Some(instruction) = Self::simple_look(node, *behind, *negative) {
                    self.push(instruction)?;
                    return Ok(());
                }
                let register = self.register();
                let back = behind.unwrap_or(0);
                if *negative {
                    let start = self.push(Instruction::NotLookStart {
                        register,
                        back,
                        after: PENDING,
                    })?;
                    self.emit(node)?;
                    self.push(Instruction::NotLookEnd(register))?;
                    self.patch(start, self.here());
                } else {
                    self.push(Instruction::LookStart { register, back })?;
                    self.emit(node)?;
                    self.push(Instruction::LookEnd(register))?;
                }
            }
            Node::Assert(place) => {
                self.push(Instruction::Assert(*place))?;
            }
            Node::BackReference(group, fold) => {
                self.memory = false;
                self.push(Instruction::BackReference(*group, *fold))?;
            }
            Node::Conditional { group, yes, no } => {
                if !self.conditions.contains(group) {
                    self.conditions.push(*group);
                }
                let test = self.push(Instruction::Conditional {
                    group: *group,
                    no: PENDING,
                })?;
                self.emit(yes)?;
                let jump = self.push(Instruction::Jump(PENDING))?;
                self.patch(test, self.here());
                self.emit(no)?;
                self.patch(jump, self.here());
            }
        }
        Ok(())
    }

    /// One node after the other, neighbouring characters as one literal.
    fn emit_sequence(&mut self, nodes: &[Node]) -> Result<(), PatternError> {
        let mut literal = String::new();
        for node in nodes {
            if let Node::Char(c) = node {
                literal.push(*c);
                continue;
            }
            self.emit_literal(&literal)?;
            literal.clear();
            self.emit(node)?;
        }
        self.emit_literal(&literal)
    }

    fn emit_literal(&mut self, literal: &str) -> Result<(), PatternError> {
        match literal.as_bytes() {
            [] => {}
            [byte] => {
                self.push(Instruction::Byte(*byte))?;
            }
            bytes => {
                self.push(Instruction::Literal(bytes.into()))?;
            }
        }
        Ok(())
    }

    /// A look-around that needs no search of its own, if it is one.
    fn simple_look(node: &Node, behind: Option<usize>, negative: bool) -> Option<Instruction> {
        if let Some(set) = node.as_set() {
            return Some(Instruction::NextTo {
                set,
                behind: behind.is_some(),
                negative,
            });
        }
        let Node::Concat(nodes) = node else { return None };
        let literal: Option<String> = nodes
            .iter()
            .map(|node| if let Node::Char(c) = node { Some(*c) } else { None })
            .collect();
        let bytes = literal.filter(|_| behind.is_none())?.into_bytes().into();
        Some(Instruction::AheadLiteral { bytes, negative })
    }

    fn emit_alternatives(&mut self, nodes: &[Node]) -> Result<(), PatternError> {
        let Some((last, others)) = nodes.split_last() else {
            return Ok(());
        };
        let mut jumps = Vec::with_capacity(others.len());
        for node in others {
            let key = self.key();
            let first = self.here() + 1;
            let split = self.push(Instruction::Split {
                first,
                second: PENDING,
                key,
                peek: Arc::clone(&self.unknown),
            })?;
            self.emit(node)?;
            jumps.push(self.push(Instruction::Jump(PENDING))?);
            self.patch(split, self.here());
        }
        self.emit(last)?;
        for jump in jumps {
            self.patch(jump, self.here());
        }
        Ok(())
    }

    fn emit_repeat(
        &mut self,
        node: &Node,
        min: u32,
        max: Option<u32>,
        kind: RepeatKind,
    ) -> Result<(), PatternError> {
        if max == Some(0) {
            return Ok(());
        }
        if let Some(set) = node.as_set() {
            let key = self.key();
            self.push(Instruction::Run(Run {
                scan: Scan::of(&set),
                set,
                min,
                max,
                kind,
                key,
                peek: Arc::clone(&self.unknown),
                then: Then::Anything,
            }))?;
            return Ok(());
        }
        match kind {
            RepeatKind::Possessive => self.emit_possessive(node, min, max),
            RepeatKind::Greedy | RepeatKind::Lazy => {
                let lazy = kind == RepeatKind::Lazy;
                // An empty round only matters where another one may follow it.
                let rounds_matter = max.is_none_or(|max| max > min) && max != Some(1);
                let copies = u64::from(max.unwrap_or(min.saturating_add(1)));
                let fits = fits(copies.saturating_mul(size(node).saturating_add(2)));
                if fits && !(rounds_matter && node.is_nullable()) {
                    self.emit_unrolled(node, min, max, lazy)
                } else {
                    self.emit_counted(node, min, max, lazy)
                }
            }
        }
    }

    fn emit_unrolled(
        &mut self,
        node: &Node,
        min: u32,
        max: Option<u32>,
        lazy: bool,
    ) -> Result<(), PatternError> {
        for _ in 0..min {
            self.emit(node)?;
        }
        let Some(max) = max else {
            let start = self.emit_split(lazy)?;
            self.emit(node)?;
            self.push(Instruction::Jump(start))?;
            self.patch(start, self.here());
            return Ok(());
        };
        let mut splits = Vec::new();
        for _ in min..max {
            splits.push(self.emit_split(lazy)?);
            self.emit(node)?;
        }
        for split in splits {
            self.patch(split, self.here());
        }
        Ok(())
    }

    /// A choice between going on and leaving for an address that is still to be set.
    fn emit_split(&mut self, lazy: bool) -> Result<Address, PatternError> {
        let key = self.key();
        let next = self.here() + 1;
        let (first, second) = if lazy { (PENDING, next) } else { (next, PENDING) };
        self.push(Instruction::Split {
            first,
            second,
            key,
            peek: Arc::clone(&self.unknown),
        })
    }

    fn emit_counted(
        &mut self,
        node: &Node,
        min: u32,
        max: Option<u32>,
        lazy: bool,
    ) -> Result<(), PatternError> {
        self.memory = false;
        let register = self.register();
        self.push(Instruction::LoopStart(register))?;
        let start = self.here();
        let again = start + 1;
        let rounds = Loop {
            register,
            min,
            max,
            lazy,
            body: start + 2,
            exit: PENDING,
            again,
        };
        self.push(Instruction::Loop(rounds))?;
        self.push(Instruction::LoopAgain(rounds))?;
        self.emit(node)?;
        self.push(Instruction::Jump(start))?;
        self.patch(start, self.here());
        self.patch(again, self.here());
        Ok(())
    }

    fn emit_possessive(&mut self, node: &Node, min: u32, max: Option<u32>) -> Result<(), PatternError> {
        let register = self.register();
        self.push(Instruction::LoopStart(register))?;
        let start = self.here();
        let rounds = Loop {
            register,
            min,
            max,
            lazy: false,
            body: start + 1,
            exit: PENDING,
            again: PENDING,
        };
        self.push(Instruction::PossessiveLoop(rounds))?;
        self.emit(node)?;
        self.push(Instruction::PossessiveEnd { register, start })?;
        self.patch(start, self.here());
        Ok(())
    }

    /// Works out what may come next wherever that saves trying.
    fn note_heads(&mut self) {
        let mut known: BTreeSet<Arc<Peek>> = BTreeSet::new();
        let mut share = |peek: Peek| match known.get(&peek) {
            Some(same) => Arc::clone(same),
            None => {
                let peek = Arc::new(peek);
                known.insert(Arc::clone(&peek));
                peek
            }
        };
        for at in 0..self.instructions.len() {
            match self.instructions.get(at) {
                Some(Instruction::Split { first, second, .. }) => {
                    let (one, other) = (self.heads_at(*first), self.heads_at(*second));
                    let bits = |next| {
                        let allows = |heads: Option<Heads>| heads.is_none_or(|heads| heads.allow(next));
                        (u8::from(allows(one)) * Peek::FIRST) | (u8::from(allows(other)) * Peek::SECOND)
                    };
                    let told = share(Peek::new(bits));
                    if let Some(Instruction::Split { peek, .. }) = self.instructions.get_mut(at) {
                        *peek = told;
                    }
                }
                Some(Instruction::Run(run)) => {
                    let follows = self.heads_at(at + 1);
                    let then = match follows {
                        Some(follows) if follows.is_disjoint(Heads::of(&run.set)) => Then::Other,
                        Some(follows) => follows.only().map_or(Then::Anything, Then::Byte),
                        None => Then::Anything,
                    };
                    let told = share(Peek::new(|next| run_bits(&run.set, follows, next)));
                    if let Some(Instruction::Run(run)) = self.instructions.get_mut(at) {
                        (run.peek, run.then) = (told, then);
                    }
                }
                Some(
                    Instruction::Byte(_)
                    | Instruction::Literal(_)
                    | Instruction::Set(_)
                    | Instruction::Jump(_)
                    | Instruction::Save(_)
                    | Instruction::Assert(_)
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
                    | Instruction::Match,
                )
                | None => {}
            }
        }
    }

    /// What may come next at `address`; `None` if that may be anything.
    fn heads_at(&self, address: Address) -> Option<Heads> {
        // Enough to see through the alternatives of a usual expression.
        let mut fuel = 64;
        self.heads_within(address, &mut fuel)
    }

    fn heads_within(&self, address: Address, fuel: &mut u32) -> Option<Heads> {
        let mut address = address;
        loop {
            *fuel = fuel.checked_sub(1)?;
            match self.instructions.get(address)? {
                Instruction::Byte(byte) => {
                    let mut bytes = Heads::default();
                    bytes.add(*byte);
                    return Some(bytes);
                }
                Instruction::Literal(literal) => {
                    let mut bytes = Heads::default();
                    bytes.add(*literal.first()?);
                    return Some(bytes);
                }
                Instruction::Set(set) => return Some(Heads::of(set)),
                Instruction::Run(run) => {
                    let bytes = Heads::of(&run.set);
                    if run.min > 0 {
                        return Some(bytes);
                    }
                    return Some(bytes.union(self.heads_within(address + 1, fuel)?));
                }
                Instruction::Split { first, second, .. } => {
                    let one = self.heads_within(*first, fuel)?;
                    return Some(one.union(self.heads_within(*second, fuel)?));
                }
                Instruction::Conditional { no, .. } => {
                    let one = self.heads_within(address + 1, fuel)?;
                    return Some(one.union(self.heads_within(*no, fuel)?));
                }
                Instruction::Jump(target) => address = *target,
                // What follows must match there too; that it is there is all that is told here.
                Instruction::Assert(Assertion::TextEnd) => return Some(Heads::END),
                Instruction::Assert(Assertion::LastLineEnd | Assertion::LineEnd) => {
                    let mut heads = Heads::END;
                    heads.add(b'\n');
                    return Some(heads);
                }
                // They consume nothing, and what they refuse does not matter here.
                Instruction::Save(_)
                | Instruction::Assert(
                    Assertion::TextStart
                    | Assertion::LineStart
                    | Assertion::WordBoundary { .. }
                    | Assertion::NotWordBoundary { .. },
                )
                | Instruction::AtomicStart(_)
                | Instruction::AheadLiteral { .. }
                | Instruction::NextTo { .. } => address += 1,
                Instruction::NotLookStart { after, .. } => address = *after,
                // What is cut must be matched without regard to what follows it.
                Instruction::AtomicEnd(_)
                | Instruction::PossessiveEnd { .. }
                | Instruction::BackReference(..)
                | Instruction::LoopStart(_)
                | Instruction::Loop(_)
                | Instruction::LoopAgain(_)
                | Instruction::PossessiveLoop(_)
                | Instruction::LookStart { .. }
                | Instruction::LookEnd(_)
                | Instruction::NotLookEnd(_)
                | Instruction::Cut(_)
                | Instruction::Match => return None,
            }
        }
    }
}

/// What a run has to know of the next byte.
fn run_bits(set: &CharSet, follows: Option<Heads>, next: Option<u8>) -> u8 {
    let of_set = match next {
        Some(byte) if byte.is_ascii() => u8::from(set.contains_ascii(byte)) * Peek::OF_SET,
        Some(_) if set.has_all_wide() => Peek::OF_SET,
        Some(_) | None => 0,
    };
    let follows = follows.is_none_or(|follows| follows.allow(next));
    of_set | (u8::from(follows) * Peek::FOLLOWS)
}

/// An address that is not known yet.
const PENDING: Address = usize::MAX;

/// How many instructions a node becomes at most.
fn size(node: &Node) -> u64 {
    match node {
        Node::Empty => 0,
        Node::Char(_) | Node::Set(_) | Node::Assert(_) | Node::BackReference(..) => 1,
        Node::Concat(nodes) => nodes.iter().map(size).fold(0, u64::saturating_add),
        Node::Alternate(nodes) => nodes
            .iter()
            .map(|node| size(node).saturating_add(2))
            .fold(0, u64::saturating_add),
        Node::Capture(_, node) | Node::Atomic(node) | Node::Look { node, .. } => size(node).saturating_add(2),
        Node::Repeat { node, .. } if node.as_set().is_some() => 1,
        Node::Repeat { node, min, max, .. } => {
            let copies = u64::from(max.unwrap_or(min.saturating_add(1)));
            let unrolled = copies.saturating_mul(size(node).saturating_add(2));
            let counted = size(node).saturating_add(4);
            if fits(unrolled) {
                unrolled.max(counted)
            } else {
                counted
            }
        }
        Node::Conditional { yes, no, .. } => size(yes).saturating_add(size(no)).saturating_add(2),
    }
}

/// Whether a repeat that becomes so many instructions is unrolled.
fn fits(unrolled: u64) -> bool {
    usize::try_from(unrolled).is_ok_and(|size| size <= limits::UNROLLED)
}

/// Whether a match of this can only begin where the text does.
pub(crate) fn is_anchored(node: &Node) -> bool {
    match node {
        Node::Assert(Assertion::TextStart) => true,
        Node::Concat(nodes) => {
            // Whatever stands before the anchor must not consume.
            for node in nodes {
                if is_anchored(node) {
                    return true;
                }
                if !matches!(node, Node::Empty | Node::Look { .. } | Node::Assert(_)) {
                    return false;
                }
            }
            false
        }
        Node::Alternate(nodes) => nodes.iter().all(is_anchored),
        Node::Capture(_, node) | Node::Atomic(node) => is_anchored(node),
        Node::Repeat { node, min, .. } => *min > 0 && is_anchored(node),
        Node::Conditional { yes, no, .. } => is_anchored(yes) && is_anchored(no),
        Node::Empty
        | Node::Char(_)
        | Node::Set(_)
        | Node::Look { .. }
        | Node::Assert(_)
        | Node::BackReference(..) => false,
    }
}
