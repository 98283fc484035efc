//! The two programs that every scenario can be about.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The environment variable that names the subject under test.
const CHOICE: &str = "STOCKADE_SUBJECT";

/// Whose programs a scenario runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// What this workspace builds.
    Ours,
    /// fail2ban as the distribution has it, in `target/reference`.
    Reference,
}

impl Subject {
    /// The subject that the tests are about: ours, unless the environment names the reference.
    ///
    /// # Panics
    ///
    /// If it names neither.
    #[must_use]
    pub fn under_test() -> Self {
        match std::env::var(CHOICE).as_deref() {
            Err(_) | Ok("" | "ours") => Self::Ours,
            Ok("reference") => Self::Reference,
            Ok(other) => panic!("{CHOICE} is `{other}`; it must be `ours` or `reference`"),
        }
    }

    /// Whether its programs are there to be run.
    #[must_use]
    pub fn is_there(self) -> bool {
        match self {
            Self::Ours => ours("stockade").exists(),
            Self::Reference => {
                reference().join("usr/bin/fail2ban-client").exists() && Path::new(PYTHON).exists()
            }
        }
    }

    /// The server in the foreground, with the configuration of `directory`, or of `/etc/fail2ban` and below
    /// that, for ours, its embedded one.
    ///
    /// A socket that a killed server has left is no hindrance: the reference is told so, as its own unit
    /// does, and ours has to see it by itself.
    #[must_use]
    pub fn server(self, directory: Option<&Path>) -> Command {
        let mut command;
        match self {
            Self::Ours => {
                command = Command::new(ours("stockade"));
                command.arg("run");
                with_configuration(&mut command, directory);
            }
            Self::Reference => {
                command = python("fail2ban-server");
                with_configuration(&mut command, directory);
                command.args(["-xf", "start"]);
            }
        }
        command
    }

    /// The client, with the configuration of `directory` or the default one; its words are yet to come.
    #[must_use]
    pub fn client(self, directory: Option<&Path>) -> Command {
        let mut command = match self {
            Self::Ours => Command::new(ours("fail2ban-client")),
            Self::Reference => python("fail2ban-client"),
        };
        with_configuration(&mut command, directory);
        command
    }

    /// `fail2ban-server`; all its words are yet to come.
    #[must_use]
    pub fn compatible_server(self) -> Command {
        match self {
            Self::Ours => Command::new(ours("fail2ban-server")),
            Self::Reference => python("fail2ban-server"),
        }
    }

    /// `stockade`, which the reference has not; all its words are yet to come.
    #[must_use]
    pub fn stockade() -> Command {
        Command::new(ours("stockade"))
    }

    /// `fail2ban-regex`; all its words are yet to come.
    #[must_use]
    pub fn regex(self) -> Command {
        match self {
            Self::Ours => Command::new(ours("fail2ban-regex")),
            Self::Reference => python("fail2ban-regex"),
        }
    }

    /// The configuration that comes with the reference, to be used in place or copied into a test's directory.
    #[must_use]
    pub fn package_configuration() -> PathBuf {
        reference().join("etc/fail2ban")
    }

    /// The data of the reference's own tests: annotated sample logs, and filters that only they need.
    #[must_use]
    pub fn package_tests() -> PathBuf {
        reference().join("usr/lib/python3/dist-packages/fail2ban/tests")
    }
}

/// The distribution's interpreter; another one on the path has not the distribution's modules.
const PYTHON: &str = "/usr/bin/python3";

fn with_configuration(command: &mut Command, directory: Option<&Path>) {
    if let Some(directory) = directory {
        command.arg("-c").arg(directory);
    }
}

/// One of the reference's programs.
fn python(program: &str) -> Command {
    let mut command = Command::new(PYTHON);
    in_the_reference(&mut command).arg(reference().join("usr/bin").join(program));
    command
}

/// Where the interpreter finds the reference's modules.
fn in_the_reference(command: &mut Command) -> &mut Command {
    command
        .env("PYTHONPATH", reference().join("usr/lib/python3/dist-packages"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
}

/// One of the reference's programs behind the driver that keeps it warm.
pub(crate) fn reference_warm(program: &str) -> Command {
    let mut command = Command::new(PYTHON);
    in_the_reference(&mut command)
        .args(["-c", &crate::warm::DRIVER.concat()])
        .arg(reference().join("usr/bin").join(program));
    command
}

/// One of our programs, which lie two directories above the test that runs: `debug/deps/it-…`.
fn ours(program: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the running test is a file");
    let directory = test
        .ancestors()
        .nth(2)
        .expect("tests are built into target/debug/deps");
    directory.join(program)
}

/// Where `cargo xtask setup` unpacks the reference.
fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/reference")
}
