//! Rules: which packets they match, what becomes of those, and the kernel's expressions for it.
//!
//! In: a [`Rule`]. Out: the expressions that `nft` would write for the same words.
//!
//! Invariant: `nft list ruleset` prints a rule of ours as it prints one that `nft` made.

use super::kernel::*;
use super::{Family, Transaction};
use crate::netlink::{Attributes, Writer};

/// What a packet is matched by before its source is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Nothing: every packet.
    Any,
    /// The protocol above IP, one of these numbers.
    Protocols(Vec<u8>),
    /// The destination port, of one protocol or of whichever has ports.
    Ports {
        /// The protocol's number, such as 6 for TCP.
        protocol: Option<u8>,
        /// The ports, as they are written.
        ports: Vec<Ports>,
    },
}

/// A port, or a range of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// One.
    One(u16),
    /// All from the first to the last.
    Range(u16, u16),
}

impl Ports {
    pub(super) const fn bounds(self) -> (u16, u16) {
        match self {
            Self::One(port) => (port, port),
            Self::Range(first, last) => (first, last),
        }
    }
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Discarded in silence.
    Drop,
    /// Answered with the ICMP message of this code, IPv4 or IPv6 as the packet is.
    Icmp(u8),
    /// Answered with the ICMP message of this code of the kernel's own, which serves both families.
    IcmpBoth(u8),
    /// Answered with a TCP reset.
    TcpReset,
}

/// A rule: packets of `transport` whose source is in `set` meet `verdict`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule<'a> {
    /// What is matched first.
    pub transport: &'a Transport,
    /// The family of the addresses in the set.
    pub family: Family,
    /// The set that holds the sources.
    pub set: &'a str,
    /// What becomes of what matches.
    pub verdict: Verdict,
}

/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// A set without a name that belongs to one rule, already written to the transaction.
struct Anonymous(u32);

impl Rule<'_> {
    /// Writes the anonymous sets that the rule needs to `transaction`, and then the rule itself.
    pub(super) fn write(&self, transaction: &mut Transaction, table: &str, chain: &str) {
        let set = self.write_set(transaction, table);
        let message = transaction.begin(NFT_MSG_NEWRULE, crate::netlink::CREATE | crate::netlink::APPEND);
        let writer = &mut transaction.writer;
        writer.text(NFTA_RULE_TABLE, table);
        writer.text(NFTA_RULE_CHAIN, chain);
        let expressions = writer.nested(NFTA_RULE_EXPRESSIONS);
        self.write_transport(writer, set.as_ref());
        meta(writer, NFT_META_NFPROTO);
        compare(writer, NFT_CMP_EQ, &[self.family.number()]);
        let (offset, length) = self.family.source();
        payload(writer, NFT_PAYLOAD_NETWORK_HEADER, offset, length);
        lookup(writer, self.set, None);
        self.write_verdict(writer);
        writer.end_nested(expressions);
        transaction.end(message);
    }

    /// `nft` writes a set only where there are several values to choose from.
    fn write_set(&self, transaction: &mut Transaction, table: &str) -> Option<Anonymous> {
        match self.transport {
            Transport::Protocols(protocols) if protocols.len() != 1 => {
                let keys: Vec<_> = protocols.iter().map(|protocol| vec![*protocol]).collect();
                let id = transaction.begin_anonymous(
                    table,
                    &AnonymousSet {
                        key: (TYPE_INET_PROTOCOL, 1),
                        flags: 0,
                        size: keys.len(),
                        notes: &[&UDATA_KEY_HOST_ORDER],
                    },
                );
                transaction.add_keys(table, id, keys.iter().map(|key| (key.as_slice(), Edge::Single)));
                Some(Anonymous(id))
            }
            Transport::Ports { ports, .. } if ports.len() != 1 => {
                let ranges = ports.iter().any(|ports| matches!(ports, Ports::Range(..)));
                let keys = if ranges { intervals(ports) } else { singles(ports) };
                let flags = if ranges { NFT_SET_INTERVAL } else { 0 };
                let id = transaction.begin_anonymous(
                    table,
                    &AnonymousSet {
                        key: (TYPE_INET_SERVICE, 2),
                        flags,
                        size: keys.len(),
                        notes: if ranges {
                            &[&UDATA_KEY_NETWORK_ORDER, &UDATA_MERGED]
                        } else {
                            &[&UDATA_KEY_NETWORK_ORDER]
                        },
                    },
                );
                transaction.add_keys(table, id, keys.iter().map(|(key, edge)| (key.as_slice(), *edge)));
                Some(Anonymous(id))
            }
            Transport::Any | Transport::Protocols(_) | Transport::Ports { .. } => None,
        }
    }

    fn write_transport(&self, writer: &mut Writer, set: Option<&Anonymous>) {
        match self.transport {
            Transport::Any => {
                if self.verdict == Verdict::TcpReset {
                    meta(writer, NFT_META_L4PROTO);
                    compare(writer, NFT_CMP_EQ, &[TCP]);
                }
            }
            Transport::Protocols(protocols) => {
                meta(writer, NFT_META_L4PROTO);
                match set {
                    Some(set) => lookup(writer, ANONYMOUS, Some(set)),
                    None => compare(writer, NFT_CMP_EQ, protocols),
                }
            }
            Transport::Ports { protocol, ports } => {
                if let Some(protocol) = protocol {
                    meta(writer, NFT_META_L4PROTO);
                    compare(writer, NFT_CMP_EQ, &[*protocol]);
                }
                payload(
                    writer,
                    NFT_PAYLOAD_TRANSPORT_HEADER,
                    DESTINATION_PORT.0,
                    DESTINATION_PORT.1,
                );
                match (set, ports.first()) {
                    (Some(set), _) => lookup(writer, ANONYMOUS, Some(set)),
                    (None, Some(Ports::One(port))) => compare(writer, NFT_CMP_EQ, &port.to_be_bytes()),
                    (None, Some(Ports::Range(first, last))) => {
                        compare(writer, NFT_CMP_GTE, &first.to_be_bytes());
                        compare(writer, NFT_CMP_LTE, &last.to_be_bytes());
                    }
                    (None, None) => {}
                }
            }
        }
    }

    fn write_verdict(&self, writer: &mut Writer) {
        let (kind, code) = match self.verdict {
            Verdict::Drop => {
                expression(writer, "immediate", |writer| {
                    writer.be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
                    let data = writer.nested(NFTA_IMMEDIATE_DATA);
                    let verdict = writer.nested(NFTA_DATA_VERDICT);
                    writer.be32(NFTA_VERDICT_CODE, NF_DROP);
                    writer.end_nested(verdict);
                    writer.end_nested(data);
                });
                return;
            }
            Verdict::Icmp(code) => (NFT_REJECT_ICMP_UNREACH, code),
            Verdict::IcmpBoth(code) => (NFT_REJECT_ICMPX_UNREACH, code),
            Verdict::TcpReset => (NFT_REJECT_TCP_RST, 0),
        };
        expression(writer, "reject", |writer| {
            writer.be32(NFTA_REJECT_TYPE, kind);
            writer.attribute(NFTA_REJECT_ICMP_CODE, &[code]);
        });
    }
}

/// The name that the kernel completes with a number of its choosing.
pub(super) const ANONYMOUS: &str = "__set%d";

/// What a set without a name is made of.
pub(super) struct AnonymousSet<'a> {
    /// `nft`'s number for the type of the key, and the key's length in bytes.
    pub(super) key: (u32, u32),
    /// Flags beyond those that every such set has.
    pub(super) flags: u32,
    pub(super) size: usize,
    /// What `nft` notes beside it.
    pub(super) notes: &'a [&'a [u8]],
}

/// What a key is in its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// A value, or the first of an interval.
    Single,
    /// The first value past an interval.
    End,
    /// The first of an interval that goes on to the last possible value.
    Open,
}

/// Offset and length of the destination port in the header of every protocol that has ports.
const DESTINATION_PORT: (u32, u32) = (2, 2);

fn singles(ports: &[Ports]) -> Vec<([u8; 2], Edge)> {
    ports
        .iter()
        .map(|ports| (ports.bounds().0.to_be_bytes(), Edge::Single))
        .collect()
}

/// The edges of the intervals, those that touch or overlap merged, as the kernel wants them in ascending order.
fn intervals(ports: &[Ports]) -> Vec<([u8; 2], Edge)> {
    let mut bounds: Vec<_> = ports.iter().map(|ports| ports.bounds()).collect();
    bounds.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::with_capacity(bounds.len());
    for (first, last) in bounds {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            Some(_) | None => merged.push((first, last)),
        }
    }
    let mut edges = Vec::with_capacity(merged.len() * 2 + 1);
    // Below the first interval the kernel wants to be told that nothing matches.
    if merged.first().is_some_and(|(first, _)| *first > 0) {
        edges.push(([0, 0], Edge::End));
    }
    for (first, last) in merged {
        match last.checked_add(1) {
            Some(past) => {
                edges.push((first.to_be_bytes(), Edge::Single));
                edges.push((past.to_be_bytes(), Edge::End));
            }
            None => edges.push((first.to_be_bytes(), Edge::Open)),
        }
    }
    edges
}

pub(super) fn expression(writer: &mut Writer, name: &str, write: impl FnOnce(&mut Writer)) {
    let element = writer.nested(NFTA_LIST_ELEM);
    writer.text(NFTA_EXPR_NAME, name);
    let data = writer.nested(NFTA_EXPR_DATA);
    write(writer);
    writer.end_nested(data);
    writer.end_nested(element);
}

pub(super) fn meta(writer: &mut Writer, key: u32) {
    expression(writer, "meta", |writer| {
        writer.be32(NFTA_META_KEY, key);
        writer.be32(NFTA_META_DREG, NFT_REG_1);
    });
}

pub(super) fn compare(writer: &mut Writer, operator: u32, value: &[u8]) {
    expression(writer, "cmp", |writer| {
        writer.be32(NFTA_CMP_SREG, NFT_REG_1);
        writer.be32(NFTA_CMP_OP, operator);
        let data = writer.nested(NFTA_CMP_DATA);
        writer.attribute(NFTA_DATA_VALUE, value);
        writer.end_nested(data);
    });
}

pub(super) fn payload(writer: &mut Writer, base: u32, offset: u32, length: u32) {
    expression(writer, "payload", |writer| {
        writer.be32(NFTA_PAYLOAD_DREG, NFT_REG_1);
        writer.be32(NFTA_PAYLOAD_BASE, base);
        writer.be32(NFTA_PAYLOAD_OFFSET, offset);
        writer.be32(NFTA_PAYLOAD_LEN, length);
    });
}

fn lookup(writer: &mut Writer, set: &str, anonymous: Option<&Anonymous>) {
    expression(writer, "lookup", |writer| {
        writer.be32(NFTA_LOOKUP_SREG, NFT_REG_1);
        writer.text(NFTA_LOOKUP_SET, set);
        if let Some(Anonymous(id)) = anonymous {
            writer.be32(NFTA_LOOKUP_SET_ID, *id);
        }
    });
}

/// The sets that the expressions of a rule look into.
pub(super) fn sets_looked_into(rule: &Attributes<'_>) -> Vec<String> {
    rule.nested(NFTA_RULE_EXPRESSIONS)
        .filter(|(kind, _)| *kind == NFTA_LIST_ELEM)
        .map(|(_, expression)| crate::netlink::attributes(expression))
        .filter(|expression| expression.text(NFTA_EXPR_NAME).as_deref() == Some("lookup"))
        .filter_map(|expression| expression.nested(NFTA_EXPR_DATA).text(NFTA_LOOKUP_SET))
        .collect()
}
