//! How many lines a second become counted failures, beside the reference on the same lines.
//!
//! In: the reference in `target/reference`, whose stock filter for sshd both use, and a log that is made up: a
//! share of its lines are attacks. Out: lines a second of both, and the ratio.
//!
//! Ours is everything from the bytes of the log to what the jails decide, on one core: blocks of 256 KiB are
//! read and split, and given to the daemon's loop in a world in which nothing else happens. Of the reference the same
//! job is measured, its server's, from the log to the failures that it counts, and beside it `fail2ban-regex`, which
//! only finds them; what either takes without lines is not counted. Of all only the time counts in which they have a
//! processor, so that other work on the machine does not matter.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use stockade_config::{Content, Files, Kind, Mode, Overrides, Reader};
use stockade_daemon::server::Server;
use stockade_daemon::source::line_places;
use stockade_daemon::world::{Event, Lines, Progress};
use stockade_datetime::Timestamp;
use stockade_sim::QuietWorld;

use crate::Trouble;
use crate::network::print;

/// Lines that the reference gets: enough that its start does not matter.
const LINES_OF_REFERENCE: usize = 100_000;
/// Lines that it gets where twenty jails watch the log.
const LINES_OF_REFERENCE_TWENTY: usize = 3_000;
/// Lines that we get.
const LINES: usize = 1_000_000;
/// How often is measured; the fastest counts, for others use the machine too.
const ROUNDS: usize = 5;
/// How often the reference is measured, whose fastest counts as well.
const ROUNDS_OF_REFERENCE: usize = 3;
/// How many lines are written in a second, of whichever log: about as many as on a busy machine that is attacked.
/// Where all of a log were of a few seconds, finding their dates would cost next to nothing.
const LINES_A_SECOND: usize = 20;
/// How many seconds a round may take before it is the last: the longer one takes, the less chance has to say in it.
const LONG: f64 = 5.0;
/// How much is read at once.
const BLOCK: usize = 1 << 18;
/// How long the reference may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is measured.
struct Scene {
    name: &'static str,
    /// Of a hundred lines, so many are attacks.
    attacks: u32,
    jails: usize,
    shape: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// As services write.
    Usual,
    /// Every line is of 64 KiB.
    Long,
}

/// How much is measured of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// As much as it takes.
    Full,
    /// Little, and once after everything was made that the first lines ask for, for who counts instructions:
    /// `valgrind --tool=callgrind --toggle-collect='*filter::counted*'`.
    Once,
}

/// Measures all scenes; where `alone`, without the reference.
pub(crate) fn run(effort: Effort, alone: bool, only: Option<&str>) -> Result<(), Trouble> {
    let usual = match effort {
        Effort::Full => LINES,
        Effort::Once => LINES / 10,
    };
    let scene = |name, attacks, jails, shape| Scene {
        name,
        attacks,
        jails,
        shape,
    };
    let scenes = [
        scene("5 % attacks", 5, 1, Shape::Usual),
        scene("90 % attacks", 90, 1, Shape::Usual),
        scene("5 % attacks, 20 jails", 5, 20, Shape::Usual),
        scene("90 % attacks, 20 jails", 90, 20, Shape::Usual),
        scene("lines of 64 KiB", 50, 1, Shape::Long),
    ];
    let place = tempfile::tempdir()?;
    for scene in scenes
        .iter()
        .filter(|scene| only.is_none_or(|only| scene.name == only))
    {
        let log = place.path().join("auth.log");
        let lines = if scene.shape == Shape::Long {
            usual / 200
        } else {
            usual
        };
        write_log(&log, lines, scene, NOW)?;
        if effort == Effort::Once {
            let failures = once(place.path(), &log, scene.jails)?;
            print(&format!("{}: {lines} lines, {failures} failures", scene.name));
            continue;
        }
        let (best, failures) = fastest(place.path(), &log, scene.jails)?;
        let ours = per_second(lines, best);
        let size = fs::metadata(&log)?.len();
        let megabytes = per_second(usize::try_from(size)?, best) / 1e6;
        let mut figure = format!(
            "{}: {ours:.0} lines/s ({megabytes:.0} MB/s, {failures} failures)",
            scene.name
        );
        if !alone {
            for (name, theirs) in reference(place.path(), scene)? {
                write!(figure, ", {name} {theirs:.0}, ratio {:.0}", ours / theirs)?;
            }
        }
        print(&figure);
    }
    Ok(())
}

/// Lets a daemon deal with a log again and again: the seconds of the fastest round, and how many failures it counted.
fn fastest(place: &Path, log: &Path, jails: usize) -> Result<(f64, u64), Trouble> {
    let (mut best, mut failures) = (f64::MAX, 0);
    for _ in 0..ROUNDS {
        let mut server = daemon(place, log, jails)?;
        let before = own_seconds()?;
        feed(&mut server, log, jails)?;
        let took = own_seconds()? - before;
        best = best.min(took);
        failures = server.world().failures;
        if took > LONG {
            break;
        }
    }
    Ok((best, failures))
}

/// Lets a daemon deal with a log that it has dealt with before; how many failures it counted. No time is asked for, of
/// which those who count instructions have none.
fn once(place: &Path, log: &Path, jails: usize) -> Result<u64, Trouble> {
    let mut server = daemon(place, log, jails)?;
    feed(&mut server, log, jails)?;
    server.world().failures = 0;
    counted(&mut server, log, jails)?;
    Ok(server.world().failures)
}

#[expect(clippy::cast_precision_loss, reason = "a count of lines is small")]
fn per_second(lines: usize, seconds: f64) -> f64 {
    lines as f64 / seconds
}

/// The seconds that this program has had a processor.
fn own_seconds() -> Result<f64, Trouble> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(Duration::try_from(time)?.as_secs_f64())
}

/// The seconds that the programs it has run have had one.
fn seconds_of_children() -> Result<f64, Trouble> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no stat")?;
    let mut ticks = 0.0;
    for field in fields.split_whitespace().skip(13).take(2) {
        ticks += field.parse::<f64>()?;
    }
    // The kernel counts in hundredths for everyone.
    Ok(ticks / 100.0)
}

/// What is to be counted; it has a name of its own for that.
#[inline(never)]
fn counted(server: &mut Server<QuietWorld>, log: &Path, jails: usize) -> Result<(), Trouble> {
    feed(server, log, jails)
}

/// Reads a log as the daemon does, and lets it deal with the lines.
fn feed(server: &mut Server<QuietWorld>, log: &Path, jails: usize) -> Result<(), Trouble> {
    let receivers: Vec<(String, bool)> = (0..jails).map(|number| (jail(number), true)).collect();
    let mut file = File::open(log)?;
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let mut bytes = std::mem::take(&mut rest);
        bytes.reserve_exact(BLOCK);
        let read = file
            .by_ref()
            .take(u64::try_from(BLOCK)?)
            .read_to_end(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        let end = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
        rest.extend_from_slice(bytes.get(end..).unwrap_or_default());
        bytes.truncate(end);
        let lines = line_places(&bytes);
        let world = server.world();
        world.log.clear();
        world.events.push_back(Event::Lines(Lines {
            jails: receivers.clone(),
            log: "auth.log".to_owned(),
            bytes,
            lines,
            is_cut: false,
            progress: Progress::default(),
        }));
        server.turn();
    }
}

fn daemon(place: &Path, log: &Path, jails: usize) -> Result<Server<QuietWorld>, Trouble> {
    let files = Configuration {
        base: base()?,
        jail: jail_conf(log, jails),
    };
    let base = files.base.to_str().ok_or("the path is no text")?.to_owned();
    let reader = Reader::new(&files, &base, "1.1.0", &[]);
    let early = reader
        .early(&Overrides::default())
        .map_err(|error| error.to_string())?;
    let stream = reader.read(&early, Mode::Start, None);
    if !stream.is_usable() {
        return Err(format!("{}: the configuration cannot be read", place.display()).into());
    }
    let now = Timestamp::from_seconds(NOW);
    let mut world = QuietWorld::default();
    world.now = now;
    let mut server = Server::new(world, TimeZone::UTC, 2026);
    let commands = stream.commands.into_iter().map(|command| command.value);
    let commands = commands.filter(|command| command.jail().is_some());
    server.stream(now, commands).map_err(|failure| failure.text())?;
    Ok(server)
}

/// Where the reference's configuration is.
fn base() -> Result<PathBuf, Trouble> {
    let base = reference_directory().join("etc/fail2ban");
    if base.is_dir() {
        Ok(base.canonicalize()?)
    } else {
        Err("there is no target/reference; `cargo xtask setup` makes it".into())
    }
}

fn reference_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/reference")
}

fn jail(number: usize) -> String {
    format!("jail{number}")
}

fn jail_conf(log: &Path, jails: usize) -> String {
    let mut text = "[DEFAULT]\nmaxretry = 5\nfindtime = 10h\nbantime = 1h\n".to_owned();
    for number in 0..jails {
        let added = write!(
            text,
            "[{}]\nenabled = true\nbackend = polling\nlogpath = {}\nfilter = sshd\naction =\n",
            jail(number),
            log.display()
        );
        debug_assert!(added.is_ok(), "a string takes everything");
    }
    text
}

/// The reference's configuration with another `jail.conf`.
struct Configuration {
    base: PathBuf,
    jail: String,
}

impl Files for Configuration {
    fn read(&self, path: &str) -> Content {
        if Path::new(path) == self.base.join("jail.conf") {
            return Content::Bytes(self.jail.clone().into_bytes());
        }
        fs::read(path).map_or(Content::Missing, Content::Bytes)
    }

    fn kind(&self, path: &str) -> Kind {
        match fs::metadata(path) {
            _ if path.ends_with("/jail.d") => Kind::Missing,
            Ok(data) if data.is_dir() => Kind::Directory,
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

/// What of the reference is measured.
#[derive(Clone, Copy)]
enum Program {
    /// Everything, to the failures that are counted.
    Server,
    /// The search alone.
    Regex,
}

/// Lines a second of the reference's programs that can do what the scene asks for.
fn reference(place: &Path, scene: &Scene) -> Result<Vec<(&'static str, f64)>, Trouble> {
    let server = ("the reference's server", Program::Server);
    let regex = ("its fail2ban-regex", Program::Regex);
    let programs = match (scene.jails, scene.shape) {
        (_, Shape::Long) => vec![regex],
        (1, Shape::Usual) => vec![server, regex],
        (_, Shape::Usual) => vec![server],
    };
    let measured = programs.into_iter();
    measured
        .map(|(name, program)| Ok((name, speed_of(program, place, scene)?)))
        .collect()
}

fn speed_of(program: Program, place: &Path, scene: &Scene) -> Result<f64, Trouble> {
    let log = place.join("reference.log");
    let lines = match (scene.jails, scene.shape) {
        (_, Shape::Long) => 200,
        (1, Shape::Usual) => LINES_OF_REFERENCE,
        (_, Shape::Usual) => LINES_OF_REFERENCE_TWENTY,
    };
    let mut took = [f64::MAX; 2];
    for (took, lines) in took.iter_mut().zip([1, lines]) {
        for _ in 0..ROUNDS_OF_REFERENCE {
            // Its server looks at what is not older than `findtime`, by the clock of this machine.
            write_log(&log, lines, scene, jiff::Timestamp::now().as_second())?;
            let before = seconds_of_children()?;
            match program {
                Program::Server => serve(place, &log, scene.jails)?,
                Program::Regex => search(&log)?,
            }
            *took = took.min(seconds_of_children()? - before);
        }
    }
    let [start, all] = took;
    Ok(per_second(lines - 1, all - start))
}

/// Runs the reference's `fail2ban-regex` on a log.
fn search(log: &Path) -> Result<(), Trouble> {
    let filter = base()?.join("filter.d/sshd.conf");
    let mut command = python("fail2ban-regex")?;
    let status = command.arg(log).arg(filter).stdout(Stdio::null()).status()?;
    if status.success() {
        Ok(())
    } else {
        Err("fail2ban-regex failed".into())
    }
}

fn python(program: &str) -> Result<Command, Trouble> {
    let reference = reference_directory().canonicalize()?;
    let mut command = Command::new("/usr/bin/python3");
    command
        .arg(reference.join("usr/bin").join(program))
        .env("PYTHONPATH", reference.join("usr/lib/python3/dist-packages"))
        .env("TZ", "UTC");
    Ok(command)
}

/// Runs the reference's server until every jail has found the last line.
fn serve(place: &Path, log: &Path, jails: usize) -> Result<(), Trouble> {
    let configuration = place.join("etc");
    let copied = Command::new("cp")
        .arg("-rT")
        .arg(base()?)
        .arg(&configuration)
        .status()?;
    if !copied.success() {
        return Err("the configuration cannot be copied".into());
    }
    fs::write(configuration.join("jail.conf"), jail_conf(log, jails))?;
    let at = place.display();
    fs::write(
        configuration.join("fail2ban.local"),
        format!("[DEFAULT]\nlogtarget = {at}/log\nsocket = {at}/socket\npidfile = {at}/pid\ndbfile = None\n"),
    )?;
    let said = place.join("log");
    if said.exists() {
        fs::remove_file(&said)?;
    }
    let mut server = python("fail2ban-server")?
        .arg("-c")
        .arg(&configuration)
        .args(["-xf", "start"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let begun = Instant::now();
    let mut done = false;
    while !done && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(50));
        let text = fs::read(&said).unwrap_or_default();
        done = memchr::memmem::find_iter(&text, &format!("Found {LAST}")).count() >= jails;
    }
    server.kill()?;
    server.wait()?;
    if done {
        Ok(())
    } else {
        Err("the reference did not come to an end".into())
    }
}

/// When we read the log: 2026-11-21 21:26:40 UTC.
const NOW: i64 = 1_795_296_400;
/// Whoever fails on the last line.
const LAST: &str = "203.0.113.77";

/// Writes a log as a server has it that is attacked, with sessions of people, jobs and other services; it ends some
/// time before `now`.
fn write_log(path: &Path, lines: usize, scene: &Scene, now: i64) -> Result<(), Trouble> {
    let mut random = Random(0x5EED);
    let mut text = String::new();
    let first = now - 100 - i64::try_from(lines / LINES_A_SECOND)?;
    let mut queue: VecDeque<String> = VecDeque::new();
    for number in 0..lines {
        let at = first + i64::try_from(number / LINES_A_SECOND)?;
        let moment = jiff::Timestamp::from_second(at)?;
        let date = moment.to_zoned(TimeZone::UTC).strftime("%b %d %H:%M:%S");
        let line = if number + 1 == lines {
            format!("sshd[4711]: Failed password for root from {LAST} port 50022 ssh2")
        } else if scene.shape == Shape::Long {
            let filling = "x ".repeat(32 * 1024 - 40);
            match random.below(2) {
                0 => format!("sshd[{}]: Invalid user {filling} from 192.0.2.1", 1 + number),
                _ => format!("app[{}]: {filling}", 1 + number),
            }
        } else if random.below(100) < scene.attacks {
            attack(&mut random)
        } else {
            if queue.is_empty() {
                ordinary(&mut random, &mut queue);
            }
            queue.pop_front().unwrap_or_default()
        };
        writeln!(text, "{date} host1 {line}")?;
    }
    fs::write(path, text)?;
    Ok(())
}

fn attack(random: &mut Random) -> String {
    let (pid, port) = (1_000 + random.below(60_000), 1_024 + random.below(60_000));
    let (net, host) = (random.below(30), 1 + random.below(250));
    let address = format!("198.18.{net}.{host}");
    let user = random.one_of(&["root", "admin", "test", "oracle", "ubuntu", "git", "postgres"]);
    match random.below(8) {
        0..3 => format!("sshd[{pid}]: Failed password for {user} from {address} port {port} ssh2"),
        3 => format!("sshd[{pid}]: Failed password for invalid user {user} from {address} port {port} ssh2"),
        4 => format!("sshd[{pid}]: Invalid user {user} from {address} port {port}"),
        5 => format!(
            "sshd[{pid}]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={address}  user={user}"
        ),
        6 => format!(
            "sshd[{pid}]: Connection closed by authenticating user {user} {address} port {port} [preauth]"
        ),
        _ => format!("sshd[{pid}]: Received disconnect from {address} port {port}:11: Bye Bye [preauth]"),
    }
}

/// Something that belongs together, or a single line.
fn ordinary(random: &mut Random, queue: &mut VecDeque<String>) {
    let pid = 1_000 + random.below(60_000);
    let user = random.one_of(&["alice", "bob", "carol", "deploy", "backup"]);
    match random.below(10) {
        0..2 => {
            let (port, host) = (1_024 + random.below(60_000), 1 + random.below(250));
            let address = format!("192.0.2.{host}");
            queue.extend([
                format!("sshd[{pid}]: Accepted publickey for {user} from {address} port {port} ssh2: ED25519 SHA256:0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"),
                format!("sshd[{pid}]: pam_unix(sshd:session): session opened for user {user}(uid=1000) by (uid=0)"),
                format!("systemd-logind[612]: New session {pid} of user {user}."),
                format!("sshd[{pid}]: Received disconnect from {address} port {port}:11: disconnected by user"),
                format!("sshd[{pid}]: Disconnected from user {user} {address} port {port}"),
                format!("sshd[{pid}]: pam_unix(sshd:session): session closed for user {user}"),
                format!("systemd-logind[612]: Session {pid} logged out. Waiting for processes to exit."),
                format!("systemd-logind[612]: Removed session {pid}."),
            ]);
        }
        2..7 => queue.extend([
            format!("CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"),
            format!("CRON[{pid}]: pam_unix(cron:session): session closed for user root"),
        ]),
        7 | 8 => queue.extend([
            format!("sudo:    {user} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND=/usr/bin/systemctl status nginx"),
            format!("sudo: pam_unix(sudo:session): session opened for user root(uid=0) by {user}(uid=1000)"),
            "sudo: pam_unix(sudo:session): session closed for user root".to_owned(),
        ]),
        _ => queue.push_back(format!("polkitd(authority=local): Registered Authentication Agent for unix-process:{pid}:1234567 (system bus name :1.234 [/usr/bin/pkttyagent --notify-fd 5 --fallback], object path /org/freedesktop/PolicyKit1/AuthenticationAgent, locale C.UTF-8)")),
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let high = u32::try_from(self.0 >> 33).unwrap_or_default();
        high % limit
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        let count = u32::try_from(words.len()).unwrap_or(1);
        let at = usize::try_from(self.below(count)).unwrap_or_default();
        words.get(at).copied().unwrap_or_default()
    }
}
