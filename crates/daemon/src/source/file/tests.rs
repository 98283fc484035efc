use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use stockade_datetime::Timestamp;
use stockade_sys::{Watch, WatchFlags, inotify};

use super::super::disk::{Disk, Identity, Readable, Status, System};
use super::{Event, Files, FollowOptions, LINE_LIMIT, LineBreak, ReaderId, SourceState, Start};
use crate::store::LogPosition;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const ONE: ReaderId = ReaderId(1);
const TWO: ReaderId = ReaderId(2);

#[test]
fn lines_come_when_they_are_complete() {
    let mut place = Place::new();
    place.append("log", "one\ntwo\nthr");
    place.follow(ONE, "log");
    assert_eq!(place.read(), ["1 one", "1 two", "1 in operation"]);
    assert_eq!(place.position(ONE, "log"), 8);
    place.append("log", "ee");
    assert_eq!(place.read(), <[&str; 0]>::default());
    place.append("log", "\r\nfour\n\nx");
    assert_eq!(place.read(), ["1 three\r", "1 four", "1 "]);
    place.append("log", "\n");
    assert_eq!(place.read(), ["1 x"]);
    assert_eq!(place.position(ONE, "log"), 23);
}

#[test]
fn the_device_that_has_nothing_is_a_log_without_lines() {
    let mut place = Place::new();
    symlink("/dev/null", place.path("link")).expect("a link");
    let start = Start::Head {
        stored: None,
        since: Timestamp::from_seconds(0),
    };
    for name in ["/dev/null", "link"] {
        let added = place.follow_from(ONE, name, &start);
        assert_eq!((added.absent, added.position.offset), (false, 0), "{name}");
    }
    assert_eq!(place.read(), ["1 in operation", "1 in operation"]);
    assert_eq!(place.messages, <[String; 0]>::default());
    assert_eq!(place.files.next_wakeup(NOW), None, "nothing is polled");
    let statuses = place.files.statuses(NOW);
    assert!(
        statuses
            .iter()
            .all(|status| status.state == SourceState::Following),
        "{statuses:?}"
    );
    // A log that takes the place of the link is one.
    place.remove("link");
    place.append("link", "one\n");
    assert_eq!(place.read(), ["1 one"]);
    let options = FollowOptions::default();
    let other = place.files.add(
        NOW,
        ONE,
        Path::new("/dev/zero"),
        options,
        &mut |_| Start::Tail,
        &mut |_| None,
    );
    assert!(
        other.is_err(),
        "any other device has no lines either, but whoever names it is mistaken"
    );
}

#[test]
fn rotation_loses_and_doubles_nothing() {
    type Step = fn(&mut Place);
    let cases: [(&str, Step, &[&str]); 11] = [
        (
            "rename and create",
            |place| {
                place.rename("log", "log.1");
                place.append("log", "new\n");
            },
            &["1 new"],
        ),
        (
            "writes to the old file after the rename",
            |place| {
                place.append("log", "before\n");
                place.rename("log", "log.1");
                place.append("log.1", "late\n");
                place.append("log", "new\n");
            },
            &["1 before", "1 late", "1 new"],
        ),
        (
            "writes to the old file after the new one is read",
            |place| {
                place.rename("log", "log.1");
                place.append("log", "new\n");
                place.reads();
                place.append("log.1", "late\n");
            },
            &["1 new", "1 late"],
        ),
        (
            "copied and emptied",
            |place| {
                place.append("log", "before\n");
                place.reads();
                fs::copy(place.path("log"), place.path("log.1")).expect("a copy");
                place.overwrite("log", "");
                place.reads();
                place.append("log", "new\n");
            },
            &["1 before", "1 new"],
        ),
        (
            "emptied and longer again before it is looked at",
            |place| place.overwrite("log", "new line, longer than before\nand more\n"),
            &["1 new line, longer than before", "1 and more"],
        ),
        (
            "replaced by another file of the same size",
            |place| {
                place.append("other", "NEW\n");
                place.rename("other", "log");
            },
            &["1 NEW"],
        ),
        (
            "removed and created again",
            |place| {
                place.remove("log");
                place.reads();
                place.append("log", "new\n");
            },
            &["1 new"],
        ),
        (
            "moved away and back",
            |place| {
                place.rename("log", "log.1");
                place.reads();
                place.rename("log.1", "log");
                place.reads();
                place.append("log", "new\n");
            },
            &["1 new"],
        ),
        (
            "twice in a row",
            |place| {
                place.rename("log", "log.1");
                place.append("log", "new\n");
                place.rename("log", "log.2");
                place.append("log", "newer\n");
            },
            &["1 new", "1 newer"],
        ),
        (
            "a line is finished after the rename",
            |place| {
                place.append("log", "hal");
                place.reads();
                place.rename("log", "log.1");
                place.append("log.1", "ves\n");
                place.append("log", "new\n");
            },
            &["1 halves", "1 new"],
        ),
        (
            "unchanged but touched",
            |place| {
                place.append("log", "");
                File::open(place.path("log"))
                    .and_then(|file| file.set_modified(std::time::SystemTime::UNIX_EPOCH))
                    .expect("a time");
            },
            &[],
        ),
    ];
    for polling in [false, true] {
        for (name, step, expected) in cases {
            let mut place = Place::new();
            place.polling = polling;
            place.append("log", "old\n");
            place.follow(ONE, "log");
            assert_eq!(place.read(), ["1 old", "1 in operation"], "{name}");
            step(&mut place);
            let read = place.read();
            if polling && name == "twice in a row" {
                // Only the kernel knows of the file that had the name between two looks.
                assert_eq!(read, ["1 newer"]);
                continue;
            }
            assert_eq!(read, expected, "{name}, polling {polling}");
        }
    }
}

#[test]
fn what_comes_after_the_end_is_being_written_now() {
    let mut place = Place::new();
    place.append("log", "");
    place.follow(ONE, "log");
    // Before anything was read.
    place.append("log", "one\n");
    assert_eq!(place.read(), ["1 in operation", "1 one"]);
}

#[test]
fn directories_come_and_go() {
    let mut place = Place::new();
    place.follow(ONE, "a/b/c/log");
    assert_eq!(place.read(), ["1 in operation"]);
    fs::create_dir(place.path("a")).expect("a directory");
    place.reads();
    fs::create_dir_all(place.path("a/b/c")).expect("directories");
    place.reads();
    place.append("a/b/c/log", "one\n");
    assert_eq!(place.read(), ["1 one"]);
    place.append("a/b/c/log", "two\n");
    assert_eq!(place.read(), ["1 two"]);
    fs::remove_dir_all(place.path("a")).expect("no directories");
    place.reads();
    fs::create_dir_all(place.path("a/b/c")).expect("directories");
    place.append("a/b/c/log", "three\n");
    assert_eq!(place.read(), ["1 three"]);
    // A directory is put in place of another one.
    fs::create_dir_all(place.path("new/c")).expect("directories");
    place.append("new/c/log", "four\n");
    place.rename("a/b", "a/old");
    place.rename("new", "a/b");
    assert_eq!(place.read(), ["1 four"]);
    place.append("a/b/c/log", "five\n");
    assert_eq!(place.read(), ["1 five"]);
}

#[test]
fn links_are_followed_and_their_changes_noticed() {
    let mut place = Place::new();
    for name in ["x", "y"] {
        fs::create_dir(place.path(name)).expect("a directory");
        place.append(&format!("{name}/log"), &format!("{name}\n"));
    }
    symlink("x/log", place.path("file")).expect("a link");
    symlink("x", place.path("directory")).expect("a link");
    place.follow(ONE, "file");
    place.follow(TWO, "directory/log");
    assert_eq!(place.read(), ["2 x", "2 in operation", "1 x", "1 in operation"]);
    place.rename("x/log", "x/log.1");
    place.append("x/log", "rotated\n");
    assert_eq!(place.read(), ["2 rotated", "1 rotated"]);
    for (link, target) in [("file", "y/log"), ("directory", "y")] {
        symlink(target, place.path("link")).expect("a link");
        place.rename("link", link);
    }
    assert_eq!(place.read(), ["2 y", "1 y"]);
}

#[test]
fn one_file_is_read_once_for_all_its_readers() {
    let mut place = Place::new();
    place.append("log", "one\ntwo\n");
    place.follow(ONE, "log");
    assert_eq!(place.read(), ["1 one", "1 two", "1 in operation"]);
    place.append("log", "three\n");
    place.follow(TWO, "log");
    // The newcomer catches up alone; then both are served together.
    assert_eq!(place.read(), ["2 one", "2 two", "12 three", "2 in operation"]);
    place.append("log", "four\n");
    assert_eq!(place.read(), ["12 four"]);
    place.files.set_idle(ONE, true);
    place.append("log", "five\n");
    assert_eq!(place.read(), ["2 five"]);
    place.files.set_idle(ONE, false);
    assert_eq!(place.read(), ["1 five"]);
    assert!(place.files.remove_file(ONE, &place.path("log")));
    assert!(!place.files.remove_file(ONE, &place.path("log")));
    place.append("log", "six\n");
    assert_eq!(place.read(), ["2 six"]);
    place.files.remove_reader(TWO);
    assert_eq!(place.files.watched(), 0);
    assert_eq!(place.files.fd().map(|_| ()), Some(()));
}

#[test]
fn reading_begins_where_the_start_says() {
    let stored = |hash: &str, offset| {
        Some(LogPosition {
            hash: hash.to_owned(),
            offset,
        })
    };
    // sha1sum of "100 a" and a line feed.
    let hash = "0f0faa281e49b5b16143ed3499cb868750bc05ed";
    let content = "100 a\n105 b\n110 c\n";
    let at = |seconds| Timestamp::from_seconds(seconds);
    let cases = [
        (
            "everything",
            None,
            at(0),
            &["1 100 a", "1 105 b", "1 110 c"][..],
            0,
        ),
        ("what is young enough", None, at(105), &["1 105 b", "1 110 c"], 0),
        ("nothing is young enough", None, at(200), &[], 0),
        (
            "from the position of before",
            stored(hash, 12),
            at(0),
            &["1 110 c"],
            12,
        ),
        (
            "another first line",
            stored("da39", 12),
            at(0),
            &["1 100 a", "1 105 b", "1 110 c"],
            0,
        ),
        (
            "a shorter file",
            stored(hash, 50),
            at(0),
            &["1 100 a", "1 105 b", "1 110 c"],
            0,
        ),
    ];
    for (name, stored, since, expected, offset) in cases {
        let mut place = Place::new();
        place.append("log", content);
        let added = place.follow_from(ONE, "log", &Start::Head { stored, since });
        assert_eq!(added.position.offset, offset, "{name}");
        assert_eq!(added.position.hash, hash, "{name}");
        let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        expected.push("1 in operation".to_owned());
        assert_eq!(place.read(), expected, "{name}");
        assert_eq!(place.position(ONE, "log"), 18, "{name}");
    }
    let mut place = Place::new();
    place.append("log", "100 a\n105 ");
    let added = place.follow_from(ONE, "log", &Start::Tail);
    assert_eq!(added.position.offset, 6);
    place.append("log", "b\n110 c\n");
    assert_eq!(place.read(), ["1 in operation", "1 105 b", "1 110 c"]);
}

#[test]
fn a_file_that_does_not_exist_is_waited_for_and_one_that_is_none_refused() {
    let mut place = Place::new();
    let added = place.follow_from(ONE, "log", &Start::Tail);
    assert!(added.absent);
    assert_eq!(place.read(), ["1 in operation"]);
    place.append("log", "one\n");
    assert_eq!(place.read(), ["1 one"]);
    fs::create_dir(place.path("directory")).expect("a directory");
    let path = place.path("directory");
    let error = place
        .files
        .add_file(
            NOW,
            ONE,
            &path,
            FollowOptions::default(),
            &Start::Tail,
            &mut |_| None,
        )
        .expect_err("a directory");
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[test]
fn who_comes_while_a_log_is_being_renamed_reads_what_has_the_name() {
    for (name, comes_back) in [("a new file is there", true), ("none is there yet", false)] {
        let mut place = Place::new();
        place.append("log", "old\n");
        place.follow(ONE, "log");
        assert!(place.read().contains(&"1 old".to_owned()), "{name}");
        place.rename("log", "log.1");
        if comes_back {
            place.append("log", "new\n");
        }
        // Nobody has looked since.
        place.follow(TWO, "log");
        let lines = place.read();
        assert!(
            !lines.iter().any(|line| line.contains("old")),
            "{name}: {lines:?}"
        );
        if !comes_back {
            place.append("log", "new\n");
        }
        let mut lines = [lines, place.read()].concat();
        lines.retain(|line| line.contains("new"));
        let read: String = lines.concat();
        assert!(read.contains('1') && read.contains('2'), "{name}: {lines:?}");
    }
}

#[test]
fn what_is_written_to_a_log_that_was_renamed_before_it_was_watched_is_read() {
    let mut place = Place::new();
    place.append("log", "one\n");
    place.follow(ONE, "log");
    place.rename("log", "log.1");
    place.append("log", "new\n");
    place.reads();
    place.append("log.1", "late\n");
    let mut lines = place.read();
    lines.retain(|line| !line.contains("operation"));
    lines.sort();
    assert_eq!(lines, ["1 late", "1 new", "1 one"]);
}

#[test]
fn what_is_written_to_a_log_that_was_emptied_and_renamed_is_read() {
    let mut place = Place::new();
    place.append("log", "a long line that is gone soon\n");
    place.follow(ONE, "log");
    place.reads();
    place.overwrite("log", "");
    place.rename("log", "log.1");
    place.append("log", "new\n");
    place.append("log.1", "late\n");
    let lines = place.read();
    assert!(lines.contains(&"1 late".to_owned()), "{lines:?}");
}

#[test]
fn a_log_that_was_renamed_is_read_on_although_the_clock_is_set_back() {
    let mut place = Place::new();
    place.append("log", "one\n");
    place.follow(ONE, "log");
    place.reads();
    place.rename("log", "log.1");
    place.append("log", "new\n");
    place.reads();
    place.now = place.now.plus_seconds(-3600);
    place.reads();
    place.append("log.1", "late\n");
    let lines = place.read();
    assert!(lines.contains(&"1 late".to_owned()), "{lines:?}");
}

#[test]
fn patterns_find_files_that_come_later() {
    let mut place = Place::new();
    fs::create_dir(place.path("web1")).expect("a directory");
    place.append("web1/access.log", "1\n");
    let pattern = place.path("web*/*.log");
    place
        .files
        .add(
            NOW,
            ONE,
            &pattern,
            FollowOptions::default(),
            &mut |_| Start::Tail,
            &mut |_| None,
        )
        .expect("a pattern");
    assert_eq!(place.read(), ["1 in operation"]);
    place.append("web1/error.log", "2\n");
    assert_eq!(place.read(), ["1 web1/error.log", "1 2", "1 in operation"]);
    fs::create_dir(place.path("web2")).expect("a directory");
    place.append("web2/access.log", "3\n");
    assert_eq!(place.read(), ["1 web2/access.log", "1 3", "1 in operation"]);
    place.append("web2/access.log", "4\n");
    place.append("web2/access.txt", "5\n");
    assert_eq!(place.read(), ["1 4"]);
    // A rotated file that the pattern matches too is not read again, and its last lines once.
    place.append("web2/access.log", "6\n");
    place.rename("web2/access.log", "web2/access.1.log");
    place.append("web2/access.1.log", "7\n");
    place.append("web2/access.log", "8\n");
    let mut lines = place.read();
    lines.sort();
    assert_eq!(
        lines,
        ["1 6", "1 7", "1 8", "1 in operation", "1 web2/access.1.log"]
    );
    place.append("web2/access.1.log", "9\n");
    assert_eq!(place.read(), ["1 9"]);
    assert_eq!(place.files.paths(ONE).len(), 4);
    place.files.remove_reader(ONE);
    assert_eq!(place.files.watched(), 0);
}

#[test]
fn long_lines_are_cut_and_counted() {
    let long = "x".repeat(LINE_LIMIT + 10);
    let mut place = Place::new();
    place.append("log", &format!("a\n{long}\nb\n"));
    place.follow(ONE, "log");
    let lines = place.read();
    let lengths: Vec<usize> = lines.iter().map(String::len).collect();
    assert_eq!(lengths, [3, LINE_LIMIT + 2, 3, 14]);
    assert_eq!(lines.get(2).map(String::as_str), Some("1 b"));
    assert_eq!(place.files.long_lines(), 1);
    // One that grows slowly, with a restart in the middle of it.
    place.append("log", &long);
    assert_eq!(place.read().len(), 1);
    assert_eq!(place.position(ONE, "log"), 2 + long.len() + 1 + 2);
    place.append("log", "rest\nc\n");
    assert_eq!(place.read(), ["1 c"]);
    assert_eq!(place.files.long_lines(), 2);
}

#[test]
fn much_is_read_in_portions() {
    let line = "a line of some length that is written many times\n";
    let count = 40 * LINE_LIMIT / line.len();
    let mut place = Place::new();
    place.append("log", &line.repeat(count));
    place.follow(ONE, "log");
    let mut portions = 0;
    let mut lines = 0;
    while place.files.next_wakeup(NOW) == Some(NOW) {
        portions += 1;
        assert!(portions < 400, "it never ends");
        place.files.ready(NOW, &mut |event| {
            if let Event::Lines(block) = event {
                lines += block.lines().count();
            }
        });
    }
    assert_eq!(lines, count);
    assert!(portions > 5, "{portions}");
}

#[test]
fn wide_encodings_are_cut_at_their_own_line_ends() {
    let mut place = Place::new();
    place.line_break = LineBreak::Utf16Le;
    let bytes: Vec<u8> = "1 \u{20ac} Test\u{20a} x\n2 y\n3"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(place.path("log"), &bytes).expect("a file");
    place.follow(ONE, "log");
    place.reads();
    assert_eq!(place.position(ONE, "log"), bytes.len() - 2);
}

#[test]
fn rotations_are_told() {
    let mut place = Place::new();
    place.append("log", "old\n");
    place.follow(ONE, "log");
    place.reads();
    place.messages.clear();
    place.remove("log");
    place.reads();
    place.append("log", "new\n");
    place.reads();
    place.overwrite("log", "x\n");
    place.reads();
    let path = place.path("log").display().to_string();
    let shown: Vec<String> = place
        .messages
        .iter()
        .map(|text| text.replace(&path, "PATH"))
        .collect();
    assert_eq!(
        shown.first().map(String::as_str),
        Some(
            "MSG fail2ban.filterpyinotify Log absence detected (possibly rotation) for PATH, reason: IN_IGNORED of PATH"
        )
    );
    assert_eq!(
        shown.get(1).map(String::as_str),
        Some("MSG fail2ban.filterpyinotify Log presence detected for file PATH")
    );
    let last = shown.last().expect("a rotation");
    assert!(
        last.starts_with("MSG fail2ban.filter Log rotation detected for PATH, reason: (2, 4, "),
        "{last}"
    );
    assert!(
        last.ends_with(
            ", '6fcf9dfbd479ed82697fee719b9f8c610a11ff2a', '389cc6b7ae5a659383eab5dfc253764eccf84732')"
        ),
        "{last}"
    );
}

#[test]
fn what_has_no_lines_is_refused_once_until_something_else_takes_its_place() {
    const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03 fail\nfail\n";
    for (name, take_its_place) in [
        (
            "another file",
            (|place: &Place| place.rename("other", "log")) as fn(&Place),
        ),
        ("another content", |place| {
            place.overwrite("log", "a line of text\n")
        }),
        ("a shorter one", |place| place.overwrite("log", "a\n")),
    ] {
        let mut place = Place::new();
        fs::write(place.path("log"), GZIP).expect("a file");
        place.append("other", "a line of text\n");
        place.follow(ONE, "log");
        assert_eq!(place.read(), ["1 in operation"], "{name}");
        place.append("log", "and more that looks like a line\n");
        assert_eq!(place.read(), <[&str; 0]>::default(), "{name}");
        let told: Vec<&String> = place
            .messages
            .iter()
            .filter(|text| text.contains("gzip"))
            .collect();
        assert_eq!(told.len(), 1, "{name}: {told:?}");
        assert!(
            told.iter().all(|text| text.starts_with("ERROR ")),
            "{name}: {told:?}"
        );
        take_its_place(&place);
        let read = place.read();
        assert!(
            read == ["1 a line of text"] || read == ["1 a"],
            "{name}: {read:?}"
        );
        place.append("log", "and another\n");
        assert_eq!(place.read(), ["1 and another"], "{name}");
        fs::write(place.path("new"), GZIP).expect("a file");
        place.rename("new", "log");
        assert_eq!(place.read(), <[&str; 0]>::default(), "{name}");
    }
    // What a pattern finds beside the logs is no mistake of anybody's.
    let mut place = Place::new();
    place.append("log", "one\n");
    fs::write(place.path("log.1.gz"), GZIP).expect("a file");
    place.follow_pattern(ONE, "log*");
    assert_eq!(place.read(), ["1 one", "1 in operation", "1 in operation"]);
    let told: Vec<&String> = place
        .messages
        .iter()
        .filter(|text| text.contains("gzip"))
        .collect();
    assert!(
        told.len() == 1 && told.iter().all(|text| text.starts_with("INFO ")),
        "{told:?}"
    );
}

#[test]
fn what_is_no_file_is_told_of_once_and_never_opened() {
    type Change = fn(&Path);
    let changes: [(&str, Change, Change); 2] = [
        (
            "a directory",
            |path| fs::create_dir(path).expect("a directory"),
            |path| fs::remove_dir(path).expect("no directory"),
        ),
        (
            "a pipe",
            |path| {
                let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
                rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
                    .expect("a pipe");
            },
            |path| fs::remove_file(path).expect("no pipe"),
        ),
    ];
    for (name, make, remove) in changes {
        let mut place = Place::new();
        place.append("log", "one\n");
        place.follow(ONE, "log");
        assert_eq!(place.read(), ["1 one", "1 in operation"], "{name}");
        place.append("log", "two\n");
        place.remove("log");
        make(&place.path("log"));
        assert_eq!(
            place.read(),
            ["1 two"],
            "{name}: what was read before is read to its end"
        );
        place.reads();
        let told = place
            .messages
            .iter()
            .filter(|text| text.contains("Unable to open"));
        // A pipe is for those who read pipes.
        let expected = usize::from(name == "a directory");
        assert_eq!(told.count(), expected, "{name}: {:?}", place.messages);
        remove(&place.path("log"));
        place.append("log", "three\n");
        assert_eq!(place.read(), ["1 three"], "{name}");
        place.append("log", "four\n");
        assert_eq!(place.read(), ["1 four"], "{name}");
    }
}

#[test]
fn what_cannot_be_read_for_a_while_is_read_on_from_where_it_was() {
    for (name, begin, end) in [
        (
            "no permission",
            (|troubles| troubles.closed.set(true)) as fn(&Troubles),
            (|troubles| troubles.closed.set(false)) as fn(&Troubles),
        ),
        (
            "a disk that fails",
            |troubles| troubles.failing.set(true),
            |troubles| troubles.failing.set(false),
        ),
        (
            "a server that has forgotten it",
            |troubles| troubles.stale.set(troubles.opened.get()),
            |_| {},
        ),
    ] {
        let mut place = Place::with_troubles();
        place.append("log", "one\n");
        place.follow(ONE, "log");
        assert_eq!(place.read(), ["1 one", "1 in operation"], "{name}");
        begin(&place.troubles);
        place.append("log", "two\n");
        let mut lines = place.read();
        place.append("log", "three\n");
        lines.extend(place.read());
        place.rename("log", "log.1");
        place.append("log", "four\n");
        if name != "no permission" {
            end(&place.troubles);
        }
        lines.extend(place.read());
        end(&place.troubles);
        lines.extend(place.read());
        place.append("log", "five\n");
        lines.extend(place.read());
        assert_eq!(lines, ["1 two", "1 three", "1 four", "1 five"], "{name}");
        let told = place.messages.iter().filter(|text| text.contains("Unable to"));
        assert!(told.count() <= 2, "{name}: {:?}", place.messages);
    }
}

#[test]
fn files_of_other_machines_are_looked_at_every_half_second_and_that_is_told_once() {
    let mut place = Place::with_troubles();
    place.troubles.remote.set(true);
    place.append("log", "one\n");
    place.follow(ONE, "log");
    fs::create_dir(place.path("web")).expect("a directory");
    place.follow_pattern(ONE, "web/*.log");
    let read = place.read();
    assert_eq!(
        read,
        ["1 in operation", "1 one"]
            .map(str::to_owned)
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    place.append("log", "two\n");
    place.append("web/new.log", "three\n");
    let read = place.read();
    assert!(
        read.contains(&"1 two".to_owned()) && read.contains(&"1 three".to_owned()),
        "{read:?}"
    );
    place.rename("log", "log.1");
    place.append("log", "four\n");
    assert!(place.read().contains(&"1 four".to_owned()));
    let wakeup = place.files.next_wakeup(place.now).expect("there is always one");
    assert!(wakeup <= place.now.plus_seconds(1), "{wakeup:?}");
    let mut told = place.messages.clone();
    told.retain(|text| text.contains("of type nfs"));
    let root = place.directory.path().display().to_string();
    let told: Vec<String> = told.iter().map(|text| text.replace(&root, "DIR")).collect();
    let words = "is on a file system of type nfs, whose changes the kernel does not tell of; it is looked at every half second";
    assert_eq!(
        told,
        ["DIR/web/*.log", "DIR/log", "DIR/web/new.log"]
            .map(|path| format!("INFO fail2ban.filter {path} {words}"))
    );
}

#[test]
fn a_log_with_ten_gigabytes_of_nothing_takes_little_and_others_have_their_turns() {
    const GAP: u64 = 10 << 30;
    let mut place = Place::new();
    place.append("log", "one\n");
    place.append("other", "");
    place.follow(ONE, "log");
    place.follow(TWO, "other");
    place.reads();
    place.lines.clear();
    // A program that goes on where it was after its log was emptied, and one that makes its log longer.
    let file = OpenOptions::new()
        .write(true)
        .open(place.path("log"))
        .expect("a log");
    for (offset, text) in [(GAP, "two\n"), (2 * GAP, "three\n")] {
        file.set_len(if text == "two\n" { 0 } else { GAP + 4 })
            .expect("another length");
        std::os::unix::fs::FileExt::write_all_at(&file, text.as_bytes(), offset).expect("a line");
        place.append("other", text);
        let mut turns = 0;
        let mut lines = Vec::new();
        while turns == 0 || place.files.next_wakeup(place.now) == Some(place.now) {
            turns += 1;
            assert!(turns < 20, "it never ends");
            place.files.ready(place.now, &mut |event| {
                if let Event::Lines(block) = event {
                    assert!(block.bytes.len() <= LINE_LIMIT);
                    let text = String::from_utf8_lossy(block.bytes);
                    lines.push(text.trim_start_matches('\0').to_owned());
                }
            });
        }
        lines.sort();
        assert_eq!(lines, [text, text]);
    }
    assert_eq!(place.files.long_lines(), 0);
}

#[test]
fn a_shorter_gap_belongs_to_its_line() {
    let mut place = Place::new();
    place.append("log", &"old\n".repeat(1000));
    place.follow(ONE, "log");
    place.reads();
    place.lines.clear();
    let file = OpenOptions::new()
        .write(true)
        .open(place.path("log"))
        .expect("a log");
    file.set_len(0).expect("an empty file");
    std::os::unix::fs::FileExt::write_all_at(&file, b"new\n", 4000).expect("a line");
    let expected = format!("1 {}new", "\0".repeat(4000));
    assert_eq!(place.read(), [expected]);
}

#[test]
fn every_log_has_its_turn_however_much_others_write() {
    let line = "a line of some length that is written many times\n";
    let mut place = Place::new();
    for number in 0..8 {
        let name = format!("busy{number}");
        place.append(&name, &line.repeat(24 * LINE_LIMIT / line.len()));
        place.follow(ONE, &name);
    }
    place.append("quiet", "one\n");
    place.follow(ONE, "quiet");
    let mut turns = 0;
    let mut seen = BTreeMap::new();
    while !seen.contains_key(&place.path("quiet")) {
        turns += 1;
        assert!(turns <= 3, "it waits for all of the others: {:?}", seen.keys());
        place.files.ready(NOW, &mut |event| {
            if let Event::Lines(block) = event {
                *seen.entry(block.path.to_owned()).or_insert(0) += block.bytes.len();
            }
        });
    }
    assert!(seen.len() >= 8, "{seen:?}");
}

#[test]
fn files_that_only_a_pattern_has_found_are_let_go_when_they_are_gone() {
    let mut place = Place::new();
    fs::create_dir(place.path("web")).expect("a directory");
    place.follow_pattern(ONE, "web/*/*.log");
    place.append("asked", "");
    place.follow(ONE, "asked");
    place.reads();
    let watched = place.files.watched();
    for name in ["web/one", "web/two"] {
        fs::create_dir(place.path(name)).expect("a directory");
        place.append(&format!("{name}/a.log"), "1\n");
        place.reads();
        place.append(&format!("{name}/a.log"), "2\n");
        place.reads();
    }
    assert_eq!(place.files.paths(ONE).len(), 3);
    place.lines.clear();
    // The last lines of what is gone are read, and what comes back is read on.
    place.append("web/one/a.log", "3\n");
    place.rename("web/one/a.log", "away");
    place.append("away", "4\n");
    assert_eq!(place.read(), ["1 3", "1 4"]);
    for _ in 0..6 {
        place.reads();
    }
    assert_eq!(place.read(), ["1 lost web/one/a.log"]);
    place.append("away", "5\n");
    place.rename("away", "web/one/b.log");
    assert_eq!(place.read(), ["1 web/one/b.log", "1 in operation", "1 5"]);
    fs::remove_dir_all(place.path("web")).expect("no directories");
    place.remove("asked");
    for _ in 0..7 {
        place.reads();
    }
    assert_eq!(place.files.paths(ONE), [place.path("asked")]);
    assert!(
        place.files.watched() <= watched,
        "{} of {watched}",
        place.files.watched()
    );
    // A directory in the middle comes back.
    fs::create_dir_all(place.path("web/three")).expect("directories");
    place.lines.clear();
    place.append("web/three/c.log", "6\n");
    assert_eq!(place.read(), ["1 web/three/c.log", "1 6", "1 in operation"]);
    // With the pattern goes what it has found, and not what was asked for by its name.
    place.append("asked", "7\n");
    assert_eq!(place.read(), ["1 7"]);
    assert!(place.files.remove_file(ONE, &place.path("web/*/*.log")));
    assert_eq!(place.files.paths(ONE), [place.path("asked")]);
    place.files.remove_reader(ONE);
    assert_eq!(place.files.watched(), 0);
}

#[test]
fn a_second_name_of_a_file_is_no_second_log_where_a_pattern_asks() {
    let mut place = Place::new();
    place.append("a.log", "one\n");
    place.follow_pattern(ONE, "*.log");
    assert_eq!(place.read(), ["1 one", "1 in operation"]);
    fs::hard_link(place.path("a.log"), place.path("b.log")).expect("a link");
    place.append("a.log", "two\n");
    assert_eq!(place.read(), ["1 two"]);
    place.remove("a.log");
    place.append("b.log", "three\n");
    place.append("a.log", "four\n");
    let mut lines = place.read();
    lines.retain(|line| !line.contains("log") && !line.contains("operation"));
    lines.sort();
    assert_eq!(lines, ["1 four", "1 three"]);
}

#[test]
fn a_renamed_log_that_another_reader_has_by_a_pattern_is_read_to_its_end_by_both() {
    let mut place = Place::new();
    place.append("a.log", "one\n");
    place.follow(ONE, "a.log");
    place.follow_pattern(TWO, "a.*");
    place.reads();
    place.lines.clear();
    place.append("a.log", "two\n");
    place.rename("a.log", "a.1");
    place.append("a.1", "three\n");
    place.append("a.log", "four\n");
    let mut lines = place.read();
    lines.retain(|line| !line.contains("log") && !line.contains("a.1") && !line.contains("operation"));
    let of = |reader: &str| {
        let lines = lines
            .iter()
            .filter(|line| line.split(' ').next().is_some_and(|who| who.contains(reader)));
        lines
            .filter_map(|line| line.split(' ').nth(1))
            .collect::<BTreeSet<_>>()
    };
    let all = BTreeSet::from(["two", "three", "four"]);
    assert_eq!((of("1"), of("2")), (all.clone(), all), "{lines:?}");
}

#[test]
fn a_log_that_was_renamed_is_read_on_although_the_clock_is_set_forward() {
    let mut place = Place::new();
    place.append("log", "one\n");
    place.follow(ONE, "log");
    place.reads();
    place.rename("log", "log.1");
    place.append("log", "new\n");
    place.reads();
    place.now = place.now.plus_seconds(86_400);
    place.reads();
    place.append("log.1", "late\n");
    assert!(place.read().contains(&"1 late".to_owned()));
}

/// What is wrong with a disk.
#[derive(Default)]
struct Troubles {
    /// Nothing can be opened.
    closed: Cell<bool>,
    /// Nothing can be read.
    failing: Cell<bool>,
    /// What was opened up to this one cannot be read.
    stale: Cell<u64>,
    /// How many files were opened.
    opened: Cell<u64>,
    /// It is another machine's, and nothing is told of it.
    remote: Cell<bool>,
}

/// The machine's own file system, and troubles.
#[derive(Default)]
struct Troubled {
    system: System,
    troubles: Rc<Troubles>,
}

struct TroubledFile {
    file: File,
    number: u64,
    troubles: Rc<Troubles>,
}

impl Readable for TroubledFile {
    fn status(&self) -> io::Result<Status> {
        self.file.status()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.troubles.failing.get() {
            return Err(rustix::io::Errno::IO.into());
        }
        if self.number <= self.troubles.stale.get() {
            return Err(rustix::io::Errno::STALE.into());
        }
        Readable::read_at(&self.file, buffer, offset)
    }

    fn next_written(&self, offset: u64) -> u64 {
        self.file.next_written(offset)
    }
}

impl Disk for Troubled {
    type File = TroubledFile;

    fn open(&self, path: &Path) -> io::Result<TroubledFile> {
        if self.troubles.closed.get() {
            return Err(rustix::io::Errno::ACCESS.into());
        }
        let file = self.system.open(path)?;
        self.troubles.opened.update(|opened| opened + 1);
        Ok(TroubledFile {
            file,
            number: self.troubles.opened.get(),
            troubles: Rc::clone(&self.troubles),
        })
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        self.system.identity(path)
    }

    fn link(&self, path: &Path) -> Option<PathBuf> {
        self.system.link(path)
    }

    fn is_file(&self, path: &Path) -> bool {
        self.system.is_file(path)
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.system.is_directory(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.system.exists(path)
    }

    fn names(&self, directory: &Path) -> Vec<OsString> {
        self.system.names(directory)
    }

    fn remote(&self, _: &Path) -> Option<&'static str> {
        self.troubles.remote.get().then_some("nfs")
    }

    fn tells(&self) -> bool {
        self.system.tells()
    }

    fn watch(&self, path: &Path, flags: WatchFlags) -> io::Result<Watch> {
        self.system.watch(path, flags)
    }

    fn watch_file(&self, file: &TroubledFile, path: &Path, flags: WatchFlags) -> io::Result<Watch> {
        self.system.watch_file(&file.file, path, flags)
    }

    fn unwatch(&self, watch: Watch) {
        self.system.unwatch(watch);
    }

    fn changes(&self, events: &mut Vec<inotify::Event>) -> io::Result<()> {
        let known = events.len();
        self.system.changes(events)?;
        if self.troubles.remote.get() {
            events.truncate(known);
        }
        Ok(())
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.system.fd()
    }
}

/// A directory with files in it, and what reads them.
struct Place<D: Disk = System> {
    directory: tempfile::TempDir,
    files: Files<D>,
    troubles: Rc<Troubles>,
    polling: bool,
    line_break: LineBreak,
    now: Timestamp,
    /// What was read and not yet looked at.
    lines: Vec<String>,
    messages: Vec<String>,
}

impl Place {
    fn new() -> Self {
        Self::on(System::new(), Rc::default())
    }
}

impl Place<Troubled> {
    fn with_troubles() -> Self {
        let disk = Troubled::default();
        let troubles = Rc::clone(&disk.troubles);
        Self::on(disk, troubles)
    }
}

impl<D: Disk> Place<D> {
    fn on(disk: D, troubles: Rc<Troubles>) -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
            files: Files::on(disk),
            troubles,
            polling: false,
            line_break: LineBreak::Byte,
            now: NOW,
            lines: Vec::new(),
            messages: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path(name))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("a file to append to");
    }

    fn overwrite(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file to overwrite");
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("a rename");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("a file to remove");
    }

    fn follow(&mut self, reader: ReaderId, name: &str) {
        let start = Start::Head {
            stored: None,
            since: Timestamp::from_seconds(0),
        };
        self.follow_from(reader, name, &start);
    }

    fn follow_from(&mut self, reader: ReaderId, name: &str, start: &Start) -> super::Added {
        let options = FollowOptions {
            line_break: self.line_break,
            polling: self.polling,
        };
        let path = self.path(name);
        let added = self
            .files
            .add_file(self.now, reader, &path, options, start, &mut |line| {
                let text = std::str::from_utf8(line).ok()?;
                text.split(' ').next()?.parse().ok().map(Timestamp::from_seconds)
            });
        added.expect("a file to follow")
    }

    fn follow_pattern(&mut self, reader: ReaderId, pattern: &str) {
        let pattern = self.path(pattern);
        let options = FollowOptions {
            line_break: self.line_break,
            polling: self.polling,
        };
        let mut start = |_: &Path| Start::Head {
            stored: None,
            since: Timestamp::from_seconds(0),
        };
        let added = self
            .files
            .add(self.now, reader, &pattern, options, &mut start, &mut |_| None);
        added.expect("a pattern");
    }

    fn position(&self, reader: ReaderId, name: &str) -> usize {
        let path = self.path(name);
        let positions = self.files.positions(reader);
        let (_, position) = positions
            .iter()
            .find(|(known, _)| *known == path)
            .expect("a position");
        usize::try_from(position.offset).expect("a small file")
    }

    /// Lets time pass and everything be read that there is.
    fn reads(&mut self) {
        let root = self.directory.path().to_owned();
        let name = |path: &Path| {
            path.strip_prefix(&root)
                .map(|path| path.display().to_string())
                .unwrap_or_default()
        };
        for _ in 0..10 {
            self.now = self.now.plus_seconds(1);
            let (lines, messages) = (&mut self.lines, &mut self.messages);
            self.files.ready(self.now, &mut |event| match event {
                Event::Lines(block) => {
                    let readers: String = block.readers.iter().map(|reader| reader.0.to_string()).collect();
                    for line in block.lines() {
                        let text = String::from_utf8_lossy(line.bytes);
                        lines.push(format!("{readers} {}", text.trim_end_matches('\n')));
                    }
                }
                Event::InOperation { reader, .. } => lines.push(format!("{} in operation", reader.0)),
                Event::Appeared { reader, path } => lines.push(format!("{} {}", reader.0, name(path))),
                Event::Vanished { reader, path } => lines.push(format!("{} lost {}", reader.0, name(path))),
                Event::Message {
                    level, logger, text, ..
                } => {
                    messages.push(format!("{level} {logger} {text}"));
                }
            });
        }
    }

    fn read(&mut self) -> Vec<String> {
        self.reads();
        std::mem::take(&mut self.lines)
    }
}
