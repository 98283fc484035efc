//! The distribution's nginx, Postfix and Dovecot, each as small as it can be, and who attacks them with curl.

use std::fs;
use std::process::Command;
use std::time::Duration;

use stockade_conformance::{Machine, Ran, Running, run, spawn, until};

/// How long one request may take; a refused password costs Dovecot a few seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// The programs, and what has them attacked.
pub(super) const PROGRAMS: [&str; 4] = ["nginx", "postfix", "dovecot", "curl"];

const NGINX: &str = "\
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {}
http {
    access_log /var/log/nginx/access.log;
    server {
        listen 80;
        listen [::]:80;
        auth_basic private;
        auth_basic_user_file /etc/nginx/stockade_users;
    }
}
";

/// It asks Dovecot about passwords.
const POSTFIX: &str = "\
compatibility_level = 3.6
queue_directory = /run/spool
data_directory = /run/postfix
myhostname = host.example
mydestination = host.example
mynetworks = 127.0.0.0/8
inet_interfaces = all
alias_maps =
local_recipient_maps =
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = /run/dovecot/sasl
";

/// Without the separate root directories that Debian has its services in.
const POSTFIX_SERVICES: &str = "\
smtp inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
error unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
retry unix - - n - - error
scache unix - - n - 1 scache
";

const DOVECOT: &str = "\
protocols = imap
listen = *, ::
base_dir = /run/dovecot
ssl = no
disable_plaintext_auth = no
mail_location = maildir:/run/mail
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/run
}
service auth {
  unix_listener sasl {
    mode = 0666
  }
}
";

/// What attackers ask for, by the jail that is for it: nothing comes of it but a line in a log.
pub(super) const ATTACKS: [(&str, &[&str]); 4] = [
    ("nginx-http-auth", &["-u", "jane:wrong", "http://TARGET/"]),
    (
        "postfix",
        &[
            "smtp://TARGET",
            "--mail-from",
            "a@example.org",
            "--mail-rcpt",
            "b@example.net",
            "-T",
            "/dev/null",
        ],
    ),
    (
        "postfix-sasl",
        &[
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
    ),
    ("dovecot", &["-u", "jane:wrong", "imap://TARGET/"]),
];

/// Starts all of them on a machine.
pub(super) fn serve(machine: &Machine) -> Vec<Running> {
    let etc = machine.etc();
    let write = |name: &str, text: &str| fs::write(etc.join(name), text).expect("the machine's own /etc");
    write("nginx/stockade.conf", NGINX);
    write("nginx/stockade_users", "jane:{PLAIN}secret\n");
    write("postfix/main.cf", POSTFIX);
    write("postfix/master.cf", POSTFIX_SERVICES);
    write("dovecot/stockade.conf", DOVECOT);
    let made = "mkdir -p /var/log/nginx /var/lib/nginx /run/spool /run/postfix && chown postfix /run/postfix";
    let _said = machine.sh(made).expect("directories of services");
    let programs: [(&str, &[&str]); 3] = [
        ("nginx", &["-c", "/etc/nginx/stockade.conf", "-g", "daemon off;"]),
        ("postfix", &["start-fg"]),
        ("dovecot", &["-F", "-c", "/etc/dovecot/stockade.conf"]),
    ];
    let running: Vec<Running> = programs
        .iter()
        .map(|(name, words)| {
            let mut program = Command::new(format!("/usr/sbin/{name}"));
            spawn(
                &mut machine.inside(program.args(*words)),
                &machine.directory().join(name),
            )
        })
        .collect();
    let said = || running.iter().map(Running::output).collect::<String>();
    for port in [80, 25, 143] {
        until(&format!("port {port}"), LIMIT, said, || {
            let line = format!("ss -Hltn 'sport = :{port}' | grep -q .");
            machine.sh(&line).succeeded().then_some(())
        });
    }
    running
}

/// Asks for something from an address.
pub(super) fn ask(machine: &Machine, source: &str, target: &str, words: &[&str]) -> Ran {
    // Who is banned in the middle of it would wait for an answer.
    let mut curl = Command::new("curl");
    curl.args(["-s", "-S", "--max-time", "10", "--interface", source])
        .args(words.iter().map(|word| word.replace("TARGET", target)));
    run(&mut machine.inside(&curl), LIMIT)
}
