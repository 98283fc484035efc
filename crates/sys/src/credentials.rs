//! Datagrams with their senders, as the kernel knows them.
//!
//! In: a local socket with `SO_PASSCRED`, and room for a datagram. Out: its length, and the user and process that sent it.
//!
//! Invariant: no descriptor that a sender attaches comes in, for there is no room for one.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Who has sent a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// The number of the user; where our user namespace does not know it, that of nobody.
    pub user: u32,
    /// The number of the process; 0 where our namespace does not have it.
    pub process: i32,
}

/// A datagram that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// How much of it there is.
    pub length: usize,
    /// Whether there was more than there was room for.
    pub is_cut: bool,
    /// Who has sent it, where the kernel says.
    pub sender: Option<Sender>,
}

/// What stands before the data of a control message: its length, its level and its type.
const HEADER: usize = size_of::<usize>() + 2 * size_of::<i32>();
/// A process, a user and a group, and what is needed to begin the next message where it may begin.
const CREDENTIALS: usize = (3 * size_of::<u32>()).next_multiple_of(size_of::<usize>());
/// Room for one control message of that kind, and for nothing else.
const CONTROL: usize = HEADER + CREDENTIALS;

/// As aligned as the kernel's own structure.
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// Receives a datagram, if there is one.
///
/// # Errors
/// `WouldBlock` where there is none; otherwise as the kernel says.
#[expect(
    unsafe_code,
    reason = "control messages have a safe face only where a process has a number"
)]
pub fn receive_with_sender(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = Control([0; CONTROL]);
    let mut room = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all fields of the structure are numbers and pointers, for which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut room;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = converted(CONTROL)?;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the pointers are to the buffer and the control data above, with their lengths, and both outlive the call.
    let count = unsafe { libc::recvmsg(fd, &raw mut message, flags) };
    let length = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    let is_cut = message.msg_flags & libc::MSG_TRUNC != 0;
    let given: usize = converted(message.msg_controllen)?;
    let sender = control.0.get(..given).and_then(sender);
    Ok(Received {
        length,
        is_cut,
        sender,
    })
}

/// A length in the type that the C library of the target has for it.
fn converted<F, T: TryFrom<F>>(length: F) -> io::Result<T> {
    T::try_from(length).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Reads the one control message that there may be.
fn sender(control: &[u8]) -> Option<Sender> {
    let number = |from: usize| {
        let bytes = control.get(from..from + size_of::<i32>())?;
        Some(i32::from_ne_bytes(bytes.try_into().ok()?))
    };
    let (level, kind) = (size_of::<usize>(), size_of::<usize>() + size_of::<i32>());
    let is_sender = number(level)? == libc::SOL_SOCKET && number(kind)? == libc::SCM_CREDENTIALS;
    let process = number(HEADER).filter(|_| is_sender)?;
    let user = number(HEADER + size_of::<i32>())?.cast_unsigned();
    Some(Sender { user, process })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{ErrorKind, IoSlice};
    use std::mem::MaybeUninit;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    use rustix::net::sockopt::set_socket_passcred;
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use rustix::process::getuid;

    use super::{Received, Sender, receive_with_sender};

    #[test]
    fn the_kernel_says_who_has_sent_a_datagram_and_lets_no_descriptor_in() {
        let (near, far) = UnixDatagram::pair().unwrap();
        let mut buffer = [0; 8];
        let error = receive_with_sender(&near, &mut buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        far.send(b"early").unwrap();
        let early = receive_with_sender(&near, &mut buffer).unwrap();
        assert_eq!((early.length, early.sender), (5, None), "nobody has asked");

        set_socket_passcred(&near, true).unwrap();
        let sender = Some(Sender {
            user: getuid().as_raw(),
            process: i32::try_from(std::process::id()).unwrap(),
        });
        for (text, length, is_cut) in [(&b"one"[..], 3, false), (b"", 0, false), (b"123456789", 8, true)] {
            far.send(text).unwrap();
            let expected = Received {
                length,
                is_cut,
                sender,
            };
            assert_eq!(receive_with_sender(&near, &mut buffer).unwrap(), expected);
        }

        let file = tempfile::tempfile().unwrap();
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut attached = SendAncillaryBuffer::new(&mut space);
        assert!(attached.push(SendAncillaryMessage::ScmRights(&files)));
        let open = || fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
        let same = |fd: &fs::DirEntry| {
            fs::read_link(fd.path()).ok()
                == fs::read_link(format!(
                    "/proc/self/fd/{}",
                    std::os::fd::AsRawFd::as_raw_fd(&file)
                ))
                .ok()
        };
        sendmsg(&far, &[IoSlice::new(b"with")], &mut attached, SendFlags::empty()).unwrap();
        assert_eq!(receive_with_sender(&near, &mut buffer).unwrap().sender, sender);
        assert_eq!(open().filter(same).count(), 1, "the file is open once, as it was");
    }
}
