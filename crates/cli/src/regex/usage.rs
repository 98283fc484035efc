//! The help of `fail2ban-regex`.

/// How it is called.
pub(super) const SYNTAX: &str = "Usage: fail2ban-regex [OPTIONS] <LOG> <REGEX> [IGNOREREGEX]";

/// The help below the syntax.
pub(super) const HELP: &str = "
Tries a filter or an expression on a log and says what it finds, as stockade
would find it. Nothing is banned.

LOG:
  FILE                  a log file
  systemd-journal       the journal; options as for the backend `systemd`, as in
                        systemd-journal[journalpath=/var/log/journal]
  TEXT                  anything else is a line itself, or several lines

REGEX:
  NAME                  a jail, or a filter of filter.d; with options in brackets,
                        as in sshd[mode=aggressive]
  FILE                  a filter file, as in ./sshd.conf
  TEXT                  anything else is a failregex itself

IGNOREREGEX:
  TEXT                  an ignoreregex, in place of those of the filter

Options:
  --version             print the version and exit
  -V                    print the version alone and exit
  -h, --help            print this help and exit
  -c DIR, --config=DIR  read jails and filters from this directory
  -d PATTERN, --datepattern=PATTERN
                        how dates look, in place of what the filter says
  --timezone=ZONE, --TZ=ZONE
                        the zone of dates that name none, as in UTC or +0200
  -e NAME, --encoding=NAME
                        the encoding of the log file [default: that of the locale]
  -r, --raw             keep host names as they are, do not look them up
  --usedns=HOW          yes, warn, no or raw: what to do about host names
                        [default: warn]
  -L NUMBER, --maxlines=NUMBER
                        how many lines an expression sees at once; also how many
                        lines of a kind are listed at most
  -m WORDS, --journalmatch=WORDS
                        which entries of the journal to read, in place of what the
                        filter says
  -l LEVEL, --log-level=LEVEL
                        which records of the log to show [default: critical]
  -v, --verbose         show every hit; twice, show the filter's options as well
  --verbosity=NUMBER    the same as so many -v, from 0 to 4
  --verbose-date, --VD  show how the date formats were used
  -D, --debuggex        list lines as addresses at debuggex.com
  --no-check-all        stop at the first failregex that matches, as a jail does
  -o FORMAT, --out=FORMAT
                        print nothing but failures: id, ip, msg, row, the name of
                        a group, or a text with tags such as '<ip> <F-USER>'
  -i, --invert          with -o, print the lines that are no failures
  --print-no-missed     do not list the lines that match nothing
  --print-no-ignored    do not list the lines that are ignored
  --print-all-matched   list the lines that match
  --print-all-missed    list all lines that match nothing, however many
  --print-all-ignored   list all lines that are ignored, however many
  -t, --log-traceback   has no effect
  --full-traceback      has no effect

`stockade test` says for each line at which step it was dropped, and counts.
";
