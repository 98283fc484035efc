//! Lets a worker thread wake the loop (eventfd).
//!
//! In: calls from any thread. Out: a descriptor that is readable until the loop has drained it.
//!
//! Invariant: a wake-up is never lost; several before a drain count as one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

/// Wakes the loop; clones wake the same one.
#[derive(Debug, Clone)]
pub struct Waker {
    fd: Arc<OwnedFd>,
}

impl Waker {
    /// A waker that nobody has called.
    ///
    /// # Errors
    /// When the process or the system is out of descriptors or memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            fd: Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?),
        })
    }

    /// Makes the descriptor readable.
    pub fn wake(&self) {
        // The one way to fail is a counter at its limit, and then the loop is being woken already.
        while let Err(Errno::INTR) = rustix::io::write(&self.fd, &1u64.to_ne_bytes()) {}
    }

    /// Takes all wake-ups so far; to be called before the work that they announce is looked at.
    pub fn drain(&self) {
        while let Err(Errno::INTR) = rustix::io::read(&self.fd, &mut [0; 8]) {}
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Waker;
    use crate::poller::{Interest, Poller};

    #[test]
    fn many_wake_ups_from_another_thread_are_one_until_drained() {
        let waker = Waker::new().unwrap();
        let poller = Poller::new().unwrap();
        poller.add(&waker, 3, Interest::Read).unwrap();
        let worker = waker.clone();
        std::thread::spawn(move || (0..5).for_each(|_| worker.wake()))
            .join()
            .unwrap();

        let mut ready = Vec::new();
        poller.wait(None, &mut ready).unwrap();
        assert_eq!(ready.len(), 1);
        waker.drain();
        waker.drain();
        ready.clear();
        poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
        assert_eq!(ready, []);
    }
}
