//! A tree → the instructions of a backtracking search.
//!
//! In: an [`Ast`]. Out: a [`Program`] whose search finds what Python's `re` finds, group by group.
//!
//! Repeats whose body cannot match the empty text are unrolled: then where a search stands is all there is
//! to know about it, and it can remember where it has failed. The others count their rounds, because the
//! reference ends such a repeat at a round that matched nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Address, Heads, Instruction, Key, Loop, Peek, Program, Register, Run, Scan, Then, prefix_of};
use crate::ast::{Assertion, Ast, Node, RepeatKind};
use crate::charset::CharSet;
use crate::error::PatternError;
use crate::{limits, tagged};

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
