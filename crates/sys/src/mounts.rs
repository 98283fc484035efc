//! Tells that a file system was mounted or unmounted (`proc_pid_mountinfo(5)`).
//!
//! In: nothing. Out: a descriptor to wait for with [`Interest::Urgent`](crate::Interest::Urgent).
//!
//! Invariant: each change is told once; what has changed is left to whoever looks.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Where the kernel lists what is mounted for whoever asks.
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// The mounts that this process sees.
#[derive(Debug)]
pub struct Mounts(File);

impl Mounts {
    /// Changes from now on are told.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn new() -> io::Result<Self> {
        Ok(Self(File::open(MOUNTINFO)?))
    }
}

impl AsFd for Mounts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
