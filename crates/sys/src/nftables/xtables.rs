//! Rules as iptables writes them: in the tables `filter` of the families `ip` and `ip6`, with matches and targets of
//! xtables where nftables has no words of its own.
//!
//! In: a [`FilterRule`], made word by word as an `iptables` command is. Out: the same rule in the kernel.
//!
//! Invariant: `iptables-save` prints a rule of ours as it prints one that `iptables` made, and a rule that is listed is
//! equal to the one it was made from, whatever it has counted since.

use std::net::IpAddr;

use super::kernel::*;
use super::rule::{compare, expression, meta, payload};
use super::{Error, Family, Nftables, Ports, Transaction};
use crate::netlink::{self, Attributes, Writer};

/// The table of both families.
pub(super) const FILTER: &str = "filter";

/// A rule: what a packet must be, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilterRule {
    expressions: Vec<Expression>,
    /// The protocol that the rule is for, which matches of xtables want to know; 0 is any.
    protocol: u8,
}

/// A rule as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFilterRule {
    /// What the kernel calls it.
    pub handle: u64,
    /// The rule; what is not known here is told apart from all that is.
    pub rule: FilterRule,
}

/// How iptables says `--dport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortModule {
    /// By a match of xtables, as the versions before 1.8.8 do, which cannot read the other way.
    Xtables,
    /// In words of nftables.
    Nftables,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// `DROP`.
    Drop,
    /// `ACCEPT`.
    Accept,
    /// `RETURN`.
    Return,
    /// `REJECT`, with the message that has this number there.
    Reject(u32),
    /// On to a chain.
    Chain(&'a str),
}

/// One step of a rule, as far as it is said here what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    Meta(u32),
    Payload {
        base: u32,
        offset: u32,
        length: u32,
    },
    Mask(Vec<u8>),
    Compare(u32, Vec<u8>),
    Range(Vec<u8>, Vec<u8>),
    /// The counter that stands before the target.
    Counter,
    Match(Extension),
    Target(Extension),
    Verdict(u32, Option<String>),
    Other(String),
}

/// A match or a target of xtables.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Extension {
    name: String,
    revision: u32,
    info: Vec<u8>,
}

/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// Where the destination port stands in the header of every protocol that has ports.
const DESTINATION_PORT: Expression = Expression::Payload {
    base: NFT_PAYLOAD_TRANSPORT_HEADER,
    offset: 2,
    length: 2,
};

/// `XT_MULTIPORT_DESTINATION`.
const MULTIPORT_DESTINATION: u8 = 1;
/// `XT_MULTI_PORTS`.
const MULTIPORT_PORTS: usize = 15;
/// `XT_CONNTRACK_STATE`, and the flag by which the match is listed as `state`.
const CONNTRACK_STATE: u16 = 1 | 1 << 13;
/// `XT_CONNTRACK_STATE_BIT(IP_CT_NEW)`.
const CONNTRACK_NEW: u16 = 1 << 3;
/// The length of `xt_conntrack_mtinfo3`, and where in it the flags and the states stand.
const CONNTRACK_LENGTH: usize = 168;
const CONNTRACK_FLAGS: usize = 146;
const CONNTRACK_STATES: usize = 150;
/// The flag by which the first part of a set's element is the packet's source, of `xt_set_info`.
const SET_SOURCE: u8 = 1 << 1;
/// The length of `xt_set_info_match_v4`.
const SET_LENGTH: usize = 48;
/// Structures of xtables are padded to this.
const ALIGNMENT: usize = 8;

impl FilterRule {
    /// A rule for every packet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `-p`.
    #[must_use]
    pub fn protocol(mut self, number: u8) -> Self {
        self.protocol = number;
        self.expressions.push(Expression::Meta(NFT_META_L4PROTO));
        self.expressions
            .push(Expression::Compare(NFT_CMP_EQ, vec![number]));
        self
    }

    /// `-s`, an address, or a network of which the address is the first.
    #[must_use]
    pub fn source(mut self, address: IpAddr, prefix: u8) -> Self {
        let (family, bytes) = match address {
            IpAddr::V4(ip) => (Family::Inet4, ip.octets().to_vec()),
            IpAddr::V6(ip) => (Family::Inet6, ip.octets().to_vec()),
        };
        let (offset, length) = family.source();
        let prefix = usize::from(prefix);
        // Whole bytes are compared as such.
        let whole = (prefix.is_multiple_of(8) && prefix > 0)
            .then(|| bytes.get(..prefix / 8))
            .flatten();
        let load = |length| Expression::Payload {
            base: NFT_PAYLOAD_NETWORK_HEADER,
            offset,
            length,
        };
        match whole {
            Some(whole) => {
                let some = u32::try_from(whole.len()).unwrap_or(length);
                self.expressions.push(load(some));
                self.expressions
                    .push(Expression::Compare(NFT_CMP_EQ, whole.to_vec()));
            }
            None => {
                self.expressions.push(load(length));
                self.expressions.push(Expression::Mask(mask(bytes.len(), prefix)));
                self.expressions.push(Expression::Compare(NFT_CMP_EQ, bytes));
            }
        }
        self
    }

    /// `--dport`, after [`Self::protocol`] with TCP or UDP.
    #[must_use]
    pub fn port(mut self, ports: Ports, module: PortModule) -> Self {
        let (first, last) = ports.bounds();
        match (module, ports) {
            (PortModule::Nftables, Ports::One(port)) => {
                self.expressions.push(DESTINATION_PORT);
                self.expressions
                    .push(Expression::Compare(NFT_CMP_EQ, port.to_be_bytes().to_vec()));
            }
            (PortModule::Nftables, Ports::Range(..)) => {
                self.expressions.push(DESTINATION_PORT);
                let (first, last) = (first.to_be_bytes().to_vec(), last.to_be_bytes().to_vec());
                self.expressions.push(Expression::Range(first, last));
            }
            (PortModule::Xtables, _) => {
                // `xt_tcp` and `xt_udp` begin with the ranges of source and destination; what follows is zero.
                let ranges = [0, u16::MAX, first, last].map(u16::to_ne_bytes).concat();
                let name = if self.protocol == TCP { "tcp" } else { "udp" };
                let length = if self.protocol == TCP { 12 } else { 10 };
                self.matches(name, 0, ranges, length);
            }
        }
        self
    }

    /// `-m multiport --dports`, of at most 15 ports; a range counts for two.
    #[must_use]
    pub fn ports(mut self, ports: &[Ports]) -> Self {
        let (mut slots, mut begins) = (Vec::new(), Vec::new());
        for ports in ports {
            match *ports {
                Ports::One(port) => {
                    slots.push(port);
                    begins.push(0);
                }
                Ports::Range(first, last) => {
                    slots.extend([first, last]);
                    begins.extend([1, 0]);
                }
            }
        }
        let count = u8::try_from(slots.len()).unwrap_or(u8::MAX);
        slots.resize(MULTIPORT_PORTS, 0);
        begins.resize(MULTIPORT_PORTS, 0);
        let mut info = vec![MULTIPORT_DESTINATION, count];
        info.extend(slots.iter().flat_map(|port| port.to_ne_bytes()));
        info.extend(begins);
        let length = info.len() + 1;
        self.matches("multiport", 1, info, length);
        self
    }

    /// `-m state --state NEW`.
    #[must_use]
    pub fn begins_connection(mut self) -> Self {
        let mut info = vec![0; CONNTRACK_FLAGS];
        info.extend(CONNTRACK_STATE.to_ne_bytes());
        info.resize(CONNTRACK_STATES, 0);
        info.extend(CONNTRACK_NEW.to_ne_bytes());
        self.matches("conntrack", 3, info, CONNTRACK_LENGTH);
        self
    }

    /// `-m set --match-set … src`; `index` is what the kernel calls the set.
    #[must_use]
    pub fn source_in_set(mut self, index: u16) -> Self {
        let mut info = index.to_ne_bytes().to_vec();
        info.extend([1, SET_SOURCE]);
        self.matches("set", 4, info, SET_LENGTH);
        self
    }

    /// `-j`.
    #[must_use]
    pub fn target(mut self, target: Target<'_>) -> Self {
        self.expressions.push(Expression::Counter);
        self.expressions.push(match target {
            Target::Drop => Expression::Verdict(NF_DROP, None),
            Target::Accept => Expression::Verdict(NF_ACCEPT, None),
            Target::Return => Expression::Verdict(NFT_RETURN, None),
            Target::Chain(chain) => Expression::Verdict(NFT_JUMP, Some(chain.to_owned())),
            Target::Reject(message) => {
                Expression::Target(Extension::new("REJECT", 0, message.to_ne_bytes().to_vec(), 4))
            }
        });
        self
    }

    /// The source that the rule asks for, where it asks for no more than that: the first address and the prefix.
    #[must_use]
    pub fn sole_source(&self) -> Option<(IpAddr, u8)> {
        let condition: Vec<_> = self
            .expressions
            .iter()
            .take_while(|expression| **expression != Expression::Counter)
            .collect();
        let (offset, value, prefix) = match *condition.as_slice() {
            [
                Expression::Payload { base, offset, length },
                Expression::Compare(_, value),
            ] if *base == NFT_PAYLOAD_NETWORK_HEADER => (*offset, value, length.checked_mul(8)?),
            [
                Expression::Payload { base, offset, .. },
                Expression::Mask(mask),
                Expression::Compare(_, value),
            ] if *base == NFT_PAYLOAD_NETWORK_HEADER => {
                (*offset, value, mask.iter().map(|byte| byte.count_ones()).sum())
            }
            _ => return None,
        };
        let family = [Family::Inet4, Family::Inet6]
            .into_iter()
            .find(|family| family.source().0 == offset)?;
        let mut bytes = value.clone();
        bytes.resize(usize::try_from(family.source().1).ok()?, 0);
        Some((super::address(&bytes)?, u8::try_from(prefix).ok()?))
    }

    /// Whether what becomes of a packet is the same by both.
    #[must_use]
    pub fn has_target_of(&self, other: &Self) -> bool {
        self.expressions.last() == other.expressions.last()
    }

    fn matches(&mut self, name: &str, revision: u32, info: Vec<u8>, length: usize) {
        self.expressions
            .push(Expression::Match(Extension::new(name, revision, info, length)));
    }

    fn write(&self, writer: &mut Writer) {
        let expressions = writer.nested(NFTA_RULE_EXPRESSIONS);
        for expression in &self.expressions {
            expression.write(writer);
        }
        writer.end_nested(expressions);
        let compatible = writer.nested(NFTA_RULE_COMPAT);
        writer.be32(NFTA_RULE_COMPAT_PROTO, u32::from(self.protocol));
        writer.be32(NFTA_RULE_COMPAT_FLAGS, 0);
        writer.end_nested(compatible);
    }

    fn read(rule: &Attributes<'_>) -> Self {
        let expressions: Vec<_> = rule
            .nested(NFTA_RULE_EXPRESSIONS)
            .filter(|(kind, _)| *kind == NFTA_LIST_ELEM)
            .map(|(_, expression)| Expression::read(&netlink::attributes(expression)))
            .collect();
        // The kernel keeps the protocol of a rule in the comparison alone.
        let protocol = match expressions.as_slice() {
            [
                Expression::Meta(NFT_META_L4PROTO),
                Expression::Compare(NFT_CMP_EQ, value),
                ..,
            ] => value.first().copied().unwrap_or_default(),
            _ => 0,
        };
        Self {
            expressions,
            protocol,
        }
    }
}

impl Extension {
    fn new(name: &str, revision: u32, mut info: Vec<u8>, length: usize) -> Self {
        info.resize(length.next_multiple_of(ALIGNMENT), 0);
        Self {
            name: name.to_owned(),
            revision,
            info,
        }
    }

    fn write(&self, writer: &mut Writer, kind: &str) {
        expression(writer, kind, |writer| {
            writer.text(NFTA_XT_NAME, &self.name);
            writer.be32(NFTA_XT_REVISION, self.revision);
            writer.attribute(NFTA_XT_INFO, &self.info);
        });
    }

    fn read(data: &Attributes<'_>) -> Option<Self> {
        Some(Self {
            name: data.text(NFTA_XT_NAME)?,
            revision: data.be32(NFTA_XT_REVISION)?,
            info: data.get(NFTA_XT_INFO)?.to_vec(),
        })
    }
}

impl Expression {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Meta(key) => meta(writer, *key),
            Self::Payload { base, offset, length } => payload(writer, *base, *offset, *length),
            Self::Compare(operator, value) => compare(writer, *operator, value),
            Self::Mask(mask) => expression(writer, "bitwise", |writer| {
                writer.be32(NFTA_BITWISE_SREG, NFT_REG_1);
                writer.be32(NFTA_BITWISE_DREG, NFT_REG_1);
                writer.be32(NFTA_BITWISE_LEN, u32::try_from(mask.len()).unwrap_or(u32::MAX));
                value(writer, NFTA_BITWISE_MASK, mask);
                value(writer, NFTA_BITWISE_XOR, &vec![0; mask.len()]);
            }),
            Self::Range(first, last) => expression(writer, "range", |writer| {
                writer.be32(NFTA_RANGE_SREG, NFT_REG_1);
                writer.be32(NFTA_RANGE_OP, NFT_RANGE_EQ);
                value(writer, NFTA_RANGE_FROM_DATA, first);
                value(writer, NFTA_RANGE_TO_DATA, last);
            }),
            Self::Counter => expression(writer, "counter", |writer| {
                writer.be64(NFTA_COUNTER_BYTES, 0);
                writer.be64(NFTA_COUNTER_PACKETS, 0);
            }),
            Self::Match(extension) => extension.write(writer, "match"),
            Self::Target(extension) => extension.write(writer, "target"),
            Self::Verdict(code, chain) => expression(writer, "immediate", |writer| {
                writer.be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
                let data = writer.nested(NFTA_IMMEDIATE_DATA);
                let verdict = writer.nested(NFTA_DATA_VERDICT);
                writer.be32(NFTA_VERDICT_CODE, *code);
                if let Some(chain) = chain {
                    writer.text(NFTA_VERDICT_CHAIN, chain);
                }
                writer.end_nested(verdict);
                writer.end_nested(data);
            }),
            // Such a rule was listed, and what is listed is never written.
            Self::Other(_) => {}
        }
    }

    fn read(expression: &Attributes<'_>) -> Self {
        let name = expression.text(NFTA_EXPR_NAME).unwrap_or_default();
        let data = expression.nested(NFTA_EXPR_DATA);
        Self::known(&name, &data).unwrap_or(Self::Other(name))
    }

    fn known(name: &str, data: &Attributes<'_>) -> Option<Self> {
        let bytes = |kind| data.nested(kind).get(NFTA_DATA_VALUE).map(<[u8]>::to_vec);
        Some(match name {
            "meta" => Self::Meta(data.be32(NFTA_META_KEY)?),
            "payload" => Self::Payload {
                base: data.be32(NFTA_PAYLOAD_BASE)?,
                offset: data.be32(NFTA_PAYLOAD_OFFSET)?,
                length: data.be32(NFTA_PAYLOAD_LEN)?,
            },
            "bitwise" => Self::Mask(bytes(NFTA_BITWISE_MASK)?),
            "cmp" => Self::Compare(data.be32(NFTA_CMP_OP)?, bytes(NFTA_CMP_DATA)?),
            "range" => Self::Range(bytes(NFTA_RANGE_FROM_DATA)?, bytes(NFTA_RANGE_TO_DATA)?),
            "counter" => Self::Counter,
            "match" => Self::Match(Extension::read(data)?),
            "target" => Self::Target(Extension::read(data)?),
            "immediate" => {
                let verdict = data.nested(NFTA_IMMEDIATE_DATA).nested(NFTA_DATA_VERDICT);
                Self::Verdict(verdict.be32(NFTA_VERDICT_CODE)?, verdict.text(NFTA_VERDICT_CHAIN))
            }
            _ => return None,
        })
    }
}

/// The mask of a network, in as many bytes as its address has.
fn mask(bytes: usize, prefix: usize) -> Vec<u8> {
    (0..bytes)
        .map(|byte| {
            let ones = prefix.saturating_sub(byte * 8).min(8);
            !u8::MAX.checked_shr(u32::try_from(ones).unwrap_or(8)).unwrap_or(0)
        })
        .collect()
}

fn value(writer: &mut Writer, kind: u16, bytes: &[u8]) {
    let data = writer.nested(kind);
    writer.attribute(NFTA_DATA_VALUE, bytes);
    writer.end_nested(data);
}

/// The chains of a table `filter` that iptables knows by itself.
pub const FILTER_CHAINS: [&str; 3] = ["INPUT", "FORWARD", "OUTPUT"];

/// The hook that the first of them hangs at; the others hang at those that follow.
const FIRST_HOOK: u32 = 1;

impl Transaction {
    /// Makes the table `filter`, unless it is there.
    pub fn add_filter_table(&mut self, family: Family) {
        let message = self.begin_in(family.number(), NFT_MSG_NEWTABLE, netlink::CREATE);
        self.writer.text(NFTA_TABLE_NAME, FILTER);
        self.end(message);
    }

    /// Makes a chain of the table `filter`, which must not be there: one of those that iptables knows by itself, or else
    /// one that other chains jump to.
    pub fn add_filter_chain(&mut self, family: Family, chain: &str) {
        let flags = netlink::CREATE | netlink::EXCLUSIVE;
        let message = self.begin_in(family.number(), NFT_MSG_NEWCHAIN, flags);
        self.writer.text(NFTA_CHAIN_TABLE, FILTER);
        self.writer.text(NFTA_CHAIN_NAME, chain);
        let built_in = (FIRST_HOOK..).zip(FILTER_CHAINS).find(|(_, name)| *name == chain);
        if let Some((number, _)) = built_in {
            let hook = self.writer.nested(NFTA_CHAIN_HOOK);
            self.writer.be32(NFTA_HOOK_HOOKNUM, number);
            self.writer.be32(NFTA_HOOK_PRIORITY, 0);
            self.writer.end_nested(hook);
            self.writer.be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
            self.writer.text(NFTA_CHAIN_TYPE, FILTER);
        }
        self.end(message);
    }

    /// Puts the rule before all that are in the chain.
    pub fn insert_filter_rule(&mut self, family: Family, chain: &str, rule: &FilterRule) {
        self.filter_rule(family, chain, rule, netlink::CREATE);
    }

    /// Puts the rule behind all that are in the chain.
    pub fn append_filter_rule(&mut self, family: Family, chain: &str, rule: &FilterRule) {
        self.filter_rule(family, chain, rule, netlink::CREATE | netlink::APPEND);
    }

    /// Removes a rule of the table `filter`.
    pub fn delete_filter_rule(&mut self, family: Family, chain: &str, handle: u64) {
        let message = self.begin_in(family.number(), NFT_MSG_DELRULE, 0);
        self.writer.text(NFTA_RULE_TABLE, FILTER);
        self.writer.text(NFTA_RULE_CHAIN, chain);
        self.writer.be64(NFTA_RULE_HANDLE, handle);
        self.end(message);
    }

    /// Removes all rules of a chain of the table `filter`.
    pub fn flush_filter_chain(&mut self, family: Family, chain: &str) {
        let message = self.begin_in(family.number(), NFT_MSG_DELRULE, 0);
        self.writer.text(NFTA_RULE_TABLE, FILTER);
        self.writer.text(NFTA_RULE_CHAIN, chain);
        self.end(message);
    }

    /// Removes a chain of the table `filter`, to which nothing may jump.
    pub fn delete_filter_chain(&mut self, family: Family, chain: &str) {
        let message = self.begin_in(family.number(), NFT_MSG_DELCHAIN, 0);
        self.writer.text(NFTA_CHAIN_TABLE, FILTER);
        self.writer.text(NFTA_CHAIN_NAME, chain);
        self.end(message);
    }

    fn filter_rule(&mut self, family: Family, chain: &str, rule: &FilterRule, flags: u16) {
        let message = self.begin_in(family.number(), NFT_MSG_NEWRULE, flags);
        self.writer.text(NFTA_RULE_TABLE, FILTER);
        self.writer.text(NFTA_RULE_CHAIN, chain);
        rule.write(&mut self.writer);
        self.end(message);
    }
}

/// The bytes that a rule about a source takes at most, with what is around it in a transaction.
const LARGEST_RULE: usize = 512;

impl Nftables {
    /// How many rules about a source fit into one transaction.
    #[must_use]
    pub fn most_filter_rules(&self) -> usize {
        (self.socket.largest_datagram() / LARGEST_RULE).max(1)
    }

    /// The names of the chains of the table `filter`; none where it is not there.
    ///
    /// # Errors
    /// As told by [`Error`].
    pub fn list_filter_chains(&mut self, family: Family) -> Result<Vec<String>, Error> {
        self.list(
            family.number(),
            NFT_MSG_GETCHAIN,
            NFT_MSG_NEWCHAIN,
            &[],
            |chain, names| {
                if chain.text(NFTA_CHAIN_TABLE).as_deref() == Some(FILTER) {
                    names.extend(chain.text(NFTA_CHAIN_NAME));
                }
            },
        )
    }

    /// The rules of a chain of the table `filter`, in their order; none where it is not there.
    ///
    /// # Errors
    /// As told by [`Error`].
    pub fn list_filter_rules(&mut self, family: Family, chain: &str) -> Result<Vec<ListedFilterRule>, Error> {
        let asked = [(NFTA_RULE_TABLE, FILTER), (NFTA_RULE_CHAIN, chain)];
        self.list(
            family.number(),
            NFT_MSG_GETRULE,
            NFT_MSG_NEWRULE,
            &asked,
            |rule, rules| {
                // A kernel that does not know to leave the others out lists them too.
                let is_asked_for = rule.text(NFTA_RULE_TABLE).as_deref() == Some(FILTER)
                    && rule.text(NFTA_RULE_CHAIN).as_deref() == Some(chain);
                if let Some(handle) = rule.be64(NFTA_RULE_HANDLE).filter(|_| is_asked_for) {
                    rules.push(ListedFilterRule {
                        handle,
                        rule: FilterRule::read(rule),
                    });
                }
            },
        )
    }
}
