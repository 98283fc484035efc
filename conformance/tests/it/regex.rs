//! `fail2ban-regex`: what it prints and its exit status, ours and the reference's, on the same files.
//!
//! The files are made here, but for the filters and sample logs of the reference, which are read in place. Times that
//! depend on the clock are taken out before comparing, and so is how long it took.

use std::fs;
use std::path::Path;
use std::process::Command;

use stockade_conformance::{Machine, Ran, Subject, can_make_machines, has_reference, run, spawn, until};

use crate::stage::{PATIENCE, Stage};

/// What `<REGEX>` can be, and what can be wrong with it.
#[rustfmt::skip]
const ARGUMENTS: [&[&str]; 66] = [
    &["-c", ".", "web.log", "web"],
    &["-c", ".", "web.log", "web[level=warn]"],
    &["-c", ".", "web.log", "web.conf"],
    &["-c", ".", "web.log", "web.conf[level=warn]"],
    &["-c", ".", "web.log", "filter.d/web.conf"],
    &["-c", ".", "web.log", "./filter.d/web.conf"],
    &["-c", ".", "web.log", "DIR/filter.d/web.conf"],
    &["-c", ".", "web.log", "./alone.conf"],
    &["-c", ".", "web.log", "DIR/alone.conf"],
    &["-c", ".", "web.log", "./alone"],
    &["-c", ".", "web.log", "sub/alone"],
    &["-c", ".", "web.log", "filter.d/web"],
    &["-c", ".", "web.log", "nosuch"],
    &["-c", ".", "web.log", "nosuch.conf"],
    &["-c", ".", "web.log", "web[x"],
    &["-c", ".", "web.log", "web[x]"],
    &["-c", ".", "web.log", "no-such-filter"],
    &["-c", ".", "web.log", "no-such-action"],
    &["-c", ".", "web.log", "nofilter"],
    &["-c", ".", "web.log", "own"],
    &["-c", ".", "web.log", "bad-regex"],
    &["-c", ".", "web.log", "no-id"],
    &["-c", ".", "web.log", "broken"],
    &["-c", ".", "web.log", "empty"],
    &["-c", ".", "web.log", "./broken.conf"],
    &["-c", ".", "web.log", "./bare.txt"],
    &["-c", ".", "web.log", "./sub"],
    &["-c", ".", "web.log", "DEFAULT"],
    &["-c", ".", "web.log", "INCLUDES"],
    &["-c", ".", "web.log", "bad-definition"],
    &["-c", ".", "web.log", "own[maxlines=2]"],
    &["-c", ".", "web.log", "lines[maxlines=zwei]"],
    &["-c", ".", "web.log", "lines[maxlines=0]"],
    &["-c", ".", "web.log", "lines[failregex=\"^ g <HOST>\"]"],
    &["-c", ".", "web.log", "bad-prefix"],
    &["-c", ".", "web.log", "of-empty"],
    &["-c", ".", "web.log", "of-empty-too"],
    &["-c", ".", "web.log", "only-local"],
    &["-c", ".", "web.log", "only-local.local"],
    &["-c", ".", "web.log", "dot.x"],
    &["-c", ".", "web.log", "dot.x.conf"],
    &["-c", ".", "web.log", "web\nx <HOST>"],
    &["-c", ".", "web.log", "web [level=warn]"],
    &["-c", ".", "web.log", " web"],
    &["-c", ".", "web.log", "web[]"],
    &["-c", ".", "web.log", "options"],
    &["-c", ".", "web.log", "options[zeta=0,mode=x,gamma=,delta=\"q w\",maxlines=1]"],
    &["-c", ".", "web.log", "options[journalmatch=\"_COMM=z\"]"],
    &["-c", ".", "web.log", ""],
    &["-c", ".", "web.log", "nosuch"],
    &["-c", ".", "web.log", "<HOST>$"],
    &["-c", ".", "web.log", "bad ( <HOST>"],
    &["-c", ".", "web.log", r"\S+ bad \S+ from <HOST>$"],
    &["-c", "./filter.d", "web.log", "web"],
    &["-c", "./", "web.log", "web.conf"],
    &["-c", "/nonexistent", "web.log", "web"],
    &["-c", "/nonexistent", "web.log", "^ x <HOST>$"],
    &["-c", "empty", "web.log", "web"],
    &["-vv", "-c", ".", "web.log", "options"],
    &["-vv", "-c", ".", "web.log", "own[level=x]"],
    &["-vv", "-c", ".", "web.log", "web.conf[level=warn,foo=bar]"],
    &["-vv", "-c", ".", "systemd-journal", "own"],
    &["-c", ".", "--", "web.log", "-x"],
    &["-c", ".", "-v", "web.log", "--", "web", "-v"],
    &["-c", ".", "web.log", "bad-value"],
    &["-c", ".", "web.log", "bad-jail"],
];

/// Filters of each kind, and what is listed of their hits.
#[rustfmt::skip]
const FILTERS: [&[&str]; 32] = [
    &["-c", ".", "session.log", "session"],
    &["-c", ".", "-v", "session.log", "session"],
    &["-c", ".", "--no-check-all", "-v", "session.log", "session"],
    &["-c", ".", "--print-all-matched", "--print-all-missed", "--print-all-ignored", "session.log", "session"],
    &["-c", ".", "-D", "--print-all-matched", "session.log", "session"],
    &["-c", ".", "-o", "row", "session.log", "session"],
    &["-c", ".", "groups.log", "groups"],
    &["-c", ".", "-v", "groups.log", "groups"],
    &["-c", ".", "--no-check-all", "-v", "groups.log", "groups"],
    &["-c", ".", "--print-all-matched", "--print-all-missed", "--print-all-ignored", "groups.log", "groups"],
    &["-c", ".", "-D", "--print-all-matched", "groups.log", "groups"],
    &["-c", ".", "-o", "row", "groups.log", "groups"],
    &["-c", ".", "lines.log", "lines"],
    &["-c", ".", "-v", "lines.log", "lines"],
    &["-c", ".", "--no-check-all", "-v", "lines.log", "lines"],
    &["-c", ".", "--print-all-matched", "--print-all-missed", "--print-all-ignored", "lines.log", "lines"],
    &["-c", ".", "-D", "--print-all-matched", "lines.log", "lines"],
    &["-c", ".", "-o", "row", "lines.log", "lines"],
    &["-c", ".", "--print-all-matched", "--print-all-missed", "repeated.log", "lines"],
    &["-c", ".", "-L", "3", "--print-all-matched", "--print-all-missed", "repeated.log", "lines"],
    &["-c", ".", "many.log", "many"],
    &["-c", ".", "-v", "many.log", "many"],
    &["-c", ".", "--no-check-all", "-v", "many.log", "many"],
    &["-c", ".", "--print-all-matched", "--print-all-missed", "--print-all-ignored", "many.log", "many"],
    &["-c", ".", "-D", "--print-all-matched", "many.log", "many"],
    &["-c", ".", "-o", "row", "many.log", "many"],
    &["-c", ".", "web.log", "web"],
    &["-c", ".", "-v", "web.log", "web"],
    &["-c", ".", "--no-check-all", "-v", "web.log", "web"],
    &["-c", ".", "--print-all-matched", "--print-all-missed", "--print-all-ignored", "web.log", "web"],
    &["-c", ".", "-D", "--print-all-matched", "web.log", "web"],
    &["-c", ".", "-o", "row", "web.log", "web"],
];

/// What `-o` prints.
#[rustfmt::skip]
const FORMATS: [&[&str]; 48] = [
    &["-c", ".", "-o", "id", "session.log", "session"],
    &["-c", ".", "-o", "id", "lines.log", "lines"],
    &["-c", ".", "-o", "ip", "session.log", "session"],
    &["-c", ".", "-o", "ip", "lines.log", "lines"],
    &["-c", ".", "-o", "msg", "session.log", "session"],
    &["-c", ".", "-o", "msg", "lines.log", "lines"],
    &["-c", ".", "-o", "user", "session.log", "session"],
    &["-c", ".", "-o", "user", "lines.log", "lines"],
    &["-c", ".", "-o", "matches", "session.log", "session"],
    &["-c", ".", "-o", "matches", "lines.log", "lines"],
    &["-c", ".", "-o", "users", "session.log", "session"],
    &["-c", ".", "-o", "users", "lines.log", "lines"],
    &["-c", ".", "-o", "<fid> <F-USER> <time> <failures> <matches> <bancount> <restored><br>|<sp>| <family> <ip-rev>", "session.log", "session"],
    &["-c", ".", "-o", "<fid> <F-USER> <time> <failures> <matches> <bancount> <restored><br>|<sp>| <family> <ip-rev>", "lines.log", "lines"],
    &["-o", "<ip-host>", "x 127.0.0.1", "x <HOST>"],
    &["-c", ".", "-o", "<msg>|<ip>|<msg>", "session.log", "session"],
    &["-c", ".", "-o", "<msg>|<ip>|<msg>", "lines.log", "lines"],
    &["-c", ".", "-o", "<raw-ticket>|<F-*>|<F-MATCHES>", "session.log", "session"],
    &["-c", ".", "-o", "<raw-ticket>|<F-*>|<F-MATCHES>", "lines.log", "lines"],
    &["-c", ".", "-o", "fid", "web.log", "web"],
    &["-c", ".", "-o", "dns", "web.log", "web"],
    &["-c", ".", "-o", "nosuch", "web.log", "web"],
    &["-c", ".", "-o", "<F-NOSUCH>|<nosuch>|<F-ID>|<ip", "web.log", "web"],
    &["-c", ".", "-o", "<>", "web.log", "web"],
    &["-c", ".", "-o", "a<b", "web.log", "web"],
    &["-c", ".", "-o", "<bantime>", "web.log", "web"],
    &["-c", ".", "-o", "<jail.name>", "web.log", "web"],
    &["-c", ".", "-o", "<ipmatches>", "web.log", "web"],
    &["-c", ".", "-o", "<fq-hostname>", "web.log", "web"],
    &["-c", ".", "-i", "-o", "row", "web.log", "web"],
    &["-c", ".", "-i", "-o", "id", "web.log", "web"],
    &["-c", ".", "-i", "-o", "msg", "web.log", "web"],
    &["-c", ".", "-i", "-o", "<msg>", "web.log", "web"],
    &["-c", ".", "-i", "-o", "matches", "web.log", "web"],
    &["-c", ".", "-i", "-o", "user", "web.log", "web"],
    &["-c", ".", "-i", "-o", "<family>|<ip-rev>|<F-ID>|<fid>|<F-*>|<F-MATCHES>|<raw-ticket>|<time>", "web.log", "web"],
    &["-o", "row", "x bob 192.0.2.1", r"x <F-ID>\S+</F-ID> <ADDR>"],
    &["-o", "<ip> <F-ID> <F-IP> <F-IP4>", "x bob 192.0.2.1", r"x <F-ID>\S+</F-ID> <ADDR>"],
    &["-o", "row", "x 192.0.2.0/24", "x <SUBNET>"],
    &["-o", "row", "x localhost", "x <HOST>"],
    &["-o", "<ip> <family> <ip-rev>.", "x 999.1.1.1", "x <HOST>"],
    &["-o", "<F-USER>|<msg>", "x <msg> 192.0.2.1", "x <F-USER>.*</F-USER> <HOST>"],
    &["-o", "row", "1704164645.123 x 192.0.2.1", "x <HOST>"],
    &["-o", "row", "x 192.0.2.1", "x <HOST>"],
    &["--TZ", "+0200", "-o", "row", "2024-01-02 03:04:05 x 192.0.2.1", "x <HOST>"],
    &["-o", "id", "web.log", "bad ("],
    &["-o", "id", "-c", ".", "web.log", "broken"],
    &["-i", "web.log", "<HOST>$"],
];

/// Options, and what `<LOG>` can be.
#[rustfmt::skip]
const OPTIONS: [&[&str]; 79] = [
    &["-c", ".", "-L", "1", "web.log", "web"],
    &["-c", ".", "-L", "3", "web.log", "web"],
    &["-c", ".", "-L", "2", "-v", "web.log", "web"],
    &["-c", ".", "--print-no-missed", "web.log", "web"],
    &["-c", ".", "--print-no-ignored", "web.log", "web"],
    &["-c", ".", "--usedns", "no", "web.log", "web"],
    &["-c", ".", "--usedns", "bogus", "-l", "error", "web.log", "web"],
    &["-c", ".", "-r", "web.log", "web"],
    &["-c", ".", "-t", "web.log", "web"],
    &["-c", ".", "-d", "^%Y-%m-%d %H:%M:%S", "web.log", "web"],
    &["-c", ".", "-d", "{^LN-BEG}", "web.log", "web"],
    &["-c", ".", "-d", "EPOCH", "web.log", "web"],
    &["-c", ".", "-d", "{NONE}", "web.log", "web"],
    &["-c", ".", "-d", "%Y-%m-%d %H:%M:%S\n%b %d %H:%M:%S", "web.log", "web"],
    &["-c", ".", "--TZ", "CET+01", "-v", "web.log", "web"],
    &["-c", ".", "--verbosity", "3", "web.log", "web"],
    &["-c", ".", "--verbosity", "-1", "web.log", "web"],
    &["-c", ".", "-l", "20", "web.log", "web"],
    &["-c", ".", "-l", "info", "web.log", "web"],
    &["-c", ".", "-v", "-L", "2", "session.log", "session"],
    &["-l", "bogus", "x", "x <HOST>"],
    &["-l", "warning", "x localhost", "x <HOST>$"],
    &["-l", "warning", "2024-02-30 01:02:03 x 192.0.2.1", "x <HOST>$"],
    &["-l", "warning", "latin.log", "<HOST>$"],
    &["--nosuch"],
    &["-z"],
    &["-L", "x", "a", "b"],
    &["-L", "-1", "web.log", "<HOST>"],
    &["-L", "0x10", "web.log", "<HOST>$"],
    &["-L", "0", "web.log", "<HOST>$"],
    &["--verbosity", "x", "a", "b"],
    &["--ver"],
    &["--print", "a"],
    &["-o"],
    &["--raw=1"],
    &["-V"],
    &["--version"],
    &["-V", "-z"],
    &["-e", "nosuch", "web.log", "<HOST>"],
    &["-e", "", "web.log", "<HOST>$"],
    &["web.log", "<HOST>", "("],
    &["web.log", "<HOST>", ""],
    &["web.log", "<HOST>$", "192"],
    &[".", "<HOST>$"],
    &["empty.log", "<HOST>"],
    &["unterminated.log", "<HOST>"],
    &["nosuch.log", "<HOST>$"],
    &["/dev/null", "<HOST>"],
    &["-e", "utf-8", "latin.log", "<HOST>$", "--print-all-matched"],
    &["-e", "latin-1", "latin.log", "<HOST>$", "--print-all-matched"],
    &["2024-01-02 03:04:05 x\n2024-01-02 03:04:06 y 192.0.2.1\n\n#c\nz", "y <HOST>$"],
    &["1\n2\n3\n4\n5\n6\n", "<HOST>$"],
    &["1\n2\n3\n4\n5", "<HOST>$"],
    &["-L", "5", "one line 192.0.2.1", "<HOST>$"],
    &["", "<HOST>$"],
    &["# c", "<HOST>$"],
    &[" ", "<HOST>$"],
    &["a\r\nb 192.0.2.1\r", "<HOST>$"],
    &["2024-01-02 03:04:05 a very long line that is longer than fifty three characters 192.0.2.1", r"a very long <F-X>\S+</F-X> that is longer than fifty three characters <HOST>$", "another very long thing that is longer than fifty three characters"],
    &["--usedns", "raw", "-v", "x localhost", "x <HOST>$"],
    &["-r", "-v", "x localhost", "x <HOST>$"],
    &["--usedns", "no", "-v", "x localhost", "x <HOST>$"],
    &["--TZ", "Europe/Berlin", "x", "x <HOST>"],
    &["--TZ", "", "x", "x <HOST>"],
    &["-m", "_COMM=\"a", "web.log", "<HOST>$"],
    &["-m", "_COMM=a", "web.log", "<HOST>$"],
    &["-d", "", "web.log", "<HOST>$"],
    &["-d", "%Y\n%Y", "web.log", "<HOST>"],
    &["-d", "%Y", "-L", "3", "--TZ", "CET", "-m", "_COMM=a", "-c", ".", "web.log", "own"],
    &["-L", "3", "--TZ", "XX", "-m", "_COMM=\"a", "web.log", "<HOST>"],
    &["systemd-journal[journalpath=DIR/empty]", "<HOST>"],
    &["-c", ".", "systemd-journal[journalpath=DIR/empty]", "session"],
    &["-c", ".", "systemd-journal[journalpath=/nonexistent]", "session"],
    &["-c", ".", "systemd-journal[foo=bar]", "session"],
    &["-c", ".", "systemd-journal[foo", "session"],
    &["-m", "_COMM=a b", "systemd-journal[journalpath=DIR/empty]", "<HOST>"],
    &["-m", "_COMM=\"a", "systemd-journal", "<HOST>"],
    &["-c", ".", "-m", "A=b \"C=d e\" + D=f", "systemd-journal[journalpath=DIR/empty]", "session"],
    &["-c", ".", "-m", "", "systemd-journal[journalpath=DIR/empty]", "session"],
];

/// Where we differ on purpose; `COMPATIBILITY.md` has a row for each.
#[rustfmt::skip]
const DIFFERENT: [&[&str]; 11] = [
    &["--help"],
    &["web.log"],
    &["--print-no-missed", "--print-all-missed", "web.log", "x"],
    &["-d", "%s", "web.log", "<HOST>"],
    &["-d", "(", "web.log", "<HOST>"],
    &["-c", ".", "web.log", "bad-date"],
    &["--TZ", "CETQ", "x", "x <HOST>"],
    &["--VD", "web.log", "<HOST>$"],
    &["-vv", "-c", ".", "web.log", "web[x]"],
    &["-c", ".", "-L", "3", "groups.log", "groups"],
    &["-o", "<matches>", "x <F-USER> 192.0.2.1", "x .* <HOST>"],
];

const JAILS: &str = r"
[DEFAULT]
backend = polling
maxretry = 3
logpath = /nonexistent/web.log
[web]
filter = web
[own]
filter = web[level=warn]
failregex = ^ own <HOST>$
            %(known/failregex)s
ignoreregex = spared
datepattern = ^%%Y-%%m-%%d %%H:%%M:%%S
maxlines = 2
usedns = no
logencoding = latin-1
[no-such-filter]
filter = nosuch
[no-such-action]
filter = web
action = nosuch
[nofilter]
failregex = ^ plain <HOST>$
[of-empty]
filter = empty
[of-empty-too]
filter = empty
failregex = ^ x <HOST>$
[bad-definition]
filter = web[x
[bad-jail]
filter = web
findtime = %(nosuch)s
";

const WEB: &str = r"
[INCLUDES]
before = common.conf
[Definition]
failregex = ^%(__prefix)s bad <F-USER>\S+</F-USER> from <HOST>$
            ^%(__prefix)s worse from <ADDR> <level>$
ignoreregex = ^%(__prefix)s bad root
[Init]
level = info
";

const COMMON: &str = r"
[DEFAULT]
__prefix = \s*\S+ app(?:\[\d+\])?:
";

/// Beside those of one expression each.
const FILES: [(&str, &str); 23] = [
    ("jail.conf", JAILS),
    ("filter.d/web.conf", WEB),
    ("filter.d/dot.x.conf", WEB),
    ("alone.conf", WEB),
    ("sub/alone.conf", WEB),
    ("filter.d/common.conf", COMMON),
    ("common.conf", COMMON),
    ("sub/common.conf", COMMON),
    ("alone.local", "[Definition]\nignoreregex = bad (?:root|joe)\n"),
    (
        "filter.d/session.conf",
        r"
[Definition]
prefregex = ^\s*\S+ app\[<F-MLFID>\d+</F-MLFID>\]: <F-CONTENT>.+</F-CONTENT>$
failregex = ^<F-NOFAIL>connect</F-NOFAIL> from <ADDR>$
            ^fail of <F-USER>\S+</F-USER>$
            ^<F-MLFFORGET>close</F-MLFFORGET>
            ^<F-NOFAIL><F-MLFGAINED>login</F-MLFGAINED></F-NOFAIL> of <F-USER>\S+</F-USER>
datepattern = {^LN-BEG}
journalmatch = _COMM=app + SYSLOG_IDENTIFIER=app
",
    ),
    (
        "filter.d/groups.conf",
        r"
[Definition]
prefregex = ^\s*\S+ app(?:\[<F-MLFID>\d+</F-MLFID>\])?: (?:<F-X>q</F-X> )?<F-CONTENT>.+</F-CONTENT>$
failregex = ^(?:<F-NOFAIL>connect</F-NOFAIL>|fail|<F-ALT_USER>\S+</F-ALT_USER>) from <ADDR>(?: user <F-USER>\S+</F-USER>)?$
            ^tuple <F-TUPLE_ID_1>\S+</F-TUPLE_ID_1> (?:<F-TUPLE_ID_2>\d+</F-TUPLE_ID_2> )?<F-ID/>$
            ^connect from <ADDR>
",
    ),
    (
        "filter.d/lines.conf",
        "[Definition]\nfailregex = ^ \\S+ begin \\d+ <HOST>$<SKIPLINES>^ \\S+ end$\nmaxlines = 5\n",
    ),
    (
        "filter.d/many.conf",
        r"
[Definition]
failregex = ^ many <HOST>
            many <HOST>$
            ^ \S+ <ADDR>$
            any <IP4>
            nothing <HOST>
ignoreregex = 192\.0\.2\.9
              \.9$
              none
",
    ),
    (
        "filter.d/options.conf",
        r"
[INCLUDES]
before = common.conf
[Definition]
_daemon = options
mode = normal
zeta = <alpha>-%(_daemon)s
failregex = ^ <mode> <zeta> <HOST>$
datepattern = {^LN-BEG}
journalmatch = _COMM=<mode> a=b
maxlines = 3
usedns = no
unused = 1
[Init]
alpha = 1
beta = 2
",
    ),
    ("filter.d/empty.conf", "[Definition]\n"),
    (
        "filter.d/bad-date.conf",
        "[Definition]\nfailregex = ^ x <HOST>$\ndatepattern = %%s\n",
    ),
    (
        "web.log",
        "# a comment\n\
         2024-01-02 03:04:05 srv app: bad bob from 192.0.2.1\n\
         \n\
         2024-01-02 03:04:06 srv app: bad joe from 2001:db8::2\n\
         2024-01-02 03:04:07 srv app: fine joe from 192.0.2.2\n\
         2024-01-02 03:04:08 srv app: bad root from 192.0.2.3\n\
         2024-01-02 03:04:09 srv app[12]: worse from 192.0.2.4 info\n\
         2024-01-02 03:04:10 srv app[12]: worse from 192.0.2.4 warn\n\
         Jan  2 03:04:11 srv app: bad eve from 192.0.2.1\n\
         nothing here\n",
    ),
    (
        "session.log",
        "2024-01-02 03:04:05 srv app[1]: connect from 192.0.2.1\n\
         2024-01-02 03:04:06 srv app[1]: fail of bob\n\
         2024-01-02 03:04:07 srv app[1]: close\n\
         2024-01-02 03:04:08 srv app[2]: fail of joe\n\
         2024-01-02 03:04:09 srv app[3]: connect from 192.0.2.3\n\
         2024-01-02 03:04:10 srv app[3]: login of eve\n\
         2024-01-02 03:04:11 srv app[3]: close\n\
         2024-01-02 03:04:12 srv other: nothing\n\
         2024-01-02 03:04:13 srv app[4]: something else\n",
    ),
    (
        "groups.log",
        "2024-01-02 03:04:05 srv app: q fail from 192.0.2.1\n\
         2024-01-02 03:04:05 srv app[1]: fail from 192.0.2.1 user bob\n\
         2024-01-02 03:04:05 srv app: it's from 2001:db8::1\n\
         2024-01-02 03:04:05 srv app: tuple one 12 xyz\n\
         2024-01-02 03:04:05 srv app: q tuple \"it's\" xyz\n\
         2024-01-02 03:04:05 srv app[2]: connect from 192.0.2.1\n\
         2024-01-02 03:04:05 srv app: connect from 192.0.2.1\n\
         2024-01-02 03:04:05 srv app: tupel \u{e9}\tx from 192.0.2.1\n",
    ),
    (
        "repeated.log",
        "2024-01-02 03:04:05 srv begin 1 192.0.2.1\n\
         2024-01-02 03:04:05 srv begin 1 192.0.2.1\n\
         2024-01-02 03:04:05 srv end\n\
         2024-01-02 03:04:05 srv other\n\
         2024-01-02 03:04:05 srv other\n\
         2024-01-02 03:04:05 srv end\n\
         2024-01-02 03:04:05 srv begin 2 192.0.2.2\n\
         2024-01-02 03:04:05 srv end\n\
         2024-01-02 03:04:05 srv begin 1 192.0.2.1\n\
         2024-01-02 03:04:05 srv other\n\
         2024-01-02 03:04:05 srv begin 1 192.0.2.1\n\
         2024-01-02 03:04:05 srv end\n",
    ),
    (
        "lines.log",
        "2024-01-02 03:04:05 srv begin 1 192.0.2.1\n\
         2024-01-02 03:04:06 srv other\n\
         2024-01-02 03:04:07 srv end\n\
         2024-01-02 03:04:08 srv begin 2 192.0.2.2\n\
         2024-01-02 03:04:08 srv end\n\
         2024-01-02 03:04:09 srv more\n",
    ),
    (
        "many.log",
        "2024-01-02 03:04:05 many 192.0.2.1\n\
         2024-01-02 03:04:05 many 192.0.2.9\n\
         2024-01-02 03:04:06 many 192.0.2.29\n\
         many 192.0.2.3\n",
    ),
    ("empty.log", ""),
];

/// Filters that are one line below `[Definition]`, and files that are none.
const SMALL_FILES: [(&str, &str); 10] = [
    (
        "filter.d/bad-regex.conf",
        "[Definition]\nfailregex = ^ bad ( <HOST>$\n",
    ),
    (
        "filter.d/bad-prefix.conf",
        "[Definition]\nprefregex = ^(\nfailregex = <HOST>\n",
    ),
    (
        "filter.d/bad-value.conf",
        "[Definition]\nfailregex = ^%(nosuch)s x <HOST>$\n",
    ),
    ("filter.d/no-id.conf", "[Definition]\nfailregex = ^ x$\n"),
    ("filter.d/broken.conf", "failregex = ^ x <HOST>$\n"),
    (
        "filter.d/only-local.local",
        "[Definition]\nfailregex = ^ l <HOST>$\n",
    ),
    ("broken.conf", "failregex = ^ x <HOST>$\n"),
    ("bare.txt", "bare <HOST>$\nbarer <ADDR>\n"),
    (
        "unterminated.log",
        "2024-01-02 03:04:05 srv app: bad bob from 192.0.2.1",
    ),
    ("empty/.keep", ""),
];

#[test]
fn every_kind_of_regex() {
    compare(&ARGUMENTS);
}

#[test]
fn every_kind_of_filter() {
    compare(&FILTERS);
}

#[test]
fn every_kind_of_format() {
    compare(&FORMATS);
}

#[test]
fn every_option_and_kind_of_log() {
    compare(&OPTIONS);
}

#[test]
fn the_samples_of_the_reference() {
    if !has_reference() {
        return;
    }
    let stage = stage();
    let configuration = Subject::package_configuration();
    let samples = Subject::package_tests().join("files/logs");
    let mut names: Vec<String> = fs::read_dir(&samples)
        .expect("the samples of the reference")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| configuration.join(format!("filter.d/{name}.conf")).exists())
        .collect();
    names.sort_unstable();
    assert!(names.len() > 90, "only {} filters have samples", names.len());
    let differences: Vec<String> = names
        .iter()
        .filter_map(|name| {
            let (log, filter) = (samples.join(name), format!("{name}.conf"));
            let words = [
                "-c",
                text(&configuration),
                "-r",
                "-v",
                text(&log),
                filter.as_str(),
            ];
            difference(&stage, &words)
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// A machine with a journal of its own, whose entries both read.
#[test]
fn the_journal() {
    const JOURNALD: &str = "/usr/lib/systemd/systemd-journald";
    const ENTRIES: &str = "\
        printf '%s\\n' 'connect from 192.0.2.1' 'fail of bob' 'something else' close '# no comment' | systemd-cat -t app\n\
        echo 'fail of joe' | systemd-cat -t other";
    const TRIALS: [&[&str]; 9] = [
        &[
            "-c",
            "DIR",
            "-m",
            "SYSLOG_IDENTIFIER=app",
            "systemd-journal",
            "session",
        ],
        &[
            "-c",
            "DIR",
            "-v",
            "-m",
            "SYSLOG_IDENTIFIER=app",
            "systemd-journal",
            "session",
        ],
        &[
            "-c",
            "DIR",
            "-m",
            "SYSLOG_IDENTIFIER=app + SYSLOG_IDENTIFIER=other",
            "systemd-journal",
            "session",
        ],
        &[
            "-m",
            "SYSLOG_IDENTIFIER=app",
            "--print-all-matched",
            "systemd-journal[journalpath=/run/log/journal]",
            "from <HOST>$",
        ],
        &[
            "-c",
            "DIR",
            "-o",
            "row",
            "-m",
            "SYSLOG_IDENTIFIER=app",
            "systemd-journal",
            "session",
        ],
        &[
            "-c",
            "DIR",
            "-o",
            "msg",
            "-m",
            "SYSLOG_IDENTIFIER=app",
            "systemd-journal",
            "session",
        ],
        &[
            "-c",
            "DIR",
            "-i",
            "-o",
            "<msg>|<time>",
            "-m",
            "SYSLOG_IDENTIFIER=app",
            "systemd-journal",
            "session",
        ],
        &[
            "-L",
            "3",
            "-m",
            "SYSLOG_IDENTIFIER=app",
            "systemd-journal",
            "from <HOST>$",
        ],
        &["-c", "DIR", "systemd-journal", "session"],
    ];
    if !has_reference() || !can_make_machines(&[JOURNALD, "systemd-cat"]) {
        return;
    }
    let (stage, machine) = (stage(), Machine::start("journal"));
    let _said = machine
        .sh("mkdir -p /run/systemd/journal /run/log/journal")
        .expect("making the journal's directories");
    let said = machine.directory().join("journald");
    let _journald = spawn(&mut machine.inside(&Command::new(JOURNALD)), &said);
    let wait_for = |what: &str| {
        until(what, PATIENCE, String::new, || {
            machine.sh(what).succeeded().then_some(())
        });
    };
    wait_for("test -S /run/systemd/journal/stdout");
    let _said = machine.sh(ENTRIES).expect("writing to the journal");
    wait_for("journalctl -q -t other | grep -q joe");
    let differences: Vec<String> = TRIALS
        .iter()
        .filter_map(|words| difference_inside(&stage, Some(&machine), words))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_known_difference_is_still_one() {
    if !has_reference() || Subject::under_test() == Subject::Reference {
        return;
    }
    let stage = stage();
    for words in DIFFERENT {
        assert!(
            difference(&stage, words).is_some(),
            "{words:?} makes no difference any more"
        );
    }
}

fn compare(trials: &[&[&str]]) {
    if !has_reference() {
        return;
    }
    let stage = stage();
    let differences: Vec<String> = trials
        .iter()
        .filter_map(|words| difference(&stage, words))
        .collect();
    assert!(
        differences.is_empty(),
        "{} of {} differ\n{}",
        differences.len(),
        trials.len(),
        differences.join("\n")
    );
}

/// How the two differ on these words.
fn difference(stage: &Stage, words: &[&str]) -> Option<String> {
    difference_inside(stage, None, words)
}

/// The same, perhaps inside a machine.
fn difference_inside(stage: &Stage, machine: Option<&Machine>, words: &[&str]) -> Option<String> {
    let expected = say(stage, machine, Subject::Reference, words);
    let found = say(stage, machine, Subject::under_test(), words);
    if (expected.status, &expected.stdout) == (found.status, &found.stdout) {
        return None;
    }
    let mut text = format!("{words:?}: status {} and {}\n", expected.status, found.status);
    let (theirs, ours): (Vec<&str>, Vec<&str>) =
        (expected.stdout.lines().collect(), found.stdout.lines().collect());
    for number in 0..theirs.len().max(ours.len()) {
        let (theirs, ours) = (theirs.get(number), ours.get(number));
        if theirs != ours {
            text.push_str(&format!(
                "  line {number}\n    the reference: {theirs:?}\n    ours: {ours:?}\n"
            ));
            break;
        }
    }
    text.push_str(&found.stderr);
    Some(text)
}

/// What it prints, as it would at any time and anywhere.
fn say(stage: &Stage, machine: Option<&Machine>, subject: Subject, words: &[&str]) -> Ran {
    let mut command = subject.regex();
    command
        .current_dir(stage.path())
        .env("TZ", "UTC")
        .env("LC_ALL", "C.UTF-8");
    command.args(words.iter().map(|word| stage.here(word)));
    if let Some(machine) = machine {
        command = machine.inside(&command);
    }
    let ran = run(&mut command, PATIENCE);
    Ran {
        stdout: ran.stdout.lines().map(|line| timeless(line) + "\n").collect(),
        ..ran
    }
}

/// A line without what depends on the clock: how long it took, the stamp of a record, the time that a line without
/// one is given.
fn timeless(line: &str) -> String {
    if line.starts_with("[processed in ") {
        return "[processed]".to_owned();
    }
    if let (Some((_, record)), Some(",")) = (line.split_once("]: "), line.get(19..20)) {
        return record.to_owned();
    }
    // `Sun Nov 22 05:22:20 2026`, at the end of a hit.
    match line.rsplit_once("  ") {
        Some((hit, time)) if hit.starts_with("|      ") && is_recent(time) => format!("{hit}  NOW"),
        Some(_) | None => line.to_owned(),
    }
}

/// Whether a time is of this year or later; those of the logs here are older, or have been given on purpose.
fn is_recent(time: &str) -> bool {
    let year = time.get(20..24).and_then(|year| year.parse::<i32>().ok());
    year.is_some_and(|year| year >= 2026) && !time.contains("Jan 02 ")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path of a workspace is text")
}

fn stage() -> Stage {
    let stage = Stage::new(&[]);
    for name in ["sub", "empty"] {
        fs::create_dir(stage.path().join(name)).expect("a directory of our own");
    }
    for (name, text) in FILES.iter().chain(&SMALL_FILES) {
        stage.write(name, text);
    }
    let latin = b"2024-01-02 03:04:05 srv app: bad caf\xe9 from 192.0.2.1\n";
    fs::write(stage.path().join("latin.log"), latin).expect("a directory of our own");
    stage
}
