//! What an administrator can set about counting and banning in a jail.

use stockade_datetime::Timestamp;

use crate::Increment;

/// How long a ban lasts; `-1` in the configuration means without end.
///
/// Microseconds, for a prolonged or incremented ban need not last whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BanTime {
    /// This many microseconds; a negative number is a ban that was over before it began.
    Micros(i64),
    /// For ever.
    Forever,
}

impl BanTime {
    /// The ban time that a number of whole seconds in the configuration stands for.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        match seconds {
            -1 => Self::Forever,
            seconds => Self::Micros(seconds.saturating_mul(1_000_000)),
        }
    }

    /// The whole seconds, cut towards zero, as actions and clients see them; `-1` for ever.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Micros(micros) => micros / 1_000_000,
            Self::Forever => -1,
        }
    }

    /// The end of a ban that begins at `start`; [`Timestamp::MAX`] where it has none.
    #[must_use]
    pub const fn end(self, start: Timestamp) -> Timestamp {
        match self {
            Self::Micros(micros) => start.plus_micros(micros),
            Self::Forever => Timestamp::MAX,
        }
    }
}

/// What decides when a jail bans, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// A failure-id is banned once its count has reached this; 0 and less ban as 1 does.
    pub maxretry: i64,
    /// The span, in microseconds, to which a count refers.
    pub findtime_micros: i64,
    /// How long a ban lasts that has no ban time of its own.
    pub bantime: BanTime,
    /// How many matched lines a failure-id keeps.
    pub maxmatches: usize,
    /// Whether the jail rests: an idle jail lets no ban end.
    pub idle: bool,
    /// The command that is asked whether a failure-id is to be ignored.
    pub ignorecommand: Option<String>,
    /// How answers about ignoring are kept.
    pub ignorecache: Option<IgnoreCache>,
    /// How bans grow with each offence; `None` where they do not.
    pub increment: Option<Increment>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            maxretry: 3,
            findtime_micros: 600_000_000,
            bantime: BanTime::from_seconds(600),
            maxmatches: 5,
            idle: false,
            ignorecommand: None,
            ignorecache: None,
            increment: None,
        }
    }
}

/// How answers about ignoring are kept: `key="<ip>", max-count=100, max-time=5m`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreCache {
    /// The tags that make the key of an answer; who knows the tags fills them in.
    pub key: String,
    /// How many answers are kept; the oldest makes room.
    pub max_count: usize,
    /// How long an answer is kept, in microseconds.
    pub max_time_micros: i64,
}

/// One change of a jail's settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// `maxretry`.
    MaxRetry(i64),
    /// `findtime`, in microseconds.
    FindTime(i64),
    /// `bantime`; bans without a ban time of their own follow at once.
    BanTime(BanTime),
    /// `maxmatches`.
    MaxMatches(usize),
    /// `idle`.
    Idle(bool),
    /// `ignorecommand`; `None` where it is empty.
    IgnoreCommand(Option<String>),
    /// `ignorecache`; setting it forgets all answers.
    IgnoreCache(Option<IgnoreCache>),
    /// `bantime.increment` and its kin; bans that are in force stay as they are.
    Increment(Option<Increment>),
}

impl Settings {
    /// Changes one of them.
    pub fn set(&mut self, setting: Setting) {
        match setting {
            Setting::MaxRetry(maxretry) => self.maxretry = maxretry,
            Setting::FindTime(micros) => self.findtime_micros = micros,
            Setting::BanTime(bantime) => self.bantime = bantime,
            Setting::MaxMatches(maxmatches) => self.maxmatches = maxmatches,
            Setting::Idle(idle) => self.idle = idle,
            Setting::IgnoreCommand(command) => self.ignorecommand = command,
            Setting::IgnoreCache(cache) => self.ignorecache = cache,
            Setting::Increment(increment) => self.increment = increment,
        }
    }
}
