//! What the log says of the settings of a jail, in the words that other programs read.
//!
//! In: settings as a configuration or a client makes them. Out: the records of the log, each with its logger.
//!
//! Invariant: what is said of a jail makes it no other jail.

use stockade_datetime::Detector;
use stockade_protocol::Value;

use crate::blueprint::Blueprint;

const FILTER: &str = "fail2ban.filter";
const ACTIONS: &str = "fail2ban.actions";
const JAIL: &str = "fail2ban.jail";
const DATES: &str = "fail2ban.datedetector";
const JOURNAL: &str = "fail2ban.filtersystemd";

/// Settings that the log is still to be told of, with their arguments.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Vec<(String, Vec<Value>)>);

impl PartialEq for Told {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Told {
    /// Remembers a setting, where the log says something of it.
    pub(crate) fn add(&mut self, property: &str, arguments: &[Value]) {
        let is_one = matches!(
            property,
            "maxretry"
                | "findtime"
                | "bantime"
                | "maxlines"
                | "logencoding"
                | "datepattern"
                | "addjournalmatch"
                | "deljournalmatch"
        );
        if is_one || property.starts_with("bantime.") {
            self.0.push((property.to_owned(), arguments.to_vec()));
        }
    }

    /// The records of all settings of a jail, which has them by now.
    pub(crate) fn records(&self, jail: &Blueprint) -> Vec<(&'static str, String)> {
        let settings = self.0.iter();
        settings
            .flat_map(|(property, arguments)| records(jail, property, arguments))
            .collect()
    }
}

/// The records of one setting.
fn records(jail: &Blueprint, property: &str, arguments: &[Value]) -> Vec<(&'static str, String)> {
    let value = || {
        jail.get(property, &[])
            .map(|value| value.text())
            .unwrap_or_default()
    };
    let argument = || arguments.first().map(Value::text).unwrap_or_default();
    let name = &jail.name;
    match property {
        "maxretry" => vec![(FILTER, format!("  maxRetry: {}", value()))],
        "findtime" => vec![(FILTER, format!("  findtime: {}", value()))],
        "bantime" => vec![(ACTIONS, format!("  banTime: {}", value()))],
        "maxlines" => vec![(FILTER, format!("  maxLines: {}", value()))],
        "logencoding" => vec![(FILTER, format!("  encoding: {}", value()))],
        "datepattern" => dates(&argument(), jail.start_year),
        "addjournalmatch" if jail.reads_journal() => {
            let words: Vec<String> = arguments.iter().map(Value::text).collect();
            let words = Value::from(words.join(" ")).repr();
            vec![(JOURNAL, format!("[{name}] Added journal match for: {words}"))]
        }
        "deljournalmatch" if jail.reads_journal() => {
            let words = Value::List(arguments.to_vec()).repr();
            vec![(JOURNAL, format!("[{name}] Removed journal match for: {words}"))]
        }
        _ => match property.strip_prefix("bantime.") {
            Some(option) => vec![(JAIL, format!("Set banTime.{option} = {}", argument()))],
            None => Vec::new(),
        },
    }
}

/// The records of a `datepattern`, one for each of its lines: its name, or how many formats it stands for.
fn dates(patterns: &str, start_year: i16) -> Vec<(&'static str, String)> {
    let lines = patterns
        .split('\n')
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let record = |line: &str| {
        let detector = Detector::new(Some(line), start_year).ok()?;
        let text = match detector.templates().count() {
            0 | 1 => {
                let report = detector.report();
                let pattern = report.pattern.unwrap_or_default();
                format!("  date pattern `{pattern}`: `{}`", report.name)
            }
            count if line.contains("{DATE}") => {
                let line = Value::from(line).repr();
                format!("  default date pattern for `{line}`: {count} template(s)")
            }
            count => format!("  default filtered date pattern: {count} template(s)"),
        };
        Some((DATES, text))
    };
    lines.filter_map(record).collect()
}

#[cfg(test)]
mod tests {
    use stockade_protocol::Value;

    use super::*;

    #[test]
    fn settings_are_told_in_the_words_of_the_reference() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("maxretry", &["4"], &["  maxRetry: 4"]),
            ("findtime", &["1h"], &["  findtime: 3600"]),
            ("findtime", &["100.5"], &["  findtime: 100.5"]),
            ("bantime", &["1h"], &["  banTime: 3600"]),
            ("bantime", &["-1"], &["  banTime: -1"]),
            ("maxlines", &["3"], &["  maxLines: 3"]),
            ("logencoding", &["auto"], &["  encoding: UTF-8"]),
            ("logencoding", &["latin1"], &["  encoding: latin1"]),
            (
                "bantime.formula",
                &["ban.Time*2"],
                &["Set banTime.formula = ban.Time*2"],
            ),
            (
                "addjournalmatch",
                &["A=1", "+", "B=2"],
                &["[j] Added journal match for: 'A=1 + B=2'"],
            ),
            (
                "deljournalmatch",
                &["A=1"],
                &["[j] Removed journal match for: ['A=1']"],
            ),
            ("datepattern", &["%Y"], &["  date pattern `%Y`: `Year`"]),
            (
                "datepattern",
                &["%Y\n%H:%M"],
                &[
                    "  date pattern `%Y`: `Year`",
                    "  date pattern `%H:%M`: `24hour:Minute`",
                ],
            ),
            ("datepattern", &["EPOCH"], &["  date pattern ``: `Epoch`"]),
            ("datepattern", &["{NONE}"], &["  date pattern `{UNB}^`: `^`"]),
            (
                "datepattern",
                &["{^LN-BEG}"],
                &["  default filtered date pattern: 17 template(s)"],
            ),
            (
                "datepattern",
                &["^x {DATE}"],
                &["  default date pattern for `'^x {DATE}'`: 17 template(s)"],
            ),
            ("usedns", &["no"], &[]),
        ];
        for (property, words, expected) in cases {
            let mut jail = Blueprint::new("j", "systemd", 2026);
            jail.journalmatch.push(vec!["A=1".to_owned()]);
            let arguments: Vec<Value> = words.iter().map(|word| Value::from(*word)).collect();
            jail.set(property, &arguments, false).expect("it can be set");
            let told = std::mem::take(&mut jail.told).records(&jail);
            let texts: Vec<String> = told.into_iter().map(|(_, text)| text).collect();
            assert_eq!(texts, *expected, "{property} {words:?}");
        }
    }
}
