//! What a confined process can and cannot do. It tries for itself: a test cannot be confined and be undone, so each
//! runs in a process of its own, which is this test program again.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::{Access, Bounds, Capabilities, Capability, confine};

/// Says to the second process where it may write.
const STATE: &str = "STOCKADE_TEST_STATE";

/// A log that only its owner may read, opened before; what is in it comes by the descriptor.
const LOG: &str = "passed.log";

#[test]
fn a_confined_process_can_do_what_it_must_and_nothing_else() {
    if let Some(state) = std::env::var_os(STATE) {
        inside(Path::new(&state));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(LOG), "a line").unwrap();
    let state = directory.path().join("state");
    fs::create_dir(&state).unwrap();
    let name = "confinement::tests::a_confined_process_can_do_what_it_must_and_nothing_else";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=2"])
        .env(STATE, &state)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// The tasks of a thread that was there before, and their outcomes.
type Task = (&'static str, Box<dyn FnOnce() -> bool + Send>);

fn worker() -> (Sender<Task>, Receiver<(&'static str, bool)>) {
    let (tasks, waiting) = channel::<Task>();
    let (tell, outcomes) = channel();
    thread::spawn(move || {
        for (name, task) in waiting {
            tell.send((name, task())).unwrap();
        }
    });
    (tasks, outcomes)
}

fn inside(state: &Path) {
    let mut log = File::open(state.parent().unwrap().join(LOG)).unwrap();
    fs::write(state.join("there"), "x").unwrap();
    let (tasks, outcomes) = worker();
    let bounds = Bounds {
        paths: vec![
            ("/".into(), Access::List),
            (state.to_owned(), Access::Own),
            ("/dev/null".into(), Access::Write),
            ("/proc".into(), Access::Read),
            ("/nonexistent/path".into(), Access::Read),
        ],
        capabilities: [Capability::NetAdmin, Capability::DacReadSearch]
            .into_iter()
            .collect::<Capabilities>(),
    };
    let confinement = confine(&bounds);
    println!("{confinement:?}");
    assert!(confinement.no_new_privileges.is_ok() && confinement.capabilities.is_ok());
    assert_eq!(confinement.free_threads, 0);
    // What this kernel has not cannot be tried.
    let (files, calls) = (confinement.files.is_ok(), confinement.calls.is_ok());
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    assert_eq!(text, "a line", "what was opened before");
    let mut failures = Vec::new();
    let mut check = |where_: &str, name: &'static str, allowed: bool, expected: bool| {
        if allowed != expected {
            failures.push(format!("{name} in {where_}: {allowed}"));
        }
    };
    for (name, attempt, expected, holds) in attempts(state) {
        if !holds.is_there(files, calls) {
            continue;
        }
        check("its own thread", name, attempt(), expected);
    }
    for (name, attempt, expected, holds) in attempts(state) {
        if !holds.is_there(files, calls) {
            continue;
        }
        tasks.send((name, attempt)).unwrap();
        check("a thread from before", name, outcomes.recv().unwrap().1, expected);
    }
    for (name, attempt, expected, holds) in attempts(state) {
        if !holds.is_there(files, calls) {
            continue;
        }
        check(
            "a new thread",
            name,
            thread::spawn(attempt).join().unwrap(),
            expected,
        );
    }
    assert!(failures.is_empty(), "{failures:?}");
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim_matches([':', '\t']).to_owned())
        };
        assert_eq!(value("NoNewPrivs").as_deref(), Some("1"), "{status}");
        if calls {
            assert_eq!(value("Seccomp").as_deref(), Some("2"), "{status}");
        }
        let capabilities = u64::from_str_radix(&value("CapPrm").unwrap(), 16).unwrap();
        assert_eq!(capabilities & !bounds.capabilities.bits(), 0, "{status}");
    }
}

/// Which mechanism is to answer for an attempt.
#[derive(Clone, Copy)]
enum Holds {
    Files,
    Calls,
    Nothing,
}

impl Holds {
    const fn is_there(self, files: bool, calls: bool) -> bool {
        match self {
            Self::Files => files,
            Self::Calls => calls,
            Self::Nothing => true,
        }
    }
}

type Attempt = (&'static str, Box<dyn FnOnce() -> bool + Send>, bool, Holds);

/// What is tried, and whether it succeeds.
fn attempts(state: &Path) -> Vec<Attempt> {
    let own = state.join("own");
    let moved = state.join("moved");
    let there = state.join("there");
    let beside = state.parent().unwrap().join("beside");
    let passed = state.parent().unwrap().join(LOG);
    let (passed, passed_again, passed_too) = (passed.clone(), passed.clone(), passed);
    vec![
        (
            "reading passwords",
            Box::new(|| File::open("/etc/shadow").is_ok()),
            false,
            Holds::Files,
        ),
        (
            "reading what everyone may",
            Box::new(|| File::open("/etc/passwd").is_ok()),
            false,
            Holds::Files,
        ),
        (
            "reading by way of the root of a process",
            Box::new(|| File::open("/proc/self/root/etc/passwd").is_ok()),
            false,
            Holds::Files,
        ),
        (
            "making a file beside",
            Box::new(move || File::create(beside).is_ok()),
            false,
            Holds::Files,
        ),
        (
            "making a file in /",
            Box::new(|| File::create("/stockade-test").is_ok()),
            false,
            Holds::Files,
        ),
        (
            "writing to a file that is there",
            Box::new(move || OpenOptions::new().append(true).open(passed).is_ok()),
            false,
            Holds::Files,
        ),
        (
            "cutting a file off",
            Box::new(move || call(libc::SYS_truncate, &[text(&passed_again).as_ptr() as usize, 0]) == 0),
            false,
            Holds::Calls,
        ),
        (
            "opening a file to everyone",
            Box::new(move || fs::set_permissions(passed_too, PermissionsExt::from_mode(0o644)).is_ok()),
            false,
            Holds::Calls,
        ),
        (
            "removing a file",
            Box::new(|| fs::remove_file("/etc/hostname").is_ok()),
            false,
            Holds::Files,
        ),
        (
            "making, moving and removing its own",
            Box::new(move || {
                fs::write(&own, "x").is_ok()
                    && fs::rename(&own, &moved).is_ok()
                    && fs::remove_file(&moved).is_ok()
            }),
            true,
            Holds::Nothing,
        ),
        (
            "reading its own",
            Box::new(move || fs::read(there).is_ok()),
            true,
            Holds::Nothing,
        ),
        (
            "listing a directory",
            Box::new(|| fs::read_dir("/etc").is_ok()),
            true,
            Holds::Nothing,
        ),
        (
            "reading of itself",
            Box::new(|| fs::read("/proc/self/status").is_ok()),
            true,
            Holds::Nothing,
        ),
        (
            "starting a program",
            Box::new(|| Command::new("/bin/true").spawn().is_ok()),
            false,
            Holds::Calls,
        ),
        (
            "becoming a program",
            // A program that is not there would say so.
            Box::new(|| {
                let program = c"/nonexistent";
                call(libc::SYS_execve, &[program.as_ptr() as usize, 0, 0]) == 0
                    || io::Error::last_os_error().raw_os_error() != Some(libc::EPERM)
            }),
            false,
            Holds::Calls,
        ),
        (
            "looking into a process",
            Box::new(|| call(libc::SYS_ptrace, &[0, 0, 0, 0]) == 0),
            false,
            Holds::Calls,
        ),
        (
            "executable memory",
            Box::new(executable_memory),
            false,
            Holds::Calls,
        ),
        (
            "memory",
            Box::new(|| map(libc::PROT_READ | libc::PROT_WRITE)),
            true,
            Holds::Nothing,
        ),
        (
            "another name space",
            Box::new(|| call(libc::SYS_unshare, &[0x2000_0000]) == 0),
            false,
            Holds::Calls,
        ),
        (
            "another user",
            Box::new(|| call(libc::SYS_setuid, &[0]) == 0),
            false,
            Holds::Calls,
        ),
        (
            "a signal to another process",
            Box::new(|| call(libc::SYS_kill, &[1, 0]) == 0),
            false,
            Holds::Calls,
        ),
        (
            "packets past the firewall",
            Box::new(|| call(libc::SYS_socket, &[17, 3, 0]) >= 0),
            false,
            Holds::Calls,
        ),
        (
            "a call by the numbers of x32",
            Box::new(|| call(0x4000_0000 + 39, &[]) >= 0),
            false,
            Holds::Calls,
        ),
        (
            "the network",
            Box::new(|| std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
            true,
            Holds::Nothing,
        ),
        (
            "the firewall",
            Box::new(|| call(libc::SYS_socket, &[16, 3, 12]) >= 0),
            true,
            Holds::Nothing,
        ),
    ]
}

fn text(path: &Path) -> CString {
    CString::new(path.to_str().unwrap()).unwrap()
}

#[expect(unsafe_code, reason = "the calls that must fail have no safe face")]
fn call(number: libc::c_long, arguments: &[usize]) -> libc::c_long {
    let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: the callers pass numbers and texts that live, and calls that touch no memory of ours.
    unsafe { libc::syscall(number, at(0), at(1), at(2), at(3)) }
}

#[expect(unsafe_code, reason = "the calls that must fail have no safe face")]
fn map(protection: i32) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: fresh memory at an address that the kernel chooses; nobody uses it.
    unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) != libc::MAP_FAILED }
}

fn executable_memory() -> bool {
    map(libc::PROT_READ | libc::PROT_EXEC)
}
