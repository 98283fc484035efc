//! Which jail follows which logs, and how far each has come.
//!
//! In: blueprints, and what the sources deliver. Out: [`Event`]s for the loop; positions for the database.
//!
//! Invariant: a position is kept only once the lines before it have been dealt with.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use stockade_datetime::Timestamp;
use stockade_filter::Encoding;
use stockade_protocol::{Failure, definition};

use crate::blueprint::Blueprint;
use crate::log::{Level, Records};
use crate::places::{Behind, Registry};
use crate::source::{
    self, Disk, Files, FollowOptions, Journal, JournalEvent, JournalMatch, JournalOptions, JournalStart,
    LineBreak, Matches, ReaderId, Start,
};
use crate::store::Store;
use crate::world::{self, Event, Lines, Sources};

const FILTER: &str = "fail2ban.filter";
/// How many entries of the journal the loop is given at a time.
const ENTRIES_AT_ONCE: usize = 1000;
/// How many blocks of lines may wait for the loop; a block has a megabyte at most.
const WAITING_BLOCKS: usize = 8;

/// Which jail follows which logs.
pub(crate) struct Following<D: Disk> {
    files: Files<D>,
    journal: Journal,
    readers: BTreeMap<ReaderId, Reader>,
    next: u32,
    log: Records,
    zone: TimeZone,
    places: Registry,
}

struct Reader {
    jail: String,
    /// The paths and patterns that were asked for, in the order of the asking.
    asked: Vec<PathBuf>,
    /// The files whose end was reached.
    in_operation: BTreeSet<PathBuf>,
    backend: Backend,
    encoding: Encoding,
}

/// How a jail gets its lines.
enum Backend {
    /// From files; how that is called.
    Files(&'static str),
    /// From the journal, with these matches.
    Journal {
        matches: String,
        /// Whether the end of the journal was reached.
        in_operation: bool,
    },
}

impl<D: Disk> Following<D> {
    /// Follows nothing yet.
    #[must_use]
    pub(crate) fn new(disk: D, log: Records, zone: TimeZone, places: Registry) -> Self {
        Self {
            files: Files::on(disk),
            journal: Journal::new(),
            readers: BTreeMap::new(),
            next: 0,
            log,
            zone,
            places,
        }
    }

    /// What to wait for where files are concerned.
    #[must_use]
    pub(crate) fn files_fd(&self) -> Option<BorrowedFd<'_>> {
        self.files.fd()
    }

    /// What to wait for where the journal is concerned.
    #[must_use]
    pub(crate) fn journal_fd(&self) -> Option<BorrowedFd<'_>> {
        self.journal.fd()
    }

    /// When there is something to do although nothing has happened.
    #[must_use]
    pub(crate) fn next_wakeup(&self, now: Timestamp) -> Option<Timestamp> {
        [self.files.next_wakeup(now), self.journal.next_wakeup(now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Follows what `blueprint` says, and lets go of what it does not say any more.
    ///
    /// # Errors
    /// Where a file is there and cannot be read.
    pub(crate) fn follow(
        &mut self,
        now: Timestamp,
        blueprint: &Blueprint,
        store: &Store,
        date: &mut dyn FnMut(&[u8]) -> Option<Timestamp>,
    ) -> Result<(), Failure> {
        let id = self.reader(blueprint);
        let since = now.plus_micros(blueprint.counting.findtime_micros.saturating_neg());
        if blueprint.reads_journal() {
            return self.follow_journal(id, since, blueprint, store);
        }
        let wanted: Vec<PathBuf> = blueprint
            .logpath
            .iter()
            .map(|log| PathBuf::from(&log.path))
            .collect();
        let asked = self
            .readers
            .get(&id)
            .map(|reader| reader.asked.clone())
            .unwrap_or_default();
        if asked.iter().any(|path| !wanted.contains(path))
            && let Some(reader) = self.readers.get(&id)
        {
            // Whoever names a log again later goes on where it was left.
            self.save(id, reader, store);
        }
        for gone in asked.iter().filter(|path| !wanted.contains(path)) {
            self.files.remove_file(id, gone);
            self.log.write(
                Level::INFO,
                FILTER,
                &format!("Removed logfile: '{}'", gone.display()),
            );
        }
        let options = FollowOptions {
            line_break: LineBreak::of_encoding(&blueprint.logencoding),
            polling: blueprint.backend.to_lowercase().starts_with("polling"),
        };
        for log in &blueprint.logpath {
            let path = Path::new(&log.path);
            let place = blueprint.places.get("logpath", &log.path);
            if asked.iter().any(|known| known == path) {
                continue;
            }
            let mut start = |file: &Path| {
                if log.tail {
                    return Start::Tail;
                }
                let stored = store
                    .log_position(&blueprint.name, &file.to_string_lossy())
                    .ok()
                    .flatten();
                Start::Head { stored, since }
            };
            let added = self
                .files
                .add(now, id, path, options, &mut start, date)
                .map_err(|error| {
                    let text = format!(
                        "[{}] '{}' cannot be read: {error}{}",
                        blueprint.name,
                        log.path,
                        Behind(place)
                    );
                    self.log.write(Level::ERROR, FILTER, &text);
                    Failure::os_error(
                        error.raw_os_error().unwrap_or(0),
                        crate::store::os_text(&error),
                        log.path.clone(),
                    )
                })?;
            if added.is_empty() {
                self.log.write(
                    Level::WARNING,
                    FILTER,
                    &format!(
                        "[{}] no file matches '{}' yet; the jail waits for one{}",
                        blueprint.name,
                        log.path,
                        Behind(place)
                    ),
                );
            }
            for file in added {
                let path = file.path.display();
                if file.absent {
                    let text = format!(
                        "[{}] '{path}' is not there yet; the jail waits for it{}",
                        blueprint.name,
                        Behind(place)
                    );
                    self.log.write(Level::WARNING, FILTER, &text);
                    continue;
                }
                store.add_log(&blueprint.name, &path.to_string(), &file.position);
                let (offset, hash) = (file.position.offset, &file.position.hash);
                let text = format!("Added logfile: '{path}' (pos = {offset}, hash = {hash})");
                self.log.write(Level::INFO, FILTER, &text);
            }
        }
        if let Some(reader) = self.readers.get_mut(&id) {
            reader.asked = wanted;
        }
        self.files.set_idle(id, blueprint.counting.idle);
        Ok(())
    }

    fn follow_journal(
        &mut self,
        id: ReaderId,
        since: Timestamp,
        blueprint: &Blueprint,
        store: &Store,
    ) -> Result<(), Failure> {
        let value_error = |error: &dyn std::fmt::Display| Failure::value_error(error.to_string());
        let backend = definition::parse(&blueprint.backend).map_err(|error| value_error(&error))?;
        let parameters = backend
            .parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let options = JournalOptions::parse(parameters).map_err(|error| value_error(&error))?;
        let mut matches = Matches::default();
        for words in &blueprint.journalmatch {
            matches.add(JournalMatch::parse(words).map_err(|_| Failure::value_error("Invalid match"))?);
        }
        let shown = blueprint
            .journalmatch
            .iter()
            .map(|words| words.join(" "))
            .collect::<Vec<_>>()
            .join(" + ");
        let jail = &blueprint.name;
        let Some(reader) = self.readers.get_mut(&id) else {
            return Ok(());
        };
        if let Backend::Journal { matches: known, .. } = &mut reader.backend {
            *known = shown;
            self.journal.set_matches(id, matches);
        } else {
            reader.backend = Backend::Journal {
                matches: shown.clone(),
                in_operation: false,
            };
            match source::available(&options) {
                Some(path) => {
                    let text = format!("[{jail}] the journal in '{}' is followed, with '{shown}'", path.display());
                    self.log.write(Level::INFO, FILTER, &text);
                }
                None => self.log.write(
                    Level::WARNING,
                    FILTER,
                    &format!("[{jail}] there is no journal to read, or no journalctl to read it; the jail waits for it"),
                ),
            }
            if matches.is_empty() {
                let text = format!(
                    "[{jail}] Jail started without 'journalmatch' set. Jail regexs will be checked against all \
                     journal entries, which is not advised for performance reasons."
                );
                self.log.write(Level::NOTICE, FILTER, &text);
            }
            let after = store.journal_position(jail).ok().flatten();
            self.journal
                .add(id, options, matches, JournalStart { after, since });
        }
        self.journal.set_idle(id, blueprint.counting.idle);
        Ok(())
    }

    /// Lets go of everything that `jail` follows.
    pub(crate) fn unfollow(&mut self, jail: &str, store: &Store) {
        let Some(id) = self.find(jail) else { return };
        if let Some(reader) = self.readers.remove(&id) {
            self.save(id, &reader, store);
        }
        self.files.remove_reader(id);
        self.journal.remove(id);
    }

    /// Keeps how far every jail has come. To be called when all that was delivered has been dealt with.
    pub(crate) fn save_all(&self, store: &Store) {
        for (id, reader) in &self.readers {
            self.save(*id, reader, store);
        }
    }

    /// What `jail` follows.
    #[must_use]
    pub(crate) fn sources(&self, jail: &str) -> Option<Sources> {
        let id = self.find(jail)?;
        let reader = self.readers.get(&id)?;
        Some(match &reader.backend {
            Backend::Files(backend) => {
                let mut paths = self.files.paths(id);
                // What only a pattern has found comes last, by its name.
                let asked = |path: &&Path| reader.asked.iter().position(|known| known == path);
                paths.sort_by_key(|path| asked(path).unwrap_or(usize::MAX));
                let paths = paths.into_iter().map(|path| path.display().to_string());
                Sources::Files(backend, paths.collect())
            }
            Backend::Journal { matches, .. } => Sources::Journal(matches.clone()),
        })
    }

    /// Reads what has been written, as long as `events` has room.
    pub(crate) fn ready(&mut self, now: Timestamp, events: &mut VecDeque<Event>) {
        if events.len() >= WAITING_BLOCKS {
            return;
        }
        let Self {
            files,
            journal,
            readers,
            log,
            zone,
            places,
            ..
        } = self;
        journal.ready(now, &mut |event| match event {
            JournalEvent::Entry { readers: ids, entry } => {
                // Jails that read in the same encoding share a text.
                let mut texts: Vec<(Encoding, Vec<(String, bool)>)> = Vec::new();
                for reader in ids.iter().filter_map(|id| readers.get(id)) {
                    let Backend::Journal { in_operation, .. } = reader.backend else {
                        continue;
                    };
                    let jail = (reader.jail.clone(), in_operation);
                    match texts
                        .iter_mut()
                        .find(|(encoding, _)| *encoding == reader.encoding)
                    {
                        Some((_, jails)) => jails.push(jail),
                        None => texts.push((reader.encoding, vec![jail])),
                    }
                }
                let entries = texts.into_iter().map(|(encoding, jails)| world::Entry {
                    jails,
                    time: entry.time(),
                    iso: source::rendered(entry.time(), zone),
                    text: entry.text(encoding),
                });
                match events.back_mut() {
                    Some(Event::Entries(waiting)) if waiting.len() < ENTRIES_AT_ONCE => {
                        waiting.extend(entries)
                    }
                    Some(_) | None => events.push_back(Event::Entries(entries.collect())),
                }
            }
            JournalEvent::InOperation { reader } => {
                if let Some(reader) = readers.get_mut(&reader)
                    && let Backend::Journal { in_operation, .. } = &mut reader.backend
                {
                    *in_operation = true;
                    let text = format!(
                        "[{}] Jail is in operation now (process new journal entries)",
                        reader.jail
                    );
                    log.write(Level::INFO, "fail2ban.filtersystemd", &text);
                }
            }
            JournalEvent::Message { level, logger, text } => log.write(level, logger, &text),
        });
        files.ready(now, &mut |event| match event {
            source::Event::Lines(block) => {
                let jails = block.readers.iter().filter_map(|id| {
                    let reader = readers.get(id)?;
                    Some((reader.jail.clone(), reader.in_operation.contains(block.path)))
                });
                events.push_back(Event::Lines(Lines {
                    jails: jails.collect(),
                    log: block.path.display().to_string(),
                    lines: block.places(),
                    is_cut: block.truncated,
                    bytes: block.bytes.to_vec(),
                }));
            }
            source::Event::InOperation { reader, path } => {
                if let Some(reader) = readers.get_mut(&reader) {
                    reader.in_operation.insert(path.to_owned());
                }
            }
            source::Event::Appeared { reader, path } => {
                if let Some(reader) = readers.get(&reader) {
                    let text = format!(
                        "[{}] '{}' is there now and is followed",
                        reader.jail,
                        path.display()
                    );
                    log.write(Level::INFO, FILTER, &text);
                }
            }
            source::Event::Message {
                level,
                logger,
                text,
                unreadable,
            } => {
                log.write(level, logger, &text);
                for reader in readers.values() {
                    // A pattern is written elsewhere than the files that it finds.
                    let asked = unreadable.filter(|path| reader.asked.iter().any(|asked| asked == path));
                    let place =
                        asked.and_then(|path| places.get(&reader.jail, "logpath", &path.to_string_lossy()));
                    if let Some(place) = place {
                        let text = format!("[{}] that log is written at {place}", reader.jail);
                        log.write(level, logger, &text);
                    }
                }
            }
        });
    }

    fn save(&self, id: ReaderId, reader: &Reader, store: &Store) {
        for (path, position) in self.files.positions(id) {
            store.save_position(&reader.jail, &path.to_string_lossy(), &position);
        }
        if let Some(time) = self.journal.position(id) {
            let text = format!("{} ", source::rendered(time, &self.zone));
            store.save_journal_position(&reader.jail, time, &text);
        }
    }

    fn find(&self, jail: &str) -> Option<ReaderId> {
        self.readers
            .iter()
            .find(|(_, reader)| reader.jail == jail)
            .map(|(id, _)| *id)
    }

    fn reader(&mut self, blueprint: &Blueprint) -> ReaderId {
        if let Some(id) = self.find(&blueprint.name) {
            return id;
        }
        let id = ReaderId(self.next);
        self.next += 1;
        self.readers.insert(
            id,
            Reader {
                jail: blueprint.name.clone(),
                asked: Vec::new(),
                in_operation: BTreeSet::new(),
                backend: Backend::Files(if blueprint.backend.to_lowercase().starts_with("polling") {
                    "polling"
                } else {
                    "pyinotify"
                }),
                encoding: Encoding::named(&blueprint.logencoding).unwrap_or(Encoding::UTF_8),
            },
        );
        id
    }
}
