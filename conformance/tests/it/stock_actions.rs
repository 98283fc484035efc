//! Every action of the reference's package, in its own words: what its commands run, with which arguments and with what
//! to read, is the same under our server as under the reference's.
//!
//! Firewalls of Linux are there and do what they are told; every other program that an action asks for is one that only
//! writes down how it was called. A jail has one action, between two that write down when their turn comes. It is told
//! to ban an attacker whose lines would do harm in a shell, and others by hand; then the firewall is emptied below it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use stockade_conformance::{Machine, Subject, can_make_machines, has_reference, spawn, until};

use crate::filters::own_configuration;
use crate::stage::{PATIENCE, Stage};

/// How long the commands of an action may take that are known, on a busy machine.
const ENOUGH: Duration = Duration::from_secs(15);

/// How long our server has one action of a jail wait for another.
const TURN: Duration = Duration::from_secs(2);

/// How many servers run at a time, each with its share of the actions.
const GROUPS: usize = 4;

/// Lines that a shell must not see.
const LINES: [&str; 2] = [
    "login of $(touch DIR/harm) `touch DIR/harm` from 192.0.2.7; touch DIR/harm",
    "~! 'a' \"b\" \\c %s %(x)s <ip> & | * ? # {x} [y] failed",
];

/// What an action is given beside its defaults, where it needs something. `DIR` is a directory of the jail's own.
#[rustfmt::skip]
const OPTIONS: &[(&str, &[&str])] = &[
    ("abuseipdb", &["abuseipdb_apikey=KEY, abuseipdb_category=\"18,22\""]),
    ("blocklist_de", &["email=a@b.example, apikey=KEY, service=ssh"]),
    ("bsd-ipfw", &["startstatefile=DIR/started"]),
    ("cloudflare", &["cfuser=a@b.example, cftoken=KEY"]),
    ("cloudflare-token", &["cfzone=ZONE, cftoken=KEY"]),
    ("complain", &["logpath=DIR/attack.log"]),
    ("dshield", &["port=22, userid=7, myip=192.0.2.250, tmpfile=DIR/dshield"]),
    ("dummy", &["target=DIR/dummy"]),
    ("firewallcmd-ipset", &["", "ipsetbackend=firewalld", "actiontype=<allports>"]),
    ("hostsdeny", &["file=DIR/hosts.deny"]),
    ("ipthreat", &["ipthreat_apikey=KEY"]),
    ("iptables", &["", "type=multiport, port=\"22,80\", protocol=\"tcp,udp\", chain=\"INPUT,FORWARD\"", "blocktype=DROP"]),
    ("iptables-ipset", &["", "ipsettime=<timeout-bantime>, type=allports"]),
    ("iptables-multiport", &["port=\"ssh,2222\", chain=\"INPUT,FORWARD\""]),
    ("mail-buffered", &["lines=2, tmpfile=DIR/buffer"]),
    ("mail-whois-lines", &["logpath=DIR/attack.log"]),
    ("mikrotik", &["keyfile=DIR/key, host=192.0.2.250"]),
    ("mynetwatchman", &["mnwlogin=me, mnwpass=secret, port=22, myip=192.0.2.250, tmpfile=DIR/mnw"]),
    ("netscaler", &["ns_host=192.0.2.250, ns_auth=KEY, ns_dataset=banned"]),
    ("nftables", &["", "protocol=\"tcp,udp\", port=\"22,1000:2000\", blocktype=drop"]),
    ("nginx-block-map", &["srv_cfg_path=DIR/, srv_pid=DIR/nginx.pid"]),
    ("nsupdate", &["domain=bl.example, keyfile=DIR/key, nsupdatecmd=nsupdate"]),
    ("osx-ipfw", &["rulenum=10500"]),
    ("pf", &["", "actiontype=<allports>"]),
    ("sendmail-buffered", &["lines=2, tmpfile=DIR/buffer"]),
    ("sendmail-geoip-lines", &["logpath=DIR/attack.log"]),
    ("sendmail-whois-lines", &["logpath=DIR/attack.log"]),
    ("ufw", &["", "application=OpenSSH, kill-mode=ss", "kill-mode=conntrack"]),
    ("xarf-login-attack", &["logpath=DIR/attack.log, service=ssh, port=22"]),
];

/// Actions that the reference cannot set up again, as it does not start them a second time. Nothing is taken from these.
const UNREPAIRED: [&str; 1] = ["pf"];

/// Our own actions that differ from those of the package, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("netscaler", "its options are in another order"),
    ("abuseipdb", "it runs no command"),
    ("blocklist_de", "it runs no command"),
    ("cloudflare", "it runs no command"),
    ("cloudflare-token", "it runs no command"),
    ("ipthreat", "it runs no command"),
    ("nftables", "they have a test of their own"),
    ("nftables-allports", "they have a test of their own"),
    ("nftables-multiport", "they have a test of their own"),
    ("firewallcmd-rich-logging", RANGES),
    ("firewallcmd-rich-rules", RANGES),
    ("pf", "after a reload the package's has lost its ports"),
    (
        "symbiosis-blacklist-allports",
        "the package's drops IPv4 and answers IPv6",
    ),
    ("apprise", WORDS),
    ("complain", WORDS),
    ("dshield", WORDS),
    ("mail", WORDS),
    ("mail-buffered", WORDS),
    ("mail-whois", WORDS),
    ("mail-whois-lines", WORDS),
    ("sendmail", WORDS),
    ("sendmail-buffered", WORDS),
    ("sendmail-common", WORDS),
    ("sendmail-geoip-lines", WORDS),
    ("sendmail-whois", WORDS),
    ("sendmail-whois-ipjailmatches", WORDS),
    ("sendmail-whois-ipmatches", WORDS),
    ("sendmail-whois-lines", WORDS),
    ("sendmail-whois-matches", WORDS),
    ("xarf-login-attack", WORDS),
];

const RANGES: &str = "firewalld writes a range of ports with a hyphen";

/// What those say that differ in words, by their names or how these begin.
#[rustfmt::skip]
const SAID: &[(&str, &str)] = &[
    ("mail mail-whois mail-whois-lines", "mail <-E> <set escape> <-s> <[Fail2Ban] JAIL: banned 192.0.2.7 from host.example> <root> << 192.0.2.7 is banned for 600 seconds,\nafter 1 failures in the jail JAIL.\n"),
    ("mail*", "<[Fail2Ban] JAIL: started on host.example> <root> << The jail JAIL is at work on host.example.\n"),
    ("mail*", "<[Fail2Ban] JAIL: stopped on host.example> <root> << The jail JAIL on host.example has ended; its bans are lifted.\n"),
    ("sendmail sendmail-whois* sendmail-geoip*", "sendmail <-f> <fail2ban> <root> << Subject: [Fail2Ban] JAIL: banned 192.0.2.7 from host.example\nDate: MOMENT\nFrom: Fail2Ban <fail2ban>\nTo: root\nAuto-Submitted: auto-generated\n\n192.0.2.7 is banned"),
    ("sendmail*", "Subject: [Fail2Ban] JAIL: started on host.example\n"),
    ("sendmail*", "Subject: [Fail2Ban] JAIL: stopped on host.example\n"),
    ("mail-buffered sendmail-buffered", "The jail JAIL has banned:\n\nMOMENT: 192.0.2.7 (1 failures)\nMOMENT: 2001:db8::7 (0 failures)\n"),
    ("mail-whois* sendmail-whois*", "\nwhois of 2001:db8::7\n"),
    ("mail-whois-lines sendmail-whois-lines sendmail-geoip-lines complain", "1000 at most):\n\none from 192.0.2.7\n"),
    ("sendmail-whois-matches sendmail-whois-ipmatches sendmail-whois-ipjailmatches xarf-login-attack", "\n~! 'a' \"b\" \\c %s %(x)s <ip> & | * ? # {x} [y] failed\n"),
    ("sendmail-geoip-lines", "\nCountry: XX, Example\nNetwork: XX, Example\n"),
    ("apprise", "apprise <-c> </etc/fail2ban/apprise.conf> <-n> <warning> <-t> <[Fail2Ban] JAIL: banned 192.0.2.7 from host.example> << 192.0.2.7 is banned"),
    ("complain", "mail <-E> <set escape> <-s> <Abuse from 192.0.2.7> <abuse@net.example> << "),
    ("xarf-login-attack", "sendmail <-f> <fail2ban@host.example> <abuse@net.example> << Subject: abuse report about 192.0.2.7 - MOMENT\n"),
    ("xarf-login-attack", "\nService: ssh\n"),
    ("dshield", "\t7\t0\t198.51.100.8\t???\t192.0.2.250\t22\ttcp\t\n"),
    ("dshield", "<reports@dshield.org> << "),
];

const WORDS: &str = "what is said to people is said in our words";

/// The files that others include. Alone they are no action.
const PARTS: [&str; 3] = ["firewallcmd-common", "helpers-common", "mail-whois-common"];

pub(crate) const DEFAULTS: &str = "[DEFAULT]\nbackend = polling\nbantime = 600\nfindtime = 600\nmaxretry = 1\nusedns = no\n\
    filter = simple\nlogpath = DIR/watched.log\nenabled = false\n";

pub(crate) const FILTER: &str =
    "[Definition]\nfailregex = ^login from <HOST> failed$\ndatepattern = {NONE}\n";

/// An action that writes down when its turn comes.
pub(crate) const MARK: &str = "[Definition]\n\
    actionstart = echo '== <mark> start' >> DIR/record\n\
    actionban = echo '== <mark> ban <ip>' >> DIR/record\n\
    actionunban = echo '== <mark> unban <ip>' >> DIR/record\n\
    actionreload = echo '== <mark> reload' >> DIR/record\n\
    actionstop = echo '== <mark> stop' >> DIR/record\n\
    [Init]\nmark = none\n";

/// A program that writes down how it was called. What follows says what it answers.
const NOTE: &str = r#"#!/bin/sh
name=${0##*/}
state=DIR/state/$name
note=$name
for argument; do note="$note <$argument>"; done
input=
if [ -p /proc/self/fd/0 ] || [ -f /proc/self/fd/0 ]; then
    input=$(cat)
    note="$note << $input"
fi
printf '%s\n' "$note" >> DIR/record
"#;

/// Programs that are there, which write down how they were called and then do as they were told.
const REAL: [&str; 5] = ["iptables", "ip6tables", "ipset", "nft", "ip"];

/// Programs that are not, and what they answer. While there is a file `DIR/broken`, the next one of them fails.
const FAKE: &[(&str, &str)] = &[
    ("apf", ""),
    ("apprise", ""),
    ("conntrack", ""),
    ("csf", ""),
    (
        "curl",
        "echo '{\"result\":[{\"id\":\"0123456789abcdef0123456789abcdef\"}],\"success\":true}'",
    ),
    ("date", "echo 1700000000"),
    ("dig", "echo '\"abuse@net.example\"'"),
    (
        "firewall-cmd",
        "case \"$*\" in *--add-chain*) echo \"$5\" >> \"$state\";; *--get-chains*) cat \"$state\" 2>/dev/null;; esac",
    ),
    ("geoiplookup", "echo 'GeoIP Country Edition: XX, Example'"),
    ("host", "echo 'host.example'"),
    (
        "ipfw",
        "case \"$1\" in add) echo \"00100 $*\" | tee -a \"$state\";; *list*|show) cat \"$state\" 2>/dev/null;; esac",
    ),
    ("jq", "echo 0123456789abcdef"),
    ("mail", ""),
    ("nginx", ""),
    ("nsupdate", ""),
    (
        "pfctl",
        "[ -z \"$input\" ] || printf '%s\\n' \"$input\" > \"$state\"; case \"$*\" in *-sr*) cat \"$state\" 2>/dev/null;; esac",
    ),
    ("shorewall", ""),
    ("shorewall6", ""),
    ("ss", ""),
    ("ssh", ""),
    ("ufw", ""),
    ("wget", "echo 'Ok'"),
    ("whois", "echo \"whois of $*\""),
];

/// The same for those that actions know by their whole path, with the directory.
const FAKE_BY_PATH: [(&str, &str); 5] = [
    ("/usr/sbin", "ipf"),
    ("/usr/sbin", "npfctl"),
    ("/usr/sbin", "sendmail"),
    ("/usr/bin", "nsupdate"),
    ("/usr/libexec", "afctl"),
];

/// Puts programs into directories of the machine.
const OVERLAY: &str = "for directory in sbin bin libexec; do \
    [ -d /usr/$directory ] || continue; \
    mount -t overlay overlay -o lowerdir=DIR/by-path/usr/$directory:/usr/$directory /usr/$directory; done";

/// Empties the firewall, and makes chains that some actions expect.
const BREAK: &str = "nft flush ruleset; ipset destroy; iptables -N blacklist; ip6tables -N blacklist; true";

/// Steps by jails.
type Told = BTreeMap<String, Vec<String>>;

/// One action in a jail.
struct Case {
    jail: String,
    action: String,
    options: &'static str,
}

#[test]
fn stock_actions_run_the_same_commands() {
    let package = Subject::package_configuration();
    compare(
        &cases(),
        (Subject::Reference, &package),
        (Subject::under_test(), &package),
    );
}

/// Our own actions, which go by the same names, run what those of the package run, but for what is said to people.
#[test]
fn our_own_actions_run_the_same_commands() {
    let own = own_configuration();
    let mut cases = cases();
    let is_different = |case: &Case| DIFFERENT.iter().any(|(action, _)| *action == case.action);
    cases.retain(|case| own.join(format!("action.d/{}.conf", case.action)).exists() && !is_different(case));
    // The package's closes connections there, and refuses none.
    cases.retain(|case| case.options != "kill-mode=conntrack");
    compare(
        &cases,
        (Subject::Ours, &Subject::package_configuration()),
        (Subject::Ours, &own),
    );
}

/// Our own actions that write to people say what has happened, and what was logged is part of that as it is.
#[test]
fn our_own_actions_say_what_has_happened() {
    if !has_reference() || !can_make_machines(&REAL) {
        return;
    }
    let own = own_configuration();
    let speaks = |case: &Case| {
        let reason = DIFFERENT.iter().find(|(action, _)| *action == case.action);
        reason.is_some_and(|(_, reason)| *reason == WORDS)
    };
    let mut cases = cases();
    cases.retain(|case| own.join(format!("action.d/{}.conf", case.action)).exists() && speaks(case));
    let cases: Vec<&Case> = cases.iter().collect();
    let told = story((Subject::Ours, &own), &cases, None);
    let mut missing = String::new();
    for (jail, steps) in &told {
        let all = steps.join("\n");
        let said = SAID.iter().filter(|(actions, _)| {
            let action = jail.rsplit_once('-').map_or(jail.as_str(), |(action, _)| action);
            actions.split(' ').any(|one| match one.strip_suffix('*') {
                Some(start) => action.starts_with(start),
                None => action == one,
            })
        });
        let said: Vec<&str> = said.map(|(_, text)| *text).collect();
        assert!(!said.is_empty(), "{jail} says nothing");
        for text in said {
            let text = text.replace("JAIL", jail);
            if !all.contains(&text) {
                let _ = writeln!(missing, "{jail} does not say {text:?} in\n{all}");
            }
        }
    }
    assert!(missing.is_empty(), "{missing}");
}

/// Has a subject with a configuration's actions do what another one does with another's.
fn compare(cases: &[Case], one: (Subject, &Path), other: (Subject, &Path)) {
    if !has_reference() || !can_make_machines(&REAL) {
        return;
    }
    thread::scope(|scope| {
        let groups: Vec<_> = (0..GROUPS)
            .map(|group| {
                let share: Vec<&Case> = cases.iter().skip(group).step_by(GROUPS).collect();
                scope.spawn(move || {
                    let expected = story(one, &share, None);
                    let found = story(other, &share, Some(&expected));
                    (expected, found)
                })
            })
            .collect();
        let mut differences = String::new();
        for group in groups {
            let (expected, found) = group.join().expect("a story");
            for (jail, expected) in &expected {
                for (expected, found) in expected.iter().zip(found.get(jail).into_iter().flatten()) {
                    // To nft it is the same whether a blank stands before a semicolon.
                    if expected.replace("> <;>", ";>") != found.replace("> <;>", ";>") {
                        let _ = writeln!(differences, "--- {jail}\n{}", difference(expected, found));
                        break;
                    }
                }
            }
        }
        assert!(differences.is_empty(), "{differences}");
    });
}

/// Every action of the package, with each of its options.
fn cases() -> Vec<Case> {
    let directory = Subject::package_configuration().join("action.d");
    let mut names: Vec<String> = fs::read_dir(directory)
        .expect("the reference has actions")
        .filter_map(|entry| {
            let name = entry.expect("a directory").file_name();
            Some(name.to_str()?.strip_suffix(".conf")?.to_owned())
        })
        .filter(|name| !PARTS.contains(&name.as_str()))
        .collect();
    names.sort();
    let only = std::env::var("STOCKADE_ACTIONS").unwrap_or_default();
    names.retain(|name| only.is_empty() || only.split(',').any(|only| only == name));
    let mut cases = Vec::new();
    for name in names {
        let options = OPTIONS.iter().find(|(action, _)| *action == name);
        for (number, options) in options
            .map_or(&[""][..], |(_, options)| options)
            .iter()
            .enumerate()
        {
            cases.push(Case {
                jail: format!("{name}-{number}"),
                action: name.clone(),
                options,
            });
        }
    }
    cases
}

/// What the commands of some actions did at each step, by their jails. Where it is known what they should do, they have
/// time for that.
fn story((subject, configuration): (Subject, &Path), cases: &[&Case], expected: Option<&Told>) -> Told {
    if cases.is_empty() {
        return Told::new();
    }
    let machine = Machine::start("host.example");
    let stage = Stage::new(&[
        ("jail.conf", DEFAULTS),
        ("filter.d/simple.conf", FILTER),
        ("watched.log", ""),
    ]);
    for entry in fs::read_dir(configuration.join("action.d")).expect("it has actions") {
        let path = entry.expect("a directory").path();
        let name = path.file_name().expect("a file").to_owned();
        fs::copy(&path, stage.path().join("action.d").join(name)).expect("a copy");
    }
    stage.write("action.d/mark.conf", MARK);
    let path = equip(&machine, &stage);
    let mut command = subject.server(Some(stage.path()));
    command.env("PATH", &path).current_dir("/");
    let mut running = spawn(&mut machine.inside(&command), &stage.path().join("said"));
    until(
        "the server",
        PATIENCE,
        || stage.state(),
        || stage.say(Subject::Ours, &["ping"]).succeeded().then_some(()),
    );
    let mut told = BTreeMap::new();
    for case in cases {
        let expected = expected.map(|expected| expected[&case.jail].as_slice());
        told.insert(case.jail.clone(), life(&machine, &stage, case, expected));
    }
    let _said = stage.say(Subject::Ours, &["stop"]).expect("the end");
    assert_eq!(running.wait(PATIENCE), Some(0), "{}", stage.state());
    assert!(!stage.path().join("harm").exists(), "a line of a log was run");
    told
}

/// Gives the machine its programs; the path on which they are found.
fn equip(machine: &Machine, stage: &Stage) -> String {
    for name in [
        "programs",
        "state",
        "by-path/usr/sbin",
        "by-path/usr/bin",
        "by-path/usr/libexec",
    ] {
        fs::create_dir_all(stage.path().join(name)).expect("a directory of our own");
    }
    let program = |path: &str, rest: &str| {
        stage.write(path, &format!("{NOTE}{rest}\n"));
        let path = stage.path().join(path);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a file of our own");
    };
    for name in REAL {
        let found = machine.sh(&format!("PATH=$PATH:/usr/sbin:/sbin command -v {name}"));
        let real = found.expect("a program that is there");
        let real = real.trim();
        program(
            &format!("programs/{name}"),
            &format!(
                "[ -z \"$input\" ] || {{ printf '%s\\n' \"$input\" | exec {real} \"$@\"; exit; }}\nexec {real} \"$@\""
            ),
        );
    }
    let fails = "if [ -e DIR/broken ]; then rm DIR/broken; exit 1; fi";
    for (name, answer) in FAKE {
        program(&format!("programs/{name}"), &format!("{fails}\n{answer}\nexit 0"));
    }
    for (directory, name) in FAKE_BY_PATH {
        program(&format!("by-path{directory}/{name}"), &format!("{fails}\nexit 0"));
    }
    let _said = machine
        .sh(&stage.here(OVERLAY))
        .expect("programs in their places");
    let _said =
        machine.sh("mkdir -p /etc/symbiosis/firewall/blacklist.d; mkdir -p /run/fail2ban /var/run/fail2ban");
    let _said = machine.sh("iptables -N blacklist; ip6tables -N blacklist; ip route add default dev lo; ip -6 route add default dev lo");
    stage.here("DIR/programs:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

/// The life of one jail; what its actions did, step by step.
fn life(machine: &Machine, stage: &Stage, case: &Case, expected: Option<&[String]>) -> Vec<String> {
    let Case {
        jail,
        action,
        options,
    } = case;
    let own = stage.here(&format!("DIR/{jail}"));
    fs::create_dir(&own).expect("a directory of our own");
    let log = "one from 192.0.2.7\ntwo from 2001:db8::7\nthree from 192.0.2.77\n";
    fs::write(format!("{own}/attack.log"), log).expect("a file");
    fs::write(format!("{own}/nginx.pid"), "1\n").expect("a file");
    let options = options.replace("DIR", &own);
    // What has failed is not tried again, which would come in whichever step the machine is busy with by then.
    let actions = format!(
        "mark[mark=before, actname=before]\n    {action}[native=off, retries=0, {options}]\n    \
         mark[mark=after, actname=after]\n"
    );
    stage.write(
        "jail.local",
        &format!("[{jail}]\nenabled = true\naction = {actions}"),
    );
    let mut told: Vec<String> = Vec::new();
    // Ours waits no longer for an action on a busy machine, and for none that was slow before: then the order between
    // actions is not promised. What only reports has less time than others from the beginning.
    let was_slow = Cell::new(false);
    let step = |told: &mut Vec<String>, only_reports: bool, words: &[&str], end: &str| {
        stage.write("record", "");
        let begun = Instant::now();
        let said = stage.say(Subject::Ours, words);
        assert!(said.succeeded(), "{jail}: {words:?}: {said:?}\n{}", stage.state());
        let title = format!("# {}\n", stage.anywhere(&words.join(" ")));
        let expected = expected.map(|expected| expected.get(told.len()).map_or("", String::as_str));
        let deadline = begun + if expected.is_some() { ENOUGH } else { PATIENCE };
        loop {
            let mut record = stage.read("record");
            let is_over = record.contains(&format!("== {end}\n"));
            if only_reports {
                record = unmarked(&record);
            }
            let mut record = title.clone() + &plain(&stage.anywhere(&(record + &files(&own))));
            let is_late = Instant::now() > deadline;
            if begun.elapsed() > TURN {
                was_slow.set(true);
            }
            if let Some(expected) = expected
                && was_slow.get()
                && unmarked(expected) == unmarked(&record)
            {
                expected.clone_into(&mut record);
            }
            if (is_over && expected.is_none_or(|expected| expected == record))
                || (is_late && expected.is_some())
            {
                told.push(record);
                return;
            }
            assert!(
                !is_late,
                "{jail}: {words:?}: no {end} in\n{record}\n{}",
                stage.state()
            );
            thread::sleep(Duration::from_millis(5));
        }
    };
    step(&mut told, false, &["reload"], "after start");
    let unban = stage.say(Subject::Ours, &["get", jail, "action", action, "actionunban"]);
    let only_reports = unban.expect("a property").trim().is_empty();
    let mut step = |words: &[&str], end: &str| step(&mut told, only_reports, words, end);
    let lines = LINES.map(|line| stage.here(line));
    step(
        &["set", jail, "attempt", "192.0.2.7", &lines[0], &lines[1]],
        "after ban 192.0.2.7",
    );
    step(&["set", jail, "banip", "2001:db8::7"], "after ban 2001:db8::7");
    step(&["set", jail, "banip", "198.51.100.8"], "after ban 198.51.100.8");
    break_it(machine, stage, action);
    step(&["set", jail, "banip", "203.0.113.9"], "after ban 203.0.113.9");
    drop(fs::remove_file(stage.path().join("broken")));
    step(
        &["set", jail, "unbanip", "198.51.100.8"],
        "after unban 198.51.100.8",
    );
    step(
        &["set", jail, "unbanip", "203.0.113.9"],
        "after unban 203.0.113.9",
    );
    step(
        &["set", jail, "unbanip", "2001:db8::7"],
        "after unban 2001:db8::7",
    );
    step(&["reload"], "after reload");
    step(&["set", jail, "unbanip", "192.0.2.7"], "after unban 192.0.2.7");
    step(&["set", jail, "banip", "203.0.113.10"], "after ban 203.0.113.10");
    step(&["restart", jail], "after ban 203.0.113.10");
    step(&["set", jail, "banip", "2001:db8::10"], "after ban 2001:db8::10");
    break_it(machine, stage, action);
    step(&["stop", jail], "before stop");
    told
}

/// A record without the marks of the actions before and after.
fn unmarked(record: &str) -> String {
    let lines = record.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("== ")).collect()
}

/// Takes away everything that an action has set up, and has the next command fail.
fn break_it(machine: &Machine, stage: &Stage, action: &str) {
    if UNREPAIRED.contains(&action) {
        return;
    }
    if ["iptables", "nftables", "ipset", "symbiosis"]
        .iter()
        .any(|real| action.contains(real))
    {
        let _said = machine.sh(BREAK);
    }
    for entry in fs::read_dir(stage.path().join("state")).expect("a directory of our own") {
        drop(fs::remove_file(entry.expect("a file").path()));
    }
    stage.write("broken", "");
}

/// The files that an action has made.
fn files(own: &str) -> String {
    let mut files: Vec<_> = fs::read_dir(own)
        .expect("a directory of our own")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    let mut shown = String::new();
    for path in files {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let text = fs::read(&path).unwrap_or_default();
        if !["attack.log", "nginx.pid"].contains(&name) && !text.is_empty() {
            let _ = writeln!(shown, "-- {name}\n{}", String::from_utf8_lossy(&text));
        }
    }
    shown
}

/// A record without what differs from run to run: moments, as seconds since 1970 or as `2026-11-22+12:00:05`.
fn plain(record: &str) -> String {
    const CLOCK: &str = "dddd-dd-dd+dd:dd:dd";
    let mut plain = String::new();
    let mut rest = record;
    while let Some(first) = rest.chars().next() {
        let shape: String = rest
            .chars()
            .take(CLOCK.len())
            .map(|c| if c.is_ascii_digit() { 'd' } else { c })
            .collect();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if shape == CLOCK {
            plain.push_str("WHEN");
            rest = &rest[CLOCK.len()..];
        } else if digits == 10 {
            plain.push_str("MOMENT");
            rest = rest[digits..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        } else {
            let (some, others) = rest.split_at(digits.max(first.len_utf8()));
            plain.push_str(some);
            rest = others;
        }
    }
    plain
}

/// What should be in a step, and what is.
fn difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let alike = expected
        .iter()
        .zip(&found)
        .take_while(|(one, other)| one == other)
        .count();
    let some = |lines: &[&str]| {
        let lines = lines.iter().skip(alike).take(12);
        lines.map(|line| format!("    {line}\n")).collect::<String>()
    };
    format!(
        "{}\n  expected\n{}  found\n{}",
        expected.first().unwrap_or(&""),
        some(&expected),
        some(&found)
    )
}
