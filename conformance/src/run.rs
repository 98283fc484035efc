//! Running programs: to their end with a deadline, or in the background until the test is over.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::wait::within;

/// What a program that has ended left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The exit status, or −1 if a signal ended it.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Whether the exit status was zero.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status == 0
    }

    /// The standard output of a program that had to succeed.
    ///
    /// # Panics
    ///
    /// If it did not.
    #[must_use]
    #[track_caller]
    pub fn expect(self, what: &str) -> String {
        assert!(self.succeeded(), "{what}: {self:?}");
        self.stdout
    }
}

/// Runs `command` to its end.
///
/// # Panics
///
/// If it cannot be started, or takes longer than `limit`, and is killed.
#[track_caller]
pub fn run(command: &mut Command, limit: Duration) -> Ran {
    run_with(command, "", limit)
}

/// Runs `command` to its end, with `input` to read.
///
/// # Panics
///
/// If it cannot be started, or takes longer than `limit`, and is killed.
#[track_caller]
pub fn run_with(command: &mut Command, input: &str, limit: Duration) -> Ran {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = start(command);
    // A pipe holds what a person types; who does not read it need not.
    if let Some(mut stdin) = child.stdin.take() {
        drop(stdin.write_all(input.as_bytes()));
    }
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let Some(status) = ended(&mut child, limit) else {
        drop(child.kill());
        drop(child.wait());
        panic!("{command:?} took longer than {} s", limit.as_secs());
    };
    Ran {
        status: status.code().unwrap_or(-1),
        stdout: stdout.join().expect("the reader does not panic"),
        stderr: stderr.join().expect("the reader does not panic"),
    }
}

/// A program in the background, which is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: PathBuf,
}

/// Starts `command` in the background, everything that it says going to the file `output`.
///
/// # Panics
///
/// If it cannot be started.
#[track_caller]
pub fn spawn(command: &mut Command, output: &Path) -> Running {
    spawn_with(command, Stdio::null(), output)
}

/// Starts `command` in the background with `input` to read, everything that it says going to the file `output`.
///
/// # Panics
///
/// If it cannot be started.
#[track_caller]
pub fn spawn_with(command: &mut Command, input: impl Into<Stdio>, output: &Path) -> Running {
    let file = File::options().create(true).append(true).open(output);
    let file = file.unwrap_or_else(|error| panic!("cannot write {}: {error}", output.display()));
    let both = file.try_clone().expect("a descriptor is to be had");
    command.stdin(input).stdout(file).stderr(both);
    Running {
        child: start(command),
        output: output.to_owned(),
    }
}

impl Running {
    /// Waits for its end: the exit status (−1 for a signal), or `None` if it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        ended(&mut self.child, limit).map(|status| status.code().unwrap_or(-1))
    }

    /// Everything it has said so far.
    #[must_use]
    pub fn output(&self) -> String {
        let bytes = std::fs::read(&self.output).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[track_caller]
fn start(command: &mut Command) -> Child {
    command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

fn ended(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    within(limit, || {
        child.try_wait().expect("our own child can be waited for")
    })
}

/// Reads a pipe to its end on a thread of its own, so that a full one never blocks the program.
fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth showing.
            drop(pipe.read_to_end(&mut bytes));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
