//! Regular expressions and date patterns: what does not compile, what captures nobody, what an attacker could fake.

use std::rc::Rc;

use stockade_config::{HOLE, InspectedJail, Text, Written, nearest};
use stockade_datetime::{DatePatternError, Detector};
use stockade_filter::{Regex, RegexError, UseDns};
use stockade_pattern::{PatternError, TagOptions, expand_tags};
use stockade_protocol::Value;

use crate::context::Context;
use crate::{Code, Diagnostic, Place};

/// The tags that an expression may have, in the spelling that counts.
const TAGS: [&str; 15] = [
    "HOST",
    "ADDR",
    "IP4",
    "IP6",
    "DNS",
    "CIDR",
    "SUBNET",
    "SKIPLINES",
    "F-ID",
    "F-USER",
    "F-CONTENT",
    "F-NOFAIL",
    "F-MLFID",
    "F-MLFFORGET",
    "F-PORT",
];

/// The year from which dates are taken; any will do to see whether a pattern is one.
const YEAR: i16 = 2000;

/// How expressions of a jail are read.
#[derive(Clone, Copy)]
struct Reading {
    dns: bool,
    multiline: bool,
}

pub(crate) fn apply(context: &mut Context<'_>) {
    for jail in context.enabled() {
        one_jail(context, jail);
    }
}

/// What the filter and the jail say of an option.
pub(super) fn both<'t>(jail: &'t InspectedJail, name: &str) -> Vec<&'t Text> {
    let of_filter = jail.filter.as_ref().and_then(|filter| filter.option(name));
    of_filter.into_iter().chain(jail.option(name)).collect()
}

/// The lines of a value, each with the byte at which it begins.
pub(super) fn lines(text: &Text) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    text.as_str()
        .unwrap_or_default()
        .split('\n')
        .map(move |line| {
            let begins = from;
            from += line.len() + 1;
            (begins, line)
        })
        .filter(|(_, line)| !line.trim().is_empty() && !line.contains(HOLE))
}

fn one_jail(context: &mut Context<'_>, jail: &InspectedJail) {
    let usedns = both(jail, "usedns")
        .last()
        .and_then(|text| UseDns::parse(text.as_str()?));
    let maxlines = both(jail, "maxlines")
        .iter()
        .any(|text| matches!(text.value(), Value::Int(2..)));
    let reading = Reading {
        dns: usedns != Some(UseDns::No),
        multiline: maxlines,
    };
    let single = Reading {
        multiline: false,
        ..reading
    };
    let mut prefix: Option<Regex> = None;
    for text in both(jail, "prefregex") {
        let value = text.as_str().unwrap_or_default();
        let from = value.len() - value.trim_start().len();
        if value.trim().is_empty() || value.contains(HOLE) {
            continue;
        }
        if let Some(regex) = compile(context, text, from, value.trim_start(), single) {
            if !regex.pattern().has_group("content")
                && let Some(place) = Place::of(text, from, value.trim().len())
            {
                context.report(
                    Diagnostic::new(
                        Code::NoContent,
                        place,
                        "`prefregex` has no `<F-CONTENT>`, so that `failregex` sees the whole line",
                    )
                    .help("enclose what `failregex` is to match: `^<prefix> <F-CONTENT>.+</F-CONTENT>$`"),
                );
            }
            prefix = Some(regex);
        }
    }
    let mut count = 0;
    for text in both(jail, "failregex") {
        for (from, line) in lines(text) {
            count += 1;
            failregex(context, text, from, line, reading, prefix.as_ref());
        }
    }
    if count == 0 && !super::structure::has_host(jail) {
        no_failregex(context, jail);
    }
    for text in both(jail, "ignoreregex") {
        for (from, line) in lines(text) {
            if let Some(regex) = compile(context, text, from, line, single) {
                ignores_everything(context, text, from, line, &regex);
            }
        }
    }
    for text in both(jail, "datepattern") {
        datepattern(context, text);
    }
}

/// An ignoreregex that matches whatever there is.
fn ignores_everything(context: &mut Context<'_>, text: &Text, from: usize, line: &str, regex: &Regex) {
    let any = [
        "",
        "x",
        "192.0.2.1",
        "Jan 1 host door[1]: refused \u{e9} [192.0.2.1]",
    ];
    if any.iter().all(|text| regex.pattern().is_match(text) == Ok(true))
        && let Some(place) = Place::of(text, from, line.len())
    {
        context.report(
            Diagnostic::new(
                Code::IgnoresEverything,
                place,
                "the ignoreregex matches every line, so that none is a failure",
            )
            .help("leave `ignoreregex` empty, or say what is to be ignored"),
        );
    }
}

fn no_failregex(context: &mut Context<'_>, jail: &InspectedJail) {
    let Some(filter) = &jail.filter else { return };
    let is_reported = context
        .merged(&filter.merged)
        .is_some_and(|merged| !merged.sections.iter().any(|(name, _)| name == "Definition"))
        || context.is_written(&filter.merged, &["DEFAULT", "Definition", "Init"], "failregex")
        || context.is_written("jail", &["DEFAULT", &jail.name], "failregex");
    let Some(header) = jail.at.as_ref().filter(|_| !is_reported) else {
        return;
    };
    context.report(
        Diagnostic::new(
            Code::NoFailregex,
            Place::at(header, jail.name.chars().count() + 2),
            format!(
                "the jail [{}] can never match: neither it nor its filter `{}` has a failregex",
                jail.name, filter.definition.name
            ),
        )
        .help(format!(
            "write `failregex = …` into {}.local, below [Definition]",
            filter.merged
        )),
    );
}

fn failregex(
    context: &mut Context<'_>,
    text: &Text,
    from: usize,
    line: &str,
    reading: Reading,
    prefix: Option<&Regex>,
) {
    let Some(regex) = compile(context, text, from, line, reading) else {
        return;
    };
    let Some(place) = Place::of(text, from, line.len()) else {
        return;
    };
    if !regex.has_id() && !prefix.is_some_and(Regex::has_id) {
        if context.has(Code::CutByComment, &place) {
            context.escalate(Code::CutByComment, &place);
            return;
        }
        if regex.counts_host() {
            let group = line.find("(?P<host>").unwrap_or(0);
            if let Some(place) = Place::of(text, from + group, "(?P<host>".len()) {
                let message =
                    "the group `host` is what fail2ban before 0.10 banned; later versions refuse it";
                context.report(
                    Diagnostic::new(Code::Outdated, place, message)
                        .help("write `<HOST>` in place of the group"),
                );
            }
            return;
        }
        let help = "put `<HOST>` where the address stands, or `<F-ID>…</F-ID>` around what is to be banned";
        let diagnostic =
            Diagnostic::new(Code::NoFailureId, place, "the expression captures nobody to ban").help(help);
        context.report(from_elsewhere(diagnostic, text));
        return;
    }
    anchoring(context, &regex, line, place, prefix);
}

/// Whether what an attacker writes into a line can be taken for the line itself.
fn anchoring(context: &mut Context<'_>, regex: &Regex, line: &str, place: Place, prefix: Option<&Regex>) {
    // With several lines `^` also holds within the text, so the question is asked of one line.
    let single = Regex::compile(line, true, false);
    let is_anchored = single.as_ref().unwrap_or(regex).pattern().is_anchored();
    if !is_anchored {
        let is_fixed = prefix.is_some_and(|prefix| prefix.pattern().is_anchored());
        // Behind a prefregex only the rest of the line is searched, which is nearly as good.
        if is_fixed {
            return;
        }
        context.report(
            Diagnostic::new(
                Code::Unanchored,
                place,
                "the expression does not begin with `^`: whoever can write into the log, a user name for instance, can \
                 have anybody banned",
            )
            .help("begin with `^` and what stands before: `^%(__prefix_line)s…`, with `before = common.conf`"),
        );
        return;
    }
    let behind = line.trim_start_matches("(?i)").trim_start_matches('^');
    let is_loose = [".*", ".+", "(.*)", "(?:.*)"]
        .iter()
        .any(|start| behind.starts_with(start));
    if is_loose && line.contains('^') {
        context.report(
            Diagnostic::new(
                Code::LooseAnchor,
                place,
                "`^` followed by `.*` holds nothing: the expression matches anywhere in the line",
            )
            .help("say what stands before, such as `^%(__prefix_line)s`, or `^\\S+ \\S+`"),
        );
    }
}

/// Adds the option that was read, where a value is written elsewhere.
fn from_elsewhere(diagnostic: Diagnostic, text: &Text) -> Diagnostic {
    match text.written() {
        Some(option) if option.at().file.as_ref() != diagnostic.place.file.as_str() => {
            let message = format!("`{}` has it from there", option.name());
            diagnostic.related(Place::name(option), message)
        }
        Some(_) | None => diagnostic,
    }
}

/// Compiles an expression, and reports what is wrong with it.
fn compile(
    context: &mut Context<'_>,
    text: &Text,
    from: usize,
    line: &str,
    reading: Reading,
) -> Option<Regex> {
    match Regex::compile(line, reading.dns, reading.multiline) {
        Ok(regex) => {
            tags(context, text, from, line);
            if !regex.pattern().is_regular() {
                backtracking(context, text, from, line);
            }
            Some(regex)
        }
        Err(RegexError::Syntax { expanded, error }) => {
            let tags = TagOptions { dns: reading.dns };
            let at = error
                .position()
                .map_or(0, |position| source_position(line, &expanded, position, &tags));
            let place = Place::of(text, from + at, 1);
            if let Some(place) = place {
                if context.has(Code::CutByComment, &place) {
                    context.escalate(Code::CutByComment, &place);
                    return None;
                }
                let diagnostic = Diagnostic::new(
                    Code::BadPattern,
                    place,
                    format!("the expression does not compile: {}", error.message()),
                )
                .maybe_help(remedy(&error, line, at));
                context.report(from_elsewhere(diagnostic, text));
            }
            None
        }
        Err(RegexError::Empty | RegexError::NoId { .. }) => None,
    }
}

/// An expression that is searched for step by step; one for each file is enough to know.
fn backtracking(context: &mut Context<'_>, text: &Text, from: usize, line: &str) {
    let Some(place) = Place::of(text, from, line.len()) else {
        return;
    };
    if context.has_in_file(Code::Backtracking, &place) {
        return;
    }
    let message =
        "the expression needs look-around or a back-reference, so that it is searched for step by step";
    context.report(Diagnostic::new(Code::Backtracking, place, message).help(
        "a line on which that takes too many steps counts as not matched; only the first of a file is shown",
    ));
}

/// The byte of an expression as it is written that a byte of its expansion has come from.
fn source_position(source: &str, expanded: &str, position: usize, tags: &TagOptions) -> usize {
    /// Expanding every beginning of an expression takes quadratic time; longer ones are searched from near their end.
    const LONGEST: usize = 8192;
    let mut found = 0;
    let first = source.len().saturating_sub(LONGEST);
    for (byte, _) in source.char_indices().filter(|(byte, _)| *byte >= first) {
        let before = expand_tags(source.get(..byte).unwrap_or_default(), tags);
        if before.len() > position {
            break;
        }
        if expanded.starts_with(&before) {
            found = byte;
        }
    }
    if position >= expanded.len() {
        // The mistake is that the expression ends; its last character is shown.
        return source.char_indices().next_back().map_or(0, |(byte, _)| byte);
    }
    found
}

/// What to do about a mistake in an expression.
fn remedy(error: &PatternError, line: &str, at: usize) -> Option<String> {
    let message = error.message();
    let character = line.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
    let help = if message.contains("unterminated subpattern") {
        "close the group by `)`, or write `\\(` for the character".to_owned()
    } else if message.contains("unbalanced parenthesis") {
        "write `\\)` for the character, or open a group before it".to_owned()
    } else if message.contains("unterminated character set") {
        "close the set by `]`, or write `\\[` for the character".to_owned()
    } else if message.contains("nothing to repeat") {
        format!("write `\\{character}` for the character; before a repeat must stand what is repeated")
    } else if message.contains("multiple repeat") {
        "put what is repeated into a group: `(?:…)`".to_owned()
    } else if message.contains("redefinition of group name") {
        "each tag may stand once in an expression; write `(?:…|…)` around alternatives, or two expressions"
            .to_owned()
    } else if message.contains("look-behind requires") {
        "what stands in `(?<=…)` must have one length".to_owned()
    } else if message.contains("bad escape") {
        "a backslash before a letter must mean something; `\\\\` is the character itself".to_owned()
    } else if message.contains("bad character range") {
        "write the lower end first, and `\\-` for the character".to_owned()
    } else if message.contains("unknown extension") {
        "groups are `(?:…)`, `(?P<name>…)`, `(?=…)`, `(?!…)`, `(?<=…)`, `(?<!…)`".to_owned()
    } else if message.contains("global flags") {
        "write `(?i)` at the very beginning, or `(?i:…)`".to_owned()
    } else {
        return None;
    };
    Some(help)
}

/// Tags that are left in an expression and are near to one that means something.
fn tags(context: &mut Context<'_>, text: &Text, from: usize, line: &str) {
    let expanded = expand_tags(line, &TagOptions { dns: true });
    let mut rest = 0;
    while let Some(open) = line.get(rest..).and_then(|text| text.find('<')) {
        let start = rest + open;
        rest = start + 1;
        let behind = line.get(rest..).unwrap_or_default();
        let Some(end) = behind.find('>') else { break };
        let name = behind.get(..end).unwrap_or_default();
        let is_name = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/'));
        let before = line.get(..start).unwrap_or_default();
        // `(?P<name>`, `(?<=…`: that is Python's own.
        let is_python = before.ends_with("?P") || before.ends_with('?');
        let tag = format!("<{name}>");
        if !is_name || is_python || !expanded.contains(&tag) {
            continue;
        }
        let bare = name.trim_matches('/');
        if let Some((message, help)) = unknown(context, text, bare)
            && let Some(place) = Place::of(text, from + start, tag.len())
        {
            context.report(Diagnostic::new(Code::UnknownTag, place, message).help(help));
        }
    }
}

/// What to say of a tag that stayed as it is; nothing where it may be the text of the log.
fn unknown(context: &Context<'_>, text: &Text, name: &str) -> Option<(String, String)> {
    let file = text
        .written()
        .map(|option: &Rc<Written>| option.at().file.clone())?;
    let names: Vec<&str> = context
        .inspection
        .merged
        .iter()
        .filter(|merged| merged.files.iter().any(|(path, _)| path.as_str() == &*file))
        .flat_map(|merged| &merged.sections)
        .flat_map(|(_, options)| options.iter().filter_map(|layers| layers.last()))
        .map(|option| option.name())
        .collect();
    // One that leads to itself is defined, and has been reported.
    if names.contains(&name) {
        return None;
    }
    let message = format!("nothing defines `<{name}>`, so it matches these very characters");
    let upper = name.to_uppercase();
    if let Some(tag) = TAGS.iter().find(|tag| **tag == upper) {
        return Some((message, format!("did you mean `<{tag}>`? Case matters")));
    }
    if name.chars().all(|c| c.is_ascii_uppercase() || c == '-') {
        let meant = nearest(name, TAGS)?;
        return Some((message, format!("did you mean `<{meant}>`?")));
    }
    let is_variable = name.starts_with('_');
    match nearest(name, names.iter().copied().filter(|known| known.len() > 3)) {
        Some(meant) if name.len() > 3 => Some((message, format!("did you mean `<{meant}>`?"))),
        Some(_) | None if is_variable => Some((
            message,
            format!("define `{name} = …` in [Definition], or include the file that does"),
        )),
        Some(_) | None => None,
    }
}

/// The token that there is not, and its place.
fn no_token(text: &Text, from: usize, line: &str, error: &DatePatternError) -> Option<(String, Place)> {
    let DatePatternError::Format { at: Some(at), .. } = error else {
        return None;
    };
    let (byte, _) = line.char_indices().nth(*at)?;
    let token: String = line.get(byte..)?.chars().take(2).collect();
    let place = Place::of(text, from + byte, token.len())?;
    Some((format!("there is no token `{token}`"), place))
}

fn datepattern(context: &mut Context<'_>, text: &Text) {
    let mut is_good = true;
    for (from, line) in lines(text) {
        let Some(place) = Place::of(text, from, line.len()) else {
            continue;
        };
        if let Err(error) = Detector::new(Some(line), YEAR) {
            is_good = false;
            let whole = error.to_string();
            let detail = whole.rsplit("): ").next().unwrap_or(&whole);
            let (detail, place) =
                no_token(text, from, line, &error).unwrap_or_else(|| (detail.to_owned(), place));
            // In a file the `%` of a token is doubled.
            let help = if line.contains('%') {
                "the tokens are %Y, %m, %d, %H, %M, %S, %b, %z and their kin; in a file each `%` is written `%%`"
            } else {
                "it is an expression with tokens such as %%Y-%%m-%%d"
            };
            context.report(
                Diagnostic::new(
                    Code::BadDatePattern,
                    place,
                    format!("the datepattern cannot be read: {detail}"),
                )
                .help(help),
            );
        }
    }
    if !is_good || text.as_str().is_some_and(|text| text.contains(HOLE)) {
        return;
    }
    let value = text.as_str().unwrap_or_default();
    if let (Err(error), Some(place)) = (
        Detector::new(Some(value), YEAR),
        text.written().map(|option| Place::value(option)),
    ) {
        context.report(Diagnostic::new(Code::BadDatePattern, place, error.to_string()));
        return;
    }
    let upper = value.to_uppercase();
    let has_date = value.contains(['%', '{']) || ["EPOCH", "TAI64N"].iter().any(|word| upper.contains(word));
    let place = text.written().map(|option| Place::value(option));
    if let (false, false, Some(place)) = (has_date, value.trim().is_empty(), place) {
        context.report(
            Diagnostic::new(
                Code::NoDate,
                place,
                "the datepattern has no part of a date, so that no line has one",
            )
            .help("write tokens such as `%%Y-%%m-%%d %%H:%%M:%%S`, or `{NONE}` for lines without a date"),
        );
    }
}
