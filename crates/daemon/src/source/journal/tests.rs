use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use stockade_datetime::Timestamp;
use stockade_filter::Encoding;
use stockade_protocol::backend;

use super::{Journal, JournalEvent, JournalOptionError, JournalOptions, JournalStart};
use crate::source::{JournalMatch, Matches, ReaderId, SourceState};

const ONE: ReaderId = ReaderId(1);
const TWO: ReaderId = ReaderId(2);

/// Stands in for `journalctl`: each line of `entries` is a number, a time, a name and a message.
const STAND_IN: &str = r#"#!/bin/sh
here=$(dirname "$0")
from=0 since=0 follow=
for argument; do
    case $argument in
        --cursor=*) from=${argument#*;i=}; from=$((0x${from%%;*})) ;;
        --since=@*) since=$(echo "${argument#--since=@}" | tr -d .) ;;
        --follow) follow=yes ;;
    esac
done
echo "$@" >> "$here/calls"
if [ -e "$here/broken" ]; then echo "it is broken" >&2; exit 1; fi
exec 3< "$here/entries"
while :; do
    if read -r number time name message <&3; then
        if [ "$number" -ge "$from" ] && [ "$time" -ge "$since" ]; then
            printf '__CURSOR=s=1;i=%x;b=2;m=%x;t=%x;x=%x\n' "$number" "$number" "$time" "$number"
            printf '__REALTIME_TIMESTAMP=%s\n_COMM=%s\nMESSAGE=%s\n\n' "$time" "$name" "$message"
        fi
    elif [ -z "$follow" ]; then
        exit 0
    elif [ -e "$here/die" ]; then
        rm "$here/die"
        exit 3
    else
        sleep 0.02
    fi
done
"#;

#[test]
fn what_is_there_is_read_and_then_what_comes() {
    let mut place = Place::new();
    place.write(&["1 1000000 sshd old", "2 2000000 sshd two", "3 3000000 su three"]);
    place.add(ONE, "_COMM=sshd", None, 2);
    place.add(TWO, "", None, 0);
    assert_eq!(
        place.read(5),
        [
            "2 sshd: old",
            "12 sshd: two",
            "2 su: three",
            "1 in operation",
            "2 in operation"
        ]
    );
    place.write(&["4 4000000 su four", "5 5000000 sshd five"]);
    assert_eq!(place.read(2), ["2 su: four", "12 sshd: five"]);
    assert_eq!(place.journal.position(ONE).map(Timestamp::seconds), Some(5));
    let calls = place.calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(
        calls[0].ends_with("--merge --output=export --no-pager --quiet --since=@0.000000"),
        "{calls:?}"
    );
    assert!(
        calls[1].ends_with("--cursor=s=1;i=3;b=2;m=3;t=2dc6c0;x=3 --follow --no-tail"),
        "{calls:?}"
    );
}

#[test]
fn only_what_somebody_wants_is_asked_for() {
    let mut place = Place::new();
    place.add(ONE, "_COMM=sshd X=1", None, 0);
    place.add(TWO, "_COMM=su", None, 0);
    assert_eq!(place.read(2), ["1 in operation", "2 in operation"]);
    let calls = place.calls();
    assert!(calls[0].ends_with("_COMM=sshd X=1 + _COMM=su"), "{calls:?}");
}

#[test]
fn entries_of_before_do_not_come_again() {
    let mut place = Place::new();
    place.write(&["1 1000000 a one", "2 2000000 a two", "3 3000000 a three"]);
    place.add(ONE, "", Some(2), 0);
    assert_eq!(place.read(2), ["1 a: three", "1 in operation"]);
}

#[test]
fn a_position_in_the_future_is_not_waited_for() {
    let mut place = Place::new();
    let future = place.now.seconds() + 10_000;
    place.add(ONE, "", Some(future), 0);
    place.write(&[&format!("1 {}000000 a now", place.now.seconds() + 1)]);
    let mut told = place.read(2);
    told.sort();
    assert_eq!(told, ["1 a: now", "1 in operation"]);
}

#[test]
fn a_child_that_dies_is_started_again_behind_the_last_entry() {
    let mut place = Place::new();
    place.write(&["1 1000000 a one"]);
    place.add(ONE, "", None, 0);
    assert_eq!(place.read(2), ["1 a: one", "1 in operation"]);
    place.mark("die");
    let said = place.read(1);
    assert!(
        said[0].contains(
            "Error reading line from systemd journal: journalctl has ended (exit status: 3), next try in 1 s"
        ),
        "{said:?}"
    );
    place.write(&["2 2000000 a two"]);
    assert_eq!(place.read(1), ["1 a: two"]);
    place.write(&["3 3000000 a three"]);
    assert_eq!(place.read(1), ["1 a: three"]);
}

#[test]
fn where_the_last_entry_is_gone_the_next_one_comes_all_the_same() {
    let mut place = Place::new();
    place.write(&["1 1000000 a one", "2 2000000 a two"]);
    place.add(ONE, "", None, 0);
    assert_eq!(place.read(3), ["1 a: one", "1 a: two", "1 in operation"]);
    fs::write(place.directory.path().join("entries"), "").expect("entries");
    place.mark("die");
    let said = place.read(1);
    assert!(said[0].contains("journalctl has ended"), "{said:?}");
    // Only now: the child might have told of them before it died.
    place.write(&["4 4000000 a four", "5 5000000 a five"]);
    assert_eq!(place.read(2), ["1 a: four", "1 a: five"]);
}

#[test]
fn a_restart_goes_on_at_the_cursor() {
    let begin = |cursor: Option<&str>, after| {
        let mut place = Place::new();
        // Three of them say to be written at the same time, and one before that.
        place.write(&[
            "1 2000000 a one",
            "2 2000000 a two",
            "3 2000000 a three",
            "4 1999999 a four",
            "5 3000000 a five",
        ]);
        let start = JournalStart {
            after: Some(Timestamp::from_seconds(after)),
            cursor: cursor.map(str::to_owned),
            since: Timestamp::from_seconds(1),
        };
        let (options, wanted) = (JournalOptions::default(), Matches::default());
        place.journal.add(ONE, options, wanted, start);
        place
    };
    let future = "s=1;i=2;b=2;m=2;t=ffffffffffffff;x=2";
    for (name, cursor, expected) in [
        (
            "between entries of one time",
            Some("s=1;i=2;b=2;m=2;t=1e8480;x=2"),
            &["1 a: three", "1 a: five", "1 in operation"][..],
        ),
        (
            "a copy of the entry",
            Some("s=7;i=9;b=2;m=3;t=1e8480;x=3"),
            &["1 a: five", "1 in operation"],
        ),
        ("by time alone", None, &["1 a: five", "1 in operation"]),
        (
            "in the future",
            Some(future),
            &[
                "1 a: one",
                "1 a: two",
                "1 a: three",
                "1 a: four",
                "1 a: five",
                "1 in operation",
            ],
        ),
    ] {
        let mut place = begin(cursor, 2);
        assert_eq!(place.read(expected.len()), expected, "{name}");
        assert_eq!(
            place.journal.cursor(ONE),
            Some("s=1;i=5;b=2;m=5;t=2dc6c0;x=5"),
            "{name}"
        );
    }
}

#[test]
fn it_is_said_once_that_there_is_no_program() {
    let mut place = Place::new();
    place.step_micros = 5_000_000;
    let program = place.directory.path().join("journalctl");
    fs::rename(&program, place.directory.path().join("away")).expect("no program");
    place.add(ONE, "", None, 0);
    place.write(&["1 1000000 a one"]);
    let said = place.read(1);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("The journal is not read: ") && said[0].contains("it comes with systemd"),
        "{said:?}"
    );
    let status = place.journal.statuses(place.now).remove(0);
    assert!(
        matches!(&status.state, SourceState::Failing(why) if why.contains("cannot be run")),
        "{status:?}"
    );
    fs::rename(place.directory.path().join("away"), &program).expect("the program");
    assert_eq!(place.read(2), ["1 a: one", "1 in operation"]);
}

#[test]
fn a_journal_that_cannot_be_read_is_tried_again_at_growing_intervals() {
    let mut place = Place::new();
    place.step_micros = 500_000;
    place.mark("broken");
    place.write(&["1 1000000 a one"]);
    place.add(ONE, "", None, 0);
    let said = place.read(3);
    for (line, pause) in said.iter().zip([1, 2, 4]) {
        assert!(
            line.contains(&format!("(it is broken), next try in {pause} s")),
            "{line}"
        );
    }
    fs::remove_file(place.directory.path().join("broken")).expect("no longer broken");
    assert_eq!(place.read(2), ["1 a: one", "1 in operation"]);
}

#[test]
fn a_reader_that_joins_or_goes_on_gets_what_it_has_not_had() {
    let mut place = Place::new();
    place.write(&["1 1000000 a one", "2 2000000 a two"]);
    place.add(ONE, "", None, 0);
    assert_eq!(place.read(3), ["1 a: one", "1 a: two", "1 in operation"]);
    place.add(TWO, "", None, 0);
    place.write(&["3 3000000 a three"]);
    assert_eq!(
        place.read(4),
        ["2 a: one", "2 a: two", "12 a: three", "2 in operation"]
    );
    place.journal.set_idle(ONE, true);
    place.write(&["4 4000000 a four"]);
    assert_eq!(place.read(1), ["2 a: four"]);
    place.journal.set_idle(ONE, false);
    assert_eq!(place.read(1), ["1 a: four"]);
    place.journal.remove(TWO);
    place.write(&["5 5000000 a five"]);
    assert_eq!(place.read(1), ["1 a: five"]);
    place.journal.remove(ONE);
    assert_eq!(place.journal.next_wakeup(place.now), None);
}

#[test]
fn other_matches_apply_from_then_on() {
    let mut place = Place::new();
    place.write(&["1 1000000 a one", "2 2000000 b two"]);
    place.add(ONE, "_COMM=a", None, 0);
    assert_eq!(place.read(2), ["1 a: one", "1 in operation"]);
    place.journal.set_matches(ONE, matches("_COMM=b"));
    place.write(&["3 3000000 a three", "4 4000000 b four"]);
    assert_eq!(place.read(1), ["1 b: four"]);
}

#[test]
fn options_say_which_journal() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_string_lossy().into_owned();
    let at_path = format!("--directory={path}");
    let file = |name: &str| {
        fs::write(directory.path().join(name), "").expect("a file");
        format!("{path}/{name}")
    };
    let (now, before, user) = (
        file("system.journal"),
        file("system@1.journal"),
        file("user-1.journal"),
    );
    let _odd = file("[odd].journal");
    let both = format!("{now}, {path}/user*.journal,{path}/none.journal");
    let both_found = format!("--file={now} --file={before} --file={user}");
    let all = format!("{path}/*.journal");
    let all_found = format!("--file={path}/\\[odd].journal --file={now} --file={before} --file={user}");
    for (options, expected) in [
        (vec![], "--merge"),
        (vec![("journalpath", path.as_str())], at_path.as_str()),
        (vec![("journalfiles", both.as_str())], both_found.as_str()),
        (vec![("journalfiles", all.as_str())], all_found.as_str()),
        (vec![("journalflags", "1")], ""),
        (vec![("journalflags", "4")], "--merge --system"),
        (vec![("journalflags", "5")], "--system"),
        (vec![("journalflags", "2")], "--directory=/run/log/journal"),
        (vec![("journalflags", "8")], "--merge --user"),
        (vec![("rotated", "on")], "--merge --system"),
        (
            vec![("namespace", "x"), ("rotated", "on"), ("journalflags", "0")],
            "--namespace=x --merge",
        ),
    ] {
        let parsed = JournalOptions::parse(options.iter().copied()).expect("options");
        let found = parsed.look(&crate::source::System::new());
        assert_eq!(parsed.arguments(&found).join(" "), expected, "{options:?}");
    }
    for (options, error) in [
        (vec![("bogus", "1")], JournalOptionError::Unknown("bogus".into())),
        (
            vec![("bogus", "1"), ("journalflags", "x")],
            JournalOptionError::Flags("x".into()),
        ),
        (
            vec![("journalpath", "/nonexistent-here")],
            JournalOptionError::Path("/nonexistent-here".into()),
        ),
    ] {
        assert_eq!(JournalOptions::parse(options), Err(error));
    }
    for known in backend::parameters("systemd") {
        assert!(JournalOptions::read([(*known, "1")]).is_ok(), "{known}");
    }
}

/// Set where the test runs beside a journal of its own.
const INSIDE: &str = "STOCKADE_TEST_JOURNALD";

/// Starts a `journald` that nobody else sees, and the test beside it.
const WITH_JOURNALD: &str = r#"
set -e
mkdir -p /run/systemd /run/log /var/log/journal
mount -t tmpfs tmpfs /run/systemd && mkdir -p /run/systemd/journal
mount -t tmpfs tmpfs /run/log && mkdir -p /run/log/journal
mount -t tmpfs tmpfs /var/log/journal
/lib/systemd/systemd-journald > /dev/null 2>&1 &
journald=$!
tries=0
until [ -S /run/systemd/journal/socket ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ]
    sleep 0.05
done
status=0
"$0" --exact source::journal::tests::a_real_journal_is_read --nocapture || status=$?
kill $journald
exit $status
"#;

#[test]
fn a_real_journal_is_read() {
    if std::env::var_os(INSIDE).is_some() {
        return read_a_real_journal();
    }
    let has_all = [
        "/lib/systemd/systemd-journald",
        "/usr/bin/journalctl",
        "/usr/bin/unshare",
    ]
    .iter()
    .all(|path| fs::metadata(path).is_ok());
    if !has_all || !rustix::process::geteuid().is_root() {
        println!("skipped: it takes systemd-journald, unshare, and root");
        return;
    }
    let status = std::process::Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", WITH_JOURNALD])
        .arg(std::env::current_exe().expect("this program"))
        .env(INSIDE, "1")
        .status()
        .expect("unshare");
    assert!(status.success(), "{status}");
}

fn read_a_real_journal() {
    let socket = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    socket.connect("/run/systemd/journal/socket").expect("journald");
    let send = |identifier: &str, message: &[u8]| {
        let mut datagram = format!("SYSLOG_IDENTIFIER={identifier}\nSYSLOG_PID=42\nMESSAGE\n").into_bytes();
        let length = u64::try_from(message.len()).expect("a length");
        datagram.extend_from_slice(&length.to_le_bytes());
        datagram.extend_from_slice(message);
        datagram.push(b'\n');
        socket.send(&datagram).expect("journald takes it");
    };
    let mut journal = Journal::new();
    assert!(super::available(&JournalOptions::default()).is_some());
    send("sshd", b"one");
    send("other", b"not wanted");
    send("sshd", b"two\nlines \xff");
    let start = JournalStart {
        after: None,
        cursor: None,
        since: wall_clock().plus_seconds(-60),
    };
    let sshd = matches("SYSLOG_IDENTIFIER=sshd");
    journal.add(ONE, JournalOptions::default(), sshd.clone(), start.clone());
    let mut read = |count: usize| -> Vec<String> {
        let mut told = Vec::new();
        for _ in 0..1000 {
            journal.ready(wall_clock(), &mut |event| {
                let text = shown(event);
                // The host is whatever this machine is called.
                told.push(
                    text.split_once(" sshd")
                        .map_or(text.clone(), |(_, rest)| rest.to_owned()),
                );
            });
            if told.len() >= count {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        told
    };
    let mut told = read(3);
    told.sort();
    assert_eq!(
        told,
        ["1 in operation", "[42]: one", "[42]: two\\nlines \u{fffd}"]
    );
    send("sshd", b"three");
    assert_eq!(read(1), ["[42]: three"]);
    // Rotation neither loses nor doubles an entry.
    for round in 0..3 {
        send("sshd", format!("before {round}").as_bytes());
        let rotated = std::process::Command::new("journalctl")
            .args(["--rotate", "--quiet"])
            .status()
            .expect("journalctl");
        assert!(rotated.success());
        send("sshd", format!("after {round}").as_bytes());
        assert_eq!(
            read(2),
            [format!("[42]: before {round}"), format!("[42]: after {round}")]
        );
    }
    let position = journal.position(ONE);
    let cursor = journal.cursor(ONE).map(str::to_owned);
    drop(journal);
    send("sshd", b"while away");
    let mut journal = Journal::new();
    let start = JournalStart {
        after: position,
        cursor,
        ..start
    };
    journal.add(ONE, JournalOptions::default(), sshd, start);
    let mut told = Vec::new();
    for _ in 0..1000 {
        journal.ready(wall_clock(), &mut |event| told.push(shown(event)));
        if told.len() >= 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter().any(|line| line.ends_with("sshd[42]: while away")),
        "{told:?}"
    );
}

fn wall_clock() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    Timestamp::from_micros(i64::try_from(since.as_micros()).expect("a time"))
}

/// A journal of our own making.
struct Place {
    directory: tempfile::TempDir,
    journal: Journal,
    now: Timestamp,
    step_micros: i64,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let program = directory.path().join("journalctl");
        fs::write(&program, STAND_IN).expect("the program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its rights");
        let place = Self {
            journal: Journal::with_program(program),
            directory,
            now: Timestamp::from_seconds(1_700_000_000),
            step_micros: 20_000,
        };
        place.write(&[]);
        place
    }

    fn write(&self, entries: &[&str]) {
        let mut text = entries.join("\n");
        if !entries.is_empty() {
            text.push('\n');
        }
        self.append("entries", &text);
    }

    fn mark(&self, name: &str) {
        self.append(name, "");
    }

    fn append(&self, name: &str, text: &str) {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.directory.path().join(name))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("a file to append to");
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.directory.path().join("calls")).expect("calls");
        calls.lines().map(str::to_owned).collect()
    }

    fn add(&mut self, reader: ReaderId, wanted: &str, after: Option<i64>, since: i64) {
        self.journal.add(
            reader,
            JournalOptions::default(),
            matches(wanted),
            JournalStart {
                after: after.map(Timestamp::from_seconds),
                cursor: None,
                since: Timestamp::from_seconds(since),
            },
        );
    }

    /// Reads until so many things were told, and a little longer, to see that it is no more than that.
    fn read(&mut self, count: usize) -> Vec<String> {
        let mut told = Vec::new();
        let mut surplus = 5;
        for _ in 0..1000 {
            self.now = self.now.plus_micros(self.step_micros);
            self.journal.ready(self.now, &mut |event| told.push(shown(event)));
            if told.len() >= count {
                surplus -= 1;
                if surplus == 0 {
                    break;
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        told
    }
}

fn shown(event: JournalEvent<'_>) -> String {
    match event {
        JournalEvent::Entry { readers, entry } => {
            let readers: String = readers.iter().map(|reader| reader.0.to_string()).collect();
            format!("{readers} {}", entry.text(Encoding::UTF_8))
        }
        JournalEvent::InOperation { reader } => format!("{} in operation", reader.0),
        JournalEvent::Message { level, logger, text } => format!("{level} {logger} {text}"),
    }
}

fn matches(wanted: &str) -> Matches {
    let mut all = Matches::default();
    let words: Vec<String> = wanted.split_whitespace().map(str::to_owned).collect();
    if !words.is_empty() {
        all.add(JournalMatch::parse(&words).expect("a match"));
    }
    all
}
