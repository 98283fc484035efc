//! `ignoreip`: words that spare nobody.

use stockade_config::{HOLE, InspectedJail, Kind, Text};
use stockade_jail::Entry;

use crate::context::Context;
use crate::{Code, Diagnostic, Place};

pub(crate) fn apply(context: &mut Context<'_>) {
    for jail in context.enabled() {
        one_jail(context, jail);
    }
}

fn one_jail(context: &mut Context<'_>, jail: &InspectedJail) {
    let Some(text) = jail.option("ignoreip") else {
        return;
    };
    let value = text.as_str().unwrap_or_default();
    let is_separator = |c: char| c.is_whitespace() || c == ',';
    let mut from = 0;
    for word in value.split_inclusive(is_separator) {
        let entry = word.trim_end_matches(is_separator);
        if context.is_full() {
            return;
        }
        if !entry.is_empty() && !entry.contains(HOLE) {
            one_entry(context, text, from, entry);
        }
        from += word.len();
    }
}

fn one_entry(context: &mut Context<'_>, text: &Text, from: usize, entry: &str) {
    let wrong = |message: String, help: &str| Some((Code::BadAddress, message, help.to_owned()));
    let mistake = match Entry::parse(entry) {
        Ok(Some(Entry::Address(_))) if is_too_narrow(entry) => wrong(
            format!("`{entry}` has a mask that is none"),
            "the length of a network is at most 32, for IPv6 128: `192.0.2.0/24`, `2001:db8::/32`",
        ),
        Ok(None | Some(Entry::Address(_))) => None,
        Ok(Some(Entry::File(path))) => match context.files.kind(&path) {
            Kind::File => None,
            Kind::Missing | Kind::DanglingLink => Some((
                Code::MissingList,
                format!("there is no file {path} with addresses to ignore"),
                "make it, with an address a line, or remove the entry".to_owned(),
            )),
            Kind::Directory => Some((
                Code::MissingList,
                format!("{path} is a directory, not a list of addresses"),
                "name a file, with an address a line".to_owned(),
            )),
        },
        Err(_) => wrong(
            format!("`{entry}` has a mask that is none"),
            "write the length of the network: `192.0.2.0/24`",
        ),
        Ok(Some(Entry::Name(_))) => name(entry).and_then(|(message, help)| wrong(message, help)),
    };
    // Finding the place takes as long as the value is, so it is looked for only here.
    let Some((code, message, help)) = mistake else {
        return;
    };
    let Some(place) = Place::of(text, from, entry.len()) else {
        return;
    };
    if !context.has(Code::CommentInValue, &place) && !context.has(Code::QuotedValue, &place) {
        context.report(Diagnostic::new(code, place, message).help(help));
    }
}

/// Whether the length of a network is more than its address has bits.
fn is_too_narrow(entry: &str) -> bool {
    entry.split_once('/').is_some_and(|(host, length)| {
        let longest = if host.contains(':') { 128 } else { 32 };
        length.parse::<u32>().is_ok_and(|length| length > longest)
    })
}

/// What is wrong with a word that is no address, if it cannot be a host name either.
fn name(entry: &str) -> Option<(String, &'static str)> {
    let message = format!("`{entry}` is neither an address nor a host name, so it spares nobody");
    let of_numbers = |c: char| c.is_ascii_digit() || matches!(c, '.' | '/' | '*' | '-' | 'x');
    let help = if let Some((_, length)) = entry.split_once('/') {
        if length.parse::<u32>().is_ok() {
            "the length of a network is at most 32, for IPv6 128: `192.0.2.0/24`, `2001:db8::/32`"
        } else {
            "a network is an address and a length: `192.0.2.0/24`"
        }
    } else if entry.contains('*') {
        "networks are written with a length, not with `*`: `192.0.2.0/24`"
    } else if entry.chars().all(of_numbers) && entry.contains('-') {
        "ranges are written as networks: `192.0.2.0/24`"
    } else if entry.contains(':') {
        "an IPv6 address is written like `2001:db8::1`, without brackets or a port"
    } else if entry.chars().all(|c| c.is_ascii_digit() || c == '.') {
        "an IPv4 address has four numbers up to 255: `192.0.2.1`"
    } else if !entry
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
    {
        "entries are addresses, networks, names and `file:/path`, separated by blanks"
    } else {
        return None;
    };
    Some((message, help))
}
