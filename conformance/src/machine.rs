//! A machine of its own for a test: network, processes, mounts, and a private `/etc`, `/run`, `/dev` and `/var`
//! as far as daemons write there. It is made of namespaces, so it costs a fraction of a second.
//!
//! The first process of the machine reads from a pipe that only we hold. When the pipe is closed, because the
//! machine was dropped or because we were killed, that process ends, and the kernel ends every other one in it
//! and takes its network and mounts away. Nothing on the host has a name that could be left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::run::{Ran, run};
use crate::wait::{until, within};

/// Makes a machine of the namespaces it finds itself in, says so in a file, and waits for the end.
const BOOT: &str = r#"
set -eu
mount --make-rprivate /
mkdir "$1/etc" "$1/dev" "$1/lib"
cp -a /etc/. "$1/etc"
rm -rf "$1/etc/fail2ban"
mount --bind "$1/etc" /etc
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
mount --rbind /var/lib "$1/lib"
mount -t tmpfs -o mode=755 tmpfs /var/lib
for state in "$1"/lib/*/; do
    name=$(basename "$state")
    [ "$name" != fail2ban ] || continue
    mkdir "/var/lib/$name"
    mount --rbind "$state" "/var/lib/$name"
done
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for device in null zero full random urandom tty; do
    : > "$1/dev/$device"
    mount --bind "/dev/$device" "$1/dev/$device"
done
mkdir "$1/dev/pts" "$1/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
ln -s pts/ptmx "$1/dev/ptmx"
ln -s /proc/self/fd "$1/dev/fd"
mount --rbind "$1/dev" /dev
hostname "$2"
# It knows its own name, and asks nobody for any other.
echo "127.0.1.1 $2" >> /etc/hosts
: > /etc/resolv.conf
ip link set lo up
: > "$1/up"
read -r end || exit 0
"#;

/// How long the making of a machine, and a small command in it, may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A machine that runs.
#[derive(Debug)]
pub struct Machine {
    // In this order they are dropped: the pipe ends the machine, then its files go.
    pipe: Option<ChildStdin>,
    holder: Child,
    /// The first process, as the host numbers it.
    init: u32,
    directory: TempDir,
}

impl Machine {
    /// Makes a machine with the host name `name`.
    ///
    /// # Panics
    ///
    /// If that cannot be done.
    #[must_use]
    #[track_caller]
    pub fn start(name: &str) -> Self {
        let directory = TempDir::with_prefix("stockade-machine-").expect("a directory can be made");
        let complaints = directory.path().join("boot");
        let file = fs::File::create(&complaints).expect("a file can be made");
        let mut holder = Command::new("unshare")
            .args([
                "--net",
                "--mount",
                "--pid",
                "--ipc",
                "--uts",
                "--fork",
                "--kill-child",
            ])
            .args(["--mount-proc", "sh", "-c", BOOT, "boot"])
            .arg(directory.path())
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("`unshare` can be started");
        let pipe = holder.stdin.take();
        let up = directory.path().join("up");
        let state = || fs::read_to_string(&complaints).unwrap_or_default();
        until("the machine to be up", LIMIT, state, || up.exists().then_some(()));
        let init = child_of(holder.id());
        Self {
            pipe,
            holder,
            init,
            directory,
        }
    }

    /// A directory that host and machine see alike, and that goes with the machine.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The machine's own `/etc`, as the host sees it.
    #[must_use]
    pub fn etc(&self) -> PathBuf {
        self.directory.path().join("etc")
    }

    /// `command`, to be run inside.
    #[must_use]
    pub fn inside(&self, command: &Command) -> Command {
        let mut entered = Command::new("nsenter");
        entered.arg("--target").arg(self.init.to_string());
        entered.args(["--mount", "--net", "--pid", "--ipc", "--uts", "--"]);
        entered.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => entered.env(key, value),
                None => entered.env_remove(key),
            };
        }
        entered
    }

    /// Runs a line of shell inside.
    #[track_caller]
    pub fn sh(&self, line: &str) -> Ran {
        run(&mut self.inside(Command::new("sh").args(["-c", line])), LIMIT)
    }

    /// The text of one of the machine's files, empty if it is not there.
    #[must_use]
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        self.sh(&format!("cat {path} 2>/dev/null || true"))
            .expect("reading a file")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.pipe.take());
        if within(LIMIT, || self.holder.try_wait().ok().flatten()).is_none() {
            drop(self.holder.kill());
            drop(self.holder.wait());
        }
    }
}

/// Joins two machines by a cable: a device `eth0` in each, with the given addresses.
///
/// # Panics
///
/// If that cannot be done.
#[track_caller]
pub fn join(one: (&Machine, &[&str]), other: (&Machine, &[&str])) {
    // In the network of the one, but among the host's processes, for the number names one of those.
    let mut link = Command::new("nsenter");
    link.arg("--target")
        .arg(one.0.init.to_string())
        .arg("--net")
        .args(["--", "ip", "link", "add"]);
    link.args([
        "eth0",
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        &other.0.init.to_string(),
    ]);
    let _said = run(&mut link, LIMIT).expect("making a veth pair");
    for (machine, addresses) in [one, other] {
        let _said = machine.sh("ip link set eth0 up").expect("switching a device on");
        for address in addresses {
            // Duplicates cannot be, and finding that out would take seconds.
            let nodad = if address.contains(':') { "nodad" } else { "" };
            let line = format!("ip address add {address} dev eth0 {nodad}");
            let _said = machine.sh(&line).expect("giving an address");
        }
    }
}

/// The one child of a process.
#[track_caller]
fn child_of(parent: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.expect("the kernel tells a process's children");
    children.trim().parse().expect("`unshare` has one child")
}
