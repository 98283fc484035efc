//! The package's own jails, on the services that they are for: the real service of the distribution, a real attack on
//! it, its own log, and the jail as the package has it, which our daemon reads in place. The attacker is banned in the
//! firewall, somebody else is served, and an unban lets the attacker in again; by IPv4 and by IPv6.

use std::fs;
use std::path::Path;

use stockade_conformance::{Machine, Running, Subject, can_make_machines, has_reference, join, until};

use super::{Daemon, Guests, IPV4, IPV6, Log, MAXRETRY, PATIENCE, services, ssh, start_logging, wait_for};

/// A service, and the jail that is for it.
struct Case {
    jail: &'static str,
    logpath: &'static str,
    port: &'static str,
    /// What must be there to run it, beside what every case needs.
    programs: &'static [&'static str],
    /// Whether it logs to the syslog daemon.
    by_syslog: bool,
    serve: fn(&Machine) -> Vec<Running>,
    client: Client,
}

/// Who asks for something.
#[derive(Clone, Copy)]
enum Client {
    /// OpenSSH's.
    Ssh,
    /// curl.
    Curl {
        /// What the attacker asks for.
        attack: &'static [&'static str],
        /// How often, to be counted [`MAXRETRY`] times.
        times: usize,
        /// What anybody may ask for, and gets.
        honest: &'static [&'static str],
    },
}

/// A letter to somebody here, which everybody may send.
const LETTER: &[&str] = &[
    "smtp://TARGET",
    "--mail-from",
    "a@example.org",
    "--mail-rcpt",
    "b@host.example",
    "-T",
    "/dev/null",
];

const FTP_ATTACK: &[&str] = &["-u", "jane:wrong", "-I", "ftp://TARGET/"];
const FTP_HONEST: &[&str] = &["-u", "jane:secret", "-I", "ftp://TARGET/"];

#[test]
fn sshd() {
    check(&Case {
        jail: "sshd",
        logpath: "/var/log/auth.log",
        port: "ssh",
        programs: &["sshd", "ssh"],
        by_syslog: true,
        serve: |machine| vec![ssh::serve(machine)],
        client: Client::Ssh,
    });
}

#[test]
fn nginx_http_auth() {
    check(&Case {
        jail: "nginx-http-auth",
        logpath: "/var/log/nginx/error.log",
        port: "http,https",
        programs: &["nginx"],
        by_syslog: false,
        serve: services::nginx,
        client: Client::Curl {
            attack: &["-f", "-u", "jane:wrong", "http://TARGET/private"],
            times: MAXRETRY,
            honest: &["-f", "-u", "jane:secret", "http://TARGET/private"],
        },
    });
}

#[test]
fn nginx_botsearch() {
    check(&Case {
        jail: "nginx-botsearch",
        logpath: "/var/log/nginx/access.log",
        port: "http,https",
        programs: &["nginx"],
        by_syslog: false,
        serve: services::nginx,
        client: Client::Curl {
            attack: &["-f", "http://TARGET/phpmyadmin/scripts/setup.php"],
            times: MAXRETRY,
            honest: &["-f", "-u", "jane:secret", "http://TARGET/private"],
        },
    });
}

#[test]
fn nginx_limit_req() {
    check(&Case {
        jail: "nginx-limit-req",
        logpath: "/var/log/nginx/error.log",
        port: "http,https",
        programs: &["nginx"],
        by_syslog: false,
        serve: services::nginx,
        client: Client::Curl {
            attack: &["-f", "http://TARGET/slow"],
            // The first is served.
            times: MAXRETRY + 1,
            honest: &["-f", "-u", "jane:secret", "http://TARGET/private"],
        },
    });
}

#[test]
fn apache_auth() {
    check(&Case {
        jail: "apache-auth",
        logpath: "/var/log/apache2/error.log",
        port: "http,https",
        programs: &["apache2"],
        by_syslog: false,
        serve: services::apache,
        client: Client::Curl {
            attack: &["-f", "-u", "jane:wrong", "http://TARGET/private"],
            times: MAXRETRY,
            honest: &["-f", "-u", "jane:secret", "http://TARGET/private"],
        },
    });
}

#[test]
fn postfix() {
    check(&Case {
        jail: "postfix",
        logpath: "/var/log/mail.log",
        port: "smtp,465,submission",
        programs: &["postfix"],
        by_syslog: true,
        serve: mail,
        client: Client::Curl {
            attack: &[
                "smtp://TARGET",
                "--mail-from",
                "a@example.org",
                "--mail-rcpt",
                "b@example.net",
                "-T",
                "/dev/null",
            ],
            times: MAXRETRY,
            honest: LETTER,
        },
    });
}

#[test]
fn postfix_sasl() {
    check(&Case {
        jail: "postfix-sasl",
        logpath: "/var/log/mail.log",
        port: "smtp,465,submission,imap,imaps,pop3,pop3s",
        programs: &["postfix", "dovecot"],
        by_syslog: true,
        serve: mail,
        client: Client::Curl {
            attack: &[
                "-u",
                "jane:wrong",
                "smtp://TARGET",
                "--mail-from",
                "a@example.org",
                "--mail-rcpt",
                "b@host.example",
                "-T",
                "/dev/null",
            ],
            times: MAXRETRY,
            honest: LETTER,
        },
    });
}

#[test]
fn dovecot() {
    check(&Case {
        jail: "dovecot",
        logpath: "/var/log/mail.log",
        port: "pop3,pop3s,imap,imaps,submission,465,sieve",
        programs: &["dovecot"],
        by_syslog: true,
        serve: services::dovecot,
        client: Client::Curl {
            attack: &["-u", "jane:wrong", "imap://TARGET/"],
            times: MAXRETRY,
            honest: &["-u", "jane:secret", "imap://TARGET/"],
        },
    });
}

#[test]
fn vsftpd() {
    let program = services::vsftpd_program();
    let program = program.to_string_lossy().into_owned();
    if !can_make_machines(&[&program]) {
        return;
    }
    check(&Case {
        jail: "vsftpd",
        logpath: "/var/log/vsftpd.log",
        port: "ftp,ftp-data,ftps,ftps-data",
        programs: &[],
        by_syslog: false,
        serve: services::vsftpd,
        client: Client::Curl {
            attack: FTP_ATTACK,
            times: MAXRETRY,
            honest: FTP_HONEST,
        },
    });
}

#[test]
fn proftpd() {
    check(&Case {
        jail: "proftpd",
        logpath: "/var/log/proftpd/proftpd.log",
        port: "ftp,ftp-data,ftps,ftps-data",
        programs: &["proftpd"],
        by_syslog: false,
        serve: services::proftpd,
        client: Client::Curl {
            attack: FTP_ATTACK,
            times: MAXRETRY,
            honest: FTP_HONEST,
        },
    });
}

/// Postfix, which asks Dovecot about passwords.
fn mail(machine: &Machine) -> Vec<Running> {
    let mut running = services::dovecot(machine);
    running.extend(services::postfix(machine));
    running
}

/// The whole scenario.
fn check(case: &Case) {
    let common = ["curl", "rsyslogd", "logger"];
    if !can_make_machines(&[&common[..], case.programs].concat()) || !has_reference() {
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
    let _logging = case.by_syslog.then(|| start_logging(&target, Log::Syslog));
    let _service = (case.serve)(&target);
    if !case.by_syslog || case.logpath == "/var/log/mail.log" {
        // Some make their log when there is something to say.
        let _said = target
            .sh(&format!("touch {}", case.logpath))
            .expect("making a log");
    }
    wait_for(&target, &format!("test -e {}", case.logpath));
    configure(case, &target);
    // The firewall is told without them.
    let _said = target
        .sh("for program in nft iptables; do mount --bind /dev/null \"$(command -v $program)\" || true; done")
        .expect("hiding programs");

    let daemon = Daemon::start_with(&target, Subject::Ours, case.jail);
    let logs = || format!("{}\n{}", daemon.log(), target.read(case.logpath));
    assert_eq!(daemon.banned(), Vec::<String>::new(), "at first nobody is banned");
    for guests in [IPV4, IPV6] {
        assert!(
            case.client.is_served(&network, guests.friend, guests.target),
            "at first everybody is served: {}\n{}",
            guests.friend,
            logs()
        );
        case.client.attack(&network, guests);
        let message = format!("[{}] Ban {}", case.jail, guests.attacker);
        until(&message, PATIENCE, logs, || {
            (!daemon.times(&message).is_empty()).then_some(())
        });
        until(
            &format!("{} to be refused", guests.attacker),
            PATIENCE,
            logs,
            || {
                let connects = case.client.connects(&network, guests.attacker, guests.target);
                (!connects).then_some(())
            },
        );
        assert!(
            case.client.is_served(&network, guests.friend, guests.target),
            "{} has done nothing\n{}",
            guests.friend,
            logs()
        );
    }
    let mut banned = daemon.banned();
    banned.sort_unstable();
    assert_eq!(
        banned,
        [IPV4.attacker, IPV6.attacker],
        "status lists whom it has banned"
    );
    for guests in [IPV4, IPV6] {
        let ran = daemon.client(&["set", case.jail, "unbanip", guests.attacker]);
        assert_eq!((ran.stdout.as_str(), ran.status), ("1\n", 0), "{ran:?}");
        until(
            &format!("{} to be let in again", guests.attacker),
            PATIENCE,
            logs,
            || {
                let served = case.client.is_served(&network, guests.attacker, guests.target);
                served.then_some(())
            },
        );
    }
    assert_eq!(
        daemon.banned(),
        Vec::<String>::new(),
        "in the end nobody is banned"
    );
}

impl Client {
    /// Attacks until it must be enough.
    fn attack(self, network: &Machine, Guests { target, attacker, .. }: Guests) {
        match self {
            Self::Ssh => ssh::attack(network, attacker, target, MAXRETRY),
            Self::Curl { attack, times, .. } => {
                for _ in 0..times {
                    let _refused = services::ask(network, attacker, target, attack);
                }
            }
        }
    }

    /// Whether somebody gets what everybody may have.
    fn is_served(self, network: &Machine, source: &str, target: &str) -> bool {
        match self {
            Self::Ssh => ssh::logs_in(network, source, target),
            Self::Curl { honest, .. } => services::ask(network, source, target, honest).succeeded(),
        }
    }

    /// Whether the service speaks to somebody at all.
    fn connects(self, network: &Machine, source: &str, target: &str) -> bool {
        match self {
            Self::Ssh => ssh::connects(network, source, target),
            Self::Curl { honest, .. } => {
                services::has_answered(&services::ask(network, source, target, honest))
            }
        }
    }
}

/// Writes what an administrator would, beside what is the package's and stays in its place.
fn configure(case: &Case, target: &Machine) {
    let directory = target.etc().join("fail2ban");
    fs::create_dir(&directory).expect("the machine's own /etc");
    let package = fs::canonicalize(Subject::package_configuration()).expect("the reference is there");
    for entry in fs::read_dir(&package).expect("the reference has a configuration") {
        let entry = entry.expect("a directory can be read");
        let name = entry.file_name();
        // The distribution's own choice of jails is in there.
        if name != "jail.d" {
            link(&entry.path(), &directory.join(name));
        }
    }
    let Case {
        jail, logpath, port, ..
    } = case;
    let local = format!(
        "[DEFAULT]\nbanaction = nftables\nbantime = 600\nfindtime = 60\nmaxretry = {MAXRETRY}\n\
         [{jail}]\nenabled = true\nbackend = auto\nlogpath = {logpath}\nport = {port}\n"
    );
    let server = format!("[Definition]\nlogtarget = {}\n", Daemon::LOG);
    for (name, text) in [("jail.local", local), ("fail2ban.local", server)] {
        fs::write(directory.join(name), text).expect("the machine's own /etc");
    }
}

fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(from, to).expect("a link can be made");
}
