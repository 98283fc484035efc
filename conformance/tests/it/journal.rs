//! The journal while everything about it changes: rotated and cut every few seconds, moved to the disk, its daemon and
//! our reader killed, and our server away in between. Each entry counts once.
//!
//! `STOCKADE_ENTRIES=200000` writes so many.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use stockade_conformance::{
    Machine, Running, Subject, can_make_machines, has_reference, run, spawn, until, within,
};

use crate::stage::{PATIENCE, Stage};

const JOURNALD: &str = "/usr/lib/systemd/systemd-journald";

/// How many entries are written at a time; then the server's log is looked at.
const CHUNK: usize = 500;

/// How many entries the server may be behind the writer. What the journal keeps is more than that; what it has thrown
/// away, nobody can read.
const AHEAD: usize = 3000;

/// Of that size each file of the journal is at most, and all of them together.
const FILE_SIZE: &str = "512K";
const ALL_SIZES: &str = "8M";

const FILTER: &str = "[Definition]\nfailregex = ^\\S+ IDENT(?:\\[\\d+\\])?: attempt <F-ID>\\d+</F-ID>$\n";

/// A machine with a journal that can be written to from here, and a server of ours.
struct Place {
    machine: Machine,
    stage: Stage,
    journald: Option<Running>,
}

impl Place {
    fn new(jails: &str) -> Self {
        let stage = Stage::new(&[
            (
                "jail.conf",
                &format!(
                    "[DEFAULT]\nbackend = systemd\nusedns = no\nenabled = true\nfindtime = 1d\nmaxretry = 1000\n{jails}"
                ),
            ),
            ("filter.d/app.conf", &FILTER.replace("IDENT", "app")),
            ("filter.d/other.conf", &FILTER.replace("IDENT", "other\\d+")),
        ]);
        let machine = Machine::start("journal");
        let made = "mkdir -p /run/systemd/journal /run/systemd/journald.conf.d DIR/journal && \
            mount --bind DIR/journal /run/systemd/journal && \
            printf '[Journal]\\nRateLimitBurst=0\\nCompress=no\\nSystemKeepFree=1M\\nRuntimeKeepFree=1M\\n\
            SystemMaxFileSize=SIZE\\nSystemMaxUse=USE\\nRuntimeMaxFileSize=SIZE\\nRuntimeMaxUse=USE\\n' \
            > /run/systemd/journald.conf.d/test.conf";
        let made = made
            .replace("DIR", &machine.directory().display().to_string())
            .replace("SIZE", FILE_SIZE)
            .replace("USE", ALL_SIZES);
        let _said = machine.sh(&made).expect("a place for the journal");
        Self {
            machine,
            stage,
            journald: None,
        }
    }

    fn socket(&self) -> PathBuf {
        self.machine.directory().join("journal/socket")
    }

    fn start_journald(&mut self) {
        let output = self.machine.directory().join("journald");
        let journald = spawn(&mut self.machine.inside(&Command::new(JOURNALD)), &output);
        self.journald = Some(journald);
        let is_there = || UnixDatagram::unbound().ok()?.connect(self.socket()).ok();
        until("the journal", PATIENCE, || self.stage.state(), is_there);
    }

    /// Ends the journal's daemon once it has written what it was given.
    fn stop_journald(&mut self) {
        let _said = self.machine.sh("journalctl --sync").expect("written");
        let _said = self
            .machine
            .sh("pkill -TERM -x systemd-journal")
            .expect("a signal");
        let mut journald = self.journald.take().expect("it runs");
        let _status = journald.wait(PATIENCE);
    }

    /// Writes one entry.
    fn send(&self, identifier: &str, message: &[u8]) {
        self.send_fields(&[("SYSLOG_IDENTIFIER", identifier.as_bytes()), ("MESSAGE", message)]);
    }

    fn send_fields(&self, fields: &[(&str, &[u8])]) {
        let mut datagram = Vec::new();
        for (name, value) in fields {
            let length = u64::try_from(value.len()).expect("a length");
            datagram.extend_from_slice(format!("{name}\n").as_bytes());
            datagram.extend_from_slice(&length.to_le_bytes());
            datagram.extend_from_slice(value);
            datagram.push(b'\n');
        }
        let socket = UnixDatagram::unbound().expect("a socket");
        let sent = socket.send_to(&datagram, self.socket());
        assert_eq!(sent.expect("the journal takes it"), datagram.len());
    }

    fn start(&self) -> Running {
        self.start_with(Subject::Ours)
    }

    fn start_with(&self, subject: Subject) -> Running {
        let server = subject.server(Some(self.stage.path()));
        let running = spawn(&mut self.machine.inside(&server), &self.stage.path().join("said"));
        let answers = || self.stage.say(subject, &["ping"]).succeeded().then_some(());
        until("the server", PATIENCE, || self.stage.state(), answers);
        running
    }

    fn stop(&self, mut running: Running) {
        let _said = self.stage.say(Subject::Ours, &["stop"]).expect("the end");
        assert_eq!(running.wait(PATIENCE), Some(0), "{}", self.stage.state());
    }

    /// How many readers of the journal the machine runs.
    fn readers(&self) -> usize {
        let said = self.machine.sh("pgrep -x journalctl || true").expect("processes");
        said.lines().count()
    }

    /// Kills them.
    fn kill_readers(&self) {
        let _status = self.machine.sh("pkill -KILL -x journalctl");
    }

    /// The one source there is, as the server sees it.
    fn source(&self) -> serde_json::Value {
        let mut command = Subject::stockade();
        command
            .args(["status", "--sources", "--json", "-c"])
            .arg(self.stage.path());
        let said = run(&mut command, PATIENCE).expect("the sources");
        let mut sources: Vec<serde_json::Value> = serde_json::from_str(&said).expect("JSON");
        assert_eq!(sources.len(), 1, "one reader for all jails: {said}");
        sources.remove(0)
    }
}

/// What the server has found so far, by jail and id, and how often.
struct Findings {
    log: PathBuf,
    offset: u64,
    rest: String,
    found: BTreeMap<(String, String), usize>,
}

impl Findings {
    fn of(stage: &Stage) -> Self {
        Self {
            log: stage.path().join("log"),
            offset: 0,
            rest: String::new(),
            found: BTreeMap::new(),
        }
    }

    /// Reads on; how many different ones there are.
    fn read(&mut self) -> usize {
        let mut text = std::mem::take(&mut self.rest);
        if let Ok(mut log) = File::open(&self.log) {
            log.seek(SeekFrom::Start(self.offset)).expect("a file");
            let count = log.read_to_string(&mut text).expect("a text");
            self.offset += u64::try_from(count).expect("a length");
        }
        let end = text.rfind('\n').map_or(0, |at| at + 1);
        self.rest = text.split_off(end);
        for line in text.lines() {
            let Some((before, after)) = line.split_once("] Found ") else {
                continue;
            };
            let jail = before.rsplit('[').next().unwrap_or_default().to_owned();
            let id = after.rsplit_once(" - ").unwrap_or((after, "")).0.to_owned();
            *self.found.entry((jail, id)).or_default() += 1;
        }
        self.found.len()
    }

    fn times(&self, jail: &str, id: usize) -> usize {
        let key = (jail.to_owned(), id.to_string());
        self.found.get(&key).copied().unwrap_or(0)
    }
}

#[test]
fn no_entry_is_lost_and_none_comes_twice() {
    const OTHERS: usize = 19;
    if !can_make_machines(&[JOURNALD, "journalctl", "pkill"]) {
        return;
    }
    let asked = std::env::var("STOCKADE_ENTRIES").ok();
    let entries: usize = asked.map_or(20_000, |asked| asked.parse().expect("a number"));
    let chunks = entries.div_ceil(CHUNK);
    let entries = chunks * CHUNK;
    let mut jails = "[app]\nfilter = app\njournalmatch = SYSLOG_IDENTIFIER=app\n".to_owned();
    for number in 1..=OTHERS {
        let matches = format!("SYSLOG_IDENTIFIER=other{number} + SYSLOG_IDENTIFIER=other0 PRIORITY=9");
        writeln!(jails, "[other{number}]\nfilter = other\njournalmatch = {matches}").expect("a text");
    }
    let mut place = Place::new(&jails);
    place.start_journald();
    let mut findings = Findings::of(&place.stage);
    let mut running = Some(place.start());
    let at = |percent: usize| chunks * percent / 100;
    let mut most = 0;
    for chunk in 0..chunks {
        for number in chunk * CHUNK..(chunk + 1) * CHUNK {
            place.send("app", format!("attempt {number}").as_bytes());
        }
        place.send("app", b"nothing\njournal app: attempt 0");
        let sent = (chunk + 1) * CHUNK;
        if running.is_some() {
            let close = || (findings.read() + AHEAD >= sent).then_some(());
            let came = within(PATIENCE, close);
            most = most.max(sent - findings.found.len().min(sent));
            assert!(
                came.is_some(),
                "{} of {sent} were found, and no more come\n{}",
                findings.found.len(),
                place.source()
            );
        }
        if chunk == at(5) {
            // While it follows the journal in memory, which is all that there was when it began.
            let all = || (findings.read() >= sent && place.readers() == 1).then_some(());
            until("all to be read", PATIENCE, || place.stage.state(), all);
            let _said = place
                .machine
                .sh("mkdir /var/log/journal && journalctl --flush")
                .expect("the journal goes to the disk");
        } else if chunk == at(20) || chunk == at(70) || chunk == at(90) {
            // In the middle of its work, as it is never done here.
            place.kill_readers();
        } else if chunk == at(35) {
            place.stop_journald();
            place.start_journald();
        } else if chunk == at(50) {
            place.stop(running.take().expect("it runs"));
        } else if chunk == at(50) + 3 {
            running = Some(place.start());
        } else if chunk == at(80) {
            let _said = place.machine.sh("journalctl --rotate").expect("rotated");
        }
    }
    for number in 1..=OTHERS {
        place.send(&format!("other{number}"), b"attempt 7");
    }
    let all = entries + OTHERS;
    let _came = within(PATIENCE, || (findings.read() >= all).then_some(()));
    let lost = (0..entries).filter(|number| findings.times("app", *number) == 0);
    let lost: Vec<usize> = lost.collect();
    assert!(lost.is_empty(), "{} of {entries} are lost: {lost:?}", lost.len());
    for number in 1..=OTHERS {
        assert_eq!(findings.times(&format!("other{number}"), 7), 1, "jail {number}");
    }
    let twice: Vec<_> = findings.found.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "came twice: {twice:?}");
    let one = || (place.readers() == 1).then_some(());
    until("one reader for all", PATIENCE, || place.stage.state(), one);
    let source = place.source();
    assert_eq!(
        source["jails"].as_array().map(Vec::len),
        Some(OTHERS + 1),
        "{source}"
    );
    assert_eq!(source["state"], "following", "{source}");
    // What was read first is gone by now: it was cut while it was read.
    let oldest = place.machine.sh("journalctl -q -o cat -t app | head -n 1");
    let oldest = oldest.expect("the oldest entry");
    assert_ne!(oldest.trim(), "attempt 0", "the journal was cut");
    println!(
        "{entries} entries, at most {most} behind; the oldest that is kept is `{}`",
        oldest.trim()
    );
    place.stop(running.take().expect("it runs"));
    assert_eq!(place.readers(), 0, "no reader outlives the server");
}

#[test]
fn a_journal_that_is_not_there_yet_is_waited_for() {
    const JAILS: &str = "[app]\nfilter = app\njournalmatch = SYSLOG_IDENTIFIER=app\n\
        [files]\nfilter = app\nbackend = systemd[journalfiles=\"/run/log/journal/*/system.journal\"]\n";
    if !can_make_machines(&[JOURNALD, "journalctl", "pkill"]) {
        return;
    }
    let mut place = Place::new(JAILS);
    let running = place.start();
    let log = place.stage.read("log");
    let told = "[app] there is no journal to read, or no journalctl to read it; the jail waits for it";
    assert!(log.contains(told), "{log}");
    let mut command = Subject::stockade();
    command
        .args(["status", "--sources", "-c"])
        .arg(place.stage.path());
    let table = run(&mut command, PATIENCE).expect("the sources");
    let waiting = table.lines().filter(|line| line.contains("waiting"));
    assert_eq!(waiting.count(), 2, "{table}");
    assert!(!log.contains("ERROR"), "{log}");
    place.start_journald();
    let mut findings = Findings::of(&place.stage);
    for round in 0..5 {
        place.send("app", format!("attempt {round}").as_bytes());
        let found = || (findings.read() == (round + 1) * 2).then_some(());
        let came = within(PATIENCE, found);
        let (found, state) = (&findings.found, place.stage.state());
        assert!(came.is_some(), "round {round}: {found:?}\n{state}");
        let _said = place.machine.sh("journalctl --rotate").expect("rotated");
    }
    assert!(
        findings.found.values().all(|times| *times == 1),
        "{:?}",
        findings.found
    );
    place.stop(running);
}

/// What to write, and which jails to have: the server says which entries each of them has read, and how it reads them.
#[test]
fn jails_read_what_those_of_the_reference_read() {
    /// Matches; the options of the backend.
    const WAYS: [(&str, &str, &str); 17] = [
        ("none", "", ""),
        ("one", "SYSLOG_IDENTIFIER=app", ""),
        ("fields", "A=1 B=2", ""),
        ("values", "A=1 A=3 B=2", ""),
        ("groups", "A=1 B=2 + A=3", ""),
        ("lines", "A=1 B=2\n    A=3 B=3", ""),
        ("empty", "+ A=1 B=2 +", ""),
        ("quoted", "\"X=two words\"", ""),
        ("equals", "X=a=b", ""),
        ("trusted", "_TRANSPORT=journal A=3", ""),
        ("path", "", "[journalpath=/run/log/journal]"),
        (
            "files",
            "",
            "[journalfiles=\"/run/log/journal/*/system.journal\"]",
        ),
        (
            "two-files",
            "A=1",
            "[journalfiles=\"/none/*.journal, /run/log/journal/*/system.journal\"]",
        ),
        ("volatile", "", "[journalflags=2]"),
        ("system", "", "[journalflags=4]"),
        ("local", "A=1", "[journalflags=1]"),
        ("rotated", "", "[rotated=on]"),
    ];
    const KNOWN: &str = "python3 -c '\
        import socket, time\n\
        journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
        journal.connect(\"/run/systemd/journal/socket\")\n\
        for fields in (\"SYSLOG_IDENTIFIER=\", \"SYSLOG_PID=\", \"SYSLOG_IDENTIFIER=\\nSYSLOG_PID=\", \"Y=\"):\n    \
            journal.send((fields + \"\\nMESSAGE=by python, with \" + fields[7:10] + \"\\n\").encode())\n\
        time.sleep(1)'";
    let identifier = "SYSLOG_IDENTIFIER";
    let entries: [&[(&str, &[u8])]; 23] = [
        &[(identifier, b"app"), ("MESSAGE", b"plain")],
        &[(identifier, b"app"), ("A", b"1"), ("MESSAGE", b"A is 1")],
        &[
            (identifier, b"app"),
            ("A", b"1"),
            ("B", b"2"),
            ("MESSAGE", b"A is 1, B is 2"),
        ],
        &[
            (identifier, b"app"),
            ("A", b"3"),
            ("B", b"2"),
            ("MESSAGE", b"A is 3, B is 2"),
        ],
        &[
            (identifier, b"app"),
            ("A", b"3"),
            ("B", b"3"),
            ("MESSAGE", b"A is 3, B is 3"),
        ],
        &[("X", b"two words"), ("MESSAGE", b"X is two words")],
        &[("X", b"two"), ("MESSAGE", b"X is one word")],
        &[("X", b"a=b"), ("MESSAGE", b"X has an equals sign")],
        &[(identifier, b"app"), ("MESSAGE", b"two\nhost app[1]: lines\n")],
        &[
            (identifier, b"app"),
            ("MESSAGE", b"a return\rhost app[1]: and a tab\there"),
        ],
        &[(identifier, b"app"), ("MESSAGE", b"a return at the end\r")],
        &[(identifier, b"app"), ("MESSAGE", b"all at the end\r\n\n")],
        &[(identifier, b"a\nb"), ("MESSAGE", b"a name of two lines")],
        &[
            (identifier, b"app"),
            ("SYSLOG_PID", b"42"),
            ("MESSAGE", b"a process"),
        ],
        &[
            (identifier, b"app"),
            ("SYSLOG_PID", b"007"),
            ("MESSAGE", b"a process with naughts"),
        ],
        &[
            (identifier, b"app"),
            ("SYSLOG_PID", b"x7"),
            ("MESSAGE", b"a process that is no number"),
        ],
        &[("SYSLOG_PID", b"42"), ("MESSAGE", b"a process without a name")],
        &[
            (identifier, b"app"),
            ("MESSAGE", b"first"),
            ("MESSAGE", b"second"),
        ],
        &[(identifier, b"app"), ("MESSAGE", b"")],
        &[
            (identifier, b"app"),
            ("MESSAGE", "caf\u{e9} \u{1f600}".as_bytes()),
        ],
        &[(identifier, b"app"), ("MESSAGE", b"no \xff text")],
        &[(identifier, b""), ("MESSAGE", b"no name")],
        &[
            (identifier, b"kernel"),
            ("SYSLOG_PID", b"1"),
            ("MESSAGE", b"a kernel with a process"),
        ],
    ];
    if !has_reference() || !can_make_machines(&[JOURNALD, "journalctl", "pkill"]) {
        return;
    }
    let mut jails = String::new();
    for (name, matches, options) in WAYS {
        let backend = format!("backend = systemd{options}");
        writeln!(
            jails,
            "[{name}]\nfilter = all\n{backend}\njournalmatch = {matches}"
        )
        .expect("a text");
    }
    let found = |subject: Subject| {
        let mut place = Place::new(&jails);
        place.stage.write(
            "filter.d/all.conf",
            "[Definition]\nfailregex = ^<F-ID>.*</F-ID>$\n",
        );
        // A journal of another machine is there as well, such as that of a container.
        let change = "mkdir -p /run/log/journal && echo 0123456789abcdef0123456789abcdef > /etc/machine-id";
        place.start_journald();
        place.send_fields(&[
            (identifier, b"other"),
            ("A", b"1"),
            ("MESSAGE", b"of another machine"),
        ]);
        place.stop_journald();
        let _said = place.machine.sh(change).expect("another machine");
        place.start_journald();
        let half = entries.len() / 2;
        entries[..half].iter().for_each(|entry| place.send_fields(entry));
        // Of a process that the journal knows, for it lives until it was looked at.
        let _said = place.machine.sh(KNOWN).expect("written");
        let _said = place.machine.sh("journalctl --sync").expect("written");
        let mut running = place.start_with(subject);
        let mut findings = Findings::of(&place.stage);
        entries[half..].iter().for_each(|entry| place.send_fields(entry));
        for (_, jail) in [("A", "none"), ("B", "rotated")] {
            // What comes last has been read: so has what was written before it.
            let wanted = |(known, id): &(String, String)| known == jail && id.contains("with a process");
            let last = || (findings.read() > 0 && findings.found.keys().any(wanted)).then_some(());
            until("the last entry", PATIENCE, || place.stage.state(), last);
        }
        let _came = within(Duration::from_secs(3), || {
            (findings.read() == usize::MAX).then_some(())
        });
        let _said = place.stage.say(subject, &["stop"]);
        let _status = running.wait(PATIENCE);
        // The number of a process is the machine's own affair.
        let plain = |((jail, id), times): ((String, String), usize)| match id.contains("by python") {
            true => ((jail, id.replace(|char: char| char.is_ascii_digit(), "")), times),
            false => ((jail, id), times),
        };
        findings.found.into_iter().map(plain).collect::<BTreeMap<_, _>>()
    };
    let (theirs, ours) = (found(Subject::Reference), found(Subject::Ours));
    // Our log escapes control characters.
    let escaped = |((jail, id), times): ((String, String), usize)| ((jail, id.replace('\r', "\\r")), times);
    let theirs: BTreeMap<_, _> = theirs.into_iter().map(escaped).collect();
    let differences: Vec<String> = theirs
        .keys()
        .chain(ours.keys().filter(|key| !theirs.contains_key(*key)))
        .filter(|key| theirs.get(*key) != ours.get(*key))
        .map(|key| format!("{key:?}: {:?} and {:?}", theirs.get(key), ours.get(key)))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    for (name, _, _) in WAYS {
        assert!(
            ours.keys().any(|(jail, _)| jail == name),
            "{name} reads something"
        );
    }
}
