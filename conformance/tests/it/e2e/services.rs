//! The distribution's services, each as small as it can be, and who asks them for something with curl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use stockade_conformance::{Machine, Ran, Running, run, spawn, until};

/// How long one request may take; a refused password costs Dovecot a few seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// The programs, and what has them attacked.
pub(super) const PROGRAMS: [&str; 4] = ["nginx", "postfix", "dovecot", "curl"];

/// Who has `/private` needs the password, and may ask for `/slow` but once.
const NGINX: &str = "\
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {}
http {
    access_log /var/log/nginx/access.log;
    limit_req_zone $binary_remote_addr zone=slow:1m rate=1r/m;
    server {
        listen 80;
        listen [::]:80;
        root /run/www;
        location = /private {
            auth_basic private;
            auth_basic_user_file /etc/nginx/stockade_users;
        }
        location = /slow {
            limit_req zone=slow;
        }
    }
}
";

/// As nginx, with the modules where Debian has them.
const APACHE: &str = "\
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authn_file_module /usr/lib/apache2/modules/mod_authn_file.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule auth_basic_module /usr/lib/apache2/modules/mod_auth_basic.so
ServerName host.example
PidFile /run/apache2.pid
DefaultRuntimeDir /run/apache2
ErrorLog /var/log/apache2/error.log
User www-data
Group www-data
Listen 80
DocumentRoot /run/www
<Location /private>
    AuthType Basic
    AuthName private
    AuthUserFile /etc/apache2/stockade_users
    Require valid-user
</Location>
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

/// It has no helper processes that would need namespaces of their own, and asks PAM.
const VSFTPD: &str = "\
background=NO
listen=NO
listen_ipv6=YES
anonymous_enable=NO
local_enable=YES
pam_service_name=vsftpd
secure_chroot_dir=/run/vsftpd
xferlog_enable=YES
xferlog_std_format=NO
vsftpd_log_file=/var/log/vsftpd.log
isolate=NO
isolate_network=NO
seccomp_sandbox=NO
";

const PAM: &str = "\
auth required pam_unix.so nodelay
account required pam_unix.so
session required pam_permit.so
";

const PROFTPD: &str = "\
ServerName host
ServerType standalone
DefaultServer on
UseIPv6 on
Port 21
UseReverseDNS off
WtmpLog off
TransferLog none
User nobody
Group nogroup
PidFile /run/proftpd.pid
ScoreboardFile /run/proftpd.scoreboard
DelayTable none
SystemLog /var/log/proftpd/proftpd.log
AuthOrder mod_auth_file.c
AuthUserFile /etc/proftpd/stockade_users
RequireValidShell off
";

/// `secret`, for those who compare it with what `crypt` makes of a password.
const CRYPTED: &str = "$1$stockade$WQ3pVILkbpeoEem4bVNh9.";

/// What attackers ask for, by the jail that is for it: nothing comes of it but a line in a log.
pub(super) const ATTACKS: [(&str, &[&str]); 4] = [
    ("nginx-http-auth", &["-u", "jane:wrong", "http://TARGET/private"]),
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

/// Starts what a mail server with a web page has.
pub(super) fn serve(machine: &Machine) -> Vec<Running> {
    let mut running = nginx(machine);
    running.extend(postfix(machine));
    running.extend(dovecot(machine));
    running
}

/// Starts nginx.
pub(super) fn nginx(machine: &Machine) -> Vec<Running> {
    write(machine, "nginx/stockade.conf", NGINX);
    write(machine, "nginx/stockade_users", "jane:{PLAIN}secret\n");
    pages(machine);
    make(machine, "mkdir -p /var/log/nginx /var/lib/nginx");
    let words = ["-c", "/etc/nginx/stockade.conf", "-g", "daemon off;"];
    vec![start(machine, Path::new("/usr/sbin/nginx"), &words, 80)]
}

/// Starts Apache.
pub(super) fn apache(machine: &Machine) -> Vec<Running> {
    write(machine, "apache2/stockade.conf", APACHE);
    write(
        machine,
        "apache2/stockade_users",
        "jane:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n",
    );
    pages(machine);
    make(machine, "mkdir -p /var/log/apache2 /run/apache2");
    let words = ["-f", "/etc/apache2/stockade.conf", "-DFOREGROUND"];
    vec![start(machine, Path::new("/usr/sbin/apache2"), &words, 80)]
}

/// Starts Postfix; it takes passwords where Dovecot runs.
pub(super) fn postfix(machine: &Machine) -> Vec<Running> {
    write(machine, "postfix/main.cf", POSTFIX);
    write(machine, "postfix/master.cf", POSTFIX_SERVICES);
    let made = "mkdir -p /run/spool /run/postfix && chown postfix /run/postfix";
    make(machine, made);
    vec![start(machine, Path::new("/usr/sbin/postfix"), &["start-fg"], 25)]
}

/// Starts Dovecot.
pub(super) fn dovecot(machine: &Machine) -> Vec<Running> {
    write(machine, "dovecot/stockade.conf", DOVECOT);
    make(machine, "mkdir -p /run/mail && chown nobody /run/mail");
    let words = ["-F", "-c", "/etc/dovecot/stockade.conf"];
    vec![start(machine, Path::new("/usr/sbin/dovecot"), &words, 143)]
}

/// Starts vsftpd, with one user of the machine.
pub(super) fn vsftpd(machine: &Machine) -> Vec<Running> {
    write(machine, "stockade_vsftpd.conf", VSFTPD);
    write(machine, "pam.d/vsftpd", PAM);
    add_line(machine, "passwd", "jane:x:4343:4343::/tmp:/bin/sh");
    add_line(machine, "shadow", &format!("jane:{CRYPTED}:20000:0:99999:7:::"));
    make(machine, "mkdir -p /run/vsftpd");
    vec![start(
        machine,
        &vsftpd_program(),
        &["/etc/stockade_vsftpd.conf"],
        21,
    )]
}

/// Where the program is; the distribution lets nobody install it beside `ProFTPD`.
pub(super) fn vsftpd_program() -> PathBuf {
    let installed = PathBuf::from("/usr/sbin/vsftpd");
    if installed.exists() {
        return installed;
    }
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/packages/vsftpd/usr/sbin/vsftpd")
}

/// Starts `ProFTPD`.
pub(super) fn proftpd(machine: &Machine) -> Vec<Running> {
    write(machine, "proftpd/stockade.conf", PROFTPD);
    write(
        machine,
        "proftpd/stockade_users",
        &format!("jane:{CRYPTED}:4343:4343::/tmp:/bin/sh\n"),
    );
    make(
        machine,
        "mkdir -p /var/log/proftpd && chmod 600 /etc/proftpd/stockade_users",
    );
    let words = ["--nodaemon", "--quiet", "--config", "/etc/proftpd/stockade.conf"];
    vec![start(machine, Path::new("/usr/sbin/proftpd"), &words, 21)]
}

/// Starts a program and waits until it listens.
fn start(machine: &Machine, program: &Path, words: &[&str], port: u16) -> Running {
    let name = program.file_name().unwrap_or_default();
    let mut command = Command::new(program);
    let output = machine.directory().join(name);
    let running = spawn(&mut machine.inside(command.args(words)), &output);
    until(
        &format!("port {port}"),
        LIMIT,
        || running.output(),
        || {
            let line = format!("ss -Hltn 'sport = :{port}' | grep -q .");
            machine.sh(&line).succeeded().then_some(())
        },
    );
    running
}

/// What the web servers have to show.
fn pages(machine: &Machine) {
    make(
        machine,
        "mkdir -p /run/www && echo yes | tee /run/www/private > /run/www/slow",
    );
}

fn write(machine: &Machine, name: &str, text: &str) {
    let file = machine.etc().join(name);
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory).expect("the machine's own /etc");
    }
    fs::write(file, text).expect("the machine's own /etc");
}

fn make(machine: &Machine, line: &str) {
    let _said = machine.sh(line).expect("directories of services");
}

/// Adds a line to a file of the machine.
pub(super) fn add_line(machine: &Machine, file: &str, line: &str) {
    let path = machine.etc().join(file);
    let text = fs::read_to_string(&path).expect("the machine's own /etc");
    fs::write(path, format!("{text}{line}\n")).expect("the machine's own /etc");
}

/// Asks for something from an address.
pub(super) fn ask(machine: &Machine, source: &str, target: &str, words: &[&str]) -> Ran {
    let host = if target.contains(':') {
        format!("[{target}]")
    } else {
        target.to_owned()
    };
    // Who is banned in the middle of it would wait for an answer, and then for one to his farewell.
    let mut curl = Command::new("timeout");
    curl.args(["--kill-after=1", "15", "curl", "-s", "-S", "--max-time", "10"])
        .args(["--interface", source])
        .args(words.iter().map(|word| word.replace("TARGET", &host)));
    run(&mut machine.inside(&curl), LIMIT)
}

/// Whether the service has spoken to who asked: without a connection curl says 7, 28 where nobody answers, and no more
/// at all where that takes too long.
pub(super) fn has_answered(ran: &Ran) -> bool {
    ![7, 28, 124, 137].contains(&ran.status)
}
