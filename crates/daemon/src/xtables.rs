//! The kernel's firewall as iptables and ipset leave it: chains with a rule for each ban, and sets that rules look into.
//!
//! In: the steps of a batch, or a definition to look for. Out: nothing where it was done, else what was refused.
//!
//! Invariant: what stands in the kernel is what the commands of the action would have left there. A ban that holds is
//! never lifted for a moment by what is done for others.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread;
use std::time::Duration;

use stockade_action::iptables::{Definition, Holds, Match, PortMatch, Verdict};
use stockade_action::nftables::Ports;
use stockade_action::plan::{Element, Observed, SetId, Step};
use stockade_jail::Family;
use stockade_sys::ipset::{self, IpSet, Ipset};
use stockade_sys::nftables::{
    self as kernel, FilterRule, ListedFilterRule, Nftables, PortModule, Target, Transaction,
};

use crate::firewall::{ATTEMPTS, ELEMENTS_AT_ONCE, FirewallError, kernel_elements};
use crate::helper::Command;

/// How much of what a program says of its version is read, in bytes.
const LONGEST_VERSION: u64 = 4096;

/// The first version of iptables that says ports in words of nftables.
const NATIVE_PORTS: [u32; 3] = [1, 8, 8];

/// How often, and how long in between, the kernel is asked to remove a set whose rule is gone: it forgets rules a little
/// after it has said that it did.
const GOODBYES: usize = 40;
const BETWEEN_GOODBYES: Duration = Duration::from_millis(5);

/// What actions of iptables need beside the connection to nftables.
#[derive(Debug, Default)]
pub(crate) struct Xtables {
    /// Opened when the first set is asked for.
    ipset: Option<Ipset>,
    /// How the machine's iptables says ports, or why it has to be run.
    module: Option<Result<PortModule, String>>,
}

/// What the kernel holds of an action in one family.
struct Standing {
    /// The rules of the action's own chain; none where it has none or a set.
    own: Vec<ListedFilterRule>,
    has_chain: bool,
    /// The chains that the action's rules are to stand in, with the rules there.
    chains: Vec<(String, Vec<ListedFilterRule>)>,
}

impl Xtables {
    /// Looks once whether `iptables` and `ip6tables` are those that keep their rules in nftables.
    ///
    /// # Errors
    /// Says why the commands have to be run.
    pub(crate) fn can_serve(&mut self) -> Result<(), String> {
        self.module().map(drop)
    }

    fn module(&mut self) -> Result<PortModule, String> {
        self.module
            .get_or_insert_with(|| {
                let four = version("iptables")?;
                let six = version("ip6tables")?;
                Ok(if four.min(six) >= NATIVE_PORTS {
                    PortModule::Nftables
                } else {
                    PortModule::Xtables
                })
            })
            .clone()
    }

    /// Does one step.
    ///
    /// # Errors
    /// [`FirewallError::Gone`] where what the step is about is not there.
    pub(crate) fn apply(
        &mut self,
        nftables: &mut Nftables,
        definition: &Definition,
        step: &Step,
    ) -> Result<(), FirewallError> {
        let family = step.set().family;
        match definition.holds {
            Holds::Chain { ends } => self.apply_to_chain(nftables, definition, ends, family, step),
            Holds::Set { maxelem, timeout, .. } => {
                let set = IpSet {
                    name: definition.holder(family),
                    family: kernel_family(family),
                    maxelem,
                    timeout,
                };
                self.apply_to_set(nftables, definition, &set, family, step)
            }
        }
    }

    /// The sets of an action that the kernel has.
    ///
    /// # Errors
    /// Where the kernel cannot be asked.
    pub(crate) fn observe(
        &mut self,
        nftables: &mut Nftables,
        definition: &Definition,
    ) -> Result<Observed, FirewallError> {
        let mut observed = Observed::new();
        for id in SetId::ALL_IN_ONE {
            let holder = definition.holder(id.family);
            let is_there = match definition.holds {
                Holds::Chain { .. } => {
                    let chains = nftables.list_filter_chains(kernel_family(id.family))?;
                    chains.iter().any(|chain| chain == holder)
                }
                Holds::Set { .. } => self.ipset()?.list_set(holder)?.is_some(),
            };
            if is_there {
                observed.insert(id);
            }
        }
        Ok(observed)
    }

    /// What the kernel holds of a family; `None` where the chain or the set is not there, or not all rules are that
    /// lead to it.
    ///
    /// # Errors
    /// Where the kernel cannot be asked.
    pub(crate) fn held(
        &mut self,
        nftables: &mut Nftables,
        definition: &Definition,
        family: Family,
    ) -> Result<Option<Vec<Element>>, FirewallError> {
        let Some(jumps) = self.jumps(definition, family)? else {
            return Ok(None);
        };
        let standing = stand(nftables, definition, family)?;
        if !standing.missing(&jumps).is_empty() {
            return Ok(None);
        }
        Ok(match definition.holds {
            Holds::Chain { .. } if !standing.has_chain => None,
            Holds::Chain { .. } => {
                let verdict = FilterRule::new().target(target(definition.verdict(family)));
                let of_bans = standing
                    .own
                    .iter()
                    .filter(|listed| listed.rule.has_target_of(&verdict));
                Some(
                    of_bans
                        .filter_map(|listed| listed.rule.sole_source().map(element_of))
                        .collect(),
                )
            }
            Holds::Set { .. } => {
                let held = self.ipset()?.list_elements(definition.holder(family))?;
                Some(
                    held.into_iter()
                        .map(|held| Element {
                            first: held.element.first,
                            last: held.element.last,
                            timeout_ms: held.expires_ms,
                        })
                        .collect(),
                )
            }
        })
    }

    /// How many elements the set of a family has; `None` where the action has none, or the kernel does not say.
    ///
    /// # Errors
    /// Where the kernel cannot be asked.
    pub(crate) fn count(
        &mut self,
        definition: &Definition,
        family: Family,
    ) -> Result<Option<usize>, FirewallError> {
        match definition.holds {
            Holds::Chain { .. } => Ok(None),
            Holds::Set { .. } => {
                let listed = self.ipset()?.list_set(definition.holder(family))?;
                // A set that is not there has nothing.
                let elements = listed.map_or(Some(0), |listed| listed.elements);
                Ok(elements.and_then(|elements| usize::try_from(elements).ok()))
            }
        }
    }

    fn apply_to_chain(
        &mut self,
        nftables: &mut Nftables,
        definition: &Definition,
        ends: Verdict,
        family: Family,
        step: &Step,
    ) -> Result<(), FirewallError> {
        let chain = definition.holder(family);
        let verdict = definition.verdict(family);
        let kernel_family = kernel_family(family);
        match step {
            Step::Raise(_) => {
                let jumps = self.jumps(definition, family)?.unwrap_or_default();
                let last = FilterRule::new().target(target(ends));
                raise(nftables, definition, family, &jumps, Some(&last))
            }
            Step::Add(_, elements) => {
                for some in elements.chunks(at_once(nftables)) {
                    let mut transaction = Transaction::new();
                    for element in some {
                        transaction.insert_filter_rule(kernel_family, chain, &rule_of(element, verdict));
                    }
                    nftables.commit(&mut transaction)?;
                }
                Ok(())
            }
            // A rule has no end that could be another.
            Step::Renew(..) => Ok(()),
            Step::Remove(_, elements) => {
                let mut handles: BTreeMap<(IpAddr, IpAddr), Vec<u64>> = BTreeMap::new();
                let alike = FilterRule::new().target(target(verdict));
                for listed in nftables.list_filter_rules(kernel_family, chain)?.iter().rev() {
                    if let Some(source) = listed.rule.sole_source()
                        && listed.rule.has_target_of(&alike)
                    {
                        let element = element_of(source);
                        handles
                            .entry((element.first, element.last))
                            .or_default()
                            .push(listed.handle);
                    }
                }
                // The first of rules that are alike goes first, as it does for the command.
                let handles = elements
                    .iter()
                    .filter_map(|element| handles.get_mut(&(element.first, element.last))?.pop());
                delete(nftables, kernel_family, chain, handles)
            }
            Step::Replace(_, elements) => {
                let mut missing: Vec<FilterRule> = elements.iter().map(|it| rule_of(it, verdict)).collect();
                let mut wanted: BTreeMap<(IpAddr, u8), usize> = BTreeMap::new();
                for (place, rule) in missing.iter().enumerate() {
                    if let Some(source) = rule.sole_source() {
                        wanted.insert(source, place);
                    }
                }
                let mut stays = vec![false; missing.len()];
                let mut goes = Vec::new();
                for listed in nftables.list_filter_rules(kernel_family, chain)? {
                    let Some(source) = listed.rule.sole_source() else {
                        continue;
                    };
                    let place = wanted
                        .get(&source)
                        .filter(|place| missing.get(**place) == Some(&listed.rule))
                        .and_then(|place| stays.get_mut(*place));
                    match place {
                        Some(stays) if !*stays => *stays = true,
                        Some(_) | None => goes.push(listed.handle),
                    }
                }
                let mut is_there = stays.into_iter();
                missing.retain(|_| is_there.next() == Some(false));
                for some in missing.chunks(at_once(nftables)) {
                    let mut transaction = Transaction::new();
                    for rule in some {
                        transaction.insert_filter_rule(kernel_family, chain, rule);
                    }
                    nftables.commit(&mut transaction)?;
                }
                delete(nftables, kernel_family, chain, goes.into_iter())
            }
            Step::Flush(_) => {
                let mut transaction = Transaction::new();
                transaction.flush_filter_chain(kernel_family, chain);
                nothing_left(nftables.commit(&mut transaction))
            }
            Step::Raze(_) => {
                let jumps = self.jumps(definition, family)?.unwrap_or_default();
                let has_chain = take_rules_away(nftables, definition, family, &jumps)?;
                if has_chain {
                    let mut transaction = Transaction::new();
                    transaction.flush_filter_chain(kernel_family, chain);
                    nothing_left(nftables.commit(&mut transaction))?;
                    transaction.clear();
                    transaction.delete_filter_chain(kernel_family, chain);
                    nothing_left(nftables.commit(&mut transaction))?;
                }
                Ok(())
            }
        }
    }

    fn apply_to_set(
        &mut self,
        nftables: &mut Nftables,
        definition: &Definition,
        set: &IpSet<'_>,
        family: Family,
        step: &Step,
    ) -> Result<(), FirewallError> {
        match step {
            Step::Raise(_) => {
                let ipset = self.ipset()?;
                let serves = ipset
                    .list_set(set.name)?
                    .is_some_and(|listed| listed.serves_as(set));
                if !serves {
                    ipset.create(set)?;
                }
                let jumps = self.jumps(definition, family)?.unwrap_or_default();
                raise(nftables, definition, family, &jumps, None)
            }
            Step::Add(_, elements) | Step::Renew(_, elements) => {
                Ok(self.ipset()?.add(set.name, &kernel_elements(elements))?)
            }
            Step::Remove(_, elements) => {
                nothing_left_in_set(self.ipset()?.delete(set.name, &kernel_elements(elements)))
            }
            Step::Replace(_, elements) => {
                let ipset = self.ipset()?;
                let mut ranges: Vec<_> = elements.iter().map(|it| (it.first, it.last)).collect();
                ranges.sort_unstable();
                let is_wanted = |ip: IpAddr| {
                    let behind = ranges.partition_point(|(first, _)| *first <= ip);
                    let before = behind.checked_sub(1).and_then(|place| ranges.get(place));
                    before.is_some_and(|(_, last)| ip <= *last)
                };
                let held = ipset.list_elements(set.name)?;
                let goes: Vec<_> = held
                    .iter()
                    .map(|held| held.element)
                    .filter(|element| !is_wanted(element.first))
                    .collect();
                // What goes makes room for what comes.
                let gone = ipset.delete(set.name, &goes);
                ipset.add(set.name, &kernel_elements(elements))?;
                Ok(gone?)
            }
            Step::Flush(_) => nothing_left_in_set(self.ipset()?.flush(set.name)),
            Step::Raze(_) => {
                if let Some(jumps) = self.jumps(definition, family)? {
                    take_rules_away(nftables, definition, family, &jumps)?;
                    let ipset = self.ipset()?;
                    nothing_left_in_set(ipset.flush(set.name))?;
                    nothing_left_in_set(say_goodbye(ipset, set.name))?;
                }
                Ok(())
            }
        }
    }

    fn ipset(&mut self) -> Result<&mut Ipset, FirewallError> {
        if self.ipset.is_none() {
            self.ipset = Some(Ipset::open()?);
        }
        Ok(self.ipset.as_mut().expect("just opened"))
    }

    /// The rules that lead packets to the chain or the set, in the order in which they are inserted; `None` where there
    /// is no such set.
    fn jumps(
        &mut self,
        definition: &Definition,
        family: Family,
    ) -> Result<Option<Vec<FilterRule>>, FirewallError> {
        // Who was not found to serve is not asked for rules.
        let module = self.module().unwrap_or(PortModule::Nftables);
        let holder = definition.holder(family);
        let index = match definition.holds {
            Holds::Chain { .. } => None,
            Holds::Set { .. } => match self.ipset()?.index(holder)? {
                Some(index) => Some(index),
                None => return Ok(None),
            },
        };
        let jumps = definition.matches.iter().map(|matched| {
            let rule = matching(matched, module);
            match index {
                None => rule.target(Target::Chain(holder)),
                Some(index) => rule
                    .source_in_set(index)
                    .target(target(definition.verdict(family))),
            }
        });
        Ok(Some(jumps.collect()))
    }
}

impl Standing {
    /// Which rules are not there, and in which chain.
    fn missing<'a>(&'a self, jumps: &'a [FilterRule]) -> Vec<(&'a str, &'a FilterRule)> {
        let mut missing = Vec::new();
        for (chain, listed) in &self.chains {
            for jump in jumps {
                if !listed.iter().any(|listed| listed.rule == *jump) {
                    missing.push((chain.as_str(), jump));
                }
            }
        }
        missing
    }
}

/// The version of a program of iptables that keeps its rules in nftables.
///
/// # Errors
/// Where it does not, or is not there.
fn version(program: &str) -> Result<[u32; 3], String> {
    let text = asked_for_version(program)
        .map_err(|error| format!("{program} cannot be asked for its version: {error}"))?;
    read_version(&text).ok_or_else(|| {
        format!(
            "{program} does not keep its rules in nftables, it says `{}`",
            text.lines().next().unwrap_or_default().trim()
        )
    })
}

/// The first that a program says of its version.
fn asked_for_version(program: &str) -> io::Result<String> {
    let mut child = Command::new(program).arg("-V").spawn()?;
    let mut text = Vec::new();
    let mut output = (&mut child.stdout).take(LONGEST_VERSION);
    output.read_to_end(&mut text)?;
    child.process.wait()?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Reads `iptables v1.8.9 (nf_tables)`.
fn read_version(text: &str) -> Option<[u32; 3]> {
    let mut words = text.split_whitespace();
    let number = words.nth(1)?.strip_prefix('v')?;
    if words.next() != Some("(nf_tables)") {
        return None;
    }
    let mut parts = number.split('.').map(|part| part.parse().ok());
    Some([
        parts.next()??,
        parts.next()??,
        parts.next().flatten().unwrap_or(0),
    ])
}

fn stand(
    nftables: &mut Nftables,
    definition: &Definition,
    family: Family,
) -> Result<Standing, FirewallError> {
    let holder = definition.holder(family);
    let family = kernel_family(family);
    let (has_chain, own) = match definition.holds {
        Holds::Chain { .. } => {
            let chains = nftables.list_filter_chains(family)?;
            let has_chain = chains.iter().any(|chain| chain == holder);
            (has_chain, nftables.list_filter_rules(family, holder)?)
        }
        Holds::Set { .. } => (false, Vec::new()),
    };
    let mut chains = Vec::new();
    for chain in &definition.chains {
        chains.push((chain.clone(), nftables.list_filter_rules(family, chain)?));
    }
    Ok(Standing {
        own,
        has_chain,
        chains,
    })
}

/// Makes sure of the chain, where there is one, with the rule that it ends in, and of the rules that lead there.
fn raise(
    nftables: &mut Nftables,
    definition: &Definition,
    family: Family,
    jumps: &[FilterRule],
    last: Option<&FilterRule>,
) -> Result<(), FirewallError> {
    let holder = definition.holder(family);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let standing = stand(nftables, definition, family)?;
        let family = kernel_family(family);
        let known = nftables.list_filter_chains(family)?;
        let mut transaction = Transaction::new();
        transaction.add_filter_table(family);
        if let Some(last) = last {
            if !standing.has_chain {
                transaction.add_filter_chain(family, holder);
            }
            if !standing.own.iter().any(|listed| listed.rule == *last) {
                transaction.append_filter_rule(family, holder, last);
            }
        }
        for (chain, _) in &standing.chains {
            let is_built_in = kernel::FILTER_CHAINS.contains(&chain.as_str());
            if is_built_in && !known.contains(chain) {
                transaction.add_filter_chain(family, chain);
            }
        }
        for (chain, jump) in standing.missing(jumps) {
            transaction.insert_filter_rule(family, chain, jump);
        }
        match nftables.commit(&mut transaction) {
            Ok(()) => return Ok(()),
            // Another program made or removed a chain meanwhile.
            Err(_) if attempts < ATTEMPTS => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Removes the rules that lead to the action's chain or set, and says whether it has a chain.
fn take_rules_away(
    nftables: &mut Nftables,
    definition: &Definition,
    family: Family,
    jumps: &[FilterRule],
) -> Result<bool, FirewallError> {
    let standing = stand(nftables, definition, family)?;
    for (chain, listed) in &standing.chains {
        let handles = jumps.iter().filter_map(|jump| {
            let first = listed.iter().find(|listed| listed.rule == *jump);
            first.map(|first| first.handle)
        });
        delete(nftables, kernel_family(family), chain, handles)?;
    }
    Ok(standing.has_chain)
}

/// How many rules go into one transaction.
fn at_once(nftables: &Nftables) -> usize {
    ELEMENTS_AT_ONCE.min(nftables.most_filter_rules())
}

fn delete(
    nftables: &mut Nftables,
    family: kernel::Family,
    chain: &str,
    handles: impl Iterator<Item = u64>,
) -> Result<(), FirewallError> {
    let handles: Vec<_> = handles.collect();
    for some in handles.chunks(at_once(nftables)) {
        let mut transaction = Transaction::new();
        for handle in some {
            transaction.delete_filter_rule(family, chain, *handle);
        }
        let done = nftables.commit(&mut transaction).map_err(FirewallError::from);
        if matches!(done, Err(FirewallError::Gone(_))) {
            // Another program was faster with one of them; that is as good, and the others are still to go.
            for handle in some {
                transaction.clear();
                transaction.delete_filter_rule(family, chain, *handle);
                nothing_left(nftables.commit(&mut transaction))?;
            }
        } else {
            done?;
        }
    }
    Ok(())
}

/// Where what is to be removed is gone already, that is as good.
fn nothing_left(done: Result<(), kernel::Error>) -> Result<(), FirewallError> {
    match done.map_err(FirewallError::from) {
        Ok(()) | Err(FirewallError::Gone(_)) => Ok(()),
        Err(error @ (FirewallError::Kernel(_) | FirewallError::Ipset(_) | FirewallError::SetGone(_))) => {
            Err(error)
        }
    }
}

/// The same of a set.
fn nothing_left_in_set(done: Result<(), ipset::Error>) -> Result<(), FirewallError> {
    match done.map_err(FirewallError::from) {
        Ok(()) | Err(FirewallError::SetGone(_)) => Ok(()),
        Err(error @ (FirewallError::Kernel(_) | FirewallError::Ipset(_) | FirewallError::Gone(_))) => {
            Err(error)
        }
    }
}

/// Removes a set that nothing should use any more.
fn say_goodbye(ipset: &mut Ipset, set: &str) -> Result<(), ipset::Error> {
    let mut times = 0;
    loop {
        times += 1;
        match ipset.destroy(set) {
            Err(error)
                if times < GOODBYES && error.refusals().first().is_some_and(ipset::Refusal::is_busy) =>
            {
                thread::sleep(BETWEEN_GOODBYES);
            }
            done => return done,
        }
    }
}

fn matching(matched: &Match, module: PortModule) -> FilterRule {
    let rule = match matched.protocol {
        Some(protocol) => FilterRule::new().protocol(protocol),
        None => FilterRule::new(),
    };
    match &matched.ports {
        PortMatch::Any => rule,
        PortMatch::One(ports) => rule.port(kernel_ports(*ports), module),
        PortMatch::New(ports) => rule.begins_connection().port(kernel_ports(*ports), module),
        PortMatch::Several(ports) => {
            let ports: Vec<_> = ports.iter().map(|ports| kernel_ports(*ports)).collect();
            rule.ports(&ports)
        }
    }
}

/// The rule of a ban.
fn rule_of(element: &Element, verdict: Verdict) -> FilterRule {
    let prefix = match (element.first, element.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => (first.to_bits() ^ last.to_bits()).leading_zeros(),
        (IpAddr::V6(first), IpAddr::V6(last)) => (first.to_bits() ^ last.to_bits()).leading_zeros(),
        // Nothing makes such an element.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 128,
    };
    let prefix = u8::try_from(prefix).unwrap_or(128);
    FilterRule::new()
        .source(element.first, prefix)
        .target(target(verdict))
}

fn element_of((ip, prefix): (IpAddr, u8)) -> Element {
    let prefix = u32::from(prefix);
    let last = match ip {
        IpAddr::V4(ip) => {
            Ipv4Addr::from_bits(ip.to_bits() | u32::MAX.checked_shr(prefix).unwrap_or(0)).into()
        }
        IpAddr::V6(ip) => {
            Ipv6Addr::from_bits(ip.to_bits() | u128::MAX.checked_shr(prefix).unwrap_or(0)).into()
        }
    };
    Element {
        first: ip,
        last,
        timeout_ms: None,
    }
}

const fn target(verdict: Verdict) -> Target<'static> {
    match verdict {
        Verdict::Drop => Target::Drop,
        Verdict::Accept => Target::Accept,
        Verdict::Return => Target::Return,
        Verdict::Reject(message) => Target::Reject(message),
    }
}

const fn kernel_ports(ports: Ports) -> kernel::Ports {
    match ports {
        Ports::One(port) => kernel::Ports::One(port),
        Ports::Range(first, last) => kernel::Ports::Range(first, last),
    }
}

const fn kernel_family(family: Family) -> kernel::Family {
    match family {
        Family::Inet4 => kernel::Family::Inet4,
        Family::Inet6 => kernel::Family::Inet6,
    }
}

#[cfg(test)]
mod tests {
    use super::read_version;

    #[test]
    fn only_an_iptables_over_nftables_is_done_without() {
        let cases = [
            ("iptables v1.8.9 (nf_tables)\n", Some([1, 8, 9])),
            ("ip6tables v1.8.11 (nf_tables)\n", Some([1, 8, 11])),
            ("iptables v1.8 (nf_tables)", Some([1, 8, 0])),
            ("iptables v1.8.9 (legacy)\n", None),
            ("iptables v1.6.0\n", None),
            ("", None),
            ("iptables: not found", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read_version(text), expected, "{text}");
        }
    }
}
