//! Real sockets of this machine; what is waited for is bounded by a count of looks, not by a time.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use stockade_datetime::Timestamp;

use super::{CONNECTIONS_EACH, Framer, MESSAGE_LIMIT, Selector, Socket, Syslog, networks, places};
use crate::source::{Event, ReaderId};

const NOW: Timestamp = Timestamp::from_seconds(1_795_348_800);
const ALL: ReaderId = ReaderId(1);
const SSHD: ReaderId = ReaderId(2);

struct Trial {
    syslog: Syslog,
    lines: Vec<(Vec<u32>, String)>,
    told: Vec<String>,
}

impl Trial {
    fn new(place: &str) -> Self {
        let mut syslog = Syslog::new("here".to_owned(), TimeZone::UTC);
        syslog.set_places(place).unwrap();
        syslog.set_reader(ALL, Selector::default());
        Self {
            syslog,
            lines: Vec::new(),
            told: Vec::new(),
        }
    }

    fn turn(&mut self) {
        let Self { syslog, lines, told } = self;
        syslog.ready(NOW, &mut |event| match event {
            Event::Lines(block) => {
                let readers: Vec<u32> = block.readers.iter().map(|id| id.0).collect();
                for line in block.lines() {
                    let text = String::from_utf8_lossy(line.bytes);
                    lines.push((readers.clone(), text.trim_end().to_owned()));
                }
            }
            Event::Message { text, .. } => told.push(text),
            Event::InOperation { .. } | Event::Appeared { .. } | Event::Vanished { .. } => {
                panic!("of files alone")
            }
        });
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..2000 {
            self.turn();
            if is_so(self) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{what}: {:?} {:?}", self.lines, self.told);
    }

    fn address(&self) -> SocketAddr {
        match &self.syslog.listeners[0].socket {
            Socket::Udp(socket) => socket.local_addr().unwrap(),
            Socket::Tcp(socket) => socket.local_addr().unwrap(),
            Socket::Unix(_) => panic!("it has a path"),
        }
    }

    fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|(_, text)| text.as_str()).collect()
    }
}

fn selector(options: &[(&str, &str)]) -> Result<Selector, String> {
    Selector::parse(options.iter().copied())
}

#[test]
fn places_and_networks_are_read_and_mistakes_told() {
    for (text, count) in [
        ("", 0),
        ("none", 0),
        ("udp:127.0.0.1:514", 1),
        (
            "udp:127.0.0.1:514 tcp:[::1]:601, unix:/run/x[mode=0666, group=root]",
            3,
        ),
    ] {
        assert_eq!(places(text).map(|places| places.len()), Ok(count), "{text}");
    }
    for text in [
        "514",
        "udp:514",
        "udp:localhost:514",
        "tls:127.0.0.1:6514",
        "unix:x",
        "unix:/x[mode=x]",
        "none none",
    ] {
        assert!(places(text).is_err(), "{text}");
    }
    assert_eq!(networks("192.0.2.0/24, 2001:db8::1").unwrap().len(), 2);
    assert!(networks("web1").is_err());
}

#[test]
fn jails_choose_by_facility_tag_and_host() {
    let sshd = selector(&[("facility", "auth,authpriv"), ("tag", "sshd sshd-session")]).unwrap();
    let web = selector(&[("host", "WEB1, 198.51.100.9")]).unwrap();
    for (message, sender, of_sshd, of_web) in [
        ("<38>Nov 22 12:00:00 web1 sshd[1]: x", "192.0.2.1", true, true),
        (
            "<86>Nov 22 12:00:00 web2 sshd-session[1]: x",
            "192.0.2.1",
            true,
            false,
        ),
        (
            "<38>Nov 22 12:00:00 web2 sshd-keygen[1]: x",
            "192.0.2.1",
            false,
            false,
        ),
        ("<14>Nov 22 12:00:00 web2 sshd[1]: x", "198.51.100.9", false, true),
        ("<38>sshd[1]: x", "198.51.100.9", true, true),
    ] {
        let message = super::Message::read(message.as_bytes());
        assert_eq!(sshd.wants(&message, sender), of_sshd, "{message:?}");
        assert_eq!(web.wants(&message, sender), of_web, "{message:?}");
    }
    assert!(selector(&[("facility", "sshd")]).is_err());
    assert!(selector(&[("program", "sshd")]).is_err());
}

#[test]
fn datagrams_are_lines_for_those_who_want_them() {
    let mut trial = Trial::new("udp:127.0.0.1:0");
    trial
        .syslog
        .set_reader(SSHD, selector(&[("tag", "sshd")]).unwrap());
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for message in [
        "<38>sshd[1]: a\n",
        "<38>1 2026-11-22T12:00:00Z web1 sshd 1 - - b\nc",
        "<38>sudo: d",
    ] {
        sender.send_to(message.as_bytes(), trial.address()).unwrap();
    }
    trial.until("three lines", |trial| trial.lines.len() == 3);
    assert_eq!(
        trial.texts(),
        [
            "Nov 22 12:00:00 127.0.0.1 sshd[1]: a",
            "2026-11-22T12:00:00Z web1 sshd[1]: b#012c",
            "Nov 22 12:00:00 127.0.0.1 sudo: d"
        ]
    );
    let readers: Vec<Vec<u32>> = trial.lines.iter().map(|(readers, _)| readers.clone()).collect();
    assert_eq!(readers, [vec![1, 2], vec![1, 2], vec![1]]);
    trial.syslog.set_idle(ALL, true);
    sender.send_to(b"<38>sudo: e", trial.address()).unwrap();
    sender.send_to(b"<38>sshd: f", trial.address()).unwrap();
    trial.until("a line", |trial| trial.lines.len() == 4);
    assert_eq!(trial.lines[3].0, [2]);
}

#[test]
fn only_whom_the_administrator_names_is_listened_to() {
    for place in ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"] {
        let mut trial = Trial::new(place);
        trial.syslog.set_allowed("198.51.100.0/24").unwrap();
        let say = |address: SocketAddr| {
            if place.starts_with("udp") {
                UdpSocket::bind("127.0.0.1:0")
                    .unwrap()
                    .send_to(b"<38>a: b\n", address)
                    .unwrap();
            } else {
                drop(TcpStream::connect(address).unwrap().write_all(b"<38>a: b\n"));
            }
        };
        say(trial.address());
        say(trial.address());
        trial.until("a complaint", |trial| {
            !trial.told.is_empty() && trial.syslog.statuses(NOW)[0].counts.dropped == 2
        });
        assert!(
            trial.told[0].contains("the last one from 127.0.0.1"),
            "{:?}",
            trial.told
        );
        assert_eq!(trial.told.len(), 1, "once a minute");
        assert_eq!(trial.lines, []);
        trial.syslog.set_allowed("none").unwrap();
        say(trial.address());
        trial.until("a line", |trial| trial.lines.len() == 1);
    }
}

#[test]
fn connections_are_cut_into_messages_and_have_their_number() {
    let mut trial = Trial::new("tcp:127.0.0.1:0");
    let mut first = TcpStream::connect(trial.address()).unwrap();
    first
        .write_all(b"<38>a: 1\n10 <38>a: 2\nx<38>a: 3\n<38>a")
        .unwrap();
    trial.until("three lines", |trial| trial.lines.len() == 3);
    first.write_all(b": 4").unwrap();
    drop(first);
    trial.until("the last one", |trial| trial.lines.len() == 4);
    let texts: Vec<&str> = trial.texts().iter().map(|text| text.get(26..).unwrap()).collect();
    assert_eq!(texts, ["a: 1", "a: 2#012x", "a: 3", "a: 4"]);

    let mut others: Vec<TcpStream> = Vec::new();
    for number in 0..=CONNECTIONS_EACH {
        let mut stream = TcpStream::connect(trial.address()).unwrap();
        stream.write_all(format!("<38>b: {number}\n").as_bytes()).unwrap();
        others.push(stream);
        trial.until("a line", |trial| trial.lines.len() == 5 + number);
    }
    assert_eq!(
        trial.syslog.connections.len(),
        CONNECTIONS_EACH,
        "the first one had to go"
    );
    others[CONNECTIONS_EACH].write_all(b"<38>b: last\n").unwrap();
    trial.until("a line", |trial| {
        trial.texts().last().is_some_and(|text| text.ends_with("b: last"))
    });
    trial.syslog.set_places("none").unwrap();
    assert!(trial.syslog.connections.is_empty(), "they go with the listener");
}

#[test]
fn programs_of_this_machine_write_to_a_socket_with_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let place = format!("unix:{}[mode=0666]", path.display());
    let mut trial = Trial::new(&place);
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"<38>Nov 22 12:00:00 sshd[1]: a", &path).unwrap();
    trial.until("a line", |trial| {
        trial.texts() == ["Nov 22 12:00:00 here sshd[1]: a"]
    });
    assert_eq!(trial.syslog.places(), place);
    // What stays is not touched.
    trial
        .syslog
        .set_places(&format!("udp:127.0.0.1:0 {place}"))
        .unwrap();
    sender.send_to(b"<38>Nov 22 12:00:00 sshd[1]: b", &path).unwrap();
    trial.until("a line", |trial| trial.lines.len() == 2);
    assert!(
        trial
            .syslog
            .set_places(&format!("{place} tcp:203.0.113.1:1"))
            .is_err(),
        "not an address of ours"
    );
    assert!(Path::new(&path).exists());
    trial.syslog.set_places("").unwrap();
    assert!(!path.exists());
}

#[test]
fn an_address_that_hides_in_another_family_is_known() {
    let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
    assert!(super::is_allowed(&super::loopback(), mapped.to_canonical()));
    assert!(super::is_allowed(&super::loopback(), "::1".parse().unwrap()));
    assert!(!super::is_allowed(
        &super::loopback(),
        "192.0.2.1".parse().unwrap()
    ));
}

fn framed(pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
    let (mut framer, mut messages) = (Framer::default(), Vec::new());
    for piece in pieces {
        framer.take(piece, &mut |bytes, is_cut| {
            messages.push((bytes.to_vec(), is_cut))
        });
        assert!(framer.rest.len() < MESSAGE_LIMIT + 10);
    }
    framer.end(&mut |bytes, is_cut| messages.push((bytes.to_vec(), is_cut)));
    messages
}

#[test]
fn a_message_without_end_takes_no_more_than_its_limit() {
    let long = vec![b'x'; 3 * MESSAGE_LIMIT];
    let by_line = [&long[..], b"\nnext\n"].concat();
    let by_length = [format!("{} ", long.len()).as_bytes(), &long, b"4 next"].concat();
    for (name, bytes) in [("line", by_line), ("length", by_length)] {
        let messages = framed(&bytes.chunks(1000).collect::<Vec<_>>());
        assert_eq!(messages.len(), 2, "{name}");
        assert_eq!(
            (messages[0].0.len(), messages[0].1),
            (MESSAGE_LIMIT, true),
            "{name}"
        );
        assert_eq!(messages[1], (b"next".to_vec(), false), "{name}");
    }
}

proptest! {
    #[test]
    fn messages_are_the_same_however_the_network_cuts_them(
        texts in prop::collection::vec("<[0-9]{1,3}>[a-z ]{0,20}", 0..8),
        counted in any::<bool>(),
        size in 1_usize..20,
    ) {
        let mut bytes = Vec::new();
        for text in &texts {
            if counted {
                bytes.extend_from_slice(format!("{} {text}", text.len()).as_bytes());
            } else {
                bytes.extend_from_slice(format!("{text}\n").as_bytes());
            }
        }
        let messages: Vec<Vec<u8>> = framed(&bytes.chunks(size).collect::<Vec<_>>()).into_iter().map(|(text, _)| text).collect();
        let expected: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
        prop_assert_eq!(messages, expected);
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1_usize..50) {
        framed(&bytes.chunks(size).collect::<Vec<_>>());
    }
}
