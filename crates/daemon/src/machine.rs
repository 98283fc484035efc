//! What the daemon has to know about the machine it runs on: its addresses, names and services.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use stockade_action::services::Services;
use stockade_action::tags::HostNames;
use stockade_jail::Address;

/// The addresses of all interfaces.
#[must_use]
pub fn addresses() -> Vec<Address> {
    let inet4 = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let inet6 = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let mut addresses = local_inet4(&inet4);
    addresses.extend(local_inet6(&inet6));
    addresses.sort_unstable();
    addresses.dedup();
    addresses.into_iter().map(Address::single).collect()
}

/// The names of the machine.
#[must_use]
pub fn host_names() -> HostNames {
    let full = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let short = full.split('.').next().unwrap_or_default().to_owned();
    HostNames { full, short }
}

/// Whether the kernel has IPv6 and has it switched on.
#[must_use]
pub fn has_ipv6() -> bool {
    fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6").is_ok_and(|text| text.trim() == "0")
}

/// What the names of ports stand for.
#[must_use]
pub fn services() -> Services {
    Services::parse(&fs::read_to_string("/etc/services").unwrap_or_default())
}

/// The kernel's routing tables have an entry `host LOCAL` below each address of the machine.
fn local_inet4(fib_trie: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in fib_trie.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line.starts_with("/32 host LOCAL") {
            found.extend(last.map(IpAddr::V4));
        }
    }
    found
}

/// Each line of `if_inet6` begins with an address as 32 hexadecimal digits.
fn local_inet6(if_inet6: &str) -> Vec<IpAddr> {
    let addresses = if_inet6.lines().filter_map(|line| {
        let digits = line.split_whitespace().next()?;
        u128::from_str_radix(digits, 16).ok()
    });
    addresses
        .map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_kernel_name_the_addresses_of_the_machine() {
        let fib_trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 192.0.2.0/24 2 0 1\n        |-- 192.0.2.0\n           /24 link UNICAST\n        |-- 192.0.2.7\n           /32 host LOCAL\n        |-- 192.0.2.255\n           /32 link BROADCAST\nLocal:\n        |-- 192.0.2.7\n           /32 host LOCAL\n";
        assert_eq!(local_inet4(fib_trie), ["192.0.2.7".parse::<IpAddr>().unwrap(); 2]);
        let if_inet6 = "00000000000000000000000000000001 01 80 10 80       lo\n20010db8000000000000000000000007 02 40 00 80     eth0\n";
        assert_eq!(
            local_inet6(if_inet6),
            ["::1".parse::<IpAddr>().unwrap(), "2001:db8::7".parse().unwrap()]
        );
    }
}
