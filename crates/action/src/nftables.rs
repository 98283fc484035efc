//! An nftables action as plain data: where its rules stand, what they match, and what becomes of the packets.
//!
//! In: the properties of a recognised action. Out: a [`Definition`], from which a plan makes batches.
//!
//! Invariant: a definition says exactly what the commands of the action would do; what cannot be said so is
//! [`Unsupported`], and the commands run.

use stockade_jail::Family;

use crate::native::{Kind, value};
use crate::plan::{Elements, SetId, Unsupported};
use crate::services::Services;
use crate::tags::{HostNames, Properties};

/// Where an action's rules stand, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The table, of family `inet`.
    pub table: String,
    /// The chain, of type `filter`.
    pub chain: String,
    /// Where the chain hangs.
    pub hook: Hook,
    /// Its place among the chains there.
    pub priority: i32,
    /// One rule for each.
    pub matches: Vec<Match>,
    inet4: Sources,
    inet6: Sources,
}

/// What differs by family.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sources {
    /// The set of addresses.
    set: String,
    /// The set of networks, which is made when there is one to hold.
    networks: String,
    verdict: Verdict,
}

/// Where in a packet's way through the kernel a chain hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// `prerouting`.
    Prerouting,
    /// `input`.
    Input,
    /// `forward`.
    Forward,
    /// `output`.
    Output,
    /// `postrouting`.
    Postrouting,
}

/// What a rule looks at before the source address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// Nothing.
    Any,
    /// The protocol above IP, one of these numbers.
    Protocols(Vec<u8>),
    /// The destination port.
    Ports {
        /// The protocol's number; `None` for every protocol that has ports.
        protocol: Option<u8>,
        /// The ports, as they are written.
        ports: Vec<Ports>,
    },
}

/// A port or a range of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// One port.
    One(u16),
    /// All from the first to the last.
    Range(u16, u16),
}

/// What becomes of a packet of a banned address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Discarded.
    Drop,
    /// Refused with the ICMP or ICMPv6 message of this code.
    Icmp(u8),
    /// Refused with the message of this code that both families have.
    IcmpBoth(u8),
    /// Refused with a TCP reset.
    TcpReset,
}

impl Definition {
    /// The definition that the properties of an action make, one for the ports of the jail or else for all;
    /// `services` names the ports.
    ///
    /// # Errors
    /// [`Unsupported`] says which property asks for more than this can do.
    pub fn new(by_port: bool, properties: &Properties, services: &Services) -> Result<Self, Unsupported> {
        let reader = Reader { properties };
        reader.only("table_family", "inet")?;
        reader.only("chain_type", "filter")?;
        reader.only("nftables", "nft")?;
        let protocols = reader.protocols()?;
        let matches = match (by_port, protocols) {
            (true, protocols) => reader.by_port(&protocols, services)?,
            (false, Protocols::All) => vec![Match::Any],
            (false, Protocols::Some(names)) => vec![Match::Protocols(reader.numbers(&names)?)],
        };
        let inet4 = reader.sources(Family::Inet4, &matches)?;
        let inet6 = reader.sources(Family::Inet6, &matches)?;
        if inet4.set == inet6.set {
            return Err(Unsupported {
                program: "nft",
                option: "addr_set",
                value: inet4.set,
                expected: "another for IPv6 than for IPv4",
            });
        }
        Ok(Self {
            table: reader.name("table")?,
            chain: reader.name("chain")?,
            hook: reader.hook()?,
            priority: reader.priority()?,
            matches,
            inet4,
            inet6,
        })
    }

    /// The name of a set.
    #[must_use]
    pub fn set(&self, id: SetId) -> &str {
        let sources = self.sources(id.family);
        match id.elements {
            Elements::Addresses => &sources.set,
            Elements::Networks => &sources.networks,
        }
    }

    /// What becomes of a packet whose source is banned.
    #[must_use]
    pub const fn verdict(&self, family: Family) -> Verdict {
        self.sources(family).verdict
    }

    const fn sources(&self, family: Family) -> &Sources {
        match family {
            Family::Inet4 => &self.inet4,
            Family::Inet6 => &self.inet6,
        }
    }
}

/// The protocols that an action is for.
enum Protocols {
    All,
    Some(Vec<String>),
}

/// Reads properties.
struct Reader<'a> {
    properties: &'a Properties,
}

/// The longest name; the kernel takes 255 bytes, and a set of networks has four more than its set of addresses.
const LONGEST_NAME: usize = 251;

/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// The protocols that `nft` knows with ports.
pub(crate) const WITH_PORTS: [(&str, u8); 5] = [
    ("tcp", TCP),
    ("udp", 17),
    ("dccp", 33),
    ("sctp", 132),
    ("udplite", 136),
];

/// Other protocols, by the names that `/etc/protocols` has for them.
pub(crate) const WITHOUT_PORTS: [(&str, u8); 8] = [
    ("icmp", 1),
    ("igmp", 2),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("ospf", 89),
];

impl Reader<'_> {
    fn get(&self, option: &'static str) -> String {
        value(Kind::Multiport, self.properties, option).unwrap_or_default()
    }

    fn only(&self, option: &'static str, expected: &'static str) -> Result<(), Unsupported> {
        let value = self.get(option);
        if value == expected {
            return Ok(());
        }
        Err(Unsupported {
            program: "nft",
            option,
            value,
            expected,
        })
    }

    fn name(&self, option: &'static str) -> Result<String, Unsupported> {
        checked_name(option, self.get(option))
    }

    fn hook(&self) -> Result<Hook, Unsupported> {
        let value = self.get("chain_hook");
        Ok(match value.as_str() {
            "prerouting" => Hook::Prerouting,
            "input" => Hook::Input,
            "forward" => Hook::Forward,
            "output" => Hook::Output,
            "postrouting" => Hook::Postrouting,
            _ => {
                return Err(Unsupported {
                    program: "nft",
                    option: "chain_hook",
                    value,
                    expected: "prerouting, input, forward, output or postrouting",
                });
            }
        })
    }

    fn priority(&self) -> Result<i32, Unsupported> {
        let value = self.get("chain_priority");
        priority(&value).ok_or(Unsupported {
            program: "nft",
            option: "chain_priority",
            value,
            expected: "a number, such as -1, or a name such as filter - 1",
        })
    }

    fn protocols(&self) -> Result<Protocols, Unsupported> {
        let value = self.get("protocol");
        if value == "all" {
            return Ok(Protocols::All);
        }
        let names: Vec<_> = value.split(',').map(|name| name.trim().to_owned()).collect();
        if names
            .iter()
            .any(|name| name.is_empty() || name.contains(char::is_whitespace))
        {
            return Err(bad_protocol(value));
        }
        Ok(Protocols::Some(names))
    }

    fn numbers(&self, names: &[String]) -> Result<Vec<u8>, Unsupported> {
        let number = |name: &String| {
            let known = WITH_PORTS
                .iter()
                .chain(&WITHOUT_PORTS)
                .find(|(known, _)| known == name);
            known.map(|(_, number)| *number).or_else(|| name.parse().ok())
        };
        let numbers: Option<Vec<_>> = names.iter().map(number).collect();
        numbers.ok_or_else(|| bad_protocol(self.get("protocol")))
    }

    /// One rule for each protocol, as `nft` has no set of protocols together with ports.
    fn by_port(&self, protocols: &Protocols, services: &Services) -> Result<Vec<Match>, Unsupported> {
        let ports = self.ports(services)?;
        let names = match protocols {
            Protocols::All => {
                return Ok(vec![Match::Ports {
                    protocol: None,
                    ports,
                }]);
            }
            Protocols::Some(names) => names,
        };
        let rule = |name: &String| {
            let (_, number) = WITH_PORTS.iter().find(|(known, _)| known == name)?;
            Some(Match::Ports {
                protocol: Some(*number),
                ports: ports.clone(),
            })
        };
        let rules: Option<Vec<_>> = names.iter().map(rule).collect();
        rules.ok_or_else(|| bad_protocol(self.get("protocol")))
    }

    fn ports(&self, services: &Services) -> Result<Vec<Ports>, Unsupported> {
        let value = self.get("port");
        let ports: Option<Vec<_>> = value
            .split(',')
            .map(|text| ports(text.trim(), services))
            .collect();
        ports.ok_or(Unsupported {
            program: "nft",
            option: "port",
            value,
            expected: "ports by number or by a name that /etc/services has, and ranges such as 1000:2000, \
                       separated by commas",
        })
    }

    fn sources(&self, family: Family, matches: &[Match]) -> Result<Sources, Unsupported> {
        let (kind, source) = match family {
            Family::Inet4 => ("ipv4_addr", "ip"),
            Family::Inet6 => ("ipv6_addr", "ip6"),
        };
        self.only_of_family("addr_type", family, kind)?;
        self.only_of_family("addr_family", family, source)?;
        if self.properties.of_family("addr_options", Some(family)).is_some() {
            self.only_of_family("addr_options", family, " flags interval\\;")?;
        }
        let set = checked_name("addr_set", self.of_family("addr_set", family))?;
        let blocktype = self.of_family("blocktype", family);
        let verdict = verdict(&blocktype, family, matches).ok_or(Unsupported {
            program: "nft",
            option: "blocktype",
            value: blocktype,
            expected: "drop, reject, reject with icmpx type X, or reject with tcp reset where the protocol is tcp",
        })?;
        Ok(Sources {
            networks: format!("{set}-net"),
            set,
            verdict,
        })
    }

    fn of_family(&self, option: &str, family: Family) -> String {
        let text = self
            .properties
            .of_family(option, Some(family))
            .unwrap_or_default();
        let host = HostNames::default();
        self.properties
            .resolve(text, Some(family), &host)
            .unwrap_or_default()
    }

    fn only_of_family(
        &self,
        option: &'static str,
        family: Family,
        expected: &'static str,
    ) -> Result<(), Unsupported> {
        let value = self.of_family(option, family);
        if value == expected {
            return Ok(());
        }
        Err(Unsupported {
            program: "nft",
            option,
            value,
            expected,
        })
    }
}

fn bad_protocol(value: String) -> Unsupported {
    Unsupported {
        program: "nft",
        option: "protocol",
        value,
        expected: "all, or protocols such as tcp and udp, separated by commas",
    }
}

/// A name that `nft` takes without quotes.
fn checked_name(option: &'static str, value: String) -> Result<String, Unsupported> {
    let mut chars = value.chars();
    let begins = chars
        .next()
        .is_some_and(|char| char.is_ascii_alphabetic() || matches!(char, '_' | '.'));
    let goes_on = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-' | '/');
    if begins && chars.all(goes_on) && value.len() <= LONGEST_NAME {
        return Ok(value);
    }
    Err(Unsupported {
        program: "nft",
        option,
        value,
        expected: "letters, digits and any of _ . - / after the first, at most 251",
    })
}

/// A priority as `nft` reads it: `-1`, `filter`, `filter - 1`, `filter+10`.
fn priority(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let (name, offset) = match text.find(['+', '-']) {
        Some(at) => {
            let (name, offset) = text.split_at_checked(at)?;
            let digits = offset.get(1..)?.trim();
            if !digits.chars().all(|char| char.is_ascii_digit()) {
                return None;
            }
            let offset: i32 = digits.parse().ok()?;
            (name.trim(), if text.contains('-') { -offset } else { offset })
        }
        None => (text, 0),
    };
    let base = match name {
        "raw" => -300,
        "mangle" => -150,
        "dstnat" => -100,
        "filter" => 0,
        "security" => 50,
        "srcnat" => 100,
        _ => return None,
    };
    Some(base + offset)
}

/// A port, or a range with a colon or a hyphen between its ends.
pub(crate) fn ports(text: &str, services: &Services) -> Option<Ports> {
    let port = |text: &str| {
        let number = text.chars().all(|char| char.is_ascii_digit());
        if number {
            text.parse().ok()
        } else {
            services.port(text)
        }
    };
    // The name of a service may have a hyphen, so a name comes before a range.
    if let Some(port) = port(text) {
        return Some(Ports::One(port));
    }
    let (first, last) = text.split_once(':').or_else(|| text.split_once('-'))?;
    let (first, last) = (port(first)?, port(last)?);
    (first < last).then_some(Ports::Range(first, last))
}

/// What `blocktype` makes of packets of this family that these rules match.
fn verdict(blocktype: &str, family: Family, matches: &[Match]) -> Option<Verdict> {
    let words: Vec<_> = blocktype.split_whitespace().collect();
    match *words.as_slice() {
        ["drop"] => Some(Verdict::Drop),
        ["reject"] => match family {
            Family::Inet4 => Some(Verdict::Icmp(3)),
            Family::Inet6 => Some(Verdict::Icmp(4)),
        },
        ["reject", "with", "tcp", "reset"] => matches.iter().all(is_tcp).then_some(Verdict::TcpReset),
        ["reject", "with", "icmp", "type", code] | ["reject", "with", "icmp", code] => {
            (family == Family::Inet4).then_some(Verdict::Icmp(icmp(code)?))
        }
        ["reject", "with", "icmpv6", "type", code] | ["reject", "with", "icmpv6", code] => {
            (family == Family::Inet6).then_some(Verdict::Icmp(icmpv6(code)?))
        }
        ["reject", "with", "icmpx", "type", code] | ["reject", "with", "icmpx", code] => {
            Some(Verdict::IcmpBoth(icmpx(code)?))
        }
        _ => None,
    }
}

/// Whether only TCP matches; `nft` refuses to reset anything else, but adds the protocol itself where there is none.
fn is_tcp(rule: &Match) -> bool {
    match rule {
        Match::Any => true,
        Match::Protocols(protocols) => *protocols == [TCP],
        Match::Ports { protocol, .. } => *protocol == Some(TCP),
    }
}

fn icmp(code: &str) -> Option<u8> {
    Some(match code {
        "net-unreachable" => 0,
        "host-unreachable" => 1,
        "prot-unreachable" => 2,
        "port-unreachable" => 3,
        "net-prohibited" => 9,
        "host-prohibited" => 10,
        "admin-prohibited" => 13,
        _ => return None,
    })
}

fn icmpv6(code: &str) -> Option<u8> {
    Some(match code {
        "no-route" => 0,
        "admin-prohibited" => 1,
        "addr-unreachable" => 3,
        "port-unreachable" => 4,
        "policy-fail" => 5,
        "reject-route" => 6,
        _ => return None,
    })
}

fn icmpx(code: &str) -> Option<u8> {
    Some(match code {
        "no-route" => 0,
        "port-unreachable" => 1,
        "host-unreachable" => 2,
        "admin-prohibited" => 3,
        _ => return None,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use stockade_jail::Family;

    use super::{Definition, Hook, Match, Ports, Verdict};
    use crate::native::Kind;
    use crate::plan::{Elements, SetId};
    use crate::services::Services;
    use crate::tags::Properties;

    /// The properties of the stock action in the jail `sshd`, and others in their place.
    pub(crate) fn properties(others: &[(&str, &str)]) -> Properties {
        let mut properties = Properties::default();
        for (name, value) in [
            ("name", "sshd"),
            ("actname", "nftables"),
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
            ("addr_options", "<sp>flags interval\\;"),
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
        properties
    }

    fn definition(kind: Kind, others: &[(&str, &str)]) -> Result<Definition, String> {
        Definition::new(kind == Kind::Multiport, &properties(others), &Services::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_stock_options_say_where_the_rules_stand() {
        let stock = definition(Kind::Multiport, &[]).unwrap();
        assert_eq!(
            (
                stock.table.as_str(),
                stock.chain.as_str(),
                stock.hook,
                stock.priority
            ),
            ("f2b-table", "f2b-chain", Hook::Input, -1)
        );
        let names = SetId::ALL.map(|id| stock.set(id));
        assert_eq!(
            names,
            [
                "addr-set-sshd",
                "addr-set-sshd-net",
                "addr6-set-sshd",
                "addr6-set-sshd-net"
            ]
        );

        let moved = [
            ("table", "<name>-table"),
            ("chain", "<known/chain>"),
            ("chain_hook", "prerouting"),
            ("chain_priority", "dstnat - 10"),
            ("addr_set", "set4"),
            ("addr_set?family=inet6", "set6-<table>"),
        ];
        let moved = definition(Kind::Multiport, &moved).unwrap();
        assert_eq!(
            (
                moved.table.as_str(),
                moved.chain.as_str(),
                moved.hook,
                moved.priority
            ),
            ("sshd-table", "f2b-chain", Hook::Prerouting, -110)
        );
        let networks = SetId {
            family: Family::Inet6,
            elements: Elements::Networks,
        };
        assert_eq!(moved.set(networks), "set6-sshd-table-net");
    }

    #[test]
    fn ports_and_protocols_say_what_is_matched() {
        use Ports::{One, Range};
        let by_port = |protocol, ports: &[Ports]| Match::Ports {
            protocol,
            ports: ports.to_vec(),
        };
        let cases = [
            (Kind::Multiport, "ssh", "tcp", vec![by_port(Some(6), &[One(22)])]),
            (
                Kind::Multiport,
                "ssh, 2222,1000:2000,3000-3010",
                "tcp",
                vec![by_port(
                    Some(6),
                    &[One(22), One(2222), Range(1000, 2000), Range(3000, 3010)],
                )],
            ),
            (
                Kind::Multiport,
                "ftp-data",
                "tcp",
                vec![by_port(Some(6), &[One(20)])],
            ),
            (
                Kind::Multiport,
                "ftp-data:ftp",
                "tcp",
                vec![by_port(Some(6), &[Range(20, 21)])],
            ),
            (
                Kind::Multiport,
                "0:65535",
                "sctp",
                vec![by_port(Some(132), &[Range(0, 65535)])],
            ),
            (
                Kind::Multiport,
                "53",
                "tcp, udp",
                vec![by_port(Some(6), &[One(53)]), by_port(Some(17), &[One(53)])],
            ),
            (Kind::Multiport, "53", "all", vec![by_port(None, &[One(53)])]),
            (Kind::Allports, "ignored", "tcp", vec![Match::Protocols(vec![6])]),
            (
                Kind::Allports,
                "ssh",
                "tcp,icmp,51",
                vec![Match::Protocols(vec![6, 1, 51])],
            ),
            (Kind::Allports, "ssh", "all", vec![Match::Any]),
        ];
        for (kind, port, protocol, expected) in cases {
            let definition = definition(kind, &[("port", port), ("protocol", protocol)]).unwrap();
            assert_eq!(definition.matches, expected, "{kind:?} {port} {protocol}");
        }
    }

    #[test]
    fn blocktype_says_what_becomes_of_a_packet() {
        for (blocktype, inet4, inet6) in [
            ("reject", Verdict::Icmp(3), Verdict::Icmp(4)),
            ("drop", Verdict::Drop, Verdict::Drop),
            ("  drop ", Verdict::Drop, Verdict::Drop),
            (
                "reject with icmpx type admin-prohibited",
                Verdict::IcmpBoth(3),
                Verdict::IcmpBoth(3),
            ),
            (
                "reject with icmpx no-route",
                Verdict::IcmpBoth(0),
                Verdict::IcmpBoth(0),
            ),
            ("reject with tcp reset", Verdict::TcpReset, Verdict::TcpReset),
        ] {
            let definition = definition(Kind::Multiport, &[("blocktype", blocktype)]).unwrap();
            let found = (
                definition.verdict(Family::Inet4),
                definition.verdict(Family::Inet6),
            );
            assert_eq!(found, (inet4, inet6), "{blocktype}");
        }
        let by_family = [
            ("blocktype", "reject with icmp type host-prohibited"),
            ("blocktype?family=inet6", "reject with icmpv6 type no-route"),
        ];
        let definition = definition(Kind::Multiport, &by_family).unwrap();
        assert_eq!(definition.verdict(Family::Inet4), Verdict::Icmp(10));
        assert_eq!(definition.verdict(Family::Inet6), Verdict::Icmp(0));
    }

    #[test]
    fn what_no_rule_of_ours_can_say_is_named() {
        for (option, value) in [
            ("table_family", "ip"),
            ("table_family", "bridge"),
            ("chain_type", "nat"),
            ("nftables", "sudo nft"),
            ("chain_hook", "ingress"),
            ("chain_priority", "first"),
            ("chain_priority", "filter - x"),
            ("table", "two words"),
            ("table", ""),
            ("chain", "1st"),
            ("port", "nosuch"),
            ("port", ""),
            ("port", "22,,80"),
            ("port", "70000"),
            ("port", "-1"),
            ("port", "2000:1000"),
            ("port", "1:2:3"),
            ("protocol", "icmp"),
            ("protocol", ""),
            ("protocol", "tcp udp"),
            ("protocol", "tcp,all"),
            ("blocktype", "counter drop"),
            ("blocktype", "reject with icmp type host-unreachable"),
            ("blocktype", "reject with icmpx type nonsense"),
            ("blocktype", ""),
            ("addr_type", "ipv6_addr"),
            ("addr_family", "ip6"),
            ("addr_options", "<sp>flags dynamic\\;"),
            ("addr_set?family=inet6", "addr-set-<name>"),
        ] {
            let error = definition(Kind::Multiport, &[(option, value)]).unwrap_err();
            let name = option.split('?').next().unwrap();
            assert!(
                error.starts_with(&format!("`{name} = ")),
                "{option} = {value}: {error}"
            );
        }
        let error = definition(Kind::Multiport, &[("blocktype", "counter drop")]).unwrap_err();
        assert_eq!(
            error,
            "`blocktype = counter drop` needs the nft command: without it blocktype must be drop, reject, \
             reject with icmpx type X, or reject with tcp reset where the protocol is tcp"
        );
        let reset = [("protocol", "tcp,udp"), ("blocktype", "reject with tcp reset")];
        assert!(definition(Kind::Allports, &reset).is_err(), "nft refuses it too");
        assert!(definition(Kind::Multiport, &[("name", &"x".repeat(300))]).is_err());
        assert!(definition(Kind::Multiport, &[("name", "a jail; flush ruleset")]).is_err());
    }
}
