//! What is known of a failure-id beside its counts, packed into one block of bytes.
//!
//! In and out: the attacker's address where it is not the id, captured groups, matched lines, and how the time
//! prints.
//! Invariant: what was packed comes out as it went in.
//!
//! A million failure-ids are to fit into a quarter of a gigabyte, and unpacked the groups of a single line take
//! half a kilobyte.

use std::collections::BTreeSet;

use stockade_filter::{Data, Id, MatchedLine};

use crate::{Match, Ticket};

/// An address, captured groups and matched lines, packed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Evidence(Box<[u8]>);

impl Evidence {
    /// Packs what `ticket` has of them.
    pub(crate) fn of(ticket: &Ticket) -> Self {
        let mut out = Vec::new();
        let nothing = ticket.address.is_none() && ticket.captured.is_empty() && ticket.matches.is_empty();
        if nothing && !ticket.time_is_whole {
            return Self::default();
        }
        out.push(if ticket.time_is_whole { PRESENT } else { ABSENT });
        put_address(&mut out, ticket.address.as_ref());
        put_number(&mut out, ticket.captured.iter().count());
        for (name, data) in ticket.captured.iter() {
            put_text(&mut out, name);
            put_data(&mut out, data);
        }
        put_number(&mut out, ticket.matches.len());
        for line in &ticket.matches {
            match line {
                Match::Text(text) => {
                    out.push(WHOLE);
                    put_text(&mut out, text);
                }
                Match::Parts(MatchedLine { before, date, after }) => {
                    out.push(PARTS);
                    put_text(&mut out, before);
                    put_text(&mut out, date);
                    put_text(&mut out, after);
                }
            }
        }
        Self(out.into_boxed_slice())
    }

    /// Puts what was packed into `ticket`.
    pub(crate) fn unpack(&self, ticket: &mut Ticket) {
        if self.0.is_empty() {
            return;
        }
        let mut packed = Packed(&self.0);
        ticket.time_is_whole = packed.byte() == PRESENT;
        ticket.address = packed.address();
        for _ in 0..packed.number() {
            let name = packed.text();
            ticket.captured.insert(&name, packed.data());
        }
        for _ in 0..packed.number() {
            ticket.matches.push(match packed.byte() {
                WHOLE => Match::Text(packed.text()),
                _ => Match::Parts(MatchedLine {
                    before: packed.text(),
                    date: packed.text(),
                    after: packed.text(),
                }),
            });
        }
    }

    /// How many bytes it takes.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }
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
            for text in texts {
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

impl Packed<'_> {
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

    fn text(&mut self) -> String {
        let length = self.number();
        let (text, rest) = self.0.split_at_checked(length).expect("packed whole");
        self.0 = rest;
        String::from_utf8(text.to_vec()).expect("packed from a text")
    }

    fn address(&mut self) -> Option<Id> {
        match self.byte() {
            ABSENT => None,
            SPELT => Some(Id::parse(&self.text())),
            _ => Some(Id::Text(self.text())),
        }
    }

    fn data(&mut self) -> Data {
        match self.byte() {
            TEXT => Data::Text(self.text()),
            SET => {
                let count = self.number();
                Data::Set((0..count).map(|_| self.text()).collect::<BTreeSet<_>>())
            }
            _ => {
                let count = self.number();
                Data::Tuple(
                    (0..count)
                        .map(|_| (self.byte() == PRESENT).then(|| self.text()))
                        .collect(),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use stockade_datetime::Timestamp;
    use stockade_filter::{Data, Id, MatchedLine};

    use super::Evidence;
    use crate::{Match, Ticket};

    fn data() -> impl Strategy<Value = Data> {
        prop_oneof![
            ".{0,200}".prop_map(Data::Text),
            prop::collection::btree_set(".{0,5}", 0..4).prop_map(|set: BTreeSet<String>| Data::Set(set)),
            prop::collection::vec(prop::option::of(".{0,5}"), 0..4).prop_map(Data::Tuple),
        ]
    }

    fn line() -> impl Strategy<Value = Match> {
        prop_oneof![
            ".{0,300}".prop_map(Match::Text),
            (".{0,9}", ".{0,9}", ".{0,9}").prop_map(|(before, date, after)| Match::Parts(MatchedLine {
                before,
                date,
                after
            })),
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
            Evidence::of(&ticket).unpack(&mut unpacked);
            prop_assert_eq!(unpacked, ticket);
        }
    }
}
