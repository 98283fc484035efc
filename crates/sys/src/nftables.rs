//! The kernel's nftables: tables of family `inet`, and those that iptables keeps, changed and read over netlink.
//!
//! In: a [`Transaction`], or the name of what to list. Out: nothing where it was done, and else the [`Refusal`]s, each
//! with what it was about and the kernel's own words.
//!
//! Invariant: a transaction has happened exactly when [`Nftables::commit`] returns `Ok`; every acknowledgement is read.

mod kernel;
mod rule;
mod transaction;
mod watch;
mod xtables;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::io::Errno;
use rustix::net::netlink as protocols;

use self::kernel::*;
pub use self::rule::{Ports, Rule, Transport, Verdict};
pub use self::transaction::Transaction;
pub use self::watch::{Removal, Watch};
pub use self::xtables::{FILTER_CHAINS, FilterRule, ListedFilterRule, PortModule, Target};
use crate::netlink::{self, Attributes, Garbled, Message, Socket, Writer};

/// The family of the addresses in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Inet4,
    /// IPv6.
    Inet6,
}

impl Family {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Inet4 => NFPROTO_IPV4,
            Self::Inet6 => NFPROTO_IPV6,
        }
    }

    /// Offset and length of the source address in the header.
    const fn source(self) -> (u32, u32) {
        match self {
            Self::Inet4 => (12, 4),
            Self::Inet6 => (8, 16),
        }
    }
}

/// Where in a packet's way through the kernel a chain hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// Before it is known where the packet goes.
    Prerouting,
    /// On the way to a process of this machine.
    Input,
    /// On the way through this machine.
    Forward,
    /// On the way from a process of this machine.
    Output,
    /// After it is known where the packet goes.
    Postrouting,
}

impl Hook {
    const fn number(self) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Input => 1,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
        }
    }
}

/// A chain of type `filter` that hangs at a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseChain {
    /// Where it hangs.
    pub hook: Hook,
    /// Its place among the chains there; lower ones come first.
    pub priority: i32,
}

/// A set of addresses whose elements may have timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set<'a> {
    /// The table it is in.
    pub table: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The family of its elements.
    pub family: Family,
    /// Whether it holds networks, and not single addresses in a hash table.
    pub interval: bool,
}

impl Set<'_> {
    const fn flags(&self) -> u32 {
        NFT_SET_TIMEOUT | if self.interval { NFT_SET_INTERVAL } else { 0 }
    }
}

/// An element of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The address, or the first of the network.
    pub first: IpAddr,
    /// The same address, or the last of the network.
    pub last: IpAddr,
    /// After how many milliseconds the kernel removes it; never, where `None`.
    pub timeout_ms: Option<u64>,
}

/// An element as the kernel holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The element, with the timeout it was added with.
    pub element: Element,
    /// In how many milliseconds the kernel removes it; never, where `None`.
    pub expires_ms: Option<u64>,
}

/// A set as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSet {
    /// Its name.
    pub name: String,
    /// Whether it belongs to one rule and goes with it.
    pub anonymous: bool,
    /// `nft`'s number for the type of its keys.
    key_type: u32,
    flags: u32,
}

impl ListedSet {
    /// Whether the kernel has it as [`Transaction::add_set`] would make it.
    #[must_use]
    pub fn is(&self, set: &Set<'_>) -> bool {
        let kind = match set.family {
            Family::Inet4 => TYPE_IPADDR,
            Family::Inet6 => TYPE_IP6ADDR,
        };
        self.name == set.name && self.key_type == kind && self.flags == set.flags()
    }

    /// Whether its elements may have timeouts; those of the sets that the `nft` command makes for fail2ban may not.
    #[must_use]
    pub const fn has_timeouts(&self) -> bool {
        self.flags & NFT_SET_TIMEOUT != 0
    }
}

/// A rule as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRule {
    /// The chain it is in.
    pub chain: String,
    /// What the kernel calls it.
    pub handle: u64,
    /// The sets it looks into.
    pub sets: Vec<String>,
}

/// A change that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The place of the change in the transaction, from 0; `None` is the transaction as a whole.
    pub step: Option<usize>,
    /// What the change was about: `add element 192.0.2.7 of set addr-set-sshd in table f2b-table`.
    pub what: String,
    /// Why.
    pub errno: Errno,
    /// The kernel's explanation, where it has one.
    pub explanation: Option<String>,
    /// Whether it was about removing elements.
    pub deletes_elements: bool,
}

impl Refusal {
    /// Whether what it was about, or the set or table around it, is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.errno == Errno::NOENT
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, io::Error::from(self.errno))?;
        if let Some(explanation) = &self.explanation {
            write!(f, " ({explanation})")?;
        }
        Ok(())
    }
}

/// Why the firewall could not be changed or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process lacks the right.
    #[error("changing the firewall needs the capability CAP_NET_ADMIN, which this process does not have")]
    NotPermitted,
    /// The kernel cannot.
    #[error("the kernel has no nftables: neither built in nor as a module nf_tables that it can load")]
    NoNftables(#[source] io::Error),
    /// The kernel refused at least one change, and made none.
    #[error("the kernel refused to change the firewall: {}", list(.0))]
    Refused(Vec<Refusal>),
    /// The socket failed.
    #[error("talking to the kernel's firewall failed")]
    Socket(#[source] io::Error),
    /// The transaction has a name or a list too long for a message.
    #[error("a name is too long for the kernel's firewall")]
    TooLong,
    /// An answer makes no sense.
    #[error("the kernel's firewall gave an answer that makes no sense")]
    Garbled,
    /// No answer came.
    #[error("the kernel's firewall gave no answer; whether the change was made is not known")]
    Unanswered,
    /// What was read changed meanwhile, again and again.
    #[error("the firewall kept changing while it was read")]
    Unsteady,
}

fn list(refusals: &[Refusal]) -> String {
    let texts: Vec<_> = refusals.iter().map(Refusal::to_string).collect();
    texts.join("; ")
}

impl From<Garbled> for Error {
    fn from(_: Garbled) -> Self {
        Self::Garbled
    }
}

impl Error {
    fn socket(errno: Errno) -> Self {
        if errno == Errno::PERM {
            Self::NotPermitted
        } else {
            Self::Socket(errno.into())
        }
    }

    /// The refusals, where it is those.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        match self {
            Self::Refused(refusals) => refusals,
            Self::NotPermitted
            | Self::NoNftables(_)
            | Self::Socket(_)
            | Self::TooLong
            | Self::Garbled
            | Self::Unanswered
            | Self::Unsteady => &[],
        }
    }
}

/// Refusals told of one transaction; a thousand elements of a set that is gone would all say the same.
const REFUSALS: usize = 16;

/// How often a list is asked for again when it changed while it was read.
const LIST_ATTEMPTS: usize = 16;

/// A connection to the kernel's nftables.
#[derive(Debug)]
pub struct Nftables {
    socket: Socket,
    sequence: u32,
}

impl Nftables {
    /// Connects, and makes sure that the firewall is there and that this process may change it.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] and [`Error::NoNftables`] above all.
    pub fn open() -> Result<Self, Error> {
        let socket = Socket::open(protocols::NETFILTER).map_err(Error::NoNftables)?;
        let mut nftables = Self { socket, sequence: 1 };
        nftables.ask_generation()?;
        Ok(nftables)
    }

    /// How many elements, of the largest kind, fit into one transaction.
    #[must_use]
    pub fn most_elements(&self) -> usize {
        self.socket.largest_datagram() / transaction::LARGEST_ELEMENT
    }

    /// Makes the changes, all or none. An empty transaction is none.
    ///
    /// # Errors
    /// [`Error::Refused`] where the kernel made none of the changes; the others are told by [`Error`].
    pub fn commit(&mut self, transaction: &mut Transaction) -> Result<(), Error> {
        if transaction.is_empty() {
            return Ok(());
        }
        if transaction.writer.overflow() {
            return Err(Error::TooLong);
        }
        let count = u32::try_from(transaction.starts.len()).map_err(|_| Error::TooLong)?;
        let first = self.sequence;
        let last = first.wrapping_add(count - 1);
        self.sequence = last.wrapping_add(1);
        let sealed = transaction.seal(first);
        let sent = self.socket.send(transaction.writer.bytes());
        transaction.unseal(&sealed);
        sent.map_err(Error::socket)?;
        self.read_answers(transaction, first, last)
    }

    fn read_answers(&mut self, transaction: &Transaction, first: u32, last: u32) -> Result<(), Error> {
        let mut refusals = Vec::new();
        let mut acknowledged = false;
        let mut lost = false;
        loop {
            let datagram = match self.socket.receive() {
                Ok(Some(datagram)) => datagram,
                Ok(None) => break,
                // The kernel had more to say than the queue holds; what it says at length is refusals.
                Err(Errno::NOBUFS) => {
                    lost = true;
                    continue;
                }
                Err(errno) => return Err(Error::socket(errno)),
            };
            for message in netlink::messages(datagram) {
                let message = message?;
                let place = message.sequence.wrapping_sub(first);
                // An answer to an earlier transaction that was given up.
                if message.kind != netlink::ANSWER || place > last.wrapping_sub(first) {
                    continue;
                }
                let answer = netlink::answer(&message)?;
                match answer.refused {
                    None => acknowledged |= message.sequence == last,
                    Some(errno) if refusals.len() < REFUSALS => {
                        let place = usize::try_from(place).unwrap_or(usize::MAX);
                        refusals.push(transaction.refusal(place, errno, answer));
                    }
                    Some(_) => {}
                }
            }
            if acknowledged && refusals.is_empty() && !lost {
                return Ok(());
            }
        }
        match refusals.first() {
            Some(refusal) if refusal.step.is_none() && refusal.errno == Errno::PERM => {
                Err(Error::NotPermitted)
            }
            Some(_) => Err(Error::Refused(refusals)),
            None if acknowledged && !lost => Ok(()),
            None => Err(Error::Unanswered),
        }
    }

    /// The names of the tables of family `inet`.
    ///
    /// # Errors
    /// As told by [`Error`].
    pub fn list_tables(&mut self) -> Result<Vec<String>, Error> {
        self.list(
            NFPROTO_INET,
            NFT_MSG_GETTABLE,
            NFT_MSG_NEWTABLE,
            &[],
            |table, names| {
                names.extend(table.text(NFTA_TABLE_NAME));
            },
        )
    }

    /// The names of the chains of `table`; none where there is no such table.
    ///
    /// # Errors
    /// As told by [`Error`].
    pub fn list_chains(&mut self, table: &str) -> Result<Vec<String>, Error> {
        // The kernel lists the chains of all tables, whatever it is asked.
        self.list(
            NFPROTO_INET,
            NFT_MSG_GETCHAIN,
            NFT_MSG_NEWCHAIN,
            &[],
            |chain, names| {
                if chain.text(NFTA_CHAIN_TABLE).as_deref() == Some(table) {
                    names.extend(chain.text(NFTA_CHAIN_NAME));
                }
            },
        )
    }

    /// The sets of `table`; none where there is no such table.
    ///
    /// # Errors
    /// As told by [`Error`].
    pub fn list_sets(&mut self, table: &str) -> Result<Vec<ListedSet>, Error> {
        let asked = [(NFTA_SET_TABLE, table)];
        self.list(
            NFPROTO_INET,
            NFT_MSG_GETSET,
            NFT_MSG_NEWSET,
            &asked,
            |set, sets| {
                if let Some(name) = set.text(NFTA_SET_NAME) {
                    let flags = set.be32(NFTA_SET_FLAGS).unwrap_or_default();
                    sets.push(ListedSet {
                        name,
                        anonymous: flags & NFT_SET_ANONYMOUS != 0,
                        key_type: set.be32(NFTA_SET_KEY_TYPE).unwrap_or_default(),
                        flags,
                    });
                }
            },
        )
    }

    /// The rules of all chains of `table`; none where there is no such table.
    ///
    /// # Errors
    /// As told by [`Error`].
    pub fn list_rules(&mut self, table: &str) -> Result<Vec<ListedRule>, Error> {
        let asked = [(NFTA_RULE_TABLE, table)];
        self.list(
            NFPROTO_INET,
            NFT_MSG_GETRULE,
            NFT_MSG_NEWRULE,
            &asked,
            |rule, rules| {
                if let (Some(chain), Some(handle)) = (rule.text(NFTA_RULE_CHAIN), rule.be64(NFTA_RULE_HANDLE))
                {
                    rules.push(ListedRule {
                        chain,
                        handle,
                        sets: rule::sets_looked_into(rule),
                    });
                }
            },
        )
    }

    /// The elements of `set` in ascending order; none where there is no such set.
    ///
    /// # Errors
    /// As told by [`Error`].
    pub fn list_elements(&mut self, set: &Set<'_>) -> Result<Vec<Held>, Error> {
        let asked = [
            (NFTA_SET_ELEM_LIST_TABLE, set.table),
            (NFTA_SET_ELEM_LIST_SET, set.name),
        ];
        let edges = self.list(
            NFPROTO_INET,
            NFT_MSG_GETSETELEM,
            NFT_MSG_NEWSETELEM,
            &asked,
            |list, edges| {
                edges.extend(
                    list.nested(NFTA_SET_ELEM_LIST_ELEMENTS)
                        .filter_map(|(_, element)| ListedEdge::read(&netlink::attributes(element))),
                );
            },
        )?;
        Ok(held(edges, set.interval))
    }

    /// Whether `set`, one of single addresses, holds `address`; not where there is no such set. It takes no longer for
    /// many elements than for few.
    ///
    /// # Errors
    /// As told by [`Error`].
    pub fn has_element(&mut self, set: &Set<'_>, address: IpAddr) -> Result<bool, Error> {
        let sequence = self.ask_with(NFPROTO_INET, NFT_MSG_GETSETELEM, 0, |writer| {
            writer.text(NFTA_SET_ELEM_LIST_TABLE, set.table);
            writer.text(NFTA_SET_ELEM_LIST_SET, set.name);
            let list = writer.nested(NFTA_SET_ELEM_LIST_ELEMENTS);
            let element = writer.nested(NFTA_LIST_ELEM);
            let key = writer.nested(NFTA_SET_ELEM_KEY);
            match address {
                IpAddr::V4(address) => writer.attribute(NFTA_DATA_VALUE, &address.octets()),
                IpAddr::V6(address) => writer.attribute(NFTA_DATA_VALUE, &address.octets()),
            }
            writer.end_nested(key);
            writer.end_nested(element);
            writer.end_nested(list);
        })?;
        while let Some(datagram) = self.socket.receive().map_err(Error::socket)? {
            for message in netlink::messages(datagram) {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                if message.kind == NFT_MSG_NEWSETELEM {
                    return Ok(true);
                }
                match end_of_list(&message)? {
                    Some(Err(Errno::NOENT)) => return Ok(false),
                    Some(Err(errno)) => return Err(Error::socket(errno)),
                    Some(Ok(())) | None => {}
                }
            }
        }
        Err(Error::Unanswered)
    }

    /// Asks for the number of the rule set's generation, for which the kernel loads nf_tables and checks the right.
    fn ask_generation(&mut self) -> Result<(), Error> {
        let sequence = self.ask(NFPROTO_INET, NFT_MSG_GETGEN, 0, &[])?;
        while let Some(datagram) = self.socket.receive().map_err(Error::socket)? {
            for message in netlink::messages(datagram) {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                match message.kind {
                    NFT_MSG_NEWGEN => return Ok(()),
                    netlink::ANSWER => {
                        return match netlink::answer(&message)?.refused {
                            Some(Errno::PERM) => Err(Error::NotPermitted),
                            Some(errno) => Err(Error::NoNftables(errno.into())),
                            None => Err(Error::Garbled),
                        };
                    }
                    _ => {}
                }
            }
        }
        Err(Error::Unanswered)
    }

    fn ask(&mut self, family: u8, kind: u16, flags: u16, attributes: &[(u16, &str)]) -> Result<u32, Error> {
        self.ask_with(family, kind, flags, |writer| {
            for (kind, text) in attributes {
                writer.text(*kind, text);
            }
        })
    }

    fn ask_with(
        &mut self,
        family: u8,
        kind: u16,
        flags: u16,
        write: impl FnOnce(&mut Writer),
    ) -> Result<u32, Error> {
        let mut writer = Writer::default();
        let message = writer.message(kind, flags, family, 0);
        write(&mut writer);
        writer.end_message(message);
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        writer.set_sequence(0, sequence);
        if writer.overflow() {
            return Err(Error::TooLong);
        }
        self.socket.send(writer.bytes()).map_err(Error::socket)?;
        Ok(sequence)
    }

    /// Asks for a list, again where it changed while it was read.
    fn list<T>(
        &mut self,
        family: u8,
        kind: u16,
        answered_by: u16,
        attributes: &[(u16, &str)],
        mut read: impl FnMut(&Attributes<'_>, &mut Vec<T>),
    ) -> Result<Vec<T>, Error> {
        for _ in 0..LIST_ATTEMPTS {
            let mut items = Vec::new();
            let sequence = self.ask(family, kind, netlink::DUMP, attributes)?;
            if self.read_list(sequence, answered_by, |item| read(item, &mut items))? == Whole::Yes {
                return Ok(items);
            }
        }
        Err(Error::Unsteady)
    }

    fn read_list(
        &mut self,
        sequence: u32,
        answered_by: u16,
        mut read: impl FnMut(&Attributes<'_>),
    ) -> Result<Whole, Error> {
        let mut whole = Whole::Yes;
        while let Some(datagram) = self.socket.receive().map_err(Error::socket)? {
            for message in netlink::messages(datagram) {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                if message.flags & netlink::DUMP_INTERRUPTED != 0 {
                    whole = Whole::No;
                }
                match end_of_list(&message)? {
                    None if message.kind == answered_by => read(&message.attributes()),
                    None => {}
                    Some(Ok(())) => return Ok(whole),
                    // There is no such table or set, and so nothing in it.
                    Some(Err(Errno::NOENT)) => return Ok(Whole::Yes),
                    Some(Err(Errno::INTR)) => return Ok(Whole::No),
                    Some(Err(errno)) => return Err(Error::socket(errno)),
                }
            }
        }
        Err(Error::Unanswered)
    }
}

/// Whether a list is as it was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

/// Whether `message` ends a list, and how.
fn end_of_list(message: &Message<'_>) -> Result<Option<Result<(), Errno>>, Garbled> {
    match message.kind {
        netlink::DONE => {
            let number = message
                .payload
                .first_chunk()
                .map_or(0, |bytes| i32::from_ne_bytes(*bytes));
            Ok(Some(if number < 0 {
                Err(Errno::from_raw_os_error(number.saturating_neg()))
            } else {
                Ok(())
            }))
        }
        netlink::ANSWER => Ok(Some(match netlink::answer(message)?.refused {
            Some(errno) => Err(errno),
            None => Ok(()),
        })),
        _ => Ok(None),
    }
}

/// The beginning of an element, or the end of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ListedEdge {
    key: IpAddr,
    ends: bool,
    timeout_ms: Option<u64>,
    expires_ms: Option<u64>,
}

impl ListedEdge {
    fn read(element: &Attributes<'_>) -> Option<Self> {
        let flags = element.be32(NFTA_SET_ELEM_FLAGS).unwrap_or_default();
        Some(Self {
            key: address(element.nested(NFTA_SET_ELEM_KEY).get(NFTA_DATA_VALUE)?)?,
            ends: flags & NFT_SET_ELEM_INTERVAL_END != 0,
            timeout_ms: element
                .be64(NFTA_SET_ELEM_TIMEOUT)
                .filter(|timeout| *timeout != 0),
            expires_ms: element.be64(NFTA_SET_ELEM_EXPIRATION),
        })
    }

    fn held(self, last: IpAddr) -> Held {
        Held {
            element: Element {
                first: self.key,
                last,
                timeout_ms: self.timeout_ms,
            },
            expires_ms: self.expires_ms.filter(|_| self.timeout_ms.is_some()),
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    <[u8; 16]>::try_from(bytes)
        .ok()
        .map(|bytes| Ipv6Addr::from(bytes).into())
}

/// Elements out of their edges, in ascending order.
fn held(edges: Vec<ListedEdge>, interval: bool) -> Vec<Held> {
    let mut ends: BTreeMap<IpAddr, ()> = BTreeMap::new();
    let mut begins: BTreeMap<IpAddr, ListedEdge> = BTreeMap::new();
    for edge in edges {
        if edge.ends {
            ends.insert(edge.key, ());
        } else {
            begins.insert(edge.key, edge);
        }
    }
    begins
        .values()
        .map(|begin| {
            let end = ends
                .range(begin.key..)
                .map(|(key, ())| *key)
                .find(|key| *key > begin.key);
            begin.held(if interval {
                last_before(end, begin.key)
            } else {
                begin.key
            })
        })
        .collect()
}

/// The last address of an interval that ends before `end`, or that has no end.
fn last_before(end: Option<IpAddr>, begin: IpAddr) -> IpAddr {
    match (end, begin) {
        (Some(IpAddr::V4(end)), _) => Ipv4Addr::from_bits(end.to_bits().saturating_sub(1)).into(),
        (Some(IpAddr::V6(end)), _) => Ipv6Addr::from_bits(end.to_bits().saturating_sub(1)).into(),
        (None, IpAddr::V4(_)) => Ipv4Addr::BROADCAST.into(),
        (None, IpAddr::V6(_)) => Ipv6Addr::from_bits(u128::MAX).into(),
    }
}
