//! Runs one command of an action: `/bin/sh -c`, with a time limit.
//!
//! In: a script. Out: how it ended and what it printed, in the words that the log has for it.
//!
//! Invariant: it ends. Past its time the whole process group is told to stop, then killed; what it prints
//! beyond a limit is read and dropped, so that a talkative command is never blocked.

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stockade_action::tags::Script;

use crate::helper::{Child, Command};
use crate::log::Level;

/// What is kept of each stream of a command, in bytes; an error message is shorter.
const KEPT_OUTPUT: usize = 64 * 1024;
/// How long a command has between being told to stop and being killed, and again until it is given up.
const GRACE: Duration = Duration::from_millis(200);

/// What of its errors a failure keeps for whoever asks later, in bytes: the last lines, where the reason stands.
const KEPT_REASON: usize = 400;

/// How a command went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Whether it ended with status 0.
    pub ok: bool,
    /// Its exit status, where it ended by itself.
    pub code: Option<i32>,
    /// How it ended, where not well: `returned 3`.
    pub ending: String,
    /// The last that it wrote to its standard error, on one line and without control characters.
    pub reason: String,
    /// What the log is told about it.
    pub records: Vec<(Level, String)>,
}

impl Run {
    /// A command that has ended with this status and has said nothing.
    #[must_use]
    pub fn ended(code: i32) -> Self {
        Self {
            ok: code == 0,
            code: Some(code),
            ending: format!("returned {code}"),
            reason: String::new(),
            records: Vec::new(),
        }
    }

    /// A command that did not come to an end of its own.
    const fn broken(ending: String, records: Vec<(Level, String)>) -> Self {
        Self {
            ok: false,
            code: None,
            ending,
            reason: String::new(),
            records,
        }
    }
}

/// Runs `script` for at most `timeout`; `id` marks the lines of the log that belong together.
#[must_use]
pub(crate) fn run(script: &Script, timeout: Duration, id: u64) -> Run {
    let mut records = Vec::new();
    let shown = shown(script);
    let mut child = match spawn(script) {
        Ok(child) => child,
        Err(error) => {
            records.push((Level::ERROR, format!("{shown} -- failed with {error}")));
            return Run::broken(format!("failed with {error}"), records);
        }
    };
    let mut output = Output::default();
    let ended = wait(&mut child, timeout, &mut output);
    let status = match ended {
        Ok(Some(status)) => status,
        Ok(None) => {
            records.push((Level::ERROR, format!("{id:x} -- exec: {shown}")));
            let timed_out = format!("timed out after {} seconds", timeout.as_secs());
            records.push((Level::ERROR, format!("{id:x} -- {timed_out}.")));
            match stop(&mut child, &mut output) {
                Ok(status) => {
                    records.push((Level::ERROR, format!("{id:x} -- {}", ending(status))));
                }
                Err(error) => {
                    records.push((Level::ERROR, format!("{id:x} -- cannot be waited for: {error}")))
                }
            }
            let mut run = Run::broken(timed_out, records);
            run.reason = reason(&output.stderr);
            return run;
        }
        Err(error) => {
            records.push((Level::ERROR, format!("{shown} -- failed with {error}")));
            return Run::broken(format!("failed with {error}"), records);
        }
    };
    let level = if status.success() {
        Level::DEBUG
    } else {
        Level::ERROR
    };
    if !status.success() {
        records.push((level, format!("{id:x} -- exec: {shown}")));
    }
    for (name, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        for line in String::from_utf8_lossy(text).lines() {
            records.push((level, format!("{id:x} -- {name}: {}", quoted(line))));
        }
    }
    let ending = ending(status);
    records.push((level, format!("{id:x} -- {ending}")));
    if status.code() == Some(127) {
        records.push((Level::INFO, hint(&shown)));
    }
    Run {
        ok: status.success(),
        code: status.code(),
        ending,
        reason: reason(&output.stderr),
        records,
    }
}

/// The last of what a command wrote to its standard error.
fn reason(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut start = text.len().saturating_sub(KEPT_REASON);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    plain(text.get(start..).unwrap_or_default())
}

/// A text of somebody else on one line and fit to be shown on a terminal, as far as it may be kept.
pub(crate) fn plain(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let line = lines.join("; ");
    line.chars()
        .take(KEPT_REASON)
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect()
}

#[derive(Debug, Default)]
struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

fn spawn(script: &Script) -> io::Result<Child> {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(&script.text).args(&script.arguments);
    let child = command.spawn()?;
    for output in [&child.stdout, &child.stderr] {
        rustix::io::ioctl_fionbio(output, true)?;
    }
    Ok(child)
}

/// Reads what `child` prints until it has ended; `None` where it has not within `timeout`.
fn wait(child: &mut Child, timeout: Duration, output: &mut Output) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now().checked_add(timeout);
    let (mut out_open, mut err_open) = (true, true);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Ok(None);
        }
        let mut fds = vec![PollFd::from_borrowed_fd(child.process.ended(), PollFlags::IN)];
        if out_open {
            fds.push(PollFd::new(&child.stdout, PollFlags::IN));
        }
        if err_open {
            fds.push(PollFd::new(&child.stderr, PollFlags::IN));
        }
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let over = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);
        out_open = out_open && drain(&mut child.stdout, &mut output.stdout);
        err_open = err_open && drain(&mut child.stderr, &mut output.stderr);
        if over {
            // A child of the command may keep the pipes open for as long as it likes; nobody waits for it.
            return child.process.wait().map(Some);
        }
    }
}

/// Reads what there is; whether there may be more later.
fn drain(pipe: &mut impl Read, kept: &mut Vec<u8>) -> bool {
    let mut block = [0; 8192];
    loop {
        match pipe.read(&mut block) {
            Ok(0) => return false,
            Ok(count) => {
                let room = KEPT_OUTPUT.saturating_sub(kept.len());
                kept.extend(block.iter().take(count.min(room)));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// Ends a command that is past its time, with all that it started.
fn stop(child: &mut Child, output: &mut Output) -> io::Result<ExitStatus> {
    child.process.terminate();
    let ended = wait(child, GRACE, output)?;
    child.process.kill();
    match ended {
        Some(status) => Ok(status),
        None => child.process.wait(),
    }
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "returned successfully 0".to_owned(),
        (Some(code), _) if code > 128 => {
            format!("killed with {} (return code: {code})", signal_name(code - 128))
        }
        (Some(code), _) => format!("returned {code}"),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            format!("killed with {} (return code: -{signal})", signal_name(signal))
        }
    }
}

fn signal_name(number: i32) -> String {
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return format!("signal {number}"),
    };
    name.to_owned()
}

fn hint(shown: &str) -> String {
    format!(
        "HINT on 127: \"Command not found\".  Make sure that all commands in {} are in the PATH of the server \
         process; the packages that the action needs may not be installed.",
        quoted(shown)
    )
}

/// The script as one reads it in the log: with its arguments where it has any.
fn shown(script: &Script) -> String {
    if script.arguments.is_empty() {
        return script.text.clone();
    }
    let parts = std::iter::once(&script.text).chain(&script.arguments);
    format!(
        "[{}]",
        parts.map(|part| quoted(part)).collect::<Vec<_>>().join(", ")
    )
}

/// `text` in quotes and on one line, so that nothing it holds can look like a record of its own.
fn quoted(text: &str) -> String {
    stockade_protocol::Value::from(text).repr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str, arguments: &[&str]) -> Script {
        Script {
            text: text.to_owned(),
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
        }
    }

    #[test]
    fn what_a_command_did_is_told_as_the_reference_tells_it() {
        let missing = "nosuchcommand-stockade";
        for (name, script, ok, expected) in [
            (
                "success",
                script("true", &[]),
                true,
                &["7 -- returned successfully 0"] as &[&str],
            ),
            (
                "failure",
                script("echo out; echo err >&2; exit 3", &[]),
                false,
                &[
                    "7 -- exec: echo out; echo err >&2; exit 3",
                    "7 -- stdout: 'out'",
                    "7 -- stderr: 'err'",
                    "7 -- returned 3",
                ],
            ),
            (
                "signal",
                script("kill -9 $$", &[]),
                false,
                &[
                    "7 -- exec: kill -9 $$",
                    "7 -- killed with SIGKILL (return code: -9)",
                ],
            ),
            (
                "arguments",
                script("v=$0 \n[ \"$v\" = 'a;b' ]", &["a;b"]),
                true,
                &["7 -- returned successfully 0"],
            ),
        ] {
            let run = run(&script, Duration::from_secs(20), 7);
            let lines: Vec<&str> = run.records.iter().map(|(_, text)| text.as_str()).collect();
            assert_eq!((run.ok, &lines[..]), (ok, expected), "{name}");
        }
        let run = run(&script(missing, &[]), Duration::from_secs(20), 7);
        assert!(
            run.records
                .iter()
                .any(|(level, text)| *level == Level::INFO && text.starts_with("HINT on 127"))
        );
    }

    #[test]
    fn a_command_past_its_time_is_ended_with_its_children() {
        let run = run(&script("sleep 600 & sleep 600", &[]), Duration::from_secs(1), 7);
        assert!(!run.ok);
        let lines: Vec<&str> = run.records.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            lines,
            [
                "7 -- exec: sleep 600 & sleep 600",
                "7 -- timed out after 1 seconds.",
                "7 -- killed with SIGTERM (return code: -15)",
            ]
        );
    }

    #[test]
    fn whatever_a_command_does_it_ends_and_has_a_reason() {
        let cases = [
            (
                "a status",
                "echo one >&2; echo ' two' >&2; exit 3",
                "returned 3",
                "one; two",
            ),
            (
                "a signal",
                "kill -TERM $$",
                "killed with SIGTERM (return code: -15)",
                "",
            ),
            (
                "a status that stands for a signal",
                "exit 137",
                "killed with SIGKILL (return code: 137)",
                "",
            ),
            (
                "no end",
                "echo why >&2; exec sleep 600",
                "timed out after 1 seconds",
                "why",
            ),
            (
                "deaf to the signal",
                "trap '' TERM; while :; do sleep 600; done",
                "timed out after 1 seconds",
                "",
            ),
            (
                "a flood without end",
                "yes >&2",
                "timed out after 1 seconds",
                "y; y",
            ),
            (
                "a background process that keeps the pipes",
                "sleep 600 & exit 4",
                "returned 4",
                "",
            ),
            (
                "control characters",
                "printf '\\033[2J\\007x\\377' >&2; exit 5",
                "returned 5",
                "\u{fffd}[2J\u{fffd}x\u{fffd}",
            ),
            (
                "a long reason",
                "head -c 100000 /dev/zero | tr '\\0' é >&2; exit 6",
                "returned 6",
                "",
            ),
        ];
        for (name, text, ending, reason) in cases {
            let run = run(&script(text, &[]), Duration::from_secs(1), 7);
            assert_eq!((run.ok, run.ending.as_str()), (false, ending), "{name}");
            assert!(run.reason.starts_with(reason), "{name}: {:?}", run.reason);
            assert!(run.reason.len() <= KEPT_REASON * 3, "{name}");
            let output: usize = run.records.iter().map(|(_, text)| text.len()).sum();
            assert!(output < 2_000_000, "{name}: {output} bytes are logged");
        }
    }

    #[test]
    fn a_talkative_command_is_not_blocked() {
        let run = run(
            &script("head -c 3000000 /dev/zero | tr '\\0' x", &[]),
            Duration::from_secs(30),
            7,
        );
        assert!(run.ok);
    }
}
