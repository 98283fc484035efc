//! A failure-id that is to be banned or unbanned, with all that actions and the database want to know.

use std::fmt;

use stockade_datetime::Timestamp;
use stockade_filter::{Candidate, Captured, Data, Id, MatchedLine};

use crate::{Ban, BanTime};

/// The name under which a ticket, and with it the database, keeps that its ban time was asked for.
pub const ASKED_BANTIME: &str = "asked_bantime";

/// What an administrator may say of a ban.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// How long it lasts; `None` where the jail's current `bantime` says so.
    pub bantime: Option<BanTime>,
    /// Why, in place of the lines of a log.
    pub reason: Option<String>,
}

/// A failure-id that is to be banned or unbanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// What is banned.
    pub id: Id,
    /// The attacker's address where it is known and is not the id itself.
    pub address: Option<Id>,
    /// The time of the last failure, with which the ban begins.
    pub time: Timestamp,
    /// The reference has the time as a whole number; see [`Ticket::time_text`].
    pub time_is_whole: bool,
    /// How long the ban lasts; `None` where the jail's current `bantime` says so.
    pub bantime: Option<BanTime>,
    /// How often the id has been banned, this time included.
    pub bancount: u32,
    /// Whether the ban was taken over from the database.
    pub restored: bool,
    /// How many failures were found.
    pub failures: u32,
    /// The count that was compared with `maxretry`.
    pub retry: u32,
    /// The newest matched lines, oldest first.
    pub matches: Vec<Match>,
    /// What the expressions captured in the first failure.
    pub captured: Captured,
}

impl Ticket {
    /// A ticket of `id` that nothing else is known of.
    #[must_use]
    pub const fn new(id: Id, time: Timestamp) -> Self {
        Self {
            id,
            address: None,
            time,
            time_is_whole: false,
            bantime: None,
            bancount: 0,
            restored: false,
            failures: 0,
            retry: 0,
            matches: Vec::new(),
            captured: Captured::new(),
        }
    }

    /// Makes it the ticket of a ban that an administrator has asked for on such terms.
    #[must_use]
    pub(crate) fn on(mut self, terms: &Terms) -> Self {
        self.bantime = terms.bantime;
        if let Some(bantime) = terms.bantime {
            self.captured
                .insert(ASKED_BANTIME, Data::Text(bantime.seconds().to_string().into()));
        }
        self.matches
            .extend(terms.reason.iter().map(|reason| Match::Text(reason.clone())));
        self
    }

    /// The ban that is there, on these terms.
    #[must_use]
    pub(crate) fn anew(mut self, ban: Ban<'_>) -> Self {
        (self.time, self.bantime, self.bancount) = (ban.time, Some(ban.bantime), ban.bancount);
        self
    }

    /// Whether somebody has asked for this very ban time, which then holds whatever the jail's is.
    #[must_use]
    pub(crate) fn is_asked(&self) -> bool {
        self.captured.get(ASKED_BANTIME).is_some()
    }

    /// The time as actions have it: with a fraction, or `.0`, unless the reference has it as a whole number.
    #[must_use]
    pub fn time_text(&self) -> String {
        if self.time_is_whole {
            self.time.seconds().to_string()
        } else {
            self.time.to_string()
        }
    }

    /// The ban time in force, given the one the jail has now.
    #[must_use]
    pub fn bantime_in(&self, of_jail: BanTime) -> BanTime {
        self.bantime.unwrap_or(of_jail)
    }
}

/// The first failure of an id, as a ticket.
impl From<Candidate> for Ticket {
    fn from(candidate: Candidate) -> Self {
        let Candidate {
            id,
            address,
            time,
            time_is_whole,
            matches,
            captured,
        } = candidate;
        Self {
            address,
            time_is_whole,
            failures: 1,
            retry: 1,
            matches: matches.into_iter().map(Match::Parts).collect(),
            captured,
            ..Self::new(id, time)
        }
    }
}

/// A line kept as evidence.
///
/// The database has the lines of a first failure in three parts and later ones whole; cutting to `maxmatches`
/// makes all of them whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// What stands before, in and after the date.
    Parts(MatchedLine),
    /// The whole line.
    Text(String),
}

impl Match {
    /// The same line in one piece.
    #[must_use]
    pub fn whole(self) -> Self {
        match self {
            Self::Parts(line) => Self::Text(line.text().to_owned()),
            Self::Text(text) => Self::Text(text),
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts(line) => line.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}
