//! The daemon's own log: records in the reference's format, to a file, a stream, syslog or the journal.
//!
//! In: level, logger and text of a record, from any thread. Out: one record of the target.
//!
//! What attackers write gets into the log, and the `recidive` jail and others act on what the log says. So a
//! record is one write; control characters are escaped; and a line break within a text stays one, as the
//! reference has it, only where what follows cannot be taken for the beginning of a record: elsewhere it is
//! written as the two characters `\n`.
//!
//! Invariant: a target that cannot be written to costs the record, never the daemon.

mod format;
mod level;
mod target;

use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::tz::TimeZone;
use stockade_datetime::Timestamp;

use format::{Layout, Moment};
use target::{Sink, Spec};

pub use level::{Level, UnknownLevel};

/// The logger that speaks of the log itself.
const SERVER: &str = "fail2ban.server";

/// How much is gathered at most before it is written, in bytes.
const HELD_AT_MOST: usize = 64 * 1024;

/// The setting of the syslog socket that stands for the system's own.
const AUTO: &str = "auto";

/// A way into a log, for whoever writes records and need not know where they go.
#[derive(Clone)]
pub struct Records(Arc<Write>);

type Write = dyn Fn(Level, &'static str, &str) + Send + Sync;

impl Records {
    /// A way that ends in `write`, which is called from several threads.
    pub fn to(write: impl Fn(Level, &'static str, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }

    /// Writes a record: its level, its logger and its text.
    pub fn write(&self, level: Level, logger: &'static str, text: &str) {
        (self.0)(level, logger, text);
    }
}

impl From<Arc<Log>> for Records {
    fn from(log: Arc<Log>) -> Self {
        Self::to(move |level, logger, text| log.write(level, logger, text))
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Records")
    }
}

/// Where records go, from which level on.
pub struct Log {
    level: AtomicI32,
    inner: Mutex<Inner>,
}

struct Inner {
    /// The level as it was set, in upper case.
    level_text: String,
    /// The name of the target as it was set, without its options; none before the first.
    name: Option<String>,
    sink: Sink,
    layout: Layout,
    facility: u8,
    syslog_socket: String,
    verbosity: u8,
    product: String,
    moment: Moment,
    /// Records that could not be written and are not yet reported.
    lost: u64,
    /// Records that are to be written together, while a moment of the loop lasts in which there may be many.
    held: Option<Held>,
}

#[derive(Default)]
struct Held {
    records: String,
    count: u64,
}

/// Why the target of the log stays what it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It cannot be opened; the log says why.
    #[error("Failed to change log target")]
    Refused,
    /// The option `format` has no place for anything.
    #[error("Invalid format '{0}' for '%' style")]
    Format(
        /// The format.
        String,
    ),
}

/// What [`Log::flush`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// The file was opened anew.
    RolledOver,
    /// There was nothing to do.
    Flushed,
}

/// As the command `flushlogs` answers.
impl std::fmt::Display for Flushed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::RolledOver => "rolled over",
            Self::Flushed => "flushed",
        })
    }
}

impl Log {
    /// A log to standard error from INFO on. `product` is what its announcements call us: `Fail2ban v1.1.1`.
    #[must_use]
    pub fn new(product: &str, now: Timestamp) -> Self {
        Self::in_zone(product, now, None)
    }

    fn in_zone(product: &str, now: Timestamp, zone: Option<TimeZone>) -> Self {
        Self {
            level: AtomicI32::new(Level::INFO.number()),
            inner: Mutex::new(Inner {
                level_text: Level::INFO.to_string(),
                name: None,
                layout: Layout {
                    datetime: Sink::Stderr.has_time(),
                    padding: Sink::Stderr.has_padding(),
                    ..Layout::default()
                },
                sink: Sink::Stderr,
                facility: target::DAEMON,
                syslog_socket: AUTO.to_owned(),
                verbosity: 0,
                product: product.to_owned(),
                moment: Moment::new(now, zone),
                lost: 0,
                held: None,
            }),
        }
    }

    /// Whether a record of `level` would be written: for callers whose text takes work to make.
    #[must_use]
    pub fn takes(&self, level: Level) -> bool {
        level.number() >= self.level.load(Ordering::Relaxed)
    }

    /// Writes a record at the time of the clock.
    pub fn write(&self, level: Level, logger: &'static str, text: &str) {
        if self.takes(level) {
            self.write_at(clock(), level, logger, text);
        }
    }

    /// Writes a record at `now`.
    pub fn write_at(&self, now: Timestamp, level: Level, logger: &'static str, text: &str) {
        if self.takes(level) {
            self.lock().write(now, level, logger, text);
        }
    }

    /// Gathers the records for a file from now on, to write them together: until [`Log::release`], or as many as are
    /// worth a write of their own.
    pub fn hold(&self) {
        let mut inner = self.lock();
        if matches!(inner.sink, Sink::File(_)) {
            inner.held.get_or_insert_default();
        }
    }

    /// Writes what was gathered, and each record by itself from now on.
    pub fn release(&self) {
        let mut inner = self.lock();
        inner.write_held();
        inner.held = None;
    }

    /// From which level on records are written.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::from_number(self.level.load(Ordering::Relaxed))
    }

    /// The level as it was set, in upper case; a number of former versions as the name of what it meant.
    #[must_use]
    pub fn level_text(&self) -> String {
        self.lock().level_text.clone()
    }

    /// Sets from which level on records are written, by name or number.
    ///
    /// # Errors
    ///
    /// Where `text` is neither.
    pub fn set_level(&self, text: &str) -> Result<(), UnknownLevel> {
        let level = Level::parse(text)?;
        let name = Level::former(text).map(|level| level.to_string());
        self.lock().level_text = name.unwrap_or_else(|| text.to_uppercase());
        self.level.store(level.number(), Ordering::Relaxed);
        Ok(())
    }

    /// The number of `-v` the daemon was started with; from two on records have another form.
    pub fn set_verbosity(&self, verbosity: u8) {
        let mut inner = self.lock();
        inner.verbosity = verbosity;
        inner.layout = Layout {
            verbosity,
            ..inner.layout.clone()
        };
    }

    /// The target without its options; none before one was set.
    #[must_use]
    pub fn target(&self) -> Option<String> {
        self.lock().name.clone()
    }

    /// The file that records are appended to, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        match &self.lock().sink {
            Sink::File(file) => Some(file.path().to_owned()),
            Sink::Stdout | Sink::Stderr | Sink::Sysout | Sink::Syslog(_) | Sink::Journal(_) => None,
        }
    }

    /// Sends records elsewhere from now on: `NAME` or `NAME[option=value,…]`.
    ///
    /// `announce` is for changes at run time: the new target then begins with two records that say so.
    /// The name that is set already is left as it is, whatever the options.
    ///
    /// # Errors
    ///
    /// Where the new target cannot be opened; the present one is kept and told about it.
    pub fn set_target(&self, text: &str, announce: bool) -> Result<(), TargetError> {
        let spec = Spec::parse(text)?;
        let mut inner = self.lock();
        if inner.name.as_deref() == Some(spec.name.as_str()) {
            return Ok(());
        }
        self.switch(&mut inner, spec, announce)
    }

    /// The syslog socket, `auto` for the system's own.
    #[must_use]
    pub fn syslog_socket(&self) -> String {
        self.lock().syslog_socket.clone()
    }

    /// Sets the syslog socket; where syslog is the target, it is opened anew.
    ///
    /// # Errors
    ///
    /// Where it cannot be; the present one is kept and told about it.
    pub fn set_syslog_socket(&self, socket: &str) -> Result<(), TargetError> {
        let mut inner = self.lock();
        let old = std::mem::replace(&mut inner.syslog_socket, socket.to_owned());
        if old == socket || !matches!(inner.sink, Sink::Syslog(_)) {
            return Ok(());
        }
        let spec = Spec::parse(inner.name.as_deref().unwrap_or("SYSLOG"))?;
        self.switch(&mut inner, spec, false)
    }

    /// Opens a file anew, for one that was renamed; says in the log what it has done.
    pub fn flush(&self) -> Flushed {
        let mut inner = self.lock();
        inner.write_held();
        let name = inner.name.clone().unwrap_or_default();
        let (done, text) = match &mut inner.sink {
            Sink::File(file) => {
                let outcome = file.reopen();
                if let Err(error) = outcome {
                    let text = format!("Unable to log to '{name}': {error}");
                    self.say(&mut inner, Level::ERROR, &text);
                }
                (Flushed::RolledOver, "rollover")
            }
            Sink::Sysout => (Flushed::RolledOver, "flush"),
            Sink::Stdout | Sink::Stderr | Sink::Syslog(_) | Sink::Journal(_) => (Flushed::Flushed, "flush"),
        };
        let text = format!("{text} performed on {name}");
        self.say(&mut inner, Level::INFO, &text);
        done
    }

    fn switch(&self, inner: &mut Inner, spec: Spec, announce: bool) -> Result<(), TargetError> {
        let opened = match target::open(&spec, &inner.syslog_socket) {
            Ok(opened) => opened,
            Err(reason) => {
                self.say(inner, Level::ERROR, &reason);
                if !spec.is_reserved() {
                    let old = match &inner.name {
                        Some(name) => format!("'{name}'"),
                        None => "None".to_owned(),
                    };
                    self.say(inner, Level::INFO, &format!("Logging to previous target {old}"));
                }
                return Err(TargetError::Refused);
            }
        };
        inner.facility = match spec
            .facility
            .as_deref()
            .map(|name| (name, target::facility(name)))
        {
            None => target::DAEMON,
            Some((_, Some(number))) => number,
            Some((name, None)) => {
                let text = format!("Unable to set facility '{name}', using 'DAEMON'");
                self.say(inner, Level::ERROR, &text);
                target::DAEMON
            }
        };
        inner.layout = Layout {
            verbosity: inner.verbosity,
            datetime: spec.datetime.unwrap_or(opened.has_time()),
            padding: spec.padding.unwrap_or(opened.has_padding()),
            bare: matches!(opened, Sink::Journal(_)),
            custom: spec.format.clone(),
        };
        let shown = match &opened {
            Sink::Syslog(syslog) => format!("{} ({})", spec.name, syslog.path().display()),
            Sink::File(_) | Sink::Stdout | Sink::Stderr | Sink::Sysout | Sink::Journal(_) => {
                spec.name.clone()
            }
        };
        inner.write_held();
        inner.held = None;
        inner.sink = opened;
        inner.name = Some(spec.name);
        if announce {
            let product = inner.product.clone();
            self.say(inner, Level::INFO, &format!("Start {product}"));
            self.say(
                inner,
                Level::INFO,
                &format!("Changed logging target to {shown} for {product}"),
            );
        }
        Ok(())
    }

    /// A record of the log's own, written with the lock held.
    fn say(&self, inner: &mut Inner, level: Level, text: &str) {
        if self.takes(level) {
            inner.write(clock(), level, SERVER, text);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, now: Timestamp, level: Level, logger: &str, text: &str) {
        let record = self.layout.record(&mut self.moment, now, level, logger, text);
        if let Some(held) = &mut self.held {
            if held.count > 0 {
                held.records.push('\n');
            }
            held.records.push_str(&record);
            held.count += 1;
            if held.records.len() >= HELD_AT_MOST {
                self.write_held();
            }
            return;
        }
        self.put(now, &record, 1, level, logger);
    }

    /// Writes the records that were gathered.
    fn write_held(&mut self) {
        let Some(Held { records, count }) = self.held.take() else {
            return;
        };
        if count > 0 {
            // Only a file's records are gathered, and to a file the level is a word in the record.
            self.put(clock(), &records, count, Level::INFO, SERVER);
        }
        self.held = Some(Held::default());
    }

    /// Writes so many records, with a line break between any two; and how many were lost before, once that is possible.
    fn put(&mut self, now: Timestamp, records: &str, count: u64, level: Level, logger: &str) {
        if self.sink.write(records, level, logger, self.facility).is_err() {
            self.lost += count;
            return;
        }
        if self.lost > 0 {
            let text = format!("{} records could not be written to this log", self.lost);
            let record = self
                .layout
                .record(&mut self.moment, now, Level::WARNING, SERVER, &text);
            if self
                .sink
                .write(&record, Level::WARNING, SERVER, self.facility)
                .is_ok()
            {
                self.lost = 0;
            }
        }
    }
}

fn clock() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
