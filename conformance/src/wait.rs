//! Waiting for something to happen: until it does, with an end.

use std::time::{Duration, Instant};

/// How long we wait before looking again, at first and at last: what is short is not made longer.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(50)];

/// Looks with `look` until it has found something; `None` after `limit`.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    let [mut pause, longest] = PAUSES;
    loop {
        let found = look();
        if found.is_some() || Instant::now() > end {
            return found;
        }
        std::thread::sleep(pause);
        pause = longest.min(pause * 2);
    }
}

/// Looks with `look` until it has found something.
///
/// # Panics
///
/// After `limit`, naming `what` was waited for and what `state` has to say about it.
#[track_caller]
pub fn until<T>(
    what: &str,
    limit: Duration,
    state: impl Fn() -> String,
    look: impl FnMut() -> Option<T>,
) -> T {
    match within(limit, look) {
        Some(found) => found,
        None => panic!("waited {} s in vain for {what}\n{}", limit.as_secs(), state()),
    }
}
