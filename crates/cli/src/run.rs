//! Where this process becomes the daemon.
//!
//! In: [`Settings`], read and checked. Out: the exit status of the daemon, when it has ended.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::io;
use std::process::ExitCode;

use stockade_config::EarlySettings;
use stockade_daemon::Start;
use stockade_daemon::server::Placed;
use stockade_protocol::text::EXIT_FAILURE;

use crate::options::CONFIGURATION;
use crate::terminal::complain;

/// What a daemon is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Socket, pid file and log.
    pub early: EarlySettings,
    /// The directory of the configuration where one was named.
    pub directory: Option<String>,
    /// What it is told before anyone else may tell it anything.
    pub commands: Vec<Placed>,
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

/// Is the daemon until it is told to stop; `ready` is called once it answers on its socket.
#[must_use]
pub fn serve(settings: Settings, ready: impl FnOnce()) -> ExitCode {
    let failed = |trouble: &dyn std::error::Error| {
        complain(&format!("stockade: {}", chain(trouble)));
        ExitCode::from(EXIT_FAILURE)
    };
    if let Some(name) = settings
        .process_name
        .as_deref()
        .and_then(|name| CString::new(name).ok())
    {
        // A name is a convenience; the daemon does its work under any.
        let _ = rustix::thread::set_name(&name);
    }
    if settings.detached
        && let Err(error) = leave_terminal()
    {
        return failed(&error);
    }
    let EarlySettings {
        socket,
        pidfile,
        loglevel,
        logtarget,
        syslogsocket,
        ..
    } = settings.early;
    let start = Start {
        socket: socket.into(),
        pidfile: pidfile.into(),
        loglevel,
        logtarget,
        syslogsocket,
        verbosity: settings.verbosity,
        observe: settings.observe,
        force: settings.force,
        origin: origin(settings.directory.as_deref()),
        configuration: settings.directory.as_deref().unwrap_or(CONFIGURATION).into(),
        commands: settings.commands,
        helper: true,
        is_in_background: settings.detached,
    };
    match stockade_daemon::run(start, ready) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Where the configuration came from, in words.
fn origin(directory: Option<&str>) -> String {
    match directory {
        Some(directory) => format!("its configuration is {directory} alone"),
        None if std::path::Path::new(CONFIGURATION).is_dir() => {
            format!("its configuration is {CONFIGURATION}, and what is not there is built in")
        }
        None => format!("its configuration is the one built in, for there is no {CONFIGURATION}"),
    }
}

/// Makes the process a daemon in the sense of daemon(7): whoever started it may go.
fn leave_terminal() -> io::Result<()> {
    // A process that leads its group already has left.
    let _ = rustix::process::setsid();
    std::env::set_current_dir("/")?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
