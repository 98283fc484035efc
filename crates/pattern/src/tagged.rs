//! An automaton that knows of groups, made as texts ask for it.
//!
//! In: a [`Program`] whose matches begin where the text does, and a text, of which it reads ASCII. Out: the positions of all groups that a
//! backtracking search finds, in one look at each byte.
//!
//! A state is where all the ways stand that a backtracking search could have come by, what it tries first first, and
//! in which registers each has the positions of its groups. The step from a state with a byte is worked out when it is
//! first made, and looked up from then on. Whether a group took part is part of where a way stands, so conditionals
//! are no obstacle.
//!
//! Invariant: of two ways that stand at the same place the later one is dropped, for it would end as the first does.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::ast::{Assertion, RepeatKind};
use crate::backtrack::NOWHERE;
use crate::charset::CharSet;
use crate::limits;
use crate::program::{Address, Instruction, Program};

/// How many bytes there are in ASCII.
const BYTES: usize = 128;

/// What comes next in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Byte(u8),
    /// The LF that the text ends with.
    LastLineFeed,
    End,
}

/// A way that a search could have come by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Way {
    address: Address,
    /// How many bytes of a literal, or characters of a run, it has taken already.
    taken: u32,
    /// For each slot, where its position is.
    slots: Box<[Place]>,
    /// The look-aheads that are not decided yet, by their addresses, and how many bytes of their literals were there.
    ahead: Vec<(Address, u32)>,
}

/// Where a position is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Nowhere,
    /// It is where the search stands.
    Here,
    Register(u8),
}

impl Place {
    /// The register that has the position when a match is written down.
    const fn register(self) -> u8 {
        match self {
            Self::Nowhere => OF_NOWHERE,
            Self::Here => OF_HERE,
            Self::Register(number) => number,
        }
    }
}

/// All ways that a search could have come by, what it tries first first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    ways: Vec<Way>,
    is_start: bool,
}

/// A step that does more than to go on.
#[derive(Clone, Debug)]
struct Turn {
    /// The row of the next state; none where no way goes on.
    next: Option<u16>,
    /// The register that takes the position; [`OF_NOBODY`] where none does.
    set: u8,
    /// The registers that have the slots of a match that ends here, and the address of its end.
    matched: Option<(Box<[u8]>, Address)>,
    /// What is to be seen from the next state on.
    ahead: Ahead,
}

/// What is to be seen from a state on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ahead {
    /// Byte after byte.
    Bytes,
    /// Nothing before the next LF.
    LineFeed,
    /// These bytes, behind which the state of this row stands. No way goes on with others.
    Literal(Box<[u8]>, u16),
}

/// A step as the table has it: the row of the next state, and above it the number of the register that takes the
/// position; or [`TURNS`] and the number of a turn; or [`UNKNOWN`].
type Entry = u32;
/// One register in an entry.
const REGISTERS: Entry = 1 << 16;
const TURNS: Entry = 1 << 24;
const UNKNOWN: Entry = Entry::MAX;

/// How many registers there are: as many as a byte can tell apart.
const REGISTER_COUNT: usize = 256;
/// The register that takes the position where none is to take it, so that every step is alike.
const OF_NOBODY: u8 = 0;
/// The register that always has [`NOWHERE`].
const OF_NOWHERE: u8 = 1;
/// The register that has the end of a match while that is written down.
const OF_HERE: u8 = 2;
/// The first register that a step can set.
const FIRST_FREE: u8 = 3;

/// The shortest literal that is compared at once; looking up so few bytes one by one takes no longer.
const LITERAL_AT_ONCE: usize = 4;

/// The automaton of one program, as far as it was needed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tagged {
    /// The class of each byte; bytes of one class are alike to the program.
    classes: Box<Classes>,
    /// A byte of each class.
    bytes: Vec<u8>,
    /// How long a row of the table is: the classes, two for the end of a text, and one for what is not ASCII.
    stride: usize,
    table: Vec<Entry>,
    turns: Vec<Turn>,
    states: Vec<Arc<State>>,
    rows: HashMap<Arc<State>, u16>,
    /// The ways of all states.
    ways: usize,
    registers: Registers,
    /// How far every text that comes here is the same, and where that leads.
    start: Start,
    /// The address at which the last match ended.
    end: Address,
    /// How many searches are left to others after it has become too large, before it is made anew.
    rest: u32,
}

/// A beginning that all texts have, and where it leads.
#[derive(Clone, Debug, Default)]
struct Start {
    length: usize,
    row: usize,
    /// Registers with the positions that they have taken.
    registers: Vec<(u8, usize)>,
    /// Whether there is more to it than could be told so far.
    is_open: bool,
}

/// The class of each byte. Those that are not ASCII have one that no step is made with.
#[derive(Clone, Debug)]
struct Classes([u8; 256]);

impl Default for Classes {
    fn default() -> Self {
        Self([0; 256])
    }
}

impl Classes {
    #[inline]
    fn of(&self, byte: u8) -> usize {
        self.0.get(usize::from(byte)).copied().map_or(0, usize::from)
    }
}

/// The positions that a search has kept.
#[derive(Clone, Debug)]
struct Registers([usize; REGISTER_COUNT]);

impl Default for Registers {
    fn default() -> Self {
        Self([NOWHERE; REGISTER_COUNT])
    }
}

impl Registers {
    #[inline]
    fn get(&self, register: u8) -> usize {
        self.0.get(usize::from(register)).copied().unwrap_or(NOWHERE)
    }

    #[inline]
    fn set(&mut self, register: u8, position: usize) {
        if let Some(place) = self.0.get_mut(usize::from(register)) {
            *place = position;
        }
    }
}

#[inline]
fn row_in(entry: Entry) -> usize {
    usize::try_from(entry % REGISTERS).unwrap_or_default()
}

#[inline]
fn register_in(entry: Entry) -> u8 {
    let [_, _, register, _] = entry.to_le_bytes();
    register
}

/// Whether every instruction of a program is one that an automaton can carry out.
pub(crate) fn is_possible(program: &Program) -> bool {
    program.anchored
        && program.memory.is_some()
        && program.slots <= limits::TAGGED_SLOTS
        && program.instructions.iter().all(|instruction| match instruction {
            Instruction::Byte(_)
            | Instruction::Literal(_)
            | Instruction::Set(_)
            | Instruction::Split { .. }
            | Instruction::Jump(_)
            | Instruction::Save(_)
            | Instruction::Assert(Assertion::TextStart | Assertion::TextEnd | Assertion::LastLineEnd)
            | Instruction::Conditional { .. }
            | Instruction::AheadLiteral { .. }
            | Instruction::NextTo { behind: false, .. }
            | Instruction::Match => true,
            Instruction::Run(run) => {
                let most = run.max.unwrap_or(run.min);
                run.kind != RepeatKind::Possessive && most <= limits::TAGGED_ROUNDS
            }
            Instruction::Assert(
                Assertion::LineStart
                | Assertion::LineEnd
                | Assertion::WordBoundary { .. }
                | Assertion::NotWordBoundary { .. },
            )
            | Instruction::BackReference(..)
            | Instruction::LoopStart(_)
            | Instruction::Loop(_)
            | Instruction::LoopAgain(_)
            | Instruction::PossessiveLoop(_)
            | Instruction::PossessiveEnd { .. }
            | Instruction::AtomicStart(_)
            | Instruction::AtomicEnd(_)
            | Instruction::NextTo { behind: true, .. }
            | Instruction::LookStart { .. }
            | Instruction::LookEnd(_)
            | Instruction::NotLookStart { .. }
            | Instruction::NotLookEnd(_) => false,
        })
}

impl Tagged {
    /// Searches a text that the program does not exclude; whether there is a match, whose positions are in `slots`
    /// then. `None` where that would take too many states, or more than ASCII.
    pub(crate) fn search(&mut self, program: &Program, text: &[u8], slots: &mut Vec<usize>) -> Option<bool> {
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        if self.states.is_empty() {
            self.begin(program);
        }
        if self.start.is_open {
            self.extend_start(program);
        }
        match self.run(program, text, slots) {
            Ok(found) => Some(found),
            Err(GivenUp::NotAscii) => None,
            Err(GivenUp::TooLarge) => {
                // Lines of the usual kind will need few states again. Whoever writes others cannot have it made anew
                // with each.
                *self = Self {
                    rest: limits::TAGGED_REST,
                    ..Self::default()
                };
                None
            }
        }
    }

    /// The address of the program at which the last match ended: where there are several ends, it tells which.
    pub(crate) const fn end(&self) -> Address {
        self.end
    }

    fn run(&mut self, program: &Program, text: &[u8], slots: &mut Vec<usize>) -> Result<bool, GivenUp> {
        let line = match text.split_last() {
            Some((b'\n', line)) => line,
            Some(_) | None => text,
        };
        for (register, position) in &self.start.registers {
            self.registers.set(*register, *position);
        }
        let mut walk = Walk {
            row: self.start.row,
            matched: None,
            is_written: false,
        };
        let mut position = self.start.length;
        while let Some(byte) = line.get(position) {
            let class = self.classes.of(*byte);
            let entry = self.table.get(walk.row + class).copied().unwrap_or(UNKNOWN);
            if entry < TURNS {
                // A match that is not written down yet has its positions in registers.
                self.write(&mut walk, slots);
                (walk.row, position) = self.plain_steps(walk.row, line, position);
                continue;
            }
            if !byte.is_ascii() {
                return Err(GivenUp::NotAscii);
            }
            let next = self.turn(program, &mut walk, class, position, slots);
            position += 1;
            match next.ok_or(GivenUp::TooLarge)? {
                Next::Nowhere => return Ok(self.write(&mut walk, slots)),
                Next::Byte => {}
                Next::Literal(turn) => {
                    let rest = line.get(position..).unwrap_or_default();
                    match self.turns.get(turn).map(|turn| &turn.ahead) {
                        Some(Ahead::Literal(literal, row)) if begins_with(rest, literal) => {
                            walk.row = usize::from(*row);
                            position += literal.len();
                        }
                        Some(_) | None => return Ok(self.write(&mut walk, slots)),
                    }
                }
                Next::LineFeed => {
                    let rest = line.get(position..).unwrap_or_default();
                    let skipped = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                    if !rest.get(..skipped).is_some_and(<[u8]>::is_ascii) {
                        return Err(GivenUp::NotAscii);
                    }
                    position += skipped;
                }
            }
        }
        let last_line_feed = self.bytes.len();
        if line.len() < text.len() {
            let next = self.turn(program, &mut walk, last_line_feed, line.len(), slots);
            if next.ok_or(GivenUp::TooLarge)? == Next::Nowhere {
                return Ok(self.write(&mut walk, slots));
            }
        }
        let next = self.turn(program, &mut walk, last_line_feed + 1, text.len(), slots);
        next.ok_or(GivenUp::TooLarge)?;
        Ok(self.write(&mut walk, slots))
    }

    /// Goes on from a row and a position as long as steps do nothing but to take positions; the row and the position
    /// then.
    #[inline]
    fn plain_steps(&mut self, mut row: usize, line: &[u8], start: usize) -> (usize, usize) {
        let (classes, table, registers) = (&self.classes, self.table.as_slice(), &mut self.registers);
        let rest = line.get(start..).unwrap_or_default();
        for (position, byte) in (start..).zip(rest) {
            match table.get(row + classes.of(*byte)) {
                Some(entry) if *entry < TURNS => {
                    registers.set(register_in(*entry), position);
                    row = row_in(*entry);
                }
                Some(_) | None => return (row, position),
            }
        }
        (row, line.len())
    }

    /// Follows the beginning that all texts have as far as its steps are worked out.
    fn extend_start(&mut self, program: &Program) {
        let Start {
            length,
            row,
            registers,
            is_open,
        } = &mut self.start;
        // What stands before a LF is never the end of the text.
        let begin = program.prefix.split(|byte| *byte == b'\n').next();
        while let Some(byte) = begin.and_then(|begin| begin.get(*length)) {
            let entry = self.table.get(*row + self.classes.of(*byte));
            let entry = entry.copied().unwrap_or(UNKNOWN);
            if entry >= TURNS {
                *is_open = entry == UNKNOWN && byte.is_ascii();
                return;
            }
            if register_in(entry) != OF_NOBODY {
                registers.push((register_in(entry), *length));
            }
            *row = row_in(entry);
            *length += 1;
        }
        *is_open = false;
    }

    /// Makes the step with a symbol.
    #[inline(always)]
    fn turn(
        &mut self,
        program: &Program,
        walk: &mut Walk,
        symbol: usize,
        position: usize,
        slots: &mut Vec<usize>,
    ) -> Option<Next> {
        let mut entry = *self.table.get(walk.row + symbol)?;
        if entry == UNKNOWN {
            entry = self.work_out(program, walk.row, symbol)?;
        }
        let Some(number) = entry.checked_sub(TURNS) else {
            // A match that is not written down yet has its positions in registers.
            self.write(walk, slots);
            self.registers.set(register_in(entry), position);
            walk.row = row_in(entry);
            return Some(Next::Byte);
        };
        let number = usize::try_from(number).ok()?;
        let turn = self.turns.get(number)?;
        let set = turn.set;
        if turn.matched.is_some() {
            walk.matched = Some((number, position));
        }
        if set != OF_NOBODY {
            // As above.
            self.write(walk, slots);
            self.registers.set(set, position);
        }
        let turn = self.turns.get(number)?;
        let Some(row) = turn.next else {
            return Some(Next::Nowhere);
        };
        walk.row = usize::from(row);
        Some(match turn.ahead {
            Ahead::Bytes => Next::Byte,
            Ahead::LineFeed => Next::LineFeed,
            Ahead::Literal(..) => Next::Literal(number),
        })
    }

    /// Writes the last match down; whether there was one at all.
    #[inline]
    fn write(&mut self, walk: &mut Walk, slots: &mut Vec<usize>) -> bool {
        let Some((number, position)) = walk.matched.take() else {
            return walk.is_written;
        };
        self.registers.set(OF_HERE, position);
        let registers = &self.registers;
        if let Some((matched, end)) = self.turns.get(number).and_then(|turn| turn.matched.as_ref()) {
            slots.clear();
            slots.extend(matched.iter().map(|register| registers.get(*register)));
            self.end = *end;
        }
        if let Some(start) = slots.first_mut() {
            *start = 0;
        }
        walk.is_written = true;
        true
    }

    /// Tells the bytes apart that the program tells apart, and makes the first state.
    fn begin(&mut self, program: &Program) {
        let mut signs: Vec<Vec<bool>> = vec![Vec::new(); BYTES];
        let mut tell_apart = |is_of: &dyn Fn(u8) -> bool| {
            for (byte, sign) in (0_u8..).zip(&mut signs) {
                sign.push(is_of(byte));
            }
        };
        tell_apart(&|byte| byte == b'\n');
        for instruction in &program.instructions {
            if let Instruction::Byte(known) = instruction {
                tell_apart(&|byte| byte == *known);
            } else if let Instruction::Literal(literal) | Instruction::AheadLiteral { bytes: literal, .. } =
                instruction
            {
                for known in literal {
                    tell_apart(&|byte| byte == *known);
                }
            } else if let Some(set) = set_of(instruction) {
                tell_apart(&|byte| set.contains_ascii(byte));
            }
        }
        let mut known: Vec<&Vec<bool>> = Vec::new();
        for (byte, sign) in (0_u8..).zip(&signs) {
            let class = known.iter().position(|known| *known == sign).unwrap_or_else(|| {
                known.push(sign);
                self.bytes.push(byte);
                known.len() - 1
            });
            if let Some(place) = self.classes.0.get_mut(usize::from(byte)) {
                *place = u8::try_from(class).expect("there are 128 bytes");
            }
        }
        let foreign = u8::try_from(self.bytes.len() + 2).expect("there are 128 bytes");
        for place in self.classes.0.iter_mut().skip(BYTES) {
            *place = foreign;
        }
        self.stride = self.bytes.len() + 3;
        self.start.is_open = true;
        let way = Way {
            address: 0,
            taken: 0,
            slots: vec![Place::Nowhere; program.slots].into(),
            ahead: Vec::new(),
        };
        let start = State {
            ways: vec![way],
            is_start: true,
        };
        let row = self.row_of(start);
        debug_assert_eq!(row, Some(0), "the first state has the first row");
    }

    /// The row of a state, which may be new.
    fn row_of(&mut self, state: State) -> Option<u16> {
        if let Some(row) = self.rows.get(&state) {
            return Some(*row);
        }
        let row = u16::try_from(self.table.len()).ok()?;
        self.ways += state.ways.len();
        if self.ways > limits::TAGGED_WAYS {
            return None;
        }
        self.table.resize(self.table.len() + self.stride, UNKNOWN);
        let state = Arc::new(state);
        self.states.push(Arc::clone(&state));
        self.rows.insert(state, row);
        Some(row)
    }

    /// Works out the step from the state of a row with a symbol, and puts it into the table.
    #[cold]
    fn work_out(&mut self, program: &Program, row: usize, symbol: usize) -> Option<Entry> {
        let state = Arc::clone(self.states.get(row.checked_div(self.stride)?)?);
        let turn = self.step(program, &state, symbol)?;
        let entry = match turn {
            Turn {
                next: Some(next),
                set,
                matched: None,
                ahead: Ahead::Bytes,
            } => Entry::from(set) * REGISTERS + Entry::from(next),
            turn => {
                let number = u16::try_from(self.turns.len()).ok()?;
                self.turns.push(turn);
                TURNS + Entry::from(number)
            }
        };
        *self.table.get_mut(row + symbol)? = entry;
        Some(entry)
    }

    fn step(&mut self, program: &Program, state: &State, symbol: usize) -> Option<Turn> {
        let mut step = Step::new(program, self.symbol(symbol), state.is_start);
        step.take(&state.ways)?;
        let Step {
            mut ways, matched, ..
        } = step;
        let used: BTreeSet<u8> = ways
            .iter()
            .flat_map(|way| way.slots.iter())
            .filter_map(|place| match place {
                Place::Register(number) => Some(*number),
                Place::Nowhere | Place::Here => None,
            })
            .collect();
        let here = ways.iter_mut().flat_map(|way| way.slots.iter_mut());
        let here: Vec<&mut Place> = here.filter(|place| **place == Place::Here).collect();
        let mut set = OF_NOBODY;
        if !here.is_empty() {
            // They are all of one position.
            set = (FIRST_FREE..=u8::MAX).find(|number| !used.contains(number))?;
            for place in here {
                *place = Place::Register(set);
            }
        }
        let matched = matched.map(|(places, end)| {
            let registers = places.iter().map(|place| place.register());
            (registers.collect(), end)
        });
        if ways.is_empty() {
            return Some(Turn {
                next: None,
                set,
                matched,
                ahead: Ahead::Bytes,
            });
        }
        let next = State {
            ways,
            is_start: false,
        };
        let ahead = match literal_ahead(program, &next) {
            Some((literal, behind)) => Ahead::Literal(literal, self.row_of(behind)?),
            None if self.skips(program, &next) => Ahead::LineFeed,
            None => Ahead::Bytes,
        };
        Some(Turn {
            next: Some(self.row_of(next)?),
            set,
            matched,
            ahead,
        })
    }

    /// Whether a state stays the same until the next LF, whatever comes before.
    fn skips(&self, program: &Program, state: &State) -> bool {
        let [way] = state.ways.as_slice() else {
            return false;
        };
        let is_run = matches!(program.instructions.get(way.address), Some(Instruction::Run(_)));
        is_run
            && (0..self.bytes.len()).all(|class| {
                let symbol = self.symbol(class);
                if symbol == Symbol::Byte(b'\n') {
                    return true;
                }
                let mut step = Step::new(program, symbol, false);
                let is_taken = step.take(&state.ways).is_some();
                is_taken && step.matched.is_none() && step.ways == state.ways
            })
    }

    fn symbol(&self, symbol: usize) -> Symbol {
        match self.bytes.get(symbol) {
            Some(byte) => Symbol::Byte(*byte),
            None if symbol == self.bytes.len() => Symbol::LastLineFeed,
            None => Symbol::End,
        }
    }
}

/// Why a search is left to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GivenUp {
    /// It would take too many states.
    TooLarge,
    /// There is more than ASCII in the text.
    NotAscii,
}

/// How far a search has come.
#[derive(Debug)]
struct Walk {
    row: usize,
    /// The turn and the position of a match that is not written down.
    matched: Option<(usize, usize)>,
    /// A match is written down.
    is_written: bool,
}

/// Where a search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// No way goes on.
    Nowhere,
    Byte,
    /// Behind the literal of the turn of this number, if that comes next.
    Literal(usize),
    /// At the next LF, or at the end.
    LineFeed,
}

/// As `starts_with`, for what has at least [`LITERAL_AT_ONCE`] bytes and few more: two comparisons of a fixed length.
#[inline]
fn begins_with(text: &[u8], literal: &[u8]) -> bool {
    let Some(text) = text.get(..literal.len()) else {
        return false;
    };
    match literal.len() {
        LITERAL_AT_ONCE..8 => ends_agree::<LITERAL_AT_ONCE>(text, literal),
        8..=16 => ends_agree::<8>(text, literal),
        _ => text == literal,
    }
}

/// Whether two texts begin and end with the same so many bytes.
#[inline]
fn ends_agree<const BYTES: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<BYTES>() == other.first_chunk() && one.last_chunk::<BYTES>() == other.last_chunk()
}

/// What comes next in every text that goes on from a state, and the state behind it.
fn literal_ahead(program: &Program, state: &State) -> Option<(Box<[u8]>, State)> {
    let [way] = state.ways.as_slice() else {
        return None;
    };
    let Some(Instruction::Literal(literal)) = program.instructions.get(way.address) else {
        return None;
    };
    let rest = literal.get(usize::try_from(way.taken).ok()?..)?;
    // A LF may be the last one of the text, which is told apart from others.
    if rest.len() < LITERAL_AT_ONCE || rest.contains(&b'\n') || !way.ahead.is_empty() {
        return None;
    }
    let behind = State {
        ways: vec![way.clone().at(way.address + 1)],
        is_start: false,
    };
    Some((rest.into(), behind))
}

fn set_of(instruction: &Instruction) -> Option<&CharSet> {
    if let Instruction::Run(run) = instruction {
        Some(&run.set)
    } else if let Instruction::Set(set) | Instruction::NextTo { set, .. } = instruction {
        Some(set)
    } else {
        None
    }
}

/// One step of all ways at once.
struct Step<'a> {
    program: &'a Program,
    symbol: Symbol,
    is_start: bool,
    /// The places before the symbol that were looked at.
    seen: BTreeSet<Standing>,
    /// The places behind it that were come to.
    reached: BTreeSet<Standing>,
    /// The ways behind it.
    ways: Vec<Way>,
    matched: Option<(Box<[Place]>, Address)>,
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
    fn new(program: &'a Program, symbol: Symbol, is_start: bool) -> Self {
        Self {
            program,
            symbol,
            is_start,
            seen: BTreeSet::new(),
            reached: BTreeSet::new(),
            ways: Vec::new(),
            matched: None,
        }
    }

    /// Takes the ways in their order; `None` where that is too much.
    fn take(&mut self, ways: &[Way]) -> Option<()> {
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
                if let Some(end) = slots.get_mut(1) {
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
                    Assertion::TextStart => self.is_start,
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

    fn reach(&mut self, way: Way) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Tagged;
    use crate::backtrack::{self, Scratch};
    use crate::parse::parse;
    use crate::{Captures, Options, Pattern, Several, limits, program};

    /// Expressions in which ways meet, part, and come back.
    fn expression() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            3 => prop::sample::select(vec![
                "a", "b", "ab", "abc", ":", " ", "\\n", ".", "\\S", "\\d", "[ab]", "[^b]", "[^:]", "\\w", "$", "\\Z", "(?=a)", "(?!b)", "(?!ab)", "(?=ba)", "(?:(?!ab).)*", "(?:(?!aba).)*?",
                "abab", "b:abab", "aabb1", "a\\nabab",
            ]).prop_map(str::to_owned),
            2 => (
                prop::sample::select(vec!["a", "\\S", "\\d", "[^:]", ".", "\\w", "[ab]"]),
                prop::sample::select(vec!["*", "+", "?", "*?", "+?", "??", "{1,3}", "{2}", "{0,2}?", "{2,}"]),
            ).prop_map(|(set, rounds)| format!("{set}{rounds}")),
        ];
        let nested = piece.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                prop::collection::vec(inner.clone(), 1..4)
                    .prop_map(|parts| format!("(?:{})", parts.join("|"))),
                inner.clone().prop_map(|part| format!("({part})")),
                (
                    inner.clone(),
                    prop::sample::select(vec!["*", "+", "?", "*?", "??", "{1,2}"])
                )
                    .prop_map(|(part, rounds)| format!("(?:{part}){rounds}")),
                (inner.clone(), prop::sample::select(vec!["*", "?", "+?"]))
                    .prop_map(|(part, rounds)| format!("({part}){rounds}")),
            ]
        });
        (
            prop::sample::select(vec!["(a)?", "ab(a)?", "(a)b", "a:(b)?", "a\n(a)?"]),
            nested.clone(),
            prop::option::of((nested.clone(), nested.clone())),
            prop::option::of(nested),
        )
            .prop_map(|(begin, first, conditional, last)| {
                let conditional = conditional.map(|(yes, no)| format!("(?(1){yes}|{no})"));
                format!(
                    "^{begin}{first}{}{}",
                    conditional.unwrap_or_default(),
                    last.unwrap_or_default()
                )
            })
    }

    #[test]
    fn what_becomes_too_large_is_made_anew_after_a_while() {
        // Which of the last twelve were an `a` is to be known.
        let ast = parse("^[ab]*a[ab]{12}c$", false, false).expect("an expression");
        let program = program::compile(&ast).expect("it is small");
        let (mut tagged, mut slots) = (Tagged::default(), Vec::new());
        let mut bits = 1_u32;
        let long: String = (0..2_000)
            .map(|_| {
                bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if bits >> 31 == 0 { 'a' } else { 'b' }
            })
            .collect();
        assert_eq!(tagged.search(&program, long.as_bytes(), &mut slots), None);
        for _ in 0..limits::TAGGED_REST {
            assert_eq!(tagged.search(&program, b"c", &mut slots), None);
        }
        assert_eq!(tagged.search(&program, b"abbbbbbbbbbbbc", &mut slots), Some(true));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]
        #[test]
        fn several_find_what_one_after_the_other_finds(
            sources in prop::collection::vec(expression(), 2..6),
            texts in prop::collection::vec("(ab|a:|a\n|)(abab|b:abab|aabb1|)[ab1: ]{0,9}(abab|)\n{0,2}[ab:]{0,3}é?[ab]?\n?", 1..12),
        ) {
            let patterns: Result<Vec<Pattern>, _> =
                sources.iter().map(|source| Pattern::compile(source, Options::default())).collect();
            let Ok(patterns) = patterns else { return Ok(()) };
            let Some(mut several) = Several::new(&patterns) else { return Ok(()) };
            let (mut captures, mut expected) = (Captures::default(), Captures::default());
            for text in texts {
                let Some(found) = several.captures_into(&text, &mut captures) else { continue };
                let first = patterns
                    .iter()
                    .position(|pattern| pattern.captures_into(&text, &mut expected) == Ok(true));
                prop_assert_eq!(found, first, "{:?} in {:?}", sources, text);
                if found.is_some() {
                    prop_assert_eq!(&captures, &expected, "{:?} in {:?}", sources, text);
                }
            }
        }

        #[test]
        fn it_finds_what_a_backtracking_search_finds(
            source in expression(),
            texts in prop::collection::vec("(ab|a:|a\n|)(abab|b:abab|aabb1|)[ab1: ]{0,9}(abab|)\n{0,2}[ab:]{0,3}é?[ab]?\n?", 1..12),
        ) {
            let Ok(ast) = parse(&source, false, false) else { return Ok(()) };
            let Ok(program) = program::compile(&ast) else { return Ok(()) };
            if !program.tagged {
                return Ok(());
            }
            let (mut tagged, mut scratch, mut slots) = (Tagged::default(), Scratch::default(), Vec::new());
            for text in texts {
                let Ok(expected) = backtrack::search(&program, &mut scratch, &text, 0, 1_000_000) else { continue };
                if program.excludes(text.as_bytes()) {
                    prop_assert!(!expected, "{} in {:?}", source, text);
                    continue;
                }
                let Some(found) = tagged.search(&program, text.as_bytes(), &mut slots) else { continue };
                prop_assert_eq!(found, expected, "{} in {:?}", source, text);
                if found {
                    prop_assert_eq!(slots.as_slice(), scratch.slots(), "{} in {:?}", source, text);
                }
            }
        }
    }
}
