//! A small tree of files in memory.

use std::collections::BTreeMap;

use stockade_config::{Content, Files, Kind};

#[derive(Debug, Clone)]
enum Node {
    Bytes(Vec<u8>),
    Directory,
    Unreadable,
    /// Takes the file of the tree below away.
    Gone,
}

/// Files by path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree(BTreeMap<String, Node>);

impl Tree {
    /// Reads `=== PATH` or `=== PATH (what)`, each with the lines up to the next.
    ///
    /// `(bytes)` has `\xNN` and `\r` decoded; `(directory)`, `(unreadable)` and `(gone)` have no lines.
    pub(crate) fn parse(text: &str) -> Self {
        let mut tree = Self::default();
        let parts = text.split("=== ").skip(1);
        for part in parts {
            let (header, content) = part.split_once('\n').expect("a header has a line");
            let (path, what) = match header.split_once(" (") {
                Some((path, what)) => (path, what.trim_end_matches(')')),
                None => (header, ""),
            };
            let path = if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("conf/{path}")
            };
            let node = match what {
                "" => Node::Bytes(content.as_bytes().to_vec()),
                "bytes" => Node::Bytes(decoded(content)),
                "directory" => Node::Directory,
                "unreadable" => Node::Unreadable,
                "gone" => Node::Gone,
                other => panic!("`{other}` is no kind of file"),
            };
            tree.0.insert(path, node);
        }
        tree
    }

    pub(crate) fn insert(&mut self, path: &str, content: &[u8]) {
        self.0.insert(path.to_owned(), Node::Bytes(content.to_vec()));
    }

    pub(crate) fn overlaid(mut self, over: Self) -> Self {
        for (path, node) in over.0 {
            self.0.insert(path, node);
        }
        self.0.retain(|_, node| !matches!(node, Node::Gone));
        self
    }

    /// Changes one file somewhere.
    pub(crate) fn mutate(&mut self, next: &mut impl FnMut(usize) -> usize, pieces: &[&str]) {
        let files: Vec<String> = self
            .0
            .keys()
            .filter(|path| path.starts_with("conf"))
            .cloned()
            .collect();
        let Some(path) = files.get(next(files.len())) else {
            return;
        };
        let Some(Node::Bytes(bytes)) = self.0.get_mut(path) else {
            return;
        };
        let at = next(bytes.len() + 1);
        let end = (at + next(20)).min(bytes.len());
        match next(4) {
            0 => {
                bytes.drain(at..end);
            }
            1 => {
                let copy: Vec<u8> = bytes.iter().skip(at).take(end - at).copied().collect();
                bytes.splice(at..at, copy);
            }
            2 => {
                bytes.splice(at..at, [u8::try_from(next(256)).unwrap_or(0)]);
            }
            _ => {
                let piece = pieces.get(next(pieces.len())).copied().unwrap_or_default();
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(code) = rest.strip_prefix("\\x") {
            bytes.push(u8::from_str_radix(&code[..2], 16).expect("two hexadecimal digits"));
            rest = &code[2..];
        } else if let Some(behind) = rest.strip_prefix("\\r") {
            bytes.push(b'\r');
            rest = behind;
        } else {
            bytes.extend(c.to_string().as_bytes());
            rest = &rest[c.len_utf8()..];
        }
    }
    bytes
}

impl Files for Tree {
    fn read(&self, path: &str) -> Content {
        match self.0.get(path) {
            Some(Node::Bytes(bytes)) => Content::Bytes(bytes.clone()),
            Some(Node::Directory) => Content::Unreadable("Is a directory (os error 21)".to_owned()),
            Some(Node::Unreadable) => Content::Unreadable("Permission denied (os error 13)".to_owned()),
            Some(Node::Gone) | None => Content::Missing,
        }
    }

    fn kind(&self, path: &str) -> Kind {
        let path = path.trim_end_matches('/');
        match self.0.get(path) {
            Some(Node::Bytes(_) | Node::Unreadable) => Kind::File,
            Some(Node::Directory) => Kind::Directory,
            Some(Node::Gone) | None => {
                let below = |file: &String| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
                if self.0.keys().any(below) {
                    Kind::Directory
                } else {
                    Kind::Missing
                }
            }
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let mut names: Vec<String> = self
            .0
            .keys()
            .filter_map(|file| file.strip_prefix(directory)?.strip_prefix('/'))
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect();
        names.dedup();
        names
    }
}
