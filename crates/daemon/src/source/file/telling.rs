//! What is told of log files, in the words of the reference where it has any.
//!
//! In: what has happened to which file. Out: messages for the log of the daemon.

use std::io;
use std::path::Path;

use super::super::Event;
use super::super::disk::Readable;
use super::super::follower::LogFile;
use crate::log::Level;

pub(super) const FILTER: &str = "fail2ban.filter";
pub(super) const WATCHER: &str = "fail2ban.filterpyinotify";

/// Why a log cannot be read, and what helps.
pub(crate) fn trouble(error: &io::Error) -> String {
    let remedy = if error.kind() == io::ErrorKind::PermissionDenied {
        "let the user that the daemon runs as read it, and enter the directories on the way to it"
    } else if error.raw_os_error().is_none() {
        "a log is a file, and `/var/log/app/*.log` stands for all in a directory"
    } else {
        "it is tried again and again"
    };
    format!("{}; {remedy}", crate::store::os_text(error))
}

pub(super) fn rotation(
    path: &Path,
    new: &LogFile<impl Readable>,
    position: u64,
    old_inode: u64,
    old_hash: &str,
) -> String {
    format!(
        "Log rotation detected for {}, reason: ({}, {position}, {}, {old_inode}, '{}', '{old_hash}')",
        path.display(),
        new.size().unwrap_or(0),
        new.identity.inode,
        new.hash,
    )
}

pub(super) fn of_others(path: &Path, kind: &str) -> String {
    format!(
        "{} is on a file system of type {kind}, whose changes the kernel does not tell of; it is looked at every half second",
        path.display()
    )
}

pub(super) fn say(
    deliver: &mut (impl FnMut(Event<'_>) + ?Sized),
    level: Level,
    logger: &'static str,
    text: String,
) {
    deliver(Event::Message {
        level,
        logger,
        text,
        unreadable: None,
    });
}

/// Says that a log cannot be read.
pub(super) fn say_unreadable(deliver: &mut (impl FnMut(Event<'_>) + ?Sized), path: &Path, text: String) {
    deliver(Event::Message {
        level: Level::ERROR,
        logger: FILTER,
        text,
        unreadable: Some(path),
    });
}
