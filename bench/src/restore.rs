//! What a restart takes with many bans in the database: from the start of the program to all of them in the kernel.
//!
//! In: the daemon built beside this program, and the reference in `target/reference` where it is there. Everything
//! happens in networks of their own. Out: a line for each figure. The reference is measured on few bans, and its time
//! for one more ban is the difference between two runs; with more bans it gets slower still, for `nft` reads the whole
//! set for each.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use stockade_daemon::store::{BanRow, Store};
use stockade_jail::{Address, BanTime, Id, Ticket, Timestamp};
use stockade_sys::nftables::{Nftables, Set};

use crate::daemon::{self, Daemon, PATIENCE};
use crate::{Trouble, network};

/// How many bans ours restores.
const BANS: u32 = 50_000;
/// How many the reference restores, less and more.
const FEW: [u32; 2] = [50, 350];

const JAIL: &str = "[DEFAULT]\nbantime = 1d\nbanaction = nftables[type=multiport]\n[sshd]\nenabled = true\n\
    port = ssh\nbackend = BACKEND\nlogpath = PLACE/auth.log\n";

/// Measures, in a network of its own.
pub(crate) fn run() -> Result<(), Trouble> {
    if !network::is_own() {
        return network::enter(&["restore"]);
    }
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let place = tempfile::tempdir_in("/var/tmp")?;
        daemon::configure(place.path(), &JAIL.replace("BACKEND", "auto"))?;
        fill(place.path(), BANS)?;
        let begun = Instant::now();
        let _daemon = Daemon::spawn(place.path())?;
        best = best.min(until_held(begun, BANS, daemon::SET)?);
        network::forget()?;
    }
    let ours = best.as_secs_f64();
    network::print(&format!(
        "restore of {BANS} bans: {ours:.3} s from the start of the program, best of 5"
    ));
    let mut times = Vec::new();
    for count in FEW {
        let place = tempfile::tempdir_in("/var/tmp")?;
        if let Err(trouble) = daemon::configure_reference(place.path(), &JAIL.replace("BACKEND", "polling")) {
            network::print(&format!("the reference is not measured: {trouble}"));
            return Ok(());
        }
        fill(place.path(), count)?;
        let begun = Instant::now();
        let _reference = Daemon::spawn_reference(place.path())?;
        let interval = Set {
            interval: true,
            ..daemon::SET
        };
        let took = until_held(begun, count, interval)?;
        network::print(&format!(
            "  the reference, {count} bans: {:.3} s",
            took.as_secs_f64()
        ));
        times.push(took.as_secs_f64());
        network::forget()?;
    }
    if let ([few, more], [less, many]) = (times.as_slice(), FEW) {
        let each = (more - few) / f64::from(many - less);
        let whole = each * f64::from(BANS);
        network::print(&format!(
            "  that is {:.1} ms a ban, {whole:.0} s for {BANS}: {:.0} times as long",
            each * 1e3,
            whole / ours
        ));
    }
    Ok(())
}

/// Puts bans into the database of a place.
fn fill(place: &Path, count: u32) -> Result<(), Trouble> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let now = Timestamp::from_seconds(i64::try_from(seconds)?);
    let path = place.join("db");
    let store = Store::open(&path.to_string_lossy(), now, &(Arc::new(|_, _: &str| {}) as _))?;
    store.add_jail("sshd");
    let first = Ipv4Addr::new(198, 18, 0, 1).to_bits();
    for number in 0..count {
        let address = Address::single(Ipv4Addr::from_bits(first + number * 2).into());
        let ticket = Ticket::new(Id::Address(address), now);
        store.record_ban("sshd", &BanRow::of(&ticket, BanTime::from_seconds(86_400), 10));
        if number % 1000 == 0 && !store.commit_pending(PATIENCE) {
            return Err("the database takes no bans".into());
        }
    }
    store.close();
    Ok(())
}

/// How long it is, from `begun`, until the kernel's set holds so many.
fn until_held(begun: Instant, count: u32, set: Set<'_>) -> Result<Duration, Trouble> {
    let mut nftables = Nftables::open()?;
    while begun.elapsed() < PATIENCE {
        // Until the set is there, listing it fails.
        let held = nftables.list_elements(&set).map_or(0, |held| held.len());
        if u32::try_from(held)? >= count {
            return Ok(begun.elapsed());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Err(format!("{count} bans were not restored within {PATIENCE:?}").into())
}
