//! What time it is here, and how it is written.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use stockade_datetime::{Clock, Timestamp};

/// The local zone.
pub(crate) fn zone() -> TimeZone {
    stockade_daemon::zone::local_zone()
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A clock for dates, and the year it is now.
pub(crate) fn here() -> (Clock, i16) {
    let zone = zone();
    let year = zoned(now(), &zone).year();
    (Clock::new(now(), zone), year)
}

/// A moment as `Tue Jan 02 03:04:05 2024`, in local time.
pub(crate) fn written(time: Timestamp, zone: &TimeZone) -> String {
    zoned(time, zone).strftime("%a %b %d %H:%M:%S %Y").to_string()
}

fn zoned(time: Timestamp, zone: &TimeZone) -> jiff::Zoned {
    jiff::Timestamp::from_second(time.seconds())
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_zoned(zone.clone())
}
