//! What a ban costs in the firewall: one alone, and ten or a hundred thousand at once; by nftables, ipset and iptables.
//!
//! In: nothing; the firewall is that of a network of its own (`unshare -rn`), so nothing of the machine changes.
//! Out: a line for each figure, with the `nft` command beside it where that ends in reasonable time.

use std::fmt::Write as _;
use std::io;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stockade_action::native::{Jump, Kind};
use stockade_action::plan::{Ban, Definition, NativeFirewall};
use stockade_action::services::Services;
use stockade_action::tags::Properties;
use stockade_daemon::firewall::Firewall;
use stockade_jail::{Address, Timestamp};

use crate::{Trouble, network};

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// Measures, in a network of its own.
pub(crate) fn run() -> Result<(), Trouble> {
    if !network::is_own() {
        return network::enter(&["firewall"]);
    }
    let mut firewall = Firewall::open()?;
    one_at_a_time(&mut firewall, 0)?;
    one_at_a_time(&mut firewall, 10_000)?;
    for count in [10_000, 100_000] {
        at_once(&mut firewall, count)?;
    }
    for (name, kind) in [
        ("ipset", Kind::Ipset(Jump::Multiport)),
        ("iptables", Kind::Iptables(Jump::Multiport)),
    ] {
        like_commands(&mut firewall, name, kind)?;
    }
    Ok(())
}

/// The actions of iptables and ipset: ten thousand bans at once, and single ones beside those.
fn like_commands(firewall: &mut Firewall, name: &str, kind: Kind) -> Result<(), Trouble> {
    const BANS: u32 = 10_000;
    firewall.can_serve_iptables()?;
    let mut times: [Vec<Duration>; 6] = Default::default();
    let [banned, adopted, added, removed, unbanned, stopped] = &mut times;
    for _ in 0..5 {
        let mut native = native_of(kind)?;
        let bans = bans(BANS);
        timed(banned, || Ok(firewall.apply(&native.ban(NOW, &bans))?))?;
        timed(adopted, || {
            let observed = firewall.observe(native.definition())?;
            Ok(firewall.apply(&native.adopt(NOW, &observed, &bans))?)
        })?;
        for number in BANS..BANS + 20 {
            timed(added, || Ok(firewall.apply(&native.ban(NOW, &[ban(number)]))?))?;
        }
        for number in BANS..BANS + 20 {
            let address = ban(number).address;
            timed(removed, || Ok(firewall.apply(&native.unban(NOW, &[address]))?))?;
        }
        let addresses: Vec<_> = bans.iter().map(|ban| ban.address).collect();
        timed(unbanned, || Ok(firewall.apply(&native.unban(NOW, &addresses))?))?;
        firewall.apply(&native.ban(NOW, &bans))?;
        timed(stopped, || Ok(firewall.apply(&native.stop())?))?;
    }
    say(&format!("{BANS} bans, {name}"), &quantiles(banned))?;
    say("  taken over", &quantiles(adopted))?;
    say("  one more", &quantiles(added))?;
    say("  one less", &quantiles(removed))?;
    say("  unbanned", &quantiles(unbanned))?;
    say("  stopped", &quantiles(stopped))
}

fn timed(times: &mut Vec<Duration>, act: impl FnOnce() -> Result<(), Trouble>) -> Result<(), Trouble> {
    let begin = Instant::now();
    act()?;
    times.push(begin.elapsed());
    Ok(())
}

/// Single bans, each on its own, in a set that holds `before` addresses already.
fn one_at_a_time(firewall: &mut Firewall, before: u32) -> Result<(), Trouble> {
    const BANS: u32 = 2000;
    let mut native = native()?;
    firewall.apply(&native.ban(NOW, &[ban(u32::MAX >> 16)]))?;
    firewall.apply(&native.ban(NOW, &bans(before)))?;
    let mut times = Vec::new();
    for number in before..before + BANS {
        let begin = Instant::now();
        firewall.apply(&native.ban(NOW, &[ban(number)]))?;
        times.push(begin.elapsed());
    }
    let title = format!("one ban, {before} held");
    say(&title, &quantiles(&mut times))?;
    let mut times = Vec::new();
    for number in before..before + BANS {
        let begin = Instant::now();
        firewall.apply(&native.unban(NOW, &[ban(number).address]))?;
        times.push(begin.elapsed());
    }
    say("one unban", &quantiles(&mut times))?;
    let mut times = Vec::new();
    for number in before..before + 20 {
        let begin = Instant::now();
        let element = format!("{{ {} }}", ip(number));
        let arguments = ["add", "element", "inet", "f2b-table", "addr-set-bench", &element];
        if !Command::new("nft").args(arguments).status()?.success() {
            return Err("nft add element failed".into());
        }
        times.push(begin.elapsed());
    }
    say("  by the nft command", &quantiles(&mut times))?;
    firewall.apply(&native.stop())?;
    Ok(())
}

/// `count` bans in one batch.
fn at_once(firewall: &mut Firewall, count: u32) -> Result<(), Trouble> {
    let mut times: [Vec<Duration>; 4] = Default::default();
    let [banned, adopted, unbanned, stopped] = &mut times;
    for _ in 0..5 {
        let mut native = native()?;
        let bans = bans(count);
        let begin = Instant::now();
        firewall.apply(&native.ban(NOW, &bans))?;
        banned.push(begin.elapsed());
        let begin = Instant::now();
        let observed = firewall.observe(native.definition())?;
        firewall.apply(&native.adopt(NOW, &observed, &bans))?;
        adopted.push(begin.elapsed());
        let addresses: Vec<_> = bans.iter().map(|ban| ban.address).collect();
        let begin = Instant::now();
        firewall.apply(&native.unban(NOW, &addresses))?;
        unbanned.push(begin.elapsed());
        firewall.apply(&native.ban(NOW, &bans))?;
        let begin = Instant::now();
        firewall.apply(&native.stop())?;
        stopped.push(begin.elapsed());
    }
    let [banned, adopted, unbanned, stopped] = &mut times;
    say(&format!("{count} bans"), &quantiles(banned))?;
    say("  taken over", &quantiles(adopted))?;
    say("  unbanned", &quantiles(unbanned))?;
    say("  stopped", &quantiles(stopped))?;

    let mut native = native()?;
    firewall.apply(&native.ban(NOW, &[ban(u32::MAX >> 16)]))?;
    let mut script = String::from("add element inet f2b-table addr-set-bench {");
    for number in 0..count {
        write!(script, " {},", ip(number))?;
    }
    script.push_str(" }\n");
    let begin = Instant::now();
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(input) = &mut child.stdin {
        io::Write::write_all(input, script.as_bytes())?;
    }
    drop(child.stdin.take());
    if !child.wait()?.success() {
        return Err("nft -f failed".into());
    }
    say("  by one nft -f", &quantiles(&mut [begin.elapsed()]))?;
    firewall.apply(&native.stop())?;
    Ok(())
}

fn native() -> Result<NativeFirewall, Trouble> {
    native_of(Kind::Multiport)
}

fn native_of(kind: Kind) -> Result<NativeFirewall, Trouble> {
    let mut properties = Properties::default();
    for (name, value) in [
        ("name", "bench"),
        ("table", "f2b-table"),
        ("table_family", "inet"),
        ("chain", "f2b-chain"),
        ("chain_type", "filter"),
        ("chain_hook", "input"),
        ("chain_priority", "-1"),
        ("addr_type", "ipv4_addr"),
        ("addr_type?family=inet6", "ipv6_addr"),
        ("addr_set", "addr-set-<name>"),
        ("addr_set?family=inet6", "addr6-set-<name>"),
        ("addr_family", "ip"),
        ("addr_family?family=inet6", "ip6"),
        ("port", "ssh"),
        ("protocol", "tcp"),
        ("blocktype", "reject"),
        ("nftables", "nft"),
    ] {
        properties.set(name, value.to_owned());
    }
    if matches!(kind, Kind::Iptables(_) | Kind::Ipset(_)) {
        for (name, value) in [
            ("chain", "INPUT"),
            ("returntype", "RETURN"),
            ("iptables", "iptables -w"),
            ("iptables?family=inet6", "ip6tables -w"),
            ("blocktype", "REJECT"),
            ("ipmset", "f2b-<name>"),
            ("ipmset?family=inet6", "f2b-<name>6"),
            ("familyopt?family=inet6", "family inet6"),
            ("maxelem", "65536"),
            ("default-ipsettime", "0"),
            ("ipsettime", "0"),
        ] {
            properties.set(name, value.to_owned());
        }
    }
    let definition = Definition::new(kind, &properties, &Services::default())?;
    Ok(NativeFirewall::new(definition))
}

fn bans(count: u32) -> Vec<Ban> {
    (0..count).map(ban).collect()
}

fn ban(number: u32) -> Ban {
    Ban {
        address: Address::single(ip(number).into()),
        end: NOW.plus_seconds(600),
    }
}

/// Addresses of the network that is kept for measurements, 198.18.0.0/15.
fn ip(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + number % (1 << 17))
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |part: usize| {
        times
            .get((times.len() - 1) * part / 100)
            .copied()
            .unwrap_or_default()
    };
    format!(
        "median {:?}, shortest {:?}, 99 % {:?}, longest {:?}",
        at(50),
        at(0),
        at(99),
        at(100)
    )
}

fn say(what: &str, figure: &str) -> Result<(), Trouble> {
    io::Write::write_fmt(&mut io::stdout(), format_args!("{what:24} {figure}\n"))?;
    Ok(())
}
