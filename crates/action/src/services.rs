//! Names of ports: `ssh` is 22.
//!
//! In: the text of `/etc/services`, where there is one. Out: the number that a name stands for.
//!
//! Invariant: a name that the machine's own list has is looked up nowhere else.

use std::collections::BTreeMap;

/// What the names of ports stand for on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services {
    listed: BTreeMap<String, u16>,
}

/// Names kept of a list; Debian's has some 600.
const MAX_NAMES: usize = 100_000;

/// The ports that the stock jails name, for machines without a list.
const COMMON: [(&str, u16); 35] = [
    ("afs3-fileserver", 7000),
    ("bootps", 67),
    ("cvspserver", 2401),
    ("domain", 53),
    ("ftp", 21),
    ("ftp-data", 20),
    ("ftps", 990),
    ("ftps-data", 989),
    ("git", 9418),
    ("http", 80),
    ("http-alt", 8080),
    ("https", 443),
    ("imap", 143),
    ("imap2", 143),
    ("imap3", 220),
    ("imaps", 993),
    ("ldap", 389),
    ("ldaps", 636),
    ("mysql", 3306),
    ("ntp", 123),
    ("pop3", 110),
    ("pop3s", 995),
    ("postgresql", 5432),
    ("rsync", 873),
    ("sieve", 4190),
    ("sip", 5060),
    ("sip-tls", 5061),
    ("smtp", 25),
    ("smtps", 465),
    ("socks", 1080),
    ("ssh", 22),
    ("submission", 587),
    ("submissions", 465),
    ("telnet", 23),
    ("xmpp-client", 5222),
];

impl Services {
    /// Reads the text of `/etc/services`; where a name has several ports, the first for TCP counts, else the first.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut listed = BTreeMap::new();
        let mut others = BTreeMap::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let (Some(name), Some(port)) = (words.next(), words.next()) else {
                continue;
            };
            let Some((port, protocol)) = port.split_once('/') else {
                continue;
            };
            let Ok(port) = port.parse() else { continue };
            let names = if protocol == "tcp" {
                &mut listed
            } else {
                &mut others
            };
            for name in std::iter::once(name).chain(words) {
                if names.len() < MAX_NAMES {
                    names.entry(name.to_owned()).or_insert(port);
                }
            }
        }
        for (name, port) in others {
            listed.entry(name).or_insert(port);
        }
        Self { listed }
    }

    /// The number that `name` stands for.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<u16> {
        let common = || COMMON.iter().find(|(common, _)| *common == name);
        self.listed
            .get(name)
            .copied()
            .or_else(|| common().map(|(_, port)| *port))
    }
}

#[cfg(test)]
mod tests {
    use super::Services;

    #[test]
    fn a_name_stands_for_the_port_that_the_list_gives_it() {
        let services = Services::parse(
            "# Network services\n\
             ssh\t\t2222/tcp\t\t\t# moved\n\
             ssh 22/udp\n\
             snmp 161/udp\n\
             www 80/tcp http web\n\
             broken\n\
             bad 99999/tcp\n",
        );
        for (name, port) in [
            ("ssh", Some(2222)),
            ("snmp", Some(161)),
            ("www", Some(80)),
            ("web", Some(80)),
            ("https", Some(443)),
            ("bad", None),
            ("broken", None),
            ("moved", None),
            ("SSH", None),
        ] {
            assert_eq!(services.port(name), port, "{name}");
        }
    }
}
