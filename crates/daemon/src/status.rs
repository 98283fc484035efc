//! What the daemon says about itself and its jails: the values behind `status`, `stats` and `banned`.

use jiff::tz::TimeZone;
use stockade_datetime::Timestamp;
use stockade_filter::Id;
use stockade_jail::Jail;
use stockade_protocol::{Reply, Value};

use crate::jails::Jails;
use crate::log::Level;
use crate::source::SYSLOG;
use crate::world::{Sources, World};
use crate::zone::local_zone;

/// The flavors of a jail's status.
const FLAVORS: [&str; 4] = ["short", "basic", "stats", "cymru"];

/// `status [--all [FLAVOR]]`.
pub(crate) fn server(
    jails: &Jails,
    drafts: &[&str],
    world: &impl World,
    all: bool,
    flavor: Option<&str>,
) -> Value {
    if all && flavor == Some("stats") {
        return statistics(jails, drafts, world);
    }
    let names = sorted(jails, drafts);
    let mut parts = vec![
        Value::pair("Number of jail", Value::from(names.len())),
        Value::pair("Jail list", names.join(", ")),
    ];
    if all {
        let each = names.iter().map(|name| {
            let flavor = flavor.unwrap_or("basic");
            let status = match jails.jail(name) {
                Ok(jail) => one((jail, &jails.limits_reached(name)), world, name, flavor),
                Err(_) => draft(flavor),
            };
            (Value::from(*name), status)
        });
        parts.push(Value::Dict(each.collect()));
    }
    Value::List(parts)
}

/// `status JAIL [FLAVOR]`.
///
/// # Errors
/// Where there is no such jail.
pub(crate) fn jail(jails: &Jails, world: &mut impl World, name: &str, flavor: Option<&str>) -> Reply {
    let jail = jails.jail(name)?;
    let flavor = flavor.unwrap_or("basic");
    if !FLAVORS.contains(&flavor) {
        let supported = Value::list(FLAVORS).repr();
        world.log(
            Level::WARNING,
            "fail2ban.jail",
            format_args!("Unsupported extended jail status flavor '{flavor}'. Supported: {supported}"),
        );
    }
    Ok(one((jail, &jails.limits_reached(name)), world, name, flavor))
}

/// `stats`: backend and counts of each jail.
pub(crate) fn statistics(jails: &Jails, drafts: &[&str], world: &impl World) -> Value {
    let each = sorted(jails, drafts).into_iter().map(|name| {
        let status = match jails.jail(name) {
            Ok(jail) => one((jail, &[]), world, name, "stats"),
            Err(_) => draft("stats"),
        };
        (Value::from(name), status)
    });
    Value::Dict(each.collect())
}

/// `banned [ID…]`: what each jail has banned, or which jails have banned each id.
pub(crate) fn banned(jails: &Jails, drafts: &[&str], ids: &[String]) -> Value {
    let each = || {
        jails
            .names()
            .filter_map(|name| Some((name, jails.jail(name).ok()?)))
    };
    if ids.is_empty() {
        let lists = each().map(|(name, jail)| {
            let ids = Value::list(jail.bans().map(|ban| ban.id.to_string()));
            Value::Dict(vec![(name.into(), ids)])
        });
        let none = |name: &&str| Value::Dict(vec![((*name).into(), Value::List(Vec::new()))]);
        let lists = lists.chain(drafts.iter().map(none));
        return Value::List(lists.collect());
    }
    let lists = ids.iter().map(|id| {
        let id = Id::parse(id);
        Value::list(
            each()
                .filter(|(_, jail)| jail.is_banned(&id))
                .map(|(name, _)| name),
        )
    });
    Value::List(lists.collect())
}

/// `get JAIL banip [SEPARATOR|--with-time]` and `get JAIL banned [ID…]`.
///
/// # Errors
/// None but those of future properties.
pub(crate) fn bans(jail: &Jail, property: &str, arguments: &[Value]) -> Reply {
    let words: Vec<String> = arguments.iter().map(Value::text).collect();
    if property == "banip" {
        let with_time = words.first().is_some_and(|word| word == "--with-time");
        let zone = local_zone();
        let shown = jail.bans_by_end().into_iter().map(|ban| {
            if with_time {
                let (start, end) = (local_time(&zone, ban.time), local_time(&zone, ban.end));
                format!("{} \t{start} + {} = {end}", ban.id, ban.bantime.seconds())
            } else {
                ban.id.to_string()
            }
        });
        return Ok(Value::list(shown));
    }
    let has = |word: &String| Value::Int(i64::from(jail.is_banned(&Id::parse(word))));
    Ok(match words.as_slice() {
        [] => Value::list(jail.bans().map(|ban| ban.id.to_string())),
        [one] => has(one),
        several => Value::List(several.iter().map(has).collect()),
    })
}

/// The logs that a jail follows.
pub(crate) fn logs(world: &impl World, name: &str) -> Value {
    match world.sources(name) {
        Sources::Files(SYSLOG, _) | Sources::Journal(_) => Value::List(Vec::new()),
        Sources::Files(_, paths) => Value::list(paths),
    }
}

/// `YYYY-MM-DD HH:MM:SS` in the local zone; a ban without end has the last second of the last year.
#[must_use]
pub(crate) fn local_time(zone: &TimeZone, time: Timestamp) -> String {
    match jiff::Timestamp::from_second(time.seconds()) {
        Ok(moment) => zone.to_datetime(moment).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "9999-12-31 23:59:59".to_owned(),
    }
}

/// The status of a jail that was added and has not begun: nothing has happened in it.
pub(crate) fn draft(flavor: &str) -> Value {
    let none = || Value::List(Vec::new());
    if flavor == "stats" {
        return Value::List(vec!["polling".into(), Value::pair(0, 0), Value::pair(0, 0)]);
    }
    let filter = vec![
        Value::pair("Currently failed", 0),
        Value::pair("Total failed", 0),
        Value::pair("File list", none()),
    ];
    let mut actions = vec![Value::pair("Currently banned", 0), Value::pair("Total banned", 0)];
    if flavor != "short" {
        actions.push(Value::pair("Banned IP list", none()));
    }
    Value::List(vec![
        Value::pair("Filter", Value::List(filter)),
        Value::pair("Actions", Value::List(actions)),
    ])
}

fn one(
    (jail, reached): (&Jail, &[(&'static str, u64)]),
    world: &impl World,
    name: &str,
    flavor: &str,
) -> Value {
    let counts = jail.status();
    let source = world.sources(name);
    if flavor == "stats" {
        let backend = match &source {
            Sources::Files(backend, _) => *backend,
            Sources::Journal(_) => "systemd",
        };
        return Value::List(vec![
            backend.into(),
            Value::pair(counts.currently_failed, counts.total_failed),
            Value::pair(counts.currently_banned, counts.total_banned),
        ]);
    }
    let mut filter = vec![
        Value::pair("Currently failed", counts.currently_failed),
        Value::pair("Total failed", counts.total_failed),
        match source {
            Sources::Files(_, paths) => Value::pair("File list", Value::list(paths)),
            Sources::Journal(matches) => Value::pair("Journal matches", Value::list([matches])),
        },
    ];
    // What readers of the reference's status know stands before it, and as a rule there is nothing to tell.
    if !reached.is_empty() {
        let reached = reached.iter().map(|(what, count)| format!("{what}: {count}"));
        let reached: Vec<String> = reached.collect();
        filter.push(Value::pair("Limits reached", reached.join(", ")));
    }
    let mut actions = vec![
        Value::pair("Currently banned", counts.currently_banned),
        Value::pair("Total banned", counts.total_banned),
    ];
    if flavor != "short" {
        actions.push(Value::pair(
            "Banned IP list",
            Value::list(jail.bans().map(|ban| ban.id.to_string())),
        ));
    }
    Value::List(vec![
        Value::pair("Filter", Value::List(filter)),
        Value::pair("Actions", Value::List(actions)),
    ])
}

fn sorted<'a>(jails: &'a Jails, drafts: &[&'a str]) -> Vec<&'a str> {
    let mut names: Vec<&str> = jails.names().chain(drafts.iter().copied()).collect();
    names.sort_unstable();
    names
}
