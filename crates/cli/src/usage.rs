//! The help of the compatible commands.
//!
//! In: which of them is asked. Out: the text. Its form is an interface: completion of the shell reads the commands
//! from lines that begin with four blanks and a lower-case word, and the properties of jails from the second and
//! third word of `set` and `get`.

use crate::compatible::Program;
use crate::options::PRODUCT;

/// Where descriptions of commands begin.
const COMMAND_COLUMN: usize = 45;
/// Where descriptions of options begin.
const OPTION_COLUMN: usize = 28;
/// Where lines end.
const WIDTH: usize = 80;

/// The help.
#[must_use]
pub fn usage(program: Program) -> String {
    let mut out = match program {
        Program::Client => "Usage: fail2ban-client [OPTIONS] <COMMAND>\n".to_owned(),
        Program::Server => "Usage: fail2ban-server [OPTIONS]\n".to_owned(),
    };
    out.push_str(&format!(
        "\n{PRODUCT}, as stockade provides it: watches logs for attacks\n\
         and has the firewall refuse the attackers for a while.\n\nOptions:\n"
    ));
    for (syntax, description) in OPTIONS {
        entry(syntax, description, OPTION_COLUMN, &mut out);
    }
    if program == Program::Client {
        out.push_str("\nCommand:\n");
        for (index, (title, commands)) in COMMANDS.iter().enumerate() {
            if index > 0 {
                out.push('\n');
            }
            out.push_str(&format!("{:COMMAND_COLUMN$}{title}\n", ""));
            for (syntax, description) in *commands {
                entry(syntax, description, COMMAND_COLUMN, &mut out);
            }
        }
    }
    out
}

/// One line of syntax with its description beside it, or below where it is too long for that.
fn entry(syntax: &str, description: &str, column: usize, out: &mut String) {
    let mut line = format!("    {syntax}");
    if line.chars().count() + 1 > column {
        out.push_str(&line);
        out.push('\n');
        line.clear();
    }
    for word in description.split_whitespace() {
        let length = line.chars().count();
        if length > column && length + 1 + word.chars().count() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line.clear();
        }
        if line.chars().count() < column {
            line = format!("{line:column$}{word}");
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    out.push_str(&line);
    out.push('\n');
}

type Entry = (&'static str, &'static str);

const OPTIONS: [Entry; 21] = [
    (
        "-c, --conf <DIR>",
        "the directory of the configuration (/etc/fail2ban)",
    ),
    (
        "-s, --socket <FILE>",
        "the control socket, instead of that of fail2ban.conf",
    ),
    ("-p, --pidfile <FILE>", "where the server writes its process id"),
    (
        "--pname <NAME>",
        "how the process of the server is called (fail2ban-server)",
    ),
    ("--loglevel <LEVEL>", "how much the server logs"),
    (
        "--logtarget <TARGET>",
        "where the server logs to: a file, stdout, stderr, syslog or sysout",
    ),
    ("--syslogsocket auto|<FILE>", "the socket of syslog"),
    ("-d", "print the commands that the configuration amounts to"),
    (
        "--dp, --dump-pretty",
        "the same, long commands over several lines",
    ),
    (
        "-t, --test",
        "check the configuration; with a command, before that is carried out",
    ),
    ("-i", "read commands line by line"),
    ("-v", "say more; can be repeated"),
    ("-q", "say less; can be repeated"),
    ("-x", "start even if the socket exists, which is removed"),
    ("-b", "start the server in the background (default)"),
    ("-f", "start the server in the foreground"),
    (
        "--async",
        "be a server without jails, which a client tells its configuration",
    ),
    ("--timeout <TIME>", "how long to wait for the server (30s)"),
    ("--str2sec <STRING>", "print a time such as '1d 12h' in seconds"),
    ("-h, --help", "print this help"),
    ("-V, --version", "print the version, with -V the number alone"),
];

/// The commands in groups.
const COMMANDS: [(&str, &[Entry]); 8] = [
    (
        "BASIC",
        &[
            ("start", "starts the server with all enabled jails"),
            ("restart", "stops the server and starts it"),
            (
                "restart [--unban] [--if-exists] <JAIL>",
                "stops one jail and starts it; another form of 'reload --restart <JAIL>'",
            ),
            (
                "reload [--restart] [--unban] [--all]",
                "applies the configuration as it is now to the running server; bans stay unless '--unban' is given; \
                 with '--restart' every jail is stopped and started",
            ),
            (
                "reload [--restart] [--unban] [--if-exists] <JAIL>",
                "does so for one jail",
            ),
            ("stop", "stops all jails and ends the server"),
            ("unban --all", "lifts all bans in all jails and in the database"),
            (
                "unban <IP> ... <IP>",
                "lifts the bans of addresses in all jails and in the database",
            ),
            ("banned", "lists what is banned, jail by jail"),
            (
                "banned <IP> ... <IP>",
                "lists the jails in which each address is banned",
            ),
            ("status", "lists the jails"),
            (
                "status --all [FLAVOR]",
                "shows all jails with their numbers and bans. FLAVOR is 'basic' (default), 'short', 'stats' or \
                 'cymru'",
            ),
            (
                "stats",
                "shows the numbers of all jails as a table; so does 'statistics'",
            ),
            ("ping", "tells whether the server answers"),
            ("echo", "returns the words that follow"),
            ("version", "shows the version of the server"),
        ],
    ),
    (
        "LOGGING",
        &[
            (
                "set loglevel <LEVEL>",
                "changes how much is logged: CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG, TRACEDEBUG, HEAVYDEBUG, \
                 or a number from 50 to 5",
            ),
            ("get loglevel", "shows how much is logged"),
            (
                "set logtarget <TARGET>",
                "changes where is logged to: STDOUT, STDERR, SYSLOG, SYSOUT, SYSTEMD-JOURNAL or a file",
            ),
            ("get logtarget", "shows where is logged to"),
            (
                "set syslogsocket auto|<SOCKET>",
                "changes the socket for the target SYSLOG",
            ),
            ("get syslogsocket", "shows that socket"),
            ("flushlogs", "opens the log file anew, after it was rotated"),
        ],
    ),
    (
        "DATABASE",
        &[
            (
                "set dbfile <FILE>",
                "changes the file in which bans outlive a restart; 'None' is none. Only while there are no jails",
            ),
            ("get dbfile", "shows that file"),
            (
                "set dbmaxmatches <INT>",
                "changes how many log lines of a ban are kept",
            ),
            ("get dbmaxmatches", "shows how many log lines of a ban are kept"),
            (
                "set dbpurgeage <SECONDS>",
                "changes how long ended bans are remembered",
            ),
            ("get dbpurgeage", "shows how long ended bans are remembered"),
        ],
    ),
    (
        "JAIL CONTROL",
        &[
            ("add <JAIL> <BACKEND>", "makes a jail, which does not watch yet"),
            ("start <JAIL>", "has a jail watch"),
            ("stop <JAIL>", "stops a jail and removes it"),
            (
                "status <JAIL> [FLAVOR]",
                "shows the numbers and bans of a jail. FLAVOR is 'basic' (default), 'short', 'stats' or 'cymru'",
            ),
        ],
    ),
    (
        "JAIL CONFIGURATION",
        &[
            ("set <JAIL> idle on|off", "suspends a jail, or resumes it"),
            (
                "set <JAIL> ignoreself true|false",
                "whether this machine's own addresses are ignored",
            ),
            (
                "set <JAIL> addignoreip <IP>",
                "ignores an address, a network or a name",
            ),
            ("set <JAIL> delignoreip <IP>", "ignores it no longer"),
            (
                "set <JAIL> ignorecommand <VALUE>",
                "a command that says whether to ignore an address",
            ),
            (
                "set <JAIL> ignorecache <VALUE>",
                "for how long answers of that command hold",
            ),
            (
                "set <JAIL> addlogpath <FILE> ['tail']",
                "watches a file, from its beginning unless 'tail' is given",
            ),
            ("set <JAIL> dellogpath <FILE>", "watches it no longer"),
            ("set <JAIL> logencoding <ENCODING>", "how the files are encoded"),
            (
                "set <JAIL> addjournalmatch <MATCH>",
                "watches what matches in the journal",
            ),
            ("set <JAIL> deljournalmatch <MATCH>", "watches it no longer"),
            ("set <JAIL> addfailregex <REGEX>", "adds a pattern of failures"),
            (
                "set <JAIL> delfailregex <INDEX>",
                "removes a pattern of failures by its number",
            ),
            (
                "set <JAIL> addignoreregex <REGEX>",
                "adds a pattern of lines to ignore",
            ),
            (
                "set <JAIL> delignoreregex <INDEX>",
                "removes a pattern of lines to ignore by its number",
            ),
            ("set <JAIL> findtime <TIME>", "within which time failures add up"),
            ("set <JAIL> bantime <TIME>", "how long a ban lasts"),
            (
                "set <JAIL> datepattern <PATTERN>",
                "how dates are written in the log",
            ),
            (
                "set <JAIL> usedns <VALUE>",
                "whether names in the log are resolved",
            ),
            (
                "set <JAIL> attempt <IP> [<failure1> ... <failureN>]",
                "counts failures of an address",
            ),
            ("set <JAIL> banip <IP> ... <IP>", "bans addresses"),
            (
                "set <JAIL> unbanip [--report-absent] <IP> ... <IP>",
                "lifts bans in this jail; with the option it is an error if there was none",
            ),
            ("set <JAIL> maxretry <RETRY>", "how many failures lead to a ban"),
            (
                "set <JAIL> maxmatches <INT>",
                "how many log lines of an address are kept",
            ),
            (
                "set <JAIL> maxlines <LINES>",
                "over how many lines a pattern may match",
            ),
            (
                "set <JAIL> addaction <ACT>[ <PYTHONFILE> <JSONKWARGS>]",
                "adds an action: of commands, or of a Python file with its parameters as JSON",
            ),
            ("set <JAIL> delaction <ACT>", "removes an action"),
        ],
    ),
    (
        "ACTION CONFIGURATION",
        &[
            (
                "set <JAIL> action <ACT> actionstart <CMD>",
                "the command before the first ban",
            ),
            (
                "set <JAIL> action <ACT> actionstop <CMD>",
                "the command at the end of the jail",
            ),
            (
                "set <JAIL> action <ACT> actioncheck <CMD>",
                "the command that tells whether all is in order",
            ),
            ("set <JAIL> action <ACT> actionban <CMD>", "the command for a ban"),
            (
                "set <JAIL> action <ACT> actionunban <CMD>",
                "the command for the end of a ban",
            ),
            (
                "set <JAIL> action <ACT> timeout <TIMEOUT>",
                "how long a command may take",
            ),
            ("set <JAIL> action <ACT> <PROPERTY> <VALUE>", "any other property"),
            (
                "set <JAIL> action <ACT> <METHOD>[ <JSONKWARGS>]",
                "calls a method, its parameters as JSON",
            ),
        ],
    ),
    (
        "JAIL INFORMATION",
        &[
            ("get <JAIL> banned", "lists what is banned"),
            (
                "get <JAIL> banned <IP> ... <IP>",
                "1 for each address that is banned, 0 for the others",
            ),
            ("get <JAIL> logpath", "lists the files that are watched"),
            ("get <JAIL> logencoding", "shows how they are encoded"),
            ("get <JAIL> journalmatch", "shows what is watched in the journal"),
            ("get <JAIL> ignoreself", "shows whether own addresses are ignored"),
            ("get <JAIL> ignoreip", "lists what is ignored"),
            (
                "get <JAIL> ignorecommand",
                "shows the command that says whether to ignore",
            ),
            ("get <JAIL> failregex", "lists the patterns of failures"),
            ("get <JAIL> ignoreregex", "lists the patterns of lines to ignore"),
            ("get <JAIL> findtime", "shows within which time failures add up"),
            ("get <JAIL> bantime", "shows how long a ban lasts"),
            ("get <JAIL> datepattern", "shows how dates are written in the log"),
            ("get <JAIL> usedns", "shows whether names are resolved"),
            (
                "get <JAIL> banip [<SEP>|--with-time]",
                "lists what is banned, the ban that ends first at the beginning; with blanks between or SEP, or \
                 each with its times",
            ),
            ("get <JAIL> maxretry", "shows how many failures lead to a ban"),
            (
                "get <JAIL> maxmatches",
                "shows how many log lines of an address are kept",
            ),
            (
                "get <JAIL> maxlines",
                "shows over how many lines a pattern may match",
            ),
            ("get <JAIL> actions", "lists the actions"),
        ],
    ),
    (
        "ACTION INFORMATION",
        &[
            (
                "get <JAIL> actionproperties <ACT>",
                "lists the properties of an action",
            ),
            ("get <JAIL> actionmethods <ACT>", "lists its methods"),
            (
                "get <JAIL> action <ACT> actionstart",
                "shows the command before the first ban",
            ),
            (
                "get <JAIL> action <ACT> actionstop",
                "shows the command at the end of the jail",
            ),
            (
                "get <JAIL> action <ACT> actioncheck",
                "shows the command that tells whether all is in order",
            ),
            ("get <JAIL> action <ACT> actionban", "shows the command for a ban"),
            (
                "get <JAIL> action <ACT> actionunban",
                "shows the command for the end of a ban",
            ),
            (
                "get <JAIL> action <ACT> timeout",
                "shows how long a command may take",
            ),
            ("get <JAIL> action <ACT> <PROPERTY>", "shows any other property"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::{Program, WIDTH, usage};

    #[test]
    fn completion_finds_the_commands() {
        let text = usage(Program::Client);
        let mut words: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        words.dedup();
        words.sort_unstable();
        words.dedup();
        assert_eq!(
            words,
            [
                "add",
                "banned",
                "echo",
                "flushlogs",
                "get",
                "ping",
                "reload",
                "restart",
                "set",
                "start",
                "stats",
                "status",
                "stop",
                "unban",
                "version"
            ]
        );
        for property in [
            "loglevel",
            "<JAIL> banip",
            "<JAIL> action",
            "<JAIL> unbanip",
            "dbfile",
        ] {
            assert!(text.contains(&format!("    set {property} ")), "{property}");
        }
    }

    #[test]
    fn lines_are_short_and_the_server_has_no_commands() {
        for line in usage(Program::Client).lines() {
            assert!(line.chars().count() <= WIDTH && line.trim_end() == line, "{line}");
        }
        assert!(!usage(Program::Server).contains("Command:"));
    }
}
