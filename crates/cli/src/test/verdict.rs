//! What became of one line, and why.
//!
//! In: the steps of the filter, and what the jail did about each match. Out: a [`Verdict`].

use std::sync::Arc;

use stockade_datetime::{Timestamp, duration};
use stockade_filter::{Filter, Regex, Step, Unread, UseDns};

use super::nearest::{Nearest, Search};

/// Where the way of a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// It is not structured as it should be.
    Unread,
    /// No alternative of `failwhen` is met.
    Unmet,
    /// An alternative of `ignorewhen` is met.
    Ignorewhen,
    /// `field.host` is no address.
    NoAddress,
    /// It is older than `findtime`.
    TooOld,
    /// The prefregex does not match.
    Prefregex,
    /// No failregex matches.
    Failregex,
    /// An ignoreregex matches.
    Ignoreregex,
    /// It has no time.
    NoTime,
    /// Nothing was captured that could be counted.
    NoId,
    /// It has a host name, and `usedns` says that names do not count.
    UseDns,
    /// It has a host name without an address.
    Unresolved,
    /// It is no failure by itself; its session remembers it.
    Helper,
    /// Its session has no address yet.
    Pending,
    /// The id is never banned.
    Ignored,
    /// It was counted.
    Counted,
    /// It led to a ban.
    Banned,
    /// The id is banned already.
    AlreadyBanned,
}

/// All of them, in the order of the way.
pub(super) const ENDS: [End; 18] = [
    End::Unread,
    End::Unmet,
    End::Ignorewhen,
    End::NoAddress,
    End::TooOld,
    End::Prefregex,
    End::Failregex,
    End::Ignoreregex,
    End::NoTime,
    End::NoId,
    End::UseDns,
    End::Unresolved,
    End::Helper,
    End::Pending,
    End::Ignored,
    End::Counted,
    End::Banned,
    End::AlreadyBanned,
];

/// What became of one line.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) end: End,
    /// Why, in a sentence.
    pub(super) why: String,
    /// The text of its date and the name of the format; nothing where it has none.
    pub(super) date: Option<(String, String)>,
    /// It should have had a date and has none.
    pub(super) is_undated: bool,
    /// The time it counts with.
    pub(super) time: Option<Timestamp>,
    /// Whether the prefregex matches, where there is one.
    pub(super) prefregex: Option<bool>,
    /// The failregex that matched, from 1.
    pub(super) failregex: Option<usize>,
    /// The ignoreregex that matched, from 1.
    pub(super) ignoreregex: Option<usize>,
    /// Why it is not read, where it is structured.
    pub(super) unread: Option<Unread>,
    /// The alternative of `failwhen` that is met, from 1.
    pub(super) failwhen: Option<usize>,
    /// What was made of each id.
    pub(super) failures: Vec<Failure>,
    /// The failregex that comes nearest, where none matches.
    pub(super) nearest: Option<Nearest>,
}

/// What was made of one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) id: String,
    pub(super) end: End,
    /// How often it has failed within `findtime`, where it was counted.
    pub(super) count: Option<u32>,
    /// What says that it is ignored.
    pub(super) ignored_by: Option<String>,
    /// Until when it is banned; nothing where that is for ever.
    pub(super) until: Option<Timestamp>,
    /// All that in a sentence.
    pub(super) why: String,
}

impl End {
    /// The word for it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Unread => "unread",
            Self::Unmet => "failwhen",
            Self::Ignorewhen => "ignorewhen",
            Self::NoAddress => "no-address",
            Self::TooOld => "too-old",
            Self::Prefregex => "prefregex",
            Self::Failregex => "failregex",
            Self::Ignoreregex => "ignoreregex",
            Self::NoTime => "no-time",
            Self::NoId => "no-id",
            Self::UseDns => "usedns",
            Self::Unresolved => "unresolved",
            Self::Helper => "helper",
            Self::Pending => "pending",
            Self::Ignored => "ignored",
            Self::Counted => "counted",
            Self::Banned => "banned",
            Self::AlreadyBanned => "already-banned",
        }
    }

    /// What it means for so many lines.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Unread => "not structured as lineformat says",
            Self::Unmet => "failwhen is not met",
            Self::Ignorewhen => "ignorewhen is met",
            Self::NoAddress => "field.host is no address",
            Self::TooOld => "older than findtime",
            Self::Prefregex => "the prefregex does not match",
            Self::Failregex => "no failregex matches",
            Self::Ignoreregex => "an ignoreregex matches",
            Self::NoTime => "a match without a time",
            Self::NoId => "a match without anything to count",
            Self::UseDns => "a host name, and usedns = no",
            Self::Unresolved => "a host name without an address",
            Self::Helper => "remembered for its session, no failure by itself",
            Self::Pending => "a failure whose session has no address yet",
            Self::Ignored => "never banned: ignoreip, ignoreself, ignorecommand",
            Self::Counted => "counted",
            Self::Banned => "led to a ban",
            Self::AlreadyBanned => "of an id that is banned already",
        }
    }

    /// Whether the line was found to be an attack, whatever became of that.
    pub(super) const fn is_match(self) -> bool {
        match self {
            Self::Helper
            | Self::Pending
            | Self::Ignored
            | Self::Counted
            | Self::Banned
            | Self::AlreadyBanned => true,
            Self::Unread
            | Self::Unmet
            | Self::Ignorewhen
            | Self::NoAddress
            | Self::TooOld
            | Self::Prefregex
            | Self::Failregex
            | Self::Ignoreregex
            | Self::NoTime
            | Self::NoId
            | Self::UseDns
            | Self::Unresolved => false,
        }
    }
}

impl Verdict {
    /// What became of `line` by the steps of its filter and the failures it made.
    pub(super) fn of(
        line: &str,
        steps: &[Step],
        failures: Vec<Failure>,
        (filter, findtime_seconds): (&Filter, i64),
        search: &mut Search,
    ) -> Self {
        let mut verdict = Self {
            end: End::Failregex,
            why: String::new(),
            date: None,
            is_undated: false,
            time: None,
            prefregex: None,
            failregex: None,
            ignoreregex: None,
            unread: None,
            failwhen: None,
            failures,
            nearest: None,
        };
        let mut content = None;
        let mut line = line.to_owned();
        let mut undated = line.clone();
        let mut drop = None;
        for step in steps {
            match step {
                Step::Date { place, template, .. } => {
                    let text = line.get(place.clone()).unwrap_or_default().to_owned();
                    undated.replace_range(place.clone(), "");
                    let name = filter
                        .detector()
                        .map(|detector| detector.name(*template).to_owned());
                    verdict.date = Some((text, name.unwrap_or_default()));
                }
                Step::NoDate => verdict.is_undated = true,
                Step::JournalTime(time) => verdict.time = Some(*time),
                Step::TooOld => drop = Some(End::TooOld),
                Step::Time { time, .. } => verdict.time = *time,
                Step::Prefregex(captured) => {
                    verdict.prefregex = Some(captured.is_some());
                    let text = captured.as_ref().and_then(|captured| captured.text("content"));
                    content = text.map(str::to_owned);
                }
                Step::Failregex(index) => {
                    verdict.failregex = Some(index + 1);
                    // What came of an earlier match is not what becomes of the line.
                    drop = None;
                }
                Step::Ignoreregex(index) => {
                    verdict.ignoreregex = Some(index + 1);
                    drop = Some(End::Ignoreregex);
                }
                Step::NoTime => drop = Some(End::NoTime),
                Step::Helper => drop = Some(End::Helper),
                Step::NameDoesNotCount => drop = Some(End::UseDns),
                Step::NoId => drop = Some(End::NoId),
                Step::Pending => drop = Some(End::Pending),
                Step::Text(text) => {
                    line.clone_from(text);
                    undated.clone_from(text);
                }
                Step::Unread(why) => {
                    drop = Some(End::Unread);
                    verdict.unread = Some(*why);
                }
                Step::Unmet => drop = Some(End::Unmet),
                Step::Failwhen(index) => verdict.failwhen = Some(index + 1),
                Step::Ignorewhen(index) => {
                    drop = Some(End::Ignorewhen);
                    verdict.ignoreregex = Some(index + 1);
                }
                Step::NoAddress => drop = Some(End::NoAddress),
            }
        }
        let of_failures = verdict.failures.iter().map(|failure| failure.end).max();
        verdict.end = of_failures.or(drop).unwrap_or(
            match (verdict.prefregex, verdict.failregex.or(verdict.failwhen)) {
                (Some(false), _) => End::Prefregex,
                (Some(true) | None, None) => End::Failregex,
                // It matched, and its name has no address.
                (Some(true) | None, Some(_)) => End::Unresolved,
            },
        );
        if verdict.end == End::Failregex && filter.maxlines() == 1 {
            let text = format!("{}\n", content.as_deref().unwrap_or(&undated));
            let dns = filter.usedns() != UseDns::No;
            verdict.nearest = search.nearest(filter.failregex(), &text, dns);
        }
        verdict.why = verdict.reason(filter, content.as_deref(), findtime_seconds);
        verdict
    }

    fn reason(&self, filter: &Filter, content: Option<&str>, findtime_seconds: i64) -> String {
        if !self.failures.is_empty() {
            let reasons: Vec<&str> = self.failures.iter().map(|failure| failure.why.as_str()).collect();
            return format!("{}{}", reasons.join("; "), self.by_failregex());
        }
        let findtime = duration::to_text(findtime_seconds);
        let source = |regexes: &[Arc<Regex>], number: Option<usize>| {
            let regex = number.and_then(|number| regexes.get(number.checked_sub(1)?));
            regex.map(|regex| regex.source().to_owned()).unwrap_or_default()
        };
        let by = self.by_failregex();
        match self.end {
            End::Unread => match self.unread {
                Some(Unread::Depth) => "it is nested too deep",
                Some(Unread::Twice) => {
                    "it has a name twice that leads to a field, and either could be an attacker's"
                }
                Some(Unread::Envelope) => "it is not in the envelope that lineformat says",
                Some(Unread::GoesOn) => "it goes on in the next line, for it was too long for one envelope",
                Some(Unread::TooLong) => "it and what goes before are too long together",
                Some(Unread::Syntax) | None => "it is no JSON",
            }
            .to_owned(),
            End::Unmet => "failwhen is not met".to_owned(),
            End::Ignorewhen => format!("ignorewhen {} is met", self.ignoreregex.unwrap_or(0)),
            End::NoAddress => "failwhen is met, but field.host is no address".to_owned(),
            End::TooOld => format!("it is older than findtime, {findtime}"),
            End::Prefregex => format!("the prefregex does not match{}", self.undated()),
            End::Failregex => {
                let count = filter.failregex().len();
                let none = match count {
                    0 => "there is no failregex".to_owned(),
                    1 => "the failregex does not match".to_owned(),
                    _ => format!("none of the {count} failregexes matches"),
                };
                let nearest = self.by_nearest(count);
                match content {
                    Some(content) => {
                        format!("the prefregex matches, but {none} what it leaves: `{content}`{nearest}")
                    }
                    None => format!("{none}{}{nearest}", self.undated()),
                }
            }
            End::Ignoreregex => format!(
                "ignoreregex {} matches: `{}`{by}",
                self.ignoreregex.unwrap_or(0),
                source(filter.ignoreregex(), self.ignoreregex)
            ),
            End::NoTime => format!("it has no time{by}"),
            End::NoId => format!("nothing was captured that could be counted, such as <HOST>{by}"),
            End::UseDns => format!("it has a host name, and usedns says that names do not count{by}"),
            End::Unresolved => format!("its host name has no address{by}"),
            End::Helper => format!("it is no failure by itself (F-NOFAIL), but its session remembers it{by}"),
            End::Pending => format!("its session has no address yet; a later line may tell{by}"),
            End::Ignored | End::Counted | End::Banned | End::AlreadyBanned => by,
        }
    }

    fn by_failregex(&self) -> String {
        let number = |name: &str, number: Option<usize>| number.map(|number| format!(" ({name} {number})"));
        number("failregex", self.failregex)
            .or_else(|| number("failwhen", self.failwhen))
            .unwrap_or_default()
    }

    fn by_nearest(&self, count: usize) -> String {
        let Some(Nearest {
            number,
            matched,
            wanted,
        }) = &self.nearest
        else {
            return String::new();
        };
        let which = match count {
            1 => "it comes".to_owned(),
            _ => format!("failregex {number} comes nearest,"),
        };
        format!("; {which} as far as `{matched}` and then wants `{wanted}`")
    }

    const fn undated(&self) -> &'static str {
        if self.is_undated {
            "; no date is found in it"
        } else {
            ""
        }
    }
}
