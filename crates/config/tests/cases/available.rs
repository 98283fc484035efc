//! `enabled = auto`: which jails are on where there is something for them to watch, and what they are on for.

use stockade_config::{Mode, Overrides, Reader, Switch};

use crate::support::Memory;

const JAILS: &str = "\
[DEFAULT]
action =
logpath = /log/absent
backend = polling
enabled = auto
[file]
filter = plain
logpath = /log/absent
          /log/daemon* tail
[directory]
filter = plain
logpath = /log/some
[absent]
filter = plain
[unit]
filter = units
backend = systemd
[masked]
filter = plain[unit=masked]
backend = systemd
[own-match]
filter = plain
backend = systemd
journalmatch = _SYSTEMD_UNIT=door.service
[nobody's]
filter = plain
backend = systemd
[shared-with]
filter = plain
logpath = /log/daemon.log
auto_if_exists = gate, door /log/absent
[shared-without]
filter = plain
logpath = /log/daemon.log
auto_if_exists = gate.service
[without-log]
filter = plain
auto_if_exists = door.service
[by-path]
filter = plain
logpath = /log/daemon.log
auto_if_exists = /log/s*
[by-script]
filter = plain
logpath = /log/daemon.log
auto_if_exists = old
[no]
filter = plain
enabled = false
logpath = /log/daemon.log
[yes]
filter = plain
enabled = true
[capital]
filter = plain
enabled = AUTO
logpath = /log/daemon.log
";

fn machine(jails: &str) -> Memory {
    let mut machine = Memory::default();
    for (path, text) in [
        ("/conf/fail2ban.conf", "[Definition]\nloglevel = INFO\n"),
        ("/conf/jail.conf", jails),
        (
            "/conf/filter.d/plain.conf",
            "[Definition]\nfailregex = ^<HOST>$\njournalmatch = _COMM=a + _SYSTEMD_UNIT=<unit>.service\n[Init]\nunit = none\n",
        ),
        (
            "/conf/filter.d/units.conf",
            "[Definition]\nfailregex = ^<HOST>$\njournalmatch = _SYSTEMD_UNIT=gate.service + _SYSTEMD_UNIT=door.service\n",
        ),
        ("/log/daemon.log", "x\n"),
        ("/log/some/file", "x\n"),
        ("/usr/lib/systemd/system/door.service", "[Unit]\n"),
        ("/etc/systemd/system/masked.service", ""),
        ("/usr/lib/systemd/system/masked.service", "[Unit]\n"),
        ("/etc/init.d/old", "#!/bin/sh\n"),
    ] {
        machine.0.insert(path.to_owned(), text.as_bytes().to_vec());
    }
    machine
}

const CASES: [(&str, Switch, Option<&str>); 16] = [
    ("file", Switch::Auto, Some("/log/daemon.log")),
    ("directory", Switch::Auto, None),
    ("absent", Switch::Auto, None),
    ("unit", Switch::Auto, Some("door.service")),
    ("masked", Switch::Auto, None),
    ("own-match", Switch::Auto, Some("door.service")),
    ("nobody's", Switch::Auto, None),
    ("shared-with", Switch::Auto, Some("/log/daemon.log")),
    ("shared-without", Switch::Auto, None),
    ("without-log", Switch::Auto, None),
    ("by-path", Switch::Auto, Some("/log/daemon.log")),
    ("by-script", Switch::Auto, Some("/log/daemon.log")),
    ("no", Switch::Off, Some("/log/daemon.log")),
    ("yes", Switch::On, None),
    ("capital", Switch::Auto, Some("/log/daemon.log")),
    ("last", Switch::Auto, None),
];

#[test]
fn a_jail_is_on_by_itself_where_there_is_something_for_it() {
    let machine = machine(&format!("{JAILS}[last]\nfilter = plain\n"));
    let reader = Reader::new(&machine, "/conf", "1.1.1", &[]);
    let available = reader.available().expect("it can be read");
    for (found, (name, switch, thing)) in available.iter().zip(CASES) {
        assert_eq!(
            (found.jail.as_str(), found.switch, found.found.as_deref()),
            (name, switch, thing)
        );
    }
    assert_eq!(available.len(), CASES.len());

    let early = reader.early(&Overrides::default()).expect("it can be read");
    let stream = reader.read(&early, Mode::Start, None);
    assert!(stream.is_usable(), "{:?}", stream.outcome);
    let expected: Vec<(&str, &str)> = CASES
        .iter()
        .filter(|(_, switch, _)| *switch == Switch::Auto)
        .filter_map(|(name, _, thing)| Some((*name, (*thing)?)))
        .collect();
    let automatic: Vec<(&str, &str)> = stream
        .automatic
        .iter()
        .map(|(name, thing)| (name.as_str(), thing.as_str()))
        .collect();
    assert_eq!(automatic, expected);
    let mut started: Vec<&str> = stream
        .commands
        .iter()
        .filter_map(|command| {
            if let stockade_protocol::Command::Start(jail) = &command.value {
                Some(jail.as_str())
            } else {
                None
            }
        })
        .collect();
    started.retain(|name| *name != "yes");
    assert_eq!(
        started,
        expected.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "only they are started, and the one that is enabled"
    );

    let inspection = stockade_config::inspect(&machine, "/conf", "1.1.1", &[]);
    for jail in &inspection.jails {
        let is_on = available
            .iter()
            .any(|available| available.jail == jail.name && available.is_on());
        // Where only its filter knows, a jail is looked at as if it were on.
        let is_asked = ["masked", "nobody's"].contains(&jail.name.as_str());
        assert_eq!(jail.is_enabled, is_on || is_asked, "{}", jail.name);
    }
    let explained = |name: &str| {
        let reader = Reader::new(&machine, "/conf", "1.1.1", &[]);
        reader.explain(name).expect("it can be read").is_enabled
    };
    assert_eq!(
        ["file", "absent", "unit", "masked", "yes", "no"].map(explained),
        [true, false, true, false, true, false]
    );
}

#[test]
fn scripts_count_only_where_systemd_does_not_run() {
    let jails = "[old]\nenabled = auto\nfilter = plain\naction =\nbackend = systemd\nauto_if_exists = old\n";
    let mut machine = machine(jails);
    let found = |machine: &Memory| {
        let reader = Reader::new(machine, "/conf", "1.1.1", &[]);
        reader.available().expect("it can be read").remove(0).found
    };
    assert_eq!(found(&machine).as_deref(), Some("old"));
    machine.0.insert(
        "/run/systemd/system/session.scope".to_owned(),
        b"[Unit]\n".to_vec(),
    );
    assert_eq!(found(&machine), None, "its package may be gone");
}
