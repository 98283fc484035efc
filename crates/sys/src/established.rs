//! The connections that are there already: TCP sockets of this machine ended (`sock_diag(7)`), and flows that
//! connection tracking knows forgotten (nfnetlink, `NFNL_SUBSYS_CTNETLINK`).
//!
//! In: addresses at the other end. Out: how many sockets were ended.
//!
//! Invariant: what listens, and what only waits for its time to be over, is left alone.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::io::Errno;
use rustix::net::netlink as protocols;

use crate::netlink::{self, Message, Socket, Writer};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `SOCK_DESTROY`.
const DESTROY: u16 = 21;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// The states of TCP in which there is somebody at the other end, a bit for each number of `tcp_states.h`.
const CONNECTED: u32 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;
/// The length of `inet_diag_sockid`: ports, addresses, interface and cookie of a socket.
const SOCKET_ID: usize = 48;
/// Where in it the address at the other end begins.
const OTHER_END: usize = 20;
/// What stands before it in `inet_diag_msg`: family, state, timer and retransmissions.
const BEFORE_ID: usize = 4;

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW`: what a listed flow comes as.
const FLOW: u16 = 1 << 8;
/// The same with `IPCTNL_MSG_CT_GET` and `IPCTNL_MSG_CT_DELETE`.
const LIST_FLOWS: u16 = 1 << 8 | 1;
const FORGET_FLOW: u16 = 1 << 8 | 2;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
const CTA_TUPLE_IP: u16 = 1;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V6_SRC: u16 = 3;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// Ends established connections.
#[derive(Debug)]
pub struct Established {
    sockets: Socket,
    flows: Socket,
    sequence: u32,
}

/// A socket as the kernel names it.
struct Found {
    family: u8,
    id: [u8; SOCKET_ID],
}

impl Established {
    /// Connects to the kernel.
    ///
    /// # Errors
    /// Where the process is out of descriptors, or the kernel has neither of the two.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            sockets: Socket::open(protocols::SOCK_DIAG)?,
            flows: Socket::open(protocols::NETFILTER)?,
            sequence: 1,
        })
    }

    /// Ends the TCP sockets of this machine whose other end is one that `is_meant` says; how many these were. Their
    /// programs get the error `ECONNABORTED`, and the other ends a reset.
    ///
    /// All sockets are looked at, which takes some milliseconds where there are many.
    ///
    /// # Errors
    /// Where the process has no right to do so (`CAP_NET_ADMIN`), or the kernel cannot (`CONFIG_INET_DIAG_DESTROY`).
    pub fn end_sockets(&mut self, is_meant: impl Fn(IpAddr) -> bool) -> io::Result<usize> {
        let mut found = Vec::new();
        for family in [AF_INET, AF_INET6] {
            self.list(family, |socket, other_end| {
                if is_meant(other_end) {
                    found.push(socket);
                }
            })?;
        }
        let mut ended = 0;
        for socket in &found {
            match self.end(socket) {
                Ok(()) => ended += 1,
                // It has come to its end meanwhile.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(ended)
    }

    /// Has connection tracking forget the flows that were begun from an address that `is_meant` says, so that a rule which
    /// accepts what belongs to an established connection accepts them no more; how many these were.
    ///
    /// All flows are looked at: kernels know how to select some, but not all of them do so correctly for IPv6.
    ///
    /// # Errors
    /// Where the process has no right to do so (`CAP_NET_ADMIN`), or the kernel tracks no connections.
    pub fn forget_flows(&mut self, is_meant: impl Fn(IpAddr) -> bool) -> io::Result<usize> {
        let mut found = Vec::new();
        for family in [AF_INET, AF_INET6] {
            let sequence = self.next_sequence();
            let mut writer = Writer::default();
            let message = writer.message(LIST_FLOWS, netlink::DUMP, family, 0);
            writer.end_message(message);
            writer.set_sequence(0, sequence);
            self.flows.send(writer.bytes())?;
            listed(&mut self.flows, sequence, |message| {
                if message.kind == FLOW
                    && let Some(flow) = Flow::read(family, message)
                    && is_meant(flow.source)
                {
                    found.push(flow);
                }
            })?;
        }
        let mut forgotten = 0;
        for flow in &found {
            let sequence = self.next_sequence();
            self.flows.send(&flow.forget(sequence))?;
            match answered(&mut self.flows, sequence) {
                Ok(()) => forgotten += 1,
                // It has come to its end meanwhile.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(forgotten)
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn list(&mut self, family: u8, mut found: impl FnMut(Found, IpAddr)) -> io::Result<()> {
        let sequence = self.next_sequence();
        let all = Found {
            family,
            id: [0; SOCKET_ID],
        };
        self.sockets
            .send(&request(BY_FAMILY, netlink::DUMP, sequence, &all))?;
        listed(&mut self.sockets, sequence, |message| {
            if let Some((socket, other_end)) = read(message) {
                found(socket, other_end);
            }
        })
    }

    fn end(&mut self, socket: &Found) -> Result<(), Errno> {
        let sequence = self.next_sequence();
        self.sockets
            .send(&request(DESTROY, netlink::ACKNOWLEDGE, sequence, socket))?;
        answered(&mut self.sockets, sequence)
    }
}

/// A message with an `inet_diag_req_v2` about a socket, or with an empty name about all.
fn request(kind: u16, flags: u16, sequence: u32, socket: &Found) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(netlink::HEADER + 8 + SOCKET_ID);
    let length = u32::try_from(bytes.capacity()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&(flags | netlink::REQUEST).to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&[socket.family, IPPROTO_TCP, 0, 0]);
    bytes.extend_from_slice(&CONNECTED.to_ne_bytes());
    bytes.extend_from_slice(&socket.id);
    bytes
}

/// A listed socket, and the address at its other end; one of IPv4 on a socket of IPv6 as what it is.
fn read(message: &Message<'_>) -> Option<(Found, IpAddr)> {
    let family = *message.payload.first()?;
    let id = message.payload.get(BEFORE_ID..)?.first_chunk::<SOCKET_ID>()?;
    let other_end = id.get(OTHER_END..)?;
    let address = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::from(*other_end.first_chunk::<4>()?)),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(*other_end.first_chunk::<16>()?)).to_canonical(),
        _ => return None,
    };
    Some((Found { family, id: *id }, address))
}

/// A flow as connection tracking names it.
struct Flow {
    family: u8,
    source: IpAddr,
    /// The attributes by which it is found, with their values.
    name: Vec<(u16, Vec<u8>)>,
}

impl Flow {
    fn read(family: u8, message: &Message<'_>) -> Option<Self> {
        let attributes = message.attributes();
        let ip = attributes.nested(CTA_TUPLE_ORIG).nested(CTA_TUPLE_IP);
        let source = if family == AF_INET {
            IpAddr::V4(Ipv4Addr::from(*ip.get(CTA_IP_V4_SRC)?.first_chunk::<4>()?))
        } else {
            IpAddr::V6(Ipv6Addr::from(*ip.get(CTA_IP_V6_SRC)?.first_chunk::<16>()?))
        };
        let copied = |kind: u16, flag: u16| attributes.get(kind).map(|value| (kind | flag, value.to_vec()));
        let name = [
            copied(CTA_TUPLE_ORIG, NESTED),
            copied(CTA_ZONE, 0),
            copied(CTA_ID, 0),
        ];
        Some(Self {
            family,
            source,
            name: name.into_iter().flatten().collect(),
        })
    }

    fn forget(&self, sequence: u32) -> Vec<u8> {
        let mut writer = Writer::default();
        let message = writer.message(FORGET_FLOW, netlink::ACKNOWLEDGE, self.family, 0);
        for (kind, value) in &self.name {
            writer.attribute(*kind, value);
        }
        writer.end_message(message);
        writer.set_sequence(0, sequence);
        writer.bytes().to_vec()
    }
}

/// Reads the list that the request of this number has asked for.
fn listed(socket: &mut Socket, sequence: u32, mut read: impl FnMut(&Message<'_>)) -> io::Result<()> {
    while let Some(datagram) = socket.receive()? {
        for message in netlink::messages(datagram) {
            let message = message.map_err(|garbled| io::Error::other(garbled.to_string()))?;
            if message.sequence != sequence {
                continue;
            }
            match message.kind {
                netlink::DONE => return Ok(()),
                netlink::ANSWER => return refusal(&message).map_err(io::Error::from),
                _ => read(&message),
            }
        }
    }
    Ok(())
}

/// The kernel's answer to the request of this number.
fn answered(socket: &mut Socket, sequence: u32) -> Result<(), Errno> {
    while let Some(datagram) = socket.receive()? {
        for message in netlink::messages(datagram) {
            let Ok(message) = message else {
                return Err(Errno::BADMSG);
            };
            if message.sequence == sequence && message.kind == netlink::ANSWER {
                return refusal(&message);
            }
        }
    }
    Err(Errno::BADMSG)
}

fn refusal(message: &Message<'_>) -> Result<(), Errno> {
    match netlink::answer(message) {
        Ok(answer) => answer.refused.map_or(Ok(()), Err),
        Err(_) => Err(Errno::BADMSG),
    }
}
