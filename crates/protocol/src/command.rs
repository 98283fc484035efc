//! What the daemon can be told.

use crate::Value;

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
    /// `set JAIL PROPERTY ARGUMENT…`, and `multi-set`, which takes lists where `set` takes one value.
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
