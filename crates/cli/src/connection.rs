//! A connection to a daemon, ours or the reference's.
//!
//! In: the path of the control socket, and commands. Out: answers.
//!
//! Invariant: an error says what the reference's client says about it, for scripts look for these texts.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use stockade_protocol::framing::{CLOSE, Frame, Framer, TERMINATOR};
use stockade_protocol::places::{self, Places};
use stockade_protocol::{Answer, Value, message, pickle};

/// Our programs that can be a daemon.
const OURS: [&str; 3] = ["stockade", "fail2ban-server", "fail2ban-client"];

/// How much is read at a time, in bytes.
const BLOCK: usize = 32 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// There is nothing at the path.
    #[error("Failed to access socket path: {path}. Is fail2ban running?")]
    NoSocket {
        /// The path.
        path: String,
    },
    /// The socket is not for us.
    #[error("Permission denied to socket: {path}, (you must be root)")]
    NotAllowed {
        /// The path.
        path: String,
    },
    /// There was no answer within the time that was set.
    #[error("timed out")]
    TimedOut,
    /// Nobody listens, or the connection broke.
    #[error("[{}] Unable to contact server. Is it running?", python_text(.0))]
    Unreachable(io::Error),
    /// What came is no pickle.
    #[error("{0}")]
    NotAPickle(#[from] pickle::PickleError),
    /// What came is a pickle and no answer.
    #[error("this is no answer of a server: {0}")]
    NoAnswer(String),
    /// What came has no end.
    #[error("the answer of the server is too long")]
    TooLong,
}

impl ConnectionError {
    /// The text as the reference words it for `ping`, which asks just this.
    #[must_use]
    pub fn plainly(&self) -> String {
        match self {
            Self::Unreachable(error) => python_text(error),
            Self::NoSocket { .. }
            | Self::NotAllowed { .. }
            | Self::TimedOut
            | Self::NotAPickle(_)
            | Self::NoAnswer(_)
            | Self::TooLong => self.to_string(),
        }
    }
}

/// `[Errno 111] Connection refused`.
fn python_text(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(number) => {
            let text = text
                .strip_suffix(&format!(" (os error {number})"))
                .unwrap_or(&text);
            format!("[Errno {number}] {text}")
        }
        None => text,
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    framer: Framer,
}

impl Connection {
    /// Connects. With a timeout, neither this nor any answer takes longer than that.
    ///
    /// # Errors
    ///
    /// Where there is no socket, or nobody listens on it.
    pub fn open(path: &str, timeout: Option<Duration>) -> Result<Self, ConnectionError> {
        let failed = |errno: Errno| match errno {
            Errno::NOENT | Errno::NOTDIR => ConnectionError::NoSocket {
                path: path.to_owned(),
            },
            Errno::ACCESS | Errno::PERM => ConnectionError::NotAllowed {
                path: path.to_owned(),
            },
            Errno::AGAIN => ConnectionError::TimedOut,
            other => ConnectionError::Unreachable(other.into()),
        };
        let address = SocketAddrUnix::new(Path::new(path)).map_err(failed)?;
        let socket = net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(failed)?;
        if timeout.is_some() {
            // Connecting waits as well, where many others do; the limit for sending holds for it.
            sockopt::set_socket_timeout(&socket, Timeout::Send, timeout).map_err(failed)?;
            sockopt::set_socket_timeout(&socket, Timeout::Recv, timeout).map_err(failed)?;
        }
        net::connect(&socket, &address).map_err(failed)?;
        Ok(Self {
            stream: UnixStream::from(socket),
            framer: Framer::new(),
        })
    }

    /// Whether one of our own programs is at the other end, as far as can be seen: the reference's server is run by
    /// an interpreter.
    #[must_use]
    pub fn leads_to_ours(&self) -> bool {
        let Some(peer) = self.peer() else {
            return false;
        };
        let program = std::fs::read_link(format!("/proc/{peer}/exe"));
        let name = program
            .ok()
            .and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        // After an update the running program has no file any more.
        name.is_some_and(|name| OURS.contains(&name.trim_end_matches(" (deleted)")))
    }

    /// The process at the other end, or the one that opened the socket for it.
    #[must_use]
    pub fn peer(&self) -> Option<u32> {
        let peer = sockopt::socket_peercred(&self.stream).ok()?;
        u32::try_from(peer.pid.as_raw_nonzero().get()).ok()
    }

    /// Sends a configuration, to one of our own daemons with the places of its commands, and waits for the answer.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn ask_with_places(
        &mut self,
        mut request: Value,
        places: Vec<Places>,
    ) -> Result<Answer, ConnectionError> {
        if self.leads_to_ours() {
            places::attach(&mut request, places);
        }
        self.ask(&request)
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    ///
    /// Where the connection breaks, nothing comes in time, or what comes is no answer.
    pub fn ask(&mut self, command: &Value) -> Result<Answer, ConnectionError> {
        self.stream.write_all(&message(command)).map_err(broken)?;
        let value = self.hear()?;
        let repr: String = value.repr().chars().take(200).collect();
        Answer::from_value(value).ok_or(ConnectionError::NoAnswer(repr))
    }

    /// Waits for what the daemon says next.
    ///
    /// # Errors
    ///
    /// Where the connection breaks, nothing comes in time, or what comes is no pickle.
    pub fn hear(&mut self) -> Result<Value, ConnectionError> {
        let mut block = vec![0; BLOCK];
        loop {
            if let Some(frame) = self.framer.frame() {
                let Frame::Message(bytes) = frame else {
                    return Err(ConnectionError::NoAnswer("the end of the connection".to_owned()));
                };
                return Ok(pickle::decode(&bytes)?);
            }
            let length = self.stream.read(&mut block).map_err(broken)?;
            if length == 0 {
                return Err(broken(Errno::CONNRESET.into()));
            }
            let bytes = block.get(..length).unwrap_or_default();
            self.framer.push(bytes).map_err(|_| ConnectionError::TooLong)?;
        }
    }
}

fn broken(error: io::Error) -> ConnectionError {
    if error.kind() == io::ErrorKind::WouldBlock || error.kind() == io::ErrorKind::TimedOut {
        ConnectionError::TimedOut
    } else {
        ConnectionError::Unreachable(error)
    }
}

/// Says goodbye. A daemon that is gone already does not miss it.
impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.stream.write_all(&[CLOSE, TERMINATOR].concat());
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use super::Connection;

    #[test]
    fn an_error_says_what_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        drop(UnixListener::bind(path("dead")).unwrap());
        std::fs::write(path("file"), "").unwrap();
        let _silent = UnixListener::bind(path("silent")).unwrap();
        let refused = "[Errno 111] Connection refused";
        let cases = [
            ("none", None),
            ("dead", Some(refused)),
            ("file", Some(refused)),
            ("silent", Some("timed out")),
        ];
        for (name, plainly) in cases {
            let path = path(name);
            let error = Connection::open(&path, Some(Duration::from_millis(20)))
                .and_then(|mut connection| connection.ask(&vec!["ping"].into()))
                .unwrap_err();
            let no_socket = format!("Failed to access socket path: {path}. Is fail2ban running?");
            assert_eq!(error.plainly(), plainly.unwrap_or(&no_socket), "{name}");
            if plainly == Some(refused) {
                assert_eq!(
                    error.to_string(),
                    "[[Errno 111] Connection refused] Unable to contact server. Is it running?"
                );
            }
        }
    }
}
