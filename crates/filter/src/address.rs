//! What is counted and banned: addresses, networks, and any other text.

use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A mask that is no prefix, such as `255.0.255.0`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid mask '{mask}', no plen representation")]
pub struct BadMask {
    /// The mask as it was written.
    pub mask: String,
}

/// An address or a network, host bits cleared; IPv4-mapped IPv6 addresses are IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    ip: IpAddr,
    prefix: u8,
}

/// In as few pieces as can be, for every failure is looked up by one.
impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.ip {
            IpAddr::V4(ip) => state.write_u64(u64::from(ip.to_bits()) << 8 | u64::from(self.prefix)),
            IpAddr::V6(ip) => {
                state.write_u128(ip.to_bits());
                state.write_u8(self.prefix);
            }
        }
    }
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
    /// Reads an address or a network: `192.0.2.1`, `[2001:db8::1]`, `192.0.2.0/24`, `192.0.2.0/255.255.255.0`.
    ///
    /// `None` where the text is neither: leading zeros, short forms, zones and blanks are not accepted.
    ///
    /// # Errors
    ///
    /// The mask of a network has a hole.
    pub fn parse(text: &str) -> Result<Option<Self>, BadMask> {
        let text = without_brackets(text);
        if let Some((base, rest)) = text.split_once('/') {
            let Some(ip) = base_of_network(base) else {
                return Ok(None);
            };
            return Ok(prefix_of(rest)?.map(|prefix| Self::network(ip, prefix)));
        }
        Ok(text.parse().ok().map(Self::single))
    }

    /// Reads `text` as a single address of `family`; an IPv4-mapped IPv6 address becomes IPv4.
    #[must_use]
    pub fn parse_as(family: Family, text: &str) -> Option<Self> {
        let ip = match family {
            Family::Inet4 => IpAddr::V4(text.parse().ok()?),
            Family::Inet6 => IpAddr::V6(text.parse().ok()?),
        };
        Some(Self::single(ip))
    }

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

    /// The name under which a reverse lookup asks for it: `1.2.0.192.`.
    #[must_use]
    pub fn reversed(&self) -> String {
        let mut name = String::new();
        match self.ip {
            IpAddr::V4(ip) => {
                for octet in ip.octets().iter().rev() {
                    write!(name, "{octet}.").expect("a string takes everything");
                }
            }
            IpAddr::V6(ip) => {
                for octet in ip.octets().iter().rev() {
                    write!(name, "{:x}.{:x}.", octet & 0xf, octet >> 4).expect("a string takes everything");
                }
            }
        }
        name
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
        match self.ip {
            // As the C library prints it: six zero groups and no seventh leave room for a dotted address.
            IpAddr::V6(ip) if matches!(ip.segments(), [0, 0, 0, 0, 0, 0, group, _] if group != 0) => {
                let [.., a, b, c, d] = ip.octets();
                write!(f, "::{}", Ipv4Addr::new(a, b, c, d))?;
            }
            IpAddr::V6(ip) => write!(f, "{ip}")?,
            IpAddr::V4(ip) => f.write_str(dotted(ip, &mut [0; 15]))?,
        }
        if self.is_single() || self.prefix == 0 {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

/// An address as it is written. Every failure is logged with one, and formatting four numbers takes ten times as long.
fn dotted(ip: Ipv4Addr, room: &mut [u8; 15]) -> &str {
    let mut length = 0;
    let mut put = |byte| {
        if let Some(place) = room.get_mut(length) {
            *place = byte;
            length += 1;
        }
    };
    for (number, octet) in ip.octets().into_iter().enumerate() {
        if number > 0 {
            put(b'.');
        }
        if octet >= 100 {
            put(b'0' + octet / 100);
        }
        if octet >= 10 {
            put(b'0' + octet / 10 % 10);
        }
        put(b'0' + octet % 10);
    }
    let written = room.get(..length).unwrap_or_default();
    std::str::from_utf8(written).unwrap_or_default()
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
    /// The id that `text` names: the address or network it spells, else the text, without paired brackets.
    ///
    /// A network with a mask that has a hole stays text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match Address::parse(text) {
            Ok(Some(address)) => Self::Address(address),
            Ok(None) | Err(BadMask { .. }) => Self::Text(without_brackets(text).to_owned()),
        }
    }

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
                        Some(text) => write_quoted(text, f)?,
                        None => f.write_str("None")?,
                    }
                }
                f.write_str(")")
            }
        }
    }
}

/// Writes a text as Python's `repr` does, as far as a line of a log has it.
fn write_quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use fmt::Write as _;
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    f.write_char(quote)?;
    for char in text.chars() {
        match char {
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\0'..=' ' | '\x7f' if char != ' ' => write!(f, "\\x{:02x}", u32::from(char))?,
            char if char == quote || char == '\\' => write!(f, "\\{char}")?,
            char => f.write_char(char)?,
        }
    }
    f.write_char(quote)
}

/// Takes away `[` and `]` around a text, where both are there and something is between them.
fn without_brackets(text: &str) -> &str {
    text.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .filter(|inner| !inner.is_empty())
        .unwrap_or(text)
}

/// The address part of a network, which has to look as the address tags of a failregex have it.
///
/// They know neither an IPv6 address that ends in a dotted IPv4 one, nor one that begins with `::` and leaves
/// out a single group.
fn base_of_network(text: &str) -> Option<IpAddr> {
    let ip: IpAddr = text.parse().ok()?;
    let unknown = ip.is_ipv6()
        && (text.contains('.')
            || (text.starts_with("::") && text.bytes().filter(|&byte| byte == b':').count() > 7));
    (!unknown).then_some(ip)
}

/// The prefix that stands behind the slash of a network, as a number or as a mask.
///
/// A mask that looks like an address and is none counts as no bits at all, as it does in the reference.
fn prefix_of(text: &str) -> Result<Option<u8>, BadMask> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Some(text.parse().unwrap_or(u8::MAX)));
    }
    let bits = match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(mask)) => (u128::from(mask.to_bits()) << 96, mask.to_bits().count_ones()),
        Ok(IpAddr::V6(mask)) => (mask.to_bits(), mask.to_bits().count_ones()),
        Err(_) => {
            let parts: Vec<&str> = text.split('.').collect();
            let dotted = parts.len() == 4
                && parts.iter().all(|part| {
                    (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
                });
            return Ok(dotted.then_some(0));
        }
    };
    let (mask, ones) = bits;
    if mask.leading_ones() != ones {
        return Err(BadMask {
            mask: text.to_owned(),
        });
    }
    Ok(Some(u8::try_from(ones).expect("at most 128 bits")))
}
