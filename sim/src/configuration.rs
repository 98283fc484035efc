//! What the simulated administrators write: the embedded configuration with jails of their own, as commands.
//!
//! In: which of the variants. Out: the commands of a start or a reload.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use stockade_config::{Content, Files, Kind, Mode, Overrides, Reader};
use stockade_protocol::Command;

/// The jail whose bans the daemon enforces itself.
pub(crate) const NATIVE: &str = "native";
/// The jail whose bans grow, and which runs commands as well.
pub(crate) const GROWING: &str = "growing";
/// The jail that counts every line for itself and bans nobody.
pub(crate) const EACH: &str = "each";

/// How many seconds a failure counts in the jail that counts every line.
pub(crate) const EACH_FINDTIME: i64 = 900;

/// The logs, in the order in which they are written to.
pub(crate) const LOGS: [&str; 2] = ["/var/log/auth.log", "/var/log/web.log"];

/// How many variants there are.
pub(crate) const VARIANTS: usize = 9;

/// The filter of attackers.
const FILTER: &str = "[Definition]\nfailregex = ^\\s*host app\\[7\\]: fail from <ADDR> no \\d+$\n\
    datepattern = ^%%Y-%%m-%%d %%H:%%M:%%S\n";
/// The filter of lines.
const EACH_FILTER: &str = "[Definition]\nfailregex = ^\\s*host app\\[7\\]: fail from \\S+ no <F-ID>\\d+</F-ID>$\ndatepattern = ^%%Y-%%m-%%d %%H:%%M:%%S\n";
/// The action that is made of commands.
const ACTION: &str = "[Definition]\nactionstart = begin\nactionstop = end\nactionban = ban <ip>\n\
    actionunban = unban <ip>\nactionprolong = prolong <ip>\n";
/// The same with one command for all bans.
const FLUSHING: &str = "[Definition]\nactionstart = begin\nactionstop = end\nactionban = ban <ip>\n\
    actionunban = unban <ip>\nactionflush = flush\n";

/// What is in front of the jails of all variants.
const DEFAULT: &str = "[DEFAULT]\nbantime = 60\nfindtime = 120\nmaxretry = 3\nusedns = no\n\
    backend = polling\nlogpath = /var/log/auth.log\nport = 22\nfilter = app\nignoreself = false\n";
const NATIVE_JAIL: &str = "[native]\nenabled = true\n";
const GROWING_JAIL: &str = "[growing]\nenabled = true\nmaxretry = 2\nbantime = 30\nbantime.increment = true\n\
    action = nftables-allports[name=growing]\n         note\n";
const EACH_JAIL: &str =
    "[each]\nenabled = true\nfilter = line\nmaxretry = 1000000\nfindtime = 900\nmaxmatches = 0\naction =\n";

/// What the administrator has written in a variant.
fn local(variant: usize) -> String {
    let without_action = GROWING_JAIL.replace("         note\n", "");
    let (native, growing) = match variant {
        0 => (NATIVE_JAIL.to_owned(), GROWING_JAIL.to_owned()),
        1 => (format!("{NATIVE_JAIL}bantime = 20\n"), GROWING_JAIL.to_owned()),
        2 => (NATIVE_JAIL.to_owned(), String::new()),
        3 => (
            format!("{NATIVE_JAIL}action = note\n"),
            GROWING_JAIL.replace("note", "note[actname=other]"),
        ),
        4 => (
            format!("{NATIVE_JAIL}maxretry = 2\nfindtime = 60\n"),
            GROWING_JAIL.replace("note", "flushing"),
        ),
        5 => (format!("{NATIVE_JAIL}bantime = 200\n"), without_action),
        6 => (String::new(), GROWING_JAIL.to_owned()),
        7 => (
            format!("{NATIVE_JAIL}bantime = -1\n"),
            GROWING_JAIL.replace("bantime.increment = true", "bantime.increment = false"),
        ),
        _ => (
            format!("{NATIVE_JAIL}bantime.increment = true\nbantime.maxtime = 100\n"),
            GROWING_JAIL.replace(
                "bantime = 30",
                "bantime = 30\nbantime.rndtime = 20\nbantime.formula = ban.Time * ban.Count",
            ),
        ),
    };
    format!("{DEFAULT}[sshd]\nenabled = false\n{native}{growing}{EACH_JAIL}")
}

/// The commands of a variant, where every jail watches `logs` by this backend.
pub(crate) fn commands(variant: usize, backend: &str, logs: &[&str]) -> Vec<Command> {
    static COMMANDS: [OnceLock<Vec<Command>>; VARIANTS] = [const { OnceLock::new() }; VARIANTS];
    let commands = COMMANDS
        .get(variant)
        .map(|commands| commands.get_or_init(|| read(variant)));
    let mut told = Vec::new();
    for command in commands.into_iter().flatten() {
        if let Command::Add { jail, .. } = command {
            told.push(Command::Add {
                jail: jail.clone(),
                backend: backend.to_owned(),
            });
            for log in logs {
                told.push(Command::SetJail {
                    jail: jail.clone(),
                    property: "addlogpath".to_owned(),
                    arguments: vec![(*log).into(), "head".into()],
                    multi: false,
                });
            }
        } else if !matches!(command, Command::SetJail { property, .. } if property == "addlogpath") {
            told.push(command.clone());
        }
    }
    told
}

fn read(variant: usize) -> Vec<Command> {
    let files = Embedded {
        place: Path::new(env!("CARGO_MANIFEST_DIR")).join("../config"),
        local: local(variant),
    };
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

/// The embedded files, seen below `/etc`, and those of the simulated administrator.
struct Embedded {
    place: PathBuf,
    local: String,
}

impl Embedded {
    fn path(&self, path: &str) -> Option<PathBuf> {
        Some(self.place.join(Path::new(path).strip_prefix("/etc").ok()?))
    }

    fn own(&self, path: &str) -> Option<&str> {
        match path {
            "/etc/jail.local" => Some(&self.local),
            "/etc/filter.d/app.conf" => Some(FILTER),
            "/etc/filter.d/line.conf" => Some(EACH_FILTER),
            "/etc/action.d/note.conf" => Some(ACTION),
            "/etc/action.d/flushing.conf" => Some(FLUSHING),
            _ => None,
        }
    }
}

impl Files for Embedded {
    fn read(&self, path: &str) -> Content {
        if let Some(text) = self.own(path) {
            return Content::Bytes(text.as_bytes().to_vec());
        }
        self.path(path)
            .and_then(|path| fs::read(path).ok())
            .map_or(Content::Missing, Content::Bytes)
    }

    fn kind(&self, path: &str) -> Kind {
        match self.path(path) {
            _ if self.own(path).is_some() => Kind::File,
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
        let own: &[&str] = match directory {
            "/etc" => &["jail.local"],
            "/etc/filter.d" => &["app.conf", "line.conf"],
            "/etc/action.d" => &["note.conf", "flushing.conf"],
            _ => &[],
        };
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .chain(own.iter().map(|name| (*name).to_owned()))
            .collect()
    }
}
