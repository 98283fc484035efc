//! The control socket of a server at work: handed over by whoever starts it, stormed by clients that mean no good, and
//! listened to.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use stockade_conformance::{Subject, has_reference, spawn, until};
use stockade_protocol::{Value, message};

use crate::commands::{self, Connection};
use crate::stage::{PATIENCE, Stage};

/// The same command, run by a shell that hands the socket over which is its standard input.
fn handed_over(command: &Command, pid: &str) -> Command {
    let script = format!(
        "LISTEN_PID={pid} LISTEN_FDS=1 LISTEN_FDNAMES=fail2ban; export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES; \
         exec \"$0\" \"$@\" 3<&0 0</dev/null"
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(command.get_program());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    shell
}

#[test]
fn a_socket_that_is_handed_over_is_used_and_left() {
    if !has_reference() {
        return;
    }
    for subject in [Subject::Reference, Subject::under_test()] {
        let stage = commands::stage();
        stage.write(
            "action.d/note.conf",
            "[Definition]\nactionstart = { env | grep LISTEN_; ls -l /proc/self/fd | grep socket; } > DIR/seen; \
             echo done >> DIR/seen\nactionban = true <ip>\nactionunban = true\n[Init]\nport = 80\n",
        );
        let path = stage.path().join("sock");
        let listener = UnixListener::bind(&path).expect("a socket of our own");
        let mut waiting = UnixStream::connect(&path).expect("it listens already");
        waiting
            .write_all(&message(&Value::list(["ping"])))
            .expect("the kernel takes it");
        let server = stage.start_given(subject, &["one", "two"], OwnedFd::from(listener), |command| {
            *command = handed_over(command, "$$");
        });
        assert_eq!(stage.say(subject, &["ping"]).stdout, "Server replied: pong\n");
        let log = stage.read("log");
        let record = stage.here("Using socket activation, inherited socket 'DIR/sock'");
        assert!(log.contains(&record), "{subject:?}\n{log}");
        until(
            "the action",
            PATIENCE,
            || stage.state(),
            || stage.read("seen").contains("done").then_some(()),
        );
        assert_eq!(
            stage.read("seen"),
            "done\n",
            "{subject:?}: the commands of actions get nothing of it"
        );
        assert_eq!(stage.say(subject, &["stop"]).stdout, "Shutdown successful\n");
        assert_eq!(server.ends(), Some(0), "{subject:?}");
        assert!(path.exists(), "{subject:?}: it belongs to whoever handed it over");
    }
}

#[test]
fn a_socket_that_is_another_s_is_left_alone() {
    if !has_reference() {
        return;
    }
    for subject in [Subject::Reference, Subject::under_test()] {
        let stage = commands::stage();
        let elsewhere = stage.path().join("elsewhere");
        let listener = UnixListener::bind(&elsewhere).expect("a socket of our own");
        let server = stage.start_given(subject, &["one", "two"], OwnedFd::from(listener), |command| {
            *command = handed_over(command, "1");
        });
        assert!(stage.say(subject, &["ping"]).succeeded(), "{subject:?}");
        assert!(!stage.read("log").contains("socket activation"), "{subject:?}");
        assert!(stage.say(subject, &["stop"]).succeeded());
        server.ends_well();
    }
}

/// Jails that ban at once, into a file.
fn banning() -> Stage {
    Stage::new(&[
        (
            "jail.conf",
            "[DEFAULT]\nbackend = polling\nbantime = 600\nfindtime = 600\nmaxretry = 1\nusedns = no\nenabled = true\n\
             filter = simple\naction = note\n[one]\nlogpath = DIR/one.log\n[two]\nlogpath = DIR/two.log\n",
        ),
        (
            "filter.d/simple.conf",
            "[Definition]\nfailregex = ^login from <HOST> failed$\nignoreregex =\n",
        ),
        (
            "action.d/note.conf",
            "[Definition]\nactionban = echo <ip> >> DIR/banned\nactionunban = true\n",
        ),
        ("one.log", ""),
        ("two.log", ""),
    ])
}

#[test]
fn bans_go_on_in_a_storm_of_bad_clients() {
    const CONNECTIONS: usize = 10_000;
    const BANS: usize = 200;
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let stage = banning();
    let server = stage.start(Subject::Ours, &["one", "two"]);
    let path = stage.path().join("sock");
    let connect = || UnixStream::connect(&path);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Ten thousand connections, each with half a message; where there are no more descriptors the oldest go.
        scope.spawn(|| {
            let mut held = VecDeque::new();
            for _ in 0..CONNECTIONS {
                match connect() {
                    Ok(mut stream) => {
                        drop(stream.write_all(b"\x80\x05\x95"));
                        held.push_back(stream);
                    }
                    Err(_) => drop(held.pop_front()),
                }
            }
            until("the end", PATIENCE, String::new, || {
                over.load(Ordering::Relaxed).then_some(())
            });
        });
        // Messages without an end, and requests whose answers nobody reads.
        for bytes in [
            vec![b'x'; 1 << 20],
            message(&Value::list(["status", "--all"])).repeat(1000),
        ] {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let Ok(mut stream) = connect() else { continue };
                    drop(stream.set_write_timeout(Some(std::time::Duration::from_millis(50))));
                    while !over.load(Ordering::Relaxed) && stream.write_all(&bytes).is_ok() {}
                }
            });
        }
        let mut lines = String::new();
        for number in 0..BANS {
            let _never_fails = writeln!(lines, "login from 198.18.0.{number} failed");
            if number % 20 == 19 {
                stage.append("one.log", &std::mem::take(&mut lines));
                thread::yield_now();
            }
        }
        let banned = || stage.read("banned").lines().count();
        let found = stockade_conformance::within(PATIENCE, || (banned() >= BANS).then_some(()));
        let answered = stage.say(Subject::Ours, &["status", "one"]);
        over.store(true, Ordering::Relaxed);
        assert!(found.is_some(), "{} of {BANS} bans\n{}", banned(), stage.state());
        assert!(answered.stdout.contains("Currently banned:\t200"), "{answered:?}");
    });
    assert!(stage.say(Subject::Ours, &["stop"]).succeeded());
    server.ends_well();
}

#[test]
fn who_listens_hears_of_failures_bans_and_their_ends() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let stage = banning();
    let server = stage.start(Subject::Ours, &["one", "two"]);
    let tail = |words: &[&str], name: &str| {
        let mut command = Subject::stockade();
        command.args(["tail", "-c"]).arg(stage.path()).args(words);
        command.stdin(Stdio::null());
        spawn(&mut command, &stage.path().join(name))
    };
    let mut all = tail(&["--json"], "all");
    let mut second = tail(&["--jail", "two"], "second");
    let mut control = Connection::open(&stage.path().join("sock"));
    // Both listen when each has heard of something.
    let count = std::cell::Cell::new(0);
    until(
        "both to listen",
        PATIENCE,
        || stage.state(),
        || {
            count.set(count.get() + 1);
            let host = format!("198.18.1.{}", count.get() % 250);
            control.send(&Value::list(["set", "two", "banip", &host]));
            let heard = |name: &str| stage.read(name).contains("198.18.1.");
            (heard("all") && heard("second")).then_some(())
        },
    );
    stage.append("one.log", "login from 203.0.113.9 failed\n");
    let state = || stage.read("all") + &stage.state();
    until("the ban", PATIENCE, state, || {
        stage
            .read("all")
            .contains("\"ban\",\"jail\":\"one\"")
            .then_some(())
    });
    control.send(&Value::list(["set", "one", "unbanip", "203.0.113.9"]));
    control.send(&Value::list(["set", "two", "attempt", "203.0.113.77"]));
    control.send(&Value::list(["stop"]));
    server.ends_well();
    assert_eq!(all.wait(PATIENCE), Some(1), "it ends with the daemon");
    assert_eq!(second.wait(PATIENCE), Some(1), "it ends with the daemon");
    let events: Vec<String> = stage
        .read("all")
        .lines()
        .filter(|line| line.contains("203.0.113."))
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
            let text = |name: &str| {
                value
                    .get(name)
                    .and_then(|value| value.as_str())
                    .unwrap_or_default()
            };
            let cause = value.get("cause").map(|_| text("cause")).unwrap_or_default();
            format!("{} {} {} {cause}", text("event"), text("jail"), text("id"))
        })
        .collect();
    assert_eq!(
        events,
        [
            "found one 203.0.113.9 ",
            "ban one 203.0.113.9 ",
            "unban one 203.0.113.9 asked",
            "attempt two 203.0.113.77 ",
            "ban two 203.0.113.77 ",
            "unban two 203.0.113.77 stop",
        ]
    );
    let second = stage.read("second");
    assert!(second.contains("two  203.0.113.77  for 10m"), "{second}");
    assert!(!second.contains("203.0.113.9 "), "{second}");
    assert!(
        second.ends_with("stockade: the daemon has ended, or wants to tell no more\n"),
        "{second}"
    );
}
