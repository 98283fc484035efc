//! A daemon that answers, and what is said where none does.
//!
//! In: where the daemon is, and a command. Out: the value that answers it.
//!
//! Invariant: an error says what is wrong, where, and what to do about it.

use clap::Args;
use serde_json::Value as Json;
use stockade_config::{Overrides, Reader};
use stockade_protocol::text::render;
use stockade_protocol::{Answer, Command, Value};

use super::standings::Standings;
use crate::connection::{Connection, ConnectionError};
use crate::explain;
use crate::files::{ConfigurationFiles, variables};
use crate::json;
use crate::options::{CONFIGURATION, VERSION};
use crate::terminal;

/// Where the daemon and its configuration are.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The directory of the configuration, which then stands alone [default: /etc/fail2ban, and below it, file by
    /// file, the configuration that comes with stockade]
    #[arg(short = 'c', long = "conf", value_name = "DIR")]
    pub(super) directory: Option<String>,
    /// The control socket, instead of the one that fail2ban.conf names
    #[arg(short = 's', long, value_name = "FILE")]
    pub(super) socket: Option<String>,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{}\n  `-s FILE` names the control socket without the configuration.", configuration_trouble(.0))]
    Configuration(Box<stockade_config::Error>),
    #[error("no daemon answers on {socket}: {}\n  {}", reason(.source), remedy(.source))]
    NoDaemon { socket: String, source: ConnectionError },
    #[error(transparent)]
    Explain(#[from] explain::Trouble),
    #[error(transparent)]
    Adoption(#[from] super::adopt::Failed),
    #[error("{0}")]
    Refused(String),
    #[error("the daemon has ended, or wants to tell no more")]
    Ended,
    #[error(
        "there are several jails, and `--jail` does not say which is to ban: {}",
        .0.join(", ")
    )]
    WhichJail(Vec<String>),
    #[error(
        "there is no jail to ban with\n  Enable one in {CONFIGURATION}/jail.local and run `stockade reload`."
    )]
    NoJail,
    #[error("{0} is a network, and a report is of one address")]
    NoSingleAddress(String),
    #[error(
        "nobody takes reports on {socket}: {reason}\n  `reportsocket` in fail2ban.conf says where the daemon takes them, and from whom; `-s` names another place."
    )]
    NoReports { socket: String, reason: String },
    #[error(
        "the daemon takes no reports\n  Set `reportsocket` in fail2ban.conf, as in `reportsocket = /run/stockade/report`, and run `stockade reload`."
    )]
    NoReportSocket,
    #[error(
        "the jail '{0}' takes no reports\n  `reports = yes` in its section has it take them, after `stockade reload`."
    )]
    TakesNoReports(String),
    #[error("{path} cannot be read: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("{path} cannot be written to: {reason}")]
    Unwritable { path: String, reason: String },
    #[error(
        "nothing was written, for something else stands in {directory} under these names:\n  {}\n  `--force` replaces them.",
        .files.join("\n  ")
    )]
    InTheWay { directory: String, files: Vec<String> },
    #[error("there is no {name} in the configuration that comes with stockade\n  {hint}")]
    NoSuchFile { name: String, hint: String },
    #[error("{path}:{line}: {text:?} is no address\n  {hint}. Nobody was banned.")]
    NoAddress {
        path: String,
        line: usize,
        text: String,
        hint: String,
    },
    #[error("{0} names no address\n  It should have one on each line. Nobody was banned.")]
    NoAddresses(String),
    #[error(
        "the configuration cannot be used, and nothing was changed; what is wrong is said above\n  `stockade check` says every mistake in it at once."
    )]
    NotUsable,
}

/// Where a mistake in the configuration is, and what it is, in the reference's words.
pub(crate) fn configuration_trouble(error: &stockade_config::Error) -> String {
    let text = error.to_string();
    let text = text.trim_end();
    match error.span() {
        Some(at) => format!("{at}: {text}"),
        None => text.to_owned(),
    }
}

/// What is known about a daemon that does not answer, in our own words where the reference's would mislead.
fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::NoSocket { .. } => "there is no such socket".to_owned(),
        ConnectionError::NotAllowed { .. } => "permission denied".to_owned(),
        ConnectionError::Unreachable(_)
        | ConnectionError::TimedOut
        | ConnectionError::NotAPickle(_)
        | ConnectionError::NoAnswer(_)
        | ConnectionError::TooLong => error.plainly(),
    }
}

fn remedy(error: &ConnectionError) -> &'static str {
    match error {
        ConnectionError::NotAllowed { .. } => "Only root may talk to it.",
        ConnectionError::NoSocket { .. }
        | ConnectionError::Unreachable(_)
        | ConnectionError::TimedOut
        | ConnectionError::NotAPickle(_)
        | ConnectionError::NoAnswer(_)
        | ConnectionError::TooLong => "Start one with `stockade run`, or name its socket with `-s`.",
    }
}

/// What the daemon says to `command`, which asks for a list of dictionaries. Where there is no such jail, that is said
/// instead.
pub(super) fn list(place: &Place, jail: Option<&str>, command: &Command) -> Result<Vec<Json>, Trouble> {
    let mut client = Client::connect(place)?;
    if let Some(jail) = jail {
        // Whoever asks for a jail that there is not is to be told so.
        let _status = client.ask(&Command::JailStatus {
            jail: jail.to_owned(),
            flavor: None,
        })?;
    }
    let told = client.ask(command)?;
    Ok(told
        .items()
        .unwrap_or_default()
        .iter()
        .map(json::convert)
        .collect())
}

/// A daemon that answers.
pub(super) struct Client {
    pub(super) connection: Connection,
    socket: String,
}

impl Client {
    pub(super) fn connect(place: &Place) -> Result<Self, Trouble> {
        let socket = match &place.socket {
            Some(socket) => socket.clone(),
            None => {
                let files = ConfigurationFiles::new(place.directory.as_deref());
                let early = reader(&files, place.directory.as_deref()).early(&Overrides::default());
                early
                    .map_err(|error| Trouble::Configuration(Box::new(error)))?
                    .socket
            }
        };
        let connection = Connection::open(&socket, None).map_err(|source| Trouble::NoDaemon {
            socket: socket.clone(),
            source,
        })?;
        Ok(Self { connection, socket })
    }

    /// The value that answers a command.
    pub(super) fn ask(&mut self, command: &Command) -> Result<Value, Trouble> {
        let words = command.to_value();
        let answer = self.connection.ask(&words);
        self.answered(&words, answer)
    }

    /// What the daemon says next to one that listens.
    pub(super) fn hear(&mut self) -> Result<Value, Trouble> {
        self.connection.hear().map_err(|source| match source {
            ConnectionError::Unreachable(_) => Trouble::Ended,
            source @ (ConnectionError::NoSocket { .. }
            | ConnectionError::NotAllowed { .. }
            | ConnectionError::TimedOut
            | ConnectionError::NotAPickle(_)
            | ConnectionError::NoAnswer(_)
            | ConnectionError::TooLong) => Trouble::NoDaemon {
                socket: self.socket.clone(),
                source,
            },
        })
    }

    /// What came of a command.
    pub(super) fn answered(
        &self,
        words: &Value,
        answer: Result<Answer, ConnectionError>,
    ) -> Result<Value, Trouble> {
        let answer = answer.map_err(|source| Trouble::NoDaemon {
            socket: self.socket.clone(),
            source,
        })?;
        match answer {
            Answer::Reply(Ok(value)) => Ok(value),
            Answer::Reply(reply @ Err(_)) => {
                let words = words.items().unwrap_or_default();
                Err(Trouble::Refused(
                    render(words, &reply, terminal::charset()).stdout,
                ))
            }
            Answer::Refused(message) => Err(Trouble::Refused(message)),
            Answer::ShuttingDown => Err(Trouble::Refused("the daemon is about to end".to_owned())),
        }
    }

    /// The names of the jails at work, in their order.
    pub(super) fn jails(&mut self) -> Result<Vec<String>, Trouble> {
        let status = self.ask(&Command::Status {
            all: false,
            flavor: None,
        })?;
        let list = status
            .items()
            .unwrap_or_default()
            .iter()
            .find_map(|pair| match pair.items()? {
                [name, list] if name.as_str() == Some("Jail list") => list.as_str(),
                _ => None,
            });
        let jails = list.unwrap_or_default().split(',').map(str::trim);
        Ok(jails.filter(|jail| !jail.is_empty()).map(str::to_owned).collect())
    }

    /// What `get JAIL PROPERTY` lists, of one jail or of each, with the jail's name.
    pub(super) fn of_each_jail(
        &mut self,
        jail: Option<&str>,
        property: &str,
        arguments: &[Value],
    ) -> Result<Vec<(String, Vec<Value>)>, Trouble> {
        let jails = match jail {
            Some(jail) => vec![jail.to_owned()],
            None => self.jails()?,
        };
        let mut lists = Vec::new();
        for jail in jails {
            let list = self.ask(&Command::GetJail {
                jail: jail.clone(),
                property: property.to_owned(),
                arguments: arguments.to_vec(),
            })?;
            lists.push((jail, list.items().unwrap_or_default().to_vec()));
        }
        Ok(lists)
    }

    /// What the actions of a jail have made of its bans, as far as they are not simply in force; nothing where the
    /// daemon is one that does not tell.
    pub(super) fn standings(&mut self, jail: &str) -> Result<Vec<Standings>, Trouble> {
        let told = self.ask(&Command::GetJail {
            jail: jail.to_owned(),
            property: "standings".to_owned(),
            arguments: Vec::new(),
        });
        match told {
            Ok(told) => Ok(told
                .items()
                .unwrap_or_default()
                .iter()
                .filter_map(Standings::read)
                .collect()),
            Err(Trouble::Refused(_)) => Ok(Vec::new()),
            Err(trouble) => Err(trouble),
        }
    }
}

pub(super) fn reader<'a>(files: &'a ConfigurationFiles, directory: Option<&str>) -> Reader<'a> {
    let directory = directory.unwrap_or(CONFIGURATION);
    Reader::new(files, directory, VERSION, &variables())
}
