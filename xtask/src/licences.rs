//! The licences of everything we link, and the list of what we depend on directly.
//!
//! Every package of the dependency tree, ours included, must offer a licence of [`ALLOWED`]; every direct
//! dependency must have its row in `docs/dependencies.md`, and every row its dependency.

use std::collections::BTreeSet;

use crate::trouble::Trouble;
use crate::workspace::{Package, Workspace};

/// The document that says what each dependency is for.
const DOCUMENT: &str = "docs/dependencies.md";

/// Permissive licences, which ask for nothing beyond keeping their text.
const ALLOWED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Every licence that is not allowed, and every difference between the document and the manifests.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>, Trouble> {
    let mut found: Vec<String> = workspace.packages.iter().filter_map(objection).collect();
    let document = workspace.read_file(DOCUMENT)?;
    found.extend(differences(&rows(&document), &direct(workspace)));
    Ok(found)
}

/// What is wrong with the licence of `package`, if something is.
fn objection(package: &Package) -> Option<String> {
    let Package {
        name,
        version,
        licence,
        ..
    } = package;
    match licence {
        None => Some(format!("{name} {version} names no licence in its manifest")),
        Some(licence) if !allows(licence) => Some(format!(
            "{name} {version} is under `{licence}`, which is not on the allowed list"
        )),
        Some(_) => None,
    }
}

/// Whether an SPDX expression lets us choose allowed licences only.
fn allows(expression: &str) -> bool {
    // Before SPDX, `MIT/Apache-2.0` was how a choice was written.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words };
    parser.choice() == Some(true) && parser.words.is_empty()
}

/// Reads an SPDX expression; each method answers whether its part is allowed, or nothing if it is malformed.
struct Parser<'a> {
    words: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn skip(&mut self, word: &str) -> bool {
        let there = self.words.first() == Some(&word);
        if there {
            self.next();
        }
        there
    }

    /// `a OR b`: one of them is enough.
    fn choice(&mut self) -> Option<bool> {
        let mut allowed = self.sum()?;
        while self.skip("OR") {
            allowed |= self.sum()?;
        }
        Some(allowed)
    }

    /// `a AND b`: both hold; binds tighter than `OR`.
    fn sum(&mut self) -> Option<bool> {
        let mut allowed = self.licence()?;
        while self.skip("AND") {
            allowed &= self.licence()?;
        }
        Some(allowed)
    }

    fn licence(&mut self) -> Option<bool> {
        if self.skip("(") {
            let allowed = self.choice()?;
            return self.skip(")").then_some(allowed);
        }
        let mut name = self.next()?.to_owned();
        if self.skip("WITH") {
            name = format!("{name} WITH {}", self.next()?);
        }
        Some(ALLOWED.contains(&name.as_str()))
    }
}

/// The crates that the document's tables have a row for: the first cell is the name in backquotes.
fn rows(document: &str) -> BTreeSet<&str> {
    document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect()
}

/// The crates that our own manifests name, for any purpose.
fn direct(workspace: &Workspace) -> BTreeSet<&str> {
    let ours: BTreeSet<&str> = workspace.members().map(|member| member.name.as_str()).collect();
    workspace
        .members()
        .flat_map(|member| &member.dependencies)
        .map(|dependency| dependency.name.as_str())
        .filter(|name| !ours.contains(name))
        .collect()
}

fn differences(rows: &BTreeSet<&str>, direct: &BTreeSet<&str>) -> Vec<String> {
    let missing = direct
        .difference(rows)
        .map(|name| format!("`{name}` has no row in {DOCUMENT}"));
    let stale = rows
        .difference(direct)
        .map(|name| format!("{DOCUMENT} has a row for `{name}`, on which nothing depends"));
    missing.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{allows, differences, rows};

    #[test]
    fn allows_what_leaves_a_permissive_choice() {
        let cases = [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND LGPL-2.1-only", false),
            ("MIT OR Apache-2.0 AND LGPL-2.1-only", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-2.0-only WITH LLVM-exception", false),
            ("", false),
            ("MIT OR", false),
            ("(MIT", false),
            ("MIT)", false),
        ];
        for (expression, expected) in cases {
            assert_eq!(allows(expression), expected, "{expression:?}");
        }
    }

    #[test]
    fn knows_rows_and_their_lack() {
        let document = "# Title\n| crate | what for |\n|---|---|\n| `regex` | patterns |\n| `old` | |\n";
        let direct = BTreeSet::from(["jiff", "regex"]);
        let expected = [
            "`jiff` has no row in docs/dependencies.md",
            "docs/dependencies.md has a row for `old`, on which nothing depends",
        ];
        assert_eq!(differences(&rows(document), &direct), expected);
    }
}
