//! A world in which nothing happens but what it is told: what the daemon does in it is what it does by itself.
//!
//! In: what the daemon asks for. Out: the texts it wrote to the log, or their length alone.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

use stockade_action::services::Services;
use stockade_daemon::log::Level;
use stockade_daemon::world::{Event, World};
use stockade_datetime::Timestamp;

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
    /// Whether each turn is over as soon as something was done.
    pub is_hasty: bool,
    services: Services,
}

impl Default for QuietWorld {
    fn default() -> Self {
        Self {
            log: String::new(),
            failures: 0,
            now: Timestamp::from_seconds(0),
            events: VecDeque::new(),
            is_hasty: false,
            services: Services::default(),
        }
    }
}

impl World for QuietWorld {
    fn wait(&mut self, _: Option<Timestamp>) -> (Timestamp, Event) {
        (self.now, self.events.pop_front().unwrap_or(Event::Wakeup))
    }

    fn has_time(&mut self) -> bool {
        !self.is_hasty
    }

    fn put_back(&mut self, rest: Event) {
        self.events.push_back(rest);
    }

    fn log(&mut self, _: Level, logger: &'static str, text: fmt::Arguments<'_>) {
        let start = self.log.len();
        let written = writeln!(self.log, "{text}");
        debug_assert!(written.is_ok(), "a string takes everything");
        let record = self.log.get(start..).unwrap_or_default();
        let behind_name = record.find(']').and_then(|at| record.get(at..));
        if logger == "fail2ban.filter" && behind_name.is_some_and(|text| text.starts_with("] Found ")) {
            self.failures += 1;
        }
    }

    fn services(&self) -> &Services {
        &self.services
    }
}
