//! A small Debian with the reference's package installed, in `target/bookworm`: the machine that our package is tried on.
//!
//! It is made by `debootstrap` from the mirror that the system itself uses, whose signatures are checked, and takes a
//! minute; tests lay a file system of their own over it and leave it as it is.
//!
//! Invariant: `target/bookworm` is either whole or not there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::reference;
use crate::process;
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// How long it may take: a slow mirror is no reason to fail, a dead one is.
const LIMIT: Duration = Duration::from_secs(900);

const SUITE: &str = "bookworm";

/// What is in it beside what every Debian has.
const PACKAGES: &str = "python3,python3-systemd,iptables,nftables,procps,systemd-sysv";

/// Sees to it that it is there.
pub(crate) fn provide(workspace: &Workspace) -> Result<(), Trouble> {
    let target = workspace.root.join("target");
    let directory = target.join(SUITE);
    let is_there = |path: &&str| directory.join(path).exists();
    if ["usr/bin/fail2ban-client", "usr/lib/systemd/systemd"]
        .iter()
        .all(is_there)
    {
        return Ok(());
    }
    // One that was made when there was less in it.
    drop(fs::remove_dir_all(&directory));
    let work = target.join(format!("{SUITE}-{}", std::process::id()));
    let outcome = make(workspace, &work).and_then(|()| {
        fs::rename(&work, &directory).map_err(|source| Trouble::File {
            doing: "create",
            path: directory.clone(),
            source,
        })
    });
    if outcome.is_err() {
        drop(fs::remove_dir_all(&work));
    }
    outcome?;
    println!(
        "setup: made a Debian to try the package on in {}",
        directory.display()
    );
    Ok(())
}

fn make(workspace: &Workspace, work: &Path) -> Result<(), Trouble> {
    let mut tried = None;
    for mirror in reference::mirrors() {
        drop(fs::remove_dir_all(work));
        let mut debootstrap = Command::new("debootstrap");
        debootstrap
            .arg("--variant=minbase")
            .arg(format!("--include={PACKAGES}"))
            .arg(SUITE)
            .arg(work)
            .arg(&mirror);
        match process::output(&mut debootstrap, LIMIT) {
            Ok(_) => return install(workspace, work),
            Err(trouble) => tried = Some(trouble),
        }
    }
    Err(tried.unwrap_or(Trouble::NoReference {
        tried: "no mirror".to_owned(),
    }))
}

/// Installs the reference's package, whose service nobody starts, and leaves no more than is needed.
fn install(workspace: &Workspace, work: &Path) -> Result<(), Trouble> {
    let package = reference::package(workspace)?;
    let trouble = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| Trouble::File { doing, path, source }
    };
    let policy = work.join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n").map_err(trouble("write", &policy))?;
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o755)).map_err(trouble("write", &policy))?;
    let inside = work.join("fail2ban.deb");
    fs::copy(&package, &inside).map_err(trouble("copy", &package))?;
    let mut dpkg = Command::new("chroot");
    dpkg.arg(work)
        .args(["dpkg", "--install", "/fail2ban.deb"])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("DEBIAN_FRONTEND", "noninteractive");
    process::output(&mut dpkg, LIMIT)?;
    for file in [inside, policy] {
        fs::remove_file(&file).map_err(trouble("remove", &file))?;
    }
    drop(fs::remove_dir_all(work.join("var/cache/apt/archives")));
    drop(fs::remove_dir_all(work.join("var/lib/apt/lists")));
    Ok(())
}
