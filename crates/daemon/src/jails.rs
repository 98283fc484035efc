//! The jails at work: what happens outside goes in, what they decide is carried out.
//!
//! In: lines, entries, answers and wishes, each with `now`. Out: calls of the [`World`].
//!
//! Invariant: whatever one jail does or fails to do, the others go on.

use std::ops::Range;

use jiff::tz::TimeZone;
use stockade_datetime::{Clock, Timestamp};
use stockade_filter as filter;
use stockade_filter::{MAX_LINES, MAX_SESSIONS, MAX_USERS};
use stockade_jail::{Id, Input, Jail, MAX_BANS, MAX_PENDING, MAX_WAITING, Terms, Why};
use stockade_pattern::STEPS;
use stockade_protocol::{Failure, Value};

use crate::blueprint::Blueprint;
pub use crate::cell::Ending;
use crate::cell::{Cell, WAITING};
use crate::firewall::{Removal, concerns};
use crate::growth::Remembered;
use crate::judge::Verdict;
use crate::limits::Fill;
use crate::log::Level;
use crate::resolver;
use crate::runner::{Acted, Work};
use crate::source::{LINE_LIMIT, Report};
use crate::world::{Entry, Lines, Progress, World};

/// The logger of how jails come and go.
const JAIL: &str = "fail2ban.jail";

/// How many lines are looked at before what came of them is acted upon.
const LINES_AT_ONCE: usize = 256;

/// How many bytes they have, but for a single line. Where all of them are hard to search that takes some milliseconds.
const BYTES_AT_ONCE: usize = 32 * 1024;

/// How many bytes the lines of failures and bans have together, of all jails: those of a hundred thousand ids with five
/// lines each. Past it lines go, and nothing else.
const EVIDENCE: usize = 128 << 20;

/// How many of these are left when some had to go, so that it is some time until others have to.
const EVIDENCE_LEFT: usize = EVIDENCE / 8 * 7;

/// Jails for which one filter works.
struct Group {
    leader: usize,
    in_operation: bool,
    /// The leader first.
    members: Vec<usize>,
}

/// All jails, in the order in which they were added.
#[derive(Debug)]
pub struct Jails {
    cells: Vec<Cell>,
    clock: Clock,
    zone: TimeZone,
    /// How many jails were started.
    generation: u32,
    /// How often lines had to go.
    evidence_shed: u64,
}

/// How much each may have at most, so that all together have no more than `whole`.
fn share(mut sizes: Vec<usize>, whole: usize) -> usize {
    sizes.sort_unstable();
    let (mut left, mut others) = (whole, sizes.len());
    for size in sizes {
        let share = left / others.max(1);
        if size > share {
            return share;
        }
        left -= size;
        others -= 1;
    }
    whole
}

/// The lines from this one on that are looked at together; nothing where there are none left.
fn piece(lines: &[Range<usize>], from: usize) -> Option<&[Range<usize>]> {
    let rest = lines.get(from..).filter(|rest| !rest.is_empty())?;
    let start = rest.first()?.start;
    let fits = |line: &&Range<usize>| line.end - start <= BYTES_AT_ONCE;
    let count = rest.iter().take(LINES_AT_ONCE).take_while(fits).count();
    rest.get(..count.max(1))
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
            generation: 0,
            evidence_shed: 0,
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
        self.generation = self.generation.wrapping_add(1);
        let cell = Cell::start(world, &self.clock, blueprint, self.zone.clone(), self.generation)?;
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
        self.separate_all(&new.name);
        let cell = self.cells.iter_mut().find(|cell| cell.blueprint.name == new.name);
        cell.ok_or_else(|| Failure::unknown_jail(new.name.as_str()))?
            .reshape(world, &self.clock, new, true)
    }

    /// Gives a running jail the shape that the configuration has now, as [`Self::reshape`] does, and runs `actionreload`.
    ///
    /// # Errors
    /// Where the new shape cannot be used; the jail keeps the old one then.
    pub fn reload(&mut self, world: &mut impl World, now: Timestamp, new: Blueprint) -> Result<(), Failure> {
        self.clock.set(now);
        if self.blueprint(&new.name).is_some_and(|old| *old != new) {
            self.separate_all(&new.name);
        }
        let cell = self.cells.iter_mut().find(|cell| cell.blueprint.name == new.name);
        cell.ok_or_else(|| Failure::unknown_jail(new.name.as_str()))?
            .reload(world, &self.clock, new)
    }

    /// Stops a jail and lifts its bans; the database keeps them.
    ///
    /// # Errors
    /// Where there is no such jail.
    pub fn stop(&mut self, world: &mut impl World, now: Timestamp, name: &str) -> Result<(), Failure> {
        self.stop_for(world, now, name, Ending::Jail)
    }

    fn stop_for(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        name: &str,
        cause: Ending,
    ) -> Result<(), Failure> {
        let index = self.cells.iter().position(|cell| cell.blueprint.name == name);
        let index = index.ok_or_else(|| Failure::unknown_jail(name))?;
        self.separate_all(name);
        let mut cell = self.cells.remove(index);
        cell.stop(world, now, cause);
        world.keep_jail(name, false);
        world.log(Level::INFO, JAIL, format_args!("Jail '{name}' stopped"));
        Ok(())
    }

    /// Stops them all.
    pub fn stop_all(&mut self, world: &mut impl World, now: Timestamp, cause: Ending) {
        let names: Vec<String> = self.names().map(str::to_owned).collect();
        for name in names {
            let stopped = self.stop_for(world, now, &name, cause);
            debug_assert!(stopped.is_ok(), "{name} was there a moment ago");
        }
    }

    /// Lines of a log, all of them.
    pub fn lines(&mut self, world: &mut impl World, now: Timestamp, lines: &Lines) {
        let mut progress = Progress::default();
        while !self.advance(world, now, lines, &mut progress) {}
    }

    /// Lines of a log, as many as the turn has time for; what is left of them.
    #[must_use]
    pub fn lines_in_turn(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        mut lines: Lines,
    ) -> Option<Lines> {
        let mut progress = std::mem::take(&mut lines.progress);
        if self.advance(world, now, &lines, &mut progress) {
            return None;
        }
        lines.progress = progress;
        Some(lines)
    }

    /// Goes on with lines, one piece after the other, at least one and as long as there is time; whether that was all.
    ///
    /// Every jail gets all lines in their order. Which of two jails is first with a line is open.
    fn advance(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        lines: &Lines,
        progress: &mut Progress,
    ) -> bool {
        self.clock.set(now);
        let mut outputs = Vec::new();
        let groups = self.groups(&lines.jails);
        while let Some(places) = piece(&lines.lines, progress.lines) {
            for group in &groups {
                let leader = self.cells.get(group.leader).map(|cell| &cell.blueprint.name);
                if leader.is_none_or(|leader| progress.ahead.contains(leader)) {
                    continue;
                }
                let block = filter::Lines {
                    bytes: &lines.bytes,
                    places,
                    file: &lines.log,
                };
                if let Some(leader) = self.cells.get_mut(group.leader) {
                    leader
                        .filter
                        .process_lines(block, &self.clock, group.in_operation, &mut outputs);
                }
                let outputs = outputs.drain(..).map(|(_, output)| output).collect();
                self.take(world, now, group, outputs);
                self.mind_evidence();
                for member in &group.members {
                    if let Some(cell) = self.cells.get_mut(*member) {
                        cell.lines_cut += u64::from(lines.is_cut);
                        progress.ahead.push(cell.blueprint.name.clone());
                    }
                }
                if !world.has_time() {
                    return false;
                }
            }
            progress.lines += places.len();
            progress.ahead.clear();
        }
        true
    }

    /// Entries of the journal, as many as the turn has time for; what is left of them.
    #[must_use]
    pub fn entries(&mut self, world: &mut impl World, now: Timestamp, entries: Vec<Entry>) -> Vec<Entry> {
        self.clock.set(now);
        let mut entries = entries.into_iter();
        while let Some(entry) = entries.next() {
            for group in self.groups(&entry.jails) {
                let Entry { time, iso, text, .. } = &entry;
                let mut output = filter::Output::default();
                if let Some(leader) = self.cells.get_mut(group.leader) {
                    let entry = filter::Entry::Journal {
                        time: *time,
                        iso,
                        text,
                    };
                    leader
                        .filter
                        .process(entry, &self.clock, group.in_operation, &mut output);
                }
                self.take(world, now, &group, vec![output]);
            }
            self.mind_evidence();
            if entries.len() > 0 && !world.has_time() {
                break;
            }
        }
        entries.collect()
    }

    /// What services have reported.
    pub fn reports(&mut self, world: &mut impl World, now: Timestamp, reports: Vec<Report>) {
        self.clock.set(now);
        for report in reports {
            let cell = self.cell_mut(&report.jail);
            if let Some(cell) = cell.filter(|cell| !cell.jail.settings().idle) {
                cell.report(world, now, report);
            }
        }
    }

    /// Gives every jail of a group what the filter of its leader made of lines.
    fn take(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        group: &Group,
        mut outputs: Vec<filter::Output>,
    ) {
        if outputs.is_empty() {
            return;
        }
        for (at, member) in group.members.iter().enumerate() {
            let outputs = if at + 1 == group.members.len() {
                std::mem::take(&mut outputs)
            } else {
                outputs.clone()
            };
            if let Some(cell) = self.cells.get_mut(*member) {
                cell.take(world, now, outputs);
            }
        }
    }

    /// Finds the jails for which lines are, those together whose filters make the same of them.
    ///
    /// A filter works for several jails as long as all of them get the same lines. The first time that their jails
    /// get lines together it is seen whether two filters would make the same of everything from now on.
    fn groups(&mut self, jails: &[(String, bool)]) -> Vec<Group> {
        let mut operating = vec![None; self.cells.len()];
        for (name, in_operation) in jails {
            let at = self.cells.iter().position(|cell| cell.blueprint.name == *name);
            let at = at.filter(|at| self.cells.get(*at).is_some_and(|cell| !cell.jail.settings().idle));
            if let Some(operating) = at.and_then(|at| operating.get_mut(at)) {
                *operating = Some(*in_operation);
            }
        }
        let mut groups: Vec<Group> = Vec::new();
        for at in 0..self.cells.len() {
            let state = operating.get(at).copied().flatten();
            let leader = self.leader_of(at);
            if let Some(leader) = leader
                && operating.get(leader).copied().flatten() != state
            {
                self.separate(at);
            }
            let Some(in_operation) = state else { continue };
            let known = groups.iter().position(|group| {
                let same = |leader: &Cell, cell: &Cell| {
                    cell.leader.as_deref() == Some(leader.blueprint.name.as_str())
                        || cell.leader.is_none() && cell.is_new && cell.filter.agrees_with(&leader.filter)
                };
                group.in_operation == in_operation
                    && matches!((self.cells.get(group.leader), self.cells.get(at)), (Some(leader), Some(cell)) if same(leader, cell))
            });
            if let Some(group) = known.and_then(|known| groups.get_mut(known)) {
                group.members.push(at);
                self.join(group.leader, at);
            } else {
                self.lead(at);
                groups.push(Group {
                    leader: at,
                    in_operation,
                    members: vec![at],
                });
            }
        }
        groups
    }

    /// The jail whose filter works for the one at `at`.
    fn leader_of(&self, at: usize) -> Option<usize> {
        let leader = self.cells.get(at)?.leader.as_deref()?;
        self.cells.iter().position(|cell| cell.blueprint.name == leader)
    }

    /// Lets the filter of `leader` work for the jail at `at` too, and for those that this one led.
    fn join(&mut self, leader: usize, at: usize) {
        let names = (self.cells.get(leader), self.cells.get(at));
        let (Some(leader), Some(led)) = names else { return };
        let (leader, led) = (leader.blueprint.name.clone(), led.blueprint.name.clone());
        for cell in &mut self.cells {
            if cell.blueprint.name == led || cell.leader.as_ref() == Some(&led) {
                cell.leader = Some(leader.clone());
                cell.is_new = false;
            }
        }
    }

    /// Lets the jail at `at` have a filter that works for it.
    fn lead(&mut self, at: usize) {
        self.separate(at);
        if let Some(cell) = self.cells.get_mut(at) {
            cell.is_new = false;
        }
    }

    /// Gives the jail at `at` a filter of its own that goes on where that of its leader is now.
    fn separate(&mut self, at: usize) {
        let Some(filter) = self.leader_of(at).and_then(|leader| self.cells.get(leader)) else {
            return;
        };
        let filter = filter.filter.clone();
        if let Some(cell) = self.cells.get_mut(at) {
            cell.filter = filter;
            cell.leader = None;
        }
    }

    /// Gives a jail, and all those that its filter works for, filters of their own.
    fn separate_all(&mut self, name: &str) {
        for at in 0..self.cells.len() {
            let cell = self.cells.get(at);
            if cell.is_some_and(|cell| cell.blueprint.name == name || cell.leader.as_deref() == Some(name)) {
                self.separate(at);
                if let Some(cell) = self.cells.get_mut(at) {
                    cell.is_new = true;
                }
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

    /// In what the firewall and the bans of a jail differ.
    ///
    /// # Errors
    /// Where there is no such jail, or the kernel cannot be asked.
    pub fn verify(&self, world: &mut impl World, now: Timestamp, name: &str) -> Result<Value, Failure> {
        let cell = self.cell(name).ok_or_else(|| Failure::unknown_jail(name))?;
        cell.verify(world, now)
    }

    /// Someone set the clock: bans end by it, and the kernel's timeouts do not.
    pub fn clock_set(&mut self, world: &mut impl World, now: Timestamp) {
        for cell in &mut self.cells {
            cell.clock_set(world, now);
        }
    }

    /// An action says what it has made of a ban.
    pub(crate) fn acted(&mut self, world: &mut impl World, now: Timestamp, acted: Acted) {
        if let Some(cell) = self.cell_mut(&acted.jail) {
            cell.acted(world, now, acted);
        }
    }

    /// What the actions of a jail have made of its bans, as far as they are not simply in force.
    ///
    /// # Errors
    /// Where there is no such jail.
    pub(crate) fn standings(&self, name: &str) -> Result<Value, Failure> {
        let cell = self.cell(name).ok_or_else(|| Failure::unknown_jail(name))?;
        Ok(cell.standings())
    }

    /// Whether no action is still to ban anybody in this jail: all has been tried, and again where it failed.
    #[must_use]
    pub fn is_settled(&self, name: &str) -> bool {
        self.cell(name).is_none_or(Cell::is_settled)
    }

    /// Has jails go without lines where all have too many together: those with more than their share down to that.
    fn mind_evidence(&mut self) {
        let size = |cell: &Cell| {
            let (of_failures, of_bans) = cell.jail.evidence_bytes();
            of_failures + of_bans
        };
        if self.cells.iter().map(size).sum::<usize>() <= EVIDENCE {
            return;
        }
        let share = share(self.cells.iter().map(size).collect(), EVIDENCE_LEFT);
        for cell in &mut self.cells {
            cell.jail.shed_evidence(size(cell).saturating_sub(share));
        }
        self.evidence_shed += 1;
    }

    /// The time of some jail has come.
    pub fn wake(&mut self, world: &mut impl World, now: Timestamp) {
        self.mind_evidence();
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
        terms: &Terms,
    ) -> Result<usize, Failure> {
        let cell = self.cell_mut(name).ok_or_else(|| Failure::unknown_jail(name))?;
        Ok(cell.with_effects(world, now, |jail, effects| jail.ban_on(now, ids, terms, effects)))
    }

    /// Has an action do something on the word of a client; the answer where there is one at once.
    ///
    /// # Errors
    /// Where there is no such jail or action, or it has too much to do already.
    pub(crate) fn call(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        name: &str,
        action: &str,
        work: Work,
        number: u64,
    ) -> Result<Option<Value>, Failure> {
        let cell = self.cell(name).ok_or_else(|| Failure::unknown_jail(name))?;
        cell.call(world, now, action, work, number)
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

    /// How often each limit of a jail was reached, of those that were.
    #[must_use]
    pub fn limits_reached(&self, name: &str) -> Vec<(&'static str, u64)> {
        let Some(cell) = self.cell(name) else {
            return Vec::new();
        };
        let filter = self.at_work(cell).filter.losses();
        let jail = cell.jail.losses();
        let all = [
            ("sessions forgotten", filter.sessions),
            ("lines forgotten", filter.lines),
            ("users forgotten", filter.users),
            ("searches given up", filter.searches),
            ("lines that are not structured as they should be", filter.unread),
            ("names not looked up", cell.names_dropped),
            ("lines cut", cell.lines_cut),
            ("reports too old", cell.reports_old),
            ("failures forgotten", jail.failures_evicted),
            ("bans ended early", jail.bans_displaced),
            ("evidence not kept", jail.evidence_dropped),
            ("failures dropped", jail.candidates_dropped),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// How full everything of the jails is that has a limit.
    #[must_use]
    pub fn fills(&self) -> Vec<Fill> {
        let sizes = self.cells.iter().map(|cell| cell.jail.evidence_bytes());
        let evidence = sizes.map(|(of_failures, of_bans)| of_failures + of_bans).sum();
        let evidence = Fill::single(
            "lines of failures and bans, in bytes",
            (Some(evidence), EVIDENCE),
            self.evidence_shed,
            "lines are not kept",
        );
        let of_jails = self.cells.iter().flat_map(|cell| self.fills_of(cell));
        of_jails.chain([evidence]).collect()
    }

    fn fills_of(&self, cell: &Cell) -> [Fill; 9] {
        const OLDEST: &str = "the oldest is forgotten";
        const UNCOUNTED: &str = "they do not count";
        let filter = &self.at_work(cell).filter;
        let (sought, jail) = (filter.losses(), cell.jail.losses());
        let counts = cell.jail.status();
        [
            (
                "a line, in bytes",
                (None, LINE_LIMIT),
                cell.lines_cut,
                "the rest is passed over",
            ),
            (
                "sessions",
                (Some(filter.session_count()), MAX_SESSIONS),
                sought.sessions,
                OLDEST,
            ),
            (
                "lines of sessions",
                (None, MAX_LINES),
                sought.lines,
                "the oldest are forgotten",
            ),
            (
                "users of a session",
                (None, MAX_USERS),
                sought.users,
                "no more are added",
            ),
            (
                "steps of a search",
                (None, usize::try_from(STEPS).unwrap_or(usize::MAX)),
                sought.searches,
                "it is no match",
            ),
            (
                "matches that wait for a name",
                (Some(cell.waiting.len()), WAITING),
                cell.names_dropped,
                UNCOUNTED,
            ),
            (
                "ids that have failed",
                (Some(counts.currently_failed), MAX_PENDING),
                jail.failures_evicted,
                OLDEST,
            ),
            (
                "failures that wait for an answer",
                (Some(cell.jail.waiting()), MAX_WAITING),
                jail.candidates_dropped,
                UNCOUNTED,
            ),
            (
                "bans",
                (Some(counts.currently_banned), MAX_BANS),
                jail.bans_displaced,
                "the one that ends first ends",
            ),
        ]
        .map(|(what, fill, reached, policy)| Fill::of_jail(&cell.blueprint.name, what, fill, reached, policy))
    }

    /// The one whose filter works for `cell`: where another jail's does, its own remembers nothing.
    fn at_work<'a>(&'a self, cell: &'a Cell) -> &'a Cell {
        cell.leader
            .as_deref()
            .and_then(|leader| self.cell(leader))
            .unwrap_or(cell)
    }

    fn cell(&self, name: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.blueprint.name == name)
    }

    fn cell_mut(&mut self, name: &str) -> Option<&mut Cell> {
        self.cells.iter_mut().find(|cell| cell.blueprint.name == name)
    }
}
