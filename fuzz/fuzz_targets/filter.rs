//! The lines of a log, and a filter.
#![no_main]

#[path = "../subjects/filter.rs"]
mod filter;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filter::look(bytes));
