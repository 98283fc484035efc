//! Actions that send instead of running commands: what a server on this machine is sent for bans and their ends.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use stockade_conformance::{Subject, run, spawn, until};

use crate::stage::{PATIENCE, Stage};

const FILTER: &str =
    "[Definition]\nfailregex = ^login of <F-USER>.*</F-USER> from <HOST> failed$\ndatepattern = {NONE}\n";

/// A user whom no text should let out of its place.
const EVIL: &str = "\"}, {\"x\": \\ $(id) `id` 'y' %s <ip> ~!z";

/// Says what it was sent, one text a request or mail.
type Heard = Arc<Mutex<Vec<String>>>;

fn heard(heard: &Heard) -> Vec<String> {
    heard.lock().expect("nobody panics").clone()
}

/// A web server that gives these answers, and the last one from then on.
fn web_server(answers: &'static [&'static str]) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    let all: Heard = Arc::default();
    let requests = Arc::clone(&all);
    thread::spawn(move || {
        let mut answers = answers.iter().peekable();
        while let Ok((stream, _)) = listener.accept() {
            let request = request(&stream);
            let answer = if answers.len() > 1 {
                answers.next()
            } else {
                answers.peek().copied()
            };
            requests.lock().expect("nobody panics").push(request);
            let _ = (&stream).write_all(answer.expect("an answer").as_bytes());
        }
    });
    (port, all)
}

fn request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().expect("a number");
        }
        request.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    format!("{request}\n{}", String::from_utf8_lossy(&body))
}

/// A mail server that takes everything.
fn mail_server() -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    let all: Heard = Arc::default();
    let mails = Arc::clone(&all);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut mail = String::new();
            let mut is_text = false;
            let say = |text: &str| drop((&stream).write_all(text.as_bytes()));
            say("220 ready\r\n");
            for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                mail.push_str(&line);
                mail.push('\n');
                match line.as_str() {
                    "." if is_text => {
                        is_text = false;
                        say("250 taken\r\n");
                    }
                    _ if is_text => {}
                    "DATA" => {
                        is_text = true;
                        say("354 go on\r\n");
                    }
                    "QUIT" => {
                        say("221 bye\r\n");
                        break;
                    }
                    _ => say("250 well\r\n"),
                }
            }
            mails.lock().expect("nobody panics").push(mail);
        }
    });
    (port, all)
}

/// A stage with one jail, and the actions that come with us.
fn stage(actions: &str) -> Stage {
    let jail = format!(
        "[door]\nenabled = true\nfilter = simple\nbackend = polling\nlogpath = DIR/door.log\nbantime = 600\nmaxretry = 1\n\
         usedns = no\naction = {actions}\n"
    );
    let stage = Stage::new(&[
        ("jail.conf", &jail),
        ("filter.d/simple.conf", FILTER),
        ("door.log", ""),
    ]);
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/action.d");
    for name in [
        "webhook.conf",
        "cloudflare-token.conf",
        "abuseipdb.conf",
        "blocklist_de.conf",
        "discord.conf",
        "slack.conf",
        "smtp.conf",
        "telegram.conf",
    ] {
        std::fs::copy(ours.join(name), stage.path().join("action.d").join(name)).expect("a file of ours");
    }
    // The module is never run; that it is there is asked.
    stage.write("action.d/smtp.py", "");
    stage
}

fn wait_for(stage: &Stage, what: &str, is_so: impl Fn() -> bool) {
    until(what, PATIENCE, || stage.state(), || is_so().then_some(()));
}

fn body(request: &str) -> Value {
    let (_, body) = request.split_once("\n\n").expect("a body");
    let body = body.trim();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn a_server_is_told_of_bans_until_it_listens_and_nothing_gets_out_of_its_place() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let (port, requests) = web_server(&[
        "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\n\r\nlater",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ]);
    let stage = stage(&format!(
        "webhook[url=\"http://127.0.0.1:{port}/hook\", token=secret]"
    ));
    let server = stage.start(Subject::Ours, &["door"]);
    let line = format!("login of {EVIL} from 192.0.2.7 failed");
    stage.append("door.log", &format!("{line}\n"));
    wait_for(&stage, "the second attempt", || heard(&requests).len() == 2);
    let _said = stage
        .say(Subject::Ours, &["set", "door", "unbanip", "192.0.2.7"])
        .expect("an unban");
    wait_for(&stage, "the unban", || heard(&requests).len() == 3);
    let all = heard(&requests);
    for request in &all {
        assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
        assert!(
            request.contains("\nAuthorization: Bearer secret\r\n"),
            "{request}"
        );
    }
    let ban = body(&all[1]);
    assert_eq!(body(&all[0]), ban);
    for (name, value) in [
        ("event", json!("ban")),
        ("address", json!("192.0.2.7")),
        ("failures", json!(1)),
        ("lines", json!(line)),
    ] {
        assert_eq!(ban.get(name), Some(&value), "{name}");
    }
    assert_eq!(body(&all[2]).get("event"), Some(&json!("unban")));
    let log = stage.read("log");
    assert!(
        log.contains(&format!("POST 127.0.0.1:{port}/hook -- answered 503 Busy: later")),
        "{log}"
    );
    assert!(log.contains("has banned 192.0.2.7 after 1 failures"), "{log}");
    let _said = stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

#[test]
fn the_services_that_come_with_us_are_asked_as_they_want_to_be() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let (port, requests) = web_server(&["HTTP/1.1 200 OK\r\n\r\n{\"result\": [{\"id\": \"r1\"}]}"]);
    let url = format!("http://127.0.0.1:{port}/rules");
    let stage = stage(&format!("cloudflare-token[cfurl=\"{url}\", cftoken=t]"));
    let server = stage.start(Subject::Ours, &["door"]);
    let _said = stage
        .say(Subject::Ours, &["set", "door", "banip", "2001:db8::7"])
        .expect("a ban");
    let _said = stage
        .say(Subject::Ours, &["set", "door", "unbanip", "2001:db8::7"])
        .expect("an unban");
    wait_for(&stage, "the requests", || heard(&requests).len() == 3);
    let all = heard(&requests);
    let lines: Vec<&str> = all.iter().filter_map(|request| request.lines().next()).collect();
    assert_eq!(
        lines,
        [
            "POST /rules HTTP/1.1",
            "GET /rules?mode=block&configuration_target=ip6&configuration_value=2001%3Adb8%3A%3A7&page=1&per_page=1&notes=Fail2Ban%20door HTTP/1.1",
            "DELETE /rules/r1 HTTP/1.1",
        ]
    );
    assert_eq!(
        body(&all[0]),
        json!({"mode": "block", "configuration": {"target": "ip6", "value": "2001:db8::7"}, "notes": "Fail2Ban door"})
    );
    let _said = stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

#[test]
fn chats_are_told_in_plain_words() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    for (action, path, text) in [
        ("slack[url=\"SERVER/hook\"]", "/hook", "/blocks/0/text/text"),
        ("discord[url=\"SERVER/hook\"]", "/hook", "/content"),
        (
            "telegram[server=\"SERVER\", token=\"1:a\", chat=\"-1\"]",
            "/bot1:a/sendMessage",
            "/text",
        ),
    ] {
        let (port, requests) = web_server(&["HTTP/1.1 200 OK\r\n\r\n{}"]);
        let stage = stage(&action.replace("SERVER", &format!("http://127.0.0.1:{port}")));
        let server = stage.start(Subject::Ours, &["door"]);
        // An id that is no address is whatever somebody has chosen.
        let id = "<!channel> @everyone \"x";
        for words in [["set", "door", "banip", id], ["set", "door", "unbanip", id]] {
            let _said = stage.say(Subject::Ours, &words).expect("a ban and its end");
        }
        wait_for(&stage, "both requests", || heard(&requests).len() == 2);
        let all = heard(&requests);
        for (request, word) in all.iter().zip(["banned", "admitted"]) {
            assert!(
                request.starts_with(&format!("POST {path} HTTP/1.1\r\n")),
                "{request}"
            );
            let body = body(request);
            let said = body.pointer(text).and_then(Value::as_str).unwrap_or_default();
            assert!(said.contains(&format!(": {word} {id}")), "{action}: {body}");
        }
        let _said = stage.say(Subject::Ours, &["stop"]);
        server.ends_well();
    }
}

#[test]
fn mails_are_sent_as_by_the_reference_s_module_and_not_for_restored_bans() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let (port, mails) = mail_server();
    let stage = stage(&format!(
        "smtp.py[host=\"127.0.0.1:{port}\", dest=\"root@host.example\", sender=\"f2b@host.example\", matches=matches]\n         \
         smtp[actname=own, host=\"127.0.0.1:{port}\", dest=\"ann@host.example\"]"
    ));
    let server = stage.start(Subject::Ours, &["door"]);
    wait_for(&stage, "the mail of the start", || heard(&mails).len() == 1);
    let line = format!("login of {EVIL} from 192.0.2.7 failed");
    stage.append("door.log", &format!("{line}\n"));
    wait_for(&stage, "the mails of the ban", || heard(&mails).len() == 3);
    let all = heard(&mails);
    let to = |address: &str| {
        let mail = all
            .iter()
            .skip(1)
            .find(|mail| mail.contains(&format!("RCPT TO:<{address}>")));
        mail.unwrap_or_else(|| panic!("no mail to {address}: {all:?}"))
    };
    let of_module = to("root@host.example");
    for part in [
        "MAIL FROM:<f2b@host.example>\n",
        "\nSubject: [Fail2Ban] door: banned 192.0.2.7 from ",
        "\nFrom: Fail2Ban <f2b@host.example>\nTo: root@host.example\nDate: ",
        "\n\nHi,\n\nThe IP 192.0.2.7 has just been banned for 600 seconds\nby Fail2Ban after 1 attempts against door.\n\n\
         Matches for this ban:\n",
        &format!("\n{line}\n\nRegards,\nFail2Ban\n.\nQUIT\n"),
    ] {
        assert!(of_module.contains(part), "{part}: {of_module}");
    }
    assert!(
        to("ann@host.example").contains(&format!("\n{line}\n.\nQUIT\n")),
        "{all:?}"
    );
    let _said = stage.say(Subject::Ours, &["restart", "door"]).expect("a restart");
    wait_for(&stage, "the mails of the stop and the start", || {
        heard(&mails).len() == 5
    });
    let _said = stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
    let subjects = |what: &str| heard(&mails).iter().filter(|mail| mail.contains(what)).count();
    assert_eq!(
        (
            subjects(": banned "),
            subjects(": started on "),
            subjects(": stopped on ")
        ),
        (2, 2, 2)
    );
}

/// A mail server that speaks TLS, from the begin or when asked to, and wants to know who it is; it writes the mail into
/// a file, and each command that came before TLS.
const SECURE_SERVER: &str = r#"
import base64, socket, ssl, sys
mode, cert, key, out = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
listener = socket.create_server(("127.0.0.1", 0))
open(out + ".port", "w").write(str(listener.getsockname()[1]) + "\n")
stream, _ = listener.accept()
secure, said, text = mode == "on", [], False
if secure:
    stream = context.wrap_socket(stream, server_side=True)
lines = stream.makefile("rb")
say = lambda line: stream.sendall(line + b"\r\n")
say(b"220 ready")
while True:
    line = lines.readline().rstrip(b"\r\n")
    said.append(("" if secure else "plain ") + line.decode())
    word = line.split(b" ")[0].upper()
    if text:
        text = line != b"."
        if not text: say(b"250 taken")
    elif word == b"EHLO":
        say(b"250-host"); say(b"250-AUTH PLAIN" if secure else b"250-STARTTLS"); say(b"250 8BITMIME")
    elif word == b"STARTTLS":
        say(b"220 go on")
        stream = context.wrap_socket(stream, server_side=True)
        lines, secure = stream.makefile("rb"), True
    elif word == b"DATA":
        text = True; say(b"354 go on")
    elif word == b"QUIT" or not line:
        break
    else:
        say(b"235 known" if word == b"AUTH" else b"250 well")
open(out, "w").write("\n".join(said))
"#;

#[test]
fn mails_travel_in_secret_and_through_a_program() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let line = format!("login of {EVIL} from 192.0.2.7 failed\n");
    for (mode, secure) in [("on", true), ("starttls", true), ("sendmail", false)] {
        let stage = stage("smtp[HOW, dest=\"ann@host.example\", sender=\"f2b@host.example\"]");
        let path = |name: &str| stage.path().join(name).display().to_string();
        let mut server = None;
        let how = if secure {
            let make = format!(
                "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test \
                 -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout {} -out {}",
                path("key"),
                path("cert")
            );
            let _made = run(Command::new("sh").args(["-c", &make]), PATIENCE).expect("a certificate");
            let mut python = Command::new("/usr/bin/python3");
            python.args([
                "-c",
                SECURE_SERVER,
                mode,
                &path("cert"),
                &path("key"),
                &path("mail"),
            ]);
            server = Some(spawn(&mut python, &stage.path().join("server")));
            wait_for(&stage, "the mail server", || {
                stage.read("mail.port").ends_with('\n')
            });
            let port = stage.read("mail.port");
            format!(
                "host=\"127.0.0.1:{}\", tls={mode}, user=me, password=\"sec ret\", cafile=\"{}\"",
                port.trim(),
                path("cert")
            )
        } else {
            stage.write(
                "program",
                "#!/bin/sh\n{ echo \"$*\"; cat; } > DIR/part && mv DIR/part DIR/mail\n",
            );
            let _made = run(Command::new("chmod").args(["+x", &path("program")]), PATIENCE);
            format!("sendmail=\"{}\"", path("program"))
        };
        stage.write("jail.conf", &stage.read("jail.conf").replace("HOW", &how));
        let daemon = stage.start(Subject::Ours, &["door"]);
        stage.append("door.log", &line);
        wait_for(&stage, "the mail", || {
            stage.read("mail").contains("QUIT") || !secure && !stage.read("mail").is_empty()
        });
        let mail = stage.read("mail");
        assert!(
            mail.contains("Subject: [Fail2Ban] door: banned 192.0.2.7"),
            "{mode}: {mail}"
        );
        assert!(mail.contains(line.trim_end()), "{mode}: {mail}");
        if secure {
            // The name and the password, with a zero byte before each.
            assert!(mail.contains("AUTH PLAIN AG1lAHNlYyByZXQ="), "{mode}: {mail}");
            let plain: Vec<&str> = mail.lines().filter(|said| said.starts_with("plain ")).collect();
            let expected = if mode == "on" { 0 } else { 2 };
            assert_eq!(
                plain.len(),
                expected,
                "who greets and asks for TLS tells no more: {plain:?}"
            );
        } else {
            assert!(
                mail.lines().next().is_some_and(|words| words.contains("-f")),
                "{mail}"
            );
        }
        let _said = stage.say(Subject::Ours, &["stop"]);
        daemon.ends_well();
        if let Some(mut server) = server {
            assert_eq!(server.wait(PATIENCE), Some(0), "{}", stage.read("server"));
        }
    }
}

#[test]
fn what_cannot_be_sent_is_said_with_its_place() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let stage = stage("webhook[url=nowhere]");
    let mut check = Subject::stockade();
    check.arg("check").arg("-c").arg(stage.path());
    let said = run(&mut check, PATIENCE);
    assert!(
        said.stdout.contains("[malformed-message]") && said.status == 2,
        "{said:?}"
    );
}
