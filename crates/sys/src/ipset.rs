//! The kernel's ipset: sets of the type `hash:ip` changed and read over netlink.
//!
//! In: sets and their elements. Out: nothing where it was done, and else what the kernel refused, in ipset's words.
//!
//! Invariant: every answer is read. Elements are no transaction: where one is refused the others are as they were asked
//! to be, and it is told which one.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::io::Errno;
use rustix::net::netlink as protocols;

use crate::netlink::{self, Attributes, Garbled, Message, Socket, Start, Writer};
use crate::nftables::{Element, Family, Held};

const NFNL_SUBSYS_IPSET: u16 = 6;

const fn message(number: u16) -> u16 {
    NFNL_SUBSYS_IPSET << 8 | number
}

// The commands, under the names they have in `linux/netfilter/ipset/ip_set.h`.
const IPSET_CMD_PROTOCOL: u16 = message(1);
const IPSET_CMD_CREATE: u16 = message(2);
const IPSET_CMD_DESTROY: u16 = message(3);
const IPSET_CMD_FLUSH: u16 = message(4);
const IPSET_CMD_LIST: u16 = message(7);
const IPSET_CMD_ADD: u16 = message(9);
const IPSET_CMD_DEL: u16 = message(10);
const IPSET_CMD_TYPE: u16 = message(13);
const IPSET_CMD_GET_BYNAME: u16 = message(14);

const IPSET_ATTR_PROTOCOL: u16 = 1;
const IPSET_ATTR_SETNAME: u16 = 2;
const IPSET_ATTR_TYPENAME: u16 = 3;
const IPSET_ATTR_REVISION: u16 = 4;
const IPSET_ATTR_FAMILY: u16 = 5;
const IPSET_ATTR_FLAGS: u16 = 6;
const IPSET_ATTR_DATA: u16 = 7;
const IPSET_ATTR_ADT: u16 = 8;
const IPSET_ATTR_LINENO: u16 = 9;
const IPSET_ATTR_INDEX: u16 = 11;

const IPSET_ATTR_IP: u16 = 1;
const IPSET_ATTR_CIDR: u16 = 3;
const IPSET_ATTR_TIMEOUT: u16 = 6;
const IPSET_ATTR_MAXELEM: u16 = 19;
const IPSET_ATTR_ELEMENTS: u16 = 24;

const IPSET_ATTR_IPADDR_IPV4: u16 = 1;
const IPSET_ATTR_IPADDR_IPV6: u16 = 2;

/// `NLA_F_NET_BYTEORDER`.
const NET_BYTEORDER: u16 = 0x4000;
/// `IPSET_FLAG_LIST_HEADER`: a list without the elements.
const LIST_HEADER: u32 = 1 << 2;

/// The newest version of the protocol, and the oldest that can tell the number of a set.
const PROTOCOL: u8 = 7;
const TYPE: &str = "hash:ip";
/// The newest revision of the type that is known here; the kernel may know others.
const REVISION: u8 = 6;

/// Elements in one message, so that the kernel's answer, which repeats the message, fits into what is read at a time.
const ELEMENTS_A_MESSAGE: usize = 500;

/// Refusals told of one change; beyond them more would say the same.
const REFUSALS: usize = 16;

/// Refusals at which the rest of a change is given up: each costs a message of its own.
const MOST_REFUSALS: usize = 1000;

/// A set of single addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpSet<'a> {
    /// Its name.
    pub name: &'a str,
    /// The family of its elements.
    pub family: Family,
    /// How many it may have.
    pub maxelem: u32,
    /// The timeout in seconds of what is added without one; 0 for none.
    pub timeout: u32,
}

/// A set as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedIpSet {
    kind: String,
    family: Option<u8>,
    has_timeouts: bool,
    /// How many elements it has.
    pub elements: Option<u32>,
}

impl ListedIpSet {
    /// Whether elements can be added to it as to `set`.
    #[must_use]
    pub fn serves_as(&self, set: &IpSet<'_>) -> bool {
        self.kind == TYPE && self.family == Some(set.family.number()) && self.has_timeouts
    }
}

/// Something that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it was about: `add 192.0.2.7 to set f2b-sshd`.
    pub what: String,
    /// The number of the error: one of the system's, or from 4097 on one of ipset's.
    number: i32,
}

/// Numbers of errors that are ipset's own.
const NO_TYPE: i32 = 4098;
const TOO_MANY_SETS: i32 = 4099;
const BUSY: i32 = 4100;
const OTHER_KIND: i32 = 4102;
const IS_THERE: i32 = 4103;
const BAD_PREFIX: i32 = 4104;
const BAD_FAMILY: i32 = 4106;
const BAD_TIMEOUT: i32 = 4107;
const REFERENCED: i32 = 4108;
const FULL: i32 = 4352;

impl Refusal {
    /// Whether the set that it was about is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.number == Errno::NOENT.raw_os_error()
    }

    /// Whether a rule looks into the set.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self.number, BUSY | REFERENCED)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, number } = self;
        write!(f, "{what}: ")?;
        f.write_str(match *number {
            NO_TYPE => "the kernel has no sets of the type hash:ip, neither built in nor as a module",
            TOO_MANY_SETS => "there are as many sets as there can be",
            BUSY | REFERENCED => "a rule or another set uses it",
            OTHER_KIND => "a set of that name is of another type",
            IS_THERE => "it is there already, and made otherwise",
            BAD_PREFIX => "the set takes single addresses, and no such network",
            BAD_FAMILY => "the set is of the other family",
            BAD_TIMEOUT => "the set has no timeouts",
            FULL => "the set is full: maxelem says how many it may have",
            number if number == Errno::NOENT.raw_os_error() => "there is no set of that name",
            number => return write!(f, "{} (error {number})", io::Error::from_raw_os_error(number)),
        })
    }
}

/// Why a set could not be changed or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process lacks the right.
    #[error("changing sets of ipset needs the capability CAP_NET_ADMIN, which this process does not have")]
    NotPermitted,
    /// The kernel cannot.
    #[error(
        "the kernel has no ipset that speaks version 7 of its protocol, neither built in nor as a module ip_set"
    )]
    NoIpset,
    /// The kernel refused something.
    #[error("the kernel refused to change sets: {}", list(.0))]
    Refused(Vec<Refusal>),
    /// The socket failed.
    #[error("talking to the kernel's ipset failed")]
    Socket(#[source] io::Error),
    /// A name is too long for a message.
    #[error("a name is too long for the kernel's ipset")]
    TooLong,
    /// An answer makes no sense.
    #[error("the kernel's ipset gave an answer that makes no sense")]
    Garbled,
    /// No answer came.
    #[error("the kernel's ipset gave no answer; whether the change was made is not known")]
    Unanswered,
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
            | Self::NoIpset
            | Self::Socket(_)
            | Self::TooLong
            | Self::Garbled
            | Self::Unanswered => &[],
        }
    }
}

/// How the kernel answered a message.
#[derive(Debug)]
enum Answered {
    Done,
    /// With the number of the error, and in a message of many elements the place of the one it is about.
    Refused(i32, Option<usize>),
}

/// A connection to the kernel's ipset.
#[derive(Debug)]
pub struct Ipset {
    socket: Socket,
    writer: Writer,
    sequence: u32,
    revision: u8,
}

impl Ipset {
    /// Connects, and makes sure that there are sets and that this process may change them.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] and [`Error::NoIpset`] above all.
    pub fn open() -> Result<Self, Error> {
        let mut ipset = Self {
            socket: Socket::open(protocols::NETFILTER).map_err(|_| Error::NoIpset)?,
            writer: Writer::default(),
            sequence: 1,
            revision: 0,
        };
        let spoken = ipset.ask(
            IPSET_CMD_PROTOCOL,
            |_| {},
            |answer| byte(answer, IPSET_ATTR_PROTOCOL),
        )?;
        if spoken < Some(PROTOCOL) {
            return Err(Error::NoIpset);
        }
        // The kernel loads the type for this.
        let revision = ipset.ask(
            IPSET_CMD_TYPE,
            |writer| {
                writer.text(IPSET_ATTR_TYPENAME, TYPE);
                writer.attribute(IPSET_ATTR_FAMILY, &[Family::Inet4.number()]);
            },
            |answer| byte(answer, IPSET_ATTR_REVISION),
        )?;
        ipset.revision = revision.unwrap_or_default().min(REVISION);
        Ok(ipset)
    }

    /// Makes a set, unless there is one that was made just so.
    ///
    /// # Errors
    /// [`Error::Refused`] where one of that name was made otherwise, or there can be no more.
    pub fn create(&mut self, set: &IpSet<'_>) -> Result<(), Error> {
        let revision = self.revision;
        let start = self.begin(IPSET_CMD_CREATE, netlink::CREATE | netlink::ACKNOWLEDGE);
        self.writer.text(IPSET_ATTR_SETNAME, set.name);
        self.writer.text(IPSET_ATTR_TYPENAME, TYPE);
        self.writer.attribute(IPSET_ATTR_REVISION, &[revision]);
        self.writer.attribute(IPSET_ATTR_FAMILY, &[set.family.number()]);
        let data = self.writer.nested(IPSET_ATTR_DATA);
        self.writer.be32(IPSET_ATTR_TIMEOUT | NET_BYTEORDER, set.timeout);
        self.writer.be32(IPSET_ATTR_MAXELEM | NET_BYTEORDER, set.maxelem);
        self.writer.end_nested(data);
        self.send(start, || format!("create set {}", set.name))
    }

    /// Removes a set that no rule looks into.
    ///
    /// # Errors
    /// [`Error::Refused`] where one does, or, as some kernels see it, where it is not there.
    pub fn destroy(&mut self, set: &str) -> Result<(), Error> {
        let start = self.begin(IPSET_CMD_DESTROY, netlink::ACKNOWLEDGE);
        self.writer.text(IPSET_ATTR_SETNAME, set);
        self.send(start, || format!("destroy set {set}"))
    }

    /// Removes all elements of a set.
    ///
    /// # Errors
    /// [`Error::Refused`] where it is not there.
    pub fn flush(&mut self, set: &str) -> Result<(), Error> {
        let start = self.begin(IPSET_CMD_FLUSH, netlink::ACKNOWLEDGE);
        self.writer.text(IPSET_ATTR_SETNAME, set);
        self.send(start, || format!("flush set {set}"))
    }

    /// Adds the elements, each with its timeout or without end; one that is there has that timeout from now on.
    ///
    /// # Errors
    /// [`Error::Refused`] tells which were refused; the others have been added.
    pub fn add(&mut self, set: &str, elements: &[Element]) -> Result<(), Error> {
        self.change(IPSET_CMD_ADD, set, elements)
    }

    /// Removes the elements; one that is not there is as good as removed.
    ///
    /// # Errors
    /// [`Error::Refused`] tells which were refused; the others have been removed.
    pub fn delete(&mut self, set: &str, elements: &[Element]) -> Result<(), Error> {
        self.change(IPSET_CMD_DEL, set, elements)
    }

    /// What the kernel calls a set in rules; `None` where there is none of that name.
    ///
    /// # Errors
    /// As told by [`Error`].
    pub fn index(&mut self, set: &str) -> Result<Option<u16>, Error> {
        self.ask(
            IPSET_CMD_GET_BYNAME,
            |writer| writer.text(IPSET_ATTR_SETNAME, set),
            |answer| {
                let bytes = answer.get(IPSET_ATTR_INDEX)?;
                Some(u16::from_be_bytes(bytes.try_into().ok()?))
            },
        )
    }

    /// A set, without its elements; `None` where there is none of that name.
    ///
    /// # Errors
    /// As told by [`Error`].
    pub fn list_set(&mut self, set: &str) -> Result<Option<ListedIpSet>, Error> {
        let mut listed = None;
        self.list(set, LIST_HEADER, |answer| {
            let data = answer.nested(IPSET_ATTR_DATA);
            listed.get_or_insert_with(|| ListedIpSet {
                kind: answer.text(IPSET_ATTR_TYPENAME).unwrap_or_default(),
                family: byte(answer, IPSET_ATTR_FAMILY),
                has_timeouts: data.get(IPSET_ATTR_TIMEOUT).is_some(),
                elements: data.be32(IPSET_ATTR_ELEMENTS),
            });
        })?;
        Ok(listed)
    }

    /// The elements of a set in ascending order, each with what is left of its timeout; none where it is not there.
    ///
    /// # Errors
    /// As told by [`Error`].
    pub fn list_elements(&mut self, set: &str) -> Result<Vec<Held>, Error> {
        let mut elements = Vec::new();
        self.list(set, 0, |answer| {
            let listed = answer.nested(IPSET_ATTR_ADT);
            elements.extend(listed.filter_map(|(_, element)| held(&netlink::attributes(element))));
        })?;
        elements.sort_unstable_by_key(|held| held.element.first);
        Ok(elements)
    }

    fn change(&mut self, kind: u16, set: &str, elements: &[Element]) -> Result<(), Error> {
        let mut refusals = Vec::new();
        let mut count = 0;
        for some in elements.chunks(ELEMENTS_A_MESSAGE) {
            let mut rest = some;
            // The kernel stops at the first that it refuses.
            while !rest.is_empty() {
                let start = self.begin(kind, netlink::ACKNOWLEDGE);
                self.writer.text(IPSET_ATTR_SETNAME, set);
                self.writer.attribute(IPSET_ATTR_LINENO, &0u32.to_ne_bytes());
                let listed = self.writer.nested(IPSET_ATTR_ADT);
                for (line, element) in (1..).zip(rest) {
                    write(&mut self.writer, kind, element, line);
                }
                self.writer.end_nested(listed);
                match self.exchange(start)? {
                    Answered::Done => break,
                    Answered::Refused(number, place) => {
                        let element = place.and_then(|place| rest.get(place));
                        count += 1;
                        if refusals.len() < REFUSALS {
                            refusals.push(Refusal {
                                what: what(kind, set, element),
                                number,
                            });
                        }
                        let next = place.map(|place| place + 1);
                        match next.and_then(|next| rest.get(next..)) {
                            Some(others) if count < MOST_REFUSALS && number != FULL => rest = others,
                            // It was about the set, or the others would be refused for the same reason.
                            Some(_) | None => return Err(Error::Refused(refusals)),
                        }
                    }
                }
            }
        }
        if refusals.is_empty() {
            Ok(())
        } else {
            Err(Error::Refused(refusals))
        }
    }

    fn begin(&mut self, kind: u16, flags: u16) -> Start {
        self.writer.clear();
        let start = self.writer.message(kind, flags, Family::Inet4.number(), 0);
        self.writer.attribute(IPSET_ATTR_PROTOCOL, &[PROTOCOL]);
        start
    }

    /// Sends a message that is about one thing.
    fn send(&mut self, start: Start, what: impl FnOnce() -> String) -> Result<(), Error> {
        match self.exchange(start)? {
            Answered::Done => Ok(()),
            Answered::Refused(number, _) => Err(Error::Refused(vec![Refusal { what: what(), number }])),
        }
    }

    /// Ends the message, sends it and reads the answer.
    fn exchange(&mut self, start: Start) -> Result<Answered, Error> {
        let sequence = self.dispatch(start)?;
        while let Some(datagram) = self.socket.receive().map_err(Error::socket)? {
            for message in netlink::messages(datagram) {
                let message = message?;
                if message.sequence == sequence && message.kind == netlink::ANSWER {
                    return answered(&message);
                }
            }
        }
        Err(Error::Unanswered)
    }

    fn dispatch(&mut self, start: Start) -> Result<u32, Error> {
        self.writer.end_message(start);
        if self.writer.overflow() {
            return Err(Error::TooLong);
        }
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.writer.set_sequence(0, sequence);
        self.socket.send(self.writer.bytes()).map_err(Error::socket)?;
        Ok(sequence)
    }

    /// Asks for one thing; `None` where it is not there.
    fn ask<T>(
        &mut self,
        kind: u16,
        write: impl FnOnce(&mut Writer),
        read: impl FnOnce(&Attributes<'_>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let start = self.begin(kind, 0);
        write(&mut self.writer);
        let sequence = self.dispatch(start)?;
        while let Some(datagram) = self.socket.receive().map_err(Error::socket)? {
            for message in netlink::messages(datagram) {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                if message.kind == kind {
                    return read(&message.attributes()).map(Some).ok_or(Error::Garbled);
                }
                if message.kind == netlink::ANSWER {
                    return match answered(&message)? {
                        Answered::Refused(number, _) if number == Errno::NOENT.raw_os_error() => Ok(None),
                        Answered::Refused(_, _) => Err(Error::NoIpset),
                        Answered::Done => Err(Error::Garbled),
                    };
                }
            }
        }
        Err(Error::Unanswered)
    }

    fn list(&mut self, set: &str, flags: u32, mut read: impl FnMut(&Attributes<'_>)) -> Result<(), Error> {
        let start = self.begin(IPSET_CMD_LIST, netlink::DUMP);
        self.writer.text(IPSET_ATTR_SETNAME, set);
        if flags != 0 {
            self.writer.be32(IPSET_ATTR_FLAGS | NET_BYTEORDER, flags);
        }
        let sequence = self.dispatch(start)?;
        while let Some(datagram) = self.socket.receive().map_err(Error::socket)? {
            for message in netlink::messages(datagram) {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                match message.kind {
                    IPSET_CMD_LIST => read(&message.attributes()),
                    netlink::DONE => return Ok(()),
                    netlink::ANSWER => {
                        return match answered(&message)? {
                            Answered::Refused(number, _) if number != Errno::NOENT.raw_os_error() => {
                                let what = format!("list set {set}");
                                Err(Error::Refused(vec![Refusal { what, number }]))
                            }
                            Answered::Refused(_, _) | Answered::Done => Ok(()),
                        };
                    }
                    _ => {}
                }
            }
        }
        Err(Error::Unanswered)
    }
}

fn write(writer: &mut Writer, kind: u16, element: &Element, line: u32) {
    let data = writer.nested(IPSET_ATTR_DATA);
    let ip = writer.nested(IPSET_ATTR_IP);
    match element.first {
        IpAddr::V4(ip) => writer.attribute(IPSET_ATTR_IPADDR_IPV4 | NET_BYTEORDER, &ip.octets()),
        IpAddr::V6(ip) => writer.attribute(IPSET_ATTR_IPADDR_IPV6 | NET_BYTEORDER, &ip.octets()),
    }
    writer.end_nested(ip);
    if element.first != element.last {
        writer.attribute(IPSET_ATTR_CIDR, &[prefix(element.first, element.last)]);
    }
    if kind == IPSET_CMD_ADD {
        let seconds = element.timeout_ms.map_or(0, |timeout| timeout.div_ceil(1000));
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        writer.be32(IPSET_ATTR_TIMEOUT | NET_BYTEORDER, seconds);
    }
    writer.attribute(IPSET_ATTR_LINENO, &line.to_ne_bytes());
    writer.end_nested(data);
}

/// Reads an answer; the errors of ipset are beyond what the system has.
fn answered(message: &Message<'_>) -> Result<Answered, Error> {
    let number = message.payload.first_chunk().ok_or(Error::Garbled)?;
    let number = i32::from_ne_bytes(*number).saturating_neg();
    if number == 0 {
        return Ok(Answered::Done);
    }
    if number == Errno::PERM.raw_os_error() {
        return Err(Error::NotPermitted);
    }
    // The message that was sent stands behind the number, and where elements were in it the kernel has noted there
    // which one it stopped at.
    let sent = message.payload.get(4 + netlink::HEADER + 4..).unwrap_or_default();
    let line = netlink::attributes(sent)
        .get(IPSET_ATTR_LINENO)
        .and_then(|bytes| Some(u32::from_ne_bytes(bytes.try_into().ok()?)));
    let place = line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
    Ok(Answered::Refused(number, place))
}

fn what(kind: u16, set: &str, element: Option<&Element>) -> String {
    let (verb, to) = if kind == IPSET_CMD_ADD {
        ("add", "to")
    } else {
        ("delete", "from")
    };
    match element {
        Some(element) if element.first == element.last => format!("{verb} {} {to} set {set}", element.first),
        Some(element) => format!("{verb} {}-{} {to} set {set}", element.first, element.last),
        None => format!("{verb} elements {to} set {set}"),
    }
}

fn byte(attributes: &Attributes<'_>, kind: u16) -> Option<u8> {
    attributes.get(kind)?.first().copied()
}

fn held(element: &Attributes<'_>) -> Option<Held> {
    let ip = element.nested(IPSET_ATTR_IP);
    let first: IpAddr = if let Some(bytes) = ip.get(IPSET_ATTR_IPADDR_IPV4) {
        Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()
    } else {
        let bytes = ip.get(IPSET_ATTR_IPADDR_IPV6)?;
        Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()
    };
    let left = element.be32(IPSET_ATTR_TIMEOUT).filter(|seconds| *seconds != 0);
    let left_ms = left.map(|seconds| u64::from(seconds) * 1000);
    Some(Held {
        element: Element {
            first,
            last: first,
            // The kernel tells what is left and not what it was.
            timeout_ms: left_ms,
        },
        expires_ms: left_ms,
    })
}

/// The length of the prefix that all addresses from `first` to `last` have, the two being the ends of a network.
fn prefix(first: IpAddr, last: IpAddr) -> u8 {
    let zeros = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => (first.to_bits() ^ last.to_bits()).leading_zeros(),
        (IpAddr::V6(first), IpAddr::V6(last)) => (first.to_bits() ^ last.to_bits()).leading_zeros(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    };
    u8::try_from(zeros).unwrap_or_default()
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::{Answered, IPSET_CMD_ADD, Refusal, answered, prefix};
    use crate::netlink::{ANSWER, Message, Writer};
    use crate::nftables::Element;

    fn element(first: &str, last: &str, timeout_ms: Option<u64>) -> Element {
        Element {
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
            timeout_ms,
        }
    }

    #[test]
    fn elements_are_encoded_as_ipset_encodes_them() {
        let cases = [
            (
                "an address without end",
                element("192.0.2.7", "192.0.2.7", None),
                "2000 0780 0c000180 08000140 c0000207 08000640 00000000 08000900 01000000",
            ),
            (
                "a network with a timeout",
                element("198.51.100.0", "198.51.100.255", Some(599_001)),
                "2800 0780 0c000180 08000140 c6336400 05000300 18000000 08000640 00000258 08000900 01000000",
            ),
            (
                "an address of IPv6",
                element("2001:db8::7", "2001:db8::7", None),
                "2c00 0780 18000180 14000240 20010db8000000000000000000000007 08000640 00000000 08000900 01000000",
            ),
        ];
        for (name, element, expected) in cases {
            let mut writer = Writer::default();
            super::write(&mut writer, IPSET_CMD_ADD, &element, 1);
            let mut text = String::new();
            for byte in writer.bytes() {
                text += &format!("{byte:02x}");
            }
            assert_eq!(text, expected.replace(' ', ""), "{name}");
        }
    }

    #[test]
    fn an_answer_tells_which_element_was_refused_and_why() {
        let mut sent = Writer::default();
        let start = sent.message(IPSET_CMD_ADD, 0, 2, 0);
        sent.text(2, "f2b-sshd");
        sent.attribute(9, &3u32.to_ne_bytes());
        sent.end_message(start);
        let cases: [(&str, i32, Option<usize>, &str); 4] = [
            (
                "full",
                -4352,
                Some(2),
                "add 192.0.2.7 to set f2b-sshd: the set is full: maxelem says how many it may have",
            ),
            (
                "not there",
                -2,
                Some(2),
                "add 192.0.2.7 to set f2b-sshd: there is no set of that name",
            ),
            (
                "a network of IPv6",
                -4104,
                Some(2),
                "add 192.0.2.7 to set f2b-sshd: the set takes single addresses, and no such network",
            ),
            (
                "the system's",
                -12,
                Some(2),
                "add 192.0.2.7 to set f2b-sshd: Cannot allocate memory (os error 12) (error 12)",
            ),
        ];
        for (name, number, place, text) in cases {
            let payload = [number.to_ne_bytes().as_slice(), sent.bytes()].concat();
            let message = Message {
                kind: ANSWER,
                flags: 0,
                sequence: 1,
                payload: &payload,
            };
            let Ok(Answered::Refused(number, found)) = answered(&message) else {
                panic!("{name}")
            };
            assert_eq!(found, place, "{name}");
            let element = element("192.0.2.7", "192.0.2.7", None);
            let refusal = Refusal {
                what: super::what(IPSET_CMD_ADD, "f2b-sshd", Some(&element)),
                number,
            };
            assert_eq!(refusal.to_string(), text, "{name}");
        }
    }

    #[test]
    fn the_prefix_of_a_network_is_what_its_ends_have_in_common() {
        let cases = [
            ("192.0.2.0", "192.0.2.255", 24),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 32),
        ];
        for (first, last, expected) in cases {
            assert_eq!(
                prefix(first.parse().unwrap(), last.parse().unwrap()),
                expected,
                "{first}"
            );
        }
    }
}
