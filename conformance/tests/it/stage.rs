//! A small stage for a server: a configuration directory that stands alone, with everything the server writes.
//!
//! `DIR` in a configuration stands for that directory, and in what is compared it stands there again.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use stockade_conformance::{Ran, Running, Subject, run, run_with, spawn_with, until, within};
use tempfile::TempDir;

/// A filter whose lines have their time in seconds since 1970.
pub(crate) const FILTER: &str =
    "[Definition]\nfailregex = ^ login from <HOST> failed$\ndatepattern = ^EPOCH\n";

/// How long anything may take that should take less than a second, on a machine busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const SERVER: &str = "\
[Definition]
loglevel = INFO
logtarget = DIR/log
syslogsocket = auto
socket = DIR/sock
pidfile = DIR/pid
dbfile = DIR/db
dbpurgeage = 1d
dbmaxmatches = 10
allowipv6 = auto
";

/// The directory.
pub(crate) struct Stage {
    directory: TempDir,
}

impl Stage {
    /// Makes it, with a `fail2ban.conf` and these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let directory = TempDir::with_prefix("stockade-stage-").expect("a directory can be made");
        let stage = Self { directory };
        for name in ["filter.d", "action.d"] {
            fs::create_dir(stage.path().join(name)).expect("a directory of our own");
        }
        stage.write("fail2ban.conf", SERVER);
        for (name, text) in files {
            stage.write(name, text);
        }
        stage
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), self.here(text)).expect("a directory of our own");
    }

    /// Writes further lines into a log, as a service does.
    pub(crate) fn append(&self, name: &str, text: &str) {
        let log = File::options().append(true).open(self.path().join(name));
        write!(log.expect("a log of our own"), "{text}").expect("a log of our own");
    }

    /// A file, empty if it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// `DIR` as this directory.
    pub(crate) fn here(&self, text: &str) -> String {
        text.replace("DIR", &self.path().display().to_string())
    }

    /// This directory as `DIR`, and every `2026-11-21 23:29:28` as `WHEN`.
    pub(crate) fn anywhere(&self, text: &str) -> String {
        without_clock(&text.replace(&self.path().display().to_string(), "DIR"))
    }

    /// Starts a server here, and waits until all of `jails` run.
    pub(crate) fn start(&self, subject: Subject, jails: &[&str]) -> Server<'_> {
        self.start_with(subject, jails, |_| {})
    }

    /// The same, with something more said to the server.
    pub(crate) fn start_with(
        &self,
        subject: Subject,
        jails: &[&str],
        prepare: impl FnOnce(&mut Command),
    ) -> Server<'_> {
        self.start_given(subject, jails, Stdio::null(), prepare)
    }

    /// The same, with something to read.
    pub(crate) fn start_given(
        &self,
        subject: Subject,
        jails: &[&str],
        input: impl Into<Stdio>,
        prepare: impl FnOnce(&mut Command),
    ) -> Server<'_> {
        // What a server before has written is none of this one's doing.
        let before = self.read("log").len();
        let mut command = subject.server(Some(self.path()));
        // A relative path of a client is one of ours then.
        command.current_dir(self.path());
        prepare(&mut command);
        let mut server = Server {
            running: spawn_with(&mut command, input, &self.path().join("said")),
            stage: self,
        };
        until(
            "the server to be ready",
            PATIENCE,
            || self.state(),
            || {
                assert_eq!(
                    server.running.wait(Duration::ZERO),
                    None,
                    "it has ended\n{}",
                    self.state()
                );
                let log = self.read("log");
                let log = log.get(before..).unwrap_or_default();
                jails
                    .iter()
                    .all(|jail| log.contains(&format!("Jail '{jail}' started")))
                    .then_some(())
            },
        );
        server
    }

    /// Runs a client; what it printed, as it would be anywhere.
    pub(crate) fn say(&self, client: Subject, words: &[&str]) -> Ran {
        let mut command = client.client(Some(self.path()));
        self.tidy(&run(command.args(words), PATIENCE))
    }

    /// The same with something to read.
    pub(crate) fn say_with(&self, client: Subject, words: &[&str], input: &str) -> Ran {
        let mut command = client.client(Some(self.path()));
        self.tidy(&run_with(command.args(words), input, PATIENCE))
    }

    /// What a client printed, as it would be anywhere.
    pub(crate) fn tidy(&self, ran: &Ran) -> Ran {
        let plain = |text: &str| {
            text.split_inclusive('\n')
                .map(without_process)
                .collect::<String>()
        };
        Ran {
            status: ran.status,
            stdout: self.anywhere(&plain(&ran.stdout)),
            stderr: self.anywhere(&plain(&ran.stderr)),
        }
    }

    /// What a failure should show.
    pub(crate) fn state(&self) -> String {
        self.read("log") + &self.read("said")
    }
}

/// A server that runs.
pub(crate) struct Server<'a> {
    running: Running,
    stage: &'a Stage,
}

impl Server<'_> {
    /// Waits for the end of a server that was told to stop, and that leaves the socket to others.
    pub(crate) fn ends(mut self) -> Option<i32> {
        self.running.wait(PATIENCE)
    }

    /// Waits for the end of a server that was told to stop.
    pub(crate) fn ends_well(mut self) {
        let status = self.running.wait(PATIENCE);
        let state = self.stage.state();
        assert_eq!(
            status,
            Some(0),
            "a server that was told to stop ends well\n{state}"
        );
        let socket = self.stage.path().join("sock");
        let gone = within(PATIENCE, || (!socket.exists()).then_some(()));
        assert!(gone.is_some(), "a server that has ended leaves no socket behind");
    }
}

/// A line of log without milliseconds and process: `2026-11-21 23:29:28,260 name   [123]: …`.
fn without_process(line: &str) -> String {
    let stamped = line.get(..19).is_some_and(is_time) && line.get(19..20) == Some(",");
    match line.split_once('[').filter(|_| stamped) {
        Some((before, after)) => {
            let time = before.get(..19).unwrap_or_default();
            let name = before.get(24..).unwrap_or_default();
            let rest = after.trim_start_matches(|character: char| character.is_ascii_digit());
            format!("{time} {name}[PID{rest}")
        }
        None => line.to_owned(),
    }
}

fn without_clock(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("20") {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let (head, length) = if from.get(..19).is_some_and(is_time) {
            ("WHEN", 19)
        } else {
            ("20", 2)
        };
        plain.push_str(head);
        rest = from.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

fn is_time(text: &str) -> bool {
    let shape = "dddd-dd-dd dd:dd:dd".bytes();
    text.bytes().zip(shape).all(|(byte, shape)| {
        if shape == b'd' {
            byte.is_ascii_digit()
        } else {
            byte == shape
        }
    })
}
