//! Random configurations: a seed → the files of one, and how a client is called for it.
//!
//! Most can be used, for a mistake hides whatever comes after it; some have one. What is said here of a variable's
//! place in [`VARIABLES`] keeps them from leading to themselves all the time.
//!
//! Invariant: the same seed always gives the same files; a change here makes the recorded answers void.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::random::{Random, digest};

/// A configuration in the directory `conf`, with logs in `logs`.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// What is in the files, by path. A path that ends in `/` is an empty directory.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// The arguments of the client.
    pub(super) words: Vec<&'static str>,
}

impl Tree {
    /// The tree of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut grower = Grower {
            random: Random(seed),
            tree: Self::default(),
            seen: BTreeSet::new(),
            level: 0,
            language: Language::Jail,
            section: "",
        };
        grower.grow();
        grower.tree
    }

    /// A number that changes with everything in the tree.
    pub(super) fn digest(&self) -> u64 {
        let mut all = digest(self.words.join(" ").as_bytes());
        for (path, content) in &self.files {
            all = all.rotate_left(5) ^ digest(path.as_bytes());
            all = all.rotate_left(5) ^ digest(content);
        }
        all
    }
}

/// Options without a meaning of their own. Each refers to later ones only, as a rule.
const VARIABLES: [&str; 9] = [
    "alpha",
    "beta",
    "gamma",
    "two words",
    "a/b",
    "delta",
    "zeta.x",
    "Eta",
    "theta",
];

/// Pieces of values, everything in them as it is.
const WORDS: [&str; 64] = [
    "x",
    "22",
    "ssh",
    "^a",
    "fail",
    "192.0.2.1",
    "café",
    "it's",
    "\"q\"",
    "a,b",
    "[x]",
    "100",
    "-w",
    "$",
    "\\d+",
    "\\",
    "a;b",
    "=",
    ":",
    "${v}",
    "~",
    "\u{a0}z",
    "<",
    ">",
    "<>",
    "< x>",
    "(?:y)",
    "b\\n",
    "'",
    "\"",
    "#c",
    " # c",
    " ;c",
    ";",
    "true",
    "\t",
    "\u{85}",
    "\u{2028}s",
    "\u{1f512}",
    "\u{b}v",
    "\u{1c}",
    "İ",
    "a = b",
    "[",
    "]",
    "][",
    "[a=1]",
    "--x y",
    "|",
    "&&",
    "{a}",
    "*",
    "?",
    "a?b",
    "<a b>",
    "<x",
    "y>",
    "!",
    "`",
    "\u{200b}",
    "ß",
    "ǅ",
    "_",
    ".",
];

/// Whose files are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Server,
    Jail,
    Filter,
    Action,
}

/// Options by section, in the order of a file.
type Sections = Vec<(String, Vec<(String, String)>)>;

struct Grower {
    random: Random,
    tree: Tree,
    /// Sections and options that the files so far of one name have.
    seen: BTreeSet<(String, String)>,
    /// Where in [`VARIABLES`] a value belongs; it refers to what comes from there on.
    level: usize,
    language: Language,
    /// The section that is written.
    section: &'static str,
}

const FILTERS: [&str; 3] = ["door", "lattice", "sub/inner"];
const ACTIONS: [&str; 3] = ["lock", "note", "sub/bar"];
const JAILS: [&str; 8] = [
    "door",
    "gate",
    "web-1",
    "a.b",
    "two words",
    "UPPER",
    "ünï",
    "lattice",
];
const PARTS: [&str; 4] = ["part_one", "part_two", "part-three", "Part_Four"];

impl Grower {
    fn grow(&mut self) {
        self.tree.words = match self.random.below(20) {
            0 | 1 => vec!["-c", "conf", "--dp"],
            2 => vec!["-c", "conf", "-t"],
            3 => vec!["-c", "conf", "-d", "-t"],
            4 => vec!["-c", "conf", "-v", "-d"],
            5 => vec!["-c", "conf/", "-d"],
            _ => vec!["-c", "conf", "-d"],
        };
        self.server();
        for name in FILTERS {
            if !self.random.happens(30) {
                self.parts(Language::Filter, &format!("conf/filter.d/{name}"));
            }
        }
        for name in ACTIONS {
            if !self.random.happens(30) {
                self.parts(Language::Action, &format!("conf/action.d/{name}"));
            }
        }
        self.jails();
        self.logs();
        if self.random.happens(60) {
            self.mistake();
        }
    }

    fn server(&mut self) {
        self.language = Language::Server;
        self.seen.clear();
        if self.random.happens(10) {
            return;
        }
        let mut paths = vec!["conf/fail2ban.conf"];
        for more in [
            "conf/fail2ban.d/a.conf",
            "conf/fail2ban.local",
            "conf/fail2ban.d/b.local",
        ] {
            if self.random.happens(120) {
                paths.push(more);
            }
        }
        for path in paths {
            let mut sections = Sections::new();
            let mut names = vec!["Definition"];
            if self.random.happens(500) {
                names.insert(0, "DEFAULT");
            }
            if self.random.happens(200) {
                names.push("Thread");
            }
            if self.random.happens(10) {
                names.retain(|name| *name != "Definition");
            }
            for name in names {
                let mut options = Vec::new();
                self.level = VARIABLES.len();
                if name == "Thread" {
                    options.push(("stacksize".to_owned(), self.integer()));
                } else {
                    for option in [
                        "loglevel",
                        "logtarget",
                        "syslogsocket",
                        "socket",
                        "pidfile",
                        "allowipv6",
                        "dbfile",
                        "dbpurgeage",
                        "dbmaxmatches",
                        "other",
                    ] {
                        if !self.random.happens(250) {
                            continue;
                        }
                        let value = match option {
                            "loglevel" => {
                                let usual = ["INFO", "debug", "WARN", "17", "HeavyDebug", "%(__name__)s"];
                                let at = if self.random.happens(15) { 6 } else { 5 };
                                self.random.pick(usual.get(..at).expect("within")).to_owned()
                            }
                            "logtarget" => self
                                .random
                                .pick(&[
                                    "STDOUT",
                                    "/var/log/x.log",
                                    "SYSLOG[facility=AUTH]",
                                    "x[format=\"%%(message)s\"]",
                                ])
                                .to_owned(),
                            "dbmaxmatches" => self.integer(),
                            "dbpurgeage" => self
                                .random
                                .pick(&["1d", "86400", "-1", "", "%(dbfile)s"])
                                .to_owned(),
                            "dbfile" => self.random.pick(&["None", ":memory:", "/x/y", "a ;b"]).to_owned(),
                            _ => self
                                .random
                                .pick(&["auto", "yes", "/dev/log", "run/%(__name__)s/x", "100%%"])
                                .to_owned(),
                        };
                        options.push((option.to_owned(), value));
                    }
                }
                sections.push((name.to_owned(), options));
            }
            // It has to be there for the general options that refer to it.
            if path.ends_with("fail2ban.conf") {
                sections.push(("More".to_owned(), Vec::new()));
                if let Some((_, options)) = sections.first_mut()
                    && !options.iter().any(|(name, _)| name == "dbfile")
                {
                    options.push(("dbfile".to_owned(), "run/db".to_owned()));
                }
            }
            self.write(path, &sections);
        }
    }

    /// The files of one filter or action.
    fn parts(&mut self, language: Language, base: &str) {
        self.language = language;
        self.seen.clear();
        let directory = base
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory)
            .to_owned();
        let mut includes = Vec::new();
        if self.random.happens(350) {
            let common = format!("{directory}/common.conf");
            if !self.tree.files.contains_key(&common) {
                let sections = self.definition(false);
                self.write(&common, &sections);
                if self.random.happens(300) {
                    let sections = self.definition(false);
                    self.write(&format!("{directory}/common.local"), &sections);
                }
            }
            includes = self.includes("common.conf");
        }
        let mut sections = includes;
        sections.extend(self.definition(true));
        self.write(&format!("{base}.conf"), &sections);
        for more in [".d/1.conf", ".d/2.conf", ".local", ".d/1.local"] {
            if self.random.happens(120) {
                let sections = self.definition(false);
                self.write(&format!("{base}{more}"), &sections);
            }
        }
    }

    fn includes(&mut self, name: &str) -> Sections {
        let mut options = Vec::new();
        let mut sections = Sections::new();
        let name = match self.random.below(6) {
            0 => format!("./{name}"),
            1 => format!("nosuch.conf\n {name}"),
            2 => format!("\n {name}\n\n {name}"),
            3 => {
                let stem = name.strip_suffix(".conf").unwrap_or(name).to_owned();
                options.push(("stem".to_owned(), stem));
                "%(stem)s.conf".to_owned()
            }
            _ => name.to_owned(),
        };
        let option = if self.random.happens(700) {
            "before"
        } else {
            "after"
        };
        options.push((option.to_owned(), name));
        if self.random.happens(100) {
            let other = if option == "before" { "after" } else { "before" };
            options.push((other.to_owned(), "nosuch.local".to_owned()));
        }
        sections.push(("INCLUDES".to_owned(), options));
        sections
    }

    /// The sections of a file of a filter or action.
    fn definition(&mut self, is_whole: bool) -> Sections {
        let mut sections = Sections::new();
        let often = if is_whole { 800 } else { 350 };
        if self.random.happens(400) {
            self.section = "DEFAULT";
            let options = self.variables(500);
            sections.push(("DEFAULT".to_owned(), options));
        }
        for part in PARTS {
            if self.random.happens(if is_whole { 500 } else { 150 }) {
                self.section = part;
                let options = self.variables(400);
                sections.push((part.to_owned(), options));
            }
        }
        if self.random.happens(if is_whole { 985 } else { 600 }) {
            self.section = "Definition";
            let mut options = self.variables(if is_whole { 850 } else { 200 });
            options.extend(self.standard(often));
            if self.random.happens(200) {
                options.push(("re-one".to_owned(), "1st".to_owned()));
                options.push(("re-two".to_owned(), "2nd<re-one>".to_owned()));
            }
            if self.random.happens(100) {
                let value = self.random.pick(&["host", "<mode>", ""]).to_owned();
                options.push((
                    self.random
                        .pick(&["host", "mode", "f-user", "logtype", "__prefix"])
                        .to_owned(),
                    value,
                ));
            }
            self.shuffle(&mut options);
            sections.push(("Definition".to_owned(), options));
        }
        if self.random.happens(if is_whole { 600 } else { 250 }) {
            self.section = "Init";
            let mut options = self.variables(400);
            if self.random.happens(150) {
                let extra = self.standard(150);
                options.extend(extra);
            }
            if self.random.happens(400) {
                options.push((
                    "mode".to_owned(),
                    self.random.pick(&["one", "two", "normal", ""]).to_owned(),
                ));
            }
            if self.random.happens(80) {
                options.push((
                    self.random
                        .pick(&["name", "actname", "logtype", "known/alpha", "beta?family=inet4"])
                        .to_owned(),
                    "own".to_owned(),
                ));
            }
            sections.push(("Init".to_owned(), options));
        }
        if self.random.happens(if self.language == Language::Action {
            350
        } else {
            60
        }) {
            self.section = "Init";
            let mut options = self.variables(350);
            if self.random.happens(150) {
                let extra = self.standard(150);
                options.extend(extra);
            }
            let section = self.random.pick(&[
                "Init?family=inet6",
                "Init?family=inet6",
                "Init?family=inet4",
                "Definition?family=inet6",
                "Init?x=y",
            ]);
            sections.push((section.to_owned(), options));
        }
        if self.random.happens(200) {
            self.shuffle(&mut sections);
        }
        sections
    }

    /// Some of the variables, each with a value.
    fn variables(&mut self, often: usize) -> Vec<(String, String)> {
        let mut options = Vec::new();
        for (level, name) in VARIABLES.into_iter().enumerate() {
            if self.random.happens(often) {
                self.level = level + 1;
                let value = self.value(name);
                options.push((name.to_owned(), value));
            }
        }
        self.level = 0;
        options
    }

    /// Some of the options that mean something.
    fn standard(&mut self, often: usize) -> Vec<(String, String)> {
        const FILTER: [&str; 7] = [
            "usedns",
            "prefregex",
            "ignoreregex",
            "failregex",
            "maxlines",
            "datepattern",
            "journalmatch",
        ];
        const ACTION: [&str; 13] = [
            "actionstart",
            "actionstart_on_demand",
            "actionstop",
            "actionflush",
            "actionreload",
            "actioncheck",
            "actionrepair",
            "actionrepair_on_unban",
            "actionban",
            "actionprolong",
            "actionreban",
            "actionunban",
            "norestored",
        ];
        let names: &[&str] = if self.language == Language::Action {
            &ACTION
        } else {
            &FILTER
        };
        let mut options = Vec::new();
        for name in names {
            let common = ["failregex", "actionban", "actionstart", "actionunban"].contains(name);
            if self.random.happens(if common { often } else { often / 4 }) {
                let value = self.standard_value(name);
                options.push(((*name).to_owned(), value));
            }
        }
        options
    }

    fn standard_value(&mut self, name: &str) -> String {
        self.level = 0;
        match name {
            "maxlines" => self.integer(),
            "norestored" | "actionstart_on_demand" | "actionrepair_on_unban" => self.truth(),
            "usedns" => self
                .random
                .pick(&["yes", "no", "warn", "raw", "", "%(__name__)s"])
                .to_owned(),
            "journalmatch" => self.journalmatch(),
            "failregex" | "ignoreregex" => {
                let mut lines = String::new();
                for number in 0..=self.random.below(3) {
                    let line = self.text(name);
                    if number > 0 {
                        lines.push_str("\n  ");
                    }
                    write!(lines, "^{line} <HOST>$").expect("it is text");
                }
                if self.random.happens(50) {
                    lines.insert_str(0, "\n\n ");
                }
                lines
            }
            _ => self.value(name),
        }
    }

    fn journalmatch(&mut self) -> String {
        let odd = self.random.happens(20);
        let words: &[&str] = if odd {
            &["_COMM='x", "a\\"]
        } else {
            &[
                "_COMM=x",
                "_SYSTEMD_UNIT=my.service + _COMM=y",
                "'_COMM=a b' +  _UID=0",
                "\"x y\"=z",
                "_A=\\ b",
                "_A=1\n _B=2",
                "%(alpha)s",
                "",
                "_A='b'\"c\"d # e",
                "_Ü=é",
            ]
        };
        self.random.pick(words).to_owned()
    }

    fn integer(&mut self) -> String {
        let usual = ["5", "07", "+3", "1_000", "0", "-5", "12345678901234567890123"];
        let odd = ["five", "", "1__0", "1.0", "0x10", "_1", "٣", "1 0", "- 1"];
        if self.random.happens(60) {
            self.random.pick(&odd).to_owned()
        } else {
            self.random.pick(&usual).to_owned()
        }
    }

    fn truth(&mut self) -> String {
        self.random
            .pick(&[
                "true", "1", "on", "YES", "True", "false", "0", "no", "off", "maybe", "", "true # x",
                "true ; x", "2",
            ])
            .to_owned()
    }

    /// A value of one or more lines.
    fn value(&mut self, name: &str) -> String {
        if self.random.happens(40) {
            return String::new();
        }
        let mut value = self.text(name);
        while self.random.happens(120) {
            value.push_str(self.random.pick(&[
                "\n ",
                "\n\t",
                "\n    ",
                "\n\n  ",
                "\n# comment\n ",
                "\n  ;c\n ",
                "\n  [x]\n  ",
            ]));
            let line = self.text(name);
            value.push_str(&line);
        }
        if self.random.happens(10) {
            let word = self
                .random
                .pick(&["abc ", "words and more ", "x", "\" ' ", "é\n  "]);
            value.push_str(&word.repeat(80 + self.random.below(400)));
        }
        value
    }

    /// One line of an option.
    fn text(&mut self, name: &str) -> String {
        let mut text = String::new();
        for _ in 0..=self.random.below(4) {
            let piece = self.piece(name);
            text.push_str(&piece);
            if self.random.happens(600) {
                text.push(' ');
            }
        }
        text
    }

    /// A variable that comes later than what is being written.
    fn later(&mut self) -> Option<&'static str> {
        let later = VARIABLES.get(self.level..).filter(|later| !later.is_empty())?;
        Some(self.random.pick(later))
    }

    fn piece(&mut self, name: &str) -> String {
        let tags = self.language == Language::Filter || self.language == Language::Action;
        let word = |grower: &mut Self| {
            // The first ones do no harm anywhere.
            let at = if grower.random.happens(700) {
                8
            } else {
                WORDS.len()
            };
            grower.random.pick(WORDS.get(..at).expect("within")).to_owned()
        };
        if self.language == Language::Server {
            return word(self);
        }
        match self.random.below(100) {
            0..15 => match self.later() {
                Some(later) if self.is_defined(later) => format!("%({later})s"),
                Some(_) | None => word(self),
            },
            15..18 => "%%".to_owned(),
            18..21 => "%(__name__)s".to_owned(),
            21..25 => match self.later() {
                Some(later) if self.is_seen("DEFAULT", later) => {
                    let key = self.random.pick(&["default/", "known/", "default/", "DEFAULT/"]);
                    let key = if key == "DEFAULT/" && !self.random.happens(30) {
                        "default/"
                    } else {
                        key
                    };
                    let later = self.lower(later);
                    format!("%({key}{later})s")
                }
                Some(_) | None => word(self),
            },
            25..28 => self.qualified(),
            28..31 if self.section != "DEFAULT" && self.is_seen("", name) => format!("%(known/{name})s"),
            31..33 if self.language == Language::Jail => self
                .random
                .pick(&["%(fail2ban_version)s", "%(fail2ban_confpath)s/x"])
                .to_owned(),
            33 if self.random.happens(40) => self
                .random
                .pick(&[
                    "%(nope)s",
                    "%(Alpha)s",
                    "%x",
                    "%(alpha)",
                    "%()s",
                    "%(part_one/nope)s",
                    "100%",
                    "%(known/nope)s",
                    "%(nope/alpha)s",
                ])
                .to_owned(),
            34..60 if tags => self.tag(name),
            34..38 if !tags => self
                .random
                .pick(&["<ip>", "<alpha>", "<known/alpha>", "<HOST>"])
                .to_owned(),
            _ => word(self),
        }
    }

    /// A name as it must be written behind a slash, as a rule.
    fn lower(&mut self, name: &str) -> String {
        if self.random.happens(30) {
            name.to_owned()
        } else {
            name.to_lowercase()
        }
    }

    /// A reference to an option of another section.
    fn qualified(&mut self) -> String {
        let Some(later) = self.later() else {
            return "x".to_owned();
        };
        let sections: &[&str] = match self.language {
            Language::Jail => &["settings", "other-settings"],
            Language::Server | Language::Filter | Language::Action => &["part_one", "part_two", "part-three"],
        };
        let section = self.random.pick(sections);
        let certain =
            self.is_seen(section, later) || (self.has_section(section) && self.is_seen("DEFAULT", later));
        if certain || self.random.happens(10) {
            let later = self.lower(later);
            format!("%({section}/{later})s")
        } else {
            "y".to_owned()
        }
    }

    fn tag(&mut self, name: &str) -> String {
        if let Some(later) = self.later() {
            match self.random.below(20) {
                0..7 => return format!("<{later}>"),
                7 => return format!("<{}>", later.to_uppercase()),
                8 => return format!("<known/{later}>"),
                9 => return format!("<{}/{later}>", self.random.pick(&PARTS)),
                10 => return format!("<part_<mode>/{later}>"),
                11 => {
                    return format!(
                        "<{}/{later}>",
                        self.random.pick(&[
                            "Init",
                            "Definition",
                            "DEFAULT",
                            "default",
                            "KNOWN",
                            "init",
                            "Nope"
                        ])
                    );
                }
                12 if self.random.happens(100) && name != later => return format!("<{later}> <{later}>"),
                _ => {}
            }
        }
        const OTHERS: [&str; 30] = [
            "<HOST>",
            "<F-USER>u</F-USER>",
            "<nope>",
            "<mode>",
            "<re-<mode>>",
            "<backend>",
            "<enabled>",
            "<findtime>",
            "<maxretry>",
            "<ip>",
            "<matches>",
            "<timeout>",
            "<bantime>",
            "<name>",
            "<actname>",
            "<fq-hostname>",
            "<logtype>",
            "<logpath>",
            "<port>",
            "<<mode>>",
            "<F-ID/>",
            "<a\tb>",
            "<part_<mode>/<mode>>",
            "<lt_<logtype>/x>",
            "<family>",
            "<known/mode>",
            "<Mode>",
            "<skip_if_nologs>",
            "<filter>",
            "<br>",
        ];
        self.random.pick(&OTHERS).to_owned()
    }

    /// Whether a variable is sure to be found here.
    fn is_defined(&mut self, name: &str) -> bool {
        self.is_seen("DEFAULT", name) || self.is_seen("", name) || self.random.happens(4)
    }

    /// Whether a file before this one has the option in the section; `""` is the one that is written.
    fn is_seen(&self, section: &str, name: &str) -> bool {
        let section = if section.is_empty() { self.section } else { section };
        self.seen.contains(&(section.to_owned(), name.to_lowercase()))
    }

    fn has_section(&self, section: &str) -> bool {
        self.seen.contains(&(section.to_owned(), String::new()))
    }

    fn jails(&mut self) {
        self.language = Language::Jail;
        self.section = "DEFAULT";
        self.seen.clear();
        let first = self.random.below(JAILS.len());
        let number = 1 + self.random.below(4);
        let mut jails: Vec<&str> = JAILS.iter().copied().cycle().skip(first).take(number).collect();
        self.shuffle(&mut jails);
        let mut sections = Sections::new();
        if self.random.happens(300) {
            let mut more = Sections::new();
            let options = self.variables(700);
            more.push(("DEFAULT".to_owned(), options));
            if self.random.happens(300) {
                let (name, options) = (self.random.pick(&jails).to_owned(), self.jail(true));
                more.push((name, options));
            }
            self.write("conf/paths.conf", &more);
            if self.random.happens(300) {
                let options = self.variables(200);
                self.write("conf/paths.local", &[("DEFAULT".to_owned(), options)]);
            }
            let includes = self.includes("paths.conf");
            sections.extend(includes);
        }
        let mut defaults = self.variables(850);
        if self.random.happens(300) {
            defaults.push((
                "filter".to_owned(),
                self.random
                    .pick(&["%(__name__)s", "door", "%(__name__)s[mode=%(mode)s]\nmode = one"])
                    .to_owned(),
            ));
        }
        if self.random.happens(200) {
            let value = self.actions();
            defaults.push(("action_".to_owned(), value));
        }
        for option in [
            "maxretry",
            "bantime",
            "findtime",
            "backend",
            "usedns",
            "enabled",
            "maxlines",
            "prefregex",
        ] {
            if self.random.happens(120) {
                let value = self.jail_value(option);
                defaults.push((option.to_owned(), value));
            }
        }
        sections.push(("DEFAULT".to_owned(), defaults));
        // The names are needed at once, so that what is written before them can refer to them.
        self.see(&sections);
        for helper in ["settings", "other-settings"] {
            if self.random.happens(400) {
                let options = self.variables(500);
                sections.push((helper.to_owned(), options));
            }
        }
        self.see(&sections);
        for jail in &jails {
            let options = self.jail(false);
            sections.push(((*jail).to_owned(), options));
        }
        if self.random.happens(50) {
            let odd = self.random.pick(&[
                " blanks ",
                "a]b",
                "gate?family=inet6",
                "Definition",
                "default",
                "includes",
                "__name__",
                "x/y",
            ]);
            let options = self.jail(true);
            sections.push((odd.to_owned(), options));
        }
        self.write("conf/jail.conf", &sections);
        for path in [
            "conf/jail.d/10.conf",
            "conf/jail.d/2.conf",
            "conf/jail.local",
            "conf/jail.d/.hidden.conf",
            "conf/jail.d/x.local",
        ] {
            if !self.random.happens(180) {
                continue;
            }
            let mut sections = Sections::new();
            if self.random.happens(500) {
                let options = self.variables(200);
                sections.push(("DEFAULT".to_owned(), options));
            }
            for jail in &jails {
                if self.random.happens(400) {
                    let options = self.jail(true);
                    sections.push(((*jail).to_owned(), options));
                }
            }
            if self.random.happens(100) {
                let options = self.variables(300);
                sections.push(("settings".to_owned(), options));
            }
            if self.random.happens(100) {
                let mut includes = self.includes("../conf/extra.conf");
                if !self.tree.files.contains_key("conf/extra.conf") {
                    let options = self.variables(300);
                    self.write("conf/extra.conf", &[("DEFAULT".to_owned(), options)]);
                }
                includes.append(&mut sections);
                sections = includes;
            }
            self.write(path, &sections);
        }
    }

    /// The options of a jail; of a layer above another it is only some.
    fn jail(&mut self, is_some: bool) -> Vec<(String, String)> {
        self.section = "jail";
        let mut options = Vec::new();
        let scale = if is_some { 3 } else { 1 };
        if self.random.happens(900 / scale) {
            let value = if self.random.happens(850) {
                "true".to_owned()
            } else {
                self.truth()
            };
            options.push(("enabled".to_owned(), value));
        }
        for (option, often) in [
            ("filter", 850),
            ("action", 800),
            ("logpath", 500),
            ("backend", 150),
            ("maxretry", 150),
            ("maxmatches", 80),
            ("findtime", 150),
            ("bantime", 150),
            ("bantime.increment", 50),
            ("bantime.factor", 40),
            ("bantime.formula", 40),
            ("bantime.multipliers", 40),
            ("bantime.maxtime", 40),
            ("bantime.rndtime", 40),
            ("bantime.overalljails", 40),
            ("ignorecommand", 100),
            ("ignoreself", 50),
            ("ignoreip", 150),
            ("ignorecache", 50),
            ("logtimezone", 50),
            ("logencoding", 50),
            ("skip_if_nologs", 60),
            ("systemd_if_nologs", 60),
            ("usedns", 60),
            ("prefregex", 60),
            ("ignoreregex", 60),
            ("failregex", 200),
            ("maxlines", 60),
            ("datepattern", 60),
            ("journalmatch", 80),
            ("mode", 300),
            ("port", 150),
            ("unknown", 50),
        ] {
            if self.random.happens(often / scale) {
                let value = self.jail_value(option);
                options.push((option.to_owned(), value));
            }
        }
        let own = self.variables(100);
        options.extend(own);
        if self.random.happens(300) {
            self.shuffle(&mut options);
        }
        self.section = "DEFAULT";
        options
    }

    fn jail_value(&mut self, option: &str) -> String {
        self.level = 0;
        match option {
            "enabled"
            | "ignoreself"
            | "bantime.increment"
            | "bantime.overalljails"
            | "skip_if_nologs"
            | "systemd_if_nologs" => self.truth(),
            "maxretry" | "maxmatches" | "maxlines" => self.integer(),
            "filter" => self.filter(),
            "action" => self.actions(),
            "backend" => self
                .random
                .pick(&[
                    "auto",
                    "polling",
                    "systemd",
                    "systemd[journalflags=1]",
                    "Auto",
                    "SYSTEMD",
                    "auto ",
                    "%(__name__)s",
                ])
                .to_owned(),
            "mode" => self
                .random
                .pick(&["one", "two", "normal", "%(__name__)s", ""])
                .to_owned(),
            "findtime" | "bantime" | "bantime.maxtime" | "bantime.rndtime" => {
                let known = self.is_seen("DEFAULT", "maxretry") || self.random.happens(20);
                let usual = ["10m", "1d 12h", "-1", "600", "", "1h;x", "%(maxretry)s"];
                self.random
                    .pick(usual.get(..if known { 7 } else { 6 }).expect("within"))
                    .to_owned()
            }
            "ignoreip" => self
                .random
                .pick(&[
                    "127.0.0.1/8 ::1",
                    "192.0.2.1,192.0.2.2",
                    "",
                    "\n 192.0.2.1\n  example.com,,  file:/x",
                    "%(alpha)s",
                    " , ",
                ])
                .to_owned(),
            "logpath" => self
                .random
                .pick(&[
                    "logs/a.log",
                    "logs/a.log tail",
                    "logs/a*.log",
                    "logs/a.log\n logs/b.log tail\n\n logs/none",
                    "logs/none*",
                    "logs/with blank.log head",
                    "logs/with blank.log",
                    "",
                    "/nonexistent/%(__name__)s.log",
                    "logs/b?log",
                    "logs/[b].log middle",
                    "logs",
                    "logs/[!aw]*.log",
                    "*/b.log",
                    "logs/.*",
                    "logs//a.log",
                ])
                .to_owned(),
            "failregex" | "ignoreregex" if self.random.happens(100) => {
                "%(known/failregex)s\n  ^more <HOST>$".to_owned()
            }
            "failregex" | "ignoreregex" => self.standard_value(option),
            "journalmatch" if self.random.happens(100) => "%(known/journalmatch)s".to_owned(),
            "journalmatch" => self.journalmatch(),
            _ => self.value(option),
        }
    }

    fn filter(&mut self) -> String {
        let often = self.random.below(1000);
        let name = match often {
            0..20 => "nosuch",
            20..40 => "",
            40..60 => "%(__name__)s",
            60..70 => "Door",
            70..80 => "../filter.d/door",
            80..90 => "door ",
            90..95 => "./conf/filter.d/door",
            95..100 => "door.conf",
            _ => self.random.pick(&FILTERS),
        };
        let mut text = name.to_owned();
        if self.random.happens(650) {
            let parameters = self.parameters();
            text.push_str(&parameters);
        }
        text
    }

    fn actions(&mut self) -> String {
        let mut text = String::new();
        for number in 0..=self.random.below(3) {
            if number > 0 {
                text.push_str(
                    self.random
                        .pick(&[" ", "\n  ", "\n# comment\n   ", "  \t", "\n\n "]),
                );
            }
            let often = self.random.below(1000);
            let name = match often {
                0..10 => "nosuch",
                10..20 => "smtp.py",
                20..30 => "sub/mail.py",
                30..40 => "%(action_)s",
                40..50 => "../action.d/note",
                50..60 => "lock,note",
                _ => self.random.pick(&ACTIONS),
            };
            if name == "%(action_)s" && !self.is_seen("DEFAULT", "action_") {
                text.push_str("note");
            } else {
                text.push_str(name);
            }
            if self.random.happens(600) {
                if self.random.happens(30) {
                    text.push(' ');
                }
                let parameters = self.parameters();
                text.push_str(&parameters);
            }
        }
        text
    }

    /// `[name=value, …]`, mostly well-formed.
    fn parameters(&mut self) -> String {
        let mut text = "[".to_owned();
        let language = self.language;
        for number in 0..self.random.below(5) {
            if number > 0 {
                text.push_str(
                    self.random
                        .pick(&[", ", ",", ", ", "][", "] [", ",  ", ",\n   ", " , "]),
                );
            }
            let (level, name) = match self.random.below(12) {
                0 => (0, "mode"),
                1 => (0, "name"),
                2 => (0, "actname"),
                3 => (
                    0,
                    self.random.pick(&[
                        "failregex",
                        "usedns",
                        "actionban",
                        "maxlines",
                        "norestored",
                        "logtype",
                        "prefregex",
                        "port",
                        "x-y",
                        "d.e",
                        "ALPHA",
                        "Mode",
                    ]),
                ),
                4 => (
                    0,
                    self.random.pick(&[
                        "beta?family=inet6",
                        "alpha?family=inet4",
                        "actionban?family=inet6",
                    ]),
                ),
                _ => {
                    let level = self.random.below(VARIABLES.len());
                    (level + 1, VARIABLES.get(level).copied().unwrap_or_default())
                }
            };
            // Neither blanks nor slashes are in the name of a parameter.
            let name = if name.contains([' ', '/']) { "plain" } else { name };
            self.level = level;
            let value = match name {
                "mode" | "Mode" => self
                    .random
                    .pick(&["one", "two", "normal", "%(mode)s", ""])
                    .to_owned(),
                "name" | "actname" => self
                    .random
                    .pick(&["%(__name__)s", "%(__name__)s-udp", "n", "", "a b", "door"])
                    .to_owned(),
                "maxlines" => self.integer(),
                "logtype" => self.random.pick(&["file", "journal", "short", ""]).to_owned(),
                _ => {
                    // Tags in parameters are of the filter or the action.
                    if self.random.happens(500) {
                        self.language = Language::Action;
                        let text = self.tag(name);
                        self.language = language;
                        text
                    } else {
                        self.text(name)
                    }
                }
            };
            let value = if name == "mode" && value == "%(mode)s" && !self.is_seen("DEFAULT", "mode") {
                "one".to_owned()
            } else {
                value
            };
            let is_bare = !value.contains([',', ']', '[', '"', '\'', '\n']);
            match self.random.below(5) {
                0 | 1 if is_bare => write!(text, "{name}={value}"),
                2 if !value.contains('\'') => write!(text, "{name}='{value}'"),
                _ if !value.contains('"') => write!(text, "{name}=\"{value}\""),
                _ if self.random.happens(100) => write!(text, "{name}={value}"),
                _ => write!(text, "{name}=q"),
            }
            .expect("it is text");
        }
        if self.random.happens(30) {
            text.push_str(self.random.pick(&[",", ", ", ",,", " "]));
        }
        if self.random.happens(8) {
            text.push_str(
                self.random
                    .pick(&["x", " y = 1", ", z =1", ", \"s\"", "=", "\"1"]),
            );
        }
        if !self.random.happens(8) {
            text.push(']');
        }
        text
    }

    fn logs(&mut self) {
        for name in ["a.log", "b.log", "with blank.log", ".hidden"] {
            if self.random.happens(700) {
                self.tree.files.insert(format!("logs/{name}"), b"x\n".to_vec());
            }
        }
        if self.random.happens(100) {
            self.tree.files.insert("logs/".to_owned(), Vec::new());
        }
    }

    /// Spoils a file.
    fn mistake(&mut self) {
        let paths: Vec<String> = self
            .tree
            .files
            .keys()
            .filter(|path| path.starts_with("conf/"))
            .cloned()
            .collect();
        if paths.is_empty() {
            return;
        }
        let at = self.random.below(paths.len());
        let path = paths.get(at).expect("within").clone();
        let Some(content) = self.tree.files.get_mut(&path) else {
            return;
        };
        let random = &mut self.random;
        match random.below(14) {
            0 => content.extend_from_slice(b"\nno option at all\n"),
            1 => content.extend_from_slice(b"\n[Definition]\n[Definition]\n"),
            2 => content.extend_from_slice(b"\n[twice]\nalpha = 1\nALPHA = 2\n"),
            3 => drop(content.splice(0..0, b"early = 1\n".iter().copied())),
            4 => drop(content.splice(0..0, "\u{feff}".bytes())),
            5 => content.extend_from_slice(b"\n[latin]\nx = \xe9\n"),
            6 => content.extend_from_slice(b"\n[late]\n = value\n: other\n"),
            7 => {
                let length = content.len();
                content.truncate(random.below(length));
            }
            8 => {
                let place = random.below(content.len());
                content.insert(place, random.pick(b"%<>[]=\n;#\"'\0\r\x0c "));
            }
            9 => {
                let place = random.below(content.len());
                if content.get(place).is_some() {
                    content.remove(place);
                }
            }
            10 => {
                self.tree.files.remove(&path);
            }
            11 => {
                self.tree.files.remove(&path);
                self.tree.files.insert(format!("{path}/"), Vec::new());
            }
            12 => {
                content.extend_from_slice(b"\n[INCLUDES]\nbefore = %(nowhere)s\n");
            }
            _ => {
                let place = random.below(content.len());
                content.insert(place, 0xff);
            }
        }
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.random.below(last + 1);
            items.swap(last, other);
        }
    }

    /// Remembers what there is now.
    fn see(&mut self, sections: &[(String, Vec<(String, String)>)]) {
        for (section, options) in sections {
            self.seen.insert((section.clone(), String::new()));
            for (option, _) in options {
                self.seen.insert((section.clone(), option.to_lowercase()));
            }
        }
    }

    /// Writes a file in one of many layouts.
    fn write(&mut self, path: &str, sections: &[(String, Vec<(String, String)>)]) {
        self.see(sections);
        let mut text = String::new();
        let indented = self.random.happens(60);
        let plain = self.random.happens(500);
        if self.random.happens(200) {
            text.push_str("# a comment\n; and another\n   # indented\n\n");
        }
        let mut written = BTreeSet::new();
        for (section, options) in sections {
            // Twice in one file would be a mistake.
            if section != "DEFAULT" && !written.insert((section.clone(), String::new())) {
                continue;
            }
            let after = if plain {
                ""
            } else {
                self.random.pick(&["", " # c", "  ", " ; c", "x", " ] y"])
            };
            let after = if after == " ] y" && !self.random.happens(5) {
                ""
            } else {
                after
            };
            writeln!(text, "[{section}]{after}").expect("it is text");
            for (option, value) in options {
                if !written.insert((section.clone(), option.to_lowercase())) {
                    continue;
                }
                let name = if !plain && self.random.happens(80) {
                    option.to_uppercase()
                } else {
                    option.clone()
                };
                let between = if plain {
                    " = "
                } else {
                    self.random.pick(&[" = ", "=", " : ", ": ", "  =  ", "\t=\t"])
                };
                let before = if indented { "  " } else { "" };
                let value = if indented {
                    value.replace('\n', "\n  ")
                } else {
                    value.clone()
                };
                let behind = if plain {
                    ""
                } else {
                    self.random.pick(&["", "", " ", " ; c", "\t;c", ""])
                };
                writeln!(text, "{before}{name}{between}{value}{behind}").expect("it is text");
                if !plain && self.random.happens(100) {
                    text.push_str(self.random.pick(&["\n", "# c\n", "   ; c\n", "\n\n", "  \n"]));
                }
            }
            if self.random.happens(500) {
                text.push('\n');
            }
        }
        if self.random.happens(100) {
            text.truncate(text.trim_end_matches('\n').len());
        }
        match self.random.below(30) {
            0 => text = text.replace('\n', "\r\n"),
            1 if self.random.happens(300) => text = text.replace('\n', "\r"),
            _ => {}
        }
        self.tree.files.insert(path.to_owned(), text.into_bytes());
    }
}
