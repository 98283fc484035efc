//! What is known of a failure-id beside its counts, packed into one block of bytes.
//!
//! In and out: the attacker's address where it is not the id, captured groups, matched lines, and how the time
//! prints.
//! Invariant: what was packed comes out as it went in, unless it was made lean. Then there are no lines and no captured
//! groups left but those by which something is decided.
//!
//! A million failure-ids are to fit into a quarter of a gigabyte, and unpacked the groups of a single line take
//! half a kilobyte.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use stockade_datetime::Timestamp;
use stockade_filter::{Data, Id, MatchedLine};

use crate::ordered::{Entry, Ordered};
use crate::{ASKED_BANTIME, Match, Ticket};

/// An address, captured groups and matched lines, packed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Evidence(Box<[u8]>);

impl Evidence {
    /// Packs what `ticket` has of them, by way of `room`.
    pub(crate) fn packed(ticket: &Ticket, room: &mut Vec<u8>) -> Self {
        let nothing = ticket.address.is_none() && ticket.captured.is_empty() && ticket.matches.is_empty();
        if nothing && !ticket.time_is_whole {
            return Self::default();
        }
        let out = room;
        out.clear();
        out.push(u8::from(ticket.time_is_whole) * IS_WHOLE);
        let lines = u32::try_from(ticket.matches.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&lines.to_le_bytes());
        put_address(out, ticket.address.as_ref());
        put_number(out, ticket.captured.iter().count());
        for (name, data) in ticket.captured.iter() {
            put_text(out, name);
            put_data(out, data);
        }
        for line in &ticket.matches {
            match line {
                Match::Text(text) => {
                    out.push(WHOLE);
                    put_text(out, text);
                }
                Match::Parts(line) => {
                    out.push(PARTS);
                    put_text(out, line.before());
                    put_text(out, line.date());
                    put_text(out, line.after());
                }
            }
        }
        let packed = Self(out.as_slice().into());
        out.clear();
        out.shrink_to(ROOM);
        packed
    }

    /// How many bytes more it will be with these lines added in one piece each, where they can simply be added:
    /// something is packed already, and no line has to go to keep to `maxmatches`.
    pub(crate) fn growth(&self, lines: &[Match], maxmatches: usize) -> Option<usize> {
        let known = usize::try_from(self.lines()?).ok()?;
        let fits = known.checked_add(lines.len())? <= maxmatches;
        fits.then(|| lines.iter().map(|line| packed_length(text_length(line))).sum())
    }

    /// Adds lines, in one piece each, and how the time prints now, where that is known; there must be a
    /// [`growth`](Self::growth).
    pub(crate) fn append(&mut self, lines: &[Match], growth: usize, time_is_whole: Option<bool>) {
        let count = self.lines().unwrap_or_default();
        let mut out = std::mem::take(&mut self.0).into_vec();
        if let Some(first) = out.first_mut() {
            *first &= !IS_LEAN;
            if let Some(is_whole) = time_is_whole {
                *first = (*first & !IS_WHOLE) | (u8::from(is_whole) * IS_WHOLE);
            }
        }
        out.reserve_exact(growth);
        for line in lines {
            out.push(WHOLE);
            put_text(
                &mut out,
                match line {
                    Match::Text(text) => text,
                    Match::Parts(line) => line.text(),
                },
            );
        }
        let count = count.saturating_add(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        if let Some(place) = out.get_mut(LINES) {
            place.copy_from_slice(&count.to_le_bytes());
        }
        self.0 = out.into_boxed_slice();
    }

    /// How many lines there are; nothing where nothing is packed.
    fn lines(&self) -> Option<u32> {
        let count = self.0.get(LINES)?;
        Some(u32::from_le_bytes(count.try_into().ok()?))
    }

    /// Puts what was packed into `ticket`.
    pub(crate) fn unpack(&self, ticket: &mut Ticket) {
        let Some(lines) = self.lines() else {
            return;
        };
        let mut packed = Packed(&self.0);
        ticket.time_is_whole = packed.byte() & IS_WHOLE != 0;
        for _ in LINES {
            packed.byte();
        }
        ticket.address = packed.address();
        for _ in 0..packed.number() {
            let name = packed.str();
            ticket.captured.insert(name, packed.data());
        }
        for _ in 0..lines {
            ticket.matches.push(match packed.byte() {
                WHOLE => Match::Text(packed.str().to_owned()),
                _ => Match::Parts(MatchedLine::new(packed.str(), packed.str(), packed.str())),
            });
        }
    }

    /// How many bytes it takes that could be done without.
    pub(crate) fn weight(&self) -> usize {
        let is_lean = self.0.first().is_some_and(|flags| flags & IS_LEAN != 0);
        if is_lean { 0 } else { self.0.len() }
    }

    /// Leaves out what could be done without, and says how many bytes counted for it before.
    pub(crate) fn make_lean(&mut self, room: &mut Vec<u8>) -> usize {
        let weight = self.weight();
        if weight == 0 {
            return 0;
        }
        let mut whole = Ticket::new(Id::Text(String::new()), Timestamp::from_seconds(0));
        self.unpack(&mut whole);
        let mut lean = Ticket::new(Id::Text(String::new()), Timestamp::from_seconds(0));
        lean.time_is_whole = whole.time_is_whole;
        lean.address = whole.address.filter(|address| address.address().is_some());
        if let Some(user) = whole.captured.text(USER) {
            lean.captured
                .insert(USER, Data::Text(short(user).as_ref().into()));
        }
        if let Some(asked) = whole.captured.get(ASKED_BANTIME) {
            lean.captured.insert(ASKED_BANTIME, asked.clone());
        }
        *self = Self::packed(&lean, room);
        if let Some(flags) = self.0.first_mut() {
            *flags |= IS_LEAN;
        }
        weight
    }

    /// Whether these are the failures of `user`, or of nobody in particular.
    pub(crate) fn is_of(&self, user: Option<&str>) -> bool {
        let mut known = Ticket::new(Id::Text(String::new()), Timestamp::from_seconds(0));
        self.unpack(&mut known);
        let known = known.captured.text(USER);
        known == user || user.is_some_and(|user| known == Some(short(user).as_ref()))
    }
}

/// The group with the name of a user, by which failures are taken back.
const USER: &str = "user";

/// How long the name of a user may be to be kept as it is in evidence that is lean.
const SHORT: usize = 32;

/// A text that is short and is the same for the same name.
fn short(user: &str) -> Cow<'_, str> {
    if user.len() <= SHORT {
        return Cow::Borrowed(user);
    }
    let mut sum = DefaultHasher::new();
    user.hash(&mut sum);
    // No name of the same length is left as it is.
    Cow::Owned(format!(
        "a name of {} bytes and the sum {:016x}",
        user.len(),
        sum.finish()
    ))
}

/// How much room is kept for the next to be packed; few take more.
const ROOM: usize = 16 * 1024;

/// Where the number of lines stands, which changes while the rest stays.
const LINES: Range<usize> = 1..5;

/// The flags of the first byte: the time is a whole number; nothing is left that could be done without.
const IS_WHOLE: u8 = 1;
const IS_LEAN: u8 = 2;

fn text_length(line: &Match) -> usize {
    match line {
        Match::Text(text) => text.len(),
        Match::Parts(line) => line.text().len(),
    }
}

/// How many bytes a line of this length takes in one piece: a mark, its length, and itself.
fn packed_length(length: usize) -> usize {
    let bits = usize::try_from((length | 1).ilog2()).unwrap_or_default() + 1;
    1 + bits.div_ceil(7) + length
}

const WHOLE: u8 = 0;
const PARTS: u8 = 1;

const TEXT: u8 = 0;
const SET: u8 = 1;
const TUPLE: u8 = 2;

const ABSENT: u8 = 0;
const PRESENT: u8 = 1;
const SPELT: u8 = 2;

fn put_address(out: &mut Vec<u8>, address: Option<&Id>) {
    match address {
        None => out.push(ABSENT),
        Some(id @ Id::Address(_)) => {
            out.push(SPELT);
            put_text(out, &id.to_string());
        }
        // An address is never a tuple; should one be, its text is kept.
        Some(id @ (Id::Text(_) | Id::Tuple(_))) => {
            out.push(PRESENT);
            put_text(out, &id.to_string());
        }
    }
}

fn put_data(out: &mut Vec<u8>, data: &Data) {
    match data {
        Data::Text(text) => {
            out.push(TEXT);
            put_text(out, text);
        }
        Data::Set(texts) => {
            out.push(SET);
            put_number(out, texts.len());
            for text in texts.iter() {
                put_text(out, text);
            }
        }
        Data::Tuple(parts) => {
            out.push(TUPLE);
            put_number(out, parts.len());
            for part in parts {
                match part {
                    None => out.push(ABSENT),
                    Some(text) => {
                        out.push(PRESENT);
                        put_text(out, text);
                    }
                }
            }
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while let Some(rest) = Some(number >> 7).filter(|&rest| rest > 0) {
        out.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number = rest;
    }
    out.push(u8::try_from(number).expect("at most seven bits are left"));
}

/// What is left to unpack.
struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    fn byte(&mut self) -> u8 {
        let (&byte, rest) = self.0.split_first().expect("packed whole");
        self.0 = rest;
        byte
    }

    fn number(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return number;
            }
        }
    }

    fn str(&mut self) -> &'a str {
        let length = self.number();
        let (text, rest) = self.0.split_at_checked(length).expect("packed whole");
        self.0 = rest;
        std::str::from_utf8(text).expect("packed from a text")
    }

    fn address(&mut self) -> Option<Id> {
        match self.byte() {
            ABSENT => None,
            SPELT => Some(Id::parse(self.str())),
            _ => Some(Id::Text(self.str().to_owned())),
        }
    }

    fn data(&mut self) -> Data {
        match self.byte() {
            TEXT => Data::Text(self.str().into()),
            SET => {
                let count = self.number();
                Data::Set((0..count).map(|_| self.str()).collect())
            }
            _ => {
                let count = self.number();
                let parts = (0..count).map(|_| (self.byte() == PRESENT).then(|| self.str().to_owned()));
                Data::Tuple(parts.collect())
            }
        }
    }
}

/// Has what stands in a list, and has `held` bytes of lines in all, go without lines until `wanted` bytes are free: that with
/// many bytes first, and then the oldest. How many bytes and how many lists of lines there were.
pub(crate) fn shed<T: Entry>(
    list: &mut Ordered<T>,
    evidence_of: impl Fn(&mut T) -> &mut Evidence,
    room: &mut Vec<u8>,
    (held, wanted): (usize, usize),
) -> (usize, u64) {
    let (mut freed, mut count) = (0, 0);
    for least in [held / list.len().max(1), 0] {
        let mut next = list.first();
        while let Some(place) = next.filter(|_| freed < wanted) {
            let evidence = evidence_of(list.at_mut(place));
            if evidence.weight() > least {
                freed += evidence.make_lean(room);
                count += 1;
            }
            next = list.after(place);
        }
    }
    (freed, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stockade_datetime::Timestamp;
    use stockade_filter::{Data, Id, MatchedLine};

    use super::Evidence;
    use crate::{Match, Ticket};

    fn data() -> impl Strategy<Value = Data> {
        prop_oneof![
            ".{0,200}".prop_map(|text| Data::Text(text.into())),
            prop::collection::btree_set(".{0,5}", 0..4).prop_map(|set| Data::Set(set.into_iter().collect())),
            prop::collection::vec(prop::option::of(".{0,5}"), 0..4).prop_map(Data::Tuple),
        ]
    }

    fn line() -> impl Strategy<Value = Match> {
        prop_oneof![
            ".{0,300}".prop_map(Match::Text),
            (".{0,9}", ".{0,9}", ".{0,9}")
                .prop_map(|(before, date, after)| Match::Parts(MatchedLine::new(&before, &date, &after))),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn what_is_packed_comes_out_again(
            time_is_whole in any::<bool>(),
            address in prop::option::of(prop_oneof![
                any::<u32>().prop_map(|bits| Id::parse(&std::net::Ipv4Addr::from_bits(bits).to_string())),
                ".{0,9}".prop_map(Id::Text),
            ]),
            groups in prop::collection::vec(("[a-z]{1,8}", data()), 0..5),
            matches in prop::collection::vec(line(), 0..5),
        ) {
            let empty = Ticket::new(Id::parse("192.0.2.1"), Timestamp::from_seconds(0));
            let mut ticket = Ticket { address, time_is_whole, matches, ..empty.clone() };
            for (name, data) in groups {
                ticket.captured.insert(&name, data);
            }
            let mut unpacked = empty;
            Evidence::packed(&ticket, &mut Vec::new()).unpack(&mut unpacked);
            prop_assert_eq!(unpacked, ticket);
        }

        #[test]
        fn what_is_lean_has_what_decides_and_can_grow_again(
            time_is_whole in any::<bool>(),
            user in prop::option::of(".{0,80}"),
            other in prop::option::of(".{0,80}"),
            matches in prop::collection::vec(line(), 0..5),
        ) {
            let empty = Ticket::new(Id::parse("192.0.2.1"), Timestamp::from_seconds(0));
            let mut ticket = Ticket { time_is_whole, matches, ..empty.clone() };
            for (name, text) in [("user", &user), ("other", &other)] {
                if let Some(text) = text {
                    ticket.captured.insert(name, Data::Text(text.as_str().into()));
                }
            }
            let room = &mut Vec::new();
            let mut evidence = Evidence::packed(&ticket, room);
            let weight = evidence.weight();
            prop_assert_eq!(evidence.make_lean(room), weight);
            prop_assert_eq!((evidence.weight(), evidence.make_lean(room)), (0, 0));
            prop_assert!(evidence.0.len() < 150);
            prop_assert!(evidence.is_of(user.as_deref()));
            let is_other = other.is_some() && other != user;
            prop_assert!(!(is_other && evidence.is_of(other.as_deref())));
            let added = [Match::Text("later".to_owned())];
            if let Some(growth) = evidence.growth(&added, 5) {
                evidence.append(&added, growth, None);
                prop_assert_eq!(evidence.weight(), evidence.0.len());
                let mut unpacked = empty;
                evidence.unpack(&mut unpacked);
                prop_assert_eq!((unpacked.matches.as_slice(), unpacked.time_is_whole), (&added[..], time_is_whole));
            }
        }

        #[test]
        fn lines_that_are_added_come_out_in_one_piece(
            time_is_whole in prop::option::of(any::<bool>()),
            before in prop::collection::vec(line(), 0..4),
            added in prop::collection::vec(line(), 0..4),
            maxmatches in 0..8_usize,
        ) {
            let empty = Ticket::new(Id::parse("192.0.2.1"), Timestamp::from_seconds(0));
            let mut ticket = Ticket { matches: before, ..empty.clone() };
            let mut evidence = Evidence::packed(&ticket, &mut Vec::new());
            let fits = ticket.matches.len() + added.len() <= maxmatches;
            let growth = evidence.growth(&added, maxmatches);
            prop_assert_eq!(growth.is_some(), fits && !ticket.matches.is_empty());
            if let Some(growth) = growth {
                let length = evidence.weight();
                evidence.append(&added, growth, time_is_whole);
                prop_assert_eq!(evidence.weight(), length + growth);
                ticket.matches.extend(added.into_iter().map(Match::whole));
                ticket.time_is_whole = time_is_whole.unwrap_or(false);
                let mut unpacked = empty;
                evidence.unpack(&mut unpacked);
                prop_assert_eq!(unpacked, ticket);
            }
        }
    }
}
