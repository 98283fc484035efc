//! The time zone of this machine.
//!
//! In: `TZ` and `/etc/localtime`. Out: the rules of local time, without a look at the zones of the whole world: a
//! client that prints one line has no time for that.

use std::fs;

use jiff::tz::TimeZone;

/// Where the system keeps the rules of its zone.
const LOCALTIME: &str = "/etc/localtime";

/// The zone of this machine, UTC where none is set.
#[must_use]
pub fn local_zone() -> TimeZone {
    if std::env::var_os("TZ").is_some() {
        return TimeZone::system();
    }
    let rules = fs::read(LOCALTIME).ok();
    rules
        .and_then(|rules| TimeZone::tzif("", &rules).ok())
        .unwrap_or(TimeZone::UTC)
}
