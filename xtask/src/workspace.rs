//! What `cargo metadata` knows of the workspace, in the few words that the checks need.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::process;
use crate::trouble::Trouble;

/// The prefix that the names of our crates have and their directories have not.
const PREFIX: &str = "stockade-";

/// The checkout, and every package that is linked into anything built from it on this machine.
pub(crate) struct Workspace {
    /// The directory of the workspace's manifest.
    pub(crate) root: PathBuf,
    /// Members and everything they depend on, however far away.
    pub(crate) packages: Vec<Package>,
}

/// One package: ours or somebody else's.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Whether it is part of the workspace.
    pub(crate) member: bool,
    /// The SPDX expression of its manifest.
    pub(crate) licence: Option<String>,
    /// What its own manifest asks for.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependencies.
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Whether it is a plain one, as against one of tests or of a build script.
    pub(crate) normal: bool,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self, Trouble> {
        let host = process::output(Command::new("rustc").arg("-vV"), Duration::from_secs(60))?;
        let host = host
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .ok_or(Trouble::Metadata {
                what: "the host of `rustc -vV`",
            })?
            .to_owned();
        // Only what this platform links: without it cargo would fetch the crates of every other one.
        let mut command = Command::new(cargo());
        command.args(["metadata", "--format-version", "1", "--filter-platform", &host]);
        let text = process::output(&mut command, Duration::from_secs(300))?;
        let value: Value = serde_json::from_str(&text).map_err(|_| Trouble::Metadata {
            what: "something that is not JSON",
        })?;
        Self::read(&value)
    }

    fn read(value: &Value) -> Result<Self, Trouble> {
        let root = text(value, "workspace_root").ok_or(Trouble::Metadata { what: "no root" })?;
        let members: Vec<&str> = list(value, "workspace_members")
            .filter_map(Value::as_str)
            .collect();
        // `packages` lists what the lock file has; `resolve` only what this platform needs.
        let needed: Vec<&str> = value
            .get("resolve")
            .map(|resolve| {
                list(resolve, "nodes")
                    .filter_map(|node| text(node, "id"))
                    .collect()
            })
            .ok_or(Trouble::Metadata {
                what: "no resolution",
            })?;
        let mut packages = Vec::new();
        for package in list(value, "packages") {
            let id = text(package, "id").ok_or(Trouble::Metadata {
                what: "a package without id",
            })?;
            if needed.contains(&id) {
                packages.push(Package::read(package, members.contains(&id))?);
            }
        }
        Ok(Self {
            root: PathBuf::from(root),
            packages,
        })
    }

    /// The packages of the workspace itself.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.member)
    }

    /// Where the reference is unpacked.
    pub(crate) fn reference(&self) -> PathBuf {
        self.root.join("target").join("reference")
    }

    /// A file of the repository, as text.
    pub(crate) fn read_file(&self, name: impl AsRef<Path>) -> Result<String, Trouble> {
        let path = self.root.join(name);
        std::fs::read_to_string(&path).map_err(|source| Trouble::File {
            doing: "read",
            path,
            source,
        })
    }
}

impl Package {
    fn read(value: &Value, member: bool) -> Result<Self, Trouble> {
        let name = text(value, "name").ok_or(Trouble::Metadata {
            what: "a package without name",
        })?;
        let dependencies = list(value, "dependencies")
            .filter_map(|dependency| {
                Some(Dependency {
                    name: text(dependency, "name")?.to_owned(),
                    normal: dependency.get("kind").is_none_or(Value::is_null),
                })
            })
            .collect();
        Ok(Self {
            name: name.to_owned(),
            version: text(value, "version").unwrap_or_default().to_owned(),
            member,
            licence: text(value, "license").map(str::to_owned),
            dependencies,
        })
    }
}

/// The name of one of our crates as the documents have it: `stockade-jail` is `jail`.
pub(crate) fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// The cargo that runs us.
pub(crate) fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
