//! The services that write the logs, what is done to those, and which lines the daemon owes a look.
//!
//! In: chance. Out: lines in files; which of them were found, and which should have been.
//!
//! A line is *owed* from its end on, unless something has happened since for which nobody could have read it: its
//! file was emptied, lost its name while the daemon was down, or the line has become too old to count.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use stockade_datetime::Timestamp;

use crate::chance::Chance;
use crate::configuration::{EACH_FINDTIME, LOGS};
use crate::volume::{File, Volume};

/// Attackers there are.
const ATTACKERS: u64 = 7;

/// How long the daemon has to read what is written to a file that has lost its name.
const RETIRED_SECONDS: i64 = 50;

/// A service and its log.
#[derive(Debug)]
struct Service {
    path: PathBuf,
    /// What it writes to, which may have lost its name.
    file: File,
    /// The second half of a line.
    rest: Option<(u64, String)>,
}

/// A line that was written.
#[derive(Debug)]
struct Line {
    /// Its file.
    serial: u64,
    /// What its date says.
    time: Timestamp,
    /// When its end was written.
    ended: Option<u64>,
}

/// The logs of the machine.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) volume: Rc<RefCell<Volume>>,
    services: Vec<Service>,
    /// The lines that are owed, by their numbers.
    lines: BTreeMap<u64, Line>,
    /// In which life of the daemon each line was found last, none where it was not.
    found: Vec<u64>,
    numbers: u64,
    /// The files that have lost their names, and when.
    retired: BTreeMap<u64, u64>,
    /// Those of them that no daemon has open.
    lost: BTreeSet<u64>,
    /// The files that have had a name, and since when.
    born: BTreeMap<u64, u64>,
    /// When the daemon last looked.
    pub(crate) looked: u64,
}

impl Logs {
    pub(crate) fn new(tells: bool) -> Self {
        let mut volume = Volume::new(tells);
        let services = LOGS.iter().map(|path| Service {
            path: PathBuf::from(path),
            file: volume.create(Path::new(path)),
            rest: None,
        });
        let services = services.collect();
        Self {
            volume: Rc::new(RefCell::new(volume)),
            services,
            lines: BTreeMap::new(),
            found: Vec::new(),
            numbers: 0,
            retired: BTreeMap::new(),
            lost: BTreeSet::new(),
            born: BTreeMap::new(),
            looked: 0,
        }
    }

    /// An attacker fails, or several do; the services say so.
    pub(crate) fn write(&mut self, chance: &mut Chance, now: Timestamp, up: u64) {
        let at = usize::try_from(chance.below(2)).unwrap_or(0);
        let burst = if chance.one_in(6) { chance.below(12) + 1 } else { 1 };
        self.note_births(up);
        let is_cut = chance.one_in(8);
        let date = date(now);
        let mut bytes = Vec::new();
        for number in 0..burst {
            let attacker = chance.below(ATTACKERS);
            let attacker = if attacker == 0 {
                "2001:db8::7".to_owned()
            } else {
                format!("192.0.2.{attacker}")
            };
            self.numbers += 1;
            let line = format!("{date} host app[7]: fail from {attacker} no {}\n", self.numbers);
            let is_whole = !(is_cut && number + 1 == burst);
            let Some(service) = self.services.get_mut(at) else {
                return;
            };
            if number == 0 {
                // A line that was begun ends before the next one.
                if let Some((begun, rest)) = service.rest.take() {
                    bytes.extend_from_slice(rest.as_bytes());
                    if let Some(line) = self.lines.get_mut(&begun) {
                        line.ended = Some(up);
                    }
                }
            }
            let cut = 1 + usize::try_from(chance.below(40)).unwrap_or(0);
            let (first, second) = line.split_at(if is_whole { line.len() } else { cut });
            bytes.extend_from_slice(first.as_bytes());
            if !is_whole {
                service.rest = Some((self.numbers, second.to_owned()));
            }
            let line = Line {
                serial: service.file.borrow().serial,
                time: Timestamp::from_seconds(now.seconds()),
                ended: is_whole.then_some(up),
            };
            self.lines.insert(self.numbers, line);
        }
        if let Some(service) = self.services.get(at) {
            let serial = service.file.borrow().serial;
            self.volume.borrow_mut().append(&service.file, &bytes);
            self.excuse_late(serial, up);
        }
    }

    /// A service ends the line that it has begun.
    pub(crate) fn finish(&mut self, chance: &mut Chance, up: u64) {
        let at = usize::try_from(chance.below(2)).unwrap_or(0);
        let Some(service) = self.services.get_mut(at) else {
            return;
        };
        let Some((number, rest)) = service.rest.take() else {
            return;
        };
        let serial = service.file.borrow().serial;
        self.volume.borrow_mut().append(&service.file, rest.as_bytes());
        if let Some(line) = self.lines.get_mut(&number) {
            line.ended = Some(up);
        }
        self.excuse_late(serial, up);
    }

    /// What is written to a file long after that has lost its name, nobody looks for.
    fn excuse_late(&mut self, serial: u64, up: u64) {
        let since = self.retired.get(&serial);
        if self.lost.contains(&serial) || since.is_some_and(|since| up > since + seconds(RETIRED_SECONDS)) {
            self.excuse(|line| line.serial == serial);
        }
    }

    /// Something is done to a log, as `logrotate` and administrators do.
    pub(crate) fn rotate(&mut self, chance: &mut Chance, up: u64, is_read: bool) -> String {
        let at = usize::try_from(chance.below(2)).unwrap_or(0);
        let Some(path) = self.services.get(at).map(|service| service.path.clone()) else {
            return String::new();
        };
        let old = path.with_extension("log.1");
        let current = self.volume.borrow().named(&path);
        let serial = current.as_ref().map(|file| file.borrow().serial);
        let kind = chance.below(8);
        match kind {
            // The log gets another name; a new one is there at once, and the service is told now or later.
            0..4 => {
                let Some(file) = current else {
                    return "nothing is rotated".to_owned();
                };
                self.retire(&file, up, is_read);
                self.volume.borrow_mut().rename(&path, &old);
                self.volume.borrow_mut().create(&path);
                if !chance.one_in(3) {
                    self.reopen(at);
                }
            }
            // The log gets another name, and the service makes a new one.
            4 => {
                let Some(file) = current else {
                    return "nothing is rotated".to_owned();
                };
                self.retire(&file, up, is_read);
                self.volume.borrow_mut().rename(&path, &old);
                if chance.one_in(2) {
                    self.reopen(at);
                }
            }
            // The log is copied and emptied.
            5 => {
                let Some(file) = current else {
                    return "nothing is rotated".to_owned();
                };
                let copy = file.borrow().bytes.clone();
                let mut volume = self.volume.borrow_mut();
                volume.remove(&old);
                let to = volume.create(&old);
                volume.append(&to, &copy);
                volume.truncate(&file);
                drop(volume);
                let serial = file.borrow().serial;
                self.excuse(|line| line.serial == serial);
            }
            // The log is emptied.
            6 => {
                let Some(file) = current else {
                    return "nothing is rotated".to_owned();
                };
                self.volume.borrow_mut().truncate(&file);
                let serial = file.borrow().serial;
                self.excuse(|line| line.serial == serial);
            }
            // The log is removed.
            _ => {
                let Some(file) = current else {
                    return "nothing is rotated".to_owned();
                };
                self.retire(&file, up, is_read);
                self.volume.borrow_mut().remove(&path);
                if chance.one_in(2) {
                    self.reopen(at);
                }
            }
        }
        format!("rotation of kind {kind}: {} was file {serial:?}", path.display())
    }

    /// Services are told that their logs have changed.
    pub(crate) fn reopen_all(&mut self) {
        for at in 0..self.services.len() {
            self.reopen(at);
        }
    }

    fn reopen(&mut self, at: usize) {
        let Some(service) = self.services.get_mut(at) else {
            return;
        };
        let file = self.volume.borrow_mut().create(&service.path);
        if !Rc::ptr_eq(&file, &service.file) {
            service.file = file;
            // What it had begun to say it says no more.
            if let Some((number, _)) = service.rest.take() {
                self.lines.remove(&number);
            }
        }
    }

    /// Takes note of the files that have a name by now.
    fn note_births(&mut self, up: u64) {
        for service in &self.services {
            if let Some(file) = self.volume.borrow().named(&service.path) {
                self.born.entry(file.borrow().serial).or_insert(up);
            }
        }
    }

    /// A file loses its name: what is in it is owed only where a daemon has it open.
    fn retire(&mut self, file: &File, up: u64, is_read: bool) {
        let serial = file.borrow().serial;
        self.retired.insert(serial, up);
        // Who only looks now and then has never seen a file that had its name for a moment.
        let is_unseen = self
            .born
            .get(&serial)
            .is_none_or(|since| since + seconds(1) > self.looked);
        let many = self
            .retired
            .values()
            .filter(|since| **since + seconds(120) > up)
            .count();
        if !is_read || is_unseen || many > 3 {
            self.lose_retired();
        }
    }

    /// Nobody has the files open any more that have lost their names.
    pub(crate) fn lose_retired(&mut self) {
        let lost: BTreeSet<u64> = self.retired.keys().copied().collect();
        self.excuse(|line| lost.contains(&line.serial));
        self.lost = lost;
    }

    /// The daemon is gone: what has lost its name by the time of its return is lost.
    pub(crate) fn begin_life(&mut self, now: Timestamp, descends: bool) {
        let named: Vec<u64> = self
            .services
            .iter()
            .filter_map(|service| {
                let file = self.volume.borrow().named(&service.path)?;
                let serial = file.borrow().serial;
                Some(serial)
            })
            .collect();
        self.lose_retired();
        self.excuse(|line| descends || !named.contains(&line.serial));
        self.pass(now);
    }

    /// Time passes, and lines become too old to count.
    pub(crate) fn pass(&mut self, now: Timestamp) {
        let since = now.plus_seconds(2 - EACH_FINDTIME);
        self.excuse(|line| line.time <= since);
    }

    /// The clock was set: which of the lines count is no longer certain.
    pub(crate) fn excuse_all(&mut self) {
        self.excuse(|_| true);
    }

    fn excuse(&mut self, is_excused: impl Fn(&Line) -> bool) {
        self.lines.retain(|_, line| !is_excused(line));
    }

    /// A line was found, in this life of the daemon; `is_after_crash` where the one before ended by a crash.
    pub(crate) fn found(&mut self, number: u64, life: u64, may_repeat: bool) -> Result<(), String> {
        if number > self.numbers {
            return Err(format!("line {number} was found and never written"));
        }
        self.lines.remove(&number);
        let at = usize::try_from(number).unwrap_or(0);
        if self.found.len() <= at {
            self.found.resize(at + 1, 0);
        }
        let known = self.found.get_mut(at).map(|known| std::mem::replace(known, life));
        match known.filter(|before| *before > 0) {
            Some(before) if before == life || !may_repeat => Err(format!(
                "line {number} was found twice, in lives {before} and {life}"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The lines that should have been found and were not.
    pub(crate) fn missed(&self, up: u64) -> Vec<String> {
        let is_missed = |line: &Line| line.ended.is_some_and(|ended| ended + seconds(2) <= up);
        let missed = self.lines.iter().filter(|(_, line)| is_missed(line));
        missed
            .map(|(number, line)| {
                let since = self.retired.get(&line.serial);
                format!(
                    "{number} of {} in file {}, without name since {since:?}",
                    line.time, line.serial
                )
            })
            .collect()
    }
}

/// A date as logs have it.
fn date(now: Timestamp) -> String {
    let moment = jiff::Timestamp::from_second(now.seconds()).unwrap_or_default();
    moment.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn seconds(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0).saturating_mul(1_000_000)
}
