//! Random configurations: what the reference made of each is recorded, and some are asked anew.
//!
//! A line of `recorded.txt` is the seed, digests of the tree and of what was printed, the exit status, and the error
//! that ended the reading, if any. Where a seed fails, `STOCKADE_SEEDS=N` shows what differs; it takes ranges, too,
//! `N..M`. `STOCKADE_RECORD=1` records anew; both need the reference.

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::Path;

use stockade_config::{Content, Files, Kind};
use stockade_conformance::{Ran, has_reference};
use tempfile::TempDir;

use super::client::client;
use super::trees::Tree;
use super::{Clients, difference, ours, plain};
use crate::random::{digest, seeds};

const RECORDED: &str = "tests/it/configuration/recorded.txt";
/// The seeds that are recorded.
const SEEDS: Range<u64> = 0..2500;
/// Recorded where the reference ran out of memory.
const NO_ANSWER: &str = "-";
/// The seeds that are asked in every run.
const LIVE: Range<u64> = 1_000_000..1_000_100;

#[test]
fn recorded_configurations_are_read_alike() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDED);
    if std::env::var_os("STOCKADE_RECORD").is_some() {
        if has_reference() {
            fs::write(&path, record()).expect("it can be recorded");
        }
        return;
    }
    let recorded = fs::read_to_string(&path).expect("it is recorded");
    let (mut wrong, mut stale, mut number) = (Vec::new(), Vec::new(), 0_u64);
    let mut usable = 0;
    for (seed, line) in SEEDS.zip(recorded.lines()) {
        number += 1;
        let tree = Tree::new(seed);
        let found = Line::new(seed, &tree, &by_library(&tree)).to_string();
        usable += u32::from(line.contains(" 0 "));
        if line.split(' ').nth(1) != found.split(' ').nth(1) {
            stale.push(seed);
        } else if line != found && !line.ends_with(NO_ANSWER) {
            wrong.push(format!("- {line}\n+ {found}"));
        }
    }
    assert_eq!(number, SEEDS.end - SEEDS.start, "seeds");
    assert!(
        stale.is_empty(),
        "the generator makes other trees than were recorded of {} seeds; STOCKADE_RECORD=1 asks the reference anew",
        stale.len()
    );
    assert!(
        wrong.is_empty(),
        "{} of {number} seeds; STOCKADE_SEEDS=SEED shows one\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(usable > 1000, "only {usable} can be used");
}

#[test]
fn random_configurations_are_read_alike() {
    if !has_reference() {
        return;
    }
    let (mut clients, mut wrong, mut number) = (Clients::start(), Vec::new(), 0);
    let asked = std::env::var("STOCKADE_SEEDS");
    let is_asked = asked.is_ok();
    let asked = asked.map_or(LIVE, |text| seeds(&text));
    for seed in asked {
        let tree = Tree::new(seed);
        let directory = directory(&tree);
        let Some(theirs) = theirs(&mut clients, &directory, &tree) else {
            continue;
        };
        number += 1;
        let mut difference = difference(&theirs, &by_library(&tree));
        if difference.is_empty() && !is_asked {
            let mut ours = ours(directory.path(), &tree.words);
            ours.stderr = ours
                .stderr
                .replace(&format!("{}/", directory.path().display()), "./");
            // Our log leaves no line break in a record that could make it two.
            if !theirs.stderr.lines().all(|line| line.starts_with("fail2ban")) {
                ours.stderr.clone_from(&theirs.stderr);
            }
            difference = super::difference(&theirs, &without_runaway(ours));
        }
        if !difference.is_empty() {
            let kept = directory.keep();
            let difference = difference.join("\n");
            wrong.push(format!(
                "seed {seed}: {:?} in {}\n{difference}",
                tree.words,
                kept.display()
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {number} seeds\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

/// The reference's answer, if it has memory enough for one.
fn theirs(clients: &mut Clients, directory: &TempDir, tree: &Tree) -> Option<Ran> {
    let mut theirs = plain(clients.theirs.call(directory.path(), &tree.words));
    // Some relative names are made absolute, which says where we have put the tree.
    let here = format!("{}/", directory.path().display());
    for text in [&mut theirs.stdout, &mut theirs.stderr] {
        *text = text.replace(&here, "./");
    }
    let is_exhausted = theirs.stderr.lines().any(|line| {
        // An error without a text.
        line.strip_prefix("fail2ban ERROR Failed during configuration:")
            .is_some_and(|text| text.trim().is_empty() || text.ends_with("': "))
    });
    (!is_exhausted).then(|| without_runaway(without_source(theirs)))
}

/// Of a text that leads to itself we show only the beginning.
fn without_runaway(ran: Ran) -> Ran {
    const SHOWN: usize = 500;
    let Some(runaway) = ran.stderr.find("properties contain self referencing definitions") else {
        return ran;
    };
    let (before, text) = ran.stderr.split_at(runaway);
    let end = text.find("\nfail2ban ").unwrap_or(text.len());
    let (text, behind) = text.split_at(end);
    let shown: String = text.chars().take(SHOWN).collect();
    Ran {
        stderr: format!("{before}{shown}{behind}"),
        ..ran
    }
}

/// What the reference has to say for itself, without the places in its source that it shows with `-v`.
fn without_source(ran: Ran) -> Ran {
    let mut lines = ran.stderr.split_inclusive('\n');
    let mut stderr = String::new();
    while let Some(line) = lines.next() {
        if line.starts_with("Traceback ") {
            // Up to the exception itself, which begins a line.
            lines.find(|line| !line.starts_with(' '));
        } else {
            stderr.push_str(line);
        }
    }
    Ran { stderr, ..ran }
}

fn record() -> String {
    let mut clients = Clients::start();
    let mut recorded = String::new();
    for seed in SEEDS {
        let tree = Tree::new(seed);
        let line = match theirs(&mut clients, &directory(&tree), &tree) {
            Some(theirs) => Line::new(seed, &tree, &theirs).to_string(),
            None => format!("{seed} {:016x} {NO_ANSWER}", tree.digest()),
        };
        writeln!(recorded, "{line}").expect("it is text");
    }
    recorded
}

/// What is recorded of a seed.
struct Line<'a> {
    seed: u64,
    tree: &'a Tree,
    ran: &'a Ran,
}

impl<'a> Line<'a> {
    fn new(seed: u64, tree: &'a Tree, ran: &'a Ran) -> Self {
        Self { seed, tree, ran }
    }
}

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const FATAL: &str = "Failed during configuration: ";
        let Ran {
            status,
            stdout,
            stderr,
        } = self.ran;
        let fatal = stderr.split_once(FATAL).map_or("", |(_, fatal)| fatal.trim_end());
        let fatal = fatal.strip_suffix("Init of command line failed").unwrap_or(fatal);
        let fatal: String = fatal.escape_debug().take(160).collect();
        let (tree, stdout, stderr) = (
            self.tree.digest(),
            digest(stdout.as_bytes()),
            digest(stderr.as_bytes()),
        );
        write!(
            f,
            "{} {tree:016x} {stdout:016x} {stderr:016x} {status} {fatal}",
            self.seed
        )
    }
}

/// What our library makes of a tree, as the program would print it.
fn by_library(tree: &Tree) -> Ran {
    let called = client(tree, &tree.words);
    without_runaway(Ran {
        status: i32::from(called.status),
        stdout: called.stdout,
        stderr: called.stderr,
    })
}

impl Files for Tree {
    fn read(&self, path: &str) -> Content {
        let path = self.place(path);
        match path.as_deref().and_then(|path| self.files.get(path)) {
            Some(bytes) => Content::Bytes(bytes.clone()),
            None if self.is_directory(path.as_deref()) => Content::Unreadable("it is a directory".to_owned()),
            None => Content::Missing,
        }
    }

    fn kind(&self, path: &str) -> Kind {
        let path = self.place(path);
        if path.as_ref().is_some_and(|path| self.files.contains_key(path)) {
            Kind::File
        } else if self.is_directory(path.as_deref()) {
            Kind::Directory
        } else {
            Kind::Missing
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let place = self
            .place(directory)
            .filter(|place| self.is_directory(Some(place)));
        let Some(place) = place else { return Vec::new() };
        let above = if place.is_empty() { place } else { place + "/" };
        let names = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&above)?.split('/').next());
        let mut names: Vec<String> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        names.dedup();
        names
    }
}

impl Tree {
    /// A path without detours, if every directory on the way is there.
    fn place(&self, path: &str) -> Option<String> {
        let mut place: Vec<&str> = Vec::new();
        if path.starts_with('/') {
            return None;
        }
        for part in path.split('/') {
            if !self.is_directory(Some(&place.join("/"))) {
                return None;
            }
            match part {
                "" | "." => {}
                ".." => drop(place.pop()?),
                part => place.push(part),
            }
        }
        Some(place.join("/"))
    }

    fn is_directory(&self, path: Option<&str>) -> bool {
        path.is_some_and(|path| {
            let below = |file: &String| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
            path.is_empty() || self.files.keys().any(below)
        })
    }
}

/// A tree on the disk.
fn directory(tree: &Tree) -> TempDir {
    let directory = TempDir::with_prefix("stockade-tree-").expect("a directory can be made");
    for (path, content) in &tree.files {
        let is_directory = path.ends_with('/');
        let path = directory.path().join(path);
        let parent = path.parent().expect("it is below another");
        fs::create_dir_all(if is_directory { &path } else { parent }).expect("a directory of our own");
        if !is_directory {
            fs::write(&path, content).expect("a directory of our own");
        }
    }
    directory
}
