//! What earlier lines of a connection told: `<F-MLFID>` and its kin.
//!
//! In: what a line captured, with the lines it matched. Out: the same, together with what the session knows.
//! Invariant: no more than [`MAX_SESSIONS`] sessions of [`MAX_LINES`] lines are kept, none longer than
//! [`SESSION_SECONDS`]; what has to make room is counted.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, LazyLock};

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
#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions {
    known: HashMap<Arc<str>, Session, BuildHasherDefault<Sum>>,
    /// Their numbers and ids as they began, among those of sessions that are known no more.
    order: VecDeque<(u64, Arc<str>)>,
    begun: u64,
    losses: Losses,
}

/// The hash of a session's id. Whoever chooses ids can have them collide, but there are never more than
/// [`MAX_SESSIONS`], so that a quick one will do.
#[derive(Debug, Clone)]
struct Sum(u64);

impl Default for Sum {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Hasher for Sum {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// In which order they began is told by their numbers.
impl PartialEq for Sessions {
    fn eq(&self, other: &Self) -> bool {
        self.known == other.known && self.begun == other.begun && self.losses == other.losses
    }
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

        let mut begun = None;
        let session = match self.known.get_mut(id).filter(|session| session.is_fresh(now)) {
            Some(session) => {
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
                begun.insert(Session {
                    number: self.begun,
                    since: now,
                    data,
                    matches: Vec::new(),
                    helpers: Vec::new(),
                    pending: false,
                })
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
        match begun {
            Some(session) if !forget => self.put(id, session),
            // Of one that was too old there is nothing left either.
            Some(_) => drop(self.known.remove(id)),
            None if forget => drop(self.known.remove(id)),
            None => {}
        }
        merged
    }

    /// Marks that the last match of this session is a failure that lacks its id.
    pub(crate) fn set_pending(&mut self, id: &str) {
        if let Some(session) = self.known.get_mut(id) {
            session.pending = true;
        }
    }

    /// Adds a session that begins; the oldest makes room.
    fn put(&mut self, id: &str, session: Session) {
        let id: Arc<str> = id.into();
        self.order.push_back((session.number, Arc::clone(&id)));
        self.known.insert(id, session);
        while self.known.len() > MAX_SESSIONS {
            let Some((number, oldest)) = self.order.pop_front() else {
                break;
            };
            if self.is_known(number, &oldest) {
                self.known.remove(&oldest);
                self.losses.sessions += 1;
            }
        }
        if self.order.len() > 2 * MAX_SESSIONS {
            let mut order = std::mem::take(&mut self.order);
            order.retain(|(number, id)| self.is_known(*number, id));
            self.order = order;
        }
    }

    fn is_known(&self, number: u64, id: &str) -> bool {
        self.known.get(id).is_some_and(|session| session.number == number)
    }

    /// How often a limit was reached.
    pub(crate) const fn losses(&self) -> Losses {
        self.losses
    }
}

impl Session {
    /// Whether it is not too old, which is as good as none. A clock that was set back would keep a session for as
    /// long as it was set back.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let age = now.micros_since(self.since);
        (-SESSION_SECONDS * 1_000_000..SESSION_SECONDS * 1_000_000).contains(&age)
    }
}

/// The name under which the users of a session stand.
static USERS: LazyLock<Arc<str>> = LazyLock::new(|| "users".into());

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
    data.insert_shared(&USERS, Data::Set(users));
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
