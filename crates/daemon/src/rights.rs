//! What the daemon may still do once its configuration is through, and how that is seen.
//!
//! In: where its files are, and what the configuration says of it. Out: a confined process; what the log says of that;
//! a report for whoever wants to be sure.
//!
//! Logs are opened, and programs started, by the [`crate::helper`]; what the daemon itself opens from then on is its
//! database, what the system needs to look names up, and directories, to see what is in them. `docs/threat-model.md`
//! has the whole of it.
//!
//! Invariant: rights are given up before the first line of a log is read, and not before the configuration has said
//! where the database is.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;

use rustix::process::geteuid;
use stockade_protocol::Value;
use stockade_sys::confinement::can_filter;
use stockade_sys::{Access, Bounds, Capabilities, Capability, Confinement, confine, libraries};

use crate::helper;
use crate::log::{Level, Log};

const SERVER: &str = "fail2ban.server";

/// What is read to look up names, zones and addresses. A file is known by itself and not by its name: where it is
/// replaced, the new one cannot be read; [`names_have_moved`] says so.
const READ: [&str; 15] = [
    "/etc/host.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/localtime",
    "/etc/zoneinfo",
    "/usr/share/zoneinfo",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/run/nscd",
    // Of the addresses of the machine; of other processes only what everyone may know, for looking into them is
    // another right.
    "/proc",
    "/dev/urandom",
    "/dev/random",
    // Of another system than the usual ones, where these are links into it.
    "/nix/store",
    "/usr/lib/locale",
];
/// What the look-up of names is settled in.
const NAMES: [&str; 4] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
];
/// Directories of many programs: to be able to write there is more than a daemon needs.
const SHARED: [&str; 14] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/opt", "/root", "/srv", "/tmp", "/usr", "/var",
    "/var/lib",
];

/// The files of [`NAMES`] as they were when the rights were given up; none where they were not.
static NAMED: OnceLock<Vec<Option<(u64, u64)>>> = OnceLock::new();

/// Where the daemon has what it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whereabouts {
    /// The control socket, where it was not given.
    pub(crate) socket: Option<PathBuf>,
    /// The file with the process id; both are removed at the end.
    pub(crate) pidfile: PathBuf,
    /// The directory of the configuration.
    pub(crate) configuration: PathBuf,
}

/// Whether the daemon gives up its rights, and whether it has.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    whereabouts: Whereabouts,
    /// `confine = no`.
    keeps: bool,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// The configuration is not through.
    #[default]
    Early,
    /// It keeps them, for this reason.
    Kept(String),
    /// It has given them up.
    Confined(Confined),
}

#[derive(Debug)]
struct Confined {
    outcome: Confinement,
    /// Where the database is, if anywhere.
    state: Option<PathBuf>,
}

impl Rights {
    pub(crate) fn new(whereabouts: Whereabouts) -> Self {
        Self {
            whereabouts,
            ..Self::default()
        }
    }

    /// Takes what the configuration says; whether it still counts.
    pub(crate) fn set(&mut self, confine: bool) -> bool {
        if matches!(self.state, State::Early) {
            self.keeps = !confine;
        }
        self.keeps != confine
    }

    /// Whether that has happened.
    pub(crate) const fn are_given_up(&self) -> bool {
        matches!(self.state, State::Confined(_))
    }

    /// The control socket, where it is our own.
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.whereabouts.socket.as_deref()
    }

    /// Why the database cannot be at `path`, where it cannot.
    pub(crate) fn forbid_database(&self, path: &str) -> Option<String> {
        let State::Confined(confined) = &self.state else {
            return None;
        };
        if confined.outcome.files.is_err() || is_in_memory(path) {
            return None;
        }
        // Where there is no such directory, that is what is said, as anywhere.
        let wanted = directory_of(Path::new(path))?;
        if confined.state.as_ref() == Some(&wanted) {
            return None;
        }
        let may = match &confined.state {
            Some(state) => format!("below {}", state.display()),
            None => "no files".to_owned(),
        };
        Some(format!(
            "Cannot have the database at '{path}': since its first jail was added the daemon may write {may}; \
             set `dbfile` in fail2ban.conf and restart it"
        ))
    }

    /// Gives up what is not needed from here on, once.
    pub(crate) fn give_up(&mut self, database: Option<&str>, log: &Log) {
        if !matches!(self.state, State::Early) {
            return;
        }
        let kept = if self.keeps {
            Some((Level::NOTICE, "as `confine = no` says"))
        } else if helper::pid().is_none() {
            Some((
                Level::WARNING,
                "for there is no process of its own that could start programs",
            ))
        } else {
            None
        };
        if let Some((level, why)) = kept {
            log.write(level, SERVER, &format!("The daemon keeps all its rights, {why}"));
            self.state = State::Kept(why.to_owned());
            return;
        }
        let state = database
            .filter(|path| !is_in_memory(path))
            .and_then(|path| directory_of(Path::new(path)));
        match self.confine(state, log) {
            Ok(confined) => {
                for (level, text) in confined.told() {
                    log.write(level, SERVER, &text);
                }
                self.state = State::Confined(confined);
            }
            Err(error) => {
                let text = format!("The daemon keeps all its rights: {error}");
                log.write(Level::ERROR, SERVER, &text);
                self.state = State::Kept(error.to_string());
            }
        }
    }

    fn confine(&self, state: Option<PathBuf>, log: &Log) -> io::Result<Confined> {
        // What knows names in other ways than the library's own is code, which cannot be loaded later.
        libraries::load_name_services(&fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default());
        let target = log.file();
        let targets: Vec<&Path> = target.iter().map(PathBuf::as_path).collect();
        helper::seal(&targets, Some(&self.whereabouts.configuration))?;
        let runtime: Vec<PathBuf> = self
            .whereabouts
            .socket
            .iter()
            .chain([&self.whereabouts.pidfile])
            .filter_map(|path| directory_of(path))
            .collect();
        let mut paths: Vec<(PathBuf, Access)> =
            vec![("/".into(), Access::List), ("/dev/null".into(), Access::Write)];
        let read = READ.iter().chain(&NAMES);
        paths.extend(read.map(|path| (PathBuf::from(path), Access::Read)));
        paths.extend(runtime.iter().map(|path| (path.clone(), Access::Remove)));
        paths.extend(state.iter().map(|path| (path.clone(), Access::Own)));
        let mut capabilities = vec![Capability::NetAdmin, Capability::DacReadSearch];
        // Root passes over the rights of files; what does not belong to it is out of its reach without that.
        if !state.iter().chain(&runtime).all(|path| is_ours(path)) {
            capabilities.push(Capability::DacOverride);
        }
        let bounds = Bounds {
            paths,
            capabilities: capabilities.into_iter().collect::<Capabilities>(),
        };
        let outcome = confine(&bounds);
        if outcome.files.is_ok() {
            NAMED.get_or_init(|| NAMES.iter().map(identity).collect());
        }
        Ok(Confined { outcome, state })
    }

    /// All that can be said of it: what holds, what was tried just now, and what the helper may do.
    pub(crate) fn report(&self) -> Value {
        let (state, mechanisms, written) = match &self.state {
            State::Early => (
                "nothing is given up yet, for there is no jail".to_owned(),
                Vec::new(),
                None,
            ),
            State::Kept(why) => (format!("all are kept, {why}"), Vec::new(), None),
            State::Confined(confined) => (
                "given up".to_owned(),
                confined.mechanisms(),
                confined.state.as_ref(),
            ),
        };
        let pairs = |pairs: Vec<(String, String)>| {
            let pairs = pairs.into_iter();
            Value::List(
                pairs
                    .map(|(name, text)| Value::List(vec![name.into(), text.into()]))
                    .collect(),
            )
        };
        let attempts = attempts().into_iter().map(|attempt| {
            Value::List(vec![
                attempt.what.into(),
                Value::Bool(attempt.outcome.is_err()),
                attempt
                    .outcome
                    .map_or_else(|error| error.to_string(), |()| "done".to_owned())
                    .into(),
                attempt.by.into(),
            ])
        });
        let helper = helper::pid().map_or(Value::None, |pid| Value::Int(pid.into()));
        Value::Dict(vec![
            ("rights".into(), state.into()),
            ("mechanisms".into(), pairs(mechanisms)),
            ("threads".into(), pairs(threads())),
            (
                "writes".into(),
                written.map_or(Value::None, |path| path.display().to_string().into()),
            ),
            ("attempts".into(), Value::List(attempts.collect())),
            ("helper".into(), helper),
            (
                "helper_may".into(),
                Value::List(HELPER_MAY.iter().map(|text| Value::from(*text)).collect()),
            ),
        ])
    }
}

/// What the helper does for the daemon, in words.
const HELPER_MAY: [&str; 4] = [
    "start programs as root, as commands of actions, ignorecommands and journalctl need it",
    "end them, with all that they have started",
    "open for reading what everyone may read, what the configuration's directory has, and regular files and pipes \
     outside of /etc, /proc, /sys, /dev, /boot and directories called .ssh, .gnupg, .aws, .kube",
    "open for appending the log of the daemon, and new ones beside it or below /var/log",
];

impl Confined {
    /// Each mechanism with how it is in force, or why not.
    fn mechanisms(&self) -> Vec<(String, String)> {
        let outcome = &self.outcome;
        let said = |outcome: &io::Result<()>| match outcome {
            Ok(()) => "in force".to_owned(),
            Err(error) => format!("not in force: {error}"),
        };
        let files = match &outcome.files {
            Ok(version) => format!("in force, version {version}"),
            Err(error) => format!("not in force: {}", why_no_files(error)),
        };
        vec![
            ("no new privileges".to_owned(), said(&outcome.no_new_privileges)),
            ("capabilities".to_owned(), said(&outcome.capabilities)),
            ("files (landlock)".to_owned(), files),
            (
                "system calls (seccomp)".to_owned(),
                match &outcome.calls {
                    Ok(()) => "in force".to_owned(),
                    Err(error) => format!("not in force: {}", why_no_calls(error)),
                },
            ),
        ]
    }

    /// What the log says: once what is so, and once each what could not be had.
    fn told(&self) -> Vec<(Level, String)> {
        let outcome = &self.outcome;
        let mut told = Vec::new();
        let writes = match &self.state {
            Some(state) => format!("writes below {} alone", state.display()),
            None => "writes no files".to_owned(),
        };
        if outcome.files.is_ok() && outcome.calls.is_ok() {
            let text = format!(
                "Rights given up: the daemon starts no programs, opens logs through its helper, and {writes}"
            );
            told.push((Level::INFO, text));
        }
        let mut lack = |what: &str, why: String| {
            told.push((
                Level::NOTICE,
                format!("{what}: {why}; the other limits are in force"),
            ));
        };
        if let Err(error) = &outcome.no_new_privileges {
            lack("Programs could give the daemon new privileges", error.to_string());
        }
        if let Err(error) = &outcome.capabilities {
            lack("The daemon keeps the capabilities of root", error.to_string());
        }
        if let Err(error) = &outcome.files {
            lack("The daemon can reach all files of its user", why_no_files(error));
        }
        if let Err(error) = &outcome.calls {
            lack("The daemon can make all system calls", why_no_calls(error));
        }
        if outcome.free_threads > 0 {
            let text = format!(
                "{} of the daemon's threads keep their rights",
                outcome.free_threads
            );
            told.push((Level::WARNING, text));
        }
        if let Some(state) = &self.state
            && SHARED.iter().any(|shared| state == Path::new(shared))
        {
            let text = format!(
                "The database is in {0}, so the daemon may write to all of {0}; give it a directory of its own with `dbfile`",
                state.display()
            );
            told.push((Level::NOTICE, text));
        }
        told
    }
}

fn why_no_files(error: &io::Error) -> String {
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::NOSYS) => "the kernel has no Landlock".to_owned(),
        Some(rustix::io::Errno::OPNOTSUPP) => "the kernel was started without Landlock (`lsm=`)".to_owned(),
        _ => error.to_string(),
    }
}

fn why_no_calls(error: &io::Error) -> String {
    if can_filter() {
        error.to_string()
    } else {
        "there is no filter for this kind of machine".to_owned()
    }
}

/// The threads of the daemon and which of them are bound, as the kernel says.
fn threads() -> Vec<(String, String)> {
    let entries = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut threads: Vec<(String, String)> = entries
        .filter_map(|entry| {
            let status = fs::read_to_string(entry.path().join("status")).ok()?;
            let value = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_default().trim().to_owned()
            };
            let bound = format!(
                "NoNewPrivs {}, Seccomp {}, CapEff {}",
                value("NoNewPrivs:"),
                value("Seccomp:"),
                value("CapEff:")
            );
            Some((entry.file_name().to_string_lossy().into_owned(), bound))
        })
        .collect();
    threads.sort();
    threads
}

/// Something that the daemon should not be able to do.
struct Attempt {
    what: &'static str,
    /// The mechanism that refuses it.
    by: &'static str,
    outcome: io::Result<()>,
}

/// Tries what must fail, in the thread that decides everything; what does not is undone.
fn attempts() -> Vec<Attempt> {
    let attempt = |what, by, outcome| Attempt { what, by, outcome };
    let planted = format!("/.stockade-{}", process::id());
    let made = OpenOptions::new().write(true).create_new(true).open(&planted);
    if made.is_ok() {
        // It was made just now, by nobody else.
        drop(fs::remove_file(&planted));
    }
    let started = process::Command::new("/bin/true")
        .stdin(process::Stdio::null())
        .spawn()
        .and_then(|mut child| child.wait());
    let executable = libraries::can_map_executable();
    vec![
        attempt(
            "read /etc/shadow",
            "landlock",
            File::open("/etc/shadow").map(drop),
        ),
        attempt("make a file in /", "landlock", made.map(drop)),
        attempt("start /bin/true", "seccomp", started.map(drop)),
        attempt("make memory executable", "seccomp", executable),
    ]
}

/// Whether a file in which names are looked up is another than the one that may be read.
pub(crate) fn names_have_moved() -> bool {
    NAMED
        .get()
        .is_some_and(|named| NAMES.iter().map(identity).ne(named.iter().copied()))
}

fn identity(path: &&str) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn is_in_memory(path: &str) -> bool {
    path == ":memory:" || path.eq_ignore_ascii_case("none")
}

/// The directory in which a file is, without links.
fn directory_of(path: &Path) -> Option<PathBuf> {
    let parent = path.parent()?;
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    parent.canonicalize().ok()
}

/// Whether a directory and what is in it belong to the user of the daemon, who may write there.
fn is_ours(directory: &Path) -> bool {
    let own = geteuid().as_raw();
    let writable = |path: &Path, bits: u32| {
        fs::symlink_metadata(path).is_ok_and(|meta| meta.uid() == own && meta.mode() & bits == bits)
    };
    // In a directory of many users it is enough that everyone may write there.
    let open = fs::metadata(directory).is_ok_and(|meta| meta.mode() & 0o003 == 0o003);
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    (open || writable(directory, 0o300))
        && entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
            .filter(|entry| !open || entry.metadata().is_ok_and(|meta| meta.uid() == own))
            .all(|entry| writable(&entry.path(), 0o200))
}
