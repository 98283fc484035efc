//! What can keep a chore from being done at all, as against what a check finds wrong.

use std::error::Error;
use std::path::PathBuf;

/// Why a chore could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// A file or directory could not be read or written.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was being done: "read", "create".
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program could not be started or waited for.
    #[error("cannot run `{program}`")]
    Start {
        /// The program, as it was called.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ran and failed.
    #[error("`{program}` failed: {why}")]
    Failed {
        /// The program, as it was called.
        program: String,
        /// Its exit status, or that it took too long.
        why: String,
    },
    /// What cargo says about the workspace is not what we know how to read.
    #[error("`cargo metadata` says something unexpected: {what}")]
    Metadata {
        /// What was looked for and not found.
        what: &'static str,
    },
    /// The reference could not be had.
    #[error("the reference could not be fetched; tried {tried}")]
    NoReference {
        /// Every place that was tried, and what came of it.
        tried: String,
    },
}

impl Trouble {
    /// The sentence with every cause behind it.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
