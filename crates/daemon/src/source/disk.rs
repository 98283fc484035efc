//! The file system, as far as logs are concerned: opening, reading, looking at names, being told of changes.
//!
//! In: paths. Out: what stands there. [`System`] is the machine's own; a simulation has another one.
//!
//! Invariant: nothing here waits, and nothing is written.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::SeekFrom;
use stockade_sys::{Inotify, Watch, WatchFlags, inotify};

use crate::helper;

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

    /// Where, from `offset` on, something was written: `offset` itself where the file system knows of no gap there.
    fn next_written(&self, offset: u64) -> u64 {
        offset
    }
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

    /// What a name leads to, where it is a symbolic link.
    fn link(&self, path: &Path) -> Option<PathBuf>;

    /// Which pipe a name stands for, where it stands for one. It must not be opened to find out, for a writer may
    /// wait for a reader that stays.
    fn fifo(&self, _path: &Path) -> Option<Identity> {
        None
    }

    /// Whether a name stands for `/dev/null`, the log of jails that are told whom to ban: there is nothing to read, and
    /// never will be.
    fn is_null(&self, _path: &Path) -> bool {
        false
    }

    /// Whether a name stands for a regular file.
    fn is_file(&self, path: &Path) -> bool;

    /// Whether a name stands for a directory.
    fn is_directory(&self, path: &Path) -> bool;

    /// Whether a name stands for anything.
    fn exists(&self, path: &Path) -> bool;

    /// The names in a directory, in their order.
    fn names(&self, directory: &Path) -> Vec<OsString>;

    /// The kind of the file system, where that belongs to another machine or program, whose writes the kernel does
    /// not tell of.
    fn remote(&self, path: &Path) -> Option<&'static str>;

    /// Whether it tells of changes at all.
    fn tells(&self) -> bool;

    /// Begins to tell of what happens to a file or in a directory.
    ///
    /// # Errors
    /// Where there is nothing to watch or no watch left.
    fn watch(&self, path: &Path, flags: WatchFlags) -> io::Result<Watch>;

    /// Begins to tell of what happens to a file that is open, whatever has its name by now.
    ///
    /// # Errors
    /// Where there is no watch left.
    fn watch_file(&self, file: &Self::File, path: &Path, flags: WatchFlags) -> io::Result<Watch>;

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

/// The file systems whose changes are made elsewhere, as `statfs` numbers them. A FUSE one is a program's, which may
/// have its files from anywhere. An overlay is none: what is written to it is written here, and what is changed below
/// it while it is mounted is undefined by the kernel's own word.
const REMOTE: [(u64, &str); 17] = [
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x564c, "ncp"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "ceph"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "afs"),
    (0x7375_7245, "coda"),
    (0x7461_636f, "ocfs2"),
    (0x0116_1970, "gfs2"),
    (0x0bd0_0bd0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
    (0x786f_4256, "vboxsf"),
];

/// The device that has nothing.
const NULL: &str = "/dev/null";

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

    fn next_written(&self, offset: u64) -> u64 {
        // That moves the file's own position, which nothing here reads by.
        rustix::fs::seek(self, SeekFrom::Data(offset)).unwrap_or(offset)
    }
}

impl Disk for System {
    type File = File;

    fn open(&self, path: &Path) -> io::Result<File> {
        helper::open(path)
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        Ok(identity(&std::fs::metadata(path)?))
    }

    fn link(&self, path: &Path) -> Option<PathBuf> {
        std::fs::read_link(path).ok()
    }

    fn fifo(&self, path: &Path) -> Option<Identity> {
        fifo_of(&std::fs::metadata(path).ok()?)
    }

    fn is_null(&self, path: &Path) -> bool {
        let null = std::fs::metadata(NULL).ok();
        let metadata = std::fs::metadata(path).ok();
        let is_device = |metadata: &std::fs::Metadata| metadata.file_type().is_char_device();
        let (Some(null), Some(metadata)) = (null, metadata.filter(is_device)) else {
            return false;
        };
        is_device(&null) && null.rdev() == metadata.rdev()
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

    fn remote(&self, path: &Path) -> Option<&'static str> {
        let system = rustix::fs::statfs(path).ok()?;
        let number = u64::try_from(system.f_type).ok()?;
        REMOTE
            .iter()
            .find(|(known, _)| *known == number)
            .map(|(_, name)| *name)
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

    fn watch_file(&self, file: &File, path: &Path, flags: WatchFlags) -> io::Result<Watch> {
        // The name may stand for another file by now; the descriptor does not.
        let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
        match self.watch(Path::new(&descriptor), flags) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.watch(path, flags),
            outcome => outcome,
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

/// Which pipe it is, if it is one.
pub(super) fn fifo_of(metadata: &std::fs::Metadata) -> Option<Identity> {
    metadata.file_type().is_fifo().then(|| identity(metadata))
}

fn identity(metadata: &std::fs::Metadata) -> Identity {
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}
