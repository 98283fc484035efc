//! Our program in the place of the reference's commands, and back.
//!
//! In: the names. Out: links, and what stood there under another name beside them.
//!
//! Where there is `dpkg-divert`, it moves the files, so that an update of the reference's package puts its new ones
//! aside, too, and neither package overwrites the other.
//!
//! Invariant: nothing is ever removed but a link to our own program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::record::Moved;
use super::service::{self, Failed};
use crate::called::NAMES;

/// Where commands are, by the order in which a shell looks.
const DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Where a command goes that is nowhere yet.
const USUAL: &str = "/usr/bin";

/// Where the package has links by these names, of which nobody's path knows.
const OWN: &str = "/usr/lib/stockade/bin";

/// What is put behind the name of what is moved aside.
const ASIDE: &str = "fail2ban";

/// What a link of ours points to.
fn target(name: &str) -> io::Result<PathBuf> {
    let own = Path::new(OWN).join(name);
    if own.exists() {
        return Ok(own);
    }
    std::env::current_exe()
}

/// The places in which our program is to stand and does not: each is a command of the reference, or where none has a
/// name, its usual place.
pub(super) fn places() -> Vec<Moved> {
    let mut places = Vec::new();
    for name in NAMES {
        let found = directories().map(|directory| directory.join(name));
        let (ours, others): (Vec<PathBuf>, Vec<PathBuf>) = found
            .filter(|path| fs::symlink_metadata(path).is_ok())
            .partition(|path| is_ours(path));
        if ours.is_empty() && others.is_empty() {
            places.push(Moved {
                path: Path::new(USUAL).join(name),
                aside: None,
                diverted: false,
            });
        }
        places.extend(others.into_iter().map(|path| Moved {
            aside: Some(path.with_extension(ASIDE)),
            diverted: has_diversions() && !path.starts_with("/usr/local"),
            path,
        }));
    }
    places
}

/// The directories without those that are links to others.
fn directories() -> impl Iterator<Item = PathBuf> {
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    DIRECTORIES
        .into_iter()
        .map(PathBuf::from)
        .filter(move |path| !is_link(path))
}

fn has_diversions() -> bool {
    Path::new("/usr/bin/dpkg-divert").exists()
}

/// Whether a link leads to this program.
fn is_ours(path: &Path) -> bool {
    let own = std::env::current_exe().and_then(fs::canonicalize);
    let is_link = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    is_link && own.is_ok_and(|own| fs::canonicalize(path).is_ok_and(|path| path == own))
}

/// Puts our program in a place.
pub(super) fn take(place: &Moved) -> Result<(), Failed> {
    let Moved {
        path,
        aside,
        diverted,
    } = place;
    let trouble = |error: io::Error| Failed::file(path, "be given our program", &error);
    if let Some(aside) = aside {
        let stands = fs::symlink_metadata(path).is_ok() && !is_ours(path);
        if *diverted {
            service::run(Command::new("dpkg-divert").args(diversion(path, aside, "--add")))?;
        } else if stands {
            fs::rename(path, aside).map_err(trouble)?;
        }
    }
    if is_ours(path) {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    std::os::unix::fs::symlink(target(&name).map_err(trouble)?, path).map_err(trouble)
}

/// Puts back what stood in a place.
pub(super) fn give_back(place: &Moved) -> Result<(), Failed> {
    let Moved {
        path,
        aside,
        diverted,
    } = place;
    let trouble = |error: io::Error| Failed::file(path, "be put back", &error);
    if is_link_of_ours(path) {
        fs::remove_file(path).map_err(trouble)?;
    }
    let Some(aside) = aside else { return Ok(()) };
    if *diverted {
        return service::run(Command::new("dpkg-divert").args(diversion(path, aside, "--remove")));
    }
    if fs::symlink_metadata(path).is_err() && fs::symlink_metadata(aside).is_ok() {
        fs::rename(aside, path).map_err(trouble)?;
    }
    Ok(())
}

/// Whether it is a link as we make them, wherever our program is now.
fn is_link_of_ours(path: &Path) -> bool {
    is_ours(path) || fs::read_link(path).is_ok_and(|target| target.starts_with(OWN))
}

fn diversion(path: &Path, aside: &Path, what: &str) -> [String; 8] {
    [
        "--quiet".to_owned(),
        "--package".to_owned(),
        "stockade".to_owned(),
        "--rename".to_owned(),
        "--divert".to_owned(),
        aside.display().to_string(),
        what.to_owned(),
        path.display().to_string(),
    ]
}
