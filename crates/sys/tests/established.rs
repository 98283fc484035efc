//! Connections that are there already, in a network of the test's own.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

mod own_network;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use stockade_sys::Established;

fn in_own_network(name: &str, body: impl FnOnce()) {
    own_network::enter(name, "nft", "nft list ruleset", body);
}

fn run(program: &str, arguments: &str) {
    let status = Command::new(program).args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "{program} {arguments}");
}

/// Gives this network its addresses.
fn give_addresses() {
    run("ip", "link set lo up");
    for address in [
        "192.0.2.1/32",
        "192.0.2.7/32",
        "192.0.2.8/32",
        "2001:db8::1/128",
        "2001:db8::7/128",
    ] {
        run("ip", &format!("addr add {address} dev lo"));
    }
}

/// Does what can be done with an address a moment after it was given.
fn soon<T>(mut act: impl FnMut() -> io::Result<T>) -> T {
    let mut outcome = act();
    for _ in 0..100 {
        if outcome.is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        outcome = act();
    }
    outcome.unwrap()
}

/// A connection to `server` from `client`, both ends.
fn connected(server: IpAddr, client: IpAddr) -> (TcpStream, TcpStream) {
    let listener = soon(|| TcpListener::bind((server, 0)));
    let family = if server.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let to = listener.local_addr().unwrap();
    let fd = soon(|| {
        let fd = socket(family, SocketType::STREAM, None)?;
        bind(&fd, &SocketAddr::new(client, 0)).and_then(|()| connect(&fd, &to))?;
        Ok(fd)
    });
    let (accepted, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), client);
    let limit = Some(Duration::from_secs(10));
    accepted.set_read_timeout(limit).unwrap();
    (accepted, TcpStream::from(fd))
}

#[test]
fn connections_of_some_addresses_are_ended_and_those_of_others_stay() {
    in_own_network(
        "connections_of_some_addresses_are_ended_and_those_of_others_stay",
        || {
            give_addresses();
            let address = |text: &str| text.parse::<IpAddr>().unwrap();
            let (mut four, _end4) = connected(address("192.0.2.1"), address("192.0.2.7"));
            let (mut six, _end6) = connected(address("2001:db8::1"), address("2001:db8::7"));
            let (mut other, mut other_end) = connected(address("192.0.2.1"), address("192.0.2.8"));
            let banned = [address("192.0.2.7"), address("2001:db8::7")];
            let mut established = Established::open().unwrap();
            // Those of the servers, whose other ends are banned; the clients' own have the servers at theirs.
            assert_eq!(
                established
                    .end_sockets(|address| banned.contains(&address))
                    .unwrap(),
                2
            );
            for stream in [&mut four, &mut six] {
                let error = stream.read(&mut [0; 1]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
            }
            other_end.write_all(b"x").unwrap();
            assert_eq!(other.read(&mut [0; 1]).unwrap(), 1, "it goes on");
            assert_eq!(
                established
                    .end_sockets(|address| banned.contains(&address))
                    .unwrap(),
                0
            );
        },
    );
}

#[test]
fn flows_of_one_source_are_forgotten() {
    in_own_network("flows_of_one_source_are_forgotten", || {
        give_addresses();
        run("nft", "add table inet t");
        run(
            "nft",
            "add chain inet t c { type filter hook input priority 0 ; }",
        );
        run("nft", "add rule inet t c ct state established accept");
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let _connections = [
            connected(address("192.0.2.1"), address("192.0.2.7")),
            connected(address("192.0.2.1"), address("192.0.2.8")),
            connected(address("2001:db8::1"), address("2001:db8::7")),
        ];
        let count = || std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").unwrap();
        assert_eq!(count().trim(), "3");
        let mut established = Established::open().unwrap();
        for (source, forgotten, left) in [
            ("203.0.113.1", 0, "3"),
            ("192.0.2.7", 1, "2"),
            ("2001:db8::7", 1, "1"),
            ("2001:db8::7", 0, "1"),
        ] {
            let is_meant = |from: IpAddr| from == address(source);
            assert_eq!(established.forget_flows(is_meant).unwrap(), forgotten, "{source}");
            assert_eq!(count().trim(), left, "{source}");
        }
    });
}
