//! Filters of the reference and of our own stock configuration, read by our reader and made into ours.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use stockade_config::{Content, Files, Kind, Mode, Overrides, Reader};
use stockade_conformance::Subject;
use stockade_filter::{Filter, UseDns};
use stockade_protocol::{Command, Value};

/// A configuration with another `jail.conf`, and with the filters that only the tests of the reference have.
struct Overlay {
    base: PathBuf,
    tests: PathBuf,
    jail: String,
}

impl Overlay {
    fn place(&self, path: &str) -> PathBuf {
        let there = PathBuf::from(path);
        // The filters of the reference's tests include those beside which they lie in its sources.
        let included = path
            .split_once("/../../../../config/")
            .map(|(_, rest)| self.base.join(rest));
        let of_tests = there.strip_prefix(&self.base).map(|rest| self.tests.join(rest));
        let places = std::iter::once(there.clone()).chain(included).chain(of_tests);
        places.into_iter().find(|place| place.exists()).unwrap_or(there)
    }

    fn is_jail(&self, path: &str) -> bool {
        self.base.join("jail.conf") == Path::new(path)
    }
}

impl Files for Overlay {
    fn read(&self, path: &str) -> Content {
        if self.is_jail(path) {
            return Content::Bytes(self.jail.clone().into_bytes());
        }
        match fs::read(self.place(path)) {
            Ok(bytes) => Content::Bytes(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => Content::Missing,
            Err(error) => Content::Unreadable(error.to_string()),
        }
    }

    fn kind(&self, path: &str) -> Kind {
        if path.ends_with("/jail.d") || path.ends_with("/jail.local") {
            return Kind::Missing;
        }
        match fs::metadata(self.place(path)) {
            Ok(data) if data.is_dir() => Kind::Directory,
            Ok(_) => Kind::File,
            Err(_) => Kind::Missing,
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        if directory.ends_with("/jail.d") {
            return Vec::new();
        }
        let of_tests = Path::new(directory)
            .strip_prefix(&self.base)
            .map(|rest| self.tests.join(rest));
        let directories = std::iter::once(PathBuf::from(directory)).chain(of_tests);
        let entries = directories
            .filter_map(|directory| fs::read_dir(directory).ok())
            .flatten();
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect()
    }
}

/// The commands that make a jail with this filter of the reference, which may have parameters in brackets.
pub(crate) fn commands_of(filter: &str) -> Vec<Command> {
    let tests = Subject::package_tests().join("config");
    commands_in(Subject::package_configuration(), tests, filter)
}

/// The commands that make a jail with this filter of our own stock configuration.
pub(crate) fn own_commands_of(filter: &str) -> Vec<Command> {
    commands_in(own_configuration(), own_configuration(), filter)
}

/// Where our own stock configuration lies.
pub(crate) fn own_configuration() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../config")
        .canonicalize()
        .expect("it is part of the sources")
}

fn commands_in(base: PathBuf, tests: PathBuf, filter: &str) -> Vec<Command> {
    let overlay = Overlay {
        jail: format!(
            "[sample]\nenabled = true\nbackend = polling\nlogpath = {}\naction =\nfilter = {filter}\n",
            base.join("jail.conf").display()
        ),
        base: base.clone(),
        tests,
    };
    let base = base.to_str().expect("a path that is text").to_owned();
    let reader = Reader::new(&overlay, &base, "1.1.0", &[]);
    let early = reader
        .early(&Overrides::default())
        .expect("fail2ban.conf is there");
    let stream = reader.read(&early, Mode::Dump, None);
    assert!(stream.passes(), "{filter}: {:?} {:?}", stream.outcome, stream.log);
    stream.commands.into_iter().map(|command| command.value).collect()
}

/// Does to `filter` what `command` says, if it is one for filters.
pub(crate) fn apply(filter: &mut Filter, command: &Command) {
    let Command::SetJail {
        property, arguments, ..
    } = command
    else {
        return;
    };
    let first = arguments.first();
    let text = first.and_then(Value::as_str).unwrap_or_default();
    let texts: Vec<&str> = match first.and_then(Value::items) {
        Some(items) => items.iter().filter_map(Value::as_str).collect(),
        None => vec![text],
    };
    match property.as_str() {
        "usedns" => filter.set_usedns(UseDns::parse(text).expect("a value of usedns")),
        "maxlines" => {
            let lines = first.and_then(|lines| lines.int().ok());
            filter.set_maxlines(lines.expect("a number")).expect("above zero");
        }
        "prefregex" => filter.set_prefregex(text).expect("a prefregex"),
        "datepattern" => filter.set_datepattern(text).expect("a datepattern"),
        "addfailregex" => {
            for text in texts {
                filter.add_failregex(text).expect("a failregex");
            }
        }
        "addignoreregex" => {
            for text in texts {
                filter.add_ignoreregex(text).expect("an ignoreregex");
            }
        }
        _ => {}
    }
}
