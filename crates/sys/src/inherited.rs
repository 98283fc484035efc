//! A listening socket that this process was started with (`sd_listen_fds(3)`).
//!
//! In: the number of a descriptor. Out: the socket.
//!
//! Invariant: a number that is no listening local stream socket is refused, and stays what it is.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};

/// The first descriptor that a service manager hands over.
pub const FIRST: RawFd = 3;

/// The descriptor that was taken, which is taken once.
static TAKEN: AtomicI32 = AtomicI32::new(-1);

/// Takes the socket `number`; no program that is started later gets it as well.
///
/// # Errors
/// Where the descriptor is not open, is something else, or one was taken before.
#[expect(
    unsafe_code,
    reason = "the number of a descriptor is all that a service manager says of it"
)]
pub fn take_listener(number: RawFd) -> io::Result<UnixListener> {
    if number < FIRST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: it is borrowed for the questions below only, which the kernel answers with an error if it is not open.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    let is_stream = socket_type(fd)? == SocketType::STREAM;
    if !(is_stream && socket_domain(fd)? == AddressFamily::UNIX && socket_acceptconn(fd)?) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    fcntl_setfd(fd, FdFlags::CLOEXEC)?;
    if TAKEN
        .compare_exchange(-1, number, Ordering::SeqCst, Ordering::SeqCst)
        .is_err()
    {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // SAFETY: it is open, as the kernel has just said, and was there when the process began; the caller says so by
    // the protocol of the service manager. Nobody else here knows its number, and it is taken once.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    Ok(UnixListener::from(owned))
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, IntoRawFd};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::take_listener;

    #[test]
    fn a_listening_socket_is_taken_once_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::open(dir.path()).unwrap();
        let (stream, _other) = UnixStream::pair().unwrap();
        let (datagram, _other) = UnixDatagram::pair().unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for (name, number) in [
            ("standard error", 2),
            ("a number that is not open", 1_000_000),
            ("a directory", file.as_raw_fd()),
            ("a connection", stream.as_raw_fd()),
            ("a datagram socket", datagram.as_raw_fd()),
            ("a socket of the network", tcp.as_raw_fd()),
        ] {
            assert!(take_listener(number).is_err(), "{name}");
        }
        let path = dir.path().join("sock");
        let number = UnixListener::bind(&path).unwrap().into_raw_fd();
        let taken = take_listener(number).unwrap();
        assert_eq!(taken.local_addr().unwrap().as_pathname(), Some(path.as_path()));
        assert!(take_listener(number).is_err(), "it is taken");
    }
}
