//! One daemon at a time: the control socket's path and the file with the process id.
//!
//! Invariant: nothing of a daemon that runs is touched, and what a dead one left is cleared away.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How often, and after which pause, the lock of a directory is tried that someone else has. Taking a place takes less
/// than a millisecond, so whoever has it for longer is no daemon that starts.
const LOCK_TRIES: usize = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Why the daemon cannot take its place.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Another daemon has the socket.
    #[error("{}: another server answers on this control socket; stop it first, or choose another socket with -s", .0.display())]
    Running(PathBuf),
    /// Something that is no socket stands there.
    #[error("{}: is in the way of the control socket and is no socket; remove it, or choose another path with -s", .0.display())]
    InTheWay(PathBuf),
    /// A file or directory cannot be made.
    #[error("{}: cannot be {what}; check the directory and its permissions, or choose another path with {option}", .path.display())]
    Unusable {
        /// The path.
        path: PathBuf,
        /// What failed, as a participle.
        what: &'static str,
        /// The option that names another one.
        option: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

/// What a daemon has in the file system while it runs. It is removed when this is dropped; what another daemon has put
/// there meanwhile stays. As long as the daemon still listens then, its socket is not taken for a dead one, and no other
/// file has its inode.
#[derive(Debug, Default)]
pub struct Place {
    /// The control socket, by its device and inode.
    socket: Option<(PathBuf, (u64, u64))>,
    pidfile: Option<PathBuf>,
}

/// Binds the control socket at `path`, clearing a dead one away; says whether it did.
///
/// The parent directory is created where it is missing, one level deep. The caller has set the umask.
///
/// # Errors
/// Where another server answers there, or the socket cannot be made.
pub fn claim_socket(path: &Path) -> Result<(UnixListener, bool), InstanceError> {
    let unusable = |what| {
        move |source| InstanceError::Unusable {
            path: path.to_owned(),
            what,
            option: "-s",
            source,
        }
    };
    create_parent(path).map_err(unusable("created"))?;
    // Of two that find the same dead socket at the same moment only one may clear it away: the other would clear away
    // the first one's. Where the directory cannot be locked, nobody else can lock it either.
    let _turn = turn(path);
    let mut cleared = false;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable("looked at")(error)),
        Ok(meta) if !meta.file_type().is_socket() => return Err(InstanceError::InTheWay(path.to_owned())),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(unusable("removed"))?;
                cleared = true;
            }
            Ok(_) | Err(_) => return Err(InstanceError::Running(path.to_owned())),
        },
    }
    let listener = UnixListener::bind(path).map_err(unusable("bound"))?;
    listener.set_nonblocking(true).map_err(unusable("prepared"))?;
    Ok((listener, cleared))
}

/// Waits until no other daemon is taking its place in the directory of `path`; it is ours until this is dropped.
fn turn(path: &Path) -> Option<fs::File> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = fs::File::open(parent.unwrap_or(Path::new("."))).ok()?;
    for _ in 0..LOCK_TRIES {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(LOCK_PAUSE),
            Err(_) => return None,
        }
    }
    None
}

impl Place {
    /// The place of a daemon that has claimed the socket at `path`.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let socket = identity(path).map(|identity| (path.to_owned(), identity));
        let pidfile = None;
        Self { socket, pidfile }
    }

    /// Writes the process id to `path`; what a dead daemon left there is overwritten.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_pid(&mut self, path: &Path) -> Result<(), InstanceError> {
        write_pid(path)?;
        self.pidfile = Some(path.to_owned());
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A daemon that comes after this one may be about to take the place, or have done so. What is gone already was
        // removed by someone who wanted it so.
        let _turn = self.socket.as_ref().map(|(path, _)| turn(path));
        if let Some((socket, known)) = self.socket.take()
            && identity(&socket) == Some(known)
        {
            let _ = fs::remove_file(socket);
        }
        if let Some(pidfile) = self.pidfile.take()
            && fs::read_to_string(&pidfile).is_ok_and(|text| text == pid_line())
        {
            let _ = fs::remove_file(pidfile);
        }
    }
}

/// What tells a file from another one that has its name later.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let meta = fs::symlink_metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

fn pid_line() -> String {
    format!("{}\n", std::process::id())
}

fn write_pid(path: &Path) -> Result<(), InstanceError> {
    let unusable = |source| InstanceError::Unusable {
        path: path.to_owned(),
        what: "written",
        option: "-p",
        source,
    };
    create_parent(path).map_err(unusable)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(unusable)?;
    file.write_all(pid_line().as_bytes()).map_err(unusable)
}

/// Creates the directory that `path` is to stand in, one level deep.
fn create_parent(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Ok(());
    };
    match fs::DirBuilder::new().mode(0o755).create(parent) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_socket_is_left_alone_and_a_dead_one_is_cleared_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run").join("control.sock");
        let (listener, cleared) = claim_socket(&path).unwrap();
        assert!(!cleared);
        assert!(matches!(claim_socket(&path), Err(InstanceError::Running(_))));
        drop(listener);
        let (_listener, cleared) = claim_socket(&path).unwrap();
        assert!(cleared, "nobody listens any more");
    }

    #[test]
    fn of_several_that_find_a_dead_socket_one_has_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        for round in 0..100 {
            drop(UnixListener::bind(&path).unwrap());
            let barrier = std::sync::Barrier::new(4);
            let claim = || {
                barrier.wait();
                claim_socket(&path)
            };
            let claims: Vec<_> = std::thread::scope(|threads| {
                let claims: Vec<_> = (0..4).map(|_| threads.spawn(claim)).collect();
                claims.into_iter().map(|claim| claim.join().unwrap()).collect()
            });
            let won = claims.iter().filter(|claim| claim.is_ok()).count();
            assert_eq!(won, 1, "round {round}: {claims:?}");
            assert!(
                UnixStream::connect(&path).is_ok(),
                "round {round}: it is the one at the path"
            );
            drop(claims);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_daemon_that_ends_removes_what_is_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (path, pidfile) = (dir.path().join("control.sock"), dir.path().join("pid"));
        let begin = || {
            let (listener, _) = claim_socket(&path).unwrap();
            let mut place = Place::of(&path);
            place.write_pid(&pidfile).unwrap();
            (listener, place)
        };
        let (listener, place) = begin();
        drop(place);
        assert!(!path.exists() && !pidfile.exists());
        drop(listener);

        let (_listener, place) = begin();
        fs::remove_file(&path).unwrap();
        let (_next, _place) = begin();
        fs::write(&pidfile, "1\n").unwrap();
        drop(place);
        assert!(
            UnixStream::connect(&path).is_ok() && pidfile.exists(),
            "they are those of the next daemon"
        );
    }

    #[test]
    fn what_is_no_socket_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(claim_socket(&path), Err(InstanceError::InTheWay(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn the_process_id_replaces_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stockade.pid");
        fs::write(&path, "999999999 and more\n").unwrap();
        write_pid(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), pid_line());
    }
}
