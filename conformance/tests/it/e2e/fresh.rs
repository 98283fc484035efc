//! A fresh machine: services, their logs, and nothing configured. The jails for them are on by themselves, and ban.

use std::fs;
use std::time::Duration;

use stockade_conformance::{Machine, Running, Subject, can_make_machines, join, run};

use super::{Daemon, Log, PATIENCE, TARGET, ssh, start_logging};

/// What the embedded configuration has for `maxretry`.
const MAXRETRY: usize = 5;

/// Who attacks which service, by the jail that is for it, what it is on for, and what the service says then.
const ATTACKS: [(&str, &str, &str, Says); 4] = [
    (
        "nginx-http-auth",
        "/var/log/nginx/error.log",
        "192.0.2.67",
        Says::InFile(
            "[error] 31#31: *7 user \"jane\": password mismatch, client: 192.0.2.67, server: example.com, \
             request: \"GET / HTTP/1.1\", host: \"www.example.com\"",
        ),
    ),
    (
        "postfix-sasl",
        "/var/log/mail.log",
        "192.0.2.68",
        Says::ToLogger(
            "postfix/smtpd",
            "warning: unknown[192.0.2.68]: SASL LOGIN authentication failed: authentication failure",
        ),
    ),
    (
        "postfix",
        "/var/log/mail.log",
        "192.0.2.69",
        Says::ToLogger(
            "postfix/smtpd",
            "NOQUEUE: reject: RCPT from unknown[192.0.2.69]: 554 5.7.1 <a@example.org>: Relay access denied; \
             from=<b@example.org> to=<a@example.org> proto=ESMTP helo=<x>",
        ),
    ),
    (
        "dovecot",
        "/var/log/mail.log",
        "2001:db8:1::69",
        Says::ToLogger(
            "dovecot",
            "imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<jane>, \
             method=PLAIN, rip=2001:db8:1::69, lip=2001:db8:1::1, session=<a>",
        ),
    ),
];

/// How a service logs.
#[derive(Clone, Copy)]
enum Says {
    /// A line without its date, into the file that its jail is on for.
    InFile(&'static str),
    /// By the system logger, under a name.
    ToLogger(&'static str, &'static str),
}

#[test]
fn out_of_the_box() {
    if !can_make_machines(&["sshd", "ssh", "nft", "rsyslogd", "logger"]) {
        return;
    }
    let (target, network) = (Machine::start("target"), Machine::start("network"));
    let (_logging, _sshd) = connect(&target, &network, Log::Syslog);
    let units = target.etc().join("systemd/system");
    fs::create_dir_all(&units).expect("the machine's own /etc");
    for service in ["postfix", "dovecot"] {
        fs::write(units.join(format!("{service}.service")), "[Service]\n").expect("the machine's own /etc");
    }
    let made = "mkdir -p /var/log/nginx && touch /var/log/nginx/error.log && logger -p mail.info -t postfix/master started";
    let _said = target.sh(made).expect("logs of services");
    super::wait_for(&target, "test -s /var/log/mail.log");
    super::wait_for(&target, "test -s /var/log/auth.log");

    let daemon = Daemon::start(&target, Subject::Ours);
    for (jail, thing, _, _) in ATTACKS {
        let said = format!("stockade: [{jail}] is on by itself, for there is {thing}\n");
        assert!(daemon.log().contains(&said), "{said}{}", daemon.log());
    }
    let status = daemon.client(&["status"]).expect("asking for the status");
    assert!(
        !["nginx-forbidden", "exim", "recidive", "pam-generic", "proftpd"]
            .iter()
            .any(|jail| status.contains(jail)),
        "{status}"
    );
    let mut list = Subject::stockade();
    let listed = run(
        &mut target.inside(list.args(["jail", "list", "--available"])),
        PATIENCE,
    )
    .expect("a list needs no daemon");
    let rows: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for row in [
        &["sshd", "yes", "/var/log/auth.log"][..],
        &["nginx-http-auth", "by", "itself", "/var/log/nginx/error.log"],
        &["nginx-forbidden", "no", "/var/log/nginx/error.log"],
        &["exim", "no", "-"],
    ] {
        assert!(rows.contains(&row.to_vec()), "{row:?} of\n{listed}");
    }

    ssh::attack(&network, "192.0.2.66", TARGET[0], MAXRETRY);
    daemon.says_within(PATIENCE, "[sshd] Ban 192.0.2.66");
    for (jail, log, attacker, says) in ATTACKS {
        for _ in 0..MAXRETRY {
            let command = match says {
                Says::InFile(line) => format!(
                    "echo \"$(date +'%Y/%m/%d %T') {}\" >> {log}",
                    line.replace('"', "\\\"")
                ),
                Says::ToLogger(name, line) => format!("logger -p mail.warning -t {name} '{line}'"),
            };
            let _said = target.sh(&command).expect("a line in a log");
        }
        daemon.says_within(PATIENCE, &format!("[{jail}] Ban {attacker}"));
    }
    check_bans(&target, &network, &daemon);
}

/// The journal is the only log: OpenSSH's jail reads it, with nothing configured.
#[test]
fn out_of_the_box_by_the_journal() {
    if !can_make_machines(&["sshd", "ssh", "nft", "journalctl"]) {
        return;
    }
    let (target, network) = (Machine::start("target"), Machine::start("network"));
    let (_logging, _sshd) = connect(&target, &network, Log::Journal);
    let daemon = Daemon::start(&target, Subject::Ours);
    ssh::attack(&network, "192.0.2.66", TARGET[0], MAXRETRY);
    daemon.says_within(PATIENCE, "[sshd] Ban 192.0.2.66");
    check_bans(&target, &network, &daemon);
}

fn connect(target: &Machine, network: &Machine, log: Log) -> (Running, Running) {
    join(
        (target, &["192.0.2.1/24", "2001:db8:1::1/64"]),
        (network, &["192.0.2.66/24", "192.0.2.77/24"]),
    );
    (start_logging(target, log), ssh::serve(target))
}

/// The attacker of OpenSSH is out and everybody else in; who attacked the others is in the firewall's sets.
fn check_bans(target: &Machine, network: &Machine, daemon: &Daemon<'_>) {
    stockade_conformance::until(
        "the attacker to be refused",
        PATIENCE,
        || daemon.log(),
        || (!ssh::connects(network, "192.0.2.66", TARGET[0])).then_some(()),
    );
    assert!(
        ssh::logs_in(network, "192.0.2.77", TARGET[0]),
        "he has done nothing"
    );
    let rules = target.sh("nft list ruleset").expect("listing the rules");
    let log = daemon.log();
    for line in log.lines() {
        let Some((_, banned)) = line.split_once("] Ban ") else {
            continue;
        };
        assert!(rules.contains(banned), "{banned} is not in\n{rules}");
    }
    let time = Duration::from_secs(600).as_secs();
    assert!(rules.contains(&format!("timeout {}m", time / 60)), "{rules}");
}
