//! What is counted and banned: addresses, networks, and any other text.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address or a network, host bits cleared; IPv4-mapped IPv6 addresses are IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    ip: IpAddr,
    prefix: u8,
}

/// The family of an address, as actions name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Inet4,
    /// IPv6.
    Inet6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet4 => "inet4",
            Self::Inet6 => "inet6",
        })
    }
}

impl Address {
    /// The single address `ip`; an IPv4-mapped one becomes the IPv4 address it carries.
    #[must_use]
    pub fn single(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        Self {
            ip,
            prefix: if ip.is_ipv4() { 32 } else { 128 },
        }
    }

    /// The network of `ip` with `prefix` leading bits; longer prefixes than the family has count as whole.
    #[must_use]
    pub fn network(ip: IpAddr, prefix: u8) -> Self {
        match ip {
            IpAddr::V4(ip) => {
                let prefix = prefix.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                Self {
                    ip: IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask)),
                    prefix,
                }
            }
            IpAddr::V6(ip) => {
                let prefix = prefix.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                Self {
                    ip: IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask)),
                    prefix,
                }
            }
        }
    }

    /// The address, or the first one of the network.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The number of leading bits that are fixed: 32 or 128 for a single address.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether this is one address and not a network.
    #[must_use]
    pub const fn is_single(&self) -> bool {
        match self.ip {
            IpAddr::V4(_) => self.prefix == 32,
            IpAddr::V6(_) => self.prefix == 128,
        }
    }

    /// Its family.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self.ip {
            IpAddr::V4(_) => Family::Inet4,
            IpAddr::V6(_) => Family::Inet6,
        }
    }

    /// Whether `other`, masked with this network's prefix, begins where this network does.
    ///
    /// A wider network with the same first address counts as inside, as it does in the reference.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.family() == other.family() && Self::network(other.ip, self.prefix).ip == self.ip
    }
}

/// The canonical text: lower case, compressed, with `/prefix` unless it is a single address or the prefix is 0.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() || self.prefix == 0 {
            write!(f, "{}", self.ip)
        } else {
            write!(f, "{}/{}", self.ip, self.prefix)
        }
    }
}

/// The failure-id: what is counted and banned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    /// An address or a network.
    Address(Address),
    /// Any other text, such as a session or a name.
    Text(String),
    /// Several texts that count as one.
    Tuple(Vec<Option<String>>),
}

impl Id {
    /// The address or network, where it is one.
    #[must_use]
    pub const fn address(&self) -> Option<&Address> {
        match self {
            Self::Address(address) => Some(address),
            Self::Text(_) | Self::Tuple(_) => None,
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Tuple(parts) => {
                f.write_str("(")?;
                for (index, part) in parts.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    match part {
                        Some(text) => write!(f, "'{text}'")?,
                        None => f.write_str("None")?,
                    }
                }
                f.write_str(")")
            }
        }
    }
}
