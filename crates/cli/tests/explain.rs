//! `stockade explain`, as an administrator sees it.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test writes files and runs a program, and stops at the first surprise"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// A configuration with an include, layers, references, a filter with parameters, and an action.
const FILES: [(&str, &str); 6] = [
    ("fail2ban.conf", "[Definition]\n"),
    (
        "paths.conf",
        "[DEFAULT]\ndoor_log = %(logs)s/door.log\nlogs = /nonexistent\n",
    ),
    (
        "jail.conf",
        "[INCLUDES]\nbefore = paths.conf\n\n[DEFAULT]\nbantime = 10m\nmaxretry = 5\nport = any\n\
         action_ = lock[port=\"%(port)s\"]\naction = %(action_)s\n\n\
         [door]\nfilter = door[kind=front]\nlogpath = %(door_log)s\nmaxretry = 3\n",
    ),
    (
        "jail.local",
        "[DEFAULT]\nbantime = 1h\n\n[door]\nenabled = true\nmaxretry = 2\nport = 4711\n",
    ),
    (
        "filter.d/door.conf",
        "[Definition]\nkind = back\nwords-front = knocked hard\nfailregex = ^<HOST> <words-<kind>>$\n",
    ),
    (
        "action.d/lock.conf",
        "[Definition]\nactionban = <tool> add <ip> <port>\n[Init]\ntool = lock\n",
    ),
];

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

/// What is printed, with `DIR` for the directory, and the exit status.
fn explain(directory: &Path, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stockade"))
        .arg("explain")
        .arg("-c")
        .arg(directory)
        .args(words)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let text = text.concat().replace(directory.to_str().unwrap(), "DIR");
    format!("{text}(exit status {})", output.status.code().unwrap())
}

#[test]
fn every_value_is_followed_to_where_it_is_written() {
    let directory = directory();
    insta::assert_snapshot!("jail", explain(directory.path(), &["door"]));
}

#[test]
fn one_option_alone() {
    let directory = directory();
    for (name, words) in [
        ("overridden", &["door.maxretry"][..]),
        ("referenced", &["door.logpath"]),
        ("filter", &["door.failregex"]),
        ("action", &["door.lock.actionban"]),
        ("default-variable", &["door.logs"]),
        ("json", &["door.maxretry", "--json"]),
        ("no-such-jail", &["dor"]),
        ("no-such-option", &["door.maxretries"]),
    ] {
        insta::assert_snapshot!(name, explain(directory.path(), words));
    }
}

#[test]
fn a_mistake_on_the_way_is_shown_with_its_place() {
    let directory = directory();
    let path = directory.path().join("jail.local");
    fs::write(&path, "[door]\nlogpath = %(nowhere)s/door.log\n").unwrap();
    insta::assert_snapshot!("unknown-reference", explain(directory.path(), &["door"]));
    fs::write(&path, "[door]\nfilter = dor\n").unwrap();
    insta::assert_snapshot!("no-such-filter", explain(directory.path(), &["door"]));
}
