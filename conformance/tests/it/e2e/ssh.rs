//! The distribution's OpenSSH, both ends of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use stockade_conformance::{Machine, Ran, Running, run, spawn, until};

use super::services::add_line;

/// Who logs in.
const USER: &str = "guest";
const PASSWORD: &str = "correct horse";

/// The password as `/etc/shadow` has it.
const CRYPTED: &str =
    "$6$stockade$xvhQW55HqO85ohxpCR8HAxeTiBkR9yN3d4StuI4B8bA9vk5aGjMdJkQ5FlKL9ybimBlELxUez1838eKBJcV1u0";

/// How long one login may take; refusing one takes the server two or three seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// The server's configuration: nothing that would slow an attacker down in the subject's place.
const CONFIGURATION: &str = "\
Port 22
HostKey /etc/ssh/stockade_key
PidFile /run/sshd.pid
UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PubkeyAuthentication no
MaxAuthTries 6
MaxStartups 100
UseDNS no
SyslogFacility AUTH
LogLevel INFO
";

/// What only newer servers know: they refuse who fails by themselves, for a while.
const NEWER: &str = "PerSourcePenalties no\n";

/// Runs the server on `machine`, with one user whose password is known here.
pub(super) fn serve(machine: &Machine) -> Running {
    let etc = machine.etc();
    add_line(machine, "passwd", &format!("{USER}:x:4242:4242::/tmp:/bin/sh"));
    add_line(machine, "shadow", &format!("{USER}:{CRYPTED}:20000:0:99999:7:::"));
    let made = "mkdir -p /run/sshd && ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/stockade_key";
    let _said = machine.sh(made).expect("making a host key");
    let configuration = etc.join("ssh/stockade_config");
    fs::write(&configuration, format!("{CONFIGURATION}{NEWER}")).expect("the machine's own /etc");
    if !machine
        .sh("/usr/sbin/sshd -t -f /etc/ssh/stockade_config")
        .succeeded()
    {
        fs::write(&configuration, CONFIGURATION).expect("the machine's own /etc");
    }
    let mut sshd = Command::new("/usr/sbin/sshd");
    let mut sshd = machine.inside(sshd.args(["-D", "-f", "/etc/ssh/stockade_config"]));
    let running = spawn(&mut sshd, &machine.directory().join("sshd"));
    until(
        "sshd to listen",
        LIMIT,
        || running.output(),
        || machine.sh("test -s /run/sshd.pid").succeeded().then_some(()),
    );
    running
}

/// Whether a login from `source` with the right password comes through.
pub(super) fn logs_in(machine: &Machine, source: &str, target: &str) -> bool {
    attempt(machine, source, target, &[], PASSWORD).succeeded()
}

/// Fails to log in from `source`, `times` over, with a wrong password.
///
/// The server refuses each but the last in so many words; that one's answer may be cut off already.
pub(super) fn attack(machine: &Machine, source: &str, target: &str, times: usize) {
    for left in (0..times).rev() {
        let ran = attempt(machine, source, target, &[], "wrong");
        let refused = ran.stderr.contains("Permission denied");
        assert!(!ran.succeeded() && (refused || left == 0), "{source}: {ran:?}");
    }
}

/// Whether the server speaks to `source` at all.
pub(super) fn connects(machine: &Machine, source: &str, target: &str) -> bool {
    let none = ["-o", "PreferredAuthentications=none"];
    attempt(machine, source, target, &none, "none")
        .stderr
        .contains("Permission denied")
}

const OPTIONS: [&str; 16] = [
    "-F",
    "none",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "NumberOfPasswordPrompts=1",
    "-o",
    "ConnectTimeout=5",
    "-o",
    "PubkeyAuthentication=no",
    "-o",
    "LogLevel=ERROR",
    "-o",
    "ControlPath=none",
];

/// One login, as far as it comes.
fn attempt(machine: &Machine, source: &str, target: &str, more: &[&str], password: &str) -> Ran {
    let askpass = machine.directory().join("askpass");
    if !askpass.exists() {
        fs::write(&askpass, "#!/bin/sh\necho \"$STOCKADE_PASSWORD\"\n").expect("the machine's directory");
        let permissions = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&askpass, permissions).expect("the machine's directory");
    }
    // A connection that a ban cuts off in the middle would wait for its answer for minutes.
    let mut ssh = Command::new("timeout");
    ssh.args(["10", "ssh"])
        .args(OPTIONS)
        .args(more)
        .args(["-b", source, "-l", USER, target, "true"])
        .env("SSH_ASKPASS", askpass)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("STOCKADE_PASSWORD", password)
        .env_remove("SSH_AUTH_SOCK");
    run(&mut machine.inside(&ssh), LIMIT)
}
