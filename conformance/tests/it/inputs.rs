//! Logs that are no files, from the configuration to the ban. The reference knows none of them.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use stockade_conformance::{Subject, until};

use crate::stage::{FILTER, PATIENCE, Stage};

/// What an action has banned stands in a file.
const ACTION: &str = "[Definition]\nactionban = echo <ip> >> DIR/banned\n";

fn stage(jail: &str) -> Stage {
    let jail = format!(
        "[DEFAULT]\nenabled = true\nfilter = app\nmaxretry = 2\nbackend = auto\naction = note\n[app]\n{jail}"
    );
    Stage::new(&[
        ("jail.conf", jail.as_str()),
        ("filter.d/app.conf", FILTER),
        ("action.d/note.conf", ACTION),
    ])
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("the clock is set").as_secs()
}

/// A line of a service: somebody has failed to log in just now.
fn failure(address: &str) -> String {
    format!("{} login from {address} failed\n", now())
}

fn until_in(stage: &Stage, file: &str, text: &str) {
    let what = format!("'{text}' in {file}");
    until(
        &what,
        PATIENCE,
        || stage.state(),
        || stage.read(file).contains(text).then_some(()),
    );
}

/// Writes into a pipe as a service does, which waits for a reader.
fn write_pipe(stage: &Stage, name: &str, text: &str) {
    let mut pipe = fs::OpenOptions::new()
        .write(true)
        .open(stage.path().join(name))
        .expect("there is a reader");
    pipe.write_all(text.as_bytes()).expect("the reader stays");
}

fn make_pipe(stage: &Stage, name: &str) {
    let status = Command::new("mkfifo").arg(stage.path().join(name)).status();
    assert!(status.expect("mkfifo is there").success());
}

#[test]
fn the_output_of_a_command_is_a_log() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let command = "| echo $$ > DIR/pid-of-command; exec tail -n 0 -F DIR/real.log";
    let stage = stage(&format!("logpath = {command}\n"));
    stage.write("real.log", "");
    let dump = stage.say(Subject::Ours, &["-d"]).stdout;
    let expected = format!("['set', 'app', 'addlogpath', '{command}', 'head']");
    assert!(dump.contains(&expected), "{dump}");

    let server = stage.start(Subject::Ours, &["app"]);
    until_in(&stage, "pid-of-command", "\n");
    let pid = stage.read("pid-of-command").trim().to_owned();
    let runs = || std::path::Path::new(&format!("/proc/{pid}")).exists();
    // `tail` says nothing of when it has begun.
    until(
        "a failure",
        PATIENCE,
        || stage.state(),
        || {
            stage.append("real.log", &failure("203.0.113.9"));
            stage
                .read("log")
                .contains("[app] Found 203.0.113.9")
                .then_some(())
        },
    );
    stage.append("real.log", &failure("203.0.113.1"));
    stage.append("real.log", &failure("203.0.113.1"));
    until_in(&stage, "banned", "203.0.113.1\n");

    let said = stage.say(Subject::Ours, &["get", "app", "logpath"]).stdout;
    assert!(said.contains(&format!("`- {command}")), "{said}");
    let said = stage.say(Subject::Ours, &["reload"]);
    assert_eq!(said.stdout, "OK\n", "{}", stage.state());
    assert!(
        runs(),
        "a reload leaves a command alone that is still in the configuration"
    );
    assert_eq!(stage.read("pid-of-command").trim(), pid);

    // On the word of a client one more, and this one no more.
    let more = stage.here("| cat DIR/more.log; exec sleep 1000");
    stage.write(
        "more.log",
        &[failure("203.0.113.2"), failure("203.0.113.2")].concat(),
    );
    let _said = stage.say(Subject::Ours, &["set", "app", "addlogpath", &more]);
    until_in(&stage, "banned", "203.0.113.2\n");
    let _said = stage.say(Subject::Ours, &["set", "app", "dellogpath", &stage.here(command)]);
    until(
        "the command to end",
        PATIENCE,
        || stage.state(),
        || (!runs()).then_some(()),
    );
    let said = stage.say(Subject::Ours, &["get", "app", "logpath"]).stdout;
    assert!(!said.contains("real.log") && said.contains("more.log"), "{said}");
    let _said = stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

#[test]
fn a_command_ends_with_a_daemon_that_is_killed() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let stage = stage("logpath = | echo $$ > DIR/pid-of-command; exec sleep 1000\n");
    let server = stage.start(Subject::Ours, &["app"]);
    until_in(&stage, "pid-of-command", "\n");
    let pid = stage.read("pid-of-command").trim().to_owned();
    let daemon = stage.read("pid").trim().to_owned();
    let status = Command::new("kill").args(["-KILL", &daemon]).status();
    assert!(status.expect("kill is there").success());
    let _status = server.ends();
    let state = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    until("the command to end", PATIENCE, state, || {
        (state().is_empty() || state().contains(") Z ")).then_some(())
    });
}

#[test]
fn a_named_pipe_is_a_log_also_in_place_of_a_file() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let stage = stage("logpath = DIR/app.log\n");
    make_pipe(&stage, "app.log");
    let server = stage.start(Subject::Ours, &["app"]);
    let said = stage.say(Subject::Ours, &["get", "app", "logpath"]).stdout;
    assert!(said.contains("`- DIR/app.log"), "{said}");
    write_pipe(&stage, "app.log", &failure("203.0.113.1"));
    write_pipe(&stage, "app.log", &failure("203.0.113.1"));
    until_in(&stage, "banned", "203.0.113.1\n");

    // A file in its place, and a pipe again.
    stage.write(
        "new.log",
        &[failure("203.0.113.2"), failure("203.0.113.2")].concat(),
    );
    fs::rename(stage.path().join("new.log"), stage.path().join("app.log")).expect("a directory of our own");
    until_in(&stage, "banned", "203.0.113.2\n");
    make_pipe(&stage, "new.log");
    fs::rename(stage.path().join("new.log"), stage.path().join("app.log")).expect("a directory of our own");
    write_pipe(
        &stage,
        "app.log",
        &[failure("203.0.113.3"), failure("203.0.113.3")].concat(),
    );
    until_in(&stage, "banned", "203.0.113.3\n");
    let _said = stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

#[test]
fn reports_of_services_are_counted_as_lines_are() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let stage = stage(
        "reports = yes\nreports.forgive = yes\nignoreip = 203.0.113.200\n[other]\nlogpath = DIR/other.log\n",
    );
    stage.write("other.log", "");
    stage.write(
        "action.d/note.conf",
        &ACTION.replace("<ip>", "<ip> <F-USER> <failures> \"<matches>\""),
    );
    stage.write(
        "fail2ban.local",
        "[Definition]\nreportsocket = DIR/report[mode=0660]\n",
    );
    let dump = stage.say(Subject::Ours, &["-d"]).stdout;
    for expected in [
        "['set', 'reportsocket', 'DIR/report[mode=0660]']",
        "['set', 'app', 'reports', True]",
    ] {
        assert!(dump.contains(expected), "{dump}");
    }
    let server = stage.start(Subject::Ours, &["app", "other"]);
    let report = |words: &[&str]| {
        let mut command = Subject::stockade();
        command
            .args(["report", words[0], "-s"])
            .arg(stage.path().join("report"));
        let ran = stockade_conformance::run(command.args(&words[1..]), PATIENCE);
        assert!(ran.succeeded(), "{words:?}: {}", ran.stderr);
    };
    report(&[
        "failure",
        "--jail",
        "app",
        "203.0.113.1",
        "--user",
        "root",
        "--match",
        "it was him",
    ]);
    until_in(&stage, "log", "[app] Found 203.0.113.1 - ");
    report(&["failure", "--jail", "app", "203.0.113.1", "--user", "root"]);
    until_in(&stage, "banned", "203.0.113.1 root 2 it was him\n");
    assert!(
        stage
            .read("banned")
            .contains("failure of 'root' from 203.0.113.1 reported by user ")
    );
    // Who may talk to the daemon is told what is wrong, and need not name the socket.
    let asked = |jail: &str| {
        let mut command = Subject::stockade();
        command.args(["report", "failure", "-c"]).arg(stage.path());
        stockade_conformance::run(command.args(["--jail", jail, "203.0.113.5"]), PATIENCE)
    };
    for (jail, expected) in [
        ("app", ""),
        ("other", "stockade: the jail 'other' takes no reports\n"),
        ("aap", "stockade: Sorry but the jail 'aap' does not exist\n"),
    ] {
        let ran = asked(jail);
        assert_eq!(ran.succeeded(), expected.is_empty(), "{jail}: {}", ran.stderr);
        assert!(ran.stderr.starts_with(expected), "{jail}: {}", ran.stderr);
    }
    until_in(&stage, "log", "[app] Found 203.0.113.5 - ");
    // A weight, and evidence in the shell's own letters.
    report(&[
        "failure",
        "--jail",
        "app",
        "2001:db8::1",
        "--weight",
        "2",
        "--match",
        "$(touch DIR/x); `id`",
    ]);
    until_in(&stage, "banned", "2001:db8::1 2 $(touch DIR/x); `id`\n");
    // Spared by address, by their own success, by a jail that takes none.
    report(&["failure", "--jail", "app", "203.0.113.200"]);
    until_in(&stage, "log", "[app] Ignore 203.0.113.200 by ip");
    report(&["failure", "--jail", "app", "203.0.113.2", "--user", "me"]);
    report(&["success", "--jail", "app", "203.0.113.2", "--user", "you"]);
    report(&["success", "--jail", "app", "203.0.113.2", "--user", "me"]);
    until_in(
        &stage,
        "log",
        "[app] Success of 203.0.113.2, failures taken back: 1",
    );
    report(&["failure", "--jail", "app", "203.0.113.2", "--user", "me"]);
    report(&["failure", "--jail", "other", "203.0.113.3", "--weight", "9"]);
    until_in(
        &stage,
        "log",
        "A report was refused: no jail 'other' takes reports",
    );
    report(&["failure", "--jail", "app", "203.0.113.4", "--weight", "9"]);
    until_in(&stage, "banned", "203.0.113.4");
    let banned = stage.read("banned");
    assert!(
        !banned.contains("203.0.113.2") && !banned.contains("203.0.113.3 "),
        "{banned}"
    );

    // Off again.
    stage.write("fail2ban.local", "");
    let said = stage.say(Subject::Ours, &["reload"]);
    assert_eq!(said.stdout, "OK\n", "{}", stage.state());
    assert!(!stage.path().join("report").exists());
    let said = stage.say(Subject::Ours, &["get", "reportsocket"]);
    assert_eq!(said.stdout, "None\n");
    let _said = stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

/// A port of this machine that nobody uses.
fn port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("there are ports");
    socket.local_addr().expect("it has one").port()
}

#[test]
fn messages_of_syslog_are_lines_of_the_jails_that_want_them() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let filter = "[Definition]\nfailregex = ^ \\S+ %(_daemon)s\\[\\d+\\]: Failed password for .* from <ADDR>$\n_daemon = gate\n";
    let jail = "filter = gate\nbackend = syslog[facility=\"auth,authpriv\", tag=gate]\n\
        [web1]\nfilter = gate\nbackend = syslog[host=web1]\n";
    let stage = stage(jail);
    stage.write("filter.d/gate.conf", filter);
    stage.write("action.d/note.conf", &ACTION.replace("<ip>", "<name> <ip>"));
    let (udp, tcp) = (format!("127.0.0.1:{}", port()), format!("127.0.0.1:{}", port()));
    let places = format!("udp:{udp} tcp:{tcp} unix:DIR/syslog[mode=0666]");
    stage.write(
        "fail2ban.local",
        &format!("[Definition]\nsysloglisten = {places}\n"),
    );
    let server = stage.start(Subject::Ours, &["app", "web1"]);
    let said = stage.say(Subject::Ours, &["get", "sysloglisten"]);
    assert_eq!(said.stdout.trim_end(), places);
    let failed = |address: &str| format!("gate[77]: Failed password for root from {address}");

    // As it has always been, in a zone that is not ours; forged lines in it ban nobody.
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("there are ports");
    let send = |message: &str| {
        sender
            .send_to(message.as_bytes(), &udp)
            .expect("somebody listens");
    };
    for _ in 0..2 {
        send(&format!("<86>Jan  1 00:00:00 web1 {}", failed("203.0.113.1")));
        send(&format!(
            "<86>gate[77]: hello\nJan  1 00:00:00 web1 {}",
            failed("203.0.113.66")
        ));
        send(&format!("<86>web[77]: {}", failed("203.0.113.67")));
        send(&format!("<14>{}", failed("203.0.113.68")));
    }
    until_in(&stage, "banned", "app 203.0.113.1\n");
    until_in(&stage, "banned", "web1 203.0.113.1\n");

    // By RFC 5424 over TCP, each message with its length.
    let time = run_date();
    let mut stream = std::net::TcpStream::connect(&tcp).expect("somebody listens");
    for _ in 0..2 {
        let message = format!("<38>1 {time} web2 gate 77 - - Failed password for root from 203.0.113.2");
        write!(stream, "{} {message}", message.len()).expect("somebody reads");
    }
    until_in(&stage, "banned", "app 203.0.113.2\n");

    // From this machine.
    let local = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    for _ in 0..2 {
        let message = format!("<38>{}", failed("2001:db8::3"));
        local
            .send_to(message.as_bytes(), stage.path().join("syslog"))
            .expect("somebody listens");
    }
    until_in(&stage, "banned", "app 2001:db8::3\n");
    let banned = stage.read("banned");
    assert_eq!(banned.lines().count(), 4, "{banned}");

    // Whom the administrator does not name is not heard.
    stage.write(
        "fail2ban.local",
        &format!("[Definition]\nsysloglisten = udp:{udp}\nsyslogallow = 198.51.100.0/24\n"),
    );
    let said = stage.say(Subject::Ours, &["reload"]);
    assert_eq!(said.stdout, "OK\n", "{}", stage.state());
    send(&format!("<86>{}", failed("203.0.113.4")));
    until_in(
        &stage,
        "log",
        "refused: 1, the last one from 127.0.0.1; `syslogallow` says who is listened to",
    );
    assert!(!stage.path().join("syslog").exists());

    // A mistake changes nothing.
    stage.write("fail2ban.local", "[Definition]\nsysloglisten = udp:514\n");
    let said = stage.say(Subject::Ours, &["reload"]);
    assert!(!said.succeeded(), "{}", said.stdout);
    let said = stage.say(Subject::Ours, &["get", "sysloglisten"]);
    assert_eq!(said.stdout.trim_end(), format!("udp:{udp}"));
    let _said = stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

/// Now, as RFC 5424 has it.
fn run_date() -> String {
    let output = Command::new("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%S.%6NZ"])
        .output();
    let output = output.expect("date is there");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
