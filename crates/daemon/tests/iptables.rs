//! The native actions of iptables and ipset against the commands they stand for, in a network of the test's own.
//!
//! Each test runs itself again inside `unshare -rn`. Where that or a program is missing it says so and passes, but fails
//! where the environment variable `CI` is set.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

#[path = "../../sys/tests/own_network/mod.rs"]
mod own_network;

use std::process::Command;
use std::time::Duration;

use stockade_action::native::{Jump, Kind};
use stockade_action::plan::{Ban, Definition, NativeFirewall, SetId};
use stockade_action::services::Services;
use stockade_action::tags::Properties;
use stockade_daemon::firewall::{Firewall, concerns};
use stockade_jail::{Address, Timestamp};

fn in_own_network(name: &str, body: impl FnOnce()) {
    let tells = "iptables -V | grep -q nf_tables && iptables -S && ip6tables -S && ipset list";
    own_network::enter(name, "iptables over nftables, ipset", tells, body);
}

fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The rules of a chain, without its name.
fn rules(program: &str, chain: &str) -> Vec<String> {
    let text = sh(&format!("{program} -S {chain}"));
    let rules = text
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("-A {chain} ")));
    rules.map(str::to_owned).collect()
}

fn members(set: &str) -> Vec<String> {
    let text = sh(&format!("ipset save {set} -sorted"));
    let members = text
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("add {set} ")));
    members
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect()
}

fn native(kind: Kind, others: &[(&str, &str)]) -> NativeFirewall {
    let mut properties = Properties::default();
    for (name, value) in [
        ("name", "sshd"),
        ("chain", "INPUT"),
        ("port", "ssh"),
        ("protocol", "tcp"),
        ("returntype", "RETURN"),
        ("iptables", "iptables -w"),
        ("iptables?family=inet6", "ip6tables -w"),
        ("blocktype", "REJECT"),
        ("ipmset", "f2b-<name>"),
        ("ipmset?family=inet6", "f2b-<name>6"),
        ("familyopt?family=inet6", "family inet6"),
        ("maxelem", "65536"),
        ("default-ipsettime", "0"),
        ("ipsettime", "0"),
    ]
    .iter()
    .chain(others)
    {
        properties.set(name, (*value).to_owned());
    }
    NativeFirewall::new(Definition::new(kind, &properties, &Services::default()).unwrap())
}

const CHAIN: Kind = Kind::Iptables(Jump::Multiport);
const SET: Kind = Kind::Ipset(Jump::Multiport);
const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap().unwrap()
}

fn ban(text: &str) -> Ban {
    Ban {
        address: address(text),
        end: NOW.plus_seconds(600),
    }
}

fn many(count: u32) -> Vec<Ban> {
    let ip = |number: u32| std::net::Ipv4Addr::from_bits(0xc612_0000 + number);
    (0..count).map(|number| ban(&ip(number).to_string())).collect()
}

const REJECT: &str = "-j REJECT --reject-with icmp-port-unreachable";
const START: &str = "iptables -N f2b-sshd; iptables -A f2b-sshd -j RETURN; \
    iptables -I INPUT -p tcp -m multiport --dports ssh -j f2b-sshd";

#[test]
fn what_the_commands_of_iptables_left_is_taken_over() {
    in_own_network("what_the_commands_of_iptables_left_is_taken_over", || {
        sh(&format!(
            "{START}; for ip in 192.0.2.1 192.0.2.2 192.0.2.2 192.0.2.3; do iptables -I f2b-sshd 1 -s $ip {REJECT}; done; \
             iptables -I f2b-sshd 1 -s 192.0.2.4 -j DROP; iptables -I f2b-sshd 1 -p udp -j ACCEPT"
        ));
        let mut firewall = Firewall::open().unwrap();
        firewall.can_serve_iptables().unwrap();
        let mut native = native(CHAIN, &[]);
        let bans = [ban("192.0.2.2"), ban("192.0.2.4"), ban("2001:db8::1")];
        let observed = firewall.observe(native.definition()).unwrap();
        assert_eq!(observed.len(), 1);
        firewall.apply(&native.adopt(NOW, &observed, &bans)).unwrap();
        let of = |ip| format!("-s {ip}/32 {REJECT}");
        assert_eq!(
            rules("iptables", "f2b-sshd"),
            [
                of("192.0.2.4"),
                "-p udp -j ACCEPT".to_owned(),
                of("192.0.2.2"),
                "-j RETURN".to_owned()
            ],
            "rules that are no bans stay"
        );
        assert_eq!(
            rules("iptables", "INPUT").len(),
            1,
            "the rule that leads there stands once"
        );
        assert_eq!(rules("ip6tables", "f2b-sshd").len(), 2);
        firewall
            .apply(&native.unban(NOW, &[address("192.0.2.2"), address("192.0.2.9")]))
            .unwrap();
        assert_eq!(rules("iptables", "f2b-sshd").len(), 3);
        firewall.apply(&native.stop()).unwrap();
        assert_eq!(sh("iptables -S; ip6tables -S").matches("f2b").count(), 0);
    });
}

#[test]
fn what_the_commands_of_ipset_left_is_taken_over() {
    in_own_network("what_the_commands_of_ipset_left_is_taken_over", || {
        sh(&format!(
            "ipset -exist create f2b-sshd hash:ip timeout 0 maxelem 65536; \
             iptables -I INPUT -p tcp -m multiport --dports ssh -m set --match-set f2b-sshd src {REJECT}; \
             for ip in 192.0.2.1 192.0.2.2; do ipset -exist add f2b-sshd $ip timeout 0; done"
        ));
        let mut firewall = Firewall::open().unwrap();
        firewall.can_serve_iptables().unwrap();
        let mut native = native(SET, &[]);
        let observed = firewall.observe(native.definition()).unwrap();
        assert_eq!(observed.len(), 1);
        let bans = [ban("192.0.2.2"), ban("198.51.100.0/31")];
        firewall.apply(&native.adopt(NOW, &observed, &bans)).unwrap();
        assert_eq!(members("f2b-sshd"), ["192.0.2.2", "198.51.100.0", "198.51.100.1"]);
        assert_eq!(rules("iptables", "INPUT").len(), 1, "the rule stands once");
        let counted = firewall
            .count(native.definition(), stockade_jail::Family::Inet4)
            .unwrap();
        assert_eq!(counted, Some(3));
        firewall.apply(&native.stop()).unwrap();
        assert_eq!(sh("iptables -S; ipset save").matches("f2b").count(), 0);
    });
}

#[test]
fn a_full_set_is_told_and_holds_the_others() {
    in_own_network("a_full_set_is_told_and_holds_the_others", || {
        let mut firewall = Firewall::open().unwrap();
        firewall.can_serve_iptables().unwrap();
        let mut native = native(SET, &[("maxelem", "100")]);
        let error = firewall.apply(&native.ban(NOW, &many(5000))).unwrap_err();
        assert!(
            error.to_string().contains(" to set f2b-sshd: the set is full"),
            "{error}"
        );
        assert!(members("f2b-sshd").len() >= 100);
        // One that can never be in it is told too, and what comes after it is in.
        let bans = [ban("2001:db8::/64"), ban("2001:db8:1::1")];
        let error = firewall.apply(&native.ban(NOW, &bans)).unwrap_err();
        assert!(error.to_string().contains("no such network"), "{error}");
        assert_eq!(members("f2b-sshd6"), ["2001:db8:1::1"]);
    });
}

#[test]
fn what_someone_removes_is_noticed() {
    in_own_network("what_someone_removes_is_noticed", || {
        let mut firewall = Firewall::open().unwrap();
        firewall.can_serve_iptables().unwrap();
        let mut watch = firewall.watch().unwrap();
        let mut native = native(CHAIN, &[]);
        let bans = many(3);
        firewall.apply(&native.ban(NOW, &bans)).unwrap();
        let id = SetId::ALL[0];
        for (way, is_ours) in [
            ("iptables -F", true),
            ("iptables -F f2b-sshd", true),
            ("iptables -D INPUT 1", true),
            ("iptables -D f2b-sshd 2", true),
            ("nft flush ruleset", true),
            ("ip6tables -A INPUT -j DROP; ip6tables -F INPUT", true),
            ("iptables -A OUTPUT -j DROP; iptables -F OUTPUT", false),
            (
                "nft add table inet f2b-sshd; nft delete table inet f2b-sshd",
                false,
            ),
        ] {
            let _own = watch.take().unwrap();
            sh(way);
            std::thread::sleep(Duration::from_millis(20));
            let removals = watch.take().unwrap();
            assert_eq!(
                concerns(&removals, native.definition()),
                is_ours,
                "{way}: {removals:?}"
            );
            let observed = firewall.observe(native.definition()).unwrap();
            firewall.apply(&native.adopt(NOW, &observed, &bans)).unwrap();
            let held = firewall.held(native.definition(), id).unwrap().unwrap();
            assert_eq!(held.len(), 3, "{way}");
            assert!(
                watch.take().unwrap().is_empty(),
                "{way}: what is ours is not told"
            );
        }
    });
}

#[test]
fn thousands_of_bans_are_a_few_messages() {
    in_own_network("thousands_of_bans_are_a_few_messages", || {
        let mut firewall = Firewall::open().unwrap();
        firewall.can_serve_iptables().unwrap();
        for kind in [CHAIN, SET] {
            let mut native = native(kind, &[]);
            let bans = many(5000);
            firewall.apply(&native.ban(NOW, &bans)).unwrap();
            let held = |firewall: &mut Firewall, native: &NativeFirewall| {
                let held = firewall.held(native.definition(), SetId::ALL[0]).unwrap();
                held.unwrap().len()
            };
            assert_eq!(held(&mut firewall, &native), 5000);
            let observed = firewall.observe(native.definition()).unwrap();
            firewall.apply(&native.adopt(NOW, &observed, &bans)).unwrap();
            assert_eq!(held(&mut firewall, &native), 5000);
            let addresses: Vec<_> = bans.iter().skip(1).map(|ban| ban.address).collect();
            firewall.apply(&native.unban(NOW, &addresses)).unwrap();
            assert_eq!(held(&mut firewall, &native), 1);
            firewall.apply(&native.stop()).unwrap();
            assert_eq!(firewall.held(native.definition(), SetId::ALL[0]).unwrap(), None);
        }
    });
}
