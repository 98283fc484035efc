//! Values that never count, where that is clearly a mistake. A `.local` that overrides a `.conf` is none.

use std::rc::Rc;

use stockade_config::{Vocabulary, Written};

use crate::context::Context;
use crate::{Code, Diagnostic, Place};

pub(crate) fn apply(context: &mut Context<'_>) {
    defaults(context);
    siblings(context);
}

/// Whether a file is the administrator's: not the one that the package brings.
pub(super) fn is_own(path: &str) -> bool {
    path.ends_with(".local") || path.contains("jail.d/")
}

/// A default of the administrator's which every enabled jail has been given another value for by the package.
fn defaults(context: &mut Context<'_>) {
    let Some(jails) = context.merged("jail") else {
        return;
    };
    let known = Vocabulary::Jail.options();
    let enabled: Vec<&str> = context.enabled().map(|jail| jail.name.as_str()).collect();
    let Some((_, defaults)) = jails.sections.first() else {
        return;
    };
    for layers in defaults {
        let Some(option) = layers.last() else { continue };
        let is_candidate = known.contains(&option.name())
            && option.name() != "enabled"
            && !option.counts()
            && is_own(&option.at().file);
        if !is_candidate || enabled.is_empty() {
            continue;
        }
        let winners: Vec<&Rc<Written>> = enabled
            .iter()
            .filter_map(|jail| {
                let (_, options) = jails.sections.iter().find(|(name, _)| name == jail)?;
                let own = options.iter().filter_map(|layers| layers.last());
                own.into_iter().find(|own| own.name() == option.name())
            })
            .collect();
        // Where the administrator has written the other value, too, it is an exception and no mistake.
        let are_of_package = winners.len() == enabled.len()
            && winners
                .iter()
                .all(|winner| winner.at().file != option.at().file && !winner.at().file.ends_with(".local"));
        let Some(first) = winners.first().filter(|_| are_of_package) else {
            continue;
        };
        let section = context.section_of(first).to_owned();
        let jails_shown = if enabled.len() == 1 {
            format!("the only enabled jail, [{section}],")
        } else {
            "every enabled jail".to_owned()
        };
        context.report(
            Diagnostic::new(
                Code::ShadowedValue,
                Place::name(option),
                format!(
                    "`{}` in [DEFAULT] never counts: {jails_shown} has its own",
                    option.name()
                ),
            )
            .help(format!(
                "write it into a section [{section}] of this file; a section wins over every [DEFAULT]"
            ))
            .related(Place::name(first), "the value that counts"),
        );
    }
}

/// Two files of the same rank that say different things.
fn siblings(context: &mut Context<'_>) {
    let inspection = context.inspection;
    for merged in &inspection.merged {
        let sections = merged.sections.iter();
        for layers in sections.flat_map(|(_, options)| options) {
            for (earlier, later) in layers.iter().zip(layers.iter().skip(1)) {
                let (one, other) = (&earlier.at().file, &later.at().file);
                let is_kept = later.text().contains(&format!("known/{}", later.name()));
                let is_meant =
                    one == other || is_kept || earlier.text() == later.text() || is_of_distribution(one);
                if is_meant || !are_siblings(one, other) {
                    continue;
                }
                let section = context.section_of(later).to_owned();
                context.report(
                    Diagnostic::new(
                        Code::ShadowedValue,
                        Place::name(earlier),
                        format!(
                            "`{}` in [{section}] never counts: {other} is read later and says something else",
                            earlier.name()
                        ),
                    )
                    .help("files of one directory are read in the order of their names; keep one of the two")
                    .related(Place::name(later), "the value that counts"),
                );
            }
        }
    }
}

/// Whether a file brings the values of a distribution, for others to override: by the names that Debian and Fedora use.
fn is_of_distribution(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("defaults-") || name.starts_with("00-")
}

/// Whether two files lie in one directory of layers and have the same extension.
fn are_siblings(one: &str, other: &str) -> bool {
    let parts = |path: &str| {
        let (directory, name) = path.rsplit_once('/')?;
        let (_, extension) = name.rsplit_once('.')?;
        directory
            .ends_with(".d")
            .then(|| (directory.to_owned(), extension.to_owned()))
    };
    // The files of filter.d and action.d are no layers of each other: they include each other.
    let is_library = |path: &str| {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        directory.ends_with("filter.d") || directory.ends_with("action.d")
    };
    parts(one).is_some() && parts(one) == parts(other) && !is_library(one)
}
