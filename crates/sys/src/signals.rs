//! Signals as something to wait for.
//!
//! In: the signals the daemon listens to. Out: a descriptor that is readable when one has come, and which.
//!
//! Invariant: from the moment [`Signals`] exists none of them ends the process by itself.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::SigId;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::low_level::{pipe, unregister};

/// A signal the daemon may listen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
    /// SIGUSR1.
    User1,
    /// SIGHUP.
    HangUp,
    /// SIGCHLD.
    Child,
}

impl Signal {
    const fn number(self) -> i32 {
        match self {
            Self::Terminate => SIGTERM,
            Self::Interrupt => SIGINT,
            Self::User1 => SIGUSR1,
            Self::HangUp => SIGHUP,
            Self::Child => SIGCHLD,
        }
    }
}

/// The signals that have come and nobody has taken yet.
#[derive(Debug)]
pub struct Signals {
    woken: UnixStream,
    came: Vec<(Signal, Arc<AtomicBool>)>,
    handlers: Vec<SigId>,
}

impl Signals {
    /// Begins to listen to `signals`.
    ///
    /// # Errors
    /// When the process is out of descriptors or the kernel refuses a handler.
    pub fn listen(signals: &[Signal]) -> io::Result<Self> {
        let (woken, wake) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        let mut listening = Self {
            woken,
            came: Vec::with_capacity(signals.len()),
            handlers: Vec::with_capacity(signals.len() * 2),
        };
        for &signal in signals {
            let came = Arc::new(AtomicBool::new(false));
            // Handlers run in the order of registration: the flag is up before the descriptor says so.
            let flag = signal_hook::flag::register(signal.number(), Arc::clone(&came))?;
            listening.handlers.push(flag);
            listening.came.push((signal, came));
            let wake = pipe::register(signal.number(), wake.try_clone()?)?;
            listening.handlers.push(wake);
        }
        Ok(listening)
    }

    /// Takes the signals that have come since the last call, each once however often it came.
    pub fn take(&mut self) -> Vec<Signal> {
        let mut bytes = [0; 64];
        while self.woken.read(&mut bytes).is_ok_and(|count| count > 0) {}
        self.came
            .iter()
            .filter(|(_, came)| came.swap(false, Ordering::SeqCst))
            .map(|(signal, _)| *signal)
            .collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            unregister(handler);
        }
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::{Signal, Signals};
    use crate::poller::{Interest, Poller};

    #[test]
    fn a_signal_wakes_and_is_told_once() {
        let mut signals = Signals::listen(&[Signal::User1, Signal::HangUp]).unwrap();
        let poller = Poller::new().unwrap();
        poller.add(&signals, 1, Interest::Read).unwrap();
        assert_eq!(signals.take(), []);
        for _ in 0..3 {
            raise(Signal::HangUp.number()).unwrap();
        }
        let mut ready = Vec::new();
        poller.wait(None, &mut ready).unwrap();
        assert_eq!(ready.len(), 1);
        assert_eq!(signals.take(), [Signal::HangUp]);
        assert_eq!(signals.take(), []);
    }
}
