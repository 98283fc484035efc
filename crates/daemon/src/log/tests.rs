use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use jiff::tz::{self, TimeZone};
use stockade_datetime::Timestamp;

use super::{Flushed, HELD_AT_MOST, Level, Log, TargetError};

const NOW: Timestamp = Timestamp::from_micros(1_795_303_768_260_999);

#[test]
fn records_look_as_those_of_the_reference() {
    let pid = std::process::id();
    for (options, expected) in [
        (
            "",
            format!(
                "2026-11-21 23:29:28,260 fail2ban.actions        [{pid}]: NOTICE  [sshd] Ban 192.0.2.1\n"
            ),
        ),
        (
            "[padding=off]",
            format!("2026-11-21 23:29:28,260 fail2ban.actions[{pid}]: NOTICE [sshd] Ban 192.0.2.1\n"),
        ),
        (
            "[datetime=off]",
            format!("fail2ban.actions        [{pid}]: NOTICE  [sshd] Ban 192.0.2.1\n"),
        ),
        (
            "[datetime=off,padding=off]",
            format!("fail2ban.actions[{pid}]: NOTICE [sshd] Ban 192.0.2.1\n"),
        ),
        (
            r#"[format="%(asctime)s|%(levelname)-8s|%(name).5s|%(process)d|%(levelno)04d|%(message)s|%(msecs)d|%(nope)s|%%"]"#,
            format!(
                "2026-11-21 23:29:28,260|NOTICE  |fail2|{pid}|0025|[sshd] Ban 192.0.2.1|260|%(nope)s|%\n"
            ),
        ),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let log = log();
        log.set_target(&format!("{}{options}", path.display()), false)
            .expect("a file");
        log.write_at(NOW, Level::NOTICE, "fail2ban.actions", "[sshd] Ban 192.0.2.1");
        log.write_at(NOW, Level::DEBUG, "fail2ban.actions", "not shown");
        assert_eq!(read(&path), expected, "{options}");
        let rights = std::fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(rights & 0o777, 0o600);
    }
}

#[test]
fn what_is_held_is_written_in_order_and_is_bounded() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let log = log();
    log.set_target(&format!("{}[format=%(message)s]", path.display()), false)
        .expect("a file");
    let say = |text: &str| log.write_at(NOW, Level::NOTICE, "fail2ban.actions", text);
    say("a");
    log.hold();
    say("b");
    log.hold();
    say("c");
    assert_eq!(read(&path), "a\n");
    log.release();
    say("d");
    assert_eq!(read(&path), "a\nb\nc\nd\n");
    log.hold();
    say(&"e".repeat(HELD_AT_MOST));
    assert!(read(&path).ends_with("ee\n"), "there is no room for more");
    say("f");
    assert_eq!(log.flush(), Flushed::RolledOver);
    assert!(read(&path).contains("\nf\n"), "it belongs to the file of before");
}

#[test]
fn more_verbose_records_look_as_those_of_the_reference() {
    for (verbosity, expected) in [
        (2, " 2026-11-21 23:29:28,260 THREAD WARNI text\n"),
        (3, " +  112 THREAD fail2ban.database         WARNI text\n"),
        (
            4,
            " +  112 THREAD fail2ban.database         WARNI |        database-30:                      | text\n",
        ),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let log = Log::in_zone("Fail2ban v1", NOW.plus_micros(-112_500), Some(TimeZone::UTC));
        log.set_verbosity(verbosity);
        log.set_target(&path.to_string_lossy(), false).expect("a file");
        log.write_at(NOW, Level::WARNING, "fail2ban.database", "text");
        let thread = format!("{:012X}", rustix::thread::gettid().as_raw_nonzero());
        assert_eq!(read(&path).replace(&thread, "THREAD"), expected, "{verbosity}");
    }
}

#[test]
fn times_are_local() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let zone = TimeZone::fixed(tz::offset(-5));
    let log = Log::in_zone("Fail2ban v1", NOW, Some(zone));
    log.set_target(&path.to_string_lossy(), false).expect("a file");
    for micros in [0, 739_000, 740_000] {
        log.write_at(NOW.plus_micros(micros), Level::INFO, "x", "t");
    }
    let text = read(&path);
    let times: Vec<&str> = text.lines().filter_map(|line| line.get(11..23)).collect();
    assert_eq!(times, ["18:29:28,260", "18:29:28,999", "18:29:29,000"]);
}

#[test]
fn the_target_changes_at_run_time_and_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let (first, second) = (directory.path().join("one"), directory.path().join("two"));
    let log = log();
    log.set_target(&first.to_string_lossy(), false).expect("a file");
    log.set_target(&second.to_string_lossy(), true).expect("a file");
    // The same name again changes nothing, whatever the options.
    log.set_target(&format!("{}[padding=off]", second.display()), true)
        .expect("a file");
    assert_eq!(log.target().as_deref(), second.to_str());
    let bad = directory.path().join("no/such");
    assert_eq!(
        log.set_target(&bad.to_string_lossy(), true),
        Err(TargetError::Refused)
    );
    assert_eq!(log.target().as_deref(), second.to_str());
    assert_eq!(read(&first), "");
    assert_eq!(
        texts(&second),
        [
            "INFO    Start Fail2ban v1".to_owned(),
            format!(
                "INFO    Changed logging target to {} for Fail2ban v1",
                second.display()
            ),
            format!("ERROR   Unable to log to '{}'", bad.display()),
            format!("INFO    Logging to previous target '{}'", second.display()),
        ]
    );
}

#[test]
fn a_renamed_file_is_left_on_flush() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let log = log();
    log.set_target(&path.to_string_lossy(), false).expect("a file");
    log.write(Level::INFO, "x", "one");
    std::fs::rename(&path, directory.path().join("log.1")).expect("a rename");
    log.write(Level::INFO, "x", "two");
    assert_eq!(log.flush(), Flushed::RolledOver);
    log.write(Level::INFO, "x", "three");
    assert_eq!(
        texts(&directory.path().join("log.1")),
        ["INFO    one", "INFO    two"]
    );
    assert_eq!(
        texts(&path),
        [
            format!("INFO    rollover performed on {}", path.display()),
            "INFO    three".to_owned()
        ]
    );
}

#[test]
fn syslog_gets_datagrams() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let pid = std::process::id();
    let log = log();
    log.set_syslog_socket(&path.to_string_lossy()).expect("a setting");
    let file = directory.path().join("file");
    log.set_target(&file.to_string_lossy(), false).expect("a file");
    assert_eq!(log.set_target("SYSLOG", true), Err(TargetError::Refused));
    let socket = UnixDatagram::bind(&path).expect("a socket");
    log.set_target("SYSLOG[facility=FOO]", true).expect("a socket");
    log.set_target(&file.to_string_lossy(), false).expect("a file");
    log.set_target("SYSLOG[facility=AUTH]", false).expect("a socket");
    log.write(Level::NOTICE, "fail2ban.actions", "[sshd] Ban 192.0.2.1");
    // Whoever listens may be restarted.
    drop(socket);
    log.write(Level::INFO, "x", "lost");
    std::fs::remove_file(&path).expect("the socket");
    let socket2 = UnixDatagram::bind(&path).expect("a socket");
    log.write(Level::INFO, "x", &"long ".repeat(200_000));
    assert_eq!(log.flush(), Flushed::Flushed);
    assert_eq!(
        texts(&file),
        [
            format!(
                "ERROR   Syslog socket file: {} does not exists or is not a socket",
                path.display()
            ),
            "ERROR   Unable to set facility 'FOO', using 'DAEMON'".to_owned(),
        ]
    );
    let mut buffer = vec![0; 300_000];
    let received = |buffer: &mut Vec<u8>| {
        let length = socket2.recv(buffer).expect("a datagram");
        String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned()
    };
    let long = received(&mut buffer);
    assert!(long.starts_with(&format!("<38>x[{pid}]: INFO long long ")), "cut");
    assert!(long.ends_with('\0') && long.len() < 9000, "{}", long.len());
    assert_eq!(
        received(&mut buffer),
        format!("<36>fail2ban.server[{pid}]: WARNING 1 records could not be written to this log\0")
    );
    assert_eq!(
        received(&mut buffer),
        format!("<38>fail2ban.server[{pid}]: INFO flush performed on SYSLOG\0")
    );
}

#[test]
fn syslog_is_announced_with_its_socket() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let log = log();
    log.set_syslog_socket(&path.to_string_lossy()).expect("a setting");
    log.set_target("syslog", true).expect("a socket");
    let mut buffer = [0; 1000];
    let mut received = Vec::new();
    for _ in 0..2 {
        let length = socket.recv(&mut buffer).expect("a datagram");
        received.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    let pid = std::process::id();
    assert_eq!(
        received,
        [
            format!("<30>fail2ban.server[{pid}]: INFO Start Fail2ban v1\0"),
            format!(
                "<30>fail2ban.server[{pid}]: INFO Changed logging target to syslog ({}) for Fail2ban v1\0",
                path.display()
            ),
        ]
    );
}

#[test]
fn a_full_disk_costs_records_and_nothing_else() {
    let log = log();
    log.set_target("/dev/full", false).expect("the device");
    for _ in 0..3 {
        log.write(Level::ERROR, "x", "no room");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    log.set_target(&path.to_string_lossy(), false).expect("a file");
    log.write(Level::INFO, "x", "room");
    assert_eq!(
        texts(&path),
        [
            "INFO    room",
            "WARNING 3 records could not be written to this log"
        ]
    );
}

#[test]
fn the_level_is_kept_as_it_was_set() {
    let log = log();
    assert_eq!(log.level_text(), "INFO");
    for (text, kept, takes_debug) in [
        ("debug", "DEBUG", true),
        ("9", "9", true),
        ("3", "INFO", false),
        ("4", "DEBUG", true),
        ("Notice", "NOTICE", false),
    ] {
        log.set_level(text).expect(text);
        assert_eq!(log.level_text(), kept);
        assert_eq!(log.takes(Level::DEBUG), takes_debug, "{text}");
    }
    assert!(log.set_level("bogus").is_err());
    assert_eq!(log.level(), Level::NOTICE);
}

fn log() -> Log {
    Log::in_zone("Fail2ban v1", NOW, Some(TimeZone::UTC))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("the log")
}

/// The records without what comes before their level.
fn texts(path: &Path) -> Vec<String> {
    read(path)
        .lines()
        .map(|line| line.split_once("]: ").expect("a record").1.to_owned())
        .collect()
}
