//! What reading a whole configuration costs, beside the reference: its own package with every jail enabled.
//!
//! In: the reference in `target/reference`, and our `fail2ban-client` beside this program. Out: the shortest and the
//! median time of a client that prints the list of commands, theirs and ours, and of our library alone.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stockade_config::{Content, Files, Kind, Mode, Overrides, Reader};

use crate::network::print;
use crate::{Trouble, daemon};

/// How often each is measured.
const ROUNDS: usize = 20;

/// Measures all three in turn, so that a busy moment hits all of them.
pub(crate) fn run() -> Result<(), Trouble> {
    let place = tempfile::tempdir()?;
    daemon::configure_reference(place.path(), "[DEFAULT]\nenabled = true\n")?;
    let etc = place.path().join("etc");
    let ours = std::env::current_exe()?.with_file_name("fail2ban-client");
    if !ours.is_file() {
        return Err(format!("{}: build it first, in the same profile", ours.display()).into());
    }
    let (mut theirs_took, mut ours_took, mut library_took) = (Vec::new(), Vec::new(), Vec::new());
    let mut lines = 0;
    for _ in 0..ROUNDS {
        let (theirs_printed, took) = client(&mut daemon::reference_program("fail2ban-client"), &etc)?;
        theirs_took.push(took);
        let (ours_printed, took) = client(&mut Command::new(&ours), &etc)?;
        ours_took.push(took);
        if theirs_printed != ours_printed {
            return Err("ours and theirs print different commands".into());
        }
        lines = ours_printed.iter().filter(|byte| **byte == b'\n').count();
        let begun = Instant::now();
        let commands = library(&etc)?;
        library_took.push(begun.elapsed());
        if commands != lines {
            return Err(format!("{commands} commands, but {lines} lines").into());
        }
    }
    print(&format!("{lines} commands, {ROUNDS} times each"));
    let theirs = figures("the reference's client", &mut theirs_took);
    let ours = figures("our client", &mut ours_took);
    let library = figures("our library", &mut library_took);
    for (name, median) in [("client", ours), ("library", library)] {
        let times = theirs.as_secs_f64() / median.as_secs_f64();
        print(&format!("{name}: {times:.0} times as fast"));
    }
    Ok(())
}

/// Runs a client that prints all commands: what it has printed, and how long it took.
fn client(command: &mut Command, etc: &Path) -> Result<(Vec<u8>, Duration), Trouble> {
    let begun = Instant::now();
    let ran = command
        .arg("-c")
        .arg(etc)
        .arg("-d")
        .stderr(Stdio::null())
        .output()?;
    let took = begun.elapsed();
    if !ran.status.success() {
        return Err(format!("{command:?} has failed").into());
    }
    Ok((ran.stdout, took))
}

/// Reads everything: how many commands there are.
fn library(etc: &Path) -> Result<usize, Trouble> {
    let base = etc.to_str().ok_or("the place has a name that is text")?;
    let reader = Reader::new(&Disk, base, "1.1.1", &[]);
    let early = reader.early(&Overrides::default())?;
    let stream = reader.read(&early, Mode::Dump, None);
    let (text, _status) = stream.report(false);
    Ok(text.lines().count())
}

/// Prints them and returns the median.
fn figures(name: &str, took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    let median = took.get(took.len() / 2).copied().unwrap_or_default();
    let shortest = took.first().copied().unwrap_or_default();
    print(&format!("{name}: shortest {shortest:.2?}, median {median:.2?}"));
    median
}

/// The files on disk.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Content {
        match fs::read(path) {
            Ok(bytes) => Content::Bytes(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Content::Missing,
            Err(error) => Content::Unreadable(error.to_string()),
        }
    }

    fn kind(&self, path: &str) -> Kind {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Kind::Directory,
            Ok(_) => Kind::File,
            Err(_) => Kind::Missing,
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(directory).into_iter().flatten();
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect()
    }
}
