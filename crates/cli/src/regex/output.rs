//! Failures one by one, as `-o` wants them.
//!
//! In: failures, or with `-i` lines that are none. Out: lines of text in the form of the reference.

use stockade_action::facts::{BanFacts, JailFacts};
use stockade_action::tags::Facts as _;
use stockade_daemon::{machine, reverse};
use stockade_datetime::Timestamp;
use stockade_filter::{Captured, Data, Id, MatchedLine};
use stockade_jail::{BanTime, Match, Ticket};
use stockade_protocol::Value;

use super::printer::Trouble;

/// What is printed of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Format {
    /// What is counted.
    Id,
    /// The attacker's address.
    Ip,
    /// The lines.
    Message,
    /// Everything, as Python would read it.
    Row,
    /// What was captured under this name.
    Group(String),
    /// A text with tags.
    Template(String),
}

/// A failure, or a line that is none.
#[derive(Debug)]
pub(super) struct Failure<'a> {
    pub(super) id: Id,
    pub(super) address: Option<Id>,
    pub(super) time: Option<Timestamp>,
    pub(super) time_is_whole: bool,
    pub(super) matches: Matches<'a>,
    pub(super) captured: Captured,
}

/// The lines of a failure.
#[derive(Debug, Clone, Copy)]
pub(super) enum Matches<'a> {
    /// In their three parts.
    Parts(&'a [MatchedLine]),
    /// A line that is no failure.
    Line(&'a str),
}

/// The tags that only a jail knows about.
const OF_A_JAIL: [&str; 10] = [
    "bantime",
    "ipmatches",
    "ipjailmatches",
    "ipfailures",
    "ipjailfailures",
    "jail.name",
    "jail.banned",
    "jail.banned_total",
    "jail.found",
    "jail.found_total",
];

impl Format {
    /// What the value of `-o` means.
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "id" | "fid" => Self::Id,
            "ip" => Self::Ip,
            "msg" => Self::Message,
            "row" => Self::Row,
            _ if text.contains('<') => Self::Template(text.to_owned()),
            _ => Self::Group(text.to_owned()),
        }
    }

    /// The lines to print for a failure; `now` stands for a time that is not known.
    pub(super) fn print(&self, failure: &Failure<'_>, now: Timestamp) -> Result<String, Trouble> {
        Ok(match self {
            Self::Id => failure.id.to_string(),
            Self::Ip => failure.shown().to_string(),
            Self::Message => failure.matches.lines().join("\n"),
            Self::Row => failure.row(),
            Self::Group(name) if name == "matches" => failure.matches.value().repr(),
            Self::Group(name) => failure.data(name).text(),
            Self::Template(template) => {
                let ticket = failure.ticket(now);
                let template = template.replace("<br>", "\n").replace("<sp>", " ");
                if template.contains("<msg>") {
                    let lines = failure.matches.lines();
                    let texts = lines
                        .iter()
                        .map(|line| replaced(&template, failure, &ticket, Some(line)));
                    texts.collect::<Result<Vec<_>, _>>()?.join("\n")
                } else {
                    replaced(&template, failure, &ticket, None)?
                }
            }
        })
    }
}

impl Failure<'_> {
    /// What the tag `ip` stands for.
    fn shown(&self) -> &Id {
        self.address.as_ref().unwrap_or(&self.id)
    }

    /// What was captured under a name.
    fn data(&self, name: &str) -> Value {
        if name == "ip"
            && let Some(address) = &self.address
        {
            return id_value(address);
        }
        self.captured.get(name).map_or(Value::None, data_value)
    }

    fn row(&self) -> String {
        let time = match self.time {
            None => "None".to_owned(),
            Some(time) if self.time_is_whole => time.seconds().to_string(),
            Some(time) => time.to_string(),
        };
        let mut data: Vec<(Value, Value)> = self
            .captured
            .iter_all()
            .map(|(name, data)| (name.into(), data.map_or(Value::None, data_value)))
            .collect();
        if let Some(address) = &self.address {
            let ip = (Value::from("ip"), id_value(address));
            match data.iter_mut().find(|(name, _)| *name == ip.0) {
                Some(place) => *place = ip,
                None => data.push(ip),
            }
        }
        let (id, data) = (id_value(&self.id).repr(), Value::Dict(data).repr());
        format!("[{id},\t{time},\t{data}],")
    }

    fn ticket(&self, now: Timestamp) -> Ticket {
        let mut ticket = Ticket::new(self.id.clone(), self.time.unwrap_or(now));
        ticket.address.clone_from(&self.address);
        ticket.time_is_whole = self.time_is_whole && self.time.is_some();
        ticket.captured = self.captured.clone();
        ticket.matches = match self.matches {
            Matches::Parts(lines) => lines.iter().cloned().map(Match::Parts).collect(),
            Matches::Line(line) => vec![Match::Text(line.to_owned())],
        };
        ticket
    }
}

impl Matches<'_> {
    /// The lines as they stand in the log.
    fn lines(self) -> Vec<String> {
        match self {
            Self::Parts(lines) => lines.iter().map(ToString::to_string).collect(),
            Self::Line(line) => vec![line.to_owned()],
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Parts(lines) => Value::List(
                lines
                    .iter()
                    .map(|line| {
                        Value::Tuple(vec![
                            line.before().into(),
                            line.date().into(),
                            line.after().into(),
                        ])
                    })
                    .collect(),
            ),
            Self::Line(line) => Value::list([line]),
        }
    }
}

/// A template with its tags replaced, each once; what is no tag stays.
fn replaced(
    template: &str,
    failure: &Failure<'_>,
    ticket: &Ticket,
    line: Option<&String>,
) -> Result<String, Trouble> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('<') {
        out.push_str(before);
        let end = behind.find([' ', '<', '>']).filter(|end| *end > 0);
        let name = end.filter(|end| behind.as_bytes().get(*end) == Some(&b'>'));
        let value = match name.and_then(|end| behind.get(..end)) {
            Some("msg") => line.cloned(),
            Some(name) => tag(name, failure, ticket)?,
            None => None,
        };
        match (value, name) {
            (Some(value), Some(end)) => {
                out.push_str(&value);
                rest = behind.get(end + 1..).unwrap_or_default();
            }
            (_, _) => {
                out.push('<');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of a tag, if it is one.
fn tag(name: &str, failure: &Failure<'_>, ticket: &Ticket) -> Result<Option<String>, Trouble> {
    if OF_A_JAIL.contains(&name) {
        return Err(Trouble::Unexpected(format!(
            "the tag <{name}> is about a jail, and there is none here\n  Use tags of the failure alone, such as <ip>, \
             <fid>, <time>, <matches> or <F-USER>."
        )));
    }
    let matches = || failure.matches.value().repr();
    Ok(match name {
        "fq-hostname" => Some(machine::host_names().full),
        "sh-hostname" => Some(machine::host_names().short),
        "F-MATCHES" => Some(matches()),
        "F-*" => {
            let all = failure
                .captured
                .iter()
                .map(|(name, data)| (name.into(), data_value(data)));
            let first = [("matches", failure.matches.value()), ("failures", Value::Int(0))];
            let first = first.into_iter().map(|(name, value)| (name.into(), value));
            Some(Value::Dict(first.chain(all).collect()).repr())
        }
        "F-IP" if failure.address.is_some() => Some(failure.shown().to_string()),
        "raw-ticket" => Some(format!(
            "BanTicket: ip={} time={} bantime=None bancount=0 #attempts=0 matches={}",
            ticket.id,
            ticket.time_text(),
            matches()
        )),
        _ => {
            let mut facts = BanFacts::new(
                ticket.clone(),
                JailFacts {
                    name: String::new(),
                    bantime: BanTime::Forever,
                    banned: 0,
                    banned_total: 0,
                    found: 0,
                    found_total: 0,
                    now: ticket.time,
                },
            );
            reverse::complete(&mut facts, &format!("<{name}>"));
            facts.value(name)
        }
    })
}

/// An id as Python has it.
fn id_value(id: &Id) -> Value {
    match id {
        Id::Tuple(parts) => tuple(parts),
        Id::Address(_) | Id::Text(_) => id.to_string().into(),
    }
}

/// Captured data as Python has it.
pub(super) fn data_value(data: &Data) -> Value {
    match data {
        Data::Text(text) => text.as_str().into(),
        Data::Set(texts) => Value::Set(texts.iter().map(Into::into).collect()),
        Data::Tuple(parts) => tuple(parts),
    }
}

fn tuple(parts: &[Option<String>]) -> Value {
    let parts = parts
        .iter()
        .map(|part| part.as_deref().map_or(Value::None, Value::from));
    Value::Tuple(parts.collect())
}
