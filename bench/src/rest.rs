//! What a daemon takes that has nothing to do: until it is ready, and of memory.
//!
//! In: the daemon built beside this program. Out: for some numbers of jails how long it took from the start of the
//! program to its first answer, and the memory of the daemon and of its helper. Everything happens in a network of its
//! own.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::{self, Daemon, PATIENCE};
use crate::{Trouble, network};

/// Of each, so many jails, each over a file of its own as long as there are so many, and else over the journal.
/// The daemon may take so many kilobytes of memory then.
const SCENES: [(usize, usize, u64); 3] = [(1, 1, 10_000), (20, 20, 10_000), (50, 40, 15_000)];
/// How often the start is measured.
const STARTS: usize = 9;
/// How long it rests before its memory is looked at.
const REST: Duration = Duration::from_secs(5);

/// Measures, in a network of its own.
pub(crate) fn run() -> Result<(), Trouble> {
    if !network::is_own() {
        return network::enter(&["rest"]);
    }
    for (jails, files, most) in SCENES {
        let mut local =
            "[DEFAULT]\nbackend = auto\n[sshd]\nenabled = true\nlogpath = PLACE/0.log\n".to_owned();
        for number in 1..jails {
            let log = if number < files {
                format!("logpath = PLACE/{number}.log")
            } else {
                "backend = systemd".to_owned()
            };
            write!(local, "[jail{number}]\nenabled = true\nfilter = sshd\n{log}\n")?;
        }
        let mut took = Vec::new();
        let mut memory = (0, 0);
        for start in 0..STARTS {
            let place = tempfile::tempdir_in("/var/tmp")?;
            daemon::configure(place.path(), &local)?;
            for number in 0..files {
                fs::write(place.path().join(format!("{number}.log")), "")?;
            }
            let begun = Instant::now();
            let daemon = Daemon::spawn(place.path())?;
            let is_ready = || UnixStream::connect(place.path().join("socket")).is_ok();
            while !is_ready() && begun.elapsed() < PATIENCE {
                thread::sleep(Duration::from_micros(200));
            }
            took.push(begun.elapsed());
            if start + 1 == STARTS {
                thread::sleep(REST);
                memory = (daemon.memory()?, daemon.memory_of_helper()?.unwrap_or(0));
            }
        }
        took.sort_unstable();
        let median = took.get(STARTS / 2).copied().unwrap_or_default();
        let (taken, helper) = memory;
        network::print(&format!(
            "{jails} jails over {files} files{}: ready after {median:?}, {taken} KB of memory, its helper {helper} KB",
            if files < jails { " and the journal" } else { "" }
        ));
        if taken > most {
            return Err(format!("at most {most} KB of memory are wanted").into());
        }
    }
    Ok(())
}
