//! Rules of iptables and sets of ipset made over netlink against those that the commands make, in a network of the
//! test's own.
//!
//! Each test runs itself again inside `unshare -rn`. Where that or a program is missing it says so and passes, but fails
//! where the environment variable `CI` is set.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

mod own_network;

use std::net::IpAddr;
use std::process::Command;

use stockade_sys::ipset::{IpSet, Ipset};
use stockade_sys::nftables::{Element, Family, FilterRule, Nftables, PortModule, Ports, Target, Transaction};

const CHAIN: &str = "f2b-sshd";

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

/// What the tools print of the rules of a family.
fn shown(program: &str) -> String {
    let saved = sh(&format!("{program}-save"));
    let rules = saved
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect::<Vec<_>>();
    rules.join("\n") + "\n" + &sh("nft list ruleset 2>/dev/null")
}

fn program(family: Family) -> &'static str {
    match family {
        Family::Inet4 => "iptables",
        Family::Inet6 => "ip6tables",
    }
}

/// How the `iptables` of this machine says `--dport`.
fn module() -> PortModule {
    let version = sh("iptables -V");
    let minor = version
        .split(['.', ' '])
        .nth(3)
        .and_then(|text| text.parse::<u32>().ok());
    if minor >= Some(8) {
        PortModule::Nftables
    } else {
        PortModule::Xtables
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn rules_are_those_that_iptables_makes() {
    in_own_network("rules_are_those_that_iptables_makes", || {
        let rule = FilterRule::new;
        let to = |rule: FilterRule| rule.target(Target::Chain(CHAIN));
        let both = [Family::Inet4, Family::Inet6];
        let cases: Vec<(&str, &[Family], FilterRule)> = vec![
            (
                "-p tcp --dport 22 -j f2b-sshd",
                &both,
                to(rule().protocol(6).port(Ports::One(22), module())),
            ),
            (
                "-p udp --dport 1000:2000 -j f2b-sshd",
                &both,
                to(rule().protocol(17).port(Ports::Range(1000, 2000), module())),
            ),
            (
                "-p tcp -m multiport --dports ssh,1000:2000 -j f2b-sshd",
                &both,
                to(rule()
                    .protocol(6)
                    .ports(&[Ports::One(22), Ports::Range(1000, 2000)])),
            ),
            (
                "-p sctp -m multiport --dports 7 -j f2b-sshd",
                &both,
                to(rule().protocol(132).ports(&[Ports::One(7)])),
            ),
            ("-j f2b-sshd", &both, to(rule())),
            ("-p tcp -j f2b-sshd", &both, to(rule().protocol(6))),
            (
                "-m state --state NEW -p tcp --dport 22 -j f2b-sshd",
                &both,
                to(rule()
                    .protocol(6)
                    .begins_connection()
                    .port(Ports::One(22), module())),
            ),
            (
                "-s 192.0.2.7 -j DROP",
                &both[..1],
                rule().source(address("192.0.2.7"), 32).target(Target::Drop),
            ),
            (
                "-s 198.51.100.0/24 -j ACCEPT",
                &both[..1],
                rule().source(address("198.51.100.0"), 24).target(Target::Accept),
            ),
            (
                "-s 198.51.100.0/22 -j DROP",
                &both[..1],
                rule().source(address("198.51.100.0"), 22).target(Target::Drop),
            ),
            (
                "-s 2001:db8::7 -j RETURN",
                &both[1..],
                rule().source(address("2001:db8::7"), 128).target(Target::Return),
            ),
            (
                "-s 2001:db8::/32 -j DROP",
                &both[1..],
                rule().source(address("2001:db8::"), 32).target(Target::Drop),
            ),
            (
                "-s 2001:db8::/45 -j DROP",
                &both[1..],
                rule().source(address("2001:db8::"), 45).target(Target::Drop),
            ),
            (
                "-j REJECT --reject-with icmp-port-unreachable",
                &both[..1],
                rule().target(Target::Reject(3)),
            ),
            (
                "-j REJECT --reject-with icmp-admin-prohibited",
                &both[..1],
                rule().target(Target::Reject(8)),
            ),
            (
                "-j REJECT --reject-with icmp6-port-unreachable",
                &both[1..],
                rule().target(Target::Reject(4)),
            ),
            (
                "-j REJECT --reject-with icmp6-reject-route",
                &both[1..],
                rule().target(Target::Reject(8)),
            ),
            (
                "-p tcp -j REJECT --reject-with tcp-reset",
                &both[..1],
                rule().protocol(6).target(Target::Reject(7)),
            ),
            (
                "-p tcp -j REJECT --reject-with tcp-reset",
                &both[1..],
                rule().protocol(6).target(Target::Reject(6)),
            ),
        ];
        let mut nftables = Nftables::open().unwrap();
        for (words, families, rule) in cases {
            for &family in families {
                let program = program(family);
                sh(&format!("{program} -N {CHAIN}; {program} -I INPUT {words}"));
                let expected = shown(program);
                let listed = nftables.list_filter_rules(family, "INPUT").unwrap();
                assert_eq!(listed.len(), 1, "{program} {words}");
                assert_eq!(listed[0].rule, rule, "{program} {words}: read");
                sh("nft flush ruleset");

                let mut transaction = Transaction::new();
                transaction.add_filter_table(family);
                transaction.add_filter_chain(family, CHAIN);
                transaction.add_filter_chain(family, "INPUT");
                transaction.insert_filter_rule(family, "INPUT", &rule);
                nftables.commit(&mut transaction).unwrap();
                assert_eq!(shown(program), expected, "{program} {words}: written");
                let listed = nftables.list_filter_rules(family, "INPUT").unwrap();
                assert_eq!(listed[0].rule, rule, "{program} {words}: read again");
                // What ours has made the command finds and takes away.
                sh(&format!(
                    "{program} -C INPUT {words}; {program} -D INPUT {words}; {program} -X {CHAIN}"
                ));
                sh("nft flush ruleset");
            }
        }
    });
}

#[test]
fn ports_said_as_before_are_the_same_to_iptables() {
    in_own_network("ports_said_as_before_are_the_same_to_iptables", || {
        let mut nftables = Nftables::open().unwrap();
        for (words, number, ports) in [
            ("-p tcp --dport 22 -j DROP", 6, Ports::One(22)),
            ("-p udp --dport 1000:2000 -j DROP", 17, Ports::Range(1000, 2000)),
        ] {
            sh(&format!("iptables -I INPUT {words}"));
            let expected = sh("iptables -S");
            sh("nft flush ruleset");
            let mut transaction = Transaction::new();
            transaction.add_filter_table(Family::Inet4);
            transaction.add_filter_chain(Family::Inet4, "INPUT");
            let rule = FilterRule::new()
                .protocol(number)
                .port(ports, PortModule::Xtables)
                .target(Target::Drop);
            transaction.insert_filter_rule(Family::Inet4, "INPUT", &rule);
            nftables.commit(&mut transaction).unwrap();
            assert_eq!(sh("iptables -S"), expected, "{words}");
            sh(&format!("iptables -D INPUT {words}; nft flush ruleset"));
        }
    });
}

#[test]
fn the_sole_source_of_a_rule_is_known_again() {
    let cases = [
        ("192.0.2.7", 32),
        ("198.51.100.0", 24),
        ("198.51.100.0", 22),
        ("2001:db8::7", 128),
        ("2001:db8::", 45),
        ("2001:db8::", 64),
    ];
    for (text, prefix) in cases {
        let rule = FilterRule::new()
            .source(address(text), prefix)
            .target(Target::Drop);
        assert_eq!(
            rule.sole_source(),
            Some((address(text), prefix)),
            "{text}/{prefix}"
        );
    }
    let others = [
        FilterRule::new().target(Target::Drop),
        FilterRule::new()
            .protocol(6)
            .source(address("192.0.2.7"), 32)
            .target(Target::Drop),
    ];
    for rule in others {
        assert_eq!(rule.sole_source(), None, "{rule:?}");
    }
}

fn element(first: &str, last: &str, timeout_ms: Option<u64>) -> Element {
    Element {
        first: address(first),
        last: address(last),
        timeout_ms,
    }
}

fn one(text: &str) -> Element {
    element(text, text, None)
}

/// What `ipset` prints of all sets, without what it chose by chance.
fn saved() -> String {
    let text = sh("ipset save -sorted");
    let mut plain = String::new();
    for line in text.lines() {
        let line = line.split(" initval ").next().unwrap_or_default();
        plain += line;
        plain += "\n";
    }
    plain
}

const SET4: IpSet<'static> = IpSet {
    name: "f2b-sshd",
    family: Family::Inet4,
    maxelem: 65536,
    timeout: 0,
};
const SET6: IpSet<'static> = IpSet {
    name: "f2b-sshd6",
    family: Family::Inet6,
    maxelem: 7,
    timeout: 60,
};

#[test]
fn sets_are_those_that_ipset_makes() {
    in_own_network("sets_are_those_that_ipset_makes", || {
        sh("ipset -exist create f2b-sshd hash:ip timeout 0 maxelem 65536
            ipset -exist create f2b-sshd6 hash:ip timeout 60 maxelem 7 family inet6
            ipset -exist add f2b-sshd 192.0.2.7 timeout 0
            ipset -exist add f2b-sshd 198.51.100.0/30 timeout 0
            ipset -exist add f2b-sshd6 2001:db8::7 timeout 0");
        let expected = saved();
        sh("ipset destroy");

        let mut ipset = Ipset::open().unwrap();
        assert_eq!(ipset.index(SET4.name).unwrap(), None);
        assert_eq!(ipset.list_set(SET4.name).unwrap(), None);
        assert!(ipset.list_elements(SET4.name).unwrap().is_empty());
        for set in [SET4, SET6] {
            ipset.create(&set).unwrap();
            // Once more is no error.
            ipset.create(&set).unwrap();
        }
        ipset
            .add(
                SET4.name,
                &[one("192.0.2.7"), element("198.51.100.0", "198.51.100.3", None)],
            )
            .unwrap();
        ipset.add(SET6.name, &[one("2001:db8::7")]).unwrap();
        assert_eq!(saved(), expected);
        let listed = ipset.list_set(SET4.name).unwrap().unwrap();
        assert!(listed.serves_as(&SET4) && !listed.serves_as(&SET6), "{listed:?}");
        assert_eq!(listed.elements, Some(5));
        let held: Vec<_> = ipset
            .list_elements(SET4.name)
            .unwrap()
            .iter()
            .map(|held| held.element)
            .collect();
        let hosts = [0, 1, 2, 3].map(|host| one(&format!("198.51.100.{host}")));
        assert_eq!(held, [&[one("192.0.2.7")], hosts.as_slice()].concat());

        // Again with a timeout, and again without.
        ipset
            .add(SET4.name, &[element("192.0.2.7", "192.0.2.7", Some(600_000))])
            .unwrap();
        let left = ipset.list_elements(SET4.name).unwrap()[0].expires_ms.unwrap();
        assert!((500_000..=600_000).contains(&left), "{left}");
        ipset.add(SET4.name, &[one("192.0.2.7")]).unwrap();
        assert_eq!(saved(), expected);
        ipset
            .delete(
                SET4.name,
                &[element("198.51.100.0", "198.51.100.3", None), one("203.0.113.9")],
            )
            .unwrap();
        assert_eq!(
            ipset.list_elements(SET4.name).unwrap().len(),
            1,
            "what is not there is as good as removed"
        );
        ipset.flush(SET4.name).unwrap();
        assert!(ipset.list_elements(SET4.name).unwrap().is_empty());

        sh("iptables -I INPUT -m set --match-set f2b-sshd src -j DROP");
        let busy = ipset.destroy(SET4.name).unwrap_err();
        assert!(busy.refusals()[0].is_busy(), "{busy}");
        let index = ipset.index(SET4.name).unwrap().unwrap();
        let rule = FilterRule::new().source_in_set(index).target(Target::Drop);
        let listed = Nftables::open()
            .unwrap()
            .list_filter_rules(Family::Inet4, "INPUT")
            .unwrap();
        assert_eq!(listed[0].rule, rule);
        sh("nft flush ruleset; sleep 0.2");
        ipset.destroy(SET4.name).unwrap();
        ipset.destroy(SET6.name).unwrap();
        assert_eq!(saved(), "");
    });
}

#[test]
fn what_the_kernel_refuses_is_told_and_the_rest_is_done() {
    in_own_network("what_the_kernel_refuses_is_told_and_the_rest_is_done", || {
        let mut ipset = Ipset::open().unwrap();
        let missing = ipset.add(SET4.name, &[one("192.0.2.7")]).unwrap_err();
        assert!(missing.refusals()[0].is_missing(), "{missing}");
        assert!(ipset.flush(SET4.name).unwrap_err().refusals()[0].is_missing());

        ipset.create(&SET6).unwrap();
        let elements = [
            one("2001:db8::1"),
            element("2001:db8::", "2001:db8::ffff", None),
            one("2001:db8::2"),
        ];
        let refused = ipset.add(SET6.name, &elements).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the kernel refused to change sets: add 2001:db8::-2001:db8::ffff to set f2b-sshd6: the set takes single \
             addresses, and no such network"
        );
        assert_eq!(
            ipset.list_elements(SET6.name).unwrap().len(),
            2,
            "the others are in"
        );

        let many: Vec<_> = (1..1000)
            .map(|host| one(&format!("2001:db8::{host:x}")))
            .collect();
        let full = ipset.add(SET6.name, &many).unwrap_err();
        assert!(full.to_string().contains("the set is full"), "{full}");

        sh("ipset create f2b-sshd hash:net");
        let other = ipset.create(&SET4).unwrap_err();
        assert!(other.to_string().contains("create set f2b-sshd: "), "{other}");
    });
}
