//! `stockade adopt`: takes over from a fail2ban that runs, and `--undo` gives back to it.
//!
//! In: the machine. Out: a plan; and with consent, our daemon in the place of the other, with the same bans in force all
//! the while.
//!
//! Two ways lead there. Where all that the jails do is in the firewall, and in a form that we keep up ourselves, the other
//! daemon is ended so that it cannot clear up, and ours takes over the very rules and sets. Else it is ended orderly, as
//! its actions know how to undo what they have done, and ours does it anew. Back it is always the latter. Meanwhile a
//! table of the firewall refuses all who are banned.
//!
//! Invariant: what is changed stands in the record before it is changed, and each step may be taken twice.

mod bridge;
mod names;
mod record;
mod service;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;
use jiff::Zoned;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use stockade_config::{Mode, Overrides};
use stockade_daemon::store::Foreign;
use stockade_protocol::{Command, Value};
use stockade_sys::nftables::{Error as FirewallError, Nftables};

use super::bans::InForce;
use super::client::{Client, Place, Trouble, reader};
use crate::check;
use crate::files::ConfigurationFiles;
use crate::terminal::{print, prompt};
use bridge::Bridge;
use record::{DIRECTORY, FILE, Record};
pub(super) use service::Failed;
use service::{Init, OURS, REFERENCE, wait_for};

/// How long a daemon may take to end: one that runs a command for each of many bans takes its time.
const END: Duration = Duration::from_secs(300);
/// How long a daemon may take until it answers and has its bans again.
const START: Duration = Duration::from_secs(60);
/// How long the database may be behind the bans.
const COMMIT: Duration = Duration::from_secs(5);

/// How long the actions may be behind what is listed as banned.
const BEHIND: Duration = Duration::from_secs(2);

/// The copy of the database.
const COPY: &str = "before-adoption.sqlite3";

/// The actions that we take over in the firewall as they are: how their names begin.
const FIREWALL_ACTIONS: [&str; 2] = ["nftables", "iptables"];

#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// Go back: fail2ban runs again, with all bans
    #[arg(long)]
    undo: bool,
    /// Do it without asking
    #[arg(short, long)]
    yes: bool,
    /// Take over a configuration with mistakes as well
    #[arg(long, conflicts_with = "undo")]
    force: bool,
}

/// A daemon that runs.
struct Found {
    pid: u32,
    is_ours: bool,
    bans: Vec<InForce>,
    /// The names of the actions of all jails.
    actions: BTreeSet<String>,
    jails: usize,
    version: String,
}

impl Found {
    fn ids(&self) -> impl Iterator<Item = &str> {
        self.bans.iter().map(|ban| ban.id.as_str())
    }

    fn keys(&self) -> BTreeSet<(String, String)> {
        self.bans
            .iter()
            .map(|ban| (ban.jail.clone(), ban.id.clone()))
            .collect()
    }

    fn name(&self) -> String {
        if self.is_ours {
            format!("Stockade (process {})", self.pid)
        } else {
            format!("fail2ban {} (process {})", self.version, self.pid)
        }
    }
}

/// What is known of the machine before anything is done.
struct Machine {
    init: Init,
    daemon: Option<Found>,
    database: Option<PathBuf>,
    warnings: usize,
}

/// Runs the command.
pub(super) fn adopt(adopt: &Adopt) -> Result<(), Trouble> {
    if !geteuid().is_root() {
        return Err(
            Failed::new("only root can change which daemon runs\n  Try `sudo stockade adopt`.").into(),
        );
    }
    let record = Record::read().map_err(|reason| Failed::new(format!(
        "{FILE} cannot be read: {reason}\n  It says what an adoption has changed; put it right, or move it away if you know."
    )))?;
    if adopt.undo {
        undo(record, adopt.yes)
    } else {
        take_over(record, adopt)
    }
}

/// Has our daemon in the place of the other.
fn take_over(record: Option<Record>, adopt: &Adopt) -> Result<(), Trouble> {
    let machine = look(adopt.force)?;
    let ours_runs = machine.daemon.as_ref().is_some_and(|daemon| daemon.is_ours);
    if ours_runs && record.as_ref().is_some_and(|record| record.whole) && names::places().is_empty() {
        print("Stockade has taken over already. `stockade adopt --undo` goes back to fail2ban.");
        return Ok(());
    }
    let stays = stays_in_force(&machine);
    print_plan(&machine, record.is_some(), stays);
    if !consent(adopt.yes, "stockade adopt --yes")? {
        return Ok(());
    }
    let mut record = record.unwrap_or_else(|| Record {
        ran: machine.daemon.as_ref().is_some_and(|daemon| !daemon.is_ours),
        enabled: machine.init.is_enabled(REFERENCE),
        ..Record::default()
    });
    let outcome = carry_out(&mut record, &machine, stays);
    let still_runs = client().is_ok();
    match outcome {
        Ok(()) => Ok(()),
        // Nobody bans any more: better the old state than a half-way one.
        Err(trouble) if !still_runs && record.ran => {
            print(&format!("This did not work: {trouble}\nGoing back."));
            give_back(record, machine.daemon.as_ref().map_or(&[], |daemon| &daemon.bans))?;
            Err(trouble)
        }
        Err(trouble) => {
            print(
                "`stockade adopt --undo` takes back what was done; or put it right and run `stockade adopt` again.",
            );
            Err(trouble)
        }
    }
}

/// Looks at everything that could stand in the way.
fn look(force: bool) -> Result<Machine, Trouble> {
    // Where there is no nftables at all, the commands of the configuration do it.
    if let Err(FirewallError::NotPermitted) = Nftables::open() {
        return Err(Failed::new(
            "the firewall may not be changed from here, so nobody would be banned\n  Run it as root of the machine \
             itself, or in its container with CAP_NET_ADMIN.",
        )
        .into());
    }
    let report = check::check(None);
    if report.errors > 0 && !force {
        return Err(Failed::new(format!(
            "there are mistakes in the configuration ({})\n  `stockade check` shows where they are and what would be \
             right. `--force` takes it over as it is.",
            report.errors
        ))
        .into());
    }
    let files = ConfigurationFiles::new(None);
    let reader = reader(&files, None);
    let early = reader
        .early(&Overrides::default())
        .map_err(|error| Trouble::Configuration(Box::new(error)))?;
    let stream = reader.read(&early, Mode::Start, None);
    if !stream.is_usable() {
        return Err(Trouble::NotUsable);
    }
    let dbfile = stream.commands.iter().find_map(|located| {
        if let Command::Set { option, value } = &located.value
            && option == "dbfile"
        {
            Some(value.text())
        } else {
            None
        }
    });
    let database = dbfile.map(PathBuf::from).filter(|path| path.is_file());
    if let Some(path) = &database {
        drop(open_database(path)?);
    }
    Ok(Machine {
        init: Init::of_machine(),
        daemon: client().ok().map(|mut client| found(&mut client)).transpose()?,
        database,
        warnings: report.warnings,
    })
}

fn open_database(path: &Path) -> Result<Foreign, Failed> {
    Foreign::open(path).map_err(|error| {
        Failed::new(format!(
            "the database {} cannot be used: {error}\n  Put it right, or set `dbfile` in /etc/fail2ban/fail2ban.local.",
            path.display()
        ))
    })
}

fn client() -> Result<Client, Trouble> {
    Client::connect(&Place {
        directory: None,
        socket: None,
    })
}

/// What runs, and whom it has banned.
fn found(client: &mut Client) -> Result<Found, Trouble> {
    let pid = client
        .connection
        .peer()
        .ok_or_else(|| Failed::new("the kernel does not say which process answers on the control socket"))?;
    let jails = client.jails()?;
    let mut actions = BTreeSet::new();
    for (_, names) in client.of_each_jail(None, "actions", &[])? {
        actions.extend(names.iter().map(Value::text));
    }
    Ok(Found {
        pid,
        is_ours: client.connection.leads_to_ours(),
        bans: bans(client)?,
        actions,
        jails: jails.len(),
        version: client.ask(&Command::Version)?.text(),
    })
}

fn bans(client: &mut Client) -> Result<Vec<InForce>, Trouble> {
    let lists = client.of_each_jail(None, "banip", &["--with-time".into()])?;
    Ok(lists
        .iter()
        .flat_map(|(jail, lines)| {
            let lines = lines.iter().filter_map(Value::as_str);
            lines.filter_map(|line| InForce::read(jail, line))
        })
        .collect())
}

/// Whether the rules of the other daemon can stay as they are: all of them are in the firewall, unchanged stock actions
/// make them, and iptables is the one over nftables.
fn stays_in_force(machine: &Machine) -> bool {
    let Some(daemon) = &machine.daemon else {
        return false;
    };
    let is_of_firewall = |name: &String| FIREWALL_ACTIONS.iter().any(|start| name.starts_with(start));
    let wants_iptables = daemon.actions.iter().any(|name| name.starts_with("iptables"));
    machine.database.is_some()
        && Nftables::open().is_ok()
        && daemon.actions.iter().all(is_of_firewall)
        && !changes_firewall_actions()
        && (!wants_iptables || has_iptables_over_nftables())
}

/// Whether somebody has changed what the actions of the firewall do.
fn changes_firewall_actions() -> bool {
    let entries = fs::read_dir("/etc/fail2ban/action.d").into_iter().flatten();
    entries.flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let of_firewall = FIREWALL_ACTIONS.iter().any(|start| name.starts_with(start));
        of_firewall
            && Path::new(&name)
                .extension()
                .is_none_or(|extension| extension != "conf")
    })
}

fn has_iptables_over_nftables() -> bool {
    let output = std::process::Command::new("iptables").arg("--version").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("nf_tables"))
}

fn print_plan(machine: &Machine, is_begun: bool, stays: bool) {
    let Machine {
        init,
        daemon,
        database,
        warnings,
    } = machine;
    match daemon {
        Some(daemon) => print(&format!(
            "{} runs with {} jails and {} bans; services are started by {}.",
            daemon.name(),
            daemon.jails,
            daemon.bans.len(),
            init.name()
        )),
        None => print(&format!(
            "No daemon runs; services are started by {}.",
            init.name()
        )),
    }
    let warned = match warnings {
        0 => "no mistakes".to_owned(),
        1 => "no mistakes, and a warning that `stockade check` shows".to_owned(),
        _ => format!("no mistakes, and {warnings} warnings that `stockade check` shows"),
    };
    print(&format!(
        "Its configuration has {warned}. It is used as it is, and not changed."
    ));
    if is_begun {
        print("An adoption was begun before; it is brought to its end.");
    }
    print("\nThis will be done:");
    let mut steps = Vec::new();
    if let Some(database) = database {
        steps.push(format!(
            "copy the database {} to {DIRECTORY}/{COPY}",
            database.display()
        ));
    }
    steps.push("see to it that the service fail2ban is not started any more".to_owned());
    if let Some(daemon) = daemon.as_ref().filter(|daemon| !daemon.is_ours) {
        steps.push(if stays {
            format!(
                "end process {} so that its rules stay in the firewall, where Stockade takes them over",
                daemon.pid
            )
        } else {
            format!(
                "end process {}, while a table of the firewall refuses everybody who is banned",
                daemon.pid
            )
        });
    }
    steps.push("start Stockade, and compare its bans".to_owned());
    for place in names::places() {
        steps.push(match &place.aside {
            Some(aside) => format!(
                "put Stockade's command in the place of {}, which becomes {}",
                place.path.display(),
                aside.display()
            ),
            None => format!("put Stockade's command at {}", place.path.display()),
        });
    }
    steps.push("have the service stockade started with the machine".to_owned());
    for (number, step) in steps.iter().enumerate() {
        print(&format!("  {}. {step}", number + 1));
    }
    print("`stockade adopt --undo` takes all of it back.\n");
}

/// Whether to go on: as asked for, or as somebody says who is asked.
fn consent(yes: bool, command: &str) -> Result<bool, Trouble> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        print(&format!("Nothing has been done. `{command}` does it."));
        return Ok(false);
    }
    prompt("Go ahead? [y/N] ");
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failed::new(error.to_string()))?;
    let agreed = ["y", "yes"].contains(&line.trim().to_ascii_lowercase().as_str());
    if !agreed {
        print("Nothing has been done.");
    }
    Ok(agreed)
}

fn note(record: &Record) -> Result<(), Failed> {
    record
        .write()
        .map_err(|error| Failed::file(Path::new(FILE), "be written to", &error))
}

/// Does what the plan says.
fn carry_out(record: &mut Record, machine: &Machine, stays: bool) -> Result<(), Trouble> {
    if let Some(database) = &machine.database
        && record.copy.is_none()
    {
        let copy = Path::new(DIRECTORY).join(COPY);
        note(record)?;
        open_database(database)?.copy(&copy).map_err(|error| {
            Failed::new(format!(
                "the database cannot be copied to {}: {error}\n  Make room for it there.",
                copy.display()
            ))
        })?;
        record.copy = Some(copy);
        note(record)?;
        print("The database is copied.");
    }
    if !record.disabled {
        record.disabled = true;
        note(record)?;
    }
    machine.init.disable_reference()?;
    // What it has banned since it was looked at belongs to it as well.
    let theirs = match client() {
        Ok(mut client) => Some(found(&mut client)?).filter(|daemon| !daemon.is_ours),
        Err(_) => None,
    };
    if let Some(daemon) = &theirs {
        put_up(daemon);
    }
    change_daemons(record, machine, theirs.as_ref(), stays)?;
    take_down()?;
    for place in names::places() {
        record.commands.retain(|known| known.path != place.path);
        record.commands.push(place.clone());
        note(record)?;
        names::take(&place)?;
        print(&format!("{} is Stockade's.", place.path.display()));
    }
    machine.init.enable(OURS)?;
    record.whole = true;
    note(record)?;
    if machine.init == Init::Nobody {
        print("Nothing starts Stockade with the machine: see to it that `stockade run` is.");
    }
    print("Stockade has taken over. `stockade adopt --undo` goes back to fail2ban.");
    Ok(())
}

/// Refuses whom a daemon has banned, while there is none.
fn put_up(daemon: &Found) {
    if let Err(error) = Bridge::up(daemon.ids()) {
        print(&format!(
            "The firewall takes no table for the time between ({error}); for a moment nobody is banned."
        ));
    }
}

/// A table that stays up by an error refuses for some minutes who has been pardoned meanwhile, and nobody else.
fn take_down() -> Result<(), Failed> {
    Bridge::down().map_err(|error| {
        Failed::new(format!(
            "the table stockade-handover cannot be removed: {error}\n  `nft delete table inet stockade-handover` does it."
        ))
    })
}

/// Ends theirs and starts ours.
fn change_daemons(
    record: &mut Record,
    machine: &Machine,
    theirs: Option<&Found>,
    stays: bool,
) -> Result<(), Trouble> {
    if let Some(daemon) = theirs {
        let signal = if stays {
            wait_until_kept(machine, daemon);
            Signal::KILL
        } else {
            Signal::TERM
        };
        end(daemon.pid, signal)?;
        machine.init.settle(REFERENCE);
        print(&format!("{} has ended.", daemon.name()));
    }
    if !client().is_ok_and(|client| client.connection.leads_to_ours()) {
        record.started = true;
        note(record)?;
        machine.init.start(OURS)?;
    }
    if !wait_for(START, || client().is_ok()) {
        return Err(Failed::new(
            "Stockade does not answer\n  What its log says last may tell why; `stockade run` says it on the terminal.",
        )
        .into());
    }
    let mut client = client()?;
    if let Some(daemon) = theirs {
        bring_over(&mut client, &daemon.bans)?;
    }
    let ours = found(&mut client)?;
    print(&format!("{} runs, with {} bans.", ours.name(), ours.bans.len()));
    Ok(())
}

/// Waits until the database has all bans: the reference writes them a moment after they are in force.
fn wait_until_kept(machine: &Machine, daemon: &Found) {
    let Some(database) = machine
        .database
        .as_ref()
        .and_then(|path| Foreign::open(path).ok())
    else {
        return;
    };
    let bans = daemon.keys();
    // What is not in it by then is banned anew.
    let _kept = wait_for(COMMIT, || database.kept().is_ok_and(|kept| bans.is_subset(&kept)));
}

/// Ends a process and waits for that.
fn end(pid: u32, signal: Signal) -> Result<(), Failed> {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(process) = process.filter(|process| !process.is_init()) else {
        return Err(Failed::new(format!(
            "the control socket was opened by process {pid}, which is not the daemon itself\n  Stop fail2ban by what \
             has started it, and run `stockade adopt` then."
        )));
    };
    match kill_process(process, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => return Err(Failed::new(format!("process {pid} cannot be ended: {error}"))),
    }
    if wait_for(END, || is_gone(pid)) {
        // Threads that die a moment after the first one still hold the socket, and it seems as if somebody were there.
        let _silent = wait_for(BEHIND, || client().is_err());
        return Ok(());
    }
    Err(Failed::new(format!(
        "process {pid} does not end\n  Its log says what it waits for. End it, and run this again."
    )))
}

/// Removes a socket on which nobody listens any more, as a daemon that was killed leaves it: the reference takes it for
/// another one that runs.
fn clear_socket() {
    let files = ConfigurationFiles::new(None);
    let Ok(early) = reader(&files, None).early(&Overrides::default()) else {
        return;
    };
    let is_socket = fs::symlink_metadata(&early.socket).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && UnixStream::connect(&early.socket).is_err() {
        drop(fs::remove_file(&early.socket));
    }
}

/// Whether a process has ended, though nobody may have asked for its exit status yet.
fn is_gone(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('Z' | 'X'))
}

/// Waits until a daemon has all bans again, and bans anew who is still missing.
fn bring_over(client: &mut Client, bans: &[InForce]) -> Result<(), Trouble> {
    let mut left = missing(client, bans)?;
    wait_for(START, || {
        if let Ok(now) = missing(client, bans) {
            left = now;
        }
        left.is_empty()
    });
    for ban in left {
        let again = Command::SetJail {
            jail: ban.jail.clone(),
            property: "banip".to_owned(),
            arguments: vec![ban.id.as_str().into()],
            multi: false,
        };
        match client.ask(&again) {
            Ok(_) => print(&format!(
                "[{}] {} was not in the database, and is banned anew.",
                ban.jail, ban.id
            )),
            Err(trouble) => print(&format!(
                "[{}] {} is not banned any more: {trouble}",
                ban.jail, ban.id
            )),
        }
    }
    wait_until_in_force(client)
}

/// Waits until what a daemon lists as banned is so: ours says what is still to be done; the reference does not, and is
/// behind by a command for each jail.
fn wait_until_in_force(client: &mut Client) -> Result<(), Trouble> {
    if !client.connection.leads_to_ours() {
        thread::sleep(BEHIND);
        return Ok(());
    }
    let jails = client.jails()?;
    // What an action cannot do is tried again, and told by `stockade banned`.
    let _done = wait_for(BEHIND, || {
        jails
            .iter()
            .all(|jail| client.standings(jail).is_ok_and(|standings| standings.is_empty()))
    });
    Ok(())
}

/// The bans that a daemon does not have and that are not over.
fn missing<'a>(client: &mut Client, bans: &'a [InForce]) -> Result<Vec<&'a InForce>, Trouble> {
    let jails = client.jails()?;
    let present: BTreeSet<(String, String)> = self::bans(client)?
        .into_iter()
        .map(|ban| (ban.jail, ban.id))
        .collect();
    // As the times of bans are printed; such texts compare as what they stand for.
    let now = Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string();
    Ok(bans
        .iter()
        .filter(|ban| ban.is_permanent() || ban.until > now)
        .filter(|ban| jails.contains(&ban.jail))
        .filter(|ban| !present.contains(&(ban.jail.clone(), ban.id.clone())))
        .collect())
}

/// Has the reference run again.
fn undo(record: Option<Record>, yes: bool) -> Result<(), Trouble> {
    let Some(record) = record else {
        print("There is nothing to take back: stockade has adopted nothing here.");
        return Ok(());
    };
    print("This will be done:");
    print("  - end Stockade, while a table of the firewall refuses everybody who is banned");
    for moved in &record.commands {
        print(&format!("  - put {} back", moved.path.display()));
    }
    print(match (record.ran, record.enabled) {
        (true, true) => "  - start fail2ban, now and with the machine, and compare its bans\n",
        (true, false) => "  - start fail2ban, and compare its bans\n",
        (false, true) => "  - have fail2ban started with the machine\n",
        (false, false) => "  - leave fail2ban as it was, ended\n",
    });
    if consent(yes, "stockade adopt --undo --yes")? {
        give_back(record, &[])?;
    }
    Ok(())
}

/// Takes everything back that stands in the record. Where ours does not run, `known` are the bans to be in force.
fn give_back(mut record: Record, known: &[InForce]) -> Result<(), Trouble> {
    let init = Init::of_machine();
    let ours = match client() {
        Ok(mut client) => Some(found(&mut client)?).filter(|daemon| daemon.is_ours),
        Err(_) => None,
    };
    record.whole = false;
    note(&record)?;
    // Whatever has become of our service, the other one is wanted.
    if let Err(failed) = init.disable(OURS) {
        print(&format!(
            "Stockade may still be started with the machine, which is to be put right: {failed}"
        ));
    }
    if let Some(daemon) = &ours {
        if record.ran {
            put_up(daemon);
        }
        end(daemon.pid, Signal::TERM)?;
        init.settle(OURS);
        print(&format!("{} has ended.", daemon.name()));
    }
    while let Some(moved) = record.commands.pop() {
        names::give_back(&moved)?;
        note(&record)?;
    }
    if record.disabled {
        init.enable_reference(record.enabled)?;
    }
    if record.ran {
        if client().is_err() {
            clear_socket();
            init.start(REFERENCE)?;
        }
        if !wait_for(START, || client().is_ok()) {
            return Err(Failed::new(
                "fail2ban does not answer\n  Its log says why; put it right and run `stockade adopt --undo` again.",
            )
            .into());
        }
        let mut client = client()?;
        bring_over(&mut client, ours.as_ref().map_or(known, |daemon| &daemon.bans))?;
        let theirs = found(&mut client)?;
        print(&format!(
            "{} runs, with {} bans.",
            theirs.name(),
            theirs.bans.len()
        ));
    }
    take_down()?;
    Record::remove().map_err(|error| Failed::file(Path::new(FILE), "be removed", &error))?;
    print("All is as it was before.");
    if let Some(copy) = &record.copy {
        print(&format!(
            "The copy of the database of then is still there: {}",
            copy.display()
        ));
    }
    Ok(())
}
