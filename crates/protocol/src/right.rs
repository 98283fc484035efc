//! Who may say what: the right that each command needs.
//!
//! In: a command. Out: the least [`Right`] of whoever may give it.
//!
//! Invariant: whoever has not every right can have no program run, no file written and no secret read that the
//! administrator has not put into the configuration; so whatever names a command, a pattern or a path needs them all.

use crate::Command;

/// What a client may do; each has what the ones before it have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Nothing.
    Nothing,
    /// Seeing what happens: status, bans, settings that hold no secrets.
    Status,
    /// Banning and unbanning, stopping and resuming, having the log opened anew.
    Operate,
    /// Everything that root may do.
    Everything,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "no right",
            Self::Status => "the right to see the status",
            Self::Operate => "the right to operate",
            Self::Everything => "the rights of root",
        })
    }
}

impl Command {
    /// The right that it needs.
    #[must_use]
    pub fn right(&self) -> Right {
        match self {
            Self::Ping
            | Self::Version
            | Self::Echo(_)
            | Self::Sleep(_)
            | Self::ServerStatus
            | Self::Status { .. }
            | Self::JailStatus { .. }
            | Self::Sources
            | Self::Limits
            | Self::Statistics
            | Self::Banned(_)
            | Self::Get(_)
            | Self::Tail(_) => Right::Status,
            Self::GetJail { property, .. } => right_to_get(property),
            Self::FlushLogs
            | Self::UnbanAll
            | Self::Unban(_)
            | Self::Stop
            | Self::StopJails
            | Self::StopJail(_)
            | Self::Start(_) => Right::Operate,
            Self::Set { option, .. } => right_to_set_of_server(option),
            Self::SetJail { property, .. } => right_to_set(property),
            // What comes along is the configuration, with all its commands, as the client says that it is.
            Self::Reload { .. } | Self::ServerStream(_) => Right::Everything,
            Self::ConfigError(_) | Self::Add { .. } => Right::Everything,
        }
    }
}

/// The properties of an action are where passwords and tokens stand.
fn right_to_get(property: &str) -> Right {
    match property {
        "action" | "actionproperties" | "actionmethods" | "ignorecommand" => Right::Everything,
        _ => Right::Status,
    }
}

fn right_to_set_of_server(option: &str) -> Right {
    match option {
        "loglevel" => Right::Operate,
        _ => Right::Everything,
    }
}

/// What is not known to be harmless is not.
fn right_to_set(property: &str) -> Right {
    match property {
        "banip" | "ban" | "unbanip" | "attempt" | "idle" => Right::Operate,
        _ => Right::Everything,
    }
}

#[cfg(test)]
mod tests {
    use super::Right;
    use crate::{Command, Value};

    #[test]
    fn each_command_needs_its_right() {
        for (right, commands) in [
            (
                Right::Status,
                "ping; version; echo x; sleep 0; server-status; status; limits; sources; status --all; status j; stats; banned; tail; \
                 banned 192.0.2.1; get loglevel; get dbfile; get rights; get j banip; get j bantime; get j actions; \
                 get j failregex; get j logpath; get j verify; get j ignoreip",
            ),
            (
                Right::Operate,
                "unban --all; unban 192.0.2.1; stop; stop j; stop --all; start j; flushlogs; set loglevel INFO; \
                 set j banip 192.0.2.1; set j unbanip 192.0.2.1; set j attempt 192.0.2.1; set j idle on; \
                 set j ban x 192.0.2.1",
            ),
            (
                Right::Everything,
                "add j; set logtarget STDERR; set dbfile x; set syslogsocket x; set confine no; set native no; \
                 set statusgroup x; set operategroup x; set j action a actionban x; set j addaction a; \
                 set j delaction a; set j ignorecommand x; set j addlogpath /x; set j dellogpath /x; \
                 set j addfailregex x; set j addignoreip 192.0.2.1; set j bantime 1; set j bantime.formula x; \
                 set j usedns yes; get j action a actionban; get j actionproperties a; get j actionmethods a; \
                 get j ignorecommand; config-error x",
            ),
        ] {
            for text in commands.split("; ") {
                let words = Value::list(text.split_whitespace());
                let command = Command::from_value(&words).expect(text);
                assert_eq!(command.right(), right, "{text}");
            }
        }
        let stream = Value::List(vec!["server-stream".into(), Value::List(Vec::new())]);
        let reload = Value::List(vec![
            "reload".into(),
            "--all".into(),
            Value::List(Vec::new()),
            Value::List(Vec::new()),
        ]);
        for value in [stream, reload] {
            let command = Command::from_value(&value).expect("a command");
            assert_eq!(command.right(), Right::Everything, "{value:?}");
        }
    }
}
