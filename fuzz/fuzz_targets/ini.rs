//! The text of a configuration file.
#![no_main]

#[path = "../subjects/memory.rs"]
mod memory;
#[path = "../subjects/ini.rs"]
mod ini;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ini::look(bytes));
