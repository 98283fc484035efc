//! What is known about a ban: the values of the tags that differ from ban to ban.
//!
//! In: the ticket and the state of its jail. Out: a text for each tag of the manual page jail.conf(5).

use std::net::IpAddr;

use stockade_jail::{BanTime, Data, Family, Id, Match, Ticket, Timestamp};

use crate::tags::Facts;

/// The tag for the name of an address, which takes a name server to find.
pub const HOST_TAG: &str = "ip-host";

/// What is known about a ban when an action runs for it.
#[derive(Debug, Clone, PartialEq)]
pub struct BanFacts {
    /// The ban.
    pub ticket: Ticket,
    /// The jail that decided it.
    pub jail: JailFacts,
    /// What is kept of all bans of the same id; the ban alone, where nothing is.
    pub past: Past,
    /// The name that a name server gives the address, where somebody has asked for it.
    pub host: Option<String>,
}

/// What is kept of the bans of an id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// In all jails.
    pub everywhere: Option<Bans>,
    /// In the jail of the ban.
    pub here: Option<Bans>,
}

/// Bans of an id, put together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bans {
    /// The failures of all.
    pub failures: i64,
    /// The newest lines.
    pub lines: Vec<String>,
}

impl Past {
    /// The tags that speak of it.
    pub const TAGS: [&'static str; 4] = ["ipmatches", "ipjailmatches", "ipfailures", "ipjailfailures"];
}

/// A jail, as actions see it.
#[derive(Debug, Clone, PartialEq)]
pub struct JailFacts {
    /// Its name.
    pub name: String,
    /// How long a ban lasts that has no time of its own.
    pub bantime: BanTime,
    /// Banned now.
    pub banned: usize,
    /// Banned since the jail was made.
    pub banned_total: u64,
    /// Ids with failures now.
    pub found: usize,
    /// Failures since the jail was made.
    pub found_total: u64,
    /// When all this is so: now.
    pub now: Timestamp,
}

/// What is known where no ban is meant: an action starts, stops, or is looked after.
#[derive(Debug, Clone, PartialEq)]
pub struct NoBan {
    /// The jail.
    pub jail: JailFacts,
    /// The family that is meant, where one is.
    pub family: Option<Family>,
}

/// What is known where something is looked after: the family, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnlyFamily(pub Option<Family>);

impl BanFacts {
    /// What is known at once: nothing of earlier bans, and no name.
    #[must_use]
    pub fn new(ticket: Ticket, jail: JailFacts) -> Self {
        Self {
            ticket,
            jail,
            past: Past::default(),
            host: None,
        }
    }

    /// The address that has a name, for [`HOST_TAG`]; none for whole networks and ids of other kinds.
    #[must_use]
    pub fn named_address(&self) -> Option<IpAddr> {
        let address = self.shown().address()?;
        address.is_single().then(|| address.ip())
    }

    /// The family of what is banned, where it is an address.
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        self.ticket.id.address().map(|address| address.family())
    }

    /// What the tag `ip` stands for: the attacker's address where it is not the id, else the id.
    fn shown(&self) -> &Id {
        self.ticket.address.as_ref().unwrap_or(&self.ticket.id)
    }

    fn data(&self) -> String {
        let ticket = &self.ticket;
        let mut out = format!(
            "{{'matches': {}, 'failures': {}",
            matches_repr(ticket),
            ticket.failures
        );
        for (name, data) in ticket.captured.iter() {
            out.push_str(&format!(", '{name}': {}", data_repr(data)));
        }
        out.push('}');
        out
    }

    fn raw(&self) -> String {
        let ticket = &self.ticket;
        let bantime = ticket
            .bantime
            .map_or_else(|| "None".to_owned(), |bantime| bantime.seconds().to_string());
        format!(
            "BanTicket: ip={} time={} bantime={bantime} bancount={} #attempts={} matches={}",
            ticket.id,
            ticket.time,
            ticket.bancount,
            ticket.failures,
            matches_repr(ticket),
        )
    }

    /// The value of `<F-NAME>`: empty where the group took no part.
    fn group(&self, name: &str) -> Option<String> {
        if name == "*" {
            return Some(self.data());
        }
        if !is_group(name) {
            return None;
        }
        let key = match name {
            "ID" => "fid".to_owned(),
            "PORT" => "fport".to_owned(),
            other => other.to_lowercase(),
        };
        Some(match key.as_str() {
            "failures" => self.ticket.failures.to_string(),
            "matches" => matches_repr(&self.ticket),
            key => match self.ticket.captured.get(key) {
                Some(Data::Text(text)) => text.to_string(),
                Some(data) => data_repr(data),
                None => String::new(),
            },
        })
    }
}

impl Facts for BanFacts {
    fn value(&self, name: &str) -> Option<String> {
        let ticket = &self.ticket;
        if let Some(group) = name.strip_prefix("F-") {
            return self.group(group);
        }
        Some(match name {
            "ip" => self.shown().to_string(),
            "family" => self
                .family()
                .map_or_else(|| "None".to_owned(), |family| family.to_string()),
            "ip-rev" => self.named_address().map(reversed).unwrap_or_default(),
            HOST_TAG => self.host.as_deref().unwrap_or("None").to_owned(),
            "fid" => ticket.id.to_string(),
            "failures" => ticket.failures.to_string(),
            "ipfailures" => failures(self.past.everywhere.as_ref(), ticket),
            "ipjailfailures" => failures(self.past.here.as_ref(), ticket),
            "time" => ticket.time_text(),
            "bantime" => ticket.bantime_in(self.jail.bantime).seconds().to_string(),
            "bancount" => ticket.bancount.to_string(),
            "matches" => lines(ticket).join("\n"),
            "ipmatches" => matches(self.past.everywhere.as_ref(), ticket),
            "ipjailmatches" => matches(self.past.here.as_ref(), ticket),
            "restored" => u8::from(ticket.restored).to_string(),
            "raw-ticket" => self.raw(),
            _ => return self.jail.value(name),
        })
    }

    fn without_ban(&self, family: Option<Family>) -> NoBan {
        let jail = self.jail.clone();
        NoBan { jail, family }
    }
}

impl Facts for NoBan {
    fn value(&self, name: &str) -> Option<String> {
        Some(match name {
            "ip" | "fid" | "ip-rev" | "matches" | "ipmatches" | "ipjailmatches" => String::new(),
            HOST_TAG => "None".to_owned(),
            "family" => self.family.map(|family| family.to_string()).unwrap_or_default(),
            "failures" | "ipfailures" | "ipjailfailures" | "restored" | "bancount" => "0".to_owned(),
            "bantime" => self.jail.bantime.seconds().to_string(),
            "time" => self.jail.now.to_string(),
            "raw-ticket" => format!(
                "BanTicket: ip= time={} bantime=None bancount=0 #attempts=0 matches=[]",
                self.jail.now
            ),
            "F-*" => "{'matches': [], 'failures': 0}".to_owned(),
            "F-FAILURES" => "0".to_owned(),
            "F-MATCHES" => "[]".to_owned(),
            _ => match name.strip_prefix("F-") {
                Some(group) => return is_group(group).then(String::new),
                None => return self.jail.value(name),
            },
        })
    }

    fn without_ban(&self, family: Option<Family>) -> NoBan {
        let jail = self.jail.clone();
        Self { jail, family }
    }
}

impl OnlyFamily {
    /// The value of a tag, where it is the one that is known; groups are empty then.
    #[must_use]
    pub fn value(self, name: &str) -> Option<String> {
        let family = self.0?;
        if let Some(group) = name.strip_prefix("F-") {
            return is_group(group).then(String::new);
        }
        (name == "family").then(|| family.to_string())
    }
}

/// Whether `<F-NAME>` is a tag.
fn is_group(name: &str) -> bool {
    let well_formed =
        |char: char| char.is_ascii_uppercase() || char.is_ascii_digit() || matches!(char, '_' | '-');
    name == "*" || (!name.is_empty() && name.chars().all(well_formed))
}

impl JailFacts {
    fn value(&self, name: &str) -> Option<String> {
        Some(match name {
            "jail.name" => self.name.clone(),
            "jail.banned" => self.banned.to_string(),
            "jail.banned_total" => self.banned_total.to_string(),
            "jail.found" => self.found.to_string(),
            "jail.found_total" => self.found_total.to_string(),
            _ => return None,
        })
    }
}

fn failures(bans: Option<&Bans>, ticket: &Ticket) -> String {
    bans.map_or_else(|| ticket.failures.to_string(), |bans| bans.failures.to_string())
}

fn matches(bans: Option<&Bans>, ticket: &Ticket) -> String {
    bans.map_or_else(|| lines(ticket).join("\n"), |bans| bans.lines.join("\n"))
}

fn lines(ticket: &Ticket) -> Vec<String> {
    ticket.matches.iter().map(ToString::to_string).collect()
}

/// The address with its parts in reverse, as zones of the DNS have them, with the dot at the end.
fn reversed(ip: IpAddr) -> String {
    let parts: Vec<String> = match ip {
        IpAddr::V4(ip) => ip.octets().iter().map(u8::to_string).collect(),
        IpAddr::V6(ip) => ip
            .octets()
            .iter()
            .flat_map(|octet| [octet >> 4, octet & 15])
            .map(|n| format!("{n:x}"))
            .collect(),
    };
    parts.iter().rev().map(|part| format!("{part}.")).collect()
}

/// The lines as Python shows them: those whose date is known apart as tuples, which a database makes lists of.
fn matches_repr(ticket: &Ticket) -> String {
    let shown = ticket.matches.iter().map(|line| match line {
        Match::Text(text) => quoted(text),
        Match::Parts(line) => {
            let parts = [line.before(), line.date(), line.after()].map(quoted).join(", ");
            if ticket.restored {
                format!("[{parts}]")
            } else {
                format!("({parts})")
            }
        }
    });
    format!("[{}]", shown.collect::<Vec<_>>().join(", "))
}

fn data_repr(data: &Data) -> String {
    match data {
        Data::Text(text) => quoted(text),
        Data::Set(texts) => format!("{{{}}}", texts.iter().map(quoted).collect::<Vec<_>>().join(", ")),
        Data::Tuple(parts) => {
            let parts = parts
                .iter()
                .map(|part| part.as_deref().map_or_else(|| "None".to_owned(), quoted));
            format!("({})", parts.collect::<Vec<_>>().join(", "))
        }
    }
}

/// `text` as a literal of one line, as Python writes it.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char if char == quote => {
                out.push('\\');
                out.push(char);
            }
            char if char.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use stockade_jail::Address;

    use super::*;

    #[test]
    fn each_tag_of_a_ban_has_its_value() {
        let mut ticket = Ticket::new(
            Id::Address(Address::single("192.0.2.31".parse().unwrap())),
            Timestamp::from_seconds(1_700_000_000),
        );
        ticket.failures = 2;
        ticket.bancount = 1;
        ticket.matches = vec![Match::Text("one".to_owned()), Match::Text("two".to_owned())];
        ticket.captured.insert("user", Data::Text("a;b".into()));
        let jail = JailFacts {
            name: "sshd".to_owned(),
            bantime: BanTime::from_seconds(600),
            banned: 3,
            banned_total: 4,
            found: 5,
            found_total: 6,
            now: Timestamp::from_seconds(1_700_000_001),
        };
        let past = Past {
            everywhere: Some(Bans {
                failures: 7,
                lines: vec!["zero".to_owned(), "one".to_owned()],
            }),
            here: None,
        };
        let facts = BanFacts {
            past,
            host: Some("host.example".to_owned()),
            ..BanFacts::new(ticket, jail)
        };
        for (tag, value) in [
            ("ip", Some("192.0.2.31")),
            ("ip-rev", Some("31.2.0.192.")),
            ("family", Some("inet4")),
            ("failures", Some("2")),
            ("time", Some("1700000000.0")),
            ("bantime", Some("600")),
            ("matches", Some("one\ntwo")),
            ("ipmatches", Some("zero\none")),
            ("ipfailures", Some("7")),
            ("ipjailmatches", Some("one\ntwo")),
            ("ipjailfailures", Some("2")),
            ("restored", Some("0")),
            ("F-USER", Some("a;b")),
            ("F-PORT", Some("")),
            ("F-user", None),
            (
                "F-*",
                Some("{'matches': ['one', 'two'], 'failures': 2, 'user': 'a;b'}"),
            ),
            ("jail.banned_total", Some("4")),
            ("nope", None),
        ] {
            assert_eq!(facts.value(tag).as_deref(), value, "{tag}");
        }
    }

    #[test]
    fn an_address_is_reversed_as_the_dns_has_it() {
        assert_eq!(
            reversed("2001:db8::7".parse().unwrap()),
            "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
        );
    }
}
