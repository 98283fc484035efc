//! `fail2ban.conf`: where the daemon listens and logs, and what it keeps.
//!
//! In: the model of `fail2ban`, and what the command line overrides. Out: the settings needed before anything else,
//! and the general commands.

use stockade_protocol::{Command, Value};

use crate::{
    Error, Level, Located, Span,
    layers::Sources,
    log::GENERAL,
    model::{Model, Traced},
    options,
    ordered::Ordered,
    vocabulary::{
        EARLY, Entry, GENERAL as GENERAL_OPTIONS, LOGLEVEL, LOGTARGET, OWN, PIDFILE, SOCKET, STACKSIZE,
        SYSLOGSOCKET,
    },
};

const DEFINITION: &str = "Definition";
const THREAD: &str = "Thread";

/// The order of the commands.
const COMMANDS: [&str; 14] = [
    "syslogsocket",
    "loglevel",
    "logtarget",
    "allowipv6",
    "dbfile",
    "dbmaxmatches",
    "dbpurgeage",
    "native",
    "reportsocket",
    "syslogallow",
    "sysloglisten",
    "confine",
    "statusgroup",
    "operategroup",
];

/// What the command line says instead of `fail2ban.conf`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `-s`, `--socket`.
    pub socket: Option<String>,
    /// `-p`, `--pidfile`.
    pub pidfile: Option<String>,
    /// `--loglevel`.
    pub loglevel: Option<String>,
    /// `--logtarget`.
    pub logtarget: Option<String>,
    /// `--syslogsocket`.
    pub syslogsocket: Option<String>,
}

/// What a client or a daemon must know before it does anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlySettings {
    /// The control socket.
    pub socket: String,
    /// The file with the number of the daemon's process.
    pub pidfile: String,
    /// The level of the log, as written; it is known to be one.
    pub loglevel: String,
    /// Where the log goes, as written.
    pub logtarget: String,
    /// The socket of the system's log.
    pub syslogsocket: String,
}

/// Reads the early settings; without looking at a file where the command line gives them all.
pub(crate) fn early(sources: &Sources<'_>, overrides: &Overrides) -> Result<EarlySettings, Error> {
    let complete = overrides.socket.is_some()
        && overrides.pidfile.is_some()
        && overrides.loglevel.is_some()
        && overrides.logtarget.is_some()
        && overrides.syslogsocket.is_some();
    let written = if complete {
        Ordered::default()
    } else {
        let model = sources
            .model("fail2ban")?
            .ok_or(Error::Unreadable { what: "fail2ban" })?;
        options::read(sources, &model, DEFINITION, &EARLY)?
    };
    let effective = |option: &Entry, given: &Option<String>| {
        let written = || {
            written
                .get(option.name)
                .map_or(Value::None, |written| written.value.clone())
                .text()
        };
        given.clone().unwrap_or_else(written)
    };
    let settings = EarlySettings {
        socket: effective(&SOCKET, &overrides.socket),
        pidfile: effective(&PIDFILE, &overrides.pidfile),
        loglevel: effective(&LOGLEVEL, &overrides.loglevel),
        logtarget: effective(&LOGTARGET, &overrides.logtarget),
        syslogsocket: effective(&SYSLOGSOCKET, &overrides.syslogsocket),
    };
    sources.log.add(
        Level::Info,
        GENERAL,
        format!("Using socket file {}", settings.socket),
    );
    if !is_level(&settings.loglevel) {
        let at = written.get(LOGLEVEL.name).and_then(|written| written.at.clone());
        return Err(Error::LogLevel {
            at: at.filter(|_| overrides.loglevel.is_none()),
            found: settings.loglevel,
        });
    }
    let text = format!(
        "Using pid file {}, [{}] logging to {}",
        settings.pidfile,
        shown_level(&settings.loglevel),
        settings.logtarget
    );
    sources.log.add(Level::Info, GENERAL, text);
    Ok(settings)
}

/// All options that are read of `fail2ban.conf`, for whoever inspects it.
pub(crate) fn everything(sources: &Sources<'_>, model: &Model) -> Result<Ordered<Traced>, Error> {
    let is_written = |option: &&Entry| model.own_options(DEFINITION).any(|name| name == option.name);
    let known = EARLY.iter().chain(&GENERAL_OPTIONS);
    let known = known.chain(OWN.iter().filter(is_written));
    let mut options = options::read(sources, model, DEFINITION, known)?;
    if model.has_section(THREAD) {
        for (name, value) in options::read(sources, model, THREAD, &[STACKSIZE])?.iter() {
            options.insert(name, value.clone());
        }
    }
    Ok(options)
}

/// Whether a text is a level of the log: a number, or one of the names.
#[must_use]
pub fn is_level(text: &str) -> bool {
    const NAMES: [&str; 12] = [
        "CRITICAL",
        "ERROR",
        "WARNING",
        "WARN",
        "NOTICE",
        "INFO",
        "MSG",
        "DEBUG",
        "TRACEDEBUG",
        "HEAVYDEBUG",
        "NOTSET",
        "FATAL",
    ];
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits || NAMES.iter().any(|name| name.eq_ignore_ascii_case(text))
}

/// A level of the log, which it is known to be, as it is shown.
fn shown_level(text: &str) -> String {
    const NAMES: [(&str, &str); 10] = [
        ("50", "CRITICAL"),
        ("40", "ERROR"),
        ("30", "WARNING"),
        ("25", "NOTICE"),
        ("20", "INFO"),
        ("18", "MSG"),
        ("10", "DEBUG"),
        ("7", "TRACE"),
        ("5", "HEAVY"),
        ("", "NOTSET"),
    ];
    let level = text.to_uppercase();
    match level.as_str() {
        "WARN" => "WARNING".to_owned(),
        "FATAL" => "CRITICAL".to_owned(),
        "TRACEDEBUG" => "TRACE".to_owned(),
        "HEAVYDEBUG" => "HEAVY".to_owned(),
        number if number.starts_with(|c: char| c.is_ascii_digit()) => {
            let number = number.trim_start_matches('0');
            match (NAMES.iter().find(|(level, _)| *level == number), number.len()) {
                (Some((_, name)), _) => (*name).to_owned(),
                (None, 1) => format!("#0{number}-Lev."),
                (None, 2) if number < "50" => format!("#{number}-Lev."),
                (None, _) => format!("Level {number}"),
            }
        }
        _ => level,
    }
}

/// What `fail2ban.conf` says to the daemon.
pub(crate) struct General {
    options: Ordered<Traced>,
    thread: Ordered<Traced>,
}

impl General {
    pub(crate) fn read(sources: &Sources<'_>, model: &Model) -> Result<Self, Error> {
        let mut options = options::read(sources, model, DEFINITION, &GENERAL_OPTIONS)?;
        let is_written = |option: &&Entry| model.own_options(DEFINITION).any(|name| name == option.name);
        for (name, value) in options::read(sources, model, DEFINITION, OWN.iter().filter(is_written))?.iter()
        {
            options.insert(name, value.clone());
        }
        let thread = if model.has_section(THREAD) {
            options::read(sources, model, THREAD, &[STACKSIZE])?
        } else {
            Ordered::default()
        };
        Ok(Self { options, thread })
    }

    /// The general commands, with the effective early settings.
    pub(crate) fn commands(&self, early: &EarlySettings) -> Vec<Located<Command>> {
        let mut commands = Vec::new();
        let mut set = |option: &str, value: Value, span: Option<Span>| {
            commands.push(Located::new(
                Command::Set {
                    option: option.to_owned(),
                    value,
                },
                span,
            ));
        };
        if let Some(size) = self.thread.get("stacksize") {
            let value = Value::Dict(vec![("stacksize".into(), size.value.clone())]);
            set("thread", value, size.at.clone());
        }
        for name in COMMANDS {
            let written = self.options.get(name);
            let effective = match name {
                "syslogsocket" => Some(&early.syslogsocket),
                "loglevel" => Some(&early.loglevel),
                "logtarget" => Some(&early.logtarget),
                _ => None,
            };
            let span = written.and_then(|written| written.at.clone());
            if let Some(effective) = effective {
                // A place only if it is the file that decides.
                let span = span.filter(|_| written.and_then(Traced::as_text) == Some(effective));
                set(name, effective.as_str().into(), span);
            } else if let Some(written) = written {
                set(name, written.value.clone(), span);
            }
        }
        commands
    }
}
