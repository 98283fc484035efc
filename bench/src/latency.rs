//! What a ban takes, from the `write()` of the line that decides it to the element in the kernel's set: alone, beside
//! the reference, among many others, in a burst, and while very many bans end; and how often a daemon that has nothing
//! to do wakes up.
//!
//! In: the daemon built beside this program, and the reference in `target/reference` where it is there. Everything
//! happens in networks of their own. Out: a line for each figure. The end is found by asking the kernel for the
//! address over and over, so each figure is a question too long at most.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use stockade_sys::nftables::{Nftables, Set};

use crate::daemon::{self, Daemon, PATIENCE};
use crate::{Trouble, network};

/// Bans that are measured one by one, of ours and of the reference's.
const BANS: (u32, u32) = (200, 20);
/// How many are decided by lines written at once.
const BURSTS: [u32; 2] = [10_000, 100_000];
/// How many bans end together, and how long they last.
const MANY: u32 = 100_000;
const SHORT: Duration = Duration::from_secs(20);
/// How long the idle daemon is watched.
const IDLE: Duration = Duration::from_secs(60);
/// What the attackers' addresses begin with: they are those of a network for measurements.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// Measures, in a network of its own.
pub(crate) fn run() -> Result<(), Trouble> {
    if !network::is_own() {
        return network::enter(&["latency"]);
    }
    let ours = {
        // Not below /tmp: whoever works there would wake a daemon that watches for the names of its log.
        let place = tempfile::tempdir_in("/var/tmp")?;
        let (daemon, mut log, mut nftables) = begin(place.path(), "1h")?;
        let alone = one_by_one("a ban", &mut log, &mut nftables, 0)?;
        // What the bans have left to do is done first.
        thread::sleep(Duration::from_secs(15));
        let before = daemon.wakeups()?;
        thread::sleep(IDLE);
        let wakeups = daemon.wakeups()?.saturating_sub(before);
        network::print(&format!("idle for {IDLE:?}: {wakeups} wake-ups of all threads"));
        alone
    };
    network::forget()?;
    for count in BURSTS {
        let place = tempfile::tempdir_in("/var/tmp")?;
        let (_daemon, mut log, mut nftables) = begin(place.path(), "1h")?;
        let took = burst(&mut log, &mut nftables, count)?;
        let held = nftables.list_elements(&daemon::SET)?.len();
        if held != usize::try_from(count)? {
            return Err(format!("{held} of {count} addresses are held").into());
        }
        network::print(&format!("{count} bans by lines written at once: {took:?}"));
        if count == MANY {
            let among = one_by_one("a ban with these", &mut log, &mut nftables, count)?;
            let ratio = among.as_secs_f64() / ours.as_secs_f64();
            network::print(&format!("  that is {ratio:.2} times as long as with none"));
        }
        network::forget()?;
    }
    while_many_end()?;
    network::forget()?;
    let place = tempfile::tempdir_in("/var/tmp")?;
    let jail = JAIL.replace("BANTIME", "1h") + "[DEFAULT]\nbanaction = nftables[type=multiport]\n";
    if let Err(trouble) = daemon::configure_reference(place.path(), &jail) {
        network::print(&format!("the reference is not measured: {trouble}"));
        return Ok(());
    }
    let theirs = reference(place.path())?;
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    network::print(&format!("  that is {ratio:.0} times as long"));
    Ok(())
}

const JAIL: &str = "[DEFAULT]\nmaxretry = 1\nbantime = BANTIME\n[sshd]\nenabled = true\nbackend = auto\n\
    logpath = PLACE/auth.log\n";

/// A daemon of ours at work, its log, and the kernel.
fn begin(place: &Path, bantime: &str) -> Result<(Daemon, File, Nftables), Trouble> {
    daemon::configure(place, &JAIL.replace("BANTIME", bantime))?;
    let daemon = Daemon::start(place)?;
    // The first look at the log is not what is measured.
    thread::sleep(Duration::from_millis(500));
    let log = OpenOptions::new().append(true).open(place.join("auth.log"))?;
    Ok((daemon, log, Nftables::open()?))
}

fn attacker(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + number)
}

/// Bans one after the other, the first one that of the address with this number; the median.
fn one_by_one(title: &str, log: &mut File, nftables: &mut Nftables, first: u32) -> Result<Duration, Trouble> {
    let mut took = Vec::new();
    for number in first..first + BANS.0 {
        took.push(ban(log, nftables, attacker(number))?);
        thread::sleep(Duration::from_millis(20 + u64::from(number % 7) * 5));
    }
    tell(title, &mut took)
}

/// Prints how long something took; the median.
pub(crate) fn tell(title: &str, took: &mut [Duration]) -> Result<Duration, Trouble> {
    took.sort_unstable();
    let at = |percent: usize| {
        let place = took.len() * percent / 100;
        took.get(place).or(took.last()).copied().unwrap_or_default()
    };
    network::print(&format!(
        "{title}, {} times: median {:?}, 90 % {:?}, 99 % {:?}, longest {:?}",
        took.len(),
        at(50),
        at(90),
        at(99),
        at(100)
    ));
    Ok(at(50))
}

/// How long it is from the `write()` of so many lines to the last address in the kernel.
fn burst(log: &mut File, nftables: &mut Nftables, count: u32) -> Result<Duration, Trouble> {
    let now = seconds()?;
    let mut lines = String::new();
    for number in 0..count {
        let attacker = attacker(number);
        writeln!(
            lines,
            "{now} host sshd[7]: Failed password for root from {attacker} port 50022 ssh2"
        )?;
    }
    let last = IpAddr::V4(attacker(count - 1));
    let begun = Instant::now();
    log.write_all(lines.as_bytes())?;
    while !nftables.has_element(&daemon::SET, last)? {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{last} was not banned within {PATIENCE:?}").into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(begun.elapsed())
}

/// New bans, before and while very many of the same age end.
fn while_many_end() -> Result<(), Trouble> {
    let place = tempfile::tempdir_in("/var/tmp")?;
    let (_daemon, mut log, mut nftables) = begin(place.path(), &format!("{}s", SHORT.as_secs()))?;
    let begun = Instant::now();
    burst(&mut log, &mut nftables, MANY)?;
    let (mut before, mut during) = (Vec::new(), Vec::new());
    let mut number = MANY;
    while begun.elapsed() < SHORT + Duration::from_secs(5) {
        let is_before = begun.elapsed() < SHORT - Duration::from_secs(1);
        let took = ban(&mut log, &mut nftables, attacker(number))?;
        if is_before { &mut before } else { &mut during }.push(took);
        number += 1;
        thread::sleep(Duration::from_millis(10));
    }
    tell(&format!("a ban before {MANY} end"), &mut before)?;
    tell("  while they end", &mut during)?;
    let log = fs::read_to_string(place.path().join("log"))?;
    let ended = log.lines().filter(|line| line.contains("] Unban ")).count();
    network::print(&format!("  {ended} had ended then"));
    Ok(())
}

/// The same of the reference; the median.
fn reference(place: &Path) -> Result<Duration, Trouble> {
    let _daemon = Daemon::spawn_reference(place)?;
    let begun = Instant::now();
    let is_ready =
        || fs::read_to_string(place.join("log")).is_ok_and(|log| log.contains("Jail 'sshd' started"));
    while !is_ready() && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_secs(2));
    let mut log = OpenOptions::new().append(true).open(place.join("auth.log"))?;
    let mut nftables = Nftables::open()?;
    let set = Set {
        interval: true,
        ..daemon::SET
    };
    let mut took = Vec::new();
    for number in 0..BANS.1 {
        let wanted = IpAddr::V4(attacker(number));
        let begun = fail(&mut log, attacker(number))?;
        while !nftables
            .list_elements(&set)?
            .iter()
            .any(|held| held.element.first == wanted)
        {
            if begun.elapsed() > PATIENCE {
                return Err(format!("the reference did not ban {wanted} within {PATIENCE:?}").into());
            }
        }
        took.push(begun.elapsed());
        thread::sleep(Duration::from_millis(50 + u64::from(number % 7) * 30));
    }
    tell("a ban by the reference", &mut took)
}

pub(crate) fn seconds() -> Result<u64, Trouble> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// Has `attacker` fail; when that was.
fn fail(log: &mut File, attacker: Ipv4Addr) -> Result<Instant, Trouble> {
    let now = seconds()?;
    let line = format!("{now} host sshd[7]: Failed password for root from {attacker} port 50022 ssh2\n");
    let begun = Instant::now();
    log.write_all(line.as_bytes())?;
    Ok(begun)
}

/// Has `attacker` fail, and waits until the kernel refuses it.
pub(crate) fn ban(log: &mut File, nftables: &mut Nftables, attacker: Ipv4Addr) -> Result<Duration, Trouble> {
    let begun = fail(log, attacker)?;
    while begun.elapsed() < PATIENCE {
        if nftables.has_element(&daemon::SET, attacker.into())? {
            return Ok(begun.elapsed());
        }
        // Where the daemon is to run here, it must not wait for the end of a slice of time.
        thread::yield_now();
    }
    Err(format!("{attacker} was not banned within {PATIENCE:?}").into())
}
