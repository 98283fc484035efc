//! `stockade test`: what a jail or a filter would do about each line of a log, and where a line that leads nowhere is
//! dropped.
//!
//! In: a jail, a filter or expressions; a log, the journal, or lines. Out: a verdict on each line, a summary, and
//! whether anything matched.
//!
//! Lines take the way they take in the daemon: the same [`Filter`] and the same [`Jail`], made of the same blueprint.
//! Time is that of the log: each line is looked at as if it were read when it was written, so that a log of last year
//! can be tried. With `at_start` it is now, as when the daemon starts and finds the log.

mod nearest;
mod report;
mod setup;
mod verdict;

use std::io::{self, BufWriter};
use std::path::Path;

use jiff::tz::TimeZone;
use stockade_action::facts::{BanFacts, JailFacts};
use stockade_daemon::blueprint::Blueprint;
use stockade_daemon::source::{JournalMatch, JournalOptions, Matches};
use stockade_daemon::{judge, machine};
use stockade_datetime::{Clock, Timestamp, duration};
use stockade_filter::{Encoding, Entry, Filter, Found, Output, Who};
use stockade_jail::{Answer, Effect, Id, Input, Jail, ListFile, Question, Source, Ticket};
use stockade_protocol::definition;

use crate::regex::names::{self, Names};
use crate::regex::{clock, log};
use crate::terminal::complain;
use nearest::Search;
use report::Report;
pub(crate) use setup::SetupError;
use verdict::{End, Failure, Verdict};

/// What the journal is called.
const JOURNAL: &str = "systemd-journal";

/// What is to be tried, and how that is told.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The directory of the configuration.
    pub(crate) directory: Option<String>,
    /// The jail and the log; the log alone where it is no jail that is tried.
    pub(crate) words: Vec<String>,
    /// A filter with options.
    pub(crate) filter: Option<String>,
    /// Expressions, beside those of the jail or filter.
    pub(crate) failregex: Vec<String>,
    /// Exceptions, likewise.
    pub(crate) ignoreregex: Vec<String>,
    /// How dates look.
    pub(crate) datepattern: Vec<String>,
    /// Options of the jail with their values.
    pub(crate) set: Vec<String>,
    /// Lines, in place of a log.
    pub(crate) lines: Vec<String>,
    /// Time is now, and not that of the log.
    pub(crate) at_start: bool,
    /// An object for each line.
    pub(crate) json: bool,
    /// The summary alone.
    pub(crate) quiet: bool,
}

/// Why nothing can be tried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TestError {
    #[error("{0}")]
    Setup(#[from] SetupError),
    #[error("there is nothing to try\n  Name a jail, or give --filter or --failregex.")]
    NoSubject,
    #[error(
        "there is no log to try it on\n  Name a file, `-` for standard input, `{JOURNAL}`, or give --line."
    )]
    NoLog,
    #[error("the jail `{0}` has no log that is there\n  Name one behind the jail, or give --line.")]
    NoLogOfJail(String),
    #[error("too many words: a jail and a log are all there can be\n  Put the filter or the line in quotes.")]
    TooMany,
    #[error("{path}: {error}\n  Name a log file that can be read, `-` for standard input, or `{JOURNAL}`.")]
    Unreadable { path: String, error: io::Error },
    #[error("{path} is a directory\n  Name one of the files in it.")]
    Directory { path: String },
    #[error("{0}")]
    Journal(String),
}

/// Why a trial ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{0}")]
    Test(#[from] TestError),
    #[error("{0}")]
    Output(#[from] io::Error),
}

/// Where lines come from.
enum Lines {
    Given(Vec<String>),
    StandardInput,
    Files(Vec<String>),
    Journal(JournalOptions, Matches),
}

/// Tries it, and says whether any line matched.
pub(crate) fn run(options: &Options) -> Result<bool, Trouble> {
    let (jail, log) = subject(options)?;
    let is_journal = log.is_some_and(|log| log.starts_with(JOURNAL));
    let (real, year) = clock::here();
    let blueprint = setup::blueprint(options, jail, is_journal, year).map_err(TestError::from)?;
    let lines = lines(options, &blueprint, jail, log)?;
    let encoding = encoding(&blueprint);
    let out = BufWriter::new(io::stdout().lock());
    let zone = real.zone().clone();
    let mut trial = Trial {
        jail: of_blueprint(&blueprint)?,
        filter: filter(&blueprint, true)?,
        dates: filter(&blueprint, false)?,
        report: Report::new(out, options.json, options.quiet, zone),
        names: Names::default(),
        clock: real.clone(),
        real,
        at_start: options.at_start,
        is_dated: false,
        bans: 0,
        search: Search::default(),
        has_told: false,
    };
    let mut each = |entry: Entry<'_>, text: &str| trial.line(entry, text);
    match lines {
        Lines::Given(lines) => {
            for line in lines.iter().flat_map(|line| line.split('\n')) {
                each(Entry::Text(line), line)?;
            }
        }
        Lines::StandardInput => log::each_line(io::stdin().lock(), "-", encoding, true, &mut each)?,
        Lines::Files(paths) => {
            for path in paths {
                let file = log::open(&path).map_err(|error| TestError::Unreadable {
                    path: path.clone(),
                    error,
                })?;
                log::each_line(file, &path, encoding, true, &mut each)?;
            }
        }
        Lines::Journal(options, matches) => log::each_entry(options, matches, encoding, &mut each)?,
    }
    let bans = trial.bans;
    Ok(trial.report.finish(bans)?)
}

/// The jail and the log.
fn subject(options: &Options) -> Result<(Option<&str>, Option<&str>), TestError> {
    let has_own = options.filter.is_some() || !options.failregex.is_empty();
    let words: Vec<&str> = options.words.iter().map(String::as_str).collect();
    match (words.as_slice(), has_own) {
        ([], true) => Ok((None, None)),
        ([log], true) => Ok((None, Some(log))),
        ([jail, log], _) if options.filter.is_none() => Ok((Some(jail), Some(log))),
        ([jail], false) => Ok((Some(jail), None)),
        ([], false) => Err(TestError::NoSubject),
        (_, _) => Err(TestError::TooMany),
    }
}

/// What is read.
fn lines(
    options: &Options,
    blueprint: &Blueprint,
    jail: Option<&str>,
    log: Option<&str>,
) -> Result<Lines, TestError> {
    if !options.lines.is_empty() {
        return Ok(Lines::Given(options.lines.clone()));
    }
    match (log, jail) {
        (Some("-"), _) => Ok(Lines::StandardInput),
        (Some(log), _) if log.starts_with(JOURNAL) => journal(log, blueprint),
        (Some(log), _) if Path::new(log).is_dir() => Err(TestError::Directory { path: log.to_owned() }),
        (Some(log), _) => Ok(Lines::Files(vec![log.to_owned()])),
        (None, Some(_)) if blueprint.reads_journal() => journal(&blueprint.backend, blueprint),
        (None, Some(jail)) => {
            let paths = blueprint.logpath.iter().map(|log| log.path.clone());
            let paths: Vec<String> = paths.filter(|path| Path::new(path).is_file()).collect();
            if paths.is_empty() {
                return Err(TestError::NoLogOfJail(jail.to_owned()));
            }
            Ok(Lines::Files(paths))
        }
        (None, None) => Err(TestError::NoLog),
    }
}

fn journal(text: &str, blueprint: &Blueprint) -> Result<Lines, TestError> {
    let bad = |error: &dyn std::fmt::Display| TestError::Journal(format!("{text}: {error}"));
    let definition = definition::parse(text).map_err(|error| bad(&error))?;
    let parameters = definition.parameters.iter();
    let parameters = parameters.map(|(name, value)| (name.as_str(), value.as_str()));
    let options = JournalOptions::parse(parameters).map_err(|error| bad(&error))?;
    let mut matches = Matches::default();
    for words in &blueprint.journalmatch {
        matches.add(JournalMatch::parse(words).map_err(|error| bad(&error))?);
    }
    Ok(Lines::Journal(options, matches))
}

fn encoding(blueprint: &Blueprint) -> Encoding {
    // One that is unknown was refused before; `auto` is UTF-8.
    Encoding::named(&blueprint.logencoding).unwrap_or(Encoding::UTF_8)
}

fn filter(blueprint: &Blueprint, explains: bool) -> Result<Filter, TestError> {
    let mut filter = blueprint.filter().map_err(SetupError::Command)?;
    filter.set_explain(explains);
    Ok(filter)
}

fn of_blueprint(blueprint: &Blueprint) -> Result<Jail, TestError> {
    let mut jail = Jail::new(blueprint.name.clone(), blueprint.counting.clone());
    blueprint
        .fill_ignore_list(jail.ignore_mut())
        .map_err(SetupError::Command)?;
    jail.ignore_mut().set_own_addresses(machine::addresses());
    Ok(jail)
}

/// A filter and a jail at work.
struct Trial<W> {
    jail: Jail,
    filter: Filter,
    /// Knows when lines were written; apart from the other, whose dates remember every look.
    dates: Filter,
    report: Report<W>,
    names: Names,
    /// The time that the filter and the jail are told.
    clock: Clock,
    /// The time it is.
    real: Clock,
    at_start: bool,
    /// A line has told the time.
    is_dated: bool,
    bans: usize,
    search: Search,
    /// That the `ignorecommand` cannot be asked.
    has_told: bool,
}

impl<W: io::Write> Trial<W> {
    fn line(&mut self, entry: Entry<'_>, text: &str) -> Result<(), Trouble> {
        self.tell_time(entry);
        let now = self.clock.now();
        let mut effects = Vec::new();
        if self.jail.next_wakeup().is_some_and(|at| at <= now) {
            self.jail.step(now, Input::Wakeup, &mut effects);
        }
        let mut output = Output::default();
        self.filter
            .process(entry, &self.clock, !self.at_start, &mut output);
        let mut failures = Vec::new();
        for found in output.found {
            self.fail(now, found, &mut failures);
        }
        let line = match entry {
            Entry::Text(line) => line,
            Entry::Bytes(..) | Entry::Journal { .. } => text,
        };
        let findtime_seconds = self.jail.settings().findtime_micros / 1_000_000;
        let of = (&self.filter, findtime_seconds);
        let verdict = Verdict::of(line, &output.steps, failures, of, &mut self.search);
        Ok(self.report.add(text, &verdict)?)
    }

    /// Moves the clock to when the line was written; it never goes back.
    fn tell_time(&mut self, entry: Entry<'_>) {
        let time = match entry {
            _ if self.at_start => None,
            Entry::Text(line) => self.dates.date_of(line.as_bytes(), &self.real),
            Entry::Bytes(bytes, _) => self.dates.date_of(bytes, &self.real),
            Entry::Journal { time, .. } => Some(time),
        };
        if let Some(time) = time
            && (!self.is_dated || time > self.clock.now())
        {
            self.is_dated = true;
            self.clock.set(time);
        }
    }

    /// Counts a match, for each address that it has.
    fn fail(&mut self, now: Timestamp, found: Found, failures: &mut Vec<Failure>) {
        let addresses = match &found.who {
            Who::Host(name) => names::addresses(&self.names.look_up(name).0),
            Who::Id(..) | Who::Pending => Vec::new(),
        };
        for candidate in found.into_candidates(&addresses) {
            let id = candidate.id.clone();
            let mut effects = Vec::new();
            self.jail.step(now, Input::Failure(candidate), &mut effects);
            let mut failure = None;
            // Each answer can raise a further question, of which an ignore list has a limited number.
            let mut effects = std::collections::VecDeque::from(effects);
            while let Some(effect) = effects.pop_front() {
                if let Effect::Ask(question) = effect {
                    let mut more = Vec::new();
                    let answer = self.answer(question);
                    self.jail.step(now, Input::Answer(answer), &mut more);
                    effects.extend(more);
                } else {
                    failure = self.failure(&id, effect).or(failure);
                }
            }
            failures.extend(failure);
        }
    }

    /// Answers at once what the daemon asks beside its loop.
    fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Resolve(name) => {
                let addresses = names::addresses(&self.names.look_up(&name).0);
                Answer::Resolved(name, addresses)
            }
            Question::Read(path) => {
                let file = match std::fs::read_to_string(&path) {
                    Ok(text) => ListFile::Content(text),
                    Err(_) => ListFile::Unreadable,
                };
                Answer::Read(path, file)
            }
            Question::History { number, .. } => Answer::History(number, None),
            Question::Command { number, ticket } => Answer::Command(number, self.ask(number, *ticket)),
        }
    }

    /// Whether the `ignorecommand` says that somebody is to be ignored.
    fn ask(&mut self, number: u64, ticket: Ticket) -> bool {
        let (counts, settings) = (self.jail.status(), self.jail.settings());
        let ticket_time = ticket.time;
        let facts = BanFacts::new(
            ticket,
            JailFacts {
                name: self.jail.name().to_owned(),
                bantime: settings.bantime,
                banned: counts.currently_banned,
                banned_total: counts.total_banned,
                found: counts.currently_failed,
                found_total: counts.total_failed,
                now: ticket_time,
            },
        );
        let command = settings.ignorecommand.clone().unwrap_or_default();
        match judge::ask_now(&command, &facts, &machine::host_names(), number) {
            Ok(ignored) => ignored,
            Err(reasons) => {
                if !std::mem::replace(&mut self.has_told, true) {
                    complain(&format!(
                        "the ignorecommand failed, so it spares nobody: {}",
                        reasons.join("; ")
                    ));
                }
                false
            }
        }
    }

    /// What an effect means for the id that failed.
    fn failure(&mut self, id: &Id, effect: Effect) -> Option<Failure> {
        let failure = |end, why| Failure {
            id: id.to_string(),
            end,
            count: None,
            ignored_by: None,
            until: None,
            why,
        };
        match effect {
            Effect::Found { .. } => {
                let maxretry = self.jail.settings().maxretry;
                let findtime = duration::to_text(self.jail.settings().findtime_micros / 1_000_000);
                let count = self.jail.count_of(id);
                let shown = count.map_or_else(|| "?".to_owned(), |count| count.to_string());
                Some(Failure {
                    count,
                    ..failure(
                        End::Counted,
                        format!("{id} is counted, {shown} of {maxretry} within {findtime}"),
                    )
                })
            }
            Effect::Ignored { source, .. } => {
                let by = self.ignored_by(id, &source);
                Some(Failure {
                    ignored_by: Some(by.clone()),
                    ..failure(End::Ignored, format!("{id} is never banned: {by}"))
                })
            }
            Effect::Ban(ticket) => {
                self.bans += 1;
                let zone = self.clock.zone();
                let end = ticket.bantime_in(self.jail.settings().bantime).end(ticket.time);
                let until = (end < Timestamp::MAX).then_some(end);
                let until_text = until.map_or_else(
                    || "for ever".to_owned(),
                    |end| format!("until {}", local(end, zone)),
                );
                Some(Failure {
                    count: Some(ticket.retry),
                    until,
                    ..failure(
                        End::Banned,
                        format!("{id} is banned at {} {until_text}", local(ticket.time, zone)),
                    )
                })
            }
            Effect::AlreadyBanned { .. } => {
                Some(failure(End::AlreadyBanned, format!("{id} is banned already")))
            }
            Effect::ExpiredBan(_) => Some(failure(
                End::Counted,
                format!("{id} has failed often enough, but its ban would be over by now"),
            )),
            Effect::Attempt { .. }
            | Effect::KnownOffender { .. }
            | Effect::Prolonged { .. }
            | Effect::AskedAnew(_)
            | Effect::Unban(..)
            | Effect::Flush(..)
            | Effect::Forget(_)
            | Effect::NotBanned(_)
            | Effect::Ask(_) => None,
        }
    }

    /// What says that an id is never banned, as it is written.
    fn ignored_by(&mut self, id: &Id, source: &Source) -> String {
        use stockade_jail::Entry as Known;
        match source {
            Source::Own => "it is an address of this machine (ignoreself)".to_owned(),
            Source::Address => {
                let entries = self.jail.ignore().entries();
                let address = id.address();
                let mut fitting = entries.filter(|entry| match (entry, address) {
                    (Known::Address(known), Some(address)) => known.contains(address),
                    (Known::Address(_) | Known::Name(_) | Known::File(_), _) => false,
                });
                let entry = fitting.next().map(ToString::to_string).unwrap_or_default();
                format!("ignoreip has {entry}")
            }
            Source::Name => "ignoreip has a host name with this address".to_owned(),
            Source::File(path) => format!("it is in the list {path} of ignoreip"),
            Source::Command => "the ignorecommand says so".to_owned(),
        }
    }
}

/// A moment as `2024-01-02 03:04:05`, in local time.
fn local(time: Timestamp, zone: &TimeZone) -> String {
    let at = jiff::Timestamp::from_second(time.seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}
