//! Our package on a machine with a fail2ban that has banned somebody: it is installed, takes over, gives back, is removed.
//!
//! The machine is a small Debian of its own, entered by `chroot` in its own namespaces; no systemd runs there. An
//! attacker who is banned knocks all the while, hundreds of times a second, and so does somebody honest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use stockade_conformance::{
    Machine, Ran, Running, Subject, can_make_machines, join, run, skip, spawn, until,
};

/// How long anything may take that should take a second or two, on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

const TARGET: &str = "192.0.2.1";
const ATTACKER: &str = "192.0.2.66";
const FRIEND: &str = "192.0.2.77";

/// The jails; `DIR` is nothing here, for everything is where it usually is.
const JAILS: &str = "\
[DEFAULT]
bantime = 1h
usedns = no
backend = polling
[sshd]
enabled = true
backend = polling
logpath = /var/log/auth.log
banaction = nftables
[mine]
enabled = true
filter = sshd
logpath = /var/log/auth.log
banaction = iptables-multiport
port = 22
";

/// What is banned in each jail.
const BANNED: [&str; 4] = [ATTACKER, "198.51.100.0/24", "2001:db8::1", "203.0.113.9"];

/// Counts who gets through: a line for each connection.
const DOOR: &str = "\
import socket, sys
door = socket.create_server(('', 22), backlog=1000)
while True:
    guest, address = door.accept()
    guest.close()
    print(address[0], flush=True)
";

/// Knocks from one address every few milliseconds, and does not wait for an answer.
const KNOCKS: &str = "\
import socket, sys, time
source, target = sys.argv[1:]
waiting = []
while True:
    knock = socket.socket()
    knock.setblocking(False)
    knock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    knock.bind((source, 0))
    try:
        knock.connect((target, 22))
    except OSError:
        pass
    waiting.append(knock)
    if len(waiting) > 20:
        waiting.pop(0).close()
    time.sleep(0.004)
";

/// Stands for the service manager: writes down how it is called, and does what it is asked to with the scripts that
/// both packages have as well.
const SYSTEMCTL: &str = r#"#!/bin/sh
[ "$1" = is-active ] || echo "$*" >> /var/log/systemctl
while [ $# -gt 0 ]; do
    case $1 in
        --*) shift ;;
        *) break ;;
    esac
done
verb=$1
for last; do unit=${last%.service}; done
case $verb in
    is-active) echo inactive; exit 3 ;;
    is-enabled) [ -e "/etc/enabled.$unit" ] ;;
    enable) : > "/etc/enabled.$unit" ;;
    disable) rm -f "/etc/enabled.$unit" ;;
    mask) ln -sf /dev/null "/etc/systemd/system/$unit.service" ;;
    unmask) rm -f "/etc/systemd/system/$unit.service" ;;
    start)
        [ ! -L "/etc/systemd/system/$unit.service" ] || exit 1
        env _SYSTEMCTL_SKIP_REDIRECT=1 "/etc/init.d/$unit" start >/dev/null 2>&1 ;;
    stop) env _SYSTEMCTL_SKIP_REDIRECT=1 "/etc/init.d/$unit" stop >/dev/null 2>&1 ;;
esac
"#;

/// A Debian that runs in a machine, with the attacker's beside it.
struct Scene {
    machine: Machine,
    network: Machine,
    root: PathBuf,
    /// What plays the part of everything else; it ends with the scene.
    players: Vec<Running>,
}

impl Scene {
    /// Starts the machines, the reference with its jails and bans, and the knocking.
    fn start(jails: &str, prepare: &str) -> Option<Self> {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bookworm");
        if !can_make_machines(&["dpkg-deb", "nft", "iptables", "ip", "strip", "gzip"]) {
            return None;
        }
        if !tree.join("usr/bin/fail2ban-client").exists() {
            skip("there is no target/bookworm; `cargo xtask setup` makes it");
            return None;
        }
        let tree = tree.canonicalize().expect("it is there");
        let machine = Machine::start("debian");
        let network = Machine::start("network");
        join(
            (&machine, &["192.0.2.1/24"]),
            (&network, &["192.0.2.66/24", "192.0.2.77/24"]),
        );
        let directory = machine.directory().to_owned();
        std::fs::copy(package(), directory.join("stockade.deb")).expect("a directory of our own");
        let root = directory.join("root");
        let line = format!(
            "set -e; cd {0}; mkdir layers root; mount -t tmpfs tmpfs layers; mkdir layers/upper layers/work; \
             mount -t overlay overlay -o lowerdir={1},upperdir=layers/upper,workdir=layers/work root; \
             mount -t proc proc root/proc; mount --rbind /dev root/dev; mount -t tmpfs tmpfs root/run; \
             cp stockade.deb root/tmp; : > root/var/log/auth.log",
            directory.display(),
            tree.display()
        );
        let _said = machine.sh(&line).expect("a Debian of its own");
        let mut scene = Self {
            machine,
            network,
            root,
            players: Vec::new(),
        };
        scene.write("/etc/fail2ban/jail.local", jails);
        let _said = scene.sh(prepare).expect("preparing");
        let door = scene.machine.inside(Command::new("python3").args(["-c", DOOR]));
        scene.play(door, "door");
        for source in [ATTACKER, FRIEND] {
            let mut knocks = Command::new("python3");
            knocks.args(["-c", KNOCKS, source, TARGET]);
            let knocks = scene.network.inside(&knocks);
            scene.play(knocks, source);
        }
        let _said = scene
            .sh("/etc/init.d/fail2ban start")
            .expect("starting the reference");
        scene.wait_for("the reference", "fail2ban-client ping");
        for address in [ATTACKER, FRIEND] {
            scene.comes_in(address);
        }
        for jail in ["sshd", "mine"] {
            let ids = BANNED.join(" ");
            let _said = scene
                .sh(&format!("fail2ban-client set {jail} banip {ids}"))
                .expect("banning");
        }
        scene.wait_for("the firewall", "iptables -nL f2b-mine | grep -q 203.0.113.9");
        scene.wait_for("the database", IN_DATABASE);
        Some(scene)
    }

    fn play(&mut self, mut command: Command, name: &str) {
        let output = self.machine.directory().join(name);
        self.players.push(spawn(&mut command, &output));
    }

    /// Runs a line of shell in the Debian.
    fn sh(&self, line: &str) -> Ran {
        let mut chroot = Command::new("chroot");
        chroot.arg(&self.root).args(["sh", "-c", line]);
        chroot.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        chroot.env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut self.machine.inside(&chroot), PATIENCE)
    }

    fn write(&self, path: &str, text: &str) {
        let quoted = text.replace('\'', "'\\''");
        let _said = self
            .sh(&format!("printf %s '{quoted}' > {path}"))
            .expect("writing a file");
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
        self.sh("tail -n 40 /var/log/fail2ban.log; nft list ruleset; ls /etc/rc2.d")
            .stdout
    }

    /// How often somebody has come in so far.
    fn times(&self, address: &str) -> usize {
        let door = std::fs::read_to_string(self.machine.directory().join("door")).unwrap_or_default();
        door.lines().filter(|line| *line == address).count()
    }

    /// Waits until somebody comes in.
    fn comes_in(&self, address: &str) {
        let before = self.times(address);
        until(
            &format!("{address} to come in"),
            PATIENCE,
            || self.state(),
            || (self.times(address) > before).then_some(()),
        );
    }

    /// Does something, while which nobody comes in who is banned, and everybody else does.
    fn without_a_gap<T>(&self, what: &str, act: impl FnOnce() -> T) -> T {
        // A knock from before the ban may still be on its way.
        self.comes_in(FRIEND);
        let before = self.times(ATTACKER);
        let done = act();
        self.comes_in(FRIEND);
        assert_eq!(
            self.times(ATTACKER) - before,
            0,
            "{what}: who is banned does not come in\n{}",
            self.state()
        );
        done
    }

    /// Whom the daemon has banned, whichever it is.
    fn banned(&self) -> BTreeSet<String> {
        let mut bans = BTreeSet::new();
        for jail in ["sshd", "mine"] {
            let said = self
                .sh(&format!("fail2ban-client get {jail} banip"))
                .expect("asking for bans");
            bans.extend(said.split_whitespace().map(|id| format!("{jail} {id}")));
        }
        bans
    }

    /// Which program answers to the old name.
    fn is_ours(&self) -> bool {
        self.sh("readlink -f /usr/bin/fail2ban-client").stdout.trim() == "/usr/bin/stockade"
    }

    fn process(&self) -> String {
        self.sh("cat /run/fail2ban/fail2ban.pid").stdout.trim().to_owned()
    }

    fn install(&self) {
        let said = self.sh("dpkg --install /tmp/stockade.deb").expect("installing");
        assert!(said.contains("`stockade adopt`"), "it says how to go on: {said}");
    }
}

/// Whether the database has what is in force.
const IN_DATABASE: &str = "python3 -c \"import sqlite3, sys; \
    sys.exit(sqlite3.connect('/var/lib/fail2ban/fail2ban.sqlite3')\
    .execute('select count(*) from bips').fetchone()[0] < 8)\"";

/// Builds the package of the program that the tests run.
pub(crate) fn package() -> PathBuf {
    let stockade = Subject::stockade();
    let program = Path::new(stockade.get_program());
    let xtask = program.with_file_name("stockade-xtask");
    assert!(
        xtask.exists(),
        "`cargo build -p stockade-xtask` makes {}",
        xtask.display()
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(xtask);
    command.current_dir(&root).args(["deb", "--binary"]).arg(program);
    let said = run(&mut command, PATIENCE).expect("building the package");
    let path = said.lines().find_map(|line| line.split(" (").next());
    PathBuf::from(path.expect("it says where the package is"))
}

#[test]
fn it_is_what_a_package_should_be() {
    let dpkg_deb = |words: &[&str]| {
        let mut command = Command::new("dpkg-deb");
        run(command.args(words).arg(package()), PATIENCE).expect("dpkg-deb")
    };
    if !can_make_machines(&["dpkg-deb", "strip", "gzip", "shellcheck"]) {
        return;
    }
    let fields = dpkg_deb(&["--field"]);
    for field in [
        "Package: stockade\n",
        "Architecture: amd64\n",
        "Depends: libc6 (>= 2.",
    ] {
        assert!(fields.contains(field), "{fields}");
    }
    let version = concat!("Version: ", env!("CARGO_PKG_VERSION"), "-1\n");
    assert!(fields.contains(version), "{fields}");
    let contents = dpkg_deb(&["--contents"]);
    let files: Vec<(&str, &str, &str)> = contents
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [rights, owner, _, _, _, path, ..] = words.as_slice() else {
                return None;
            };
            Some((*path, *rights, *owner))
        })
        .collect();
    let expected = [
        ("./usr/bin/stockade", "-rwxr-xr-x"),
        ("./usr/lib/stockade/bin/fail2ban-client", "lrwxrwxrwx"),
        ("./usr/lib/systemd/system/stockade.service", "-rw-r--r--"),
        ("./usr/lib/systemd/system/stockade.socket", "-rw-r--r--"),
        ("./usr/lib/tmpfiles.d/stockade.conf", "-rw-r--r--"),
        ("./etc/init.d/stockade", "-rwxr-xr-x"),
        ("./usr/share/bash-completion/completions/stockade", "-rw-r--r--"),
        ("./usr/share/zsh/vendor-completions/_stockade", "-rw-r--r--"),
        (
            "./usr/share/fish/vendor_completions.d/stockade.fish",
            "-rw-r--r--",
        ),
        ("./usr/share/man/man1/stockade.1.gz", "-rw-r--r--"),
        ("./usr/share/man/man1/stockade-adopt.1.gz", "-rw-r--r--"),
        ("./usr/share/man/man5/stockade-jail.5.gz", "-rw-r--r--"),
        ("./usr/share/doc/stockade/copyright", "-rw-r--r--"),
        ("./usr/share/doc/stockade/changelog.Debian.gz", "-rw-r--r--"),
        ("./usr/share/doc/stockade/docs/installing.md", "-rw-r--r--"),
    ];
    for (path, rights) in expected {
        let found = files.iter().find(|file| file.0 == path);
        assert_eq!(found, Some(&(path, rights, "root/root")), "{contents}");
    }
    for (path, rights, owner) in &files {
        assert_eq!(*owner, "root/root", "{path}");
        assert!(
            !rights.get(1..).unwrap_or_default().contains('s'),
            "{path} gives rights"
        );
        assert!(
            !path.starts_with("./etc/fail2ban"),
            "{path} is the administrator's"
        );
        assert!(
            !path.starts_with("./usr/bin/fail2ban"),
            "{path} is another package's"
        );
    }
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
    for script in [
        "sysvinit/stockade",
        "openrc/stockade",
        "debian/postinst",
        "debian/prerm",
        "debian/postrm",
    ] {
        for checker in [["sh", "-n"], ["shellcheck", "--norc"]] {
            let [program, word] = checker;
            let said = run(
                Command::new(program).arg(word).arg(packaging.join(script)),
                PATIENCE,
            );
            assert!(said.succeeded(), "{program} of {script}: {said:?}");
        }
    }
}

#[test]
fn it_takes_over_and_gives_back_without_a_gap() {
    let Some(scene) = Scene::start(JAILS, "true") else {
        return;
    };
    scene.without_a_gap("installing", || scene.install());
    let bans = scene.banned();
    assert_eq!(bans.len(), 2 * BANNED.len(), "{bans:?}");
    let reference = scene.process();

    let plan = scene.sh("stockade adopt </dev/null").expect("a plan");
    assert!(plan.contains("Nothing has been done"), "{plan}");
    assert!(
        !scene.is_ours() && scene.process() == reference,
        "it only says what it would do"
    );

    // The rules of before, which must be there at every moment. A look that the kernel has interrupted tells nothing.
    let watch = scene.machine.inside(Command::new("sh").args([
        "-c",
        "while :; do said=$(nft get element inet f2b-table addr-set-sshd '{ 192.0.2.66 }' 2>&1 >/dev/null) \
         || case \"$said\" in *Interrupted*) ;; *) echo \"$said gone\" ;; esac; \
         iptables -C f2b-mine -s 192.0.2.66 -j REJECT || echo gone; echo looked; sleep 0.005; done",
    ]));
    let watching = spawn(&mut { watch }, &scene.machine.directory().join("watch"));
    let said = scene.without_a_gap("adopting", || scene.sh("stockade adopt --yes").expect("adopting"));
    let watched = watching.output();
    drop(watching);
    let looks = watched.matches("looked").count();
    assert!(
        looks > 10 && !watched.contains("gone"),
        "{looks} looks: {watched}"
    );
    assert!(scene.is_ours(), "{said}");
    assert_ne!(scene.process(), reference, "another process answers");
    assert_eq!(scene.banned(), bans, "ours has the bans of the reference");
    let status = scene.sh("fail2ban-client status sshd").expect("status");
    assert!(status.contains(ATTACKER), "{status}");
    let said = scene.sh("stockade verify");
    assert_eq!(said.status, 0, "{said:?}");
    let levels = scene.sh("ls /etc/rc2.d").stdout;
    assert!(
        levels.contains("S01stockade") && levels.contains("K01fail2ban"),
        "{levels}"
    );
    assert!(
        !scene.sh("nft list tables").stdout.contains("handover"),
        "nothing is left between"
    );
    let again = scene.sh("stockade adopt --yes").expect("adopting again");
    assert!(again.contains("has taken over already"), "{again}");

    scene.without_a_gap("going back", || {
        scene.sh("stockade adopt --undo --yes").expect("going back")
    });
    assert!(!scene.is_ours(), "the names are those of the reference again");
    assert_eq!(scene.banned(), bans, "the reference has them all");
    let levels = scene.sh("ls /etc/rc2.d").stdout;
    assert!(
        levels.contains("K01stockade") && levels.contains("S01fail2ban"),
        "{levels}"
    );
    assert!(
        !scene.sh("nft list tables").stdout.contains("handover"),
        "nothing is left between"
    );
    assert_eq!(scene.sh("dpkg-divert --list '*fail2ban-*'").stdout, "");
    let nothing = scene
        .sh("stockade adopt --undo --yes")
        .expect("there is nothing to take back");
    assert!(nothing.contains("nothing to take back"), "{nothing}");

    // Whoever removes the package gets back what it took over from.
    let _said = scene.sh("stockade adopt --yes").expect("adopting once more");
    assert!(scene.is_ours());
    scene.without_a_gap("removing", || {
        scene.sh("dpkg --remove stockade").expect("removing")
    });
    assert_eq!(scene.banned(), bans, "the reference has them all");
    let _said = scene.sh("dpkg --purge stockade").expect("purging");
    let left =
        "find / -xdev -name '*stockade*' ! -path '/tmp/*' ! -path '/var/lib/dpkg/*' ! -path '/var/log/*'";
    assert_eq!(scene.sh(left).stdout, "", "nothing of it is left");
    assert!(
        scene.sh("test -s /var/lib/fail2ban/fail2ban.sqlite3").succeeded(),
        "the database is"
    );
    assert_eq!(
        scene.sh("dpkg --verify fail2ban").stdout,
        "",
        "and the other package is whole"
    );
}

#[test]
fn it_works_with_a_service_manager_and_with_actions_of_any_kind() {
    let note = "[third]\nenabled = true\nfilter = sshd\nlogpath = /var/log/auth.log\naction = note\n";
    // The manager of this test is a script, to which the scripts of services must not be handed over.
    let prepare = "rm -f /lib/lsb/init-functions.d/40-systemd; mkdir -p /etc/systemd/system; \
         : > /etc/enabled.fail2ban; \
         printf '[Definition]\\nactionstart = echo start >> /var/log/noted\\nactionstop = echo stop >> /var/log/noted\\n\
         actionban = echo ban <ip> >> /var/log/noted\\nactionunban = echo unban <ip> >> /var/log/noted\\n' \
         > /etc/fail2ban/action.d/note.conf";
    let Some(scene) = Scene::start(&format!("{JAILS}{note}"), prepare) else {
        return;
    };
    scene.write("/usr/bin/systemctl", SYSTEMCTL);
    let _said = scene
        .sh("mkdir -p /run/systemd/system; chmod 0755 /usr/bin/systemctl; fail2ban-client set third banip 192.0.2.66")
        .expect("banning");
    scene.wait_for("the action", "grep -q 'ban 192.0.2.66' /var/log/noted");
    scene.install();
    let bans = scene.banned();
    let said = scene.without_a_gap("adopting", || scene.sh("stockade adopt --yes").expect("adopting"));
    assert!(scene.is_ours() && scene.banned() == bans, "{said}");
    scene.without_a_gap("going back", || {
        scene.sh("stockade adopt --undo --yes").expect("going back")
    });
    assert!(!scene.is_ours() && scene.banned() == bans);
    let calls = scene.sh("cat /var/log/systemctl").stdout;
    let calls: Vec<&str> = calls
        .lines()
        .filter(|call| !call.contains("daemon-reload") && !call.contains("reset-failed"))
        .collect();
    let expected = [
        "is-enabled --quiet fail2ban",
        "mask --quiet fail2ban.service",
        "start stockade.service",
        "enable --quiet stockade.service",
        "disable --quiet stockade.service",
        "unmask --quiet fail2ban.service",
        "is-enabled --quiet fail2ban",
        "start fail2ban.service",
    ];
    assert_eq!(calls, expected);
    // The action of the reference was told to end, then ours, and each has banned anew.
    scene.wait_for(
        "the action to ban a third time",
        "[ \"$(grep -c '^ban 192.0.2.66' /var/log/noted)\" = 3 ]",
    );
    assert_eq!(scene.sh("grep -c stop /var/log/noted").stdout.trim(), "2");
}

#[test]
fn what_cannot_be_done_is_taken_back() {
    let Some(scene) = Scene::start(JAILS, "true") else {
        return;
    };
    scene.install();
    let bans = scene.banned();
    let refused = [
        (
            "a mistake in the configuration",
            "echo '[broken' > /etc/fail2ban/jail.d/x.local",
            "rm /etc/fail2ban/jail.d/x.local",
            "stockade check",
        ),
        (
            "a later database",
            "python3 -c \"import sqlite3; c = sqlite3.connect('/var/lib/fail2ban/fail2ban.sqlite3'); c.execute('update fail2banDb set version = 9'); c.commit()\"",
            "python3 -c \"import sqlite3; c = sqlite3.connect('/var/lib/fail2ban/fail2ban.sqlite3'); c.execute('update fail2banDb set version = 4'); c.commit()\"",
            "dbfile",
        ),
    ];
    for (name, spoil, mend, hint) in refused {
        let _said = scene.sh(spoil).expect("spoiling");
        let before = scene.process();
        let said = scene.sh("stockade adopt --yes");
        assert_eq!(said.status, 1, "{name}: {said:?}");
        assert!(said.stderr.contains(hint), "{name}: {said:?}");
        assert_eq!(scene.process(), before, "{name}: nothing has changed");
        assert!(!scene.is_ours(), "{name}");
        let _said = scene.sh(mend).expect("mending");
    }
    // Ours is not to be started.
    let _said = scene
        .sh("printf '#!/bin/sh\\necho no such luck\\nexit 1\\n' > /etc/init.d/stockade")
        .expect("spoiling");
    let said = scene.without_a_gap("an adoption that fails", || scene.sh("stockade adopt --yes"));
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.stderr.contains("no such luck"), "{said:?}");
    assert!(!scene.is_ours(), "{said:?}");
    assert_eq!(scene.banned(), bans, "{said:?}");
    assert!(
        !scene.sh("nft list tables").stdout.contains("handover"),
        "{said:?}"
    );
}
