//! What the daemon and its helper say to each other.
//!
//! A request is one packet: what it is, and a text or words; the descriptors that belong to it come along. The first
//! of them is a channel on which everything else about this request is said, in both directions. The words of a
//! program, which may be long, come over its channel, after their length.
//!
//! Invariant: whatever the other side sends is understood within these limits or refused; nothing of it is trusted.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// The longest packet; a path has 4 KiB.
const PACKET: usize = 64 * 1024;
/// The longest text of a program's words. The kernel takes 2 MiB, unless somebody has allowed it a larger stack.
const LONGEST: usize = 8 << 20;
/// How many descriptors come with a packet at most.
const DESCRIPTORS: usize = 3;
/// An answer: what it is, and a number.
const ANSWER: usize = 5;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Start a program; channel, output and complaints come along.
    Run,
    /// Open a file to be read; the channel comes along.
    Open,
    /// Open a log of ours to be appended to; the channel comes along.
    Append,
    /// Make a socket with a name; the channel comes along.
    Bind,
    /// From here on open what was named, and no other log of ours.
    Seal,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Run => b'R',
            Self::Open => b'O',
            Self::Append => b'A',
            Self::Bind => b'B',
            Self::Seal => b'S',
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Run, Self::Open, Self::Append, Self::Bind, Self::Seal]
            .into_iter()
            .find(|kind| kind.byte() == byte)
    }
}

/// What a process group is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Terminate,
    Kill,
}

impl Stop {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Terminate => b'T',
            Self::Kill => b'K',
        }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Terminate, Self::Kill]
            .into_iter()
            .find(|stop| stop.byte() == byte)
    }
}

/// A word of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// The program.
    Program(&'a [u8]),
    /// One of its arguments.
    Argument(&'a [u8]),
    /// A variable that it has not: its name.
    Without(&'a [u8]),
    /// A variable that it has: `NAME=VALUE`.
    With(&'a [u8]),
    /// It ends with the daemon.
    Tied,
    /// A log of our own.
    Target(&'a [u8]),
    /// The directory of the configuration.
    Directory(&'a [u8]),
}

impl<'a> Word<'a> {
    const fn parts(self) -> (u8, &'a [u8]) {
        match self {
            Self::Program(text) => (b'p', text),
            Self::Argument(text) => (b'a', text),
            Self::Without(text) => (b'-', text),
            Self::With(text) => (b'+', text),
            Self::Tied => (b't', &[]),
            Self::Target(text) => (b'l', text),
            Self::Directory(text) => (b'd', text),
        }
    }

    const fn from_parts(tag: u8, text: &'a [u8]) -> Option<Self> {
        Some(match tag {
            b'p' => Self::Program(text),
            b'a' => Self::Argument(text),
            b'-' => Self::Without(text),
            b'+' => Self::With(text),
            b't' => Self::Tied,
            b'l' => Self::Target(text),
            b'd' => Self::Directory(text),
            _ => return None,
        })
    }
}

/// Words as bytes: each with its tag and its length.
pub(super) fn encode(words: &[Word<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in words {
        let (tag, text) = word.parts();
        bytes.push(tag);
        bytes.extend(length(text.len()));
        bytes.extend(text);
    }
    bytes
}

/// The words in `bytes`; nothing where they are no words.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<Word<'_>>> {
    let mut words = Vec::new();
    while let Some((&tag, rest)) = bytes.split_first() {
        let (length, rest) = rest.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        words.push(Word::from_parts(tag, text)?);
        bytes = rest;
    }
    Some(words)
}

/// A length that is past all limits is refused by the other side, whatever it is.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// A text for a channel, after its length.
pub(super) fn with_length(text: &[u8]) -> Vec<u8> {
    [&length(text.len()), text].concat()
}

/// Reads a text from a channel.
pub(super) fn read_text(mut channel: &UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    channel.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(io::Error::from(rustix::io::Errno::TOOBIG));
    }
    let mut text = vec![0; length];
    channel.read_exact(&mut text)?;
    Ok(text)
}

/// What the helper answers about a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It runs.
    Started,
    /// It was not started, for this error of the system.
    Failed(i32),
    /// It has ended, with what `wait(2)` says of it.
    Ended(i32),
}

impl Answer {
    pub(super) fn to_bytes(self) -> [u8; ANSWER] {
        let (tag, number) = match self {
            Self::Started => (b'P', 0),
            Self::Failed(error) => (b'E', error),
            Self::Ended(status) => (b'W', status),
        };
        let [one, two, three, four] = number.to_le_bytes();
        [tag, one, two, three, four]
    }

    const fn from_bytes([tag, number @ ..]: [u8; ANSWER]) -> Option<Self> {
        let number = i32::from_le_bytes(number);
        Some(match tag {
            b'P' => Self::Started,
            b'E' => Self::Failed(number),
            b'W' => Self::Ended(number),
            _ => return None,
        })
    }
}

/// Reads an answer, which is written at once.
pub(super) fn receive_answer(mut channel: &UnixStream) -> io::Result<Answer> {
    let mut bytes = [0; ANSWER];
    loop {
        match channel.read(&mut bytes) {
            Ok(ANSWER) => return Answer::from_bytes(bytes).ok_or_else(|| io::ErrorKind::InvalidData.into()),
            Ok(_) => {
                return Err(io::Error::other(
                    "the process that starts programs for the daemon has ended",
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads the answer to a request for a file.
pub(super) fn receive_file(channel: &UnixStream) -> io::Result<OwnedFd> {
    let mut bytes = [0; ANSWER];
    let (count, mut fds) = receive_with(channel, &mut bytes)?;
    match (count, Answer::from_bytes(bytes), fds.pop()) {
        (ANSWER, Some(Answer::Failed(error)), _) => Err(io::Error::from_raw_os_error(error)),
        (ANSWER, Some(Answer::Started), Some(fd)) => Ok(fd),
        _ => Err(io::Error::other(
            "the process that opens files for the daemon has ended",
        )),
    }
}

/// Sends an answer, with a file where there is one.
pub(super) fn answer(channel: &UnixStream, answer: Answer, file: Option<BorrowedFd<'_>>) -> io::Result<()> {
    send_with(channel, &answer.to_bytes(), file.as_slice())
}

/// Sends a request.
pub(super) fn send(socket: impl AsFd, kind: Kind, text: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if text.len() >= PACKET {
        return Err(io::Error::from(rustix::io::Errno::NAMETOOLONG));
    }
    send_with(socket, &[&[kind.byte()], text].concat(), fds)
}

/// A request of the daemon.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) text: Vec<u8>,
    pub(super) fds: Vec<OwnedFd>,
}

/// Reads a request; nothing where nobody is there any more who could make one.
pub(super) fn receive(socket: impl AsFd) -> io::Result<Option<Request>> {
    let mut bytes = vec![0; PACKET];
    let (count, fds) = receive_with(socket, &mut bytes)?;
    bytes.truncate(count);
    let Some((&kind, text)) = bytes.split_first() else {
        return Ok(None);
    };
    let kind = Kind::from_byte(kind).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Some(Request {
        kind,
        text: text.to_vec(),
        fds,
    }))
}

fn send_with(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let socket = socket.as_fd();
    loop {
        match sendmsg(
            socket,
            &[IoSlice::new(bytes)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        ) {
            Ok(count) if count == bytes.len() => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn receive_with(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let socket = socket.as_fd();
    let count = loop {
        let mut slices = [IoSliceMut::new(bytes)];
        match recvmsg(socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => break received.bytes,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    Ok((count, fds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_and_what_is_none_is_refused() {
        let words = [
            Word::Program(b"/bin/sh"),
            Word::Argument(b""),
            Word::Argument(b"a\nb\xff"),
            Word::Without(b"LANG"),
            Word::With(b"A=b=c"),
            Word::Tied,
            Word::Target(b"/var/log/fail2ban.log"),
            Word::Directory(b"/etc/fail2ban"),
        ];
        let bytes = encode(&words);
        assert_eq!(decode(&bytes).as_deref(), Some(&words[..]));
        let refused: [(&str, &[u8]); 4] = [
            ("a tag alone", b"p"),
            ("half a length", b"p\x01\x00"),
            ("more than there is", b"p\xff\xff\xff\xffx"),
            ("an unknown tag", b"?\x00\x00\x00\x00"),
        ];
        for (name, bytes) in refused {
            assert_eq!(decode(bytes), None, "{name}");
        }
    }

    #[test]
    fn a_text_past_the_limit_is_not_read() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        io::Write::write_all(&mut &ours, &u32::MAX.to_le_bytes()).unwrap();
        assert!(read_text(&theirs).is_err());
    }
}
