//! `stockade status`, `jail` and `reload`.
//!
//! In: the name of a jail and of what is to be seen or changed. Out: tables, or JSON for programs.

use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};
use stockade_config::{Mode, Overrides, Switch};
use stockade_protocol::command::STRUCTURE;
use stockade_protocol::text::render;
use stockade_protocol::{Command, Value};

use super::client::{Client, Place, Trouble, reader};
use super::limits::limits;
use super::rights::rights;
use super::sources::sources;
use super::table::Table;
use crate::files::ConfigurationFiles;
use crate::json;
use crate::session::reload_request;
use crate::terminal::{self, print};

/// What of a jail can be seen, in the order in which it is shown.
const PROPERTIES: [&str; 26] = [
    "maxretry",
    "findtime",
    "bantime",
    "bantime.increment",
    "bantime.factor",
    "bantime.formula",
    "bantime.multipliers",
    "bantime.maxtime",
    "bantime.rndtime",
    "bantime.overalljails",
    "maxmatches",
    "ignoreself",
    "ignoreip",
    "ignorecommand",
    "ignorecache",
    "usedns",
    "logpath",
    "logencoding",
    "logtimezone",
    "journalmatch",
    "datepattern",
    "maxlines",
    "prefregex",
    "failregex",
    "ignoreregex",
    "actions",
];

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    place: Place,
    /// The jail to show
    jail: Option<String>,
    /// Show each file, pattern and journal that is read: whether it can be, how far behind that is, how many lines came
    #[arg(long)]
    sources: bool,
    /// Show how full everything is that has a limit, how often that was reached, and what happens then
    #[arg(long, conflicts_with = "sources")]
    limits: bool,
    /// Show what the daemon has given up of its rights, and have it try; exits with 1 where anything is not refused
    #[arg(long, conflicts_with_all = ["jail", "sources", "limits"])]
    rights: bool,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Jail {
    #[command(subcommand)]
    action: JailAction,
}

#[derive(Debug, Subcommand)]
enum JailAction {
    /// Lists the jails with what they have found and banned, or all that the configuration knows
    List(List),
    /// Shows what a jail is made of, as it is at work now
    Show(Show),
    /// Changes a jail until the next reload
    Set(Set),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    place: Place,
    /// List all jails that the configuration knows, which would be on, and what there is for each on this machine;
    /// no daemon is asked
    #[arg(long)]
    available: bool,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    place: Place,
    /// The jail
    jail: String,
    /// One property alone, such as maxretry
    property: Option<String>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Set {
    #[command(flatten)]
    place: Place,
    /// The jail
    jail: String,
    /// The property, such as maxretry or addignoreip
    property: String,
    /// Its value
    #[arg(required = true, allow_negative_numbers = true)]
    value: Vec<String>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Reload {
    #[command(flatten)]
    place: Place,
    /// Reload this jail alone
    jail: Option<String>,
    /// Stop and start the jails instead of changing only what differs
    #[arg(long)]
    restart: bool,
    /// Lift all bans first
    #[arg(long)]
    unban: bool,
    /// It is no mistake if there is no such jail
    #[arg(long)]
    if_exists: bool,
}

pub(super) fn status(status: &Status) -> Result<bool, Trouble> {
    if status.rights {
        return rights(&status.place, status.json);
    }
    show_status(status).map(|()| true)
}

fn show_status(status: &Status) -> Result<(), Trouble> {
    if status.sources {
        return sources(&status.place, status.jail.as_deref(), status.json);
    }
    if status.limits {
        return limits(&status.place, status.jail.as_deref(), status.json);
    }
    let command = match (&status.jail, status.json) {
        (Some(jail), _) => Command::JailStatus {
            jail: jail.clone(),
            flavor: None,
        },
        (None, all) => Command::Status { all, flavor: None },
    };
    let mut client = Client::connect(&status.place)?;
    let value = client.ask(&command)?;
    let standings = match &status.jail {
        Some(jail) => client.standings(jail)?,
        None => Vec::new(),
    };
    if status.json {
        let mut status = json::convert(&value);
        if let (Json::Object(status), false) = (&mut status, standings.is_empty()) {
            let states = standings.iter().map(|of| {
                let counts = json!({ "failed": of.failed, "pending": of.pending });
                (of.action.clone(), counts)
            });
            status.insert("states".to_owned(), Json::Object(states.collect()));
        }
        print(&format!("{status:#}"));
        return Ok(());
    }
    show(&command, value);
    for of in standings {
        if let Some(summary) = of.summary() {
            print(&format!(
                "Action {}: {summary}; `stockade banned` says which",
                of.action
            ));
        }
    }
    Ok(())
}

/// Prints an answer as the compatible client does.
fn show(command: &Command, value: Value) {
    let words = command.to_value();
    print(&render(words.items().unwrap_or_default(), &Ok(value), terminal::charset()).stdout);
}

pub(super) fn jail(jail: &Jail) -> Result<(), Trouble> {
    match &jail.action {
        JailAction::List(list) => self::list(list),
        JailAction::Show(show) => show_jail(show),
        JailAction::Set(set) => self::set(set),
    }
}

fn list(list: &List) -> Result<(), Trouble> {
    if list.available {
        return available(list);
    }
    let mut client = Client::connect(&list.place)?;
    let jails = client.jails()?;
    let mut rows = Vec::new();
    for jail in jails {
        let status = client.ask(&Command::JailStatus {
            jail: jail.clone(),
            flavor: None,
        })?;
        rows.push((jail, json::convert(&status)));
    }
    if list.json {
        let jails: Vec<Json> = rows
            .into_iter()
            .map(|(jail, status)| json!({ "jail": jail, "filter": status.get("filter"), "actions": status.get("actions") }))
            .collect();
        print(&format!("{:#}", json!(jails)));
        return Ok(());
    }
    if rows.is_empty() {
        print("There is no jail.");
        return Ok(());
    }
    let mut table = Table::new(["JAIL", "FAILING", "FAILED", "BANNED", "BANS"]);
    for (jail, status) in rows {
        let number = |pointer: &str| status.pointer(pointer).map(Json::to_string).unwrap_or_default();
        table.add([
            jail,
            number("/filter/currently_failed"),
            number("/filter/total_failed"),
            number("/actions/currently_banned"),
            number("/actions/total_banned"),
        ]);
    }
    table.print();
    Ok(())
}

/// All jails of the configuration, without a daemon.
fn available(list: &List) -> Result<(), Trouble> {
    let directory = list.place.directory.as_deref();
    let files = ConfigurationFiles::new(directory);
    let reader = reader(&files, directory);
    let jails = reader
        .available()
        .map_err(|error| Trouble::Configuration(Box::new(error)))?;
    if list.json {
        let jails: Vec<Json> = jails
            .iter()
            .map(|jail| {
                let enabled = match jail.switch {
                    Switch::On => json!(true),
                    Switch::Off => json!(false),
                    Switch::Auto => json!("auto"),
                };
                json!({ "jail": jail.jail, "enabled": enabled, "on": jail.is_on(), "found": jail.found })
            })
            .collect();
        print(&format!("{:#}", json!(jails)));
        return Ok(());
    }
    let mut table = Table::new(["JAIL", "ON", "FOUND"]);
    for jail in jails {
        let on = match (jail.switch, jail.is_on()) {
            (Switch::Auto, true) => "by itself",
            (Switch::On, _) => "yes",
            (Switch::Off | Switch::Auto, _) => "no",
        };
        table.add([
            jail.jail,
            on.to_owned(),
            jail.found.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.print();
    Ok(())
}

fn show_jail(show: &Show) -> Result<(), Trouble> {
    let mut client = Client::connect(&show.place)?;
    let get = |property: &str| Command::GetJail {
        jail: show.jail.clone(),
        property: property.to_owned(),
        arguments: Vec::new(),
    };
    if let Some(property) = &show.property {
        let command = get(property);
        let value = client.ask(&command)?;
        if show.json {
            print(&format!("{:#}", json::convert(&value)));
        } else {
            self::show(&command, value);
        }
        return Ok(());
    }
    let mut properties = Vec::new();
    for property in PROPERTIES {
        properties.push((property, client.ask(&get(property))?));
    }
    // Most jails have none of these, and fail2ban knows none of them.
    for property in STRUCTURE {
        if let Ok(value) = client.ask(&get(property))
            && value.is_true()
        {
            properties.push((property, value));
        }
    }
    if show.json {
        let object: Map<String, Json> = properties
            .iter()
            .map(|(property, value)| ((*property).to_owned(), json::convert(value)))
            .collect();
        print(&format!("{:#}", Json::Object(object)));
        return Ok(());
    }
    let mut table = Table::new(["PROPERTY", "VALUE"]);
    for (property, value) in properties {
        let entries: Vec<String> = match &value {
            Value::None => vec!["-".to_owned()],
            Value::List(items) | Value::Tuple(items) | Value::Set(items) if items.is_empty() => {
                vec!["-".to_owned()]
            }
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
                items.iter().map(Value::text).collect()
            }
            Value::Bool(_)
            | Value::Int(_)
            | Value::BigInt(_)
            | Value::Float(_)
            | Value::Str(_)
            | Value::Bytes(_)
            | Value::Dict(_)
            | Value::Exception(_) => vec![value.text()],
        };
        let names = [property].into_iter().chain(std::iter::repeat(""));
        for (name, entry) in names.zip(entries) {
            table.add([name.to_owned(), entry]);
        }
    }
    table.print();
    Ok(())
}

fn set(set: &Set) -> Result<(), Trouble> {
    let command = Command::SetJail {
        jail: set.jail.clone(),
        property: set.property.clone(),
        arguments: set.value.iter().map(Value::from).collect(),
        multi: false,
    };
    let value = Client::connect(&set.place)?.ask(&command)?;
    if set.json {
        print(&format!("{:#}", json::convert(&value)));
    } else {
        show(&command, value);
    }
    Ok(())
}

pub(super) fn reload(reload: &Reload) -> Result<(), Trouble> {
    let mut client = Client::connect(&reload.place)?;
    let log = terminal::log(1);
    let files = ConfigurationFiles::new(reload.place.directory.as_deref());
    let reader = reader(&files, reload.place.directory.as_deref());
    let overrides = Overrides {
        socket: reload.place.socket.clone(),
        ..Overrides::default()
    };
    let early = reader.early(&overrides);
    terminal::report(&log, &reader.take_log());
    let early = early.map_err(|error| Trouble::Configuration(Box::new(error)))?;
    let stream = reader.read(&early, Mode::Start, reload.jail.as_deref());
    terminal::report(&log, &stream.log);
    if !stream.is_usable() {
        return Err(Trouble::NotUsable);
    }
    let options = [
        ("--restart", reload.restart),
        ("--unban", reload.unban),
        ("--if-exists", reload.if_exists),
    ];
    let options = options.into_iter().filter(|(_, is_set)| *is_set);
    let options = options.map(|(option, _)| option.to_owned()).collect();
    let automatic = stream.automatic.clone();
    let (words, places) = reload_request(reload.jail.as_deref(), options, stream);
    let answer = client.connection.ask_with_places(words.clone(), places);
    client.answered(&words, answer).map_err(|trouble| {
        if let Trouble::Refused(why) = &trouble {
            let remedy = "`stockade check` says what is wrong with the configuration, and where.";
            return Trouble::Refused(format!("{why}\n  {remedy}"));
        }
        trouble
    })?;
    for (jail, thing) in automatic {
        print(&format!("[{jail}] is on by itself, for there is {thing}"));
    }
    print(&match &reload.jail {
        Some(jail) => format!("{jail} is as it is configured."),
        None => "All jails are as they are configured.".to_owned(),
    });
    Ok(())
}
