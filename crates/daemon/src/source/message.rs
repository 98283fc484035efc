//! A message of syslog, and the line that a syslog daemon would write of it.
//!
//! In: the bytes of one message, by RFC 5424, by RFC 3164 or by what is usual in its place, and when it was received.
//! Out: who it says it is from, and one line.
//!
//! Invariant: one message is one line. Whatever of it is no text is written as rsyslog writes it: `#` and three octal
//! digits.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use stockade_datetime::Timestamp;

use super::rendered;

/// How far the time of a message may be behind its receipt, and how far ahead. Within it the message's own time counts,
/// for messages may have waited on their way; past it, the clock or the zone of its sender is wrong, and its receipt
/// counts.
pub(super) const BEHIND_MICROS: i64 = 600_000_000;
/// See [`BEHIND_MICROS`].
pub(super) const AHEAD_MICROS: i64 = 60_000_000;

/// What a message without a priority is: `user.notice`, as RFC 3164 has it.
const USUAL_PRIORITY: u8 = 13;

/// The facilities by their numbers.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// The number of a facility, by its name or number.
pub(super) fn facility(name: &str) -> Option<u8> {
    let name = match name {
        "security" => "auth",
        name => name,
    };
    let at = FACILITIES
        .iter()
        .position(|known| known.eq_ignore_ascii_case(name));
    let at = at.or_else(|| {
        name.parse()
            .ok()
            .filter(|&number: &usize| number < FACILITIES.len())
    });
    at.and_then(|at| u8::try_from(at).ok())
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) facility: u8,
    time: Time<'a>,
    /// The host it says it is from.
    pub(super) host: Option<&'a [u8]>,
    pub(super) tag: &'a [u8],
    process: Option<&'a [u8]>,
    text: &'a [u8],
}

/// When a message says it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time<'a> {
    /// With year and zone.
    Full(&'a str),
    /// `Nov 22 12:00:00`.
    Short(&'a str),
    None,
}

impl<'a> Message<'a> {
    /// Reads one; there are no bytes that would be none.
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let end = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r' | 0));
        let bytes = bytes.get(..end.map_or(0, |end| end + 1)).unwrap_or_default();
        let (priority, rest) = priority(bytes).unwrap_or((USUAL_PRIORITY, bytes));
        let facility = priority / 8;
        match rest
            .strip_prefix(b"1 ")
            .and_then(|rest| Self::modern(facility, rest))
        {
            Some(message) => message,
            None => Self::traditional(facility, rest),
        }
    }

    /// Reads what follows the version of RFC 5424.
    fn modern(facility: u8, rest: &'a [u8]) -> Option<Self> {
        let mut rest = rest;
        let mut field = || {
            let (field, after) = word(rest)?;
            rest = after;
            Some(field)
        };
        let (time, host, tag, process, _kind) = (field()?, field()?, field()?, field()?, field()?);
        let given = |field: &'a [u8]| Some(field).filter(|field| *field != b"-");
        let time = match given(time) {
            None => Time::None,
            Some(time) => Time::Full(
                std::str::from_utf8(time)
                    .ok()
                    .filter(|time| moment(time).is_some())?,
            ),
        };
        let text = behind_data(rest)?;
        Some(Self {
            facility,
            time,
            host: given(host),
            tag: given(tag).unwrap_or_default(),
            process: given(process),
            text: text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text),
        })
    }

    /// Reads what follows the priority of RFC 3164: a time, a host and a tag, each if it is there.
    fn traditional(facility: u8, rest: &'a [u8]) -> Self {
        let (time, rest) = time(rest);
        let (mut host, mut rest) = (None, rest);
        // Programs on the same machine name no host. What has the look of a tag is one.
        if time != Time::None
            && let Some((first, after)) = word(rest)
            && !first.contains(&b'[')
            && !first.ends_with(b":")
        {
            (host, rest) = (Some(first), after);
        }
        let (tag, process, text) = tag(rest);
        Self {
            facility,
            time,
            host,
            tag,
            process,
            text,
        }
    }

    /// The line that a syslog daemon would write, with its end; `host` is who has sent it, where it does not say.
    pub(super) fn line(&self, received: Timestamp, zone: &TimeZone, host: &str, line: &mut Vec<u8>) {
        let host = self.host.unwrap_or(host.as_bytes());
        match self.time {
            Time::Full(text) if moment(text).is_some_and(|at| is_near(at, received)) => {
                line.extend_from_slice(text.as_bytes());
            }
            Time::Full(_) => line.extend_from_slice(rendered(received, zone).as_bytes()),
            Time::Short(_) | Time::None if looks_like_a_year(host) => {
                let at = match self.time {
                    Time::Short(text) => short_near(text, received, zone),
                    Time::Full(_) | Time::None => None,
                };
                line.extend_from_slice(rendered(at.unwrap_or(received), zone).as_bytes());
            }
            Time::Short(text) if short_near(text, received, zone).is_some() => {
                line.extend_from_slice(text.as_bytes());
            }
            Time::Short(_) | Time::None => {
                let at = jiff::Timestamp::from_microsecond(received.micros()).unwrap_or_default();
                let at = at.to_zoned(zone.clone()).strftime("%b %e %H:%M:%S").to_string();
                line.extend_from_slice(at.as_bytes());
            }
        }
        line.push(b' ');
        escape(host, line);
        line.push(b' ');
        if !self.tag.is_empty() {
            escape(self.tag, line);
            if let Some(process) = self.process {
                line.push(b'[');
                escape(process, line);
                line.push(b']');
            }
            line.extend_from_slice(b": ");
        }
        escape(self.text, line);
        line.push(b'\n');
    }
}

/// `<PRIORITY>`, and what follows.
fn priority(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let rest = bytes.strip_prefix(b"<")?;
    let end = rest.iter().take(4).position(|byte| *byte == b'>')?;
    let (digits, rest) = rest.split_at(end);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits)
        .ok()
        .filter(|_| is_number)?
        .parse::<u8>()
        .ok()?;
    let rest = rest.get(1..)?;
    (number < 8 * 24).then_some((number, rest))
}

/// The first word, and what follows its blank.
fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b' ', bytes).unwrap_or(bytes.len());
    let (word, rest) = bytes.split_at(end);
    (!word.is_empty()).then_some((word, rest.get(1..).unwrap_or_default()))
}

/// What follows the structured data: `-`, or elements in brackets with quoted values in them.
fn behind_data(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = match bytes.strip_prefix(b"-") {
        Some(rest) => rest,
        None => {
            let (mut at, mut in_text, mut is_open) = (0, false, false);
            loop {
                match (bytes.get(at), in_text, is_open) {
                    (Some(b'['), false, false) => is_open = true,
                    (Some(b']'), false, true) => is_open = false,
                    (Some(b'"'), false, true) => in_text = true,
                    (Some(b'"'), true, _) => in_text = false,
                    (Some(b'\\'), true, _) => at += 1,
                    (Some(_), _, true) => {}
                    (Some(_) | None, false, false) if at > 0 => break,
                    (Some(_) | None, _, _) => return None,
                }
                at += 1;
            }
            bytes.get(at..)?
        }
    };
    if let Some(text) = rest.strip_prefix(b" ") {
        rest = text;
    } else if !rest.is_empty() {
        return None;
    }
    Some(rest)
}

/// The time at the beginning, and what follows it.
fn time(bytes: &[u8]) -> (Time<'_>, &[u8]) {
    if let Some((short, rest)) = bytes.split_at_checked(15)
        && let Ok(short) = std::str::from_utf8(short)
        && parts(short).is_some()
        && let Some(rest) = rest.strip_prefix(b" ")
    {
        return (Time::Short(short), rest);
    }
    // What forwards with full times, but as of old.
    if let Some((first, rest)) = word(bytes)
        && let Ok(first) = std::str::from_utf8(first)
        && moment(first).is_some()
    {
        return (Time::Full(first), rest);
    }
    (Time::None, bytes)
}

/// `sshd[123]: text`, `sshd: text`, or a text alone.
fn tag(bytes: &[u8]) -> (&[u8], Option<&[u8]>, &[u8]) {
    let end = bytes.iter().position(|byte| matches!(byte, b' ' | b':' | b'['));
    let none: (&[u8], _, _) = (b"", None, bytes);
    let Some((tag, rest)) = end
        .and_then(|end| bytes.split_at_checked(end))
        .filter(|(tag, _)| !tag.is_empty())
    else {
        return none;
    };
    let trimmed = |rest: &'_ [u8]| -> usize { usize::from(rest.first() == Some(&b' ')) };
    if let Some(inside) = rest.strip_prefix(b"[") {
        let Some(end) = memchr::memchr(b']', inside) else {
            return none;
        };
        let (process, rest) = inside.split_at(end);
        let rest = rest.get(1..).unwrap_or_default();
        let rest = rest.strip_prefix(b":").unwrap_or(rest);
        let text = rest.get(trimmed(rest)..).unwrap_or_default();
        return (tag, Some(process), text);
    }
    match rest.strip_prefix(b":") {
        Some(rest) => (tag, None, rest.get(trimmed(rest)..).unwrap_or_default()),
        None => none,
    }
}

/// A full time, as RFC 3339 has it.
fn moment(text: &str) -> Option<Timestamp> {
    let has_date = text.as_bytes().get(10) == Some(&b'T');
    let at: jiff::Timestamp = text.parse().ok().filter(|_| has_date)?;
    Some(Timestamp::from_micros(at.as_microsecond()))
}

/// Month, day, hour, minute and second of `Nov 22 12:00:00`.
fn parts(text: &str) -> Option<(i8, i8, i8, i8, i8)> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = MONTHS.iter().position(|month| text.get(..3) == Some(month))? + 1;
    let number = |from: usize, to: usize| text.get(from..to)?.trim_start().parse::<i8>().ok();
    let marks = [(3, b' '), (6, b' '), (9, b':'), (12, b':')];
    if marks
        .iter()
        .any(|(at, mark)| text.as_bytes().get(*at) != Some(mark))
    {
        return None;
    }
    let found = (
        i8::try_from(month).ok()?,
        number(4, 6)?,
        number(7, 9)?,
        number(10, 12)?,
        number(13, 15)?,
    );
    ((1..=31).contains(&found.1)
        && (0..24).contains(&found.2)
        && (0..60).contains(&found.3)
        && (0..=60).contains(&found.4))
    .then_some(found)
}

/// When a short time is, in our zone and the year that suits best, where that is near enough to be believed.
fn short_near(text: &str, received: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let (month, day, hour, minute, second) = parts(text)?;
    let now = jiff::Timestamp::from_microsecond(received.micros()).unwrap_or_default();
    let year = now.to_zoned(zone.clone()).year();
    [year.saturating_sub(1), year, year.saturating_add(1)]
        .into_iter()
        .filter_map(|year| {
            let at = DateTime::new(year, month, day, hour, minute, second.min(59), 0);
            let at = at.ok()?.to_zoned(zone.clone()).ok()?;
            Some(Timestamp::from_micros(at.timestamp().as_microsecond()))
        })
        .find(|at| is_near(*at, received))
}

/// Whether a host behind a short time would be read as the year of it, as `2001:db8::1` would.
fn looks_like_a_year(host: &[u8]) -> bool {
    let (digits, rest) = host.split_at(host.len().min(4));
    let goes_on = rest
        .first()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    digits.len() == 4 && digits.iter().all(u8::is_ascii_digit) && !goes_on
}

fn is_near(time: Timestamp, received: Timestamp) -> bool {
    (-BEHIND_MICROS..=AHEAD_MICROS).contains(&time.micros_since(received))
}

/// Appends bytes that are to stay on one line.
fn escape(bytes: &[u8], line: &mut Vec<u8>) {
    for &byte in bytes {
        if byte < b' ' || byte == 0x7f {
            line.extend_from_slice(&[
                b'#',
                b'0' + (byte >> 6),
                b'0' + (byte >> 3 & 7),
                b'0' + (byte & 7),
            ]);
        } else {
            line.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::{Offset, TimeZone};
    use proptest::prelude::*;
    use stockade_datetime::Timestamp;

    use super::{Message, facility};

    /// 2026-11-22 12:00:00 UTC.
    const NOW: Timestamp = Timestamp::from_seconds(1_795_348_800);

    fn line_in(zone: TimeZone, bytes: &[u8]) -> String {
        let mut line = Vec::new();
        Message::read(bytes).line(NOW, &zone, "198.51.100.9", &mut line);
        String::from_utf8_lossy(&line).into_owned()
    }

    fn line(bytes: &[u8]) -> String {
        line_in(TimeZone::UTC, bytes)
    }

    #[test]
    fn messages_are_lines_as_a_syslog_daemon_writes_them() {
        for (name, message, expected) in [
            (
                "of old",
                "<38>Nov 22 11:59:58 web1 sshd[123]: Failed",
                "Nov 22 11:59:58 web1 sshd[123]: Failed",
            ),
            (
                "a day of one digit is far off",
                "<38>Nov  2 11:59:58 web1 sshd[123]: Failed",
                "Nov 22 12:00:00 web1 sshd[123]: Failed",
            ),
            (
                "without a host",
                "<38>Nov 22 11:59:58 sshd[123]: Failed",
                "Nov 22 11:59:58 198.51.100.9 sshd[123]: Failed",
            ),
            (
                "without a process",
                "<38>Nov 22 11:59:58 web1 sudo: x",
                "Nov 22 11:59:58 web1 sudo: x",
            ),
            (
                "without both",
                "<38>Nov 22 11:59:58 sudo: x",
                "Nov 22 11:59:58 198.51.100.9 sudo: x",
            ),
            (
                "a path as a tag",
                "<22>Nov 22 12:00:00 mx postfix/smtpd[9]: y: z",
                "Nov 22 12:00:00 mx postfix/smtpd[9]: y: z",
            ),
            (
                "a full time of old",
                "<38>2026-11-22T12:59:58.25+01:00 web1 sshd[1]: x",
                "2026-11-22T12:59:58.25+01:00 web1 sshd[1]: x",
            ),
            (
                "without a time",
                "<38>sshd[1]: x",
                "Nov 22 12:00:00 198.51.100.9 sshd[1]: x",
            ),
            (
                "without a priority",
                "something happened",
                "Nov 22 12:00:00 198.51.100.9 something happened",
            ),
            (
                "a host that would be a year",
                "<38>Nov 22 11:59:58 2001:db8::1 sshd[1]: x",
                "2026-11-22T11:59:58+00:00 2001:db8::1 sshd[1]: x",
            ),
            (
                "a host that would be a year, without a time",
                "<38>Nov  2 11:59:58 2001:db8::1 sshd[1]: x",
                "2026-11-22T12:00:00+00:00 2001:db8::1 sshd[1]: x",
            ),
            (
                "a host that would be none",
                "<38>Nov 22 11:59:58 2001web sshd[1]: x",
                "Nov 22 11:59:58 2001web sshd[1]: x",
            ),
            ("without anything", "", "Nov 22 12:00:00 198.51.100.9 "),
            (
                "new",
                "<38>1 2026-11-22T11:59:58.5Z web1 sshd 123 ID47 - Failed",
                "2026-11-22T11:59:58.5Z web1 sshd[123]: Failed",
            ),
            (
                "with data",
                r#"<38>1 2026-11-22T11:59:58Z web1 sshd - - [a x="\"]\\"][b] Failed"#,
                "2026-11-22T11:59:58Z web1 sshd: Failed",
            ),
            (
                "with a mark of UTF-8",
                "<38>1 2026-11-22T12:00:00Z h s 1 - - \u{feff}x",
                "2026-11-22T12:00:00Z h s[1]: x",
            ),
            (
                "new with nothing",
                "<38>1 - - - - - -",
                "Nov 22 12:00:00 198.51.100.9 ",
            ),
            (
                "late but on its way",
                "<38>1 2026-11-22T11:50:00Z h s 1 - - x",
                "2026-11-22T11:50:00Z h s[1]: x",
            ),
            (
                "too late",
                "<38>1 2026-11-22T11:49:59Z h s 1 - - x",
                "2026-11-22T12:00:00+00:00 h s[1]: x",
            ),
            (
                "a little ahead",
                "<38>1 2026-11-22T12:01:00Z h s 1 - - x",
                "2026-11-22T12:01:00Z h s[1]: x",
            ),
            (
                "too far ahead",
                "<38>1 2026-11-22T12:01:01Z h s 1 - - x",
                "2026-11-22T12:00:00+00:00 h s[1]: x",
            ),
            (
                "another zone than ours",
                "<38>Nov 22 14:00:00 h s: x",
                "Nov 22 12:00:00 h s: x",
            ),
            (
                "new, but broken",
                "<38>1 yesterday h s 1 - - x",
                "Nov 22 12:00:00 198.51.100.9 1 yesterday h s 1 - - x",
            ),
            (
                "data without end",
                "<38>1 - h s 1 - [a x",
                "Nov 22 12:00:00 198.51.100.9 1 - h s 1 - [a x",
            ),
            ("no priority", "<192>x", "Nov 22 12:00:00 198.51.100.9 <192>x"),
            (
                "lines forged",
                "<38>sshd[1]: x\nNov 22 12:00:00 web1 sshd[1]: y\r\n",
                "Nov 22 12:00:00 198.51.100.9 sshd[1]: x#012Nov 22 12:00:00 web1 sshd[1]: y",
            ),
            (
                "forged elsewhere",
                "<38>1 - a\nb c\td e\x7f - - \0x",
                "Nov 22 12:00:00 a#012b c#011d[e#177]: #000x",
            ),
        ] {
            assert_eq!(line(message.as_bytes()), format!("{expected}\n"), "{name}");
        }
        let east = TimeZone::fixed(Offset::constant(1));
        let local = "Nov 22 12:59:00 h s: x";
        assert_eq!(
            line_in(east, format!("<38>{local}").as_bytes()),
            format!("{local}\n")
        );
    }

    #[test]
    fn facilities_are_known_by_name_and_number() {
        for (name, number) in [
            ("kern", Some(0)),
            ("auth", Some(4)),
            ("security", Some(4)),
            ("authpriv", Some(10)),
            ("LOCAL7", Some(23)),
            ("10", Some(10)),
            ("24", None),
            ("sshd", None),
        ] {
            assert_eq!(facility(name), number, "{name}");
        }
        assert_eq!(Message::read(b"<86>x").facility, 10);
        assert_eq!(Message::read(b"x").facility, 1);
    }

    proptest! {
        #[test]
        fn one_message_is_one_line(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for prefix in ["", "<38>1 ", "<38>Nov 22 12:00:00 ", "<38>1 - h a p m [x y=\""] {
                let message = [prefix.as_bytes(), &bytes].concat();
                let mut line = Vec::new();
                Message::read(&message).line(NOW, &TimeZone::UTC, "h", &mut line);
                let ends = line.iter().filter(|byte| **byte == b'\n').count();
                prop_assert_eq!((ends, line.last()), (1, Some(&b'\n')));
                prop_assert!(line.iter().all(|byte| *byte == b'\n' || (*byte >= b' ' && *byte != 0x7f)));
            }
        }
    }
}
