//! Children that end with us.
//!
//! In: a command that is about to be run. Out: the same, bound to the life of this process.
//!
//! Invariant: however this process ends, the child is killed; there is no instant at which it could slip through.

#![expect(
    unsafe_code,
    reason = "what runs between fork and exec is for the caller to vouch for"
)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

/// Has the kernel kill the child of `command` when the thread that starts it ends, and with it this process.
pub fn end_with_us(command: &mut Command) {
    let us = getpid();
    let bind = move || bind(us);
    // SAFETY: between fork and exec the closure makes two system calls and neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(bind);
    }
}

fn bind(parent: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before the kernel was told; then nothing would ever come.
    if getppid() == Some(parent) {
        Ok(())
    } else {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::thread;

    use super::end_with_us;

    #[test]
    fn a_child_ends_with_the_thread_that_started_it() {
        let spawn = || {
            let mut command = Command::new("sleep");
            command.arg("1000").stdin(Stdio::null());
            end_with_us(&mut command);
            command.spawn().unwrap()
        };
        let mut child = thread::spawn(spawn).join().unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success(), "{status}");
    }
}
