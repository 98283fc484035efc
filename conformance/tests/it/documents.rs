//! The documents: every command in them is run on a machine of its own and must do and print what the page says, every
//! piece of configuration must be in order, and every link must lead somewhere.
//!
//! What a page can have in it stands at the head of `page`. A script that cannot be run in a test says why, by one of
//! few words; its syntax is looked at, and so are the commands and options of `stockade` in it.

mod page;
mod place;
mod printed;

use std::fs;
use std::path::{Path, PathBuf};

use stockade_config::{Group, Vocabulary};
use stockade_conformance::{Subject, can_make_machines, has_reference, run};

use self::page::{Kind, Page};
use self::place::Place;
use crate::stage::PATIENCE;

/// Pages whose commands need fail2ban itself.
const WITH_REFERENCE: [&str; 1] = ["docs/migrating.md"];

/// How many pages are tried at a time; each mostly waits.
const AT_ONCE: usize = 4;

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the workspace is there")
}

/// The pages: their paths in the repository, and what they say.
fn pages() -> Vec<(String, Page)> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for directory in [
        root(),
        root().join("docs"),
        root().join("packaging"),
        root().join("config/tests"),
    ] {
        let entries = fs::read_dir(directory).into_iter().flatten();
        paths.extend(entries.map(|entry| entry.expect("a directory can be read").path()));
    }
    paths.retain(|path| path.extension().is_some_and(|end| end == "md"));
    paths.sort();
    let pages = paths.into_iter().map(|path| {
        let text = fs::read_to_string(&path).expect("a page can be read");
        let name = path.strip_prefix(root()).expect("it lies below the root");
        (name.display().to_string(), Page::read(&text))
    });
    pages.collect()
}

/// Tries a page on a machine of its own; everything that is wrong with it.
fn attempt(page: &Page, with_reference: bool) -> Vec<String> {
    let mut place = Place::new();
    if with_reference {
        place.install_reference();
    }
    let blocks = page.blocks.iter();
    blocks.filter_map(|block| place.attempt(block)).collect()
}

/// Tries some pages; says what is wrong, and how much there was to do.
#[expect(
    clippy::print_stderr,
    reason = "whoever asks for the output of a test is told"
)]
fn attempt_all(wanted: impl Fn(&str) -> bool) {
    let chosen = std::env::var("STOCKADE_PAGES").unwrap_or_default();
    let (mut run, mut unrun, mut files) = (0, 0, 0);
    let mut pages = pages();
    pages.retain(|(name, page)| !page.blocks.is_empty() && wanted(name) && name.contains(&chosen));
    for (_, page) in &pages {
        for block in &page.blocks {
            match &block.kind {
                Kind::Script { text, is_shown: true } => {
                    run += text.lines().filter(|line| !line.trim().is_empty()).count();
                }
                Kind::Script { .. } => {}
                Kind::Session(exchanges) => run += exchanges.len(),
                Kind::Unrun { text, .. } => unrun += text.lines().count(),
                Kind::File { .. } => files += 1,
            }
        }
    }
    let mut wrong = Vec::new();
    for some in pages.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let attempts = some.iter().map(|(name, page)| {
                let with_reference = WITH_REFERENCE.contains(&name.as_str());
                (name, scope.spawn(move || attempt(page, with_reference)))
            });
            for (name, attempt) in attempts.collect::<Vec<_>>() {
                let found = attempt.join().expect("what is wrong is told, and nothing panics");
                wrong.extend(found.into_iter().map(|found| format!("{name}:{found}")));
            }
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    eprintln!("{run} commands run, {unrun} looked at, {files} files checked");
}

#[test]
fn commands_do_what_the_pages_say() {
    if can_make_machines(&["nft", "iptables", "ipset", "ip", "curl", "python3"]) {
        attempt_all(|name| !WITH_REFERENCE.contains(&name));
    }
}

#[test]
fn a_fail2ban_is_taken_over_as_the_pages_say() {
    if has_reference() && can_make_machines(&["nft"]) {
        attempt_all(|name| WITH_REFERENCE.contains(&name));
    }
}

#[test]
fn links_lead_somewhere_and_every_fence_is_known() {
    let pages = pages();
    let mut wrong = Vec::new();
    for (name, page) in &pages {
        wrong.extend(page.mistakes.iter().map(|mistake| format!("{name}:{mistake}")));
        wrong.extend(dead_links(name, page, &pages));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let index = pages.iter().find(|(name, _)| name == "docs/README.md");
    let (_, index) = index.expect("the documents have an index");
    for (name, _) in &pages {
        let Some(file) = name.strip_prefix("docs/").filter(|file| *file != "README.md") else {
            continue;
        };
        assert!(
            index.links.iter().any(|(_, target)| target == file),
            "docs/README.md does not lead to {file}"
        );
    }
}

/// Links of a page to what is not there.
fn dead_links(name: &str, page: &Page, pages: &[(String, Page)]) -> Vec<String> {
    let directory = Path::new(name).parent().unwrap_or(Path::new(""));
    let mut wrong = Vec::new();
    for (line, target) in &page.links {
        if target.starts_with("https://") {
            continue;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = if file.is_empty() {
            name.to_owned()
        } else {
            let path = root().join(directory).join(file);
            match path.canonicalize() {
                Ok(path) => path.strip_prefix(root()).unwrap_or(&path).display().to_string(),
                Err(_) => {
                    wrong.push(format!("{name}:{line}: there is no {target}"));
                    continue;
                }
            }
        };
        let anchors = pages.iter().find(|(name, _)| *name == path);
        let has_anchor = |(_, page): &(String, Page)| page.anchors.iter().any(|known| known == anchor);
        if !anchor.is_empty() && !anchors.is_some_and(has_anchor) {
            wrong.push(format!("{name}:{line}: {path} has no heading for #{anchor}"));
        }
    }
    wrong
}

#[test]
fn what_pages_say_of_stockade_in_passing_is_a_command_of_it() {
    let help = |words: &[&str]| {
        let ran = run(Subject::stockade().args(words).arg("--help"), PATIENCE);
        ran.succeeded().then_some(ran.stdout)
    };
    let mut known: Vec<(String, Option<String>)> = Vec::new();
    let mut wrong = Vec::new();
    for (name, page) in pages() {
        for (line, span) in &page.spans {
            let Some(rest) = span.strip_prefix("stockade ") else {
                continue;
            };
            let is_word = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
            let words: Vec<&str> = rest.split(' ').take_while(is_word).take(2).collect();
            // The second word may be what the command is about.
            let verbs = [words.as_slice(), words.get(..1).unwrap_or_default()];
            let of = |words: &[&str], known: &mut Vec<(String, Option<String>)>| {
                let key = words.join(" ");
                if let Some((_, text)) = known.iter().find(|(known, _)| *known == key) {
                    return text.clone();
                }
                let text = help(words);
                known.push((key, text.clone()));
                text
            };
            let nested = ["jail", "config", "report"].contains(&words.first().copied().unwrap_or_default());
            let text = if nested {
                of(verbs[0], &mut known)
            } else {
                of(verbs[1], &mut known)
            };
            let Some(text) = text else {
                wrong.push(format!("{name}:{line}: there is no `{span}`"));
                continue;
            };
            let options = rest.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
            for option in options.filter(|word| word.starts_with("--") && word.len() > 2) {
                if !text.contains(option) {
                    wrong.push(format!("{name}:{line}: `{span}` has no option {option}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_differences_of_the_guide_are_rows_of_the_ledger() {
    let cells = |file: &str, from: &str| -> Vec<String> {
        let text = fs::read_to_string(root().join(file)).expect("a page can be read");
        let (_, text) = text.split_once(from).expect("the page has that heading");
        let section = text.split("\n## ").next().unwrap_or_default();
        let rows = section
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split_once(" |"));
        rows.map(|(cell, _)| cell.to_owned()).collect()
    };
    let ledger = cells("COMPATIBILITY.md", "\n## Differences on purpose\n");
    let told = cells("docs/migrating.md", "\n## Differences that you may notice\n");
    assert!(told.len() > 10, "{told:?}");
    for cell in told {
        assert!(ledger.contains(&cell), "COMPATIBILITY.md has no row `{cell}`");
    }
}

#[test]
fn every_option_of_fail2ban_has_a_row_in_the_ledger() {
    let ledger = fs::read_to_string(root().join("COMPATIBILITY.md")).expect("the ledger is there");
    for vocabulary in Vocabulary::ALL {
        for option in vocabulary.entries(Group::Read) {
            let name = option.name;
            let is_there = ledger.lines().any(|line| {
                let cell = line.strip_prefix("| ").and_then(|row| row.split(" |").next());
                cell.is_some_and(|cell| {
                    cell.contains(&format!("`{name}`")) || cell.contains(&format!(" {name}`"))
                })
            });
            assert!(is_there || option.is_ours, "{vocabulary:?}: `{name}` has no row");
        }
    }
}

#[test]
fn a_page_that_is_wrong_is_found_out() {
    if !can_make_machines(&[]) {
        return;
    }
    let cases = [
        ("a command that fails", "```sh\nfalse\n```\n", "ends with 1"),
        (
            "a program that is not there",
            "```sh\nstockaded run\n```\n",
            "ends with 127",
        ),
        (
            "other output",
            "```console\n# echo a\nb\n```\n",
            "`echo a` prints",
        ),
        (
            "an option that is not there",
            "```sh endless\nstockade run --bogus\n```\n",
            "--bogus",
        ),
        (
            "an end too early",
            "```sh endless\ntrue\n```\n",
            "`true` ends with 0",
        ),
        (
            "an option in what is not run",
            "```sh systemd\nstockade run --bogus\n```\n",
            "--bogus",
        ),
        (
            "a command that is not there",
            "```sh systemd\nsudo stockade walk\n```\n",
            "walk",
        ),
        ("syntax", "```sh docker\nif\n```\n", "docker"),
        (
            "an option of a jail",
            "```ini jail.local\n[sshd]\nmaxretri = 3\n```\n",
            "maxretry",
        ),
        (
            "a filter",
            "```ini filter.d/x.conf\n[Definition]\nfailregex = ^no (\n```\n",
            "bad-pattern",
        ),
        (
            "no mistake",
            "```ini jail.local wrong\n[sshd]\nmaxretry = 3\n```\n",
            "ends with 0",
        ),
    ];
    let place = Place::new();
    for (name, text, expected) in cases {
        let page = Page::read(text);
        assert_eq!(page.mistakes, Vec::<String>::new(), "{name}");
        let found: Vec<String> = page
            .blocks
            .iter()
            .filter_map(|block| place.attempt(block))
            .collect();
        assert!(
            found.len() == 1 && found.concat().contains(expected),
            "{name}: {found:?}"
        );
    }
    for (name, text) in [
        ("an unknown reason", "```sh tomorrow\ntrue\n```\n"),
        ("no language", "```\ntrue\n```\n"),
        ("a file without a name", "```ini\n[sshd]\n```\n"),
        ("output without a command", "```console\na\n```\n"),
    ] {
        assert_eq!(Page::read(text).mistakes.len(), 1, "{name}");
    }
    let page = Page::read("# One\n[a](#one) [b](#two) [c](nowhere.md) [d](https://example.com) `[e](f)`\n");
    let dead = dead_links(
        "docs/x.md",
        &page,
        &[("docs/x.md".to_owned(), Page::read("# One\n"))],
    );
    assert_eq!(dead.len(), 2, "{dead:?}");
}
