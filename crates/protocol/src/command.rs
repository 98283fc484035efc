//! What the daemon can be told.
//!
//! In: a list of words, from the socket or from the configuration. Out: one [`Command`], or the failure that the
//! reference answers with; and the list of words again.
//!
//! Here it is decided whether a command exists and has the words it needs, in the reference's order: an unknown
//! property or a missing word is reported before an unknown jail. What a value means is the daemon's to say.

use std::borrow::Cow;

use crate::repr::write_items;
use crate::{Failure, Value, definition};

/// A command to the daemon, from the configuration or from the control socket.
///
/// Names of options and properties and their values stay as they were given: the daemon's compiler knows
/// what each means and says what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `ping [x]`.
    Ping,
    /// `version`.
    Version,
    /// `echo [word…]`.
    Echo(Vec<Value>),
    /// `sleep SECONDS`.
    Sleep(Value),
    /// `server-status`.
    ServerStatus,
    /// `server-stream LIST`: the whole configuration at start.
    ServerStream(Vec<Self>),
    /// `config-error MESSAGE`: something the reader of the configuration wants in the log.
    ConfigError(String),
    /// `flushlogs`.
    FlushLogs,
    /// `status` of the server, with every jail where `all`.
    Status {
        /// `--all` was given.
        all: bool,
        /// `basic`, `short`, `cymru`, `stats`; only with `all`.
        flavor: Option<String>,
    },
    /// `status JAIL [FLAVOR]`.
    JailStatus {
        /// The jail.
        jail: String,
        /// `basic`, `short`, `cymru`, `stats`.
        flavor: Option<String>,
    },
    /// `sources`, which is our own: how each source of lines is doing.
    Sources,
    /// `limits`, which is our own: how full everything is that has a limit.
    Limits,
    /// `stats`, `statistics`, `statistic`.
    Statistics,
    /// `banned [ID…]`.
    Banned(Vec<String>),
    /// `unban --all`.
    UnbanAll,
    /// `unban ID…`.
    Unban(Vec<String>),
    /// `stop`: the server.
    Stop,
    /// `stop --all`: every jail.
    StopJails,
    /// `stop JAIL`.
    StopJail(String),
    /// `reload TARGET OPTIONS STREAM`.
    Reload {
        /// A jail, or `None` for `--all`.
        jail: Option<String>,
        /// `--restart`, `--unban`, `--if-exists`.
        options: Vec<String>,
        /// The configuration.
        stream: Vec<Self>,
    },
    /// `add JAIL [BACKEND]`.
    Add {
        /// The jail.
        jail: String,
        /// The backend, `auto` where none is given.
        backend: String,
    },
    /// `start JAIL`.
    Start(String),
    /// `set OPTION VALUE` of the server: `loglevel`, `logtarget`, `dbfile` and so on.
    Set {
        /// The option.
        option: String,
        /// Its new value.
        value: Value,
    },
    /// `get OPTION` of the server.
    Get(String),
    /// `set JAIL PROPERTY ARGUMENT…`, and `multi-set`, which for `addfailregex`, `addignoreregex` and `action`
    /// takes a list where `set` takes one value.
    SetJail {
        /// The jail.
        jail: String,
        /// The property, such as `maxretry`, `addfailregex`, `banip`, `action`.
        property: String,
        /// What follows it.
        arguments: Vec<Value>,
        /// Whether it was `multi-set`.
        multi: bool,
    },
    /// `tail [JAIL]`, which is our own: from here on the client is told what happens.
    Tail(Option<String>),
    /// `get JAIL PROPERTY ARGUMENT…`.
    GetJail {
        /// The jail.
        jail: String,
        /// The property.
        property: String,
        /// What follows it.
        arguments: Vec<Value>,
    },
}

/// The options of the server that `set` and `get` know. Each hides a jail of the same name, as in the reference.
const SERVER_OPTIONS: [&str; 7] = [
    "loglevel",
    "logtarget",
    "syslogsocket",
    "thread",
    "dbfile",
    "dbmaxmatches",
    "dbpurgeage",
];

/// An option of the server that can be set and not be read.
const ALLOW_IPV6: &str = "allowipv6";

/// The same, of ours. With more behind it, it is a jail of that name.
const OURS: [&str; 4] = ["native", "confine", "statusgroup", "operategroup"];

/// What of our own can be read of the server; with more behind it, it is a jail of that name.
const RIGHTS: &str = "rights";

/// Options of the server that are ours and can be read, too. With more behind it, it is a jail of that name.
const OWN_OPTIONS: [&str; 3] = ["reportsocket", "sysloglisten", "syslogallow"];

/// Properties of our own: how structured lines are read.
pub const STRUCTURE: [&str; 7] = [
    "lineformat",
    "field.time",
    "field.host",
    "field.user",
    "field.message",
    "failwhen",
    "ignorewhen",
];

/// How many words must follow a property of a jail in `set`; `None` where there is no such property.
fn words_to_set(property: &str) -> Option<usize> {
    match property {
        "addignoreip" | "addjournalmatch" | "deljournalmatch" | "attempt" | "banip" => Some(0),
        "idle" | "ignoreself" | "delignoreip" | "ignorecommand" | "ignorecache" | "addlogpath"
        | "dellogpath" | "logencoding" | "prefregex" | "addfailregex" | "delfailregex" | "addignoreregex"
        | "delignoreregex" | "usedns" | "findtime" | "bantime" | "datepattern" | "logtimezone"
        | "maxmatches" | "maxretry" | "maxlines" | "unbanip" | "addaction" | "delaction" | "action" => {
            Some(1)
        }
        "reports" | "reports.from" | "reports.forgive" => Some(1),
        _ if property.starts_with("bantime.") || STRUCTURE.contains(&property) => Some(1),
        // Of our own: the terms of the ban, then the ids.
        "ban" => Some(2),
        _ => None,
    }
}

/// How many words must follow a property of a jail in `get`; `None` where there is no such property.
fn words_to_get(property: &str) -> Option<usize> {
    match property {
        "banned" | "banip" | "ignoreself" | "ignoreip" | "ignorecommand" | "ignorecache" | "logpath"
        | "logencoding" | "journalmatch" | "prefregex" | "failregex" | "ignoreregex" | "usedns"
        | "findtime" | "bantime" | "datepattern" | "logtimezone" | "maxmatches" | "maxretry" | "maxlines"
        | "actions" | "standings" | "verify" => Some(0),
        "actionproperties" | "actionmethods" => Some(1),
        "action" => Some(2),
        "reports" | "reports.from" | "reports.forgive" => Some(0),
        _ if property.starts_with("bantime.") || STRUCTURE.contains(&property) => Some(0),
        _ => None,
    }
}

impl Command {
    /// The jail that the command is about, where it is about one.
    #[must_use]
    pub fn jail(&self) -> Option<&str> {
        match self {
            Self::JailStatus { jail, .. }
            | Self::StopJail(jail)
            | Self::Start(jail)
            | Self::Add { jail, .. }
            | Self::SetJail { jail, .. }
            | Self::GetJail { jail, .. } => Some(jail),
            Self::Reload { jail, .. } | Self::Tail(jail) => jail.as_deref(),
            Self::Ping
            | Self::Version
            | Self::Echo(_)
            | Self::Sleep(_)
            | Self::ServerStatus
            | Self::ServerStream(_)
            | Self::ConfigError(_)
            | Self::FlushLogs
            | Self::Status { .. }
            | Self::Sources
            | Self::Limits
            | Self::Statistics
            | Self::Banned(_)
            | Self::UnbanAll
            | Self::Unban(_)
            | Self::Stop
            | Self::StopJails
            | Self::Set { .. }
            | Self::Get(_) => None,
        }
    }

    /// Understands a list of words.
    ///
    /// # Errors
    ///
    /// What the reference answers: `Invalid command`, `list index out of range` where a word is missing, and so on.
    pub fn from_value(value: &Value) -> Result<Self, Failure> {
        let words = Words(words_of(value)?);
        let Some(name) = words.value(0)?.as_str() else {
            return Err(Failure::invalid_command());
        };
        match name {
            "ping" => Ok(Self::Ping),
            "version" => Ok(Self::Version),
            "echo" => Ok(Self::Echo(words.rest(1).to_vec())),
            "sleep" => sleep(&words),
            "server-status" => Ok(Self::ServerStatus),
            "server-stream" => stream(words.value(1)?).map(Self::ServerStream),
            "config-error" => Ok(Self::ConfigError(words.value(1)?.text())),
            "flushlogs" => Ok(Self::FlushLogs),
            "status" => status(&words),
            "sources" => Ok(Self::Sources),
            "limits" => Ok(Self::Limits),
            "stats" | "statistic" | "statistics" => Ok(Self::Statistics),
            "banned" => Ok(Self::Banned(words.texts(1))),
            "unban" => match words.rest(1) {
                [] => Err(Failure::invalid_command()),
                [first, ..] if first.as_str() == Some("--all") => Ok(Self::UnbanAll),
                ids => {
                    ids.iter().try_for_each(check_id)?;
                    Ok(Self::Unban(words.texts(1)))
                }
            },
            "stop" => match words.rest(1) {
                [] => Ok(Self::Stop),
                [first, ..] if first.as_str() == Some("--all") => Ok(Self::StopJails),
                [..] => words.jail(1).map(Self::StopJail),
            },
            "reload" => reload(&words),
            "add" => add(&words),
            "start" => words.jail(1).map(Self::Start),
            "tail" => match words.rest(1) {
                [] => Ok(Self::Tail(None)),
                [..] => words.jail(1).map(|jail| Self::Tail(Some(jail))),
            },
            "set" => set(&words, false),
            "multi-set" => set(&words, true),
            "get" => get(&words),
            _ => Err(Failure::invalid_command()),
        }
    }

    /// The list of words that [`Command::from_value`] understands as this command.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::List(self.words().into_iter().map(Cow::into_owned).collect())
    }

    /// Writes the list of words as Python's `repr` does, in UTF-8.
    pub fn write_repr(&self, out: &mut Vec<u8>) {
        write_items(self.words().iter().map(AsRef::as_ref), "[", "]", out);
    }

    fn words(&self) -> Vec<Cow<'_, Value>> {
        let mut words = Vec::new();
        let mut word = |value: Value| words.push(Cow::Owned(value));
        match self {
            Self::Ping => word("ping".into()),
            Self::Version => word("version".into()),
            Self::Echo(rest) => {
                word("echo".into());
                words.extend(rest.iter().map(Cow::Borrowed));
            }
            Self::Sleep(seconds) => {
                word("sleep".into());
                word(seconds.clone());
            }
            Self::ServerStatus => word("server-status".into()),
            Self::ServerStream(stream) => {
                word("server-stream".into());
                word(stream_value(stream));
            }
            Self::ConfigError(message) => {
                word("config-error".into());
                word(message.into());
            }
            Self::FlushLogs => word("flushlogs".into()),
            Self::Status { all, flavor } => {
                word("status".into());
                if *all {
                    word("--all".into());
                    words.extend(flavor.iter().map(|flavor| Cow::Owned(flavor.into())));
                }
            }
            Self::JailStatus { jail, flavor } => {
                word("status".into());
                word(jail.into());
                words.extend(flavor.iter().map(|flavor| Cow::Owned(flavor.into())));
            }
            Self::Sources => word("sources".into()),
            Self::Limits => word("limits".into()),
            Self::Statistics => word("stats".into()),
            Self::Banned(ids) => {
                word("banned".into());
                words.extend(ids.iter().map(|id| Cow::Owned(id.into())));
            }
            Self::UnbanAll => {
                word("unban".into());
                word("--all".into());
            }
            Self::Unban(ids) => {
                word("unban".into());
                words.extend(ids.iter().map(|id| Cow::Owned(id.into())));
            }
            Self::Stop => word("stop".into()),
            Self::StopJails => {
                word("stop".into());
                word("--all".into());
            }
            Self::StopJail(jail) => {
                word("stop".into());
                word(jail.into());
            }
            Self::Reload {
                jail,
                options,
                stream,
            } => {
                word("reload".into());
                word(jail.as_deref().unwrap_or("--all").into());
                word(Value::list(options));
                word(stream_value(stream));
            }
            Self::Add { jail, backend } => {
                word("add".into());
                word(jail.into());
                word(backend.into());
            }
            Self::Start(jail) => {
                word("start".into());
                word(jail.into());
            }
            Self::Tail(jail) => {
                word("tail".into());
                words.extend(jail.iter().map(|jail| Cow::Owned(jail.into())));
            }
            Self::Set { option, value } => {
                word("set".into());
                word(option.into());
                word(value.clone());
            }
            Self::Get(option) => {
                word("get".into());
                word(option.into());
            }
            Self::SetJail {
                jail,
                property,
                arguments,
                multi,
            } => {
                word(if *multi { "multi-set" } else { "set" }.into());
                word(jail.into());
                word(property.into());
                words.extend(arguments.iter().map(Cow::Borrowed));
            }
            Self::GetJail {
                jail,
                property,
                arguments,
            } => {
                word("get".into());
                word(jail.into());
                word(property.into());
                words.extend(arguments.iter().map(Cow::Borrowed));
            }
        }
        words
    }
}

/// The words of a command, asked for by position.
struct Words<'a>(&'a [Value]);

impl<'a> Words<'a> {
    fn value(&self, index: usize) -> Result<&'a Value, Failure> {
        self.0.get(index).ok_or_else(Failure::missing_argument)
    }

    fn rest(&self, from: usize) -> &'a [Value] {
        self.0.get(from..).unwrap_or_default()
    }

    fn texts(&self, from: usize) -> Vec<String> {
        self.rest(from).iter().map(Value::text).collect()
    }

    /// The name of a jail. Nothing but a text can be one.
    fn jail(&self, index: usize) -> Result<String, Failure> {
        match self.value(index)? {
            Value::Str(name) => Ok(name.clone()),
            other @ (Value::List(_) | Value::Dict(_) | Value::Set(_)) => {
                other.hashable().map(|_| String::new())
            }
            other @ (Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::BigInt(_)
            | Value::Float(_)
            | Value::Bytes(_)
            | Value::Tuple(_)
            | Value::Exception(_)) => Err(Failure::unknown_jail(other.clone())),
        }
    }
}

/// The words of a request, which must be a list; anything else gets what Python says about its first element.
fn words_of(value: &Value) -> Result<&[Value], Failure> {
    let index_error = |message: &str| Err(Failure::new("builtins", "IndexError", [message]));
    match value {
        Value::List(words) => Ok(words),
        Value::Tuple(words) if words.is_empty() => index_error("tuple index out of range"),
        Value::Tuple(words) => Ok(words),
        Value::Str(text) if text.is_empty() => index_error("string index out of range"),
        Value::Bytes(bytes) if bytes.is_empty() => index_error("index out of range"),
        Value::Str(_) | Value::Bytes(_) => Err(Failure::invalid_command()),
        Value::Dict(_) => Err(Failure::key_error(0)),
        Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Set(_)
        | Value::Exception(_) => Err(Failure::type_error(format!(
            "'{}' object is not subscriptable",
            value.type_name()
        ))),
    }
}

/// A list of commands. All are understood before any is carried out.
fn stream(value: &Value) -> Result<Vec<Command>, Failure> {
    match value {
        Value::List(commands) | Value::Tuple(commands) | Value::Set(commands) => {
            commands.iter().map(Command::from_value).collect()
        }
        Value::Str(text) if text.is_empty() => Ok(Vec::new()),
        Value::Dict(pairs) => pairs.iter().map(|(key, _)| Command::from_value(key)).collect(),
        Value::Str(_) => Err(Failure::invalid_command()),
        Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Bytes(_)
        | Value::Exception(_) => Err(Failure::type_error(format!(
            "'{}' object is not iterable",
            value.type_name()
        ))),
    }
}

fn stream_value(stream: &[Command]) -> Value {
    Value::List(stream.iter().map(Command::to_value).collect())
}

fn status(words: &Words<'_>) -> Result<Command, Failure> {
    let flavor = |flavor: Option<&Value>| flavor.map(Value::text);
    match words.rest(1) {
        [] => Ok(Command::Status {
            all: false,
            flavor: None,
        }),
        [all, rest @ ..] if all.as_str() == Some("--all") && rest.len() <= 1 => Ok(Command::Status {
            all: true,
            flavor: flavor(rest.first()),
        }),
        [_, rest @ ..] if rest.len() <= 1 => Ok(Command::JailStatus {
            jail: words.jail(1)?,
            flavor: flavor(rest.first()),
        }),
        [..] => Err(Failure::exception("Invalid command (no status)")),
    }
}

fn reload(words: &Words<'_>) -> Result<Command, Failure> {
    let missing = |what: &str| {
        Err(Failure::type_error(format!(
            "Server.reloadJails() missing {what}"
        )))
    };
    match words.rest(1) {
        [] => missing("2 required positional arguments: 'name' and 'opts'"),
        [_] => missing("1 required positional argument: 'opts'"),
        [name, options, ..] => {
            let jail = if name.as_str() == Some("--all") {
                None
            } else {
                Some(words.jail(1)?)
            };
            let options = match options.as_str() {
                Some(option) => vec![option.to_owned()],
                None => options
                    .items()
                    .unwrap_or_default()
                    .iter()
                    .map(Value::text)
                    .collect(),
            };
            Ok(Command::Reload {
                jail,
                options,
                stream: stream(words.value(3)?)?,
            })
        }
    }
}

fn sleep(words: &Words<'_>) -> Result<Command, Failure> {
    let seconds = words.value(1)?;
    if seconds.float()? < 0.0 {
        return Err(Failure::value_error("sleep length must be non-negative"));
    }
    Ok(Command::Sleep(seconds.clone()))
}

fn add(words: &Words<'_>) -> Result<Command, Failure> {
    let name = words.value(1)?;
    let backend = words.value(2).map_or_else(|_| "auto".to_owned(), Value::text);
    match name.as_str() {
        Some("--all") => Err(Failure::exception("Reserved name '--all'")),
        Some(jail) => Ok(Command::Add {
            jail: jail.to_owned(),
            backend,
        }),
        None => Err(no_length(name.hashable()?)),
    }
}

/// What Python says of something that is no text and is to have the length of one.
fn no_length(value: &Value) -> Failure {
    Failure::type_error(format!("object of type '{}' has no len()", value.type_name()))
}

/// What is no text cannot be an address; `None` is nobody's.
fn check_id(id: &Value) -> Result<(), Failure> {
    match id {
        number @ (Value::Bool(_) | Value::Int(_) | Value::BigInt(_) | Value::Float(_)) => {
            Err(no_length(number))
        }
        Value::Bytes(_) => Err(Failure::type_error("a bytes-like object is required, not 'str'")),
        Value::None
        | Value::Str(_)
        | Value::List(_)
        | Value::Tuple(_)
        | Value::Dict(_)
        | Value::Set(_)
        | Value::Exception(_) => Ok(()),
    }
}

fn set(words: &Words<'_>, multi: bool) -> Result<Command, Failure> {
    if let Some(option) = words.value(1)?.as_str()
        && (SERVER_OPTIONS.contains(&option)
            || option == ALLOW_IPV6
            || ((OURS.contains(&option) || OWN_OPTIONS.contains(&option)) && words.rest(3).is_empty()))
    {
        return Ok(Command::Set {
            option: option.to_owned(),
            value: words.value(2)?.clone(),
        });
    }
    let property = words.value(2)?.text_with("startswith")?.to_owned();
    let arguments = words.rest(3);
    let needed = words_to_set(&property).ok_or_else(|| {
        Failure::exception(format!(
            "Invalid command {} (no set action or not yet implemented)",
            Value::from(&property).repr()
        ))
    })?;
    // A Python action is its file and its parameters, or neither.
    if arguments.len() < needed || (property == "addaction" && arguments.len() == 2) {
        return Err(Failure::missing_argument());
    }
    check_early(&property, arguments)?;
    let multi = multi && ["addfailregex", "addignoreregex", "action"].contains(&property.as_str());
    Ok(Command::SetJail {
        jail: words.jail(1)?,
        property,
        arguments: arguments.to_vec(),
        multi,
    })
}

/// What the reference finds wrong with a value before it looks for the jail.
fn check_early(property: &str, arguments: &[Value]) -> Result<(), Failure> {
    match (property, arguments) {
        ("maxmatches" | "maxretry" | "maxlines" | "delfailregex" | "delignoreregex", [number, ..]) => {
            // One that is too large for us is the daemon's to refuse.
            match number.int() {
                Err(failure) if failure.class != "OverflowError" => Err(failure),
                Ok(_) | Err(_) => Ok(()),
            }
        }
        ("ignorecache", [cache, ..]) => {
            let text = cache.as_str().ok_or_else(|| {
                Failure::type_error(format!(
                    "can only concatenate str (not \"{}\") to str",
                    cache.type_name()
                ))
            })?;
            let options = definition::parameters(text);
            options
                .map(drop)
                .map_err(|error| Failure::value_error(error.to_string()))
        }
        ("unbanip", [option, ids @ ..]) if option.as_str() == Some("--report-absent") => {
            ids.iter().try_for_each(check_id)
        }
        ("unbanip", ids) => ids.iter().try_for_each(check_id),
        ("banip", ids) => ids.iter().try_for_each(|id| id.hashable().map(drop)),
        ("attempt", [Value::None, ..]) => Err(no_length(&Value::None)),
        ("attempt", [id, ..]) => id.hashable().and_then(check_id),
        ("addaction" | "delaction", [name, ..]) => name.hashable().map(drop),
        ("idle", [state, ..]) if state.as_str() != Some("on") && state.as_str() != Some("off") => {
            Err(Failure::exception("Invalid idle option, must be 'on' or 'off'"))
        }
        ("addlogpath", [_, _, _, ..]) => Err(Failure::value_error("Only one file can be added at a time")),
        ("addlogpath", [_, place]) if place.as_str() != Some("head") && place.as_str() != Some("tail") => {
            Err(Failure::value_error("File option must be 'head' or 'tail'"))
        }
        _ => Ok(()),
    }
}

fn get(words: &Words<'_>) -> Result<Command, Failure> {
    if let Some(option) = words.value(1)?.as_str()
        && (SERVER_OPTIONS.contains(&option)
            || ((OWN_OPTIONS.contains(&option) || option == RIGHTS) && words.rest(2).is_empty()))
    {
        return Ok(Command::Get(option.to_owned()));
    }
    let property = words.value(2)?.text_with("startswith")?.to_owned();
    let arguments = words.rest(3);
    let needed = words_to_get(&property)
        .ok_or_else(|| Failure::exception("Invalid command (no get action or not yet implemented)"))?;
    if arguments.len() < needed {
        return Err(Failure::missing_argument());
    }
    Ok(Command::GetJail {
        jail: words.jail(1)?,
        property,
        arguments: arguments.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::Command;
    use crate::{Failure, Value};
    use proptest::prelude::*;

    /// A request as a list of texts.
    fn words(line: &str) -> Value {
        Value::list(line.split_whitespace())
    }

    #[test]
    fn every_command_is_understood() {
        let jail = || "j".to_owned();
        let set = |property: &str, arguments: &[&str], multi| Command::SetJail {
            jail: jail(),
            property: property.to_owned(),
            arguments: arguments.iter().map(|word| Value::from(*word)).collect(),
            multi,
        };
        let get = |property: &str, arguments: &[&str]| Command::GetJail {
            jail: jail(),
            property: property.to_owned(),
            arguments: arguments.iter().map(|word| Value::from(*word)).collect(),
        };
        let cases: [(&str, Command); 54] = [
            ("ping", Command::Ping),
            ("ping 2 x", Command::Ping),
            ("version x", Command::Version),
            ("echo", Command::Echo(vec![])),
            ("echo a b", Command::Echo(vec!["a".into(), "b".into()])),
            ("sleep 0.1 x", Command::Sleep("0.1".into())),
            ("server-status", Command::ServerStatus),
            ("config-error a b", Command::ConfigError("a".into())),
            ("flushlogs", Command::FlushLogs),
            (
                "status",
                Command::Status {
                    all: false,
                    flavor: None,
                },
            ),
            (
                "status --all",
                Command::Status {
                    all: true,
                    flavor: None,
                },
            ),
            (
                "status --all short",
                Command::Status {
                    all: true,
                    flavor: Some("short".into()),
                },
            ),
            (
                "status j",
                Command::JailStatus {
                    jail: jail(),
                    flavor: None,
                },
            ),
            (
                "status j --all",
                Command::JailStatus {
                    jail: jail(),
                    flavor: Some("--all".into()),
                },
            ),
            ("sources x", Command::Sources),
            ("limits", Command::Limits),
            ("stats x y", Command::Statistics),
            ("statistic", Command::Statistics),
            ("statistics", Command::Statistics),
            ("banned", Command::Banned(vec![])),
            ("banned 192.0.2.1", Command::Banned(vec!["192.0.2.1".into()])),
            ("unban --all x", Command::UnbanAll),
            ("unban x --all", Command::Unban(vec!["x".into(), "--all".into()])),
            ("stop", Command::Stop),
            ("stop --all x", Command::StopJails),
            ("stop j x", Command::StopJail(jail())),
            ("tail", Command::Tail(None)),
            ("tail j x", Command::Tail(Some(jail()))),
            (
                "add j",
                Command::Add {
                    jail: jail(),
                    backend: "auto".into(),
                },
            ),
            (
                "add j polling",
                Command::Add {
                    jail: jail(),
                    backend: "polling".into(),
                },
            ),
            ("start j x", Command::Start(jail())),
            (
                "set loglevel info x",
                Command::Set {
                    option: "loglevel".into(),
                    value: "info".into(),
                },
            ),
            (
                "set native off",
                Command::Set {
                    option: "native".into(),
                    value: "off".into(),
                },
            ),
            (
                "set reportsocket none",
                Command::Set {
                    option: "reportsocket".into(),
                    value: "none".into(),
                },
            ),
            ("get sysloglisten", Command::Get("sysloglisten".into())),
            (
                "set allowipv6 auto",
                Command::Set {
                    option: "allowipv6".into(),
                    value: "auto".into(),
                },
            ),
            (
                "multi-set dbfile none",
                Command::Set {
                    option: "dbfile".into(),
                    value: "none".into(),
                },
            ),
            ("get loglevel x", Command::Get("loglevel".into())),
            ("set j maxretry 5", set("maxretry", &["5"], false)),
            ("set j addignoreip", set("addignoreip", &[], false)),
            ("set j attempt", set("attempt", &[], false)),
            ("set j banip", set("banip", &[], false)),
            ("set j bantime.whatever 1", set("bantime.whatever", &["1"], false)),
            ("set j addaction a", set("addaction", &["a"], false)),
            (
                "set j addaction a f.py {}",
                set("addaction", &["a", "f.py", "{}"], false),
            ),
            (
                "set j action a timeout 5",
                set("action", &["a", "timeout", "5"], false),
            ),
            ("multi-set j addfailregex x", set("addfailregex", &["x"], true)),
            ("multi-set j action a x", set("action", &["a", "x"], true)),
            ("multi-set j maxretry 5", set("maxretry", &["5"], false)),
            ("get j maxretry x", get("maxretry", &["x"])),
            ("get j banip --with-time", get("banip", &["--with-time"])),
            ("get j bantime.increment", get("bantime.increment", &[])),
            ("get j action a timeout", get("action", &["a", "timeout"])),
            ("get j actionmethods a", get("actionmethods", &["a"])),
        ];
        for (line, command) in cases {
            assert_eq!(Command::from_value(&words(line)), Ok(command), "{line}");
        }
        let ping = || Value::List(vec!["ping".into()]);
        assert_eq!(
            Command::from_value(&Value::Tuple(vec![
                "server-stream".into(),
                Value::Tuple(vec![ping(), ping()])
            ])),
            Ok(Command::ServerStream(vec![Command::Ping, Command::Ping]))
        );
        assert_eq!(
            Command::from_value(&Value::List(vec![
                "reload".into(),
                "j".into(),
                Value::list(["--unban"]),
                Value::List(vec![ping()])
            ])),
            Ok(Command::Reload {
                jail: Some(jail()),
                options: vec!["--unban".into()],
                stream: vec![Command::Ping]
            })
        );
    }

    #[test]
    fn what_is_wrong_with_a_command_is_said_as_the_reference_says_it() {
        let index = "IndexError('list index out of range')";
        let invalid = "Exception('Invalid command')";
        let no_get = "Exception('Invalid command (no get action or not yet implemented)')";
        let no_set = "Exception(\"Invalid command 'bogus' (no set action or not yet implemented)\")";
        let no_status = "Exception('Invalid command (no status)')";
        let text = |line: &str| words(line);
        let list = |items: Vec<Value>| Value::List(items);
        let int = "ValueError(\"invalid literal for int() with base 10: 'x'\")";
        let cases: [(Value, &str); 61] = [
            (
                text("sleep x"),
                "ValueError(\"could not convert string to float: 'x'\")",
            ),
            (
                text("sleep -1"),
                "ValueError('sleep length must be non-negative')",
            ),
            (text("set nojail maxretry x"), int),
            (text("set nojail delfailregex x y"), int),
            (
                text("set nojail idle maybe"),
                "Exception(\"Invalid idle option, must be 'on' or 'off'\")",
            ),
            (
                text("set nojail addlogpath x y"),
                "ValueError(\"File option must be 'head' or 'tail'\")",
            ),
            (
                text("set nojail addlogpath x tail y"),
                "ValueError('Only one file can be added at a time')",
            ),
            (text("foo"), invalid),
            (text("PING"), invalid),
            (text("stat"), invalid),
            (text("help"), invalid),
            (text("restart"), invalid),
            (text("unban"), invalid),
            (text("start"), index),
            (text("sleep"), index),
            (text("config-error"), index),
            (text("server-stream"), index),
            (text("add"), index),
            (text("add --all"), "Exception(\"Reserved name '--all'\")"),
            (text("status a b c"), no_status),
            (text("status --all a b"), no_status),
            (text("set"), index),
            (text("set j"), index),
            (text("set loglevel"), index),
            (text("set j maxretry"), index),
            (text("set j bantime."), index),
            (text("set j unbanip"), index),
            (text("set j addaction a f.py"), index),
            (text("set j action"), index),
            (text("set j bogus"), no_set),
            (text("multi-set"), index),
            (text("multi-set j bogus x"), no_set),
            (text("multi-set j addfailregex"), index),
            (text("get"), index),
            (text("get j"), index),
            (text("get allowipv6"), index),
            (text("get allowipv6 x"), no_get),
            (text("get j bogus"), no_get),
            (text("get j idle"), no_get),
            (text("get j action a"), index),
            (text("get j actionproperties"), index),
            (
                text("reload"),
                "TypeError(\"Server.reloadJails() missing 2 required positional arguments: 'name' and 'opts'\")",
            ),
            (
                text("reload --all"),
                "TypeError(\"Server.reloadJails() missing 1 required positional argument: 'opts'\")",
            ),
            (text("reload --all x"), index),
            (list(vec![]), index),
            (Value::Tuple(vec![]), "IndexError('tuple index out of range')"),
            ("".into(), "IndexError('string index out of range')"),
            ("ping".into(), invalid),
            (Value::Bytes(b"ping".into()), invalid),
            (Value::Dict(vec![]), "KeyError(0)"),
            (5.into(), "TypeError(\"'int' object is not subscriptable\")"),
            (
                Value::None,
                "TypeError(\"'NoneType' object is not subscriptable\")",
            ),
            (
                Value::Set(vec![]),
                "TypeError(\"'set' object is not subscriptable\")",
            ),
            (list(vec![1.into()]), invalid),
            (list(vec![list(vec!["ping".into()])]), invalid),
            (list(vec!["status".into(), 5.into()]), "UnknownJailException(5)"),
            (
                list(vec!["status".into(), list(vec![])]),
                "TypeError(\"unhashable type: 'list'\")",
            ),
            (
                list(vec!["add".into(), 5.into()]),
                "TypeError(\"object of type 'int' has no len()\")",
            ),
            (
                list(vec!["server-stream".into(), list(vec!["ping".into()])]),
                invalid,
            ),
            (
                list(vec![
                    "server-stream".into(),
                    list(vec![text("ping"), text("set j bogus 1")]),
                ]),
                no_set,
            ),
            (
                list(vec!["server-stream".into(), 5.into()]),
                "TypeError(\"'int' object is not iterable\")",
            ),
        ];
        for (value, expected) in cases {
            let found = Command::from_value(&value).map_err(|failure| failure.repr());
            assert_eq!(found, Err(expected.to_owned()), "{}", value.repr());
        }
    }

    fn command() -> impl Strategy<Value = Command> {
        let name = || {
            "[a-z0-9-]{1,8}".prop_filter("reserved", |name| {
                name != "--all"
                    && !super::SERVER_OPTIONS.contains(&name.as_str())
                    && name != super::ALLOW_IPV6
            })
        };
        let value = || {
            prop_oneof![
                any::<String>().prop_map(Value::Str),
                any::<i64>().prop_map(Value::Int),
                any::<bool>().prop_map(Value::Bool),
                proptest::collection::vec("[a-z]{0,3}", 0..3).prop_map(Value::from),
            ]
        };
        let texts = || proptest::collection::vec("[a-z0-9.:]{1,12}", 1..4);
        let flavor = || proptest::option::of("[a-z]{1,6}");
        let plain = prop_oneof![
            prop_oneof![
                Just(Command::Ping),
                Just(Command::Version),
                Just(Command::ServerStatus),
                Just(Command::FlushLogs),
                Just(Command::Sources),
                Just(Command::Limits),
                Just(Command::Statistics),
                Just(Command::UnbanAll),
                Just(Command::Stop),
                Just(Command::StopJails),
                Just(Command::Status {
                    all: false,
                    flavor: None
                }),
                proptest::collection::vec(value(), 0..3).prop_map(Command::Echo),
                (0..9_i64).prop_map(|seconds| Command::Sleep(seconds.into())),
                any::<String>().prop_map(Command::ConfigError),
                flavor().prop_map(|flavor| Command::Status { all: true, flavor }),
                (name(), flavor()).prop_map(|(jail, flavor)| Command::JailStatus { jail, flavor }),
            ],
            texts().prop_map(Command::Banned),
            texts().prop_map(Command::Unban),
            name().prop_map(Command::StopJail),
            name().prop_map(Command::Start),
            proptest::option::of(name()).prop_map(Command::Tail),
            (name(), "[a-z]{1,8}").prop_map(|(jail, backend)| Command::Add { jail, backend }),
            (prop::sample::select(super::SERVER_OPTIONS.to_vec()), value()).prop_map(|(option, value)| {
                Command::Set {
                    option: option.to_owned(),
                    value,
                }
            }),
            prop::sample::select(super::SERVER_OPTIONS.to_vec())
                .prop_map(|option| Command::Get(option.to_owned())),
            (
                name(),
                prop::sample::select(vec!["findtime", "bantime.factor", "addignoreip"]),
                value()
            )
                .prop_map(|(jail, property, value)| Command::SetJail {
                    jail,
                    property: property.to_owned(),
                    arguments: vec![value],
                    multi: false
                }),
            (
                name(),
                prop::sample::select(vec!["addfailregex", "action"]),
                value(),
                any::<bool>()
            )
                .prop_map(|(jail, property, value, multi)| Command::SetJail {
                    jail,
                    property: property.to_owned(),
                    arguments: vec!["a".into(), value],
                    multi
                }),
            (name(), value()).prop_map(|(jail, value)| Command::GetJail {
                jail,
                property: "banip".to_owned(),
                arguments: vec![value]
            }),
        ];
        plain.prop_recursive(2, 12, 4, move |inner| {
            let stream = || proptest::collection::vec(inner.clone(), 0..4);
            prop_oneof![
                stream().prop_map(Command::ServerStream),
                (
                    proptest::option::of("[a-z]{1,8}"),
                    proptest::collection::vec("--[a-z]{1,8}", 0..3),
                    stream()
                )
                    .prop_map(|(jail, options, stream)| Command::Reload {
                        jail,
                        options,
                        stream
                    }),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_command_survives_the_socket(command in command()) {
            let bytes = crate::pickle::encode(&command.to_value());
            prop_assert_eq!(Command::from_value(&crate::pickle::decode(&bytes).unwrap()), Ok::<_, Failure>(command));
        }
    }
}
