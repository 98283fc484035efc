//! What ends a client from outside.
//!
//! In: SIGTERM and SIGINT. Out: a line in the log and the exit status of every failure, as the reference has it.

use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use stockade_daemon::log::Level;
use stockade_protocol::text::EXIT_FAILURE;
use stockade_sys::{Signal, Signals};

use crate::terminal::{self, CLIENT, print};

/// Has the two signals end the program with the exit status of a failure. Where that cannot be had they end it in
/// their own way, which is as good for all but scripts that look closely.
#[expect(
    clippy::exit,
    reason = "the other threads wait for a daemon or for input, and nothing is lost with them"
)]
pub(crate) fn end_with_failure() {
    let Ok(mut signals) = Signals::listen(&[Signal::Terminate, Signal::Interrupt]) else {
        return;
    };
    thread::spawn(move || {
        loop {
            let mut waited = [PollFd::new(&signals, PollFlags::IN)];
            let _ = poll(&mut waited, None);
            let number = match signals.take().first() {
                Some(Signal::Terminate) => 15,
                Some(Signal::Interrupt) => 2,
                Some(Signal::User1 | Signal::HangUp | Signal::Child) | None => continue,
            };
            print("");
            terminal::log(1).write(
                Level::WARNING,
                CLIENT,
                &format!("Caught signal {number}. Exiting"),
            );
            std::process::exit(EXIT_FAILURE.into());
        }
    });
}
