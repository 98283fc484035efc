//! Tells when someone else takes something away from the kernel's nftables.
//!
//! In: nothing but a place to wait at. Out: what was removed, by table and, where it concerns one, by set.
//!
//! Invariant: what a [`Nftables`] connection of our own changes is never told, and a loss of the kernel's messages is.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::netlink as protocols;

use super::kernel::*;
use super::rule::sets_looked_into;
use super::xtables::FILTER;
use super::{Family, Nftables};
use crate::netlink::{self, Message, Socket};

/// Something that another program removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// Elements of a set, a rule that looks into it, or the set itself.
    Set {
        /// The table that the set is in.
        table: String,
        /// The set.
        set: String,
    },
    /// A table, or a chain in it.
    Table(String),
    /// A rule or a chain of iptables, in its table `filter`.
    Filter {
        /// Whether of `iptables` or of `ip6tables`.
        family: Family,
        /// The chain; `None` where it is the whole table.
        chain: Option<String>,
    },
    /// Perhaps anything: there was more to tell than the kernel keeps for us.
    Unknown,
}

/// Hears of changes to tables of family `inet`, and to those that iptables keeps.
#[derive(Debug)]
pub struct Watch {
    socket: Socket,
}

/// `NFNLGRP_NFTABLES`, as the bit that stands for it.
const CHANGES: u32 = 1 << (7 - 1);

/// Where in a message the port of the socket stands whose request it tells of.
const PORT_OFFSET: u32 = 12;

impl Watch {
    /// Begins to listen to all that is not done through `own`.
    ///
    /// # Errors
    /// When the process may not, or is out of descriptors.
    pub fn new(own: &Nftables) -> io::Result<Self> {
        let socket = Socket::subscribe(protocols::NETFILTER, CHANGES)?;
        socket.ignore_messages_with(PORT_OFFSET, own.socket.port()?)?;
        Ok(Self { socket })
    }

    /// What was removed since the last call; in a long list the same may stand more than once.
    ///
    /// # Errors
    /// When the kernel refuses, which it has no reason to.
    pub fn take(&mut self) -> io::Result<Vec<Removal>> {
        let mut removals = Vec::new();
        for _ in 0..READS_AT_A_TIME {
            match self.socket.receive() {
                Ok(Some(datagram)) => {
                    for removal in netlink::messages(datagram)
                        .flatten()
                        .flat_map(|message| told(&message))
                    {
                        if removals.last() != Some(&removal) && removals.len() < MOST_REMOVALS {
                            removals.push(removal);
                        }
                    }
                }
                Ok(None) => return Ok(removals),
                Err(Errno::NOBUFS | Errno::MSGSIZE) => removals.insert(0, Removal::Unknown),
                Err(errno) => return Err(errno.into()),
            }
            if removals.len() >= MOST_REMOVALS {
                removals = vec![Removal::Unknown];
            }
        }
        Ok(removals)
    }
}

/// Reads in one call of [`Watch::take`], so that a busy firewall cannot keep the loop here.
const READS_AT_A_TIME: usize = 4096;

/// Removals told at a time; past them it is simpler to look at everything.
const MOST_REMOVALS: usize = 1000;

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What a message tells of.
fn told(message: &Message<'_>) -> Vec<Removal> {
    match message.payload.first() {
        Some(&NFPROTO_INET) => {}
        Some(&NFPROTO_IPV4) => return told_of_filter(message, Family::Inet4),
        Some(&NFPROTO_IPV6) => return told_of_filter(message, Family::Inet6),
        Some(_) | None => return Vec::new(),
    }
    // In all of these the table's name is the first attribute, and where there is a set its name the second.
    let attributes = message.attributes();
    let Some(table) = attributes.text(NFTA_TABLE_NAME) else {
        return Vec::new();
    };
    let of_set = |set| Removal::Set {
        table: table.clone(),
        set,
    };
    match message.kind {
        NFT_MSG_DELTABLE | NFT_MSG_DELCHAIN => vec![Removal::Table(table)],
        NFT_MSG_DELSET | NFT_MSG_DELSETELEM => {
            attributes.text(NFTA_SET_NAME).map(of_set).into_iter().collect()
        }
        NFT_MSG_DELRULE => sets_looked_into(&attributes).into_iter().map(of_set).collect(),
        _ => Vec::new(),
    }
}

/// What a message tells of the tables that iptables keeps.
fn told_of_filter(message: &Message<'_>, family: Family) -> Vec<Removal> {
    let attributes = message.attributes();
    if attributes.text(NFTA_TABLE_NAME).as_deref() != Some(FILTER) {
        return Vec::new();
    }
    let chain = match message.kind {
        NFT_MSG_DELTABLE => None,
        NFT_MSG_DELCHAIN => attributes.text(NFTA_CHAIN_NAME),
        NFT_MSG_DELRULE => attributes.text(NFTA_RULE_CHAIN),
        _ => return Vec::new(),
    };
    vec![Removal::Filter { family, chain }]
}
