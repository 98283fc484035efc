//! `stockade config`: what is written, what is left alone, and what is said.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test runs a program, and stops at the first surprise"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Runs `stockade config` and gives its status, its output and what it complained of.
fn config(words: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stockade"))
        .arg("config")
        .args(words)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn init(directory: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let words: Vec<&str> = ["init", directory.to_str().unwrap()]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    config(&words)
}

#[test]
fn what_is_shown_is_what_is_written() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("some/where");
    let (status, said, complaint) = init(&directory, &[]);
    assert_eq!((status, complaint.as_str()), (Some(0), ""), "{said}");

    let (status, listed, _) = config(&["show"]);
    assert_eq!(status, Some(0));
    let names: Vec<&str> = listed.lines().collect();
    assert_eq!(
        said,
        format!("{}: {} files were written.\n", directory.display(), names.len())
    );
    for name in ["fail2ban.conf", "jail.conf", "filter.d/sshd.conf"] {
        assert!(names.contains(&name), "{name} of {names:?}");
        let (_, shown, _) = config(&["show", name]);
        assert_eq!(shown, fs::read_to_string(directory.join(name)).unwrap(), "{name}");
        let (_, by_path, _) = config(&["show", &format!("/etc/fail2ban/{name}")]);
        assert_eq!(by_path, shown, "{name}");
    }
    assert!(
        !directory.join("tests").exists(),
        "sample logs are no configuration"
    );
    for name in &names {
        assert!(directory.join(name).is_file(), "{name}");
    }
    let check = Command::new(env!("CARGO_BIN_EXE_stockade"))
        .arg("check")
        .arg(&directory)
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stdout)
    );
}

#[test]
fn what_says_something_else_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path();
    fs::write(directory.join("jail.conf"), "[DEFAULT]\n").unwrap();
    fs::write(directory.join("jail.local"), "[sshd]\n").unwrap();
    symlink("nowhere", directory.join("fail2ban.conf")).unwrap();
    let (status, said, complaint) = init(directory, &[]);
    assert_eq!((status, said.as_str()), (Some(1), ""));
    assert_eq!(
        complaint,
        format!(
            "stockade: nothing was written, for something else stands in {} under these names:\n  \
             fail2ban.conf\n  jail.conf\n  `--force` replaces them.\n",
            directory.display()
        )
    );
    assert_eq!(
        fs::read_dir(directory).unwrap().count(),
        3,
        "half a configuration is none"
    );

    let (status, said, _) = init(directory, &["--force"]);
    assert_eq!(status, Some(0));
    assert!(said.ends_with("Replaced: fail2ban.conf, jail.conf.\n"), "{said}");
    assert_eq!(
        fs::read_to_string(directory.join("jail.local")).unwrap(),
        "[sshd]\n",
        "it is the administrator's"
    );
    assert!(!directory.join("nowhere").exists(), "the link itself is replaced");

    let (status, said, _) = init(directory, &["--json"]);
    assert_eq!(status, Some(0), "once more is no mistake");
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    let count = |key: &str| told.get(key).unwrap().as_array().unwrap().len();
    let (_, listed, _) = config(&["show"]);
    assert_eq!(
        (count("written"), count("replaced"), count("unchanged")),
        (0, 0, listed.lines().count())
    );
}

#[test]
fn what_there_is_not_is_said_with_what_there_is() {
    let cases = [
        ("sshd", "There is filter.d/sshd.conf."),
        ("jail.cnf", "There is jail.conf."),
        ("tests/sshd.log", "`stockade config show` lists what there is."),
        ("../Cargo.toml", "`stockade config show` lists what there is."),
    ];
    for (name, hint) in cases {
        let (status, said, complaint) = config(&["show", name]);
        assert_eq!((status, said.as_str()), (Some(1), ""), "{name}");
        assert_eq!(
            complaint,
            format!("stockade: there is no {name} in the configuration that comes with stockade\n  {hint}\n")
        );
    }
    let (status, said, _) = config(&["show", "jail.conf", "--json"]);
    assert_eq!(status, Some(0));
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(told.pointer("/file").unwrap(), "jail.conf");
    assert!(
        told.pointer("/text")
            .unwrap()
            .as_str()
            .unwrap()
            .contains("[sshd]")
    );
}

#[test]
fn all_jails_are_listed_without_a_daemon() {
    let parent = tempfile::tempdir().unwrap();
    let path = |name: &str| parent.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir_all(path("filter.d")).unwrap();
    fs::write(path("there.log"), "").unwrap();
    fs::write(path("fail2ban.conf"), "[Definition]\n").unwrap();
    fs::write(
        path("filter.d/door.conf"),
        "[Definition]\nfailregex = ^refused <HOST>$\n",
    )
    .unwrap();
    let jails = [
        ("door", "auto", "there"),
        ("gate", "auto", "absent"),
        ("wall", "no", "there"),
    ];
    let jails: String = jails
        .iter()
        .map(|(jail, enabled, log)| {
            let log = path(&format!("{log}.log"));
            format!(
                "[{jail}]\nfilter = door\naction =\nbackend = polling\nenabled = {enabled}\nlogpath = {log}\n"
            )
        })
        .collect();
    fs::write(
        path("jail.conf"),
        format!("{jails}[well]\nfilter = door\naction =\nenabled = true\n"),
    )
    .unwrap();
    let list = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_stockade"))
            .args([
                "jail",
                "list",
                "--available",
                "-c",
                parent.path().to_str().unwrap(),
            ])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let rows: Vec<Vec<String>> = list(&[])
        .lines()
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect();
    let log = path("there.log");
    let expected = [
        &["JAIL", "ON", "FOUND"][..],
        &["door", "by", "itself", &log],
        &["gate", "no", "-"],
        &["wall", "no", &log],
        &["well", "yes", "-"],
    ];
    assert_eq!(rows, expected);
    let told: serde_json::Value = serde_json::from_str(&list(&["--json"])).unwrap();
    assert_eq!(
        told,
        serde_json::json!([
            { "jail": "door", "enabled": "auto", "on": true, "found": log },
            { "jail": "gate", "enabled": "auto", "on": false, "found": null },
            { "jail": "wall", "enabled": false, "on": false, "found": log },
            { "jail": "well", "enabled": true, "on": true, "found": null },
        ])
    );
}
