//! The reference, fail2ban as Debian's newest suite has it, unpacked into `target/reference`.
//!
//! First its one known package file is asked for, whose checksum stands here; a mirror keeps such a file
//! only until the next upload, so after that come the archive of all uploads, and the suites' own lists,
//! which are signed. Nothing unverified is ever unpacked, for the tests run it as root.
//!
//! Invariant: `target/reference` is either whole or not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// The package that the tests' expectations were taken from.
const FILE: &str = "fail2ban_1.1.1-1_all.deb";
const SHA256: &str = "c544561da237a443c34982bc6be0bef39490406e08643d4ceb968f6177ac58c2";
const SHA1: &str = "14a6546673ce5997f9c844579ea65a79e259055c";

/// What the name of any package begins with that will do instead.
const GOOD_ENOUGH: &str = "fail2ban_1.1.1";

/// The suites to look in, newest first.
const SUITES: [&str; 3] = ["sid", "forky", "trixie"];

/// The mirror where the system names none.
const MIRROR: &str = "https://deb.debian.org/debian";

/// A program of apt's that fetches one file, verifies it and knows the system's proxies.
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";

const LIMIT: Duration = Duration::from_secs(240);

/// Sees to it that the reference is there.
pub(crate) fn unpack(workspace: &Workspace) -> Result<(), Trouble> {
    let directory = workspace.reference();
    if directory.join("usr/bin/fail2ban-client").exists() {
        return Ok(());
    }
    let work = workspace
        .root
        .join("target")
        .join(format!("reference-{}", std::process::id()));
    let outcome = fetch(&work).and_then(|package| {
        let tree = work.join("tree");
        process::output(Command::new("dpkg").arg("-x").arg(&package).arg(&tree), LIMIT)?;
        match fs::rename(&tree, &directory) {
            Ok(()) => Ok(package),
            Err(source) => Err(Trouble::File {
                doing: "create",
                path: directory.clone(),
                source,
            }),
        }
    });
    drop(fs::remove_dir_all(&work));
    let package = outcome?;
    let name = package
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    println!("setup: unpacked {name} into {}", directory.display());
    Ok(())
}

/// The package itself, for a machine to install it on.
pub(super) fn package(workspace: &Workspace) -> Result<PathBuf, Trouble> {
    let kept = workspace.root.join("target/reference.deb");
    if kept.exists() {
        return Ok(kept);
    }
    let work = workspace
        .root
        .join("target")
        .join(format!("reference-{}", std::process::id()));
    let outcome = fetch(&work).and_then(|package| {
        fs::rename(&package, &kept).map_err(|source| Trouble::File {
            doing: "create",
            path: kept.clone(),
            source,
        })
    });
    drop(fs::remove_dir_all(&work));
    outcome.map(|()| kept)
}

/// Brings the package into `work`; where it is.
fn fetch(work: &Path) -> Result<PathBuf, Trouble> {
    create(&work.join("tree"))?;
    let mirrors = mirrors();
    let mut tried = Vec::new();
    let pools = mirrors
        .iter()
        .map(|mirror| format!("{mirror}/pool/main/f/fail2ban/{FILE}"));
    for url in pools {
        match by_checksum(&url, work) {
            Ok(package) => return Ok(package),
            Err(trouble) => tried.push(trouble.chain()),
        }
    }
    for mirror in &mirrors {
        for suite in SUITES {
            match by_suite(mirror, suite, work) {
                Ok(package) => return Ok(package),
                Err(trouble) => tried.push(format!("{suite}: {}", trouble.chain())),
            }
        }
    }
    match by_checksum(&format!("https://snapshot.debian.org/file/{SHA1}"), work) {
        Ok(package) => Ok(package),
        Err(trouble) => {
            tried.push(trouble.chain());
            Err(Trouble::NoReference {
                tried: tried.join("; "),
            })
        }
    }
}

/// Fetches the one known file from `url`.
fn by_checksum(url: &str, work: &Path) -> Result<PathBuf, Trouble> {
    let package = work.join(FILE);
    let mut command = Command::new(APT_HELPER);
    command
        .args(["-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30"])
        .args([
            "-o",
            "Acquire::https::Timeout=30",
            "-o",
            "APT::Sandbox::User=root",
        ])
        .args(["download-file", url])
        .arg(&package)
        .arg(format!("SHA256:{SHA256}"));
    process::output(&mut command, LIMIT)?;
    Ok(package)
}

/// Has apt, with lists of its own so that the system's stay as they are, fetch what `suite` has now.
fn by_suite(mirror: &str, suite: &str, work: &Path) -> Result<PathBuf, Trouble> {
    let apt = work.join(suite);
    create(&apt.join("lists/partial"))?;
    create(&apt.join("cache/archives/partial"))?;
    let list = apt.join("sources.list");
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    fs::write(
        &list,
        format!("deb [signed-by={keyring}] {mirror} {suite} main\n"),
    )
    .map_err(|source| Trouble::File {
        doing: "write",
        path: list.clone(),
        source,
    })?;
    let apt_get = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .current_dir(&apt)
            .arg("-qq")
            .args(["-o", &format!("Dir::Etc::sourcelist={}", list.display())])
            .args(["-o", "Dir::Etc::sourceparts=/dev/null"])
            .args([
                "-o",
                &format!("Dir::State::Lists={}", apt.join("lists").display()),
            ])
            .args(["-o", &format!("Dir::Cache={}", apt.join("cache").display())])
            .args(["-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"])
            .args(["-o", "Acquire::Languages=none", "-o", "APT::Sandbox::User=root"])
            .args(["-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30"])
            .args(words);
        process::output(&mut command, LIMIT)
    };
    apt_get(&["update"])?;
    apt_get(&["download", "fail2ban"])?;
    let entries = fs::read_dir(&apt).map_err(|source| Trouble::File {
        doing: "read",
        path: apt.clone(),
        source,
    })?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(GOOD_ENOUGH))
        })
        .ok_or_else(|| Trouble::NoReference {
            tried: format!("{suite}, which has another version"),
        })
}

/// The mirror that the system's own sources name, and Debian's.
pub(super) fn mirrors() -> Vec<String> {
    let mut texts = vec![fs::read_to_string("/etc/apt/sources.list").unwrap_or_default()];
    for entry in fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten()
    {
        texts.push(fs::read_to_string(entry.path()).unwrap_or_default());
    }
    let named = texts
        .iter()
        .flat_map(|text| text.split_whitespace())
        .map(|word| word.trim_end_matches('/'))
        .find(|word| word.starts_with("http") && word.ends_with("/debian"));
    let mut mirrors: Vec<String> = named.map(str::to_owned).into_iter().collect();
    if !mirrors.iter().any(|mirror| mirror == MIRROR) {
        mirrors.push(MIRROR.to_owned());
    }
    mirrors
}

fn create(directory: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(directory).map_err(|source| Trouble::File {
        doing: "create",
        path: directory.to_owned(),
        source,
    })
}
