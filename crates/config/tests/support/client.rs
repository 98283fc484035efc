//! A client that does with the library what the command line does. The conformance tests use it, too.

use stockade_config::{Files, Level, Mode, Overrides, Reader, Record};

/// What a call of the client gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) status: u8,
    pub(crate) stdout: String,
    /// Without the times, and without the white space before the text.
    pub(crate) stderr: String,
}

/// Does what `fail2ban-client` does with these arguments, as far as only the configuration is concerned.
pub(crate) fn client(files: &dyn Files, arguments: &[&str]) -> Called {
    let mut base = "/etc/fail2ban";
    let mut overrides = Overrides::default();
    let (mut dump, mut pretty, mut test, mut verbose) = (false, false, false, false);
    let mut commands = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().expect("the option has a value").to_string();
        match *argument {
            "-c" => base = rest.next().expect("a directory"),
            "-s" => overrides.socket = Some(value()),
            "-p" => overrides.pidfile = Some(value()),
            "--loglevel" => overrides.loglevel = Some(value()),
            "--logtarget" => overrides.logtarget = Some(value()),
            "--syslogsocket" => overrides.syslogsocket = Some(value()),
            "-d" => dump = true,
            "--dp" | "--dump-pretty" => (dump, pretty) = (true, true),
            "-t" => test = true,
            "-v" => verbose = true,
            command => commands.push(command),
        }
    }
    let reader = Reader::new(files, base, "1.1.1", &[]);
    let shown = if verbose { Level::Info } else { Level::Warning };
    let failed = |records: &mut String| {
        if !test {
            records.push_str("fail2ban ERROR Init of command line failed\n");
        }
    };
    let early = match reader.early(&overrides) {
        Ok(early) => early,
        Err(error) => {
            let mut stderr = lines(&reader.take_log(), shown);
            failed(&mut stderr);
            return Called {
                status: 255,
                stdout: format!("ERROR: {error}\n"),
                stderr,
            };
        }
    };
    let mode = match (dump, test) {
        (true, true) => Mode::DumpAndTest,
        (true, false) => Mode::Dump,
        (false, true) => Mode::Test,
        (false, false) => Mode::Start,
    };
    let stream = reader.read(&early, mode, None);
    let (mut stdout, status) = stream.report(pretty);
    let mut stderr = lines(&stream.log, shown);
    if status != 0 && !commands.is_empty() {
        stdout.clear();
        stderr.push_str("fail2ban ERROR ERROR: test configuration failed\n");
    } else if status != 0 {
        failed(&mut stderr);
    }
    Called {
        status,
        stdout,
        stderr,
    }
}

fn lines(records: &[Record], shown: Level) -> String {
    let records = records.iter().filter(|record| record.level >= shown);
    records
        .map(|record| {
            format!(
                "{} {} {}\n",
                record.logger,
                record.level.name(),
                record.text.trim_start()
            )
        })
        .collect()
}
