//! The table of the options is true: what it says of values that nobody writes, and of commands that change them, is
//! what the daemon does.

use std::process::Command;

use stockade_config::{Fallback, Group, ValueKind, Vocabulary};
use stockade_conformance::{Subject, run};

use crate::stage::{FILTER, PATIENCE, Stage};

const JAIL: &str = "[bare]\nenabled = true\nfilter = simple\nlogpath = DIR/bare.log\naction = nothing\n";
const ACTION: &str = "[Definition]\nactionban = true\n";

fn stage() -> Stage {
    Stage::new(&[
        ("jail.conf", JAIL),
        ("filter.d/simple.conf", FILTER),
        ("action.d/nothing.conf", ACTION),
        ("bare.log", ""),
    ])
}

#[test]
fn what_nobody_writes_is_what_the_table_says() {
    let stage = stage();
    let server = stage.start(Subject::Ours, &["bare"]);
    let mut wrong = Vec::new();
    for option in Vocabulary::Jail.entries(Group::Read) {
        let expected = match option.fallback {
            Fallback::Daemon(expected) => expected,
            Fallback::Read(_) | Fallback::Nothing => continue,
        };
        let said = stage.say(Subject::Ours, &["get", "bare", option.name]);
        let said = said.expect(option.name);
        let found = said.trim();
        let is_unset = found == "None";
        let is_right = if option.kind.is_truth() {
            found.eq_ignore_ascii_case(expected) || is_unset && expected == "false"
        } else if option.kind == ValueKind::Encoding {
            // That of the system, by its name.
            found.ends_with("UTF-8")
        } else if [ValueKind::Formula, ValueKind::Factor].contains(&option.kind) {
            is_unset
        } else {
            found.ends_with(expected)
        };
        // Reports have no command of a client.
        if !is_right && !option.is_ours {
            wrong.push(format!("{}: `{found}`, not `{expected}`", option.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    drop(server);
}

#[test]
fn the_commands_of_the_table_change_options() {
    let stage = stage();
    let server = stage.start(Subject::Ours, &["bare"]);
    let client = Subject::Ours.client(Some(stage.path()));
    let mut line = client.get_program().to_string_lossy().into_owned();
    for word in client.get_args() {
        line = format!("{line} '{}'", word.to_string_lossy());
    }
    let mut wrong = Vec::new();
    let mut count = 0;
    for vocabulary in Vocabulary::ALL {
        let groups = [Group::Read, Group::Setting];
        for option in groups.into_iter().flat_map(|group| vocabulary.entries(group)) {
            let Some(live) = option.live else { continue };
            let live = live
                .replace("JAIL", "bare")
                .replace("/var/log/", &stage.here("DIR/"));
            let live = match option.name {
                "action" => live.replace("NAME", "another"),
                _ => live.replace("NAME", "nothing"),
            };
            let ran = run(
                Command::new("sh").args(["-c", &format!("{line} {live}")]),
                PATIENCE,
            );
            count += 1;
            if !ran.succeeded() {
                wrong.push(format!("{live}: {}{}", ran.stdout, ran.stderr));
            }
        }
    }
    assert!(
        wrong.is_empty() && count > 30,
        "{count} commands\n{}",
        wrong.join("\n")
    );
    drop(server);
}

#[test]
fn examples_of_the_table_are_in_order() {
    let mut jail = "[checked]\nenabled = true\nlogpath = /dev/null\n".to_owned();
    for option in Vocabulary::Jail.entries(Group::Read) {
        // These name things that are not here, or exclude each other.
        let elsewhere = [
            "enabled",
            "backend",
            "filter",
            "logpath",
            "action",
            "ignorecommand",
            "auto_if_exists",
            "journalmatch",
            "ignoreip",
        ];
        if !elsewhere.contains(&option.name) {
            jail.push_str(&format!("{} = {}\n", option.name, option.example));
        }
    }
    jail.push_str("filter = simple\naction = nothing\n");
    let stage = Stage::new(&[
        ("jail.conf", &jail),
        ("filter.d/simple.conf", FILTER),
        ("action.d/nothing.conf", ACTION),
    ]);
    let mut command = Subject::stockade();
    command.args(["check", "--json", "-c"]).arg(stage.path());
    let ran = run(&mut command, PATIENCE);
    assert!(ran.stdout.contains("\"errors\": 0"), "{}", ran.stdout);
}
