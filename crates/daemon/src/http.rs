//! One request to a server, and what it says.
//!
//! In: a request. Out: the status of the answer, and the begin of what was said.
//!
//! Invariant: one request a connection, nothing is followed, and what is kept of an answer is bounded.

use std::io::{self, Read, Write};
use std::time::Instant;

use stockade_action::message::Request;

use crate::wire::{Trust, Wire};

/// What is kept of an answer, in bytes.
const KEPT: u64 = 64 * 1024;
/// How many lines the head of an answer may have.
const MOST_HEADERS: usize = 200;

/// What a server has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The words behind the status.
    pub(crate) phrase: String,
    /// In how many seconds it wants to be asked again, where it says so.
    pub(crate) retry_after: Option<u32>,
    /// The begin of the rest.
    pub(crate) body: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) text: String,
    /// Whether the request may have reached the server.
    pub(crate) was_sent: bool,
}

impl Trouble {
    fn before(error: impl ToString) -> Self {
        Self {
            text: error.to_string(),
            was_sent: false,
        }
    }

    fn after(error: &io::Error) -> Self {
        Self {
            text: error.to_string(),
            was_sent: true,
        }
    }
}

/// Sends a request and takes the answer.
///
/// # Errors
/// Where there is none in time.
pub(crate) fn exchange(
    request: &Request,
    trust: Option<&Trust>,
    deadline: Instant,
) -> Result<Answer, Trouble> {
    let address = &request.address;
    let mut wire = Wire::connect(&address.host, address.port, deadline).map_err(Trouble::before)?;
    if address.is_secure {
        let trust = trust.ok_or_else(|| Trouble::before("nobody vouches for a server"))?;
        wire = wire.secure(&address.host, trust).map_err(Trouble::before)?;
    }
    wire.write_all(head(request).as_bytes())
        .and_then(|()| wire.write_all(request.body.as_bytes()))
        .and_then(|()| wire.flush())
        .map_err(|error| Trouble::after(&error))?;
    answer(&mut wire).map_err(|error| Trouble::after(&error))
}

fn head(request: &Request) -> String {
    /// What is said of how the message travels is not for whoever writes it.
    const OURS: [&str; 4] = ["host", "content-length", "connection", "transfer-encoding"];
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
        request.method,
        request.address.path,
        request.address.server()
    );
    let has = |name: &str| {
        request
            .headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    if !has("user-agent") {
        head.push_str(concat!(
            "User-Agent: stockade/",
            env!("CARGO_PKG_VERSION"),
            "\r\n"
        ));
    }
    if !request.body.is_empty() || !matches!(request.method.as_str(), "GET" | "HEAD" | "DELETE") {
        head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
    }
    for (name, value) in &request.headers {
        if !OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str("\r\n");
    head
}

fn answer(wire: &mut Wire) -> io::Result<Answer> {
    let no_answer = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the server does not answer as a web server does",
        )
    };
    loop {
        let line = wire.line()?.ok_or_else(no_answer)?;
        let mut words = line.splitn(3, ' ');
        let version = words.next().unwrap_or_default();
        let status = words.next().and_then(|word| word.parse::<u16>().ok());
        let status = status
            .filter(|_| version.starts_with("HTTP/"))
            .ok_or_else(no_answer)?;
        let mut answer = Answer {
            status,
            phrase: words.next().unwrap_or_default().to_owned(),
            retry_after: None,
            body: String::new(),
        };
        let (mut headers, mut is_chunked, mut length) = (0, false, KEPT);
        while let Some(line) = wire.line()?.filter(|line| !line.is_empty()) {
            headers += 1;
            if headers > MOST_HEADERS {
                return Err(no_answer());
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "retry-after" => answer.retry_after = value.trim().parse().ok(),
                "transfer-encoding" => is_chunked = value.trim().eq_ignore_ascii_case("chunked"),
                "content-length" => length = value.trim().parse().unwrap_or(KEPT),
                _ => {}
            }
        }
        // An interim answer is followed by the one that counts.
        if (100..200).contains(&status) {
            continue;
        }
        let mut body = Vec::new();
        // What is not read to its end is a reason that is cut, and no trouble.
        let _cut = if is_chunked {
            chunks(wire, &mut body)
        } else {
            wire.take(length.min(KEPT)).read_to_end(&mut body).map(drop)
        };
        answer.body = String::from_utf8_lossy(&body).into_owned();
        return Ok(answer);
    }
}

/// Reads a body that comes in pieces.
fn chunks(wire: &mut Wire, body: &mut Vec<u8>) -> io::Result<()> {
    while let Some(line) = wire.line()? {
        let size = line.split(';').next().unwrap_or_default().trim();
        let room = KEPT.saturating_sub(u64::try_from(body.len()).unwrap_or(KEPT));
        match u64::from_str_radix(size, 16) {
            Ok(size @ 1..) if size <= room => {
                Read::take(&mut *wire, size).read_to_end(body)?;
                let _line_end = wire.line()?;
            }
            Ok(_) | Err(_) => break,
        }
    }
    Ok(())
}
