//! Whole configurations.
#![no_main]

#[path = "../subjects/memory.rs"]
mod memory;
#[path = "../subjects/tree.rs"]
mod tree;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tree::look(bytes));
