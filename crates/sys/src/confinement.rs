//! Giving up rights for good: of a whole process, with all its threads.
//!
//! In: what the process needs from here on. Out: which of the kernel's mechanisms hold it to that.
//!
//! Four of them work together. *No new privileges*: no program can give any. *Capabilities*: what root may do beyond
//! the rights of its files is dropped, but for what is kept. *Landlock*: which files can be opened, made and removed.
//! *Seccomp*: which system calls there are at all; see [`filter`].
//!
//! All but the last bind a thread and those that it starts later, so each thread there is is interrupted for a moment
//! and confines itself.
//!
//! Invariant: rights are only ever given up. What the kernel has not leaves the others in force, and is said.

mod capabilities;
mod filter;
mod landlock;
mod threads;

use std::io;
use std::path::PathBuf;

pub use capabilities::{Capabilities, Capability};
pub use filter::can_filter;
pub use landlock::Access;

/// What a process needs from here on.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// Paths, and what may be done to them and to all that is below them. One that is not there is passed over.
    pub paths: Vec<(PathBuf, Access)>,
    /// What is kept of the rights of root, if the process has them.
    pub capabilities: Capabilities,
}

/// Which mechanisms hold a process, and why the others do not.
#[derive(Debug)]
pub struct Confinement {
    /// The kernel gives no program more rights than the process has.
    pub no_new_privileges: io::Result<()>,
    /// The rights of root are dropped.
    pub capabilities: io::Result<()>,
    /// Files are confined, by this version of Landlock.
    pub files: io::Result<u32>,
    /// System calls are confined.
    pub calls: io::Result<()>,
    /// Threads that could not be confined; none, unless one does not take signals.
    pub free_threads: usize,
}

/// Confines the whole process to `bounds`.
#[must_use]
pub fn confine(bounds: &Bounds) -> Confinement {
    let ruleset = landlock::Ruleset::new(&bounds.paths);
    let plan = threads::Plan {
        kept: bounds.capabilities,
        ruleset: ruleset.as_ref().ok().map(landlock::Ruleset::fd),
    };
    let outcome = threads::everywhere(&plan);
    let files = ruleset.and_then(|ruleset| outcome.files.map(|()| ruleset.version()));
    Confinement {
        no_new_privileges: outcome.no_new_privileges,
        capabilities: outcome.capabilities,
        files,
        calls: filter::install(),
        free_threads: outcome.free_threads,
    }
}

#[cfg(test)]
mod tests;
