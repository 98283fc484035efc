//! A table of the firewall that refuses the banned addresses while nobody else does.
//!
//! In: addresses and networks. Out: a table of its own in which they are, until it is taken down.
//!
//! One daemon ends and removes what is its own, the other starts and makes it again; between the two an attacker would
//! have a second or two. What is banned in any jail is dropped meanwhile, whatever it is that it wants.
//!
//! Invariant: nothing of it lasts longer than [`LIFE`], whatever becomes of us.

use std::net::IpAddr;
use std::time::Duration;

use stockade_sys::nftables::{
    BaseChain, Element, Error, Family, Hook, Nftables, Rule, Set, Transaction, Transport, Verdict,
};

const TABLE: &str = "stockade-handover";
const CHAIN: &str = "handover";

/// Before everything else that looks at what comes in or passes through.
const BASE: BaseChain = BaseChain {
    hook: Hook::Prerouting,
    priority: -290,
};

/// How long an address is refused at most. Both daemons together take a fraction of it.
const LIFE: Duration = Duration::from_secs(600);

/// How many elements go into one transaction.
const AT_A_TIME: usize = 5_000;

const NAMES: [(&str, Family, bool); 4] = [
    ("one4", Family::Inet4, false),
    ("one6", Family::Inet6, false),
    ("net4", Family::Inet4, true),
    ("net6", Family::Inet6, true),
];

/// The table.
pub(super) struct Bridge {
    nftables: Nftables,
}

impl Bridge {
    /// Puts the table up. What is no address or network, as some jails ban, is left out.
    pub(super) fn up<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        let mut bridge = Self {
            nftables: Nftables::open()?,
        };
        // One that was left by somebody who was killed has addresses of then.
        bridge.take_down()?;
        let mut ranges: Vec<(IpAddr, IpAddr)> = ids.filter_map(range).collect();
        ranges.sort_unstable();
        let mut transaction = Transaction::new();
        transaction.add_table(TABLE);
        transaction.add_chain(TABLE, CHAIN, &BASE);
        for (name, family, interval) in NAMES {
            transaction.add_set(&set(name, family, interval));
            let rule = Rule {
                transport: &Transport::Any,
                family,
                set: name,
                verdict: Verdict::Drop,
            };
            transaction.add_rule(TABLE, CHAIN, &rule);
        }
        bridge.nftables.commit(&mut transaction)?;
        for (name, family, interval) in NAMES {
            let set = set(name, family, interval);
            let of_set = ranges.iter().copied().filter(|(first, last)| {
                first.is_ipv4() == matches!(family, Family::Inet4) && (first != last) == interval
            });
            let elements: Vec<Element> = apart(of_set)
                .into_iter()
                .map(|(first, last)| Element {
                    first,
                    last,
                    timeout_ms: u64::try_from(LIFE.as_millis()).ok(),
                })
                .collect();
            for some in elements.chunks(AT_A_TIME) {
                transaction.clear();
                transaction.add_elements(&set, some);
                bridge.nftables.commit(&mut transaction)?;
            }
        }
        Ok(())
    }

    /// Takes the table down, whoever has put it up.
    pub(super) fn down() -> Result<(), Error> {
        match Nftables::open() {
            Ok(nftables) => Self { nftables }.take_down(),
            // Where there is no nftables there is no table.
            Err(Error::NoNftables(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn take_down(&mut self) -> Result<(), Error> {
        if !self.nftables.list_tables()?.iter().any(|table| table == TABLE) {
            return Ok(());
        }
        let mut transaction = Transaction::new();
        transaction.delete_table(TABLE);
        self.nftables.commit(&mut transaction)
    }
}

const fn set(name: &str, family: Family, interval: bool) -> Set<'_> {
    Set {
        table: TABLE,
        name,
        family,
        interval,
    }
}

/// The first and the last address of an address or a network.
fn range(id: &str) -> Option<(IpAddr, IpAddr)> {
    let (address, bits) = match id.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
        None => (id, None),
    };
    match address.parse().ok()? {
        IpAddr::V4(address) => {
            let host = 32_u32.checked_sub(bits.unwrap_or(32))?;
            let mask = u32::MAX.checked_shl(host).unwrap_or(0);
            let first = address.to_bits() & mask;
            Some((IpAddr::V4(first.into()), IpAddr::V4((first | !mask).into())))
        }
        IpAddr::V6(address) => {
            let host = 128_u32.checked_sub(bits.unwrap_or(128))?;
            let mask = u128::MAX.checked_shl(host).unwrap_or(0);
            let first = address.to_bits() & mask;
            Some((IpAddr::V6(first.into()), IpAddr::V6((first | !mask).into())))
        }
    }
}

/// Ranges in ascending order, without those that lie within another, which no set takes.
fn apart(ranges: impl Iterator<Item = (IpAddr, IpAddr)>) -> Vec<(IpAddr, IpAddr)> {
    let mut apart: Vec<(IpAddr, IpAddr)> = Vec::new();
    for (first, last) in ranges {
        match apart.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            Some(_) | None => apart.push((first, last)),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::{apart, range};

    #[test]
    fn what_is_banned_is_a_range_of_addresses_or_left_out() {
        let cases = [
            ("192.0.2.7", Some(("192.0.2.7", "192.0.2.7"))),
            ("192.0.2.0/24", Some(("192.0.2.0", "192.0.2.255"))),
            ("192.0.2.9/32", Some(("192.0.2.9", "192.0.2.9"))),
            ("0.0.0.0/0", Some(("0.0.0.0", "255.255.255.255"))),
            ("2001:db8::1", Some(("2001:db8::1", "2001:db8::1"))),
            ("2001:db8::/126", Some(("2001:db8::", "2001:db8::3"))),
            ("::/0", Some(("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))),
            ("192.0.2.0/33", None),
            ("192.0.2.0/", None),
            ("2001:db8::/129", None),
            ("somebody", None),
            ("", None),
        ];
        for (id, expected) in cases {
            let expected = expected.map(|(first, last)| (first.parse().unwrap(), last.parse().unwrap()));
            assert_eq!(range(id), expected, "{id}");
        }
    }

    #[test]
    fn no_two_ranges_overlap() {
        let ranges = [
            "192.0.2.0/24",
            "192.0.2.0/25",
            "192.0.2.128/25",
            "198.51.100.0/30",
        ];
        let mut ranges: Vec<_> = ranges.into_iter().filter_map(range).collect();
        ranges.sort_unstable();
        let found = apart(ranges.into_iter());
        let expected: Vec<_> = ["192.0.2.0/24", "198.51.100.0/30"]
            .into_iter()
            .filter_map(range)
            .collect();
        assert_eq!(found, expected);
    }
}
