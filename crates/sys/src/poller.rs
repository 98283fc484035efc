//! Waits for several file descriptors at once (epoll).
//!
//! In: descriptors, each with a token of the caller's choosing. Out: the tokens of those that are ready.
//!
//! Invariant: level-triggered, so what the caller leaves unread is reported again.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll;
use rustix::io::Errno;

/// What the caller calls a descriptor.
pub type Token = u64;

/// What to wait for on a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to read, or the other end gone.
    Read,
    /// Room to write.
    Write,
    /// Either.
    Both,
    /// What the kernel calls an exceptional condition (`POLLPRI`), such as another list of mounts.
    Urgent,
}

impl Interest {
    const fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Read => epoll::EventFlags::IN,
            Self::Write => epoll::EventFlags::OUT,
            Self::Both => epoll::EventFlags::IN.union(epoll::EventFlags::OUT),
            Self::Urgent => epoll::EventFlags::PRI,
        }
    }
}

/// A descriptor that is ready, by its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The token it was added with.
    pub token: Token,
    /// Reading would not block: there is data, an error, or the end.
    pub readable: bool,
    /// Writing would not block.
    pub writable: bool,
    /// The other end is gone or the descriptor is in error.
    pub hung_up: bool,
}

/// A set of descriptors to wait for.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
}

/// Ready descriptors taken at a time; the rest are reported by the next call.
const EVENTS_AT_A_TIME: usize = 64;

impl Poller {
    /// An empty set.
    ///
    /// # Errors
    /// When the process or the system is out of descriptors or memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        })
    }

    /// Begins to wait for `fd`, which must be removed before it is closed.
    ///
    /// # Errors
    /// When it is in the set already, or cannot be waited for (a regular file).
    pub fn add(&self, fd: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::add(&self.epoll, fd, data, interest.flags())?)
    }

    /// Changes what `fd` is waited for and what it is called.
    ///
    /// # Errors
    /// When it is not in the set.
    pub fn modify(&self, fd: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::modify(&self.epoll, fd, data, interest.flags())?)
    }

    /// Stops waiting for `fd`.
    ///
    /// # Errors
    /// When it is not in the set.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Sleeps until a descriptor is ready or `timeout` has passed (never, where `None`), and appends to `ready`.
    ///
    /// Returns with nothing appended after a signal or the timeout.
    ///
    /// # Errors
    /// When the kernel refuses to wait, which it has no reason to.
    pub fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let timeout = timeout.map(timespec);
        let mut buffer = [MaybeUninit::<epoll::Event>::uninit(); EVENTS_AT_A_TIME];
        let events = match epoll::wait(&self.epoll, &mut buffer, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        ready.extend(events.iter().map(|event| {
            let (flags, data) = (event.flags, event.data);
            let hung_up = flags.intersects(epoll::EventFlags::HUP.union(epoll::EventFlags::ERR));
            Ready {
                token: data.u64(),
                readable: hung_up || flags.contains(epoll::EventFlags::IN),
                writable: hung_up || flags.contains(epoll::EventFlags::OUT),
                hung_up,
            }
        }));
        Ok(())
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// The longest wait that kernels before 5.11 take; nobody notices one wake-up every three weeks.
const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX.unsigned_abs() as u64);

fn timespec(wait: Duration) -> Timespec {
    let wait = wait.min(LONGEST_WAIT);
    Timespec {
        tv_sec: i64::try_from(wait.as_secs()).expect("bounded by LONGEST_WAIT"),
        tv_nsec: wait.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::{Interest, Poller};

    #[test]
    fn says_which_descriptor_is_ready_and_says_it_again_until_it_is_read() {
        let poller = Poller::new().unwrap();
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let (quiet, _quiet_far) = UnixStream::pair().unwrap();
        poller.add(&near, 7, Interest::Read).unwrap();
        poller.add(&quiet, 8, Interest::Read).unwrap();

        let mut ready = Vec::new();
        poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
        assert_eq!(ready, []);

        far.write_all(b"x").unwrap();
        for _ in 0..2 {
            ready.clear();
            poller.wait(None, &mut ready).unwrap();
            assert_eq!(ready.iter().map(|ready| ready.token).collect::<Vec<_>>(), [7]);
            assert!(ready[0].readable && !ready[0].hung_up);
        }
        near.read_exact(&mut [0]).unwrap();

        drop(far);
        ready.clear();
        poller.wait(None, &mut ready).unwrap();
        assert!(ready[0].hung_up && ready[0].readable);

        poller.remove(&near).unwrap();
        ready.clear();
        poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
        assert_eq!(ready, []);
    }

    #[test]
    fn waits_for_room_to_write() {
        let poller = Poller::new().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        poller.add(&near, 1, Interest::Read).unwrap();
        poller.modify(&near, 2, Interest::Both).unwrap();
        let mut ready = Vec::new();
        poller.wait(None, &mut ready).unwrap();
        assert_eq!(
            (ready[0].token, ready[0].readable, ready[0].writable),
            (2, false, true)
        );
    }
}
