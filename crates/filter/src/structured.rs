//! Structured lines: JSON whose fields are named, and lines in the envelopes of containers.
//!
//! In: the options of a filter that are about them, and lines. Out: of a line the text that expressions are to see with
//! the time of its envelope, or a failure with the address, user and time that its fields have, or why it is neither.
//!
//! Invariant: who is reported stands in the field that is named, as an address and nothing else; nothing that is
//! within a text of the line is ever taken for a field.

mod envelope;
mod json;
mod path;
mod when;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use stockade_datetime::{Timestamp, rfc3339};

use self::envelope::{Envelope, Opener, one_line};
use self::json::{Places, Value};
use self::path::Path;
use self::when::When;
use crate::{Address, Regex};

pub use self::json::Unread;
pub use self::path::PathError;
pub use self::when::WhenError;

/// The options that are about structured lines, in the order in which they are set.
pub const STRUCTURE_OPTIONS: [&str; 7] = [
    "lineformat",
    "field.time",
    "field.host",
    "field.user",
    "field.message",
    "failwhen",
    "ignorewhen",
];

/// The most unfinished lines that are kept; the oldest makes room.
const MAX_STREAMS: usize = 64;

/// How long a line may be whose pieces are in several envelopes. Docker's have 16 KiB each.
const MAX_LINE_BYTES: usize = 256 * 1024;

/// How a user may be long, in bytes; loggers write all that they are sent.
const MAX_USER_BYTES: usize = 1024;

/// The options that are about structured lines, as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StructureOptions {
    values: [String; STRUCTURE_OPTIONS.len()],
}

impl StructureOptions {
    /// Sets an option, which an empty text takes away; `false` where there is none of this name.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        let place = STRUCTURE_OPTIONS.iter().position(|option| *option == name);
        let Some(place) = place.and_then(|place| self.values.get_mut(place)) else {
            return false;
        };
        value.trim().clone_into(place);
        true
    }

    /// An option as it is written, empty where it is not set; nothing where there is none of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let place = STRUCTURE_OPTIONS.iter().position(|option| *option == name)?;
        self.values.get(place).map(String::as_str)
    }

    /// What these options say; nothing where none is set.
    ///
    /// # Errors
    ///
    /// One of them cannot be used.
    pub fn compile(&self) -> Result<Option<Structure>, StructureError> {
        let [lineformat, time, host, user, message, failwhen, ignorewhen] = &self.values;
        if self.values.iter().all(String::is_empty) {
            return Ok(None);
        }
        let mut format = Format::parse(lineformat)?;
        let mut places = Places::default();
        let mut place = |option: &'static str, text: &str| {
            if text.is_empty() {
                return Ok(None);
            }
            let field = |error| StructureError::Field { option, error };
            let path = Path::parse(text).map_err(field)?;
            places.add(&path).map(Some).ok_or(field(PathError::TooLong))
        };
        let time = place("field.time", time)?;
        let host = place("field.host", host)?;
        let user = place("field.user", user)?;
        let message = place("field.message", message)?;
        let mut when = |option: &'static str, text: &str| {
            When::parse(text, &mut places).map_err(|(line, error)| StructureError::When {
                option,
                line,
                error: Box::new(error),
            })
        };
        let failwhen = when("failwhen", failwhen)?;
        let ignorewhen = when("ignorewhen", ignorewhen)?;
        let fields = [time, host, user, message];
        format.is_json |=
            fields.iter().any(Option::is_some) || !failwhen.is_empty() || !ignorewhen.is_empty();
        Ok(Some(Structure {
            options: self.clone(),
            format,
            opener: Opener::default(),
            places,
            time,
            host,
            user,
            message,
            failwhen,
            ignorewhen,
        }))
    }
}

/// Why an option cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StructureError {
    /// `lineformat` is none.
    #[error(
        "`{0}` is no lineformat; it is json, docker, cri, journal or auto, or one of the last four and json behind it, as in `docker json`"
    )]
    Format(
        /// What is written.
        String,
    ),
    /// A field is no path.
    #[error("`{option}`: {error}")]
    Field {
        /// The option.
        option: &'static str,
        /// What is wrong.
        error: PathError,
    },
    /// A condition is none.
    #[error("`{option}`, in `{line}`: {error}")]
    When {
        /// The option.
        option: &'static str,
        /// The line that it is in.
        line: String,
        /// What is wrong.
        error: Box<WhenError>,
    },
}

impl StructureError {
    /// The option that it is about.
    #[must_use]
    pub const fn option(&self) -> &'static str {
        match self {
            Self::Format(_) => "lineformat",
            Self::Field { option, .. } | Self::When { option, .. } => option,
        }
    }

    /// The line of the option that it is about, where that is known.
    #[must_use]
    pub fn line(&self) -> Option<&str> {
        match self {
            Self::Format(_) | Self::Field { .. } => None,
            Self::When { line, .. } => Some(line),
        }
    }
}

/// What lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    envelope: Option<Envelope>,
    is_json: bool,
}

impl Format {
    fn parse(text: &str) -> Result<Self, StructureError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (envelope, rest) = match words.as_slice() {
            ["docker", rest @ ..] => (Some(Envelope::Docker), rest),
            ["cri", rest @ ..] => (Some(Envelope::Cri), rest),
            ["journal", rest @ ..] => (Some(Envelope::Journal), rest),
            ["auto", rest @ ..] => (Some(Envelope::Auto), rest),
            rest => (None, rest),
        };
        let is_json = match rest {
            [] => false,
            ["json"] => true,
            _ => return Err(StructureError::Format(text.to_owned())),
        };
        Ok(Self { envelope, is_json })
    }
}

/// How lines are read.
#[derive(Debug, Clone)]
pub struct Structure {
    options: StructureOptions,
    format: Format,
    opener: Opener,
    places: Places,
    time: Option<usize>,
    host: Option<usize>,
    user: Option<usize>,
    message: Option<usize>,
    failwhen: When,
    ignorewhen: When,
}

/// Everything else follows from how it is written.
impl PartialEq for Structure {
    fn eq(&self, other: &Self) -> bool {
        self.options == other.options
    }
}

impl Eq for Structure {}

/// A line as it is read.
#[derive(Debug, PartialEq)]
pub(crate) enum Read<'a> {
    /// Expressions are to see this text, which was written then.
    Line(Cow<'a, str>, Moment),
    /// The fields make it a failure.
    Failure(Box<Failure>),
    /// No alternative of `failwhen` is met.
    Unmet,
    /// This alternative of `ignorewhen` is met.
    Ignored(usize),
    /// It would be a failure, but its host is no address.
    NoAddress,
    /// It is not read.
    Unread(Unread),
}

/// A failure that the fields of a line make.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    /// What is kept as the line.
    pub(crate) text: String,
    pub(crate) moment: Moment,
    pub(crate) address: Address,
    pub(crate) user: Option<String>,
    /// Which alternative of `failwhen` is met.
    pub(crate) condition: usize,
}

/// When a line was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Then, which is written so.
    At(Timestamp, String),
    /// A field says so, in a form of dates.
    Written(String),
    /// The line itself may have a date.
    InLine,
}

/// The lines that go on in the next envelope of their stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Unfinished {
    lines: Vec<UnfinishedLine>,
}

/// What is there of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UnfinishedLine {
    file: String,
    stream: bool,
    /// Nothing once it is too long.
    text: Option<String>,
}

impl Unfinished {
    /// Takes a piece of a line; the whole line where this is its end.
    fn join<'a>(
        &mut self,
        (file, stream): (&str, bool),
        piece: Cow<'a, str>,
        goes_on: bool,
    ) -> Result<Cow<'a, str>, Unread> {
        let known = self
            .lines
            .iter()
            .position(|line| line.file == file && line.stream == stream);
        let (mut line, is_new) = match known {
            None if !goes_on => return Ok(piece),
            None => (
                UnfinishedLine {
                    file: file.to_owned(),
                    stream,
                    text: Some(String::new()),
                },
                true,
            ),
            Some(at) => (self.lines.swap_remove(at), false),
        };
        line.text = line
            .text
            .filter(|text| text.len() + piece.len() <= MAX_LINE_BYTES)
            .map(|text| text + &piece);
        if goes_on {
            if is_new && self.lines.len() >= MAX_STREAMS {
                self.lines.remove(0);
            }
            self.lines.push(line);
            return Err(Unread::GoesOn);
        }
        line.text.map(Cow::Owned).ok_or(Unread::TooLong)
    }
}

impl Structure {
    /// How it is written.
    #[must_use]
    pub const fn options(&self) -> &StructureOptions {
        &self.options
    }

    /// The alternatives of `failwhen` in their order.
    pub fn failwhen(&self) -> impl Iterator<Item = &str> {
        let lines = self.options.get("failwhen").unwrap_or_default().lines();
        lines.map(str::trim).filter(|line| !line.is_empty())
    }

    /// Whether fields alone make failures, so that no failregex is looked at.
    #[must_use]
    pub const fn has_host(&self) -> bool {
        self.host.is_some()
    }

    /// Reads a line of a file. Expressions of conditions whose search was given up are told to `gave_up`.
    pub(crate) fn read<'a>(
        &self,
        line: &'a str,
        file: &str,
        unfinished: &mut Unfinished,
        gave_up: &mut dyn FnMut(&Regex),
    ) -> Read<'a> {
        let line = line.trim_end_matches(['\r', '\n']);
        let Some(envelope) = self.format.envelope else {
            return self.inside(Cow::Borrowed(line), Moment::InLine, gave_up);
        };
        let opened = match self.opener.open(envelope, line) {
            Ok(opened) => opened,
            Err(why) => return Read::Unread(why),
        };
        let text = match opened.stream {
            None => opened.text,
            Some(stream) => match unfinished.join((file, stream), opened.text, opened.goes_on) {
                Ok(text) => text,
                Err(why) => return Read::Unread(why),
            },
        };
        let moment = match opened.time {
            Some((time, shown)) => Moment::At(time, shown.into_owned()),
            None => Moment::InLine,
        };
        self.inside(text, moment, gave_up)
    }

    /// Reads the text of an entry of the journal, which is an envelope by itself; before a line of JSON stands what
    /// the journal knows of whoever wrote it.
    pub(crate) fn read_entry<'a>(
        &self,
        text: &'a str,
        (time, iso): (Timestamp, &str),
        gave_up: &mut dyn FnMut(&Regex),
    ) -> Read<'a> {
        let moment = Moment::At(time, iso.to_owned());
        let start = if self.format.is_json { text.find('{') } else { None };
        let line = start.and_then(|start| text.get(start..)).unwrap_or(text);
        self.inside(Cow::Borrowed(line), moment, gave_up)
    }

    /// When a line was written, as far as that can be told without what else is in it.
    pub(crate) fn moment(&self, line: &str) -> Moment {
        let opened = self
            .format
            .envelope
            .and_then(|envelope| self.opener.open(envelope, line).ok());
        let inside = opened.as_ref().map_or(line, |opened| opened.text.as_ref());
        let of_field = || {
            let fields = self.places.read(inside).ok()?;
            moment_of(fields.get(self.time?)?.as_ref()?)
        };
        let of_envelope = || {
            let (time, shown) = opened.as_ref()?.time.as_ref()?;
            Some(Moment::At(*time, shown.to_string()))
        };
        of_field().or_else(of_envelope).unwrap_or(Moment::InLine)
    }

    /// Reads what is left without its envelope.
    fn inside<'a>(&self, line: Cow<'a, str>, moment: Moment, gave_up: &mut dyn FnMut(&Regex)) -> Read<'a> {
        if !self.format.is_json {
            return Read::Line(line, moment);
        }
        if !self.failwhen.could_hold(&line) {
            return Read::Unmet;
        }
        let fields = match self.places.read(&line) {
            Ok(fields) => fields,
            Err(why) => return Read::Unread(why),
        };
        if let Some(index) = self.ignorewhen.first(&fields, true, &mut *gave_up) {
            return Read::Ignored(index);
        }
        let condition = self.failwhen.first(&fields, false, gave_up);
        // With a host, that no condition is written means that nothing is a failure; not that everything is one.
        let needs_condition = !self.failwhen.is_empty() || self.host.is_some();
        if needs_condition && condition.is_none() {
            return Read::Unmet;
        }
        let value = |place: Option<usize>| fields.get(place?).and_then(Option::as_ref);
        let moment = value(self.time).and_then(moment_of).unwrap_or(moment);
        let message = value(self.message)
            .and_then(Value::text)
            .map(|text| one_line(Cow::Borrowed(text)).into_owned());
        if self.host.is_none() {
            return match (self.message, message) {
                (None, _) => {
                    drop(fields);
                    Read::Line(line, moment)
                }
                (Some(_), Some(message)) => Read::Line(Cow::Owned(message), moment),
                (Some(_), None) => Read::Unmet,
            };
        }
        let Some(address) = value(self.host).and_then(address) else {
            return Read::NoAddress;
        };
        let user = value(self.user)
            .and_then(Value::text)
            .filter(|user| !user.is_empty())
            .map(|user| shortened(&one_line(Cow::Borrowed(user))).to_owned());
        let text = message.unwrap_or_else(|| line.clone().into_owned());
        Read::Failure(Box::new(Failure {
            text,
            moment,
            address,
            user,
            condition: condition.unwrap_or_default(),
        }))
    }
}

/// The moment that a field names, where it is neither a list, an object nor nothing.
fn moment_of(value: &Value<'_>) -> Option<Moment> {
    let text = value.text()?;
    let moment = match value {
        Value::Number(_) => epoch(text),
        Value::Text(_) => rfc3339(text).or_else(|| epoch(text)),
        Value::Bool(_) | Value::Null | Value::Compound => None,
    };
    Some(match moment {
        Some(time) => Moment::At(time, text.to_owned()),
        None => Moment::Written(text.to_owned()),
    })
}

/// Seconds since 1970, perhaps with a fraction; or what is so large that it can only be milliseconds, microseconds or
/// nanoseconds.
fn epoch(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let micros = if whole < 100_000_000_000 {
        let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
        whole * 1_000_000 + fraction.parse::<i64>().ok()?
    } else if whole < 100_000_000_000_000 {
        whole * 1000
    } else if whole < 100_000_000_000_000_000 {
        whole
    } else {
        whole / 1000
    };
    Some(Timestamp::from_micros(micros))
}

/// The address that a field is as a whole, perhaps with a port; never one out of several.
fn address(value: &Value<'_>) -> Option<Address> {
    let Value::Text(text) = value else {
        return None;
    };
    let text = text.trim();
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip = match inside {
        Some(inside) => IpAddr::V6(inside.parse().ok()?),
        None => text
            .parse()
            .or_else(|_| text.parse().map(|address: SocketAddr| address.ip()))
            .ok()?,
    };
    Some(Address::single(ip))
}

/// A user, cut where he is too long.
fn shortened(user: &str) -> &str {
    let mut end = user.len().min(MAX_USER_BYTES);
    while !user.is_char_boundary(end) {
        end -= 1;
    }
    user.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Moment, Read, Structure, StructureOptions, Unfinished};

    fn structure(options: &[(&str, &str)]) -> Structure {
        let mut set = StructureOptions::default();
        for (name, value) in options {
            assert!(set.set(name, value), "{name}");
        }
        set.compile().expect("right").expect("something is set")
    }

    fn show(read: &Read<'_>) -> String {
        let moment = |moment: &Moment| match moment {
            Moment::At(time, _) => time.micros().to_string(),
            Moment::Written(text) => format!("`{text}`"),
            Moment::InLine => "-".to_owned(),
        };
        match read {
            Read::Line(text, at) => format!("line {} {text}", moment(at)),
            Read::Failure(failure) => format!(
                "{} {} {:?} {}",
                failure.address.ip(),
                moment(&failure.moment),
                failure.user,
                failure.condition
            ),
            Read::Unmet | Read::Ignored(_) | Read::NoAddress | Read::Unread(_) => format!("{read:?}"),
        }
    }

    fn read(structure: &Structure, line: &str) -> String {
        show(&structure.read(line, "", &mut Unfinished::default(), &mut |_| {}))
    }

    #[test]
    fn failures_by_fields() {
        let options = [
            ("field.time", "ts"),
            ("field.host", "ip"),
            ("field.user", "user"),
            ("failwhen", "status = 401\nstatus = 403 and uri ~ ^/admin"),
            ("ignorewhen", "uri = /health"),
        ];
        let plain = structure(&options);
        let cases = [
            (
                r#"{"ts":1.5,"ip":"192.0.2.1","status":401}"#,
                "192.0.2.1 1500000 None 0",
            ),
            (
                r#"{"ts":"1970-01-01T00:00:01Z","ip":"192.0.2.1:80","status":403,"uri":"/admin","user":"a\nb"}"#,
                "192.0.2.1 1000000 Some(\"a\\\\nb\") 1",
            ),
            (
                r#"{"ts":1700000000123,"ip":"[2001:db8::1]:80","status":401}"#,
                "2001:db8::1 1700000000123000 None 0",
            ),
            (
                r#"{"ts":1700000000123456789,"ip":"[2001:db8::1]","status":401}"#,
                "2001:db8::1 1700000000123456 None 0",
            ),
            (
                r#"{"ts":"Nov 1","ip":"::ffff:192.0.2.1","status":401}"#,
                "192.0.2.1 `Nov 1` None 0",
            ),
            (r#"{"ip":"2001:db8::1","status":401}"#, "2001:db8::1 - None 0"),
            (r#"{"ip":"192.0.2.1, 192.0.2.2","status":401}"#, "NoAddress"),
            (r#"{"ip":["192.0.2.1"],"status":401}"#, "NoAddress"),
            (r#"{"ip":"host.example","status":401}"#, "NoAddress"),
            (r#"{"ip":"192.0.2.0/24","status":401}"#, "NoAddress"),
            (r#"{"ip":"[192.0.2.1]","status":401}"#, "NoAddress"),
            (r#"{"ip":"fe80::1%eth0","status":401}"#, "NoAddress"),
            (r#"{"status":401}"#, "NoAddress"),
            (r#"{"ip":"192.0.2.1","status":403}"#, "Unmet"),
            (r#"{"ip":"192.0.2.1","status":401,"uri":"/health"}"#, "Ignored(0)"),
            (
                r#"{"ip":"192.0.2.1","status":401,"ip":"192.0.2.2"}"#,
                "Unread(Twice)",
            ),
            (
                r#"{"ip":"192.0.2.1","status":200,"uri":"\",\"status\":401,\""}"#,
                "Unmet",
            ),
            ("no JSON", "Unread(Syntax)"),
        ];
        for (line, expected) in cases {
            assert_eq!(read(&plain, line), expected, "{line}");
        }

        let mut options = options.to_vec();
        options.push(("lineformat", "docker"));
        let line = r#"{"log":"{\"ip\":\"192.0.2.1\",\"status\":401}\n","stream":"stdout","time":"1970-01-01T00:00:02Z"}"#;
        assert_eq!(read(&structure(&options), line), "192.0.2.1 2000000 None 0");
        assert_eq!(
            read(&structure(&[("field.host", "ip")]), r#"{"ip":"192.0.2.1"}"#),
            "Unmet",
            "without a condition nothing is a failure"
        );
    }

    #[test]
    fn texts_for_expressions() {
        let message = structure(&[
            ("lineformat", "json"),
            ("field.message", "msg"),
            ("field.time", "t"),
            ("failwhen", "level = error"),
        ]);
        let cases = [
            (r#"{"t":1,"level":"error","msg":"a\nb"}"#, "line 1000000 a\\nb"),
            (r#"{"t":1,"level":"info","msg":"a"}"#, "Unmet"),
            (r#"{"t":1,"level":"error"}"#, "Unmet"),
        ];
        for (line, expected) in cases {
            assert_eq!(read(&message, line), expected, "{line}");
        }
        let json = structure(&[("lineformat", "json")]);
        assert_eq!(read(&json, "{\"a\":1}\r\n"), "line - {\"a\":1}");
        let docker = structure(&[("lineformat", "docker")]);
        let line = r#"{"log":"x 192.0.2.1\n","time":"1970-01-01T00:00:02Z"}"#;
        assert_eq!(read(&docker, line), "line 2000000 x 192.0.2.1");
    }

    #[test]
    fn moments_without_conditions() {
        let plain = structure(&[("field.time", "t"), ("field.host", "ip"), ("failwhen", "x = y")]);
        let docker = structure(&[("lineformat", "docker")]);
        let in_docker = r#"{"log":"{\"t\":1}\n","time":"1970-01-01T00:00:02Z"}"#;
        let cases = [
            (&plain, r#"{"t":1}"#, "At(1000000)"),
            (&plain, r#"{"t":"Nov 1"}"#, "Nov 1"),
            (&plain, "none", "-"),
            (&docker, in_docker, "At(2000000)"),
        ];
        for (structure, line, expected) in cases {
            let found = match structure.moment(line) {
                Moment::At(time, _) => format!("At({})", time.micros()),
                Moment::Written(text) => text,
                Moment::InLine => "-".to_owned(),
            };
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn a_line_in_several_envelopes_is_one() {
        let docker = structure(&[("lineformat", "docker")]);
        let mut unfinished = Unfinished::default();
        let mut step = |file: &str, stream: &str, log: &str| {
            let line = format!(r#"{{"log":"{log}","stream":"{stream}","time":"1970-01-01T00:00:00Z"}}"#);
            show(&docker.read(&line, file, &mut unfinished, &mut |_| {}))
        };
        let cases = [
            ("1", "stdout", "begin ", "Unread(GoesOn)"),
            ("1", "stderr", r"other\n", "line 0 other"),
            ("2", "stdout", r"other\n", "line 0 other"),
            ("1", "stdout", "middle ", "Unread(GoesOn)"),
            ("1", "stdout", r"end\n", "line 0 begin middle end"),
            ("1", "stdout", r"next\n", "line 0 next"),
        ];
        for (file, stream, log, expected) in cases {
            assert_eq!(step(file, stream, log), expected, "{log}");
        }
        let long = "x".repeat(super::MAX_LINE_BYTES / 2);
        for expected in ["Unread(GoesOn)", "Unread(GoesOn)", "Unread(GoesOn)"] {
            assert_eq!(step("1", "stdout", &long), expected);
        }
        assert_eq!(step("1", "stdout", r"end\n"), "Unread(TooLong)");
        assert_eq!(step("1", "stdout", r"next\n"), "line 0 next");
        for number in 0..super::MAX_STREAMS + 10 {
            assert_eq!(step(&number.to_string(), "stdout", "x"), "Unread(GoesOn)");
        }
        assert_eq!(unfinished.lines.len(), super::MAX_STREAMS, "they have a limit");
    }

    #[test]
    fn mistakes_name_the_option() {
        let cases = [
            ("lineformat", "xml", "`xml` is no lineformat"),
            ("lineformat", "json docker", "`json docker` is no lineformat"),
            (
                "field.host",
                "a..b",
                "`field.host`: a name is missing behind `a.`",
            ),
            (
                "failwhen",
                "a = 1\nb = ",
                "`failwhen`, in `b =`: `=` has nothing to compare with",
            ),
        ];
        for (name, value, expected) in cases {
            let mut options = StructureOptions::default();
            options.set(name, value);
            let error = options.compile().expect_err(value);
            assert_eq!(error.option(), name);
            assert!(error.to_string().starts_with(expected), "{error}");
        }
        assert!(!StructureOptions::default().set("field.port", "x"));
        assert_eq!(StructureOptions::default().compile(), Ok(None));
    }

    proptest! {
        #[test]
        fn no_line_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), json in "[\\{\\}\\[\\]:,\"\\\\a-c0-9u ]{0,60}") {
            let structures = [
                structure(&[("lineformat", "auto json"), ("field.host", "a"), ("failwhen", "b exists")]),
                structure(&[("lineformat", "auto")]),
                structure(&[("lineformat", "cri")]),
                structure(&[("field.host", "a"), ("field.time", "b"), ("failwhen", "a exists")]),
            ];
            let mut unfinished = Unfinished::default();
            for line in [String::from_utf8_lossy(&bytes).as_ref(), &json, &format!("{{\"a\":\"{json}\"}}")] {
                for structure in &structures {
                    let read = structure.read(line, "f", &mut unfinished, &mut |_| {});
                    drop(read);
                }
            }
        }

        #[test]
        fn no_setting_panics(text in "[a-c.\\[\\]\"'0-9 =!~<>andinexists\n]{0,40}|\\PC{0,40}") {
            for name in super::STRUCTURE_OPTIONS {
                let mut options = StructureOptions::default();
                options.set(name, &text);
                drop(options.compile());
            }
        }

        /// Whatever is in a text that a client has sent, the address is that of the field.
        #[test]
        fn nobody_is_put_in_the_place_of_another(uri in any::<String>(), user in any::<String>()) {
            let structure = structure(&[
                ("field.host", "request.remote_ip"),
                ("field.user", "request.user"),
                ("failwhen", "status = 401"),
            ]);
            let line = serde_json::json!({
                "uri": uri, "request": {"uri": uri, "user": user, "remote_ip": "192.0.2.1"}, "x": user, "status": 401,
            });
            let read = read(&structure, &line.to_string());
            prop_assert!(read.starts_with("192.0.2.1 "), "{read}");
        }
    }
}
