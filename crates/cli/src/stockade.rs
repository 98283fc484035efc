//! `stockade`: the command for administrators who know nothing of the reference.
//!
//! In: the command line. Out: what is printed, and the exit status: 0, or 1 for a failure, or 2 for a command line
//! that cannot be understood; `check` has its own.
//!
//! Invariant: an error says what is wrong, where, and what to do about it.

mod adopt;
mod bans;
mod client;
mod configuration;
mod jails;
mod limits;
mod report;
mod rights;
mod sources;
mod standings;
mod table;
mod tail;
mod verify;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use stockade_config::{EarlySettings, Mode, Overrides};
use stockade_daemon::helper;
use stockade_daemon::server::Placed;
use stockade_protocol::Command;

use crate::check;
use crate::explain;
use crate::files::ConfigurationFiles;

use crate::reference;
use crate::run::{self, Settings};
use adopt::Adopt;
use bans::{Ban, Banned, Unban};
use client::{Client, Place, Trouble, reader};
use configuration::Configuration;
use jails::{Jail, Reload, Status};
use report::Report;
use tail::Tail;
use verify::Verify;

use crate::terminal::{self, complain, print};
use crate::test;
pub(crate) use client::configuration_trouble;

/// Watches logs for attacks and has the firewall refuse the attackers for a while.
///
/// Stockade reads the configuration of fail2ban and answers to its commands; `fail2ban-client` does whatever has no
/// command here.
#[derive(Debug, Parser)]
#[command(
    name = "stockade",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct CommandLine {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Watches until told to stop; this is the daemon, in the foreground
    Run(Run),
    /// Shows the jails, one of them with its bans, what is read, or how full everything is
    Status(Status),
    /// Lists who is banned, where, and until when
    Banned(Banned),
    /// Bans addresses
    Ban(Ban),
    /// Lifts bans
    Unban(Unban),
    /// Lists, shows or changes jails
    Jail(Jail),
    /// Has the daemon do what the configuration says now
    Reload(Reload),
    /// Shows what the jails find, ban and unban, as it happens
    Tail(Tail),
    /// Reports a failure or a success of a service that has no log to be read
    Report(Report),
    /// Compares the firewall with whom the jails have banned; exits with 1 where they differ
    Verify(Verify),
    /// Finds every mistake in the configuration
    Check(Check),
    /// Says where each option of a jail comes from
    Explain(Explain),
    /// Tries a jail, a filter or an expression on a log and says what becomes of each line
    Test(Test),
    /// Prints the configuration that comes with stockade, or writes it to a directory
    Config(Configuration),
    /// Takes over from a fail2ban that runs, with its bans; `--undo` gives back
    Adopt(Adopt),
    /// Ends the daemon; bans are kept for its next start
    Stop(Stop),
    /// Prints what a shell needs to complete these commands
    Completions(Completions),
    /// Writes the manual pages of all commands and of the configuration
    Manual(Manual),
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    place: Place,
    /// Log what would be banned, and ban nobody
    #[arg(long)]
    observe: bool,
    /// The file for the process id, instead of the one that fail2ban.conf names
    #[arg(short = 'p', long, value_name = "FILE")]
    pidfile: Option<String>,
    /// How much is logged: CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG
    #[arg(long, value_name = "LEVEL")]
    loglevel: Option<String>,
    /// Where is logged to: a file, STDOUT, STDERR, SYSLOG, SYSTEMD-JOURNAL
    #[arg(long, value_name = "TARGET")]
    logtarget: Option<String>,
    /// The socket of syslog, for the target SYSLOG
    #[arg(long, value_name = "FILE")]
    syslogsocket: Option<String>,
    /// Say more on standard error; can be repeated
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Args)]
struct Check {
    /// The directory of the configuration, which then stands alone [default: what `stockade run` would read]
    #[arg(value_name = "DIR")]
    place: Option<String>,
    /// The same
    #[arg(short = 'c', long = "conf", value_name = "DIR", conflicts_with = "place")]
    directory: Option<String>,
    /// Let warnings count: exit with 1 where there are any
    #[arg(long)]
    strict: bool,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = TEST_HELP)]
struct Test {
    /// The directory of the configuration, which then stands alone [default: what `stockade run` would read]
    #[arg(short = 'c', long = "conf", value_name = "DIR")]
    directory: Option<String>,
    /// The jail, and the log: a file, `-` for standard input, or `systemd-journal`; without a log, those of the jail.
    /// With --filter or --failregex the log alone
    #[arg(value_name = "JAIL] [LOG")]
    words: Vec<String>,
    /// Try a filter, with options in brackets, in place of a jail
    #[arg(short, long, value_name = "FILTER")]
    filter: Option<String>,
    /// Try this failregex, beside those of the jail or filter; can be repeated
    #[arg(short = 'e', long, value_name = "REGEX")]
    failregex: Vec<String>,
    /// Use this ignoreregex, beside those of the jail or filter; can be repeated
    #[arg(short, long, value_name = "REGEX")]
    ignoreregex: Vec<String>,
    /// How dates look, in place of what the jail or filter says
    #[arg(short, long, value_name = "PATTERN")]
    datepattern: Option<String>,
    /// Give an option of the jail another value, as in maxretry=3; can be repeated
    #[arg(long, value_name = "OPTION=VALUE")]
    set: Vec<String>,
    /// Try this line in place of a log; can be repeated
    #[arg(short, long, value_name = "TEXT")]
    line: Vec<String>,
    /// Take it to be now, as when the daemon starts and finds the log, and not when each line was written
    #[arg(long)]
    at_start: bool,
    /// Print JSON, an object for each line
    #[arg(long)]
    json: bool,
    /// Print the summary alone
    #[arg(short, long)]
    quiet: bool,
}

const TEST_HELP: &str = "\
Examples:
  stockade test sshd /var/log/auth.log
  stockade test --filter 'sshd[mode=aggressive]' -
  stockade test --failregex '^ login from <HOST> failed$' --line '2024-01-02 03:04:05 login from 192.0.2.1 failed'

The exit status is 0 if any line matched, 1 if none did, and 2 where nothing could be tried. Nothing is banned;
an ignorecommand is asked as ever.";

#[derive(Debug, Args)]
struct Explain {
    /// The directory of the configuration, which then stands alone [default: /etc/fail2ban, and below it, file by
    /// file, the configuration that comes with stockade]
    #[arg(short = 'c', long = "conf", value_name = "DIR")]
    directory: Option<String>,
    /// The jail, or one option of it: `sshd`, `sshd.bantime`, `sshd.nftables.actionban`
    #[arg(value_name = "JAIL[.OPTION]")]
    what: String,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Completions {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Args)]
struct Manual {
    /// Where they are written to; the directory is made
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

#[derive(Debug, Args)]
struct Stop {
    #[command(flatten)]
    place: Place,
}

/// Runs `stockade`.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter().peekable();
    if arguments.peek().is_some_and(|name| name == helper::NAME) {
        return helper::run();
    }
    let action = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line.action,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match action {
        Action::Run(run) => return daemon(run),
        Action::Status(status) => match jails::status(&status) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(trouble) => Err(trouble),
        },
        Action::Banned(banned) => bans::banned(&banned),
        Action::Ban(ban) => bans::ban(ban),
        Action::Unban(unban) => bans::unban(unban),
        Action::Jail(jail) => jails::jail(&jail),
        Action::Reload(reload) => jails::reload(&reload),
        Action::Tail(tail) => tail::tail(tail),
        Action::Report(report) => report::report(report),
        Action::Verify(verify) => match verify::verify(&verify) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(trouble) => Err(trouble),
        },
        Action::Check(check) => return find_mistakes(&check),
        Action::Explain(explain) => show_origin(&explain),
        Action::Config(configuration) => configuration::configuration(&configuration),
        Action::Test(test) => return try_on_log(test),
        Action::Adopt(adopt) => adopt::adopt(&adopt),
        Action::Stop(stop) => Client::connect(&stop.place).and_then(|mut client| {
            client.ask(&Command::Stop)?;
            print("The daemon has ended.");
            Ok(())
        }),
        Action::Completions(completions) => {
            terminal::prompt(&completions_for(completions.shell));
            Ok(())
        }
        Action::Manual(manual) => write_manual(&manual.directory),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            complain(&format!("stockade: {trouble}"));
            ExitCode::FAILURE
        }
    }
}

/// `stockade run`.
fn daemon(run: Run) -> ExitCode {
    let Some(settings) = settings(run) else {
        return ExitCode::FAILURE;
    };
    let EarlySettings {
        logtarget, socket, ..
    } = settings.early.clone();
    run::serve(settings, || {
        complain(&format!(
            "stockade: running; it logs to {logtarget}, and answers on {socket}. Ctrl-C ends it."
        ));
    })
}

/// What the daemon is started with; nothing where the configuration cannot be used, which has been said then. What was
/// read of the configuration beside it is forgotten, for a daemon lives long.
fn settings(run: Run) -> Option<Settings> {
    let log = terminal::log(1 + i32::from(run.verbose));
    let files = ConfigurationFiles::new(run.place.directory.as_deref());
    let overrides = Overrides {
        socket: run.place.socket.clone(),
        pidfile: run.pidfile,
        loglevel: run.loglevel,
        logtarget: run.logtarget,
        syslogsocket: run.syslogsocket,
    };
    let reader = reader(&files, run.place.directory.as_deref());
    let early = reader.early(&overrides);
    terminal::report(&log, &reader.take_log());
    let early = match early {
        Ok(early) => early,
        Err(error) => {
            complain(&format!("stockade: {}", configuration_trouble(&error)));
            return None;
        }
    };
    let stream = reader.read(&early, Mode::Start, None);
    terminal::report(&log, &stream.log);
    if !stream.is_usable() {
        complain(
            "stockade: the configuration cannot be used; what is wrong is said above\n  \
             `stockade check` says every mistake in it at once.",
        );
        return None;
    }
    for (jail, thing) in &stream.automatic {
        complain(&format!(
            "stockade: [{jail}] is on by itself, for there is {thing}"
        ));
    }
    Some(Settings {
        early,
        directory: run.place.directory,
        commands: stream
            .commands
            .into_iter()
            .map(|command| Placed {
                places: command.places(),
                command: command.value,
            })
            .collect(),
        detached: false,
        force: false,
        observe: run.observe,
        verbosity: run.verbose,
        process_name: None,
    })
}

fn find_mistakes(check: &Check) -> ExitCode {
    let report = check::check(check.place.as_deref().or(check.directory.as_deref()));
    if check.json {
        print(&check::as_json(&report));
    } else {
        terminal::print_coloured(&report.render(true));
    }
    ExitCode::from(report.status(check.strict))
}

/// `stockade test`.
fn try_on_log(test: Test) -> ExitCode {
    let options = test::Options {
        directory: test.directory,
        words: test.words,
        filter: test.filter,
        failregex: test.failregex,
        ignoreregex: test.ignoreregex,
        datepattern: test.datepattern.into_iter().collect(),
        set: test.set,
        lines: test.line,
        at_start: test.at_start,
        json: test.json,
        quiet: test.quiet,
    };
    match test::run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever read it has seen enough.
        Err(test::Trouble::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(trouble) => {
            complain(&format!("stockade: {trouble}"));
            ExitCode::from(2)
        }
    }
}

fn show_origin(explain: &Explain) -> Result<(), Trouble> {
    let files = ConfigurationFiles::new(explain.directory.as_deref());
    let reader = reader(&files, explain.directory.as_deref());
    print(&explain::explain(&reader, &files, &explain.what, explain.json)?);
    Ok(())
}

fn completions_for(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "stockade", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// A page for `stockade`, one for each of its commands, and one for each kind of file of the configuration.
fn write_manual(directory: &Path) -> Result<(), Trouble> {
    let trouble = |error: std::io::Error| Trouble::Unwritable {
        path: directory.display().to_string(),
        reason: error.to_string(),
    };
    fs::create_dir_all(directory).map_err(trouble)?;
    clap_mangen::generate_to(CommandLine::command(), directory).map_err(trouble)?;
    reference::manual()
        .into_iter()
        .try_for_each(|(name, page)| fs::write(directory.join(name), page))
        .map_err(trouble)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::CommandLine;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn words_that_make_no_sense_are_refused() {
        let cases = [
            (
                "run -c /x --observe -s /s -p /p --loglevel DEBUG --logtarget STDERR -vv",
                true,
            ),
            ("status", true),
            ("status sshd --json -c /x", true),
            ("ban 192.0.2.1 2001:db8::/32", true),
            ("ban 192.0.2.1 --jail sshd", true),
            ("ban 192.0.2.1 --for 3d --reason annoying", true),
            ("ban --file -", true),
            ("banned -j sshd --json", true),
            ("jail list", true),
            ("jail list --available --json -c /x", true),
            ("jail show sshd maxretry --json", true),
            ("jail set sshd bantime -1", true),
            ("reload sshd --restart --unban --if-exists", true),
            (
                "report failure --jail web 192.0.2.1 --user x --weight 3 --match a --match b",
                true,
            ),
            ("report success -j web 2001:db8::1 -s /x", true),
            ("report failure 192.0.2.1", false),
            ("report failure --jail web", false),
            ("report failure --jail web 192.0.2.0/24", false),
            ("report failure --jail web 192.0.2.1 --weight 0", false),
            ("report success --jail web 192.0.2.1 --weight 2", false),
            ("config show", true),
            ("config show filter.d/sshd.conf --json", true),
            ("config init /x --force --json", true),
            ("config init", false),
            ("config", false),
            ("completions bash", true),
            ("manual /x", true),
            ("unban 192.0.2.1 -j sshd", true),
            ("unban --all", true),
            ("stop -s /s", true),
            ("tail", true),
            ("tail --json --jail sshd -c /x", true),
            ("tail sshd", false),
            ("", false),
            ("frobnicate", false),
            ("status one two", false),
            ("ban", false),
            ("ban example.com", false),
            ("ban 192.0.2.1 --for soon", false),
            ("jail", false),
            ("jail set sshd bantime", false),
            ("completions perl", false),
            ("unban", false),
            ("adopt", true),
            ("adopt --force -y", true),
            ("adopt --undo --yes", true),
            ("adopt --undo --force", false),
            ("unban --all 192.0.2.1", false),
            ("unban --all --jail sshd", false),
        ];
        for (line, fits) in cases {
            let words = ["stockade"].into_iter().chain(line.split_whitespace());
            assert_eq!(CommandLine::try_parse_from(words).is_ok(), fits, "{line}");
        }
    }
}
