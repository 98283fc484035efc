//! A machine on which the commands of a page are run: our programs are installed, and nothing is configured.
//!
//! `systemctl` is a stand-in that does for the services `stockade` and `fail2ban` what their units say, as far as
//! starting, stopping and reloading go.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use stockade_conformance::{Machine, Ran, Subject, run};

use super::page::{Block, Exchange, Kind};
use super::printed::is_as_shown;

/// How long a script may take.
const LIMIT: Duration = Duration::from_secs(90);

/// How often a command is asked again that only looks, until it prints what is shown.
const LOOKS: usize = 100;

/// What a script can use: `start` and `wait_for` are for what happens behind the reader's back.
const PRELUDE: &str = "\
wait_for() { n=0; until \"$@\" >/dev/null 2>&1; do n=$((n + 1)); \
if [ $n -gt 300 ]; then echo \"waited in vain for: $*\" >&2; tail -n 20 /var/log/fail2ban.log /run/service.said >&2; return 1; fi; sleep 0.1; done; }
";

/// What the service manager does, for what a page asks it for.
const SYSTEMCTL: &str = r#"#!/bin/sh
# systemctl [enable|disable|start|stop|restart|reload|is-active] [--now] SERVICE
verb= now= service=
for word; do
    case $word in
        --now) now=yes ;;
        -*) ;;
        *) if [ -z "$verb" ]; then verb=$word; else service=${word%.service}; fi ;;
    esac
done
pid=/run/service.$service
# Nobody waits for it, so that what has ended is still there.
alive() { [ -e "$pid" ] && grep -qs '^State:.[^ZX]' "/proc/$(cat "$pid")/status"; }
begin() {
    mkdir -p /run/fail2ban /var/lib/fail2ban
    case $service in
        stockade) command=$(sed -n 's/^ExecStart=//p' "UNIT") ;;
        fail2ban) command=$(command -v reference-server) || exit 5; command="$command -xf start" ;;
        *) exit 5 ;;
    esac
    setsid sh -c 'echo $$ > "$0"; exec $1' "$pid" "$command" </dev/null >> /run/service.said 2>&1 &
    n=0
    until fail2ban-client ping > /dev/null 2>&1; do
        n=$((n + 1))
        [ $n -lt 600 ] || { cat /run/service.said >&2; exit 1; }
        sleep 0.1
    done
}
end() {
    if ! alive; then return; fi
    kill "$(cat "$pid")"
    while alive; do sleep 0.05; done
    rm -f "$pid"
}
case $verb in
    enable) [ -z "$now" ] || begin ;;
    disable) [ -z "$now" ] || end ;;
    start) alive || begin ;;
    stop) end ;;
    restart) end; begin ;;
    reload) command=$(sed -n 's/^ExecReload=//p' "UNIT"); $command ;;
    is-active) if alive; then echo active; else echo inactive; exit 3; fi ;;
    *) echo "the stand-in for systemctl cannot do this: $*" >&2; exit 1 ;;
esac
"#;

pub(crate) struct Place {
    machine: Machine,
    bin: PathBuf,
    has_reference: bool,
}

impl Place {
    pub(crate) fn new() -> Self {
        let machine = Machine::start("host.example");
        let bin = machine.directory().join("bin");
        fs::create_dir(&bin).expect("a directory of our own");
        let ours = Subject::stockade();
        let programs = Path::new(ours.get_program())
            .parent()
            .expect("programs lie in a directory");
        for program in ["stockade", "fail2ban-client", "fail2ban-server", "fail2ban-regex"] {
            symlink(programs.join(program), bin.join(program)).expect("a link of our own");
        }
        let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd/stockade.service");
        let unit = fs::read_to_string(unit).expect("the package has a unit");
        let unit = unit.replace("/usr/bin/", &format!("{}/", bin.display()));
        let copy = machine.directory().join("stockade.service");
        fs::write(&copy, unit).expect("a file of our own");
        let systemctl = SYSTEMCTL.replace("UNIT", &copy.display().to_string());
        let place = Self {
            machine,
            bin,
            has_reference: false,
        };
        place.install("systemctl", &systemctl);
        // No service of the host's has its jail switch itself on.
        let _said = place.run(
            "rm -rf /etc/init.d /etc/systemd/system\n\
             for units in /usr/lib/systemd/system /lib/systemd/system; do\n\
             [ ! -d $units ] || mount -t tmpfs tmpfs $units; done\n\
             : > /var/log/auth.log",
        );
        place
    }

    /// Puts a script among the programs.
    pub(crate) fn install(&self, name: &str, script: &str) {
        let path = self.bin.join(name);
        fs::write(&path, script).expect("a file of our own");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a file of our own");
    }

    /// The reference as its package would have it: its server under the name `reference-server`, and its
    /// configuration in `/etc/fail2ban`.
    pub(crate) fn install_reference(&mut self) {
        self.has_reference = true;
        let server = Subject::Reference.compatible_server();
        let mut script = "#!/bin/sh\n".to_owned();
        for (name, value) in server.get_envs() {
            let value = value.unwrap_or_default().to_string_lossy();
            script.push_str(&format!("export {}='{value}'\n", name.to_string_lossy()));
        }
        script.push_str(&format!("exec '{}'", server.get_program().to_string_lossy()));
        for argument in server.get_args() {
            script.push_str(&format!(" '{}'", argument.to_string_lossy()));
        }
        script.push_str(" \"$@\"\n");
        self.install("reference-server", &script);
        let package = Subject::package_configuration();
        let _said = self.run(&format!("cp -r '{}' /etc/fail2ban", package.display()));
    }

    /// Runs a script with both outputs in one, as a terminal has them.
    fn run(&self, script: &str) -> Ran {
        let mut command = Command::new("sh");
        command.args(["-ec", &format!("exec 2>&1\n{PRELUDE}\n{script}")]);
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.bin.display());
        command
            .env("PATH", path)
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", "/root")
            .env("NO_COLOR", "1")
            .env_remove("TZ");
        run(&mut self.machine.inside(&command), LIMIT)
    }

    /// Tries a block; what is wrong with it.
    pub(crate) fn attempt(&self, block: &Block) -> Option<String> {
        let line = block.line;
        match &block.kind {
            Kind::Script { text, .. } => {
                let ran = self.run(text);
                (!ran.succeeded()).then(|| {
                    format!(
                        "{line}: a command ends with {}:\n{text}--- it says:\n{}",
                        ran.status, ran.stdout
                    )
                })
            }
            Kind::Unrun { reason, text } if reason == "endless" => self
                .begin(text)
                .map(|wrong| format!("{line}: what should go on until it is ended does not: {wrong}")),
            Kind::Unrun { reason, text } => self
                .look_at(text)
                .map(|wrong| format!("{line}: what is not run (`{reason}`) is wrong besides: {wrong}")),
            Kind::Session(exchanges) => exchanges
                .iter()
                .find_map(|exchange| self.hold(exchange))
                .map(|wrong| format!("{line}: {wrong}")),
            Kind::File { path, text, is_wrong } => self
                .configure(path, text, *is_wrong)
                .map(|wrong| format!("{line}: {wrong}")),
        }
    }

    /// Commands that do not end by themselves: each has to be at work after a while, and is ended then.
    fn begin(&self, text: &str) -> Option<String> {
        /// What `timeout` says where it had to end the command.
        const AT_WORK: i32 = 124;
        text.lines().find_map(|line| {
            let ran = self.run(&format!("timeout 3 {line}"));
            (ran.status != AT_WORK).then(|| format!("`{line}` ends with {}\n{}", ran.status, ran.stdout))
        })
    }

    /// A script that is not run: its syntax, and the words and options of `stockade`.
    fn look_at(&self, text: &str) -> Option<String> {
        let quoted = text.replace('\'', r"'\''");
        let ran = self.run(&format!("printf '%s' '{quoted}' | sh -n"));
        if !ran.succeeded() {
            return Some(ran.stdout);
        }
        let commands = text
            .lines()
            .filter_map(|line| line.trim().split_once("stockade "));
        for (before, arguments) in commands {
            if !(before.is_empty() || before.ends_with("sudo ")) {
                continue;
            }
            let arguments = arguments
                .split(['#', '|', '&', '>', ';'])
                .next()
                .unwrap_or_default();
            let ran = self.run(&format!("stockade {arguments} --help"));
            if !ran.succeeded() {
                return Some(ran.stdout);
            }
        }
        None
    }

    /// Runs a command and compares what it prints; one that only looks is asked again for a while.
    fn hold(&self, exchange: &Exchange) -> Option<String> {
        let Exchange { command, printed } = exchange;
        let looks = [
            "stockade status",
            "stockade banned",
            "stockade verify",
            "stockade jail list",
            "stockade jail show",
            "grep ",
            "tail ",
            "nft list",
            "nft -s list",
            "iptables -S",
            "ipset list",
            "fail2ban-client status",
            "fail2ban-client banned",
            "fail2ban-client get",
            "ip netns exec",
            "ip -4 route show",
            "ip -6 route show",
            "systemctl is-active",
        ];
        let only_looks = looks.iter().any(|look| command.starts_with(look));
        let mut last = String::new();
        for _ in 0..if only_looks { LOOKS } else { 1 } {
            last = self.run(command).stdout;
            if is_as_shown(printed, &last) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(format!("`{command}` prints\n{last}--- not\n{printed}"))
    }

    /// Puts a file into the configuration, and has it checked.
    fn configure(&self, path: &str, text: &str, is_wrong: bool) -> Option<String> {
        /// A jail for what no jail may use yet; it ends with the check.
        const SCRATCH: &str = "/etc/fail2ban/jail.d/zz-scratch.local";
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let quoted = text.replace('\'', r"'\''");
        let written = self.run(&format!(
            "mkdir -p '/etc/fail2ban/{directory}' /etc/fail2ban/jail.d\nprintf '%s' '{quoted}' > '/etc/fail2ban/{path}'"
        ));
        if !written.succeeded() {
            return Some(written.stdout);
        }
        let part = path.strip_suffix(".conf").or_else(|| path.strip_suffix(".local"));
        let scratch = part.and_then(|part| match part.split_once('/')? {
            ("filter.d", name) => Some(format!("filter = {name}\naction = dummy")),
            ("action.d", name) => Some(format!("filter = sshd\naction = {name}")),
            _ => None,
        });
        if let Some(scratch) = &scratch {
            let jail =
                format!("[scratch]\nenabled = true\nbackend = polling\nlogpath = /dev/null\n{scratch}\n");
            let _said = self.run(&format!("printf '%s' '{jail}' > {SCRATCH}"));
        }
        let ran = self.run("mkdir -p /var/run/fail2ban; stockade check --strict");
        if scratch.is_some() {
            let _said = self.run(&format!("rm {SCRATCH}"));
        }
        (ran.succeeded() == is_wrong).then(|| {
            // What others have written is nobody's business here.
            let about_others = |line: &&str| line.contains("/etc/fail2ban/") && !line.contains(path);
            let said: Vec<&str> = match ran.stdout.lines().find(about_others) {
                Some(_) if self.has_reference => ran.stdout.lines().rev().take(1).collect(),
                Some(_) | None => ran.stdout.lines().collect(),
            };
            format!(
                "`stockade check` of {path} ends with {}:\n{}",
                ran.status,
                said.join("\n")
            )
        })
    }
}
