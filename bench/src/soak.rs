//! What a daemon makes of a flood of the worst lines, minute after minute: whether it still bans at once, and what
//! memory it takes.
//!
//! In: the daemon built beside this program, and how many minutes; everything happens in a network of its own. Out: how
//! long bans took that a quiet log asked for meanwhile, the most memory the daemon had, and which of its limits were
//! reached.
//!
//! The hostile log is rotated as it grows, and written to as fast as [`FLOOD`] says: a machine whose logs grow by
//! more has a full disk before its attackers are banned. Whoever wants to see what becomes of a daemon that cannot keep
//! up says how many megabytes a second it is to be.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use stockade_sys::nftables::Nftables;

use crate::daemon::{self, Daemon};
use crate::latency::{ban, seconds, tell};
use crate::{Trouble, network};

/// How many megabytes of hostile lines are written in a second.
const FLOOD: usize = 10;
/// How often in a second.
const PORTIONS: usize = 20;
/// How large the hostile log gets before it is rotated.
const LARGE: usize = 200 << 20;
/// How long the pause between two bans is.
const PAUSE: Duration = Duration::from_millis(200);

const JAILS: &str = "[DEFAULT]\nmaxretry = 1\nbantime = 10m\nfindtime = 10m\nusedns = no\nbackend = auto\nlogpath = PLACE/hostile.log\n\
    [sshd]\nenabled = true\nlogpath = PLACE/auth.log\n\
    [hostile-sshd]\nenabled = true\nfilter = sshd[mode=aggressive]\nmaxretry = 5\nbanaction = nftables\n\
    [postfix]\nenabled = true\nmode = aggressive\nmaxretry = 5\nlogpath = PLACE/hostile.log\n\
    [dovecot]\nenabled = true\nmaxretry = 5\nlogpath = PLACE/hostile.log\n\
    [nginx-botsearch]\nenabled = true\nmaxretry = 5\nlogpath = PLACE/hostile.log\n\
    [apache-auth]\nenabled = true\nmaxretry = 5\nlogpath = PLACE/hostile.log\n\
    [recidive]\nenabled = true\nmaxretry = 5\nlogpath = PLACE/log\n";

/// Measures for so many minutes, in a network of its own, with so many megabytes of hostile lines a second.
pub(crate) fn run(minutes: u64, megabytes: Option<usize>) -> Result<(), Trouble> {
    let megabytes = megabytes.unwrap_or(FLOOD);
    if !network::is_own() {
        return network::enter(&["soak", &minutes.to_string(), &megabytes.to_string()]);
    }
    let place = tempfile::tempdir_in("/var/tmp")?;
    let hostile = place.path().join("hostile.log");
    File::create(&hostile)?;
    daemon::configure(place.path(), JAILS)?;
    let daemon = Daemon::start(place.path())?;
    thread::sleep(Duration::from_secs(1));
    let mut log = OpenOptions::new()
        .append(true)
        .open(place.path().join("auth.log"))?;
    let mut nftables = Nftables::open()?;
    let (over, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut took, mut most) = (Vec::new(), 0);
    thread::scope(|scope| {
        let flood = scope.spawn(|| {
            flood(&hostile, megabytes << 20, &over, &written).map_err(|trouble| trouble.to_string())
        });
        let begun = Instant::now();
        let outcome: Result<(), Option<Trouble>> = (0..).try_for_each(|number| {
            if begun.elapsed() >= Duration::from_secs(60 * minutes) {
                return Err(None);
            }
            let attacker = Ipv4Addr::from_bits(Ipv4Addr::new(198, 19, 0, 1).to_bits() + number);
            took.push(ban(&mut log, &mut nftables, attacker).map_err(Some)?);
            most = most.max(daemon.memory().map_err(Some)?);
            thread::sleep(PAUSE);
            Ok(())
        });
        over.store(true, Ordering::Relaxed);
        match (outcome, flood.join()) {
            (Err(Some(trouble)), _) => Err(trouble),
            (_, Ok(Err(trouble))) => Err(trouble.into()),
            (_, Err(_)) => Err("the flood has broken off".into()),
            (_, Ok(Ok(()))) => Ok(()),
        }
    })?;
    let megabytes = written.load(Ordering::Relaxed) >> 20;
    network::print(&format!("{megabytes} MiB of hostile lines in {minutes} minutes"));
    tell("a ban meanwhile", &mut took)?;
    network::print(&format!("the most memory the daemon had: {} MB", most / 1000));
    let limits = Command::new(std::env::current_exe()?.with_file_name("stockade"))
        .args(["status", "--limits", "-c"])
        .arg(place.path().join("etc"))
        .output()?;
    for line in String::from_utf8_lossy(&limits.stdout).lines() {
        network::print(&format!("  {line}"));
    }
    Ok(())
}

/// Writes hostile lines, so many bytes a second, until it is over.
fn flood(path: &Path, rate: usize, over: &AtomicBool, written: &AtomicU64) -> Result<(), Trouble> {
    let mut log = OpenOptions::new().append(true).open(path)?;
    let (mut size, mut number) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let mut lines = Vec::with_capacity(rate / PORTIONS + (1 << 20));
        while lines.len() < rate / PORTIONS {
            hostile(&mut lines, number)?;
            number += 1;
        }
        log.write_all(&lines)?;
        size += lines.len();
        written.fetch_add(u64::try_from(lines.len())?, Ordering::Relaxed);
        if size > LARGE {
            let old: PathBuf = path.with_extension("1");
            fs::rename(path, &old)?;
            log = OpenOptions::new().append(true).create(true).open(path)?;
            fs::remove_file(old)?;
            size = 0;
        }
        let portion = Duration::from_secs(1) / u32::try_from(PORTIONS)?;
        thread::sleep(portion.saturating_sub(begun.elapsed()));
    }
    Ok(())
}

/// One more of the lines that cost most: to search, to remember, or to understand.
fn hostile(lines: &mut Vec<u8>, number: u32) -> Result<(), Trouble> {
    let now = seconds()?;
    // So many addresses that each table of them fills, and some that come back.
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + number % 65_536);
    let mut line = String::new();
    match number % 12 {
        // Failures of ever other names, each in a session of its own.
        0..=3 => write!(
            line,
            "{now} host sshd[{number}]: Failed password for invalid user u{number} from {address} port 50022 ssh2"
        )?,
        // Sessions that never end.
        4 => write!(
            line,
            "{now} host sshd[{number}]: Connection from {address} port 50022 on 192.0.2.1 port 22"
        )?,
        // Another address in the name, many times.
        5 => write!(
            line,
            "{now} host sshd[7]: Failed password for invalid user {} from {address} port 50022 ssh2",
            " from 203.0.113.66 port 22 ssh2".repeat(100)
        )?,
        // Nearly a match, at the very end not.
        6 => write!(
            line,
            "{now} host sshd[7]: Connection closed by invalid user {} {address}: x [preauth",
            "a 1.2.3.4: b ".repeat(300)
        )?,
        7 => write!(
            line,
            "{now} mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from {}[{address}]: 554",
            " ".repeat(4096)
        )?,
        8 => write!(
            line,
            "{now} mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from unknown[{address}]: 554 5.7.1 <{}>: Relay access denied",
            "\\\"".repeat(2000)
        )?,
        // A long path, and a long name.
        9 => write!(
            line,
            "{address} - - [{now}] \"GET /{} HTTP/1.1\" 404 150 \"-\" \"-\"",
            "wp-login.php/".repeat(1000)
        )?,
        10 => write!(
            line,
            "{now} mx dovecot: imap-login: Disconnected (auth failed, 1 attempts): user=<{}>, rip={address}, lip=192.0.2.1",
            "x,".repeat(8000)
        )?,
        // Long lines of nothing, and bytes that are no text.
        _ if number % 1200 == 11 => line = "\0\u{1b}[2J\t ".repeat(20_000),
        _ => line = "x".repeat(500),
    }
    lines.extend_from_slice(line.as_bytes());
    if number.is_multiple_of(7) {
        lines.extend_from_slice(b" \xff\xfe\xc0\x80");
    }
    lines.push(b'\n');
    Ok(())
}
