//! The helper: the process that starts programs and opens logs for the daemon.
//!
//! In: requests on its standard input. Out: programs that run, and open files.
//!
//! What it may do is what root may do, for that is what commands of a configuration need. So it is small: it knows no
//! configuration, reads nothing of a log and keeps nothing but the children that run.
//!
//! Invariant: it ends when the daemon has ended, and no child outlives it by more than [`LAST_COMMANDS`], but what a
//! command has left behind on purpose.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{self, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open, waitid,
};
use stockade_sys::{Signals, Spare};

use super::Command;
use super::policy::{self, Policy};
use super::words::{self, Answer, Kind, Request, Stop, Word};

/// The name under which the program is the helper and nothing else.
pub const NAME: &str = "stockade: commands";
/// What lists of processes call it that have less room.
const SHORT_NAME: &std::ffi::CStr = c"stockade-helper";
/// How many programs run at a time; each action has one.
const CHILDREN: usize = 4096;
/// How long commands may still run when the daemon has ended; it waits for its own unless it was killed.
const LAST_COMMANDS: Duration = Duration::from_secs(60);
/// How long the daemon has to send the rest of what it has begun to say.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing has happened when it gives back what of its memory it does not need to wait.
const REST: Duration = Duration::from_secs(2);

/// Is the helper until the daemon has ended.
#[must_use]
pub fn run() -> process::ExitCode {
    // A name is a convenience.
    let _ = rustix::thread::set_name(SHORT_NAME);
    // Whoever tells the whole service to end means the daemon, which still has commands to run. These are caught, not
    // ignored, for programs that are started would ignore them as well.
    let caught = [
        stockade_sys::Signal::Terminate,
        stockade_sys::Signal::Interrupt,
        stockade_sys::Signal::HangUp,
        stockade_sys::Signal::User1,
    ];
    let Ok(mut signals) = Signals::listen(&caught) else {
        return process::ExitCode::FAILURE;
    };
    let Ok(socket) = io::stdin().as_fd().try_clone_to_owned() else {
        return process::ExitCode::FAILURE;
    };
    match Work::default().serve(&socket, &mut signals) {
        Ok(()) => process::ExitCode::SUCCESS,
        Err(_) => process::ExitCode::FAILURE,
    }
}

/// Serves a daemon that is in the same process.
#[cfg(test)]
pub(super) fn serve(socket: &OwnedFd) -> io::Result<()> {
    Work::default().serve(socket, &mut Signals::listen(&[])?)
}

#[derive(Default)]
struct Work {
    children: Vec<Running>,
    /// What may be opened; nothing before the daemon has given up its rights.
    policy: Option<Policy>,
}

/// What has ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// It has lasted as long as it may.
    Nothing,
    /// The daemon wants something.
    Request,
    /// A child or a signal.
    Other,
}

/// A program that runs, or has ended and is not forgotten: as long as the daemon may want to end what it has left
/// behind, the number of its group must not become that of another.
struct Running {
    child: process::Child,
    ended: OwnedFd,
    /// Whether the daemon was told that it has ended.
    told: bool,
    /// The daemon's end of it; none once that has let it go.
    channel: Option<UnixStream>,
    tied: bool,
}

impl Work {
    fn serve(mut self, socket: &OwnedFd, signals: &mut Signals) -> io::Result<()> {
        let spare = Spare::find();
        let mut rest = Some(REST);
        loop {
            let woken = self.wait(Some(socket), Some(signals), rest)?;
            if woken == Woken::Nothing {
                rest = None;
                spare.give_back();
                continue;
            }
            rest = Some(REST);
            signals.take();
            self.settle();
            if woken == Woken::Request {
                match words::receive(socket) {
                    Ok(Some(request)) => self.request(request),
                    Ok(None) => break,
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                    Err(_) => break,
                }
            }
        }
        self.end()
    }

    /// Waits until something happens, or for so long.
    fn wait(
        &self,
        socket: Option<&OwnedFd>,
        signals: Option<&Signals>,
        timeout: Option<Duration>,
    ) -> io::Result<Woken> {
        let fixed = [socket.map(AsFd::as_fd), signals.map(AsFd::as_fd)];
        let children = self.children.iter().flat_map(Running::awaited);
        let mut fds: Vec<PollFd<'_>> = fixed
            .into_iter()
            .flatten()
            .chain(children)
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => Ok(Woken::Nothing),
            Ok(_) => {
                let first = fds.first().is_some_and(|fd| !fd.revents().is_empty());
                Ok(if first && socket.is_some() {
                    Woken::Request
                } else {
                    Woken::Other
                })
            }
            Err(Errno::INTR) => Ok(Woken::Other),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells of children that have ended, passes signals on, and forgets what nobody wants any more.
    fn settle(&mut self) {
        self.children.retain_mut(|running| {
            running.hear();
            running.tell();
            running.is_wanted()
        });
    }

    fn request(&mut self, request: Request) {
        let Request { kind, text, fds } = request;
        let mut fds = fds.into_iter();
        let channel = fds.next().map(UnixStream::from);
        match (kind, channel) {
            (Kind::Seal, _) => self.seal(&text),
            (Kind::Run, Some(channel)) => {
                let (Some(out), Some(err)) = (fds.next(), fds.next()) else {
                    return;
                };
                if let Err(error) = self.start(&channel, out, err) {
                    let code = error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error());
                    // Where nobody reads it, nobody needs it.
                    drop(words::answer(&channel, Answer::Failed(code), None));
                }
            }
            (Kind::Open | Kind::Append | Kind::Bind, Some(channel)) => {
                let path = PathBuf::from(OsString::from_vec(text));
                let opened = match (self.policy.as_ref(), kind) {
                    (Some(policy), Kind::Open) => policy.open(&path),
                    (Some(_), Kind::Bind) => policy::bind(&path),
                    (Some(policy), _) => policy.append(&path),
                    (None, _) => Err(Errno::ACCESS.into()),
                };
                let answer = match &opened {
                    Ok(_) => Answer::Started,
                    Err(error) => Answer::Failed(error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error())),
                };
                let file = opened.as_ref().ok().map(AsFd::as_fd);
                drop(words::answer(&channel, answer, file));
            }
            (Kind::Run | Kind::Open | Kind::Append | Kind::Bind, None) => {}
        }
    }

    /// What may be opened is said once.
    fn seal(&mut self, text: &[u8]) {
        let Some(words) = words::decode(text) else {
            return;
        };
        let path = |text: &[u8]| PathBuf::from(OsStr::from_bytes(text));
        let mut policy = Policy::default();
        for word in words {
            match word {
                Word::Target(text) => policy.targets.push(path(text)),
                // A link to it is followed once, now.
                Word::Directory(text) => policy.configuration = path(text).canonicalize().ok(),
                Word::Program(_) | Word::Argument(_) | Word::Without(_) | Word::With(_) | Word::Tied => {}
            }
        }
        self.policy.get_or_insert(policy);
    }

    fn start(&mut self, channel: &UnixStream, out: OwnedFd, err: OwnedFd) -> io::Result<()> {
        channel.set_read_timeout(Some(PATIENCE))?;
        channel.set_write_timeout(Some(PATIENCE))?;
        let text = words::read_text(channel)?;
        if self.children.len() >= CHILDREN {
            return Err(Errno::AGAIN.into());
        }
        let words = words::decode(&text).ok_or(Errno::INVAL)?;
        let command = command(&words).ok_or(Errno::INVAL)?;
        let child = command
            .plain()
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(err))
            .spawn()?;
        let ended = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        let channel = channel.try_clone()?;
        channel.set_nonblocking(true)?;
        drop(words::answer(&channel, Answer::Started, None));
        self.children.push(Running {
            child,
            ended,
            told: false,
            channel: Some(channel),
            tied: command.tied,
        });
        Ok(())
    }

    /// The daemon has ended: so does what was tied to it, and everything else gets the time that a command has.
    fn end(mut self) -> io::Result<()> {
        for running in self.children.iter().filter(|running| running.tied) {
            running.stop(Stop::Kill);
        }
        let deadline = Instant::now() + LAST_COMMANDS;
        for running in &mut self.children {
            running.channel = None;
        }
        loop {
            self.settle();
            let left = deadline.saturating_duration_since(Instant::now());
            if self.children.is_empty() || left.is_zero() {
                break;
            }
            self.wait(None, None, Some(left))?;
        }
        for running in &self.children {
            running.stop(Stop::Kill);
        }
        Ok(())
    }
}

/// The program that these words mean.
fn command(words: &[Word<'_>]) -> Option<Command> {
    let mut command = None;
    for word in words {
        match (word, &mut command) {
            (Word::Program(text), None) => command = Some(Command::new(OsStr::from_bytes(text))),
            (Word::Argument(text), Some(command)) => drop(command.arg(OsStr::from_bytes(text))),
            (Word::Without(text), Some(command)) => drop(command.env_remove(OsStr::from_bytes(text))),
            (Word::With(text), Some(command)) => {
                let at = text.iter().position(|byte| *byte == b'=')?;
                let (name, value) = (text.get(..at)?, text.get(at + 1..)?);
                command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
            }
            (Word::Tied, Some(command)) => drop(command.ends_with_us()),
            _ => return None,
        }
    }
    command
}

impl Running {
    /// What to wait for.
    fn awaited(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let ended = (!self.told).then(|| self.ended.as_fd());
        ended.into_iter().chain(self.channel.as_ref().map(AsFd::as_fd))
    }

    /// Passes signals on, and notes when the daemon has let it go.
    fn hear(&mut self) {
        let mut bytes = [0; 16];
        while let Some(channel) = &mut self.channel {
            match channel.read(&mut bytes) {
                Ok(0) => self.channel = None,
                Ok(count) => {
                    let orders = bytes.iter().take(count).filter_map(|byte| Stop::from_byte(*byte));
                    orders.for_each(|how| self.stop(how));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.channel = None,
            }
        }
    }

    /// Says that it has ended, once it has.
    fn tell(&mut self) {
        if self.told {
            return;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let Ok(Some(status)) = waitid(WaitId::PidFd(self.ended.as_fd()), options) else {
            return;
        };
        self.told = true;
        if let Some(channel) = &self.channel {
            drop(words::answer(channel, Answer::Ended(raw(&status)), None));
        }
    }

    /// Whether it runs, or may be asked about; what neither does is taken leave of.
    fn is_wanted(&mut self) -> bool {
        if !self.told || self.channel.is_some() {
            return true;
        }
        // It has ended, so this does not wait.
        drop(self.child.wait());
        false
    }

    /// Tells its group to end; a group that is gone needs no signal.
    fn stop(&self, how: Stop) {
        let signal = match how {
            Stop::Terminate => Signal::TERM,
            Stop::Kill => Signal::KILL,
        };
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }
}

/// The status as `wait(2)` has it.
pub(super) fn raw(status: &WaitIdStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => (code & 0xff) << 8,
        (None, Some(signal)) => signal & 0x7f,
        (None, None) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_whole_is_a_program() {
        let cases: [(&str, &[Word<'_>], bool); 6] = [
            ("a program", &[Word::Program(b"true"), Word::Argument(b"x")], true),
            ("none", &[], false),
            ("an argument of nothing", &[Word::Argument(b"x")], false),
            ("two", &[Word::Program(b"a"), Word::Program(b"b")], false),
            (
                "a variable without a value",
                &[Word::Program(b"a"), Word::With(b"A")],
                false,
            ),
            (
                "words of something else",
                &[Word::Program(b"a"), Word::Target(b"/x")],
                false,
            ),
        ];
        for (name, words, expected) in cases {
            assert_eq!(command(words).is_some(), expected, "{name}");
        }
    }
}
