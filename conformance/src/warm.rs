//! A program of the reference, called thousands of times: one interpreter imports it once and forks for every call.
//!
//! In: a directory and the words of a call. Out: what the program started anew there would have left.

use std::io::{BufReader, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::run::Ran;
use crate::subject::reference_warm;

/// What the interpreter runs, one after the other.
pub(crate) const DRIVER: [&str; 2] = [include_str!("still.py"), include_str!("warm.py")];

/// The interpreter; it ends when this is dropped.
#[derive(Debug)]
pub struct Warm {
    child: Child,
    calls: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Warm {
    /// Starts the client.
    ///
    /// # Panics
    ///
    /// If that cannot be done.
    #[must_use]
    pub fn client() -> Self {
        Self::start(reference_warm("fail2ban-client"))
    }

    /// Starts `fail2ban-regex` in this zone, at a moment that does not pass, given in seconds. The names that it looks
    /// up have the addresses of [`Self::address_of`].
    ///
    /// # Panics
    ///
    /// If that cannot be done.
    #[must_use]
    pub fn regex_at(now: i64, zone: &str) -> Self {
        let mut command = reference_warm("fail2ban-regex");
        command.env("STOCKADE_CLOCK", now.to_string());
        // An expression that takes longer for a log of some lines would take for ever.
        command.env("STOCKADE_SECONDS", "5");
        command.env("TZ", zone).env("LC_ALL", "C.UTF-8");
        Self::start(command)
    }

    /// The address that a host name has, if any.
    #[must_use]
    pub fn address_of(name: &str) -> Option<Ipv4Addr> {
        let number: u32 = name.bytes().map(u32::from).sum();
        let [_, _, third, fourth] = number.to_be_bytes();
        (!number.is_multiple_of(3)).then(|| Ipv4Addr::new(198, 18, third, fourth))
    }

    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let calls = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        Self {
            child,
            calls,
            answers,
        }
    }

    /// Calls the program in `directory`.
    ///
    /// # Panics
    ///
    /// If the interpreter has ended.
    pub fn call(&mut self, directory: &Path, words: &[&str]) -> Ran {
        let number = words.len().to_string();
        let mut call = Vec::new();
        let texts = [directory.as_os_str().as_bytes(), number.as_bytes()];
        for text in texts.into_iter().chain(words.iter().map(|word| word.as_bytes())) {
            call.extend_from_slice(format!("{}:", text.len()).as_bytes());
            call.extend_from_slice(text);
        }
        let calls = self.calls.as_mut().expect("it is open until the end");
        calls.write_all(&call).expect("the interpreter takes calls");
        Ran {
            status: self.answer().parse().expect("a status is a number"),
            stdout: self.answer(),
            stderr: self.answer(),
        }
    }

    fn answer(&mut self) -> String {
        let mut length = 0;
        loop {
            let mut byte = [0];
            self.answers
                .read_exact(&mut byte)
                .expect("the interpreter answers");
            match byte {
                [b':'] => break,
                [digit] => length = length * 10 + usize::from(digit.saturating_sub(b'0')),
            }
        }
        let mut text = vec![0; length];
        self.answers
            .read_exact(&mut text)
            .expect("the interpreter answers");
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        drop(self.calls.take());
        // It may have ended by itself, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
