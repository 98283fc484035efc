//! Our package on a machine that systemd has booted: the unit with all it forbids, the socket unit, the watchdog, and a
//! takeover from fail2ban's unit and back.
//!
//! The machine is the same small Debian as in the tests of the package, with namespaces and a control group of its own;
//! what it could change of the kernel is mounted read-only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use stockade_conformance::{Machine, Ran, Running, can_make_machines, run, skip, spawn, until};

use crate::package::package;

/// How long anything may take that should take a second or two, on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// How exposed `systemd-analyze security` may find the unit, in tenths of its scale of ten; fail2ban's own is at 96.
const EXPOSURE: &str = "--threshold=40";

/// A jail whose bans the daemon puts up itself, one by chains of iptables, and one with an action of commands.
const JAILS: &str = "\
[DEFAULT]
filter = sshd
bantime = 1h
usedns = no
backend = polling
logpath = /var/log/auth.log
[sshd]
enabled = true
backend = polling
logpath = /var/log/auth.log
banaction = nftables
[mine]
enabled = true
banaction = iptables-multiport
port = 22
[noted]
enabled = true
action = noted
";

/// Writes down which jails ban whom, and whether a command may change the firewall where it runs.
const NOTED: &str = "\
[Definition]
actionban = iptables -w -N noted 2>>/var/log/noted; echo $? <ip> >> /var/log/noted
actionunban = true
";

/// Boots what is below `$1/root`, in the group `$2`.
const BOOT: &str = r#"
set -eu
cd "$1/root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    : > "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm old
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
cp "$1/ours.deb" root
: > etc/machine-id
pivot_root . old
umount -l old
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /usr/lib/systemd/systemd --log-target=console
"#;

/// A Debian that systemd has booted.
struct Booted {
    machine: Machine,
    /// The first process of the machine's own; when it ends all of it ends.
    system: Running,
    /// Where the machine has the control groups of the host.
    groups: PathBuf,
}

impl Booted {
    /// Boots it, with fail2ban's unit and these jails.
    fn start() -> Option<Self> {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bookworm");
        if !can_make_machines(&["dpkg-deb", "strip", "gzip", "pivot_root"]) {
            return None;
        }
        if !tree.join("usr/lib/systemd/systemd").exists() {
            skip("there is no target/bookworm with systemd; `cargo xtask setup` makes it");
            return None;
        }
        let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        if !filesystems.contains("cgroup2") {
            skip("the kernel has no cgroup2");
            return None;
        }
        let tree = tree.canonicalize().expect("it is there");
        let machine = Machine::start("booted");
        let directory = machine.directory().to_owned();
        fs::copy(package(), directory.join("ours.deb")).expect("a directory of our own");
        fs::write(directory.join("boot.sh"), BOOT).expect("a directory of our own");
        let groups = directory.join("groups");
        let line = format!(
            "set -e; cd {0}; mkdir layers root groups; mount -t tmpfs tmpfs layers; mkdir layers/upper layers/work; \
             mount -t overlay overlay -o lowerdir={1},upperdir=layers/upper,workdir=layers/work root; \
             mount -t cgroup2 cgroup2 groups; mkdir groups/stockade-test-{2}; : > root/var/log/auth.log",
            directory.display(),
            tree.display(),
            std::process::id()
        );
        let _said = machine.sh(&line).expect("a Debian of its own");
        for (path, text) in [
            ("etc/fail2ban/jail.local", JAILS),
            ("etc/fail2ban/action.d/noted.conf", NOTED),
        ] {
            let line = format!("cat > {}/root/{path} <<'END'\n{text}END\n", directory.display());
            let _said = machine.sh(&line).expect("writing a file");
        }
        let group = groups.join(format!("stockade-test-{}", std::process::id()));
        let boot = format!(
            "echo $$ > {0}/cgroup.procs; exec unshare --mount --uts --ipc --pid --cgroup --fork --kill-child sh {1}/boot.sh {1}",
            group.display(),
            directory.display()
        );
        let mut boot = machine.inside(Command::new("sh").args(["-c", &boot]));
        let system = spawn(&mut boot, &directory.join("console"));
        let booted = Self {
            machine,
            system,
            groups: group,
        };
        booted.wait_for("the machine to boot", "systemctl is-active multi-user.target");
        booted.wait_for("the reference", "fail2ban-client ping");
        Some(booted)
    }

    /// Runs a line of shell in the Debian.
    fn sh(&self, line: &str) -> Ran {
        // Of the processes in the group it is the one that has all others below it.
        let enter = format!(
            "for pid in $(cat {0}/init.scope/cgroup.procs); do \
             [ \"$(cat /proc/$pid/comm)\" != systemd ] || exec nsenter --target $pid --all env -i \
             PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive sh -c \"$0\"; done; exit 1",
            self.groups.display()
        );
        let mut command = self.machine.inside(Command::new("sh").args(["-c", &enter, line]));
        run(&mut command, PATIENCE)
    }

    fn wait_for(&self, what: &str, line: &str) {
        until(
            what,
            PATIENCE,
            || self.state(),
            || self.sh(line).succeeded().then_some(()),
        );
    }

    fn state(&self) -> String {
        let console = self.system.output();
        let said = self.sh(
            "systemctl status --no-pager stockade fail2ban; tail -n 30 /var/log/fail2ban.log; cat /var/log/noted; \
             journalctl --no-pager -u stockade | tail -n 20",
        );
        format!("{console}\n{said:?}")
    }

    /// What a property of our unit is.
    fn property(&self, name: &str) -> String {
        let said = self.sh(&format!("systemctl show --property {name} --value stockade"));
        said.stdout.trim().to_owned()
    }

    /// Whether the units of ours and of the reference run, and whether the machine starts them.
    fn units(&self) -> [String; 4] {
        let said = self.sh(
            "systemctl is-active stockade fail2ban; systemctl is-enabled stockade; systemctl is-enabled fail2ban",
        );
        let mut lines = said.stdout.lines().map(str::to_owned);
        [(); 4].map(|()| lines.next().unwrap_or_default())
    }

    /// Whom the daemon has banned, whichever it is.
    fn banned(&self) -> String {
        self.sh("fail2ban-client banned").expect("asking for bans")
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // Groups are the kernel's: they do not go with the machine, and can be removed when nobody is in them any more.
        let remove = format!(
            "echo 1 > {0}/cgroup.kill; for try in $(seq 50); do \
             find {0} -depth -type d -exec rmdir {{}} + && break; sleep 0.1; done",
            self.groups.display()
        );
        let mut remove = self.machine.inside(Command::new("sh").args(["-c", &remove]));
        // Where it cannot be done an empty group is left.
        let _left = run(&mut remove, PATIENCE);
    }
}

#[test]
fn the_unit_does_its_work_under_systemd() {
    let Some(booted) = Booted::start() else {
        return;
    };
    let said = booted.sh(
        "fail2ban-client set sshd banip 192.0.2.66 && fail2ban-client set mine banip 192.0.2.67 && \
         dpkg --install /root/ours.deb && systemd-analyze verify --man=no stockade.service stockade.socket",
    );
    assert!(said.succeeded(), "{said:?}");
    let of_reference = ["inactive", "active", "disabled", "enabled"];
    assert_eq!(booted.units(), of_reference, "installing starts nothing");
    let security = booted.sh(&format!(
        "systemd-analyze security --no-pager {EXPOSURE} stockade.service"
    ));
    assert!(security.succeeded(), "{}", security.stdout);

    // The takeover, with the real units.
    let _said = booted.sh("stockade adopt --yes").expect("adopting");
    let of_ours = ["active", "inactive", "enabled", "masked"];
    assert_eq!(booted.units(), of_ours, "{}", booted.state());
    assert_eq!(booted.property("StatusText"), "Watching");

    // It does what it is for, within what the unit allows: by netlink, and by commands.
    let attack = "for i in 1 2 3 4 5; do echo \"$(date '+%b %d %H:%M:%S') here sshd[9]: \
         Failed password for root from 203.0.113.5 port 1000 ssh2\"; done >> /var/log/auth.log";
    let _said = booted.sh(attack).expect("an attack");
    booted.wait_for("a ban by command", "grep -q '^0 203.0.113.5' /var/log/noted");
    booted.wait_for(
        "bans in the firewall",
        "iptables -nL f2b-mine | grep -q 203.0.113.5 && \
         nft get element inet f2b-table addr-set-sshd '{ 203.0.113.5 }'",
    );
    let bans = booted.banned();

    // Reloads, also of what cannot be used; the manager is told how it went.
    let broken = "/etc/fail2ban/jail.d/broken.local";
    for (name, before, works) in [
        ("as it is", "true".to_owned(), true),
        ("with a mistake", format!("echo '[broken' > {broken}"), false),
        ("mended", format!("rm {broken}"), true),
    ] {
        let said = booted.sh(&format!("{before}; systemctl reload stockade"));
        assert_eq!(said.succeeded(), works, "reload {name}: {said:?}");
        assert_eq!(booted.property("ActiveState"), "active", "{name}");
        assert_eq!(booted.banned(), bans, "{name}");
    }

    // It is killed, and then it hangs.
    let restarts = |number: usize| {
        let line = format!(
            "[ $(systemctl show --property NRestarts --value stockade) -ge {number} ] && fail2ban-client ping"
        );
        booted.wait_for("another start", &line);
        assert_eq!(booted.banned(), bans, "after {number} restarts");
    };
    let _said = booted
        .sh("systemctl kill --signal KILL --kill-who main stockade")
        .expect("killing it");
    restarts(1);
    let hang = "mkdir -p /run/systemd/system/stockade.service.d; \
         printf '[Service]\\nWatchdogSec=5\\n' > /run/systemd/system/stockade.service.d/watchdog.conf; \
         systemctl daemon-reload; systemctl restart stockade; \
         kill -STOP $(systemctl show --property MainPID --value stockade)";
    let _said = booted.sh(hang).expect("making it hang");
    restarts(1);

    // With the socket unit a client finds the socket before the daemon is there.
    let said = booted.sh(
        "rm -r /run/systemd/system/stockade.service.d; systemctl daemon-reload; systemctl stop stockade; \
         systemctl start stockade.socket && systemctl is-active stockade; fail2ban-client ping && \
         systemctl restart stockade && fail2ban-client ping && systemctl stop stockade.socket stockade && \
         systemctl start stockade",
    );
    assert!(
        said.succeeded() && said.stdout.starts_with("inactive"),
        "{said:?}"
    );
    assert_eq!(booted.banned(), bans, "after a start by the socket");

    // And back; by hand, and by removing the package.
    let _said = booted.sh("stockade adopt --undo --yes").expect("going back");
    assert_eq!(booted.units(), of_reference);
    let _said = booted.sh("stockade adopt --yes").expect("adopting once more");
    assert_eq!(booted.units(), of_ours);
    let _said = booted.sh("dpkg --purge stockade").expect("removing the package");
    let of_nobody = booted.units();
    assert_eq!(of_nobody.first().map(String::as_str), Some("inactive"));
    assert_eq!(of_nobody.get(1).map(String::as_str), Some("active"));
    let left = "systemctl list-unit-files --no-legend 'stockade*'; \
         find / -xdev -name '*stockade*' ! -path '/proc/*' ! -path '/sys/*' ! -path '/var/lib/dpkg/*' ! -path '/var/log/*'";
    assert_eq!(booted.sh(left).stdout, "", "nothing of it is left");
    assert_eq!(
        booted.sh("systemctl is-enabled fail2ban").stdout.trim(),
        "enabled"
    );
}
