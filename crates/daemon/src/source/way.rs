//! The way to a name: the directories in which something can happen that makes it stand for another file.
//!
//! In: a path. Out: directories, each with the entry that matters there, with every symbolic link that is met.
//!
//! Invariant: where the path comes to stand for something else, one of the entries has changed.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::disk::Disk;

/// How many links the kernel follows in one path.
const LINKS: usize = 40;

/// A directory that exists, without links in its name, and the entry in it that matters.
pub(super) type Place = (PathBuf, OsString);

/// The places on the way to `path`, down to the first one that is not there.
///
/// The root is left out where what it holds is a directory that is there: nobody renames `/var`, and much else happens
/// in it.
pub(super) fn way_to(disk: &impl Disk, path: &Path) -> Vec<Place> {
    let mut way: Vec<Place> = Vec::new();
    let mut links = 0;
    let mut at = start(path);
    // What is still to be gone, the next one last.
    let mut ahead: Vec<OsString> = steps(path);
    while let Some(name) = ahead.pop() {
        if name == ".." {
            at.push("..");
            // Without links in it, the way up is the way that was come.
            at = at
                .parent()
                .and_then(Path::parent)
                .filter(|above| !above.as_os_str().is_empty())
                .map_or_else(|| at.clone(), Path::to_owned);
            continue;
        }
        let here = at.join(&name);
        let target = disk.link(&here);
        let is_root = at.has_root() && at.parent().is_none();
        let is_quiet = is_root && target.is_none() && disk.is_directory(&here);
        let place = (at.clone(), name);
        if !is_quiet && !way.contains(&place) {
            way.push(place);
        }
        match target {
            Some(target) => {
                links += 1;
                if links > LINKS {
                    break;
                }
                if target.has_root() {
                    at = start(&target);
                }
                ahead.extend(steps(&target));
            }
            None if disk.is_directory(&here) => at = here,
            None => break,
        }
    }
    way.retain(|(directory, _)| disk.is_directory(directory));
    way
}

fn start(path: &Path) -> PathBuf {
    PathBuf::from(if path.has_root() { "/" } else { "." })
}

/// The names in a path, the last one first.
fn steps(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    names.rev().collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::super::disk::System;
    use super::way_to;

    #[test]
    fn every_directory_and_every_link_is_on_the_way() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().canonicalize().expect("its name");
        for name in ["a/b", "c/d", "e"] {
            fs::create_dir_all(root.join(name)).expect("directories");
        }
        fs::write(root.join("c/d/log"), "").expect("a file");
        symlink("../c/d", root.join("a/relative")).expect("a link");
        symlink(root.join("a/relative"), root.join("e/absolute")).expect("a link");
        symlink("loop", root.join("e/loop")).expect("a link");
        symlink("nowhere/log", root.join("e/broken")).expect("a link");
        for (name, path, expected) in [
            ("none", "a/b/log", &["a", "a/b", "a/b/log"][..]),
            ("a directory is missing", "a/x/log", &["a", "a/x"]),
            (
                "a link",
                "a/relative/log",
                &["a", "a/relative", "c", "c/d", "c/d/log"],
            ),
            (
                "a link to a link",
                "e/absolute/log",
                &["e", "e/absolute", "a", "a/relative", "c", "c/d", "c/d/log"],
            ),
            ("a link to itself", "e/loop", &["e", "e/loop"]),
            ("a link to nothing", "e/broken", &["e", "e/broken", "e/nowhere"]),
            ("a way back", "a/../c/d/log", &["a", "c", "c/d", "c/d/log"]),
        ] {
            let way = way_to(&System::new(), &root.join(path));
            let found: Vec<String> = way
                .iter()
                .filter_map(|(directory, name)| {
                    let path = directory.join(name);
                    Some(path.strip_prefix(&root).ok()?.display().to_string())
                })
                .filter(|path| !path.is_empty())
                .collect();
            assert_eq!(found, expected, "{name}");
        }
        assert!(way_to(&System::new(), Path::new("/")).is_empty());
        let at_root = way_to(&System::new(), Path::new("/no-such-directory/log"));
        assert_eq!(at_root, [("/".into(), "no-such-directory".into())]);
    }
}
