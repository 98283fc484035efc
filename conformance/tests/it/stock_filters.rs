//! Our own stock filters: on their own annotated logs, on the reference's samples, and on what attackers would write.
//!
//! The annotations of `config/tests/*.log` are explained in `config/tests/README.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value};
use stockade_conformance::{Subject, has_reference, run};
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Entry, Filter, Found, Output};

use crate::configuration::copy;
use crate::filters::{own_commands_of, own_configuration};
use crate::samples::{self, NOW, Report, check, counts, filter_of, zone};
use crate::stage::PATIENCE;

/// Lines of the reference's samples of which our filters say something else, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "nginx-http-auth:14",
        "the name of a user of HTTP has no colon, so that the first address is the client's",
    ),
    (
        "pam-generic:23",
        "either name could be the one with blanks in it; nobody is reported",
    ),
    ("roundcube-auth:12", TWICE_FROM),
    ("roundcube-auth:15", TWICE_FROM),
    ("roundcube-auth:20", TWICE_FROM),
    ("roundcube-auth:24", TWICE_FROM),
    ("roundcube-auth:32", TWICE_FROM),
    ("sshd:147", NAME_OR_MORE),
    ("sshd-journal:145", NAME_OR_MORE),
];

const TWICE_FROM: &str = "the answer of the mail server may repeat the name, so that each address could be of it; nobody is reported";

const NAME_OR_MORE: &str = "OpenSSH says nothing behind `ssh2` of a password, so that the name of the user would go on; nobody is reported";

/// The address that an attacker would have banned.
const VICTIM: &str = "203.0.113.66";

/// How many variants of the lines of a filter there are at least, and at most.
const VARIANTS: std::ops::RangeInclusive<usize> = 200..=400;

/// One line of a log, and what its annotation says.
struct Line {
    at: String,
    options: String,
    text: String,
    expected: Map<String, Value>,
    fields: Vec<(Kind, String)>,
}

/// What an attacker can put into a field.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Anything but the end of the line.
    Text,
    /// Anything but blanks.
    Word,
    /// What a host name in the DNS may have.
    Name,
    /// Quotes and backslashes have a backslash before them.
    Escaped,
    /// Quotes and backslashes are written in hexadecimal.
    Hex,
    /// No colon, as in the name of a user of HTTP.
    User,
}

impl Kind {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" => Self::Text,
            "word" => Self::Word,
            "name" => Self::Name,
            "escaped" => Self::Escaped,
            "hex" => Self::Hex,
            "user" => Self::User,
            _ => return None,
        })
    }

    /// How the service writes what the attacker has sent.
    fn written(self, text: &str) -> String {
        match self {
            Self::Text => text.to_owned(),
            Self::Word => text.replace(' ', ""),
            Self::User => text.replace(':', ""),
            Self::Name => {
                let allowed =
                    |character: &char| character.is_ascii_alphanumeric() || ".-_".contains(*character);
                text.chars().filter(allowed).collect()
            }
            Self::Escaped => text.replace('\\', "\\\\").replace('"', "\\\""),
            Self::Hex => text.replace('\\', "\\x5C").replace('"', "\\x22"),
        }
    }
}

#[test]
fn the_reference_accepts_our_configuration_with_every_jail() {
    if !has_reference() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory can be made");
    copy(&own_configuration(), directory.path());
    let log = directory.path().join("some.log");
    fs::write(&log, "").expect("a directory of our own");
    let jails =
        fs::read_to_string(directory.path().join("jail.conf")).expect("it is part of the configuration");
    let mut local = String::new();
    let names = jails
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
    let names: Vec<&str> = names
        .filter(|name| !["DEFAULT", "INCLUDES"].contains(name))
        .collect();
    assert!(names.len() > 110, "{names:?}");
    for name in names {
        write!(local, "[{name}]\nenabled = true\nlogpath = {}\n", log.display())
            .expect("a text takes what it is given");
    }
    let mut actions: Vec<String> = fs::read_dir(directory.path().join("action.d"))
        .expect("our actions")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".conf").map(str::to_owned))
        .filter(|name| !name.ends_with("common"))
        .collect();
    actions.sort();
    assert!(actions.len() > 50, "{actions:?}");
    write!(
        local,
        "[every-action]\nenabled = true\nfilter = sshd\nlogpath = {}\naction = {}\n",
        log.display(),
        actions.join("\n    ")
    )
    .expect("a text takes what it is given");
    for end in ["_", "_mw", "_mwl", "_xarf", "_apprise"] {
        write!(
            local,
            "[action{end}]\nenabled = true\nfilter = sshd\nlogpath = {}\naction = %(action{end})s\n",
            log.display()
        )
        .expect("a text takes what it is given");
    }
    fs::write(directory.path().join("jail.local"), local).expect("a directory of our own");
    let said = run(
        Subject::Reference.client(Some(directory.path())).arg("-t"),
        PATIENCE,
    )
    .expect("the client runs");
    assert!(said.contains("OK: configuration test is successful"), "{said}");
}

#[test]
fn each_of_our_filters_finds_what_its_log_says() {
    let (mut wrong, mut lines) = (Vec::new(), 0);
    for name in names() {
        let mut filters = Filters::new(&name);
        let log = log(&name);
        assert!(
            log.iter().any(|line| line.expected.contains_key("match")),
            "{name} finds nothing"
        );
        for line in &log {
            lines += 1;
            let found = filters.found(&line.options, &line.text);
            if let Err(what) = check(&found, &line.expected) {
                wrong.push(format!("{}: {what}\n    {}", line.at, line.text));
            }
        }
    }
    assert!(lines > 0, "there are no logs");
    assert!(
        wrong.is_empty(),
        "{} of {lines}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn our_filters_find_what_the_samples_of_the_reference_mark() {
    if !has_reference() {
        return;
    }
    let theirs = samples::names();
    let (mut report, mut seen) = (Report::default(), Vec::new());
    for name in names().into_iter().filter(|name| theirs.contains(name)) {
        samples::read(&name, own_commands_of, &mut report);
    }
    report.wrong.retain(|(at, _)| {
        let excepted = EXCEPTIONS.iter().find(|(exception, _)| exception == at);
        seen.extend(excepted);
        excepted.is_none()
    });
    assert!(
        report.wrong.is_empty(),
        "{} of {} checks:\n{}",
        report.wrong.len(),
        report.checks,
        report.text()
    );
    for exception in EXCEPTIONS {
        assert!(
            seen.contains(&exception) || std::env::var_os("STOCKADE_FILTER").is_some(),
            "{} is none any more",
            exception.0
        );
    }
}

#[test]
fn nobody_can_have_another_banned_by_what_he_sends() {
    let mut wrong = Vec::new();
    for name in names() {
        let mut filters = Filters::new(&name);
        let log = log(&name);
        let variants = variants(&log);
        assert!(
            variants.len() >= *VARIANTS.start(),
            "{name}: only {} variants; name the attackers' fields",
            variants.len()
        );
        // Evenly spread, so that each field has its share.
        let step = variants.len().div_ceil(*VARIANTS.end());
        for (options, text) in variants.iter().step_by(step) {
            let found = filters.found(options, text);
            if let Some(found) = found.iter().find(|found| is_victim(found)) {
                wrong.push(format!("{name}: expression {} by\n    {text}", found.regex));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// The filters of our own; with `STOCKADE_FILTER` in the environment only that one.
fn names() -> Vec<String> {
    let only = std::env::var("STOCKADE_FILTER").ok();
    let mut names: Vec<String> = fs::read_dir(own_configuration().join("filter.d"))
        .expect("our filters")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".conf").map(str::to_owned))
        .filter(|name| !name.ends_with("common") && only.as_ref().is_none_or(|only| only == name))
        .collect();
    names.sort();
    names
}

fn log(name: &str) -> Vec<Line> {
    let path: PathBuf = own_configuration().join(format!("tests/{name}.log"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut lines, mut options) = (Vec::new(), String::new());
    let (mut expected, mut fields) = (None, Vec::new());
    for (index, line) in text.lines().enumerate() {
        let at = format!("{name}.log:{}", index + 1);
        let Some(comment) = line.strip_prefix('#') else {
            if !line.trim().is_empty() {
                let missing: Vec<&String> = fields
                    .iter()
                    .map(|(_, field)| field)
                    .filter(|field| !line.contains(*field))
                    .collect();
                assert!(missing.is_empty(), "{at}: {missing:?} is not there");
                lines.push(Line {
                    expected: expected.take().unwrap_or_else(|| panic!("{at}: what about it?")),
                    fields: std::mem::take(&mut fields),
                    options: options.clone(),
                    text: line.to_owned(),
                    at,
                });
            }
            continue;
        };
        let comment = comment.trim();
        if let Some(rest) = comment.strip_prefix("options") {
            options = rest.trim().to_owned();
        } else if comment == "no match" {
            expected = Some(Map::new());
        } else if let Some(rest) = comment.strip_prefix("match ") {
            expected = Some(expectation(&at, rest));
        } else if let Some((kind, field)) = comment
            .strip_prefix("attacker")
            .and_then(|rest| rest.split_once(": "))
        {
            let kind = Kind::parse(kind.trim()).unwrap_or_else(|| panic!("{at}: of what kind?"));
            fields.push((kind, field.to_owned()));
        }
    }
    lines
}

/// `host=ADDRESS time=TIME user=NAME`, of which the user may have blanks and comes last.
fn expectation(at: &str, text: &str) -> Map<String, Value> {
    let (words, user) = match text.split_once("user=") {
        Some((words, user)) => (words, Some(user)),
        None => (text, None),
    };
    let mut expected = Map::new();
    expected.insert("match".to_owned(), Value::Bool(true));
    for word in words.split_whitespace() {
        let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("{at}: {word}?"));
        assert!(["host", "time"].contains(&key), "{at}: {key}?");
        expected.insert(key.to_owned(), Value::from(value));
    }
    assert!(expected.contains_key("host"), "{at}: of whom?");
    if let Some(user) = user {
        expected.insert("user".to_owned(), Value::from(user));
    }
    expected
}

/// One filter with each set of options that occurs.
struct Filters<'a> {
    name: &'a str,
    clock: Clock,
    made: BTreeMap<String, Filter>,
}

impl<'a> Filters<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            clock: Clock::new(Timestamp::from_seconds(NOW), zone()),
            made: BTreeMap::new(),
        }
    }

    fn found(&mut self, options: &str, text: &str) -> Vec<Found> {
        let name = self.name;
        let filter = self.made.entry(options.to_owned()).or_insert_with(|| {
            let options: Vec<String> = options
                .split_whitespace()
                .filter_map(|option| option.split_once('='))
                .map(|(key, value)| format!("{key}=\"{value}\""))
                .collect();
            filter_of(&own_commands_of(&format!("{name}[{}]", options.join(", "))))
        });
        let entry = if options.contains("logtype=journal") {
            Entry::Journal {
                time: Timestamp::from_seconds(NOW),
                iso: "2005-08-14T10:00:00",
                text,
            }
        } else {
            Entry::Text(text)
        };
        let mut out = Output::default();
        filter.process(entry, &self.clock, true, &mut out);
        out.found.into_iter().filter(counts).collect()
    }
}

/// The lines of a log with something else in each field that an attacker fills.
fn variants(log: &[Line]) -> Vec<(String, String)> {
    // Addresses in all dresses, and the beginnings and ends of lines that would count.
    let mut parts: Vec<String> = [
        "",
        "[",
        "(",
        "<",
        "'",
        "\"",
        " from ",
        "rhost=",
        " client: ",
        "::ffff:",
    ]
    .iter()
    .map(|before| format!("{before}{VICTIM}"))
    .collect();
    for line in log {
        let Some(host) = line.expected.get("host").and_then(Value::as_str) else {
            continue;
        };
        let fake = line.text.replace(host, VICTIM);
        let is_edge = |character: char| !character.is_ascii_alphanumeric() && character != '.';
        parts.push(fake.clone());
        for (index, _) in fake.char_indices().filter(|(_, character)| is_edge(*character)) {
            parts.extend(
                fake.get(index..)
                    .filter(|part| part.contains(VICTIM))
                    .map(str::to_owned),
            );
            parts.extend(
                fake.get(..index)
                    .filter(|part| part.contains(VICTIM))
                    .map(str::to_owned),
            );
        }
    }
    let wraps = [
        ("", ""),
        ("x", "x"),
        ("x ", " x"),
        ("\"", "\""),
        ("'", "'"),
        ("x]: ", "["),
        ("x>, ", "<"),
        ("x) ", "("),
        ("\\n", "\\n"),
        ("", " "),
    ];
    let mut variants = Vec::new();
    for line in log {
        for (kind, field) in &line.fields {
            for part in &parts {
                for (before, after) in wraps {
                    let written = kind.written(&format!("{before}{part}{after}"));
                    variants.push((line.options.clone(), line.text.replace(field, &written)));
                }
            }
        }
    }
    variants.sort();
    variants.dedup();
    variants
}

fn is_victim(found: &Found) -> bool {
    let who = format!("{:?}", found.who);
    let host = found.captured.text("host").unwrap_or_default();
    host.contains(VICTIM) || who.contains(VICTIM)
}
