//! Messages of syslog from other machines and programs, as lines.
//!
//! In: where to listen, whom to listen to, and which messages each reader wants. Out: [`Event`]s, lines in the order in
//! which their messages came.
//! Time: the `now` that the caller passes; nothing here reads a clock or waits.
//!
//! Senders by UDP cannot be told from those who forge their address, and a message says what its sender likes; so
//! who is listened to has to be said, and is this machine alone otherwise.
//!
//! Nothing is kept here but messages that are not complete yet: what the loop has no time for waits in the kernel.
//! There UDP drops what comes when its room is full, which is counted; TCP and local senders wait.
//!
//! Invariant: no sender takes more memory than [`MESSAGE_LIMIT`], or more connections than [`CONNECTIONS_EACH`].

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use jiff::tz::TimeZone;
use rustix::net::{RecvFlags, recv, sockopt};
use stockade_datetime::Timestamp;
use stockade_filter::Address;
use stockade_protocol::backend;
use stockade_sys::{Interest, Poller, Ready, Token};

use super::local::{LocalAddress, LocalSocket};
use super::message::{Message, facility};
use super::status::Meter;
use super::{Block, Event, LineBreak, ReaderId, SourceKind, SourceState, SourceStatus};
use crate::limits::Fill;
use crate::log::Level;

const FILTER: &str = "fail2ban.filter";

/// How long a message may be: what UDP can carry. The rest of a longer one is passed over.
pub const MESSAGE_LIMIT: usize = 64 * 1024;

/// How many connections there may be, and how many from one address. Where one more comes, the one that has been silent
/// for longest has to go, of that address first.
pub const CONNECTIONS: usize = 256;
/// See [`CONNECTIONS`].
pub const CONNECTIONS_EACH: usize = 64;

/// How many messages are taken from one socket or connection in one call of [`Syslog::ready`], and how many connections.
const MESSAGES_AT_ONCE: usize = 500;
const ACCEPTED_AT_ONCE: usize = 64;

/// How much is read from a connection at a time.
const CHUNK: usize = 16 * 1024;

/// What the kernel keeps of UDP until the loop has time, in bytes, as far as it allows.
const KERNEL_ROOM: usize = 4 << 20;

/// How many characters the length of a message may have in front of it.
const LONGEST_LENGTH: usize = 7;

/// How often the log is told of senders that nobody listens to, in microseconds.
const COMPLAINT_PAUSE_MICROS: i64 = 60_000_000;

/// The mode of a local socket where none is said.
const MODE: u32 = 0o600;

/// The name that the lines have in place of a path.
pub const NAME: &str = "syslog";

/// Which messages a jail wants: of one of each kind that is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    facilities: Vec<u8>,
    tags: Vec<String>,
    hosts: Vec<String>,
}

impl Selector {
    /// Reads the options of `syslog[facility="auth,authpriv", tag=sshd, host=web1]`.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn parse<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let mut selector = Self::default();
        for (name, value) in options {
            let words = value.split(|c: char| c == ',' || c.is_whitespace());
            let words = words.filter(|word| !word.is_empty());
            match name {
                "facility" => {
                    for word in words {
                        let number =
                            facility(word).ok_or_else(|| format!("there is no facility `{word}`"))?;
                        selector.facilities.push(number);
                    }
                }
                "tag" => selector.tags.extend(words.map(str::to_owned)),
                "host" => selector.hosts.extend(words.map(str::to_owned)),
                _ => {
                    return Err(format!(
                        "there is no `{name}`; syslog has {}",
                        backend::parameters("syslog").join(", ")
                    ));
                }
            }
        }
        Ok(selector)
    }

    /// Whether it wants a message; `sender` is where that came from.
    fn wants(&self, message: &Message<'_>, sender: &str) -> bool {
        let host = message.host.unwrap_or(sender.as_bytes());
        (self.facilities.is_empty() || self.facilities.contains(&message.facility))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| tag.as_bytes() == message.tag))
            && (self.hosts.is_empty()
                || self
                    .hosts
                    .iter()
                    .any(|known| known.as_bytes().eq_ignore_ascii_case(host) || known == sender))
    }
}

/// Where messages are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Udp(SocketAddr),
    Tcp(SocketAddr),
    Unix(LocalAddress),
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is none of udp:ADDRESS:PORT, tcp:ADDRESS:PORT and unix:PATH, such as udp:127.0.0.1:514"
            )
        };
        let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
        match kind {
            "udp" => Ok(Self::Udp(rest.parse().map_err(|_| wrong())?)),
            "tcp" => Ok(Self::Tcp(rest.parse().map_err(|_| wrong())?)),
            "unix" => Ok(Self::Unix(LocalAddress::parse(rest, MODE)?)),
            _ => Err(wrong()),
        }
    }
}

/// The places in a text: words, in which brackets may have blanks in them.
fn places(text: &str) -> Result<Vec<(String, Place)>, String> {
    let mut words: Vec<String> = Vec::new();
    let (mut depth, mut is_open) = (0_u32, false);
    for char in text.chars() {
        match char {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = depth == 0 && (char.is_whitespace() || char == ',');
        if !ends {
            if !is_open {
                words.push(String::new());
            }
            words.last_mut().expect("just added").push(char);
        }
        is_open = !ends;
    }
    if let [only] = words.as_slice()
        && only.eq_ignore_ascii_case("none")
    {
        return Ok(Vec::new());
    }
    words
        .into_iter()
        .map(|word| Ok((word.clone(), Place::parse(&word)?)))
        .collect()
}

/// The networks in a text.
fn networks(text: &str) -> Result<Vec<Address>, String> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace());
    let words = words.filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("none"));
    let networks = words.map(|word| match Address::parse(word) {
        Ok(Some(network)) => Ok(network),
        Ok(None) | Err(_) => Err(format!("`{word}` is no address and no network")),
    });
    networks.collect()
}

/// Who is listened to unless something is said: this machine.
fn loopback() -> Vec<Address> {
    vec![
        Address::network(IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
        Address::single(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ]
}

#[derive(Debug)]
struct Listener {
    /// As it was given.
    text: String,
    socket: Socket,
    token: Token,
    meter: Meter,
    /// What the kernel had dropped when it was asked last.
    dropped: u32,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Tcp(TcpListener),
    Unix(LocalSocket),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Udp(socket) => socket.as_fd(),
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    peer: IpAddr,
    /// The token of the listener that it came to.
    listener: Token,
    framer: Framer,
    /// Counts up with each reading of all connections.
    last: u64,
}

/// Cuts what comes over a connection into messages: with their length before them, or with a line break behind.
#[derive(Debug, Default)]
struct Framer {
    rest: Vec<u8>,
    /// How much of a message that was too long is still to come.
    skipped: usize,
    /// The rest of the line is passed over.
    passing: bool,
}

/// Everything that is listened to.
#[derive(Debug)]
pub struct Syslog {
    poller: Option<Poller>,
    listeners: Vec<Listener>,
    connections: BTreeMap<Token, Connection>,
    next_token: Token,
    readings: u64,
    allowed: Vec<Address>,
    /// As it was given.
    allowed_text: String,
    readers: BTreeMap<ReaderId, (Selector, bool)>,
    buffer: Vec<u8>,
    ready: Vec<Ready>,
    /// Messages and connections of senders that nobody listens to.
    refused: u64,
    /// Messages that were too long, those that the kernel had no room for, and connections that had to go for others.
    cut: u64,
    overrun: u64,
    displaced: u64,
    told: Option<Timestamp>,
    host: String,
    zone: TimeZone,
}

impl Syslog {
    /// Listens to nobody yet. `host` is this machine, for messages of its own programs; `zone` that of times without one.
    #[must_use]
    pub fn new(host: String, zone: TimeZone) -> Self {
        Self {
            poller: Poller::new().ok(),
            listeners: Vec::new(),
            connections: BTreeMap::new(),
            next_token: 0,
            readings: 0,
            allowed: loopback(),
            allowed_text: String::new(),
            readers: BTreeMap::new(),
            buffer: Vec::new(),
            ready: Vec::new(),
            refused: 0,
            cut: 0,
            overrun: 0,
            displaced: 0,
            told: None,
            host,
            zone,
        }
    }

    /// Checks what [`Syslog::set_places`] is given, without doing anything.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check_places(text: &str) -> Result<(), String> {
        places(text).map(drop)
    }

    /// Checks what [`Syslog::set_allowed`] is given, without doing anything.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check_allowed(text: &str) -> Result<(), String> {
        networks(text).map(drop)
    }

    /// Listens in these places and no others; those that were there before stay as they are.
    ///
    /// # Errors
    /// Says which cannot be; the others are listened to all the same.
    pub fn set_places(&mut self, text: &str) -> Result<(), String> {
        let wanted = places(text)?;
        let gone = self.listeners.extract_if(.., |listener| {
            wanted.iter().all(|(text, _)| *text != listener.text)
        });
        for listener in gone {
            if let Some(poller) = &self.poller {
                drop(poller.remove(&listener.socket));
                self.connections.retain(|_, connection| {
                    let stays = connection.listener != listener.token;
                    if !stays {
                        drop(poller.remove(&connection.stream));
                    }
                    stays
                });
            }
        }
        let mut wrong = Vec::new();
        for (text, place) in wanted {
            if self.listeners.iter().any(|listener| listener.text == text) {
                continue;
            }
            if let Err(error) = self.listen(&text, &place) {
                wrong.push(format!("{text}: {error}"));
            }
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("; "))
        }
    }

    fn listen(&mut self, text: &str, place: &Place) -> io::Result<()> {
        let poller = self.poller.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let socket = match place {
            Place::Udp(address) => {
                let socket = UdpSocket::bind(address)?;
                socket.set_nonblocking(true)?;
                // The one is for root; what the other gets is less, and well.
                if sockopt::set_socket_recv_buffer_size_force(&socket, KERNEL_ROOM).is_err() {
                    let _less = sockopt::set_socket_recv_buffer_size(&socket, KERNEL_ROOM);
                }
                Socket::Udp(socket)
            }
            Place::Tcp(address) => {
                let socket = TcpListener::bind(address)?;
                socket.set_nonblocking(true)?;
                Socket::Tcp(socket)
            }
            Place::Unix(address) => Socket::Unix(LocalSocket::bind(address)?),
        };
        let token = self.next_token;
        self.next_token += 1;
        poller.add(&socket, token, Interest::Read)?;
        self.listeners.push(Listener {
            text: text.to_owned(),
            socket,
            token,
            meter: Meter::default(),
            dropped: 0,
        });
        Ok(())
    }

    /// Where is listened, as it was given.
    #[must_use]
    pub fn places(&self) -> String {
        let texts: Vec<&str> = self
            .listeners
            .iter()
            .map(|listener| listener.text.as_str())
            .collect();
        texts.join(" ")
    }

    /// Whether anything is listened to.
    #[must_use]
    pub const fn is_listening(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Listens to these networks and no others by UDP and TCP; to this machine alone for `none`. Who is connected and is
    /// not in them any more has to go.
    ///
    /// # Errors
    /// Says what is no network; those of before stay then.
    pub fn set_allowed(&mut self, text: &str) -> Result<(), String> {
        let networks = networks(text)?;
        self.allowed_text = if networks.is_empty() {
            String::new()
        } else {
            text.to_owned()
        };
        self.allowed = if networks.is_empty() { loopback() } else { networks };
        let (allowed, poller) = (&self.allowed, self.poller.as_ref());
        self.connections.retain(|_, connection| {
            let stays = is_allowed(allowed, connection.peer);
            if let Some(poller) = poller.filter(|_| !stays) {
                drop(poller.remove(&connection.stream));
            }
            stays
        });
        Ok(())
    }

    /// Who is listened to, as it was given; nothing where it was not.
    #[must_use]
    pub fn allowed(&self) -> &str {
        &self.allowed_text
    }

    /// Has `reader` get the messages that `selector` wants.
    pub fn set_reader(&mut self, reader: ReaderId, selector: Selector) {
        self.readers.insert(reader, (selector, true));
    }

    /// Has `reader` get nothing any more.
    pub fn remove(&mut self, reader: ReaderId) {
        self.readers.remove(&reader);
    }

    /// Has `reader` get nothing for a while; what comes meanwhile is lost to it.
    pub fn set_idle(&mut self, reader: ReaderId, idle: bool) {
        if let Some((_, wants)) = self.readers.get_mut(&reader) {
            *wants = !idle;
        }
    }

    /// What to wait for.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.poller.as_ref().map(AsFd::as_fd)
    }

    /// How all sockets are doing.
    #[must_use]
    pub fn statuses(&self, now: Timestamp) -> Vec<SourceStatus> {
        let readers: Vec<ReaderId> = self.readers.keys().copied().collect();
        let mut statuses: Vec<SourceStatus> = self
            .listeners
            .iter()
            .map(|listener| {
                let mut status =
                    SourceStatus::new(SourceKind::Syslog, listener.text.as_str(), SourceState::Following);
                status.readers.clone_from(&readers);
                status.counts = listener.meter.counts(now);
                status
            })
            .collect();
        if statuses.is_empty() && !readers.is_empty() {
            let why = "there is no socket for messages; set `sysloglisten` in fail2ban.conf".to_owned();
            let mut status = SourceStatus::new(SourceKind::Syslog, NAME, SourceState::Failing(why));
            status.readers = readers;
            statuses.push(status);
        }
        statuses
    }

    /// How full everything is that has a limit, where anything is listened to.
    #[must_use]
    pub(crate) fn fills(&self) -> Vec<Fill> {
        if !self.is_listening() {
            return Vec::new();
        }
        let connections = self.connections.len();
        [
            (
                "connections of syslog",
                (Some(connections), CONNECTIONS),
                self.displaced,
                "the one that has been silent for longest goes",
            ),
            (
                "a message of syslog, in bytes",
                (None, MESSAGE_LIMIT),
                self.cut,
                "the rest is passed over",
            ),
            (
                "messages of syslog that wait in the kernel, in bytes",
                (None, KERNEL_ROOM),
                self.overrun,
                "UDP drops the newest",
            ),
        ]
        .map(|(what, fill, reached, policy)| Fill::of_source(NAME, what, fill, reached, policy))
        .into()
    }

    /// Takes what has come, up to a limit.
    pub fn ready(&mut self, now: Timestamp, deliver: &mut dyn FnMut(Event<'_>)) {
        if self.listeners.is_empty() {
            return;
        }
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        if let Some(poller) = &self.poller
            && let Err(error) = poller.wait(Some(std::time::Duration::ZERO), &mut ready)
        {
            let text = format!("Messages of syslog cannot be waited for: {error}");
            deliver(message(Level::ERROR, text));
        }
        let mut lines = Lines::default();
        for ready in &ready {
            if self.connections.contains_key(&ready.token) {
                self.read_connection(ready.token, now, &mut lines, deliver);
            } else {
                self.read_listener(ready.token, now, &mut lines, deliver);
            }
        }
        self.ready = ready;
        lines.hand_on(deliver);
    }

    fn read_listener(
        &mut self,
        token: Token,
        now: Timestamp,
        lines: &mut Lines,
        deliver: &mut dyn FnMut(Event<'_>),
    ) {
        self.buffer.resize(MESSAGE_LIMIT, 0);
        let Self {
            listeners,
            buffer,
            readers,
            allowed,
            host,
            zone,
            ..
        } = self;
        let Some(listener) = listeners.iter_mut().find(|listener| listener.token == token) else {
            return;
        };
        let mut refused = Vec::new();
        match &listener.socket {
            Socket::Tcp(socket) => {
                let accepted: Vec<(TcpStream, SocketAddr)> = (0..ACCEPTED_AT_ONCE)
                    .map_while(|_| socket.accept().ok())
                    .collect();
                self.accept(token, now, accepted, deliver);
                return;
            }
            Socket::Udp(socket) => {
                for _ in 0..MESSAGES_AT_ONCE {
                    let (count, sender) = match socket.recv_from(buffer) {
                        Ok((count, sender)) => (count, sender.ip().to_canonical()),
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        Err(_) => break,
                    };
                    if !is_allowed(allowed, sender) {
                        refused.push(sender);
                        continue;
                    }
                    listener.meter.count(now, 1);
                    let bytes = buffer.get(..count).unwrap_or_default();
                    lines.add(bytes, &sender.to_string(), readers, now, zone, deliver);
                }
            }
            Socket::Unix(socket) => {
                for _ in 0..MESSAGES_AT_ONCE {
                    let Ok((count, _)) = recv(socket, buffer.as_mut_slice(), RecvFlags::DONTWAIT) else {
                        break;
                    };
                    listener.meter.count(now, 1);
                    let bytes = buffer.get(..count).unwrap_or_default();
                    lines.add(bytes, host, readers, now, zone, deliver);
                }
            }
        }
        if let Socket::Udp(socket) = &listener.socket
            && let Some(dropped) = stockade_sys::dropped_datagrams(socket)
        {
            let more = u64::from(dropped.wrapping_sub(listener.dropped));
            listener.meter.count_dropped(more);
            listener.dropped = dropped;
            self.overrun = self.overrun.saturating_add(more);
        }
        for sender in refused {
            listener.meter.count_dropped(1);
            tell_refused(&mut self.refused, &mut self.told, sender, now, deliver);
        }
    }

    fn accept(
        &mut self,
        listener: Token,
        now: Timestamp,
        accepted: Vec<(TcpStream, SocketAddr)>,
        deliver: &mut dyn FnMut(Event<'_>),
    ) {
        for (stream, peer) in accepted {
            let peer = peer.ip().to_canonical();
            if !is_allowed(&self.allowed, peer) {
                if let Some(listener) = self.listeners.iter_mut().find(|known| known.token == listener) {
                    listener.meter.count_dropped(1);
                }
                tell_refused(&mut self.refused, &mut self.told, peer, now, deliver);
                continue;
            }
            let of_peer = self
                .connections
                .values()
                .filter(|known| known.peer == peer)
                .count();
            if of_peer >= CONNECTIONS_EACH {
                self.close_most_silent(|connection| connection.peer == peer);
            } else if self.connections.len() >= CONNECTIONS {
                self.close_most_silent(|_| true);
            }
            let Some(poller) = &self.poller else { return };
            // Whoever is gone without a word must not stay for ever.
            let is_prepared =
                stream.set_nonblocking(true).is_ok() && sockopt::set_socket_keepalive(&stream, true).is_ok();
            let token = self.next_token;
            self.next_token += 1;
            if !is_prepared || poller.add(&stream, token, Interest::Read).is_err() {
                continue;
            }
            self.readings += 1;
            let connection = Connection {
                stream,
                peer,
                listener,
                framer: Framer::default(),
                last: self.readings,
            };
            self.connections.insert(token, connection);
        }
    }

    fn close_most_silent(&mut self, of: impl Fn(&Connection) -> bool) {
        let candidates = self.connections.iter().filter(|(_, connection)| of(connection));
        let token = candidates
            .min_by_key(|(_, connection)| connection.last)
            .map(|(token, _)| *token);
        if let Some(token) = token {
            self.displaced += 1;
            self.close(token);
        }
    }

    fn close(&mut self, token: Token) {
        if let (Some(connection), Some(poller)) = (self.connections.remove(&token), &self.poller) {
            drop(poller.remove(&connection.stream));
        }
    }

    fn read_connection(
        &mut self,
        token: Token,
        now: Timestamp,
        lines: &mut Lines,
        deliver: &mut dyn FnMut(Event<'_>),
    ) {
        self.buffer.resize(MESSAGE_LIMIT, 0);
        self.readings += 1;
        let Self {
            connections,
            buffer,
            readers,
            zone,
            listeners,
            readings,
            ..
        } = self;
        let Some(connection) = connections.get_mut(&token) else {
            return;
        };
        connection.last = *readings;
        let sender = connection.peer.to_string();
        let (mut count, mut cut) = (0, 0);
        let mut take = |bytes: &[u8], is_cut: bool| {
            count += 1;
            cut += u64::from(is_cut);
            lines.add(bytes, &sender, readers, now, zone, deliver);
        };
        let chunk = buffer.get_mut(..CHUNK).unwrap_or_default();
        let is_over = match connection.stream.read(chunk) {
            Ok(0) => {
                connection.framer.end(&mut take);
                true
            }
            Ok(count) => {
                connection
                    .framer
                    .take(chunk.get(..count).unwrap_or_default(), &mut take);
                false
            }
            Err(error) => !matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ),
        };
        let listener = connection.listener;
        self.cut = self.cut.saturating_add(cut);
        if let Some(listener) = listeners.iter_mut().find(|known| known.token == listener) {
            listener.meter.count(now, count);
            listener.meter.count_dropped(cut);
        }
        if is_over {
            self.close(token);
        }
    }
}

impl Framer {
    /// Takes bytes and hands on the messages that they complete, and whether each was cut.
    fn take(&mut self, bytes: &[u8], message: &mut dyn FnMut(&[u8], bool)) {
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let mut at = 0;
        while let Some(left) = rest.get(at..).filter(|left| !left.is_empty()) {
            let step = self.step(left, message);
            if step == 0 {
                break;
            }
            at += step;
        }
        self.rest = rest.get(at..).unwrap_or_default().to_vec();
    }

    /// What one message or a part of it takes of `bytes`; nothing where more has to come first.
    fn step(&mut self, bytes: &[u8], message: &mut dyn FnMut(&[u8], bool)) -> usize {
        if self.skipped > 0 {
            let count = self.skipped.min(bytes.len());
            self.skipped -= count;
            return count;
        }
        let end = || memchr::memchr2(b'\n', 0, bytes);
        if self.passing {
            self.passing = end().is_none();
            return end().map_or(bytes.len(), |end| end + 1);
        }
        match length(bytes) {
            Length::Unfinished => 0,
            Length::Of { digits, count } => {
                let body = bytes.get(digits..).unwrap_or_default();
                let kept = count.min(MESSAGE_LIMIT);
                let Some(text) = body.get(..kept) else { return 0 };
                message(text, kept < count);
                self.skipped = count - kept;
                digits + kept
            }
            Length::None => match end() {
                Some(0) => 1,
                Some(end) => {
                    let kept = end.min(MESSAGE_LIMIT);
                    message(bytes.get(..kept).unwrap_or_default(), kept < end);
                    end + 1
                }
                None if bytes.len() >= MESSAGE_LIMIT => {
                    message(bytes.get(..MESSAGE_LIMIT).unwrap_or_default(), true);
                    self.passing = true;
                    MESSAGE_LIMIT
                }
                None => 0,
            },
        }
    }

    /// The sender has no more to say. Some send no line break behind the last line; of a message that says how long it
    /// is, all has to be there.
    fn end(&mut self, message: &mut dyn FnMut(&[u8], bool)) {
        let is_line = self.skipped == 0 && !self.passing && length(&self.rest) == Length::None;
        if is_line && !self.rest.is_empty() {
            message(&self.rest, false);
        }
        self.rest.clear();
    }
}

/// Whether a message says how long it is.
#[derive(Debug, PartialEq, Eq)]
enum Length {
    /// `123 `, with so many characters.
    Of {
        digits: usize,
        count: usize,
    },
    /// There may be more of the number to come.
    Unfinished,
    None,
}

fn length(bytes: &[u8]) -> Length {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > LONGEST_LENGTH || bytes.first() == Some(&b'0') {
        return Length::None;
    }
    match bytes.get(digits) {
        None => Length::Unfinished,
        Some(b' ') => {
            let number = bytes
                .get(..digits)
                .and_then(|digits| std::str::from_utf8(digits).ok());
            match number.and_then(|number| number.parse().ok()) {
                Some(count) => Length::Of {
                    digits: digits + 1,
                    count,
                },
                None => Length::None,
            }
        }
        Some(_) => Length::None,
    }
}

/// Lines that are for the same readers, one after the other.
#[derive(Debug, Default)]
struct Lines {
    readers: Vec<ReaderId>,
    bytes: Vec<u8>,
}

impl Lines {
    fn add(
        &mut self,
        bytes: &[u8],
        sender: &str,
        readers: &BTreeMap<ReaderId, (Selector, bool)>,
        now: Timestamp,
        zone: &TimeZone,
        deliver: &mut dyn FnMut(Event<'_>),
    ) {
        let message = Message::read(bytes);
        let wanting = readers
            .iter()
            .filter(|(_, (selector, wants))| *wants && selector.wants(&message, sender));
        let wanting: Vec<ReaderId> = wanting.map(|(id, _)| *id).collect();
        if wanting.is_empty() {
            return;
        }
        if wanting != self.readers || self.bytes.len() >= super::LINE_LIMIT {
            self.hand_on(deliver);
            self.readers = wanting;
        }
        message.line(now, zone, sender, &mut self.bytes);
    }

    fn hand_on(&mut self, deliver: &mut dyn FnMut(Event<'_>)) {
        if !self.bytes.is_empty() {
            deliver(Event::Lines(Block {
                path: Path::new(NAME),
                readers: &self.readers,
                offset: 0,
                bytes: &self.bytes,
                truncated: false,
                line_break: LineBreak::Byte,
            }));
            self.bytes.clear();
        }
    }
}

fn is_allowed(allowed: &[Address], sender: IpAddr) -> bool {
    let sender = Address::single(sender);
    allowed.iter().any(|network| network.contains(&sender))
}

/// Tells the log of a sender that nobody listens to, but not too often.
fn tell_refused(
    refused: &mut u64,
    told: &mut Option<Timestamp>,
    sender: IpAddr,
    now: Timestamp,
    deliver: &mut dyn FnMut(Event<'_>),
) {
    *refused += 1;
    let is_early = |told: Timestamp| told <= now && now < told.plus_micros(COMPLAINT_PAUSE_MICROS);
    if told.is_some_and(is_early) {
        return;
    }
    *told = Some(now);
    let count = std::mem::take(refused);
    let text = format!(
        "Messages or connections of syslog that were refused: {count}, the last one from {sender}; `syslogallow` says \
         who is listened to"
    );
    deliver(message(Level::WARNING, text));
}

const fn message(level: Level, text: String) -> Event<'static> {
    Event::Message {
        level,
        logger: FILTER,
        text,
        unreadable: None,
    }
}

#[cfg(test)]
mod tests;
