//! `stockade ban`, `unban` and `banned`.
//!
//! In: addresses, from the command line or a list. Out: how many were banned or are free again; who is banned.
//!
//! Invariant: every address is looked at before the first is banned, for the daemon takes any text for an id, and a
//! slip of the pen would ban nobody without a word.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::IpAddr;

use clap::Args;
use serde_json::json;
use stockade_datetime::duration;
use stockade_protocol::{Command, Value};

use super::client::{Client, Place, Trouble};
use super::standings::Standings;
use super::table::Table;
use crate::terminal::print;

const HINT: &str = "expected an address such as 192.0.2.1 or 2001:db8::1, or a network such as 192.0.2.0/24";

#[derive(Debug, Args)]
pub(super) struct Ban {
    #[command(flatten)]
    place: Place,
    /// Addresses, or networks such as 192.0.2.0/24
    #[arg(required_unless_present = "file", value_name = "ADDRESS", value_parser = address)]
    addresses: Vec<String>,
    /// The jail that bans; needed where there are several
    #[arg(short, long)]
    jail: Option<String>,
    /// How long, such as 10m, 3d or 1w, or `forever` [default: the bantime of the jail]
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    seconds: Option<i64>,
    /// Why: kept with the ban where others have the lines of the log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Ban the addresses of this list, too, one on each line, with comments behind `#`; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Unban {
    #[command(flatten)]
    place: Place,
    /// Addresses, or networks such as 192.0.2.0/24
    #[arg(required_unless_present = "all", value_name = "ADDRESS", value_parser = address)]
    addresses: Vec<String>,
    /// Lift bans of this jail only
    #[arg(short, long)]
    jail: Option<String>,
    /// Lift all bans of all jails
    #[arg(long, conflicts_with_all = ["addresses", "jail"])]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Banned {
    #[command(flatten)]
    place: Place,
    /// Show the bans of this jail only
    #[arg(short, long)]
    jail: Option<String>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// An address or a network, as it is written.
fn address(text: &str) -> Result<String, String> {
    let (host, mask) = match text.split_once('/') {
        Some((host, mask)) => (host, Some(mask)),
        None => (text, None),
    };
    let host: IpAddr = host.parse().map_err(|_| HINT.to_owned())?;
    let longest = if host.is_ipv4() { 32 } else { 128 };
    match mask.map(str::parse::<u8>) {
        None => Ok(text.to_owned()),
        Some(Ok(bits)) if bits <= longest => Ok(text.to_owned()),
        Some(Ok(_) | Err(_)) => Err(format!("a mask here is a number from 0 to {longest}")),
    }
}

/// How long a ban lasts; -1 is for ever, as in the configuration.
fn seconds(text: &str) -> Result<i64, String> {
    let hint = || "expected a time such as 10m, 3d or 1w, or `forever`".to_owned();
    if text == "forever" {
        return Ok(-1);
    }
    let number = duration::seconds(text).map_err(|_| hint())?;
    let seconds = number.to_string().parse::<f64>().map_err(|_| hint())?.floor();
    if !(1.0..=9.0e9).contains(&seconds) {
        return Err(hint());
    }
    format!("{seconds:.0}").parse().map_err(|_| hint())
}

/// The addresses of a list.
pub(super) fn listed(path: &str) -> Result<Vec<String>, Trouble> {
    let mut text = String::new();
    let read = if path == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        fs::read_to_string(path).map(|read| text = read)
    };
    read.map_err(|error| Trouble::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let mut addresses = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        addresses.push(address(text).map_err(|hint| Trouble::NoAddress {
            path: path.to_owned(),
            line,
            text: text.to_owned(),
            hint,
        })?);
    }
    if addresses.is_empty() {
        return Err(Trouble::NoAddresses(path.to_owned()));
    }
    Ok(addresses)
}

pub(super) fn ban(ban: Ban) -> Result<(), Trouble> {
    let mut addresses = ban.addresses;
    if let Some(path) = &ban.file {
        addresses.extend(listed(path)?);
    }
    let mut client = Client::connect(&ban.place)?;
    let jail = match ban.jail {
        Some(jail) => jail,
        None => only_jail(&mut client)?,
    };
    let count = addresses.len();
    let mut arguments: Vec<Value> = addresses.into_iter().map(Value::from).collect();
    let terms: Vec<(Value, Value)> = [
        ban.seconds.map(|seconds| ("bantime".into(), Value::Int(seconds))),
        ban.reason.map(|reason| ("reason".into(), reason.into())),
    ]
    .into_iter()
    .flatten()
    .collect();
    let property = if terms.is_empty() { "banip" } else { "ban" };
    if !terms.is_empty() {
        arguments.insert(0, Value::Dict(terms));
    }
    let command = Command::SetJail {
        jail: jail.clone(),
        property: property.to_owned(),
        arguments,
        multi: false,
    };
    let banned = client.ask(&command)?.int().unwrap_or(0);
    let known = i64::try_from(count).unwrap_or(i64::MAX) - banned;
    print(&match known {
        ..=0 => format!("{banned} banned in {jail}."),
        1.. => format!("{banned} banned in {jail}, {known} banned before."),
    });
    Ok(())
}

/// The jail, where there is but one.
fn only_jail(client: &mut Client) -> Result<String, Trouble> {
    let jails = client.jails()?;
    match jails.as_slice() {
        [] => Err(Trouble::NoJail),
        [jail] => Ok(jail.clone()),
        [..] => Err(Trouble::WhichJail(jails)),
    }
}

pub(super) fn unban(unban: Unban) -> Result<(), Trouble> {
    let (command, place) = match unban.jail {
        _ if unban.all => (Command::UnbanAll, String::new()),
        None => (Command::Unban(unban.addresses), String::new()),
        Some(jail) => {
            let place = format!(" in {jail}");
            let arguments = unban.addresses.into_iter().map(Value::from).collect();
            (
                Command::SetJail {
                    jail,
                    property: "unbanip".to_owned(),
                    arguments,
                    multi: false,
                },
                place,
            )
        }
    };
    let lifted = Client::connect(&unban.place)?.ask(&command)?.int().unwrap_or(0);
    print(&match lifted {
        0 => format!("No ban{place} to lift."),
        1 => format!("1 ban lifted{place}."),
        _ => format!("{lifted} bans lifted{place}."),
    });
    Ok(())
}

/// A ban in force, as the daemon tells it.
pub(super) struct InForce {
    pub(super) jail: String,
    pub(super) id: String,
    since: String,
    seconds: i64,
    pub(super) until: String,
}

impl InForce {
    /// Reads `ID TAB START + SECONDS = END`.
    pub(super) fn read(jail: &str, line: &str) -> Option<Self> {
        let (id, times) = line.split_once('\t')?;
        let (since, rest) = times.split_once(" + ")?;
        let (seconds, until) = rest.split_once(" = ")?;
        Some(Self {
            jail: jail.to_owned(),
            id: id.trim_end().to_owned(),
            since: since.to_owned(),
            seconds: seconds.parse().ok()?,
            until: until.to_owned(),
        })
    }

    pub(super) fn is_permanent(&self) -> bool {
        self.seconds < 0
    }
}

pub(super) fn banned(banned: &Banned) -> Result<(), Trouble> {
    let mut client = Client::connect(&banned.place)?;
    let lists = client.of_each_jail(banned.jail.as_deref(), "banip", &["--with-time".into()])?;
    let mut bans: Vec<InForce> = Vec::new();
    let mut standings: BTreeMap<&str, Vec<Standings>> = BTreeMap::new();
    for (jail, lines) in &lists {
        standings.insert(jail, client.standings(jail)?);
        let lines = lines.iter().filter_map(Value::as_str);
        bans.extend(lines.filter_map(|line| InForce::read(jail, line)));
    }
    let of_jail = |jail: &str| standings.get(jail).map_or(&[][..], Vec::as_slice);
    if banned.json {
        let bans: Vec<_> = bans
            .iter()
            .map(|ban| {
                json!({
                    "address": ban.id,
                    "jail": ban.jail,
                    "since": ban.since,
                    "until": (!ban.is_permanent()).then_some(&ban.until),
                    "seconds": (!ban.is_permanent()).then_some(ban.seconds),
                    "actions": of_jail(&ban.jail).iter().map(|of| of.object(&ban.id)).collect::<Vec<_>>(),
                })
            })
            .collect();
        print(&format!("{:#}", json!(bans)));
        return Ok(());
    }
    if bans.is_empty() {
        print("Nobody is banned.");
        return Ok(());
    }
    let mut table = Table::new(["ADDRESS", "JAIL", "SINCE", "UNTIL", "FOR", "STATE"]);
    for ban in bans {
        let state = state(of_jail(&ban.jail), &ban.id);
        let (until, lasts) = if ban.is_permanent() {
            ("-".to_owned(), "ever".to_owned())
        } else {
            (ban.until, duration::to_text(ban.seconds))
        };
        table.add([ban.id, ban.jail, ban.since, until, lasts, state]);
    }
    table.print();
    Ok(())
}

/// How far the actions of the jail have carried out a ban: `active`, or each that has not, and why; nothing where
/// there is no action that could have.
fn state(standings: &[Standings], id: &str) -> String {
    if standings.is_empty() {
        return "-".to_owned();
    }
    let told = standings.iter().map(|of| (&of.action, of.word(id)));
    let told: Vec<String> = told
        .filter(|(_, word)| word != "active")
        .map(|(action, word)| format!("{action} {word}"))
        .collect();
    if told.is_empty() {
        "active".to_owned()
    } else {
        told.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::{InForce, address, seconds};

    #[test]
    fn a_slip_of_the_pen_is_no_address() {
        for text in ["192.0.2.1", "192.0.2.0/24", "2001:db8::1", "2001:db8::/128"] {
            assert_eq!(address(text), Ok(text.to_owned()));
        }
        for text in [
            "192.0.2",
            "192.0.2.1.",
            "192.0.2.0/33",
            "2001:db8::/129",
            "sshd",
            "",
            "192.0.2.1/",
            "::1%lo",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_those_of_the_configuration() {
        for (text, expected) in [
            ("10m", Some(600)),
            ("3d", Some(259_200)),
            ("1w 1h", Some(608_400)),
            ("90", Some(90)),
            ("forever", Some(-1)),
            ("0", None),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_ban_is_read_as_the_daemon_writes_it() {
        let line = "192.0.2.1 \t2026-11-21 23:29:28 + 600 = 2026-11-21 23:39:28";
        let ban = InForce::read("sshd", line).expect("it is a ban");
        assert_eq!(
            (
                ban.id.as_str(),
                ban.since.as_str(),
                ban.seconds,
                ban.until.as_str()
            ),
            ("192.0.2.1", "2026-11-21 23:29:28", 600, "2026-11-21 23:39:28")
        );
        let line = "192.0.2.1 \t2026-11-21 23:29:28 + -1 = 9999-12-31 23:59:59";
        assert!(InForce::read("sshd", line).expect("it is a ban").is_permanent());
        assert!(InForce::read("sshd", "192.0.2.1").is_none());
    }
}
