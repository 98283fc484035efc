//! A network of its own, so that nothing of the machine changes, and where figures are printed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::Trouble;

/// Set in the environment of the process inside.
const INSIDE: &str = "STOCKADE_BENCH_NETWORK";

/// Whether this process is in a network of its own.
pub(crate) fn is_own() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this program once more, in a network of its own, to measure `what`.
pub(crate) fn enter(what: &[&str]) -> Result<(), Trouble> {
    // With all the rights there are nft may send transactions of any size; without, it has those of its own network.
    let is_root = fs::metadata("/proc/self")?.uid() == 0;
    let status = Command::new("unshare")
        .arg(if is_root { "-n" } else { "-rn" })
        .arg(std::env::current_exe()?)
        .args(what)
        .env(INSIDE, "1")
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("the measurement inside of the network failed".into())
    }
}

/// Empties the firewall of this network.
pub(crate) fn forget() -> Result<(), Trouble> {
    let status = Command::new("nft").args(["flush", "ruleset"]).status()?;
    if status.success() {
        Ok(())
    } else {
        Err("the firewall cannot be emptied".into())
    }
}

/// Prints a figure.
#[expect(clippy::print_stdout, reason = "standard output is where figures go")]
pub(crate) fn print(figure: &str) {
    println!("{figure}");
}
