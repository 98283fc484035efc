use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use stockade_datetime::Timestamp;

use stockade_jail::{BanTime, Increment, Match};

use super::{BanData, BanRow, JournalPosition, LogPosition, PERMANENT, Report, RestoreLimits, Store};
use crate::growth::Growth;
use crate::log::Level;

const NOW: i64 = 1_700_000_000;
const WAIT: Duration = Duration::from_secs(30);

#[test]
fn a_new_file_is_the_one_the_reference_makes() {
    let place = Place::new();
    let (store, said) = place.open();
    store.close();
    assert_eq!(
        said.take(),
        [
            format!("INFO Connected to fail2ban persistent database '{place}'"),
            "WARNING New database created. Version '4'".to_owned(),
            "INFO Connection to database closed.".to_owned(),
        ]
    );
    let sample = Connection::open(examples().join("v4-sample.sqlite3")).expect("the sample");
    assert_eq!(layout(&place.connection()), layout(&sample));
    assert_eq!(journal_mode(&place.connection()), "delete");
    assert_eq!(place.rights(), 0o600);
    assert_eq!(place.names(), ["db.sqlite3"]);
}

#[test]
fn only_one_level_of_directories_is_made() {
    let place = Place::new();
    let dir = place.path.parent().expect("a directory").to_owned();
    let (report, _) = recorder();
    let one = dir.join("new/db.sqlite3");
    Store::open(&one.to_string_lossy(), now(), &report)
        .expect("one level")
        .close();
    assert!(one.exists());
    let two = dir.join("a/b/db.sqlite3");
    let error = Store::open(&two.to_string_lossy(), now(), &report)
        .err()
        .expect("two levels");
    assert_eq!(
        error.to_string(),
        format!(
            "[Errno 2] No such file or directory: '{}'",
            dir.join("a/b").display()
        )
    );
}

#[test]
fn what_cannot_be_opened_is_said_as_the_reference_does() {
    let place = Place::new();
    std::fs::create_dir(&place.path).expect("a directory in place of the file");
    let (report, said) = recorder();
    let error = Store::open(&place.to_string(), now(), &report)
        .err()
        .expect("a directory");
    assert_eq!(error.to_string(), "unable to open database file");
    assert_eq!(
        said.take(),
        [format!(
            "ERROR Error connecting to fail2ban persistent database '{place}': unable to open database file"
        )]
    );
}

#[test]
fn old_versions_are_brought_up_to_date() {
    for (version, schema) in [("1", "v1-schema.sql"), ("2", "v2-schema.sql")] {
        let place = Place::new();
        let sql = std::fs::read_to_string(examples().join(schema)).expect("the schema");
        place.connection().execute_batch(&sql).expect("old rows");
        let (store, said) = place.open();
        let bans = store
            .restore(
                "sshd",
                Timestamp::from_seconds(1_417_596_000),
                RestoreLimits {
                    bantime: 600.0,
                    increment: false,
                    maxtime: None,
                    max_matches: 5,
                },
            )
            .expect("the bans");
        let position = store.log_position("sshd", "/var/log/auth.log").expect("the log");
        store.close();
        let backup = format!("{place}.20231114-221320");
        assert_eq!(
            said.take(),
            [
                format!("INFO Connected to fail2ban persistent database '{place}'"),
                format!("INFO Upgrade database: {backup} from version '{version}'"),
                format!("INFO   Database backup created: {backup}"),
                format!("WARNING Database updated from '{version}' to '4'"),
                "INFO Connection to database closed.".to_owned(),
            ]
        );
        let sample = Connection::open(examples().join("v4-sample.sqlite3")).expect("the sample");
        assert_eq!(layout(&place.connection()), layout(&sample), "from {version}");
        assert_eq!(
            bans.iter()
                .map(|ban| (
                    ban.ip.as_str(),
                    ban.timeofban.to_string(),
                    ban.bantime,
                    ban.bancount
                ))
                .collect::<Vec<_>>(),
            [("192.0.2.1", "1417595994.25".to_owned(), 600.0, 1)],
            "from {version}"
        );
        assert_eq!(
            position,
            Some(LogPosition {
                hash: "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
                offset: 0
            })
        );
        let rows: i64 = place
            .connection()
            .query_row("SELECT count(*) FROM bans WHERE bantime=-2", [], |row| row.get(0))
            .expect("the rows");
        assert_eq!(rows, 2, "from {version}");
        let old: i64 = Connection::open(&backup)
            .expect("the copy")
            .query_row("SELECT version FROM fail2banDb", [], |row| row.get(0))
            .expect("its version");
        assert_eq!(old.to_string(), version);
    }
}

#[test]
fn version_3_gets_the_table_of_last_bans() {
    let place = Place::new();
    let sql = std::fs::read_to_string(examples().join("v4-sample-dump.sql")).expect("the dump");
    place.connection().execute_batch(&sql).expect("rows");
    place
        .connection()
        .execute_batch("DROP TABLE bips; UPDATE fail2banDb SET version=3")
        .expect("an older version");
    let (store, _) = place.open();
    store.close();
    let dump = |connection: &Connection| -> Vec<String> {
        connection
            .prepare("SELECT ip||jail||timeofban||bantime||bancount||CAST(data AS TEXT) FROM bips ORDER BY 1")
            .expect("bips")
            .query_map([], |row| row.get(0))
            .expect("rows")
            .map(|row| row.expect("a row"))
            .collect()
    };
    let sample = Connection::open(examples().join("v4-sample.sqlite3")).expect("the sample");
    assert_eq!(dump(&place.connection()), dump(&sample));
}

#[test]
fn a_later_version_is_left_alone() {
    let place = Place::new();
    place
        .connection()
        .execute_batch("CREATE TABLE fail2banDb(version INTEGER); INSERT INTO fail2banDb VALUES(5)")
        .expect("a later version");
    let (report, _) = recorder();
    let error = Store::open(&place.to_string(), now(), &report)
        .err()
        .expect("a later version");
    assert_eq!(
        error.to_string(),
        "Attempt to travel to future version of database ...how did you get here??"
    );
    assert_eq!(place.names(), ["db.sqlite3"]);
}

#[test]
fn a_damaged_file_is_moved_aside() {
    let place = Place::new();
    std::fs::write(&place.path, "this is no database, only some text".repeat(9)).expect("text");
    let (store, said) = place.open();
    store.close();
    assert_eq!(
        said.take(),
        [
            format!("ERROR Error opening fail2ban persistent database '{place}': file is not a database"),
            format!("INFO Trying to repair database {place}"),
            format!("INFO   Database backup created: {place}.20231114-221320"),
            format!(
                "WARNING   nothing could be read; the bans and the positions in logs are lost, but for the copy \
                 '{place}.20231114-221320'"
            ),
            "INFO   Repair seems to be failed, restored 0 byte(s).".to_owned(),
            format!("ERROR   Error repairing of fail2ban database '{place}': Recreate ..."),
            format!("INFO Connected to fail2ban persistent database '{place}'"),
            "WARNING New database created. Version '4'".to_owned(),
            "INFO Connection to database closed.".to_owned(),
        ]
    );
    assert_eq!(place.names(), ["db.sqlite3", "db.sqlite3.20231114-221320"]);
    assert_eq!(place.rights(), 0o600);
}

#[test]
fn of_a_file_that_is_damaged_again_and_again_the_last_copies_are_kept() {
    let place = Place::new();
    for damage in 0..25 {
        std::fs::write(&place.path, format!("no database, {damage}")).expect("text");
        let report: Report = Arc::new(|_, _| {});
        let later = Timestamp::from_seconds(1_700_000_000 + 60 * damage);
        let store = Store::open(&place.to_string(), later, &report).expect("a new database");
        store.close();
    }
    let names = place.names();
    assert_eq!(names.len(), 1 + 10, "{names:?}");
    let newest = std::fs::read_to_string(place.path.with_file_name(names.last().expect("a copy")));
    assert_eq!(newest.expect("the newest copy"), "no database, 24");
}

#[test]
fn what_can_be_read_of_a_damaged_file_is_kept() {
    let place = Place::new();
    let (store, _) = place.open();
    store.add_jail("sshd");
    for last in 0..200 {
        store.record_ban("sshd", &ban(&format!("192.0.2.{last}"), NOW, PERMANENT));
    }
    store.close();
    let damaged = std::fs::read(&place.path).expect("the file");
    // The page of the jails' index, which is looked at when the file is opened.
    let root: u32 = place
        .connection()
        .query_row(
            "SELECT rootpage FROM sqlite_master WHERE name='jails'",
            [],
            |row| row.get(0),
        )
        .expect("its page");
    let mut bytes = damaged;
    let root = root as usize;
    bytes[(root - 1) * 4096..root * 4096].fill(0xff);
    std::fs::write(&place.path, bytes).expect("damage");
    let (store, said) = place.open();
    let said = said.take();
    assert!(
        said.iter()
            .any(|line| line.contains("Repair seems to be successful")),
        "{said:#?}"
    );
    store.add_jail("sshd");
    let bans = store.restore("sshd", now(), unlimited()).expect("the bans");
    assert_eq!(bans.len(), 200);
}

#[test]
fn bans_come_back_as_the_limits_of_their_jail_say() {
    let limits = |bantime, increment, maxtime| RestoreLimits {
        bantime,
        increment,
        maxtime,
        max_matches: 5,
    };
    // The age of the ban and its bantime, the jail's limits, and the bantime it comes back with.
    let cases = [
        ("running", 100, 600.0, limits(600.0, false, None), Some(600.0)),
        ("over", 600, 600.0, limits(600.0, false, None), None),
        (
            "its last second",
            599,
            600.0,
            limits(600.0, false, None),
            Some(600.0),
        ),
        (
            "longer than the jail's",
            100,
            9000.0,
            limits(600.0, false, None),
            Some(600.0),
        ),
        (
            "older than the jail's",
            700,
            9000.0,
            limits(600.0, false, None),
            None,
        ),
        (
            "for ever, cut",
            100,
            PERMANENT,
            limits(600.0, false, None),
            Some(600.0),
        ),
        (
            "for ever, too old",
            700,
            PERMANENT,
            limits(600.0, false, None),
            None,
        ),
        (
            "for ever in a jail for ever",
            99_999,
            PERMANENT,
            limits(PERMANENT, false, None),
            Some(PERMANENT),
        ),
        (
            "long in a jail for ever",
            100,
            9000.0,
            limits(PERMANENT, false, None),
            Some(9000.0),
        ),
        (
            "increment has no limit",
            700,
            9000.0,
            limits(600.0, true, None),
            Some(9000.0),
        ),
        (
            "increment, for ever",
            99_999,
            PERMANENT,
            limits(600.0, true, None),
            Some(PERMANENT),
        ),
        (
            "increment with a limit",
            100,
            9000.0,
            limits(600.0, true, Some(1000.0)),
            Some(1000.0),
        ),
        (
            "increment, over by the limit",
            1000,
            9000.0,
            limits(600.0, true, Some(1000.0)),
            None,
        ),
        (
            "without a bantime of its own",
            100,
            -2.0,
            limits(600.0, false, None),
            Some(600.0),
        ),
        (
            "the jail's, and that is over",
            700,
            -2.0,
            limits(600.0, true, None),
            None,
        ),
        (
            "a fraction",
            100,
            1630.97,
            limits(600.0, true, None),
            Some(1630.97),
        ),
    ];
    for (name, age, bantime, limits, expected) in cases {
        let (store, _) = memory();
        store.add_jail("j");
        store.record_ban("j", &ban("192.0.2.1", NOW - age, bantime));
        let restored = store.restore("j", now(), limits).expect(name);
        assert_eq!(restored.first().map(|ban| ban.bantime), expected, "{name}");
    }
}

#[test]
fn a_ban_time_that_was_asked_for_holds_whatever_the_jails_is() {
    for bantime in [86_400.0, PERMANENT] {
        let (store, _) = memory();
        let of_jail = RestoreLimits {
            bantime: 600.0,
            ..unlimited()
        };
        store.add_jail("j");
        let mut asked = ban("192.0.2.1", NOW - 700, bantime);
        asked.data = br#"{"matches": [], "failures": 0, "asked_bantime": "86400"}"#.to_vec();
        store.record_ban("j", &asked);
        let restored = store.restore("j", now(), of_jail).expect("the bans");
        assert_eq!(restored.first().map(|ban| ban.bantime), Some(bantime));
    }
}

#[test]
fn restored_bans_are_in_the_order_of_their_ids_with_the_lines_the_jail_keeps() {
    let (store, _) = memory();
    store.add_jail("j");
    store.add_jail("other");
    for ip in ["192.0.2.9", "192.0.2.10", "2001:db8::1", "some text"] {
        store.record_ban("j", &ban(ip, NOW, 600.0));
    }
    store.record_ban("other", &ban("192.0.2.11", NOW, 600.0));
    let mut limits = unlimited();
    limits.max_matches = 1;
    let restored = store.restore("j", now(), limits).expect("the bans");
    let ids: Vec<&str> = restored.iter().map(|ban| ban.ip.as_str()).collect();
    assert_eq!(ids, ["192.0.2.10", "192.0.2.9", "2001:db8::1", "some text"]);
    assert_eq!(
        String::from_utf8_lossy(&restored[0].data),
        r#"{"matches": ["two"], "failures": 2}"#
    );
}

#[test]
fn a_ban_is_one_row_of_history_and_the_last_state() {
    let place = Place::new();
    let (store, _) = place.open();
    store.add_jail("j");
    let mut second = ban("192.0.2.1", NOW + 700, 1200.5);
    second.bancount = 2;
    store.record_ban("j", &ban("192.0.2.1", NOW, 600.0));
    store.record_ban("j", &second);
    let history = store
        .history("192.0.2.1", Some("j"))
        .expect("an answer")
        .expect("known");
    assert_eq!((history.bancount, history.bantime), (2, 1200.5));
    assert_eq!(history.timeofban.seconds(), NOW + 700);
    assert_eq!(store.history("192.0.2.2", None).expect("an answer"), None);
    store.record_ban("other", &ban("192.0.2.1", NOW + 900, 600.0));
    let overall = store
        .history("192.0.2.1", None)
        .expect("an answer")
        .expect("known");
    assert_eq!((overall.bancount, overall.timeofban.seconds()), (3, NOW + 900));
    store.close();
    assert_eq!(place.count("bans"), 3);
    assert_eq!(place.count("bips"), 2);
    let types: String = place
        .connection()
        .query_row(
            "SELECT typeof(timeofban)||typeof(bantime)||typeof(data) FROM bans",
            [],
            |row| row.get(0),
        )
        .expect("a row");
    assert_eq!(types, "integerintegerblob");
}

#[test]
fn a_ban_of_a_known_id_is_recorded_as_it_has_grown() {
    let place = Place::new();
    let (store, _) = place.open();
    store.add_jail("j");
    let growth = || Growth::new(Increment::default(), BanTime::from_seconds(600));
    let (sender, grown) = std::sync::mpsc::channel();
    let ban_at = |at: i64| {
        let sender = sender.clone();
        store.record_growing_ban("j", &ban("192.0.2.1", at, 600.0), growth(), move |grown| {
            drop(sender.send(grown));
        });
        assert!(store.commit_pending(Duration::from_secs(10)), "it is written");
        let history = store
            .history("192.0.2.1", Some("j"))
            .expect("an answer")
            .expect("known");
        (history.bancount, history.bantime)
    };
    assert_eq!(ban_at(NOW), (1, 600.0), "the first is as long as any");
    assert_eq!(ban_at(NOW + 700), (2, 1200.0), "the second is twice as long");
    assert_eq!(ban_at(NOW + 2000), (3, 2400.0), "the third again");
    assert_eq!(
        ban_at(NOW + 2000),
        (3, 2400.0),
        "what is read twice is not recorded again"
    );
    let told: Vec<u32> = grown.try_iter().map(|grown| grown.earlier.bans).collect();
    assert_eq!(told, [1, 2, 3], "and the jail hears what was known");
    store.close();
    assert_eq!(place.count("bans"), 3);
}

#[test]
fn forgetting_removes_both_rows() {
    for (name, jail, id, left) in [
        ("one id of one jail", Some("a"), Some("192.0.2.1"), 3),
        ("one id everywhere", None, Some("192.0.2.1"), 2),
        ("a jail", Some("a"), None, 2),
        ("everything", None, None, 0),
        ("nothing", Some("a"), Some("192.0.2.77"), 4),
    ] {
        let place = Place::new();
        let (store, _) = place.open();
        for jail in ["a", "b"] {
            store.add_jail(jail);
            for ip in ["192.0.2.1", "192.0.2.2"] {
                store.record_ban(jail, &ban(ip, NOW, 600.0));
            }
        }
        store.forget(jail, id);
        store.close();
        assert_eq!((place.count("bans"), place.count("bips")), (left, left), "{name}");
    }
}

#[test]
fn purge_removes_what_is_long_over() {
    let age = 86_400;
    for (name, since, bantime, bans, bips) in [
        ("long over", 90_000, 600.0, 0, 0),
        ("over, but long", 90_000, 3600.0, 0, 1),
        ("for ever", 90_000, PERMANENT, 0, 1),
        ("not yet", 80_000, 600.0, 1, 1),
        ("three times the bantime, almost", 86_400 + 1795, 600.0, 0, 1),
        ("three times the bantime", 86_400 + 1805, 600.0, 0, 0),
    ] {
        let place = Place::new();
        let (store, _) = place.open();
        store.add_jail("on");
        store.add_jail("off");
        store.add_log("off", "/var/log/x", &position("h", 1));
        store.disable_jail("off");
        store.record_ban("on", &ban("192.0.2.1", NOW - since, bantime));
        store.purge(now(), age);
        store.close();
        assert_eq!((place.count("bans"), place.count("bips")), (bans, bips), "{name}");
        assert_eq!((place.count("jails"), place.count("logs")), (1, 0), "{name}");
    }
}

#[test]
fn positions_of_logs_are_kept() {
    let place = Place::new();
    let (store, _) = place.open();
    store.add_jail("j");
    assert_eq!(store.log_position("j", "/x").expect("an answer"), None);
    store.add_log("j", "/x", &position("one", 0));
    store.save_position("j", "/x", &position("two", 5_000_000_000));
    store.add_log("j", "/x", &position("three", 0));
    // A position of a jail that is not in the table brings the jail along.
    store.save_position("k", "/x", &position("four", 4));
    store.save_journal_position(
        "j",
        Timestamp::from_micros(1_795_305_578_216_527),
        "2026-11-21T23:59:38.216527+00:00 ",
        Some("s=1;i=2"),
    );
    assert!(store.commit_pending(WAIT));
    assert_eq!(
        store.log_position("j", "/x").expect("an answer"),
        Some(position("two", 5_000_000_000))
    );
    assert_eq!(
        store.log_position("k", "/x").expect("an answer"),
        Some(position("four", 4))
    );
    assert_eq!(
        store.journal_position("j").expect("an answer"),
        Some(JournalPosition {
            time: Timestamp::from_micros(1_795_305_578_216_527),
            cursor: Some("s=1;i=2".to_owned()),
        })
    );
    assert_eq!(store.journal_position("k").expect("an answer"), None);
    // The reference, which knows of no cursor, has read on.
    store.save_journal_position("k", Timestamp::from_seconds(5), "5", Some("c5"));
    store.save_journal_position("k", Timestamp::from_seconds(6), "6", None);
    assert!(store.commit_pending(WAIT));
    assert_eq!(
        store.journal_position("k").expect("an answer"),
        Some(JournalPosition {
            time: Timestamp::from_seconds(6),
            cursor: None,
        })
    );
    store.close();
    let row: (String, f64) = place
        .connection()
        .query_row(
            "SELECT firstlinemd5, lastfilepos FROM logs WHERE path='systemd-journal' AND jail='j'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("the row");
    assert_eq!(
        row,
        (
            "2026-11-21T23:59:38.216527+00:00 ".to_owned(),
            1_795_305_578.216_527
        )
    );
}

#[test]
fn merged_bans_have_the_newest_lines_of_all() {
    let (store, _) = memory();
    store.add_jail("a");
    store.add_jail("b");
    for (jail, at, lines) in [("a", 1, ["1", "2"]), ("b", 2, ["3", "4"]), ("a", 3, ["5", "6"])] {
        let mut row = ban("192.0.2.1", NOW + at, 600.0);
        row.data = data(&lines).to_json(10);
        store.record_ban(jail, &row);
    }
    for (name, jail, max, expected) in [
        (
            "all",
            None,
            10,
            r#"{"matches": ["1", "2", "3", "4", "5", "6"], "failures": 6}"#,
        ),
        (
            "one jail",
            Some("a"),
            10,
            r#"{"matches": ["1", "2", "5", "6"], "failures": 4}"#,
        ),
        (
            "few lines",
            None,
            3,
            r#"{"matches": ["4", "5", "6"], "failures": 6}"#,
        ),
    ] {
        let merged = store.merged("192.0.2.1", jail, max).expect(name).expect(name);
        assert_eq!(String::from_utf8_lossy(&merged.to_json(10)), expected, "{name}");
    }
    assert_eq!(store.merged("192.0.2.2", None, 10).expect("an answer"), None);
}

#[test]
fn what_is_committed_survives_the_death_of_the_process() {
    let place = Place::new();
    let (store, _) = place.open();
    store.add_jail("j");
    for last in 0..5000 {
        store.record_ban("j", &ban(&format!("192.0.2.{last}"), NOW, 600.0));
    }
    assert!(store.commit_pending(WAIT));
    assert_eq!(store.pending(), 0);
    // What another process finds at this instant is what it would find after a kill.
    let after = Place::new();
    for ending in ["", "-wal"] {
        let copied = Command::new("cp")
            .arg(format!("{place}{ending}"))
            .arg(format!("{after}{ending}"))
            .status()
            .expect("cp");
        assert!(copied.success());
    }
    let (reopened, _) = after.open();
    assert_eq!(
        reopened.restore("j", now(), unlimited()).expect("the bans").len(),
        5000
    );
}

#[test]
fn without_a_database_nothing_is_known_and_nothing_fails() {
    let (report, said) = recorder();
    for name in ["none", "None", "NONE"] {
        let store = Store::open(name, now(), &report).expect(name);
        store.add_jail("j");
        store.record_ban("j", &ban("192.0.2.1", NOW, 600.0));
        assert_eq!(store.restore("j", now(), unlimited()).expect(name), []);
        assert_eq!(store.history("192.0.2.1", None).expect(name), None);
        assert!(store.commit_pending(Duration::ZERO));
        assert_eq!(store.path(), None);
        store.close();
    }
    assert_eq!(said.take(), <[String; 0]>::default());
}

#[test]
fn a_locked_file_delays_rows_and_loses_none() {
    let place = Place::new();
    let (store, _) = place.open();
    store.add_jail("j");
    assert!(store.commit_pending(WAIT));
    let other = place.connection();
    other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    store.record_ban("j", &ban("192.0.2.1", NOW, 600.0));
    assert!(!store.commit_pending(Duration::from_millis(50)));
    other.execute_batch("COMMIT").expect("the end of the lock");
    assert!(store.commit_pending(WAIT));
    assert_eq!(place.count("bans"), 1);
}

#[test]
fn while_the_file_is_locked_questions_know_of_what_waits() {
    let place = Place::new();
    let (store, _) = place.open();
    store.add_jail("j");
    let position = |offset| LogPosition {
        hash: "h".to_owned(),
        offset,
    };
    store.record_ban("j", &ban("192.0.2.1", NOW, 600.0));
    store.record_ban("j", &ban("192.0.2.2", NOW, 600.0));
    assert!(store.commit_pending(WAIT));
    let other = place.connection();
    other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    store.record_ban("j", &ban("192.0.2.3", NOW, 600.0));
    store.forget(Some("j"), Some("192.0.2.1"));
    store.save_position("j", "/var/log/some", &position(7));
    let ids = || -> Vec<String> {
        let bans = store.restore("j", now(), unlimited()).expect("the bans");
        bans.into_iter().map(|ban| ban.ip).collect()
    };
    assert_eq!(ids(), ["192.0.2.2", "192.0.2.3"], "as they will be");
    let known = store.log_position("j", "/var/log/some").expect("a position");
    assert_eq!(known, Some(position(7)));
    store.record_ban("j", &ban("192.0.2.4", NOW, 600.0));
    assert_eq!(ids(), ["192.0.2.2", "192.0.2.3", "192.0.2.4"], "a second time");
    assert_eq!(place.count("bips"), 2, "the file is as it was");
    other.execute_batch("COMMIT").expect("the end of the lock");
    assert!(store.commit_pending(WAIT));
    assert_eq!(place.count("bips"), 3);
    assert_eq!(ids(), ["192.0.2.2", "192.0.2.3", "192.0.2.4"], "as they are");
}

#[test]
fn of_a_log_that_is_torn_at_any_byte_whole_transactions_are_left() {
    let place = Place::new();
    let (store, _) = place.open();
    store.add_jail("j");
    for last in 0..6 {
        store.record_ban("j", &ban(&format!("192.0.2.{last}"), NOW, 600.0));
        store.save_position(
            "j",
            "/var/log/some",
            &LogPosition {
                hash: "h".to_owned(),
                offset: last,
            },
        );
        assert!(store.commit_pending(WAIT));
    }
    // As a machine leaves it that dies now: the file, and beside it the log, of which not all has reached the disk.
    let log = PathBuf::from(format!("{place}-wal"));
    let (file, written) = (
        std::fs::read(&place.path).expect("the file"),
        std::fs::read(&log).expect("its log"),
    );
    store.close();
    let mut before = 0;
    for length in (0..=written.len()).step_by(2017) {
        let torn = Place::new();
        std::fs::write(&torn.path, &file).expect("the file");
        let end = written.get(..length).expect("a part of it");
        std::fs::write(format!("{torn}-wal"), end).expect("the log");
        let (store, _) = torn.open();
        let bans = store.restore("j", now(), unlimited()).expect("the bans");
        let position = store.log_position("j", "/var/log/some").expect("a position");
        if let Some(position) = position {
            assert!(
                position.offset < bans.len() as u64,
                "a position without the bans before it, after {length} bytes"
            );
        }
        assert!(bans.len() >= before, "{length} bytes");
        before = bans.len();
        store.close();
    }
    assert!(before >= 5, "{before} bans are left of nearly the whole log");
}

#[test]
fn a_file_that_may_only_be_read_is_refused() {
    let place = Place::new();
    place.open().0.close();
    let mut rights = std::fs::metadata(&place.path).expect("the file").permissions();
    rights.set_readonly(true);
    std::fs::set_permissions(&place.path, rights).expect("other rights");
    let report: Report = Arc::new(|_, _| {});
    match Store::open(&place.to_string(), now(), &report) {
        // Whoever may do everything may write this, too.
        Ok(store) => store.close(),
        Err(error) => assert!(error.to_string().contains("readonly"), "{error}"),
    }
    assert_eq!(place.names(), ["db.sqlite3"], "nothing was moved aside");
}

#[test]
fn the_sample_of_the_reference_is_read() {
    let place = Place::new();
    std::fs::copy(examples().join("v4-sample.sqlite3"), &place.path).expect("a copy");
    let (store, _) = place.open();
    let at = Timestamp::from_seconds(1_795_305_150);
    let mut limits = unlimited();
    limits.increment = true;
    let bans = store.restore("o", at, limits).expect("the bans");
    let ban = bans.first().expect("one ban");
    assert_eq!(
        (ban.ip.as_str(), ban.bantime, ban.bancount),
        ("192.0.2.51", 12.0, 3)
    );
    let data = BanData::from_json(&ban.data);
    assert_eq!(data.failures, 3);
    assert_eq!(data.captured().text("ip4"), Some("192.0.2.51"));
    assert_eq!(
        data.matches.iter().map(ToString::to_string).collect::<Vec<_>>(),
        vec!["1795305149 FAIL 192.0.2.51"; 3]
    );
    assert_eq!(
        store
            .log_position("i", "/var/lib/example/logs/i.txt")
            .expect("an answer"),
        Some(position("7348d9135508e5b21776843cf79325ebe28b7ab1", 162))
    );
}

/// A directory of its own with the path of a database in it.
struct Place {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self {
            path: directory.path().join("db.sqlite3"),
            _directory: directory,
        }
    }

    fn open(&self) -> (Store, Said) {
        let (report, said) = recorder();
        let store = Store::open(&self.to_string(), now(), &report).expect("a database");
        (store, said)
    }

    fn connection(&self) -> Connection {
        Connection::open(&self.path).expect("a database")
    }

    fn count(&self, table: &str) -> i64 {
        self.connection()
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .expect("a number")
    }

    fn rights(&self) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(&self.path)
            .expect("the file")
            .permissions()
            .mode()
            & 0o7777
    }

    fn names(&self) -> Vec<String> {
        let directory = self.path.parent().expect("a directory");
        let mut names: Vec<String> = std::fs::read_dir(directory)
            .expect("the directory")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.path.display().fmt(f)
    }
}

/// What was reported, as `LEVEL text`.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

fn recorder() -> (Report, Said) {
    let said = Said::default();
    let into = said.clone();
    let report: Report = Arc::new(move |level: Level, text: &str| {
        into.0.lock().expect("no panic").push(format!("{level} {text}"));
    });
    (report, said)
}

fn memory() -> (Store, Said) {
    let (report, said) = recorder();
    (Store::open(":memory:", now(), &report).expect("a database"), said)
}

fn now() -> Timestamp {
    Timestamp::from_seconds(NOW)
}

fn unlimited() -> RestoreLimits {
    RestoreLimits {
        bantime: PERMANENT,
        increment: false,
        maxtime: None,
        max_matches: 10,
    }
}

fn position(hash: &str, offset: u64) -> LogPosition {
    LogPosition {
        hash: hash.to_owned(),
        offset,
    }
}

fn data(lines: &[&str]) -> BanData {
    BanData {
        matches: lines.iter().map(|line| Match::Text((*line).to_owned())).collect(),
        failures: 2,
        captured: Vec::new(),
    }
}

fn ban(ip: &str, at: i64, bantime: f64) -> BanRow {
    BanRow {
        ip: ip.to_owned(),
        timeofban: Timestamp::from_seconds(at),
        bantime,
        bancount: 1,
        data: data(&["one", "two"]).to_json(10),
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/examples/db")
}

fn journal_mode(connection: &Connection) -> String {
    connection
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .expect("a mode")
}

/// The tables and indexes, blanks and line ends aside.
fn layout(connection: &Connection) -> Vec<(String, String)> {
    connection
        .prepare("SELECT name, coalesce(sql, '') FROM sqlite_master ORDER BY name")
        .expect("the layout")
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("rows")
        .map(|row| row.expect("a row"))
        .map(|(name, sql): (String, String)| (name, sql.replace([' ', '\n', ';'], "")))
        .collect()
}
