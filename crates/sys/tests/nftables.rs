//! Our netlink against the `nft` command, in a network of the test's own.
//!
//! Each test runs itself again inside `unshare -rn`, where it may change the firewall and nobody is affected. Where that
//! or `nft` is missing it says so and passes, but fails where the environment variable `CI` is set.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

mod own_network;

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use stockade_sys::nftables::{
    BaseChain, Element, Error, Family, Hook, Nftables, Ports, Removal, Rule, Set, Transaction, Transport,
    Verdict, Watch,
};

fn in_own_network(name: &str, body: impl FnOnce()) {
    own_network::enter(name, "nft", "nft list ruleset", body);
}

fn nft(arguments: &str) -> String {
    let output = Command::new("nft").arg(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft {arguments}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

const TABLE: &str = "f2b-table";
const CHAIN: &str = "f2b-chain";
const BASE: BaseChain = BaseChain {
    hook: Hook::Input,
    priority: -1,
};

fn set(name: &str, family: Family, interval: bool) -> Set<'_> {
    Set {
        table: TABLE,
        name,
        family,
        interval,
    }
}

fn sets() -> [Set<'static>; 4] {
    [
        set("addr-set-sshd", Family::Inet4, false),
        set("addr6-set-sshd", Family::Inet6, false),
        set("addr-set-sshd-net", Family::Inet4, true),
        set("addr6-set-sshd-net", Family::Inet6, true),
    ]
}

fn single(address: &str, timeout_ms: Option<u64>) -> Element {
    network(address, address, timeout_ms)
}

fn network(first: &str, last: &str, timeout_ms: Option<u64>) -> Element {
    Element {
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
        timeout_ms,
    }
}

fn commit(nftables: &mut Nftables, fill: impl FnOnce(&mut Transaction)) -> Result<(), Error> {
    let mut transaction = Transaction::new();
    fill(&mut transaction);
    nftables.commit(&mut transaction)
}

/// Makes the table, the chain and all four sets.
fn prepare(nftables: &mut Nftables) {
    commit(nftables, |transaction| {
        transaction.add_table(TABLE);
        transaction.add_chain(TABLE, CHAIN, &BASE);
        for set in sets() {
            transaction.add_set(&set);
        }
    })
    .unwrap();
}

#[test]
fn tables_chains_sets_and_elements_list_as_those_that_nft_makes() {
    in_own_network(
        "tables_chains_sets_and_elements_list_as_those_that_nft_makes",
        || {
            let mut nftables = Nftables::open().unwrap();
            let [single4, single6, network4, network6] = sets();
            // Twice: what is there already is no error.
            prepare(&mut nftables);
            prepare(&mut nftables);
            commit(&mut nftables, |transaction| {
                transaction.add_elements(&single4, &[single("192.0.2.7", None), single("192.0.2.8", None)]);
                transaction.add_elements(&single6, &[single("2001:db8::7", None)]);
                transaction.add_elements(
                    &network4,
                    &[
                        network("198.51.100.0", "198.51.100.255", None),
                        network("240.0.0.0", "255.255.255.255", None),
                    ],
                );
                transaction.add_elements(&network6, &[network("2001:db8::", "2001:db8::ffff", None)]);
            })
            .unwrap();
            let ours = nft("list ruleset");

            nft("flush ruleset");
            nft("add table inet f2b-table");
            nft("add chain inet f2b-table f2b-chain { type filter hook input priority -1 ; }");
            for (name, kind, flags) in [
                ("addr-set-sshd", "ipv4_addr", "timeout"),
                ("addr6-set-sshd", "ipv6_addr", "timeout"),
                ("addr-set-sshd-net", "ipv4_addr", "interval, timeout"),
                ("addr6-set-sshd-net", "ipv6_addr", "interval, timeout"),
            ] {
                nft(&format!(
                    "add set inet f2b-table {name} {{ type {kind}; flags {flags}; }}"
                ));
            }
            nft("add element inet f2b-table addr-set-sshd { 192.0.2.7, 192.0.2.8 }");
            nft("add element inet f2b-table addr6-set-sshd { 2001:db8::7 }");
            nft("add element inet f2b-table addr-set-sshd-net { 198.51.100.0/24, 240.0.0.0/4 }");
            nft("add element inet f2b-table addr6-set-sshd-net { 2001:db8::/112 }");
            assert_eq!(ours, nft("list ruleset"));
        },
    );
}

#[test]
fn rules_list_as_those_that_nft_makes() {
    use Ports::{One, Range};
    let ports = |protocol, ports: &[Ports]| Transport::Ports {
        protocol,
        ports: ports.to_vec(),
    };
    let reject = Verdict::Icmp(3);
    let cases = [
        (
            "tcp dport { ssh } ip saddr @addr-set-sshd reject",
            ports(Some(6), &[One(22)]),
            reject,
        ),
        (
            "tcp dport { 22, 80 } ip saddr @addr-set-sshd reject",
            ports(Some(6), &[One(22), One(80)]),
            reject,
        ),
        (
            "tcp dport { ssh, 1000-1010 } ip saddr @addr-set-sshd reject",
            ports(Some(6), &[One(22), Range(1000, 1010)]),
            reject,
        ),
        (
            "udp dport { 1000-2000 } ip saddr @addr-set-sshd drop",
            ports(Some(17), &[Range(1000, 2000)]),
            Verdict::Drop,
        ),
        (
            "tcp dport { 0-65535 } ip saddr @addr-set-sshd drop",
            ports(Some(6), &[Range(0, 65535)]),
            Verdict::Drop,
        ),
        (
            "tcp dport { 22, 23, 60000-65535 } ip saddr @addr-set-sshd drop",
            ports(Some(6), &[One(22), One(23), Range(60000, 65535)]),
            Verdict::Drop,
        ),
        (
            "tcp dport { 0-3, 22, 20-30 } ip saddr @addr-set-sshd drop",
            ports(Some(6), &[Range(0, 3), One(22), Range(20, 30)]),
            Verdict::Drop,
        ),
        (
            "tcp dport { 80, 22, 80 } ip saddr @addr-set-sshd drop",
            ports(Some(6), &[One(80), One(22), One(80)]),
            Verdict::Drop,
        ),
        (
            "sctp dport { 22 } ip saddr @addr-set-sshd drop",
            ports(Some(132), &[One(22)]),
            Verdict::Drop,
        ),
        (
            "th dport { 22, 80-90 } ip saddr @addr-set-sshd reject",
            ports(None, &[One(22), Range(80, 90)]),
            reject,
        ),
        (
            "meta l4proto { tcp } ip saddr @addr-set-sshd reject",
            Transport::Protocols(vec![6]),
            reject,
        ),
        (
            "meta l4proto { tcp, udp } ip saddr @addr-set-sshd reject",
            Transport::Protocols(vec![6, 17]),
            reject,
        ),
        ("ip saddr @addr-set-sshd reject", Transport::Any, reject),
        ("ip saddr @addr-set-sshd drop", Transport::Any, Verdict::Drop),
        (
            "ip saddr @addr-set-sshd reject with tcp reset",
            Transport::Any,
            Verdict::TcpReset,
        ),
        (
            "tcp dport { 22 } ip saddr @addr-set-sshd reject with tcp reset",
            ports(Some(6), &[One(22)]),
            Verdict::TcpReset,
        ),
        (
            "ip saddr @addr-set-sshd reject with icmp type host-unreachable",
            Transport::Any,
            Verdict::Icmp(1),
        ),
        (
            "ip saddr @addr-set-sshd reject with icmpx type admin-prohibited",
            Transport::Any,
            Verdict::IcmpBoth(3),
        ),
        (
            "tcp dport { ssh } ip6 saddr @addr6-set-sshd reject",
            ports(Some(6), &[One(22)]),
            Verdict::Icmp(4),
        ),
        (
            "meta l4proto { tcp } ip6 saddr @addr6-set-sshd-net drop",
            Transport::Protocols(vec![6]),
            Verdict::Drop,
        ),
        (
            "tcp dport { 22 } ip saddr @addr-set-sshd-net reject",
            ports(Some(6), &[One(22)]),
            reject,
        ),
    ];
    in_own_network("rules_list_as_those_that_nft_makes", || {
        let mut nftables = Nftables::open().unwrap();
        let set_of = |words: &str| {
            let (_, rest) = words.split_once('@').unwrap();
            rest.split_whitespace().next().unwrap().to_owned()
        };
        prepare(&mut nftables);
        for (words, _, _) in &cases {
            nft(&format!("add rule inet f2b-table f2b-chain {words}"));
        }
        let theirs = nft("list ruleset");

        nft("flush ruleset");
        prepare(&mut nftables);
        for (words, transport, verdict) in &cases {
            let rule = Rule {
                transport,
                family: if words.contains("ip6 ") {
                    Family::Inet6
                } else {
                    Family::Inet4
                },
                set: &set_of(words),
                verdict: *verdict,
            };
            commit(&mut nftables, |transaction| {
                transaction.add_rule(TABLE, CHAIN, &rule)
            })
            .unwrap_or_else(|error| panic!("{words}: {error}"));
        }
        let ours = nft("list ruleset");
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(ours, theirs);
    });
}

#[test]
fn what_is_there_is_listed() {
    in_own_network("what_is_there_is_listed", || {
        let mut nftables = Nftables::open().unwrap();
        assert_eq!(nftables.list_tables().unwrap(), [""; 0]);
        assert_eq!(nftables.list_sets(TABLE).unwrap(), []);
        assert_eq!(nftables.list_rules(TABLE).unwrap(), []);
        let [single4, single6, network4, network6] = sets();
        assert_eq!(nftables.list_elements(&single4).unwrap(), []);

        prepare(&mut nftables);
        nft("add table inet other");
        nft("add chain inet other c");
        nft("add set inet f2b-table addr-set-old { type ipv4_addr; flags interval; }");
        nft("add rule inet f2b-table f2b-chain tcp dport { 22, 80 } ip saddr @addr-set-sshd reject");
        assert_eq!(nftables.list_tables().unwrap(), [TABLE, "other"]);
        assert_eq!(nftables.list_chains(TABLE).unwrap(), [CHAIN]);
        let listed = nftables.list_sets(TABLE).unwrap();
        let names: Vec<_> = listed
            .iter()
            .map(|set| (set.name.as_str(), set.anonymous))
            .collect();
        for set in sets() {
            assert!(
                listed.iter().any(|listed| listed.is(&set)),
                "{names:?} has {}",
                set.name
            );
        }
        assert!(names.contains(&("__set0", true)), "{names:?}");
        let old = set("addr-set-old", Family::Inet4, true);
        assert!(names.contains(&("addr-set-old", false)));
        assert!(!listed.iter().any(|listed| listed.is(&old)), "it has no timeouts");

        let rules = nftables.list_rules(TABLE).unwrap();
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].chain, CHAIN);
        assert_eq!(rules[0].sets, ["__set0", "addr-set-sshd"]);

        let cases = [
            (
                &single4,
                vec![single("192.0.2.7", Some(600_000)), single("192.0.2.8", None)],
            ),
            (&single6, vec![single("2001:db8::7", Some(600_000))]),
            (
                &network4,
                vec![
                    network("192.0.2.0", "192.0.2.127", Some(600_000)),
                    network("192.0.2.128", "192.0.2.255", None),
                    network("240.0.0.0", "255.255.255.255", Some(600_000)),
                ],
            ),
            (
                &network6,
                vec![network("2001:db8::", "2001:db8::ffff", Some(600_000))],
            ),
        ];
        for (set, elements) in &cases {
            commit(&mut nftables, |transaction| {
                transaction.add_elements(set, elements)
            })
            .unwrap();
        }
        for (set, elements) in &cases {
            let held = nftables.list_elements(set).unwrap();
            let listed: Vec<_> = held.iter().map(|held| held.element).collect();
            assert_eq!(&listed, elements, "{}", set.name);
            for element in elements.iter().filter(|_| !set.interval) {
                assert!(nftables.has_element(set, element.first).unwrap(), "{element:?}");
            }
            for held in held {
                match held.element.timeout_ms {
                    Some(timeout) => assert!(held.expires_ms.unwrap() <= timeout, "{held:?}"),
                    None => assert_eq!(held.expires_ms, None, "{held:?}"),
                }
            }
        }
        for (set, elements) in &cases {
            commit(&mut nftables, |transaction| {
                transaction.delete_elements(set, elements)
            })
            .unwrap();
            assert_eq!(nftables.list_elements(set).unwrap(), [], "{}", set.name);
            let has = nftables.has_element(set, elements[0].first);
            assert!(!has.unwrap(), "{}", set.name);
        }
    });
}

#[test]
fn sixty_thousand_elements_are_listed_whole_and_flushed() {
    in_own_network("sixty_thousand_elements_are_listed_whole_and_flushed", || {
        let mut nftables = Nftables::open().unwrap();
        prepare(&mut nftables);
        let [set, ..] = sets();
        let base = u32::from(std::net::Ipv4Addr::new(198, 18, 0, 0));
        let elements: Vec<_> = (0..60_000)
            .map(|number| {
                let address = IpAddr::from(std::net::Ipv4Addr::from(base + number));
                Element {
                    first: address,
                    last: address,
                    timeout_ms: Some(3_600_000),
                }
            })
            .collect();
        for some in elements.chunks(1000) {
            commit(&mut nftables, |transaction| transaction.add_elements(&set, some)).unwrap();
        }
        // While the kernel still rearranges the hash table that has just grown, a list may leave elements out.
        let whole = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            let held = nftables.list_elements(&set).unwrap();
            held.iter().map(|held| held.element).eq(elements.iter().copied())
        });
        assert!(whole);
        commit(&mut nftables, |transaction| transaction.flush_set(&set)).unwrap();
        assert_eq!(nftables.list_elements(&set).unwrap(), []);
    });
}

#[test]
fn a_refusal_names_what_it_is_about_and_nothing_has_happened() {
    in_own_network(
        "a_refusal_names_what_it_is_about_and_nothing_has_happened",
        || {
            let mut nftables = Nftables::open().unwrap();
            let [single4, ..] = sets();
            let elements = [single("192.0.2.7", None)];

            let error = commit(&mut nftables, |transaction| {
                transaction.add_elements(&single4, &elements)
            })
            .unwrap_err();
            assert_eq!(
                error.to_string(),
                "the kernel refused to change the firewall: add elements of set addr-set-sshd in table f2b-table: \
             No such file or directory (os error 2)"
            );
            assert!(error.refusals()[0].is_missing());
            assert_eq!(error.refusals()[0].step, Some(0));

            prepare(&mut nftables);
            commit(&mut nftables, |transaction| {
                transaction.add_elements(&single4, &elements)
            })
            .unwrap();
            let error = commit(&mut nftables, |transaction| {
                transaction.delete_elements(&single4, &elements);
                let three = [
                    single("192.0.2.20", None),
                    single("192.0.2.21", None),
                    single("192.0.2.22", None),
                ];
                transaction.add_elements(&single4, &three);
                let strange = [three[0], three[2], single("192.0.2.99", None), three[1]];
                transaction.delete_elements(&single4, &strange);
            })
            .unwrap_err();
            let refusal = &error.refusals()[0];
            assert_eq!(error.refusals().len(), 1, "{error}");
            assert_eq!(refusal.step, Some(2), "{error}");
            assert!(refusal.is_missing() && refusal.deletes_elements, "{error}");
            assert_eq!(
                refusal.what,
                "delete element 192.0.2.99 of set addr-set-sshd in table f2b-table"
            );
            let held = nftables.list_elements(&single4).unwrap();
            assert_eq!(held.iter().map(|held| held.element).collect::<Vec<_>>(), elements);

            nft("add rule inet f2b-table f2b-chain ip saddr @addr-set-sshd drop");
            let error = commit(&mut nftables, |transaction| {
                transaction.delete_set(TABLE, "addr-set-sshd")
            })
            .unwrap_err();
            assert_eq!(
                error.to_string(),
                "the kernel refused to change the firewall: delete set addr-set-sshd in table f2b-table: \
             Device or resource busy (os error 16)"
            );
            let other = BaseChain { priority: 5, ..BASE };
            let error = commit(&mut nftables, |transaction| {
                transaction.add_chain(TABLE, CHAIN, &other)
            })
            .unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("add chain f2b-chain in table f2b-table"),
                "{error}"
            );
            let error = commit(&mut nftables, |transaction| {
                transaction.add_set(&set("addr-set-sshd", Family::Inet4, true));
            });
            if let Err(error) = error {
                assert!(
                    error
                        .to_string()
                        .contains("add set addr-set-sshd in table f2b-table"),
                    "{error}"
                );
            }
            let error = commit(&mut nftables, |transaction| {
                transaction.add_table(&"x".repeat(70_000))
            })
            .unwrap_err();
            assert!(matches!(error, Error::TooLong), "{error}");

            // The connection is as good as before.
            commit(&mut nftables, |transaction| transaction.flush_set(&single4)).unwrap();
            assert_eq!(nftables.list_elements(&single4).unwrap(), []);
        },
    );
}

#[test]
fn a_transaction_replaces_an_element_and_a_whole_set() {
    in_own_network("a_transaction_replaces_an_element_and_a_whole_set", || {
        let mut nftables = Nftables::open().unwrap();
        prepare(&mut nftables);
        let [single4, ..] = sets();
        let before = [single("192.0.2.7", Some(600_000))];
        let after = [single("192.0.2.7", Some(86_400_000))];
        commit(&mut nftables, |transaction| {
            transaction.add_elements(&single4, &before)
        })
        .unwrap();
        commit(&mut nftables, |transaction| {
            transaction.add_elements(&single4, &before);
            transaction.delete_elements(&single4, &before);
            transaction.add_elements(&single4, &after);
        })
        .unwrap();
        let held = nftables.list_elements(&single4).unwrap();
        assert_eq!(held.iter().map(|held| held.element).collect::<Vec<_>>(), after);
        assert!(held[0].expires_ms > Some(600_000));

        nft("add rule inet f2b-table f2b-chain ip saddr @addr-set-sshd drop");
        let handle = nftables.list_rules(TABLE).unwrap()[0].handle;
        let interval = set("addr-set-sshd", Family::Inet4, true);
        commit(&mut nftables, |transaction| {
            transaction.delete_rule(TABLE, CHAIN, handle);
            transaction.delete_set(TABLE, single4.name);
            transaction.add_set(&interval);
            transaction.add_elements(&interval, &before);
        })
        .unwrap();
        assert!(
            nftables
                .list_sets(TABLE)
                .unwrap()
                .iter()
                .any(|set| set.is(&interval))
        );
        assert_eq!(nftables.list_elements(&interval).unwrap().len(), 1);
        commit(&mut nftables, |transaction| transaction.delete_table(TABLE)).unwrap();
        assert_eq!(nft("list ruleset"), "");
    });
}

#[test]
fn what_others_remove_is_told_and_what_we_do_is_not() {
    in_own_network("what_others_remove_is_told_and_what_we_do_is_not", || {
        let mut nftables = Nftables::open().unwrap();
        let mut watch = Watch::new(&nftables).unwrap();
        let [single4, ..] = sets();
        let elements = [single("192.0.2.7", None), single("192.0.2.8", None)];
        prepare(&mut nftables);
        commit(&mut nftables, |transaction| {
            transaction.add_elements(&single4, &elements);
            transaction.delete_elements(&single4, &elements[..1]);
        })
        .unwrap();
        assert_eq!(watch.take().unwrap(), [], "our own doing");

        let of_set = |table: &str, set: &str| Removal::Set {
            table: table.to_owned(),
            set: set.to_owned(),
        };
        let ours = of_set(TABLE, "addr-set-sshd");
        let of_table = Removal::Table(TABLE.to_owned());
        let cases = [
            ("add element inet f2b-table addr-set-sshd { 192.0.2.9 }", None),
            (
                "delete element inet f2b-table addr-set-sshd { 192.0.2.9 }",
                Some(ours.clone()),
            ),
            ("flush set inet f2b-table addr-set-sshd", Some(ours.clone())),
            (
                "add rule inet f2b-table f2b-chain ip saddr @addr-set-sshd drop",
                None,
            ),
            ("flush chain inet f2b-table f2b-chain", Some(ours)),
            ("add chain inet f2b-table other", None),
            ("delete chain inet f2b-table other", Some(of_table.clone())),
            (
                "delete set inet f2b-table addr6-set-sshd",
                Some(of_set(TABLE, "addr6-set-sshd")),
            ),
            ("add table ip f2b-table", None),
            ("delete table ip f2b-table", None),
            ("flush ruleset", Some(of_table)),
        ];
        for (command, expected) in cases {
            nft(command);
            let removals = watch.take().unwrap();
            match expected {
                Some(expected) => assert!(removals.contains(&expected), "{command}: {removals:?}"),
                None => assert_eq!(removals, [], "{command}"),
            }
        }
        assert_eq!(watch.take().unwrap(), []);
    });
}

#[test]
fn more_removals_than_there_is_room_for_are_told_as_unknown() {
    in_own_network("more_removals_than_there_is_room_for_are_told_as_unknown", || {
        let mut ours = Nftables::open().unwrap();
        let mut watch = Watch::new(&ours).unwrap();
        let mut others = Nftables::open().unwrap();
        prepare(&mut ours);
        let [single4, single6, ..] = sets();
        let elements = [single("192.0.2.7", None)];
        let elements6 = [single("2001:db8::7", None)];
        for _ in 0..1500 {
            commit(&mut others, |transaction| {
                transaction.add_elements(&single4, &elements);
                transaction.delete_elements(&single4, &elements);
                transaction.add_elements(&single6, &elements6);
                transaction.delete_elements(&single6, &elements6);
            })
            .unwrap();
        }
        assert!(watch.take().unwrap().contains(&Removal::Unknown));
        assert_eq!(watch.take().unwrap(), []);
    });
}

#[test]
fn without_the_right_it_says_so() {
    in_own_network("without_the_right_it_says_so", || {
        let name = "without_the_right_it_says_so";
        let dropped = "STOCKADE_TEST_DROPPED";
        if std::env::var_os(dropped).is_some() {
            let error = Nftables::open().unwrap_err();
            assert!(matches!(error, Error::NotPermitted), "{error}");
            return;
        }
        let status = Command::new("setpriv")
            .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(dropped, "1")
            .status();
        match status {
            Ok(status) => assert!(status.success()),
            Err(error) => println!("skipped: setpriv: {error}"),
        }
    });
}
