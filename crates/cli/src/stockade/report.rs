//! `stockade report`: tells the daemon that somebody has failed to log in somewhere, or has not.
//!
//! In: the command line. Out: a datagram for each address, on the socket for reports.
//!
//! Nobody answers a report. So whoever may talk to the daemon asks it first whether the jail takes any; for others, as
//! services are, whether it was taken stands in the daemon's log alone.

use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use stockade_daemon::source::{MOST_WEIGHT, REPORT_VERSION};
use stockade_protocol::{Command, Value as Told};

use super::bans::listed;
use super::client::{Client, Place, Trouble};

/// Where the socket is unless somebody says otherwise.
const SOCKET: &str = "/run/stockade/report";

/// How long a daemon may take to have room for a report.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct Report {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Somebody has failed
    Failure(Failure),
    /// Somebody has shown to be who they say
    Success(Success),
}

#[derive(Debug, Args)]
struct Common {
    /// The directory of the configuration [default: /etc/fail2ban]
    #[arg(short = 'c', long = "conf", value_name = "DIR")]
    directory: Option<String>,
    /// The socket for reports, instead of the one that the daemon names [default: /run/stockade/report]
    #[arg(short = 's', long, value_name = "FILE")]
    socket: Option<String>,
    /// The jail
    #[arg(short, long)]
    jail: String,
    /// Who: addresses
    #[arg(required_unless_present = "file", value_name = "ADDRESS")]
    addresses: Vec<IpAddr>,
    /// Report the addresses of this list, too, one on each line, with comments behind `#`; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// The name that was tried
    #[arg(short, long, value_name = "NAME")]
    user: Option<String>,
    /// When, in seconds since 1970 [default: now]
    #[arg(short, long, value_name = "SECONDS")]
    time: Option<f64>,
}

#[derive(Debug, Args)]
struct Failure {
    #[command(flatten)]
    common: Common,
    /// For how many failures it counts
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=MOST_WEIGHT))]
    weight: u64,
    /// A line that shows it, to be kept with the ban; can be repeated
    #[arg(short, long = "match", value_name = "TEXT")]
    matches: Vec<String>,
}

#[derive(Debug, Args)]
struct Success {
    #[command(flatten)]
    common: Common,
}

pub(super) fn report(report: Report) -> Result<(), Trouble> {
    let (event, common, more) = match report.what {
        What::Failure(failure) => {
            let mut more = vec![("weight", json!(failure.weight))];
            if !failure.matches.is_empty() {
                more.push(("matches", json!(failure.matches)));
            }
            ("failure", failure.common, more)
        }
        What::Success(success) => ("success", success.common, Vec::new()),
    };
    let mut addresses = common.addresses;
    if let Some(path) = &common.file {
        for text in listed(path)? {
            let address = text.parse().map_err(|_| Trouble::NoSingleAddress(text))?;
            addresses.push(address);
        }
    }
    let socket = &place_of(&common.jail, common.directory, common.socket)?;
    let trouble = |error: std::io::Error| Trouble::NoReports {
        socket: socket.clone(),
        reason: error.to_string(),
    };
    let sender = UnixDatagram::unbound().map_err(trouble)?;
    sender.set_write_timeout(Some(PATIENCE)).map_err(trouble)?;
    for address in addresses {
        let mut members = Map::new();
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        set("version", json!(REPORT_VERSION));
        set("event", json!(event));
        set("jail", json!(common.jail));
        set("address", json!(address));
        if let Some(user) = &common.user {
            set("user", json!(user));
        }
        if let Some(time) = common.time {
            set("time", json!(time));
        }
        for (name, value) in &more {
            set(name, value.clone());
        }
        let text = Value::Object(members).to_string();
        sender.send_to(text.as_bytes(), socket).map_err(trouble)?;
    }
    Ok(())
}

/// Where the report goes, if the daemon that listens there says nothing against it.
///
/// # Errors
/// Where it knows already that the jail takes none.
fn place_of(jail: &str, directory: Option<String>, socket: Option<String>) -> Result<String, Trouble> {
    let otherwise = || socket.clone().unwrap_or_else(|| SOCKET.to_owned());
    let place = Place {
        directory,
        socket: None,
    };
    // Services may not talk to it, and need not.
    let Ok(mut client) = Client::connect(&place) else {
        return Ok(otherwise());
    };
    let Ok(told) = client.ask(&Command::Get("reportsocket".to_owned())) else {
        return Ok(otherwise());
    };
    // Mode and group stand in brackets behind the path.
    let listens_at = told
        .as_str()
        .and_then(|text| text.split('[').next())
        .map(str::trim);
    let Some(listens_at) = listens_at else {
        return match socket {
            Some(socket) => Ok(socket),
            None => Err(Trouble::NoReportSocket),
        };
    };
    let socket = socket.unwrap_or_else(|| listens_at.to_owned());
    // It may be another daemon that listens there.
    if socket == listens_at {
        let takes = client.ask(&Command::GetJail {
            jail: jail.to_owned(),
            property: "reports".to_owned(),
            arguments: Vec::new(),
        })?;
        if takes != Told::Bool(true) {
            return Err(Trouble::TakesNoReports(jail.to_owned()));
        }
    }
    Ok(socket)
}
