//! `cargo xtask static`, and the binary of the package: built as they are given away.
//!
//! In: the sources. Out: `target/dist/stockade-static`, which needs nothing of the machine but its kernel.
//!
//! It is linked with musl where Rust's library for that is installed, and else with the static one of glibc. It is
//! position-independent either way, as the kernel loads a daemon that reads hostile bytes to another place each time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::trouble::Trouble;
use crate::workspace::{Workspace, cargo};

/// How long the compiler may take: all of the program is optimised as one.
const LIMIT: Duration = Duration::from_secs(3600);

const GNU: &str = "x86_64-unknown-linux-gnu";
const MUSL: &str = "x86_64-unknown-linux-musl";

/// How large the static binary may be, in bytes.
const LARGEST: u64 = 12_000_000;

/// How a binary is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With the libraries of the machine.
    Dynamic,
    /// With nothing.
    Static,
}

/// The chore: builds the static binary; what is wrong with it.
pub(crate) fn chore(workspace: &Workspace) -> Result<Vec<String>, Trouble> {
    let built = build(workspace, Kind::Static)?;
    let dist = workspace.root.join("target/dist");
    let binary = dist.join("stockade-static");
    let trouble = |source| Trouble::File {
        doing: "write",
        path: binary.clone(),
        source,
    };
    fs::create_dir_all(&dist).map_err(trouble)?;
    // What the linker is told of this leaves the symbols of the libraries.
    let mut strip = Command::new("strip");
    process::output(strip.args(["--strip-all", "-o"]).arg(&binary).arg(&built), LIMIT)?;
    let size = fs::metadata(&binary).map_err(trouble)?.len();
    println!("{} ({size} bytes)", binary.display());
    examine(&binary, size)
}

/// What is wrong with a binary that is to need nothing.
fn examine(binary: &Path, size: u64) -> Result<Vec<String>, Trouble> {
    let mut wrong = Vec::new();
    let said = process::output(
        Command::new("readelf").args(["-W", "-l", "-d"]).arg(binary),
        LIMIT,
    )?;
    for (mark, what) in [
        ("INTERP", "asks for an interpreter"),
        ("(NEEDED)", "asks for a library"),
    ] {
        if said.contains(mark) {
            wrong.push(format!("the binary {what}"));
        }
    }
    if size > LARGEST {
        wrong.push(format!(
            "the binary has {size} bytes, and at most {LARGEST} are wanted"
        ));
    }
    // Without an environment, and thus without a path to any library.
    process::output(Command::new(binary).arg("--version").env_clear(), LIMIT)?;
    Ok(wrong)
}

/// Builds a binary as it is given away, without what only a debugger reads; where it is.
pub(crate) fn build(workspace: &Workspace, kind: Kind) -> Result<PathBuf, Trouble> {
    let target = match kind {
        Kind::Dynamic => GNU,
        Kind::Static if has_musl() => MUSL,
        Kind::Static => GNU,
    };
    // Equal functions are kept once, and the list of what the kernel or the linker must relocate is packed.
    let mut flags = vec!["-Clink-arg=-Wl,--icf=all"];
    if kind == Kind::Static {
        flags.extend([
            "-Ctarget-feature=+crt-static",
            "-Clink-arg=-Wl,--pack-dyn-relocs=relr",
        ]);
    }
    let mut command = Command::new(cargo());
    command
        .current_dir(&workspace.root)
        .args([
            "build",
            "--release",
            "--package",
            "stockade-cli",
            "--bin",
            "stockade",
        ])
        // With a target named, build scripts and macros are built as ever.
        .args(["--target", target, "--message-format=json-render-diagnostics"])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_PROFILE_RELEASE_DEBUG", "none");
    let mut built = None;
    let status = process::lines(&mut command, LIMIT, |line| {
        let message: Option<serde_json::Value> = serde_json::from_str(line).ok();
        let executable = message
            .as_ref()
            .and_then(|message| message.get("executable")?.as_str());
        if let Some(executable) = executable {
            built = Some(PathBuf::from(executable));
        }
    })?;
    match built {
        Some(built) if status.success() => Ok(built),
        Some(_) | None => Err(Trouble::Failed {
            program: "cargo build --release".to_owned(),
            why: status.to_string(),
        }),
    }
}

/// Whether Rust's library for musl is there, and a compiler that makes C for it.
fn has_musl() -> bool {
    let mut rustup = Command::new("rustup");
    let installed = process::output(rustup.args(["target", "list", "--installed"]), LIMIT);
    let compiler = process::output(Command::new("musl-gcc").arg("--version"), LIMIT);
    compiler.is_ok() && installed.is_ok_and(|list| list.lines().any(|line| line.trim() == MUSL))
}
