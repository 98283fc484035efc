//! End to end: a real attacker, a real OpenSSH server, a real log, and the kernel's firewall.
//!
//! Two machines joined by a cable. On the one runs the distribution's OpenSSH server, its messages going where
//! the variant says, and the subject under test, as installed: configuration, socket, database and log in their
//! default places. From the other, which has more than one address, the real client knocks.

mod fresh;
mod package;
mod services;
mod ssh;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use stockade_conformance::{
    Machine, Ran, Running, Subject, can_make_machines, has_reference, join, run, spawn, until, within,
};

/// How long anything may take that should take less than a second, on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// The jail's `bantime`. Long enough for everything that happens during the first ban.
const BANTIME: Duration = Duration::from_secs(40);

/// How far into a ban the daemon is killed: far enough that a ban which began anew would end measurably later.
const KILLED_AFTER: Duration = Duration::from_secs(12);

/// The jail's `maxretry`.
const MAXRETRY: usize = 3;

const TARGET: [&str; 2] = ["192.0.2.1", "2001:db8:1::1"];

/// Where the server's messages go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    /// To `systemd-journald`.
    Journal,
    /// Through a syslog daemon to `/var/log/auth.log`.
    Syslog,
}

/// Which configuration the jail's own few lines lie upon.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// What the subject brings: for ours the embedded one, for the reference its package's.
    Stock,
    /// The reference's package's, whichever the subject is.
    Package,
}

/// An attacker and somebody honest on the same host.
#[derive(Clone, Copy)]
struct Guests {
    target: &'static str,
    attacker: &'static str,
    friend: &'static str,
}

const IPV4: Guests = Guests {
    target: TARGET[0],
    attacker: "192.0.2.66",
    friend: "192.0.2.77",
};
const IPV6: Guests = Guests {
    target: TARGET[1],
    attacker: "2001:db8:1::66",
    friend: "2001:db8:1::77",
};

#[test]
fn by_the_journal() {
    if can_make_machines(&["sshd", "ssh", "nft", "journalctl"]) {
        a_ban_from_its_cause_to_its_end(Log::Journal, Base::Stock, &[IPV4, IPV6]);
    }
}

#[test]
fn by_a_syslog_daemon() {
    if can_make_machines(&["sshd", "ssh", "nft", "rsyslogd"]) {
        a_ban_from_its_cause_to_its_end(Log::Syslog, Base::Stock, &[IPV4]);
    }
}

#[test]
fn with_the_configuration_of_the_package() {
    if can_make_machines(&["sshd", "ssh", "nft", "rsyslogd"]) && has_reference() {
        a_ban_from_its_cause_to_its_end(Log::Syslog, Base::Package, &[IPV4]);
    }
}

/// The whole scenario.
fn a_ban_from_its_cause_to_its_end(log: Log, base: Base, guests: &[Guests]) {
    let subject = Subject::under_test();
    if subject == Subject::Reference && !has_reference() {
        return;
    }
    let target = Machine::start("target");
    let network = Machine::start("network");
    join(
        (&target, &["192.0.2.1/24", "2001:db8:1::1/64"]),
        (
            &network,
            &[
                "192.0.2.66/24",
                "192.0.2.77/24",
                "2001:db8:1::66/64",
                "2001:db8:1::77/64",
            ],
        ),
    );
    let _logging = start_logging(&target, log);
    let _sshd = ssh::serve(&target);
    configure(&target, subject, log, base);

    let mut daemon = Daemon::start(&target, subject);
    for guests in guests {
        assert!(
            ssh::logs_in(&network, guests.friend, guests.target),
            "at first everybody may log in"
        );
    }
    assert_eq!(daemon.banned(), Vec::<String>::new(), "at first nobody is banned");

    for guests in guests {
        until_banned(&network, guests.attacker, guests.target, MAXRETRY, &daemon);
    }
    let banned = Instant::now();
    check_refused(&network, guests, &daemon);
    let mut listed = daemon.banned();
    listed.sort_unstable();
    let attackers: Vec<&str> = guests.iter().map(|guests| guests.attacker).collect();
    assert_eq!(listed, attackers, "status lists whom it has banned");

    std::thread::sleep(KILLED_AFTER.saturating_sub(banned.elapsed()));
    if subject == Subject::Reference && log == Log::Syslog {
        let_it_write_its_position(&target);
    }
    daemon.kill();
    daemon.start_again();
    for guests in guests {
        daemon.says_within(PATIENCE, &format!("[sshd] Restore Ban {}", guests.attacker));
    }
    check_refused(&network, guests, &daemon);

    for Guests { attacker, target, .. } in guests {
        daemon.says_within(BANTIME + PATIENCE, &format!("[sshd] Unban {attacker}"));
        assert_eq!(
            daemon.times(&format!("[sshd] Ban {attacker}")).len(),
            1,
            "a restored ban is no new one\n{}",
            daemon.log()
        );
        check_length(&daemon, attacker);
        until(
            "the attacker to be let in again",
            PATIENCE,
            || daemon.log(),
            || ssh::logs_in(&network, attacker, target).then_some(()),
        );
    }

    for Guests { attacker, target, .. } in guests {
        let ran = daemon.client(&["set", "sshd", "banip", attacker]);
        assert_eq!((ran.stdout.as_str(), ran.status), ("1\n", 0), "{ran:?}");
        until(
            "a ban by hand",
            PATIENCE,
            || daemon.log(),
            || (!ssh::connects(&network, attacker, target)).then_some(()),
        );
    }
    daemon.stop();
    for guests in guests {
        assert!(
            ssh::logs_in(&network, guests.attacker, guests.target),
            "a clean stop lets all in"
        );
    }
    let left = target.sh("nft list ruleset").expect("listing the rules");
    assert_eq!(left, "", "a clean stop leaves no rule behind");
    let left = target.sh("find /run/fail2ban/ -type s -o -type f").stdout;
    assert_eq!(left, "", "a clean stop leaves neither socket nor pid file behind");
}

/// Attacks the server of OpenSSH so many times, which is a ban.
fn until_banned(network: &Machine, attacker: &str, target: &str, times: usize, daemon: &Daemon<'_>) {
    ssh::attack(network, attacker, target, times);
    let ban = format!("[sshd] Ban {attacker}");
    // On a busy machine the last attempt may have come to nothing, which ssh does not tell from a ban; and the journal
    // does not know whose a message was where the process had gone before it looked.
    if within(PATIENCE / 2, || daemon.log().contains(&ban).then_some(())).is_none() {
        ssh::attack(network, attacker, target, 1);
    }
    daemon.says_within(PATIENCE, &ban);
}

/// The reference writes down how far it has read every ten seconds at most, and only when it reads. Killed before
/// that, it reads the failures again and bans anew, where we restore; so it needs a late line for this scenario.
fn let_it_write_its_position(target: &Machine) {
    let _said = target
        .sh("logger -p auth.info -t login 'nothing happens'")
        .expect("logging a line");
    std::thread::sleep(Duration::from_secs(3));
}

/// The attackers get nowhere, and the others from the same host are served.
fn check_refused(network: &Machine, guests: &[Guests], daemon: &Daemon<'_>) {
    for Guests {
        attacker,
        friend,
        target,
    } in guests
    {
        until(
            "the attacker to be refused",
            PATIENCE,
            || daemon.log(),
            || (!ssh::connects(network, attacker, target)).then_some(()),
        );
        assert!(ssh::logs_in(network, friend, target), "{friend} has done nothing");
    }
}

/// A ban lasts for its `bantime`, whatever happened to the daemon in between.
fn check_length(daemon: &Daemon<'_>, attacker: &str) {
    let start = daemon.times(&format!("[sshd] Ban {attacker}"));
    let end = daemon.times(&format!("[sshd] Unban {attacker}"));
    let (Some(start), Some(end)) = (start.first(), end.first()) else {
        panic!("{attacker} was not banned and unbanned:\n{}", daemon.log());
    };
    // The clock of the log has no day, and a test may run at midnight.
    let length = (end - start).rem_euclid(86_400.0);
    let bantime = BANTIME.as_secs_f64();
    // It counts from the failure, which lies a little before the line that says `Ban`, and whose time a
    // syslog file has in whole seconds. A ban that began anew at the restart would be longer by this:
    let anew = KILLED_AFTER.as_secs_f64();
    assert!(
        (bantime - 5.0..bantime + anew).contains(&length),
        "{attacker} was banned for {length} s instead of {bantime}\n{}",
        daemon.log()
    );
}

/// The subject under test, running on `target`.
struct Daemon<'a> {
    target: &'a Machine,
    subject: Subject,
    /// The jail that it is all about.
    jail: &'a str,
    running: Option<Running>,
}

impl<'a> Daemon<'a> {
    const LOG: &'static str = "/var/log/fail2ban.log";

    fn start(target: &'a Machine, subject: Subject) -> Self {
        Self::start_with(target, subject, "sshd")
    }

    fn start_with(target: &'a Machine, subject: Subject, jail: &'a str) -> Self {
        let mut daemon = Self {
            target,
            subject,
            jail,
            running: None,
        };
        daemon.start_again();
        daemon
    }

    /// Starts it and waits until its jail runs and it answers.
    fn start_again(&mut self) {
        let output = self.target.directory().join("daemon");
        let log = || self.target.read(Self::LOG) + &fs::read_to_string(&output).unwrap_or_default();
        let message = format!("Jail '{}' started", self.jail);
        let before = self.times(&message).len();
        let mut running = spawn(&mut self.target.inside(&self.subject.server(None)), &output);
        until("the daemon to be ready", PATIENCE, log, || {
            assert_eq!(
                running.wait(Duration::ZERO),
                None,
                "the daemon has ended\n{}",
                log()
            );
            let started = self.times(&message).len() > before;
            (started && self.client(&["status", self.jail]).succeeded()).then_some(())
        });
        self.running = Some(running);
    }

    /// As the kernel does it when there is no memory left, and no destructor runs.
    fn kill(&mut self) {
        let _said = self
            .target
            .sh("kill -9 $(cat /run/fail2ban/fail2ban.pid)")
            .expect("killing the daemon");
        let ended = self.running.take().and_then(|mut running| running.wait(PATIENCE));
        assert!(ended.is_some(), "what is killed ends");
    }

    /// As an administrator does it.
    fn stop(&mut self) {
        let ran = self.client(&["stop"]);
        assert_eq!(
            (ran.stdout.as_str(), ran.status),
            ("Shutdown successful\n", 0),
            "{ran:?}"
        );
        let status = self.running.take().and_then(|mut running| running.wait(PATIENCE));
        assert_eq!(status, Some(0), "a clean stop is no failure\n{}", self.log());
    }

    fn client(&self, words: &[&str]) -> Ran {
        let mut command = self.subject.client(None);
        run(&mut self.target.inside(command.args(words)), PATIENCE)
    }

    /// The addresses that `status` lists.
    fn banned(&self) -> Vec<String> {
        let status = self
            .client(&["status", self.jail])
            .expect("asking for the status");
        let list = status
            .lines()
            .find_map(|line| line.split_once("Banned IP list:\t"));
        let (_, list) = list.unwrap_or_else(|| panic!("the status lists bans: {status}"));
        list.split_whitespace().map(str::to_owned).collect()
    }

    /// Its log, and whatever else it said.
    fn log(&self) -> String {
        let said = self.running.as_ref().map(Running::output).unwrap_or_default();
        format!("{}{said}", self.target.read(Self::LOG))
    }

    /// Waits for a line of the log.
    fn says_within(&self, limit: Duration, message: &str) {
        until(
            &format!("`{message}`"),
            limit,
            || self.log(),
            || (!self.times(message).is_empty()).then_some(()),
        );
    }

    /// When `message` was logged, in seconds of the day.
    fn times(&self, message: &str) -> Vec<f64> {
        let log = self.target.read(Self::LOG);
        let lines = log.lines().filter(|line| line.ends_with(&format!(" {message}")));
        lines.map(seconds_of_day).collect()
    }
}

/// The time of day of a line that begins `2026-11-21 23:29:28,260 `.
fn seconds_of_day(line: &str) -> f64 {
    let clock = line.split(' ').nth(1).unwrap_or_default();
    let parts: Vec<f64> = clock
        .replace(',', ".")
        .split(':')
        .filter_map(|part| part.parse().ok())
        .collect();
    match parts.as_slice() {
        [hours, minutes, seconds] => (hours * 60.0 + minutes) * 60.0 + seconds,
        _ => panic!("a line of the log begins with its time: {line}"),
    }
}

/// Starts what takes the messages of the server.
fn start_logging(target: &Machine, log: Log) -> Running {
    let output = target.directory().join("logging");
    match log {
        Log::Journal => {
            let made = "mkdir -p /run/systemd/journal /run/log/journal && ln -s /run/systemd/journal/dev-log /dev/log";
            let _said = target.sh(made).expect("making the journal's directories");
            let journald = Command::new("/usr/lib/systemd/systemd-journald");
            let running = spawn(&mut target.inside(&journald), &output);
            wait_for(target, "test -S /run/systemd/journal/dev-log");
            wait_for(
                target,
                "test -n \"$(find /run/log/journal -name system.journal)\"",
            );
            running
        }
        Log::Syslog => {
            let configuration = "module(load=\"imuxsock\")\n\
                module(load=\"builtin:omfile\" template=\"RSYSLOG_TraditionalFileFormat\")\n\
                auth,authpriv.* /var/log/auth.log\n\
                mail.* /var/log/mail.log\n";
            fs::write(target.etc().join("rsyslog.conf"), configuration).expect("the machine's own /etc");
            let mut rsyslogd = Command::new("rsyslogd");
            let running = spawn(
                &mut target.inside(rsyslogd.args(["-n", "-i", "/run/rsyslogd.pid"])),
                &output,
            );
            wait_for(target, "test -S /dev/log");
            // As on any machine that has been up for a while, the file is there before the daemon.
            let _said = target
                .sh("logger -p auth.info -t login 'the machine is up'")
                .expect("logging a line");
            wait_for(target, "test -s /var/log/auth.log");
            running
        }
    }
}

fn wait_for(target: &Machine, condition: &str) {
    until(condition, PATIENCE, String::new, || {
        target.sh(condition).succeeded().then_some(())
    });
}

/// Writes what an administrator would.
fn configure(target: &Machine, subject: Subject, log: Log, base: Base) {
    let directory = target.etc().join("fail2ban");
    fs::create_dir(&directory).expect("the machine's own /etc");
    let defaults = format!(
        "[DEFAULT]\nbantime = {}\nfindtime = 600\nmaxretry = {MAXRETRY}\n",
        BANTIME.as_secs()
    );
    // Our own configuration watches sshd by itself, wherever its log is.
    let mut jail = String::new();
    if subject == Subject::Reference || base == Base::Package {
        copy(&Subject::package_configuration(), &directory);
        let source = match log {
            Log::Journal => "backend = systemd\n",
            Log::Syslog => "backend = auto\nlogpath = /var/log/auth.log\n",
        };
        jail = format!("banaction = nftables\n[sshd]\nenabled = true\nport = 22\n{source}");
    }
    let server = format!("[Definition]\nlogtarget = {}\n", Daemon::LOG);
    for (name, text) in [
        ("jail.local", format!("{defaults}{jail}")),
        ("fail2ban.local", server),
    ] {
        fs::write(directory.join(name), text).expect("the machine's own /etc");
    }
}

/// Copies a configuration as it is.
fn copy(from: &Path, to: &Path) {
    let mut command = Command::new("cp");
    let _said =
        run(command.arg("-a").arg(from.join(".")).arg(to), PATIENCE).expect("copying a configuration");
}
