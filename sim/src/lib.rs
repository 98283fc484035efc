//! The daemon's loop on a simulated clock, disk and firewall.
//!
//! In: a seed. Out: nothing, or a [`Finding`] with what went wrong and when.
//!
//! Attackers fail, clients ban and unban, time passes and jumps, the firewall refuses or is flushed by someone
//! else, and the daemon is killed between any two turns and started again. Throughout, the checkers hold:
//!
//! - once quiet, the firewall refuses exactly whom the jail has banned;
//! - a ban is announced once and ends once;
//! - a ban that was announced is in force after a crash, until its time is over.
#![forbid(unsafe_code)]

mod chance;
mod configuration;
mod machine;
mod quiet;
mod world;

use std::cell::RefCell;
use std::rc::Rc;

use jiff::tz::TimeZone;
use stockade_daemon::server::Server;
use stockade_jail::Jail;

pub use quiet::QuietWorld;

use chance::Chance;
use machine::Machine;
use world::SimulatedWorld;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The seed that shows it.
    pub seed: u64,
    /// After how many events.
    pub event: usize,
    /// What is wrong.
    pub what: String,
}

/// The jail that is simulated.
const JAIL: &str = "sshd";

/// Runs `events` events that follow from `seed`.
///
/// # Errors
/// The first finding.
pub fn run(seed: u64, events: usize) -> Result<(), Finding> {
    let mut chance = Chance::new(seed);
    let machine = Rc::new(RefCell::new(Machine::new()));
    let mut server = start(&machine);
    for event in 0..events {
        let crashed = chance.one_in(60);
        if crashed {
            // What the daemon knew is gone; the disk and the kernel stay as they are.
            drop(server);
            machine.borrow_mut().crash();
            server = start(&machine);
        } else {
            machine.borrow_mut().happen(&mut chance);
            server.turn();
        }
        let found = |what| Finding { seed, event, what };
        let jail = server
            .jails()
            .jail(JAIL)
            .map_err(|_| found("the jail is gone".to_owned()))?;
        machine.borrow().check().map_err(found)?;
        check(&machine.borrow(), jail).map_err(found)?;
    }
    Ok(())
}

fn start(machine: &Rc<RefCell<Machine>>) -> Server<SimulatedWorld> {
    let mut server = Server::new(SimulatedWorld::new(Rc::clone(machine)), TimeZone::UTC, 2026);
    let now = machine.borrow().now;
    let streamed = server.stream(now, configuration::commands());
    assert_eq!(streamed, Ok(()), "the embedded configuration is good");
    server
}

/// What the jail knows agrees with what the machine shows.
fn check(machine: &Machine, jail: &Jail) -> Result<(), String> {
    let mut banned: Vec<String> = jail.bans().map(|ban| ban.id.to_string()).collect();
    banned.sort_unstable();
    if let Some(refused) = machine.refused_when_quiet()
        && refused != banned
    {
        return Err(format!(
            "the firewall refuses {refused:?}, the jail has banned {banned:?}"
        ));
    }
    let lost = machine.announced_in_force().find(|id| !banned.contains(id));
    match lost {
        Some(id) => Err(format!("{id} was announced as banned, and is not")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn nothing_is_found_with_fixed_seeds() {
        for seed in 0..200 {
            assert_eq!(run(seed, 200), Ok(()));
        }
    }
}
