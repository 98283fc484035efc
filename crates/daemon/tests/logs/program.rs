//! What is done to logs: programs of steps, by their seeds.

/// One thing that somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A program writes lines to what it has open; `cut` bytes of the last one are left for later.
    Write {
        writer: usize,
        lines: u64,
        length: usize,
        cut: usize,
    },
    /// A program opens its log anew, and makes it where there is none.
    Reopen {
        writer: usize,
    },
    /// A program goes on where it was, whatever has become of its log, or always at the end.
    Append {
        writer: usize,
        appends: bool,
    },
    /// A log is renamed, as those before it are; a new one is made or not.
    Rotate {
        log: usize,
        creates: bool,
    },
    /// A log is copied and emptied.
    CopyTruncate {
        log: usize,
    },
    /// A log is removed.
    Remove {
        log: usize,
    },
    /// An empty log is made where there is none.
    Create {
        log: usize,
    },
    /// A file with lines in it takes the place of a log.
    Replace {
        log: usize,
        lines: u64,
    },
    /// A log is moved out of the way, or back.
    MoveAway {
        log: usize,
    },
    MoveBack {
        log: usize,
    },
    /// A log takes the place of another.
    MoveOver {
        log: usize,
    },
    /// A link on the way to the logs leads elsewhere.
    Flip {
        link: usize,
        to: usize,
    },
    /// A directory is moved away and another one made.
    ReplaceDirectory {
        at: usize,
    },
    /// Something else is done to a log that changes none of its lines.
    Touch {
        log: usize,
    },
    /// Something that is no log comes and goes beside the logs.
    Other,
    /// The reader gets its turn.
    Look,
    /// Time passes, with looks now and then.
    Sleep {
        seconds: i64,
    },
    /// The clock is set.
    Jump {
        seconds: i64,
    },
    /// Positions are kept.
    Keep,
    /// The reader ends, having kept its positions or not; the next one begins after `down` more steps.
    End {
        crashes: bool,
        down: usize,
    },
}

/// How many programs write, and how many logs there are.
pub(crate) const WRITERS: usize = 5;
pub(crate) const LOGS: usize = 4;

/// Everything that happens.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) polling: bool,
    /// Rotated logs are covered by the pattern as well.
    pub(crate) covers_rotated: bool,
    /// The reader looks after every step.
    pub(crate) is_prompt: bool,
    pub(crate) steps: Vec<Step>,
}

impl Program {
    pub(crate) fn of(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let count = 5 + chance.below(40);
        Self {
            polling: chance.below(8) == 0,
            covers_rotated: chance.below(2) == 0,
            is_prompt: chance.below(3) == 0,
            steps: (0..count).map(|_| chance.step()).collect(),
        }
    }
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn size(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(u64::try_from(limit).expect("small"))).expect("small")
    }

    fn step(&mut self) -> Step {
        let (log, writer) = (self.size(LOGS), self.size(WRITERS));
        match self.below(60) {
            0..20 => Step::Write {
                writer,
                lines: 1 + self.below(4),
                length: if self.below(6) == 0 {
                    self.size(6000)
                } else {
                    self.size(40)
                },
                cut: if self.below(3) == 0 { 1 + self.size(20) } else { 0 },
            },
            20..25 => Step::Reopen { writer },
            25 => Step::Append {
                writer,
                appends: self.below(2) == 0,
            },
            26..32 => Step::Rotate {
                log,
                creates: self.below(3) > 0,
            },
            32..34 => Step::CopyTruncate { log },
            34 => Step::Remove { log },
            35 => Step::Create { log },
            36 => Step::Replace {
                log,
                lines: self.below(4),
            },
            37 => Step::MoveAway { log },
            38..40 => Step::MoveBack { log },
            40 => Step::MoveOver { log },
            41..43 => Step::Flip {
                link: self.size(2),
                to: self.size(2),
            },
            43 => Step::ReplaceDirectory { at: self.size(3) },
            44 => Step::Touch { log },
            45 => Step::Other,
            46..52 => Step::Look,
            52 => Step::Sleep {
                seconds: 1 + i64::try_from(self.below(150)).expect("small"),
            },
            53 => Step::Jump {
                seconds: i64::try_from(self.below(20_000)).expect("small") - 10_000,
            },
            54..57 => Step::Keep,
            _ => Step::End {
                crashes: self.below(2) == 0,
                down: self.size(4),
            },
        }
    }
}
