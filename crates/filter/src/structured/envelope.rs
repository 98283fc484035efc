//! What containers and the journal put around the lines of others.
//!
//! In: a line of Docker's `json-file`, of a container runtime of Kubernetes (CRI), or of `journalctl -o json`. Out: the
//! line inside, when it was written, and whether it goes on in the next one.

use std::borrow::Cow;

use stockade_datetime::{Timestamp, rfc3339};

use super::json::{Places, Unread, Value};
use super::path::{Path, Step};
use crate::Encoding;
use crate::journal::journal_text;

/// A kind of envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Envelope {
    /// Docker's `json-file`.
    Docker,
    /// That of container runtimes, and of Podman's `k8s-file`.
    Cri,
    /// `journalctl -o json`.
    Journal,
    /// Whichever it is, or none.
    Auto,
}

/// What was in an envelope.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unwrapped<'a> {
    /// The line inside, without its end.
    pub(super) text: Cow<'a, str>,
    /// When it was written, and that as it is written.
    pub(super) time: Option<(Timestamp, Cow<'a, str>)>,
    /// The stream that it was written to, where streams are kept apart.
    pub(super) stream: Option<bool>,
    /// The line goes on in the next envelope of the stream.
    pub(super) goes_on: bool,
}

/// The fields of an entry of the journal that make its text.
const JOURNAL: [&str; 6] = [
    "_HOSTNAME",
    "SYSLOG_IDENTIFIER",
    "_COMM",
    "SYSLOG_PID",
    "_PID",
    "MESSAGE",
];

/// Where all envelopes of JSON have what is asked for; made once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opener {
    docker: Places,
    journal: Places,
}

impl Default for Opener {
    fn default() -> Self {
        let places = |names: &[&str]| {
            let mut places = Places::default();
            for &name in names {
                let number = places.add(&Path(vec![Step::Key(name.to_owned())]));
                debug_assert!(number.is_some(), "they are few");
            }
            places
        };
        Self {
            docker: places(&["log", "time", "stream"]),
            journal: places(&[&JOURNAL[..], &["__REALTIME_TIMESTAMP"]].concat()),
        }
    }
}

impl Opener {
    /// Opens an envelope.
    pub(super) fn open<'a>(&self, envelope: Envelope, line: &'a str) -> Result<Unwrapped<'a>, Unread> {
        match envelope {
            Envelope::Docker => self.docker(line),
            Envelope::Cri => cri(line).ok_or(Unread::Envelope),
            Envelope::Journal => self.journal(line),
            Envelope::Auto => {
                let opened = if line.trim_start().starts_with('{') {
                    match self.docker(line) {
                        Err(Unread::Envelope) => self.journal(line),
                        opened => opened,
                    }
                } else {
                    cri(line).ok_or(Unread::Envelope)
                };
                match opened {
                    // What cannot be trusted is no line of another kind.
                    Ok(_) | Err(Unread::Twice | Unread::Depth | Unread::TooLong) => opened,
                    Err(Unread::Syntax | Unread::Envelope | Unread::GoesOn) => Ok(Unwrapped {
                        text: Cow::Borrowed(line),
                        time: None,
                        stream: None,
                        goes_on: false,
                    }),
                }
            }
        }
    }

    fn docker<'a>(&self, line: &'a str) -> Result<Unwrapped<'a>, Unread> {
        let mut fields = self.docker.read(line)?.into_iter();
        let (Some(Some(Value::Text(log))), Some(Some(Value::Text(time)))) = (fields.next(), fields.next())
        else {
            return Err(Unread::Envelope);
        };
        let stream = fields.next().flatten();
        let goes_on = !log.ends_with('\n');
        let moment = rfc3339(&time).ok_or(Unread::Envelope)?;
        Ok(Unwrapped {
            text: one_line(log),
            time: Some((moment, time)),
            stream: Some(stream.as_ref().and_then(Value::text) == Some("stderr")),
            goes_on,
        })
    }

    fn journal<'a>(&self, line: &'a str) -> Result<Unwrapped<'a>, Unread> {
        let mut fields = self.journal.read(line)?;
        let time = fields.pop().flatten();
        let time = time.as_ref().and_then(Value::text).ok_or(Unread::Envelope)?;
        let micros = time.parse().map_err(|_| Unread::Envelope)?;
        let fields: Vec<(&str, &[u8])> = JOURNAL
            .iter()
            .zip(&fields)
            .filter_map(|(name, value)| Some((*name, value.as_ref()?.text()?.as_bytes())))
            .collect();
        if !fields.iter().any(|(name, _)| *name == "MESSAGE") {
            return Err(Unread::Envelope);
        }
        Ok(Unwrapped {
            text: Cow::Owned(journal_text(&fields, Encoding::UTF_8)),
            time: Some((Timestamp::from_micros(micros), Cow::Owned(time.to_owned()))),
            stream: None,
            goes_on: false,
        })
    }
}

/// `2026-11-22T18:05:06.123456789Z stderr F the line`.
fn cri(line: &str) -> Option<Unwrapped<'_>> {
    let (time, rest) = line.split_once(' ')?;
    let (stream, rest) = rest.split_once(' ')?;
    let (tags, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let goes_on = match tags.split(':').next()? {
        "F" => false,
        "P" => true,
        _ => return None,
    };
    let is_error = match stream {
        "stdout" => false,
        "stderr" => true,
        _ => return None,
    };
    Some(Unwrapped {
        text: Cow::Borrowed(text.trim_end_matches(['\r', '\n'])),
        time: Some((rfc3339(time)?, Cow::Borrowed(time))),
        stream: Some(is_error),
        goes_on,
    })
}

/// A text as one line, as the journal's are: an end of a line within it would begin another one for expressions.
pub(super) fn one_line(text: Cow<'_, str>) -> Cow<'_, str> {
    let kept = text.trim_end_matches(['\r', '\n']).len();
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..kept).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.truncate(kept);
            Cow::Owned(text)
        }
    };
    if text.contains(['\n', '\r']) {
        return Cow::Owned(text.replace('\n', "\\n").replace('\r', "\\r"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Envelope, Opener, Unread};

    #[test]
    fn envelopes() {
        use Envelope::{Auto, Cri, Docker, Journal};
        let docker = r#"{"log":"a \"b\"\n","stream":"stderr","time":"1970-01-01T00:00:01.5Z"}"#;
        let cri = "1970-01-01T00:00:01.5Z stdout F a \"b\"";
        let journal = r#"{"MESSAGE":"a \"b\"","__REALTIME_TIMESTAMP":"1500000","_HOSTNAME":"h","_COMM":"c","_PID":"7"}"#;
        let cases = [
            (Docker, docker, Ok("a \"b\"|1500000|Some(true)|false")),
            (Auto, docker, Ok("a \"b\"|1500000|Some(true)|false")),
            (Cri, docker, Err(Unread::Envelope)),
            (
                Docker,
                r#"{"log":"half","stream":"stdout","time":"1970-01-01T00:00:00+00:00"}"#,
                Ok("half|0|Some(false)|true"),
            ),
            (
                Docker,
                r#"{"log":"a\nb\r\n","time":"1970-01-01T00:00:00Z"}"#,
                Ok("a\\nb|0|Some(false)|false"),
            ),
            (
                Docker,
                r#"{"log":"a\n","time":"yesterday"}"#,
                Err(Unread::Envelope),
            ),
            (
                Docker,
                r#"{"log":1,"time":"1970-01-01T00:00:00Z"}"#,
                Err(Unread::Envelope),
            ),
            (
                Docker,
                r#"{"log":"a","log":"b","time":"1970-01-01T00:00:00Z"}"#,
                Err(Unread::Twice),
            ),
            (Docker, "plain", Err(Unread::Syntax)),
            (Auto, "plain", Ok("plain|-|None|false")),
            (Auto, r#"{"msg":"x"}"#, Ok("{\"msg\":\"x\"}|-|None|false")),
            (Cri, cri, Ok("a \"b\"|1500000|Some(false)|false")),
            (Auto, cri, Ok("a \"b\"|1500000|Some(false)|false")),
            (
                Cri,
                "1970-01-01T00:00:00Z stderr P:x half",
                Ok("half|0|Some(true)|true"),
            ),
            (Cri, "1970-01-01T00:00:00Z stderr F", Ok("|0|Some(true)|false")),
            (Cri, "1970-01-01T00:00:00Z stdin F x", Err(Unread::Envelope)),
            (Cri, "1970-01-01 stdout F x", Err(Unread::Envelope)),
            (Journal, journal, Ok("h c[7]: a \"b\"|1500000|None|false")),
            (Auto, journal, Ok("h c[7]: a \"b\"|1500000|None|false")),
            (
                Journal,
                r#"{"MESSAGE":[1,2],"__REALTIME_TIMESTAMP":"1"}"#,
                Err(Unread::Envelope),
            ),
        ];
        let opener = Opener::default();
        for (envelope, line, expected) in cases {
            let opened = opener.open(envelope, line).map(|opened| {
                let time = opened
                    .time
                    .map_or("-".to_owned(), |(time, _)| time.micros().to_string());
                format!("{}|{time}|{:?}|{}", opened.text, opened.stream, opened.goes_on)
            });
            assert_eq!(opened.as_deref().map_err(|error| *error), expected, "{line}");
        }
    }
}
