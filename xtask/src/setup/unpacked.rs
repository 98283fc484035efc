//! A service that the distribution lets nobody install beside another one, as a program alone.
//!
//! In: the distribution's package, fetched by `apt-get`, which verifies it. Out: its files below `target/packages`.
//!
//! Invariant: nothing of it is installed, and its directory is either whole or not there.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// How long each step may take: a slow mirror is no reason to fail, a dead one is.
const LIMIT: Duration = Duration::from_secs(240);

/// It and `ProFTPD` are both the `ftp-server` that there may be only one of.
const PACKAGE: &str = "vsftpd";

/// Sees to it that it is there.
pub(crate) fn unpack(workspace: &Workspace) -> Result<(), Trouble> {
    let directory = workspace.root.join("target/packages").join(PACKAGE);
    let installed = std::path::Path::new("/usr/sbin").join(PACKAGE);
    if directory.exists() || installed.exists() {
        return Ok(());
    }
    let work = workspace
        .root
        .join("target/packages")
        .join(format!("{PACKAGE}-{}", std::process::id()));
    let outcome = fetch(&work).and_then(|()| {
        fs::rename(work.join("tree"), &directory).map_err(|source| Trouble::File {
            doing: "create",
            path: directory.clone(),
            source,
        })
    });
    drop(fs::remove_dir_all(&work));
    outcome?;
    println!("setup: unpacked {PACKAGE} into {}", directory.display());
    Ok(())
}

/// Fetches the package into `work`, and unpacks it into `work/tree`.
fn fetch(work: &std::path::Path) -> Result<(), Trouble> {
    fs::create_dir_all(work).map_err(|source| Trouble::File {
        doing: "create",
        path: work.to_owned(),
        source,
    })?;
    let mut download = Command::new("apt-get");
    download
        .current_dir(work)
        .args(["-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3"])
        .args(["-o", "Acquire::http::Timeout=30"])
        .args(["download", PACKAGE]);
    process::output(&mut download, LIMIT)?;
    let mut unpack = Command::new("sh");
    unpack.current_dir(work).args(["-c", "dpkg -x ./*.deb tree"]);
    process::output(&mut unpack, LIMIT)?;
    Ok(())
}
