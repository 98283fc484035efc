//! `stockade status --sources`: what is read, how far that is, and why something is not read.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use stockade_conformance::{Subject, run, skip, until};

use crate::stage::{FILTER, PATIENCE, Stage};

const JAILS: &str = "\
[DEFAULT]
backend = auto
usedns = no
enabled = true
filter = simple
bantime = 600

[busy]
logpath = DIR/busy.log

[twin]
logpath = DIR/busy.log

[absent]
logpath = DIR/absent.log

[locked]
logpath = DIR/locked.log

[shut]
logpath = DIR/shut.log

[many]
logpath = DIR/sites/*.log
";

/// A server that may read nothing but what it is allowed to, whoever runs the tests.
fn without_privileges(command: &mut Command) {
    if !may_read_everything() {
        return;
    }
    let (program, words) = (
        command.get_program().to_owned(),
        command.get_args().map(ToOwned::to_owned).collect::<Vec<_>>(),
    );
    let directory = command.get_current_dir().map(ToOwned::to_owned);
    *command = Command::new("setpriv");
    command
        .arg("--bounding-set=-dac_override,-dac_read_search")
        .arg(program)
        .args(words);
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
}

/// Whether permissions are none of our concern.
fn may_read_everything() -> bool {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    fs::set_permissions(file.path(), Permissions::from_mode(0o000)).expect("a file of our own");
    File::open(file.path()).is_ok()
}

/// All sources, or those that the words ask for.
fn sources(stage: &Stage, words: &[&str]) -> Vec<serde_json::Value> {
    let mut command = Subject::stockade();
    command
        .args(["status", "--sources", "--json", "-c"])
        .arg(stage.path())
        .args(words);
    let said = stage.anywhere(&run(&mut command, PATIENCE).expect("the sources"));
    serde_json::from_str(&said).expect("JSON")
}

fn source(stage: &Stage, name: &str) -> serde_json::Value {
    let mut all = sources(stage, &[]);
    let at = all.iter().position(|source| source["name"] == name);
    all.swap_remove(at.unwrap_or_else(|| panic!("{name} is a source: {}", stage.state())))
}

#[test]
fn each_source_says_how_it_is_doing() {
    let can_drop = Command::new("setpriv")
        .args(["--bounding-set=-dac_override,-dac_read_search", "true"])
        .output()
        .is_ok_and(|output| output.status.success());
    if may_read_everything() && !can_drop {
        skip("without setpriv, root may read everything");
        return;
    }
    let lines = "1 some line\n".repeat(50);
    let stage = Stage::new(&[
        ("jail.conf", JAILS),
        ("filter.d/simple.conf", FILTER),
        ("busy.log", ""),
        ("locked.log", ""),
        ("shut.log", ""),
    ]);
    let close = |name: &str| {
        let path = stage.path().join(name);
        fs::set_permissions(path, Permissions::from_mode(0o000)).expect("a file of our own");
    };
    close("shut.log");
    fs::create_dir(stage.path().join("sites")).expect("a directory of our own");
    let jails = ["busy", "twin", "absent", "locked", "many"];
    let server = stage.start_with(Subject::Ours, &jails, without_privileges);
    stage.append("busy.log", &lines);
    stage.append("busy.log", "1 an unfinished");
    // Another file has the name now, which nobody may read.
    stage.write("locked.new", "");
    close("locked.new");
    fs::rename(stage.path().join("locked.new"), stage.path().join("locked.log")).expect("a new file");
    File::create(stage.path().join("sites/one.log")).expect("a file of our own");
    let is_done = || {
        let (busy, locked) = (source(&stage, "DIR/busy.log"), source(&stage, "DIR/locked.log"));
        let sites = source(&stage, "DIR/sites/*.log");
        let done = busy["lines"] == 50 && locked["state"] == "failing" && sites["state"] == "following";
        done.then_some(())
    };
    until(
        "the sources to be as they are",
        PATIENCE,
        || stage.state(),
        is_done,
    );

    let remedy = "let the user that the daemon runs as read it, and enter the directories on the way to it";
    let denied = format!("Permission denied; {remedy}");
    let refused = format!("{denied}, then reload");
    let cases = [
        (
            "DIR/busy.log",
            "file",
            "following",
            None,
            vec!["busy", "twin"],
            Some(15),
        ),
        (
            "DIR/absent.log",
            "file",
            "waiting",
            Some("there is no such file yet"),
            vec!["absent"],
            None,
        ),
        (
            "DIR/locked.log",
            "file",
            "failing",
            Some(denied.as_str()),
            vec!["locked"],
            None,
        ),
        (
            "DIR/shut.log",
            "file",
            "failing",
            Some(refused.as_str()),
            vec!["shut"],
            None,
        ),
        (
            "DIR/sites/*.log",
            "pattern",
            "following",
            None,
            vec!["many"],
            None,
        ),
        (
            "DIR/sites/one.log",
            "file",
            "following",
            None,
            vec!["many"],
            Some(0),
        ),
    ];
    for (name, kind, state, reason, jails, lag) in cases {
        let found = source(&stage, name);
        let expected = serde_json::json!([kind, state, reason, jails, lag]);
        let keys = ["kind", "state", "reason", "jails", "lag_bytes"];
        let found: Vec<_> = keys.iter().map(|key| found[*key].clone()).collect();
        assert_eq!(serde_json::json!(found), expected, "{name}");
    }
    let busy = source(&stage, "DIR/busy.log");
    assert_eq!(busy["position"], lines.len(), "the unfinished line is not read");
    assert_eq!(busy["dropped"], 0);
    assert!(
        busy["lines_per_second"].as_f64().expect("a number") > 0.0,
        "{busy}"
    );
    assert_eq!(
        source(&stage, "DIR/sites/*.log")["matches"][0],
        "DIR/sites/one.log"
    );
    assert_eq!(sources(&stage, &["twin"]).len(), 1, "of one jail");

    let mut command = Subject::stockade();
    command.args(["status", "--sources", "-c"]).arg(stage.path());
    let table = stage.anywhere(&run(&mut command, PATIENCE).expect("the sources"));
    let row = |name: &str| {
        let row = table.lines().find(|line| line.starts_with(name));
        row.unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        row("DIR/absent.log"),
        "DIR/absent.log absent waiting - 0 0 0 there is no such file yet"
    );
    assert_eq!(
        row("DIR/locked.log"),
        format!("DIR/locked.log locked failing - 0 0 0 {denied}")
    );
    assert!(
        row("DIR/busy.log").starts_with("DIR/busy.log busy, twin following 15 B 50 "),
        "{table}"
    );

    // The reason is put right, and the source is read again.
    let open = Permissions::from_mode(0o600);
    fs::set_permissions(stage.path().join("locked.log"), open).expect("a file of our own");
    until(
        "the file to be read again",
        PATIENCE,
        || stage.state(),
        || (source(&stage, "DIR/locked.log")["state"] == "following").then_some(()),
    );
    let _said = stage.say(Subject::Ours, &["stop"]).expect("the end");
    server.ends_well();
}
