//! Time expressions.
#![no_main]

#[path = "../subjects/duration.rs"]
mod duration;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| duration::look(bytes));
