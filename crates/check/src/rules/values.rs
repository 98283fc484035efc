//! Values of one option that cannot be what is meant: numbers, times, truths, and words out of a list.

use std::net::SocketAddr;

use stockade_config::{
    CACHE_PARAMETERS, FALSE, Group, HOLE, InspectedJail, Kind, LEVELS, TARGETS, TRUE, Text, ValueKind,
    Vocabulary, is_level, nearest,
};
use stockade_datetime::{Number, duration};
use stockade_filter::{Address, Encoding, Filter, MAX_MAXLINES, Mode, UseDns};
use stockade_jail::formula::Formula;
use stockade_jail::{FactorError, Increment};
use stockade_protocol::backend::{self, BACKENDS};
use stockade_protocol::{Value, definition};

use crate::context::Context;
use crate::suggest::did_you_mean;
use crate::{Code, Diagnostic, Place, Severity};

/// What a jail has the daemon read before the year of a date is known; any will do.
const YEAR: i16 = 2000;

pub(crate) fn apply(context: &mut Context<'_>) {
    daemon(context);
    for jail in &context.inspection.jails {
        if let Some(text) = jail.option("enabled") {
            truth(context, "enabled", text);
        }
    }
    for jail in context.enabled() {
        one_jail(context, jail);
    }
}

/// Reports what is wrong with a value, where it is written, unless it is a comment that is too much.
fn wrong(context: &mut Context<'_>, code: Code, text: &Text, message: String, help: Option<String>) {
    let Some(option) = text.written() else { return };
    // A part of it could not be read, which has been reported.
    if text.as_str().is_some_and(|text| text.contains(HOLE)) {
        return;
    }
    let place = match text.as_str() {
        Some(value) if !value.trim().is_empty() => {
            let from = value.len() - value.trim_start().len();
            Place::of(text, from, value.trim().len())
        }
        Some(_) | None => None,
    }
    .unwrap_or_else(|| Place::value(option));
    if context.has(Code::CommentInValue, &place) {
        return;
    }
    if context.has(Code::QuotedValue, &place) {
        if code.severity() == Severity::Error {
            context.escalate(Code::QuotedValue, &place);
        }
        return;
    }
    let goes_on = text
        .as_str()
        .or_else(|| written(text))
        .is_some_and(|value| value.trim().contains('\n'));
    let diagnostic = Diagnostic::new(code, place, message).maybe_help(help);
    let diagnostic = if goes_on {
        diagnostic.help("the value goes on in the line below, for that is indented")
    } else {
        diagnostic
    };
    // The value may stand in another option, to which this one refers.
    let diagnostic = if text.place(0).is_some_and(|at| at != *option.at()) {
        diagnostic.related(
            Place::name(option),
            format!("`{}` has it from there", option.name()),
        )
    } else {
        diagnostic
    };
    context.report(diagnostic);
}

/// A value as messages show it.
fn shown(value: &str) -> String {
    if value.trim().is_empty() {
        return "empty".to_owned();
    }
    let line = value.trim_start().lines().next().unwrap_or_default();
    let short: String = line.chars().take(60).collect();
    if short.len() < value.trim_end().len() {
        format!("`{short}…`")
    } else {
        format!("`{short}`")
    }
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    let words = value.split(|c: char| c == ',' || c.is_whitespace());
    words.filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("none"))
}

fn is_network(word: &str) -> bool {
    matches!(Address::parse(word), Ok(Some(_)))
}

/// What is wrong with `udp:ADDRESS:PORT tcp:ADDRESS:PORT unix:PATH[mode=0666]`.
fn syslog_places(value: &str) -> Result<(), String> {
    if value.trim().eq_ignore_ascii_case("none") {
        return Ok(());
    }
    let mut depth = 0_u32;
    let places = value.split(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (c == ',' || c.is_whitespace())
    });
    for place in places.filter(|place| !place.is_empty()) {
        let wrong = || {
            let place = shown(place);
            format!(
                "{place} is none of udp:ADDRESS:PORT, tcp:ADDRESS:PORT and unix:PATH, such as udp:127.0.0.1:514"
            )
        };
        match place.split_once(':') {
            Some(("udp" | "tcp", address)) => {
                address.parse::<SocketAddr>().map_err(|_| wrong())?;
            }
            Some(("unix", path)) => local_socket(path)?,
            Some(_) | None => return Err(wrong()),
        }
    }
    Ok(())
}

/// What is wrong with `PATH`, `PATH[mode=0660, group=NAME]` or `none`.
fn local_socket(value: &str) -> Result<(), String> {
    if value.trim().is_empty() || value.trim().eq_ignore_ascii_case("none") {
        return Ok(());
    }
    let definition = definition::parse(value).map_err(|error| error.to_string())?;
    if !definition.name.starts_with('/') {
        let name = shown(&definition.name);
        return Err(format!(
            "the path of a socket begins with `/`, and {name} does not"
        ));
    }
    for (name, value) in &definition.parameters {
        match name.as_str() {
            "mode" if u32::from_str_radix(value, 8).is_ok_and(|mode| mode <= 0o777) => {}
            "mode" => return Err(format!("`mode` is a number such as 0660, not {}", shown(value))),
            "group" => {}
            _ => return Err(format!("a socket has `mode` and `group`, and no {}", shown(name))),
        }
    }
    Ok(())
}

fn daemon(context: &mut Context<'_>) {
    for (name, text) in &context.inspection.general {
        let value = text.as_str().unwrap_or_default();
        if let Some(option) = Vocabulary::Daemon.entry(name) {
            one_value(context, name, option.kind, text, value);
        }
    }
}

/// What is wrong with a value of some kind.
fn one_value(context: &mut Context<'_>, name: &str, kind: ValueKind, text: &Text, value: &str) {
    match kind {
        ValueKind::Truth | ValueKind::Switch => truth(context, name, text),
        ValueKind::TruthOrAuto => truth_or_auto(context, name, text, value),
        ValueKind::Number => number(context, name, text),
        ValueKind::Time => {
            // What is empty removes a setting of bans that grow.
            if !(name.starts_with("bantime.") && value.is_empty()) {
                let seconds = time(context, name, text);
                no_time(context, name, text, seconds);
            }
        }
        ValueKind::Level => loglevel(context, text, value),
        ValueKind::LogTarget => logtarget(context, text, value),
        ValueKind::SyslogSocket if value != "auto" && !value.starts_with('/') => wrong(
            context,
            Code::BadSyslogsocket,
            text,
            format!("`{name}` must be `auto` or a path, not {}", shown(value)),
            None,
        ),
        ValueKind::LocalSocket => {
            if let Err(why) = local_socket(value) {
                wrong(context, Code::BadSocket, text, format!("`{name}`: {why}"), None);
            }
        }
        ValueKind::Listeners => {
            if let Err(why) = syslog_places(value) {
                wrong(context, Code::BadSocket, text, format!("`{name}`: {why}"), None);
            }
        }
        ValueKind::Networks => {
            if let Some(word) = words(value).find(|word| !is_network(word)) {
                let message = format!("`{name}`: {} is no address and no network", shown(word));
                wrong(context, Code::BadSocket, text, message, None);
            }
        }
        ValueKind::Formula | ValueKind::Factor => formula(context, name, text, value),
        ValueKind::Multipliers => multipliers(context, name, text, value),
        ValueKind::Backend => backend(context, text, value),
        ValueKind::Encoding => encoding(context, text, value),
        ValueKind::Zone => zone(context, text, value),
        ValueKind::Cache => ignorecache(context, text, value),
        ValueKind::Words(_) if name == "usedns" => usedns(context, text, value),
        // The rest is looked at where it is used, or may be anything.
        ValueKind::SyslogSocket
        | ValueKind::Words(_)
        | ValueKind::Users
        | ValueKind::Path
        | ValueKind::Addresses
        | ValueKind::Command
        | ValueKind::Script
        | ValueKind::Logs
        | ValueKind::Filter
        | ValueKind::Actions
        | ValueKind::Pattern
        | ValueKind::Patterns
        | ValueKind::DatePatterns
        | ValueKind::JournalMatch
        | ValueKind::Things
        | ValueKind::Files
        | ValueKind::Rate
        | ValueKind::Word
        | ValueKind::Text => {}
    }
}

fn truth_or_auto(context: &mut Context<'_>, name: &str, text: &Text, value: &str) {
    let mut known = ["auto"].iter().chain(&TRUE).chain(&FALSE);
    if known.any(|word| value.eq_ignore_ascii_case(word)) {
        return;
    }
    let message = format!(
        "`{name}` must be `auto`, `yes` or `no`, not {}; it counts as no",
        shown(value)
    );
    wrong(context, Code::BadTruth, text, message, None);
}

fn loglevel(context: &mut Context<'_>, text: &Text, value: &str) {
    if !is_level(value) {
        let help = did_you_mean(value, LEVELS)
            .unwrap_or_else(|| "the levels are CRITICAL, ERROR, WARNING, NOTICE, INFO and DEBUG".to_owned());
        wrong(
            context,
            Code::BadLoglevel,
            text,
            format!("there is no level {}", shown(value)),
            Some(help),
        );
    } else if let Some(meant) = match value {
        "1" => Some("ERROR"),
        "2" => Some("WARNING"),
        "3" => Some("INFO"),
        "4" => Some("DEBUG"),
        _ => None,
    } {
        wrong(
            context,
            Code::Outdated,
            text,
            format!(
                "`{value}` is {meant} as fail2ban 0.8 had it; later versions take the number for a level below DEBUG"
            ),
            Some(format!("write `loglevel = {meant}`")),
        );
    }
}

fn logtarget(context: &mut Context<'_>, text: &Text, value: &str) {
    let name = match definition::parse(value) {
        Ok(definition) => definition.name,
        Err(error) => {
            let message = format!("`logtarget` cannot be read: {error}");
            wrong(context, Code::BadDefinition, text, message, None);
            return;
        }
    };
    let is_known = TARGETS.iter().any(|target| target.eq_ignore_ascii_case(&name));
    let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
    if !directory.is_empty() && context.files.kind(directory) == Kind::Missing {
        let message = format!("there is no directory {directory} for the log");
        wrong(
            context,
            Code::BadLogtarget,
            text,
            message,
            Some("make it, or name another".to_owned()),
        );
    }
    if !is_known && !name.starts_with('/') {
        let help = did_you_mean(&name, TARGETS).unwrap_or_else(|| {
            "it is STDOUT, STDERR, SYSLOG, SYSTEMD-JOURNAL or an absolute path".to_owned()
        });
        let message = format!(
            "{} is no known target, so a file of that name would be written",
            shown(&name)
        );
        wrong(context, Code::BadLogtarget, text, message, Some(help));
    }
}

fn one_jail(context: &mut Context<'_>, jail: &InspectedJail) {
    for (name, text) in &jail.options {
        let value = text.as_str().unwrap_or_default();
        // A word for yes or no is looked at in jails that are not enabled, too.
        if let Some(option) = Vocabulary::Jail.entry(name).filter(|_| name != "enabled") {
            one_value(context, name, option.kind, text, value);
        }
    }
    if let Some(filter) = &jail.filter {
        for (name, text) in &filter.options {
            if let Some(option) = Vocabulary::Filter.entry(name) {
                one_value(
                    context,
                    name,
                    option.kind,
                    text,
                    text.as_str().unwrap_or_default(),
                );
            }
        }
    }
    let is_systemd = jail
        .option("backend")
        .and_then(Text::as_str)
        .is_some_and(|backend| backend.to_lowercase().starts_with("systemd"));
    if is_systemd {
        let of_filter = jail
            .filter
            .iter()
            .filter_map(|filter| filter.option("journalmatch"));
        for text in jail.option("journalmatch").into_iter().chain(of_filter) {
            journalmatch(context, text);
        }
    }
    for action in &jail.actions {
        for option in Vocabulary::Action.entries(Group::Setting) {
            if let Some(text) = action.property(option.name) {
                one_value(
                    context,
                    option.name,
                    option.kind,
                    text,
                    text.as_str().unwrap_or_default(),
                );
            }
        }
    }
    positions(context, jail);
}

/// The value as it is written, where that is not made from others.
fn written(text: &Text) -> Option<&str> {
    let value = text.written()?.text();
    (!value.contains('%')).then_some(value)
}

fn truth(context: &mut Context<'_>, name: &str, text: &Text) {
    let Some(value) = written(text) else { return };
    let lower = value.to_lowercase();
    let is_switch = name == "enabled" && text.value().as_str() == Some("auto");
    if is_switch || TRUE.contains(&lower.as_str()) || FALSE.contains(&lower.as_str()) {
        return;
    }
    let known: &[&str] = match name {
        "enabled" => &["true", "false", "yes", "no", "off", "auto"],
        _ => &["true", "false", "yes", "no", "off"],
    };
    let message = format!(
        "{} must be {}, not {}; it counts as false",
        context.shown(text, name),
        if known.contains(&"auto") {
            "true, false or auto"
        } else {
            "true or false"
        },
        shown(value)
    );
    let help = did_you_mean(&lower, known.iter().copied());
    wrong(context, Code::BadTruth, text, message, help);
}

fn number(context: &mut Context<'_>, name: &str, text: &Text) {
    let value = if *text.value() == Value::None {
        written(text).unwrap_or_default().to_owned()
    } else {
        text.value().text()
    };
    let expected = match text.value().int() {
        Ok(lines) if name == "maxlines" => {
            let most = i64::try_from(MAX_MAXLINES).unwrap_or(i64::MAX);
            if (1..=most).contains(&lines) {
                return;
            }
            format!("a number from 1 to {MAX_MAXLINES}")
        }
        Ok(_) => return,
        Err(_) => "a whole number, such as 5".to_owned(),
    };
    let message = format!(
        "{} must be {expected}, not {}",
        context.shown(text, name),
        shown(&value)
    );
    wrong(context, Code::BadNumber, text, message, None);
}

/// The seconds of a time; what is none is reported.
pub(crate) fn time(context: &mut Context<'_>, name: &str, text: &Text) -> Option<f64> {
    if *text.value() == Value::None {
        return None;
    }
    let value = text.value().text();
    if duration::seconds(&value).is_err() {
        let message = format!(
            "{} must be a time, such as 10m, 1h 30m or 600, not {}",
            context.shown(text, name),
            shown(&value)
        );
        wrong(context, Code::BadTime, text, message, time_help(name, &value));
        return None;
    }
    seconds(text)
}

/// The seconds of a time, if it is one.
#[expect(
    clippy::cast_precision_loss,
    reason = "times are only compared with each other"
)]
pub(crate) fn seconds(text: &Text) -> Option<f64> {
    match duration::seconds(&text.value().text()).ok()? {
        Number::Int(seconds) => Some(seconds as f64),
        Number::Float(seconds) => Some(seconds),
    }
}

fn time_help(name: &str, value: &str) -> Option<String> {
    let words = [
        "forever",
        "permanent",
        "perm",
        "infinite",
        "inf",
        "never",
        "unlimited",
        "always",
    ];
    if words.iter().any(|word| value.trim().eq_ignore_ascii_case(word)) {
        return Some(if name == "bantime" {
            "a ban without end is `bantime = -1`".to_owned()
        } else {
            "write a long time, such as `10y`".to_owned()
        });
    }
    if value.trim().is_empty() {
        return Some("an empty value is no time; remove the line to have the default".to_owned());
    }
    let units = [
        "seconds", "second", "sec", "s", "minutes", "minute", "min", "m", "hours", "hour", "h", "days",
        "day", "d", "weeks", "week", "w", "months", "month", "mo", "years", "year", "y",
    ];
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let unknown = value
        .split(|c: char| !is_letter(c))
        .find(|word| !word.is_empty() && !units.iter().any(|unit| unit.eq_ignore_ascii_case(word)));
    let meant = unknown.and_then(|word| {
        let known = units
            .iter()
            .copied()
            .filter(|unit| unit.len() > 1 || word.starts_with(unit));
        Some((word, nearest(word, known)?))
    });
    Some(match meant {
        Some((word, meant)) => format!("`{word}` is no unit; did you mean `{meant}`?"),
        None => "the units are s, m (minutes), h, d, w, mo (months) and y".to_owned(),
    })
}

/// A time that leaves nothing to do.
fn no_time(context: &mut Context<'_>, name: &str, text: &Text, seconds: Option<f64>) {
    let shown = context.shown(text, name);
    match (name, seconds) {
        ("findtime", Some(seconds)) if seconds <= 0.0 => wrong(
            context,
            Code::NoTime,
            text,
            format!("{shown} is not above zero, so that failures are forgotten before they are counted"),
            Some("write the time within which failures count, such as `findtime = 10m`".to_owned()),
        ),
        ("bantime", Some(0.0)) => wrong(
            context,
            Code::NoTime,
            text,
            format!("{shown} is zero, so that bans end at once"),
            Some("a ban without end is `bantime = -1`".to_owned()),
        ),
        _ => {}
    }
}

/// `bantime.formula`, and the factor, which may be computed as well.
fn formula(context: &mut Context<'_>, name: &str, text: &Text, value: &str) {
    if value.is_empty() {
        return;
    }
    let error = if name == "bantime.formula" {
        Formula::parse(value).err()
    } else {
        match Increment::factor(value) {
            Ok(_) => None,
            Err(FactorError::Formula(error)) => Some(error),
            Err(FactorError::NoValue(error)) => {
                let message = format!("{} has no value: {error}", context.shown(text, name));
                wrong(context, Code::BadFormula, text, message, None);
                return;
            }
        }
    };
    let Some(error) = error else { return };
    let byte = value
        .char_indices()
        .nth(error.at.saturating_sub(1))
        .map_or_else(|| value.len().saturating_sub(1), |(byte, _)| byte);
    let Some(place) = Place::of(text, byte, 1) else {
        return;
    };
    if context.has(Code::CommentInValue, &place) || context.has(Code::QuotedValue, &place) {
        return;
    }
    let help = if name == "bantime.formula" {
        "it computes with `ban.Time`, `ban.Count` and `banFactor`: `ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor`"
    } else {
        "write a number, such as 1.5"
    };
    let message = format!("{} cannot be computed: {}", context.shown(text, name), error.what);
    context.report(Diagnostic::new(Code::BadFormula, place, message).help(help));
}

fn multipliers(context: &mut Context<'_>, name: &str, text: &Text, value: &str) {
    if value.is_empty() {
        return;
    }
    let Some(bad) = value.trim().split(' ').find(|word| word.parse::<i64>().is_err()) else {
        return;
    };
    let help = if bad.is_empty() {
        "there are two blanks where one must stand"
    } else if value.contains(',') {
        "the numbers are separated by single blanks, not by commas"
    } else {
        "the numbers are whole, and separated by single blanks"
    };
    let message = format!(
        "{} must be whole numbers, such as `1 2 4 8`, not {}",
        context.shown(text, name),
        shown(value)
    );
    wrong(
        context,
        Code::BadMultipliers,
        text,
        message,
        Some(help.to_owned()),
    );
}

fn backend(context: &mut Context<'_>, text: &Text, value: &str) {
    let definition = match definition::parse(value) {
        Ok(definition) => definition,
        Err(error) => {
            let message = format!("{} cannot be read: {error}", context.shown(text, "backend"));
            wrong(context, Code::BadDefinition, text, message, None);
            return;
        }
    };
    let (name, lower) = (&definition.name, definition.name.to_lowercase());
    let known = backend::parameters(&lower);
    let mut parameters = definition.parameters.iter();
    if lower == "gamin" {
        wrong(
            context,
            Code::Outdated,
            text,
            "the backend `gamin` is gone since fail2ban 1.1".to_owned(),
            Some("write `backend = auto`".to_owned()),
        );
    } else if !BACKENDS.contains(&lower.as_str()) {
        let help = match lower.as_str() {
            "journal" | "journald" => Some("did you mean `systemd`?".to_owned()),
            "inotify" => Some("did you mean `pyinotify`?".to_owned()),
            _ => did_you_mean(&lower, BACKENDS),
        };
        let help = help.unwrap_or_else(|| format!("the backends are {}", BACKENDS.join(", ")));
        let message = format!("there is no backend {}", shown(name));
        wrong(context, Code::BadBackend, text, message, Some(help));
    } else if lower == "systemd" && *name != lower {
        let message = format!("filters do not take {} for the journal", shown(name));
        wrong(
            context,
            Code::BadBackend,
            text,
            message,
            Some("write `systemd` in lower case".to_owned()),
        );
    } else if let Some((parameter, _)) = parameters.find(|(name, _)| !known.contains(&name.as_str())) {
        let help = match (did_you_mean(parameter, known.iter().copied()), known) {
            (Some(help), _) => help,
            (None, []) => format!("write `backend = {lower}`; only `systemd` and `syslog` have parameters"),
            (None, known) => format!("its parameters are {}", known.join(", ")),
        };
        let message = format!("the backend `{lower}` has no parameter {}", shown(parameter));
        wrong(context, Code::BadBackend, text, message, Some(help));
    }
}

fn encoding(context: &mut Context<'_>, text: &Text, value: &str) {
    if value.eq_ignore_ascii_case("auto") || Encoding::named(value).is_ok() {
        return;
    }
    let known = [
        "auto",
        "utf-8",
        "ascii",
        "latin-1",
        "iso-8859-1",
        "iso-8859-15",
        "cp1252",
        "utf-16",
    ];
    let message = format!("there is no encoding {}", shown(value));
    wrong(
        context,
        Code::BadEncoding,
        text,
        message,
        did_you_mean(value, known),
    );
}

fn zone(context: &mut Context<'_>, text: &Text, value: &str) {
    if Filter::new(Mode::default(), YEAR).set_logtimezone(value).is_ok() {
        return;
    }
    let help = if value.contains('/') {
        "only offsets and abbreviations are known, not regions: `UTC+0200`, `CET`, `+02:00`"
    } else {
        "write an offset or an abbreviation: `UTC+0200`, `CET`, `+02:00`"
    };
    let message = format!("there is no time zone {}", shown(value));
    wrong(context, Code::BadTimeZone, text, message, Some(help.to_owned()));
}

fn usedns(context: &mut Context<'_>, text: &Text, value: &str) {
    if UseDns::parse(value).is_some() {
        return;
    }
    let help = did_you_mean(value, ["yes", "warn", "no", "raw"]);
    let message = format!(
        "{} must be yes, warn, no or raw, not {}; it counts as no",
        context.shown(text, "usedns"),
        shown(value)
    );
    wrong(context, Code::BadUsedns, text, message, help);
}

fn ignorecache(context: &mut Context<'_>, text: &Text, value: &str) {
    if value.trim().is_empty() {
        return;
    }
    let example = "write `key=\"<ip>\", max-count=100, max-time=5m`";
    let problem = match definition::parameters(value) {
        Err(error) => error.to_string(),
        Ok(options) => {
            let unknown = options
                .parameters
                .iter()
                .find(|(name, _)| !CACHE_PARAMETERS.contains(&name.as_str()));
            let bad_time = options
                .get("max-time")
                .filter(|time| duration::seconds(time).is_err());
            let bad_count = options
                .get("max-count")
                .filter(|count| count.trim().parse::<u64>().is_err());
            if options.get("key").is_none() {
                "it has no `key`".to_owned()
            } else if let Some(time) = bad_time {
                format!("{} is no time", shown(time))
            } else if let Some(count) = bad_count {
                format!("{} is no number", shown(count))
            } else if let Some((name, _)) = unknown {
                format!("`{name}` is no option of it")
            } else {
                return;
            }
        }
    };
    let message = format!("{} cannot be used: {problem}", context.shown(text, "ignorecache"));
    wrong(
        context,
        Code::BadIgnoreCache,
        text,
        message,
        Some(example.to_owned()),
    );
}

/// Words that are neither `FIELD=value` nor `+`. Quoted ones are left alone.
fn journalmatch(context: &mut Context<'_>, text: &Text) {
    let value = text.as_str().unwrap_or_default();
    if value.contains(['"', '\'', '\\', HOLE]) {
        return;
    }
    let mut from = 0;
    for word in value.split([' ', '\t', '\n']) {
        if !word.is_empty()
            && word != "+"
            && !word.contains('=')
            && let Some(place) = Place::of(text, from, word.len())
        {
            if context.has(Code::CommentInValue, &place) {
                return;
            }
            let help = if word == "|" || word.eq_ignore_ascii_case("or") {
                "alternatives are joined by `+`".to_owned()
            } else if word.ends_with(".service") {
                format!("did you mean `_SYSTEMD_UNIT={word}`?")
            } else {
                "write `FIELD=value`, such as `_SYSTEMD_UNIT=sshd.service`, and `+` between alternatives"
                    .to_owned()
            };
            let message = format!("{} is no match of the journal", shown(word));
            context.report(Diagnostic::new(Code::BadJournalMatch, place, message).help(help));
        }
        from += word.len() + 1;
    }
}

/// The last word of a line of `logpath`.
fn positions(context: &mut Context<'_>, jail: &InspectedJail) {
    let Some(text) = jail.option("logpath") else {
        return;
    };
    let is_journal = jail
        .option("backend")
        .and_then(Text::as_str)
        .is_some_and(|backend| backend.starts_with("systemd"));
    if is_journal {
        return;
    }
    for log in &jail.logs {
        if ["head", "tail"].contains(&log.position.as_str()) || log.position.contains(HOLE) {
            continue;
        }
        let from = log.byte + log.pattern.len() + 1;
        let Some(place) = Place::of(text, from, log.position.len()) else {
            continue;
        };
        if context.has(Code::CommentInValue, &place) {
            continue;
        }
        let help = if log.position.starts_with('/') {
            "each path stands on a line of its own".to_owned()
        } else {
            format!(
                "a path with a blank needs a position behind it: `{} {} tail`",
                log.pattern, log.position
            )
        };
        let message = format!(
            "{} is no position: behind a path with a blank stands `head` or `tail`",
            shown(&log.position)
        );
        context.report(Diagnostic::new(Code::BadLogPosition, place, message).help(help));
    }
}
