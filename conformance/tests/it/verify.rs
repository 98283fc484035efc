//! What is in the firewall and what is banned: `stockade verify` tells the difference, bans may stay there over a
//! restart, and connections of before end with a ban.

use stockade_conformance::{Machine, Ran, Running, Subject, can_make_machines, run, spawn, until};

use crate::stage::{PATIENCE, Stage};

const JAIL: &str = "[door]\nbackend = polling\nbantime = 600\nmaxretry = 3\nusedns = no\nenabled = true\n\
    filter = simple\nlogpath = DIR/door.log\naction = ACTION\n";

const FILTER: &str = "[Definition]\nfailregex = ^login from <HOST> failed$\ndatepattern = {NONE}\n";

/// A machine with a server of ours on it, whose jail has this action and knows the reference's.
struct Place {
    machine: Machine,
    stage: Stage,
}

impl Place {
    fn new(action: &str) -> Self {
        let stage = Stage::new(&[
            ("jail.conf", &JAIL.replace("ACTION", action)),
            ("filter.d/simple.conf", FILTER),
            ("door.log", ""),
        ]);
        // The stock action is known by its definition.
        let package = Subject::package_configuration().join("action.d");
        for entry in std::fs::read_dir(package).expect("the reference has actions") {
            let path = entry.expect("a directory").path();
            let name = path.file_name().expect("a file").to_owned();
            std::fs::copy(&path, stage.path().join("action.d").join(name)).expect("a copy");
        }
        let machine = Machine::start("host.example");
        Self { machine, stage }
    }

    /// Starts the server, and waits until it answers.
    fn start(&self) -> Running {
        let running = spawn(
            &mut self
                .machine
                .inside(&Subject::Ours.server(Some(self.stage.path()))),
            &self.stage.path().join("said"),
        );
        until(
            "the server",
            PATIENCE,
            || self.stage.state(),
            || self.say(&["ping"]).succeeded().then_some(()),
        );
        running
    }

    fn say(&self, words: &[&str]) -> Ran {
        self.stage.say(Subject::Ours, words)
    }

    /// Stops the server.
    fn stop(&self, mut running: Running) {
        let _said = self.say(&["stop"]).expect("the end");
        assert_eq!(running.wait(PATIENCE), Some(0), "{}", self.stage.state());
    }
}

#[test]
fn differences_between_the_firewall_and_the_bans_are_told() {
    if !can_make_machines(&["nft"]) || !Subject::Reference.is_there() {
        return;
    }
    let place = Place::new("nftables[port=22]");
    let running = place.start();
    let Place { machine, stage } = &place;
    let verify = |words: &[&str]| {
        let mut command = Subject::stockade();
        command.args(["verify", "-c"]).arg(stage.path()).args(words);
        run(&mut command, PATIENCE)
    };
    let well = verify(&[]);
    assert!(well.succeeded(), "nothing is banned: {well:?}\n{}", stage.state());
    let _said = stage
        .say(
            Subject::Ours,
            &["set", "door", "banip", "192.0.2.7", "2001:db8::7"],
        )
        .expect("bans");
    let well = verify(&[]);
    assert!(well.succeeded(), "{well:?}\n{}", stage.state());
    // What is taken away comes back, at once or after a second where it has come back just before.
    until(
        "a difference to be told before it is mended",
        PATIENCE,
        || stage.state(),
        || {
            drop(machine.sh("nft delete element inet f2b-table addr-set-door '{ 192.0.2.7 }'"));
            let told = verify(&[]);
            let expected = "door  nftables  192.0.2.7  banned, and not in the firewall";
            (told.status == 1 && told.stdout.contains(expected)).then_some(())
        },
    );
    let mended = || verify(&[]).succeeded().then_some(());
    until("the repair", PATIENCE, || stage.state(), mended);
    let line = "nft add element inet f2b-table addr-set-door '{ 192.0.2.9 }'";
    let _said = machine.sh(line).expect("a change by somebody else");
    let told = verify(&[]);
    let expected = "door  nftables  192.0.2.9  in the firewall, and not banned";
    assert!(told.status == 1 && told.stdout.contains(expected), "{told:?}");
    let told = verify(&["--json", "--jail", "door"]);
    assert_eq!(told.stdout.matches("\"address\"").count(), 1, "{told:?}");
    place.stop(running);
}

#[test]
fn bans_stay_in_the_firewall_until_the_daemon_is_back() {
    if !can_make_machines(&["nft"]) || !Subject::Reference.is_there() {
        return;
    }
    let place = Place::new("nftables[port=22, keep-on-stop=yes]");
    let set = || place.machine.sh("nft list ruleset").expect("a list");
    let running = place.start();
    let _said = place.say(&["set", "door", "banip", "192.0.2.7"]).expect("a ban");
    assert!(set().contains("192.0.2.7"), "{}", place.stage.state());
    place.stop(running);
    let left = set();
    assert!(left.contains("192.0.2.7") && left.contains("expires"), "{left}");
    let log = place.stage.read("log");
    assert!(
        log.contains("[door] action 'nftables' leaves its bans in the firewall, each until its end"),
        "{log}"
    );

    let running = place.start();
    let _said = place
        .say(&["set", "door", "unbanip", "192.0.2.7"])
        .expect("an end");
    assert!(!set().contains("192.0.2.7"), "it is the daemon's again");
    let _said = place.say(&["set", "door", "banip", "192.0.2.8"]).expect("a ban");
    let _said = place.say(&["stop", "door"]).expect("the jail's end");
    assert!(
        !set().contains("192.0.2.8"),
        "a jail that stops takes its bans along"
    );
    place.stop(running);
}

#[test]
fn connections_of_a_banned_address_are_ended() {
    const CLIENT: &str = "import socket,sys,time\n\
        server = socket.create_server(('127.0.0.1', 0))\n\
        client = socket.create_connection(server.getsockname(), source_address=('127.0.0.7', 0))\n\
        taken, _ = server.accept()\n\
        open(sys.argv[1], 'w').write('ready')\n\
        taken.settimeout(60)\n\
        try:\n    taken.recv(1)\n\
        except OSError as error:\n    open(sys.argv[1], 'w').write(type(error).__name__)\n";
    if !can_make_machines(&["nft"]) || !Subject::Reference.is_there() {
        return;
    }
    let place = Place::new("nftables[port=22, kill-mode=ss]");
    let running = place.start();
    let result = place.stage.path().join("result");
    let mut python = std::process::Command::new("/usr/bin/python3");
    python.args(["-c", CLIENT]).arg(&result);
    let mut client = spawn(
        &mut place.machine.inside(&python),
        &place.stage.path().join("client"),
    );
    let holds = |text: &str| (place.stage.read("result") == text).then_some(());
    until(
        "the connection",
        PATIENCE,
        || place.stage.read("client"),
        || holds("ready"),
    );
    let _said = place
        .say(&["set", "door", "banip", "127.0.0.8"])
        .expect("a ban of another");
    let _said = place.say(&["set", "door", "banip", "127.0.0.7"]).expect("a ban");
    until(
        "its end",
        PATIENCE,
        || place.stage.state(),
        || holds("ConnectionAbortedError"),
    );
    assert_eq!(client.wait(PATIENCE), Some(0));
    let log = place.stage.read("log");
    assert!(log.contains("Ended connections of banned addresses: 1"), "{log}");
    place.stop(running);
}
