//! Clients and servers, ours and the reference's, crosswise.
//!
//! One session of commands is held with each pairing of a server and a client. What the reference's own pair
//! prints, and the exit status of each command, is what every other pair has to print and exit with.

use std::sync::OnceLock;

use stockade_conformance::{Ran, Subject, Warm, has_reference};

use crate::commands::{self, COMMANDS};
use crate::stage::Stage;

#[test]
fn their_client_and_our_server() {
    check(Pair {
        server: Subject::under_test(),
        client: Subject::Reference,
    });
}

#[test]
fn our_client_and_their_server() {
    check(Pair {
        server: Subject::Reference,
        client: Subject::under_test(),
    });
}

#[test]
fn our_client_and_our_server() {
    check(Pair {
        server: Subject::under_test(),
        client: Subject::under_test(),
    });
}

#[test]
fn every_command_reads_the_same_in_our_client_and_from_our_server() {
    if !has_reference() {
        return;
    }
    let expected = every_command(THE_REFERENCE);
    let ours = Subject::under_test();
    let theirs = Subject::Reference;
    for (server, client) in [(ours, theirs), (theirs, ours), (ours, ours)] {
        let found = every_command(Pair { server, client });
        let differences: Vec<String> = expected
            .iter()
            .zip(&found)
            .filter(|(expected, found)| expected != found)
            .map(|((words, expected), (_, found))| {
                format!("{words}:\n  the reference: {expected:?}\n  this pair:     {found:?}")
            })
            .collect();
        assert!(
            differences.is_empty(),
            "{} of {} with {server:?} and {client:?}:\n{}",
            differences.len(),
            expected.len(),
            differences.join("\n")
        );
    }
}

/// What a client does by itself, or makes of what it is told in its own ways.
#[rustfmt::skip]
const BESIDES: [&[&str]; 73] = [
    &["-h"],
    &["--help", "ping"],
    &["-vV"],
    &["-v", "ping"],
    &["-v", "-q", "ping"],
    &["-q", "-q", "status", "nojail"],
    &["--timeout", "5", "ping"],
    &["--timeout", "1m", "status"],
    &["--timeout", "x", "ping"],
    &["--timeout"],
    &["--time", "5", "ping"],
    &["--async"],
    &["--async", "ping"],
    &["--bogus"],
    &["-Z", "ping"],
    &["-s"],
    &["-p", "DIR/nopid", "ping"],
    &["--loglevel", "DEBUG", "ping"],
    &["--loglevel", "bogus", "ping"],
    &["--logtarget", "STDERR", "ping"],
    &["--syslogsocket", "auto", "ping"],
    &["--pname", "x", "ping"],
    &["-x", "ping"],
    &["-b", "ping"],
    &["-f", "ping"],
    &["--str2sec", ""],
    &["--str2sec", "1.5h"],
    &["-s", "DIR/none", "ping"],
    &["-s", "DIR/none", "status"],
    &["-s", "DIR/one.log", "status"],
    &["-c", "/nonexistent", "ping"],
    &["-i", "-q", "ping"],
    &["set", "one", "action", "note", "start"],
    &["set", "one", "action", "note", "ban", r#"{"aInfo":{"ip":"192.0.2.9"}}"#],
    &["set", "one", "action", "note", "executeCmd", r#"{"realCmd":"false"}"#],
    &["set", "one", "action", "note", "actionban", "false"],
    &["set", "one", "action", "note", "ban", r#"{"aInfo":{"ip":"192.0.2.9"}}"#],
    &["get", "one", "actionproperties", "note"],
    &["get", "one", "actionmethods", "note"],
    &["--str2sec", "1d2h"],
    &["--str2sec", "1h30m+5"],
    &["--str2sec", "foo"],
    &["-V"],
    &["--version"],
    &["ping", "0.5"],
    &["ping", "abc"],
    &["ping", "-1"],
    &["sleep", "0.05"],
    &["sleep"],
    &["sleep", "abc"],
    &["-q", "status"],
    &["-q", "status", "nojail"],
    &["-t"],
    &["-t", "status"],
    &["--test", "ping"],
    &["start"],
    &["reload", "--all"],
    &["reload", "--unban"],
    &["reload", "--unban", "one"],
    &["reload", "--restart"],
    &["reload", "--restart", "--unban", "one"],
    &["reload", "--if-exists", "one"],
    &["reload", "--if-exists", "nojail"],
    &["reload", "--bogus"],
    &["reload", "nojail"],
    &["reload", "x", "y"],
    &["restart", "one"],
    &["restart", "--unban", "one"],
    &["restart", "--if-exists", "nojail"],
    &["set", "two", "banip", "192.0.2.1", "2001:db8::1"],
    &["get", "two", "banip", "--with-time"],
    &["status", "--all"],
    &["unban", "192.0.2.1", "2001:db8::1"],
];

/// What somebody types who has started the client with `-i`.
const TYPED: [&str; 6] = [
    "status\nping\nstatus nojail\nquit\n",
    "set one\nset one maxretry 'a b'\nping 'unclosed\nexit\n",
    "\n\necho a  'b c' \"d e\"\nexit\n",
    "ping\n",
    "",
    "reload\nreload one\nstatus one\nquit\n",
];

/// Everything that can be said to a client, and what it left.
fn every_command(pair: Pair) -> Vec<(String, Ran)> {
    let stage = commands::stage();
    let server = stage.start(pair.server, &["one", "two"]);
    let mut warm = (pair.client == Subject::Reference).then(Warm::client);
    let directory = stage.path().display().to_string();
    let mut exchanges = Vec::new();
    for words in COMMANDS.iter().chain(&BESIDES) {
        let here: Vec<String> = words.iter().map(|word| stage.here(word)).collect();
        let mut line: Vec<&str> = vec!["-c", &directory];
        line.extend(here.iter().map(String::as_str));
        let ran = match &mut warm {
            Some(warm) => stage.tidy(&warm.call(stage.path(), &line)),
            None => stage.say(pair.client, line.get(2..).unwrap_or_default()),
        };
        exchanges.push((words.join(" "), without_wording(ran)));
    }
    for typed in TYPED {
        exchanges.push((
            format!("-i: {typed:?}"),
            stage.say_with(pair.client, &["-i"], typed),
        ));
    }
    exchanges.push(("stop".to_owned(), stage.say(pair.client, &["stop"])));
    server.ends_well();
    exchanges
}

/// A usage is worded by each in its own way; what it lists counts: options, commands, and what `set` and `get` know.
fn without_wording(ran: Ran) -> Ran {
    if !ran.stdout.contains("Usage: ") {
        return ran;
    }
    let mut listed: Vec<String> = Vec::new();
    for line in ran.stdout.lines() {
        let Some(line) = line.strip_prefix("    ").filter(|line| !line.starts_with(' ')) else {
            // What is no list is said before the usage, or is its wording.
            continue;
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let options = words.iter().take_while(|word| word.starts_with(['-', '<']));
        listed.extend(
            options
                .filter(|word| word.starts_with('-'))
                .map(|word| word.trim_end_matches(',').to_owned()),
        );
        match words.as_slice() {
            [verb @ ("set" | "get"), what, property, ..] if what.starts_with('<') => {
                listed.push(format!("{verb} JAIL {property}"));
            }
            [verb @ ("set" | "get"), option, ..] => listed.push(format!("{verb} {option}")),
            // An abbreviation that is none of the commands.
            ["stat[istic]s", ..] => listed.push("stats".to_owned()),
            [command, ..] if !command.starts_with('-') => listed.push((*command).to_owned()),
            [..] => {}
        }
    }
    listed.sort_unstable();
    listed.dedup();
    Ran {
        stdout: listed.join("\n"),
        ..ran
    }
}

/// A server that the client itself starts, in the background.
#[test]
fn a_server_is_started_in_the_background_restarted_and_stopped() {
    const LINES: [&[&str]; 12] = [
        &["status"],
        &["start"],
        &["start"],
        &["ping"],
        &["status"],
        &["restart"],
        &["status", "one"],
        &["reload"],
        &["stop"],
        &["stop"],
        &["reload"],
        &["ping"],
    ];
    if !has_reference() {
        return;
    }
    let session = |subject| -> Vec<Ran> {
        let stage = stage();
        LINES.iter().map(|words| stage.say(subject, words)).collect()
    };
    let (expected, found) = (session(Subject::Reference), session(Subject::under_test()));
    for ((words, expected), found) in LINES.iter().zip(expected).zip(found) {
        assert_eq!(found, expected, "{words:?}");
    }
}

/// The reference knows a banned address by its canonical spelling alone; to it the others are not banned. We know
/// the address.
#[test]
fn an_address_is_unbanned_however_it_is_written() {
    const STEPS: [Step; 10] = [
        ("ban", &["set", "one", "banip", "2001:db8::a", "192.0.2.1"]),
        ("upper case", &["set", "one", "unbanip", "2001:DB8::A"]),
        ("ban again", &["set", "one", "banip", "2001:db8::a"]),
        ("zeros", &["set", "one", "unbanip", "2001:db8:0::a"]),
        ("ban again", &["set", "one", "banip", "2001:db8::a"]),
        ("brackets", &["set", "one", "unbanip", "[2001:db8::a]"]),
        ("a whole prefix", &["set", "one", "unbanip", "192.0.2.1/32"]),
        ("ban again", &["set", "one", "banip", "192.0.2.1"]),
        ("mapped", &["set", "one", "unbanip", "::ffff:192.0.2.1"]),
        ("stop", &["stop"]),
    ];
    if !has_reference() {
        return;
    }
    let answers = |server| -> Vec<String> {
        let exchanges = session(
            Pair {
                server,
                client: Subject::Reference,
            },
            &STEPS,
        );
        exchanges
            .into_iter()
            .map(|(_, ran)| ran.stdout.trim_end().to_owned())
            .collect()
    };
    let theirs = ["2", "0", "0", "0", "0", "0", "0", "0", "0", "Shutdown successful"];
    let ours = ["2", "1", "1", "1", "1", "1", "1", "1", "1", "Shutdown successful"];
    assert_eq!(answers(Subject::Reference), theirs, "the reference");
    if Subject::under_test() == Subject::Ours {
        assert_eq!(answers(Subject::Ours), ours, "ours");
    }
}

/// A command of a session, and whether somebody is there to hear it.
type Step = (&'static str, &'static [&'static str]);

/// Before the server is started, and again after it was stopped.
const ALONE: [Step; 4] = [
    ("ping nobody", &["ping"]),
    ("status of nobody", &["status"]),
    ("ban by nobody", &["set", "one", "banip", "192.0.2.1"]),
    ("stop nobody", &["stop"]),
];

/// While it runs; the last one ends it.
const SESSION: [Step; 55] = [
    ("ping", &["ping"]),
    ("ping with a time", &["ping", "5"]),
    ("ping with no time", &["ping", "soon"]),
    ("status", &["status"]),
    ("status of a quiet jail", &["status", "one"]),
    ("status of no jail", &["status", "none"]),
    ("status of two jails", &["status", "one", "two"]),
    ("a word that is no command", &["frobnicate"]),
    ("a word that is no subcommand", &["set", "one", "frobnicate", "1"]),
    ("a set of nothing", &["set"]),
    ("a get of nothing", &["get", "one"]),
    ("ban", &["set", "one", "banip", "192.0.2.1"]),
    ("ban again", &["set", "one", "banip", "192.0.2.1"]),
    (
        "ban several",
        &[
            "set",
            "one",
            "banip",
            "192.0.2.9",
            "192.0.2.3",
            "198.51.100.77",
            "192.0.2.9",
        ],
    ),
    ("ban in upper case", &["set", "one", "banip", "2001:DB8::A"]),
    (
        "ban a mapped address",
        &["set", "one", "banip", "::ffff:203.0.113.5"],
    ),
    ("ban in brackets", &["set", "one", "banip", "[2001:db8::b]"]),
    ("ban a network", &["set", "one", "banip", "198.51.100.99/24"]),
    (
        "ban a network by its mask",
        &["set", "one", "banip", "203.0.113.200/255.255.255.192"],
    ),
    ("ban a word", &["set", "one", "banip", "not-an-address"]),
    ("ban no address", &["set", "one", "banip"]),
    ("ban in no jail", &["set", "none", "banip", "192.0.2.1"]),
    (
        "ban in the other jail",
        &["set", "two", "banip", "192.0.2.1", "192.0.2.200"],
    ),
    ("status of a jail with bans", &["status", "one"]),
    ("status of the other jail", &["status", "two"]),
    ("a short status", &["status", "one", "short"]),
    ("unban", &["set", "one", "unbanip", "192.0.2.3"]),
    ("unban again", &["set", "one", "unbanip", "192.0.2.3"]),
    ("unban in lower case", &["set", "one", "unbanip", "2001:db8::a"]),
    (
        "unban several",
        &["set", "one", "unbanip", "192.0.2.9", "192.0.2.10", "2001:db8::b"],
    ),
    (
        "unban a banned network",
        &["set", "one", "unbanip", "198.51.100.0/24"],
    ),
    (
        "unban all in a network",
        &["set", "one", "unbanip", "198.51.100.0/24"],
    ),
    (
        "unban what is absent, and say so",
        &["set", "one", "unbanip", "--report-absent", "192.0.2.3"],
    ),
    (
        "unban what is there, and say so",
        &["set", "one", "unbanip", "--report-absent", "203.0.113.5"],
    ),
    ("unban a word", &["set", "one", "unbanip", "not-an-address"]),
    ("unban no address", &["set", "one", "unbanip"]),
    ("unban in no jail", &["set", "none", "unbanip", "192.0.2.1"]),
    ("status after that", &["status", "one"]),
    ("unban everywhere", &["unban", "192.0.2.1"]),
    ("unban nobody everywhere", &["unban", "192.0.2.1", "192.0.2.2"]),
    ("unban without a word", &["unban"]),
    (
        "ban for the end",
        &["set", "two", "banip", "192.0.2.44", "192.0.2.45"],
    ),
    ("unban all", &["unban", "--all"]),
    ("unban all again", &["unban", "--all"]),
    ("status of the emptied jail", &["status", "two"]),
    ("version", &["version"]),
    ("reload", &["reload"]),
    ("reload a jail", &["reload", "one"]),
    ("reload a jail, lifting its bans", &["reload", "--unban", "one"]),
    ("reload no jail", &["reload", "none"]),
    ("reload no jail, if it exists", &["reload", "--if-exists", "none"]),
    ("reload too much", &["reload", "one", "two"]),
    ("restart a jail", &["restart", "one"]),
    ("status at the end", &["status"]),
    ("stop", &["stop"]),
];

#[derive(Clone, Copy, PartialEq, Eq)]
struct Pair {
    server: Subject,
    client: Subject,
}

const THE_REFERENCE: Pair = Pair {
    server: Subject::Reference,
    client: Subject::Reference,
};

/// What a command printed and how it ended, under its name.
type Exchange = (&'static str, Ran);

/// Compares a session of `pair` with one of the reference's own.
fn check(pair: Pair) {
    static EXPECTED: OnceLock<Vec<Exchange>> = OnceLock::new();
    if !has_reference() {
        return;
    }
    let expected = EXPECTED.get_or_init(|| conversation(THE_REFERENCE));
    let found = conversation(pair);
    assert_eq!(expected.len(), found.len(), "a session is as long as the other");
    let differences: Vec<String> = expected
        .iter()
        .zip(&found)
        .filter(|(expected, found)| expected != found)
        .map(|((name, expected), (_, found))| {
            format!("{name}:\n  the reference: {expected:?}\n  this pair:     {found:?}")
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Everything one can say: to nobody, to the server, and to nobody again.
fn conversation(pair: Pair) -> Vec<Exchange> {
    let stage = stage();
    let mut exchanges = say_all(&stage, pair.client, &ALONE);
    exchanges.extend(session_on(&stage, pair, &SESSION));
    exchanges.extend(say_all(&stage, pair.client, &ALONE));
    exchanges
}

/// Says `steps`, the last of which ends the server, on a stage of their own.
fn session(pair: Pair, steps: &[Step]) -> Vec<Exchange> {
    session_on(&stage(), pair, steps)
}

fn session_on(stage: &Stage, pair: Pair, steps: &[Step]) -> Vec<Exchange> {
    let server = stage.start(pair.server, &["one", "two"]);
    let exchanges = say_all(stage, pair.client, steps);
    server.ends_well();
    exchanges
}

fn say_all(stage: &Stage, client: Subject, steps: &[Step]) -> Vec<Exchange> {
    steps
        .iter()
        .map(|(name, words)| (*name, stage.say(client, words)))
        .collect()
}

/// Two jails that watch quiet files and do nothing.
fn stage() -> Stage {
    let jails = "[DEFAULT]\nbackend = polling\nbantime = 600\nfindtime = 600\nmaxretry = 5\nusedns = no\n\
        enabled = true\nfilter = simple\n[one]\nlogpath = DIR/one.log\n[two]\nlogpath = DIR/two.log\n";
    Stage::new(&[
        ("jail.conf", jails),
        (
            "filter.d/simple.conf",
            "[Definition]\nfailregex = ^login from <HOST> failed$\nignoreregex =\n",
        ),
        ("one.log", ""),
        ("two.log", ""),
    ])
}
