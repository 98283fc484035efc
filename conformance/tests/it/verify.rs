//! `stockade verify`: what somebody else takes from the firewall, or puts into it, is told.

use stockade_conformance::{Machine, Subject, can_make_machines, run, spawn, until};

use crate::stage::{PATIENCE, Stage};

const JAIL: &str = "[door]\nbackend = polling\nbantime = 600\nmaxretry = 3\nusedns = no\nenabled = true\n\
    filter = simple\nlogpath = DIR/door.log\naction = nftables[port=22]\n";

const FILTER: &str = "[Definition]\nfailregex = ^login from <HOST> failed$\ndatepattern = {NONE}\n";

#[test]
fn differences_between_the_firewall_and_the_bans_are_told() {
    if !can_make_machines(&["nft"]) || !Subject::Reference.is_there() {
        return;
    }
    let machine = Machine::start("host.example");
    let stage = Stage::new(&[
        ("jail.conf", JAIL),
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
    let mut running = spawn(
        &mut machine.inside(&Subject::Ours.server(Some(stage.path()))),
        &stage.path().join("said"),
    );
    until(
        "the server",
        PATIENCE,
        || stage.state(),
        || stage.say(Subject::Ours, &["ping"]).succeeded().then_some(()),
    );
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
    let _said = stage.say(Subject::Ours, &["stop"]).expect("the end");
    assert_eq!(running.wait(PATIENCE), Some(0), "{}", stage.state());
}
