//! Every command of the control socket, sent to our server and to the reference's: what an administrator reads of the
//! answers must be the same.
//!
//! Both are spoken to by our own half of the protocol, for a Python client takes its time; that its client reads our
//! answers is for `clients` to show.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use stockade_conformance::{Subject, has_reference};
use stockade_protocol::framing::{Frame, Framer};
use stockade_protocol::text::{Charset, render};
use stockade_protocol::{Answer, Value, message, pickle};

use crate::stage::{PATIENCE, Stage};

/// In this order, for each changes what the next ones find. `DIR` is the directory of the session.
#[rustfmt::skip]
pub(crate) const COMMANDS: [&[&str]; 212] = [
    &["ping"],
    &["version"],
    &["echo", "a", "b", "c"],
    &["echo"],
    &["server-status"],
    &["config-error", "some text"],
    &["flushlogs"],
    &["status"],
    &["status", "--all"],
    &["status", "--all", "short"],
    &["status", "one"],
    &["status", "one", "basic"],
    &["status", "one", "short"],
    &["status", "one", "bogus"],
    &["stats"],
    &["statistics"],
    &["statistic"],
    &["stat"],
    &["banned"],
    &["banned", "192.0.2.1"],
    &["banned", "192.0.2.1", "192.0.2.2"],
    &["get", "loglevel"],
    &["set", "loglevel", "debug"],
    &["get", "loglevel"],
    &["set", "loglevel", "10"],
    &["set", "loglevel", "bogus"],
    &["set", "loglevel", "INFO"],
    &["get", "logtarget"],
    &["set", "logtarget", "DIR/log2"],
    &["get", "logtarget"],
    &["set", "logtarget", "/nonexistent/dir/x"],
    &["set", "logtarget", "DIR/log"],
    &["get", "syslogsocket"],
    &["set", "syslogsocket", "auto"],
    &["get", "dbfile"],
    &["set", "dbfile", "DIR/other"],
    &["set", "dbfile", "DIR/db"],
    &["get", "dbmaxmatches"],
    &["set", "dbmaxmatches", "5"],
    &["set", "dbmaxmatches", "x"],
    &["get", "dbpurgeage"],
    &["set", "dbpurgeage", "2d"],
    &["get", "dbpurgeage"],
    &["set", "dbpurgeage", "nonsense"],
    &["get", "thread"],
    &["set", "thread", "x"],
    &["set", "allowipv6", "auto"],
    &["set", "allowipv6", "no"],
    &["get", "allowipv6"],
    &["add", "--all"],
    &["add", "one"],
    &["add", "three", "polling"],
    &["add", "four", "bogus"],
    &["start", "three"],
    &["status", "three"],
    &["stop", "three"],
    &["status", "three"],
    &["stop", "nojail"],
    &["start", "nojail"],
    &["set", "one", "idle", "on"],
    &["set", "one", "idle", "off"],
    &["set", "one", "idle", "maybe"],
    &["get", "one", "ignoreself"],
    &["set", "one", "ignoreself", "false"],
    &["get", "one", "ignoreself"],
    &["get", "one", "ignoreip"],
    &["set", "one", "addignoreip", "192.0.2.50"],
    &["get", "one", "ignoreip"],
    &["set", "one", "addignoreip", "198.51.100.0/24"],
    &["set", "one", "addignoreip", "example.com"],
    &["get", "one", "ignoreip"],
    &["set", "one", "delignoreip", "192.0.2.50"],
    &["set", "one", "delignoreip", "192.0.2.50"],
    &["get", "one", "ignoreip"],
    &["get", "one", "ignorecommand"],
    &["set", "one", "ignorecommand", "false <ip>"],
    // What has to be asked about a failure is asked beside the loop, and counts a moment later.
    &["set", "one", "delignoreip", "example.com"],
    &["get", "one", "ignorecommand"],
    &["set", "one", "ignorecommand", ""],
    &["get", "one", "ignorecommand"],
    &["get", "one", "ignorecache"],
    &["set", "one", "ignorecache", r#"key="<ip>", max-count=10, max-time=1m"#],
    &["get", "one", "ignorecache"],
    &["set", "one", "ignorecache", "max-count=10"],
    &["set", "one", "ignorecache", "bad"],
    &["set", "one", "ignorecache", ""],
    &["get", "one", "logpath"],
    &["set", "one", "addlogpath", "DIR/two.log"],
    &["set", "one", "addlogpath", "DIR/three.log", "tail"],
    &["set", "one", "addlogpath", "DIR/three.log", "middle"],
    &["set", "one", "addlogpath", "DIR/a", "DIR/b", "DIR/c"],
    &["get", "one", "logpath"],
    &["set", "one", "dellogpath", "DIR/two.log"],
    &["set", "one", "dellogpath", "DIR/nothere.log"],
    &["get", "one", "logpath"],
    &["get", "one", "logencoding"],
    &["set", "one", "logencoding", "latin-1"],
    &["get", "one", "logencoding"],
    &["set", "one", "logencoding", "bogus"],
    &["set", "one", "logencoding", "auto"],
    &["get", "one", "journalmatch"],
    &["set", "one", "addjournalmatch", "_COMM=x"],
    &["set", "one", "deljournalmatch", "_COMM=x"],
    &["get", "one", "prefregex"],
    &["set", "one", "prefregex", "^<F-CONTENT>.+</F-CONTENT>$"],
    &["get", "one", "prefregex"],
    &["set", "one", "prefregex", ""],
    &["get", "one", "failregex"],
    &["set", "one", "addfailregex", "^other from <ADDR>$"],
    &["get", "one", "failregex"],
    &["set", "one", "addfailregex", "no id"],
    &["set", "one", "addfailregex", "(unclosed <HOST>"],
    &["set", "one", "delfailregex", "1"],
    &["set", "one", "delfailregex", "99"],
    &["set", "one", "delfailregex", "x"],
    &["get", "one", "failregex"],
    &["multi-set", "one", "addfailregex", "a", "b"],
    &["get", "one", "ignoreregex"],
    &["set", "one", "addignoreregex", "^fine$"],
    &["set", "one", "addignoreregex", "^fine too <HOST>$"],
    &["get", "one", "ignoreregex"],
    &["set", "one", "delignoreregex", "0"],
    &["get", "one", "ignoreregex"],
    &["get", "one", "usedns"],
    &["set", "one", "usedns", "yes"],
    &["set", "one", "usedns", "RAW"],
    &["set", "one", "usedns", "bogus"],
    &["get", "one", "usedns"],
    &["get", "one", "findtime"],
    &["set", "one", "findtime", "1h"],
    &["set", "one", "findtime", "1.5h"],
    &["set", "one", "findtime", "abc"],
    &["set", "one", "findtime", "600"],
    &["get", "one", "bantime"],
    &["set", "one", "bantime", "1d12h"],
    &["set", "one", "bantime", "-1"],
    &["set", "one", "bantime", "1.5"],
    &["set", "one", "bantime", "600"],
    &["get", "one", "bantime.increment"],
    &["set", "one", "bantime.increment", "true"],
    &["get", "one", "bantime.increment"],
    &["set", "one", "bantime.factor", "2"],
    &["get", "one", "bantime.factor"],
    &["set", "one", "bantime.formula", "ban.Time * 2"],
    &["get", "one", "bantime.formula"],
    &["set", "one", "bantime.multipliers", "1 2 4"],
    &["get", "one", "bantime.multipliers"],
    &["set", "one", "bantime.maxtime", "1w"],
    &["get", "one", "bantime.maxtime"],
    &["set", "one", "bantime.rndtime", "5m"],
    &["get", "one", "bantime.rndtime"],
    &["set", "one", "bantime.overalljails", "true"],
    &["get", "one", "bantime.overalljails"],
    &["set", "one", "bantime.maxtime", ""],
    &["get", "one", "bantime.maxtime"],
    &["set", "one", "bantime.increment", "false"],
    &["get", "one", "datepattern"],
    &["set", "one", "datepattern", "%Y-%m-%d %H:%M:%S"],
    &["get", "one", "datepattern"],
    &["set", "one", "datepattern", "{^LN-BEG}EPOCH"],
    &["set", "one", "datepattern", "%Q"],
    &["get", "one", "datepattern"],
    &["set", "one", "logtimezone", "UTC+0200"],
    &["get", "one", "logtimezone"],
    &["set", "one", "logtimezone", "foo"],
    &["get", "one", "maxretry"],
    &["set", "one", "maxretry", "7"],
    &["set", "one", "maxretry", "x"],
    &["get", "one", "maxmatches"],
    &["set", "one", "maxmatches", "3"],
    &["get", "one", "maxmatches"],
    &["get", "one", "maxlines"],
    &["set", "one", "maxlines", "2"],
    &["set", "one", "maxlines", "0"],
    &["set", "one", "maxlines", "1"],
    &["set", "one", "attempt", "192.0.2.77"],
    &["set", "one", "attempt", "192.0.2.77", "line1", "line2"],
    &["status", "one"],
    &["set", "one", "banip", "192.0.2.1", "192.0.2.2"],
    &["get", "one", "banip"],
    &["get", "one", "banip", ","],
    &["get", "one", "banip", "--with-time"],
    &["get", "one", "banned"],
    &["get", "one", "banned", "192.0.2.1"],
    &["get", "one", "banned", "192.0.2.1", "192.0.2.9"],
    &["banned"],
    &["banned", "192.0.2.1"],
    &["set", "one", "unbanip", "192.0.2.1"],
    &["get", "one", "actions"],
    &["get", "two", "actions"],
    &["set", "two", "addaction", "act"],
    &["set", "two", "addaction", "act"],
    &["set", "two", "action", "act", "actionban", "echo <ip>"],
    &["get", "two", "action", "act", "actionban"],
    &["set", "two", "action", "act", "timeout", "1m"],
    &["get", "two", "action", "act", "timeout"],
    &["get", "two", "action", "act", "nosuch"],
    &["get", "two", "actionproperties", "nosuch"],
    &["set", "two", "delaction", "act"],
    &["get", "two", "actions"],
    &["set", "two", "delaction", "act"],
    &["get", "one", "action", "note", "port"],
    &["get", "one", "action", "note", "actname"],
    &["set", "one", "action", "note", "port", "2222"],
    &["get", "one", "action", "note", "port"],
    &["get", "one", "bogus"],
    &["get", "bogus"],
    &["set", "bogus"],
    &["status"],
    &["status"],
    &["status"],
    &["status"],
];

/// Answers that are known to differ, with what ours is; each has a row in `COMPATIBILITY.md`.
const DIFFERENT: [(&[&str], &str); 1] = [(
    &["set", "two", "addlogpath", "DIR/none.log"],
    "Current monitored log file(s):\n|- DIR/two.log\n`- DIR/none.log",
)];

#[test]
fn every_command_is_answered_as_by_the_reference() {
    if !has_reference() {
        return;
    }
    let expected = session(Subject::Reference);
    let found = session(Subject::under_test());
    let differences: Vec<String> = expected
        .iter()
        .zip(&found)
        .filter(|((_, expected), (_, found))| expected != found)
        .map(|((words, expected), (_, found))| {
            format!("{words}:\n  the reference: {expected:?}\n  this server:   {found:?}")
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_known_difference_is_still_one() {
    if !has_reference() || Subject::under_test() == Subject::Reference {
        return;
    }
    let answers = |subject| {
        let commands: Vec<&[&str]> = DIFFERENT.iter().map(|(words, _)| *words).collect();
        answers(subject, &commands)
    };
    let (theirs, ours) = (answers(Subject::Reference), answers(Subject::Ours));
    for (((_, expected), (words, theirs)), (_, ours)) in DIFFERENT.iter().zip(theirs).zip(ours) {
        assert_eq!(ours, *expected, "{words}");
        assert_ne!(
            ours, theirs,
            "{words}: the row in COMPATIBILITY.md is out of date"
        );
    }
}

fn session(subject: Subject) -> Vec<(String, String)> {
    answers(subject, &COMMANDS)
}

/// Starts a server, says `commands`, and stops it; each command with what a client would print for its answer.
fn answers(subject: Subject, commands: &[&[&str]]) -> Vec<(String, String)> {
    let stage = stage();
    let server = stage.start(subject, &["one", "two"]);
    let mut connection = Connection::open(&stage.path().join("sock"));
    let mut found = Vec::new();
    for words in commands {
        let here: Vec<String> = words.iter().map(|word| stage.here(word)).collect();
        found.push((words.join(" "), stage.anywhere(&connection.ask(&here))));
    }
    connection.ask(&["stop".to_owned()]);
    server.ends_well();
    found
}

/// Two quiet jails, one of which has an action.
pub(crate) fn stage() -> Stage {
    let jails = "[DEFAULT]\nbackend = polling\nbantime = 600\nfindtime = 600\nmaxretry = 5\nusedns = no\n\
        enabled = true\nfilter = simple\n[one]\nlogpath = DIR/one.log\naction = note[port=22]\n\
        [two]\nlogpath = DIR/two.log\n";
    Stage::new(&[
        ("jail.conf", jails),
        (
            "filter.d/simple.conf",
            "[Definition]\nfailregex = ^login from <HOST> failed$\nignoreregex =\n",
        ),
        (
            "action.d/note.conf",
            "[Definition]\nactionban = true <ip>\nactionunban = true\n[Init]\nport = 80\n",
        ),
        ("one.log", ""),
        ("two.log", ""),
        ("three.log", ""),
    ])
}

/// A connection to a server.
pub(crate) struct Connection {
    stream: UnixStream,
    framer: Framer,
}

impl Connection {
    pub(crate) fn open(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("the server listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time limit can be set");
        Self {
            stream,
            framer: Framer::new(),
        }
    }

    /// What a client prints for the answer to `words`, on both streams, and its exit status.
    fn ask(&mut self, words: &[String]) -> String {
        let words: Vec<Value> = words.iter().map(|word| Value::from(word.as_str())).collect();
        match self.send(&Value::List(words.clone())) {
            Answer::Reply(reply) => {
                let rendered = render(&words, &reply, Charset::Unicode);
                match rendered.error {
                    None => rendered.stdout,
                    Some(error) => format!("{} [{}] {error}", rendered.stdout, rendered.exit),
                }
            }
            answer @ (Answer::Refused(_) | Answer::ShuttingDown) => format!("{answer:?}"),
        }
    }

    /// The answer to a request.
    pub(crate) fn send(&mut self, request: &Value) -> Answer {
        self.stream
            .write_all(&message(request))
            .expect("the server reads");
        let bytes = loop {
            match self.framer.frame() {
                Some(Frame::Message(bytes)) => break bytes,
                Some(Frame::Close) => panic!("a server does not say this"),
                None => {}
            }
            let mut block = [0; 4096];
            let length = match self.stream.read(&mut block) {
                Ok(length) => length,
                // A process that was stopped for a while begins to wait anew.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("the server answers {}: {error}", request.repr()),
            };
            assert_ne!(
                length,
                0,
                "the server hung up instead of answering {}",
                request.repr()
            );
            let read = block.get(..length).expect("no more than asked for");
            self.framer.push(read).expect("answers are short");
        };
        // The reference shows some of its own objects, which no client could make anything of.
        let value = match pickle::decode(&bytes) {
            Ok(value) => value,
            Err(error) => return Answer::Refused(error.to_string()),
        };
        Answer::from_value(value).expect("the answer is one")
    }
}
