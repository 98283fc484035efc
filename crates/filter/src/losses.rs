//! How often a limit was reached, for whoever asks.

/// How often a limit of a filter was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Sessions that were forgotten before their time to make room.
    pub sessions: u64,
    /// Lines of sessions and of the last lines of a log that were forgotten to make room.
    pub lines: u64,
    /// Users of sessions that were not remembered.
    pub users: u64,
    /// Searches that were given up because they took too many steps.
    pub searches: u64,
    /// Lines that are not structured as they should be.
    pub unread: u64,
}

impl Losses {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            sessions: self.sessions.saturating_add(other.sessions),
            lines: self.lines.saturating_add(other.lines),
            users: self.users.saturating_add(other.users),
            searches: self.searches.saturating_add(other.searches),
            unread: self.unread.saturating_add(other.unread),
        }
    }
}
