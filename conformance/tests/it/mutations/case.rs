//! One log, read by one filter.
//!
//! In: lines, and a filter of the reference with its options. Out: what we find there, as `fail2ban-regex -o` prints it.

use jiff::tz::TimeZone;
use stockade_conformance::Warm;
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Address, Captured, Data, Entry, Filter, Found, Id, Lines, Mode, Output, UseDns, Who};
use stockade_protocol::{Command, Value};

use super::order::in_order;
use super::{NOW, YEAR, ZONE};
use crate::filters::{apply, commands_of};
use crate::random::digest;

/// A log, and how it is read.
pub(super) struct Case {
    pub(super) filter: String,
    pub(super) seed: u64,
    pub(super) lines: Vec<Vec<u8>>,
    /// The lines at which the reference ends.
    pub(super) left_out: Vec<usize>,
}

/// What is printed of a failure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Everything that was captured, and what was not.
    Row,
    /// What an action is told.
    Facts,
}

impl Case {
    pub(super) fn form(&self) -> Form {
        if self.seed.is_multiple_of(2) {
            Form::Row
        } else {
            Form::Facts
        }
    }

    /// What is done with host names: they count themselves, or are looked up, or do not count.
    pub(super) fn usedns(&self) -> UseDns {
        match self.seed % 3 {
            0 => UseDns::Raw,
            1 => UseDns::Warn,
            _ => UseDns::No,
        }
    }

    pub(super) fn log(&self) -> Vec<u8> {
        let mut log = Vec::new();
        for (number, line) in self.lines.iter().enumerate() {
            if !self.left_out.contains(&number) {
                log.extend_from_slice(line);
                log.push(b'\n');
            }
        }
        log
    }

    /// What we find, with the number of the line.
    pub(super) fn ours(&self) -> Vec<(usize, String)> {
        let mode = Mode {
            raw: self.usedns() == UseDns::Raw,
            any_time: true,
            explain: self.form() == Form::Row,
            ..Mode::default()
        };
        let mut filter = Filter::new(mode, YEAR);
        filter.set_usedns(if mode.raw { UseDns::Warn } else { self.usedns() });
        for command in commands_of(&self.filter.replacen(".conf", "", 1)) {
            if !matches!(&command, Command::SetJail { property, .. } if property == "usedns") {
                apply(&mut filter, &command);
            }
        }
        let zone = TimeZone::posix(ZONE).expect("a zone");
        let clock = Clock::new(Timestamp::from_seconds(NOW), zone);
        let log = self.log();
        let (mut places, mut numbers, mut start) = (Vec::new(), Vec::new(), 0);
        let kept = (0..self.lines.len()).filter(|number| !self.left_out.contains(number));
        for (number, line) in kept.zip(log.split_inclusive(|byte| *byte == b'\n')) {
            places.push(start..start + line.len());
            numbers.push(number);
            start += line.len();
        }
        let mut outputs = Vec::new();
        if self.form() == Form::Facts {
            let lines = Lines {
                bytes: &log,
                places: &places,
                file: "log",
            };
            filter.process_lines(lines, &clock, true, &mut outputs);
        } else {
            for (number, place) in places.into_iter().enumerate() {
                let mut out = Output::default();
                let line = log.get(place).unwrap_or_default();
                filter.process(Entry::Bytes(line, "log"), &clock, true, &mut out);
                outputs.push((number, out));
            }
        }
        let mut answers = Vec::new();
        for (number, output) in outputs {
            let line = numbers.get(number).copied().unwrap_or_default();
            for found in output.found {
                if let Some(text) = self.text(found) {
                    answers.push((line, in_order(&text, self.form())));
                }
            }
        }
        answers
    }

    /// What the reference prints of it.
    fn text(&self, found: Found) -> Option<String> {
        let marked = found.captured.text("nofail").is_some_and(|text| !text.is_empty());
        if found.nofail || marked {
            return None;
        }
        let (id, address) = match found.who {
            Who::Id(id, address) => (id, address),
            Who::Host(name) => (
                Id::Address(Address::single(Warm::address_of(&name)?.into())),
                None,
            ),
            Who::Pending => return None,
        };
        let (time, is_whole) = match (found.time, self.form()) {
            (time, Form::Row) => (time, found.time_is_whole),
            (time, Form::Facts) => (
                time.or(Some(Timestamp::from_seconds(NOW))),
                time.is_some() && found.time_is_whole,
            ),
        };
        let time = match time {
            None => "None".to_owned(),
            Some(time) if is_whole => time.seconds().to_string(),
            Some(time) => time.to_string(),
        };
        Some(match self.form() {
            Form::Row => {
                let mut data = dictionary(&found.captured);
                if let Some(address) = &address {
                    let ip = (Value::from("ip"), id_value(address));
                    match data.iter_mut().find(|(name, _)| *name == ip.0) {
                        Some(place) => *place = ip,
                        None => data.push(ip),
                    }
                }
                format!(
                    "[{},\t{time},\t{}],",
                    id_value(&id).repr(),
                    Value::Dict(data).repr()
                )
            }
            Form::Facts => {
                let lines = found.matches.iter().map(|line| {
                    let parts = [line.before(), line.date(), line.after()];
                    Value::Tuple(parts.into_iter().map(Value::from).collect())
                });
                let mut data = vec![
                    (Value::from("matches"), Value::List(lines.collect())),
                    (Value::from("failures"), Value::Int(0)),
                ];
                data.extend(
                    dictionary(&found.captured)
                        .into_iter()
                        .filter(|(_, value)| *value != Value::None),
                );
                let shown = address.as_ref().unwrap_or(&id);
                let family = shown
                    .address()
                    .map_or_else(|| "None".to_owned(), |address| address.family().to_string());
                format!("{shown}|{id}|{family}|{time}|{}", Value::Dict(data).repr())
            }
        })
    }

    /// What is recorded of it.
    pub(super) fn to_line(&self, answers: &[(usize, String)]) -> String {
        let mut found = Vec::new();
        for (_, text) in answers {
            found.extend_from_slice(text.as_bytes());
            found.push(b'\n');
        }
        let lines = self
            .lines
            .iter()
            .fold(0, |all: u64, line| all.rotate_left(5) ^ digest(line));
        let left_out: Vec<String> = self.left_out.iter().map(ToString::to_string).collect();
        let left_out = if left_out.is_empty() {
            "-".to_owned()
        } else {
            left_out.join(",")
        };
        let Self { seed, filter, .. } = self;
        format!(
            "{lines:016x} {:016x} {} {left_out} {seed} {filter}",
            digest(&found),
            answers.len()
        )
    }
}

/// Captured groups as Python has them.
fn dictionary(captured: &Captured) -> Vec<(Value, Value)> {
    let groups = captured.iter_all();
    groups
        .map(|(name, data)| (name.into(), data.map_or(Value::None, data_value)))
        .collect()
}

fn data_value(data: &Data) -> Value {
    match data {
        Data::Text(text) => text.as_str().into(),
        Data::Set(texts) => Value::Set(texts.iter().map(Into::into).collect()),
        Data::Tuple(parts) => tuple(parts),
    }
}

fn id_value(id: &Id) -> Value {
    match id {
        Id::Tuple(parts) => tuple(parts),
        Id::Address(_) | Id::Text(_) => id.to_string().into(),
    }
}

fn tuple(parts: &[Option<String>]) -> Value {
    Value::Tuple(
        parts
            .iter()
            .map(|part| part.as_deref().map_or(Value::None, Value::from))
            .collect(),
    )
}
