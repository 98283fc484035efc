//! What an action sends instead of running a command: a request to a server, or a mail.
//!
//! In: a text in the place of the command, and the facts of a ban. Out: the parts of the message.
//!
//! A request is written as it travels: a method and an address, headers, an empty line, a body. A line `---` ends it, and
//! another one follows. A mail has no first line: headers, an empty line, a text.
//!
//! Invariant: the text is taken apart before anything is put in, and a value is written as its place demands. So nothing
//! that came from a log ends an address, a header, or a string of the body.

use std::fmt::Write as _;

use crate::tags::{cut, next_tag};

/// The longest value that a message is given, in bytes.
const LONGEST_VALUE: usize = 64 * 1024;
/// The longest body, in bytes; what is beyond is cut off.
const LONGEST_BODY: usize = 1 << 20;

/// How an action does what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Medium {
    /// It runs commands.
    #[default]
    Shell,
    /// It sends requests: `type = http`.
    Http,
    /// It sends mail: `type = mail`.
    Mail,
}

impl Medium {
    /// What the option `type` says. Of stock actions it names other things.
    #[must_use]
    pub fn named(name: Option<&str>) -> Self {
        match name {
            Some("http") => Self::Http,
            Some("mail") => Self::Mail,
            Some(_) | None => Self::Shell,
        }
    }
}

/// A message that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A mail.
    Mail(Mail),
}

/// A request to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Where it goes.
    pub address: Address,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: String,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Whether it is `https`.
    pub is_secure: bool,
    /// The name or the address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The path and the query.
    pub path: String,
}

/// A mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The text.
    pub body: String,
}

/// Why a text is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The first line of a request.
    #[error(
        "a request begins with a method and an address, such as `POST https://host.example/path`, not with `{0}`"
    )]
    FirstLine(String),
    /// The address.
    #[error("`{0}` is no address of a server, such as `https://host.example/path`")]
    Address(String),
    /// A line above the first empty one.
    #[error("`{0}` is no header, such as `Name: value`; an empty line ends the headers")]
    Header(String),
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Address,
    Header,
    Json,
    Form,
    Markup,
    Text,
}

impl Message {
    /// The message that `text` is, with the values that are known; what is no tag stays.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn fill(
        medium: Medium,
        text: &str,
        value_of: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Malformed> {
        let (head, body) = apart(text);
        let mut lines = head.lines().map(str::trim).filter(|line| !line.is_empty());
        let address = match medium {
            Medium::Http => {
                let line = lines.next().unwrap_or_default();
                let (method, address) = line
                    .split_once(char::is_whitespace)
                    .filter(|(method, _)| {
                        !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase())
                    })
                    .ok_or_else(|| Malformed::FirstLine(line.to_owned()))?;
                // A blank in an option of the action is no mistake; it is written as addresses have it.
                let filled = fill(&address.trim().replace(' ', "%20"), Place::Address, value_of);
                Some((method.to_owned(), Address::read(&filled)?))
            }
            Medium::Shell | Medium::Mail => None,
        };
        let mut headers = Vec::new();
        for line in lines {
            let header = line
                .split_once(':')
                .filter(|(name, _)| is_header_name(name.trim()));
            let (name, value) = header.ok_or_else(|| Malformed::Header(line.to_owned()))?;
            let value = fill(value.trim(), Place::Header, value_of);
            headers.push((name.trim().to_owned(), value));
        }
        let place = if address.is_some() {
            body_place(&headers)
        } else {
            Place::Text
        };
        let mut body = fill(body, place, value_of);
        cut(&mut body, LONGEST_BODY);
        Ok(match address {
            Some((method, address)) => Self::Request(Request {
                method,
                address,
                headers,
                body,
            }),
            None => Self::Mail(Mail { headers, body }),
        })
    }
}

impl Address {
    fn read(text: &str) -> Result<Self, Malformed> {
        let wrong = || Malformed::Address(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let is_secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(wrong()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (server, path) = rest.split_at_checked(end).ok_or_else(wrong)?;
        let (host, port) = match server.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) = rest.split_once(']').ok_or_else(wrong)?;
                (host, behind.strip_prefix(':'))
            }
            None => match server.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (server, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong())?,
            None if is_secure => 443,
            None => 80,
        };
        let is_host = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_host) || path.chars().any(|char| !char.is_ascii_graphic())
        {
            return Err(wrong());
        }
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Ok(Self {
            is_secure,
            host: host.to_owned(),
            port,
            path,
        })
    }

    /// The server as a header names it.
    #[must_use]
    pub fn server(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.is_secure, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl Request {
    /// Whether its body is JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        body_place(&self.headers) == Place::Json
    }
}

/// The messages that a text consists of, one after the other.
pub fn parts(medium: Medium, text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest.take()?;
        let mut at = 0;
        for line in whole.split_inclusive('\n') {
            if medium == Medium::Http && line.trim() == "---" {
                let (part, behind) = whole.split_at_checked(at)?;
                rest = behind.get(line.len()..);
                return Some(part);
            }
            at += line.len();
        }
        Some(whole)
    })
}

/// The headers and the body of a message.
fn apart(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            let (head, rest) = text.split_at_checked(at).unwrap_or((text, ""));
            return (head, rest.get(line.len()..).unwrap_or_default());
        }
        at += line.len();
    }
    (text, "")
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// How values are written in a body with these headers.
fn body_place(headers: &[(String, String)]) -> Place {
    let kind = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map(|(_, value)| {
            value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        })
        .unwrap_or_default();
    match kind.as_str() {
        "application/x-www-form-urlencoded" => Place::Form,
        "text/html" | "text/xml" | "application/xml" => Place::Markup,
        kind if kind.ends_with("json") => Place::Json,
        _ => Place::Text,
    }
}

/// `text` with the values of its tags, each once and not looked at again.
fn fill(text: &str, place: Place, value_of: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    while let Some((start, end, tag)) = next_tag(text, done) {
        let Some(mut value) = value_of(&tag) else {
            out.push_str(text.get(done..=start).unwrap_or_default());
            done = start + 1;
            continue;
        };
        out.push_str(text.get(done..start).unwrap_or_default());
        cut(&mut value, LONGEST_VALUE);
        if out.len() < 2 * LONGEST_BODY {
            write_value(&mut out, &value, place);
        }
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

fn write_value(out: &mut String, value: &str, place: Place) {
    match place {
        Place::Address | Place::Form => {
            for byte in value.bytes() {
                match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                        out.push(char::from(byte));
                    }
                    _ => push(out, format_args!("%{byte:02X}")),
                }
            }
        }
        Place::Header => out.extend(
            value
                .chars()
                .map(|char| if char.is_control() { ' ' } else { char }),
        ),
        Place::Json => {
            for char in value.chars() {
                match char {
                    '"' => out.push_str("\\\""),
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    char if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') => {
                        push(out, format_args!("\\u{:04x}", u32::from(char)));
                    }
                    char => out.push(char),
                }
            }
        }
        Place::Markup => {
            for char in value.chars() {
                match char {
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '&' => out.push_str("&amp;"),
                    '"' => out.push_str("&quot;"),
                    '\'' => out.push_str("&#39;"),
                    char => out.push(printable(char)),
                }
            }
        }
        Place::Text => out.extend(value.chars().map(printable)),
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a string takes everything");
}

const fn printable(char: char) -> char {
    match char {
        '\n' | '\t' => char,
        '\0'..=' ' => ' ',
        '\u{7f}'..='\u{9f}' => '\u{fffd}',
        _ => char,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(tag: &str) -> Option<String> {
        let value = match tag {
            "ip" => "2001:db8::7",
            "evil" => "a\"b\\c\r\nX-Evil: 1\r\n\r\n.\n<ip>&é\0\u{1b}' %",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn request(text: &str) -> Request {
        match Message::fill(Medium::Http, text, &value) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_value_is_written_as_its_place_demands() {
        for (kind, expected) in [
            (
                "application/json",
                "a\\\"b\\\\c\\u000d\\nX-Evil: 1\\u000d\\n\\u000d\\n.\\n<ip>&é\\u0000\\u001b' %",
            ),
            (
                "application/x-www-form-urlencoded; charset=utf-8",
                "a%22b%5Cc%0D%0AX-Evil%3A%201%0D%0A%0D%0A.%0A%3Cip%3E%26%C3%A9%00%1B%27%20%25",
            ),
            (
                "text/xml",
                "a&quot;b\\c \nX-Evil: 1 \n \n.\n&lt;ip&gt;&amp;é  &#39; %",
            ),
            ("text/plain", "a\"b\\c \nX-Evil: 1 \n \n.\n<ip>&é  ' %"),
        ] {
            let request = request(&format!(
                "POST https://host.example:8443/<ip>?q=<evil>\nContent-Type: {kind}\nX-User: <evil>\n\nv=<evil>;<unknown>"
            ));
            assert_eq!(request.body, format!("v={expected};<unknown>"), "{kind}");
            assert_eq!(
                request.address.path,
                "/2001%3Adb8%3A%3A7?q=a%22b%5Cc%0D%0AX-Evil%3A%201%0D%0A%0D%0A.%0A%3Cip%3E%26%C3%A9%00%1B%27%20%25"
            );
            assert_eq!(request.address.server(), "host.example:8443");
            let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["Content-Type", "X-User"]);
            let (_, user) = &request.headers[1];
            assert_eq!(user, "a\"b\\c  X-Evil: 1    . <ip>&é  ' %");
        }
    }

    #[test]
    fn a_mail_has_the_headers_of_its_text_and_no_more() {
        let text = "Subject: <evil>\nX-A: b\n\nHi,\n\n<evil>\n";
        let Ok(Message::Mail(mail)) = Message::fill(Medium::Mail, text, &value) else {
            panic!("it is a mail");
        };
        assert_eq!(mail.headers.len(), 2);
        assert!(!mail.headers[0].1.contains(['\r', '\n', '\0']));
        assert_eq!(mail.body, "Hi,\n\na\"b\\c \nX-Evil: 1 \n \n.\n<ip>&é  ' %\n");
    }

    #[test]
    fn what_is_no_message_is_said() {
        for (text, expected) in [
            ("", Malformed::FirstLine(String::new())),
            (
                "curl https://h/",
                Malformed::FirstLine("curl https://h/".to_owned()),
            ),
            ("GET", Malformed::FirstLine("GET".to_owned())),
            ("GET ftp://h/", Malformed::Address("ftp://h/".to_owned())),
            ("GET https:///x", Malformed::Address("https:///x".to_owned())),
            (
                "GET https://a@b/x",
                Malformed::Address("https://a@b/x".to_owned()),
            ),
            (
                "GET https://<ip>/",
                Malformed::Address("https://2001%3Adb8%3A%3A7/".to_owned()),
            ),
            (
                "GET https://h:99999/",
                Malformed::Address("https://h:99999/".to_owned()),
            ),
            (
                "GET https://h/\n{\"a\": 1}",
                Malformed::Header("{\"a\": 1}".to_owned()),
            ),
        ] {
            assert_eq!(Message::fill(Medium::Http, text, &value), Err(expected), "{text}");
        }
        for (text, server, path) in [
            ("GET http://h", "h", "/"),
            ("GET http://h?a=b", "h", "/?a=b"),
            ("GET http://h/?a=b c", "h", "/?a=b%20c"),
            ("GET http://[2001:db8::1]:8/a#b", "[2001:db8::1]:8", "/a"),
            ("GET https://h:443/", "h", "/"),
        ] {
            let request = request(text);
            assert_eq!(
                (request.address.server().as_str(), request.address.path.as_str()),
                (server, path)
            );
        }
    }
}
