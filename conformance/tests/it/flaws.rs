//! What has gone wrong in programs of this kind before, each tried on the whole daemon with its own filters and
//! actions: an attacker writes what he likes, and is the only one who is banned for it. `docs/security.md` has the
//! table.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use jiff::Zoned;
use stockade_conformance::{Machine, Subject, can_make_machines, spawn, until};

use crate::filters::own_configuration;
use crate::stage::{PATIENCE, Server, Stage};

/// Who attacks; every line of the logs is of his making.
const ATTACKER: &str = "192.0.2.66";
/// Whom he wants to be banned.
const VICTIM: &str = "203.0.113.66";
/// Who fails last, so that all that was written before has been read once he is banned.
const LAST: &str = "198.51.100.99";

/// A jail with a filter of our own configuration, on a log of its own.
struct Scene {
    stage: Stage,
}

impl Scene {
    /// `jail` is what it has beside its log, and `filter` among that.
    fn new(jail: &str) -> Self {
        let usual =
            "[DEFAULT]\nbackend = auto\nusedns = no\nmaxretry = 1\nfindtime = 1h\nbantime = 1h\naction =\n";
        let own = "[flaw]\nenabled = true\nlogpath = DIR/service.log\n";
        let stage = Stage::new(&[
            ("jail.conf", &format!("{usual}{own}{jail}\n")),
            ("service.log", ""),
        ]);
        for directory in ["filter.d", "action.d"] {
            for entry in fs::read_dir(own_configuration().join(directory)).expect("our own configuration") {
                let file = entry.expect("our own configuration");
                let copy = stage.path().join(directory).join(file.file_name());
                fs::copy(file.path(), copy).expect("a directory of our own");
            }
        }
        Self { stage }
    }

    fn start(&self) -> Server<'_> {
        self.stage.start(Subject::Ours, &["flaw"])
    }

    /// Writes lines as the service does, and waits until `last` is banned for the last of them.
    fn log(&self, lines: &[String]) {
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        self.stage.append("service.log", &text);
        self.wait_for(&format!("[flaw] Ban {LAST}"));
    }

    fn wait_for(&self, said: &str) {
        until(
            said,
            PATIENCE,
            || self.stage.state(),
            || self.stage.read("log").contains(said).then_some(()),
        );
    }

    /// Everybody who was banned.
    fn banned(&self) -> BTreeSet<String> {
        let log = self.stage.read("log");
        let bans = log
            .lines()
            .filter_map(|line| line.split_once("NOTICE  [flaw] Ban "));
        bans.map(|(_, id)| id.to_owned()).collect()
    }
}

/// Of `hostile` lines nobody but the attacker is banned, and he is where `counts`; `fail` makes the last line.
#[track_caller]
fn only_the_attacker(jail: &str, counts: bool, hostile: &[String], fail: impl Fn(&str) -> String) {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let scene = Scene::new(jail);
    let server = scene.start();
    let mut lines = hostile.to_vec();
    lines.push(fail(LAST));
    scene.log(&lines);
    let mut expected = BTreeSet::from([LAST.to_owned()]);
    if counts {
        expected.insert(ATTACKER.to_owned());
    }
    assert_eq!(scene.banned(), expected, "{}", scene.stage.state());
    let _said = scene.stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

/// A line of syslog, written now.
fn syslog(program: &str, message: &str) -> String {
    format!(
        "{} host {program}[31]: {message}",
        Zoned::now().strftime("%b %e %H:%M:%S")
    )
}

/// A line of a log of access, written now.
fn access(address: &str, user: &str, request: &str, status: u16, referrer: &str, agent: &str) -> String {
    let now = Zoned::now().strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
    format!("{address} - {user} [{now}] \"{request}\" {status} 150 \"{referrer}\" \"{agent}\"")
}

fn sshd(message: &str) -> String {
    syslog("sshd", message)
}

fn sshd_failure(address: &str) -> String {
    sshd(&format!(
        "Failed password for root from {address} port 40000 ssh2"
    ))
}

#[test]
fn a_user_name_bans_nobody_else() {
    let names = [
        format!("root from {VICTIM}"),
        format!("root from {VICTIM} port 22 ssh2"),
        format!("x\" from {VICTIM} port 22 ssh2: RSA SHA256:x"),
        VICTIM.to_owned(),
        format!("invalid user y from {VICTIM} port 1"),
        format!(" from {VICTIM} port 22 ssh2 for invalid user"),
    ];
    let mut lines = Vec::new();
    for name in names {
        lines.push(sshd(&format!(
            "Failed password for invalid user {name} from {ATTACKER} port 40000 ssh2"
        )));
        lines.push(sshd(&format!("Invalid user {name} from {ATTACKER} port 40000")));
        lines.push(sshd(&format!(
            "Failed none for invalid user {name} from {ATTACKER} port 40000 ssh2"
        )));
    }
    only_the_attacker("filter = sshd[mode=aggressive]", true, &lines, sshd_failure);
}

#[test]
fn a_version_or_a_farewell_bans_nobody_else() {
    let lines = [
        format!(
            "Bad protocol version identification 'GET / from {VICTIM} port 22' from {ATTACKER} port 40000"
        ),
        format!(
            "Unable to negotiate with {ATTACKER} port 40000: no matching key exchange method found. Their offer: Unable to negotiate with {VICTIM} port 22: no matching cipher found. Their offer: x [preauth] [preauth]"
        ),
        format!(
            "error: Received disconnect from {ATTACKER} port 40000:3: Received disconnect from {VICTIM} port 22:3: Auth fail [preauth] [preauth]"
        ),
        format!(
            "Received disconnect from {ATTACKER} port 40000:11: Failed password for root from {VICTIM} port 22 ssh2"
        ),
    ];
    let lines: Vec<String> = lines.iter().map(|line| sshd(line)).collect();
    only_the_attacker("filter = sshd[mode=aggressive]", true, &lines, sshd_failure);
}

#[test]
fn a_reverse_name_bans_nobody_else_and_runs_nothing() {
    let fail = |client: &str, address: &str| {
        syslog(
            "proftpd",
            &format!("ftp.example.com ({client}[{address}]): USER jane (Login failed): Incorrect password."),
        )
    };
    let names = [
        VICTIM.to_owned(),
        format!("{VICTIM}.pool.example"),
        format!("ip-{}.example", VICTIM.replace('.', "-")),
    ];
    let lines: Vec<String> = names.iter().map(|name| fail(name, ATTACKER)).collect();
    only_the_attacker("filter = proftpd", true, &lines, |address| {
        fail("client.example", address)
    });
}

/// The name that a name server gives an address is the owner's to choose, and reaches commands by `<ip-host>`.
#[test]
fn a_reverse_name_reaches_a_command_only_as_a_name() {
    if Subject::under_test() == Subject::Reference || !can_make_machines(&[]) {
        return;
    }
    let scene = Scene::new("filter = sshd\naction = note");
    scene.stage.write(
        "action.d/note.conf",
        "[Definition]\nactionban = printf '%%s is %%s\\n' <ip> <ip-host> >> DIR/noted\n",
    );
    let machine = Machine::start("host.example");
    let names = [
        (LAST, "last.example"),
        (ATTACKER, "x;touch$IFS/run/canary"),
        ("192.0.2.67", VICTIM),
        ("192.0.2.68", "`touch$IFS/run/canary`.example"),
    ];
    for (address, name) in names {
        let _said = machine
            .sh(&format!("echo '{address} {name}' >> /etc/hosts"))
            .expect("naming an address");
    }
    let server = Subject::Ours.server(Some(scene.stage.path()));
    let mut running = spawn(&mut machine.inside(&server), &scene.stage.path().join("said"));
    scene.wait_for("Jail 'flaw' started");
    let lines: Vec<String> = [ATTACKER, "192.0.2.67", "192.0.2.68", LAST]
        .map(sshd_failure)
        .into_iter()
        .collect();
    scene.log(&lines);
    let expected =
        format!("{ATTACKER} is None\n192.0.2.67 is None\n192.0.2.68 is None\n{LAST} is last.example\n");
    let noted = || scene.stage.read("noted");
    until(
        "all to be noted",
        PATIENCE,
        || scene.stage.state() + &noted(),
        || (noted().lines().count() >= 4).then_some(()),
    );
    assert_eq!(noted(), expected);
    assert!(!machine.sh("test -e /run/canary").succeeded());
    let _said = scene.stage.say(Subject::Ours, &["stop"]);
    assert_eq!(running.wait(PATIENCE), Some(0));
}

#[test]
fn a_referrer_or_an_agent_bans_nobody() {
    let forged = access(VICTIM, "-", "POST /wp-login.php HTTP/1.1", 404, "-", "-").replace('"', "\\x22");
    let lines = [
        access(
            ATTACKER,
            "-",
            "GET / HTTP/1.1",
            200,
            &format!("http://x/ {forged}"),
            "-",
        ),
        access(ATTACKER, "-", "GET / HTTP/1.1", 200, "-", &forged),
        access(ATTACKER, "-", "GET / HTTP/1.1", 404, &forged, &forged),
        access(ATTACKER, &forged, "GET /a.css HTTP/1.1", 404, "-", "-"),
    ];
    only_the_attacker("filter = nginx-botsearch", false, &lines, |address| {
        access(address, "-", "GET /phpmyadmin/index.php HTTP/1.1", 404, "-", "-")
    });
}

#[test]
fn a_mail_address_bans_nobody_else() {
    let rejected = |client: &str, from: &str, to: &str, helo: &str| {
        syslog(
            "postfix/smtpd",
            &format!(
                "NOQUEUE: reject: RCPT from unknown[{client}]: 554 5.7.1 <{to}>: Relay access denied; from=<{from}> to=<{to}> proto=ESMTP helo=<{helo}>"
            ),
        )
    };
    let forged =
        format!("\"RCPT from unknown[{VICTIM}]: 554 5.7.1 <x>: Relay access denied; from=<x>\"@example.com");
    let lines = [
        rejected(ATTACKER, &forged, "b@example.com", "x"),
        rejected(ATTACKER, "a@example.org", &forged, "x"),
        rejected(ATTACKER, "a@example.org", "b@example.com", &forged),
        syslog(
            "postfix/smtpd",
            &format!(
                "warning: {forged}: hostname x verification failed: reject: RCPT from unknown[{VICTIM}]"
            ),
        ),
    ];
    only_the_attacker("filter = postfix[mode=aggressive]", true, &lines, |address| {
        rejected(address, "a@example.org", "b@example.com", "x")
    });
}

#[test]
fn what_an_attacker_writes_is_no_command() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let scene = Scene::new("filter = sshd\naction = note");
    // Carelessly written: neither in quotes nor checked.
    let note = "[Definition]\nactionban = printf '%%s\\n' <ip> <F-USER> >> DIR/noted; echo \"<matches>\" >> DIR/noted\n            : <F-USER> done >> DIR/noted\n";
    scene.stage.write("action.d/note.conf", note);
    let server = scene.start();
    let canary = scene.stage.here("DIR/canary");
    let names = [
        "$(touch X)",
        "`touch X`",
        "';touch X;'",
        "\";touch X;\"",
        "x|touch X",
        "x&touch X&",
        "${IFS}$(touch X)",
        "<ip>;touch X",
    ];
    let mut lines: Vec<String> = names
        .iter()
        .zip(1..)
        .map(|(name, number)| {
            let name = name.replace('X', &canary);
            sshd(&format!(
                "Failed password for invalid user {name} from 198.51.100.{number} port 40000 ssh2"
            ))
        })
        .collect();
    lines.push(sshd_failure(LAST));
    scene.log(&lines);
    until(
        "the last to be noted",
        PATIENCE,
        || scene.stage.state(),
        || scene.stage.read("noted").contains(LAST).then_some(()),
    );
    assert!(
        !scene.stage.path().join("canary").exists(),
        "{}",
        scene.stage.read("noted")
    );
    let noted = scene.stage.read("noted");
    assert!(noted.contains("`touch"), "it is told as it was written: {noted}");
    let _said = scene.stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

/// No action of ours uses a name that others may have made first, and what actions make is for their owner alone.
#[test]
fn nothing_is_written_where_others_could_have_laid_a_link() {
    for entry in fs::read_dir(own_configuration().join("action.d")).expect("our own configuration") {
        let path = entry.expect("our own configuration").path();
        let text = fs::read_to_string(&path).expect("our own configuration");
        for place in ["/tmp/", "/var/tmp/", "/dev/shm/"] {
            let used = text.match_indices(place).any(|(at, _)| {
                !text
                    .get(..at)
                    .is_some_and(|before| before.ends_with(|c: char| c.is_ascii_alphanumeric()))
            });
            assert!(!used, "{} writes to {place}", path.display());
        }
    }
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let scene = Scene::new("filter = sshd\naction = note");
    let note = "[Definition]\nactionban = mkdir DIR/made; echo \"<matches>\" > DIR/noted\n";
    scene.stage.write("action.d/note.conf", note);
    let server = scene.start();
    scene.log(&[sshd_failure(LAST)]);
    until(
        "it to be noted",
        PATIENCE,
        || scene.stage.state(),
        || scene.stage.read("noted").contains(LAST).then_some(()),
    );
    for name in ["noted", "made", "db", "log", "sock"] {
        let metadata = fs::symlink_metadata(scene.stage.path().join(name)).expect("it was made");
        assert_eq!(
            metadata.permissions().mode() & 0o077,
            0,
            "{name} is for its owner alone"
        );
    }
    let _said = scene.stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

/// A program for mail that reads commands out of the letter, as some do, when nobody has switched that off.
const MAIL: &str = r#"#!/bin/sh
escapes=yes
for word; do
    case $word in "set escape") escapes=no ;; esac
done
while IFS= read -r line; do
    case $escapes$line in "yes~!"*) sh -c "${line#??}" ;; esac
    printf '%s\n' "$line" >> DIR/letters
done
"#;

#[test]
fn a_letter_is_no_command_for_the_program_that_sends_it() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    // Lines of the log that begin with a tilde, as they stand in the letter.
    let scene = Scene::new("filter = tilde\naction = mail-whois-lines[name=flaw, logpath=DIR/service.log]");
    scene.stage.write(
        "filter.d/tilde.conf",
        "[Definition]\ndatepattern = {NONE}\nfailregex = from <HOST>$\n",
    );
    scene.stage.write("mail", MAIL);
    scene
        .stage
        .write("whois", "#!/bin/sh\necho '~!touch DIR/canary'\n");
    for program in ["mail", "whois"] {
        let path = scene.stage.path().join(program);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a file of our own");
    }
    let path = std::env::var("PATH").expect("there are programs");
    let server = scene.stage.start_with(Subject::Ours, &["flaw"], |command| {
        command.env("PATH", format!("{}:{path}", scene.stage.path().display()));
    });
    scene.log(&[
        scene.stage.here(&format!("~!touch DIR/canary from {ATTACKER}")),
        format!("~! from {LAST}"),
    ]);
    let _said = scene.stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
    let letters = scene.stage.read("letters");
    assert!(letters.contains("~!touch") && letters.contains(LAST), "{letters}");
    assert!(!scene.stage.path().join("canary").exists(), "{letters}");
}

#[test]
fn an_expression_that_explodes_holds_nobody_up() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let scene = Scene::new("filter = explode");
    // Each of these takes time that doubles with each letter, for who tries all ways.
    let filter = "[Definition]\ndatepattern = {NONE}\nfailregex = ^(a|a?)+(?!b)$ <HOST>\n            ^(?:(x+x+)+y|z) <HOST>\n            ^(\\w+\\s?)+\\1: <HOST>\n            ^(a*)(a*)(a*)(a*)\\1\\2\\3\\4# <HOST>\n            ^failed <HOST>$\n";
    scene.stage.write("filter.d/explode.conf", filter);
    let server = scene.start();
    let mut lines = Vec::new();
    for length in [30, 1000, 60_000] {
        lines.extend(["a", "x", "w "].map(|piece| format!("{}! {VICTIM}", piece.repeat(length))));
    }
    lines.push(format!("{}b# {VICTIM}", "a".repeat(600)));
    lines.push(format!("failed {LAST}"));
    scene.log(&lines);
    assert_eq!(scene.banned(), BTreeSet::from([LAST.to_owned()]));
    let _said = scene.stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

/// What an attacker says again and again for one address is kept once for all, as much of it as is asked for.
#[test]
fn what_is_kept_of_a_failure_has_an_end() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let scene = Scene::new("filter = door\nmaxretry = 1000000\nmaxmatches = 5");
    let filter = "[Definition]\ndatepattern = {NONE}\nfailregex = ^<F-USER>.*</F-USER> at <HOST>$\n";
    scene.stage.write("filter.d/door.conf", filter);
    let server = scene.start();
    let status = || {
        let pid = fs::read_to_string(scene.stage.path().join("pid")).expect("the server runs");
        let status = fs::read_to_string(format!("/proc/{}/status", pid.trim())).expect("the server runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("the kernel says")
            .to_owned();
        let size = line.split_whitespace().nth(1).expect("a size");
        size.parse::<u64>().expect("a size in KiB")
    };
    let before = status();
    // 80 MB of failures of one address, each with another name.
    let mut text = String::new();
    for number in 0..20_000 {
        writeln!(text, "{number:04000} at {ATTACKER}").expect("a text takes it");
        if number % 1000 == 999 {
            scene.stage.append("service.log", &text);
            text.clear();
        }
    }
    until(
        "all to be counted",
        PATIENCE,
        || scene.stage.say(Subject::Ours, &["status", "flaw"]).stdout,
        || {
            scene
                .stage
                .say(Subject::Ours, &["status", "flaw"])
                .stdout
                .contains("Total failed:\t20000")
                .then_some(())
        },
    );
    let grown = status().saturating_sub(before);
    assert!(grown < 40_000, "it has grown by {grown} KiB");
    let _said = scene.stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

#[test]
fn its_own_log_does_not_feed_it() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    // The jail for those who come back reads the log that its own bans are written to.
    let scene = Scene::new("filter = sshd");
    let jail = scene.stage.read("jail.conf");
    scene.stage.write(
        "jail.conf",
        &format!("{jail}\n[recidive]\nenabled = true\nbackend = auto\nfilter = recidive\nlogpath = DIR/log\nmaxretry = 2\nfindtime = 1h\nbantime = 2h\naction =\n"),
    );
    let server = scene.stage.start(Subject::Ours, &["flaw", "recidive"]);
    // He would have another one's ban announced.
    let forged = format!(
        "{} fail2ban.actions        [1]: NOTICE  [sshd] Ban {VICTIM}",
        Zoned::now().strftime("%Y-%m-%d %H:%M:%S,000")
    );
    let mut lines = vec![
        sshd(&format!(
            "Failed password for invalid user {forged} from {ATTACKER} port 40000 ssh2"
        )),
        sshd(&format!(
            "Failed password for invalid user x\r{forged}\r from {ATTACKER} port 40000 ssh2"
        )),
    ];
    lines.push(sshd_failure(LAST));
    scene.log(&lines);
    for _ in 0..2 {
        let _said = scene
            .stage
            .say(Subject::Ours, &["set", "flaw", "unbanip", ATTACKER]);
        let _said = scene
            .stage
            .say(Subject::Ours, &["set", "flaw", "banip", ATTACKER]);
    }
    scene.wait_for(&format!("[recidive] Ban {ATTACKER}"));
    let _said = scene
        .stage
        .say(Subject::Ours, &["set", "recidive", "unbanip", ATTACKER]);
    let _said = scene
        .stage
        .say(Subject::Ours, &["set", "recidive", "banip", ATTACKER]);
    // One more who is banned twice is behind all that was said before.
    for _ in 0..2 {
        let _said = scene.stage.say(Subject::Ours, &["set", "flaw", "unbanip", LAST]);
        let _said = scene.stage.say(Subject::Ours, &["set", "flaw", "banip", LAST]);
    }
    scene.wait_for(&format!("[recidive] Ban {LAST}"));
    let log = scene.stage.read("log");
    let found: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("[recidive] Found"))
        .collect();
    let bans: Vec<&str> = log.lines().filter(|line| line.contains("[flaw] Ban")).collect();
    assert_eq!(
        found.len(),
        bans.len(),
        "each ban of the other jail counts once, and nothing else:\n{log}"
    );
    assert!(
        !log.contains(&format!("[recidive] Found {VICTIM}")) && !log.contains(&format!("Ban {VICTIM}\n")),
        "{log}"
    );
    let _said = scene.stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

/// A message of the journal with line feeds in it is one line of one sender.
#[test]
fn a_message_of_the_journal_is_one_line() {
    const JOURNALD: &str = "/lib/systemd/systemd-journald";
    if Subject::under_test() == Subject::Reference || !can_make_machines(&[JOURNALD, "python3"]) {
        return;
    }
    let scene = Scene::new("filter = sshd\nbackend = systemd\njournalmatch = SYSLOG_IDENTIFIER=sshd");
    let machine = Machine::start("journal");
    let _said = machine
        .sh("mkdir -p /run/systemd/journal /run/log/journal")
        .expect("making the journal's directories");
    let said = machine.directory().join("journald");
    let _journald = spawn(&mut machine.inside(&Command::new(JOURNALD)), &said);
    until("the journal", PATIENCE, String::new, || {
        machine
            .sh("test -S /run/systemd/journal/socket")
            .succeeded()
            .then_some(())
    });
    let server = Subject::Ours.server(Some(scene.stage.path()));
    let mut running = spawn(&mut machine.inside(&server), &scene.stage.path().join("said"));
    scene.wait_for("Jail 'flaw' started");
    let send = |message: &str| {
        let program = "import socket, struct, sys\nmessage = sys.argv[1].encode()\nsocket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'SYSLOG_IDENTIFIER=sshd\\nMESSAGE\\n' + struct.pack('<Q', len(message)) + message + b'\\n', '/run/systemd/journal/socket')";
        let mut python = Command::new("python3");
        python.args(["-c", program, message]);
        let _said = stockade_conformance::run(&mut machine.inside(&python), PATIENCE)
            .expect("sending to the journal");
    };
    let forged = format!("Failed password for root from {VICTIM} port 22 ssh2");
    for end in ["\n", "\r\n", "\u{2028}", "\u{b}"] {
        send(&format!(
            "Failed password for invalid user x{end}{forged}{end} from {ATTACKER} port 40000 ssh2"
        ));
        send(&format!("hello{end}{forged}"));
        send(&format!("hello{end}host sshd[31]: {forged}"));
        send(&format!("hello{end}{}", sshd(&forged)));
    }
    send(&format!("Failed password for root from {LAST} port 40000 ssh2"));
    scene.wait_for(&format!("[flaw] Ban {LAST}"));
    assert!(!scene.banned().contains(VICTIM), "{}", scene.stage.state());
    let _said = scene.stage.say(Subject::Ours, &["stop"]);
    assert_eq!(running.wait(PATIENCE), Some(0));
}

#[test]
fn a_forged_header_bans_nobody_else() {
    let now = Zoned::now().timestamp().as_millisecond();
    let request = |address: &str, headers: &str| {
        let (seconds, millis) = (now / 1000, now % 1000);
        format!(
            r#"{{"level":"info","ts":{seconds}.{millis:03},"logger":"http.log.access.log0","msg":"handled request","request":{{"remote_ip":"{address}","remote_port":"40000","client_ip":"{address}","proto":"HTTP/2.0","method":"GET","host":"www.example.com","uri":"/admin","headers":{{"Authorization":["REDACTED"]{headers}}}}},"bytes_read":0,"user_id":"","duration":0.05,"size":0,"status":401,"resp_headers":{{"Server":["Caddy"]}}}}"#
        )
    };
    let lines = [
        request(ATTACKER, &format!(r#","X-Forwarded-For":["{VICTIM}"]"#)),
        request(
            ATTACKER,
            &format!(
                r#","X-Forwarded-For":["{VICTIM}, 10.0.0.1"],"Forwarded":["for={VICTIM}"],"X-Real-Ip":["{VICTIM}"]"#
            ),
        ),
        request(
            ATTACKER,
            &format!(r#","X-Forwarded-For":["\",\"client_ip\":\"{VICTIM}\",\"proto\":\"HTTP/1.1\""]"#),
        ),
    ];
    only_the_attacker("filter = caddy", true, &lines, |address| request(address, ""));
}
