//! Lines of JSON and of envelopes, and a filter.
#![no_main]

#[path = "../subjects/structured.rs"]
mod structured;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| structured::look(bytes));
