//! The stock actions of iptables and ipset: what stands in the kernel is what the reference's commands leave there, and
//! with us no command is run for it.
//!
//! A jail with one action lives the same life under the reference, under us, and under us with `native = off`. After
//! each step `iptables-save`, `ip6tables-save`, `ipset save` and `nft list ruleset` must print the same.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;

use stockade_conformance::{Machine, Running, Subject, can_make_machines, has_reference, spawn, until};

use crate::filters::own_configuration;
use crate::stage::{PATIENCE, Stage};
use crate::stock_actions::{DEFAULTS, FILTER, MARK};

const PROGRAMS: [&str; 4] = ["iptables", "ip6tables", "ipset", "nft"];

/// Actions with their options.
const CASES: [(&str, &str); 10] = [
    ("iptables", ""),
    (
        "iptables-multiport",
        "port=\"22,1000:2000\", chain=\"INPUT,FORWARD\", protocol=\"tcp,udp\"",
    ),
    ("iptables-multiport", "blocktype=DROP, chain=\"<known/chain>\""),
    ("iptables-allports", "protocol=all, returntype=ACCEPT"),
    (
        "iptables-new",
        "port=1000:2000, blocktype=\"REJECT --reject-with icmp-admin-prohibited\", \
         blocktype?family=inet6=\"REJECT --reject-with icmp6-adm-prohibited\"",
    ),
    ("iptables-ipset", ""),
    (
        "iptables-ipset",
        "type=multiport, port=\"22,80\", protocol=\"tcp,udp\", chain=\"INPUT,OUTPUT\", ipsettime=<timeout-bantime>",
    ),
    ("iptables-ipset-proto6", "maxelem=1000, default-ipsettime=60"),
    ("iptables-ipset-proto6-allports", "blocktype=DROP"),
    (
        "iptables-ipset-proto6-allports",
        "blocktype=\"REJECT --reject-with tcp-reset\", blocktype?family=inet6=DROP",
    ),
];

/// What a jail is told, and what the last of its actions does then.
const STEPS: [(&[&str], &str); 9] = [
    (&["set", "JAIL", "banip", "192.0.2.7"], "after ban 192.0.2.7"),
    (&["set", "JAIL", "banip", "2001:db8::7"], "after ban 2001:db8::7"),
    (&["set", "JAIL", "banip", "192.0.2.8"], "after ban 192.0.2.8"),
    (
        &["set", "JAIL", "banip", "198.51.100.0/29"],
        "after ban 198.51.100.0/29",
    ),
    (&["set", "JAIL", "unbanip", "192.0.2.7"], "after unban 192.0.2.7"),
    (
        &["set", "JAIL", "unbanip", "2001:db8::7"],
        "after unban 2001:db8::7",
    ),
    (&["set", "JAIL", "banip", "2001:db8::8"], "after ban 2001:db8::8"),
    (&["reload"], "after reload"),
    (&["unban", "--all"], "after unban 192.0.2.8"),
];

/// A program that writes down that it was called, and does as it was told.
const NOTE: &str = "#!/bin/sh\necho \"${0##*/} $*\" >> DIR/record\nexec REAL \"$@\"\n";

#[test]
fn rules_and_sets_are_those_that_the_commands_leave() {
    if !has_reference() || !can_make_machines(&PROGRAMS) {
        return;
    }
    thread::scope(|scope| {
        let reference = scope.spawn(|| {
            let story = Story::begin(Subject::Reference);
            let told = story.all("off");
            let log = story.stage.read("log");
            let failed = log.lines().filter(|line| line.contains("ERROR")).count();
            assert_eq!(failed, 0, "commands of the reference failed");
            told
        });
        let native = scope.spawn(|| Story::begin(Subject::Ours).all_natively());
        let own = scope.spawn(|| Story::with_actions(Subject::Ours, &own_configuration()).all_natively());
        let commands = scope.spawn(|| {
            let story = Story::begin(Subject::Ours);
            let told = story.all("off");
            assert!(
                story
                    .stage
                    .read("record")
                    .contains("iptables -w -I f2b-case0 1 -s 192.0.2.7")
            );
            told
        });
        let reference = reference.join().expect("the reference's story");
        for (name, told) in [("native", native), ("our own", own), ("native = off", commands)] {
            let told = told.join().expect("our story");
            for (expected, found) in reference.iter().zip(&told) {
                assert_eq!(found, expected, "{name}");
            }
            assert_eq!(told.len(), reference.len());
        }
    });
}

#[test]
fn what_others_take_away_comes_back() {
    if !has_reference() || !can_make_machines(&PROGRAMS) {
        return;
    }
    let breaks = [
        "iptables -F",
        "iptables -F f2b-JAIL",
        "iptables -D f2b-JAIL -s 192.0.2.8 -j REJECT --reject-with icmp-port-unreachable",
        "nft flush ruleset",
        "iptables-save >DIR/saved; iptables -F; iptables-restore <DIR/saved; iptables -F",
        "iptables -D INPUT 1",
    ];
    let story = Story::begin(Subject::Ours);
    for (number, (action, bans)) in [("iptables", "rules"), ("iptables-ipset", "sets")]
        .into_iter()
        .enumerate()
    {
        let jail = story.enter(number, action, "port=22", "on");
        for address in ["192.0.2.7", "192.0.2.8", "2001:db8::7"] {
            let _said = story
                .stage
                .say(Subject::Ours, &["set", &jail, "banip", address])
                .expect("a ban");
        }
        let before = story.rules(&jail);
        for way in breaks {
            if bans == "sets" && way.contains("f2b-JAIL") {
                continue;
            }
            let way = story.stage.here(&way.replace("JAIL", &jail));
            let _said = story.machine.sh(&way).expect("a break");
            let repaired = || (story.rules(&jail) == before).then_some(());
            until(
                &format!("the repair of {action} after {way}"),
                PATIENCE,
                || format!("{before}\n{}\n{}", story.rules(&jail), story.stage.state()),
                repaired,
            );
        }
        if bans == "sets" {
            // The kernel tells nobody of what happens in a set: it is looked at when somebody else is banned.
            let _said = story
                .machine
                .sh(&format!("sleep 3; ipset flush f2b-{jail}"))
                .expect("a break");
            let _said = story
                .stage
                .say(Subject::Ours, &["set", &jail, "banip", "192.0.2.9"])
                .expect("a ban");
            let sets = story.machine.sh("ipset list").expect("a list");
            for address in ["192.0.2.7", "192.0.2.8", "192.0.2.9"] {
                assert!(sets.contains(address), "{sets}\n{}", story.stage.state());
            }
        }
        // Whoever takes away what is not ours is not told of.
        let told = story.stage.read("log").matches("Invariant check failed").count();
        let _said = story
            .machine
            .sh("iptables -I INPUT -s 203.0.113.7 -j DROP; iptables -D INPUT -s 203.0.113.7 -j DROP; sleep 1.2")
            .expect("a rule of another's");
        assert_eq!(
            story.stage.read("log").matches("Invariant check failed").count(),
            told,
            "{}",
            story.stage.state()
        );
        story.leave(&jail);
    }
}

/// A server on a machine of its own.
struct Story {
    // In this order they are dropped.
    running: Running,
    stage: Stage,
    machine: Machine,
}

impl Story {
    /// A server with the actions of the package.
    fn begin(subject: Subject) -> Self {
        Self::with_actions(subject, &Subject::package_configuration())
    }

    fn with_actions(subject: Subject, configuration: &Path) -> Self {
        let machine = Machine::start("host.example");
        let stage = Stage::new(&[
            ("jail.conf", DEFAULTS),
            ("filter.d/simple.conf", FILTER),
            ("watched.log", ""),
            ("record", ""),
        ]);
        for entry in fs::read_dir(configuration.join("action.d")).expect("actions") {
            let path = entry.expect("a directory").path();
            let name = path.file_name().expect("a file").to_owned();
            fs::copy(&path, stage.path().join("action.d").join(name)).expect("a copy");
        }
        stage.write("action.d/mark.conf", &MARK.replace("DIR/record", "DIR/marks"));
        fs::create_dir(stage.path().join("programs")).expect("a directory of our own");
        for name in PROGRAMS {
            let found = machine.sh(&format!("PATH=$PATH:/usr/sbin:/sbin command -v {name}"));
            let real = found.expect("a program that is there");
            let path = format!("programs/{name}");
            stage.write(&path, &NOTE.replace("REAL", real.trim()));
            let path = stage.path().join(path);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a file of our own");
        }
        let path = stage.here("DIR/programs:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let mut command = subject.server(Some(stage.path()));
        command.env("PATH", path).current_dir("/");
        let running = spawn(&mut machine.inside(&command), &stage.path().join("said"));
        let story = Self {
            running,
            stage,
            machine,
        };
        until(
            "the server",
            PATIENCE,
            || story.stage.state(),
            || {
                story
                    .stage
                    .say(Subject::Ours, &["ping"])
                    .succeeded()
                    .then_some(())
            },
        );
        story
    }

    /// What stood in the kernel at each step of each case, when no program was run for it.
    fn all_natively(&self) -> Vec<String> {
        let told = self.all("on");
        let asked_for = ["iptables -V", "ip6tables -V"];
        let record = self.stage.read("record");
        let run: Vec<_> = record.lines().filter(|line| !asked_for.contains(line)).collect();
        assert!(
            run.is_empty(),
            "commands were run: {run:?}\n{}",
            self.stage.state()
        );
        told
    }

    /// What stood in the kernel at each step of each case.
    fn all(&self, native: &str) -> Vec<String> {
        let mut told = Vec::new();
        for (number, (action, options)) in CASES.into_iter().enumerate() {
            let jail = self.enter(number, action, options, native);
            told.push(format!("{action} {options}: start\n{}", self.shown(&jail)));
            for (words, end) in STEPS {
                self.tell(&jail, words, end);
                told.push(format!("{action} {options}: {words:?}\n{}", self.shown(&jail)));
            }
            self.tell(
                &jail,
                &["set", "JAIL", "banip", "203.0.113.9"],
                "after ban 203.0.113.9",
            );
            told.push(format!("{action} {options}: again\n{}", self.shown(&jail)));
            self.leave(&jail);
            told.push(format!("{action} {options}: stop\n{}", self.shown(&jail)));
            let _said = self
                .machine
                .sh("nft flush ruleset; ipset destroy")
                .expect("an empty firewall");
        }
        told
    }

    /// Starts a jail of its own for an action.
    fn enter(&self, number: usize, action: &str, options: &str, native: &str) -> String {
        let jail = format!("case{number}");
        // The reference has no such option, and no use for one more.
        let text = format!(
            "[{jail}]\nenabled = true\naction = mark[mark=before, actname=before]\n    \
             {action}[native={native}, {options}]\n    mark[mark=after, actname=after]\n"
        );
        self.stage.write("jail.local", &text);
        self.tell(&jail, &["reload"], "after start");
        jail
    }

    fn leave(&self, jail: &str) {
        self.tell(jail, &["stop", "JAIL"], "before stop");
    }

    /// Tells the server something, and waits until the last action has done its part.
    fn tell(&self, jail: &str, words: &[&str], end: &str) {
        self.stage.write("marks", "");
        let words: Vec<_> = words.iter().map(|word| word.replace("JAIL", jail)).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let said = self.stage.say(Subject::Ours, &words);
        assert!(
            said.succeeded(),
            "{jail}: {words:?}: {said:?}\n{}",
            self.stage.state()
        );
        until(
            &format!("{end} of {jail}"),
            PATIENCE,
            || self.stage.state(),
            || {
                self.stage
                    .read("marks")
                    .contains(&format!("== {end}\n"))
                    .then_some(())
            },
        );
    }

    /// The rules of iptables and what the sets hold, whatever chains there are.
    fn rules(&self, jail: &str) -> String {
        let shown = self.shown(jail);
        let rules = shown
            .lines()
            .filter(|line| line.starts_with("-A ") || line.starts_with("add "));
        rules.map(|line| format!("{line}\n")).collect()
    }

    /// What stands in the kernel, without what differs from run to run.
    fn shown(&self, jail: &str) -> String {
        let script = "iptables-save; ip6tables-save; ipset save -sorted; nft list ruleset 2>/dev/null";
        let text = self.machine.sh(script).expect("the tools");
        let mut shown = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            // What a set chose by chance, and what is left of a time.
            let line = line.split(" initval ").next().unwrap_or_default();
            let line = match line.split_once(" timeout ").filter(|_| line.starts_with("add ")) {
                Some((before, left)) if left != "0" => format!("{before} timeout SOME"),
                Some(_) | None => line.to_owned(),
            };
            shown += &line.replace(jail, "JAIL");
            shown.push('\n');
        }
        shown
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        let _said = self.stage.say(Subject::Ours, &["stop"]);
        let _status = self.running.wait(PATIENCE);
    }
}
