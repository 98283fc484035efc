//! The machine that programs run on, and the model of what the reader owes.
//!
//! The files are real, and what stands in them is the truth. The model knows which files a reader has met under a name
//! that it follows: each complete line in these is owed at the next look, until the file has been without such a name
//! for most of a minute, or without the reader. What a rotator destroys that was not read before is counted.
#![expect(
    clippy::indexing_slicing,
    reason = "the numbers of logs and writers are made beside the lists"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use stockade_daemon::source::{Event, Files, FollowOptions, ReaderId, Start};
use stockade_daemon::store::LogPosition;
use stockade_datetime::Timestamp;

use crate::program::{LOGS, Program, Step, WRITERS};

/// By its name, through two links.
const NAMED: ReaderId = ReaderId(1);
/// By a pattern.
const PATTERN: ReaderId = ReaderId(2);

/// Writers and their logs: the first log has two.
const WRITES_TO: [usize; WRITERS] = [0, 0, 1, 2, 3];

/// How long the model relies on a file being read that has lost its name, and how many of them.
const RELIED_SECONDS: i64 = 45;
const RELIED_FILES: usize = 7;

/// How often the reader may want to go on at once before something is wrong.
const TURNS: usize = 200;

/// What happened in all.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) programs: u64,
    pub(crate) steps: u64,
    pub(crate) lives: u64,
    pub(crate) written: u64,
    pub(crate) read: u64,
    /// Complete lines that a rotator destroyed before the reader had its turn.
    pub(crate) destroyed: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.programs += other.programs;
        self.steps += other.steps;
        self.lives += other.lives;
        self.written += other.written;
        self.read += other.read;
        self.destroyed += other.destroyed;
    }
}

struct Writer {
    file: Option<File>,
    appends: bool,
    /// The rest of a line that was begun.
    rest: Vec<u8>,
}

/// A file that a reader has met.
struct Met {
    file: File,
    inode: u64,
    size: u64,
    /// It was there at a look.
    is_seen: bool,
    /// When it last grew, or was last seen with a name.
    fresh: i64,
}

/// What is known of one reader.
#[derive(Default)]
struct Owed {
    met: Vec<Met>,
    /// The lines that it has read, as far as it knows itself.
    read: BTreeSet<u64>,
    /// The lines that it has read in any life.
    ever: BTreeSet<u64>,
}

pub(crate) struct Machine {
    root: tempfile::TempDir,
    now: i64,
    polling: bool,
    covers_rotated: bool,
    files: Option<Files>,
    owed: BTreeMap<ReaderId, Owed>,
    writers: Vec<Writer>,
    /// What the database has.
    kept: BTreeMap<(ReaderId, PathBuf), LogPosition>,
    numbers: u64,
    /// Lines may have been torn apart.
    is_torn: bool,
    /// Any log may have two writers.
    are_shared: bool,
    /// Directories have changed since the last look.
    is_elsewhere: bool,
    figures: Figures,
}

impl Machine {
    /// Runs one program; what is wrong, if anything is.
    pub(crate) fn run(program: &Program) -> Result<Figures, String> {
        let mut machine = Self::new(program);
        machine.begin()?;
        machine.look()?;
        let mut down = 0;
        for step in &program.steps {
            let was_down = down > 0;
            if let Step::End { crashes, down: steps } = step
                && !was_down
            {
                machine.end(*crashes)?;
                down = steps + 1;
            } else {
                machine.take(step)?;
            }
            machine.meet();
            machine.figures.steps += 1;
            if down > 0 {
                down -= 1;
                if down == 0 {
                    machine.begin()?;
                }
            }
            if program.is_prompt && down == 0 {
                machine.look()?;
            }
        }
        if machine.files.is_none() {
            machine.begin()?;
        }
        for writer in 0..WRITERS {
            machine.write(writer, 1, 3, 0);
        }
        machine.meet();
        machine.look()?;
        machine.end(false)?;
        machine.begin()?;
        // A second look finds nothing new.
        machine.look()?;
        machine.figures.programs = 1;
        Ok(machine.figures)
    }

    fn new(program: &Program) -> Self {
        // In memory, where there is such a file system: elsewhere it is the disk that is tested.
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let root = root.expect("a directory");
        for directory in ["a", "b", "middle", "glob/one", "glob/two"] {
            fs::create_dir_all(root.path().join(directory)).expect("directories");
        }
        symlink("../a", root.path().join("middle/link")).expect("a link");
        symlink("middle/link", root.path().join("way")).expect("a link");
        let mut machine = Self {
            root,
            now: 1_700_000_000,
            polling: program.polling,
            covers_rotated: program.covers_rotated,
            files: None,
            owed: [(NAMED, Owed::default()), (PATTERN, Owed::default())].into(),
            writers: Vec::new(),
            kept: BTreeMap::new(),
            numbers: 1_000_000,
            is_torn: false,
            are_shared: false,
            is_elsewhere: false,
            figures: Figures::default(),
        };
        for _ in 0..WRITERS {
            machine.writers.push(Writer {
                file: None,
                appends: true,
                rest: Vec::new(),
            });
        }
        for writer in 0..WRITERS {
            machine.reopen(writer);
        }
        machine
    }

    fn path(&self, log: usize) -> PathBuf {
        let names = ["way/log", "glob/one/x.log", "glob/one/y.log", "glob/two/x.log"];
        self.root.path().join(names[log])
    }

    fn rotated(&self, log: usize, number: usize) -> PathBuf {
        let path = self.path(log);
        if self.covers_rotated {
            path.with_extension(format!("{number}.log"))
        } else {
            path.with_extension(format!("log.{number}"))
        }
    }

    fn away(&self, log: usize) -> PathBuf {
        self.root.path().join(format!("away{log}"))
    }

    fn pattern(&self) -> PathBuf {
        self.root.path().join("glob/*/*.log")
    }

    /// The names that a reader follows and that are there.
    fn names(&self, reader: ReaderId) -> Vec<PathBuf> {
        if reader == NAMED {
            return vec![self.path(0)];
        }
        let mut names = Vec::new();
        for directory in ["glob/one", "glob/two"] {
            let Ok(entries) = fs::read_dir(self.root.path().join(directory)) else {
                continue;
            };
            let paths = entries.map(|entry| entry.expect("an entry").path());
            names.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "log")));
        }
        names
    }

    /// Notes which files have a name that is followed.
    fn meet(&mut self) {
        if self.files.is_none() {
            return;
        }
        for reader in [NAMED, PATTERN] {
            for name in self.names(reader) {
                let Ok(file) = File::open(&name) else { continue };
                let metadata = file.metadata().expect("metadata");
                let met = &mut self.owed.get_mut(&reader).expect("a reader").met;
                match met.iter_mut().find(|met| met.inode == metadata.ino()) {
                    Some(met) => met.fresh = self.now,
                    None => met.push(Met {
                        file,
                        inode: metadata.ino(),
                        size: 0,
                        is_seen: false,
                        fresh: self.now,
                    }),
                }
            }
        }
    }

    fn take(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Write {
                writer,
                lines,
                length,
                cut,
            } => self.write(writer, lines, length, cut),
            Step::Reopen { writer } => self.reopen(writer),
            Step::Append { writer, appends } => {
                // Two that do not append write over each other's lines.
                self.writers[writer].appends = appends || self.are_shared || WRITES_TO[writer] == 0;
                self.reopen(writer);
            }
            Step::Rotate { log, creates } => {
                let (path, first) = (self.path(log), self.rotated(log, 1));
                if path.exists() {
                    let second = self.rotated(log, 2);
                    if first.exists() && self.figures.steps.is_multiple_of(2) {
                        self.lose_name(&second, false);
                        self.lose_name(&first, true);
                        drop(fs::rename(&first, second));
                        self.meet();
                    }
                    self.lose_name(&first, false);
                    self.lose_name(&path, true);
                    drop(fs::rename(&path, &first));
                    self.meet();
                }
                if creates {
                    drop(OpenOptions::new().create_new(true).append(true).open(&path));
                }
            }
            Step::CopyTruncate { log } => {
                let path = self.path(log);
                // Somewhere else: a copy beside the log that is covered would be a second log.
                drop(fs::copy(&path, self.root.path().join("copy")));
                if let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) {
                    self.destroy(&file);
                    file.set_len(0).expect("an empty file");
                }
            }
            Step::Remove { log } => {
                self.lose_name(&self.path(log), false);
                drop(fs::remove_file(self.path(log)));
            }
            Step::Create { log } => {
                let mut options = OpenOptions::new();
                drop(options.create_new(true).append(true).open(self.path(log)));
            }
            Step::Replace { log, lines } => {
                let (path, new) = (self.path(log), self.root.path().join("new"));
                let text: Vec<u8> = (0..lines).flat_map(|_| self.line(5)).collect();
                fs::write(&new, text).expect("a new file");
                self.lose_name(&path, false);
                drop(fs::rename(&new, &path));
            }
            Step::MoveAway { log } => {
                self.lose_name(&self.path(log), false);
                drop(fs::rename(self.path(log), self.away(log)));
            }
            Step::MoveBack { log } => {
                let path = self.path(log);
                if self.away(log).exists() {
                    self.lose_name(&path, false);
                }
                drop(fs::rename(self.away(log), path));
            }
            Step::MoveOver { log } if log > 0 => {
                let (from, to) = (self.path(log), self.path(log % (LOGS - 1) + 1));
                // From now on it may have two writers.
                self.are_shared = true;
                self.writers.iter_mut().for_each(|writer| writer.appends = true);
                let writer = WRITES_TO.iter().position(|of| *of == log).expect("a writer");
                self.reopen(writer);
                if from.exists() && from != to {
                    self.lose_name(&from, false);
                    self.lose_name(&to, false);
                }
                drop(fs::rename(from, to));
            }
            Step::MoveOver { .. } => {}
            Step::Flip { link, to } => {
                let (name, targets) =
                    [("way", ["middle/link", "b"]), ("middle/link", ["../a", "../b"])][link];
                self.lose_unseen();
                let new = self.root.path().join("newlink");
                symlink(targets[to], &new).expect("a link");
                fs::rename(new, self.root.path().join(name)).expect("another link");
            }
            Step::ReplaceDirectory { at } => {
                let directory = self.root.path().join(["a", "glob/one", "glob/two"][at]);
                self.lose_unseen();
                let old = self.root.path().join(format!("old{}", self.figures.steps));
                fs::rename(&directory, old).expect("a directory");
                fs::create_dir(directory).expect("a directory");
            }
            Step::Touch { log } => {
                if let Ok(file) = File::open(self.path(log)) {
                    let mode = fs::Permissions::from_mode(0o600);
                    file.set_permissions(mode).expect("other permissions");
                    let modified = file.set_modified(std::time::SystemTime::UNIX_EPOCH);
                    modified.expect("another time");
                }
            }
            Step::Other => {
                for directory in ["a", "glob/one", "glob"] {
                    let other = self.root.path().join(directory).join("other");
                    fs::write(&other, "no log\n").expect("a file");
                    drop(fs::remove_file(other));
                }
            }
            Step::Look => self.look()?,
            Step::Sleep { seconds } => {
                for _ in 0..seconds.min(8) {
                    self.now += (seconds / 8).max(1);
                    self.look()?;
                }
            }
            Step::Jump { seconds } => {
                self.now += seconds;
                // A little forward is not told from a minute that has passed.
                if !(0..90).contains(&seconds) {
                    for met in self.owed.values_mut().flat_map(|owed| &mut owed.met) {
                        met.fresh = self.now;
                    }
                }
                self.look()?;
            }
            Step::Keep => self.keep()?,
            Step::End { .. } => {}
        }
        Ok(())
    }

    fn line(&mut self, length: usize) -> Vec<u8> {
        self.numbers += 1;
        self.figures.written += 1;
        format!("{0} {1} {0}\n", self.numbers, "x".repeat(length + 1)).into_bytes()
    }

    fn write(&mut self, writer: usize, lines: u64, length: usize, cut: usize) {
        let mut text = std::mem::take(&mut self.writers[writer].rest);
        for _ in 0..lines {
            text.extend(self.line(length));
        }
        let rest = text.split_off(text.len().saturating_sub(cut));
        self.is_torn |= !rest.is_empty();
        let writer = &mut self.writers[writer];
        if let Some(file) = &mut writer.file {
            file.write_all(&text).expect("a write");
            writer.rest = rest;
        }
    }

    fn reopen(&mut self, writer: usize) {
        let path = self.path(WRITES_TO[writer]);
        let appends = self.writers[writer].appends;
        let mut options = OpenOptions::new();
        let file = options.create(true).write(true).append(appends).open(path);
        let writer = &mut self.writers[writer];
        // Where there is no directory for it, it goes on with the old one.
        if let Ok(mut file) = file {
            file.seek(SeekFrom::End(0)).expect("the end");
            writer.file = Some(file);
            writer.rest.clear();
        }
    }

    /// What is in a file is destroyed: what of it was owed and not read is no longer owed.
    fn destroy(&mut self, file: &File) {
        let inode = file.metadata().expect("metadata").ino();
        for owed in self.owed.values() {
            if owed.met.iter().any(|met| met.inode == inode) {
                let lines = lines(file);
                let unread = lines.keys().filter(|line| !owed.read.contains(line)).count();
                self.figures.destroyed += u64::try_from(unread).expect("few");
            }
        }
    }

    /// What has a name loses it. Where it has had that only since the last look, a rename is all that leads to it, and
    /// that is told of names that are followed already.
    fn lose_name(&mut self, path: &Path, is_renamed: bool) {
        let Ok(metadata) = fs::metadata(path) else { return };
        let is_told = is_renamed && !self.polling && !self.is_elsewhere;
        for (reader, owed) in &mut self.owed {
            let is_lost = |met: &Met| met.inode == metadata.ino() && !met.is_seen;
            owed.met
                .retain(|met| !is_lost(met) || is_told && *reader == NAMED);
        }
    }

    /// Directories or links change: which files that were not seen yet are still found is not modelled.
    fn lose_unseen(&mut self) {
        self.is_elsewhere = true;
        for owed in self.owed.values_mut() {
            owed.met.retain(|met| met.is_seen);
        }
    }

    fn begin(&mut self) -> Result<(), String> {
        let mut files = Files::new();
        let now = Timestamp::from_seconds(self.now);
        let options = FollowOptions {
            polling: self.polling,
            ..FollowOptions::default()
        };
        self.figures.lives += 1;
        for (reader, path) in [(NAMED, self.path(0)), (PATTERN, self.pattern())] {
            let kept = &self.kept;
            let mut start = |file: &Path| Start::Head {
                stored: kept.get(&(reader, file.to_owned())).cloned(),
                since: Timestamp::from_seconds(0),
            };
            let added = files
                .add(now, reader, &path, options, &mut start, &mut |_| None)
                .map_err(|error| format!("{} is not followed: {error}", path.display()))?;
            let owed = self.owed.entry(reader).or_default();
            owed.met.clear();
            owed.read.clear();
            for added in added.iter().filter(|added| !added.absent) {
                let file = File::open(&added.path).expect("a file");
                let stored = kept.get(&(reader, added.path.clone()));
                for (line, end) in lines(&file) {
                    // By the rule of the reference: from the position of before, where the first line is the same.
                    if owed.ever.contains(&line) && end <= added.position.offset {
                        owed.read.insert(line);
                    }
                }
                let size = file.metadata().expect("metadata").len();
                let wanted = stored
                    .filter(|stored| stored.hash == added.position.hash && stored.offset <= size)
                    .map_or(0, |stored| stored.offset);
                if wanted != added.position.offset {
                    return Err(format!("{added:?} does not begin at {wanted}"));
                }
            }
        }
        self.files = Some(files);
        // Nothing is watched before the first look.
        self.is_elsewhere = true;
        self.meet();
        Ok(())
    }

    fn keep(&mut self) -> Result<(), String> {
        let Some(files) = &self.files else {
            return Ok(());
        };
        for reader in [NAMED, PATTERN] {
            for (path, position) in files.positions(reader) {
                self.kept.insert((reader, path.to_owned()), position);
            }
        }
        Ok(())
    }

    fn end(&mut self, crashes: bool) -> Result<(), String> {
        if !crashes {
            self.look()?;
            self.keep()?;
            // All that was read of the logs is before the positions that are kept.
            for (reader, owed) in &self.owed {
                for name in self.names(*reader) {
                    let Ok(file) = File::open(&name) else { continue };
                    let position = self.kept.get(&(*reader, name.clone()));
                    let offset = position.map_or(0, |position| position.offset);
                    for (line, end) in lines(&file) {
                        if owed.read.contains(&line) != (end <= offset) {
                            let name = name.display();
                            return Err(format!(
                                "{name} is kept at {offset}, and line {line} ends at {end}"
                            ));
                        }
                    }
                }
            }
        }
        self.files = None;
        Ok(())
    }

    /// The reader has its turns until it has nothing to do, and then owes nothing.
    fn look(&mut self) -> Result<(), String> {
        let Some(files) = &mut self.files else {
            return Ok(());
        };
        let mut wrong = None;
        for turn in 0..=TURNS {
            // Time enough for files that are looked at now and then.
            if turn == 0 {
                self.now += 1;
            }
            let now = Timestamp::from_seconds(self.now);
            let (owed, figures, is_torn) = (&mut self.owed, &mut self.figures, self.is_torn);
            files.ready(now, &mut |event| {
                let Event::Lines(block) = event else { return };
                for line in block.lines() {
                    let Some(number) = number(line.bytes) else {
                        if !is_torn {
                            let text = String::from_utf8_lossy(line.bytes);
                            wrong = Some(format!("{text:?} was never written"));
                        }
                        continue;
                    };
                    for reader in block.readers {
                        figures.read += 1;
                        let owed = owed.entry(*reader).or_default();
                        owed.ever.insert(number);
                        if !owed.read.insert(number) {
                            wrong = Some(format!("line {number} was read twice by {reader:?}"));
                        }
                    }
                }
            });
            if let Some(wrong) = wrong {
                return Err(wrong);
            }
            if files.next_wakeup(now) != Some(now) {
                break;
            }
            if turn == TURNS {
                return Err("the reader never comes to an end".to_owned());
            }
        }
        self.check()
    }

    fn check(&mut self) -> Result<(), String> {
        let mut named = BTreeMap::new();
        for reader in [NAMED, PATTERN] {
            let inodes = self.names(reader).into_iter();
            let inodes = inodes.filter_map(|name| Some(fs::metadata(name).ok()?.ino()));
            named.insert(reader, inodes.collect::<BTreeSet<u64>>());
        }
        let now = self.now;
        self.is_elsewhere = false;
        for (reader, owed) in &mut self.owed {
            let named = &named[reader];
            for met in &mut owed.met {
                met.is_seen = true;
                let size = met.file.metadata().expect("metadata").len();
                if size != met.size || named.contains(&met.inode) {
                    met.size = size;
                    met.fresh = now;
                }
            }
            let is_named = |met: &Met| named.contains(&met.inode);
            owed.met
                .retain(|met| is_named(met) || (now - met.fresh).abs() < RELIED_SECONDS);
            while owed.met.iter().filter(|met| !is_named(met)).count() > RELIED_FILES {
                let oldest = owed
                    .met
                    .iter()
                    .position(|met| !is_named(met))
                    .expect("more than none");
                owed.met.remove(oldest);
            }
            for met in &owed.met {
                for (line, end) in lines(&met.file) {
                    if !owed.read.contains(&line) {
                        return Err(format!(
                            "line {line}, which ends at {end} in file {} (with a name: {}), was not read by {reader:?}",
                            met.inode,
                            is_named(met)
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The complete lines in a file, and where they end.
fn lines(file: &File) -> BTreeMap<u64, u64> {
    let size = usize::try_from(file.metadata().expect("metadata").len()).expect("small");
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, 0).expect("what is in it");
    let mut found = BTreeMap::new();
    let mut end = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        if line.ends_with(b"\n")
            && let Some(number) = number(line)
        {
            found.insert(number, u64::try_from(end).expect("small"));
        }
    }
    found
}

/// The number of a line, where it is one that was written, and whole. Before it may be a gap.
fn number(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line)
        .ok()?
        .trim_start_matches('\0')
        .strip_suffix('\n')?;
    let mut words = text.split(' ');
    let (first, middle, last) = (words.next()?, words.next()?, words.next()?);
    let is_whole = words.next().is_none() && first == last && first.len() == 7;
    (is_whole && middle.bytes().all(|byte| byte == b'x')).then(|| first.parse().ok())?
}
