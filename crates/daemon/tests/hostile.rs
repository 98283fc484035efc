//! What an attacker writes is what a command is given: nothing of it is executed, and nothing is left out but NULs.
#![expect(
    clippy::disallowed_methods,
    reason = "a test looks at files, and stops at the first surprise"
)]

use std::fs;

use stockade_action::facts::{BanFacts, Bans, JailFacts, Past};
use stockade_action::tags::{Facts, HostNames};
use stockade_daemon::judge::ask_now;
use stockade_datetime::Timestamp;
use stockade_filter::Data;
use stockade_jail::{BanTime, Id, Match, Ticket};
use tempfile::TempDir;

/// Values that mean something to a shell, a mail program, `printf`, a terminal or a file name.
const VALUES: [&str; 26] = [
    "$(touch DIR/canary)",
    "`touch DIR/canary`",
    "';touch DIR/canary;'",
    "\";touch DIR/canary;\"",
    "\\\";touch DIR/canary;\\\"",
    "x;touch DIR/canary",
    "x&touch DIR/canary&",
    "x|touch DIR/canary",
    "x\ntouch DIR/canary\n",
    "x\r\ntouch DIR/canary\r\nTo: root",
    "x>DIR/canary",
    "x\0;touch DIR/canary",
    "~!touch DIR/canary",
    "x\n~!touch DIR/canary\n~r DIR/secret",
    "\n.\nQUIT\n",
    "%s%n%x%99999999d",
    "\u{1b}[2J\u{1b}]0;x\u{7}\u{8}\u{7f}\u{9b}",
    "\u{202e}\u{feff}é\u{1f600}",
    "-rf / --",
    "* ? [a-z] {a,b} ~ !! ^x^y",
    "$0 $1 ${10} $f2bV_ip $IFS$9",
    "<ip> <matches> <F-USER> <actionban>",
    "#x",
    "\\",
    "A=B",
    " \t ",
];

/// Each tag that an attacker has a say in.
const TAGS: [&str; 12] = [
    "ip",
    "fid",
    "matches",
    "ipmatches",
    "ipjailmatches",
    "F-USER",
    "F-MATCHES",
    "F-*",
    "F-ID",
    "raw-ticket",
    "ip-host",
    "jail.name",
];

#[test]
fn no_value_is_executed_split_or_lost() {
    let directory = TempDir::with_prefix("stockade-hostile-").unwrap();
    let here = directory.path().display().to_string();
    let host = HostNames::default();
    let long = "x'".repeat(40_000);
    let longer = "x".repeat(3_000_000);
    for value in VALUES.into_iter().chain([long.as_str(), longer.as_str()]) {
        let value = value.replace("DIR", &here);
        let facts = facts(&value);
        let mut command = String::new();
        for (number, tag) in TAGS.iter().enumerate() {
            command.push_str(&format!("printf '%s' \"<{tag}>\" > {here}/{number}\n"));
        }
        assert_eq!(ask_now(&command, &facts, &host, 1), Ok(true), "{value:.40?}");
        for (number, tag) in TAGS.iter().enumerate() {
            let written = fs::read(directory.path().join(number.to_string())).unwrap();
            let mut expected = facts.value(tag).unwrap().replace('\0', "");
            expected.truncate(written.len().max(1024));
            assert_eq!(
                String::from_utf8_lossy(&written),
                expected,
                "{tag} of {value:.40?}"
            );
            assert!(written.len() >= expected.len().min(64 * 1024 - 4), "{tag}");
        }
        // Whoever forgets the quotes has it split at blanks and its patterns looked up, and no more.
        let forgotten: String = TAGS.iter().map(|tag| format!("set -- <{tag}>\n")).collect();
        if !value.starts_with("-rf") {
            let ran = ask_now(&forgotten, &facts, &host, 1);
            assert!(ran.is_ok() || value.contains('\0'), "{ran:?}");
        }
        assert!(!directory.path().join("canary").exists(), "{value:.40?}");
    }
}

/// A ban in which everything that comes from a log is this value.
fn facts(value: &str) -> BanFacts {
    let mut ticket = Ticket::new(Id::parse(value), Timestamp::from_seconds(1_790_000_000));
    ticket.matches = vec![Match::Text(value.to_owned()), Match::Text(value.to_owned())];
    ticket.captured.insert("user", Data::Text(value.into()));
    let bans = Bans {
        failures: 3,
        lines: vec![value.to_owned()],
    };
    let jail = JailFacts {
        name: "sshd".to_owned(),
        bantime: BanTime::from_seconds(600),
        banned: 0,
        banned_total: 0,
        found: 0,
        found_total: 0,
        now: Timestamp::from_seconds(1_790_000_001),
    };
    let past = Past {
        everywhere: Some(bans.clone()),
        here: Some(bans),
    };
    BanFacts {
        past,
        host: Some(value.to_owned()),
        ..BanFacts::new(ticket, jail)
    }
}
