//! Code that is loaded while a process runs, and whether it still could be.
//!
//! In: the settings of the look-up of names. Out: the parts of the library that they ask for, loaded.
//!
//! Invariant: nothing is called of what is loaded; the library finds it there when it looks for it.

use std::ffi::CString;
use std::io;

/// How many kinds of look-up are loaded at most; systems have five or so.
const SERVICES: usize = 16;

/// Loads what the C library would load to look a host up (`nsswitch.conf(5)`): what comes after `hosts:`. What cannot be
/// loaded now could not have been loaded later.
pub fn load_name_services(settings: &str) {
    for service in services(settings) {
        if let Ok(name) = CString::new(format!("libnss_{service}.so.2")) {
            load(&name);
        }
    }
}

/// The services for hosts that the library does not have in itself.
fn services(settings: &str) -> Vec<&str> {
    let line = settings
        .lines()
        .filter_map(|line| line.split('#').next()?.trim().strip_prefix("hosts:"))
        .next_back()
        .unwrap_or_default();
    let mut found = Vec::new();
    // `[NOTFOUND=return !UNAVAIL=continue]` is what to do after an answer, and may have blanks in it.
    let mut is_reaction = false;
    for word in line.split_whitespace() {
        is_reaction |= word.starts_with('[');
        let is_name = word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_reaction && is_name && !matches!(word, "files" | "dns") && found.len() < SERVICES {
            found.push(word);
        }
        is_reaction &= !word.ends_with(']');
    }
    found
}

#[expect(
    unsafe_code,
    reason = "what a library does when it is loaded is for the system's administrator to vouch for"
)]
fn load(name: &CString) {
    // SAFETY: the name is a text with its end; the system's own library for looking names up is what it stands for, and
    // the C library would load it at the first look-up. It stays loaded, so what it gives is not needed.
    let _loaded = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
}

/// Tries to have memory that can be executed, and gives it back.
///
/// # Errors
/// Where the kernel refuses.
pub fn can_map_executable() -> io::Result<()> {
    let length = 4096;
    let memory = map(length)?;
    unmap(memory, length);
    Ok(())
}

#[expect(
    unsafe_code,
    reason = "the library's safe face does not know executable memory"
)]
fn map(length: usize) -> io::Result<*mut libc::c_void> {
    let protection = libc::PROT_READ | libc::PROT_EXEC;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: fresh memory at an address that the kernel chooses, which nobody uses.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(memory)
}

#[expect(
    unsafe_code,
    reason = "the library's safe face does not know executable memory"
)]
fn unmap(memory: *mut libc::c_void, length: usize) {
    // SAFETY: the memory was mapped just now with this length, and nobody has its address.
    let _ = unsafe { libc::munmap(memory, length) };
}

#[cfg(test)]
mod tests {
    use super::{can_map_executable, load_name_services, services};

    #[test]
    fn what_looks_hosts_up_is_read_from_the_settings() {
        let cases: [(&str, &str, &[&str]); 5] = [
            ("the library alone", "hosts: files dns", &[]),
            (
                "others",
                "passwd: compat\nhosts:   files mymachines resolve [!UNAVAIL=return] dns myhostname # x y\n",
                &["mymachines", "resolve", "myhostname"],
            ),
            (
                "a reaction with blanks",
                "hosts: mdns4_minimal [NOTFOUND=return SUCCESS=merge] wins",
                &["mdns4_minimal", "wins"],
            ),
            ("a path", "hosts: ../../tmp/evil files", &[]),
            ("nothing", "", &[]),
        ];
        for (name, settings, expected) in cases {
            assert_eq!(services(settings), expected, "{name}");
        }
        load_name_services("hosts: nosuchservice_of_ours");
        assert!(can_map_executable().is_ok());
    }
}
