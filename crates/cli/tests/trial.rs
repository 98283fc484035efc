//! `stockade test` on small logs: what it says of each line, and how it ends.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test writes files and runs a program, and stops at the first surprise"
)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const FILES: [(&str, &str); 7] = [
    (
        "conf/jail.conf",
        "[DEFAULT]\nbackend = polling\nignoreself = false\nmaxretry = 2\nfindtime = 10m\nbantime = 1h\n\
         ignoreip = 198.51.100.0/24 192.0.2.9\nlogpath = web.log\n\
         [web]\nfilter = web\n\
         [session]\nfilter = session\nlogpath = nowhere.log\n\
         [bad]\nfilter = nowhere\n\
         [worse]\nfilter = web\nfindtime = %(nothing)s\n",
    ),
    (
        "conf/filter.d/web.conf",
        "[Definition]\nfailregex = ^ \\S+ app: bad \\S+ from <HOST>$\n\
         \x20           ^ \\S+ app: worse from <ADDR>$\nignoreregex = bad root\n",
    ),
    (
        "conf/filter.d/session.conf",
        "[Definition]\nprefregex = ^ \\S+ app\\[<F-MLFID>\\d+</F-MLFID>\\]: <F-CONTENT>.+</F-CONTENT>$\n\
         failregex = ^<F-NOFAIL>connect</F-NOFAIL> from <ADDR>$\n\
         \x20           ^fail of <F-USER>\\S+</F-USER>$\n\
         \x20           ^<F-MLFFORGET>close</F-MLFFORGET>\n",
    ),
    (
        "web.log",
        "2024-01-02 03:04:05 srv app: bad bob from 192.0.2.1\n\
         2024-01-02 03:04:06 srv app: fine joe from 192.0.2.1\n\
         2024-01-02 03:04:07 srv app: bad root from 192.0.2.1\n\
         no date here\n\
         2024-01-02 03:04:08 srv app: worse from 192.0.2.1\n\
         2024-01-02 03:04:09 srv app: bad bob from 198.51.100.7\n\
         2024-01-02 03:04:10 srv app: bad bob from 192.0.2.9\n\
         2024-01-02 03:04:11 srv app: worse from 192.0.2.1\n\
         2024-01-02 03:04:12 srv app: worse from 192.0.2.1\n\
         2024-01-02 03:04:13 srv app: bad bob from 192.0.2.2\n\
         2024-01-02 03:24:13 srv app: bad bob from 192.0.2.2\n\
         2024-01-02 05:04:13 srv app: bad bob from 192.0.2.1\n",
    ),
    (
        "session.log",
        "2024-01-02 03:04:05 srv app[1]: connect from 192.0.2.1\n\
         2024-01-02 03:04:06 srv app[1]: fail of bob\n\
         2024-01-02 03:04:07 srv app[1]: close\n\
         2024-01-02 03:04:08 srv app[2]: fail of joe\n\
         2024-01-02 03:04:09 srv app[3]: something else\n\
         2024-01-02 03:04:10 srv other: nothing\n",
    ),
    ("conf/filter.d/broken.conf", "failregex = x\n"),
    ("empty.log", ""),
];

/// The name of a case, and its words.
const CASES: [(&str, &[&str]); 27] = [
    ("jail", &["web", "web.log"]),
    ("jail-json", &["web", "web.log", "--json"]),
    ("jail-quiet", &["web", "web.log", "-q"]),
    ("logs-of-the-jail", &["web", "-q"]),
    (
        "ignorecommand",
        &["web", "web.log", "--set", "ignorecommand=test <ip> = 192.0.2.2"],
    ),
    (
        "ignorecommand-fails",
        &[
            "web",
            "web.log",
            "-q",
            "--set",
            "ignorecommand=echo no such list >&2; exit 3",
        ],
    ),
    ("at-start", &["web", "web.log", "--at-start", "-q"]),
    ("other-maxretry", &["web", "web.log", "-q", "--set", "maxretry=9"]),
    ("filter", &["--filter", "session", "session.log"]),
    (
        "filter-file",
        &["--filter", "./conf/filter.d/web.conf", "web.log", "-q"],
    ),
    (
        "expression",
        &[
            "-e",
            "^ login <HOST>$",
            "-l",
            "2024-01-02 03:04:05 login 192.0.2.1",
        ],
    ),
    (
        "exception",
        &["-e", "login <HOST>$", "-i", "2\\.1$", "-l", "login 192.0.2.1"],
    ),
    (
        "lines",
        &[
            "web",
            "-l",
            "nothing",
            "-l",
            "2024-01-02 03:04:05 s app: bad \u{1b}[1m from 192.0.2.1",
        ],
    ),
    ("standard-input", &["web", "-"]),
    ("empty", &["web", "empty.log"]),
    (
        "usedns-no",
        &[
            "--set",
            "usedns=no",
            "-e",
            "x <F-DNS>\\S+</F-DNS>",
            "-l",
            "x example.com",
        ],
    ),
    ("no-subject", &[]),
    ("no-log", &["--filter", "web"]),
    ("no-log-of-the-jail", &["session"]),
    ("no-such-log", &["web", "nowhere.log"]),
    ("a-directory", &["web", "conf"]),
    ("no-such-jail", &["wbe", "web.log"]),
    ("bad-jail", &["bad", "web.log"]),
    ("worse-jail", &["worse", "web.log"]),
    ("bad-filter", &["--filter", "broken", "web.log"]),
    ("bad-expression", &["-e", "(", "-l", "x"]),
    ("too-many-words", &["web", "web.log", "more"]),
];

#[test]
fn each_line_is_told_where_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    for (name, words) in CASES {
        insta::assert_snapshot!(name, said(directory.path(), words));
    }
}

/// What it says, on both outputs, and its exit status.
fn said(directory: &Path, words: &[&str]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stockade"))
        // What is an address of the machine differs from one to the other.
        .args(["test", "-c", "conf", "--set", "ignoreself=false"])
        .args(words)
        .current_dir(directory)
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // Who does not read it is gone already.
    let _ = input.write_all(b"2024-01-02 03:04:05 srv app: bad bob from 192.0.2.1\nno end");
    drop(input);
    let output = child.wait_with_output().unwrap();
    format!(
        "{}{}status {}",
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
        output.status.code().unwrap(),
    )
}
