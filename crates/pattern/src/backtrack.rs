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
use crate::program::{ANY, Address, Head, Instruction, Key, Loop, Program, Run, Then};
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
    /// How many steps the last search took.
    steps: u64,
}

impl Scratch {
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

impl Machine<'_> {
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
        while !self.may_begin(self.program.first, position) {
            if self.program.anchored {
                return None;
            }
            position += self.char_at(position)?.1;
        }
        Some(position)
    }

    /// Whether what may come next is what comes next.
    #[inline]
    fn may_begin(&self, head: Head, position: usize) -> bool {
        if head == ANY {
            return true;
        }
        match (self.program.heads.get(head), self.bytes.get(position)) {
            (Some(bytes), Some(byte)) => bytes.contains(*byte),
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// Matches at one position.
    fn run(&mut self, start: usize) -> Result<bool, StepLimit> {
        self.scratch.stack.clear();
        self.scratch.registers.clear();
        self.scratch
            .registers
            .resize(self.program.registers, RegisterState::default());
        self.scratch.slots.clear();
        self.scratch.slots.resize(self.program.slots, NOWHERE);
        let program = self.program;
        let length = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX / 16);
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
            if matches!(instruction, Instruction::Match) {
                self.set_slot(0, start);
                self.set_slot(1, position);
                return Ok(true);
            }
            match self
                .step(instruction, address, position)
                .or_else(|| self.backtrack())
            {
                Some(next) => (address, position) = next,
                None => return Ok(false),
            }
        }
    }

    /// Carries out one instruction; `None` when it fails.
    #[inline]
    fn step(
        &mut self,
        instruction: &Instruction,
        address: Address,
        position: usize,
    ) -> Option<(Address, usize)> {
        let next = address + 1;
        match instruction {
            Instruction::Byte(byte) => (self.bytes.get(position) == Some(byte)).then(|| (next, position + 1)),
            Instruction::Literal(bytes) => self
                .bytes
                .get(position..)?
                .starts_with(bytes)
                .then(|| (next, position + bytes.len())),
            Instruction::Set(set) => self.of_set(set, position).map(|length| (next, position + length)),
            Instruction::Run(run) => self.start_run(run, next, position),
            Instruction::Split {
                first,
                second,
                key,
                first_head,
                second_head,
            } => {
                match (
                    self.may_begin(*first_head, position),
                    self.may_begin(*second_head, position),
                ) {
                    (true, true) => {
                        self.enter(*key, position)?;
                        self.scratch.stack.push(Frame::Resume {
                            address: *second,
                            position,
                        });
                        Some((*first, position))
                    }
                    (true, false) => Some((*first, position)),
                    (false, true) => Some((*second, position)),
                    (false, false) => None,
                }
            }
            Instruction::Jump(target) => Some((*target, position)),
            Instruction::Save(slot) => {
                let old = self.scratch.slots.get(*slot).copied().unwrap_or(NOWHERE);
                self.push_undo(Frame::Slot { slot: *slot, old });
                self.set_slot(*slot, position);
                Some((next, position))
            }
            Instruction::Assert(place) => self.holds(*place, position).then_some((next, position)),
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
                let found = self.bytes.get(position..)?.starts_with(bytes);
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
            Instruction::LoopStart(_)
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
            | Instruction::Match => self.rare_step(instruction, next, position),
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
            | Instruction::BackReference(..)
            | Instruction::Conditional { .. }
            | Instruction::AheadLiteral { .. }
            | Instruction::NextTo { .. }
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
        let at = match self.run_at(address)?.then {
            Then::Byte(byte) => min + memchr::memrchr(byte, self.bytes.get(min..position)?)?,
            Then::Of(head) => {
                // A byte that may come next begins a character.
                let bytes = self.program.heads.get(head)?;
                min + self
                    .bytes
                    .get(min..position)?
                    .iter()
                    .rposition(|byte| bytes.contains(*byte) && byte & 0xC0 != 0x80)?
            }
            Then::Anything => self.before(position).filter(|&at| at >= min)?,
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
        let program = self.program;
        let Some(Instruction::Run(run)) = program.instructions.get(address) else {
            return None;
        };
        let mut at = position;
        let mut left = left;
        while left > 0 {
            at += self.of_set(&run.set, at)?;
            left -= 1;
            if self.may_follow(run.then, at) {
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

    #[inline]
    fn may_follow(&self, then: Then, position: usize) -> bool {
        match then {
            Then::Byte(byte) => self.bytes.get(position) == Some(&byte),
            Then::Of(head) => self.may_begin(head, position),
            Then::Anything => true,
        }
    }

    fn run_at(&self, address: Address) -> Option<&Run> {
        match self.program.instructions.get(address) {
            Some(Instruction::Run(run)) => Some(run),
            Some(_) | None => None,
        }
    }

    fn start_run(&mut self, run: &Run, next: Address, position: usize) -> Option<(Address, usize)> {
        let address = next - 1;
        let remembered = match run.kind {
            RepeatKind::Possessive => None,
            RepeatKind::Greedy | RepeatKind::Lazy if self.remembers => self.check(run.key, position)?,
            RepeatKind::Greedy | RepeatKind::Lazy => None,
        };
        let least = self.take(&run.set, position, run.min, run.min)?;
        let left = run.max.map_or(u32::MAX, |max| max - run.min);
        if run.kind == RepeatKind::Lazy {
            if let Some(bit) = remembered {
                self.scratch.stack.push(Frame::Failed { bit, count: 1 });
            }
            if self.may_follow(run.then, least) {
                self.scratch.stack.push(Frame::Lengthen {
                    address,
                    position: least,
                    left,
                });
                return Some((next, least));
            }
            return self.lengthen(address, least, left);
        }
        let most = self.take(&run.set, least, 0, left)?;
        self.count_scanned(most - position);
        if let Some(bit) = remembered {
            // Without an upper limit every later beginning has the same ends to try, or fewer.
            let count = if run.max.is_none() { most - position + 1 } else { 1 };
            self.scratch.stack.push(Frame::Failed { bit, count });
        }
        if run.kind == RepeatKind::Possessive || most == least {
            return Some((next, most));
        }
        if self.may_follow(run.then, most) {
            self.scratch.stack.push(Frame::Shorten {
                address,
                min: least,
                position: most,
            });
            return Some((next, most));
        }
        self.shorten(address, least, most)
    }

    /// The position after `min` to `max` characters of the set.
    fn take(&self, set: &CharSet, position: usize, min: u32, max: u32) -> Option<usize> {
        if max == u32::MAX && min == 0 {
            return self.take_all(set, position);
        }
        let mut at = position;
        let mut count = 0;
        while count < max {
            match self.of_set(set, at) {
                Some(length) => at += length,
                None => break,
            }
            count += 1;
        }
        (count >= min).then_some(at)
    }

    /// The position after all characters of the set that follow each other here.
    fn take_all(&self, set: &CharSet, position: usize) -> Option<usize> {
        let rest = self.bytes.get(position..)?;
        if set.is_all() {
            return Some(self.bytes.len());
        }
        if let Some(byte) = set.all_but() {
            return Some(memchr::memchr(byte, rest).map_or(self.bytes.len(), |length| position + length));
        }
        let mut at = position;
        loop {
            let ascii = self
                .bytes
                .get(at..)?
                .iter()
                .take_while(|byte| **byte < 0x80 && set.contains_ascii(**byte));
            at += ascii.count();
            match self.bytes.get(at) {
                Some(byte) if *byte >= 0x80 => match self.of_set(set, at) {
                    Some(length) => at += length,
                    None => return Some(at),
                },
                Some(_) | None => return Some(at),
            }
        }
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
    #[inline]
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
