//! A tree → the instructions of a backtracking search.
//!
//! In: an [`Ast`]. Out: a [`Program`] whose search finds what Python's `re` finds, group by group.
//!
//! Repeats whose body cannot match the empty text are unrolled: then where a search stands is all there is
//! to know about it, and it can remember where it has failed. The others count their rounds, because the
//! reference ends such a repeat at a round that matched nothing.

use std::sync::Arc;

use crate::ast::{Assertion, Ast, Node, RepeatKind};
use crate::charset::CharSet;
use crate::error::PatternError;
use crate::limits;
use crate::unicode::Fold;

/// An address in a program.
pub(crate) type Address = usize;
/// The number of a register: what a loop or a look-around has to keep.
pub(crate) type Register = usize;
/// The number of an instruction that can be remembered to have failed somewhere.
pub(crate) type Key = usize;

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
    /// What a match can begin with; `None` if it can be empty.
    pub(crate) first: Option<CharSet>,
    /// Whether a match can only begin where the text does.
    pub(crate) anchored: bool,
}

/// One instruction. Where nothing else is said, the next one follows.
#[derive(Debug)]
pub(crate) enum Instruction {
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
    Match,
}

/// A repeat of one character of a set.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) set: Arc<CharSet>,
    pub(crate) min: u32,
    pub(crate) max: Option<u32>,
    pub(crate) kind: RepeatKind,
    pub(crate) key: Key,
    /// The byte that must follow, if there is one.
    pub(crate) then: Option<u8>,
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
    compiler.note_what_follows_runs();
    let conditions = compiler.conditions;
    let memory = (compiler.memory && conditions.len() <= 3).then_some(conditions);
    Ok(Program {
        instructions: compiler.instructions,
        registers: compiler.registers,
        slots: 2 * (ast.groups.len() + 1),
        keys: compiler.keys,
        memory,
        first: first_of(&ast.root).set(),
        anchored: is_anchored(&ast.root),
    })
}

struct Compiler {
    instructions: Vec<Instruction>,
    registers: usize,
    keys: usize,
    memory: bool,
    conditions: Vec<u32>,
}

impl Default for Compiler {
    fn default() -> Self {
        Self {
            instructions: Vec::new(),
            registers: 0,
            keys: 0,
            memory: true,
            conditions: Vec::new(),
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
                Instruction::Literal(_)
                | Instruction::Set(_)
                | Instruction::Run(_)
                | Instruction::Save(_)
                | Instruction::Assert(_)
                | Instruction::BackReference(..)
                | Instruction::LoopStart(_)
                | Instruction::PossessiveEnd { .. }
                | Instruction::AtomicStart(_)
                | Instruction::AtomicEnd(_)
                | Instruction::LookStart { .. }
                | Instruction::LookEnd(_)
                | Instruction::NotLookEnd(_)
                | Instruction::Match,
            )
            | None => {}
        }
    }

    fn emit(&mut self, node: &Node) -> Result<(), PatternError> {
        match node {
            Node::Empty => {}
            Node::Char(c) => {
                self.push(Instruction::Literal(c.encode_utf8(&mut [0; 4]).as_bytes().into()))?;
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
            self.emit_literal(&mut literal)?;
            self.emit(node)?;
        }
        self.emit_literal(&mut literal)
    }

    fn emit_literal(&mut self, literal: &mut String) -> Result<(), PatternError> {
        if !literal.is_empty() {
            self.push(Instruction::Literal(literal.as_bytes().into()))?;
            literal.clear();
        }
        Ok(())
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
                set,
                min,
                max,
                kind,
                key,
                then: None,
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
        self.push(Instruction::Split { first, second, key })
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

    fn note_what_follows_runs(&mut self) {
        let mut then = None;
        for instruction in self.instructions.iter_mut().rev() {
            match instruction {
                Instruction::Run(run) => {
                    run.then = then;
                    then = None;
                }
                Instruction::Literal(bytes) => then = bytes.first().copied(),
                // Storing a position does not change what has to follow.
                Instruction::Save(_) => {}
                Instruction::Set(_)
                | Instruction::Split { .. }
                | Instruction::Jump(_)
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
                | Instruction::LookStart { .. }
                | Instruction::LookEnd(_)
                | Instruction::NotLookStart { .. }
                | Instruction::NotLookEnd(_)
                | Instruction::Match => then = None,
            }
        }
    }
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

/// What a node can begin with.
enum First {
    /// Its first character, if it has one, is of this set.
    Of { set: CharSet, nullable: bool },
    /// Anything.
    Any,
}

impl First {
    fn nothing() -> Self {
        Self::Of {
            set: CharSet::new([]),
            nullable: true,
        }
    }

    fn set(self) -> Option<CharSet> {
        match self {
            Self::Of { set, nullable: false } => Some(set),
            Self::Of { nullable: true, .. } | Self::Any => None,
        }
    }

    fn then(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Of { set, nullable: true } => match next() {
                Self::Of { set: other, nullable } => Self::Of {
                    set: set.union(&other),
                    nullable,
                },
                Self::Any => Self::Any,
            },
            Self::Of { nullable: false, .. } | Self::Any => self,
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Of { set, nullable },
                Self::Of {
                    set: more,
                    nullable: also,
                },
            ) => Self::Of {
                set: set.union(&more),
                nullable: nullable || also,
            },
            (Self::Any, Self::Of { .. } | Self::Any) | (Self::Of { .. }, Self::Any) => Self::Any,
        }
    }
}

fn first_of(node: &Node) -> First {
    match node {
        Node::Empty | Node::Look { .. } | Node::Assert(_) => First::nothing(),
        Node::Char(c) => First::Of {
            set: CharSet::single(u32::from(*c)),
            nullable: false,
        },
        Node::Set(set) => First::Of {
            set: CharSet::clone(set),
            nullable: false,
        },
        Node::Concat(nodes) => nodes
            .iter()
            .fold(First::nothing(), |first, node| first.then(|| first_of(node))),
        Node::Alternate(nodes) => nodes.iter().map(first_of).reduce(First::or).unwrap_or(First::Any),
        Node::Capture(_, node) | Node::Atomic(node) => first_of(node),
        Node::Repeat { max: Some(0), .. } => First::nothing(),
        Node::Repeat { node, min, .. } => match first_of(node) {
            First::Of { set, nullable } => First::Of {
                set,
                nullable: nullable || *min == 0,
            },
            First::Any => First::Any,
        },
        Node::BackReference(..) => First::Any,
        Node::Conditional { yes, no, .. } => first_of(yes).or(first_of(no)),
    }
}

/// Whether a match of this can only begin where the text does.
fn is_anchored(node: &Node) -> bool {
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
