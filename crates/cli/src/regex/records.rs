//! What the log would say, shown between the sections with `-l`.
//!
//! In: records of the reader of the configuration and of the filter. Out: lines of standard output.

use std::io;
use std::time::SystemTime;

use stockade_config::Reader;
use stockade_daemon::log::Level;
use stockade_filter::Note;

use super::clock;
use super::printer::Printer;

/// The logger of filters.
const FILTER: &str = "fail2ban.filter";

/// Which records are shown.
pub(super) struct Records(Level);

impl Records {
    pub(super) const fn new(level: Level) -> Self {
        Self(level)
    }

    pub(super) fn takes(&self, level: Level) -> bool {
        level.number() >= self.0.number()
    }

    /// Shows one record.
    pub(super) fn show(
        &self,
        printer: &mut Printer,
        level: Level,
        logger: &str,
        text: &str,
    ) -> io::Result<()> {
        if !self.takes(level) {
            return Ok(());
        }
        let at = jiff::Timestamp::try_from(SystemTime::now()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let time = at
            .to_zoned(clock::zone())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string();
        let name: String = level.to_string().chars().take(7).collect();
        let letter = name.chars().next().unwrap_or(' ');
        printer.line(&format!(
            "{time},{:03} {logger:<24}[{}]: {name:<7}{letter}: {text}",
            at.subsec_millisecond(),
            std::process::id(),
        ))
    }

    /// Shows what the reader had to say since the last time.
    pub(super) fn of_reader(&self, printer: &mut Printer, reader: &Reader<'_>) -> io::Result<()> {
        for record in reader.take_log() {
            let level = match record.level {
                stockade_config::Level::Info => Level::INFO,
                stockade_config::Level::Notice => Level::NOTICE,
                stockade_config::Level::Warning => Level::WARNING,
                stockade_config::Level::Error => Level::ERROR,
            };
            self.show(printer, level, record.logger, &record.text)?;
        }
        Ok(())
    }

    /// Shows what the filter had to say about a line.
    pub(super) fn of_filter(&self, printer: &mut Printer, notes: &[Note]) -> io::Result<()> {
        for note in notes {
            let level = match note.level {
                stockade_filter::Level::Error => Level::ERROR,
                stockade_filter::Level::Warning => Level::WARNING,
            };
            for record in &note.records {
                let text = if note.of_jail {
                    format!("[{}] {record}", stockade_config::NO_JAIL)
                } else {
                    record.clone()
                };
                self.show(printer, level, FILTER, &text)?;
            }
        }
        Ok(())
    }
}
