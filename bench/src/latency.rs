//! What a ban takes, from the `write()` of the line that decides it to the element in the kernel's set; and how
//! often a daemon that has nothing to do wakes up.
//!
//! In: the daemon built beside this program. Everything happens in a network of its own. Out: a line for each
//! figure. The end is found by listing the set over and over, so each figure is a listing too long at most.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use stockade_sys::nftables::{Family, Nftables, Set};

use crate::{Trouble, network};

/// Bans that are measured.
const BANS: u32 = 200;
/// How long one may take before it counts as never.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the idle daemon is watched.
const IDLE: Duration = Duration::from_secs(60);

/// Measures, in a network of its own.
pub(crate) fn run() -> Result<(), Trouble> {
    if !network::is_own() {
        return network::enter("latency");
    }
    // Not below /tmp: whoever works there would wake a daemon that watches for the names of its log.
    let place = tempfile::tempdir_in("/var/tmp")?;
    let daemon = Daemon::start(place.path())?;
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
fn ban(log: &mut File, nftables: &mut Nftables, attacker: Ipv4Addr) -> Result<Duration, Trouble> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let line = format!("{now} host sshd[7]: Failed password for root from {attacker} port 50022 ssh2\n");
    let set = Set {
        table: "f2b-table",
        name: "addr-set-sshd",
        family: Family::Inet4,
        interval: false,
    };
    let begun = Instant::now();
    log.write_all(line.as_bytes())?;
    while begun.elapsed() < PATIENCE {
        let held = nftables.list_elements(&set)?;
        if held.iter().any(|held| held.element.first == IpAddr::V4(attacker)) {
            return Ok(begun.elapsed());
        }
    }
    Err(format!("{attacker} was not banned within {PATIENCE:?}").into())
}

/// The daemon at work.
struct Daemon(Child);

impl Daemon {
    /// Starts the daemon on the configuration of the repository, and waits until it follows its log.
    fn start(place: &Path) -> Result<Self, Trouble> {
        let binary = std::env::current_exe()?.with_file_name("stockade");
        if !binary.is_file() {
            return Err(format!("{}: build it first, in the same profile", binary.display()).into());
        }
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let configuration = place.join("etc");
        let copied = Command::new("cp")
            .arg("-r")
            .arg(&own)
            .arg(&configuration)
            .status()?;
        if !copied.success() {
            return Err("the configuration cannot be copied".into());
        }
        let at = place.display();
        fs::write(
            configuration.join("fail2ban.local"),
            format!(
                "[DEFAULT]\nlogtarget = {at}/log\nsocket = {at}/socket\npidfile = {at}/pid\ndbfile = {at}/db\n"
            ),
        )?;
        fs::write(
            configuration.join("jail.local"),
            format!(
                "[DEFAULT]\nmaxretry = 1\nbantime = 1h\n[sshd]\nbackend = auto\nlogpath = {at}/auth.log\n"
            ),
        )?;
        File::create(place.join("auth.log"))?;
        let child = Command::new(binary)
            .arg("run")
            .arg("-c")
            .arg(&configuration)
            .stdin(Stdio::null())
            .spawn()?;
        let daemon = Self(child);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if fs::read_to_string(place.join("log")).is_ok_and(|log| log.contains("Jail 'sshd' started")) {
                // The first look at the log is not what is measured.
                thread::sleep(Duration::from_millis(500));
                return Ok(daemon);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err("the daemon did not start".into())
    }

    /// How often its threads have been put on a processor since they began.
    fn wakeups(&self) -> Result<u64, Trouble> {
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            let counts = status.lines().filter_map(|line| {
                let (name, count) = line.split_once(':')?;
                name.ends_with("voluntary_ctxt_switches")
                    .then(|| count.trim().parse::<u64>().ok())
                    .flatten()
            });
            total += counts.sum::<u64>();
        }
        Ok(total)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
