//! Which files the helper opens for the daemon.
//!
//! In: a path. Out: the file it leads to, open, or an error of the system.
//!
//! Invariant: what is decided about is what is opened: a file is held first, then looked at, then opened through what
//! is held, so that nothing can be put in its place in between.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open};
use rustix::io::Errno;

use crate::source::{LocalAddress, LocalSocket};

/// Where no logs are. What stands there is given only where everyone on the machine may read it.
const NO_LOGS: [&str; 5] = ["/etc", "/proc", "/sys", "/dev", "/boot"];
/// Directories of secrets, wherever they are.
const SECRETS: [&str; 4] = [".ssh", ".gnupg", ".aws", ".kube"];
/// Where new logs of our own may be made that were not named when the daemon was started.
const LOGS: &str = "/var/log";

/// What the helper was told when the daemon gave up its rights.
#[derive(Debug, Clone, Default)]
pub(super) struct Policy {
    /// The logs of the daemon.
    pub(super) targets: Vec<PathBuf>,
    /// The directory of the configuration, where one was named.
    pub(super) configuration: Option<PathBuf>,
}

impl Policy {
    /// Opens a file to be read, unless it is a secret of the machine and no log.
    pub(super) fn open(&self, path: &Path) -> io::Result<OwnedFd> {
        let held = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let stat = fstat(&held)?;
        let real = real_path(&held)?;
        if !self.may_be_read(&real, &stat) {
            return Err(Errno::ACCESS.into());
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(open(through(&held), flags, Mode::empty())?)
    }

    fn may_be_read(&self, real: &Path, stat: &Stat) -> bool {
        let is_log = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::Fifo => true,
            // The daemon may list it by itself.
            FileType::Directory => return true,
            FileType::CharacterDevice => return real == Path::new("/dev/null"),
            FileType::Symlink | FileType::Socket | FileType::BlockDevice | FileType::Unknown => false,
        };
        if !is_log {
            return false;
        }
        if let Some(configuration) = &self.configuration
            && real.starts_with(configuration)
        {
            return true;
        }
        is_public(real, stat) || !is_secret(real)
    }

    /// Opens a log of the daemon itself.
    pub(super) fn append(&self, path: &Path) -> io::Result<OwnedFd> {
        if self.targets.iter().any(|target| target == path) {
            return append(path).map(OwnedFd::from);
        }
        // A new one is made beside those that are there, or where logs are; never in place of something else.
        let parent = path.parent().map(Path::canonicalize).transpose()?;
        let beside = self
            .targets
            .iter()
            .filter_map(|target| target.parent()?.canonicalize().ok());
        let is_place_of_logs = parent.is_some_and(|parent| {
            parent.starts_with(LOGS) || beside.into_iter().any(|beside| beside == parent)
        });
        let is_link = path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
        if !is_place_of_logs || is_link {
            return Err(Errno::ACCESS.into());
        }
        append(path).map(OwnedFd::from)
    }
}

/// Opens a log to be appended to, for its owner alone where it is new.
pub(super) fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Makes a socket for reports or for messages of syslog, where sockets may be. Its name stays when it is closed; the next
/// one clears it away.
pub(super) fn bind(address: &Path) -> io::Result<OwnedFd> {
    let text = address.to_str().ok_or(Errno::INVAL)?;
    let address = LocalAddress::parse(text, 0o600).map_err(|_| Errno::INVAL)?;
    let path = address.path();
    if is_secret(path) && path != Path::new("/dev/log") {
        return Err(Errno::ACCESS.into());
    }
    LocalSocket::bind(&address)?.leave()
}

/// Whether nobody on the machine is kept from reading a file.
fn is_public(real: &Path, stat: &Stat) -> bool {
    let may_read = Mode::from_raw_mode(stat.st_mode).contains(Mode::ROTH);
    may_read
        && real.ancestors().skip(1).all(|directory| {
            let found = directory.metadata();
            found.is_ok_and(|found| Mode::from_raw_mode(found.mode()).contains(Mode::XOTH))
        })
}

/// Whether a file that not everyone may read is likely to be anything but a log.
fn is_secret(real: &Path) -> bool {
    NO_LOGS.iter().any(|place| real.starts_with(place))
        || real.components().any(|part| {
            SECRETS
                .iter()
                .any(|secret| part.as_os_str() == OsStr::new(secret))
        })
}

/// A way to what is held, whatever has its name by now.
fn through(held: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()))
}

/// Where what is held is, without symbolic links.
fn real_path(held: &OwnedFd) -> io::Result<PathBuf> {
    std::fs::read_link(through(held))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn logs_are_given_and_secrets_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for (name, mode) in [
            ("private.log", 0o600),
            ("public.log", 0o644),
            (".ssh/id", 0o600),
            ("etc/secret", 0o600),
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        symlink("/etc/shadow", root.join("shadow.log")).unwrap();
        symlink("private.log", root.join("link.log")).unwrap();
        symlink("/etc", root.join("beyond")).unwrap();
        let policy = Policy {
            configuration: Some(root.join(".ssh")),
            ..Policy::default()
        };
        let strict = Policy::default();
        for (name, path, policy, given) in [
            ("a log of root", "private.log", &strict, true),
            ("a log of everyone", "public.log", &strict, true),
            ("by a link", "link.log", &strict, true),
            ("a name that only looks like it", "etc/secret", &strict, true),
            ("a key", ".ssh/id", &strict, false),
            ("the configuration", ".ssh/id", &policy, true),
            ("a link to passwords", "shadow.log", &strict, false),
            ("passwords through a directory", "beyond/shadow", &strict, false),
            ("passwords", "/etc/shadow", &strict, false),
            ("what everyone may read", "/etc/passwd", &strict, true),
            ("a device", "/dev/zero", &strict, false),
            ("the device that has nothing", "/dev/null", &strict, true),
            ("the memory of a process", "/proc/self/mem", &strict, false),
        ] {
            assert_eq!(policy.open(&root.join(path)).is_ok(), given, "{name}");
        }
    }

    #[test]
    fn our_log_is_opened_where_it_was_and_where_logs_are() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir(root.join("elsewhere")).unwrap();
        fs::write(root.join("precious"), "").unwrap();
        symlink("elsewhere/planted", root.join("link.log")).unwrap();
        let policy = Policy {
            targets: vec![root.join("f2b.log")],
            ..Policy::default()
        };
        for (name, path, given) in [
            ("the same", "f2b.log", true),
            ("another beside it", "new.log", true),
            ("elsewhere", "elsewhere/new.log", false),
            ("by a link", "link.log", false),
            ("in a directory that is not there", "none/new.log", false),
            ("a table of jobs", "/etc/crontab.d", false),
        ] {
            assert_eq!(policy.append(&root.join(path)).is_ok(), given, "{name}");
        }
        let beyond = policy.append(Path::new("/tmp/../etc/stockade.log"));
        assert!(beyond.is_err());
    }
}
