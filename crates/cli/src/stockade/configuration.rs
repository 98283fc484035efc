//! `stockade config`: the configuration that is part of the program, to read and to write to disk.
//!
//! In: the name of a file of it, or a directory. Out: its text, or files.
//!
//! Invariant: a file that somebody has changed is replaced only where that was asked for, and is the old one or the
//! new one at any moment. Where one is in the way, nothing at all is written: half a configuration is none.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use stockade_config::nearest;

use super::client::Trouble;
use crate::files;
use crate::options::CONFIGURATION;
use crate::terminal::{self, print};

/// Anybody may read a configuration; what is secret stands in files of the administrator's.
const READABLE: u32 = 0o644;

#[derive(Debug, Args)]
pub(super) struct Configuration {
    #[command(subcommand)]
    action: ConfigurationAction,
}

#[derive(Debug, Subcommand)]
enum ConfigurationAction {
    /// Writes the configuration that comes with stockade to a directory
    Init(Init),
    /// Prints a file of the configuration that comes with stockade, or lists them
    Show(ShowFile),
}

#[derive(Debug, Args)]
#[command(after_help = INIT_HELP)]
struct Init {
    /// Where it is written to; the directory is made
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Replace files that say something else
    #[arg(long)]
    force: bool,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

const INIT_HELP: &str = "\
Without --force nothing is written if a file of the same name says something else. Files with other names, such as
jail.local, are never touched. `stockade run` needs none of this: what is not in /etc/fail2ban it reads from itself.";

#[derive(Debug, Args)]
struct ShowFile {
    /// The file, such as jail.conf or filter.d/sshd.conf; without it, their names
    #[arg(value_name = "FILE")]
    file: Option<String>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// What becomes of a file that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Written,
    Replaced,
    Unchanged,
    /// It says something else.
    InTheWay,
}

pub(super) fn configuration(configuration: &Configuration) -> Result<(), Trouble> {
    match &configuration.action {
        ConfigurationAction::Init(init) => self::init(init),
        ConfigurationAction::Show(show) => self::show(show),
    }
}

fn init(init: &Init) -> Result<(), Trouble> {
    let directory = &init.directory;
    let mut fates = Vec::new();
    for (name, text) in files::own() {
        let path = directory.join(name);
        let fate = match fs::read(&path) {
            Ok(found) if found == text => Fate::Unchanged,
            Ok(_) if init.force => Fate::Replaced,
            Ok(_) => Fate::InTheWay,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // A link to nowhere is the administrator's way of hiding a file.
                match fs::symlink_metadata(&path) {
                    Ok(_) if init.force => Fate::Replaced,
                    Ok(_) => Fate::InTheWay,
                    Err(_) => Fate::Written,
                }
            }
            Err(error) => {
                return Err(Trouble::Unreadable {
                    path: path.display().to_string(),
                    reason: error.to_string(),
                });
            }
        };
        fates.push((name, text, fate));
    }
    let of = |wanted: Fate| -> Vec<String> {
        let names = fates.iter().filter(|(_, _, fate)| *fate == wanted);
        names.map(|(name, _, _)| name.display().to_string()).collect()
    };
    let in_the_way = of(Fate::InTheWay);
    if !in_the_way.is_empty() {
        return Err(Trouble::InTheWay {
            directory: directory.display().to_string(),
            files: in_the_way,
        });
    }
    for (name, text, fate) in &fates {
        let path = directory.join(name);
        let written = match fate {
            Fate::Written | Fate::Replaced => write(&path, text, *fate),
            Fate::Unchanged | Fate::InTheWay => Ok(()),
        };
        written.map_err(|error| Trouble::Unwritable {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?;
    }
    let (written, replaced, unchanged) = (of(Fate::Written), of(Fate::Replaced), of(Fate::Unchanged));
    if init.json {
        let told = json!({
            "directory": directory.display().to_string(),
            "written": written,
            "replaced": replaced,
            "unchanged": unchanged,
        });
        print(&format!("{told:#}"));
        return Ok(());
    }
    let mut said = vec![format!(
        "{}: {}.",
        directory.display(),
        counted(written.len(), "written")
    )];
    if !replaced.is_empty() {
        said.push(format!("Replaced: {}.", replaced.join(", ")));
    }
    if !unchanged.is_empty() {
        said.push(format!("{} before.", counted(unchanged.len(), "the same")));
    }
    print(&said.join("\n"));
    Ok(())
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 file was {what}")
    } else {
        format!("{number} files were {what}")
    }
}

/// Writes a file beside its place, and puts it there when it is whole.
fn write(path: &Path, text: &[u8], fate: Fate) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    fs::create_dir_all(directory)?;
    let beside = directory.join(format!(".{name}.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(READABLE)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(text)?;
            file.sync_all()
        });
    let placed = written.and_then(|()| match fate {
        Fate::Replaced => fs::rename(&beside, path),
        // Unlike a new name, a link never replaces what has come there meanwhile.
        Fate::Written | Fate::Unchanged | Fate::InTheWay => fs::hard_link(&beside, path),
    });
    if let Err(error) = fs::remove_file(&beside)
        && error.kind() != ErrorKind::NotFound
    {
        return placed.and(Err(error));
    }
    placed
}

fn show(show: &ShowFile) -> Result<(), Trouble> {
    let Some(wanted) = &show.file else {
        let names: Vec<String> = files::own().map(|(name, _)| name.display().to_string()).collect();
        if show.json {
            print(&format!("{:#}", json!(names)));
        } else {
            print(&names.join("\n"));
        }
        return Ok(());
    };
    let inside = Path::new(wanted);
    let inside = inside.strip_prefix(CONFIGURATION).unwrap_or(inside);
    let Some((name, text)) = files::own().find(|(name, _)| *name == inside) else {
        return Err(Trouble::NoSuchFile {
            name: wanted.clone(),
            hint: hint(wanted),
        });
    };
    let text = String::from_utf8_lossy(text);
    if show.json {
        let told: Json = json!({ "file": name.display().to_string(), "text": text });
        print(&format!("{told:#}"));
    } else {
        terminal::prompt(&text);
    }
    Ok(())
}

/// What may have been meant: the same name in a directory, or nearly the same.
fn hint(wanted: &str) -> String {
    let names: Vec<String> = files::own().map(|(name, _)| name.display().to_string()).collect();
    let is_it = |name: &&String| {
        let name = name.rsplit('/').next().unwrap_or_default();
        name == wanted || name.strip_suffix(".conf") == Some(wanted)
    };
    let mut near: Vec<&str> = names.iter().filter(is_it).map(String::as_str).collect();
    if near.is_empty() {
        near.extend(nearest(wanted, names.iter().map(String::as_str)));
    }
    if near.is_empty() {
        return "`stockade config show` lists what there is.".to_owned();
    }
    format!("There is {}.", near.join(" and "))
}
