//! A fresh machine: services, their logs, and nothing configured. The jails for them are on by themselves, and ban.

use std::thread;

use stockade_conformance::{Machine, Running, Subject, can_make_machines, join, run, until};

use super::{Daemon, Log, PATIENCE, TARGET, services, ssh, start_logging, until_banned};

/// What the embedded configuration has for `maxretry`.
const MAXRETRY: usize = 5;

/// Who attacks each of the services, in their order, and who asks for the same with what it takes to get it.
const ATTACKERS: [&str; 4] = ["192.0.2.67", "192.0.2.68", "192.0.2.69", "192.0.2.70"];
const FRIEND: &str = "192.0.2.77";

/// What the jails are on for.
const FOUND: [(&str, &str); 4] = [
    ("nginx-http-auth", "/var/log/nginx/error.log"),
    ("postfix", "/var/log/mail.log"),
    ("postfix-sasl", "/var/log/mail.log"),
    ("dovecot", "/var/log/mail.log"),
];

#[test]
fn out_of_the_box() {
    let programs = ["sshd", "ssh", "nft", "rsyslogd", "logger"];
    if !can_make_machines(&[&programs[..], &services::PROGRAMS].concat()) {
        return;
    }
    let (target, network) = (Machine::start("target"), Machine::start("network"));
    let (_logging, _sshd) = connect(&target, &network, Log::Syslog);
    let _services = services::serve(&target);
    super::wait_for(&target, "test -s /var/log/mail.log");
    super::wait_for(&target, "test -s /var/log/auth.log");

    let daemon = Daemon::start(&target, Subject::Ours);
    for (jail, thing) in FOUND {
        let said = format!("stockade: [{jail}] is on by itself, for there is {thing}\n");
        assert!(daemon.log().contains(&said), "{said}{}", daemon.log());
    }
    let status = daemon.client(&["status"]).expect("asking for the status");
    assert!(
        !["nginx-forbidden", "exim", "recidive", "pam-generic", "pure-ftpd"]
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

    // Whoever refuses a password takes his time, so they are attacked at once.
    thread::scope(|scope| {
        let network = &network;
        scope.spawn(move || ssh::attack(network, "192.0.2.66", TARGET[0], MAXRETRY));
        for ((_, words), attacker) in services::ATTACKS.into_iter().zip(ATTACKERS) {
            scope.spawn(move || {
                for _ in 0..MAXRETRY {
                    let _refused = services::ask(network, attacker, TARGET[0], words);
                }
            });
        }
    });
    daemon.says_within(PATIENCE, "[sshd] Ban 192.0.2.66");
    for ((jail, words), attacker) in services::ATTACKS.into_iter().zip(ATTACKERS) {
        daemon.says_within(PATIENCE, &format!("[{jail}] Ban {attacker}"));
        let connects =
            |source: &str| services::has_answered(&services::ask(&network, source, TARGET[0], words));
        until(
            &format!("{attacker} to be refused"),
            PATIENCE,
            || daemon.log(),
            || (!connects(attacker)).then_some(()),
        );
        assert!(connects(FRIEND), "{jail}: one failure is none too many");
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
    until_banned(&network, "192.0.2.66", TARGET[0], MAXRETRY, &daemon);
    check_bans(&target, &network, &daemon);
}

fn connect(target: &Machine, network: &Machine, log: Log) -> (Running, Running) {
    join(
        (target, &["192.0.2.1/24", "2001:db8:1::1/64"]),
        (
            network,
            &[
                "192.0.2.66/24",
                "192.0.2.67/24",
                "192.0.2.68/24",
                "192.0.2.69/24",
                "192.0.2.70/24",
                "192.0.2.77/24",
            ],
        ),
    );
    (start_logging(target, log), ssh::serve(target))
}

/// The attacker of OpenSSH is out and everybody else in; who attacked the others is in the firewall's sets.
fn check_bans(target: &Machine, network: &Machine, daemon: &Daemon<'_>) {
    until(
        "the attacker to be refused",
        PATIENCE,
        || daemon.log(),
        || (!ssh::connects(network, "192.0.2.66", TARGET[0])).then_some(()),
    );
    assert!(ssh::logs_in(network, FRIEND, TARGET[0]), "he has done nothing");
    let rules = target.sh("nft list ruleset").expect("listing the rules");
    let log = daemon.log();
    for line in log.lines() {
        let Some((_, banned)) = line.split_once("] Ban ") else {
            continue;
        };
        assert!(rules.contains(banned), "{banned} is not in\n{rules}");
    }
    assert!(rules.contains("timeout 10m"), "{rules}");
}
