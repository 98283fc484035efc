//! The simulated machine: what outlives the daemon, and what happens to it.
//!
//! Invariant: whatever is here would be on a disk, in the kernel, or in an administrator's memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use stockade_action::nftables::{Batch, Element, Observed, SetId, Step};
use stockade_daemon::control::{ClientId, Request};
use stockade_daemon::firewall::Removal;
use stockade_daemon::world::{Event, Lines};
use stockade_datetime::Timestamp;
use stockade_jail::{Address, BanTime, Ticket};
use stockade_protocol::Value;

use crate::JAIL;
use crate::chance::Chance;

/// Attackers there are.
const ATTACKERS: u64 = 6;

/// What outlives the daemon.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) now: Timestamp,
    pub(crate) events: VecDeque<Event>,
    /// What the database has: the last ban of each id.
    pub(crate) kept: BTreeMap<String, Ticket>,
    /// What the kernel refuses, and until when.
    kernel: BTreeMap<SetId, BTreeMap<IpAddr, (IpAddr, Timestamp)>>,
    /// Whether the firewall refuses to be changed.
    pub(crate) is_stubborn: bool,
    /// Whether the daemon has had no chance yet to notice what someone did to the firewall.
    is_disturbed: bool,
    /// Who is banned as far as the log says, and until when.
    announced: BTreeMap<String, Timestamp>,
    finding: Option<String>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            now: Timestamp::from_seconds(1_795_316_400),
            events: VecDeque::new(),
            kept: BTreeMap::new(),
            kernel: BTreeMap::new(),
            is_stubborn: false,
            is_disturbed: false,
            announced: BTreeMap::new(),
            finding: None,
        }
    }

    /// Lets something happen.
    pub(crate) fn happen(&mut self, chance: &mut Chance) {
        let attacker = format!("192.0.2.{}", chance.below(ATTACKERS) + 1);
        match chance.below(20) {
            0..10 => self.fail(&attacker),
            10..14 => self.pass(chance.below(40)),
            14 => self.pass(chance.below(4000)),
            15 => self.ask(&["set", JAIL, "banip", &attacker, "2001:db8::/64"]),
            16 => self.ask(&["set", JAIL, "unbanip", &attacker]),
            17 => {
                // Someone flushes the firewall behind the daemon's back.
                self.kernel.clear();
                self.is_disturbed = true;
                // Word of it may get lost; the next ban notices then.
                if chance.one_in(2) {
                    self.events.push_back(Event::Removed(vec![Removal::Unknown]));
                }
            }
            18 => self.is_stubborn = chance.one_in(2),
            _ => self.ask(&["status", JAIL]),
        }
    }

    /// The daemon is killed.
    pub(crate) fn crash(&mut self) {
        self.events.clear();
        self.is_stubborn = false;
        self.is_disturbed = false;
    }

    /// Time passes; the kernel lets go of what is over.
    pub(crate) fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus_seconds(i64::try_from(seconds).unwrap_or(0));
        self.expire();
    }

    pub(crate) fn expire(&mut self) {
        let now = self.now;
        for elements in self.kernel.values_mut() {
            elements.retain(|_, (_, end)| *end >= now);
        }
        self.announced.retain(|_, end| *end > now);
    }

    /// Changes the firewall.
    pub(crate) fn enforce(&mut self, batch: &Batch) -> Result<(), String> {
        if self.is_stubborn {
            self.is_disturbed = true;
            return Err("the kernel has no memory left".to_owned());
        }
        let mut kernel = self.kernel.clone();
        for step in &batch.steps {
            let id = step.set();
            match step {
                Step::Raise(_) => drop(kernel.entry(id).or_default()),
                Step::Raze(_) => drop(kernel.remove(&id)),
                Step::Flush(_) => kernel.get_mut(&id).ok_or("no such set")?.clear(),
                Step::Add(_, elements) | Step::Renew(_, elements) => {
                    let set = kernel.get_mut(&id).ok_or("no such set")?;
                    set.extend(
                        elements
                            .iter()
                            .map(|element| (element.first, (element.last, self.end(element)))),
                    );
                }
                Step::Replace(_, elements) => {
                    let set = kernel.get_mut(&id).ok_or("no such set")?;
                    *set = elements
                        .iter()
                        .map(|element| (element.first, (element.last, self.end(element))))
                        .collect();
                }
                Step::Remove(_, elements) => {
                    let set = kernel.get_mut(&id).ok_or("no such set")?;
                    set.retain(|first, _| !elements.iter().any(|element| element.first == *first));
                }
            }
        }
        self.kernel = kernel;
        Ok(())
    }

    pub(crate) fn observed(&mut self) -> Result<Observed, String> {
        if self.is_stubborn {
            return Err("the kernel has no memory left".to_owned());
        }
        // What follows puts everything right.
        self.is_disturbed = false;
        Ok(self.kernel.keys().copied().collect())
    }

    /// A ban is kept and announced.
    pub(crate) fn keep(&mut self, ticket: &Ticket, of_jail: BanTime) {
        let mut kept = ticket.clone();
        kept.bantime = Some(ticket.bantime_in(of_jail));
        kept.restored = true;
        self.kept.insert(ticket.id.to_string(), kept);
        self.announce(
            &ticket.id.to_string(),
            ticket.bantime_in(of_jail).end(ticket.time),
        );
    }

    /// Takes note of what the log says.
    pub(crate) fn read_log(&mut self, text: &str) {
        let prefix = format!("[{JAIL}] ");
        let Some(text) = text.strip_prefix(&prefix) else {
            return;
        };
        if let Some(id) = text.strip_prefix("Unban ") {
            self.announced.remove(id);
        }
    }

    /// What the firewall refuses, where nobody has disturbed it since the daemon last saw it.
    pub(crate) fn refused_when_quiet(&self) -> Option<Vec<String>> {
        if self.is_disturbed || self.is_stubborn || !self.events.is_empty() {
            return None;
        }
        let mut refused: BTreeSet<String> = BTreeSet::new();
        for elements in self.kernel.values() {
            for (first, (last, _)) in elements {
                let address = if first == last {
                    Address::single(*first)
                } else {
                    Address::network(*first, 64)
                };
                refused.insert(address.to_string());
            }
        }
        Some(refused.into_iter().collect())
    }

    /// Who is banned as far as the log says.
    pub(crate) fn announced_in_force(&self) -> impl Iterator<Item = &String> {
        self.announced.keys()
    }

    /// What went wrong inside of a turn.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.finding.clone().map_or(Ok(()), Err)
    }

    fn announce(&mut self, id: &str, end: Timestamp) {
        if self.announced.insert(id.to_owned(), end).is_some() {
            self.finding = Some(format!("{id} is announced as banned while it is"));
        }
    }

    fn fail(&mut self, attacker: &str) {
        let line = format!(
            "{} host sshd[7]: Failed password for root from {attacker} port 50022 ssh2\n",
            self.now.seconds()
        );
        let bytes = line.into_bytes();
        let (jails, log) = (vec![(JAIL.to_owned(), true)], "/var/log/auth.log".to_owned());
        let whole = 0..bytes.len();
        self.events.push_back(Event::Lines(Lines {
            jails,
            log,
            bytes,
            lines: vec![whole],
        }));
    }

    fn ask(&mut self, words: &[&str]) {
        let request = Request::Value(Value::list(words.iter().copied()));
        self.events.push_back(Event::Request(ClientId::new(0), request));
    }

    fn end(&self, element: &Element) -> Timestamp {
        element.timeout_ms.map_or(Timestamp::MAX, |timeout| {
            let micros = timeout.saturating_mul(1000);
            self.now.plus_micros(i64::try_from(micros).unwrap_or(i64::MAX))
        })
    }
}
