//! The real world: the machine's clock, logs, firewall, database, commands and clients.
//!
//! Invariant: it sleeps in one place, and nothing wakes it but what has to be dealt with.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use stockade_action::command::CommandAction;
use stockade_action::facts::BanFacts;
use stockade_action::plan::{Batch, Definition, Element, Observed, SetId, last_of};
use stockade_action::services::Services;
use stockade_action::tags::HostNames;
use stockade_datetime::Timestamp;
use stockade_jail::{Address, BanTime, Family, Id, Ticket};
use stockade_protocol::{Answer, Failure, Happening, Reply, Right, Value, definition};
use stockade_sys::{Fired, Interest, Mounts, Poller, Ready, Signal, Signals, Timer, Token, Waker};

use crate::admission::{self, Admission};
use crate::blueprint::{self, Blueprint};
use crate::control::{ClientId, Control};
use crate::cutting::{Cutter, Kill};
use crate::firewall::{Firewall, Removal, Watch};
use crate::growth::Growth;
use crate::helper;
use crate::judge::{Judge, Question};
use crate::keeping::Keeping;
use crate::leisure::Leisure;
use crate::limits::Fill;
use crate::log::{Level, Log, Records};
use crate::machine;
use crate::manager::{Manager, State};
use crate::origins;
use crate::places::{Places, Registry};
use crate::resolver::{self, Resolver};
use crate::rights::Rights;
use crate::runner::{Called, Employment, Job, News, Runner};
use crate::source::System;
use crate::store::{self, RestoreLimits, Store};
use crate::turns::Turns;
use crate::world::{Event, Sources, World};

const SIGNALS: Token = 1;
const TIMER: Token = 2;
const WAKER: Token = 3;
const FILES: Token = 4;
const JOURNAL: Token = 5;
const LISTENER: Token = 6;
const FIREWALL: Token = 7;
const PIPES: Token = 8;
const REPORTS: Token = 9;
const SYSLOG: Token = 10;
const MOUNTS: Token = 11;
const FIRST_CLIENT: Token = 1 << 32;

const SERVER: &str = "fail2ban.server";

/// How long answers that nobody reads are waited for at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long after a repair of the firewall the next one waits: two programs that each undo what the other does
/// must not do so without end and without pause.
const REPAIR_PAUSE_MICROS: i64 = 1_000_000;
/// How many clients at a time may wait for what a name server says.
const SEEKERS: usize = 4;
/// How long the lines of one source are dealt with before others have their turn. What the loop does between two turns
/// takes a hundredth of it.
const TURN: Duration = Duration::from_millis(2);
/// How many removals are remembered one by one.
const MOST_REMOVALS: usize = 1000;

/// The real world.
pub(crate) struct Outside {
    log: Arc<Log>,
    poller: Poller,
    signals: Signals,
    timer: Timer,
    waker: Arc<Waker>,
    control: Control,
    keeping: Keeping<System>,
    /// Tells of what is mounted, as long as it is there.
    _mounts: Option<Mounts>,
    /// Where the properties of jails are written.
    places: Registry,
    firewall: Option<Firewall>,
    /// Whether stock actions are done by the daemon itself.
    native: bool,
    /// Who may say what, as the configuration says.
    admission: Admission,
    /// What of its rights it has given up.
    rights: Rights,
    /// Whether bans are only announced.
    observes: bool,
    /// Hears of what other programs do to the firewall.
    watch: Option<Watch>,
    /// What they have removed, as long as it is too early to repair.
    removals: Vec<Removal>,
    repaired: Option<Timestamp>,
    allowipv6: Option<bool>,
    stacksize: Value,
    /// As a client has given it.
    syslogsocket: Option<Value>,
    resolver: Resolver,
    judge: Judge,
    host: HostNames,
    services: Services,
    runners: BTreeMap<(String, String), Runner>,
    /// Actions that were told to end and may not have yet, by their jails and names.
    dismissed: BTreeMap<(String, String), JoinHandle<()>>,
    /// Threads that find out whose networks addresses are in.
    seekers: Vec<JoinHandle<()>>,
    /// Ends the connections of those who are banned, once an action wants it; nothing where it could not be started.
    cutter: Option<Option<Cutter>>,
    /// What actions tell, and what became of other calls of clients.
    news: (Sender<News>, Receiver<News>),
    /// The order between the actions of each jail.
    turns: BTreeMap<String, Turns>,
    /// Whether the last turn was a client's: then a line has its turn next.
    served: bool,
    /// When this turn began.
    begun: Instant,
    armed: Option<Timestamp>,
    leisure: Leisure,
    manager: Manager,
}

impl Outside {
    /// Opens what the loop waits for. `listener` is the control socket; without a `firewall` nothing is enforced.
    ///
    /// # Errors
    /// Where the system is out of descriptors or threads.
    pub(crate) fn open(
        log: Arc<Log>,
        listener: UnixListener,
        firewall: Option<Firewall>,
        observes: bool,
        zone: TimeZone,
        rights: Rights,
    ) -> io::Result<Self> {
        let leisure = Leisure::new();
        let poller = Poller::new()?;
        let signals = Signals::listen(&[
            Signal::Terminate,
            Signal::Interrupt,
            Signal::User1,
            Signal::HangUp,
        ])?;
        poller.add(&signals, SIGNALS, Interest::Read)?;
        let timer = Timer::new()?;
        poller.add(&timer, TIMER, Interest::Read)?;
        let waker = Arc::new(Waker::new()?);
        poller.add(&*waker, WAKER, Interest::Read)?;
        let places = Registry::default();
        let wake = {
            let waker = Arc::clone(&waker);
            move || waker.wake()
        };
        let records = Records::from(Arc::clone(&log));
        let keeping = Keeping::new(
            System::new(),
            records.clone(),
            zone,
            places.clone(),
            now(),
            wake.clone(),
        );
        if let Some(fd) = keeping.files_fd() {
            poller.add(fd, FILES, Interest::Read)?;
        }
        if let Some(fd) = keeping.journal_fd() {
            poller.add(fd, JOURNAL, Interest::Read)?;
        }
        if let Some(fd) = keeping.pipes_fd() {
            poller.add(fd, PIPES, Interest::Read)?;
        }
        if let Some(fd) = keeping.reports_fd() {
            poller.add(fd, REPORTS, Interest::Read)?;
        }
        if let Some(fd) = keeping.syslog_fd() {
            poller.add(fd, SYSLOG, Interest::Read)?;
        }
        // Without it a file system that comes over a log is noticed with the next event there.
        let mounts = Mounts::new().ok();
        if let Some(mounts) = &mounts {
            poller.add(mounts, MOUNTS, Interest::Urgent)?;
        }
        let control = Control::new(listener, &poller, LISTENER, FIRST_CLIENT, records)?;
        let watch = firewall.as_ref().map(Firewall::watch).transpose()?;
        if let Some(watch) = &watch {
            poller.add(watch, FIREWALL, Interest::Read)?;
        }
        let host = machine::host_names();
        Ok(Self {
            resolver: Resolver::start(wake.clone())?,
            judge: Judge::start(host.clone(), Arc::clone(&log), places.clone(), wake)?,
            places,
            log,
            poller,
            signals,
            timer,
            waker,
            control,
            keeping,
            _mounts: mounts,
            firewall,
            native: true,
            admission: Admission::default(),
            rights,
            observes,
            watch,
            removals: Vec::new(),
            repaired: None,
            allowipv6: None,
            stacksize: Value::Int(0),
            syslogsocket: None,
            host,
            services: machine::services(),
            runners: BTreeMap::new(),
            dismissed: BTreeMap::new(),
            seekers: Vec::new(),
            cutter: None,
            news: channel(),
            turns: BTreeMap::new(),
            served: false,
            begun: Instant::now(),
            armed: None,
            leisure,
            manager: Manager::of_environment()?,
        })
    }

    /// Arms the timer for the earliest of what is due.
    fn arm(&mut self, now: Timestamp, until: Option<Timestamp>) {
        let due = [
            until,
            self.keeping.next_wakeup(now),
            self.next_repair(),
            self.leisure.next(),
        ];
        let due = due.into_iter().flatten().min();
        if due == self.armed {
            return;
        }
        let armed = match due {
            Some(due) => self.timer.arm(due.micros()),
            None => self.timer.disarm(),
        };
        match armed {
            Ok(()) => self.armed = due,
            Err(error) => self
                .log
                .write(Level::ERROR, SERVER, &format!("The timer cannot be set: {error}")),
        }
    }

    /// When what others have removed from the firewall is to be repaired.
    fn next_repair(&self) -> Option<Timestamp> {
        let after = |repaired: Timestamp| repaired.plus_micros(REPAIR_PAUSE_MICROS);
        let due = self.repaired.map_or(Timestamp::from_seconds(0), after);
        (!self.removals.is_empty()).then_some(due)
    }

    /// Has the loop repair the firewall, where it is time.
    fn repair(&mut self, now: Timestamp) {
        // Where the clock was set back, the last repair lies ahead.
        let is_recent = self
            .repaired
            .is_some_and(|repaired| repaired <= now && now < repaired.plus_micros(REPAIR_PAUSE_MICROS));
        if !self.removals.is_empty() && !is_recent {
            self.repaired = Some(now);
            let removals = std::mem::take(&mut self.removals);
            self.keeping.agenda().add_first(Event::Removed(removals));
        }
    }

    /// Hears what others have removed from the firewall.
    fn hear(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        match watch.take() {
            Ok(removals) => self.removals.extend(removals),
            Err(error) => {
                self.log.write(
                    Level::ERROR,
                    SERVER,
                    &format!("What others do to the firewall cannot be read any more: {error}"),
                );
                // Without an end to this it would be ready again and again.
                let _gone = self.poller.remove(&*watch);
                self.watch = None;
            }
        }
        if self.removals.len() > MOST_REMOVALS {
            self.removals = vec![Removal::Unknown];
        }
    }

    /// Takes note of a descriptor that is ready.
    fn ready(&mut self, now: Timestamp, ready: Ready) {
        match ready.token {
            SIGNALS => {
                for signal in self.signals.take() {
                    match signal {
                        Signal::Terminate | Signal::Interrupt => {
                            self.keeping.agenda().add_first(Event::Terminate)
                        }
                        Signal::User1 | Signal::HangUp => self.keeping.agenda().add_first(Event::FlushLogs),
                        Signal::Child => {}
                    }
                }
            }
            TIMER => {
                // Whether it is time or the clock was set: what is due is worked out anew.
                match self.timer.take() {
                    Ok(Fired::ClockSet) => self.keeping.agenda().add(Event::ClockSet),
                    Ok(Fired::No | Fired::Due) => {}
                    Err(error) => {
                        let text = format!("The timer cannot be read: {error}");
                        self.log.write(Level::ERROR, SERVER, &text);
                    }
                }
                self.armed = None;
            }
            WAKER => {
                self.waker.drain();
                let answers = self.resolver.answers(now);
                if !answers.is_empty() {
                    self.keeping.agenda().add(Event::Resolved(answers));
                }
                for verdict in self.judge.verdicts() {
                    self.keeping.agenda().add(Event::Judged(verdict));
                }
                for news in self.news.1.try_iter() {
                    self.keeping.agenda().add(Event::from(news));
                }
                self.keeping.hear();
            }
            FIREWALL => self.hear(),
            MOUNTS => self.keeping.mounted(),
            // All are looked at in each turn.
            FILES | JOURNAL | PIPES | REPORTS | SYSLOG => {}
            _ => {
                self.control.ready(&self.poller, ready);
            }
        }
    }

    /// The next thing to deal with; clients and lines take turns.
    fn next_event(&mut self) -> Option<Event> {
        if !self.served
            && let Some((client, request)) = self.control.take()
        {
            self.served = true;
            return Some(Event::Request(client, request));
        }
        self.served = false;
        let event = self.keeping.agenda().take_next();
        if event.is_some() {
            return event;
        }
        self.control
            .take()
            .map(|(client, request)| Event::Request(client, request))
    }

    /// Has the control socket be open to these groups, as long as its mode can be changed.
    fn admit(&mut self, admission: Admission, option: &str) -> Result<(), Failure> {
        if admission == self.admission {
            return Ok(());
        }
        if self.rights.are_given_up() {
            let text = format!("`{option}` counts from the next start of the daemon on");
            self.log.write(Level::WARNING, SERVER, &text);
            return Ok(());
        }
        if let Some(socket) = self.rights.socket() {
            admission.open(socket).map_err(|error| {
                let path = socket.display();
                Failure::exception(format!("The mode of {path} cannot be changed: {error}"))
            })?;
        }
        self.admission = admission;
        self.control.admit(admission);
        Ok(())
    }

    fn open_store(&mut self, now: Timestamp, path: &str) -> Reply {
        let log = Arc::clone(&self.log);
        let report: store::Report = Arc::new(move |level, text| log.write(level, "fail2ban.database", text));
        match Store::open(path, now, &report) {
            Ok(store) => {
                self.keeping.set_store(store);
                self.get("dbfile")
            }
            Err(error) => Err(error.failure()),
        }
    }
}

impl World for Outside {
    fn wait(&mut self, until: Option<Timestamp>) -> (Timestamp, Event) {
        self.log.release();
        let mut ready = Vec::new();
        let mut now = now();
        loop {
            self.manager.beat();
            self.keeping.keep(now);
            let is_due = until.is_some_and(|until| until <= now);
            let sleeps = self.keeping.agenda().is_empty() && !self.control.has_requests() && !is_due;
            if sleeps {
                let at_leisure = self.leisure.take(now);
                self.arm(now, until);
                // Last of all, for every step from here to sleep has its code read again.
                if at_leisure {
                    self.leisure.give_back();
                }
            }
            let timeout = if sleeps {
                self.manager.patience()
            } else {
                Some(Duration::ZERO)
            };
            if let Err(error) = self.poller.wait(timeout, &mut ready) {
                self.log
                    .write(Level::CRITICAL, SERVER, &format!("Waiting failed: {error}"));
                return (now, Event::Terminate);
            }
            now = self::now();
            for ready in ready.drain(..) {
                self.ready(now, ready);
            }
            self.repair(now);
            self.keeping.read(now);
            let is_due = until.is_some_and(|until| until <= now);
            if let Some(event) = self.next_event().or_else(|| is_due.then_some(Event::Wakeup)) {
                self.keeping.prepare(&event);
                self.begun = Instant::now();
                match event {
                    // What comes of these may be thousands of records.
                    Event::Lines(_)
                    | Event::Entries(_)
                    | Event::Reports(_)
                    | Event::Wakeup
                    | Event::Remembered(_) => self.log.hold(),
                    Event::Request(..)
                    | Event::Resolved(_)
                    | Event::Judged(_)
                    | Event::Acted(_)
                    | Event::Called(_)
                    | Event::Removed(_)
                    | Event::ClockSet
                    | Event::Terminate
                    | Event::FlushLogs => {}
                }
                return (now, event);
            }
        }
    }

    fn log(&mut self, level: Level, logger: &'static str, text: fmt::Arguments<'_>) {
        if self.log.takes(level) {
            self.keeping.log(level, logger, &text.to_string());
        }
    }

    fn has_time(&mut self) -> bool {
        self.begun.elapsed() < TURN
    }

    fn put_back(&mut self, rest: Event) {
        self.keeping.agenda().put_back(rest);
    }

    fn tell_manager(&mut self, state: State) {
        match state {
            State::Ready => self.leisure.follow(now()),
            State::Reloading | State::Stopping => {}
        }
        self.manager.tell(state);
    }

    fn reopen_log(&mut self) -> String {
        self.log.flush().to_string()
    }

    fn confine(&mut self) {
        self.rights.give_up(self.keeping.store().path(), &self.log);
    }

    fn right(&self, client: ClientId) -> (Right, Option<u32>) {
        self.control.right(client)
    }

    fn answer(&mut self, client: ClientId, answer: Answer) {
        self.control.answer(&self.poller, client, answer);
    }

    fn listen(&mut self, client: ClientId, jail: Option<String>) -> bool {
        self.control.listen(client, jail)
    }

    fn find_origins(&mut self, number: u64, status: Value) -> Result<(), Value> {
        self.seekers.retain(|seeker| !seeker.is_finished());
        if self.seekers.len() >= SEEKERS {
            return Err(status);
        }
        let (outcomes, waker, log) = (
            self.news.0.clone(),
            Arc::clone(&self.waker),
            Arc::clone(&self.log),
        );
        let mut described = status.clone();
        let seek = move || {
            if let Err(error) = origins::describe(&mut described, &origins::servers()) {
                let text = format!("Whose networks the addresses are in could not be asked for: {error}");
                log.write(Level::ERROR, "fail2ban.banmanager", &text);
            }
            let reply = Ok(described);
            // Without a loop there is nobody to be told.
            let _ = outcomes.send(News::Called(Called { number, reply }));
            waker.wake();
        };
        let seeker = std::thread::Builder::new()
            .name("f2b/origins".to_owned())
            .spawn(seek);
        self.seekers.push(seeker.map_err(|_| status)?);
        Ok(())
    }

    fn cut(&mut self, banned: &[Address], kill: Kill) {
        let log = &self.log;
        let cutter = self.cutter.get_or_insert_with(|| {
            let started = Cutter::start(Records::from(Arc::clone(log)));
            if let Err(error) = &started {
                let text = format!("Connections of banned addresses cannot be ended: {error}");
                log.write(Level::ERROR, SERVER, &text);
            }
            started.ok()
        });
        if let Some(cutter) = cutter {
            for address in banned {
                cutter.cut((address.ip(), last_of(address)), kill);
            }
        }
    }

    fn has_listeners(&self) -> bool {
        self.control.has_listeners()
    }

    fn tell(&mut self, happening: &Happening) {
        self.control
            .tell(&self.poller, &happening.jail, &happening.to_value());
    }

    fn set(&mut self, now: Timestamp, option: &str, value: &Value, jails: usize) -> Reply {
        let text = value.text();
        match option {
            "loglevel" => {
                self.log.set_level(value.text_with("upper")?).map_err(|error| {
                    let text = Value::from(error.0).repr();
                    Failure::value_error(format!("Invalid log level {text}"))
                })?;
            }
            "logtarget" => {
                let target = value.searchable()?;
                definition::parse(target).map_err(|error| Failure::value_error(error.to_string()))?;
                self.log
                    .set_target(target, true)
                    .map_err(|error| Failure::exception(error.to_string()))?;
            }
            "syslogsocket" => {
                self.log
                    .set_syslog_socket(&text)
                    .map_err(|_| Failure::exception("Failed to change syslog socket"))?;
                self.syslogsocket = Some(value.clone());
            }
            "allowipv6" => {
                self.allowipv6 = if text.eq_ignore_ascii_case("auto") {
                    None
                } else {
                    Some(blueprint::boolean(value))
                };
                return Ok(value.clone());
            }
            "native" => {
                self.native = blueprint::boolean(value);
                return Ok(value.clone());
            }
            "confine" => {
                if !self.rights.set(blueprint::boolean(value)) {
                    let text = "`confine` counts from the next start of the daemon on";
                    self.log.write(Level::WARNING, SERVER, text);
                }
                return Ok(value.clone());
            }
            "statusgroup" | "operategroup" => {
                let mut admission = self.admission;
                let group = admission::group(&text).map_err(Failure::value_error)?;
                match option {
                    "statusgroup" => admission.status = group,
                    _ => admission.operate = group,
                }
                self.admit(admission, option)?;
                return Ok(value.clone());
            }
            "thread" => {
                let Value::Dict(pairs) = value else {
                    let name = value.type_name();
                    return Err(Failure::attribute_error(format!(
                        "'{name}' object has no attribute 'items'"
                    )));
                };
                if let Some((key, _)) = pairs.iter().find(|(key, _)| key.as_str() != Some("stacksize")) {
                    return Err(Failure::key_error(format!("unknown option {}", key.repr())));
                }
                if let Some(size) = value.get("stacksize") {
                    self.stacksize = Value::Int(stacksize(size)?);
                }
                return Ok(Value::None);
            }
            "dbfile" => {
                let path = self.keeping.store().path();
                let same =
                    path == Some(text.as_str()) || (path.is_none() && text.eq_ignore_ascii_case("none"));
                if same {
                    return self.get("dbfile");
                }
                if jails > 0 {
                    return Err(Failure::runtime_error(
                        "Cannot change database when there are jails present",
                    ));
                }
                if let Some(text) = self.rights.forbid_database(&text) {
                    return Err(Failure::runtime_error(text));
                }
                return self.open_store(now, &text);
            }
            _ if self.keeping.set(option, value)? => {}
            _ => {
                return Err(Failure::exception(format!(
                    "Invalid command '{option}' (no set action or not yet implemented)"
                )));
            }
        }
        self.get(option)
    }

    fn get(&mut self, option: &str) -> Reply {
        Ok(match option {
            "loglevel" => self.log.level_text().into(),
            "logtarget" => self.log.target().map_or(Value::None, Value::from),
            "syslogsocket" => match &self.syslogsocket {
                Some(value) => value.clone(),
                None => self.log.syslog_socket().into(),
            },
            "thread" => Value::Dict(vec![("stacksize".into(), self.stacksize.clone())]),
            "rights" => self.rights.report(),
            _ => {
                return self
                    .keeping
                    .get(option)
                    .unwrap_or_else(|| Err(Failure::missing_argument()));
            }
        })
    }

    fn follow(
        &mut self,
        now: Timestamp,
        blueprint: &Blueprint,
        date: &mut dyn FnMut(&[u8]) -> Option<Timestamp>,
    ) -> Result<(), Failure> {
        self.keeping.follow(now, blueprint, date)
    }

    fn note_places(&mut self, jail: &str, places: &Places) {
        self.places.set(jail, Some(places));
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

    fn fills(&self) -> Vec<Fill> {
        let actions = self.runners.iter().map(|((jail, _), runner)| runner.fill(jail));
        let others = self.control.fills().into_iter().chain(self.resolver.fills());
        actions
            .chain(others)
            .chain([self.judge.fill()])
            .chain(self.keeping.fills())
            .collect()
    }

    fn forget_refused(&mut self) {
        self.keeping.forget_refused();
    }

    fn observes(&self) -> bool {
        self.observes
    }

    fn has_firewall(&self) -> bool {
        self.native && self.firewall.is_some()
    }

    fn services(&self) -> &Services {
        &self.services
    }

    fn observed(&mut self, definition: &Definition) -> Result<Observed, String> {
        match &mut self.firewall {
            Some(firewall) => firewall.observe(definition).map_err(|error| error.to_string()),
            None => Ok(Observed::default()),
        }
    }

    fn held(&mut self, definition: &Definition, id: SetId) -> Result<Option<Vec<Element>>, String> {
        match &mut self.firewall {
            Some(firewall) => firewall.held(definition, id).map_err(|error| error.to_string()),
            None => Ok(None),
        }
    }

    fn can_serve_iptables(&mut self) -> Result<(), String> {
        match &mut self.firewall {
            Some(firewall) => firewall.can_serve_iptables(),
            None => Ok(()),
        }
    }

    fn count(&mut self, definition: &Definition, family: Family) -> Result<Option<usize>, String> {
        match &mut self.firewall {
            Some(firewall) => firewall
                .count(definition, family)
                .map_err(|error| error.to_string()),
            None => Ok(None),
        }
    }

    fn enforce(&mut self, batch: &Batch) -> Result<(), String> {
        match &mut self.firewall {
            Some(firewall) => firewall.apply(batch).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    fn employ(
        &mut self,
        jail: &str,
        name: &str,
        action: CommandAction,
        timeout: Duration,
    ) -> Result<(), String> {
        let (log, places) = (Arc::clone(&self.log), self.places.clone());
        let key = (jail.to_owned(), name.to_owned());
        let (outcomes, waker) = (self.news.0.clone(), Arc::clone(&self.waker));
        let employment = Employment {
            action,
            timeout,
            predecessor: self.dismissed.remove(&key),
            turns: self.turns.entry(key.0.clone()).or_default().clone(),
            tell: Box::new(move |news| {
                // Without a loop there is nobody to be told.
                let _ = outcomes.send(news);
                waker.wake();
            }),
        };
        let runner = Runner::start(jail, name, employment, log, places);
        let runner = runner.map_err(|error| error.to_string())?;
        self.runners.insert(key, runner);
        Ok(())
    }

    fn order(&mut self, jail: &str, name: &str, job: Job) -> bool {
        let runner = self.runners.get(&(jail.to_owned(), name.to_owned()));
        let keeping = &self.keeping;
        runner.is_some_and(|runner| runner.ask(job, |id| keeping.ask_past(jail, id)))
    }

    fn dismiss(&mut self, jail: &str, name: &str, job: Job) {
        let key = (jail.to_owned(), name.to_owned());
        if let Some(runner) = self.runners.remove(&key) {
            self.dismissed.retain(|_, thread| !thread.is_finished());
            self.dismissed.insert(key, runner.finish(job));
            self.turns.retain(|_, turns| !turns.is_unused());
        }
    }

    fn keep_jail(&mut self, jail: &str, enabled: bool) {
        self.keeping.keep_jail(jail, enabled);
        if !enabled {
            self.places.set(jail, None);
        }
    }

    fn keep_ban(
        &mut self,
        jail: &str,
        ticket: &Ticket,
        of_jail: BanTime,
        growth: Option<Growth>,
        announcement: String,
    ) {
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

    fn resolve(&mut self, now: Timestamp, name: &str) -> Option<resolver::Answer> {
        self.resolver.ask(now, name)
    }

    fn read_list(&mut self, path: &str) -> Result<String, String> {
        helper::read_to_string(std::path::Path::new(path)).map_err(|error| error.to_string())
    }

    fn ask_command(&mut self, jail: &str, number: u64, command: &str, facts: BanFacts) {
        self.judge.ask(Question {
            jail: jail.to_owned(),
            number,
            command: command.to_owned(),
            facts,
        });
    }

    fn host_names(&self) -> HostNames {
        self.host.clone()
    }

    fn ipv6(&self) -> bool {
        self.allowipv6.unwrap_or_else(machine::has_ipv6)
    }

    fn own_addresses(&mut self) -> Vec<Address> {
        machine::addresses()
    }

    fn close(&mut self) {
        // Commands of actions have their own time limits, so this ends.
        for thread in std::mem::take(&mut self.dismissed).into_values() {
            if thread.join().is_err() {
                self.log
                    .write(Level::ERROR, SERVER, "An action ended unexpectedly");
            }
        }
        self.keeping.close();
    }

    fn farewell(&mut self) {
        let deadline = Instant::now().checked_add(LAST_ANSWERS);
        let mut ready = Vec::new();
        while self.control.has_unsent() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_none_or(|left| left.is_zero()) || self.poller.wait(left, &mut ready).is_err() {
                return;
            }
            for ready in ready.drain(..) {
                self.control.ready(&self.poller, ready);
            }
        }
    }
}

/// The wall clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The stack of a thread in KiB: 0 for the usual one, or at least 32.
fn stacksize(size: &Value) -> Result<i64, Failure> {
    match size.int()? {
        ..=-1 => Err(Failure::value_error("size must be 0 or a positive value")),
        small @ 1..32 => Err(Failure::value_error(format!(
            "size not valid: {} bytes",
            small * 1024
        ))),
        size => Ok(size),
    }
}
