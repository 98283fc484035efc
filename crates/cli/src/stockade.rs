//! `stockade`: the command for administrators who know nothing of the reference.
//!
//! In: the command line. Out: what is printed, and the exit status: 0, or 1 for a failure, or 2 for a command line
//! that cannot be understood; `check` has its own.
//!
//! Invariant: an error says what is wrong, where, and what to do about it.

use std::ffi::OsString;
use std::net::IpAddr;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use stockade_config::{Mode, Overrides, Reader};
use stockade_daemon::server::Placed;
use stockade_protocol::text::render;
use stockade_protocol::{Answer, Command, Value};

use crate::check;
use crate::connection::{Connection, ConnectionError};
use crate::explain;
use crate::files::{ConfigurationFiles, variables};
use crate::json;
use crate::options::{CONFIGURATION, VERSION};
use crate::run::{self, Settings};
use crate::terminal::{self, complain, print};
use crate::test;

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
    /// Shows the jails, or one of them with its bans
    Status(Status),
    /// Bans addresses
    Ban(Ban),
    /// Lifts bans
    Unban(Unban),
    /// Finds every mistake in the configuration
    Check(Check),
    /// Says where each option of a jail comes from
    Explain(Explain),
    /// Tries a jail, a filter or an expression on a log and says what becomes of each line
    Test(Test),
    /// Ends the daemon; bans are kept for its next start
    Stop(Stop),
}

/// Where the daemon and its configuration are.
#[derive(Debug, Args)]
struct Place {
    /// The directory of the configuration, which then stands alone [default: /etc/fail2ban, and below it, file by
    /// file, the configuration that comes with stockade]
    #[arg(short = 'c', long = "conf", value_name = "DIR")]
    directory: Option<String>,
    /// The control socket, instead of the one that fail2ban.conf names
    #[arg(short = 's', long, value_name = "FILE")]
    socket: Option<String>,
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
struct Status {
    #[command(flatten)]
    place: Place,
    /// The jail to show
    jail: Option<String>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Ban {
    #[command(flatten)]
    place: Place,
    /// Addresses, or networks such as 192.0.2.0/24
    #[arg(required = true, value_name = "ADDRESS", value_parser = address)]
    addresses: Vec<String>,
    /// The jail that bans; needed where there are several
    #[arg(short, long)]
    jail: Option<String>,
}

#[derive(Debug, Args)]
struct Unban {
    #[command(flatten)]
    place: Place,
    /// Addresses, or networks such as 192.0.2.0/24
    #[arg(required_unless_present = "all", value_name = "ADDRESS", value_parser = address)]
    addresses: Vec<String>,
    /// Lift bans of this jail only
    #[arg(short, long)]
    jail: Option<String>,
    /// Lift all bans of all jails
    #[arg(long, conflicts_with_all = ["addresses", "jail"])]
    all: bool,
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
struct Stop {
    #[command(flatten)]
    place: Place,
}

/// An address or a network, as it is written. The daemon takes any text for an id, so that a slip of the pen would
/// ban nobody without a word.
fn address(text: &str) -> Result<String, String> {
    let (host, mask) = match text.split_once('/') {
        Some((host, mask)) => (host, Some(mask)),
        None => (text, None),
    };
    let hint = "expected an address such as 192.0.2.1 or 2001:db8::1, or a network such as 192.0.2.0/24";
    let host: IpAddr = host.parse().map_err(|_| hint.to_owned())?;
    let longest = if host.is_ipv4() { 32 } else { 128 };
    match mask.map(str::parse::<u8>) {
        None => Ok(text.to_owned()),
        Some(Ok(bits)) if bits <= longest => Ok(text.to_owned()),
        Some(Ok(_) | Err(_)) => Err(format!("a mask here is a number from 0 to {longest}")),
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{}\n  `-s FILE` names the control socket without the configuration.", configuration_trouble(.0))]
    Configuration(Box<stockade_config::Error>),
    #[error("no daemon answers on {socket}: {}\n  {}", reason(.source), remedy(.source))]
    NoDaemon { socket: String, source: ConnectionError },
    #[error(transparent)]
    Explain(#[from] explain::Trouble),
    #[error("{0}")]
    Refused(String),
    #[error(
        "there are several jails, and `--jail` does not say which is to ban: {}",
        .0.join(", ")
    )]
    WhichJail(Vec<String>),
    #[error(
        "there is no jail to ban with\n  Enable one in {CONFIGURATION}/jail.local and run `fail2ban-client reload`."
    )]
    NoJail,
}

/// Where a mistake in the configuration is, and what it is, in the reference's words.
pub(crate) fn configuration_trouble(error: &stockade_config::Error) -> String {
    let text = error.to_string();
    let text = text.trim_end();
    match error.span() {
        Some(at) => format!("{at}: {text}"),
        None => text.to_owned(),
    }
}

/// What is known about a daemon that does not answer, in our own words where the reference's would mislead.
fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::NoSocket { .. } => "there is no such socket".to_owned(),
        ConnectionError::NotAllowed { .. } => "permission denied".to_owned(),
        ConnectionError::Unreachable(_)
        | ConnectionError::TimedOut
        | ConnectionError::NotAPickle(_)
        | ConnectionError::NoAnswer(_)
        | ConnectionError::TooLong => error.plainly(),
    }
}

fn remedy(error: &ConnectionError) -> &'static str {
    match error {
        ConnectionError::NotAllowed { .. } => "Only root may talk to it.",
        ConnectionError::NoSocket { .. }
        | ConnectionError::Unreachable(_)
        | ConnectionError::TimedOut
        | ConnectionError::NotAPickle(_)
        | ConnectionError::NoAnswer(_)
        | ConnectionError::TooLong => "Start one with `stockade run`, or name its socket with `-s`.",
    }
}

/// Runs `stockade`.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let action = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line.action,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match action {
        Action::Run(run) => return daemon(run),
        Action::Status(status) => show_status(&status),
        Action::Ban(ban) => put_ban(&ban),
        Action::Unban(unban) => lift_bans(unban),
        Action::Check(check) => return find_mistakes(&check),
        Action::Explain(explain) => show_origin(&explain),
        Action::Test(test) => return try_on_log(test),
        Action::Stop(stop) => Client::connect(&stop.place).and_then(|mut client| {
            client.ask(&Command::Stop)?;
            print("The daemon has ended.");
            Ok(())
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            complain(&format!("stockade: {trouble}"));
            ExitCode::FAILURE
        }
    }
}

/// A daemon that answers.
struct Client {
    connection: Connection,
    socket: String,
}

impl Client {
    fn connect(place: &Place) -> Result<Self, Trouble> {
        let socket = match &place.socket {
            Some(socket) => socket.clone(),
            None => {
                let files = ConfigurationFiles::new(place.directory.as_deref());
                let early = reader(&files, place.directory.as_deref()).early(&Overrides::default());
                early
                    .map_err(|error| Trouble::Configuration(Box::new(error)))?
                    .socket
            }
        };
        let connection = Connection::open(&socket, None).map_err(|source| Trouble::NoDaemon {
            socket: socket.clone(),
            source,
        })?;
        Ok(Self { connection, socket })
    }

    /// The value that answers a command.
    fn ask(&mut self, command: &Command) -> Result<Value, Trouble> {
        let command = command.to_value();
        let answer = self
            .connection
            .ask(&command)
            .map_err(|source| Trouble::NoDaemon {
                socket: self.socket.clone(),
                source,
            })?;
        match answer {
            Answer::Reply(Ok(value)) => Ok(value),
            Answer::Reply(reply @ Err(_)) => {
                let words = command.items().unwrap_or_default();
                Err(Trouble::Refused(
                    render(words, &reply, terminal::charset()).stdout,
                ))
            }
            Answer::Refused(message) => Err(Trouble::Refused(message)),
            Answer::ShuttingDown => Err(Trouble::Refused("the daemon is about to end".to_owned())),
        }
    }
}

fn reader<'a>(files: &'a ConfigurationFiles, directory: Option<&str>) -> Reader<'a> {
    let directory = directory.unwrap_or(CONFIGURATION);
    Reader::new(files, directory, VERSION, &variables())
}

/// `stockade run`.
fn daemon(run: Run) -> ExitCode {
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
            return ExitCode::FAILURE;
        }
    };
    let stream = reader.read(&early, Mode::Start, None);
    terminal::report(&log, &stream.log);
    if !stream.is_usable() {
        complain(
            "stockade: the configuration cannot be used; what is wrong is said above\n  \
             `stockade check` says every mistake in it at once.",
        );
        return ExitCode::FAILURE;
    }
    let (logtarget, socket) = (early.logtarget.clone(), early.socket.clone());
    let settings = Settings {
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
    };
    run::serve(settings, || {
        complain(&format!(
            "stockade: running; it logs to {logtarget}, and answers on {socket}. Ctrl-C ends it."
        ));
    })
}

fn show_status(status: &Status) -> Result<(), Trouble> {
    let command = match (&status.jail, status.json) {
        (Some(jail), _) => Command::JailStatus {
            jail: jail.clone(),
            flavor: None,
        },
        (None, all) => Command::Status { all, flavor: None },
    };
    let value = Client::connect(&status.place)?.ask(&command)?;
    if status.json {
        print(&json::status(&value));
    } else {
        let words = command.to_value();
        print(&render(words.items().unwrap_or_default(), &Ok(value), terminal::charset()).stdout);
    }
    Ok(())
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

fn put_ban(ban: &Ban) -> Result<(), Trouble> {
    let mut client = Client::connect(&ban.place)?;
    let jail = match &ban.jail {
        Some(jail) => jail.clone(),
        None => only_jail(&mut client)?,
    };
    let command = Command::SetJail {
        jail: jail.clone(),
        property: "banip".to_owned(),
        arguments: ban.addresses.iter().map(Value::from).collect(),
        multi: false,
    };
    let banned = client.ask(&command)?.int().unwrap_or(0);
    let known = i64::try_from(ban.addresses.len()).unwrap_or(i64::MAX) - banned;
    print(&match known {
        ..=0 => format!("{banned} banned in {jail}."),
        1.. => format!("{banned} banned in {jail}, {known} banned before."),
    });
    Ok(())
}

/// The jail, where there is but one.
fn only_jail(client: &mut Client) -> Result<String, Trouble> {
    let status = client.ask(&Command::Status {
        all: false,
        flavor: None,
    })?;
    let list = status
        .items()
        .unwrap_or_default()
        .iter()
        .find_map(|pair| match pair.items()? {
            [name, list] if name.as_str() == Some("Jail list") => list.as_str(),
            _ => None,
        });
    let jails: Vec<String> = list
        .unwrap_or_default()
        .split(',')
        .map(|jail| jail.trim().to_owned())
        .filter(|jail| !jail.is_empty())
        .collect();
    match jails.as_slice() {
        [] => Err(Trouble::NoJail),
        [jail] => Ok(jail.clone()),
        [..] => Err(Trouble::WhichJail(jails)),
    }
}

fn lift_bans(unban: Unban) -> Result<(), Trouble> {
    let (command, place) = match unban.jail {
        _ if unban.all => (Command::UnbanAll, String::new()),
        None => (Command::Unban(unban.addresses), String::new()),
        Some(jail) => {
            let place = format!(" in {jail}");
            let arguments = unban.addresses.into_iter().map(Value::from).collect();
            (
                Command::SetJail {
                    jail,
                    property: "unbanip".to_owned(),
                    arguments,
                    multi: false,
                },
                place,
            )
        }
    };
    let lifted = Client::connect(&unban.place)?.ask(&command)?.int().unwrap_or(0);
    print(&match lifted {
        0 => format!("No ban{place} to lift."),
        1 => format!("1 ban lifted{place}."),
        _ => format!("{lifted} bans lifted{place}."),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{CommandLine, address};

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
            ("unban 192.0.2.1 -j sshd", true),
            ("unban --all", true),
            ("stop -s /s", true),
            ("", false),
            ("frobnicate", false),
            ("status one two", false),
            ("ban", false),
            ("ban example.com", false),
            ("unban", false),
            ("unban --all 192.0.2.1", false),
            ("unban --all --jail sshd", false),
        ];
        for (line, fits) in cases {
            let words = ["stockade"].into_iter().chain(line.split_whitespace());
            assert_eq!(CommandLine::try_parse_from(words).is_ok(), fits, "{line}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_no_address() {
        for text in ["192.0.2.1", "192.0.2.0/24", "2001:db8::1", "2001:db8::/128"] {
            assert_eq!(address(text), Ok(text.to_owned()));
        }
        for text in [
            "192.0.2",
            "192.0.2.1.",
            "192.0.2.0/33",
            "2001:db8::/129",
            "sshd",
            "",
            "192.0.2.1/",
            "::1%lo",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
