//! The ids that a jail never bans: `ignoreip`, the host's own addresses, and lists in files.
//!
//! In: entries as an administrator writes them, the host's addresses, answers to what was asked.
//! Out: whether an id is ignored and by what, or what has to be known first.
//!
//! Invariant: checking never waits; an answer that is too old is asked for again.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use stockade_datetime::Timestamp;
use stockade_filter::{Address, BadMask, Family, Id};

/// How long the addresses of a name are believed, as in the reference.
const NAME_SECONDS: i64 = 300;

/// How long the content of a file is believed without a look at it, as in the reference.
const FILE_SECONDS: i64 = 1;

/// How long after a failure to read a file it is tried again, as in the reference.
const FILE_RETRY_SECONDS: i64 = 60;

/// How many words of a list file count; a file that is the wrong one may have any size.
pub const MAX_LIST_WORDS: usize = 1 << 20;

/// Where it is written that an id is ignored; displays as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Source {
    /// It is an address of this host.
    #[error("ignoreself rule")]
    Own,
    /// An address or a network.
    #[error("ip")]
    Address,
    /// A host name.
    #[error("dns")]
    Name,
    /// The list file with this path.
    #[error("file:{}{_0}", if _0.starts_with('/') { "/" } else { "" })]
    File(String),
    /// The `ignorecommand`.
    #[error("command")]
    Command,
}

/// What is known about an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is one of the single addresses of the list.
    Listed,
    /// It is ignored.
    Ignored(Source),
    /// It counts, as far as the list goes.
    Counts,
    /// The addresses of this name have to be known first.
    Resolve(String),
    /// The content of the file with this path has to be known first.
    Read(String),
}

/// One entry of `ignoreip`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An address or a network.
    Address(Address),
    /// A host name, or anything else that no address is equal to.
    Name(String),
    /// A list in the file with this path.
    File(String),
}

/// What came of adding an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryAdded {
    /// It is in the list.
    New,
    /// The text is empty.
    Empty,
    /// The list has it, under this text.
    Duplicate(String),
}

/// What the daemon found when it looked at a list file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListFile {
    /// Its content.
    Content(String),
    /// It is as it was when it was read last.
    Unchanged,
    /// It could not be read; what was known of it stays.
    Unreadable,
}

/// The ids that a jail never bans.
#[derive(Debug, Default)]
pub struct IgnoreList {
    not_self: bool,
    own: BTreeSet<Address>,
    entries: Vec<Entry>,
    texts: HashSet<String>,
    /// `entries` arranged for checking; none after a change.
    rules: Option<Rules>,
    names: BTreeMap<String, Resolved>,
    files: BTreeMap<String, List>,
}

#[derive(Debug, Default)]
struct Rules {
    addresses: HashSet<Address>,
    in_order: Vec<Rule>,
}

#[derive(Debug)]
enum Rule {
    Networks(Networks),
    Name(String),
    File(String),
}

#[derive(Debug)]
struct Resolved {
    addresses: Vec<Address>,
    until: Timestamp,
}

#[derive(Debug, Default)]
struct List {
    networks: Networks,
    names: Vec<String>,
    until: Option<Timestamp>,
}

/// Addresses and networks, found by one look for each length of prefix that occurs.
#[derive(Debug, Default)]
struct Networks(BTreeMap<(Family, u8), HashSet<Address>>);

impl Entry {
    /// Reads an entry; `None` where `text` is empty.
    ///
    /// # Errors
    ///
    /// The mask of a network has a hole.
    pub fn parse(text: &str) -> Result<Option<Self>, BadMask> {
        if text.is_empty() {
            return Ok(None);
        }
        if let Some(path) = list_file_path(text) {
            return Ok(Some(Self::File(path)));
        }
        Ok(Some(match Address::parse(text)? {
            Some(address) => Self::Address(address),
            None => Self::Name(Id::parse(text).to_string()),
        }))
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
            Self::File(path) => Source::File(path.clone()).fmt(f),
        }
    }
}

impl IgnoreList {
    /// An empty list that ignores the host's own addresses.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the host's own addresses are ignored.
    #[must_use]
    pub const fn ignoreself(&self) -> bool {
        !self.not_self
    }

    /// Sets whether the host's own addresses are ignored.
    pub const fn set_ignoreself(&mut self, ignoreself: bool) {
        self.not_self = !ignoreself;
    }

    /// Tells the host's own addresses.
    pub fn set_own_addresses(&mut self, own: impl IntoIterator<Item = Address>) {
        self.own = own.into_iter().collect();
    }

    /// Adds the entry that `text` spells.
    ///
    /// # Errors
    ///
    /// The mask of a network has a hole.
    pub fn add(&mut self, text: &str) -> Result<EntryAdded, BadMask> {
        let Some(entry) = Entry::parse(text)? else {
            return Ok(EntryAdded::Empty);
        };
        let text = entry.to_string();
        if !self.texts.insert(text.clone()) {
            return Ok(EntryAdded::Duplicate(text));
        }
        self.entries.push(entry);
        self.rules = None;
        Ok(EntryAdded::New)
    }

    /// Removes the entry that `text` spells; `false` where the list has none such.
    pub fn remove(&mut self, text: &str) -> bool {
        let Ok(Some(entry)) = Entry::parse(text) else {
            return false;
        };
        if !self.texts.remove(&entry.to_string()) {
            return false;
        }
        self.entries.retain(|other| *other != entry);
        self.forget_unused();
        true
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.texts.clear();
        self.forget_unused();
    }

    /// The entries as clients see them: networks, names and files first, then single addresses.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let single = |entry: &&Entry| matches!(entry, Entry::Address(address) if address.is_single());
        let others = self.entries.iter().filter(move |entry| !single(entry));
        others.chain(self.entries.iter().filter(single))
    }

    /// Takes the addresses of `name`, which may be none.
    pub(crate) fn resolved(&mut self, now: Timestamp, name: &str, addresses: Vec<Address>) {
        let until = now.plus_seconds(NAME_SECONDS);
        self.names.insert(name.to_owned(), Resolved { addresses, until });
    }

    /// Takes what was found at `path`.
    pub(crate) fn read(&mut self, now: Timestamp, path: &str, found: ListFile) {
        let list = self.files.entry(path.to_owned()).or_default();
        let believed = match found {
            ListFile::Content(content) => {
                *list = List::parse(&content);
                FILE_SECONDS
            }
            ListFile::Unchanged => FILE_SECONDS,
            ListFile::Unreadable => FILE_RETRY_SECONDS,
        };
        list.until = Some(now.plus_seconds(believed));
    }

    /// Whether `id` is ignored, as far as that is known.
    pub(crate) fn check(&mut self, now: Timestamp, id: &Id) -> Verdict {
        if self.rules.is_none() {
            self.rules = Some(Rules::of(&self.entries));
        }
        let rules = self.rules.as_ref().expect("made where there were none");
        let address = id.address();
        if let Some(address) = address {
            if !self.not_self && self.own.contains(address) {
                return Verdict::Ignored(Source::Own);
            }
            if rules.addresses.contains(address) {
                return Verdict::Listed;
            }
        }
        for rule in &rules.in_order {
            match rule {
                Rule::Networks(networks) => {
                    if address.is_some_and(|address| networks.contain(address)) {
                        return Verdict::Ignored(Source::Address);
                    }
                }
                Rule::Name(name) => match self.is_of(now, name, address) {
                    Some(true) => return Verdict::Ignored(Source::Name),
                    Some(false) => {}
                    None => return Verdict::Resolve(name.clone()),
                },
                Rule::File(path) => match self.check_list(now, path, address) {
                    Verdict::Counts => {}
                    found @ (Verdict::Listed
                    | Verdict::Ignored(_)
                    | Verdict::Resolve(_)
                    | Verdict::Read(_)) => return found,
                },
            }
        }
        Verdict::Counts
    }

    /// Whether `address` is one of those of `name`, where that is known.
    fn is_of(&self, now: Timestamp, name: &str, address: Option<&Address>) -> Option<bool> {
        let Some(address) = address else {
            return Some(false);
        };
        let resolved = self.names.get(name).filter(|resolved| now <= resolved.until)?;
        Some(resolved.addresses.contains(address))
    }

    fn check_list(&self, now: Timestamp, path: &str, address: Option<&Address>) -> Verdict {
        let Some(address) = address else {
            return Verdict::Counts;
        };
        let list = self.files.get(path);
        let Some(list) = list.filter(|list| list.until.is_some_and(|until| now <= until)) else {
            return Verdict::Read(path.to_owned());
        };
        if list.networks.contain(address) {
            return Verdict::Ignored(Source::File(path.to_owned()));
        }
        for name in &list.names {
            match self.is_of(now, name, Some(address)) {
                Some(true) => return Verdict::Ignored(Source::File(path.to_owned())),
                Some(false) => {}
                None => return Verdict::Resolve(name.clone()),
            }
        }
        Verdict::Counts
    }

    /// Drops what is known about names and files that no entry asks for.
    fn forget_unused(&mut self) {
        self.rules = None;
        let entries = &self.entries;
        self.files
            .retain(|path, _| entries.contains(&Entry::File(path.clone())));
        let files = &self.files;
        self.names.retain(|name, _| {
            entries.contains(&Entry::Name(name.clone()))
                || files.values().any(|list| list.names.contains(name))
        });
    }
}

impl Rules {
    fn of(entries: &[Entry]) -> Self {
        let mut rules = Self::default();
        for entry in entries {
            match entry {
                Entry::Address(address) if address.is_single() => {
                    rules.addresses.insert(*address);
                }
                Entry::Address(network) => {
                    if let Some(Rule::Networks(networks)) = rules.in_order.last_mut() {
                        networks.insert(*network);
                    } else {
                        let mut networks = Networks::default();
                        networks.insert(*network);
                        rules.in_order.push(Rule::Networks(networks));
                    }
                }
                Entry::Name(name) => rules.in_order.push(Rule::Name(name.clone())),
                Entry::File(path) => rules.in_order.push(Rule::File(path.clone())),
            }
        }
        rules
    }
}

impl Networks {
    fn insert(&mut self, network: Address) {
        let key = (network.family(), network.prefix());
        self.0.entry(key).or_default().insert(network);
    }

    fn contain(&self, address: &Address) -> bool {
        let family = address.family();
        self.0
            .range((family, 0)..=(family, u8::MAX))
            .any(|(&(_, prefix), networks)| networks.contains(&Address::network(address.ip(), prefix)))
    }
}

impl List {
    /// Reads the content of a list file: words between blanks and commas; `#` and `;` begin a comment at the begin
    /// of a line and after a blank.
    fn parse(content: &str) -> Self {
        let mut list = Self::default();
        let words = content.lines().flat_map(|line| {
            let comment = line
                .char_indices()
                .scan(' ', |before, (at, char)| {
                    Some((at, char, std::mem::replace(before, char)))
                })
                .find(|&(_, char, before)| matches!(char, '#' | ';') && before.is_whitespace())
                .map_or(line.len(), |(at, ..)| at);
            let text = line.get(..comment).unwrap_or_default();
            text.split([' ', '\t', ',', '\r', '\x0b', '\x0c'])
        });
        for word in words.filter(|word| !word.is_empty()).take(MAX_LIST_WORDS) {
            match Address::parse(word) {
                Ok(Some(address)) => list.networks.insert(address),
                Ok(None) => list.names.push(Id::parse(word).to_string()),
                // One word that is no mask does not make the rest of the file void.
                Err(BadMask { .. }) => {}
            }
        }
        list
    }
}

/// The path that a `file:` entry names, however many slashes stand between.
///
/// After `file://` the path is absolute even without a slash of its own, unless its first component has one or
/// two characters, as `.` and `..` have.
#[must_use]
pub fn list_file_path(text: &str) -> Option<String> {
    let rest = text.strip_prefix("file:")?;
    let Some(path) = rest.strip_prefix("//") else {
        return Some(rest.to_owned());
    };
    let relative = path
        .split_once('/')
        .is_some_and(|(first, _)| (1..=2).contains(&first.chars().count()));
    if relative || path.starts_with('/') {
        Some(path.to_owned())
    } else {
        Some(format!("/{path}"))
    }
}
