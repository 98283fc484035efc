//! What the tests need of the machine, and having it.
//!
//! In: the machine. Out: a list of what is still missing, each with what is skipped for it.
//!
//! Invariant: nothing that is there already is touched, no service is started or stopped, and the
//! reference is never installed, only unpacked below `target/`.

mod bookworm;
pub(crate) mod packages;
pub(crate) mod reference;
mod tools;
mod unpacked;

use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// Something that the tests want and this machine does not have.
pub(crate) struct Missing {
    /// What it is, and how to come by it.
    pub(crate) what: String,
    /// What is not tested without it.
    pub(crate) skipped: &'static str,
}

/// The chore: everything still missing, as sentences.
pub(crate) fn chore(workspace: &Workspace) -> Result<Vec<String>, Trouble> {
    let missing = provide(workspace)?;
    Ok(missing
        .iter()
        .map(|Missing { what, skipped }| format!("{what}; skipped: {skipped}"))
        .collect())
}

/// Installs and unpacks what it may; what is missing then.
pub(crate) fn provide(workspace: &Workspace) -> Result<Vec<Missing>, Trouble> {
    let mut missing = packages::provide()?;
    match reference::unpack(workspace) {
        Ok(()) => {}
        Err(trouble) => missing.push(Missing {
            what: trouble.chain(),
            skipped: "conformance with the reference, and the clean room",
        }),
    }
    match tools::install(workspace) {
        Ok(()) => {}
        Err(trouble) => missing.push(Missing {
            what: trouble.chain(),
            skipped: "one of the tools of others",
        }),
    }
    match unpacked::unpack(workspace) {
        Ok(()) => {}
        Err(trouble) => missing.push(Missing {
            what: trouble.chain(),
            skipped: "the end-to-end test of vsftpd",
        }),
    }
    let namespaces = packages::namespaces()?;
    // Whoever may make no namespaces may enter no other root either.
    if namespaces.is_none()
        && let Err(trouble) = bookworm::provide(workspace)
    {
        missing.push(Missing {
            what: trouble.chain(),
            skipped: "the test of the package",
        });
    }
    missing.extend(namespaces);
    Ok(missing)
}
