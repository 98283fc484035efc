//! Real packets to a service that is not on the machine itself: behind a bridge, as a container is, with its own address
//! or with a port of the machine that leads there, as Docker makes one.
//!
//! A machine forwards between an attacker's network and that of a container. Both ends are networks of their own inside
//! it; what they say is TCP and UDP, by IPv4 and IPv6.

use std::fs;

use stockade_conformance::{Machine, Subject, can_make_machines, has_reference, spawn, until};

use crate::stage::{PATIENCE, Stage};
use crate::stock_actions::{DEFAULTS, FILTER};

/// Makes the networks, a service in the container that answers on port 7000, and ports of the machine that lead there.
const NETWORKS: &str = "
set -e
mkdir -p /run/netns
for name in outside inside; do ip netns add $name; done
ip link add out0 type veth peer name eth0 netns outside
ip link add in0 type veth peer name eth0 netns inside
ip link add br0 type bridge
ip link set in0 master br0
for device in out0 in0 br0; do ip link set $device up; done
ip address add 192.0.2.1/24 dev out0; ip address add 2001:db8:1::1/64 dev out0 nodad
ip address add 198.51.100.1/24 dev br0; ip address add 2001:db8:2::1/64 dev br0 nodad
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
outside() { nsenter --net=/run/netns/outside \"$@\"; }
inside() { nsenter --net=/run/netns/inside \"$@\"; }
outside ip link set eth0 up; outside ip link set lo up
for host in 66 67; do outside ip address add 192.0.2.$host/24 dev eth0; outside ip address add 2001:db8:1::$host/64 dev eth0 nodad; done
outside ip route add default via 192.0.2.1; outside ip -6 route add default via 2001:db8:1::1
inside ip link set eth0 up; inside ip link set lo up
inside ip address add 198.51.100.2/24 dev eth0; inside ip address add 2001:db8:2::2/64 dev eth0 nodad
inside ip route add default via 198.51.100.1; inside ip -6 route add default via 2001:db8:2::1
nft -f - <<'RULES'
table ip docker { chain to_container {
type nat hook prerouting priority dstnat
meta l4proto { tcp, udp } ip daddr 192.0.2.1 th dport 8000 dnat to 198.51.100.2:7000
}
}
table ip6 docker { chain to_container {
type nat hook prerouting priority dstnat
meta l4proto { tcp, udp } ip6 daddr 2001:db8:1::1 th dport 8000 dnat to [2001:db8:2::2]:7000
}
}
RULES
for iptables in iptables ip6tables; do $iptables -N DOCKER-USER; $iptables -A DOCKER-USER -j RETURN; $iptables -I FORWARD -j DOCKER-USER; done
";

/// Answers everybody who asks, by TCP and by UDP.
const SERVICE: &str = "\
import socket, threading
def listen(kind):
    s = socket.socket(socket.AF_INET6, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(('::', 7000))
    return s
tcp, udp = listen(socket.SOCK_STREAM), listen(socket.SOCK_DGRAM)
tcp.listen()
def answer():
    while True:
        data, who = udp.recvfrom(99)
        udp.sendto(data, who)
threading.Thread(target=answer, daemon=True).start()
open('DIR/serves', 'w').close()
while True:
    s, _ = tcp.accept()
    s.sendall(b'x')
    s.close()
";

/// Asks from an address of either family, each in each way, and says which ways had an answer.
const CLIENT: &str = "\
import socket, sys
host = sys.argv[1]
for name, family, source, ways in [
    ('IPv4', socket.AF_INET, '192.0.2.' + host, [('198.51.100.2', 7000), ('192.0.2.1', 8000)]),
    ('IPv6', socket.AF_INET6, '2001:db8:1::' + host, [('2001:db8:2::2', 7000), ('2001:db8:1::1', 8000)]),
]:
    for way, target in zip(['bridge', 'port'], ways):
        for kind, number in [('TCP', socket.SOCK_STREAM), ('UDP', socket.SOCK_DGRAM)]:
            s = socket.socket(family, number)
            s.bind((source, 0))
            s.settimeout(float(sys.argv[2]))
            try:
                s.connect(target)
                s.send(b'x')
                if s.recv(9) == b'x':
                    print(name, way, kind)
            except OSError:
                pass
            s.close()
";

/// All ways.
const EVERY: &str = "IPv4 bridge TCP\nIPv4 bridge UDP\nIPv4 port TCP\nIPv4 port UDP\n\
    IPv6 bridge TCP\nIPv6 bridge UDP\nIPv6 port TCP\nIPv6 port UDP\n";

/// Actions that should refuse all of them.
const ACTIONS: [&str; 6] = [
    "nftables-multiport[port=7000, protocol=\"tcp,udp\", chain_hook=forward, blocktype=drop]",
    "nftables-allports[protocol=all, chain_hook=forward]",
    "nftables-allports[protocol=all, chain_hook=prerouting, chain_priority=-150, blocktype=drop]",
    "iptables-multiport[port=7000, protocol=\"tcp,udp\", chain=FORWARD]",
    "iptables-allports[protocol=all, chain=DOCKER-USER, blocktype=DROP]",
    "iptables-ipset-proto6[port=7000, protocol=\"tcp,udp\", chain=DOCKER-USER]",
];

#[test]
fn a_service_behind_the_machine_is_guarded() {
    if !has_reference() || !can_make_machines(&["nft", "iptables", "ip6tables", "ipset", "ip"]) {
        return;
    }
    let machine = Machine::start("host.example");
    let stage = Stage::new(&[
        ("jail.conf", DEFAULTS),
        ("filter.d/simple.conf", FILTER),
        ("watched.log", ""),
        ("service.py", SERVICE),
        ("client.py", CLIENT),
    ]);
    let package = Subject::package_configuration().join("action.d");
    for entry in fs::read_dir(package).expect("the reference has actions") {
        let path = entry.expect("a directory").path();
        let name = path.file_name().expect("a file").to_owned();
        fs::copy(&path, stage.path().join("action.d").join(name)).expect("a copy");
    }
    let _said = machine.sh(NETWORKS).expect("networks");
    let service = stage.here("nsenter --net=/run/netns/inside /usr/bin/python3 DIR/service.py");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &service]);
    let _serving = spawn(&mut machine.inside(&command), &stage.path().join("service"));
    until(
        "the service",
        PATIENCE,
        || stage.read("service"),
        || stage.path().join("serves").exists().then_some(()),
    );
    let mut running = spawn(
        &mut machine.inside(&Subject::Ours.server(Some(stage.path()))),
        &stage.path().join("said"),
    );
    until(
        "the server",
        PATIENCE,
        || stage.state(),
        || stage.say(Subject::Ours, &["ping"]).succeeded().then_some(()),
    );
    let reached = |host: &str, seconds: &str| {
        let line =
            format!("nsenter --net=/run/netns/outside /usr/bin/python3 DIR/client.py {host} {seconds}");
        machine.sh(&stage.here(&line)).expect("a client")
    };
    assert_eq!(reached("66", "5"), EVERY, "before anybody is banned");
    let say = |words: &[&str]| {
        let said = stage.say(Subject::Ours, words);
        assert!(said.succeeded(), "{words:?}: {said:?}\n{}", stage.state());
    };
    for action in ACTIONS {
        stage.write(
            "jail.local",
            &format!("[door]\nenabled = true\naction = {action}\n"),
        );
        say(&["reload"]);
        say(&["set", "door", "banip", "192.0.2.66", "2001:db8:1::66"]);
        assert_eq!(reached("66", "0.2"), "", "{action}\n{}", stage.state());
        assert_eq!(reached("67", "5"), EVERY, "{action}: another");
        say(&["set", "door", "unbanip", "192.0.2.66", "2001:db8:1::66"]);
        assert_eq!(reached("66", "5"), EVERY, "{action}: after the ban");
        say(&["stop", "door"]);
    }
    assert!(
        !stage.read("log").contains("is run as commands"),
        "{}",
        stage.state()
    );
    say(&["stop"]);
    assert_eq!(running.wait(PATIENCE), Some(0), "{}", stage.state());
}
