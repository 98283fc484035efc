//! Sends the messages of an action: requests one by one or several together, mails no more often than is wanted.
//!
//! In: the settings of an action, and messages. Out: whether each was taken, and what the log is told.
//!
//! Invariant: no more than `rate` says is sent, whatever is asked for; what is held back is bounded, and sent when there is
//! room and at the end.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use stockade_action::command::CommandAction;
use stockade_action::message::{Mail, Medium, Message, Request};
use stockade_action::tags::Script;
use stockade_datetime::duration;

use crate::http;
use crate::letter::{self, Envelope};
use crate::log::Level;
use crate::runner::{Cause, Failing};
use crate::shell;
use crate::smtp::{self, Security, Server};
use crate::wire::Trust;

/// How many messages are held back; of further ones the oldest are counted only.
const HELD: usize = 1000;
/// How long a message that was put together with others waits after it has failed, and how often it is tried.
const PAUSE: Duration = Duration::from_secs(60);
const TRIES: u32 = 20;
/// How long at most a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// The longest mail that a program is handed, in bytes; the kernel allows no longer argument.
const LONGEST_PIPED: usize = 120 * 1024;

/// What became of a message.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) result: Result<(), Failing>,
    pub(crate) records: Vec<(Level, String)>,
}

/// Sends the messages of an action.
#[derive(Debug)]
pub(crate) struct Post {
    settings: Result<Settings, String>,
    /// When something was sent, as far back as that matters.
    sent: VecDeque<Instant>,
    /// Until when the server wants to be left alone.
    closed: Option<Instant>,
    held: VecDeque<Message>,
    /// How many were counted only.
    left_out: usize,
    /// When what is held is to be sent.
    due: Option<Instant>,
    /// How often that has failed.
    failures: u32,
    /// What was answered last.
    answer: String,
}

#[derive(Debug)]
struct Settings {
    rate: Option<Rate>,
    batch: Option<Rate>,
    means: Means,
}

#[derive(Debug)]
enum Means {
    Nothing,
    Http {
        trust: Option<Trust>,
        /// Statuses that mean that all is well, besides those that always do.
        accepted: Vec<u16>,
    },
    Smtp {
        server: Server,
        trust: Option<Trust>,
        envelope: Envelope,
    },
    Program {
        path: String,
        envelope: Envelope,
    },
}

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    count: usize,
    interval: Duration,
}

impl Rate {
    /// Reads `60/1m`.
    fn read(name: &str, text: Option<String>) -> Result<Option<Self>, String> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let wrong = || format!("`{name}` must be so many in so long, such as 60/1m, not `{text}`");
        let (count, interval) = text.split_once('/').ok_or_else(wrong)?;
        let count = count
            .trim()
            .parse()
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(wrong)?;
        let seconds = duration::seconds(interval.trim())
            .map_err(|_| wrong())?
            .to_string();
        let seconds: f64 = seconds.parse().map_err(|_| wrong())?;
        let interval = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
        if interval.is_zero() || interval > Duration::from_secs(30 * 86_400) {
            return Err(wrong());
        }
        Ok(Some(Self { count, interval }))
    }
}

impl Settings {
    fn read(action: &CommandAction) -> Result<Self, String> {
        let setting = |name: &str| action.setting(name).filter(|value| !value.is_empty());
        let rate = Rate::read("rate", setting("rate"))?;
        let batch = Rate::read("batch", setting("batch"))?;
        let cafile = setting("cafile");
        let means = match action.medium() {
            Medium::Shell => Means::Nothing,
            Medium::Http => {
                let is_secure = action
                    .properties()
                    .iter()
                    .any(|(_, text)| text.contains("https://"));
                let trust = is_secure.then(|| Trust::read(cafile.as_deref())).transpose()?;
                let accepted = setting("accept").unwrap_or_default();
                let accepted = accepted.split([' ', ',']).filter(|word| !word.is_empty());
                let accepted = accepted.map(|word| {
                    let status = word.parse::<u16>();
                    status.map_err(|_| format!("`accept` must be statuses, such as 409, not `{word}`"))
                });
                Means::Http {
                    trust,
                    accepted: accepted.collect::<Result<_, _>>()?,
                }
            }
            Medium::Mail => {
                let host = action.host().full.clone();
                let envelope = Envelope {
                    sender_name: setting("sendername").unwrap_or_else(|| "Fail2Ban".to_owned()),
                    sender: setting("sender").unwrap_or_else(|| "fail2ban".to_owned()),
                    recipients: setting("dest").unwrap_or_else(|| "root".to_owned()),
                    host: host.clone(),
                };
                if !letter::is_address(&envelope.sender) || envelope.addresses().is_empty() {
                    return Err("`sender` and `dest` must be addresses, such as root@host.example".to_owned());
                }
                match setting("sendmail") {
                    Some(path) => Means::Program { path, envelope },
                    None => {
                        let server = server(&setting, host)?;
                        let is_secure = server.security != Security::Off;
                        let trust = is_secure.then(|| Trust::read(cafile.as_deref())).transpose()?;
                        Means::Smtp {
                            server,
                            trust,
                            envelope,
                        }
                    }
                }
            }
        };
        Ok(Self { rate, batch, means })
    }
}

/// The mail server that the settings name.
fn server(setting: &dyn Fn(&str) -> Option<String>, own_name: String) -> Result<Server, String> {
    let host = setting("host").unwrap_or_else(|| "localhost".to_owned());
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            let port = port.parse::<u16>();
            let port = port.map_err(|_| format!("the port in `host = {host}:…` must be a number"))?;
            (host.trim_matches(['[', ']']).to_owned(), port)
        }
        Some(_) | None => (host.trim_matches(['[', ']']).to_owned(), 25),
    };
    let wanted = setting("tls");
    let security = match wanted.as_deref() {
        Some("off") => Security::Off,
        Some("starttls") => Security::StartTls,
        Some("on") => Security::Tls,
        Some(other) => {
            return Err(format!("`tls` must be `on`, `starttls` or `off`, not `{other}`"));
        }
        None if port == 465 => Security::Tls,
        None if port == 587 => Security::StartTls,
        None => Security::Off,
    };
    let login = setting("user").zip(setting("password"));
    if login.is_some() && security == Security::Off && wanted.is_none() {
        return Err(
            "the password would travel for everybody to read: set `tls = on`, `tls = starttls`, or `tls = off` if you \
             want that"
                .to_owned(),
        );
    }
    let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-');
    let own_name = if !own_name.is_empty() && own_name.chars().all(is_name) {
        own_name
    } else {
        "localhost".to_owned()
    };
    Ok(Server {
        host,
        port,
        security,
        login,
        own_name,
    })
}

impl Post {
    /// What sends the messages of `action`.
    pub(crate) fn new(action: &CommandAction) -> Self {
        Self {
            settings: Settings::read(action),
            sent: VecDeque::new(),
            closed: None,
            held: VecDeque::new(),
            left_out: 0,
            due: None,
            failures: 0,
            answer: String::new(),
        }
    }

    /// What the last answer has at a place: names and numbers in its JSON, with dots between them.
    pub(crate) fn answer(&self, place: &str) -> Option<String> {
        let answer: serde_json::Value = serde_json::from_str(&self.answer).ok()?;
        let mut value = &answer;
        for step in place.split('.') {
            value = match value {
                serde_json::Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
                serde_json::Value::Object(fields) => fields.get(step)?,
                serde_json::Value::Null
                | serde_json::Value::Bool(_)
                | serde_json::Value::Number(_)
                | serde_json::Value::String(_) => return None,
            };
        }
        match value {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Some(value.to_string()),
            serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
        }
    }

    /// The action has other settings now.
    pub(crate) fn adjust(&mut self, action: &CommandAction) {
        self.settings = Settings::read(action);
    }

    /// When something that is held back is to be sent.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Sends a message, or holds it back; `is_patient` where it may wait for its turn here.
    pub(crate) fn send(&mut self, message: Message, timeout: Duration, is_patient: bool) -> Sent {
        let batch = match &self.settings {
            Ok(settings) => settings.batch,
            Err(text) => {
                return Sent {
                    result: Err(failing(Cause::Definition, text.clone())),
                    records: vec![(Level::ERROR, text.clone())],
                };
            }
        };
        let now = Instant::now();
        let free = self.free_at(now);
        match (&message, batch) {
            (Message::Request(request), Some(batch)) if request.is_json() => {
                self.hold(message);
                let due = now.checked_add(batch.interval);
                self.due = self.due.or(due);
                if self.held.len() >= batch.count && self.failures == 0 {
                    self.due = Some(now);
                }
                quietly_taken()
            }
            (Message::Mail(_), _) if free.is_some() || !self.held.is_empty() => {
                self.hold(message);
                self.due = self.due.or(free).or(Some(now));
                quietly_taken()
            }
            (Message::Request(_) | Message::Mail(_), _) => {
                if let Some(free) = free {
                    let wait = free.saturating_duration_since(now);
                    if !is_patient || wait > timeout {
                        let mut failing = failing(Cause::Behind, "waits for its turn".to_owned());
                        failing.after = seconds(wait);
                        return Sent {
                            result: Err(failing),
                            records: Vec::new(),
                        };
                    }
                    thread::sleep(wait);
                }
                self.post(message, timeout)
            }
        }
    }

    /// Sends what is held back, as far as there is room, or at the `end` in any case; what the log is told.
    pub(crate) fn deliver(&mut self, timeout: Duration, is_end: bool) -> Vec<(Level, String)> {
        let mut records = Vec::new();
        while !self.held.is_empty() {
            let now = Instant::now();
            if let Some(free) = self.free_at(now).filter(|_| !is_end) {
                self.due = Some(free);
                return records;
            }
            let (message, taken) = self.together();
            let sent = self.post(message, timeout);
            records.extend(sent.records);
            if let Err(failing) = sent.result {
                self.failures += 1;
                let is_final = match failing.cause {
                    Cause::Status(_) | Cause::Unreached | Cause::Behind => self.failures >= TRIES,
                    Cause::Refused(_) | Cause::Broken | Cause::Definition => true,
                };
                if !is_final && !is_end {
                    for message in taken.into_iter().rev() {
                        self.held.push_front(message);
                    }
                    let pause = PAUSE.max(Duration::from_secs(u64::from(failing.after)));
                    self.due = now.checked_add(pause.min(LONGEST_WAIT));
                    return records;
                }
                records.push((
                    Level::ERROR,
                    format!(
                        "{} messages that were held back are given up: {}",
                        taken.len(),
                        failing.text
                    ),
                ));
            }
            self.failures = 0;
        }
        self.due = None;
        records
    }

    fn hold(&mut self, message: Message) {
        if self.held.len() >= HELD {
            self.held.pop_front();
            self.left_out += 1;
        }
        self.held.push_back(message);
    }

    /// As many of those held back as go together, as one message, and those themselves.
    fn together(&mut self) -> (Message, Vec<Message>) {
        let most = match &self.settings {
            Ok(Settings {
                batch: Some(batch), ..
            }) => batch.count,
            Ok(_) | Err(_) => HELD,
        };
        let mut taken: Vec<Message> = Vec::new();
        while let Some(message) = self.held.front() {
            if taken.len() >= most || taken.first().is_some_and(|first| !go_together(first, message)) {
                break;
            }
            taken.extend(self.held.pop_front());
        }
        let host = match &self.settings {
            Ok(Settings {
                means: Means::Smtp { envelope, .. } | Means::Program { envelope, .. },
                ..
            }) => envelope.host.as_str(),
            Ok(_) | Err(_) => "",
        };
        let mails: Vec<Mail> = taken
            .iter()
            .filter_map(|message| match message {
                Message::Mail(mail) => Some(mail.clone()),
                Message::Request(_) => None,
            })
            .collect();
        let left_out = std::mem::take(&mut self.left_out);
        let message = match taken.first() {
            Some(Message::Request(first)) => {
                let bodies = taken.iter().filter_map(|message| match message {
                    Message::Request(request) => Some(request.body.trim()),
                    Message::Mail(_) => None,
                });
                Message::Request(Request {
                    body: format!("[{}]", bodies.collect::<Vec<_>>().join(",")),
                    ..first.clone()
                })
            }
            Some(Message::Mail(mail)) if mails.len() == 1 && left_out == 0 => Message::Mail(mail.clone()),
            Some(Message::Mail(_)) | None => Message::Mail(letter::digest(&mails, left_out, host)),
        };
        (message, taken)
    }

    /// When the next message may be sent, where that is not now.
    fn free_at(&mut self, now: Instant) -> Option<Instant> {
        let rate = match &self.settings {
            Ok(settings) => settings.rate,
            Err(_) => None,
        };
        self.closed = self.closed.filter(|closed| *closed > now);
        let full = rate.and_then(|rate| {
            while self
                .sent
                .front()
                .is_some_and(|sent| now.saturating_duration_since(*sent) >= rate.interval)
            {
                self.sent.pop_front();
            }
            let first = self.sent.front().filter(|_| self.sent.len() >= rate.count)?;
            first.checked_add(rate.interval)
        });
        self.closed.into_iter().chain(full).max()
    }

    fn post(&mut self, message: Message, timeout: Duration) -> Sent {
        let settings = match &self.settings {
            Ok(settings) => settings,
            Err(text) => {
                return Sent {
                    result: Err(failing(Cause::Definition, text.clone())),
                    records: Vec::new(),
                };
            }
        };
        let now = Instant::now();
        if let Some(rate) = settings.rate {
            self.sent.push_back(now);
            while self.sent.len() > rate.count {
                self.sent.pop_front();
            }
        }
        let deadline = now.checked_add(timeout).unwrap_or(now);
        let (what, result) = match (&settings.means, message) {
            (Means::Http { trust, accepted }, Message::Request(request)) => {
                let path = request
                    .address
                    .path
                    .split('?')
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                let what = format!("{} {}{path}", request.method, request.address.server());
                (what, {
                    let answer = http::exchange(&request, trust.as_ref(), deadline);
                    self.answer = answer
                        .as_ref()
                        .map(|answer| answer.body.clone())
                        .unwrap_or_default();
                    judged(answer, accepted)
                })
            }
            (
                Means::Smtp {
                    server,
                    trust,
                    envelope,
                },
                Message::Mail(mail),
            ) => {
                let text = letter::write(&mail, envelope, jiff::Timestamp::now());
                let recipients = envelope.addresses();
                let sent = smtp::send(
                    server,
                    trust.as_ref(),
                    (&envelope.sender, &recipients),
                    &text,
                    deadline,
                );
                (format!("mail by {}:{}", server.host, server.port), mailed(sent))
            }
            (Means::Program { path, envelope }, Message::Mail(mut mail)) => {
                shorten(&mut mail.body);
                let text = letter::write(&mail, envelope, jiff::Timestamp::now());
                let script = Script {
                    // The addresses are words of plain characters; nothing in them means anything to a shell unquoted
                    // but the blank between them.
                    text: "set -f; printf '%s\\n' \"$0\" | \"$1\" -i -f \"$2\" -- $3".to_owned(),
                    arguments: vec![
                        text.replace("\r\n", "\n"),
                        path.clone(),
                        envelope.sender.clone(),
                        envelope.addresses().join(" "),
                    ],
                };
                let run = shell::run(&script, timeout, 0);
                let result = if run.ok { Ok(()) } else { Err(Failing::new(&run)) };
                (format!("mail by {path}"), result)
            }
            (Means::Nothing | Means::Http { .. } | Means::Smtp { .. } | Means::Program { .. }, _) => (
                "message".to_owned(),
                Err(failing(
                    Cause::Definition,
                    "there is nothing to send it by".to_owned(),
                )),
            ),
        };
        if let Err(failing) = &result
            && failing.after > 0
        {
            self.closed = now.checked_add(Duration::from_secs(u64::from(failing.after)).min(LONGEST_WAIT));
        }
        let record = match &result {
            Ok(()) => (Level::DEBUG, format!("{what} -- taken")),
            Err(failing) if failing.stderr.is_empty() => {
                (Level::ERROR, format!("{what} -- {}", failing.text))
            }
            Err(failing) => (
                Level::ERROR,
                format!("{what} -- {}: {}", failing.text, failing.stderr),
            ),
        };
        Sent {
            result,
            records: vec![record],
        }
    }
}

/// Whether two requests differ in their bodies alone; mails always go together.
fn go_together(one: &Message, other: &Message) -> bool {
    match (one, other) {
        (Message::Request(one), Message::Request(other)) => {
            one.method == other.method && one.address == other.address && one.headers == other.headers
        }
        (Message::Mail(_), Message::Mail(_)) => true,
        (Message::Request(_), Message::Mail(_)) | (Message::Mail(_), Message::Request(_)) => false,
    }
}

const fn quietly_taken() -> Sent {
    Sent {
        result: Ok(()),
        records: Vec::new(),
    }
}

const fn failing(cause: Cause, text: String) -> Failing {
    Failing {
        cause,
        text,
        stderr: String::new(),
        after: 0,
    }
}

fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs().saturating_add(1)).unwrap_or(u32::MAX)
}

/// Whether a request was taken.
fn judged(answer: Result<http::Answer, http::Trouble>, accepted: &[u16]) -> Result<(), Failing> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(trouble) => {
            let cause = if trouble.was_sent {
                Cause::Broken
            } else {
                Cause::Unreached
            };
            return Err(failing(cause, shell::plain(&trouble.text)));
        }
    };
    let status = i32::from(answer.status);
    let cause = match answer.status {
        200..=299 => return Ok(()),
        status if accepted.contains(&status) => return Ok(()),
        408 | 425 | 429 | 500..=599 => Cause::Status(status),
        _ => Cause::Refused(status),
    };
    Err(Failing {
        cause,
        text: shell::plain(&format!("answered {status} {}", answer.phrase))
            .trim()
            .to_owned(),
        stderr: shell::plain(&answer.body),
        after: answer.retry_after.unwrap_or(0),
    })
}

/// Whether a mail was taken.
fn mailed(sent: Result<(), smtp::Trouble>) -> Result<(), Failing> {
    sent.map_err(|trouble| match trouble {
        smtp::Trouble::Unreached(text) => failing(Cause::Unreached, shell::plain(&text)),
        smtp::Trouble::Broken(text) => failing(Cause::Broken, shell::plain(&text)),
        smtp::Trouble::Answered(status, text) => {
            let number = i32::from(status);
            let cause = if status >= 500 {
                Cause::Refused(number)
            } else {
                Cause::Status(number)
            };
            failing(cause, format!("answered {}", shell::plain(&text)))
        }
    })
}

/// Cuts a text so that, encoded, it is short enough for a program.
fn shorten(text: &mut String) {
    let mut end = (LONGEST_PIPED / 2).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::process::{Command, Stdio};
    use std::thread::JoinHandle;

    use stockade_action::tags::{HostNames, Properties};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What an attacker may have chosen, in the place of everything that comes from a log.
    const EVIL: &str = "a\"b\\c\r\nX-Evil: 1\r\n\r\n.\r\nQUIT\n$(touch x)`id`'<ip>%s\0\u{1b}[2J é\u{2028}~!";

    fn action(medium: &str, settings: &[(&str, &str)]) -> CommandAction {
        let mut properties = Properties::default();
        properties.set("type", medium.to_owned());
        for (name, value) in settings {
            properties.set(name, (*value).to_owned());
        }
        let host = HostNames {
            full: "host.example".to_owned(),
            short: "host".to_owned(),
        };
        CommandAction::new(properties, host, true)
    }

    /// A server that gives these answers, one a connection, and then tells what it was sent.
    fn server(answers: Vec<String>) -> (u16, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a port").port();
        let serve = move || {
            let mut requests = Vec::new();
            for answer in answers {
                let (stream, _) = listener.accept().expect("a client");
                requests.push(hear(&stream));
                // A client that has hung up has heard enough.
                let _ = (&stream).write_all(answer.as_bytes());
            }
            requests
        };
        (port, thread::spawn(serve))
    }

    fn hear(stream: &TcpStream) -> String {
        let mut reader = BufReader::new(stream);
        let (mut request, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a line");
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().expect("a number");
            }
            request.push_str(&line);
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        request + &String::from_utf8(body).expect("UTF-8")
    }

    fn request(port: u16, text: &str, value: &str) -> Message {
        let text = text.replace("PORT", &port.to_string());
        Message::fill(Medium::Http, &text, &|tag| {
            (tag == "evil").then(|| value.to_owned())
        })
        .expect("a request")
    }

    const JSON: &str = "POST http://127.0.0.1:PORT/<evil>?q=<evil>\nContent-Type: application/json\nX-User: <evil>\n\n{\"v\": \"<evil>\"}";

    #[test]
    fn what_a_server_says_decides_what_becomes_of_a_request() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Ok(())),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
                Ok(()),
            ),
            (
                "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\n\r\nslow\u{1b} down",
                Err((
                    Cause::Status(429),
                    7,
                    "answered 429 Too Many",
                    "slow\u{fffd} down",
                )),
            ),
            (
                "HTTP/1.1 503 Busy\r\nretry-after: soon\r\n\r\n",
                Err((Cause::Status(503), 0, "answered 503 Busy", "")),
            ),
            (
                "HTTP/1.1 403 No\r\n\r\nbad key",
                Err((Cause::Refused(403), 0, "answered 403 No", "bad key")),
            ),
            (
                "HTTP/1.1 301 Moved\r\nLocation: http://192.0.2.1/\r\n\r\n",
                Err((Cause::Refused(301), 0, "answered 301 Moved", "")),
            ),
            (
                "",
                Err((
                    Cause::Broken,
                    0,
                    "the server does not answer as a web server does",
                    "",
                )),
            ),
            (
                "220 mail.example\r\n",
                Err((
                    Cause::Broken,
                    0,
                    "the server does not answer as a web server does",
                    "",
                )),
            ),
        ] {
            let (port, served) = server(vec![answer.to_owned()]);
            let mut post = Post::new(&action("http", &[]));
            let sent = post.send(request(port, JSON, "x"), 10 * SECOND, false);
            let result = sent
                .result
                .as_ref()
                .map_err(|why| (why.cause, why.after, why.text.as_str(), why.stderr.as_str()));
            assert_eq!(
                result,
                expected.as_ref().map(|()| &()).map_err(|why| *why),
                "{answer}"
            );
            let _requests = served.join();
            let again = post.send(request(port, JSON, "x"), SECOND, false);
            let waits = matches!(
                again.result,
                Err(Failing {
                    cause: Cause::Behind,
                    ..
                })
            );
            assert_eq!(waits, answer.contains("Retry-After: 7"), "{answer}");
        }
    }

    #[test]
    fn what_an_attacker_chose_stays_where_it_belongs() {
        let (port, served) = server(vec!["HTTP/1.1 200 OK\r\n\r\n".to_owned()]);
        let mut post = Post::new(&action("http", &[]));
        let sent = post.send(request(port, JSON, EVIL), 10 * SECOND, false);
        assert_eq!(sent.result, Ok(()));
        let requests = served.join().expect("a request");
        let (head, body) = requests[0].split_once("\r\n\r\n").expect("a body");
        let lines: Vec<&str> = head.split("\r\n").collect();
        let names: Vec<&str> = lines
            .iter()
            .filter_map(|line| Some(line.split_once(": ")?.0))
            .collect();
        assert_eq!(
            names,
            [
                "Host",
                "Connection",
                "User-Agent",
                "Content-Length",
                "Content-Type",
                "X-User"
            ],
            "{head}"
        );
        assert_eq!(lines[0].split(' ').count(), 3, "{head}");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(body, serde_json::json!({ "v": EVIL }));
    }

    #[test]
    fn a_server_is_believed_only_where_somebody_vouches_for_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name).display().to_string();
        let openssl = |words: &str| {
            let mut command = Command::new("openssl");
            command
                .args(words.split(' '))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command
        };
        let make = format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test -addext \
             subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout {} -out {}",
            path("key"),
            path("cert")
        );
        if !openssl(&make).status().is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("CI").is_none(), "CI lacks openssl");
            println!("skipped: there is no openssl that makes a certificate");
            return;
        }
        let unused = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = unused.expect("a port").port();
        let serve = format!(
            "s_server -accept 127.0.0.1:{port} -cert {} -key {} -www",
            path("cert"),
            path("key")
        );
        let mut server = openssl(&serve).spawn().expect("openssl is there");
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let cert = path("cert");
        let ask = |host: &str, settings: &[(&str, &str)]| {
            let text = format!("GET https://{host}:{port}/");
            let settings = [settings, &[("actionban", text.as_str())]].concat();
            let message = Message::fill(Medium::Http, &text, &|_| None).expect("a request");
            let sent = Post::new(&action("http", &settings)).send(message, 10 * SECOND, false);
            sent.result.map_err(|why| (why.cause, why.text))
        };
        let vouched = ask("127.0.0.1", &[("cafile", &cert)]);
        let other_name = ask("localhost", &[("cafile", &cert)]);
        let by_nobody = ask("127.0.0.1", &[]);
        let _ended = server.kill();
        let _ended = server.wait();
        assert_eq!(vouched, Ok(()));
        assert!(matches!(other_name, Err((Cause::Unreached, _))), "{other_name:?}");
        // A machine may have no authorities at all.
        assert!(
            matches!(by_nobody, Err((Cause::Unreached | Cause::Definition, _))),
            "{by_nobody:?}"
        );
    }

    #[test]
    fn a_server_that_does_not_answer_holds_nobody_up() {
        // One that takes connections and says nothing; one that speaks without end; none at all.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = |listener: &TcpListener| listener.local_addr().expect("a port").port();
        let endless = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endless_port = port(&endless);
        let talk = thread::spawn(move || {
            let (mut stream, _) = endless.accept().expect("a client");
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        let nobody = port(&TcpListener::bind("127.0.0.1:0").expect("a port"));
        for (name, port, cause) in [
            ("silent", port(&silent), Cause::Broken),
            ("endless", endless_port, Cause::Broken),
            ("nobody", nobody, Cause::Unreached),
        ] {
            let mut post = Post::new(&action("http", &[]));
            let sent = post.send(request(port, JSON, "x"), SECOND, false);
            assert_eq!(sent.result.map_err(|why| why.cause), Err(cause), "{name}");
            assert_eq!(sent.records.len(), 1, "{name}");
        }
        talk.join().expect("its client has hung up");
    }

    #[test]
    fn requests_keep_to_the_rate_and_go_together_where_they_may() {
        let ok = || "HTTP/1.1 200 OK\r\n\r\n".to_owned();
        let (port, served) = server(vec![ok()]);
        let mut post = Post::new(&action("http", &[("rate", "1/1h")]));
        assert_eq!(post.send(request(port, JSON, "x"), SECOND, false).result, Ok(()));
        for is_patient in [false, true] {
            let second = post.send(request(port, JSON, "x"), SECOND, is_patient);
            let failing = second.result.expect_err("there is no room");
            assert_eq!(failing.cause, Cause::Behind);
            assert!((3000..=3601).contains(&failing.after), "{failing:?}");
            assert!(second.records.is_empty(), "nothing has failed");
        }
        let _requests = served.join();

        let plain = JSON
            .replace("/<evil>?q=<evil>", "/")
            .replace("X-User: <evil>\n", "");
        let (port, served) = server(vec!["HTTP/1.1 503 Busy\r\n\r\n".to_owned(), ok(), ok()]);
        let mut post = Post::new(&action("http", &[("batch", "2/1h")]));
        for value in ["1", "2\"", "3"] {
            assert_eq!(
                post.send(request(port, &plain, value), SECOND, false).result,
                Ok(()),
                "it is kept"
            );
        }
        assert!(
            post.due().is_some_and(|due| due <= Instant::now()),
            "there are enough"
        );
        post.deliver(10 * SECOND, false);
        assert!(
            post.due().is_some_and(|due| due > Instant::now()),
            "it failed, and comes again"
        );
        post.deliver(10 * SECOND, true);
        assert_eq!(post.due(), None);
        let requests = served.join().expect("requests");
        let bodies: Vec<&str> = requests
            .iter()
            .filter_map(|request| Some(request.split_once("\r\n\r\n")?.1))
            .collect();
        let two = "[{\"v\": \"1\"},{\"v\": \"2\\\"\"}]";
        assert_eq!(bodies, [two, two, "[{\"v\": \"3\"}]"]);
    }

    /// A mail server that takes so many mails, and then tells what it heard.
    fn mail_server(mails: usize, refuses: &'static str) -> (u16, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a port").port();
        let serve = move || {
            (0..mails)
                .map(|_| {
                    let (stream, _) = listener.accept().expect("a client");
                    let mut heard = String::new();
                    let mut reader = BufReader::new(&stream);
                    let say = |text: &str| (&stream).write_all(text.as_bytes()).expect("a client");
                    say("220-mail.example\r\n220 ready\r\n");
                    let mut is_text = false;
                    loop {
                        let mut line = String::new();
                        if reader.read_line(&mut line).unwrap_or(0) == 0 {
                            break;
                        }
                        heard.push_str(&line);
                        let line = line.trim_end();
                        match line {
                            "." if is_text => {
                                is_text = false;
                                say("250 taken\r\n");
                            }
                            _ if is_text => {}
                            _ if !refuses.is_empty() && line.starts_with(refuses) => say("550 no\r\n"),
                            "DATA" => {
                                is_text = true;
                                say("354 go on\r\n");
                            }
                            "QUIT" => say("221 bye\r\n"),
                            _ if line.starts_with("EHLO") => {
                                say("250-mail.example\r\n250 AUTH PLAIN LOGIN\r\n")
                            }
                            _ if line.starts_with("AUTH") => say("235 you are\r\n"),
                            _ => say("250 well\r\n"),
                        }
                    }
                    heard
                })
                .collect()
        };
        (port, thread::spawn(serve))
    }

    fn mail(value: &str) -> Message {
        let text = "Subject: <evil>\n\nHi,\n.\n<evil>\n";
        Message::fill(Medium::Mail, text, &|tag| {
            (tag == "evil").then(|| value.to_owned())
        })
        .expect("a mail")
    }

    #[test]
    fn a_mail_says_what_it_should_and_nothing_of_an_attacker_is_a_command() {
        let (port, served) = mail_server(1, "");
        let host = format!("127.0.0.1:{port}");
        let settings = [
            ("host", host.as_str()),
            ("sender", "f2b@host.example"),
            ("dest", "root@host.example, ann@host.example"),
            ("user", "u"),
            ("password", "p"),
            ("tls", "off"),
        ];
        let mut post = Post::new(&action("mail", &settings));
        assert_eq!(post.send(mail(EVIL), 10 * SECOND, false).result, Ok(()));
        let heard = served.join().expect("a mail").remove(0);
        let (dialogue, text) = heard.split_once("DATA\r\n").expect("a mail");
        assert_eq!(
            dialogue,
            "EHLO host.example\r\nAUTH PLAIN AHUAcA==\r\nMAIL FROM:<f2b@host.example>\r\nRCPT TO:<root@host.example>\r\n\
             RCPT TO:<ann@host.example>\r\n"
        );
        let (head, body) = text.split_once("\r\n\r\n").expect("a body");
        assert!(!head.contains("X-Evil") && head.is_ascii(), "{head}");
        assert_eq!(body.matches("\r\n.\r\n").count(), 1, "it ends once: {body}");
        assert!(body.ends_with("\r\n.\r\nQUIT\r\n"), "{body}");

        let (port, served) = mail_server(1, "");
        let host = format!("127.0.0.1:{port}");
        let mut post = Post::new(&action("mail", &[("host", &host)]));
        assert_eq!(post.send(mail("plain"), 10 * SECOND, false).result, Ok(()));
        let heard = served.join().expect("a mail").remove(0);
        assert!(
            heard.ends_with("\r\n\r\nHi,\r\n..\r\nplain\r\n.\r\nQUIT\r\n"),
            "{heard}"
        );
    }

    #[test]
    fn mails_beyond_the_rate_are_one() {
        let (port, served) = mail_server(2, "");
        let host = format!("127.0.0.1:{port}");
        let mut post = Post::new(&action("mail", &[("host", &host), ("rate", "1/1h")]));
        for value in ["first", "second", "third"] {
            assert_eq!(
                post.send(mail(value), 10 * SECOND, false).result,
                Ok(()),
                "{value}"
            );
        }
        assert!(post.due().is_some_and(|due| due > Instant::now() + SECOND));
        assert!(
            post.deliver(10 * SECOND, true)
                .iter()
                .all(|(level, _)| *level == Level::DEBUG)
        );
        let heard = served.join().expect("mails");
        assert!(heard[0].contains("Subject: first\r\n"));
        assert!(
            heard[1].contains("Subject: [Fail2Ban] 2 reports from host.example\r\n"),
            "{}",
            heard[1]
        );
        assert!(heard[1].contains("* second\r\n* third\r\n"), "{}", heard[1]);
    }

    #[test]
    fn an_answer_is_there_for_the_next_request() {
        let whole = "{\"result\":[{\"id\":\"a1\",\"n\":7}],\"none\":null}";
        let chunked = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n{:x};x=y\r\n{}\r\n0\r\n\r\n",
            whole.get(..5).unwrap(),
            whole.len() - 5,
            whole.get(5..).unwrap()
        );
        let plain = format!(
            "HTTP/1.1 409 Known\r\nContent-Length: {}\r\n\r\n{whole}rest",
            whole.len()
        );
        for answer in [chunked, plain] {
            let (port, served) = server(vec![answer]);
            let mut post = Post::new(&action("http", &[("accept", "409, 410")]));
            assert_eq!(
                post.send(request(port, JSON, "x"), 10 * SECOND, false).result,
                Ok(())
            );
            for (place, expected) in [
                ("result.0.id", Some("a1")),
                ("result.0.n", Some("7")),
                ("result.1.id", None),
                ("result", None),
                ("none", None),
                ("result.id", None),
            ] {
                assert_eq!(post.answer(place).as_deref(), expected, "{place}");
            }
            let _requests = served.join();
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_said() {
        for (medium, settings, expected) in [
            ("http", &[("rate", "often")] as &[(&str, &str)], "`rate` must be"),
            ("http", &[("batch", "0/1m")], "`batch` must be"),
            ("http", &[("accept", "fine")], "`accept` must be"),
            ("mail", &[("host", "h:x")], "must be a number"),
            ("mail", &[("tls", "maybe")], "`tls` must be"),
            ("mail", &[("dest", "a b")], "must be addresses"),
            (
                "mail",
                &[("user", "u"), ("password", "p")],
                "for everybody to read",
            ),
            (
                "mail",
                &[("tls", "on"), ("cafile", "/nonexistent")],
                "/nonexistent",
            ),
        ] {
            let sent = Post::new(&action(medium, settings)).send(mail("x"), SECOND, false);
            let failing = sent.result.expect_err("it makes no sense");
            assert!(failing.text.contains(expected), "{settings:?}: {failing:?}");
            assert_eq!(failing.cause, Cause::Definition);
        }
        for (refuses, cause) in [
            ("MAIL", Cause::Refused(550)),
            ("RCPT", Cause::Refused(550)),
            ("EHLO", Cause::Refused(550)),
        ] {
            let (port, served) = mail_server(1, refuses);
            let host = format!("127.0.0.1:{port}");
            let mut post = Post::new(&action("mail", &[("host", &host)]));
            let sent = post.send(mail("x"), 10 * SECOND, false);
            assert_eq!(sent.result.map_err(|why| why.cause), Err(cause), "{refuses}");
            drop(post);
            let _heard = served.join();
        }
    }
}
