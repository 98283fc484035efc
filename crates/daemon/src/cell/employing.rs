//! The actions of a jail: started, changed and ended as the configuration has it.
//!
//! In: blueprints. Out: actions at work, in the order of the configuration.
//!
//! Invariant: an action that is as before is not touched.

use std::mem;
use std::time::Duration;

use stockade_action::command::CommandAction;
use stockade_action::facts::{BanFacts, JailFacts};
use stockade_action::plan::{Definition, NativeFirewall};
use stockade_action::smtp_py;
use stockade_action::tags::{HostNames, Properties};
use stockade_datetime::Timestamp;
use stockade_jail::{BanTime, Id, Ticket};
use stockade_protocol::{Failure, Value};

use super::firewall::adopt;
use super::{Action, Cell, Kind, no_ban};
use crate::announcements::ACTIONS;
use crate::blueprint::{self, ActionBlueprint, Blueprint};
use crate::cutting::Kill;
use crate::ledger::{Ledger, RETRIES};
use crate::log::Level;
use crate::runner::{Job, QUEUE, Work};
use crate::world::World;

/// How long a command of an action may take unless its `timeout` says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Cell {
    /// Gives actions of commands the properties that they have now.
    pub(super) fn adjust_actions(&mut self, world: &mut impl World, old: &Blueprint) {
        let mut actions = mem::take(&mut self.actions);
        for action in &mut actions {
            let (before, after) = (
                old.find_action(&action.name),
                self.blueprint.find_action(&action.name),
            );
            if let (
                Kind::Commands {
                    flushes,
                    checks,
                    ledger,
                },
                Some(after),
            ) = (&mut action.kind, after)
                && before != Some(after)
            {
                let properties = properties(after);
                let action_now = CommandAction::new(properties, HostNames::default(), true);
                (*flushes, *checks) = (action_now.can_flush(), action_now.can_check());
                ledger.adjust(retries(after), action_now.undoes());
                self.order(world, action, adjusted(after));
            }
        }
        self.actions = actions;
    }

    /// Stops the actions that are gone or changed, and starts those that are new or changed. Those of commands may
    /// have been `adjusted`.
    pub(super) fn reshape_actions(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        old: &Blueprint,
        adjusted: bool,
    ) {
        let stays = |action: &Action| {
            let after = self.blueprint.find_action(&action.name);
            after.is_some()
                && (old.find_action(&action.name) == after
                    || adjusted && matches!(action.kind, Kind::Commands { .. }))
        };
        let (kept, gone): (Vec<Action>, Vec<Action>) =
            mem::take(&mut self.actions).into_iter().partition(stays);
        self.actions = kept;
        for action in gone {
            self.drop_action(world, now, action);
        }
        for blueprint in self.blueprint.actions.clone() {
            if !self.actions.iter().any(|action| action.name == blueprint.name) {
                self.start_action(world, now, &blueprint);
                self.hand_over(world, now, &blueprint.name);
            }
        }
    }

    /// Tells a new action of the bans in force, as it is told of those of an earlier run. A native one has them already.
    fn hand_over(&mut self, world: &mut impl World, now: Timestamp, name: &str) {
        let mut actions = mem::take(&mut self.actions);
        if let Some(action) = actions.iter_mut().find(|action| action.name == name)
            && matches!(action.kind, Kind::Commands { .. })
        {
            let ids: Vec<Id> = self.jail.bans().map(|ban| ban.id.clone()).collect();
            for id in ids {
                if let Some(ticket) = self.jail.ticket(&id) {
                    let ticket = Ticket {
                        restored: true,
                        ..ticket
                    };
                    self.hand(world, now, action, ticket);
                }
            }
        }
        self.actions = actions;
    }

    /// Takes an action away with all that it holds.
    fn drop_action(&self, world: &mut impl World, now: Timestamp, mut action: Action) {
        if let Kind::Commands { flushes, ledger, .. } = &mut action.kind {
            let facts = self.facts(now);
            let job = if *flushes {
                Job::Flush {
                    facts: no_ban(facts.clone()),
                    ends: true,
                }
            } else {
                let known = self.jail.bans().filter(|ban| ledger.ended(ban.id));
                let bans = known.filter_map(|ban| self.jail.ticket(ban.id));
                let bans = bans.map(|ticket| BanFacts::new(ticket, facts.clone()));
                Job::Unban(bans.collect())
            };
            self.order(world, &mut action, job);
        }
        self.stop_action(world, now, action);
    }

    /// Starts an action, with the bans that are in force; what cannot be started is logged, and the jail runs on.
    pub(super) fn start_action(
        &mut self,
        world: &mut impl World,
        now: Timestamp,
        blueprint: &ActionBlueprint,
    ) {
        let name = blueprint.name.clone();
        match self.employ(world, now, blueprint) {
            Ok(Some((kind, is_behind))) => {
                let counted = match &kind {
                    Kind::Native(native) if native.may_lose_unheard() => Some(now),
                    Kind::Native(_) | Kind::Commands { .. } => None,
                };
                let (kill, stays) = self.extras(world, blueprint, &kind);
                let mut action = Action {
                    name,
                    kind,
                    is_behind,
                    counted,
                    kill,
                    stays,
                };
                if let Kind::Commands { .. } = action.kind {
                    let facts = self.facts(now);
                    self.order(world, &mut action, Job::Start(no_ban(facts)));
                }
                self.actions.push(action);
                self.note_behind(now);
            }
            Ok(None) => {}
            Err(error) => world.log(
                Level::ERROR,
                ACTIONS,
                format_args!(
                    "Failed to start jail '{}' action '{name}': {error}",
                    self.blueprint.name
                ),
            ),
        }
    }

    /// What an action wants that only the daemon itself can do: see [`Action::kill`] and [`Action::stays`].
    fn extras(&self, world: &mut impl World, blueprint: &ActionBlueprint, kind: &Kind) -> (Kill, bool) {
        // Actions of commands have options of these names for themselves, or none.
        let Kind::Native(native) = kind else {
            return (Kill::default(), false);
        };
        let mut complain = |text: &str| {
            let (jail, name) = (&self.blueprint.name, &blueprint.name);
            world.log(
                Level::WARNING,
                ACTIONS,
                format_args!("[{jail}] action '{name}': {text}"),
            );
        };
        let kill = blueprint.get("kill-mode").map(|mode| mode.text().parse::<Kill>());
        let kill = kill.transpose().unwrap_or_else(|unknown| {
            complain(&unknown.to_string());
            None
        });
        let mut stays = blueprint.get("keep-on-stop").is_some_and(blueprint::boolean);
        if stays && !native.has_timeouts() {
            complain(
                "`keep-on-stop` is for actions whose bans the kernel ends by itself, as those of nftables; this one's are taken away when the daemon ends",
            );
            stays = false;
        }
        (kill.unwrap_or_default(), stays)
    }

    fn employ(
        &self,
        world: &mut impl World,
        now: Timestamp,
        blueprint: &ActionBlueprint,
    ) -> Result<Option<(Kind, bool)>, String> {
        if world.observes() {
            return Ok(None);
        }
        let jail = &self.blueprint.name;
        if let Some(python) = blueprint.python.as_ref().filter(|_| !is_mail(blueprint)) {
            return Err(format!(
                "{python}: actions written in Python are not run; use one made of commands"
            ));
        }
        let mut properties = properties(blueprint);
        let may_be_native = blueprint.get("native").is_none_or(blueprint::boolean);
        if world.has_firewall()
            && may_be_native
            && let Some(kind) = stockade_action::native::recognise(&properties)
        {
            let definition = Definition::new(kind, &properties, world.services())
                .map_err(|unsupported| unsupported.to_string())
                .and_then(|definition| match definition {
                    Definition::Nftables(_) => Ok(definition),
                    Definition::Iptables(_) => world.can_serve_iptables().map(|()| definition),
                });
            match definition {
                Ok(definition) => {
                    let mut native = NativeFirewall::new(definition);
                    // The action stays even where the firewall refuses now: each ban tries again and says so.
                    let adopted = adopt(world, now, &mut native, &self.jail);
                    let is_behind = adopted.is_err();
                    if let Err(error) = adopted {
                        world.log(
                            Level::ERROR,
                            ACTIONS,
                            format_args!(
                                "Failed to start jail '{jail}' action '{}': {error}",
                                blueprint.name
                            ),
                        );
                    }
                    return Ok(Some((Kind::Native(native), is_behind)));
                }
                Err(reason) => world.log(
                    Level::INFO,
                    ACTIONS,
                    format_args!(
                        "[{jail}] action '{}' is run as commands: {reason}",
                        blueprint.name
                    ),
                ),
            }
        }
        if blueprint.python.is_some() {
            properties.set("name", jail.clone());
        }
        for (tag, meaning) in stockade_action::bygone::complete(&mut properties) {
            world.log(
                Level::WARNING,
                ACTIONS,
                format_args!(
                    "[{jail}] action '{}' does not define <{tag}>, which a file of earlier versions did; \
                     it stands for `{meaning}`, as it did there",
                    blueprint.name
                ),
            );
        }
        let action = CommandAction::new(properties, world.host_names(), world.ipv6());
        let kind = Kind::Commands {
            flushes: action.can_flush(),
            checks: action.can_check(),
            ledger: Box::new(Ledger::new(retries(blueprint), action.undoes())),
        };
        world.employ(jail, &blueprint.name, action, timeout(blueprint))?;
        Ok(Some((kind, false)))
    }

    pub(super) fn stop_action(&self, world: &mut impl World, now: Timestamp, action: Action) {
        let name = &self.blueprint.name;
        match action.kind {
            Kind::Native(mut native) => {
                if let Err(error) = world.enforce(&native.stop()) {
                    world.log(
                        Level::ERROR,
                        ACTIONS,
                        format_args!("Failed to stop jail '{name}' action '{}': {error}", action.name),
                    );
                }
            }
            Kind::Commands { .. } => world.dismiss(name, &action.name, Job::Stop(no_ban(self.facts(now)))),
        }
    }
}

/// How long a command of an action may take.
fn timeout(blueprint: &ActionBlueprint) -> Duration {
    match blueprint.get("timeout").map(Value::float) {
        Some(Ok(seconds)) => Duration::try_from_secs_f64(seconds).unwrap_or(TIMEOUT),
        Some(Err(_)) | None => TIMEOUT,
    }
}

/// How often a ban that has failed is tried again by an action.
fn retries(blueprint: &ActionBlueprint) -> u32 {
    let given = blueprint.get("retries").and_then(|value| value.int().ok());
    given
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(RETRIES)
}

/// Has an action of a jail that has not begun do something on the word of a client; `known` is the action as it was
/// when it last did.
///
/// # Errors
/// Where the system gives no more threads.
pub(crate) fn call_of_draft(
    world: &mut impl World,
    now: Timestamp,
    (jail, blueprint): (&str, &ActionBlueprint),
    known: Option<&ActionBlueprint>,
    work: Work,
    number: u64,
) -> Result<Option<Value>, Failure> {
    let name = &blueprint.name;
    if world.observes() || blueprint.python.is_some() {
        return Ok(Some(work.answer()));
    }
    match known {
        Some(known) if known == blueprint => {}
        Some(_) => {
            world.order(jail, name, adjusted(blueprint));
        }
        None => {
            let action = CommandAction::new(properties(blueprint), world.host_names(), world.ipv6());
            world
                .employ(jail, name, action, timeout(blueprint))
                .map_err(Failure::runtime_error)?;
        }
    }
    let facts = JailFacts {
        name: jail.to_owned(),
        bantime: BanTime::from_seconds(0),
        banned: 0,
        banned_total: 0,
        found: 0,
        found_total: 0,
        now,
    };
    if world.order(jail, name, Job::Call(Box::new(work), no_ban(facts), number)) {
        Ok(None)
    } else {
        Err(too_far_behind(name))
    }
}

/// The order to an action to be from now on what its blueprint says.
pub(crate) fn adjusted(blueprint: &ActionBlueprint) -> Job {
    let mut properties = properties(blueprint);
    stockade_action::bygone::complete(&mut properties);
    Job::Adjust(properties, timeout(blueprint))
}

pub(super) fn too_far_behind(name: &str) -> Failure {
    Failure::runtime_error(format!(
        "Action {name} is too far behind: {QUEUE} of its commands wait already. Try again when some have ended"
    ))
}

fn properties(blueprint: &ActionBlueprint) -> Properties {
    let mut properties = Properties::default();
    if is_mail(blueprint) {
        properties = smtp_py::properties(blueprint.parameters.iter().cloned());
    }
    for (name, value) in &blueprint.properties {
        if *value != Value::None {
            properties.set(name, value.text());
        }
    }
    properties
}

/// Whether it is the action of the reference that sends mail, of all those in Python the one that is done without it.
fn is_mail(blueprint: &ActionBlueprint) -> bool {
    let file = blueprint.python.as_deref();
    file.is_some_and(|file| file.rsplit('/').next() == Some("smtp.py"))
}
