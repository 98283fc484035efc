//! The kinds of mistakes, by the names under which the manual has them.

/// How bad a mistake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The reference refuses it: the jail, or the whole configuration, would not start.
    Error,
    /// The reference passes over it, and it is certainly not meant.
    Warning,
    /// It works; it is worth knowing.
    Note,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $about:literal;)*) => {
        /// A kind of mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $about] $variant,)*
        }

        impl Code {
            /// All kinds, in the order of the manual.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name, as reports have it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// How bad it usually is.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                }
            }

            /// What it means.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => $about,)*
                }
            }
        }
    };
}

codes! {
    // Reading.
    MissingConfiguration "missing-configuration" Error "The directory, `fail2ban.conf` or `jail.conf` is not there, with all its layers.";
    UnreadableFile "unreadable-file" Error "A file is there and cannot be read: a directory, no permission, too long.";
    NotUtf8 "not-utf8" Error "A file has bytes that are no UTF-8.";
    ByteOrderMark "byte-order-mark" Error "A file begins with a byte order mark, which hides its first section.";
    ControlCharacter "control-character" Warning "A line has a NUL or another character that cannot be seen.";
    OddQuotes "odd-quotes" Warning "A definition has typographic quotes, which quote nothing.";
    NoSectionHeader "no-section-header" Error "Something stands before the first section of a file.";
    NotAnOption "not-an-option" Error "A line is neither a section nor `option = value`, nor does it continue a value.";
    DuplicateOption "duplicate-option" Error "An option stands twice in a section of one file.";
    DuplicateSection "duplicate-section" Error "A section stands twice in one file.";
    MissingInclude "missing-include" Warning "An included file does not exist.";
    BadInterpolation "bad-interpolation" Error "A `%` that is neither `%%` nor `%(name)s`.";
    UnknownVariable "unknown-variable" Error "`%(name)s` names no option.";
    Recursion "recursion" Error "A value leads to itself, by `%(name)s` or by `<tag>`, or too deep.";
    BadDefinition "bad-definition" Error "`name[option=value, …]` cannot be read.";
    UnclosedQuote "unclosed-quote" Warning "The quote of a parameter is not closed, so that it is part of the value.";
    UnknownFilter "unknown-filter" Error "A filter has no file.";
    UnknownAction "unknown-action" Error "An action has no file.";
    NoDefinition "no-definition" Warning "A filter or an action has no section `[Definition]`, so that it does nothing.";
    TooMuch "too-much" Error "A limit of the reader is reached.";
    // Values.
    BadNumber "bad-number" Error "A value is no whole number, or none that makes sense.";
    BadTruth "bad-truth" Warning "A value is neither true nor false; it counts as false.";
    BadTime "bad-time" Error "A value is no time, such as `10m`.";
    BadBackend "bad-backend" Error "There is no such backend.";
    BadEncoding "bad-encoding" Error "There is no such encoding.";
    BadTimeZone "bad-time-zone" Error "There is no such time zone.";
    BadUsedns "bad-usedns" Warning "`usedns` is none of `yes`, `warn`, `no`, `raw`; it counts as `no`.";
    BadLoglevel "bad-loglevel" Error "There is no such level of the log.";
    BadLogtarget "bad-logtarget" Warning "`logtarget` is neither a path nor a known target.";
    BadSyslogsocket "bad-syslogsocket" Warning "`syslogsocket` is neither `auto` nor a path.";
    BadSocket "bad-socket" Error "`reportsocket`, `sysloglisten` or `syslogallow` cannot be read.";
    BadLogPosition "bad-log-position" Error "The last word of a line of `logpath` is neither `head` nor `tail`.";
    BadIgnoreCache "bad-ignore-cache" Error "`ignorecache` cannot be read.";
    BadMultipliers "bad-multipliers" Error "`bantime.multipliers` is no list of whole numbers.";
    BadJournalMatch "bad-journal-match" Error "A word of `journalmatch` is neither `FIELD=value` nor `+`.";
    BadAddress "bad-address" Warning "A word of `ignoreip` is no address, no network and no name.";
    MissingCommand "missing-command" Warning "The program of `ignorecommand`, or of a command in `logpath`, does not exist.";
    NoSocket "no-socket" Warning "A jail takes reports or messages of syslog, and `fail2ban.conf` has no socket for them.";
    MissingList "missing-list" Warning "A `file:` in `ignoreip` does not exist.";
    BadFormula "bad-formula" Error "`bantime.formula` or `bantime.factor` cannot be computed.";
    NoTime "no-time" Warning "A time that is not above zero: bans end, or failures are forgotten, at once.";
    QuotedValue "quoted-value" Warning "Quotes around a value are part of it.";
    CommentInValue "comment-in-value" Warning "A `#` behind a value is part of it.";
    Outdated "outdated" Warning "Earlier versions understood it; it means something else now, or nothing.";
    // Patterns.
    BadPattern "bad-pattern" Error "A regular expression does not compile.";
    BadDatePattern "bad-date-pattern" Error "A `datepattern` cannot be read.";
    BadStructure "bad-structure" Error "An option about structured lines cannot be used.";
    NoDate "no-date" Warning "A `datepattern` has no part of a date.";
    NoFailureId "no-failure-id" Error "A `failregex` captures nobody.";
    Unanchored "unanchored" Warning "A `failregex` does not begin with `^`, so that an attacker can write what it matches.";
    LooseAnchor "loose-anchor" Note "A `failregex` begins with `^.*`, which is no better than no `^`.";
    Backtracking "backtracking" Note "An expression that no automaton can match; its search has a limit on steps.";
    NoContent "no-content" Note "A `prefregex` without `<F-CONTENT>` leaves the whole line to `failregex`.";
    IgnoresEverything "ignores-everything" Warning "An `ignoreregex` matches every line, so that none is a failure.";
    CutByComment "cut-by-comment" Warning "A blank and a `;` end a value, also within an expression or a command.";
    UnknownTag "unknown-tag" Warning "A `<tag>` that nothing defines stays as it is.";
    MalformedMessage "malformed-message" Error "A text of an action of `type = http` or `mail` is no request, or no mail.";
    // Names.
    UnknownOption "unknown-option" Warning "Nobody reads an option.";
    MisplacedOption "misplaced-option" Warning "An option stands where nobody reads it, but would be read elsewhere.";
    UnknownSection "unknown-section" Warning "Nobody reads a section.";
    UnknownParameter "unknown-parameter" Warning "A filter or an action does not know a parameter.";
    ShadowedValue "shadowed-value" Warning "A value never counts, because another one always wins.";
    StrayFile "stray-file" Warning "A file in the directory of layers is not read, for its name has the wrong end.";
    // Jails.
    NoFilter "no-filter" Warning "An enabled jail has no filter.";
    NoAction "no-action" Warning "An enabled jail has no action.";
    NoFailregex "no-failregex" Warning "An enabled jail has no `failregex`, so that it matches nothing.";
    NoLog "no-log" Warning "An enabled jail has neither log files nor the journal to read.";
    MissingLog "missing-log" Warning "None of the log files of a jail exists.";
    UnreadSource "unread-source" Warning "A `logpath` beside the journal, or a `journalmatch` beside files: it is not read.";
    BansAtOnce "bans-at-once" Warning "`maxretry` below 1 counts as 1.";
    NoIncrement "no-increment" Warning "Options of `bantime.increment` count only where that is on.";
    NeverEndingBan "never-ending-ban" Warning "`bantime.increment` has nothing to make longer, for bans are permanent.";
    NoDatabase "no-database" Warning "`bantime.increment` counts earlier bans in the database, and there is none.";
    ShortMemory "short-memory" Warning "Earlier bans are forgotten sooner than `bantime.increment` needs them.";
    DuplicateAction "duplicate-action" Error "Two actions of a jail have the same name.";
    OverlappingActions "overlapping-actions" Warning "Two actions use the same chain or set of the firewall.";
    LongName "long-name" Warning "A name is longer than the firewall allows.";
    UnknownPort "unknown-port" Warning "A port has a name that this machine does not know.";
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn names_differ_and_are_words() {
        let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for name in names {
            assert!(
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{name}"
            );
        }
    }
}
