//! Host names → addresses, one after the other: here somebody waits for the answer.
//!
//! Invariant: a name is looked up once, and the number of names that are remembered is bounded.

use std::collections::HashMap;

use stockade_daemon::machine;
use stockade_daemon::resolver::{self, Answer};
use stockade_filter::Address;

/// How many answers are kept; then all are forgotten.
const CACHE: usize = 1000;

/// Looks names up.
#[derive(Default)]
pub(crate) struct Names(HashMap<String, Answer>);

impl Names {
    /// The answer for `name`, and whether it is a new one.
    pub(crate) fn look_up(&mut self, name: &str) -> (Answer, bool) {
        if let Some(answer) = self.0.get(name) {
            return (answer.clone(), false);
        }
        if self.0.len() >= CACHE {
            self.0.clear();
        }
        let mut answer = resolver::look_up(name.to_owned());
        if !machine::has_ipv6() {
            answer.addresses.retain(std::net::IpAddr::is_ipv4);
        }
        self.0.insert(name.to_owned(), answer.clone());
        (answer, true)
    }
}

/// The addresses of an answer.
pub(crate) fn addresses(answer: &Answer) -> Vec<Address> {
    answer.addresses.iter().map(|&ip| Address::single(ip)).collect()
}
