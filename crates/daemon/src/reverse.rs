//! Addresses → the names that name servers give them, for the tag `<ip-host>`.
//!
//! In: an address. Out: its name, or none.
//!
//! Who owns an address chooses its name, so only what can be a host's name is one (RFC 1123, section 2.1): letters,
//! digits, hyphens, underscores and dots, and no address.
//!
//! Invariant: a slow name server delays whoever asks for a name and nobody else, and what is remembered is bounded.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use stockade_action::facts::{BanFacts, HOST_TAG};

/// How long an answer is kept, also none.
const KEPT: Duration = Duration::from_secs(300);
/// How many answers are kept; past it the oldest is forgotten.
const CACHE: usize = 1000;
/// How long a name may be (RFC 1035, section 2.3.4).
const LONGEST: usize = 253;

/// What name servers have said to this process.
static KNOWN: Mutex<Answers> = Mutex::new(Answers {
    names: BTreeMap::new(),
    order: VecDeque::new(),
});

struct Answers {
    names: BTreeMap<IpAddr, (Instant, Option<String>)>,
    order: VecDeque<IpAddr>,
}

/// Finds the name of what is banned, where `text` asks for it; the caller waits for the name server.
pub fn complete(facts: &mut BanFacts, text: &str) {
    if asks(text) {
        find(facts);
    }
}

/// Finds the name of what is banned, unless it is known; the caller waits for the name server.
pub(crate) fn find(facts: &mut BanFacts) {
    if facts.host.is_none() {
        facts.host = facts.named_address().and_then(name);
    }
}

/// Whether `text` has the tag.
pub(crate) fn asks(text: &str) -> bool {
    text.match_indices(HOST_TAG).any(|(at, tag)| {
        let (before, after) = (text.get(..at), text.get(at + tag.len()..));
        before.is_some_and(|before| before.ends_with('<'))
            && after.is_some_and(|after| after.starts_with('>'))
    })
}

/// The name of `address`, as it was within the last five minutes.
#[must_use]
pub fn name(address: IpAddr) -> Option<String> {
    let known = |now: Instant| {
        let answers = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, name) = answers.names.get(&address)?;
        (now.duration_since(*since) < KEPT).then(|| name.clone())
    };
    if let Some(name) = known(Instant::now()) {
        return name;
    }
    let name = dns_lookup::lookup_addr(&address)
        .ok()
        .and_then(|name| host_name(&name));
    KNOWN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .keep(Instant::now(), address, name.clone());
    name
}

impl Answers {
    fn keep(&mut self, now: Instant, address: IpAddr, name: Option<String>) {
        if self.names.insert(address, (now, name)).is_none() {
            self.order.push_back(address);
        }
        if self.order.len() > CACHE
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }
}

/// What a name server said, where a host can be called so.
fn host_name(said: &str) -> Option<String> {
    let name = said.strip_suffix('.').unwrap_or(said);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_name = !name.is_empty()
        && name.len() <= LONGEST
        && !name.starts_with('-')
        && name.bytes().all(fits)
        && name.parse::<IpAddr>().is_err();
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_host_can_be_called_is_a_name() {
        for (said, name) in [
            ("host.example", Some("host.example")),
            ("host.example.", Some("host.example")),
            ("203-0-113-66.pool_7.example", Some("203-0-113-66.pool_7.example")),
            ("203.0.113.66", None),
            ("2001:db8::66", None),
            ("$(touch canary)", None),
            ("a\nb.example", None),
            ("-rf.example", None),
            ("a b.example", None),
            ("höst.example", None),
            (".", None),
            ("", None),
        ] {
            assert_eq!(host_name(said).as_deref(), name, "{said:?}");
        }
        assert_eq!(host_name(&"a".repeat(254)), None);
    }

    #[test]
    fn the_tag_is_asked_for_by_its_whole_name() {
        for (text, expected) in [
            ("echo <ip-host>", true),
            ("echo ip-host", false),
            ("echo <ip-hosts> <ip>", false),
            ("a <ip-host", false),
        ] {
            assert_eq!(asks(text), expected, "{text}");
        }
    }

    #[test]
    fn the_oldest_answers_are_forgotten() {
        let mut answers = Answers {
            names: BTreeMap::new(),
            order: VecDeque::new(),
        };
        let address = |number: u32| IpAddr::from((0xC612_0000 + number).to_be_bytes());
        for number in 0..1500 {
            answers.keep(Instant::now(), address(number), None);
        }
        answers.keep(Instant::now(), address(1499), Some("host.example".to_owned()));
        assert_eq!((answers.names.len(), answers.order.len()), (CACHE, CACHE));
        assert!(!answers.names.contains_key(&address(499)) && answers.names.contains_key(&address(500)));
    }
}
