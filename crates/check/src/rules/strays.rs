//! Files that lie where layers do and are not read, because of how their names end.

use stockade_config::{Kind, nearest};

use crate::context::Context;
use crate::{Code, Diagnostic, Place};

/// How many files of a directory are looked at.
const MOST: usize = 10_000;

pub(crate) fn apply(context: &mut Context<'_>) {
    let base = context.inspection.base.clone();
    for directory in ["jail.d", "fail2ban.d"] {
        let path = format!("{base}/{directory}");
        let mut names = context.files.names(&path);
        names.sort_unstable();
        for name in names.iter().take(MOST) {
            stray(context, &path, name);
        }
    }
    // A file that is meant for the base directory itself.
    let mut names = context.files.names(&base);
    names.sort_unstable();
    for name in names.iter().take(MOST) {
        let known = ["jail.local", "jail.conf", "fail2ban.local", "fail2ban.conf"];
        let stem = name.split('.').next().unwrap_or_default();
        let is_read = known.contains(&name.as_str())
            || context
                .inspection
                .files
                .iter()
                .any(|file| file.path == format!("{base}/{name}"));
        if is_read || !is_near_layer(name) || is_left_over(name) {
            continue;
        }
        let meant = known
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(name))
            .or_else(|| {
                let same = known
                    .into_iter()
                    .filter(|known| known.split('.').next() == Some(stem));
                nearest(name, same)
            });
        if let Some(meant) = meant {
            report(
                context,
                &format!("{base}/{name}"),
                format!("did you mean `{meant}`?"),
            );
        }
    }
}

/// Whether a name in the base directory looks like that of a layer.
fn is_near_layer(name: &str) -> bool {
    let lower = name.to_lowercase();
    lower.starts_with("jail") || lower.starts_with("fail2ban")
}

/// What editors and package managers leave behind on purpose.
fn is_left_over(name: &str) -> bool {
    const ENDS: [&str; 12] = [
        "~",
        ".bak",
        ".orig",
        ".old",
        ".save",
        ".swp",
        ".rpmnew",
        ".rpmsave",
        ".dpkg-dist",
        ".dpkg-old",
        ".dpkg-new",
        ".ucf-dist",
    ];
    name.starts_with('.')
        || name.starts_with('#')
        || name.to_uppercase().starts_with("README")
        || ENDS.iter().any(|end| name.ends_with(end))
        || name.ends_with(".disabled")
}

fn stray(context: &mut Context<'_>, directory: &str, name: &str) {
    let path = format!("{directory}/{name}");
    let is_layer = name.ends_with(".conf") || name.ends_with(".local");
    if is_layer || is_left_over(name) || context.files.kind(&path) != Kind::File {
        return;
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    report(
        context,
        &path,
        format!("rename it to `{stem}.conf` or `{stem}.local`"),
    );
}

fn report(context: &mut Context<'_>, path: &str, help: String) {
    context.report(
        Diagnostic::new(
            Code::StrayFile,
            Place::whole(path),
            "nobody reads this file: the names of layers end in `.conf` or `.local`",
        )
        .help(help),
    );
}
