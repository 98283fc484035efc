//! The file systems of the tests, and a client that does with the library what the command line does.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests read the examples from the disk"
)]

use std::{collections::BTreeMap, fs, io::ErrorKind, path::PathBuf};

use stockade_config::{Content, Files, Kind, Level, Mode, Overrides, Reader, Record};

/// The disk, with relative paths seen from a directory.
pub(crate) struct Disk {
    pub(crate) root: PathBuf,
}

impl Files for Disk {
    fn read(&self, path: &str) -> Content {
        match fs::read(self.root.join(path)) {
            Ok(bytes) => Content::Bytes(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => Content::Missing,
            Err(error) => Content::Unreadable(error.to_string()),
        }
    }

    fn kind(&self, path: &str) -> Kind {
        let path = self.root.join(path);
        match fs::metadata(&path) {
            Ok(data) if data.is_dir() => Kind::Directory,
            // A link to nowhere does not survive every archive; the example keeps its name.
            Ok(_) if path.ends_with("logs/dangling") => Kind::DanglingLink,
            Ok(_) => Kind::File,
            Err(_) if fs::symlink_metadata(&path).is_ok() => Kind::DanglingLink,
            Err(_) => Kind::Missing,
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(directory)).into_iter().flatten();
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect()
    }
}

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

/// What a call of the client gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) status: u8,
    pub(crate) stdout: String,
    /// Without the times, and without the white space before the text.
    pub(crate) stderr: String,
}

/// Does what `fail2ban-client` does with these arguments, as far as only the configuration is concerned.
pub(crate) fn client(files: &dyn Files, arguments: &[&str]) -> Called {
    let mut base = "/etc/fail2ban";
    let mut overrides = Overrides::default();
    let (mut dump, mut pretty, mut test, mut verbose) = (false, false, false, false);
    let mut commands = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().expect("the option has a value").to_string();
        match *argument {
            "-c" => base = rest.next().expect("a directory"),
            "-s" => overrides.socket = Some(value()),
            "-p" => overrides.pidfile = Some(value()),
            "--loglevel" => overrides.loglevel = Some(value()),
            "--logtarget" => overrides.logtarget = Some(value()),
            "--syslogsocket" => overrides.syslogsocket = Some(value()),
            "-d" => dump = true,
            "--dp" | "--dump-pretty" => (dump, pretty) = (true, true),
            "-t" => test = true,
            "-v" => verbose = true,
            command => commands.push(command),
        }
    }
    let reader = Reader::new(files, base, "1.1.1", &[]);
    let shown = if verbose { Level::Info } else { Level::Warning };
    let failed = |records: &mut String| {
        if !test {
            records.push_str("fail2ban ERROR Init of command line failed\n");
        }
    };
    let early = match reader.early(&overrides) {
        Ok(early) => early,
        Err(error) => {
            let mut stderr = lines(&reader.take_log(), shown);
            failed(&mut stderr);
            return Called {
                status: 255,
                stdout: format!("ERROR: {error}\n"),
                stderr,
            };
        }
    };
    let mode = match (dump, test) {
        (true, true) => Mode::DumpAndTest,
        (true, false) => Mode::Dump,
        (false, true) => Mode::Test,
        (false, false) => Mode::Start,
    };
    let stream = reader.read(&early, mode, None);
    let (mut stdout, status) = stream.report(pretty);
    let mut stderr = lines(&stream.log, shown);
    if status != 0 && !commands.is_empty() {
        stdout.clear();
        stderr.push_str("fail2ban ERROR ERROR: test configuration failed\n");
    } else if status != 0 {
        failed(&mut stderr);
    }
    Called {
        status,
        stdout,
        stderr,
    }
}

fn lines(records: &[Record], shown: Level) -> String {
    let records = records.iter().filter(|record| record.level >= shown);
    records
        .map(|record| {
            format!(
                "{} {} {}\n",
                record.logger,
                record.level.name(),
                record.text.trim_start()
            )
        })
        .collect()
}
