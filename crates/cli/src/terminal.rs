//! What the commands print, and in which characters.
//!
//! In: texts. Out: standard output and standard error.
//!
//! Invariant: a reader that went away, such as `head`, is no error: what it does not want is dropped.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use stockade_config::Record;
use stockade_daemon::log::{Level, Log};
use stockade_datetime::Timestamp;
use stockade_protocol::text::Charset;

use crate::options::PRODUCT;

/// The logger of the client itself.
pub const CLIENT: &str = "fail2ban";

/// Prints lines on standard output.
pub fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}");
}

/// Prints lines with colours on standard output; without them where it is no terminal, or does not want any.
pub fn print_coloured(text: &str) {
    let mut stdout = anstream::stdout().lock();
    let _ = write!(stdout, "{text}");
}

/// Prints the beginning of a line on standard output.
pub fn prompt(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = write!(stdout, "{text}");
    let _ = stdout.flush();
}

/// Prints lines on standard error, as they are.
pub fn complain(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// A log on standard error, as detailed as so many `-v` and `-q` ask for; 1 is without any.
#[must_use]
pub fn log(verbosity: i32) -> Log {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    let log = Log::new(PRODUCT, Timestamp::from_micros(micros));
    let level = match verbosity {
        ..=0 => "ERROR",
        1 => "WARNING",
        2 => "INFO",
        3 => "DEBUG",
        4.. => "HEAVYDEBUG",
    };
    log.set_target("STDERR", false)
        .expect("standard error needs no opening");
    log.set_level(level).expect("these are names of levels");
    log.set_verbosity(u8::try_from(verbosity.saturating_sub(1).clamp(0, 4)).unwrap_or(0));
    log
}

/// Logs what the reader of the configuration had to say.
pub fn report(log: &Log, records: &[Record]) {
    for record in records {
        let level = match record.level {
            stockade_config::Level::Info => Level::INFO,
            stockade_config::Level::Notice => Level::NOTICE,
            stockade_config::Level::Warning => Level::WARNING,
            stockade_config::Level::Error => Level::ERROR,
        };
        log.write(level, record.logger, &record.text);
    }
}

/// The characters that standard output takes, as the environment says.
#[must_use]
pub fn charset() -> Charset {
    let variable = |name: &str| std::env::var(name).ok();
    charset_of(
        variable("PYTHONIOENCODING").as_deref(),
        ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty())
            .as_deref(),
    )
}

/// As Python decides it: its own variable wins; a locale without a name for its encoding is an old one, but for the
/// plain one, which is taken for UTF-8.
fn charset_of(python: Option<&str>, locale: Option<&str>) -> Charset {
    let is_utf8 = |encoding: &str| {
        encoding
            .to_lowercase()
            .replace(['-', '_'], "")
            .starts_with("utf8")
    };
    let python = python
        .and_then(|value| value.split(':').next())
        .filter(|encoding| !encoding.is_empty());
    let locale = locale.unwrap_or("C");
    let is_unicode = match (python, locale.split_once('.')) {
        (Some(encoding), _) => is_utf8(encoding),
        (None, Some((_, encoding))) => is_utf8(encoding.split('@').next().unwrap_or(encoding)),
        (None, None) => ["C", "POSIX"].contains(&locale),
    };
    if is_unicode {
        Charset::Unicode
    } else {
        Charset::Ascii
    }
}

#[cfg(test)]
mod tests {
    use super::{Charset, charset_of};

    #[test]
    fn the_table_is_drawn_with_what_the_terminal_has() {
        let cases = [
            (None, None, Charset::Unicode),
            (None, Some("C"), Charset::Unicode),
            (None, Some("C.UTF-8"), Charset::Unicode),
            (None, Some("en_US.utf8"), Charset::Unicode),
            (None, Some("de_DE.ISO-8859-15@euro"), Charset::Ascii),
            (None, Some("de_DE"), Charset::Ascii),
            (Some("latin1"), Some("C.UTF-8"), Charset::Ascii),
            (Some("utf-8:strict"), Some("de_DE"), Charset::Unicode),
            (Some(""), Some("de_DE"), Charset::Ascii),
        ];
        for (python, locale, charset) in cases {
            assert_eq!(charset_of(python, locale), charset, "{python:?} {locale:?}");
        }
    }
}
