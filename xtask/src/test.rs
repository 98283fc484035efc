//! `cargo xtask test`: every check and every test, in the order in which a mistake is cheapest to find.
//!
//! In: the checkout. Out: each step with its duration, what failed in full, and as the last line
//! `N passed, N failed, N skipped`.
//!
//! The tests are built once, for the whole workspace, and their programs run from here: one way on every
//! machine, whatever runner is installed, and no step that builds the same crates with other features.
//!
//! Invariant: with `CI=true` in the environment a skipped test is a failure.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::trouble::Trouble;
use crate::workspace::{Workspace, cargo};
use crate::{arrows, clean_room, licences, process, setup};

/// How long cargo may take to check or to build everything from nothing.
const BUILD_LIMIT: Duration = Duration::from_secs(1200);

/// How long one test program may take; the longest one waits for bans to end.
const TEST_LIMIT: Duration = Duration::from_secs(1500);

/// The crate whose tests compare with the reference, and run end to end.
const CONFORMANCE: &str = "conformance";

/// The crate whose tests run the loop on a simulated world.
const SIMULATION: &str = "sim";

/// What the names of the end-to-end tests begin with.
const END_TO_END: &str = "e2e::";

/// How many failed tests of a program are run once more, each by itself: more than that is no accident.
const AGAIN: usize = 3;

/// What a test that cannot run here prints, followed by the reason, before it returns.
const SKIPPED: &str = "skipped: ";

/// How many of what a step did went how.
#[derive(Clone, Copy, Default)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// Of those that passed: how many did so at the second attempt.
    unsteady: u64,
}

impl Tally {
    const PASSED: Self = Self {
        passed: 1,
        failed: 0,
        skipped: 0,
        unsteady: 0,
    };
    const FAILED: Self = Self {
        passed: 0,
        failed: 1,
        skipped: 0,
        unsteady: 0,
    };

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.unsteady += other.unsteady;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
            unsteady,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")?;
        if *unsteady > 0 {
            write!(f, " ({unsteady} passed only when run again)")?;
        }
        Ok(())
    }
}

/// One program full of tests.
struct TestProgram {
    /// The directory of its crate, below the root.
    krate: String,
    manifest_directory: PathBuf,
    executable: PathBuf,
}

/// Runs everything; whether all is well.
pub(crate) fn chore() -> Result<bool, Trouble> {
    let workspace = Workspace::load()?;
    let mut run = Run {
        ci: ci(),
        total: Tally::default(),
        summary: Vec::new(),
    };
    run.everything(&workspace);
    println!("\n== summary");
    for line in &run.summary {
        println!("{line}");
    }
    let Tally {
        passed,
        failed,
        skipped,
        unsteady,
    } = run.total;
    if run.ci && skipped > 0 {
        println!("CI=true: what was skipped counts as failed");
    }
    if unsteady > 0 {
        println!("{unsteady} passed only when run again: see `again` above");
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(failed == 0 && !(run.ci && skipped > 0))
}

/// Whether we run where nothing may be skipped.
fn ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}

/// The steps so far.
struct Run {
    ci: bool,
    total: Tally,
    summary: Vec<String>,
}

impl Run {
    fn everything(&mut self, workspace: &Workspace) {
        let root = workspace.root.clone();
        self.step("setup", || {
            let missing = setup::provide(workspace)?;
            for setup::Missing { what, skipped } in &missing {
                println!("{what}; skipped: {skipped}");
            }
            let skipped = u64::try_from(missing.len()).unwrap_or(u64::MAX);
            Ok(Tally {
                skipped,
                ..Tally::default()
            })
        });
        self.step("format", || cargo_step(&root, &["fmt", "--all", "--check"]));
        self.step("clippy", || {
            let words = [
                "clippy",
                "--quiet",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ];
            cargo_step(&root, &words)
        });
        self.step("arrows", || Ok(found(&arrows::check(workspace)?)));
        self.step("licences", || Ok(found(&licences::check(workspace)?)));
        self.step("clean room", || {
            if workspace.reference().exists() {
                Ok(found(&clean_room::check(workspace)?))
            } else {
                Ok(Tally {
                    skipped: 1,
                    ..Tally::default()
                })
            }
        });
        let mut programs = Vec::new();
        self.step("build", || {
            programs = build(&root)?;
            cargo_step(&root, &["build", "--quiet", "--workspace", "--bins"])
        });
        let special = |program: &&TestProgram| program.krate == CONFORMANCE || program.krate == SIMULATION;
        self.step("unit and table tests", || {
            let ordinary = programs.iter().filter(|program| !special(program));
            run_tests(ordinary, &[])
        });
        self.step("documentation tests", || {
            let mut command = Command::new(cargo());
            command
                .current_dir(&root)
                .args(["test", "--quiet", "--workspace", "--doc"]);
            Ok(run_program(&mut command)?.tally)
        });
        self.step("simulation", || run_tests(of(&programs, SIMULATION), &[]));
        self.step("conformance", || {
            run_tests(of(&programs, CONFORMANCE), &["--skip", END_TO_END])
        });
        self.step("end to end", || {
            // They mostly wait for bans to end, so more of them run than there are processors.
            let words = [END_TO_END, "--test-threads", "8"];
            run_tests(of(&programs, CONFORMANCE), &words)
        });
    }

    /// Does one step and writes down how it went and how long it took.
    fn step(&mut self, name: &str, act: impl FnOnce() -> Result<Tally, Trouble>) {
        println!("\n== {name}");
        let start = Instant::now();
        let tally = act().unwrap_or_else(|trouble| {
            println!("{}", trouble.chain());
            Tally::FAILED
        });
        let verdict = if tally.failed > 0 || (self.ci && tally.skipped > 0) {
            "FAILED"
        } else {
            "ok"
        };
        let line = format!(
            "{name:<22}{verdict:<8}{:>7.1} s   {tally}",
            start.elapsed().as_secs_f64(),
        );
        println!("{line}");
        self.summary.push(line);
        self.total.add(tally);
    }
}

/// What a check found is one failure, however long its list.
fn found(list: &[String]) -> Tally {
    for line in list {
        println!("{line}");
    }
    if list.is_empty() {
        Tally::PASSED
    } else {
        Tally::FAILED
    }
}

fn cargo_step(root: &Path, words: &[&str]) -> Result<Tally, Trouble> {
    let mut command = Command::new(cargo());
    let good = process::succeeds(command.current_dir(root).args(words), BUILD_LIMIT)?;
    Ok(if good { Tally::PASSED } else { Tally::FAILED })
}

/// Builds the tests of the whole workspace; where their programs are.
fn build(root: &Path) -> Result<Vec<TestProgram>, Trouble> {
    let mut command = Command::new(cargo());
    command.current_dir(root).args([
        "test",
        "--quiet",
        "--workspace",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]);
    let mut programs = Vec::new();
    let status = process::lines(&mut command, BUILD_LIMIT, |line| {
        programs.extend(serde_json::from_str(line).ok().and_then(|value| program(&value)));
    })?;
    if !status.success() {
        let why = status.to_string();
        return Err(Trouble::Failed {
            program: "cargo test --no-run".to_owned(),
            why,
        });
    }
    Ok(programs)
}

/// The test program that one of cargo's messages announces.
fn program(message: &Value) -> Option<TestProgram> {
    let executable = message.get("executable")?.as_str()?;
    let test = message.get("profile")?.get("test")?.as_bool()?;
    let manifest = Path::new(message.get("manifest_path")?.as_str()?);
    let manifest_directory = manifest.parent()?;
    test.then(|| TestProgram {
        krate: manifest_directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        manifest_directory: manifest_directory.to_owned(),
        executable: PathBuf::from(executable),
    })
}

fn of<'a>(programs: &'a [TestProgram], krate: &'a str) -> impl Iterator<Item = &'a TestProgram> {
    programs.iter().filter(move |program| program.krate == krate)
}

impl TestProgram {
    /// Runs some of its tests.
    fn run(&self, words: &[&str]) -> Result<Outcome, Trouble> {
        let mut command = Command::new(&self.executable);
        command
            .arg("--show-output")
            .args(words)
            .current_dir(&self.manifest_directory)
            .env("CARGO_MANIFEST_DIR", &self.manifest_directory);
        run_program(&mut command)
    }
}

/// Runs test programs one after another; their threads keep the processors busy.
///
/// Many tests have real programs do real things beside each other, on machines that are shared: what has failed is run
/// once more by itself, and both is told.
fn run_tests<'a>(programs: impl Iterator<Item = &'a TestProgram>, words: &[&str]) -> Result<Tally, Trouble> {
    let mut total = Tally::default();
    for program in programs {
        println!("-- {}: {}", program.krate, program.executable.display());
        let Outcome { mut tally, failed } = program.run(words)?;
        if failed.len() <= AGAIN {
            for test in failed {
                println!("-- again: {test}");
                let again = program.run(&["--exact", &test])?.tally;
                // One that is not found by its name has not passed, either.
                if again.failed == 0 && again.passed + again.skipped > 0 {
                    tally.failed = tally.failed.saturating_sub(1);
                    tally.add(Tally {
                        unsteady: again.passed,
                        ..again
                    });
                }
            }
        }
        total.add(tally);
    }
    Ok(total)
}

/// What became of the tests of one program.
struct Outcome {
    tally: Tally,
    /// The names of those that failed.
    failed: Vec<String>,
}

/// Runs one command that speaks as the standard test harness does.
fn run_program(command: &mut Command) -> Result<Outcome, Trouble> {
    let mut report = Report::default();
    let status = process::lines(command, TEST_LIMIT, |line| {
        if let Some(line) = report.read(line) {
            println!("{line}");
        }
    })?;
    let mut tally = report.tally();
    if !status.success() && tally.failed == 0 {
        println!("{status}");
        tally.failed = 1;
    }
    Ok(Outcome {
        tally,
        failed: report.failed,
    })
}

/// What a test program says, line by line: its counts, and of the rest what is worth passing on.
#[derive(Default)]
struct Report {
    counted: Tally,
    /// How many said that they were skipped; the harness knows only passed and failed, and took the early
    /// return for the former.
    skipped: u64,
    /// Whether we are in what tests that passed have printed.
    successes: bool,
    /// Whose output that is.
    test: String,
    /// Which tests have failed.
    failed: Vec<String>,
}

impl Report {
    fn read(&mut self, line: &str) -> Option<String> {
        if let Some(counted) = result(line) {
            self.counted.add(counted);
            self.successes = false;
            return None;
        }
        match line {
            "successes:" => self.successes = true,
            "failures:" => self.successes = false,
            _ => {}
        }
        if let Some(test) = line.strip_prefix("---- ") {
            test.split(' ')
                .next()
                .unwrap_or_default()
                .clone_into(&mut self.test);
        }
        // What a test has printed that passed is none of these.
        if !self.successes
            && let Some(test) = line.strip_prefix("test ")
            && let Some(test) = test.strip_suffix(" ... FAILED")
        {
            self.failed.push(test.to_owned());
        }
        match line.strip_prefix(SKIPPED) {
            Some(why) if self.successes => {
                self.skipped += 1;
                Some(format!("skipped: {}: {why}", self.test))
            }
            _ => {
                let dull = line.is_empty() || line.ends_with("... ok") || line.starts_with("running ");
                (!self.successes && !dull).then(|| line.to_owned())
            }
        }
    }

    fn tally(&self) -> Tally {
        Tally {
            passed: self.counted.passed.saturating_sub(self.skipped),
            skipped: self.counted.skipped + self.skipped,
            ..self.counted
        }
    }
}

/// The counts of the harness's own summary, if `line` is that.
fn result(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        let words = counts.split(';').map(str::trim);
        words
            .filter_map(|word| word.strip_suffix(what)?.trim().parse::<u64>().ok())
            .next()
    };
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")?,
        skipped: count("ignored")?,
        unsteady: 0,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Report, TestProgram, result, run_tests};

    #[test]
    fn what_has_failed_is_run_once_more_by_itself() {
        let place = std::env::temp_dir().join(format!("stockade-xtask-{}", std::process::id()));
        fs::create_dir(&place).expect("a directory of our own");
        let executable = place.join("program");
        let script = "#!/bin/sh\n\
            case \"$*\" in\n\
            *'--exact shaky') echo 'test result: ok. 1 passed; 0 failed; 0 ignored' ;;\n\
            *'--exact unknown') echo 'test result: ok. 0 passed; 0 failed; 0 ignored' ;;\n\
            *'--exact broken') echo 'test result: FAILED. 0 passed; 1 failed; 0 ignored'; exit 1 ;;\n\
            *) echo 'test shaky ... FAILED'; echo 'test broken ... FAILED'; echo 'test unknown ... FAILED'\n\
               echo 'test result: FAILED. 5 passed; 3 failed; 0 ignored'; exit 1 ;;\n\
            esac\n";
        fs::write(&executable, script).expect("a program");
        fs::set_permissions(&executable, fs::Permissions::from_mode(0o755)).expect("a file of our own");
        let program = TestProgram {
            krate: String::new(),
            manifest_directory: place.clone(),
            executable,
        };
        let tally = run_tests([program].iter(), &[]).expect("it runs");
        fs::remove_dir_all(place).expect("a directory of our own");
        assert_eq!(
            tally.to_string(),
            "6 passed, 2 failed, 0 skipped (1 passed only when run again)"
        );
    }

    #[test]
    fn counts_what_the_harness_says() {
        let cases = [
            (
                "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.1s",
                Some((5, 0, 1)),
            ),
            (
                "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out",
                Some((12, 3, 0)),
            ),
            ("test e2e::ssh ... ok", None),
            ("test result: ok", None),
        ];
        for (line, expected) in cases {
            let counted = result(line).map(|tally| (tally.passed, tally.failed, tally.skipped));
            assert_eq!(counted, expected, "{line}");
        }
    }

    #[test]
    fn passes_on_what_failed_and_what_was_skipped() {
        let said = "
running 3 tests
test one ... ok
test two ... ok
test three ... FAILED

successes:

---- one stdout ----
chatter
test four ... FAILED
---- two stdout ----
skipped: no right to do it

successes:
    one
    two

failures:

---- three stdout ----
skipped: this one failed all the same

failures:
    three

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        let mut report = Report::default();
        let shown: Vec<String> = said.lines().filter_map(|line| report.read(line)).collect();
        let expected = [
            "test three ... FAILED",
            "skipped: two: no right to do it",
            "failures:",
            "---- three stdout ----",
            "skipped: this one failed all the same",
            "failures:",
            "    three",
        ];
        assert_eq!(shown, expected, "what is shown");
        let tally = report.tally();
        assert_eq!(
            (tally.passed, tally.failed, tally.skipped),
            (1, 1, 1),
            "what is counted"
        );
        assert_eq!(report.failed, ["three"], "what is run again");
    }
}
