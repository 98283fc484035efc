//! A `datepattern` and the lines of a log.
#![no_main]

#[path = "../subjects/datetime.rs"]
mod datetime;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| datetime::look(bytes));
