//! The world of a simulation: what the daemon sees of the [`Machine`].

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
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

use crate::machine::Machine;

/// What the daemon sees of the machine.
#[derive(Debug)]
pub(crate) struct SimulatedWorld {
    machine: Rc<RefCell<Machine>>,
    services: Services,
}

impl SimulatedWorld {
    pub(crate) fn new(machine: Rc<RefCell<Machine>>) -> Self {
        Self {
            machine,
            services: Services::default(),
        }
    }
}

impl World for SimulatedWorld {
    fn wait(&mut self, until: Option<Timestamp>) -> (Timestamp, Event) {
        let mut machine = self.machine.borrow_mut();
        if let Some(event) = machine.events.pop_front() {
            return (machine.now, event);
        }
        // A daemon that sleeps wakes when it asked to, if nothing happens before.
        if let Some(until) = until
            && until > machine.now
            && until.micros_since(machine.now) < 5_000_000
        {
            machine.now = until;
        }
        machine.expire();
        (machine.now, Event::Wakeup)
    }

    fn log(&mut self, _: Level, _: &'static str, text: fmt::Arguments<'_>) {
        self.machine.borrow_mut().read_log(&text.to_string());
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
        Sources::Files("polling", vec!["/var/log/auth.log".to_owned()])
    }

    fn observes(&self) -> bool {
        false
    }

    fn has_firewall(&self) -> bool {
        true
    }

    fn services(&self) -> &Services {
        &self.services
    }

    fn observed(&mut self, _: &Definition) -> Result<Observed, String> {
        self.machine.borrow_mut().observed()
    }

    fn enforce(&mut self, batch: &Batch) -> Result<(), String> {
        self.machine.borrow_mut().enforce(batch)
    }

    fn employ(&mut self, _: &str, name: &str, _: CommandAction, _: Duration) -> Result<(), String> {
        Err(format!("{name}: a simulated machine has no shell"))
    }

    fn order(&mut self, _: &str, _: &str, _: Job) -> bool {
        false
    }

    fn dismiss(&mut self, _: &str, _: &str, _: Job) {}

    fn keep_jail(&mut self, _: &str, _: bool) {}

    fn keep_ban(&mut self, _: &str, ticket: &Ticket, of_jail: BanTime, _: Option<Growth>, _: String) {
        self.machine.borrow_mut().keep(ticket, of_jail);
    }

    fn has_memory(&self) -> bool {
        true
    }

    fn ask_history(&mut self, _: &str, _: u64, _: &Id) {}

    fn forget_ban(&mut self, _: Option<&str>, id: Option<&str>) {
        self.machine
            .borrow_mut()
            .kept
            .retain(|kept, _| id.is_some_and(|id| id != kept));
    }

    fn kept_bans(&mut self, _: &str, now: Timestamp, limits: RestoreLimits) -> Vec<Ticket> {
        let machine = self.machine.borrow();
        let of_jail = BanTime::from_seconds(limits_seconds(&limits));
        machine
            .kept
            .values()
            .filter(|ticket| ticket.bantime_in(of_jail).end(ticket.time) > now)
            .cloned()
            .collect()
    }

    fn resolve(&mut self, _: Timestamp, name: &str) -> Option<resolver::Answer> {
        Some(resolver::Answer {
            name: name.to_owned(),
            addresses: Vec::new(),
            error: None,
        })
    }

    fn read_list(&mut self, path: &str) -> Result<String, String> {
        Err(format!("{path}: a simulated machine has no such file"))
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

#[expect(
    clippy::cast_possible_truncation,
    reason = "the simulated configuration has whole seconds"
)]
fn limits_seconds(limits: &RestoreLimits) -> i64 {
    limits.bantime as i64
}
