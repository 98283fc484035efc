//! What has become of each ban in each action is told, and a ban that failed is tried again until it is in force.

use stockade_conformance::{Subject, run, until};

use crate::stage::{FILTER, PATIENCE, Stage};

const JAIL: &str = "[door]\nenabled = true\nfilter = simple\nbackend = polling\nlogpath = DIR/door.log\nbantime = 600\n\
    action = wall[retries=RETRIES]\n         note\n";

/// An action that works as long as there is a door.
const WALL: &str = "[Definition]\nactionunban = true\n\
    actionban = echo \"try <ip>\" >> DIR/tried; test -e DIR/door || { printf 'no door\\n\\033[1m' >&2; exit 3; }\n";

const NOTE: &str = "[Definition]\nactionban = echo \"<ip>\" >> DIR/noted\n";

fn stage(retries: &str) -> Stage {
    Stage::new(&[
        ("jail.conf", &JAIL.replace("RETRIES", retries)),
        ("filter.d/simple.conf", FILTER),
        ("action.d/wall.conf", WALL),
        ("action.d/note.conf", NOTE),
        ("door.log", ""),
    ])
}

/// What `stockade` says.
fn stockade(stage: &Stage, words: &[&str]) -> String {
    let mut command = Subject::stockade();
    command.args(words).arg("-c").arg(stage.path());
    run(&mut command, PATIENCE).expect("an answer")
}

#[test]
fn a_ban_that_fails_is_told_and_tried_again_until_it_is_in_force() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    let stage = stage("20");
    let server = stage.start(Subject::Ours, &["door"]);
    let _said = stage
        .say(Subject::Ours, &["set", "door", "banip", "192.0.2.7"])
        .expect("a ban");
    let failed = "wall failed";
    until(
        "the failure to be told",
        PATIENCE,
        || stage.state(),
        || stockade(&stage, &["banned"]).contains(failed).then_some(()),
    );
    let banned = stockade(&stage, &["banned"]);
    assert!(banned.contains("(returned 3: no door; \u{fffd}[1m)"), "{banned}");
    let status = stockade(&stage, &["status", "door"]);
    assert!(status.contains("Action wall: 1 failed"), "{status}");
    let json = stockade(&stage, &["banned", "--json"]);
    for part in ["\"state\": \"failed\"", "\"status\": 3", "\"state\": \"active\""] {
        assert!(json.contains(part), "{part}: {json}");
    }
    // The clients that others know are answered as ever.
    let status = stage.say(Subject::Ours, &["status", "door"]).stdout;
    assert!(status.ends_with("Banned IP list:\t192.0.2.7\n"), "{status}");

    // Several more failures, and then the door is there.
    until(
        "further tries",
        PATIENCE,
        || stage.state(),
        || (stage.read("tried").matches("try").count() >= 6).then_some(()),
    );
    stage.write("door", "");
    until(
        "the ban to be in force",
        PATIENCE,
        || stage.state(),
        || (!stockade(&stage, &["banned"]).contains(failed)).then_some(()),
    );
    let log = stage.read("log");
    for (text, count) in [
        ("Failed to execute ban jail 'door' action 'wall'", 1),
        ("[door] action 'wall' has banned 192.0.2.7 after", 1),
        ("stderr: 'no door'", 2),
    ] {
        assert_eq!(log.matches(text).count(), count, "{text}\n{log}");
    }
    assert_eq!(
        stage.read("noted"),
        "192.0.2.7\n",
        "the other action has done it once"
    );
    let _said = stage.say(Subject::Ours, &["stop"]);
    server.ends_well();
}

#[test]
fn a_ban_that_is_over_is_tried_no_more_and_none_where_it_is_switched_off() {
    if Subject::under_test() == Subject::Reference {
        return;
    }
    for (retries, tries) in [("0", 2), ("1", 4)] {
        let stage = stage(retries);
        let server = stage.start(Subject::Ours, &["door"]);
        let _said = stage
            .say(Subject::Ours, &["set", "door", "banip", "192.0.2.7"])
            .expect("a ban");
        until(
            "it to be given up",
            PATIENCE,
            || stage.state(),
            || {
                let banned = stockade(&stage, &["banned"]);
                (banned.contains("wall failed") && !banned.contains("is tried again")).then_some(())
            },
        );
        assert_eq!(
            stage.read("tried").matches("try").count(),
            tries,
            "retries = {retries}"
        );
        let given_up =
            "[door] action 'wall' has not banned 192.0.2.7, and does not try again after 2 failures";
        if retries == "1" {
            until(
                "the log to say so",
                PATIENCE,
                || stage.state(),
                || stage.read("log").contains(given_up).then_some(()),
            );
        } else {
            assert!(!stage.read("log").contains(given_up), "{}", stage.state());
        }
        let _said = stage.say(Subject::Ours, &["set", "door", "unbanip", "192.0.2.7"]);
        assert_eq!(stockade(&stage, &["banned"]), "Nobody is banned.\n");
        let _said = stage.say(Subject::Ours, &["stop"]);
        server.ends_well();
    }
}
