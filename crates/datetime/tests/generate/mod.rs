//! Random date patterns, and lines that nearly match them.

/// Random numbers that are the same on every run.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).expect("a small number"))
            .expect("below a small one")
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// A part of a pattern, and what it could match.
#[derive(Clone)]
enum Part {
    Token(&'static str),
    /// A regular expression and texts for it.
    Text(&'static str, &'static [&'static str]),
    Optional(Box<Self>),
    Either(Box<Self>, Box<Self>),
    Group(Vec<Self>),
}

/// A random pattern that can also make up lines.
pub(crate) struct Made {
    prefix: &'static str,
    parts: Vec<Part>,
    suffix: &'static str,
}

/// Keys of tokens, with the group that each sets.
const TOKENS: [(&str, &str); 46] = [
    ("Y", "Y"),
    ("Y", "Y"),
    ("ExY", "Y"),
    ("ExY", "Y"),
    ("y", "y"),
    ("Exy", "y"),
    ("m", "m"),
    ("m", "m"),
    ("m", "m"),
    ("Exm", "m"),
    ("d", "d"),
    ("d", "d"),
    ("d", "d"),
    ("Exd", "d"),
    ("b", "b"),
    ("b", "b"),
    ("B", "B"),
    ("a", "a"),
    ("A", "A"),
    ("H", "H"),
    ("H", "H"),
    ("ExH", "H"),
    ("k", "H"),
    ("Exk", "H"),
    ("I", "I"),
    ("l", "I"),
    ("Exl", "I"),
    ("p", "p"),
    ("M", "M"),
    ("M", "M"),
    ("ExM", "M"),
    ("S", "S"),
    ("S", "S"),
    ("ExS", "S"),
    ("f", "f"),
    ("j", "j"),
    ("U", "U"),
    ("W", "W"),
    ("w", "w"),
    ("z", "z"),
    ("Exz", "z"),
    ("Z", "Z"),
    ("ExZ", "Z"),
    ("G", "G"),
    ("V", "V"),
    ("u", "u"),
];

const TEXTS: [(&str, &[&str]); 22] = [
    (" ", &[" ", " ", "  "]),
    (" ", &[" "]),
    ("-", &["-", "/"]),
    ("/", &["/"]),
    (":", &[":", "."]),
    (":", &[":"]),
    ("T", &["T", "t"]),
    (r"\.", &[".", ","]),
    ("[-/.]", &["-", "/", "."]),
    (r"\s+", &[" ", "  ", "\t", "\u{a0}"]),
    (r"\s*", &["", " "]),
    (r"\d*", &["", "1", "12", "٣"]),
    (r"\w+?", &["a", "ab1", "é"]),
    (r"\[", &["["]),
    ("x", &["x", "X"]),
    ("k", &["k", "K", "\u{212a}"]),
    ("é?", &["é", "", "e"]),
    ("[^0-9]", &[" ", "é", "x", "1"]),
    (".", &["-", "é", "1"]),
    (r"\b", &[""]),
    ("[a-c]{1,2}", &["a", "bc", "B", "d"]),
    ("=", &["=", ":"]),
];

/// A text that a token may have to read.
fn token_text(rng: &mut Rng, key: &str) -> String {
    // Mostly a value that the token takes, sometimes one just past it.
    let number = |rng: &mut Rng, from: usize, to: usize| {
        let value = match rng.below(36) {
            0 => 0,
            1 => to + 1,
            2 => to + 2,
            _ => from + rng.below(to - from + 1),
        };
        match rng.below(40) {
            0 | 1 => format!("{value}"),
            2 => format!("{value:2}"),
            3 => format!("{value:02}").replace('1', "\u{661}"),
            _ => format!("{value:02}"),
        }
    };
    match key.trim_start_matches("Ex") {
        "Y" | "G" => match rng.below(16) {
            0 => rng
                .pick(&["1999", "2030", "0000", "200", "20077", "2\u{660}10"])
                .to_owned(),
            _ => format!("20{:02}", rng.below(30)),
        },
        "y" => format!("{:02}", rng.below(100)),
        "m" => number(rng, 1, 12),
        "d" => number(rng, 1, 31),
        "H" | "k" => number(rng, 0, 23),
        "I" | "l" => number(rng, 1, 12),
        "M" | "S" => number(rng, 0, 59),
        "V" | "U" | "W" => number(rng, 0, 53),
        "j" => match rng.below(4) {
            0 => rng.below(370).to_string(),
            1 => format!("{:02}", rng.below(100)),
            _ => format!("{:03}", rng.below(370)),
        },
        "b" => rng
            .pick(&[
                "Jan",
                "feb",
                "MAR",
                "Apr",
                "May",
                "Jun",
                "Jul",
                "Au\u{17f}",
                "Aug",
                "Sep",
                "Dec",
                "Foo",
            ])
            .to_owned(),
        "B" => rng
            .pick(&[
                "January",
                "february",
                "MARCH",
                "May",
                "June",
                "September",
                "Sept",
                "Dec",
            ])
            .to_owned(),
        "a" => rng
            .pick(&["Mon", "tue", "WED", "Sun", "Fr\u{131}", "Sat", "Foo"])
            .to_owned(),
        "A" => rng
            .pick(&["Monday", "tuesday", "SUNDAY", "Sun", "Saturday"])
            .to_owned(),
        "p" => rng.pick(&["am", "PM", "Am", "pm", "xm"]).to_owned(),
        "f" => rng.pick(&["1", "123", "123456", "1234567", "\u{661}"]).to_owned(),
        "w" | "u" => rng.below(9).to_string(),
        "z" => rng
            .pick(&[
                "Z", "UTC", "GMT", "+01", "-0130", "+01:30", "+0", "+1959", "-20", "+01:3", "utc", "CET",
                "CET+01", "A", "AB", "EST-0200", "z",
            ])
            .to_owned(),
        "Z" => rng
            .pick(&[
                "Z", "UTC", "CET", "cest", "EST", "A", "MSK", "host", "ZZ", "CESTABC",
            ])
            .to_owned(),
        _ => String::new(),
    }
}

impl Made {
    /// A pattern of a few parts, most of them tokens.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let prefix = rng.pick(&[
            "",
            "",
            "",
            "^",
            "^",
            "{^LN-BEG}",
            "{^LN-BEG}",
            "{UNB}",
            "**",
            "(?i)",
            "(?:^|x)",
            r"^\[",
            r"^\S+\s",
            r"\b",
            r"[^0-9]",
        ]);
        let suffix = rng.pick(&["", "", "", "", "$", "**", r"\b", r"\s", ":", r"\]", "(?: x)?"]);
        let mut used = Vec::new();
        let mut parts = Vec::new();
        for at in 0..=rng.below(7) {
            if at > 0 && !rng.one_in(4) {
                parts.push(text(rng));
            }
            parts.push(part(rng, &mut used, 2));
        }
        Self {
            prefix,
            parts,
            suffix,
        }
    }

    /// The pattern.
    pub(crate) fn pattern(&self) -> String {
        let parts: String = self.parts.iter().map(Part::regex).collect();
        format!("{}{parts}{}", self.prefix, self.suffix)
    }

    /// A line that may match.
    pub(crate) fn line(&self, rng: &mut Rng) -> String {
        let mut line = String::new();
        let noise: &[&str] = match self.prefix {
            "^" | "(?:^|x)" => &["", "", "", "", "", "x", "[", "é"],
            "{^LN-BEG}" => &["", "", "[", "é", "- ", "((("],
            r"^\[" => &["[", "[", "[", "x"],
            r"^\S+\s" => &["foo ", "[1] ", "é\t", "2010-01-02 ", "foo  "],
            _ => &[
                "",
                "[",
                "x",
                "[[",
                "- ",
                "é",
                "abc ",
                "(((",
                "2005-01-02 03:04:05 ",
            ],
        };
        line.push_str(rng.pick(noise));
        for part in &self.parts {
            part.text(rng, &mut line);
        }
        line.push_str(match self.suffix {
            r"\s" => " ",
            ":" => ":",
            r"\]" => "]",
            _ => "",
        });
        line.push_str(rng.pick(&["", " x", "x", "]", ":", " y z", "0", "é", " 2005-01-02 03:04:05"]));
        if rng.one_in(10) && !line.is_empty() {
            let at = rng.below(line.chars().count());
            let with = rng.pick(&["", " ", "x", "0", "-", "é"]);
            line = line
                .chars()
                .enumerate()
                .map(|(i, c)| if i == at { with.to_owned() } else { c.to_string() })
                .collect();
        }
        line
    }
}

fn text(rng: &mut Rng) -> Part {
    let (regex, texts) = TEXTS[rng.below(TEXTS.len())];
    Part::Text(regex, texts)
}

fn part(rng: &mut Rng, used: &mut Vec<&'static str>, depth: usize) -> Part {
    if depth > 0 {
        match rng.below(12) {
            0 | 1 => return Part::Optional(Box::new(part(rng, used, depth - 1))),
            2 => {
                let first = part(rng, used, depth - 1);
                return Part::Either(Box::new(first), Box::new(part(rng, used, depth - 1)));
            }
            3 => {
                let parts = (0..=rng.below(3)).map(|_| part(rng, used, depth - 1)).collect();
                return Part::Group(parts);
            }
            _ => {}
        }
    }
    for _ in 0..5 {
        let (key, group) = TOKENS[rng.below(TOKENS.len())];
        if !used.contains(&group) {
            used.push(group);
            return Part::Token(key);
        }
    }
    text(rng)
}

impl Part {
    fn regex(&self) -> String {
        match self {
            Self::Token(key) => format!("%{key}"),
            Self::Text(regex, _) => (*regex).to_owned(),
            Self::Optional(part) => format!("(?:{})?", part.regex()),
            Self::Either(first, second) => format!("(?:{}|{})", first.regex(), second.regex()),
            Self::Group(parts) => {
                let parts: String = parts.iter().map(Self::regex).collect();
                format!("({parts})")
            }
        }
    }

    fn text(&self, rng: &mut Rng, line: &mut String) {
        match self {
            Self::Token(key) => line.push_str(&token_text(rng, key)),
            Self::Text(_, texts) => line.push_str(rng.pick(texts)),
            Self::Optional(part) => {
                if rng.one_in(2) {
                    part.text(rng, line);
                }
            }
            Self::Either(first, second) => {
                let part = if rng.one_in(2) { first } else { second };
                part.text(rng, line);
            }
            Self::Group(parts) => {
                for part in parts {
                    part.text(rng, line);
                }
            }
        }
    }
}

/// A line of a log with a date in one of the known formats, or none, or two.
pub(crate) fn default_line(rng: &mut Rng) -> String {
    let start = rng.pick(&[
        "", "", "", "", "[", "<", "((", "host ", "my-host ", "abc def ", "é ", "a [", "x", "- - [", "@",
        "audit(", "UTC ", "ABCD ", "+0100 ",
    ]);
    let date = default_date(rng);
    let mut line = format!("{start}{date}");
    line.push_str(rng.pick(&["", " x", "] y", "x", "> z", ": test", ".", " +0200 w", "0"]));
    if rng.one_in(5) {
        line.push_str(rng.pick(&[" ", " on ", "-", " [", "é"]));
        line.push_str(&default_date(rng));
    }
    if rng.one_in(12) {
        line = rng
            .pick(&["no date here", "x", "12:34 not", "é", " ", "1.2.3.4"])
            .to_owned();
    }
    line
}

/// A line with a date in one of the three most usual formats, slightly off now and then.
pub(crate) fn usual_line(rng: &mut Rng) -> String {
    let start = rng.pick(&["", "", "", "[", "<[", "[[[", "x", "a ", "a [", "é", "- - ["]);
    let (year, month, day) = (token_text(rng, "Y"), token_text(rng, "m"), token_text(rng, "d"));
    let name = token_text(rng, "b");
    let (hour, minute, second) = (token_text(rng, "H"), token_text(rng, "M"), token_text(rng, "S"));
    let time = format!("{hour}:{minute}:{second}");
    let date = match rng.below(3) {
        0 => {
            let sep = rng.pick(&["-", "-", "/", "."]);
            let gap = rng.pick(&["T", " ", " ", "  ", "t"]);
            format!("{year}{sep}{month}{sep}{day}{gap}{time}")
        }
        1 => format!("{name} {} {time}", rng.pick(&[day.as_str(), " 5", "05", "15"])),
        _ => {
            let sep = rng.pick(&["/", "/", "-"]);
            let gap = rng.pick(&[":", " ", ""]);
            format!("{day}{sep}{name}{sep}{year}{gap}{time}")
        }
    };
    let fraction = rng.pick(&["", "", "", ".1", ",123", ".123456", ".1234567", ".", ", ", ".é"]);
    let zone = rng.pick(&[
        "", "", "Z", " Z", "+01:00", " +0100", " -0130", "+01", " +01:3", " UTC", "UTC", " utc", "  +0100",
        "\t+0100", " GMT", " 2026", " 20", " 1999", "+0575", "+2000",
    ]);
    let end = rng.pick(&[
        "", " x", "] y", "x", ":", "_", "é", "\u{a0}Z", " é", "0", "\u{661}",
    ]);
    let mut line = format!("{start}{date}{fraction}{zone}{end}");
    if rng.one_in(20) && line.is_ascii() && !line.is_empty() {
        line.remove(rng.below(line.len()));
    }
    line
}

fn default_date(rng: &mut Rng) -> String {
    let mut field = |key: &str| token_text(rng, key);
    let (year, month, day) = (field("Y"), field("m"), field("d"));
    let (name, weekday, zone, zone_name) = (field("b"), field("a"), field("z"), field("Z"));
    let (hour, minute, second, fraction) = (field("H"), field("M"), field("S"), field("f"));
    let (short, half, half_hour) = (field("y"), field("p"), field("I"));
    let sep = rng.pick(&["-", "/", "."]);
    let gap = rng.pick(&["T", " ", "  ", ":", "-"]);
    let tail = match rng.below(6) {
        0 => format!(".{fraction}"),
        1 => format!(",{fraction}"),
        2 => format!(" {zone}"),
        3 => format!(" {year}"),
        _ => String::new(),
    };
    let time = format!("{hour}:{minute}:{second}");
    match rng.below(17) {
        0 => format!("{year}{sep}{month}{sep}{day}{gap}{time}{tail}"),
        1 | 2 => format!("{name} {day} {time}{tail}"),
        3 => format!("{weekday} {name} {day} {time}{tail}"),
        4 => format!("{weekday} {name} {day} {year} {time}{tail}"),
        5 => format!("{day}{sep}{month}{sep}{year} {time}"),
        6 => format!("{day}{sep}{name}{sep}{year}{gap}{time}{tail}"),
        7 => format!("{month}/{day}/{year}:{time}"),
        8 => format!("{month}-{day}-{year} {time}{tail}"),
        9 => format!("1{:09}{tail}", rng.below(1_000_000_000)),
        10 => format!("{time}{tail}"),
        11 => format!("<{month}/{day}/{short}@{time}>"),
        12 => format!("{short}{month}{day} {time}"),
        13 => format!("{name} {day}, {year} {half_hour}:{minute}:{second} {half}"),
        14 => format!("{name}-{day}-{short} {time}"),
        15 => format!("{year}{month}{day}{gap}{hour}{minute}{second}{tail}"),
        _ => match rng.below(3) {
            0 => format!("{zone_name} {name} {day} {time}{tail}"),
            1 => format!("{zone} {name} {day} {time}{tail}"),
            _ => format!("@40000000{:08x}0000000{}", rng.below(0x7fff_ffff), rng.below(10)),
        },
    }
}
