//! The kernel's firewall: carries out batches of bans, and says what is there.
//!
//! In: a [`Batch`], or a [`plan::Definition`] to look for. Out: nothing where it was done, else what the kernel refused.
//!
//! Invariant: when [`Firewall::apply`] returns `Ok` the kernel holds what the batch says. A batch of up to
//! [`ELEMENTS_AT_ONCE`] elements of nftables happens whole or not at all; a longer one in pieces that do, and with
//! iptables each step for itself.

use std::collections::BTreeSet;

use stockade_action::nftables::{Definition, Hook, Match, Ports, Verdict};
use stockade_action::plan::{self, Batch, Element, Elements, Observed, SetId, Step};
use stockade_jail::Family;
use stockade_sys::ipset;
use stockade_sys::nftables::{self as kernel, ListedRule, ListedSet, Nftables, Transaction};
pub use stockade_sys::nftables::{Removal, Watch};

use crate::xtables::Xtables;

/// Elements in one transaction: more make each of them slower, and fewer have more transactions to pay for.
pub const ELEMENTS_AT_ONCE: usize = 1000;

/// Elements that take the place of others in one moment. Beyond these the rest follow piece by piece, so that the
/// memory for a transaction has a limit.
pub const ELEMENTS_REPLACED_AT_ONCE: usize = 100_000;

/// How often setting up or taking down starts anew when someone else changes the same table meanwhile.
pub(crate) const ATTEMPTS: usize = 4;

/// Why the firewall is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    /// The table or a set is not there any more: someone else has removed it.
    #[error("what the firewall had of this action is gone")]
    Gone(#[source] kernel::Error),
    /// The kernel refused, or could not be asked.
    #[error(transparent)]
    Kernel(kernel::Error),
    /// A set of ipset is not there any more.
    #[error("what ipset had of this action is gone")]
    SetGone(#[source] ipset::Error),
    /// The kernel refused, or could not be asked for, something of ipset.
    #[error(transparent)]
    Ipset(ipset::Error),
}

impl From<ipset::Error> for FirewallError {
    fn from(error: ipset::Error) -> Self {
        let refusals = error.refusals();
        if !refusals.is_empty() && refusals.iter().all(ipset::Refusal::is_missing) {
            Self::SetGone(error)
        } else {
            Self::Ipset(error)
        }
    }
}

impl From<kernel::Error> for FirewallError {
    fn from(error: kernel::Error) -> Self {
        let refusals = error.refusals();
        if !refusals.is_empty() && refusals.iter().all(kernel::Refusal::is_missing) {
            Self::Gone(error)
        } else {
            Self::Kernel(error)
        }
    }
}

/// The kernel's firewall.
#[derive(Debug)]
pub struct Firewall {
    nftables: Nftables,
    /// Kept, with its memory, from one batch to the next.
    transaction: Transaction,
    xtables: Xtables,
}

/// A step, or as many of its elements as fit into a transaction.
#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    Raise(SetId),
    Add(SetId, &'a [Element]),
    Renew(SetId, &'a [Element]),
    Remove(SetId, &'a [Element]),
    Replace(SetId, &'a [Element]),
    Flush(SetId),
    Raze(SetId),
}

/// What stands in a table.
#[derive(Debug, Default)]
struct Standing {
    table: bool,
    sets: Vec<ListedSet>,
    rules: Vec<ListedRule>,
}

/// What removing an element does where it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// It fails, and with it the transaction. One message less, and the rule: what is to end has not ended yet.
    Refused,
    /// Nothing: the element is added first.
    Fine,
}

impl Firewall {
    /// Connects to the kernel.
    ///
    /// # Errors
    /// Where the process may not change the firewall, or the kernel has no nftables; the error is a sentence for the log.
    pub fn open() -> Result<Self, FirewallError> {
        Ok(Self {
            nftables: Nftables::open().map_err(FirewallError::Kernel)?,
            transaction: Transaction::new(),
            xtables: Xtables::default(),
        })
    }

    /// Carries out a batch.
    ///
    /// # Errors
    /// [`FirewallError::Gone`] where the set for a ban is not there: observe, adopt, and apply that. Where there is
    /// nothing left to remove, that is no error.
    pub fn apply(&mut self, batch: &Batch) -> Result<(), FirewallError> {
        match &*batch.definition {
            plan::Definition::Nftables(definition) => {
                let replaced_at_once = ELEMENTS_REPLACED_AT_ONCE.min(self.nftables.most_elements());
                for parts in transactions(batch, replaced_at_once) {
                    self.carry_out(definition, &parts)?;
                }
                Ok(())
            }
            plan::Definition::Iptables(definition) => {
                let mut first = Ok(());
                for step in &batch.steps {
                    // What is refused of one step, such as an element of a full set, is no reason to leave out others.
                    let done = self.xtables.apply(&mut self.nftables, definition, step);
                    first = first.and(done);
                }
                first
            }
        }
    }

    /// Whether rules of iptables can be made as the `iptables` of this machine would; it is looked at once.
    ///
    /// # Errors
    /// Says why the commands have to be run.
    pub fn can_serve_iptables(&mut self) -> Result<(), String> {
        self.xtables.can_serve()
    }

    /// How many elements a set of ipset has; `None` where the action has none, or the kernel does not say.
    ///
    /// # Errors
    /// Where the kernel cannot be asked.
    pub fn count(
        &mut self,
        definition: &plan::Definition,
        family: Family,
    ) -> Result<Option<usize>, FirewallError> {
        match definition {
            plan::Definition::Nftables(_) => Ok(None),
            plan::Definition::Iptables(definition) => self.xtables.count(definition, family),
        }
    }

    /// The sets of an action that the kernel has, for [`NativeFirewall::adopt`].
    ///
    /// A set of the same name that the `nft` command made counts too; raising it puts ours in its place.
    ///
    /// # Errors
    /// Where the kernel cannot be asked.
    ///
    /// [`NativeFirewall::adopt`]: stockade_action::plan::NativeFirewall::adopt
    pub fn observe(&mut self, definition: &plan::Definition) -> Result<Observed, FirewallError> {
        let definition = match definition {
            plan::Definition::Nftables(definition) => definition,
            plan::Definition::Iptables(definition) => {
                return self.xtables.observe(&mut self.nftables, definition);
            }
        };
        let listed = self.nftables.list_sets(&definition.table)?;
        let ours = |listed: &ListedSet, id| {
            let set = kernel_set(definition, id);
            listed.is(&set) || (listed.name == set.name && !listed.has_timeouts())
        };
        let is_present = |id: &SetId| listed.iter().any(|listed| ours(listed, *id));
        Ok(SetId::ALL.into_iter().filter(is_present).collect())
    }

    /// The elements of one set of an action, in ascending order, each with the milliseconds it has left.
    ///
    /// The kernel lists a hash table in pieces and looks for the place to go on from the beginning: ten thousand
    /// elements take a hundredth of a second, and a hundred thousand take seconds.
    ///
    /// # Errors
    /// Where the kernel cannot be asked.
    pub fn elements(
        &mut self,
        definition: &plan::Definition,
        id: SetId,
    ) -> Result<Vec<Element>, FirewallError> {
        match definition {
            plan::Definition::Nftables(definition) => self.elements_of_set(definition, id),
            plan::Definition::Iptables(_) => Ok(self.held(definition, id)?.unwrap_or_default()),
        }
    }

    fn elements_of_set(&mut self, definition: &Definition, id: SetId) -> Result<Vec<Element>, FirewallError> {
        let held = self.nftables.list_elements(&kernel_set(definition, id))?;
        Ok(held.into_iter().map(observed_element).collect())
    }

    /// The elements of one set of an action; `None` where the set is not there, or no rule of the action looks into it.
    ///
    /// # Errors
    /// Where the kernel cannot be asked.
    pub fn held(
        &mut self,
        definition: &plan::Definition,
        id: SetId,
    ) -> Result<Option<Vec<Element>>, FirewallError> {
        let definition = match definition {
            plan::Definition::Nftables(definition) => definition,
            plan::Definition::Iptables(definition) => {
                return match id.elements {
                    Elements::Addresses => self.xtables.held(&mut self.nftables, definition, id.family),
                    Elements::Networks => Ok(None),
                };
            }
        };
        let set = kernel_set(definition, id);
        let standing = self.stand(definition)?;
        let is_there = standing.sets.iter().any(|listed| listed.is(&set));
        let rules = standing.rules_about(set.name);
        let looks = rules.filter(|rule| rule.chain == definition.chain).count() > 0;
        if is_there && looks {
            self.elements_of_set(definition, id).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Begins to listen to what other programs remove from the firewall; see [`concerns`].
    ///
    /// # Errors
    /// Where the process is out of descriptors.
    pub fn watch(&self) -> std::io::Result<Watch> {
        Watch::new(&self.nftables)
    }

    /// Whether the set of addresses of `family` is there and a rule looks into it.
    ///
    /// # Errors
    /// Where the kernel cannot be asked.
    pub fn holds(&mut self, definition: &plan::Definition, family: Family) -> Result<bool, FirewallError> {
        let definition = match definition {
            plan::Definition::Nftables(definition) => definition,
            plan::Definition::Iptables(definition) => {
                return Ok(self
                    .xtables
                    .held(&mut self.nftables, definition, family)?
                    .is_some());
            }
        };
        let id = SetId {
            family,
            elements: Elements::Addresses,
        };
        let set = kernel_set(definition, id);
        let standing = self.stand(definition)?;
        let listed = standing.sets.iter().any(|listed| listed.is(&set));
        let looked_into = standing
            .rules_about(set.name)
            .any(|rule| rule.chain == definition.chain);
        Ok(listed && looked_into)
    }

    fn carry_out(&mut self, definition: &Definition, parts: &[Part<'_>]) -> Result<(), FirewallError> {
        let builds = parts
            .iter()
            .any(|part| matches!(part, Part::Raise(_) | Part::Raze(_)));
        // Of many that end together the kernel has mostly ended some by then, and to undo a transaction takes it longer
        // than to add them once more.
        let removes_many = parts
            .iter()
            .any(|part| matches!(part, Part::Remove(_, elements) if elements.len() > 1));
        let mut missing = if removes_many {
            Missing::Fine
        } else {
            Missing::Refused
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let standing = if builds {
                self.stand(definition)?
            } else {
                Standing::default()
            };
            self.transaction.clear();
            fill(&mut self.transaction, definition, parts, &standing, missing);
            let Err(error) = self.nftables.commit(&mut self.transaction) else {
                return Ok(());
            };
            if missing == Missing::Refused && only_elements_were_missing(&error) {
                missing = Missing::Fine;
                continue;
            }
            let error = FirewallError::from(error);
            let is_gone = matches!(error, FirewallError::Gone(_));
            if is_gone && parts.iter().all(|part| part.only_removes()) {
                return Ok(());
            }
            if !(is_gone && builds) || attempts >= ATTEMPTS {
                return Err(error);
            }
        }
    }

    fn stand(&mut self, definition: &Definition) -> Result<Standing, FirewallError> {
        let tables = self.nftables.list_tables()?;
        if !tables.contains(&definition.table) {
            return Ok(Standing::default());
        }
        Ok(Standing {
            table: true,
            sets: self.nftables.list_sets(&definition.table)?,
            rules: self.nftables.list_rules(&definition.table)?,
        })
    }
}

impl Standing {
    fn rules_about(&self, set: &str) -> impl Iterator<Item = &ListedRule> {
        self.rules
            .iter()
            .filter(move |rule| rule.sets.iter().any(|name| name == set))
    }
}

impl Part<'_> {
    const fn only_removes(&self) -> bool {
        match self {
            Self::Remove(..) | Self::Flush(_) | Self::Raze(_) => true,
            Self::Raise(_) | Self::Add(..) | Self::Renew(..) | Self::Replace(..) => false,
        }
    }
}

/// Whether something of an action's may be among what another program has removed, so that it must be adopted again.
#[must_use]
pub fn concerns(removals: &[Removal], definition: &plan::Definition) -> bool {
    removals.iter().any(|removal| match (removal, definition) {
        (Removal::Unknown, _) => true,
        (Removal::Table(table), plan::Definition::Nftables(definition)) => *table == definition.table,
        (Removal::Set { table, set }, plan::Definition::Nftables(definition)) => {
            *table == definition.table && SetId::ALL.iter().any(|id| definition.set(*id) == set)
        }
        (Removal::Filter { family, chain }, plan::Definition::Iptables(definition)) => {
            let family = match family {
                kernel::Family::Inet4 => Family::Inet4,
                kernel::Family::Inet6 => Family::Inet6,
            };
            chain
                .as_ref()
                .is_none_or(|chain| chain == definition.holder(family) || definition.chains.contains(chain))
        }
        (Removal::Table(_) | Removal::Set { .. }, plan::Definition::Iptables(_))
        | (Removal::Filter { .. }, plan::Definition::Nftables(_)) => false,
    })
}

/// The steps of a batch, in pieces that have at most [`ELEMENTS_AT_ONCE`] elements each, but for those that take the
/// place of others: as many of those as are allowed stand together.
fn transactions(batch: &Batch, replaced_at_once: usize) -> Vec<Vec<Part<'_>>> {
    let mut all = Vec::with_capacity(1);
    let mut parts = Vec::with_capacity(batch.steps.len());
    let mut room = ELEMENTS_AT_ONCE;
    for step in &batch.steps {
        let (part, mut elements): (fn(SetId, _) -> _, _) = match step {
            Step::Raise(id) => {
                parts.push(Part::Raise(*id));
                continue;
            }
            Step::Flush(id) => {
                parts.push(Part::Flush(*id));
                continue;
            }
            Step::Raze(id) => {
                parts.push(Part::Raze(*id));
                continue;
            }
            Step::Add(_, elements) => (Part::Add, elements.as_slice()),
            Step::Renew(_, elements) => (Part::Renew, elements.as_slice()),
            Step::Remove(_, elements) => (Part::Remove, elements.as_slice()),
            Step::Replace(id, elements) => {
                let (some, rest) = elements
                    .split_at_checked(elements.len().min(replaced_at_once))
                    .unwrap_or_default();
                parts.push(Part::Replace(*id, some));
                room = room.saturating_sub(some.len());
                if room == 0 {
                    all.push(std::mem::take(&mut parts));
                    room = ELEMENTS_AT_ONCE;
                }
                (Part::Add, rest)
            }
        };
        while let Some((some, rest)) = elements.split_at_checked(elements.len().min(room))
            && !some.is_empty()
        {
            parts.push(part(step.set(), some));
            elements = rest;
            room -= some.len();
            if room == 0 {
                all.push(std::mem::take(&mut parts));
                room = ELEMENTS_AT_ONCE;
            }
        }
    }
    all.push(parts);
    all
}

/// Whether a transaction failed for nothing but elements to remove that are not there.
fn only_elements_were_missing(error: &kernel::Error) -> bool {
    let refusals = error.refusals();
    let is_missing = |refusal: &kernel::Refusal| refusal.is_missing() && refusal.deletes_elements;
    !refusals.is_empty() && refusals.iter().all(is_missing)
}

fn fill(
    transaction: &mut Transaction,
    definition: &Definition,
    parts: &[Part<'_>],
    standing: &Standing,
    missing: Missing,
) {
    let raises = parts.iter().any(|part| matches!(part, Part::Raise(_)));
    if raises {
        transaction.add_table(&definition.table);
        transaction.add_chain(&definition.table, &definition.chain, &base_chain(definition));
    }
    for part in parts {
        match *part {
            Part::Raise(id) => raise(transaction, definition, id, standing),
            Part::Add(id, elements) => {
                transaction.add_elements(&kernel_set(definition, id), &kernel_elements(elements));
            }
            Part::Renew(id, elements) => {
                let (set, elements) = (kernel_set(definition, id), kernel_elements(elements));
                // Adding leaves the timeout of what is there as it is, and deleting needs it to be there.
                transaction.add_elements(&set, &elements);
                transaction.delete_elements(&set, &elements);
                transaction.add_elements(&set, &elements);
            }
            Part::Remove(id, elements) => {
                let (set, elements) = (kernel_set(definition, id), kernel_elements(elements));
                if missing == Missing::Fine {
                    transaction.add_elements(&set, &elements);
                }
                transaction.delete_elements(&set, &elements);
            }
            Part::Replace(id, elements) => {
                let set = kernel_set(definition, id);
                transaction.flush_set(&set);
                transaction.add_elements(&set, &kernel_elements(elements));
            }
            Part::Flush(id) => transaction.flush_set(&kernel_set(definition, id)),
            Part::Raze(id) => raze(transaction, definition, id, standing),
        }
    }
    if !raises && standing.table && leaves_no_set(definition, parts, standing) {
        transaction.delete_table(&definition.table);
    }
}

/// Makes the set, and its rules anew: a rule that another program made for the set goes.
fn raise(transaction: &mut Transaction, definition: &Definition, id: SetId, standing: &Standing) {
    let set = kernel_set(definition, id);
    for rule in standing.rules_about(set.name) {
        transaction.delete_rule(set.table, &rule.chain, rule.handle);
    }
    let listed = standing.sets.iter().find(|listed| listed.name == set.name);
    if listed.is_some_and(|listed| !listed.has_timeouts()) {
        transaction.delete_set(set.table, set.name);
    }
    transaction.add_set(&set);
    for matched in &definition.matches {
        let rule = kernel::Rule {
            transport: &transport(matched),
            family: set.family,
            set: set.name,
            verdict: verdict(definition.verdict(id.family)),
        };
        transaction.add_rule(set.table, &definition.chain, &rule);
    }
}

fn raze(transaction: &mut Transaction, definition: &Definition, id: SetId, standing: &Standing) {
    let set = kernel_set(definition, id);
    for rule in standing.rules_about(set.name) {
        transaction.delete_rule(set.table, &rule.chain, rule.handle);
    }
    if standing.sets.iter().any(|listed| listed.name == set.name) {
        transaction.delete_set(set.table, set.name);
    }
}

/// Whether what is razed is all that has a name in the table.
fn leaves_no_set(definition: &Definition, parts: &[Part<'_>], standing: &Standing) -> bool {
    let razed: BTreeSet<&str> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Raze(id) => Some(definition.set(*id)),
            Part::Raise(_)
            | Part::Add(..)
            | Part::Renew(..)
            | Part::Remove(..)
            | Part::Replace(..)
            | Part::Flush(_) => None,
        })
        .collect();
    let mut named = standing.sets.iter().filter(|set| !set.anonymous);
    !razed.is_empty() && named.all(|set| razed.contains(set.name.as_str()))
}

fn base_chain(definition: &Definition) -> kernel::BaseChain {
    kernel::BaseChain {
        hook: match definition.hook {
            Hook::Prerouting => kernel::Hook::Prerouting,
            Hook::Input => kernel::Hook::Input,
            Hook::Forward => kernel::Hook::Forward,
            Hook::Output => kernel::Hook::Output,
            Hook::Postrouting => kernel::Hook::Postrouting,
        },
        priority: definition.priority,
    }
}

fn kernel_set(definition: &Definition, id: SetId) -> kernel::Set<'_> {
    kernel::Set {
        table: &definition.table,
        name: definition.set(id),
        family: match id.family {
            Family::Inet4 => kernel::Family::Inet4,
            Family::Inet6 => kernel::Family::Inet6,
        },
        interval: match id.elements {
            Elements::Addresses => false,
            Elements::Networks => true,
        },
    }
}

pub(crate) fn kernel_elements(elements: &[Element]) -> Vec<kernel::Element> {
    elements
        .iter()
        .map(|element| kernel::Element {
            first: element.first,
            last: element.last,
            timeout_ms: element.timeout_ms,
        })
        .collect()
}

fn observed_element(held: kernel::Held) -> Element {
    Element {
        first: held.element.first,
        last: held.element.last,
        timeout_ms: held.expires_ms,
    }
}

fn transport(matched: &Match) -> kernel::Transport {
    match matched {
        Match::Any => kernel::Transport::Any,
        Match::Protocols(protocols) => kernel::Transport::Protocols(protocols.clone()),
        Match::Ports { protocol, ports } => kernel::Transport::Ports {
            protocol: *protocol,
            ports: ports
                .iter()
                .map(|ports| match *ports {
                    Ports::One(port) => kernel::Ports::One(port),
                    Ports::Range(first, last) => kernel::Ports::Range(first, last),
                })
                .collect(),
        },
    }
}

const fn verdict(verdict: Verdict) -> kernel::Verdict {
    match verdict {
        Verdict::Drop => kernel::Verdict::Drop,
        Verdict::Icmp(code) => kernel::Verdict::Icmp(code),
        Verdict::IcmpBoth(code) => kernel::Verdict::IcmpBoth(code),
        Verdict::TcpReset => kernel::Verdict::TcpReset,
    }
}
