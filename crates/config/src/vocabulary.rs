//! Every option that anybody reads, in one table.
//!
//! Out: what options there are, what values they take and what they mean. The reader reads what stands here, the check
//! of a configuration knows names and kinds of values from here, and so do the reference of the documents and the
//! manual pages.
//!
//! Invariant: an option that the reader or the daemon knows by its name stands here, once for each place it can be
//! written at.

use stockade_protocol::backend::BACKENDS;

/// A kind of file or section with options of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vocabulary {
    /// `fail2ban.conf`.
    Daemon,
    /// A jail.
    Jail,
    /// A filter.
    Filter,
    /// An action.
    Action,
}

/// What an option is for: whether the reader takes it over, or somebody else asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The reader reads it by its name.
    Read,
    /// The daemon asks an action for it.
    Setting,
    /// The daemon asks an action for it that sends requests or mail.
    Message,
    /// A variable: what comes with the program refers to it, and nobody reads it by itself.
    Variable,
}

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// Yes or no; whatever is no word for yes is no.
    Truth,
    /// The same, and `auto`.
    Switch,
    /// `auto`, or yes or no.
    TruthOrAuto,
    /// A whole number.
    Number,
    /// A time, such as `1h 30m`.
    Time,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A level of the log.
    Level,
    /// Where is logged to.
    LogTarget,
    /// The socket of syslog.
    SyslogSocket,
    /// A socket of this machine: a path, with `mode` and `group`.
    LocalSocket,
    /// Where messages of syslog are taken.
    Listeners,
    /// Addresses and networks.
    Networks,
    /// Users, by name or number.
    Users,
    /// A path.
    Path,
    /// A backend with parameters.
    Backend,
    /// An encoding.
    Encoding,
    /// A time zone.
    Zone,
    /// A formula for ban times.
    Formula,
    /// A number, or a formula without variables.
    Factor,
    /// Whole numbers with single blanks between them.
    Multipliers,
    /// What the cache of answers remembers.
    Cache,
    /// Addresses, networks, names, files of such.
    Addresses,
    /// A command.
    Command,
    /// A script for the shell, or a text to be sent.
    Script,
    /// Files to be read, a line each.
    Logs,
    /// The names of a filter, with parameters.
    Filter,
    /// The names of actions, with parameters.
    Actions,
    /// A regular expression.
    Pattern,
    /// Regular expressions, a line each.
    Patterns,
    /// How dates look, a line each.
    DatePatterns,
    /// Which entries of the journal.
    JournalMatch,
    /// Units of systemd, or paths.
    Things,
    /// Files of the configuration.
    Files,
    /// So many in so long.
    Rate,
    /// A word or several.
    Word,
    /// Text of any kind.
    Text,
}

/// Words for yes.
pub const TRUE: [&str; 4] = ["1", "on", "true", "yes"];
/// Words for no; the daemon takes any other for the same.
pub const FALSE: [&str; 5] = ["0", "off", "false", "no", ""];
/// The levels of the log, those of most consequence first.
pub const LEVELS: [&str; 9] = [
    "CRITICAL",
    "ERROR",
    "WARNING",
    "NOTICE",
    "INFO",
    "DEBUG",
    "TRACEDEBUG",
    "HEAVYDEBUG",
    "NOTSET",
];
/// Where is logged to, besides files.
pub const TARGETS: [&str; 5] = ["STDOUT", "STDERR", "SYSOUT", "SYSLOG", "SYSTEMD-JOURNAL"];
/// The parameters of [`ValueKind::Cache`].
pub const CACHE_PARAMETERS: [&str; 3] = ["key", "max-count", "max-time"];

impl ValueKind {
    /// Whether the value is true or false, and a wrong one counts as false.
    #[must_use]
    pub const fn is_truth(self) -> bool {
        matches!(self, Self::Truth | Self::Switch)
    }

    /// Whether a wrong value keeps the daemon from starting.
    #[must_use]
    pub const fn is_strict(self) -> bool {
        matches!(
            self,
            Self::Backend | Self::Number | Self::Time | Self::Encoding | Self::Zone | Self::Level
        )
    }

    /// Whether `#` is a character like any other in it.
    #[must_use]
    pub const fn may_have_hash(self) -> bool {
        matches!(
            self,
            Self::Pattern
                | Self::Patterns
                | Self::DatePatterns
                | Self::Command
                | Self::Script
                | Self::Formula
                | Self::Text
        )
    }

    /// Whether quotes in it mean something.
    #[must_use]
    pub const fn takes_quotes(self) -> bool {
        matches!(
            self,
            Self::Actions | Self::Filter | Self::JournalMatch | Self::Cache
        )
    }

    /// What the value is, in words.
    #[must_use]
    pub fn described(self) -> String {
        let words = |words: &[&str]| {
            let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            quoted.join(", ")
        };
        match self {
            Self::Truth => "`true` or `false`".to_owned(),
            Self::Switch => "`true`, `false` or `auto`".to_owned(),
            Self::TruthOrAuto => "`auto`, `yes` or `no`".to_owned(),
            Self::Number => "a whole number".to_owned(),
            Self::Time => "a time".to_owned(),
            Self::Words(known) => words(known),
            Self::Level => words(&LEVELS),
            Self::LogTarget => format!("a file, or one of {}", words(&TARGETS)),
            Self::SyslogSocket => "`auto`, or a path".to_owned(),
            Self::LocalSocket => "a path, with `mode` and `group` in brackets".to_owned(),
            Self::Listeners => "`udp:ADDRESS:PORT`, `tcp:ADDRESS:PORT`, `unix:PATH`".to_owned(),
            Self::Networks => "addresses and networks".to_owned(),
            Self::Users => "users, by name or number".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Backend => words(&BACKENDS),
            Self::Encoding => "`auto`, or the name of an encoding".to_owned(),
            Self::Zone => "an offset or an abbreviation".to_owned(),
            Self::Formula => "an expression".to_owned(),
            Self::Factor => "a number, or an expression".to_owned(),
            Self::Multipliers => "whole numbers, one blank between them".to_owned(),
            Self::Cache => words(&CACHE_PARAMETERS),
            Self::Addresses => "addresses, networks, names, `file:PATH`".to_owned(),
            Self::Command => "a command, with tags".to_owned(),
            Self::Script => "a script for the shell, with tags".to_owned(),
            Self::Logs => "paths or patterns of paths, a line each".to_owned(),
            Self::Filter => "a filter, with parameters".to_owned(),
            Self::Actions => "actions, with parameters".to_owned(),
            Self::Pattern => "a regular expression".to_owned(),
            Self::Patterns => "regular expressions, a line each".to_owned(),
            Self::DatePatterns => "patterns of dates, a line each".to_owned(),
            Self::JournalMatch => "`FIELD=value`, with `+` between alternatives".to_owned(),
            Self::Things => "units of systemd, or paths".to_owned(),
            Self::Files => "names of files".to_owned(),
            Self::Rate => "a number, `/`, a time".to_owned(),
            Self::Word => "a word, or several".to_owned(),
            Self::Text => "a text".to_owned(),
        }
    }
}

/// What counts where an option is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing.
    Nothing,
    /// The reader takes this for written.
    Read(&'static str),
    /// The daemon does as if this were written.
    Daemon(&'static str),
}

impl Fallback {
    /// The value, whoever supplies it.
    #[must_use]
    pub const fn value(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Read(value) | Self::Daemon(value) => Some(value),
        }
    }
}

/// An option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: ValueKind,
    /// What counts where it is not written.
    pub fallback: Fallback,
    /// Whether fail2ban does not know it.
    pub is_ours: bool,
    /// The command of a client that changes it until the next reload, if there is one.
    pub live: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
    /// A value that somebody might write.
    pub example: &'static str,
}

const fn entry(name: &'static str, kind: ValueKind, example: &'static str, meaning: &'static str) -> Entry {
    Entry {
        name,
        kind,
        fallback: Fallback::Nothing,
        is_ours: false,
        live: None,
        meaning,
        example,
    }
}

impl Entry {
    const fn read(mut self, value: &'static str) -> Self {
        self.fallback = Fallback::Read(value);
        self
    }

    const fn or(mut self, value: &'static str) -> Self {
        self.fallback = Fallback::Daemon(value);
        self
    }

    const fn ours(mut self) -> Self {
        self.is_ours = true;
        self
    }

    const fn live(mut self, command: &'static str) -> Self {
        self.live = Some(command);
        self
    }
}

use ValueKind::{
    Actions, Addresses, Backend, Cache, Command, DatePatterns, Encoding, Factor, Files, Filter, Formula,
    JournalMatch, Level, Listeners, LocalSocket, LogTarget, Logs, Multipliers, Networks, Number, Path,
    Pattern, Patterns, Rate, Script, Switch, SyslogSocket, Text, Things, Time, Truth, TruthOrAuto, Users,
    Word, Words, Zone,
};

pub(crate) const SOCKET: Entry = entry(
    "socket",
    Path,
    "/run/fail2ban/fail2ban.sock",
    "The control socket, on which the daemon answers to clients.",
)
.read("/var/run/fail2ban/fail2ban.sock");
pub(crate) const PIDFILE: Entry = entry(
    "pidfile",
    Path,
    "/run/fail2ban/fail2ban.pid",
    "The file with the number of the daemon's process.",
)
.read("/var/run/fail2ban/fail2ban.pid");
pub(crate) const LOGLEVEL: Entry = entry(
    "loglevel",
    Level,
    "NOTICE",
    "How much is logged: this level and what is of more consequence. `NOTICE` has bans and their ends, `INFO` also each \
     failure, `DEBUG` more than that.",
)
.read("INFO")
.live("set loglevel DEBUG");
pub(crate) const LOGTARGET: Entry = entry(
    "logtarget",
    LogTarget,
    "SYSLOG[facility=AUTH]",
    "Where is logged to. Parameters in brackets: `facility` of syslog; `datetime`, `padding`, whether lines have them; \
     `format`, a format of one's own.",
)
.read("/var/log/fail2ban.log")
.live("set logtarget /var/log/stockade.log");
pub(crate) const SYSLOGSOCKET: Entry = entry(
    "syslogsocket",
    SyslogSocket,
    "/dev/log",
    "The socket of the system logger, for `logtarget = SYSLOG`; `auto` is where this system has it.",
)
.read("auto")
.live("set syslogsocket /dev/log");
pub(crate) const ALLOWIPV6: Entry = entry(
    "allowipv6",
    TruthOrAuto,
    "no",
    "Whether IPv6 is in use on this machine; `auto` asks the kernel. Without it names have no addresses of IPv6, and \
     actions are not started for that family.",
)
.read("auto");
pub(crate) const DBFILE: Entry = entry(
    "dbfile",
    Path,
    "None",
    "The database in which bans and the positions in logs outlive a restart. `None` is none, `:memory:` is one that \
     ends with the daemon.",
)
.read("/var/lib/fail2ban/fail2ban.sqlite3");
pub(crate) const DBMAXMATCHES: Entry = entry(
    "dbmaxmatches",
    Number,
    "20",
    "How many lines of the log are kept for a ban in the database.",
)
.or("10")
.live("set dbmaxmatches 20");
pub(crate) const DBPURGEAGE: Entry = entry(
    "dbpurgeage",
    Time,
    "30d",
    "How long a ban is remembered, from its begin; for `bantime.increment` at least three times as long as it lasted, \
     and for ever if it had no end.",
)
.read("1d")
.live("set dbpurgeage 30d");
const NATIVE: Entry = entry(
    "native",
    Words(&["on", "off"]),
    "off",
    "`off` has stock actions of nftables, iptables and ipset run as commands in all jails.",
)
.or("on")
.ours();
const REPORTSOCKET: Entry = entry(
    "reportsocket",
    LocalSocket,
    "/run/stockade/report[mode=0660, group=www-data]",
    "The socket on which services report failures and successes themselves; its mode is 0600 unless said.",
)
.ours();
const SYSLOGALLOW: Entry = entry(
    "syslogallow",
    Networks,
    "127.0.0.0/8 198.51.100.0/24",
    "Whose messages of syslog are taken over the network; those of this machine alone where nothing is said.",
)
.ours();
const SYSLOGLISTEN: Entry = entry(
    "sysloglisten",
    Listeners,
    "udp:127.0.0.1:5514 unix:/run/stockade/syslog",
    "Where messages of syslog are taken.",
)
.ours();
pub(crate) const STACKSIZE: Entry = entry(
    "stacksize",
    Number,
    "0",
    "Below `[Thread]`: the stack of a thread, in KiB. It is taken and has no effect on ours.",
);

/// What is read of `fail2ban.conf` before anything else.
pub(crate) const EARLY: [Entry; 5] = [SOCKET, PIDFILE, LOGLEVEL, LOGTARGET, SYSLOGSOCKET];

/// What is read of it for the daemon.
pub(crate) const GENERAL: [Entry; 7] = [
    LOGLEVEL,
    LOGTARGET,
    SYSLOGSOCKET,
    ALLOWIPV6,
    DBFILE,
    DBMAXMATCHES,
    DBPURGEAGE,
];

/// Ours alone: where nobody writes them, nothing is said of them, and other programs do not hear of them.
const CONFINE: Entry = entry(
    "confine",
    Truth,
    "no",
    "Whether the daemon gives up the rights that it does not need before its first jail; counts at its next start.",
)
.or("yes")
.ours();
const STATUSGROUP: Entry = entry(
    "statusgroup",
    Text,
    "adm",
    "The group, by name or number, that may see what happens over the control socket; root alone where nothing is said.",
)
.ours();
const OPERATEGROUP: Entry = entry(
    "operategroup",
    Text,
    "netadmin",
    "The group that may see, and ban, unban, start and stop over the control socket, and not name any command.",
)
.ours();
pub(crate) const OWN: [Entry; 7] = [
    NATIVE,
    REPORTSOCKET,
    SYSLOGALLOW,
    SYSLOGLISTEN,
    CONFINE,
    STATUSGROUP,
    OPERATEGROUP,
];

const DAEMON: [Entry; 10] = [
    SOCKET,
    PIDFILE,
    LOGLEVEL,
    LOGTARGET,
    SYSLOGSOCKET,
    ALLOWIPV6,
    DBFILE,
    DBMAXMATCHES,
    DBPURGEAGE,
    STACKSIZE,
];

pub(crate) const ENABLED: Entry = entry(
    "enabled",
    Switch,
    "true",
    "Whether the jail is at work. `auto` is Stockade's: it is where there is something on this machine for it to watch.",
)
.read("false");
pub(crate) const BACKEND: Entry = entry(
    "backend",
    Backend,
    "systemd[journalpath=/var/log/journal]",
    "Where lines come from. `pyinotify` and `polling` read files, with the kernel's notifications or by looking again \
     and again; `auto` takes the better one of them; `systemd` reads the journal, with the parameters `journalpath`, \
     `journalfiles`, `journalflags`, `namespace` and `rotated`; `syslog` is Stockade's and takes messages on the sockets of \
     `sysloglisten`, with the parameters `facility`, `tag` and `host`.",
)
.read("auto");
pub(crate) const FILTER: Entry = entry(
    "filter",
    Filter,
    "sshd[mode=aggressive]",
    "The filter, a file of `filter.d` without its end. What stands in brackets wins over its `[Init]`.",
)
.read("");
pub(crate) const AUTO_IF_EXISTS: Entry = entry(
    "auto_if_exists",
    Things,
    "nginx.service /opt/nginx",
    "What else must be there for `enabled = auto`: one of these is enough.",
)
.ours();
const LOGPATH_OF_JAIL: Entry = entry(
    "logpath",
    Logs,
    "/var/log/nginx/*access.log",
    "The files to be read, and named pipes. A line that begins with `|` is a command whose output is read. A pattern may have `*`, `?` and `[…]`, and new files that it fits are followed as they come. \
     `head` or `tail` behind a blank says where reading begins in a file that is not known yet; without one it is \
     `head`.",
)
.live("set JAIL addlogpath /var/log/door.log");
pub(crate) const LOGPATH: Entry = LOGPATH_OF_JAIL;

const USEDNS: Entry = entry(
    "usedns",
    Words(&["yes", "warn", "no", "raw"]),
    "no",
    "What becomes of a name where an address is wanted: it is looked up (`yes`), looked up with a warning in the log \
     (`warn`), passed over (`no`), or taken as it is (`raw`).",
)
.or("warn")
.live("set JAIL usedns no");
const PREFREGEX: Entry = entry(
    "prefregex",
    Pattern,
    r"^\s*\S+ doord\[\d+\]: <F-CONTENT>.+</F-CONTENT>$",
    "What a line must match before anything else is tried. The other expressions see what `<F-CONTENT>` takes of it.",
)
.live("set JAIL prefregex '^doord: <F-CONTENT>.+</F-CONTENT>$'");
const IGNOREREGEX: Entry = entry(
    "ignoreregex",
    Patterns,
    "^login of monitor ",
    "What makes a line harmless that a failregex matches.",
)
.live("set JAIL addignoreregex '^login of monitor '");
const FAILREGEX: Entry = entry(
    "failregex",
    Patterns,
    "^login of <F-USER>.*</F-USER> from <ADDR> failed$",
    "What an attack looks like. Each expression takes whom to count, with `<ADDR>`, `<HOST>`, `<SUBNET>` or `<F-ID>`.",
)
.live("set JAIL addfailregex '^no key from <ADDR>$'");
const MAXLINES: Entry = entry(
    "maxlines",
    Number,
    "5",
    "How many lines an expression is tried on together.",
)
.or("1")
.live("set JAIL maxlines 5");
const DATEPATTERN: Entry = entry(
    "datepattern",
    DatePatterns,
    "^%%Y-%%m-%%d %%H:%%M:%%S",
    "How dates look in the log, where they are not recognised by themselves. `{NONE}`: there are none, and a line is as \
     old as it is new. A percent sign is written twice.",
)
.live("set JAIL datepattern '^%Y-%m-%d %H:%M:%S'");
pub(crate) const JOURNALMATCH: Entry = entry(
    "journalmatch",
    JournalMatch,
    "_SYSTEMD_UNIT=door.service + SYSLOG_IDENTIFIER=doord",
    "Which entries of the journal are read: all the fields of one alternative must be so.",
)
.live("set JAIL addjournalmatch _SYSTEMD_UNIT=door.service");

const LINEFORMAT: Entry = entry(
    "lineformat",
    Text,
    "docker json",
    "What lines are: `json`; in the envelope of `docker`, `cri`, the `journal`, or whichever it is, `auto`; or JSON in an \
     envelope. See [structured-logs.md](structured-logs.md).",
)
.ours()
.live("set JAIL lineformat docker");
const FIELD_TIME: Entry = entry(
    "field.time",
    Text,
    "ts",
    "Where in a line of JSON its time stands.",
)
.ours()
.live("set JAIL field.time ts");
const FIELD_HOST: Entry = entry(
    "field.host",
    Text,
    "request.remote_ip",
    "Where in a line of JSON the address stands that is counted. With it `failwhen` decides, and no failregex does.",
)
.ours()
.live("set JAIL field.host request.remote_ip");
const FIELD_USER: Entry = entry(
    "field.user",
    Text,
    "request.user",
    "Where in a line of JSON the user stands.",
)
.ours()
.live("set JAIL field.user request.user");
const FIELD_MESSAGE: Entry = entry(
    "field.message",
    Text,
    "msg",
    "Where in a line of JSON the text stands that expressions see in place of the line.",
)
.ours()
.live("set JAIL field.message msg");
const FAILWHEN: Entry = entry(
    "failwhen",
    Text,
    "status in 401 403 and request.uri ~ ^/login",
    "Which lines of JSON are failures, by their fields: an alternative a line, each of conditions with `and` between.",
)
.ours()
.live("set JAIL failwhen 'status = 401'");
const IGNOREWHEN: Entry = entry(
    "ignorewhen",
    Text,
    "request.uri = /health",
    "Which lines of JSON are none in spite of that.",
)
.ours()
.live("set JAIL ignorewhen 'request.uri = /health'");

/// What is read of a jail that is enabled. The order decides which mistake is met first.
pub(crate) const JAIL: [Entry; 41] = [
    ENABLED,
    BACKEND,
    entry(
        "maxretry",
        Number,
        "3",
        "How many failures within `findtime` make a ban.",
    )
    .or("3")
    .live("set JAIL maxretry 3"),
    entry(
        "maxmatches",
        Number,
        "10",
        "How many lines of the log are kept with an address, for `<matches>` and for the database.",
    )
    .or("5")
    .live("set JAIL maxmatches 10"),
    entry(
        "findtime",
        Time,
        "1h",
        "In how long the failures must come that make a ban.",
    )
    .or("600")
    .live("set JAIL findtime 1h"),
    entry(
        "bantime",
        Time,
        "1d 12h",
        "How long a ban lasts; a negative time is for ever.",
    )
    .or("600")
    .live("set JAIL bantime 1h"),
    entry(
        "bantime.increment",
        Truth,
        "true",
        "Whether bans grow for those who have been banned before. It needs the database.",
    )
    .or("false")
    .live("set JAIL bantime.increment true"),
    entry(
        "bantime.factor",
        Factor,
        "1.5",
        "What the formula has as `banFactor`, and what multipliers are multiplied by.",
    )
    .or("1")
    .live("set JAIL bantime.factor 1.5"),
    entry(
        "bantime.formula",
        Formula,
        "ban.Time * (1 + ban.Count) * banFactor",
        "How long the ban lasts, of `ban.Time` (`bantime`), `ban.Count` (how many bans there were) and `banFactor`. \
         Never less than `bantime`.",
    )
    .or("ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor")
    .live("set JAIL bantime.formula 'ban.Time * (1 + ban.Count)'"),
    entry(
        "bantime.multipliers",
        Multipliers,
        "1 2 4 8 16 32",
        "Instead of the formula: by what `bantime` is multiplied after no, one, two … earlier bans; the last one holds \
         for all further ones.",
    )
    .live("set JAIL bantime.multipliers '1 2 4 8'"),
    entry(
        "bantime.maxtime",
        Time,
        "5w",
        "The longest that a ban grows to.",
    )
    .live("set JAIL bantime.maxtime 5w"),
    entry(
        "bantime.rndtime",
        Time,
        "10m",
        "Up to so much is added at random to a ban that has grown, so that nobody can tell when it ends.",
    )
    .live("set JAIL bantime.rndtime 10m"),
    entry(
        "bantime.overalljails",
        Truth,
        "true",
        "Whether earlier bans by other jails count.",
    )
    .or("false")
    .live("set JAIL bantime.overalljails true"),
    entry(
        "ignorecommand",
        Command,
        "/usr/local/bin/is-friend <ip>",
        "A command that is asked about each failure: with exit status 0 it does not count, with 1 it does.",
    )
    .live("set JAIL ignorecommand '/usr/local/bin/is-friend <ip>'"),
    entry(
        "ignoreself",
        Truth,
        "false",
        "Whether the addresses of this machine never count.",
    )
    .or("true")
    .live("set JAIL ignoreself false"),
    entry(
        "ignoreip",
        Addresses,
        "192.0.2.0/24 2001:db8::/32 office.example file:/etc/friends",
        "Who never counts. A file has such words, too, and is read anew when it changes.",
    )
    .live("set JAIL addignoreip 192.0.2.0/24"),
    entry(
        "ignorecache",
        Cache,
        "key=\"<ip>\", max-count=100, max-time=5m",
        "Remembers whether somebody is ignored, under a key made of tags: for how many, and for how long.",
    )
    .live("set JAIL ignorecache 'key=\"<ip>\", max-count=100, max-time=5m'"),
    FILTER,
    entry(
        "logtimezone",
        Zone,
        "UTC+0200",
        "The time zone of dates that name none.",
    )
    .live("set JAIL logtimezone UTC+0200"),
    entry(
        "logencoding",
        Encoding,
        "latin-1",
        "The encoding of the log; `auto` is that of the system.",
    )
    .or("auto")
    .live("set JAIL logencoding latin-1"),
    LOGPATH_OF_JAIL,
    entry(
        "skip_if_nologs",
        Truth,
        "true",
        "Whether the jail is left out where none of its log files is there. Otherwise it waits for them.",
    )
    .read("false"),
    entry(
        "systemd_if_nologs",
        Truth,
        "false",
        "Whether a jail with `backend = auto` and a `journalmatch` of its own reads the journal where none of its log \
         files is there.",
    )
    .read("true"),
    entry(
        "action",
        Actions,
        "nftables[type=allports] sendmail[dest=root]",
        "What is done about whom the jail bans: files of `action.d` without their end, with blanks or line ends between \
         them.",
    )
    .read("")
    .live("set JAIL addaction NAME"),
    USEDNS,
    PREFREGEX,
    IGNOREREGEX,
    FAILREGEX,
    MAXLINES,
    DATEPATTERN,
    JOURNALMATCH,
    LINEFORMAT,
    FIELD_TIME,
    FIELD_HOST,
    FIELD_USER,
    FIELD_MESSAGE,
    FAILWHEN,
    IGNOREWHEN,
    entry(
        "reports",
        Truth,
        "true",
        "Whether the jail takes what services report, on the socket that `reportsocket` of the daemon names.",
    )
    .or("false")
    .ours(),
    entry(
        "reports.from",
        Users,
        "www-data",
        "Whose reports it takes, beside those of root and of the user that the daemon runs as.",
    )
    .ours(),
    entry(
        "reports.forgive",
        Truth,
        "true",
        "Whether a success that is reported takes failures of the address back.",
    )
    .or("false")
    .ours(),
];

/// What is read of a jail to see whether it is at work.
pub(crate) const FOR_THE_SWITCH: [Entry; 1] = [AUTO_IF_EXISTS];

/// Variables of the jails that come with the program: they are there to be used, whether or not anybody does.
const JAIL_VARIABLES: [Entry; 16] = [
    entry(
        "banaction",
        Actions,
        "nftables[type=multiport]",
        "The action that `action_` bans with.",
    ),
    entry(
        "banaction_allports",
        Actions,
        "nftables[type=allports]",
        "The same for jails that refuse all ports.",
    ),
    entry(
        "action_",
        Actions,
        "%(banaction)s[port=\"%(port)s\"]",
        "To ban; `action_mw` mails besides, `action_mwl` mails with the lines of the log.",
    ),
    entry(
        "port",
        Word,
        "http,https",
        "The ports of the service: numbers, names, ranges `a:b`.",
    ),
    entry(
        "protocol",
        Word,
        "tcp",
        "The protocols of the service: `tcp`, `udp`, both, `all`.",
    ),
    entry(
        "chain",
        Word,
        "DOCKER-USER",
        "The chain of the firewall that actions put their rules into.",
    ),
    entry("mode", Word, "aggressive", "The variant of the filter."),
    entry("destemail", Word, "admin@example.com", "Who gets mail of bans."),
    entry("sender", Word, "stockade@example.com", "Who sends it."),
    entry("sendername", Word, "Stockade", "The name of the sender."),
    entry("mta", Word, "mail", "How mail is sent: `sendmail` or `mail`."),
    entry(
        "fail2ban_agent",
        Text,
        "Stockade",
        "What reports to others say of the program that sends them.",
    ),
    entry(
        "default_backend",
        Backend,
        "systemd",
        "The backend of all jails that have none of their own.",
    ),
    entry(
        "cfemail",
        Word,
        "admin@example.com",
        "The account of `action_cf_mwl`.",
    ),
    entry("cfapikey", Word, "KEY", "Its key."),
    entry(
        "blocklist_de_apikey",
        Word,
        "KEY",
        "The key of `action_blocklist_de`.",
    ),
];

/// The options of a filter that the daemon understands, in the order in which they are sent.
pub(crate) const FILTERS: [Entry; 14] = [
    USEDNS,
    PREFREGEX,
    IGNOREREGEX,
    FAILREGEX,
    MAXLINES,
    DATEPATTERN,
    JOURNALMATCH,
    LINEFORMAT,
    FIELD_TIME,
    FIELD_HOST,
    FIELD_USER,
    FIELD_MESSAGE,
    FAILWHEN,
    IGNOREWHEN,
];

const FILTER_VARIABLES: [Entry; 3] = [
    entry(
        "logtype",
        Words(&["file", "journal"]),
        "journal",
        "What the lines come from; where nobody says, it follows the backend of the jail.",
    ),
    entry(
        "mode",
        Text,
        "aggressive",
        "The variant of the filter, by convention a parameter.",
    ),
    entry(
        "_daemon",
        Text,
        "doord",
        "The name of the service in its lines, for `common.conf`.",
    ),
];

/// The options of an action that are sent resolved, in their order.
pub(crate) const ACTIONS: [Entry; 13] = [
    entry(
        "actionstart",
        Script,
        "nft add table inet door",
        "What sets everything up, at the start or before the first ban.",
    ),
    entry(
        "actionstart_on_demand",
        Truth,
        "false",
        "Whether it waits for the first ban. Where nothing is said, it does for actions with options for a family.",
    ),
    entry(
        "actionstop",
        Script,
        "nft delete table inet door",
        "What takes that away again, at the end.",
    ),
    entry(
        "actionflush",
        Script,
        "nft flush set inet door banned",
        "What lifts all bans at once; without it they are lifted one by one.",
    ),
    entry(
        "actionreload",
        Script,
        "true",
        "What is run after a reload that leaves the action as it is.",
    ),
    entry(
        "actioncheck",
        Script,
        "nft list set inet door banned",
        "What tells, after a command has failed, whether everything is still set up.",
    ),
    entry(
        "actionrepair",
        Script,
        "nft -f /etc/door.nft",
        "What puts right what `actioncheck` has found wrong; without it that is `actionstop` and `actionstart`.",
    ),
    entry(
        "actionrepair_on_unban",
        Truth,
        "true",
        "Whether that is done where lifting a ban failed, too.",
    )
    .or("false"),
    entry(
        "actionban",
        Script,
        "nft add element inet door banned '{ <ip> }'",
        "What bans `<ip>`.",
    ),
    entry(
        "actionprolong",
        Script,
        "extend-ban <ip> <bantime>",
        "What makes a ban longer that has grown.",
    ),
    entry(
        "actionreban",
        Script,
        "nft add element inet door banned '{ <ip> }'",
        "What is run instead of `actionban` for bans in force, after a repair.",
    ),
    entry(
        "actionunban",
        Script,
        "nft delete element inet door banned '{ <ip> }'",
        "What lifts the ban of `<ip>`.",
    ),
    entry(
        "norestored",
        Truth,
        "true",
        "Whether bans of before the start are not told again. For actions that report.",
    )
    .or("false"),
];

/// What the daemon asks an action for besides.
const ACTION_SETTINGS: [Entry; 8] = [
    entry(
        "timeout",
        Time,
        "30s",
        "How long a command, or a request, may take.",
    )
    .or("60")
    .live("set JAIL action NAME timeout 30"),
    entry(
        "name",
        Text,
        "sshd",
        "What names chains and sets; where nobody says, the name of the jail.",
    ),
    entry(
        "actname",
        Text,
        "door-tcp",
        "The name of the action in its jail. Two actions of a jail must have different ones.",
    ),
    entry(
        "families",
        Text,
        "inet4,inet6",
        "For which families an action is started that does not wait for the first ban.",
    ),
    entry(
        "retries",
        Number,
        "0",
        "How often a ban is tried again that has failed.",
    )
    .or("20")
    .ours(),
    entry(
        "native",
        Truth,
        "off",
        "`off` has a stock action of nftables, iptables or ipset run as the commands that it says.",
    )
    .or("on")
    .ours(),
    entry(
        "kill-mode",
        Text,
        "ss, conntrack",
        "What ends of the connections that a banned address has open: `none`, its sockets (`ss`), what connection \
         tracking knows of it (`conntrack`), or both. For actions that run no commands.",
    )
    .or("none")
    .ours(),
    entry(
        "keep-on-stop",
        Truth,
        "yes",
        "Whether bans stay in the firewall when the daemon ends. For actions whose bans the kernel ends by itself.",
    )
    .or("no")
    .ours(),
];

/// What it asks one for that sends requests or mail.
const ACTION_MESSAGES: [Entry; 14] = [
    entry(
        "type",
        Text,
        "http",
        "`http`: the texts of the action are requests; `mail`: they are mails. No command is run.",
    )
    .ours(),
    entry("rate", Rate, "60/1m", "No more messages than that.").ours(),
    entry(
        "batch",
        Rate,
        "100/10s",
        "So many requests go together in an array, at the latest after so long.",
    )
    .ours(),
    entry(
        "accept",
        Text,
        "409, 410",
        "Statuses besides 200 to 299 that are success.",
    )
    .ours(),
    entry("longest", Number, "1000", "To how many bytes values are cut.").ours(),
    entry("cafile", Path, "/etc/ssl/door.pem", "Who vouches for the server.").ours(),
    entry("host", Text, "smtp.example:587", "The server of mail.")
        .or("localhost:25")
        .ours(),
    entry(
        "tls",
        Words(&["on", "starttls", "off"]),
        "starttls",
        "TLS from the begin, on before anything is said, or never. Without it the port decides.",
    )
    .ours(),
    entry("user", Text, "stockade", "By whom mail is sent.").ours(),
    entry("password", Text, "SECRET", "The password.").ours(),
    entry(
        "sender",
        Text,
        "stockade@example.com",
        "The address of the sender.",
    )
    .ours(),
    entry("sendername", Text, "Stockade", "The name of the sender.").ours(),
    entry("dest", Text, "admin@example.com, root", "Who gets it.").ours(),
    entry(
        "sendmail",
        Path,
        "/usr/sbin/sendmail",
        "The program that mail is handed to, instead of a server.",
    )
    .ours(),
];

/// The options of `[INCLUDES]`, in any file.
pub const INCLUDES: [Entry; 2] = [
    entry(
        "before",
        Files,
        "common.conf",
        "Files that are read first: what stands in this one wins over them.",
    ),
    entry(
        "after",
        Files,
        "door.local",
        "Files that are read next: they win over what stands in this one.",
    ),
];

impl Vocabulary {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Daemon, Self::Jail, Self::Filter, Self::Action];

    /// The options of a group, in the order in which they are read.
    pub fn entries(self, group: Group) -> impl Iterator<Item = &'static Entry> {
        const NONE: &[Entry] = &[];
        let (first, then): (&'static [Entry], &'static [Entry]) = match (self, group) {
            (Self::Daemon, Group::Read) => (&DAEMON, &OWN),
            (Self::Jail, Group::Read) => (&JAIL, &FOR_THE_SWITCH),
            (Self::Jail, Group::Variable) => (&JAIL_VARIABLES, NONE),
            (Self::Filter, Group::Read) => (&FILTERS, NONE),
            (Self::Filter, Group::Variable) => (&FILTER_VARIABLES, NONE),
            (Self::Action, Group::Read) => (&ACTIONS, NONE),
            (Self::Action, Group::Setting) => (&ACTION_SETTINGS, NONE),
            (Self::Action, Group::Message) => (&ACTION_MESSAGES, NONE),
            (Self::Daemon, Group::Setting | Group::Message | Group::Variable)
            | (Self::Jail | Self::Filter, Group::Setting | Group::Message)
            | (Self::Action, Group::Variable) => (NONE, NONE),
        };
        first.iter().chain(then)
    }

    /// The names of the options that are read by their names; all others are variables.
    #[must_use]
    pub fn options(self) -> Vec<&'static str> {
        self.entries(Group::Read).map(|entry| entry.name).collect()
    }

    /// Whether a group has an option of this name.
    #[must_use]
    pub fn has(self, group: Group, name: &str) -> bool {
        self.entries(group).any(|entry| entry.name == name)
    }

    /// What is known of an option that the reader or the daemon reads.
    #[must_use]
    pub fn entry(self, name: &str) -> Option<&'static Entry> {
        [Group::Read, Group::Setting]
            .into_iter()
            .flat_map(|group| self.entries(group))
            .find(|entry| entry.name == name)
    }
}
