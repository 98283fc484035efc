//! Requests as they can come over the control socket, sent to our server and to the reference's: every command and
//! every property, each with no word, one and two, sensible and not, as texts and as what Python has besides.
//!
//! The answers are compared as Python values: `5`, `5.0`, `'5'` and `True` are four things, and so are a list and a
//! tuple; of an exception its class and arguments count. What a client prints for them is for `commands` to show.
//!
//! A case is a few requests that belong together. Those that change something have a jail of their own, so that what
//! is known to differ in one of them is not seen in the next.

use stockade_conformance::{Subject, has_reference};
use stockade_protocol::{Answer, Value};

use crate::commands::{Connection, stage};
use crate::stage::Stage;

/// Requests that belong together, under the words that tell them from the others.
struct Case {
    name: String,
    requests: Vec<Value>,
}

/// What is known to differ, by the names of cases and the requests in them; each is a row of `COMPATIBILITY.md`, and
/// is seen in every run. `*` stands for any text.
#[rustfmt::skip]
const DIFFERENT: [(&str, &[&str]); 17] = [
    (
        "numbers beyond 64 bits",
        &[
            "set * '99999999999999999999': *",
            "set * 100000000000000000000: *",
            "action timeout '99999999999999999999': *",
            "action timeout 100000000000000000000: *",
            "set findtime '9*: *",
        ],
    ),
    (
        "a value that is no text and no number",
        &[
            "set dbpurgeage True: *",
            "set dbpurgeage False: *",
            "set findtime True: *",
            "set findtime False: *",
            "set bantime.maxtime True: *",
            "set bantime.maxtime False: *",
            "set bantime.rndtime True: *",
            "set bantime.rndtime False: *",
            "action timeout True: *",
            "action timeout False: *",
            "set datepattern None: *",
            "set datepattern []: *",
            "set datepattern ['a', 'b']: *",
            "set datepattern ('a',): *",
            "banip 5: *",
        ],
    ),
    (
        "a time expression with a value that is no number",
        &[
            "set dbpurgeage 'False': *",
            "set dbpurgeage \"'quoted'\": *",
            "set dbpurgeage '[1]': *",
            "set dbpurgeage 'None': *",
            "set dbpurgeage '--all': *",
            "set findtime 'False': *",
            "set findtime \"'quoted'\": *",
            "set findtime '[1]': *",
            "set findtime 'None': *",
            "set findtime '--all': *",
            "set bantime.maxtime 'False': *",
            "set bantime.maxtime \"'quoted'\": *",
            "set bantime.maxtime '[1]': *",
            "set bantime.maxtime 'None': *",
            "set bantime.maxtime '--all': *",
            "set bantime.rndtime 'False': *",
            "set bantime.rndtime \"'quoted'\": *",
            "set bantime.rndtime '[1]': *",
            "set bantime.rndtime 'None': *",
            "set bantime.rndtime '--all': *",
            "action timeout 'False': *",
            "action timeout \"'quoted'\": *",
            "action timeout '[1]': *",
            "action timeout 'None': *",
            "action timeout '--all': *",
            "set bantime 'False': *",
            "set bantime \"'quoted'\": *",
            "set bantime '[1]': *",
            "set bantime 'None': *",
            "set bantime '--all': *",
        ],
    ),
    (
        "`addlogpath` of a file that is not there",
        &[
            "set addlogpath '[1]': *",
            "set addlogpath '192.0.2.0/24': *",
            "set addlogpath 'DIR/*.log': *",
        ],
    ),
    (
        "`backend = gamin`",
        &[
            "add new gamin: *",
        ],
    ),
    (
        "`loglevel` 1 to 4",
        &[
            "set loglevel '1': *",
        ],
    ),
    (
        "blanks around `logtarget`",
        &[
            "set logtarget ' ': *",
            "set logtarget ' 7 ': *",
        ],
    ),
    (
        "a stack size that is refused",
        &[
            "set thread stacksize 5: ['get', 'thread']",
            "set thread stacksize 'x': ['get', 'thread']",
            "set thread stacksize None: ['get', 'thread']",
            "set thread stacksize -1: ['get', 'thread']",
        ],
    ),
    (
        "`multi-set` with a mistake in it",
        &[
            "multi-set addfailregex [*: ['get', 'fresh', 'failregex']",
            "multi-set addignoreregex *: ['get', 'fresh', 'ignoreregex']",
            "multi-set action: ['get', 'fresh', 'action', 'act', 'c']",
        ],
    ),
    (
        "`bantime.*` with a mistake in it",
        &[
            "set bantime.factor *: ['get', 'fresh', 'bantime.factor']",
            "set bantime.formula *: ['get', 'fresh', 'bantime.formula']",
            "set bantime.multipliers *: ['get', 'fresh', 'bantime.multipliers']",
            "set bantime.maxtime *: ['get', 'fresh', 'bantime.maxtime']",
            "set bantime.rndtime *: ['get', 'fresh', 'bantime.rndtime']",
            "set bantime.factor '*: ['set', *",
            "set bantime.factor \"*: ['set', *",
            "set bantime.formula '*: ['set', *",
            "set bantime.formula \"*: ['set', *",
        ],
    ),
    (
        "`datepattern` that is no expression",
        &[
            "set datepattern '(': *",
        ],
    ),
    (
        "`logtimezone` of capitals",
        &[
            "set logtimezone 'OFF': *",
        ],
    ),
    (
        "encodings that encode no text",
        &[
            "set logencoding 'base64': *",
        ],
    ),
    (
        "parts of `ignorecache`",
        &[
            "set ignorecache 'key=a, max-count=-1': *",
            "set ignorecache 'key=\"a\",max-time=1.5h': *",
        ],
    ),
    (
        "`failregex` with a group `(?P<host>…)`",
        &[
            "set addfailregex '(?P<host>a)': *",
        ],
    ),
    (
        "unbanning an address",
        &[
            "bans with '2001:DB8::1': ['set', 'two', 'unbanip', '--report-absent', '2001:DB8::1']",
            "bans with '2001:DB8::1': ['unban', '--all']",
        ],
    ),
    (
        "inner parts of an action",
        &[
            "action start*: ['get', 'fresh', 'action', 'act', 'start']",
            "action stop*: ['get', 'fresh', 'action', 'act', 'stop']",
            "action ban*: ['get', 'fresh', 'action', 'act', 'ban']",
            "action unban*: ['get', 'fresh', 'action', 'act', 'unban']",
            "action flush*: ['get', 'fresh', 'action', 'act', 'flush']",
            "action reload*: ['get', 'fresh', 'action', 'act', 'reload']",
            "action ESCAPE_CRE: *",
            "action ESCAPE_VN_CRE: *",
            "action _logSys: *",
            "action __class__: *",
            "action __dict__: *",
            "action executeCmd: *",
        ],
    ),
];

/// Whether `name` is what `pattern` says; a `*` in it stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut open = false;
    for part in parts {
        open = true;
        match rest.rfind(part).filter(|_| !part.is_empty()) {
            Some(at) => {
                rest = rest.get(at + part.len()..).unwrap_or_default();
                open = false;
            }
            None if part.is_empty() => {}
            None => return false,
        }
    }
    open || rest.is_empty()
}

#[test]
fn every_request_is_answered_as_by_the_reference() {
    if !has_reference() {
        return;
    }
    let cases = cases();
    let expected = answers(Subject::Reference, &cases);
    let found = answers(Subject::under_test(), &cases);
    let mut unseen: Vec<(&str, &str)> = DIFFERENT
        .iter()
        .flat_map(|(row, patterns)| patterns.iter().map(|pattern| (*row, *pattern)))
        .collect();
    let mut differences = Vec::new();
    for ((case, expected), found) in cases.iter().zip(&expected).zip(&found) {
        for ((request, expected), found) in case.requests.iter().zip(expected).zip(found) {
            if expected == found {
                continue;
            }
            let (name, request) = (&case.name, request.repr());
            let place = format!("{name}: {request}");
            let known = DIFFERENT
                .iter()
                .flat_map(|(_, patterns)| *patterns)
                .filter(|pattern| fits(pattern, &place));
            let known: Vec<&str> = known.copied().collect();
            unseen.retain(|(_, pattern)| !known.contains(pattern));
            if known.is_empty() {
                differences.push(format!(
                    "{place}\n  the reference: {expected}\n  this server:   {found}"
                ));
            }
        }
    }
    differences.dedup();
    let count: usize = cases.iter().map(|case| case.requests.len()).sum();
    assert!(
        differences.is_empty(),
        "{} of {count} answers differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
    assert!(
        unseen.is_empty() || Subject::under_test() == Subject::Reference,
        "these differ no longer, and their rows in COMPATIBILITY.md are out of date: {unseen:?}"
    );
}

/// Starts a server, sends all requests, and stops it; the answers of each case.
fn answers(subject: Subject, cases: &[Case]) -> Vec<Vec<String>> {
    let stage = stage();
    let server = stage.start(subject, &["one", "two"]);
    let mut connection = Connection::open(&stage.path().join("sock"));
    let mut found = Vec::new();
    for case in cases {
        let of_case = case.requests.iter().map(|request| {
            let answer = connection.send(&here(&stage, request));
            stage.anywhere(&shown(answer))
        });
        found.push(of_case.collect());
    }
    connection.send(&Value::list(["stop"]));
    server.ends_well();
    found
}

fn shown(answer: Answer) -> String {
    match answer {
        Answer::Reply(Ok(value)) => value.repr(),
        // Of an expression that is none the message and the line count, not the column and the text before it.
        Answer::Reply(Err(failure)) if failure.class == "SyntaxError" => failure.to_string(),
        Answer::Reply(Err(failure)) => {
            format!(
                "{}.{}{}",
                failure.module,
                failure.class,
                Value::Tuple(failure.args()).repr()
            )
        }
        answer @ (Answer::Refused(_) | Answer::ShuttingDown) => format!("{answer:?}"),
    }
}

/// `DIR` as the directory of the session, wherever it stands.
fn here(stage: &Stage, value: &Value) -> Value {
    let all = |items: &[Value]| items.iter().map(|item| here(stage, item)).collect();
    match value {
        Value::Str(text) => Value::Str(stage.here(text)),
        Value::List(items) => Value::List(all(items)),
        Value::Tuple(items) => Value::Tuple(all(items)),
        Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Bytes(_)
        | Value::Dict(_)
        | Value::Set(_)
        | Value::Exception(_) => value.clone(),
    }
}

/// A list of words, the last of which are of any type.
fn words(first: &[&str], rest: &[Value]) -> Value {
    let first = first.iter().map(|word| Value::from(*word));
    Value::List(first.chain(rest.iter().cloned()).collect())
}

/// What is no sensible value of anything, and what is one of some things.
fn values() -> Vec<Value> {
    #[rustfmt::skip]
    let texts = [
        "", " ", "abc", "\u{e9}\u{2603}", "-1", "0", "1", "5", "99", "1.5", "-2.5", "99999999999999999999", "1e3",
        "0x10", " 7 ", "1_000", "on", "OFF", "true", "False", "no", "yes", "raw", "auto", "a b", "a\nb", "1d", "1h30m",
        "3 days 2 hours", "1d12h+5m", "'quoted'", "[1]", "None", "--all", "192.0.2.1", "2001:DB8::1", "192.0.2.0/24",
    ];
    let mut values: Vec<Value> = texts.map(Value::from).into();
    values.extend([
        Value::Int(0),
        Value::Int(5),
        Value::Int(-3),
        Value::BigInt("100000000000000000000".into()),
        Value::Float(2.5),
        Value::Float(-0.5),
        Value::Bool(true),
        Value::Bool(false),
        Value::None,
        Value::List(Vec::new()),
        Value::list(["a", "b"]),
        Value::Tuple(vec!["a".into()]),
    ]);
    values
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    malformed(&mut cases);
    of_the_server(&mut cases);
    options_of_the_server(&mut cases);
    properties(&mut cases);
    asked_of_a_jail(&mut cases);
    bans(&mut cases);
    actions(&mut cases);
    streams(&mut cases);
    at_the_end(&mut cases);
    cases
}

/// A case of one request, named after it.
fn single(cases: &mut Vec<Case>, request: Value) {
    let name = request.repr();
    let requests = vec![request];
    cases.push(Case { name, requests });
}

/// What is no list of words.
fn malformed(cases: &mut Vec<Case>) {
    let ping = || Value::from("ping");
    for request in [
        Value::None,
        Value::Bool(true),
        Value::Int(5),
        Value::Float(1.5),
        "".into(),
        ping(),
        Value::Bytes(Vec::new()),
        Value::Bytes(b"ping".to_vec()),
        Value::List(Vec::new()),
        Value::Tuple(Vec::new()),
        Value::Tuple(vec![ping()]),
        Value::Dict(Vec::new()),
        Value::Dict(vec![("ping".into(), ping())]),
        Value::Set(vec![ping()]),
    ] {
        single(cases, request);
    }
    for word in values() {
        single(cases, Value::List(vec![word]));
    }
}

/// Commands that are about no jail, or about one that is not there.
fn of_the_server(cases: &mut Vec<Case>) {
    #[rustfmt::skip]
    #[rustfmt::skip]
    let commands = [
        "ping", "version", "echo", "server-status", "config-error", "flushlogs", "status", "stats", "statistic",
        "statistics", "stat", "banned", "unban", "add", "start", "set", "get", "multi-set", "server-stream", "reload",
        "restart", "help", "PING", "exit",
    ];
    for command in commands {
        single(cases, words(&[command], &[]));
        for value in values() {
            // A name that is no text stays behind as half a jail; the others are for other cases.
            if command == "add" && matches!(value, Value::Str(_) | Value::Tuple(_) | Value::Bytes(_))
                || command == "reload" && value == "--all".into()
            {
                continue;
            }
            single(cases, words(&[command], std::slice::from_ref(&value)));
            if command != "unban" && command != "add" && command != "reload" {
                single(cases, words(&[command], &[value.clone(), value.clone()]));
                single(cases, words(&[command, "one"], &[value]));
            }
        }
    }
    for value in values() {
        let is_time = value.float().is_ok_and(|seconds| seconds > 1.0);
        if !is_time {
            single(cases, words(&["sleep"], &[value]));
        }
    }
    single(cases, words(&["sleep"], &[]));
    single(cases, words(&["sleep", "0.01", "x"], &[]));
    for flavor in values() {
        for jail in ["--all", "two", "nojail"] {
            single(cases, words(&["status", jail], std::slice::from_ref(&flavor)));
        }
    }
    for rest in [
        &["two", "short", "more"][..],
        &["--all", "short", "more"],
        &["stats", "x"],
    ] {
        single(
            cases,
            words(
                &["status"],
                &rest.iter().map(|word| Value::from(*word)).collect::<Vec<_>>(),
            ),
        );
    }
    for value in values() {
        if value == "--all".into() || value == "".into() {
            continue;
        }
        single(cases, words(&["stop"], std::slice::from_ref(&value)));
    }
    // Of a backend that is no text the reference makes half a jail, by which it cannot even be stopped.
    for backend in values().into_iter().filter(|value| value.as_str().is_some()) {
        let requests = vec![
            words(&["add", "new"], std::slice::from_ref(&backend)),
            words(&["stop", "new"], &[]),
        ];
        let name = format!("add new {}", backend.repr());
        cases.push(Case { name, requests });
    }
    for backend in [
        "polling",
        "pyinotify",
        "POLLING",
        "polling[x=1]",
        "auto[x=1,y=2]",
        "pyinotify[journalflags=1]",
        "systemd[x=1]",
        "systemd[x=1,journalflags=y]",
        "systemd[journalflags=y]",
        "systemd[journalflags=1]",
        "polling[]",
        "polling[",
        "auto[x]",
        "gamin",
        "systemd",
    ] {
        let requests = vec![words(&["add", "new", backend], &[]), words(&["stop", "new"], &[])];
        cases.push(Case {
            name: format!("add new {backend}"),
            requests,
        });
    }
    for name in [
        "a b",
        "\u{e9}",
        "a/b",
        "x".repeat(40).as_str(),
        "loglevel",
        "",
        "5",
    ] {
        let requests = vec![
            words(&["add", name, "polling"], &[]),
            words(&["add", name, "polling"], &[]),
            words(&["status", name], &[]),
            words(&["get", name, "maxretry"], &[]),
            words(&["status"], &[]),
            words(&["stop", name], &[]),
        ];
        cases.push(Case {
            name: format!("add {name}"),
            requests,
        });
    }
}

/// `set` and `get` of the server's own options.
fn options_of_the_server(cases: &mut Vec<Case>) {
    let options = [
        ("loglevel", "INFO"),
        ("logtarget", "DIR/log"),
        ("syslogsocket", "auto"),
        ("allowipv6", "auto"),
        ("thread", ""),
        ("dbfile", "DIR/db"),
        ("dbmaxmatches", "10"),
        ("dbpurgeage", "1d"),
        ("nooption", "x"),
    ];
    for (option, usual) in options {
        single(cases, words(&["set", option], &[]));
        single(cases, words(&["get", option], &[]));
        single(cases, words(&["get", option, "more"], &[]));
        for value in values() {
            let mut requests = vec![
                words(&["set", option], std::slice::from_ref(&value)),
                words(&["get", option], &[]),
            ];
            if option != "thread" {
                requests.push(words(&["set", option, usual], &[]));
            }
            cases.push(Case {
                name: format!("set {option} {}", value.repr()),
                requests,
            });
        }
    }
    for level in [
        "info",
        "Debug",
        "NOTICE",
        "critical",
        "WARN",
        "notset",
        "trace",
        "tracedebug",
        "heavydebug",
        "msg",
        "10",
        "0",
        "25",
    ] {
        let requests = vec![
            words(&["set", "loglevel", level], &[]),
            words(&["get", "loglevel"], &[]),
            words(&["set", "loglevel", "INFO"], &[]),
        ];
        cases.push(Case {
            name: format!("set loglevel {level}"),
            requests,
        });
    }
    for size in [
        Value::Int(0),
        Value::Int(64),
        Value::Int(5),
        "64".into(),
        "x".into(),
        Value::None,
        Value::Int(-1),
    ] {
        let name = format!("set thread stacksize {}", size.repr());
        let dict = Value::Dict(vec![("stacksize".into(), size)]);
        let requests = vec![words(&["set", "thread"], &[dict]), words(&["get", "thread"], &[])];
        cases.push(Case { name, requests });
    }
}

/// How a property is read, for one that is set.
const PROPERTIES: [(&str, &str); 27] = [
    ("idle", "ignoreself"),
    ("ignoreself", "ignoreself"),
    ("addignoreip", "ignoreip"),
    ("delignoreip", "ignoreip"),
    ("ignorecommand", "ignorecommand"),
    ("ignorecache", "ignorecache"),
    ("addlogpath", "logpath"),
    ("dellogpath", "logpath"),
    ("logencoding", "logencoding"),
    ("addjournalmatch", "journalmatch"),
    ("deljournalmatch", "journalmatch"),
    ("prefregex", "prefregex"),
    ("addfailregex", "failregex"),
    ("delfailregex", "failregex"),
    ("addignoreregex", "ignoreregex"),
    ("delignoreregex", "ignoreregex"),
    ("usedns", "usedns"),
    ("findtime", "findtime"),
    ("bantime", "bantime"),
    ("datepattern", "datepattern"),
    ("logtimezone", "logtimezone"),
    ("maxmatches", "maxmatches"),
    ("maxretry", "maxretry"),
    ("maxlines", "maxlines"),
    ("bantime.increment", "bantime.increment"),
    ("bantime.maxtime", "bantime.maxtime"),
    ("bantime.invented", "bantime.invented"),
];

/// Those of `bantime.*` whose values are more than kept.
const GROWTH: [&str; 5] = [
    "bantime.factor",
    "bantime.formula",
    "bantime.multipliers",
    "bantime.rndtime",
    "bantime.overalljails",
];

/// `set` of every property of a jail, each value in a jail of its own.
fn properties(cases: &mut Vec<Case>) {
    let growth = GROWTH.map(|property| (property, property));
    for (property, shown) in PROPERTIES.into_iter().chain(growth) {
        of_property(cases, property, shown, &[], false);
        for value in values() {
            // Python opens a number as the descriptor of that number, and closes it: the client's own connection.
            if property == "addlogpath" && matches!(value, Value::Int(_) | Value::Bool(_)) {
                continue;
            }
            of_property(cases, property, shown, std::slice::from_ref(&value), false);
            // What else is said is passed over, and few properties are other ones in `multi-set`.
            if property.ends_with("regex") || value == "5".into() {
                of_property(cases, property, shown, std::slice::from_ref(&value), true);
                of_property(cases, property, shown, &[value.clone(), "more".into()], false);
                of_property(cases, property, shown, &[value.clone(), value], false);
            }
        }
    }
    of_property(cases, "noproperty", "noproperty", &[], false);
    of_property(cases, "noproperty", "noproperty", &["x".into()], false);
    for (property, shown, several) in SENSIBLE {
        for value in several {
            of_property(cases, property, shown, &[(*value).into()], false);
        }
    }
    let list = |items: &[&str]| Value::list(items.iter().copied());
    for (property, shown, value) in [
        ("addfailregex", "failregex", list(&["^a <HOST>$", "^b <HOST>$"])),
        (
            "addfailregex",
            "failregex",
            list(&["^a <HOST>$", "no id", "^b <HOST>$"]),
        ),
        ("addfailregex", "failregex", list(&["^a <HOST>$", "(<HOST>"])),
        ("addignoreregex", "ignoreregex", list(&["^a$", "^b$"])),
        ("addignoreregex", "ignoreregex", list(&["^a$", "(b"])),
        ("addignoreip", "ignoreip", list(&["192.0.2.1", "192.0.2.2"])),
        ("maxretry", "maxretry", "7".into()),
    ] {
        of_property(cases, property, shown, std::slice::from_ref(&value), true);
        of_property(cases, property, shown, &[value, "more".into()], true);
    }
}

/// Values that mean something to one property.
#[rustfmt::skip]
const SENSIBLE: [(&str, &str, &[&str]); 13] = [
    ("datepattern", "datepattern", &["%Y-%m-%d %H:%M:%S", "{^LN-BEG}%d", "EPOCH", "{EPOCH}", "LEPOCH", "TAI64N", "%Q", "%", "%%", "%Y %Q",
        "{DEFAULT}", "{NONE}", "{DATE}", "{UNB}%H:%M", "**%H:%M**", "^%H", "%Y\n%m", "%Y\n%m\n%d", "(", "\\d", "Epoch", "%H(?P<x>a)"]),
    ("findtime", "findtime", &["1/0", "10/4", "1e400", "1m*2", "2**8", "(1h", "-1h", "1.5h", "1y", "1mo", "1w1", "abc", "1 + 1", "1;2", "0/1", "9**9**2"]),
    ("bantime", "bantime", &["1/0", "10/4", "-1", "1m*2", "(1h", "-1h", "1.5h", "1y", "1w1"]),
    ("ignorecache", "ignorecache", &["key=\"<ip>\"", "key=a, max-count=5", "max-count=5, key=a", "max-time=5m, key=a", "key=a, max-count=x",
        "key=a, max-time=y", "key=a, other=b", "key=", "max-time=5", "key=a max-count=5", "[key=a]", "key=a, max-count=-1", "key=\"a\",max-time=1.5h"]),
    ("addignoreip", "ignoreip", &["example.com", "192.0.2.0/255.255.255.0", "192.0.2.77/24", "192.0.2.1/33", "2001:db8::/32", "[2001:db8::1]", "::ffff:192.0.2.1",
        "file:DIR/list", "file:list", "a/b", "192.0.2.0/x", "192.0.2.1/32", "300.1.1.1", "-", "*"]),
    ("addlogpath", "logpath", &["DIR/one.log", "DIR", "DIR/three.log", "DIR/*.log"]),
    ("logencoding", "logencoding", &["utf-8", "UTF8", "latin-1", "Auto", "AUTO", "ascii", "cp1252", "utf_16", "base64"]),
    ("prefregex", "prefregex", &["^<F-CONTENT>.+</F-CONTENT>$", "(", "^<HOST>", "a(?P<x>b)(?P<x>c)", "^a", "[a"]),
    ("addfailregex", "failregex", &["^<HOST>$", "^<ADDR> <F-USER>a</F-USER>$", "^<IP4>$", "^(<HOST>", "^<HOST>(?P<x>a)(?P<x>b)", "a{2,1}<HOST>", "<SKIPLINES><HOST>", "(?i)<HOST>",
        "<F-ID>x</F-ID>", "(?P<host>a)", "<HOST> <HOST>", "<NOTAG><HOST>", "*<HOST>", "[<HOST>"]),
    ("addignoreregex", "ignoreregex", &["^<HOST>$", "^x$", "(", "*"]),
    ("usedns", "usedns", &["YES", "Warn", "RAW", "bogus", "nope"]),
    ("logtimezone", "logtimezone", &["UTC", "UTC+0100", "UTC-01:30", "utc", "GMT", "+0100", "CET", "UTC+1", "UTC+01", "Europe/Berlin", "UTC+2500", "Z"]),
    ("bantime.multipliers", "bantime.multipliers", &["1 2 4", "1  2", "1 x", "1.5 2", " 1 2 "]),
];

/// A new jail, in which a property is set and read again.
fn of_property(cases: &mut Vec<Case>, property: &str, shown: &str, arguments: &[Value], multi: bool) {
    let jail = "fresh";
    let command = if multi { "multi-set" } else { "set" };
    let requests = vec![
        words(&["add", jail, "polling"], &[]),
        words(&[command, jail, property], arguments),
        words(&["get", jail, shown], &[]),
        words(&["stop", jail], &[]),
    ];
    let arguments: Vec<String> = arguments.iter().map(Value::repr).collect();
    cases.push(Case {
        name: format!("{command} {property} {}", arguments.join(" ")),
        requests,
    });
}

/// `get` of every property of a jail that has just been made, of one at work, and of none.
fn asked_of_a_jail(cases: &mut Vec<Case>) {
    let mut properties: Vec<&str> = PROPERTIES.iter().map(|(_, shown)| *shown).chain(GROWTH).collect();
    properties.extend([
        "banned",
        "banip",
        "actions",
        "action",
        "actionproperties",
        "actionmethods",
        "idle",
        "noproperty",
        "",
        "bantime.",
    ]);
    properties.dedup();
    for property in &properties {
        single(cases, words(&["get", "one", property], &[]));
        single(cases, words(&["get", "two", property, "x"], &[]));
        single(cases, words(&["get", "nojail", property], &[]));
        single(cases, words(&["set", "nojail", property, "5"], &[]));
        single(cases, words(&["set", "one", property], &[]));
        let requests = vec![
            words(&["add", "fresh", "polling"], &[]),
            words(&["get", "fresh", property], &[]),
            words(&["get", "fresh", property, "x", "y"], &[]),
            words(&["stop", "fresh"], &[]),
        ];
        cases.push(Case {
            name: format!("get of a fresh jail: {property}"),
            requests,
        });
        let requests = vec![
            words(&["add", "fresh", "systemd"], &[]),
            words(&["get", "fresh", property], &[]),
            words(&["stop", "fresh"], &[]),
        ];
        cases.push(Case {
            name: format!("get of a fresh journal jail: {property}"),
            requests,
        });
    }
    for value in values() {
        single(
            cases,
            Value::List(vec!["get".into(), value.clone(), "maxretry".into()]),
        );
        single(
            cases,
            Value::List(vec!["set".into(), value.clone(), "maxretry".into(), 5.into()]),
        );
        single(
            cases,
            Value::List(vec!["get".into(), "one".into(), value.clone()]),
        );
        single(
            cases,
            Value::List(vec!["set".into(), "one".into(), value, "5".into()]),
        );
    }
}

/// Bans, unbans and failures by hand, in a jail at work.
fn bans(cases: &mut Vec<Case>) {
    for (number, value) in values().into_iter().enumerate() {
        let is_text = value.as_str().is_some();
        for command in ["banip", "unbanip", "attempt"] {
            // What is no text stays what it is in the reference, and is found by it again.
            if command == "banip" && !is_text && value != 5.into()
                || matches!(value, Value::List(_) | Value::Tuple(_))
            {
                continue;
            }
            let requests = vec![
                words(&["set", "two", command], std::slice::from_ref(&value)),
                words(&["get", "two", "banned"], &[]),
                words(&["get", "two", "banned"], std::slice::from_ref(&value)),
                words(&["get", "two", "banip"], &[]),
                words(&["banned"], std::slice::from_ref(&value)),
                words(&["status", "two"], &[]),
                words(&["unban", "--all"], &[]),
            ];
            cases.push(Case {
                name: format!("{command} {}", value.repr()),
                requests,
            });
        }
        if !is_text {
            continue;
        }
        // A ban by failures would come at a moment of its own.
        let host = format!("198.18.0.{number}");
        let requests = vec![
            words(&["set", "two", "attempt", &host], std::slice::from_ref(&value)),
            words(&["set", "two", "attempt", &host], &[value.clone(), value.clone()]),
            words(
                &["set", "two", "banip", "192.0.2.9"],
                std::slice::from_ref(&value),
            ),
            words(&["get", "two", "banip"], std::slice::from_ref(&value)),
            words(
                &["set", "two", "unbanip", "--report-absent"],
                std::slice::from_ref(&value),
            ),
            words(
                &["set", "two", "unbanip", "--report-absent", "192.0.2.9"],
                std::slice::from_ref(&value),
            ),
            words(&["set", "two", "unbanip"], std::slice::from_ref(&value)),
            words(&["unban"], &["192.0.2.9".into(), value.clone()]),
            words(&["unban", "--all"], &[]),
        ];
        cases.push(Case {
            name: format!("bans with {}", value.repr()),
            requests,
        });
    }
    let plain = [
        &["set", "two", "banip"][..],
        &["set", "two", "unbanip"],
        &["set", "two", "unbanip", "--report-absent"],
        &["set", "two", "attempt"],
        &["set", "nojail", "banip", "192.0.2.1"],
        &["set", "nojail", "unbanip", "192.0.2.1"],
        &["set", "nojail", "attempt", "192.0.2.1"],
        &["set", "nojail", "attempt"],
        &["get", "nojail", "banip"],
        &["get", "nojail", "banned"],
        &["multi-set", "two", "banip", "192.0.2.1", "192.0.2.2"],
        &["get", "two", "banip", "--with-time"],
        &["get", "two", "banip", "-"],
        &["get", "two", "banned", "192.0.2.1", "192.0.2.3"],
        &["multi-set", "two", "unbanip", "192.0.2.1", "192.0.2.2"],
        &[
            "set",
            "two",
            "addignoreip",
            "192.0.2.0/24",
            "2001:db8::1",
            "192.0.2.128/25",
        ],
        &["set", "two", "attempt", "192.0.2.7"],
        &["set", "two", "attempt", "192.0.2.7", "a line"],
        &["set", "two", "attempt", "192.0.2.7/32"],
        &["set", "two", "attempt", "::ffff:192.0.2.7"],
        &["set", "two", "attempt", "2001:db8:0::1"],
        &["set", "two", "attempt", "198.51.100.1"],
        &["set", "two", "attempt", "ignored.example"],
        &["set", "two", "attempt", "other.example"],
        &["status", "two"],
        &["set", "two", "banip", "192.0.2.7"],
        &["set", "two", "banip", "ignored.example"],
        &["get", "two", "banned"],
        &["unban", "--all"],
        &["set", "two", "delignoreip", "192.0.2.0/24"],
        &["set", "two", "delignoreip", "2001:DB8::1"],
        &["set", "two", "delignoreip", "--all"],
        &["set", "two", "delignoreip", "ignored.example"],
        &["get", "two", "ignoreip"],
        &["set", "two", "attempt", "198.51.100.9", "1", "2", "3"],
        &["unban", "198.51.100.9"],
    ];
    for line in plain {
        single(cases, words(line, &[]));
    }
}

/// Actions of commands, in a jail of their own for each case.
fn actions(cases: &mut Vec<Case>) {
    let mut case = |name: String, requests: Vec<Value>| {
        let mut all = vec![
            words(&["add", "fresh", "polling"], &[]),
            words(&["set", "fresh", "addaction", "act"], &[]),
        ];
        all.extend(requests);
        all.push(words(&["get", "fresh", "actions"], &[]));
        all.push(words(&["stop", "fresh"], &[]));
        cases.push(Case { name, requests: all });
    };
    let get = |property: &str| words(&["get", "fresh", "action", "act", property], &[]);
    case(
        "actionproperties".into(),
        vec![
            words(&["get", "fresh", "actionproperties", "act"], &[]),
            words(&["get", "fresh", "actionmethods", "act"], &[]),
            words(&["get", "fresh", "actionproperties"], &[]),
            words(&["get", "fresh", "actionmethods"], &[]),
            words(&["get", "fresh", "actionproperties", "none"], &[]),
            words(&["get", "fresh", "actionmethods", "none"], &[]),
            words(&["get", "fresh", "actionproperties", "act", "x"], &[]),
            words(&["set", "fresh", "action", "act", "zeta", "1"], &[]),
            words(&["set", "fresh", "action", "act", "actname", "act"], &[]),
            words(&["get", "fresh", "actionproperties", "act"], &[]),
        ],
    );
    #[rustfmt::skip]
    let known = [
        "actionban", "actioncheck", "actionflush", "actionreban", "actionreload", "actionrepair", "actionstart",
        "actionstop", "actionunban", "timeout", "bantime", "name", "actname", "port", "invented", "banEpoch",
        "ESCAPE_CRE", "ESCAPE_VN_CRE", "norestored", "actionprolong", "actionstart_on_demand", "_name", "_logSys", "_initInfo",
        "__class__", "__dict__", "start", "stop", "ban", "unban", "flush", "reload", "executeCmd", "", "a b",
    ];
    for property in known {
        case(format!("action {property}"), vec![get(property)]);
        if [
            "banEpoch",
            "ESCAPE_CRE",
            "ESCAPE_VN_CRE",
            "__class__",
            "__dict__",
            "executeCmd",
            "_logSys",
            "_initInfo",
        ]
        .contains(&property)
        {
            continue;
        }
        case(
            format!("action {property} set without a value"),
            vec![words(&["set", "fresh", "action", "act", property], &[])],
        );
        // Nobody runs them, but a command without end is no value to play with.
        for value in values().into_iter().filter(|value| *value != "yes".into()) {
            case(
                format!("action {property} {}", value.repr()),
                vec![
                    words(
                        &["set", "fresh", "action", "act", property],
                        std::slice::from_ref(&value),
                    ),
                    get(property),
                    words(&["get", "fresh", "actionproperties", "act"], &[]),
                ],
            );
        }
    }
    for value in values() {
        let shown = value.repr();
        case(
            format!("addaction {shown}"),
            vec![
                words(&["set", "fresh", "addaction"], std::slice::from_ref(&value)),
                words(
                    &["set", "fresh", "addaction", "other"],
                    std::slice::from_ref(&value),
                ),
                words(
                    &["set", "fresh", "addaction", "python", "DIR/none.py"],
                    std::slice::from_ref(&value),
                ),
                words(&["set", "fresh", "delaction"], std::slice::from_ref(&value)),
                words(
                    &["get", "fresh", "actionproperties"],
                    std::slice::from_ref(&value),
                ),
                words(&["get", "fresh", "actionmethods"], std::slice::from_ref(&value)),
                words(&["get", "fresh", "action"], &[value.clone(), "timeout".into()]),
                words(&["get", "fresh", "action", "act"], std::slice::from_ref(&value)),
                words(
                    &["set", "fresh", "action"],
                    &[value.clone(), "timeout".into(), "5".into()],
                ),
                words(&["set", "fresh", "action", "act"], &[value.clone(), "x".into()]),
                words(
                    &["multi-set", "fresh", "action", "act"],
                    std::slice::from_ref(&value),
                ),
            ],
        );
    }
    let pair = |name: &str, value: &str| Value::list([name, value]);
    case(
        "multi-set action".into(),
        vec![
            words(&["multi-set", "fresh", "action", "act"], &[]),
            words(
                &["multi-set", "fresh", "action", "act"],
                &[Value::List(vec![
                    pair("a", "b"),
                    pair("timeout", "2m"),
                    pair("bantime", "9"),
                ])],
            ),
            get("a"),
            get("timeout"),
            get("bantime"),
            words(
                &["multi-set", "fresh", "action", "act"],
                &[Value::List(vec![
                    pair("c", "d"),
                    pair("timeout", "x"),
                    pair("e", "f"),
                ])],
            ),
            get("c"),
            get("e"),
            words(
                &["multi-set", "fresh", "action", "act"],
                &[Value::List(vec![Value::list(["one"])])],
            ),
            words(
                &["multi-set", "fresh", "action", "act"],
                &[Value::List(vec![Value::list(["one", "two", "three"])])],
            ),
            words(
                &["multi-set", "fresh", "action", "none"],
                &[Value::List(vec![pair("a", "b")])],
            ),
            words(&["multi-set", "fresh", "action", "act", "g", "h"], &[]),
        ],
    );
    case(
        "delaction".into(),
        vec![
            words(&["set", "fresh", "delaction", "none"], &[]),
            words(&["set", "fresh", "delaction"], &[]),
            words(&["set", "fresh", "delaction", "act", "x"], &[]),
            words(&["set", "fresh", "delaction", "act"], &[]),
            words(&["set", "fresh", "addaction", "act"], &[]),
        ],
    );
    for method in [
        "start",
        "stop",
        "flush",
        "reload",
        "ban",
        "unban",
        "prolong",
        "reban",
        "consistencyCheck",
        "clearAllParams",
        "invalidateBanEpoch",
        "escapeTag",
        "replaceTag",
    ] {
        for arguments in [
            "{}",
            "[]",
            "",
            "x",
            "{\"aInfo\": {\"ip\": \"192.0.2.9\"}}",
            "{\"bogus\": 1}",
            "5",
            "null",
        ] {
            case(
                format!("method {method} {arguments}"),
                vec![
                    words(&["set", "fresh", "action", "act", method, arguments], &[]),
                    words(&["get", "fresh", "action", "act", "actionstart"], &[]),
                ],
            );
        }
    }
    let call =
        |method: &str, arguments: &str| words(&["set", "fresh", "action", "act", method, arguments], &[]);
    for (method, arguments) in CALLS {
        case(
            format!("method {method} {arguments}"),
            vec![call(method, arguments), get("actionban")],
        );
    }
    let set = |property: &str, value: &str| words(&["set", "fresh", "action", "act", property, value], &[]);
    #[rustfmt::skip]
    let commands = [
        "actionstart", "actionban", "actionunban", "actionflush", "actionreload", "actionstop", "actionprolong",
    ];
    let with_commands = |of: &dyn Fn(&str) -> String| -> Vec<Value> {
        commands
            .iter()
            .map(|command| set(command, &of(command)))
            .collect()
    };
    let calls = |methods: &[&str]| -> Vec<Value> {
        let about = |method: &str| ["ban", "unban", "reban", "prolong"].contains(&method);
        let ban = "{\"aInfo\": {\"ip\": \"192.0.2.9\", \"family\": \"inet4\", \"time\": 5}}";
        let arguments = |method: &str| if about(method) { ban } else { "{}" };
        methods
            .iter()
            .map(|method| call(method, arguments(method)))
            .collect()
    };
    // What has run is in a file, which the next command of the action tells by failing or not.
    let written = |text: &str| {
        call(
            "executeCmd",
            &format!("{{\"realCmd\": \"test \\\"$(cat DIR/ran)\\\" = \\\"{text}\\\"\"}}"),
        )
    };
    let mut requests =
        with_commands(&|command| format!("printf '{command} <ip> <time> <family>;' >> DIR/ran"));
    requests.push(call("executeCmd", "{\"realCmd\": \"rm -f DIR/ran\"}"));
    requests.extend(calls(&[
        "unban", "ban", "prolong", "reban", "unban", "flush", "unban", "reload",
    ]));
    requests.push(written(
        "actionban 192.0.2.9 5 inet4;actionprolong 192.0.2.9 5 inet4;actionban 192.0.2.9 5 inet4;actionunban \
         192.0.2.9 5 inet4;",
    ));
    requests.push(call("executeCmd", "{\"realCmd\": \"false\"}"));
    case("methods that run commands".into(), requests);
    let mut requests = with_commands(&|command| format!("printf {command} >> DIR/started"));
    requests.extend(calls(&[
        "start", "start", "ban", "reload", "flush", "stop", "stop", "unban",
    ]));
    requests.push(call(
        "executeCmd",
        "{\"realCmd\": \"test -s DIR/started && rm DIR/started\"}",
    ));
    case("methods in their order".into(), requests);
    let mut requests = with_commands(&|_| "false".to_owned());
    requests.extend(calls(&[
        "stop", "start", "ban", "unban", "flush", "reload", "prolong", "reban", "stop",
    ]));
    case("methods whose commands fail".into(), requests);
    let mut requests = with_commands(&|_| "false".to_owned());
    requests.push(set("actionban", "true"));
    requests.extend(calls(&[
        "ban", "unban", "flush", "reload", "flush", "stop", "stop",
    ]));
    requests.extend([set("actioncheck", "false"), call("consistencyCheck", "{}")]);
    requests.extend([
        call("clearAllParams", "{}"),
        get("actionban"),
        get("timeout"),
        get("actioncheck"),
    ]);
    requests.extend([
        set("banEpoch", "7"),
        get("_name"),
        set("_name", "x"),
        get("_name"),
    ]);
    case("methods of an action that has banned".into(), requests);
    let mut requests = vec![set("actionstart", "sleep 20"), set("timeout", "1")];
    requests.extend(calls(&["start"]));
    case("a method that takes too long".into(), requests);
    for line in [
        &["get", "one", "actionproperties", "note"][..],
        &["get", "one", "actionmethods", "note"],
        &["get", "one", "action", "note", "actionban"],
        &["get", "one", "action", "note", "actionstart"],
        &["get", "one", "action", "note", "name"],
        &["get", "one", "action", "note", "actname"],
        &["get", "one", "action", "note", "timeout"],
        &["set", "one", "action", "note", "timeout", "5"],
        &["set", "one", "action", "note", "start"],
        &[
            "set",
            "one",
            "action",
            "note",
            "ban",
            "{\"aInfo\":{\"ip\":\"192.0.2.9\"}}",
        ],
        &[
            "set",
            "one",
            "action",
            "note",
            "unban",
            "{\"aInfo\":{\"ip\":\"192.0.2.9\"}}",
        ],
        &["set", "one", "action", "note", "flush"],
        &["set", "one", "action", "note", "stop"],
    ] {
        single(cases, words(line, &[]));
    }
}

/// Calls of methods that are about values alone, or run a command.
#[rustfmt::skip]
const CALLS: [(&str, &str); 52] = [
    ("executeCmd", "{}"),
    ("executeCmd", r#"{"realCmd": "true"}"#),
    ("executeCmd", r#"{"realCmd": "false"}"#),
    ("executeCmd", r#"{"realCmd": "exit 3"}"#),
    ("executeCmd", r#"{"realCmd": ""}"#),
    ("executeCmd", r#"{"realCmd": "", "x": 1}"#),
    ("executeCmd", r#"{"realCmd": null}"#),
    ("executeCmd", r#"{"realCmd": []}"#),
    ("executeCmd", r#"{"realCmd": {}}"#),
    ("executeCmd", r#"{"realCmd": ["exit $0", "3"]}"#),
    ("executeCmd", r#"{"realCmd": ["exit $0", "0"]}"#),
    ("executeCmd", r#"{"realCmd": ["exit $0", 0]}"#),
    ("executeCmd", r#"{"realCmd": 5}"#),
    ("executeCmd", r#"{"realCmd": 1.5}"#),
    ("executeCmd", r#"{"realCmd": true}"#),
    ("executeCmd", r#"{"realCmd": "sleep 20", "timeout": 1}"#),
    ("executeCmd", r#"{"realCmd": "true", "a": "1"}"#),
    ("executeCmd", r#"{"realCmd": "true", "shell": true}"#),
    ("executeCmd", r#"{"realCmd": "true", "varsDict": {}}"#),
    ("executeCmd", r#"{"realCmd": "kill -9 $$"}"#),
    ("executeCmd", r#"{"realCmd": "nosuchcommand_xyz"}"#),
    ("executeCmd", r#"{"timeout": 1}"#),
    ("escapeTag", r#"{"value": "a;b it's\n\r \u2603 x^-_=+.,/:@%#!`~*?<>()[]{}$\"|&\\"}"#),
    ("escapeTag", r#"{"value": ""}"#),
    ("escapeTag", r#"{"value": 5}"#),
    ("escapeTag", r#"{"value": null}"#),
    ("escapeTag", r#"{"value": "a", "x": 1}"#),
    ("replaceTag", r#"{"query": "x <ip> <a> <b> <m> <nope> <br> <sp>", "aInfo": {"ip": "192.0.2.9", "a": 1, "b": "<a>", "m": "x;y"}}"#),
    ("replaceTag", r#"{"query": "<matches> <ipmatches>", "aInfo": {"matches": "a;b", "ipmatches": "c"}}"#),
    ("replaceTag", r#"{"query": "<ip> <a>", "aInfo": {"ip?family=inet6": "six", "ip": "four"}, "conditional": "family=inet6"}"#),
    ("replaceTag", r#"{"query": "<ip> <a>", "aInfo": {"ip?family=inet6": "six", "ip": null, "a": [1, "b"]}}"#),
    ("replaceTag", r#"{"query": "", "aInfo": {}}"#),
    ("replaceTag", r#"{"query": 5, "aInfo": {}}"#),
    ("replaceTag", r#"{"query": "<ip>", "aInfo": 5}"#),
    ("replaceTag", r#"{"query": "<ip>", "aInfo": null}"#),
    ("replaceTag", r#"{"query": "<ip>"}"#),
    ("replaceTag", r#"{"aInfo": {}}"#),
    ("replaceTag", r#"{"query": "<ip>", "aInfo": {}, "bogus": 1}"#),
    ("replaceDynamicTags", r#"{"realCmd": "echo <ip> <m> <f>", "aInfo": {"ip": "192.0.2.9", "m": "x;y", "f": 5}}"#),
    ("replaceDynamicTags", r#"{"realCmd": "echo <ip>", "aInfo": {"ip": "192.0.2.9"}}"#),
    ("replaceDynamicTags", r#"{"realCmd": "x", "aInfo": null}"#),
    ("replaceDynamicTags", r#"{"realCmd": 5, "aInfo": {}}"#),
    ("replaceDynamicTags", r#"{"realCmd": "<ip>", "aInfo": 5}"#),
    ("replaceDynamicTags", r#"{"realCmd": "x"}"#),
    ("ban", r#"{"aInfo": 5}"#),
    ("unban", r#"{"aInfo": []}"#),
    ("ban", r#"{"aInfo": {}}"#),
    ("unban", r#"{"aInfo": {}}"#),
    ("prolong", r#"{"aInfo": {}}"#),
    ("reload", r#"{"x": 1}"#),
    ("consistencyCheck", r#"{"x": 1}"#),
    ("invalidateBanEpoch", "{}"),
];

/// Several commands in one.
fn streams(cases: &mut Vec<Case>) {
    let stream = |lines: &[&[&str]]| Value::List(lines.iter().map(|line| words(line, &[])).collect());
    let asked = |lines: &[&[&str]]| {
        vec![
            words(&["server-stream"], &[stream(lines)]),
            words(&["status"], &[]),
        ]
    };
    let mut case = |name: &str, mut requests: Vec<Value>| {
        requests.push(words(&["stop", "fresh"], &[]));
        cases.push(Case {
            name: name.to_owned(),
            requests,
        });
    };
    case("stream of nothing", asked(&[]));
    case(
        "stream",
        asked(&[
            &["add", "fresh", "polling"],
            &["set", "fresh", "maxretry", "3"],
            &["get", "fresh", "maxretry"],
            &["echo", "x"],
        ]),
    );
    case("stream with a word that is none", asked(&[&["bogus"]]));
    case("stream with no word", asked(&[&[]]));
    case(
        "stream within a stream",
        vec![words(
            &["server-stream"],
            &[Value::List(vec![words(
                &["server-stream"],
                &[stream(&[&["ping"]])],
            )])],
        )],
    );
    case(
        "stream with a status",
        asked(&[&["status"], &["version"], &["config-error", "text"]]),
    );
}

/// What ends jails.
fn at_the_end(cases: &mut Vec<Case>) {
    single(cases, words(&["add", "one", "polling"], &[]));
    single(cases, words(&["start", "one"], &[]));
    single(cases, words(&["stop", "one", "two"], &[]));
    single(cases, words(&["status"], &[]));
    single(cases, words(&["stop", "--all", "x"], &[]));
    single(cases, words(&["status"], &[]));
    single(cases, words(&["status", "--all"], &[]));
    single(cases, words(&["stats"], &[]));
    single(cases, words(&["banned"], &[]));
    single(cases, words(&["unban", "--all"], &[]));
    for file in [
        "DIR/other",
        "none",
        "NONE",
        "None",
        ":memory:",
        "DIR/db",
        "/nonexistent/directory/db",
    ] {
        let requests = vec![
            words(&["set", "dbfile", file], &[]),
            words(&["get", "dbfile"], &[]),
            words(&["get", "dbmaxmatches"], &[]),
            words(&["get", "dbpurgeage"], &[]),
            words(&["set", "dbmaxmatches", "7"], &[]),
            words(&["set", "dbpurgeage", "2d"], &[]),
        ];
        cases.push(Case {
            name: format!("dbfile {file}"),
            requests,
        });
    }
}
