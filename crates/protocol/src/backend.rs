//! What a jail can read its lines from: the names in `backend = …`, and the parameters in `backend = name[…]`
//! (jail.conf(5), `backend`).
//!
//! Invariant: whoever reads a backend, checks or documents one knows names and parameters from here.

/// The backends. `auto` takes the better one of `pyinotify` and `polling`.
pub const BACKENDS: [&str; 5] = ["auto", "pyinotify", "polling", "systemd", "syslog"];

/// The parameters that a backend has; none where there is no such backend.
#[must_use]
pub fn parameters(backend: &str) -> &'static [&'static str] {
    match backend {
        "systemd" => &[
            "journalpath",
            "journalfiles",
            "journalflags",
            "namespace",
            "rotated",
        ],
        "syslog" => &["facility", "tag", "host"],
        _ => &[],
    }
}
