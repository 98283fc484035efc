//! An entry of the journal → the text of a line.
//!
//! In: the fields of an entry. Out: what a syslog file would have had, without the date.

use crate::Encoding;

/// The text of a journal entry with these fields: `host identifier[pid]: message`.
///
/// Of a field that occurs more than once all messages count, and of others the first.
#[must_use]
pub fn journal_text(fields: &[(&str, &[u8])], encoding: Encoding) -> String {
    let first = |names: [&str; 2]| {
        // A field without a value is none.
        names.into_iter().find_map(|name| {
            let (_, value) = fields.iter().find(|(field, _)| *field == name)?;
            Some(*value).filter(|value| !value.is_empty())
        })
    };
    let mut parts = Vec::new();
    if let Some(host) = first(["_HOSTNAME", "_HOSTNAME"]) {
        parts.push(encoding.text(host).0.into_owned());
    }
    if let Some(identifier) = first(["SYSLOG_IDENTIFIER", "_COMM"]) {
        let identifier = encoding.text(identifier).0;
        let pid = first(["SYSLOG_PID", "_PID"]).map(process);
        match &pid {
            Some(pid) => parts.push(format!("{identifier}[{pid}]:")),
            None => parts.push(format!("{identifier}:")),
        }
        let monotonic = first(["_SOURCE_MONOTONIC_TIMESTAMP", "__MONOTONIC_TIMESTAMP"]);
        if let Some(monotonic) = monotonic.filter(|_| pid.is_none() && identifier == "kernel") {
            parts.extend(since_boot(monotonic));
        }
    }
    let messages: Vec<String> = fields
        .iter()
        .filter(|(name, _)| *name == "MESSAGE")
        .map(|(_, message)| encoding.text(message).0.replace('\n', "\\n"))
        .collect();
    parts.push(messages.join(" "));
    parts.join(" ")
}

/// A process number, normalised from any way of writing one; another text as the reference shows it, which is
/// as Python prints bytes.
fn process(pid: &[u8]) -> String {
    let text = String::from_utf8_lossy(pid);
    let plain = text.trim().to_lowercase().replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let (digits, radix) = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, radix)))
        .unwrap_or((digits, 10));
    let number = Some(digits)
        .filter(|digits| digits.chars().all(|c| c.is_digit(radix)))
        .and_then(|digits| u64::from_str_radix(digits, radix).ok());
    match number {
        Some(number) => format!("{sign}{number}"),
        None => bytes_literal(pid),
    }
}

/// Bytes as Python prints them.
fn bytes_literal(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        '"'
    } else {
        '\''
    };
    let mut literal = format!("b{quote}");
    for byte in bytes {
        match byte {
            b'\\' => literal.push_str("\\\\"),
            b'\n' => literal.push_str("\\n"),
            b'\r' => literal.push_str("\\r"),
            b'\t' => literal.push_str("\\t"),
            b'\'' if quote == '\'' => literal.push_str("\\'"),
            b' '..=b'~' => literal.push(char::from(*byte)),
            byte => literal.push_str(&format!("\\x{byte:02x}")),
        }
    }
    literal.push(quote);
    literal
}

/// Microseconds since the start of the machine, as the kernel prints them.
fn since_boot(micros: &[u8]) -> Option<String> {
    let micros: u64 = std::str::from_utf8(micros).ok()?.trim().parse().ok()?;
    let seconds = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    Some(format!("[{seconds:>12}]"))
}

#[cfg(test)]
mod tests {
    use super::journal_text;
    use crate::Encoding;

    type Fields = [(&'static str, &'static [u8])];

    #[test]
    fn an_entry_reads_like_a_line_of_a_log() {
        let host = ("_HOSTNAME", b"srv".as_slice());
        let message = ("MESSAGE", b"hello".as_slice());
        let cases: [(&str, &Fields, &str); 13] = [
            (
                "plain",
                &[host, ("SYSLOG_IDENTIFIER", b"app"), ("SYSLOG_PID", b"7"), message],
                "srv app[7]: hello",
            ),
            (
                "without identifier",
                &[host, ("_COMM", b"app"), ("_PID", b"007"), message],
                "srv app[7]: hello",
            ),
            (
                "fields without a value",
                &[
                    host,
                    ("SYSLOG_IDENTIFIER", b""),
                    ("_COMM", b"app"),
                    ("SYSLOG_PID", b""),
                    ("_PID", b"7"),
                    message,
                ],
                "srv app[7]: hello",
            ),
            (
                "line ends behind the message",
                &[host, ("MESSAGE", b"hello\r\n\n")],
                "srv hello\r\\n\\n",
            ),
            ("without program", &[host, ("_PID", b"7"), message], "srv hello"),
            ("without host", &[("_COMM", b"app"), message], "app: hello"),
            (
                "odd pid",
                &[host, ("_COMM", b"app"), ("SYSLOG_PID", b"abc"), message],
                "srv app[b'abc']: hello",
            ),
            (
                "hexadecimal pid",
                &[host, ("_COMM", b"app"), ("SYSLOG_PID", b"0x10"), message],
                "srv app[16]: hello",
            ),
            (
                "odd bytes in the pid",
                &[host, ("_COMM", b"app"), ("SYSLOG_PID", b"'\n\xff"), message],
                "srv app[b\"'\\n\\xff\"]: hello",
            ),
            (
                "kernel",
                &[
                    host,
                    ("SYSLOG_IDENTIFIER", b"kernel"),
                    ("__MONOTONIC_TIMESTAMP", b"5123456"),
                    message,
                ],
                "srv kernel: [    5.123456] hello",
            ),
            (
                "a program that calls itself kernel",
                &[
                    host,
                    ("_COMM", b"kernel"),
                    ("_PID", b"1"),
                    ("__MONOTONIC_TIMESTAMP", b"5"),
                    message,
                ],
                "srv kernel[1]: hello",
            ),
            (
                "lines",
                &[host, ("MESSAGE", b"a\nb"), ("MESSAGE", b"c")],
                "srv a\\nb c",
            ),
            ("bytes", &[host, ("MESSAGE", b"caf\xe9")], "srv caf\u{fffd}"),
        ];
        for (name, fields, text) in cases {
            assert_eq!(journal_text(fields, Encoding::UTF_8), text, "{name}");
        }
    }
}
