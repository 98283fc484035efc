//! The simulated firewall: sets with elements that have a time of their own.
//!
//! In: batches of the daemon, what others do, and time as the kernel has it, which nobody sets. Out: what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use stockade_action::plan::{Batch, Definition, Element, Observed, SetId, Step};
use stockade_jail::Address;

/// How long the kernel takes to remove what is over, in microseconds.
const LAG: u64 = 1000;

/// How long the daemon may take until it tries again what was refused, in microseconds.
pub(crate) const PATIENCE: u64 = 125_000_000;

/// The last address of an element, and when the kernel removes it.
type Held = (IpAddr, u64);

/// The firewall.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    /// Sets by their names.
    sets: BTreeMap<String, BTreeMap<IpAddr, Held>>,
    /// Microseconds since the machine was started.
    up: u64,
    /// Whether it refuses to be changed.
    pub(crate) is_stubborn: bool,
    /// Sets that someone else has emptied, and that the daemon may not know of.
    disturbed: BTreeSet<String>,
    /// When it last refused to be changed.
    refused: Option<u64>,
}

impl Kernel {
    /// Time passes; what is over is let go.
    pub(crate) fn pass(&mut self, micros: u64) {
        self.up = self.up.saturating_add(micros);
        let up = self.up;
        for elements in self.sets.values_mut() {
            elements.retain(|_, (_, end)| end.saturating_add(LAG) > up);
        }
    }

    /// Someone empties all sets behind the daemon's back.
    pub(crate) fn flush(&mut self) {
        self.disturbed.extend(self.sets.keys().cloned());
        self.sets.clear();
    }

    pub(crate) fn enforce(&mut self, batch: &Batch) -> Result<(), String> {
        if self.is_stubborn {
            self.refused = Some(self.up);
            return Err("the kernel has no memory left".to_owned());
        }
        let up = self.up;
        let mut sets = self.sets.clone();
        let mut settled = Vec::new();
        for step in &batch.steps {
            let name = batch.definition.set(step.set()).to_owned();
            match step {
                Step::Raise(_) => drop(sets.entry(name).or_default()),
                Step::Raze(_) => {
                    settled.push(name.clone());
                    drop(sets.remove(&name));
                }
                Step::Flush(_) => sets.get_mut(&name).ok_or("no such set")?.clear(),
                Step::Add(_, elements) | Step::Renew(_, elements) => {
                    let set = sets.get_mut(&name).ok_or("no such set")?;
                    set.extend(elements.iter().map(|element| held(up, element)));
                }
                Step::Replace(_, elements) => {
                    settled.push(name.clone());
                    let set = sets.get_mut(&name).ok_or("no such set")?;
                    *set = elements.iter().map(|element| held(up, element)).collect();
                }
                Step::Remove(_, elements) => {
                    let set = sets.get_mut(&name).ok_or("no such set")?;
                    set.retain(|first, _| !elements.iter().any(|element| element.first == *first));
                }
            }
        }
        self.sets = sets;
        self.disturbed.retain(|name| !settled.contains(name));
        Ok(())
    }

    pub(crate) fn observed(&mut self, definition: &Definition) -> Result<Observed, String> {
        if self.is_stubborn {
            self.refused = Some(self.up);
            return Err("the kernel has no memory left".to_owned());
        }
        let ids = SetId::ALL.into_iter();
        Ok(ids
            .filter(|id| self.sets.contains_key(definition.set(*id)))
            .collect())
    }

    /// The machine has been started anew, or the daemon: what was refused before is tried again anyway.
    pub(crate) fn begin_life(&mut self) {
        self.disturbed.clear();
        self.refused = self.is_stubborn.then_some(self.up);
    }

    /// Whether the daemon may still be trying to have the firewall take what it has refused.
    pub(crate) fn has_refused(&self) -> bool {
        self.is_stubborn || self.refused.is_some_and(|at| self.up < at + PATIENCE)
    }

    /// Whether the sets of a jail are the daemon's to answer for.
    pub(crate) fn is_settled(&self, jail: &str) -> bool {
        !self.has_refused() && !self.disturbed.iter().any(|name| is_of(name, jail))
    }

    /// Who is refused by the sets of a jail.
    pub(crate) fn refused(&self, jail: &str) -> BTreeSet<String> {
        let sets = self.sets.iter().filter(|(name, _)| is_of(name, jail));
        let elements = sets.flat_map(|(_, elements)| elements);
        elements
            .map(|(first, (last, _))| {
                let address = if first == last {
                    Address::single(*first)
                } else {
                    Address::network(*first, 64)
                };
                address.to_string()
            })
            .collect()
    }

    /// How many elements there are.
    pub(crate) fn elements(&self) -> usize {
        self.sets.values().map(BTreeMap::len).sum()
    }
}

fn is_of(name: &str, jail: &str) -> bool {
    name.split('-').any(|part| part == jail)
}

fn held(up: u64, element: &Element) -> (IpAddr, Held) {
    let end = element.timeout_ms.map_or(u64::MAX, |timeout| {
        up.saturating_add(timeout.saturating_mul(1000))
    });
    (element.first, (element.last, end))
}
