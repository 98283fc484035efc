//! The options of the compatible commands, in the grammar of the reference.
//!
//! In: the words of the command line. Out: [`Options`] and the words of the command; or what to print and to exit
//! with at once.
//!
//! The grammar is that of `getopt`: options end at the first word that is none, so that `set j bantime -1` needs
//! no care; long ones may be shortened as far as they stay unique.

use stockade_config::Overrides;
use stockade_datetime::duration;

/// The default of `-c`.
pub const CONFIGURATION: &str = "/etc/fail2ban";

/// What we call ourselves to everyone who knows the reference.
pub const PRODUCT: &str = "Fail2Ban v1.1.1";

/// The version of the reference that we stand in for.
pub const VERSION: &str = "1.1.1";

/// How long to wait for a daemon, in seconds, unless `--timeout` says so.
const TIMEOUT_SECONDS: f64 = 30.0;

/// What the options say.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// `-c`: the configuration directory, where one was given.
    pub directory: Option<String>,
    /// What wins over `fail2ban.conf`.
    pub overrides: Overrides,
    /// `--pname`: the name of the daemon's process.
    pub process_name: Option<String>,
    /// `-d` or `--dp`.
    pub dump: Option<Dump>,
    /// `-t`.
    pub test: bool,
    /// `-i`.
    pub interactive: bool,
    /// `-f`, unless `-b` comes after it.
    pub foreground: bool,
    /// `-x`.
    pub force: bool,
    /// `--async`: a daemon that gets its configuration from whoever started it.
    pub is_async: bool,
    /// `-v` and `-q`: 1 without any, one more or less for each.
    pub verbosity: i32,
    /// `--timeout`, in seconds.
    pub timeout_seconds: f64,
}

/// How the configuration is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dump {
    /// `-d`: a command a line.
    Plain,
    /// `--dp`: long commands over several lines.
    Pretty,
}

/// A command line.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandLine {
    /// Options and the words after them.
    Run(Box<Options>, Vec<String>),
    /// Print this and exit with success.
    Print(String),
    /// Print the help and exit with success.
    Help,
    /// Print the help and exit with failure.
    Misuse,
    /// Print this after `ERROR: ` and exit with failure.
    Error(String),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            directory: None,
            overrides: Overrides::default(),
            process_name: None,
            dump: None,
            test: false,
            interactive: false,
            foreground: false,
            force: false,
            is_async: false,
            verbosity: 1,
            timeout_seconds: TIMEOUT_SECONDS,
        }
    }
}

/// An option by what it means, however it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Configuration,
    Socket,
    PidFile,
    ProcessTitle,
    LogLevel,
    LogTarget,
    SyslogSocket,
    Dump,
    DumpPretty,
    Test,
    Interactive,
    Verbose,
    Quiet,
    Force,
    Background,
    Foreground,
    Async,
    Timeout,
    Seconds,
    Help,
    ShortVersion,
    Version,
}

/// The letters, and whether a value follows.
const SHORT: [(char, Name, bool); 13] = [
    ('h', Name::Help, false),
    ('c', Name::Configuration, true),
    ('s', Name::Socket, true),
    ('p', Name::PidFile, true),
    ('x', Name::Force, false),
    ('f', Name::Foreground, false),
    ('b', Name::Background, false),
    ('d', Name::Dump, false),
    ('t', Name::Test, false),
    ('v', Name::Verbose, false),
    ('i', Name::Interactive, false),
    ('q', Name::Quiet, false),
    ('V', Name::ShortVersion, false),
];

/// The words, and whether a value follows.
const LONG: [(&str, Name, bool); 15] = [
    ("loglevel", Name::LogLevel, true),
    ("logtarget", Name::LogTarget, true),
    ("syslogsocket", Name::SyslogSocket, true),
    ("test", Name::Test, false),
    ("async", Name::Async, false),
    ("conf", Name::Configuration, true),
    ("pidfile", Name::PidFile, true),
    ("pname", Name::ProcessTitle, true),
    ("socket", Name::Socket, true),
    ("timeout", Name::Timeout, true),
    ("str2sec", Name::Seconds, true),
    ("help", Name::Help, false),
    ("version", Name::Version, false),
    ("dp", Name::DumpPretty, false),
    ("dump-pretty", Name::DumpPretty, false),
];

/// Understands the words after the name of the program.
#[must_use]
pub fn parse(words: &[String]) -> CommandLine {
    let Some((given, rest)) = split(words) else {
        return CommandLine::Misuse;
    };
    let mut options = Options::default();
    for (name, value) in given {
        match name {
            Name::Configuration => options.directory = Some(value),
            Name::Socket => options.overrides.socket = Some(value),
            Name::PidFile => options.overrides.pidfile = Some(value),
            Name::ProcessTitle => options.process_name = Some(value),
            Name::LogLevel => options.overrides.loglevel = Some(value),
            Name::LogTarget => options.overrides.logtarget = Some(value),
            Name::SyslogSocket => options.overrides.syslogsocket = Some(value),
            Name::Dump => options.dump = options.dump.or(Some(Dump::Plain)),
            Name::DumpPretty => options.dump = Some(Dump::Pretty),
            Name::Test => options.test = true,
            Name::Interactive => options.interactive = true,
            Name::Verbose => options.verbosity = options.verbosity.saturating_add(1),
            Name::Quiet => options.verbosity = options.verbosity.saturating_sub(1),
            Name::Force => options.force = true,
            Name::Background => options.foreground = false,
            Name::Foreground => options.foreground = true,
            Name::Async => options.is_async = true,
            Name::Timeout => match duration::seconds(&value) {
                Ok(seconds) => options.timeout_seconds = seconds.to_f64(),
                Err(error) => return CommandLine::Error(error.to_string()),
            },
            Name::Seconds => {
                return match duration::seconds(&value) {
                    Ok(seconds) => CommandLine::Print(seconds.to_string()),
                    Err(error) => CommandLine::Error(error.to_string()),
                };
            }
            Name::Help => return CommandLine::Help,
            Name::ShortVersion => return CommandLine::Print(VERSION.to_owned()),
            Name::Version => return CommandLine::Print(PRODUCT.to_owned()),
        }
    }
    CommandLine::Run(Box::new(options), rest)
}

/// An option and its value, empty where it takes none.
type Given = (Name, String);

/// The options with their values, and the words after them; nothing where an option does not exist or its value is
/// missing.
fn split(words: &[String]) -> Option<(Vec<Given>, Vec<String>)> {
    let mut given = Vec::new();
    let mut words = words.iter();
    let mut rest = words.as_slice();
    while let Some(word) = words.next() {
        if word == "--" {
            rest = words.as_slice();
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            let (text, attached) = match long.split_once('=') {
                Some((text, value)) => (text, Some(value.to_owned())),
                None => (long, None),
            };
            let (name, takes_value) = long_option(text)?;
            let value = match (takes_value, attached) {
                (true, Some(value)) => value,
                (true, None) => words.next()?.clone(),
                (false, None) => String::new(),
                (false, Some(_)) => return None,
            };
            given.push((name, value));
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            let mut letters = letters.chars();
            while let Some(letter) = letters.next() {
                let (_, name, takes_value) = SHORT.iter().find(|(known, ..)| *known == letter)?;
                let value = match (takes_value, letters.as_str()) {
                    (false, _) => String::new(),
                    (true, "") => words.next()?.clone(),
                    (true, attached) => {
                        let attached = attached.to_owned();
                        letters = "".chars();
                        attached
                    }
                };
                given.push((*name, value));
            }
        } else {
            break;
        }
        rest = words.as_slice();
    }
    Some((given, rest.to_vec()))
}

/// A long option by its name or the beginning of one; nothing where several begin so.
fn long_option(text: &str) -> Option<(Name, bool)> {
    let mut candidates = LONG.iter().filter(|(known, ..)| known.starts_with(text));
    let exact = LONG.iter().find(|(known, ..)| *known == text);
    let (_, name, takes_value) = match exact {
        Some(exact) => exact,
        None => candidates.next().filter(|_| candidates.next().is_none())?,
    };
    Some((*name, *takes_value))
}

#[cfg(test)]
mod tests {
    use super::{CommandLine, Dump, Options, parse};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_end_where_the_command_begins() {
        let options = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            options
        };
        let cases: [(&str, Options, &str); 22] = [
            ("", options(|_| {}), ""),
            ("version -V", options(|_| {}), "version -V"),
            ("-- version", options(|_| {}), "version"),
            ("- version", options(|_| {}), "- version"),
            ("set j bantime -1", options(|_| {}), "set j bantime -1"),
            ("-c /x ping", options(|o| o.directory = Some("/x".into())), "ping"),
            ("-c/x ping", options(|o| o.directory = Some("/x".into())), "ping"),
            (
                "--conf=/x ping",
                options(|o| o.directory = Some("/x".into())),
                "ping",
            ),
            (
                "--c /x ping",
                options(|o| o.directory = Some("/x".into())),
                "ping",
            ),
            (
                "-p version version",
                options(|o| o.overrides.pidfile = Some("version".into())),
                "version",
            ),
            (
                "-dt",
                options(|o| {
                    o.dump = Some(Dump::Plain);
                    o.test = true
                }),
                "",
            ),
            ("-d --dp", options(|o| o.dump = Some(Dump::Pretty)), ""),
            ("--dump -d", options(|o| o.dump = Some(Dump::Pretty)), ""),
            ("-vvq", options(|o| o.verbosity = 2), ""),
            ("-qq", options(|o| o.verbosity = -1), ""),
            (
                "-xf start",
                options(|o| {
                    o.force = true;
                    o.foreground = true
                }),
                "start",
            ),
            ("-f -b start", options(|_| {}), "start"),
            ("--timeout=1m ping", options(|o| o.timeout_seconds = 60.0), "ping"),
            (
                "--pn x ping",
                options(|o| o.process_name = Some("x".into())),
                "ping",
            ),
            (
                "--logl=a --logt b --sy c",
                options(|o| {
                    o.overrides.loglevel = Some("a".into());
                    o.overrides.logtarget = Some("b".into());
                    o.overrides.syslogsocket = Some("c".into());
                }),
                "",
            ),
            (
                "-vs /s --async",
                options(|o| {
                    o.verbosity = 2;
                    o.overrides.socket = Some("/s".into());
                    o.is_async = true;
                }),
                "",
            ),
            (
                "--te -i",
                options(|o| {
                    o.test = true;
                    o.interactive = true
                }),
                "",
            ),
        ];
        for (line, options, rest) in cases {
            assert_eq!(
                parse(&words(line)),
                CommandLine::Run(Box::new(options), words(rest)),
                "{line}"
            );
        }
    }

    #[test]
    fn some_options_are_all_there_is_to_do() {
        let print = |text: &str| CommandLine::Print(text.to_owned());
        let error = |text: &str| CommandLine::Error(text.to_owned());
        let cases = [
            ("-V", print("1.1.1")),
            ("--version", print("Fail2Ban v1.1.1")),
            ("--vers -h", print("Fail2Ban v1.1.1")),
            ("-h -V", CommandLine::Help),
            ("--help", CommandLine::Help),
            ("--str2sec 1h", print("3600")),
            ("--str2sec=1.5h", print("5400.0")),
            ("--str2sec 1h --str2sec foo", print("3600")),
            ("--str2sec foo", error("name 'foo' is not defined")),
            ("--timeout foo ping", error("name 'foo' is not defined")),
            ("-z", CommandLine::Misuse),
            ("-c", CommandLine::Misuse),
            ("--socket", CommandLine::Misuse),
            ("--bogus", CommandLine::Misuse),
            ("--test=1", CommandLine::Misuse),
            ("--t", CommandLine::Misuse),
            ("--d", CommandLine::Misuse),
            ("--s x", CommandLine::Misuse),
            ("-V -z", CommandLine::Misuse),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(&words(line)), expected, "{line}");
        }
    }
}
