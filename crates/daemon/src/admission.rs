//! Who may say what over the control socket.
//!
//! In: the groups that the configuration names, and who has connected. Out: the right of a client; the mode of the
//! socket.
//!
//! Invariant: root, and whoever the daemon runs as, have every right; without a group in the configuration so has
//! everyone who gets past the mode of the socket, which is root alone.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::process::{getegid, geteuid};
use stockade_protocol::Right;
use stockade_sys::peer;

use crate::accounts;

/// The groups that have rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Admission {
    /// Who may see the status.
    pub status: Option<u32>,
    /// Who may operate.
    pub operate: Option<u32>,
}

impl Admission {
    /// The right of whoever has connected, and their user.
    #[must_use]
    pub fn of(self, stream: &UnixStream) -> (Right, Option<u32>) {
        if self == Self::default() {
            return (Right::Everything, None);
        }
        // Whom the kernel does not know, nobody knows.
        let Ok(peer) = peer::peer(stream) else {
            return (Right::Nothing, None);
        };
        let has = |group: Option<u32>| group.is_some_and(|group| peer.groups.contains(&group));
        let right = if peer.user == 0 || peer.user == geteuid().as_raw() {
            Right::Everything
        } else if has(self.operate) {
            Right::Operate
        } else if has(self.status) {
            Right::Status
        } else {
            Right::Nothing
        };
        (right, Some(peer.user))
    }

    /// Lets those reach the socket who have a right: the group, where there is one; everyone, where there are two, and
    /// who belongs to neither is sent away again.
    ///
    /// # Errors
    /// Where the mode of the socket or of its directory cannot be changed.
    pub fn open(self, socket: &Path) -> io::Result<()> {
        let (group, mode) = match (self.status, self.operate) {
            (None, None) => return Ok(()),
            // Neither of them has more of it than everyone.
            (Some(one), Some(other)) if one != other => (Some(getegid().as_raw()), 0o666),
            (Some(group), _) | (None, Some(group)) => (Some(group), 0o660),
        };
        chown(socket, None, group)?;
        fs::set_permissions(socket, Permissions::from_mode(mode))?;
        // To reach what is in a directory, and not to see what there is, needs this one bit.
        if let Some(directory) = socket.parent() {
            let metadata = fs::metadata(directory)?;
            if metadata.mode() & 0o001 == 0 {
                let mode = metadata.mode() & 0o7777 | 0o011;
                fs::set_permissions(directory, Permissions::from_mode(mode))?;
            }
        }
        Ok(())
    }
}

/// The number of a group; none for an empty name.
///
/// # Errors
/// Where there is no such group; in words.
pub fn group(name: &str) -> Result<Option<u32>, String> {
    if name.is_empty() {
        return Ok(None);
    }
    accounts::group(name).map(Some).ok_or_else(|| {
        format!("there is no group '{name}' in /etc/group; make it with `groupadd`, or give its number")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_known_by_name_and_number() {
        assert_eq!(group(""), Ok(None));
        assert_eq!(group("27"), Ok(Some(27)));
        assert_eq!(group("root"), Ok(Some(0)));
        assert!(group("nosuchgroup").unwrap_err().contains("groupadd"));
    }

    #[test]
    fn the_socket_is_open_to_whom_it_must_be() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("sock");
        let own = getegid().as_raw();
        for (name, admission, mode) in [
            ("nobody", Admission::default(), 0o600),
            (
                "one group",
                Admission {
                    status: Some(own),
                    operate: None,
                },
                0o660,
            ),
            (
                "one for both",
                Admission {
                    status: Some(own),
                    operate: Some(own),
                },
                0o660,
            ),
            (
                "two",
                Admission {
                    status: Some(own),
                    operate: Some(own + 1),
                },
                0o666,
            ),
        ] {
            fs::write(&socket, "").unwrap();
            fs::set_permissions(&socket, Permissions::from_mode(0o600)).unwrap();
            admission.open(&socket).unwrap();
            assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o777, mode, "{name}");
        }
        assert_eq!(fs::metadata(directory.path()).unwrap().mode() & 0o001, 0o001);
        let (one, _other) = UnixStream::pair().unwrap();
        let admission = Admission {
            status: Some(own),
            operate: None,
        };
        assert_eq!(admission.of(&one).0, Right::Everything, "the user of the daemon");
    }
}
