//! One jail: counts failures, decides bans, says when it next needs to run.
//!
//! In: a candidate per matching line, in the order the lines were read; answers; commands.
//! Out: effects, in the order the daemon is to carry them out.
//! Time: the `now` that the caller passes; nothing in this crate reads a clock.
//!
//! Invariant: a failure-id has at most one count and at most one ban, and no count is left of the failures that
//! led to a ban. As in the reference a banned id may fail again and is then counted anew, so that a ban that does
//! not hold shows in the log and lasts longer.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod answers;
mod bans;
mod evidence;
mod failures;
pub mod formula;
mod ignore;
mod increment;
mod jail;
mod ordered;
mod settings;
mod ticket;

pub use bans::{Ban, MAX_BANS};
pub use failures::{MAX_PENDING, Pending};
pub use ignore::{Entry, EntryAdded, IgnoreList, ListFile, MAX_LIST_WORDS, Source, list_file_path};
pub use increment::{Earlier, FactorError, Increment};
pub use jail::{Answer, Counts, ENDS_AT_ONCE, Effect, Input, Jail, Losses, MAX_WAITING, Question, Why};
pub use settings::{BanTime, IgnoreCache, Setting, Settings};
pub use stockade_datetime::Timestamp;
pub use stockade_filter::{Address, Captured, Data, Family, Id, MatchedLine};
pub use ticket::{ASKED_BANTIME, Match, Terms, Ticket};
