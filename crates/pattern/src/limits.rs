//! How large anything about a pattern may grow, and why.
//!
//! Patterns come from an administrator, texts from an attacker. Nothing here is reached by a pattern or
//! a line that was meant; each limit turns a mistake or an attack into an error instead of a stall.

/// The longest expression, in bytes, with its tags expanded. Generated lists of names and addresses run
/// to some ten thousand bytes; the tables built from an expression are a multiple of its length.
pub(crate) const PATTERN_BYTES: usize = 256 * 1024;

/// How deep groups may nest. Parsing and translating recurse once a level, and the reference itself
/// gives up (with a `RecursionError`) not far above this.
pub(crate) const NESTING: usize = 200;

/// The most capturing groups. Captures are stored for each match, so they cost on every line.
pub(crate) const GROUPS: u32 = 1000;

/// How many instructions a backtracking program may have. Repeats are unrolled only within this.
pub(crate) const PROGRAM: usize = 200_000;

/// How many instructions one repeat may become by unrolling; past it a counter is kept instead, and the
/// search can no longer remember where it failed.
pub(crate) const UNROLLED: usize = 2_000;

/// The size of a compiled automaton in bytes (each of two: for ASCII text and for any text). Past it the
/// pattern is matched by backtracking within the step limit.
pub(crate) const AUTOMATON_BYTES: usize = 8 * 1024 * 1024;

/// The memory of the states an automaton has met so far, in bytes. A pattern that needs more starts over.
pub(crate) const AUTOMATON_CACHE_BYTES: usize = 512 * 1024;

/// How many ways all states of an automaton with groups may have together, and one of them alone. Each takes a
/// hundred bytes or two; the expressions of a usual filter come to some hundred.
pub(crate) const TAGGED_WAYS: usize = 2_000;
/// See [`TAGGED_WAYS`].
pub(crate) const TAGGED_WAYS_A_STATE: usize = 200;

/// How many searches an automaton with groups rests that has become too large: what it takes to make it anew is
/// little, spread over these.
pub(crate) const TAGGED_REST: u32 = 10_000;

/// How many slots, two a group, an automaton with groups keeps track of.
pub(crate) const TAGGED_SLOTS: usize = 64;

/// How many look-aheads of a way in an automaton with groups may be undecided.
pub(crate) const TAGGED_AHEAD: usize = 4;

/// How many rounds of a run an automaton with groups counts, each of which is a state.
pub(crate) const TAGGED_ROUNDS: u32 = 64;

/// The steps a backtracking search may take, whatever the text: a few tens of milliseconds.
pub const STEPS: u64 = 5_000_000;

/// The steps that an expression bound to the beginning of the text gets before an automaton is asked
/// whether there is a match at all. Matches take some hundred, other lines mostly fewer than ten.
pub(crate) const FIRST_LOOK: u64 = 1_000;

/// The choices a backtracking search may have open at once; each takes some 24 bytes.
pub(crate) const OPEN_CHOICES: usize = 1 << 20;

/// After this many steps and this many a byte of text a search begins to remember where it has failed.
/// Searches that end sooner, which is nearly all, do not pay for the memory.
pub(crate) const STEPS_BEFORE_MEMORY: u64 = 512;
/// See [`STEPS_BEFORE_MEMORY`].
pub(crate) const STEPS_A_BYTE_BEFORE_MEMORY: u64 = 8;

/// The memory of failed states, in bytes. It is a bit for each instruction that chooses and each position.
pub(crate) const MEMORY_BYTES: usize = 16 * 1024 * 1024;

/// How short and how long a literal of the gate may be, in bytes. Shorter ones are in every line; longer ones
/// are no rarer.
pub(crate) const LITERAL_BYTES: (usize, usize) = (3, 32);

/// How many letters in a row are looked at as one when literals are gathered: one by one would take long, and where
/// there are too many for a literal, it ends between two such pieces.
pub(crate) const WORD_BYTES: usize = 8;

/// How many bytes the search for literals looks at first, and how many it has to be left to look at then.
pub(crate) const RARE_BYTES: usize = 4;
/// See [`RARE_BYTES`].
pub(crate) const TAIL_BYTES: usize = 8;

/// How many texts one place of an expression may stand for before the literal ends there: four letters whose
/// case does not matter are 16.
pub(crate) const LITERALS_A_PLACE: usize = 16;

/// How many literals one expression may ask for. Lists of names have some hundred.
pub(crate) const LITERALS: usize = 512;

/// How many literals the gate of a filter may have; past that it costs more than it saves.
pub(crate) const GATE_LITERALS: usize = 2_000;
