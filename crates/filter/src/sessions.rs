//! What earlier lines of a connection told: `<F-MLFID>` and its kin.
//!
//! In: what a line captured, with the lines it matched. Out: the same, together with what the session knows.
//! Invariant: no more than [`MAX_SESSIONS`] sessions of [`MAX_LINES`] lines are kept, none longer than
//! [`SESSION_SECONDS`]; what has to make room is counted.

use std::collections::VecDeque;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use smol_str::SmolStr;
use stockade_datetime::Timestamp;

use crate::candidate::Taken;
use crate::named::{Known, Named};
use crate::{Captured, Data, Losses, MatchedLine, Texts};

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
    known: HashTable<Session>,
    /// Their numbers and the sums of their ids as they began, among those of sessions that are known no more.
    order: VecDeque<(u64, u64)>,
    begun: u64,
    losses: Losses,
    /// A session that is known no more, empty; the next one takes its room.
    spare: Option<Session>,
}

/// In which order they began is told by their numbers.
impl PartialEq for Sessions {
    fn eq(&self, other: &Self) -> bool {
        let is_there = |session: &Session| {
            let found = other
                .known
                .find(sum(session.id.as_bytes()), |known| known.id == session.id);
            found == Some(session)
        };
        self.known.len() == other.known.len()
            && self.begun == other.begun
            && self.losses == other.losses
            && self.known.iter().all(is_there)
    }
}

/// The sum of a session's id, to find it by. Whoever chooses ids can have them collide, but there are never more than
/// [`MAX_SESSIONS`], so that a quick one will do.
fn sum(id: &[u8]) -> u64 {
    let (words, rest) = id.as_chunks::<8>();
    let mut last = [0; 8];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    words.iter().chain([&last]).fold(0, |sum, word| {
        let sum = (sum ^ u64::from_le_bytes(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        sum ^ sum >> 29
    })
}

#[derive(Debug, Clone, PartialEq)]
struct Session {
    id: SmolStr,
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
pub(crate) enum Merged {
    /// The line is no failure, and nobody wants to know more.
    Helper,
    /// Everything captured so far, the lines with the earlier ones first, and whether it is no failure.
    Told {
        data: Captured,
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
        let gained = data.text(Known::Gained).filter(|text| !text.is_empty()).cloned();
        let has_gained = gained.is_some();
        if let Some(gained) = gained
            && !data.has(Known::NoFail)
        {
            data.insert(Known::NoFail.into(), Data::Text(gained));
        }
        let forget = data.has(Known::Forget);
        data.remove(Known::Forget);
        let user = data.text(Known::User).filter(|user| !user.is_empty()).cloned();

        let sum = sum(id.as_bytes());
        let mut begun = None;
        let known = self.known.find_mut(sum, |session| session.id == *id);
        let session = match known.filter(|session| session.is_fresh(now)) {
            Some(session) => {
                let known = session.data.named_mut();
                self.losses.users += u64::from(!add_user(known, user));
                let after_helper = known.has(Known::NoFail) || known.has(Known::Gained);
                known.remove(Known::NoFail);
                known.remove(Known::Gained);
                if has_gained {
                    session.pending = false;
                }
                if !after_helper && !session.pending {
                    session.matches.clear();
                }
                known.append(data);
                session
            }
            None => {
                self.begun += 1;
                if !forget {
                    self.losses.users += u64::from(!add_user(data, user));
                }
                let mut session = self.spare.take().unwrap_or_else(|| Session::at(now));
                session.id.clone_from(id);
                (session.number, session.since) = (self.begun, now);
                session.data.take_over(data);
                begun.insert(session)
            }
        };

        let known = session.data.named();
        let several = matches!(known.get(Known::Users), Some(Data::Set(users)) if users.len() > 1);
        if std::mem::take(&mut session.pending) || several {
            let known = session.data.named_mut();
            known.remove(Known::NoFail);
            known.remove(Known::Gained);
        }
        let nofail = session.data.named().has(Known::NoFail);
        if !nofail {
            if !session.helpers.is_empty() {
                // The helpers come first.
                session.helpers.append(&mut session.matches);
                std::mem::swap(&mut session.helpers, &mut session.matches);
            }
            lines.append_to(&mut session.matches);
            self.losses.lines += keep_newest(&mut session.matches);
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
            Some(session) if !forget => self.put(sum, session),
            begun if forget => {
                // Of one that was too old there is nothing left either.
                self.remove(sum, |session| session.id == *id);
                if let Some(session) = begun {
                    self.keep_room_of(session);
                }
            }
            Some(_) | None => {}
        }
        merged
    }

    /// Whether there is a session of this id, however old it is.
    pub(crate) fn knows(&self, id: &[u8]) -> bool {
        let is_meant = |session: &Session| session.id.as_bytes() == id;
        self.known.find(sum(id), is_meant).is_some()
    }

    /// Marks that the last match of this session is a failure that lacks its id.
    pub(crate) fn set_pending(&mut self, id: &SmolStr) {
        if let Some(session) = self
            .known
            .find_mut(sum(id.as_bytes()), |session| session.id == *id)
        {
            session.pending = true;
        }
    }

    /// Adds a session that begins, in place of an earlier one of its id; the oldest makes room.
    fn put(&mut self, sum_of_id: u64, session: Session) {
        self.order.push_back((session.number, sum_of_id));
        let is_same = |known: &Session| known.id == session.id;
        match self
            .known
            .entry(sum_of_id, is_same, |session| sum(session.id.as_bytes()))
        {
            Entry::Occupied(mut old) => {
                let old = std::mem::replace(old.get_mut(), session);
                self.keep_room_of(old);
            }
            Entry::Vacant(place) => {
                place.insert(session);
            }
        }
        while self.known.len() > MAX_SESSIONS {
            let Some((number, sum)) = self.order.pop_front() else {
                break;
            };
            if self.remove(sum, |session| session.number == number) {
                self.losses.sessions += 1;
            }
        }
        if self.order.len() > 2 * MAX_SESSIONS {
            let known = &self.known;
            self.order
                .retain(|(number, sum)| known.find(*sum, |session| session.number == *number).is_some());
        }
    }

    /// Removes the session that is meant, where it is known.
    fn remove(&mut self, sum: u64, is_meant: impl FnMut(&Session) -> bool) -> bool {
        match self.known.find_entry(sum, is_meant) {
            Ok(session) => {
                let (session, _) = session.remove();
                self.keep_room_of(session);
                true
            }
            Err(_) => false,
        }
    }

    /// Keeps the room that a session has taken for the next one.
    fn keep_room_of(&mut self, mut session: Session) {
        session.pending = false;
        session.data.clear();
        session.matches.clear();
        session.helpers.clear();
        self.spare = Some(session);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// How often a limit was reached.
    pub(crate) const fn losses(&self) -> Losses {
        self.losses
    }
}

impl Session {
    /// An empty one.
    const fn at(since: Timestamp) -> Self {
        Self {
            id: SmolStr::new_static(""),
            number: 0,
            since,
            data: Captured::new(),
            matches: Vec::new(),
            helpers: Vec::new(),
            pending: false,
        }
    }

    /// Whether it is not too old, which is as good as none. A clock that was set back would keep a session for as
    /// long as it was set back.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let age = now.micros_since(self.since);
        (-SESSION_SECONDS * 1_000_000..SESSION_SECONDS * 1_000_000).contains(&age)
    }
}

/// Adds a user to those of a session; `false` where there is no room.
fn add_user(data: &mut Named, user: Option<SmolStr>) -> bool {
    let Some(user) = user else {
        return true;
    };
    let known = data.get_or_insert(Known::Users, Data::Set(Texts::default()));
    if !matches!(known, Data::Set(_)) {
        *known = Data::Set(Texts::default());
    }
    let Data::Set(users) = known else {
        return false;
    };
    if users.contains(&user) {
        return true;
    }
    let bytes = || users.iter().map(str::len).sum::<usize>() + user.len();
    let has_room = users.len() < 2 || users.len() < MAX_USERS && bytes() <= MAX_USER_BYTES;
    if has_room {
        users.insert(user);
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
