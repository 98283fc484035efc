//! Several changes of the firewall that happen together or not at all.
//!
//! In: tables, chains, sets, rules and elements to make or to remove. Out: the bytes of one batch.
//!
//! Invariant: the kernel sees no state in between; where it refuses one change, none of them happened.

use std::net::IpAddr;

use rustix::io::Errno;

use super::kernel::*;
use super::rule::{AnonymousSet, Edge, Rule};
use super::{BaseChain, Element, Family, Refusal, Set};
use crate::netlink::{self, Answer, Message, Start, Writer};

/// The bytes that an element takes at most: an IPv6 network with a timeout, and its share of the message's header.
pub(super) const LARGEST_ELEMENT: usize = 80;

/// Elements in one message: their list has a length of 16 bits.
const ELEMENTS_A_MESSAGE: usize = 512;

/// Changes in the making.
#[derive(Debug)]
pub struct Transaction {
    pub(super) writer: Writer,
    /// Where each message begins, that which opens the batch first.
    pub(super) starts: Vec<usize>,
    anonymous_sets: u32,
}

impl Default for Transaction {
    fn default() -> Self {
        Self::new()
    }
}

impl Transaction {
    /// A transaction that changes nothing.
    #[must_use]
    pub fn new() -> Self {
        let mut transaction = Self {
            writer: Writer::default(),
            starts: Vec::new(),
            anonymous_sets: 0,
        };
        transaction.clear();
        transaction
    }

    /// Forgets all changes and keeps the memory they took.
    pub fn clear(&mut self) {
        self.writer.clear();
        self.starts.clear();
        self.anonymous_sets = 0;
        self.frame(NFNL_MSG_BATCH_BEGIN);
    }

    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.starts.len() <= 1
    }

    /// Makes the table, unless it is there.
    pub fn add_table(&mut self, table: &str) {
        let message = self.begin(NFT_MSG_NEWTABLE, netlink::CREATE);
        self.writer.text(NFTA_TABLE_NAME, table);
        self.writer.be32(NFTA_TABLE_FLAGS, 0);
        self.end(message);
    }

    /// Makes the chain, unless it is there; one of that name that hangs elsewhere is an error.
    pub fn add_chain(&mut self, table: &str, chain: &str, base: &BaseChain) {
        let message = self.begin(NFT_MSG_NEWCHAIN, netlink::CREATE);
        self.writer.text(NFTA_CHAIN_TABLE, table);
        self.writer.text(NFTA_CHAIN_NAME, chain);
        self.writer.text(NFTA_CHAIN_TYPE, "filter");
        let hook = self.writer.nested(NFTA_CHAIN_HOOK);
        self.writer.be32(NFTA_HOOK_HOOKNUM, base.hook.number());
        self.writer
            .be32(NFTA_HOOK_PRIORITY, base.priority.cast_unsigned());
        self.writer.end_nested(hook);
        self.end(message);
    }

    /// Makes the set, unless it is there; one of that name and of another kind is an error.
    pub fn add_set(&mut self, set: &Set<'_>) {
        let message = self.begin(NFT_MSG_NEWSET, netlink::CREATE);
        self.writer.text(NFTA_SET_TABLE, set.table);
        self.writer.text(NFTA_SET_NAME, set.name);
        self.writer.be32(NFTA_SET_FLAGS, set.flags());
        let (kind, length) = set.family.key();
        self.writer.be32(NFTA_SET_KEY_TYPE, kind);
        self.writer.be32(NFTA_SET_KEY_LEN, length);
        // An identifier is asked for, and nothing refers to it: sets that we name are found by their names.
        self.writer.be32(NFTA_SET_ID, u32::MAX);
        self.writer.attribute(NFTA_SET_USERDATA, &UDATA_KEY_NETWORK_ORDER);
        self.end(message);
    }

    /// Appends the rule to the chain, whether or not one like it is there.
    pub fn add_rule(&mut self, table: &str, chain: &str, rule: &Rule<'_>) {
        rule.write(self, table, chain);
    }

    /// Adds the elements; one that is there already stays as it is.
    pub fn add_elements(&mut self, set: &Set<'_>, elements: &[Element]) {
        for some in elements.chunks(ELEMENTS_A_MESSAGE) {
            self.elements(NFT_MSG_NEWSETELEM, netlink::CREATE, set, some);
        }
    }

    /// Removes the elements; one that is not there is an error.
    pub fn delete_elements(&mut self, set: &Set<'_>, elements: &[Element]) {
        for some in elements.chunks(ELEMENTS_A_MESSAGE) {
            self.elements(NFT_MSG_DELSETELEM, 0, set, some);
        }
    }

    /// Removes all elements.
    pub fn flush_set(&mut self, set: &Set<'_>) {
        let message = self.begin(NFT_MSG_DELSETELEM, 0);
        self.writer.text(NFTA_SET_ELEM_LIST_TABLE, set.table);
        self.writer.text(NFTA_SET_ELEM_LIST_SET, set.name);
        self.end(message);
    }

    /// Removes the set; one that a rule looks into is an error.
    pub fn delete_set(&mut self, table: &str, set: &str) {
        let message = self.begin(NFT_MSG_DELSET, 0);
        self.writer.text(NFTA_SET_TABLE, table);
        self.writer.text(NFTA_SET_NAME, set);
        self.end(message);
    }

    /// Removes the rule, and with it the anonymous sets that are its own.
    pub fn delete_rule(&mut self, table: &str, chain: &str, handle: u64) {
        let message = self.begin(NFT_MSG_DELRULE, 0);
        self.writer.text(NFTA_RULE_TABLE, table);
        self.writer.text(NFTA_RULE_CHAIN, chain);
        self.writer.be64(NFTA_RULE_HANDLE, handle);
        self.end(message);
    }

    /// Removes the table and all that is in it.
    pub fn delete_table(&mut self, table: &str) {
        let message = self.begin(NFT_MSG_DELTABLE, 0);
        self.writer.text(NFTA_TABLE_NAME, table);
        self.end(message);
    }

    /// Closes the batch, numbers its messages from `first`, and asks for one acknowledgement: of the last change,
    /// which the kernel gives after it has made them all.
    pub(super) fn seal(&mut self, first: u32) -> Sealed {
        let last = self.starts.last().copied().unwrap_or_default();
        let flags = self.writer.flags(last);
        self.writer.set_flags(last, flags | netlink::ACKNOWLEDGE);
        for (sequence, start) in (0..).zip(&self.starts) {
            self.writer.set_sequence(*start, first.wrapping_add(sequence));
        }
        let length = self.writer.len();
        self.frame(NFNL_MSG_BATCH_END);
        // The frame is not a change.
        self.starts.pop();
        Sealed { length, last, flags }
    }

    /// Opens a sealed batch again.
    pub(super) fn unseal(&mut self, sealed: &Sealed) {
        self.writer.truncate(sealed.length);
        self.writer.set_flags(sealed.last, sealed.flags);
    }

    fn frame(&mut self, kind: u16) {
        self.starts.push(self.writer.len());
        let message = self.writer.message(kind, 0, 0, NFNL_SUBSYS_NFTABLES);
        self.writer.end_message(message);
    }

    pub(super) fn begin(&mut self, kind: u16, flags: u16) -> Start {
        self.begin_in(NFPROTO_INET, kind, flags)
    }

    /// Begins a change of a table of another family than `inet`.
    pub(super) fn begin_in(&mut self, family: u8, kind: u16, flags: u16) -> Start {
        self.starts.push(self.writer.len());
        self.writer.message(kind, flags, family, 0)
    }

    pub(super) fn end(&mut self, message: Start) {
        self.writer.end_message(message);
    }

    /// Makes a set without a name and returns what the transaction calls it.
    pub(super) fn begin_anonymous(&mut self, table: &str, set: &AnonymousSet<'_>) -> u32 {
        self.anonymous_sets += 1;
        let id = self.anonymous_sets;
        let message = self.begin(NFT_MSG_NEWSET, netlink::CREATE);
        self.writer.text(NFTA_SET_TABLE, table);
        self.writer.text(NFTA_SET_NAME, super::rule::ANONYMOUS);
        let flags = NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | set.flags;
        self.writer.be32(NFTA_SET_FLAGS, flags);
        self.writer.be32(NFTA_SET_KEY_TYPE, set.key.0);
        self.writer.be32(NFTA_SET_KEY_LEN, set.key.1);
        self.writer.be32(NFTA_SET_ID, id);
        let description = self.writer.nested(NFTA_SET_DESC);
        self.writer
            .be32(NFTA_SET_DESC_SIZE, u32::try_from(set.size).unwrap_or(u32::MAX));
        self.writer.end_nested(description);
        self.writer.attribute(NFTA_SET_USERDATA, &set.notes.concat());
        self.end(message);
        id
    }

    /// Fills a set without a name.
    pub(super) fn add_keys<'k>(
        &mut self,
        table: &str,
        id: u32,
        keys: impl Iterator<Item = (&'k [u8], Edge)>,
    ) {
        let message = self.begin(NFT_MSG_NEWSETELEM, netlink::CREATE);
        self.writer.text(NFTA_SET_ELEM_LIST_TABLE, table);
        self.writer.text(NFTA_SET_ELEM_LIST_SET, super::rule::ANONYMOUS);
        self.writer.be32(NFTA_SET_ELEM_LIST_SET_ID, id);
        let list = self.writer.nested(NFTA_SET_ELEM_LIST_ELEMENTS);
        for (key, edge) in keys {
            self.element(key, edge, None);
        }
        self.writer.end_nested(list);
        self.end(message);
    }

    fn elements(&mut self, kind: u16, flags: u16, set: &Set<'_>, elements: &[Element]) {
        let message = self.begin(kind, flags);
        self.writer.text(NFTA_SET_ELEM_LIST_TABLE, set.table);
        self.writer.text(NFTA_SET_ELEM_LIST_SET, set.name);
        let list = self.writer.nested(NFTA_SET_ELEM_LIST_ELEMENTS);
        for element in elements {
            let timeout = element.timeout_ms.filter(|_| kind == NFT_MSG_NEWSETELEM);
            match (element.first, element.last) {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    let past = last.to_bits().checked_add(1).map(u32::to_be_bytes);
                    self.bounds(
                        set,
                        &first.octets(),
                        past.as_ref().map(<[u8; 4]>::as_slice),
                        timeout,
                    );
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => {
                    let past = last.to_bits().checked_add(1).map(u128::to_be_bytes);
                    self.bounds(
                        set,
                        &first.octets(),
                        past.as_ref().map(<[u8; 16]>::as_slice),
                        timeout,
                    );
                }
                // Nothing makes such an element, and the kernel would have no place for it.
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
            }
        }
        self.writer.end_nested(list);
        self.end(message);
    }

    /// Writes one element: its key, and in a set of intervals the first key past it.
    fn bounds(&mut self, set: &Set<'_>, first: &[u8], past: Option<&[u8]>, timeout: Option<u64>) {
        match (set.interval, past) {
            (false, _) => self.element(first, Edge::Single, timeout),
            (true, Some(past)) => {
                self.element(first, Edge::Single, timeout);
                self.element(past, Edge::End, None);
            }
            (true, None) => self.element(first, Edge::Open, timeout),
        }
    }

    fn element(&mut self, key: &[u8], edge: Edge, timeout: Option<u64>) {
        let writer = &mut self.writer;
        let element = writer.nested(NFTA_LIST_ELEM);
        if edge == Edge::End {
            writer.be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
        }
        if let Some(timeout) = timeout {
            writer.be64(NFTA_SET_ELEM_TIMEOUT, timeout);
        }
        let data = writer.nested(NFTA_SET_ELEM_KEY);
        writer.attribute(NFTA_DATA_VALUE, key);
        writer.end_nested(data);
        if edge == Edge::Open {
            writer.attribute(NFTA_SET_ELEM_USERDATA, &UDATA_INTERVAL_OPEN);
        }
        writer.end_nested(element);
    }
}

/// What [`Transaction::seal`] changed.
pub(super) struct Sealed {
    length: usize,
    last: usize,
    flags: u16,
}

impl Family {
    /// `nft`'s number for the type of the address, and its length in bytes.
    const fn key(self) -> (u32, u32) {
        match self {
            Self::Inet4 => (TYPE_IPADDR, 4),
            Self::Inet6 => (TYPE_IP6ADDR, 16),
        }
    }
}

impl Transaction {
    /// What the kernel's answer to the message at `place` was about; place 0 opened the batch.
    pub(super) fn refusal(&self, place: usize, errno: Errno, answer: Answer) -> Refusal {
        let mut refusal = Refusal {
            step: place.checked_sub(1),
            what: "the transaction as a whole".to_owned(),
            errno,
            explanation: answer.explanation,
            deletes_elements: false,
        };
        let message = self
            .starts
            .get(place)
            .and_then(|start| self.writer.bytes().get(*start..))
            .and_then(|bytes| netlink::messages(bytes).next());
        if let Some(Ok(message)) = message
            && place > 0
        {
            refusal.what = what(&message, answer.offset);
            refusal.deletes_elements = message.kind == NFT_MSG_DELSETELEM;
        }
        refusal
    }
}

/// A message in the words of the `nft` command.
fn what(message: &Message<'_>, offset: Option<usize>) -> String {
    let attributes = message.attributes();
    // Every kind of message has the table's name first and, where it has one, the object's own next.
    let table = attributes.text(NFTA_TABLE_NAME).unwrap_or_default();
    let name = |kind| attributes.text(kind).unwrap_or_default();
    match message.kind {
        NFT_MSG_NEWTABLE => format!("add table {table}"),
        NFT_MSG_DELTABLE => format!("delete table {table}"),
        NFT_MSG_NEWCHAIN => format!("add chain {} in table {table}", name(NFTA_CHAIN_NAME)),
        NFT_MSG_DELCHAIN => format!("delete chain {} of table {table}", name(NFTA_CHAIN_NAME)),
        NFT_MSG_NEWRULE => format!("add rule to chain {} in table {table}", name(NFTA_RULE_CHAIN)),
        NFT_MSG_DELRULE => format!("delete rule of chain {} in table {table}", name(NFTA_RULE_CHAIN)),
        NFT_MSG_NEWSET => format!("add set {} in table {table}", name(NFTA_SET_NAME)),
        NFT_MSG_DELSET => format!("delete set {} in table {table}", name(NFTA_SET_NAME)),
        NFT_MSG_NEWSETELEM | NFT_MSG_DELSETELEM => {
            let verb = if message.kind == NFT_MSG_NEWSETELEM {
                "add"
            } else {
                "delete"
            };
            let set = name(NFTA_SET_ELEM_LIST_SET);
            match offset.and_then(|offset| element_at(message, offset)) {
                Some(element) => format!("{verb} element {element} of set {set} in table {table}"),
                None => format!("{verb} elements of set {set} in table {table}"),
            }
        }
        kind => format!("message of kind {kind:#x}"),
    }
}

/// The element that stands at `offset` bytes of the message.
fn element_at(message: &Message<'_>, offset: usize) -> Option<IpAddr> {
    let attributes = message.attributes();
    let list = attributes.get(NFTA_SET_ELEM_LIST_ELEMENTS)?;
    // The list is the last attribute, so it ends with the message.
    let begins = netlink::HEADER + message.payload.len() - list.len();
    let mut elements = netlink::attributes(list);
    let mut place = begins;
    while let Some((_, element)) = elements.next() {
        let past = netlink::HEADER + message.payload.len() - elements.rest_length();
        if (place..past).contains(&offset) {
            let key = netlink::attributes(element).nested(NFTA_SET_ELEM_KEY);
            return super::address(key.get(NFTA_DATA_VALUE)?);
        }
        place = past;
    }
    None
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use std::fmt::Write as _;

    use super::super::{Element, Family, Set};
    use super::Transaction;

    fn hex(bytes: &[u8]) -> String {
        let mut text = String::new();
        for byte in bytes {
            write!(text, "{byte:02x}").unwrap();
        }
        text
    }

    /// The frame around every batch, the closing one with its sequence number.
    const OPEN: &str = "1400000010000100000000000000000000 00000a";

    #[test]
    fn elements_are_encoded_as_nft_encodes_them() {
        let timeout_ms = Some(600_000);
        let cases = [
            (
                "an address with a timeout",
                (Family::Inet4, false),
                ("192.0.2.7", "192.0.2.7"),
                "200003801c0001800c00040000000000000927c00c00018008000100c0000207",
            ),
            (
                "a network with a timeout",
                (Family::Inet6, true),
                ("2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"),
                "50000380\
                 280001800c00040000000000000927c0180001801400010020010db8000000000000000000000000\
                 240001800800030000000001180001801400010020010db8000000010000000000000000",
            ),
            (
                "a network up to the last address",
                (Family::Inet4, true),
                ("240.0.0.0", "255.255.255.255"),
                "2c000380280001800c00040000000000000927c00c00018008000100f00000000a00060001040100000000 00",
            ),
        ];
        for (name, (family, interval), (first, last), list) in cases {
            let set = Set {
                table: "t",
                name: "s",
                family,
                interval,
            };
            let element = Element {
                first: first.parse().unwrap(),
                last: last.parse().unwrap(),
                timeout_ms,
            };
            let mut transaction = Transaction::new();
            transaction.add_elements(&set, &[element]);
            let list = list.replace(' ', "");
            let length = u8::try_from(36 + list.len() / 2).unwrap();
            let expected = format!(
                "{}{length:02x}0000000c0a010400000000000000000100000006000100740000000600020073000000{list}",
                OPEN.replace(' ', "")
            );
            assert_eq!(hex(transaction.writer.bytes()), expected, "{name}");
        }
    }

    #[test]
    fn a_sealed_batch_asks_for_one_acknowledgement_and_opens_again() {
        let mut transaction = Transaction::new();
        assert!(transaction.is_empty());
        transaction.add_table("t");
        transaction.delete_table("t");
        assert!(!transaction.is_empty());
        let before = transaction.writer.bytes().to_vec();
        let sealed = transaction.seal(7);
        let text = hex(transaction.writer.bytes());
        let parts = [
            "14000000 1000 0100 07000000 00000000 00 00 000a",
            "24000000 000a 0104 08000000 00000000 01 00 0000 06000100 74000000 08000200 00000000",
            "1c000000 020a 0500 09000000 00000000 01 00 0000 06000100 74000000",
            "14000000 1100 0100 00000000 00000000 00 00 000a",
        ];
        assert_eq!(text, parts.concat().replace(' ', ""));
        transaction.unseal(&sealed);
        assert_eq!(transaction.writer.bytes().len(), before.len());
        transaction.clear();
        assert!(transaction.is_empty());
    }
}
