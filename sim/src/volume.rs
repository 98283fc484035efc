//! The simulated disk: files with names, and what the kernel tells of their changes.
//!
//! In: what services and administrators do to logs. Out: the [`Disk`] that the daemon sees.
//!
//! Invariant: a file that has lost its name is there as long as somebody has it open; its number is free after that.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};

use stockade_daemon::source::{Disk, Identity, Readable, Status};
use stockade_sys::inotify::Event;
use stockade_sys::{ReadFlags, Watch, WatchFlags};

/// The directory that logs are in.
pub(crate) const LOGS: &str = "/var/log";

/// How many changes the kernel remembers before it forgets which they were.
const QUEUE: usize = 64;

/// A file.
#[derive(Debug)]
pub(crate) struct Node {
    /// Which one of all that ever were.
    pub(crate) serial: u64,
    inode: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A file that is open, or has a name.
pub(crate) type File = Rc<RefCell<Node>>;

#[derive(Debug)]
enum Watched {
    Directory(PathBuf),
    File(Weak<RefCell<Node>>),
}

/// A disk with one directory of logs.
#[derive(Debug)]
pub(crate) struct Volume {
    names: BTreeMap<PathBuf, File>,
    /// All files that were made, as long as they are there.
    nodes: Vec<Weak<RefCell<Node>>>,
    serials: u64,
    /// Whether the kernel tells of changes.
    tells: bool,
    watches: BTreeMap<i32, Watched>,
    next_watch: i32,
    changes: Vec<Event>,
}

impl Volume {
    pub(crate) const fn new(tells: bool) -> Self {
        Self {
            names: BTreeMap::new(),
            nodes: Vec::new(),
            serials: 0,
            tells,
            watches: BTreeMap::new(),
            next_watch: 1,
            changes: Vec::new(),
        }
    }

    /// The file of this name.
    pub(crate) fn named(&self, path: &Path) -> Option<File> {
        self.names.get(path).cloned()
    }

    /// The file of this name, made where there is none.
    pub(crate) fn create(&mut self, path: &Path) -> File {
        if let Some(file) = self.named(path) {
            return file;
        }
        self.nodes.retain(|node| node.strong_count() > 0);
        let taken: Vec<u64> = self
            .nodes
            .iter()
            .filter_map(|node| Some(node.upgrade()?.borrow().inode))
            .collect();
        // As ext4 does, the number of a file that is gone is given to the next one.
        let inode = (10..).find(|inode| !taken.contains(inode)).unwrap_or(0);
        self.serials += 1;
        let file = Rc::new(RefCell::new(Node {
            serial: self.serials,
            inode,
            bytes: Vec::new(),
        }));
        self.nodes.push(Rc::downgrade(&file));
        self.names.insert(path.to_owned(), Rc::clone(&file));
        self.tell_directory(ReadFlags::CREATE, path);
        file
    }

    /// Writes behind what a file has.
    pub(crate) fn append(&mut self, file: &File, bytes: &[u8]) {
        file.borrow_mut().bytes.extend_from_slice(bytes);
        self.tell_file(ReadFlags::MODIFY, file);
    }

    /// Leaves nothing of what a file has.
    pub(crate) fn truncate(&mut self, file: &File) {
        file.borrow_mut().bytes.clear();
        self.tell_file(ReadFlags::MODIFY, file);
    }

    /// Gives a file another name; what had that one has lost it.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path) {
        let Some(file) = self.names.remove(from) else {
            return;
        };
        self.tell_directory(ReadFlags::MOVED_FROM, from);
        self.tell_directory(ReadFlags::MOVED_TO, to);
        self.tell_file(ReadFlags::MOVE_SELF, &file);
        self.names.insert(to.to_owned(), file);
    }

    /// Takes a name away.
    pub(crate) fn remove(&mut self, path: &Path) {
        if self.names.remove(path).is_some() {
            self.tell_directory(ReadFlags::DELETE, path);
        }
    }

    /// The daemon is gone, and with it what it watched.
    pub(crate) fn forget_watches(&mut self) {
        self.watches.clear();
        self.changes.clear();
    }

    /// How much is watched.
    pub(crate) fn watched(&self) -> usize {
        self.watches.len()
    }

    /// How many files are there, with a name or without.
    pub(crate) fn files(&self) -> usize {
        self.nodes.iter().filter(|node| node.strong_count() > 0).count()
    }

    fn tell_directory(&mut self, flags: ReadFlags, path: &Path) {
        let (parent, name) = (path.parent(), path.file_name());
        let watch = self.watches.iter().find_map(|(number, watched)| match watched {
            Watched::Directory(directory) => (Some(directory.as_path()) == parent).then_some(*number),
            Watched::File(_) => None,
        });
        if let Some(number) = watch {
            self.tell(number, flags, name.map(OsString::from));
        }
    }

    fn tell_file(&mut self, flags: ReadFlags, file: &File) {
        if let Some(number) = self.watch_of(file) {
            self.tell(number, flags, None);
        }
    }

    fn watch_of(&self, file: &File) -> Option<i32> {
        self.watches.iter().find_map(|(number, watched)| match watched {
            Watched::File(known) => known.ptr_eq(&Rc::downgrade(file)).then_some(*number),
            Watched::Directory(_) => None,
        })
    }

    fn tell(&mut self, number: i32, flags: ReadFlags, name: Option<OsString>) {
        let event = Event {
            watch: Some(Watch::numbered(number)),
            flags,
            cookie: 0,
            name,
        };
        if self.changes.len() > QUEUE {
            return;
        }
        if self.changes.len() == QUEUE {
            self.changes.push(Event {
                watch: None,
                flags: ReadFlags::QUEUE_OVERFLOW,
                cookie: 0,
                name: None,
            });
        } else if self.changes.last() != Some(&event) {
            self.changes.push(event);
        }
    }

    fn add_watch(&mut self, path: &Path) -> io::Result<Watch> {
        if let Some(file) = self.named(path) {
            return Ok(self.watch_node(&file));
        }
        if !is_directory(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let known = self.watches.iter().find_map(|(number, watched)| match watched {
            Watched::Directory(directory) => (directory == path).then_some(*number),
            Watched::File(_) => None,
        });
        Ok(self.numbered(known, || Watched::Directory(path.to_owned())))
    }

    fn watch_node(&mut self, file: &File) -> Watch {
        let known = self.watch_of(file);
        self.numbered(known, || Watched::File(Rc::downgrade(file)))
    }

    fn numbered(&mut self, known: Option<i32>, watched: impl FnOnce() -> Watched) -> Watch {
        let number = known.unwrap_or_else(|| {
            let number = self.next_watch;
            self.next_watch += 1;
            self.watches.insert(number, watched());
            number
        });
        Watch::numbered(number)
    }
}

fn is_directory(path: &Path) -> bool {
    Path::new(LOGS).starts_with(path)
}

/// What the daemon sees of a disk.
#[derive(Debug, Clone)]
pub(crate) struct SimulatedDisk(pub(crate) Rc<RefCell<Volume>>);

/// A file that the daemon has open.
#[derive(Debug)]
pub(crate) struct Handle(File);

impl Readable for Handle {
    fn status(&self) -> io::Result<Status> {
        let node = self.0.borrow();
        Ok(Status {
            identity: identity(&node),
            size: u64::try_from(node.bytes.len()).unwrap_or(u64::MAX),
            is_file: true,
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let node = self.0.borrow();
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = node.bytes.get(from..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (to, byte) in buffer.iter_mut().zip(rest) {
            *to = *byte;
        }
        Ok(count)
    }
}

impl Disk for SimulatedDisk {
    type File = Handle;

    fn open(&self, path: &Path) -> io::Result<Handle> {
        let file = self.0.borrow().named(path);
        file.map(Handle).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        let file = self.0.borrow().named(path);
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        let node = file.borrow();
        Ok(identity(&node))
    }

    fn link(&self, _: &Path) -> Option<PathBuf> {
        None
    }

    fn is_file(&self, path: &Path) -> bool {
        self.0.borrow().names.contains_key(path)
    }

    fn is_directory(&self, path: &Path) -> bool {
        is_directory(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.is_file(path) || is_directory(path)
    }

    fn names(&self, directory: &Path) -> Vec<OsString> {
        let volume = self.0.borrow();
        let inside = volume
            .names
            .keys()
            .filter(|path| path.parent() == Some(directory));
        inside
            .filter_map(|path| path.file_name().map(OsString::from))
            .collect()
    }

    fn remote(&self, _: &Path) -> Option<&'static str> {
        None
    }

    fn tells(&self) -> bool {
        self.0.borrow().tells
    }

    fn watch(&self, path: &Path, _: WatchFlags) -> io::Result<Watch> {
        self.0.borrow_mut().add_watch(path)
    }

    fn watch_file(&self, file: &Handle, _: &Path, _: WatchFlags) -> io::Result<Watch> {
        Ok(self.0.borrow_mut().watch_node(&file.0))
    }

    fn unwatch(&self, watch: Watch) {
        self.0
            .borrow_mut()
            .watches
            .retain(|number, _| Watch::numbered(*number) != watch);
    }

    fn changes(&self, events: &mut Vec<Event>) -> io::Result<()> {
        events.append(&mut self.0.borrow_mut().changes);
        Ok(())
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

const fn identity(node: &Node) -> Identity {
    Identity {
        device: 1,
        inode: node.inode,
    }
}
