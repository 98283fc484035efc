//! One scenario, two subjects: ours and the distribution's fail2ban.
//!
//! In: the name of a subject. Out: its programs, ready to run; machines to run them on; what to do while
//! waiting for them. The scenarios themselves are the tests of this crate.
//!
//! A test names the subject it is about as [`Subject::under_test`], which is ours unless
//! `STOCKADE_SUBJECT=reference` is in the environment. A scenario is right when the reference passes it.
//!
//! Invariant: whatever is started here ends with the test that started it, also when that test panics or
//! is killed, and leaves nothing on the machine.
#![forbid(unsafe_code)]

mod machine;
mod run;
mod skip;
mod subject;
mod wait;
mod warm;

pub use machine::{Machine, join};
pub use run::{Ran, Running, run, run_with, spawn, spawn_with};
pub use skip::{can_make_machines, has_program, has_reference, skip};
pub use subject::Subject;
pub use wait::{until, within};
pub use warm::Warm;
