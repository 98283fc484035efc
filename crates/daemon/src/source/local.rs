//! Sockets with a name in the file system, to which others send datagrams.
//!
//! In: `PATH`, or `PATH[mode=0660, group=NAME]`. Out: a socket that does not block.
//!
//! Invariant: at no instant may more people send to it than in the end, and what is removed is our own.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, socket_with, sockopt,
};
use stockade_protocol::definition;

use super::Identity;
use crate::accounts;
use crate::helper;

/// Where a socket is to be, and who may send to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAddress {
    path: PathBuf,
    mode: u32,
    group: Option<u32>,
}

impl LocalAddress {
    /// Reads `PATH[mode=…, group=…]`; `mode` is the one where none is said.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str, mode: u32) -> Result<Self, String> {
        let definition = definition::parse(text).map_err(|error| error.to_string())?;
        if !definition.name.starts_with('/') {
            return Err(format!(
                "the path of a socket begins with `/`, not as `{}`",
                definition.name
            ));
        }
        let mut address = Self {
            path: PathBuf::from(definition.name),
            mode,
            group: None,
        };
        for (name, value) in &definition.parameters {
            match name.as_str() {
                "mode" => {
                    let mode = u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o777);
                    address.mode =
                        mode.ok_or_else(|| format!("`mode` is a number such as 0660, not `{value}`"))?;
                }
                "group" => {
                    let group = accounts::group(value);
                    address.group = Some(group.ok_or_else(|| format!("there is no group `{value}`"))?);
                }
                _ => return Err(format!("there is no `{name}`; a socket has `mode` and `group`")),
            }
        }
        Ok(address)
    }

    /// As it is written.
    fn text(&self) -> String {
        let group = self.group.map(|group| format!(", group={group}"));
        let (path, mode) = (self.path.display(), self.mode);
        format!("{path}[mode={mode:o}{}]", group.unwrap_or_default())
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A socket that is bound to a name; the name goes with it.
#[derive(Debug)]
pub struct LocalSocket {
    socket: OwnedFd,
    path: PathBuf,
    identity: Option<Identity>,
}

impl LocalSocket {
    /// Makes the socket, and the directory it is in where that is not there.
    ///
    /// # Errors
    /// Where somebody else listens there, something else has the name, or the system refuses.
    pub fn bind(address: &LocalAddress) -> io::Result<Self> {
        let path = &address.path;
        if let Some(socket) = helper::bind(&address.text()) {
            return Ok(Self {
                socket: socket?,
                path: path.clone(),
                identity: Some(identity(&fs::symlink_metadata(path)?)),
            });
        }
        if let Some(directory) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
        }
        remove_stale(path)?;
        let socket = open()?;
        // Before there is a name to send to: of every datagram the kernel says who has sent it.
        sockopt::set_socket_passcred(&socket, true)?;
        // The name is made with the mode of the socket, so nobody is let in before group and mode are right.
        rustix::fs::fchmod(&socket, Mode::from_raw_mode(0o600))?;
        bind(&socket, &SocketAddrUnix::new(path)?)?;
        let metadata = fs::symlink_metadata(path)?;
        let bound = Self {
            socket,
            path: path.clone(),
            identity: Some(identity(&metadata)),
        };
        if let Some(group) = address.group {
            std::os::unix::fs::lchown(path, None, Some(group))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(address.mode))?;
        Ok(bound)
    }
}

impl LocalSocket {
    /// The socket without its name, which stays.
    ///
    /// # Errors
    /// Where the system is out of descriptors.
    pub(crate) fn leave(mut self) -> io::Result<OwnedFd> {
        self.identity = None;
        self.socket.try_clone()
    }
}

impl AsFd for LocalSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        let now = fs::symlink_metadata(&self.path).ok();
        if now.as_ref().map(identity) == self.identity {
            // Where it cannot be removed, the next one does.
            drop(fs::remove_file(&self.path));
        }
    }
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?)
}

/// Removes the name of a socket that nobody listens on.
fn remove_stale(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "something that is no socket has this name",
        ));
    }
    if connect(&open()?, &SocketAddrUnix::new(path)?).is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another program listens there",
        ));
    }
    fs::remove_file(path)
}

fn identity(metadata: &fs::Metadata) -> Identity {
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{LocalAddress, LocalSocket};

    #[test]
    fn addresses_are_read_and_mistakes_told() {
        for (text, mode, group) in [
            ("/run/x", 0o600, None),
            ("/run/x[mode=0660]", 0o660, None),
            ("/run/x[mode=666, group=7]", 0o666, Some(7)),
            ("/run/x[group=root]", 0o600, Some(0)),
        ] {
            let address = LocalAddress::parse(text, 0o600).unwrap();
            assert_eq!((address.mode, address.group), (mode, group), "{text}");
        }
        for text in [
            "",
            "run/x",
            "/run/x[mode=9]",
            "/run/x[mode=1777]",
            "/run/x[owner=me]",
            "/run/x[group=no such]",
        ] {
            assert!(LocalAddress::parse(text, 0o600).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_is_taken_only_from_the_dead_and_given_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new").join("socket");
        let address = LocalAddress::parse(&format!("{}[mode=0620]", path.display()), 0o600).unwrap();
        let first = LocalSocket::bind(&address).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o620);
        assert!(LocalSocket::bind(&address).is_err(), "somebody listens");
        // As after a crash: the name is there, and nobody behind it.
        let other = directory.path().join("other");
        fs::rename(&path, &other).unwrap();
        drop(first);
        assert!(other.exists(), "what is not ours by that name stays");
        fs::rename(&other, &path).unwrap();
        let second = LocalSocket::bind(&address).unwrap();
        drop(second);
        assert!(!path.exists());
        fs::write(&path, "text").unwrap();
        assert!(LocalSocket::bind(&address).is_err(), "no socket");
        assert!(path.exists());
    }
}
