//! `cargo xtask deb`: the package for Debian and its kin, from a tree that is made below `target/dist`.
//!
//! In: a binary, or the sources to build one from, and what is in `packaging/`. Out: `stockade_VERSION_amd64.deb`.
//!
//! The package has no file that fail2ban's has, so that both can be installed; `stockade adopt` puts our commands in the
//! place of the others.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::release;
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// How long `dpkg-deb` and its like may take.
const LIMIT: Duration = Duration::from_secs(300);

/// The names under which the one binary is other programs.
const NAMES: [&str; 3] = ["fail2ban-client", "fail2ban-regex", "fail2ban-server"];

/// The revision of the package.
const REVISION: u32 = 1;

/// What is copied as it is: from below `packaging`, to where, with which rights.
const COPIED: [(&str, &str, u32); 7] = [
    (
        "systemd/stockade.service",
        "usr/lib/systemd/system/stockade.service",
        0o644,
    ),
    (
        "systemd/stockade.socket",
        "usr/lib/systemd/system/stockade.socket",
        0o644,
    ),
    (
        "tmpfiles/stockade.conf",
        "usr/lib/tmpfiles.d/stockade.conf",
        0o644,
    ),
    ("sysvinit/stockade", "etc/init.d/stockade", 0o755),
    ("logrotate/stockade", "usr/share/stockade/logrotate", 0o644),
    ("debian/copyright", "usr/share/doc/stockade/copyright", 0o644),
    (
        "debian/jail.local",
        "usr/share/doc/stockade/examples/jail.local",
        0o644,
    ),
];

/// The scripts of the package.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// What each shell completes our commands by.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/stockade"),
    ("zsh", "usr/share/zsh/vendor-completions/_stockade"),
    ("fish", "usr/share/fish/vendor_completions.d/stockade.fish"),
];

/// The chore: builds the package, of `binary` where one is named.
pub(crate) fn chore(workspace: &Workspace, binary: Option<&Path>) -> Result<Vec<String>, Trouble> {
    let built = match binary {
        Some(binary) => binary.to_owned(),
        None => release::build(workspace, release::Kind::Dynamic)?,
    };
    let package = build(workspace, &built, binary.is_none())?;
    let size = fs::metadata(&package).map_or(0, |meta| meta.len());
    println!("{} ({size} bytes)", package.display());
    Ok(Vec::new())
}

/// Makes the tree and has it packed; tightly, where the package is not just for a test.
fn build(workspace: &Workspace, binary: &Path, tightly: bool) -> Result<PathBuf, Trouble> {
    let version = format!("{}-{REVISION}", version(workspace)?);
    let dist = workspace.root.join("target/dist");
    let tree = dist.join(format!("deb-{}", std::process::id()));
    let outcome = fill(workspace, &tree, binary, &version).and_then(|()| {
        let package = dist.join(format!("stockade_{version}_amd64.deb"));
        let packed = tree.with_extension("deb");
        let mut command = Command::new("dpkg-deb");
        command.args(["--root-owner-group", "--build"]);
        command.args(if tightly {
            ["-Zxz", "-z6"]
        } else {
            ["-Zgzip", "-z1"]
        });
        process::output(command.arg(&tree).arg(&packed), LIMIT)?;
        // Two that build at once each get a whole package.
        fs::rename(&packed, &package).map_err(file("write", &package))?;
        Ok(package)
    });
    drop(fs::remove_dir_all(&tree));
    outcome
}

fn version(workspace: &Workspace) -> Result<&str, Trouble> {
    let mut members = workspace.members();
    members
        .find(|package| package.name == "stockade-cli")
        .map(|package| package.version.as_str())
        .ok_or(Trouble::Metadata {
            what: "no stockade-cli",
        })
}

fn fill(workspace: &Workspace, tree: &Path, binary: &Path, version: &str) -> Result<(), Trouble> {
    let program = tree.join("usr/bin/stockade");
    create(&program)?;
    let mut strip = Command::new("strip");
    strip.args(["--strip-all", "--remove-section=.comment", "-o"]);
    process::output(strip.arg(&program).arg(binary), LIMIT)?;
    rights(&program, 0o755)?;
    let links = tree.join("usr/lib/stockade/bin");
    for name in NAMES {
        let link = links.join(name);
        create(&link)?;
        symlink("../../../bin/stockade", &link).map_err(file("create", &link))?;
    }
    for (from, to, mode) in COPIED {
        let text = workspace.read_file(Path::new("packaging").join(from))?;
        write(&tree.join(to), &text, mode)?;
    }
    for (shell, to) in COMPLETIONS {
        let script = process::output(Command::new(&program).args(["completions", shell]), LIMIT)?;
        write(&tree.join(to), &script, 0o644)?;
    }
    documents(workspace, tree, &program, version)?;
    control(workspace, tree, &program, version)?;
    // Whoever builds it may have a narrow umask.
    let mut modes = Command::new("find");
    modes
        .arg(tree)
        .args(["-type", "d", "-exec", "chmod", "0755", "{}", "+"]);
    process::output(&mut modes, LIMIT)?;
    Ok(())
}

/// Manual pages, the documents of the repository, and what has changed.
fn documents(workspace: &Workspace, tree: &Path, program: &Path, version: &str) -> Result<(), Trouble> {
    let manual = tree.join("usr/share/man");
    let written = manual.join("written");
    process::output(Command::new(program).arg("manual").arg(&written), LIMIT)?;
    let mut files = Vec::new();
    for page in entries(&written)? {
        // Its ending is the number of its section.
        let section = page
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let place = manual
            .join(format!("man{section}"))
            .join(page.file_name().unwrap_or_default());
        create(&place)?;
        fs::rename(&page, &place).map_err(file("write", &place))?;
        files.push(place);
    }
    fs::remove_dir(&written).map_err(file("remove", &written))?;
    let documents = tree.join("usr/share/doc/stockade");
    for name in ["README.md", "COMPATIBILITY.md", "SECURITY.md"] {
        write(&documents.join(name), &workspace.read_file(name)?, 0o644)?;
    }
    for entry in entries(&workspace.root.join("docs"))? {
        let name = entry.file_name().unwrap_or_default();
        let text = workspace.read_file(Path::new("docs").join(name))?;
        write(&documents.join("docs").join(name), &text, 0o644)?;
    }
    write(
        &documents.join("changelog"),
        &workspace.read_file("CHANGELOG.md")?,
        0o644,
    )?;
    let date = process::output(
        Command::new("date").args(["--utc", "-R", "-d", &format!("@{}", moment())]),
        LIMIT,
    )?;
    let changes = format!(
        "stockade ({version}) unstable; urgency=medium\n\n  * What has changed is in /usr/share/doc/stockade/changelog.gz.\n\n \
         -- {MAINTAINER}  {}\n",
        date.trim()
    );
    write(&documents.join("changelog.Debian"), &changes, 0o644)?;
    files.extend(["changelog", "changelog.Debian"].map(|name| documents.join(name)));
    for page in &files {
        rights(page, 0o644)?;
    }
    process::output(
        Command::new("gzip").args(["--no-name", "--best"]).args(&files),
        LIMIT,
    )?;
    Ok(())
}

const MAINTAINER: &str = "The Stockade contributors <packages@stockade.example>";

/// The moment that the package is said to be of, so that two builds of one state are alike.
fn moment() -> String {
    std::env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap_or_default().as_secs().to_string()
    })
}

/// What `dpkg` is told of the package.
fn control(workspace: &Workspace, tree: &Path, program: &Path, version: &str) -> Result<(), Trouble> {
    let directory = tree.join("DEBIAN");
    let used = process::output(
        Command::new("du")
            .args(["--summarize", "--apparent-size", "--block-size=1024"])
            .arg(tree),
        LIMIT,
    )?;
    let size = used.split_whitespace().next().unwrap_or("0");
    let depends = dependencies(program)?;
    let text = format!(
        "Package: stockade\nVersion: {version}\nArchitecture: amd64\nMaintainer: {MAINTAINER}\nInstalled-Size: {size}\n\
         Depends: {depends}\nRecommends: nftables, logrotate\nSuggests: iptables, ipset\nSection: net\nPriority: optional\n\
         Description: ban hosts that cause many failures, on the configuration of fail2ban\n \
         Stockade reads the logs of a machine, recognises attacks, and has the firewall\n \
         refuse the attackers for a while. It reads the configuration of fail2ban,\n \
         answers to its commands and uses its database.\n .\n \
         It can be installed beside fail2ban. `stockade adopt` takes over from it, with\n \
         the bans that are in force, and `stockade adopt --undo` goes back.\n"
    );
    write(&directory.join("control"), &text, 0o644)?;
    write(&directory.join("conffiles"), "/etc/init.d/stockade\n", 0o644)?;
    for script in SCRIPTS {
        let text = workspace.read_file(Path::new("packaging/debian").join(script))?;
        write(&directory.join(script), &text, 0o755)?;
    }
    let mut sums = Command::new("sh");
    sums.current_dir(tree).args([
        "-c",
        "find usr etc -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum",
    ]);
    write(
        &directory.join("md5sums"),
        &process::output(&mut sums, LIMIT)?,
        0o644,
    )
}

/// The packages of the libraries that the program is linked with.
fn dependencies(program: &Path) -> Result<String, Trouble> {
    let said = process::output(Command::new("objdump").arg("-p").arg(program), LIMIT)?;
    let needed: Vec<&str> = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("NEEDED"))
        .map(str::trim)
        .collect();
    if needed.is_empty() {
        return Ok("init-system-helpers (>= 1.54~)".to_owned());
    }
    let newest = said
        .lines()
        .filter_map(|line| line.split_whitespace().last()?.strip_prefix("GLIBC_2."))
        .filter_map(|minor| minor.split('.').next()?.parse::<u32>().ok())
        .max();
    let mut depends = vec![format!("libc6 (>= 2.{})", newest.unwrap_or(17))];
    if needed.iter().any(|library| library.starts_with("libgcc_s")) {
        depends.push("libgcc-s1 (>= 4.2)".to_owned());
    }
    depends.push("init-system-helpers (>= 1.54~)".to_owned());
    Ok(depends.join(", "))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Trouble> {
    create(path)?;
    fs::write(path, text).map_err(file("write", path))?;
    rights(path, mode)
}

/// Makes the directory of a file.
fn create(path: &Path) -> Result<(), Trouble> {
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory).map_err(file("create", directory))
}

fn rights(path: &Path, mode: u32) -> Result<(), Trouble> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(file("change the rights of", path))
}

/// The files of a directory, in the order of their names.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let entries = fs::read_dir(directory).map_err(file("read", directory))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort_unstable();
    Ok(paths)
}

fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Trouble {
    let path = path.to_owned();
    move |source| Trouble::File { doing, path, source }
}
