//! How a record looks as text.
//!
//! In: the fields of a record. Out: its text without the line end.
//!
//! Invariant: whatever the text of a record holds, nothing in it looks like the beginning of another one.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use stockade_datetime::Timestamp;

use super::Level;
use crate::zone::local_zone;

/// The parts that the records of a target have.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// The number of `-v`.
    pub(super) verbosity: u8,
    /// Whether the time stands before all else.
    pub(super) datetime: bool,
    /// Whether logger and level are filled up with blanks.
    pub(super) padding: bool,
    /// The text alone: the target has fields for the rest.
    pub(super) bare: bool,
    /// A form of the administrator's own, in the style of Python's `%`.
    pub(super) custom: Option<String>,
}

/// What the clock says in the words of the log; it remembers the last second, for many records share it.
pub(super) struct Moment {
    start: Timestamp,
    /// That of the machine where none is given; it is looked for when it is first needed.
    zone: Option<TimeZone>,
    second: i64,
    text: String,
}

impl Moment {
    pub(super) fn new(start: Timestamp, zone: Option<TimeZone>) -> Self {
        Self {
            start,
            zone,
            second: i64::MIN,
            text: String::new(),
        }
    }

    /// Local time with milliseconds: `2026-11-21 23:29:28,260`.
    fn text(&mut self, now: Timestamp) -> String {
        if self.second != now.seconds() {
            let zone = self.zone.get_or_insert_with(local_zone).clone();
            let at = jiff::Timestamp::from_second(now.seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            self.text = at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string();
            self.second = now.seconds();
        }
        format!("{},{:03}", self.text, now.subsec_micros() / 1000)
    }

    fn milliseconds_since_start(&self, now: Timestamp) -> i64 {
        now.micros_since(self.start) / 1000
    }
}

/// What a record is made of.
struct Record<'a> {
    now: Timestamp,
    level: Level,
    logger: &'a str,
    text: &'a str,
}

impl Layout {
    /// The record as text, without the line end.
    pub(super) fn record(
        &self,
        moment: &mut Moment,
        now: Timestamp,
        level: Level,
        logger: &str,
        text: &str,
    ) -> String {
        let record = Record {
            now,
            level,
            logger,
            text,
        };
        let mut out = String::with_capacity(64 + text.len());
        if let Some(custom) = &self.custom {
            out.push_str(&record.custom(custom, moment));
        } else if self.bare {
            out.push_str(text);
        } else {
            self.prefix(&record, moment, &mut out);
            out.push_str(text);
        }
        tame(&out)
    }

    fn prefix(&self, record: &Record<'_>, moment: &mut Moment, out: &mut String) {
        let Record {
            now, level, logger, ..
        } = *record;
        let mut put = |arguments: std::fmt::Arguments<'_>| {
            out.write_fmt(arguments).expect("a text takes everything");
        };
        if self.verbosity > 1 {
            put(format_args!(" "));
            if self.verbosity > 2 {
                put(format_args!("+{:5} ", moment.milliseconds_since_start(now)));
            } else if self.datetime {
                put(format_args!("{} ", moment.text(now)));
            }
            put(format_args!("{:012X} ", thread()));
            if self.verbosity > 2 {
                put(format_args!("{logger:<25} "));
            }
            put(format_args!("{:<5.5} ", level.to_string()));
            if self.verbosity > 3 {
                let module = logger.rsplit('.').next().unwrap_or(logger);
                put(format_args!(
                    "| {module:>15}-{:<2}: {:<20} | ",
                    level.number(),
                    ""
                ));
            }
            return;
        }
        if self.datetime {
            put(format_args!("{} ", moment.text(now)));
        }
        let pid = std::process::id();
        if self.padding {
            put(format_args!("{logger:<24}[{pid}]: {level:<7} "));
        } else {
            put(format_args!("{logger}[{pid}]: {level} "));
        }
    }
}

impl Record<'_> {
    /// The record in a form of the administrator's own; a field we do not know stays as it is written.
    fn custom(&self, form: &str, moment: &mut Moment) -> String {
        let mut out = String::new();
        let mut rest = form;
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                out.push('%');
                rest = after;
                continue;
            }
            match self.field(after, moment) {
                Some((text, after)) => {
                    out.push_str(&text);
                    rest = after;
                }
                None => {
                    out.push('%');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// The value of `(name)flags width .precision conversion` and what comes after it.
    fn field<'f>(&self, text: &'f str, moment: &mut Moment) -> Option<(String, &'f str)> {
        let (name, rest) = text.strip_prefix('(')?.split_once(')')?;
        let (flags, rest) = split_while(rest, |c| matches!(c, '-' | '0' | '+' | ' ' | '#'));
        let (width, rest) = split_while(rest, |c| c.is_ascii_digit());
        let (precision, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (digits, rest) = split_while(rest, |c| c.is_ascii_digit());
                (digits.parse::<usize>().ok(), rest)
            }
            None => (None, rest),
        };
        let mut chars = rest.chars();
        let conversion = chars.next().filter(char::is_ascii_alphabetic)?;
        let number = |number: i64| match conversion {
            'x' => format!("{number:x}"),
            'X' => format!("{number:X}"),
            _ => number.to_string(),
        };
        let value = match name {
            "message" => self.text.to_owned(),
            "name" => self.logger.to_owned(),
            "levelname" => self.level.to_string(),
            "levelno" => number(self.level.number().into()),
            "asctime" => moment.text(self.now),
            "process" => number(std::process::id().into()),
            "thread" => number(thread()),
            "msecs" => number(self.now.subsec_micros() / 1000),
            "relativeCreated" => number(moment.milliseconds_since_start(self.now)),
            "created" => self.now.to_string(),
            "threadName" => std::thread::current().name().unwrap_or("main").to_owned(),
            "processName" => "MainProcess".to_owned(),
            "module" => self.logger.rsplit('.').next().unwrap_or(self.logger).to_owned(),
            "funcName" | "filename" | "pathname" => String::new(),
            "lineno" => number(0),
            _ => return None,
        };
        let is_text = matches!(conversion, 's' | 'r' | 'a');
        let value = match precision {
            Some(precision) if is_text => value.chars().take(precision).collect(),
            Some(_) | None => value,
        };
        // A width beyond any terminal is a slip of the pen, and would cost memory at each record.
        let width = width.parse::<usize>().unwrap_or(0).min(500);
        let value = if flags.contains('-') {
            format!("{value:<width$}")
        } else if flags.contains('0') && !is_text {
            format!("{value:0>width$}")
        } else {
            format!("{value:>width$}")
        };
        Some((value, chars.as_str()))
    }
}

fn split_while(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !wanted(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn thread() -> i64 {
    rustix::thread::gettid().as_raw_nonzero().get().into()
}

/// Escapes what could forge a record or command a terminal: control characters, and line breaks before
/// something that begins as a record does.
fn tame(text: &str) -> String {
    let harmless = |c: char| !c.is_control() || c == '\t';
    if text.chars().all(harmless) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for (index, c) in text.char_indices() {
        match c {
            '\n' if looks_like_a_record(text.get(index + 1..).unwrap_or_default()) => out.push_str("\\n"),
            '\n' => out.push('\n'),
            '\r' => out.push_str("\\r"),
            // The C1 controls come from odd encodings of ordinary text, and no terminal of today obeys them
            // in UTF-8; those below 32 it does.
            c if c.is_ascii_control() && c != '\t' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Whether a line could be read as a record of its own, in any of the forms records have: it begins, blanks
/// and brackets aside, with a digit, a sign, the name of a logger or a level, or it speaks of a ban.
fn looks_like_a_record(text: &str) -> bool {
    const STARTS: [&str; 6] = ["fail2ban", "NOTICE", "WARNING", "INFO", "ERROR", "CRITICAL"];
    let line = text.split('\n').next().unwrap_or(text);
    let start = line.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '+');
    start.starts_with(|c: char| c.is_numeric() || c == '+')
        || STARTS.iter().any(|name| {
            start
                .get(..name.len())
                .is_some_and(|word| word.eq_ignore_ascii_case(name))
        })
        || line.contains("Ban ")
        || line.contains("Unban ")
}

#[cfg(test)]
mod tests {
    use super::tame;

    #[test]
    fn no_text_forges_a_record() {
        for (name, text, expected) in [
            ("ordinary", "[sshd] Ban 192.0.2.1", "[sshd] Ban 192.0.2.1"),
            (
                "a script",
                "exec: if true; then\n\techo x\nfi",
                "exec: if true; then\n\techo x\nfi",
            ),
            (
                "a record of ours",
                "x\n2026-11-21 23:29:28,260 fail2ban.actions        [1]: NOTICE  [sshd] Ban 192.0.2.1",
                "x\\n2026-11-21 23:29:28,260 fail2ban.actions        [1]: NOTICE  [sshd] Ban 192.0.2.1",
            ),
            (
                "without its time",
                "x\n  fail2ban.actions: NOTICE [sshd] Ban 192.0.2.1",
                "x\\n  fail2ban.actions: NOTICE [sshd] Ban 192.0.2.1",
            ),
            (
                "without its logger",
                "x\nNOTICE [a] Ban 192.0.2.1",
                "x\\nNOTICE [a] Ban 192.0.2.1",
            ),
            ("the second of two", "x\na\n1", "x\na\\n1"),
            ("in syslog's form", "x\n<30>Nov 21", "x\\n<30>Nov 21"),
            ("a terminal's command", "a\u{1b}[2Jb\r\0", "a\\x1b[2Jb\\r\\x00"),
            ("not only ASCII", "Süß\t\u{85}", "Süß\t\u{85}"),
        ] {
            assert_eq!(tame(text), expected, "{name}");
        }
    }
}
