//! Characters that mean something else than they seem to: comments behind values, `;` within expressions, what cannot
//! be seen, and quotes that are none.

use stockade_config::{Entry, Group, SourceSection, Span, ValueKind, Vocabulary, Written};

use crate::context::Context;
use crate::{Code, Diagnostic, Place, Severity};

/// What is known of an option of the files of settings: of the daemon's, of a jail's, or of a variable's.
fn setting(name: &str) -> Option<&'static Entry> {
    let variables = Vocabulary::Jail.entries(Group::Variable);
    Vocabulary::Jail
        .entry(name)
        .or_else(|| Vocabulary::Daemon.entry(name))
        .or_else(|| variables.into_iter().find(|variable| variable.name == name))
}

/// What a file is about, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Settings,
    Filter,
    Action,
}

pub(crate) fn apply(context: &mut Context<'_>) {
    let mut included_in = Vec::new();
    for merged in &context.inspection.merged {
        let about = match merged.name.split('/').next() {
            Some("filter.d") => About::Filter,
            Some("action.d") => About::Action,
            _ if merged.name.contains("filter.d/") => About::Filter,
            _ if merged.name.contains("action.d/") => About::Action,
            _ => About::Settings,
        };
        included_in.extend(merged.files.iter().map(|(path, _)| (path.as_str(), about)));
    }
    for file in &context.inspection.files {
        unseen(context, &file.path);
        let about = included_in
            .iter()
            .find(|(path, _)| *path == file.path)
            .map_or(About::Settings, |(_, about)| *about);
        for section in &file.sections {
            for option in &section.options {
                match about {
                    About::Settings => {
                        comment(context, section, option);
                        quoted(context, section, option);
                        quotes(context, option);
                        cut(context, option, About::Settings);
                    }
                    About::Filter | About::Action => cut(context, option, about),
                }
            }
        }
    }
}

/// NUL and its kin, and characters that take no place.
fn unseen(context: &mut Context<'_>, path: &str) {
    let lines = context.lines(path);
    for (number, line) in (1..).zip(lines.iter()) {
        let is_unseen = |c: char| {
            (c.is_control() && c != '\t')
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}')
                || (c == '\u{feff}' && number > 1)
        };
        let Some((column, c)) = (1..).zip(line.chars()).find(|(_, c)| is_unseen(*c)) else {
            continue;
        };
        let is_comment = line.trim_start().starts_with(['#', ';']);
        if is_comment && c != '\0' {
            continue;
        }
        let place = Place {
            file: path.to_owned(),
            line: number,
            column,
            end: column + 1,
        };
        let what = match c {
            '\0' => "a NUL byte".to_owned(),
            c if c.is_control() => format!("a control character, U+{:04X}", u32::from(c)),
            c => format!("a character that cannot be seen, U+{:04X}", u32::from(c)),
        };
        context.report(
            Diagnostic::new(
                Code::ControlCharacter,
                place,
                format!("the line has {what}, which is part of what it says"),
            )
            .help("remove it; it may have come from a web page or a word processor"),
        );
    }
}

/// The lines of a value, each with the place at which it begins.
fn lines(option: &Written) -> impl Iterator<Item = (&str, Span)> {
    let mut byte = 0;
    option.text().split('\n').map(move |line| {
        let at = option.place(byte);
        byte += line.len() + 1;
        (line, at)
    })
}

/// `option = value # comment`.
fn comment(context: &mut Context<'_>, section: &SourceSection, option: &Written) {
    let name = option.name();
    let kind = setting(name).map(|setting| setting.kind);
    let (is_truth, is_strict) = kind.map_or((false, false), |kind| (kind.is_truth(), kind.is_strict()));
    if kind.is_some_and(ValueKind::may_have_hash) || Vocabulary::Action.has(Group::Read, name) {
        return;
    }
    for (line, at) in lines(option) {
        let Some(hash) = line.match_indices('#').map(|(at, _)| at).find(|at| {
            line.get(..*at)
                .is_some_and(|before| before.ends_with([' ', '\t']))
        }) else {
            continue;
        };
        let before = line.get(..hash).unwrap_or_default();
        let text = line.get(hash..).unwrap_or_default();
        let is_quoted = before.matches('"').count() % 2 == 1 || before.matches('\'').count() % 2 == 1;
        // A comment has words; `#` alone or as the beginning of a word is a value.
        let is_comment = text.chars().nth(1).is_none_or(char::is_whitespace) || is_strict || is_truth;
        if is_quoted || !is_comment {
            continue;
        }
        let column = at
            .column
            .saturating_add(u32::try_from(before.chars().count()).unwrap_or(0));
        let place = Place::at(&Span { column, ..at }, text.chars().count());
        let consequence = if is_truth {
            ", which therefore counts as false"
        } else if is_strict {
            ", which therefore cannot be used"
        } else {
            ""
        };
        let mut diagnostic = Diagnostic::new(
            Code::CommentInValue,
            place,
            format!(
                "`#` begins no comment here: it is part of the value of `{name}` in [{}]{consequence}",
                section.name
            ),
        )
        .help("put the comment on a line of its own, or write ` ;` instead of `#`");
        if is_strict {
            diagnostic.severity = Severity::Error;
        }
        context.report(diagnostic);
    }
}

/// `option = "value"`.
fn quoted(context: &mut Context<'_>, section: &SourceSection, option: &Written) {
    let name = option.name();
    let known = Vocabulary::Jail
        .entry(name)
        .or_else(|| Vocabulary::Daemon.entry(name));
    if known.is_none_or(|known| known.kind.takes_quotes() || known.kind.may_have_hash()) {
        return;
    }
    for (line, at) in lines(option) {
        let inside = ['"', '\'']
            .into_iter()
            .find_map(|quote| line.strip_prefix(quote)?.strip_suffix(quote));
        let Some(inside) = inside else { continue };
        context.report(
            Diagnostic::new(
                Code::QuotedValue,
                Place::at(&at, line.chars().count()),
                format!(
                    "the quotes are part of the value of `{name}` in [{}]",
                    section.name
                ),
            )
            .help(format!("write it without them: `{inside}`")),
        );
    }
}

/// ` ;` within an expression or a command.
fn cut(context: &mut Context<'_>, option: &Written, about: About) {
    let is_expression = ["failregex", "ignoreregex", "prefregex", "datepattern"].contains(&option.name());
    let is_command = option.name().starts_with("action") || option.name() == "ignorecommand";
    if !is_expression && !is_command && (about == About::Settings || !option.is_used()) {
        return;
    }
    for (line, at) in lines(option) {
        let physical = context.line(&at);
        let before = usize::try_from(at.column).unwrap_or(1).saturating_sub(1) + line.chars().count();
        let rest: String = physical.chars().skip(before).collect();
        let Some(comment) = rest.trim_start().strip_prefix(';') else {
            continue;
        };
        if comment.trim().is_empty() || line.is_empty() {
            continue;
        }
        let is_cut = match about {
            About::Action => is_cut_command(line, comment),
            About::Settings if is_command => is_cut_command(line, comment),
            About::Filter | About::Settings => is_cut_expression(line, comment),
        };
        if !is_cut {
            continue;
        }
        let blanks = rest.chars().count() - rest.trim_start().chars().count();
        let column = u32::try_from(before + blanks).unwrap_or(0).saturating_add(1);
        let width = rest.trim().chars().count();
        let (what, help) = if about == About::Action || is_command {
            (
                "command",
                "write the `;` directly behind the word before it, or each command on a line of its own",
            )
        } else {
            ("expression", "write `\\s;` or `[ ];` instead of a blank and `;`")
        };
        context.report(
            Diagnostic::new(
                Code::CutByComment,
                Place::at(&Span { column, ..at }, width),
                format!("` ;` begins a comment: the {what} ends before it"),
            )
            .help(help),
        );
    }
}

/// Whether a comment looks like the rest of a command.
fn is_cut_command(kept: &str, comment: &str) -> bool {
    let is_open = |quote: char| kept.matches(quote).count() % 2 == 1;
    let mut words = comment.split_whitespace();
    let first = words.clone().next().unwrap_or_default();
    is_open('\'')
        || is_open('"')
        || kept.matches('(').count() > kept.matches(')').count()
        || comment.contains(['<', '$', '|', '>', '/', '&'])
        || ["exit", "echo", "printf", "true", "do", "else"].contains(&first)
        || words.any(|word| ["done", "fi", "then", "esac"].contains(&word))
}

/// Whether a comment looks like the rest of an expression.
fn is_cut_expression(kept: &str, comment: &str) -> bool {
    let mut depth = 0_i32;
    let mut escaped = false;
    let mut in_class = false;
    for c in kept.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' if !in_class => in_class = true,
            ']' if in_class => in_class = false,
            '(' if !in_class => depth += 1,
            ')' if !in_class => depth -= 1,
            _ => {}
        }
    }
    let comment = comment.trim_end();
    depth > 0
        || in_class
        || comment.ends_with('$')
        || [
            "<HOST>", "<ADDR>", "<IP4>", "<IP6>", "<F-", "</F-", "\\S", "\\d", "\\w", "\\s", "(?", ".*",
        ]
        .iter()
        .any(|sign| comment.contains(sign))
}

/// `[name=“value”]`.
fn quotes(context: &mut Context<'_>, option: &Written) {
    for (line, at) in lines(option) {
        let odd = ['“', '”', '„', '‘', '’', '«', '»'];
        let found = line.match_indices(odd).map(|(byte, _)| byte).find(|byte| {
            line.get(..*byte)
                .is_some_and(|before| before.ends_with('=') && before.contains('['))
        });
        let Some(byte) = found else { continue };
        let before = line.get(..byte).unwrap_or_default().chars().count();
        let column = at.column.saturating_add(u32::try_from(before).unwrap_or(0));
        context.report(
            Diagnostic::new(
                Code::OddQuotes,
                Place::at(&Span { column, ..at }, 1),
                format!("a typographic quote is part of the value of `{}`", option.name()),
            )
            .help("write `\"` or `'`"),
        );
    }
}
