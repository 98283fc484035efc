//! Host names → addresses, off the loop.
//!
//! In: names that logs or ignore lists hold. Out: an [`Answer`] each, on a channel, after the loop was woken.
//!
//! Invariant: a slow name server delays nothing but its own answers, and a flood of names costs a bounded
//! amount of memory: what does not fit into the queue is answered with nothing at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Read};
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use stockade_datetime::Timestamp;

use crate::helper::Command;
use crate::limits::Fill;
use crate::rights;

/// How many names may wait; a name server that answers in a second gets through them in some minutes.
const QUEUE: usize = 1000;
/// How many answers are kept.
const CACHE: usize = 1000;
/// How long an answer is kept, also an empty one.
const CACHE_SECONDS: i64 = 300;
/// Look-ups at a time; the system's resolver waits five seconds for a dead server.
const THREADS: usize = 2;
/// A name can have any number of addresses; more than these are an attack on the ban list.
const ADDRESSES: usize = 64;

/// How much of what a program says of a name is read, in bytes.
const MOST_SAID: u64 = 64 * 1024;

/// Why a name is not even asked about.
const TOO_MANY: &str = "too many names are being looked up";

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The name that was asked for.
    pub name: String,
    /// Its addresses, empty where there are none or they could not be had.
    pub addresses: Vec<IpAddr>,
    /// Why there are none, in the resolver's words.
    pub error: Option<String>,
}

impl Answer {
    /// Whether the name was not asked about, for too many are.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.error.as_deref() == Some(TOO_MANY)
    }
}

/// Looks names up in threads of its own.
#[derive(Debug)]
pub struct Resolver {
    questions: SyncSender<String>,
    answers: Receiver<Answer>,
    asked: BTreeSet<String>,
    known: BTreeMap<String, (Timestamp, Answer)>,
    order: VecDeque<String>,
    refused: u64,
}

impl Resolver {
    /// Starts the threads; each calls `wake` after it has put an answer on the channel.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn start(wake: impl Fn() + Clone + Send + 'static) -> io::Result<Self> {
        Self::with(look_up, wake)
    }

    /// The same, with another way of looking a name up.
    fn with(
        look_up: impl Fn(String) -> Answer + Clone + Send + 'static,
        wake: impl Fn() + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let (questions, waiting) = sync_channel::<String>(QUEUE);
        let (found, answers) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..THREADS {
            let (waiting, found, wake) = (Arc::clone(&waiting), found.clone(), wake.clone());
            let look_up = look_up.clone();
            thread::Builder::new()
                .name("stockade/dns".to_owned())
                .spawn(move || {
                    look_up_all(&waiting, &found, &look_up, &wake);
                })?;
        }
        Ok(Self {
            questions,
            answers,
            asked: BTreeSet::new(),
            known: BTreeMap::new(),
            order: VecDeque::new(),
            refused: 0,
        })
    }

    /// The answer for `name` where it is known or cannot be had; else it is asked for and comes later.
    pub fn ask(&mut self, now: Timestamp, name: &str) -> Option<Answer> {
        if let Some((until, answer)) = self.known.get(name)
            && *until > now
        {
            return Some(answer.clone());
        }
        if self.asked.contains(name) {
            return None;
        }
        match self.questions.try_send(name.to_owned()) {
            Ok(()) => {
                self.asked.insert(name.to_owned());
                None
            }
            Err(TrySendError::Full(name) | TrySendError::Disconnected(name)) => {
                self.refused += 1;
                Some(Answer {
                    name,
                    addresses: Vec::new(),
                    error: Some(TOO_MANY.to_owned()),
                })
            }
        }
    }

    /// The answers that have come in since the last call.
    pub fn answers(&mut self, now: Timestamp) -> Vec<Answer> {
        let arrived: Vec<Answer> = self.answers.try_iter().collect();
        for answer in &arrived {
            self.asked.remove(&answer.name);
            self.keep(now, answer.clone());
        }
        arrived
    }

    /// How full everything is that has a limit.
    #[must_use]
    pub(crate) fn fills(&self) -> [Fill; 2] {
        [
            Fill::single(
                "names that wait to be looked up",
                (Some(self.asked.len()), QUEUE),
                self.refused,
                "they have no address",
            ),
            Fill::single(
                "answers of name servers",
                (Some(self.known.len()), CACHE),
                0,
                "the oldest is forgotten",
            ),
        ]
    }

    /// Forgets all answers.
    pub fn forget(&mut self) {
        self.known.clear();
        self.order.clear();
    }

    fn keep(&mut self, now: Timestamp, answer: Answer) {
        let name = answer.name.clone();
        if self
            .known
            .insert(name.clone(), (now.plus_seconds(CACHE_SECONDS), answer))
            .is_none()
        {
            self.order.push_back(name);
        }
        while self.order.len() > CACHE {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

fn look_up_all(
    waiting: &Mutex<Receiver<String>>,
    found: &Sender<Answer>,
    look_up: &impl Fn(String) -> Answer,
    wake: &impl Fn(),
) {
    loop {
        let question = match waiting.lock() {
            Ok(waiting) => waiting.recv(),
            Err(_) => return,
        };
        let Ok(name) = question else { return };
        if found.send(look_up(name)).is_err() {
            return;
        }
        wake();
    }
}

/// Looks a name up at once, in the thread of the caller.
#[must_use]
pub fn look_up(name: String) -> Answer {
    match addresses_of(&name) {
        Ok(addresses) => Answer {
            name,
            addresses: some_of(addresses.into_iter()),
            error: None,
        },
        Err(error) => Answer {
            name,
            addresses: Vec::new(),
            error: Some(error.to_string()),
        },
    }
}

/// All addresses of a host, in the order in which they are to be tried.
///
/// # Errors
/// Where it has none, or they cannot be had.
pub(crate) fn addresses_of(name: &str) -> io::Result<Vec<IpAddr>> {
    if rights::names_have_moved() {
        return ask_program(name);
    }
    let sockets = (name, 0_u16).to_socket_addrs()?;
    Ok(sockets.map(|socket| socket.ip()).collect())
}

/// Asks the system's program for it, which may read what the daemon may not any more.
fn ask_program(name: &str) -> io::Result<Vec<IpAddr>> {
    let mut child = Command::new("getent")
        .args(["ahosts", "--", name])
        .ends_with_us()
        .spawn()?;
    let mut said = String::new();
    let mut output = (&mut child.stdout).take(MOST_SAID);
    output.read_to_string(&mut said)?;
    let status = child.process.wait()?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in said.lines().filter_map(first_address) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::other(format!(
            "getent knows no address of it ({status})"
        )));
    }
    Ok(addresses)
}

/// Of `192.0.2.1      STREAM host.example`.
fn first_address(line: &str) -> Option<IpAddr> {
    line.split_whitespace().next()?.parse().ok()
}

/// As many different addresses as count, always the same ones of the same.
fn some_of(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let addresses: BTreeSet<IpAddr> = addresses.map(|address| address.to_canonical()).collect();
    addresses.into_iter().take(ADDRESSES).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_program_of_the_system_knows_what_the_library_knows() {
        let mut known: Vec<IpAddr> = addresses_of("localhost").unwrap();
        let mut said = ask_program("localhost").unwrap();
        known.sort();
        known.dedup();
        said.sort();
        assert!(said.iter().all(|address| address.is_loopback()), "{said:?}");
        assert!(!said.is_empty() && !known.is_empty());
        assert!(ask_program("-s").is_err(), "no option");
        assert!(ask_program("host.invalid").is_err());
    }

    #[test]
    fn an_answer_arrives_after_a_wake_and_is_kept() {
        let (wake, woken) = channel();
        let mut resolver = Resolver::start(move || wake.send(()).unwrap()).unwrap();
        let now = Timestamp::from_seconds(1_000);
        assert_eq!(resolver.ask(now, "192.0.2.7"), None);
        assert_eq!(
            resolver.ask(now, "192.0.2.7"),
            None,
            "asked once, while it is under way"
        );
        woken.recv_timeout(Duration::from_secs(20)).unwrap();
        let answers = resolver.answers(now);
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].addresses, ["192.0.2.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(
            resolver.ask(now.plus_seconds(299), "192.0.2.7").as_ref(),
            Some(&answers[0])
        );
        assert_eq!(
            resolver.ask(now.plus_seconds(301), "192.0.2.7"),
            None,
            "kept for five minutes"
        );
    }

    #[test]
    fn a_slow_name_server_delays_its_own_answers_and_a_flood_of_names_is_refused() {
        let (answer, slow) = channel::<()>();
        let slow = Arc::new(Mutex::new(slow));
        let look_up = move |name: String| {
            // It answers when the test lets go.
            let _ended = slow.lock().unwrap().recv();
            Answer {
                name,
                addresses: Vec::new(),
                error: None,
            }
        };
        let (wake, woken) = channel();
        let mut resolver = Resolver::with(look_up, move || wake.send(()).unwrap()).unwrap();
        let now = Timestamp::from_seconds(1_000);
        let mut refused = 0;
        for number in 0..5 * QUEUE {
            if let Some(answer) = resolver.ask(now, &format!("host{number}.example")) {
                assert!(answer.error.is_some() && answer.addresses.is_empty());
                refused += 1;
            }
        }
        assert!(
            (4 * QUEUE - THREADS..=4 * QUEUE).contains(&refused),
            "{refused} refused"
        );
        assert_eq!(resolver.ask(now, "host0.example"), None, "it is still under way");
        assert_eq!(resolver.answers(now), []);
        drop(answer);
        let asked = 5 * QUEUE - refused;
        for _ in 0..asked {
            woken.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        assert_eq!(resolver.answers(now).len(), asked);
        assert!(resolver.known.len() <= CACHE && resolver.asked.is_empty());
    }

    #[test]
    fn of_a_thousand_addresses_some_count() {
        let addresses = || {
            (0..1000_u32)
                .rev()
                .map(|number| IpAddr::from((0xC612_0000 + number).to_be_bytes()))
        };
        let some = some_of(addresses().chain(addresses()));
        assert_eq!(some.len(), ADDRESSES);
        assert_eq!(
            some.first().map(ToString::to_string).as_deref(),
            Some("198.18.0.0")
        );
    }
}
