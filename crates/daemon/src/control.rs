//! The control socket: clients, their requests in order, and the answers on their way back.
//!
//! In: connections on the listening socket. Out: one [`Request`] at a time; answers go to who asked.
//!
//! Invariant: no client waits for another one. What a client does not read, or sends half of, costs a
//! bounded amount of memory and nobody's time but its own.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use stockade_protocol::{Answer, Frame, Framer, Value, message, pickle};
use stockade_sys::{Interest, Poller, Ready, Token};

/// Clients at a time. Where one more comes, the one that has been silent for longest has to go.
const CLIENTS: usize = 500;
/// What may wait for one client to be read, in bytes; past it, the client's requests wait as well.
const UNREAD: usize = 8 << 20;
/// Requests of one client that may wait for their turn.
const PIPELINED: usize = 64;
/// What is read from a client at a time, in bytes.
const BLOCK: usize = 64 * 1024;

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(u64);

impl ClientId {
    /// A client by number, for worlds that have no sockets.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// What a client wants: a value that was decoded, or what to tell it about one that could not be.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A request.
    Value(Value),
    /// The bytes were no request; this is why.
    Undecodable(String),
}

/// The control socket with its clients.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    listener_token: Token,
    first_client: Token,
    next: u64,
    clients: BTreeMap<ClientId, Client>,
    /// Clients with a request to be taken, the first in line first.
    waiting: VecDeque<ClientId>,
    /// Counts up with each reading, to know who has been silent for longest.
    readings: u64,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    framer: Framer,
    requests: VecDeque<Request>,
    unsent: VecDeque<u8>,
    interest: Option<Interest>,
    last_reading: u64,
    /// Asked for something whose answer has not been given.
    asked: bool,
    /// Said or showed that it wants nothing more.
    done: bool,
}

impl Control {
    /// Listens on `listener`. Its token is `listener_token`; those of clients begin at `first_client`.
    ///
    /// # Errors
    /// Where the socket cannot be waited for.
    pub fn new(
        listener: UnixListener,
        poller: &Poller,
        listener_token: Token,
        first_client: Token,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        poller.add(&listener, listener_token, Interest::Read)?;
        let (clients, waiting) = (BTreeMap::new(), VecDeque::new());
        Ok(Self {
            listener,
            listener_token,
            first_client,
            next: 0,
            clients,
            waiting,
            readings: 0,
        })
    }

    /// Takes note of a descriptor that is ready; whether it was one of this socket's.
    pub fn ready(&mut self, poller: &Poller, ready: Ready) -> bool {
        if ready.token == self.listener_token {
            self.accept(poller);
            return true;
        }
        let Some(number) = ready.token.checked_sub(self.first_client) else {
            return false;
        };
        let id = ClientId(number);
        if ready.readable {
            self.read(id);
        }
        self.settle(poller, id);
        true
    }

    /// The next request, each client's in the order it sent them and one at a time.
    pub fn take(&mut self) -> Option<(ClientId, Request)> {
        while let Some(id) = self.waiting.pop_front() {
            if let Some(client) = self.clients.get_mut(&id)
                && let Some(request) = client.requests.pop_front()
            {
                client.asked = true;
                return Some((id, request));
            }
        }
        None
    }

    /// Sends `answer` to the client that asked; where it has gone, nobody needs it.
    pub fn answer(&mut self, poller: &Poller, id: ClientId, answer: Answer) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.unsent.extend(message(&answer.into_value()));
            client.asked = false;
            if !client.requests.is_empty() {
                self.waiting.push_back(id);
            }
        }
        self.settle(poller, id);
    }

    /// Whether a request waits to be taken.
    #[must_use]
    pub fn has_requests(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether some answer has not been sent whole.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.clients.values().any(|client| !client.unsent.is_empty())
    }

    fn accept(&mut self, poller: &Poller) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.clients.len() >= CLIENTS {
                self.drop_most_silent(poller);
            }
            let id = ClientId(self.next);
            self.next += 1;
            if stream.set_nonblocking(true).is_err()
                || poller
                    .add(&stream, self.first_client + id.0, Interest::Read)
                    .is_err()
            {
                continue;
            }
            self.readings += 1;
            self.clients.insert(
                id,
                Client {
                    stream,
                    framer: Framer::default(),
                    requests: VecDeque::new(),
                    unsent: VecDeque::new(),
                    interest: Some(Interest::Read),
                    last_reading: self.readings,
                    asked: false,
                    done: false,
                },
            );
        }
    }

    fn drop_most_silent(&mut self, poller: &Poller) {
        let silent = self
            .clients
            .iter()
            .filter(|(_, client)| !client.asked)
            .min_by_key(|(_, client)| client.last_reading);
        if let Some((&id, _)) = silent {
            self.drop_client(poller, id);
        }
    }

    fn drop_client(&mut self, poller: &Poller, id: ClientId) {
        if let Some(client) = self.clients.remove(&id) {
            // The descriptor leaves the set with its closing in any case.
            let _ = poller.remove(&client.stream);
        }
    }

    fn read(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        self.readings += 1;
        client.last_reading = self.readings;
        let idle = client.requests.is_empty() && !client.asked;
        let mut block = vec![0; BLOCK];
        match client.stream.read(&mut block) {
            Ok(0) => client.done = true,
            Ok(count) => {
                if let Err(error) = client.framer.push(block.get(..count).unwrap_or_default()) {
                    client.requests.push_back(Request::Undecodable(error.to_string()));
                    client.done = true;
                }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => {
                client.done = true;
                client.unsent.clear();
            }
        }
        while let Some(frame) = client.framer.frame() {
            match frame {
                Frame::Message(bytes) => client.requests.push_back(match pickle::decode(&bytes) {
                    Ok(value) => Request::Value(value),
                    Err(error) => Request::Undecodable(error.to_string()),
                }),
                Frame::Close => client.done = true,
            }
        }
        if idle && !client.requests.is_empty() {
            self.waiting.push_back(id);
        }
    }

    /// Sends what can be sent, closes what is done, and waits for the rest.
    fn settle(&mut self, poller: &Poller, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let gone = client.send().is_err();
        let finished = client.done && client.unsent.is_empty() && client.requests.is_empty() && !client.asked;
        if gone || finished {
            self.drop_client(poller, id);
            return;
        }
        let token = self.first_client + id.0;
        let (wanted, current) = (client.wanted(), client.interest);
        if wanted == current {
            return;
        }
        let changed = match (current, wanted) {
            (Some(_), None) => poller.remove(&client.stream),
            (None, Some(wanted)) => poller.add(&client.stream, token, wanted),
            (Some(_), Some(wanted)) => poller.modify(&client.stream, token, wanted),
            (None, None) => Ok(()),
        };
        if changed.is_ok() {
            client.interest = wanted;
        }
    }
}

impl Client {
    /// What to wait for; nothing while only the daemon can go on.
    fn wanted(&self) -> Option<Interest> {
        let reads = !self.done && self.unsent.len() < UNREAD && self.requests.len() < PIPELINED;
        match (reads, !self.unsent.is_empty()) {
            (true, true) => Some(Interest::Both),
            (true, false) => Some(Interest::Read),
            (false, true) => Some(Interest::Write),
            (false, false) => None,
        }
    }

    fn send(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            let (bytes, _) = self.unsent.as_slices();
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.unsent.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
