//! The worked examples of the configuration language, replayed through the library.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests read the examples from the disk"
)]

#[path = "cases/available.rs"]
mod available;
#[path = "cases/inspection.rs"]
mod inspection;
mod support;

use std::{fs, io::ErrorKind, path::PathBuf};

use serde_json::Value;
use stockade_config::{Content, Files, Kind, Mode, Overrides, Reader, Stream};
use stockade_protocol::Command;
use support::{Called, Memory, client};

fn examples() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../conformance/examples/config"
    ))
}

/// Calls that need a daemon, or in which we differ on purpose.
const ELSEWHERE: [&str; 1] = [
    // A jail without a log file waits for it.
    "073-missing-logs run4",
];

#[test]
fn replays_every_example() {
    let mut cases: Vec<PathBuf> = fs::read_dir(examples())
        .expect("the examples are there")
        .map(|entry| entry.expect("a case").path())
        .filter(|path| path.join("run1.args").exists())
        .collect();
    cases.sort();
    let (mut runs, mut differing) = (0, Vec::new());
    for case in cases {
        let files = Disk { root: case.clone() };
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        for run in 1.. {
            let read = |what: &str| fs::read_to_string(case.join(format!("run{run}.{what}"))).ok();
            let Some(arguments) = read("args") else { break };
            let run = format!("{name} run{run}");
            if ELSEWHERE.contains(&run.as_str()) {
                continue;
            }
            runs += 1;
            let expected = Called {
                status: read("rc").expect("a status").trim().parse().expect("a number"),
                stdout: read("stdout").expect("an output"),
                stderr: read("stderr").expect("a log"),
            };
            let mut found = client(&files, &arguments.split_whitespace().collect::<Vec<_>>());
            let mut expected = expected;
            if case.join("unordered").exists() {
                found.stdout = sorted(&found.stdout);
                expected.stdout = sorted(&expected.stdout);
            }
            if found != expected {
                differing.push(format!("{run}\n{}", difference(&expected, &found)));
            }
        }
    }
    assert!(runs > 120, "only {runs} runs");
    assert!(
        differing.is_empty(),
        "{} of {runs} runs differ\n{}",
        differing.len(),
        differing.join("\n")
    );
}

fn generated() -> Vec<(Value, Memory)> {
    let text = fs::read_to_string(examples().join("random.jsonl")).expect("the examples are there");
    let case = |line| {
        let case: Value = serde_json::from_str(line).expect("it is JSON");
        let files = case.get("files").and_then(Value::as_object);
        let files = files.expect("files by path").iter();
        let files = files.map(|(path, content)| (path.clone(), text_of(content).into_bytes()));
        let files = Memory(files.collect());
        (case, files)
    };
    text.lines().map(case).collect()
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Actions that several jails use alike are evaluated once; that must not be seen.
#[test]
fn a_jail_among_others_is_what_it_is_alone() {
    let mut jails = 0;
    for (case, files) in generated() {
        let read = |only: Option<&str>| {
            let reader = Reader::new(&files, "conf", "1.1.1", &[]);
            let early = reader.early(&Overrides::default()).ok()?;
            Some(reader.read(&early, Mode::Dump, only))
        };
        let Some(all) = read(None).filter(Stream::is_usable) else {
            continue;
        };
        for start in &all.commands {
            let Command::Start(jail) = &start.value else {
                continue;
            };
            let Some(alone) = read(Some(jail.as_str())).filter(Stream::is_usable) else {
                continue;
            };
            let of_jail = |stream: &Stream| -> Vec<Command> {
                let commands = stream.commands.iter().map(|command| &command.value);
                commands
                    .filter(|command| command.jail() == Some(jail))
                    .cloned()
                    .collect()
            };
            assert_eq!(of_jail(&all), of_jail(&alone), "{} {jail}", case["id"]);
            jails += 1;
        }
    }
    assert!(jails > 300, "only {jails} jails");
}

#[test]
fn replays_every_generated_configuration() {
    let (mut runs, mut differing) = (0, Vec::new());
    for (case, files) in generated() {
        let found = client(&files, &["-c", "conf", "-d"]);
        let fatal = found
            .stderr
            .split_once("Failed during configuration: ")
            .map(|(_, rest)| {
                rest.strip_suffix("\nfail2ban ERROR Init of command line failed\n")
                    .unwrap_or(rest)
                    .to_owned()
            });
        runs += 1;
        let expected = (
            case["rc"].as_u64(),
            text_of(&case["stdout"]),
            case["fatal"].as_str().map(str::to_owned),
        );
        if (Some(u64::from(found.status)), found.stdout.clone(), fatal.clone()) != expected {
            let id = text_of(&case["id"]);
            differing.push(format!(
                "{id}\n- {}\n+ {}\n- {:?}\n+ {fatal:?}",
                expected.1, found.stdout, expected.2
            ));
        }
    }
    assert!(runs > 280, "only {runs} runs");
    assert!(
        differing.is_empty(),
        "{} of {runs} differ\n{}",
        differing.len(),
        differing.join("\n")
    );
}

/// The disk, with relative paths seen from a directory.
struct Disk {
    root: PathBuf,
}

impl Files for Disk {
    fn read(&self, path: &str) -> Content {
        match fs::read(self.root.join(path)) {
            Ok(bytes) => Content::Bytes(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => Content::Missing,
            Err(error) => Content::Unreadable(error.to_string()),
        }
    }

    fn kind(&self, path: &str) -> Kind {
        let path = self.root.join(path);
        match fs::metadata(&path) {
            Ok(data) if data.is_dir() => Kind::Directory,
            // A link to nowhere does not survive every archive; the example keeps its name.
            Ok(_) if path.ends_with("logs/dangling") => Kind::DanglingLink,
            Ok(_) => Kind::File,
            Err(_) if fs::symlink_metadata(&path).is_ok() => Kind::DanglingLink,
            Err(_) => Kind::Missing,
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(directory)).into_iter().flatten();
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect()
    }
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn difference(expected: &Called, found: &Called) -> String {
    let mut text = String::new();
    if expected.status != found.status {
        text.push_str(&format!(
            "status {} instead of {}\n",
            found.status, expected.status
        ));
    }
    for (expected, found) in [
        (&expected.stdout, &found.stdout),
        (&expected.stderr, &found.stderr),
    ] {
        for line in expected
            .lines()
            .filter(|line| !found.lines().any(|other| other == *line))
        {
            text.push_str(&format!("- {line}\n"));
        }
        for line in found
            .lines()
            .filter(|line| !expected.lines().any(|other| other == *line))
        {
            text.push_str(&format!("+ {line}\n"));
        }
    }
    text
}
