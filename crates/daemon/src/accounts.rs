//! The numbers behind the names of users and groups.
//!
//! In: a name or a number, as an administrator writes it. Out: the number, where the machine's own files know it.
//!
//! Invariant: nobody is asked over a network, and nothing waits.

use std::path::Path;

use crate::helper;

/// The number of a user.
#[must_use]
pub fn user(name: &str) -> Option<u32> {
    number(name, || {
        helper::read_to_string(Path::new("/etc/passwd")).unwrap_or_default()
    })
}

/// The number of a group.
#[must_use]
pub fn group(name: &str) -> Option<u32> {
    number(name, || {
        helper::read_to_string(Path::new("/etc/group")).unwrap_or_default()
    })
}

/// Lines of both files begin with `NAME:PASSWORD:NUMBER:`.
fn number(name: &str, table: impl FnOnce() -> String) -> Option<u32> {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return name.parse().ok();
    }
    table().lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then_some(())?;
        fields.nth(1)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn names_and_numbers_are_found() {
        let table = || "root:x:0:0::/root:/bin/sh\nweb:x:33:33::/:/bin/false\nodd\n".to_owned();
        for (name, found) in [
            ("root", Some(0)),
            ("web", Some(33)),
            ("1000", Some(1000)),
            ("odd", None),
            ("nobody", None),
            ("", None),
            ("4294967296", None),
        ] {
            assert_eq!(number(name, table), found, "{name}");
        }
    }
}
