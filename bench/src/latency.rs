//! What a ban takes, from the `write()` of the line that decides it to the element in the kernel's set; and how
//! often a daemon that has nothing to do wakes up.
//!
//! In: the daemon built beside this program. Everything happens in a network of its own. Out: a line for each
//! figure. The end is found by listing the set over and over, so each figure is a listing too long at most.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use stockade_sys::nftables::Nftables;

use crate::daemon::{self, Daemon, PATIENCE};
use crate::{Trouble, network};

/// Bans that are measured.
const BANS: u32 = 200;
/// How long the idle daemon is watched.
const IDLE: Duration = Duration::from_secs(60);

/// Measures, in a network of its own.
pub(crate) fn run() -> Result<(), Trouble> {
    if !network::is_own() {
        return network::enter("latency");
    }
    // Not below /tmp: whoever works there would wake a daemon that watches for the names of its log.
    let place = tempfile::tempdir_in("/var/tmp")?;
    daemon::configure(
        place.path(),
        "[DEFAULT]\nmaxretry = 1\nbantime = 1h\n[sshd]\nbackend = auto\nlogpath = PLACE/auth.log\n",
    )?;
    let daemon = Daemon::start(place.path())?;
    // The first look at the log is not what is measured.
    thread::sleep(Duration::from_millis(500));
    let mut log = OpenOptions::new()
        .append(true)
        .open(place.path().join("auth.log"))?;
    let mut nftables = Nftables::open()?;
    let mut took = Vec::new();
    for number in 0..BANS {
        let attacker = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + number);
        took.push(ban(&mut log, &mut nftables, attacker)?);
        thread::sleep(Duration::from_millis(20 + u64::from(number % 7) * 5));
    }
    took.sort_unstable();
    let at = |percent: usize| {
        took.get(took.len() * percent / 100)
            .or(took.last())
            .copied()
            .unwrap_or_default()
    };
    network::print(&format!(
        "ban, {BANS} times: median {:?}, 90 % {:?}, 99 % {:?}, longest {:?}",
        at(50),
        at(90),
        at(99),
        at(100)
    ));
    // What the bans have left to do is done first.
    thread::sleep(Duration::from_secs(15));
    let before = daemon.wakeups()?;
    thread::sleep(IDLE);
    let wakeups = daemon.wakeups()?.saturating_sub(before);
    network::print(&format!("idle for {IDLE:?}: {wakeups} wake-ups of all threads"));
    Ok(())
}

/// Has `attacker` fail, and waits until the kernel refuses it.
pub(crate) fn ban(log: &mut File, nftables: &mut Nftables, attacker: Ipv4Addr) -> Result<Duration, Trouble> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let line = format!("{now} host sshd[7]: Failed password for root from {attacker} port 50022 ssh2\n");
    let begun = Instant::now();
    log.write_all(line.as_bytes())?;
    while begun.elapsed() < PATIENCE {
        let held = nftables.list_elements(&daemon::SET)?;
        if held.iter().any(|held| held.element.first == IpAddr::V4(attacker)) {
            return Ok(begun.elapsed());
        }
    }
    Err(format!("{attacker} was not banned within {PATIENCE:?}").into())
}
