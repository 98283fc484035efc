//! How important a record is, in the reference's numbers and names.

use std::fmt;

/// How important a record is: a number, of which nine have a name.
///
/// A record is written where its level is at least that of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(i32);

/// The named levels, as they are printed.
const NAMES: [(Level, &str); 9] = [
    (Level::CRITICAL, "CRITICAL"),
    (Level::ERROR, "ERROR"),
    (Level::WARNING, "WARNING"),
    (Level::NOTICE, "NOTICE"),
    (Level::INFO, "INFO"),
    (Level::MSG, "MSG"),
    (Level::DEBUG, "DEBUG"),
    (Level::TRACE, "TRACE"),
    (Level::HEAVY, "HEAVY"),
];

/// Other spellings that the option `loglevel` takes; two levels are not set by the name they print.
const ALIASES: [(Level, &str); 5] = [
    (Level::TRACE, "TRACEDEBUG"),
    (Level::HEAVY, "HEAVYDEBUG"),
    (Level::WARNING, "WARN"),
    (Level::CRITICAL, "FATAL"),
    (Level::NOTSET, "NOTSET"),
];

/// The numbers that versions before 0.9 had for levels.
const FORMER: [(Level, &str); 4] = [
    (Level::ERROR, "1"),
    (Level::WARNING, "2"),
    (Level::INFO, "3"),
    (Level::DEBUG, "4"),
];

impl Level {
    /// The daemon cannot do its work.
    pub const CRITICAL: Self = Self(50);
    /// Something failed.
    pub const ERROR: Self = Self(40);
    /// Something may be wrong.
    pub const WARNING: Self = Self(30);
    /// Bans and unbans.
    pub const NOTICE: Self = Self(25);
    /// What the daemon does; the level of a log unless it is set.
    pub const INFO: Self = Self(20);
    /// Rotations and the like, between INFO and DEBUG.
    pub const MSG: Self = Self(18);
    /// For whoever looks for a fault.
    pub const DEBUG: Self = Self(10);
    /// Each line and each match.
    pub const TRACE: Self = Self(7);
    /// Everything.
    pub const HEAVY: Self = Self(5);
    /// Below every level.
    pub const NOTSET: Self = Self(0);

    /// The level with this number.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The level that `text` meant before 0.9: 1 for errors, to 4 for everything.
    ///
    /// As numbers of today these would mean a log of each line that is read, which nobody has meant.
    #[must_use]
    pub fn former(text: &str) -> Option<Self> {
        let former = FORMER.iter().find(|(_, number)| *number == text);
        former.map(|(level, _)| *level)
    }

    /// The level that `text` names, in any case, or its number, a [former](Self::former) one included.
    ///
    /// # Errors
    ///
    /// Where it is neither.
    pub fn parse(text: &str) -> Result<Self, UnknownLevel> {
        let upper = text.to_uppercase();
        if let Some(level) = Self::former(&upper) {
            return Ok(level);
        }
        let named = NAMES
            .iter()
            .chain(ALIASES.iter())
            .find(|(_, name)| *name == upper)
            .filter(|_| upper != "TRACE" && upper != "HEAVY");
        match named {
            Some((level, _)) => Ok(*level),
            None if !upper.is_empty() && upper.bytes().all(|byte| byte.is_ascii_digit()) => {
                upper.parse().map(Self).map_err(|_| UnknownLevel(upper.clone()))
            }
            None => Err(UnknownLevel(upper)),
        }
    }
}

/// The name, or `#09-Lev.` where the number has none.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(level, _)| level == self) {
            Some((_, name)) => f.pad(name),
            None => f.pad(&format!("#{:02}-Lev.", self.0)),
        }
    }
}

/// A text that is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid log level '{0}'")]
pub struct UnknownLevel(
    /// The text, in upper case.
    pub String,
);

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn levels_are_read_by_name_and_number_and_printed_by_name() {
        for (text, number, printed) in [
            ("info", 20, "INFO"),
            ("NOTICE", 25, "NOTICE"),
            ("MSG", 18, "MSG"),
            ("TraceDebug", 7, "TRACE"),
            ("HEAVYDEBUG", 5, "HEAVY"),
            ("10", 10, "DEBUG"),
            ("9", 9, "#09-Lev."),
            ("55", 55, "#55-Lev."),
            ("1", 40, "ERROR"),
            ("2", 30, "WARNING"),
            ("3", 20, "INFO"),
            ("4", 10, "DEBUG"),
            ("5", 5, "HEAVY"),
        ] {
            let level = Level::parse(text).expect(text);
            assert_eq!(
                (level.number(), level.to_string().as_str()),
                (number, printed),
                "{text}"
            );
        }
        for text in ["", "BOGUS", "-1", "1x", "trace"] {
            let error = Level::parse(text).expect_err(text).to_string();
            assert_eq!(error, format!("Invalid log level '{}'", text.to_uppercase()));
        }
    }

    #[test]
    fn a_level_is_padded_like_any_text() {
        assert_eq!(format!("{:<7}|", Level::INFO), "INFO   |");
    }
}
