//! The reference's annotated sample logs, line by line, through its own filters.
//!
//! Each line of a sample says whether it is a failure, of whom, and when. Filters and samples are read in place
//! from the reference, the filters by our reader of the configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use stockade_conformance::{Subject, has_reference};
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Data, Entry, Filter, Found, Id, Mode, Output, Who};
use stockade_protocol::Command;

use crate::filters::{apply, commands_of};

/// The local time that the samples were written for.
const ZONE: &str = "CET-01CEST-02,M3.5.0,M10.5.0";

/// 2005-08-14 12:00:00 in that zone, which is now for every line.
pub(crate) const NOW: i64 = 1_124_013_600;

type Options = Map<String, Value>;

/// What became of the lines of samples.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) checks: usize,
    /// Where a line is that is not what its annotation says, and how it differs.
    pub(crate) wrong: Vec<(String, String)>,
}

impl Report {
    pub(crate) fn text(&self) -> String {
        let lines: Vec<String> = self
            .wrong
            .iter()
            .map(|(at, what)| format!("{at} {what}"))
            .collect();
        lines.join("\n")
    }
}

/// One sample file being read.
struct Run<'a> {
    name: &'a str,
    logs: &'a Path,
    commands_of: fn(&str) -> Vec<Command>,
    file_options: Options,
    sets: Vec<Options>,
    skip: bool,
    clock: Clock,
    filters: BTreeMap<String, Filter>,
    report: &'a mut Report,
}

#[test]
fn every_line_of_the_samples_is_what_its_annotation_says() {
    if !has_reference() {
        return;
    }
    let names = names();
    let mut report = Report::default();
    for name in &names {
        read(name, commands_of, &mut report);
    }
    assert!(names.len() > 90, "only {} samples", names.len());
    assert!(report.checks > 1500, "only {} checks", report.checks);
    assert!(
        report.wrong.is_empty(),
        "{} of {} checks of {} samples:\n{}",
        report.wrong.len(),
        report.checks,
        names.len(),
        report.text()
    );
}

/// The services that the reference has samples of.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(Subject::package_tests().join("files/logs"))
        .expect("the reference has sample logs")
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Has the lines of one sample go through the filter of that name, as those commands make it.
pub(crate) fn read(name: &str, commands_of: fn(&str) -> Vec<Command>, report: &mut Report) {
    let mut run = Run {
        name,
        logs: &Subject::package_tests().join("files/logs"),
        commands_of,
        file_options: Map::new(),
        sets: vec![Map::new()],
        skip: false,
        clock: Clock::new(Timestamp::from_seconds(NOW), zone()),
        filters: BTreeMap::new(),
        report,
    };
    run.file(name);
}

impl Run<'_> {
    fn file(&mut self, name: &str) {
        let bytes = fs::read(self.logs.join(name)).expect("the sample is readable");
        let text = String::from_utf8_lossy(&bytes);
        let mut expectation = None;
        let mut more = Vec::new();
        for (index, line) in text.split('\n').enumerate() {
            let line = line.trim_end_matches(['\r', '\n']);
            let at = format!("{name}:{}", index + 1);
            if let Some(expected) = expectation.take() {
                self.line(&at, line, &expected);
                continue;
            }
            match keyword(line) {
                Some(("failJSON", json)) => expectation = Some(object(&at, json)),
                Some(("fileOptions", json)) => self.file_options = object(&at, json),
                Some(("filterOptions", json)) => self.options(&at, json),
                Some(("addFILE", json)) => {
                    more.push(serde_json::from_str::<String>(json).expect("a file's name"));
                }
                _ if line.starts_with('#') || line.trim().is_empty() => {}
                _ => self.line(&at, line, &Map::new()),
            }
        }
        for name in more {
            self.file(&name);
        }
    }

    fn options(&mut self, at: &str, json: &str) {
        let sets: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{at}: {error}"));
        let sets = if let Value::Array(sets) = sets {
            sets
        } else {
            vec![sets]
        };
        self.sets.clear();
        for set in sets {
            let mut options = self.file_options.clone();
            options.extend(set.as_object().expect("an object").clone());
            let condition = options.get("test.condition").and_then(Value::as_str);
            self.skip = condition.is_some_and(|condition| !self.holds(condition, &options));
            self.sets.push(options);
        }
    }

    /// The few expressions that occur in the samples.
    fn holds(&self, condition: &str, options: &Options) -> bool {
        let aggressive = options.get("mode").and_then(Value::as_str) == Some("aggressive");
        let plain: String = condition.split_whitespace().collect();
        match plain.as_str() {
            "opts.get('mode')!='aggressive'" => !aggressive,
            "opts.get('mode')=='aggressive'" => aggressive,
            other => match other
                .strip_prefix("name=='")
                .and_then(|rest| rest.strip_suffix('\''))
            {
                Some(name) => self.name == name,
                None => panic!("an unknown condition: {condition}"),
            },
        }
    }

    fn line(&mut self, at: &str, line: &str, expected: &Map<String, Value>) {
        if self.skip {
            return;
        }
        for options in self.sets.clone() {
            let constraint = expected.get("constraint").and_then(Value::as_str);
            if constraint.is_some_and(|constraint| !self.holds(constraint, &options)) {
                continue;
            }
            let (key, mut out) = (self.filter(&options), Output::default());
            let filter = self.filters.get_mut(&key).expect("just made");
            let before = options.get("test.prefix-line").and_then(Value::as_str);
            let text = format!("{}{line}", before.unwrap_or_default());
            let entry = if options.get("logtype").and_then(Value::as_str) == Some("journal") {
                Entry::Journal {
                    time: Timestamp::from_seconds(NOW),
                    iso: "2005-08-14T10:00:00",
                    text: &text,
                }
            } else {
                Entry::Text(&text)
            };
            filter.process(entry, &self.clock, true, &mut out);
            self.report.checks += 1;
            let found: Vec<Found> = out.found.into_iter().filter(counts).collect();
            if let Err(what) = check(&found, expected) {
                let what = format!("{key}: {what}\n    {line}");
                self.report.wrong.push((at.to_owned(), what));
            }
        }
    }

    /// Makes the filter of these options, unless it is there.
    fn filter(&mut self, options: &Options) -> String {
        let mut parameters: Vec<String> = options
            .iter()
            .filter(|(name, _)| !name.starts_with("test."))
            .map(|(name, value)| format!("{name}=\"{}\"", value.as_str().expect("a text")))
            .collect();
        parameters.sort();
        let key = format!("{}[{}]", self.name, parameters.join(", "));
        if !self.filters.contains_key(&key) {
            let filter = filter_of(&(self.commands_of)(&key));
            self.filters.insert(key.clone(), filter);
        }
        key
    }
}

/// A filter that tells all it finds, whatever the time.
pub(crate) fn filter_of(commands: &[Command]) -> Filter {
    let mode = Mode {
        check_all: true,
        tell_pending: true,
        raw: true,
        any_time: true,
        explain: false,
    };
    let mut filter = Filter::new(mode, 2026);
    for command in commands {
        if let Command::SetJail { .. } = command {
            apply(&mut filter, command);
        }
    }
    filter
}

/// What is marked as no failure is left out even where, for want of a session, it would count.
pub(crate) fn counts(found: &Found) -> bool {
    let marked = found.captured.text("nofail").is_some_and(|text| !text.is_empty());
    found.who != Who::Pending && !marked
}

fn keyword(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix('#')?.trim_start_matches('#');
    let (keyword, json) = rest.strip_prefix(' ').unwrap_or(rest).split_once(':')?;
    let known = ["failJSON", "fileOptions", "filterOptions", "addFILE"];
    known.contains(&keyword).then_some((keyword, json.trim()))
}

fn object(at: &str, json: &str) -> Map<String, Value> {
    match serde_json::from_str(json) {
        Ok(Value::Object(map)) => map,
        Ok(_) => panic!("{at}: not an object"),
        Err(error) => panic!("{at}: {error}"),
    }
}

pub(crate) fn check(found: &[Found], expected: &Map<String, Value>) -> Result<(), String> {
    let matches = expected.get("match").and_then(Value::as_bool).unwrap_or(false);
    let found = match (found, matches) {
        ([], false) => return Ok(()),
        ([found], true) => found,
        (found, _) => {
            let found: Vec<_> = found.iter().map(|found| (found.regex, &found.who)).collect();
            return Err(format!("{} expected, found {found:?}", usize::from(matches)));
        }
    };
    for (key, value) in expected {
        let right = match key.as_str() {
            "match" | "desc" | "constraint" => true,
            "host" => host(found, value),
            "time" => match value.as_str() {
                None => true,
                Some(text) => found.time == Some(moment(text)),
            },
            "attempts" if found.captured.get("attempts").is_none() => {
                value.as_u64() == u64::try_from(found.matches.len()).ok()
            }
            name => data(found, name) == in_order(value),
        };
        if !right {
            return Err(format!("{key} should be {value}, is {found:?}"));
        }
    }
    Ok(())
}

fn host(found: &Found, expected: &Value) -> bool {
    let expected = expected.as_str().expect("a host is a text");
    let same = |text: &str| text == expected || Id::parse(text) == Id::parse(expected);
    match (found.captured.text("host"), &found.who) {
        (Some(text), _) => same(text),
        (None, Who::Id(id, _)) => same(&id.to_string()),
        (None, Who::Host(host)) => same(host),
        (None, Who::Pending) => false,
    }
}

fn data(found: &Found, name: &str) -> Value {
    match found.captured.get(name) {
        None => Value::Null,
        Some(Data::Text(text)) => Value::from(text.as_str()),
        Some(Data::Set(texts)) => Value::from_iter(texts.iter()),
        Some(Data::Tuple(parts)) => Value::from_iter(parts.iter().cloned()),
    }
}

/// A list in the order of a set.
fn in_order(value: &Value) -> Value {
    let mut value = value.clone();
    if let Value::Array(texts) = &mut value {
        texts.sort_by_key(ToString::to_string);
    }
    value
}

/// The moment of a local time such as `2005-03-7T01:02:03.5`.
pub(crate) fn moment(text: &str) -> Timestamp {
    let (date, time) = text.split_once('T').expect("a date and a time");
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let number = |text: &str| text.parse::<i16>().unwrap_or_else(|_| panic!("a time: {text}"));
    let date: Vec<i16> = date.split('-').map(number).collect();
    let time: Vec<i16> = time.split(':').map(number).collect();
    let small = |part: i16| i8::try_from(part).expect("a part of a date");
    let (&[year, month, day], &[hour, minute, second]) = (date.as_slice(), time.as_slice()) else {
        panic!("a time: {text}");
    };
    let civil = DateTime::new(
        year,
        small(month),
        small(day),
        small(hour),
        small(minute),
        small(second),
        0,
    );
    let zoned = civil.expect("a date").to_zoned(zone()).expect("a moment");
    let micros: i64 = format!("{fraction:0<6}").parse().expect("a fraction");
    Timestamp::from_seconds(zoned.timestamp().as_second()).plus_micros(micros)
}

pub(crate) fn zone() -> TimeZone {
    TimeZone::posix(ZONE).expect("a zone")
}
