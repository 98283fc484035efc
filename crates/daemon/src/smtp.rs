//! One mail to a server.
//!
//! In: a mail that is written out, whom it is for, and how the server is to be spoken to. Out: whether it was taken.
//!
//! Invariant: a password travels only where TLS hides it, unless the administrator has switched that off in so many words.

use std::io::{self, Write};
use std::time::Instant;

use crate::wire::{Trust, Wire};

/// How many lines an answer may have.
const MOST_LINES: usize = 100;

/// Whether the connection is secure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// It is not.
    Off,
    /// From the command STARTTLS on, without which there is no mail.
    StartTls,
    /// From the begin.
    Tls,
}

/// How a server is spoken to.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    /// The user and the password.
    pub(crate) login: Option<(String, String)>,
    /// What the server is told who speaks.
    pub(crate) own_name: String,
}

/// Why a mail was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server did not hear of it.
    Unreached(String),
    /// The server has said so, with this status.
    Answered(u16, String),
    /// It may or may not have been taken.
    Broken(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Unreached(error.to_string())
    }
}

/// Hands a mail to a server: `text` has all headers, and lines that end as lines of a mail do.
///
/// # Errors
/// Where the server does not take it, from nobody or for nobody.
pub(crate) fn send(
    server: &Server,
    trust: Option<&Trust>,
    (sender, recipients): (&str, &[String]),
    text: &str,
    deadline: Instant,
) -> Result<(), Trouble> {
    let trusted = || trust.ok_or_else(|| Trouble::Unreached("nobody vouches for a server".to_owned()));
    let mut wire = Wire::connect(&server.host, server.port, deadline)?;
    if server.security == Security::Tls {
        wire = wire.secure(&server.host, trusted()?)?;
    }
    expect(&mut wire, 220)?;
    let hello = format!("EHLO {}", server.own_name);
    let mut offers = say(&mut wire, &hello, 250)?;
    if server.security == Security::StartTls {
        say(&mut wire, "STARTTLS", 220)?;
        wire = wire.secure(&server.host, trusted()?)?;
        offers = say(&mut wire, &hello, 250)?;
    }
    if let Some((user, password)) = &server.login {
        login(&mut wire, &offers, user, password)?;
    }
    say(&mut wire, &format!("MAIL FROM:<{sender}>"), 250)?;
    let mut refused = None;
    let mut taken = false;
    for recipient in recipients {
        match say(&mut wire, &format!("RCPT TO:<{recipient}>"), 250) {
            Ok(_) => taken = true,
            Err(trouble @ Trouble::Answered(..)) => refused = Some(trouble),
            Err(trouble) => return Err(trouble),
        }
    }
    if let Some(trouble) = refused.filter(|_| !taken) {
        return Err(trouble);
    }
    say(&mut wire, "DATA", 354)?;
    let mut stuffed = String::with_capacity(text.len() + 64);
    for line in text.split("\r\n") {
        // A line with a dot alone would end the mail.
        if line.starts_with('.') {
            stuffed.push('.');
        }
        stuffed.push_str(line);
        stuffed.push_str("\r\n");
    }
    stuffed.push_str(".\r\n");
    wire.write_all(stuffed.as_bytes())?;
    wire.flush()?;
    expect(&mut wire, 250).map_err(|trouble| match trouble {
        Trouble::Unreached(text) => Trouble::Broken(text),
        trouble @ (Trouble::Answered(..) | Trouble::Broken(_)) => trouble,
    })?;
    // The mail is theirs now, whatever they say to that.
    let _goodbye = say(&mut wire, "QUIT", 221);
    Ok(())
}

fn login(wire: &mut Wire, offers: &[String], user: &str, password: &str) -> Result<(), Trouble> {
    let offered = |name: &str| {
        offers.iter().any(|line| {
            let mut words = line.split([' ', '=']);
            words.next().is_some_and(|word| word.eq_ignore_ascii_case("AUTH"))
                && words.any(|word| word.eq_ignore_ascii_case(name))
        })
    };
    if offered("PLAIN") {
        let secret = base64(format!("\0{user}\0{password}").as_bytes());
        say(wire, &format!("AUTH PLAIN {secret}"), 235)?;
    } else if offered("LOGIN") {
        say(wire, "AUTH LOGIN", 334)?;
        say(wire, &base64(user.as_bytes()), 334)?;
        say(wire, &base64(password.as_bytes()), 235)?;
    } else {
        return Err(Trouble::Unreached(
            "the server offers no way to log in that is known here: PLAIN or LOGIN".to_owned(),
        ));
    }
    Ok(())
}

/// Says a line and takes the answer.
fn say(wire: &mut Wire, line: &str, expected: u16) -> Result<Vec<String>, Trouble> {
    wire.write_all(format!("{line}\r\n").as_bytes())?;
    wire.flush()?;
    expect(wire, expected)
}

/// The lines of an answer with that status.
fn expect(wire: &mut Wire, expected: u16) -> Result<Vec<String>, Trouble> {
    let mut lines = Vec::new();
    while lines.len() < MOST_LINES {
        let Some(line) = wire.line()? else {
            return Err(Trouble::Unreached("the server has hung up".to_owned()));
        };
        let status: u16 = line.get(..3).and_then(|status| status.parse().ok()).unwrap_or(0);
        lines.push(line.get(4..).unwrap_or_default().to_owned());
        if line.as_bytes().get(3) == Some(&b'-') {
            continue;
        }
        if status == expected {
            return Ok(lines);
        }
        return Err(Trouble::Answered(status, line));
    }
    Err(Trouble::Unreached(
        "the server does not come to an end".to_owned(),
    ))
}

/// Bytes as text that any mail server takes.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let part = |at: usize| three.get(at).copied().map_or(0, u32::from);
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for at in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
            let char = DIGITS.get(digit).copied().map_or('=', char::from);
            out.push(if usize::try_from(at).unwrap_or(0) > three.len() {
                '='
            } else {
                char
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("\0u\0p\u{ff}", "AHUAcMO/"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }
}
