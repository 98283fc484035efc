//! Whose network a banned address is in, as `status JAIL cymru` shows it: what the name server of a third party, Team
//! Cymru, tells of an address in a TXT record.
//!
//! In: a status. Out: the same with three lists more: networks, countries, registries, an entry for each address.
//!
//! Invariant: nothing is asked unless somebody wants to know, and it ends, whatever a name server says or does not.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use stockade_protocol::Value;

/// How long one try, all tries for one address, and those for all addresses may take.
const TRY: Duration = Duration::from_secs(5);
const EACH: Duration = Duration::from_secs(10);
const ALL: Duration = Duration::from_secs(60);
/// Addresses that are asked about for one status; what is beyond has no entries.
const ADDRESSES: usize = 1000;
/// The longest answer that is read, in bytes; without asking for more a name server sends 512.
const ANSWER: usize = 4096;
/// The type of records with texts, and their class.
const TXT: [u8; 2] = [0, 16];
const INTERNET: [u8; 2] = [0, 1];

/// The lists, by their names in a status.
const LISTS: [&str; 3] = ["Banned ASN list", "Banned Country list", "Banned RIR list"];

/// What a name server has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// The texts of all records.
    Texts(Vec<String>),
    /// There is no such name.
    NoSuchName,
}

/// Adds the lists to a status of one jail or of all, asking these name servers.
///
/// # Errors
/// Why it stopped asking; the lists end there.
pub(crate) fn describe(status: &mut Value, servers: &[SocketAddr]) -> Result<(), io::Error> {
    let deadline = Instant::now().checked_add(ALL);
    let (mut asked, mut result) = (0, Ok(()));
    each_jail(status, |addresses| {
        let mut lists: [Vec<Value>; 3] = Default::default();
        for address in addresses {
            let is_over = deadline.is_none_or(|deadline| Instant::now() >= deadline);
            if result.is_err() || is_over || asked >= ADDRESSES {
                break;
            }
            asked += 1;
            match address.parse().map(|address| ask(servers, &name(address))) {
                Ok(Ok(said)) => {
                    for (list, entry) in lists.iter_mut().zip(entries(&said)) {
                        list.push(entry.into());
                    }
                }
                Ok(Err(error)) => result = Err(error),
                // What is no address is in nobody's network.
                Err(_) => lists.iter_mut().for_each(|list| list.push("unknown".into())),
            }
        }
        lists
    });
    result
}

/// Adds lists to a status that say that nothing could be found out.
pub(crate) fn give_up(status: &mut Value) {
    each_jail(status, |_| std::array::from_fn(|_| vec!["error".into()]));
}

/// The name servers of the machine.
pub(crate) fn servers() -> Vec<SocketAddr> {
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse::<IpAddr>().ok())?
    });
    let servers: Vec<SocketAddr> = addresses.take(3).map(|address| (address, 53).into()).collect();
    if servers.is_empty() {
        return vec![(Ipv4Addr::LOCALHOST, 53).into()];
    }
    servers
}

/// Calls `describe` with the banned ids of each jail in a status, and adds what it returns.
fn each_jail(status: &mut Value, mut describe: impl FnMut(&[String]) -> [Vec<Value>; 3]) {
    let Value::List(parts) = status else { return };
    for part in parts {
        match part {
            Value::Dict(jails) => {
                for (_, jail) in jails {
                    each_jail(
                        jail,
                        &mut describe as &mut dyn FnMut(&[String]) -> [Vec<Value>; 3],
                    );
                }
            }
            Value::Tuple(pair) => {
                let [Value::Str(name), Value::List(actions)] = pair.as_mut_slice() else {
                    continue;
                };
                if name != "Actions" {
                    continue;
                }
                let banned = actions
                    .iter()
                    .filter_map(Value::items)
                    .find_map(|pair| match pair {
                        [name, list] if name.as_str() == Some("Banned IP list") => list.items(),
                        _ => None,
                    });
                let banned: Vec<String> = banned.unwrap_or_default().iter().map(Value::text).collect();
                let lists = describe(&banned);
                for (name, list) in LISTS.iter().zip(lists) {
                    actions.push(Value::pair(*name, Value::List(list)));
                }
            }
            Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::BigInt(_)
            | Value::Float(_)
            | Value::Str(_)
            | Value::Bytes(_)
            | Value::List(_)
            | Value::Set(_)
            | Value::Exception(_) => {}
        }
    }
}

/// The name that has the record of an address.
fn name(address: IpAddr) -> String {
    let mut labels: Vec<String> = match address {
        IpAddr::V4(address) => address.octets().iter().map(u8::to_string).collect(),
        IpAddr::V6(address) => format!("{:032x}", Ipv6Addr::to_bits(address))
            .chars()
            .map(String::from)
            .collect(),
    };
    labels.reverse();
    let zone = if address.is_ipv4() { "origin" } else { "origin6" };
    format!("{}.{zone}.asn.cymru.com", labels.join("."))
}

/// The entries of one address: network, country and registry, several of one kind in their order.
fn entries(said: &Said) -> [String; 3] {
    let Said::Texts(records) = said else {
        return std::array::from_fn(|_| "nxdomain".to_owned());
    };
    // `23028 | 216.90.108.0/24 | US | arin | 1998-09-25`
    [0, 2, 3].map(|field| {
        let values: BTreeSet<&str> = records
            .iter()
            .filter_map(|record| record.split('|').nth(field))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect();
        if values.is_empty() {
            return "unknown".to_owned();
        }
        let all: Vec<&str> = values.into_iter().collect();
        all.join(", ")
    })
}

/// Asks for the texts of a name, one server after another, until one says something or the time is over.
fn ask(servers: &[SocketAddr], name: &str) -> Result<Said, io::Error> {
    let begun = Instant::now();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    while begun.elapsed() < EACH {
        for server in servers {
            let left = EACH.saturating_sub(begun.elapsed()).min(TRY);
            if left.is_zero() {
                break;
            }
            match ask_one(*server, name, left) {
                Ok(said) => return Ok(said),
                Err(error) => last = error,
            }
        }
        if last.kind() != io::ErrorKind::WouldBlock && last.kind() != io::ErrorKind::TimedOut {
            break;
        }
    }
    Err(last)
}

fn ask_one(server: SocketAddr, name: &str, patience: Duration) -> Result<Said, io::Error> {
    let any: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    // Whoever would answer in the server's place has to guess this and the port.
    let [high, low, ..] = RandomState::new().hash_one(name).to_ne_bytes();
    let question = question([high, low], name);
    socket.send(&question)?;
    let begun = Instant::now();
    let mut block = [0; ANSWER];
    loop {
        let left = patience.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut block)?;
        let answer = block.get(..length).unwrap_or_default();
        if let Some(said) = read(answer, &question) {
            return said;
        }
    }
}

/// The message that asks for the texts of `name`.
fn question(id: [u8; 2], name: &str) -> Vec<u8> {
    // One question, and whatever the server has to do for it.
    let mut message = vec![id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap_or(0));
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(TXT);
    message.extend(INTERNET);
    message
}

/// What a message says; nothing where it does not answer this question.
fn read(answer: &[u8], question: &[u8]) -> Option<Result<Said, io::Error>> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let header = answer.first_chunk::<12>()?;
    let is_answer = header.first_chunk::<2>() == question.first_chunk::<2>() && header[2] & 0x80 != 0;
    let asked = question.get(12..).unwrap_or_default();
    let repeated = answer.get(12..12 + asked.len())?;
    if !is_answer || !repeated.eq_ignore_ascii_case(asked) {
        return None;
    }
    match header[3] & 0x0f {
        0 => {}
        3 => return Some(Ok(Said::NoSuchName)),
        _ => return Some(Err(broken())),
    }
    let count = u16::from_be_bytes([header[6], header[7]]);
    let mut rest = answer.get(12 + asked.len()..).unwrap_or_default();
    let mut texts = Vec::new();
    for _ in 0..count {
        match record(&mut rest) {
            Some(Some(text)) => texts.push(text),
            Some(None) => {}
            None => return Some(Err(broken())),
        }
    }
    Some(Ok(Said::Texts(texts)))
}

/// Takes a record; its text, where it has one.
#[expect(
    clippy::option_option,
    reason = "a record that ends early is something else than one without a text"
)]
fn record(rest: &mut &[u8]) -> Option<Option<String>> {
    // The name: labels, or what points to one of before.
    loop {
        let (length, after) = rest.split_first()?;
        if length & 0xc0 != 0 {
            *rest = after.get(1..)?;
            break;
        }
        *rest = after.get(usize::from(*length)..)?;
        if *length == 0 {
            break;
        }
    }
    let (head, after) = rest.split_first_chunk::<10>()?;
    let length = usize::from(u16::from_be_bytes([head[8], head[9]]));
    let (mut data, after) = after.split_at_checked(length)?;
    *rest = after;
    if head.first_chunk::<2>() != Some(&TXT) {
        return Some(None);
    }
    let mut text = String::new();
    while let Some((length, more)) = data.split_first() {
        let (part, more) = more.split_at_checked(usize::from(*length))?;
        text.push_str(&String::from_utf8_lossy(part));
        data = more;
    }
    Some(Some(text))
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};
    use std::thread;

    use stockade_protocol::Value;

    use super::{Said, describe, entries, give_up, name, question, read};

    /// A message that answers `question` with these texts, or with this error.
    fn answer(question: &[u8], texts: &[&str], code: u8) -> Vec<u8> {
        let mut message = question.to_vec();
        message[2] |= 0x80;
        message[3] = code;
        message[7] = u8::try_from(texts.len()).unwrap();
        for text in texts {
            let length = u8::try_from(text.len()).unwrap();
            message.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, length + 1, length]);
            message.extend(text.bytes());
        }
        message
    }

    fn status(banned: &[&str]) -> Value {
        let actions = vec![
            Value::pair("Currently banned", banned.len()),
            Value::pair("Banned IP list", Value::list(banned.iter().copied())),
        ];
        Value::List(vec![
            Value::pair("Filter", Value::List(vec![])),
            Value::pair("Actions", Value::List(actions)),
        ])
    }

    #[test]
    fn a_name_server_tells_whose_network_an_address_is_in() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let server: SocketAddr = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut block = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut block) {
                let asked = block[..length].to_vec();
                let text = String::from_utf8_lossy(&asked).into_owned();
                // What answers another question is passed over.
                let mut other = asked.clone();
                other[0] ^= 1;
                let _ = socket.send_to(&answer(&other, &["9 | x | ZZ | zz"], 0), from);
                let said = match text {
                    text if text.contains("\u{1}1\u{1}2\u{1}0\u{3}192\u{6}origin") => answer(
                        &asked,
                        &[
                            "64501 | 192.0.2.0/24 | ZZ | arin | 2001-01-01",
                            "64500 | 192.0.0.0/16 | ZZ | ripe",
                        ],
                        0,
                    ),
                    text if text.contains("origin6") => answer(&asked, &[], 3),
                    text if text.contains("\u{3}203") => answer(&asked, &[""], 0),
                    _ => answer(&asked, &[], 2),
                };
                let _ = socket.send_to(&said, from);
            }
        });
        let lists = |status: &Value| {
            let text = status.repr();
            text.split_once("'Banned ASN list'")
                .map(|(_, lists)| lists.to_owned())
                .unwrap()
        };
        let mut found = status(&["192.0.2.1", "2001:db8::1", "203.0.113.7", "no address"]);
        assert!(describe(&mut found, &[server]).is_ok());
        assert_eq!(
            lists(&found),
            ", ['64500, 64501', 'nxdomain', 'unknown', 'unknown']), ('Banned Country list', ['ZZ', 'nxdomain', \
             'unknown', 'unknown']), ('Banned RIR list', ['arin, ripe', 'nxdomain', 'unknown', 'unknown'])])]"
        );
        let mut all = Value::List(vec![
            Value::pair("Number of jail", 2),
            Value::Dict(vec![
                ("a".into(), status(&["198.51.100.1", "192.0.2.1"])),
                ("b".into(), status(&["192.0.2.1"])),
            ]),
        ]);
        assert!(describe(&mut all, &[server]).is_err(), "a failure stops it");
        assert_eq!(
            all.repr().matches("'Banned RIR list', [])").count(),
            2,
            "{}",
            all.repr()
        );
        let mut nothing = status(&["192.0.2.1"]);
        give_up(&mut nothing);
        assert!(lists(&nothing).starts_with(", ['error'])"));
    }

    #[test]
    fn names_and_records_are_as_they_travel() {
        assert_eq!(
            name("192.0.2.1".parse().unwrap()),
            "1.2.0.192.origin.asn.cymru.com"
        );
        assert_eq!(
            name("2001:db8::1".parse().unwrap()),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.origin6.asn.cymru.com"
        );
        assert_eq!(entries(&Said::NoSuchName), ["nxdomain"; 3]);
        let asked = question([1, 2], "a.example");
        let whole = answer(&asked, &["one", "two"], 0);
        let expected = Said::Texts(vec!["one".into(), "two".into()]);
        assert_eq!(read(&whole, &asked).unwrap().unwrap(), expected);
        for length in 0..whole.len() {
            let cut = read(&whole[..length], &asked);
            assert!(cut.is_none_or(|said| said.is_err()), "{length} bytes");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 63, 64, 192, 255] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                // Whatever it says, it is read to its end.
                let _ = read(&damaged, &asked);
            }
        }
    }
}
