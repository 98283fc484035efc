//! The daemon beside this program, and the reference, at work in a place of their own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use stockade_sys::nftables::{Family, Set};

use crate::Trouble;

/// How long anything may take before it counts as never.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The set of the jail `sshd`, by ours and by the reference alike.
pub(crate) const SET: Set<'static> = Set {
    table: "f2b-table",
    name: "addr-set-sshd",
    family: Family::Inet4,
    interval: false,
};

/// The directory of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Lays our configuration out below `place`, with this `jail.local`, in which `PLACE` stands for the place.
pub(crate) fn configure(place: &Path, jail_local: &str) -> Result<(), Trouble> {
    lay_out(&repository().join("config"), place, jail_local)
}

/// The same with the reference's configuration.
pub(crate) fn configure_reference(place: &Path, jail_local: &str) -> Result<(), Trouble> {
    lay_out(
        &repository().join("target/reference/etc/fail2ban"),
        place,
        jail_local,
    )
}

/// One of the reference's programs.
pub(crate) fn reference_program(name: &str) -> Command {
    let reference = repository().join("target/reference");
    let mut command = Command::new("/usr/bin/python3");
    command
        .env("PYTHONPATH", reference.join("usr/lib/python3/dist-packages"))
        .arg(reference.join("usr/bin").join(name));
    command
}

fn lay_out(configuration: &Path, place: &Path, jail_local: &str) -> Result<(), Trouble> {
    let etc = place.join("etc");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(configuration)
        .arg(&etc)
        .status()?;
    if !copied.success() {
        return Err(format!("{} cannot be copied", configuration.display()).into());
    }
    let at = place.display();
    let server = format!(
        "[DEFAULT]\nlogtarget = {at}/log\nsocket = {at}/socket\npidfile = {at}/pid\ndbfile = {at}/db\n"
    );
    fs::write(etc.join("fail2ban.local"), server)?;
    fs::write(
        etc.join("jail.local"),
        jail_local.replace("PLACE", &at.to_string()),
    )?;
    File::create(place.join("auth.log"))?;
    Ok(())
}

/// A daemon at work, until this is dropped.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts ours on a place that was configured, and waits until its jail watches.
    pub(crate) fn start(place: &Path) -> Result<Self, Trouble> {
        let daemon = Self::spawn(place)?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if fs::read_to_string(place.join("log")).is_ok_and(|log| log.contains("Jail 'sshd' started")) {
                return Ok(daemon);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err("the daemon did not start".into())
    }

    /// Starts ours, and waits for nothing.
    pub(crate) fn spawn(place: &Path) -> Result<Self, Trouble> {
        let binary = std::env::current_exe()?.with_file_name("stockade");
        if !binary.is_file() {
            return Err(format!("{}: build it first, in the same profile", binary.display()).into());
        }
        let mut command = Command::new(binary);
        command.arg("run").arg("-c").arg(place.join("etc"));
        Ok(Self(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }

    /// Starts the reference, and waits for nothing.
    pub(crate) fn spawn_reference(place: &Path) -> Result<Self, Trouble> {
        let mut command = reference_program("fail2ban-server");
        command.arg("-xf").arg("-c").arg(place.join("etc")).arg("start");
        let quiet = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self(quiet.spawn()?))
    }

    /// How often its threads have been put on a processor since they began.
    pub(crate) fn wakeups(&self) -> Result<u64, Trouble> {
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            let counts = status.lines().filter_map(|line| {
                let (name, count) = line.split_once(':')?;
                name.ends_with("voluntary_ctxt_switches")
                    .then(|| count.trim().parse::<u64>().ok())
                    .flatten()
            });
            total += counts.sum::<u64>();
        }
        Ok(total)
    }
}

impl Daemon {
    /// What it has in memory, in kilobytes.
    pub(crate) fn memory(&self) -> Result<u64, Trouble> {
        resident(&self.0.id().to_string())
    }

    /// The same of its first child.
    pub(crate) fn memory_of_helper(&self) -> Result<Option<u64>, Trouble> {
        let id = self.0.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        children.split_whitespace().next().map(resident).transpose()
    }
}

/// What a process has in memory, in kilobytes.
pub(crate) fn resident(process: &str) -> Result<u64, Trouble> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number
        .ok_or("the kernel does not say how much memory is used")?
        .parse()?)
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
