//! Running other programs: with a deadline, always, for a test run that hangs tells nobody anything.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::trouble::Trouble;

/// How long a reader may go on after its program has ended, because a grandchild still holds the pipe.
const STRAGGLERS: Duration = Duration::from_secs(2);

/// Runs `command` with its output on our terminal; whether it succeeded.
pub(crate) fn succeeds(command: &mut Command, limit: Duration) -> Result<bool, Trouble> {
    let mut child = start(command)?;
    let status = wait(&mut child, command, Instant::now() + limit)?;
    Ok(status.success())
}

/// Runs `command` in silence; its standard output, or an error if it failed.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Result<String, Trouble> {
    command.stderr(Stdio::piped());
    let mut child = start(command.stdout(Stdio::piped()).stdin(Stdio::null()))?;
    let said = collect(child.stdout.take());
    let complained = collect(child.stderr.take());
    let status = wait(&mut child, command, Instant::now() + limit)?;
    let said = said.recv_timeout(STRAGGLERS).unwrap_or_default();
    if status.success() {
        return Ok(said);
    }
    let complaint = complained.recv_timeout(STRAGGLERS).unwrap_or_default();
    let last = complaint
        .lines()
        .last()
        .unwrap_or("it said nothing")
        .trim()
        .to_owned();
    Err(Trouble::Failed {
        program: name(command),
        why: format!("{status}: {last}"),
    })
}

/// Runs `command` and hands each line of its standard output to `line` as it comes.
pub(crate) fn lines(
    command: &mut Command,
    limit: Duration,
    mut line: impl FnMut(&str),
) -> Result<ExitStatus, Trouble> {
    let until = Instant::now() + limit;
    let mut child = start(command.stdout(Stdio::piped()).stdin(Stdio::null()))?;
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            for bytes in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&bytes).into_owned()).is_err() {
                    break;
                }
            }
        });
    }
    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(text) => line(&text),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => match ended {
                Some((_, at)) if at.elapsed() > STRAGGLERS => break,
                Some(_) => {}
                None if Instant::now() > until => break,
                None => {
                    let status = child.try_wait().map_err(|source| cannot_run(command, source))?;
                    ended = status.map(|status| (status, Instant::now()));
                }
            },
        }
    }
    match ended {
        Some((status, _)) => Ok(status),
        None => wait(&mut child, command, until),
    }
}

fn start(command: &mut Command) -> Result<Child, Trouble> {
    command.spawn().map_err(|source| cannot_run(command, source))
}

/// Waits for the end of `child`, and makes an end of it at `until`.
fn wait(child: &mut Child, command: &Command, until: Instant) -> Result<ExitStatus, Trouble> {
    let mut pause = Duration::from_millis(5);
    loop {
        match child.try_wait().map_err(|source| cannot_run(command, source))? {
            Some(status) => return Ok(status),
            None if Instant::now() > until => {
                // Nothing is lost if it has just ended by itself.
                drop(child.kill());
                drop(child.wait());
                let why = "it took too long and was killed".to_owned();
                return Err(Trouble::Failed {
                    program: name(command),
                    why,
                });
            }
            None => thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Reads a pipe to its end on a thread of its own, so that a full one never blocks the program.
fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(mut pipe) = pipe {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            if pipe.read_to_end(&mut bytes).is_ok() {
                // The other side no longer listens if the program took too long.
                drop(sender.send(String::from_utf8_lossy(&bytes).into_owned()));
            }
        });
    }
    receiver
}

fn cannot_run(command: &Command, source: std::io::Error) -> Trouble {
    Trouble::Start {
        program: name(command),
        source,
    }
}

/// The command as one would type it, without quoting.
fn name(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
