//! A network of the test's own: the test runs itself again inside `unshare -rn`, where it may change the firewall and
//! nobody is affected. Where what it needs is missing it says so and passes, but fails where `CI` is in the environment.

use std::process::Command;

const INSIDE: &str = "STOCKADE_TEST_NETWORK";

/// Runs `body` in a network of its own, in a new process that runs the test `name` alone. Whether what it `needs` is
/// there a line of shell tells, which ends well inside of such a network.
pub(crate) fn enter(name: &str, needs: &str, tells: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let able = Command::new("unshare")
        .args(["-rn", "sh", "-c", tells])
        .output()
        .is_ok_and(|output| output.status.success());
    if !able {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI lacks unshare, {needs} or user namespaces"
        );
        println!("skipped: needs unshare, {needs} and user namespaces");
        return;
    }
    let output = Command::new("unshare")
        .arg("-rn")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "the test ran: {text}");
}
