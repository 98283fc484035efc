//! What `--help` says, program by program.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test runs a program, and stops at the first surprise"
)]

use std::process::Command;

fn help(program: &str, words: &[&str]) -> String {
    let output = Command::new(program)
        .args(words)
        .arg("--help")
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success(), "{program} {words:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_program_explains_itself() {
    let stockade = env!("CARGO_BIN_EXE_stockade");
    insta::assert_snapshot!("stockade", help(stockade, &[]));
    for command in [
        "run",
        "status",
        "banned",
        "ban",
        "unban",
        "verify",
        "report",
        "report failure",
        "report success",
        "jail",
        "jail list",
        "jail show",
        "jail set",
        "reload",
        "check",
        "explain",
        "test",
        "config",
        "config init",
        "config show",
        "tail",
        "stop",
        "completions",
        "manual",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let name = command.replace(' ', "-");
        insta::assert_snapshot!(format!("stockade-{name}"), help(stockade, &words));
    }
    insta::assert_snapshot!(
        "fail2ban-client",
        help(env!("CARGO_BIN_EXE_fail2ban-client"), &[])
    );
    insta::assert_snapshot!(
        "fail2ban-server",
        help(env!("CARGO_BIN_EXE_fail2ban-server"), &[])
    );
    insta::assert_snapshot!("fail2ban-regex", help(env!("CARGO_BIN_EXE_fail2ban-regex"), &[]));
}
