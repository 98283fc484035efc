//! A mail as it travels.
//!
//! In: the headers and the text that an action has written, and who sends it to whom. Out: the lines of a mail.
//!
//! Invariant: every line is printable ASCII and shorter than a mail server allows, whatever came from a log.

use jiff::fmt::rfc2822;
use stockade_action::message::Mail;

use crate::smtp::base64;

/// The longest line that needs no encoding, in bytes.
const LONGEST_LINE: usize = 900;
/// How many bytes are encoded into one word of a header.
const WORD: usize = 42;
/// The longest value of a header, in bytes.
const LONGEST_HEADER: usize = 2000;
/// The longest text of mails that were put together, in bytes.
const LONGEST_DIGEST: usize = 256 * 1024;

/// Who sends a mail to whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Envelope {
    /// The name of the sender, for people.
    pub(crate) sender_name: String,
    /// The address of the sender.
    pub(crate) sender: String,
    /// Whom it is for, as the header has it.
    pub(crate) recipients: String,
    /// The machine.
    pub(crate) host: String,
}

impl Envelope {
    /// The addresses that it goes to.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let parts = self.recipients.split(',');
        let addresses = parts.map(|part| {
            let bare = part.split_once('<').map_or(part, |(_, rest)| rest);
            bare.split('>').next().unwrap_or_default().trim().to_owned()
        });
        addresses.filter(|address| is_address(address)).collect()
    }
}

/// Whether a text can be an address in a dialogue with a server.
pub(crate) fn is_address(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|char| char.is_ascii_graphic() && !matches!(char, '<' | '>'))
}

/// Writes a mail out.
pub(crate) fn write(mail: &Mail, envelope: &Envelope, now: jiff::Timestamp) -> String {
    let is_odd = |char: char| !char.is_ascii() || (char.is_control() && !matches!(char, '\n' | '\t'));
    let needs_encoding =
        mail.body.chars().any(is_odd) || mail.body.lines().any(|line| line.len() > LONGEST_LINE);
    let encoding = if needs_encoding { "base64" } else { "7bit" };
    let own = |name: &str| {
        mail.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    let mut lines = vec![
        "Content-Type: text/plain; charset=\"utf-8\"".to_owned(),
        format!("Content-Transfer-Encoding: {encoding}"),
        "MIME-Version: 1.0".to_owned(),
    ];
    let mut head = |name: &str, otherwise: String| {
        let value = match own(name) {
            Some((_, value)) => unstructured(value),
            None => otherwise,
        };
        if !value.is_empty() {
            lines.push(format!("{name}: {value}"));
        }
    };
    head(
        "Subject",
        format!("[Fail2Ban] report from {}", unstructured(&envelope.host)),
    );
    head("From", mailbox(&envelope.sender_name, &envelope.sender));
    head("To", unstructured(&envelope.recipients));
    head(
        "Date",
        rfc2822::DateTimePrinter::new()
            .timestamp_to_string(&now)
            .unwrap_or_default(),
    );
    head("Auto-Submitted", "auto-generated".to_owned());
    for (name, value) in &mail.headers {
        const OURS: [&str; 8] = [
            "content-type",
            "content-transfer-encoding",
            "mime-version",
            "subject",
            "from",
            "to",
            "date",
            "auto-submitted",
        ];
        if !OURS.contains(&name.to_ascii_lowercase().as_str()) {
            lines.push(format!("{name}: {}", unstructured(value)));
        }
    }
    lines.push(String::new());
    if needs_encoding {
        let body = mail.body.lines().collect::<Vec<_>>().join("\r\n") + "\r\n";
        lines.extend(body.as_bytes().chunks(57).map(base64));
    } else {
        lines.extend(mail.body.lines().map(str::to_owned));
    }
    lines.join("\r\n")
}

/// Several mails as one.
pub(crate) fn digest(mails: &[Mail], left_out: usize, host: &str) -> Mail {
    let subject = |mail: &Mail| {
        let subject = mail
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("subject"));
        let short = |value: &String| value.chars().take(200).collect::<String>();
        subject.map(|(_, value)| short(value)).unwrap_or_default()
    };
    let count = mails.len().saturating_add(left_out);
    let mut body = format!("{count} reports, put together:\n\n");
    for mail in mails {
        body.push_str(&format!("* {}\n", subject(mail)));
    }
    let mut unshown = left_out;
    for mail in mails {
        if body.len().saturating_add(mail.body.len()) > LONGEST_DIGEST {
            unshown += 1;
            continue;
        }
        body.push_str(&format!("\n--- {}\n\n{}\n", subject(mail), mail.body.trim_end()));
    }
    if unshown > 0 {
        body.push_str(&format!("\nThe text of {unshown} is left out.\n"));
    }
    let kept = mails.first().into_iter().flat_map(|mail| &mail.headers);
    let mut headers: Vec<(String, String)> = kept
        .filter(|(name, _)| !name.eq_ignore_ascii_case("subject"))
        .cloned()
        .collect();
    headers.push((
        "Subject".to_owned(),
        format!("[Fail2Ban] {count} reports from {host}"),
    ));
    Mail { headers, body }
}

/// A name and an address.
fn mailbox(name: &str, address: &str) -> String {
    let address = unstructured(address);
    if name.is_empty() {
        return address;
    }
    let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, ' ' | '-' | '_' | '.');
    if name.chars().all(|char| is_plain(char) && char != '.') {
        return format!("{name} <{address}>");
    }
    if name.chars().all(|char| char == ' ' || char.is_ascii_graphic()) {
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        return format!("\"{quoted}\" <{address}>");
    }
    format!("{} <{address}>", unstructured(name))
}

/// A value of a header: as it is, or in words that are encoded.
fn unstructured(value: &str) -> String {
    let mut value: String = value
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    let mut end = LONGEST_HEADER.min(value.len());
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value.truncate(end);
    if value.is_ascii() && value.len() <= LONGEST_LINE {
        return value;
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for char in value.chars() {
        if word.len() + char.len_utf8() > WORD {
            words.push(std::mem::take(&mut word));
        }
        word.push(char);
    }
    words.push(word);
    let words = words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", base64(word.as_bytes())));
    words.collect::<Vec<_>>().join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            sender_name: "Zoé".to_owned(),
            sender: "f2b@host.example".to_owned(),
            recipients: "root@host.example, Ann <ann@host.example>, a b, <x\ny>".to_owned(),
            host: "host.example".to_owned(),
        }
    }

    fn mail(subject: &str, body: &str) -> Mail {
        Mail {
            headers: vec![
                ("Subject".to_owned(), subject.to_owned()),
                ("X-Jail".to_owned(), "sshd".to_owned()),
            ],
            body: body.to_owned(),
        }
    }

    #[test]
    fn a_mail_is_written_as_the_reference_writes_it() {
        let plain = Envelope {
            sender_name: "Fail2Ban".to_owned(),
            recipients: "root".to_owned(),
            ..envelope()
        };
        let written = write(
            &mail("hello", "Hi,\n\n.\nbye\n"),
            &plain,
            jiff::Timestamp::from_second(1_795_305_738).unwrap(),
        );
        assert_eq!(
            written,
            "Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: 7bit\r\nMIME-Version: 1.0\r\n\
             Subject: hello\r\nFrom: Fail2Ban <f2b@host.example>\r\nTo: root\r\n\
             Date: Sun, 22 Nov 2026 00:02:18 -0000\r\nAuto-Submitted: auto-generated\r\nX-Jail: sshd\r\n\r\n\
             Hi,\r\n\r\n.\r\nbye"
        );
    }

    #[test]
    fn whatever_is_in_it_every_line_is_short_and_ascii() {
        let long = "x".repeat(5000);
        for (subject, body) in [
            ("é".repeat(300).as_str(), "ü\n"),
            (
                "a\r\nBcc: evil@host.example\r\n\r\nbody",
                "a\r\n.\r\nQUIT\r\n\0\u{1b}",
            ),
            (&long, &long),
        ] {
            let written = write(&mail(subject, body), &envelope(), jiff::Timestamp::UNIX_EPOCH);
            let (head, _) = written.split_once("\r\n\r\n").unwrap();
            for line in written.split("\r\n") {
                assert!(line.len() < 998 && line.is_ascii(), "{line}");
            }
            for line in head.split("\r\n") {
                assert!(!line.starts_with("Bcc"), "{head}");
            }
        }
    }

    #[test]
    fn only_addresses_are_recipients() {
        assert_eq!(envelope().addresses(), ["root@host.example", "ann@host.example"]);
    }

    #[test]
    fn several_mails_are_one() {
        let one = digest(
            &[mail("first", "one\n"), mail("second", "two\n")],
            1,
            "host.example",
        );
        assert_eq!(
            one.body,
            "3 reports, put together:\n\n* first\n* second\n\n--- first\n\none\n\n--- second\n\ntwo\n\nThe text of 1 is left out.\n"
        );
        assert_eq!(one.headers[1].1, "[Fail2Ban] 3 reports from host.example");
    }
}
