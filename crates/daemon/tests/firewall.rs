//! The native nftables action against the commands it stands for, in a network of the test's own.
//!
//! Each test runs itself again inside `unshare -rn`. Where that or `nft` is missing it says so and passes, but fails
//! where the environment variable `CI` is set.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

#[path = "../../sys/tests/own_network/mod.rs"]
mod own_network;

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use stockade_action::native::Kind;
use stockade_action::plan::{Ban, Definition, Elements, NativeFirewall, SetId};
use stockade_action::services::Services;
use stockade_action::tags::Properties;
use stockade_daemon::firewall::{Firewall, FirewallError, concerns};
use stockade_jail::{Address, Family, Timestamp};

fn in_own_network(name: &str, body: impl FnOnce()) {
    own_network::enter(name, "nft", "nft list ruleset", body);
}

fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn nft(arguments: &str) -> String {
    run("nft", arguments)
}

/// The rule set without what differs on purpose: our sets are hash tables, and their elements have timeouts.
fn ruleset() -> String {
    let text = nft("list ruleset").replace("flags interval", "flags timeout");
    let mut words = text.split(' ').peekable();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "timeout" | "expires" => {
                let value = words.next().unwrap();
                // The time is followed by what ends an element.
                if value.contains('\n') || value.ends_with(',') {
                    let end: String = value
                        .chars()
                        .filter(|char| !char.is_ascii_alphanumeric())
                        .collect();
                    let last: String = kept.pop().unwrap();
                    kept.push(last + &end);
                }
            }
            word => kept.push(word.to_owned()),
        }
    }
    kept.join(" ")
}

fn native(kind: Kind, jail: &str, others: &[(&str, &str)]) -> NativeFirewall {
    let mut properties = Properties::default();
    for (name, value) in [
        ("name", jail),
        ("table", "f2b-table"),
        ("table_family", "inet"),
        ("chain", "f2b-chain"),
        ("chain_type", "filter"),
        ("chain_hook", "input"),
        ("chain_priority", "-1"),
        ("addr_type", "ipv4_addr"),
        ("addr_type?family=inet6", "ipv6_addr"),
        ("addr_set", "addr-set-<name>"),
        ("addr_set?family=inet6", "addr6-set-<name>"),
        ("addr_family", "ip"),
        ("addr_family?family=inet6", "ip6"),
        ("port", "ssh"),
        ("protocol", "tcp"),
        ("blocktype", "reject"),
        ("nftables", "nft"),
    ]
    .iter()
    .chain(others)
    {
        properties.set(name, (*value).to_owned());
    }
    NativeFirewall::new(Definition::new(kind, &properties, &Services::default()).unwrap())
}

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap().unwrap()
}

fn ban(text: &str, seconds: i64) -> Ban {
    Ban {
        address: address(text),
        end: NOW.plus_seconds(seconds),
    }
}

fn set(family: Family, elements: Elements) -> SetId {
    SetId { family, elements }
}

/// What the kernel holds of an action in one set, with the seconds left, rounded up.
fn held(firewall: &mut Firewall, native: &NativeFirewall, id: SetId) -> Vec<(String, Option<u64>)> {
    let text = |element: &stockade_action::plan::Element| {
        let timeout = element.timeout_ms.map(|timeout| timeout.div_ceil(1000));
        if element.first == element.last {
            (element.first.to_string(), timeout)
        } else {
            (format!("{}-{}", element.first, element.last), timeout)
        }
    };
    let elements = firewall.elements(native.definition(), id).unwrap();
    elements.iter().map(text).collect()
}

#[test]
fn the_rule_set_lists_as_the_commands_leave_it() {
    type Case<'a> = (&'a str, Kind, &'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 6] = [
        ("stock", Kind::Multiport, &[], &["tcp dport { ssh }"]),
        (
            "ports and a range",
            Kind::Multiport,
            &[("port", "ssh,1000:1010,http")],
            &["tcp dport { ssh,1000-1010,http }"],
        ),
        (
            "two protocols",
            Kind::Multiport,
            &[("protocol", "tcp,udp")],
            &["tcp dport { ssh }", "udp dport { ssh }"],
        ),
        (
            "every protocol",
            Kind::Multiport,
            &[("protocol", "all")],
            &["th dport { ssh }"],
        ),
        ("every port", Kind::Allports, &[], &["meta l4proto { tcp }"]),
        ("everything", Kind::Allports, &[("protocol", "all")], &[""]),
    ];
    in_own_network("the_rule_set_lists_as_the_commands_leave_it", || {
        let mut firewall = Firewall::open().unwrap();
        for (name, kind, options, matches) in cases {
            let mut native = native(kind, "sshd", options);
            for bans in [
                vec![ban("192.0.2.10", 600), ban("192.0.2.11", 600)],
                vec![ban("2001:db8::10", 600)],
            ] {
                firewall.apply(&native.ban(NOW, &bans)).unwrap();
            }
            firewall
                .apply(&native.unban(NOW, &[address("192.0.2.11")]))
                .unwrap();
            let ours = ruleset();
            firewall.apply(&native.stop()).unwrap();
            assert_eq!(
                nft("list ruleset"),
                "",
                "{name}: the table goes with the last set"
            );

            for (set, kind, family, address) in [
                ("addr-set-sshd", "ipv4_addr", "ip", "192.0.2.10"),
                ("addr6-set-sshd", "ipv6_addr", "ip6", "2001:db8::10"),
            ] {
                nft("add table inet f2b-table");
                nft("-- add chain inet f2b-table f2b-chain { type filter hook input priority -1 ; }");
                nft(&format!(
                    "add set inet f2b-table {set} {{ type {kind}; flags interval; }}"
                ));
                for matched in matches {
                    nft(&format!(
                        "add rule inet f2b-table f2b-chain {matched} {family} saddr @{set} reject"
                    ));
                }
                nft(&format!("add element inet f2b-table {set} {{ {address} }}"));
            }
            assert_eq!(ours, ruleset(), "{name}");
            nft("flush ruleset");
        }
    });
}

#[test]
fn a_jail_that_stops_leaves_the_others_alone() {
    in_own_network("a_jail_that_stops_leaves_the_others_alone", || {
        let mut firewall = Firewall::open().unwrap();
        let mut sshd = native(Kind::Multiport, "sshd", &[]);
        let mut nginx = native(Kind::Allports, "nginx", &[]);
        firewall.apply(&sshd.ban(NOW, &[ban("192.0.2.1", 600)])).unwrap();
        let alone = ruleset();
        firewall
            .apply(&nginx.ban(
                NOW,
                &[
                    ban("192.0.2.1", 600),
                    ban("198.51.100.0/24", 600),
                    ban("2001:db8::/64", 600),
                ],
            ))
            .unwrap();
        let text = nft("list ruleset");
        for part in [
            "set addr-set-nginx {",
            "set addr-set-nginx-net {",
            "set addr6-set-nginx-net {",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            text.contains("ip saddr @addr-set-nginx-net reject with icmp port-unreachable"),
            "{text}"
        );
        assert!(firewall.holds(nginx.definition(), Family::Inet4).unwrap());
        assert!(
            !firewall.holds(nginx.definition(), Family::Inet6).unwrap(),
            "no single address there"
        );

        firewall.apply(&nginx.stop()).unwrap();
        assert_eq!(ruleset(), alone);
        firewall.apply(&nginx.stop()).unwrap();
        nft("add set inet f2b-table admin { type ipv4_addr; }");
        firewall.apply(&sshd.stop()).unwrap();
        assert!(
            nft("list ruleset").contains("set admin"),
            "the table holds a set of someone else's"
        );
    });
}

#[test]
fn packets_of_a_banned_address_are_refused() {
    in_own_network("packets_of_a_banned_address_are_refused", || {
        run("ip", "link set lo up");
        run("ip", "address add 192.0.2.1/24 dev lo");
        run("ip", "address add 192.0.2.7/24 dev lo");
        run("ip", "address add 2001:db8::1/64 dev lo nodad");
        run("ip", "address add 2001:db8::7/64 dev lo nodad");
        let mut firewall = Firewall::open().unwrap();
        for (server, attacker, other) in [
            ("192.0.2.1:0", "192.0.2.7:0", "192.0.2.1:0"),
            ("[2001:db8::1]:0", "[2001:db8::7]:0", "[2001:db8::1]:0"),
        ] {
            let listener = TcpListener::bind(server).unwrap();
            let server = listener.local_addr().unwrap();
            let attacker: SocketAddr = attacker.parse().unwrap();
            let single = Address::single(attacker.ip());
            let whole = Address::network(attacker.ip(), if attacker.is_ipv4() { 29 } else { 125 });
            let end = NOW.plus_seconds(600);
            let mut native = native(Kind::Multiport, "sshd", &[("port", &server.port().to_string())]);
            assert!(reaches(attacker, server), "before");
            for address in [single, whole] {
                firewall.apply(&native.ban(NOW, &[Ban { address, end }])).unwrap();
                assert!(!reaches(attacker, server), "{address} is banned");
                firewall.apply(&native.unban(NOW, &[address])).unwrap();
                assert!(reaches(attacker, server), "{address} is not banned any more");
            }
            firewall
                .apply(&native.ban(NOW, &[Ban { address: single, end }]))
                .unwrap();
            assert!(reaches(other.parse().unwrap(), server), "another address");
            firewall.apply(&native.stop()).unwrap();
            assert!(reaches(attacker, server), "after");
        }
    });
}

/// Whether a connection from `source` to `server` comes about.
fn reaches(source: SocketAddr, server: SocketAddr) -> bool {
    let family = if source.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let client = socket(family, SocketType::STREAM, None).unwrap();
    bind(&client, &source).unwrap();
    connect(&client, &server).is_ok()
}

#[test]
fn what_a_killed_daemon_left_is_taken_over() {
    in_own_network("what_a_killed_daemon_left_is_taken_over", || {
        let mut firewall = Firewall::open().unwrap();
        let addresses = set(Family::Inet4, Elements::Addresses);
        let networks = set(Family::Inet4, Elements::Networks);
        let mut killed = native(Kind::Multiport, "sshd", &[]);
        assert!(firewall.observe(killed.definition()).unwrap().is_empty());
        let bans = [
            ban("192.0.2.1", 600),
            ban("192.0.2.2", 600),
            ban("192.0.2.3", 600),
            ban("198.51.100.0/24", 600),
            ban("203.0.113.0/28", 600),
        ];
        firewall.apply(&killed.ban(NOW, &bans)).unwrap();
        drop(killed);

        let mut native = native(Kind::Multiport, "sshd", &[]);
        let observed = firewall.observe(native.definition()).unwrap();
        let bans = [
            ban("192.0.2.1", 600),
            ban("192.0.2.2", 6000),
            ban("192.0.2.4", 600),
            ban("198.51.0.0/16", 600),
            ban("203.0.113.0/28", 600),
        ];
        firewall.apply(&native.adopt(NOW, &observed, &bans)).unwrap();
        let of = |text: &str, seconds| (text.to_owned(), Some(seconds));
        assert_eq!(
            held(&mut firewall, &native, addresses),
            [of("192.0.2.1", 600), of("192.0.2.2", 6000), of("192.0.2.4", 600)]
        );
        assert_eq!(
            held(&mut firewall, &native, networks),
            [
                of("198.51.0.0-198.51.255.255", 600),
                of("203.0.113.0-203.0.113.15", 600)
            ]
        );
        let rules = nft("list ruleset").matches("saddr @").count();
        assert_eq!(rules, 2, "one rule for each set");
        firewall.apply(&native.stop()).unwrap();
        assert_eq!(nft("list ruleset"), "");
    });
}

#[test]
fn what_the_commands_left_is_replaced() {
    in_own_network("what_the_commands_left_is_replaced", || {
        nft("add table inet f2b-table");
        nft("-- add chain inet f2b-table f2b-chain { type filter hook input priority -1 ; }");
        for (set, kind, family) in [
            ("addr-set-sshd", "ipv4_addr", "ip"),
            ("addr6-set-sshd", "ipv6_addr", "ip6"),
        ] {
            nft(&format!(
                "add set inet f2b-table {set} {{ type {kind}; flags interval; }}"
            ));
            nft(&format!(
                "add rule inet f2b-table f2b-chain tcp dport {{ ssh }} {family} saddr @{set} reject"
            ));
        }
        nft("add element inet f2b-table addr-set-sshd { 192.0.2.1, 192.0.2.2 }");
        let mut firewall = Firewall::open().unwrap();
        let mut native = native(Kind::Multiport, "sshd", &[]);
        let observed = firewall.observe(native.definition()).unwrap();
        firewall
            .apply(&native.adopt(NOW, &observed, &[ban("192.0.2.2", 600)]))
            .unwrap();
        let addresses = set(Family::Inet4, Elements::Addresses);
        let expected = [("192.0.2.2".to_owned(), Some(600))];
        assert_eq!(held(&mut firewall, &native, addresses), expected);
        let text = nft("list ruleset");
        assert!(!text.contains("flags interval"), "{text}");
        assert_eq!(text.matches("saddr @").count(), 2, "{text}");
    });
}

#[test]
fn what_someone_else_removes_is_noticed_and_set_up_again() {
    in_own_network("what_someone_else_removes_is_noticed_and_set_up_again", || {
        let mut firewall = Firewall::open().unwrap();
        let mut native = native(Kind::Multiport, "sshd", &[]);
        let mut watch = firewall.watch().unwrap();
        let bans = [ban("192.0.2.1", 600), ban("192.0.2.2", 600)];
        firewall.apply(&native.ban(NOW, &bans[..1])).unwrap();
        nft("add set inet f2b-table addr-set-other { type ipv4_addr; }");
        nft("delete set inet f2b-table addr-set-other");
        assert!(
            !concerns(&watch.take().unwrap(), native.definition()),
            "our own, and another set"
        );
        for command in [
            "flush ruleset",
            "flush chain inet f2b-table f2b-chain",
            "flush set inet f2b-table addr-set-sshd",
        ] {
            nft(command);
            assert!(concerns(&watch.take().unwrap(), native.definition()), "{command}");
            let intact = firewall.holds(native.definition(), Family::Inet4).unwrap();
            assert_eq!(intact, command.starts_with("flush set"), "{command}");
            if command == "flush ruleset" {
                firewall
                    .apply(&native.unban(NOW, &[address("192.0.2.9")]))
                    .unwrap();
                let error = firewall.apply(&native.ban(NOW, &bans[1..])).unwrap_err();
                assert!(matches!(error, FirewallError::Gone(_)), "{error}");
                assert_eq!(error.to_string(), "what the firewall had of this action is gone");
            }
            let observed = firewall.observe(native.definition()).unwrap();
            firewall.apply(&native.adopt(NOW, &observed, &bans)).unwrap();
            assert!(
                firewall.holds(native.definition(), Family::Inet4).unwrap(),
                "{command}"
            );
            let addresses = set(Family::Inet4, Elements::Addresses);
            assert_eq!(held(&mut firewall, &native, addresses).len(), 2, "{command}");
        }
        nft("flush ruleset");
        firewall.apply(&native.flush()).unwrap();
        firewall.apply(&native.stop()).unwrap();
    });
}

#[test]
fn long_batches_missing_elements_and_new_timeouts() {
    in_own_network("long_batches_missing_elements_and_new_timeouts", || {
        let mut firewall = Firewall::open().unwrap();
        let mut native = native(Kind::Multiport, "sshd", &[]);
        let addresses = set(Family::Inet4, Elements::Addresses);
        let bans: Vec<_> = (0..2500)
            .map(|number| ban(&format!("198.18.{}.{}", number / 250, number % 250), 600))
            .collect();
        firewall.apply(&native.ban(NOW, &bans)).unwrap();
        // While the kernel still rearranges the hash table that has just grown, a list may leave elements out.
        let whole = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            held(&mut firewall, &native, addresses).len() == 2500
        });
        assert!(whole);
        let observed = firewall.observe(native.definition()).unwrap();
        firewall.apply(&native.adopt(NOW, &observed, &bans)).unwrap();
        let whole = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            held(&mut firewall, &native, addresses).len() == 2500
        });
        assert!(whole, "taken over, with the rights of a small network");

        nft("delete element inet f2b-table addr-set-sshd { 198.18.0.1 }");
        let all: Vec<_> = bans.iter().map(|ban| ban.address).collect();
        firewall.apply(&native.unban(NOW, &all[..2400])).unwrap();
        let left = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            held(&mut firewall, &native, addresses).len() == 100
        });
        assert!(left);

        let renewed = [ban("198.18.9.249", 7200), ban("198.18.0.1", 60)];
        firewall.apply(&native.renew(NOW, &renewed)).unwrap();
        let held = held(&mut firewall, &native, addresses);
        assert_eq!(held.first(), Some(&("198.18.0.1".to_owned(), Some(60))));
        assert_eq!(held.last(), Some(&("198.18.9.249".to_owned(), Some(7200))));
        firewall.apply(&native.flush()).unwrap();
        assert!(
            nft("list ruleset").contains("set addr-set-sshd {\n\t\ttype ipv4_addr\n\t\tflags timeout\n\t}")
        );
    });
}
