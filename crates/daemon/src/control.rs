//! The control socket: clients, their requests in order, and the answers on their way back.
//!
//! In: connections on the listening socket. Out: one [`Request`] at a time; answers go to who asked, and what happens
//! goes to who listens.
//!
//! Invariant: no client waits for another one. What a client does not read, or sends half of, costs a
//! bounded amount of memory and nobody's time but its own; and so do all of them together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::io::Errno;
use stockade_protocol::{Answer, Frame, Framer, Right, Value, message, pickle};
use stockade_sys::{Interest, Poller, Ready, Token};

use crate::admission::Admission;
use crate::limits::Fill;
use crate::log::{Level, Records};

#[cfg(test)]
mod tests;

/// Clients at a time. Where one more comes, the one that has been silent for longest has to go.
pub const CLIENTS: usize = 500;
/// Clients that listen to what happens, at a time. These are silent by nature, and do not have to go for that.
pub const LISTENERS: usize = 32;
/// What may wait for one client to be read, in bytes; past it, the client's requests wait as well.
pub const UNREAD: usize = 8 << 20;
/// What may wait for one listener to be read, in bytes: some five thousand events. Past it, it is one no longer.
pub const LISTENER_UNREAD: usize = 1 << 20;
/// What may wait for and from all clients together, in bytes: four messages of the greatest length. Past it the
/// client for or from which most waits has to go.
pub const BUFFERED: usize = 256 << 20;
/// What is read from a client at a time, in bytes. A client whose request waits is read no further than this.
const BLOCK: usize = 64 * 1024;
/// How many users without rights are told of.
const STRANGERS: usize = 100;
/// Connections that are accepted before anything else has its turn.
const ACCEPTED_AT_ONCE: usize = 64;

const SERVER: &str = "fail2ban.server";
/// The last thing that a listener hears which does not read.
const NOT_READ: &str =
    "what happened was not read, and there is no more room for it; later events are missing";

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
    log: Records,
    /// A descriptor to give up when there are no others: a connection can be taken then, and closed.
    spare: Option<File>,
    next: u64,
    clients: BTreeMap<ClientId, Client>,
    /// Clients with a request to be taken, the first in line first.
    waiting: VecDeque<ClientId>,
    /// What waits for and from all clients, in bytes.
    buffered: usize,
    /// How many of them listen.
    listeners: usize,
    /// How many clients had to go for others, or found no room, and how many for what they kept waiting.
    displaced: u64,
    drowned: u64,
    /// How many found no room to listen.
    unheard: u64,
    /// Who may say what.
    admission: Admission,
    /// Users without any right who have come, each of whom is told of once.
    strangers: BTreeSet<u32>,
    /// Counts up with each reading, to know who has been silent for longest.
    readings: u64,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    /// What it may do, and its user where that is why.
    right: (Right, Option<u32>),
    framer: Framer,
    /// The next message of the client, or why it is none. It is decoded when it has its turn: what it unfolds to may
    /// be many times as long.
    request: Option<Result<Vec<u8>, String>>,
    unsent: VecDeque<u8>,
    interest: Option<Interest>,
    last_reading: u64,
    /// Stands in line to be taken.
    in_line: bool,
    /// Asked for something whose answer has not been given.
    asked: bool,
    /// What it listens to: all that happens, or what happens in one jail.
    listens: Option<Option<String>>,
    /// Said or showed that it wants nothing more.
    done: bool,
    /// What was last counted of it as buffered.
    counted: usize,
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
        log: Records,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        poller.add(&listener, listener_token, Interest::Read)?;
        let (clients, waiting) = (BTreeMap::new(), VecDeque::new());
        Ok(Self {
            listener,
            listener_token,
            first_client,
            log,
            spare: spare(),
            displaced: 0,
            drowned: 0,
            unheard: 0,
            next: 0,
            clients,
            waiting,
            buffered: 0,
            listeners: 0,
            admission: Admission::default(),
            strangers: BTreeSet::new(),
            readings: 0,
        })
    }

    /// Says who may say what from here on; who is there already keeps what it has.
    pub fn admit(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// What a client may do, and its user where that is why; nothing once it has gone.
    #[must_use]
    pub fn right(&self, id: ClientId) -> (Right, Option<u32>) {
        let client = self.clients.get(&id);
        client.map_or((Right::Nothing, None), |client| client.right)
    }

    /// Says once that a user without any right has come.
    fn send_away(&mut self, user: Option<u32>) {
        if let Some(user) = user
            && self.strangers.len() < STRANGERS
            && self.strangers.insert(user)
        {
            let text = format!(
                "User {user} has connected to the control socket and belongs to none of the groups that may \
                 (`statusgroup`, `operategroup` in fail2ban.conf); its connections are closed"
            );
            self.log.write(Level::WARNING, SERVER, &text);
        }
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
            let Some(client) = self.clients.get_mut(&id) else {
                continue;
            };
            client.in_line = false;
            let Some(request) = client.request.take() else {
                continue;
            };
            client.asked = true;
            self.count(id);
            let request = match request.map(|bytes| pickle::decode(&bytes)) {
                Ok(Ok(value)) => Request::Value(value),
                Ok(Err(error)) => Request::Undecodable(error.to_string()),
                Err(error) => Request::Undecodable(error),
            };
            return Some((id, request));
        }
        None
    }

    /// Sends `answer` to the client that asked; where it has gone, nobody needs it.
    pub fn answer(&mut self, poller: &Poller, id: ClientId, answer: Answer) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.unsent.extend(message(&answer.into_value()));
            client.asked = false;
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

    /// What waits for and from all clients, in bytes.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.buffered
    }

    /// Makes a client one that listens, to all that happens or to what happens in a jail; whether there was room.
    pub fn listen(&mut self, id: ClientId, jail: Option<String>) -> bool {
        let Some(client) = self.clients.get_mut(&id) else {
            // Nobody is there any more who could be told otherwise.
            return true;
        };
        if client.listens.is_none() {
            if self.listeners >= LISTENERS {
                self.unheard += 1;
                return false;
            }
            self.listeners += 1;
        }
        client.listens = Some(jail);
        true
    }

    /// Whether anybody listens.
    #[must_use]
    pub const fn has_listeners(&self) -> bool {
        self.listeners > 0
    }

    /// Tells those who listen what has happened in a jail. Who has not read what it was told is told no more.
    pub fn tell(&mut self, poller: &Poller, jail: &str, event: &Value) {
        let hears = |client: &&Client| match &client.listens {
            Some(only) => only.as_ref().is_none_or(|only| only == jail),
            None => false,
        };
        let told: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|(_, client)| hears(client))
            .map(|(id, _)| *id)
            .collect();
        if told.is_empty() {
            return;
        }
        let bytes = message(event);
        for id in told {
            let Some(client) = self.clients.get_mut(&id) else {
                continue;
            };
            let was_empty = client.unsent.is_empty();
            if client.unsent.len() + bytes.len() > LISTENER_UNREAD {
                let last = Value::Dict(vec![
                    ("event".into(), "end".into()),
                    ("reason".into(), NOT_READ.into()),
                ]);
                client.unsent.extend(message(&last));
                client.listens = None;
                client.done = true;
                self.listeners -= 1;
                let text = "A client that listens to what happens does not read it, and is told no more";
                self.log.write(Level::WARNING, SERVER, text);
            } else {
                client.unsent.extend(&bytes);
            }
            if was_empty {
                self.settle(poller, id);
            } else {
                self.count(id);
            }
        }
    }

    fn accept(&mut self, poller: &Poller) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if is_out_of_descriptors(&error) => {
                    // Left in the queue it would be reported again and again.
                    if !self.drop_most_silent(poller) {
                        self.refuse();
                    }
                    continue;
                }
                Err(_) => return,
            };
            let right = self.admission.of(&stream);
            if right.0 == Right::Nothing {
                hang_up(&stream);
                self.send_away(right.1);
                continue;
            }
            if self.clients.len() >= CLIENTS {
                self.displaced += 1;
                if !self.drop_most_silent(poller) {
                    continue;
                }
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
                    right,
                    framer: Framer::default(),
                    request: None,
                    unsent: VecDeque::new(),
                    interest: Some(Interest::Read),
                    last_reading: self.readings,
                    in_line: false,
                    asked: false,
                    listens: None,
                    done: false,
                    counted: 0,
                },
            );
        }
    }

    /// Closes the next connection, for which there is no descriptor.
    fn refuse(&mut self) {
        self.spare = None;
        drop(self.listener.accept());
        self.spare = spare();
    }

    /// Drops the client that has been silent for longest, of those that wait for nothing; whether there was one.
    fn drop_most_silent(&mut self, poller: &Poller) -> bool {
        let silent = self
            .clients
            .iter()
            .filter(|(_, client)| !client.asked && client.listens.is_none())
            .min_by_key(|(_, client)| client.last_reading);
        let Some((&id, _)) = silent else {
            return false;
        };
        self.drop_client(poller, id);
        true
    }

    fn drop_client(&mut self, poller: &Poller, id: ClientId) {
        if let Some(client) = self.clients.remove(&id) {
            // The descriptor leaves the set with its closing in any case.
            let _ = poller.remove(&client.stream);
            hang_up(&client.stream);
            self.buffered -= client.counted;
            if client.listens.is_some() {
                self.listeners -= 1;
            }
        }
    }

    fn read(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        self.readings += 1;
        client.last_reading = self.readings;
        let mut block = vec![0; BLOCK];
        match client.stream.read(&mut block) {
            Ok(0) => client.done = true,
            Ok(count) => {
                if let Err(error) = client.framer.push(block.get(..count).unwrap_or_default()) {
                    // What it has sent so far is of no use without its end.
                    client.framer = Framer::default();
                    client.request.get_or_insert(Err(error.to_string()));
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
    }

    /// Sends what can be sent, finds the next request, closes what is done, and waits for the rest.
    fn settle(&mut self, poller: &Poller, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let gone = client.send().is_err();
        client.find_request();
        if client.is_next() && !client.in_line {
            client.in_line = true;
            self.waiting.push_back(id);
        }
        if gone || client.is_finished() {
            self.drop_client(poller, id);
            return;
        }
        let token = self.first_client + id.0;
        let (wanted, current) = (client.wanted(), client.interest);
        if wanted != current {
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
        self.count(id);
        self.keep_within_limits(poller);
    }

    /// Counts anew what waits for and from a client.
    fn count(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id) {
            let waiting = client.buffered();
            self.buffered = self.buffered - client.counted + waiting;
            client.counted = waiting;
        }
    }

    fn keep_within_limits(&mut self, poller: &Poller) {
        while self.buffered > BUFFERED {
            let most = self.clients.iter().max_by_key(|(_, client)| client.counted);
            let Some((&id, client)) = most else { return };
            let text = format!(
                "Clients keep more than {BUFFERED} bytes waiting; the one with most, {} bytes, is dropped",
                client.counted
            );
            self.log.write(Level::WARNING, SERVER, &text);
            self.drowned += 1;
            self.drop_client(poller, id);
        }
    }

    /// How full everything is that has a limit.
    #[must_use]
    pub(crate) fn fills(&self) -> [Fill; 3] {
        [
            Fill::single(
                "clients",
                (Some(self.clients.len()), CLIENTS),
                self.displaced,
                "the one that has been silent for longest is dropped",
            ),
            Fill::single(
                "clients that listen",
                (Some(self.listeners), LISTENERS),
                self.unheard,
                "a further one is refused",
            ),
            Fill::single(
                "what waits for clients, in bytes",
                (Some(self.buffered), BUFFERED),
                self.drowned,
                "the one with most is dropped",
            ),
        ]
    }
}

impl Client {
    /// What waits for and from it, in bytes.
    fn buffered(&self) -> usize {
        let request = match &self.request {
            Some(Ok(bytes)) => bytes.len(),
            Some(Err(_)) | None => 0,
        };
        self.framer.waiting() + request + self.unsent.len()
    }

    /// Cuts the next request off, where there is none yet.
    fn find_request(&mut self) {
        if self.request.is_some() {
            return;
        }
        match self.framer.frame() {
            Some(Frame::Message(bytes)) => self.request = Some(Ok(bytes)),
            Some(Frame::Close) => {
                // Nothing counts that comes after this.
                self.framer = Framer::default();
                self.done = true;
            }
            None => {}
        }
    }

    /// Whether its request may have its turn.
    fn is_next(&self) -> bool {
        self.request.is_some() && !self.asked && self.unsent.len() < UNREAD
    }

    fn is_finished(&self) -> bool {
        self.done && self.unsent.is_empty() && self.request.is_none() && !self.asked
    }

    /// What to wait for; nothing while only the daemon can go on.
    fn wanted(&self) -> Option<Interest> {
        // Whose turn it is not is read ahead a little: so it is seen that it has gone.
        let is_busy = self.asked || self.request.is_some();
        let reads = !self.done && self.unsent.len() < UNREAD && !(is_busy && self.framer.waiting() >= BLOCK);
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
        // A long answer that was read does not keep its room.
        self.unsent.shrink_to(BLOCK);
        Ok(())
    }
}

/// Says to a client that there will be no more; closing the descriptor alone does not, while a process that has just been
/// forked holds a copy of it.
fn hang_up(stream: &UnixStream) {
    let _ = stream.shutdown(Shutdown::Both);
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}
