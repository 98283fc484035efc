//! `smtp.py`, the action of the reference that is written in Python and sends mail, as properties of one that needs none.
//!
//! In: its parameters. Out: the properties of an action of `type = mail` that sends the same mails.

use crate::tags::Properties;

/// The properties of a mail action that does what `smtp.py` does with these parameters.
#[must_use]
pub fn properties(parameters: impl Iterator<Item = (String, String)>) -> Properties {
    let mut properties = Properties::default();
    let mut section = "";
    // It logs in over a connection that anybody can read, unless it is told otherwise.
    properties.set("tls", "off".to_owned());
    for (name, value) in parameters {
        match (name.as_str(), value.as_str()) {
            ("ssl", "") => {}
            // Any text means yes there.
            ("ssl", _) => properties.set("tls", "starttls".to_owned()),
            ("matches", "matches") => section = "\nMatches for this ban:\n<matches>\n",
            ("matches", "ipmatches") => section = "\nMatches for <ip>:\n<ipmatches>\n",
            ("matches", "ipjailmatches") => {
                section = "\nMatches for <ip> for jail <name>:\n<ipjailmatches>\n"
            }
            (
                "host" | "user" | "password" | "sendername" | "sender" | "dest" | "timeout" | "rate"
                | "retries",
                value,
            ) => {
                properties.set(&name, value.to_owned());
            }
            _ => {}
        }
    }
    let mail = |what: &str, text: &str| {
        format!("Subject: [Fail2Ban] <name>: {what} <fq-hostname>\n\nHi,\n\n{text}\nRegards,\nFail2Ban\n")
    };
    for (command, text) in [
        (
            "actionstart",
            mail("started on", "The jail <name> has been started successfully.\n"),
        ),
        (
            "actionstop",
            mail("stopped on", "The jail <name> has been stopped.\n"),
        ),
        (
            "actionban",
            mail(
                "banned <ip> from",
                &format!(
                    "The IP <ip> has just been banned for <bantime> seconds\nby Fail2Ban after <failures> attempts \
                     against <name>.\n{section}"
                ),
            ),
        ),
        ("norestored", "1".to_owned()),
        ("type", "mail".to_owned()),
    ] {
        properties.set(command, text);
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::properties;
    use crate::message::{Mail, Medium, Message};
    use crate::tags::HostNames;

    #[test]
    fn its_mails_are_those_of_the_reference() {
        let host = HostNames {
            full: "host.example".to_owned(),
            short: "host".to_owned(),
        };
        let value = |tag: &str| {
            let value = match tag {
                "ip" => "192.0.2.1",
                "bantime" => "600",
                "failures" => "3",
                "matches" => "one\ntwo <ip>",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let parameters = [("host", "h:25"), ("matches", "matches"), ("ssl", "")];
        let mut properties = properties(parameters.map(|(a, b)| (a.to_owned(), b.to_owned())).into_iter());
        properties.set("name", "sshd".to_owned());
        for (command, subject, body) in [
            (
                "actionstart",
                "[Fail2Ban] sshd: started on host.example",
                "Hi,\n\nThe jail sshd has been started successfully.\n\nRegards,\nFail2Ban\n",
            ),
            (
                "actionban",
                "[Fail2Ban] sshd: banned 192.0.2.1 from host.example",
                "Hi,\n\nThe IP 192.0.2.1 has just been banned for 600 seconds\nby Fail2Ban after 3 attempts against \
                 sshd.\n\nMatches for this ban:\none\ntwo <ip>\n\nRegards,\nFail2Ban\n",
            ),
        ] {
            let text = properties
                .resolve(properties.get(command).unwrap(), None, &host)
                .unwrap();
            let expected = Mail {
                headers: vec![("Subject".to_owned(), subject.to_owned())],
                body: body.to_owned(),
            };
            assert_eq!(
                Message::fill(Medium::Mail, &text, &value),
                Ok(Message::Mail(expected)),
                "{command}"
            );
        }
        assert_eq!(properties.get("tls"), Some("off"));
    }
}
