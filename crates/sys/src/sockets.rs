//! What the kernel knows of a socket and the standard library does not ask.
//!
//! In: a socket. Out: a number, where the kernel has it.
//!
//! Invariant: a kernel that does not know the question is no error.

use std::os::fd::{AsFd, AsRawFd};

/// How many numbers the kernel has on the memory of a socket, and which of them is that of dropped datagrams.
const NUMBERS: usize = 9;
const DROPS: usize = 8;
/// The question, which has this number on all machines that we are built for.
const SO_MEMINFO: libc::c_int = 55;

/// How many datagrams were dropped on their way to `socket`, for there was no room for them. It wraps round.
#[expect(unsafe_code, reason = "the question has no safe face")]
#[must_use]
pub fn dropped_datagrams(socket: impl AsFd) -> Option<u32> {
    let mut numbers = [0_u32; NUMBERS];
    let size = size_of_val(&numbers);
    let mut length = libc::socklen_t::try_from(size).ok()?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the array is as long as `length` says, of plain numbers, and lives beyond the call.
    let outcome = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let is_all = usize::try_from(length).is_ok_and(|length| length >= size);
    (outcome == 0 && is_all).then(|| numbers.get(DROPS).copied())?
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::dropped_datagrams;

    #[test]
    fn what_finds_no_room_is_counted() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4096).unwrap();
        assert_eq!(dropped_datagrams(&socket), Some(0));
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            sender.send_to(&[0; 1000], socket.local_addr().unwrap()).unwrap();
        }
        let dropped = dropped_datagrams(&socket).unwrap();
        assert!((1..100).contains(&dropped), "{dropped}");
    }
}
