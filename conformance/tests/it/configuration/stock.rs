//! The configuration that comes with the reference, with everything in it switched on.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use stockade_conformance::{Subject, has_reference};
use tempfile::TempDir;

use super::{Clients, copy, difference};

/// What the stock shorthands need of the administrator.
const KEYS: &str = "\
cfemail = root@example.org
cfapikey = cloudflare-key
cftoken = cloudflare-token
blocklist_de_apikey = blocklist-key
abuseipdb_apikey = abuseipdb-key
";

/// The options of a call, and a jail without its log file is a mistake for those with `-t` alone.
const CALLS: [&[&str]; 5] = [&["-d"], &["--dp"], &["-v", "-d"], &["-d", "-t"], &["-t"]];

/// Without the package's jails.
const ALONE: &[&[&str]] = &[&["-c", "alone", "-d"]];

/// The package's configuration in a directory of our own.
struct Package {
    directory: TempDir,
    clients: Clients,
    compared: Vec<usize>,
    wrong: Vec<String>,
    /// What ours has printed last.
    dump: String,
}

impl Package {
    fn new() -> Self {
        let directory = TempDir::with_prefix("stockade-package-").expect("a directory can be made");
        copy(&Subject::package_configuration(), &directory.path().join("conf"));
        // The same without the package's jails.
        let alone = directory.path().join("alone");
        fs::create_dir(&alone).expect("a directory of our own");
        for name in ["fail2ban.conf", "filter.d", "action.d"] {
            symlink(format!("../conf/{name}"), alone.join(name)).expect("a directory of our own");
        }
        symlink("../conf/jail.local", alone.join("jail.conf")).expect("a directory of our own");
        fs::create_dir(directory.path().join("logs")).expect("a directory of our own");
        Self {
            directory,
            clients: Clients::start(),
            compared: Vec::new(),
            wrong: Vec::new(),
            dump: String::new(),
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The names of the files of a directory, without extension.
    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path().join("conf").join(directory)).expect("the package has it");
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".conf").map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    /// The jails of the package, from a list of commands that has all of them.
    fn jails(&mut self) -> Vec<String> {
        self.local("[DEFAULT]\nenabled = true\n");
        let [_, ours] = self.clients.both(self.directory.path(), &["-c", "conf", "-d"]);
        let start = |line: &str| Some(line.strip_prefix("['start', '")?.strip_suffix("']")?.to_owned());
        let jails: Vec<String> = ours.stdout.lines().filter_map(start).collect();
        assert!(jails.len() > 80, "only {jails:?}");
        jails
    }

    fn local(&self, text: &str) {
        fs::write(self.path().join("conf/jail.local"), text).expect("a directory of our own");
    }

    /// A log file for a jail.
    fn log(&self, jail: &str) -> String {
        let log = format!("logs/{jail}.log");
        fs::write(self.path().join(&log), "").expect("a directory of our own");
        log
    }

    /// Compares what both clients make of a `jail.local`; whether it can be used.
    fn compare(&mut self, name: &str, local: &str, calls: &[&[&str]]) -> bool {
        self.local(local);
        let mut good = true;
        for call in calls {
            let words = if call.contains(&"-c") {
                call.to_vec()
            } else {
                [&["-c", "conf"], *call].concat()
            };
            let [theirs, ours] = self.clients.both(self.directory.path(), &words);
            self.compared.push(theirs.stdout.lines().count());
            let difference = difference(&theirs, &ours);
            if !difference.is_empty() {
                self.wrong.push(format!(
                    "{name}: {call:?}: {} lines\n{}",
                    difference.len(),
                    difference.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
                ));
            }
            good &= ours.succeeded();
            self.dump = ours.stdout;
        }
        good
    }

    /// Asserts that nothing was different, and that at least so many lines were there to be compared.
    fn finish(self, lines: usize) {
        let compared: usize = self.compared.iter().sum();
        assert!(
            self.wrong.is_empty(),
            "{} of {} calls differ\n{}",
            self.wrong.len(),
            self.compared.len(),
            self.wrong.join("\n\n")
        );
        assert!(compared >= lines, "only {compared} lines: {:?}", self.compared);
    }
}

#[test]
fn every_jail_at_once() {
    if !has_reference() {
        return;
    }
    let mut package = Package::new();
    let jails = package.jails();
    package.compare("without logs", "[DEFAULT]\nenabled = true\n", &CALLS);
    for skip in [
        "skip_if_nologs = true",
        "systemd_if_nologs = false",
        "journalmatch =",
    ] {
        let local = format!("[DEFAULT]\nenabled = true\n{skip}\n");
        package.compare(skip, &local, &CALLS);
    }
    let mut local = format!("[DEFAULT]\nenabled = true\n{KEYS}");
    for jail in &jails {
        writeln!(local, "[{jail}]\nlogpath = {}", package.log(jail)).expect("it is text");
    }
    package.compare("with logs", &local, &CALLS);
    package.finish(20_000);
}

#[test]
fn every_jail_with_every_backend_and_every_distribution() {
    if !has_reference() {
        return;
    }
    let mut package = Package::new();
    let jails = package.jails();
    for backend in [
        "auto",
        "polling",
        "pyinotify",
        "systemd",
        "systemd[journalflags=1]",
        "SystemD",
    ] {
        let mut local = "[DEFAULT]\nenabled = true\n".to_owned();
        for jail in &jails {
            writeln!(local, "[{jail}]\nbackend = {backend}").expect("it is text");
        }
        package.compare(backend, &local, &[&["-d"]]);
    }
    let paths = package
        .names(".")
        .into_iter()
        .filter(|name| name.starts_with("paths-"));
    for paths in paths.collect::<Vec<_>>() {
        let local =
            format!("[INCLUDES]\nbefore = {paths}.conf\n[DEFAULT]\nenabled = true\nbanaction = iptables\n");
        package.compare(&paths, &local, &[&["-d"]]);
    }
    package.finish(10_000);
}

#[test]
fn every_filter_in_every_mode() {
    // Those that the package documents, and some that it does not have.
    const MODES: [&str; 14] = [
        "normal",
        "ddos",
        "extra",
        "aggressive",
        "more",
        "auth",
        "rbl",
        "errors",
        "reject",
        "full",
        "common",
        "NORMAL",
        "nosuch",
        "",
    ];
    const PARAMETERS: [(&str, &[&str]); 6] = [
        ("mode", &MODES),
        ("logtype", &["file", "journal", "short", "rfc5424", "nosuch"]),
        ("_daemon", &["other", "a b"]),
        ("__prefix_line", &["^x"]),
        ("failregex", &["^<HOST> <mode>$"]),
        ("prefregex", &["^<F-CONTENT>.*</F-CONTENT>$"]),
    ];
    if !has_reference() {
        return;
    }
    let mut package = Package::new();
    let mut filters = package.names("filter.d");
    assert!(filters.len() > 90, "only {filters:?}");
    // Each for itself, for one that needs a parameter would end all others with it.
    let alone = |filters: &[String], parameter: &str| -> String {
        let jail = |filter| format!("[{filter}]\nfilter = {filter}{parameter}\naction = dummy\n");
        filters
            .iter()
            .map(jail)
            .fold("[DEFAULT]\nenabled = true\n".to_owned(), |all, jail| all + &jail)
    };
    filters.retain(|filter| package.compare(filter, &alone(std::slice::from_ref(filter), ""), ALONE));
    assert!(filters.len() > 80, "only {filters:?}");
    for (option, values) in PARAMETERS {
        let mut different = vec![BTreeSet::new(); filters.len()];
        for value in values {
            let local = alone(&filters, &format!("[{option}=\"{value}\"]"));
            package.compare(&format!("{option}={value}"), &local, ALONE);
            for (filter, different) in filters.iter().zip(&mut different) {
                let mine = format!("', '{filter}', ");
                different.insert(
                    package
                        .dump
                        .lines()
                        .filter(|line| line.contains(&mine))
                        .collect::<String>(),
                );
            }
        }
        let with = different.iter().filter(|different| different.len() > 1).count();
        assert!(option != "mode" || with >= 8, "only {with} filters have modes");
    }
    package.finish(10_000);
}

#[test]
fn every_action_in_every_place() {
    if !has_reference() {
        return;
    }
    let mut package = Package::new();
    let mut actions = package.names("action.d");
    assert!(actions.len() > 50, "only {actions:?}");
    actions.push("smtp.py".to_owned());
    let shorthands = [
        "action_",
        "action_mw",
        "action_mwl",
        "action_xarf",
        "action_cf_mwl",
        "action_blocklist_de",
        "action_abuseipdb",
    ];
    let ways = [
        ("alone", "action = ACTION\n".to_owned()),
        ("named", "action = ACTION[name=other, actname=x]\n".to_owned()),
        (
            "with parameters",
            "action = ACTION[port=\"1,2\", protocol=udp, chain=FORWARD, blocktype=DROP, type=allports, \
             dest=a@example.org, sender=b@example.org, logpath=\"%(logpath)s\", family=inet6]\n"
                .to_owned(),
        ),
        (
            "under a condition",
            "action = ACTION[blocktype=DROP, blocktype?family=inet6=\"REJECT\", lockingopt=, actionban=\"<ip> <port>\"]\n"
                .to_owned(),
        ),
        ("as banaction", "banaction = ACTION\nbanaction_allports = ACTION[type=allports]\n".to_owned()),
        (
            "as banaction for all ports",
            "banaction_allports = ACTION\nbanaction = %(banaction_allports)s\naction = %(action_mwl)s\n".to_owned(),
        ),
        ("as mta", "mta = ACTION\naction = %(mta)s[dest=a@example.org]\n".to_owned()),
    ];
    for (way, text) in &ways {
        let mut local = format!("[DEFAULT]\n{KEYS}");
        for action in &actions {
            let text = text.replace("ACTION", action);
            writeln!(
                local,
                "[try-{action}]\nenabled = true\nfilter = sshd\nlogpath = /dev/null\n{text}"
            )
            .expect("it is text");
        }
        package.compare(way, &local, &[&["-d"], &["--dp"]]);
    }
    for mta in ["sendmail", "mail"] {
        let mut local = format!("[DEFAULT]\n{KEYS}mta = {mta}\n");
        for banaction in ["nftables", "iptables-multiport", "ufw"] {
            for shorthand in shorthands {
                writeln!(
                    local,
                    "[{shorthand}-{banaction}]\nenabled = true\nfilter = sshd\nlogpath = /dev/null\nport = 22,80\n\
                     banaction = {banaction}\naction = %({shorthand})s[name=%(__name__)s-more]\n"
                )
                .expect("it is text");
            }
        }
        package.compare(&format!("shorthands with {mta}"), &local, &[&["-d"], &["--dp"]]);
    }
    // A key that nobody gives is a mistake, and the text of it is an interface, too.
    for shorthand in shorthands {
        let local = format!("[sshd]\nenabled = true\nlogpath = /dev/null\naction = %({shorthand})s\n");
        package.compare(shorthand, &local, &[&["-d"], &["-t"]]);
    }
    package.finish(5_000);
}
