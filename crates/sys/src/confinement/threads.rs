//! Has every thread of the process give up rights.
//!
//! In: what each is to do. Out: what came of it.
//!
//! The kernel lets a thread give up only its own. So the others are interrupted, one after the other, by a signal whose
//! handler does it; a thread that is started meanwhile has what the one had that started it, and where that was before
//! its turn, it is found on another look.
//!
//! Invariant: the handler makes system calls, reads and writes atomic numbers, and does nothing else.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::capabilities::{self, Capabilities};
use super::landlock;

/// How long a thread has to take its signal; one that computes takes it at the next tick.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked whether it has.
const PAUSE: Duration = Duration::from_micros(50);

/// What each thread is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) kept: Capabilities,
    pub(super) ruleset: Option<RawFd>,
}

/// What came of it in the thread that asked; the others do the same.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) no_new_privileges: io::Result<()>,
    pub(super) capabilities: io::Result<()>,
    pub(super) files: io::Result<()>,
    pub(super) free_threads: usize,
}

static KEPT: AtomicU64 = AtomicU64::new(0);
/// A number that is none where there is no ruleset.
static RULESET: AtomicI32 = AtomicI32::new(-1);
/// How many threads have come to the end of the handler, and how many of them in vain.
static DONE: AtomicU32 = AtomicU32::new(0);
static FAILED: AtomicU32 = AtomicU32::new(0);
/// The numbers above belong to one caller at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Carries out `plan` in all threads.
pub(super) fn everywhere(plan: &Plan) -> Outcome {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut outcome = apply(plan);
    KEPT.store(plan.kept.bits(), Ordering::SeqCst);
    RULESET.store(plan.ruleset.unwrap_or(-1), Ordering::SeqCst);
    FAILED.store(0, Ordering::SeqCst);
    let succeeded = outcome.no_new_privileges.is_ok() && outcome.files.is_ok();
    outcome.free_threads = others(succeeded);
    outcome
}

/// What a thread does.
fn apply(plan: &Plan) -> Outcome {
    let capabilities = capabilities::keep(plan.kept);
    let no_new_privileges = keep_privileges();
    let files = plan.ruleset.map_or(Ok(()), landlock::restrict);
    Outcome {
        no_new_privileges,
        capabilities,
        files,
        free_threads: 0,
    }
}

#[expect(unsafe_code, reason = "the library has no safe face for this call")]
fn keep_privileges() -> io::Result<()> {
    // SAFETY: the call takes numbers and touches no memory.
    let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    outcome(done.into())
}

/// What a system call has said.
pub(super) fn outcome(returned: i64) -> io::Result<()> {
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Interrupts all other threads; how many were not reached. `succeeded` is how it went in this one.
fn others(succeeded: bool) -> usize {
    let signal = libc::SIGRTMIN() + 4;
    let Ok(before) = handle(signal) else {
        return threads().len().saturating_sub(1);
    };
    let own = rustix::thread::gettid().as_raw_nonzero().get();
    let mut seen = BTreeSet::from([own]);
    let mut free = 0;
    loop {
        let fresh: Vec<i32> = threads().into_iter().filter(|id| seen.insert(*id)).collect();
        if fresh.is_empty() {
            break;
        }
        free += fresh.into_iter().filter(|id| !interrupt(*id, signal)).count();
    }
    restore(signal, &before);
    let failed = usize::try_from(FAILED.load(Ordering::SeqCst)).unwrap_or(usize::MAX);
    // Where it cannot be done at all, no thread is worse off than another.
    if succeeded { free + failed } else { free }
}

/// The threads of this process.
fn threads() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Interrupts a thread and waits until it has done its part; whether it has, or has ended.
fn interrupt(id: i32, signal: i32) -> bool {
    let before = DONE.load(Ordering::SeqCst);
    if !send(id, signal) {
        return true;
    }
    let deadline = Instant::now() + PATIENCE;
    while DONE.load(Ordering::SeqCst) == before {
        if Instant::now() >= deadline {
            return !threads().contains(&id);
        }
        sleep(PAUSE);
    }
    true
}

#[expect(unsafe_code, reason = "the library has no safe face for this call")]
fn send(id: i32, signal: i32) -> bool {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: the call takes numbers and touches no memory.
    unsafe { libc::syscall(libc::SYS_tgkill, process, id, signal) == 0 }
}

extern "C" fn handler(_signal: i32) {
    let error = Errno::save();
    let ruleset = RULESET.load(Ordering::SeqCst);
    let outcome = apply(&Plan {
        kept: Capabilities::from_bits(KEPT.load(Ordering::SeqCst)),
        ruleset: (ruleset >= 0).then_some(ruleset),
    });
    if outcome.no_new_privileges.is_err() || outcome.files.is_err() {
        FAILED.fetch_add(1, Ordering::SeqCst);
    }
    error.restore();
    DONE.fetch_add(1, Ordering::SeqCst);
}

/// The number of the last error, which belongs to what was interrupted.
struct Errno(i32);

impl Errno {
    fn save() -> Self {
        let place = Self::place();
        #[expect(unsafe_code, reason = "the library keeps it at an address")]
        // SAFETY: the address is that of a number of this thread, which lives as long as the thread.
        Self(unsafe { *place })
    }

    fn restore(self) {
        let place = Self::place();
        #[expect(unsafe_code, reason = "the library keeps it at an address")]
        // SAFETY: as above; nobody else writes to it.
        unsafe {
            *place = self.0;
        }
    }

    #[expect(unsafe_code, reason = "the library has no safe face for this call")]
    fn place() -> *mut i32 {
        // SAFETY: the call only says where the number is.
        unsafe { libc::__errno_location() }
    }
}

/// Has the handler take a signal; what took it before.
#[expect(unsafe_code, reason = "what a handler may do is for the caller to vouch for")]
fn handle(signal: i32) -> io::Result<libc::sigaction> {
    // SAFETY: the structure is plain numbers, of which zero is a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: both structures outlive the call, and the handler does only what a handler may do.
    let done = unsafe { libc::sigaction(signal, &raw const action, &raw mut before) };
    outcome(done.into()).map(|()| before)
}

#[expect(unsafe_code, reason = "the library has no safe face for this call")]
fn restore(signal: i32, before: &libc::sigaction) {
    // SAFETY: the structure is what the kernel gave for this signal, and outlives the call.
    let _ = unsafe { libc::sigaction(signal, before, std::ptr::null_mut()) };
}
