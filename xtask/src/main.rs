//! The project's own chores: `cargo xtask setup`, `test`, and the checks that `test` is made of.
//!
//! In: the name of a chore on the command line. Out: its report on standard output, and an exit status
//! that is zero only if nothing was found wrong.
//!
//! Invariant: nothing here changes the repository; what is made lies under `target/`.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "reporting on the terminal is all this program does"
)]

mod arrows;
mod clean_room;
mod licences;
mod package;
mod process;
mod release;
mod setup;
mod test;
mod trouble;
mod workspace;

use std::process::ExitCode;

use trouble::Trouble;
use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask <chore>

  setup        install what the tests need, and unpack the reference into target/reference
  test         set up, then run every check and every test; what CI runs
  arrows       compare who depends on whom with the picture in ARCHITECTURE.md
  licences     check the licences, and that docs/dependencies.md lists what we depend on
  deb          build the package for Debian into target/dist; `--binary FILE` packs that one
  static       build target/dist/stockade-static, which needs no library
  clean-room   check that config/ shares no long line with the reference's configuration
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["setup"] => report("setup", setup::chore),
        ["test"] => test::chore(),
        ["arrows"] => report("arrows", arrows::check),
        ["deb"] => report("deb", |workspace| package::chore(workspace, None)),
        ["deb", "--binary", binary] => {
            let binary = std::path::PathBuf::from(binary);
            report("deb", |workspace| package::chore(workspace, Some(&binary)))
        }
        ["static"] => report("static", release::chore),
        ["licences"] => report("licences", licences::check),
        ["clean-room"] => report("clean-room", clean_room::chore),
        _ => {
            print!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            println!("xtask: {}", trouble.chain());
            ExitCode::FAILURE
        }
    }
}

/// Runs one check alone and says how it went.
fn report(
    name: &str,
    check: impl FnOnce(&Workspace) -> Result<Vec<String>, Trouble>,
) -> Result<bool, Trouble> {
    let found = check(&Workspace::load()?)?;
    for line in &found {
        println!("{name}: {line}");
    }
    println!(
        "{name}: {}",
        if found.is_empty() {
            "in order"
        } else {
            "NOT in order"
        }
    );
    Ok(found.is_empty())
}
