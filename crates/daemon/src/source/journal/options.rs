//! Which journal is read, where that is, and how `journalctl` is told.
//!
//! In: the options in `backend = systemd[…]`, and what is on the disk. Out: arguments, and the files that there are.
//!
//! Invariant: whether another journal has come to be there can be told from two [`Found`] of the same options.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use stockade_sys::{Watch, WatchFlags};

use crate::source::disk::{Disk, System};
use crate::source::glob;

pub(super) const JOURNALCTL: &str = "journalctl";

/// Where the journal is, in memory and on disk.
const DIRECTORIES: [&str; 2] = ["/run/log/journal", "/var/log/journal"];

/// What `journalflags` means by its bits.
const LOCAL: u32 = 1;
const RUNTIME: u32 = 2;
const SYSTEM: u32 = 4;
const USER: u32 = 8;

/// Where the number stands that is taken for `journalflags` where a jail names none.
const DEFAULT_FLAGS: &str = "F2B_SYSTEMD_DEFAULT_FLAGS";

/// Which journal is read: the options in `backend = systemd[…]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct JournalOptions {
    /// `journalpath`: a directory in place of the system's.
    pub path: Option<PathBuf>,
    /// `journalfiles`: patterns of files.
    pub files: Vec<String>,
    /// `journalflags`: local 1, volatile 2, system 4, user 8.
    pub flags: Option<u32>,
    /// `namespace`.
    pub namespace: Option<String>,
    /// `rotated`: the system's journal alone unless flags say otherwise. Archived files are read in any case.
    pub rotated: bool,
}

/// An option in `systemd[…]` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalOptionError {
    /// There is none of that name.
    #[error("unexpected keyword argument '{0}'")]
    Unknown(
        /// The name.
        String,
    ),
    /// `journalflags` is no number.
    #[error("invalid literal for int() with base 10: '{0}'")]
    Flags(
        /// The value.
        String,
    ),
    /// `journalpath` does not exist.
    #[error("journal path {0} does not exist")]
    Path(
        /// The path.
        String,
    ),
}

impl JournalOptions {
    /// Reads the options as they stand in the brackets.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; and where the directory is not there that is to be read.
    pub fn parse<'a>(
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, JournalOptionError> {
        let parsed = Self::read(options)?;
        match &parsed.path {
            Some(path) if !path.exists() => Err(JournalOptionError::Path(path.display().to_string())),
            Some(_) | None => Ok(parsed),
        }
    }

    /// The same, without a look at what there is.
    ///
    /// # Errors
    ///
    /// Where one is unknown, or no number that has to be one: that first, as the reference does.
    pub fn read<'a>(
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, JournalOptionError> {
        let (mut parsed, mut unknown) = (Self::default(), None);
        for (name, value) in options {
            match name {
                "journalpath" => parsed.path = Some(PathBuf::from(value)),
                "journalfiles" => {
                    parsed.files = value
                        .split(|c: char| c == ',' || c.is_whitespace())
                        .filter(|word| !word.is_empty())
                        .map(str::to_owned)
                        .collect();
                }
                "journalflags" => {
                    let flags = value.trim().parse();
                    parsed.flags = Some(flags.map_err(|_| JournalOptionError::Flags(value.to_owned()))?);
                }
                "namespace" => parsed.namespace = Some(value.to_owned()),
                "rotated" => {
                    parsed.rotated = ["1", "on", "true", "yes"].contains(&value.to_lowercase().as_str());
                }
                _ => unknown = unknown.or(Some(name)),
            }
        }
        match unknown {
            Some(name) => Err(JournalOptionError::Unknown(name.to_owned())),
            None => Ok(parsed),
        }
    }

    /// The arguments by which `journalctl` opens this journal, where there is `found`.
    pub(super) fn arguments(&self, found: &Found) -> Vec<String> {
        let mut arguments: Vec<String> = found
            .journals
            .iter()
            .filter(|_| !self.files.is_empty())
            .map(|(file, _)| format!("--file={}", literally(file)))
            .collect();
        if self.files.is_empty() {
            self.choose(found, &mut arguments);
        }
        let flags = self.flags();
        if flags & SYSTEM != 0 {
            arguments.push("--system".to_owned());
        }
        if flags & USER != 0 {
            arguments.push("--user".to_owned());
        }
        arguments
    }

    /// The arguments that choose among the journals of the machine.
    fn choose(&self, found: &Found, arguments: &mut Vec<String>) {
        let flags = self.flags();
        if let Some(path) = &self.path {
            arguments.push(format!("--directory={}", path.display()));
            return;
        }
        if flags & RUNTIME != 0 {
            arguments.push(format!("--directory={}", DIRECTORIES[0]));
            return;
        }
        if let Some(namespace) = &self.namespace {
            arguments.push(format!("--namespace={namespace}"));
        } else if found.journals.iter().any(|(path, _)| is_of_namespace(path)) {
            arguments.push("--namespace=*".to_owned());
        }
        if flags & LOCAL == 0 {
            // As for the reference, journals of containers and of other machines are journals.
            arguments.push("--merge".to_owned());
        }
    }

    /// Whether single files are named, and none of them is there.
    pub(super) fn is_nowhere(&self, found: &Found) -> bool {
        !self.files.is_empty() && found.journals.is_empty()
    }

    fn flags(&self) -> u32 {
        let default = || std::env::var(DEFAULT_FLAGS).ok()?.trim().parse().ok();
        let usual = if self.rotated { SYSTEM } else { 0 };
        self.flags.or_else(default).unwrap_or(usual)
    }

    /// The directories that the journals are below.
    fn roots(&self) -> Vec<PathBuf> {
        match &self.path {
            Some(path) => vec![path.clone()],
            None if self.flags() & RUNTIME != 0 => vec![PathBuf::from(DIRECTORIES[0])],
            None => DIRECTORIES.iter().map(PathBuf::from).collect(),
        }
    }

    /// Looks for the journal, and at the directories in which another one could come to be.
    ///
    /// `journalctl` itself notices what happens below a root that was there when it began; it is the others, and single
    /// files, whose successors it does not look for.
    pub(super) fn look(&self, disk: &System) -> Found {
        let mut found = Found::default();
        if self.files.is_empty() {
            let roots = self.roots();
            roots.iter().for_each(|root| found.see(disk, root));
            // The reference reads the journals of all namespaces unless it is told which.
            let has_all = self.path.is_none() && self.namespace.is_none() && self.flags() == 0;
            for root in roots.into_iter().filter(|_| has_all) {
                let names = disk.names(&root).into_iter().map(|name| root.join(name));
                names
                    .filter(|path| is_of_namespace(path))
                    .for_each(|path| found.see(disk, &path));
                found.directories.extend(disk.is_directory(&root).then_some(root));
            }
            return found;
        }
        for pattern in self.files.iter().flat_map(|pattern| with_archives(pattern)) {
            let expansion = glob::expand(disk, &pattern);
            found.directories.extend(expansion.directories);
            expansion.files.iter().for_each(|file| found.see(disk, file));
            if !glob::is_pattern(&pattern) {
                found.see(disk, &pattern);
            }
        }
        found.journals.sort();
        found.journals.dedup();
        found
    }
}

/// What there is of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Found {
    /// Its files or the directories that they are below, with their inodes.
    journals: Vec<(PathBuf, u64)>,
    /// Where more of it could come to be.
    pub(super) directories: BTreeSet<PathBuf>,
}

impl Found {
    /// Notes what is at a path, and where to be told of another thing there.
    fn see(&mut self, disk: &System, path: &Path) {
        let identity = disk.identity(path).map(|identity| identity.inode);
        let found = identity.ok().map(|inode| (path.to_owned(), inode));
        self.journals.extend(found);
        let mut parents = path.ancestors().skip(1);
        let parent = parents.find(|parent| disk.is_directory(parent));
        self.directories.extend(parent.map(Path::to_owned));
    }

    /// Whether there is the same of the journal.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.journals == other.journals
    }
}

/// A pattern of files, and the one that the same files match once they are archived: `system.journal` is
/// `system@….journal` then.
fn with_archives(pattern: &str) -> Vec<PathBuf> {
    let mut patterns = vec![PathBuf::from(pattern)];
    if let Some(stem) = pattern.strip_suffix(".journal")
        && !stem.contains('@')
    {
        patterns.push(PathBuf::from(format!("{stem}@*.journal")));
    }
    patterns
}

/// Whether a directory of the journal is that of a namespace: `MACHINE.NAMESPACE`.
fn is_of_namespace(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.contains('.'))
}

/// The path as a pattern that stands for it alone.
fn literally(path: &Path) -> String {
    let mut text = String::new();
    for char in path.to_string_lossy().chars() {
        if ['*', '?', '[', '\\'].contains(&char) {
            text.push('\\');
        }
        text.push(char);
    }
    text
}

/// Tells when a journal may have come to be somewhere.
pub(super) struct Watching {
    disk: System,
    watches: Vec<Watch>,
    /// The directories may be others by now.
    is_doubted: bool,
}

impl Watching {
    pub(super) fn new() -> Self {
        Self {
            disk: System::new(),
            watches: Vec::new(),
            is_doubted: false,
        }
    }

    /// What journals are looked for on; its descriptor is the one to wait for.
    pub(super) const fn disk(&self) -> &System {
        &self.disk
    }

    /// Takes the directories for others.
    pub(super) const fn doubt(&mut self) {
        self.is_doubted = true;
    }

    /// Whether anything has happened in the directories since this was last asked.
    pub(super) fn has_news(&mut self) -> bool {
        let mut events = Vec::new();
        // Where it cannot be told, looking is all that helps.
        let has_events = !self.disk.tells() || self.disk.changes(&mut events).is_err() || !events.is_empty();
        std::mem::take(&mut self.is_doubted) || has_events
    }

    /// Watches these directories and no others.
    pub(super) fn watch<'a>(&mut self, directories: impl Iterator<Item = &'a PathBuf>) {
        let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        let watches: Vec<Watch> = directories
            .filter_map(|directory| self.disk.watch(directory, flags).ok())
            .collect();
        for gone in self.watches.iter().filter(|watch| !watches.contains(watch)) {
            self.disk.unwatch(*gone);
        }
        self.watches = watches;
    }
}

impl fmt::Display for JournalOptions {
    /// The journal as `backend` names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(path) = &self.path {
            parts.push(format!("journalpath={}", path.display()));
        }
        if !self.files.is_empty() {
            parts.push(format!("journalfiles=\"{}\"", self.files.join(",")));
        }
        if let Some(flags) = self.flags {
            parts.push(format!("journalflags={flags}"));
        }
        if let Some(namespace) = &self.namespace {
            parts.push(format!("namespace={namespace}"));
        }
        if self.rotated {
            parts.push("rotated=on".to_owned());
        }
        f.write_str("systemd")?;
        if parts.is_empty() {
            return Ok(());
        }
        write!(f, "[{}]", parts.join(", "))
    }
}

/// Where a journal can be read, or nothing: whether there is a `journalctl`, and a directory that holds
/// files of the journal.
#[must_use]
pub fn available(options: &JournalOptions) -> Option<PathBuf> {
    find_journalctl()?;
    if !options.files.is_empty() {
        let found = options.look(&System::new());
        return found.journals.into_iter().next().map(|(file, _)| file);
    }
    options.roots().into_iter().find(|root| holds_journals(root, 1))
}

/// Whether there is a file of the journal here or so many levels below.
fn holds_journals(directory: &Path, levels: u32) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return false;
    };
    entries.filter_map(Result::ok).any(|entry| {
        let path = entry.path();
        path.extension().is_some_and(|ending| ending == "journal")
            || (levels > 0 && path.is_dir() && holds_journals(&path, levels - 1))
    })
}

pub(super) fn find_journalctl() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/bin", "/bin"].map(PathBuf::from))
        .map(|directory| directory.join(JOURNALCTL))
        .find(|program| program.is_file())
}
