//! The control socket from whoever started the daemon (`sd_listen_fds(3)`).
//!
//! In: `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` of the environment. Out: a socket that listens already.
//!
//! Invariant: descriptors that are meant for another process are left alone.

use std::env;
use std::io;
use std::os::unix::net::UnixListener;
use std::process;

use stockade_sys::inherited;

/// The variables, which are nothing to the commands of actions.
pub(crate) const VARIABLES: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];
/// The name that the unit of the service manager gives to the control socket among several.
const NAME: &str = "fail2ban";

/// The control socket, where one was handed over to this very process.
///
/// # Errors
/// Where what was handed over is no such socket.
pub(crate) fn given() -> io::Result<Option<UnixListener>> {
    let [pid, count, names] = VARIABLES.map(|name| env::var(name).ok());
    match number(pid.as_deref(), count.as_deref(), names.as_deref(), process::id()) {
        Some(number) => inherited::take_listener(number).map(Some),
        None => Ok(None),
    }
}

/// The number of the descriptor: that of the name, or the first where no name is ours.
fn number(pid: Option<&str>, count: Option<&str>, names: Option<&str>, own: u32) -> Option<i32> {
    let count: i32 = count?.parse().ok()?;
    if pid?.parse() != Ok(own) || count < 1 {
        return None;
    }
    let named = names
        .and_then(|names| names.split(':').position(|name| name == NAME))
        .and_then(|at| i32::try_from(at).ok());
    inherited::FIRST.checked_add(named.unwrap_or(0).min(count - 1))
}

#[cfg(test)]
mod tests {
    use super::number;

    /// The values of the three variables.
    type Variables = [Option<&'static str>; 3];

    #[test]
    fn a_socket_is_found_by_its_name_if_it_is_ours() {
        let cases: [(&str, Variables, Option<i32>); 11] = [
            ("nothing", [None, None, None], None),
            ("one", [Some("7"), Some("1"), None], Some(3)),
            ("of another process", [Some("8"), Some("1"), None], None),
            ("of nobody", [None, Some("1"), None], None),
            ("none", [Some("7"), Some("0"), None], None),
            ("less than none", [Some("7"), Some("-1"), None], None),
            ("no number", [Some("7"), Some("one"), None], None),
            (
                "by its name",
                [Some("7"), Some("3"), Some("a:fail2ban:b")],
                Some(4),
            ),
            ("other names", [Some("7"), Some("2"), Some("a:b")], Some(3)),
            (
                "more names than sockets",
                [Some("7"), Some("1"), Some("a:b:fail2ban")],
                Some(3),
            ),
            ("a great number", [Some("7"), Some("2147483647"), None], Some(3)),
        ];
        for (name, [pid, count, names], expected) in cases {
            assert_eq!(number(pid, count, names, 7), expected, "{name}");
        }
    }
}
