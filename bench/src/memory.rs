//! What a jail remembers of those who have failed takes memory: a million addresses that are tracked.
//!
//! In: nothing. Out: the memory of the process before and after, and what an address takes.

use std::net::{IpAddr, Ipv4Addr};

use stockade_datetime::Timestamp;
use stockade_jail::{Address, Id, Input, Jail, Settings};

use crate::daemon::resident;
use crate::{Trouble, network};

const ADDRESSES: u32 = 1_000_000;
const NOW: i64 = 1_795_300_000;

/// Measures.
pub(crate) fn run() -> Result<(), Trouble> {
    let (mut jail, mut effects) = (Jail::new("sshd", Settings::default()), Vec::new());
    let before = resident("self")?;
    let first = u32::from(Ipv4Addr::new(198, 18, 0, 0));
    for number in 0..ADDRESSES {
        // Past the end of the network for tests lie others; nobody is sent anything.
        let address = Address::single(IpAddr::from(Ipv4Addr::from(first.wrapping_add(number))));
        let at = NOW + i64::from(number / 10_000);
        let found = candidate(address, at, number);
        jail.step(Timestamp::from_seconds(at), Input::Failure(found), &mut effects);
        effects.clear();
    }
    let tracked = jail.status().currently_failed;
    let after = resident("self")?;
    let each = after.saturating_sub(before).saturating_mul(1024) / u64::from(ADDRESSES);
    network::print(&format!(
        "{tracked} addresses tracked, with the line of each: {} MB, {each} bytes each",
        after.saturating_sub(before) / 1000
    ));
    drop(jail);
    Ok(())
}

fn candidate(address: Address, at: i64, number: u32) -> stockade_filter::Candidate {
    let mut captured = stockade_filter::Captured::default();
    let host = address.to_string();
    captured.insert("ip4", stockade_filter::Data::Text(host.as_str().into()));
    stockade_filter::Candidate {
        id: Id::Address(address),
        address: None,
        time: Timestamp::from_seconds(at),
        time_is_whole: true,
        matches: vec![stockade_filter::MatchedLine::new(
            "",
            "Nov 21 21:26:40",
            &format!(
                " host sshd[{number}]: Failed password for invalid user admin from {host} port 50022 ssh2"
            ),
        )],
        captured,
    }
}
