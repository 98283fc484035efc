//! Which files a process can open, make and remove (`landlock(7)`).
//!
//! In: paths with what may be done there. Out: a ruleset that threads can be bound to.
//!
//! Invariant: whatever no rule allows is refused, as far as the kernel's version knows of it.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_REG: u64 = 1 << 8;
const MAKE_SOCK: u64 = 1 << 9;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;
/// What can be said of a file that is no directory.
const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/// The kind of rule that says what may be done below a path.
const PATH_BENEATH: u32 = 1;
/// Asks for the version instead of making a ruleset.
const VERSION_ONLY: u32 = 1;
/// Sockets in the abstract name space, and signals, of processes that are not confined so.
const SCOPES: u64 = 0b11;

/// What may be done at a path and below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Directories can be listed.
    List,
    /// Files can be read, and directories listed.
    Read,
    /// Files that are there can be read and written.
    Write,
    /// Files can be removed, sockets too.
    Remove,
    /// Files can be made, read, written and removed.
    Own,
}

impl Access {
    const fn bits(self) -> u64 {
        match self {
            Self::List => READ_DIR,
            Self::Read => READ_DIR | READ_FILE,
            Self::Write => READ_DIR | READ_FILE | WRITE_FILE,
            Self::Remove => READ_DIR | READ_FILE | REMOVE_FILE,
            Self::Own => READ_DIR | READ_FILE | WRITE_FILE | TRUNCATE | REMOVE_FILE | MAKE_REG | MAKE_SOCK,
        }
    }
}

/// What a version of the kernel's knows of.
const fn known(version: u32) -> (u64, u64) {
    let files = match version {
        1 => 1 << 13,
        2 => 1 << 14,
        3 | 4 => 1 << 15,
        _ => 1 << 16,
    };
    let scopes = if version >= 6 { SCOPES } else { 0 };
    (files - 1, scopes)
}

#[repr(C)]
#[derive(Default)]
struct RulesetAttributes {
    files: u64,
    network: u64,
    scopes: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// Rules that threads can be bound to.
#[derive(Debug)]
pub(super) struct Ruleset {
    fd: OwnedFd,
    version: u32,
}

impl Ruleset {
    /// Makes a ruleset of what may be done where.
    pub(super) fn new(paths: &[(PathBuf, Access)]) -> io::Result<Self> {
        let version = u32::try_from(create(None, VERSION_ONLY)?).unwrap_or(0);
        let (files, scopes) = known(version);
        let attributes = RulesetAttributes {
            files,
            network: 0,
            scopes,
        };
        let fd = owned(create(Some(&attributes), 0)?);
        let ruleset = Self { fd, version };
        for (path, access) in paths {
            ruleset.allow(path, access.bits() & files)?;
        }
        Ok(ruleset)
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub(super) const fn version(&self) -> u32 {
        self.version
    }

    /// What is not there cannot be allowed, and needs no rule.
    fn allow(&self, path: &Path, allowed: u64) -> io::Result<()> {
        let Ok(place) = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else {
            return Ok(());
        };
        let is_directory = FileType::from_raw_mode(fstat(&place)?.st_mode) == FileType::Directory;
        let allowed = if is_directory { allowed } else { allowed & OF_FILES };
        let rule = PathBeneath {
            allowed,
            parent: place.as_raw_fd(),
        };
        add(self.fd.as_raw_fd(), &rule)
    }
}

#[expect(unsafe_code, reason = "the library has no safe face for this call")]
fn create(attributes: Option<&RulesetAttributes>, flags: u32) -> io::Result<i64> {
    let (pointer, size) = match attributes {
        // An older kernel takes a longer structure, if what it does not know of is zero.
        Some(attributes) => (std::ptr::from_ref(attributes), size_of::<RulesetAttributes>()),
        None => (std::ptr::null(), 0),
    };
    // SAFETY: the pointer is to a structure of the kernel's own layout and of that size, or null with no size.
    let outcome = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, pointer, size, flags) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(outcome)
}

#[expect(unsafe_code, reason = "the kernel gives descriptors as numbers")]
fn owned(number: i64) -> OwnedFd {
    // SAFETY: the kernel has just opened it for this caller, and nobody else knows its number.
    unsafe { OwnedFd::from_raw_fd(RawFd::try_from(number).unwrap_or(RawFd::MAX)) }
}

#[expect(unsafe_code, reason = "the library has no safe face for this call")]
fn add(ruleset: RawFd, rule: &PathBeneath) -> io::Result<()> {
    // SAFETY: the rule has the kernel's own layout for its kind and outlives the call, which only reads it.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset,
            PATH_BENEATH,
            std::ptr::from_ref(rule),
            0,
        )
    };
    super::threads::outcome(outcome)
}

/// Binds the calling thread. Makes one system call and nothing else, for it runs in the handler of a signal.
#[expect(unsafe_code, reason = "the library has no safe face for this call")]
pub(super) fn restrict(ruleset: RawFd) -> io::Result<()> {
    // SAFETY: the call takes two numbers and touches no memory.
    let outcome = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) };
    super::threads::outcome(outcome)
}
