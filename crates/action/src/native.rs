//! Which actions need no commands: the stock ones, told by what their commands look like.
//!
//! In: the properties of an action, as the configuration gives them. Out: what it is, where it is known.
//!
//! Invariant: an action of which one command differs by one character is not recognised, and runs as it is written.

use crate::fingerprints::FINGERPRINTS;
use crate::tags::{HostNames, Properties};

/// A stock action that the daemon can do by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `nftables` and `nftables-multiport`: the ports of the jail.
    Multiport,
    /// `nftables-allports`: every port.
    Allports,
    /// `iptables` and its kin: a chain with a rule for each ban.
    Iptables(Jump),
    /// `iptables-ipset` and its kin: a set that a rule of iptables looks into.
    Ipset(Jump),
}

/// Which packets the rules of iptables of an action are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    /// Those to one port, or one range of ports.
    Oneport,
    /// Those to one port that begin a connection.
    New,
    /// Those to the ports of the jail.
    Multiport,
    /// All.
    Allports,
}

impl Kind {
    const fn defaults(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Multiport | Self::Allports => &NFTABLES_DEFAULTS,
            Self::Iptables(_) | Self::Ipset(_) => &IPTABLES_DEFAULTS,
        }
    }
}

/// What a stock action looks like.
#[derive(Debug)]
pub(crate) struct Fingerprint {
    pub(crate) kind: Kind,
    pub(crate) commands: &'static [Command],
}

/// What a command of it looks like, or another property that the commands are made with.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// The lengths of the pieces of text and, between them, the option whose value stands there.
    pub(crate) layout: &'static str,
    /// FNV-1a of 128 bits over the pieces of text, each closed by a byte 255.
    pub(crate) hash: u128,
}

/// The values that the stock definitions give their options.
///
/// `<known/chain>` in a jail means the one of the definition, which then stands in the commands alone.
const NFTABLES_DEFAULTS: [(&str, &str); 10] = [
    ("table", "f2b-table"),
    ("table_family", "inet"),
    ("chain", "f2b-chain"),
    ("chain_type", "filter"),
    ("chain_hook", "input"),
    ("chain_priority", "-1"),
    ("port", "ssh"),
    ("protocol", "tcp"),
    ("blocktype", "reject"),
    ("nftables", "nft"),
];

/// The same for those of iptables.
const IPTABLES_DEFAULTS: [(&str, &str); 8] = [
    ("chain", "INPUT"),
    ("port", "ssh"),
    ("protocol", "tcp"),
    ("returntype", "RETURN"),
    ("lockingopt", "-w"),
    ("maxelem", "65536"),
    ("default-ipsettime", "0"),
    ("ipsettime", "0"),
];

/// What action the properties are those of, where its definition is an unchanged stock one.
#[must_use]
pub fn recognise(properties: &Properties) -> Option<Kind> {
    FINGERPRINTS
        .iter()
        .find(|fingerprint| fingerprint.fits(properties))
        .map(|fingerprint| fingerprint.kind)
}

impl Fingerprint {
    fn fits(&self, properties: &Properties) -> bool {
        let every_command_is_there = self.commands.iter().all(|command| {
            properties
                .get(command.name)
                .is_some_and(|text| command.fits(self.kind, text, properties))
        });
        // Beyond the stock commands there must be none, and no word about how and when they are run.
        let matters = |name: &str| name.starts_with("action") || name == "norestored";
        let nothing_else_is = properties
            .iter()
            .filter(|(name, text)| matters(name) && !text.trim().is_empty())
            .all(|(name, _)| self.commands.iter().any(|command| command.name == name));
        every_command_is_there && nothing_else_is
    }
}

impl Command {
    fn fits(&self, kind: Kind, text: &str, properties: &Properties) -> bool {
        self.hash_of(kind, text, properties) == Some(self.hash)
    }

    /// The hash of the pieces of `text` that the layout says are not values of options; `None` where it does not fit.
    fn hash_of(&self, kind: Kind, text: &str, properties: &Properties) -> Option<u128> {
        let mut hash = FNV_BASIS;
        let mut rest = text;
        for part in self.layout.split(' ') {
            if let Ok(length) = part.parse() {
                let (piece, behind) = rest.split_at_checked(length)?;
                hash = fnv(fnv(hash, piece.as_bytes()), &[0xff]);
                rest = behind;
            } else {
                // The client replaces the tags that are properties, and leaves `<sp>` and its like to the server, and
                // those that have a value of their own for a family, which is asked for of one option alone.
                let resolved = value(kind, properties, part)?;
                let as_given = properties.get(part)?;
                rest = rest
                    .strip_prefix(as_given)
                    .or_else(|| rest.strip_prefix(resolved.as_str()))
                    .or_else(|| rest.strip_prefix("<blocktype>").filter(|_| part == "blocktype"))?;
            }
        }
        rest.is_empty().then_some(hash)
    }
}

const FNV_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

fn fnv(hash: u128, bytes: &[u8]) -> u128 {
    bytes.iter().fold(hash, |hash, &byte| {
        (hash ^ u128::from(byte)).wrapping_mul(FNV_PRIME)
    })
}

/// The value of an option, with the tags in it replaced.
pub(crate) fn value(kind: Kind, properties: &Properties, option: &str) -> Option<String> {
    let mut text = properties.get(option)?.to_owned();
    for (known, default) in kind.defaults() {
        text = text.replace(&format!("<known/{known}>"), default);
    }
    properties.resolve(&text, None, &HostNames::default()).ok()
}

#[cfg(test)]
mod tests {
    use super::{Command, FNV_BASIS, Fingerprint, Kind, fnv};
    use crate::tags::Properties;

    /// `nft add TABLE PORT;` and a stop.
    fn fingerprint() -> Fingerprint {
        let start = ["", " add ", " ", ";"];
        let hash = start
            .iter()
            .fold(FNV_BASIS, |hash, piece| fnv(fnv(hash, piece.as_bytes()), &[0xff]));
        let commands = vec![
            Command {
                name: "actionstart",
                layout: "0 nftables 5 table 1 port 1",
                hash,
            },
            Command {
                name: "actionstop",
                layout: "4",
                hash: fnv(fnv(FNV_BASIS, b"stop"), &[0xff]),
            },
        ];
        Fingerprint {
            kind: Kind::Multiport,
            commands: commands.leak(),
        }
    }

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        let mut properties = Properties::default();
        for (name, value) in [
            ("nftables", "nft"),
            ("table", "t"),
            ("port", "ssh"),
            ("actionstop", "stop"),
        ]
        .iter()
        .chain(pairs)
        {
            properties.set(name, (*value).to_owned());
        }
        properties
    }

    #[test]
    fn only_the_unchanged_commands_fit_whatever_the_options_are() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], bool);
        let cases: [Case<'_>; 16] = [
            ("as it is", &[("actionstart", "nft add t ssh;")], true),
            (
                "another port",
                &[("actionstart", "nft add t a,b;"), ("port", "a,b")],
                true,
            ),
            (
                "a tag in an option",
                &[
                    ("actionstart", "nft add x-1 ssh;"),
                    ("table", "<name>-1"),
                    ("name", "x"),
                ],
                true,
            ),
            (
                "the definition's own table",
                &[
                    ("actionstart", "nft add f2b-table ssh;"),
                    ("table", "<known/table>"),
                ],
                true,
            ),
            (
                "a port for each family",
                &[("actionstart", "nft add t <port>;"), ("port?family=inet6", "22")],
                false,
            ),
            (
                "an empty command more",
                &[("actionstart", "nft add t ssh;"), ("actionreload", " ")],
                true,
            ),
            (
                "a name that only begins like a command",
                &[("actionstart", "nft add t ssh;"), ("actname", "x")],
                true,
            ),
            (
                "a command more",
                &[("actionstart", "nft add t ssh;"), ("actionreban", "x")],
                false,
            ),
            (
                "one for a family",
                &[
                    ("actionstart", "nft add t ssh;"),
                    ("actionstart?family=inet6", "x"),
                ],
                false,
            ),
            (
                "a flag",
                &[
                    ("actionstart", "nft add t ssh;"),
                    ("actionstart_on_demand", "false"),
                ],
                false,
            ),
            (
                "not for restored bans",
                &[("actionstart", "nft add t ssh;"), ("norestored", "1")],
                false,
            ),
            ("a character more", &[("actionstart", "nft add t ssh;;")], false),
            ("another character", &[("actionstart", "nft Add t ssh;")], false),
            (
                "not the value of the option",
                &[("actionstart", "nft add u ssh;")],
                false,
            ),
            ("cut off", &[("actionstart", "nft add t")], false),
            ("a command less", &[], false),
        ];
        for (name, pairs, expected) in cases {
            assert_eq!(fingerprint().fits(&properties(pairs)), expected, "{name}");
        }
    }
}
