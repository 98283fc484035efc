//! Configurations of the last fifteen years, as guides and servers have them: they load, and do what they meant.
//!
//! Each is a tree in `conformance/eras`: `conf`, the lines that are then written into its logs, and what its actions
//! write down for them, sorted. `DIR` in them stands for the directory of the test.
//!
//! What `-d` prints is compared with the reference's for all of them. Where the reference does what was meant as
//! well, it is asked to; where not, the row says how it fails, and that it still does.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Zoned;
use stockade_conformance::{Ran, Running, Subject, has_reference, spawn, until};

use crate::stage::{PATIENCE, Stage};

/// A configuration, and what comes of it.
struct Era {
    /// The name of its directory.
    name: &'static str,
    /// The jails that run.
    jails: &'static [&'static str],
    /// What `get loglevel` says.
    loglevel: &'static str,
    /// What the reference makes of it.
    reference: Reference,
}

enum Reference {
    /// The same.
    Same,
    /// It does not start, and says this.
    Refuses(&'static str),
    /// It starts, and its actions fail with this.
    Breaks(&'static str),
    /// It does the same, and its level is called this.
    Level(&'static str),
}

use Reference::{Breaks, Level, Refuses, Same};

const fn era(name: &'static str, jails: &'static [&'static str], reference: Reference) -> Era {
    Era {
        name,
        jails,
        loglevel: "INFO",
        reference,
    }
}

#[rustfmt::skip]
const ERAS: [Era; 18] = [
    era("apache-logs", &["apache-multiport"], Same),
    era("asterisk", &["asterisk"], Same),
    era("blocktype", &["ssh"], Breaks("-j <blocktype>")),
    era("copied-jail-conf", &["ssh"], Same),
    era("debian-actions", &["ssh"], Same),
    era("drop-ins", &["sshd"], Same),
    era("gamin", &["ssh"], Refuses("Unknown backend gamin")),
    Era {
        loglevel: "WARNING",
        ..era("host-group", &["webform"], Refuses("No failure-id group in"))
    },
    era("ignoreip-blanks", &["ssh"], Same),
    era("iptables-common", &["sshd"], Breaks("cannot open iptables")),
    era("loglevel-number", &["vsftpd"], Level("3")),
    era("maxretry-comment", &["ssh"], Refuses("not 'NoneType'")),
    era("maxretry-forms", &["plus", "zeros", "comment", "lines", "default"], Same),
    era("named-refused", &["named-refused-udp", "named-refused-tcp"], Same),
    era("prefix-line", &["ssh", "cyrus"], Same),
    era("recidive", &["recidive", "forever"], Same),
    era("shorewall", &["ssh", "ssh-slow"], Same),
    era("ssh-iptables", &["ssh-iptables"], Same),
];

#[test]
fn every_tree_has_a_row() {
    let mut names: Vec<String> = fs::read_dir(directory())
        .expect("the trees are part of the repository")
        .map(|entry| {
            entry
                .expect("a directory")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    names.sort_unstable();
    assert_eq!(names, ERAS.map(|era| era.name));
}

/// The commands are those of the reference, also where it goes on to refuse them.
#[test]
fn the_commands_are_the_same() {
    if !has_reference() {
        return;
    }
    for era in &ERAS {
        let stage = stage(era.name);
        let theirs = stage.say(Subject::Reference, &["-d"]);
        let ours = stage.say(Subject::under_test(), &["-d"]);
        assert!(theirs.succeeded(), "{}: {theirs:?}", era.name);
        assert_eq!(ours.stdout, theirs.stdout, "{}", era.name);
        assert_eq!(ours.status, theirs.status, "{}", era.name);
    }
}

#[test]
fn they_do_what_they_meant() {
    for era in &ERAS {
        let story = story(Subject::Ours, era);
        assert_eq!(story, expected(era), "{}", era.name);
    }
}

#[test]
fn the_reference_does_the_same_or_fails_as_known() {
    if !has_reference() {
        return;
    }
    for era in &ERAS {
        match era.reference {
            Same => assert_eq!(story(Subject::Reference, era), expected(era), "{}", era.name),
            Level(name) => {
                let (level, ran) = story(Subject::Reference, era);
                assert_eq!(ran, expected(era).1, "{}", era.name);
                assert_eq!(level, level_line(name), "{}", era.name);
            }
            Refuses(text) => {
                let stage = stage(era.name);
                let mut server = serve(&stage, Subject::Reference);
                assert_eq!(server.wait(PATIENCE), Some(255), "{}: it ends", era.name);
                let state = stage.state();
                assert!(state.contains(text), "{}: it says `{text}`\n{state}", era.name);
            }
            Breaks(text) => {
                let stage = stage(era.name);
                let _server = ready(&stage, Subject::Reference, era);
                write_lines(&stage, era.name);
                until(
                    "the action of the reference to fail",
                    PATIENCE,
                    || stage.state(),
                    || {
                        let log = stage.read("log");
                        (log.contains(text) && log.contains("Failed to execute ban")).then_some(())
                    },
                );
                let _said = stage.say(Subject::Reference, &["stop"]);
            }
        }
    }
}

/// A number that is set while the daemon runs is of the same time as one in a file.
#[test]
fn a_number_is_a_former_level_for_clients_too() {
    let set = |subject: Subject| {
        let stage = stage("loglevel-number");
        let server = stage.start(subject, &["vsftpd"]);
        let said = ["1", "2", "3", "4"].map(|number| stage.say(subject, &["set", "loglevel", number]).stdout);
        let _said = stage.say(subject, &["stop"]).expect("a server that stops");
        server.ends_well();
        said.map(|said| said.trim().to_owned())
    };
    let meant = ["ERROR", "WARNING", "INFO", "DEBUG"];
    assert_eq!(set(Subject::Ours), meant.map(level_line), "ours");
    if has_reference() {
        assert_eq!(
            set(Subject::Reference),
            ["1", "2", "3", "4"].map(level_line),
            "the reference"
        );
    }
}

/// What `get loglevel` says, and what the actions wrote: for the lines, and at the end; both sorted.
type Story = (String, [Vec<String>; 2]);

fn expected(era: &Era) -> Story {
    let text = read(&directory().join(era.name).join("ran"));
    let (lines, end) = text.split_once("\n\n").expect("an empty line before the end");
    let sorted = |text: &str| text.lines().map(str::to_owned).collect();
    (level_line(era.loglevel), [sorted(lines), sorted(end)])
}

fn level_line(level: &str) -> String {
    format!("Current logging level is '{level}'")
}

/// The lines are written, the actions write theirs, and the server is stopped.
fn story(subject: Subject, era: &Era) -> Story {
    let stage = stage(era.name);
    let mut server = ready(&stage, subject, era);
    let level = stage.say(subject, &["get", "loglevel"]).stdout.trim().to_owned();
    write_lines(&stage, era.name);
    let (_, [bans, _]) = expected(era);
    let ran = || -> Vec<String> {
        let text = stage.anywhere(&stage.read("ran"));
        text.lines().map(str::to_owned).collect()
    };
    until(
        "the actions to run",
        PATIENCE,
        || format!("{}: {:#?}{}", era.name, ran(), stage.state()),
        || (ran().len() >= bans.len()).then_some(()),
    );
    let _said = stage.say(subject, &["stop"]).expect("a server that stops");
    assert_eq!(server.wait(PATIENCE), Some(0), "{}\n{}", era.name, stage.state());
    let mut lines = ran();
    let mut end = lines.split_off(bans.len());
    lines.sort_unstable();
    end.sort_unstable();
    (level, [lines, end])
}

fn ready(stage: &Stage, subject: Subject, era: &Era) -> Running {
    let mut server = serve(stage, subject);
    // A log of warnings alone does not tell of jails that run.
    let list = |ran: Ran| {
        let mut jails = era.jails.to_vec();
        jails.sort_unstable();
        ran.stdout
            .contains(&format!("Jail list:\t{}\n", jails.join(", ")))
    };
    until(
        "the jails to run",
        PATIENCE,
        || format!("{}: {}", era.name, stage.state()),
        || {
            let ended = server.wait(Duration::ZERO);
            assert_eq!(ended, None, "{} has ended\n{}", era.name, stage.state());
            list(stage.say(Subject::Ours, &["status"])).then_some(())
        },
    );
    server
}

fn serve(stage: &Stage, subject: Subject) -> Running {
    spawn(
        &mut subject.server(Some(stage.path())),
        &stage.path().join("said"),
    )
}

/// A stage with a tree, its logs empty, and everything that a server writes in the stage's directory.
fn stage(name: &str) -> Stage {
    let stage = Stage::new(&[(
        "fail2ban.local",
        "[Definition]\nsocket = DIR/sock\npidfile = DIR/pid\ndbfile = None\nlogtarget = DIR/log\n",
    )]);
    let tree = directory().join(name);
    copy(&stage, &tree.join("conf"), Path::new(""));
    for (log, _) in lines(name) {
        make_directory(&stage, Path::new(&log).parent());
        stage.write(&log, "");
    }
    stage
}

fn copy(stage: &Stage, from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory of the repository") {
        let entry = entry.expect("an entry of it");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            make_directory(stage, Some(&to));
            copy(stage, &entry.path(), &to);
        } else {
            stage.write(&to.display().to_string(), &read(&entry.path()));
        }
    }
}

fn make_directory(stage: &Stage, path: Option<&Path>) {
    if let Some(path) = path {
        fs::create_dir_all(stage.path().join(path)).expect("a directory of our own");
    }
}

/// The logs with their lines.
fn lines(name: &str) -> Vec<(String, String)> {
    read(&directory().join(name).join("lines"))
        .lines()
        .map(|line| {
            let (log, text) = line.split_once('|').expect("a log, a bar and a line");
            (log.to_owned(), text.to_owned())
        })
        .collect()
}

/// Writes the lines as of now.
fn write_lines(stage: &Stage, name: &str) {
    let now = Zoned::now();
    for (log, line) in lines(name) {
        let line = [
            ("SYSLOG", "%b %e %H:%M:%S"),
            ("ISO", "%Y-%m-%d %H:%M:%S"),
            ("LONG", "%a %b %e %H:%M:%S %Y"),
            ("APACHE", "%d/%b/%Y:%H:%M:%S %z"),
            ("DAYFIRST", "%d-%b-%Y %H:%M:%S.123"),
        ]
        .iter()
        .fold(line, |line, (mark, format)| {
            line.replace(mark, &now.strftime(format).to_string())
        });
        let file = File::options().append(true).open(stage.path().join(&log));
        writeln!(file.expect("a log of our own"), "{line}").expect("a log of our own");
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("eras")
}
