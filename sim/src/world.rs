//! The world of a simulation: what the daemon sees of the [`Machine`].
//!
//! What is read and what is kept is the daemon's own [`Keeping`], over a simulated disk and a database by hand; what
//! commands do is done by its own [`Worker`]s, when chance has them run.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use stockade_action::command::CommandAction;
use stockade_action::plan::{Batch, Definition, Observed};
use stockade_action::services::Services;
use stockade_action::tags::Script;
use stockade_daemon::blueprint::Blueprint;
use stockade_daemon::control::ClientId;
use stockade_daemon::growth::Growth;
use stockade_daemon::keeping::Keeping;
use stockade_daemon::log::{Level, Records};
use stockade_daemon::places::Registry;
use stockade_daemon::runner::{Job, News, Run, Worker};
use stockade_daemon::store::{RestoreLimits, Store};
use stockade_daemon::world::{Event, Sources, World};
use stockade_datetime::Timestamp;
use stockade_jail::{BanTime, Id, Ticket};
use stockade_protocol::{Answer, Failure, Value};

use crate::machine::{Machine, lock};
use crate::volume::SimulatedDisk;

/// How often in a row the daemon may find nothing to do without going to sleep.
const ROUNDS: usize = 200;

/// How many bans may wait for one action here; few, so that it happens.
const QUEUE: usize = 60;

/// What the daemon sees of the machine.
pub(crate) struct SimulatedWorld {
    machine: Rc<RefCell<Machine>>,
    services: Services,
    pub(crate) keeping: Keeping<SimulatedDisk>,
    runners: BTreeMap<(String, String), Runner>,
    /// What they tell.
    news: VecDeque<News>,
    /// Whether the last turn was a client's.
    served: bool,
}

/// An action at work, and those of the same name that have not ended yet.
struct Runner {
    workers: VecDeque<(Worker<Command>, VecDeque<Job>)>,
    /// Whether the last one was told to end.
    is_dismissed: bool,
}

type Command = Box<dyn FnMut(&Script, Duration) -> Run>;

impl SimulatedWorld {
    pub(crate) fn new(machine: Rc<RefCell<Machine>>) -> Self {
        let known = machine.borrow();
        let disk = SimulatedDisk(Rc::clone(&known.logs.volume));
        let mut keeping = Keeping::new(
            disk,
            records(&known),
            TimeZone::UTC,
            Registry::default(),
            known.now,
            || {},
        );
        keeping.set_store(Store::by_hand(known.hand.clone()));
        drop(known);
        Self {
            machine,
            services: Services::default(),
            keeping,
            runners: BTreeMap::new(),
            news: VecDeque::new(),
            served: false,
        }
    }

    /// Whether nothing is under way.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let machine = self.machine.borrow();
        machine.requests.is_empty()
            && machine.removals.is_empty()
            && !machine.clock_was_set
            && self.keeping.is_quiet()
    }

    /// Whether no command waits, nor news of one.
    pub(crate) fn is_commanded(&self) -> bool {
        self.news.is_empty()
            && self
                .runners
                .values()
                .all(|runner| !runner.is_dismissed && runner.workers.iter().all(|(_, jobs)| jobs.is_empty()))
    }

    /// Some of the commands that wait have their turn.
    fn work(&mut self, most: u64) {
        for runner in self.runners.values_mut() {
            let count = self.machine.borrow_mut().chance.below(most + 1);
            for _ in 0..count {
                let Some((worker, jobs)) = runner.workers.front_mut() else {
                    break;
                };
                match jobs.pop_front() {
                    Some(job) => self.news.extend(worker.take(job)),
                    None if runner.workers.len() > 1 || runner.is_dismissed => {
                        drop(runner.workers.pop_front());
                    }
                    None => break,
                }
            }
        }
        self.runners.retain(|_, runner| !runner.workers.is_empty());
    }

    fn next_event(&mut self) -> Option<Event> {
        let mut machine = self.machine.borrow_mut();
        if !machine.removals.is_empty() {
            let removals = std::mem::take(&mut machine.removals);
            return Some(Event::Removed(removals));
        }
        if std::mem::take(&mut machine.clock_was_set) {
            return Some(Event::ClockSet);
        }
        if let Some(news) = self.news.pop_front() {
            return Some(Event::from(news));
        }
        if !self.served
            && let Some((client, request)) = machine.requests.pop_front()
        {
            self.served = true;
            return Some(Event::Request(client, request));
        }
        self.served = false;
        if let Some(event) = self.keeping.agenda().take_next() {
            return Some(event);
        }
        let request = machine.requests.pop_front();
        request.map(|(client, request)| Event::Request(client, request))
    }
}

fn records(machine: &Machine) -> Records {
    let records = Arc::clone(&machine.records);
    Records::to(move |_, _, text| lock(&records).push(text.to_owned()))
}

impl World for SimulatedWorld {
    fn wait(&mut self, until: Option<Timestamp>) -> (Timestamp, Event) {
        let mut rounds = 0;
        while rounds < ROUNDS {
            rounds += 1;
            let now = self.machine.borrow().now;
            self.keeping.keep(now);
            let (writes, is_slow) = {
                let mut machine = self.machine.borrow_mut();
                (machine.chance.one_in(2), machine.is_slow)
            };
            if writes {
                let _written = self.machine.borrow().hand.write();
            }
            self.keeping.hear();
            self.work(if is_slow { 0 } else { 6 });
            self.keeping.read(now);
            {
                let mut machine = self.machine.borrow_mut();
                machine.logs.looked = machine.up;
            }
            if let Some(event) = self.next_event() {
                self.machine.borrow_mut().events += 1;
                self.keeping.prepare(&event);
                return (now, event);
            }
            if until.is_some_and(|until| until <= now) {
                self.keeping.prepare(&Event::Wakeup);
                return (now, Event::Wakeup);
            }
            let due = [until, self.keeping.next_wakeup(now)].into_iter().flatten().min();
            let mut machine = self.machine.borrow_mut();
            let left = machine.until.saturating_sub(machine.up);
            let wait = due.map_or(u64::MAX, |due| u64::try_from(due.micros_since(now)).unwrap_or(0));
            if wait > 0 || left == 0 {
                if left == 0 {
                    return (now, Event::Wakeup);
                }
                let up = machine.up.saturating_add(wait.min(left));
                rounds = 0;
                machine.sleep_until(up);
            }
        }
        let mut machine = self.machine.borrow_mut();
        if machine.finding.is_none() {
            machine.finding = Some("the daemon finds nothing to do and does not sleep".to_owned());
        }
        (machine.now, Event::Wakeup)
    }

    fn has_time(&mut self) -> bool {
        !self.machine.borrow_mut().chance.one_in(3)
    }

    fn put_back(&mut self, rest: Event) {
        self.keeping.agenda().put_back(rest);
    }

    fn log(&mut self, level: Level, logger: &'static str, text: fmt::Arguments<'_>) {
        self.keeping.log(level, logger, &text.to_string());
    }

    fn answer(&mut self, _: ClientId, _: Answer) {
        let mut machine = self.machine.borrow_mut();
        match machine.unanswered.checked_sub(1) {
            Some(left) => machine.unanswered = left,
            None => machine.finding = Some("more answers than requests".to_owned()),
        }
    }

    fn follow(
        &mut self,
        now: Timestamp,
        blueprint: &Blueprint,
        date: &mut dyn FnMut(&[u8]) -> Option<Timestamp>,
    ) -> Result<(), Failure> {
        self.keeping.follow(now, blueprint, date)
    }

    fn unfollow(&mut self, jail: &str) {
        self.keeping.unfollow(jail);
    }

    fn unread(&mut self, now: Timestamp) -> Option<Event> {
        self.keeping.unread(now)
    }

    fn sources(&self, jail: &str) -> Sources {
        self.keeping.sources(jail)
    }

    fn source_statuses(&self, now: Timestamp) -> Vec<Value> {
        self.keeping.source_statuses(now)
    }

    fn forget_refused(&mut self) {
        self.keeping.forget_refused();
    }

    fn has_firewall(&self) -> bool {
        true
    }

    fn services(&self) -> &Services {
        &self.services
    }

    fn observed(&mut self, definition: &Definition) -> Result<Observed, String> {
        self.machine.borrow_mut().kernel.observed(definition)
    }

    fn enforce(&mut self, batch: &Batch) -> Result<(), String> {
        self.machine.borrow_mut().kernel.enforce(batch)
    }

    fn employ(
        &mut self,
        jail: &str,
        name: &str,
        action: CommandAction,
        timeout: Duration,
    ) -> Result<(), String> {
        let machine = self.machine.borrow();
        let (wall, key) = (Arc::clone(&machine.wall), (jail.to_owned(), name.to_owned()));
        let run: Command = {
            let (jail, name) = key.clone();
            Box::new(move |script, _| lock(&wall).run(&jail, &name, script))
        };
        let worker = Worker::new(
            jail,
            name,
            action,
            timeout,
            records(&machine),
            Registry::default(),
            run,
        );
        let runner = self.runners.entry(key).or_insert_with(|| Runner {
            workers: VecDeque::new(),
            is_dismissed: false,
        });
        runner.workers.push_back((worker, VecDeque::new()));
        runner.is_dismissed = false;
        Ok(())
    }

    fn order(&mut self, jail: &str, name: &str, job: Job) -> bool {
        let runner = self.runners.get_mut(&(jail.to_owned(), name.to_owned()));
        let jobs = runner.and_then(|runner| Some(&mut runner.workers.back_mut()?.1));
        let has_room = |jobs: &&mut VecDeque<Job>| jobs.len() < QUEUE || !job.can_be_refused();
        let Some(jobs) = jobs.filter(has_room) else {
            return false;
        };
        jobs.push_back(job);
        true
    }

    fn dismiss(&mut self, jail: &str, name: &str, job: Job) {
        let _taken = self.order(jail, name, job);
        if let Some(runner) = self.runners.get_mut(&(jail.to_owned(), name.to_owned())) {
            runner.is_dismissed = true;
        }
    }

    fn keep_jail(&mut self, jail: &str, enabled: bool) {
        self.keeping.keep_jail(jail, enabled);
    }

    fn keep_ban(
        &mut self,
        jail: &str,
        ticket: &Ticket,
        of_jail: BanTime,
        growth: Option<Growth>,
        announcement: String,
    ) {
        // The chances of a simulation follow from its seed.
        let growth = growth.map(|growth| Growth {
            seed: self.machine.borrow_mut().chance.below(u64::MAX),
            ..growth
        });
        self.keeping.keep_ban(jail, ticket, of_jail, growth, announcement);
    }

    fn has_memory(&self) -> bool {
        self.keeping.has_memory()
    }

    fn ask_history(&mut self, jail: &str, number: u64, id: &Id) {
        self.keeping.ask_history(jail, number, id);
    }

    fn forget_ban(&mut self, jail: Option<&str>, id: Option<&str>) {
        self.keeping.forget_ban(jail, id);
    }

    fn kept_bans(&mut self, jail: &str, now: Timestamp, limits: RestoreLimits) -> Vec<Ticket> {
        self.keeping.kept_bans(jail, now, limits)
    }

    fn close(&mut self) {
        while !self.runners.is_empty() {
            self.work(20);
        }
        self.keeping.close();
    }
}
