//! Programs that others have written for a fail2ban, as they are: the completions of its package for the shell, its
//! files for logrotate and monit, munin's plugin, and an audit from the Python registry.
//!
//! All of them run on a machine of their own where the subject is installed in its usual places. What they find there
//! of the reference they have to find of ours.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use stockade_conformance::{
    Machine, Ran, Subject, can_make_machines, has_reference, run, skip, spawn, until,
};

/// How long anything may take that should take less than a second, on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks bash for the completions of a line: those of the last word, one on each line.
const COMPLETE: &str = r#"
. /usr/share/bash-completion/bash_completion
. "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
COMP_TYPE=9
function=$(complete -p "$1")
function=${function##*-F }
COMPREPLY=()
"${function%% *}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}" | sort -u
"#;

/// Lines that somebody has typed, up to where he asks for more; `_` is a word that has not begun.
const TYPED: [&str; 22] = [
    "fail2ban-client _",
    "fail2ban-client st",
    "fail2ban-client -",
    "fail2ban-client --log",
    "fail2ban-client reload _",
    "fail2ban-client status o",
    "fail2ban-client set _",
    "fail2ban-client set loglevel _",
    "fail2ban-client set one _",
    "fail2ban-client set one usedns _",
    "fail2ban-client set one unbanip _",
    "fail2ban-client set one delignoreip _",
    "fail2ban-client set one dellogpath _",
    "fail2ban-client set one delfailregex _",
    "fail2ban-client set one delaction _",
    "fail2ban-client set one action note _",
    "fail2ban-client get d",
    "fail2ban-client get one _",
    "fail2ban-client get one action note _",
    "fail2ban-client get one actionproperties _",
    "fail2ban-server -",
    "fail2ban-regex -",
];

/// What each tool has found, under its name.
type Findings = Vec<(String, String)>;

#[test]
fn they_find_of_ours_what_they_find_of_the_reference() {
    let programs = ["bash", "logrotate", "monit"];
    if !has_reference() || !can_make_machines(&programs) {
        return;
    }
    for file in [
        "/usr/share/bash-completion/bash_completion",
        "/usr/share/munin/plugins/fail2ban",
    ] {
        if !Path::new(file).exists() {
            skip(&format!("there is no {file}; `cargo xtask setup` installs it"));
            return;
        }
    }
    if !audit().join("dargslan_fail2ban_audit").exists() {
        skip("there is no target/tools; `cargo xtask setup` makes it");
        return;
    }
    let (expected, found) = std::thread::scope(|scope| {
        let expected = scope.spawn(|| findings(Subject::Reference));
        let found = findings(Subject::under_test());
        (expected.join().expect("the reference is found to work"), found)
    });
    let differences: Vec<String> = expected
        .iter()
        .zip(&found)
        .filter(|(expected, found)| expected != found)
        .map(|((name, expected), (_, found))| {
            format!("{name}:\n--- the reference:\n{expected}\n--- this subject:\n{found}\n")
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Where `cargo xtask setup` puts modules of the Python registry.
fn audit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools")
}

/// Has everybody look at the subject.
fn findings(subject: Subject) -> Findings {
    let machine = Machine::start("host");
    configure(&machine);
    install(&machine, subject);
    let said = machine.directory().join("said");
    let mut server = spawn(&mut machine.inside(&subject.server(None)), &said);
    let state = || machine.read("/var/log/fail2ban.log") + &fs::read_to_string(&said).unwrap_or_default();
    until("the server to be ready", PATIENCE, state, || {
        let log = machine.read("/var/log/fail2ban.log");
        let ready = ["one", "two"]
            .iter()
            .all(|jail| log.contains(&format!("Jail '{jail}' started")));
        (ready && machine.sh("fail2ban-client ping").succeeded()).then_some(())
    });
    let _two = machine
        .sh("fail2ban-client set one banip 192.0.2.66 2001:db8::66")
        .expect("banning");
    let mut findings = Vec::new();
    let mut note = |name: &str, ran: Ran| {
        let text = format!("{}{}[{}]", ran.stdout, ran.stderr, ran.status);
        findings.push((name.to_owned(), text));
    };
    completions(&machine, &mut note);
    munin(&machine, &mut note);
    note("audit", {
        let line = "python3 -m dargslan_fail2ban_audit.cli --json";
        machine.sh(&format!("PYTHONPATH={} {line}", audit().display()))
    });
    monit(&machine, &mut note);
    logrotate(&machine, &mut note);
    let _said = machine.sh("fail2ban-client stop").expect("stopping");
    assert_eq!(server.wait(PATIENCE), Some(0), "{}", state());
    monit(&machine, &mut note);
    findings
}

fn completions(machine: &Machine, note: &mut dyn FnMut(&str, Ran)) {
    let script =
        Subject::package_configuration().join("../../usr/share/bash-completion/completions/fail2ban");
    for line in TYPED {
        let mut bash = Command::new("bash");
        bash.args(["-c", COMPLETE, "bash"]).arg(&script);
        bash.args(line.split(' ').map(|word| if word == "_" { "" } else { word }));
        let ran = run(&mut machine.inside(&bash), PATIENCE);
        // The help of the reference has two words that are none: an abbreviation, and an option of a command that
        // stands where the options of the program do.
        let words = ran.stdout.lines().filter(|word| *word != "--with-time");
        let words = words.map(|word| word.replace("stat[istic]s", "stats") + "\n");
        note(
            line,
            Ran {
                stdout: words.collect(),
                ..ran
            },
        );
    }
}

fn munin(machine: &Machine, note: &mut dyn FnMut(&str, Ran)) {
    for mode in ["autoconf", "config", ""] {
        let line = format!("MUNIN_LIBDIR=/usr/share/munin /usr/share/munin/plugins/fail2ban {mode}");
        note(&format!("munin {mode}"), machine.sh(&line));
    }
}

/// Has monit look once, and says what it thinks of the process.
fn monit(machine: &Machine, note: &mut dyn FnMut(&str, Ran)) {
    let snippet = Subject::package_configuration().join("../monit/conf-available/fail2ban");
    let directory = machine.directory().display().to_string();
    let rc = machine.directory().join("monitrc");
    let text = format!(
        "set daemon 600\nset log {directory}/monit.log\nset pidfile {directory}/monit.pid\n\
         set limits {{ startTimeout: 1 s }}\nset idfile {directory}/monit.id\nset statefile {directory}/monit.state\ninclude {}\n",
        snippet.display()
    );
    fs::write(&rc, text).expect("a file of our own");
    fs::set_permissions(&rc, fs::Permissions::from_mode(0o600)).expect("a file of our own");
    let ran = machine.sh(&format!("monit -t -c {}", rc.display()));
    note(
        "monit -t",
        Ran {
            // The rest is about its own files.
            stdout: ran
                .stdout
                .lines()
                .filter(|line| line.contains("syntax"))
                .collect(),
            stderr: String::new(),
            status: ran.status,
        },
    );
    let look = format!(
        "rm -f {directory}/monit.log; monit -c {} -v validate",
        rc.display()
    );
    // It leaves a process alone that has just begun.
    let ran = until("monit to look", PATIENCE, String::new, || {
        let ran = machine.sh(&look);
        let is_early = ran.stdout.contains("test paused") || ran.stderr.contains("test paused");
        (!is_early).then_some(ran)
    });
    // Of what it prints, what it says of the service; numbers of processes are nobody's to compare.
    let lines = ran.stdout.lines().chain(ran.stderr.lines());
    let mut about = String::new();
    for line in lines.filter(|line| line.contains("'fail2ban'")) {
        let text = line.split_once("'fail2ban'").map_or(line, |(_, text)| text);
        let plain: String = text
            .chars()
            .filter(|character| !character.is_ascii_digit())
            .collect();
        let _never_fails = writeln!(about, "{plain}");
    }
    note(
        "monit validate",
        Ran {
            stdout: about,
            stderr: String::new(),
            status: ran.status,
        },
    );
}

/// Has the log rotated, and says where the next record goes.
fn logrotate(machine: &Machine, note: &mut dyn FnMut(&str, Ran)) {
    let snippet = Subject::package_configuration().join("../logrotate.d/fail2ban");
    let line = format!(
        "logrotate --force --state {}/state {}",
        machine.directory().display(),
        snippet.display()
    );
    note("logrotate", machine.sh(&line));
    let _one = machine
        .sh("fail2ban-client set two banip 192.0.2.77")
        .expect("banning");
    until(
        "the ban",
        PATIENCE,
        || machine.read("/var/log/fail2ban.log"),
        || {
            machine
                .read("/var/log/fail2ban.log")
                .contains("Ban 192.0.2.77")
                .then_some(())
        },
    );
    note(
        "the logs after it",
        machine.sh(
            "ls /var/log; grep -c 'rollover performed' /var/log/fail2ban.log; \
             grep -c \"Jail 'one' started\" /var/log/fail2ban.log.1; stat -c %a /var/log/fail2ban.log",
        ),
    );
}

/// Writes a configuration with two quiet jails, the places of everything being the usual ones.
fn configure(machine: &Machine) {
    let directory = machine.etc().join("fail2ban");
    let files = [
        (
            "fail2ban.conf",
            "[Definition]\nloglevel = INFO\nlogtarget = /var/log/fail2ban.log\nsyslogsocket = auto\n\
             socket = /var/run/fail2ban/fail2ban.sock\npidfile = /var/run/fail2ban/fail2ban.pid\n\
             dbfile = None\ndbpurgeage = 1d\ndbmaxmatches = 10\nallowipv6 = auto\n",
        ),
        (
            "jail.conf",
            "[DEFAULT]\nbackend = polling\nbantime = 600\nfindtime = 600\nmaxretry = 5\nusedns = no\nenabled = true\n\
             filter = simple\n[one]\nlogpath = /var/log/one.log\nignoreip = 203.0.113.0/24 203.0.113.9\naction = note\n\
             [two]\nlogpath = /var/log/two.log\n",
        ),
        (
            "filter.d/simple.conf",
            "[Definition]\nfailregex = ^login from <HOST> failed$\n    ^no login from <HOST>$\nignoreregex = ^test$\n",
        ),
        (
            "action.d/note.conf",
            "[Definition]\nactionban = true <ip>\nactionunban = true\n[Init]\nport = 80\n",
        ),
    ];
    for (name, text) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().expect("it is below the directory"))
            .expect("the machine's own /etc");
        fs::write(path, text).expect("the machine's own /etc");
    }
    let _said = machine
        .sh("touch /var/log/one.log /var/log/two.log; mkdir -p /var/run/fail2ban")
        .expect("making logs");
}

/// Puts the subject's programs where they are installed, over the host's own directory of programs.
fn install(machine: &Machine, subject: Subject) {
    let programs = machine.directory().join("programs");
    fs::create_dir(&programs).expect("a directory of our own");
    for (name, command) in [
        ("fail2ban-client", subject.client(None)),
        ("fail2ban-server", subject.compatible_server()),
        ("fail2ban-regex", subject.regex()),
    ] {
        let mut script = "#!/bin/sh\n".to_owned();
        for (variable, value) in command.get_envs() {
            if let Some(value) = value {
                let _never_fails = writeln!(
                    script,
                    "export {}='{}'",
                    variable.to_string_lossy(),
                    value.to_string_lossy()
                );
            }
        }
        let _never_fails = write!(script, "exec '{}'", command.get_program().to_string_lossy());
        for argument in command.get_args() {
            let _never_fails = write!(script, " '{}'", argument.to_string_lossy());
        }
        script.push_str(" \"$@\"\n");
        let path = programs.join(name);
        fs::write(&path, script).expect("a file of our own");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a file of our own");
    }
    let line = format!(
        "mount -t overlay overlay -o lowerdir={}:/usr/bin /usr/bin",
        programs.display()
    );
    let _said = machine
        .sh(&line)
        .expect("putting programs over those of the host");
}
