//! The jails at work: what happens outside goes in, what they decide is carried out.
//!
//! In: lines, entries, answers and wishes, each with `now`. Out: calls of the [`World`].
//!
//! Invariant: whatever one jail does or fails to do, the others go on.

use jiff::tz::TimeZone;
use stockade_datetime::{Clock, Timestamp};
use stockade_filter as filter;
use stockade_jail::{Id, Input, Jail, Why};
use stockade_protocol::Failure;

use crate::blueprint::Blueprint;
use crate::cell::Cell;
use crate::firewall::{Removal, concerns};
use crate::growth::Remembered;
use crate::judge::Verdict;
use crate::log::Level;
use crate::resolver;
use crate::world::{Entry, Lines, World};

/// The logger of how jails come and go.
const JAIL: &str = "fail2ban.jail";

/// All jails, in the order in which they were added.
#[derive(Debug)]
pub struct Jails {
    cells: Vec<Cell>,
    clock: Clock,
    zone: TimeZone,
}

impl Jails {
    /// No jails yet; times in messages are those of `zone`.
    #[must_use]
    pub fn new(zone: TimeZone) -> Self {
        let clock = Clock::new(Timestamp::from_seconds(0), zone.clone());
        Self {
            cells: Vec::new(),
            clock,
            zone,
        }
    }

    /// Their names, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(|cell| cell.blueprint.name.as_str())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// When one of them next has to run.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        self.cells.iter().filter_map(Cell::next_wakeup).min()
    }

    /// The jail as it was told to be.
    #[must_use]
    pub fn blueprint(&self, name: &str) -> Option<&Blueprint> {
        self.cell(name).map(|cell| &cell.blueprint)
    }

    /// Starts a jail: the bans of before are in force when the first line is read.
    ///
    /// # Errors
    /// Where its expressions or its sources cannot be used; nothing of the jail is left then.
    pub fn start(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        blueprint: Blueprint,
    ) -> Result<(), Failure> {
        self.clock.set(now);
        let cell = Cell::start(world, &self.clock, blueprint, self.zone.clone())?;
        self.cells.push(cell);
        Ok(())
    }
}

impl Jails {
    /// Gives a running jail another shape; only what differs is touched.
    ///
    /// # Errors
    /// Where the new shape cannot be used; the jail keeps the old one then.
    pub fn reshape(&mut self, world: &mut impl World, now: Timestamp, new: Blueprint) -> Result<(), Failure> {
        self.clock.set(now);
        let cell = self.cells.iter_mut().find(|cell| cell.blueprint.name == new.name);
        cell.ok_or_else(|| Failure::unknown_jail(new.name.as_str()))?
            .reshape(world, &self.clock, new)
    }

    /// Stops a jail and lifts its bans; the database keeps them.
    ///
    /// # Errors
    /// Where there is no such jail.
    pub fn stop(&mut self, world: &mut impl World, now: Timestamp, name: &str) -> Result<(), Failure> {
        let index = self.cells.iter().position(|cell| cell.blueprint.name == name);
        let index = index.ok_or_else(|| Failure::unknown_jail(name))?;
        let mut cell = self.cells.remove(index);
        cell.stop(world, now);
        world.keep_jail(name, false);
        world.log(Level::INFO, JAIL, format_args!("Jail '{name}' stopped"));
        Ok(())
    }

    /// Stops them all.
    pub fn stop_all(&mut self, world: &mut impl World, now: Timestamp) {
        let names: Vec<String> = self.names().map(str::to_owned).collect();
        for name in names {
            let stopped = self.stop(world, now, &name);
            debug_assert!(stopped.is_ok(), "{name} was there a moment ago");
        }
    }

    /// Lines of a log.
    pub fn lines(&mut self, world: &mut impl World, now: Timestamp, lines: &Lines) {
        self.clock.set(now);
        for (name, in_operation) in &lines.jails {
            let Some(cell) = self.cells.iter_mut().find(|cell| cell.blueprint.name == *name) else {
                continue;
            };
            for range in &lines.lines {
                let line = lines.bytes.get(range.clone()).unwrap_or_default();
                cell.process(
                    world,
                    &self.clock,
                    *in_operation,
                    filter::Entry::Bytes(line, &lines.log),
                );
            }
        }
    }

    /// Entries of the journal.
    pub fn entries(&mut self, world: &mut impl World, now: Timestamp, entries: &[Entry]) {
        self.clock.set(now);
        for entry in entries {
            for (name, in_operation) in &entry.jails {
                let Some(cell) = self.cells.iter_mut().find(|cell| cell.blueprint.name == *name) else {
                    continue;
                };
                let Entry { time, iso, text, .. } = entry;
                cell.process(
                    world,
                    &self.clock,
                    *in_operation,
                    filter::Entry::Journal {
                        time: *time,
                        iso,
                        text,
                    },
                );
            }
        }
    }

    /// A name was looked up.
    pub fn resolved(&mut self, world: &mut impl World, now: Timestamp, answer: &resolver::Answer) {
        for cell in &mut self.cells {
            cell.resolved(world, now, answer);
        }
    }

    /// The `ignorecommand` of a jail has decided.
    pub fn judged(&mut self, world: &mut impl World, now: Timestamp, verdict: &Verdict) {
        if let Some(cell) = self.cell_mut(&verdict.jail) {
            let answer = stockade_jail::Answer::Command(verdict.number, verdict.ignored);
            cell.step(world, now, Input::Answer(answer));
        }
    }

    /// The database knows something of the earlier bans of an id.
    pub fn remembered(&mut self, world: &mut impl World, now: Timestamp, remembered: Remembered) {
        match remembered {
            Remembered::Failure {
                jail,
                number,
                earlier,
            } => {
                if let Some(cell) = self.cell_mut(&jail) {
                    let answer = stockade_jail::Answer::History(number, earlier);
                    cell.step(world, now, Input::Answer(answer));
                }
            }
            Remembered::Ban {
                jail,
                id,
                time,
                grown,
            } => {
                if let Some(cell) = self.cell_mut(&jail) {
                    cell.grow(world, now, &id, time, &grown);
                }
            }
        }
    }

    /// Another program has removed something from the firewall: what it may have taken from a jail is put back.
    pub fn repair(&mut self, world: &mut impl World, now: Timestamp, removals: &[Removal]) {
        for cell in &mut self.cells {
            cell.repair(world, now, |native| {
                native.stands() && concerns(removals, native.definition())
            });
        }
    }

    /// The time of some jail has come.
    pub fn wake(&mut self, world: &mut impl World, now: Timestamp) {
        for cell in &mut self.cells {
            if cell.next_wakeup().is_some_and(|due| due <= now) {
                cell.wake(world, now);
            }
        }
    }

    /// Bans on the word of a client; returns how many were not banned yet.
    ///
    /// # Errors
    /// Where there is no such jail.
    pub fn ban(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        name: &str,
        ids: &[Id],
    ) -> Result<usize, Failure> {
        let cell = self.cell_mut(name).ok_or_else(|| Failure::unknown_jail(name))?;
        Ok(cell.with_effects(world, now, |jail, effects| jail.ban(now, ids, effects)))
    }

    /// Unbans in one jail, or in all of them; returns how many bans ended, and which ids were not banned.
    ///
    /// # Errors
    /// Where there is no such jail.
    pub fn unban(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        name: Option<&str>,
        ids: &[Id],
    ) -> Result<(usize, Vec<Id>), Failure> {
        if let Some(name) = name {
            self.cell(name).ok_or_else(|| Failure::unknown_jail(name))?;
        }
        let (mut count, mut absent) = (0, Vec::new());
        for cell in self
            .cells
            .iter_mut()
            .filter(|cell| name.is_none_or(|name| cell.blueprint.name == name))
        {
            for id in ids {
                let ended = cell.with_effects(world, now, |jail, effects| jail.unban(id, effects));
                if ended == 0 {
                    absent.push(id.clone());
                }
                count += ended;
            }
        }
        Ok((count, absent))
    }

    /// Lifts all bans and forgets them; returns how many there were.
    pub fn unban_all(&mut self, world: &mut impl World, now: Timestamp, name: Option<&str>) -> usize {
        let mut count = 0;
        for cell in self
            .cells
            .iter_mut()
            .filter(|cell| name.is_none_or(|name| cell.blueprint.name == name))
        {
            count += cell.with_effects(world, now, |jail, effects| jail.unban_all(Why::Asked, effects));
        }
        count
    }

    /// Counts failures on the word of a client; whether the id is not ignored.
    ///
    /// # Errors
    /// Where there is no such jail.
    pub fn attempt(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        name: &str,
        id: Id,
        lines: Vec<String>,
    ) -> Result<bool, Failure> {
        let cell = self.cell_mut(name).ok_or_else(|| Failure::unknown_jail(name))?;
        Ok(cell.with_effects(world, now, |jail, effects| jail.attempt(now, id, lines, effects)))
    }

    /// The jail itself, to be asked about its bans and counts.
    ///
    /// # Errors
    /// Where there is no such jail.
    pub fn jail(&self, name: &str) -> Result<&Jail, Failure> {
        self.cell(name)
            .map(|cell| &cell.jail)
            .ok_or_else(|| Failure::unknown_jail(name))
    }

    fn cell(&self, name: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.blueprint.name == name)
    }

    fn cell_mut(&mut self, name: &str) -> Option<&mut Cell> {
        self.cells.iter_mut().find(|cell| cell.blueprint.name == name)
    }
}
