//! What a reload takes, as whoever types it sees it: 500 jails with 10 filters, nothing of it changed, one jail, or
//! all of them.
//!
//! In: the programs built beside this one, and the reference where `cargo xtask setup` has unpacked it. Out: a line
//! for each figure. The parts of ours are told apart: reading the configuration is what `-d` takes, the rest is the
//! daemon's.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Trouble, network};

const JAILS: usize = 500;
const FILTERS: usize = 10;
/// Patterns of a filter.
const PATTERNS: usize = 25;
/// How often each reload of ours is measured; the median counts.
const ROUNDS: usize = 5;
/// How long a daemon may take to be ready.
const PATIENCE: Duration = Duration::from_secs(300);

/// Measures.
pub(crate) fn run() -> Result<(), Trouble> {
    let beside = std::env::current_exe()?;
    let mut ours = Command::new(beside.with_file_name("stockade"));
    ours.arg("run");
    measure("Stockade", ours, || {
        Command::new(beside.with_file_name("fail2ban-client"))
    })?;
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/reference");
    if !reference.join("usr/bin/fail2ban-client").is_file() {
        network::print("there is no target/reference to compare with");
        return Ok(());
    }
    let python = |program: &str| {
        let mut command = Command::new("/usr/bin/python3");
        command
            .env("PYTHONPATH", reference.join("usr/lib/python3/dist-packages"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(reference.join("usr/bin").join(program));
        command
    };
    let mut theirs = python("fail2ban-server");
    theirs.args(["-xf", "start"]);
    measure("the reference", theirs, || python("fail2ban-client"))
}

/// Measures one of the two, whose server and client these are.
fn measure(who: &str, server: Command, client: impl Fn() -> Command) -> Result<(), Trouble> {
    let directory = tempfile::tempdir_in("/var/tmp")?;
    let place = directory.path();
    plant(place)?;
    let daemon = Daemon::start(server, place, &client)?;
    let ask = |words: &[&str]| -> Result<Duration, Trouble> {
        let begun = Instant::now();
        let done = client()
            .arg("-c")
            .arg(place)
            .args(words)
            .stdout(Stdio::null())
            .status()?;
        let took = begun.elapsed();
        if done.success() {
            Ok(took)
        } else {
            Err(format!("{who}: `{}` failed", words.join(" ")).into())
        }
    };
    let rounds = if daemon.is_slow { 1 } else { ROUNDS };
    let repeat = |change: &dyn Fn(usize) -> Result<(), Trouble>, words: &[&str]| -> Result<_, Trouble> {
        let mut took = Vec::new();
        for round in 0..rounds {
            change(round)?;
            took.push(ask(words)?);
        }
        took.sort_unstable();
        Ok(took.get(took.len() / 2).copied().unwrap_or_default())
    };
    let mut figures = vec![
        ("reading the configuration, `-d`", repeat(&|_| Ok(()), &["-d"])?),
        ("`reload`, nothing changed", repeat(&|_| Ok(()), &["reload"])?),
    ];
    let one = |round: usize| {
        Ok(fs::write(
            place.join("jail.local"),
            format!("[jail7]\nbantime = {}\n", 700 + round),
        )?)
    };
    figures.push(("`reload`, one jail changed", repeat(&one, &["reload"])?));
    figures.push(("`reload` of that jail", repeat(&one, &["reload", "jail7"])?));
    let all = |round: usize| {
        Ok(fs::write(
            place.join("jail.local"),
            format!("[DEFAULT]\nbantime = {}\n", 800 + round),
        )?)
    };
    figures.push(("`reload`, `bantime` of all changed", repeat(&all, &["reload"])?));
    let patterns = |round: usize| -> Result<(), Trouble> {
        for number in 0..FILTERS {
            fs::write(place.join(filter_name(number)), filter(number, round + 1))?;
        }
        Ok(())
    };
    figures.push((
        "`reload`, the filters of all changed",
        repeat(&patterns, &["reload"])?,
    ));
    for (what, took) in figures {
        network::print(&format!("{who}, {what}: {took:.1?}"));
    }
    Ok(())
}

/// Makes a configuration of many jails.
fn plant(place: &Path) -> Result<(), Trouble> {
    for name in ["filter.d", "action.d"] {
        fs::create_dir(place.join(name))?;
    }
    let at = place.display();
    fs::write(
        place.join("fail2ban.conf"),
        format!(
            "[Definition]\nloglevel = INFO\nlogtarget = {at}/log\nsocket = {at}/socket\npidfile = {at}/pid\n\
             dbfile = {at}/db\ndbpurgeage = 1d\ndbmaxmatches = 10\n"
        ),
    )?;
    let mut jails = "[DEFAULT]\nbackend = polling\nbantime = 600\nfindtime = 600\nmaxretry = 5\nusedns = no\n\
         ignoreip = 127.0.0.1/8 ::1 192.0.2.0/24\nmode = normal\nport = ssh\nprotocol = tcp\n\
         action_ = note[port=\"%(port)s\", protocol=\"%(protocol)s\", name=%(__name__)s]\naction = %(action_)s\n\
         filter = filter0\n"
        .to_owned();
    for number in 0..JAILS {
        writeln!(
            jails,
            "[jail{number}]\nenabled = true\nfilter = filter{}[mode=%(mode)s]\nlogpath = {at}/jail{number}.log",
            number % FILTERS
        )?;
        File::create(place.join(format!("jail{number}.log")))?;
    }
    fs::write(place.join("jail.conf"), jails)?;
    fs::write(
        place.join("filter.d/common.conf"),
        "[DEFAULT]\n_daemon = \\S*\n__host = (?:\\S+ )?\n__prefix_line = \\s*%(__host)s%(_daemon)s(?:\\[\\d+\\])?:\\s\n",
    )?;
    for number in 0..FILTERS {
        fs::write(place.join(filter_name(number)), filter(number, 0))?;
    }
    fs::write(
        place.join("action.d/note.conf"),
        "[Definition]\nactionstart = true <port>\nactionban = true <ip> <port> <protocol>\nactionunban = true <ip>\n\
         [Init]\nport = 0:65535\nprotocol = tcp\n",
    )?;
    Ok(())
}

fn filter_name(number: usize) -> PathBuf {
    format!("filter.d/filter{number}.conf").into()
}

fn filter(number: usize, round: usize) -> String {
    let mut text = format!(
        "[INCLUDES]\nbefore = common.conf\n[Definition]\n_daemon = daemon{number}\nmode = normal\n\
         __user = <F-USER>\\S{{0,32}}</F-USER>\ncmn-normal =\ncmn-aggressive = ^%(__prefix_line)sscan from <HOST>$\n\
         prefregex = ^%(__prefix_line)s<F-CONTENT>.+</F-CONTENT>$\nfailregex = <cmn-<mode>>\n"
    );
    for pattern in 0..PATTERNS {
        let _never_fails = writeln!(
            text,
            "    ^(?:error: )?reason{round}-{pattern} for (?:invalid user )?%(__user)s from <HOST>(?: port \\d+)?(?: \\[preauth\\])?\\s*$"
        );
    }
    text + "ignoreregex = ^test of <HOST>$\n"
}

/// A daemon at work.
struct Daemon {
    child: Child,
    is_slow: bool,
}

impl Daemon {
    /// Starts a daemon, and waits until all jails run.
    fn start(mut server: Command, place: &Path, client: &impl Fn() -> Command) -> Result<Self, Trouble> {
        // The reference's server wants its options before its command.
        let arguments: Vec<_> = server.get_args().map(ToOwned::to_owned).collect();
        let mut command = Command::new(server.get_program());
        for (name, value) in server.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let (script, words) = arguments.split_at(arguments.len().min(1));
        server = command;
        server.args(script).arg("-c").arg(place).args(words);
        let begun = Instant::now();
        let mut daemon = Self {
            child: server.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?,
            is_slow: false,
        };
        while begun.elapsed() < PATIENCE {
            let log = fs::read_to_string(place.join("log")).unwrap_or_default();
            if log.matches("' started").count() >= JAILS {
                daemon.is_slow = begun.elapsed() > Duration::from_secs(10);
                let ready = client()
                    .arg("-c")
                    .arg(place)
                    .arg("ping")
                    .stdout(Stdio::null())
                    .status()?;
                return ready
                    .success()
                    .then_some(daemon)
                    .ok_or_else(|| "no answer".into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err("the daemon did not start".into())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
