//! The `ignorecommand`s of jails, off the loop.
//!
//! In: a command and the facts of a failure. Out: whether the command says that it is to be ignored.
//!
//! Invariant: a command that hangs ends after its time, and what waits behind it is bounded.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use stockade_action::facts::BanFacts;
use stockade_action::tags::{HostNames, Properties, Script};

use crate::limits::Fill;
use crate::log::{Level, Log};
use crate::places::{Behind, Registry};
use crate::reverse;
use crate::shell;

/// Questions that may wait; one more is answered with no, for a failure must not be lost behind a slow command.
const QUEUE: usize = 1000;
/// How long a command may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What a command is asked.
#[derive(Debug)]
pub struct Question {
    /// The jail that asks.
    pub jail: String,
    /// The jail's number for the question.
    pub number: u64,
    /// The command.
    pub command: String,
    /// What is known.
    pub facts: BanFacts,
}

/// What a command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The jail that asked.
    pub jail: String,
    /// The jail's number for the question.
    pub number: u64,
    /// Whether the id is to be ignored.
    pub ignored: bool,
}

/// Runs `ignorecommand`s in a thread of its own.
#[derive(Debug)]
pub struct Judge {
    /// Boxed, for the queue has room for all that may wait from the start on.
    questions: SyncSender<Box<Question>>,
    verdicts: Receiver<Verdict>,
    own: Sender<Verdict>,
    waiting: Arc<AtomicUsize>,
    refused: AtomicU64,
}

impl Judge {
    /// Starts the thread, which calls `wake` after each verdict.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn start(
        host: HostNames,
        log: Arc<Log>,
        places: Registry,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let (questions, waiting) = sync_channel::<Box<Question>>(QUEUE);
        let (own, verdicts) = channel();
        let found = own.clone();
        let waiting_now: Arc<AtomicUsize> = Arc::default();
        let left = Arc::clone(&waiting_now);
        thread::Builder::new()
            .name("f2b/ignore".to_owned())
            .spawn(move || {
                while let Ok(question) = waiting.recv() {
                    left.fetch_sub(1, Ordering::Relaxed);
                    let ignored = ask(&question, &host, &log, &places);
                    let Question { jail, number, .. } = *question;
                    if found
                        .send(Verdict {
                            jail,
                            number,
                            ignored,
                        })
                        .is_err()
                    {
                        return;
                    }
                    wake();
                }
            })?;
        Ok(Self {
            questions,
            verdicts,
            own,
            waiting: waiting_now,
            refused: AtomicU64::new(0),
        })
    }

    /// Asks; the verdict comes later.
    pub fn ask(&self, question: Question) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.questions.try_send(Box::new(question)) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.refused.fetch_add(1, Ordering::Relaxed);
            let Question { jail, number, .. } = match error {
                std::sync::mpsc::TrySendError::Full(question)
                | std::sync::mpsc::TrySendError::Disconnected(question) => *question,
            };
            // The receiver is ours, so it is there.
            let _ = self.own.send(Verdict {
                jail,
                number,
                ignored: false,
            });
        }
    }

    /// How many questions wait, beside how many can.
    #[must_use]
    pub(crate) fn fill(&self) -> Fill {
        Fill::single(
            "questions for an ignorecommand",
            (Some(self.waiting.load(Ordering::Relaxed)), QUEUE),
            self.refused.load(Ordering::Relaxed),
            "the answer is no",
        )
    }

    /// The verdicts since the last call.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        self.verdicts.try_iter()
    }
}

/// Asks a command in the thread of the caller, for as long as it may take.
///
/// # Errors
/// Where it cannot be run, or ends with another status than 0 and 1: what the log would say.
pub fn ask_now(command: &str, facts: &BanFacts, host: &HostNames, number: u64) -> Result<bool, Vec<String>> {
    let text = Properties::default()
        .resolve(command, facts.family(), host)
        .map_err(|error| vec![error.to_string()])?;
    let run = put(&text, facts, number);
    if run.ok || run.code == Some(1) {
        return Ok(run.ok);
    }
    Err(run.records.into_iter().map(|(_, text)| text).collect())
}

/// Runs the command with what is known put in.
fn put(text: &str, facts: &BanFacts, number: u64) -> shell::Run {
    let mut facts = facts.clone();
    reverse::complete(&mut facts, text);
    shell::run(&Script::new(text, &facts), TIMEOUT, number)
}

fn ask(question: &Question, host: &HostNames, log: &Log, places: &Registry) -> bool {
    let place = || places.get(&question.jail, "ignorecommand", "");
    let text = match Properties::default().resolve(&question.command, question.facts.family(), host) {
        Ok(text) => text,
        Err(error) => {
            log.write(
                Level::ERROR,
                "fail2ban.filter",
                &format!(
                    "[{}] ignorecommand: {error}{}",
                    question.jail,
                    Behind(place().as_ref())
                ),
            );
            return false;
        }
    };
    let run = put(&text, &question.facts, question.number);
    // Status 1 is how a command says no; it is not worth a word.
    if run.ok || run.code == Some(1) {
        return run.ok;
    }
    for (level, text) in run.records {
        log.write(level, "fail2ban.utils", &text);
    }
    if let Some(place) = place() {
        let text = format!(
            "[{}] the ignorecommand that failed is written at {place}",
            question.jail
        );
        log.write(Level::ERROR, "fail2ban.filter", &text);
    }
    false
}
