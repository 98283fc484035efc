//! The simulated machine: what outlives the daemon, and what happens to it.
//!
//! Invariant: whatever is here would be on a disk, in the kernel, or in an administrator's memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stockade_daemon::control::{ClientId, Request};
use stockade_daemon::firewall::Removal;
use stockade_daemon::store::{Hand, KeptBan};
use stockade_datetime::Timestamp;
use stockade_jail::{Id, Jail};
use stockade_protocol::{Command, Value};

use crate::chance::Chance;
use crate::configuration::{self, EACH, GROWING, LOGS, NATIVE, VARIANTS};
use crate::kernel::Kernel;
use crate::logs::Logs;
use crate::wall::Wall;

/// What may go wrong on a machine besides crashes; each seed has its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Climate {
    /// The clock is set.
    pub(crate) clock: bool,
    /// The disk of the database fills up and fails.
    pub(crate) disk: bool,
    /// Commands fail and take their time.
    pub(crate) commands: bool,
    /// The firewall refuses, and others flush it.
    pub(crate) firewall: bool,
    /// The configuration changes.
    pub(crate) reloads: bool,
    /// Logs are rotated, emptied and removed.
    pub(crate) rotation: bool,
    /// Whether the kernel tells of changes to files.
    pub(crate) tells: bool,
    pub(crate) backend: &'static str,
    /// Whether logs are named by a pattern.
    pub(crate) pattern: bool,
}

impl Climate {
    pub(crate) fn new(chance: &mut Chance) -> Self {
        Self {
            clock: chance.one_in(4),
            disk: chance.one_in(2),
            commands: chance.one_in(2),
            firewall: chance.one_in(2),
            reloads: !chance.one_in(3),
            rotation: !chance.one_in(3),
            tells: !chance.one_in(4),
            backend: if chance.one_in(3) { "polling" } else { "auto" },
            pattern: chance.one_in(4),
        }
    }

    pub(crate) const fn logs(&self) -> &'static [&'static str] {
        if self.pattern { &["/var/log/*.log"] } else { &LOGS }
    }
}

/// A ban that the log has announced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Announced {
    /// Whether it was not in the database yet when it was announced, for want of room.
    is_unkept: bool,
    /// When it began and was to end.
    span: Option<(Timestamp, Timestamp)>,
}

/// What outlives the daemon.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) now: Timestamp,
    /// The latest time that the clock has shown before it was set.
    latest: Timestamp,
    /// Microseconds since the machine was started; nobody sets that clock.
    pub(crate) up: u64,
    /// Until when nothing else happens.
    pub(crate) until: u64,
    pub(crate) chance: Chance,
    pub(crate) climate: Climate,
    pub(crate) logs: Logs,
    pub(crate) kernel: Kernel,
    pub(crate) hand: Hand,
    pub(crate) wall: Arc<Mutex<Wall>>,
    pub(crate) requests: VecDeque<(ClientId, Request)>,
    /// What the daemon is to hear of the firewall.
    pub(crate) removals: Vec<Removal>,
    /// Requests that have not been answered.
    pub(crate) unanswered: usize,
    /// What the daemon wrote to its log.
    pub(crate) records: Arc<Mutex<Vec<String>>>,
    /// The last of them, for whoever reads of a finding.
    pub(crate) transcript: VecDeque<String>,
    /// Who is banned as far as the log says, by jail and id.
    pub(crate) announced: BTreeMap<(String, String), Announced>,
    /// Which variant of the configuration is in force.
    pub(crate) variant: usize,
    /// Which life of the daemon this is.
    life: u64,
    /// Whether the life before ended by a crash, so that lines may be read again.
    may_repeat: bool,
    /// Whether commands wait as long as they can.
    pub(crate) is_slow: bool,
    /// Whether the clock was set back since the logs were begun.
    pub(crate) descends: bool,
    /// Whether the clock was set since the daemon last ran.
    pub(crate) clock_was_set: bool,
    pub(crate) finding: Option<String>,
    /// What has happened to the machine, and what the daemon has dealt with.
    pub(crate) events: usize,
}

impl Machine {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let climate = Climate::new(&mut chance);
        let records: Arc<Mutex<Vec<String>>> = Arc::default();
        let report = {
            let records = Arc::clone(&records);
            Arc::new(move |_, text: &str| lock(&records).push(text.to_owned()))
        };
        Self {
            now: Timestamp::from_seconds(1_795_316_400),
            latest: Timestamp::from_seconds(0),
            up: 1,
            until: 0,
            climate,
            logs: Logs::new(climate.tells),
            kernel: Kernel::default(),
            hand: Hand::new(report).expect("SQLite has memory for a small database"),
            wall: Arc::new(Mutex::new(Wall::new(Chance::new(!seed)))),
            requests: VecDeque::new(),
            removals: Vec::new(),
            unanswered: 0,
            records,
            transcript: VecDeque::new(),
            announced: BTreeMap::new(),
            variant: 0,
            life: 0,
            may_repeat: false,
            is_slow: false,
            descends: false,
            clock_was_set: false,
            finding: None,
            events: 0,
            chance,
        }
    }

    /// Lets something happen.
    pub(crate) fn happen(&mut self) {
        let climate = self.climate;
        let id = match self.chance.below(8) {
            0 => "2001:db8::/64".to_owned(),
            number => format!("192.0.2.{number}"),
        };
        let jail = if self.chance.one_in(2) { NATIVE } else { GROWING };
        match self.chance.below(64) {
            0..30 => self.logs.write(&mut self.chance, self.now, self.up),
            30..33 => self.logs.finish(&mut self.chance, self.up),
            33..42 => {
                let micros = self.chance.below(6_000_000);
                self.until = self.up.saturating_add(micros);
            }
            42 => {
                let seconds = self.chance.below(90);
                self.pass(seconds.saturating_mul(1_000_000));
            }
            43 => {
                let seconds = if self.chance.one_in(6) {
                    self.chance.below(9000)
                } else {
                    self.chance.below(300)
                };
                self.pass(seconds.saturating_mul(1_000_000));
            }
            44 => self.ask(&["set", jail, "banip", &id]),
            45 => self.ask(&["set", jail, "unbanip", &id]),
            46 => match self.chance.below(6) {
                0 => self.ask(&["unban", "--all"]),
                1 => self.ask(&["unban", &id]),
                2 => self.ask(&["set", jail, "unbanip", "--report-absent", &id]),
                _ => self.ask(&["set", jail, "attempt", &id, "a line", "another"]),
            },
            47 => self.ask(&["status", jail]),
            48 if climate.firewall => {
                self.kernel.flush();
                self.say("someone flushes the firewall");
                // Word of it may get lost; the next ban notices then.
                if self.chance.one_in(2) {
                    self.removals.push(Removal::Unknown);
                }
            }
            49 if climate.firewall => {
                self.kernel.is_stubborn = self.chance.one_in(2);
                self.say(&format!("the firewall refuses: {}", self.kernel.is_stubborn));
            }
            50 | 51 if climate.disk => {
                let is_full = self.chance.one_in(2);
                self.say(&format!("the disk is full: {is_full}"));
                self.hand.set_full(is_full);
            }
            52 if climate.disk => {
                let tasks = self.chance.below(6);
                self.say(&format!("the disk fails after {tasks} tasks"));
                self.hand.fail_after(usize::try_from(tasks).unwrap_or(0));
            }
            53 if climate.commands => {
                let is_failing = self.chance.one_in(3);
                lock(&self.wall).is_failing = is_failing;
            }
            54 if climate.commands => self.is_slow = self.chance.one_in(2),
            55 | 56 if climate.rotation => {
                let told = self.logs.rotate(&mut self.chance, self.up, true);
                self.say(&told);
            }
            57 => self.logs.reopen_all(),
            58 if climate.clock && self.chance.one_in(3) => self.set_clock(),
            59 if climate.reloads => self.reload(),
            60 if climate.reloads => match self.chance.below(4) {
                0 => {
                    self.ask(&["stop", jail]);
                    self.reload();
                }
                1 => self.ask(&["set", NATIVE, "bantime", "45"]),
                _ => self.ask(&["set", jail, "maxretry", "4"]),
            },
            _ => self.ask(&["ping"]),
        }
    }

    /// The daemon is asked to end.
    pub(crate) fn ask_to_stop(&mut self) {
        self.ask(&["stop"]);
    }

    /// The daemon is killed, or has ended.
    pub(crate) fn end_life(&mut self, crashed: bool) {
        self.hand.crash();
        if let Err(finding) = self.check_kept() {
            self.finding.get_or_insert(finding);
        }
        self.requests.clear();
        self.removals.clear();
        self.unanswered = 0;
        self.logs.volume.borrow_mut().forget_watches();
        self.may_repeat = crashed || self.hand.has_lost();
        if crashed {
            // A machine that comes back has its disk repaired by someone.
            self.hand.set_full(false);
            self.kernel.is_stubborn = false;
        } else if let Some((jail, id)) = self.announced.keys().next() {
            self.finding = Some(format!(
                "{id} of {jail} was still banned when the daemon had ended"
            ));
        }
    }

    /// Things happen while no daemon runs.
    pub(crate) fn sleep(&mut self) {
        for _ in 0..self.chance.below(4) {
            match self.chance.below(6) {
                0..2 => self.logs.write(&mut self.chance, self.now, self.up),
                2 if self.climate.rotation => {
                    let told = self.logs.rotate(&mut self.chance, self.up, false);
                    self.say(&told);
                }
                3 => {
                    let seconds = self.chance.below(60);
                    self.pass(seconds.saturating_mul(1_000_000));
                }
                _ => self.pass(1_000_000),
            }
        }
    }

    /// A daemon begins.
    pub(crate) fn begin_life(&mut self) {
        self.life += 1;
        self.kernel.begin_life();
        self.say(&format!("life {}: {:?}", self.life, self.climate));
        self.logs.begin_life(self.now, self.descends);
        // Only what is in the database can be known.
        self.announced.clear();
    }

    /// The commands of the configuration that is in force.
    pub(crate) fn configuration(&self) -> Vec<Command> {
        configuration::commands(self.variant, self.climate.backend, self.climate.logs())
    }

    fn reload(&mut self) {
        let variants = u64::try_from(VARIANTS).unwrap_or(1);
        if !self.chance.one_in(4) {
            self.variant = usize::try_from(self.chance.below(variants)).unwrap_or(0);
        }
        let options = match self.chance.below(8) {
            0 => vec!["--restart".to_owned()],
            1 => vec!["--unban".to_owned()],
            _ => Vec::new(),
        };
        let (starts, mut stream): (Vec<_>, Vec<_>) = self
            .configuration()
            .into_iter()
            .partition(|command| matches!(command, Command::Start(_)));
        stream.extend(starts);
        let reload = Command::Reload {
            jail: None,
            options,
            stream,
        };
        self.request(reload.to_value());
    }

    /// Time passes while nobody runs.
    fn pass(&mut self, micros: u64) {
        self.up = self.up.saturating_add(micros);
        self.now = self.now.plus_micros(i64::try_from(micros).unwrap_or(0));
        self.kernel.pass(micros);
        self.logs.pass(self.now);
    }

    /// Time passes while the daemon sleeps.
    pub(crate) fn sleep_until(&mut self, up: u64) {
        self.pass(up.saturating_sub(self.up));
    }

    fn set_clock(&mut self) {
        const HOUR: i64 = 3600;
        const YEARS: i64 = 2 * 365 * 24 * HOUR;
        let seconds = match self.chance.below(6) {
            0 => -HOUR,
            1 => HOUR,
            2 => -YEARS,
            3 => YEARS,
            4 => 1_795_316_400 - self.now.seconds(),
            _ => 1000 - self.now.seconds(),
        };
        self.latest = self.latest.max(self.now);
        self.now = self.now.plus_seconds(seconds);
        self.say(&format!("the clock is set by {seconds} seconds"));
        self.descends |= seconds < 0;
        self.clock_was_set = true;
        self.logs.excuse_all();
        if seconds > 0 {
            // By this clock the daemon has waited long enough for what has lost its name.
            self.logs.lose_retired();
        }
    }

    /// Puts something into the transcript that the daemon did not say.
    pub(crate) fn say(&self, text: &str) {
        lock(&self.records).push(format!("-- {text}"));
    }

    fn ask(&mut self, words: &[&str]) {
        self.request(Value::list(words.iter().copied()));
    }

    fn request(&mut self, value: Value) {
        self.unanswered += 1;
        self.requests.push_back((ClientId::new(0), Request::Value(value)));
    }

    /// Takes note of what the log says.
    pub(crate) fn read_records(&mut self) {
        let records = std::mem::take(&mut *lock(&self.records));
        for record in records {
            if let Err(finding) = self.read_record(&record) {
                self.finding.get_or_insert(finding);
            }
            if self.transcript.len() >= 400 {
                self.transcript.pop_front();
            }
            self.transcript.push_back(record);
        }
    }

    fn read_record(&mut self, record: &str) -> Result<(), String> {
        if record == "Creating new jail 'each'" {
            self.logs.lose_retired();
        }
        let parts = record.strip_prefix('[').and_then(|rest| rest.split_once("] "));
        let Some((jail, text)) = parts else { return Ok(()) };
        if let Some(rest) = text.strip_prefix("Found ")
            && rest.contains(" - ")
            && jail == EACH
        {
            let number = rest.split(' ').next().and_then(|number| number.parse().ok());
            let number = number.ok_or_else(|| format!("what was found is no line: {record}"))?;
            return self.logs.found(number, self.life, self.may_repeat);
        }
        let (begins, id) = if let Some(id) = text.strip_prefix("Ban ").or(text.strip_prefix("Restore Ban ")) {
            (true, id)
        } else if let Some(id) = text.strip_prefix("Unban ").or(text.strip_prefix("Repeal Ban ")) {
            (false, id)
        } else {
            return Ok(());
        };
        let key = (jail.to_owned(), id.to_owned());
        if begins {
            let is_unkept = self.hand.pending() > 0;
            let announced = Announced {
                is_unkept,
                span: None,
            };
            if self.announced.insert(key, announced).is_some() {
                return Err(format!("a second time: {record}"));
            }
        } else if self.announced.remove(&key).is_none() {
            return Err(format!("nobody was: {record}"));
        }
        Ok(())
    }

    /// Takes note of when the bans of a jail began.
    pub(crate) fn note_begins(&mut self, jail: &Jail) {
        let is_all_kept = self.hand.pending() == 0;
        for ((name, id), announced) in &mut self.announced {
            if is_all_kept {
                announced.is_unkept = false;
            }
            if name == jail.name() && announced.span.is_none() {
                announced.span = jail.ban_of(&Id::parse(id)).map(|ban| (ban.time, ban.end));
            }
        }
    }

    /// Whether all that was announced is kept, where the database had room for it.
    fn check_kept(&self) -> Result<(), String> {
        let kept: BTreeMap<(String, String), KeptBan> = self
            .hand
            .kept()
            .into_iter()
            .map(|ban| ((ban.jail.clone(), ban.id.clone()), ban))
            .collect();
        for (key, announced) in &self.announced {
            let Some((begin, end)) = announced.span.filter(|_| !announced.is_unkept) else {
                continue;
            };
            let is_kept = kept.get(key).is_some_and(|ban| ban.begin + 1.0 >= seconds(begin));
            // What lasts longer than it was to, for its jail was changed since, the database does not know; and while
            // the clock was ahead, it was cleaned of what was old by it.
            let is_old = self.latest.max(self.now).micros_since(begin) > 86_400_000_000;
            if !is_kept && !is_old && end > self.now {
                let kept = kept.get(key);
                return Err(format!(
                    "{key:?} was announced from {begin} on and is not kept so: {kept:?}"
                ));
            }
        }
        Ok(())
    }

    /// Whether a daemon that has begun has banned again whom it should have.
    pub(crate) fn check_restored(&self, jail: &Jail) -> Result<(), String> {
        let settings = jail.settings();
        let now = seconds(self.now);
        for ban in self.hand.kept().iter().filter(|ban| ban.jail == jail.name()) {
            let of_jail = stockade_daemon::store::bantime_seconds(settings.bantime);
            let longest = match &settings.increment {
                Some(_) if self.variant == 8 => 100.0,
                Some(_) => f64::INFINITY,
                None if of_jail < 0.0 => f64::INFINITY,
                None => of_jail,
            };
            let lasts = if ban.bantime < 0.0 {
                longest
            } else {
                ban.bantime.min(longest)
            };
            let is_due = ban.begin + lasts > now + 1.0;
            if is_due && !jail.is_banned(&Id::parse(&ban.id)) {
                return Err(format!(
                    "{ban:?} was not restored at {now}, variant {}, {settings:?}",
                    self.variant
                ));
            }
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "the simulation lasts no centuries")]
fn seconds(time: Timestamp) -> f64 {
    time.micros() as f64 / 1e6
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
