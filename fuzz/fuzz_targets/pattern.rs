//! An expression and texts.
#![no_main]

#[path = "../subjects/pattern.rs"]
mod pattern;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pattern::look(bytes));
