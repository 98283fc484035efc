//! The embedded configuration with one jail, as commands.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use stockade_config::{Content, Files, Kind, Mode, Overrides, Reader};
use stockade_protocol::Command;

/// What the simulated administrator has written.
const LOCAL: &str =
    "[DEFAULT]\nbantime = 60\nmaxretry = 3\n[sshd]\nbackend = polling\nlogpath = /var/log/auth.log\n";

/// The commands of the configuration.
pub(crate) fn commands() -> Vec<Command> {
    static COMMANDS: OnceLock<Vec<Command>> = OnceLock::new();
    COMMANDS.get_or_init(read).clone()
}

fn read() -> Vec<Command> {
    let files = Embedded(Path::new(env!("CARGO_MANIFEST_DIR")).join("../config"));
    let variables = [("stockade_log_backend".to_owned(), "auto".to_owned())];
    let reader = Reader::new(&files, "/etc", "1.1.1", &variables);
    let early = reader
        .early(&Overrides::default())
        .expect("the embedded configuration is good");
    let stream = reader.read(&early, Mode::Start, None);
    assert!(stream.is_usable(), "{:?}", stream.outcome);
    let commands = stream.commands.into_iter().map(|command| command.value);
    // The server's own settings have no place in a simulated world.
    commands.filter(|command| command.jail().is_some()).collect()
}

/// The embedded files, seen below `/etc`.
struct Embedded(PathBuf);

impl Embedded {
    fn path(&self, path: &str) -> Option<PathBuf> {
        Some(self.0.join(Path::new(path).strip_prefix("/etc").ok()?))
    }
}

impl Files for Embedded {
    fn read(&self, path: &str) -> Content {
        if path == "/etc/jail.local" {
            return Content::Bytes(LOCAL.as_bytes().to_vec());
        }
        self.path(path)
            .and_then(|path| fs::read(path).ok())
            .map_or(Content::Missing, Content::Bytes)
    }

    fn kind(&self, path: &str) -> Kind {
        match self.path(path) {
            _ if path == "/etc/jail.local" => Kind::File,
            Some(path) if path.is_dir() => Kind::Directory,
            Some(path) if path.is_file() => Kind::File,
            Some(_) | None => Kind::Missing,
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = self
            .path(directory)
            .and_then(|path| fs::read_dir(path).ok())
            .into_iter()
            .flatten();
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect()
    }
}
