//! `stockade tail`: what the jails find and decide, as it happens.
//!
//! In: events from a daemon. Out: a line for each.
//!
//! Invariant: it ends with the daemon, and with whoever reads what it prints.

use std::io::Write as _;

use clap::Args;
use jiff::tz::TimeZone;
use stockade_daemon::zone::local_zone;
use stockade_datetime::duration;
use stockade_protocol::{Command, Value};

use super::client::{Client, Place, Trouble};
use crate::json::convert;

#[derive(Debug, Args)]
pub(super) struct Tail {
    #[command(flatten)]
    place: Place,
    /// Show what happens in this jail only
    #[arg(short, long)]
    jail: Option<String>,
    /// Print JSON, an object for each event
    #[arg(long)]
    json: bool,
}

pub(super) fn tail(tail: Tail) -> Result<(), Trouble> {
    let mut client = Client::connect(&tail.place)?;
    client.ask(&Command::Tail(tail.jail))?;
    let zone = local_zone();
    loop {
        let event = client.hear()?;
        if event.get("event").and_then(Value::as_str) == Some("end") {
            let reason = event.get("reason").map(Value::text).unwrap_or_default();
            return Err(Trouble::Refused(reason));
        }
        let line = if tail.json {
            convert(&event).to_string()
        } else {
            line(&event, &zone)
        };
        // Whoever read it has seen enough.
        if writeln!(std::io::stdout().lock(), "{line}").is_err() {
            return Ok(());
        }
    }
}

/// An event for people to read.
fn line(event: &Value, zone: &TimeZone) -> String {
    let text = |name: &str| event.get(name).map(Value::text).unwrap_or_default();
    let is = |name: &str, value: bool| event.get(name) == Some(&Value::Bool(value));
    let what = text("event");
    let (word, more) = match what.as_str() {
        "ban" => {
            let word = if is("enforced", false) { "would ban" } else { "ban" };
            let lasts = match event.get("bantime").and_then(|bantime| bantime.int().ok()) {
                Some(seconds @ 0..) => format!("for {}", duration::to_text(seconds)),
                Some(_) => "for ever".to_owned(),
                None => String::new(),
            };
            let restored = if is("restored", true) { ", restored" } else { "" };
            (word, lasts + restored)
        }
        "prolong" => ("prolong", format!("until {}", local(event.get("until"), zone))),
        "unban" => (
            "unban",
            match text("cause").as_str() {
                "expired" => "its time is over".to_owned(),
                "asked" => "on request".to_owned(),
                "displaced" => "for newer ones".to_owned(),
                "stop" => "the jail stops".to_owned(),
                other => other.to_owned(),
            },
        ),
        other => (other, String::new()),
    };
    let time = local(event.get("time"), zone);
    let line = format!("{time}  {word:<9}  {}  {}  {more}", text("jail"), text("id"));
    // What an attacker calls himself is no terminal's to obey.
    let plain = |character: char| if character.is_control() { '?' } else { character };
    line.trim_end().chars().map(plain).collect()
}

/// A moment on the clock of this machine.
fn local(seconds: Option<&Value>, zone: &TimeZone) -> String {
    let seconds = seconds.and_then(|seconds| seconds.float().ok()).unwrap_or(0.0);
    let moment = jiff::SignedDuration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|since| jiff::Timestamp::from_duration(since).ok());
    match moment {
        Some(moment) => zone.to_datetime(moment).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        None => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use stockade_protocol::{Happening, Value, What};

    use super::line;

    #[test]
    fn an_event_is_a_line() {
        let ban = |bantime, restored, enforced| What::Ban {
            bantime,
            restored,
            enforced,
        };
        let cases = [
            (What::Found, "found      sshd  192.0.2.1"),
            (What::Attempt, "attempt    sshd  192.0.2.1"),
            (ban(600, false, true), "ban        sshd  192.0.2.1  for 10m"),
            (
                ban(-1, true, true),
                "ban        sshd  192.0.2.1  for ever, restored",
            ),
            (ban(60, false, false), "would ban  sshd  192.0.2.1  for 1m"),
            (
                What::Prolonged {
                    until_micros: 86_400_000_000,
                },
                "prolong    sshd  192.0.2.1  until 1970-01-02 00:00:00",
            ),
            (
                What::Unban { cause: "expired" },
                "unban      sshd  192.0.2.1  its time is over",
            ),
        ];
        for (what, expected) in cases {
            let happening = Happening {
                jail: "sshd".to_owned(),
                id: "192.0.2.1".to_owned(),
                time_micros: 61_250_000,
                what,
            };
            let found = line(&happening.to_value(), &TimeZone::UTC);
            assert_eq!(found, format!("1970-01-01 00:01:01  {expected}"));
        }
        let odd = Value::Dict(vec![
            ("event".into(), "news".into()),
            ("id".into(), "a\u{1b}[2Jb\nc".into()),
        ]);
        assert_eq!(
            line(&odd, &TimeZone::UTC),
            "1970-01-01 00:00:00  news         a?[2Jb?c"
        );
    }
}
