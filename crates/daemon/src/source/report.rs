//! Reports: services say themselves that somebody has failed, or has not.
//!
//! In: datagrams on a socket, one JSON object each, and who may send them for which jail. Out: [`Report`]s.
//! Time: the `now` that the caller passes; nothing here reads a clock or waits.
//!
//! The kernel says who has sent a datagram, so nobody can speak for a service whose user they are not; and as there
//! is no line of text, nothing that a user types can pass for one. A report that is none is counted and told of, at
//! most once a minute. The socket itself is the queue: where it is full, the sender is told so by the kernel.
//!
//! Invariant: a report is for a jail that takes reports, from somebody whose reports it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use serde_json::Value;
use stockade_datetime::Timestamp;
use stockade_sys::{Interest, Poller, receive_with_sender};

use super::local::{LocalAddress, LocalSocket};
use super::status::{Meter, SourceKind, SourceState, SourceStatus};
use crate::limits::Fill;

/// The version of the protocol.
pub const VERSION: u64 = 1;

/// How long a report may be, in bytes: many times what a service has to say of one failure.
pub const REPORT_LIMIT: usize = 64 * 1024;

/// For how many failures one report may count.
pub const MOST_WEIGHT: u64 = 1000;

/// How long the name of a user is kept, in characters.
pub const USER_LIMIT: usize = 256;

/// How many lines of evidence one report may bring, and how long each is kept, in characters.
pub const MATCHES_LIMIT: usize = 100;
/// See [`MATCHES_LIMIT`].
pub const MATCH_LIMIT: usize = 8192;

/// How many reports are taken in one call of [`Reports::ready`].
const REPORTS_AT_ONCE: usize = 256;

/// How often the log is told of reports that are none, in microseconds.
const COMPLAINT_PAUSE_MICROS: i64 = 60_000_000;

/// How far the clock of a sender may be ahead, in microseconds; past that it is of now.
const AHEAD_MICROS: i64 = 60_000_000;

/// The mode of the socket where none is said: root alone, and whoever may everything anyway.
const MODE: u32 = 0o600;

/// What is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The jail it is for.
    pub jail: String,
    /// Who has failed, or has not.
    pub address: IpAddr,
    /// What happened.
    pub what: Reported,
    /// The name that was tried.
    pub user: Option<String>,
    /// When.
    pub time: Timestamp,
    /// The user who has reported it, by number, and the process.
    pub sender: (u32, i32),
}

/// What a report tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// A failure.
    Failure {
        /// For how many it counts.
        weight: u32,
        /// Lines that show it.
        matches: Vec<String>,
    },
    /// A success.
    Success,
}

/// Whose reports a jail takes, beside those of root and of the daemon's own user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Senders(BTreeSet<u32>);

impl Senders {
    /// These users.
    #[must_use]
    pub fn new(users: impl IntoIterator<Item = u32>) -> Self {
        Self(users.into_iter().collect())
    }

    fn include(&self, user: u32) -> bool {
        user == 0 || user == rustix::process::geteuid().as_raw() || self.0.contains(&user)
    }
}

/// The socket for reports.
#[derive(Debug)]
pub struct Reports {
    poller: Option<Poller>,
    /// As it was given, where there is one.
    open: Option<(String, LocalSocket)>,
    jails: BTreeMap<String, Senders>,
    buffer: Vec<u8>,
    meter: Meter,
    taken: u64,
    refused: u64,
    /// How many of them were too long.
    long: u64,
    /// How many the log was not told of, and when it was told last.
    untold: u64,
    told: Option<Timestamp>,
    last_refusal: String,
}

impl Reports {
    /// Takes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            poller: Poller::new().ok(),
            open: None,
            jails: BTreeMap::new(),
            buffer: Vec::new(),
            meter: Meter::default(),
            taken: 0,
            refused: 0,
            long: 0,
            untold: 0,
            told: None,
            last_refusal: String::new(),
        }
    }

    /// Checks the text that [`Reports::set_socket`] is given, without doing anything.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check_socket(text: &str) -> Result<(), String> {
        if is_none(text) {
            return Ok(());
        }
        LocalAddress::parse(text, MODE).map(drop)
    }

    /// Has the socket be this one, `PATH[mode=…, group=…]`; none for `none`. One that is there already stays as it is.
    ///
    /// # Errors
    /// Says why it cannot be; the one before stays then.
    pub fn set_socket(&mut self, text: &str) -> Result<(), String> {
        if is_none(text) {
            self.close();
            return Ok(());
        }
        let address = LocalAddress::parse(text, MODE)?;
        let known = self.open.as_ref();
        if known.is_some_and(|(known, _)| known == text) {
            return Ok(());
        }
        if known.is_some_and(|(known, _)| {
            LocalAddress::parse(known, MODE).is_ok_and(|known| known.path() == address.path())
        }) {
            self.close();
        }
        let shown = |error: io::Error| format!("{}: {error}", address.path().display());
        let socket = LocalSocket::bind(&address).map_err(shown)?;
        let poller = self.poller.as_ref().ok_or("there is nothing to wait with")?;
        poller.add(&socket, 0, Interest::Read).map_err(shown)?;
        self.close();
        self.open = Some((text.to_owned(), socket));
        Ok(())
    }

    fn close(&mut self) {
        if let (Some((_, socket)), Some(poller)) = (self.open.take(), &self.poller) {
            drop(poller.remove(&socket));
        }
    }

    /// The socket as it was given.
    #[must_use]
    pub fn socket(&self) -> Option<&str> {
        self.open.as_ref().map(|(text, _)| text.as_str())
    }

    /// Has a jail take reports from these senders, or from nobody.
    pub fn set_jail(&mut self, jail: &str, senders: Option<Senders>) {
        match senders {
            Some(senders) => self.jails.insert(jail.to_owned(), senders),
            None => self.jails.remove(jail),
        };
    }

    /// Whether a jail takes reports.
    #[must_use]
    pub fn takes(&self, jail: &str) -> bool {
        self.jails.contains_key(jail)
    }

    /// What to wait for.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.poller.as_ref().map(AsFd::as_fd)
    }

    /// How the socket is doing, and the jails that take reports; nothing where there is neither.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Option<(SourceStatus, Vec<&str>)> {
        let jails: Vec<&str> = self.jails.keys().map(String::as_str).collect();
        let state = match &self.open {
            Some(_) => SourceState::Following,
            None if jails.is_empty() => return None,
            None => SourceState::Failing(
                "there is no socket for reports; set `reportsocket` in fail2ban.conf".to_owned(),
            ),
        };
        let mut status = SourceStatus::new(SourceKind::Reports, self.socket().unwrap_or("none"), state);
        status.counts = self.meter.counts(now);
        Some((status, jails))
    }

    /// How many reports were taken, and how many refused; and why the last one was.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, &str) {
        (self.taken, self.refused, &self.last_refusal)
    }

    /// How full everything is that has a limit, where there is a socket.
    #[must_use]
    pub(crate) fn fill(&self) -> Option<Fill> {
        let limit = (None, REPORT_LIMIT);
        self.socket()
            .map(|socket| Fill::of_source(socket, "a report, in bytes", limit, self.long, "it is refused"))
    }

    /// Takes what has come, up to a limit, and says what the log is to be told.
    pub fn ready(&mut self, now: Timestamp, deliver: &mut dyn FnMut(Report)) -> Option<String> {
        let mut told = None;
        for _ in 0..REPORTS_AT_ONCE {
            let Some((_, socket)) = &self.open else { break };
            self.buffer.resize(REPORT_LIMIT, 0);
            let outcome = match receive(socket, &mut self.buffer) {
                Ok(Some(datagram)) => {
                    self.long += u64::from(datagram == Err(Unusable::Long));
                    datagram.map_err(|unusable| unusable.to_string())
                }
                Ok(None) => break,
                Err(error) => Err(error.to_string()),
            };
            let report = outcome.and_then(|(count, sender)| {
                let bytes = self.buffer.get(..count).unwrap_or_default();
                let report = parse(bytes, now, sender)?;
                match self.jails.get(&report.jail) {
                    None => Err(format!("no jail '{}' takes reports", plain(&report.jail, 64))),
                    Some(senders) if !senders.include(sender.0) => {
                        let (user, jail) = (sender.0, &report.jail);
                        Err(format!(
                            "the jail '{jail}' takes none from user {user}; see `reports.from`"
                        ))
                    }
                    Some(_) => Ok(report),
                }
            });
            match report {
                Ok(report) => {
                    self.taken += 1;
                    self.meter.count(now, 1);
                    deliver(report);
                }
                Err(why) => told = self.refuse(now, why).or(told),
            }
        }
        told
    }

    fn refuse(&mut self, now: Timestamp, why: String) -> Option<String> {
        self.refused += 1;
        self.meter.count_dropped(1);
        self.untold += 1;
        self.last_refusal = why;
        let is_early = |told: Timestamp| told <= now && now < told.plus_micros(COMPLAINT_PAUSE_MICROS);
        if self.told.is_some_and(is_early) {
            return None;
        }
        self.told = Some(now);
        let why = &self.last_refusal;
        Some(match std::mem::take(&mut self.untold) {
            1 => format!("A report was refused: {why}"),
            count => format!("{count} reports were refused, the last one: {why}"),
        })
    }
}

impl Default for Reports {
    fn default() -> Self {
        Self::new()
    }
}

fn is_none(text: &str) -> bool {
    text.trim().is_empty() || text.trim().eq_ignore_ascii_case("none")
}

/// The length of a datagram and who has sent it: user and process.
type Datagram = Result<(usize, (u32, i32)), Unusable>;

/// Why a datagram is no report, whatever is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Unusable {
    #[error("it is longer than {REPORT_LIMIT} bytes")]
    Long,
    #[error("the kernel does not say who has sent it")]
    Anonymous,
}

/// The next datagram, if there is one.
fn receive(socket: &LocalSocket, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
    let received = match receive_with_sender(socket, buffer) {
        Ok(received) => received,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if received.is_cut {
        return Ok(Some(Err(Unusable::Long)));
    }
    let sender = received.sender.map(|sender| (sender.user, sender.process));
    let datagram = sender.map(|sender| (received.length, sender));
    Ok(Some(datagram.ok_or(Unusable::Anonymous)))
}

/// Reads a datagram.
///
/// # Errors
/// Says why it is no report.
fn parse(bytes: &[u8], now: Timestamp, sender: (u32, i32)) -> Result<Report, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    let Value::Object(members) = value else {
        return Err("it is no JSON object".to_owned());
    };
    if count_members(bytes) != members.len() {
        return Err("a name is there twice".to_owned());
    }
    let known = [
        "version", "event", "jail", "address", "user", "weight", "time", "matches",
    ];
    if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("there is no '{}' in version {VERSION}", plain(name, 64)));
    }
    let text = |name: &str| match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("'{name}' is no text")),
    };
    let needed = |name: &str| text(name)?.ok_or_else(|| format!("'{name}' is missing"));
    match members.get("version").map(Value::as_u64) {
        Some(Some(VERSION)) => {}
        Some(_) => return Err(format!("'version' is not {VERSION}")),
        None => return Err("'version' is missing".to_owned()),
    }
    let jail = needed("jail")?.to_owned();
    let address = needed("address")?;
    let address: IpAddr = address
        .parse()
        .map_err(|_| format!("'{}' is no address", plain(address, 64)))?;
    let what = match needed("event")? {
        "failure" => Reported::Failure {
            weight: match members.get("weight").map(Value::as_u64) {
                None => 1,
                Some(Some(weight @ 1..=MOST_WEIGHT)) => u32::try_from(weight).unwrap_or(1),
                Some(_) => return Err(format!("'weight' is no number from 1 to {MOST_WEIGHT}")),
            },
            matches: match members.get("matches") {
                None => Vec::new(),
                Some(Value::Array(lines)) if lines.len() <= MATCHES_LIMIT => {
                    let lines = lines
                        .iter()
                        .map(|line| line.as_str().map(|line| plain(line, MATCH_LIMIT)));
                    lines
                        .collect::<Option<_>>()
                        .ok_or("'matches' is no list of texts")?
                }
                Some(_) => return Err(format!("'matches' is no list of at most {MATCHES_LIMIT} texts")),
            },
        },
        "success" if members.contains_key("weight") || members.contains_key("matches") => {
            return Err("a success has neither 'weight' nor 'matches'".to_owned());
        }
        "success" => Reported::Success,
        other => {
            return Err(format!(
                "'event' is 'failure' or 'success', not '{}'",
                plain(other, 64)
            ));
        }
    };
    let time = match members.get("time").map(Value::as_f64) {
        None => now,
        Some(Some(seconds)) if (0.0..1e11).contains(&seconds) => from_seconds(seconds),
        Some(_) => return Err("'time' is no number of seconds since 1970".to_owned()),
    };
    Ok(Report {
        jail,
        // The same host, whichever family its socket had.
        address: address.to_canonical(),
        what,
        user: text("user")?.map(|user| plain(user, USER_LIMIT)),
        time: if time > now.plus_micros(AHEAD_MICROS) {
            now
        } else {
            time
        },
        sender,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "checked by the caller")]
fn from_seconds(seconds: f64) -> Timestamp {
    Timestamp::from_micros((seconds * 1e6) as i64)
}

/// A text from outside on one line, no longer than that. It is cut and not refused: whoever can type a name must not
/// be able to have the report of it refused.
fn plain(text: &str, limit: usize) -> String {
    text.chars()
        .take(limit)
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect()
}

/// How many members the outermost object of a JSON text has, which is known to be well formed: one for each colon that
/// stands in it and in no text. Of those of one name the reader keeps the last, and one must not hide another.
fn count_members(json: &[u8]) -> usize {
    let (mut depth, mut count, mut in_text, mut is_escaped) = (0_u32, 0, false, false);
    for &byte in json {
        if in_text {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' if depth == 1 => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests;
