//! Tells of changes to files and directories (inotify).
//!
//! In: paths to watch. Out: a descriptor to wait for, and [`Event`]s of the kernel's own making.
//!
//! Invariant: an overflow of the kernel's queue is told as an event ([`ReadFlags::QUEUE_OVERFLOW`]), never swallowed.

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::inotify;
pub use rustix::fs::inotify::{ReadFlags, WatchFlags};
use rustix::io::Errno;

/// A watched file or directory; two paths of one inode have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watch(i32);

impl Watch {
    /// A watch by its number, for whoever tells of changes in the kernel's place.
    #[must_use]
    pub const fn numbered(number: i32) -> Self {
        Self(number)
    }
}

/// Something that happened to a watched file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where; `None` for an overflow of the queue, which concerns all.
    pub watch: Option<Watch>,
    /// What.
    pub flags: ReadFlags,
    /// Ties the two halves of a rename together.
    pub cookie: u32,
    /// The entry of a watched directory that it happened to.
    pub name: Option<OsString>,
}

/// The watches and the events that nobody has taken yet.
#[derive(Debug)]
pub struct Inotify {
    fd: OwnedFd,
}

/// Room for some hundred events a read; an event with the longest name takes 272 bytes.
const BUFFER: usize = 16 * 1024;

/// Reads in one call of [`Inotify::take`], so that a busy directory cannot keep the loop here.
const READS_AT_A_TIME: usize = 16;

impl Inotify {
    /// An instance that watches nothing.
    ///
    /// # Errors
    /// When the user has too many instances (`fs.inotify.max_user_instances`) or is out of descriptors.
    pub fn new() -> io::Result<Self> {
        let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
        Ok(Self {
            fd: inotify::init(flags)?,
        })
    }

    /// Begins to watch `path`, or replaces what is watched for there.
    ///
    /// # Errors
    /// When it does not exist, cannot be read, or the user has too many watches (`fs.inotify.max_user_watches`).
    pub fn add(&self, path: &Path, flags: WatchFlags) -> io::Result<Watch> {
        Ok(Watch(inotify::add_watch(&self.fd, path, flags)?))
    }

    /// Stops watching; a watch that the kernel has dropped already is no error.
    ///
    /// # Errors
    /// When the kernel refuses, which it has no reason to.
    pub fn remove(&self, watch: Watch) -> io::Result<()> {
        match inotify::remove_watch(&self.fd, watch.0) {
            // The kernel drops the watch of a deleted file by itself.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Appends the events that have come to `events`, without waiting.
    ///
    /// # Errors
    /// When the kernel refuses, which it has no reason to.
    pub fn take(&self, events: &mut Vec<Event>) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
        let mut reads = 0;
        loop {
            if reader.is_buffer_empty() {
                reads += 1;
                if reads > READS_AT_A_TIME {
                    return Ok(());
                }
            }
            match reader.next() {
                Ok(event) => events.push(Event {
                    watch: (event.wd() >= 0).then_some(Watch(event.wd())),
                    flags: event.events(),
                    cookie: event.cookie(),
                    name: event
                        .file_name()
                        .map(|name| OsString::from_vec(name.to_bytes().to_vec())),
                }),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;

    use super::{Inotify, ReadFlags, WatchFlags};

    #[test]
    fn tells_of_writes_new_names_and_removal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("auth.log");
        fs::write(&path, "").unwrap();
        let inotify = Inotify::new().unwrap();
        let file = inotify.add(&path, WatchFlags::MODIFY).unwrap();
        let parent = inotify
            .add(directory.path(), WatchFlags::CREATE | WatchFlags::MOVED_TO)
            .unwrap();

        let told = || {
            let mut events = Vec::new();
            inotify.take(&mut events).unwrap();
            events
                .into_iter()
                .map(|event| (event.watch, event.flags, event.name))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(), [], "nothing yet");

        fs::write(&path, "a line\n").unwrap();
        assert_eq!(told(), [(Some(file), ReadFlags::MODIFY, None)], "a write");

        let name = Some(OsString::from("new.log"));
        fs::write(directory.path().join("new.log"), "").unwrap();
        assert_eq!(
            told(),
            [(Some(parent), ReadFlags::CREATE, name.clone())],
            "a new file"
        );

        fs::rename(&path, directory.path().join("new.log")).unwrap();
        assert_eq!(told(), [(Some(parent), ReadFlags::MOVED_TO, name)], "a rename");

        fs::remove_file(directory.path().join("new.log")).unwrap();
        assert_eq!(told(), [(Some(file), ReadFlags::IGNORED, None)], "a removal");

        inotify.remove(file).unwrap();
        inotify.remove(parent).unwrap();
        assert_eq!(
            told(),
            [(Some(parent), ReadFlags::IGNORED, None)],
            "no longer watched"
        );
    }
}
