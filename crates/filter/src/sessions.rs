//! What earlier lines of a connection told: `<F-MLFID>` and its kin.
//!
//! In: what a line captured, with the lines it matched. Out: the same, together with what the session knows.
//! Invariant: no more than [`MAX_SESSIONS`] sessions of [`MAX_LINES`] lines are kept, none longer than
//! [`SESSION_SECONDS`]; what has to make room is counted.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use smol_str::SmolStr;
use stockade_datetime::Timestamp;

use crate::candidate::{Named, Taken};
use crate::{Data, Losses, MatchedLine};

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
    known: HashMap<SmolStr, Session, BuildHasherDefault<Sum>>,
    /// Their numbers and ids as they began, among those of sessions that are known no more.
    order: VecDeque<(u64, SmolStr)>,
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
        let (words, rest) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        for (place, byte) in last.iter_mut().zip(rest) {
            *place = *byte;
        }
        for word in words.iter().chain([&last]) {
            let sum = (self.0 ^ u64::from_le_bytes(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            self.0 = sum ^ sum >> 29;
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
    data: Named,
    /// The lines of the last failure or of one that lacks its id; none where they were reported.
    matches: Vec<MatchedLine>,
    /// The lines that were no failure by themselves.
    helpers: Vec<MatchedLine>,
    /// A failure waits for an id.
    pending: bool,
}

/// A match together with what its session knows.
#[derive(Debug)]
pub(crate) enum Merged {
    /// The line is no failure, and nobody wants to know more.
    Helper,
    /// Everything captured so far, the lines with the earlier ones first, and whether it is no failure.
    Told {
        data: Named,
        matches: Vec<MatchedLine>,
        nofail: bool,
    },
}

impl Sessions {
    /// Adds what a line captured to its session, whose id this is. `data` is left empty, or with nothing that counts.
    ///
    /// Unless `tells_all`, a line that is no failure is only told to be none.
    pub(crate) fn merge(
        &mut self,
        now: Timestamp,
        id: &SmolStr,
        data: &mut Named,
        lines: Taken<'_>,
        tells_all: bool,
    ) -> Merged {
        let gained = data.text("mlfgained").filter(|text| !text.is_empty()).cloned();
        let has_gained = gained.is_some();
        if let Some(gained) = gained
            && !has(data, "nofail")
        {
            data.insert("nofail".into(), Data::Text(gained));
        }
        let forget = has(data, "mlfforget");
        data.remove("mlfforget");
        let user = data.text("user").filter(|user| !user.is_empty()).cloned();

        let mut begun = None;
        let session = match self.known.get_mut(id).filter(|session| session.is_fresh(now)) {
            Some(session) => {
                self.losses.users += u64::from(!add_user(&mut session.data, user.as_ref()));
                let after_helper = has(&session.data, "nofail") || has(&session.data, "mlfgained");
                session.data.remove("nofail");
                session.data.remove("mlfgained");
                if has_gained {
                    session.pending = false;
                }
                if !after_helper && !session.pending {
                    session.matches.clear();
                }
                session.data.append(data);
                session
            }
            None => {
                self.begun += 1;
                if !forget {
                    self.losses.users += u64::from(!add_user(data, user.as_ref()));
                }
                begun.insert(Session {
                    number: self.begun,
                    since: now,
                    data: std::mem::take(data),
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
            lines.append_to(&mut matches);
            self.losses.lines += keep_newest(&mut matches);
            session.matches = matches;
        } else if !forget {
            lines.append_to(&mut session.helpers);
            self.losses.lines += keep_newest(&mut session.helpers);
        }
        let merged = if nofail && !tells_all {
            Merged::Helper
        } else {
            Merged::Told {
                data: session.data.clone(),
                matches: session.matches.clone(),
                nofail,
            }
        };
        match begun {
            Some(session) if !forget => self.put(id, session),
            begun => {
                if let Some(session) = begun {
                    // Its room is used again.
                    *data = session.data;
                }
                if forget {
                    // Of one that was too old there is nothing left either.
                    self.known.remove(id);
                }
            }
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
    fn put(&mut self, id: &SmolStr, session: Session) {
        self.order.push_back((session.number, id.clone()));
        self.known.insert(id.clone(), session);
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

/// Whether something was captured under `name`, and not an empty text.
fn has(data: &Named, name: &str) -> bool {
    match data.get(name) {
        None => false,
        Some(Data::Text(text)) => !text.is_empty(),
        Some(Data::Set(_) | Data::Tuple(_)) => true,
    }
}

/// Adds a user to those of a session; `false` where there is no room.
fn add_user(data: &mut Named, user: Option<&SmolStr>) -> bool {
    let Some(user) = user else {
        return true;
    };
    let known = data.get_or_insert(SmolStr::new_static("users"), Data::Set(BTreeSet::new()));
    if !matches!(known, Data::Set(_)) {
        *known = Data::Set(BTreeSet::new());
    }
    let Data::Set(users) = known else {
        return false;
    };
    if users.contains(user.as_str()) {
        return true;
    }
    let has_room = users.len() < 2
        || users.len() < MAX_USERS
            && users.iter().map(String::len).sum::<usize>() + user.len() <= MAX_USER_BYTES;
    if has_room {
        users.insert(user.to_string());
    }
    has_room
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
