//! Who depends on whom: the manifests against the picture in `ARCHITECTURE.md`.
//!
//! The picture is the fenced block marked `arrows`, one crate a line: `jail → filter datetime`, a crate
//! without dependencies of ours having nothing behind its arrow. Only plain dependencies count.

use std::collections::{BTreeMap, BTreeSet};

use crate::trouble::Trouble;
use crate::workspace::{Workspace, short};

/// The document that has the picture.
const DOCUMENT: &str = "ARCHITECTURE.md";

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Every arrow that only one of the two knows.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>, Trouble> {
    let document = workspace.read_file(DOCUMENT)?;
    Ok(match drawn(&document) {
        Some(picture) => compare(&picture, &real(workspace)),
        None => vec![format!("{DOCUMENT} has no fenced block marked `arrows`")],
    })
}

/// What the picture says.
fn drawn(document: &str) -> Option<Arrows> {
    let (_, block) = document.split_once("\n```arrows\n")?;
    let (block, _) = block.split_once("\n```")?;
    let mut arrows = Arrows::new();
    for line in block.lines() {
        let (from, to) = line.split_once('→').unwrap_or((line, ""));
        if !from.trim().is_empty() {
            let to = to.split_whitespace().map(str::to_owned).collect();
            arrows.insert(from.trim().to_owned(), to);
        }
    }
    Some(arrows)
}

/// What the manifests say.
fn real(workspace: &Workspace) -> Arrows {
    let ours: BTreeSet<&str> = workspace.members().map(|member| member.name.as_str()).collect();
    workspace
        .members()
        .map(|member| {
            let to = member
                .dependencies
                .iter()
                .filter(|dependency| dependency.normal && ours.contains(dependency.name.as_str()))
                .map(|dependency| short(&dependency.name).to_owned())
                .collect();
            (short(&member.name).to_owned(), to)
        })
        .collect()
}

fn compare(picture: &Arrows, real: &Arrows) -> Vec<String> {
    let mut found = Vec::new();
    for (from, to) in real {
        let Some(drawn) = picture.get(from) else {
            found.push(format!("`{from}` is in the workspace and not in the picture"));
            continue;
        };
        for to in to.difference(drawn) {
            found.push(format!(
                "`{from} → {to}` is in {from}'s Cargo.toml and not in the picture"
            ));
        }
        for to in drawn.difference(to) {
            found.push(format!(
                "`{from} → {to}` is in the picture and not in {from}'s Cargo.toml"
            ));
        }
    }
    for from in picture.keys().filter(|from| !real.contains_key(*from)) {
        found.push(format!("`{from}` is in the picture and not in the workspace"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{compare, drawn};

    #[test]
    fn names_each_difference() {
        let document = |block: &str| format!("text\n```arrows\n{block}\n```\nmore\n```\nelse\n```\n");
        let cases: [(&str, &str, &str, &[&str]); 5] = [
            ("the same", "a → b c\nb →\nc →", "a → c b\nb →\nc", &[]),
            (
                "an arrow too many",
                "a →\nb →",
                "a → b\nb →",
                &["`a → b` is in a's Cargo.toml and not in the picture"],
            ),
            (
                "an arrow gone",
                "a → b\nb →",
                "a →\nb →",
                &["`a → b` is in the picture and not in a's Cargo.toml"],
            ),
            (
                "a new crate",
                "a →",
                "a →\nb →",
                &["`b` is in the workspace and not in the picture"],
            ),
            (
                "a crate gone",
                "a →\nb →",
                "a →",
                &["`b` is in the picture and not in the workspace"],
            ),
        ];
        for (name, picture, real, expected) in cases {
            let picture = drawn(&document(picture)).expect("the block is there");
            let real = drawn(&document(real)).expect("the block is there");
            assert_eq!(compare(&picture, &real), expected, "{name}");
        }
        assert!(drawn("no block").is_none(), "a document without the block");
    }
}
