//! What a server does when it is sent a signal, and its pid file, by which the signals find it.

use std::fs;
use std::process::Command;

use stockade_conformance::{Subject, has_reference, run, until};

use crate::commands;
use crate::stage::{PATIENCE, Stage};

/// Sends a signal to the server that the pid file names.
fn send(stage: &Stage, signal: &str) {
    let pid = stage.read("pid");
    let number: u32 = pid.trim_end().parse().expect("the pid file has a number");
    assert_eq!(pid, format!("{number}\n"), "and nothing else");
    let sent = run(Command::new("kill").args([signal, &number.to_string()]), PATIENCE);
    assert!(sent.succeeded(), "{signal}: {sent:?}");
}

#[test]
fn usr1_opens_the_log_anew() {
    if !has_reference() {
        return;
    }
    for subject in [Subject::Reference, Subject::under_test()] {
        let stage = commands::stage();
        let server = stage.start(subject, &["one", "two"]);
        fs::rename(stage.path().join("log"), stage.path().join("log.1")).expect("a log of our own");
        send(&stage, "-USR1");
        until(
            "the new log",
            PATIENCE,
            || stage.state(),
            || {
                stage
                    .read("log")
                    .contains(&stage.here("rollover performed on DIR/log"))
                    .then_some(())
            },
        );
        assert!(
            stage.say(subject, &["ping"]).succeeded(),
            "{subject:?}: it goes on"
        );
        send(&stage, "-TERM");
        server.ends_well();
    }
}

#[test]
fn term_and_int_end_the_server_in_good_order() {
    if !has_reference() {
        return;
    }
    for subject in [Subject::Reference, Subject::under_test()] {
        for signal in ["-TERM", "-INT"] {
            let stage = commands::stage();
            // Another's pid file is nobody's that runs.
            stage.write("pid", "999999999 and more\n");
            let server = stage.start(subject, &["one", "two"]);
            let banned = stage.say(subject, &["set", "one", "banip", "192.0.2.1"]);
            assert_eq!(banned.stdout, "1\n", "{subject:?}");
            send(&stage, signal);
            server.ends_well();
            assert!(!stage.path().join("pid").exists(), "{subject:?} {signal}");
            let log = stage.read("log");
            for record in [
                "Shutdown in progress...",
                "Stopping all jails",
                "[one] Repeal Ban 192.0.2.1",
                "Jail 'one' stopped",
                "Jail 'two' stopped",
                "Exiting Fail2ban",
            ] {
                assert!(log.contains(record), "{subject:?} {signal}: {record}\n{log}");
            }
        }
    }
}

/// The reference dies of it in the foreground, and leaves its socket, its pid file and all bans behind.
#[test]
fn hup_opens_the_log_anew_and_ends_nothing() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let stage = commands::stage();
    let server = stage.start(Subject::Ours, &["one", "two"]);
    fs::rename(stage.path().join("log"), stage.path().join("log.1")).expect("a log of our own");
    send(&stage, "-HUP");
    until(
        "the new log",
        PATIENCE,
        || stage.state(),
        || stage.read("log").contains("rollover performed").then_some(()),
    );
    assert!(stage.say(Subject::Ours, &["stop"]).succeeded());
    server.ends_well();
}
