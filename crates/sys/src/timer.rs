//! Wakes at a moment of wall time (timerfd).
//!
//! In: the moment. Out: a descriptor that becomes readable then, or when someone sets the clock.
//!
//! Invariant: an armed timer never sleeps through a jump of the clock, forwards or back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// A timer on the wall clock.
#[derive(Debug)]
pub struct Timer {
    fd: OwnedFd,
}

/// Why a timer woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fired {
    /// It has not: the moment is still to come, or none is set.
    No,
    /// The moment has come.
    Due,
    /// Someone set the clock; the timer must be armed anew.
    ClockSet,
}

const UNSET: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// How often arming is tried again while someone keeps setting the clock; the timer is armed even if that never ends.
const ARM_ATTEMPTS: usize = 4;

impl Timer {
    /// A timer that is not armed.
    ///
    /// # Errors
    /// When the process or the system is out of descriptors or memory.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self {
            fd: timerfd_create(TimerfdClockId::Realtime, flags)?,
        })
    }

    /// Arms it for the moment `micros` microseconds after 1970-01-01T00:00:00Z; at once where that is past.
    ///
    /// # Errors
    /// When the kernel refuses, which it has no reason to.
    pub fn arm(&self, micros: i64) -> io::Result<()> {
        // Zero would disarm, and the kernel knows no time before it.
        let micros = micros.max(1);
        self.set(Timespec {
            tv_sec: micros / 1_000_000,
            tv_nsec: micros % 1_000_000 * 1_000,
        })
    }

    /// Forgets the moment.
    ///
    /// # Errors
    /// When the kernel refuses, which it has no reason to.
    pub fn disarm(&self) -> io::Result<()> {
        self.set(UNSET)
    }

    fn set(&self, at: Timespec) -> io::Result<()> {
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        let spec = Itimerspec {
            it_interval: UNSET,
            it_value: at,
        };
        for _ in 0..ARM_ATTEMPTS {
            match timerfd_settime(&self.fd, flags, &spec) {
                Ok(_) => return Ok(()),
                // The clock was set since the last call; the kernel has armed the timer and wants it known.
                Err(Errno::CANCELED) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Says whether and why it woke, once; it is silent afterwards until armed anew.
    ///
    /// # Errors
    /// When the kernel refuses, which it has no reason to.
    pub fn take(&self) -> io::Result<Fired> {
        match rustix::io::read(&self.fd, &mut [0; 8]) {
            Ok(_) => Ok(Fired::Due),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Fired::No),
            Err(Errno::CANCELED) => Ok(Fired::ClockSet),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::{Fired, Timer};
    use crate::poller::{Interest, Poller};

    #[test]
    fn a_moment_in_the_past_wakes_at_once_and_one_in_the_future_not_yet() {
        let timer = Timer::new().unwrap();
        let poller = Poller::new().unwrap();
        poller.add(&timer, 1, Interest::Read).unwrap();
        assert_eq!(timer.take().unwrap(), Fired::No, "never armed");

        for past in [i64::MIN, -1, 0, 1, 1_000_000_000_000_000] {
            timer.arm(past).unwrap();
            let mut ready = Vec::new();
            poller.wait(None, &mut ready).unwrap();
            assert_eq!(timer.take().unwrap(), Fired::Due, "{past}");
            assert_eq!(timer.take().unwrap(), Fired::No, "{past} is said once");
        }
        for future in [4_000_000_000_000_000, i64::MAX] {
            timer.arm(future).unwrap();
            assert_eq!(timer.take().unwrap(), Fired::No, "{future}");
        }
        timer.arm(1).unwrap();
        timer.disarm().unwrap();
        assert_eq!(timer.take().unwrap(), Fired::No, "disarmed");
    }
}
