//! What clients cost: the round trip of `fail2ban-client status`, beside the reference's client and server; and two
//! hundred clients at once during a burst of bans.
//!
//! In: the programs built beside this one, and the reference. Everything happens in a network of its own. Out: a line
//! for each figure.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use stockade_protocol::framing::TERMINATOR;
use stockade_protocol::{Value, message};
use stockade_sys::nftables::Nftables;

use crate::daemon::{self, Daemon, PATIENCE};
use crate::{Trouble, latency, network};

/// Clients at once.
const CLIENTS: usize = 200;
/// How long each of them thinks before it asks again.
const THINKING: Duration = Duration::from_millis(100);
/// Bans of a burst, and the pause before each: long enough for thousands of answers.
const BANS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(20);
/// How often a client of ours is run, and one of the reference's.
const RUNS: (usize, usize) = (200, 10);

/// The jail of all measurements; the address of an attacker is the end of its line.
const JAIL: &str = "[DEFAULT]\nmaxretry = 1\nbantime = 1h\n[sshd]\nenabled = true\nbackend = polling\nlogpath = PLACE/auth.log\n";

/// Measures, in a network of its own.
pub(crate) fn run() -> Result<(), Trouble> {
    if !network::is_own() {
        return network::enter(&["clients"]);
    }
    let ours = {
        let place = tempfile::tempdir_in("/var/tmp")?;
        daemon::configure(place.path(), JAIL)?;
        let _daemon = Daemon::start(place.path())?;
        let client = std::env::current_exe()?.with_file_name("fail2ban-client");
        let own = || Command::new(&client);
        round_trips("our client, our server", RUNS.0, place.path(), own)?
    };
    let theirs = {
        let place = tempfile::tempdir_in("/var/tmp")?;
        daemon::configure_reference(place.path(), JAIL)?;
        let _daemon = Daemon::spawn_reference(place.path())?;
        let begun = Instant::now();
        while !place.path().join("socket").exists() && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(50));
        }
        thread::sleep(Duration::from_secs(2));
        let reference = || daemon::reference_program("fail2ban-client");
        round_trips("the reference's own", RUNS.1, place.path(), reference)?
    };
    network::print(&format!(
        "status: 1/{:.0} of the reference's time",
        theirs.as_secs_f64() / ours.as_secs_f64()
    ));
    burst(0)?;
    burst(CLIENTS)
}

/// The median time that `fail2ban-client status` takes.
fn round_trips(
    name: &str,
    runs: usize,
    place: &Path,
    client: impl Fn() -> Command,
) -> Result<Duration, Trouble> {
    let mut took = Vec::new();
    for _ in 0..runs {
        let mut command = client();
        command.arg("-c").arg(place.join("etc")).arg("status");
        let begun = Instant::now();
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        took.push(begun.elapsed());
        if !status.success() {
            return Err(format!("{name}: status failed").into());
        }
    }
    let (median, longest) = (at(&mut took, 50), at(&mut took, 100));
    network::print(&format!(
        "status, {name}, {runs} times: median {median:?}, longest {longest:?}"
    ));
    Ok(median)
}

/// Bans, while so many clients ask for the status of the jail.
fn burst(clients: usize) -> Result<(), Trouble> {
    let place = tempfile::tempdir_in("/var/tmp")?;
    daemon::configure(place.path(), JAIL)?;
    let _daemon = Daemon::start(place.path())?;
    thread::sleep(Duration::from_millis(500));
    let socket = place.path().join("socket");
    let over = AtomicBool::new(false);
    let (bans, mut answers) = thread::scope(|scope| -> Result<_, Trouble> {
        let asking: Vec<_> = (0..clients)
            .map(|number| {
                let (socket, over) = (&socket, &over);
                scope.spawn(move || ask(socket, number, over))
            })
            .collect();
        let bans = bans(place.path());
        over.store(true, Ordering::Relaxed);
        let mut answers = Vec::new();
        for client in asking {
            answers.extend(client.join().map_err(|_| "a client panicked")??);
        }
        Ok((bans?, answers))
    })?;
    let mut bans = bans;
    network::print(&format!(
        "{BANS} bans with {clients} clients: median {:?}, 90 % {:?}, longest {:?}",
        at(&mut bans, 50),
        at(&mut bans, 90),
        at(&mut bans, 100)
    ));
    if clients > 0 {
        network::print(&format!(
            "{} answers meanwhile: median {:?}, 99 % {:?}, longest {:?}",
            answers.len(),
            at(&mut answers, 50),
            at(&mut answers, 99),
            at(&mut answers, 100)
        ));
    }
    Ok(())
}

/// How long each ban took, from the line to the element.
fn bans(place: &Path) -> Result<Vec<Duration>, Trouble> {
    let mut log = OpenOptions::new().append(true).open(place.join("auth.log"))?;
    let mut nftables = Nftables::open()?;
    let first = Ipv4Addr::new(198, 18, 0, 1).to_bits();
    (0..BANS)
        .map(|number| {
            thread::sleep(PAUSE);
            latency::ban(&mut log, &mut nftables, Ipv4Addr::from_bits(first + number))
        })
        .collect()
}

/// Asks again and again until it is over; how long each answer took.
fn ask(socket: &Path, number: usize, over: &AtomicBool) -> Result<Vec<Duration>, std::io::Error> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = message(&Value::list(["status", "sshd"]));
    let mut took = Vec::new();
    let mut block = vec![0; 64 * 1024];
    // Not all at the same moment, again and again.
    let part = u32::try_from(number % 50).unwrap_or(0);
    thread::sleep(THINKING * part / 50);
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        stream.write_all(&request)?;
        let mut answer = Vec::new();
        while !answer.ends_with(TERMINATOR) {
            let length = stream.read(&mut block)?;
            if length == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend_from_slice(block.get(..length).unwrap_or_default());
        }
        took.push(begun.elapsed());
        thread::sleep(THINKING);
    }
    Ok(took)
}

/// The time that so many of a hundred are not above.
fn at(took: &mut [Duration], percent: usize) -> Duration {
    took.sort_unstable();
    let place = took.len() * percent / 100;
    took.get(place).or(took.last()).copied().unwrap_or_default()
}
