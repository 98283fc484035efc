//! A configuration → every mistake in it, with its place and what would be right.
//!
//! In: the files below a base directory. Out: a [`Report`]: diagnostics in the order of files and lines, each with a
//! code, what is wrong, where, and what to write instead.
//!
//! Invariant: a mistake is reported once, however many jails it concerns; what the reference refuses is an error, what
//! it passes over although it is certainly not meant is a warning, and everything else is a note.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod code;
mod context;
mod diagnostic;
mod render;
mod report;
mod rules;
mod suggest;

use stockade_config::{Files, inspect};

pub use code::{Code, Severity};
pub use diagnostic::{Diagnostic, Place, Related};
pub use report::Report;

use context::Context;

/// Checks the configuration in a base directory.
///
/// `version` is what `fail2ban_version` stands for; `variables` are further values for the `[DEFAULT]` of the jails.
#[must_use]
pub fn check(files: &dyn Files, base: &str, version: &str, variables: &[(String, String)]) -> Report {
    let inspection = inspect(files, base, version, variables);
    let mut context = Context::new(files, &inspection);
    rules::apply(&mut context);
    context.into_report()
}
