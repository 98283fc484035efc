//! Which program this is: one file on the disk is all of them, by the name that it was called by.
//!
//! In: the command line. Out: what is printed, and the exit status.
//!
//! A package has one file and links to it, in place of four files that are nearly the same.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use crate::compatible::{self, Program};
use crate::{regex, stockade};

/// The names that are not `stockade`, which is whatever has another one.
pub const NAMES: [&str; 3] = ["fail2ban-client", "fail2ban-server", "fail2ban-regex"];

/// Runs the program that the first word names.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match name(arguments.first().map(OsString::as_os_str)) {
        Some("fail2ban-client") => compatible::main(Program::Client, arguments),
        Some("fail2ban-server") => compatible::main(Program::Server, arguments),
        Some("fail2ban-regex") => regex::main(arguments),
        Some(_) | None => stockade::main(arguments),
    }
}

/// The name without its directory; a shell that logs somebody in puts a dash before it.
fn name(word: Option<&OsStr>) -> Option<&str> {
    let name = Path::new(word?).file_name()?.to_str()?;
    Some(name.strip_prefix('-').unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::name;

    #[test]
    fn a_program_is_known_by_its_name_wherever_it_is() {
        let cases = [
            (Some("/usr/bin/fail2ban-client"), Some("fail2ban-client")),
            (Some("fail2ban-regex"), Some("fail2ban-regex")),
            (Some("./x/fail2ban-server"), Some("fail2ban-server")),
            (Some("-stockade"), Some("stockade")),
            (Some("/proc/self/exe"), Some("exe")),
            (Some(""), None),
            (None, None),
        ];
        for (word, expected) in cases {
            assert_eq!(name(word.map(OsStr::new)), expected, "{word:?}");
        }
    }
}
