//! The files of the configuration: those on disk, and below them our own that are part of the program.
//!
//! In: paths as the configuration gives them. Out: contents and names.
//!
//! Our own configuration is the lowest layer, file by file: it has a say only where the directory on disk has
//! nothing of that name. With `-c` that directory stands alone.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Component, Path, PathBuf};

use include_dir::{Dir, include_dir};
use stockade_config::{Content, Files, Kind};
use stockade_daemon::source::JournalOptions;

use crate::options::CONFIGURATION;

/// How long a file of the configuration may be, in bytes. The longest stock one has 25 kB.
const MAX_LENGTH: u64 = 16 << 20;

/// Room for nearly all of them, so that nobody has to ask how long a file is.
const USUAL_LENGTH: usize = 8 << 10;

static OWN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../config");

/// The sample logs of our filters, which are part of their tests and of no configuration.
const TESTS: &str = "tests";

/// The files of our own configuration and what they say, in the order of their names.
pub(crate) fn own() -> impl Iterator<Item = (&'static Path, &'static [u8])> {
    let mut files = Vec::new();
    let mut directories = vec![&OWN];
    while let Some(directory) = directories.pop() {
        files.extend(directory.files().map(|file| (file.path(), file.contents())));
        directories.extend(directory.dirs().filter(|inner| inner.path() != Path::new(TESTS)));
    }
    files.sort_unstable();
    files.into_iter()
}

/// The files on disk, with or without our own below.
#[derive(Debug, Clone, Copy)]
pub struct ConfigurationFiles {
    own: Option<&'static Dir<'static>>,
}

impl ConfigurationFiles {
    /// The files for `-c DIRECTORY`, or for the usual place where there is none.
    #[must_use]
    pub fn new(directory: Option<&str>) -> Self {
        Self {
            own: directory.is_none().then_some(&OWN),
        }
    }

    /// Where a path points to in our own configuration, if it is below the usual place.
    fn own_path(&self, path: &str) -> Option<(&'static Dir<'static>, PathBuf)> {
        let own = self.own?;
        let mut inside = PathBuf::new();
        for component in Path::new(path).strip_prefix(CONFIGURATION).ok()?.components() {
            match component {
                Component::Normal(name) => inside.push(name),
                Component::CurDir => {}
                Component::ParentDir if inside.pop() => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        Some((own, inside))
    }

    fn own_file(&self, path: &str) -> Option<&'static [u8]> {
        let (own, inside) = self.own_path(path)?;
        Some(own.get_file(inside)?.contents())
    }

    /// Whether what is read under a path is part of the program.
    #[must_use]
    pub fn is_own(&self, path: &str) -> bool {
        fs::symlink_metadata(path).is_err() && self.own_file(path).is_some()
    }

    fn own_directory(&self, path: &str) -> Option<&'static Dir<'static>> {
        let (own, inside) = self.own_path(path)?;
        if inside.as_os_str().is_empty() {
            Some(own)
        } else {
            own.get_dir(inside)
        }
    }
}

/// What our own configuration is told of the machine: `stockade_log_backend` is `systemd` where there is a journal
/// to read, and else `auto`, which means files.
#[must_use]
pub fn variables() -> Vec<(String, String)> {
    let journal = stockade_daemon::source::available(&JournalOptions::default());
    let backend = if journal.is_some() { "systemd" } else { "auto" };
    vec![("stockade_log_backend".to_owned(), backend.to_owned())]
}

/// What is at a path, unless it is too long; a device such as `/dev/zero` has no length that could be asked for.
fn read_limited(path: &str) -> std::io::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?.take(MAX_LENGTH + 1);
    let mut bytes = Vec::with_capacity(USUAL_LENGTH);
    file.read_to_end(&mut bytes)?;
    bytes.shrink_to_fit();
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_LENGTH);
    Ok(fits.then_some(bytes))
}

impl Files for ConfigurationFiles {
    fn read(&self, path: &str) -> Content {
        match read_limited(path) {
            Ok(Some(bytes)) => Content::Bytes(bytes),
            Ok(None) => Content::Unreadable(format!("it is longer than {MAX_LENGTH} bytes")),
            Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
                // A link to nowhere is the administrator's way of hiding a file.
                if fs::symlink_metadata(path).is_ok() {
                    return Content::Missing;
                }
                self.own_file(path)
                    .map_or(Content::Missing, |bytes| Content::Bytes(bytes.to_vec()))
            }
            Err(error) => Content::Unreadable(error.to_string()),
        }
    }

    fn kind(&self, path: &str) -> Kind {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Kind::Directory,
            Ok(_) => Kind::File,
            Err(_) if fs::symlink_metadata(path).is_ok() => Kind::DanglingLink,
            Err(_) if self.own_directory(path).is_some() => Kind::Directory,
            Err(_) if self.own_file(path).is_some() => Kind::File,
            Err(_) => Kind::Missing,
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = match fs::read_dir(directory) {
            // What it has is hidden, and may hide our own.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Vec::new(),
            entries => entries.into_iter().flatten(),
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        if let Some(own) = self.own_directory(directory) {
            for entry in own.entries() {
                let name = entry.path().file_name().and_then(|name| name.to_str());
                if let Some(name) = name
                    && !names.iter().any(|known| known == name)
                {
                    names.push(name.to_owned());
                }
            }
        }
        names
    }

    fn absolute(&self, path: &str) -> String {
        std::path::absolute(path)
            .ok()
            .and_then(|path| path.into_os_string().into_string().ok())
            .unwrap_or_else(|| path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{ConfigurationFiles, Content, Files, Kind};

    #[test]
    fn our_own_files_lie_below_the_usual_place_and_nowhere_else() {
        let usual = ConfigurationFiles::new(None);
        assert!(matches!(
            usual.read("/etc/fail2ban/filter.d/../jail.conf"),
            Content::Bytes(_)
        ));
        assert_eq!(usual.kind("/etc/fail2ban"), Kind::Directory);
        assert_eq!(usual.kind("/etc/fail2ban/filter.d"), Kind::Directory);
        assert!(usual.names("/etc/fail2ban/").contains(&"jail.conf".to_owned()));
        assert_eq!(usual.read("/etc/fail2ban/no.such"), Content::Missing);
        assert_eq!(usual.read("/etc/fail2ban/../jail.conf"), Content::Missing);
        assert_eq!(usual.read("/nonexistent/jail.conf"), Content::Missing);

        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("jail.conf"), "x").unwrap();
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        let given = ConfigurationFiles::new(Some("/etc/fail2ban"));
        assert_eq!(
            given.read("/dev/null"),
            Content::Bytes(Vec::new()),
            "a file is hidden so"
        );
        assert!(
            matches!(given.read("/dev/zero"), Content::Unreadable(_)),
            "it never ends"
        );
        assert_eq!(given.read(&path("jail.conf")), Content::Bytes(b"x".to_vec()));
        assert!(matches!(
            given.read(directory.path().to_str().unwrap()),
            Content::Unreadable(_)
        ));
        assert_eq!(given.kind(&path("link")), Kind::DanglingLink);
        assert_eq!(given.kind(&path("jail.conf")), Kind::File);
        assert_eq!(given.names(directory.path().to_str().unwrap()).len(), 2);
        assert_eq!(given.own_file("/etc/fail2ban/jail.conf"), None);
    }
}
