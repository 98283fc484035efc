//! What Python's `re` means by a word, a digit, white space, and by ignoring case.
//!
//! Case is ignored by the lower case of single characters, with a few equivalences on top; it is not
//! Unicode case folding. What the reference's engine computes while matching is computed here while
//! compiling: a position of the expression becomes the set of all characters that it accepts.

use std::sync::{Arc, LazyLock};

use crate::charset::CharSet;
use crate::unicode_tables::{CASED, DIGIT, EXTRA_CASES, LOWER, SPACE, UPPER, WORD};

/// The sets that nearly every expression needs, made once.
pub(crate) struct Classes {
    pub(crate) word: Arc<CharSet>,
    pub(crate) digit: Arc<CharSet>,
    pub(crate) space: Arc<CharSet>,
    pub(crate) not_word: Arc<CharSet>,
    pub(crate) not_digit: Arc<CharSet>,
    pub(crate) not_space: Arc<CharSet>,
}

impl Classes {
    fn new(word: CharSet, digit: CharSet, space: CharSet) -> Self {
        Self {
            not_word: Arc::new(word.negated()),
            not_digit: Arc::new(digit.negated()),
            not_space: Arc::new(space.negated()),
            word: Arc::new(word),
            digit: Arc::new(digit),
            space: Arc::new(space),
        }
    }
}

/// `\w`, `\d`, `\s` for all scripts.
pub(crate) static UNICODE: LazyLock<Classes> =
    LazyLock::new(|| Classes::new(CharSet::new(WORD), CharSet::new(DIGIT), CharSet::new(SPACE)));

/// `\w`, `\d`, `\s` under the flag `a`.
pub(crate) static ASCII: LazyLock<Classes> = LazyLock::new(|| {
    let digit = (0x30, 0x39);
    Classes::new(
        CharSet::new([digit, (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]),
        CharSet::new([digit]),
        CharSet::new([(0x09, 0x0D), (0x20, 0x20)]),
    )
});

/// Every character but a line feed, which is what `.` means.
pub(crate) static ANY: LazyLock<Arc<CharSet>> = LazyLock::new(|| Arc::new(CharSet::single(0x0A).negated()));
/// Every character, which is what `.` means under the flag `s`.
pub(crate) static ALL: LazyLock<Arc<CharSet>> = LazyLock::new(|| Arc::new(CharSet::new([(0, 0x10_FFFF)])));

/// Whether `c` is part of a word for `\b`.
pub(crate) fn is_word(c: char, ascii_only: bool) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || c == '_'
    } else {
        !ascii_only && UNICODE.word.contains(c)
    }
}

/// How case is ignored at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    /// Not at all.
    None,
    /// Only between `a` and `z` (flags `i` and `a`).
    Ascii,
    /// For all scripts (flag `i`).
    Unicode,
}

/// The lower case of one character, as a back-reference that ignores case compares.
pub(crate) fn lower(code: u32, fold: Fold) -> u32 {
    match fold {
        Fold::None => code,
        Fold::Ascii if (0x41..=0x5A).contains(&code) => code + 0x20,
        Fold::Ascii => code,
        Fold::Unicode => mapped(&LOWER, code),
    }
}

/// The value of a decimal digit of any script.
pub(crate) fn decimal_value(c: char) -> Option<u64> {
    let code = u32::from(c);
    let range = DIGIT.iter().find(|range| range.0 <= code && code <= range.1)?;
    // Digits come in tens from zero to nine; neighbouring tens share a range.
    Some(u64::from((code - range.0) % 10))
}

fn mapped(table: &[(u32, u32, u32, i32)], code: u32) -> u32 {
    let at = table.partition_point(|run| run.1 < code);
    // Runs do not overlap, not even those that step by two.
    let run = table
        .get(at)
        .filter(|run| run.0 <= code && (code - run.0).is_multiple_of(run.2));
    run.and_then(|run| code.checked_add_signed(run.3)).unwrap_or(code)
}

fn is_cased(code: u32, fold: Fold) -> bool {
    match fold {
        Fold::None => false,
        Fold::Ascii => (0x41..=0x5A).contains(&code) || (0x61..=0x7A).contains(&code),
        Fold::Unicode => CASED.iter().any(|range| range.0 <= code && code <= range.1),
    }
}

fn any_cased(first: u32, last: u32, fold: Fold) -> bool {
    match fold {
        Fold::None => false,
        Fold::Ascii => first <= 0x5A && last >= 0x41 || first <= 0x7A && last >= 0x61,
        Fold::Unicode => CASED.iter().any(|range| range.0 <= last && first <= range.1),
    }
}

fn extra_cases(lower: u32, fold: Fold) -> &'static [u32] {
    if fold != Fold::Unicode {
        return &[];
    }
    match EXTRA_CASES.binary_search_by_key(&lower, |entry| entry.0) {
        Ok(at) => EXTRA_CASES.get(at).map_or(&[], |entry| entry.1),
        Err(_) => &[],
    }
}

/// What a single literal character accepts.
pub(crate) fn literal(code: u32, fold: Fold) -> CharSet {
    if !is_cased(code, fold) {
        return CharSet::single(code);
    }
    let low = lower(code, fold);
    let lowered = CharSet::new(
        extra_cases(low, fold)
            .iter()
            .chain([&low])
            .map(|&code| (code, code)),
    );
    with_lower_in(&lowered, fold)
}

/// An item of a bracketed class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClassItem {
    /// One character.
    Literal(u32),
    /// A range of them.
    Range(u32, u32),
    /// `\w` and its like, which have no case.
    Category(Arc<CharSet>),
}

/// Whether any character of a class has a case, or may have for all Python knows.
pub(crate) fn has_case(items: &[ClassItem], fold: Fold) -> bool {
    const LAST: u32 = 0xFFFF;
    fold != Fold::None
        && items.iter().any(|item| match item {
            ClassItem::Literal(code) => is_cased(*code, fold),
            ClassItem::Range(first, last) => {
                *last > LAST || (*first..=*last).any(|code| is_cased(code, fold))
            }
            ClassItem::Category(_) => false,
        })
}

/// What a bracketed class accepts.
///
/// Ignoring case, the reference lowers the character and looks that up in a map of the lowered class.
/// Characters past U+FFFF do not fit its map: they stay as written, and ranges of them are compared with
/// the upper case as well.
pub(crate) fn class(items: &[ClassItem], negated: bool, fold: Fold) -> CharSet {
    let accepted = match fold {
        Fold::None => CharSet::new(items.iter().flat_map(plain_ranges)),
        Fold::Ascii | Fold::Unicode => folded_class(items, fold),
    };
    if negated { accepted.negated() } else { accepted }
}

fn plain_ranges(item: &ClassItem) -> Vec<(u32, u32)> {
    match item {
        ClassItem::Literal(code) => vec![(*code, *code)],
        ClassItem::Range(first, last) => vec![(*first, *last)],
        ClassItem::Category(set) => set.ranges().to_vec(),
    }
}

fn folded_class(items: &[ClassItem], fold: Fold) -> CharSet {
    const MAP_END: u32 = 0xFFFF;
    let mut lowered: Vec<(u32, u32)> = Vec::new();
    let mut lowers = false;
    let add_lowered = |first: u32, last: u32, lowered: &mut Vec<(u32, u32)>| {
        // What does not change when lowered is itself; the rest is added one by one.
        lowered.push((first, last));
        let lows = changed_in(first, last, fold).iter().map(|(_, low)| (*low, *low));
        lowered.extend(lows);
    };
    for item in items {
        match item {
            ClassItem::Literal(code) if *code <= MAP_END => {
                let low = lower(*code, fold);
                lowered.push((low, low));
                lowered.extend(extra_cases(low, fold).iter().map(|&code| (code, code)));
                lowers |= is_cased(*code, fold);
            }
            ClassItem::Literal(code) => {
                lowered.push((*code, *code));
                lowers = true;
            }
            ClassItem::Range(first, last) => {
                let end = (*last).min(MAP_END);
                if *first <= end {
                    add_lowered(*first, end, &mut lowered);
                    let changed = changed_in(*first, end, fold);
                    for entry in EXTRA_CASES.iter().filter(|_| fold == Fold::Unicode) {
                        let from_range = *first <= entry.0 && entry.0 <= end
                            || changed.iter().any(|(_, low)| *low == entry.0);
                        if from_range {
                            lowered.extend(entry.1.iter().map(|&code| (code, code)));
                        }
                    }
                }
                if *last > MAP_END {
                    lowered.push((*first, *last));
                    lowered.extend(with_upper_in(*first, *last));
                    lowers = true;
                } else {
                    lowers |= any_cased(*first, *last, fold);
                }
            }
            ClassItem::Category(set) => lowered.extend(set.ranges()),
        }
    }
    if !lowers {
        return CharSet::new(items.iter().flat_map(plain_ranges));
    }
    with_lower_in(&CharSet::new(lowered), fold)
}

/// The characters that have another lower case, with that, in order.
struct Changed {
    pairs: Vec<(u32, u32)>,
    codes: CharSet,
}

impl Changed {
    fn new(codes: impl Iterator<Item = u32>, fold: Fold) -> Self {
        let mut pairs: Vec<(u32, u32)> = codes.map(|code| (code, lower(code, fold))).collect();
        pairs.sort_unstable();
        let codes = CharSet::new(pairs.iter().map(|(code, _)| (*code, *code)));
        Self { pairs, codes }
    }
}

static CHANGED: LazyLock<Changed> =
    LazyLock::new(|| Changed::new(LOWER.iter().flat_map(codes), Fold::Unicode));
static CHANGED_ASCII: LazyLock<Changed> = LazyLock::new(|| Changed::new(0x41..=0x5A, Fold::Ascii));

/// The characters from `first` to `last` that have another lower case, with that.
fn changed_in(first: u32, last: u32, fold: Fold) -> &'static [(u32, u32)] {
    let pairs = match fold {
        Fold::None => &[],
        Fold::Ascii => CHANGED_ASCII.pairs.as_slice(),
        Fold::Unicode => CHANGED.pairs.as_slice(),
    };
    let start = pairs.partition_point(|(code, _)| *code < first);
    let end = pairs.partition_point(|(code, _)| *code <= last);
    pairs.get(start..end).unwrap_or_default()
}

/// The characters whose upper case lies from `first` to `last`.
fn with_upper_in(first: u32, last: u32) -> impl Iterator<Item = (u32, u32)> {
    UPPER.iter().flat_map(move |run| {
        let delta = run.3;
        codes(run)
            .filter(move |code| {
                code.checked_add_signed(delta)
                    .is_some_and(|up| first <= up && up <= last)
            })
            .map(|code| (code, code))
    })
}

fn codes(run: &(u32, u32, u32, i32)) -> impl Iterator<Item = u32> + use<> {
    let (first, last, step, _) = *run;
    (first..=last).step_by(usize::try_from(step).unwrap_or(1))
}

/// The characters whose lower case is in `lowered`.
fn with_lower_in(lowered: &CharSet, fold: Fold) -> CharSet {
    let changed = match fold {
        Fold::None => return lowered.clone(),
        Fold::Ascii => &*CHANGED_ASCII,
        Fold::Unicode => &*CHANGED,
    };
    let unchanged = lowered.minus(&changed.codes);
    let gained = changed
        .pairs
        .iter()
        .filter(|(_, low)| char::from_u32(*low).is_some_and(|low| lowered.contains(low)))
        .map(|(code, _)| (*code, *code));
    CharSet::new(unchanged.ranges().iter().copied().chain(gained))
}
