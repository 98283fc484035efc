//! The reference opens our database as its own, and we open the one it leaves.
//!
//! It takes the reference in `target/reference`, which `cargo xtask setup` puts there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stockade_daemon::store::{BanData, BanRow, LogPosition, PERMANENT, Report, RestoreLimits, Store};
use stockade_datetime::Timestamp;

/// How long the reference may take for anything.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn either_program_takes_the_database_over() {
    let Some(reference) = reference() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    configure(root);
    let now = wall_clock();
    let log_line = |address: &str| format!("{} FAIL {address}\n", now.seconds());
    fs::write(root.join("log"), log_line("203.0.113.77")).expect("a log");

    // Ours is killed in the middle of its work: what it leaves are the file and the log beside it.
    let ours = root.join("ours.sqlite3");
    let store = open(&ours, now);
    store.add_jail("probe");
    let evidence =
        r#"{"matches": [["", "1", " FAIL 203.0.113.1"], "1 Süß"], "failures": 2, "ip4": "203.0.113.1"}"#;
    for (ip, age, bantime) in [
        ("203.0.113.1", 10, 600.0),
        ("203.0.113.2", 10, PERMANENT),
        ("203.0.113.3", 700, 600.0),
        ("2001:db8::1", 20, 300.5),
    ] {
        store.record_ban(
            "probe",
            &BanRow {
                ip: ip.to_owned(),
                timeofban: now.plus_seconds(-age),
                bantime,
                bancount: 1,
                data: evidence.as_bytes().to_vec(),
            },
        );
    }
    // It has read its log to the end, so the line in it does not count again.
    let size = fs::metadata(root.join("log")).expect("the log").len();
    let hash = sha1_of(&root.join("log"));
    let log = root.join("log").to_string_lossy().into_owned();
    store.save_position("probe", &log, &LogPosition { hash, offset: size });
    assert!(store.commit_pending(LIMIT));
    for ending in ["", "-wal"] {
        let from = format!("{}{ending}", ours.display());
        let to = root.join(format!("db.sqlite3{ending}"));
        let copied = Command::new("cp").arg(from).arg(to).status().expect("cp");
        assert!(copied.success());
    }
    store.close();

    let mut server = Server::start(&reference, root);
    let banned = server.client_until(&["get", "probe", "banip"], |answer| {
        answer.contains("203.0.113.2")
    });
    for ip in ["203.0.113.1", "203.0.113.2", "2001:db8::1"] {
        assert!(banned.contains(ip), "{ip} in {banned}");
    }
    for ip in ["203.0.113.3", "203.0.113.77"] {
        assert!(!banned.contains(ip), "{ip} in {banned}");
    }
    let mut text = fs::read_to_string(root.join("log")).expect("the log");
    text.push_str(&format!("{} FAIL 203.0.113.9\n", wall_clock().seconds()));
    fs::write(root.join("log"), &text).expect("the log");
    server.client_until(&["get", "probe", "banip"], |answer| {
        answer.contains("203.0.113.9")
    });
    server.client(&["set", "probe", "unbanip", "2001:db8::1"]);
    server.client(&["stop"]);
    server.wait();
    let said = fs::read_to_string(root.join("server.log")).expect("its log");
    assert!(said.contains("Restore Ban 203.0.113.1"), "{said}");
    assert!(
        !said.contains("ERROR") && !said.contains("New database created"),
        "{said}"
    );

    // The reference has left one file in its own mode, and we go on with it.
    assert!(!root.join("db.sqlite3-wal").exists());
    let store = open(&root.join("db.sqlite3"), wall_clock());
    store.add_jail("probe");
    let limits = RestoreLimits {
        bantime: 600.0,
        increment: false,
        maxtime: None,
        max_matches: 10,
    };
    let bans = store.restore("probe", wall_clock(), limits).expect("the bans");
    let ids: Vec<&str> = bans.iter().map(|ban| ban.ip.as_str()).collect();
    assert_eq!(ids, ["203.0.113.1", "203.0.113.2", "203.0.113.9"]);
    let ours = bans.first().expect("our ban");
    assert_eq!(String::from_utf8_lossy(&ours.data), evidence);
    let theirs = bans.last().expect("their ban");
    let data = BanData::from_json(&theirs.data);
    assert_eq!(data.failures, 1);
    assert_eq!(
        String::from_utf8_lossy(&data.to_json(10)),
        String::from_utf8_lossy(&theirs.data),
        "written as the reference writes it"
    );
    let position = store
        .log_position("probe", &log)
        .expect("an answer")
        .expect("a position");
    assert_eq!(position.offset, u64::try_from(text.len()).expect("a length"));
    assert_eq!(position.hash, sha1_of(&root.join("log")));
    store.close();
}

fn configure(root: &Path) {
    let directory = root.display();
    let files = [
        (
            "fail2ban.conf",
            format!(
                "[Definition]\nloglevel = INFO\nlogtarget = {directory}/server.log\nsyslogsocket = auto\n\
                 socket = {directory}/socket\npidfile = {directory}/pid\ndbfile = {directory}/db.sqlite3\n\
                 dbmaxmatches = 10\ndbpurgeage = 1d\nallowipv6 = auto\n"
            ),
        ),
        (
            "jail.conf",
            format!(
                "[DEFAULT]\nbackend = polling\nmaxretry = 1\nbantime = 600\nfindtime = 600\naction =\n\
                 [probe]\nenabled = true\nfilter = probe\nlogpath = {directory}/log\n"
            ),
        ),
        (
            "filter.d/probe.conf",
            "[Definition]\nfailregex = ^ FAIL <ADDR>$\ndatepattern = ^EPOCH\n".to_owned(),
        ),
    ];
    fs::create_dir_all(root.join("filter.d")).expect("a directory");
    for (name, text) in files {
        fs::write(root.join(name), text).expect("a file of the configuration");
    }
}

/// The reference at work.
struct Server {
    reference: PathBuf,
    root: PathBuf,
    child: Child,
}

impl Server {
    fn start(reference: &Path, root: &Path) -> Self {
        let child = program(reference, "fail2ban-server", root)
            .args(["-xf", "start"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the reference starts");
        Self {
            reference: reference.to_owned(),
            root: root.to_owned(),
            child,
        }
    }

    fn client(&self, words: &[&str]) -> String {
        let output = program(&self.reference, "fail2ban-client", &self.root)
            .args(words)
            .output()
            .expect("the client runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Asks until the answer is as wanted.
    fn client_until(&self, words: &[&str], wanted: impl Fn(&str) -> bool) -> String {
        let mut answer = String::new();
        for _ in 0..200 {
            answer = self.client(words);
            if wanted(&answer) {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{words:?} is still answered by {answer}");
    }

    fn wait(&mut self) {
        for _ in 0..600 {
            if self.child.try_wait().expect("a status").is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the reference does not end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After a failed assertion it is still there.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn program(reference: &Path, name: &str, root: &Path) -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command
        .env("PYTHONPATH", reference.join("usr/lib/python3/dist-packages"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(reference.join("usr/bin").join(name))
        .arg("-c")
        .arg(root);
    command
}

/// The reference, or nothing, which is said.
fn reference() -> Option<PathBuf> {
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/reference");
    if reference.join("usr/bin/fail2ban-server").exists() {
        return Some(reference);
    }
    let strict = std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1");
    assert!(
        !strict,
        "there is no target/reference, and with CI=true nothing is skipped"
    );
    skip("there is no target/reference; `cargo xtask setup` makes it");
    None
}

#[expect(
    clippy::print_stdout,
    reason = "what a test prints is how `cargo xtask test` learns of it"
)]
fn skip(why: &str) {
    println!("skipped: {why}");
}

fn open(path: &Path, now: Timestamp) -> Store {
    let report: Report = Arc::new(|_, _| {});
    Store::open(&path.to_string_lossy(), now, &report).expect("a database")
}

fn sha1_of(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("the log");
    let first = text.split_inclusive('\n').next().expect("a first line");
    let output = Command::new("sh")
        .args(["-c", "printf %s \"$0\" | sha1sum", first])
        .output()
        .expect("sha1sum");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_micros(i64::try_from(since.as_micros()).expect("a time"))
}
