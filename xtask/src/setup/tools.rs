//! Programs of others that talk to a fail2ban and are in no package of the distribution.
//!
//! In: a package of the Python registry, by its version and checksum. Out: its modules below `target/tools`.

use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// How long `pip` may take: a slow mirror is no reason to fail, a dead one is.
const LIMIT: Duration = Duration::from_secs(180);

/// An audit of the jails by what `fail2ban-client` says of them; it is one module, and needs nothing else.
const AUDIT: &str = "dargslan-fail2ban-audit==1.0.0 \
     --hash=sha256:2bc2df0c8ca06e3cf760d96fce1d336e427ff5611ac65bc8f2f869a56803d7e5\n";

/// The module of the audit.
const MODULE: &str = "dargslan_fail2ban_audit/cli.py";

/// Sees to it that they are there.
pub(crate) fn install(workspace: &Workspace) -> Result<(), Trouble> {
    let directory = workspace.root.join("target/tools");
    if directory.join(MODULE).exists() {
        return Ok(());
    }
    let requirements = workspace.root.join("target/tools.txt");
    std::fs::write(&requirements, AUDIT).map_err(|source| Trouble::File {
        doing: "write",
        path: requirements.clone(),
        source,
    })?;
    let mut pip = Command::new("/usr/bin/python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--require-hashes", "--target"])
        .arg(&directory)
        .arg("--requirement")
        .arg(&requirements)
        .env("PIP_BREAK_SYSTEM_PACKAGES", "1")
        .env("PIP_ROOT_USER_ACTION", "ignore");
    process::output(&mut pip, LIMIT)?;
    println!(
        "setup: installed the tools of others into {}",
        directory.display()
    );
    Ok(())
}
