//! What an adoption has changed, on disk, so that it can be taken back: also one that was cut short.
//!
//! In: what is about to be done. Out: the record, before it is done.
//!
//! Invariant: whatever has been changed stands in the record, and what stands there may not have been changed yet.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

/// The directory of what is ours alone.
pub(super) const DIRECTORY: &str = "/var/lib/stockade";

/// The record.
pub(super) const FILE: &str = "/var/lib/stockade/adoption.json";

/// The version of its layout.
const VERSION: u64 = 1;

/// What was found and is to be put back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Whether a daemon of the reference ran.
    pub(super) ran: bool,
    /// Whether its service was started with the machine.
    pub(super) enabled: bool,
    /// Whether we have seen to it that its service is not started any more.
    pub(super) disabled: bool,
    /// Whether ours was started.
    pub(super) started: bool,
    /// Where the copy of the database is.
    pub(super) copy: Option<PathBuf>,
    /// The commands that have our program in their place.
    pub(super) commands: Vec<Moved>,
    /// Whether everything was done.
    pub(super) whole: bool,
}

/// A command whose name is ours now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moved {
    /// Its path.
    pub(super) path: PathBuf,
    /// Where that which stood there before is now; nothing if nothing stood there.
    pub(super) aside: Option<PathBuf>,
    /// Whether the package manager knows of it.
    pub(super) diverted: bool,
}

impl Record {
    /// The record on disk, if there is one.
    pub(super) fn read() -> Result<Option<Self>, String> {
        Self::read_from(Path::new(FILE))
    }

    fn read_from(path: &Path) -> Result<Option<Self>, String> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let json: Json = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if json.get("version").and_then(Json::as_u64) != Some(VERSION) {
            return Err("it is of another version of stockade".to_owned());
        }
        let is = |name: &str| json.get(name).and_then(Json::as_bool).unwrap_or_default();
        let path_of = |json: Option<&Json>| json.and_then(Json::as_str).map(PathBuf::from);
        let commands = json.get("commands").and_then(Json::as_array);
        let commands = commands.into_iter().flatten().filter_map(|moved| {
            Some(Moved {
                path: path_of(moved.get("path"))?,
                aside: path_of(moved.get("aside")),
                diverted: moved.get("diverted").and_then(Json::as_bool).unwrap_or_default(),
            })
        });
        Ok(Some(Self {
            ran: is("ran"),
            enabled: is("enabled"),
            disabled: is("disabled"),
            started: is("started"),
            copy: path_of(json.get("copy")),
            commands: commands.collect(),
            whole: is("whole"),
        }))
    }

    /// Writes the record, so that it is on the disk when this returns.
    pub(super) fn write(&self) -> io::Result<()> {
        self.write_to(Path::new(FILE))
    }

    fn write_to(&self, path: &Path) -> io::Result<()> {
        let commands: Vec<Json> = self
            .commands
            .iter()
            .map(|it| json!({"path": it.path, "aside": it.aside, "diverted": it.diverted}))
            .collect();
        let json = json!({
            "version": VERSION,
            "ran": self.ran,
            "enabled": self.enabled,
            "disabled": self.disabled,
            "started": self.started,
            "copy": self.copy,
            "commands": commands,
            "whole": self.whole,
        });
        let directory = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory)?;
        let beside = path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(format!("{json:#}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(directory)?.sync_all()
    }

    /// Removes the record.
    pub(super) fn remove() -> io::Result<()> {
        match fs::remove_file(FILE) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Moved, Record};

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/adoption.json");
        assert_eq!(Record::read_from(&path), Ok(None), "there is none");
        let record = Record {
            ran: true,
            enabled: true,
            disabled: true,
            copy: Some("/var/lib/stockade/copy".into()),
            commands: vec![
                Moved {
                    path: "/usr/bin/a".into(),
                    aside: Some("/usr/bin/a.fail2ban".into()),
                    diverted: true,
                },
                Moved {
                    path: "/usr/bin/b".into(),
                    aside: None,
                    diverted: false,
                },
            ],
            ..Record::default()
        };
        for record in [record, Record::default()] {
            record.write_to(&path).unwrap();
            assert_eq!(Record::read_from(&path), Ok(Some(record)));
        }
        for text in ["", "{}", "[]", "{\"version\": 2}"] {
            std::fs::write(&path, text).unwrap();
            assert!(Record::read_from(&path).is_err(), "{text}");
        }
    }
}
