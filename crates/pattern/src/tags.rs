//! `<HOST>` and its kin → the expression in Python's dialect that they stand for.
//!
//! In: an expression as the administrator writes it. Out: the text that the reference shows for it in
//! `get … failregex` and in its error messages, character for character; the engine gets the same text.
//!
//! Replacement is textual, everywhere in the expression, also inside classes and group syntax.

use std::collections::BTreeSet;

/// What the tags of an expression stand for depends on this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagOptions {
    /// Whether `<HOST>` may be a name: true unless `usedns` is `no`.
    pub dns: bool,
}

/// IPv4 text with an optional mapped prefix, which is outside the group.
const IP4: &str = r"(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})";
/// IPv6 text, loosely.
const IP6: &str = r"(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|:){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):))";
const DNS: &str = r"(?P<dns>[\w\-.^_]*\w)";
const CIDR: &str = r"(?P<cidr>\d+)";

/// Expands the tags of an expression and rewrites its misplaced flags.
///
/// A flag group right behind an opening parenthesis, `((?i)…)` or `(?:(?i)…)`, becomes a scoped one in
/// place of the parenthesis, `(?i:…)`. The reference does this because newer versions of Python refuse
/// flags there; the capturing group is lost, as it is there.
///
/// ```
/// use stockade_pattern::{TagOptions, expand_tags};
///
/// let expanded = expand_tags("^from <F-ID/> port <F-PORT/>$", &TagOptions { dns: true });
/// assert_eq!(expanded, r"^from (?P<fid>\S+) port (?P<fport>\w+)$");
/// ```
#[must_use]
pub fn expand_tags(source: &str, options: &TagOptions) -> String {
    let mut expansion = Expansion {
        options,
        opened: BTreeSet::new(),
        skiplines: 0,
    };
    let mut out = String::with_capacity(source.len() + 256);
    let mut rest = source;
    while let Some(at) = rest.find('<') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        match tag_at(tail).and_then(|tag| Some((tag.len(), expansion.replacement(tag)?))) {
            Some((length, replacement)) => {
                out.push_str(&replacement);
                rest = tail.get(length..).unwrap_or("");
            }
            None => {
                out.push('<');
                rest = tail.get(1..).unwrap_or("");
            }
        }
    }
    out.push_str(rest);
    scope_flags(&out)
}

/// The tag that `text` begins with: `<`, perhaps `/`, word characters and `-`, perhaps `/`, `>`.
fn tag_at(text: &str) -> Option<&str> {
    let end = text.find('>')?;
    let tag = text.get(..=end)?;
    let name = tag.strip_prefix('<')?.strip_suffix('>')?;
    let name = name.strip_prefix('/').unwrap_or(name);
    let name = name.strip_suffix('/').unwrap_or(name);
    // All known tags are ASCII; other word characters make a tag that stays as it is.
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (!name.is_empty() && name.chars().all(good)).then_some(tag)
}

/// What has to be remembered from one tag to the next.
struct Expansion<'a> {
    options: &'a TagOptions,
    /// The `<F-NAME>`s so far: only their closing tags are tags.
    opened: BTreeSet<String>,
    skiplines: u32,
}

impl Expansion<'_> {
    /// What `tag` stands for, or `None` if it is literal text.
    fn replacement(&mut self, tag: &str) -> Option<String> {
        match tag {
            "<IP4>" | "<F-IP4/>" => Some(IP4.to_owned()),
            "<IP6>" | "<F-IP6/>" => Some(IP6.to_owned()),
            "<DNS>" | "<F-DNS/>" => Some(DNS.to_owned()),
            "<CIDR>" | "<F-CIDR/>" => Some(CIDR.to_owned()),
            "<ADDR>" | "<F-ADDR/>" => Some(address()),
            "<SUBNET>" | "<F-SUBNET/>" => Some(format!(r"\[?(?:{IP4}|{IP6})(?:/{CIDR})?\]?")),
            "<HOST>" if self.options.dns => Some(format!("(?:{}|{DNS})", address())),
            "<HOST>" => Some(address()),
            "<F-ID/>" => Some(r"(?P<fid>\S+)".to_owned()),
            "<F-PORT/>" => Some(r"(?P<fport>\w+)".to_owned()),
            "<SKIPLINES>" => {
                let number = self.skiplines;
                self.skiplines += 1;
                Some(format!(r"\n(?P<skiplines{number}>(?:(?:.*\n)*?))"))
            }
            _ => self.custom(tag),
        }
    }

    /// `<F-NAME>` and, once it was opened, `</F-NAME>`.
    fn custom(&mut self, tag: &str) -> Option<String> {
        let inner = tag.strip_prefix('<')?.strip_suffix('>')?;
        let closing = inner.strip_prefix('/');
        let name = closing.unwrap_or(inner).strip_prefix("F-")?;
        let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(upper) {
            return None;
        }
        if closing.is_some() {
            return self.opened.contains(name).then(|| ")".to_owned());
        }
        self.opened.insert(name.to_owned());
        let group = match name {
            "ID" => "fid".to_owned(),
            "PORT" => "fport".to_owned(),
            _ => name.to_ascii_lowercase(),
        };
        Some(format!("(?P<{group}>"))
    }
}

fn address() -> String {
    format!(r"\[?(?:{IP4}|{IP6})\]?")
}

/// Rewrites `((?flags)` and `(?:(?flags)` to `(?flags:`, unless a backslash stands before.
fn scope_flags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('(') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        // The reference looks at one character: `\\(` counts as escaped as well.
        let flags = if out.ends_with('\\') {
            None
        } else {
            flags_after_parenthesis(tail)
        };
        match flags {
            Some((flags, length)) => {
                out.push_str("(?");
                out.push_str(flags);
                out.push(':');
                rest = tail.get(length..).unwrap_or("");
            }
            None => {
                out.push('(');
                rest = tail.get(1..).unwrap_or("");
            }
        }
    }
    out.push_str(rest);
    out
}

/// The flags of the `((?flags)` or `(?:(?flags)` that `text` begins with, and its length.
fn flags_after_parenthesis(text: &str) -> Option<(&str, usize)> {
    let inner = text.strip_prefix('(')?;
    let group = inner.strip_prefix("?:").unwrap_or(inner).strip_prefix("(?")?;
    let length = group
        .find(|c: char| !c.is_ascii_lowercase())
        .filter(|&length| length > 0)?;
    let rest = group.get(length..)?.strip_prefix(')')?;
    Some((group.get(..length)?, text.len() - rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDR: &str = r"\[?(?:(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})|(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|:){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):)))\]?";

    #[test]
    fn expands_to_what_the_reference_shows() {
        let host = format!(r"(?:{ADDR}|(?P<dns>[\w\-.^_]*\w))");
        let cases: [(&str, &str); 34] = [
            ("<ADDR>", ADDR),
            ("<F-ADDR/>", ADDR),
            ("a <HOST> b", &format!("a {host} b")),
            (r"\<HOST>", &format!(r"\{host}")),
            ("<<HOST>>", &format!("<{host}>")),
            (
                "<SUBNET>",
                &format!(r"{}(?:/(?P<cidr>\d+))?\]?", ADDR.strip_suffix(r"\]?").unwrap()),
            ),
            ("<F-ID/>|<F-PORT/>", r"(?P<fid>\S+)|(?P<fport>\w+)"),
            (
                "a<SKIPLINES>b<SKIPLINES>c",
                r"a\n(?P<skiplines0>(?:(?:.*\n)*?))b\n(?P<skiplines1>(?:(?:.*\n)*?))c",
            ),
            (
                "<F-ID>x</F-ID><F-PORT>y</F-PORT><F-HOST>h</F-HOST>",
                "(?P<fid>x)(?P<fport>y)(?P<host>h)",
            ),
            ("</F-ID><F-ID>x</F-FOO></F-ID>", "</F-ID>(?P<fid>x</F-FOO>)"),
            ("<F-A>x</F-A></F-A>", "(?P<a>x))"),
            ("<F-A></F-A/>", "(?P<a></F-A/>"),
            ("<F-X-Y>a</F-X-Y>", "(?P<x-y>a)"),
            ("<F-1X>a</F-1X>", "(?P<1x>a)"),
            ("<F-SKIPLINES>x</F-SKIPLINES>", "(?P<skiplines>x)"),
            (
                "<F-user><HOST/><F-HOST/><IP4/></HOST>",
                "<F-user><HOST/><F-HOST/><IP4/></HOST>",
            ),
            (
                "<F-ID_X/><F-_/><F-><F-ÄÖ><F-ID >",
                "<F-ID_X/><F-_/><F-><F-ÄÖ><F-ID >",
            ),
            (
                "<skiplines></SKIPLINES><f-id/><HOST",
                "<skiplines></SKIPLINES><f-id/><HOST",
            ),
            (
                "((?i)abc)(?:(?im)a)((?i:x))((?i-s)a)",
                "(?i:abc)(?im:a)((?i:x))((?i-s)a)",
            ),
            ("((?i)(?s)a)", "(?i:(?s)a)"),
            ("(?:(?:(?i)a))", "(?:(?i:a))"),
            ("(((?i)(?i)a))", "((?i:(?i)a))"),
            ("((?P<x>(?i)a))", "((?P<x>(?i)a))"),
            ("(?=(?i)a)", "(?=(?i)a)"),
            (r"\((?i)a", r"\((?i)a"),
            (r"\\((?i)a)", r"\\((?i)a)"),
            (r"x\\(?:(?i)a)", r"x\\(?:(?i)a)"),
            ("[((?i)a]", "[(?i:a]"),
            ("((?L)a)((?iL)a)((?I)a)((?i1)a)", "((?L)a)((?iL)a)((?I)a)((?i1)a)"),
            ("((?iq)a)((?t)a)", "(?iq:a)(?t:a)"),
            ("((?)a)((?-i)a)", "((?)a)((?-i)a)"),
            ("(?i)((?i)a)", "(?i)(?i:a)"),
            ("<F-A>(?i)x</F-A>", "(?P<a>(?i)x)"),
            ("((?i)<F-A>x</F-A>)", "(?i:(?P<a>x))"),
        ];
        for (source, expected) in cases {
            assert_eq!(
                expand_tags(source, &TagOptions { dns: true }),
                expected,
                "expansion of {source}"
            );
        }
    }

    #[test]
    fn a_host_is_an_address_without_dns() {
        let without = TagOptions { dns: false };
        assert_eq!(expand_tags("<HOST>", &without), ADDR);
        assert_eq!(
            expand_tags("<DNS>", &without),
            DNS,
            "only <HOST> depends on usedns"
        );
    }
}
