//! A connection to a server, plain or with TLS, that has a deadline.
//!
//! In: a host, a port, a time by which all is over. Out: something to read from and to write to.
//!
//! Invariant: nothing waits beyond the deadline but the system's own look-up of the name, and what a server says is read
//! to a limit.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::{helper, resolver};

/// Where distributions keep the certificates of the authorities that they trust, in one file.
const AUTHORITIES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/share/ca-certs/ca-bundle.crt",
];
/// The longest line that a server may send, in bytes.
const LONGEST_LINE: usize = 8192;

/// Whom to believe that a server is who it says.
#[derive(Debug, Clone)]
pub(crate) struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Whoever the authorities in a file vouch for, or those of the system.
    ///
    /// # Errors
    /// Where there is no such file, or no certificate in it.
    pub(crate) fn read(file: Option<&str>) -> Result<Self, String> {
        let systems = || {
            AUTHORITIES
                .into_iter()
                .find(|path| helper::open(Path::new(path)).is_ok())
        };
        let Some(path) = file.or_else(systems) else {
            let places = AUTHORITIES.join(", ");
            return Err(format!(
                "no authority is known that could vouch for a server: there is none of {places}; `cafile = …` names another"
            ));
        };
        let file = helper::open(Path::new(path)).map_err(|error| format!("{path}: {error}"))?;
        let mut roots = RootCertStore::empty();
        let found = CertificateDer::pem_reader_iter(BufReader::new(file)).filter_map(Result::ok);
        let (added, _) = roots.add_parsable_certificates(found);
        if added == 0 {
            return Err(format!("{path} has no certificate of an authority"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(
            config.with_root_certificates(roots).with_no_client_auth(),
        )))
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    deadline: Instant,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// Connects; each address of the host is tried.
    ///
    /// # Errors
    /// Where none answers in time.
    pub(crate) fn connect(host: &str, port: u16, deadline: Instant) -> io::Result<Self> {
        let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
        for address in resolver::addresses_of(host)?.into_iter().take(8) {
            match TcpStream::connect_timeout(&(address, port).into(), left(deadline)?) {
                Ok(stream) => {
                    return Ok(Self {
                        stream: Stream::Plain(stream),
                        deadline,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Speaks TLS from here on.
    ///
    /// # Errors
    /// Where the server does not, or nobody vouches for it.
    pub(crate) fn secure(self, host: &str, trust: &Trust) -> io::Result<Self> {
        let Stream::Plain(mut stream) = self.stream else {
            return Ok(self);
        };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::new(ErrorKind::InvalidInput, "the host has no name to vouch for"))?;
        let mut connection = ClientConnection::new(Arc::clone(&trust.0), name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            limit(&stream, self.deadline)?;
            connection.complete_io(&mut stream)?;
        }
        Ok(Self {
            stream: Stream::Secure(Box::new(StreamOwned::new(connection, stream))),
            deadline: self.deadline,
        })
    }

    /// A line without its end; `None` at the end of what there is.
    ///
    /// # Errors
    /// Where nothing comes in time, or a line is too long.
    pub(crate) fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            match self.read(&mut byte)? {
                0 if line.is_empty() => return Ok(None),
                0 => break,
                _ if byte == *b"\n" => break,
                _ if line.len() >= LONGEST_LINE => {
                    return Err(io::Error::new(
                        ErrorKind::InvalidData,
                        "the server sends a line without end",
                    ));
                }
                _ => line.extend(byte),
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.stream {
            Stream::Plain(stream) => {
                limit(stream, self.deadline)?;
                stream.read(buffer)
            }
            Stream::Secure(stream) => {
                limit(&stream.sock, self.deadline)?;
                stream.read(buffer)
            }
        };
        match read {
            // Many servers end without a word.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            Err(error) => Err(timely(error)),
            Ok(count) => Ok(count),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.stream {
            Stream::Plain(stream) => {
                limit(stream, self.deadline)?;
                stream.write(bytes)
            }
            Stream::Secure(stream) => {
                limit(&stream.sock, self.deadline)?;
                stream.write(bytes)
            }
        };
        written.map_err(timely)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.flush(),
            Stream::Secure(stream) => stream.flush(),
        }
    }
}

/// How long there is until a deadline.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::Error::new(ErrorKind::TimedOut, "the time is over"));
    }
    Ok(left)
}

fn limit(stream: &TcpStream, deadline: Instant) -> io::Result<()> {
    let left = left(deadline)?;
    stream.set_read_timeout(Some(left))?;
    stream.set_write_timeout(Some(left))
}

/// What the system calls a resource that is not available is a time that is over.
fn timely(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock {
        return io::Error::new(ErrorKind::TimedOut, "the time is over");
    }
    error
}
