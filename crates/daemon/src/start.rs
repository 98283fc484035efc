//! The start of the daemon: the log, its place, what it may do, and the jails of the configuration.
//!
//! In: what the configuration and the command line say. Out: a daemon that runs until it is told to end.
//!
//! Invariant: until it is certain that no other daemon runs in this place, nothing of one is touched.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Zoned;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stockade_datetime::Timestamp;
use stockade_protocol::Failure;
use stockade_sys::nftables as kernel;

use crate::PRODUCT;
use crate::activation;
use crate::firewall::{Firewall, FirewallError};
use crate::helper;
use crate::instance::{self, InstanceError, Place};
use crate::log::{Level, Log, TargetError, UnknownLevel};
use crate::manager::State;
use crate::outside::Outside;
use crate::rights::{Rights, Whereabouts};
use crate::server::{Placed, Server};
use crate::world::World;
use crate::zone::local_zone;

const SERVER: &str = "fail2ban.server";

/// What the configuration and the command line say before any jail.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The control socket.
    pub socket: PathBuf,
    /// The file with the process id.
    pub pidfile: PathBuf,
    /// From which level on the log has records.
    pub loglevel: String,
    /// Where the log goes.
    pub logtarget: String,
    /// The socket of the system's logger.
    pub syslogsocket: String,
    /// How often `-v` was given.
    pub verbosity: u8,
    /// Announce bans and change nothing.
    pub observe: bool,
    /// Take the place of whatever is at the path of the socket.
    pub force: bool,
    /// Where the log's first lines say that the configuration came from.
    pub origin: String,
    /// The commands of the configuration.
    pub commands: Vec<Placed>,
    /// The directory of the configuration.
    pub configuration: PathBuf,
    /// Whether programs are started by a helper: this program calls [`crate::helper::run`] under its name.
    pub helper: bool,
    /// Nobody waits for the program to end.
    pub is_in_background: bool,
}

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its place is taken or cannot be used.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The socket that the service manager has given is of no use.
    #[error(
        "the socket that was handed over (LISTEN_FDS) cannot be used; it must be a listening stream socket of the local machine"
    )]
    GivenSocket(#[source] io::Error),
    /// There is no such level.
    #[error("`loglevel` cannot be used: {0}")]
    LogLevel(#[from] UnknownLevel),
    /// The log cannot be opened.
    #[error(
        "`logtarget = {target}` cannot be used; name a file in a directory that exists, STDOUT, STDERR, SYSLOG or SYSTEMD-JOURNAL"
    )]
    LogTarget {
        /// The target as it was given.
        target: String,
        /// Why.
        source: TargetError,
    },
    /// The system refused something the loop cannot do without.
    #[error("the system refused what the daemon cannot do without")]
    System(#[source] io::Error),
    /// No jail could be started.
    #[error("no jail could be started: {0}")]
    Configuration(String),
}

/// Runs the daemon in the foreground until it is told to end.
///
/// `ready` is called once, when clients get answers.
///
/// # Errors
/// Where it cannot start. Nothing of it is left behind then.
pub fn run(start: Start, ready: impl FnOnce()) -> Result<(), StartError> {
    // What the daemon makes is for its owner alone, and so is what its actions make.
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let limit = getrlimit(Resource::Nofile);
    // Every log that is followed is open. Where the limit cannot be raised, what is there has to do.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    );
    let log = open_log(&start)?;
    let given = activation::given().map_err(StartError::GivenSocket)?;
    let is_given = given.is_some();
    if start.helper
        && let Err(error) = helper::start()
    {
        let text =
            format!("There is no process of its own for commands: {error}; the daemon starts them itself");
        log.write(Level::WARNING, SERVER, &text);
    }
    let (listener, cleared) = match given {
        Some(listener) => (listener, false),
        None => {
            if start.force && fs::remove_file(&start.socket).is_ok() {
                log.write(Level::WARNING, SERVER, "Forcing execution of the server");
            }
            instance::claim_socket(&start.socket)?
        }
    };
    // What was given belongs to whoever gave it.
    let mut place = if is_given {
        Place::default()
    } else {
        Place::of(&start.socket)
    };
    log.write(
        Level::INFO,
        SERVER,
        "--------------------------------------------------",
    );
    log.write(Level::INFO, SERVER, &format!("Starting {PRODUCT}"));
    if start.is_in_background {
        log.write(Level::INFO, SERVER, "Daemon started");
    }
    log.write(
        Level::INFO,
        SERVER,
        &format!("This is Stockade {}; {}", env!("CARGO_PKG_VERSION"), start.origin),
    );
    if is_given {
        let address = listener.local_addr().ok();
        let path = address.as_ref().and_then(|address| address.as_pathname());
        let text = format!(
            "Using socket activation, inherited socket '{}'",
            path.unwrap_or(Path::new("")).display()
        );
        log.write(Level::INFO, SERVER, &text);
    }
    if cleared {
        let text = format!(
            "Removed '{}', which a daemon that is gone had left",
            start.socket.display()
        );
        log.write(Level::INFO, SERVER, &text);
    }
    place.write_pid(&start.pidfile)?;
    let (firewall, observes) = open_firewall(&log, start.observe);
    let zone = local_zone();
    let rights = Rights::new(Whereabouts {
        // What was given is not ours to remove.
        socket: (!is_given).then_some(start.socket),
        pidfile: start.pidfile,
        configuration: start.configuration,
    });
    let outside = Outside::open(
        Arc::clone(&log),
        listener,
        firewall,
        observes,
        zone.clone(),
        rights,
    )
    .map_err(StartError::System)?;
    let start_year = Zoned::now().with_time_zone(zone.clone()).year();
    let mut server = Server::new(outside, zone, start_year);
    let streamed = server.stream(now(), start.commands);
    if let (Err(failure), true) = (&streamed, server.jails().is_empty()) {
        let reason = reason(failure);
        log.write(
            Level::ERROR,
            SERVER,
            &format!("No jail could be started: {reason}"),
        );
        server.world().close();
        drop(place);
        return Err(StartError::Configuration(reason));
    }
    server.world().tell_manager(State::Ready);
    ready();
    let world = server.run();
    // As long as the world is there nobody else can take the place, for there is somebody at the socket.
    drop(place);
    drop(world);
    Ok(())
}

fn open_log(start: &Start) -> Result<Arc<Log>, StartError> {
    let log = Log::new(PRODUCT, now());
    log.set_level(&start.loglevel)?;
    log.set_verbosity(start.verbosity);
    let target = |source| StartError::LogTarget {
        target: start.logtarget.clone(),
        source,
    };
    log.set_syslog_socket(&start.syslogsocket).map_err(target)?;
    log.set_target(&start.logtarget, false).map_err(target)?;
    Ok(Arc::new(log))
}

/// The firewall, where it may be changed, and whether bans are only announced; what follows is said plainly.
fn open_firewall(log: &Log, observe: bool) -> (Option<Firewall>, bool) {
    let reason = if observe {
        "as asked for with --observe".to_owned()
    } else {
        match Firewall::open() {
            Ok(firewall) => return (Some(firewall), false),
            Err(FirewallError::Kernel(error @ kernel::Error::NoNftables(_))) => {
                let text = format!("{error}; the stock nftables actions run as commands, as all others do");
                log.write(Level::WARNING, SERVER, &text);
                return (None, false);
            }
            Err(error) => format!("for {error}"),
        }
    };
    let text =
        format!("OBSERVING ONLY: bans are decided and logged as `would ban`, and nobody is banned, {reason}");
    log.write(Level::WARNING, SERVER, &text);
    (None, true)
}

fn reason(failure: &Failure) -> String {
    failure.text()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
