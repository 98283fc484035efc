//! Real pipes and real commands; what is waited for is bounded by a count of looks, not by a time.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use stockade_datetime::Timestamp;

use super::{GRACE_MICROS, Named, PAUSE_LONGEST, Pipes};
use crate::source::{Disk, Event, LINE_LIMIT, LineBreak, ReaderId, SourceState, System, piped_command};

const ONE: ReaderId = ReaderId(1);
const TWO: ReaderId = ReaderId(2);

/// What came of pipes, and a clock that only the test moves.
struct Trial {
    pipes: Pipes,
    now: Timestamp,
    lines: Vec<(Vec<u32>, String)>,
    told: Vec<String>,
}

impl Trial {
    fn new() -> Self {
        Self {
            pipes: Pipes::new(),
            now: Timestamp::from_seconds(1_000_000),
            lines: Vec::new(),
            told: Vec::new(),
        }
    }

    fn command(text: &str) -> (Self, PathBuf) {
        let (mut trial, path) = (Self::new(), PathBuf::from(text));
        trial.pipes.add_command(ONE, &path, LineBreak::Byte);
        trial.turn();
        (trial, path)
    }

    fn turn(&mut self) {
        let Self {
            pipes,
            now,
            lines,
            told,
        } = self;
        pipes.ready(*now, &mut |event| note(event, lines, told));
    }

    fn named(&mut self, path: &Path, readers: &[(ReaderId, bool)]) {
        let identity = System::new().fifo(path).unwrap();
        let named = Named {
            path,
            line_break: LineBreak::Byte,
            identity,
            readers: readers.to_vec(),
        };
        let (lines, told) = (&mut self.lines, &mut self.told);
        self.pipes
            .set_named([named], &mut |event| note(event, lines, told));
    }

    /// Turns until something is so.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..2000 {
            self.turn();
            if is_so(self) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{what}: {:?} {:?}", self.lines, self.told);
    }

    /// How the only one is doing.
    fn state(&self) -> SourceState {
        self.pipes.statuses(self.now).remove(0).state
    }

    fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|(_, text)| text.as_str()).collect()
    }
}

fn note(event: Event<'_>, lines: &mut Vec<(Vec<u32>, String)>, told: &mut Vec<String>) {
    match event {
        Event::Lines(block) => {
            let readers: Vec<u32> = block.readers.iter().map(|id| id.0).collect();
            for line in block.lines() {
                let text = String::from_utf8_lossy(line.bytes);
                lines.push((readers.clone(), text.trim_end_matches('\n').to_owned()));
            }
        }
        Event::Message { text, .. } => told.push(text),
        Event::InOperation { reader, .. } => told.push(format!("in operation {}", reader.0)),
        Event::Appeared { .. } | Event::Vanished { .. } => panic!("nothing comes or goes"),
    }
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

fn write(path: &Path, text: &str) {
    let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
    pipe.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_bar_makes_a_command() {
    for (path, command) in [
        ("| tail -F x", Some("tail -F x")),
        ("|x", Some("x")),
        ("|", Some("")),
        ("/var/log/|x", None),
        ("", None),
    ] {
        assert_eq!(piped_command(path), command, "{path}");
    }
}

#[test]
fn a_command_is_read_once_for_all_and_its_last_line_counts_only_if_it_is_complete() {
    let (mut trial, path) =
        Trial::command("| printf 'a\\nb\\nhalf'; echo no >&2; echo 'not yet' >&2; exit 3");
    trial.pipes.add_command(TWO, &path, LineBreak::Byte);
    trial.until("an end", |trial| trial.told.len() == 2);
    assert_eq!(trial.texts(), ["a", "b"]);
    assert_eq!(trial.lines[0].0, [1, 2]);
    assert_eq!(
        trial.told[1],
        format!(
            "'{}' has ended (exit status: 3: not yet); it is started again in 1 s",
            path.display()
        )
    );
    assert_eq!(
        trial.state(),
        SourceState::Failing(
            "it has ended once (exit status: 3: not yet) and will be started again".to_owned()
        )
    );
}

#[test]
fn a_command_that_ends_is_started_again_after_a_growing_pause() {
    let mut trial = Trial::command("| echo x").0;
    let mut pauses = Vec::new();
    for round in 1..9 {
        let ends = |trial: &Trial| {
            let told = trial.told.iter();
            let ends = told.filter_map(|text| text.split_once("started again in "));
            ends.map(|(_, pause)| pause.trim_end_matches(" s").parse().unwrap())
                .collect::<Vec<i64>>()
        };
        trial.until("an end", |trial| ends(trial).len() == round);
        let pause = ends(&trial).pop().unwrap();
        pauses.push(pause);
        trial.now = trial.now.plus_micros(pause * 1_000_000 - 1);
        trial.turn();
        assert_ne!(trial.state(), SourceState::Following, "it is not time");
        trial.now = trial.now.plus_micros(1);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, PAUSE_LONGEST, PAUSE_LONGEST]);
    assert_eq!(trial.lines.len(), 8);
}

#[test]
fn a_command_ends_with_its_reader_and_so_does_its_group() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    for (name, ignores) in [("told to", ""), ("deaf", "trap '' TERM;")] {
        let text = format!(
            "| {ignores} sleep 1000 & echo $! > {pids}; echo here; wait; sleep 1000",
            pids = pids.display()
        );
        let (mut trial, path) = Trial::command(&text);
        trial.until("a line", |trial| !trial.lines.is_empty());
        let pid = fs::read_to_string(&pids).unwrap();
        let is_there = || {
            let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            state.is_ok_and(|state| !state.contains(") Z "))
        };
        assert!(is_there(), "{name}");
        trial.pipes.remove(ONE, &path);
        assert_eq!(trial.pipes.commands(ONE).count(), 0);
        trial.turn();
        trial.now = trial.now.plus_micros(GRACE_MICROS);
        for _ in 0..2000 {
            trial.turn();
            trial.now = trial.now.plus_micros(GRACE_MICROS);
            if trial.pipes.next_wakeup().is_none() && !is_there() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        assert!(!is_there(), "{name}");
        assert_eq!(trial.pipes.next_wakeup(), None, "{name}");
    }
}

#[test]
fn what_a_command_leaves_behind_and_what_closes_its_output_ends() {
    for (name, text) in [
        ("left behind", "| sleep 1000 & echo x"),
        ("closed", "| echo x; exec >&- ; sleep 1000"),
    ] {
        let mut trial = Trial::command(text).0;
        trial.until(name, |trial| !trial.lines.is_empty());
        for _ in 0..2000 {
            trial.turn();
            if trial.told.len() == 2 {
                break;
            }
            // One is over with its shell, the other when its time is.
            trial.now = trial.now.plus_micros(GRACE_MICROS / 100);
            thread::sleep(Duration::from_millis(5));
        }
        assert!(trial.told.len() >= 2, "{name}: {:?}", trial.told);
    }
}

#[test]
fn a_line_without_end_takes_no_more_than_its_limit() {
    let text = format!("| head -c {} /dev/zero; echo; echo next", 3 * LINE_LIMIT);
    let mut trial = Trial::command(&text).0;
    trial.until("the next line", |trial| trial.texts().last() == Some(&"next"));
    assert_eq!(trial.lines.len(), 2);
    assert_eq!(trial.lines[0].1.len(), LINE_LIMIT);
}

#[test]
fn lines_are_split_as_their_encoding_says() {
    let (mut trial, path) = (
        Trial::new(),
        PathBuf::from("| printf 'a\\000\\n\\000b\\000\\n\\000'; sleep 1000"),
    );
    trial.pipes.add_command(ONE, &path, LineBreak::Utf16Le);
    trial.until("two lines", |trial| trial.lines.len() == 2);
}

#[test]
fn a_named_pipe_outlives_its_writers_and_is_silent_between_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    fifo(&path);
    let mut trial = Trial::new();
    trial.named(&path, &[(ONE, true)]);
    assert_eq!(trial.told, ["in operation 1"]);
    write(&path, "a\nb");
    trial.until("a line", |trial| trial.lines.len() == 1);
    trial.turn();
    assert_eq!(trial.pipes.next_wakeup(), None);
    let mut ready = Vec::new();
    let poller = trial.pipes.poller.as_ref().unwrap();
    poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
    assert_eq!(ready, [], "nothing wakes the loop without a writer");
    // As in a file, the next one completes what the last has begun.
    write(&path, "c\nd\n");
    trial.until("more lines", |trial| trial.lines.len() == 3);
    assert_eq!(trial.texts(), ["a", "bc", "d"]);
    trial.named(&path, &[(ONE, false), (TWO, true)]);
    write(&path, "e\n");
    trial.until("a line", |trial| trial.lines.len() == 4);
    assert_eq!(trial.lines[3].0, [2], "who is idle gets nothing");
}

#[test]
fn another_pipe_of_the_same_name_is_read_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let (path, other) = (directory.path().join("pipe"), directory.path().join("other"));
    fifo(&path);
    fifo(&other);
    let mut trial = Trial::new();
    trial.named(&path, &[(ONE, true)]);
    assert_ne!(
        fs::metadata(&path).unwrap().ino(),
        fs::metadata(&other).unwrap().ino()
    );
    fs::rename(&other, &path).unwrap();
    trial.named(&path, &[(ONE, true)]);
    write(&path, "new\n");
    trial.until("a line", |trial| trial.texts() == ["new"]);
    trial.pipes.set_named([], &mut |_| {});
    assert_eq!(trial.pipes.statuses(trial.now), []);
}
