//! Definitions with parameters, and lists of them.
#![no_main]

#[path = "../subjects/definition.rs"]
mod definition;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| definition::look(bytes));
