//! `fail2ban-client` and `fail2ban-server`, as the reference has them: what to do with a command line.
//!
//! In: the command line. Out: what is printed, and the exit status: 0, or 255 for every failure.
//!
//! Both know the same options and commands. They differ in what they do without a command: the client explains
//! itself, the server starts.

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::process::ExitCode;

use stockade_config::{EarlySettings, Mode, Reader};
use stockade_daemon::helper;
use stockade_daemon::log::{Level, Log};
use stockade_protocol::text::EXIT_FAILURE;
use stockade_sys::Arena;

use crate::files::{ConfigurationFiles, variables};
use crate::interactive;
use crate::options::{self, CONFIGURATION, CommandLine, Dump, Options, VERSION};
use crate::session::Session;
use crate::signals;
use crate::start;
use crate::terminal::{self, CLIENT, complain, print};
use crate::usage::usage;

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `fail2ban-client`.
    Client,
    /// `fail2ban-server`.
    Server,
}

/// What the log says, or standard error where there is no log yet, when there is nothing to begin with.
const INIT_FAILED: &str = "Init of command line failed";

/// Runs one of the programs. The first argument is its name, as everywhere.
pub fn main(program: Program, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    if arguments.next().is_some_and(|name| name == helper::NAME) {
        return helper::run();
    }
    let words: Vec<String> = arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let failure = ExitCode::from(EXIT_FAILURE);
    match options::parse(&words) {
        CommandLine::Print(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        CommandLine::Help => {
            terminal::prompt(&usage(program));
            ExitCode::SUCCESS
        }
        CommandLine::Misuse => {
            terminal::prompt(&usage(program));
            if program == Program::Client {
                complain(INIT_FAILED);
            }
            failure
        }
        CommandLine::Error(text) => {
            print(&format!("ERROR: {text}"));
            if program == Program::Client {
                complain(INIT_FAILED);
            }
            failure
        }
        CommandLine::Run(options, command) => run(program, &options, &command),
    }
}

/// How much memory a client takes from its arena that only reads and prints; the package's whole configuration is 4 MiB.
const ARENA: usize = 64 << 20;

fn run(program: Program, options: &Options, command: &[String]) -> ExitCode {
    if options.dump.is_some() {
        Arena::open(ARENA);
    }
    let log = terminal::log(options.verbosity);
    let files = ConfigurationFiles::new(options.directory.as_deref());
    // It lives as long as the program.
    let reader = ManuallyDrop::new(reader(&files, options));
    let Some(early) = early(&reader, options, &log) else {
        // A test has said what there is to say.
        if program == Program::Client && !(options.test && command.is_empty()) {
            log.write(Level::ERROR, CLIENT, INIT_FAILED);
        }
        return ExitCode::from(EXIT_FAILURE);
    };
    let idle = options.dump.is_none() && !options.test && !options.interactive;
    if program == Program::Client && command.is_empty() && idle {
        terminal::prompt(&usage(program));
        return ExitCode::from(EXIT_FAILURE);
    }
    let session = Session {
        options,
        log: &log,
        files: &files,
        reader: &reader,
        early: &early,
    };
    if let Some(dump) = options.dump {
        let mode = if options.test {
            Mode::DumpAndTest
        } else {
            Mode::Dump
        };
        let status = examine(&session, mode, dump);
        if status != 0 && program == Program::Client && !options.test {
            log.write(Level::ERROR, CLIENT, INIT_FAILED);
        }
        return ExitCode::from(status);
    }
    let starts = program == Program::Server && !options.interactive && matches!(command, [] | [_]);
    let starts = starts && command.first().is_none_or(|word| word == "start");
    if options.test && command.is_empty() {
        return ExitCode::from(examine(&session, Mode::Test, Dump::Plain));
    }
    if options.test && !session.read(Mode::Test, None).passes() {
        log.write(Level::ERROR, CLIENT, "ERROR: test configuration failed");
        return ExitCode::from(EXIT_FAILURE);
    }
    if starts || (options.foreground && command == ["start"]) {
        return start::here_or_apart(&session);
    }
    signals::end_with_failure();
    let success = if options.interactive {
        interactive::run(&session, command)
    } else {
        session.execute(command)
    };
    if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILURE)
    }
}

/// What must be known before anything else. Says what is wrong with it.
fn early(reader: &Reader<'_>, options: &Options, log: &Log) -> Option<EarlySettings> {
    let early = reader.early(&options.overrides);
    terminal::report(log, &reader.take_log());
    match early {
        Ok(early) => Some(early),
        Err(error) => {
            print(&format!("ERROR: {error}"));
            None
        }
    }
}

/// A reader of the configuration as it is now.
pub(crate) fn reader<'a>(files: &'a ConfigurationFiles, options: &Options) -> Reader<'a> {
    let directory = options.directory.as_deref().unwrap_or(CONFIGURATION);
    Reader::new(files, directory, VERSION, &variables())
}

/// `-d`, `-t`, or both; the exit status.
fn examine(session: &Session<'_>, mode: Mode, dump: Dump) -> u8 {
    let stream = session.read(mode, None);
    let (text, status) = stream.report(dump == Dump::Pretty);
    terminal::prompt(&text);
    // The program is about to end; to give all of it back bit by bit would take longer than to print it.
    std::mem::forget(stream);
    status
}
