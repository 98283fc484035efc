//! Who is at the other end of a local socket, as the kernel noted when they connected.
//!
//! In: a connection. Out: the user and all groups of the process that made it.
//!
//! Invariant: nothing of it can be chosen by the peer.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use rustix::net::sockopt::socket_peercred;

/// How many groups of a peer are looked at; the kernel gives a process 65,536 at most.
const GROUPS: usize = 65_536;
/// How many there usually are.
const FEW: usize = 32;

/// The user and the groups of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The effective user.
    pub user: u32,
    /// The effective group, and all others.
    pub groups: Vec<u32>,
}

/// Who has connected.
///
/// # Errors
/// Where it is no connected local socket.
pub fn peer(socket: impl AsFd) -> io::Result<Peer> {
    let socket = socket.as_fd();
    let credentials = socket_peercred(socket)?;
    let mut groups = further_groups(socket)?;
    groups.push(credentials.gid.as_raw());
    Ok(Peer {
        user: credentials.uid.as_raw(),
        groups,
    })
}

/// Where there are more than there is room for, the kernel says how many.
fn further_groups(socket: impl AsFd) -> io::Result<Vec<u32>> {
    match groups_up_to(&socket, FEW) {
        Err(error) if error.raw_os_error() == Some(libc::ERANGE) => groups_up_to(&socket, GROUPS),
        // A kernel from before it could be asked; the one group has to do.
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(Vec::new()),
        outcome => outcome,
    }
}

#[expect(unsafe_code, reason = "the library has no safe face for this option")]
fn groups_up_to(socket: impl AsFd, most: usize) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; most];
    let length = size_of_val(groups.as_slice());
    let mut length = libc::socklen_t::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the buffer has the length that is given, and the kernel writes no more than that and says how much.
    let outcome = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    let count = usize::try_from(length).unwrap_or(0) / size_of::<u32>();
    groups.truncate(count);
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::peer;

    #[test]
    fn a_peer_is_who_it_is() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = peer(&one).unwrap();
        assert_eq!(peer.user, rustix::process::geteuid().as_raw());
        assert!(peer.groups.contains(&rustix::process::getegid().as_raw()));
        let pipe = std::io::pipe().unwrap();
        assert!(super::peer(&pipe.0).is_err(), "no socket");
    }
}
