//! The file system, as far as logs are concerned: opening, reading, looking at names, being told of changes.
//!
//! In: paths. Out: what stands there. [`System`] is the machine's own; a simulation has another one.
//!
//! Invariant: nothing here waits, and nothing is written.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use stockade_sys::{Inotify, Watch, WatchFlags, inotify};

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The number of the file in it, which another file may have once this one is gone.
    pub inode: u64,
}

/// What is known of a file that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Which file it is.
    pub identity: Identity,
    /// How long it is.
    pub size: u64,
    /// Whether it is a regular one.
    pub is_file: bool,
}

/// A file that is open.
pub trait Readable {
    /// What it is and how long.
    ///
    /// # Errors
    /// Where the file system does not say.
    fn status(&self) -> io::Result<Status>;

    /// Reads from `offset` on; how many bytes there were, none at the end.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// A file system.
pub trait Disk {
    /// A file of it.
    type File: Readable;

    /// Opens a file without waiting for anything.
    ///
    /// # Errors
    /// Where it is not there or cannot be read.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// Which file a name stands for now.
    ///
    /// # Errors
    /// Where it stands for none.
    fn identity(&self, path: &Path) -> io::Result<Identity>;

    /// The path without symbolic links, where it stands for something.
    fn real(&self, path: &Path) -> Option<PathBuf>;

    /// Whether a name stands for a regular file.
    fn is_file(&self, path: &Path) -> bool;

    /// Whether a name stands for a directory.
    fn is_directory(&self, path: &Path) -> bool;

    /// Whether a name stands for anything.
    fn exists(&self, path: &Path) -> bool;

    /// The names in a directory, in their order.
    fn names(&self, directory: &Path) -> Vec<OsString>;

    /// Whether the file system belongs to another machine or program, whose writes the kernel does not tell of.
    fn is_remote(&self, path: &Path) -> bool;

    /// Whether it tells of changes at all.
    fn tells(&self) -> bool;

    /// Begins to tell of what happens to a file or in a directory.
    ///
    /// # Errors
    /// Where there is nothing to watch or no watch left.
    fn watch(&self, path: &Path, flags: WatchFlags) -> io::Result<Watch>;

    /// Tells no more.
    fn unwatch(&self, watch: Watch);

    /// Appends what has happened.
    ///
    /// # Errors
    /// Where that cannot be told.
    fn changes(&self, events: &mut Vec<inotify::Event>) -> io::Result<()>;

    /// What to wait for, where there is something.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
}

/// The machine's own file system, with the kernel's inotify where it has one to give.
#[derive(Debug)]
pub struct System {
    inotify: Option<Inotify>,
}

impl System {
    /// Watches nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inotify: Inotify::new().ok(),
        }
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

impl Readable for File {
    fn status(&self) -> io::Result<Status> {
        let metadata = self.metadata()?;
        Ok(Status {
            identity: identity(&metadata),
            size: metadata.len(),
            is_file: metadata.is_file(),
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }
}

impl Disk for System {
    type File = File;

    fn open(&self, path: &Path) -> io::Result<File> {
        let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or(0);
        OpenOptions::new().read(true).custom_flags(flags).open(path)
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        Ok(identity(&std::fs::metadata(path)?))
    }

    fn real(&self, path: &Path) -> Option<PathBuf> {
        std::fs::canonicalize(path).ok()
    }

    fn is_file(&self, path: &Path) -> bool {
        path.is_file()
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn names(&self, directory: &Path) -> Vec<OsString> {
        let Ok(read) = std::fs::read_dir(directory) else {
            return Vec::new();
        };
        let mut names: Vec<OsString> = read.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
        names.sort();
        names
    }

    fn is_remote(&self, path: &Path) -> bool {
        const REMOTE: [u64; 9] = [
            0x6969,      // NFS
            0x517b,      // SMB
            0xff53_4d42, // CIFS
            0xfe53_4d42, // SMB2
            0x6573_5546, // FUSE
            0x0102_1997, // 9P
            0x00c3_6400, // Ceph
            0x5346_414f, // AFS
            0x7461_636f, // OCFS2
        ];
        rustix::fs::statfs(path)
            .is_ok_and(|system| u64::try_from(system.f_type).is_ok_and(|kind| REMOTE.contains(&kind)))
    }

    fn tells(&self) -> bool {
        self.inotify.is_some()
    }

    fn watch(&self, path: &Path, flags: WatchFlags) -> io::Result<Watch> {
        match &self.inotify {
            Some(inotify) => inotify.add(path, flags),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn unwatch(&self, watch: Watch) {
        if let Some(inotify) = &self.inotify {
            // A watch that is gone already is what was wanted.
            drop(inotify.remove(watch));
        }
    }

    fn changes(&self, events: &mut Vec<inotify::Event>) -> io::Result<()> {
        match &self.inotify {
            Some(inotify) => inotify.take(events),
            None => Ok(()),
        }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }
}

fn identity(metadata: &std::fs::Metadata) -> Identity {
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}
