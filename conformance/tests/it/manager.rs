//! A service manager that wants to know how the daemon is: it is told, and nothing of it reaches the commands of actions.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use stockade_conformance::{Subject, until};

use crate::stage::{FILTER, PATIENCE, Stage};

const JAIL: &str =
    "[some]\nenabled = true\nbackend = polling\nfilter = simple\nlogpath = DIR/some.log\naction = note\n";
const ACTION: &str = "[Definition]\nactionstart = env > DIR/seen; echo done >> DIR/seen\nactionban = true <ip>\n\
    actionunban = true\n";

#[test]
fn it_is_told_of_the_start_signs_of_life_reloads_and_the_end() {
    let stage = Stage::new(&[
        ("jail.conf", JAIL),
        ("filter.d/simple.conf", FILTER),
        ("action.d/note.conf", ACTION),
        ("some.log", ""),
    ]);
    let manager = UnixDatagram::bind(stage.path().join("notify")).expect("a socket of our own");
    manager
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket of our own");
    // Of each message the first line; signs of life come in between as they like.
    let hear = || {
        let mut bytes = [0; 500];
        let length = manager.recv(&mut bytes).expect("the daemon says something");
        let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let hear_but_life = || loop {
        let text = hear();
        if text != "WATCHDOG=1" {
            return text;
        }
    };
    let subject = Subject::Ours;
    let socket = stage.path().join("notify");
    let server = stage.start_with(subject, &["some"], |command| {
        let micros = Duration::from_millis(100).as_micros().to_string();
        command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", micros);
    });
    assert_eq!(hear_but_life(), "READY=1");
    for _ in 0..3 {
        assert_eq!(hear(), "WATCHDOG=1", "though nothing happens");
    }
    let said = stage.say(subject, &["reload"]);
    assert_eq!(said.stdout, "OK\n", "{said:?}");
    assert_eq!(hear_but_life(), "RELOADING=1");
    assert_eq!(hear_but_life(), "READY=1");
    until(
        "the action",
        PATIENCE,
        || stage.state(),
        || stage.read("seen").contains("done").then_some(()),
    );
    let seen = stage.read("seen");
    assert!(
        !seen.contains("NOTIFY_SOCKET") && !seen.contains("WATCHDOG"),
        "{seen}"
    );
    stage.say(subject, &["stop"]);
    assert_eq!(hear_but_life(), "STOPPING=1");
    server.ends_well();
}
