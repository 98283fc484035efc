//! Configurations that nobody should write: each ends with a diagnostic, within the limits, whatever it says.
//!
//! What bounds the time is the budget of the reader, which counts all text that it looks at or puts together.

mod support;

use stockade_config::{Content, Files, Kind, Outcome};
use support::{Called, Memory, client};

/// A jail, a filter and an action that are in order.
const FILES: [(&str, &str); 4] = [
    ("conf/fail2ban.conf", "[Definition]\n"),
    (
        "conf/jail.conf",
        "[gate]\nenabled = true\nfilter = door\naction = lock\n",
    ),
    ("conf/filter.d/door.conf", "[Definition]\nfailregex = ^<HOST>$\n"),
    ("conf/action.d/lock.conf", "[Definition]\nactionban = ban <ip>\n"),
];

fn with<'a>(files: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Memory {
    let usual = FILES.map(|(path, text)| (path, text.as_bytes().to_vec()));
    let files = usual.into_iter().chain(files);
    Memory(files.map(|(path, text)| (path.to_owned(), text)).collect())
}

fn dump(files: &dyn Files) -> Called {
    client(files, &["-c", "conf", "-d"])
}

/// What a log says of it, without the last record.
fn complaint(called: &Called) -> &str {
    called
        .stderr
        .strip_suffix("fail2ban ERROR Init of command line failed\n")
        .unwrap_or(&called.stderr)
        .trim_end()
}

#[test]
fn each_mistake_is_named() {
    let long = "x".repeat(40);
    #[rustfmt::skip]
    let cases: [(&str, &str, &str, &str); 24] = [
        ("a value of itself", "conf/jail.local", "[gate]\nfindtime = %(findtime)s\n", "Recursion limit exceeded in value substitution: option 'findtime'"),
        ("a circle of values", "conf/jail.local", "[gate]\na = %(b)s\nb = %(a)s\nfindtime = %(a)s\n", "Recursion limit exceeded"),
        ("a circle through another section", "conf/jail.local", "[one]\na = %(one/a)s\n[gate]\nfindtime = %(one/a)s\n", "Recursion limit exceeded"),
        ("an unknown value", "conf/jail.local", "[gate]\nfindtime = %(nope)s\n", "contains an interpolation key 'nope' which is not a valid option name"),
        ("a percent sign", "conf/jail.local", "[gate]\nfindtime = 5%\n", "'%' must be followed by '%' or '(', found: '%'"),
        ("an open reference", "conf/jail.local", "[gate]\nfindtime = %(a\n", "bad interpolation variable reference '%(a'"),
        ("a circle of tags", "conf/filter.d/door.local", "[Definition]\na = <b>\nb = <a>\nfailregex = <a>\n", "properties contain self referencing definitions"),
        ("a tag of itself", "conf/filter.d/door.local", "[Definition]\nfailregex = <failregex>\n", "properties contain self referencing definitions"),
        ("a tag that doubles itself", "conf/filter.d/door.local", "[Definition]\na = <b><b>\nb = <a><a>\nfailregex = <a>\n", "properties contain self referencing definitions"),
        ("a parameter that doubles itself", "conf/jail.local", "[gate]\nfilter = door[a=\"<a> <a>\"]\n", "properties contain self referencing definitions"),
        ("tags that multiply", "conf/action.d/lock.local", "[Init]\na = <b><b><b><b><b><b><b><b>\nb = <c><c><c><c><c><c><c><c>\nc = <d><d><d><d><d><d><d><d>\nd = <e><e><e><e><e><e><e><e>\ne = <f><f><f><f><f><f><f><f>\nf = <g><g><g><g><g><g><g><g>\ng = <h><h><h><h><h><h><h><h>\nh = LONG\n[Definition]\nactionban = <a>\n", "properties contain self referencing definitions"),
        ("values that multiply", "conf/jail.local", "[DEFAULT]\na = %(b)s%(b)s%(b)s%(b)s%(b)s%(b)s%(b)s%(b)s\nb = %(c)s%(c)s%(c)s%(c)s%(c)s%(c)s%(c)s%(c)s\nc = %(d)s%(d)s%(d)s%(d)s%(d)s%(d)s%(d)s%(d)s\nd = %(e)s%(e)s%(e)s%(e)s%(e)s%(e)s%(e)s%(e)s\ne = %(f)s%(f)s%(f)s%(f)s%(f)s%(f)s%(f)s%(f)s\nf = %(g)s%(g)s%(g)s%(g)s%(g)s%(g)s%(g)s%(g)s\ng = %(h)s%(h)s%(h)s%(h)s%(h)s%(h)s%(h)s%(h)s\nh = LONG\n[gate]\nfindtime = %(a)s%(a)s%(a)s\n", "bytes in one value"),
        ("an open bracket", "conf/jail.local", "[gate]\nfilter = door[a=1\n", "Invalid filter definition 'door[a=1': unexpected option syntax"),
        ("a blank behind a quote", "conf/jail.local", "[gate]\naction = lock[a=\"1\" ]\n", "Invalid action definition 'lock[a=\"1\" ]': unexpected syntax at 5 after option 'a': "),
        ("an open quote of words", "conf/jail.local", "[gate]\njournalmatch = _COMM='x\n", "No closing quotation"),
        ("an open header", "conf/jail.local", "[gate\nenabled = true\n", "File contains no section headers"),
        ("a header without a name", "conf/jail.local", "[]\nenabled = true\n", "File contains no section headers"),
        ("a line of nothing", "conf/jail.local", "[gate]\nnothing\n", "Source contains parsing errors: 'conf/jail.local'"),
        ("an option without a name", "conf/jail.local", "[gate]\n = 1\n", "Source contains parsing errors"),
        ("a section twice", "conf/jail.local", "[gate]\n[gate]\n", "section 'gate' already exists"),
        ("an option twice", "conf/jail.local", "[gate]\na = 1\nA = 2\n", "option 'a' in section 'gate' already exists"),
        ("no filter of the name", "conf/jail.local", "[gate]\nfilter = nosuch\n", "Unable to read the filter 'nosuch'"),
        ("an unknown name of an include", "conf/jail.local", "[INCLUDES]\nbefore = %(nope)s.conf\n", "contains an interpolation key 'nope'"),
        ("a NUL as a name", "conf/jail.local", "[gate]\nfilter = \0\n", "Unable to read the filter '\\x00'"),
    ];
    for (name, path, text, expected) in cases {
        let called = dump(&with([(path, text.replace("LONG", &long).into_bytes())]));
        assert_eq!(called.status, 255, "{name}: {}", called.stderr);
        let complaint = complaint(&called);
        assert!(complaint.contains(expected), "{name}: {complaint}");
        assert!(complaint.len() < 10_000, "{name}: {} bytes", complaint.len());
    }
}

#[test]
fn files_that_include_each_other_are_read_to_an_end() {
    let include = |name: &str| format!("[INCLUDES]\nbefore = {name}\nafter = {name}\n").into_bytes();
    let circle = with([
        ("conf/jail.local", include("a.conf")),
        ("conf/a.conf", include("b.conf")),
        (
            "conf/b.conf",
            include("a.conf\n  b.conf\n  jail.conf\n  jail.local"),
        ),
    ]);
    assert_eq!(dump(&circle).status, 0, "a circle is entered once");

    // Each twice and each under every other name: two to the power of how many there are.
    let names: Vec<String> = (0..40).map(|number| format!("conf/n{number}.conf")).collect();
    let mut files = with([("conf/jail.local", include("n0.conf"))]);
    for (number, name) in names.iter().enumerate() {
        files
            .0
            .insert(name.clone(), include(&format!("n{}.conf", number + 1)));
    }
    let called = dump(&files);
    assert_eq!(called.status, 255);
    assert!(complaint(&called).contains("included files"), "{}", called.stderr);

    let mut files = with([("conf/jail.local", include("n0.conf"))]);
    for number in 0..200 {
        let text = format!("[INCLUDES]\nbefore = n{}.conf\n", number + 1);
        files.0.insert(format!("conf/n{number}.conf"), text.into_bytes());
    }
    let called = dump(&files);
    assert_eq!(called.status, 255);
    assert!(
        complaint(&called).contains("files that include each other"),
        "{}",
        called.stderr
    );
}

#[test]
fn what_is_no_text_is_named_with_its_file() {
    let files = with([(
        "conf/filter.d/door.local",
        b"[Definition]\nx = \xff\xfe\n".to_vec(),
    )]);
    let called = dump(&files);
    assert_eq!(called.status, 255);
    let complaint = complaint(&called);
    assert!(
        complaint.contains("Error decoding config file 'conf/filter.d/door.local'"),
        "{complaint}"
    );
    assert!(
        complaint.contains("Could not read config files: conf/filter.d/door.local"),
        "{complaint}"
    );

    // A directory is in the way where there is something below it.
    let files = with([("conf/filter.d/door.local/x", Vec::new())]);
    assert!(complaint_of(&files).contains("Could not read config files: conf/filter.d/door.local"));
    let files = Forbidden(with([("conf/jail.local", Vec::new())]));
    assert!(complaint_of(&files).contains("Could not read config files: conf/jail.local"));
}

fn complaint_of(files: &dyn Files) -> String {
    let called = dump(files);
    assert_eq!(called.status, 255, "{}", called.stderr);
    complaint(&called).to_owned()
}

/// Files of which those of the administrator may not be read.
struct Forbidden(Memory);

impl Files for Forbidden {
    fn read(&self, path: &str) -> Content {
        if path.ends_with(".local") {
            return Content::Unreadable("Permission denied".to_owned());
        }
        self.0.read(path)
    }

    fn kind(&self, path: &str) -> Kind {
        self.0.kind(path)
    }

    fn names(&self, directory: &str) -> Vec<String> {
        self.0.names(directory)
    }
}

#[test]
fn megabytes_are_read_or_refused() {
    const MEGABYTE: usize = 1 << 20;
    let repeated = |before: &str, piece: &str, behind: &str| {
        let text = format!("{before}{}{behind}\n", piece.repeat(MEGABYTE / piece.len()));
        dump(&with([("conf/jail.local", text.into_bytes())]))
    };
    #[rustfmt::skip]
    let cases: [(&str, &str, &str, &str, u8); 18] = [
        ("a word", "[gate]\nfindtime = ", "x", "", 0),
        ("NUL bytes", "[gate]\nfindtime = ", "\0", "", 0),
        ("words", "[gate]\nignoreip = ", "192.0.2.1, ", "", 0),
        ("lines", "[gate]\nfailregex = x", "\n  ^x$", "", 0),
        ("empty lines", "[gate]\nfailregex = x", "\n", "", 0),
        ("comments", "[gate]\n", "# x\n", "", 0),
        ("percent signs", "[gate]\nfindtime = ", "%%", "", 0),
        ("references", "[DEFAULT]\na = 1\n[gate]\nfindtime = ", "%(a)s", "", 0),
        ("brackets", "[gate]\nfindtime = ", "[", "", 0),
        ("tags that are none", "[gate]\nfailregex = ", "<", "", 0),
        ("a name of a filter", "[gate]\nfilter = ", "x", "", 255),
        ("parameters without an end", "[gate]\naction = lock[x=", "a=", "", 255),
        ("quotes in an action", "[gate]\naction = lock[x=", "\"'", "]", 255),
        ("open actions", "[gate]\naction = ", "lock[x=1 ", "", 255),
        ("groups", "[gate]\naction = lock", "[x=1]", "", 0),
        ("tags in a parameter", "[gate]\nfilter = door[x=\"", "<y>", "\"]", 0),
        ("nested tags in a parameter", "[gate]\nfilter = door[x=\"", "<", "y>\"]", 0),
        ("a header", "[", "x", "]", 0),
    ];
    for (name, before, piece, behind, status) in cases {
        let called = repeated(before, piece, behind);
        assert_eq!(called.status, status, "{name}: {:.500}", called.stderr);
    }
    let options: String = (0..50_000)
        .map(|number| format!("option{number} = {number}\n"))
        .collect();
    for section in ["gate", "DEFAULT", "INCLUDES", "other"] {
        let text = format!("[{section}]\n{options}").into_bytes();
        assert_eq!(dump(&with([("conf/jail.local", text)])).status, 0, "{section}");
    }
    let parameters: String = (0..2_000).map(|number| format!("p{number}={number},")).collect();
    let text = format!("[gate]\nfilter = door[{parameters}]\naction = lock[{parameters}]\n");
    assert_eq!(
        dump(&with([("conf/jail.local", text.into_bytes())])).status,
        0,
        "parameters"
    );
}

#[test]
fn ten_thousand_jails_are_read() {
    const JAILS: usize = 10_000;
    let jails: String = (0..JAILS)
        .map(|number| format!("[jail{number}]\nenabled = true\nfilter = door[a={number}]\naction = lock\n"))
        .collect();
    let called = dump(&with([("conf/jail.local", jails.into_bytes())]));
    assert_eq!(called.status, 0, "{:.500}", called.stderr);
    let started = called
        .stdout
        .lines()
        .filter(|line| line.starts_with("['start', "))
        .count();
    assert_eq!(started, JAILS + 1);
}

#[test]
fn an_error_of_the_library_is_an_outcome() {
    let files = with([(
        "conf/jail.local",
        b"[gate]\na = %(a)s\nfindtime = %(a)s\n".to_vec(),
    )]);
    let reader = stockade_config::Reader::new(&files, "conf", "1.1.1", &[]);
    let early = reader
        .early(&stockade_config::Overrides::default())
        .expect("it is in order");
    let stream = reader.read(&early, stockade_config::Mode::Start, None);
    assert!(
        matches!(stream.outcome, Outcome::Failed(_)),
        "{:?}",
        stream.outcome
    );
    assert!(stream.commands.is_empty());
}
