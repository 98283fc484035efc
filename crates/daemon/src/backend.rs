//! How a jail gets its lines, by the name of its backend.
//!
//! In: the text of the option, and what the kernel has to give. Out: the backend that is used, by the reference's name
//! for it, and what the log says of the choice.
//!
//! Invariant: whoever asks for files gets files, whichever way they are watched.

use stockade_protocol::definition;

use crate::log::Level;
use crate::source::SYSLOG;

/// A backend that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Files, of which the kernel tells.
    Notified,
    /// Files that are looked at every half second.
    Polled,
    /// The journal.
    Journal,
    /// Messages of syslog, which come to the daemon itself; our own.
    Syslog,
}

impl Kind {
    /// The reference's name for it, where it has one.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Notified => "pyinotify",
            Self::Polled => "polling",
            Self::Journal => "systemd",
            Self::Syslog => SYSLOG,
        }
    }

    /// What `text` asks for, where the kernel tells of files or not, in the order `auto` tries them in.
    pub(crate) fn of(text: &str, kernel_tells: bool) -> Self {
        match (asked(text).as_str(), kernel_tells) {
            ("systemd", _) => Self::Journal,
            (SYSLOG, _) => Self::Syslog,
            ("polling", _) | (_, false) => Self::Polled,
            (_, true) => Self::Notified,
        }
    }
}

/// What the log says of the backend that `jail` has got.
pub(crate) fn records(jail: &str, text: &str, kernel_tells: bool) -> Vec<(Level, String)> {
    let kind = Kind::of(text, kernel_tells);
    let mut records = Vec::new();
    let asked = asked(text);
    if kind == Kind::Polled && asked != "polling" {
        let level = if asked == "auto" {
            Level::DEBUG
        } else {
            Level::ERROR
        };
        let reason = "the kernel has no inotify to give: see fs.inotify.max_user_instances";
        records.push((
            level,
            format!("Backend 'pyinotify' failed to initialize due to {reason}"),
        ));
    }
    let (uses, options) = match kind {
        Kind::Notified => ("pyinotify", String::new()),
        Kind::Polled => ("poller", String::new()),
        Kind::Journal => ("systemd", options(text)),
        Kind::Syslog => (SYSLOG, options(text)),
    };
    records.push((Level::INFO, format!("Jail '{jail}' uses {uses} {{{options}}}")));
    let name = kind.name();
    records.push((Level::INFO, format!("Initiated '{name}' backend")));
    if asked != "auto" && asked != name {
        let (level, text) = if asked == "gamin" && kind == Kind::Notified {
            let text = "Backend 'gamin' is one of earlier versions; 'pyinotify' does what it did";
            (Level::INFO, text.to_owned())
        } else {
            let text = format!("Could only initiated '{name}' backend whenever '{asked}' was requested");
            (Level::WARNING, text)
        };
        records.push((level, text));
    }
    records
}

fn asked(text: &str) -> String {
    definition::parse(text)
        .map(|parsed| parsed.name.to_lowercase())
        .unwrap_or_default()
}

/// The options, as the reference shows them.
fn options(text: &str) -> String {
    let Ok(parsed) = definition::parse(text) else {
        return String::new();
    };
    let options = parsed
        .parameters
        .iter()
        .map(|(name, value)| format!("'{name}': '{value}'"));
    options.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Kind, records};
    use crate::log::Level;

    #[test]
    fn every_name_has_its_backend_and_its_words() {
        let (info, warning) = (Level::INFO, Level::WARNING);
        let failed = "Backend 'pyinotify' failed to initialize due to the kernel has no inotify to give: see fs.inotify.max_user_instances";
        let (notified, polled) = ("Initiated 'pyinotify' backend", "Initiated 'polling' backend");
        let (uses_it, polls) = ("Jail 'j' uses pyinotify {}", "Jail 'j' uses poller {}");
        type Record<'a> = (Level, &'a str);
        let cases: [(&str, bool, Kind, &[Record<'_>]); 14] = [
            ("auto", true, Kind::Notified, &[(info, uses_it), (info, notified)]),
            ("AUTO", true, Kind::Notified, &[(info, uses_it), (info, notified)]),
            (
                "auto",
                false,
                Kind::Polled,
                &[(Level::DEBUG, failed), (info, polls), (info, polled)],
            ),
            (
                "pyinotify",
                true,
                Kind::Notified,
                &[(info, uses_it), (info, notified)],
            ),
            (
                "PyInotify",
                true,
                Kind::Notified,
                &[(info, uses_it), (info, notified)],
            ),
            (
                "pyinotify",
                false,
                Kind::Polled,
                &[
                    (Level::ERROR, failed),
                    (info, polls),
                    (info, polled),
                    (
                        warning,
                        "Could only initiated 'polling' backend whenever 'pyinotify' was requested",
                    ),
                ],
            ),
            (
                "gamin",
                true,
                Kind::Notified,
                &[
                    (info, uses_it),
                    (info, notified),
                    (
                        info,
                        "Backend 'gamin' is one of earlier versions; 'pyinotify' does what it did",
                    ),
                ],
            ),
            (
                "gamin",
                false,
                Kind::Polled,
                &[
                    (Level::ERROR, failed),
                    (info, polls),
                    (info, polled),
                    (
                        warning,
                        "Could only initiated 'polling' backend whenever 'gamin' was requested",
                    ),
                ],
            ),
            ("polling", true, Kind::Polled, &[(info, polls), (info, polled)]),
            ("Polling", false, Kind::Polled, &[(info, polls), (info, polled)]),
            (
                "polling[x=1]",
                true,
                Kind::Polled,
                &[(info, polls), (info, polled)],
            ),
            (
                "syslog[tag=sshd]",
                false,
                Kind::Syslog,
                &[
                    (info, "Jail 'j' uses syslog {'tag': 'sshd'}"),
                    (info, "Initiated 'syslog' backend"),
                ],
            ),
            (
                "systemd",
                true,
                Kind::Journal,
                &[
                    (info, "Jail 'j' uses systemd {}"),
                    (info, "Initiated 'systemd' backend"),
                ],
            ),
            (
                "systemd[journalpath=/var/log/journal, journalflags=1]",
                false,
                Kind::Journal,
                &[
                    (
                        info,
                        "Jail 'j' uses systemd {'journalpath': '/var/log/journal', 'journalflags': '1'}",
                    ),
                    (info, "Initiated 'systemd' backend"),
                ],
            ),
        ];
        for (text, tells, kind, expected) in cases {
            assert_eq!(Kind::of(text, tells), kind, "{text}, told {tells}");
            let found = records("j", text, tells);
            let found: Vec<Record<'_>> = found
                .iter()
                .map(|(level, text)| (*level, text.as_str()))
                .collect();
            assert_eq!(found, expected, "{text}, told {tells}");
        }
    }
}
