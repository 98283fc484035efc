//! What private actions of earlier days take from files that are gone.
//!
//! `iptables-blocktype.conf` and `iptables-common.conf` held what actions on iptables have in common. Later versions
//! have neither, and a missing include is silent: `-j <blocktype>` then reaches the shell as it stands, which takes it
//! for a redirection.
//!
//! In: the properties of an action. Out: the same, with those of its tags that nobody defines as those files did.
//!
//! Invariant: a property that is set stays as it is, and an action that does not run iptables is left alone.

use crate::tags::{Properties, next_tag};

/// What the two files defined.
const DEFINED: [(&str, &str); 8] = [
    ("blocktype", "REJECT --reject-with icmp-port-unreachable"),
    ("returntype", "RETURN"),
    ("iptables", "iptables <lockingopt>"),
    ("lockingopt", "-w"),
    ("chain", "INPUT"),
    ("known/chain", "INPUT"),
    ("port", "ssh"),
    ("protocol", "tcp"),
];

/// What the second file, which knew of families, defined for IPv6.
const DEFINED_INET6: [(&str, &str); 2] = [
    ("blocktype", "REJECT --reject-with icmp6-port-unreachable"),
    ("iptables", "ip6tables <lockingopt>"),
];

/// Defines what the commands of an action ask for and nobody defines; the tags, with what each has been given.
pub fn complete(properties: &mut Properties) -> Vec<(&'static str, &'static str)> {
    let mut added = Vec::new();
    let is_command = |name: &str| name.starts_with("action");
    if !properties
        .iter()
        .any(|(name, value)| is_command(name) && value.contains("iptables"))
    {
        return added;
    }
    // What is put in may ask for more; each round adds at least one of a handful.
    while let Some(&(name, value)) = DEFINED.iter().find(|(name, _)| is_missing(properties, name)) {
        properties.set(name, value.to_owned());
        added.push((name, value));
    }
    let has = |name| added.iter().any(|(known, _)| *known == name);
    // An action that names the program itself is of a time without families.
    if has("iptables") {
        for (name, value) in DEFINED_INET6.into_iter().filter(|(name, _)| has(name)) {
            properties.set(&format!("{name}?family=inet6"), value.to_owned());
        }
    }
    added
}

/// Whether some property has the tag `name`, and none is called so.
fn is_missing(properties: &Properties, name: &str) -> bool {
    let is_set = properties
        .iter()
        .any(|(known, _)| known.split('?').next() == Some(name));
    !is_set && properties.iter().any(|(_, value)| has_tag(value, name))
}

fn has_tag(text: &str, name: &str) -> bool {
    let mut from = 0;
    while let Some((start, _, tag)) = next_tag(text, from) {
        if tag == name {
            return true;
        }
        from = start + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::complete;
    use crate::tags::{HostNames, Properties};
    use stockade_jail::Family::{Inet4, Inet6};

    /// Its name, properties, the tags that are added, and what `actionban` is for each family.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], [&'a str; 2]);

    #[test]
    fn what_nobody_defines_is_what_the_files_that_are_gone_defined() {
        let private = "iptables -I fail2ban-<name> -s <ip> -j <blocktype>";
        let common = "<iptables> -I <chain> -j f2b-<name> -p <protocol> -s <ip> -j <blocktype>";
        let cases: [Case<'_>; 6] = [
            (
                "the block type alone",
                &[("actionban", private), ("name", "x")],
                &["blocktype"],
                ["iptables -I fail2ban-x -s <ip> -j REJECT --reject-with icmp-port-unreachable"; 2],
            ),
            (
                "the block type is set",
                &[("actionban", private), ("name", "x"), ("blocktype", "DROP")],
                &[],
                ["iptables -I fail2ban-x -s <ip> -j DROP"; 2],
            ),
            (
                "it is set for a family",
                &[
                    ("actionban", private),
                    ("name", "x"),
                    ("blocktype?family=inet6", "DROP"),
                ],
                &[],
                [
                    "iptables -I fail2ban-x -s <ip> -j <blocktype>",
                    "iptables -I fail2ban-x -s <ip> -j DROP",
                ],
            ),
            (
                "everything, and the chain of the stock jails",
                &[("actionban", common), ("name", "x"), ("chain", "<known/chain>")],
                &["blocktype", "iptables", "lockingopt", "known/chain", "protocol"],
                [
                    "iptables -w -I INPUT -j f2b-x -p tcp -s <ip> -j REJECT --reject-with icmp-port-unreachable",
                    "ip6tables -w -I INPUT -j f2b-x -p tcp -s <ip> -j REJECT --reject-with icmp6-port-unreachable",
                ],
            ),
            (
                "another firewall",
                &[("actionban", "shorewall <blocktype> <ip>")],
                &[],
                ["shorewall <blocktype> <ip>"; 2],
            ),
            (
                "tags that are nobody's",
                &[("actionban", "iptables <nope> <ip>")],
                &[],
                ["iptables <nope> <ip>"; 2],
            ),
        ];
        for (name, pairs, added, resolved) in cases {
            let mut properties = Properties::default();
            for (property, value) in pairs {
                properties.set(property, (*value).to_owned());
            }
            let names: Vec<&str> = complete(&mut properties).iter().map(|(name, _)| *name).collect();
            assert_eq!(names, added, "{name}");
            for (family, resolved) in [Inet4, Inet6].into_iter().zip(resolved) {
                let command = properties.get("actionban").unwrap();
                let found = properties.resolve(command, Some(family), &HostNames::default());
                assert_eq!(found.as_deref(), Ok(resolved), "{name}, {family}");
            }
        }
    }
}
