//! What earlier lines of a connection told: `<F-MLFID>` and its kin.
//!
//! In: what a line captured, with the lines it matched. Out: the same, together with what the session knows.
//! Invariant: no more than [`MAX_SESSIONS`] sessions of [`MAX_LINES`] lines are kept, none longer than
//! [`SESSION_SECONDS`]; what has to make room is counted.

use std::collections::{BTreeMap, BTreeSet};

use stockade_datetime::Timestamp;

use crate::{Captured, Data, Losses, MatchedLine};

/// How many sessions are remembered; the oldest makes room.
pub const MAX_SESSIONS: usize = 100;

/// How long a session is remembered after its first line.
pub const SESSION_SECONDS: i64 = 300;

/// How many lines of a session wait to be reported; the oldest is dropped. A session has a handful.
pub const MAX_LINES: usize = 200;

/// How many bytes these lines have together, but for the newest, which is kept whatever it has.
pub const MAX_SESSION_BYTES: usize = 256 * 1024;

/// How many users of a session are remembered; two are enough to decide by.
pub const MAX_USERS: usize = 100;

/// How many bytes the users have together, but for the first two.
pub const MAX_USER_BYTES: usize = 16 * 1024;

/// The sessions of one jail.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sessions {
    known: BTreeMap<String, Session>,
    begun: u64,
    losses: Losses,
}

#[derive(Debug, Clone, PartialEq)]
struct Session {
    /// Tells which of two sessions began first, whatever the clock did.
    number: u64,
    since: Timestamp,
    /// Everything captured so far, `users` included.
    data: Captured,
    /// The lines of the last failure or of one that lacks its id; none where they were reported.
    matches: Vec<MatchedLine>,
    /// The lines that were no failure by themselves.
    helpers: Vec<MatchedLine>,
    /// A failure waits for an id.
    pending: bool,
}

/// A match together with what its session knows.
#[derive(Debug)]
pub(crate) struct Merged {
    /// Everything captured so far.
    pub(crate) data: Captured,
    /// The lines of the failure, the earlier ones first.
    pub(crate) matches: Vec<MatchedLine>,
    /// The line is no failure.
    pub(crate) nofail: bool,
}

impl Sessions {
    /// Adds what a line captured to its session; `data` has the session's id under `mlfid`.
    ///
    /// Unless `tells_all`, a line that is no failure is only told to be none.
    pub(crate) fn merge(
        &mut self,
        now: Timestamp,
        id: &str,
        mut data: Captured,
        lines: Vec<MatchedLine>,
        tells_all: bool,
    ) -> Merged {
        let gained = data
            .text("mlfgained")
            .filter(|text| !text.is_empty())
            .map(str::to_owned);
        if let Some(gained) = &gained
            && !has(&data, "nofail")
        {
            data.insert("nofail", Data::Text(gained.clone()));
        }
        let forget = has(&data, "mlfforget");
        data.remove("mlfforget");
        let user = data
            .text("user")
            .filter(|user| !user.is_empty())
            .map(str::to_owned);

        let mut session = match self.take(now, id) {
            Some(mut session) => {
                self.losses.users += u64::from(!add_user(&mut session.data, user));
                let after_helper = has(&session.data, "nofail") || has(&session.data, "mlfgained");
                session.data.remove("nofail");
                session.data.remove("mlfgained");
                if gained.is_some() {
                    session.pending = false;
                }
                if !after_helper && !session.pending {
                    session.matches.clear();
                }
                session.data.merge(&data);
                session
            }
            None => {
                self.begun += 1;
                if !forget {
                    self.losses.users += u64::from(!add_user(&mut data, user));
                }
                Session {
                    number: self.begun,
                    since: now,
                    data,
                    matches: Vec::new(),
                    helpers: Vec::new(),
                    pending: false,
                }
            }
        };

        let several = matches!(session.data.get("users"), Some(Data::Set(users)) if users.len() > 1);
        if std::mem::take(&mut session.pending) || several {
            session.data.remove("nofail");
            session.data.remove("mlfgained");
        }
        let nofail = has(&session.data, "nofail");
        if !nofail {
            let mut matches = std::mem::take(&mut session.helpers);
            matches.append(&mut session.matches);
            matches.extend(lines);
            self.losses.lines += keep_newest(&mut matches);
            session.matches = matches;
        } else if !forget {
            session.helpers.extend(lines);
            self.losses.lines += keep_newest(&mut session.helpers);
        }
        let merged = if nofail && !tells_all {
            Merged {
                data: Captured::new(),
                matches: Vec::new(),
                nofail,
            }
        } else {
            Merged {
                data: session.data.clone(),
                matches: session.matches.clone(),
                nofail,
            }
        };
        if !forget {
            self.put(id, session);
        }
        merged
    }

    /// Marks that the last match of this session is a failure that lacks its id.
    pub(crate) fn set_pending(&mut self, id: &str) {
        if let Some(session) = self.known.get_mut(id) {
            session.pending = true;
        }
    }

    /// Takes a session out; one that is too old is as good as none.
    fn take(&mut self, now: Timestamp, id: &str) -> Option<Session> {
        let session = self.known.remove(id)?;
        // A clock that was set back would keep a session for as long as it was set back.
        let age = now.micros_since(session.since);
        (-SESSION_SECONDS * 1_000_000..SESSION_SECONDS * 1_000_000)
            .contains(&age)
            .then_some(session)
    }

    fn put(&mut self, id: &str, session: Session) {
        self.known.insert(id.to_owned(), session);
        if self.known.len() > MAX_SESSIONS {
            let oldest = self.known.iter().min_by_key(|(_, session)| session.number);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                self.known.remove(&oldest);
                self.losses.sessions += 1;
            }
        }
    }

    /// How often a limit was reached.
    pub(crate) const fn losses(&self) -> Losses {
        self.losses
    }
}

/// Whether something was captured under `name`, and not an empty text.
fn has(data: &Captured, name: &str) -> bool {
    match data.get(name) {
        None => false,
        Some(Data::Text(text)) => !text.is_empty(),
        Some(Data::Set(_) | Data::Tuple(_)) => true,
    }
}

/// Adds a user to those of a session; `false` where there is no room.
fn add_user(data: &mut Captured, user: Option<String>) -> bool {
    let Some(user) = user else {
        return true;
    };
    let mut users = match data.get("users") {
        Some(Data::Set(users)) => users.clone(),
        Some(Data::Text(_) | Data::Tuple(_)) | None => BTreeSet::new(),
    };
    let bytes: usize = users.iter().map(String::len).sum();
    let has_room = users.len() < 2 || users.len() < MAX_USERS && bytes + user.len() <= MAX_USER_BYTES;
    let is_kept = has_room || users.contains(&user);
    if has_room {
        users.insert(user);
    }
    data.insert("users", Data::Set(users));
    is_kept
}

/// Drops the oldest lines that there is no room for, and says how many.
fn keep_newest(lines: &mut Vec<MatchedLine>) -> u64 {
    let (mut kept, mut bytes) = (0, 0);
    for line in lines.iter().rev() {
        bytes += line.len();
        if kept == MAX_LINES || kept > 0 && bytes > MAX_SESSION_BYTES {
            break;
        }
        kept += 1;
    }
    let surplus = lines.len() - kept;
    lines.drain(..surplus);
    u64::try_from(surplus).unwrap_or(u64::MAX)
}
