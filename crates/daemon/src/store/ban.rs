//! One row of the ban tables, and the JSON in its `data` column.
//!
//! In: what a ticket knows. Out: the bytes the reference would have written, and back.
//!
//! Invariant: whatever bytes stand in the column, reading them gives data; what cannot be read is empty.

use serde_json::Value;
use stockade_datetime::Timestamp;
use stockade_filter::{Captured, Data, Id, MatchedLine};
use stockade_jail::{ASKED_BANTIME, BanTime, Match, Ticket};

/// The `bantime` of a ban that has no end.
pub const PERMANENT: f64 = -1.0;

/// One ban of one id, as the tables `bans` and `bips` hold it.
#[derive(Debug, Clone, PartialEq)]
pub struct BanRow {
    /// What is banned, as text.
    pub ip: String,
    /// When the ban begins: the time of the last failure. Kept in whole seconds.
    pub timeofban: Timestamp,
    /// How long it lasts in seconds, [`PERMANENT`] for ever. Increments may leave a fraction.
    pub bantime: f64,
    /// How often the id has been banned, this time included.
    pub bancount: i64,
    /// A JSON object, as [`BanData`] reads and writes it.
    pub data: Vec<u8>,
}

/// What the column `data` says of a ban.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BanData {
    /// The lines that led to it, oldest first.
    pub matches: Vec<Match>,
    /// How many failures led to it.
    pub failures: i64,
    /// The captured groups and whatever else is there, in order.
    pub captured: Vec<(String, Value)>,
}

impl BanRow {
    /// The row of a ban by `ticket`, with the newest `max_matches` lines; `of_jail` is the time of bans without
    /// one of their own.
    #[must_use]
    pub fn of(ticket: &Ticket, of_jail: BanTime, max_matches: usize) -> Self {
        let data = BanData {
            matches: ticket.matches.clone(),
            failures: i64::from(ticket.failures),
            captured: Vec::new(),
        };
        Self {
            ip: ticket.id.to_string(),
            timeofban: ticket.time,
            bantime: bantime_seconds(ticket.bantime_in(of_jail)),
            bancount: i64::from(ticket.bancount.max(1)),
            data: data.with_captured(&ticket.captured).to_json(max_matches),
        }
    }

    /// Leaves out the lines and all that was captured, but for what holds over a restart.
    pub(super) fn make_lean(&mut self) {
        let mut data = BanData::from_json(&self.data);
        data.captured.retain(|(name, _)| name == ASKED_BANTIME);
        self.data = data.to_json(0);
    }

    /// The ticket that this row was written for.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        let data = BanData::from_json(&self.data);
        Ticket {
            bantime: Some(if self.bantime < 0.0 {
                BanTime::Forever
            } else {
                BanTime::Micros(micros(self.bantime))
            }),
            bancount: u32::try_from(self.bancount).unwrap_or(1),
            failures: u32::try_from(data.failures).unwrap_or(0),
            captured: data.captured(),
            matches: data.matches,
            restored: true,
            ..Ticket::new(Id::parse(&self.ip), self.timeofban)
        }
    }
}

/// The `bantime` column of a ban time.
#[must_use]
pub fn bantime_seconds(bantime: BanTime) -> f64 {
    match bantime {
        BanTime::Forever => PERMANENT,
        // Six decimals are what there is, and text is the one way that rounds once.
        BanTime::Micros(micros) => {
            let text = Timestamp::from_micros(micros).to_string();
            text.parse().unwrap_or(PERMANENT)
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast saturates, which is what is meant"
)]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}

fn match_value(line: &Match) -> Value {
    match line {
        Match::Text(line) => Value::from(line.as_str()),
        Match::Parts(cut) => Value::from(vec![cut.before(), cut.date(), cut.after()]),
    }
}

/// Lists of other than three texts are put together to one line; what is no text at all is left out.
fn match_of(value: &Value) -> Option<Match> {
    if let Some(line) = value.as_str() {
        return Some(Match::Text(line.to_owned()));
    }
    let parts: Vec<&str> = value
        .as_array()?
        .iter()
        .map(Value::as_str)
        .collect::<Option<_>>()?;
    Some(match parts.as_slice() {
        [before, date, after] => Match::Parts(MatchedLine::new(before, date, after)),
        parts => Match::Text(parts.concat()),
    })
}

impl BanData {
    /// Puts the captured groups in: sets and tuples become lists.
    #[must_use]
    pub fn with_captured(mut self, captured: &Captured) -> Self {
        self.captured.extend(captured.iter().map(|(name, data)| {
            let value = match data {
                Data::Text(text) => Value::from(text.as_str()),
                Data::Set(texts) => Value::from_iter(texts.iter()),
                Data::Tuple(parts) => Value::from_iter(parts.iter().map(Option::as_deref)),
            };
            (name.to_owned(), value)
        }));
        self
    }

    /// The groups that were captured; lists become sets, for it is the users of a session that are kept so.
    #[must_use]
    pub fn captured(&self) -> Captured {
        let mut captured = Captured::default();
        for (name, value) in &self.captured {
            let data = match value {
                Value::String(text) => Data::Text(text.into()),
                Value::Array(texts) => Data::Set(texts.iter().filter_map(Value::as_str).collect()),
                Value::Null => continue,
                Value::Bool(_) | Value::Number(_) | Value::Object(_) => Data::Text(value.to_string().into()),
            };
            captured.insert(name, data);
        }
        captured
    }

    /// The JSON text with the newest `max_matches` lines; with 0 it has no `matches` at all.
    #[must_use]
    pub fn to_json(&self, max_matches: usize) -> Vec<u8> {
        let mut object = serde_json::Map::new();
        if max_matches > 0 {
            let surplus = self.matches.len().saturating_sub(max_matches);
            let newest = self.matches.iter().skip(surplus).map(match_value).collect();
            object.insert("matches".to_owned(), newest);
        }
        object.insert("failures".to_owned(), Value::from(self.failures));
        for (name, value) in &self.captured {
            object.insert(name.clone(), value.clone());
        }
        let mut json = String::new();
        write_json(&Value::Object(object), &mut json);
        json.into_bytes()
    }

    /// Reads the JSON text; where it is none, there are no data.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Self {
        let text = String::from_utf8_lossy(json);
        let Ok(Value::Object(object)) = serde_json::from_str(&text) else {
            return Self::default();
        };
        let mut data = Self::default();
        for (name, value) in object {
            match name.as_str() {
                "matches" => {
                    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
                    data.matches = list.iter().filter_map(match_of).collect();
                }
                "failures" => data.failures = value.as_i64().unwrap_or(0),
                _ => data.captured.push((name, value)),
            }
        }
        data
    }

    /// Leaves only the newest `max` lines.
    pub fn limit_matches(&mut self, max: usize) {
        let surplus = self.matches.len().saturating_sub(max);
        self.matches.drain(..surplus);
    }

    /// Puts an older ban of the same id to this one: its failures count, its lines go before these as long
    /// as there are no more than `max_matches`, and its other data win.
    pub fn add_older(&mut self, older: Self, max_matches: usize) {
        self.failures = self.failures.saturating_add(older.failures);
        let room = max_matches.saturating_sub(self.matches.len());
        if room > 0 {
            let mut matches = older.matches;
            let surplus = matches.len().saturating_sub(room);
            matches.drain(..surplus);
            matches.append(&mut self.matches);
            self.matches = matches;
        }
        for (name, value) in older.captured {
            match self.captured.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => self.captured.push((name, value)),
            }
        }
    }
}

/// Writes `value` with a blank after each comma and each colon and everything but ASCII left as it is.
///
/// The depth of the recursion is that of the value, which the parser of what we read limits.
fn write_json(value: &Value, json: &mut String) {
    match value {
        Value::Array(items) => {
            json.push('[');
            for (index, item) in items.iter().enumerate() {
                json.push_str(if index > 0 { ", " } else { "" });
                write_json(item, json);
            }
            json.push(']');
        }
        Value::Object(members) => {
            json.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                json.push_str(if index > 0 { ", " } else { "" });
                write_json(&Value::from(name.as_str()), json);
                json.push_str(": ");
                write_json(member, json);
            }
            json.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            json.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use stockade_filter::{Captured, Data, MatchedLine};

    use stockade_jail::Match;

    use super::BanData;

    #[test]
    fn the_data_of_a_ban_read_and_write_as_the_reference_does() {
        for (name, json) in [
            (
                "both forms of a line",
                r#"{"matches": [["", "1795305135", " FAIL 192.0.2.51"], "1795305135 FAIL 192.0.2.51"], "failures": 3, "ip4": "192.0.2.51"}"#,
            ),
            ("by hand", r#"{"matches": [], "failures": 0}"#),
            (
                "not only ASCII",
                r#"{"matches": ["Süß \" \\ \u0001 \t"], "failures": 1, "users": ["ä", "b"]}"#,
            ),
        ] {
            let data = BanData::from_json(json.as_bytes());
            assert_eq!(String::from_utf8(data.to_json(10)).as_deref(), Ok(json), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_empty() {
        for json in [&b""[..], b"[]", b"{", b"null", b"\xff\xfe"] {
            assert_eq!(BanData::from_json(json), BanData::default(), "{json:?}");
        }
        let odd = BanData::from_json(br#"{"matches": [1, ["a"], ["a", 2, "c"], "x"], "failures": "3"}"#);
        assert_eq!(odd.matches, [Match::Text("a".into()), Match::Text("x".into())]);
        assert_eq!(odd.failures, 0);
    }

    #[test]
    fn only_the_newest_lines_are_written() {
        let lines = |lines: &[&str]| lines.iter().map(|line| Match::Text((*line).to_owned())).collect();
        let data = BanData {
            matches: lines(&["a", "b", "c"]),
            failures: 3,
            captured: Vec::new(),
        };
        for (max, json) in [
            (0, r#"{"failures": 3}"#),
            (1, r#"{"matches": ["c"], "failures": 3}"#),
            (2, r#"{"matches": ["b", "c"], "failures": 3}"#),
            (9, r#"{"matches": ["a", "b", "c"], "failures": 3}"#),
        ] {
            assert_eq!(String::from_utf8_lossy(&data.to_json(max)), json, "{max}");
        }
    }

    #[test]
    fn captured_groups_come_back() {
        let mut captured = Captured::default();
        captured.insert("ip4", Data::Text("192.0.2.1".into()));
        captured.insert("users", Data::Set(["a", "b"].into_iter().collect()));
        let data = BanData {
            matches: vec![Match::Parts(MatchedLine::new("x ", "d", " y"))],
            failures: 2,
            captured: Vec::new(),
        }
        .with_captured(&captured);
        let read = BanData::from_json(&data.to_json(10));
        assert_eq!(read.captured(), captured);
        assert_eq!(
            read.matches.first().map(ToString::to_string).as_deref(),
            Some("x d y")
        );
    }

    #[test]
    fn older_bans_add_their_failures_and_lines() {
        let ban = |json: &str| BanData::from_json(json.as_bytes());
        let mut newest = ban(r#"{"matches": ["e", "f"], "failures": 2, "user": "new"}"#);
        newest.add_older(
            ban(r#"{"matches": ["b", "c", "d"], "failures": 3, "user": "old", "ip4": "x"}"#),
            4,
        );
        newest.add_older(ban(r#"{"matches": ["a"], "failures": 1}"#), 4);
        assert_eq!(
            String::from_utf8_lossy(&newest.to_json(10)),
            r#"{"matches": ["c", "d", "e", "f"], "failures": 6, "user": "old", "ip4": "x"}"#
        );
    }
}
