//! Actions: tags that nothing defines, and parameters that nobody reads.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use stockade_action::facts::{BanFacts, JailFacts};
use stockade_action::message::{Medium, Message, parts};
use stockade_action::tags::{Facts, HostNames, Properties};
use stockade_config::{Group, InspectedAction, Kind, Merged, Mistake, Text, Vocabulary, Written, nearest};
use stockade_jail::{Address, BanTime, Id, Ticket, Timestamp};

use super::names::references_of;
use crate::context::Context;
use crate::suggest::did_you_mean;
use crate::{Code, Diagnostic, Place};

/// Names of tags that the daemon knows, for suggestions.
const TAGS: [&str; 22] = [
    "ip",
    "family",
    "ip-rev",
    "ip-host",
    "fid",
    "failures",
    "ipfailures",
    "ipjailfailures",
    "time",
    "bantime",
    "bancount",
    "matches",
    "ipmatches",
    "ipjailmatches",
    "restored",
    "jail.name",
    "jail.banned",
    "br",
    "sp",
    "fq-hostname",
    "sh-hostname",
    "timeout",
];

/// Files of actions that later versions have not, and the tags that they defined.
pub(super) const FORMER_FILES: [&str; 2] = ["iptables-blocktype.conf", "iptables-common.conf"];
const FORMERLY_INCLUDED: [&str; 4] = ["blocktype", "iptables", "lockingopt", "returntype"];

pub(crate) fn apply(context: &mut Context<'_>) {
    for jail in context.enabled() {
        for action in &jail.actions {
            if action.merged.is_none() {
                python(context, action);
            }
            let reached = commands(context, action);
            messages(context, action);
            let known = action.merged.as_deref().and_then(|name| context.merged(name));
            if let Some(merged) = known {
                for parameter in &action.parameters {
                    unclosed(context, parameter);
                    if !reached.contains(parameter.name()) {
                        unread_parameter(
                            context,
                            parameter,
                            merged,
                            Vocabulary::Action,
                            &action.definition.name,
                        );
                    }
                }
            }
        }
        if let Some(filter) = &jail.filter
            && let Some(merged) = context.merged(&filter.merged)
        {
            for parameter in &filter.parameters {
                unread_parameter(
                    context,
                    parameter,
                    merged,
                    Vocabulary::Filter,
                    &filter.definition.name,
                );
            }
        }
    }
}

/// An action in Python, whose file is looked for when the jail starts.
fn python(context: &mut Context<'_>, action: &InspectedAction) {
    let name = &action.definition.name;
    let path = if name.starts_with('/') {
        name.clone()
    } else {
        format!("{}/action.d/{name}", context.inspection.base)
    };
    let Some(at) = &action.at else { return };
    if context.files.kind(&path) != Kind::File {
        let place = Place::at(at, name.chars().count());
        context.report(
            Diagnostic::new(Code::UnknownAction, place, format!("there is no action `{name}`"))
                .help(format!("its file would be {path}")),
        );
    }
}

/// A value that begins with a quote, for a quote that is closed is no part of it.
fn unclosed(context: &mut Context<'_>, parameter: &Written) {
    let Some(quote) = parameter
        .text()
        .chars()
        .next()
        .filter(|c| ['"', '\''].contains(c))
    else {
        return;
    };
    let line = parameter.text().lines().next().unwrap_or_default();
    let place = Place::at(parameter.at(), line.chars().count());
    // The place is that of the value without quotes; this one has kept its own.
    let message = format!(
        "the quote of `{}` is not closed, so that it is part of the value",
        parameter.name()
    );
    context
        .report(Diagnostic::new(Code::UnclosedQuote, place, message).help(format!("close it by `{quote}`")));
}

/// Looks through what runs; returns the names of the properties that are used at run time.
fn commands(context: &mut Context<'_>, action: &InspectedAction) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut waiting: VecDeque<&(String, Text)> = action
        .properties
        .iter()
        .filter(|(name, _)| InspectedAction::is_standard(base(name)))
        .collect();
    while let Some((_, text)) = waiting.pop_front() {
        for (byte, tag) in tags(text.as_str().unwrap_or_default()) {
            if !reached.insert(tag.to_owned()) {
                continue;
            }
            let mut is_property = false;
            for property in &action.properties {
                if property.0 == tag || base(&property.0) == tag {
                    is_property = true;
                    waiting.push_back(property);
                }
            }
            if is_property || is_known(tag) || !is_name(tag) {
                continue;
            }
            reached.remove(tag);
            let Some(place) = Place::of(text, byte, tag.len() + 2) else {
                continue;
            };
            if FORMERLY_INCLUDED.contains(&tag) && includes_former_file(context, action) {
                continue;
            }
            if let Some(option) = tag.strip_prefix("known/") {
                let message = format!(
                    "the action `{}` has no `{option}` that could be meant",
                    action.definition.name
                );
                context.report_once_in_file(Diagnostic::new(Code::UnknownTag, place, message).help(format!(
                    "write the value itself, or define `{option} = …` in [Init] of the action"
                )));
                continue;
            }
            let own = action.properties.iter().map(|(name, _)| base(name));
            let former: &[&str] = if includes_former_file(context, action) {
                &FORMERLY_INCLUDED
            } else {
                &[]
            };
            let candidates: Vec<&str> = own.chain(TAGS).chain(former.iter().copied()).collect();
            let diagnostic = Diagnostic::new(
                Code::UnknownTag,
                place,
                format!("nothing defines `<{tag}>`, so the command is run with these very characters"),
            );
            let help = did_you_mean(tag, candidates).unwrap_or_else(|| {
                format!(
                    "define `{tag} = …` in [Init] of the action, or give it as a parameter: `{}[{tag}=…]`",
                    action.definition.name
                )
            });
            context.report_once_in_file(diagnostic.help(help));
        }
    }
    reached
}

/// A text that is to be sent, and is neither a request nor a mail.
fn messages(context: &mut Context<'_>, action: &InspectedAction) {
    let text_of = |name: &str| {
        let property = action.properties.iter().find(|(known, _)| known == name);
        property.and_then(|(_, text)| text.as_str())
    };
    let medium = Medium::named(text_of("type"));
    if medium == Medium::Shell {
        return;
    }
    let mut properties = Properties::default();
    for (name, text) in &action.properties {
        properties.set(name, text.as_str().unwrap_or_default().to_owned());
    }
    let commands = action.properties.iter();
    for (name, text) in commands.filter(|(name, _)| InspectedAction::is_standard(base(name))) {
        let written = text.as_str().unwrap_or_default();
        let is_text = written.split_whitespace().nth(1).is_some();
        let Ok(resolved) = properties.resolve(written, None, &HostNames::default()) else {
            continue;
        };
        if !is_text {
            continue;
        }
        for part in parts(medium, &resolved) {
            let Err(malformed) = Message::fill(medium, part, &|_| Some("1".to_owned())) else {
                continue;
            };
            let Some(place) = Place::of(text, 0, 1) else {
                continue;
            };
            let message = format!(
                "`{name}` of the action `{}` cannot be sent: {malformed}",
                action.definition.name
            );
            context.report_once_in_file(Diagnostic::new(Code::MalformedMessage, place, message));
        }
    }
}

/// Whether an action includes one of the files that later versions have not.
fn includes_former_file(context: &Context<'_>, action: &InspectedAction) -> bool {
    let Some(merged) = action.merged.as_deref().and_then(|name| context.merged(name)) else {
        return false;
    };
    context.inspection.mistakes.iter().any(|mistake| {
        matches!(mistake, Mistake::MissingInclude { at: Some(at), path }
            if FORMER_FILES.iter().any(|name| path.ends_with(name))
                && merged.files.iter().any(|(file, _)| file.as_str() == &*at.file))
    })
}

/// `option` of `option?family=inet6`.
fn base(name: &str) -> &str {
    name.split('?').next().unwrap_or(name)
}

/// Whether a tag has a value when the command runs.
fn is_known(tag: &str) -> bool {
    if tag.starts_with("answer.") {
        return true;
    }
    let ticket = Ticket::new(
        Id::Address(Address::single(std::net::IpAddr::from([192, 0, 2, 1]))),
        Timestamp::from_seconds(0),
    );
    let facts = BanFacts::new(
        ticket,
        JailFacts {
            name: String::new(),
            bantime: BanTime::from_seconds(0),
            banned: 0,
            banned_total: 0,
            found: 0,
            found_total: 0,
            now: Timestamp::from_seconds(0),
        },
    );
    TAGS.contains(&tag) || tag.starts_with("F-") || facts.value(tag).is_some()
}

/// Whether this could be the name of an option, rather than a piece of shell or HTML.
fn is_name(tag: &str) -> bool {
    tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && tag
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '?' | '='))
}

/// The tags in a text, each with the byte at which it begins.
pub(crate) fn tags(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(open) = text.get(rest..).and_then(|text| text.find('<')) {
        let start = rest + open;
        rest = start + 1;
        let behind = text.get(rest..).unwrap_or_default();
        let Some(end) = behind.find([' ', '<', '>', '\n']) else {
            continue;
        };
        if end > 0 && behind.get(end..).is_some_and(|text| text.starts_with('>')) {
            found.push((start, behind.get(..end).unwrap_or_default()));
        }
    }
    found
}

/// A parameter that neither a tag nor a `%(…)s` reads.
fn unread_parameter(
    context: &mut Context<'_>,
    parameter: &Rc<Written>,
    merged: &Merged,
    vocabulary: Vocabulary,
    of: &str,
) {
    let name = base(parameter.name());
    let standard = vocabulary.options();
    let ours = match vocabulary {
        Vocabulary::Action => Vocabulary::Action.has(Group::Setting, name),
        Vocabulary::Filter => Vocabulary::Filter.has(Group::Variable, name),
        Vocabulary::Daemon | Vocabulary::Jail => false,
    };
    let options: Vec<&str> = merged
        .sections
        .iter()
        .flat_map(|(_, options)| options.iter().filter_map(|layers| layers.last()))
        .map(|option| base(option.name()))
        .collect();
    let sends =
        vocabulary == Vocabulary::Action && options.contains(&"type") && vocabulary.has(Group::Message, name);
    let is_known = parameter.is_used()
        || sends
        || standard.contains(&name)
        || ours
        || options.iter().any(|option| option.eq_ignore_ascii_case(name));
    if is_known {
        return;
    }
    // What all jails pass on, such as `port="%(port)s"`, is of use to some actions only.
    let is_shared =
        enclosing_section(context, parameter) == "DEFAULT" && begins_with_reference(context, parameter);
    let references = references_of(merged);
    let candidates = || {
        options
            .iter()
            .copied()
            .chain(standard.iter().copied())
            .chain(references.iter().map(String::as_str))
    };
    let meant = nearest(name, candidates().filter(|known| !known.starts_with("known/")));
    if is_shared && meant.is_none() {
        return;
    }
    let what = match vocabulary {
        Vocabulary::Filter => "filter",
        Vocabulary::Action | Vocabulary::Daemon | Vocabulary::Jail => "action",
    };
    let help = match meant {
        Some(meant) => Some(format!("did you mean `{meant}`?")),
        None => known_parameters(merged).map(|known| format!("it knows {known}")),
    };
    let place = Place::name(parameter);
    context.report(
        Diagnostic::new(
            Code::UnknownParameter,
            place,
            format!(
                "the {what} `{of}` does not know the parameter `{}`",
                parameter.name()
            ),
        )
        .maybe_help(help),
    );
}

/// The options of `[Init]`, which are there to be given as parameters.
fn known_parameters(merged: &Merged) -> Option<String> {
    /// As many as fit a line.
    const SHOWN: usize = 8;
    let (_, options) = merged.sections.iter().find(|(name, _)| name == "Init")?;
    let mut names: Vec<String> = options
        .iter()
        .filter_map(|layers| layers.last())
        .filter(|option| !option.name().contains('?') && !InspectedAction::is_standard(option.name()))
        .map(|option| format!("`{}`", option.name()))
        .collect();
    if names.len() > SHOWN {
        names.truncate(SHOWN);
        names.push("…".to_owned());
    }
    (!names.is_empty()).then(|| names.join(", "))
}

/// Whether the value of a parameter is written as a reference.
fn begins_with_reference(context: &Context<'_>, parameter: &Written) -> bool {
    let at = parameter.name_at();
    let before = usize::try_from(at.column).unwrap_or(1).saturating_sub(1);
    let rest: String = context.line(at).chars().skip(before).collect();
    let value = rest.split_once('=').map_or("", |(_, value)| value);
    value.trim_start_matches(['"', '\'']).starts_with("%(")
}

/// The section within whose options a parameter is written.
fn enclosing_section(context: &Context<'_>, parameter: &Written) -> String {
    let at = parameter.name_at();
    let files = &context.inspection.files;
    let sections = files
        .iter()
        .filter(|file| file.path.as_str() == &*at.file)
        .flat_map(|file| &file.sections);
    sections
        .flat_map(|section| section.options.iter().map(move |option| (section, option)))
        .filter(|(_, option)| option.name_at().line <= at.line)
        .max_by_key(|(_, option)| option.name_at().line)
        .map_or_else(String::new, |(section, _)| section.name.clone())
}
