//! Structured lines, from the configuration to the ban: by fields, in envelopes, and over the control socket.

use std::fs;
use std::sync::Arc;

use stockade_conformance::{Subject, run, until};
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Entry, Filter, Output, StructureOptions};

use crate::filters::{own_commands_of, own_configuration};
use crate::samples::{NOW, counts, filter_of, zone};
use crate::stage::{PATIENCE, Stage};

const FILTER: &str = r#"
[Definition]
lineformat = json
field.time = ts
field.host = request.remote_ip
field.user = request.headers."X-User"[0]
failwhen = status in 401 403 and request.uri ~ ^/login
           msg = "login failed"
ignorewhen = request.uri = /login/health
"#;

const JAIL: &str = "\
[DEFAULT]
backend = polling
action =
usedns = no
maxretry = 2
[app]
enabled = true
filter = app
logpath = DIR/app.log
[boxed]
enabled = true
filter = plain
lineformat = docker
logpath = DIR/boxed.log
";

const PLAIN: &str = "[Definition]\nfailregex = ^login from <HOST> failed$\n";

fn stage() -> Stage {
    Stage::new(&[
        ("filter.d/app.conf", FILTER),
        ("filter.d/plain.conf", PLAIN),
        ("jail.conf", JAIL),
        ("app.log", ""),
        ("boxed.log", ""),
    ])
}

#[test]
fn fields_and_envelopes_lead_to_bans() {
    let stage = stage();
    let dump = stage.say(Subject::Ours, &["-d"]);
    let told: Vec<&str> = dump
        .stdout
        .lines()
        .filter(|line| line.contains("lineformat") || line.contains("field.") || line.contains("when"))
        .collect();
    assert_eq!(
        told,
        [
            "['set', 'app', 'lineformat', 'json']",
            "['set', 'app', 'field.time', 'ts']",
            "['set', 'app', 'field.host', 'request.remote_ip']",
            "['set', 'app', 'field.user', 'request.headers.\"X-User\"[0]']",
            "['set', 'app', 'failwhen', 'status in 401 403 and request.uri ~ ^/login\\nmsg = \"login failed\"']",
            "['set', 'app', 'ignorewhen', 'request.uri = /login/health']",
            "['set', 'boxed', 'lineformat', 'docker']",
        ],
        "{dump:?}"
    );

    let server = stage.start(Subject::Ours, &["app", "boxed"]);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock after 1970")
        .as_secs();
    let date = run(
        std::process::Command::new("date").args(["-u", "-d", &format!("@{now}"), "+%Y-%m-%dT%H:%M:%SZ"]),
        PATIENCE,
    )
    .expect("a date");
    let date = date.trim();
    let app = |ip: &str, uri: &str| {
        format!(
            r#"{{"ts":{now}.25,"request":{{"remote_ip":"{ip}","uri":"{uri}","headers":{{"X-User":["jane"]}}}},"status":401}}"#
        ) + "\n"
    };
    stage.append(
        "app.log",
        &[
            app("192.0.2.1", "/login"),
            app("192.0.2.2", "/login/health"),
            app("192.0.2.2", "/login/health"),
            app("192.0.2.3, 192.0.2.4", "/login"),
            app("192.0.2.3, 192.0.2.4", "/login"),
            "no JSON\n".to_owned(),
            // Whoever he is, he cannot be somebody else.
            app("192.0.2.1", r#"/login\",\"remote_ip\":\"192.0.2.5\",\"x\":\""#),
        ]
        .concat(),
    );
    let boxed =
        format!(r#"{{"log":"login from 192.0.2.9 failed\n","stream":"stdout","time":"{date}"}}"#) + "\n";
    stage.append("boxed.log", &boxed.repeat(2));
    for message in ["[app] Ban 192.0.2.1\n", "[boxed] Ban 192.0.2.9\n"] {
        until(
            message,
            PATIENCE,
            || stage.state(),
            || stage.read("log").contains(message).then_some(()),
        );
    }
    let bans = stage.read("log").matches("] Ban ").count();
    assert_eq!(bans, 2, "{}", stage.state());
    let status = stage.say(Subject::Ours, &["status", "app"]).expect("a status");
    assert!(
        status.contains("not structured as they should be"),
        "what is not read is counted: {status}"
    );

    let say = |words: &[&str]| {
        let ran = stage.say(Subject::Ours, words);
        format!("{}{}", ran.stdout, ran.stderr).trim_end().to_owned()
    };
    assert_eq!(say(&["get", "app", "field.host"]), "request.remote_ip");
    assert_eq!(say(&["get", "boxed", "lineformat"]), "docker");
    assert_eq!(say(&["get", "boxed", "failwhen"]), "");
    let refused = say(&["set", "app", "failwhen", "status == 401"]);
    assert!(refused.contains("`=` is meant, it seems"), "{refused}");
    assert!(
        say(&["get", "app", "failwhen"]).starts_with("status in 401 403"),
        "what is refused changes nothing"
    );
    assert_eq!(say(&["set", "app", "failwhen", "status = 418"]), "status = 418");
    let teapot = app("192.0.2.6", "/").replace("401", "418");
    stage.append("app.log", &teapot.repeat(2));
    let message = "[app] Ban 192.0.2.6\n";
    until(
        message,
        PATIENCE,
        || stage.state(),
        || stage.read("log").contains(message).then_some(()),
    );
    let stopped = stage.say(Subject::Ours, &["stop"]);
    assert!(stopped.succeeded(), "{stopped:?}");
    server.ends_well();
}

#[test]
fn both_testers_say_what_becomes_of_a_line() {
    let stage = stage();
    stage.write(
        "app.log",
        "{\"ts\":1107399906.789,\"status\":401,\"request\":{\"remote_ip\":\"192.0.2.10\",\"uri\":\"/login\"}}\n\
         {\"ts\":1107399907,\"status\":200}\n\
         {\"ts\":1107399908,\"status\":401,\"status\":401}\n\
         {\"ts\":1107399909,\"msg\":\"login failed\"}\n\
         \u{e9} {\n",
    );
    let log = stage.here("DIR/app.log");
    let mut test = Subject::stockade();
    let directory = stage.path().display().to_string();
    test.args(["test", "-c", &directory, "app", &log]);
    let told = run(&mut test, PATIENCE).stdout;
    for expected in [
        "192.0.2.10 is counted, 1 of 2 within 10m (failwhen 1)",
        "failwhen is not met",
        "it has a name twice that leads to a field",
        "failwhen is met, but field.host is no address",
        "it is no JSON",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let mut regex = Subject::Ours.regex();
    regex.args(["-c", &directory, &log, "app"]);
    let told = run(&mut regex, PATIENCE).stdout;
    for expected in [
        "Failregex: 1 total",
        "[1] status in 401 403 and request.uri ~ ^/login",
        "Lines: 5 lines, 0 ignored, 1 matched, 4 missed",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

/// Every filter of ours finds in the log of a container what it finds in a log of its own.
#[test]
fn stock_filters_find_the_same_in_an_envelope() {
    let docker = |text: &str| {
        serde_json::json!({"log": format!("{text}\n"), "stream": "stdout", "time": "2005-08-14T10:00:00.5Z"})
            .to_string()
    };
    let cri = |text: &str| format!("2005-08-14T10:00:00.5Z stderr F {text}");
    let clock = Clock::new(Timestamp::from_seconds(NOW), zone());
    let mut compared = 0;
    for file in fs::read_dir(own_configuration().join("tests")).expect("their logs") {
        let path = file.expect("a directory can be read").path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let log = fs::read_to_string(&path).expect("a log is text");
        let commands = own_commands_of(&name);
        let mut plain = filter_of(&commands);
        let mut boxed = plain.clone();
        let mut options = StructureOptions::default();
        assert!(options.set("lineformat", "auto"), "an option");
        let structure = options.compile().expect("a format").expect("it is set");
        boxed.set_structure(Some(Arc::new(structure)));
        for line in log.lines().filter(|line| !line.starts_with('#')) {
            let find = |filter: &mut Filter, text: &str| {
                let mut out = Output::default();
                filter.process(Entry::Text(text), &clock, true, &mut out);
                let found = out.found.into_iter().filter(counts);
                found.map(|found| (found.regex, found.who)).collect::<Vec<_>>()
            };
            let expected = find(&mut plain, line);
            for envelope in [docker(line), cri(line)] {
                // A session would hear everything twice.
                let mut boxed = boxed.clone();
                assert_eq!(find(&mut boxed, &envelope), expected, "{name}: {envelope}");
                compared += expected.len();
            }
            find(&mut boxed, &docker(line));
        }
    }
    assert!(compared > 200, "{compared} matches were compared");
}
