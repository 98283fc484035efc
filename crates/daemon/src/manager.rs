//! What the service manager is told of the daemon's state (`sd_notify(3)`).
//!
//! In: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` of the environment, and what the daemon is about to do.
//! Out: datagrams; and when the next sign of life is due.
//!
//! Invariant: nothing is sent and nothing wakes the daemon unless somebody asked for it, and a manager that does not
//! listen holds nothing up.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The variables, which are nothing to the commands of actions.
pub(crate) const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// What the daemon is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It watches and answers.
    Ready,
    /// It reads its configuration again; [`Self::Ready`] follows.
    Reloading,
    /// It comes to its end.
    Stopping,
}

/// Whoever started the daemon and wants to know how it is.
#[derive(Debug, Default)]
pub(crate) struct Manager {
    socket: Option<UnixDatagram>,
    /// How often a sign of life is wanted, and when the next one is due.
    watchdog: Option<(Duration, Instant)>,
}

impl Manager {
    /// The manager that the environment names, if it names one.
    ///
    /// # Errors
    /// Where the address is none.
    pub(crate) fn of_environment() -> io::Result<Self> {
        let Some(path) = env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
            return Ok(Self::default());
        };
        let interval = interval(
            env::var("WATCHDOG_USEC").ok().as_deref(),
            env::var("WATCHDOG_PID").ok().as_deref(),
            process::id(),
        );
        Self::at(&path, interval)
    }

    /// The manager that listens at `path`.
    fn at(path: &OsStr, interval: Option<Duration>) -> io::Result<Self> {
        let address = match path.as_bytes().split_first() {
            Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
            Some(_) | None => SocketAddr::from_pathname(path)?,
        };
        let socket = UnixDatagram::unbound()?;
        // At once, for a daemon that has given up its rights reaches no abstract address any more.
        if socket.connect_addr(&address).is_err() {
            return Ok(Self::default());
        }
        // A full queue must not stop a daemon that has attackers to ban.
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: Some(socket),
            watchdog: interval.map(|interval| (interval, Instant::now() + interval)),
        })
    }

    /// Tells what the daemon is doing.
    pub(crate) fn tell(&self, state: State) {
        let text = match state {
            State::Ready => "READY=1\nSTATUS=Watching".to_owned(),
            // The manager compares it with its own clock to tell one reload from another.
            State::Reloading => format!(
                "RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reading the configuration",
                monotonic_micros()
            ),
            State::Stopping => "STOPPING=1\nSTATUS=Ending".to_owned(),
        };
        self.send(&text);
    }

    /// Gives a sign of life, where one is due. The loop calls this each time round, so that one that hangs gives none.
    pub(crate) fn beat(&mut self) {
        let Some((interval, due)) = self.watchdog else {
            return;
        };
        let now = Instant::now();
        if due <= now {
            self.send("WATCHDOG=1");
            self.watchdog = Some((interval, now + interval));
        }
    }

    /// How long the loop may sleep before the next sign of life; for ever, where none is wanted.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let (_, due) = self.watchdog?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    fn send(&self, text: &str) {
        if let Some(socket) = &self.socket {
            // Who does not listen any more misses nothing that would be worth stopping for.
            let _ = socket.send(text.as_bytes());
        }
    }
}

/// Half of the time after which a silent daemon is taken for dead, where the manager wants signs of life of this process.
fn interval(micros: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    let micros: u64 = micros?.parse().ok().filter(|micros| *micros > 0)?;
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(own));
    is_ours.then(|| Duration::from_micros(micros) / 2)
}

fn monotonic_micros() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec
        .saturating_mul(1_000_000)
        .saturating_add(now.tv_nsec / 1000)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    use super::{Manager, State, interval};

    fn heard(socket: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 200];
        socket.set_nonblocking(true).unwrap();
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    #[test]
    fn signs_of_life_are_given_to_whoever_wants_them_of_us() {
        let cases = [
            ("nothing", None, None, None),
            ("of nobody in particular", Some("2000000"), None, Some(1_000_000)),
            ("of us", Some("3000"), Some("7"), Some(1500)),
            ("of another process", Some("2000000"), Some("8"), None),
            ("of no process", Some("2000000"), Some("x"), None),
            ("never", Some("0"), None, None),
            ("no number", Some("-1"), None, None),
            ("an age", Some("18446744073709551615"), None, Some(u64::MAX / 2)),
        ];
        for (name, micros, pid, expected) in cases {
            let found = interval(micros, pid, 7);
            let expected = expected.map(Duration::from_micros);
            assert_eq!(
                found.map(|it| it.as_micros()),
                expected.map(|it| it.as_micros()),
                "{name}"
            );
        }
    }

    #[test]
    fn a_manager_hears_what_the_daemon_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("stockade-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        let cases = [
            (UnixDatagram::bind(&path).unwrap(), path.as_os_str().to_owned()),
            (
                UnixDatagram::bind_addr(&abstract_address).unwrap(),
                OsString::from(format!("@{name}")),
            ),
        ];
        for (socket, address) in cases {
            let mut manager = Manager::at(&address, None).unwrap();
            manager.tell(State::Ready);
            assert_eq!(heard(&socket).unwrap().lines().next(), Some("READY=1"));
            manager.tell(State::Reloading);
            let text = heard(&socket).unwrap();
            let [first, second, _] = text.lines().collect::<Vec<_>>()[..] else {
                panic!("{text}");
            };
            assert_eq!(first, "RELOADING=1");
            let micros = second.strip_prefix("MONOTONIC_USEC=").unwrap();
            assert!(micros.parse::<u64>().unwrap() > 0, "{text}");
            manager.tell(State::Stopping);
            assert_eq!(heard(&socket).unwrap().lines().next(), Some("STOPPING=1"));
            manager.beat();
            assert_eq!(heard(&socket), None, "nobody wants signs of life");
            assert_eq!(manager.patience(), None, "and nothing wakes the loop");

            let mut manager = Manager::at(&address, Some(Duration::ZERO)).unwrap();
            assert_eq!(manager.patience(), Some(Duration::ZERO));
            manager.beat();
            assert_eq!(heard(&socket).as_deref(), Some("WATCHDOG=1"));
            let mut manager = Manager::at(&address, Some(Duration::from_secs(3600))).unwrap();
            manager.beat();
            assert_eq!(heard(&socket), None, "it is too early");
            assert!(manager.patience().unwrap() > Duration::from_secs(3000));
        }
    }

    #[test]
    fn a_manager_that_does_not_listen_holds_nothing_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(path.as_os_str(), None).unwrap();
        for _ in 0..10_000 {
            manager.tell(State::Ready);
        }
        drop(socket);
        manager.tell(State::Ready);
        Manager::at(path.as_os_str(), None).unwrap().tell(State::Ready);
        Manager::default().tell(State::Ready);
    }
}
