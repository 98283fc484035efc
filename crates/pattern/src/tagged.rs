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
//! Invariant: what it finds, a backtracking search finds as well, with the same groups; where it cannot tell, it says so.

mod literal;
mod ways;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use self::literal::Literal;
use self::ways::{Place, State, Step, Symbol, Way, literal_ahead};
use crate::ast::{Assertion, RepeatKind};
use crate::backtrack::NOWHERE;
use crate::charset::CharSet;
use crate::limits;
use crate::program::{Instruction, Program};

/// How many bytes there are in ASCII.
const BYTES: usize = 128;

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

/// A step that does more than to go on.
#[derive(Clone, Debug)]
struct Turn {
    /// The row of the next state; none where no way goes on.
    next: Option<u16>,
    /// The register that takes the position; [`OF_NOBODY`] where none does.
    set: u8,
    /// Matches that were found before do not count any more.
    cuts: bool,
    /// The registers that have the slots of a match that ends here, and the number of its end.
    matched: Option<(Box<[u8]>, usize)>,
    /// The next state stays the same until the next LF.
    skips: bool,
}

/// A step behind which only one text goes on.
#[derive(Clone, Debug)]
struct Lead {
    /// The row of the next state.
    next: u16,
    /// The register that takes the position; [`OF_NOBODY`] where none does.
    set: u8,
    /// What comes then; no way goes on with anything else.
    literal: Literal,
    /// The row of the state behind that.
    behind: u16,
}

/// A step as the table has it: the row of the next state, and above it the number of the register that takes the
/// position; or [`LEADS`] and the number of a lead; or [`TURNS`] and that of a turn; or [`DEAD`]; or [`UNKNOWN`].
type Entry = u32;
/// One register in an entry.
const REGISTERS: Entry = 1 << 16;
const LEADS: Entry = 1 << 24;
const TURNS: Entry = 1 << 25;
const UNKNOWN: Entry = Entry::MAX;
/// No way goes on, and that is all.
const DEAD: Entry = UNKNOWN - 1;

/// How many registers there are: as many as a byte can tell apart.
const REGISTER_COUNT: usize = 256;
/// The register that takes the position where none is to take it, so that every step is alike.
const OF_NOBODY: u8 = 0;
/// The register that always has [`NOWHERE`].
const OF_NOWHERE: u8 = 1;
/// The register that has the end of a match while that is written down.
const OF_HERE: u8 = 2;
/// The register that always has 0, where every match begins.
const OF_BEGIN: u8 = 3;
/// The first register that a step can set.
const FIRST_FREE: u8 = 4;

/// How long a beginning may be that texts have.
const MOST_OF_START: usize = 64;

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
    leads: Vec<Lead>,
    turns: Vec<Turn>,
    states: Vec<Arc<State>>,
    rows: HashMap<Arc<State>, u16>,
    /// The ways of all states.
    ways: usize,
    registers: Registers,
    /// The beginning that the text has, which is mostly that of the text before.
    start: Start,
    /// The turn whose registers have the groups of the last match, if they are not in `slots`.
    found: Option<usize>,
    /// The groups of a match that was written down before registers were set anew.
    slots: Vec<usize>,
    /// The number of the end at which the last match ended.
    end: usize,
    /// How many searches are left to others after it has become too large, before it is made anew.
    rest: u32,
}

/// A beginning that texts have, and where it leads.
#[derive(Clone, Debug, Default)]
struct Start {
    text: Literal,
    /// How far it is followed.
    length: usize,
    row: usize,
    /// Registers with the positions that they have taken.
    registers: Vec<(u8, usize)>,
    /// Whether there is more to it than could be told so far.
    is_open: bool,
    /// Whether it is followed to its end.
    is_followed: bool,
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
        let mut registers = Self([NOWHERE; REGISTER_COUNT]);
        registers.set(OF_BEGIN, 0);
        registers
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

/// The lead of an entry, if it has one.
#[inline]
fn lead_in(leads: &[Lead], entry: Entry) -> Option<&Lead> {
    let number = entry.checked_sub(LEADS).filter(|_| entry < TURNS)?;
    leads.get(usize::try_from(number).ok()?)
}

/// The register that takes the position in a step, and the row of the next state, where that is all there is to it.
#[inline]
fn one_step(leads: &[Lead], entry: Entry) -> Option<(u8, usize)> {
    match lead_in(leads, entry) {
        Some(lead) => Some((lead.set, usize::from(lead.next))),
        None => (entry < LEADS).then(|| (register_in(entry), row_in(entry))),
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
            | Instruction::NotLookEnd(_)
            | Instruction::Cut(_) => false,
        })
}

impl Tagged {
    /// Searches a text; whether there is a match, whose groups can be asked for then. `None` where that would take too many
    /// states, or more than ASCII.
    ///
    /// Most lines of a log are of other services, which few steps tell. The steps are quick where they are alone in their
    /// function.
    #[inline(never)]
    pub(crate) fn search(&mut self, program: &Program, text: &[u8]) -> Option<bool> {
        if !(self.start.is_followed && self.start.text.begins(text)) {
            return self.search_anew(program, text);
        }
        let (row, position, entry) = self.start(without_line_feed(text));
        if entry == DEAD {
            return Some(false);
        }
        self.search_from(program, text, row, position)
    }

    /// Searches a text that may begin as none before.
    fn search_anew(&mut self, program: &Program, text: &[u8]) -> Option<bool> {
        if program.excludes(text) {
            return Some(false);
        }
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        if self.states.is_empty() {
            self.begin(program);
        }
        // A part of a line is searched behind what all lines of a machine begin with.
        let begin = &self.start.text;
        if program.whole > 0 && (begin.bytes.is_empty() || !begin.begins(text)) {
            self.begin_as(first_word(text));
        }
        if self.start.is_open {
            self.extend_start();
        }
        let (row, position, entry) = self.start(without_line_feed(text));
        if entry == DEAD {
            return Some(false);
        }
        self.search_from(program, text, row, position)
    }

    /// Goes on with a search in which nothing has matched so far, where a step is to be made that is not plain.
    fn search_from(&mut self, program: &Program, text: &[u8], row: usize, position: usize) -> Option<bool> {
        match self.run(program, text, row, position) {
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

    /// Appends where groups of the last match are, from one slot up to another, counted from the position `from`, to
    /// what there is in `places`.
    pub(crate) fn read_onto(&self, places: &mut Vec<usize>, slots: Range<usize>, from: usize) {
        let counted = |place: usize| if place == NOWHERE { NOWHERE } else { place - from };
        match self.matched() {
            Some(matched) => {
                let registers = matched.get(slots).unwrap_or_default().iter();
                places.extend(registers.map(|register| counted(self.registers.get(*register))));
            }
            None => {
                let written = self.slots.get(slots).unwrap_or_default().iter();
                places.extend(written.map(|place| counted(*place)));
            }
        }
    }

    /// The position that a slot of the last match has.
    #[inline]
    pub(crate) fn place(&self, slot: usize) -> usize {
        let place = match self.matched() {
            Some(matched) => matched.get(slot).map(|register| self.registers.get(*register)),
            None => self.slots.get(slot).copied(),
        };
        place.unwrap_or(NOWHERE)
    }

    /// How many slots the last match has.
    pub(crate) fn slot_count(&self) -> usize {
        self.matched().map_or(self.slots.len(), <[u8]>::len)
    }

    /// The registers that have the slots of the last match, unless they are written down.
    #[inline]
    fn matched(&self) -> Option<&[u8]> {
        let turn = self.turns.get(self.found?)?;
        turn.matched.as_ref().map(|(registers, _)| &**registers)
    }

    /// At which of the ends of the program the last match ended, from 0.
    pub(crate) const fn end(&self) -> usize {
        self.end
    }

    fn run(
        &mut self,
        program: &Program,
        text: &[u8],
        row: usize,
        mut position: usize,
    ) -> Result<bool, GivenUp> {
        let line = without_line_feed(text);
        let mut walk = Walk {
            row,
            matched: None,
            is_written: false,
        };
        while let Some(byte) = line.get(position) {
            let class = self.classes.of(*byte);
            if !byte.is_ascii() {
                return Err(GivenUp::NotAscii);
            }
            let next = self.turn(program, &mut walk, class, position);
            position += 1;
            match next.ok_or(GivenUp::TooLarge)? {
                Next::Nowhere => return Ok(self.finish(&walk)),
                Next::Byte => {}
                Next::LineFeed => {
                    let rest = line.get(position..).unwrap_or_default();
                    let skipped = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                    if !rest.get(..skipped).is_some_and(<[u8]>::is_ascii) {
                        return Err(GivenUp::NotAscii);
                    }
                    position += skipped;
                }
            }
            // A match that is not written down yet has its positions in registers.
            self.write(&mut walk);
            let entry;
            (walk.row, position, entry) = self.plain_steps(walk.row, line, position);
            if entry == DEAD {
                return Ok(self.finish(&walk));
            }
        }
        let last_line_feed = self.bytes.len();
        if line.len() < text.len() {
            let next = self.turn(program, &mut walk, last_line_feed, line.len());
            if next.ok_or(GivenUp::TooLarge)? == Next::Nowhere {
                return Ok(self.finish(&walk));
            }
        }
        let next = self.turn(program, &mut walk, last_line_feed + 1, text.len());
        next.ok_or(GivenUp::TooLarge)?;
        Ok(self.finish(&walk))
    }

    /// Makes the steps that a text begins with, which begins as the one before, as long as they do nothing but to take
    /// positions; see [`Self::plain_steps`].
    #[inline]
    fn start(&mut self, line: &[u8]) -> (usize, usize, Entry) {
        for (register, position) in &self.start.registers {
            self.registers.set(*register, *position);
        }
        self.plain_steps(self.start.row, line, self.start.length)
    }

    /// Goes on from a row and a position as long as steps do nothing but to take positions; the row and the position
    /// then, and the entry of the step that does more.
    #[inline(always)]
    fn plain_steps(&mut self, mut row: usize, line: &[u8], start: usize) -> (usize, usize, Entry) {
        let (classes, table, registers) = (&*self.classes, self.table.as_slice(), &mut self.registers);
        let mut position = start;
        while let Some(byte) = line.get(position) {
            let entry = table.get(row + classes.of(*byte));
            let entry = entry.copied().unwrap_or(UNKNOWN);
            if entry < LEADS {
                registers.set(register_in(entry), position);
                row = row_in(entry);
                position += 1;
                continue;
            }
            let Some(lead) = lead_in(&self.leads, entry) else {
                return (row, position, entry);
            };
            registers.set(lead.set, position);
            let rest = line.get(position + 1..).unwrap_or_default();
            if !lead.literal.begins(rest) {
                return (row, position, DEAD);
            }
            row = usize::from(lead.behind);
            position += 1 + lead.literal.bytes.len();
        }
        (row, position, UNKNOWN)
    }

    /// Takes this for what the text begins with.
    #[cold]
    fn begin_as(&mut self, begin: &[u8]) {
        let start = &mut self.start;
        // What stands before a LF is never the end of the text.
        let before = begin.iter().take_while(|byte| **byte != b'\n');
        start.text = Literal::new(before.copied().collect());
        start.registers.clear();
        (start.length, start.row) = (0, 0);
        (start.is_open, start.is_followed) = (true, false);
    }

    /// Follows the beginning of the text as far as its steps are worked out.
    fn extend_start(&mut self) {
        let Start {
            text,
            length,
            row,
            registers,
            is_open,
            is_followed,
        } = &mut self.start;
        while let Some(byte) = text.bytes.get(*length) {
            let entry = self.table.get(*row + self.classes.of(*byte));
            let entry = entry.copied().unwrap_or(UNKNOWN);
            let Some((set, next)) = one_step(&self.leads, entry) else {
                *is_open = entry == UNKNOWN && byte.is_ascii();
                return;
            };
            if set != OF_NOBODY {
                registers.push((set, *length));
            }
            *row = next;
            *length += 1;
        }
        *is_open = false;
        *is_followed = !text.bytes.is_empty();
    }

    /// Makes the step with a symbol.
    #[inline(always)]
    fn turn(&mut self, program: &Program, walk: &mut Walk, symbol: usize, position: usize) -> Option<Next> {
        let mut entry = *self.table.get(walk.row + symbol)?;
        if entry == UNKNOWN {
            entry = self.work_out(program, walk.row, symbol)?;
        }
        if entry == DEAD {
            return Some(Next::Nowhere);
        }
        if let Some((set, row)) = one_step(&self.leads, entry) {
            // A match that is not written down yet has its positions in registers.
            self.write(walk);
            self.registers.set(set, position);
            walk.row = row;
            return Some(Next::Byte);
        }
        let number = usize::try_from(entry.checked_sub(TURNS)?).ok()?;
        let Turn {
            next,
            set,
            cuts,
            ref matched,
            skips,
        } = *self.turns.get(number)?;
        if cuts {
            (walk.matched, walk.is_written) = (None, false);
        }
        if matched.is_some() {
            walk.matched = Some((number, position));
        }
        if set != OF_NOBODY {
            // As above.
            self.write(walk);
            self.registers.set(set, position);
        }
        let Some(row) = next else {
            return Some(Next::Nowhere);
        };
        walk.row = usize::from(row);
        Some(if skips { Next::LineFeed } else { Next::Byte })
    }

    /// Writes the last match down, before registers are set anew.
    #[inline]
    fn write(&mut self, walk: &mut Walk) {
        if let Some((number, position)) = walk.matched.take() {
            self.write_down(number, position);
            walk.is_written = true;
        }
    }

    fn write_down(&mut self, number: usize, position: usize) {
        self.registers.set(OF_HERE, position);
        let registers = &self.registers;
        if let Some((matched, end)) = self.turns.get(number).and_then(|turn| turn.matched.as_ref()) {
            self.slots.clear();
            self.slots
                .extend(matched.iter().map(|register| registers.get(*register)));
            self.end = *end;
        }
    }

    /// Notes where the groups of the last match are; whether there was one at all.
    #[inline]
    fn finish(&mut self, walk: &Walk) -> bool {
        self.found = None;
        let Some((number, position)) = walk.matched else {
            return walk.is_written;
        };
        self.registers.set(OF_HERE, position);
        self.found = Some(number);
        if let Some((_, end)) = self.turns.get(number).and_then(|turn| turn.matched.as_ref()) {
            self.end = *end;
        }
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
        self.begin_as(&program.prefix);
        let way = Way {
            address: 0,
            taken: 0,
            slots: vec![Place::Nowhere; program.slots].into(),
            ahead: Vec::new(),
            begins: true,
        };
        let start = State {
            ways: vec![way],
            is_matched: false,
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
                cuts: false,
                matched: None,
                skips: false,
            } => match self.lead(program, next)? {
                Some((literal, behind)) => {
                    let number = u16::try_from(self.leads.len()).ok()?;
                    self.leads.push(Lead {
                        next,
                        set,
                        literal: Literal::new(literal),
                        behind,
                    });
                    LEADS + Entry::from(number)
                }
                None => Entry::from(set) * REGISTERS + Entry::from(next),
            },
            Turn {
                next: None,
                cuts: false,
                matched: None,
                ..
            } => DEAD,
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
        let mut step = Step::new(program, self.symbol(symbol));
        step.take(&state.ways)?;
        let Step {
            mut ways,
            cuts,
            matched,
            ..
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
        // Where there was no match so far there is nothing to forget.
        let cuts = cuts && state.is_matched;
        let is_matched = matched.is_some() || state.is_matched && !cuts;
        let matched = matched.map(|(places, end)| {
            let mut registers: Box<[u8]> = places.iter().map(|place| place.register()).collect();
            if let Some(begin) = registers.first_mut() {
                *begin = OF_BEGIN;
            }
            (registers, program.ends_before(end))
        });
        if ways.is_empty() {
            return Some(Turn {
                next: None,
                set,
                cuts,
                matched,
                skips: false,
            });
        }
        let next = State { ways, is_matched };
        let skips = self.skips(program, &next);
        Some(Turn {
            next: Some(self.row_of(next)?),
            set,
            cuts,
            matched,
            skips,
        })
    }

    /// The text with which alone ways go on from the state of a row, and the row of the state behind it; `None` inside where
    /// there is none.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether there is room for one more state"
    )]
    fn lead(&mut self, program: &Program, row: u16) -> Option<Option<(Box<[u8]>, u16)>> {
        let state = Arc::clone(self.states.get(usize::from(row).checked_div(self.stride)?)?);
        match literal_ahead(program, &state) {
            Some((literal, behind)) => Some(Some((literal, self.row_of(behind)?))),
            None => Some(None),
        }
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
                let mut step = Step::new(program, symbol);
                let is_taken = step.take(&state.ways).is_some();
                is_taken && !step.cuts && step.matched.is_none() && step.ways == state.ways
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
    /// At the next LF, or at the end.
    LineFeed,
}

/// A text without the LF at its end.
#[inline]
fn without_line_feed(text: &[u8]) -> &[u8] {
    match text.split_last() {
        Some((b'\n', line)) => line,
        Some(_) | None => text,
    }
}

/// The first word of a text with the blank behind it; nothing where that is long.
fn first_word(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .take(MOST_OF_START)
        .skip(1)
        .position(|byte| *byte == b' ');
    end.and_then(|end| text.get(..end + 2)).unwrap_or_default()
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

#[cfg(test)]
mod tests;
