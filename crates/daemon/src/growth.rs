//! What the database knows of earlier bans, and what follows from it for a ban that is being kept.
//!
//! In: the settings of a jail. Out: the ban time that a known offender gets, computed where its history is read, so
//! that the row of the ban is written once and whole.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use stockade_datetime::Timestamp;
use stockade_jail::{BanTime, Earlier, Id, Increment};

/// How the bans of one jail grow.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    /// The settings.
    pub increment: Increment,
    /// How long bans of the jail last.
    pub of_jail: BanTime,
    /// Where its chances come from.
    pub seed: u64,
}

/// What a ban has become.
#[derive(Debug, Clone, PartialEq)]
pub struct Grown {
    /// What was known of the id.
    pub earlier: Earlier,
    /// How long the ban lasts now, or why that cannot be said.
    pub bantime: Result<BanTime, String>,
}

/// What the database said, and about what.
#[derive(Debug, Clone, PartialEq)]
pub enum Remembered {
    /// About a ban of an id that was banned before.
    Ban {
        /// The jail.
        jail: String,
        /// What is banned.
        id: Id,
        /// When the ban began.
        time: Timestamp,
        /// What it has become.
        grown: Grown,
    },
    /// About a failure, by the number that its jail gave it.
    Failure {
        /// The jail.
        jail: String,
        /// The number.
        number: u64,
        /// What is known of its id.
        earlier: Option<Earlier>,
    },
}

impl Growth {
    /// How the bans of a jail grow, with chances of its own.
    #[must_use]
    pub fn new(increment: Increment, of_jail: BanTime) -> Self {
        Self {
            increment,
            of_jail,
            seed: RandomState::new().build_hasher().finish(),
        }
    }

    /// What a ban becomes of an id with these earlier bans.
    #[must_use]
    pub fn grow(&self, earlier: Earlier) -> Grown {
        let mut state = self.seed;
        let mut random = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            fraction(mixed(state))
        };
        let bantime = match earlier.bans {
            0 => Ok(self.of_jail),
            bans => self.increment.bantime(self.of_jail, bans, &mut random),
        };
        Grown {
            earlier,
            bantime: bantime.map_err(|error| error.to_string()),
        }
    }
}

/// The way by which the database's answers come back to the loop.
pub(crate) struct Memory {
    answers: Receiver<Remembered>,
    sender: Sender<Remembered>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Memory {
    /// Calls `wake` after each answer.
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (sender, answers) = channel();
        Self {
            answers,
            sender,
            wake: Arc::new(wake),
        }
    }

    /// By which the database tells one answer.
    pub(crate) fn teller(&self) -> impl FnOnce(Remembered) + Send + 'static {
        let (sender, wake) = (self.sender.clone(), Arc::clone(&self.wake));
        move |remembered| {
            // A loop that has ended wants to hear nothing more.
            drop(sender.send(remembered));
            wake();
        }
    }

    /// The answers that have come.
    pub(crate) fn take(&self) -> impl Iterator<Item = Remembered> {
        self.answers.try_iter()
    }
}

/// The finaliser of SplitMix64: each number of a sequence becomes one that looks like chance.
const fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

/// The upper 53 bits as a fraction from 0 up to, but without, 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
