//! The programs that the tests run, from the distribution's packages.
//!
//! They are installed only by root on a system with `apt-get`, only the missing ones, and without
//! starting the services that come with them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Missing;
use crate::process;
use crate::trouble::Trouble;

/// How long `apt-get` may take: a slow mirror is no reason to fail, a dead one is.
const LIMIT: Duration = Duration::from_secs(600);

/// The end-to-end tests, in the words of the report.
const END_TO_END: &str = "the end-to-end tests";

/// Something to find on the machine.
struct Need {
    /// A program by its name, or a file by its absolute path.
    file: &'static str,
    /// The Debian package that has it.
    package: &'static str,
    /// What cannot be tested without it.
    skipped: &'static str,
}

/// The tests with programs that others have written for a fail2ban.
const TOOLS: &str = "the tools of others";

/// The test of our own package.
const PACKAGE: &str = "the test of the package";

/// The test of a fresh machine with services on it.
const FRESH: &str = "the end-to-end test of a fresh machine";

/// The tests of the package's own jails on the services they are for.
const SERVICES: &str = "an end-to-end test of the package's jails";

const NEEDS: [Need; 30] = [
    Need {
        file: "python3",
        package: "python3",
        skipped: "conformance with the reference",
    },
    Need {
        // A module imported by the reference, of the interpreter that runs it.
        file: "/usr/lib/python3/dist-packages/systemd/journal.py",
        package: "python3-systemd",
        skipped: "conformance of the journal backend",
    },
    Need {
        file: "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        package: "libfaketime",
        skipped: "the lives of jails beside the reference",
    },
    Need {
        file: "ip",
        package: "iproute2",
        skipped: END_TO_END,
    },
    Need {
        file: "unshare",
        package: "util-linux",
        skipped: END_TO_END,
    },
    Need {
        file: "mount",
        package: "mount",
        skipped: END_TO_END,
    },
    Need {
        file: "nft",
        package: "nftables",
        skipped: "the tests of the firewall",
    },
    Need {
        file: "iptables",
        package: "iptables",
        skipped: "the tests of the firewall",
    },
    Need {
        file: "ipset",
        package: "ipset",
        skipped: "the tests of the firewall",
    },
    Need {
        file: "sshd",
        package: "openssh-server",
        skipped: END_TO_END,
    },
    Need {
        file: "ssh",
        package: "openssh-client",
        skipped: END_TO_END,
    },
    Need {
        file: "ssh-keygen",
        package: "openssh-client",
        skipped: END_TO_END,
    },
    Need {
        file: "rsyslogd",
        package: "rsyslog",
        skipped: "the end-to-end test by syslog",
    },
    Need {
        file: "nginx",
        package: "nginx-light",
        skipped: FRESH,
    },
    Need {
        file: "postfix",
        package: "postfix",
        skipped: FRESH,
    },
    Need {
        file: "dovecot",
        package: "dovecot-imapd",
        skipped: FRESH,
    },
    Need {
        file: "apache2",
        package: "apache2",
        skipped: SERVICES,
    },
    Need {
        file: "proftpd",
        package: "proftpd-core",
        skipped: SERVICES,
    },
    Need {
        // vsftpd, which is unpacked only, wants it.
        file: "/usr/lib/x86_64-linux-gnu/libwrap.so.0",
        package: "libwrap0",
        skipped: SERVICES,
    },
    Need {
        file: "curl",
        package: "curl",
        skipped: FRESH,
    },
    Need {
        file: "openssl",
        package: "openssl",
        skipped: "the tests of requests and mails that travel in secret",
    },
    Need {
        file: "journalctl",
        package: "systemd",
        skipped: "the tests of the journal",
    },
    Need {
        file: "/usr/lib/systemd/systemd-journald",
        package: "systemd",
        skipped: "the tests of the journal",
    },
    Need {
        file: "/usr/share/bash-completion/bash_completion",
        package: "bash-completion",
        skipped: TOOLS,
    },
    Need {
        file: "logrotate",
        package: "logrotate",
        skipped: TOOLS,
    },
    Need {
        file: "debootstrap",
        package: "debootstrap",
        skipped: PACKAGE,
    },
    Need {
        file: "shellcheck",
        package: "shellcheck",
        skipped: PACKAGE,
    },
    Need {
        file: "monit",
        package: "monit",
        skipped: TOOLS,
    },
    Need {
        file: "/usr/share/munin/plugins/fail2ban",
        package: "munin-plugins-core",
        skipped: TOOLS,
    },
    Need {
        file: "/usr/lib/python3/dist-packages/pip/__init__.py",
        package: "python3-pip",
        skipped: TOOLS,
    },
];

/// Where daemons live that are not on everybody's path.
const MORE_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Installs what is missing, if we may; what is missing then.
pub(crate) fn provide() -> Result<Vec<Missing>, Trouble> {
    let packages = missing_packages();
    let mut hindrance = None;
    if !packages.is_empty() {
        hindrance = match why_not() {
            None => install(&packages)?.err(),
            why => why,
        };
    }
    let remedy = hindrance.unwrap_or("it should be in its package");
    Ok(NEEDS
        .iter()
        .filter(|need| !present(need))
        .map(|need| Missing {
            what: format!("{} is missing (Debian: {}): {remedy}", need.file, need.package),
            skipped: need.skipped,
        })
        .collect())
}

/// Whether the kernel lets us make the namespaces that the end-to-end tests live in.
pub(crate) fn namespaces() -> Result<Option<Missing>, Trouble> {
    let mut command = Command::new("unshare");
    command.args([
        "--net",
        "--mount",
        "--pid",
        "--ipc",
        "--uts",
        "--fork",
        "--mount-proc",
        "true",
    ]);
    let why = match process::output(&mut command, Duration::from_secs(20)) {
        Ok(_) => return Ok(None),
        Err(trouble) => trouble.chain(),
    };
    let what = format!("no right to make namespaces ({why}); be root, with CAP_SYS_ADMIN");
    Ok(Some(Missing {
        what,
        skipped: END_TO_END,
    }))
}

fn missing_packages() -> Vec<&'static str> {
    let mut packages: Vec<&str> = NEEDS
        .iter()
        .filter(|need| !present(need))
        .map(|need| need.package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn present(need: &Need) -> bool {
    if need.file.starts_with('/') {
        return Path::new(need.file).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(MORE_DIRECTORIES.map(PathBuf::from))
        .any(|directory| directory.join(need.file).is_file())
}

/// Why we may not install packages here.
fn why_not() -> Option<&'static str> {
    let root = process::output(Command::new("id").arg("-u"), Duration::from_secs(20))
        .is_ok_and(|id| id.trim() == "0");
    if !root {
        return Some("only root can install it");
    }
    let apt = process::output(Command::new("apt-get").arg("--version"), Duration::from_secs(20));
    apt.is_err().then_some("there is no apt-get to install it with")
}

/// Has `apt-get` install `packages`; if that fails, why.
fn install(packages: &[&str]) -> Result<Result<(), &'static str>, Trouble> {
    println!("setup: installing {}", packages.join(" "));
    let _quiet = NoServices::begin();
    // A third party's broken list must not keep us from the distribution's packages.
    drop(process::output(apt_get().arg("update"), LIMIT));
    let mut command = apt_get();
    command
        .args(["install", "--yes", "--no-install-recommends"])
        .args(packages);
    Ok(match process::output(&mut command, LIMIT) {
        Ok(_) => Ok(()),
        Err(trouble) => {
            println!("setup: {}", trouble.chain());
            Err("apt-get could not install it")
        }
    })
}

/// `apt-get` that asks nothing, tries again, and waits for whoever holds the lock.
fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
        .args(["-o", "Acquire::Retries=3", "-o", "Acquire::http::Timeout=30"])
        .args([
            "-o",
            "Acquire::https::Timeout=30",
            "-o",
            "Dpkg::Options::=--force-confold",
        ]);
    command
}

/// Keeps the packages' scripts from starting services, while it lives, by the policy file that Debian
/// has for this; an administrator's own is left as it is.
struct NoServices {
    ours: bool,
}

impl NoServices {
    const POLICY: &str = "/usr/sbin/policy-rc.d";

    fn begin() -> Self {
        use std::os::unix::fs::PermissionsExt as _;

        let policy = Path::new(Self::POLICY);
        let ours = !policy.exists() && std::fs::write(policy, "#!/bin/sh\nexit 101\n").is_ok();
        if ours {
            let permissions = std::fs::Permissions::from_mode(0o755);
            // Without it the services start, which costs nothing but the surprise.
            drop(std::fs::set_permissions(policy, permissions));
        }
        Self { ours }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            drop(std::fs::remove_file(Self::POLICY));
        }
    }
}
