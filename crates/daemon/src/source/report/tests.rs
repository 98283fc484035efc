//! Datagrams as services send them, and as attackers might.

use std::os::unix::net::UnixDatagram;

use proptest::prelude::*;
use rustix::process::geteuid;
use stockade_datetime::Timestamp;

use super::{Report, Reported, Reports, Senders, count_members, parse};

const NOW: Timestamp = Timestamp::from_seconds(1_795_304_956);
const SENDER: (u32, i32) = (33, 4711);

fn read(text: &str) -> Result<Report, String> {
    parse(text.as_bytes(), NOW, SENDER)
}

#[test]
fn a_report_says_what_happened() {
    let report = read(
        r#"{"version": 1, "event": "failure", "jail": "web", "address": "::ffff:192.0.2.1", "user": "a\nb",
            "weight": 3, "time": 1795304950.25, "matches": ["one", "two\u0000"]}"#,
    );
    let expected = Report {
        jail: "web".to_owned(),
        address: "192.0.2.1".parse().unwrap(),
        what: Reported::Failure {
            weight: 3,
            matches: vec!["one".to_owned(), "two\u{fffd}".to_owned()],
        },
        user: Some("a\u{fffd}b".to_owned()),
        time: Timestamp::from_micros(1_795_304_950_250_000),
        sender: SENDER,
    };
    assert_eq!(report, Ok(expected));
    let least = read(r#"{"version":1,"event":"success","jail":"web","address":"2001:db8::1"}"#).unwrap();
    assert_eq!(
        (least.what, least.user, least.time),
        (Reported::Success, None, NOW)
    );
    let ahead = read(r#"{"version":1,"event":"success","jail":"w","address":"192.0.2.1","time":9e10}"#);
    assert_eq!(ahead.unwrap().time, NOW, "a clock that is ahead");
}

#[test]
fn what_a_user_types_is_cut_and_never_a_reason_to_refuse() {
    let name = "x".repeat(5000);
    let text =
        format!(r#"{{"version":1,"event":"failure","jail":"w","address":"192.0.2.1","user":"{name}"}}"#);
    assert_eq!(read(&text).unwrap().user.unwrap().len(), super::USER_LIMIT);
}

#[test]
fn what_is_no_report_is_refused_and_says_why() {
    let with =
        |more: &str| format!(r#"{{"version":1,"event":"failure","jail":"w","address":"192.0.2.1"{more}}}"#);
    for (text, why) in [
        (String::new(), "no JSON"),
        ("failure".to_owned(), "no JSON"),
        ("[]".to_owned(), "no JSON object"),
        ("{}".to_owned(), "'version' is missing"),
        (with(r#","version":1"#), "twice"),
        (with(r#","address":"203.0.113.9""#), "twice"),
        (with(r#","Weight":1"#), "no 'Weight'"),
        (with(r#","weight":0"#), "'weight'"),
        (with(r#","weight":1001"#), "'weight'"),
        (with(r#","weight":1.5"#), "'weight'"),
        (with(r#","weight":"1""#), "'weight'"),
        (with(r#","user":7"#), "'user'"),
        (with(r#","time":-1"#), "'time'"),
        (with(r#","time":"now""#), "'time'"),
        (with(r#","matches":"x""#), "'matches'"),
        (with(r#","matches":[1]"#), "'matches'"),
        (with("} {"), "no JSON"),
        (
            r#"{"version":2,"event":"failure","jail":"w","address":"192.0.2.1"}"#.to_owned(),
            "'version'",
        ),
        (
            r#"{"version":1,"event":"attack","jail":"w","address":"192.0.2.1"}"#.to_owned(),
            "'event'",
        ),
        (
            r#"{"version":1,"event":"failure","jail":"w","address":"192.0.2.0/24"}"#.to_owned(),
            "no address",
        ),
        (
            r#"{"version":1,"event":"failure","jail":"w","address":"host.example"}"#.to_owned(),
            "no address",
        ),
        (
            r#"{"version":1,"event":"failure","address":"192.0.2.1"}"#.to_owned(),
            "'jail' is missing",
        ),
        (
            r#"{"version":1,"event":"success","jail":"w","address":"192.0.2.1","weight":1}"#.to_owned(),
            "a success",
        ),
    ] {
        let refusal = read(&text).unwrap_err();
        assert!(refusal.contains(why), "{text}: {refusal}");
        assert!(refusal.len() < 300 && !refusal.contains('\n'), "{refusal}");
    }
}

#[test]
fn members_are_counted_where_they_stand() {
    for (json, count) in [
        ("{}", 0),
        (r#"{"a":1}"#, 1),
        (r#"{"a:b":":","c":{"d":1},"e":["\":"]}"#, 3),
        (r#"{"a\\":"\\","a\"":1}"#, 2),
    ] {
        assert_eq!(count_members(json.as_bytes()), count, "{json}");
    }
}

#[test]
fn the_kernel_says_who_reports_and_the_jail_whether_it_may() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report");
    let mut reports = Reports::new();
    assert!(reports.set_socket("report").is_err(), "no path");
    reports.set_socket(&path.display().to_string()).unwrap();
    reports.set_jail("web", Some(Senders::default()));
    let sender = UnixDatagram::unbound().unwrap();
    let report =
        |jail: &str| format!(r#"{{"version":1,"event":"failure","jail":"{jail}","address":"192.0.2.1"}}"#);
    for text in [&report("web"), "junk", &report("other"), &report("web")] {
        sender.send_to(text.as_bytes(), &path).unwrap();
    }
    let mut taken = Vec::new();
    let told = reports.ready(NOW, &mut |report| taken.push(report));
    let us = (geteuid().as_raw(), i32::try_from(std::process::id()).unwrap());
    assert_eq!(
        taken.iter().map(|report| report.sender).collect::<Vec<_>>(),
        [us, us]
    );
    assert!(
        told.unwrap().starts_with("A report was refused: it is no JSON"),
        "the first is told of"
    );
    assert_eq!(reports.counts(), (2, 2, "no jail 'other' takes reports"));
    // Within the minute the log is left alone, and then it is told of all.
    for (seconds, is_told) in [(1, false), (59, false), (60, true), (61, false)] {
        sender.send_to(b"{}", &path).unwrap();
        let told = reports.ready(NOW.plus_seconds(seconds), &mut |_| panic!("no report"));
        assert_eq!(told.is_some(), is_told, "after {seconds} s: {told:?}");
    }
    // Longer than any report is.
    let long = format!("{}{}", report("web"), " ".repeat(super::REPORT_LIMIT));
    sender.send_to(long.as_bytes(), &path).unwrap();
    reports.ready(NOW, &mut |_| panic!("no report"));
    assert!(reports.counts().2.contains("longer"), "{:?}", reports.counts());

    reports.set_jail("web", None);
    sender.send_to(report("web").as_bytes(), &path).unwrap();
    reports.ready(NOW, &mut |_| panic!("no report"));
    reports.set_socket("none").unwrap();
    assert!(!path.exists() && reports.socket().is_none());
}

#[test]
fn others_are_let_in_by_number() {
    let senders = Senders::new([33]);
    assert!(senders.include(0) && senders.include(33) && senders.include(geteuid().as_raw()));
    assert!(!senders.include(34));
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _refused = parse(&bytes, NOW, SENDER);
        let _counted = count_members(&bytes);
    }

    #[test]
    fn nothing_that_nearly_is_a_report_does_harm(
        key in prop::sample::select(vec!["version", "event", "jail", "address", "user", "weight", "time", "matches"]),
        value in prop::sample::select(vec!["1", "-1", "1e400", "null", "\"\"", "\"failure\"", "[]", "[[]]", "{\"a\":1}",
            "18446744073709551616", "\"\\ud800\"", "\"192.0.2.1\"", "true"]),
        tail in "[ -~]{0,20}",
    ) {
        let text = format!(r#"{{"version":1,"event":"failure","jail":"w","address":"192.0.2.1","{key}":{value}}}{tail}"#);
        let _refused = parse(text.as_bytes(), NOW, SENDER);
        let text = format!(r#"{{"version":1,"event":"failure","jail":"w","{key}":{value},"address":"{tail}"}}"#);
        let _refused = parse(text.as_bytes(), NOW, SENDER);
    }
}
