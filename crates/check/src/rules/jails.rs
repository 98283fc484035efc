//! Whole jails: what they lack, what cannot work together, and what the firewall will not take.

use std::collections::BTreeMap;

use stockade_action::services::Services;
use stockade_config::{Content, HOLE, InspectedAction, InspectedJail, Kind, Text, nearest};
use stockade_protocol::Value;

use super::values::seconds;
use crate::context::Context;
use crate::suggest::did_you_mean;
use crate::{Code, Diagnostic, Place};

/// The longest name of a chain of iptables.
const CHAIN: usize = 28;
/// The longest name of a set of ipset.
const SET: usize = 31;

pub(crate) fn apply(context: &mut Context<'_>) {
    let services = match context.files.read("/etc/services") {
        Content::Bytes(bytes) => Some(Services::parse(&String::from_utf8_lossy(&bytes))),
        Content::Missing | Content::Unreadable(_) => None,
    };
    for jail in context.enabled() {
        parts(context, jail);
        logs(context, jail);
        sources(context, jail);
        command(context, jail);
        piped(context, jail);
        reported(context, jail);
        listened(context, jail);
        increment(context, jail);
        counting(context, jail);
        names(context, jail);
        for action in &jail.actions {
            long_name(context, action);
            if let Some(services) = &services {
                ports(context, action, services);
            }
        }
    }
    overlapping(context);
}

fn header(jail: &InspectedJail) -> Option<Place> {
    let at = jail.at.as_ref()?;
    Some(Place::at(at, jail.name.chars().count() + 2))
}

fn is_on(jail: &InspectedJail, option: &str) -> bool {
    jail.option(option)
        .is_some_and(|text| *text.value() == Value::Bool(true))
}

/// The place of an option's value, or the jail where it has none.
fn value_place(jail: &InspectedJail, text: &Text) -> Option<Place> {
    let value = text.as_str().unwrap_or_default();
    match text.written() {
        Some(option) if value.is_empty() || text.as_str().is_none() => Some(Place::value(option)),
        Some(_) => Place::of(text, 0, value.lines().next().map_or(0, str::len)),
        None => header(jail),
    }
}

/// An enabled jail without a filter or an action.
fn parts(context: &mut Context<'_>, jail: &InspectedJail) {
    let Some(place) = header(jail) else { return };
    let is_empty = |option: &str| {
        jail.option(option)
            .is_none_or(|text| text.as_str().is_none_or(|text| text.trim().is_empty()))
    };
    if is_empty("filter") && is_empty("failregex") && !is_on(jail, "reports") {
        context.report(
            Diagnostic::new(
                Code::NoFilter,
                place.clone(),
                format!(
                    "the jail [{}] is enabled and has no filter, so it never matches",
                    jail.name
                ),
            )
            .help("write `filter = NAME`, for a file of filter.d"),
        );
    }
    if is_empty("action") {
        context.report(
            Diagnostic::new(
                Code::NoAction,
                place,
                format!(
                    "the jail [{}] is enabled and has no action, so it bans nobody",
                    jail.name
                ),
            )
            .help("write `action = NAME`, for a file of action.d, or `%(action_)s`"),
        );
    }
}

/// A jail without anything to read.
fn logs(context: &mut Context<'_>, jail: &InspectedJail) {
    let backend = jail.option("backend").and_then(Text::as_str).unwrap_or_default();
    if ["systemd", "syslog"]
        .iter()
        .any(|name| backend.to_lowercase().starts_with(name))
    {
        return;
    }
    let switches = backend.starts_with("auto")
        && is_on(jail, "systemd_if_nologs")
        && jail.option("journalmatch").is_some();
    if is_on(jail, "reports") && jail.logs.is_empty() {
        return;
    }
    let Some(text) = jail.option("logpath") else {
        // A value that could not be read has been reported.
        let is_reported = |place: &Place| {
            context.has(Code::UnknownFilter, place)
                || context.is_written("jail", &[&jail.name, "DEFAULT"], "logpath")
        };
        if let Some(place) = header(jail).filter(|place| !is_reported(place)) {
            context.report(
                Diagnostic::new(
                    Code::NoLog,
                    place,
                    format!("the jail [{}] has no logpath, so it never sees a line", jail.name),
                )
                .help("write `logpath = /var/log/…`, or `backend = systemd` for the journal"),
            );
        }
        return;
    };
    if switches
        || is_on(jail, "skip_if_nologs")
        || jail
            .logs
            .iter()
            .any(|log| log.exists || log.pattern.contains(HOLE))
    {
        return;
    }
    let Some(log) = jail.logs.first() else {
        if let Some(place) = value_place(jail, text) {
            context.report(
                Diagnostic::new(
                    Code::NoLog,
                    place,
                    format!("the logpath of [{}] is empty, so it never sees a line", jail.name),
                )
                .help("write `logpath = /var/log/…`, or `backend = systemd` for the journal"),
            );
        }
        return;
    };
    // A line with a wrong position has been reported, and is no path.
    if !["head", "tail"].contains(&log.position.as_str()) {
        return;
    }
    let Some(place) = Place::of(text, log.byte, log.pattern.len()) else {
        return;
    };
    if context.has(Code::CommentInValue, &place) || context.has(Code::QuotedValue, &place) {
        return;
    }
    let directory = log
        .pattern
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory);
    let name = log.pattern.rsplit('/').next().unwrap_or_default();
    let siblings = context.files.names(directory);
    let is_shell = log.pattern.starts_with('~') || log.pattern.contains(['{', '$']);
    let help = nearest(name, siblings.iter().map(String::as_str)).map_or_else(
        || {
            if is_shell {
                return "patterns have `*`, `?` and `[…]`; `~`, `{…}` and `$` mean nothing".to_owned();
            }
            "the daemon waits until there is one; if the program writes to the journal alone, write `backend = systemd`"
                .to_owned()
        },
        |meant| format!("did you mean `{directory}/{meant}`?"),
    );
    let message = if jail.logs.len() == 1 {
        format!("there is no log file {}", log.pattern)
    } else {
        format!("none of the {} log files of this value exists", jail.logs.len())
    };
    let mut diagnostic = Diagnostic::new(Code::MissingLog, place, message).help(help);
    if let Some(option) = text
        .written()
        .filter(|option| option.at().file.as_ref() != diagnostic.place.file)
    {
        diagnostic = diagnostic.related(Place::name(option), format!("the jail [{}] reads it", jail.name));
    }
    context.report(diagnostic);
}

/// A `logpath` or a `journalmatch` that the backend has no use for, where the administrator has written it.
fn sources(context: &mut Context<'_>, jail: &InspectedJail) {
    let Some(backend) = jail.option("backend") else {
        return;
    };
    let name = backend.as_str().unwrap_or_default().to_lowercase();
    let (unread, message) = if name.starts_with("systemd") {
        ("logpath", "the backend reads the journal, and no log files")
    } else if name.starts_with("syslog") {
        (
            "logpath",
            "the backend reads messages of syslog, and no log files",
        )
    } else if name.starts_with("polling") || name.starts_with("pyinotify") {
        ("journalmatch", "the backend reads log files, and not the journal")
    } else {
        return;
    };
    let own = jail.option(unread).and_then(Text::written).filter(|option| {
        let is_of_jail = context.section_of(option) == jail.name;
        is_of_jail && super::shadows::is_own(&option.at().file) && !option.text().is_empty()
    });
    let Some(own) = own else { return };
    let mut diagnostic = Diagnostic::new(
        Code::UnreadSource,
        Place::name(own),
        format!("`{unread}` in [{}] is not read: {message}", jail.name),
    )
    .help(if unread == "logpath" {
        "write `backend = auto` into the section, or leave the path out"
    } else {
        "write `backend = systemd` into the section, or leave the match out"
    });
    if let Some(place) = value_place(jail, backend) {
        diagnostic = diagnostic.related(place, "the backend");
    }
    context.report(diagnostic);
}

/// The programs in `logpath` whose output is a log.
fn piped(context: &mut Context<'_>, jail: &InspectedJail) {
    let Some(text) = jail.option("logpath") else {
        return;
    };
    for log in &jail.logs {
        let Some(command) = log.pattern.strip_prefix('|') else {
            continue;
        };
        let program = command.split_whitespace().next().unwrap_or_default();
        let from = log.byte + log.pattern.len() - command.trim_start().len();
        if program.is_empty() {
            if let Some(place) = Place::of(text, log.byte, log.pattern.len()) {
                context.report(
                    Diagnostic::new(Code::MissingCommand, place, "there is no command behind `|`")
                        .help("write `| COMMAND`, whose output is the log"),
                );
            }
        } else if is_missing(context, program)
            && let Some(place) = Place::of(text, from, program.len())
        {
            context.report(
                Diagnostic::new(
                    Code::MissingCommand,
                    place,
                    format!("there is no program {program} whose output could be a log"),
                )
                .help("install the program, or correct the path"),
            );
        }
    }
}

/// A jail that takes reports where there is no socket for them.
fn reported(context: &mut Context<'_>, jail: &InspectedJail) {
    if !is_on(jail, "reports") || has_socket(context, "reportsocket") {
        return;
    }
    let place = jail.option("reports").and_then(|text| value_place(jail, text));
    if let Some(place) = place {
        context.report(
            Diagnostic::new(
                Code::NoSocket,
                place,
                format!(
                    "the jail [{}] takes reports, and there is no socket for them",
                    jail.name
                ),
            )
            .help("write `reportsocket = /run/stockade/report` into fail2ban.local"),
        );
    }
}

/// A jail that reads syslog where there is no socket for it.
fn listened(context: &mut Context<'_>, jail: &InspectedJail) {
    let Some(text) = jail.option("backend") else {
        return;
    };
    let backend = text.as_str().unwrap_or_default();
    if !backend.starts_with("syslog") || has_socket(context, "sysloglisten") {
        return;
    }
    if let Some(place) = value_place(jail, text) {
        context.report(
            Diagnostic::new(
                Code::NoSocket,
                place,
                format!("the jail [{}] reads syslog, and there is no socket for it", jail.name),
            )
            .help("write `sysloglisten = udp:127.0.0.1:514` into fail2ban.local, or what else is to be listened to"),
        );
    }
}

/// Whether `fail2ban.conf` has a socket of this kind.
fn has_socket(context: &Context<'_>, option: &str) -> bool {
    let mut general = context.inspection.general.iter();
    general.any(|(name, text)| {
        let value = text.as_str().unwrap_or_default().trim();
        name == option && !value.is_empty() && !value.eq_ignore_ascii_case("none")
    })
}

/// Whether a word of a command is the path of a program that is not there.
fn is_missing(context: &Context<'_>, program: &str) -> bool {
    let is_path = program.starts_with('/') && !program.contains(['<', '$', '"', '\'', HOLE]);
    is_path && context.files.kind(program) == Kind::Missing
}

/// The program of `ignorecommand`.
fn command(context: &mut Context<'_>, jail: &InspectedJail) {
    let Some(text) = jail.option("ignorecommand") else {
        return;
    };
    let value = text.as_str().unwrap_or_default();
    let program = value.split_whitespace().next().unwrap_or_default();
    if !is_missing(context, program) {
        return;
    }
    let from = value.len() - value.trim_start().len();
    if let Some(place) = Place::of(text, from, program.len()) {
        context.report(
            Diagnostic::new(
                Code::MissingCommand,
                place,
                format!("there is no program {program} to ask who is to be ignored"),
            )
            .help("without it nobody is ignored; remove `ignorecommand`, or install the program"),
        );
    }
}

/// Options of growing bans where bans do not grow.
fn increment(context: &mut Context<'_>, jail: &InspectedJail) {
    if is_on(jail, "bantime.increment") {
        return;
    }
    let is_set = jail
        .option("bantime.increment")
        .is_some_and(|text| text.written().is_some());
    for (name, text) in &jail.options {
        let Some(option) = text.written() else { continue };
        // Where it is switched off on purpose, the others may wait for better days.
        let is_idle =
            name.starts_with("bantime.") && name != "bantime.increment" && !option.text().is_empty();
        if is_idle && !is_set {
            context.report(
                Diagnostic::new(
                    Code::NoIncrement,
                    Place::name(option),
                    format!(
                        "{} counts only with `bantime.increment = true`",
                        context.shown(text, name)
                    ),
                )
                .help("write `bantime.increment = true` beside it"),
            );
        }
    }
}

/// Numbers and times that do not go together.
fn counting(context: &mut Context<'_>, jail: &InspectedJail) {
    if let Some(text) = jail.option("maxretry")
        && matches!(text.value(), Value::Int(..=0))
        && let Some(place) = text.written().map(|option| Place::value(option))
    {
        context.report(
            Diagnostic::new(
                Code::BansAtOnce,
                place,
                format!(
                    "{} below 1 bans at the first failure",
                    context.shown(text, "maxretry")
                ),
            )
            .help("write `maxretry = 1` for that, and `enabled = false` to switch a jail off"),
        );
    }
    if !is_on(jail, "bantime.increment") {
        return;
    }
    let Some(increment) = jail.option("bantime.increment").and_then(Text::written) else {
        return;
    };
    let place = Place::name(increment);
    let bantime = jail.option("bantime");
    if let Some(bantime) = bantime.filter(|text| seconds(text).is_some_and(|seconds| seconds < 0.0)) {
        let mut diagnostic = Diagnostic::new(
            Code::NeverEndingBan,
            place.clone(),
            "bans are permanent, so that `bantime.increment` has nothing to make longer",
        )
        .help("begin with a short time, such as `bantime = 10m`, or remove `bantime.increment`");
        if let Some(option) = bantime.written() {
            diagnostic = diagnostic.related(Place::name(option), "the time of a ban");
        }
        context.report(diagnostic);
        return;
    }
    let general = |name: &str| {
        let options = &context.inspection.general;
        options
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, text)| text)
    };
    if let Some(file) = general("dbfile")
        && file
            .as_str()
            .is_some_and(|file| file.eq_ignore_ascii_case("none"))
    {
        let mut diagnostic = Diagnostic::new(
            Code::NoDatabase,
            place,
            "`bantime.increment` counts earlier bans in the database, and there is none",
        )
        .help("set `dbfile` in fail2ban.local");
        if let Some(option) = file.written() {
            diagnostic = diagnostic.related(Place::name(option), "the database is switched off here");
        }
        context.report(diagnostic);
        return;
    }
    let Some(purge) = general("dbpurgeage") else {
        return;
    };
    let Some(age) = seconds(purge) else { return };
    for name in ["findtime", "bantime"] {
        let Some(text) = jail.option(name) else { continue };
        if !seconds(text).is_some_and(|seconds| seconds > age) {
            continue;
        }
        let mut diagnostic = Diagnostic::new(
            Code::ShortMemory,
            text.written().map_or_else(|| place.clone(), |option| Place::value(option)),
            format!("`{name}` is longer than `dbpurgeage`: earlier bans are forgotten before `bantime.increment` can count them"),
        )
        .help("set `dbpurgeage` in fail2ban.local to more than the longest ban, such as `dbpurgeage = 8w`");
        if let Some(option) = purge.written() {
            diagnostic = diagnostic.related(Place::name(option), "how long bans are remembered");
        }
        context.report(diagnostic);
    }
}

/// Two actions of one name.
fn names(context: &mut Context<'_>, jail: &InspectedJail) {
    for (position, action) in jail.actions.iter().enumerate() {
        let Some(first) = jail
            .actions
            .iter()
            .take(position)
            .find(|first| first.name == action.name)
        else {
            continue;
        };
        let Some(at) = &action.at else { continue };
        let width = |action: &InspectedAction| action.definition.name.chars().count();
        let mut diagnostic = Diagnostic::new(
            Code::DuplicateAction,
            Place::at(at, width(action)),
            format!(
                "the jail [{}] has two actions of the name `{}`",
                jail.name, action.name
            ),
        )
        .help(format!(
            "give one of them a name of its own: `{}[name=%(__name__)s-2]`",
            action.definition.name
        ));
        if let Some(at) = &first.at {
            diagnostic = diagnostic.related(Place::at(at, width(first)), "the first one");
        }
        context.report(diagnostic);
    }
}

/// The firewall tool that an action belongs to, by its name; those of one tool share their chains and sets.
fn tool(action: &InspectedAction) -> Option<&'static str> {
    let name = action.definition.name.as_str();
    // Sets of addresses have names of their own.
    if name.contains("ipset") {
        return Some("ipset");
    }
    ["iptables", "ip6tables", "nftables", "shorewall"]
        .into_iter()
        .find(|tool| name.starts_with(tool))
}

/// The name that goes into a chain or a set.
fn own_name(action: &InspectedAction) -> Option<&str> {
    action.property("name").and_then(Text::as_str)
}

/// Actions of any jail that use one chain.
fn overlapping(context: &mut Context<'_>) {
    let mut known: BTreeMap<(&str, String), (&InspectedJail, &InspectedAction)> = BTreeMap::new();
    for jail in context.enabled() {
        for action in &jail.actions {
            let (Some(tool), Some(name)) = (tool(action), own_name(action)) else {
                continue;
            };
            // The chain itself can be named, too.
            let chain = ["f2b-chain", "iptname", "ipmset", "addr_set", "chain"]
                .iter()
                .map(|property| action.definition.get(property).unwrap_or_default())
                .collect::<Vec<_>>()
                .join("\0");
            let key = (tool, format!("{name}\0{chain}"));
            let Some((first_jail, first)) = known.get(&key) else {
                known.insert(key, (jail, action));
                continue;
            };
            let is_duplicate = first_jail.name == jail.name && first.name == action.name;
            let Some(at) = action.at.as_ref().filter(|_| !is_duplicate) else {
                continue;
            };
            let whose = if first_jail.name == jail.name {
                "another action of this jail".to_owned()
            } else {
                format!("an action of the jail [{}]", first_jail.name)
            };
            let mut diagnostic = Diagnostic::new(
                Code::OverlappingActions,
                Place::at(at, action.definition.name.chars().count()),
                format!(
                    "`{}` in [{}] uses the same chain or set as {whose}: both are named after `{name}`",
                    action.definition.name, jail.name
                ),
            )
            .help("give each a `name` of its own; without the parameter it is that of the jail");
            if let Some(at) = &first.at {
                diagnostic = diagnostic.related(
                    Place::at(at, first.definition.name.chars().count()),
                    "the other one",
                );
            }
            context.report(diagnostic);
        }
    }
}

/// A name that does not fit into a chain or a set.
fn long_name(context: &mut Context<'_>, action: &InspectedAction) {
    let (Some(tool), Some(name)) = (tool(action), own_name(action)) else {
        return;
    };
    let (longest, what) = match tool {
        "iptables" | "ip6tables" => (CHAIN, "a chain of iptables"),
        "ipset" => (SET, "a set of ipset"),
        _ => return,
    };
    let length = "f2b-".len() + name.chars().count();
    let Some(at) = action.at.as_ref().filter(|_| length > longest) else {
        return;
    };
    context.report(
        Diagnostic::new(
            Code::LongName,
            Place::at(at, action.definition.name.chars().count()),
            format!("`f2b-{name}` has {length} characters; {what} may have {longest}"),
        )
        .help(format!(
            "give it a shorter name: `{}[name=…]`",
            action.definition.name
        )),
    );
}

/// Names of ports that the machine does not know.
fn ports(context: &mut Context<'_>, action: &InspectedAction, services: &Services) {
    let Some(text) = action.property("port") else {
        return;
    };
    let value = text.as_str().unwrap_or_default();
    // A tag in it is for the action.
    if value.contains(['<', '$', '{']) {
        return;
    }
    let mut from = 0;
    for word in value.split_inclusive([',', ':', ' ', '\n']) {
        let name = word.trim_end_matches([',', ':', ' ', '\n']);
        let is_number = name.parse::<u16>().is_ok();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !name.is_empty()
            && !name.contains(HOLE)
            && !is_number
            && services.port(name).is_none()
            && let Some(place) = Place::of(text, from, name.len())
            && !context.has(Code::CommentInValue, &place)
            && !context.has(Code::OddQuotes, &place)
            && !context.has(Code::UnclosedQuote, &place)
        {
            const KNOWN: [&str; 15] = [
                "ssh",
                "http",
                "https",
                "smtp",
                "submission",
                "imap",
                "imaps",
                "pop3",
                "pop3s",
                "ftp",
                "sieve",
                "domain",
                "ldap",
                "mysql",
                "telnet",
            ];
            let help = did_you_mean(name, KNOWN);
            let message = if is_name {
                format!("there is no port `{name}` in /etc/services")
            } else {
                format!("`{name}` is no port: they are numbers up to 65535, and names of /etc/services")
            };
            // What an action other than those of the firewall makes of a word is its own affair.
            if tool(action).is_some() || help.is_some() || !is_name {
                context.report(Diagnostic::new(Code::UnknownPort, place, message).maybe_help(help));
            }
        }
        from += word.len();
    }
}
