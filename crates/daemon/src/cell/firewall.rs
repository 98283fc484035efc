//! What a jail has in the firewall: bans on their way into it, and what others or the kernel do to them.
//!
//! In: what the jail decided, and what was seen of the firewall. Out: batches for the world.
//!
//! Invariant: an action that the firewall has refused something is behind until it has taken all bans over again.

use std::collections::BTreeSet;
use std::mem;
use std::net::IpAddr;

use stockade_action::plan::{Ban, Definition, NativeFirewall, SetId};
use stockade_datetime::Timestamp;
use stockade_filter::Address;
use stockade_jail::{Effect, Jail};
use stockade_protocol::{Failure, Value};

use super::{Action, Cell, Kind, target};
use crate::announcements::ACTIONS;
use crate::log::Level;
use crate::world::World;

/// How long after such a look a ban is no reason for another one, in seconds.
const COUNT_REST: i64 = 3;
/// How long at most a firewall that has refused a change is left alone before it is tried again, in seconds.
const LONGEST_PAUSE: i64 = 60;
/// How many differences of a kind are told of one set.
const MOST_DIFFERENCES: usize = 1000;

impl Cell {
    /// Tries the firewall again that has refused a change.
    pub(super) fn catch_up(&mut self, world: &mut impl World, now: Timestamp) {
        let Some((due, pause)) = self.retry else { return };
        // Where the clock was set back, it is tried no later than it would be had it just refused.
        if due > now && due <= now.plus_seconds(pause) {
            return;
        }
        self.retry = None;
        let name = &self.blueprint.name;
        for action in self.actions.iter_mut().filter(|action| action.is_behind) {
            let Kind::Native(native) = &mut action.kind else {
                continue;
            };
            match adopt(world, now, native, &self.jail) {
                Ok(()) => {
                    action.is_behind = false;
                    world.log(
                        Level::NOTICE,
                        ACTIONS,
                        format_args!("[{name}] action '{}' holds all bans again", action.name),
                    );
                }
                Err(_) => {
                    let pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                    self.retry = Some((now.plus_seconds(pause), pause));
                }
            }
        }
    }

    /// Looks whether sets have lost elements of which the kernel tells nobody, where that is so many seconds ago.
    pub(super) fn look_for_losses(&mut self, world: &mut impl World, now: Timestamp, pause: i64) {
        let is_due = |counted: Timestamp| counted > now || now >= counted.plus_seconds(pause);
        if !self
            .actions
            .iter()
            .any(|action| action.counted.is_some_and(is_due))
        {
            return;
        }
        let mut lost = BTreeSet::new();
        for action in &mut self.actions {
            let Kind::Native(native) = &action.kind else {
                continue;
            };
            if !action.counted.is_some_and(is_due) {
                continue;
            }
            action.counted = Some(now);
            // One that the firewall refuses is tried again anyway.
            let looks = native.stands() && !action.is_behind;
            let has_lost = looks
                && native.expected(now).into_iter().any(|(id, expected)| {
                    let count = world.count(native.definition(), id.family);
                    matches!(count, Ok(Some(count)) if count < expected)
                });
            if has_lost {
                lost.insert(action.name.clone());
            }
        }
        self.repair_actions(world, now, |_, _, action| lost.contains(&action.name));
    }

    /// Takes note of actions whose changes the firewall has refused.
    pub(super) fn note_behind(&mut self, now: Timestamp) {
        if self.retry.is_none() && self.actions.iter().any(|action| action.is_behind) {
            self.retry = Some((now.plus_seconds(1), 1));
        }
    }

    /// Brings the firewall in line with what was decided, in as few steps as its order allows.
    pub(super) fn enforce(&mut self, world: &mut impl World, now: Timestamp, effects: &[Effect]) {
        let bantime = self.jail.settings().bantime;
        let mut changes: Vec<Change> = Vec::new();
        for effect in effects {
            match effect {
                Effect::Ban(ticket) => {
                    let end = ticket.bantime_in(bantime).end(ticket.time);
                    changes.extend(target(ticket).map(|address| Change::Ban(Ban { address, end })));
                }
                Effect::Prolonged { id, end } => {
                    changes.extend(
                        id.address()
                            .map(|&address| Change::Renew(Ban { address, end: *end })),
                    );
                }
                Effect::Unban(ticket, _) => changes.extend(target(ticket).map(Change::Unban)),
                Effect::Flush(..) => changes.push(Change::Flush),
                Effect::Found { .. }
                | Effect::Attempt { .. }
                | Effect::KnownOffender { .. }
                | Effect::Ignored { .. }
                | Effect::AlreadyBanned { .. }
                | Effect::AskedAnew(_)
                | Effect::ExpiredBan(_)
                | Effect::Forget(_)
                | Effect::NotBanned(_)
                | Effect::Ask(_) => {}
            }
        }
        if changes.is_empty() {
            return;
        }
        self.look_for_losses(world, now, COUNT_REST);
        let Self {
            blueprint,
            jail,
            actions,
            ..
        } = self;
        let banned: Vec<Address> = changes.iter().filter_map(Change::banned).collect();
        for action in actions {
            let Kind::Native(native) = &mut action.kind else {
                continue;
            };
            if let Err(error) = change(world, now, native, &changes) {
                world.log(
                    Level::ERROR,
                    ACTIONS,
                    format_args!("Invariant check failed. Trying to restore a sane environment: {error}"),
                );
                if let Err(error) = adopt(world, now, native, jail) {
                    world.log(
                        Level::ERROR,
                        ACTIONS,
                        format_args!(
                            "Failed to execute jail '{}' action '{}': {error}",
                            blueprint.name, action.name
                        ),
                    );
                    action.is_behind = true;
                } else {
                    action.is_behind = false;
                }
            }
            if !action.kill.is_nothing() && !action.is_behind {
                world.cut(&banned, action.kill);
            }
        }
        self.note_behind(now);
    }

    /// Sets native actions up again that `is_broken` says need it.
    pub(crate) fn repair(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        may_be_broken: impl Fn(&NativeFirewall) -> bool,
    ) {
        self.repair_actions(world, now, |world, jail, action| {
            let Kind::Native(native) = &action.kind else {
                return false;
            };
            may_be_broken(native)
                && match native.definition() {
                    Definition::Nftables(_) => true,
                    // The chains that lead to ours are everybody's, and mostly it is others' rules that go.
                    Definition::Iptables(_) => {
                        differences(world, now, native, &bans_of(jail)).is_ok_and(|found| !found.is_empty())
                    }
                }
        });
    }

    fn repair_actions<W: World>(
        &mut self,
        world: &mut W,
        now: Timestamp,
        mut is_broken: impl FnMut(&mut W, &Jail, &Action) -> bool,
    ) {
        let name = &self.blueprint.name;
        for action in &mut self.actions {
            if !is_broken(world, &self.jail, action) {
                continue;
            }
            let Kind::Native(native) = &mut action.kind else {
                continue;
            };
            world.log(
                Level::ERROR,
                ACTIONS,
                format_args!(
                    "[{name}] Invariant check failed. Trying to restore a sane environment: \
                     another program changed what action '{}' has in the firewall",
                    action.name
                ),
            );
            if let Err(error) = adopt(world, now, native, &self.jail) {
                world.log(
                    Level::CRITICAL,
                    ACTIONS,
                    format_args!("[{name}] Unable to restore environment: {error}"),
                );
                action.is_behind = true;
            }
        }
        self.note_behind(now);
    }

    /// Gives the elements in the firewall the timeouts that the bans have now.
    pub(crate) fn renew(&mut self, world: &mut impl World, now: Timestamp) {
        for action in &mut self.actions {
            let Kind::Native(native) = &mut action.kind else {
                continue;
            };
            if !native.stands() {
                continue;
            }
            if let Err(error) = adopt(world, now, native, &self.jail) {
                world.log(
                    Level::ERROR,
                    ACTIONS,
                    format_args!(
                        "Failed to prolong jail '{}' action '{}': {error}",
                        self.blueprint.name, action.name
                    ),
                );
                action.is_behind = true;
            }
        }
        self.note_behind(now);
    }

    /// In what the firewall and the ban list differ, for each action that the daemon keeps in the firewall itself: the
    /// action, what is wrong, and whom it is about.
    ///
    /// # Errors
    /// Where the kernel cannot be asked.
    pub(crate) fn verify(&self, world: &mut impl World, now: Timestamp) -> Result<Value, Failure> {
        let bans = bans_of(&self.jail);
        let mut told = Vec::new();
        for action in &self.actions {
            let Kind::Native(native) = &action.kind else {
                continue;
            };
            let found = differences(world, now, native, &bans).map_err(Failure::runtime_error)?;
            for (what, whom) in found {
                told.push(Value::list([action.name.as_str(), what, &whom]));
            }
        }
        Ok(Value::List(told))
    }
}

/// One change of what the firewall refuses.
#[derive(Debug, Clone, Copy)]
enum Change {
    Ban(Ban),
    Renew(Ban),
    Unban(Address),
    Flush,
}

impl Change {
    /// Who is banned by it anew.
    const fn banned(&self) -> Option<Address> {
        match self {
            Self::Ban(ban) => Some(ban.address),
            Self::Renew(_) | Self::Unban(_) | Self::Flush => None,
        }
    }
}

/// Makes `changes`, those of one kind that follow each other in one step.
fn change(
    world: &mut impl World,
    now: Timestamp,
    native: &mut NativeFirewall,
    changes: &[Change],
) -> Result<(), String> {
    for alike in changes.chunk_by(|one, other| mem::discriminant(one) == mem::discriminant(other)) {
        let (mut bans, mut addresses) = (Vec::new(), Vec::new());
        let (mut renews, mut flushes) = (false, false);
        for change in alike {
            match change {
                Change::Ban(ban) => bans.push(*ban),
                Change::Renew(ban) => {
                    renews = true;
                    bans.push(*ban);
                }
                Change::Unban(address) => addresses.push(*address),
                Change::Flush => flushes = true,
            }
        }
        let batch = match (renews, addresses.is_empty()) {
            (false, true) if flushes => native.flush(),
            (true, _) => native.renew(now, &bans),
            (false, true) => native.ban(now, &bans),
            (false, false) => native.unban(now, &addresses),
        };
        world.enforce(&batch)?;
    }
    Ok(())
}

/// In what the firewall and `bans` differ: what is wrong, and whom it is about.
///
/// # Errors
/// In the kernel's words.
fn differences(
    world: &mut impl World,
    now: Timestamp,
    native: &NativeFirewall,
    bans: &[Ban],
) -> Result<Vec<(&'static str, String)>, String> {
    let mut differences = Vec::new();
    let mut tell = |what, whom: &str| differences.push((what, whom.to_owned()));
    let mut wanted = native.wanted(now, bans);
    let definition = native.definition();
    for id in SetId::ALL {
        let wanted = wanted.remove(&id).unwrap_or_default();
        let Some(held) = world.held(definition, id)? else {
            if !wanted.is_empty() {
                tell("not there, or no rule looks into it", definition.set(id));
            }
            continue;
        };
        let held: BTreeSet<(IpAddr, IpAddr)> = held.iter().map(|it| (it.first, it.last)).collect();
        for range in wanted.difference(&held).take(MOST_DIFFERENCES) {
            tell("banned, and not in the firewall", &shown(*range));
        }
        for range in held.difference(&wanted).take(MOST_DIFFERENCES) {
            tell("in the firewall, and not banned", &shown(*range));
        }
    }
    Ok(differences)
}

/// Makes the firewall refuse exactly whom the jail has banned, whatever it held before.
pub(super) fn adopt(
    world: &mut impl World,
    now: Timestamp,
    native: &mut NativeFirewall,
    jail: &Jail,
) -> Result<(), String> {
    let bans = bans_of(jail);
    let observed = world.observed(native.definition())?;
    let batch = native.adopt(now, &observed, &bans);
    world.enforce(&batch)
}

/// Whom the firewall is to refuse, and until when.
fn bans_of(jail: &Jail) -> Vec<Ban> {
    let bans = jail.bans().filter_map(|ban| {
        Some(Ban {
            address: target(&jail.ticket(ban.id)?)?,
            end: ban.end,
        })
    });
    bans.collect()
}

/// A range of addresses, or one.
fn shown((first, last): (IpAddr, IpAddr)) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}
