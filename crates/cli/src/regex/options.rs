//! The options of `fail2ban-regex`, in the grammar of the reference.
//!
//! In: the words of the command line. Out: [`Options`] and the arguments; or what to print and to exit with at once.
//!
//! The grammar is that of `optparse`: options and arguments in any order, long options shortened as far as they stay
//! unique, short ones put together, values attached or in the next word, numbers as Python writes them.

/// What the options and arguments say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `-c`.
    pub directory: Option<String>,
    /// `-d`.
    pub datepattern: Option<String>,
    /// `--timezone`.
    pub timezone: Option<String>,
    /// `-e`.
    pub encoding: Option<String>,
    /// `-r`.
    pub raw: bool,
    /// `--usedns`.
    pub usedns: Option<String>,
    /// `-L`.
    pub maxlines: Option<i64>,
    /// `-m`.
    pub journalmatch: Option<String>,
    /// `-l`.
    pub log_level: Option<String>,
    /// `-v` and `--verbosity`.
    pub verbosity: i64,
    /// `--verbose-date`.
    pub verbose_date: bool,
    /// `-D`.
    pub debuggex: bool,
    /// Unless `--no-check-all`.
    pub check_all: bool,
    /// `-o`.
    pub out: Option<String>,
    /// `-i`.
    pub invert: bool,
    /// `--print-all-matched`.
    pub matched: Listing,
    /// `--print-no-ignored`, `--print-all-ignored`.
    pub ignored: Listing,
    /// `--print-no-missed`, `--print-all-missed`.
    pub missed: Listing,
}

/// Which lines of a kind are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// None.
    Never,
    /// They are, unless there are too many.
    Few,
    /// All.
    All,
}

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// Try `regex` on `log`.
    Try {
        /// The options.
        options: Box<Options>,
        /// `<LOG>`.
        log: String,
        /// `<REGEX>`.
        regex: String,
        /// `[IGNOREREGEX]`.
        ignoreregex: Option<String>,
    },
    /// Print this and exit with success.
    Print(String),
    /// Print the help and exit with success.
    Help,
    /// Print the help and, as an error, this.
    Misuse(String),
    /// The options cannot be read, and why.
    BadOption(String),
}

/// An option by what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Version,
    ShortVersion,
    Help,
    Configuration,
    DatePattern,
    TimeZone,
    Encoding,
    Raw,
    UseDns,
    MaxLines,
    JournalMatch,
    LogLevel,
    Verbose,
    Verbosity,
    VerboseDate,
    Debuggex,
    NoCheckAll,
    Out,
    Invert,
    NoMissed,
    NoIgnored,
    AllMatched,
    AllMissed,
    AllIgnored,
    Traceback,
}

/// The letters, and whether a value follows.
const SHORT: [(char, Name, bool); 14] = [
    ('h', Name::Help, false),
    ('c', Name::Configuration, true),
    ('d', Name::DatePattern, true),
    ('e', Name::Encoding, true),
    ('r', Name::Raw, false),
    ('L', Name::MaxLines, true),
    ('m', Name::JournalMatch, true),
    ('l', Name::LogLevel, true),
    ('V', Name::ShortVersion, false),
    ('v', Name::Verbose, false),
    ('D', Name::Debuggex, false),
    ('o', Name::Out, true),
    ('i', Name::Invert, false),
    ('t', Name::Traceback, false),
];

/// The words, and whether a value follows; in the order of the alphabet.
const LONG: [(&str, Name, bool); 27] = [
    ("--TZ", Name::TimeZone, true),
    ("--VD", Name::VerboseDate, false),
    ("--config", Name::Configuration, true),
    ("--datepattern", Name::DatePattern, true),
    ("--debuggex", Name::Debuggex, false),
    ("--encoding", Name::Encoding, true),
    ("--full-traceback", Name::Traceback, false),
    ("--help", Name::Help, false),
    ("--invert", Name::Invert, false),
    ("--journalmatch", Name::JournalMatch, true),
    ("--log-level", Name::LogLevel, true),
    ("--log-traceback", Name::Traceback, false),
    ("--maxlines", Name::MaxLines, true),
    ("--no-check-all", Name::NoCheckAll, false),
    ("--out", Name::Out, true),
    ("--print-all-ignored", Name::AllIgnored, false),
    ("--print-all-matched", Name::AllMatched, false),
    ("--print-all-missed", Name::AllMissed, false),
    ("--print-no-ignored", Name::NoIgnored, false),
    ("--print-no-missed", Name::NoMissed, false),
    ("--raw", Name::Raw, false),
    ("--timezone", Name::TimeZone, true),
    ("--usedns", Name::UseDns, true),
    ("--verbose", Name::Verbose, false),
    ("--verbose-date", Name::VerboseDate, false),
    ("--verbosity", Name::Verbosity, true),
    ("--version", Name::Version, false),
];

impl Default for Options {
    fn default() -> Self {
        Self {
            directory: None,
            datepattern: None,
            timezone: None,
            encoding: None,
            raw: false,
            usedns: None,
            maxlines: None,
            journalmatch: None,
            log_level: None,
            verbosity: 0,
            verbose_date: false,
            debuggex: false,
            check_all: true,
            out: None,
            invert: false,
            matched: Listing::Never,
            ignored: Listing::Few,
            missed: Listing::Few,
        }
    }
}

/// Understands the words after the name of the program; `version` is what `--version` and `-V` tell.
#[must_use]
pub fn parse(words: &[String], version: &str) -> CommandLine {
    let mut reading = Reading::default();
    match reading.read(words, version) {
        Ok(()) => reading.finish(),
        Err(line) => line,
    }
}

/// The options and arguments read so far.
#[derive(Default)]
struct Reading {
    options: Options,
    arguments: Vec<String>,
    no_missed: bool,
    all_missed: bool,
    no_ignored: bool,
    all_ignored: bool,
}

impl Reading {
    fn read(&mut self, words: &[String], version: &str) -> Result<(), CommandLine> {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                self.arguments.extend(words.cloned());
                return Ok(());
            }
            if word.starts_with("--") {
                let (text, attached) = match word.split_once('=') {
                    Some((text, value)) => (text, Some(value.to_owned())),
                    None => (word.as_str(), None),
                };
                let (spelling, name, takes_value) = long_option(text)?;
                let value = match (takes_value, attached) {
                    (true, Some(value)) => value,
                    (true, None) => words.next().cloned().ok_or_else(|| lacks_value(spelling))?,
                    (false, None) => String::new(),
                    (false, Some(_)) => {
                        return Err(bad(format!("{spelling} option does not take a value")));
                    }
                };
                self.set(name, spelling, value, version)?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                let mut letters = letters.chars();
                while let Some(letter) = letters.next() {
                    let spelling = format!("-{letter}");
                    let known = SHORT.iter().find(|(known, ..)| *known == letter);
                    let Some((_, name, takes_value)) = known else {
                        return Err(bad(format!("no such option: {spelling}")));
                    };
                    let value = if *takes_value {
                        let attached = letters.as_str().to_owned();
                        letters = "".chars();
                        if attached.is_empty() {
                            words.next().cloned().ok_or_else(|| lacks_value(&spelling))?
                        } else {
                            attached
                        }
                    } else {
                        String::new()
                    };
                    self.set(*name, &spelling, value, version)?;
                }
            } else {
                self.arguments.push(word.clone());
            }
        }
        Ok(())
    }

    fn set(&mut self, name: Name, spelling: &str, value: String, version: &str) -> Result<(), CommandLine> {
        let options = &mut self.options;
        let text = || Some(value.clone()).filter(|value| !value.is_empty());
        match name {
            Name::Version => return Err(CommandLine::Print(format!("fail2ban-regex {version}"))),
            Name::ShortVersion => return Err(CommandLine::Print(version.to_owned())),
            Name::Help => return Err(CommandLine::Help),
            Name::Configuration => options.directory = Some(value),
            Name::DatePattern => options.datepattern = text(),
            Name::TimeZone => options.timezone = text(),
            Name::Encoding => options.encoding = Some(value),
            Name::Raw => options.raw = true,
            Name::UseDns => options.usedns = text(),
            // Zero is as good as nothing to the reference.
            Name::MaxLines => options.maxlines = Some(number(spelling, &value)?).filter(|lines| *lines != 0),
            Name::JournalMatch => options.journalmatch = Some(value),
            Name::LogLevel => options.log_level = Some(value),
            Name::Verbose => options.verbosity = options.verbosity.saturating_add(1),
            Name::Verbosity => options.verbosity = number(spelling, &value)?,
            Name::VerboseDate => options.verbose_date = true,
            Name::Debuggex => options.debuggex = true,
            Name::NoCheckAll => options.check_all = false,
            Name::Out => options.out = text(),
            Name::Invert => options.invert = true,
            Name::NoMissed => self.no_missed = true,
            Name::NoIgnored => self.no_ignored = true,
            Name::AllMatched => options.matched = Listing::All,
            Name::AllMissed => self.all_missed = true,
            Name::AllIgnored => self.all_ignored = true,
            // Our records have no call chains to show.
            Name::Traceback => {}
        }
        Ok(())
    }

    fn finish(self) -> CommandLine {
        let mut options = self.options;
        let mut mistakes = Vec::new();
        for (no, all, name, listing) in [
            (self.no_missed, self.all_missed, "missed", &mut options.missed),
            (self.no_ignored, self.all_ignored, "ignored", &mut options.ignored),
        ] {
            *listing = match (no, all) {
                (true, true) => {
                    mistakes.push(format!(
                        "ERROR: --print-no-{name} and --print-all-{name} are mutually exclusive."
                    ));
                    Listing::Few
                }
                (true, false) => Listing::Never,
                (false, true) => Listing::All,
                (false, false) => Listing::Few,
            };
        }
        let mut arguments = self.arguments.into_iter();
        let log = arguments.next();
        let (regex, ignoreregex) = (arguments.next(), arguments.next());
        if regex.is_none() || arguments.next().is_some() {
            mistakes.push("ERROR: provide both <LOG> and <REGEX>.".to_owned());
        }
        match (log, regex) {
            (Some(log), Some(regex)) if mistakes.is_empty() => CommandLine::Try {
                options: Box::new(options),
                log,
                regex,
                ignoreregex,
            },
            (_, _) => CommandLine::Misuse(mistakes.join("\n")),
        }
    }
}

fn bad(text: String) -> CommandLine {
    CommandLine::BadOption(text)
}

fn lacks_value(spelling: &str) -> CommandLine {
    bad(format!("{spelling} option requires 1 argument"))
}

fn long_option(text: &str) -> Result<(&'static str, Name, bool), CommandLine> {
    let exact = LONG.iter().copied().find(|(known, ..)| *known == text);
    let candidates: Vec<_> = LONG
        .iter()
        .copied()
        .filter(|(known, ..)| known.starts_with(text))
        .collect();
    match (exact, candidates.as_slice()) {
        (Some(found), _) => Ok(found),
        (None, [found]) => Ok(*found),
        (None, []) => Err(bad(format!("no such option: {text}"))),
        (None, [..]) => {
            let names: Vec<&str> = candidates.iter().map(|(known, ..)| *known).collect();
            Err(bad(format!("ambiguous option: {text} ({}?)", names.join(", "))))
        }
    }
}

/// A number as Python's `optparse` reads it: decimal, `0x…`, `0b…`, or octal with a leading zero.
fn number(spelling: &str, text: &str) -> Result<i64, CommandLine> {
    let error = || bad(format!("option {spelling}: invalid integer value: '{text}'"));
    let prefix = text.get(..2).unwrap_or_default().to_ascii_lowercase();
    let (radix, digits) = match prefix.as_str() {
        "0x" => (16, text.get(2..).unwrap_or_default()),
        "0b" => (2, text.get(2..).filter(|rest| !rest.is_empty()).unwrap_or("0")),
        _ if text.starts_with('0') => (8, text.get(1..).filter(|rest| !rest.is_empty()).unwrap_or("0")),
        _ => (10, text),
    };
    let digits = digits.trim();
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    // An underscore may stand between digits.
    if unsigned.split('_').any(str::is_empty) || unsigned.starts_with(['-', '+']) {
        return Err(error());
    }
    i64::from_str_radix(&digits.replace('_', ""), radix).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::{CommandLine, Listing, Options, number, parse};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_and_arguments_stand_in_any_order() {
        let options = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            Box::new(options)
        };
        let cases = [
            ("l r", options(|_| {}), None),
            ("l -v r i -v", options(|o| o.verbosity = 2), Some("i")),
            ("l -- -r", options(|_| {}), None),
            (
                "-vL3 l r",
                options(|o| {
                    o.verbosity = 1;
                    o.maxlines = Some(3)
                }),
                None,
            ),
            ("--maxl=0x10 l r", options(|o| o.maxlines = Some(16)), None),
            (
                "--TZ UTC l --timez CET r",
                options(|o| o.timezone = Some("CET".into())),
                None,
            ),
            (
                "-cx --out id -i l r",
                options(|o| {
                    o.directory = Some("x".into());
                    o.out = Some("id".into());
                    o.invert = true
                }),
                None,
            ),
            (
                "--print-all-mi --print-no-ig l r",
                options(|o| {
                    o.missed = Listing::All;
                    o.ignored = Listing::Never
                }),
                None,
            ),
            ("--verbosity 4 -v l r", options(|o| o.verbosity = 5), None),
            (
                "-t --full --no-check --VD -Dr l r",
                options(|o| {
                    o.check_all = false;
                    o.verbose_date = true;
                    o.debuggex = true;
                    o.raw = true
                }),
                None,
            ),
        ];
        for (line, options, ignoreregex) in cases {
            let regex = if line.contains("-- -r") { "-r" } else { "r" }.to_owned();
            let expected = CommandLine::Try {
                options,
                log: "l".to_owned(),
                regex,
                ignoreregex: ignoreregex.map(str::to_owned),
            };
            assert_eq!(parse(&words(line), "1"), expected, "{line}");
        }
    }

    #[test]
    fn some_lines_cannot_be_carried_out() {
        let bad = |text: &str| CommandLine::BadOption(text.to_owned());
        let misuse = |text: &str| CommandLine::Misuse(text.to_owned());
        let cases = [
            ("-V -z", CommandLine::Print("1".to_owned())),
            ("--vers", CommandLine::Print("fail2ban-regex 1".to_owned())),
            ("l -h -V", CommandLine::Help),
            ("-z -V", bad("no such option: -z")),
            ("-q", bad("no such option: -q")),
            ("--nosuch=1", bad("no such option: --nosuch")),
            (
                "--ver",
                bad("ambiguous option: --ver (--verbose, --verbose-date, --verbosity, --version?)"),
            ),
            ("--raw=1", bad("--raw option does not take a value")),
            ("-o", bad("-o option requires 1 argument")),
            ("--ou", bad("--out option requires 1 argument")),
            ("-L x", bad("option -L: invalid integer value: 'x'")),
            ("--max x", bad("option --maxlines: invalid integer value: 'x'")),
            ("", misuse("ERROR: provide both <LOG> and <REGEX>.")),
            ("l", misuse("ERROR: provide both <LOG> and <REGEX>.")),
            ("l r i x", misuse("ERROR: provide both <LOG> and <REGEX>.")),
            (
                "--print-no-missed --print-all-missed",
                misuse(
                    "ERROR: --print-no-missed and --print-all-missed are mutually exclusive.\nERROR: provide both <LOG> \
                     and <REGEX>.",
                ),
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(&words(line), "1"), expected, "{line}");
        }
    }

    #[test]
    fn numbers_are_written_as_in_python() {
        for (text, value) in [
            ("3", Some(3)),
            (" 3 ", Some(3)),
            ("-3", Some(-3)),
            ("+3", Some(3)),
            ("1_0", Some(10)),
            ("0x1F", Some(31)),
            ("0b11", Some(3)),
            ("0b", Some(0)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("08", None),
            ("1__0", None),
            ("_1", None),
            ("--1", None),
            ("", None),
            ("1.5", None),
        ] {
            assert_eq!(number("-L", text).ok(), value, "{text:?}");
        }
    }
}
