//! Messages of the control socket.
#![no_main]

#[path = "../subjects/pickle.rs"]
mod pickle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pickle::look(bytes));
