//! The reference of the options is the one that the program makes, and the manual's pages can be read.
#![expect(
    clippy::disallowed_methods,
    reason = "a test reads and writes files, and stops at the first surprise"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use stockade_config::{Entry, Group, Vocabulary};

const GROUPS: [Group; 4] = [Group::Read, Group::Setting, Group::Message, Group::Variable];

#[test]
fn the_document_is_what_the_table_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let made = stockade_cli::reference::document();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == made,
        "docs/configuration.md is stale: UPDATE_SNAPSHOTS=1 cargo test -p stockade-cli --test reference"
    );
}

#[test]
fn every_option_is_explained_once() {
    for vocabulary in Vocabulary::ALL {
        let entries: Vec<&Entry> = GROUPS
            .into_iter()
            .flat_map(|group| vocabulary.entries(group))
            .collect();
        let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), entries.len(), "{vocabulary:?}");
        for entry in entries {
            let whole = entry.meaning.ends_with('.') && entry.meaning.starts_with(char::is_uppercase)
                || entry.meaning.starts_with('`');
            assert!(
                whole && !entry.example.is_empty(),
                "{vocabulary:?}: {}",
                entry.name
            );
        }
    }
}

#[test]
fn the_pages_of_the_manual_have_every_option() {
    let directory = tempfile::tempdir().unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_stockade"))
        .arg("manual")
        .arg(directory.path())
        .status()
        .unwrap();
    assert!(ran.success());
    for (page, vocabulary) in [
        ("stockade.conf.5", Vocabulary::Daemon),
        ("stockade-jail.5", Vocabulary::Jail),
        ("stockade-filter.5", Vocabulary::Filter),
        ("stockade-action.5", Vocabulary::Action),
    ] {
        let text = fs::read_to_string(directory.path().join(page)).unwrap();
        for entry in GROUPS.into_iter().flat_map(|group| vocabulary.entries(group)) {
            let name = entry.name.replace('-', "\\-");
            let heads = [format!("\n.TP\n.B {name}\n"), format!("\n.TP\n.B {name} *\n")];
            assert!(heads.iter().any(|head| text.contains(head)), "{page}: {name}");
        }
        assert!(!text.contains('`'), "{page}");
    }
    assert!(directory.path().join("stockade-jail.1").exists());
}
