//! Netlink: messages as bytes, and the socket they travel on.
//!
//! In: message kinds, attributes and values. Out: the bytes the kernel expects, and its answers taken apart.
//!
//! Invariant: reading trusts no length that it reads; a message that lies about its size is [`Garbled`].

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

/// `NLMSG_ERROR`: an error, or with the number 0 an acknowledgement.
pub(crate) const ANSWER: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
pub(crate) const DONE: u16 = 3;

/// `NLM_F_REQUEST`.
pub(crate) const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: acknowledge success too.
pub(crate) const ACKNOWLEDGE: u16 = 0x4;
/// `NLM_F_DUMP_INTR`: what was dumped changed under the dump.
pub(crate) const DUMP_INTERRUPTED: u16 = 0x10;
/// `NLM_F_CAPPED`: the answer leaves out the body of the message it answers.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: the answer has attributes that explain it.
const EXPLAINED: u16 = 0x200;
/// `NLM_F_DUMP`.
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_CREATE`.
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_EXCL`: not where it is there already.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_APPEND`.
pub(crate) const APPEND: u16 = 0x800;

/// The length of what every message begins with.
pub(crate) const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// `NLA_TYPE_MASK`.
const KIND_MASK: u16 = 0x3fff;

/// An answer that is not shaped as netlink messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Garbled;

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the kernel's answer is not shaped as a netlink message")
    }
}

const fn aligned(length: usize) -> usize {
    (length + 3) & !3
}

/// Where something that has a length begins.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub(crate) struct Start(usize);

/// Messages in the making.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    /// A nested attribute outgrew the 16 bits of its length.
    overflow: bool,
}

impl Writer {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) const fn overflow(&self) -> bool {
        self.overflow
    }

    pub(crate) fn clear(&mut self) {
        self.truncate(0);
        self.overflow = false;
    }

    pub(crate) fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// Begins a message of netfilter's; the sequence number is 0 until [`Self::set_sequence`].
    pub(crate) fn message(&mut self, kind: u16, flags: u16, family: u8, resource: u16) -> Start {
        let start = Start(self.bytes.len());
        self.bytes.extend_from_slice(&0u32.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes.extend_from_slice(&[family, 0]);
        self.bytes.extend_from_slice(&resource.to_be_bytes());
        start
    }

    pub(crate) fn end_message(&mut self, start: Start) {
        match u32::try_from(self.bytes.len() - start.0) {
            Ok(length) => self.patch(start.0, &length.to_ne_bytes()),
            Err(_) => self.overflow = true,
        }
    }

    /// Numbers the message that begins at `start` bytes.
    pub(crate) fn set_sequence(&mut self, start: usize, sequence: u32) {
        self.patch(start + 8, &sequence.to_ne_bytes());
    }

    /// Replaces the flags of the message that begins at `start` bytes.
    pub(crate) fn set_flags(&mut self, start: usize, flags: u16) {
        self.patch(start + 6, &(flags | REQUEST).to_ne_bytes());
    }

    /// The flags of the message that begins at `start` bytes.
    pub(crate) fn flags(&self, start: usize) -> u16 {
        read_u16(&self.bytes, start + 6).expect("a message that was begun has its header")
    }

    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        match u16::try_from(ATTRIBUTE_HEADER + value.len()) {
            Ok(length) => {
                self.bytes.extend_from_slice(&length.to_ne_bytes());
                self.bytes.extend_from_slice(&kind.to_ne_bytes());
                self.bytes.extend_from_slice(value);
                self.pad();
            }
            Err(_) => self.overflow = true,
        }
    }

    /// A text, with the zero byte that ends it.
    pub(crate) fn text(&mut self, kind: u16, text: &str) {
        match u16::try_from(ATTRIBUTE_HEADER + text.len() + 1) {
            Ok(length) => {
                self.bytes.extend_from_slice(&length.to_ne_bytes());
                self.bytes.extend_from_slice(&kind.to_ne_bytes());
                self.bytes.extend_from_slice(text.as_bytes());
                self.bytes.push(0);
                self.pad();
            }
            Err(_) => self.overflow = true,
        }
    }

    pub(crate) fn be32(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    pub(crate) fn be64(&mut self, kind: u16, value: u64) {
        self.attribute(kind, &value.to_be_bytes());
    }

    pub(crate) fn nested(&mut self, kind: u16) -> Start {
        let start = Start(self.bytes.len());
        self.bytes.extend_from_slice(&0u16.to_ne_bytes());
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        start
    }

    pub(crate) fn end_nested(&mut self, start: Start) {
        match u16::try_from(self.bytes.len() - start.0) {
            Ok(length) => self.patch(start.0, &length.to_ne_bytes()),
            Err(_) => self.overflow = true,
        }
    }

    fn patch(&mut self, at: usize, value: &[u8]) {
        self.bytes
            .get_mut(at..at + value.len())
            .expect("only headers that were written are patched")
            .copy_from_slice(value);
    }

    fn pad(&mut self) {
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }
}

/// One message, taken apart as far as every message is alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The attributes of a netfilter message, which stand after its four bytes of family and resource.
    pub(crate) fn attributes(&self) -> Attributes<'a> {
        attributes(self.payload.get(4..).unwrap_or_default())
    }
}

/// The messages of one datagram.
pub(crate) fn messages(bytes: &[u8]) -> Messages<'_> {
    Messages { rest: bytes }
}

#[derive(Debug, Clone)]
pub(crate) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Garbled>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let message = take_message(self.rest);
        self.rest = match message {
            Some((_, rest)) => rest,
            None => &[],
        };
        Some(message.map(|(message, _)| message).ok_or(Garbled))
    }
}

fn take_message(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = usize::try_from(read_u32(bytes, 0)?).ok()?;
    let message = Message {
        kind: read_u16(bytes, 4)?,
        flags: read_u16(bytes, 6)?,
        sequence: read_u32(bytes, 8)?,
        payload: bytes.get(HEADER..length)?,
    };
    Some((message, bytes.get(aligned(length)..).unwrap_or_default()))
}

/// The attributes in `bytes`; what is cut off is left out.
pub(crate) const fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: bytes }
}

/// Attributes as pairs of kind and value.
#[derive(Debug, Clone)]
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// The value of the first attribute of `kind`.
    pub(crate) fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.clone()
            .find(|(found, _)| *found == kind)
            .map(|(_, value)| value)
    }

    /// The attributes nested in the first one of `kind`; none where it is absent.
    pub(crate) fn nested(&self, kind: u16) -> Self {
        attributes(self.get(kind).unwrap_or_default())
    }

    /// The text of the first attribute of `kind`.
    pub(crate) fn text(&self, kind: u16) -> Option<String> {
        self.get(kind).map(text)
    }

    pub(crate) fn be32(&self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }

    /// The bytes not yet taken.
    pub(crate) const fn rest_length(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn be64(&self, kind: u16) -> Option<u64> {
        Some(u64::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(read_u16(self.rest, 0)?);
        let kind = read_u16(self.rest, 2)? & KIND_MASK;
        let value = self.rest.get(ATTRIBUTE_HEADER..length)?;
        self.rest = self.rest.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// A text without the zero byte that ends it.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// What the kernel says of one message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Why it refused; `None` is an acknowledgement.
    pub(crate) refused: Option<Errno>,
    /// The kernel's explanation, where it has one.
    pub(crate) explanation: Option<String>,
    /// Where in our message the attribute stands that it objects to.
    pub(crate) offset: Option<usize>,
}

/// `NLMSGERR_ATTR_MSG` and `NLMSGERR_ATTR_OFFS`.
const EXPLANATION: u16 = 1;
const OFFSET: u16 = 2;

/// Takes the payload of an [`ANSWER`] apart.
pub(crate) fn answer(message: &Message<'_>) -> Result<Answer, Garbled> {
    let number = read_u32(message.payload, 0).ok_or(Garbled)?.cast_signed();
    let refused = (number != 0).then(|| Errno::from_raw_os_error(number.saturating_neg()));
    let mut answer = Answer {
        refused,
        explanation: None,
        offset: None,
    };
    if message.flags & EXPLAINED != 0 {
        // The answered message follows the number: its header alone where capped, else all of it.
        let answered = if message.flags & CAPPED != 0 {
            HEADER
        } else {
            let length = read_u32(message.payload, 4).ok_or(Garbled)?;
            aligned(usize::try_from(length).map_err(|_| Garbled)?)
        };
        let attributes = attributes(message.payload.get(4 + answered..).unwrap_or_default());
        answer.explanation = attributes.text(EXPLANATION);
        answer.offset = attributes
            .get(OFFSET)
            .and_then(|value| read_u32(value, 0))
            .and_then(|offset| usize::try_from(offset).ok());
    }
    Ok(answer)
}

/// A netlink socket that talks to the kernel and to nobody else.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

/// The kernel fills up to 32 KiB at a time of a dump; answers to single messages are far shorter.
const BUFFER: usize = 64 * 1024;

/// Room for what the kernel says before we read it: an answer to each of several hundred refused messages.
const RECEIVE_QUEUE: usize = 1024 * 1024;

/// Room for the largest transaction: a hundred thousand elements of 76 bytes, with the kernel's own overhead.
const SEND_QUEUE: usize = 16 * 1024 * 1024;

impl Socket {
    pub(crate) fn open(protocol: Protocol) -> io::Result<Self> {
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(protocol),
        )?;
        // Connected to the kernel's port the socket refuses what other processes send to it.
        rustix::net::connect(&fd, &SocketAddrNetlink::new(0, 0))?;
        // Both fail where the process may administer its own network only; then the defaults must do.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&fd, RECEIVE_QUEUE);
        let _ = rustix::net::sockopt::set_socket_send_buffer_size_force(&fd, SEND_QUEUE);
        // Answers without explanation, from kernels before 4.12, are answers still.
        let _ = set_option(&fd, libc::NETLINK_EXT_ACK);
        let _ = set_option(&fd, libc::NETLINK_CAP_ACK);
        Ok(Self {
            fd,
            buffer: Vec::with_capacity(BUFFER),
        })
    }

    /// A socket that hears what the kernel tells the groups whose bits are set in `groups`.
    pub(crate) fn subscribe(protocol: Protocol, groups: u32) -> io::Result<Self> {
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(protocol),
        )?;
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&fd, RECEIVE_QUEUE);
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self {
            fd,
            buffer: Vec::with_capacity(BUFFER),
        })
    }

    /// The number by which the kernel knows this socket.
    pub(crate) fn port(&self) -> io::Result<u32> {
        let name = rustix::net::getsockname(&self.fd)?;
        Ok(SocketAddrNetlink::try_from(name)?.pid())
    }

    /// Has the kernel keep messages to itself that have `value` in the four bytes at `offset`.
    #[expect(unsafe_code, reason = "setsockopt of SO_ATTACH_FILTER has no safe face")]
    pub(crate) fn ignore_messages_with(&self, offset: u32, value: u32) -> io::Result<()> {
        let instruction = |code: u32, jt, jf, k| libc::sock_filter {
            code: u16::try_from(code).expect("the operations of a filter have 16 bits"),
            jt,
            jf,
            k,
        };
        // A filter reads numbers in the order of the network, and netlink writes them in that of the machine.
        let value = u32::from_be_bytes(value.to_ne_bytes());
        let mut filter = [
            instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset),
            instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, value),
            instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
            instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        ];
        let program = libc::sock_fprog {
            len: 4,
            filter: filter.as_mut_ptr(),
        };
        let length = libc::socklen_t::try_from(size_of::<libc::sock_fprog>()).expect("a small structure");
        // SAFETY: the pointer is to a live sock_fprog of that length, which points to four live instructions; the
        // kernel copies them before it returns.
        let done = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                length,
            )
        };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// How many bytes one datagram to the kernel may have.
    pub(crate) fn largest_datagram(&self) -> usize {
        let room = rustix::net::sockopt::socket_send_buffer_size(&self.fd).unwrap_or_default();
        // The kernel sets a little aside, and doubles what it is asked for to pay for its own overhead.
        room / 2
    }

    /// Sends `bytes` as one datagram; the kernel has worked on it when this returns.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        loop {
            match rustix::net::send(&self.fd, bytes, SendFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next datagram, or `None` where the kernel has said all: it answers before [`Self::send`] returns.
    pub(crate) fn receive(&mut self) -> Result<Option<&[u8]>, Errno> {
        self.buffer.clear();
        loop {
            let spare = rustix::buffer::spare_capacity(&mut self.buffer);
            match rustix::net::recv(&self.fd, spare, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
                Ok((read, length)) if read == length => return Ok(Some(&self.buffer)),
                // A datagram longer than the buffer is cut off, and its rest is gone.
                Ok(_) => return Err(Errno::MSGSIZE),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Turns a netlink option on; rustix knows the options of no netlink socket.
#[expect(unsafe_code, reason = "setsockopt of SOL_NETLINK has no safe face")]
fn set_option(fd: &OwnedFd, option: i32) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).expect("four bytes");
    // SAFETY: the pointer is to a live c_int and the length is its size; the kernel reads it and keeps nothing.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            (&raw const on).cast(),
            length,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::{ANSWER, Answer, Garbled, Message, Writer, answer, attributes, messages};
    use rustix::io::Errno;

    /// A message of 28 bytes with a text and a nested number.
    fn sample() -> Vec<u8> {
        let mut writer = Writer::default();
        let message = writer.message(0x0a09, 0x400, 1, 0);
        writer.text(1, "abc");
        let nested = writer.nested(4);
        writer.be32(2, 7);
        writer.end_nested(nested);
        writer.end_message(message);
        writer.set_sequence(0, 5);
        writer.bytes().to_vec()
    }

    #[test]
    fn a_message_comes_out_as_it_went_in() {
        let bytes = sample();
        let twice = [bytes.clone(), bytes.clone()].concat();
        for message in messages(&twice) {
            let message = message.unwrap();
            assert_eq!(
                (message.kind, message.flags, message.sequence),
                (0x0a09, 0x401, 5)
            );
            assert_eq!(message.attributes().text(1).as_deref(), Some("abc"));
            assert_eq!(message.attributes().nested(4).be32(2), Some(7));
            assert_eq!(message.attributes().get(9), None);
        }
        assert_eq!(messages(&twice).count(), 2);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_bytes_are_those_that_the_kernel_documents() {
        let header = [
            40, 0, 0, 0, 0x09, 0x0a, 0x01, 0x04, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
        ];
        let text = [8, 0, 1, 0, b'a', b'b', b'c', 0];
        let nested = [12, 0, 4, 0x80, 8, 0, 2, 0, 0, 0, 0, 7];
        assert_eq!(sample(), [header.as_slice(), &text, &nested].concat());
    }

    #[test]
    fn a_text_is_padded_and_a_long_one_is_noticed() {
        let mut writer = Writer::default();
        writer.text(1, "ab");
        assert_eq!(writer.bytes().len(), 8);
        assert!(!writer.overflow());
        writer.text(1, &"x".repeat(65_531));
        assert!(writer.overflow());
        writer.clear();
        assert!(!writer.overflow());
        writer.attribute(1, &[0; 65_532]);
        assert!(writer.overflow());
    }

    #[test]
    fn what_is_cut_off_or_lies_about_its_length_is_garbled_or_left_out() {
        let whole = sample();
        for length in 1..whole.len() {
            let read: Vec<_> = messages(&whole[..length]).collect();
            assert_eq!(read, [Err(Garbled)], "{length} bytes");
        }
        for claimed in [0, 1, 15, 41, u32::MAX] {
            let mut bytes = whole.clone();
            bytes[..4].copy_from_slice(&claimed.to_ne_bytes());
            assert_eq!(messages(&bytes).next(), Some(Err(Garbled)), "claims {claimed}");
        }
        for claimed in [0u16, 3, 9, u16::MAX] {
            let mut bytes = vec![0, 0, 1, 0, 1, 2, 3, 4];
            bytes[..2].copy_from_slice(&claimed.to_ne_bytes());
            assert_eq!(attributes(&bytes).count(), 0, "claims {claimed}");
        }
    }

    #[test]
    fn answers_are_understood_with_and_without_explanation() {
        let number = |number: i32| number.to_ne_bytes().to_vec();
        let original = sample();
        let mut explanation = Writer::default();
        explanation.text(1, "no such set");
        explanation.attribute(2, &24u32.to_ne_bytes());
        let explained = |refused| Answer {
            refused,
            explanation: Some("no such set".to_owned()),
            offset: Some(24),
        };
        let plain = |refused| Answer {
            refused,
            explanation: None,
            offset: None,
        };
        let cases = [
            (
                "acknowledged",
                0x100,
                [number(0), original[..16].to_vec()].concat(),
                Ok(plain(None)),
            ),
            (
                "refused",
                0,
                [number(-2), original.clone()].concat(),
                Ok(plain(Some(Errno::NOENT))),
            ),
            (
                "refused and explained",
                0x200,
                [number(-1), original.clone(), explanation.bytes().to_vec()].concat(),
                Ok(explained(Some(Errno::PERM))),
            ),
            (
                "refused and explained in short",
                0x300,
                [number(-17), original[..16].to_vec(), explanation.bytes().to_vec()].concat(),
                Ok(explained(Some(Errno::EXIST))),
            ),
            (
                "cut off before the explanation",
                0x300,
                number(-17),
                Ok(plain(Some(Errno::EXIST))),
            ),
            ("no number", 0, vec![1, 2], Err(Garbled)),
            ("no message to skip", 0x200, number(-1), Err(Garbled)),
        ];
        for (name, flags, payload, expected) in cases {
            let message = Message {
                kind: ANSWER,
                flags,
                sequence: 1,
                payload: &payload,
            };
            assert_eq!(answer(&message), expected, "{name}");
        }
    }
}
