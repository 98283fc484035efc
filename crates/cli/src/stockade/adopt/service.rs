//! The services of the machine, ours and the reference's, under whatever starts them.
//!
//! In: what is to become of a service. Out: the calls of `systemctl`, of `rc-service` and `rc-update`, or of the scripts
//! in `/etc/init.d` and `update-rc.d`; where there is nothing of that kind, the programs themselves.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a service may take to come or go: one with many thousand bans takes its time.
const LIMIT: Duration = Duration::from_secs(120);

/// How often is looked whether it has.
const PAUSE: Duration = Duration::from_millis(20);

/// The names of the services.
pub(super) const REFERENCE: &str = "fail2ban";
pub(super) const OURS: &str = "stockade";

/// What could not be done, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(in crate::stockade) struct Failed(String);

impl Failed {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn file(path: &Path, what: &str, error: &io::Error) -> Self {
        Self(format!("{} cannot {what}: {error}", path.display()))
    }
}

/// What starts the services of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Init {
    Systemd,
    OpenRc,
    /// Scripts in `/etc/init.d`.
    Scripts,
    /// Whoever feels like it.
    Nobody,
}

impl Init {
    /// What this machine has.
    pub(super) fn of_machine() -> Self {
        if Path::new("/run/systemd/system").is_dir() {
            Self::Systemd
        } else if Path::new("/run/openrc").is_dir() {
            Self::OpenRc
        } else if script(OURS).exists() || script(REFERENCE).exists() {
            Self::Scripts
        } else {
            Self::Nobody
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::OpenRc => "OpenRC",
            Self::Scripts => "the scripts in /etc/init.d",
            Self::Nobody => "no service manager that stockade knows",
        }
    }

    /// Whether a service is started with the machine.
    pub(super) fn is_enabled(self, service: &str) -> bool {
        match self {
            Self::Systemd => says(Command::new("systemctl").args(["is-enabled", "--quiet", service])),
            Self::OpenRc => has_entry(Path::new("/etc/runlevels/default"), |name| name == service),
            Self::Scripts => ["/etc/rc2.d", "/etc/rc3.d", "/etc/rc.d/rc3.d"]
                .iter()
                .any(|level| {
                    has_entry(Path::new(level), |name| {
                        name.strip_prefix('S')
                            .and_then(|name| name.get(2..))
                            .is_some_and(|name| name == service)
                    })
                }),
            Self::Nobody => false,
        }
    }

    /// Sees to it that the reference's service is not started, by nobody and with nothing.
    pub(super) fn disable_reference(self) -> Result<(), Failed> {
        match self {
            // Disabled, it could still be started by whatever wants it.
            Self::Systemd => run(systemctl(&["mask", "--quiet"]).arg(unit(REFERENCE)))
                // A unit of the administrator's own, in /etc, cannot be masked.
                .or_else(|_| self.disable(REFERENCE)),
            Self::OpenRc | Self::Scripts => self.disable(REFERENCE),
            Self::Nobody => Ok(()),
        }
    }

    /// The reverse.
    pub(super) fn enable_reference(self, enabled: bool) -> Result<(), Failed> {
        match self {
            Self::Systemd => {
                run(systemctl(&["unmask", "--quiet"]).arg(unit(REFERENCE)))?;
                if enabled && !self.is_enabled(REFERENCE) {
                    self.enable(REFERENCE)?;
                }
                Ok(())
            }
            Self::OpenRc | Self::Scripts if enabled => self.enable(REFERENCE),
            Self::OpenRc | Self::Scripts | Self::Nobody => Ok(()),
        }
    }

    /// Has a service started with the machine.
    pub(super) fn enable(self, service: &str) -> Result<(), Failed> {
        match self {
            Self::Systemd => run(systemctl(&["enable", "--quiet"]).arg(unit(service))),
            Self::OpenRc => run(Command::new("rc-update").args(["--quiet", "add", service, "default"])),
            Self::Scripts if has_program("update-rc.d") => {
                run(Command::new("update-rc.d").args([service, "defaults"]))?;
                run(Command::new("update-rc.d").args([service, "enable"]))
            }
            Self::Scripts if has_program("chkconfig") => run(Command::new("chkconfig").args([service, "on"])),
            Self::Scripts | Self::Nobody => Ok(()),
        }
    }

    /// Has a service no more started with the machine.
    pub(super) fn disable(self, service: &str) -> Result<(), Failed> {
        match self {
            Self::Systemd => run(systemctl(&["disable", "--quiet"]).arg(unit(service))),
            Self::OpenRc if self.is_enabled(service) => {
                run(Command::new("rc-update").args(["--quiet", "del", service, "default"]))
            }
            Self::OpenRc => Ok(()),
            Self::Scripts if !script(service).exists() => Ok(()),
            Self::Scripts if has_program("update-rc.d") => {
                run(Command::new("update-rc.d").args([service, "disable"]))
            }
            Self::Scripts if has_program("chkconfig") => {
                run(Command::new("chkconfig").args([service, "off"]))
            }
            Self::Scripts | Self::Nobody => Ok(()),
        }
    }

    /// Starts the reference, or us. Returns when that is done, though the daemon may not answer yet.
    pub(super) fn start(self, service: &str) -> Result<(), Failed> {
        match self {
            Self::Systemd => {
                // One that was killed counts as failed, and as started too often if that happens again.
                let _known = says(systemctl(&["reset-failed"]).arg(unit(service)));
                run(systemctl(&["start"]).arg(unit(service)))
            }
            Self::OpenRc => run(Command::new("rc-service").args([service, "start"])),
            Self::Scripts if script(service).exists() => run(Command::new(script(service)).arg("start")),
            Self::Scripts | Self::Nobody if service == OURS => {
                let own = std::env::current_exe().map_err(|error| Failed(error.to_string()))?;
                run(Command::new(own).arg0("fail2ban-client").arg("start"))
            }
            Self::Scripts | Self::Nobody => run(Command::new("fail2ban-client").arg("start")),
        }
    }

    /// Waits until the manager, too, knows that a service has ended, so that what it does then does not meet the next
    /// one's files and socket.
    pub(super) fn settle(self, service: &str) {
        let deadline = Instant::now() + LIMIT;
        while self == Self::Systemd && Instant::now() < deadline {
            let output = systemctl(&["is-active"]).arg(unit(service)).output();
            let state = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
            if !state.is_ok_and(|state| ["active", "deactivating", "reloading"].contains(&state.as_str())) {
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}

fn unit(service: &str) -> String {
    format!("{service}.service")
}

fn script(service: &str) -> std::path::PathBuf {
    Path::new("/etc/init.d").join(service)
}

fn systemctl(words: &[&str]) -> Command {
    let mut command = Command::new("systemctl");
    command.args(words);
    command
}

fn has_program(name: &str) -> bool {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|directory| Path::new(directory).join(name).exists())
}

fn has_entry(directory: &Path, matches: impl Fn(&str) -> bool) -> bool {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| matches(&entry.file_name().to_string_lossy()))
}

/// Runs a program; whether it succeeded.
fn says(command: &mut Command) -> bool {
    let silent = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// Runs a program that has to succeed. It may leave a daemon behind, which inherits nothing of ours.
pub(super) fn run(command: &mut Command) -> Result<(), Failed> {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words = words.join(" ");
    let complaint = tempfile().map_err(|error| Failed(format!("`{words}` cannot be run: {error}")))?;
    let complaint_to = |file: &fs::File| file.try_clone().map_or_else(|_| Stdio::null(), Stdio::from);
    let status = command
        .stdin(Stdio::null())
        .stdout(complaint_to(&complaint))
        .stderr(complaint_to(&complaint))
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let said = said(&complaint);
            Err(Failed(format!("`{words}` failed with {status}{said}")))
        }
        Err(error) => Err(Failed(format!("`{words}` cannot be run: {error}"))),
    }
}

/// A file without a name: a daemon that a script starts may hold it for ever, where a pipe would never come to its end.
fn tempfile() -> io::Result<fs::File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(fs::File::from(memfd_create("said", MemfdFlags::CLOEXEC)?))
}

/// The end of what a program has said.
fn said(file: &fs::File) -> String {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; 4096];
    let length = file.read_at(&mut bytes, 0).unwrap_or_default();
    bytes.truncate(length);
    let text = String::from_utf8_lossy(&bytes).trim().replace('\n', "\n  ");
    if text.is_empty() {
        text
    } else {
        format!(":\n  {text}")
    }
}

/// Waits until something holds.
pub(super) fn wait_for(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(PAUSE);
    }
}
