//! A world in which nothing happens but what it is told: what the daemon does in it is what it does by itself.
//!
//! In: what the daemon asks for. Out: the texts it wrote to the log, or their length alone.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::time::Duration;

use stockade_action::command::CommandAction;
use stockade_action::facts::BanFacts;
use stockade_action::nftables::{Batch, Definition, Observed};
use stockade_action::services::Services;
use stockade_action::tags::HostNames;
use stockade_daemon::blueprint::Blueprint;
use stockade_daemon::control::ClientId;
use stockade_daemon::growth::Growth;
use stockade_daemon::log::Level;
use stockade_daemon::resolver;
use stockade_daemon::runner::Job;
use stockade_daemon::store::RestoreLimits;
use stockade_daemon::world::{Event, Sources, World};
use stockade_datetime::Timestamp;
use stockade_jail::{Address, BanTime, Id, Ticket};
use stockade_protocol::{Answer, Failure, Reply, Value};

/// A world in which nothing happens but what it is told.
#[derive(Debug)]
pub struct QuietWorld {
    /// What was written to the log, a record a line. Whoever does not want it may empty it.
    pub log: String,
    /// How many failures were counted.
    pub failures: u64,
    /// When everything happens.
    pub now: Timestamp,
    /// What is to happen.
    pub events: VecDeque<Event>,
    services: Services,
}

impl Default for QuietWorld {
    fn default() -> Self {
        Self {
            log: String::new(),
            failures: 0,
            now: Timestamp::from_seconds(0),
            events: VecDeque::new(),
            services: Services::default(),
        }
    }
}

impl World for QuietWorld {
    fn wait(&mut self, _: Option<Timestamp>) -> (Timestamp, Event) {
        (self.now, self.events.pop_front().unwrap_or(Event::Wakeup))
    }

    fn log(&mut self, _: Level, logger: &'static str, text: fmt::Arguments<'_>) {
        let start = self.log.len();
        let written = writeln!(self.log, "{text}");
        debug_assert!(written.is_ok(), "a string takes everything");
        let record = self.log.get(start..).unwrap_or_default();
        if logger == "fail2ban.filter" && record.contains("] Found ") {
            self.failures += 1;
        }
    }

    fn reopen_log(&mut self) -> String {
        "flushed".to_owned()
    }

    fn answer(&mut self, _: ClientId, _: Answer) {}

    fn set(&mut self, _: Timestamp, _: &str, value: &Value, _: usize) -> Reply {
        Ok(value.clone())
    }

    fn get(&mut self, _: &str) -> Reply {
        Ok(Value::None)
    }

    fn follow(
        &mut self,
        _: Timestamp,
        _: &Blueprint,
        _: &mut dyn FnMut(&[u8]) -> Option<Timestamp>,
    ) -> Result<(), Failure> {
        Ok(())
    }

    fn unfollow(&mut self, _: &str) {}

    fn sources(&self, _: &str) -> Sources {
        Sources::Files("polling", Vec::new())
    }

    fn observes(&self) -> bool {
        false
    }

    fn has_firewall(&self) -> bool {
        false
    }

    fn services(&self) -> &Services {
        &self.services
    }

    fn observed(&mut self, _: &Definition) -> Result<Observed, String> {
        Err("there is no firewall".to_owned())
    }

    fn enforce(&mut self, _: &Batch) -> Result<(), String> {
        Err("there is no firewall".to_owned())
    }

    fn employ(&mut self, _: &str, name: &str, _: CommandAction, _: Duration) -> Result<(), String> {
        Err(format!("{name}: there is no shell"))
    }

    fn order(&mut self, _: &str, _: &str, _: Job) -> bool {
        false
    }

    fn dismiss(&mut self, _: &str, _: &str, _: Job) {}

    fn keep_jail(&mut self, _: &str, _: bool) {}

    fn keep_ban(&mut self, _: &str, _: &Ticket, _: BanTime, _: Option<Growth>, announcement: String) {
        self.log.push_str(&announcement);
        self.log.push('\n');
    }

    fn forget_ban(&mut self, _: Option<&str>, _: Option<&str>) {}

    fn kept_bans(&mut self, _: &str, _: Timestamp, _: RestoreLimits) -> Vec<Ticket> {
        Vec::new()
    }

    fn has_memory(&self) -> bool {
        false
    }

    fn ask_history(&mut self, _: &str, _: u64, _: &Id) {}

    fn resolve(&mut self, _: Timestamp, name: &str) -> Option<resolver::Answer> {
        Some(resolver::Answer {
            name: name.to_owned(),
            addresses: Vec::new(),
            error: None,
        })
    }

    fn read_list(&mut self, path: &str) -> Result<String, String> {
        Err(format!("{path}: there are no files"))
    }

    fn ask_command(&mut self, _: &str, _: u64, _: &str, _: BanFacts) {}

    fn host_names(&self) -> HostNames {
        HostNames::default()
    }

    fn ipv6(&self) -> bool {
        true
    }

    fn own_addresses(&mut self) -> Vec<Address> {
        Vec::new()
    }

    fn close(&mut self) {}

    fn farewell(&mut self) {}
}
