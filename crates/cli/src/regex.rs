//! `fail2ban-regex`, as the reference has it: tries a filter or an expression on a log.
//!
//! In: the command line. Out: a header that says what is used, what was found, and the exit status: 0 where it ran,
//! 255 for a mistake it names, 2 for options it does not know, and 1 where the reference breaks off with a call chain.
//!
//! A line takes the same way here as in the daemon, but that every time is accepted and nothing is counted. The log
//! is read as it comes; what is kept of it is what will be listed.

pub(crate) mod clock;
mod debuggex;
mod expressions;
pub(crate) mod log;
pub(crate) mod names;
pub mod options;
mod output;
mod printer;
mod records;
mod report;
mod statistics;
mod usage;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::Instant;

use stockade_daemon::log::Level;
use stockade_daemon::source::{JournalMatch, JournalOptions, Matches};
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Captured, Encoding, Entry, Filter, Found, Id, Mode, Output, Step, UseDns, Who};
use stockade_protocol::Value;
use stockade_protocol::definition;
use stockade_protocol::text::EXIT_FAILURE;

use crate::options::VERSION;
use crate::terminal::complain;
use crate::words;
use expressions::{Expressions, shortened};
use names::Names;
use options::{CommandLine, Options};
use output::{Failure, Format};
use printer::{Printer, Trouble};
use records::Records;
use statistics::Statistics;

/// What a log is called that is the journal.
const JOURNAL: &str = "systemd-journal";

/// How many lines of the argument the header shows.
const SHOWN_LINES: usize = 5;

/// Runs `fail2ban-regex`. The first argument is its name, as everywhere.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = arguments
        .into_iter()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let help = || crate::terminal::prompt(&format!("{}\n{}", usage::SYNTAX, usage::HELP));
    let result = match options::parse(&words, VERSION) {
        CommandLine::Print(text) => {
            crate::terminal::print(&text);
            Ok(())
        }
        CommandLine::Help => {
            help();
            Ok(())
        }
        CommandLine::Misuse(text) => {
            help();
            Err(Trouble::Misuse(text))
        }
        CommandLine::BadOption(text) => {
            complain(&format!("{}\n\nfail2ban-regex: error: {text}", usage::SYNTAX));
            return ExitCode::from(2);
        }
        CommandLine::Try {
            options,
            log,
            regex,
            ignoreregex,
        } => try_on_log(&options, &log, &regex, ignoreregex.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // It is printed already.
        Err(Trouble::Told(_)) => ExitCode::from(EXIT_FAILURE),
        Err(Trouble::Misuse(text)) => {
            complain(&format!("\n{text}"));
            ExitCode::from(EXIT_FAILURE)
        }
        Err(Trouble::Unexpected(text)) => {
            complain(&format!("fail2ban-regex: {text}"));
            ExitCode::FAILURE
        }
        Err(Trouble::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Trouble::Output(error)) => {
            complain(&format!("fail2ban-regex: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Everything, with what goes wrong printed behind what was printed before.
fn try_on_log(options: &Options, log: &str, regex: &str, ignoreregex: Option<&str>) -> Result<(), Trouble> {
    let mut printer = Printer::new(options.out.is_none());
    let mut result = run(options, &mut printer, log, regex, ignoreregex);
    if let Err(Trouble::Told(text)) = &result {
        result = printer.line(text).map_err(Trouble::from).and(result);
    }
    let flushed = printer.flush();
    result.and(flushed.map_err(Trouble::from))
}

fn run(
    options: &Options,
    printer: &mut Printer,
    log: &str,
    regex: &str,
    ignoreregex: Option<&str>,
) -> Result<(), Trouble> {
    printer.note("")?;
    printer.note("Running tests")?;
    printer.note("=============")?;
    printer.note("")?;
    let level = match &options.log_level {
        Some(text) => Level::parse(text).map_err(|_| {
            Trouble::Unexpected(format!(
                "there is no log level `{text}`\n  Use one of CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG."
            ))
        })?,
        None => Level::CRITICAL,
    };
    let records = Records::new(level);
    let is_journal = log.starts_with(JOURNAL);
    let (clock, year) = clock::here();
    let mut filter = Filter::new(
        Mode {
            check_all: options.check_all && options.out.is_none(),
            tell_pending: options.out.is_none(),
            raw: options.raw,
            any_time: true,
            explain: true,
        },
        year,
    );
    let mut journalmatch = Vec::new();
    let mut expressions = Expressions {
        options,
        printer,
        records: &records,
        filter: &mut filter,
        journalmatch: &mut journalmatch,
        backend: if is_journal { "systemd" } else { "auto" },
    };
    if let Some(usedns) = &options.usedns {
        expressions.set_usedns(usedns)?;
    }
    if let Some(lines) = options.maxlines {
        expressions.set_maxlines(lines).map_err(Trouble::error)?;
    }
    if let Some(text) = &options.journalmatch {
        let words = words::split(text).map_err(Trouble::error)?;
        if !words.is_empty() {
            expressions.journalmatch.push(words);
        }
    }
    if let Some(zone) = &options.timezone {
        expressions.filter.set_logtimezone(zone).map_err(Trouble::error)?;
    }
    if let Some(pattern) = &options.datepattern {
        expressions.set_datepattern(pattern)?;
    }
    expressions.read(regex)?;
    if let Some(regex) = ignoreregex {
        let shown = shortened(regex);
        printer.note(&format!("Use ignoreregex line : {shown}"))?;
        while filter.remove_ignoreregex(0) {}
        filter.add_ignoreregex(regex).map_err(Trouble::error)?;
    }
    let source = open(options, printer, &filter, log, journalmatch)?;
    let statistics = Statistics::new(
        (report::failregexes(&filter).len(), filter.ignoreregex().len()),
        filter.maxlines(),
        options.maxlines.and_then(|lines| usize::try_from(lines).ok()),
        (options.verbosity != 0, options.debuggex),
        [options.matched, options.ignored, options.missed],
    );
    let trial = Trial {
        options,
        printer,
        records: &records,
        format: options.out.as_deref().map(Format::parse),
        filter,
        clock,
        names: Names::default(),
        statistics,
        output: Output::default(),
        last_time: None,
        last_prefix: None,
    };
    trial.carry_out(source, is_journal)
}

/// Where lines come from.
enum Source {
    File {
        file: std::fs::File,
        name: String,
        encoding: Encoding,
    },
    Journal {
        options: JournalOptions,
        matches: Matches,
        encoding: Encoding,
    },
    Text(String),
}

/// Opens the log and says what it is.
fn open(
    options: &Options,
    printer: &mut Printer,
    filter: &Filter,
    log: &str,
    journalmatch: Vec<Vec<String>>,
) -> Result<Source, Trouble> {
    let encoding = || -> Result<(Encoding, &str), Trouble> {
        match options.encoding.as_deref() {
            None => Ok((Encoding::UTF_8, "UTF-8")),
            Some(name) => {
                let encoding = Encoding::named(name).map_err(|error| {
                    Trouble::Unexpected(format!("{error}\n  Use one such as UTF-8 or latin-1."))
                })?;
                Ok((encoding, name))
            }
        }
    };
    if std::fs::metadata(log).is_ok_and(|metadata| metadata.is_file()) {
        let (encoding, name) = encoding()?;
        let file = log::open(log)
            .map_err(|error| Trouble::error(format!("failed to open log file {log}: {error}")))?;
        printer.note(&format!("Use         log file : {log}"))?;
        printer.note(&format!("Use         encoding : {name}"))?;
        return Ok(Source::File {
            file,
            name: log.to_owned(),
            encoding,
        });
    }
    if log.starts_with(JOURNAL) {
        printer.note("Use         systemd journal")?;
        let (encoding, name) = encoding()?;
        printer.note(&format!("Use         encoding : {name}"))?;
        let bad = |error: &dyn std::fmt::Display| Trouble::Unexpected(format!("{log}: {error}"));
        let definition = definition::parse(log).map_err(|error| bad(&error))?;
        let parameters = definition.parameters.iter();
        let parameters = parameters.map(|(name, value)| (name.as_str(), value.as_str()));
        let options = JournalOptions::parse(parameters).map_err(|error| bad(&error))?;
        let mut matches = Matches::default();
        for words in &journalmatch {
            let wanted = JournalMatch::parse(words).map_err(|error| {
                Trouble::Unexpected(format!(
                    "`{}` is no match for the journal\n  Use words such as _SYSTEMD_UNIT=sshd.service.",
                    error.word
                ))
            })?;
            matches.add(wanted);
        }
        if !journalmatch.is_empty() {
            let groups: Vec<String> = journalmatch.iter().map(|words| words.join(" ")).collect();
            printer.note(&format!("Use    journal match : {}", groups.join(" ")))?;
        }
        return Ok(Source::Journal {
            options,
            matches,
            encoding,
        });
    }
    if filter.maxlines() > 1 || log.contains('\n') {
        let lines: Vec<&str> = log.split('\n').collect();
        printer.note(&format!("Use      multi line : {} line(s)", lines.len()))?;
        for (number, line) in (1..).zip(lines.iter().take(SHOWN_LINES)) {
            printer.note(&format!("| {number:2}: {}", shortened(line)))?;
        }
        if lines.len() > SHOWN_LINES {
            printer.note("| ...")?;
        }
        printer.note("`-")?;
    } else {
        printer.note(&format!("Use      single line : {}", shortened(log)))?;
    }
    Ok(Source::Text(log.to_owned()))
}

/// A filter at work on a log.
struct Trial<'a> {
    options: &'a Options,
    printer: &'a mut Printer,
    records: &'a Records,
    format: Option<Format>,
    filter: Filter,
    clock: Clock,
    names: Names,
    statistics: Statistics,
    output: Output,
    /// The last time that a line had.
    last_time: Option<(Timestamp, bool)>,
    /// What the prefregex captured when it was last searched.
    last_prefix: Option<Captured>,
}

impl Trial<'_> {
    fn carry_out(mut self, source: Source, is_journal: bool) -> Result<(), Trouble> {
        self.printer.note("")?;
        let begin = Instant::now();
        match source {
            Source::File { file, name, encoding } => {
                log::each_line(file, &name, encoding, false, &mut |entry, line| {
                    self.line(entry, line)
                })?
            }
            Source::Text(text) => {
                for line in text.split('\n') {
                    let line = line.trim_end_matches(['\r', '\n']);
                    self.line(Entry::Text(line), line)?;
                }
            }
            Source::Journal {
                options,
                matches,
                encoding,
            } => log::each_entry(options, matches, encoding, &mut |entry, line| {
                self.entry(entry, line)
            })?,
        }
        self.statistics.finish();
        if self.format.is_some() {
            return Ok(self.printer.flush()?);
        }
        let elapsed = begin.elapsed();
        Ok(report::print(
            self.printer,
            &self.statistics,
            &self.filter,
            self.options,
            is_journal,
            elapsed,
        )?)
    }

    /// Tries a line, unless it is empty or a comment.
    fn line(&mut self, entry: Entry<'_>, line: &str) -> Result<(), Trouble> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        self.entry(entry, line)
    }

    /// Tries an entry.
    fn entry(&mut self, entry: Entry<'_>, line: &str) -> Result<(), Trouble> {
        self.statistics.tested += 1;
        self.clock.set(clock::now());
        let mut output = std::mem::take(&mut self.output);
        let is_first = self.filter.detector().is_none();
        // One more line pushes the first of them out where there is no room.
        let surplus = usize::from(self.filter.buffered().count() == self.filter.maxlines());
        let before = self.buffered(surplus);
        self.filter.process(entry, &self.clock, true, &mut output);
        if let Some(detector) = self.filter.detector().filter(|_| is_first) {
            let text = format!(
                "  default date pattern: {} template(s)",
                detector.templates().count()
            );
            let logger = "fail2ban.datedetector";
            self.records.show(self.printer, Level::INFO, logger, &text)?;
        }
        self.records.of_filter(self.printer, &output.notes)?;
        let is_ignored = self.note_steps(&output.steps);
        let failures = self.failures(&output.found)?;
        match &self.format {
            Some(format) => {
                let format = format.clone();
                self.print(&format, &failures, line)?;
            }
            None => self.count(&failures, is_ignored, line, &before),
        }
        output.found.clear();
        output.notes.clear();
        output.steps.clear();
        self.output = output;
        Ok(())
    }

    /// Counts what the filter did; whether an ignoreregex matched.
    fn note_steps(&mut self, steps: &[Step]) -> bool {
        let (mut is_ignored, mut is_searched) = (false, false);
        for step in steps {
            match step {
                Step::Prefregex(captured) => {
                    self.last_prefix.clone_from(captured);
                    is_searched = true;
                }
                Step::Ignoreregex(index) => {
                    self.statistics.hit_ignoreregex(*index);
                    is_ignored = true;
                }
                Step::Time { time: Some(time), .. } => self.last_time = Some((*time, false)),
                Step::Time { time: None, .. }
                | Step::Date { .. }
                | Step::NoDate
                | Step::JournalTime(_)
                | Step::TooOld
                | Step::Failregex(_)
                | Step::NoTime
                | Step::Helper
                | Step::NameDoesNotCount
                | Step::NoId
                | Step::Pending
                | Step::Text(_)
                | Step::Unread(_)
                | Step::Unmet
                | Step::Failwhen(_)
                | Step::NoAddress => {}
                Step::Ignorewhen(_) => is_ignored = true,
            }
        }
        // The reference counts a line that an ignoreregex takes before the prefregex is searched as it counted the
        // line before.
        if let Some(captured) = self.last_prefix.as_ref().filter(|_| is_searched || is_ignored) {
            self.statistics.hit_prefregex(|| groups(captured));
        }
        is_ignored
    }

    /// What was found, one for each address of a host name.
    fn failures<'f>(&mut self, found: &'f [Found]) -> Result<Vec<Hit<'f>>, Trouble> {
        let mut failures = Vec::new();
        for found in found {
            match &found.who {
                Who::Id(id, address) => failures.push(Hit {
                    found,
                    id: Some((id.clone(), address.clone())),
                }),
                Who::Pending => failures.push(Hit { found, id: None }),
                Who::Host(name) => {
                    for address in self.resolve(name)? {
                        failures.push(Hit {
                            found,
                            id: Some((Id::Address(address), None)),
                        });
                    }
                }
            }
        }
        Ok(failures)
    }

    fn resolve(&mut self, name: &str) -> Result<Vec<stockade_filter::Address>, Trouble> {
        const LOGGER: &str = "fail2ban.ipdns";
        let (answer, is_new) = self.names.look_up(name);
        let addresses = names::addresses(&answer);
        if let Some(error) = &answer.error
            && is_new
        {
            let text = format!("Unable to find a corresponding IP address for {name}: {error}");
            self.records.show(self.printer, Level::WARNING, LOGGER, &text)?;
        }
        if self.filter.usedns() == UseDns::Warn && !addresses.is_empty() {
            let shown = Value::Set(
                addresses
                    .iter()
                    .map(|address| address.to_string().into())
                    .collect(),
            )
            .repr();
            let text = format!("Determined IP using DNS Lookup: {name} = {shown}");
            self.records.show(self.printer, Level::WARNING, LOGGER, &text)?;
        }
        Ok(addresses)
    }

    /// The lines that are kept for an expression of several, but for the first ones; none where there is none.
    fn buffered(&self, skipped: usize) -> BTreeSet<String> {
        let lines = self.filter.buffered().skip(skipped);
        lines.map(ToString::to_string).collect()
    }

    /// Counts the hits of a line, and the line. `before` has the lines that were kept before it came.
    fn count(&mut self, failures: &[Hit<'_>], is_ignored: bool, line: &str, before: &BTreeSet<String>) {
        let is_helper = failures.iter().any(Hit::is_helper);
        for (number, hit) in failures.iter().enumerate() {
            let (zone, now) = (self.clock.zone(), self.clock.now());
            self.statistics.hit_failregex(hit.found.regex, || {
                let id = hit
                    .id
                    .as_ref()
                    .map_or_else(|| "None".to_owned(), |(id, _)| id.to_string());
                let time = clock::written(hit.found.time.unwrap_or(now), zone);
                let multiple = if number > 1 {
                    " (multiple regex matched)"
                } else {
                    ""
                };
                format!("{id}  {time}{multiple}")
            });
        }
        if is_ignored || is_helper {
            self.statistics.ignore_line(line);
        } else if failures.is_empty() {
            self.statistics.miss_line(line);
        } else {
            if self.filter.maxlines() > 1 {
                // The reference goes by the texts that are gone from the buffer.
                let gone: BTreeSet<String> = before.difference(&self.buffered(0)).cloned().collect();
                for hit in failures {
                    self.statistics.match_earlier_lines(&hit.found.matches, &gone);
                }
            }
            self.statistics.match_line(line);
        }
    }

    /// Prints the failures of a line, or with `-i` the line that has none.
    fn print(&mut self, format: &Format, failures: &[Hit<'_>], line: &str) -> Result<(), Trouble> {
        let mut is_failure = false;
        for hit in failures {
            let Some((id, address)) = hit.id.clone().filter(|_| !hit.is_helper()) else {
                continue;
            };
            is_failure = true;
            if self.options.invert {
                continue;
            }
            let failure = Failure {
                id,
                address,
                time: hit.found.time,
                time_is_whole: hit.found.time_is_whole,
                matches: output::Matches::Parts(&hit.found.matches),
                captured: hit.found.captured.clone(),
            };
            let text = format.print(&failure, self.clock.now())?;
            self.printer.line(&text)?;
        }
        if self.options.invert && !is_failure {
            let mut captured = Captured::new();
            captured.insert("fid", stockade_filter::Data::Text("".into()));
            let failure = Failure {
                id: Id::Text(String::new()),
                address: None,
                time: self.last_time.map(|(time, _)| time),
                time_is_whole: self.last_time.is_some_and(|(_, is_whole)| is_whole),
                matches: output::Matches::Line(line),
                captured,
            };
            let text = format.print(&failure, self.clock.now())?;
            self.printer.line(&text)?;
        }
        Ok(())
    }
}

/// A match, with the id that it is counted for.
struct Hit<'a> {
    found: &'a Found,
    /// And the attacker's address where it is another; nothing while it is not known.
    id: Option<(Id, Option<Id>)>,
}

impl Hit<'_> {
    /// Whether it is no failure by itself.
    fn is_helper(&self) -> bool {
        let captured = self.found.captured.text("nofail");
        self.found.nofail || captured.is_some_and(|text| !text.is_empty())
    }
}

/// Captured groups as Python writes them.
fn groups(captured: &Captured) -> String {
    let groups = captured.iter_all();
    let groups = groups.map(|(name, data)| (name.into(), data.map_or(Value::None, output::data_value)));
    Value::Dict(groups.collect()).repr()
}
