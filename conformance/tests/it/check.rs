//! `stockade check` on the reference's own configuration: with every jail enabled it finds next to nothing.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use stockade_check::{Code, Severity, check};
use stockade_config::{Content, Files, Kind};
use stockade_conformance::{Subject, has_reference};

/// A file, what is said about it, and why that is right.
type Said = (&'static str, Code, &'static str);

/// What is said about the package, and why that is right. All of it is wrong there, too, and does no harm there.
const SAID: [Said; 5] = [
    (
        "filter.d/asterisk.conf",
        Code::UnknownOption,
        "a variable that an earlier version of the filter had a use for",
    ),
    (
        "filter.d/oracleims.conf",
        Code::Unanchored,
        "the expression begins with text, not with an anchor",
    ),
    (
        "filter.d/portsentry.conf",
        Code::Unanchored,
        "the expression begins with text, not with an anchor",
    ),
    (
        "filter.d/guacamole.conf",
        Code::LooseAnchor,
        "the anchor is followed by anything at all",
    ),
    (
        "jail.conf",
        Code::UnknownParameter,
        "pass2allow-ftp passes `returntype`, which only the iptables actions know, to the default action",
    ),
];

/// What is said besides where an action of the package is used as it is.
const OF_ACTIONS: [(&str, &[Said]); 7] = [
    ("action_", &[]),
    ("action_mw", &[]),
    ("action_mwl", &[]),
    ("action_cf_mwl", &[]),
    ("action_blocklist_de", &[]),
    (
        "action_xarf",
        &[
            (
                "action.d/xarf-login-attack.conf",
                Code::UnknownTag,
                "a tag that is to be given as a parameter, and has no default",
            ),
            (
                "action.d/xarf-login-attack.conf",
                Code::UnknownOption,
                "an option that its own commands do not refer to",
            ),
        ],
    ),
    (
        "action_abuseipdb",
        &[(
            "action.d/abuseipdb.conf",
            Code::UnknownTag,
            "the categories are to be given as a parameter, and have no default",
        )],
    ),
];

/// The package's files with a `jail.local` over them.
struct Package {
    local: String,
}

impl Package {
    fn is_local(path: &str) -> bool {
        Subject::package_configuration().join("jail.local") == Path::new(path)
    }
}

impl Files for Package {
    fn read(&self, path: &str) -> Content {
        if Self::is_local(path) {
            return Content::Bytes(self.local.as_bytes().to_vec());
        }
        match fs::read(path) {
            Ok(bytes) => Content::Bytes(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => Content::Missing,
            Err(error) => Content::Unreadable(error.to_string()),
        }
    }

    fn kind(&self, path: &str) -> Kind {
        if Self::is_local(path) {
            return Kind::File;
        }
        match fs::metadata(path) {
            Ok(data) if data.is_dir() => Kind::Directory,
            Ok(_) => Kind::File,
            Err(_) => Kind::Missing,
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(directory).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let local = "jail.local".to_owned();
        let has_local = Self::is_local(&format!("{directory}/{local}"));
        names.chain(has_local.then_some(local)).collect()
    }
}

/// The file, the code and the line of what is found; logs are not there, and notes on how expressions are searched
/// are for those who write some.
fn found(local: &str) -> Vec<(String, Code, u32, Severity)> {
    let base = Subject::package_configuration();
    let base = base.to_str().expect("a path that is text");
    let package = Package {
        local: local.to_owned(),
    };
    let report = check(&package, base, "1.1.1", &[]);
    assert_eq!(report.hidden, 0);
    report
        .diagnostics
        .iter()
        .filter(|found| ![Code::MissingLog, Code::Backtracking].contains(&found.code))
        .map(|found| {
            let file = found.place.file.strip_prefix(base).unwrap_or(&found.place.file);
            let file = file.trim_start_matches('/').to_owned();
            (file, found.code, found.place.line, found.severity)
        })
        .collect()
}

#[test]
fn the_package_as_it_is_has_no_mistake() {
    if !has_reference() {
        return;
    }
    assert_eq!(found(""), []);
}

#[test]
fn the_package_with_every_jail_has_few() {
    if !has_reference() {
        return;
    }
    for (action, besides) in OF_ACTIONS {
        // Some shorthands need an account, and the package has none.
        let account = "cfemail = x\ncfapikey = x\nblocklist_de_apikey = x\n";
        let found = found(&format!(
            "[DEFAULT]\nenabled = true\naction = %({action})s\n{account}"
        ));
        let mut rest: Vec<_> = found.iter().collect();
        for (file, code, why) in SAID.iter().chain(besides) {
            let before = rest.len();
            rest.retain(|(found_file, found_code, ..)| (found_file.as_str(), found_code) != (file, code));
            assert!(
                rest.len() < before,
                "{action}, {file}: {} is no more: {why}",
                code.name()
            );
        }
        assert_eq!(rest, Vec::<&(String, Code, u32, Severity)>::new(), "{action}");
    }
}
