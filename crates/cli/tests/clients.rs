//! The programs that talk to a daemon, against one that answers from a table: what they send, print, and exit with.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test opens sockets, and stops at the first surprise"
)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use stockade_protocol::{Answer, Failure, Frame, Framer, Value, message, pickle};
use tempfile::TempDir;

/// What the daemon of these tests answers to the words of a command.
fn answer(words: &Value) -> Answer {
    let line: Vec<String> = words.items().unwrap().iter().map(Value::text).collect();
    let bans = || {
        vec![
            Value::pair("Currently banned", 1),
            Value::pair("Banned IP list", Value::list(["192.0.2.1"])),
        ]
    };
    let value: Value = match line.join(" ").as_str() {
        "refuse me" => return Answer::Refused("ERROR: pickle data was truncated".to_owned()),
        "end" => return Answer::ShuttingDown,
        "status nojail" => return Err(Failure::unknown_jail("nojail")).into(),
        "set" => return Err(Failure::missing_argument()).into(),
        "version" => "1.1.1".into(),
        "status" => Value::List(vec![
            Value::pair("Number of jail", 1),
            Value::pair("Jail list", "one"),
        ]),
        "status one" => Value::List(vec![Value::pair("Actions", Value::List(bans()))]),
        "set one banip 192.0.2.1 192.0.2.2" => 1.into(),
        "unban 192.0.2.1" | "unban --all" | "set one unbanip 192.0.2.9" => 2.into(),
        "set one unbanip 192.0.2.8" => 0.into(),
        "set one ban {'bantime': 259200, 'reason': 'scans our ports'} 192.0.2.1 2001:db8::/64" => 2.into(),
        "set one maxretry 7" | "get one maxretry" => 7.into(),
        "get one banip --with-time" => Value::list([
            "192.0.2.1 \t2026-11-21 23:29:28 + 600 = 2026-11-21 23:39:28",
            "2001:db8::/64 \t2026-11-21 23:30:00 + -1 = 9999-12-31 23:59:59",
        ]),
        "get one standings" => Value::List(vec![standings()]),
        "stop" => Value::None,
        line if line.starts_with("reload") => "OK".into(),
        line if line.starts_with("echo") => Value::List(words.items().unwrap()[1..].to_vec()),
        _ => "pong".into(),
    };
    Ok(value).into()
}

/// What an action has made of the bans of the jail.
fn standings() -> Value {
    let dict = |pairs: Vec<(&str, Value)>| {
        Value::Dict(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
        )
    };
    let ban = dict(vec![
        ("id", "2001:db8::/64".into()),
        ("state", "failed".into()),
        ("failures", 2.into()),
        ("how", "returned 3".into()),
        ("status", 3.into()),
        ("stderr", "no such chain".into()),
        ("again", 1_795_303_800.into()),
    ]);
    dict(vec![
        ("action", "wall".into()),
        ("failed", 1.into()),
        ("pending", 0.into()),
        ("bans", Value::List(vec![ban])),
    ])
}

/// A daemon, and what it was told.
struct Daemon {
    directory: TempDir,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Daemon {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let server = format!(
            "[Definition]\nsocket = {at}/sock\npidfile = {at}/pid\nloglevel = INFO\nlogtarget = {at}/log\n\
             syslogsocket = auto\ndbfile = none\n",
            at = at.display()
        );
        fs::write(at.join("fail2ban.conf"), server).unwrap();
        fs::write(
            at.join("jail.conf"),
            "[one]\nenabled = true\nfilter =\nbackend = systemd\n",
        )
        .unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = UnixListener::bind(at.join("sock")).unwrap();
        let hearing = Arc::clone(&heard);
        // It ends with the tests: the thread goes with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &hearing);
            }
        });
        Self { directory, heard }
    }

    /// Runs a program; everything but the time of log lines is kept.
    fn run(&self, program: &str, words: &[&str], input: &str) -> Ran {
        let mut child = Command::new(program)
            .args(words)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("PYTHONIOENCODING")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that takes no input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let plain = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            text.lines().map(without_time).collect::<Vec<_>>().join("\n")
        };
        Ran {
            stdout: plain(output.stdout),
            stderr: plain(output.stderr),
            status: output.status.code(),
            heard: std::mem::take(&mut self.heard.lock().unwrap()),
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// What a program did.
struct Ran {
    stdout: String,
    stderr: String,
    status: Option<i32>,
    heard: Vec<String>,
}

fn serve(mut stream: UnixStream, heard: &Mutex<Vec<String>>) {
    let mut framer = Framer::new();
    let mut block = [0; 4096];
    loop {
        let Ok(length @ 1..) = stream.read(&mut block) else {
            return;
        };
        framer.push(&block[..length]).unwrap();
        while let Some(frame) = framer.frame() {
            let Frame::Message(bytes) = frame else { return };
            let words = pickle::decode(&bytes).unwrap();
            heard.lock().unwrap().push(words.repr());
            let _ = stream.write_all(&message(&answer(&words).into_value()));
        }
    }
}

/// A line of the log from its level on, or any other line as it is.
fn without_time(line: &str) -> &str {
    match line.split_once("]: ") {
        Some((before, rest)) if before.contains(" fail2ban") => rest,
        _ => line,
    }
}

#[test]
fn the_compatible_client_prints_what_the_reference_prints() {
    let daemon = Daemon::start();
    let path = daemon.path().to_str().unwrap().to_owned();
    // Words, standard output, standard error, status, and what the daemon heard.
    type Case<'a> = (&'a [&'a str], &'a str, &'a str, i32, &'a [&'a str]);
    let cases: [Case<'_>; 18] = [
        (&["ping"], "Server replied: pong", "", 0, &["['ping']"]),
        (&["ping", "5"], "Server replied: pong", "", 0, &["['ping', '5']"]),
        (
            &["ping", "soon"],
            "",
            "ERROR   could not convert string to float: 'soon'",
            255,
            &[],
        ),
        (&["-q", "version"], "1.1.1", "", 0, &["['version']"]),
        (
            &["status"],
            "Status\n|- Number of jail:\t1\n`- Jail list:\tone",
            "",
            0,
            &["['status']"],
        ),
        (
            &["status", "nojail"],
            "Sorry but the jail 'nojail' does not exist",
            "ERROR   NOK: ('nojail',)",
            255,
            &["['status', 'nojail']"],
        ),
        (
            &["set"],
            "Sorry but the command is invalid",
            "ERROR   NOK: ('list index out of range',)",
            255,
            &["['set']"],
        ),
        (&["echo", "-x", "é"], "-x é", "", 0, &["['echo', '-x', 'é']"]),
        (&["stop"], "Shutdown successful", "", 0, &["['stop']"]),
        (
            &["refuse", "me"],
            "",
            "ERROR   pickle data was truncated",
            255,
            &["['refuse', 'me']"],
        ),
        (
            &["end"],
            "",
            "ERROR   the server is about to end and takes no commands any more",
            255,
            &["['end']"],
        ),
        (
            &["start"],
            "",
            "ERROR   Server already running",
            255,
            &["['ping']"],
        ),
        (
            &["reload", "--all", "--unban"],
            "",
            "ERROR   Unexpected argument(s) for reload: ['--all', '--unban']",
            255,
            &[],
        ),
        (
            &["reload", "--if-exists", "nojail"],
            "",
            "ERROR   Failed during configuration: No section: 'nojail'",
            255,
            &["['ping']"],
        ),
        (
            &["-t"],
            "OK: configuration test is successful",
            "WARNING No filter set for jail one\nWARNING No actions were defined for one",
            0,
            &[],
        ),
        (&["--str2sec", "1h 30m"], "5400", "", 0, &[]),
        (
            &["--timeout", "x", "ping"],
            "ERROR: name 'x' is not defined",
            "Init of command line failed",
            255,
            &[],
        ),
        (
            &["--loglevel", "x", "ping"],
            "ERROR: Invalid log level 'x'",
            "ERROR   Init of command line failed",
            255,
            &[],
        ),
    ];
    for (words, stdout, stderr, status, heard) in cases {
        let words = [&["-c", path.as_str()], words].concat();
        let ran = daemon.run(env!("CARGO_BIN_EXE_fail2ban-client"), &words, "");
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            (stdout, stderr),
            "{words:?}"
        );
        assert_eq!(ran.status, Some(status), "{words:?}");
        assert_eq!(ran.heard, heard, "{words:?}");
    }
}

#[test]
fn a_reload_sends_the_configuration() {
    let daemon = Daemon::start();
    let path = daemon.path().to_str().unwrap().to_owned();
    let cases: [(&[&str], &str); 3] = [
        (&["reload"], "['reload', '--all', [], [['set', "),
        (
            &["reload", "--unban", "--restart", "one"],
            "['reload', 'one', ['--unban', '--restart'], [['set', ",
        ),
        (
            &["restart", "--if-exists", "one"],
            "['reload', 'one', ['--restart', '--if-exists'], [['set', ",
        ),
    ];
    for (words, request) in cases {
        let words = [&["-c", path.as_str()], words].concat();
        let ran = daemon.run(env!("CARGO_BIN_EXE_fail2ban-client"), &words, "");
        assert_eq!(
            (ran.stdout.as_str(), ran.status),
            ("OK", Some(0)),
            "{words:?}: {}",
            ran.stderr
        );
        let [ping, reload] = ran.heard.as_slice() else {
            panic!("{words:?}: {:?}", ran.heard);
        };
        assert_eq!(ping, "['ping']");
        assert!(
            reload.starts_with(request) && reload.ends_with("['start', 'one']]]"),
            "{words:?}: {reload}"
        );
    }
}

#[test]
fn an_interactive_session_takes_line_after_line() {
    let daemon = Daemon::start();
    let path = daemon.path().to_str().unwrap().to_owned();
    let banner = "Fail2Ban v1.1.1 reads log file that contains password failure report\n\
                  and bans the corresponding IP addresses using firewall rules.\n\n";
    let cases: [(&[&str], &str, &str, &str, i32); 4] = [
        (
            &["-i"],
            "ping\n\n  \necho \"a b\" c\nset x 'y\nstatus nojail\nexit\nping\n",
            "{banner}> Server replied: pong\n> > > a b c\n> > Sorry but the jail 'nojail' does not exist\n> ",
            "ERROR   No closing quotation\nERROR   NOK: ('nojail',)",
            0,
        ),
        (
            &["-i"],
            "ping",
            "{banner}> Server replied: pong\n> ",
            "ERROR   EOF when reading a line",
            255,
        ),
        (&["-i", "version"], "quit\n", "1.1.1\n{banner}> ", "", 0),
        (
            &["-i", "set"],
            "ping\n",
            "Sorry but the command is invalid",
            "ERROR   NOK: ('list index out of range',)",
            255,
        ),
    ];
    for (words, input, stdout, stderr, status) in cases {
        let words = [&["-c", path.as_str()], words].concat();
        let ran = daemon.run(env!("CARGO_BIN_EXE_fail2ban-client"), &words, input);
        let stdout = stdout.replace("> ", "fail2ban> ").replace("{banner}", banner);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            (stdout.as_str(), stderr),
            "{input}"
        );
        assert_eq!(ran.status, Some(status), "{input}");
    }
}

#[test]
fn stockade_says_what_it_did() {
    let daemon = Daemon::start();
    let path = daemon.path().to_str().unwrap().to_owned();
    let socket = format!("{path}/sock");
    let tree = "Status for the jail: one\n`- Actions\n   |- Currently banned:\t1\n   `- Banned IP list:\t192.0.2.1\n\
        Action wall: 1 failed; `stockade banned` says which";
    let json = "{\n  \"actions\": {\n    \"currently_banned\": 1,\n    \"banned_ip_list\": [\n      \
                \"192.0.2.1\"\n    ]\n  },\n  \"states\": {\n    \"wall\": {\n      \"failed\": 1,\n      \"pending\": 0\n    }\n  }\n}";
    let banned = "ADDRESS        JAIL  SINCE                UNTIL                FOR   STATE\n\
                  192.0.2.1      one   2026-11-21 23:29:28  2026-11-21 23:39:28  10m   active\n\
                  2001:db8::/64  one   2026-11-21 23:30:00  -                    ever  \
                  wall failed 2 times, is tried again (returned 3: no such chain)";
    let list = format!("{path}/list");
    fs::write(&list, "# ours\n192.0.2.1\n\n 2001:db8::/64 # too\n").unwrap();
    let bad = format!("{path}/bad");
    fs::write(&bad, "192.0.2.1\noops\n").unwrap();
    let no_address = format!(
        "stockade: {bad}:2: \"oops\" is no address\n  expected an address such as 192.0.2.1 or 2001:db8::1, or a \
         network such as 192.0.2.0/24. Nobody was banned."
    );
    let terms = ["--for", "3d", "--reason", "scans our ports"];
    let with_terms = [&["ban", "--file", &list, "-s", &socket], &terms[..]].concat();
    let cases: [(&[&str], &str, &str, i32); 20] = [
        (&with_terms, "2 banned in one.", "", 0),
        (&["ban", "--file", &bad, "-s", &socket], "", &no_address, 1),
        (&["banned", "-s", &socket], banned, "", 0),
        (&["jail", "show", "one", "maxretry", "-s", &socket], "7", "", 0),
        (
            &["jail", "set", "one", "maxretry", "7", "-s", &socket],
            "7",
            "",
            0,
        ),
        (
            &["jail", "list", "-s", &socket],
            "JAIL  FAILING  FAILED  BANNED  BANS\none                    1",
            "",
            0,
        ),
        (
            &["reload", "-c", &path],
            "All jails are as they are configured.",
            "WARNING No filter set for jail one\nWARNING No actions were defined for one",
            0,
        ),
        (
            &["status", "-c", &path],
            "Status\n|- Number of jail:\t1\n`- Jail list:\tone",
            "",
            0,
        ),
        (&["status", "one", "-s", &socket], tree, "", 0),
        (&["status", "one", "--json", "-s", &socket], json, "", 0),
        (
            &["status", "nojail", "-s", &socket],
            "",
            "stockade: Sorry but the jail 'nojail' does not exist",
            1,
        ),
        (
            &["ban", "192.0.2.1", "192.0.2.2", "-s", &socket],
            "1 banned in one, 1 banned before.",
            "",
            0,
        ),
        (&["unban", "192.0.2.1", "-s", &socket], "2 bans lifted.", "", 0),
        (&["unban", "--all", "-s", &socket], "2 bans lifted.", "", 0),
        (
            &["unban", "192.0.2.9", "-j", "one", "-s", &socket],
            "2 bans lifted in one.",
            "",
            0,
        ),
        (
            &["unban", "192.0.2.8", "-j", "one", "-s", &socket],
            "No ban in one to lift.",
            "",
            0,
        ),
        (&["stop", "-s", &socket], "The daemon has ended.", "", 0),
        (
            &["status", "-s", "/nonexistent/sock"],
            "",
            "stockade: no daemon answers on /nonexistent/sock: there is no such socket\n  \
             Start one with `stockade run`, or name its socket with `-s`.",
            1,
        ),
        (
            &["status", "-c", "/nonexistent"],
            "",
            "stockade: Base configuration directory /nonexistent does not exist\n  \
             `-s FILE` names the control socket without the configuration.",
            1,
        ),
        (
            &["run", "-c", "/nonexistent"],
            "",
            "stockade: Base configuration directory /nonexistent does not exist",
            1,
        ),
    ];
    for (words, stdout, stderr, status) in cases {
        let ran = daemon.run(env!("CARGO_BIN_EXE_stockade"), words, "");
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            (stdout, stderr),
            "{words:?}"
        );
        assert_eq!(ran.status, Some(status), "{words:?}");
    }
}
