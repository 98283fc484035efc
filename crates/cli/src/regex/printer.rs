//! Standard output, and why a run may end early.
//!
//! In: texts. Out: standard output, in large pieces; the exit status.
//!
//! Invariant: a reader that went away ends the run without a word and with success.

use std::io::{self, BufWriter, StdoutLock, Write};

/// Why a run ends before its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is printed as it is; exit status 255.
    Told(String),
    /// The help is printed, and then this; exit status 255.
    Misuse(String),
    /// What the reference answers with a call chain: it is printed as an error; exit status 1.
    Unexpected(String),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl Trouble {
    /// An error that a user can put right.
    pub(super) fn error(text: impl std::fmt::Display) -> Self {
        Self::Told(format!("ERROR: {text}"))
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Standard output.
pub(super) struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    /// Whether there is more than the failures to be printed.
    is_full: bool,
}

impl Printer {
    /// Prints everything, or failures alone.
    pub(super) fn new(is_full: bool) -> Self {
        Self {
            out: BufWriter::new(io::stdout().lock()),
            is_full,
        }
    }

    /// Prints a line.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// Prints a line, unless failures alone are wanted.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        if self.is_full { self.line(text) } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
