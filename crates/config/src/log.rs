//! What the reader has to say while it reads, in the words and with the loggers of the reference.

use std::cell::RefCell;

/// How much a record matters, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Progress, shown with `-v`.
    Info,
    /// Shown with `-v`.
    Notice,
    /// Something is odd; reading goes on.
    Warning,
    /// Something cannot be used.
    Error,
}

impl Level {
    /// The name in a line of the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// A record for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How much it matters.
    pub level: Level,
    /// The logger of the reference, such as `fail2ban.jailreader`.
    pub logger: &'static str,
    /// The text, possibly of several lines.
    pub text: String,
}

pub(crate) const GENERAL: &str = "fail2ban";
pub(crate) const READER: &str = "fail2ban.configreader";
pub(crate) const PARSER: &str = "fail2ban.configparserinc";
pub(crate) const JAIL: &str = "fail2ban.jailreader";
pub(crate) const JAILS: &str = "fail2ban.jailsreader";

/// The records so far.
#[derive(Debug, Default)]
pub(crate) struct Log(RefCell<Vec<Record>>);

impl Log {
    pub(crate) fn add(&self, level: Level, logger: &'static str, text: impl Into<String>) {
        self.0.borrow_mut().push(Record {
            level,
            logger,
            text: text.into(),
        });
    }

    /// Hands the records over and begins anew.
    pub(crate) fn take(&self) -> Vec<Record> {
        self.0.take()
    }
}
