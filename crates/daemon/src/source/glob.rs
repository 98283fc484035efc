//! Patterns of paths, such as `/var/log/*/access.log`.
//!
//! In: a pattern. Out: the files that it matches now, and the directories in which that could change.
//!
//! Invariant: what a pattern matches is limited, whatever files others create.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::disk::Disk;

/// How many files and directories one pattern matches at most; each costs a descriptor and a watch.
pub(super) const MATCH_LIMIT: usize = 1000;

/// What a pattern matches at a moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expansion {
    /// The files, in the order of their names.
    pub(super) files: Vec<PathBuf>,
    /// The directories to watch for new ones; the nearest that exist.
    pub(super) directories: Vec<PathBuf>,
    /// There was more than [`MATCH_LIMIT`].
    pub(super) cut: bool,
}

/// Whether `path` is a pattern and not the name of one file.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.as_os_str()
        .as_bytes()
        .iter()
        .any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Looks at what is there.
pub(super) fn expand(disk: &impl Disk, pattern: &Path) -> Expansion {
    let mut expansion = Expansion::default();
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let mut next = Vec::new();
        for path in found {
            match component {
                Component::Normal(name) if is_pattern(Path::new(name)) => {
                    let directory = if path.as_os_str().is_empty() {
                        PathBuf::from(".")
                    } else {
                        path.clone()
                    };
                    for entry in disk.names(&directory) {
                        if matches(name.as_bytes(), entry.as_bytes()) {
                            next.push(path.join(entry));
                        }
                    }
                    if disk.is_directory(&directory) {
                        expansion.directories.push(directory);
                    }
                }
                Component::Normal(_)
                | Component::Prefix(_)
                | Component::RootDir
                | Component::CurDir
                | Component::ParentDir => {
                    let path_here = path.join(component);
                    if disk.exists(&path_here) {
                        next.push(path_here);
                    } else if disk.is_directory(&path) {
                        expansion.directories.push(path);
                    }
                }
            }
            if next.len() >= MATCH_LIMIT {
                next.truncate(MATCH_LIMIT);
                expansion.cut = true;
                break;
            }
        }
        found = next;
    }
    found.retain(|path| disk.is_file(path));
    expansion.files = found;
    expansion.directories.sort();
    expansion.directories.dedup();
    expansion.directories.truncate(MATCH_LIMIT);
    expansion
}

/// Whether the pattern matches the name of a file.
pub(super) fn covers(pattern: &Path, path: &Path) -> bool {
    let (mut wanted, mut found) = (pattern.components(), path.components());
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(Component::Normal(wanted)), Some(Component::Normal(found))) => {
                let is_met = if is_pattern(Path::new(wanted)) {
                    matches(wanted.as_bytes(), found.as_bytes())
                } else {
                    wanted == found
                };
                if !is_met {
                    return false;
                }
            }
            (wanted, found) if wanted == found => {}
            _ => return false,
        }
    }
}

/// Whether a pattern with `*`, `?` and `[…]` matches a whole name; a leading dot wants to be named.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    // Where the last star stands, and what of the name it has taken so far.
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(position) {
        let step = match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, position));
                at += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => match class(pattern.get(at..).unwrap_or_default(), *byte) {
                Some((true, length)) => Some(length),
                Some((false, _)) => None,
                None => (*byte == b'[').then_some(1),
            },
            Some(wanted) if wanted == byte => Some(1),
            Some(_) | None => None,
        };
        match (step, star) {
            (Some(length), _) => {
                at += length;
                position += 1;
            }
            (None, Some((after, taken))) => {
                star = Some((after, taken + 1));
                at = after;
                position = taken + 1;
            }
            (None, None) => return false,
        }
    }
    pattern
        .get(at..)
        .unwrap_or_default()
        .iter()
        .all(|byte| *byte == b'*')
}

/// Whether `byte` is in the class that `pattern` begins with, and how long that is; none where it has no end.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = pattern.get(1) == Some(&b'!');
    let first = if negated { 2 } else { 1 };
    // A bracket at the very beginning is a member.
    let end = first + 1 + pattern.get(first + 1..)?.iter().position(|byte| *byte == b']')?;
    let members = pattern.get(first..end)?;
    let mut found = false;
    let mut rest = members;
    loop {
        match rest {
            [] => break,
            [low, b'-', high, after @ ..] => {
                found |= (low..=high).contains(&&byte);
                rest = after;
            }
            [member, after @ ..] => {
                found |= *member == byte;
                rest = after;
            }
        }
    }
    Some((found != negated, end + 1))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::super::disk::System;
    use super::{expand, matches};

    #[test]
    fn names_match() {
        for (pattern, name, expected) in [
            ("*.log", "a.log", true),
            ("*.log", "a.log.1", false),
            ("*.log", ".log", false),
            (".*", ".log", true),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x]", "]", true),
            ("[ab", "[ab", true),
            ("log[0-9]*", "log7.txt", true),
            ("********************a", &"b".repeat(5000), false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn patterns_find_files_and_the_directories_to_watch() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        for name in ["a/access.log", "b/access.log", "b/error.log", "top.log"] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            std::fs::write(path, "").expect("a file");
        }
        let under = |names: &[&str]| -> Vec<PathBuf> { names.iter().map(|name| root.join(name)).collect() };
        for (pattern, files, directories) in [
            ("*.log", under(&["top.log"]), under(&[""])),
            (
                "*/access.log",
                under(&["a/access.log", "b/access.log"]),
                under(&["", "top.log"]),
            ),
            ("b/*", under(&["b/access.log", "b/error.log"]), under(&["b"])),
            ("none/*", vec![], under(&[""])),
        ] {
            let mut found = expand(&System::new(), &root.join(pattern));
            found.directories.retain(|path| path.is_dir());
            let directories: Vec<PathBuf> = directories
                .into_iter()
                .filter(|path: &PathBuf| path.is_dir())
                .collect();
            assert_eq!(found.files, files, "{pattern}");
            assert_eq!(
                found
                    .directories
                    .iter()
                    .map(|path| path.components().collect())
                    .collect::<Vec<PathBuf>>(),
                directories
                    .iter()
                    .map(|path| path.components().collect())
                    .collect::<Vec<PathBuf>>(),
                "{pattern}"
            );
        }
        assert_eq!(
            expand(&System::new(), Path::new("/nonexistent-here/x*")).files,
            Vec::<PathBuf>::new()
        );
    }
}
