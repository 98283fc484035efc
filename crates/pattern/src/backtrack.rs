//! A backtracking search with exactly the choices, in exactly the order, that Python's `re` makes.
//!
//! In: a [`Program`], a text, where to begin. Out: the positions of all groups, or nothing, or
//! [`StepLimit`].
//!
//! Invariant: steps and memory are bounded by [`limits`], whatever the text. A search that takes long
//! begins to remember where it has failed, which makes it linear in the text unless the expression has
//! back-references or repeats that must be counted.

use crate::ast::{Assertion, RepeatKind};
use crate::charset::CharSet;
use crate::error::StepLimit;
use crate::limits;
use crate::program::{Address, Instruction, Key, Loop, Peek, Program, Run, Scan, Then};
use crate::tagged::Tagged;
use crate::unicode::{self, Fold};

/// No position: a group that took no part, a loop that had no round.
pub(crate) const NOWHERE: usize = usize::MAX;

/// How often the number of open choices is looked at. A step opens at most three.
const STEPS_BETWEEN_CHECKS: u64 = 1024;

/// What a search needs and the next one can use again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    stack: Vec<Frame>,
    registers: Vec<RegisterState>,
    slots: Vec<usize>,
    failed: Vec<u64>,
    /// What can tell the same as a search, for most programs and texts.
    tagged: Tagged,
    /// How many steps the last search took.
    steps: u64,
}

impl Scratch {
    /// Searches a text by an automaton, which writes where the groups are into `slots`; `None` where that cannot tell.
    pub(crate) fn search_tagged(
        &mut self,
        program: &Program,
        text: &[u8],
        slots: &mut Vec<usize>,
    ) -> Option<bool> {
        self.steps = 0;
        let found = self.tagged.search(program, text);
        if found == Some(true) {
            slots.clear();
            self.tagged.read_onto(slots, 0..self.tagged.slot_count(), 0);
        }
        found
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Where the groups of the last match begin and end, two positions a group.
    pub(crate) fn slots(&self) -> &[usize] {
        &self.slots
    }
}

/// What a loop or look-around keeps.
#[derive(Clone, Copy, Debug, Default)]
struct RegisterState {
    /// Rounds of a loop.
    count: u32,
    /// Where the last optional round of a loop began, or where a look-around looks from.
    position: usize,
    /// How many choices were open at the beginning of something that is to be cut.
    height: usize,
}

/// What to do when a way did not lead to a match.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// Go on there.
    Resume { address: Address, position: usize },
    /// Give back a character of a greedy run, down to `min`.
    Shorten {
        address: Address,
        min: usize,
        position: usize,
    },
    /// Take another character of a lazy run.
    Lengthen {
        address: Address,
        position: usize,
        left: u32,
    },
    /// Put a group position back.
    Slot { slot: usize, old: usize },
    /// Put a loop back.
    Register {
        register: usize,
        count: u32,
        position: usize,
    },
    /// Remember that all ways from here have failed.
    Failed { bit: usize, count: usize },
}

/// Searches `text` from the byte offset `start` on, with what stands before it as context, in at most so
/// many `steps`.
pub(crate) fn search(
    program: &Program,
    scratch: &mut Scratch,
    text: &str,
    start: usize,
    steps: u64,
) -> Result<bool, StepLimit> {
    let mut machine = Machine {
        program,
        text,
        bytes: text.as_bytes(),
        steps: 0,
        limit: steps,
        remembers: false,
        scratch,
    };
    let found = machine.search(start);
    machine.scratch.steps = machine.steps;
    found
}

struct Machine<'a> {
    program: &'a Program,
    text: &'a str,
    bytes: &'a [u8],
    steps: u64,
    /// The steps after which the search is given up.
    limit: u64,
    remembers: bool,
    scratch: &'a mut Scratch,
}

impl<'a> Machine<'a> {
    /// Matches at one position after the other.
    fn search(&mut self, start: usize) -> Result<bool, StepLimit> {
        let mut position = start;
        while let Some(at) = self.next_start(position) {
            if self.run(at)? {
                return Ok(true);
            }
            match self.char_at(at) {
                Some((_, length)) if !self.program.anchored => position = at + length,
                Some(_) | None => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The first position from `position` on at which a match could begin.
    fn next_start(&mut self, mut position: usize) -> Option<usize> {
        if position > self.bytes.len() || self.program.anchored && position > 0 {
            return None;
        }
        while self
            .program
            .first
            .is_some_and(|heads| !heads.allow(self.bytes.get(position).copied()))
        {
            if self.program.anchored {
                return None;
            }
            position += self.char_at(position)?.1;
        }
        Some(position)
    }

    /// Matches at one position.
    fn run(&mut self, start: usize) -> Result<bool, StepLimit> {
        self.scratch.stack.clear();
        reset(
            &mut self.scratch.registers,
            self.program.registers,
            RegisterState::default(),
        );
        reset(&mut self.scratch.slots, self.program.slots, NOWHERE);
        let (program, bytes) = (self.program, self.bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX / 16);
        let remember_after = limits::STEPS_BEFORE_MEMORY + limits::STEPS_A_BYTE_BEFORE_MEMORY * length;
        // One comparison a step decides whether anything is due.
        let mut due = remember_after.min(self.limit);
        let mut address = 0;
        let mut position = start;
        loop {
            self.steps += 1;
            if self.steps > due {
                if self.steps > self.limit || self.scratch.stack.len() > limits::OPEN_CHOICES {
                    return Err(StepLimit);
                }
                if !self.remembers {
                    self.start_remembering();
                }
                due = (self.steps + STEPS_BETWEEN_CHECKS).min(self.limit);
            }
            let Some(instruction) = program.instructions.get(address) else {
                return Ok(false);
            };
            // What follows is the next instruction, unless the instruction says otherwise.
            let holds = match instruction {
                Instruction::Byte(byte) => {
                    let holds = bytes.get(position) == Some(byte);
                    position += 1;
                    address += 1;
                    holds
                }
                Instruction::Literal(literal) => {
                    let holds = stands_at(bytes, position, literal);
                    position += literal.len();
                    address += 1;
                    holds
                }
                Instruction::Set(set) => match self.of_set(set, position) {
                    Some(length) => {
                        position += length;
                        address += 1;
                        true
                    }
                    None => false,
                },
                Instruction::Run(run) => match self.start_run(run, address, position) {
                    Some(end) => {
                        position = end;
                        address += 1;
                        true
                    }
                    None => false,
                },
                Instruction::Split {
                    first,
                    second,
                    key,
                    peek,
                } => {
                    let ways = peek.at(bytes, position);
                    if ways == Peek::FIRST | Peek::SECOND {
                        let is_open = !self.remembers || self.enter(*key, position).is_some();
                        if is_open {
                            self.scratch.stack.push(Frame::Resume {
                                address: *second,
                                position,
                            });
                        }
                        address = *first;
                        is_open
                    } else {
                        address = if ways == Peek::FIRST { *first } else { *second };
                        ways != 0
                    }
                }
                Instruction::Jump(target) => {
                    address = *target;
                    true
                }
                Instruction::Save(slot) => {
                    if !self.scratch.stack.is_empty() {
                        let old = self.scratch.slots.get(*slot).copied().unwrap_or(NOWHERE);
                        self.scratch.stack.push(Frame::Slot { slot: *slot, old });
                    }
                    self.set_slot(*slot, position);
                    address += 1;
                    true
                }
                Instruction::Assert(place) => {
                    address += 1;
                    self.holds(*place, position)
                }
                Instruction::Match => {
                    self.set_slot(0, start);
                    self.set_slot(1, position);
                    return Ok(true);
                }
                Instruction::BackReference(..)
                | Instruction::Conditional { .. }
                | Instruction::AheadLiteral { .. }
                | Instruction::NextTo { .. }
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
                | Instruction::Cut(_) => match self.rare_step(instruction, address + 1, position) {
                    Some(next) => {
                        (address, position) = next;
                        true
                    }
                    None => false,
                },
            };
            if !holds {
                match self.backtrack() {
                    Some(next) => (address, position) = next,
                    None => return Ok(false),
                }
            }
        }
    }

    /// The instructions that few expressions have.
    #[inline(never)]
    fn rare_step(
        &mut self,
        instruction: &Instruction,
        next: Address,
        position: usize,
    ) -> Option<(Address, usize)> {
        match instruction {
            Instruction::BackReference(group, fold) => self
                .again(*group, *fold, position)
                .map(|length| (next, position + length)),
            Instruction::Conditional { group, no } => Some((
                if self.took_part(*group).is_some() {
                    next
                } else {
                    *no
                },
                position,
            )),
            Instruction::AheadLiteral { bytes, negative } => {
                let found = stands_at(self.bytes, position, bytes);
                (found != *negative).then_some((next, position))
            }
            Instruction::NextTo {
                set,
                behind,
                negative,
            } => {
                let at = if *behind {
                    self.before(position)
                } else {
                    Some(position)
                };
                let found = at.is_some_and(|at| self.of_set(set, at).is_some());
                (found != *negative).then_some((next, position))
            }
            Instruction::LoopStart(register) => {
                self.set_loop(*register, 0, NOWHERE);
                Some((next, position))
            }
            Instruction::Loop(rounds) => self.round(rounds, position),
            Instruction::LoopAgain(rounds) => {
                let state = self.register(rounds.register);
                if rounds.max.is_some_and(|max| state.count >= max) || state.position == position {
                    return None;
                }
                self.set_loop(rounds.register, state.count + 1, position);
                Some((rounds.body, position))
            }
            Instruction::PossessiveLoop(rounds) => self.possessive_round(rounds, position),
            Instruction::PossessiveEnd { register, start } => {
                self.cut(self.register(*register).height);
                Some((*start, position))
            }
            Instruction::AtomicStart(register) => {
                self.mark(*register, position);
                Some((next, position))
            }
            Instruction::AtomicEnd(register) => {
                self.cut(self.register(*register).height);
                Some((next, position))
            }
            Instruction::LookStart { register, back } => {
                self.mark(*register, position);
                Some((next, self.back(position, *back)?))
            }
            Instruction::LookEnd(register) => {
                let state = self.register(*register);
                self.cut(state.height);
                Some((next, state.position))
            }
            Instruction::NotLookStart {
                register,
                back,
                after,
            } => {
                let Some(from) = self.back(position, *back) else {
                    return Some((*after, position));
                };
                self.mark(*register, position);
                self.scratch.stack.push(Frame::Resume {
                    address: *after,
                    position,
                });
                Some((next, from))
            }
            Instruction::NotLookEnd(register) => {
                let height = self.register(*register).height;
                self.unwind(height);
                None
            }
            Instruction::Byte(_)
            | Instruction::Literal(_)
            | Instruction::Set(_)
            | Instruction::Run(_)
            | Instruction::Split { .. }
            | Instruction::Jump(_)
            | Instruction::Save(_)
            | Instruction::Assert(_)
            | Instruction::Cut(_)
            | Instruction::Match => None,
        }
    }

    /// Takes the last open choice.
    fn backtrack(&mut self) -> Option<(Address, usize)> {
        loop {
            let frame = self.scratch.stack.pop()?;
            match frame {
                Frame::Resume { address, position } => return Some((address, position)),
                Frame::Shorten {
                    address,
                    min,
                    position,
                } => {
                    if let Some(next) = self.shorten(address, min, position) {
                        return Some(next);
                    }
                }
                Frame::Lengthen {
                    address,
                    position,
                    left,
                } => {
                    if let Some(next) = self.lengthen(address, position, left) {
                        return Some(next);
                    }
                }
                Frame::Slot { .. } | Frame::Register { .. } => self.undo(frame),
                Frame::Failed { bit, count } => self.remember(bit, count),
            }
        }
    }

    /// The last position from `min` to below `position` at which a greedy run that ends can go on.
    fn shorten(&mut self, address: Address, min: usize, position: usize) -> Option<(Address, usize)> {
        let run = self.run_at(address)?;
        let given_back = self.bytes.get(min..position)?;
        let at = match run.then {
            Then::Other => return None,
            Then::Byte(byte) => min + memchr::memrchr(byte, given_back)?,
            // A byte that begins a character, and one that may come next.
            Then::Anything => {
                let may_follow = |byte: &u8| byte & 0xC0 != 0x80 && run.peek.of(*byte) & Peek::FOLLOWS != 0;
                min + given_back.iter().rposition(may_follow)?
            }
        };
        self.count_scanned(position - at);
        if at > min {
            self.scratch.stack.push(Frame::Shorten {
                address,
                min,
                position: at,
            });
        }
        Some((address + 1, at))
    }

    /// The next position from `position` on, which was tried, at which a lazy run can go on.
    fn lengthen(&mut self, address: Address, position: usize, left: u32) -> Option<(Address, usize)> {
        let run = self.run_at(address)?;
        let mut at = position;
        let mut left = left;
        while left > 0 {
            at += self.of_set(&run.set, at)?;
            left -= 1;
            if run.peek.at(self.bytes, at) & Peek::FOLLOWS != 0 {
                self.count_scanned(at - position);
                self.scratch.stack.push(Frame::Lengthen {
                    address,
                    position: at,
                    left,
                });
                return Some((address + 1, at));
            }
        }
        None
    }

    fn run_at(&self, address: Address) -> Option<&'a Run> {
        match self.program.instructions.get(address) {
            Some(Instruction::Run(run)) => Some(run),
            Some(_) | None => None,
        }
    }

    /// Begins the run at `address`; where it ends for now.
    #[inline]
    fn start_run(&mut self, run: &Run, address: Address, position: usize) -> Option<usize> {
        let is_simple = run.then == Then::Other && !self.remembers;
        if !is_simple || run.kind == RepeatKind::Lazy {
            return self.start_choosing_run(run, address, position);
        }
        // There is one place where it can end.
        let end = self.take(run, position)?;
        self.count_scanned(end - position);
        let may_go_on =
            run.kind == RepeatKind::Possessive || run.peek.at(self.bytes, end) & Peek::FOLLOWS != 0;
        may_go_on.then_some(end)
    }

    #[inline(never)]
    fn start_choosing_run(&mut self, run: &Run, address: Address, position: usize) -> Option<usize> {
        let remembered = match run.kind {
            RepeatKind::Possessive => None,
            RepeatKind::Greedy | RepeatKind::Lazy if self.remembers => self.check(run.key, position)?,
            RepeatKind::Greedy | RepeatKind::Lazy => None,
        };
        if run.kind == RepeatKind::Lazy {
            let least = self.least(run, position)?;
            let left = run.max.map_or(u32::MAX, |max| max - run.min);
            if let Some(bit) = remembered {
                self.scratch.stack.push(Frame::Failed { bit, count: 1 });
            }
            if run.peek.at(self.bytes, least) & Peek::FOLLOWS != 0 {
                self.scratch.stack.push(Frame::Lengthen {
                    address,
                    position: least,
                    left,
                });
                return Some(least);
            }
            return self.lengthen(address, least, left).map(|(_, end)| end);
        }
        let most = self.take(run, position)?;
        self.count_scanned(most - position);
        if let Some(bit) = remembered {
            // Without an upper limit every later beginning has the same ends to try, or fewer.
            let count = if run.max.is_none() { most - position + 1 } else { 1 };
            self.scratch.stack.push(Frame::Failed { bit, count });
        }
        if run.kind == RepeatKind::Possessive {
            return Some(most);
        }
        let may_follow = run.peek.at(self.bytes, most) & Peek::FOLLOWS != 0;
        if run.then == Then::Other {
            return may_follow.then_some(most);
        }
        let least = self.least(run, position)?;
        if !may_follow {
            return self.shorten(address, least, most).map(|(_, end)| end);
        }
        if most > least {
            self.scratch.stack.push(Frame::Shorten {
                address,
                min: least,
                position: most,
            });
        }
        Some(most)
    }

    /// The position after as few characters of a run as it may have.
    #[inline]
    fn least(&self, run: &Run, position: usize) -> Option<usize> {
        let mut at = position;
        for _ in 0..run.min {
            at += self.of_set(&run.set, at)?;
        }
        Some(at)
    }

    /// The position after as many characters of a run as there are and it may have, if they are enough.
    #[inline]
    fn take(&self, run: &Run, position: usize) -> Option<usize> {
        let rest = self.bytes.get(position..)?;
        if run.max.is_some() || run.min > 1 {
            return self.take_counted(run, position);
        }
        let length = match run.scan {
            Scan::All => rest.len(),
            Scan::Until(byte) => memchr::memchr(byte, rest).unwrap_or(rest.len()),
            Scan::Bytes => rest
                .iter()
                .position(|byte| run.peek.of(*byte) & Peek::OF_SET == 0)
                .unwrap_or(rest.len()),
            Scan::Chars => self.chars_of(run, position, u32::MAX).1,
        };
        (length > 0 || run.min == 0).then_some(position + length)
    }

    /// As [`Self::take`], where it matters how many characters there are.
    fn take_counted(&self, run: &Run, position: usize) -> Option<usize> {
        let (count, length) = self.chars_of(run, position, run.max.unwrap_or(u32::MAX));
        (count >= run.min).then_some(position + length)
    }

    /// How many characters of a run follow each other here, up to `max`, and how many bytes they are.
    fn chars_of(&self, run: &Run, position: usize, max: u32) -> (u32, usize) {
        let mut at = position;
        let mut count = 0;
        while count < max {
            let Some(byte) = self.bytes.get(at) else { break };
            if byte.is_ascii() {
                if run.peek.of(*byte) & Peek::OF_SET == 0 {
                    break;
                }
                at += 1;
            } else {
                match self.of_set_wide(&run.set, at) {
                    Some(length) => at += length,
                    None => break,
                }
            }
            count += 1;
        }
        (count, at - position)
    }

    /// Begins another round of a counted loop, or leaves it.
    fn round(&mut self, rounds: &Loop, position: usize) -> Option<(Address, usize)> {
        let state = self.register(rounds.register);
        if state.count < rounds.min {
            self.set_loop(rounds.register, state.count + 1, state.position);
            return Some((rounds.body, position));
        }
        if rounds.lazy {
            self.scratch.stack.push(Frame::Resume {
                address: rounds.again,
                position,
            });
            return Some((rounds.exit, position));
        }
        // A round that matched nothing is the last.
        if rounds.max.is_some_and(|max| state.count >= max) || state.position == position {
            return Some((rounds.exit, position));
        }
        self.scratch.stack.push(Frame::Resume {
            address: rounds.exit,
            position,
        });
        self.set_loop(rounds.register, state.count + 1, position);
        Some((rounds.body, position))
    }

    fn possessive_round(&mut self, rounds: &Loop, position: usize) -> Option<(Address, usize)> {
        let state = self.register(rounds.register);
        let required = state.count < rounds.min;
        if !required && (rounds.max.is_some_and(|max| state.count >= max) || state.position == position) {
            return Some((rounds.exit, position));
        }
        let height = self.scratch.stack.len();
        if !required {
            self.scratch.stack.push(Frame::Resume {
                address: rounds.exit,
                position,
            });
        }
        if let Some(register) = self.scratch.registers.get_mut(rounds.register) {
            register.count += 1;
            register.height = height;
            if !required {
                register.position = position;
            }
        }
        Some((rounds.body, position))
    }

    fn register(&self, register: usize) -> RegisterState {
        self.scratch.registers.get(register).copied().unwrap_or_default()
    }

    /// Changes a loop's state, to be put back on the way back.
    fn set_loop(&mut self, register: usize, count: u32, position: usize) {
        let old = self.register(register);
        self.push_undo(Frame::Register {
            register,
            count: old.count,
            position: old.position,
        });
        if let Some(state) = self.scratch.registers.get_mut(register) {
            state.count = count;
            state.position = position;
        }
    }

    /// Notes where something begins that is to be cut when it has matched.
    fn mark(&mut self, register: usize, position: usize) {
        let height = self.scratch.stack.len();
        if let Some(state) = self.scratch.registers.get_mut(register) {
            *state = RegisterState {
                count: 0,
                position,
                height,
            };
        }
    }

    /// Drops the choices opened since the stack was `height` high, keeping what must be put back.
    fn cut(&mut self, height: usize) {
        let stack = &mut self.scratch.stack;
        let mut kept = height;
        for at in height..stack.len() {
            match stack.get(at).copied() {
                Some(frame @ (Frame::Slot { .. } | Frame::Register { .. })) => {
                    if let Some(place) = stack.get_mut(kept) {
                        *place = frame;
                    }
                    kept += 1;
                }
                Some(
                    Frame::Resume { .. }
                    | Frame::Shorten { .. }
                    | Frame::Lengthen { .. }
                    | Frame::Failed { .. },
                )
                | None => {}
            }
        }
        stack.truncate(kept);
    }

    /// Drops everything since the stack was `height` high, putting back what was changed.
    fn unwind(&mut self, height: usize) {
        while self.scratch.stack.len() > height {
            if let Some(frame) = self.scratch.stack.pop() {
                self.undo(frame);
            }
        }
    }

    fn undo(&mut self, frame: Frame) {
        match frame {
            Frame::Slot { slot, old } => self.set_slot(slot, old),
            Frame::Register {
                register,
                count,
                position,
            } => {
                if let Some(state) = self.scratch.registers.get_mut(register) {
                    state.count = count;
                    state.position = position;
                }
            }
            Frame::Resume { .. } | Frame::Shorten { .. } | Frame::Lengthen { .. } | Frame::Failed { .. } => {}
        }
    }

    /// Fails if this instruction is known to fail here; else it will be when all its ways have failed.
    #[inline]
    fn enter(&mut self, key: Key, position: usize) -> Option<()> {
        if self.remembers
            && let Some(bit) = self.check(key, position)?
        {
            self.scratch.stack.push(Frame::Failed { bit, count: 1 });
        }
        Some(())
    }

    /// Fails if this instruction is known to fail here; else tells its place in the memory.
    #[inline(never)]
    fn check(&mut self, key: Key, position: usize) -> Option<Option<usize>> {
        let bit = self.bit(key, position);
        let word = self.scratch.failed.get(bit / 64).copied().unwrap_or(0);
        if word >> (bit % 64) & 1 == 1 {
            None
        } else {
            Some(Some(bit))
        }
    }

    fn start_remembering(&mut self) {
        let Some(conditions) = &self.program.memory else {
            return;
        };
        let bits = (self.program.keys << conditions.len()).checked_mul(self.bytes.len() + 1);
        let Some(words) = bits.map(|bits| bits.div_ceil(64)) else {
            return;
        };
        if words.saturating_mul(8) <= limits::MEMORY_BYTES {
            self.scratch.failed.clear();
            self.scratch.failed.resize(words, 0);
            self.remembers = true;
        }
    }

    /// Where in the memory an instruction and a position are. Which of the groups that conditionals ask
    /// for took part is part of where a search stands.
    fn bit(&self, key: Key, position: usize) -> usize {
        let conditions = self.program.memory.as_deref().unwrap_or(&[]);
        let mut row = key;
        for group in conditions {
            row = row << 1 | usize::from(self.took_part(*group).is_some());
        }
        row * (self.bytes.len() + 1) + position
    }

    fn remember(&mut self, first: usize, count: usize) {
        for bit in first..first + count {
            if let Some(word) = self.scratch.failed.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
    }

    /// Notes how to put something back, if anything can still be tried after that.
    fn push_undo(&mut self, frame: Frame) {
        if !self.scratch.stack.is_empty() {
            self.scratch.stack.push(frame);
        }
    }

    fn count_scanned(&mut self, bytes: usize) {
        self.steps += u64::try_from(bytes / 8).unwrap_or(0);
    }

    fn set_slot(&mut self, slot: usize, position: usize) {
        if let Some(place) = self.scratch.slots.get_mut(slot) {
            *place = position;
        }
    }

    /// Where the text of a group is, if it took part.
    fn took_part(&self, group: u32) -> Option<(usize, usize)> {
        let slot = 2 * usize::try_from(group).ok()?;
        match (self.scratch.slots.get(slot), self.scratch.slots.get(slot + 1)) {
            // Within a later round the group may have begun again behind where it ended.
            (Some(&start), Some(&end)) if start <= end && end != NOWHERE => Some((start, end)),
            (Some(_), Some(_)) | (None, _) | (_, None) => None,
        }
    }

    /// The length of the text of `group` here, if it is here.
    fn again(&mut self, group: u32, fold: Fold, position: usize) -> Option<usize> {
        let (start, end) = self.took_part(group)?;
        self.count_scanned(end - start);
        let wanted = self.text.get(start..end)?;
        let rest = self.text.get(position..)?;
        if fold == Fold::None {
            return rest.starts_with(wanted).then_some(wanted.len());
        }
        let mut found = rest.chars();
        for c in wanted.chars() {
            let other = found.next()?;
            if unicode::lower(u32::from(c), fold) != unicode::lower(u32::from(other), fold) {
                return None;
            }
        }
        Some(rest.len() - found.as_str().len())
    }

    fn holds(&self, place: Assertion, position: usize) -> bool {
        let byte = |at: usize| self.bytes.get(at).copied();
        let end = self.bytes.len();
        match place {
            Assertion::TextStart => position == 0,
            Assertion::TextEnd => position == end,
            Assertion::LastLineEnd => position == end || position + 1 == end && byte(position) == Some(b'\n'),
            Assertion::LineStart => position == 0 || byte(position - 1) == Some(b'\n'),
            Assertion::LineEnd => position == end || byte(position) == Some(b'\n'),
            Assertion::WordBoundary { ascii } => self.is_boundary(position, ascii),
            // Python finds neither kind of place in an empty text.
            Assertion::NotWordBoundary { ascii } => end > 0 && !self.is_boundary(position, ascii),
        }
    }

    fn is_boundary(&self, position: usize, ascii: bool) -> bool {
        let before = self.before(position).and_then(|at| self.char_at(at));
        let after = self.char_at(position);
        let is_word = |c: Option<(char, usize)>| c.is_some_and(|(c, _)| unicode::is_word(c, ascii));
        is_word(before) != is_word(after)
    }

    /// The position `count` characters before `position`.
    fn back(&self, position: usize, count: usize) -> Option<usize> {
        let mut at = position;
        for _ in 0..count {
            at = self.before(at)?;
        }
        Some(at)
    }

    /// The position of the character before `position`.
    fn before(&self, position: usize) -> Option<usize> {
        let mut at = position.checked_sub(1)?;
        while self.bytes.get(at).is_some_and(|byte| byte & 0xC0 == 0x80) {
            at = at.checked_sub(1)?;
        }
        Some(at)
    }

    /// The length of the character at `position` if it is of the set.
    #[inline]
    fn of_set(&self, set: &CharSet, position: usize) -> Option<usize> {
        let byte = *self.bytes.get(position)?;
        if byte < 0x80 {
            return set.contains_ascii(byte).then_some(1);
        }
        self.of_set_wide(set, position)
    }

    #[inline(never)]
    fn of_set_wide(&self, set: &CharSet, position: usize) -> Option<usize> {
        let c = self.text.get(position..)?.chars().next()?;
        set.contains(c).then_some(c.len_utf8())
    }

    /// The character at `position` and its length in bytes.
    fn char_at(&self, position: usize) -> Option<(char, usize)> {
        let byte = *self.bytes.get(position)?;
        if byte < 0x80 {
            return Some((char::from(byte), 1));
        }
        let c = self.text.get(position..)?.chars().next()?;
        Some((c, c.len_utf8()))
    }
}

/// Whether `literal` stands at `position`.
#[inline]
fn stands_at(bytes: &[u8], position: usize, literal: &[u8]) -> bool {
    // Most often the first byte tells that it does not.
    bytes.get(position) == literal.first()
        && bytes
            .get(position..)
            .is_some_and(|rest| rest.starts_with(literal))
}

/// Makes all of a list, which is to be so long, the same.
#[inline]
fn reset<T: Copy>(list: &mut Vec<T>, length: usize, value: T) {
    if list.len() == length {
        list.fill(value);
    } else {
        list.clear();
        list.resize(length, value);
    }
}
