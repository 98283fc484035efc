//! What the firewall must be told: bans and their ends, as steps that it can take in one transaction.
//!
//! In: addresses to ban until a moment, addresses to admit again, and what the kernel already holds.
//! Out: a [`Batch`]: plain data, in the order in which it must happen.
//!
//! Invariant: after each batch the kernel refuses exactly the addresses that are banned. A set cannot hold a network
//! inside another, so it holds the outermost, and an inner one takes its place when it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use stockade_jail::{Address, Family, Timestamp};

use crate::native::Kind;
use crate::services::Services;
use crate::tags::Properties;
use crate::{iptables, nftables};

/// A native action as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Definition {
    /// Sets, and rules that look into them, in a table of nftables.
    Nftables(nftables::Definition),
    /// Rules as iptables makes them, with a set of ipset or without.
    Iptables(iptables::Definition),
}

impl Definition {
    /// The definition that the properties of an action of this `kind` make; `services` names the ports.
    ///
    /// # Errors
    /// [`Unsupported`] says which property asks for more than can be done without commands.
    pub fn new(kind: Kind, properties: &Properties, services: &Services) -> Result<Self, Unsupported> {
        Ok(match kind {
            Kind::Multiport => Self::Nftables(nftables::Definition::new(true, properties, services)?),
            Kind::Allports => Self::Nftables(nftables::Definition::new(false, properties, services)?),
            Kind::Iptables(jump) => {
                Self::Iptables(iptables::Definition::chain(kind, jump, properties, services)?)
            }
            Kind::Ipset(jump) => Self::Iptables(iptables::Definition::set(kind, jump, properties, services)?),
        })
    }

    /// The name of a set, or of the chain that stands for it.
    #[must_use]
    pub fn set(&self, id: SetId) -> &str {
        match self {
            Self::Nftables(definition) => definition.set(id),
            Self::Iptables(definition) => definition.holder(id.family),
        }
    }

    fn holding(&self) -> Holding {
        match self {
            Self::Nftables(_) => Holding::Sets,
            Self::Iptables(definition) => match definition.holds {
                iptables::Holds::Set { expires, .. } => Holding::Addresses { expires },
                iptables::Holds::Chain { .. } => Holding::Rules,
            },
        }
    }
}

/// A property that nothing of ours can express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{option} = {value}` needs the {program} command: without it {option} must be {expected}")]
pub struct Unsupported {
    /// The program that can.
    pub program: &'static str,
    /// The option.
    pub option: &'static str,
    /// Its value, with the tags in it replaced.
    pub value: String,
    /// What would do.
    pub expected: &'static str,
}

/// How the kernel holds the bans of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holding {
    /// Single addresses in one set and networks in another.
    Sets,
    /// All in one set, each address of a network for itself.
    Addresses {
        /// Whether the kernel removes them at the end of their bans.
        expires: bool,
    },
    /// A rule for each, without an end.
    Rules,
}

/// An address or a network that is banned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    /// What is banned.
    pub address: Address,
    /// When the ban ends; [`Timestamp::MAX`] where it does not.
    pub end: Timestamp,
}

/// What a set holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Elements {
    /// Single addresses, in a hash table.
    Addresses,
    /// Networks, in a tree.
    Networks,
}

/// Which of an action's sets is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetId {
    /// The family of what it holds.
    pub family: Family,
    /// What it holds.
    pub elements: Elements,
}

impl SetId {
    /// All sets that an action may have.
    pub const ALL: [Self; 4] = [
        Self::new(Family::Inet4, Elements::Addresses),
        Self::new(Family::Inet4, Elements::Networks),
        Self::new(Family::Inet6, Elements::Addresses),
        Self::new(Family::Inet6, Elements::Networks),
    ];

    /// The sets of an action that has one for each family.
    pub const ALL_IN_ONE: [Self; 2] = [
        Self::new(Family::Inet4, Elements::Addresses),
        Self::new(Family::Inet6, Elements::Addresses),
    ];

    /// The set of `family` that holds `elements`.
    #[must_use]
    pub const fn new(family: Family, elements: Elements) -> Self {
        Self { family, elements }
    }
}

/// An element of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The address, or the first of the network.
    pub first: IpAddr,
    /// The same address, or the last of the network.
    pub last: IpAddr,
    /// After how many milliseconds the kernel itself removes it; never, where `None`.
    pub timeout_ms: Option<u64>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make sure of the table, the chain, the set and its rules; what the set holds stays.
    Raise(SetId),
    /// Add elements that are not there, or are there just so.
    Add(SetId, Vec<Element>),
    /// Put elements in place that may be there with another timeout.
    Renew(SetId, Vec<Element>),
    /// Remove elements; one that is gone already is as good.
    Remove(SetId, Vec<Element>),
    /// Put these elements in the place of all that the set holds, in one moment.
    Replace(SetId, Vec<Element>),
    /// Remove all elements.
    Flush(SetId),
    /// Remove the rules and the set, and the table with the last set in it.
    Raze(SetId),
}

impl Step {
    /// The set it is about.
    #[must_use]
    pub const fn set(&self) -> SetId {
        match self {
            Self::Raise(id)
            | Self::Add(id, _)
            | Self::Renew(id, _)
            | Self::Remove(id, _)
            | Self::Replace(id, _)
            | Self::Flush(id)
            | Self::Raze(id) => *id,
        }
    }
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Whose rules and sets they are.
    pub definition: Arc<Definition>,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Batch {
    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// The sets of an action that the kernel has.
pub type Observed = BTreeSet<SetId>;

/// An action in the kernel, as far as it has been planned.
#[derive(Debug, Clone)]
pub struct NativeFirewall {
    definition: Arc<Definition>,
    raised: [bool; SetId::ALL.len()],
    /// All banned networks, also those inside others; where there is one set for all, single addresses too.
    networks: BTreeMap<Address, Timestamp>,
    /// How many of them have a prefix of which length.
    prefixes: BTreeMap<u8, usize>,
}

impl NativeFirewall {
    /// An action of which nothing is in the kernel yet.
    #[must_use]
    pub fn new(definition: Definition) -> Self {
        Self {
            definition: Arc::new(definition),
            raised: [false; SetId::ALL.len()],
            networks: BTreeMap::new(),
            prefixes: BTreeMap::new(),
        }
    }

    /// What it was made from.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Whether the kernel ends its bans by itself when their time is over.
    #[must_use]
    pub fn has_timeouts(&self) -> bool {
        match self.definition.holding() {
            Holding::Sets => true,
            Holding::Addresses { expires } => expires,
            Holding::Rules => false,
        }
    }

    /// Whether it has a set of which the kernel does not tell when someone else changes it.
    #[must_use]
    pub fn may_lose_unheard(&self) -> bool {
        matches!(self.definition.holding(), Holding::Addresses { .. })
    }

    /// How many elements such a set has at least, those aside that are about to end.
    #[must_use]
    pub fn expected(&self, now: Timestamp) -> BTreeMap<SetId, usize> {
        let mut expected = BTreeMap::new();
        for (address, end) in self.outermost() {
            let element = self.network(now, address, end);
            if end > now.plus_seconds(1) {
                let count = expected.entry(self.set_of_networks(address)).or_default();
                *count += each(&element).map_or(0, Iterator::count);
            }
        }
        expected
    }

    /// Whether it has anything in the kernel.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.raised_sets().next().is_some()
    }

    /// Takes over the sets that were `observed` in the kernel, left by an earlier run or changed by someone else, so that
    /// they hold exactly `bans`. After a batch that failed this is how to go on.
    ///
    /// What was banned and still is stays so: there is no moment in which it is not refused. Where the kernel has
    /// nothing and nothing is banned there is nothing to do: the first ban of a family sets it up.
    pub fn adopt(&mut self, now: Timestamp, observed: &Observed, bans: &[Ban]) -> Batch {
        self.forget();
        let mut wanted: BTreeMap<SetId, Vec<Element>> = BTreeMap::new();
        for ban in bans {
            if let Some((id, element)) = self.single(now, ban) {
                wanted.entry(id).or_default().push(element);
            } else {
                self.note(ban);
            }
        }
        for (address, end) in self.outermost() {
            let id = self.set_of_networks(address);
            wanted
                .entry(id)
                .or_default()
                .push(self.network(now, address, end));
        }
        let mut steps = Vec::new();
        for id in SetId::ALL {
            let elements = wanted.remove(&id).unwrap_or_default();
            if observed.contains(&id) || !elements.is_empty() {
                self.raise(id, &mut steps);
                steps.push(Step::Replace(id, elements));
            }
        }
        self.batch(steps)
    }

    /// Bans what is not banned yet.
    pub fn ban(&mut self, now: Timestamp, bans: &[Ban]) -> Batch {
        self.put(now, bans, Step::Add)
    }

    /// Bans again what may be banned already, until another moment.
    pub fn renew(&mut self, now: Timestamp, bans: &[Ban]) -> Batch {
        self.put(now, bans, Step::Renew)
    }

    /// Ends bans. In a family in which nothing was banned there is nothing to do.
    pub fn unban(&mut self, now: Timestamp, addresses: &[Address]) -> Batch {
        let mut steps = Vec::new();
        for address in addresses {
            let ban = Ban {
                address: *address,
                end: Timestamp::MAX,
            };
            match self.single(now, &ban) {
                Some((id, element)) if self.is_raised(id) => push(&mut steps, Step::Remove, id, element),
                Some(_) => {}
                None => self.remove_network(now, address, &mut steps),
            }
        }
        self.batch(steps)
    }

    /// Ends all bans at once.
    pub fn flush(&mut self) -> Batch {
        self.networks.clear();
        self.prefixes.clear();
        let steps = self.raised_sets().map(Step::Flush).collect();
        self.batch(steps)
    }

    /// Takes everything down.
    pub fn stop(&mut self) -> Batch {
        let steps = self.raised_sets().map(Step::Raze).collect();
        self.forget();
        self.batch(steps)
    }

    /// What the sets hold, and nothing else, when the kernel refuses exactly `bans`.
    #[must_use]
    pub fn wanted(&self, now: Timestamp, bans: &[Ban]) -> BTreeMap<SetId, BTreeSet<(IpAddr, IpAddr)>> {
        let all_in_one = matches!(self.definition.holding(), Holding::Addresses { .. });
        let mut wanted: BTreeMap<SetId, BTreeSet<(IpAddr, IpAddr)>> = BTreeMap::new();
        for step in self.clone().adopt(now, &Observed::new(), bans).steps {
            if let Step::Replace(id, elements) = step {
                let ranges = wanted.entry(id).or_default();
                for element in elements {
                    match each(&element).filter(|_| all_in_one) {
                        Some(each) => ranges.extend(each.map(|ip| (ip, ip))),
                        None => drop(ranges.insert((element.first, element.last))),
                    }
                }
            }
        }
        wanted
    }

    fn put(&mut self, now: Timestamp, bans: &[Ban], step: fn(SetId, Vec<Element>) -> Step) -> Batch {
        let mut steps = Vec::new();
        for ban in bans {
            if let Some((id, element)) = self.single(now, ban) {
                self.raise(id, &mut steps);
                push(&mut steps, step, id, element);
            } else {
                self.add_network(now, ban, step, &mut steps);
            }
        }
        self.batch(steps)
    }

    fn add_network(
        &mut self,
        now: Timestamp,
        ban: &Ban,
        step: fn(SetId, Vec<Element>) -> Step,
        steps: &mut Vec<Step>,
    ) {
        let id = self.set_of_networks(&ban.address);
        self.raise(id, steps);
        let known = self.note(ban);
        if self.is_inside_another(&ban.address) {
            return;
        }
        if !known {
            for (inner, _) in self.outermost_inside(&ban.address) {
                push(steps, Step::Remove, id, self.network(now, &inner, Timestamp::MAX));
            }
        }
        let step = if known { Step::Renew } else { step };
        push(steps, step, id, self.network(now, &ban.address, ban.end));
    }

    fn remove_network(&mut self, now: Timestamp, address: &Address, steps: &mut Vec<Step>) {
        let id = self.set_of_networks(address);
        let known = self.networks.remove(address).is_some();
        if known && let Some(count) = self.prefixes.get_mut(&address.prefix()) {
            *count -= 1;
        }
        if !known || self.is_inside_another(address) {
            return;
        }
        push(
            steps,
            Step::Remove,
            id,
            self.network(now, address, Timestamp::MAX),
        );
        for (inner, end) in self.outermost_inside(address) {
            push(steps, Step::Add, id, self.network(now, &inner, end));
        }
    }

    /// The set and the element of a ban that is held for itself, whatever others are.
    ///
    /// A network with the prefix 0 prints as its first address alone, and that is what the commands would ban.
    fn single(&self, now: Timestamp, ban: &Ban) -> Option<(SetId, Element)> {
        let is_single = ban.address.is_single() || ban.address.prefix() == 0;
        match self.definition.holding() {
            Holding::Sets if is_single => {}
            Holding::Sets | Holding::Addresses { .. } => return None,
            Holding::Rules => {}
        }
        let id = SetId::new(ban.address.family(), Elements::Addresses);
        Some((id, self.network(now, &ban.address, ban.end)))
    }

    /// The set that holds networks.
    fn set_of_networks(&self, address: &Address) -> SetId {
        let elements = match self.definition.holding() {
            Holding::Sets => Elements::Networks,
            Holding::Addresses { .. } | Holding::Rules => Elements::Addresses,
        };
        SetId::new(address.family(), elements)
    }

    fn network(&self, now: Timestamp, address: &Address, end: Timestamp) -> Element {
        Element {
            first: address.ip(),
            last: if address.prefix() == 0 {
                address.ip()
            } else {
                last_of(address)
            },
            timeout_ms: match self.definition.holding() {
                Holding::Sets => timeout(now, end),
                Holding::Addresses { expires: true } => {
                    timeout(now, end).filter(|timeout| *timeout <= LONGEST_OF_IPSET_MS)
                }
                Holding::Addresses { expires: false } | Holding::Rules => None,
            },
        }
    }

    /// Whether a wider network that holds `address` is banned.
    fn is_inside_another(&self, address: &Address) -> bool {
        // A prefix of 0 bans the first address alone, see `single`.
        let shorter = self.prefixes.range(1..address.prefix().max(1));
        shorter.filter(|(_, count)| **count > 0).any(|(prefix, _)| {
            self.networks
                .contains_key(&Address::network(address.ip(), *prefix))
        })
    }

    /// The banned networks that are inside no other one.
    fn outermost(&self) -> impl Iterator<Item = (&Address, Timestamp)> {
        let mut outer: Option<&Address> = None;
        // In their order a network stands before all that it holds.
        self.networks.iter().filter_map(move |(address, end)| {
            if outer.is_some_and(|outer| outer.prefix() != 0 && outer.contains(address)) {
                return None;
            }
            outer = Some(address);
            Some((address, *end))
        })
    }

    /// Takes note of a network, and says whether it was known.
    fn note(&mut self, ban: &Ban) -> bool {
        let known = self.networks.insert(ban.address, ban.end).is_some();
        if !known {
            *self.prefixes.entry(ban.address.prefix()).or_default() += 1;
        }
        known
    }

    /// The banned networks inside `address` that are inside no other one there.
    fn outermost_inside(&self, address: &Address) -> Vec<(Address, Timestamp)> {
        let last = last_of(address);
        let mut found: Vec<(Address, Timestamp)> = Vec::new();
        // In their order a network stands before all that it holds.
        for (inner, end) in self.networks.range(address..) {
            if inner.family() != address.family() || inner.ip() > last {
                break;
            }
            let covered = found.last().is_some_and(|(outer, _)| outer.contains(inner));
            if inner != address && !covered {
                found.push((*inner, *end));
            }
        }
        found
    }

    fn raise(&mut self, id: SetId, steps: &mut Vec<Step>) {
        for (known, raised) in SetId::ALL.iter().zip(&mut self.raised) {
            if *known == id && !*raised {
                *raised = true;
                steps.push(Step::Raise(id));
            }
        }
    }

    fn is_raised(&self, id: SetId) -> bool {
        self.raised_sets().any(|raised| raised == id)
    }

    /// The sets that it has in the kernel.
    pub fn raised_sets(&self) -> impl Iterator<Item = SetId> {
        SetId::ALL
            .into_iter()
            .zip(self.raised)
            .filter(|(_, raised)| *raised)
            .map(|(id, _)| id)
    }

    fn forget(&mut self) {
        self.raised = [false; SetId::ALL.len()];
        self.networks.clear();
        self.prefixes.clear();
    }

    fn batch(&self, steps: Vec<Step>) -> Batch {
        Batch {
            definition: Arc::clone(&self.definition),
            steps,
        }
    }
}

/// Appends an element, to the last step where that does the same to the same set.
fn push(steps: &mut Vec<Step>, step: fn(SetId, Vec<Element>) -> Step, id: SetId, element: Element) {
    let mut next = step(id, Vec::new());
    match (steps.last_mut(), &mut next) {
        (Some(Step::Add(last, elements)), Step::Add(..))
        | (Some(Step::Renew(last, elements)), Step::Renew(..))
        | (Some(Step::Remove(last, elements)), Step::Remove(..))
            if *last == id =>
        {
            elements.push(element);
        }
        (_, Step::Add(_, elements) | Step::Renew(_, elements) | Step::Remove(_, elements)) => {
            elements.push(element);
            steps.push(next);
        }
        (_, Step::Raise(_) | Step::Replace(..) | Step::Flush(_) | Step::Raze(_)) => {}
    }
}

/// Every address of an element, each for itself; none where a set of ipset could not take them.
fn each(element: &Element) -> Option<impl Iterator<Item = IpAddr> + use<>> {
    let single = (element.first == element.last).then_some(element.first);
    let network = match (element.first, element.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) if single.is_none() => {
            let (first, last) = (first.to_bits(), last.to_bits());
            (last - first < MOST_OF_A_NETWORK).then_some(first..=last)
        }
        // Of IPv6 it has single addresses alone.
        (IpAddr::V4(_) | IpAddr::V6(_), _) => None,
    };
    (single.is_some() || network.is_some()).then(|| {
        let network = network.into_iter().flatten();
        single
            .into_iter()
            .chain(network.map(|bits| Ipv4Addr::from_bits(bits).into()))
    })
}

/// More addresses than this no network adds to a set of ipset, which by itself has room for a sixteenth of it.
const MOST_OF_A_NETWORK: u32 = 1 << 20;

/// The last address of a network; of a single address, that.
#[must_use]
pub fn last_of(address: &Address) -> IpAddr {
    let prefix = u32::from(address.prefix());
    match address.ip() {
        IpAddr::V4(ip) => {
            Ipv4Addr::from_bits(ip.to_bits() | u32::MAX.checked_shr(prefix).unwrap_or(0)).into()
        }
        IpAddr::V6(ip) => {
            Ipv6Addr::from_bits(ip.to_bits() | u128::MAX.checked_shr(prefix).unwrap_or(0)).into()
        }
    }
}

/// The longest timeout of ipset, in milliseconds; a ban beyond it has none there.
const LONGEST_OF_IPSET_MS: u64 = 2_147_483_000;

/// A ban of a century is one without end; the kernel refuses timeouts of more than some five.
const CENTURY_SECONDS: u64 = 100 * 365 * 24 * 3600;

/// How long the kernel keeps an element: in whole seconds, rounded up.
///
/// The kernel is the safety net. The ban ends by the jail's clock, with an unban in the log; only where the daemon is
/// gone does the timeout end it, and so it must not come first.
fn timeout(now: Timestamp, end: Timestamp) -> Option<u64> {
    let left = end.duration_since(now);
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    (seconds < CENTURY_SECONDS).then_some(seconds.max(1) * 1000)
}

#[cfg(test)]
mod tests {
    use stockade_jail::{Address, Family, Timestamp};

    use super::{Ban, Batch, Definition, Element, Elements, NativeFirewall, Observed, SetId, Step};
    use crate::native::{Jump, Kind};
    use crate::nftables::tests::properties;
    use crate::services::Services;
    use crate::tags::Properties;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
    const ADDRESSES4: SetId = SetId::new(Family::Inet4, Elements::Addresses);
    const NETWORKS4: SetId = SetId::new(Family::Inet4, Elements::Networks);
    const ADDRESSES6: SetId = SetId::new(Family::Inet6, Elements::Addresses);

    fn native() -> NativeFirewall {
        let definition = Definition::new(Kind::Multiport, &properties(&[]), &Services::default()).unwrap();
        NativeFirewall::new(definition)
    }

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap().unwrap()
    }

    fn ban(text: &str, seconds: i64) -> Ban {
        Ban {
            address: address(text),
            end: NOW.plus_seconds(seconds),
        }
    }

    /// Steps as words, such as `Add inet4 192.0.2.1 600000`.
    fn words(batch: &Batch) -> Vec<String> {
        let set = |id: &SetId| match id.elements {
            Elements::Addresses => id.family.to_string(),
            Elements::Networks => format!("{}-net", id.family),
        };
        let list = |elements: &[Element]| {
            let words = elements.iter().map(|element| {
                let last = if element.first == element.last {
                    String::new()
                } else {
                    format!("-{}", element.last)
                };
                let timeout = element
                    .timeout_ms
                    .map_or_else(String::new, |timeout| format!("/{timeout}ms"));
                format!("{}{last}{timeout}", element.first)
            });
            words.collect::<Vec<_>>().join(" ")
        };
        batch
            .steps
            .iter()
            .map(|step| match step {
                Step::Raise(id) => format!("raise {}", set(id)),
                Step::Add(id, elements) => format!("add {} {}", set(id), list(elements)),
                Step::Renew(id, elements) => format!("renew {} {}", set(id), list(elements)),
                Step::Remove(id, elements) => format!("remove {} {}", set(id), list(elements)),
                Step::Replace(id, elements) => format!("replace {}: {}", set(id), list(elements)),
                Step::Flush(id) => format!("flush {}", set(id)),
                Step::Raze(id) => format!("raze {}", set(id)),
            })
            .collect()
    }

    #[test]
    fn the_first_ban_of_a_family_sets_it_up() {
        let mut native = native();
        assert!(
            native.unban(NOW, &[address("192.0.2.1")]).is_empty(),
            "nothing was banned"
        );
        assert!(native.flush().is_empty());
        assert!(native.stop().is_empty());
        assert!(!native.stands());

        let batch = native.ban(NOW, &[ban("192.0.2.1", 600)]);
        assert_eq!(words(&batch), ["raise inet4", "add inet4 192.0.2.1/600000ms"]);
        let batch = native.ban(
            NOW,
            &[
                ban("192.0.2.2", 600),
                ban("192.0.2.3", 60),
                ban("2001:db8::1", 600),
            ],
        );
        assert_eq!(
            words(&batch),
            [
                "add inet4 192.0.2.2/600000ms 192.0.2.3/60000ms",
                "raise inet6",
                "add inet6 2001:db8::1/600000ms"
            ]
        );
        let batch = native.unban(
            NOW,
            &[
                address("192.0.2.1"),
                address("192.0.2.9"),
                address("198.51.100.0/24"),
            ],
        );
        assert_eq!(words(&batch), ["remove inet4 192.0.2.1 192.0.2.9"]);
        let batch = native.renew(NOW, &[ban("192.0.2.2", 6000)]);
        assert_eq!(words(&batch), ["renew inet4 192.0.2.2/6000000ms"]);
        assert_eq!(words(&native.flush()), ["flush inet4", "flush inet6"]);
        assert_eq!(words(&native.stop()), ["raze inet4", "raze inet6"]);
        assert!(native.stop().is_empty());
        let batch = native.ban(NOW, &[ban("192.0.2.1", 600)]);
        assert!(native.stands());
        assert_eq!(words(&batch), ["raise inet4", "add inet4 192.0.2.1/600000ms"]);
    }

    #[test]
    fn the_timeout_is_what_is_left_of_the_ban_in_whole_seconds() {
        let ends = [
            ("whole seconds", NOW.plus_seconds(600), Some(600_000)),
            ("a fraction", NOW.plus_micros(600_000_001), Some(601_000)),
            ("less than a second", NOW.plus_micros(1), Some(1000)),
            ("just over", NOW, Some(1000)),
            ("long over", NOW.plus_seconds(-100), Some(1000)),
            (
                "a year",
                NOW.plus_seconds(365 * 86_400),
                Some(365 * 86_400 * 1000),
            ),
            ("two centuries", NOW.plus_seconds(200 * 365 * 86_400), None),
            ("never", Timestamp::MAX, None),
        ];
        for (name, end, timeout_ms) in ends {
            let batch = native().ban(
                NOW,
                &[Ban {
                    address: address("192.0.2.1"),
                    end,
                }],
            );
            let Some(Step::Add(_, elements)) = batch.steps.last() else {
                panic!("{name}")
            };
            assert_eq!(elements[0].timeout_ms, timeout_ms, "{name}");
        }
    }

    #[test]
    fn of_networks_inside_each_other_the_set_holds_the_outermost() {
        let mut native = native();
        let batch = native.ban(NOW, &[ban("198.51.100.0/25", 600)]);
        assert_eq!(
            words(&batch),
            [
                "raise inet4-net",
                "add inet4-net 198.51.100.0-198.51.100.127/600000ms"
            ]
        );
        let batch = native.ban(NOW, &[ban("198.51.100.64/26", 60), ban("198.51.100.192/27", 70)]);
        assert_eq!(
            words(&batch),
            ["add inet4-net 198.51.100.192-198.51.100.223/70000ms"],
            "one is inside and waits"
        );
        let batch = native.ban(NOW, &[ban("198.51.100.0/24", 50)]);
        assert_eq!(
            words(&batch),
            [
                "remove inet4-net 198.51.100.0-198.51.100.127 198.51.100.192-198.51.100.223",
                "add inet4-net 198.51.100.0-198.51.100.255/50000ms"
            ]
        );
        let batch = native.ban(NOW, &[ban("198.51.100.0/24", 55)]);
        assert_eq!(
            words(&batch),
            ["renew inet4-net 198.51.100.0-198.51.100.255/55000ms"]
        );
        assert!(
            native.unban(NOW, &[address("198.51.100.192/27")]).is_empty(),
            "it was inside"
        );

        let later = NOW.plus_seconds(50);
        let batch = native.unban(later, &[address("198.51.100.0/24")]);
        assert_eq!(
            words(&batch),
            [
                "remove inet4-net 198.51.100.0-198.51.100.255",
                "add inet4-net 198.51.100.0-198.51.100.127/550000ms"
            ]
        );
        let batch = native.unban(later, &[address("198.51.100.0/25")]);
        assert_eq!(
            words(&batch),
            [
                "remove inet4-net 198.51.100.0-198.51.100.127",
                "add inet4-net 198.51.100.64-198.51.100.127/10000ms"
            ]
        );
        let batch = native.ban(NOW, &[ban("2001:db8::/32", 600), ban("240.0.0.0/4", 600)]);
        assert_eq!(
            words(&batch),
            [
                "raise inet6-net",
                "add inet6-net 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/600000ms",
                "add inet4-net 240.0.0.0-255.255.255.255/600000ms"
            ]
        );
        assert_eq!(words(&native.stop()), ["raze inet4-net", "raze inet6-net"]);
    }

    #[test]
    fn a_network_of_everything_bans_its_first_address_alone() {
        let batch = native().ban(NOW, &[ban("0.0.0.0/0", 600)]);
        assert_eq!(words(&batch), ["raise inet4", "add inet4 0.0.0.0/600000ms"]);
    }

    #[test]
    fn what_an_earlier_run_left_is_taken_over() {
        let mut native = native();
        assert!(
            native.adopt(NOW, &Observed::new(), &[]).is_empty(),
            "nothing there, nothing banned"
        );

        let observed = Observed::from([ADDRESSES4, NETWORKS4, ADDRESSES6]);
        let bans = [
            ban("192.0.2.1", 600),
            ban("2001:db8::/64", 60),
            Ban {
                address: address("192.0.2.3"),
                end: Timestamp::MAX,
            },
            ban("2001:db8::/96", 600),
        ];
        let batch = native.adopt(NOW, &observed, &bans);
        assert_eq!(
            words(&batch),
            [
                "raise inet4",
                "replace inet4: 192.0.2.1/600000ms 192.0.2.3",
                "raise inet4-net",
                "replace inet4-net: ",
                "raise inet6",
                "replace inet6: ",
                "raise inet6-net",
                "replace inet6-net: 2001:db8::-2001:db8::ffff:ffff:ffff:ffff/60000ms"
            ]
        );
        assert_eq!(
            words(&native.ban(NOW, &[ban("192.0.2.1", 600)])),
            ["add inet4 192.0.2.1/600000ms"]
        );
        let batch = native.unban(NOW, &[address("2001:db8::/64")]);
        assert_eq!(
            words(&batch),
            [
                "remove inet6-net 2001:db8::-2001:db8::ffff:ffff:ffff:ffff",
                "add inet6-net 2001:db8::-2001:db8::ffff:ffff/600000ms"
            ]
        );
    }

    /// The same of iptables, with the properties of the stock action.
    fn iptables(kind: Kind, others: &[(&str, &str)]) -> NativeFirewall {
        let mut properties = Properties::default();
        for (name, value) in [
            ("name", "sshd"),
            ("chain", "INPUT"),
            ("port", "ssh"),
            ("protocol", "tcp"),
            ("returntype", "RETURN"),
            ("iptables", "iptables -w"),
            ("iptables?family=inet6", "ip6tables -w"),
            ("blocktype", "DROP"),
            ("ipmset", "f2b-<name>"),
            ("ipmset?family=inet6", "f2b-<name>6"),
            ("familyopt?family=inet6", "family inet6"),
            ("maxelem", "65536"),
            ("default-ipsettime", "0"),
            ("ipsettime", "0"),
            ("timeout-bantime", "<bantime>"),
        ]
        .iter()
        .chain(others)
        {
            properties.set(name, (*value).to_owned());
        }
        NativeFirewall::new(Definition::new(kind, &properties, &Services::default()).unwrap())
    }

    #[test]
    fn a_chain_has_a_rule_for_each_ban_whatever_is_inside_another() {
        let mut native = iptables(Kind::Iptables(Jump::Oneport), &[]);
        let bans = [
            ban("198.51.100.0/24", 600),
            ban("198.51.100.7", 60),
            ban("2001:db8::/32", 60),
        ];
        assert_eq!(
            words(&native.ban(NOW, &bans)),
            [
                "raise inet4",
                "add inet4 198.51.100.0-198.51.100.255 198.51.100.7",
                "raise inet6",
                "add inet6 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"
            ]
        );
        let batch = native.unban(NOW, &[address("198.51.100.0/24")]);
        assert_eq!(words(&batch), ["remove inet4 198.51.100.0-198.51.100.255"]);
        assert_eq!(words(&native.stop()), ["raze inet4", "raze inet6"]);
    }

    #[test]
    fn a_set_of_ipset_holds_networks_and_addresses_together() {
        let mut native = iptables(Kind::Ipset(Jump::Oneport), &[]);
        let bans = [
            ban("198.51.100.7", 60),
            ban("192.0.2.1", 60),
            ban("198.51.100.0/30", 600),
        ];
        assert_eq!(
            words(&native.ban(NOW, &bans)),
            [
                "raise inet4",
                "add inet4 198.51.100.7 192.0.2.1 198.51.100.0-198.51.100.3"
            ]
        );
        assert_eq!(
            words(&native.ban(NOW, &[ban("198.51.100.0/29", 600)])),
            [
                "remove inet4 198.51.100.0-198.51.100.3 198.51.100.7",
                "add inet4 198.51.100.0-198.51.100.7"
            ]
        );
        assert_eq!(
            words(&native.unban(NOW, &[address("198.51.100.0/29")])),
            [
                "remove inet4 198.51.100.0-198.51.100.7",
                "add inet4 198.51.100.0-198.51.100.3 198.51.100.7"
            ]
        );
        let wanted = native.wanted(NOW, &[ban("198.51.100.7", 60), ban("198.51.100.0/30", 600)]);
        let ranges: Vec<_> = wanted[&ADDRESSES4]
            .iter()
            .map(|(first, last)| format!("{first}-{last}"))
            .collect();
        assert_eq!(
            ranges,
            [0, 1, 2, 3, 7].map(|host| format!("198.51.100.{host}-198.51.100.{host}"))
        );
        assert_eq!(
            native.wanted(NOW, &[ban("2001:db8::/64", 60)])[&ADDRESSES6].len(),
            1
        );
    }

    #[test]
    fn an_element_of_a_set_of_ipset_has_the_timeout_of_its_ban_where_it_is_asked_for() {
        let mut native = iptables(Kind::Ipset(Jump::Oneport), &[("ipsettime", "<timeout-bantime>")]);
        let bans = [
            ban("192.0.2.1", 600),
            ban("192.0.2.2", 2_147_483),
            ban("192.0.2.3", 2_147_484),
        ];
        assert_eq!(
            words(&native.ban(NOW, &bans)),
            [
                "raise inet4",
                "add inet4 192.0.2.1/600000ms 192.0.2.2/2147483000ms 192.0.2.3"
            ]
        );
    }
}
