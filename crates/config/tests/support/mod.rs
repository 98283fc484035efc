//! Files in memory, and a client.

mod client;

use std::collections::BTreeMap;

use stockade_config::{Content, Files, Kind};

pub(crate) use client::{Called, client};

/// Files in memory; directories are where there are files below.
#[derive(Default)]
pub(crate) struct Memory(pub(crate) BTreeMap<String, Vec<u8>>);

impl Files for Memory {
    fn read(&self, path: &str) -> Content {
        match self.kind(path) {
            Kind::File => Content::Bytes(self.0.get(path).cloned().unwrap_or_default()),
            Kind::Directory => Content::Unreadable("it is a directory".to_owned()),
            Kind::Missing | Kind::DanglingLink => Content::Missing,
        }
    }

    fn kind(&self, path: &str) -> Kind {
        let path = path.trim_end_matches('/');
        if self.0.contains_key(path) {
            Kind::File
        } else if self
            .0
            .keys()
            .any(|file| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
        {
            Kind::Directory
        } else {
            Kind::Missing
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let below = self
            .0
            .keys()
            .filter_map(|file| file.strip_prefix(directory)?.strip_prefix('/'));
        let mut names: Vec<String> = below
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect();
        names.dedup();
        names
    }
}
