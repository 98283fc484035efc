//! An iptables action as plain data: where its rules stand, what they match, and what becomes of the packets.
//!
//! In: the properties of a recognised action. Out: a [`Definition`], from which a plan makes batches.
//!
//! Invariant: a definition says exactly what the commands of the action would do; what cannot be said so is
//! [`Unsupported`], and the commands run.

use stockade_jail::Family;

use crate::native::{Jump, Kind, value};
use crate::nftables::{Ports, WITH_PORTS, WITHOUT_PORTS, ports};
use crate::plan::Unsupported;
use crate::services::Services;
use crate::tags::{HostNames, Properties};

/// Where an action's rules stand in the tables `filter`, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The chains whose packets are looked at, such as `INPUT`.
    pub chains: Vec<String>,
    /// One rule in each of these chains for each.
    pub matches: Vec<Match>,
    /// What holds the bans.
    pub holds: Holds,
    inet4: Sources,
    inet6: Sources,
}

/// What holds the bans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A chain with a rule for each.
    Chain {
        /// What becomes of packets that are of nobody who is banned.
        ends: Verdict,
    },
    /// A set of ipset, of the type `hash:ip`.
    Set {
        /// How many addresses it may have.
        maxelem: u32,
        /// The timeout in seconds of what is added without one; 0 for none.
        timeout: u32,
        /// Whether what is added has the timeout of its ban.
        expires: bool,
    },
}

/// What differs by family.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sources {
    /// The chain or the set.
    holder: String,
    verdict: Verdict,
}

/// What a rule looks at before the source address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The number of the protocol above IP; `None` for all.
    pub protocol: Option<u8>,
    /// The destination port.
    pub ports: PortMatch,
}

/// Destination ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortMatch {
    /// All.
    Any,
    /// One, or one range.
    One(Ports),
    /// One, or one range, of packets that begin a connection.
    New(Ports),
    /// Several, as the module `multiport` has them.
    Several(Vec<Ports>),
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// `DROP`.
    Drop,
    /// `ACCEPT`.
    Accept,
    /// `RETURN`.
    Return,
    /// `REJECT` with the message that has this number in iptables.
    Reject(u32),
}

/// `IPPROTO_TCP` and `IPPROTO_UDP`.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The longest name of a chain.
const LONGEST_CHAIN: usize = 28;
/// The longest name of a set.
const LONGEST_SET: usize = 31;
/// The ports that one rule of `multiport` has room for; a range takes the room of two.
const MOST_PORTS: usize = 15;
/// More chains or protocols than that are not what anybody wants.
const MOST_WORDS: usize = 32;

/// What iptables calls the messages of `REJECT`, and their numbers there.
const REJECT4: [(&str, u32); 8] = [
    ("icmp-net-unreachable", 0),
    ("icmp-host-unreachable", 1),
    ("icmp-proto-unreachable", 2),
    ("icmp-port-unreachable", 3),
    ("icmp-net-prohibited", 5),
    ("icmp-host-prohibited", 6),
    ("tcp-reset", 7),
    ("icmp-admin-prohibited", 8),
];

/// The same for ip6tables.
const REJECT6: [(&str, u32); 7] = [
    ("icmp6-no-route", 0),
    ("icmp6-adm-prohibited", 1),
    ("icmp6-addr-unreachable", 3),
    ("icmp6-port-unreachable", 4),
    ("tcp-reset", 6),
    ("icmp6-policy-fail", 7),
    ("icmp6-reject-route", 8),
];

impl Definition {
    /// The definition of an action that has a chain with a rule for each ban; `services` names the ports.
    ///
    /// # Errors
    /// [`Unsupported`] says which property asks for more than this can do.
    pub fn chain(
        kind: Kind,
        jump: Jump,
        properties: &Properties,
        services: &Services,
    ) -> Result<Self, Unsupported> {
        let reader = Reader { kind, properties };
        let name = format!("f2b-{}", reader.get("name"));
        checked_name("name", &name, LONGEST_CHAIN)?;
        let returntype = reader.get("returntype");
        let ends = match returntype.trim() {
            "RETURN" => Verdict::Return,
            "ACCEPT" => Verdict::Accept,
            "DROP" => Verdict::Drop,
            _ => return Err(unsupported("returntype", returntype, "RETURN, ACCEPT or DROP")),
        };
        // The rules of bans are for every protocol, and none but TCP can be reset.
        let sources = |family| {
            Ok(Sources {
                holder: name.clone(),
                verdict: reader.verdict(family, false)?,
            })
        };
        let (inet4, inet6) = (sources(Family::Inet4)?, sources(Family::Inet6)?);
        reader.definition(jump, services, Holds::Chain { ends }, inet4, inet6)
    }

    /// The definition of an action that has a set; `services` names the ports.
    ///
    /// # Errors
    /// [`Unsupported`] says which property asks for more than this can do.
    pub fn set(
        kind: Kind,
        jump: Jump,
        properties: &Properties,
        services: &Services,
    ) -> Result<Self, Unsupported> {
        let reader = Reader { kind, properties };
        let resets = reader
            .words("protocol")?
            .iter()
            .all(|protocol| matches!(protocol.as_str(), "tcp" | "6"));
        let sources = |family| {
            let option = "ipmset";
            let holder = reader.of_family(option, family);
            checked_name(option, &holder, LONGEST_SET)?;
            // Fail2ban's name for it, and ours.
            let familyopt = match reader.of_family("familyopt", family) {
                none if none.is_empty() => reader.of_family("familyofset", family),
                some => some,
            };
            let expected = match family {
                Family::Inet4 => "",
                Family::Inet6 => "family inet6",
            };
            if familyopt.trim() != expected {
                return Err(unsupported("familyopt", familyopt, "as it is in the definition"));
            }
            Ok(Sources {
                holder,
                verdict: reader.verdict(family, resets)?,
            })
        };
        let (inet4, inet6) = (sources(Family::Inet4)?, sources(Family::Inet6)?);
        if inet4.holder == inet6.holder {
            return Err(unsupported(
                "ipmset",
                inet4.holder,
                "another for IPv6 than for IPv4",
            ));
        }
        let holds = Holds::Set {
            maxelem: reader.number("maxelem", u32::MAX)?,
            timeout: reader.number("default-ipsettime", LONGEST_TIMEOUT)?,
            expires: reader.expires()?,
        };
        reader.definition(jump, services, holds, inet4, inet6)
    }

    /// The name of the chain or the set that holds the bans of a family.
    #[must_use]
    pub fn holder(&self, family: Family) -> &str {
        &self.sources(family).holder
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

/// The longest timeout of ipset, in seconds.
const LONGEST_TIMEOUT: u32 = 2_147_483;

/// Reads properties.
struct Reader<'a> {
    kind: Kind,
    properties: &'a Properties,
}

impl Reader<'_> {
    fn definition(
        &self,
        jump: Jump,
        services: &Services,
        holds: Holds,
        inet4: Sources,
        inet6: Sources,
    ) -> Result<Definition, Unsupported> {
        for (family, program) in [(Family::Inet4, "iptables"), (Family::Inet6, "ip6tables")] {
            let command = self.of_family("iptables", family);
            let mut words = command.split_whitespace();
            let is_plain = words.next() == Some(program)
                && match (words.next(), words.next(), words.next()) {
                    (None | Some("-w"), None, _) => true,
                    (Some("-w"), Some(seconds), None) => seconds.parse::<u32>().is_ok(),
                    _ => false,
                };
            if !is_plain {
                return Err(unsupported(
                    "iptables",
                    command,
                    "iptables and ip6tables, with no option but -w",
                ));
            }
        }
        let chains = self.words("chain")?;
        for chain in &chains {
            checked_name("chain", chain, LONGEST_CHAIN)?;
        }
        Ok(Definition {
            chains,
            matches: self.matches(jump, services)?,
            holds,
            inet4,
            inet6,
        })
    }

    fn matches(&self, jump: Jump, services: &Services) -> Result<Vec<Match>, Unsupported> {
        let protocols = self.words("protocol")?;
        let matches: Option<Vec<Match>> = protocols
            .iter()
            .map(|name| {
                let number = number_of(name)?;
                let with_ports = number.filter(|number| WITH_PORTS.iter().any(|(_, known)| known == number));
                let of_one = with_ports.filter(|number| [TCP, UDP].contains(number));
                Some(match jump {
                    Jump::Allports => Match {
                        protocol: number,
                        ports: PortMatch::Any,
                    },
                    Jump::Oneport => Match {
                        protocol: Some(of_one?),
                        ports: PortMatch::One(self.port(services).ok()?),
                    },
                    Jump::New => Match {
                        protocol: Some(of_one?),
                        ports: PortMatch::New(self.port(services).ok()?),
                    },
                    Jump::Multiport => Match {
                        protocol: Some(with_ports?),
                        ports: PortMatch::Several(self.ports(services).ok()?),
                    },
                })
            })
            .collect();
        // A wrong port is the better thing to say where there is one.
        match jump {
            Jump::Allports => {}
            Jump::Oneport | Jump::New => drop(self.port(services)?),
            Jump::Multiport => drop(self.ports(services)?),
        }
        matches.ok_or_else(|| {
            let value = self.get("protocol");
            unsupported(
                "protocol",
                value,
                "tcp, udp or, where no port is asked for, any other",
            )
        })
    }

    fn port(&self, services: &Services) -> Result<Ports, Unsupported> {
        let value = self.get("port");
        match ports_of(&value, services).as_deref() {
            // A range of all is none to iptables.
            Some([Ports::Range(0, u16::MAX)]) | None => {}
            Some([one]) => return Ok(*one),
            Some(_) => {}
        }
        Err(unsupported(
            "port",
            value,
            "one port or one range, such as 22, ssh or 1000:2000",
        ))
    }

    fn ports(&self, services: &Services) -> Result<Vec<Ports>, Unsupported> {
        let value = self.get("port");
        let room = |ports: &[Ports]| {
            let room = ports.iter().map(|ports| match ports {
                Ports::One(_) => 1,
                Ports::Range(..) => 2,
            });
            room.sum::<usize>()
        };
        ports_of(&value, services)
            .filter(|ports| room(ports) <= MOST_PORTS)
            .ok_or_else(|| {
                let expected = "at most 15 ports by number or by a name that /etc/services has, and ranges such as \
                                1000:2000, separated by commas";
                unsupported("port", value, expected)
            })
    }

    /// Whether what is added to the set is given the timeout of its ban.
    fn expires(&self) -> Result<bool, Unsupported> {
        let value = self.get("ipsettime");
        if value == "0" {
            return Ok(false);
        }
        // The shell works the time out; that its text is the known one was looked at when the action was recognised.
        if !value.is_empty() && value == self.get("timeout-bantime") {
            return Ok(true);
        }
        Err(unsupported("ipsettime", value, "0 or <timeout-bantime>"))
    }

    fn number(&self, option: &'static str, most: u32) -> Result<u32, Unsupported> {
        let value = self.get(option);
        match value.trim().parse() {
            Ok(number) if number <= most => Ok(number),
            Ok(_) | Err(_) => Err(unsupported(option, value, "a number")),
        }
    }

    /// What `blocktype` makes of packets of this family; `resets` is whether they are of TCP alone.
    fn verdict(&self, family: Family, resets: bool) -> Result<Verdict, Unsupported> {
        let blocktype = self.of_family("blocktype", family);
        let (messages, usual): (&[(&str, u32)], _) = match family {
            Family::Inet4 => (&REJECT4, "icmp-port-unreachable"),
            Family::Inet6 => (&REJECT6, "icmp6-port-unreachable"),
        };
        let words: Vec<_> = blocktype.split_whitespace().collect();
        let message = match *words.as_slice() {
            ["DROP"] => return Ok(Verdict::Drop),
            ["REJECT"] => Some(usual),
            ["REJECT", "--reject-with", message] => Some(message),
            _ => None,
        };
        let message = message.filter(|message| resets || *message != "tcp-reset");
        messages
            .iter()
            .find(|(name, _)| Some(*name) == message)
            .map(|(_, number)| Verdict::Reject(*number))
            .ok_or_else(|| {
                let expected = "DROP, REJECT, or REJECT --reject-with a message of the family by its whole name, \
                                and tcp-reset only where a rule is for TCP alone";
                unsupported("blocktype", blocktype, expected)
            })
    }

    /// What a list of the shell's has, each once.
    fn words(&self, option: &'static str) -> Result<Vec<String>, Unsupported> {
        let value = self.get(option);
        let mut words: Vec<String> = Vec::new();
        for word in value.split([',', ' ', '\t', '\n']) {
            if !word.is_empty() && !words.iter().any(|known| known == word) {
                words.push(word.to_owned());
            }
        }
        let is_plain = |word: &String| {
            let goes_on = |char: char| char.is_ascii_alphanumeric() || "_-.+:".contains(char);
            word.chars().all(goes_on)
        };
        if words.is_empty() || words.len() > MOST_WORDS || !words.iter().all(is_plain) {
            return Err(unsupported(option, value, "plain words, separated by commas"));
        }
        Ok(words)
    }

    fn get(&self, option: &'static str) -> String {
        value(self.kind, self.properties, option).unwrap_or_default()
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
}

fn unsupported(option: &'static str, value: String, expected: &'static str) -> Unsupported {
    Unsupported {
        program: "iptables",
        option,
        value,
        expected,
    }
}

/// The number of a protocol; `Some(None)` is all of them.
fn number_of(name: &str) -> Option<Option<u8>> {
    if name == "all" {
        return Some(None);
    }
    let known = WITH_PORTS
        .iter()
        .chain(&WITHOUT_PORTS)
        .find(|(known, _)| *known == name);
    let number = known.map(|(_, number)| *number).or_else(|| name.parse().ok())?;
    // To iptables the number 0 is every protocol.
    Some((number != 0).then_some(number))
}

/// The ports of a list that has no blanks, which the shell would take apart.
fn ports_of(text: &str, services: &Services) -> Option<Vec<Ports>> {
    if text.contains(char::is_whitespace) {
        return None;
    }
    let range = |text: &str| match ports(text, services)? {
        // A hyphen between two ports is nothing to iptables.
        Ports::Range(..) if !text.contains(':') => None,
        ports @ (Ports::One(_) | Ports::Range(..)) => Some(ports),
    };
    text.split(',').map(range).collect()
}

/// A name that means nothing else to the shell or to iptables.
fn checked_name(option: &'static str, name: &str, longest: usize) -> Result<(), Unsupported> {
    let begins = name
        .chars()
        .next()
        .is_some_and(|char| char.is_ascii_alphanumeric() || char == '_');
    let goes_on = |char: char| char.is_ascii_alphanumeric() || "_-.+:".contains(char);
    if begins && name.chars().all(goes_on) && name.len() <= longest {
        return Ok(());
    }
    let expected = "a short name of letters, digits and any of _ - . + : after the first";
    Err(unsupported(option, name.to_owned(), expected))
}

#[cfg(test)]
mod tests {
    use stockade_jail::Family;

    use super::{Definition, Holds, Match, PortMatch, Verdict};
    use crate::native::{Jump, Kind};
    use crate::nftables::Ports::{One, Range};
    use crate::services::Services;
    use crate::tags::Properties;

    /// The properties of the stock actions in the jail `sshd`, and others in their place.
    fn definition(kind: Kind, others: &[(&str, &str)]) -> Result<Definition, String> {
        let mut properties = Properties::default();
        for (name, value) in [
            ("name", "sshd"),
            ("chain", "INPUT"),
            ("port", "ssh"),
            ("protocol", "tcp"),
            ("returntype", "RETURN"),
            ("lockingopt", "-w"),
            ("iptables", "iptables <lockingopt>"),
            ("iptables?family=inet6", "ip6tables <lockingopt>"),
            ("blocktype", "REJECT"),
            ("ipmset", "f2b-<name>"),
            ("ipmset?family=inet6", "f2b-<name>6"),
            ("familyopt", ""),
            ("familyopt?family=inet6", "family inet6"),
            ("maxelem", "65536"),
            ("default-ipsettime", "0"),
            ("ipsettime", "0"),
            ("timeout-bantime", "$(work it out for <bantime>)"),
        ]
        .iter()
        .chain(others)
        {
            properties.set(name, (*value).to_owned());
        }
        let services = Services::default();
        let definition = match kind {
            Kind::Iptables(jump) => Definition::chain(kind, jump, &properties, &services),
            Kind::Ipset(jump) => Definition::set(kind, jump, &properties, &services),
            Kind::Multiport | Kind::Allports => panic!("of nftables"),
        };
        definition.map_err(|error| error.to_string())
    }

    const CHAIN: Kind = Kind::Iptables(Jump::Oneport);
    const SET: Kind = Kind::Ipset(Jump::Multiport);

    #[test]
    fn the_stock_options_say_what_stands_where() {
        let chain = definition(CHAIN, &[]).unwrap();
        assert_eq!(chain.chains, ["INPUT"]);
        assert_eq!(
            chain.holds,
            Holds::Chain {
                ends: Verdict::Return
            }
        );
        assert_eq!(
            [Family::Inet4, Family::Inet6].map(|family| (chain.holder(family), chain.verdict(family))),
            [("f2b-sshd", Verdict::Reject(3)), ("f2b-sshd", Verdict::Reject(4))]
        );
        let several = definition(CHAIN, &[("chain", "INPUT, <known/chain>,DOCKER-USER")]).unwrap();
        assert_eq!(several.chains, ["INPUT", "DOCKER-USER"], "each once");

        let set = definition(SET, &[]).unwrap();
        assert_eq!(
            [Family::Inet4, Family::Inet6].map(|family| set.holder(family)),
            ["f2b-sshd", "f2b-sshd6"]
        );
        let holds = |maxelem, timeout, expires| Holds::Set {
            maxelem,
            timeout,
            expires,
        };
        assert_eq!(set.holds, holds(65536, 0, false));
        let others = [
            ("ipsettime", "<timeout-bantime>"),
            ("default-ipsettime", "60"),
            ("maxelem", "7"),
        ];
        assert_eq!(definition(SET, &others).unwrap().holds, holds(7, 60, true));
    }

    #[test]
    fn ports_and_protocols_say_what_is_matched() {
        let one = |protocol, ports| Match { protocol, ports };
        let several = |ports: &[_]| PortMatch::Several(ports.to_vec());
        let cases = [
            (
                Jump::Oneport,
                "ssh",
                "tcp",
                vec![one(Some(6), PortMatch::One(One(22)))],
            ),
            (
                Jump::Oneport,
                "1:9",
                "udp",
                vec![one(Some(17), PortMatch::One(Range(1, 9)))],
            ),
            (Jump::New, "22", "6", vec![one(Some(6), PortMatch::New(One(22)))]),
            (
                Jump::Multiport,
                "ssh,1000:2000",
                "tcp,sctp",
                vec![
                    one(Some(6), several(&[One(22), Range(1000, 2000)])),
                    one(Some(132), several(&[One(22), Range(1000, 2000)])),
                ],
            ),
            (Jump::Allports, "no port", "all", vec![one(None, PortMatch::Any)]),
            (
                Jump::Allports,
                "ssh",
                "tcp, icmp",
                vec![one(Some(6), PortMatch::Any), one(Some(1), PortMatch::Any)],
            ),
        ];
        for (jump, port, protocol, expected) in cases {
            let others = [("port", port), ("protocol", protocol)];
            let definition = definition(Kind::Iptables(jump), &others).unwrap();
            assert_eq!(definition.matches, expected, "{jump:?} {port} {protocol}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_left_to_the_commands() {
        let multiport = Kind::Iptables(Jump::Multiport);
        let sixteen = ["22"; 16].join(",");
        let ranges = ["1:2"; 8].join(",");
        let cases: [(Kind, &str, &str); 23] = [
            (CHAIN, "iptables", "iptables-legacy -w"),
            (CHAIN, "iptables", "iptables -t raw"),
            (CHAIN, "iptables?family=inet6", "iptables -w"),
            (CHAIN, "chain", ""),
            (CHAIN, "chain", "INPUT;reboot"),
            (CHAIN, "chain", "-F"),
            (CHAIN, "name", "a jail"),
            (CHAIN, "name", "longer-than-a-chain-can-be-called"),
            (CHAIN, "port", "22,80"),
            (CHAIN, "port", "0:65535"),
            (CHAIN, "port", "1000-2000"),
            (CHAIN, "port", "no-such-service"),
            (CHAIN, "protocol", "all"),
            (CHAIN, "protocol", "sctp"),
            (multiport, "port", &sixteen),
            (multiport, "port", &ranges),
            (multiport, "protocol", "icmp"),
            (CHAIN, "blocktype", "REJECT --reject-with tcp-reset"),
            (CHAIN, "blocktype", "LOG"),
            (CHAIN, "returntype", "-j LOG"),
            (SET, "ipsettime", "600"),
            (SET, "maxelem", "many"),
            (SET, "ipmset?family=inet6", "f2b-sshd"),
        ];
        for (kind, option, value) in cases {
            let error = definition(kind, &[(option, value)]).unwrap_err();
            assert!(
                error.contains(" needs the iptables command"),
                "{option} = {value}: {error}"
            );
        }
        let reset = [("blocktype", "REJECT --reject-with tcp-reset")];
        let reset = definition(SET, &reset).unwrap();
        assert_eq!(
            reset.verdict(Family::Inet4),
            Verdict::Reject(7),
            "a set has rules for TCP"
        );
        assert_eq!(
            reset.verdict(Family::Inet6),
            Verdict::Reject(6),
            "a set has rules for TCP"
        );
    }
}
