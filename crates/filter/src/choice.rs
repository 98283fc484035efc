//! What is counted: the id and the address in what was captured.
//!
//! In: the data of a match, session included. Out: an id, a name that has to be resolved, or neither.

use std::net::IpAddr;

use smol_str::SmolStr;

use crate::named::{Known, Named};
use crate::{Address, Data, Family, Id};

/// What `usedns` says about host names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UseDns {
    /// They are resolved.
    Yes,
    /// They are resolved, and the log says so.
    #[default]
    Warn,
    /// They are no failures.
    No,
    /// They are ids themselves.
    Raw,
}

impl UseDns {
    /// Reads a value of the configuration; case does not matter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_lowercase().as_str() {
            "yes" => Some(Self::Yes),
            "warn" => Some(Self::Warn),
            "no" => Some(Self::No),
            "raw" => Some(Self::Raw),
            _ => None,
        }
    }

    /// The value as clients see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Warn => "warn",
            Self::No => "no",
            Self::Raw => "raw",
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// An id, and the attacker's address where it is another.
    Id(Id, Option<Id>),
    /// Every address of this host name.
    Resolve(String),
    /// A host name, and names do not count.
    Unresolved,
    /// Neither an id nor an address was captured.
    Nothing,
}

/// Chooses what is counted; where `raw`, names are not resolved and ids not read as addresses.
pub(crate) fn choose(data: &Named, usedns: UseDns, raw: bool) -> Choice {
    let raw = raw || usedns == UseDns::Raw;
    let cidr = data.text(Known::Cidr).map(SmolStr::as_str);
    let (text, address) = if let Some(text) = data.text(Known::Ip4) {
        (text, of_family(Family::Inet4, text, cidr))
    } else if let Some(text) = data.text(Known::Ip6) {
        (text, of_family(Family::Inet6, text, cidr))
    } else if let Some(text) = data.text(Known::Dns) {
        if !raw {
            return match whole_address(text) {
                Some(address) => Choice::Id(Id::Address(address), None),
                None if usedns == UseDns::No => Choice::Unresolved,
                None => Choice::Resolve(text.to_string()),
            };
        }
        (text, Id::Text(text.to_string()))
    } else {
        return match data.get(Known::Fid) {
            Some(fid) => Choice::Id(from_fid(fid, raw), None),
            None => Choice::Nothing,
        };
    };
    match data.get(Known::Fid) {
        Some(Data::Text(fid)) if fid == text => Choice::Id(address, None),
        Some(fid) => Choice::Id(from_fid(fid, raw), Some(address)),
        None => Choice::Id(address, None),
    }
}

/// Has the host that patterns of earlier versions capture counted, where nothing was captured that counts today.
pub(crate) fn count_host(data: &mut Named) {
    let counts = [Known::Ip4, Known::Ip6, Known::Dns, Known::Fid]
        .iter()
        .any(|name| data.get(*name).is_some());
    let host = data.text(Known::Host).filter(|host| !counts && !host.is_empty());
    if let Some(host) = host.cloned() {
        data.insert(Known::Dns.into(), Data::Text(host));
    }
}

/// The address of one family that `text` spells, or the network with this prefix; the text itself where it is none.
fn of_family(family: Family, text: &str, cidr: Option<&str>) -> Id {
    let Some(cidr) = cidr.filter(|cidr| !cidr.is_empty()) else {
        return match Address::parse_as(family, text) {
            Some(address) => Id::Address(address),
            None => Id::Text(text.to_owned()),
        };
    };
    let ip = match family {
        Family::Inet4 => text.parse().ok().map(IpAddr::V4),
        Family::Inet6 => text.parse().ok().map(IpAddr::V6),
    };
    let whole = |_| u8::MAX;
    let digits = cidr.chars().all(|char| char.is_ascii_digit());
    match ip {
        Some(ip) if digits => Id::Address(Address::network(ip, cidr.parse().unwrap_or_else(whole))),
        Some(ip) => Id::Address(Address::single(ip)),
        None => Id::Text(text.to_owned()),
    }
}

fn from_fid(fid: &Data, raw: bool) -> Id {
    match fid {
        Data::Text(text) if raw => Id::Text(text.to_string()),
        Data::Text(text) => Id::parse(text),
        Data::Tuple(parts) => Id::Tuple(parts.clone()),
        Data::Set(texts) => Id::Tuple(texts.iter().map(|text| Some(text.to_owned())).collect()),
    }
}

/// The address that a host name spells as a whole; an IPv6 address may stand in brackets.
fn whole_address(text: &str) -> Option<Address> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    Address::parse_as(Family::Inet4, text)
        .or_else(|| Address::parse_as(Family::Inet6, bracketed.unwrap_or(text)))
}
