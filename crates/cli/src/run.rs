//! Where this process becomes the daemon.
//!
//! In: [`Settings`], read and checked. Out: the exit status of the daemon, when it has ended.

use std::process::ExitCode;

use stockade_config::EarlySettings;
use stockade_protocol::Command;
use stockade_protocol::text::EXIT_FAILURE;

use crate::terminal::complain;

/// What a daemon is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Socket, pid file and log.
    pub early: EarlySettings,
    /// What it is told before anyone else may tell it anything.
    pub commands: Vec<Command>,
    /// Whether it is to leave the terminal: a session of its own, the root directory, no standard streams.
    pub detached: bool,
    /// Whether it takes the place of whatever is at the path of the socket.
    pub force: bool,
    /// Whether it only says what it would ban.
    pub observe: bool,
    /// The number of `-v`.
    pub verbosity: u8,
    /// What the process is to be called, if not by its own name.
    pub process_name: Option<String>,
}

/// Is the daemon until it is told to stop.
#[must_use]
pub fn serve(settings: Settings) -> ExitCode {
    complain(&format!(
        "stockade: this build has no daemon to listen on {}; use one that has",
        settings.early.socket
    ));
    ExitCode::from(EXIT_FAILURE)
}
