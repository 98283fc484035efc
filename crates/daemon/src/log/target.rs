//! Where records go: a file, a stream, the system's log, the journal.
//!
//! In: a target as the configuration names it; records. Out: bytes on the way.
//!
//! Invariant: no write waits for longer than [`SEND_LIMIT`] for a socket, and after one that had to, none
//! waits until the socket takes records again.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{AUTO, Level, TargetError};
use crate::helper;

/// The facility `DAEMON`, which syslog records have unless told otherwise.
pub(super) const DAEMON: u8 = 3;

/// The system's own syslog socket.
const SYSLOG_SOCKET: &str = "/dev/log";

/// Where the journal takes records in its own form.
const JOURNAL_SOCKET: &str = "/run/systemd/journal/socket";

/// How long a busy socket may hold the daemon up, once.
const SEND_LIMIT: Duration = Duration::from_millis(200);

/// What is left of a record that is too long for its socket.
const DATAGRAM_LIMIT: usize = 8 * 1024;

/// A target as the configuration names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) facility: Option<String>,
    pub(super) datetime: Option<bool>,
    pub(super) padding: Option<bool>,
    pub(super) format: Option<String>,
}

impl Spec {
    /// Reads `NAME` or `NAME[option=value,…]`; options we do not know are passed over.
    pub(super) fn parse(text: &str) -> Result<Self, TargetError> {
        let text = text.trim();
        let (name, options) = match text.split_once('[') {
            Some((name, rest)) if rest.ends_with(']') && !name.is_empty() => {
                (name.trim_end(), rest.strip_suffix(']').unwrap_or(rest))
            }
            Some(_) | None => (text, ""),
        };
        let mut spec = Self {
            name: name.to_owned(),
            facility: None,
            datetime: None,
            padding: None,
            format: None,
        };
        for (option, value) in split_options(options) {
            match option {
                "facility" => spec.facility = Some(value.to_owned()),
                "datetime" => spec.datetime = Some(is_true(value)),
                "padding" => spec.padding = Some(is_true(value)),
                "format" if !has_field(value) => return Err(TargetError::Format(value.to_owned())),
                "format" => spec.format = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(spec)
    }

    /// Whether the name is one of the reserved ones and not that of a file.
    pub(super) fn is_reserved(&self) -> bool {
        ["STDOUT", "STDERR", "SYSOUT", "SYSLOG", "SYSTEMD-JOURNAL"]
            .contains(&self.name.to_uppercase().as_str())
    }
}

/// Splits `a=1, b="x, y"` at blanks and commas outside of quotes.
fn split_options(text: &str) -> Vec<(&str, &str)> {
    let mut options = Vec::new();
    let mut rest = text;
    while let Some((option, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, after) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let inner = after.strip_prefix(quote).unwrap_or(after);
                inner.split_once(quote).unwrap_or((inner, ""))
            }
            Some(_) | None => {
                let end = after
                    .find(|c: char| c == ',' || c.is_whitespace())
                    .unwrap_or(after.len());
                after.split_at(end)
            }
        };
        options.push((
            option.trim_matches(|c: char| c == ',' || c.is_whitespace()),
            value,
        ));
        rest = after;
    }
    options
}

fn is_true(value: &str) -> bool {
    ["1", "on", "true", "yes"].contains(&value.to_lowercase().as_str())
}

/// Whether a format has any `%(name)` in it, which Python insists on.
fn has_field(format: &str) -> bool {
    format
        .split_once("%(")
        .is_some_and(|(_, rest)| rest.contains(')'))
}

/// The number of a facility by its name.
pub(super) fn facility(name: &str) -> Option<u8> {
    const NAMES: [(&str, u8); 21] = [
        ("KERN", 0),
        ("USER", 1),
        ("MAIL", 2),
        ("DAEMON", DAEMON),
        ("AUTH", 4),
        ("SYSLOG", 5),
        ("LPR", 6),
        ("NEWS", 7),
        ("UUCP", 8),
        ("CRON", 9),
        ("AUTHPRIV", 10),
        ("FTP", 11),
        ("NTP", 12),
        ("LOCAL0", 16),
        ("LOCAL1", 17),
        ("LOCAL2", 18),
        ("LOCAL3", 19),
        ("LOCAL4", 20),
        ("LOCAL5", 21),
        ("LOCAL6", 22),
        ("LOCAL7", 23),
    ];
    let name = name.to_uppercase();
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}

/// An open target.
pub(super) enum Sink {
    File(LogFile),
    Stdout,
    Stderr,
    Sysout,
    Syslog(Datagrams),
    Journal(Datagrams),
}

/// Opens what `spec` names, or says why that is not possible.
pub(super) fn open(spec: &Spec, syslog_socket: &str) -> Result<Sink, String> {
    match spec.name.to_uppercase().as_str() {
        "STDOUT" => Ok(Sink::Stdout),
        "STDERR" => Ok(Sink::Stderr),
        "SYSOUT" => Ok(Sink::Sysout),
        "SYSTEMD-JOURNAL" => Ok(Sink::Journal(Datagrams::new(Path::new(JOURNAL_SOCKET)))),
        "SYSLOG" => {
            let path = if syslog_socket.eq_ignore_ascii_case(AUTO) {
                SYSLOG_SOCKET
            } else {
                syslog_socket
            };
            let is_socket = std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
            if is_socket {
                Ok(Sink::Syslog(Datagrams::new(Path::new(path))))
            } else {
                Err(format!(
                    "Syslog socket file: {path} does not exists or is not a socket"
                ))
            }
        }
        _ => match LogFile::open(Path::new(&spec.name)) {
            Ok(file) => Ok(Sink::File(file)),
            Err(_) => Err(format!("Unable to log to '{}'", spec.name)),
        },
    }
}

impl Sink {
    /// Whether records have a time of their own here, unless told otherwise.
    pub(super) fn has_time(&self) -> bool {
        match self {
            Self::File(_) | Self::Stdout | Self::Stderr => true,
            Self::Sysout | Self::Syslog(_) | Self::Journal(_) => false,
        }
    }

    /// Whether logger and level are filled up with blanks here, unless told otherwise.
    pub(super) fn has_padding(&self) -> bool {
        match self {
            Self::File(_) | Self::Stdout | Self::Stderr | Self::Sysout => true,
            Self::Syslog(_) | Self::Journal(_) => false,
        }
    }

    /// Writes one record.
    pub(super) fn write(&mut self, record: &str, level: Level, logger: &str, facility: u8) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(record),
            Self::Stdout | Self::Sysout => write_line(io::stdout().lock(), record),
            Self::Stderr => write_line(io::stderr().lock(), record),
            Self::Syslog(socket) => {
                let priority = u32::from(facility) * 8 + syslog_severity(level);
                // A datagram ends with a zero byte by tradition; the escaping has left none in the record.
                socket.send(|limit| format!("<{priority}>{}\0", cut(record, limit)).into_bytes())
            }
            Self::Journal(socket) => socket.send(|limit| journal_entry(cut(record, limit), level, logger)),
        }
    }
}

/// A whole line in one write, so that those of other writers do not get in between.
fn write_line(mut stream: impl Write, record: &str) -> io::Result<()> {
    stream.write_all(format!("{record}\n").as_bytes())?;
    stream.flush()
}

fn syslog_severity(level: Level) -> u32 {
    match level {
        Level::CRITICAL => 2,
        Level::ERROR => 3,
        Level::NOTICE => 5,
        Level::INFO => 6,
        Level::DEBUG => 7,
        _ => 4,
    }
}

fn journal_priority(level: Level) -> u32 {
    if level <= Level::DEBUG {
        7
    } else if level <= Level::INFO {
        6
    } else if level <= Level::WARNING {
        4
    } else if level <= Level::ERROR {
        3
    } else {
        2
    }
}

/// An entry in the journal's own form; a text with line breaks is preceded by its length, so that whatever
/// is in it stays one field.
fn journal_entry(text: &str, level: Level, logger: &str) -> Vec<u8> {
    let mut entry = Vec::with_capacity(text.len() + 160);
    let thread = std::thread::current();
    let mut field = |name: &str, value: &str| {
        entry.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            entry.push(b'\n');
            let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
            entry.extend_from_slice(&length.to_le_bytes());
        } else {
            entry.push(b'=');
        }
        entry.extend_from_slice(value.as_bytes());
        entry.push(b'\n');
    };
    field("MESSAGE", text);
    field("PRIORITY", &journal_priority(level).to_string());
    field("SYSLOG_IDENTIFIER", "fail2ban");
    field("LOGGER", logger);
    field("THREAD_NAME", thread.name().unwrap_or("main"));
    field("PROCESS_NAME", "MainProcess");
    entry
}

/// The first `limit` bytes of `text`, less what would cut a character in two.
fn cut(text: &str, limit: usize) -> &str {
    (0..=limit.min(text.len()))
        .rev()
        .find_map(|end| text.get(..end))
        .unwrap_or_default()
}

/// A file that records are appended to.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// The disk was full in the middle of a record.
    torn: bool,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: helper::append(path)?,
            torn: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Goes on with whatever is at the path now; where that cannot be opened, with the file of before.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.file = helper::append(&self.path)?;
        self.torn = false;
        Ok(())
    }

    fn write(&mut self, record: &str) -> io::Result<()> {
        let start = if self.torn { "\n" } else { "" };
        let line = format!("{start}{record}\n");
        let written = match self.file.write(line.as_bytes()) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        self.torn = true;
        self.file
            .write_all(line.as_bytes().get(written..).unwrap_or_default())?;
        self.torn = false;
        Ok(())
    }
}

/// A socket that takes each record as a datagram. It is connected when there is something to send, and again
/// when the other side was restarted.
pub(super) struct Datagrams {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    /// The last record had to wait too long.
    stalled: bool,
}

impl Datagrams {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            socket: None,
            stalled: false,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Sends what `make` makes of a record that may have a given length.
    fn send(&mut self, make: impl Fn(usize) -> Vec<u8>) -> io::Result<()> {
        let mut limit = usize::MAX;
        let mut outcome = Ok(());
        // Once as it is, once more where the other side was restarted, once more shortened.
        for _ in 0..3 {
            outcome = self.try_send(&make(limit));
            match &outcome {
                Err(error) if is_too_long(error) => limit = DATAGRAM_LIMIT,
                Err(error) if is_busy(error) => {
                    self.stalled = true;
                    return outcome;
                }
                Err(_) => self.socket = None,
                Ok(()) => {
                    self.stalled = false;
                    return outcome;
                }
            }
        }
        outcome
    }

    fn try_send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let socket = match &self.socket {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(&self.path)?;
                socket.set_write_timeout(Some(SEND_LIMIT))?;
                self.socket.insert(socket)
            }
        };
        socket.set_nonblocking(self.stalled)?;
        socket.send(datagram).map(drop)
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.kind() == io::ErrorKind::TimedOut
}

fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::{Spec, cut, facility, journal_entry, journal_priority, syslog_severity};
    use crate::log::Level;

    #[test]
    fn targets_are_read_with_their_options() {
        let plain = |name: &str| Spec {
            name: name.to_owned(),
            facility: None,
            datetime: None,
            padding: None,
            format: None,
        };
        for (text, expected) in [
            ("STDOUT", plain("STDOUT")),
            (" /var/log/x y.log ", plain("/var/log/x y.log")),
            ("SYSLOG[]", plain("SYSLOG")),
            ("STDOUT[bogus=1]", plain("STDOUT")),
            (
                "SYSLOG[facility=AUTH, datetime=on padding='off']",
                Spec {
                    facility: Some("AUTH".into()),
                    datetime: Some(true),
                    padding: Some(false),
                    ..plain("SYSLOG")
                },
            ),
            (
                r#"/var/log/a.log[format="%(name)s, [%(message)s]",padding=on]"#,
                Spec {
                    format: Some("%(name)s, [%(message)s]".into()),
                    padding: Some(true),
                    ..plain("/var/log/a.log")
                },
            ),
        ] {
            assert_eq!(Spec::parse(text), Ok(expected), "{text}");
        }
        let error = Spec::parse("STDOUT[format=\"<nothing>\"]").expect_err("a format without fields");
        assert_eq!(error.to_string(), "Invalid format '<nothing>' for '%' style");
    }

    #[test]
    fn levels_become_severities() {
        for (level, syslog, journal) in [
            (Level::CRITICAL, 2, 2),
            (Level::ERROR, 3, 3),
            (Level::WARNING, 4, 4),
            (Level::NOTICE, 5, 4),
            (Level::INFO, 6, 6),
            (Level::MSG, 4, 6),
            (Level::DEBUG, 7, 7),
            (Level::HEAVY, 4, 7),
        ] {
            assert_eq!(
                (syslog_severity(level), journal_priority(level)),
                (syslog, journal),
                "{level}"
            );
        }
        assert_eq!((facility("auth"), facility("FOO")), (Some(4), None));
    }

    #[test]
    fn a_text_with_line_breaks_is_one_field_of_the_journal() {
        let entry = journal_entry("a\nPRIORITY=0", Level::INFO, "fail2ban.server");
        assert!(entry.starts_with(b"MESSAGE\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\nPRIORITY=6\n"));
        let entry = journal_entry("a", Level::INFO, "fail2ban.server");
        assert!(
            entry.starts_with(b"MESSAGE=a\nPRIORITY=6\nSYSLOG_IDENTIFIER=fail2ban\nLOGGER=fail2ban.server\n")
        );
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!((cut("aü", 2), cut("aü", 3), cut("aü", 9)), ("a", "aü", "aü"));
    }
}
