//! Established connections of those who are banned, ended apart from the loop: a machine may have very many.
//!
//! In: addresses and networks, and what of theirs is to end. Out: sockets and flows that are gone, and a record of how
//! many.
//!
//! Invariant: nobody waits for it. What finds no room is left out, and the log says how much that was.

use std::io;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use stockade_sys::Established;

use crate::announcements::ACTIONS;
use crate::log::{Level, Records};

/// How many bans may wait for it; those that wait together are dealt with together.
const QUEUE: usize = 10_000;

/// What of a banned address's connections is ended, as the option `kill-mode` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kill {
    /// The TCP sockets of this machine.
    sockets: bool,
    /// What connection tracking knows of.
    flows: bool,
}

/// A word that is none of `kill-mode`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`kill-mode = {0}` is not known; it is `ss` (sockets of this machine), `conntrack` (flows through it), both with a comma between them, or `none`"
)]
pub struct UnknownKill(String);

impl FromStr for Kill {
    type Err = UnknownKill;

    fn from_str(text: &str) -> Result<Self, UnknownKill> {
        let mut kill = Self::default();
        for word in text.split(',').map(str::trim) {
            match word {
                "ss" => kill.sockets = true,
                "conntrack" => kill.flows = true,
                "" | "none" => {}
                _ => return Err(UnknownKill(text.to_owned())),
            }
        }
        Ok(kill)
    }
}

impl Kill {
    /// Whether nothing is ended.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Who was banned: all from the first to the last address.
pub(crate) type Range = (IpAddr, IpAddr);

/// The thread that ends connections.
#[derive(Debug)]
pub(crate) struct Cutter {
    ranges: SyncSender<(Range, Kill)>,
    /// How many found no room.
    left_out: Arc<AtomicU64>,
}

impl Cutter {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system gives no more threads, or the kernel cannot be asked for it.
    pub(crate) fn start(log: Records) -> io::Result<Self> {
        let mut established = Established::open()?;
        let (ranges, waiting) = sync_channel(QUEUE);
        let left_out = Arc::new(AtomicU64::new(0));
        let missing = Arc::clone(&left_out);
        thread::Builder::new()
            .name("f2b/kill".to_owned())
            .spawn(move || work(&mut established, &waiting, &missing, &log))?;
        Ok(Self { ranges, left_out })
    }

    /// Ends what there is of `range`, soon.
    pub(crate) fn cut(&self, range: Range, kill: Kill) {
        if self.ranges.try_send((range, kill)).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn work(
    established: &mut Established,
    waiting: &Receiver<(Range, Kill)>,
    left_out: &AtomicU64,
    log: &Records,
) {
    // The same reason is said once.
    let mut told = String::new();
    let mut report = |what: &str, ended: io::Result<usize>| match ended {
        Ok(0) => {}
        Ok(count) => log.write(
            Level::INFO,
            ACTIONS,
            &format!("Ended {what} of banned addresses: {count}"),
        ),
        Err(error) => {
            let text = format!("The {what} of banned addresses cannot be ended: {error}");
            if told != text {
                log.write(Level::WARNING, ACTIONS, &text);
                told = text;
            }
        }
    };
    while let Ok(first) = waiting.recv() {
        let together: Vec<(Range, Kill)> = std::iter::once(first)
            .chain(waiting.try_iter().take(QUEUE))
            .collect();
        let missing = left_out.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let text = format!(
                "The connections of {missing} banned addresses were left alone: too many were banned at once"
            );
            log.write(Level::WARNING, ACTIONS, &text);
        }
        let sockets = ranges(&together, |kill| kill.sockets);
        if !sockets.is_empty() {
            let ended = established.end_sockets(|address| is_within(&sockets, address));
            report("connections", ended);
        }
        let flows = ranges(&together, |kill| kill.flows);
        if !flows.is_empty() {
            let ended = established.forget_flows(|address| is_within(&flows, address));
            report("tracked flows", ended);
        }
    }
}

/// The ranges for which something is to be done, in ascending order and apart from each other.
fn ranges(all: &[(Range, Kill)], wants: impl Fn(Kill) -> bool) -> Vec<Range> {
    let mut wanted: Vec<Range> = all
        .iter()
        .filter(|(_, kill)| wants(*kill))
        .map(|(range, _)| *range)
        .collect();
    wanted.sort_unstable();
    let mut apart: Vec<Range> = Vec::with_capacity(wanted.len());
    for (first, last) in wanted {
        match apart.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            Some(_) | None => apart.push((first, last)),
        }
    }
    apart
}

fn is_within(ranges: &[Range], address: IpAddr) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    let before = after.checked_sub(1).and_then(|at| ranges.get(at));
    before.is_some_and(|(_, last)| address <= *last)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Kill, Range, is_within, ranges};

    #[test]
    fn the_option_names_what_is_ended() {
        for (text, expected) in [
            ("", Some((false, false))),
            ("none", Some((false, false))),
            ("ss", Some((true, false))),
            ("conntrack", Some((false, true))),
            ("conntrack, ss", Some((true, true))),
            ("all", None),
        ] {
            let kill = text.parse::<Kill>().ok().map(|kill| (kill.sockets, kill.flows));
            assert_eq!(kill, expected, "{text}");
        }
    }

    #[test]
    fn addresses_are_found_in_the_ranges_that_hold_them() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let range = |first: &str, last: &str| -> Range { (address(first), address(last)) };
        let both: Kill = "ss,conntrack".parse().unwrap();
        let all = [
            (range("192.0.2.0", "192.0.2.127"), both),
            (range("2001:db8::7", "2001:db8::7"), both),
            (range("192.0.2.8", "192.0.2.8"), both),
            (range("203.0.113.9", "203.0.113.9"), "ss".parse().unwrap()),
        ];
        let (sockets, flows) = (ranges(&all, |kill| kill.sockets), ranges(&all, |kill| kill.flows));
        for (text, expected) in [
            ("192.0.2.0", (true, true)),
            ("192.0.2.127", (true, true)),
            ("192.0.2.128", (false, false)),
            ("203.0.113.9", (true, false)),
            ("2001:db8::7", (true, true)),
            ("2001:db8::8", (false, false)),
            ("0.0.0.0", (false, false)),
        ] {
            let found = (
                is_within(&sockets, address(text)),
                is_within(&flows, address(text)),
            );
            assert_eq!(found, expected, "{text}");
        }
    }
}
