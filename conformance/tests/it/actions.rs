//! What an action is told: when its commands run, in which order, and what its tags stand for.
//!
//! Two actions write all of that down, each in a file of its own, for one that is slow does not keep the other of ours
//! waiting. What they have written for our server and for the reference is compared.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

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

/// What breaks from outside is set up again, and a ban of before follows when its attacker is seen again.
#[test]
fn what_broke_is_repaired_the_same() {
    if has_reference() {
        let expected = repairs(Subject::Reference);
        assert_eq!(repairs(Subject::under_test()), expected);
    }
}

/// An action whose environment is a file; its commands say which family they are told of, and what else they know.
const FRAGILE: &str = "[Definition]\n\
    actionstart = touch DIR/up.<family>; echo \"start <tool> <family> <ip>.\" >> DIR/first\n\
    actionstop = rm -f DIR/up.<family>; echo \"stop <tool> <family>\" >> DIR/first\n\
    actioncheck = echo \"check <tool> <family> <ip> <F-USER>.\" >> DIR/first; test -e DIR/up.<family>\n\
    actionban = echo \"ban <tool> <ip> <restored>\" >> DIR/first; test -e DIR/up.<family>\n\
    actionunban = echo \"unban <tool> <ip>\" >> DIR/first; test -e DIR/up.<family>\n\
    actionflush = echo \"flush <tool> <family>\" >> DIR/first; test -e DIR/up.<family>\n\
    [Init]\ntool = four\n[Init?family=inet6]\ntool = six\n";

/// Lines have dates here, so that bans can have begun some time ago.
const DATED: &str = "[Definition]\nfailregex = ^ login of <F-USER>\\S+</F-USER> from <HOST> failed$\n\
    datepattern = ^EPOCH\n";

/// Bans, what is broken in between, and the end; what the action wrote.
fn repairs(subject: Subject) -> String {
    let jail = JAIL.split("action =").next().expect("a jail").to_owned() + "action = fragile[actname=one]\n";
    let stage = Stage::new(&[
        ("jail.conf", &jail),
        ("filter.d/simple.conf", DATED),
        ("action.d/fragile.conf", FRAGILE),
        ("writer.log", ""),
    ]);
    let server = stage.start(subject, &["writer"]);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_secs();
    let wait_for = |what: &str| {
        until(
            what,
            PATIENCE,
            || stage.read("first") + &stage.state(),
            || stage.read("first").contains(what).then_some(()),
        );
    };
    let fail = |ip: &str, at: u64| {
        stage.append(
            "writer.log",
            &format!("{at} login of bob from {ip} failed\n").repeat(2),
        );
    };
    let _said = stage
        .say(subject, &["set", "writer", "banip", "2001:db8::5"])
        .expect("a ban");
    // Bans that began some seconds ago.
    fail("192.0.2.5", now - 30);
    wait_for("ban four 192.0.2.5 0");
    drop(std::fs::remove_file(stage.path().join("up.inet4")));
    fail("192.0.2.6", now - 20);
    until(
        "the ban after the repair",
        PATIENCE,
        || stage.read("first") + &stage.state(),
        || (stage.read("first").matches("ban four 192.0.2.6").count() == 2).then_some(()),
    );
    // The first is banned again when it is seen again, the second needs it not.
    fail("192.0.2.5", now - 10);
    until(
        "the ban of before",
        PATIENCE,
        || stage.read("first") + &stage.state(),
        || (stage.read("first").matches("ban four 192.0.2.5").count() == 2).then_some(()),
    );
    drop(std::fs::remove_file(stage.path().join("up.inet4")));
    let _said = stage
        .say(subject, &["set", "writer", "unbanip", "192.0.2.5"])
        .expect("an unban");
    until(
        "the check after an unban",
        PATIENCE,
        || stage.read("first") + &stage.state(),
        || {
            stage
                .read("first")
                .contains("unban four 192.0.2.5\ncheck four")
                .then_some(())
        },
    );
    let _said = stage.say(subject, &["stop"]).expect("a command");
    server.ends_well();
    stage.anywhere(&stage.read("first"))
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
