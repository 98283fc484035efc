//! `stockade check` as it is run: what it prints, and its exit status.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test runs a program, and stops at the first surprise"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const FILES: [(&str, &str); 4] = [
    ("fail2ban.conf", "[Definition]\nlogtarget = STDERR\n"),
    (
        "jail.conf",
        "[door]\nenabled = true\nbackend = systemd\nfilter = door\naction = gate\nbantime = 10m\n",
    ),
    (
        "filter.d/door.conf",
        "[Definition]\nfailregex = ^refused <HOST>$\n",
    ),
    ("action.d/gate.conf", "[Definition]\nactionban = true <ip>\n"),
];

fn tree(directory: &Path, local: &str) {
    for (path, content) in FILES.into_iter().chain([("jail.local", local)]) {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// What `stockade check` prints below the directory, with its status.
fn check(directory: &Path, words: &[&str]) -> (String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_stockade"))
        .arg("check")
        .args(words)
        .current_dir(directory)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    (
        String::from_utf8(output.stdout).unwrap(),
        output.status.code().unwrap(),
    )
}

#[test]
fn the_status_says_how_bad_it_is() {
    let good = "[DEFAULT]\n";
    let warning = "[door]\nmaxrety = 3\n";
    let error = "[door]\nbantime = soon\n";
    let note = "[door]\nprefregex = ^a\n";
    let cases: [(&str, &str, &[&str], i32, &str); 9] = [
        (
            "nothing",
            good,
            &["."],
            0,
            "No mistakes in 5 files, 1 jail enabled.\n",
        ),
        (
            "strictly nothing",
            good,
            &["--strict", "."],
            0,
            "No mistakes in 5 files",
        ),
        ("by the option", good, &["-c", "."], 0, "No mistakes in 5 files"),
        ("a note", note, &["--strict", "."], 0, "1 note besides.\n"),
        (
            "a warning",
            warning,
            &["."],
            0,
            "0 errors, 1 warning in 5 files.\n",
        ),
        (
            "a warning that counts",
            warning,
            &["--strict", "."],
            1,
            "did you mean `maxretry`?",
        ),
        (
            "an error",
            error,
            &["."],
            2,
            "./jail.local:2:11: error: `bantime` in [door] must be a time",
        ),
        (
            "an error, strictly",
            error,
            &["."],
            2,
            "1 error, 0 warnings in 5 files.\n",
        ),
        (
            "no directory",
            good,
            &["nowhere"],
            2,
            "nowhere: error: there is no such directory",
        ),
    ];
    for (name, local, words, status, part) in cases {
        let directory = tempfile::tempdir().unwrap();
        tree(directory.path(), local);
        let (text, found) = check(directory.path(), words);
        assert_eq!(found, status, "{name}\n{text}");
        assert!(text.contains(part), "{name}\n{text}");
        assert!(!text.contains('\x1b'), "no colours without a terminal: {name}");
    }
}

#[test]
fn json_has_the_same_in_it() {
    let directory = tempfile::tempdir().unwrap();
    tree(
        directory.path(),
        "[door]\nmaxretry = 3\nmaxretry = five\n  # remark\nbanned = yes\n",
    );
    fs::create_dir(directory.path().join("filter.d/door.local")).unwrap();
    let (text, status) = check(directory.path(), &["--json", "."]);
    assert_eq!(status, 2, "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let counts: Vec<u64> = ["errors", "warnings", "notes", "hidden", "files", "jails"]
        .iter()
        .map(|name| report.get(name).unwrap().as_u64().unwrap())
        .collect();
    assert_eq!(counts, [3, 1, 0, 0, 5, 1], "{text}");
    let places: Vec<String> = report
        .get("diagnostics")
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .map(|found| {
            let field = |name: &str| found.get(name).unwrap().to_string();
            ["file", "line", "column", "end", "severity", "code"]
                .map(field)
                .join(" ")
        })
        .collect();
    assert_eq!(
        places,
        [
            r#""./filter.d/door.local" null null null "error" "unreadable-file""#,
            r#""./jail.local" 3 1 9 "error" "duplicate-option""#,
            r#""./jail.local" 3 12 16 "error" "bad-number""#,
            r#""./jail.local" 5 1 7 "warning" "unknown-option""#,
        ]
    );
    let second = report.pointer("/diagnostics/1").unwrap();
    assert_eq!(second.pointer("/related/0/line").unwrap(), 2);
    assert_eq!(second.pointer("/related/0/message").unwrap(), "the first one");
    assert_eq!(
        second.get("message").unwrap(),
        "`maxretry` stands twice in [door]"
    );
    assert!(second.get("help").unwrap().is_string());
}
