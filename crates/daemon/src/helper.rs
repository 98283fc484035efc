//! Starting programs and opening logs: by the helper, where the daemon has given up the right to do so itself.
//!
//! The helper is a process of its own, started before anything else: the same program under another name, with the
//! rights that the daemon had. It holds no state of the daemon, reads no log and no configuration, and does what it
//! is asked for over a socket that nobody else has. See [`work`] for its side.
//!
//! In: a program with its arguments, or a path. Out: a child with its output, or an open file.
//!
//! Invariant: a child has a process group of its own and nothing to read; its output is the caller's, whoever
//! started it. Where there is no helper the caller starts it itself, and nobody sees a difference.

mod policy;
mod words;
mod work;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{self, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

use stockade_sys::end_with_us;

use crate::{activation, manager};
use words::{Answer, Kind, Stop, Word};

pub use work::{NAME, run};

/// How long the helper has to say that it has started a program or opened a file.
const PATIENCE: Duration = Duration::from_secs(30);

/// The helper of this process, once it has one.
static HELPER: OnceLock<Helper> = OnceLock::new();

/// The helper, as the daemon sees it.
#[derive(Debug)]
struct Helper {
    socket: OwnedFd,
    /// Its process, for whoever wants to know.
    pid: u32,
    /// Whether files are opened by it, too.
    opens: AtomicBool,
}

/// Starts the helper of this process, which must have no other threads yet and be a program that calls [`run`] under
/// the name [`NAME`].
///
/// # Errors
/// Where it cannot be started; everything is done without it then.
pub(crate) fn start() -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let mut command = process::Command::new("/proc/self/exe");
    command
        .arg0(NAME)
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Who interrupts the daemon at its terminal does not interrupt it, too: there are commands for the end.
        .process_group(0);
    for variable in activation::VARIABLES.into_iter().chain(manager::VARIABLES) {
        command.env_remove(variable);
    }
    let child = command.spawn()?;
    let helper = Helper {
        socket: ours,
        pid: child.id(),
        opens: AtomicBool::new(false),
    };
    HELPER
        .set(helper)
        .map_err(|_| io::ErrorKind::AlreadyExists.into())
}

/// The process id of the helper, where there is one.
pub fn pid() -> Option<u32> {
    HELPER.get().map(|helper| helper.pid)
}

/// Has the helper open files from now on. It may append to the log targets `appended`, and read what stands below
/// `configuration`, whoever else may.
///
/// # Errors
/// Where there is no helper, or it has ended.
pub fn seal(appended: &[&Path], configuration: Option<&Path>) -> io::Result<()> {
    let helper = HELPER.get().ok_or(io::ErrorKind::NotFound)?;
    let appended: Vec<PathBuf> = appended
        .iter()
        .map(std::path::absolute)
        .collect::<io::Result<_>>()?;
    let targets = appended
        .iter()
        .map(|path| Word::Target(path.as_os_str().as_bytes()));
    let directory = configuration.map(|path| Word::Directory(path.as_os_str().as_bytes()));
    let words: Vec<Word<'_>> = targets.chain(directory).collect();
    words::send(&helper.socket, Kind::Seal, &words::encode(&words), &[])?;
    helper.opens.store(true, Ordering::Release);
    Ok(())
}

/// Opens a file to be read, without waiting for whoever writes to it.
///
/// # Errors
/// Where it cannot be opened, or the helper does not give it.
pub fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    match HELPER.get() {
        Some(helper) if helper.opens.load(Ordering::Acquire) => helper.open(Kind::Open, path),
        Some(_) | None => {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
            Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
        }
    }
}

/// Reads a whole file that is a text.
///
/// # Errors
/// As [`open`], and where it is no text.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Opens a log of our own, to be appended to; makes it where it is not there.
///
/// # Errors
/// Where it cannot be opened, or the helper does not give it.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    match HELPER.get() {
        // The daemon may have gone to another directory since the helper was started.
        Some(helper) if helper.opens.load(Ordering::Acquire) => {
            helper.open(Kind::Append, &std::path::absolute(path)?)
        }
        Some(_) | None => policy::append(path),
    }
}

/// Has the helper make a socket with a name, as `PATH[mode=…, group=…]` says; nothing where the daemon does so itself.
pub(crate) fn bind(address: &str) -> Option<io::Result<OwnedFd>> {
    let helper = HELPER
        .get()
        .filter(|helper| helper.opens.load(Ordering::Acquire))?;
    Some(helper.open(Kind::Bind, Path::new(address)).map(OwnedFd::from))
}

impl Helper {
    fn open(&self, kind: Kind, path: &Path) -> io::Result<File> {
        let (ours, theirs) = UnixStream::pair()?;
        words::send(&self.socket, kind, path.as_os_str().as_bytes(), &[theirs.as_fd()]).map_err(gone)?;
        drop(theirs);
        ours.set_read_timeout(Some(PATIENCE))?;
        words::receive_file(&ours).map(File::from)
    }
}

/// A program that is to be started.
#[derive(Debug, Clone)]
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    set: Vec<(OsString, OsString)>,
    removed: Vec<OsString>,
    tied: bool,
}

impl Command {
    /// A program without arguments, in the environment of the daemon.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            set: Vec::new(),
            removed: Vec::new(),
            tied: false,
        }
    }

    /// With one more argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// With more arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        for argument in arguments {
            self.arg(argument);
        }
        self
    }

    /// With a variable of the environment.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.set
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Without a variable of the environment.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.removed.push(name.as_ref().to_owned());
        self
    }

    /// Its process group is killed where the daemon ends without having ended it.
    pub const fn ends_with_us(&mut self) -> &mut Self {
        self.tied = true;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// As the system has it, or where the helper has ended.
    pub fn spawn(&self) -> io::Result<Child> {
        self.spawn_by(HELPER.get())
    }

    fn spawn_by(&self, helper: Option<&Helper>) -> io::Result<Child> {
        let (stdout, out) = io::pipe()?;
        let (stderr, err) = io::pipe()?;
        let life = match helper {
            Some(helper) => self.ask(helper, &OwnedFd::from(out), &OwnedFd::from(err))?,
            None => {
                let child = self.plain().stdout(out).stderr(err).spawn()?;
                let ended = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
                Life::Ours {
                    child,
                    ended,
                    status: None,
                }
            }
        };
        Ok(Child {
            stdout: File::from(OwnedFd::from(stdout)),
            stderr: File::from(OwnedFd::from(stderr)),
            process: Process(life),
        })
    }

    /// The same for the standard library.
    fn plain(&self) -> process::Command {
        let mut command = process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.set.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .process_group(0);
        for name in self.removed.iter().map(OsString::as_os_str) {
            command.env_remove(name);
        }
        for name in activation::VARIABLES.into_iter().chain(manager::VARIABLES) {
            command.env_remove(name);
        }
        if self.tied {
            end_with_us(&mut command);
        }
        command
    }

    fn ask(&self, helper: &Helper, out: &OwnedFd, err: &OwnedFd) -> io::Result<Life> {
        let (mut ours, theirs) = UnixStream::pair()?;
        let fds = [theirs.as_fd(), out.as_fd(), err.as_fd()];
        words::send(&helper.socket, Kind::Run, &[], &fds).map_err(gone)?;
        drop(theirs);
        let set: Vec<OsString> = self
            .set
            .iter()
            .map(|(name, value)| [name.as_os_str(), value].join(OsStr::new("=")))
            .collect();
        let mut words = vec![Word::Program(self.program.as_bytes())];
        words.extend(self.arguments.iter().map(|text| Word::Argument(text.as_bytes())));
        words.extend(self.removed.iter().map(|text| Word::Without(text.as_bytes())));
        words.extend(set.iter().map(|text| Word::With(text.as_bytes())));
        words.extend(self.tied.then_some(Word::Tied));
        ours.set_read_timeout(Some(PATIENCE))?;
        ours.set_write_timeout(Some(PATIENCE))?;
        // Where it does not want to hear it all, it says why.
        let written = ours.write_all(&words::with_length(&words::encode(&words)));
        match words::receive_answer(&ours).map_err(|error| written.err().unwrap_or(error))? {
            Answer::Started => {}
            Answer::Failed(error) => return Err(io::Error::from_raw_os_error(error)),
            Answer::Ended(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
        ours.set_read_timeout(None)?;
        Ok(Life::Helped {
            channel: ours,
            status: None,
        })
    }
}

/// Without its socket the helper has ended.
fn gone(error: io::Error) -> io::Error {
    if matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    ) {
        return io::Error::other(
            "the process that starts programs for the daemon has ended; restart the daemon to have another",
        );
    }
    error
}

/// A program that was started.
#[derive(Debug)]
pub struct Child {
    /// What it prints.
    pub stdout: File,
    /// What it complains of.
    pub stderr: File,
    /// Whether it runs.
    pub process: Process,
}

/// A process that was started, or has ended by now.
#[derive(Debug)]
pub struct Process(Life);

#[derive(Debug)]
enum Life {
    Ours {
        child: process::Child,
        ended: OwnedFd,
        status: Option<ExitStatus>,
    },
    Helped {
        channel: UnixStream,
        status: Option<ExitStatus>,
    },
}

impl Process {
    /// Becomes readable when it has ended.
    #[must_use]
    pub fn ended(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Life::Ours { ended, .. } => ended.as_fd(),
            Life::Helped { channel, .. } => channel.as_fd(),
        }
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    /// Where that cannot be found out.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match &mut self.0 {
            Life::Ours {
                status: Some(status), ..
            }
            | Life::Helped {
                status: Some(status), ..
            } => Ok(Some(*status)),
            Life::Ours { ended, status, .. } => {
                *status = how_it_ended(ended, WaitIdOptions::NOHANG)?;
                Ok(*status)
            }
            Life::Helped { channel, status } => {
                channel.set_nonblocking(true)?;
                let answer = words::receive_answer(channel);
                channel.set_nonblocking(false)?;
                match answer {
                    Ok(answer) => {
                        *status = Some(answer.status()?);
                        Ok(*status)
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// Where that cannot be found out.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        match &mut self.0 {
            Life::Ours {
                status: Some(status), ..
            }
            | Life::Helped {
                status: Some(status), ..
            } => Ok(*status),
            Life::Ours { ended, status, .. } => {
                let found = how_it_ended(ended, WaitIdOptions::empty())?;
                *status = found;
                found.ok_or_else(|| io::ErrorKind::NotFound.into())
            }
            Life::Helped { channel, status } => {
                let ended = words::receive_answer(channel)?.status()?;
                *status = Some(ended);
                Ok(ended)
            }
        }
    }

    /// Tells its process group to end.
    pub fn terminate(&mut self) {
        self.stop(Stop::Terminate);
    }

    /// Kills its process group.
    pub fn kill(&mut self) {
        self.stop(Stop::Kill);
    }

    /// A group that is gone needs no signal, and without the helper nobody can send one.
    fn stop(&mut self, how: Stop) {
        match &mut self.0 {
            Life::Ours { child, .. } => {
                let _ = kill_process_group(Pid::from_child(child), how.signal());
            }
            Life::Helped { channel, .. } => drop(channel.write_all(&[how.byte()])),
        }
    }
}

/// How a child has ended. It is not taken leave of: as long as its group may be ended, the number stays its own.
fn how_it_ended(ended: &OwnedFd, options: WaitIdOptions) -> io::Result<Option<ExitStatus>> {
    let options = options | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    loop {
        match waitid(WaitId::PidFd(ended.as_fd()), options) {
            Ok(status) => return Ok(status.map(|status| ExitStatus::from_raw(work::raw(&status)))),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Life::Ours {
            child,
            status: Some(_),
            ..
        } = &mut self.0
        {
            // It has ended, so this does not wait.
            drop(child.wait());
        }
    }
}

impl Answer {
    fn status(self) -> io::Result<ExitStatus> {
        match self {
            Self::Ended(status) => Ok(ExitStatus::from_raw(status)),
            Self::Failed(error) => Err(io::Error::from_raw_os_error(error)),
            Self::Started => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl Stop {
    const fn signal(self) -> Signal {
        match self {
            Self::Terminate => Signal::TERM,
            Self::Kill => Signal::KILL,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{self, JoinHandle};

    use super::*;

    /// A helper in a thread of the test, which ends when the helper is dropped.
    fn helper() -> (Helper, JoinHandle<()>) {
        let flags = SocketFlags::CLOEXEC;
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (socket, theirs) = pair.unwrap();
        let thread = thread::spawn(move || work::serve(&theirs).unwrap());
        let helper = Helper {
            socket,
            pid: 0,
            opens: AtomicBool::new(true),
        };
        (helper, thread)
    }

    fn shell(text: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", text, "zero", "a b"]);
        command
    }

    #[test]
    fn a_child_is_the_same_whoever_starts_it() {
        let (helper, thread) = helper();
        for helper in [None, Some(&helper)] {
            let by = if helper.is_some() { "helper" } else { "daemon" };
            let mut silent = shell("printf %s \"$1$HOME$SET\"; cat; echo why >&2; exit 3");
            silent.env("SET", "x=y").env_remove("HOME");
            for (name, command, output, complaint, status) in [
                ("output", &silent, "a bx=y", "why\n", 3 << 8),
                ("a signal", &shell("kill -9 $$"), "", "", 9),
                ("a group of its own", &shell("kill 0"), "", "", 15),
                ("much", &shell("head -c 300000 /dev/zero"), "", "", 0),
            ] {
                let mut child = command.spawn_by(helper).unwrap();
                let (mut out, mut err) = (String::new(), String::new());
                child.stdout.read_to_string(&mut out).unwrap();
                child.stderr.read_to_string(&mut err).unwrap();
                let ended = child.process.wait().unwrap();
                let out = out.trim_matches('\0').to_owned();
                let found = (out.as_str(), err.as_str(), ended.into_raw());
                assert_eq!(found, (output, complaint, status), "{name} by the {by}");
                let again = child.process.try_wait().unwrap();
                assert_eq!(again, Some(ended), "{name} by the {by}");
            }
            let missing = Command::new("/nonexistent/program").spawn_by(helper);
            assert_eq!(
                missing.unwrap_err().raw_os_error(),
                Some(rustix::io::Errno::NOENT.raw_os_error()),
                "by the {by}"
            );
            let long = shell(&"x".repeat(3_000_000)).spawn_by(helper);
            assert_eq!(
                long.unwrap_err().raw_os_error(),
                Some(rustix::io::Errno::TOOBIG.raw_os_error()),
                "by the {by}"
            );
            let longer = "y".repeat(100_000);
            let mut child = shell("exit $#").args([&longer; 10]).spawn_by(helper).unwrap();
            assert_eq!(child.process.wait().unwrap().code(), Some(11), "by the {by}");
        }
        drop(helper);
        thread.join().unwrap();
    }

    #[test]
    fn a_child_is_ended_with_its_group() {
        let (helper, thread) = helper();
        for helper in [None, Some(&helper)] {
            let mut child = shell("trap '' TERM; sleep 600 & echo; wait; wait")
                .spawn_by(helper)
                .unwrap();
            child.stdout.read_exact(&mut [0]).unwrap();
            assert_eq!(child.process.try_wait().unwrap(), None);
            child.process.terminate();
            child.process.kill();
            assert_eq!(child.process.wait().unwrap().signal(), Some(9));
            // Nobody of the group holds the pipe any more.
            child.stdout.read_to_end(&mut Vec::new()).unwrap();
        }
        drop(helper);
        thread.join().unwrap();
    }

    #[test]
    fn what_is_tied_to_the_daemon_ends_with_it() {
        let (helper, thread) = helper();
        let mut tied = shell("sleep 600").ends_with_us().spawn_by(Some(&helper)).unwrap();
        let mut quick = shell("sleep 0.1; echo done").spawn_by(Some(&helper)).unwrap();
        drop(helper);
        thread.join().unwrap();
        tied.stdout.read_to_end(&mut Vec::new()).unwrap();
        let mut said = String::new();
        quick.stdout.read_to_string(&mut said).unwrap();
        assert_eq!(said, "done\n", "a command comes to its end");
    }

    #[test]
    fn files_are_opened_once_it_is_said_which() {
        let (helper, thread) = helper();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        std::fs::write(&path, "line").unwrap();
        assert!(helper.open(Kind::Open, &path).is_err(), "too early");
        let own = directory.path().join("own.log");
        let words = words::encode(&[Word::Target(own.as_os_str().as_bytes())]);
        words::send(&helper.socket, Kind::Seal, &words, &[]).unwrap();
        let mut text = String::new();
        let mut file = helper.open(Kind::Open, &path).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "line");
        helper.open(Kind::Append, &own).unwrap().write_all(b"x").unwrap();
        for (name, kind, path) in [
            ("missing", Kind::Open, "missing"),
            ("secret", Kind::Open, "/etc/shadow"),
            ("elsewhere", Kind::Append, "/etc/stockade.log"),
        ] {
            assert!(helper.open(kind, &directory.path().join(path)).is_err(), "{name}");
        }
        // A second word changes nothing.
        let more = words::encode(&[Word::Target(b"/etc/stockade.log")]);
        words::send(&helper.socket, Kind::Seal, &more, &[]).unwrap();
        assert!(helper.open(Kind::Append, Path::new("/etc/stockade.log")).is_err());
        drop(helper);
        thread.join().unwrap();
    }
}
