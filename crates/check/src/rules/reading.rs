//! What reading itself stumbles over, in words that say what to do.

use std::collections::BTreeSet;

use stockade_config::{Error, Mistake, Part, Span, nearest};
use stockade_protocol::definition::Syntax;

use super::actions::FORMER_FILES;
use crate::context::Context;
use crate::suggest::did_you_mean;
use crate::{Code, Diagnostic, Place};

/// Filters of earlier versions, and what to write now.
const FORMER_FILTERS: [(&str, &str); 9] = [
    ("sshd-ddos", "sshd[mode=ddos]"),
    ("sshd-aggressive", "sshd[mode=aggressive]"),
    ("ssh", "sshd"),
    ("ssh-ddos", "sshd[mode=ddos]"),
    ("postfix-sasl", "postfix[mode=auth]"),
    ("postfix-rbl", "postfix[mode=rbl]"),
    ("sasl", "postfix[mode=auth]"),
    ("couriersmtp", "courier-smtp"),
    ("courierlogin", "courier-auth"),
];

pub(crate) fn apply(context: &mut Context<'_>) {
    let mut circles = BTreeSet::new();
    for mistake in &context.inspection.mistakes {
        match mistake {
            Mistake::Error(error) if is_known_circle(error, &mut circles) => {}
            Mistake::Error(error) => report_error(context, error),
            Mistake::Unreadable { path, reason } => {
                let help = if reason.contains("irectory") {
                    "layers and included files must be plain files"
                } else {
                    "the daemon reads it as root; check its permissions"
                };
                context.report(
                    Diagnostic::new(
                        Code::UnreadableFile,
                        Place::whole(path),
                        format!("the file cannot be read: {reason}"),
                    )
                    .help(help),
                );
            }
            Mistake::NotUtf8 { at, byte } => context.report(
                Diagnostic::new(
                    Code::NotUtf8,
                    Place::at(at, 1),
                    format!("the byte 0x{byte:02x} is no UTF-8"),
                )
                .help("save the file as UTF-8: `iconv -f latin1 -t utf-8 FILE`, where it is in Latin-1"),
            ),
            Mistake::MissingInclude { at, path } => missing_include(context, at.as_ref(), path),
            Mistake::Definition {
                part,
                at,
                exactly,
                text,
                error,
            } => definition(context, *part, at.as_ref(), exactly.as_ref(), text, error),
            Mistake::NoFile { part, at, jail, name } => no_file(context, *part, at.as_ref(), jail, name),
            // A section that is misspelt is reported where it stands.
            Mistake::NoDefinition { path, .. } if has_misspelt_definition(context, path) => {}
            Mistake::NoDefinition { part, path, .. } => {
                let what = match part {
                    Part::Filter => "filter",
                    Part::Action => "action",
                };
                context.report(
                    Diagnostic::new(
                        Code::NoDefinition,
                        Place::whole(path),
                        format!("the {what} has no section [Definition], so that it does nothing"),
                    )
                    .help("its options belong below a line `[Definition]`, in exactly this spelling"),
                );
            }
        }
    }
}

/// Whether a file has a section that is `[Definition]` but for its spelling.
fn has_misspelt_definition(context: &Context<'_>, path: &str) -> bool {
    let files = context.inspection.files.iter().filter(|file| file.path == path);
    files.flat_map(|file| &file.sections).any(|section| {
        let name = section.name.trim();
        name.eq_ignore_ascii_case("Definition") || nearest(name, ["Definition"]).is_some()
    })
}

/// Whether an error is another view of a circle of tags that has been reported.
fn is_known_circle(error: &Error, circles: &mut BTreeSet<String>) -> bool {
    let Some((file, names)) = error.circle() else {
        return false;
    };
    let names: Vec<String> = names.into_iter().map(|name| format!("{file}\0{name}")).collect();
    let is_known = names.iter().any(|name| circles.contains(name));
    circles.extend(names);
    is_known
}

fn place(span: &Span, context: &Context<'_>) -> Place {
    let line = context.line(span);
    let before = usize::try_from(span.column).unwrap_or(1).saturating_sub(1);
    let width = line.trim_end().chars().count().saturating_sub(before);
    Place::at(span, width)
}

/// How many characters a reference `%(name)s` or a tag takes at its place.
fn reference(span: &Span, context: &Context<'_>) -> Place {
    let before = usize::try_from(span.column).unwrap_or(1).saturating_sub(1);
    let rest: String = context.line(span).chars().skip(before).collect();
    let end = if rest.starts_with("%(") {
        rest.find(")s").map(|end| end + 2)
    } else if rest.starts_with('<') {
        rest.find('>').map(|end| end + 1)
    } else {
        None
    };
    let width = end
        .and_then(|end| rest.get(..end))
        .map_or(1, |reference| reference.chars().count());
    Place::at(span, width)
}

fn report_error(context: &mut Context<'_>, error: &Error) {
    let exactly = error.exact_span().cloned();
    let file = context.inspection.base.clone();
    let whole = || Place::whole(&file);
    let diagnostic = match error {
        Error::DuplicateOption {
            at, first, section, option,
        } => Diagnostic::new(
            Code::DuplicateOption,
            Place::at(at, option.chars().count()),
            format!("`{option}` stands twice in [{section}]"),
        )
        .help("keep one of the two; a value of several lines is continued by indented lines")
        .related(Place::at(first, option.chars().count()), "the first one"),
        Error::DuplicateSection { at, first, section } => Diagnostic::new(
            Code::DuplicateSection,
            place(at, context),
            format!("section [{section}] stands twice in this file"),
        )
        .help("put the options of both below one header")
        .related(place(first, context), "the first one"),
        Error::NoSectionHeader { at, text } => no_header(context, at, text),
        Error::BadLines { lines, at } => {
            for (number, text) in lines {
                let span = Span {
                    line: *number,
                    column: 1,
                    file: at.file.clone(),
                };
                let diagnostic = bad_line(&span, text);
                context.report(diagnostic);
            }
            return;
        }
        Error::UnknownKey { key, .. } => unknown_variable(context, exactly.as_ref(), key),
        Error::TooDeep { section, option, .. } => Diagnostic::new(
            Code::Recursion,
            exactly.as_ref().map_or_else(whole, |at| place(at, context)),
            format!("`{option}` in [{section}] leads to itself, or through more than 10 values"),
        )
        .help("what the value had in an earlier file is `%(known/name)s`, for one file; a default is `%(default/name)s`"),
        Error::StrayPercent { found, .. } => Diagnostic::new(
            Code::BadInterpolation,
            exactly.as_ref().map_or_else(whole, |at| Place::at(at, 1)),
            format!("`%` begins nothing here: `{}`", first_line(found)),
        )
        .help(stray_percent(found)),
        Error::BadReference { found, .. } => Diagnostic::new(
            Code::BadInterpolation,
            exactly.as_ref().map_or_else(whole, |at| Place::at(at, 2)),
            format!("`%(` is not closed by `)s`: `{}`", first_line(found)),
        )
        .help("write `%(name)s`, with the `s`, or `%%(` for the characters"),
        Error::NotText { class, .. } => Diagnostic::new(
            Code::BadInterpolation,
            exactly.as_ref().map_or_else(whole, |at| reference(at, context)),
            format!("this refers to a value that is no text but {}", kind(class)),
        ),
        Error::SelfReference { option, tag, .. } => Diagnostic::new(
            Code::Recursion,
            exactly.as_ref().map_or_else(whole, |at| reference(at, context)),
            format!("`{option}` leads to itself, by the tag `<{tag}>`"),
        )
        .help("what the option was in the file before is `<known/name>`"),
        Error::NoOption { section, option, .. } => Diagnostic::new(
            Code::UnknownOption,
            exactly.as_ref().map_or_else(whole, |at| place(at, context)),
            format!("`{option}` in [{section}] cannot be read: write its condition in lower case"),
        ),
        Error::NoSection { section } => Diagnostic::new(
            Code::MissingConfiguration,
            whole(),
            format!("there is no section [{section}]"),
        ),
        Error::NoClosingQuotation { at } => Diagnostic::new(
            Code::BadJournalMatch,
            at.as_ref().map_or_else(whole, |at| place(at, context)),
            "a quote is not closed",
        )
        .help("words are quoted as in a shell: `_SYSTEMD_UNIT=\"my unit.service\"`"),
        Error::NoEscapedCharacter { at } => Diagnostic::new(
            Code::BadJournalMatch,
            at.as_ref().map_or_else(whole, |at| place(at, context)),
            "a backslash stands at the end, where nothing follows it",
        ),
        Error::NoLogFile { at, jail } => Diagnostic::new(
            Code::MissingLog,
            at.as_ref().map_or_else(whole, |at| place(at, context)),
            format!("there is no log file for the jail {jail}"),
        ),
        Error::NoBase { base } => Diagnostic::new(
            Code::MissingConfiguration,
            Place::whole(base),
            "there is no such directory",
        ),
        Error::Unreadable { what } => {
            let name = if *what == "jails" { "jail" } else { what };
            Diagnostic::new(
                Code::MissingConfiguration,
                Place::whole(&format!("{file}/{name}.conf")),
                format!("neither {name}.conf nor {name}.local nor a file of {name}.d can be read"),
            )
            .help("every configuration needs both, fail2ban.conf and jail.conf; they may be empty but for a section")
        }
        Error::LogLevel { at, found } => Diagnostic::new(
            Code::BadLoglevel,
            at.as_ref().map_or_else(whole, |at| place(at, context)),
            format!("there is no level `{found}`"),
        ),
        Error::Limit { .. } => Diagnostic::new(Code::TooMuch, whole(), error.to_string()),
        Error::Jail { at, reason, .. } => Diagnostic::new(
            Code::BadDefinition,
            at.as_ref().map_or_else(whole, |at| place(at, context)),
            reason.as_str(),
        ),
        Error::InAction { source, .. } => return report_error(context, source),
    };
    context.report(diagnostic);
}

/// What to do about a `%` that begins nothing.
fn stray_percent(found: &str) -> String {
    match found.chars().nth(1) {
        Some(token) if token.is_ascii_alphabetic() => {
            format!(
                "write `%%{token}`: in a file each `%` of a date is doubled; a single one refers to another option"
            )
        }
        Some(_) | None => "write `%%` for the character, or `%(name)s` for another option".to_owned(),
    }
}

fn kind(class: &str) -> &str {
    match class {
        "int" => "a number",
        "bool" => "true or false",
        "NoneType" => "nothing, for it could not be read",
        other => other,
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(40).collect()
}

fn no_header(context: &Context<'_>, at: &Span, text: &str) -> Diagnostic {
    if text.starts_with('\u{feff}') {
        return Diagnostic::new(
            Code::ByteOrderMark,
            Place::at(at, 1),
            "the file begins with a byte order mark, which hides the section behind it",
        )
        .help("save the file as UTF-8 without a mark, or remove its first three bytes: `sed -i '1s/^\\xEF\\xBB\\xBF//' FILE`");
    }
    if text.trim_start().starts_with('[') {
        return Diagnostic::new(
            Code::NoSectionHeader,
            place(at, context),
            "the section header is not closed",
        )
        .help(format!(
            "write `{}]`",
            text.trim().trim_end_matches([')', '}', '>'])
        ));
    }
    Diagnostic::new(
        Code::NoSectionHeader,
        place(at, context),
        "this stands before the first section",
    )
    .help("begin with a line such as `[DEFAULT]` or `[sshd]`; a comment begins with `#`")
}

fn bad_line(at: &Span, text: &str) -> Diagnostic {
    let trimmed = text.trim();
    let indent = text.chars().take_while(|c| c.is_whitespace()).count();
    let mut span = at.clone();
    span.column = u32::try_from(indent).unwrap_or(0).saturating_add(1);
    let place = Place::at(&span, trimmed.chars().count());
    let (message, help) = if trimmed.starts_with('[') {
        (
            "the section header is not closed".to_owned(),
            format!("write `{}]`", trimmed.trim_end_matches([')', '}', '>'])),
        )
    } else if trimmed.starts_with(['=', ':']) {
        (
            "the option has no name".to_owned(),
            "write `option = value`".to_owned(),
        )
    } else if trimmed.starts_with("//") || trimmed.starts_with("--") {
        (
            "this is no comment".to_owned(),
            "comments begin with `#` or `;`".to_owned(),
        )
    } else if trimmed.contains(char::is_whitespace) {
        let name = trimmed.split_whitespace().next().unwrap_or_default();
        (
            "this is neither a section nor an option".to_owned(),
            format!("write `{name} = …`; or indent the line, if it continues the value above"),
        )
    } else {
        (
            format!("`{trimmed}` has no `=` and no value"),
            format!("write `{trimmed} = …`; or indent the line, if it continues the value above"),
        )
    };
    Diagnostic::new(Code::NotAnOption, place, message).help(help)
}

fn unknown_variable(context: &Context<'_>, at: Option<&Span>, key: &str) -> Diagnostic {
    let place = at.map_or_else(
        || Place::whole(&context.inspection.base),
        |at| reference(at, context),
    );
    let here: Vec<&str> = context
        .inspection
        .files
        .iter()
        .flat_map(|file| &file.sections)
        .flat_map(|section| section.options.iter().map(|option| option.name()))
        .collect();
    let help = match key.split_once('/') {
        Some(("known", option)) => format!(
            "`known/{option}` is what an earlier file says of `{option}` in the same section, or what the filter says; \
             there is no such value"
        ),
        Some((section, _))
            if context
                .inspection
                .jails
                .iter()
                .any(|jail| jail.name != section && jail.name.eq_ignore_ascii_case(section)) =>
        {
            "only sections with names in lower case can be referred to".to_owned()
        }
        _ => did_you_mean(key, here.iter().copied())
            .unwrap_or_else(|| format!("define `{key} = …` in the same section or in [DEFAULT]")),
    };
    Diagnostic::new(
        Code::UnknownVariable,
        place,
        format!("there is no option `{key}` here"),
    )
    .help(help)
}

fn missing_include(context: &mut Context<'_>, at: Option<&Span>, path: &str) {
    // A file for the administrator's own values is optional; the stock files include several.
    if path.ends_with(".local") {
        return;
    }
    if FORMER_FILES.iter().any(|former| path.ends_with(former)) {
        let place = at.map_or_else(|| Place::whole(path), |at| place(at, context));
        let name = path.rsplit('/').next().unwrap_or(path);
        context.report(
            Diagnostic::new(
                Code::Outdated,
                place,
                format!("{name} is no more: later versions have what it defined in iptables.conf"),
            )
            .help("write `before = iptables.conf`"),
        );
        return;
    }
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let names = context.files.names(directory);
    let name = path.rsplit('/').next().unwrap_or(path);
    let help = did_you_mean(name, names.iter().map(String::as_str));
    let place = at.map_or_else(|| Place::whole(path), |at| place(at, context));
    context.report(
        Diagnostic::new(
            Code::MissingInclude,
            place,
            format!("the included file {path} does not exist, and is left out without a word"),
        )
        .maybe_help(help),
    );
}

fn definition(
    context: &mut Context<'_>,
    part: Part,
    at: Option<&Span>,
    exactly: Option<&Span>,
    text: &str,
    error: &Syntax,
) {
    let what = match part {
        Part::Filter => "filter",
        Part::Action => "action",
    };
    let base = context.inspection.base.clone();
    let at_or_whole = |span: Option<&Span>, context: &Context<'_>| {
        span.map_or_else(|| Place::whole(&base), |span| place(span, context))
    };
    let diagnostic = match error {
        Syntax::Brackets => {
            let opened = text.matches('[').count() > text.matches(']').count();
            // The list of actions is split at blanks where the brackets make no sense.
            let rest = exactly.map(|at| {
                let before = usize::try_from(at.column).unwrap_or(1).saturating_sub(1);
                context.line(at).chars().skip(before).collect::<String>()
            });
            let is_split = part == Part::Action && rest.is_some_and(|rest| rest.trim_end().ends_with(']'));
            let (message, help) = if opened && is_split {
                (
                    format!("the parameters of this {what} cannot be read"),
                    "write `[option=value, option=\"value, too\"]`: no blanks around `=`, and commas between"
                        .to_owned(),
                )
            } else if opened {
                (
                    format!("the bracket of this {what} is not closed"),
                    "close it by `]`; values with `,` or `]` must be quoted".to_owned(),
                )
            } else if text.starts_with('[') {
                (
                    format!("the {what} has no name before its bracket"),
                    "write `name[option=value]`".to_owned(),
                )
            } else {
                (
                    format!("something follows the bracket of this {what}"),
                    "write `name[option=value, …]`, and each action on a line of its own".to_owned(),
                )
            };
            let start = if opened || !text.contains(']') {
                exactly
            } else {
                at
            };
            Diagnostic::new(Code::BadDefinition, at_or_whole(start, context), message).help(help)
        }
        Syntax::Expected { rest, .. } => Diagnostic::new(
            Code::BadDefinition,
            at_or_whole(exactly, context),
            format!(
                "`option=value` is expected here, not `{}`",
                first_line(rest).trim()
            ),
        )
        .help("no blanks may stand around the `=`; a value with `,` or `]` must be quoted"),
        Syntax::Unexpected { option, rest, .. } => Diagnostic::new(
            Code::BadDefinition,
            at_or_whole(exactly, context),
            format!(
                "`{}` cannot follow the value of `{option}`",
                first_line(rest).trim_end()
            ),
        )
        .help("a quoted value must be followed at once by `,` or `]`"),
    };
    context.report(diagnostic);
}

fn no_file(context: &mut Context<'_>, part: Part, at: Option<&Span>, jail: &str, name: &str) {
    let (code, what, directory) = match part {
        Part::Filter => (Code::UnknownFilter, "filter", "filter.d"),
        Part::Action => (Code::UnknownAction, "action", "action.d"),
    };
    // What is left of a definition that could not be read has been reported with it.
    if part == Part::Action && name.contains(['=', '"', '\'', ']', ',']) {
        let is_reported = at.is_some_and(|at| {
            let mut mistakes = context.inspection.mistakes.iter();
            mistakes.any(|mistake| {
                matches!(mistake, Mistake::Definition { at: Some(start), .. } if start.file == at.file && start.line <= at.line)
            })
        });
        if is_reported {
            return;
        }
    }
    // Files that are there and cannot be read have been reported themselves.
    let path = format!("{}/{directory}/{name}.", context.inspection.base);
    let is_reported = context.inspection.mistakes.iter().any(
        |mistake| matches!(mistake, Mistake::Unreadable { path: unread, .. } if unread.starts_with(&path)),
    );
    if is_reported {
        return;
    }
    let names = context.names_in(directory);
    let known = || names.iter().map(String::as_str);
    let former = FORMER_FILTERS
        .iter()
        .find(|(old, new)| {
            let base = new.split('[').next().unwrap_or(new);
            part == Part::Filter && *old == name && names.iter().any(|known| known == base)
        })
        .map(|(_, new)| *new);
    let meant = former
        .or_else(|| nearest(name, known()))
        .or_else(|| nearest(name, known()));
    let bare = name.trim();
    let help = if name.contains('\n') {
        Some(
            "a jail has one filter; write a jail for each, or one filter that includes the others".to_owned(),
        )
    } else if name.ends_with(',') {
        Some("actions are separated by blanks or lines, not by commas".to_owned())
    } else if bare != name {
        Some(format!("no blank may stand between `{bare}` and its bracket"))
    } else {
        name.strip_suffix(".conf")
            .or_else(|| name.strip_suffix(".local"))
            .map(|stem| format!("write it without its extension: `{stem}`"))
    };
    // The filter is named after the section, where the section itself says nothing.
    let section = context
        .inspection
        .jails
        .iter()
        .find(|section| section.name == jail);
    let is_implied = part == Part::Filter
        && name == jail
        && section
            .and_then(|section| section.option("filter"))
            .and_then(|filter| filter.written())
            .is_none_or(|filter| context.section_of(filter) != jail);
    let header = section.and_then(|section| section.at.clone());
    let diagnostic = if let (true, Some(header)) = (is_implied, header) {
        let has_jail = |name: &str| context.inspection.jails.iter().any(|other| other.name == name);
        let help = help.or_else(|| {
            meant.map(|meant| {
                if has_jail(meant) {
                    format!("did you mean the jail `[{meant}]`, or `filter = {meant}`?")
                } else {
                    format!("did you mean `filter = {meant}`?")
                }
            })
        });
        Diagnostic::new(
            code,
            Place::at(&header, jail.chars().count() + 2),
            format!("there is no filter `{name}` for the jail [{jail}]"),
        )
        .help(help.unwrap_or_else(|| {
            format!("write `filter = …` into [{jail}], or the filter into {directory}/{name}.conf")
        }))
    } else {
        let place = at.map_or_else(
            || Place::whole(&context.inspection.base),
            |at| Place::at(at, name.lines().next().unwrap_or_default().chars().count()),
        );
        let help = help.or_else(|| meant.map(|meant| format!("did you mean `{meant}`?")));
        Diagnostic::new(
            code,
            place,
            format!("there is no {what} `{}`", name.replace('\n', " ")),
        )
        .help(help.unwrap_or_else(|| format!("its file would be {directory}/{name}.conf")))
    };
    context.report(diagnostic);
}
