//! Which jail follows which logs, and how far each has come.
//!
//! In: blueprints, and what the sources deliver. Out: [`Event`]s for the loop; positions for the database.
//!
//! Invariant: a position is kept only once the lines before it have been dealt with.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stockade_datetime::Timestamp;
use stockade_protocol::Failure;

use crate::blueprint::Blueprint;
use crate::log::{Level, Log};
use crate::source::{self, Files, FollowOptions, LineBreak, ReaderId, Start};
use crate::store::Store;
use crate::world::{Event, Lines, Sources};

const FILTER: &str = "fail2ban.filter";
/// How many blocks of lines may wait for the loop; a block has a megabyte at most.
const WAITING_BLOCKS: usize = 8;

/// Which jail follows which logs.
pub(crate) struct Following {
    files: Files,
    readers: BTreeMap<ReaderId, Reader>,
    next: u32,
    log: Arc<Log>,
}

struct Reader {
    jail: String,
    /// The paths and patterns that were asked for.
    asked: BTreeSet<PathBuf>,
    /// The files whose end was reached.
    in_operation: BTreeSet<PathBuf>,
    /// How the backend is called.
    backend: &'static str,
}

impl Following {
    /// Follows nothing yet.
    #[must_use]
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self {
            files: Files::new(),
            readers: BTreeMap::new(),
            next: 0,
            log,
        }
    }

    /// What to wait for.
    #[must_use]
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.files.fd()
    }

    /// When there is something to do although nothing has happened.
    #[must_use]
    pub(crate) fn next_wakeup(&self, now: Timestamp) -> Option<Timestamp> {
        self.files.next_wakeup(now)
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
        let wanted: BTreeSet<PathBuf> = blueprint
            .logpath
            .iter()
            .map(|log| PathBuf::from(&log.path))
            .collect();
        let asked = self
            .readers
            .get(&id)
            .map(|reader| reader.asked.clone())
            .unwrap_or_default();
        for gone in asked.difference(&wanted) {
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
        let since = now.plus_micros(blueprint.counting.findtime_micros.saturating_neg());
        for log in &blueprint.logpath {
            let path = Path::new(&log.path);
            if asked.contains(path) {
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
                .add(id, path, options, &mut start, date)
                .map_err(|error| {
                    Failure::os_error(
                        error.raw_os_error().unwrap_or(0),
                        error.to_string(),
                        log.path.clone(),
                    )
                })?;
            if added.is_empty() {
                self.log.write(
                    Level::WARNING,
                    FILTER,
                    &format!(
                        "[{}] no file matches '{}' yet; the jail waits for one",
                        blueprint.name, log.path
                    ),
                );
            }
            for file in added {
                let path = file.path.display();
                if file.absent {
                    let text = format!(
                        "[{}] '{path}' is not there yet; the jail waits for it",
                        blueprint.name
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

    /// Lets go of everything that `jail` follows.
    pub(crate) fn unfollow(&mut self, jail: &str, store: &Store) {
        let Some(id) = self.find(jail) else { return };
        self.save(id, jail, store);
        self.files.remove_reader(id);
        self.readers.remove(&id);
    }

    /// Keeps how far every jail has come. To be called when all that was delivered has been dealt with.
    pub(crate) fn save_all(&self, store: &Store) {
        for (id, reader) in &self.readers {
            self.save(*id, &reader.jail, store);
        }
    }

    /// What `jail` follows.
    #[must_use]
    pub(crate) fn sources(&self, jail: &str) -> Option<Sources> {
        let id = self.find(jail)?;
        let backend = self.readers.get(&id)?.backend;
        let paths = self
            .files
            .paths(id)
            .into_iter()
            .map(|path| path.display().to_string())
            .collect();
        Some(Sources::Files(backend, paths))
    }

    /// Reads what has been written, as long as `events` has room.
    pub(crate) fn ready(&mut self, now: Timestamp, events: &mut VecDeque<Event>) {
        if events.len() >= WAITING_BLOCKS {
            return;
        }
        let Self {
            files, readers, log, ..
        } = self;
        files.ready(now, &mut |event| match event {
            source::Event::Lines(block) => {
                let jails = block.readers.iter().filter_map(|id| {
                    let reader = readers.get(id)?;
                    Some((reader.jail.clone(), reader.in_operation.contains(block.path)))
                });
                let mut at = 0;
                let lines = block.lines().map(|line| {
                    let start = at;
                    at += line.bytes.len();
                    start..at
                });
                events.push_back(Event::Lines(Lines {
                    jails: jails.collect(),
                    log: block.path.display().to_string(),
                    lines: lines.collect(),
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
            source::Event::Message { level, logger, text } => log.write(level, logger, &text),
        });
    }

    fn save(&self, id: ReaderId, jail: &str, store: &Store) {
        for (path, position) in self.files.positions(id) {
            store.save_position(jail, &path.to_string_lossy(), &position);
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
                asked: BTreeSet::new(),
                in_operation: BTreeSet::new(),
                backend: if blueprint.backend.to_lowercase().starts_with("polling") {
                    "polling"
                } else {
                    "pyinotify"
                },
            },
        );
        id
    }
}
