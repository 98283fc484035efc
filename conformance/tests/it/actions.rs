//! What an action is told: when its commands run, in which order, and what its tags stand for.
//!
//! Two actions write all of that down, each in a file of its own, for one that is slow does not keep the other of ours
//! waiting. What they have written for our server and for the reference is compared.

use std::fmt::Write as _;

use stockade_conformance::{Subject, has_reference, until};

use crate::stage::{PATIENCE, Stage};

/// The filter captures a user, who may choose a name that no shell should see.
const FILTER: &str = "[Definition]\nfailregex = ^EPOCH login of <F-USER>.*</F-USER> from <HOST> failed$\n\
    datepattern = {NONE}\n";

const JAIL: &str = "[writer]\nbackend = polling\nbantime = 600\nfindtime = 600\nmaxretry = 2\nusedns = no\n\
    enabled = true\nfilter = simple\nlogpath = DIR/writer.log\naction = note[port=22, file=first]\n         note[name=second, file=second]\n";

/// The tags of a ban; those that hold a time or a host's name are left out.
const TAGS: &str = "<ip> <family> <ip-rev> <fid> <failures> <bantime> <bancount> <restored> user=<F-USER> none=<F-NONE> \
    jail=<jail.name> banned=<jail.banned> of <jail.banned_total> found=<jail.found> of <jail.found_total> \
    <name> <actname> <port> unknown=<nothing> once=<br> twice=<sp><sp>| \
    matches=<matches> of all=<ipfailures>: <ipmatches> of jail=<ipjailfailures>: <ipjailmatches>";

#[test]
fn an_action_is_told_the_same() {
    if has_reference() {
        let expected = story(Subject::Reference);
        assert_eq!(story(Subject::under_test()), expected);
    }
}

/// Two failures, a ban by hand, an unban by hand, and the end; what the action wrote.
fn story(subject: Subject) -> String {
    let stage = Stage::new(&[
        ("jail.conf", JAIL),
        ("filter.d/simple.conf", FILTER),
        ("action.d/note.conf", &action()),
        ("writer.log", ""),
    ]);
    let server = stage.start(subject, &["writer"]);
    let written = || stage.read("first") + &stage.read("second");
    let wait_for = |marks: usize| {
        until(
            "the action to write",
            PATIENCE,
            || written() + &stage.state(),
            || (written().matches("=== ").count() >= marks).then_some(()),
        );
    };
    // Both actions start.
    wait_for(2);
    let users = ["bob", "a;b $(id) `id` 'x' \"y\" \\ > z"];
    let lines: Vec<String> = users
        .iter()
        .map(|user| format!("EPOCH login of {user} from 192.0.2.5 failed\n"))
        .collect();
    stage.write("writer.log", &lines.concat());
    wait_for(4);
    for (words, marks) in [
        (["set", "writer", "banip", "2001:db8::5"], 6),
        (["set", "writer", "unbanip", "192.0.2.5"], 8),
    ] {
        let _said = stage.say(subject, &words).expect("a command");
        wait_for(marks);
    }
    let _said = stage.say(subject, &["stop"]).expect("a command");
    server.ends_well();
    stage.anywhere(&written())
}

/// An action that writes down each command under a mark of its own.
fn action() -> String {
    let mut text = "[Definition]\n".to_owned();
    for (command, tags) in [
        ("actionstart", "<name> <port> ip=<ip> family=<family>"),
        ("actionban", TAGS),
        ("actionunban", "<ip> <name> <bantime>"),
        ("actionflush", "<name>"),
        ("actionstop", "<name>"),
    ] {
        writeln!(text, "{command} = echo \"=== {command}: {tags}\" >> DIR/<file>").expect("a text takes it");
    }
    text + "[Init]\nport = 80\nfile = none\n"
}
