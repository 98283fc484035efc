//! The daemon gives up its rights, and does its work all the same; and a group has the rights over the control socket
//! that the configuration gives it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use stockade_conformance::{Ran, Subject, run, skip, until, within};

use crate::stage::{FILTER, PATIENCE, Stage};

const JAIL: &str = "\
[DEFAULT]
backend = polling
bantime = 600
findtime = 600
maxretry = 1
usedns = no
enabled = true
filter = simple
[door]
logpath = DIR/door.log
ignorecommand = DIR/ignore <ip>
action = record
";

/// It writes where the daemon itself may not, and says as whom.
const ACTION: &str = "\
[Definition]
actionstart = echo start >> DIR/elsewhere/told
actionban = echo ban <ip> $(id -u) $(grep NoNewPrivs /proc/self/status) >> DIR/elsewhere/told
actionunban = echo unban <ip> >> DIR/elsewhere/told
actionstop = echo stop >> DIR/elsewhere/told
";

const IGNORE: &str = "#!/bin/sh\necho asked $1 >> DIR/elsewhere/told\n[ \"$1\" = 203.0.113.99 ]\n";

/// What comes after the settings of the stage.
const DATABASE: &str = "dbfile = DIR/state/db\n";

/// Whether there are rights to be given up.
fn is_root() -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !root {
        skip("only root has rights to give up");
    }
    root
}

fn stage(settings: &str) -> Stage {
    let stage = Stage::new(&[
        ("jail.conf", JAIL),
        ("filter.d/simple.conf", FILTER),
        ("action.d/record.conf", ACTION),
        ("ignore", IGNORE),
        ("door.log", ""),
    ]);
    for directory in ["state", "elsewhere"] {
        fs::create_dir(stage.path().join(directory)).expect("a directory of our own");
    }
    let conf = stage.read("fail2ban.conf").replace("DIR/db\n", "DIR/state/db\n");
    let kept: String = conf
        .lines()
        .filter(|line| !line.starts_with("dbfile"))
        .flat_map(|line| [line, "\n"])
        .collect();
    stage.write("fail2ban.conf", &format!("{kept}{DATABASE}{settings}"));
    for (name, mode) in [("door.log", 0o600), ("ignore", 0o700)] {
        fs::set_permissions(stage.path().join(name), Permissions::from_mode(mode))
            .expect("a file of our own");
    }
    stage
}

/// A line of somebody who fails now.
fn line(address: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    format!("{} login from {address} failed\n", now.as_secs())
}

fn told(stage: &Stage) -> String {
    stage.read("elsewhere/told")
}

fn waits_for(stage: &Stage, text: &str) {
    until(
        text,
        PATIENCE,
        || stage.state() + &told(stage),
        || told(stage).contains(text).then_some(()),
    );
}

fn process(stage: &Stage) -> u32 {
    stage.read("pid").trim().parse().expect("the number of a process")
}

/// The values of a line of all threads of a process, as the kernel has them.
fn of_threads(process: u32, name: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the daemon runs");
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok())
        .filter_map(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_matches([':', '\t', ' ']).to_owned())
        })
        .collect()
}

/// The process that starts programs for another one.
fn helper_of(process: u32) -> Option<u32> {
    fs::read_dir("/proc").ok()?.find_map(|entry| {
        let entry = entry.ok()?;
        let words = fs::read(entry.path().join("cmdline")).ok()?;
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        let is_it = words.starts_with(b"stockade: commands") && parent.trim() == process.to_string();
        is_it.then(|| entry.file_name().to_str()?.parse().ok())?
    })
}

fn rights(stage: &Stage) -> Ran {
    let socket = stage.path().join("sock");
    let mut command = Subject::stockade();
    command.args(["status", "--rights", "--json", "-s"]).arg(socket);
    run(&mut command, PATIENCE)
}

/// Whether this kernel can confine the files of a process; where it cannot, the daemon says so once.
fn has_landlock() -> bool {
    fs::read_to_string("/sys/kernel/security/lsm").map_or(true, |list| list.contains("landlock"))
}

#[test]
fn a_daemon_at_work_has_given_up_its_rights_and_its_actions_work() {
    if !is_root() {
        return;
    }
    let stage = stage("");
    let server = stage.start(Subject::Ours, &["door"]);
    let process = process(&stage);
    let helper = helper_of(process).expect("a helper");

    // What the daemon says when it tries.
    let said = rights(&stage);
    if has_landlock() {
        assert!(said.succeeded(), "{said:?}\n{}", stage.state());
        assert_eq!(said.stdout.matches("\"refused\": true").count(), 4, "{said:?}");
        assert!(stage.read("log").contains("Rights given up"), "{}", stage.state());
    }
    // What the kernel says.
    let threads = of_threads(process, "Name").len();
    assert!(threads > 1);
    assert_eq!(of_threads(process, "NoNewPrivs"), vec!["1"; threads]);
    assert_eq!(of_threads(process, "Seccomp"), vec!["2"; threads]);
    for set in ["CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"] {
        for value in of_threads(process, set) {
            let bits = u64::from_str_radix(&value, 16).expect("a number");
            // The firewall, and looking into directories.
            assert_eq!(bits & !((1 << 12) | (1 << 2)), 0, "{set} {value}");
        }
    }

    // Commands run, with the rights that they had, and so do those that are asked whether to ignore.
    stage.append("door.log", &line("203.0.113.1"));
    waits_for(&stage, "ban 203.0.113.1 0 NoNewPrivs: 0");
    stage.append("door.log", &line("203.0.113.99"));
    waits_for(&stage, "asked 203.0.113.99");

    // The log of the daemon and that of the service are rotated.
    for name in ["log", "door.log"] {
        fs::rename(stage.path().join(name), stage.path().join(format!("{name}.1")))
            .expect("a file of our own");
    }
    let _ = stage
        .say(Subject::Ours, &["flushlogs"])
        .expect("the log is opened anew");
    stage.write("door.log", &line("203.0.113.2"));
    waits_for(&stage, "ban 203.0.113.2 0");
    assert!(
        stage.read("log").contains("rollover performed"),
        "{}",
        stage.state()
    );

    // A log is added from where no log was, that nobody else may read.
    let hidden = stage.path().join("hidden");
    fs::create_dir(&hidden).expect("a directory of our own");
    stage.write("hidden/new.log", "");
    for (path, mode) in [(hidden.join("new.log"), 0o600), (hidden.clone(), 0o700)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("a file of our own");
    }
    let path = hidden.join("new.log").display().to_string();
    let _ = stage
        .say(Subject::Ours, &["set", "door", "addlogpath", &path])
        .expect("a log is added");
    stage.append("hidden/new.log", &line("203.0.113.3"));
    waits_for(&stage, "ban 203.0.113.3 0");

    // The configuration is read again; the database stays where it is.
    let _ = stage.say(Subject::Ours, &["reload"]).expect("a reload");
    stage.append("door.log", &line("203.0.113.4"));
    waits_for(&stage, "ban 203.0.113.4 0");
    let _ = stage
        .say(Subject::Ours, &["stop", "--all"])
        .expect("all jails are stopped");
    let elsewhere = stage.path().join("elsewhere/db").display().to_string();
    let refused = stage.say(Subject::Ours, &["set", "dbfile", &elsewhere]);
    assert!(
        !refused.succeeded() && refused.stderr.contains("restart it"),
        "{refused:?}"
    );

    let _ = stage.say(Subject::Ours, &["stop"]).expect("the end");
    server.ends_well();
    waits_for(&stage, "stop");
    let gone = within(PATIENCE, || {
        (!Path::new(&format!("/proc/{helper}")).exists()).then_some(())
    });
    assert!(gone.is_some(), "the helper ends with the daemon");

    // What was banned is banned again by the next one.
    let before = told(&stage).len();
    let server = stage.start(Subject::Ours, &["door"]);
    until(
        "the bans of before",
        PATIENCE,
        || stage.state(),
        || {
            told(&stage)
                .get(before..)?
                .contains("ban 203.0.113.4 0")
                .then_some(())
        },
    );
    let _ = stage.say(Subject::Ours, &["stop"]).expect("the end");
    server.ends_well();
}

#[test]
fn the_helper_ends_when_the_daemon_is_killed() {
    if !is_root() {
        return;
    }
    let stage = stage("");
    let server = stage.start(Subject::Ours, &["door"]);
    let process = process(&stage);
    let helper = helper_of(process).expect("a helper");
    // What tells the whole service to end does not end it before its time.
    let signal = |signal: &str, process: u32| {
        let _ = run(
            Command::new("kill").args([signal, &process.to_string()]),
            PATIENCE,
        )
        .expect("a signal");
    };
    signal("-TERM", helper);
    signal("-INT", helper);
    stage.append("door.log", &line("203.0.113.1"));
    waits_for(&stage, "ban 203.0.113.1 0");
    signal("-KILL", process);
    assert_eq!(server.ends(), Some(-1), "it was killed");
    let gone = within(PATIENCE, || {
        (!Path::new(&format!("/proc/{helper}")).exists()).then_some(())
    });
    assert!(gone.is_some(), "the helper ends with the daemon");
}

#[test]
fn an_administrator_can_have_it_otherwise() {
    if !is_root() {
        return;
    }
    let stage = stage("confine = no\n");
    let server = stage.start(Subject::Ours, &["door"]);
    let said = rights(&stage);
    assert!(
        !said.succeeded() && said.stdout.contains("\"refused\": false"),
        "{said:?}"
    );
    let log = stage.read("log");
    assert!(
        log.contains("keeps all its rights, as `confine = no` says"),
        "{log}"
    );
    let process = process(&stage);
    assert!(of_threads(process, "Seccomp").iter().all(|value| value == "0"));
    stage.append("door.log", &line("203.0.113.1"));
    waits_for(&stage, "ban 203.0.113.1 0");
    let _ = stage.say(Subject::Ours, &["stop"]).expect("the end");
    server.ends_well();
}

/// Groups that nobody is in, for tests.
const STATUS: &str = "61001";
const OPERATE: &str = "61002";

/// What a user says who belongs to these groups.
fn says(stage: &Stage, groups: &str, words: &[&str]) -> Ran {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=61000", "--regid=61000"]);
    match groups {
        "" => command.arg("--clear-groups"),
        groups => command.args(["--groups", groups]),
    };
    command
        .arg("--")
        .arg(stage.path().join("client"))
        .arg("-s")
        .arg(stage.path().join("sock"));
    // Where a configuration would be read that this user may not read, the built-in one has to do.
    command.args([
        "-p",
        "/nonexistent",
        "--loglevel",
        "INFO",
        "--logtarget",
        "STDERR",
        "--syslogsocket",
        "auto",
    ]);
    run(command.args(words).current_dir("/"), PATIENCE)
}

#[test]
fn a_group_has_the_rights_that_the_configuration_gives_it() {
    if !is_root() || !Path::new("/usr/bin/setpriv").exists() {
        return;
    }
    for (settings, mode, group) in [
        (
            format!("statusgroup = {STATUS}\noperategroup = {OPERATE}\n"),
            0o666,
            0,
        ),
        (format!("statusgroup = {STATUS}\n"), 0o660, 61001),
        (format!("operategroup = {OPERATE}\n"), 0o660, 61002),
        (String::new(), 0o600, 0),
    ] {
        let stage = stage(&settings);
        // The user has to reach the program, wherever it was built.
        let program = Subject::Ours.client(None).get_program().to_owned();
        fs::copy(program, stage.path().join("client")).expect("a copy of the client");
        let server = stage.start(Subject::Ours, &["door"]);
        let socket = fs::metadata(stage.path().join("sock")).expect("a socket");
        let name = settings.replace('\n', ", ");
        // In its own directory nobody else reaches it, whatever its last bits say.
        assert_eq!(socket.mode() & 0o666, mode, "{name}");
        assert_eq!(socket.gid(), group, "{name}");
        let (has_status, has_operate) = (settings.contains(STATUS), settings.contains(OPERATE));
        for (groups, words, allowed) in [
            (STATUS, &["status"] as &[&str], has_status),
            (STATUS, &["get", "door", "banip"], has_status),
            (STATUS, &["get", "door", "action", "record", "actionban"], false),
            (STATUS, &["set", "door", "banip", "192.0.2.50"], false),
            (STATUS, &["stop"], false),
            ("7,61002,8", &["status"], has_operate),
            (OPERATE, &["set", "door", "banip", "192.0.2.51"], has_operate),
            (
                OPERATE,
                &["set", "door", "action", "record", "actionban", "id"],
                false,
            ),
            (OPERATE, &["set", "door", "addlogpath", "/etc/passwd"], false),
            (OPERATE, &["set", "logtarget", "/tmp/stockade-test.log"], false),
            (OPERATE, &["reload"], false),
            ("", &["status"], false),
            ("7,8", &["ping"], false),
        ] {
            let ran = says(&stage, groups, words);
            assert_eq!(
                ran.succeeded(),
                allowed,
                "{groups} {words:?} with {name}: {ran:?}"
            );
            let speaks = (groups == STATUS && has_status) || (groups == OPERATE && has_operate);
            if speaks && !allowed && words != ["reload"] {
                assert!(ran.stderr.contains("That needs "), "{groups} {words:?}: {ran:?}");
            }
        }
        assert_eq!(told(&stage).contains("ban 192.0.2.51"), has_operate, "{name}");
        assert!(!told(&stage).contains("192.0.2.50"), "{name}");
        let log = stage.read("log");
        assert_eq!(
            log.contains("PermissionError"),
            has_status || has_operate,
            "{log}"
        );
        // Strangers are let in by the mode where there are two groups, and sent away then.
        assert_eq!(
            log.contains("belongs to none of the groups"),
            has_status && has_operate,
            "{log}"
        );
        let _ = stage.say(Subject::Ours, &["status"]).expect("root may");
        let _ = stage.say(Subject::Ours, &["stop"]).expect("the end");
        server.ends_well();
    }
}
