//! Which jail follows which logs, and how far each has come.
//!
//! In: blueprints, and what the sources deliver. Out: [`Event`]s for the loop; positions for the database.
//!
//! Invariant: a position is kept only once the lines before it have been dealt with.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use stockade_datetime::Timestamp;
use stockade_filter::Encoding;
use stockade_protocol::{Failure, Value, definition};

use crate::accounts;
use crate::agenda::{Agenda, Place};
use crate::backend::{self, Kind};
use crate::blueprint::Blueprint;
use crate::limits::Fill;
use crate::log::{Level, Records};
use crate::machine;
use crate::places::{Behind, Registry};
use crate::source::{
    self, Disk, Files, FollowOptions, Journal, JournalEvent, JournalMatch, JournalOptions, JournalStart,
    LineBreak, Matches, Pipes, ReaderId, Reports, SYSLOG, Selector, Senders, SourceKind, SourceState,
    SourceStatus, Start, Syslog,
};
use crate::store::Store;
use crate::world::{self, Event, Lines, Progress, Sources};

const FILTER: &str = "fail2ban.filter";
const JAIL: &str = "fail2ban.jail";

/// Which jail follows which logs.
pub(crate) struct Following<D: Disk> {
    files: Files<D>,
    journal: Journal,
    pipes: Pipes,
    reports: Reports,
    syslog: Syslog,
    readers: BTreeMap<ReaderId, Reader>,
    next: u32,
    /// What could not be followed, by the jails that it keeps from running: which source, and why.
    refused: BTreeMap<String, (String, String)>,
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
    /// From messages of syslog; as it is written.
    Syslog(String),
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
            pipes: Pipes::new(),
            reports: Reports::new(),
            syslog: Syslog::new(machine::host_names().short, zone.clone()),
            readers: BTreeMap::new(),
            next: 0,
            refused: BTreeMap::new(),
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

    /// A file system was mounted or unmounted: any name may stand for something else.
    pub(crate) fn mounted(&mut self) {
        self.files.suspect_all();
        self.journal.look_again();
    }

    /// What to wait for where the journal is concerned.
    #[must_use]
    pub(crate) fn journal_fd(&self) -> Option<BorrowedFd<'_>> {
        self.journal.fd()
    }

    /// What to wait for where pipes are concerned.
    #[must_use]
    pub(crate) fn pipes_fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipes.fd()
    }

    /// What to wait for where reports are concerned.
    #[must_use]
    pub(crate) fn reports_fd(&self) -> Option<BorrowedFd<'_>> {
        self.reports.fd()
    }

    /// What to wait for where syslog is concerned.
    #[must_use]
    pub(crate) fn syslog_fd(&self) -> Option<BorrowedFd<'_>> {
        self.syslog.fd()
    }

    /// Changes a setting of the sources; whether there is one of that name.
    ///
    /// # Errors
    /// Where the value cannot be used; the old one stays.
    pub(crate) fn set(&mut self, option: &str, value: &Value) -> Result<bool, Failure> {
        let text = value.text();
        let outcome = match option {
            "reportsocket" => self.reports.set_socket(&text),
            "sysloglisten" => self.syslog.set_places(&text),
            "syslogallow" => self.syslog.set_allowed(&text),
            _ => return Ok(false),
        };
        let failed = |error: String| Failure::value_error(format!("`{option}` cannot be used: {error}"));
        outcome.map(|()| true).map_err(failed)
    }

    /// A setting of the sources.
    #[must_use]
    pub(crate) fn get(&self, option: &str) -> Option<Value> {
        match option {
            "reportsocket" => Some(self.reports.socket().map_or(Value::None, Value::from)),
            "sysloglisten" => Some(text_or_none(&self.syslog.places())),
            "syslogallow" => Some(text_or_none(self.syslog.allowed())),
            _ => None,
        }
    }

    /// When there is something to do although nothing has happened.
    #[must_use]
    pub(crate) fn next_wakeup(&self, now: Timestamp) -> Option<Timestamp> {
        [
            self.files.next_wakeup(now),
            self.journal.next_wakeup(now),
            self.pipes.next_wakeup(),
        ]
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
        self.refused.remove(&blueprint.name);
        let id = self.reader(blueprint);
        self.take_reports(blueprint);
        let since = now.plus_micros(blueprint.counting.findtime_micros.saturating_neg());
        if blueprint.reads_journal() {
            return self.follow_journal(id, since, blueprint, store);
        }
        if let Some(selector) = blueprint.syslog() {
            self.follow_syslog(id, selector, blueprint);
            return Ok(());
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
            if self.is_piped(gone) {
                self.pipes.remove(id, gone);
            } else {
                self.files.remove_file(id, gone);
            }
            self.tell_removed(gone);
        }
        let options = FollowOptions {
            line_break: LineBreak::of_encoding(&blueprint.logencoding),
            polling: Kind::of(&blueprint.backend, self.files.are_told_of()) == Kind::Polled,
        };
        for log in &blueprint.logpath {
            let path = Path::new(&log.path);
            let place = blueprint.places.get("logpath", &log.path);
            if asked.iter().any(|known| known == path) {
                continue;
            }
            if self.is_piped(path) {
                self.pipes.add_command(id, path, options.line_break);
                if let Some(reader) = self.readers.get_mut(&id) {
                    reader.in_operation.insert(path.to_owned());
                }
                self.log
                    .write(Level::INFO, FILTER, &format!("Added logfile: '{}'", log.path));
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
                    let why = format!("{}, then reload", source::trouble(&error));
                    self.refused
                        .insert(blueprint.name.clone(), (log.path.clone(), why));
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
                if self.files.is_fifo(&file.path) {
                    self.log
                        .write(Level::INFO, FILTER, &format!("Added logfile: '{path}' (pipe)"));
                    continue;
                }
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
        self.pipes.set_idle(id, blueprint.counting.idle);
        Ok(())
    }

    /// Takes reports for a jail from whom it wants them.
    fn take_reports(&mut self, blueprint: &Blueprint) {
        let jail = &blueprint.name;
        if !blueprint.reports {
            self.reports.set_jail(jail, None);
            return;
        }
        let mut users = Vec::new();
        for name in &blueprint.reports_from {
            match accounts::user(name) {
                Some(user) => users.push(user),
                None => {
                    let text = format!("[{jail}] there is no user '{name}' whose reports could be taken");
                    self.log.write(Level::ERROR, FILTER, &text);
                }
            }
        }
        self.reports.set_jail(jail, Some(Senders::new(users)));
        if self.reports.socket().is_none() {
            let text = format!("[{jail}] takes reports, and there is no socket for them: set `reportsocket`");
            self.log.write(Level::WARNING, FILTER, &text);
        }
    }

    fn follow_syslog(&mut self, id: ReaderId, selector: Selector, blueprint: &Blueprint) {
        let jail = &blueprint.name;
        if let Some(reader) = self.readers.get_mut(&id) {
            reader.backend = Backend::Syslog(blueprint.backend.clone());
            // What comes is being sent now.
            reader.in_operation.insert(PathBuf::from(SYSLOG));
        }
        if !self.syslog.is_listening() {
            let text = format!("[{jail}] reads syslog, and there is no socket for it: set `sysloglisten`");
            self.log.write(Level::WARNING, FILTER, &text);
        }
        self.syslog.set_reader(id, selector);
        self.syslog.set_idle(id, blueprint.counting.idle);
    }

    /// Whether a log is the output of a command.
    fn is_piped(&self, path: &Path) -> bool {
        path.to_str().and_then(source::piped_command).is_some()
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
            let (after, cursor) = match store.journal_position(jail).ok().flatten() {
                Some(position) => (Some(position.time), position.cursor),
                None => (None, None),
            };
            let start = JournalStart { after, cursor, since };
            self.journal.add(id, options, matches, start);
        }
        self.journal.set_idle(id, blueprint.counting.idle);
        Ok(())
    }

    /// Lets go of everything that `jail` follows.
    pub(crate) fn unfollow(&mut self, jail: &str, store: &Store) {
        let Some(id) = self.find(jail) else { return };
        if let Some(reader) = self.readers.remove(&id) {
            self.save(id, &reader, store);
            reader.asked.iter().for_each(|path| self.tell_removed(path));
        }
        self.files.remove_reader(id);
        self.pipes.remove_reader(id);
        self.reports.set_jail(jail, None);
        self.syslog.remove(id);
        self.journal.remove(id);
    }

    fn tell_removed(&self, path: &Path) {
        self.log.write(
            Level::INFO,
            FILTER,
            &format!("Removed logfile: '{}'", path.display()),
        );
    }

    /// Keeps how far every jail has come, where `is_wanted`: where all that was delivered has been dealt with.
    pub(crate) fn save_where(&self, store: &Store, is_wanted: &dyn Fn(Place) -> bool) {
        for (id, reader) in &self.readers {
            self.save_of(*id, reader, store, is_wanted);
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
                paths.extend(self.pipes.commands(id));
                // What only a pattern has found comes last, by its name.
                let asked = |path: &&Path| reader.asked.iter().position(|known| known == path);
                paths.sort_by_key(|path| asked(path).unwrap_or(usize::MAX));
                let paths = paths.into_iter().map(|path| path.display().to_string());
                Sources::Files(backend, paths.collect())
            }
            Backend::Journal { matches, .. } => Sources::Journal(matches.clone()),
            Backend::Syslog(backend) => Sources::Files(SYSLOG, vec![backend.clone()]),
        })
    }

    /// How all sources are doing, each a dictionary.
    #[must_use]
    pub(crate) fn source_statuses(&self, now: Timestamp) -> Vec<Value> {
        let name = |id: &ReaderId| self.readers.get(id).map(|reader| reader.jail.as_str());
        let followed = self
            .files
            .statuses(now)
            .into_iter()
            .chain(self.pipes.statuses(now))
            .chain(self.syslog.statuses(now))
            .chain(self.journal.statuses(now));
        let followed = followed.map(|status| {
            let jails: Vec<&str> = status.readers.iter().filter_map(name).collect();
            status.to_value(&jails)
        });
        let refused = self.refused.iter().map(|(jail, (path, why))| {
            let state = SourceState::Failing(why.clone());
            SourceStatus::new(SourceKind::File, path.as_str(), state).to_value(&[jail])
        });
        let reports = self.reports.status(now);
        let reports = reports.map(|(status, jails)| status.to_value(&jails));
        followed.chain(reports).chain(refused).collect()
    }

    /// How full everything is that has a limit, of sources that have one of their own.
    #[must_use]
    pub(crate) fn fills(&self) -> Vec<Fill> {
        let mut fills = self.pipes.fills();
        fills.extend(self.journal.fills());
        fills.extend(self.syslog.fills());
        fills.extend(self.reports.fill());
        fills
    }

    /// Forgets what could not be followed: the configuration is read anew.
    pub(crate) fn forget_refused(&mut self) {
        self.refused.clear();
    }

    /// Reads what has been written, as long as `agenda` has room: of each source once all of before was dealt with. What
    /// becomes of the names of logs is noticed in any case.
    pub(crate) fn ready(&mut self, now: Timestamp, agenda: &mut Agenda) {
        let has_room = agenda.has_room();
        let waiting = agenda.waiting();
        let is_dealt_with = |place: Place| has_room && !waiting.contains(&place);
        let may_read = |path: &Path| is_dealt_with(Place::Log(path.display().to_string()));
        let Self {
            files,
            journal,
            pipes,
            reports,
            syslog,
            readers,
            log,
            zone,
            places,
            ..
        } = self;
        let mut take_entry = |event: JournalEvent<'_>| match event {
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
                agenda.add_entries(entries);
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
        };
        if is_dealt_with(Place::Journal) {
            journal.ready(now, &mut take_entry);
        }
        let mut counted = Vec::new();
        let mut hand_on =
            |event: source::Event<'_>| hand_on(event, readers, log, places, (agenda, &mut counted));
        files.ready_where(&may_read, now, &mut hand_on);
        if let Some(named) = files.changed_fifos() {
            pipes.set_named(named, &mut hand_on);
        }
        pipes.ready_where(&may_read, now, &mut hand_on);
        if may_read(Path::new(SYSLOG)) {
            syslog.ready(now, &mut hand_on);
        }
        for (path, line_break, lines, is_cut) in counted {
            let lines = u64::try_from(lines).unwrap_or(u64::MAX);
            files.count(now, &path, line_break, lines, u64::from(is_cut));
            pipes.count(now, &path, line_break, lines, u64::from(is_cut));
        }
        if !is_dealt_with(Place::Reports) {
            return;
        }
        let mut reported = Vec::new();
        if let Some(complaint) = reports.ready(now, &mut |report| reported.push(report)) {
            log.write(Level::WARNING, FILTER, &complaint);
        }
        if !reported.is_empty() {
            agenda.add(Event::Reports(reported));
        }
    }

    /// Keeps how far a jail has come. To be called when all that was delivered has been dealt with.
    fn save(&self, id: ReaderId, reader: &Reader, store: &Store) {
        self.save_of(id, reader, store, &|_| true);
    }

    fn save_of(&self, id: ReaderId, reader: &Reader, store: &Store, is_wanted: &dyn Fn(Place) -> bool) {
        for (path, position) in self.files.positions(id) {
            if is_wanted(Place::Log(path.display().to_string())) {
                store.save_position(&reader.jail, &path.to_string_lossy(), &position);
            }
        }
        if let Some(time) = self.journal.position(id)
            && is_wanted(Place::Journal)
        {
            let text = format!("{} ", source::rendered(time, &self.zone));
            let cursor = self.journal.cursor(id);
            store.save_journal_position(&reader.jail, time, &text, cursor);
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
        let kernel_tells = self.files.are_told_of();
        for (level, text) in backend::records(&blueprint.name, &blueprint.backend, kernel_tells) {
            self.log.write(level, JAIL, &text);
        }
        for (logger, text) in blueprint.told.records(blueprint) {
            self.log.write(Level::INFO, logger, &text);
        }
        self.readers.insert(
            id,
            Reader {
                jail: blueprint.name.clone(),
                asked: Vec::new(),
                in_operation: BTreeSet::new(),
                backend: Backend::Files(Kind::of(&blueprint.backend, kernel_tells).name()),
                encoding: Encoding::named(&blueprint.logencoding).unwrap_or(Encoding::UTF_8),
            },
        );
        id
    }
}

/// A setting as it was given.
fn text_or_none(text: &str) -> Value {
    if text.is_empty() { Value::None } else { text.into() }
}

/// How many lines of a source were read, and whether one was cut.
type Counted = (PathBuf, LineBreak, usize, bool);

/// Gives the loop what was read, and the log what is to be told.
fn hand_on(
    event: source::Event<'_>,
    readers: &mut BTreeMap<ReaderId, Reader>,
    log: &Records,
    places: &Registry,
    (agenda, counted): (&mut Agenda, &mut Vec<Counted>),
) {
    match event {
        source::Event::Lines(block) => {
            let lines = block.places();
            counted.push((
                block.path.to_owned(),
                block.line_break,
                lines.len(),
                block.truncated,
            ));
            let jails = block.readers.iter().filter_map(|id| {
                let reader = readers.get(id)?;
                Some((reader.jail.clone(), reader.in_operation.contains(block.path)))
            });
            agenda.add(Event::Lines(Lines {
                jails: jails.collect(),
                log: block.path.display().to_string(),
                lines,
                is_cut: block.truncated,
                bytes: block.bytes.to_vec(),
                progress: Progress::default(),
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
        source::Event::Vanished { reader, path } => {
            if let Some(reader) = readers.get_mut(&reader) {
                reader.in_operation.remove(path);
                let text = format!("[{}] '{}' is gone", reader.jail, path.display());
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
    }
}
