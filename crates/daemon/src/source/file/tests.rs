use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use stockade_datetime::Timestamp;

use super::{Event, Files, FollowOptions, LINE_LIMIT, LineBreak, ReaderId, Start};
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
            &["1 newer"],
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
            // The file between two rotations is gone before polling, or an event, could have shown it.
            let mut place = Place::new();
            place.polling = polling;
            place.append("log", "old\n");
            place.follow(ONE, "log");
            assert_eq!(place.read(), ["1 old", "1 in operation"], "{name}");
            step(&mut place);
            assert_eq!(place.read(), expected, "{name}, polling {polling}");
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
    std::os::unix::fs::symlink("x/log", place.path("file")).expect("a link");
    std::os::unix::fs::symlink("x", place.path("directory")).expect("a link");
    place.follow(ONE, "file");
    place.follow(TWO, "directory/log");
    assert_eq!(place.read(), ["2 x", "2 in operation", "1 x", "1 in operation"]);
    place.rename("x/log", "x/log.1");
    place.append("x/log", "rotated\n");
    assert_eq!(place.read(), ["2 rotated", "1 rotated"]);
    for (link, target) in [("file", "y/log"), ("directory", "y")] {
        std::os::unix::fs::symlink(target, place.path("link")).expect("a link");
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
    assert_eq!(place.read(), ["1 web1/error.log", "1 in operation", "1 2"]);
    fs::create_dir(place.path("web2")).expect("a directory");
    place.append("web2/access.log", "3\n");
    assert_eq!(place.read(), ["1 web2/access.log", "1 in operation", "1 3"]);
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
        assert!(portions < 100, "it never ends");
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

/// A directory with files in it, and what reads them.
struct Place {
    directory: tempfile::TempDir,
    files: Files,
    polling: bool,
    line_break: LineBreak,
    now: Timestamp,
    /// What was read and not yet looked at.
    lines: Vec<String>,
    messages: Vec<String>,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
            files: Files::new(),
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
