//! Starting a daemon, in this process or apart from it.
//!
//! In: a session. Out: a daemon that has its configuration and says that it is ready; or why there is none.
//!
//! A daemon apart is `fail2ban-server --async -b`, found beside this program or on the path. It begins without
//! any jails and is told the configuration over its socket, so that mistakes in it are seen here.

use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use stockade_config::Mode;
use stockade_daemon::server::Placed;
use stockade_protocol::text::EXIT_FAILURE;
use stockade_protocol::{Answer, Command};

use crate::connection::{Connection, ConnectionError};
use crate::run::{self, Settings};
use crate::session::Session;
use crate::terminal::print;

/// The program that becomes the daemon.
const SERVER: &str = "fail2ban-server";

/// The file that is every program, by the name it is called by.
const WHOLE: &str = "stockade";

/// How long to wait before asking the first time, and at most, whether the daemon is ready.
const PAUSES: (Duration, Duration) = (Duration::from_micros(12_500), Duration::from_millis(500));

/// `fail2ban-server`, or `-f start`: the daemon in this process with `-f` or `--async`, else apart.
pub(crate) fn here_or_apart(session: &Session<'_>) -> ExitCode {
    let options = session.options;
    if !options.foreground && !options.is_async {
        return if apart(session) {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(EXIT_FAILURE)
        };
    }
    let commands = if options.is_async {
        Vec::new()
    } else {
        match prepared(session) {
            Some(commands) => commands,
            None => return ExitCode::from(EXIT_FAILURE),
        }
    };
    let settings = Settings {
        early: session.early.clone(),
        directory: options.directory.clone(),
        commands,
        detached: !options.foreground,
        force: options.force,
        observe: false,
        verbosity: u8::try_from((options.verbosity - 1).clamp(0, 4)).unwrap_or(0),
        process_name: options.process_name.clone(),
    };
    run::serve(settings, || {
        if !options.is_async {
            print("Server ready");
        }
    })
}

/// `start`: a daemon apart.
pub(crate) fn apart(session: &Session<'_>) -> bool {
    let Some(commands) = prepared(session) else {
        return false;
    };
    let mut child = match spawn(session) {
        Ok(child) => child,
        Err(message) => {
            session.error(&message);
            return false;
        }
    };
    if !is_ready(session, &mut child) {
        return false;
    }
    if session.options.interactive {
        print("  ## start ... ");
    }
    match configure(session, commands) {
        Ok(success) => success,
        Err(error) => {
            session.error(&error.to_string());
            false
        }
    }
}

/// The commands for the daemon, if there is none and nothing stands in the way of one.
fn prepared(session: &Session<'_>) -> Option<Vec<Placed>> {
    if session.gives_sign_of_life() {
        session.error("Server already running");
        return None;
    }
    if session.options.interactive {
        print("  ## load configuration ... ");
    }
    let stream = session.read(Mode::Start, None);
    if !stream.is_usable() {
        return None;
    }
    // A socket on which nobody listens any more is what a daemon that was killed has left.
    let path = &session.early.socket;
    let left_over = std::fs::symlink_metadata(path);
    if left_over.is_ok_and(|found| !found.file_type().is_socket()) && !session.options.force {
        session.error("Fail2ban seems to be in unexpected state (not running but the socket exists)");
        return None;
    }
    let placed = stream.commands.into_iter().map(|located| Placed {
        places: located.places(),
        command: located.value,
    });
    Some(placed.collect())
}

/// Starts the program that becomes the daemon.
fn spawn(session: &Session<'_>) -> Result<process::Child, String> {
    let options = session.options;
    let early = session.early;
    let program = program(std::env::current_exe().ok());
    let mut command = process::Command::new(&program);
    // Where one file is all programs, this says which.
    command.arg0(SERVER);
    command.args(["--async", "-b", "-s", &early.socket, "-p", &early.pidfile]);
    command.args(["--loglevel", &early.loglevel, "--logtarget", &early.logtarget]);
    command.args(["--syslogsocket", &early.syslogsocket]);
    if let Some(directory) = &options.directory {
        command.args(["-c", directory]);
    }
    if let Some(name) = &options.process_name {
        command.args(["--pname", name]);
    }
    if options.force {
        command.arg("-x");
    }
    for _ in 1..options.verbosity.min(5) {
        command.arg("-v");
    }
    command.stdin(Stdio::null());
    command
        .spawn()
        .map_err(|error| format!("Could not start {}: {error}", program.display()))
}

/// The file of the program that becomes the daemon. Where one file is all programs, it is that: a file beside it may be
/// somebody else's.
fn program(own: Option<PathBuf>) -> PathBuf {
    match own {
        Some(own) if own.file_name().is_some_and(|name| name == WHOLE) => own,
        Some(own) => Some(own.with_file_name(SERVER))
            .filter(|path| path.exists())
            .unwrap_or_else(|| PathBuf::from(SERVER)),
        None => PathBuf::from(SERVER),
    }
}

/// Waits until the daemon answers, ends, or has had its time.
fn is_ready(session: &Session<'_>, child: &mut process::Child) -> bool {
    let deadline = Instant::now() + session.patience();
    let (mut pause, longest) = PAUSES;
    loop {
        if session.is_alive(Some(longest)).unwrap_or(false) {
            return true;
        }
        // One that has gone to the background by itself ends with success before it is ready.
        if let Ok(Some(status)) = child.try_wait()
            && !status.success()
        {
            session.error("Failed to start server: it ended at once; its log says why");
            return false;
        }
        if Instant::now() >= deadline {
            session.error(
                "Failed to start server: it does not answer on its socket. If an old socket is in the way, \
                 option -x removes it",
            );
            return false;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

/// Tells the daemon its configuration, and prints that it is ready. It says so in any case: what it could not do is
/// in the log, and in the exit status.
fn configure(session: &Session<'_>, commands: Vec<Placed>) -> Result<bool, ConnectionError> {
    let mut connection = Connection::open(&session.early.socket, None)?;
    let (commands, places): (Vec<_>, Vec<_>) = commands
        .into_iter()
        .map(|placed| (placed.command, placed.places))
        .unzip();
    let stream = Command::ServerStream(commands).to_value();
    let configured = match connection.ask_with_places(stream.clone(), places)? {
        Answer::Reply(Ok(_)) => true,
        answer @ (Answer::Reply(Err(_)) | Answer::Refused(_) | Answer::ShuttingDown) => {
            session.show(&stream, answer)
        }
    };
    let status = Command::ServerStatus.to_value();
    let answer = connection.ask(&status)?;
    Ok(session.show(&status, answer) && configured)
}
