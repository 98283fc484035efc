//! Lines that are almost those of the samples: a seed → a log.
//!
//! In: the lines of a filter's own sample, and of all others. Out: as many lines in the order of the sample, as a rule,
//! so that those of a session or of several lines stay together; most are changed here or there.
//!
//! Invariant: the same seed and samples always give the same lines.

use crate::random::Random;

/// Addresses, names, and what is nearly one.
const HOSTS: [&str; 40] = [
    "192.0.2.1",
    "198.51.100.77",
    "203.0.113.255",
    "198.18.0.0",
    "::ffff:192.0.2.9",
    "::FFFF:192.0.2.9",
    "2001:db8::1",
    "[2001:db8::2]",
    "2001:DB8:0:0:0:0:0:3",
    "2001:db8:1:2:3:4:5:6",
    "2001:db8:1:2:3:4:5:6:7",
    "2001:db8::1%eth0",
    "64:ff9b::192.0.2.1",
    "::1",
    "::",
    "[::1]",
    "fe80::",
    "12:34:56",
    "999.1.1.1",
    "192.030.0.6",
    "192.0.2",
    "192.0.2.1.5",
    "192.0.2.4:22",
    "[192.0.2.4]:22",
    "[192.0.2.4]",
    "(192.0.2.4)",
    "192.0.2.0/24",
    "2001:db8::/32",
    "2001:db8::/300",
    "host-1.example.com",
    "ns.example",
    "a_b^c.example",
    "caf\u{e9}.example",
    "x-.example.",
    "unknown",
    "-",
    "192.0.2.1,198.51.100.2",
    "host.example[192.0.2.8]",
    "host.example (192.0.2.8)",
    "\u{661}92.0.2.1",
];

/// Who somebody says to be.
const USERS: [&str; 30] = [
    "root",
    "admin",
    "",
    " ",
    "a b",
    "john.doe@example.com",
    "DOMAIN\\user",
    "invalid user x",
    "invalid user",
    "user from 192.0.2.66",
    "x from 192.0.2.66 port 22 ssh2",
    "from 192.0.2.66",
    "rhost=192.0.2.66",
    "[192.0.2.66]",
    "\"quoted\"",
    "it's",
    "<x@y.example>",
    "<>",
    "(uid=0)",
    "a:b",
    "a,b",
    "; reboot",
    "$(id)",
    "%s%n",
    "caf\u{e9}",
    "\u{130}stanbul",
    "\u{17f}mith",
    "e\u{301}",
    "\u{1f600}",
    "0",
];

/// What an attacker would have the log say.
const PHRASES: [&str; 25] = [
    " from 192.0.2.66",
    " from 192.0.2.66 port 22 ssh2",
    " user=root rhost=192.0.2.66",
    " rhost=2001:db8::66  user=root",
    ", client: 192.0.2.66, server: _",
    " [192.0.2.66]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
    ": Authentication failure for 192.0.2.66",
    " authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.66",
    " 401 ",
    " Failed password for root from 192.0.2.66 port 4711 ssh2",
    " Accepted password for root from 192.0.2.66 port 4711 ssh2",
    " Connection closed by 192.0.2.66 port 22 [preauth]",
    " (preauth)",
    " [preauth]",
    " 2005-08-14 11:59:59",
    " Aug 14 11:59:59 ",
    " [14/Aug/2005:11:59:59 +0200] ",
    " 1124013599.123 ",
    " @400000004b5d0f0b2f4f9c34 ",
    "\"GET / HTTP/1.1\" 404 ",
    "\\n",
    " ip=192.0.2.66 ",
    "192.0.2.66 ",
    " 192.0.2.66",
    " x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x",
];

/// Bytes that text does not have, as a rule, or that mean something else to others.
const BYTES: [&[u8]; 36] = [
    b"\x00",
    b"\x01",
    b"\t",
    b"\x0b",
    b"\x0c",
    b"\r",
    b"\x1b[31m",
    b"\x1c",
    b"\x1f",
    b"\x7f",
    b"\x80",
    b"\xa0",
    b"\xc0\xaf",
    b"\xc3",
    b"\xe9",
    b"\xff",
    b"\xfe\xff",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80",
    b"\xc2\x85",
    b"\xc2\xa0",
    b"\xe2\x80\xa8",
    b"\xe3\x80\x80",
    b"\xd9\xa3",
    b"\xef\xbc\x91",
    b"\xc2\xb2",
    b"\xcc\x81",
    b"\xe2\x80\xbf",
    b"\xc3\xa9",
    b"\xe2\x84\xaa",
    b"\xc5\xbf",
    b"\xef\xbb\xbf",
    b"\xf0\x9d\x9f\x8e",
    b"\xe2\x80\x8b",
];

const MONTHS: [&str; 14] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "dec", "Foo",
];
const DAYS: [&str; 8] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "sun"];

/// The lines of all samples.
pub(super) struct Samples {
    /// By name of the sample.
    by_name: Vec<(String, Vec<Vec<u8>>)>,
    all: Vec<Vec<u8>>,
}

impl Samples {
    /// Of these texts, by name.
    pub(super) fn new(texts: &[(String, Vec<u8>)]) -> Self {
        let by_name: Vec<_> = texts
            .iter()
            .map(|(name, text)| (name.clone(), lines_of(text)))
            .collect();
        let all = by_name
            .iter()
            .flat_map(|(_, lines)| lines.iter().cloned())
            .collect();
        Self { by_name, all }
    }

    /// The log of a seed, of so many lines, for a filter of this name.
    pub(super) fn log(&self, filter: &str, seed: u64, count: usize) -> Vec<Vec<u8>> {
        let own = self
            .by_name
            .iter()
            .find(|(name, lines)| name == filter && !lines.is_empty());
        let own = own.map_or(&self.all, |(_, lines)| lines);
        let mut random = Random(seed ^ crate::random::digest(filter.as_bytes()));
        let (mut log, mut at) = (Vec::new(), random.below(own.len()));
        while log.len() < count {
            let mut line = if random.happens(60) {
                self.all
                    .get(random.below(self.all.len()))
                    .cloned()
                    .unwrap_or_default()
            } else {
                at = if random.happens(150) {
                    random.below(own.len())
                } else {
                    (at + 1) % own.len()
                };
                own.get(at).cloned().unwrap_or_default()
            };
            let changes = random.pick(&[0, 1, 1, 1, 1, 2, 2, 3, 4]);
            for _ in 0..changes {
                let other = own.get(random.below(own.len())).cloned().unwrap_or_default();
                line = Change {
                    random: &mut random,
                    line,
                }
                .at_random(&other);
            }
            line.retain(|byte| *byte != b'\n');
            // Neither of these is looked at by programs that try a filter on a log.
            let is_read = line.iter().any(|byte| *byte != b'\r') && !line.starts_with(b"#");
            if is_read {
                log.push(line);
            }
        }
        log
    }
}

/// The lines of a sample that are of a log.
fn lines_of(text: &[u8]) -> Vec<Vec<u8>> {
    let (mut lines, mut is_expected) = (Vec::new(), false);
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_comment = line.starts_with(b"#") && !is_expected;
        is_expected = is_comment && line.windows(9).any(|window| window == b"failJSON:");
        if !is_comment && !line.is_empty() {
            lines.push(line.to_vec());
        }
    }
    lines
}

/// A line that is being changed.
struct Change<'a> {
    random: &'a mut Random,
    line: Vec<u8>,
}

impl Change<'_> {
    fn at_random(mut self, other: &[u8]) -> Vec<u8> {
        match self.random.below(34) {
            0..=5 => self.host(),
            6..=8 => self.user(),
            9 | 10 => self.brackets(),
            11..=13 => self.truncate(),
            14..=17 => self.inject(),
            18..=21 => self.date(),
            22..=24 => self.bytes(),
            25 => self.words(),
            26 => self.case(),
            27..=29 => self.number(),
            30 => self.splice(other),
            31 => self.blanks(),
            32 => self.punctuation(),
            _ => self.repeat(),
        }
        self.line
    }

    /// Replaces what stands at `at`.
    fn put(&mut self, at: std::ops::Range<usize>, text: &[u8]) {
        drop(self.line.splice(at, text.iter().copied()));
    }

    /// The places of the longest stretches of bytes that `is` says yes to.
    fn stretches(&self, is: impl Fn(u8) -> bool) -> Vec<std::ops::Range<usize>> {
        let (mut places, mut start) = (Vec::new(), None);
        for (at, byte) in self.line.iter().chain([&b'\n']).enumerate() {
            match (is(*byte), start) {
                (true, None) => start = Some(at),
                (false, Some(from)) => {
                    places.push(from..at);
                    start = None;
                }
                _ => {}
            }
        }
        places
    }

    fn word(&mut self) -> std::ops::Range<usize> {
        let words = self.stretches(|byte| !matches!(byte, b' ' | b'\t' | b'\n'));
        if words.is_empty() {
            0..0
        } else {
            self.random.pick(&words.iter().collect::<Vec<_>>()).clone()
        }
    }

    fn host(&mut self) {
        let all = self.stretches(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'));
        let hosts: Vec<_> = all
            .into_iter()
            .filter(|place| {
                let text = self.line.get(place.clone()).unwrap_or_default();
                let count = |wanted: u8| text.iter().filter(|byte| **byte == wanted).count();
                text.len() > 5 && (count(b'.') == 3 || count(b':') > 2)
            })
            .collect();
        let place = if hosts.is_empty() {
            self.word()
        } else {
            self.random.pick(&hosts.iter().collect::<Vec<_>>()).clone()
        };
        let host = self.random.pick(&HOSTS);
        self.put(place, host.as_bytes());
    }

    fn user(&mut self) {
        const BEFORE: [&[u8]; 12] = [
            b"user ", b"for ", b"user=", b"user: ", b"from=<", b"login ", b"user '", b"user \"", b"(", b"'",
            b"\"", b"<",
        ];
        let before = self.random.pick(&BEFORE);
        let found = self
            .line
            .windows(before.len())
            .position(|window| window.eq_ignore_ascii_case(before));
        let place = match found {
            Some(at) => {
                let start = at + before.len();
                let rest = self.line.get(start..).unwrap_or_default();
                let ends = |byte: &u8| matches!(byte, b' ' | b'\'' | b'"' | b')' | b'>' | b',' | b';');
                start..start + rest.iter().position(ends).unwrap_or(rest.len())
            }
            None => self.word(),
        };
        let user = self.random.pick(&USERS);
        self.put(place, user.as_bytes());
    }

    fn brackets(&mut self) {
        const PAIRS: [(&str, &str); 8] = [
            ("[", "]"),
            ("(", ")"),
            ("<", ">"),
            ("\"", "\""),
            ("'", "'"),
            ("{", "}"),
            ("[[", "]]"),
            ("[", ""),
        ];
        let place = self.word();
        let word = self.line.get(place.clone()).unwrap_or_default().to_vec();
        let text = if self.random.happens(300) {
            word.into_iter()
                .filter(|byte| !b"[](){}<>\"'".contains(byte))
                .collect()
        } else {
            let (before, after) = self.random.pick(&PAIRS);
            [before.as_bytes(), &word, after.as_bytes()].concat()
        };
        self.put(place, &text);
    }

    fn truncate(&mut self) {
        let at = self.random.below(self.line.len());
        match self.random.below(4) {
            0 => drop(self.line.drain(..at.min(40))),
            1 => self.line.truncate(at),
            2 => self.line.truncate(self.line.len().saturating_sub(at % 12)),
            _ => {
                let end = self.word().start;
                self.line.truncate(end);
            }
        }
    }

    fn inject(&mut self) {
        let text = match self.random.below(10) {
            0 => self.random.pick(&HOSTS).to_owned(),
            1 => self.random.pick(&USERS).to_owned(),
            2 => self.a_date(),
            _ => self.random.pick(&PHRASES).to_owned(),
        };
        let at = match self.random.below(6) {
            0 => 0,
            1 | 2 => self.line.len(),
            3 => self.random.below(self.line.len()),
            _ => self.word().end,
        };
        self.put(at..at, text.as_bytes());
    }

    fn date(&mut self) {
        let date = self.a_date();
        // Where the date of a line ends: with its third word in the logs of syslog, else with its second.
        let words = self.stretches(|byte| byte != b' ' && byte != b'\n');
        let is_syslog = self.line.first().is_some_and(u8::is_ascii_uppercase);
        let end = words
            .get(if is_syslog { 2 } else { 1 })
            .map_or(self.line.len(), |word| word.end);
        let place = match self.random.below(8) {
            0 => 0..0,
            1 => self.word(),
            _ => 0..end,
        };
        self.put(place.clone(), date.as_bytes());
        if place == (0..0) {
            self.put(date.len()..date.len(), b" ");
        }
    }

    /// A date in one of the formats that logs have, right more often than not.
    fn a_date(&mut self) -> String {
        let mut number = |from: usize, to: usize| {
            let off = self.random.happens(15);
            from + self.random.below(to - from + 1) + usize::from(off)
        };
        let (year, month, day) = (number(2004, 2027), number(1, 12), number(1, 28));
        let (hour, minute, second) = (number(0, 23), number(0, 59), number(0, 59));
        let seconds = number(1_000_000_000, 1_900_000_000);
        let name = self.random.pick(&MONTHS);
        let weekday = self.random.pick(&DAYS);
        let zone = self
            .random
            .pick(&["Z", "+02:00", " -0130", "+01", " UTC", " CEST", " CET", ""]);
        let fraction = self.random.pick(&["", "", ".123", ",456", ".123456789"]);
        let time = format!("{hour:02}:{minute:02}:{second:02}");
        match self.random.below(20) {
            0 | 1 => format!("{year}-{month:02}-{day:02} {time}{fraction}"),
            2 | 3 => format!("{year}-{month:02}-{day:02}T{time}{fraction}{zone}"),
            4 => format!("{year}/{month:02}/{day:02} {time}"),
            5..=7 => format!("{name} {day:2} {time}"),
            8 => format!("{weekday} {name} {day:02} {time} {year}"),
            9 => format!("[{weekday} {name} {day:02} {time}{fraction} {year}]"),
            10 => format!("{day:02}/{name}/{year}:{time} +0200"),
            11 => format!("[{day:02}/{name}/{year}:{time} +0000]"),
            12 => format!("{day:02}-{name}-{year} {time}{fraction}"),
            13 => format!("{seconds}{fraction}"),
            14 => format!("[{seconds}.5]"),
            15 => time,
            16 => format!("{:02}{month:02}{day:02} {time}", year % 100),
            17 => format!("{year}{month:02}{day:02}T{hour:02}{minute:02}{second:02}{zone}"),
            18 => format!("@40000000{seconds:08x}2f4f9c34"),
            _ => format!(
                "{name} {day}, {year} {}:{minute:02}:{second:02} PM",
                1 + hour % 12
            ),
        }
    }

    fn bytes(&mut self) {
        let at = self.random.below(self.line.len());
        let text = self.random.pick(&BYTES);
        let end = if self.random.happens(500) && at < self.line.len() {
            at + 1
        } else {
            at
        };
        self.put(at..end, text);
    }

    fn words(&mut self) {
        let place = self.word();
        let word = self.line.get(place.clone()).unwrap_or_default().to_vec();
        match self.random.below(3) {
            0 => self.put(place, b""),
            1 => self.put(place.end..place.end, &[b" ".as_slice(), &word].concat()),
            _ => {
                let other = self.word();
                let (first, last) = if place.start <= other.start {
                    (place, other)
                } else {
                    (other, place)
                };
                let text = |place: &std::ops::Range<usize>| {
                    self.line.get(place.clone()).unwrap_or_default().to_vec()
                };
                let (early, late) = (text(&first), text(&last));
                self.put(last, &early);
                self.put(first, &late);
            }
        }
    }

    fn case(&mut self) {
        let place = self.word();
        let is_up = self.random.happens(500);
        for byte in self.line.get_mut(place).into_iter().flatten() {
            *byte = if is_up {
                byte.to_ascii_uppercase()
            } else {
                byte.to_ascii_lowercase()
            };
        }
    }

    fn number(&mut self) {
        let numbers = self.stretches(|byte| byte.is_ascii_digit());
        if numbers.is_empty() {
            return;
        }
        let place = self.random.pick(&numbers.iter().collect::<Vec<_>>()).clone();
        let number = self.random.pick(&[
            "0",
            "1",
            "22",
            "404",
            "1001",
            "1002",
            "65536",
            "18446744073709551616",
            "-1",
            "007",
            "\u{664}\u{662}",
            "",
        ]);
        self.put(place, number.as_bytes());
    }

    fn splice(&mut self, other: &[u8]) {
        let (at, from) = (self.random.below(self.line.len()), self.random.below(other.len()));
        self.line.truncate(at);
        self.line.extend_from_slice(other.get(from..).unwrap_or_default());
    }

    fn blanks(&mut self) {
        let blanks = self.stretches(|byte| byte == b' ');
        if blanks.is_empty() {
            return;
        }
        let place = self.random.pick(&blanks.iter().collect::<Vec<_>>()).clone();
        let text = self.random.pick(&["", "  ", "\t", "\u{a0}", "   ", " \r"]);
        self.put(place, text.as_bytes());
    }

    fn punctuation(&mut self) {
        let places = self.stretches(|byte| byte.is_ascii_punctuation());
        if places.is_empty() {
            return;
        }
        let place = self.random.pick(&places.iter().collect::<Vec<_>>()).clone();
        let text = self
            .random
            .pick(&["", ":", ",", ";", ".", "-", "::", "'", "\"", "\\", "|", "="]);
        self.put(place, text.as_bytes());
    }

    fn repeat(&mut self) {
        let place = self.word();
        let word = self.line.get(place.clone()).unwrap_or_default().to_vec();
        let text = [&word, b" ".as_slice()]
            .concat()
            .repeat(2 + self.random.below(12));
        self.put(place, &text);
    }
}
